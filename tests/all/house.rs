//! Holds the map in the docs of `src/lib.rs`: which room reads which, where a few crates belong, and that no files import
//! each other in large circles. Imports are parsed, re-exports followed to the file that defines the name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Crates that belong into a few rooms only.
const PLACES: &[(&str, &[&str])] = &[
    ("burn", &["kernels", "physics", "model", "train", "direct", "infer", "worker", "bench"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("ctrlc", &["cli"]),
    ("eframe", &["ui"]),
    ("egui", &["ui"]),
];

/// Largest number of files that may import each other in a circle.
const LARGEST_CIRCLE: usize = 3;

/// Path of a module below its member: the member's folder, then module names.
type Module = Vec<String>;

/// A source file without its tests.
struct File {
    path: PathBuf,
    module: Module,
    /// Modules declared here.
    children: BTreeSet<String>,
    /// Names brought into scope by `use`, with their full paths.
    scope: BTreeMap<String, Vec<String>>,
    /// Paths named in code, from the crate root or an external crate.
    names: BTreeSet<Vec<String>>,
    /// Whether a name in `scope` is only handed on (`pub use`).
    handed_on: BTreeSet<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Source folders of the members; the root package has the rest of `src`.
fn members() -> Vec<String> {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members.iter().filter_map(|member| member.as_str().unwrap().strip_prefix("src/").map(str::to_owned)).collect()
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let mut found = false;
        if attribute.path().is_ident("cfg") {
            let _nested = attribute.parse_nested_meta(|meta| {
                found |= meta.path.is_ident("test") || meta.path.is_ident("any");
                meta.parse_nested_meta(|_| Ok(()))
            });
        }
        found
    })
}

/// Reads a file of a module and all files of its submodules.
fn read(path: &Path, module: Module, into: &mut Vec<File>) {
    let parsed = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
    let folder = match path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" => path.parent().unwrap().to_path_buf(),
        stem => path.parent().unwrap().join(stem),
    };
    let mut file = File {
        path: path.strip_prefix(root()).unwrap().to_path_buf(),
        module: module.clone(),
        children: BTreeSet::new(),
        scope: BTreeMap::new(),
        names: BTreeSet::new(),
        handed_on: BTreeSet::new(),
    };
    for item in &parsed.items {
        if let syn::Item::Mod(declared) = item
            && declared.content.is_none()
            && !is_test(&declared.attrs)
            && declared.ident != "testing"
        {
            file.children.insert(declared.ident.to_string());
        }
    }
    let mut collector = Collector { file: &mut file };
    collector.visit_file(&parsed);
    let children = file.children.clone();
    into.push(file);
    for child in children {
        let inner = [folder.join(format!("{child}.rs")), folder.join(&child).join("mod.rs")];
        let path = inner.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{child} of {}", path.display()));
        read(path, [module.clone(), vec![child]].concat(), into);
    }
}

struct Collector<'a> {
    file: &'a mut File,
}

impl Collector<'_> {
    /// The path from the crate root; `None` for names of the prelude, locals and generics.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut module = self.file.module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (module, rest) = (vec![module[0].clone()], &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            name if self.file.children.contains(name) => {}
            name => {
                let known = self.file.scope.get(name)?;
                return Some([known.clone(), path[1..].to_vec()].concat());
            }
        }
        Some([module, rest.to_vec()].concat())
    }

    fn import(&mut self, tree: &syn::UseTree, prefix: &[String], public: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                self.import(&path.tree, &[prefix, &[path.ident.to_string()]].concat(), public);
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, prefix, public)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.bring(prefix.last().cloned().unwrap(), prefix, public);
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.bring(name.clone(), &[prefix, &[name]].concat(), public);
            }
            syn::UseTree::Rename(rename) => {
                let path = [prefix, &[rename.ident.to_string()]].concat();
                self.bring(rename.rename.to_string(), &path, public);
            }
            syn::UseTree::Glob(_) => self.name(prefix),
        }
    }

    fn bring(&mut self, name: String, path: &[String], public: bool) {
        // An external crate keeps its path.
        let absolute = self.absolute(path).unwrap_or_else(|| path.to_vec());
        if public {
            self.file.handed_on.insert(name.clone());
        } else {
            self.file.names.insert(absolute.clone());
        }
        self.file.scope.insert(name, absolute);
    }

    fn name(&mut self, path: &[String]) {
        let found = self.absolute(path).or_else(|| (path.len() > 1).then(|| path.to_vec()));
        self.file.names.extend(found);
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => &vec![],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.name(&segments);
        visit::visit_path(self, path);
    }
}

