//! The data contract (A§1): what a file holds and whether it can be used, check by check.
//!
//! [`inspect`] and [`super::Dataset::load`] go through the same reading code, so that a file is refused exactly
//! when one of its verdicts is [`Status::Fail`].

use super::npz::Storage;
use super::reading::{self, Want};
use super::source::Source;
use crate::config::DataConfig;
use crate::error::{Error, Problem, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Outcome of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Pass,
    /// Usable, but look at it.
    Warn,
    /// Not usable: the file is refused.
    Fail,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// One check: what was found, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Name of the check, such as "axis order".
    pub check: String,
    /// Outcome.
    pub status: Status,
    /// What was found, as a sentence without full stop.
    pub found: String,
    /// What was expected (may be empty).
    pub expected: String,
    /// What to do (may be empty).
    pub advice: String,
}

impl Verdict {
    pub(super) fn new(check: &str, status: Status, found: impl Into<String>) -> Self {
        Self { check: check.to_string(), status, found: found.into(), expected: String::new(), advice: String::new() }
    }

    pub(super) fn pass(check: &str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Pass, found)
    }

    pub(super) fn warn(check: &str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Warn, found)
    }

    pub(super) fn fail(check: &str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Fail, found)
    }

    pub(super) fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = text.into();
        self
    }

    pub(super) fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = text.into();
        self
    }

    /// A verdict in the words of an error.
    pub(super) fn from_error(check: &str, status: Status, error: &Error) -> Self {
        let problem = error.problem();
        Self::new(check, status, problem.title.clone()).expected(problem.expected.clone()).advice(problem.hint.clone())
    }
}

impl std::fmt::Display for Verdict {
    /// `pass  axis order: (516, 64, 64) is (n, h, w)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<5} {}: {}", self.status.to_string(), self.check, self.found)
    }
}

/// One array of the file, for the listing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArraySummary {
    /// Name without `.npy`, or path in an HDF5 file.
    pub key: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Type as NumPy writes it, such as `<f4`.
    pub dtype: String,
    /// How it is stored.
    pub storage: Storage,
    /// Bytes when unpacked.
    pub bytes: u64,
    /// Smallest and largest finite value (modulus, if complex), as stored; none if not numeric, damaged, or not read.
    pub range: Option<(f64, f64)>,
    /// Why it cannot be read, if so.
    pub problem: Option<String>,
}

/// What a file holds and whether it can be used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// Its arrays, in file order.
    pub arrays: Vec<ArraySummary>,
    /// The checks, in the order they were made; checks that need what is missing are left out.
    pub verdicts: Vec<Verdict>,
    /// What is done on reading, in plain words.
    pub notes: Vec<String>,
}

impl Inspection {
    /// The worst outcome.
    pub fn status(&self) -> Status {
        self.verdicts.iter().map(|verdict| verdict.status).max().unwrap_or(Status::Pass)
    }

    /// The verdict of a check.
    pub fn verdict(&self, check: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.check == check)
    }
}

/// Lists the arrays of a file from their headers alone; [`ArraySummary::range`] is `None`.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read or is neither a NumPy archive nor HDF5.
pub fn list(path: impl AsRef<Path>) -> Result<Vec<ArraySummary>> {
    Ok(Source::open(path.as_ref())?.summaries())
}

/// Reads a file and judges it, with floating point diffraction taken as amplitude and integers as counts.
///
/// # Errors
/// [`Error::BadInput`] only if the file cannot be opened as a NumPy archive or as HDF5; everything else is a verdict.
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection> {
    inspect_with(path, &DataConfig::default())
}

/// As [`inspect`], read as configured: with mapping, cropping, binning, orientation and geometry. Of very large HDF5
/// stacks only evenly spread patterns are read, which a note says.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_with(path: impl AsRef<Path>, config: &DataConfig) -> Result<Inspection> {
    let path = path.as_ref();
    let mut source = Source::open(path)?;
    let mut arrays = source.summaries();
    let reading = reading::read(&mut source, config, Want::Sample);
    for array in &mut arrays {
        array.range = match &reading.diffraction_range {
            Some((key, low, high)) if *key == array.key => Some((*low, *high)),
            _ => source.value_range(&array.key),
        };
    }
    Ok(Inspection { path: path.to_path_buf(), arrays, verdicts: reading.verdicts, notes: reading.notes })
}

