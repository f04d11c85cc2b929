//! The `.npy` format: header and number conversion.
//!
//! The stated header length, shape and type may be wrong. Nothing is allocated because of a header: sizes are checked
//! products, and the caller compares them with the actual size of the archive member.

use half::f16;
use num_complex::{Complex32, Complex64};
use std::io::Read;

/// First bytes of every `.npy` file.
pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest accepted header, in bytes; NumPy writes 118 for plain arrays.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Most axes of a NumPy array.
const MAX_AXES: usize = 64;

/// Kind of the elements of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One byte, 0 or 1.
    Bool,
    /// Signed integer.
    Int,
    /// Unsigned integer.
    Uint,
    /// IEEE 754 floating-point number.
    Float,
    /// Two floating-point numbers: real, imaginary.
    Complex,
    /// Text: UTF-32, padded with zeros.
    Unicode,
    /// Pickled Python objects.
    Object,
    /// Anything else (structures, dates, byte strings, long doubles).
    Other,
}

/// Header of a `.npy` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// NumPy type string, such as `<f4`.
    pub descr: String,
    /// Kind of the elements.
    pub kind: Kind,
    /// Bytes of one element; 0 for [`Kind::Object`] and [`Kind::Other`].
    pub item_bytes: usize,
    /// True if the most significant byte is stored first.
    pub big_endian: bool,
    /// True if the first axis varies fastest.
    pub fortran_order: bool,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Bytes before the first element.
    pub header_bytes: usize,
}

impl Header {
    /// Number of elements; `None` if the product overflows.
    pub fn count(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis))
    }

    /// Bytes of header and elements together; `None` if the product overflows.
    pub fn total_bytes(&self) -> Option<u64> {
        let data = self.count()?.checked_mul(self.item_bytes)?.checked_add(self.header_bytes)?;
        u64::try_from(data).ok()
    }

    /// True if the elements are real numbers (bool, integers, floats).
    pub fn is_real(&self) -> bool {
        matches!(self.kind, Kind::Bool | Kind::Int | Kind::Uint | Kind::Float)
    }

    /// True if the elements are numbers, complex included.
    pub fn is_numeric(&self) -> bool {
        self.is_real() || self.kind == Kind::Complex
    }

    /// True if the elements are integers (bool excluded).
    pub fn is_integer(&self) -> bool {
        matches!(self.kind, Kind::Int | Kind::Uint)
    }
}

/// Reads a header and leaves the reader at the first element.
///
/// # Errors
/// A short reason: bad magic, unknown version, oversized or unreadable header.
pub(super) fn read_header(reader: &mut impl Read) -> Result<Header, String> {
    let short = |error: std::io::Error| format!("its header cannot be read ({error})");
    let mut lead = [0u8; 8];
    reader.read_exact(&mut lead).map_err(short)?;
    if &lead[..6] != MAGIC {
        return Err("it does not start like a NumPy array".into());
    }
    let (length, length_bytes) = match lead[6] {
        1 => {
            let mut bytes = [0u8; 2];
            reader.read_exact(&mut bytes).map_err(short)?;
            (usize::from(u16::from_le_bytes(bytes)), 2)
        }
        2 | 3 => {
            let mut bytes = [0u8; 4];
            reader.read_exact(&mut bytes).map_err(short)?;
            (usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX), 4)
        }
        version => return Err(format!("its format version {version} is unknown")),
    };
    if length > MAX_HEADER_BYTES {
        return Err(format!("its header claims {length} bytes, more than the {MAX_HEADER_BYTES} accepted"));
    }
    let mut text = vec![0u8; length];
    reader.read_exact(&mut text).map_err(short)?;
    let text = String::from_utf8(text).map_err(|_| "its header is not text".to_string())?;
    parse_header(&text, 8 + length_bytes + length)
}

