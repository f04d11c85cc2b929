//! Object headers and groups of an HDF5 file, read beside the library for facts that it does not expose.
//!
//! Every step reads one more block of the file, and no more blocks are read than fit into the file, so that circular links
//! terminate.

use rust_hdf5::VirtualMapping;
use rust_hdf5::format::btree_v1::{BTreeV1Config, BTreeV1Node};
use rust_hdf5::format::dense_link::read_dense_links;
use rust_hdf5::format::global_heap::GlobalHeapCollection;
use rust_hdf5::format::local_heap::{LocalHeapHeader, local_heap_get_string};
use rust_hdf5::format::messages::data_layout::{ChunkIndexType, DataLayoutMessage};
use rust_hdf5::format::messages::dataspace::DataspaceMessage;
use rust_hdf5::format::messages::external_file_list::ExternalFileListMessage;
use rust_hdf5::format::messages::link::{LinkMessage, LinkTarget};
use rust_hdf5::format::messages::link_info::LinkInfoMessage;
use rust_hdf5::format::messages::virtual_mapping::VirtualMappingList;
use rust_hdf5::format::object_header::ObjectHeader;
use rust_hdf5::format::superblock::{SuperblockV0V1, SuperblockV2V3, SymbolTableCache, detect_superblock_version};
use rust_hdf5::format::symbol_table::SymbolTableNode;
use rust_hdf5::format::{BlockReader, FormatContext, FormatError};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of an object header block read at first, and at most.
const HEADER_BYTES: [u64; 2] = [4096, 64 << 20];
/// Longest block of names of a group read.
const MAX_NAMES_BYTES: u64 = 64 << 20;
/// Most continuation blocks of a header followed.
const MAX_BLOCKS: usize = 1 << 16;
/// Room for a last block that is cut short, or read beyond its end.
pub(super) const NODE_BYTES: u64 = 1 << 20;
/// Most soft links followed one after the other.
const MAX_LINKS: usize = 16;
// Types of header messages.
pub(super) const DATASPACE: u8 = 0x01;
const LINK_INFO: u8 = 0x02;
pub(super) const DATATYPE: u8 = 0x03;
const LINK: u8 = 0x06;
const EXTERNAL_FILES: u8 = 0x07;
pub(super) const LAYOUT: u8 = 0x08;
pub(super) const CONTINUATION: u8 = 0x10;
const SYMBOL_TABLE: u8 = 0x11;

/// An open file whose object headers are read.
pub struct Objects {
    file: File,
    length: u64,
    /// Bytes read so far.
    read: u64,
    /// True if the links of a group in dense storage could not be read.
    pub(super) damaged_links: bool,
    /// Bytes before the superblock; addresses count from there.
    base: u64,
    pub(super) trees: BTreeV1Config,
    context: FormatContext,
    root: u64,
}

impl Objects {
    /// Opens a file; None if it is no HDF5 file of a known version.
    pub fn open(path: &Path) -> Option<Self> {
        let mut file = crate::open_file(path).ok()?;
        let length = file.metadata().ok()?.len();
        let base = superblock(&mut file, length)?;
        let superblock = read_at(&mut file, base, 256, length)?;
        let mut trees = BTreeV1Config::default();
        let (context, root) = match detect_superblock_version(&superblock).ok()? {
            0 | 1 => {
                let block = SuperblockV0V1::decode(&superblock).ok()?;
                trees.sym_leaf_k = block.sym_leaf_k;
                trees.snode_internal_k = block.btree_internal_k;
                trees.chunk_internal_k = block.indexed_storage_k.unwrap_or(trees.chunk_internal_k);
                let context = FormatContext { sizeof_addr: block.sizeof_offsets, sizeof_size: block.sizeof_lengths };
                (context, block.root_symbol_table_entry.obj_header_addr)
            }
            _ => {
                let block = SuperblockV2V3::decode(&superblock).ok()?;
                let context = FormatContext { sizeof_addr: block.sizeof_offsets, sizeof_size: block.sizeof_lengths };
                (context, block.root_group_object_header_address)
            }
        };
        Some(Self { file, length, read: 0, damaged_links: false, base, trees, context, root })
    }

    /// Sizes of addresses and lengths, in bytes.
    pub fn context(&self) -> FormatContext {
        self.context
    }