/// The error for a file with these verdicts, if one of them is [`Status::Fail`]: the first one, and how many more.
pub(super) fn refusal(verdicts: &[Verdict], path: &Path) -> Option<Error> {
    let mut failed = verdicts.iter().filter(|verdict| verdict.status == Status::Fail);
    let first = failed.next()?;
    let more = failed.count();
    let mut hint = first.advice.clone();
    if more > 0 {
        let more = if more == 1 { "There is 1 more problem".into() } else { format!("There are {more} more problems") };
        let gap = if hint.is_empty() { "" } else { ". " };
        hint = format!("{hint}{gap}{more}; `ptychoscope inspect` lists them");
    }
    Some(Problem::new(first.found.clone()).expected(first.expected.clone()).hint(hint).at(path).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::npz::{NpyArray, write_npz};
    use super::super::test_support::{Synthetic, shared, write_raw_zip};
    use super::*;
    use crate::config::DataConfig;
    use crate::config::DiffractionUnit;
    use crate::data::Dataset;
    use ndarray::s;
    use num_complex::Complex32;

    /// Inspects a spoiled dataset, and asserts that loading it fails exactly when a verdict does.
    fn inspected(spoil: impl FnOnce(&mut Synthetic)) -> Inspection {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spoiled.npz");
        let mut data = Synthetic::new(9);
        spoil(&mut data);
        data.write(&path);
        judged(&path)
    }

    fn judged(path: &Path) -> Inspection {
        let inspection = inspect(path).unwrap();
        match Dataset::load(path, &DataConfig::default(), 1) {
            Ok(_) => assert_ne!(inspection.status(), Status::Fail, "{:#?}", inspection.verdicts),
            Err(error) => {
                assert_eq!(inspection.status(), Status::Fail, "{error}");
                let text = error.to_string();
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(text.contains(name) && !text.contains('\n') && error.exit_code() == 2, "{text}");
                assert!(!error.problem().hint.is_empty() && !error.problem().expected.is_empty(), "{error:?}");
            }
        }
        inspection
    }

    fn status_of(inspection: &Inspection, check: &str) -> Status {
        inspection.verdict(check).unwrap_or_else(|| panic!("no check {check:?} in {:#?}", inspection.verdicts)).status
    }

    #[test]
    fn a_good_file_passes_every_check_and_its_table_has_ranges() {
        let inspection = inspected(|_| {});
        assert_eq!(inspection.status(), Status::Pass, "{:#?}", inspection.verdicts);
        assert!(inspection.verdicts.len() >= 15, "{}", inspection.verdicts.len());
        assert!(inspection.arrays.iter().all(|array| array.range.is_some()));
        assert_eq!(inspection.arrays[0].shape, [9, 64, 64]);
        assert!(inspection.verdict("amplitude or counts").unwrap().found.contains("whole numbers"));
        let json = serde_json::to_value(&inspection).unwrap();
        assert_eq!(json["verdicts"][0]["status"], "pass");
        assert_eq!(json["arrays"][0]["storage"], "deflated");
    }

    #[test]
    fn values_that_cannot_be_used_fail_their_check() {
        let nan = inspected(|data| data.counts[[2, 3, 4]] = f64::NAN);
        assert_eq!(status_of(&nan, "finite values"), Status::Fail);
        assert!(nan.verdict("finite values").unwrap().found.contains("pattern 2"));
        let zero = inspected(|data| data.counts.fill(0.0));
        assert_eq!(status_of(&zero, "empty patterns"), Status::Fail);
        let some = inspected(|data| data.counts.slice_mut(s![4, .., ..]).fill(0.0));
        assert_eq!(status_of(&some, "empty patterns"), Status::Warn);
        let dark = inspected(|data| data.probe.fill(Complex32::ZERO));
        assert_eq!(status_of(&dark, "probe energy"), Status::Fail);
        let outside = inspected(|data| data.positions[3] = [500.0, 20.0]);
        assert_eq!(status_of(&outside, "positions inside the object"), Status::Fail);
        let edge = inspected(|data| data.positions[3] = [10.0, 40.0]);
        assert_eq!(status_of(&edge, "positions inside the object"), Status::Warn);
        let infinite = inspected(|data| data.positions[0][1] = f64::INFINITY);
        assert_eq!(status_of(&infinite, "positions"), Status::Fail);
        let metres = inspected(|data| data.positions.iter_mut().flatten().for_each(|v| *v *= 1e-8));
        assert_eq!(status_of(&metres, "scan extent"), Status::Fail);
        let nanometres = inspected(|data| data.positions.iter_mut().flatten().for_each(|v| *v *= 1e4));
        assert_eq!(status_of(&nanometres, "scan extent"), Status::Fail);
        let far_away = inspected(|data| data.positions.iter_mut().for_each(|position| position[1] = 1e30));
        assert_eq!(status_of(&far_away, "scan extent"), Status::Fail);
    }

    #[test]
    fn doubtful_values_warn() {
        let twice = inspected(|data| data.positions[1] = data.positions[0]);
        assert_eq!(status_of(&twice, "duplicate positions"), Status::Warn);
        let apart = inspected(|data| {
            for (k, position) in data.positions.iter_mut().enumerate() {
                *position = [35.0 + 24.0 * (k % 3) as f64, 33.0 + 22.0 * (k / 3) as f64];
            }
        });
        assert_eq!(status_of(&apart, "overlap"), Status::Warn);
        let corner = inspected(|data| {
            let shifted = data.counts.clone();
            for ((n, y, x), value) in data.counts.indexed_iter_mut() {
                *value = shifted[[n, (y + 32) % 64, (x + 32) % 64]];
            }
        });
        assert_eq!(status_of(&corner, "centring"), Status::Warn);
        assert!(corner.verdict("centring").unwrap().advice.contains("fftshift"));
        let aside = inspected(|data| {
            let shifted = data.counts.clone();
            for ((n, y, x), value) in data.counts.indexed_iter_mut() {
                *value = shifted[[n, y, (x + 12) % 64]];
            }
        });
        assert_eq!(status_of(&aside, "centring"), Status::Warn);
        let clipped = inspected(|data| {
            let limit = data.counts.iter().copied().fold(0.0, f64::max) / 4.0;
            data.counts.mapv_inplace(|v| v.min(limit.round()));
        });
        assert_eq!(status_of(&clipped, "saturation"), Status::Warn);
        let constant = inspected(|data| data.object.fill(Complex32::new(1.0, 0.0)));
        assert_eq!(status_of(&constant, "object"), Status::Warn);
    }

    #[test]
    fn shapes_that_do_not_fit_fail_and_name_the_shapes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shapes.npz");
        let data = Synthetic::new(9);
        let amplitude = data.amplitude().into_dimensionality::<ndarray::Ix3>().unwrap();
        let judge = |array: ndarray::ArrayViewD<'_, f32>| {
            data.write_with(&path, "diffraction", NpyArray::F32(array));
            judged(&path)
        };
        let flat = judge(amplitude.slice(s![0, .., ..]).into_dyn());
        assert_eq!(status_of(&flat, "axis order"), Status::Fail);
        assert!(flat.verdict("axis order").unwrap().found.contains("(64, 64)"));
        let oblong = judge(amplitude.slice(s![.., .., 0..60]).into_dyn());
        assert_eq!(status_of(&oblong, "square patterns"), Status::Fail);
        let fewer = judge(amplitude.slice(s![0..7, .., ..]).into_dyn());
        let verdict = fewer.verdict("patterns and positions").unwrap();
        assert!(verdict.status == Status::Fail && verdict.found.contains('7') && verdict.found.contains('9'));
        let small = judge(amplitude.slice(s![.., 0..32, 0..32]).into_dyn());
        assert_eq!(status_of(&small, "pattern size"), Status::Fail);
        assert!(small.verdict("pattern size").unwrap().expected.contains("128"));
        let trailing = judge(amplitude.view().insert_axis(ndarray::Axis(3)).into_dyn());
        assert_eq!(trailing.status(), Status::Pass);
        let middle = judge(amplitude.view().permuted_axes([1, 0, 2]).into_dyn());
        assert_eq!(middle.status(), Status::Fail);

        // 64 patterns of 64 × 64 pixels: the lengths do not tell the axes apart, the values do.
        let cube = Synthetic::new(64);
        cube.write(&path);
        let cube = judged(&path);
        assert_eq!(status_of(&cube, "axis order"), Status::Pass);
        assert!(cube.verdict("axis order").unwrap().found.contains("(64, 64, 64)"));
    }

    #[test]
    fn a_missing_key_fails_and_the_keys_found_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.npz");
        let data = Synthetic::new(9);
        let (xs, _) = data.coordinates();
        let amplitude = data.amplitude();
        let arrays =
            [("diffraction", NpyArray::F32(amplitude.view())), ("xcoords", NpyArray::F64(xs.view().into_dyn()))];
        write_npz(&path, &arrays).unwrap();
        let verdict = judged(&path).verdict("required keys").unwrap().clone();
        assert_eq!(verdict.status, Status::Fail);
        assert!(verdict.found.contains("ycoords") && verdict.found.contains("probeGuess"), "{verdict:?}");
    }

    #[test]
    fn a_pickled_object_array_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (good, path) = (folder.path().join("good.npz"), folder.path().join("objects.npz"));
        Synthetic::new(9).write(&good);
        let mut zip = zip::ZipArchive::new(std::fs::File::open(&good).unwrap()).unwrap();
        let mut members: Vec<(String, Vec<u8>)> = Vec::new();
        for index in 0..zip.len() {
            let mut file = zip.by_index(index).unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
            members.push((file.name().unwrap().to_string(), bytes));
        }
        let mut objects = super::super::npy::header_bytes("|O", &[9]);
        objects.extend(b"\x80\x02cos\nsystem\n.");
        let write = |replaced: &str| {
            let members: Vec<(&str, &[u8])> = members
                .iter()
                .map(|(name, bytes)| (name.as_str(), if name == replaced { &objects[..] } else { &bytes[..] }))
                .collect();
            write_raw_zip(&path, &members, true);
            judged(&path)
        };
        for required in ["diffraction.npy", "xcoords.npy", "probeGuess.npy"] {
            let inspection = write(required);
            let failed = inspection.verdicts.iter().find(|verdict| verdict.status == Status::Fail).unwrap();
            assert!(failed.found.contains("pickled object array"), "{failed:?}");
        }
        // The object is optional: without it the file is still usable.
        assert_eq!(write("objectGuess.npy").status(), Status::Warn);
    }

    #[test]
    fn whole_numbers_in_a_float_array_are_pointed_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.npz");
        let data = Synthetic::new(9);
        data.write_with(&path, "diff3d", NpyArray::F64(data.counts.view().into_dyn()));
        let verdict = judged(&path).verdict("amplitude or counts").unwrap().clone();
        assert!(verdict.status == Status::Warn && verdict.advice.contains("counts"), "{verdict:?}");
        let config = DataConfig { diffraction_unit: DiffractionUnit::Counts, ..DataConfig::default() };
        let told = inspect_with(&path, &config).unwrap();
        assert_eq!(told.verdict("amplitude or counts").unwrap().status, Status::Pass);
        assert!(told.notes.iter().any(|note| note.contains("root")));
    }

    #[test]
    fn the_real_files_are_usable_and_files_of_other_programs_are_not() {
        let Some(shared) = shared() else { return };
        for name in ["aps_siemens_n64", "cnm235_mini_n64", "cosmic_goldballs_semi_n64", "lines64_run1084like"] {
            let inspection = judged(&shared.join("data").join(format!("{name}.npz")));
            for verdict in &inspection.verdicts {
                println!("{name}: {verdict}");
            }
            assert_ne!(inspection.status(), Status::Fail);
            assert_eq!(status_of(&inspection, "centring"), Status::Pass);
            assert_eq!(status_of(&inspection, "amplitude or counts"), Status::Pass);
        }
        let foreign = judged(&shared.join("data/foreign_keys_test235.npz"));
        assert!(foreign.verdict("required keys").unwrap().found.contains("reciprocal"));
        for (name, says) in [
            ("golden/gs1_nfs1_wts.h5.zip", "PyTorch"),
            ("golden/gs1_nfs1_state_dict.pt", "PyTorch archive"),
            ("golden/gs1_nfs1_last.ckpt.gz", "gzip"),
        ] {
            let error = inspect(shared.join(name)).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(Dataset::load(&shared.join(name), &DataConfig::default(), 1).unwrap_err(), error);
        }
    }
}
