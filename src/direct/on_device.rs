//! What is done for each pattern, as tensors on a device: the steps between the epochs stay with the solver.
//!
//! Patterns that lie near each other are worked on together: what they see of the object is a small part of it, out of which
//! patches are cut, and into which gradients are added, by products with matrices of zeros and ones, in a fixed order.
//! Only the object goes there and its gradient comes back, once an epoch.

use super::solver::{Said, Solver};
use super::wave::{FLOOR, Lean};
use crate::config::DirectLoss;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::physics::{CenteredFourier, ComplexTensor, bilinear_matrix, read, sum_of_each, sum_over};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Array3, Axis, s};
use num_complex::Complex32;
use std::f32::consts::TAU;
use std::time::Instant;

/// Most patterns that are worked on together.
const PIECE: usize = 256;
/// Most values of one tensor of a piece: below the smallest binding limit of current adapters.
const VALUES: usize = 16 << 20;
/// The object there, and the parts of it that pieces see, begin and end at multiples of this: few shapes occur, and rows
/// begin where vectors may.
const STEP: usize = 16;
/// Pieces by which the speed of the device is measured.
const TIMED_PIECES: usize = 3;
/// How far device and CPU may be apart.
const AGREEMENT: f64 = 1e-3;

/// Patterns that lie near each other.
struct Piece {
    /// Their numbers.
    patterns: Vec<usize>,
    /// (k, N, N) normalised amplitude.
    amplitude: Tensor<3>,
    place: Option<Place>,
}

/// Where the patterns of a piece lie.
struct Place {
    /// First row and column, and sides of the part of the object that they see.
    corner: [usize; 2],
    sides: [usize; 2],
    /// (k,) row and column of each patch in that part.
    top: Tensor<1>,
    left: Tensor<1>,
    /// (k, 1, N, 1) and (k, 1, 1, N): turns of the spectrum that move the probe to its sub-pixel place.
    turn_y: ComplexTensor<4>,
    turn_x: ComplexTensor<4>,
    /// (k, 1, 1, 1) factor of the probe.
    factor: Tensor<4>,
}

/// All patterns on a device.
pub(super) struct OnDevice {
    device: Device,
    side: usize,
    fourier: CenteredFourier,
    pieces: Vec<Piece>,
    /// (1, N, N): 1 where the detector is to be trusted, else 0; none if everywhere.
    good: Option<Tensor<3>>,
    /// (1, modes, N, N) spectra of the light.
    spectra: Option<ComplexTensor<4>>,
    /// (1, 1, N, 1) and (1, 1, 1, N) frequencies, in turns for each pixel.
    frequencies: [Tensor<4>; 2],
    loss: DirectLoss,
}

/// Amplitudes of a piece compared with what was measured.
struct Judged {
    /// (k,) each.
    misfit: Tensor<1>,
    measured: Tensor<1>,
    predicted: Tensor<1>,
    /// (k, N, N) factor by which each frequency is wrong.
    wrong: Tensor<3>,
}

impl OnDevice {
    /// Uploads the patterns.
    pub fn new(solver: &Solver<'_>, dataset: &Dataset, device: &Device) -> Self {
        let side = solver.side;
        let factor = solver.normalization as f32;
        let pieces = near_each_other(solver)
            .into_iter()
            .map(|patterns| {
                let values: Vec<f32> = patterns
                    .iter()
                    .flat_map(|&k| {
                        dataset.diffraction.index_axis(Axis(0), k).iter().map(|a| a * factor).collect::<Vec<_>>()
                    })
                    .collect();
                let amplitude = Tensor::from_data(TensorData::new(values, [patterns.len(), side, side]), device);
                Piece { patterns, amplitude, place: None }
            })
            .collect();
        let good = dataset.mask.as_ref().filter(|mask| mask.iter().any(|good| !good)).map(|mask| {
            let values: Vec<f32> = mask.iter().map(|&good| f32::from(u8::from(good))).collect();
            Tensor::from_data(TensorData::new(values, [1, side, side]), device)
        });
        let frequencies: Vec<f32> = (0..side).map(|k| (k as f32 - (side / 2) as f32) / side as f32).collect();
        let frequencies = [[1, 1, side, 1], [1, 1, 1, side]]
            .map(|shape| Tensor::from_data(TensorData::new(frequencies.clone(), shape), device));
        Self {
            device: device.clone(),
            side,
            fourier: CenteredFourier::new(side, device),
            pieces,
            good,
            spectra: None,
            frequencies,
            loss: solver.config.loss,
        }
    }

