//! Reads reconstructions, dataset and reference object, and computes the metrics.

use super::comparison::{Comparison, DatasetFacts, ReconstructionMetrics, ReferenceFacts, SplitHalf};
use crate::checkpoint::RunFolder;
use crate::config::{Config, DataConfig};
use crate::data::{self, Dataset, NpzArchive, Reconstruction, Refined};
use crate::error::{Error, Problem, Result};
use crate::imaging;
use crate::metrics::{self, FrcCrossings, Placement, Region};
use ndarray::Array2;
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// Input of [`compare`].
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonRequest {
    /// Paths of `reconstruction.npz` files or run folders.
    pub reconstructions: Vec<PathBuf>,
    /// Their dataset; `None` for the one named in the first run folder.
    pub dataset: Option<PathBuf>,
    /// Reference instead of the dataset's object: a reconstruction, a run folder or a dataset.
    pub reference: Option<PathBuf>,
    /// Method of placing them over the reference object.
    pub placement: Placement,
    /// Settings of the group data, path and value, that replace those with which the first run read its dataset.
    pub settings: Vec<(String, String)>,
}

/// Fraction of the largest coverage above which a pixel counts as covered, where no scan positions limit the comparison.
const COVERED_FRACTION: f64 = 0.1;

/// True for a run folder that contains a reconstruction, and for a reconstruction file.
pub fn is_reconstruction(path: &Path) -> bool {
    if path.is_dir() {
        return reconstruction_file(path).exists();
    }
    let archive = NpzArchive::open(path);
    archive.is_ok_and(|archive| archive.member("object").is_some() && archive.member("coverage").is_some())
}

/// `reconstruction.npz` of a run folder; any other path as given.
fn reconstruction_file(path: &Path) -> PathBuf {
    if path.is_dir() { RunFolder::open(path).reconstruction() } else { path.to_path_buf() }
}

/// The run folder of a reconstruction, if it has one.
fn run_folder(path: &Path) -> Option<RunFolder> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = RunFolder::open(folder);
    folder.summary().exists().then_some(folder)
}

/// A reference object.
struct Reference {
    object: Array2<Complex32>,
    /// Dataset coordinates of pixel \[0, 0\].
    origin_xy: [f64; 2],
    /// Coverage, if the reference is a reconstruction.
    coverage: Option<Array2<f32>>,
    facts: ReferenceFacts,
}

/// Reads the files and computes all metrics.
///
/// # Errors
/// A file that cannot be read or has the wrong content, or a reconstruction that does not overlap the reference object.
pub fn compare(request: &ComparisonRequest) -> Result<Comparison> {
    let mut notes = Vec::new();
    let names = names(&request.reconstructions);
    let mut reconstructions = Vec::new();
    for (path, name) in request.reconstructions.iter().zip(names) {
        reconstructions.push(read(path, name)?);
    }
    let folder = request.reconstructions.first().and_then(|path| run_folder(path));
    let path = dataset_path(request, folder.as_ref())?;
    let read_dataset = |path: &Path| {
        let config = reading(request, folder.as_ref(), path)?;
        Dataset::load(path, &config, 0)
    };
    let dataset = path.as_deref().map(read_dataset).transpose()?;
    let reference = match (&request.reference, &dataset) {
        (Some(path), _) => Some(reference_from(path, read_dataset)?),
        (None, Some(dataset)) => dataset.object.clone().map(|object| Reference {
            facts: facts(&dataset.path, "the object in the dataset", &object),
            object,
            origin_xy: [0.0; 2],
            coverage: None,
        }),
        (None, None) => None,
    };
    if reference.is_none() {
        notes.push(
            "The dataset contains no reference object, so only the misfit is computed. --reference accepts another \
             reconstruction."
                .to_owned(),
        );
    }
    if let Some(dataset) = &dataset {
        for one in &mut reconstructions {
            measure_consistency(one, dataset);
        }
    }
    if let Some(reference) = &reference {
        let region = region(reference, dataset.as_ref(), &reconstructions)?;
        for one in &mut reconstructions {
            measure(one, reference, region, request.placement, dataset.as_ref())
                .map_err(|error| error.at(&one.path))?;
        }
    }
    let overlap = dataset.as_ref().and_then(|dataset| match overlap(dataset, folder.as_ref()) {
        Ok(found) => Some(found),
        Err(error) => {
            notes.push(format!("The overlap of the scan could not be computed. {error}"));
            None
        }
    });
    Ok(Comparison {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dataset: dataset.as_ref().map(|dataset| DatasetFacts {
            path: dataset.path.clone(),
            fingerprint: dataset.fingerprint.clone(),
            n: dataset.len(),
            side: dataset.patch_size(),
        }),
        reference: reference.map(|reference| reference.facts),
        placement: request.placement,
        reconstructions,
        overlap,
        notes,
    })
}

