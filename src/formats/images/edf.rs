//! ESRF data format: a header of `key = value ;` in braces, padded to whole blocks, then the values.

use super::{Image, numbers};

/// Longest header, in bytes.
const MAX_HEADER: usize = 1 << 20;

/// The first image of an EDF file.
///
/// # Errors
/// A short reason.
pub fn decode(bytes: &[u8]) -> Result<Image, String> {
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
    let data = bytes.get(end + 2..).unwrap_or_default();
    let values = numbers(data, &dtype, [side("Dim_2")?, side("Dim_1")?], false)?;
    Ok(Image { values, dtype })
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
