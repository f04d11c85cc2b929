//! Simulation of a dataset (A§9): object, probe, scan and detector.

use super::field::{Field, Kind, choice, field, integer, number, positive};
use crate::error::{Error, Problem, Result};
use serde::{Deserialize, Serialize};

/// Type of the simulated object (A§9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// Straight lines of three widths.
    #[default]
    Lines,
    /// Gaussian random field.
    Grf,
    /// Blurred points.
    Points,
    /// Vertical, horizontal and diagonal lines.
    Diagonals,
    /// Overlapping opaque disks of many sizes.
    DeadLeaves,
    /// Siemens star.
    Siemens,
    /// Image from a PNG file.
    Image,
    /// Object of an NPZ file, unchanged.
    File,
}

/// Source of the phase of a generated object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseTexture {
    /// The texture of the amplitude.
    #[default]
    Same,
    /// A second draw of the same kind.
    Independent,
    /// tanh of the amplitude's texture, as in the reference.
    Tanh,
}

/// Shape of the probe (A§9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// Blurred disk of the reference.
    #[default]
    Default,
    /// Gaussian.
    Gaussian,
    /// Disk with a soft edge.
    Disk,
    /// Focus of a zone plate with a central stop.
    ZonePlate,
    /// Probe of an NPZ file.
    File,
}

/// Arrangement of the scan positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanKind {
    /// Uniformly at random, as in the reference.
    #[default]
    Random,
    /// Rows and columns.
    Raster,
    /// Rows and columns, each point shifted at random.
    JitteredRaster,
    /// Fermat spiral.
    Spiral,
    /// Positions from a file.
    File,
}

/// Simulation of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulationConfig {
    /// Type of the simulated object.
    pub object: ObjectKind,
    /// Side of a generated object, pixels; `None` fits it to the scan.
    #[serde(with = "super::optional")]
    pub object_size: Option<usize>,
    /// Minimum amplitude of a generated object.
    pub amplitude_min: f64,
    /// Maximum amplitude of a generated object.
    pub amplitude_max: f64,
    /// Minimum phase of a generated object, radians.
    pub phase_min: f64,
    /// Maximum phase of a generated object, radians.
    pub phase_max: f64,
    /// Source of the phase of a generated object.
    pub phase_texture: PhaseTexture,
    /// Shape of the probe.
    pub probe: ProbeKind,
    /// Side N of patterns and probe, pixels; a probe from a file defines its own.
    pub pattern_size: usize,
    /// Diameter of a disk, or full width at half maximum of the amplitude of a Gaussian, pixels; `None` uses N/3.
    #[serde(with = "super::optional")]
    pub probe_diameter: Option<f64>,
    /// Radius of the pupil (zone plate, Zernike polynomials) as a fraction of N.
    pub pupil_radius: f64,
    /// Radius of the central stop of the zone plate as a fraction of the radius of the pupil.
    pub central_stop: f64,
    /// Defocus λz/Δx²; `None` is 0, and for the zone plate the defocus at which its shadow has the radius N/6.
    #[serde(with = "super::optional")]
    pub defocus: Option<f64>,
    /// Zernike coefficient Z6 (Noll), root mean square over the pupil, radians.
    pub astigmatism_0: f64,
    /// Zernike coefficient Z5.
    pub astigmatism_45: f64,
    /// Zernike coefficient Z8.
    pub coma_x: f64,
    /// Zernike coefficient Z7.
    pub coma_y: f64,
    /// Zernike coefficient Z11.
    pub spherical: f64,
    /// Fresnel number p²/(λz) of an object pixel of near-field patterns; `None` simulates a far field.
    #[serde(with = "super::optional")]
    pub fresnel_number: Option<f64>,
    /// Number of incoherent modes of a generated probe.
    pub probe_modes: usize,
    /// Power of each mode as a fraction of the power of the previous one.
    pub mode_power: f64,
    /// Arrangement of the scan positions.
    pub scan: ScanKind,
    /// Number of patterns; `None` is 500, or all positions of the file.
    #[serde(with = "super::optional")]
    pub n_images: Option<usize>,
    /// Overlap of neighboring positions, 1 − distance / probe diameter; `None` lets the scan fill the object.
    #[serde(with = "super::optional")]
    pub overlap: Option<f64>,
    /// Maximum shift of the jittered raster along each axis as a fraction of its step.
    pub scan_jitter: f64,
    /// Distance of the positions from the edge of the object, pixels; `None` uses N/2.
    #[serde(with = "super::optional")]
    pub buffer: Option<f64>,
    /// Mean number of photons per pattern that reach the detector.
    pub n_photons: f64,
    /// Draw the counts from the Poisson distribution.
    pub poisson_noise: bool,
    /// Standard deviation of the read noise of the detector, photons.
    pub read_noise: f64,
    /// Fraction of dead detector pixels.
    pub dead_pixels: f64,
    /// Diameter of the beamstop, detector pixels; 0 simulates none.
    pub beamstop_diameter: f64,
    /// Standard deviation of the error of the recorded positions along each axis, pixels.
    pub position_error: f64,
    /// True to write the object behind each pattern as well.
    pub patches: bool,
}

