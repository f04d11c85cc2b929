//! What is read from the dataset and how it is grouped (A§2).

use super::field::{Choice, Field, Kind, choice, integer, optional_integer};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the numbers in the diffraction array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffractionUnit {
    /// Integers are counts, floating point numbers are amplitude.
    #[default]
    Auto,
    /// Amplitude: square root of the counts.
    Amplitude,
    /// Counts (intensity): the root is taken on reading.
    Counts,
}

/// Which scan points become the seeds of groups when fewer groups than points are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Drawn at random with the grouping seed.
    #[default]
    Random,
    /// The first points in file order.
    Sequential,
}

/// What draws patterns and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RandomGenerator {
    /// ChaCha with 8 rounds, a stream of its own for each group.
    #[default]
    Chacha,
    /// NumPy's legacy generator, drawn from in the order of the original, so that its indices come out (A§2.2, A§2.3).
    Numpy,
}

/// How the axes of the scan lie with respect to those of the detector: what is done to (x, y) of every position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// (x, y): as the file has it.
    #[default]
    Plain,
    /// (-x, y).
    FlipX,
    /// (x, -y).
    FlipY,
    /// (-x, -y).
    FlipXy,
    /// (y, x).
    Swap,
    /// (-y, x): swapped, then x flipped.
    SwapFlipX,
    /// (y, -x): swapped, then y flipped.
    SwapFlipY,
    /// (-y, -x).
    SwapFlipXy,
}

impl Orientation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::FlipX,
        Self::FlipY,
        Self::FlipXy,
        Self::Swap,
        Self::SwapFlipX,
        Self::SwapFlipY,
        Self::SwapFlipXy,
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        let at = Self::ALL.iter().position(|one| *one == self).unwrap_or_default();
        ORIENTATIONS[at].0
    }

    /// Whether x and y are exchanged, then whether x and y change their signs.
    pub fn swap_flip_x_flip_y(self) -> (bool, bool, bool) {
        match self {
            Self::Plain => (false, false, false),
            Self::FlipX => (false, true, false),
            Self::FlipY => (false, false, true),
            Self::FlipXy => (false, true, true),
            Self::Swap => (true, false, false),
            Self::SwapFlipX => (true, true, false),
            Self::SwapFlipY => (true, false, true),
            Self::SwapFlipXy => (true, true, true),
        }
    }
}

/// Unit of the positions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionUnit {
    /// As the format has it: metres in CXI and product files, object pixels elsewhere.
    #[default]
    Auto,
    /// Object pixels.
    Px,
    /// Metres.
    M,
    /// Millimetres.
    Mm,
    /// Micrometres.
    Um,
    /// Nanometres.
    Nm,
}

impl PositionUnit {
    /// Metres of one unit; `None` for pixels, and for the unit of the format.
    pub fn metres(self) -> Option<f64> {
        match self {
            Self::Auto | Self::Px => None,
            Self::M => Some(1.0),
            Self::Mm => Some(1e-3),
            Self::Um => Some(1e-6),
            Self::Nm => Some(1e-9),
        }
    }
}

/// Which coordinate comes first in an array of (n, 2) positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionOrder {
    /// x (column), then y (row).
    #[default]
    Xy,
    /// y (row), then x (column).
    Yx,
}

/// Which axis of an array of patterns with three axes counts the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisOrder {
    /// The one that is as long as there are positions; for three equal lengths the values tell.
    #[default]
    Auto,
    /// The first: (n, h, w).
    First,
    /// The last: (h, w, n).
    Last,
}

/// Which values of a mask mark good pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskGood {
    /// As the format has it; in an unknown one, what most pixels have.
    #[default]
    Auto,
    /// 0 is good, anything else is not.
    Zero,
    /// 0 is bad, anything else is good.
    NonZero,
}

/// Whether the light of the probe ends at a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeMask {
    /// The probe is used as it is.
    #[default]
    Off,
    /// 1 inside the disk, 0 outside.
    Hard,
    /// The disk with its edge smoothed by a Gaussian.
    Soft,
}