fn parse_header(text: &str, header_bytes: usize) -> Result<Header, String> {
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or("its header is not a Python dictionary")?;
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    for entry in split_top_level(inner)? {
        let (key, value) = entry.split_once(':').ok_or("its header holds an entry without a value")?;
        let value = value.trim();
        match unquote(key.trim()) {
            Some("descr") => descr = Some(value),
            Some("fortran_order") => fortran_order = Some(value),
            Some("shape") => shape = Some(value),
            _ => {}
        }
    }
    let descr = descr.ok_or("its header does not state the type")?;
    let fortran_order = match fortran_order.ok_or("its header does not state the storage order")? {
        "True" => true,
        "False" => false,
        other => return Err(format!("its header states {other:?} as storage order")),
    };
    let shape = parse_shape(shape.ok_or("its header does not state the shape")?)?;
    let (descr, (kind, item_bytes, big_endian)) = match unquote(descr) {
        Some(code) => (code.to_string(), parse_type(code)),
        None => (descr.to_string(), pair_type(descr).unwrap_or((Kind::Other, 0, false))),
    };
    Ok(Header { descr, kind, item_bytes, big_endian, fortran_order, shape, header_bytes })
}

/// Splits at commas outside quotes and brackets; empty parts are omitted.
fn split_top_level(text: &str) -> Result<Vec<&str>, String> {
    let (mut pieces, mut depth, mut quote, mut start) = (Vec::new(), 0usize, None, 0);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1).ok_or("its header has unbalanced brackets")?,
            (None, ',') if depth == 0 => {
                pieces.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text[start..].trim());
    pieces.retain(|piece| !piece.is_empty());
    Ok(pieces)
}

fn unquote(text: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|q| text.strip_prefix(q)?.strip_suffix(q))
        .filter(|inner| !inner.contains(['\'', '"']))
}

fn parse_shape(text: &str) -> Result<Vec<usize>, String> {
    let inner = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(|| format!("its header states {text:?} as shape"))?;
    let shape = inner
        .split(',')
        .map(str::trim)
        .filter(|axis| !axis.is_empty())
        .map(|axis| {
            axis.trim_end_matches('L').parse().map_err(|_| format!("its shape {text} does not consist of numbers"))
        })
        .collect::<Result<Vec<usize>, String>>()?;
    if shape.len() > MAX_AXES {
        return Err(format!("it has {} axes", shape.len()));
    }
    Ok(shape)
}

/// Header of an array of numbers of this NumPy type in C order, without bytes of its own; `None` if the type is not known.
pub(super) fn plain_header(descr: &str, shape: &[usize]) -> Option<Header> {
    let (kind, item_bytes, big_endian) = parse_type(descr);
    let header = Header {
        descr: descr.to_owned(),
        kind,
        item_bytes,
        big_endian,
        fortran_order: false,
        shape: shape.to_vec(),
        header_bytes: 0,
    };
    header.is_numeric().then_some(header)
}

/// Kind of a structured type of real and imaginary part, in this order, such as `[('re', '<f4'), ('im', '<f4')]`.
fn pair_type(descr: &str) -> Option<(Kind, usize, bool)> {
    let inner = descr.trim().strip_prefix('[')?.strip_suffix(']')?;
    let fields: Vec<&str> = split_top_level(inner).ok()?;
    let [re, im] = fields[..] else { return None };
    let (re, im) = (named_field(re, &["r", "re", "real"])?, named_field(im, &["i", "im", "imag", "imaginary"])?);
    match parse_type(re) {
        (Kind::Float, bytes @ (4 | 8), big_endian) if re == im => Some((Kind::Complex, 2 * bytes, big_endian)),
        _ => None,
    }
}

/// Type of a field `('name', 'type')` with one of these names.
fn named_field<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    let parts = split_top_level(text.strip_prefix('(')?.strip_suffix(')')?).ok()?;
    let [name, code] = parts[..] else { return None };
    let is_named = names.contains(&unquote(name)?.to_ascii_lowercase().as_str());
    if is_named { unquote(code) } else { None }
}

