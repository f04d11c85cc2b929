//! Unpacks a gzip file with the crate that unpacks zip archives: the compressed data are the same, only what stands
//! around them differs.

use super::{LARGEST, damaged};
use crate::error::Result;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// The content of a gzip file of one member.
///
/// # Errors
/// A damaged file, or one that unpacks to more than 1 GiB.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let broken = || damaged("The gzip file is damaged or incomplete".to_owned());
    let (deflated, check, length) = parts(bytes).ok_or_else(broken)?;
    // A zip archive of one member, "x": local header, data, directory, end.
    let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
    common.extend(check);
    common.extend(u32::try_from(deflated.len()).map_err(|_| broken())?.to_le_bytes());
    common.extend(length);
    common.extend([1, 0, 0, 0]);
    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend(&common);
    archive.push(b'x');
    archive.extend(deflated);
    let directory = u32::try_from(archive.len()).map_err(|_| broken())?;
    archive.extend(b"PK\x01\x02\x14\x00");
    archive.extend(&common);
    archive.extend([0; 14]);
    archive.push(b'x');
    let size = archive.len() as u32 - directory;
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend(size.to_le_bytes());
    archive.extend(directory.to_le_bytes());
    archive.extend([0, 0]);
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(|_| broken())?;
    let mut content = Vec::new();
    zip.by_index(0).map_err(|_| broken())?.take(LARGEST).read_to_end(&mut content).map_err(|_| broken())?;
    Ok(content)
}

/// Compressed data, CRC-32 and length (RFC 1952).
fn parts(bytes: &[u8]) -> Option<(&[u8], [u8; 4], [u8; 4])> {
    let flags = *bytes.get(3)?;
    let mut at = 10usize;
    if flags & 4 != 0 {
        let extra = bytes.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += bytes.get(at..)?.iter().position(|b| *b == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    let (deflated, trailer) = bytes.get(at..)?.split_last_chunk::<8>()?;
    let [a, b, c, d, e, f, g, h] = *trailer;
    Some((deflated, [a, b, c, d], [e, f, g, h]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// `gzip -n` of "hello\n".
    const HELLO: [u8; 26] = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0, 0x20, 0x30, 0x3a, 0x36, 6, 0, 0,
        0,
    ];

    #[test]
    fn a_gzip_file_is_unpacked_and_a_damaged_one_refused() {
        assert_eq!(unpack(&HELLO).unwrap(), b"hello\n");
        for end in 0..HELLO.len() {
            assert!(unpack(&HELLO[..end]).is_err(), "{end}");
        }
        let mut changed = HELLO;
        changed[20] ^= 1;
        assert!(unpack(&changed).is_err());
    }
}