/// Where the arrays are in a file without known names: keys of an NPZ file, or paths in an HDF5 file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Diffraction patterns, (n, h, w), (h, w, n) or (ny, nx, h, w); with `*` several parts, in the order of their names.
    pub diffraction: String,
    /// Which axis of `diffraction` counts the patterns, where it has three.
    pub axis_order: AxisOrder,
    /// Positions, (n, 2) or (2, n).
    pub positions: String,
    /// Positions, column (n,).
    pub x: String,
    /// Positions, row (n,).
    pub y: String,
    /// Order of the two coordinates in `positions`.
    pub position_order: PositionOrder,
    /// Unit of the positions.
    pub position_unit: PositionUnit,
    /// Distance of neighbouring scan points, in that unit, for patterns in a grid (ny, nx, h, w) without positions; none =
    /// the file has positions.
    #[serde(with = "super::optional")]
    pub scan_step: Option<f64>,
    /// Probe, (N, N) or (modes, N, N).
    pub probe: String,
    /// Object, (H, W).
    pub object: String,
    /// Mask of the detector, (h, w).
    pub mask: String,
    /// Which values are good: of the mask named here or in `mask_file`.
    pub mask_good: MaskGood,
    /// Another file (a product or a dataset) that the probe is taken from.
    pub probe_file: String,
    /// Another file (`.npy`, `.npz`, HDF5, PNG, TIFF) with a mask, of the stored patterns (h, w) or of the finished ones
    /// (N, N); a pixel has to be good in the mask of the dataset, too.
    pub mask_file: String,
}

/// Geometry of the experiment, where the file does not say it or says it wrong.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Geometry {
    /// Photon energy, eV.
    #[serde(with = "super::optional")]
    pub energy_ev: Option<f64>,
    /// Distance from sample to detector, m.
    #[serde(with = "super::optional")]
    pub distance_m: Option<f64>,
    /// Side of a detector pixel as stored in the file, m.
    #[serde(with = "super::optional")]
    pub detector_pixel_m: Option<f64>,
    /// Side of an object pixel after cropping and binning, m; wins over what follows from the others.
    #[serde(with = "super::optional")]
    pub pixel_size_m: Option<f64>,
}

/// What is read from the dataset and how it is grouped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// What the numbers in the diffraction array are.
    pub diffraction_unit: DiffractionUnit,
    /// Side of the central square that is cut out of every pattern, detector pixels; none = all of it.
    #[serde(with = "super::optional")]
    pub crop: Option<usize>,
    /// Detector pixels summed along each axis, after cropping.
    pub bin: usize,
    /// Side to which patterns are padded with zeros, after cropping and binning; none = no padding.
    #[serde(with = "super::optional")]
    pub pad: Option<usize>,
    /// Side that patterns must have then; none = any.
    #[serde(with = "super::optional")]
    pub pattern_size: Option<usize>,
    /// Pixels that reach this value (as stored) in any pattern are masked; none = no limit.
    #[serde(with = "super::optional")]
    pub saturation: Option<f64>,
    /// How the axes of the scan lie with respect to those of the detector.
    pub orientation: Orientation,
    /// Number of patterns kept before grouping; none = all.
    #[serde(with = "super::optional")]
    pub n_subsample: Option<usize>,
    /// Memory for the patterns and what is made of them, GB; none = half of the machine's.
    #[serde(with = "super::optional")]
    pub max_memory: Option<f64>,
    /// Number of groups built; none = one for each pattern kept.
    #[serde(with = "super::optional")]
    pub n_groups: Option<usize>,
    /// How seeds of groups are chosen when there are fewer groups than patterns.
    pub sampling: Sampling,
    /// What draws patterns and groups.
    pub rng: RandomGenerator,
    /// Nearest neighbours a group is drawn from (gridsize > 1).
    pub neighbor_count: usize,
    /// Nearest neighbours for more groups than patterns; none = `neighbor_count`.
    #[serde(with = "super::optional")]
    pub neighbor_pool_size: Option<usize>,
    /// Whether the seed pattern belongs to its own group; the reference leaves it out.
    pub seed_in_group: bool,
    /// Permit more groups than patterns (gridsize > 1), from combinations of neighbours.
    pub enable_oversampling: bool,
    /// Further datasets that are trained on together with the first, separated by `;`.
    pub also: String,
    /// Fraction of the patterns held back to compute a validation loss; 0 = none.
    pub validation_fraction: f64,
    /// Whether the light of the probe ends at a disk.
    pub probe_mask: ProbeMask,
    /// Diameter of that disk, pixels; none = N/2.
    #[serde(with = "super::optional")]
    pub probe_mask_diameter: Option<f64>,
    /// Width of the Gaussian that smooths its edge, pixels.
    pub probe_mask_sigma: f64,
    /// Incoherent modes of the probe that are used; none = as many as the dataset has.
    #[serde(with = "super::optional")]
    pub probe_modes: Option<usize>,
    /// Where the arrays are in a file without known names.
    pub mapping: Mapping,
    /// Geometry of the experiment, where the file does not say it.
    pub geometry: Geometry,
}

