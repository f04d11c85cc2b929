//! Description of an array from its header.

use super::super::npz::Storage;
use super::filters::{self, Reader};
use rust_hdf5::format::messages::datatype::IeeeFormat;
use rust_hdf5::{DatasetAccess, DatatypeMessage, H5File};

/// Access properties of datasets: external raw data is looked for beside the file, not in the current folder.
pub(super) fn access() -> DatasetAccess {
    DatasetAccess::new().efile_prefix("${ORIGIN}")
}

/// Type of the elements of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Integer; also booleans and bit fields.
    Integer {
        /// Bytes of an element.
        bytes: usize,
        /// False for unsigned integers, booleans and bit fields.
        signed: bool,
    },
    /// IEEE floating point.
    Float {
        /// Bytes of an element.
        bytes: usize,
    },
    /// Pair of real numbers (`r`, `i`; also `real`, `imag`).
    Complex {
        /// Bytes of an element, both parts together.
        bytes: usize,
    },
    /// Text, of fixed or variable length.
    Text,
    /// Anything else.
    Other,
}

/// One array of a file, described by its header.
#[derive(Debug, Clone, PartialEq)]
pub struct Hdf5Array {
    /// Path without leading `/`.
    pub path: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub element: Element,
    /// NumPy type string.
    pub dtype: String,
    /// Compression, as shown to users.
    pub storage: Storage,
    /// Bytes in memory, uncompressed.
    pub bytes: u64,
    /// Sides of the chunks; empty if it is contiguous.
    pub chunk: Vec<usize>,
    /// Reason why the array cannot be read.
    pub problem: Option<String>,
    /// Reader of the chunks.
    pub(super) reader: Reader,
}

/// Bytes of a chunk that are unpacked whatever the size of its array. Hazard: a chunk is unpacked as a whole, so that a
/// small file with a tiny array can take much memory. Remedy: larger chunks must have about the size of their array.
const LARGE_CHUNK: u64 = 64 << 20;

/// Hazard: elements that were never written read as zeros, so that a file of a few kilobytes can claim gigabytes.
/// Remedy: an array of more than `LARGE_BYTES` that is read in one piece may have at most `MAX_CLAIM` times the size of its
/// file; gzip compresses 1032 to 1 at best, and only if all bytes are equal.
const LARGE_BYTES: u64 = 256 << 20;
const MAX_CLAIM: u64 = 4000;

/// True if a file of this length cannot hold more than a small fraction of this many bytes.
pub(super) fn is_almost_empty(length: u64, bytes: u64) -> bool {
    bytes > LARGE_BYTES && bytes / MAX_CLAIM > length
}

/// Describes the array at a path of a file of this length.
pub(super) fn describe(file: &H5File, length: u64, path: &str) -> Hdf5Array {
    let mut array = Hdf5Array {
        path: path.to_owned(),
        shape: Vec::new(),
        element: Element::Other,
        dtype: "?".into(),
        storage: Storage::Unsupported,
        bytes: 0,
        chunk: Vec::new(),
        problem: None,
        reader: Reader::Library,
    };
    let dataset = match file.dataset_with(path, access()) {
        Ok(dataset) => dataset,
        Err(error) => {
            array.problem = Some(error.to_string());
            return array;
        }
    };
    array.shape = dataset.shape();
    let count = array.shape.iter().fold(1u64, |product, &length| product.saturating_mul(length as u64));
    array.bytes = count.saturating_mul(dataset.element_size() as u64);
    match dataset.datatype() {
        Ok(datatype) => {
            array.element = element_of(&datatype);
            array.dtype = dtype_of(&datatype, array.element);
        }
        Err(error) => array.problem = Some(error.to_string()),
    }
    match dataset.filters() {
        Ok(filters) => {
            array.storage = match filters.iter().find(|filter| !matches!(filter.id, 2 | 3)) {
                None => Storage::Stored,
                Some(filter) if filter.id == 1 => Storage::Deflated,
                Some(_) => Storage::Compressed,
            };
            // h5py marks every compression as optional, so that flag is not used.
            match filters::reader(&filters) {
                Ok(reader) => array.reader = reader,
                Err(name) => {
                    array.storage = Storage::Unsupported;
                    array.problem = Some(format!("it is compressed with {name}, which is not built in"));
                }
            }
        }
        Err(error) => array.problem = Some(error.to_string()),
    }
    array.chunk = dataset.chunk_dims().unwrap_or_default();
    let chunk =
        array.chunk.iter().fold(dataset.element_size() as u64, |bytes, &side| bytes.saturating_mul(side as u64));
    let beyond = match chunk {
        _ if chunk > LARGE_CHUNK.max(array.bytes.saturating_mul(4)) => Some("the array itself"),
        _ if is_almost_empty(length, chunk) => Some("the file"),
        _ => None,
    };
    if let Some(beyond) = beyond {
        array.storage = Storage::Unsupported;
        array.problem = Some(format!("its chunks have {chunk} bytes, far more than {beyond}"));
    }
    array
}

