//! Blocks of arrays whose chunks the library does not unpack.

use super::chunk_index::{ChunkIndex, Stored};
use super::describe::Hdf5Array;
use super::filters;
use rayon::prelude::*;
use rust_hdf5::{FillValue, H5Dataset};

/// Bytes of chunks that are unpacked at the same time.
const TOGETHER_BYTES: usize = 64 << 20;
/// Largest chunk, in bytes.
const MAX_CHUNK_BYTES: usize = 1 << 31;

/// A grid of chunks and the block of elements to read.
struct Plan<'a> {
    shape: &'a [usize],
    chunk: &'a [usize],
    starts: &'a [usize],
    counts: &'a [usize],
    /// Bytes of an element.
    element: usize,
}

/// Bytes of `counts` elements from `starts` on, per axis, in C order and as stored. Chunks are located by `index`, or else by
/// the library.
///
/// # Errors
/// A short reason.
pub(super) fn read(
    dataset: &H5Dataset,
    array: &Hdf5Array,
    index: Option<&ChunkIndex>,
    starts: &[usize],
    counts: &[usize],
) -> Result<Vec<u8>, String> {
    let element = dataset.element_size();
    let (Some(chunk), Ok(filters)) = (dataset.chunk_dims(), dataset.filters()) else {
        return Err("its chunks cannot be located".into());
    };
    let axes = array.shape.len();
    let inside = (0..axes).all(|axis| {
        let end = starts.get(axis).zip(counts.get(axis)).and_then(|(start, count)| start.checked_add(*count));
        end.is_some_and(|end| end <= array.shape[axis])
    });
    if !inside || starts.len() != axes || counts.len() != axes || chunk.len() != axes || chunk.contains(&0) {
        return Err("a block beyond its shape was requested".into());
    }
    let bytes = |lengths: &[usize]| lengths.iter().try_fold(element, |all, &length| all.checked_mul(length));
    let (Some(chunk_bytes), Some(total)) = (bytes(&chunk).filter(|&bytes| bytes <= MAX_CHUNK_BYTES), bytes(counts))
    else {
        return Err("its chunks are impossibly large".into());
    };
    let mut out = Vec::new();
    out.try_reserve_exact(total).map_err(|_| "the block does not fit into memory")?;
    out.resize(total, 0);
    if total == 0 {
        return Ok(out);
    }
    let fill = match dataset.fill_value() {
        Ok(FillValue::UserDefined(value)) if value.len() == element => value,
        _ => vec![0; element],
    };
    let plan = Plan { shape: &array.shape, chunk: &chunk, starts, counts, element };
    let places = plan.places();
    let together = (TOGETHER_BYTES / chunk_bytes.max(1)).max(1);
    for places in places.chunks(together) {
        let stored = match index {
            Some(index) => index.load(places)?,
            None => places.iter().map(|place| stored_chunk(dataset, place)).collect::<Result<_, _>>()?,
        };
        let unpacked: Vec<Result<Vec<u8>, String>> = stored
            .into_par_iter()
            .map(|stored| match stored {
                Some((packed, skipped)) => filters::unpack(packed, &filters, skipped, element, chunk_bytes),
                None => Ok(fill.iter().copied().cycle().take(chunk_bytes).collect()),
            })
            .collect();
        for (place, chunk) in places.iter().zip(unpacked) {
            plan.put(place, &chunk?, &mut out);
        }
    }
    Ok(out)
}

/// A chunk as stored, with the filters that were not applied; None if it was never written.
fn stored_chunk(dataset: &H5Dataset, place: &[usize]) -> Result<Option<Stored>, String> {
    match dataset.read_chunk_raw_at(place) {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            let text = error.to_string();
            if text.contains("has not been written") { Ok(None) } else { Err(text) }
        }
    }
}

impl Plan<'_> {
    /// Grid coordinates of the chunks that the block touches, in C order.
    fn places(&self) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new()];
        for axis in 0..self.shape.len() {
            let first = self.starts[axis] / self.chunk[axis];
            let last = (self.starts[axis] + self.counts[axis] - 1) / self.chunk[axis];
            places = places
                .into_iter()
                .flat_map(|place| (first..=last).map(move |at| [place.as_slice(), &[at]].concat()))
                .collect();
        }
        places
    }

    /// Copies the part of a chunk that lies in the block to its place.
    fn put(&self, place: &[usize], chunk: &[u8], out: &mut [u8]) {
        let axes = self.shape.len();
        // First element and number of elements to copy, per axis.
        let from: Vec<usize> = (0..axes).map(|axis| self.starts[axis].max(place[axis] * self.chunk[axis])).collect();
        let until = |axis: usize| {
            (self.starts[axis] + self.counts[axis]).min((place[axis] + 1) * self.chunk[axis]).min(self.shape[axis])
        };
        let lengths: Vec<usize> = (0..axes).map(|axis| until(axis).saturating_sub(from[axis])).collect();
        if lengths.contains(&0) {
            return;
        }
        // Rows along the last axis are contiguous in both.
        let rows: usize = lengths[..axes - 1].iter().product();
        let run = lengths[axes - 1] * self.element;
        let mut at = from.clone();
        for _ in 0..rows {
            let (mut source, mut target) = (0, 0);
            for axis in 0..axes {
                source = source * self.chunk[axis] + at[axis] - place[axis] * self.chunk[axis];
                target = target * self.counts[axis] + at[axis] - self.starts[axis];
            }
            let (source, target) = (source * self.element, target * self.element);
            out[target..target + run].copy_from_slice(&chunk[source..source + run]);
            for axis in (0..axes - 1).rev() {
                at[axis] += 1;
                if at[axis] < from[axis] + lengths[axis] {
                    break;
                }
                at[axis] = from[axis];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_block_is_assembled_from_its_chunks() {
        let (shape, chunk) = ([5, 7, 4], [2, 3, 4]);
        let value = |n: usize, y: usize, x: usize| (n * 28 + y * 4 + x) as u8;
        for (starts, counts) in [([0, 0, 0], [5, 7, 4]), ([1, 2, 1], [3, 4, 2]), ([4, 6, 3], [1, 1, 1])] {
            let plan = Plan { shape: &shape, chunk: &chunk, starts: &starts, counts: &counts, element: 1 };
            let mut out = vec![255u8; counts.iter().product()];
            for place in plan.places() {
                let mut bytes = Vec::new();
                for n in 0..chunk[0] {
                    for y in 0..chunk[1] {
                        bytes.extend((0..chunk[2]).map(|x| {
                            let at = [place[0] * 2 + n, place[1] * 3 + y, place[2] * 4 + x];
                            if at[0] < 5 && at[1] < 7 { value(at[0], at[1], at[2]) } else { 254 }
                        }));
                    }
                }
                plan.put(&place, &bytes, &mut out);
            }
            let mut expected = Vec::new();
            for n in 0..counts[0] {
                for y in 0..counts[1] {
                    expected.extend((0..counts[2]).map(|x| value(starts[0] + n, starts[1] + y, starts[2] + x)));
                }
            }
            assert_eq!(out, expected, "{starts:?} {counts:?}");
        }
    }
}