impl Default for SimulationConfig {
    fn default() -> Self {
        Self {
            object: ObjectKind::Lines,
            object_size: None,
            amplitude_min: 0.3,
            amplitude_max: 1.0,
            phase_min: -1.0,
            phase_max: 1.0,
            phase_texture: PhaseTexture::Same,
            probe: ProbeKind::Default,
            pattern_size: 64,
            probe_diameter: None,
            pupil_radius: 0.2,
            central_stop: 0.4,
            defocus: None,
            astigmatism_0: 0.0,
            astigmatism_45: 0.0,
            coma_x: 0.0,
            coma_y: 0.0,
            spherical: 0.0,
            fresnel_number: None,
            probe_modes: 1,
            mode_power: 0.3,
            scan: ScanKind::Random,
            n_images: None,
            overlap: None,
            scan_jitter: 0.3,
            buffer: None,
            n_photons: 1e6,
            poisson_noise: true,
            read_noise: 0.0,
            dead_pixels: 0.0,
            beamstop_diameter: 0.0,
            position_error: 0.0,
            patches: false,
        }
    }
}

impl SimulationConfig {
    /// Checks the fields against each other.
    ///
    /// # Errors
    /// Limits in the wrong order, an odd pattern size, or a field that the chosen probe does not use.
    pub fn check(&self) -> Result<()> {
        let refuse = |title: String, hint: &str| Err(Error::BadInput(Problem::new(title).hint(hint)));
        if self.amplitude_min > self.amplitude_max {
            let title = format!("The amplitude range is {} to {}", self.amplitude_min, self.amplitude_max);
            return refuse(title, "Choose --amplitude-min below --amplitude-max");
        }
        if self.phase_min > self.phase_max {
            let title = format!("The phase range is {} to {}", self.phase_min, self.phase_max);
            return refuse(title, "Choose --phase-min below --phase-max");
        }
        if self.amplitude_max <= 0.0 && self.object != ObjectKind::File {
            return refuse("The amplitude of the object is 0 everywhere".to_owned(), "Choose --amplitude-max above 0");
        }
        if !self.pattern_size.is_multiple_of(2) {
            let title = format!("simulation.pattern_size = {} is odd", self.pattern_size);
            return refuse(title, "Choose an even --pattern-size");
        }
        if let Some(number) = self.fresnel_number.filter(|number| number * (self.pattern_size as f64) < 1.0) {
            let title = format!("simulation.fresnel_number = {number} is too small for the size of the patterns");
            return refuse(title, "Choose --fresnel-number of at least 1/N, or \"none\" for a far field");
        }
        if self.probe_diameter.is_some() && !matches!(self.probe, ProbeKind::Gaussian | ProbeKind::Disk) {
            return refuse(
                "simulation.probe_diameter applies only to the probes gaussian and disk".to_owned(),
                "Remove --probe-diameter, or choose --probe gaussian or --probe disk",
            );
        }
        Ok(())
    }
}