/// Kind, bytes of one element, big-endian.
fn parse_type(code: &str) -> (Kind, usize, bool) {
    const OTHER: (Kind, usize, bool) = (Kind::Other, 0, false);
    let (order, rest) = match code.chars().next() {
        Some(c @ ('<' | '>' | '|' | '=')) => (c, &code[1..]),
        _ => ('=', code),
    };
    let big_endian = order == '>' || (order == '=' && cfg!(target_endian = "big"));
    let Some(letter) = rest.chars().next() else { return OTHER };
    let digits = &rest[letter.len_utf8()..];
    if letter == 'O' {
        return (Kind::Object, 0, false);
    }
    let Ok(size) = digits.parse::<usize>() else {
        return if rest == "?" { (Kind::Bool, 1, false) } else { OTHER };
    };
    match (letter, size) {
        ('b', 1) => (Kind::Bool, 1, false),
        ('i', 1 | 2 | 4 | 8) => (Kind::Int, size, big_endian),
        ('u', 1 | 2 | 4 | 8) => (Kind::Uint, size, big_endian),
        ('f', 2 | 4 | 8) => (Kind::Float, size, big_endian),
        ('c', 8 | 16) => (Kind::Complex, size, big_endian),
        ('U', characters) => characters.checked_mul(4).map_or(OTHER, |bytes| (Kind::Unicode, bytes, big_endian)),
        _ => OTHER,
    }
}

/// Type of number that an array can be converted to.
pub(super) trait Number: Copy + Default + Send + Sync + 'static {
    /// True if complex elements can be represented.
    const COMPLEX: bool;
    /// Conversion of a real element.
    fn from_real(value: f64) -> Self;
    /// Conversion of a complex element; the imaginary part is dropped unless [`Self::COMPLEX`].
    fn from_complex(value: Complex64) -> Self;
}

impl Number for f32 {
    const COMPLEX: bool = false;
    fn from_real(value: f64) -> Self {
        value as f32
    }
    fn from_complex(value: Complex64) -> Self {
        value.re as f32
    }
}

impl Number for f64 {
    const COMPLEX: bool = false;
    fn from_real(value: f64) -> Self {
        value
    }
    fn from_complex(value: Complex64) -> Self {
        value.re
    }
}

impl Number for Complex32 {
    const COMPLEX: bool = true;
    fn from_real(value: f64) -> Self {
        Complex32::new(value as f32, 0.0)
    }
    fn from_complex(value: Complex64) -> Self {
        Complex32::new(value.re as f32, value.im as f32)
    }
}

impl Number for Complex64 {
    const COMPLEX: bool = true;
    fn from_real(value: f64) -> Self {
        Complex64::new(value, 0.0)
    }
    fn from_complex(value: Complex64) -> Self {
        value
    }
}

