//! Limits on the cost of opening and reading an HDF5 file, checked before the library does either.
//!
//! Hazards: a small file can keep the library busy for ever, fill the memory, or lead it to other files:
//! * an index of chunks whose nodes are shared or circular;
//! * virtual datasets over virtual datasets, each of which uses the next one several times: the cost is a power of their
//!   number. Opening a file opens the sources of its unlimited virtual datasets, reading opens those of all;
//! * a virtual dataset whose successive blocks all have the same name, so that there is no last one;
//! * raw data in an external file, which may be any file, device or pipe.
//!
//! Remedy: the headers are read with [`Objects`], each distinct dataset once, and the cost is computed from them.

use super::chunk_index;
use super::objects::{Objects, Place, Storage};
use rust_hdf5::VirtualMapping;
use rust_hdf5::format::messages::link::LinkTarget;
use rust_hdf5::format::messages::virtual_mapping::parse_source_name;
use rust_hdf5::format::selection::{Hyperslab, Selection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Most sources opened to open a file or to read a dataset, repetitions included; or else `MAX_REPEATED` per mapping, so that
/// the cost stays proportional to the sizes of the files.
const FEW_SOURCES: u64 = 5_000;
const MAX_REPEATED: u64 = 4;
/// Most linked files, and most successive sources of a mapping.
const MAX_FILES: u64 = 100_000;
/// Most levels of virtual datasets and external links.
const MAX_LEVELS: usize = 16;
/// Header bytes that are read in any file, and per byte of it.
const MAX_HEADERS: [u64; 2] = [256 << 20, 64];
// Environment variables with the folders of external raw data, targets of external links, and sources of virtual datasets.
const EXTERNAL_PREFIX: &str = "HDF5_EXTFILE_PREFIX";
pub(super) const LINK_PREFIX: &str = "HDF5_EXT_PREFIX";
const VIRTUAL_PREFIX: &str = "HDF5_VDS_PREFIX";

/// Beginning of the reason for a missing source.
pub(super) const MISSING_SOURCE: &str = "it is a virtual dataset, and its source is missing:";
const TOO_MANY: &str = "its virtual datasets refer to too many sources";
const CIRCULAR: &str = "its virtual datasets refer to each other in a circle";
const UNCLEAR: &str = "the path to it or to one of its sources cannot be followed";
const TOO_DEEP: &str = "its virtual datasets and links are nested more than 16 levels deep";

/// Cost of reading a dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Sources opened, the dataset itself included.
    pub sources: u64,
    /// Bytes that the library copies for virtual datasets below this one: it assembles each of them as a whole for
    /// every box of it that is used.
    pub copied: u64,
    /// Bytes of the dataset itself if it is virtual, else 0.
    pub image: u64,
    /// Total length of the files that may contribute to it, in bytes.
    pub files: u64,
}

/// Checks that opening a file terminates.
///
/// # Errors
/// A short reason.
pub(super) fn check_file(path: &Path) -> Result<(), String> {
    Guard::default().open(path)
}

/// Cost of reading a dataset, the path of which may lead through links. None if there is no such dataset.
///
/// # Errors
/// A short reason why it must not be read.
pub(super) fn check_dataset(path: &Path, name: &str) -> Result<Option<Cost>, String> {
    let mut guard = Guard::default();
    let cost = guard.dataset(path, name, 0)?;
    Ok(cost
        .map(|cost| Cost { files: guard.lengths.values().fold(0, |sum, length| sum.saturating_add(*length)), ..cost }))
}

/// Files and datasets examined so far.
#[derive(Default)]
struct Guard {
    /// Number of files opened with each file; None while it is computed.
    files: BTreeMap<PathBuf, Option<u64>>,
    /// Cost of each dataset; None while it is computed.
    datasets: BTreeMap<(PathBuf, String), Option<Cost>>,
    /// Lengths of the files with datasets examined, and of external raw data.
    lengths: BTreeMap<PathBuf, u64>,
    /// Number of mappings of the virtual datasets examined.
    mappings: u64,
    /// Targets of external links, not examined yet.
    linked: BTreeSet<PathBuf>,
}

impl Guard {
    /// Checks the number of sources that are opened.
    fn check(&self, sources: u64) -> Result<(), String> {
        let limit = self.mappings.saturating_mul(MAX_REPEATED).max(FEW_SOURCES);
        if sources > limit { Err(TOO_MANY.into()) } else { Ok(()) }
    }

    /// Checks a file and all files that its links lead to.
    fn open(&mut self, path: &Path) -> Result<(), String> {
        self.file(path, 0)?;
        while let Some(next) = self.linked.pop_first() {
            if self.files.len() as u64 > MAX_FILES {
                return Err(TOO_MANY.into());
            }
            self.file(&next, 0)?;
        }
        Ok(())
    }

