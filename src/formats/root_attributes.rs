//! Numeric attributes of the root group of an HDF5 file, which the library reads as text only.
//!
//! The blocks of the root group's object header are walked by [`Objects`] and decoded by the library.
//! Attributes in dense storage (more than eight of them in files of the newest format) are not found.

use super::hdf5::{Objects, number};
use rust_hdf5::DatatypeMessage;
use rust_hdf5::format::messages::attribute::AttributeMessage;
use std::path::Path;

const ATTRIBUTE: u8 = 0x0c;

/// An attribute of the root group.
#[derive(Debug, Clone, PartialEq)]
pub struct RootAttribute {
    /// Name of the attribute.
    pub name: String,
    /// Value if it is a single number.
    pub number: Option<f64>,
}

/// Attributes of the root group; empty if the file cannot be read.
pub fn read(path: &Path) -> Vec<RootAttribute> {
    messages(path).unwrap_or_default()
}

fn messages(path: &Path) -> Option<Vec<RootAttribute>> {
    let mut objects = Objects::open(path)?;
    let (context, found) = (objects.context(), objects.messages(objects.root())?);
    let decode = |data: &[u8]| {
        let (attribute, _) = AttributeMessage::decode(data, &context).ok()?;
        let number = number_of(&attribute.datatype, &attribute.data);
        Some(RootAttribute { name: attribute.name, number })
    };
    Some(found.iter().filter(|(kind, _)| *kind == ATTRIBUTE).filter_map(|(_, data)| decode(data)).collect())
}

/// Value of a scalar number.
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
