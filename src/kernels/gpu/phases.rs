//! Phase synchronization in one launch instead of a dozen per iteration.

use super::launch::{SHARED, Shader, bindings, launch};
use super::like;
use burn_cubecl::tensor::CubeTensor;

/// Threads of the single work group.
const THREADS: usize = 256;
/// Maximum number of units: the phasors of two iterations must fit into shared memory.
pub(crate) const MAX_UNITS: usize = SHARED / 16;

/// Leading eigenvector of a Hermitian matrix, as unit phasors, by `iterations` of the power method, starting from ones.
/// Matrix: (u, u), contiguous, result: (u, 1), real and imaginary part each.
pub(crate) fn leading_phasors(re: &CubeTensor, im: &CubeTensor, iterations: usize) -> (CubeTensor, CubeTensor) {
    let [units, _] = re.meta.shape().dims();
    let (phasor_re, phasor_im) = (like(re, &[units, 1]), like(re, &[units, 1]));
    launch(Phases { iterations }, [1, 1, 1], &[re, im, &phasor_re, &phasor_im]);
    (phasor_re, phasor_im)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Phases {
    iterations: usize,
}

impl Shader for Phases {
    fn threads(&self) -> usize {
        THREADS
    }

    fn source(&self) -> String {
        let Self { iterations } = self;
        format!(
            "{}var<workgroup> before: array<vec2<f32>, {MAX_UNITS}>;
var<workgroup> after: array<vec2<f32>, {MAX_UNITS}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(local_invocation_index) me: u32) {{
    let units = arrayLength(&phasor_re);
    for (var unit = me; unit < units; unit += {THREADS}u) {{ before[unit] = vec2<f32>(1.0, 0.0); }}
    for (var turn = 0u; turn < {iterations}u; turn++) {{
        workgroupBarrier();
        for (var unit = me; unit < units; unit += {THREADS}u) {{
            var sum = vec2<f32>();
            for (var other = 0u; other < units; other++) {{
                let m = vec2<f32>(re[unit * units + other], im[unit * units + other]);
                let p = before[other];
                sum += vec2<f32>(m.x * p.x - m.y * p.y, m.x * p.y + m.y * p.x);
            }}
            after[unit] = sum / max(length(sum), 1e-20);
        }}
        workgroupBarrier();
        for (var unit = me; unit < units; unit += {THREADS}u) {{ before[unit] = after[unit]; }}
    }}
    for (var unit = me; unit < units; unit += {THREADS}u) {{
        phasor_re[unit] = before[unit].x;
        phasor_im[unit] = before[unit].y;
    }}
}}
",
            bindings(["re", "im", "phasor_re", "phasor_im"].into_iter()),
        )
    }
}
