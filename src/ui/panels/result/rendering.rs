//! Display data of a result: cropped to the covered area, in the selected gauge, with the reference or another run.
//!
//! Rendering a megapixel object takes a fraction of a second, so it runs in the background and is cached until an input
//! changes.

use super::metrics::{self, Agreement};
use crate::data;
use crate::imaging::{self, Histogram, Percentiles, RampFit};
use crate::library::ResultData;
use ndarray::{Array2, s};
use num_complex::Complex32;
use std::sync::Arc;

/// Histogram bins.
const BINS: usize = 160;
/// Layer name of the result.
const RESULT: &str = "Result";
/// Layer name of the reference object stored in the dataset.
const REFERENCE: &str = "Reference";

/// Quantity displayed in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Modulus.
    Amplitude,
    /// Argument, radians.
    Phase,
    /// Phase as hue, amplitude as brightness.
    Complex,
    /// Summed weight of the patches at each pixel.
    Coverage,
    /// Misfit of the nearby patterns.
    Residual,
}

impl Quantity {
    /// All quantities, in display order.
    pub const ALL: [Self; 5] = [Self::Amplitude, Self::Phase, Self::Complex, Self::Coverage, Self::Residual];

    /// Display name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Amplitude => "Amplitude",
            Self::Phase => "Phase",
            Self::Complex => "Complex",
            Self::Coverage => "Coverage",
            Self::Residual => "Residual",
        }
    }

    /// Tooltip.
    pub fn help(self) -> &'static str {
        match self {
            Self::Amplitude => "Object transmission amplitude",
            Self::Phase => "Phase shift of the object, in radians",
            Self::Complex => "Phase as hue, amplitude as brightness; all hues have equal lightness",
            Self::Coverage => "Illumination of each pixel, summed over the scan",
            Self::Residual => "Local misfit of the nearby patterns: Σ(|F| − √I)² / ΣI",
        }
    }

    /// Unit of the values; empty if dimensionless.
    pub fn unit(self) -> &'static str {
        if self == Self::Phase { "rad" } else { "" }
    }
}

/// Phase terms removed for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gauge {
    /// None: the phase as stored.
    Stored,
    /// The mean phase.
    Offset,
    /// The mean phase and the linear ramp; neither is determined by the data.
    #[default]
    Ramp,
}

impl Gauge {
    /// All, from least to most removed.
    pub const ALL: [Self; 3] = [Self::Stored, Self::Offset, Self::Ramp];

    /// Display name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Stored => "Nothing",
            Self::Offset => "Offset",
            Self::Ramp => "Offset and ramp",
        }
    }
}

/// Object the result is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reference {
    /// The reference object stored in the dataset.
    #[default]
    Dataset,
    /// Another run.
    Run,
}

/// Options of a rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// Phase terms removed.
    pub gauge: Gauge,
    /// True to unwrap the phase.
    pub unwrap: bool,
    /// Object to compare with; `None` if unavailable.
    pub reference: Option<Reference>,
    /// True to scale the amplitude of the compared object to that of the result.
    pub match_amplitude: bool,
}

/// Values of a quantity, with the statistics used for color limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// (H, W) values.
    pub values: Array2<f32>,
    /// Histogram without the far tails.
    pub histogram: Histogram,
    /// Percentiles of the values.
    pub ordered: Percentiles,
}

impl Plane {
    fn new(values: Array2<f32>, covered: &Array2<bool>) -> Self {
        let ordered = Percentiles::of(values.view(), covered.view());
        let mut range = ordered.limits(0.001, 0.999);
        let margin = 0.15 * (range.high - range.low);
        let whole = ordered.limits(0.0, 1.0);
        range.low = (range.low - margin).max(whole.low);
        range.high = (range.high + margin).min(whole.high);
        let histogram = Histogram::within(values.view(), covered.view(), BINS, range);
        Self { values, histogram, ordered }
    }
}

