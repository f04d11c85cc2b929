//! Numbers among the attributes of an HDF5 file's root group, which the library reads as text only.
//!
//! The superblock leads to the root group's object header; its blocks are walked here and decoded by the library.
//! Attributes in a heap of their own (more than eight of them in files of the newest format) are not found.

use rust_hdf5::DatatypeMessage;
use rust_hdf5::format::FormatContext;
use rust_hdf5::format::messages::attribute::AttributeMessage;
use rust_hdf5::format::object_header::ObjectHeader;
use rust_hdf5::format::superblock::{SuperblockV0V1, SuperblockV2V3, detect_superblock_version};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Longest object header block read.
const MAX_BLOCK_BYTES: u64 = 1 << 20;
/// Most continuation blocks followed.
const MAX_BLOCKS: usize = 64;
const CONTINUATION: u8 = 0x10;
const ATTRIBUTE: u8 = 0x0c;

/// An attribute, and its value if it is one number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RootAttribute {
    pub name: String,
    pub number: Option<f64>,
}

/// The attributes of the root group; none if the file is not understood.
pub(super) fn read(path: &Path) -> Vec<RootAttribute> {
    messages(path).unwrap_or_default()
}

fn messages(path: &Path) -> Option<Vec<RootAttribute>> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let start = [0u64, 512, 1024, 2048]
        .into_iter()
        .find(|&at| block(&mut file, at, 8, length).is_some_and(|bytes| bytes == b"\x89HDF\r\n\x1a\n"))?;
    let superblock = block(&mut file, start, 256, length)?;
    let (context, root) = match detect_superblock_version(&superblock).ok()? {
        0 | 1 => {
            let block = SuperblockV0V1::decode(&superblock).ok()?;
            let context = FormatContext { sizeof_addr: block.sizeof_offsets, sizeof_size: block.sizeof_lengths };
            (context, block.root_symbol_table_entry.obj_header_addr)
        }
        _ => {
            let block = SuperblockV2V3::decode(&superblock).ok()?;
            let context = FormatContext { sizeof_addr: block.sizeof_offsets, sizeof_size: block.sizeof_lengths };
            (context, block.root_group_object_header_address)
        }
    };
    let first = block(&mut file, start.checked_add(root)?, MAX_BLOCK_BYTES, length)?;
    let modern = first.starts_with(b"OHDR");
    let ordered = modern && first.get(5).is_some_and(|flags| flags & 0x04 != 0);
    let (header, _) = ObjectHeader::decode_any(&first).ok()?;
    let mut found: Vec<(u8, Vec<u8>)> =
        header.messages.into_iter().map(|message| (message.msg_type, message.data)).collect();
    let (mut at, mut blocks) = (0, 0);
    while at < found.len() {
        if let Some((CONTINUATION, data)) = found.get(at) {
            blocks += 1;
            let (address, size) =
                (number(data, 0, context.sizeof_addr)?, number(data, context.sizeof_addr.into(), context.sizeof_size)?);
            if blocks > MAX_BLOCKS || size > MAX_BLOCK_BYTES {
                break;
            }
            let bytes = block(&mut file, start.checked_add(address)?, size, length)?;
            found.extend(continuation(&bytes, modern, ordered));
        }
        at += 1;
    }
    let decode = |data: &[u8]| {
        let (attribute, _) = AttributeMessage::decode(data, &context).ok()?;
        let number = number_of(&attribute.datatype, &attribute.data);
        Some(RootAttribute { name: attribute.name, number })
    };
    Some(found.iter().filter(|(kind, _)| *kind == ATTRIBUTE).filter_map(|(_, data)| decode(data)).collect())
}

/// At most `size` bytes from `at` on; `None` if there are none.
fn block(file: &mut File, at: u64, size: u64, length: u64) -> Option<Vec<u8>> {
    let size = size.min(length.checked_sub(at)?);
    let mut bytes = vec![0u8; usize::try_from(size).ok()?];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Little-endian number of `bytes` bytes.
fn number(data: &[u8], at: usize, bytes: u8) -> Option<u64> {
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

/// The value of a scalar number.
fn number_of(datatype: &DatatypeMessage, data: &[u8]) -> Option<f64> {
    let bytes = |size: u32, order: rust_hdf5::ByteOrder| {
        let mut bytes = data.get(..size as usize)?.to_vec();
        if order == rust_hdf5::ByteOrder::BigEndian {
            bytes.reverse();
        }
        Some(bytes)
    };
    match *datatype {
        DatatypeMessage::FloatingPoint { size: 4, byte_order, .. } => {
            Some(f32::from_le_bytes(bytes(4, byte_order)?.try_into().ok()?).into())
        }
        DatatypeMessage::FloatingPoint { size: 8, byte_order, .. } => {
            Some(f64::from_le_bytes(bytes(8, byte_order)?.try_into().ok()?))
        }
        DatatypeMessage::FixedPoint { size, byte_order, signed, .. } if size <= 8 => {
            let bytes = bytes(size, byte_order)?;
            let value = number(&bytes, 0, size as u8)?;
            let shift = 64 - 8 * size;
            Some(if signed { ((value << shift) as i64 >> shift) as f64 } else { value as f64 })
        }
        _ => None,
    }
    .filter(|value| value.is_finite())
}
