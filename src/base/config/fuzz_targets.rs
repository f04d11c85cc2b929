//! Entry points of `tests/fuzz`: configurations from arbitrary bytes.

use super::{Config, Format, Preset};
use crate::testing::Target;

/// Reader by the name of its corpus.
pub const TARGETS: &[Target] = &[("config", config)];

/// A configuration file; if accepted, its own text must restore it.
fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(config) = Config::from_toml(text) {
        // TOML cannot represent seeds above 2^63 - 1.
        if let Ok(written) = config.to_toml() {
            assert_eq!(Config::from_toml(&written).ok().as_ref(), Some(&config), "{written}");
        }
        let _differences = config.differences(&Preset::default().config());
    }
    // As a set-up or a configuration of PtychoPINN, in any format.
    for format in [None, Some(Format::Toml), Some(Format::Yaml), Some(Format::Json)] {
        if let Ok(imported) = Config::import_text(text, format, None, &[]) {
            let _valid = imported.config.validate();
        }
    }
    // Each line as a command line setting.
    let mut config = Config::default();
    for (field, value) in text.lines().take(8).filter_map(|line| line.split_once('=')) {
        let _set = config.set(field.trim(), value.trim());
    }
    let _valid = config.validate();
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_read_without_a_crash() {
        crate::testing::replay(super::TARGETS);
    }
}
