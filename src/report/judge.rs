//! Reads reconstructions, dataset and reference, and measures.

use super::comparison::{Comparison, DatasetFacts, Judged, ReferenceFacts, SplitHalf};
use crate::checkpoint::RunFolder;
use crate::config::{Config, DataConfig, DiffractionUnit};
use crate::data::{self, Dataset, NpzArchive, Reconstruction, Refined};
use crate::error::{Error, Problem, Result};
use crate::imaging;
use crate::metrics::{self, FrcCrossings, Placement, Region};
use ndarray::Array2;
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// What shall be judged, by what.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Files `reconstruction.npz`, or run folders that hold one.
    pub reconstructions: Vec<PathBuf>,
    /// The dataset they were made from; none takes the one that the first run folder names, if it is there.
    pub dataset: Option<PathBuf>,
    /// What they are compared with instead of the dataset's object: a reconstruction, a run folder or a dataset.
    pub reference: Option<PathBuf>,
    /// How they are placed over it.
    pub placement: Placement,
    /// What the numbers of the dataset's patterns are.
    pub diffraction_unit: DiffractionUnit,
}

/// Part of the largest coverage from which on a pixel counts as seen where no scan positions bound the comparison.
const SEEN_FRACTION: f64 = 0.1;

/// Whether a path is a run folder with a reconstruction in it, or the file of one.
pub fn is_reconstruction(path: &Path) -> bool {
    if path.is_dir() {
        return file_of(path).exists();
    }
    let archive = NpzArchive::open(path);
    archive.is_ok_and(|archive| archive.member("object").is_some() && archive.member("coverage").is_some())
}

/// The file behind a run folder or a file.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("reconstruction.npz") } else { path.to_path_buf() }
}

/// The run folder that a reconstruction lies in.
fn folder_of(path: &Path) -> Option<RunFolder> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    folder.join("summary.json").exists().then(|| RunFolder::open(folder))
}

/// A known object, and the dataset coordinates of its pixel \[0, 0\].
struct Known {
    object: Array2<Complex32>,
    origin_xy: [f64; 2],
    /// Coverage, if it is itself a reconstruction.
    coverage: Option<Array2<f32>>,
    facts: ReferenceFacts,
}

/// Reads and measures.
///
/// # Errors
/// A file that cannot be read or is something else, or a reconstruction that does not lie over the known object.
pub fn judge(request: &Request) -> Result<Comparison> {
    let mut notes = Vec::new();
    let names = names(&request.reconstructions);
    let mut judged = Vec::new();
    for (path, name) in request.reconstructions.iter().zip(names) {
        judged.push(read(path, name)?);
    }
    let Some(first) = request.reconstructions.first() else {
        return Err(Error::bad_input("No reconstruction was named"));
    };
    let folder = folder_of(first);
    let path = match (&request.dataset, &request.reference, &folder) {
        (Some(path), ..) => Some(path.clone()),
        (None, None, Some(folder)) => Some(dataset_of(folder)?),
        (None, Some(_), _) => None,
        (None, None, None) => {
            return Err(Error::BadInput(
                Problem::new("There is nothing to judge the reconstruction by")
                    .hint("Give its dataset after it, or another reconstruction with --reference")
                    .at(first),
            ));
        }
    };
    let read_dataset = |path: &Path| {
        let config = DataConfig { diffraction_unit: request.diffraction_unit, ..DataConfig::default() };
        Dataset::load(path, &config, 0)
    };
    let dataset = path.as_deref().map(read_dataset).transpose()?;
    let known = match (&request.reference, &dataset) {
        (Some(path), _) => Some(known_in(path, read_dataset)?),
        (None, Some(dataset)) => dataset.object.clone().map(|object| Known {
            facts: facts(&dataset.path, "the object in the dataset", &object),
            object,
            origin_xy: [0.0; 2],
            coverage: None,
        }),
        (None, None) => None,
    };
    if known.is_none() {
        notes.push("The dataset brings no object, so only the misfit to the data is told; --reference takes another reconstruction.".to_owned());
    }
    if let Some(dataset) = &dataset {
        for one in &mut judged {
            measure_consistency(one, dataset);
        }
    }
    if let Some(known) = &known {
        let region = region(known, dataset.as_ref(), &judged)?;
        for one in &mut judged {
            compare(one, known, region, request.placement, dataset.as_ref()).map_err(|error| error.at(&one.path))?;
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
        reference: known.map(|known| known.facts),
        placement: request.placement,
        reconstructions: judged,
        overlap,
        notes,
    })
}

