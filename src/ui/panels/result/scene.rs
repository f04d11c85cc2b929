//! What is shown, made from what was stored: cut to what was seen, in the gauge asked for, beside the truth or another run.
//!
//! A scene takes a part of a second for a million pixels, so it is made in the background and kept until an input changes.

use super::metrics::{self, Agreement};
use crate::data;
use crate::imaging::{self, Histogram, Ordered, RampFit};
use crate::worker::message::ResultData;
use ndarray::{Array2, s};
use num_complex::Complex32;
use std::sync::Arc;

const BINS: usize = 160;

/// What a picture shows of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Modulus.
    Amplitude,
    /// Angle.
    Phase,
    /// Both, as brightness and hue.
    Complex,
    /// Summed weight of the patches.
    Coverage,
    /// Misfit of the patterns around.
    Residual,
}

impl Quantity {
    /// All, in the order they are offered.
    pub const ALL: [Self; 5] = [Self::Amplitude, Self::Phase, Self::Complex, Self::Coverage, Self::Residual];

    /// What a person is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Amplitude => "Amplitude",
            Self::Phase => "Phase",
            Self::Complex => "Complex",
            Self::Coverage => "Coverage",
            Self::Residual => "Residual",
        }
    }

    /// What it is, in a sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Amplitude => "How much light the object lets through",
            Self::Phase => "By how much the object delays the light, in radians",
            Self::Complex => "Phase as hue, amplitude as brightness; all hues are equally light",
            Self::Coverage => "How much light the scan has put on each pixel",
            Self::Residual => "How badly the patterns around a place are explained by the object: Σ(|F| − √I)² / ΣI",
        }
    }

    /// Unit of its values.
    pub fn unit(self) -> &'static str {
        if self == Self::Phase { "rad" } else { "" }
    }
}

/// What is taken off the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gauge {
    /// Nothing.
    Stored,
    /// The mean.
    Offset,
    /// The mean and the linear ramp: neither is determined by the data.
    #[default]
    Ramp,
}

impl Gauge {
    /// All, from least to most.
    pub const ALL: [Self; 3] = [Self::Stored, Self::Offset, Self::Ramp];

    /// What a person is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Stored => "Nothing",
            Self::Offset => "Offset",
            Self::Ramp => "Offset and ramp",
        }
    }
}

/// With what the result is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Against {
    /// The object the dataset brings.
    #[default]
    Truth,
    /// Another run.
    Run,
}

/// How a scene is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// What is taken off the phase.
    pub gauge: Gauge,
    /// Whether jumps of 2π are taken out of the phase.
    pub unwrap: bool,
    /// With what the result is compared; none if there is nothing.
    pub against: Option<Against>,
    /// Whether the amplitude of the other is scaled to that of the result.
    pub match_amplitude: bool,
}

/// Values with what their colours are chosen by.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// (H, W) values.
    pub values: Array2<f32>,
    /// Their histogram, without the far tails.
    pub histogram: Histogram,
    /// Their percentiles.
    pub ordered: Ordered,
}

impl Plane {
    fn new(values: Array2<f32>, seen: &Array2<bool>) -> Self {
        let ordered = Ordered::of(values.view(), seen.view());
        let mut range = ordered.limits(0.001, 0.999);
        let margin = 0.15 * (range.high - range.low);
        let whole = ordered.limits(0.0, 1.0);
        range.low = (range.low - margin).max(whole.low);
        range.high = (range.high + margin).min(whole.high);
        let histogram = Histogram::within(values.view(), seen.view(), BINS, range);
        Self { values, histogram, ordered }
    }
}

/// One object: the result, or what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// What a person is shown.
    pub name: String,
    /// (H, W) object in the gauge asked for.
    pub object: Array2<Complex32>,
    /// (H, W) pixels that were seen.
    pub seen: Array2<bool>,
    /// Modulus.
    pub amplitude: Plane,
    /// Angle, radians.
    pub phase: Plane,
    /// Summed weights.
    pub coverage: Option<Plane>,
    /// Misfit of the patterns around.
    pub residual: Option<Plane>,
}

