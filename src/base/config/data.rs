//! Reading and grouping of the dataset (A§2).

use super::field::{Choice, Field, Kind, choice, field, integer, number, positive};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Quantity stored in the diffraction array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffractionUnit {
    /// Counts if the format defines it so (CXI, PtyPy, Ptychodus) or the array holds integers; else judged from the values.
    #[default]
    Auto,
    /// Amplitude: square root of the counts.
    Amplitude,
    /// Counts (intensity): the square root is taken on reading.
    Counts,
}

/// Choice of the seed patterns when there are fewer groups than patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Drawn at random with the grouping seed.
    #[default]
    Random,
    /// The first patterns in file order.
    Sequential,
}

/// Random number generator for the choice of patterns and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RandomGenerator {
    /// ChaCha with 8 rounds, with an independent stream for each group.
    #[default]
    Chacha,
    /// NumPy's legacy generator in PtychoPINN's order, which reproduces its indices (A§2.2, A§2.3).
    Numpy,
}

/// Transform of the scan positions (x, y) that aligns the axes of the scan with those of the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// (x, y), as stored.
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
    /// All orientations.
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

    /// Name in the configuration.
    pub fn name(self) -> &'static str {
        let at = Self::ALL.iter().position(|one| *one == self).unwrap_or_default();
        ORIENTATIONS[at].0
    }

    /// True if x and y are swapped, then if x is negated, then if y is negated.
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

/// Center of the patterns: the direct beam, around which they are cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Center {
    /// The middle of the frame, index N/2.
    #[default]
    Middle,
    /// Found from the symmetry of the mean pattern, and confirmed by its center of mass.
    Auto,
}

/// Place of the zero frequency in the stored patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZeroFrequency {
    /// Judged from the mean pattern.
    #[default]
    Auto,
    /// At the center, index N/2.
    Center,
    /// At the corner, index 0: the patterns are shifted (`fftshift`) on reading.
    Corner,
}

/// Reading of patterns and positions of different numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// The dataset is rejected.
    #[default]
    Reject,
    /// The first patterns and positions are used, as many as there are of both.
    First,
}

/// Unit of the positions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionUnit {
    /// As the file states it (attribute `units`, header of a table), else as the format defines it: meters in CXI and product
    /// files, object pixels elsewhere.
    #[default]
    Auto,
    /// Object pixels.
    Px,
    /// Meters.
    M,
    /// Millimeters.
    Mm,
    /// Micrometers.
    Um,
    /// Nanometers.
    Nm,
}

impl PositionUnit {
    /// Length of one unit in meters; `None` for pixels and for the unit of the format.
    pub fn meters(self) -> Option<f64> {
        match self {
            Self::Auto | Self::Px => None,
            Self::M => Some(1.0),
            Self::Mm => Some(1e-3),
            Self::Um => Some(1e-6),
            Self::Nm => Some(1e-9),
        }
    }
}

/// Order of the coordinates in an array of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionOrder {
    /// x (column), then y (row).
    #[default]
    Xy,
    /// y (row), then x (column).
    Yx,
}

/// Axis that counts the patterns in an array of three axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisOrder {
    /// The axis as long as the list of positions; for three equal lengths, judged from the values.
    #[default]
    Auto,
    /// The first: (n, h, w).
    First,
    /// The last: (h, w, n).
    Last,
}

/// Values that mark good pixels in a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskGood {
    /// As the format defines it; in an unknown format, the value of most pixels.
    #[default]
    Auto,
    /// 0 is good, anything else is bad.
    Zero,
    /// 0 is bad, anything else is good.
    NonZero,
}

/// Treatment of zingers: pixels far brighter in single patterns than their neighbors and the same pixel in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zingers {
    /// They are counted and reported.
    #[default]
    Off,
    /// They are masked in their patterns.
    Auto,
}

/// Mask that sets the probe to zero outside a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeMask {
    /// The probe is used unchanged.
    #[default]
    Off,
    /// 1 inside the disk, 0 outside.
    Hard,
    /// Disk with an edge smoothed by a Gaussian.
    Soft,
}

