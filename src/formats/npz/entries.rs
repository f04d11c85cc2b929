//! Selected entries of a large array, without the whole array in memory.

use super::read::NpzArchive;
use super::{Storage, shape_text};
use crate::error::{Error, Problem, Result};
use crate::npy;
use std::io::{Read, Seek, SeekFrom};

/// Size in bytes above which arrays are read entry by entry.
const LARGE_BYTES: u64 = 256 << 20;

impl NpzArchive {
    /// True if an array is large enough to be read entry by entry, and its storage order permits that.
    pub fn is_large(&self, key: &str) -> bool {
        self.member(key).is_some_and(|member| member.bytes > LARGE_BYTES && !member.fortran_order && member.is_real())
    }

    /// Passes the entries `rows` (ascending) of an array of `count` entries in C order to `consume`, as f32, about `together`
    /// at a time: the index of the first among the rows, and the values.
    ///
    /// Of an uncompressed array only these entries are read, without a check of its checksum; a compressed one is read from
    /// beginning to end.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, complex, or not numeric; and errors of `consume`.
    pub fn for_entries(
        &mut self,
        key: &str,
        count: usize,
        rows: &[usize],
        together: usize,
        mut consume: impl FnMut(usize, Vec<f32>) -> Result<()>,
    ) -> Result<()> {
        let member = self.find(key)?;
        let header = self.usable_header(&member)?;
        if !header.is_real() || header.fortran_order {
            return Err(self.problem(&member, format!("has type {}", member.dtype)).expected("real numbers").into());
        }
        let elements = header.count().filter(|elements| count > 0 && elements % count == 0);
        let Some(entry_bytes) = elements.map(|elements| elements / count * header.item_bytes) else {
            let shape = shape_text(&header.shape);
            return Err(self.problem(&member, format!("of shape {shape} does not have {count} patterns")).into());
        };
        if let Some(&row) = rows.last().filter(|row| **row >= count) {
            return Err(Error::failed(format!("Pattern {row} of {count} was requested")).at(self.path()));
        }
        let together = together.max(1);
        let converted = |bytes: &[u8]| {
            let mut values = Vec::new();
            npy::convert(&header, bytes, &mut values);
            values
        };
        if member.storage == Storage::Stored {
            let path = self.path().to_path_buf();
            let failed = |error: std::io::Error| Error::from(cut_short(&member.key, &error.to_string()).at(&path));
            let start = self.data_start(&member)? + header.header_bytes as u64;
            let mut file = crate::open_file(&path).map_err(failed)?;
            let mut bytes = Vec::new();
            for (block, wanted) in rows.chunks(together).enumerate() {
                bytes.resize(wanted.len() * entry_bytes, 0);
                let mut at = 0;
                // Consecutive rows are read at once.
                for run in wanted.chunk_by(|one, next| one + 1 == *next) {
                    let offset = start + run.first().copied().unwrap_or_default() as u64 * entry_bytes as u64;
                    let length = run.len() * entry_bytes;
                    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                    file.read_exact(&mut bytes[at..at + length]).map_err(failed)?;
                    at += length;
                }
                consume(block * together, converted(&bytes))?;
            }
            return Ok(());
        }
        let mut gathered: Vec<u8> = Vec::new();
        let (mut position, mut next, mut handed) = (0u64, 0usize, 0usize);
        self.stream(&member, &header, header.item_bytes, |mut piece| {
            while !piece.is_empty() && next < rows.len() {
                let begin = rows[next] as u64 * entry_bytes as u64;
                // Bytes to skip, then bytes of this entry.
                let over = begin.saturating_sub(position).min(piece.len() as u64) as usize;
                piece = &piece[over..];
                position += over as u64;
                let left = (begin + entry_bytes as u64).saturating_sub(position);
                let taken = if position < begin { 0 } else { left.min(piece.len() as u64) as usize };
                gathered.extend_from_slice(&piece[..taken]);
                piece = &piece[taken..];
                position += taken as u64;
                if position >= begin + entry_bytes as u64 {
                    next += 1;
                    if next - handed == together || next == rows.len() {
                        consume(handed, converted(&gathered))?;
                        gathered.clear();
                        handed = next;
                    }
                }
            }
            position += piece.len() as u64;
            Ok(())
        })
    }
}

fn cut_short(key: &str, reason: &str) -> Problem {
    Problem::new(format!("The array {key:?} cannot be read: {reason}"))
        .expected("a complete NumPy array")
        .hint("The file is damaged or cut short; copy or export it again")
}