/// One object: the result, or the object it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Display name.
    pub name: String,
    /// (H, W) object in the selected gauge.
    pub object: Array2<Complex32>,
    /// (H, W) true for covered pixels.
    pub covered: Array2<bool>,
    /// Modulus.
    pub amplitude: Plane,
    /// Argument, radians.
    pub phase: Plane,
    /// Summed weight of the patches.
    pub coverage: Option<Plane>,
    /// Misfit of the nearby patterns.
    pub residual: Option<Plane>,
}

impl Layer {
    /// Values of a quantity; the amplitude for the complex image; `None` if not available for this object.
    pub fn plane(&self, quantity: Quantity) -> Option<&Plane> {
        match quantity {
            Quantity::Amplitude | Quantity::Complex => Some(&self.amplitude),
            Quantity::Phase => Some(&self.phase),
            Quantity::Coverage => self.coverage.as_ref(),
            Quantity::Residual => self.residual.as_ref(),
        }
    }

    fn new(name: String, object: Array2<Complex32>, covered: Array2<bool>, unwrap: bool) -> Self {
        let amplitude = Plane::new(object.mapv(|v| v.norm()), &covered);
        let mut phase = object.mapv(|v| v.arg());
        if unwrap {
            phase = imaging::unwrap_phase(phase.view(), covered.view());
        }
        let phase = Plane::new(phase, &covered);
        Self { name, object, covered, amplitude, phase, coverage: None, residual: None }
    }

    /// Name within a sentence: "the result", "the reference", or the name of the run.
    pub fn name_in_text(&self) -> String {
        match self.name.as_str() {
            RESULT => "the result".to_owned(),
            REFERENCE => "the reference".to_owned(),
            run => run.to_owned(),
        }
    }

    fn minus(&self, other: &Self) -> Self {
        let amplitude = &self.amplitude.values - &other.amplitude.values;
        let phase = imaging::phase_difference(self.phase.values.view(), other.phase.values.view());
        Self {
            name: format!("Result minus {}", other.name_in_text()),
            amplitude: Plane::new(amplitude, &other.covered),
            phase: Plane::new(phase, &other.covered),
            object: &self.object - &other.object,
            ..other.clone()
        }
    }
}

/// Display data of all images of the panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// Column and row of the stored object at the top left corner of the images.
    pub corner: [usize; 2],
    /// Columns and rows of the images.
    pub size: [usize; 2],
    /// Pixel size in meters, if known.
    pub pixel_size_m: Option<f64>,
    /// The result.
    pub result: Layer,
    /// Object the result is compared with.
    pub other: Option<Layer>,
    /// Result minus `other`: amplitude and phase.
    pub difference: Option<Layer>,
    /// Phase offset and ramp removed from the result.
    pub fit: RampFit,
    /// Factor applied to the amplitude of `other`.
    pub amplitude_scale: f64,
    /// Agreement of the two objects, or the reason why it cannot be computed.
    pub agreement: Option<Result<Agreement, String>>,
    /// True if the other object is another run, not the reference object of the dataset.
    pub with_run: bool,
    /// Scan positions `[x, y]`, in pixels from the top left corner of the images.
    pub positions: Vec<[f64; 2]>,
    /// Misfit of each pattern.
    pub residuals: Vec<f64>,
    /// Shift of each position by the refinement, pixels; empty if there was none.
    pub shifts: Vec<[f64; 2]>,
}

