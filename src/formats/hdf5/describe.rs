//! Description of an array from its header.

use super::super::npz::Storage;
use super::filters::{self, Reader};
use super::links::ExternalLink;
use super::old_layouts;
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
    /// Pair of real numbers (`r`, `i`; also `re`, `real`, `x`, `im`, `imag`, `y`, in any order).
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
    /// What to do about the problem; may be empty.
    pub(super) remedy: &'static str,
    /// True if it is a link to another file that leads nowhere.
    pub is_dangling: bool,
    /// True if its layout is of HDF5 1.4 or earlier.
    pub(super) has_old_layout: bool,
    /// Places of real and imaginary part in a complex element.
    pub(super) parts: Option<Parts>,
    /// Offset and number of the bits used of an integer, unless all are.
    pub(super) bits: Option<[u32; 2]>,
    /// Reader of the chunks.
    pub(super) reader: Reader,
}

/// Places of real and imaginary part in a stored complex element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    /// Bytes before the real part.
    pub real: usize,
    /// Bytes before the imaginary part.
    pub imaginary: usize,
    /// Bytes of the element.
    pub size: usize,
}

/// What to do about a compression that is not built in.
const UNPACK: &str = "Write the array again without compression, or with gzip: h5repack -f GZIP=4 IN OUT";

impl Hdf5Array {
    fn unknown(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            shape: Vec::new(),
            element: Element::Other,
            dtype: "?".into(),
            storage: Storage::Unsupported,
            bytes: 0,
            chunk: Vec::new(),
            problem: None,
            remedy: "",
            is_dangling: false,
            has_old_layout: false,
            parts: None,
            bits: None,
            reader: Reader::Library,
        }
    }

    /// This array with the error of the library, in the user's words where it is known.
    fn unread(mut self, error: String) -> Self {
        if error.contains("datatype class 11") {
            self.dtype = "complex of HDF5 2.0".into();
            self.problem = Some("it has the complex type of HDF5 2.0, which is not read yet".into());
            self.remedy = "Write it as pairs with the members r and i, as h5py does by default";
        } else if old_layouts::is_meant(&error) {
            self.has_old_layout = true;
            self.problem = Some("it is stored in a way of HDF5 1.4 that is not read".into());
            self.remedy = "Convert the file with a newer HDF5: h5repack IN OUT";
        } else {
            self.problem = Some(error);
        }
        self
    }

    /// A link to another file that leads nowhere.
    pub(super) fn dangling(link: &ExternalLink) -> Self {
        let (problem, remedy) = match &link.found {
            None => {
                let problem = format!("it is a link to the file {:?}, which is missing", link.file);
                (problem, "Copy that file into the folder of this one")
            }
            Some(_) => {
                let problem =
                    format!("it is a link to {:?} in the file {:?}, which has no such array", link.target, link.file);
                (problem, "Write the link again, or copy the file that belongs to this one")
            }
        };
        Self { problem: Some(problem), remedy, is_dangling: true, ..Self::unknown(&link.path) }
    }
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
    let mut array = Hdf5Array::unknown(path);
    let dataset = match file.dataset_with(path, access()) {
        Ok(dataset) => dataset,
        Err(error) => return array.unread(error.to_string()),
    };
    array.shape = dataset.shape();
    let count = array.shape.iter().fold(1u64, |product, &length| product.saturating_mul(length as u64));
    array.bytes = count.saturating_mul(dataset.element_size() as u64);
    match dataset.datatype() {
        Ok(datatype) => {
            array.element = element_of(&datatype);
            array.parts = parts_of(&datatype);
            array.bits = bits_of(&datatype);
            array.dtype = dtype_of(&datatype, array.element);
            if !fits_its_bytes(&datatype) {
                array.problem = Some("its type uses bits beyond its bytes".into());
                array.remedy = "The file is damaged; copy or export it again";
            }
        }
        Err(error) => array = array.unread(error.to_string()),
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
                    array.remedy = UNPACK;
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
        DatatypeMessage::Compound { members, .. } => match (parts_of(datatype), members.first()) {
            (Some(_), Some(part)) => match element_of(&part.datatype) {
                Element::Float { bytes } => Element::Complex { bytes: 2 * bytes },
                _ => Element::Other,
            },
            _ => Element::Other,
        },
        DatatypeMessage::FixedString { .. } | DatatypeMessage::VarLenString { .. } => Element::Text,
        _ => Element::Other,
    }
}