/// Appends the elements in `bytes` (a whole number of them) to `out`; nothing if they are not numeric.
pub(super) fn convert<T: Number>(header: &Header, bytes: &[u8], out: &mut Vec<T>) {
    macro_rules! real {
        ($t:ty) => {
            out.extend(bytes.as_chunks::<{ size_of::<$t>() }>().0.iter().map(|b| {
                T::from_real((if header.big_endian { <$t>::from_be_bytes(*b) } else { <$t>::from_le_bytes(*b) }) as f64)
            }))
        };
    }
    macro_rules! complex {
        ($t:ty) => {
            out.extend(bytes.as_chunks::<{ size_of::<$t>() }>().0.as_chunks::<2>().0.iter().map(|[re, im]| {
                let part = |b: &[u8; size_of::<$t>()]| {
                    f64::from(if header.big_endian { <$t>::from_be_bytes(*b) } else { <$t>::from_le_bytes(*b) })
                };
                T::from_complex(Complex64::new(part(re), part(im)))
            }))
        };
    }
    match (header.kind, header.item_bytes) {
        (Kind::Bool, _) => out.extend(bytes.iter().map(|&b| T::from_real(if b == 0 { 0.0 } else { 1.0 }))),
        (Kind::Int, 1) => real!(i8),
        (Kind::Int, 2) => real!(i16),
        (Kind::Int, 4) => real!(i32),
        (Kind::Int, _) => real!(i64),
        (Kind::Uint, 1) => real!(u8),
        (Kind::Uint, 2) => real!(u16),
        (Kind::Uint, 4) => real!(u32),
        (Kind::Uint, _) => real!(u64),
        (Kind::Float, 2) => out.extend(bytes.as_chunks::<2>().0.iter().map(|b| {
            T::from_real(f64::from(if header.big_endian { f16::from_be_bytes(*b) } else { f16::from_le_bytes(*b) }))
        })),
        (Kind::Float, 4) => real!(f32),
        (Kind::Float, _) => real!(f64),
        (Kind::Complex, 8) => complex!(f32),
        (Kind::Complex, _) => complex!(f64),
        (Kind::Unicode | Kind::Object | Kind::Other, _) => {}
    }
}

/// Text of one [`Kind::Unicode`] element; `None` if it contains an invalid character.
pub(super) fn text_from_utf32(header: &Header, bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    for b in bytes.as_chunks::<4>().0 {
        let code = if header.big_endian { u32::from_be_bytes(*b) } else { u32::from_le_bytes(*b) };
        text.push(char::from_u32(code)?);
    }
    text.truncate(text.trim_end_matches('\0').len());
    Some(text)
}

