//! Indices of the chunks of a dataset: version 1 B-trees (HDF5 1.6), which h5py writes by default, and version 2.
//!
//! Hazards: the library finds a raw chunk by walking the whole index, once per chunk, which takes hours for a scan of a
//! hundred thousand patterns; and an index with shared or circular nodes keeps it busy for ever. Remedy: the index is walked
//! once, over no more nodes than fit into the file, before the library walks it.

use super::objects::{Bounded, NODE_BYTES, Objects};
use rust_hdf5::format::btree_v1::ChunkBTreeV1Node;
use rust_hdf5::format::chunk_index::btree_v2::{Bt2Header, collect_btree_v2_records};
use std::path::{Path, PathBuf};

/// Address of a chunk or index that was never written.
const NOWHERE: u64 = u64::MAX;
/// Reason why an index is refused.
pub(super) const DAMAGED: &str = "the index of its chunks is damaged";

/// A chunk as stored, and the filters that were not applied to it (bits).
pub(super) type Stored = (Vec<u8>, u32);

/// Grid coordinates, address, bytes, and filters not applied.
type Entry = (Vec<u64>, u64, u32, u32);

/// The chunks of one dataset by their coordinates in the grid of chunks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChunkIndex {
    path: PathBuf,
    /// Sorted.
    chunks: Vec<Entry>,
}

impl ChunkIndex {
    /// Index of the dataset at a path in a file; None if it has another kind of index, or is in another file.
    ///
    /// # Errors
    /// A short reason: the index is damaged.
    pub fn read(path: &Path, name: &str) -> Result<Option<Self>, String> {
        let Some(mut objects) = Objects::open(path) else { return Ok(None) };
        let Some(storage) = objects.find(name).and_then(|address| objects.storage(address)) else { return Ok(None) };
        let Some((chunk, root)) = storage.chunk_tree else { return Ok(None) };
        let chunks = walk(&mut objects, root, &chunk).ok_or(DAMAGED)?;
        Ok(Some(Self { path: path.to_path_buf(), chunks }))
    }

    /// Some chunks as stored, each with the filters that were not applied; None for a chunk that was never written.
    ///
    /// # Errors
    /// A short reason.
    pub fn load(&self, places: &[Vec<usize>]) -> Result<Vec<Option<Stored>>, String> {
        let mut objects = Objects::open(&self.path).ok_or("the file has changed")?;
        let one = |place: &Vec<usize>| {
            let place: Vec<u64> = place.iter().map(|&at| at as u64).collect();
            let found = self.chunks.binary_search_by(|(other, ..)| other.cmp(&place));
            let Some((_, address, size, skipped)) = found.ok().and_then(|at| self.chunks.get(at)) else {
                return Ok(None);
            };
            if *address == NOWHERE {
                return Ok(None);
            }
            let bytes = objects.exactly(*address, u64::from(*size)).ok_or("a chunk lies beyond the end of the file")?;
            Ok(Some((bytes, *skipped)))
        };
        places.iter().map(one).collect()
    }
}

/// Checks that the library can walk the version 2 B-tree of chunks with its header at an address; None if it is damaged.
pub(super) fn check_version_2(objects: &mut Objects, address: u64) -> Option<()> {
    if address == NOWHERE {
        return Some(());
    }
    let (context, left) = (objects.context(), objects.length().saturating_add(NODE_BYTES));
    let start = objects.block(address, 256)?;
    let header = Bt2Header::decode(&start, &context).ok()?;
    collect_btree_v2_records(&header, &context, &mut Bounded { objects, left }).ok().map(drop)
}

/// Every chunk below the root of an index, sorted by coordinates; None if the index is damaged. `chunk`: sides of a chunk,
/// then the size of an element.
pub(super) fn walk(objects: &mut Objects, root: u64, chunk: &[u64]) -> Option<Vec<Entry>> {
    let (_, chunk) = chunk.split_last()?;
    if chunk.contains(&0) {
        return None;
    }
    let addresses = usize::from(objects.context().sizeof_addr);
    let node_bytes = objects.trees.chunk_btree_node_size(addresses, chunk.len()) as u64;
    let max_entries = objects.trees.chunk_max_entries();
    // Each node has bytes of its own; the last one may be cut short.
    let mut budget = objects.length() / node_bytes.max(1) + 2;
    let mut chunks = Vec::new();
    let mut nodes = if root == NOWHERE { Vec::new() } else { vec![(root, None)] };
    while let Some((address, above)) = nodes.pop() {
        budget = budget.checked_sub(1)?;
        let bytes = objects.block(address, node_bytes)?;
        let node = ChunkBTreeV1Node::decode(&bytes, addresses, chunk.len(), max_entries).ok()?;
        if above.is_some_and(|above| node.level >= above) {
            return None;
        }
        if node.level > 0 {
            nodes.extend(node.children.iter().map(|&child| (child, Some(node.level))));
            continue;
        }
        for (key, &address) in node.keys.iter().zip(&node.children) {
            let place = key.offsets.iter().zip(chunk).map(|(offset, side)| offset / side);
            chunks.push((place.collect(), address, key.chunk_size, key.filter_mask));
        }
    }
    chunks.sort();
    Some(chunks)
}

#[cfg(test)]
mod tests {
    use super::super::Hdf5File;

    /// Makes the first index in a file circular: its root becomes an inner node that is its own child.
    fn make_circular(bytes: &mut [u8]) {
        let at = bytes.windows(5).position(|window| window == b"TREE\x01").unwrap();
        bytes[at + 5] = 1;
        bytes[at + 6..at + 8].copy_from_slice(&2u16.to_le_bytes());
        // Keys of 8 + 8 · (rank + 1) bytes, children of 8.
        let address = (at as u64).to_le_bytes();
        for child in 0..2 {
            let place = at + 24 + (child + 1) * 40 + child * 8;
            bytes[place..place + 8].copy_from_slice(&address);
        }
    }

    #[test]
    fn a_circular_index_is_refused_at_once() {
        let fixture = ptychoscope_base::testing::fixture("hdf5_filters.h5");
        let names: Vec<String> =
            Hdf5File::open(&fixture).unwrap().arrays().iter().map(|array| array.path.clone()).collect();
        let mut bytes = std::fs::read(&fixture).unwrap();
        make_circular(&mut bytes);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("circle.h5");
        std::fs::write(&path, &bytes).unwrap();
        let file = Hdf5File::open(&path).unwrap();
        let errors: Vec<String> =
            names.iter().filter_map(|name| file.read_f32(name).err().map(|error| error.to_string())).collect();
        assert!(errors.iter().any(|error| error.contains("index of its chunks is damaged")), "{errors:?}");
    }
}