/// How a dataset is read: as the first run read it, if it is the dataset of that run, and as the request says.
fn reading(request: &ComparisonRequest, folder: Option<&RunFolder>, path: &Path) -> Result<DataConfig> {
    let mut config = Config::default();
    let is_own = |folder: &&RunFolder| {
        let same = |named: PathBuf| {
            named == path
                || named.canonicalize().ok().is_some_and(|named| path.canonicalize().is_ok_and(|path| path == named))
        };
        named_dataset(folder).is_ok_and(same)
    };
    if let Some(of_run) = folder.filter(is_own).and_then(|folder| Config::load(folder.config()).ok()) {
        // All patterns are compared, whichever were used.
        config.data = DataConfig {
            n_subsample: None,
            n_groups: None,
            max_memory: None,
            also: String::new(),
            strict: false,
            ..of_run.data
        };
    }
    request.settings.iter().try_for_each(|(path, value)| config.set(path, value))?;
    Ok(config.data)
}

/// Path of the dataset: the given one, otherwise that of the first run; `None` if only a reference is given.
///
/// # Errors
/// No reconstruction, or nothing to compare it with.
fn dataset_path(request: &ComparisonRequest, folder: Option<&RunFolder>) -> Result<Option<PathBuf>> {
    let Some(first) = request.reconstructions.first() else {
        return Err(Error::bad_input("No reconstruction was given"));
    };
    match (&request.dataset, &request.reference, folder) {
        (Some(path), ..) => Ok(Some(path.clone())),
        (None, None, Some(folder)) => named_dataset(folder).map(Some),
        (None, Some(_), _) => Ok(None),
        (None, None, None) => Err(Error::BadInput(
            Problem::new("Nothing to compare the reconstruction with")
                .hint("Give its dataset as the last file, or another reconstruction with --reference")
                .at(first),
        )),
    }
}

/// Short unique names: of the run folder for `reconstruction.npz`, otherwise of the file; equal names are numbered.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| {
        let standard = path.file_name().is_some_and(|name| name == "reconstruction.npz");
        let source = if standard { path.parent().unwrap_or(path) } else { path };
        let name = if path.is_dir() || standard { source.file_name() } else { source.file_stem() };
        name.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let plain: Vec<String> = paths.iter().map(short).collect();
    let number = |at: usize, name: &String| {
        if plain.iter().filter(|other| *other == name).count() == 1 {
            return name.clone();
        }
        let before = plain.iter().take(at).filter(|other| *other == name).count();
        format!("{name} ({})", before + 1)
    };
    plain.iter().enumerate().map(|(at, name)| number(at, name)).collect()
}

/// A reconstruction without metrics.
fn read(path: &Path, name: String) -> Result<ReconstructionMetrics> {
    let file = reconstruction_file(path);
    if path.is_dir() && !file.exists() {
        return Err(Error::BadInput(
            Problem::new("The folder contains no reconstruction.npz")
                .hint("Choose the folder of a finished `run` or `infer`")
                .at(path),
        ));
    }
    let reconstruction = Reconstruction::load(&file)?;
    let losses = run_folder(path).and_then(|folder| std::fs::read_to_string(folder.history()).ok());
    let (height, width) = reconstruction.object.dim();
    Ok(ReconstructionMetrics {
        name,
        path: file,
        shape: [height, width],
        origin_xy: reconstruction.origin_xy,
        pixel_size_m: reconstruction.pixel_size_m,
        consistency_r: None,
        phase_correlation: None,
        amplitude_correlation: None,
        evaluation: None,
        split_half: None,
        notes: verdict_of(path).into_iter().collect(),
        losses: losses.map_or_else(Vec::new, |text| losses_in(&text)),
        reconstruction,
        aligned: None,
    })
}

/// The verdict of the run on its own result, as a sentence.
fn verdict_of(path: &Path) -> Option<String> {
    let bytes = std::fs::read(run_folder(path)?.summary()).ok()?;
    let summary: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let part = |key: &str| summary.pointer(&format!("/reliability/{key}"))?.as_str();
    Some(format!("Verdict {}. {}.", part("verdict")?, part("reason")?))
}

