//! 3×3 convolution, stride 1, padding 1, of `f32` images in (n, c, h, w) order, with its gradients: `direct`, or
//! `winograd` for many channels.

mod direct;
mod layout;
mod spectrum;
mod tile;
mod winograd;

use super::simd::Level;

/// Shape of a convolution: input (n, channels_in, h, w), weight (channels_out, channels_in, 3, 3), output
/// (n, channels_out, h, w).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Number of images.
    pub n: usize,
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
}

impl ConvShape {
    /// Number of values of the input.
    pub fn input_len(&self) -> usize {
        self.n * self.channels_in * self.h * self.w
    }
    /// Number of values of the output.
    pub fn output_len(&self) -> usize {
        self.n * self.channels_out * self.h * self.w
    }
    /// Number of values of the weight.
    pub fn weight_len(&self) -> usize {
        self.channels_out * self.channels_in * 9
    }
    /// Floating-point operations of one pass of a direct convolution, counting multiplications and additions. The
    /// forward pass, the gradient of the input and the gradient of the weight are one pass each.
    pub fn operations(&self) -> f64 {
        2.0 * (self.weight_len() * self.n * self.h * self.w) as f64
    }
}

/// Gradients of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradients {
    /// Gradient of the input, (n, channels_in, h, w), if requested.
    pub input: Option<Vec<f32>>,
    /// Gradient of the weight, (channels_out, channels_in, 3, 3).
    pub weight: Vec<f32>,
    /// Gradient of the bias, (channels_out).
    pub bias: Vec<f32>,
}

/// `y = x * weight + bias`, followed by `max(y, 0)` if `relu`; the kernel is not flipped, as usual in machine learning.
///
/// # Panics
/// If a length does not match the shape.
pub fn forward(shape: ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    forward_at(Level::current(), shape, x, weight, bias, relu)
}

/// Gradients from that of the output, `dy`. If the forward pass had a ReLU, `relu_output` is its output.
///
/// # Panics
/// If a length does not match the shape.
pub fn backward(
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    relu_output: Option<&[f32]>,
    wants_input: bool,
) -> ConvGradients {
    backward_at(Level::current(), shape, x, weight, dy, relu_output, wants_input)
}

/// [`forward`] with the instructions of `level`.
///
/// # Panics
/// If a length does not match the shape.
pub fn forward_at(
    level: Level,
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    relu: bool,
) -> Vec<f32> {
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight of {shape:?}");
    let bias = bias.map_or_else(|| vec![0.0; shape.channels_out], <[f32]>::to_vec);
    assert_eq!(bias.len(), shape.channels_out, "bias of {shape:?}");
    let forward = if winograd::applies(&shape) { winograd::forward } else { direct::forward };
    forward(level, shape, x, weight, &bias, relu)
}