/// Location of the arrays in a file without standard names: keys of an NPZ file, or paths in an HDF5 file. Of several keys
/// separated by `|`, the first that the file has is used.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Diffraction patterns, (n, h, w), (h, w, n) or (ny, nx, h, w); `*` selects several parts, in the order of their names.
    pub diffraction: String,
    /// Axis of `diffraction` that counts the patterns, if it has three axes.
    pub axis_order: AxisOrder,
    /// Type, height, width and bytes to skip of raw files, such as `uint16,512,512,0`; empty for files that state them.
    pub raw_layout: String,
    /// Positions, (n, 2) or (2, n).
    pub positions: String,
    /// x coordinates (columns) of the positions, (n,).
    pub x: String,
    /// y coordinates (rows) of the positions, (n,).
    pub y: String,
    /// Order of the coordinates in `positions`.
    pub position_order: PositionOrder,
    /// Unit of the positions.
    pub position_unit: PositionUnit,
    /// Columns of x, y and, if there is one, the index of the pattern in an array or table of positions, as names or as numbers
    /// from 1, separated by commas; empty to find them.
    pub position_columns: String,
    /// Matrix `a, b, c, d` applied to the positions: x' = a x + b y, y' = c x + d y; empty for none.
    pub position_matrix: String,
    /// Another file with the positions: a table (CSV, TXT, DAT, TSV), NPY, NPZ or HDF5; `positions`, `x` and `y` are keys in it.
    pub positions_file: String,
    /// Reading of patterns and positions of different numbers.
    pub unmatched: Unmatched,
    /// Distance between neighboring scan points, in that unit, for patterns on a grid (ny, nx, h, w) without positions;
    /// `None` if the file has positions.
    #[serde(with = "super::optional")]
    pub scan_step: Option<f64>,
    /// Photon energy or wavelength, as `KEY`, `KEY [unit]` or `KEY@ATTRIBUTE [unit]`; the unit replaces that of the file.
    pub energy: String,
    /// Distance from sample to detector, likewise.
    pub distance: String,
    /// Side of a detector pixel, likewise.
    pub detector_pixel: String,
    /// Probe, (N, N) or (modes, N, N).
    pub probe: String,
    /// Object, (H, W).
    pub object: String,
    /// Detector mask, (h, w), or (n, h, w) with one for each pattern.
    pub mask: String,
    /// Values that mark good pixels in `mask` or `mask_file`.
    pub mask_good: MaskGood,
    /// Another file (a product, a dataset, a PtyPy result, `.npy`) from which to read the probe; `probe` is a key in it.
    pub probe_file: String,
    /// Patterns without beam, (h, w) or (n, h, w); their mean is subtracted.
    pub dark: String,
    /// Another file with those patterns (`.npy`, `.npz`, HDF5, PNG, TIFF); `dark` is a key in it.
    pub dark_file: String,
    /// Response of the detector to a uniform illumination, (h, w) or (n, h, w); the patterns are divided by it.
    pub flat: String,
    /// Another file with that response; `flat` is a key in it.
    pub flat_file: String,
    /// Counts of every stored pattern besides the diffraction of the object, (h, w), or (n, h, w), whose mean is used; the model
    /// adds them to its intensity.
    pub background: String,
    /// Another file with them; `background` is a key in it.
    pub background_file: String,
    /// Another file (`.npy`, `.npz`, HDF5, PNG, TIFF) with a mask for the patterns as stored (h, w) or as used (N, N), or one for
    /// each stored pattern (n, h, w); a pixel must be good in the mask of the dataset, too.
    pub mask_file: String,
}

/// Geometry of the experiment; replaces missing or wrong values of the file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Geometry {
    /// Photon energy, eV.
    #[serde(with = "super::optional")]
    pub energy_ev: Option<f64>,
    /// Distance from sample to detector, m.
    #[serde(with = "super::optional")]
    pub distance_m: Option<f64>,
    /// Distance from the focus of the beam to the sample, m, in near-field ptychography; `None` in a far field.
    #[serde(with = "super::optional")]
    pub focus_distance_m: Option<f64>,
    /// Side of a detector pixel as stored in the file, m.
    #[serde(with = "super::optional")]
    pub detector_pixel_m: Option<f64>,
    /// Side of an object pixel after cropping and binning, m; replaces the value computed from the others.
    #[serde(with = "super::optional")]
    pub pixel_size_m: Option<f64>,
}