/// All files of all members, tests left out.
fn files() -> Vec<File> {
    let mut files = Vec::new();
    for member in members() {
        read(&root().join("src").join(&member).join("lib.rs"), vec![member], &mut files);
    }
    read(&root().join("src/lib.rs"), vec!["root".to_owned()], &mut files);
    files
}

/// Name of the room that a file belongs to: the first module of its member, or the member if that is one room.
fn room(file: &File) -> Option<String> {
    match file.module.as_slice() {
        [member, ..] if member == "kernels" || member == "formats" => Some(member.clone()),
        [_, room, ..] => Some(room.clone()),
        _ => None,
    }
}

/// The file that defines the last name of a path, with re-exports followed.
fn definition<'a>(files: &'a BTreeMap<Module, File>, path: &[String], depth: usize) -> Option<&'a File> {
    let mut module = vec![path.first()?.clone()];
    let mut file = files.get(&module)?;
    for (at, name) in path.iter().enumerate().skip(1) {
        if file.children.contains(name) {
            module.push(name.clone());
            file = files.get(&module)?;
        } else if let Some(known) = file.scope.get(name).filter(|_| depth < 20) {
            let further = [known.clone(), path[at + 1..].to_vec()].concat();
            return definition(files, &further, depth + 1);
        } else {
            break;
        }
    }
    Some(file)
}

/// The map: room, and the rooms that it reads.
fn map() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let words = |cell: &str| -> BTreeSet<String> {
        let names = cell.split('`').skip(1).step_by(2);
        names.map(|name| name.trim_start_matches("mod@").to_owned()).collect()
    };
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| {
        let mut cells = row.split('|');
        let name = cells.next().unwrap().split('`').next().unwrap().trim_start_matches("mod@").to_owned();
        (name, words(cells.next().unwrap()))
    })
    .collect()
}

