//! Some of the entries of a large array, without the whole array in memory.

use super::read::NpzArchive;
use super::{Storage, shape_text};
use crate::data::npy;
use crate::error::{Error, Problem, Result};
use std::io::{Read, Seek, SeekFrom};

/// Arrays above this size are read entry by entry, in bytes.
const LARGE_BYTES: u64 = 256 << 20;

impl NpzArchive {
    /// Whether an array is large enough to be read entry by entry, and lies so that this is possible.
    pub(in crate::data) fn is_large(&self, key: &str) -> bool {
        self.member(key).is_some_and(|member| member.bytes > LARGE_BYTES && !member.fortran_order && member.is_real())
    }

    /// Hands the entries `rows` (ascending) of the `count` that an array in C order consists of to `consume`, as f32, about
    /// `together` at a time: the index among the rows at which they begin, and their values.
    ///
    /// An uncompressed array is read where the entries lie, without its checksum; a compressed one from its beginning to
    /// its end.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, complex or no numbers; and those of `consume`.
    pub(in crate::data) fn for_entries(
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
            return Err(self.problem(&member, format!("of shape {shape} does not hold {count} patterns")).into());
        };
        if let Some(&row) = rows.last().filter(|row| **row >= count) {
            return Err(Error::failed(format!("Pattern {row} of {count} was asked for")).at(self.path()));
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
            let mut file = std::fs::File::open(&path).map_err(failed)?;
            let mut bytes = Vec::new();
            for (block, wanted) in rows.chunks(together).enumerate() {
                bytes.resize(wanted.len() * entry_bytes, 0);
                let mut at = 0;
                // Rows that follow each other are read at once.
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
                // Bytes to pass over, then bytes of this entry.
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