/// Reading and grouping of the dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Quantity stored in the diffraction array.
    pub diffraction_unit: DiffractionUnit,
    /// Side of the central square kept of each pattern, detector pixels; `None` keeps all of it.
    #[serde(with = "super::optional")]
    pub crop: Option<usize>,
    /// Detector pixels summed along each axis, after cropping.
    pub bin: usize,
    /// Center of the patterns, where `center_x` and `center_y` do not set it.
    pub center: Center,
    /// Column of the direct beam in the stored patterns, the center of the crop; `None` leaves it to `center`.
    #[serde(with = "super::optional")]
    pub center_x: Option<usize>,
    /// Row of the direct beam in the stored patterns; `None` leaves it to `center`.
    #[serde(with = "super::optional")]
    pub center_y: Option<usize>,
    /// Place of the zero frequency in the stored patterns.
    pub zero_frequency: ZeroFrequency,
    /// Patterns left out: indices from 0, ranges, `auto`, and names of list files, separated by commas.
    pub exclude: String,
    /// Reject a dataset that is read with warnings.
    pub strict: bool,
    /// Side to which patterns are padded with zeros, after cropping and binning; `None` does not pad.
    #[serde(with = "super::optional")]
    pub pad: Option<usize>,
    /// Side that patterns must have then; `None` accepts any.
    #[serde(with = "super::optional")]
    pub pattern_size: Option<usize>,
    /// Pixels that reach this value (as stored) are masked in the patterns in which they do; `None` sets no limit.
    #[serde(with = "super::optional")]
    pub saturation: Option<f64>,
    /// Treatment of zingers.
    pub zingers: Zingers,
    /// Counts in every pixel of the stored patterns besides the diffraction of the object, in addition to `mapping.background`.
    pub background: f64,
    /// Turn and mirror of the patterns.
    pub detector_orientation: Orientation,
    /// Transform of the scan positions.
    pub orientation: Orientation,
    /// Number of patterns used, drawn before grouping; `None` uses all.
    #[serde(with = "super::optional")]
    pub n_subsample: Option<usize>,
    /// Main memory for the patterns and the arrays derived from them, GB; `None` allows half of the machine's.
    #[serde(with = "super::optional")]
    pub max_memory: Option<f64>,
    /// Number of groups to build; `None` builds one for each pattern used.
    #[serde(with = "super::optional")]
    pub n_groups: Option<usize>,
    /// Choice of the seed patterns when there are fewer groups than patterns.
    pub sampling: Sampling,
    /// Random number generator for the choice of patterns and groups.
    pub rng: RandomGenerator,
    /// Number of nearest neighbors from which a group is drawn (gridsize > 1).
    pub neighbor_count: usize,
    /// Number of nearest neighbors to combine for more groups than patterns; `None` uses `neighbor_count`.
    #[serde(with = "super::optional")]
    pub neighbor_pool_size: Option<usize>,
    /// Include the seed pattern in its own group; the reference excludes it.
    pub seed_in_group: bool,
    /// Allow more groups than patterns (gridsize > 1), from combinations of neighbors.
    pub enable_oversampling: bool,
    /// Additional datasets for training the same network, separated by `;`.
    pub also: String,
    /// Fraction of the patterns withheld from training to compute a validation loss.
    pub validation_fraction: f64,
    /// Mask that sets the probe to zero outside a disk.
    pub probe_mask: ProbeMask,
    /// Diameter of that disk, pixels; `None` uses N/2.
    #[serde(with = "super::optional")]
    pub probe_mask_diameter: Option<f64>,
    /// Standard deviation of the Gaussian that smooths its edge, pixels.
    pub probe_mask_sigma: f64,
    /// Number of incoherent probe modes to use; `None` uses those of the dataset.
    #[serde(with = "super::optional")]
    pub probe_modes: Option<usize>,
    /// Location of the arrays in a file without standard names.
    pub mapping: Mapping,
    /// Geometry of the experiment, in place of that in the file.
    pub geometry: Geometry,
}

impl DataConfig {
    /// Paths of the additional datasets in `also`.
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
            center: Center::Middle,
            center_x: None,
            center_y: None,
            zero_frequency: ZeroFrequency::Auto,
            exclude: String::new(),
            strict: false,
            pad: None,
            pattern_size: None,
            saturation: None,
            zingers: Zingers::Off,
            background: 0.0,
            detector_orientation: Orientation::Plain,
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
    ("plain", "(x, y), as stored"),
    ("flip_x", "(-x, y)"),
    ("flip_y", "(x, -y)"),
    ("flip_xy", "(-x, -y)"),
    ("swap", "(y, x)"),
    ("swap_flip_x", "(-y, x)"),
    ("swap_flip_y", "(y, -x)"),
    ("swap_flip_xy", "(-y, -x)"),
];