    /// Bytes before the superblock, from which addresses count.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Address of the root group.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Length of the file, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// At most `size` bytes from an address on; None if the address lies beyond the end.
    pub(super) fn block(&mut self, address: u64, size: u64) -> Option<Vec<u8>> {
        let bytes = read_at(&mut self.file, self.base.checked_add(address)?, size, self.length)?;
        self.read = self.read.saturating_add(bytes.len() as u64);
        Some(bytes)
    }

    /// Exactly `size` bytes from an address on.
    pub(super) fn exactly(&mut self, address: u64, size: u64) -> Option<Vec<u8>> {
        self.block(address, size).filter(|bytes| bytes.len() as u64 == size)
    }

    /// Messages of the object header at an address: type and payload.
    pub fn messages(&mut self, address: u64) -> Option<Vec<(u8, Vec<u8>)>> {
        let [short, long] = HEADER_BYTES;
        let first = self.block(address, short)?;
        let modern = first.starts_with(b"OHDR");
        let ordered = modern && first.get(5).is_some_and(|flags| flags & 0x04 != 0);
        let header = match ObjectHeader::decode_any(&first) {
            Ok((header, _)) => header,
            Err(FormatError::BufferTooShort { needed, .. }) if needed as u64 > short && needed as u64 <= long => {
                ObjectHeader::decode_any(&self.block(address, needed as u64)?).ok()?.0
            }
            Err(_) => return None,
        };
        let mut found: Vec<(u8, Vec<u8>)> =
            header.messages.into_iter().map(|message| (message.msg_type, message.data)).collect();
        let (mut at, mut blocks) = (0, 0);
        while at < found.len() {
            if let Some((CONTINUATION, data)) = found.get(at) {
                blocks += 1;
                let (addresses, sizes) = (self.context.sizeof_addr, self.context.sizeof_size);
                let (address, size) = (number(data, 0, addresses)?, number(data, addresses.into(), sizes)?);
                if blocks > MAX_BLOCKS || size > HEADER_BYTES[1] {
                    return None;
                }
                let bytes = self.block(address, size)?;
                found.extend(continuation(&bytes, modern, ordered));
            }
            at += 1;
        }
        Some(found)
    }

    /// Address of the object at a path, soft links included; None if there is none, or in another file.
    pub(super) fn find(&mut self, path: &str) -> Option<u64> {
        match self.resolve(path) {
            Place::Here(address) => Some(address),
            _ => None,
        }
    }

    /// The object at a path, soft links included, up to the first external link.
    pub(super) fn resolve(&mut self, path: &str) -> Place {
        let mut remaining: Vec<String> = parts(path);
        let mut at = vec![self.root];
        let mut soft_links = 0;
        while let Some(name) = remaining.pop() {
            let links = at.last().and_then(|&group| self.links(group));
            let Some(links) = links else { return Place::Unclear };
            let mut matching = links.into_iter().filter(|(other, _)| *other == name).map(|(_, target)| target);
            match (matching.next(), matching.next()) {
                (None, _) => return Place::Missing,
                (Some(LinkTarget::Hard { address }), None) => at.push(address),
                (Some(LinkTarget::Soft { target }), None) if soft_links < MAX_LINKS => {
                    soft_links += 1;
                    if target.starts_with('/') {
                        at.truncate(1);
                    }
                    remaining.extend(parts(&target));
                }
                (Some(LinkTarget::External { file, path }), None) => {
                    let rest = remaining.iter().rev().map(String::as_str);
                    let path = std::iter::once(path.as_str()).chain(rest).collect::<Vec<_>>().join("/");
                    return Place::Elsewhere { file, path };
                }
                _ => return Place::Unclear,
            }
        }
        at.last().map_or(Place::Missing, |&address| Place::Here(address))
    }

    /// Names and targets of the links of a group: compact, dense, or in a symbol table. None if the group is damaged, empty
    /// if the object is no group.
    pub(super) fn links(&mut self, group: u64) -> Option<Vec<(String, LinkTarget)>> {
        let messages = self.messages(group)?;
        let mut found = Vec::new();
        for (kind, data) in &messages {
            match *kind {
                LINK => found.extend(LinkMessage::decode(data, &self.context).ok().map(|(link, _)| link)),
                LINK_INFO => {
                    let (info, _) = LinkInfoMessage::decode(data, &self.context).ok()?;
                    if info.is_dense() {
                        let (context, left) = (self.context, self.length.saturating_add(NODE_BYTES));
                        let links = read_dense_links(&info, &context, &mut Bounded { objects: self, left });
                        self.damaged_links |= links.is_err();
                        found.extend(links.ok()?);
                    }
                }
                _ => {}
            }
        }
        let mut found: Vec<_> = found.into_iter().map(|link| (link.name, link.target)).collect();
        if let Some((_, table)) = messages.iter().find(|(kind, _)| *kind == SYMBOL_TABLE) {
            self.symbol_table(table, &mut found)?;
        }
        Some(found)
    }

