//! Ptychodus product: metadata, positions, probe and object of a reconstruction, as HDF5 or NPZ (A§11.5).
//!
//! Positions are in meters. A position x is at `(x - center_x) / pixel_width + W/2` in the object array, the pixel under
//! index N/2 of the probe; Ptychodus itself refers to the middle between N/2 - 1 and N/2, which is the same point.

use super::geometry::{Geometry, wavelength_of_ev};
use super::role_keys::{PositionKeys, Roles, Unit};
use crate::error::{Problem, Result};
use crate::formats::hdf5::{Hdf5File, Hdf5Writer, complex32, is_hdf5};
use crate::formats::npz::{NpyArray, NpzArchive, write_npz};
use ndarray::{Array3, ArrayD, Axis, Ix3, Ix4, arr0, arr1};
use num_complex::Complex32;
use std::path::Path;

/// Contents of a product file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Product {
    /// Name of the scan.
    pub name: String,
    /// Free text.
    pub comments: String,
    /// Distance from sample to detector, m; 0 if unknown.
    pub detector_distance_m: f64,
    /// Photon energy, eV; 0 if unknown.
    pub photon_energy_ev: f64,
    /// Photons per pattern; 0 if unknown.
    pub probe_photon_count: f64,
    /// Exposure time, s; 0 if unknown.
    pub exposure_time_s: f64,
    /// Index of each position within its scan.
    pub position_indexes: Vec<i64>,
    /// (x, y) of each position, m.
    pub positions_m: Vec<[f64; 2]>,
    /// (modes, N, N) incoherent probe modes.
    pub probe: Array3<Complex32>,
    /// (x, y) side of a probe pixel, m.
    pub probe_pixel_m: [f64; 2],
    /// (layers, H, W) object.
    pub object: Array3<Complex32>,
    /// (x, y) side of an object pixel, m.
    pub object_pixel_m: [f64; 2],
    /// (x, y) of the center of the object, m.
    pub object_center_m: [f64; 2],
    /// Distances between the layers, m.
    pub layer_spacing_m: Vec<f64>,
    /// Loss by epoch.
    pub losses: Vec<(i64, f64)>,
}

impl Product {
    /// Reads a product from HDF5 or NPZ, recognized by its content; old spellings of names are supported.
    ///
    /// # Errors
    /// [`crate::error::Error::BadInput`] if the file cannot be read or is not a product.
    pub fn load(path: &Path) -> Result<Self> {
        if is_hdf5(path) { Self::load_hdf5(path) } else { Self::load_npz(path) }
    }

    fn load_hdf5(path: &Path) -> Result<Self> {
        let file = Hdf5File::open(path)?;
        if !is_product(&file) {
            return Err(not_a_product(path).into());
        }
        let root = |names: &[&str]| file.root_number(names).unwrap_or(0.0);
        let pair = |array: &str, x: &str, y: &str| [x, y].map(|name| file.attribute(array, name).unwrap_or(0.0));
        let values = |key: &str| file.read_f64(key).map(|array| array.into_iter().collect::<Vec<f64>>());
        let optional = |keys: &[&str]| file.first_of(keys).and_then(|key| values(&key).ok()).unwrap_or_default();
        let object_pixel_m = pair("object", "pixel_width_m", "pixel_height_m");
        Self {
            name: file.root_text("name").unwrap_or_default(),
            comments: file.root_text("comments").unwrap_or_default(),
            detector_distance_m: root(&["detector_object_distance_m"]),
            photon_energy_ev: root(&["photon_energy_eV", "probe_energy_eV"]),
            probe_photon_count: root(&["probe_photon_count"]),
            exposure_time_s: root(&["exposure_time_s"]),
            position_indexes: optional(&["probe_position_indexes"]).into_iter().map(|index| index as i64).collect(),
            positions_m: values("probe_position_x_m")?
                .into_iter()
                .zip(values("probe_position_y_m")?)
                .map(|(x, y)| [x, y])
                .collect(),
            probe: modes(file.read_c32("probe")?, path)?,
            probe_pixel_m: pair("probe", "pixel_width_m", "pixel_height_m"),
            object: layers(file.read_c32("object")?, path)?,
            object_pixel_m,
            object_center_m: pair("object", "center_x_m", "center_y_m"),
            layer_spacing_m: optional(&["object_layer_spacing_m", "object_layer_distance_m"]),
            losses: numbered(optional(&["loss_epochs"]), optional(&["loss_values", "costs"])),
        }
        .checked(path)
    }

