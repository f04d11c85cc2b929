//! The object that explains all patterns best.

use super::wave::{Answer, Optics};
use crate::config::DirectConfig;
use crate::data::{self, Canvas, Dataset, Reconstruction};
use crate::error::{Error, Problem, Result};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Shifted probes are kept when they take less memory than this, in bytes; else they are made anew at each use.
const KEPT_PROBES: usize = 1 << 30;

/// Where the solver starts.
pub enum Start<'a> {
    /// At an object that lets everything through.
    Flat,
    /// At this object, in the dataset's units: the network's, to be polished.
    From(&'a Reconstruction),
}

/// What the solver found.
#[derive(Debug, Clone)]
pub struct Direct {
    /// The object, in the dataset's units.
    pub reconstruction: Reconstruction,
    /// (modes, N, N) probe in the dataset's units: that of the dataset, refined if this was asked for.
    pub probe: Array3<Complex32>,
    /// Misfit relative to the counts after each epoch, ΣI-normalised.
    pub misfits: Vec<f64>,
    /// Whether it was ended before its time.
    pub stopped: bool,
}

/// Finds the object.
///
/// `watch` is called before each batch with the share done and the misfit of the last whole epoch, if there is one; false
/// ends the work, with its result so far.
///
/// # Errors
/// No pattern, or values that are not finite.
pub fn solve(
    dataset: &Dataset,
    config: &DirectConfig,
    seed: u64,
    start: &Start<'_>,
    watch: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<Direct> {
    let mut solver = Solver::new(dataset, config, start)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = dataset.len();
    let mut order: Vec<usize> = (0..n).collect();
    let batched = (config.epochs as f64 * config.batched_share).round() as usize;
    let mut misfits: Vec<f64> = Vec::new();
    let mut stopped = false;
    'epochs: for epoch in 0..config.epochs {
        order.shuffle(&mut rng);
        let together = epoch >= batched;
        let size = if together { n } else { config.batch_size.clamp(1, n) };
        let mut misfit = 0.0;
        if together && epoch == batched {
            solver.start_acceleration();
        }
        for (index, batch) in order.chunks(size).enumerate() {
            let share = (epoch as f64 + index as f64 * size as f64 / n as f64) / config.epochs as f64;
            if !watch(share, misfits.last().copied()) {
                stopped = true;
                break 'epochs;
            }
            misfit += if together { solver.step_together(batch) } else { solver.step_batch(batch) };
        }
        misfits.push(misfit / solver.counts);
        if !misfit.is_finite() {
            return Err(Error::Failed(
                Problem::new("The direct reconstruction ran into values that are not numbers")
                    .hint("Check the dataset with `ptychoscope inspect`"),
            ));
        }
    }
    watch(1.0, misfits.last().copied());
    Ok(solver.finish(dataset, misfits, stopped))
}

struct Solver<'a> {
    config: &'a DirectConfig,
    optics: Optics,
    side: usize,
    canvas: Canvas,
    /// Top left pixel and sub-pixel rest `(dy, dx)` of each patch.
    places: Vec<(usize, usize, [f32; 2])>,
    amplitudes: Vec<Vec<f32>>,
    /// Σ over patterns of Σ a², in normalised units.
    counts: f64,
    probe: Array3<Complex32>,
    /// The probe at the sub-pixel place of each pattern, where there is memory for it.
    probes: Option<Vec<Array3<Complex32>>>,
    object: Array2<Complex32>,
    /// Σ |P|² at each pixel over all patterns.
    illumination: Array2<f32>,
    /// What batches carry on from one to the next.
    velocity: Array2<Complex32>,
    /// Where the accelerated steps came from, and their number since the last restart.
    previous: Array2<Complex32>,
    since_restart: f32,
    last_misfit: f64,
    normalization: f64,
    probe_factor: f64,
}

