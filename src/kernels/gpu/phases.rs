//! The phases by which units agree best, in one launch instead of a dozen for each round.

use super::launch::{SHARED, Shader, bindings, launch};
use super::like;
use burn_cubecl::tensor::CubeTensor;

/// Threads of the only work group.
const THREADS: usize = 256;
/// Units whose phasors, of two rounds, fit the shared memory.
pub(in crate::kernels) const MOST_UNITS: usize = SHARED / 16;

/// Leading eigenvector of a Hermitian matrix, (u, u) each part, contiguous, as unit phasors, (u, 1) each part, by so many
/// rounds of power iteration that start with ones.
pub(in crate::kernels) fn leading_phasors(re: &CubeTensor, im: &CubeTensor, rounds: usize) -> (CubeTensor, CubeTensor) {
    let [units, _] = re.meta.shape().dims();
    let (phasor_re, phasor_im) = (like(re, &[units, 1]), like(re, &[units, 1]));
    launch(Phases { rounds }, [1, 1, 1], &[re, im, &phasor_re, &phasor_im]);
    (phasor_re, phasor_im)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Phases {
    rounds: usize,
}

impl Shader for Phases {
    fn threads(&self) -> usize {
        THREADS
    }

    fn text(&self) -> String {
        let Self { rounds } = self;
        format!(
            "{}var<workgroup> before: array<vec2<f32>, {MOST_UNITS}>;
var<workgroup> after: array<vec2<f32>, {MOST_UNITS}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(local_invocation_index) me: u32) {{
    let units = arrayLength(&phasor_re);
    for (var unit = me; unit < units; unit += {THREADS}u) {{ before[unit] = vec2<f32>(1.0, 0.0); }}
    for (var turn = 0u; turn < {rounds}u; turn++) {{
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
