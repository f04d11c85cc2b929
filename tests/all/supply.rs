//! Where the dependencies come from, and under which licences: what `.deny.toml` says, held also where `cargo deny` is not
//! installed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_dependency_is_locked_with_the_checksum_of_a_registry() {
    for lock in ["Cargo.lock", "tests/fuzz/Cargo.lock"] {
        let lock: toml::Table = std::fs::read_to_string(root().join(lock)).unwrap().parse().unwrap();
        let packages = lock["package"].as_array().unwrap();
        assert!(packages.len() > 50);
        for package in packages {
            let (name, text) = (package["name"].as_str().unwrap(), |key| package.get(key).and_then(|v| v.as_str()));
            if name.starts_with("ptychoscope") {
                continue;
            }
            assert!(text("source").is_some_and(|source| source.starts_with("registry+")), "{name}: {package:?}");
            assert!(text("checksum").is_some_and(|sum| sum.len() == 64), "{name} has no checksum");
        }
    }
}

/// Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` is satisfied by some allowed licences.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut parts = expression.split(" AND ").map(|part| part.trim().trim_matches(['(', ')']));
    parts.all(|part| part.split(" OR ").any(|one| allowed(one.trim().trim_matches(['(', ')']))))
}

#[test]
fn every_licence_of_this_build_is_one_that_may_be_passed_on() {
    let deny: toml::Table = std::fs::read_to_string(root().join(".deny.toml")).unwrap().parse().unwrap();
    let licenses = deny["licenses"].as_table().unwrap();
    let texts = |value: &toml::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let allowed = texts(&licenses["allow"]);
    let exceptions: Vec<(String, Vec<String>)> = licenses["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["crate"].as_str().unwrap().to_owned(), texts(&one["allow"])))
        .collect();
    let tree = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{l}|{p}"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let (mut seen, mut wrong) = (0, Vec::new());
    for line in String::from_utf8_lossy(&tree.stdout).lines() {
        let Some((license, package)) = line.split_once('|') else { continue };
        let name = package.split(' ').next().unwrap();
        seen += 1;
        let may = |one: &str| {
            let excepted = exceptions.iter().any(|(other, more)| other == name && more.iter().any(|l| l == one));
            excepted || allowed.iter().any(|l| l == one)
        };
        if !satisfied(license, &may) {
            wrong.push(line.to_owned());
        }
    }
    assert!(seen > 200 && wrong.is_empty(), "{seen} crates: {wrong:#?}");
}

#[test]
fn expressions_of_licences_are_understood() {
    let mit = |one: &str| one == "MIT" || one == "ISC";
    assert!(satisfied("MIT", &mit) && satisfied("Apache-2.0/MIT", &mit) && satisfied("GPL-2.0-only OR MIT", &mit));
    assert!(satisfied("(MIT OR Zlib) AND ISC", &mit) && !satisfied("MIT AND OFL-1.1", &mit));
    assert!(!satisfied("", &mit) && !satisfied("MPL-2.0", &mit));
}
