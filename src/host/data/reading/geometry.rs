//! Size of an object pixel from energy, distances and detector, and whether the detector is in the near or the far field.

use super::fit::Fit;
use super::verdict::{Fix, Verdict};
use crate::config;
use crate::data::sampling::nearest::NeighborIndex;
use crate::fourier::Propagation;
use crate::metrics::median;

/// Planck's constant times the speed of light, J m (exact, SI 2019).
pub(in crate::data) const HC_J_M: f64 = 6.626_070_15e-34 * 299_792_458.0;
/// One electronvolt in joules (exact, SI 2019).
pub(super) const J_PER_EV: f64 = 1.602_176_634e-19;

/// Geometry of the experiment as stored in the file. Lengths in meters; pairs are (x, y).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Geometry {
    pub wavelength_m: Option<f64>,
    pub distance_m: Option<f64>,
    /// Distance from the focus to the sample, in near-field ptychography.
    pub focus_distance_m: Option<f64>,
    /// Fresnel number p² / (λ z) of a stored pixel, if the file states near-field patterns.
    pub fresnel_number: Option<f64>,
    /// Side of a stored detector pixel.
    pub detector_pixel_m: Option<[f64; 2]>,
    /// Side of an object pixel for patterns as stored.
    pub object_pixel_m: Option<[f64; 2]>,
}

/// Largest relative deviation of a configured value from that of the file that is not reported.
const MAX_DEVIATION: f64 = 0.01;

/// Wavelength (m) of photons of this energy.
pub fn wavelength_of_ev(energy_ev: f64) -> f64 {
    HC_J_M / (energy_ev * J_PER_EV)
}

impl Geometry {
    /// Overrides the stored values with configured ones.
    #[must_use]
    pub fn with(mut self, stated: &config::Geometry) -> Self {
        if let Some(energy) = stated.energy_ev {
            self.wavelength_m = Some(wavelength_of_ev(energy));
        }
        self.distance_m = stated.distance_m.or(self.distance_m);
        self.focus_distance_m = stated.focus_distance_m.or(self.focus_distance_m);
        self.detector_pixel_m = stated.detector_pixel_m.map(|side| [side, side]).or(self.detector_pixel_m);
        self
    }

    /// Energy, distance and detector pixel in words, if all are known.
    pub fn summary(&self) -> Option<String> {
        let (wavelength, distance, [x, _]) = (self.wavelength_m?, self.distance_m?, self.detector_pixel_m?);
        let energy = HC_J_M / wavelength / J_PER_EV;
        Some(format!(
            "the energy of {energy:.5} eV, the distance of {distance:.5} m and the detector pixel of {:.4} µm",
            x * 1e6
        ))
    }

    /// Warns of configured values that differ from those of the file; `stored` and `fit` as in [`Self::pixel_m`].
    pub fn contradiction(&self, stated: &config::Geometry, stored: [usize; 2], fit: &Fit) -> Option<Verdict> {
        let mean = |pixel: [f64; 2]| (pixel[0] * pixel[1]).sqrt();
        let length = |meters: f64| match meters {
            m if m >= 1e-2 => format!("{m:.4} m"),
            m if m >= 1e-6 => format!("{:.3} µm", m * 1e6),
            m => format!("{:.3} nm", m * 1e9),
        };
        // Energy and wavelength are inversely proportional, so the same function converts both ways.
        let energy = self.wavelength_m.map(wavelength_of_ev);
        let pixel = Self { focus_distance_m: stated.focus_distance_m, ..*self }.pixel_m(stored, fit).map(mean);
        let pairs = [
            ("data.geometry.energy_ev", "photon energy", stated.energy_ev, energy),
            ("data.geometry.distance_m", "distance", stated.distance_m, self.distance_m),
            (
                "data.geometry.detector_pixel_m",
                "detector pixel",
                stated.detector_pixel_m,
                self.detector_pixel_m.map(mean),
            ),
            ("data.geometry.pixel_size_m", "object pixel", stated.pixel_size_m, pixel),
        ];
        let mut found = Vec::new();
        let mut fields = Vec::new();
        for (field, name, set, file) in pairs {
            let (Some(set), Some(file)) = (set, file) else { continue };
            if (set / file - 1.0).abs() > MAX_DEVIATION {
                let text = |value: f64| match name {
                    "photon energy" => format!("{value:.1} eV"),
                    _ => length(value),
                };
                found.push(format!("{name} {} instead of {} in the file", text(set), text(file)));
                fields.push((field, "none".to_owned()));
            }
        }
        (!found.is_empty()).then(|| {
            Verdict::warn("geometry", format!("Settings contradict the file: {}", found.join(", ")))
                .expected("the geometry stored in the file")
                .advice("Use the values of the file unless they are known to be wrong")
                .fixes([Fix::new("Use the geometry of the file", fields)])
        })
    }

