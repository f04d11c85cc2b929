//! Fourier neural operators (A§4.10): parameters and forward pass.
//!
//! A spectral convolution multiplies each of the lowest frequencies of an image by a channel matrix and drops the
//! others. Only those frequencies are computed, by products with small Fourier matrices: there are few of them, and
//! matrix products run on every backend and are differentiable.

use super::layers;
use super::network::{Network, OutputActivation};
use super::plan::{Builder, Fourier, FourierBlock, ParameterIndex, Pointwise, Role, inputs};
use crate::config::{Architecture, GeneratorOutput, Initialization};
use crate::error::{Problem, Result};
use burn::tensor::{Device, Tensor, TensorData, activation};
use std::f64::consts::TAU;

/// Initial gate of a factorized block: factor of the block in the residual sum.
const GATE: f32 = 0.1;
/// Initial real part of unbounded outputs with He initialization: an object of zero has no gradient.
const START: f32 = 0.5;

impl Builder<'_> {
    /// Lays out the parameters of a Fourier architecture.
    pub(super) fn fourier(&mut self) -> Result<Fourier> {
        let config = self.config;
        let (modes, width) = (config.fno_modes, config.fno_width);
        if modes > self.patch / 2 {
            return Err(Problem::new(format!("model.fno_modes = {modes} exceeds the number of frequencies"))
                .expected(format!("at most {} for patterns of {n} × {n} pixels", self.patch / 2, n = self.patch))
                .hint("Lower --fno-modes")
                .into());
        }
        let lifter =
            [self.conv("lifter.conv1", inputs(config), width, false), self.conv("lifter.conv2", width, width, false)];
        let factorized = config.architecture == Architecture::Ffno;
        let blocks = if factorized { self.factorized_blocks() } else { self.plain_blocks() };
        let has_middle = config.architecture == Architecture::Fno;
        let middle = has_middle.then(|| self.pointwise("middle", (width, width), false, None));
        let count = if config.architecture == Architecture::FnoVanilla { 0 } else { config.fno_cnn_blocks };
        let refiners = (0..count).map(|i| {
            let first = self.conv(&format!("refiners.{i}.conv1"), width, width, false);
            (first, factorized.then(|| self.conv(&format!("refiners.{i}.conv2"), width, width, false)))
        });
        let refiners = refiners.collect();
        let outputs = config.channels();
        let heads = match config.generator_output_mode {
            GeneratorOutput::AmpPhase => vec![
                self.pointwise("amplitude", (width, outputs), true, None),
                self.pointwise("phase", (width, outputs), true, None),
            ],
            GeneratorOutput::AmpPhaseLogits => vec![self.pointwise("head", (width, 2 * outputs), true, None)],
            GeneratorOutput::RealImag => vec![
                self.pointwise("real", (width, outputs), true, Some(START)),
                self.pointwise("imaginary", (width, outputs), true, None),
            ],
        };
        Ok(Fourier { lifter, blocks, middle, refiners, heads })
    }

    fn plain_blocks(&mut self) -> Vec<FourierBlock> {
        let (modes, width, count) = (self.config.fno_modes, self.config.fno_width, self.config.fno_blocks);
        let mut block = |i: usize| FourierBlock::Plain {
            spectral: self.spectral(&format!("blocks.{i}.spectral"), 2 * modes * modes),
            conv: self.conv(&format!("blocks.{i}.conv"), width, width, true),
        };
        (0..count).map(&mut block).collect()
    }

    /// All blocks share the spectral filters and the gate.
    fn factorized_blocks(&mut self) -> Vec<FourierBlock> {
        let (modes, width, count) = (self.config.fno_modes, self.config.fno_width, self.config.fno_blocks);
        let columns = self.spectral("spectral.columns", modes);
        let rows = self.spectral("spectral.rows", modes);
        let gate = self.add("gate".to_owned(), &[1], Role::Constant(GATE), 0);
        let mut block = |i: usize| FourierBlock::Factorized {
            columns,
            rows,
            up: self.pointwise(&format!("blocks.{i}.up"), (width, 2 * width), false, None),
            down: self.pointwise(&format!("blocks.{i}.down"), (2 * width, width), false, None),
            gate,
        };
        (0..count).map(&mut block).collect()
    }

    /// Real and imaginary parts of a channel matrix for each frequency: (2, frequencies, inputs, outputs).
    fn spectral(&mut self, name: &str, frequencies: usize) -> ParameterIndex {
        let width = self.config.fno_width;
        // Blocks start close to the identity: through the gate if they have one, else through small weights.
        let is_small = self.config.architecture != Architecture::Ffno;
        let role = Role::Weight { fan_in: 2 * width, fan_out: 2 * width, is_small };
        self.add(format!("{name}.weight"), &[2, frequencies, width, width], role, 1)
    }

    /// A 1×1 convolution, whose bias starts at `start` with He initialization.
    fn pointwise(
        &mut self,
        name: &str,
        (inputs, outputs): (usize, usize),
        is_small: bool,
        start: Option<f32>,
    ) -> Pointwise {
        let weight = Role::Weight { fan_in: inputs, fan_out: outputs, is_small };
        let start = start.filter(|_| self.config.initialization == Initialization::He);
        let bias = start.map_or(Role::Bias { fan_in: inputs }, Role::Constant);
        Pointwise {
            weight: self.add(format!("{name}.weight"), &[outputs, inputs], weight, self.patch * self.patch),
            bias: self.add(format!("{name}.bias"), &[outputs], bias, 0),
        }
    }
}