    /// Takes over light, positions and factors; gives Σ |P|² at each pixel over all patterns.
    pub fn shine(&mut self, solver: &Solver<'_>) -> Result<Array2<f32>> {
        let n = self.side;
        let modes = solver.light.dim().0;
        let light = ComplexTensor::from_array(solver.light.view(), &self.device);
        self.spectra = Some(self.fourier.forward(light).map(|t| t.reshape([1, modes, n, n])));
        for number in 0..self.pieces.len() {
            let place = self.place(solver, &self.pieces[number].patterns);
            self.pieces[number].place = Some(place);
        }
        let mut lit = Tensor::<2>::zeros(padded(solver.object.dim()), &self.device);
        for piece in &self.pieces {
            let Some(place) = &piece.place else { continue };
            let probe = self.probe(place);
            let k = piece.patterns.len();
            let intensity: Tensor<3> = sum_over(probe.norm_sqr(), 1).reshape([k, n, n]);
            lit = added(lit, place, self.laid(place, intensity));
        }
        download(lit, solver.object.dim())
    }

    /// See [`Solver::said`].
    pub fn said(
        &self,
        solver: &Solver<'_>,
        object: &Array2<Complex32>,
        with_probe: bool,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Said>> {
        self.said_by(&self.pieces, solver, object, with_probe, go_on)
    }

    /// What these pieces say.
    fn said_by(
        &self,
        pieces: &[Piece],
        solver: &Solver<'_>,
        object: &Array2<Complex32>,
        with_probe: bool,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Said>> {
        let n = self.side;
        let seen = self.upload(object);
        let zeros = || Tensor::<2>::zeros(padded(object.dim()), &self.device);
        let mut gradient = ComplexTensor { re: zeros(), im: zeros() };
        let modes = solver.probe.dim().0;
        let none = || Tensor::<3>::zeros([modes, n, n], &self.device);
        let mut spectrum = ComplexTensor { re: none(), im: none() };
        let mut judged = Vec::with_capacity(pieces.len());
        let mut done = 0;
        for piece in pieces {
            if !go_on(done as f64 / solver.positions.len() as f64) {
                return Ok(None);
            }
            done += piece.patterns.len();
            let Some(place) = &piece.place else { continue };
            let k = piece.patterns.len();
            let patch: ComplexTensor<4> = self.cut(place, &seen, k).map(|t: Tensor<3>| t.reshape([k, 1, n, n]));
            let probe = self.probe(place);
            let wave = self.forward(patch.clone() * probe.clone());
            let judgement = self.judge(intensity(&wave), piece.amplitude.clone());
            let wrong: Tensor<4> = judgement.wrong.reshape([k, 1, n, n]);
            let back = self.inverse(wave.map(|t| t * wrong.clone()));
            let of_patch = probe.conj() * back.clone();
            let of_patch = of_patch.map(|t| sum_over(t, 1).reshape([k, n, n]));
            gradient = ComplexTensor {
                re: added(gradient.re, place, self.laid(place, of_patch.re)),
                im: added(gradient.im, place, self.laid(place, of_patch.im)),
            };
            if with_probe {
                // Back from its sub-pixel place: turned the other way, which sums as well before the transform as after it.
                let moved = self.forward((patch.conj() * back).map(|t| t * place.factor.clone()));
                let moved = moved * place.turn_y.clone().conj() * place.turn_x.clone().conj();
                let sum = moved.map(|t| sum_over(t, 0).reshape([modes, n, n]));
                spectrum = ComplexTensor { re: spectrum.re + sum.re, im: spectrum.im + sum.im };
            }
            judged.push(Tensor::stack::<2>(vec![judgement.misfit, judgement.measured, judgement.predicted], 1));
        }
        let numbers = read(Tensor::cat(judged, 0), "the misfits")?;
        let mut said = Said {
            misfit: 0.0,
            gradient: complex(&download(gradient.re, object.dim())?, &download(gradient.im, object.dim())?),
            probe_gradient: Array3::zeros(solver.probe.dim()),
            factors: vec![1.0; solver.positions.len()],
        };
        let patterns = pieces.iter().flat_map(|piece| &piece.patterns);
        for (&pattern, numbers) in patterns.zip(numbers.chunks_exact(3)) {
            said.misfit += f64::from(numbers[0]);
            let ratio = numbers[1] / numbers[2].max(f32::MIN_POSITIVE);
            said.factors[pattern] = if self.loss == DirectLoss::Poisson { ratio.sqrt() } else { ratio };
        }
        if with_probe {
            said.probe_gradient = self.fourier.inverse(spectrum).into_array()?;
        }
        Ok(Some(said))
    }

    /// See [`Solver::leans`].
    pub fn leans(&self, solver: &Solver<'_>, object: &Array2<Complex32>) -> Result<Vec<Lean>> {
        let n = self.side;
        let seen = self.upload(object);
        let mut sums = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let Some(place) = &piece.place else { continue };
            let k = piece.patterns.len();
            let patch: ComplexTensor<4> = self.cut(place, &seen, k).map(|t: Tensor<3>| t.reshape([k, 1, n, n]));
            let wave = self.forward(patch.clone() * self.probe(place));
            let [y, x] = [0, 1].map(|axis| {
                let slope = self.forward(patch.clone() * self.probe_slope(place, axis));
                let along = wave.re.clone() * slope.re + wave.im.clone() * slope.im;
                sum_over(along, 1).reshape([k, n, n])
            });
            let modulus = (intensity(&wave) + self.floor()).sqrt();
            let (y, x): (Tensor<3>, Tensor<3>) = (y / modulus.clone(), x / modulus.clone());
            let missing = piece.amplitude.clone() - modulus;
            let total = |t: Tensor<3>| self.total(t);
            sums.push(Tensor::stack::<2>(
                vec![
                    total(y.clone() * y.clone()),
                    total(x.clone() * x.clone()),
                    total(x.clone() * y.clone()),
                    total(y * missing.clone()),
                    total(x * missing),
                ],
                1,
            ));
        }
        let numbers = read(Tensor::cat(sums, 0), "the shifts")?;
        let mut leans = vec![Lean::default(); solver.positions.len()];
        let patterns = self.pieces.iter().flat_map(|piece| &piece.patterns);
        for (&pattern, numbers) in patterns.zip(numbers.chunks_exact(5)) {
            let [yy, xx, xy, y, x] = [0, 1, 2, 3, 4].map(|i| f64::from(numbers[i]));
            leans[pattern] = Lean { yy, xx, xy, y, x };
        }
        Ok(leans)
    }

    /// Compares what the first piece says with what it says on the CPU, at an object in which no two pixels are alike: where
    /// light cancels, the direction of a gradient is a matter of rounding. Gives how many times as fast as the CPU the device
    /// does an epoch, as a few pieces show.
    ///
    /// # Errors
    /// When they differ, with the advice to use the CPU.
    pub fn agrees_with_cpu(&self, solver: &Solver<'_>) -> Result<f64> {
        let Some(first) = self.pieces.first() else { return Ok(1.0) };
        let mut object = solver.object.clone();
        for (at, value) in object.iter_mut().enumerate() {
            let wave = |frequency: f32| (frequency * (at % 7919) as f32).sin();
            *value *= Complex32::from_polar(1.0 + 0.3 * wave(0.7), 0.5 * wave(1.3));
        }
        let few = self.pieces.len().min(TIMED_PIECES);
        let said = |count: usize| {
            let began = Instant::now();
            let said = self.said_by(&self.pieces[..count], solver, &object, false, &mut |_| true)?;
            Ok::<_, Error>((said, began.elapsed().as_secs_f64()))
        };
        // Kernels are made the first time that they are used.
        said(few)?;
        let ((ours, of_one), (_, of_few)) = (said(1)?, said(few)?);
        let Some(ours) = ours else { return Ok(1.0) };
        let began = Instant::now();
        let answers = solver.answers(&first.patterns, &object, false);
        let mut gradient = Array2::zeros(object.dim());
        solver.gather(&first.patterns, &answers, &mut gradient);
        let on_cpu = began.elapsed().as_secs_f64() * solver.positions.len() as f64 / first.patterns.len() as f64;
        // What is done once an epoch is in both times of the device.
        let of_another = (of_few - of_one).max(0.0) / (few.max(2) - 1) as f64;
        let on_device = of_one + of_another * (self.pieces.len() - 1) as f64;
        let misfit: f64 = answers.iter().map(|answer| answer.misfit).sum();
        let square = |values: &Array2<Complex32>| values.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>();
        let of_gradient = (square(&(&ours.gradient - &gradient)) / square(&gradient)).sqrt();
        let of_misfit = (ours.misfit - misfit).abs() / misfit;
        if of_gradient <= AGREEMENT && of_misfit <= AGREEMENT {
            return Ok(on_cpu / on_device.max(f64::MIN_POSITIVE));
        }
        Err(Error::Failed(
            Problem::new(format!(
                "The device does not compute what the CPU computes: the misfit of {} patterns differs by {of_misfit:.1e} of \
                 its value, its gradient by {of_gradient:.1e}",
                first.patterns.len()
            ))
            .expected("a relative difference below 0.001")
            .hint("Use the CPU with --accelerator cpu, and look for a newer driver"),
        ))
    }

    fn floor(&self) -> f32 {
        // The transforms are orthonormal here, and not on the CPU.
        FLOOR / (self.side * self.side) as f32
    }

    /// Positions on the device.
    fn place(&self, solver: &Solver<'_>, patterns: &[usize]) -> Place {
        let places: Vec<_> = patterns.iter().map(|&k| solver.place(k)).collect();
        let span = |firsts: Vec<usize>| {
            let first = firsts.iter().copied().min().unwrap_or_default() / STEP * STEP;
            let last = firsts.iter().copied().max().unwrap_or_default() + self.side;
            (first, (last - first).next_multiple_of(STEP))
        };
        let ((top, rows), (left, columns)) =
            (span(places.iter().map(|p| p.0).collect()), span(places.iter().map(|p| p.1).collect()));
        let vector = |value: &dyn Fn(usize) -> f32| -> Tensor<1> {
            let values: Vec<f32> = (0..patterns.len()).map(value).collect();
            Tensor::from_data(TensorData::new(values, [patterns.len()]), &self.device)
        };
        let turns = |axis: usize| {
            let k = patterns.len();
            let shift: Tensor<4> = vector(&|i| places[i].2[axis]).reshape([k, 1, 1, 1]);
            let angle = self.frequencies[axis].clone() * shift * -TAU;
            ComplexTensor { re: angle.clone().cos(), im: angle.sin() }
        };
        Place {
            corner: [top, left],
            sides: [rows, columns],
            top: vector(&|i| (places[i].0 - top) as f32),
            left: vector(&|i| (places[i].1 - left) as f32),
            turn_y: turns(0),
            turn_x: turns(1),
            factor: vector(&|i| solver.factors[patterns[i]]).reshape([patterns.len(), 1, 1, 1]),
        }
    }

    /// (k, modes, N, N) light at the sub-pixel places of a piece.
    fn probe(&self, place: &Place) -> ComplexTensor<4> {
        let spectra = self.turned(place);
        self.inverse(spectra)
    }

    /// As [`Self::probe`], its derivative for a shift along an axis.
    fn probe_slope(&self, place: &Place, axis: usize) -> ComplexTensor<4> {
        let slope = self.frequencies[axis].clone() * -TAU;
        let ComplexTensor { re, im } = self.turned(place);
        // Times i·slope.
        self.inverse(ComplexTensor { re: im * slope.clone() * -1.0, im: re * slope })
    }

    /// (k, modes, N, N) spectra of the light, turned, times the factors.
    fn turned(&self, place: &Place) -> ComplexTensor<4> {
        let turn = place.turn_y.clone() * place.turn_x.clone();
        let turn = turn.map(|t| t * place.factor.clone());
        match &self.spectra {
            Some(spectra) => turn * spectra.clone(),
            None => turn,
        }
    }

    fn forward(&self, field: ComplexTensor<4>) -> ComplexTensor<4> {
        flat(field, |field| self.fourier.forward(field))
    }

    fn inverse(&self, spectrum: ComplexTensor<4>) -> ComplexTensor<4> {
        flat(spectrum, |spectrum| self.fourier.inverse(spectrum))
    }

    /// (k, N, N) patches out of the object.
    fn cut(&self, place: &Place, object: &ComplexTensor<2>, k: usize) -> ComplexTensor<3> {
        let n = self.side;
        let [rows, columns] = place.sides;
        let [top, left] = place.corner;
        let rows_of = self.rows(place, k);
        let columns_of = self.columns(place).swap_dims(1, 2);
        object.clone().map(|part: Tensor<2>| {
            let part = part.slice([top..top + rows, left..left + columns]);
            rows_of.clone().matmul(part).reshape([k, n, columns]).matmul(columns_of.clone())
        })
    }

    /// (k, N, N) values of patches added up where the patches lie, in the part of the object that the piece sees.
    fn laid(&self, place: &Place, values: Tensor<3>) -> Tensor<2> {
        let [k, n, _] = values.dims();
        let wide = values.matmul(self.columns(place)).reshape([k * n, place.sides[1]]);
        self.rows(place, k).swap_dims(0, 1).matmul(wide)
    }

    /// (k·N, rows): 1 where a row of a patch lies.
    fn rows(&self, place: &Place, k: usize) -> Tensor<2> {
        let [rows, _] = place.sides;
        bilinear_matrix(place.top.clone().neg(), self.side, rows, 0, &self.device).reshape([k * self.side, rows])
    }

    /// (k, N, columns): 1 where a column of a patch lies.
    fn columns(&self, place: &Place) -> Tensor<3> {
        bilinear_matrix(place.left.clone().neg(), self.side, place.sides[1], 0, &self.device)
    }

    /// Σ over the pixels of each pattern that are to be trusted: (k, N, N) → (k,).
    fn total(&self, values: Tensor<3>) -> Tensor<1> {
        let k = values.dims()[0];
        let values = match &self.good {
            Some(good) => values * good.clone(),
            None => values,
        };
        sum_of_each(values, k).reshape([k])
    }

    /// Compares (k, N, N) intensities with measured amplitudes; see `wave`.
    fn judge(&self, intensity: Tensor<3>, amplitude: Tensor<3>) -> Judged {
        let intensity = intensity + self.floor();
        let (misfit, measured, wrong) = match self.loss {
            DirectLoss::Amplitude => {
                let modulus = intensity.clone().sqrt();
                let apart = modulus.clone() - amplitude.clone();
                (apart.clone() * apart.clone(), amplitude * modulus.clone(), apart / modulus)
            }
            DirectLoss::Poisson => {
                let counts = amplitude.clone() * amplitude;
                let ratio = counts.clone() / intensity.clone();
                // k·ln(k/i) has the limit 0 at k = 0, which the clamp gives without a branch.
                let entropy = counts.clone() * ratio.clone().clamp_min(1e-30).log();
                let wrong = (ratio * -1.0 + 1.0).clamp_min(-1.0);
                (intensity.clone() - counts.clone() + entropy, counts, wrong)
            }
        };
        let wrong = match &self.good {
            Some(good) => wrong * good.clone(),
            None => wrong,
        };
        Judged { misfit: self.total(misfit), measured: self.total(measured), predicted: self.total(intensity), wrong }
    }

    fn upload(&self, object: &Array2<Complex32>) -> ComplexTensor<2> {
        let [height, width] = padded(object.dim());
        let part = |value: fn(&Complex32) -> f32| {
            let mut values = Array2::<f32>::zeros((height, width));
            let (rows, columns) = object.dim();
            values.slice_mut(s![..rows, ..columns]).zip_mut_with(object, |to, from| *to = value(from));
            Tensor::from_data(TensorData::new(values.into_raw_vec_and_offset().0, [height, width]), &self.device)
        };
        ComplexTensor { re: part(|z| z.re), im: part(|z| z.im) }
    }
}

/// Numbers of patterns, in pieces that see small parts of the object, in an order that the positions alone decide.
fn near_each_other(solver: &Solver<'_>) -> Vec<Vec<usize>> {
    let side = solver.side;
    // A square of this many pixels on a side can be seen by one piece.
    let reach = 4 * side;
    let modes = solver.probe.dim().0;
    let most = (VALUES / (side * 2 * side * modes)).min(VALUES / (side * reach)).clamp(1, PIECE);
    let tile = reach - side;
    let mut order: Vec<(usize, usize, usize)> = (0..solver.positions.len())
        .map(|k| {
            let (top, left, _) = solver.place(k);
            (top / tile, left / tile, k)
        })
        .collect();
    order.sort_unstable();
    let by_tile = order.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    by_tile.flat_map(|tile| tile.chunks(most)).map(|piece| piece.iter().map(|p| p.2).collect()).collect()
}

/// The same for (k, modes, N, N) as for (k·modes, N, N).
fn flat(field: ComplexTensor<4>, f: impl Fn(ComplexTensor<3>) -> ComplexTensor<3>) -> ComplexTensor<4> {
    let [k, modes, n, _] = field.re.dims();
    f(field.map(|t| t.reshape([k * modes, n, n]))).map(|t| t.reshape([k, modes, n, n]))
}

/// Σ over the modes of |z|²: (k, modes, N, N) → (k, N, N).
fn intensity(z: &ComplexTensor<4>) -> Tensor<3> {
    let [k, _, n, _] = z.re.dims();
    sum_over(z.clone().norm_sqr(), 1).reshape([k, n, n])
}

/// `to` with `part` added where the piece lies.
fn added(to: Tensor<2>, place: &Place, part: Tensor<2>) -> Tensor<2> {
    let ([top, left], [rows, columns]) = (place.corner, place.sides);
    let window = [top..top + rows, left..left + columns];
    let sum = to.clone().slice(window.clone()) + part;
    to.slice_assign(window, sum)
}

/// Rows and columns that an object has on the device.
fn padded((height, width): (usize, usize)) -> [usize; 2] {
    [height, width].map(|side| side.next_multiple_of(STEP))
}

/// The values of an object of this shape, out of the padded tensor.
fn download(tensor: Tensor<2>, shape: (usize, usize)) -> Result<Array2<f32>> {
    let padded = tensor.dims();
    let whole = Array2::from_shape_vec(padded, read(tensor, "a result")?)
        .map_err(|e| Error::failed(format!("A result of the device has the wrong size ({e})")))?;
    Ok(whole.slice(s![..shape.0, ..shape.1]).to_owned())
}

fn complex(re: &Array2<f32>, im: &Array2<f32>) -> Array2<Complex32> {
    ndarray::Zip::from(re).and(im).map_collect(|re, im| Complex32::new(*re, *im))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::solver::{Direct, Start, solve, solve_on, solve_where_faster};
    use crate::config::{DataConfig, DirectConfig, DirectLoss};
    use crate::data::Dataset;
    use burn::tensor::Device;
    use num_complex::Complex32;
    use std::path::Path;

    fn part_of_a_real_scan() -> Dataset {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        let whole = Dataset::load(&path, &DataConfig::default(), 0).unwrap();
        whole.subset(&(0..60).collect::<Vec<_>>())
    }

    fn distance(a: &Direct, b: &Direct) -> f32 {
        let pairs = a.reconstruction.object.iter().zip(&b.reconstruction.object);
        let apart: f32 = pairs.clone().map(|(a, b)| (a - b).norm_sqr()).sum();
        (apart / pairs.map(|(a, _)| a.norm_sqr()).sum::<f32>()).sqrt()
    }

    #[test]
    fn the_faster_of_device_and_cpu_is_found_and_does_the_work() {
        let dataset = part_of_a_real_scan();
        let config = DirectConfig { epochs: 3, refine_probe: true, ..DirectConfig::default() };
        let (found, speed) =
            solve_where_faster(&Device::flex(), &dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        assert!(speed > 0.0 && speed.is_finite(), "{speed}");
        // Either is right; which one it was shows in the last bits.
        let by_cpu = solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        assert_eq!(found.reconstruction == by_cpu.reconstruction, speed < 1.0, "{speed}");
        assert!(distance(&found, &by_cpu) < 2e-3);
    }

    #[test]
    fn the_device_finds_what_the_cpu_finds_whatever_is_asked_for() {
        let plain = part_of_a_real_scan();
        let mut masked = plain.clone();
        let mut good = ndarray::Array2::from_elem((64, 64), true);
        good.slice_mut(ndarray::s![40..46, 20..50]).fill(false);
        masked.mask = Some(good);
        let mut wrong = plain.clone();
        wrong.probe.indexed_iter_mut().for_each(|((_, y, _), z)| *z *= Complex32::from_polar(1.0, y as f32 / 64.0));
        let settings = DirectConfig { epochs: 9, ..DirectConfig::default() };
        let poisson = DirectConfig { loss: DirectLoss::Poisson, total_variation: 0.01, ..settings.clone() };
        let probe = DirectConfig { refine_probe: true, probe_modes: Some(2), epochs: 12, ..settings.clone() };
        let places = DirectConfig { refine_positions: true, refine_intensity: true, ..settings.clone() };
        for (what, dataset, config) in [
            ("plain", &plain, &settings),
            ("masked", &masked, &settings),
            ("Poisson, total variation", &plain, &poisson),
            ("probe with two modes", &wrong, &probe),
            ("positions and intensities", &plain, &places),
        ] {
            let cpu = solve(dataset, config, &Start::Flat, &mut |_, _| true).unwrap();
            let device = solve_on(&Device::flex(), dataset, config, &Start::Flat, &mut |_, _| true).unwrap();
            let apart = distance(&cpu, &device);
            assert!(apart < 2e-3, "{what}: objects differ by {apart}");
            for (epoch, (a, b)) in cpu.misfits.iter().zip(&device.misfits).enumerate() {
                assert!((a - b).abs() < 1e-3 * a, "{what}, epoch {epoch}: {a} and {b}");
            }
            if let (Some(a), Some(b)) = (&cpu.refined.positions, &device.refined.positions) {
                let far = a.iter().zip(b).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).fold(0.0, f64::max);
                assert!(far < 0.01 && a != &dataset.positions, "{what}: {far} px");
            }
            if let (Some(a), Some(b)) = (&cpu.refined.intensities, &device.refined.intensities) {
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3), "{what}");
            }
        }
    }
}