    /// Adds the links of a symbol table, the form of groups before HDF5 1.8.
    fn symbol_table(&mut self, table: &[u8], found: &mut Vec<(String, LinkTarget)>) -> Option<()> {
        let (addresses, sizes) = (usize::from(self.context.sizeof_addr), usize::from(self.context.sizeof_size));
        let width = self.context.sizeof_addr;
        let (tree, heap) = (number(table, 0, width)?, number(table, width.into(), width)?);
        let names = self.heap_text(heap)?;
        let (node_bytes, leaf_bytes) =
            (self.trees.snode_btree_node_size(addresses, sizes), self.trees.symbol_table_node_size(addresses, sizes));
        let mut budget = self.length / 24;
        let mut nodes = vec![(tree, None)];
        while let Some((address, level)) = nodes.pop() {
            budget = budget.checked_sub(1)?;
            let bytes = self.block(address, node_bytes as u64)?;
            let node = BTreeV1Node::decode(&bytes, addresses, sizes, self.trees.snode_max_entries()).ok()?;
            if level.is_some_and(|above| node.level >= above) {
                return None;
            }
            if node.level > 0 {
                nodes.extend(node.children.iter().map(|&child| (child, Some(node.level))));
                continue;
            }
            for &leaf in &node.children {
                budget = budget.checked_sub(1)?;
                let bytes = self.block(leaf, leaf_bytes as u64)?;
                let leaf = SymbolTableNode::decode(&bytes, addresses, sizes, self.trees.sym_leaf_max_entries()).ok()?;
                for entry in leaf.entries {
                    let name = local_heap_get_string(&names, entry.name_offset).ok()?;
                    let target = match entry.cache {
                        SymbolTableCache::SoftLink { value_offset } => {
                            LinkTarget::Soft { target: local_heap_get_string(&names, value_offset.into()).ok()? }
                        }
                        _ => LinkTarget::Hard { address: entry.obj_header_addr },
                    };
                    found.push((name, target));
                }
            }
        }
        Some(())
    }

    /// Texts of the local heap at an address.
    fn heap_text(&mut self, heap: u64) -> Option<Vec<u8>> {
        let (addresses, sizes) = (usize::from(self.context.sizeof_addr), usize::from(self.context.sizeof_size));
        let heap = self.block(heap, 64)?;
        let heap = LocalHeapHeader::decode(&heap, addresses, sizes).ok()?;
        self.block(heap.data_addr, heap.data_size.min(MAX_NAMES_BYTES))
    }

