//! Images of the compared objects, all with the same limits.

use super::comparison::{Comparison, ReconstructionMetrics};
use super::page::Figure;
use crate::error::Result;
use crate::imaging::{self, Colormap, Labels, Limits};
use crate::metrics::phases;
use ndarray::{Array2, ArrayView2};

/// Fraction of the values outside the limits at each end.
const TAIL: f64 = 0.005;
/// Span of the phase in radians above which cyclic colors are used.
const SEQUENTIAL_SPAN: f64 = 1.6 * std::f64::consts::PI;

/// A heading and its images.
pub(super) type Row = (String, Vec<Figure>);

/// Amplitude, phase and phase difference of the reference object and of each reconstruction inside the compared region;
/// without a reference object, amplitude and phase of each complete reconstruction.
pub(super) fn rows(comparison: &Comparison) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut shared: Option<SharedLimits> = None;
    for one in &comparison.reconstructions {
        let Some(aligned) = &one.aligned else {
            let covered = imaging::covered_mask(one.reconstruction.coverage.view(), imaging::COVERED_FRACTION);
            let object = one.reconstruction.object.view();
            let plain = |png: Vec<u8>, caption: &str| Figure { png, caption: caption.to_owned(), scale: None };
            let amplitude = plain(imaging::amplitude_png(object, covered.view())?, "Amplitude");
            let phase = plain(imaging::phase_png(object, covered.view())?, "Phase, rad");
            rows.push((one.name.clone(), vec![amplitude, phase]));
            continue;
        };
        let (truth, phase) = phases(aligned.truth.view(), aligned.matched.view());
        if shared.is_none() {
            let amplitude = to_f32(&aligned.truth.mapv(|v| v.norm()));
            let limits = SharedLimits::of(&amplitude, &to_f32(&truth));
            let figures = vec![
                figure(amplitude.view(), limits.amplitude, Colormap::Gray, "", "Amplitude")?,
                figure(to_f32(&truth).view(), limits.phase, limits.colormap, "rad", "Phase")?,
            ];
            rows.push(("Reference object".to_owned(), figures));
            shared = Some(limits);
        }
        let Some(limits) = &shared else { continue };
        let amplitude = to_f32(&aligned.matched.mapv(|v| v.norm()));
        let shown = if limits.colormap == Colormap::Cyclic { phase.mapv(wrapped) } else { phase.clone() };
        let difference = to_f32(&(&phase - &truth));
        rows.push((
            one.name.clone(),
            vec![
                figure(amplitude.view(), limits.amplitude, Colormap::Gray, "", "Amplitude, scale matched")?,
                figure(
                    to_f32(&shown).view(),
                    limits.phase,
                    limits.colormap,
                    "rad",
                    "Phase, global phase and ramp matched",
                )?,
                figure(difference.view(), limits.difference(), Colormap::Gray, "rad", "Phase minus reference phase")?,
            ],
        ));
    }
    Ok(rows)
}

/// Limits shared by all images of a comparison.
struct SharedLimits {
    amplitude: Limits,
    phase: Limits,
    colormap: Colormap,
}

impl SharedLimits {
    fn of(amplitude: &Array2<f32>, phase: &Array2<f32>) -> Self {
        let limits = |image: &Array2<f32>| {
            imaging::robust_limits(image.view(), Array2::from_elem(image.dim(), true).view(), TAIL, 1.0 - TAIL)
        };
        let pi = std::f64::consts::PI;
        let phase = limits(phase);
        let (phase, colormap) = if phase.high - phase.low > SEQUENTIAL_SPAN {
            (Limits { low: -pi, high: pi }, Colormap::Cyclic)
        } else {
            (phase, Colormap::Gray)
        };
        Self { amplitude: limits(amplitude), phase, colormap }
    }

    /// Limits of the phase difference: half the span of the reference phase, symmetric about zero.
    fn difference(&self) -> Limits {
        let half = (self.phase.high - self.phase.low) / 2.0;
        Limits { low: -half, high: half }
    }
}

fn wrapped(phase: f64) -> f64 {
    phase.sin().atan2(phase.cos())
}

fn to_f32(image: &Array2<f64>) -> Array2<f32> {
    image.mapv(|v| v as f32)
}

fn figure(
    image: ArrayView2<'_, f32>,
    limits: Limits,
    colormap: Colormap,
    unit: &'static str,
    caption: &str,
) -> Result<Figure> {
    let covered = Array2::from_elem(image.dim(), true);
    let png = imaging::encode_rgba(imaging::render(image, covered.view(), limits, colormap, Labels::None)?)?;
    Ok(Figure { png, caption: caption.to_owned(), scale: Some((limits, colormap, unit)) })
}

/// The phase of each named reconstruction, matched to its reference object, all with the limits of the first.
///
/// # Errors
/// An image cannot be encoded.
pub fn phase_figures(reconstructions: &[(&str, &ReconstructionMetrics)]) -> Result<Vec<Figure>> {
    let mut shared: Option<SharedLimits> = None;
    let mut figures = Vec::new();
    for (name, one) in reconstructions {
        let Some(aligned) = &one.aligned else {
            let covered = imaging::covered_mask(one.reconstruction.coverage.view(), imaging::COVERED_FRACTION);
            let png = imaging::phase_png(one.reconstruction.object.view(), covered.view())?;
            figures.push(Figure { png, caption: (*name).to_owned(), scale: None });
            continue;
        };
        let (truth, phase) = phases(aligned.truth.view(), aligned.matched.view());
        let limits =
            shared.get_or_insert_with(|| SharedLimits::of(&to_f32(&aligned.truth.mapv(|v| v.norm())), &to_f32(&truth)));
        let shown = if limits.colormap == Colormap::Cyclic { phase.mapv(wrapped) } else { phase };
        figures.push(figure(to_f32(&shown).view(), limits.phase, limits.colormap, "rad", name)?);
    }
    Ok(figures)
}
