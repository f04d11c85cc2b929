//! Reading uncompressed gray TIFF pictures: what masks come in.
//!
//! Every count and offset is checked against the file before memory is asked for.

use ndarray::ArrayD;

/// Most directory entries and strips looked at.
const MOST_ENTRIES: usize = 100_000;

/// (h, w) values of the first picture: 1, 8, 16, 32 or 64 bits, integer or floating point, in strips.
///
/// # Errors
/// A short reason.
pub(super) fn decode(bytes: &[u8]) -> Result<ArrayD<f64>, String> {
    let file = File { bytes, big: bytes.starts_with(b"MM") };
    if file.unsigned(2, 2)? != 42 {
        return Err("it is no classic TIFF".into());
    }
    let directory = file.unsigned(4, 4)? as usize;
    let tags = Tags { file: &file, directory, count: file.unsigned(directory, 2)? as usize };
    let (width, height) = (tags.one(256)?.ok_or("no width")?, tags.one(257)?.ok_or("no height")?);
    let bits = tags.one(258)?.unwrap_or(1);
    let samples = tags.one(277)?.unwrap_or(1);
    let format = tags.one(339)?.unwrap_or(1);
    match tags.one(259)?.unwrap_or(1) {
        1 => {}
        other => return Err(format!("its compression {other} is not known; save it uncompressed")),
    }
    if samples != 1 {
        return Err(format!("it has {samples} values for each pixel; a mask has one"));
    }
    let starts = tags.all(273)?.ok_or("it is not stored in strips")?;
    let row_bytes = (width as usize).checked_mul(bits as usize).ok_or("it is too large")?.div_ceil(8);
    let count = row_bytes.checked_mul(height as usize).filter(|&count| count > 0 && count <= bytes.len());
    let count = count.ok_or_else(|| format!("{width} × {height} pixels do not fit into the file"))?;
    let rows_per_strip = tags.one(278)?.unwrap_or(height).clamp(1, height) as usize;
    let mut pixels = Vec::with_capacity(count);
    for (at, &start) in starts.iter().enumerate() {
        let rows = rows_per_strip.min((height as usize).saturating_sub(at * rows_per_strip));
        pixels.extend_from_slice(file.slice(start as usize, rows * row_bytes)?);
    }
    if pixels.len() != count {
        return Err("its strips do not fill it".into());
    }
    let inner = File { bytes: &pixels, big: file.big };
    let mut values = Vec::with_capacity(width as usize * height as usize);
    for row in 0..height as usize {
        for column in 0..width as usize {
            values.push(inner.value(row * row_bytes, column, bits, format)?);
        }
    }
    ArrayD::from_shape_vec(vec![height as usize, width as usize], values).map_err(|error| error.to_string())
}