/// Short names, each different: of the folder for files of the usual name, else of the file; numbered where they are equal.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| {
        let usual = path.file_name().is_some_and(|name| name == "reconstruction.npz");
        let of = if usual { path.parent().unwrap_or(path) } else { path };
        let name = if path.is_dir() || usual { of.file_name() } else { of.file_stem() };
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

fn read(path: &Path, name: String) -> Result<Judged> {
    let file = file_of(path);
    if path.is_dir() && !file.exists() {
        return Err(Error::BadInput(
            Problem::new("The folder holds no reconstruction.npz")
                .hint("Choose the folder of a finished `run` or `infer`")
                .at(path),
        ));
    }
    let reconstruction = Reconstruction::load(&file)?;
    let losses = folder_of(path).and_then(|folder| std::fs::read_to_string(folder.history()).ok());
    let (height, width) = reconstruction.object.dim();
    Ok(Judged {
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
        notes: Vec::new(),
        losses: losses.map_or_else(Vec::new, |text| losses_in(&text)),
        reconstruction,
        aligned: None,
    })
}

/// Epoch and training loss from the text of a `history.csv`; what is not a number is left out.
fn losses_in(text: &str) -> Vec<[f64; 2]> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| head.iter().position(|h| *h == name);
    let (Some(epoch), Some(loss)) = (column("epoch"), column("train_loss")) else { return Vec::new() };
    let of = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        Some([cells.get(epoch)?.parse().ok()?, cells.get(loss)?.parse().ok()?])
    };
    lines.filter_map(of).collect()
}

/// The dataset that a run folder names.
fn dataset_of(folder: &RunFolder) -> Result<PathBuf> {
    let path = folder.summary();
    let bytes = std::fs::read(&path).map_err(|error| Error::reading(&path, &error))?;
    let summary: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(format!("The summary of the run is not JSON ({error})")).at(&path))?;
    let named = summary.get("dataset").and_then(|dataset| dataset.get("path")).and_then(|path| path.as_str());
    let hint = "Give the dataset after the reconstruction";
    let Some(named) = named else {
        return Err(Problem::new("The run folder does not name its dataset").hint(hint).at(path).into());
    };
    let named = PathBuf::from(named);
    if !named.exists() {
        return Err(Problem::new("The dataset that the run folder names is not there").hint(hint).at(named).into());
    }
    Ok(named)
}

fn facts(path: &Path, what: &str, object: &Array2<Complex32>) -> ReferenceFacts {
    ReferenceFacts { path: path.to_path_buf(), what: what.to_owned(), shape: [object.nrows(), object.ncols()] }
}

fn known_in(path: &Path, read_dataset: impl Fn(&Path) -> Result<Dataset>) -> Result<Known> {
    if path.is_dir() || is_reconstruction(path) {
        let file = file_of(path);
        let Reconstruction { object, coverage, origin_xy, .. } = Reconstruction::load(&file)?;
        return Ok(Known {
            facts: facts(&file, "a reconstruction", &object),
            object,
            origin_xy,
            coverage: Some(coverage),
        });
    }
    let dataset = read_dataset(path)?;
    let Some(object) = dataset.object else {
        return Err(Problem::new("The dataset brings no object to compare with")
            .hint("Choose a dataset with objectGuess, or a reconstruction")
            .at(path)
            .into());
    };
    Ok(Known { facts: facts(path, "the object in a dataset", &object), object, origin_xy: [0.0; 2], coverage: None })
}

