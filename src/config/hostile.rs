//! Configurations from any bytes: what the campaigns of `tests/fuzz` call.

use super::{Config, Preset};
use crate::system::corpus::Target;

/// The reader by the name of its corpus.
pub const TARGETS: &[Target] = &[("config", config)];

/// A configuration file; what is accepted has to come back from its own text unchanged.
fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(config) = Config::from_toml(text) {
        // Seeds above 2^63 - 1 cannot be written.
        if let Ok(written) = config.to_toml() {
            assert_eq!(Config::from_toml(&written).ok().as_ref(), Some(&config), "{written}");
        }
        let _differences = config.differences(&Preset::default().config());
    }
    // Each line as a setting of the command line.
    let mut config = Config::default();
    for (field, value) in text.lines().take(8).filter_map(|line| line.split_once('=')) {
        let _set = config.set(field.trim(), value.trim());
    }
    let _valid = config.validate();
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_the_campaigns_kept_is_read_without_harm() {
        crate::system::corpus::replay(super::TARGETS);
    }
}