#[test]
fn rooms_read_only_the_rooms_they_may() {
    let (map, files) = (map(), files());
    assert!(map.len() > 15, "the map in src/lib.rs was not understood: {map:?}");
    let everywhere = &map["error"].clone();
    let mut broken = BTreeSet::new();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let Some(room) = room(file) else { continue };
        let allowed = map.get(&room).unwrap_or_else(|| panic!("the room {room} is not on the map in src/lib.rs"));
        for name in file.names.iter().chain(file.scope.values()) {
            let members = ["base", "formats", "host", "engine", "root"];
            let read = match name.as_slice() {
                [first, ..] if first == "kernels" => "kernels".to_owned(),
                [member, read, ..] if members.contains(&member.as_str()) => read.clone(),
                [first, read, ..] if first.starts_with("ptychoscope_") => read.clone(),
                _ => continue,
            };
            let always = read == room
                || everywhere.contains(&read)
                || ["error", "config", "fourier", "system"].contains(&read.as_str());
            if map.contains_key(&read) && !always {
                used.entry(room.clone()).or_default().insert(read.clone());
                if !allowed.contains(&read) {
                    broken.insert(format!("{} reads {read}", file.path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    for (room, reads) in &map {
        let unused: Vec<_> =
            reads.iter().filter(|read| !used.get(room).is_some_and(|used| used.contains(*read))).collect();
        assert!(unused.is_empty(), "the map lets {room} read {unused:?}, which it does not");
    }
}

#[test]
fn the_map_has_no_circle() {
    let map = map();
    let mut done = BTreeSet::new();
    while done.len() < map.len() {
        let before = done.len();
        done.extend(
            map.iter()
                .filter(|(_, reads)| reads.iter().all(|read| done.contains(read)))
                .map(|(room, _)| room.clone())
                .collect::<Vec<_>>(),
        );
        assert!(
            done.len() > before,
            "rooms in a circle: {:?}",
            map.keys().filter(|room| !done.contains(*room)).collect::<Vec<_>>()
        );
    }
}

/// Strongly connected components of more than one file.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<Module>> {
    let reach = |from: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = open.pop() {
            for next in edges.get(&at).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = edges.keys().map(|from| (from, reach(from, edges))).collect();
    let mut found: BTreeSet<Vec<Module>> = BTreeSet::new();
    for (from, to) in &reached {
        let mut circle: Vec<Module> =
            to.iter().filter(|to| reached.get(to).is_some_and(|back| back.contains(*from))).cloned().collect();
        circle.sort();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

/// A file may use what the front file (`mod.rs`) of a folder around it defines; beyond that, files form no large circles.
#[test]
fn no_large_circle_of_files() {
    let files: BTreeMap<Module, File> = files().into_iter().map(|file| (file.module.clone(), file)).collect();
    let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for file in files.values() {
        let targets = file.names.iter().filter_map(|name| definition(&files, name, 0));
        let targets =
            targets.map(|target| target.module.clone()).filter(|target| !file.module.starts_with(target)).collect();
        edges.insert(file.module.clone(), targets);
    }
    let circles = circles(&edges);
    let show = |circle: &Vec<Module>| {
        let inside = |module: &Module| -> String {
            let to: Vec<String> =
                edges[module].iter().filter(|to| circle.contains(to)).map(|to| to.join("::")).collect();
            format!("{} -> {}", module.join("::"), to.join(", "))
        };
        circle.iter().map(inside).collect::<Vec<_>>().join("\n")
    };
    for circle in &circles {
        println!("circle of {}:\n{}\n", circle.len(), show(circle));
    }
    let large: Vec<String> = circles.iter().filter(|circle| circle.len() > LARGEST_CIRCLE).map(show).collect();
    assert!(large.is_empty(), "{}", large.join("\n\n"));
}

#[test]
fn the_session_knows_only_the_messages_of_the_threads() {
    for file in files().iter().filter(|file| room(file).as_deref() == Some("session")) {
        for name in &file.names {
            let allowed = match (name.get(1).map(String::as_str), name.get(2).map(String::as_str)) {
                (Some("worker"), part) => part == Some("message"),
                (Some("library"), part) => part != Some("Library"),
                _ => true,
            };
            assert!(allowed, "{}: {}", file.path.display(), name.join("::"));
        }
    }
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut broken = BTreeSet::new();
    for file in files() {
        let Some(room) = room(&file) else { continue };
        for (name, places) in PLACES {
            let uses = file
                .names
                .iter()
                .chain(file.scope.values())
                .any(|path| path.first().is_some_and(|first| first == name));
            if uses && !places.contains(&room.as_str()) {
                broken.insert(format!("{} uses {name}", file.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Appends the text of all Rust files below a folder.
fn rust_text(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_text(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn cited_sections_of_the_algorithm_exist() {
    let algorithm = std::fs::read_to_string(root().join("src/algorithm.md")).unwrap();
    let headings: BTreeSet<&str> =
        algorithm.lines().filter(|line| line.starts_with('#')).filter_map(|line| line.split(' ').nth(1)).collect();
    let mut text = algorithm.clone();
    ["src", "tests"].into_iter().for_each(|folder| rust_text(&root().join(folder), &mut text));
    let citations: BTreeSet<&str> = text
        .split("A§")
        .skip(1)
        .map(|rest| rest[..rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap()].trim_end_matches('.'))
        .filter(|section| !section.is_empty())
        .collect();
    assert!(citations.len() > 50, "{citations:?}");
    let missing: Vec<_> = citations.difference(&headings).collect();
    assert!(missing.is_empty(), "no section {missing:?} in src/algorithm.md");
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
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Run folders and build output are ignored by git.
        let ignored = name.starts_with('.') || name == "target" || name == "runs" || name == "rustfmt.toml";
        assert!(ignored || agreed.contains(&name.as_str()), "{name} does not belong to the top level");
    }
}

#[test]
fn the_parser_sees_what_it_is_meant_to_see() {
    let folder = tempfile::tempdir_in(root().join("src")).unwrap();
    let text = "mod a; mod b; #[cfg(test)] mod tests { use crate::cli; }";
    std::fs::write(folder.path().join("mod.rs"), text).unwrap();
    std::fs::write(
        folder.path().join("a.rs"),
        "use super::b::{self, B}; pub struct A; fn f() { b::g(); clap::Arg::new(); }",
    )
    .unwrap();
    std::fs::write(folder.path().join("b.rs"), "pub struct B(super::a::A); pub fn g() {}").unwrap();
    let mut files = Vec::new();
    read(&folder.path().join("mod.rs"), vec!["x".into()], &mut files);
    let names = |at: usize| files[at].names.iter().map(|name| name.join("::")).collect::<Vec<_>>();
    assert!(names(0).is_empty(), "{:?}", names(0));
    assert!(
        names(1).contains(&"x::b::B".to_owned()) && names(1).contains(&"clap::Arg::new".to_owned()),
        "{:?}",
        names(1)
    );
    assert_eq!(names(2), ["x::a::A"]);
}
