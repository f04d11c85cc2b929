//! Object headers and groups of an HDF5 file, read beside the library: what it knows and does not tell.
//!
//! Every step reads one more block of the file, and no more blocks are read than the file has room for, so that links that
//! lead in circles end.

use rust_hdf5::format::FormatContext;
use rust_hdf5::format::btree_v1::{BTreeV1Config, BTreeV1Node};
use rust_hdf5::format::local_heap::{LocalHeapHeader, local_heap_get_string};
use rust_hdf5::format::messages::link::{LinkMessage, LinkTarget};
use rust_hdf5::format::object_header::ObjectHeader;
use rust_hdf5::format::superblock::{SuperblockV0V1, SuperblockV2V3, SymbolTableCache, detect_superblock_version};
use rust_hdf5::format::symbol_table::SymbolTableNode;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Longest object header block read.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Longest block of names of a group read.
const MAX_NAMES_BYTES: u64 = 64 << 20;
/// Most continuation blocks of a header followed.
const MAX_BLOCKS: usize = 64;
/// Most soft links followed one after the other.
const MAX_LINKS: usize = 16;
const LINK: u8 = 0x06;
const CONTINUATION: u8 = 0x10;
const SYMBOL_TABLE: u8 = 0x11;

/// A file whose objects are looked at.
pub(in crate::data) struct Objects {
    file: File,
    length: u64,
    /// Bytes before the file proper; every address is measured from there.
    base: u64,
    pub(super) trees: BTreeV1Config,
    context: FormatContext,
    root: u64,
}

impl Objects {
    /// None if the file is not understood.
    pub fn open(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let base = [0u64, 512, 1024, 2048]
            .into_iter()
            .find(|&at| read_at(&mut file, at, 8, length).is_some_and(|bytes| bytes == b"\x89HDF\r\n\x1a\n"))?;
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
        Some(Self { file, length, base, trees, context, root })
    }

    /// Sizes of addresses and lengths.
    pub fn context(&self) -> FormatContext {
        self.context
    }

    /// Address of the root group.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// At most `size` bytes from an address on; none if there are none.
    pub(super) fn block(&mut self, address: u64, size: u64) -> Option<Vec<u8>> {
        read_at(&mut self.file, self.base.checked_add(address)?, size, self.length)
    }

    /// Exactly `size` bytes from an address on.
    pub(super) fn exactly(&mut self, address: u64, size: u64) -> Option<Vec<u8>> {
        self.block(address, size).filter(|bytes| bytes.len() as u64 == size)
    }

    /// Messages of the object header at an address: type and payload.
    pub fn messages(&mut self, address: u64) -> Option<Vec<(u8, Vec<u8>)>> {
        let first = self.block(address, MAX_HEADER_BYTES)?;
        let modern = first.starts_with(b"OHDR");
        let ordered = modern && first.get(5).is_some_and(|flags| flags & 0x04 != 0);
        let (header, _) = ObjectHeader::decode_any(&first).ok()?;
        let mut found: Vec<(u8, Vec<u8>)> =
            header.messages.into_iter().map(|message| (message.msg_type, message.data)).collect();
        let (mut at, mut blocks) = (0, 0);
        while at < found.len() {
            if let Some((CONTINUATION, data)) = found.get(at) {
                blocks += 1;
                let (addresses, sizes) = (self.context.sizeof_addr, self.context.sizeof_size);
                let (address, size) = (number(data, 0, addresses)?, number(data, addresses.into(), sizes)?);
                if blocks > MAX_BLOCKS || size > MAX_HEADER_BYTES {
                    break;
                }
                let bytes = self.block(address, size)?;
                found.extend(continuation(&bytes, modern, ordered));
            }
            at += 1;
        }
        Some(found)
    }

    /// Address of the object at a path, soft links included; none for links to other files, and for groups of the newest
    /// format with more than a few members.
    pub(super) fn find(&mut self, path: &str) -> Option<u64> {
        let mut left: Vec<String> = parts(path);
        let mut at = vec![self.root];
        let mut links = 0;
        while let Some(name) = left.pop() {
            match self.member(*at.last()?, &name)? {
                Member::Object(address) => at.push(address),
                Member::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        at.truncate(1);
                    }
                    left.extend(parts(&target));
                }
            }
        }
        at.last().copied()
    }

    /// What a group has under a name.
    fn member(&mut self, group: u64, name: &str) -> Option<Member> {
        let (addresses, sizes) = (usize::from(self.context.sizeof_addr), usize::from(self.context.sizeof_size));
        let messages = self.messages(group)?;
        for (_, link) in messages.iter().filter(|(kind, _)| *kind == LINK) {
            let Ok((link, _)) = LinkMessage::decode(link, &self.context) else { continue };
            if link.name == name {
                return match link.target {
                    LinkTarget::Hard { address } => Some(Member::Object(address)),
                    LinkTarget::Soft { target } => Some(Member::Link(target)),
                    _ => None,
                };
            }
        }
        let (_, table) = messages.iter().find(|(kind, _)| *kind == SYMBOL_TABLE)?;
        let width = self.context.sizeof_addr;
        let (tree, heap) = (number(table, 0, width)?, number(table, width.into(), width)?);
        let heap = self.block(heap, 64)?;
        let heap = LocalHeapHeader::decode(&heap, addresses, sizes).ok()?;
        let names = self.block(heap.data_addr, heap.data_size.min(MAX_NAMES_BYTES))?;
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
                    if local_heap_get_string(&names, entry.name_offset).is_ok_and(|other| other == name) {
                        return Some(match entry.cache {
                            SymbolTableCache::SoftLink { value_offset } => {
                                Member::Link(local_heap_get_string(&names, value_offset.into()).ok()?)
                            }
                            _ => Member::Object(entry.obj_header_addr),
                        });
                    }
                }
            }
        }
        None
    }
}

enum Member {
    Object(u64),
    /// A soft link to this path.
    Link(String),
}

/// Names on the way, the last one first.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").rev().map(str::to_owned).collect()
}

/// At most `size` bytes from `at` on; none if there are none.
fn read_at(file: &mut File, at: u64, size: u64, length: u64) -> Option<Vec<u8>> {
    let size = size.min(length.checked_sub(at)?);
    let mut bytes = vec![0u8; usize::try_from(size).ok()?];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Little-endian number of `bytes` bytes.
pub(in crate::data) fn number(data: &[u8], at: usize, bytes: u8) -> Option<u64> {
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