/// Declarations of the fields of [`SimulationConfig`].
pub(super) const FIELDS: &[Field] = &[
    field(
        "simulation.object",
        "Object",
        choice(&[
            ("lines", "straight lines of three widths"),
            ("grf", "Gaussian random field"),
            ("points", "blurred points"),
            ("diagonals", "vertical, horizontal and diagonal lines"),
            ("dead_leaves", "overlapping opaque disks of many sizes"),
            ("siemens", "Siemens star"),
            ("image", "image from a PNG file (--object-image)"),
            ("file", "object of an NPZ file (--input-file), unchanged"),
        ]),
        "Type of the simulated object.",
    )
    .flag("--object"),
    field(
        "simulation.object_size",
        "Object side",
        integer(64, 16384).optional(),
        "Side of a generated object; \"none\" fits it to the scan.",
    )
    .unit("px")
    .flag("--object-size"),
    field(
        "simulation.amplitude_min",
        "Minimum amplitude",
        number(0.0, 1e6),
        "Minimum amplitude of a generated object.",
    )
    .flag("--amplitude-min"),
    field(
        "simulation.amplitude_max",
        "Maximum amplitude",
        number(0.0, 1e6),
        "Maximum amplitude of a generated object; 1 is full transmission.",
    )
    .flag("--amplitude-max"),
    field("simulation.phase_min", "Minimum phase", PHASE, "Minimum phase of a generated object.")
        .unit("rad")
        .flag("--phase-min"),
    field("simulation.phase_max", "Maximum phase", PHASE, "Maximum phase of a generated object.")
        .unit("rad")
        .flag("--phase-max"),
    field(
        "simulation.phase_texture",
        "Phase texture",
        choice(&[
            ("same", "the texture of the amplitude"),
            ("independent", "a second draw of the same kind; an image or a star is rotated"),
            ("tanh", "tanh((Y - max Y / 2) / (3 mean Y)) of the amplitude's texture Y, as in PtychoPINN"),
        ]),
        "Source of the phase of a generated object.",
    )
    .flag("--phase-texture"),
    field(
        "simulation.probe",
        "Probe",
        choice(&[
            ("default", "PtychoPINN's blurred disk of radius 0.17 N"),
            ("gaussian", "Gaussian"),
            ("disk", "disk with a soft edge"),
            ("zone_plate", "focus of a zone plate with a central stop"),
            ("file", "probe of an NPZ file (--input-file or --probe-file)"),
        ]),
        "Shape of the probe.",
    )
    .flag("--probe"),
    field(
        "simulation.pattern_size",
        "Pattern size",
        integer(16, 1024),
        "Side N of patterns and probe, an even number; a probe from a file defines its own.",
    )
    .unit("px")
    .flag("--pattern-size"),
    field(
        "simulation.probe_diameter",
        "Probe diameter",
        number(1.0, 256.0).optional(),
        "Diameter of a disk, or full width at half maximum of the amplitude of a Gaussian; \"none\" uses N/3.",
    )
    .unit("px")
    .flag("--probe-diameter"),
    field(
        "simulation.pupil_radius",
        "Pupil radius",
        number(0.01, 0.5),
        "Radius of the pupil, for the zone plate and the aberrations, as a fraction of N.",
    )
    .unit("N")
    .flag("--pupil-radius"),
    field(
        "simulation.central_stop",
        "Central stop",
        number(0.0, 0.95),
        "Radius of the central stop of the zone plate as a fraction of the radius of the pupil; 0 simulates none.",
    )
    .flag("--central-stop"),
    field(
        "simulation.defocus",
        "Defocus",
        number(-1e6, 1e6).optional(),
        "Distance from the focus times the wavelength, in squared object pixels; \"none\" is 0, and for the zone plate the \
         defocus at which its shadow has the radius N/6.",
    )
    .unit("px²")
    .flag("--defocus"),
    zernike(
        "simulation.astigmatism_0",
        "Astigmatism at 0°",
        "Zernike coefficient Z6 (Noll) of the pupil, root mean square.",
    ),
    zernike(
        "simulation.astigmatism_45",
        "Astigmatism at 45°",
        "Zernike coefficient Z5 (Noll) of the pupil, root mean square.",
    ),
    zernike("simulation.coma_x", "Coma along x", "Zernike coefficient Z8 (Noll) of the pupil, root mean square."),
    zernike("simulation.coma_y", "Coma along y", "Zernike coefficient Z7 (Noll) of the pupil, root mean square."),
    zernike(
        "simulation.spherical",
        "Spherical aberration",
        "Zernike coefficient Z11 (Noll) of the pupil, root mean square.",
    ),
    field(
        "simulation.fresnel_number",
        "Fresnel number",
        number(1e-4, 1e4).optional(),
        "Fresnel number p²/(λz) of an object pixel: the patterns are near-field ones, shadows with fringes; \"none\" simulates a \
         far field.",
    )
    .flag("--fresnel-number"),
    field(
        "simulation.probe_modes",
        "Probe modes",
        integer(1, 10),
        "Number of incoherent probe modes; a file with several modes keeps its own.",
    )
    .unit("modes")
    .flag("--probe-modes"),
    field(
        "simulation.mode_power",
        "Mode power",
        positive(1.0),
        "Power of each probe mode as a fraction of the power of the previous one.",
    )
    .flag("--mode-power"),
    field(
        "simulation.scan",
        "Scan",
        choice(&[
            ("random", "uniformly at random, as in PtychoPINN"),
            ("raster", "rows and columns"),
            ("jittered_raster", "rows and columns, each point shifted at random"),
            ("spiral", "Fermat spiral"),
            ("file", "positions from a file (--positions-file)"),
        ]),
        "Arrangement of the scan positions.",
    )
    .flag("--scan"),
    field(
        "simulation.n_images",
        "Patterns",
        integer(1, 100_000_000).optional(),
        "Number of patterns; \"none\" simulates 500, or one for each position of the file.",
    )
    .unit("patterns")
    .flag("--n-images"),
    field(
        "simulation.overlap",
        "Overlap",
        number(0.0, 0.99).optional(),
        "Overlap of neighboring positions, 1 - distance / probe diameter; \"none\" lets the scan fill an object of given \
         size, and fits other objects to an overlap of 0.75.",
    )
    .flag("--overlap"),
    field(
        "simulation.scan_jitter",
        "Scan jitter",
        number(0.0, 1.0),
        "Maximum shift of the points of the jittered raster along each axis, as a fraction of its step.",
    )
    .flag("--scan-jitter"),
    field(
        "simulation.buffer",
        "Margin",
        number(0.0, 1e6).optional(),
        "Distance of the positions from the edge of the object; \"none\" uses N/2.",
    )
    .unit("px")
    .flag("--buffer"),
    field(
        "simulation.n_photons",
        "Photons per pattern",
        positive(1e15),
        "Mean number of photons per pattern that reach the detector.",
    )
    .unit("photons")
    .flag("--n-photons"),
    field("simulation.poisson_noise", "Poisson noise", Kind::Flag, "Draw the counts from the Poisson distribution.")
        .flag("--poisson-noise"),
    field(
        "simulation.read_noise",
        "Read noise",
        number(0.0, 1e9),
        "Standard deviation of the read noise of the detector; with Poisson noise, the sum is rounded to whole photons.",
    )
    .unit("photons")
    .flag("--read-noise"),
    field("simulation.dead_pixels", "Dead pixels", number(0.0, 0.9), "Fraction of dead detector pixels.")
        .flag("--dead-pixels"),
    field(
        "simulation.beamstop_diameter",
        "Beamstop",
        number(0.0, 256.0),
        "Diameter of the beamstop on the detector; 0 simulates none.",
    )
    .unit("px")
    .flag("--beamstop-diameter"),
    field(
        "simulation.position_error",
        "Position error",
        number(0.0, 100.0),
        "Standard deviation of the error of the recorded positions along each axis; truncated at four standard deviations.",
    )
    .unit("px")
    .flag("--position-error"),
    field(
        "simulation.patches",
        "Patches",
        Kind::Flag,
        "Also write the object behind each pattern, Y (n, N, N), for supervised training with the Python tools.",
    )
    .flag("--patches"),
];