const SIDE: Kind = integer(2, 65536).optional();
const ABOVE_0: Kind = positive(f64::INFINITY).optional();

/// Declarations of the fields of [`DataConfig`].
pub(super) const FIELDS: &[Field] = &[
    field(
        "data.diffraction_unit",
        "Diffraction unit",
        choice(&[
            ("auto", "counts in CXI, PtyPy and Ptychodus files and for integers; else judged from the values"),
            ("amplitude", "square root of the counts"),
            ("counts", "intensity; the square root is taken on reading"),
        ]),
        "Quantity stored in the diffraction array; a wrong choice makes every reconstruction wrong.",
    )
    .flag("--diffraction-unit")
    .in_inference(),
    field(
        "data.crop",
        "Crop",
        SIDE,
        "Side of the central square kept of each pattern, in stored pixels; \"none\" keeps the whole pattern. Cropping makes \
         the object pixel larger.",
    )
    .unit("px")
    .flag("--crop")
    .in_inference(),
    field(
        "data.bin",
        "Binning",
        integer(1, 64),
        "Detector pixels summed along each axis, after cropping. Binning reduces the field of view of a patch.",
    )
    .unit("px")
    .flag("--bin")
    .in_inference(),
    field(
        "data.pad",
        "Padding",
        SIDE,
        "Side to which patterns are padded with zeros, after cropping and binning; \"none\" does not pad. Padding makes the \
         object pixel smaller.",
    )
    .unit("px")
    .flag("--pad")
    .in_inference(),
    field(
        "data.center",
        "Pattern center",
        choice(&[
            ("middle", "the middle of the frame, index N/2"),
            ("auto", "the direct beam, found from the symmetry of the mean pattern and confirmed by its center of mass"),
        ]),
        "Center around which the patterns are cropped, unless the beam column and row are set. Pixels of the crop beyond the \
         edge of the detector are masked.",
    )
    .flag("--center")
    .in_inference(),
    field(
        "data.center_x",
        "Beam column",
        integer(0, 65536).optional(),
        "Column of the direct beam in the stored patterns, around which they are cropped; \"none\" leaves it to the pattern \
         center.",
    )
    .unit("px")
    .flag("--center-x")
    .in_inference(),
    field(
        "data.center_y",
        "Beam row",
        integer(0, 65536).optional(),
        "Row of the direct beam in the stored patterns, around which they are cropped; \"none\" leaves it to the pattern \
         center.",
    )
    .unit("px")
    .flag("--center-y")
    .in_inference(),
    field(
        "data.zero_frequency",
        "Zero frequency",
        choice(&[
            ("auto", "judged from the mean pattern"),
            ("center", "at the center, index N/2"),
            ("corner", "at the corner, index 0; the patterns are shifted on reading (fftshift)"),
        ]),
        "Place of the zero frequency in the stored patterns.",
    )
    .in_inference(),
    field(
        "data.exclude",
        "Excluded patterns",
        Kind::Text,
        "Patterns left out: indices from 0 and ranges (3,7,10-20), names of text files with such lists, and \"auto\" for empty, \
         unwritten and outlying patterns and those without a position.",
    )
    .flag("--exclude")
    .in_inference(),
    field(
        "data.strict",
        "Strict reading",
        Kind::Flag,
        "Reject a dataset that is read with warnings.",
    )
    .flag("--strict")
    .in_inference(),
    field(
        "data.pattern_size",
        "Required pattern size",
        SIDE,
        "Side N that patterns must have after cropping, binning and padding; a dataset of another size is rejected. \"none\" \
         accepts any size.",
    )
    .unit("px"),
    field(
        "data.saturation",
        "Saturation",
        ABOVE_0,
        "Mask pixels that reach this value, as stored, in the patterns in which they do; \"none\" sets no limit.",
    )
    .flag("--saturation")
    .in_inference(),
    field(
        "data.zingers",
        "Zingers",
        Kind::Choice {
            options: &[("off", "counted and reported"), ("auto", "masked in their patterns")],
            aliases: &[("none", "off"), ("false", "off"), ("true", "auto"), ("mask", "auto")],
        },
        "Treatment of zingers: pixels far brighter in single patterns than their neighbors and the same pixel in the other \
         patterns.",
    )
    .flag("--zingers")
    .in_inference(),
    field(
        "data.background",
        "Constant background",
        number(0.0, f64::INFINITY),
        "Counts in every pixel of the stored patterns that do not come from the object; the model adds them to the intensity that \
         it calculates.",
    )
    .unit("counts")
    .flag("--background")
    .in_inference(),
    field(
        "data.detector_orientation",
        "Detector orientation",
        choice(ORIENTATIONS),
        "Turn and mirror of the patterns and their mask, for detectors that are mounted or read out in another way; the probe \
         and the positions stay as they are.",
    )
    .flag("--detector-orientation")
    .in_inference(),
    field(
        "data.orientation",
        "Orientation",
        choice(ORIENTATIONS),
        "Transform of the scan positions (x, y) that aligns the axes of the scan with those of the detector; with a wrong \
         orientation the object is blurred or garbled.",
    )
    .flag("--orientation")
    .in_inference(),
    field(
        "data.n_subsample",
        "Patterns used",
        integer(1, i64::MAX).optional(),
        "Number of patterns used, drawn at random before grouping; \"none\" uses all.",
    )
    .unit("patterns")
    .flag("--n-subsample")
    .in_inference(),
    field(
        "data.max_memory",
        "Memory limit",
        positive(1e6).optional(),
        "Main memory for the patterns and the arrays derived from them; a larger dataset is trained on and reconstructed in \
         parts. \"none\" allows half of the machine's memory.",
    )
    .unit("GB")
    .flag("--max-memory")
    .in_inference(),
    field(
        "data.n_groups",
        "Groups",
        integer(1, i64::MAX).optional(),
        "Number of groups to build; \"none\" builds one for each pattern used.",
    )
    .unit("groups")
    .flag("--n-groups"),
    field(
        "data.sampling",
        "Sampling",
        choice(&[
            ("random", "drawn at random with the grouping seed"),
            ("sequential", "the first patterns in file order"),
        ]),
        "Choice of the seed patterns when there are fewer groups than patterns.",
    ),
    field(
        "data.rng",
        "Random generator",
        choice(&[
            ("chacha", "ChaCha, with an independent stream for each group"),
            ("numpy", "NumPy's legacy generator in PtychoPINN's order: the same seed gives the same indices"),
        ]),
        "Random number generator for the choice of patterns and groups.",
    )
    .flag("--rng"),
    field(
        "data.neighbor_count",
        "Neighbors",
        integer(1, 1000),
        "Number of nearest neighbors from which the patterns of a group are drawn (grid size above 1).",
    )
    .unit("patterns")
    .flag("--neighbor-count")
    .in_inference(),
    field(
        "data.neighbor_pool_size",
        "Neighbor pool",
        integer(1, 1000).optional(),
        "Number of nearest neighbors to combine when there are more groups than patterns; \"none\" uses neighbor_count.",
    )
    .unit("patterns")
    .flag("--neighbor-pool-size"),
    field(
        "data.seed_in_group",
        "Seed in its group",
        Kind::Flag,
        "Include the seed pattern in its own group; PtychoPINN excludes it.",
    ),
    field(
        "data.enable_oversampling",
        "Oversampling",
        Kind::Flag,
        "Allow more groups than patterns, from different combinations of neighbors (grid size above 1).",
    )
    .flag("--enable-oversampling"),
    field(
        "data.also",
        "Additional datasets",
        Kind::Text,
        "Additional datasets for training the same network, separated by semicolons; each keeps its own probe, positions and \
         scaling.",
    )
    .flag("--also"),
    field(
        "data.validation_fraction",
        "Validation fraction",
        number(0.0, 0.9),
        "Fraction of the patterns withheld from training to compute a validation loss; 0 trains on all patterns.",
    )
    .flag("--validation-fraction"),
    field(
        "data.probe_mask",
        "Probe mask",
        Kind::Choice {
            options: &[
                ("off", "use the probe unchanged"),
                ("hard", "1 inside the disk, 0 outside"),
                ("soft", "disk with an edge smoothed by a Gaussian"),
            ],
            aliases: &[("true", "soft"), ("false", "off"), ("none", "off")],
        },
        "Mask that sets the probe to zero outside a disk around the center of the frame.",
    )
    .flag("--probe-mask")
    .in_inference(),
    field(
        "data.probe_mask_diameter",
        "Probe mask diameter",
        positive(65536.0).optional(),
        "Diameter of the disk of the probe mask; \"none\" uses half the side of a pattern.",
    )
    .unit("px")
    .flag("--probe-mask-diameter")
    .in_inference(),
    field(
        "data.probe_mask_sigma",
        "Probe mask edge",
        positive(1000.0),
        "Standard deviation of the Gaussian that smooths the edge of a soft probe mask.",
    )
    .unit("px")
    .flag("--probe-mask-sigma")
    .in_inference(),
    field(
        "data.probe_modes",
        "Probe modes",
        integer(1, 32).optional(),
        "Number of incoherent probe modes to use, the strongest first; \"none\" uses those of the dataset. A larger number \
         adds modes, which take effect only if the probe is trained or refined.",
    )
    .unit("modes")
    .flag("--probe-modes")
    .in_inference(),
    text(
        "data.mapping.diffraction",
        "Pattern key",
        "Key (NPZ) or path (HDF5) of the patterns, of shape (n, h, w), (h, w, n) or (ny, nx, h, w); * matches any text, for \
         a stack in several parts. The first of several keys separated by | that the file has is used, here and below.",
    ),
    field(
        "data.mapping.axis_order",
        "Pattern axis",
        choice(&[
            ("auto", "the axis as long as the list of positions"),
            ("first", "(n, h, w)"),
            ("last", "(h, w, n)"),
        ]),
        "Axis that counts the patterns in an array of three axes.",
    )
    .in_inference(),
    text(
        "data.mapping.raw_layout",
        "Raw layout",
        "Type, height, width and bytes to skip of a stack of raw files, such as uint16,512,512 or >u2,512,512,4096.",
    ),
    text("data.mapping.positions", "Position key", "Key or path of the scan positions, of shape (n, 2) or (2, n)."),
    text("data.mapping.x", "X key", "Key or path of the x coordinates (columns) of the positions, of shape (n,)."),
    text("data.mapping.y", "Y key", "Key or path of the y coordinates (rows) of the positions, of shape (n,)."),
    field(
        "data.mapping.position_order",
        "Coordinate order",
        choice(&[("xy", "x (column), then y (row)"), ("yx", "y (row), then x (column)")]),
        "Order of the coordinates in an array of positions.",
    )
    .in_inference(),
    field(
        "data.mapping.position_unit",
        "Position unit",
        choice(&[
            ("auto", "as the file states it, else as the format defines it: meters in CXI, object pixels elsewhere"),
            ("px", "object pixels"),
            ("m", "meters"),
            ("mm", "millimeters"),
            ("um", "micrometers"),
            ("nm", "nanometers"),
        ]),
        "Unit of the positions in the file; a wrong unit scales the whole scan.",
    )
    .in_inference(),
    text(
        "data.mapping.positions_file",
        "Position file",
        "Another file with the positions: a table (CSV, TXT, DAT, TSV), NPY, NPZ or HDF5; data.mapping.positions, x and y name \
         arrays in it.",
    )
    .flag("--positions-file"),
    text(
        "data.mapping.position_columns",
        "Position columns",
        "Columns of x, y and, if there is one, the index of the pattern in an array or table of positions: names or numbers \
         from 1, such as 2,3,1 or samx,samy.",
    ),
    text(
        "data.mapping.position_matrix",
        "Position matrix",
        "Matrix a,b,c,d applied to the positions: x' = a x + b y, y' = c x + d y; for example -1,0,0,1 changes the sign of x.",
    ),
    field(
        "data.mapping.unmatched",
        "Unmatched patterns",
        choice(&[
            ("reject", "the dataset is rejected"),
            ("first", "the first patterns and positions are used, as many as there are of both"),
        ]),
        "Reading of patterns and positions of different numbers.",
    )
    .in_inference(),
    field(
        "data.mapping.scan_step",
        "Scan step",
        ABOVE_0,
        "Distance between neighboring scan points, in the unit of the positions, for patterns on a grid (ny, nx, h, w) \
         without positions in the file; \"none\" expects positions in the file.",
    )
    .in_inference(),
    text(
        "data.mapping.energy",
        "Energy key",
        "Key or path of the photon energy or the wavelength, or of an attribute (KEY@ATTRIBUTE), and its unit if the file does \
         not state it: scan/energy [keV].",
    ),
    text(
        "data.mapping.distance",
        "Distance key",
        "Key or path of the distance from sample to detector, with its unit if the file does not state it: setup/z [mm].",
    ),
    text(
        "data.mapping.detector_pixel",
        "Detector pixel key",
        "Key or path of the side of a detector pixel, with its unit if the file does not state it: setup/pixel [um].",
    ),
    text("data.mapping.probe", "Probe key", "Key or path of the probe, of shape (N, N) or (modes, N, N)."),
    text("data.mapping.object", "Object key", "Key or path of the object, of shape (H, W)."),
    text(
        "data.mapping.mask",
        "Mask key",
        "Key or path of the detector mask, of shape (h, w), or (n, h, w) with one for each pattern.",
    ),
    field(
        "data.mapping.mask_good",
        "Good mask values",
        choice(&[
            ("auto", "as the format defines it; in an unknown format, the value of most pixels"),
            ("zero", "0 is good"),
            ("non_zero", "0 is bad"),
        ]),
        "Values that mark good pixels in the mask chosen here.",
    )
    .in_inference(),
    text(
        "data.mapping.probe_file",
        "Probe file",
        "Another file with the probe: a product, a dataset, a PtyPy result or .npy; data.mapping.probe names an array in it.",
    )
    .flag("--probe-file"),
    text("data.mapping.dark", "Dark key", "Key or path of patterns without beam; their mean is subtracted."),
    text(
        "data.mapping.dark_file",
        "Dark file",
        "Another file (.npy, .npz, HDF5, PNG, TIFF) with patterns without beam; data.mapping.dark names an array in it.",
    )
    .flag("--dark-file"),
    text(
        "data.mapping.flat",
        "Flat key",
        "Key or path of the response of the detector to a uniform illumination; the patterns are divided by it.",
    ),
    text(
        "data.mapping.flat_file",
        "Flat file",
        "Another file (.npy, .npz, HDF5, PNG, TIFF) with the flat field; data.mapping.flat names an array in it.",
    )
    .flag("--flat-file"),
    text(
        "data.mapping.background",
        "Background key",
        "Key or path of the counts of every stored pattern that do not come from the object, of shape (h, w) or (n, h, w); the model \
         adds their mean to the intensity that it calculates.",
    ),
    text(
        "data.mapping.background_file",
        "Background file",
        "Another file (.npy, .npz, HDF5, PNG, TIFF) with the background; data.mapping.background names an array in it.",
    )
    .flag("--background-file"),
    text(
        "data.mapping.mask_file",
        "Mask file",
        "Detector mask (.npy, .npz, HDF5, PNG, TIFF) for the patterns as stored or as used, or one for each stored pattern, in \
         addition to the mask of the dataset; data.mapping.mask_good defines the good values.",
    )
    .flag("--mask-file"),
    geometry("data.geometry.energy_ev", "Photon energy", "eV", "Photon energy; replaces the value in the file."),
    geometry(
        "data.geometry.distance_m",
        "Detector distance",
        "m",
        "Distance from sample to detector; replaces the value in the file.",
    ),
    geometry(
        "data.geometry.focus_distance_m",
        "Focus distance",
        "m",
        "Distance from the focus of the beam to the sample: the patterns are near-field ones, shadows magnified by \
         (focus + detector distance) / focus distance. For a parallel beam choose a very large one, such as 1e6; \"none\" \
         means a far field.",
    )
    .flag("--focus-distance"),
    geometry(
        "data.geometry.detector_pixel_m",
        "Detector pixel",
        "m",
        "Side of a detector pixel as stored, before binning; replaces the value in the file.",
    ),
    geometry(
        "data.geometry.pixel_size_m",
        "Object pixel",
        "m",
        "Side of an object pixel after cropping and binning; replaces the value computed from energy, distance and detector \
         pixel.",
    ),
];

/// A key, path or file of [`Mapping`].
const fn text(path: &'static str, label: &'static str, help: &'static str) -> Field {
    field(path, label, Kind::Text, help).in_inference()
}

/// A length or energy of [`Geometry`].
const fn geometry(path: &'static str, label: &'static str, unit: &'static str, help: &'static str) -> Field {
    field(path, label, ABOVE_0, help).unit(unit).in_inference()
}