/// Most bytes of a pair, gaps included. Hazard: memory is reserved for all bytes of an element, and a file may claim any number.
const MAX_PAIR_BYTES: usize = 64;

/// Places of the parts of a complex element: two floating-point numbers of one type, named as real and imaginary part.
fn parts_of(datatype: &DatatypeMessage) -> Option<Parts> {
    let DatatypeMessage::Compound { size, members } = datatype else { return None };
    let [one, other] = members.as_slice() else { return None };
    let is = |name: &str, names: &[&str]| names.contains(&name.to_ascii_lowercase().as_str());
    let real = |name: &str| is(name, &["r", "re", "real", "x"]);
    let imaginary = |name: &str| is(name, &["i", "im", "imag", "imaginary", "y"]);
    let (re, im) = match (one, other) {
        (re, im) if real(&re.name) && imaginary(&im.name) => (re, im),
        (im, re) if real(&re.name) && imaginary(&im.name) => (re, im),
        _ => return None,
    };
    let Element::Float { bytes } = element_of(&re.datatype) else { return None };
    let parts = Parts { real: re.offset as usize, imaginary: im.offset as usize, size: *size as usize };
    if parts.size > MAX_PAIR_BYTES {
        return None;
    }
    let inside = |at: usize| at.checked_add(bytes).is_some_and(|end| end <= parts.size);
    let same = element_of(&im.datatype) == Element::Float { bytes }
        && is_big_endian(&re.datatype) == is_big_endian(&im.datatype);
    (same && inside(parts.real) && inside(parts.imaginary)).then_some(parts)
}

/// Offset and number of the bits used of an integer, unless all are.
fn bits_of(datatype: &DatatypeMessage) -> Option<[u32; 2]> {
    let DatatypeMessage::FixedPoint { size, bit_offset, bit_precision, .. } = datatype else { return None };
    let bits = [u32::from(*bit_offset), u32::from(*bit_precision)];
    (*size <= 8 && bits[1] > 0 && bits[0] + bits[1] <= 8 * *size && bits != [0, 8 * *size]).then_some(bits)
}

/// False for a number whose bits lie beyond its bytes. Hazard: the library reserves memory up to them.
fn fits_its_bytes(datatype: &DatatypeMessage) -> bool {
    match datatype {
        DatatypeMessage::FixedPoint { size, bit_offset, bit_precision, .. }
        | DatatypeMessage::FloatingPoint { size, bit_offset, bit_precision, .. } => {
            u64::from(*bit_offset) + u64::from(*bit_precision) <= 8 * u64::from(*size)
        }
        DatatypeMessage::Compound { members, .. } => members.iter().all(|member| fits_its_bytes(&member.datatype)),
        DatatypeMessage::Enum { base, .. } => fits_its_bytes(base),
        _ => true,
    }
}

fn is_big_endian(datatype: &DatatypeMessage) -> bool {
    match datatype {
        DatatypeMessage::FixedPoint { byte_order, .. } | DatatypeMessage::FloatingPoint { byte_order, .. } => {
            *byte_order == rust_hdf5::ByteOrder::BigEndian
        }
        DatatypeMessage::Compound { members, .. } => members.first().is_some_and(|part| is_big_endian(&part.datatype)),
        DatatypeMessage::Enum { base, .. } => is_big_endian(base),
        _ => false,
    }
}

fn dtype_of(datatype: &DatatypeMessage, element: Element) -> String {
    let order = if is_big_endian(datatype) { '>' } else { '<' };
    match element {
        Element::Integer { .. } if matches!(datatype, DatatypeMessage::Enum { .. }) => "|b1".into(),
        Element::Integer { bytes: 1, signed } => if signed { "|i1" } else { "|u1" }.into(),
        Element::Integer { bytes, signed } => format!("{order}{}{bytes}", if signed { 'i' } else { 'u' }),
        Element::Float { bytes } => format!("{order}f{bytes}"),
        Element::Complex { bytes } => format!("{order}c{bytes}"),
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