struct File<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl File<'_> {
    fn slice(&self, at: usize, length: usize) -> Result<&[u8], String> {
        let end = at.checked_add(length).ok_or("it is cut short")?;
        self.bytes.get(at..end).ok_or_else(|| "it is cut short".to_owned())
    }

    fn unsigned(&self, at: usize, length: usize) -> Result<u64, String> {
        let bytes = self.slice(at, length)?;
        let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Ok(if self.big { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    /// The value in this column of the row that begins at `row`; `format`: 1 unsigned, 2 signed, 3 floating point.
    fn value(&self, row: usize, column: usize, bits: u64, format: u64) -> Result<f64, String> {
        if bits == 1 {
            let byte = self.unsigned(row + column / 8, 1)?;
            return Ok((byte >> (7 - column % 8) & 1) as f64);
        }
        let length = bits as usize / 8;
        let raw = self.unsigned(row + column * length, length)?;
        Ok(match (bits, format) {
            (8 | 16 | 32 | 64, 1) => raw as f64,
            (8, 2) => f64::from(raw as i8),
            (16, 2) => f64::from(raw as i16),
            (32, 2) => f64::from(raw as i32),
            (32, 3) => f64::from(f32::from_bits(raw as u32)),
            (64, 3) => f64::from_bits(raw),
            _ => return Err(format!("{bits} bits of format {format} are not known")),
        })
    }
}

struct Tags<'a> {
    file: &'a File<'a>,
    directory: usize,
    count: usize,
}

impl Tags<'_> {
    fn one(&self, tag: u64) -> Result<Option<u64>, String> {
        Ok(self.all(tag)?.and_then(|values| values.first().copied()))
    }

    fn all(&self, tag: u64) -> Result<Option<Vec<u64>>, String> {
        for entry in (0..self.count.min(MOST_ENTRIES)).map(|entry| self.directory + 2 + 12 * entry) {
            if self.file.unsigned(entry, 2)? != tag {
                continue;
            }
            let length = match self.file.unsigned(entry + 2, 2)? {
                1 => 1,
                3 => 2,
                4 => 4,
                other => return Err(format!("tag {tag} has type {other}")),
            };
            let count = self.file.unsigned(entry + 4, 4)? as usize;
            if count > MOST_ENTRIES {
                return Err(format!("tag {tag} has {count} values"));
            }
            // Few values stand in the entry itself.
            let at = if count * length <= 4 { entry + 8 } else { self.file.unsigned(entry + 8, 4)? as usize };
            return (0..count).map(|k| self.file.unsigned(at + k * length, length)).collect::<Result<_, _>>().map(Some);
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(super) mod tests {
    use super::*;
    use ndarray::{Array2, array};

    /// A little-endian picture of 16-bit values in one strip.
    pub fn one_strip(values: &Array2<u16>) -> Vec<u8> {
        picture(values.dim(), 16, 1, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(), false)
    }

    fn picture((height, width): (usize, usize), bits: u32, format: u32, data: &[u8], big: bool) -> Vec<u8> {
        let entries: [(u16, u32); 9] = [
            (256, width as u32),
            (257, height as u32),
            (258, bits),
            (259, 1),
            (273, 8 + 2 + 9 * 12 + 4),
            (277, 1),
            (278, height as u32),
            (279, data.len() as u32),
            (339, format),
        ];
        let (short, long) = if big {
            (u16::to_be_bytes as fn(u16) -> [u8; 2], u32::to_be_bytes as fn(u32) -> [u8; 4])
        } else {
            (u16::to_le_bytes as fn(u16) -> [u8; 2], u32::to_le_bytes as fn(u32) -> [u8; 4])
        };
        let mut out = if big { b"MM".to_vec() } else { b"II".to_vec() };
        out.extend(short(42));
        out.extend(long(8));
        out.extend(short(9));
        for (tag, value) in entries {
            out.extend(short(tag));
            out.extend(short(4));
            out.extend(long(1));
            out.extend(long(value));
        }
        out.extend(long(0));
        out.extend(data);
        out
    }

    #[test]
    fn integers_floats_and_bits_are_read_in_both_byte_orders() {
        let floats = array![[1.5f32, -2.0], [0.0, 1e6]];
        let expected = floats.mapv(f64::from).into_dyn();
        let little: Vec<u8> = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(decode(&picture((2, 2), 32, 3, &little, false)).unwrap(), expected);
        let big: Vec<u8> = floats.iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(decode(&picture((2, 2), 32, 3, &big, true)).unwrap(), expected);
        let signed = decode(&picture((1, 2), 8, 2, &[0xff, 3], false)).unwrap();
        assert_eq!(signed, array![[-1.0, 3.0]].into_dyn());
        let bits = decode(&picture((2, 3), 1, 1, &[0b1010_0000, 0b0100_0000], true)).unwrap();
        assert_eq!(bits, array![[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]].into_dyn());
        let mask = array![[0u16, 1, 700]];
        assert_eq!(decode(&one_strip(&mask)).unwrap(), mask.mapv(f64::from).into_dyn());
    }

    #[test]
    fn every_truncation_and_every_unknown_kind_is_an_error() {
        let bytes = one_strip(&array![[0u16, 1], [2, 3]]);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let mut compressed = bytes.clone();
        compressed[8 + 2 + 3 * 12 + 8] = 5;
        assert!(decode(&compressed).unwrap_err().contains("compression 5"));
        let mut huge = bytes;
        huge[10 + 8..10 + 12].fill(0xff);
        assert!(decode(&huge).is_err());
    }
}