impl Rendering {
    /// Renders a result; `beside` is the other run.
    pub fn new(result: &ResultData, beside: Option<&Arc<ResultData>>, options: Options) -> Self {
        let whole = result.reconstruction.object.dim();
        // Crop to the covered area, unless nothing is covered.
        let (top, left, height, width) =
            imaging::covered_box(result.covered.view()).unwrap_or((0, 0, whole.0, whole.1));
        let inside = s![top..top + height, left..left + width];
        let covered = result.covered.slice(inside).to_owned();
        let mut object = result.reconstruction.object.slice(inside).to_owned();
        let [x0, y0] = result.reconstruction.origin_xy;
        let positions: Vec<[f64; 2]> = result
            .positions
            .iter()
            // The center of pixel [0, 0] is half a pixel from the corner.
            .map(|[x, y]| [x - x0 - left as f64 + 0.5, y - y0 - top as f64 + 0.5])
            .collect();
        let indices: Vec<[f64; 2]> = positions.iter().map(|[x, y]| [x - 0.5, y - 0.5]).collect();
        let mut other = reference_object(result, beside, options.reference, [top, left, height, width]);
        let fit;
        let (mut amplitude_scale, mut agreement) = (1.0, None);
        match &mut other {
            None => fit = apply_gauge(&mut object, &covered, options.gauge),
            Some((_, reference, known)) => {
                // Covered in both, so that neither extends beyond the other.
                for (known, covered) in known.iter_mut().zip(&covered) {
                    *known = *known && *covered;
                }
                apply_gauge(reference, known, options.gauge);
                fit = match_gauge(&mut object, reference, known, options.gauge);
                if options.match_amplitude {
                    amplitude_scale = fitted_amplitude_scale(reference, &object, known);
                    let scale = amplitude_scale as f32;
                    reference.mapv_inplace(|v| v * scale);
                }
                let stored =
                    (options.reference == Some(Reference::Dataset)).then(|| metrics::as_in_summary(result)).flatten();
                // In the frame of the images, if they contain the whole scan.
                let stored = stored.and_then(|c| {
                    let inside = |ends: [usize; 2], first: usize, length: usize| {
                        let ends = [ends[0].checked_sub(first)?, ends[1].checked_sub(first)?];
                        (ends[1] <= length).then_some(ends)
                    };
                    let (rows, columns) = (inside(c.rows, top, height)?, inside(c.columns, left, width)?);
                    Some(crate::metrics::Correlation { rows, columns, ..c })
                });
                agreement = Some(metrics::agreement(&object, reference, known, &indices, stored));
            }
        }
        let mut layer = Layer::new(RESULT.to_owned(), object, covered, options.unwrap);
        layer.coverage = Some(Plane::new(result.reconstruction.coverage.slice(inside).to_owned(), &layer.covered));
        if !result.residuals.is_empty() {
            let map = imaging::scatter_map(&indices, &result.residuals, (height, width), spacing(&positions).max(1.0));
            // The misfit is undefined outside the scan.
            let known = Array2::from_shape_fn((height, width), |at| {
                layer.covered.get(at).copied().unwrap_or(false) && map.get(at).is_some_and(|v| v.is_finite())
            });
            layer.residual = Some(Plane::new(map, &known));
        }
        let other = other.map(|(name, object, known)| Layer::new(name, object, known, options.unwrap));
        let difference = other.as_ref().map(|other| layer.minus(other));
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
            with_run: options.reference == Some(Reference::Run),
            shifts: result.shifts(),
            positions,
            residuals: result.residuals.clone(),
        }
    }

    /// Index of the pattern nearest to an image position, if one is within a few scan steps.
    pub fn nearest_pattern(&self, x: f64, y: f64) -> Option<usize> {
        let distance = |position: &[f64; 2]| (position[0] - x).hypot(position[1] - y);
        let (index, position) =
            self.positions.iter().enumerate().min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
        (distance(position) < 3.0 * spacing(&self.positions).max(1.0)).then_some(index)
    }
}

