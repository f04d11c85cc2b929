//! Concatenation of many vectors and splitting of one, without one launch per vector.

use super::launch::{Shader, bindings, launch};
use super::like;
use burn_cubecl::tensor::CubeTensor;

/// Threads per work group.
const THREADS: usize = 256;
/// Maximum number of vectors per launch: with the result, as many bindings as every device supports.
pub(crate) const MAX_PARTS: usize = 7;

/// Concatenates at most [`MAX_PARTS`] contiguous vectors; `None` if there are none.
pub(crate) fn concatenate(parts: &[CubeTensor]) -> Option<CubeTensor> {
    let first = parts.first()?;
    let sizes: Vec<usize> = parts.iter().map(|part| part.meta.num_elements()).collect();
    let joined = like(first, &[sizes.iter().sum()]);
    let groups = joined.meta.num_elements().div_ceil(THREADS);
    let tensors: Vec<&CubeTensor> = parts.iter().chain([&joined]).collect();
    launch(Concatenate { sizes }, [groups.min(ACROSS), groups.div_ceil(ACROSS), 1], &tensors);
    Some(joined)
}

/// Splits the contiguous vector `flat` into parts of these sizes. The parts share a buffer, in which each starts at an
/// aligned offset, as the device requires.
pub(crate) fn split(flat: &CubeTensor, sizes: &[usize]) -> Vec<CubeTensor> {
    let unit = (flat.client.properties().memory.alignment as usize).max(4) / 4;
    let spread: usize = sizes.iter().map(|size| size.next_multiple_of(unit)).sum();
    let buffer = like(flat, &[spread]);
    let groups = spread.div_ceil(THREADS);
    let kernel = Split { sizes: sizes.to_vec(), unit };
    launch(kernel, [groups.min(ACROSS), groups.div_ceil(ACROSS), 1], &[flat, &buffer]);
    let mut at = 0;
    let part = |size: &usize| {
        let (start, end) = (at, spread - at - size);
        at += size.next_multiple_of(unit);
        let mut part = buffer.clone();
        part.handle = part.handle.offset_start(4 * start as u64).offset_end(4 * end as u64);
        part.meta.shape = burn::tensor::Shape::from(vec![*size]);
        part
    };
    sizes.iter().map(part).collect()
}

/// Maximum number of work groups along the first dimension.
const ACROSS: usize = 32_768;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Concatenate {
    sizes: Vec<usize>,
}

impl Shader for Concatenate {
    fn threads(&self) -> usize {
        THREADS
    }

    fn source(&self) -> String {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let mut copies = String::new();
        let mut start = 0;
        for (name, size) in names.iter().zip(&self.sizes) {
            copies += &format!("if (at < {}u) {{ joined[at] = {name}[at - {start}u]; return; }}\n", start + size);
            start += size;
        }
        let names = names.into_iter().take(self.sizes.len()).chain(["joined"]);
        format!("{}{HEAD}{copies}}}\n", bindings(names))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Split {
    sizes: Vec<usize>,
    unit: usize,
}

impl Shader for Split {
    fn threads(&self) -> usize {
        THREADS
    }

    fn source(&self) -> String {
        // Start of each part in the buffer and in the vector.
        let (mut starts, mut from, mut there, mut here) = (String::new(), String::new(), 0, 0);
        for size in &self.sizes {
            starts += &format!("{there}u, ");
            from += &format!("{here}u, ");
            there += size.next_multiple_of(self.unit);
            here += size;
        }
        let count = self.sizes.len();
        format!(
            "{}const STARTS = array<u32, {count}>({starts});
const FROM = array<u32, {count}>({from});
{HEAD}if (at >= {there}u) {{ return; }}
var starts = STARTS;
var from_ = FROM;
var low = 0u;
var high = {count}u;
while (high - low > 1u) {{
    let middle = (low + high) / 2u;
    if (starts[middle] <= at) {{ low = middle; }} else {{ high = middle; }}
}}
let source = from_[low] + at - starts[low];
buffer[at] = select(0.0, flat[min(source, {}u)], source < {here}u);
}}
",
            bindings(["flat", "buffer"].into_iter()),
            here - 1,
        )
    }
}

const HEAD: &str = "@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
let at = (group.y * 32768u + group.x) * 256u + me;
";