    /// Number of files that the library opens with this one.
    fn file(&mut self, path: &Path, level: usize) -> Result<u64, String> {
        let key = canonical(path);
        match self.files.get(&key) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => return Err(CIRCULAR.into()),
            None if level > MAX_LEVELS => return Err(TOO_DEEP.into()),
            None => {}
        }
        self.files.insert(key.clone(), None);
        let mut cost = 1u64;
        // What is no HDF5 file is refused by the library.
        if let Some(mut objects) = Objects::open(path) {
            let limit = MAX_HEADERS[0].saturating_add(objects.length().saturating_mul(MAX_HEADERS[1]));
            let (mut pending, mut seen) = (vec![objects.root()], BTreeSet::new());
            while let Some(address) = pending.pop() {
                if !seen.insert(address) {
                    continue;
                }
                if objects.bytes_read() > limit {
                    return Err("its object headers overlap".into());
                }
                for (_, target) in objects.links(address).unwrap_or_default() {
                    match target {
                        LinkTarget::Hard { address } => pending.push(address),
                        LinkTarget::External { file, .. } => {
                            let target = find_file(path, &file, LINK_PREFIX);
                            self.linked.extend(target.filter(|file| !self.files.contains_key(&canonical(file))));
                        }
                        _ => {}
                    }
                }
                if objects.damaged_links {
                    return Err("the links of a group are damaged".into());
                }
                let storage = objects.storage(address).unwrap_or_default();
                let unlimited = |mapping: &&VirtualMapping| mapping.virtual_selection.unlim_dim().is_some();
                for mapping in storage.mappings.iter().filter(unlimited) {
                    for (file, _) in sources(path, &mut objects, mapping)? {
                        self.mappings += 1;
                        cost = cost.saturating_add(file.map_or(Ok(1), |file| self.file(&file, level + 1))?);
                        self.check(cost)?;
                    }
                }
            }
        }
        self.files.insert(key, Some(cost));
        Ok(cost)
    }

    /// Cost of a dataset; None if there is none.
    fn dataset(&mut self, path: &Path, name: &str, level: usize) -> Result<Option<Cost>, String> {
        if level > MAX_LEVELS {
            return Err(TOO_DEEP.into());
        }
        let key = (canonical(path), name.trim_matches('/').to_owned());
        match self.datasets.get(&key) {
            Some(Some(cost)) => return Ok(Some(*cost)),
            Some(None) => return Err(CIRCULAR.into()),
            None => {}
        }
        let Some(mut objects) = Objects::open(path) else { return Ok(None) };
        let address = match objects.resolve(name) {
            Place::Missing => return Ok(None),
            Place::Unclear => return Err(UNCLEAR.into()),
            Place::Elsewhere { file, path: inner } => {
                let Some(file) = find_file(path, &file, LINK_PREFIX) else { return Ok(None) };
                self.open(&file)?;
                return self.dataset(&file, &inner, level + 1);
            }
            Place::Here(address) => address,
        };
        self.datasets.insert(key.clone(), None);
        let storage = objects.storage(address).ok_or("its header is damaged")?;
        self.lengths.insert(key.0.clone(), objects.length());
        for file in check_external(path, &storage)? {
            let length = file.metadata().map_or(0, |file| file.len());
            self.lengths.insert(file, length);
        }
        if let Some((chunk, root)) = &storage.chunk_tree {
            chunk_index::walk(&mut objects, *root, chunk).ok_or(chunk_index::DAMAGED)?;
        }
        if let Some(address) = storage.chunk_tree_2 {
            chunk_index::check_version_2(&mut objects, address).ok_or(chunk_index::DAMAGED)?;
        }
        let mut cost = Cost { sources: 1, ..Cost::default() };
        if !storage.mappings.is_empty() {
            cost.image = storage.shape.iter().fold(storage.element, |bytes, side| bytes.saturating_mul(*side));
        }
        for mapping in &storage.mappings {
            let boxes = boxes(&mapping.source_selection);
            let found = sources(path, &mut objects, mapping)?;
            if found.is_empty() && !is_successive(mapping) {
                return Err(missing(&mapping.source_file_name));
            }
            for (file, name) in found {
                self.mappings += 1;
                let named = match &file {
                    Some(_) => format!("{name} in {}", mapping.source_file_name),
                    None => name.clone(),
                };
                let source = match file {
                    None => self.dataset(path, &name, level + 1)?,
                    Some(file) => {
                        self.open(&file)?;
                        self.dataset(&file, &name, level + 1)?
                    }
                };
                if source.is_none() && !is_successive(mapping) {
                    return Err(missing(&named));
                }
                let source = source.unwrap_or_default();
                cost.sources = cost.sources.saturating_add(source.sources.max(1));
                let each = source.image.saturating_add(source.copied);
                cost.copied = cost.copied.saturating_add(each.saturating_mul(boxes));
                self.check(cost.sources)?;
            }
        }
        self.datasets.insert(key, Some(cost));
        Ok(Some(cost))
    }
}

