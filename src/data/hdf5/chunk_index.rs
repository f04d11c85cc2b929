//! Where the chunks of an array lie: the index that HDF5 1.6 defined and h5py writes unless told otherwise.
//!
//! Hazard: the library finds a raw chunk by walking the whole index, once for each chunk, which takes hours for a scan of a
//! hundred thousand patterns; and an index that leads back into itself keeps it busy for ever. Remedy: it is walked once,
//! by no more nodes than the file has room for, before the library does.

use super::objects::Objects;
use rust_hdf5::format::btree_v1::ChunkBTreeV1Node;
use rust_hdf5::format::messages::data_layout::DataLayoutMessage;
use std::path::{Path, PathBuf};

const LAYOUT: u8 = 0x08;
/// An address that leads nowhere.
const NOWHERE: u64 = u64::MAX;

/// A chunk as it lies in the file, and the filters that were left out (bits).
pub(super) type Stored = (Vec<u8>, u32);

/// Grid coordinates, address, bytes, and filters left out.
type Entry = (Vec<u64>, u64, u32, u32);

/// The chunks of one array by their places in the grid of chunks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChunkIndex {
    path: PathBuf,
    /// Sorted.
    chunks: Vec<Entry>,
}

impl ChunkIndex {
    /// The index of the array at a path in a file; none if it has another kind of index, or cannot be found.
    ///
    /// # Errors
    /// A short reason: the index is damaged.
    pub fn read(path: &Path, array: &str, chunk: &[usize]) -> Result<Option<Self>, String> {
        let rank = chunk.len();
        let Some((objects, root)) = root(path, array, chunk) else { return Ok(None) };
        let chunks = walk(objects, root, rank, chunk).ok_or("the index of its chunks is damaged")?;
        Ok(Some(Self { path: path.to_path_buf(), chunks }))
    }
    /// Some chunks as they lie in the file, each with the filters that were left out; none where it was never written.
    ///
    /// # Errors
    /// A short reason.
    pub fn load(&self, places: &[Vec<usize>]) -> Result<Vec<Option<Stored>>, String> {
        let mut objects = Objects::open(&self.path).ok_or("the file has changed")?;
        let one = |place: &Vec<usize>| {
            let place: Vec<u64> = place.iter().map(|&at| at as u64).collect();
            let found = self.chunks.binary_search_by(|(other, ..)| other.cmp(&place));
            let Some((_, address, size, left_out)) = found.ok().and_then(|at| self.chunks.get(at)) else {
                return Ok(None);
            };
            if *address == NOWHERE {
                return Ok(None);
            }
            let bytes = objects.exactly(*address, u64::from(*size)).ok_or("a chunk lies beyond the end of the file")?;
            Ok(Some((bytes, *left_out)))
        };
        places.iter().map(one).collect()
    }
}

/// The file, and the address of the index of an array in it.
fn root(path: &Path, array: &str, chunk: &[usize]) -> Option<(Objects, u64)> {
    let mut objects = Objects::open(path)?;
    let header = objects.find(array)?;
    let messages = objects.messages(header)?;
    let (_, layout) = messages.iter().find(|(kind, _)| *kind == LAYOUT)?;
    let (layout, _) = DataLayoutMessage::decode(layout, &objects.context()).ok()?;
    let DataLayoutMessage::ChunkedV3 { chunk_dims, b_tree_address } = layout else { return None };
    let same = chunk_dims.iter().zip(chunk).filter(|&(&one, &other)| one == other as u64 && one > 0).count();
    (same == chunk.len() && chunk_dims.len() == chunk.len() + 1).then_some((objects, b_tree_address))
}

/// Every chunk below the root of an index, sorted by place; none if it is damaged.
fn walk(mut objects: Objects, root: u64, rank: usize, chunk: &[usize]) -> Option<Vec<Entry>> {
    let addresses = usize::from(objects.context().sizeof_addr);
    let node_bytes = objects.trees.chunk_btree_node_size(addresses, rank) as u64;
    let most_entries = objects.trees.chunk_max_entries();
    // Each node has bytes of its own, the last one perhaps not all of them.
    let mut budget = objects.length() / node_bytes.max(1) + 2;
    let mut chunks = Vec::new();
    let mut nodes = if root == NOWHERE { Vec::new() } else { vec![(root, None)] };
    while let Some((address, above)) = nodes.pop() {
        budget = budget.checked_sub(1)?;
        let bytes = objects.block(address, node_bytes)?;
        let node = ChunkBTreeV1Node::decode(&bytes, addresses, rank, most_entries).ok()?;
        if above.is_some_and(|above| node.level >= above) {
            return None;
        }
        if node.level > 0 {
            nodes.extend(node.children.iter().map(|&child| (child, Some(node.level))));
            continue;
        }
        for (key, &address) in node.keys.iter().zip(&node.children) {
            let place = key.offsets.iter().zip(chunk).map(|(offset, side)| offset / *side as u64);
            chunks.push((place.collect(), address, key.chunk_size, key.filter_mask));
        }
    }
    chunks.sort();
    Some(chunks)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::Hdf5File;
    use super::*;

    /// The first index in a file, made to lead back to itself: its root becomes an inner node whose children it is itself.
    fn in_circles(bytes: &mut [u8]) {
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
    fn an_index_that_leads_back_into_itself_is_refused_at_once() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hdf5_filters.h5");
        let names: Vec<String> =
            Hdf5File::open(&fixture).unwrap().arrays().iter().map(|array| array.path.clone()).collect();
        let mut bytes = std::fs::read(&fixture).unwrap();
        in_circles(&mut bytes);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("circle.h5");
        std::fs::write(&path, &bytes).unwrap();
        let file = Hdf5File::open(&path).unwrap();
        let errors: Vec<String> =
            names.iter().filter_map(|name| file.read_f32(name).err().map(|error| error.to_string())).collect();
        assert!(errors.iter().any(|error| error.contains("index of its chunks is damaged")), "{errors:?}");
    }
}