/// Epoch and training loss from the text of a `history.csv`; rows without numbers are skipped.
fn losses_in(text: &str) -> Vec<[f64; 2]> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| head.iter().position(|h| *h == name);
    let (Some(epoch), Some(loss)) = (column("epoch"), column("train_loss")) else { return Vec::new() };
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        Some([cells.get(epoch)?.parse().ok()?, cells.get(loss)?.parse().ok()?])
    };
    lines.filter_map(row).collect()
}

/// The dataset named in the summary of a run folder.
fn named_dataset(folder: &RunFolder) -> Result<PathBuf> {
    let path = folder.summary();
    let bytes = std::fs::read(&path).map_err(|error| Error::reading(&path, &error))?;
    let summary: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(format!("The summary of the run is not JSON ({error})")).at(&path))?;
    let named = summary.get("dataset").and_then(|dataset| dataset.get("path")).and_then(|path| path.as_str());
    let hint = "Give the dataset as the last file";
    let Some(named) = named else {
        return Err(Problem::new("The run folder does not name its dataset").hint(hint).at(path).into());
    };
    let named = crate::system::path_text::from_text(named);
    // The files of a stack are named by a pattern.
    if !named.exists() && !named.to_string_lossy().contains('*') {
        return Err(Problem::new("The dataset named in the run folder does not exist").hint(hint).at(named).into());
    }
    Ok(named)
}

fn facts(path: &Path, what: &str, object: &Array2<Complex32>) -> ReferenceFacts {
    ReferenceFacts { path: path.to_path_buf(), what: what.to_owned(), shape: [object.nrows(), object.ncols()] }
}

/// The reference object in a reconstruction, a run folder or a dataset.
fn reference_from(path: &Path, read_dataset: impl Fn(&Path) -> Result<Dataset>) -> Result<Reference> {
    if path.is_dir() || is_reconstruction(path) {
        let file = reconstruction_file(path);
        let Reconstruction { object, coverage, origin_xy, .. } = Reconstruction::load(&file)?;
        return Ok(Reference {
            facts: facts(&file, "a reconstruction", &object),
            object,
            origin_xy,
            coverage: Some(coverage),
        });
    }
    let dataset = read_dataset(path)?;
    let Some(object) = dataset.object else {
        return Err(Problem::new("The dataset contains no reference object")
            .hint("Choose a dataset with objectGuess, or a reconstruction")
            .at(path)
            .into());
    };
    Ok(Reference {
        facts: facts(path, "the object in a dataset", &object),
        object,
        origin_xy: [0.0; 2],
        coverage: None,
    })
}

/// Computes the misfit to the patterns, or adds a note if that fails.
fn measure_consistency(one: &mut ReconstructionMetrics, dataset: &Dataset) {
    // An object from a solver that refined probe or positions belongs to the refined ones.
    let refined = Refined::load(&one.path).unwrap_or_default();
    let mut refined_dataset = std::borrow::Cow::Borrowed(dataset);
    if !refined.is_empty() {
        refined.apply(refined_dataset.to_mut());
    }
    let dataset = refined_dataset.as_ref();
    let found = metrics::consistency_r(one.reconstruction.object.view(), one.origin_xy, &dataset.measured());
    match found {
        Ok(r) => one.consistency_r = Some(r),
        Err(error) => one.notes.push(format!("The misfit could not be computed. {error}")),
    }
}

/// The region of the reference object used for all comparisons: the bounding box of the scan, or without a dataset the area
/// that all reconstructions cover.
fn region(
    reference: &Reference,
    dataset: Option<&Dataset>,
    reconstructions: &[ReconstructionMetrics],
) -> Result<Region> {
    if let Some(dataset) = dataset {
        let [x, y] = reference.origin_xy;
        let positions: Vec<[f64; 2]> = dataset.positions.iter().map(|p| [p[0] - x, p[1] - y]).collect();
        return Region::of_scan(&positions, reference.object.dim());
    }
    let mask = |coverage: &Array2<f32>| imaging::covered_mask(coverage.view(), COVERED_FRACTION);
    let mut covered = reference.coverage.as_ref().map_or_else(|| Array2::from_elem(reference.object.dim(), true), mask);
    for one in reconstructions {
        let theirs = mask(&one.reconstruction.coverage);
        let offset = [0, 1].map(|axis| (reference.origin_xy[axis] - one.origin_xy[axis]).round() as i64);
        for ((y, x), covered) in covered.indexed_iter_mut() {
            let (y, x) = ((y as i64).saturating_add(offset[1]), (x as i64).saturating_add(offset[0]));
            let pixel = usize::try_from(y).ok().zip(usize::try_from(x).ok()).and_then(|at| theirs.get(at));
            *covered &= pixel.copied().unwrap_or(false);
        }
    }
    let found = Region::fully_covered(covered.view()).filter(|region| region.shape().0 >= 8 && region.shape().1 >= 8);
    found.ok_or_else(|| {
        Error::BadInput(
            Problem::new("The reconstructions and the reference overlap too little")
                .expected("at least 8 × 8 pixels covered by all of them")
                .hint("Check that they were made from the same dataset"),
        )
    })
}