/// Bytes of a version 1 header for a C-ordered array, padded so that the elements start at a multiple of 64 bytes.
pub fn header_bytes(descr: &str, shape: &[usize]) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let axes = if axes.len() == 1 { format!("{},", axes[0]) } else { axes.join(", ") };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_text(version: u8, text: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        if version == 1 {
            bytes.extend((text.len() as u16).to_le_bytes());
        } else {
            bytes.extend((text.len() as u32).to_le_bytes());
        }
        bytes.extend(text.as_bytes());
        bytes
    }

    fn parse(text: &str) -> Result<Header, String> {
        read_header(&mut with_text(1, text).as_slice())
    }

    #[test]
    fn a_written_header_reads_back_and_is_aligned() {
        for shape in [vec![], vec![7], vec![2, 3, 4]] {
            let bytes = header_bytes("<f4", &shape);
            assert_eq!(bytes.len() % 64, 0);
            let header = read_header(&mut bytes.as_slice()).unwrap();
            assert_eq!((header.shape, header.descr.as_str(), header.header_bytes), (shape, "<f4", bytes.len()));
        }
    }

    #[test]
    fn headers_of_other_writers_are_understood() {
        let header = parse("{\"shape\": (3L, 2L), 'descr': '>i2', 'fortran_order': True}\n").unwrap();
        assert_eq!(
            (header.kind, header.item_bytes, header.big_endian, header.fortran_order),
            (Kind::Int, 2, true, true)
        );
        assert_eq!(header.shape, [3, 2]);
        let header =
            parse("{'descr': [('a', '<f4'), ('b', '<i8', (2,))], 'fortran_order': False, 'shape': (3,), }").unwrap();
        assert_eq!(header.kind, Kind::Other);
        let text = "{'descr': '|O', 'fortran_order': False, 'shape': (), }";
        assert_eq!(read_header(&mut with_text(2, text).as_slice()).unwrap().kind, Kind::Object);
        assert_eq!(parse("{'descr': '<f16', 'fortran_order': False, 'shape': (), }").unwrap().kind, Kind::Other);
    }

    #[test]
    fn pairs_of_real_and_imaginary_part_are_complex() {
        let kind = |descr: &str| {
            let header = parse(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}")).unwrap();
            (header.kind, header.item_bytes, header.big_endian)
        };
        assert_eq!(kind("[('re', '<f4'), ('im', '<f4')]"), (Kind::Complex, 8, false));
        assert_eq!(kind("[('Real', '>f8'), ('Imag', '>f8')]"), (Kind::Complex, 16, true));
        assert_eq!(kind("[('im', '<f4'), ('re', '<f4')]").0, Kind::Other);
        assert_eq!(kind("[('re', '<f4'), ('im', '<f8')]").0, Kind::Other);
    }

    #[test]
    fn a_wrong_or_meaningless_header_is_an_error_not_a_panic() {
        let mut huge = MAGIC.to_vec();
        huge.extend([2, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(read_header(&mut huge.as_slice()).unwrap_err().contains("claims"));
        assert!(read_header(&mut &b"\x93NUMPX\x01\x00"[..]).is_err());
        assert!(read_header(&mut &b"\x93NUM"[..]).is_err());
        assert!(read_header(&mut with_text(9, "{}").as_slice()).unwrap_err().contains("version"));
        for text in ["", "{", "{}", "{'descr'}", "{'shape': )(}", "{'descr': '<f4', 'fortran_order': 3, 'shape': ()}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}").is_err());
        let shape = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({0}, {0}, 2)}}", usize::MAX);
        assert_eq!(parse(&shape).unwrap().total_bytes(), None);
        for code in ["", "é", "<", "<é4", "<f", "<U99999999999999999999", "<f3", "<m8[ns]"] {
            assert_eq!(parse_type(code).0, Kind::Other, "{code}");
        }
    }

    #[test]
    fn every_number_type_converts_in_both_byte_orders() {
        fn read<T: Number>(descr: &str, bytes: &[u8]) -> Vec<T> {
            let header = read_header(&mut header_bytes(descr, &[bytes.len()]).as_slice()).unwrap();
            let mut out = Vec::new();
            convert(&header, bytes, &mut out);
            out
        }
        assert_eq!(read::<f64>("|b1", &[0, 1, 2]), [0.0, 1.0, 1.0]);
        assert_eq!(read::<f32>("|i1", &[255]), [-1.0]);
        assert_eq!(read::<f32>("|u1", &[255]), [255.0]);
        assert_eq!(read::<f64>("<i2", &(-300i16).to_le_bytes()), [-300.0]);
        assert_eq!(read::<f64>(">u2", &60_000u16.to_be_bytes()), [60_000.0]);
        assert_eq!(read::<f64>(">i4", &(-70_000i32).to_be_bytes()), [-70_000.0]);
        assert_eq!(read::<f64>("<u4", &4_000_000_000u32.to_le_bytes()), [4e9]);
        assert_eq!(read::<f64>("<i8", &(-5i64).to_le_bytes()), [-5.0]);
        assert_eq!(read::<f64>(">u8", &(1u64 << 40).to_be_bytes()), [(1u64 << 40) as f64]);
        assert_eq!(read::<f32>(">f4", &1.5f32.to_be_bytes()), [1.5]);
        assert_eq!(read::<f32>("<f8", &0.1f64.to_le_bytes()), [0.1f32]);
        let halves: Vec<u8> =
            [0x3c00u16, 0xc000, 0x0001, 0x7c00, 0x3555].iter().flat_map(|h| h.to_le_bytes()).collect();
        assert_eq!(read::<f64>("<f2", &halves), [1.0, -2.0, 2f64.powi(-24), f64::INFINITY, 0.333_251_953_125]);
        let pair: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(read::<Complex32>(">c16", &pair), [Complex32::new(1.5, -2.0)]);
        let pair: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(read::<Complex64>("<c8", &pair), [Complex64::new(1.5, -2.0)]);
        assert_eq!(read::<Complex32>("<f4", &1.5f32.to_le_bytes()), [Complex32::new(1.5, 0.0)]);
    }
}
