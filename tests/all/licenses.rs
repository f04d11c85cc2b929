//! The license lists that the window shows are complete: `assets/licenses.txt` names every library of `Cargo.lock`, and
//! `assets/license_texts.txt` has the license texts of the libraries and fonts that the program contains.
//!
//! After a change of the dependencies, make both again with `UPDATE_LICENSES=1 cargo test --release --test all licenses`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Systems that the program is built for.
const TARGETS: [&str; 3] = ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"];
const REMAKE: &str = "make the list again with UPDATE_LICENSES=1 cargo test --release --test all licenses";
const RULE: &str = "================================================================================";
const APACHE: &str = "Apache-2.0";
/// License text of packages under the MIT license that come without one.
const MIT: &str = "\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.";

/// Name and version.
type Id = (String, String);

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_LICENSES").is_some()
}

/// Each library in `Cargo.lock`.
fn locked() -> BTreeSet<Id> {
    let lock: toml::Table = toml::from_str(&std::fs::read_to_string(root("Cargo.lock")).unwrap()).unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).unwrap().as_str().unwrap().to_owned();
    let packages = lock["package"].as_array().unwrap().iter();
    let others = packages.filter(|package| package.get("source").is_some());
    others.map(|package| (text(package, "name"), text(package, "version"))).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).args(["--locked", "--offline"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Each library that is linked into the program on one of these systems: neither build tools nor those of the tests.
fn contained(targets: &[&str]) -> BTreeSet<Id> {
    let mut found = BTreeSet::new();
    for target in targets {
        let fixed = ["tree", "--package", "ptychoscope", "--edges", "normal,no-proc-macro", "--prefix", "none"];
        for line in cargo(&[&fixed[..], &["--target", target]].concat()).lines() {
            let mut words = line.split_whitespace();
            let (name, version) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('v'));
            // Members of the workspace are followed by their folder.
            if words.next().is_none_or(|word| word == "(*)") {
                found.insert((name.to_owned(), version.to_owned()));
            }
        }
    }
    found
}

/// A library as its manifest describes it.
struct Package {
    license: String,
    authors: Vec<String>,
    folder: PathBuf,
}

impl Package {
    /// All libraries of `Cargo.lock`.
    fn all() -> BTreeMap<Id, Self> {
        let metadata: serde_json::Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).unwrap();
        let packages = metadata["packages"].as_array().unwrap().iter();
        let others = packages.filter(|package| !package["source"].is_null());
        let text = |package: &serde_json::Value, key: &str| package[key].as_str().map(str::to_owned);
        let described = |package: &serde_json::Value| Self {
            license: match (text(package, "license"), text(package, "license_file")) {
                // An old way to write OR.
                (Some(license), _) => license.replace('/', " OR ").split_whitespace().collect::<Vec<_>>().join(" "),
                (None, Some(file)) => format!("see its {file}"),
                (None, None) => "none stated".to_owned(),
            },
            authors: serde_json::from_value(package["authors"].clone()).unwrap(),
            folder: Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned(),
        };
        let id = |package: &serde_json::Value| (text(package, "name").unwrap(), text(package, "version").unwrap());
        others.map(|package| (id(package), described(package))).collect()
    }

    /// True if the library may be used under Apache-2.0 alone, whose text is the same for all.
    fn is_apache(&self) -> bool {
        !self.license.contains(" AND ") && self.license.split(" OR ").any(|option| option == APACHE)
    }

    /// Texts of its license files: notices in any case, the licenses themselves unless Apache-2.0 is chosen, and whatever parts
    /// of other origin in subfolders bring along.
    fn texts(&self) -> Vec<String> {
        let mut files = Vec::new();
        license_files(&self.folder, &mut files);
        files.sort();
        let wanted = |file: &PathBuf| {
            let name = file.file_name().unwrap().to_string_lossy().to_lowercase();
            !self.is_apache()
                || file.parent() != Some(&self.folder)
                || name.starts_with("notice")
                || name.starts_with("copyright")
        };
        let read = |file: PathBuf| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        files.into_iter().filter(wanted).map(read).collect()
    }
}

/// Files below a folder that contain a license, by their name.
fn license_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
        if path.is_dir() {
            // Not part of the program.
            if !["tests", "benches", "examples", "assets"].contains(&name.as_str()) {
                license_files(&path, found);
            }
            continue;
        }
        let is_text = ["", "txt", "md", "lib"].contains(&path.extension().unwrap_or_default().to_str().unwrap());
        let begins = ["license", "licence", "unlicense", "copying", "copyright", "notice", "ofl.", "ufl."];
        let of_font = path.extension().is_some() && path.with_extension("ttf").exists();
        let named = begins.iter().any(|word| name.starts_with(word)) || name.ends_with("-license.txt");
        if is_text && (named || of_font) || name.starts_with("license-") && !name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Lines without trailing space, and without empty ones at both ends.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// The text of the standard license `name`, from a package that has one.