impl DataConfig {
    /// The further datasets of a training.
    pub fn further(&self) -> impl Iterator<Item = &Path> {
        self.also.split(';').map(str::trim).filter(|path| !path.is_empty()).map(Path::new)
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            diffraction_unit: DiffractionUnit::Auto,
            crop: None,
            bin: 1,
            pad: None,
            pattern_size: None,
            saturation: None,
            orientation: Orientation::Plain,
            n_subsample: None,
            max_memory: None,
            n_groups: None,
            sampling: Sampling::Random,
            rng: RandomGenerator::Chacha,
            neighbor_count: 8,
            neighbor_pool_size: None,
            seed_in_group: true,
            enable_oversampling: false,
            also: String::new(),
            validation_fraction: 0.0,
            probe_mask: ProbeMask::Off,
            probe_mask_diameter: None,
            probe_mask_sigma: 1.0,
            probe_modes: None,
            mapping: Mapping::default(),
            geometry: Geometry::default(),
        }
    }
}

const ORIENTATIONS: &[Choice] = &[
    ("plain", "(x, y), as the file has it"),
    ("flip_x", "(-x, y)"),
    ("flip_y", "(x, -y)"),
    ("flip_xy", "(-x, -y)"),
    ("swap", "(y, x)"),
    ("swap_flip_x", "(-y, x)"),
    ("swap_flip_y", "(y, -x)"),
    ("swap_flip_xy", "(-y, -x)"),
];

/// A key or path of [`Mapping`].
const fn text(path: &'static str, label: &'static str, help: &'static str) -> Field {
    Field { path, label, help, unit: "", flag: None, kind: Kind::Text }
}

/// A length or energy of [`Geometry`].
const fn positive(path: &'static str, label: &'static str, help: &'static str, unit: &'static str) -> Field {
    let kind = Kind::Real { min: 0.0, min_included: false, max: f64::INFINITY, optional: true };
    Field { path, label, help, unit, flag: None, kind }
}