const PHASE: Kind = number(-1000.0, 1000.0);

/// A coefficient of a Zernike polynomial.
const fn zernike(path: &'static str, label: &'static str, help: &'static str) -> Field {
    field(path, label, number(-100.0, 100.0), help).unit("rad")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_configuration_without_a_simulation_group_is_read() {
        let whole = Config::default().to_toml().unwrap();
        let at = whole.find("[simulation]").unwrap();
        let end = whole[at + 1..].find("\n[").map_or(whole.len(), |next| at + 1 + next);
        let old = format!("{}{}", &whole[..at], &whole[end..]);
        assert!(!old.contains("simulation") && old.contains("[execution"), "{old}");
        assert_eq!(Config::from_toml(&old).unwrap(), Config::default());
    }

    #[test]
    fn contradictory_fields_are_named_with_their_flags() {
        let refused = |change: fn(&mut SimulationConfig)| {
            let mut config = SimulationConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|c| c.amplitude_min = 2.0).contains("--amplitude-min"));
        assert!(refused(|c| c.phase_max = -2.0).contains("--phase-min"));
        assert!(refused(|c| c.pattern_size = 101).contains("--pattern-size"));
        assert!(refused(|c| c.fresnel_number = Some(1e-3)).contains("--fresnel-number"));
        assert!(refused(|c| c.probe_diameter = Some(20.0)).contains("--probe-diameter"));
        SimulationConfig::default().check().unwrap();
    }
}