/// Orthonormal Fourier matrices for the lowest frequencies; complex images are stored as `[re | im]`.
#[derive(Debug, Clone)]
pub(super) struct Frequencies {
    modes: usize,
    /// (N, 2m): from a real line to its frequencies 0 … m - 1.
    real: Tensor<2>,
    /// (2m, N): the inverse; the frequencies between -m and 0 are the conjugates.
    real_back: Tensor<2>,
    /// (2N, 4m): from a complex line to its frequencies 0 … m - 1, -m … -1.
    complex: Tensor<2>,
    /// (4m, 2N): the inverse.
    complex_back: Tensor<2>,
}

impl Frequencies {
    /// Matrices for lines of `n` pixels; `modes` is at most n/2.
    pub fn new(n: usize, modes: usize, device: &Device) -> Self {
        let scale = 1.0 / (n as f64).sqrt();
        // The argument is reduced modulo n in integers, so that the angle is exact.
        let wave = |frequency: isize, at: usize| {
            let turns = (frequency * at as isize).rem_euclid(n as isize);
            let (sin, cos) = (TAU * turns as f64 / n as f64).sin_cos();
            [cos * scale, sin * scale]
        };
        let matrix = |rows: usize, columns: usize, value: &dyn Fn(usize, usize) -> f64| {
            let values: Vec<f32> = (0..rows * columns).map(|at| value(at / columns, at % columns) as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), device)
        };
        let signed = |k: usize| if k < modes { k as isize } else { k as isize - 2 * modes as isize };
        // exp(-iθ) (re + i·im) = re·cos + im·sin + i (im·cos - re·sin)
        let forward = |from_im: bool, to_im: bool, [cos, sin]: [f64; 2]| match (from_im, to_im) {
            (false, false) | (true, true) => cos,
            (true, false) => sin,
            (false, true) => -sin,
        };
        let twice = |k: usize| if k == 0 { 1.0 } else { 2.0 };
        Self {
            modes,
            real: matrix(n, 2 * modes, &|at, k| forward(false, k >= modes, wave((k % modes) as isize, at))),
            real_back: matrix(2 * modes, n, &|k, at| {
                let [cos, sin] = wave((k % modes) as isize, at);
                twice(k % modes) * if k < modes { cos } else { -sin }
            }),
            complex: matrix(2 * n, 4 * modes, &|at, k| {
                forward(at >= n, k >= 2 * modes, wave(signed(k % (2 * modes)), at % n))
            }),
            complex_back: matrix(4 * modes, 2 * n, &|k, at| {
                let [cos, sin] = wave(signed(k % (2 * modes)), at % n);
                forward(k >= 2 * modes, at >= n, [cos, -sin])
            }),
        }
    }

    /// The same matrices for a network that is differentiated.
    pub fn autodiff(self) -> Self {
        Self {
            modes: self.modes,
            real: self.real.autodiff(),
            real_back: self.real_back.autodiff(),
            complex: self.complex.autodiff(),
            complex_back: self.complex_back.autodiff(),
        }
    }

    /// Multiplies the frequencies |ky|, kx < m of (b, c, N, N) by `weight`, (2, 2·m·m, c, o), and drops the others;
    /// returns (b, o, N, N). Frequency (kx, ky) has the index `2·m·kx + ky`; negative ky follow the others.
    pub fn filter(&self, x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let ([b, c, n, _], m, o) = (x.dims(), self.modes, weight.dims()[3]);
        let columns: Tensor<5> = x.reshape([b * c * n, n]).matmul(self.real.clone()).reshape([b, c, n, 2, m]);
        let lines = columns.permute([0, 1, 4, 3, 2]).reshape([b * c * m, 2 * n]);
        let both: Tensor<5> = lines.matmul(self.complex.clone()).reshape([b, c, m, 2, 2 * m]);
        let each = both.permute([2, 4, 0, 3, 1]).reshape([2 * m * m, b, 2 * c]);
        let mixed: Tensor<5> = each.matmul(complex_factors(weight)).reshape([m, 2 * m, b, 2, o]);
        let lines = mixed.permute([2, 4, 0, 3, 1]).reshape([b * o * m, 4 * m]);
        let columns: Tensor<5> = lines.matmul(self.complex_back.clone()).reshape([b, o, m, 2, n]);
        let rows = columns.permute([0, 1, 4, 3, 2]).reshape([b * o * n, 2 * m]);
        rows.matmul(self.real_back.clone()).reshape([b, o, n, n])
    }

    /// Multiplies the frequencies below m along each row of (b, c, N, N) by `weight`, (2, m, c, o), and drops the
    /// others.
    pub fn filter_rows(&self, x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let ([b, c, n, _], m, o) = (x.dims(), self.modes, weight.dims()[3]);
        let rows: Tensor<5> = x.reshape([b * c * n, n]).matmul(self.real.clone()).reshape([b, c, n, 2, m]);
        let each = rows.permute([4, 0, 2, 3, 1]).reshape([m, b * n, 2 * c]);
        let mixed: Tensor<5> = each.matmul(complex_factors(weight)).reshape([m, b, n, 2, o]);
        let rows = mixed.permute([1, 4, 2, 3, 0]).reshape([b * o * n, 2 * m]);
        rows.matmul(self.real_back.clone()).reshape([b, o, n, n])
    }
}