/// [`backward`] with the instructions of `level`.
///
/// # Panics
/// If a length does not match the shape.
pub fn backward_at(
    level: Level,
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    relu_output: Option<&[f32]>,
    wants_input: bool,
) -> ConvGradients {
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight of {shape:?}");
    assert_eq!(dy.len(), shape.output_len(), "output gradient of {shape:?}");
    assert!(relu_output.is_none_or(|y| y.len() == shape.output_len()), "output of {shape:?}");
    let backward = if winograd::applies(&shape) { winograd::backward } else { direct::backward };
    backward(level, shape, x, weight, dy, relu_output, wants_input)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeded pseudo-random numbers in [-0.5, 0.5).
    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..n).map(|_| next()).collect()
    }

    fn naive(s: ConvShape, x: &[f32], weight: &[f32], bias: &[f32], relu: bool) -> Vec<f64> {
        let mut y = Vec::new();
        for n in 0..s.n {
            for co in 0..s.channels_out {
                for row in 0..s.h {
                    for col in 0..s.w {
                        let mut sum = f64::from(bias[co]);
                        for ci in 0..s.channels_in {
                            for (k, w) in weight[(co * s.channels_in + ci) * 9..][..9].iter().enumerate() {
                                let (r, c) = (row + k / 3, col + k % 3);
                                if (1..=s.h).contains(&r) && (1..=s.w).contains(&c) {
                                    let i = ((n * s.channels_in + ci) * s.h + r - 1) * s.w + c - 1;
                                    sum += f64::from(x[i]) * f64::from(*w);
                                }
                            }
                        }
                        y.push(if relu { sum.max(0.0) } else { sum });
                    }
                }
            }
        }
        y
    }

    fn dot(a: &[f32], b: impl IntoIterator<Item = f64>) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum()
    }

    fn wide(v: &[f32]) -> impl Iterator<Item = f64> + '_ {
        v.iter().map(|x| f64::from(*x))
    }

    /// Forward against plain loops; gradients through `<dy, J v> = <gradient, v>` for random directions `v`.
    fn check(level: Level, s: ConvShape, relu: bool, seed: u64) {
        let x = numbers(s.input_len(), seed);
        let weight = numbers(s.weight_len(), seed + 1);
        let bias = numbers(s.channels_out, seed + 2);
        let dy = numbers(s.output_len(), seed + 3);
        let what = format!("{} {s:?} relu {relu}", level.name());

        let y = forward_at(level, s, &x, &weight, Some(&bias), relu);
        let expected = naive(s, &x, &weight, &bias, relu);
        let error = y.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        let tolerance = 1e-6 * (4.0 + (s.channels_in * 9) as f64).sqrt();
        assert!(error < tolerance, "{what}: forward differs by {error:e}, allowed {tolerance:e}");

        // With a ReLU, J is the Jacobian of the active part.
        let active: Vec<f32> = dy.iter().zip(&y).map(|(d, y)| if relu && *y <= 0.0 { 0.0 } else { *d }).collect();
        let g = backward_at(level, s, &x, &weight, &dy, relu.then_some(&y), true);
        let (no_bias, no_weight) = (vec![0.0; s.channels_out], vec![0.0; s.weight_len()]);
        for repeat in 0..2 {
            let [vx, vw, vb] =
                [x.len(), weight.len(), bias.len()].map(|n| numbers(n, seed + 10 + 100 * repeat + n as u64));
            let close = |name: &str, left: f64, gradient: &[f32], direction: &[f32]| {
                let right = dot(gradient, wide(direction));
                let scale = (dot(&active, wide(&active)) + 1.0).sqrt()
                    * (dot(direction, wide(direction)) + 1.0).sqrt()
                    * (s.channels_in * 9) as f64;
                assert!((left - right).abs() < 1e-6 * scale, "{what}: {name} {left} against {right}");
            };
            let dx = g.input.as_deref().unwrap_or_default();
            close("input", dot(&active, naive(s, &vx, &weight, &no_bias, false)), dx, &vx);
            close("weight", dot(&active, naive(s, &x, &vw, &no_bias, false)), &g.weight, &vw);
            close("bias", dot(&active, naive(s, &x, &no_weight, &vb, false)), &g.bias, &vb);
        }
        assert_eq!(g.input.as_ref().map(Vec::len), Some(x.len()));
        let without = backward_at(level, s, &x, &weight, &dy, relu.then_some(&y), false);
        assert_eq!((without.input, without.weight, without.bias), (None, g.weight, g.bias), "{what}");
    }

    fn shape(n: usize, channels_in: usize, channels_out: usize, h: usize, w: usize) -> ConvShape {
        ConvShape { n, channels_in, channels_out, h, w }
    }

    #[test]
    fn agrees_with_plain_loops_on_random_small_shapes() {
        for case in 0..120u64 {
            let pick = |k: u64, n: u64| 1 + (numbers(1, case * 7 + k)[0] + 0.5).mul_add(n as f32, 0.0) as usize;
            let s = shape(pick(1, 5), pick(2, 9), pick(3, 9), pick(4, 20), pick(5, 37));
            for level in Level::available() {
                check(level, s, case % 2 == 0, case);
            }
        }
    }

    #[test]
    fn agrees_with_plain_loops_where_the_layout_changes() {
        let shapes = [
            shape(1, 1, 1, 1, 1),
            shape(3, 2, 3, 5, 8),   // half vectors, odd number
            shape(1, 17, 16, 7, 8), // one group, odd half vectors
            shape(2, 8, 12, 8, 16), // whole vectors
            shape(2, 9, 31, 9, 17), // overlapping vectors
            shape(17, 1, 8, 6, 4),  // groups of several images, the last one smaller
            shape(5, 64, 4, 8, 8),
            shape(1, 40, 44, 50, 50),  // strips, ragged rows
            shape(2, 130, 2, 40, 32),  // strips, whole vectors
            shape(1, 300, 20, 37, 13), // strips of overlapping vectors
            shape(1, 200, 20, 37, 5),  // strips of half vectors
            shape(1, 400, 60, 35, 3),
            shape(2, 2, 40, 64, 33),
            shape(1, 32, 32, 2, 8), // Winograd, fewer tiles than a block of rows
            shape(7, 64, 32, 4, 8), // groups of several images, the last one smaller
            shape(5, 32, 64, 8, 8),
            shape(2, 32, 96, 10, 24), // strips
            shape(1, 96, 32, 22, 40), // strips, the last one smaller
        ];
        for s in shapes {
            for level in Level::available() {
                check(level, s, true, 5);
            }
        }
    }

    #[test]
    fn results_have_the_same_bits_for_any_number_of_threads() {
        for s in [shape(16, 16, 24, 8, 8), shape(7, 3, 9, 20, 12), shape(1, 40, 44, 50, 50), shape(33, 20, 5, 24, 32)]
            .into_iter()
            .chain([shape(9, 32, 64, 8, 8), shape(2, 64, 32, 24, 16), shape(1, 32, 32, 10, 8)])
        {
            let x = numbers(s.input_len(), 1);
            let weight = numbers(s.weight_len(), 2);
            let dy = numbers(s.output_len(), 3);
            for level in Level::available() {
                let run = |threads: usize| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| {
                        let y = forward_at(level, s, &x, &weight, None, true);
                        let g = backward_at(level, s, &x, &weight, &dy, Some(&y), true);
                        [y, g.input.unwrap_or_default(), g.weight, g.bias]
                            .map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>())
                    })
                };
                let one = run(1);
                for threads in [2, 3, 16] {
                    assert!(one == run(threads), "{} {s:?}: {threads} threads", level.name());
                }
            }
        }
    }

    #[test]
    fn direct_and_winograd_convolution_agree() {
        for (n, c_in, c_out, h, w) in [(3, 64, 64, 16, 16), (2, 128, 32, 6, 8), (1, 32, 128, 34, 40)] {
            let s = shape(n, c_in, c_out, h, w);
            assert!(winograd::applies(&s));
            let [x, weight, bias, dy] = [(s.input_len(), 1), (s.weight_len(), 2), (c_out, 3), (s.output_len(), 4)]
                .map(|(n, seed)| numbers(n, seed));
            for level in Level::available() {
                let y = direct::forward(level, s, &x, &weight, &bias, true);
                let a = direct::backward(level, s, &x, &weight, &dy, Some(&y), true);
                let b = winograd::backward(level, s, &x, &weight, &dy, Some(&y), true);
                let other = winograd::forward(level, s, &x, &weight, &bias, true);
                let close = |what: &str, a: &[f32], b: &[f32]| {
                    let largest = a.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                    let error = a.iter().zip(b).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest;
                    assert!(a.len() == b.len() && error < 5e-6, "{} {s:?}: {what} differs by {error:e}", level.name());
                };
                close("output", &y, &other);
                close("input gradient", &a.input.unwrap(), &b.input.unwrap());
                close("weight gradient", &a.weight, &b.weight);
                close("bias gradient", &a.bias, &b.bias);
            }
        }
    }

    #[test]
    fn a_nan_propagates_through_the_relu_and_its_gradient() {
        let s = shape(1, 1, 1, 8, 16);
        let mut x = vec![1.0; s.input_len()];
        x[20] = f32::NAN;
        for level in Level::available() {
            let y = forward_at(level, s, &x, &[1.0; 9], Some(&[0.0]), true);
            assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 9);
            let g = backward_at(level, s, &x, &[1.0; 9], &y, Some(&y), true);
            assert!(g.weight.iter().all(|w| w.is_nan()));
        }
        // In the Winograd basis it spreads to whole tiles.
        let s = shape(1, 32, 32, 8, 8);
        let mut x = vec![1.0; s.input_len()];
        x[27] = f32::NAN;
        for level in Level::available() {
            let y = forward_at(level, s, &x, &vec![1.0; s.weight_len()], None, true);
            assert!([18, 19, 20, 26, 27, 28, 34, 35, 36].iter().all(|&i| y[i].is_nan()));
        }
    }

    #[test]
    fn an_empty_batch_gives_an_empty_output_and_zero_gradients() {
        for s in [shape(0, 3, 2, 8, 8), shape(0, 32, 64, 8, 8)] {
            let weight = vec![1.0; s.weight_len()];
            assert!(forward(s, &[], &weight, None, false).is_empty());
            let g = backward(s, &[], &weight, &[], None, true);
            let (weight, bias) = (vec![0.0; s.weight_len()], vec![0.0; s.channels_out]);
            assert_eq!(g, ConvGradients { input: Some(vec![]), weight, bias });
        }
    }

    #[test]
    #[should_panic(expected = "weight of")]
    fn a_wrong_length_is_rejected() {
        forward(shape(1, 2, 2, 4, 4), &[0.0; 32], &[0.0; 35], None, false);
    }
}
