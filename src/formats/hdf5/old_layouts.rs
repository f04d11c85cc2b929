//! Files of HDF5 1.4 and earlier, whose layout messages (versions 1 and 2) the library does not read.
//!
//! The later message (version 3) says the same in fewer bytes, so that it is put in place of the old one in a copy of the file.

use super::links;
use super::objects::{CONTINUATION, DATASPACE, DATATYPE, LAYOUT, Objects, number};
use crate::error::{Error, Problem, Result};
use rust_hdf5::format::messages::dataspace::DataspaceMessage;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Largest file that is copied: in those days, files had no more than 2 GB.
const MAX_BYTES: u64 = 1 << 31;
/// Bytes of the header of an object before its messages, and of that of a message.
const PREFIX: u64 = 16;
const MESSAGE: usize = 8;

/// True for the error of the library about such an array.
pub(super) fn is_meant(error: &str) -> bool {
    ["1", "2"].iter().any(|version| error.contains(&format!("data layout message version {version}")))
}

/// A copy of the file in which these arrays have later layout messages; `None` if they cannot be replaced.
///
/// # Errors
/// [`Error::Failed`] if the copy cannot be written.
pub(super) fn converted<'a>(path: &Path, arrays: impl Iterator<Item = &'a str>) -> Result<Option<NamedTempFile>> {
    let Some(mut objects) = Objects::open(path) else { return Ok(None) };
    let base = objects.base();
    let found: Vec<(u64, Vec<u8>)> = arrays.filter_map(|array| later_message(&mut objects, array)).collect();
    // Links to other files, which came later, count from the folder of the file.
    if found.is_empty() || objects.length() > MAX_BYTES || !links::external(path).is_empty() {
        return Ok(None);
    }
    let failed = |error: std::io::Error| -> Error {
        Problem::new(format!("A file of HDF5 1.4 is read from a copy, which cannot be written ({error})"))
            .hint("Make room in the folder for temporary files, or convert the file with h5repack IN OUT")
            .at(path)
            .into()
    };
    let mut copy = NamedTempFile::new().map_err(failed)?;
    let mut file = crate::open_file(path).map_err(failed)?;
    std::io::copy(&mut file, &mut copy).map_err(failed)?;
    for (at, message) in found {
        copy.seek(SeekFrom::Start(base + at)).and_then(|_| copy.write_all(&message)).map_err(failed)?;
    }
    copy.flush().map_err(failed)?;
    Ok(Some(copy))
}

/// Address of the layout message of an array, and a later one of the same length.
fn later_message(objects: &mut Objects, array: &str) -> Option<(u64, Vec<u8>)> {
    let header = objects.find(array)?;
    let start = objects.exactly(header, PREFIX)?;
    let mut blocks = vec![(header + PREFIX, number(&start, 8, 4)?)];
    let (addresses, sizes) = (objects.context().sizeof_addr, objects.context().sizeof_size);
    let mut bytes = None;
    let (mut elements, mut layout) = (None, None);
    let mut budget = objects.length() / PREFIX;
    while let Some((begin, size)) = blocks.pop() {
        let block = objects.exactly(begin, size.min(objects.length()))?;
        let mut at = 0;
        while at + MESSAGE <= block.len() {
            budget = budget.checked_sub(1)?;
            let length = number(&block, at + 2, 2)? as usize;
            let data = block.get(at + MESSAGE..at + MESSAGE + length)?;
            match u8::try_from(number(&block, at, 2)?).ok()? {
                CONTINUATION => blocks.push((number(data, 0, addresses)?, number(data, addresses.into(), sizes)?)),
                DATASPACE => {
                    let space = DataspaceMessage::decode(data, &objects.context()).ok()?.0;
                    elements = space.dims.iter().try_fold(1u64, |count, &length| count.checked_mul(length));
                }
                DATATYPE => bytes = number(data, 4, 4),
                LAYOUT => layout = Some((begin + (at + MESSAGE) as u64, data.to_vec())),
                _ => {}
            }
            at += MESSAGE + length;
        }
    }
    let (at, old) = layout?;
    let mut message = later(&old, addresses, sizes, bytes?.checked_mul(elements?)?)?;
    if message.len() > old.len() {
        return None;
    }
    message.resize(old.len(), 0);
    Some((at, message))
}

/// The message of version 3 for one of version 1 or 2; `total` is the number of bytes of the array.
fn later(old: &[u8], addresses: u8, sizes: u8, total: u64) -> Option<Vec<u8>> {
    let (&version, &axes, &class) = (old.first()?, old.get(1)?, old.get(2)?);
    let address = 8..8 + usize::from(addresses);
    let dims = address.end..address.end + 4 * usize::from(axes);
    match (version, class) {
        (1 | 2, 1) => {
            let size = total.to_le_bytes();
            Some([&[3, 1], old.get(address)?, size.get(..usize::from(sizes))?].concat())
        }
        (1 | 2, 2) => Some([&[3, 2, axes], old.get(address)?, old.get(dims)?].concat()),
        _ => None,
    }
}