/// Converts real and imaginary parts, (2, k, c, o), to right factors of `[re | im]`, (k, 2c, 2o).
fn complex_factors(weight: Tensor<4>) -> Tensor<3> {
    let [_, k, c, o] = weight.dims();
    let part = |at: usize| -> Tensor<3> { weight.clone().narrow(0, at, 1).reshape([k, c, o]) };
    let (re, im) = (part(0), part(1));
    let above = Tensor::cat(vec![re.clone(), im.clone()], 2);
    Tensor::cat(vec![above, Tensor::cat(vec![im.neg(), re], 2)], 1)
}

impl Network {
    /// Maps (b, inputs, N, N) to the two outputs, (b, c, N, N) each.
    pub(super) fn fourier(&self, x: Tensor<4>, body: &Fourier) -> (Tensor<4>, Tensor<4>) {
        let [first, second] = &body.lifter;
        let x = self.conv(second, activation::gelu(self.conv(first, x, false)), false);
        let x = body.blocks.iter().fold(x, |x, block| self.fourier_block(block, x));
        let x = match &body.middle {
            Some(middle) => self.pointwise(middle, x),
            None => x,
        };
        let x = body.refiners.iter().fold(x, |x, (first, second)| {
            let h = activation::gelu(self.conv(first, x.clone(), false));
            match second {
                Some(second) => x + self.conv(second, h, false),
                None => h,
            }
        });
        let channels = self.config.channels();
        let [first, second] = OutputActivation::of(&self.config);
        match &body.heads[..] {
            [one, other] => (first.apply(self.pointwise(one, x.clone())), second.apply(self.pointwise(other, x))),
            heads => {
                let both = heads.iter().fold(x, |x, head| self.pointwise(head, x));
                let half = |i: usize| both.clone().narrow(1, i * channels, channels);
                (first.apply(half(0)), second.apply(half(1)))
            }
        }
    }