/// Misfit to the patterns; what prevents it is noted.
fn measure_consistency(one: &mut Judged, dataset: &Dataset) {
    // Where a solver refined probe or positions, its object belongs to these.
    let refined = Refined::load(&one.path).unwrap_or_default();
    let mut seen = std::borrow::Cow::Borrowed(dataset);
    if !refined.is_empty() {
        refined.apply(seen.to_mut());
    }
    let dataset = seen.as_ref();
    let found = metrics::consistency_r(
        one.reconstruction.object.view(),
        one.origin_xy,
        dataset.probe.view(),
        dataset.diffraction.view(),
        &dataset.positions,
        dataset.mask.as_ref().map(|mask| mask.view()),
    );
    match found {
        Ok(r) => one.consistency_r = Some(r),
        Err(error) => one.notes.push(format!("The misfit to the data could not be computed. {error}")),
    }
}

/// The pixels of the known object that all are compared in: the box of the scan, or what all have seen.
fn region(known: &Known, dataset: Option<&Dataset>, judged: &[Judged]) -> Result<Region> {
    if let Some(dataset) = dataset {
        let [x, y] = known.origin_xy;
        let positions: Vec<[f64; 2]> = dataset.positions.iter().map(|p| [p[0] - x, p[1] - y]).collect();
        return Region::of_scan(&positions, known.object.dim());
    }
    let mask = |coverage: &Array2<f32>| imaging::covered_mask(coverage.view(), SEEN_FRACTION);
    let mut seen = known.coverage.as_ref().map_or_else(|| Array2::from_elem(known.object.dim(), true), mask);
    for one in judged {
        let theirs = mask(&one.reconstruction.coverage);
        let offset = [0, 1].map(|axis| (known.origin_xy[axis] - one.origin_xy[axis]).round() as i64);
        for ((y, x), seen) in seen.indexed_iter_mut() {
            let (y, x) = ((y as i64).saturating_add(offset[1]), (x as i64).saturating_add(offset[0]));
            let pixel = usize::try_from(y).ok().zip(usize::try_from(x).ok()).and_then(|at| theirs.get(at));
            *seen &= pixel.copied().unwrap_or(false);
        }
    }
    let found = Region::all_seen(seen.view()).filter(|region| region.shape().0 >= 8 && region.shape().1 >= 8);
    found.ok_or_else(|| {
        Error::BadInput(
            Problem::new("The reconstructions and the reference have too little in common")
                .expected("at least 8 × 8 pixels that all of them have seen")
                .hint("Check that they were made from one dataset"),
        )
    })
}

fn compare(
    one: &mut Judged,
    known: &Known,
    region: Region,
    placement: Placement,
    dataset: Option<&Dataset>,
) -> Result<()> {
    let origin = [0, 1].map(|axis| one.origin_xy[axis] - known.origin_xy[axis]);
    let object = one.reconstruction.object.view();
    let aligned = metrics::align(object, origin, known.object.view(), region, placement)?;
    if placement == Placement::Registered && !aligned.found.registered {
        one.notes.push(
            "The registration found a move of more than an eighth of the compared region, which was not believed; \
             the reconstruction stays where its origin says."
                .to_owned(),
        );
    }
    one.evaluation = Some(metrics::evaluate(&aligned)?);
    one.aligned = Some(aligned);
    // The project's own measure is defined by the scan; without positions the corners of the region stand for them.
    let [x, y] = known.origin_xy;
    let positions = dataset.map_or_else(
        || {
            let corner = |at: usize| [region.columns[at] as f64, region.rows[at] as f64];
            vec![corner(0), corner(1)]
        },
        |dataset| dataset.positions.iter().map(|p| [p[0] - x, p[1] - y]).collect(),
    );
    let found = metrics::phase_correlation(object, origin, known.object.view(), &positions)?;
    let finite = |value: f64| value.is_finite().then_some(value);
    one.phase_correlation = finite(found.phase);
    one.amplitude_correlation = finite(found.amplitude);
    Ok(())
}