    fn load_npz(path: &Path) -> Result<Self> {
        let mut archive = NpzArchive::open(path)?;
        if !is_npz_product(&archive) {
            return Err(not_a_product(path).into());
        }
        let mut number = |names: &[&str]| {
            let key = names.iter().find(|name| archive.member(name).is_some());
            key.and_then(|key| archive.read_f64(key).ok()?.first().copied()).unwrap_or(0.0)
        };
        let product = Self {
            detector_distance_m: number(&["detector_object_distance_m"]),
            photon_energy_ev: number(&["photon_energy_eV", "probe_energy_eV"]),
            probe_photon_count: number(&["probe_photon_count"]),
            exposure_time_s: number(&["exposure_time_s"]),
            probe_pixel_m: [number(&["probe_pixel_width_m"]), number(&["probe_pixel_height_m"])],
            object_pixel_m: [number(&["object_pixel_width_m"]), number(&["object_pixel_height_m"])],
            object_center_m: [number(&["object_center_x_m"]), number(&["object_center_y_m"])],
            ..Self::default()
        };
        let optional = |archive: &mut NpzArchive, keys: &[&str]| -> Vec<f64> {
            let key = keys.iter().find(|key| archive.member(key).is_some());
            key.and_then(|key| archive.read_f64(key).ok()).map(|array| array.into_iter().collect()).unwrap_or_default()
        };
        let (xs, ys) = (archive.read_f64("probe_position_x_m")?, archive.read_f64("probe_position_y_m")?);
        Self {
            name: archive.read_text("name").unwrap_or_default(),
            comments: archive.read_text("comments").unwrap_or_default(),
            position_indexes: optional(&mut archive, &["probe_position_indexes"])
                .into_iter()
                .map(|index| index as i64)
                .collect(),
            positions_m: xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect(),
            probe: modes(archive.read_c32("probe")?, path)?,
            object: layers(archive.read_c32("object")?, path)?,
            layer_spacing_m: optional(&mut archive, &["object_layer_spacing_m", "object_layer_distance_m"]),
            losses: numbered(
                optional(&mut archive, &["loss_epochs"]),
                optional(&mut archive, &["loss_values", "costs"]),
            ),
            ..product
        }
        .checked(path)
    }

    fn checked(mut self, path: &Path) -> Result<Self> {
        if self.object_pixel_m.iter().any(|side| !side.is_finite() || *side <= 0.0) {
            return Err(Problem::new(format!(
                "The object pixels are {} × {} m",
                self.object_pixel_m[0], self.object_pixel_m[1]
            ))
            .expected("a positive pixel_width_m and pixel_height_m")
            .hint("Export the product again")
            .at(path)
            .into());
        }
        // A probe without a pixel size has that of the object.
        if self.probe_pixel_m.iter().any(|side| !side.is_finite() || *side <= 0.0) {
            self.probe_pixel_m = self.object_pixel_m;
        }
        if self.position_indexes.len() != self.positions_m.len() {
            self.position_indexes = (0..self.positions_m.len() as i64).collect();
        }
        Ok(self)
    }

    /// Positions in the object array, (x, y) in pixels: the pixel under index N/2 of the probe.
    pub fn positions_px(&self) -> Vec<[f64; 2]> {
        let (_, height, width) = self.object.dim();
        let to_pixels = |value: f64, axis: usize, length: usize| {
            (value - self.object_center_m[axis]) / self.object_pixel_m[axis] + length as f64 / 2.0
        };
        self.positions_m.iter().map(|&[x, y]| [to_pixels(x, 0, width), to_pixels(y, 1, height)]).collect()
    }

