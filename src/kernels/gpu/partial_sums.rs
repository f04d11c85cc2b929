//! Addition of the partial sums of many work groups, in an order determined by the shapes alone.

use super::LARGEST_GRID;
use super::launch::{Shader, bindings, launch};
use burn_cubecl::tensor::CubeTensor;

/// Elements per work group.
const ELEMENTS: usize = 8;
/// Threads per element.
const LANES: usize = 32;

/// Adds rows of partial sums. The first elements form one tensor, the others, if there are any, a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AddPartialSums {
    /// Elements of the two tensors.
    pub sizes: [usize; 2],
}

impl AddPartialSums {
    fn count(self) -> usize {
        self.sizes[0] + self.sizes[1]
    }

    fn groups(self) -> (usize, usize) {
        let groups = self.count().div_ceil(ELEMENTS);
        let across = groups.min(LARGEST_GRID / 2);
        (across, groups.div_ceil(across))
    }

    /// Adds `sums`, (parts, elements), into one or two tensors.
    pub(super) fn launch(self, sums: &CubeTensor, into: &[&CubeTensor]) {
        let (across, down) = self.groups();
        launch(self, [across, down, 1], &[&[sums], into].concat());
    }
}

impl Shader for AddPartialSums {
    fn threads(&self) -> usize {
        ELEMENTS * LANES
    }

    fn source(&self) -> String {
        let [first, second] = self.sizes;
        let (threads, across, count) = (self.threads(), self.groups().0, self.count());
        let names = ["sums", "first"].into_iter().chain((second > 0).then_some("second"));
        let rest = if second > 0 { format!("else {{ second[element - {first}u] = sum; }}") } else { String::new() };
        format!(
            "{}var<workgroup> of_lanes: array<f32, {threads}>;
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {{
let element = (group.y * {across}u + group.x) * {ELEMENTS}u + me % {ELEMENTS}u;
let parts = arrayLength(&sums) / {count}u;
var sum = 0.0;
if (element < {count}u) {{
    for (var part = me / {ELEMENTS}u; part < parts; part += {LANES}u) {{ sum += sums[part * {count}u + element]; }}
}}
of_lanes[me] = sum;
workgroupBarrier();
if (me < {ELEMENTS}u && element < {count}u) {{
    for (var lane = 1u; lane < {LANES}u; lane++) {{ sum += of_lanes[lane * {ELEMENTS}u + me]; }}
    if (element < {first}u) {{ first[element] = sum; }} {rest}
}}
}}
",
            bindings(names),
        )
    }
}
