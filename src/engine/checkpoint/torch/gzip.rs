//! Decompression of gzip files.

use super::{MAX_BYTES, damaged};
use crate::error::Result;
use flate2::read::GzDecoder;
use std::io::Read;

/// Content of a gzip file of one member.
///
/// # Errors
/// A damaged file, or one that unpacks to more than 1 GiB.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = GzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut content);
    match read {
        Ok(_) if content.len() as u64 <= MAX_BYTES => Ok(content),
        _ => Err(damaged("The gzip file is damaged or incomplete".to_owned())),
    }
}

#[cfg(test)]
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