/// Approximate spacing of scan positions, in pixels, from the area they fill.
fn spacing(positions: &[[f64; 2]]) -> f64 {
    let extent = |axis: usize| {
        let values = positions.iter().map(|position| position[axis]).filter(|v| v.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        (high - low).max(0.0)
    };
    if positions.len() < 2 {
        return 1.0;
    }
    let area: f64 = extent(0).max(1.0) * extent(1).max(1.0);
    (area / positions.len() as f64).sqrt()
}

/// Name, object and known pixels of the object to compare with, cropped to `[top, left, height, width]` of the result.
fn reference_object(
    result: &ResultData,
    beside: Option<&Arc<ResultData>>,
    reference: Option<Reference>,
    [top, left, height, width]: [usize; 4],
) -> Option<(String, Array2<Complex32>, Array2<bool>)> {
    match reference? {
        Reference::Dataset => {
            let object = result.truth.as_ref()?.slice(s![top..top + height, left..left + width]).to_owned();
            let known = object.mapv(|v| v.re.is_finite() && v.im.is_finite());
            Some((REFERENCE.to_owned(), object, known))
        }
        Reference::Run => {
            let run = beside?;
            let (object, known) = in_frame(run, result, [left, top], (height, width));
            let name = run.folder.file_name().map(|name| name.to_string_lossy().into_owned());
            Some((name.unwrap_or_else(|| "Other run".to_owned()), object, known))
        }
    }
}

/// Resamples a run into the frame of the result starting at `corner` (column, row); NaN and false outside its object.
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
    let known = data::crop_to_frame(&run.covered, corner, shape, false);
    let object = data::crop_to_frame(&run.reconstruction.object, corner, shape, Complex32::new(f32::NAN, f32::NAN));
    (object, known)
}

/// Removes the phase terms of the gauge from an object; returns the removed terms.
fn apply_gauge(object: &mut Array2<Complex32>, covered: &Array2<bool>, gauge: Gauge) -> RampFit {
    match gauge {
        Gauge::Stored => RampFit::default(),
        Gauge::Ramp => {
            let (flat, fit) = imaging::remove_ramp(object.view(), covered.view());
            *object = flat;
            fit
        }
        Gauge::Offset => {
            let mut sum = num_complex::Complex64::default();
            for (value, _) in
                object.iter().zip(covered).filter(|(v, covered)| **covered && v.re.is_finite() && v.im.is_finite())
            {
                sum += num_complex::Complex64::new(f64::from(value.re), f64::from(value.im));
            }
            let fit = RampFit { offset: if sum.norm() > 0.0 { sum.arg() } else { 0.0 }, ..RampFit::default() };
            subtract_phase(object, fit);
            fit
        }
    }
}

/// Like [`apply_gauge`], but matches the gauge of another object.
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
    let fit = apply_gauge(&mut product, both, gauge);
    subtract_phase(object, fit);
    fit
}

fn subtract_phase(object: &mut Array2<Complex32>, fit: RampFit) {
    for ((y, x), value) in object.indexed_iter_mut() {
        let angle = fit.offset + fit.slope_y * y as f64 + fit.slope_x * x as f64;
        *value *= Complex32::from_polar(1.0, -(angle.rem_euclid(std::f64::consts::TAU)) as f32);
    }
}

