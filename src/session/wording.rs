//! Messages that name settings as on the command line, reworded for the window.

use crate::config::Config;

/// Reworded programs of the command line.
const PROGRAMS: [(&str, &str); 7] = [
    ("`ptychoscope inspect` lists them", "the table of arrays lists them"),
    ("list them with `ptychoscope inspect`", "the checks below list them"),
    ("ssign the arrays with --set", "ssign the arrays under “Use as” in the table, or with --set"),
    ("Store the missing arrays under these names; an array", "An array"),
    ("Check the dataset with `ptychoscope inspect`", "Check the dataset in the Data panel"),
    ("with `ptychoscope diagnose`", "with Diagnose in the Data panel"),
    ("refine the result with `ptychoscope polish`", "polish the result"),
];

/// The text with the labels of the form in place of `--set PATH=VALUE` and flags: `--set data.mapping.x=KEY` is “X key”.
pub fn in_window(text: &str) -> String {
    let mut text = text.to_owned();
    for (program, words) in PROGRAMS {
        text = text.replace(program, words);
    }
    let mut words: Vec<String> = Vec::new();
    let mut after_flag = false;
    for word in text.split(' ').filter(|word| *word != "--set") {
        // A placeholder behind a flag, such as FILE, says nothing more.
        let bare = word.trim_end_matches(['.', ',', ';', ')']);
        let is_placeholder = bare.len() > 1 && bare.chars().all(|c| c.is_ascii_uppercase());
        if let (true, true, Some(last)) = (after_flag, is_placeholder, words.last_mut()) {
            last.push_str(&word[bare.len()..]);
            after_flag = false;
            continue;
        }
        let known = reworded(word);
        // A field named by its flag is not named a second time by its path.
        if let (Some((label, after)), Some(last)) =
            (known.as_ref().and_then(|known| in_parentheses(known)), words.last_mut())
            && last.trim_end_matches([',', '.']).ends_with(label)
        {
            last.push_str(after);
            continue;
        }
        after_flag = known.is_some() && word.trim_start_matches('(').starts_with("--");
        words.push(known.unwrap_or_else(|| word.to_owned()));
    }
    words.join(" ")
}

/// Text in parentheses, and what follows them.
fn in_parentheses(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('(')?.split_once(')')
}

/// A word that names a setting; `None` if it does not.
fn reworded(word: &str) -> Option<String> {
    let start = word.find(|c: char| c.is_alphanumeric() || c == '-')?;
    let (before, rest) = word.split_at(start);
    let end = rest
        .rfind(|c: char| c.is_alphanumeric() || c == '…')
        .map_or(rest.len(), |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
    let (name, after) = rest.split_at(end);
    let (name, value) = name.split_once('=').unwrap_or((name, ""));
    if name == "data.geometry.…" {
        return Some(format!("{before}the fields of the geometry{after}"));
    }
    let fields = Config::fields();
    let field = fields.iter().find(|field| field.path == name || field.flag == Some(name))?;
    // A placeholder such as KEY says nothing more.
    let placeholder = value.is_empty() || value == "…" || value.chars().all(|c| c.is_ascii_uppercase());
    let value = if placeholder { String::new() } else { format!(" = {value}") };
    Some(format!("{before}“{}”{value}{after}", field.label))
}

#[cfg(test)]
mod tests {
    use super::in_window;

    #[test]
    fn settings_and_flags_are_named_as_in_the_form() {
        for (text, expected) in [
            (
                "Set --set data.mapping.x=KEY and data.mapping.y=KEY, or the unit",
                "Set “X key” and “Y key”, or the unit",
            ),
            (
                "Set --set data.geometry.energy_ev=…, or data.geometry.pixel_size_m=…",
                "Set “Photon energy”, or “Object pixel”",
            ),
            ("Try --set inference.crop=20.", "Try “Central window” = 20."),
            (
                "Use fewer patterns with --n-subsample, or smaller ones",
                "Use fewer patterns with “Patterns used”, or smaller ones",
            ),
            ("correct it (--diffraction-unit counts)", "correct it (“Diffraction unit” counts)"),
            ("`ptychoscope inspect` lists them", "the table of arrays lists them"),
            ("name it: --probe-file FILE (data.mapping.probe_file). More", "name it: “Probe file”. More"),
            ("given with --positions-file FILE. More", "given with “Position file”. More"),
            ("Nothing - to do here: 3 of 4", "Nothing - to do here: 3 of 4"),
        ] {
            assert_eq!(in_window(text), expected);
        }
    }
}
