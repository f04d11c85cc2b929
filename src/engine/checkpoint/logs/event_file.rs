//! Event files of TensorBoard: records of a length, a checksum, a protocol buffer `Event`, and a checksum.
//!
//! Written from the published formats (TFRecord; `event.proto` and `summary.proto` of TensorFlow). Only scalars are needed.

/// First record of every event file.
pub(super) fn header(wall_time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, wall_time);
    bytes(&mut event, 3, b"brain.Event:2");
    record(&event)
}

/// Record with one scalar at a step.
pub(super) fn scalar(wall_time: f64, step: u64, tag: &str, value: f64) -> Vec<u8> {
    let mut entry = Vec::new();
    bytes(&mut entry, 1, tag.as_bytes());
    key(&mut entry, 2, 5);
    entry.extend((value as f32).to_le_bytes());
    let mut summary = Vec::new();
    bytes(&mut summary, 1, &entry);
    let mut event = Vec::new();
    double(&mut event, 1, wall_time);
    key(&mut event, 2, 0);
    varint(&mut event, step);
    bytes(&mut event, 5, &summary);
    record(&event)
}

/// Number and wire type of a field: 0 a varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.
fn key(into: &mut Vec<u8>, field: u64, wire: u64) {
    varint(into, (field << 3) | wire);
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn double(into: &mut Vec<u8>, field: u64, value: f64) {
    key(into, field, 1);
    into.extend(value.to_le_bytes());
}

fn bytes(into: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(into, field, 2);
    varint(into, value.len() as u64);
    into.extend(value);
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked_crc(event).to_le_bytes());
    record
}

/// CRC-32C, rotated and offset, so that it remains a good checksum for data that contain checksums.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: event files are small.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4, and the check value of the catalog of CRCs.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_record_is_framed_and_contains_the_scalar() {
        let record = scalar(1.5, 300, "loss", 0.25);
        let length = u64::from_le_bytes(record[..8].try_into().unwrap_or_default()) as usize;
        assert_eq!(record.len(), length + 16);
        let event = &record[12..12 + length];
        // wall_time, step 300 as a varint, then the summary with its value, tag and number.
        assert_eq!(event[0], 0x09);
        assert_eq!(event[1..9], 1.5f64.to_le_bytes());
        assert_eq!(event[9..12], [0x10, 0xac, 0x02]);
        assert_eq!(event[12..16], [0x2a, 13, 0x0a, 11]);
        assert_eq!(&event[16..22], b"\x0a\x04loss");
        assert_eq!((event[22], &event[23..]), (0x15, &0.25f32.to_le_bytes()[..]));
        let header = header(0.0);
        assert_eq!(&header[12 + 9..12 + 24], b"\x1a\x0dbrain.Event:2");
    }
}