/// Metrics of a reconstruction with respect to the reference object.
///
/// # Errors
/// The reconstruction does not overlap the region.
fn measure(
    one: &mut ReconstructionMetrics,
    reference: &Reference,
    region: Region,
    placement: Placement,
    dataset: Option<&Dataset>,
) -> Result<()> {
    let origin = [0, 1].map(|axis| one.origin_xy[axis] - reference.origin_xy[axis]);
    let object = one.reconstruction.object.view();
    let aligned = metrics::align(object, origin, reference.object.view(), region, placement)?;
    if placement == Placement::Registered && !aligned.alignment.registered {
        one.notes.push(
            "The registration found a shift of more than an eighth of the compared region and was rejected; the \
             reconstruction is placed by its origin."
                .to_owned(),
        );
    }
    one.evaluation = Some(metrics::evaluate(&aligned)?);
    one.aligned = Some(aligned);
    // The phase correlation is defined on the scan area; without positions, the corners of the region replace them.
    let [x, y] = reference.origin_xy;
    let positions = dataset.map_or_else(
        || {
            let corner = |at: usize| [region.columns[at] as f64, region.rows[at] as f64];
            vec![corner(0), corner(1)]
        },
        |dataset| dataset.positions.iter().map(|p| [p[0] - x, p[1] - y]).collect(),
    );
    let found = metrics::phase_correlation(object, origin, reference.object.view(), &positions)?;
    let finite = |value: f64| value.is_finite().then_some(value);
    one.phase_correlation = finite(found.phase);
    one.amplitude_correlation = finite(found.amplitude);
    Ok(())
}

/// Overlap of the scan, using the groups of the first run if it had any.
fn overlap(dataset: &Dataset, folder: Option<&RunFolder>) -> Result<metrics::OverlapMetrics> {
    let config = folder.and_then(|folder| Config::load(folder.config()).ok()).unwrap_or_default();
    let gridsize = config.model.gridsize;
    let seeds = config.execution.seeds;
    let groups = if gridsize > 1 {
        Some(data::group(&dataset.positions, gridsize, &config.data, seeds.grouping)?.indices)
    } else {
        None
    };
    let subsampled = config.data.n_subsample.is_some_and(|kept| kept < dataset.len());
    metrics::overlap_metrics(
        &dataset.positions,
        groups.as_ref().map(|indices| indices.view()),
        gridsize,
        metrics::OVERLAP_NEIGHBORS,
        metrics::probe_diameter(dataset.probe.view()),
        subsampled.then_some(seeds.subsample),
    )
}

