//! How a dataset is simulated (A§9): object, probe, scan and detector.

use super::field::{Field, Kind, choice, integer, optional_integer};
use crate::error::{Error, Problem, Result};
use serde::{Deserialize, Serialize};

/// What is looked at (A§9.2).
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
    /// Disks of many sizes that cover each other.
    DeadLeaves,
    /// A Siemens star.
    Siemens,
    /// A picture from a PNG file.
    Image,
    /// The object of an NPZ file, as it is.
    File,
}

/// Where the phase of a drawn object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseTexture {
    /// The texture of the amplitude.
    #[default]
    Same,
    /// A second draw of the same kind.
    Independent,
    /// tanh of the amplitude's texture: the reference's.
    Tanh,
}

/// What illuminates the object (A§9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// The reference's blurred disk.
    #[default]
    Default,
    /// A Gaussian.
    Gaussian,
    /// A disk with a soft edge.
    Disk,
    /// The focus of a zone plate with a central stop.
    ZonePlate,
    /// The probe of an NPZ file.
    File,
}

/// Where the patterns are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanKind {
    /// Uniformly at random: the reference's.
    #[default]
    Random,
    /// Rows and columns.
    Raster,
    /// Rows and columns, each point displaced at random.
    JitteredRaster,
    /// Fermat spiral.
    Spiral,
    /// Positions from a file.
    File,
}

/// How a dataset is simulated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulationConfig {
    /// What is looked at.
    pub object: ObjectKind,
    /// Side of a drawn object in pixels; none = what the scan needs.
    #[serde(with = "super::optional")]
    pub object_size: Option<usize>,
    /// Smallest amplitude of a drawn object.
    pub amplitude_min: f64,
    /// Largest amplitude of a drawn object.
    pub amplitude_max: f64,
    /// Smallest phase of a drawn object, radians.
    pub phase_min: f64,
    /// Largest phase of a drawn object, radians.
    pub phase_max: f64,
    /// Where the phase of a drawn object comes from.
    pub phase_texture: PhaseTexture,
    /// What illuminates the object.
    pub probe: ProbeKind,
    /// Side N of patterns and probe in pixels; a probe from a file brings its own.
    pub pattern_size: usize,
    /// Diameter of a disk, full width at half maximum of a Gaussian's amplitude, in pixels; none = N/3.
    #[serde(with = "super::optional")]
    pub probe_diameter: Option<f64>,
    /// Radius of the pupil (zone plate, Zernike polynomials) as a fraction of N.
    pub pupil_radius: f64,
    /// Radius of the central stop of the zone plate as a fraction of the pupil's.
    pub central_stop: f64,
    /// Defocus λz/Δx²; none = 0, for the zone plate so far that its shadow has the radius N/6.
    #[serde(with = "super::optional")]
    pub defocus: Option<f64>,
    /// Zernike coefficient Z6 (Noll), radians root mean square over the pupil.
    pub astigmatism_0: f64,
    /// Zernike coefficient Z5.
    pub astigmatism_45: f64,
    /// Zernike coefficient Z8.
    pub coma_x: f64,
    /// Zernike coefficient Z7.
    pub coma_y: f64,
    /// Zernike coefficient Z11.
    pub spherical: f64,
    /// Number of incoherent modes of a drawn probe.
    pub probe_modes: usize,
    /// Power of each mode as a fraction of the one before it.
    pub mode_power: f64,
    /// Where the patterns are taken.
    pub scan: ScanKind,
    /// Number of patterns; none = 500, or all positions of the file.
    #[serde(with = "super::optional")]
    pub n_images: Option<usize>,
    /// Overlap of neighbouring positions, 1 − distance / probe diameter; none = the scan fills the object.
    #[serde(with = "super::optional")]
    pub overlap: Option<f64>,
    /// Largest displacement of the jittered raster along each axis as a fraction of its step.
    pub scan_jitter: f64,
    /// Distance of the positions from the edge of the object in pixels; none = N/2.
    #[serde(with = "super::optional")]
    pub buffer: Option<f64>,
    /// Mean photons per pattern before the detector.
    pub n_photons: f64,
    /// Whether counts are drawn from the Poisson distribution.
    pub poisson_noise: bool,
    /// Standard deviation of the detector's read noise in photons.
    pub read_noise: f64,
    /// Fraction of detector pixels that see nothing.
    pub dead_pixels: f64,
    /// Diameter of the beamstop in detector pixels; 0 = none.
    pub beamstop_diameter: f64,
    /// Standard deviation of the error of the recorded positions along each axis, in pixels.
    pub position_error: f64,
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
        }
    }
}

