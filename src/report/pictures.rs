//! Pictures of what was compared, all with the same limits.

use super::comparison::{Comparison, Judged};
use super::page::Figure;
use crate::error::Result;
use crate::imaging::{self, Colormap, Labels, Limits};
use crate::metrics::phases;
use ndarray::{Array2, ArrayView2};

/// Part of the values outside the limits at either end.
const TAIL: f64 = 0.005;
/// Phase that spans more than this, radians, is shown in cyclic colours.
const SEQUENTIAL_SPAN: f64 = 1.6 * std::f64::consts::PI;

/// A heading and the pictures under it.
pub(super) type Row = (String, Vec<Figure>);

/// Amplitude, phase and phase difference of every reconstruction and of the known object, inside the compared region;
/// without a known object the whole of each reconstruction.
pub(super) fn rows(comparison: &Comparison) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut shared: Option<Limited> = None;
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
            let amplitude = narrow(&aligned.truth.mapv(|v| v.norm()));
            let limited = Limited::of(&amplitude, &narrow(&truth));
            let figures = vec![
                figure(amplitude.view(), limited.amplitude, Colormap::Gray, "", "Amplitude")?,
                figure(narrow(&truth).view(), limited.phase, limited.colormap, "rad", "Phase")?,
            ];
            rows.push(("Known object".to_owned(), figures));
            shared = Some(limited);
        }
        let Some(limited) = &shared else { continue };
        let amplitude = narrow(&aligned.matched.mapv(|v| v.norm()));
        let shown = if limited.colormap == Colormap::Cyclic { phase.mapv(wrapped) } else { phase.clone() };
        let difference = narrow(&(&phase - &truth));
        rows.push((
            one.name.clone(),
            vec![
                figure(amplitude.view(), limited.amplitude, Colormap::Gray, "", "Amplitude, to scale")?,
                figure(
                    narrow(&shown).view(),
                    limited.phase,
                    limited.colormap,
                    "rad",
                    "Phase, global phase and ramp matched",
                )?,
                figure(difference.view(), limited.difference(), Colormap::Gray, "rad", "Phase minus known phase")?,
            ],
        ));
    }
    Ok(rows)
}

/// Limits that all pictures of a comparison share.
struct Limited {
    amplitude: Limits,
    phase: Limits,
    colormap: Colormap,
}

impl Limited {
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

    /// Half of the known phase's span to either side of no difference.
    fn difference(&self) -> Limits {
        let half = (self.phase.high - self.phase.low) / 2.0;
        Limits { low: -half, high: half }
    }
}

fn wrapped(phase: f64) -> f64 {
    phase.sin().atan2(phase.cos())
}

fn narrow(image: &Array2<f64>) -> Array2<f32> {
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

/// The phase of each reconstruction, matched to its known object, all with the limits of the first; captions are the names.
///
/// # Errors
/// A picture that cannot be encoded.
pub fn phase_figures(judged: &[(&str, &Judged)]) -> Result<Vec<Figure>> {
    let mut shared: Option<Limited> = None;
    let mut figures = Vec::new();
    for (name, one) in judged {
        let Some(aligned) = &one.aligned else {
            let covered = imaging::covered_mask(one.reconstruction.coverage.view(), imaging::COVERED_FRACTION);
            let png = imaging::phase_png(one.reconstruction.object.view(), covered.view())?;
            figures.push(Figure { png, caption: (*name).to_owned(), scale: None });
            continue;
        };
        let (truth, phase) = phases(aligned.truth.view(), aligned.matched.view());
        let limited =
            shared.get_or_insert_with(|| Limited::of(&narrow(&aligned.truth.mapv(|v| v.norm())), &narrow(&truth)));
        let shown = if limited.colormap == Colormap::Cyclic { phase.mapv(wrapped) } else { phase };
        figures.push(figure(narrow(&shown).view(), limited.phase, limited.colormap, "rad", name)?);
    }
    Ok(figures)
}