/// Fourier ring correlation of two reconstructions from disjoint halves of one scan, inside the bounding box of its
/// positions (\[x, y\]).
///
/// # Errors
/// The reconstructions do not overlap.
pub fn split_half(first: &Reconstruction, second: &Reconstruction, positions: &[[f64; 2]]) -> Result<SplitHalf> {
    let [x, y] = first.origin_xy;
    let positions: Vec<[f64; 2]> = positions.iter().map(|p| [p[0] - x, p[1] - y]).collect();
    let region = Region::of_scan(&positions, first.object.dim())?;
    let origin = [second.origin_xy[0] - x, second.origin_xy[1] - y];
    let frc = metrics::split_half_frc(first.object.view(), second.object.view(), origin, region)?;
    Ok(SplitHalf { frc_crossings: FrcCrossings::of(&frc), frc })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn star() -> PathBuf {
        ptychoscope_base::testing::fixture("siemens_star_n64.npz")
    }

    /// The object in the file as a reconstruction, cropped and with a constant phase.
    fn write(path: &Path, noise: f32) {
        let object = Dataset::load(&star(), &DataConfig::default(), 0).unwrap().object.unwrap();
        let object = object.slice(ndarray::s![3.., 5..]).to_owned();
        let object = Array2::from_shape_fn(object.dim(), |(y, x)| {
            let wiggle = ((y * 7919 + x * 104_729) % 997) as f32 / 997.0 - 0.5;
            object[(y, x)] * Complex32::from_polar(1.0, 0.7 + noise * wiggle)
        });
        let coverage = Array2::ones(object.dim());
        Reconstruction { object, coverage, origin_xy: [5.0, 3.0], pixel_size_m: None }.save(path).unwrap();
    }

    fn request(reconstructions: Vec<PathBuf>) -> ComparisonRequest {
        ComparisonRequest {
            reconstructions,
            dataset: Some(star()),
            reference: None,
            placement: Placement::Registered,
            settings: Vec::new(),
        }
    }

    #[test]
    fn the_better_reconstruction_has_the_better_misfit_and_correlation() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good.npz"), folder.path().join("bad.npz"));
        write(&good, 0.0);
        write(&bad, 1.0);
        let found = compare(&request(vec![good, bad])).unwrap();
        let [good, bad] = &found.reconstructions[..] else { panic!() };
        assert_eq!((good.name.as_str(), bad.name.as_str()), ("good", "bad"));
        assert!(good.consistency_r.unwrap() < 0.02 && bad.consistency_r.unwrap() > 0.02);
        let nrmse = |one: &ReconstructionMetrics| one.evaluation.as_ref().unwrap().complex_nrmse;
        assert!(nrmse(good) < 1e-3 && nrmse(bad) > 0.1, "{} {}", nrmse(good), nrmse(bad));
        assert!(good.phase_correlation.unwrap() > 0.9999 && bad.phase_correlation.unwrap() < 0.99);
        let overlap = found.overlap.unwrap();
        assert!(overlap.metric_2_image_based_avg > 0.1 && overlap.metric_1_group_based_avg.is_none());
        let json = serde_json::to_value(&found.reconstructions).unwrap();
        assert!(json[0]["evaluation"]["original"]["phase"]["frc1over7"].is_number(), "{json}");
    }

    #[test]
    fn another_reconstruction_can_be_the_reference_without_any_dataset() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good.npz"), folder.path().join("bad.npz"));
        write(&good, 0.0);
        write(&bad, 0.5);
        let request = ComparisonRequest { dataset: None, reference: Some(good), ..request(vec![bad]) };
        let found = compare(&request).unwrap();
        let one = &found.reconstructions[0];
        assert!(one.consistency_r.is_none() && found.overlap.is_none());
        let region = one.evaluation.as_ref().unwrap().region;
        assert_eq!(region.shape(), (402, 397), "all of it is covered");
        assert!(one.phase_correlation.unwrap() > 0.5);
    }

    #[test]
    fn unusable_files_are_rejected_with_their_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.npz");
        write(&path, 0.0);
        let lone = ComparisonRequest { dataset: None, ..request(vec![path.clone()]) };
        assert!(compare(&lone).unwrap_err().to_string().contains("--reference"));
        let wrong = compare(&request(vec![star()])).unwrap_err().to_string();
        assert!(wrong.contains("not a reconstruction") && wrong.contains("siemens"), "{wrong}");
        let empty = compare(&request(vec![folder.path().to_path_buf()])).unwrap_err().to_string();
        assert!(empty.contains("reconstruction.npz"), "{empty}");
        let mut far = Reconstruction::load(&path).unwrap();
        far.origin_xy = [9e5, 0.0];
        far.save(&path).unwrap();
        assert!(compare(&request(vec![path])).unwrap_err().to_string().contains("r.npz"));
    }

    #[test]
    fn names_are_short_and_unique() {
        let paths = ["runs/a/reconstruction.npz", "runs/b/reconstruction.npz", "old/a/reconstruction.npz", "x/one.npz"];
        assert_eq!(names(&paths.map(PathBuf::from)), ["a (1)", "b", "a (2)", "one"]);
    }

    #[test]
    fn losses_are_read_by_the_names_of_their_columns() {
        let text = "epoch,step,train_loss\n1,10,0.5\n2,20,nonsense\n3,30,0.25\n";
        assert_eq!(losses_in(text), [[1.0, 0.5], [3.0, 0.25]]);
        assert!(losses_in("a,b\n1,2\n").is_empty() && losses_in("").is_empty());
    }
}