    fn fourier_block(&self, block: &FourierBlock, x: Tensor<4>) -> Tensor<4> {
        let Some(frequencies) = &self.frequencies else { return x };
        match block {
            FourierBlock::Plain { spectral, conv } => {
                let filtered = frequencies.filter(x.clone(), self.parameter(*spectral));
                let local = self.conv(conv, x.clone(), false);
                x + activation::gelu(filtered + local)
            }
            FourierBlock::Factorized { columns, rows, up, down, gate } => {
                let along_rows = frequencies.filter_rows(x.clone(), self.parameter(*rows));
                let along_columns =
                    frequencies.filter_rows(x.clone().swap_dims(2, 3), self.parameter(*columns)).swap_dims(2, 3);
                let normalized = layers::normalize_instances(along_rows + along_columns);
                let h = self.pointwise(down, activation::gelu(self.pointwise(up, normalized)));
                x + h * self.parameter::<1>(*gate).reshape([1, 1, 1, 1])
            }
        }
    }

    fn pointwise(&self, layer: &Pointwise, x: Tensor<4>) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let weight: Tensor<2> = self.parameter(layer.weight);
        let o = weight.dims()[0];
        // Every image of the batch is multiplied by the same matrix.
        let weight: Tensor<3> = weight.reshape([1, o, c]).expand([b, o, c]);
        let bias: Tensor<4> = self.parameter::<1>(layer.bias).reshape([1, o, 1, 1]);
        weight.matmul(x.reshape([b, c, h * w])).reshape([b, o, h, w]) + bias
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InputTransform, ModelConfig};
    use crate::fourier::Fft2;
    use crate::model::{initial_weights, network_size};
    use num_complex::Complex;

    const KINDS: [Architecture; 3] = [Architecture::Fno, Architecture::FnoVanilla, Architecture::Ffno];

    fn config(architecture: Architecture) -> ModelConfig {
        ModelConfig { architecture, ..ModelConfig::default() }
    }

    fn image(channels: usize, n: usize) -> Tensor<4> {
        let value = |at: usize| (0.37 * at as f32).sin() + 0.3 * (0.011 * (at * at % 977) as f32).cos();
        let values: Vec<f32> = (0..channels * n * n).map(value).collect();
        Tensor::from_data(TensorData::new(values, [1, channels, n, n]), &Device::flex())
    }

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    #[test]
    fn a_spectral_convolution_is_a_product_at_the_lowest_frequencies() {
        let (n, m, c, o) = (16, 5, 2, 3);
        let device = Device::flex();
        let weights: Vec<f32> = (0..2 * 2 * m * m * c * o).map(|at| (1.3 * at as f32).cos()).collect();
        let weight = Tensor::<4>::from_data(TensorData::new(weights.clone(), [2, 2 * m * m, c, o]), &device);
        let found = values(Frequencies::new(n, m, &device).filter(image(c, n), weight));
        let fft = Fft2::<f64>::new(n, n);
        let input = values(image(c, n));
        let spectra: Vec<Vec<Complex<f64>>> = input
            .chunks(n * n)
            .map(|plane| {
                let mut plane: Vec<_> = plane.iter().map(|v| Complex::new(f64::from(*v), 0.0)).collect();
                fft.forward_in_place(&mut plane);
                plane
            })
            .collect();
        for out in 0..o {
            let mut spectrum = vec![Complex::new(0.0, 0.0); n * n];
            for kx in 0..m {
                for ky in 0..2 * m {
                    let row = if ky < m { ky } else { n + ky - 2 * m };
                    let mut sum = Complex::new(0.0, 0.0);
                    for (channel, plane) in spectra.iter().enumerate() {
                        let at = ((kx * 2 * m + ky) * c + channel) * o + out;
                        let factor = Complex::new(f64::from(weights[at]), f64::from(weights[at + 2 * m * m * c * o]));
                        sum += plane[row * n + kx] * factor;
                    }
                    // The frequency -kx of a real image is the conjugate: the inverse takes twice the real part.
                    spectrum[row * n + kx] = sum * if kx == 0 { 1.0 } else { 2.0 };
                }
            }
            fft.inverse_in_place(&mut spectrum);
            for (at, value) in spectrum.iter().enumerate() {
                let expected = value.re / (n * n) as f64;
                let found = f64::from(found[out * n * n + at]);
                assert!((found - expected).abs() < 1e-4, "{out} {at}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_filter_along_rows_leaves_low_frequencies_as_they_are_and_drops_high_ones() {
        let (n, m) = (16, 5);
        let device = Device::flex();
        let line = |k: usize| -> Vec<f32> {
            (0..n * n)
                .map(|at| (TAU * (k * (at % n)) as f64 / n as f64 + 0.4).cos() as f32 * (1 + at / n) as f32)
                .collect()
        };
        let one: Vec<f32> = (0..2 * m).map(|at| if at < m { 1.0 } else { 0.0 }).collect();
        let weight = Tensor::<4>::from_data(TensorData::new(one, [2, m, 1, 1]), &device);
        for k in 0..8 {
            let x = Tensor::<4>::from_data(TensorData::new(line(k), [1, 1, n, n]), &device);
            let found = values(Frequencies::new(n, m, &device).filter_rows(x, weight.clone()));
            for (found, was) in found.iter().zip(line(k)) {
                let expected = if k < m { was } else { 0.0 };
                assert!((found - expected).abs() < 1e-4, "{k}: {found} {expected}");
            }
        }
    }

    #[test]
    fn parameter_counts_match_the_layers() {
        let conv = |inputs: usize, outputs: usize| 9 * inputs * outputs + outputs;
        let point = |inputs: usize, outputs: usize| inputs * outputs + outputs;
        let (w, m, two) = (32, 12, 2);
        let lifter = conv(two, w) + conv(w, w);
        let blocks = 4 * (2 * 2 * m * m * w * w + conv(w, w));
        let heads = 2 * point(w, 1);
        let factorized = 2 * 2 * m * w * w + 1 + 4 * (point(w, 2 * w) + point(2 * w, w));
        for (architecture, expected) in [
            (Architecture::FnoVanilla, lifter + blocks + heads),
            (Architecture::Fno, lifter + blocks + point(w, w) + 2 * conv(w, w) + heads),
            (Architecture::Ffno, lifter + factorized + 4 * conv(w, w) + heads),
        ] {
            assert_eq!(network_size(64, &config(architecture)).unwrap().parameters, expected, "{architecture:?}");
            let drawn = initial_weights(64, &config(architecture), 1).unwrap().parameter_count();
            assert_eq!(drawn, expected);
        }
        let grouped = ModelConfig { gridsize: 2, input_transform: InputTransform::None, ..config(Architecture::Fno) };
        let one = ModelConfig { gridsize: 1, ..grouped.clone() };
        let more = network_size(64, &grouped).unwrap().parameters - network_size(64, &one).unwrap().parameters;
        assert_eq!(more, 9 * 3 * w + 3 * 2 * (w + 1));
        let refused = ModelConfig { fno_modes: 33, ..config(Architecture::Ffno) };
        assert!(network_size(64, &refused).unwrap_err().to_string().contains("at most 32"));
    }

    fn network(config: &ModelConfig, seed: u64) -> Network {
        let weights = initial_weights(64, config, seed).unwrap();
        Network::from_weights(&weights, 64, config, &Device::flex()).unwrap()
    }

    #[test]
    fn every_output_mode_gives_its_outputs() {
        for architecture in KINDS {
            let mut seen: Vec<Vec<f32>> = Vec::new();
            for mode in [GeneratorOutput::RealImag, GeneratorOutput::AmpPhaseLogits, GeneratorOutput::AmpPhase] {
                let config = ModelConfig {
                    gridsize: 2,
                    generator_output_mode: mode,
                    input_transform: InputTransform::InstanceNorm,
                    fno_width: 8,
                    ..config(architecture)
                };
                let object = network(&config, 2).forward(image(4, 64).abs());
                assert_eq!(object.re.dims(), [1, 4, 64, 64]);
                let both = [values(object.re), values(object.im)].concat();
                assert!(both.iter().all(|v| v.is_finite()), "{architecture:?} {mode:?}");
                let mean = both[..both.len() / 2].iter().sum::<f32>() / (both.len() / 2) as f32;
                assert!((mean - 0.5).abs() < 0.35, "{architecture:?} {mode:?} starts at {mean}");
                // The initial outputs of logits and of separate heads for amplitude and phase are the same.
                assert!(seen.first().is_none_or(|real_and_imaginary| *real_and_imaginary != both));
                seen.push(both);
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for architecture in KINDS {
            let config = ModelConfig {
                fno_width: 6,
                fno_blocks: 2,
                fno_modes: 4,
                input_transform: InputTransform::Sqrt,
                generator_output_mode: GeneratorOutput::AmpPhase,
                ..config(architecture)
            };
            let network = network(&config, 5);
            let loss = |network: &Network, x: Tensor<4>| {
                let object = network.forward(x);
                (object.re.square() + object.im * 0.5).mean()
            };
            let differentiated = network.clone().require_grad();
            let gradient = differentiated
                .flat_gradient(&loss(&differentiated, image(1, 64).abs().autodiff()).backward())
                .try_into_vec_as::<f32>()
                .unwrap();
            let flat = network.flat_parameters();
            let count = gradient.len();
            // Along the gradient itself, and along a direction that weighs every parameter.
            let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            let mixed: Vec<f32> = (0..count).map(|at| (1.7 * at as f32).sin() / (count as f32).sqrt()).collect();
            for direction in [gradient.iter().map(|g| g / norm).collect::<Vec<_>>(), mixed] {
                let slope: f32 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
                let step = Tensor::<1>::from_data(TensorData::new(direction, [count]), &Device::flex());
                let at = |share: f64| {
                    let moved = network.clone().with_parameters(&(flat.clone() + step.clone() * share));
                    f64::from(loss(&moved, image(1, 64).abs()).into_scalar::<f32>())
                };
                let found = (at(0.02) - at(-0.02)) / 0.04;
                let tolerance = 2e-2 * f64::from(slope.abs()).max(1e-3 * f64::from(norm)) + 3e-6;
                assert!((found - f64::from(slope)).abs() < tolerance, "{architecture:?}: {found} {slope} {norm}");
            }
        }
    }
}