impl SimulationConfig {
    /// Checks what the range of each field alone cannot say.
    ///
    /// # Errors
    /// Limits in the wrong order, an unusual pattern size, or a field that the chosen probe does not use.
    pub fn check(&self) -> Result<()> {
        let refuse = |title: String, hint: &str| Err(Error::BadInput(Problem::new(title).hint(hint)));
        if self.amplitude_min > self.amplitude_max {
            let title = format!("The amplitude range is {} to {}", self.amplitude_min, self.amplitude_max);
            return refuse(title, "Give --amplitude-min below --amplitude-max");
        }
        if self.phase_min > self.phase_max {
            let title = format!("The phase range is {} to {}", self.phase_min, self.phase_max);
            return refuse(title, "Give --phase-min below --phase-max");
        }
        if self.amplitude_max <= 0.0 && self.object != ObjectKind::File {
            return refuse("The object has no amplitude".to_owned(), "Give --amplitude-max above 0");
        }
        if ![64, 128, 256].contains(&self.pattern_size) {
            let title = format!("simulation.pattern_size = {} is not a usable size", self.pattern_size);
            return refuse(title, "Give --pattern-size 64, 128 or 256");
        }
        if self.probe_diameter.is_some() && !matches!(self.probe, ProbeKind::Gaussian | ProbeKind::Disk) {
            return refuse(
                "simulation.probe_diameter is set, but only the probes gaussian and disk have a diameter to choose"
                    .to_owned(),
                "Leave --probe-diameter out, or give --probe gaussian or --probe disk",
            );
        }
        Ok(())
    }
}

const fn real(min: f64, min_included: bool, max: f64, optional: bool) -> Kind {
    Kind::Real { min, min_included, max, optional }
}

/// A coefficient of a Zernike polynomial.
const ZERNIKE: Kind = real(-100.0, true, 100.0, false);

