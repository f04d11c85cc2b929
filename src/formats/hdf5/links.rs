//! Links of a file to other files.

use super::guard::{LINK_PREFIX, find_file};
use super::objects::Objects;
use rust_hdf5::format::messages::link::LinkTarget;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most links listed.
const MAX_LINKS: usize = 1000;

/// An external link.
pub(super) struct ExternalLink {
    /// Path of the link, without leading `/`.
    pub path: String,
    /// Name of the file as stored.
    pub file: String,
    /// The file, if it exists.
    pub found: Option<PathBuf>,
    /// Path of the target in that file.
    pub target: String,
}

/// External links of a file, in the order of its groups. The cost of following them was checked when it was opened.
pub(super) fn external(path: &Path) -> Vec<ExternalLink> {
    let Some(mut objects) = Objects::open(path) else { return Vec::new() };
    let mut found = Vec::new();
    let (mut pending, mut seen) = (vec![(objects.root(), String::new())], BTreeSet::new());
    while let Some((address, group)) = pending.pop() {
        if !seen.insert(address) {
            continue;
        }
        for (name, target) in objects.links(address).unwrap_or_default() {
            let link = if group.is_empty() { name } else { format!("{group}/{name}") };
            match target {
                LinkTarget::Hard { address } => pending.push((address, link)),
                LinkTarget::External { file, path: target } if found.len() < MAX_LINKS => {
                    found.push(ExternalLink { path: link, found: find_file(path, &file, LINK_PREFIX), file, target });
                }
                _ => {}
            }
        }
    }
    found
}