impl Layer {
    /// The values of a quantity; the amplitude for the complex picture; none if it is not known of this object.
    pub fn plane(&self, quantity: Quantity) -> Option<&Plane> {
        match quantity {
            Quantity::Amplitude | Quantity::Complex => Some(&self.amplitude),
            Quantity::Phase => Some(&self.phase),
            Quantity::Coverage => self.coverage.as_ref(),
            Quantity::Residual => self.residual.as_ref(),
        }
    }

    fn new(name: String, object: Array2<Complex32>, seen: Array2<bool>, unwrap: bool) -> Self {
        let amplitude = Plane::new(object.mapv(|v| v.norm()), &seen);
        let mut phase = object.mapv(|v| v.arg());
        if unwrap {
            phase = imaging::unwrap_phase(phase.view(), seen.view());
        }
        let phase = Plane::new(phase, &seen);
        Self { name, object, seen, amplitude, phase, coverage: None, residual: None }
    }
}

/// Everything the pictures of the panel are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Column and row of the stored object at which the pictures begin.
    pub corner: [usize; 2],
    /// Columns and rows of the pictures.
    pub size: [usize; 2],
    /// Side of a pixel in metres, if known.
    pub pixel_size_m: Option<f64>,
    /// The result.
    pub result: Layer,
    /// What it is compared with.
    pub other: Option<Layer>,
    /// Result minus other: amplitude and phase.
    pub difference: Option<Layer>,
    /// What was taken off the phase of the result.
    pub fit: RampFit,
    /// By what the amplitude of the other was multiplied.
    pub amplitude_scale: f64,
    /// How well the two agree; or why that cannot be said.
    pub agreement: Option<Result<Agreement, String>>,
    /// Places of the patterns in the picture, `[x, y]` in pixels from its top left corner.
    pub places: Vec<[f64; 2]>,
    /// Misfit of each pattern.
    pub residuals: Vec<f64>,
}

impl Scene {
    /// Makes a scene; `beside` is the other run.
    pub fn new(result: &ResultData, beside: Option<&Arc<ResultData>>, options: Options) -> Self {
        let whole = result.reconstruction.object.dim();
        // What was never seen is left out of the pictures, except where nothing was.
        let (top, left, height, width) =
            imaging::covered_box(result.covered.view()).unwrap_or((0, 0, whole.0, whole.1));
        let inside = s![top..top + height, left..left + width];
        let seen = result.covered.slice(inside).to_owned();
        let mut object = result.reconstruction.object.slice(inside).to_owned();
        let [x0, y0] = result.reconstruction.origin_xy;
        let places: Vec<[f64; 2]> = result
            .positions
            .iter()
            // The middle of pixel [0, 0] is half a pixel from the corner.
            .map(|[x, y]| [x - x0 - left as f64 + 0.5, y - y0 - top as f64 + 0.5])
            .collect();
        let indices: Vec<[f64; 2]> = places.iter().map(|[x, y]| [x - 0.5, y - 0.5]).collect();
        let mut other = match options.against {
            None => None,
            Some(Against::Truth) => result.truth.as_ref().map(|truth| {
                let truth = truth.slice(inside).to_owned();
                let known = truth.mapv(|v| v.re.is_finite() && v.im.is_finite());
                ("Truth".to_owned(), truth, known)
            }),
            Some(Against::Run) => beside.map(|run| {
                let (object, known) = in_frame(run, result, [left, top], (height, width));
                let name = run.folder.file_name().map(|name| name.to_string_lossy().into_owned());
                (name.unwrap_or_else(|| "Other run".to_owned()), object, known)
            }),
        };
        let fit;
        let (mut amplitude_scale, mut agreement) = (1.0, None);
        match &mut other {
            None => fit = set_gauge(&mut object, &seen, options.gauge),
            Some((_, truth, known)) => {
                // Seen in both, so that one does not stand out where the other has nothing.
                for (known, seen) in known.iter_mut().zip(&seen) {
                    *known = *known && *seen;
                }
                set_gauge(truth, known, options.gauge);
                fit = match_gauge(&mut object, truth, known, options.gauge);
                if options.match_amplitude {
                    amplitude_scale = least_squares(truth, &object, known);
                    let scale = amplitude_scale as f32;
                    truth.mapv_inplace(|v| v * scale);
                }
                let stored =
                    (options.against == Some(Against::Truth)).then(|| metrics::as_in_summary(result)).flatten();
                // In the frame of the pictures, unless they leave a part of the scan out.
                let stored = stored.and_then(|c| {
                    let inside = |ends: [usize; 2], first: usize, length: usize| {
                        let ends = [ends[0].checked_sub(first)?, ends[1].checked_sub(first)?];
                        (ends[1] <= length).then_some(ends)
                    };
                    let (rows, columns) = (inside(c.rows, top, height)?, inside(c.columns, left, width)?);
                    Some(crate::metrics::Correlation { rows, columns, ..c })
                });
                agreement = Some(metrics::agreement(&object, truth, known, &indices, stored));
            }
        }
        let mut layer = Layer::new("Result".to_owned(), object, seen, options.unwrap);
        layer.coverage = Some(Plane::new(result.reconstruction.coverage.slice(inside).to_owned(), &layer.seen));
        if !result.residuals.is_empty() {
            let reach = spacing(&places).max(1.0);
            let map = imaging::spread(&indices, &result.residuals, (height, width), reach);
            // Beyond the scan there is no pattern whose misfit could be told.
            let known = Array2::from_shape_fn((height, width), |at| {
                layer.seen.get(at).copied().unwrap_or(false) && map.get(at).is_some_and(|v| v.is_finite())
            });
            layer.residual = Some(Plane::new(map, &known));
        }
        let other = other.map(|(name, object, known)| Layer::new(name, object, known, options.unwrap));
        let difference = other.as_ref().map(|other| {
            let mut difference = other.clone();
            difference.name = format!("Result minus {}", lower_first(&other.name));
            let amplitude = &layer.amplitude.values - &other.amplitude.values;
            let phase = imaging::phase_difference(layer.phase.values.view(), other.phase.values.view());
            difference.amplitude = Plane::new(amplitude, &other.seen);
            difference.phase = Plane::new(phase, &other.seen);
            difference.object = &layer.object - &other.object;
            difference
        });
        Self {
            corner: [left, top],
            size: [width, height],
            pixel_size_m: result.reconstruction.pixel_size_m,
            result: layer,
            other,
            difference,
            fit,
            amplitude_scale,
            agreement,
            places,
            residuals: result.residuals.clone(),
        }
    }