/// Metadata of every field above.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "simulation.object",
        label: "Object",
        help: "What is looked at.",
        unit: "",
        flag: Some("--object"),
        kind: choice(&[
            ("lines", "straight lines of three widths"),
            ("grf", "Gaussian random field"),
            ("points", "blurred points"),
            ("diagonals", "vertical, horizontal and diagonal lines"),
            ("dead_leaves", "disks of many sizes that cover each other"),
            ("siemens", "Siemens star"),
            ("image", "a picture from a PNG file (--object-image)"),
            ("file", "the object of an NPZ file (--input-file), as it is"),
        ]),
    },
    Field {
        path: "simulation.object_size",
        label: "Object side",
        help: "Side of a drawn object; none makes it as large as the scan needs.",
        unit: "px",
        flag: Some("--object-size"),
        kind: optional_integer(64, 16384),
    },
    Field {
        path: "simulation.amplitude_min",
        label: "Smallest amplitude",
        help: "Smallest amplitude of a drawn object.",
        unit: "",
        flag: Some("--amplitude-min"),
        kind: real(0.0, true, 1e6, false),
    },
    Field {
        path: "simulation.amplitude_max",
        label: "Largest amplitude",
        help: "Largest amplitude of a drawn object.",
        unit: "",
        flag: Some("--amplitude-max"),
        kind: real(0.0, true, 1e6, false),
    },
    Field {
        path: "simulation.phase_min",
        label: "Smallest phase",
        help: "Smallest phase of a drawn object.",
        unit: "rad",
        flag: Some("--phase-min"),
        kind: real(-1000.0, true, 1000.0, false),
    },
    Field {
        path: "simulation.phase_max",
        label: "Largest phase",
        help: "Largest phase of a drawn object.",
        unit: "rad",
        flag: Some("--phase-max"),
        kind: real(-1000.0, true, 1000.0, false),
    },
    Field {
        path: "simulation.phase_texture",
        label: "Phase texture",
        help: "Where the phase of a drawn object comes from.",
        unit: "",
        flag: Some("--phase-texture"),
        kind: choice(&[
            ("same", "the texture of the amplitude"),
            ("independent", "a second draw of the same kind; a picture or a star is turned"),
            ("tanh", "tanh((Y - max Y / 2) / (3 mean Y)) of the amplitude's texture Y: PtychoPINN's"),
        ]),
    },
    Field {
        path: "simulation.probe",
        label: "Probe",
        help: "What illuminates the object.",
        unit: "",
        flag: Some("--probe"),
        kind: choice(&[
            ("default", "PtychoPINN's blurred disk of radius 0.17 N"),
            ("gaussian", "a Gaussian"),
            ("disk", "a disk with a soft edge"),
            ("zone_plate", "the focus of a zone plate with a central stop"),
            ("file", "the probe of an NPZ file (--input-file or --probe-file)"),
        ]),
    },
    Field {
        path: "simulation.pattern_size",
        label: "Pattern size",
        help: "Side N of patterns and probe, 64, 128 or 256; a probe from a file brings its own.",
        unit: "px",
        flag: Some("--pattern-size"),
        kind: integer(64, 256),
    },
    Field {
        path: "simulation.probe_diameter",
        label: "Probe diameter",
        help: "Diameter of a disk, or full width at half maximum of a Gaussian's amplitude; none takes N/3.",
        unit: "px",
        flag: Some("--probe-diameter"),
        kind: real(1.0, true, 256.0, true),
    },
    Field {
        path: "simulation.pupil_radius",
        label: "Pupil radius",
        help: "Radius of the pupil, of the zone plate and of the Zernike polynomials, as a fraction of N.",
        unit: "N",
        flag: Some("--pupil-radius"),
        kind: real(0.01, true, 0.5, false),
    },
    Field {
        path: "simulation.central_stop",
        label: "Central stop",
        help: "Radius of the central stop of the zone plate as a fraction of the pupil's; 0 for none.",
        unit: "",
        flag: Some("--central-stop"),
        kind: real(0.0, true, 0.95, false),
    },
    Field {
        path: "simulation.defocus",
        label: "Defocus",
        help: "Propagation of the probe, wavelength times distance over the squared object pixel; none is 0, and for the \
               zone plate so far that its shadow has the radius N/6.",
        unit: "px²",
        flag: Some("--defocus"),
        kind: real(-1e6, true, 1e6, true),
    },
    Field {
        path: "simulation.astigmatism_0",
        label: "Astigmatism",
        help: "Zernike coefficient Z6 (Noll) of the probe's pupil, root mean square.",
        unit: "rad",
        flag: None,
        kind: ZERNIKE,
    },
    Field {
        path: "simulation.astigmatism_45",
        label: "Astigmatism at 45°",
        help: "Zernike coefficient Z5 (Noll) of the probe's pupil, root mean square.",
        unit: "rad",
        flag: None,
        kind: ZERNIKE,
    },
    Field {
        path: "simulation.coma_x",
        label: "Coma along x",
        help: "Zernike coefficient Z8 (Noll) of the probe's pupil, root mean square.",
        unit: "rad",
        flag: None,
        kind: ZERNIKE,
    },
    Field {
        path: "simulation.coma_y",
        label: "Coma along y",
        help: "Zernike coefficient Z7 (Noll) of the probe's pupil, root mean square.",
        unit: "rad",
        flag: None,
        kind: ZERNIKE,
    },
    Field {
        path: "simulation.spherical",
        label: "Spherical aberration",
        help: "Zernike coefficient Z11 (Noll) of the probe's pupil, root mean square.",
        unit: "rad",
        flag: None,
        kind: ZERNIKE,
    },
    Field {
        path: "simulation.probe_modes",
        label: "Probe modes",
        help: "Number of incoherent modes of the probe; a file with several modes keeps its own.",
        unit: "modes",
        flag: Some("--probe-modes"),
        kind: integer(1, 10),
    },
    Field {
        path: "simulation.mode_power",
        label: "Mode power",
        help: "Power of each probe mode as a fraction of the one before it.",
        unit: "",
        flag: Some("--mode-power"),
        kind: real(0.0, false, 1.0, false),
    },
    Field {
        path: "simulation.scan",
        label: "Scan",
        help: "Where the patterns are taken.",
        unit: "",
        flag: Some("--scan"),
        kind: choice(&[
            ("random", "uniformly at random: PtychoPINN's"),
            ("raster", "rows and columns"),
            ("jittered_raster", "rows and columns, each point displaced at random"),
            ("spiral", "Fermat spiral"),
            ("file", "positions from a file (--positions-file)"),
        ]),
    },
    Field {
        path: "simulation.n_images",
        label: "Patterns",
        help: "Number of patterns; none makes 500, or takes all positions of the file.",
        unit: "patterns",
        flag: Some("--n-images"),
        kind: optional_integer(1, 100_000_000),
    },
    Field {
        path: "simulation.overlap",
        label: "Overlap",
        help: "Overlap of neighbouring positions, 1 - distance / probe diameter; none lets the scan fill an object of \
               given size, and makes other objects for an overlap of 0.75.",
        unit: "",
        flag: Some("--overlap"),
        kind: real(0.0, true, 0.99, true),
    },
    Field {
        path: "simulation.scan_jitter",
        label: "Scan jitter",
        help: "Largest displacement of the jittered raster along each axis as a fraction of its step.",
        unit: "",
        flag: Some("--scan-jitter"),
        kind: real(0.0, true, 1.0, false),
    },
    Field {
        path: "simulation.buffer",
        label: "Margin",
        help: "Distance of the positions from the edge of the object; none takes N/2.",
        unit: "px",
        flag: Some("--buffer"),
        kind: real(0.0, true, 1e6, true),
    },
    Field {
        path: "simulation.n_photons",
        label: "Photons per pattern",
        help: "Mean photons per pattern before the detector.",
        unit: "photons",
        flag: Some("--n-photons"),
        kind: real(0.0, false, 1e15, false),
    },
    Field {
        path: "simulation.poisson_noise",
        label: "Poisson noise",
        help: "Whether counts are drawn from the Poisson distribution.",
        unit: "",
        flag: Some("--poisson-noise"),
        kind: Kind::Flag,
    },
    Field {
        path: "simulation.read_noise",
        label: "Read noise",
        help: "Standard deviation of the detector's read noise; with Poisson noise the detector counts whole photons.",
        unit: "photons",
        flag: Some("--read-noise"),
        kind: real(0.0, true, 1e9, false),
    },
    Field {
        path: "simulation.dead_pixels",
        label: "Dead pixels",
        help: "Fraction of detector pixels that see nothing.",
        unit: "",
        flag: Some("--dead-pixels"),
        kind: real(0.0, true, 0.9, false),
    },
    Field {
        path: "simulation.beamstop_diameter",
        label: "Beamstop",
        help: "Diameter of the beamstop on the detector; 0 for none.",
        unit: "px",
        flag: Some("--beamstop-diameter"),
        kind: real(0.0, true, 256.0, false),
    },
    Field {
        path: "simulation.position_error",
        label: "Position error",
        help: "Standard deviation of the error of the recorded positions along each axis, cut off at four times that.",
        unit: "px",
        flag: Some("--position-error"),
        kind: real(0.0, true, 100.0, false),
    },
];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_configuration_written_before_there_was_a_simulation_still_reads() {
        let whole = Config::default().to_toml().unwrap();
        let at = whole.find("[simulation]").unwrap();
        let end = whole[at + 1..].find("\n[").map_or(whole.len(), |next| at + 1 + next);
        let old = format!("{}{}", &whole[..at], &whole[end..]);
        assert!(!old.contains("simulation") && old.contains("[execution"), "{old}");
        assert_eq!(Config::from_toml(&old).unwrap(), Config::default());
    }

    #[test]
    fn fields_that_contradict_each_other_are_named_with_their_flags() {
        let refused = |change: fn(&mut SimulationConfig)| {
            let mut config = SimulationConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|c| c.amplitude_min = 2.0).contains("--amplitude-min"));
        assert!(refused(|c| c.phase_max = -2.0).contains("--phase-min"));
        assert!(refused(|c| c.pattern_size = 100).contains("--pattern-size"));
        assert!(refused(|c| c.probe_diameter = Some(20.0)).contains("--probe-diameter"));
        SimulationConfig::default().check().unwrap();
    }
}