    /// Writes the product as HDF5 (as NPZ if the name ends in `.npz`), atomically, with old and new spellings of the names.
    ///
    /// # Errors
    /// [`crate::error::Error::Failed`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
            return self.save_npz(path);
        }
        let writer = Hdf5Writer::create(path)?;
        let file = writer.file();
        let failed = |error: rust_hdf5::Hdf5Error| writer.failed(&error);
        for (name, value) in [("name", &self.name), ("comments", &self.comments)] {
            writer.root_text(name, value)?;
        }
        // More than eight attributes would move to a heap that `root_attributes` does not read; the omitted ones are
        // optional and 0.
        let numbers = [
            ("detector_object_distance_m", self.detector_distance_m),
            ("photon_energy_eV", self.photon_energy_ev),
            ("probe_energy_eV", self.photon_energy_ev),
            ("probe_photon_count", self.probe_photon_count),
            ("exposure_time_s", self.exposure_time_s),
        ];
        for (name, value) in numbers {
            file.set_attr_numeric(name, &value).map_err(failed)?;
        }
        let count = self.positions_m.len();
        let axis = |axis: usize| self.positions_m.iter().map(|position| position[axis]).collect::<Vec<f64>>();
        writer.array("probe_position_indexes", &[count], &self.position_indexes)?;
        writer.array("probe_position_x_m", &[count], &axis(0))?;
        writer.array("probe_position_y_m", &[count], &axis(1))?;
        let (modes, height, width) = self.probe.dim();
        // (coherent, incoherent, height, width), as Ptychodus writes it.
        let probe = writer.array("probe", &[1, modes, height, width], &complex32(self.probe.iter().copied()))?;
        let (layers, height, width) = self.object.dim();
        let object = writer.array("object", &[layers, height, width], &complex32(self.object.iter().copied()))?;
        for (dataset, [x, y]) in [(&probe, self.probe_pixel_m), (&object, self.object_pixel_m)] {
            writer.attribute(dataset, "pixel_width_m", x)?;
            writer.attribute(dataset, "pixel_height_m", y)?;
        }
        writer.attribute(&object, "center_x_m", self.object_center_m[0])?;
        writer.attribute(&object, "center_y_m", self.object_center_m[1])?;
        writer.array("object_layer_spacing_m", &[self.layer_spacing_m.len()], &self.layer_spacing_m)?;
        let (epochs, values): (Vec<i64>, Vec<f64>) = self.losses.iter().copied().unzip();
        writer.array("loss_epochs", &[epochs.len()], &epochs)?;
        writer.array("loss_values", &[values.len()], &values)?;
        writer.commit()
    }

    fn save_npz(&self, path: &Path) -> Result<()> {
        let scalar = |value: f64| arr0(value).into_dyn();
        let numbers: Vec<(&str, ArrayD<f64>)> = [
            ("detector_object_distance_m", self.detector_distance_m),
            ("photon_energy_eV", self.photon_energy_ev),
            ("probe_energy_eV", self.photon_energy_ev),
            ("probe_photon_count", self.probe_photon_count),
            ("exposure_time_s", self.exposure_time_s),
            ("mass_attenuation_m2_per_kg", 0.0),
            ("tomography_angle_deg", 0.0),
            ("probe_pixel_width_m", self.probe_pixel_m[0]),
            ("probe_pixel_height_m", self.probe_pixel_m[1]),
            ("object_pixel_width_m", self.object_pixel_m[0]),
            ("object_pixel_height_m", self.object_pixel_m[1]),
            ("object_center_x_m", self.object_center_m[0]),
            ("object_center_y_m", self.object_center_m[1]),
        ]
        .into_iter()
        .map(|(name, value)| (name, scalar(value)))
        .collect();
        let axis = |axis: usize| arr1(&self.positions_m.iter().map(|p| p[axis]).collect::<Vec<f64>>()).into_dyn();
        let (xs, ys) = (axis(0), axis(1));
        let indexes = arr1(&self.position_indexes).into_dyn();
        let spacing = arr1(&self.layer_spacing_m).into_dyn();
        let (epochs, values): (Vec<i64>, Vec<f64>) = self.losses.iter().copied().unzip();
        let (epochs, values) = (arr1(&epochs).into_dyn(), arr1(&values).into_dyn());
        let mut arrays = vec![("name", NpyArray::Text(&self.name)), ("comments", NpyArray::Text(&self.comments))];
        arrays.extend(numbers.iter().map(|(name, value)| (*name, NpyArray::F64(value.view()))));
        arrays.push(("probe_position_indexes", NpyArray::I64(indexes.view())));
        arrays.push(("probe_position_x_m", NpyArray::F64(xs.view())));
        arrays.push(("probe_position_y_m", NpyArray::F64(ys.view())));
        arrays.push(("probe", NpyArray::C32(self.probe.view().insert_axis(Axis(0)).into_dyn())));
        arrays.push(("object", NpyArray::C32(self.object.view().into_dyn())));
        arrays.push(("object_layer_spacing_m", NpyArray::F64(spacing.view())));
        arrays.push(("loss_epochs", NpyArray::I64(epochs.view())));
        arrays.push(("loss_values", NpyArray::F64(values.view())));
        write_npz(path, &arrays)
    }
}

fn not_a_product(path: &Path) -> Problem {
    Problem::new("The file is not a Ptychodus product")
        .expected("the arrays probe, object, probe_position_x_m and probe_position_y_m")
        .hint("Choose a product file (.h5, .hdf5 or .npz)")
        .at(path)
}

/// Loss by epoch; losses without epochs are numbered from 0.
fn numbered(epochs: Vec<f64>, values: Vec<f64>) -> Vec<(i64, f64)> {
    let known = epochs.len() == values.len();
    values
        .into_iter()
        .enumerate()
        .map(|(at, value)| (epochs.get(at).filter(|_| known).map_or(at as i64, |epoch| *epoch as i64), value))
        .collect()
}