    /// Width of the far-field window λz/p, (x, y): the extent of N object pixels, for any N.
    pub fn window_m(&self) -> Option<[f64; 2]> {
        let (wavelength, distance, pixel) = (self.wavelength_m?, self.distance_m?, self.detector_pixel_m?);
        Some(pixel.map(|p| wavelength * distance / p)).filter(|w| w.iter().all(|v| v.is_finite() && *v > 0.0))
    }

    /// True if the patterns are near-field ones.
    pub fn is_near_field(&self) -> bool {
        self.focus_distance_m.is_some() || self.fresnel_number.is_some()
    }

    /// Magnification of the shadow of the sample, (z1 + z2) / z1, for a sample z1 behind the focus and a detector z2 behind
    /// the sample.
    fn magnification(&self) -> Option<f64> {
        Some(1.0 + self.distance_m? / self.focus_distance_m?)
    }

    /// Object pixel, (x, y), for patterns of `stored` (width, height) pixels that are cropped, binned and padded.
    ///
    /// In a far field it is λz/(N p): it depends on the extent of the patterns, not on binning. In a near field it is the
    /// detector pixel divided by the magnification: it depends on binning only.
    pub fn pixel_m(&self, stored: [usize; 2], fit: &Fit) -> Option<[f64; 2]> {
        let bin = fit.bin as f64;
        let pixel = if let (Some(magnification), Some(pixel)) = (self.magnification(), self.detector_pixel_m) {
            pixel.map(|side| side * bin / magnification)
        } else if self.is_near_field() {
            self.object_pixel_m?.map(|pixel| pixel * bin)
        } else if let Some(window) = self.window_m() {
            window.map(|window| window / fit.side())
        } else {
            let [x, y] = self.object_pixel_m?;
            [x * stored[0] as f64 / fit.side(), y * stored[1] as f64 / fit.side()]
        };
        let pixel = if fit.orientation.swap_flip_x_flip_y().0 { [pixel[1], pixel[0]] } else { pixel };
        Some(pixel).filter(|pixel| pixel.iter().all(|v| v.is_finite() && *v > 0.0))
    }

    /// Propagation of a finished pattern; `None` if the patterns are near-field ones, but the geometry is incomplete.
    pub fn propagation(&self, fit: &Fit) -> Option<Propagation> {
        if !self.is_near_field() {
            return Some(Propagation::FarField);
        }
        let of_geometry = || {
            let pixel = self.detector_pixel_m?.map(|side| side / self.magnification().unwrap_or(1.0));
            // The equivalent of a parallel beam (Fresnel scaling).
            Some(pixel[0] * pixel[1] / (self.wavelength_m? * self.distance_m? / self.magnification()?))
        };
        let stored = of_geometry().or(self.fresnel_number.filter(|_| self.focus_distance_m.is_none()))?;
        let fresnel_number = stored * (fit.bin * fit.bin) as f64;
        (fresnel_number.is_finite() && fresnel_number > 0.0).then_some(Propagation::NearField { fresnel_number })
    }
}

/// Name of the check of the propagation.
const NEAR_FIELD: &str = "near field";

