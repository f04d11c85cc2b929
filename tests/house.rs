//! Holds the import rule and the places of a few crates, as told in the docs of `src/lib.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which rooms a room may read, besides itself, `error` and `config`.
const RULE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("config", &[]),
    ("data", &[]),
    ("metrics", &[]),
    ("imaging", &[]),
    ("kernels", &[]),
    ("physics", &["kernels"]),
    ("fourier", &[]),
    ("system", &[]),
    ("simulate", &["data"]),
    ("model", &["kernels", "physics"]),
    ("train", &["direct", "kernels", "physics", "model", "data", "metrics"]),
    ("direct", &["data", "physics"]),
    ("infer", &["kernels", "physics", "model", "data", "metrics", "train"]),
    ("checkpoint", &["model", "data", "train"]),
    (
        "worker",
        &["simulate", "train", "infer", "direct", "model", "physics", "data", "checkpoint", "metrics", "imaging"],
    ),
    ("report", &["data", "metrics", "imaging", "checkpoint"]),
    ("session", &["worker", "checkpoint"]),
    ("ui", &["session", "worker", "imaging", "checkpoint", "data", "metrics"]),
    ("bench", &["worker", "train", "infer", "model", "kernels", "data", "simulate"]),
    ("cli", &["bench", "session", "worker", "imaging", "checkpoint", "data", "metrics", "report", "simulate", "ui"]),
];

/// Crates that belong into a few rooms only.
const PLACES: &[(&str, &[&str])] = &[
    ("burn", &["kernels", "physics", "model", "train", "direct", "infer", "worker", "bench"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("ctrlc", &["cli"]),
    ("eframe", &["ui"]),
    ("egui", &["ui"]),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Every file below `src` with its room and its code: comments, files of tests (`tests.rs`, `…_tests.rs`) and the unit tests
/// at a file's end are left out.
fn code_by_room() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.retain(|path| !path.to_string_lossy().ends_with("tests.rs"));
    let read = |path: PathBuf| {
        let room = path.strip_prefix(&root).unwrap().components().next().unwrap().as_os_str().to_str().unwrap();
        let room = room.trim_end_matches(".rs").to_owned();
        let code = without_tests_and_comments(&std::fs::read_to_string(&path).unwrap());
        (room, path, code)
    };
    files.into_iter().map(read).filter(|(room, ..)| room != "lib" && room != "main").collect()
}

fn without_tests_and_comments(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_test_module = |at: usize| {
        lines[at].starts_with("#[cfg(test)]")
            && lines[at + 1..]
                .iter()
                .find(|line| !line.starts_with("#["))
                .is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    };
    let end = (0..lines.len()).find(|&at| is_test_module(at)).unwrap_or(lines.len());
    let code = lines[..end].iter().map(|line| line.find("//").map_or(*line, |at| &line[..at]));
    code.collect::<Vec<_>>().join("\n")
}

/// Identifiers that follow `crate::`, also inside `crate::{…}`.
fn rooms_read(code: &str) -> BTreeSet<String> {
    let identifier = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(identifier(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    found.insert(identifier(&list[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// Whether a path of this crate is written in the code: `name::` at the start of a word, or `use name;`.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '.')
            && (after.starts_with("::") || (after.starts_with(';') && code[..at].ends_with("use ")))
    })
}

#[test]
fn rooms_read_only_the_rooms_they_may() {
    let rooms: BTreeSet<String> = code_by_room().into_iter().map(|(room, ..)| room).collect();
    for room in &rooms {
        assert!(RULE.iter().any(|(name, _)| name == room), "the room {room} has no entry in the import rule");
    }
    let mut broken = Vec::new();
    for (room, path, code) in code_by_room() {
        let allowed = RULE.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
        for read in rooms_read(&code) {
            let always = read == room
                || ["error", "fourier", "system"].contains(&read.as_str())
                || (read == "config" && room != "error");
            if rooms.contains(&read) && !always && !allowed.contains(&read.as_str()) {
                broken.push(format!("{} reads {read}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_session_knows_only_the_messages_of_the_worker() {
    for (room, path, code) in code_by_room() {
        if room == "session" {
            for (at, _) in code.match_indices("crate::worker::") {
                assert!(code[at..].starts_with("crate::worker::message::"), "{}", path.display());
            }
        }
    }
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut broken = Vec::new();
    for (room, path, code) in code_by_room() {
        for (name, places) in PLACES {
            if !places.contains(&room.as_str()) && names_crate(&code, name) {
                broken.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn unsafe_code_stays_in_the_kernels() {
    for (room, path, code) in code_by_room() {
        let uses = code.lines().any(|line| line.contains("unsafe ") || line.contains("allow(unsafe_code"));
        assert!(room == "kernels" || !uses, "{} has unsafe code", path.display());
    }
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    let agreed = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "src",
        "assets",
        "tests",
        "fixtures",
    ];
    for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Run folders and build output are ignored by git.
        let ignored = name.starts_with('.') || name == "target" || name == "runs" || name == "rustfmt.toml";
        assert!(ignored || agreed.contains(&name.as_str()), "{name} does not belong to the top level");
    }
}

#[test]
fn the_scanner_sees_what_it_is_meant_to_see() {
    let text = "use crate::{error::Result, data::{self, x}};\n// crate::cli\nuse crate::train;\n#[cfg(test)]\nmod tests {\n use crate::cli;\n}\n";
    let code = without_tests_and_comments(text);
    assert_eq!(rooms_read(&code).into_iter().collect::<Vec<_>>(), ["data", "error", "train"]);
    assert!(names_crate("use clap::Arg;", "clap") && names_crate("(clap::Arg)", "clap"));
    assert!(!names_crate("use crate::clap::x; my_clap::y", "clap"));
}