impl<'a> Solver<'a> {
    fn new(dataset: &Dataset, config: &'a DirectConfig, start: &Start<'_>) -> Result<Self> {
        let side = dataset.patch_size();
        let normalization = data::normalization_factor(dataset.diffraction.view())?;
        let energy: f64 = dataset.probe.iter().map(|z| f64::from(z.norm_sqr())).sum();
        let probe_factor = (side as f64 / 2.0) / energy.sqrt();
        if !probe_factor.is_finite() || probe_factor <= 0.0 {
            return Err(Error::BadInput(
                Problem::new("The probe is zero everywhere or not finite")
                    .expected("a complex probe with some energy")
                    .hint("Check the key probeGuess of the dataset"),
            ));
        }
        let probe = dataset.probe.mapv(|z| z * probe_factor as f32);
        let optics = Optics::new(side);
        let canvas = Canvas::around(&dataset.positions, side);
        let places: Vec<_> = dataset
            .positions
            .iter()
            .map(|&position| {
                let (top, left, dy, dx) = canvas.corner(position, side);
                (top, left, [dy, dx])
            })
            .collect();
        let amplitudes: Vec<Vec<f32>> = dataset
            .diffraction
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|pattern| optics.arranged(pattern, normalization as f32))
            .collect();
        let counts = dataset.len() as f64 * (side as f64 / 2.0).powi(2);
        let object = match start {
            Start::Flat => Array2::from_elem((canvas.height, canvas.width), Complex32::new(1.0, 0.0)),
            Start::From(given) => laid_on(given, &canvas, (normalization / probe_factor) as f32),
        };
        let mut solver = Self {
            config,
            optics,
            side,
            canvas,
            places,
            amplitudes,
            counts,
            probes: None,
            illumination: Array2::zeros(object.dim()),
            velocity: Array2::zeros(object.dim()),
            previous: object.clone(),
            object,
            probe,
            since_restart: 0.0,
            last_misfit: f64::INFINITY,
            normalization,
            probe_factor,
        };
        solver.move_probes();
        Ok(solver)
    }

    /// Makes the probes at their sub-pixel places, and what they light together.
    fn move_probes(&mut self) {
        let bytes = self.places.len() * self.probe.len() * size_of::<Complex32>();
        let probes: Vec<Array3<Complex32>> = if bytes <= KEPT_PROBES {
            let (optics, probe) = (&self.optics, self.probe.view());
            self.places.par_iter().map(|&(.., rest)| optics.shifted(probe, rest)).collect()
        } else {
            Vec::new()
        };
        self.illumination.fill(0.0);
        let base = intensity(&self.probe);
        for (index, &(top, left, _)) in self.places.iter().enumerate() {
            let here = probes.get(index).map(intensity);
            let intensity = here.as_ref().unwrap_or(&base);
            let mut window = self.illumination.slice_mut(ndarray::s![top..top + self.side, left..left + self.side]);
            window += intensity;
        }
        self.probes = (!probes.is_empty()).then_some(probes);
    }

    /// Misfits and gradients of these patterns at `object`, in their order.
    fn answers(&self, batch: &[usize], object: &Array2<Complex32>, with_probe: bool) -> Vec<Answer> {
        batch
            .par_iter()
            .map(|&index| {
                let (top, left, rest) = self.places[index];
                let window = object.slice(ndarray::s![top..top + self.side, left..left + self.side]);
                let patch: Vec<Complex32> = window.iter().copied().collect();
                let made;
                let probe = match &self.probes {
                    Some(probes) => probes[index].view(),
                    None => {
                        made = self.optics.shifted(self.probe.view(), rest);
                        made.view()
                    }
                };
                self.optics.answer(&patch, probe, &self.amplitudes[index], self.config.loss, with_probe)
            })
            .collect()
    }

    /// Adds the gradients of patches to a canvas, in the order of the patterns.
    fn gathered(&self, batch: &[usize], answers: &[Answer]) -> Array2<Complex32> {
        let mut sum = Array2::<Complex32>::zeros(self.object.dim());
        for (&index, answer) in batch.iter().zip(answers) {
            let (top, left, _) = self.places[index];
            for (row, values) in answer.object.chunks_exact(self.side).enumerate() {
                let mut line = sum.slice_mut(ndarray::s![top + row, left..left + self.side]);
                line.iter_mut().zip(values).for_each(|(to, from)| *to += from);
            }
        }
        sum
    }

    /// One step on a few patterns; gives back their misfit.
    fn step_batch(&mut self, batch: &[usize]) -> f64 {
        let answers = self.answers(batch, &self.object, false);
        let gradient = self.gathered(batch, &answers);
        let mut lit = Array2::<f32>::zeros(self.object.dim());
        let base = intensity(&self.probe);
        for &index in batch {
            let (top, left, _) = self.places[index];
            let mut window = lit.slice_mut(ndarray::s![top..top + self.side, left..left + self.side]);
            window += &base;
        }
        let largest = base.iter().copied().fold(0.0f32, f32::max);
        let floor = self.config.regularization as f32 * largest;
        let (step, momentum) = (self.config.step as f32, self.config.momentum as f32);
        ndarray::Zip::from(&mut self.object).and(&mut self.velocity).and(&gradient).and(&lit).for_each(
            |object, velocity, gradient, lit| {
                *velocity = *velocity * momentum - gradient * (step / (lit + floor));
                *object += *velocity;
            },
        );
        answers.iter().map(|answer| answer.misfit).sum()
    }

    fn start_acceleration(&mut self) {
        self.previous = self.object.clone();
        self.since_restart = 0.0;
        self.last_misfit = f64::INFINITY;
    }

    /// One accelerated step on all patterns; gives back their misfit at the point it was taken from.
    fn step_together(&mut self, batch: &[usize]) -> f64 {
        let mut ordered = batch.to_vec();
        ordered.sort_unstable();
        let t = self.since_restart;
        let ahead = (t / (t + 3.0)) * if self.config.momentum > 0.0 { 1.0 } else { 0.0 };
        let point = ndarray::Zip::from(&self.object)
            .and(&self.previous)
            .map_collect(|now, before| now + (now - before) * ahead);
        let refine = self.config.refine_probe;
        let mut misfit = 0.0;
        let mut gradient = Array2::<Complex32>::zeros(self.object.dim());
        let mut probe_gradient = Array3::<Complex32>::zeros(self.probe.dim());
        // In pieces, so that memory does not grow with the number of patterns.
        for piece in ordered.chunks(256) {
            let answers = self.answers(piece, &point, refine);
            gradient += &self.gathered(piece, &answers);
            misfit += answers.iter().map(|answer| answer.misfit).sum::<f64>();
            if refine {
                self.gather_probe(piece, &answers, &mut probe_gradient);
            }
        }
        if misfit > self.last_misfit {
            // Acceleration has carried too far: start it anew.
            self.since_restart = 0.0;
        } else {
            self.since_restart += 1.0;
        }
        self.last_misfit = misfit;
        let largest = self.illumination.iter().copied().fold(0.0f32, f32::max);
        let floor = self.config.regularization as f32 * largest;
        let before = std::mem::replace(&mut self.object, point);
        ndarray::Zip::from(&mut self.object)
            .and(&gradient)
            .and(&self.illumination)
            .for_each(|object, gradient, lit| *object -= gradient / (lit + floor));
        self.previous = before;
        if refine {
            self.step_probe(&probe_gradient);
        }
        misfit
    }

    /// Adds up the probe's gradient, each moved back from its sub-pixel place.
    fn gather_probe(&self, piece: &[usize], answers: &[Answer], sum: &mut Array3<Complex32>) {
        let shape = self.probe.dim();
        let moved: Vec<Array3<Complex32>> = piece
            .par_iter()
            .zip(answers)
            .map(|(&index, answer)| {
                let rest = self.places[index].2;
                let gradient =
                    Array3::from_shape_vec(shape, answer.probe.clone()).unwrap_or_else(|_| Array3::zeros(shape));
                self.optics.shifted(gradient.view(), [-rest[0], -rest[1]])
            })
            .collect();
        moved.iter().for_each(|gradient| *sum += gradient);
    }

    /// One step of the probe along its majorant; its power stays what it was.
    fn step_probe(&mut self, gradient: &Array3<Complex32>) {
        let mut seen = Array2::<f32>::zeros((self.side, self.side));
        for &(top, left, _) in &self.places {
            let window = self.object.slice(ndarray::s![top..top + self.side, left..left + self.side]);
            ndarray::Zip::from(&mut seen).and(&window).for_each(|sum, value| *sum += value.norm_sqr());
        }
        let largest = seen.iter().copied().fold(0.0f32, f32::max);
        let floor = self.config.regularization as f32 * largest;
        let power: f32 = self.probe.iter().map(Complex32::norm_sqr).sum();
        for (mut mode, gradient) in self.probe.axis_iter_mut(Axis(0)).zip(gradient.axis_iter(Axis(0))) {
            ndarray::Zip::from(&mut mode)
                .and(&gradient)
                .and(&seen)
                .for_each(|probe, gradient, seen| *probe -= gradient / (seen + floor));
        }
        let now: f32 = self.probe.iter().map(Complex32::norm_sqr).sum();
        let back = (power / now.max(f32::MIN_POSITIVE)).sqrt();
        self.probe.mapv_inplace(|value| value * back);
        self.move_probes();
    }

    fn finish(self, dataset: &Dataset, misfits: Vec<f64>, stopped: bool) -> Direct {
        let to_dataset_units = (self.probe_factor / self.normalization) as f32;
        let probe = if self.config.refine_probe {
            self.probe.mapv(|value| value / self.probe_factor as f32)
        } else {
            dataset.probe.clone()
        };
        let largest = self.illumination.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let unseen = 1e-6 * largest;
        let mut object = self.object.mapv(|value| value * to_dataset_units);
        let mut coverage = self.illumination;
        ndarray::Zip::from(&mut object).and(&mut coverage).for_each(|object, coverage| {
            if *coverage <= unseen {
                (*object, *coverage) = (Complex32::default(), 0.0);
            }
        });
        let reconstruction = Reconstruction { object, coverage, origin_xy: self.canvas.origin, pixel_size_m: None };
        Direct { reconstruction, probe, misfits, stopped }
    }
}

/// Σ over modes of |P|², (N, N).
fn intensity(probe: &Array3<Complex32>) -> Array2<f32> {
    probe.mapv(|value| value.norm_sqr()).sum_axis(Axis(0))
}

/// An object on another canvas; 1 (in normalised units) where it holds nothing.
fn laid_on(given: &Reconstruction, canvas: &Canvas, to_normalized: f32) -> Array2<Complex32> {
    let shift = |axis: usize| (canvas.origin[axis] - given.origin_xy[axis]).round() as i64;
    let (dx, dy) = (shift(0), shift(1));
    Array2::from_shape_fn((canvas.height, canvas.width), |(y, x)| {
        let at = (usize::try_from(y as i64 + dy), usize::try_from(x as i64 + dx));
        let value = match at {
            (Ok(y), Ok(x)) => given.object.get((y, x)).filter(|_| given.coverage[(y, x)] > 0.0),
            _ => None,
        };
        value.map_or(Complex32::new(1.0, 0.0), |value| value * to_normalized)
    })
}
