//! Test support for the formats.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use ndarray::Array2;
use std::io::Write;
use std::path::Path;

/// Writes a ZIP archive with these members.
pub fn write_raw_zip(path: &Path, members: &[(&str, &[u8])], deflated: bool) {
    let method = if deflated { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        zip.start_file(name.to_string(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// A little-endian TIFF of 16-bit values in one strip.
pub fn one_strip(values: &Array2<u16>) -> Vec<u8> {
    picture(values.dim(), 16, 1, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(), false)
}

/// A TIFF of several 16-bit images.
pub fn pages(images: &[Array2<u16>]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    for image in images {
        let (height, width) = (image.nrows() as u32, image.ncols() as u32);
        let values = image.as_slice().unwrap();
        encoder.write_image::<tiff::encoder::colortype::Gray16>(width, height, values).unwrap();
    }
    bytes.into_inner()
}

/// A gray TIFF of one strip: shape, bits and sample format of a value, bytes of the values, byte order.
pub fn picture((height, width): (usize, usize), bits: u32, format: u32, data: &[u8], big: bool) -> Vec<u8> {
    let entries: [(u16, u32); 10] = [
        (256, width as u32),
        (257, height as u32),
        (258, bits),
        (259, 1),
        (262, 1),
        (273, 8 + 2 + 10 * 12 + 4),
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
    out.extend(short(10));
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