/// Metadata of every field above.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "data.diffraction_unit",
        label: "Diffraction unit",
        help: "What the numbers in the diffraction array are.",
        unit: "",
        flag: Some("--diffraction-unit"),
        kind: choice(&[
            ("auto", "integers are counts, floating point numbers are amplitude"),
            ("amplitude", "square root of the counts"),
            ("counts", "intensity: the root is taken on reading"),
        ]),
    },
    Field {
        path: "data.crop",
        label: "Crop",
        help: "Side of the central square that is cut out of every pattern; none keeps all of it.",
        unit: "px",
        flag: Some("--crop"),
        kind: optional_integer(2, 65536),
    },
    Field {
        path: "data.bin",
        label: "Binning",
        help: "Detector pixels summed along each axis, after cropping.",
        unit: "px",
        flag: Some("--bin"),
        kind: integer(1, 64),
    },
    Field {
        path: "data.pad",
        label: "Padding",
        help: "Side to which patterns are padded with dark pixels, after cropping and binning; none does not pad.",
        unit: "px",
        flag: Some("--pad"),
        kind: optional_integer(2, 65536),
    },
    Field {
        path: "data.pattern_size",
        label: "Pattern side",
        help: "Side that patterns must have after cropping, binning and padding, or the dataset is refused; none takes any.",
        unit: "px",
        flag: None,
        kind: optional_integer(2, 65536),
    },
    Field {
        path: "data.saturation",
        label: "Saturation",
        help: "Pixels that reach this value, as stored, in any pattern are masked; none sets no limit.",
        unit: "",
        flag: Some("--saturation"),
        kind: Kind::Real { min: 0.0, min_included: false, max: f64::INFINITY, optional: true },
    },
    Field {
        path: "data.orientation",
        label: "Orientation",
        help: "How the axes of the scan lie with respect to those of the detector: what is done to (x, y).",
        unit: "",
        flag: Some("--orientation"),
        kind: choice(ORIENTATIONS),
    },
    Field {
        path: "data.n_subsample",
        label: "Patterns kept",
        help: "Number of patterns kept before grouping; none keeps all.",
        unit: "patterns",
        flag: Some("--n-subsample"),
        kind: optional_integer(1, i64::MAX),
    },
    Field {
        path: "data.max_memory",
        label: "Memory",
        help: "Memory for the patterns and what is made of them: a larger dataset is trained on and reconstructed part by \
               part; none grants half of the machine's.",
        unit: "GB",
        flag: Some("--max-memory"),
        kind: Kind::Real { min: 0.0, min_included: false, max: 1e6, optional: true },
    },
    Field {
        path: "data.n_groups",
        label: "Groups",
        help: "Number of groups built; none builds one for each pattern kept.",
        unit: "groups",
        flag: Some("--n-groups"),
        kind: optional_integer(1, i64::MAX),
    },
    Field {
        path: "data.sampling",
        label: "Sampling",
        help: "How seeds of groups are chosen when there are fewer groups than patterns.",
        unit: "",
        flag: None,
        kind: choice(&[("random", "drawn with the grouping seed"), ("sequential", "the first points in file order")]),
    },
    Field {
        path: "data.rng",
        label: "Random generator",
        help: "What draws patterns and groups.",
        unit: "",
        flag: Some("--rng"),
        kind: choice(&[
            ("chacha", "ChaCha, a stream of its own for each group"),
            ("numpy", "NumPy's legacy generator, as the original draws: the same seed gives its indices"),
        ]),
    },
    Field {
        path: "data.neighbor_count",
        label: "Neighbours",
        help: "Nearest neighbours a group is drawn from (gridsize above 1).",
        unit: "patterns",
        flag: Some("--neighbor-count"),
        kind: integer(1, 1000),
    },
    Field {
        path: "data.neighbor_pool_size",
        label: "Neighbour pool",
        help: "Nearest neighbours that combinations are made of for more groups than patterns; none takes neighbor_count.",
        unit: "patterns",
        flag: Some("--neighbor-pool-size"),
        kind: optional_integer(1, 1000),
    },
    Field {
        path: "data.seed_in_group",
        label: "Seed in its group",
        help: "Whether the seed pattern belongs to its own group; PtychoPINN leaves it out.",
        unit: "",
        flag: None,
        kind: Kind::Flag,
    },
    Field {
        path: "data.enable_oversampling",
        label: "Oversampling",
        help: "Permit more groups than patterns (gridsize above 1), from combinations of neighbours.",
        unit: "",
        flag: Some("--enable-oversampling"),
        kind: Kind::Flag,
    },
    Field {
        path: "data.also",
        label: "Further datasets",
        help: "Datasets that one network is trained on together with the first, separated by a semicolon; each keeps its own \
               probe, positions and scaling.",
        unit: "",
        flag: Some("--also"),
        kind: Kind::Text,
    },
    Field {
        path: "data.validation_fraction",
        label: "Validation fraction",
        help: "Fraction of the patterns held back to compute a validation loss; 0 holds back none.",
        unit: "",
        flag: Some("--validation-fraction"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 0.9, optional: false },
    },
    Field {
        path: "data.probe_mask",
        label: "Probe mask",
        help: "Whether the light of the probe ends at a disk around the middle of the frame.",
        unit: "",
        flag: Some("--probe-mask"),
        kind: Kind::Choice {
            options: &[
                ("off", "the probe is used as it is"),
                ("hard", "1 inside the disk, 0 outside"),
                ("soft", "the disk with its edge smoothed by a Gaussian"),
            ],
            aliases: &[("true", "soft"), ("false", "off"), ("none", "off")],
        },
    },
    Field {
        path: "data.probe_mask_diameter",
        label: "Mask diameter",
        help: "Diameter of the disk that masks the probe; none takes half the side of a pattern.",
        unit: "px",
        flag: Some("--probe-mask-diameter"),
        kind: Kind::Real { min: 0.0, min_included: false, max: 65536.0, optional: true },
    },
    Field {
        path: "data.probe_mask_sigma",
        label: "Mask edge",
        help: "Width of the Gaussian that smooths the edge of a soft mask.",
        unit: "px",
        flag: Some("--probe-mask-sigma"),
        kind: Kind::Real { min: 0.0, min_included: false, max: 1000.0, optional: false },
    },
    Field {
        path: "data.probe_modes",
        label: "Probe modes",
        help: "Incoherent modes of the probe that are used, the strongest first; none uses those of the dataset. A number \
               above theirs adds modes, which a trained or refined probe fills.",
        unit: "modes",
        flag: Some("--probe-modes"),
        kind: optional_integer(1, 32),
    },
    text(
        "data.mapping.diffraction",
        "Key of the patterns",
        "Key (NPZ) or path (HDF5) of the patterns, (n, h, w), (h, w, n) or (ny, nx, h, w); * stands for anything, for a \
         stack in several parts.",
    ),
    Field {
        path: "data.mapping.axis_order",
        label: "Axis order",
        help: "Which axis of an array with three axes counts the patterns.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("auto", "the one that is as long as there are positions"),
            ("first", "(n, h, w)"),
            ("last", "(h, w, n)"),
        ]),
    },
    text("data.mapping.positions", "Key of the positions", "Key or path of the positions, (n, 2) or (2, n)."),
    text("data.mapping.x", "Key of x", "Key or path of the column of each position, (n,)."),
    text("data.mapping.y", "Key of y", "Key or path of the row of each position, (n,)."),
    Field {
        path: "data.mapping.position_order",
        label: "Order of the coordinates",
        help: "Which coordinate comes first in an array of both.",
        unit: "",
        flag: None,
        kind: choice(&[("xy", "x (column), then y (row)"), ("yx", "y (row), then x (column)")]),
    },
    Field {
        path: "data.mapping.position_unit",
        label: "Unit of the positions",
        help: "Unit of the positions of the file.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("auto", "as the format has it: metres in CXI and product files, object pixels elsewhere"),
            ("px", "object pixels"),
            ("m", "metres"),
            ("mm", "millimetres"),
            ("um", "micrometres"),
            ("nm", "nanometres"),
        ]),
    },
    Field {
        path: "data.mapping.scan_step",
        label: "Step of the scan",
        help: "Distance of neighbouring scan points, in the unit of the positions, for patterns in a grid (ny, nx, h, w) \
               whose file has no positions.",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: false, max: f64::INFINITY, optional: true },
    },
    text("data.mapping.probe", "Key of the probe", "Key or path of the probe, (N, N) or (modes, N, N)."),
    text("data.mapping.object", "Key of the object", "Key or path of the object, (H, W)."),
    text("data.mapping.mask", "Key of the mask", "Key or path of the mask of the detector, (h, w)."),
    Field {
        path: "data.mapping.mask_good",
        label: "Good values of the mask",
        help: "Which values of the mask that is named here mark good pixels.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("auto", "as the format has it; in an unknown one, what most pixels have"),
            ("zero", "0 is good"),
            ("non_zero", "0 is bad"),
        ]),
    },
    text(
        "data.mapping.probe_file",
        "File of the probe",
        "Another file, a product or a dataset, that the probe is taken from.",
    ),
    Field {
        path: "data.mapping.mask_file",
        label: "File of the mask",
        help: "A file (.npy, .npz, HDF5, PNG, TIFF) that masks bad pixels of the detector, of the patterns as stored or as \
               used; what is good is told by data.mapping.mask_good, or is what most pixels have.",
        unit: "",
        flag: Some("--mask-file"),
        kind: Kind::Text,
    },
    positive("data.geometry.energy_ev", "Photon energy", "Photon energy, where the file does not say it.", "eV"),
    positive(
        "data.geometry.distance_m",
        "Detector distance",
        "Distance from sample to detector, where the file does not say it.",
        "m",
    ),
    positive(
        "data.geometry.detector_pixel_m",
        "Detector pixel",
        "Side of a detector pixel as stored, where the file does not say it.",
        "m",
    ),
    positive(
        "data.geometry.pixel_size_m",
        "Object pixel",
        "Side of an object pixel after cropping and binning; wins over what follows from energy and distance.",
        "m",
    ),
];
