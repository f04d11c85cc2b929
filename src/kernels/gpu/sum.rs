//! Sum of all values of a tensor, by many threads, in an order determined by the number of values alone.

use super::launch::{Shader, bindings, launch};
use super::like;
use burn_cubecl::tensor::CubeTensor;

/// Threads per work group.
const THREADS: usize = 256;
/// Maximum number of work groups in the first of two passes.
const GROUPS: usize = 256;
/// Minimum number of values per thread in the first pass.
const VALUES: usize = 8;

/// Sum of all values of `x`, contiguous: (1,).
pub(crate) fn sum(x: &CubeTensor) -> CubeTensor {
    let count = x.meta.num_elements();
    let groups = count.div_ceil(THREADS * VALUES).clamp(1, GROUPS);
    let sums = like(x, &[groups]);
    launch(Sum, [groups, 1, 1], &[x, &sums]);
    if groups == 1 {
        return sums;
    }
    let total = like(x, &[1]);
    launch(Sum, [1, 1, 1], &[&sums, &total]);
    total
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sum;

impl Shader for Sum {
    fn threads(&self) -> usize {
        THREADS
    }

    fn source(&self) -> String {
        format!(
            "{}var<workgroup> sums: array<f32, {THREADS}>;
@compute @workgroup_size({THREADS})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {{
    var sum = 0.0;
    for (var at = group.x * {THREADS}u + me; at < arrayLength(&x); at += groups.x * {THREADS}u) {{ sum += x[at]; }}
    sums[me] = sum;
    for (var others = {}u; others > 0u; others /= 2u) {{
        workgroupBarrier();
        if (me < others) {{ sums[me] += sums[me + others]; }}
    }}
    if (me == 0u) {{ total[group.x] = sums[0]; }}
}}
",
            bindings(["x", "total"].into_iter()),
            THREADS / 2,
        )
    }
}
