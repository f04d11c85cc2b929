//! The list of libraries with their licences, which the window shows, holds exactly what `Cargo.lock` does.
//!
//! Made anew, after a change of the dependencies, with `UPDATE_LICENSES=1 cargo test --release --test licenses`; licences
//! are those that the libraries state in their own manifests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Name and version of each library in `Cargo.lock`.
fn locked() -> BTreeSet<(String, String)> {
    let lock: toml::Table = toml::from_str(&std::fs::read_to_string(root("Cargo.lock")).unwrap()).unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).unwrap().as_str().unwrap().to_owned();
    let packages = lock["package"].as_array().unwrap().iter();
    let others = packages.filter(|package| package.get("source").is_some());
    others.map(|package| (text(package, "name"), text(package, "version"))).collect()
}

/// Name, version and licence of each library, as their manifests say.
fn stated() -> BTreeSet<[String; 3]> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let others = packages.filter(|package| !package["source"].is_null());
    others
        .map(|package| {
            let licence = match (package["license"].as_str(), package["license_file"].as_str()) {
                // An old way to write OR.
                (Some(licence), _) => licence.replace('/', " OR "),
                (None, Some(file)) => format!("see its {file}"),
                (None, None) => "none stated".to_owned(),
            };
            let words: Vec<&str> = licence.split_whitespace().collect();
            [
                package["name"].as_str().unwrap().to_owned(),
                package["version"].as_str().unwrap().to_owned(),
                words.join(" "),
            ]
        })
        .collect()
}

#[test]
fn the_list_of_licences_holds_every_library_of_the_lock_file() {
    let path = root("assets/licenses.txt");
    if std::env::var_os("UPDATE_LICENSES").is_some() {
        let head = "# Every library the program may be built from, on any system, and those of its tests: name, version, licence.\n\
                    # Made anew with: UPDATE_LICENSES=1 cargo test --release --test licenses\n";
        let lines: String = stated().iter().map(|parts| parts.join("\t") + "\n").collect();
        std::fs::write(&path, format!("{head}{lines}")).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let listed: Vec<Vec<&str>> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert!(listed.iter().all(|parts| parts.len() == 3 && parts.iter().all(|part| !part.is_empty())));
    let named: BTreeSet<(String, String)> =
        listed.iter().map(|parts| (parts[0].to_owned(), parts[1].to_owned())).collect();
    assert_eq!(named.len(), listed.len(), "a library is listed twice");
    let locked = locked();
    let missing: Vec<_> = locked.difference(&named).collect();
    let gone: Vec<_> = named.difference(&locked).collect();
    let remake = "make the list anew with UPDATE_LICENSES=1 cargo test --release --test licenses";
    assert!(missing.is_empty() && gone.is_empty(), "not listed: {missing:?}; no longer used: {gone:?}; {remake}");
}

#[test]
fn every_library_may_be_used_in_a_program_under_mit_or_apache() {
    let text = std::fs::read_to_string(root("assets/licenses.txt")).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split('\t').collect();
        // One way of those that a library offers is enough; all parts of an "AND" have to be.
        let usable = parts[2].split(" AND ").all(|part| part.split(" OR ").any(is_permissive));
        assert!(usable || parts[2].starts_with("see its "), "{line}");
    }
}

/// MPL-2.0 asks for the source of the library alone, which is public.
fn is_permissive(licence: &str) -> bool {
    const KNOWN: [&str; 17] = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "0BSD",
        "ISC",
        "Zlib",
        "BSL-1.0",
        "Unicode-3.0",
        "CC0-1.0",
        "Unlicense",
        "MPL-2.0",
        "NCSA",
        "CDLA-Permissive-2.0",
        "OFL-1.1",
        "Ubuntu-font-1.0",
        "MIT-0",
    ];
    let name = licence.trim_matches(|c: char| c == '(' || c == ')' || c.is_whitespace());
    KNOWN.contains(&name.split(" WITH ").next().unwrap_or(name))
}