/// Judges the geometry of near-field patterns; `None` in a far field.
pub(super) fn near_field(geometry: &Geometry, fit: &Fit) -> Option<Verdict> {
    let fresnel_number = match geometry.propagation(fit) {
        Some(Propagation::FarField) => return None,
        Some(Propagation::NearField { fresnel_number }) => fresnel_number,
        None => {
            let missing: Vec<&str> = [
                (geometry.wavelength_m, "data.geometry.energy_ev"),
                (geometry.distance_m, "data.geometry.distance_m"),
                (geometry.detector_pixel_m.map(|[x, _]| x), "data.geometry.detector_pixel_m"),
            ]
            .into_iter()
            .filter_map(|(value, name)| value.is_none().then_some(name))
            .collect();
            return Some(
                Verdict::fail(NEAR_FIELD, "The distance from the focus is set, but the geometry is incomplete")
                    .expected("photon energy, detector distance and detector pixel")
                    .advice(format!("Set {} with --set", missing.join(" and "))),
            );
        }
    };
    let frame = fresnel_number * (fit.size as f64).powi(2);
    let mut found = format!("Fresnel number p²/λz of a pixel {fresnel_number:.4}, of the frame {frame:.0}");
    if let (Some(magnification), Some(distance)) = (geometry.magnification(), geometry.distance_m) {
        found = format!(
            "magnification {magnification:.4}, effective distance {:.4} mm; {found}",
            distance / magnification * 1e3
        );
    }
    // Between neighboring frequencies the phase of the transfer function must change by less than π.
    Some(if fresnel_number * fit.size as f64 >= 1.0 {
        Verdict::pass(NEAR_FIELD, found)
    } else {
        Verdict::fail(NEAR_FIELD, format!("The fringes are finer than the pixels, or wider than the frame: {found}"))
            .expected(format!("a Fresnel number of a pixel of at least 1/N = {:.4}", 1.0 / fit.size as f64))
            .advice(
                "Correct --set data.geometry.focus_distance_m=…, distance, energy and detector pixel; for far-field patterns \
                 set the focus distance to \"none\"",
            )
    })
}

/// Ratio of step and window from which a wrong unit is more likely than a near field.
const FAR_TOO_LARGE: f64 = 10.0;