fn borrowed(name: &str, packages: &BTreeMap<Id, Package>) -> String {
    let mut same = packages.values().filter(|package| package.license == name);
    same.find_map(|package| package.texts().pop()).unwrap_or_else(|| panic!("no package has the text of {name}"))
}

/// The file of all texts, each once, below the names of the libraries that it applies to.
fn all_texts() -> String {
    let packages = Package::all();
    let mut by_words: BTreeMap<String, (String, BTreeSet<Id>)> = BTreeMap::new();
    let mut apache = BTreeSet::new();
    for id in contained(&TARGETS) {
        let package = &packages[&id];
        let mut texts = package.texts();
        if package.is_apache() {
            apache.insert(id.clone());
        } else if texts.is_empty() {
            texts.push(match package.license.as_str() {
                "MIT" => {
                    let authors = package.authors.join(", ");
                    let holders = if authors.is_empty() { format!("the authors of {}", id.0) } else { authors };
                    format!("MIT License\n\nCopyright (c) {holders}\n\n{MIT}")
                }
                license => borrowed(license, &packages),
            });
        }
        for text in texts {
            let words: Vec<&str> = text.split_whitespace().collect();
            let words = words.join(" ");
            if words.starts_with("Apache License Version 2.0") {
                apache.insert(id.clone());
            } else {
                by_words.entry(words).or_insert_with(|| (tidy(&text), BTreeSet::new())).1.insert(id.clone());
            }
        }
    }
    let mut sections: Vec<(BTreeSet<Id>, String)> = by_words.into_values().map(|(text, ids)| (ids, text)).collect();
    sections.sort();
    sections.insert(0, (apache, tidy(&std::fs::read_to_string(root("LICENSE-APACHE")).unwrap())));
    let mut file = "Licenses of the libraries and fonts that Ptychoscope contains, on Linux, Windows or macOS. Where a library offers\n\
                    several licenses, Apache-2.0 is chosen.\n"
        .to_owned();
    for (ids, text) in sections {
        let names: Vec<String> = ids.iter().map(|(name, version)| format!("{name} {version}")).collect();
        file += &format!("\n{RULE}\n{}\n\n{text}\n", names.join(", "));
    }
    file
}

#[test]
fn every_library_of_the_lock_file_is_listed_with_its_license() {
    let path = root("assets/licenses.txt");
    if updating() {
        let head = "# Every library the program may be built from, on any system, and those of its tests: name, version, license.\n\
                    # Made with: UPDATE_LICENSES=1 cargo test --release --test all licenses\n";
        let lines: String = Package::all()
            .into_iter()
            .map(|((name, version), package)| format!("{name}\t{version}\t{}\n", package.license))
            .collect();
        std::fs::write(&path, format!("{head}{lines}")).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let listed: Vec<Vec<&str>> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert!(listed.iter().all(|parts| parts.len() == 3 && parts.iter().all(|part| !part.is_empty())));
    let named: BTreeSet<Id> = listed.iter().map(|parts| (parts[0].to_owned(), parts[1].to_owned())).collect();
    assert_eq!(named.len(), listed.len(), "a library is listed twice");
    let locked = locked();
    let missing: Vec<_> = locked.difference(&named).collect();
    let gone: Vec<_> = named.difference(&locked).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not listed: {missing:?}; no longer used: {gone:?}; {REMAKE}");
}

#[test]
fn every_library_and_font_in_the_program_has_its_license_text() {
    let path = root("assets/license_texts.txt");
    if updating() {
        std::fs::write(&path, all_texts()).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap();
    let mut named = BTreeSet::new();
    for section in file.split(&format!("\n{RULE}\n")).skip(1) {
        let (names, text) = section.split_once("\n\n").unwrap();
        assert!(text.len() > 100, "{names}: {text}");
        let ids = names.split(", ").map(|name| name.split_once(' ').unwrap());
        named.extend(ids.map(|(name, version)| (name.to_owned(), version.to_owned())));
    }
    let host = TARGETS.iter().find(|target| target.contains(std::env::consts::OS)).unwrap_or(&"aarch64-apple-darwin");
    let contained = contained(&[host]);
    assert!(contained.len() > 300, "{}", contained.len());
    let missing: Vec<_> = contained.difference(&named).collect();
    let gone: Vec<_> = named.difference(&locked()).cloned().collect();
    assert!(missing.is_empty() && gone.is_empty(), "without text: {missing:?}; no longer used: {gone:?}; {REMAKE}");
    // Fonts, and C sources that are compiled in.
    for part in ["UBUNTU FONT LICENCE", "SIL OPEN FONT LICENSE", "Bitstream Vera", "John Slegers", "Daan Leijen"] {
        assert!(file.contains(part), "{part}");
    }
}