/// Least-squares factor from the amplitude of `other` to that of `object` where both are covered; 1 if undetermined.
fn fitted_amplitude_scale(other: &Array2<Complex32>, object: &Array2<Complex32>, both: &Array2<bool>) -> f64 {
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
pub(super) mod tests {
    use super::*;
    use crate::data::Reconstruction;

    /// A result with a phase pattern on a ramp, covered in the middle, with reference, positions and misfits.
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
            refined: None,
            nominal: Vec::new(),
            max_shift: 0.0,
            positions,
        }
    }

    pub const OPTIONS: Options =
        Options { gauge: Gauge::Ramp, unwrap: false, reference: Some(Reference::Dataset), match_amplitude: true };

    #[test]
    fn a_rendering_is_cropped_to_the_covered_area_and_matched_to_the_reference() {
        let data = example(64);
        let rendering = Rendering::new(&data, None, OPTIONS);
        assert_eq!((rendering.corner, rendering.size), ([8, 8], [48, 48]));
        let difference = rendering.difference.as_ref().unwrap();
        assert!(difference.phase.values.iter().all(|v| v.abs() < 0.02), "the ramp differs from that of the reference");
        assert!(difference.amplitude.values.iter().all(|v| v.abs() < 1e-3), "the amplitude is not matched");
        assert!((rendering.amplitude_scale - 1.25).abs() < 1e-3);
        assert!((rendering.result.amplitude.values[(0, 0)] - data.reconstruction.object[(8, 8)].norm()).abs() < 1e-5);
        let agreement = rendering.agreement.as_ref().unwrap().as_ref().unwrap();
        assert!(agreement.phase.correlation > 0.999 && agreement.amplitude.correlation > 0.999);
        assert_eq!(rendering.positions[0], [16.0 - 8.0 + 0.5, 16.0 - 8.0 + 0.5]);
        assert_eq!(rendering.nearest_pattern(8.0, 8.0), Some(0));
    }

    #[test]
    fn the_correlation_with_the_reference_equals_that_of_the_summary() {
        let mut data = example(96);
        let truth = data.truth.as_mut().unwrap();
        // A reference with a ramp and curvature, and an imperfect result.
        for ((y, x), value) in truth.indexed_iter_mut() {
            *value *= Complex32::from_polar(1.0, 0.03 * x as f32 - 0.02 * y as f32 + 2e-4 * (x * y) as f32);
        }
        let truth = truth.clone();
        for ((y, x), value) in data.reconstruction.object.indexed_iter_mut() {
            let error = 0.25 * ((x * 13 + y * 7) % 11) as f32 / 11.0;
            *value = truth[(y, x)] * Complex32::from_polar(1.0 + error, error - 0.05 * x as f32);
        }
        // The whole reference, of which the result's frame contains a part.
        let mut whole = Array2::from_elem((140, 130), Complex32::new(0.2, 0.1));
        whole.slice_mut(s![20..20 + 96, 10..10 + 96]).assign(&truth);
        let (object, origin) = (&data.reconstruction.object, data.reconstruction.origin_xy);
        let summary = crate::metrics::phase_correlation(object.view(), origin, whole.view(), &data.positions).unwrap();
        assert!(summary.phase < 0.995, "{summary:?}");
        for gauge in Gauge::ALL {
            let rendering = Rendering::new(&data, None, Options { gauge, ..OPTIONS });
            let agreement = rendering.agreement.unwrap().unwrap();
            assert_eq!(agreement.phase.correlation, summary.phase);
            assert_eq!(agreement.amplitude.correlation, summary.amplitude);
            assert!(agreement.is_scan);
            assert_eq!(agreement.size[0], summary.columns[1] - summary.columns[0]);
        }
    }

    #[test]
    fn the_ramp_is_removed_without_a_reference_and_kept_as_stored() {
        let mut data = example(64);
        data.truth = None;
        let plain = Rendering::new(&data, None, Options { reference: None, ..OPTIONS });
        assert!(plain.other.is_none() && plain.agreement.is_none());
        assert!((plain.fit.slope_x - 0.05).abs() < 0.03 && (plain.fit.slope_y + 0.08).abs() < 0.03, "{:?}", plain.fit);
        let stored = Rendering::new(&data, None, Options { reference: None, gauge: Gauge::Stored, ..OPTIONS });
        assert_eq!(stored.result.object[(3, 5)], data.reconstruction.object[(11, 13)]);
    }

    #[test]
    fn another_run_is_aligned_by_its_origin_and_nan_stays_local() {
        let data = example(64);
        let mut run = example(64);
        run.reconstruction.origin_xy = [12.0, 20.0];
        run.reconstruction.object[(20, 20)] = Complex32::new(f32::NAN, 0.0);
        let run = Arc::new(run);
        let rendering = Rendering::new(&data, Some(&run), Options { reference: Some(Reference::Run), ..OPTIONS });
        let other = rendering.other.as_ref().unwrap();
        assert_eq!(other.name, "example");
        // Its pixel [20, 20] is two columns further right in the frame of the result.
        assert!(other.amplitude.values[(20 - 8, 22 - 8)].is_nan());
        assert!(other.amplitude.values[(20 - 8, 23 - 8)].is_finite());
        assert!(!other.covered[(10, 0)] && other.covered[(10, 2)]);
        assert!(other.amplitude.ordered.at(0.5).unwrap().is_finite());
    }
}