/// Checks that the geometry can be a far field: far-field patterns sample a beam of at most half the window λz/p, so
/// neighboring positions must be closer than that to overlap. Positions in meters.
pub(super) fn far_field(geometry: &Geometry, positions_m: &[[f64; 2]]) -> Option<Verdict> {
    const CHECK: &str = "far field";
    let [x, y] = geometry.window_m()?;
    let window = x.min(y);
    let step = median(&NeighborIndex::new(positions_m).nearest_distances()).filter(|step| step.is_finite())?;
    let um = |length: f64| length * 1e6;
    let found = format!(
        "window λz/p {:.3} µm, so a beam of at most {:.3} µm; median nearest-neighbor distance {:.3} µm",
        um(window),
        um(window / 2.0),
        um(step)
    );
    Some(if step > FAR_TOO_LARGE * window {
        Verdict::fail(CHECK, format!("The scan steps do not fit the geometry: {found}"))
            .expected("steps below half of the window λz/p")
            .advice(
                "The positions are probably in another unit: state it with --set data.mapping.position_unit=mm, um or nm; or \
                 correct energy, distance and detector pixel with --set data.geometry.…",
            )
    } else if step > window / 2.0 {
        let title = "These are near-field patterns (magnified shadows), not far-field ones";
        Verdict::fail(CHECK, format!("{title}: {found}, so neighboring patterns would not overlap"))
            .expected("the distance from the focus to the sample, which the file does not state")
            .advice(
                "Set it in meters with --focus-distance (data.geometry.focus_distance_m); for a parallel beam, to 1e6. If \
                 this is a far field, correct energy, distance, detector pixel or position unit with --set \
                 data.geometry.… and data.mapping.position_unit",
            )
    } else {
        Verdict::pass(CHECK, found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataConfig;

    fn fit(side: usize, config: &DataConfig) -> Fit {
        Fit::new(side, side, config, false).unwrap()
    }

    fn cropped(side: usize, crop: usize) -> Fit {
        fit(side, &DataConfig { crop: Some(crop), ..DataConfig::default() })
    }

    #[test]
    fn settings_that_contradict_the_file_are_a_warning_that_names_both_values() {
        let file = Geometry {
            wavelength_m: Some(wavelength_of_ev(8000.0)),
            distance_m: Some(2.0),
            detector_pixel_m: Some([55e-6, 55e-6]),
            ..Geometry::default()
        };
        let pixel = file.pixel_m([128; 2], &cropped(128, 128)).unwrap()[0];
        let set =
            |energy, size| config::Geometry { energy_ev: energy, pixel_size_m: size, ..config::Geometry::default() };
        let same = set(Some(8000.0), Some(pixel * 1.001));
        assert_eq!(file.contradiction(&same, [128; 2], &cropped(128, 128)), None);
        let verdict = file.contradiction(&set(Some(6000.0), Some(2.0 * pixel)), [128; 2], &cropped(128, 128)).unwrap();
        assert!(verdict.found.contains("photon energy 6000.0 eV instead of 8000.0 eV"), "{}", verdict.found);
        assert!(verdict.found.contains("object pixel"), "{}", verdict.found);
        assert_eq!((verdict.status, verdict.fixes[0].settings.len()), (super::super::verdict::Status::Warn, 2));
        let unknown = Geometry::default();
        assert_eq!(unknown.contradiction(&set(Some(6000.0), Some(1e-9)), [128; 2], &cropped(128, 128)), None);
    }

    #[test]
    fn the_object_pixel_follows_from_the_geometry_and_not_from_binning() {
        let geometry = Geometry {
            wavelength_m: Some(wavelength_of_ev(12_398.419_84)),
            distance_m: Some(2.0),
            detector_pixel_m: Some([75e-6, 50e-6]),
            object_pixel_m: Some([1.0, 1.0]),
            ..Geometry::default()
        };
        assert!((geometry.wavelength_m.unwrap() - 1e-10).abs() < 1e-18);
        // λz/(N p) = 1e-10 · 2 / (128 · 75e-6)
        let [x, y] = geometry.pixel_m([256; 2], &cropped(256, 128)).unwrap();
        assert!((x - 2.083_333e-8).abs() < 1e-13 && (y - 3.125e-8).abs() < 1e-13, "{x} {y}");
        let stated = Geometry { object_pixel_m: Some([1e-8, 2e-8]), ..Geometry::default() };
        assert_eq!(stated.pixel_m([256; 2], &cropped(256, 128)), Some([2e-8, 4e-8]));
        assert_eq!(Geometry::default().pixel_m([64; 2], &cropped(64, 64)), None);
    }

    #[test]
    fn steps_beyond_half_of_the_window_are_no_far_field() {
        let geometry = Geometry {
            wavelength_m: Some(1e-10),
            distance_m: Some(1.0),
            detector_pixel_m: Some([1e-4; 2]),
            ..Geometry::default()
        };
        let scan = |step: f64| (0..9).map(|k| [step * f64::from(k % 3), step * f64::from(k / 3)]).collect::<Vec<_>>();
        let status = |step: f64| far_field(&geometry, &scan(step)).unwrap().status;
        assert_eq!(status(0.49e-6), crate::data::Status::Pass);
        assert_eq!(status(0.51e-6), crate::data::Status::Fail);
        assert!(far_field(&Geometry::default(), &scan(1.0)).is_none());
    }

    #[test]
    fn a_cone_beam_in_the_near_field_is_a_parallel_beam_with_magnified_pixels() {
        let mut geometry = Geometry {
            wavelength_m: Some(1e-10),
            distance_m: Some(0.99),
            focus_distance_m: Some(0.01),
            detector_pixel_m: Some([50e-6; 2]),
            ..Geometry::default()
        };
        // Magnification 100: pixels of 0.5 µm over 9.9 mm.
        let plain = fit(100, &DataConfig::default());
        let pixel = geometry.pixel_m([100; 2], &plain).unwrap();
        assert!((pixel[0] / 0.5e-6 - 1.0).abs() < 1e-9, "{pixel:?}");
        let number = |fit: &Fit| match geometry.propagation(fit) {
            Some(Propagation::NearField { fresnel_number }) => fresnel_number,
            other => panic!("{other:?}"),
        };
        assert!((number(&plain) / (0.25e-12 / (1e-10 * 9.9e-3)) - 1.0).abs() < 1e-9);
        let binned = fit(100, &DataConfig { bin: 2, ..DataConfig::default() });
        assert!((number(&binned) / number(&plain) - 4.0).abs() < 1e-9);
        assert!((geometry.pixel_m([100; 2], &binned).unwrap()[1] / 1e-6 - 1.0).abs() < 1e-9);
        assert_eq!(near_field(&geometry, &plain).unwrap().status, crate::data::Status::Pass);
        geometry.focus_distance_m = Some(1e-5);
        assert_eq!(near_field(&geometry, &plain).unwrap().status, crate::data::Status::Fail);
        geometry.wavelength_m = None;
        assert!(near_field(&geometry, &plain).unwrap().advice.contains("energy_ev"));
        geometry.focus_distance_m = None;
        assert!(near_field(&geometry, &plain).is_none());
    }
}
