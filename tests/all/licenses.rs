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