/// Overlap of the scan, with the groups of the first run if it had any.
fn overlap(dataset: &Dataset, folder: Option<&RunFolder>) -> Result<metrics::OverlapMetrics> {
    let config = folder.and_then(|folder| Config::load(folder.config()).ok()).unwrap_or_default();
    let gridsize = config.model.gridsize;
    let seeds = config.execution.seeds;
    let groups = if gridsize > 1 {
        Some(data::group(&dataset.positions, gridsize, &config.data, seeds.grouping)?.indices)
    } else {
        None
    };
    let left_out = config.data.n_subsample.is_some_and(|kept| kept < dataset.len());
    metrics::overlap_metrics(
        &dataset.positions,
        groups.as_ref().map(|indices| indices.view()),
        gridsize,
        metrics::OVERLAP_NEIGHBORS,
        metrics::DISC_OF_SIDE * dataset.patch_size() as f64,
        left_out.then_some(seeds.subsample),
    )
}

/// Agreement of two reconstructions from disjoint halves of one scan, inside the box of its positions (\[x, y\]).
///
/// # Errors
/// Halves that do not lie over each other.
pub fn split_half(first: &Reconstruction, second: &Reconstruction, positions: &[[f64; 2]]) -> Result<SplitHalf> {
    let [x, y] = first.origin_xy;
    let positions: Vec<[f64; 2]> = positions.iter().map(|p| [p[0] - x, p[1] - y]).collect();
    let region = Region::of_scan(&positions, first.object.dim())?;
    let origin = [second.origin_xy[0] - x, second.origin_xy[1] - y];
    let frc = metrics::split_half_frc(first.object.view(), second.object.view(), origin, region)?;
    Ok(SplitHalf { frc_crossings: FrcCrossings::of(&frc), frc })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn star() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz")
    }

    /// The file's object as a reconstruction of it, cut and turned.
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

    fn request(reconstructions: Vec<PathBuf>) -> Request {
        Request {
            reconstructions,
            dataset: Some(star()),
            reference: None,
            placement: Placement::Registered,
            diffraction_unit: DiffractionUnit::Auto,
        }
    }

    #[test]
    fn the_better_reconstruction_is_the_better_one_by_data_and_by_truth() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good.npz"), folder.path().join("bad.npz"));
        write(&good, 0.0);
        write(&bad, 1.0);
        let found = judge(&request(vec![good, bad])).unwrap();
        let [good, bad] = &found.reconstructions[..] else { panic!() };
        assert_eq!((good.name.as_str(), bad.name.as_str()), ("good", "bad"));
        assert!(good.consistency_r.unwrap() < 0.02 && bad.consistency_r.unwrap() > 0.02);
        let nrmse = |one: &Judged| one.evaluation.as_ref().unwrap().complex_nrmse;
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
        let request = Request { dataset: None, reference: Some(good), ..request(vec![bad]) };
        let found = judge(&request).unwrap();
        let one = &found.reconstructions[0];
        assert!(one.consistency_r.is_none() && found.overlap.is_none());
        let region = one.evaluation.as_ref().unwrap().region;
        assert_eq!(region.shape(), (402, 397), "all of it was seen");
        assert!(one.phase_correlation.unwrap() > 0.5);
    }

    #[test]
    fn what_cannot_be_judged_is_refused_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.npz");
        write(&path, 0.0);
        let lone = Request { dataset: None, ..request(vec![path.clone()]) };
        assert!(judge(&lone).unwrap_err().to_string().contains("--reference"));
        let wrong = judge(&request(vec![star()])).unwrap_err().to_string();
        assert!(wrong.contains("no reconstruction") && wrong.contains("siemens"), "{wrong}");
        let empty = judge(&request(vec![folder.path().to_path_buf()])).unwrap_err().to_string();
        assert!(empty.contains("reconstruction.npz"), "{empty}");
        let mut far = Reconstruction::load(&path).unwrap();
        far.origin_xy = [9e5, 0.0];
        far.save(&path).unwrap();
        assert!(judge(&request(vec![path])).unwrap_err().to_string().contains("r.npz"));
    }

    #[test]
    fn names_are_short_and_different() {
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
