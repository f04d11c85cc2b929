//! ESRF data format: a header of `key = value ;` in braces, padded to whole blocks, then the values.

use super::{Image, MAX_IMAGES, numbers};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Longest header, in bytes.
const MAX_HEADER: usize = 1 << 20;

/// The first image of an EDF file.
///
/// # Errors
/// A short reason.
pub fn decode(bytes: &[u8]) -> Result<Image, String> {
    decode_image(bytes, 0)
}

/// As [`decode`], for any image of the file.
///
/// # Errors
/// A short reason.
pub(super) fn decode_image(bytes: &[u8], at: usize) -> Result<Image, String> {
    let mut rest = bytes;
    for _ in 0..at {
        let header = Header::read(rest)?;
        rest = rest.get(header.end + header.needed()?..).ok_or("it is cut short")?;
    }
    let header = Header::read(rest)?;
    let data = rest.get(header.end..).unwrap_or_default();
    let values = numbers(data, &header.dtype, header.shape, false)?;
    Ok(Image { values, dtype: header.dtype })
}

/// Number of images in a file, from their headers; `None` if the file is not EDF.
pub(super) fn images(path: &Path) -> Option<usize> {
    let mut file = std::io::BufReader::new(path.is_file().then(|| crate::open_file(path).ok()).flatten()?);
    let length = file.get_ref().metadata().ok()?.len();
    let (mut at, mut count) = (0u64, 0usize);
    while at < length && count < MAX_IMAGES {
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut head = Vec::new();
        // Most headers have at most a few blocks.
        for most in [8192, MAX_HEADER as u64] {
            file.by_ref().take(most - head.len() as u64).read_to_end(&mut head).ok()?;
            if !head.trim_ascii_start().starts_with(b"{") {
                return (count > 0).then_some(count);
            }
            if Header::read(&head).is_ok() {
                break;
            }
        }
        let header = Header::read(&head).ok();
        let Some((header, needed)) = header.and_then(|header| Some((header.end, header.needed().ok()?))) else {
            // A broken one is reported when it is read.
            return Some(count.max(1));
        };
        count += 1;
        at = at.checked_add((header + needed) as u64)?;
    }
    (count > 0).then_some(count)
}

/// What a header states.
struct Header {
    dtype: String,
    shape: [usize; 2],
    /// Bytes of the header.
    end: usize,
}

impl Header {
    /// Bytes of the values.
    fn needed(&self) -> Result<usize, String> {
        let bytes = self.dtype.trim_start_matches(['<', '>', 'u', 'i', 'f']).parse::<usize>().unwrap_or(1);
        let count = self.shape[0].checked_mul(self.shape[1]).and_then(|count| count.checked_mul(bytes));
        count.filter(|count| *count <= isize::MAX as usize / 2).ok_or_else(|| "it is impossibly large".to_owned())
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let head = &bytes[..bytes.len().min(MAX_HEADER)];
        let end = head.windows(2).position(|pair| pair == b"}\n").ok_or("its header has no end")?;
        let text = String::from_utf8_lossy(&head[..end]);
        let value = |name: &str| {
            text.split(';').find_map(|entry| {
                let (key, value) = entry.split_once('=')?;
                let key = key.trim_start_matches(['{', '\n', '\r', ' ', '\t']).trim();
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let side = |name: &str| -> Result<usize, String> {
            value(name).and_then(|value| value.parse().ok()).ok_or_else(|| format!("its header does not state {name}"))
        };
        if let Some(compression) =
            value("Compression").filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("none"))
        {
            return Err(format!("its compression {compression} is not known"));
        }
        let kind = value("DataType").ok_or("its header does not state DataType")?;
        let plain = match kind.to_lowercase().replace(['_', ' '], "").as_str() {
            "unsignedbyte" => "u1",
            "signedbyte" => "i1",
            "unsignedshort" => "u2",
            "signedshort" => "i2",
            "unsignedinteger" | "unsignedlong" => "u4",
            "signedinteger" | "signedlong" => "i4",
            "unsigned64" => "u8",
            "signed64" => "i8",
            "float" | "floatvalue" | "real" => "f4",
            "double" | "doublevalue" => "f8",
            _ => return Err(format!("its type {kind} is not known")),
        };
        let big = value("ByteOrder").is_some_and(|order| order.eq_ignore_ascii_case("HighByteFirst"));
        let dtype = format!("{}{plain}", if big { '>' } else { '<' });
        Ok(Self { dtype, shape: [side("Dim_2")?, side("Dim_1")?], end: end + 2 })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ndarray::Array2;

    /// An EDF file of 16-bit values, most significant byte first.
    pub fn encoded(image: &Array2<u16>) -> Vec<u8> {
        let (height, width) = image.dim();
        let mut bytes = format!(
            "{{\nHeaderID = EH:000001:000000:000000 ;\nByteOrder = HighByteFirst ;\nDataType = UnsignedShort ;\n\
             Dim_1 = {width} ;\nDim_2 = {height} ;\n"
        )
        .into_bytes();
        bytes.resize(510, b' ');
        bytes.extend(b"}\n");
        bytes.extend(image.iter().flat_map(|value| value.to_be_bytes()));
        bytes
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = encoded(&Array2::from_elem((2, 3), 7));
        assert_eq!(decode(&bytes).unwrap().values, Array2::from_elem((2, 3), 7.0));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let text = String::from_utf8_lossy(&bytes).replace("Dim_1 = 3", "Dim_1 = 4294967295");
        assert!(decode(text.as_bytes()).is_err());
    }
}