    /// Storage of the object at an address; None if its header is damaged. An object that is no dataset has none.
    pub(super) fn storage(&mut self, address: u64) -> Option<Storage> {
        let messages = self.messages(address)?;
        let context = self.context;
        let mut storage = Storage::default();
        for (kind, data) in &messages {
            match *kind {
                DATASPACE => {
                    storage.shape =
                        DataspaceMessage::decode(data, &context).map(|(space, _)| space.dims).unwrap_or_default();
                }
                DATATYPE => storage.element = number(data, 4, 4).unwrap_or(0),
                EXTERNAL_FILES => {
                    let (list, _) = ExternalFileListMessage::decode(data, &context).ok()?;
                    let names = self.heap_text(list.heap_addr)?;
                    for slot in &list.slots {
                        storage.external.push(local_heap_get_string(&names, slot.name_offset).ok()?);
                    }
                }
                LAYOUT => match DataLayoutMessage::decode(data, &context).ok()?.0 {
                    DataLayoutMessage::ChunkedV3 { chunk_dims, b_tree_address } => {
                        storage.chunk_tree = Some((chunk_dims, b_tree_address));
                    }
                    DataLayoutMessage::ChunkedV4 { index_type: ChunkIndexType::BTreeV2, index_address, .. } => {
                        storage.chunk_tree_2 = Some(index_address);
                    }
                    DataLayoutMessage::Virtual { heap_index: 0, .. } => {}
                    DataLayoutMessage::Virtual { heap_address, heap_index, .. } => {
                        let start = self.block(heap_address, 24)?;
                        let size = GlobalHeapCollection::decode_size(&start, &context).ok()?;
                        let bytes = self.exactly(heap_address, size as u64)?;
                        let (heap, _) = GlobalHeapCollection::decode(&bytes, &context).ok()?;
                        let list = heap.get_object(u16::try_from(heap_index).ok()?)?;
                        storage.mappings = VirtualMappingList::decode(list, &context).ok()?.mappings;
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Some(storage)
    }
}

/// Reads blocks for the library, which follows shared and circular nodes of an index any number of times.
pub(super) struct Bounded<'a> {
    pub objects: &'a mut Objects,
    /// Bytes that may still be read.
    pub left: u64,
}

impl BlockReader for Bounded<'_> {
    fn read_block(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, FormatError> {
        let bytes = self.objects.block(offset, length as u64);
        let left = bytes.as_ref().and_then(|bytes| self.left.checked_sub(bytes.len() as u64));
        self.left = left.ok_or(FormatError::BufferTooShort { needed: length, available: 0 })?;
        Ok(bytes.unwrap_or_default())
    }
}

/// Location of an object.
pub(super) enum Place {
    /// Address in this file.
    Here(u64),
    /// Behind an external link.
    Elsewhere { file: String, path: String },
    /// There is no such object.
    Missing,
    /// The way to it is damaged, ambiguous, or of an unknown kind.
    Unclear,
}

/// Storage of a dataset, as far as reading it can be expensive or leave the file.
#[derive(Debug, Default)]
pub(super) struct Storage {
    pub shape: Vec<u64>,
    /// Bytes of an element.
    pub element: u64,
    /// Sides of the chunks, with the size of an element last, and the address of their index (HDF5 1.6).
    pub chunk_tree: Option<(Vec<u64>, u64)>,
    /// Address of the header of a version 2 B-tree of chunks.
    pub chunk_tree_2: Option<u64>,
    /// Sources of a virtual dataset.
    pub mappings: Vec<VirtualMapping>,
    /// Names of external raw data files.
    pub external: Vec<String>,
}

/// Names on the way, the last one first.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").rev().map(str::to_owned).collect()
}

/// Offset of the superblock: 0, or 512 times a power of two behind a user block; None if the file is no HDF5 file.
pub(super) fn superblock(file: &mut File, length: u64) -> Option<u64> {
    std::iter::once(0)
        .chain(std::iter::successors(Some(512u64), |at| at.checked_mul(2)))
        .take_while(|at| *at < length)
        .find(|&at| read_at(file, at, 8, length).is_some_and(|bytes| bytes == b"\x89HDF\r\n\x1a\n"))
}

/// At most `size` bytes from `at` on; None if that lies beyond the end.
fn read_at(file: &mut File, at: u64, size: u64, length: u64) -> Option<Vec<u8>> {
    let size = size.min(length.checked_sub(at)?);
    let mut bytes = vec![0u8; usize::try_from(size).ok()?];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Little-endian number of `bytes` bytes.
pub fn number(data: &[u8], at: usize, bytes: u8) -> Option<u64> {
    let piece = data.get(at..at.checked_add(bytes.into())?)?;
    Some(piece.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
}

/// Messages of a continuation block: type and payload.
fn continuation(bytes: &[u8], modern: bool, ordered: bool) -> Vec<(u8, Vec<u8>)> {
    let (mut at, end) = if modern { (4, bytes.len().saturating_sub(4)) } else { (0, bytes.len()) };
    let prefix = match (modern, ordered) {
        (true, true) => 6,
        (true, false) => 4,
        (false, _) => 8,
    };
    let mut found = Vec::new();
    while at + prefix <= end {
        let kind = bytes.get(at).copied().unwrap_or_default();
        let size = number(bytes, at + if modern { 1 } else { 2 }, 2).unwrap_or_default() as usize;
        let Some(data) = bytes.get(at + prefix..at + prefix + size) else { break };
        found.push((kind, data.to_vec()));
        at += prefix + size;
    }
    found
}