fn element_of(datatype: &DatatypeMessage) -> Element {
    match datatype {
        DatatypeMessage::FixedPoint { size, signed, .. } if matches!(size, 1 | 2 | 4 | 8) => {
            Element::Integer { bytes: *size as usize, signed: *signed }
        }
        DatatypeMessage::BitField { size, .. } if matches!(size, 1 | 2 | 4 | 8) => {
            Element::Integer { bytes: *size as usize, signed: false }
        }
        DatatypeMessage::Enum { base, .. } => element_of(base),
        // The library multiplies the size, and a file may claim one that overflows.
        DatatypeMessage::FloatingPoint { size: 2 | 4 | 8, .. } => match datatype.ieee_format() {
            Some(IeeeFormat::Binary16) => Element::Float { bytes: 2 },
            Some(IeeeFormat::Binary32) => Element::Float { bytes: 4 },
            Some(IeeeFormat::Binary64) => Element::Float { bytes: 8 },
            None => Element::Other,
        },
        DatatypeMessage::Compound { size, members } => match members.as_slice() {
            [re, im] => {
                let half = element_of(&re.datatype);
                let named = matches!(
                    (re.name.to_ascii_lowercase().as_str(), im.name.to_ascii_lowercase().as_str()),
                    ("r" | "re" | "real", "i" | "im" | "imag" | "imaginary")
                );
                let same = half == element_of(&im.datatype);
                match half {
                    Element::Float { bytes: bytes @ (4 | 8) }
                        if named && same && *size as usize == 2 * bytes && im.offset as usize == bytes =>
                    {
                        Element::Complex { bytes: 2 * bytes }
                    }
                    _ => Element::Other,
                }
            }
            _ => Element::Other,
        },
        DatatypeMessage::FixedString { .. } | DatatypeMessage::VarLenString { .. } => Element::Text,
        _ => Element::Other,
    }
}

fn dtype_of(datatype: &DatatypeMessage, element: Element) -> String {
    let order = match datatype {
        DatatypeMessage::FixedPoint { byte_order, .. } | DatatypeMessage::FloatingPoint { byte_order, .. }
            if *byte_order == rust_hdf5::ByteOrder::BigEndian =>
        {
            '>'
        }
        _ => '<',
    };
    match element {
        Element::Integer { .. } if matches!(datatype, DatatypeMessage::Enum { .. }) => "|b1".into(),
        Element::Integer { bytes: 1, signed } => if signed { "|i1" } else { "|u1" }.into(),
        Element::Integer { bytes, signed } => format!("{order}{}{bytes}", if signed { 'i' } else { 'u' }),
        Element::Float { bytes } => format!("{order}f{bytes}"),
        Element::Complex { bytes } => format!("<c{bytes}"),
        Element::Text => "text".into(),
        Element::Other => type_text(datatype),
    }
}

/// Description of a type that is not read. Hazard: the library's own text counts bits, and a file may claim so many bytes
/// that their number overflows. Remedy: this text counts bytes.
fn type_text(datatype: &DatatypeMessage) -> String {
    match datatype {
        DatatypeMessage::FixedPoint { size, .. } => format!("integer of {size} bytes"),
        DatatypeMessage::FloatingPoint { size, .. } => format!("floating point of {size} bytes"),
        DatatypeMessage::BitField { size, .. } => format!("bit field of {size} bytes"),
        DatatypeMessage::Enum { base, members } => {
            format!("enumeration of {} values, {}", members.len(), type_text(base))
        }
        DatatypeMessage::VarLenSequence { base } => format!("lists of {}", type_text(base)),
        DatatypeMessage::Array { dims, base } => format!("array {dims:?} of {}", type_text(base)),
        other => other.to_string(),
    }
}