/// True if a mapping has any number of sources, numbered in their names, up to the first that is missing.
fn is_successive(mapping: &VirtualMapping) -> bool {
    mapping.virtual_selection.unlim_dim().is_some() && mapping.source_selection.unlim_dim().is_none()
}

/// Reason for a missing source of a virtual dataset.
fn missing(source: &str) -> String {
    format!("{MISSING_SOURCE} {source:?}")
}

/// Sources of a mapping that exist: file (None for the same one) and path of the dataset.
///
/// # Errors
/// A short reason: the names are malformed, or there is no last source.
pub(super) fn sources(
    path: &Path,
    objects: &mut Objects,
    mapping: &VirtualMapping,
) -> Result<Vec<(Option<PathBuf>, String)>, String> {
    let parsed = |name: &str| parse_source_name(name).map_err(|error| error.to_string());
    let (file, dataset) = (parsed(&mapping.source_file_name)?, parsed(&mapping.source_dset_name)?);
    let successive = is_successive(mapping);
    if successive && file.nsubs() + dataset.nsubs() == 0 {
        return Err("the successive sources of a virtual dataset all have the same name".into());
    }
    let mut found = Vec::new();
    for block in 0..if successive { u64::MAX } else { 1 } {
        let (file, dataset) = (file.build(block), dataset.build(block));
        let source = if file == "." { None } else { find_file(path, &file, VIRTUAL_PREFIX) };
        if source.is_none() && file != "." {
            break;
        }
        if successive {
            let there = match &source {
                None => !matches!(objects.resolve(&dataset), Place::Missing),
                Some(source) => Objects::open(source)
                    .is_some_and(|mut objects| !matches!(objects.resolve(&dataset), Place::Missing)),
            };
            if !there {
                break;
            }
            if block >= MAX_FILES {
                return Err(TOO_MANY.into());
            }
        }
        found.push((source, dataset));
    }
    Ok(found)
}

/// The file that a virtual dataset or an external link in the file at `path` names, in the search order of the library: as it
/// is if absolute, in the folders of an environment variable, beside the file, in the current folder. None if there is no
/// such regular file.
pub(super) fn find_file(path: &Path, name: &str, prefix: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    let bare = if name.is_absolute() { Path::new(name.file_name()?) } else { name };
    let beside = |path: &Path| path.parent().unwrap_or(Path::new("")).join(bare);
    let absolute = name.is_absolute().then(|| name.to_path_buf());
    let folders = std::env::var(prefix).unwrap_or_default();
    let prefixed = folders.split(':').filter(|folder| !folder.is_empty()).map(|folder| Path::new(folder).join(bare));
    let others = [beside(path), bare.to_path_buf(), beside(&canonical(path))];
    absolute.into_iter().chain(prefixed).chain(others).find(|file| file.is_file())
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Files with the external raw data of a dataset. Refuses files outside of the folder of the dataset, devices and pipes.
fn check_external(path: &Path, storage: &Storage) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    if storage.external.is_empty() {
        return Ok(files);
    }
    if std::env::var_os(EXTERNAL_PREFIX).is_some_and(|prefix| !prefix.is_empty()) {
        return Err(format!("its values are in external files, and {EXTERNAL_PREFIX} is set"));
    }
    let folder = canonical(path).parent().map(Path::to_path_buf).unwrap_or_default();
    for name in &storage.external {
        let file = folder.join(name);
        // A missing file is reported by the library.
        let Ok(real) = file.canonicalize() else { continue };
        if !real.starts_with(&folder) {
            return Err(format!("its values are in the external file {name:?}, outside of the folder of the dataset"));
        }
        if !real.is_file() {
            return Err(format!("its values are in {name:?}, which is not a regular file"));
        }
        files.push(real);
    }
    Ok(files)
}

/// Number of boxes that a selection is made of, at most.
fn boxes(selection: &Selection) -> u64 {
    match selection {
        Selection::None | Selection::All => 1,
        Selection::Points(points) => points.points.len() as u64,
        Selection::Hyperslab { form: Hyperslab::Blocks(blocks), .. } => blocks.len() as u64,
        Selection::Hyperslab { form: Hyperslab::Regular(regular), .. } => {
            let sides = regular.count.iter().zip(regular.stride.iter().zip(&regular.block));
            sides.fold(1u64, |all, (count, (stride, block))| {
                all.saturating_mul(if stride == block { 1 } else { *count })
            })
        }
    }
}