    /// The pattern nearest to a place in the picture, if one is within a few steps of the scan.
    pub fn nearest_pattern(&self, x: f64, y: f64) -> Option<usize> {
        let distance = |place: &[f64; 2]| (place[0] - x).hypot(place[1] - y);
        let (index, place) =
            self.places.iter().enumerate().min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
        (distance(place) < 3.0 * spacing(&self.places).max(1.0)).then_some(index)
    }
}

fn lower_first(name: &str) -> String {
    if name == "Truth" { "truth".to_owned() } else { name.to_owned() }
}

/// About how far neighbouring places lie apart, in pixels, from the area they fill.
fn spacing(places: &[[f64; 2]]) -> f64 {
    let extent = |axis: usize| {
        let values = places.iter().map(|place| place[axis]).filter(|v| v.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        (high - low).max(0.0)
    };
    if places.len() < 2 {
        return 1.0;
    }
    let area: f64 = extent(0).max(1.0) * extent(1).max(1.0);
    (area / places.len() as f64).sqrt()
}

/// A run in the frame of the result that begins at `corner` (column, row); NaN and unknown where it has nothing.
fn in_frame(
    run: &ResultData,
    result: &ResultData,
    corner: [usize; 2],
    shape: (usize, usize),
) -> (Array2<Complex32>, Array2<bool>) {
    let shift = |axis: usize| {
        let difference = result.reconstruction.origin_xy[axis] - run.reconstruction.origin_xy[axis];
        difference.round() as i64 + corner[axis] as i64
    };
    let corner = [shift(0), shift(1)];
    let known = data::in_frame(&run.covered, corner, shape, false);
    let object = data::in_frame(&run.reconstruction.object, corner, shape, Complex32::new(f32::NAN, f32::NAN));
    (object, known)
}

/// Takes off the phase of an object what is asked for; gives back what was taken.
fn set_gauge(object: &mut Array2<Complex32>, seen: &Array2<bool>, gauge: Gauge) -> RampFit {
    match gauge {
        Gauge::Stored => RampFit::default(),
        Gauge::Ramp => {
            let (flat, fit) = imaging::remove_ramp(object.view(), seen.view());
            *object = flat;
            fit
        }
        Gauge::Offset => {
            let mut sum = num_complex::Complex64::default();
            for (value, _) in object.iter().zip(seen).filter(|(v, seen)| **seen && v.re.is_finite() && v.im.is_finite())
            {
                sum += num_complex::Complex64::new(f64::from(value.re), f64::from(value.im));
            }
            let fit = RampFit { offset: if sum.norm() > 0.0 { sum.arg() } else { 0.0 }, ..RampFit::default() };
            take_off(object, fit);
            fit
        }
    }
}

/// As [`set_gauge`], but so that the object has the gauge of another one.
fn match_gauge(
    object: &mut Array2<Complex32>,
    other: &Array2<Complex32>,
    both: &Array2<bool>,
    gauge: Gauge,
) -> RampFit {
    let mut product = Array2::from_shape_fn(object.dim(), |at| match (object.get(at), other.get(at)) {
        (Some(a), Some(b)) => a * b.conj(),
        _ => Complex32::default(),
    });
    let fit = set_gauge(&mut product, both, gauge);
    take_off(object, fit);
    fit
}

fn take_off(object: &mut Array2<Complex32>, fit: RampFit) {
    for ((y, x), value) in object.indexed_iter_mut() {
        let angle = fit.offset + fit.slope_y * y as f64 + fit.slope_x * x as f64;
        *value *= Complex32::from_polar(1.0, -(angle.rem_euclid(std::f64::consts::TAU)) as f32);
    }
}

/// Factor by which the amplitude of `other` best meets that of `object` where both are seen; 1 where there is none.
fn least_squares(other: &Array2<Complex32>, object: &Array2<Complex32>, both: &Array2<bool>) -> f64 {
    let (mut product, mut energy) = (0.0, 0.0);
    for ((a, b), _) in object.iter().zip(other).zip(both).filter(|(_, both)| **both) {
        let (a, b) = (f64::from(a.norm()), f64::from(b.norm()));
        if a.is_finite() && b.is_finite() {
            product += a * b;
            energy += b * b;
        }
    }
    if energy > 0.0 && product > 0.0 { product / energy } else { 1.0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use crate::data::Reconstruction;

    /// A result with a square of its own phase on a ramp, seen in the middle, its truth, positions and misfits.
    pub fn example(side: usize) -> ResultData {
        let truth = Array2::from_shape_fn((side, side), |(y, x)| {
            let bright = (y / 6 + x / 6) % 2 == 0;
            Complex32::from_polar(
                if bright { 1.0 } else { 0.6 },
                if (side / 3..side / 2).contains(&x) { 0.8 } else { 0.0 },
            )
        });
        let object = Array2::from_shape_fn((side, side), |(y, x)| {
            1.25 * truth[(y, x)] * Complex32::from_polar(1.0, 0.4 + 0.05 * x as f32 - 0.08 * y as f32)
        });
        let inner = side / 8..side - side / 8;
        let covered = Array2::from_shape_fn((side, side), |(y, x)| inner.contains(&y) && inner.contains(&x));
        let coverage = covered.mapv(|c| if c { 1.0 } else { 0.0 });
        let positions: Vec<[f64; 2]> = (0..36)
            .map(|i| [10.0 + (side / 4 + (i % 6) * side / 12) as f64, 20.0 + (side / 4 + i / 6 * side / 12) as f64])
            .collect();
        ResultData {
            folder: "runs/example".into(),
            reconstruction: Reconstruction { object, coverage, origin_xy: [10.0, 20.0], pixel_size_m: Some(8e-9) },
            covered,
            truth: Some(truth),
            summary: None,
            history: Vec::new(),
            residuals: (0..positions.len()).map(|i| 0.01 + 0.001 * i as f64).collect(),
            positions,
        }
    }

    pub const OPTIONS: Options =
        Options { gauge: Gauge::Ramp, unwrap: false, against: Some(Against::Truth), match_amplitude: true };

    #[test]
    fn a_scene_is_cut_to_what_was_seen_and_meets_the_truth() {
        let data = example(64);
        let scene = Scene::new(&data, None, OPTIONS);
        assert_eq!((scene.corner, scene.size), ([8, 8], [48, 48]));
        let difference = scene.difference.as_ref().unwrap();
        assert!(difference.phase.values.iter().all(|v| v.abs() < 0.02), "the ramp is not that of the truth");
        assert!(difference.amplitude.values.iter().all(|v| v.abs() < 1e-3), "the amplitude was not matched");
        assert!((scene.amplitude_scale - 1.25).abs() < 1e-3);
        assert!((scene.result.amplitude.values[(0, 0)] - data.reconstruction.object[(8, 8)].norm()).abs() < 1e-5);
        let agreement = scene.agreement.as_ref().unwrap().as_ref().unwrap();
        assert!(agreement.phase.correlation > 0.999 && agreement.amplitude.correlation > 0.999);
        assert_eq!(scene.places[0], [16.0 - 8.0 + 0.5, 16.0 - 8.0 + 0.5]);
        assert_eq!(scene.nearest_pattern(8.0, 8.0), Some(0));
    }

    #[test]
    fn the_correlation_with_the_truth_is_that_of_the_summary_to_the_last_digit() {
        let mut data = example(96);
        let truth = data.truth.as_mut().unwrap();
        // A truth with a ramp and curvature of its own, and a result that is not perfect.
        for ((y, x), value) in truth.indexed_iter_mut() {
            *value *= Complex32::from_polar(1.0, 0.03 * x as f32 - 0.02 * y as f32 + 2e-4 * (x * y) as f32);
        }
        let truth = truth.clone();
        for ((y, x), value) in data.reconstruction.object.indexed_iter_mut() {
            let error = 0.25 * ((x * 13 + y * 7) % 11) as f32 / 11.0;
            *value = truth[(y, x)] * Complex32::from_polar(1.0 + error, error - 0.05 * x as f32);
        }
        // The whole truth, of which the result's frame shows a part.
        let mut whole = Array2::from_elem((140, 130), Complex32::new(0.2, 0.1));
        whole.slice_mut(s![20..20 + 96, 10..10 + 96]).assign(&truth);
        let (object, origin) = (&data.reconstruction.object, data.reconstruction.origin_xy);
        let summary = crate::metrics::phase_correlation(object.view(), origin, whole.view(), &data.positions).unwrap();
        assert!(summary.phase < 0.995, "{summary:?}");
        for gauge in Gauge::ALL {
            let scene = Scene::new(&data, None, Options { gauge, ..OPTIONS });
            let agreement = scene.agreement.unwrap().unwrap();
            assert_eq!(agreement.phase.correlation, summary.phase);
            assert_eq!(agreement.amplitude.correlation, summary.amplitude);
            assert!(agreement.is_scan);
            assert_eq!(agreement.size[0], summary.columns[1] - summary.columns[0]);
        }
    }

    #[test]
    fn without_a_truth_the_ramp_goes_too_and_as_stored_nothing_does() {
        let mut data = example(64);
        data.truth = None;
        let plain = Scene::new(&data, None, Options { against: None, ..OPTIONS });
        assert!(plain.other.is_none() && plain.agreement.is_none());
        assert!((plain.fit.slope_x - 0.05).abs() < 0.03 && (plain.fit.slope_y + 0.08).abs() < 0.03, "{:?}", plain.fit);
        let stored = Scene::new(&data, None, Options { against: None, gauge: Gauge::Stored, ..OPTIONS });
        assert_eq!(stored.result.object[(3, 5)], data.reconstruction.object[(11, 13)]);
    }

    #[test]
    fn another_run_is_laid_over_by_its_origin_and_nan_never_blanks_the_rest() {
        let data = example(64);
        let mut run = example(64);
        run.reconstruction.origin_xy = [12.0, 20.0];
        run.reconstruction.object[(20, 20)] = Complex32::new(f32::NAN, 0.0);
        let run = Arc::new(run);
        let scene = Scene::new(&data, Some(&run), Options { against: Some(Against::Run), ..OPTIONS });
        let other = scene.other.as_ref().unwrap();
        assert_eq!(other.name, "example");
        // Its pixel [20, 20] lies two columns further right in the frame of the result.
        assert!(other.amplitude.values[(20 - 8, 22 - 8)].is_nan());
        assert!(other.amplitude.values[(20 - 8, 23 - 8)].is_finite());
        assert!(!other.seen[(10, 0)] && other.seen[(10, 2)]);
        assert!(other.amplitude.ordered.at(0.5).unwrap().is_finite());
    }
}