/// (N, N), (I, N, N) or (C, I, N, N) → (I, N, N): the first coherent mode of each incoherent one.
fn modes(array: ArrayD<Complex32>, path: &Path) -> Result<Array3<Complex32>> {
    let shape = array.shape().to_vec();
    let array = match shape.len() {
        2 => array.insert_axis(Axis(0)).into_dimensionality::<Ix3>().ok(),
        3 => array.into_dimensionality::<Ix3>().ok(),
        4 if shape.first().is_some_and(|&length| length > 0) => {
            array.into_dimensionality::<Ix4>().ok().map(|array| array.index_axis_move(Axis(0), 0))
        }
        _ => None,
    };
    array.ok_or_else(|| wrong_shape("probe", &shape, "(N, N), (I, N, N) or (C, I, N, N)", path))
}

/// (H, W) or (L, H, W) → (L, H, W).
fn layers(array: ArrayD<Complex32>, path: &Path) -> Result<Array3<Complex32>> {
    let shape = array.shape().to_vec();
    let array = if shape.len() == 2 { array.insert_axis(Axis(0)) } else { array };
    array.into_dimensionality::<Ix3>().map_err(|_| wrong_shape("object", &shape, "(H, W) or (L, H, W)", path))
}

fn wrong_shape(name: &str, shape: &[usize], expected: &str, path: &Path) -> crate::error::Error {
    Problem::new(format!("The {name} has shape {shape:?}"))
        .expected(expected)
        .hint("Export the product again")
        .at(path)
        .into()
}

const REQUIRED: [&str; 4] = ["probe", "object", "probe_position_x_m", "probe_position_y_m"];

fn is_product(file: &Hdf5File) -> bool {
    REQUIRED.iter().all(|key| file.array(key).is_some())
}

/// True if an NPZ file has the keys of a product.
pub(super) fn is_npz_product(archive: &NpzArchive) -> bool {
    REQUIRED.iter().all(|key| archive.member(key).is_some())
}

/// Roles of a product file; it has patterns only if PtychoPINN added them under `raw_data`.
pub(super) fn roles(file: &Hdf5File) -> Option<Roles> {
    if !is_product(file) {
        return None;
    }
    let pair = |array: &str, x: &str, y: &str| Some([file.attribute(array, x)?, file.attribute(array, y)?]);
    let diffraction: Vec<String> = file.first_of(&["raw_data/diffraction"]).into_iter().collect();
    let in_pixels =
        !diffraction.is_empty() && file.array("raw_data/xcoords").is_some() && file.array("raw_data/ycoords").is_some();
    let energy = file.root_number(&["photon_energy_eV", "probe_energy_eV"]).filter(|energy| *energy > 0.0);
    let mut roles = common();
    if in_pixels {
        roles.positions = Some(PositionKeys::Pair { x: "raw_data/xcoords".into(), y: "raw_data/ycoords".into() });
        roles.unit = Unit::Px;
    }
    Some(Roles {
        diffraction,
        geometry: Geometry {
            wavelength_m: energy.map(wavelength_of_ev),
            distance_m: file.root_number(&["detector_object_distance_m"]).filter(|distance| *distance > 0.0),
            object_pixel_m: pair("object", "pixel_width_m", "pixel_height_m"),
            ..Geometry::default()
        },
        object_center_m: pair("object", "center_x_m", "center_y_m").or(Some([0.0, 0.0])),
        object_half_px: file.array("object").and_then(|object| half(&object.shape)),
        ..roles
    })
}

/// Roles of a product in an NPZ file.
pub(super) fn npz_roles(archive: &mut NpzArchive) -> Roles {
    let mut number = |key: &str| archive.read_f64(key).ok().and_then(|array| array.first().copied());
    let mut pair = |x: &str, y: &str| Some([number(x)?, number(y)?]);
    let object_pixel_m = pair("object_pixel_width_m", "object_pixel_height_m");
    let object_center_m = pair("object_center_x_m", "object_center_y_m").or(Some([0.0, 0.0]));
    let object_half_px = archive.member("object").and_then(|object| half(&object.shape));
    let geometry = Geometry { object_pixel_m, ..Geometry::default() };
    Roles { geometry, object_center_m, object_half_px, ..common() }
}

/// (W/2, H/2) of an object of this shape.
fn half(shape: &[usize]) -> Option<[f64; 2]> {
    match shape[..] {
        [.., height, width] => Some([width as f64 / 2.0, height as f64 / 2.0]),
        _ => None,
    }
}

fn common() -> Roles {
    Roles {
        format: "Ptychodus product",
        positions: Some(PositionKeys::Pair { x: "probe_position_x_m".into(), y: "probe_position_y_m".into() }),
        unit: Unit::Meters(1.0),
        probe: Some("probe".into()),
        object: Some("object".into()),
        ..Roles::default()
    }
}
