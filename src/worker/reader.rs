//! The thread that reads and writes files for a window, so that neither the device nor the window waits for a disk.
//!
//! Requests are answered in order; opening a dataset is answered in four parts: its headers at once, its verdicts, its
//! content, and, if wanted, a first look at its object. How the scan lies is told when nothing else is asked for. Opening
//! another dataset ends the look at the one before. A panic in a parser is a failure of that request alone.

use super::device::{self, AdapterInfo};
use super::example;
use super::guard;
use super::live::picture_of;
use super::message::{EpochPoint, Failure, Picture, ScenePreview, Sources};
use super::presets::{self, UserPreset};
use super::watch::point_of;
use crate::checkpoint::{Bundle, JobRecord, Manifest, RunFolder, RunLock, write_atomic};
use crate::config::{Config, DataConfig, DirectConfig, Orientation};
use crate::data::{self, ArraySummary, Dataset, Inspection, Reconstruction, Refined};
use crate::direct::{self, Orientations, Start};
use crate::error::{Error, Problem, Result};
use crate::imaging;
use crate::metrics;
use crate::physics;
use crate::simulate;
use crate::system::{self, file_name};
use crate::train::History;
use ndarray::{Array2, ArrayView3, Axis};
use num_complex::Complex32;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Epochs of the direct solver for a first look, the time they may take, and the most pixels of patterns for which a look
/// is taken.
const PREVIEW_EPOCHS: usize = 12;
const PREVIEW_TIME: Duration = Duration::from_secs(4);
const PREVIEW_PIXELS: usize = 40_000_000;

/// The time that scoring the orientations of a dataset may take.
const SCORING_TIME: Duration = Duration::from_secs(20);

/// What the reader is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A dataset: its headers, its verdicts, its patterns.
    Dataset {
        /// The file.
        path: PathBuf,
        /// How it is read.
        config: Box<DataConfig>,
        /// Seed of the choice of patterns, if not all are read.
        seed: u64,
        /// Whether a first look at the object is taken.
        look: bool,
    },
    /// A first look at the object of a dataset that is open.
    Look {
        /// Its content.
        patterns: Arc<Patterns>,
        /// How it was read.
        orientation: Orientation,
    },
    /// The devices that the program can see.
    Devices,
    /// The object of a run.
    Object {
        /// The run folder.
        folder: PathBuf,
    },
    /// A bundle: what it was trained on and how.
    Bundle {
        /// The file `model.ptycho`.
        path: PathBuf,
    },
    /// The result in a run folder.
    Result {
        /// The folder.
        folder: PathBuf,
        /// Whether it is to be laid beside the one shown, instead of taking its place.
        beside: bool,
    },
    /// The run folders below a folder.
    Runs {
        /// The folder that holds them.
        parent: PathBuf,
    },
    /// A configuration file.
    Config {
        /// The file.
        path: PathBuf,
    },
    /// The user's presets.
    Presets {
        /// The folder that holds them.
        folder: PathBuf,
    },
    /// Write a preset, and list them all.
    SavePreset {
        /// The folder that holds them.
        folder: PathBuf,
        /// Its name.
        name: String,
        /// The configuration.
        config: Box<Config>,
    },
    /// Delete a preset, and list the others.
    DeletePreset {
        /// The folder that holds them.
        folder: PathBuf,
        /// Its name.
        name: String,
    },
    /// The dataset shipped with the program, unpacked unless it is there.
    Example,
    /// Bytes into a file.
    Write {
        /// The file.
        path: PathBuf,
        /// What is written.
        bytes: Vec<u8>,
    },
    /// What a simulation will look like.
    Scene {
        /// The configuration.
        config: Box<Config>,
        /// Files for object, probe and positions.
        sources: Box<Sources>,
    },
    /// A folder into the trash.
    Trash {
        /// The folder.
        folder: PathBuf,
    },
    /// End of the thread.
    Shutdown,
}

/// What the reader answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The arrays of a dataset, from their headers alone.
    Headers {
        /// The file.
        path: PathBuf,
        /// Its arrays.
        arrays: Vec<ArraySummary>,
    },
    /// What a dataset holds and whether it can be used.
    Inspected(Arc<Inspection>),
    /// The content of a dataset.
    Opened(Arc<Patterns>),
    /// What a first look is finding out now; none when it is over.
    Looking {
        /// The file of the dataset.
        path: PathBuf,
        /// What it is finding out.
        look: Option<Look>,
    },
    /// The devices, best first.
    Devices(Vec<AdapterInfo>),
    /// The object of a run, or why it cannot be had.
    Object {
        /// The run folder.
        folder: PathBuf,
        /// The object.
        object: std::result::Result<Arc<RunObject>, Failure>,
    },
    /// A first look at the object of a dataset: a few epochs of the direct solver.
    Preview {
        /// The file of the dataset.
        path: PathBuf,
        /// The object.
        picture: Arc<Picture>,
        /// Σ(|F| − √I)² / ΣI that is left: large where orientation, positions or probe are wrong.
        misfit: f64,
    },
    /// How well each way to lay the scan of a dataset explains its patterns.
    Orientations {
        /// The file of the dataset.
        path: PathBuf,
        /// The scores.
        found: Arc<Orientations>,
    },
    /// A bundle.
    Bundle {
        /// The file.
        path: PathBuf,
        /// Its description.
        manifest: Box<Manifest>,
        /// Its configuration.
        config: Box<Config>,
    },
    /// A configuration.
    Config {
        /// The file.
        path: PathBuf,
        /// What it says, over the preset.
        config: Box<Config>,
        /// What a person should know about it.
        notes: Vec<String>,
    },
    /// The result of a run.
    Result {
        /// The result.
        result: Arc<ResultData>,
        /// As in the request.
        beside: bool,
    },
    /// What was taken for the folder of a run holds training data.
    IsDataset {
        /// The folder.
        path: PathBuf,
    },
    /// The runs, newest first.
    Runs(Vec<RunInfo>),
    /// The user's presets, by name.
    Presets(Vec<UserPreset>),
    /// Where the example is.
    Example(PathBuf),
    /// A file was written.
    Written {
        /// The file.
        path: PathBuf,
    },
    /// What a simulation will look like, or why there is none; answers are in the order of the requests.
    Scene(std::result::Result<Arc<ScenePreview>, Failure>),
    /// The run folders are no longer those of the last list.
    RunsChanged,
    /// A request could not be met.
    Failed {
        /// The file or folder asked for.
        path: PathBuf,
        /// Why.
        failure: Failure,
    },
}

/// What a first look is finding out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The object, roughly.
    Object,
    /// How the scan lies.
    Orientations,
}

/// The stitched object of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunObject {
    /// The object.
    pub reconstruction: Reconstruction,
    /// (H, W) pixels that were seen.
    pub covered: Array2<bool>,
}

/// A dataset in memory with what a person wants to know of its patterns.
#[derive(Debug, Clone, PartialEq)]
pub struct Patterns {
    /// The dataset.
    pub dataset: Dataset,
    /// (N, N) mean intensity.
    pub mean: Array2<f32>,
    /// (N, N) largest intensity.
    pub max: Array2<f32>,
    /// Summed intensity of each pattern.
    pub counts: Vec<f64>,
    /// Distance of each position to its nearest neighbour, in pixels.
    pub nearest: Vec<f64>,
    /// Diameter in pixels of the circle that holds 90 % of the probe's energy.
    pub probe_diameter: f64,
    /// Overlap of neighbouring illuminations, 1 - median step / diameter; negative where they do not touch.
    pub overlap: f64,
}

/// The result in a run folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultData {
    /// The folder.
    pub folder: PathBuf,
    /// The stitched object.
    pub reconstruction: Reconstruction,
    /// (H, W) pixels that were seen.
    pub covered: Array2<bool>,
    /// (H, W) object the dataset brings, cut to the frame of the result; NaN outside of it.
    pub truth: Option<Array2<Complex32>>,
    /// `summary.json`, where it is there.
    pub summary: Option<Value>,
    /// `history.csv`, where it is there.
    pub history: Vec<EpochPoint>,
    /// Positions of the patterns, `(x, y)` in dataset coordinates, where the dataset is there.
    pub positions: Vec<[f64; 2]>,
    /// Misfit of each pattern, Σ(|F| − √I)² / ΣI, in the order of `positions`.
    pub residuals: Vec<f64>,
}

/// One line in the list of runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunInfo {
    /// The folder.
    pub folder: PathBuf,
    /// Its name.
    pub name: String,
    /// `train`, `infer` or `run`; empty without a summary.
    pub command: String,
    /// Seconds since 1970 of the last change.
    pub changed: u64,
    /// The dataset.
    pub dataset: PathBuf,
    /// How it ended, as in the summary; `running or interrupted` without one.
    pub outcome: String,
    /// Optimiser steps.
    pub steps: Option<u64>,
    /// Time of training in seconds.
    pub train_seconds: Option<f64>,
    /// Patterns per second in training.
    pub patterns_per_second: Option<f64>,
    /// Side of the patterns, in pixels.
    pub side: Option<u64>,
    /// The device that did the work.
    pub device: String,
    /// Training loss of the last epoch.
    pub final_train_loss: Option<f64>,
    /// Correlation of the phase with the known object.
    pub phase_correlation: Option<f64>,
    /// Correlation of the amplitude with the known object.
    pub amplitude_correlation: Option<f64>,
    /// Misfit to the data.
    pub consistency_r: Option<f64>,
    /// Configuration fields that differ from the defaults, `path = value`.
    pub settings: Vec<String>,
    /// The user's note (`note.txt`).
    pub note: String,
    /// The bundle, if there is one.
    pub model: Option<PathBuf>,
    /// Whether its training is not over and can go on.
    pub resumable: bool,
    /// Whether a program works in it, this one or another.
    pub in_use: bool,
    /// Whether there is a stitched object.
    pub has_result: bool,
    /// Loss of each epoch.
    pub history: Vec<EpochPoint>,
}

impl RunInfo {
    /// Whether it was cut off and left a model on the way, or can be done again.
    pub fn is_interrupted(&self) -> bool {
        self.command.is_empty() && !self.in_use && (self.model.is_some() || self.resumable)
    }
}

/// The thread and its two channels. Dropping it ends the thread after the request that runs.
pub struct Reader {
    requests: Sender<(Request, u64)>,
    /// Requests that wait.
    waiting: Arc<AtomicUsize>,
    /// Number of the look that is wanted: one with another number ends.
    wanted_look: Arc<AtomicU64>,
    replies: Receiver<Reply>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Starts the thread `ptycho-reader`; `wake` is called after each reply.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(wake: super::Wake) -> Result<Self> {
        let (request_in, request_out) = channel::<(Request, u64)>();
        let (reply_in, replies) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = Arc::clone(&waiting);
        let wanted_look = Arc::new(AtomicU64::new(0));
        let wanted = Arc::clone(&wanted_look);
        let work = move || {
            system::step_back();
            let mut later: Option<Later> = None;
            let mut answer = |reply: Reply| {
                let _gone = reply_in.send(reply);
                wake();
            };
            loop {
                if let Some(task) = later.take_if(|_| queue.load(Ordering::Acquire) == 0) {
                    later = do_later(task, &queue, &mut answer);
                    continue;
                }
                let Ok((request, number)) = request_out.recv() else { return };
                queue.fetch_sub(1, Ordering::AcqRel);
                if request == Request::Shutdown {
                    return;
                }
                let path = request.path().to_path_buf();
                let look = Wanted { number, newest: Arc::clone(&wanted) };
                if let Err(error) = guard::guarded(|| meet(&request, look, &mut later, &mut answer)) {
                    answer(Reply::Failed { path, failure: error.into() });
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("ptycho-reader".to_owned())
            .spawn(work)
            .map_err(|error| Error::failed(format!("The reader thread could not be started ({error})")))?;
        Ok(Self { requests: request_in, waiting, wanted_look, replies, thread: Some(thread) })
    }

    /// Puts a request in the queue.
    pub fn request(&self, request: Request) {
        let looks = matches!(request, Request::Dataset { .. } | Request::Look { .. } | Request::Shutdown);
        if looks {
            self.cancel_look();
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _gone = self.requests.send((request, self.wanted_look.load(Ordering::Acquire)));
    }

    /// Ends the first look that is being taken, and those asked for.
    pub fn cancel_look(&self) {
        self.wanted_look.fetch_add(1, Ordering::AcqRel);
    }

    /// Its replies, in order.
    pub fn replies(&self) -> &Receiver<Reply> {
        &self.replies
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.request(Request::Shutdown);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Request {
    fn path(&self) -> &Path {
        match self {
            Self::Dataset { path, .. } | Self::Bundle { path } | Self::Config { path } | Self::Write { path, .. } => {
                path
            }
            Self::Result { folder, .. } | Self::Trash { folder } | Self::Object { folder } => folder,
            Self::Look { patterns, .. } => &patterns.dataset.path,
            Self::Runs { parent } => parent,
            Self::Presets { folder } | Self::SavePreset { folder, .. } | Self::DeletePreset { folder, .. } => folder,
            Self::Example | Self::Scene { .. } | Self::Devices | Self::Shutdown => Path::new(""),
        }
    }
}

/// What is done when nothing is asked for: scoring the orientations of the dataset that was opened last.
struct Later {
    patterns: Arc<Patterns>,
    /// How it was read.
    orientation: Orientation,
    wanted: Wanted,
}

/// Whether a look is still wanted.
struct Wanted {
    number: u64,
    newest: Arc<AtomicU64>,
}

impl Wanted {
    fn still(&self) -> bool {
        self.newest.load(Ordering::Acquire) == self.number
    }
}

/// Does it, unless a request comes in between: then it is still to do.
fn do_later(task: Later, queue: &AtomicUsize, answer: &mut dyn FnMut(Reply)) -> Option<Later> {
    let began = Instant::now();
    let mut watch =
        |_: f64| queue.load(Ordering::Acquire) == 0 && task.wanted.still() && began.elapsed() < SCORING_TIME;
    let dataset = &task.patterns.dataset;
    if !task.wanted.still() {
        answer(Reply::Looking { path: dataset.path.clone(), look: None });
        return None;
    }
    answer(Reply::Looking { path: dataset.path.clone(), look: Some(Look::Orientations) });
    let found = guard::guarded(|| direct::score_orientations(dataset, task.orientation, &mut watch));
    match found {
        Ok(None) if queue.load(Ordering::Acquire) > 0 && task.wanted.still() => return Some(task),
        Ok(Some(found)) => answer(Reply::Orientations { path: dataset.path.clone(), found: Arc::new(found) }),
        // Whatever makes the data unusable is said where the data are used.
        Ok(None) | Err(_) => {}
    }
    answer(Reply::Looking { path: dataset.path.clone(), look: None });
    None
}

fn meet(request: &Request, wanted: Wanted, later: &mut Option<Later>, answer: &mut dyn FnMut(Reply)) -> Result<()> {
    match request {
        Request::Dataset { path, config, seed, look } => {
            *later = None;
            answer(Reply::Headers { path: path.clone(), arrays: data::list(path)? });
            answer(Reply::Inspected(Arc::new(data::inspect_with(path, config)?)));
            let dataset = Dataset::load(path, config, *seed)?;
            let patterns = Arc::new(patterns(dataset));
            answer(Reply::Opened(Arc::clone(&patterns)));
            if *look {
                *later = take_look(patterns, config.orientation, wanted, answer)?;
            }
        }
        Request::Look { patterns, orientation } => {
            *later = None;
            *later = take_look(Arc::clone(patterns), *orientation, wanted, answer)?;
        }
        Request::Devices => answer(Reply::Devices(device::list())),
        Request::Object { folder } => {
            let object = guard::guarded(|| run_object(folder));
            answer(Reply::Object {
                folder: folder.clone(),
                object: object.map(Arc::new).map_err(|error| Failure::from(error.at(folder))),
            });
        }
        Request::Bundle { path } => {
            let path = if path.is_dir() { path.join("model.ptycho") } else { path.clone() };
            let bundle = Bundle::load(&path)?;
            answer(Reply::Bundle { path, manifest: Box::new(bundle.manifest), config: Box::new(bundle.config) });
        }
        Request::Example => answer(Reply::Example(example::unpack()?)),
        Request::Scene { config, sources } => {
            let made = guard::guarded(|| simulate::preview(config, sources));
            answer(Reply::Scene(made.map(Arc::new).map_err(Failure::from)));
        }
        Request::Write { path, bytes } => {
            write_atomic(path, bytes)?;
            answer(Reply::Written { path: path.clone() });
        }
        Request::Trash { folder } => {
            let done = trash::delete(folder);
            // Also when it failed: a window has taken the folder off its list.
            answer(Reply::RunsChanged);
            done.map_err(|error| {
                Error::Failed(
                    Problem::new(format!("The folder could not be moved to the trash ({error})"))
                        .hint("Remove it by hand")
                        .at(folder),
                )
            })?;
        }
        Request::Config { path } => {
            let imported = Config::import(path, None, &[])?;
            imported.config.validate().map_err(|error| error.at(path))?;
            let mut notes = vec![imported.in_words(path)];
            notes.extend(imported.notes);
            answer(Reply::Config { path: path.clone(), config: Box::new(imported.config), notes });
        }
        Request::Result { folder, beside } => {
            answer(if !beside && data::is_training_folder(folder) {
                Reply::IsDataset { path: folder.clone() }
            } else {
                Reply::Result { result: Arc::new(result(folder)?), beside: *beside }
            });
        }
        Request::Runs { parent } => answer(Reply::Runs(runs(parent))),
        Request::Presets { folder } => answer(Reply::Presets(presets::list(folder))),
        Request::SavePreset { folder, name, config } => {
            let saved = presets::save(folder, name, config);
            answer(Reply::Presets(presets::list(folder)));
            saved?;
        }
        Request::DeletePreset { folder, name } => {
            let deleted = presets::delete(folder, name);
            answer(Reply::Presets(presets::list(folder)));
            deleted?;
        }
        Request::Shutdown => {}
    }
    Ok(())
}

/// A dataset with the statistics of its patterns.
fn patterns(dataset: Dataset) -> Patterns {
    let (n, side, _) = dataset.diffraction.dim();
    let mut mean = Array2::<f32>::zeros((side, side));
    let mut max = Array2::<f32>::zeros((side, side));
    let mut counts = Vec::with_capacity(n);
    for pattern in dataset.diffraction.axis_iter(Axis(0)) {
        let mut total = 0.0;
        for ((value, mean), max) in pattern.iter().zip(&mut mean).zip(&mut max) {
            let intensity = value * value;
            *mean += intensity;
            *max = max.max(intensity);
            total += f64::from(intensity);
        }
        counts.push(total);
    }
    mean /= n.max(1) as f32;
    let nearest = data::nearest_distances(&dataset.positions);
    let probe_diameter = diameter(dataset.probe.view());
    let mut sorted = nearest.clone();
    sorted.sort_by(f64::total_cmp);
    let step = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let overlap = if probe_diameter > 0.0 { 1.0 - step / probe_diameter } else { 0.0 };
    Patterns { dataset, mean, max, counts, nearest, probe_diameter, overlap }
}

/// Looks at the object, and leaves for later what takes longer; a look that is no longer wanted has no result.
fn take_look(
    patterns: Arc<Patterns>,
    orientation: Orientation,
    wanted: Wanted,
    answer: &mut dyn FnMut(Reply),
) -> Result<Option<Later>> {
    let path = patterns.dataset.path.clone();
    answer(Reply::Looking { path: path.clone(), look: Some(Look::Object) });
    let seen = preview(&patterns.dataset, &wanted);
    if seen.is_err() || !wanted.still() {
        answer(Reply::Looking { path: path.clone(), look: None });
    }
    match seen? {
        _ if !wanted.still() => return Ok(None),
        Some((picture, misfit)) => answer(Reply::Preview { path, picture: Arc::new(picture), misfit }),
        None => {}
    }
    Ok(Some(Later { patterns, orientation, wanted }))
}

/// The stitched object of a run.
fn run_object(folder: &Path) -> Result<RunObject> {
    let reconstruction = Reconstruction::load(&RunFolder::at(folder).reconstruction())?;
    let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
    Ok(RunObject { reconstruction, covered })
}

/// A first look at the object; none where a second or two would not do.
fn preview(dataset: &Dataset, wanted: &Wanted) -> Result<Option<(Picture, f64)>> {
    let pixels = dataset.len() * dataset.patch_size().pow(2);
    if pixels > PREVIEW_PIXELS {
        return Ok(None);
    }
    let config = DirectConfig { epochs: PREVIEW_EPOCHS, ..DirectConfig::default() };
    let began = Instant::now();
    let mut watch = |_: f64, _: Option<f64>| wanted.still() && began.elapsed() < PREVIEW_TIME;
    let solved = direct::solve(dataset, &config, &Start::Flat, &mut watch)?;
    let misfit = solved.misfits.last().copied().unwrap_or(f64::NAN);
    Ok((!solved.misfits.is_empty()).then(|| (picture_of(0, None, solved.reconstruction), misfit)))
}

/// Diameter in pixels of the circle around the centre of mass that holds 90 % of the energy of a (modes, N, N) probe.
fn diameter(probe: ArrayView3<'_, Complex32>) -> f64 {
    let side = probe.dim().1;
    let intensity = physics::probe_intensity(probe).mapv(f64::from);
    let total: f64 = intensity.iter().sum();
    if total <= 0.0 {
        return 0.0;
    }
    let (mut cy, mut cx) = (0.0, 0.0);
    for ((y, x), value) in intensity.indexed_iter() {
        cy += y as f64 * value / total;
        cx += x as f64 * value / total;
    }
    let mut by_radius: Vec<(f64, f64)> =
        intensity.indexed_iter().map(|((y, x), value)| ((y as f64 - cy).hypot(x as f64 - cx), *value)).collect();
    by_radius.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    for (radius, value) in by_radius {
        sum += value;
        if sum >= 0.9 * total {
            return 2.0 * radius;
        }
    }
    side as f64
}

/// The result in a run folder, with what its dataset, if it still is there, says about it.
fn result(folder: &Path) -> Result<ResultData> {
    let (folder, file) = match folder.extension() {
        Some(extension) if extension == "npz" => {
            (folder.parent().unwrap_or(folder).to_path_buf(), folder.to_path_buf())
        }
        _ => (folder.to_path_buf(), RunFolder::at(folder).reconstruction()),
    };
    if !file.exists() {
        return Err(Problem::new("The run folder holds no stitched object")
            .expected("a file reconstruction.npz, which `run` and `infer` write")
            .hint("Choose another run, or reconstruct with the model of this one")
            .at(folder)
            .into());
    }
    let names = RunFolder::at(&folder);
    let reconstruction = Reconstruction::load(&file)?;
    let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
    let summary = read_json(&names.summary());
    let history = read_history(&names.history());
    let mut data = ResultData {
        folder,
        reconstruction,
        covered,
        truth: None,
        summary,
        history,
        positions: Vec::new(),
        residuals: Vec::new(),
    };
    let Some(path) = data.summary.as_ref().and_then(|s| s.pointer("/dataset/path")).and_then(Value::as_str) else {
        return Ok(data);
    };
    let config = Config::load(names.config()).unwrap_or_default();
    // A dataset that has gone takes its comparison with it, not the result.
    if let Ok(mut dataset) = Dataset::load(Path::new(path), &config.data, config.execution.seeds.subsample) {
        Refined::load(&file)?.apply(&mut dataset);
        let object = data.reconstruction.object.view();
        let origin = data.reconstruction.origin_xy;
        let corner = origin.map(|at| at.round() as i64);
        let unknown = Complex32::new(f32::NAN, f32::NAN);
        data.truth = dataset.object.as_ref().map(|truth| data::in_frame(truth, corner, object.dim(), unknown));
        data.residuals = metrics::pattern_residuals(
            object,
            origin,
            dataset.probe.view(),
            dataset.diffraction.view(),
            &dataset.positions,
            dataset.mask.as_ref().map(|mask| mask.view()),
        )
        .unwrap_or_default();
        data.positions = dataset.positions;
    }
    Ok(data)
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn read_history(path: &Path) -> Vec<EpochPoint> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let history = History::from_csv(&text).unwrap_or_default();
    history.0.iter().map(point_of).collect()
}

/// The run folders below a folder, newest first; what is not a run folder is left out.
fn runs(parent: &Path) -> Vec<RunInfo> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut runs: Vec<RunInfo> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .filter_map(|path| run(&path))
        .collect();
    runs.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.folder.cmp(&b.folder)));
    runs
}

fn run(folder: &Path) -> Option<RunInfo> {
    let names = RunFolder::at(folder);
    let summary = read_json(&names.summary());
    let record = names.job().exists().then(|| JobRecord::load(&names.job()).ok()).flatten();
    if summary.is_none() && record.is_none() && !names.config().exists() {
        return None;
    }
    let in_use = RunLock::holder(folder).is_some();
    let seconds = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|data| data.modified()).ok()?;
        modified.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    let summary = summary.unwrap_or(Value::Null);
    let text = |pointer: &str| summary.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| summary.get(key).and_then(Value::as_f64);
    // While a training is not over, a model beside the autosave may be that of a run before.
    let models = if summary.is_null() { [names.autosave(), names.model()] } else { [names.model(), names.autosave()] };
    let model = models.into_iter().find(|path| path.exists());
    let outcome = match text("/outcome") {
        empty if empty.is_empty() => "running or interrupted".to_owned(),
        outcome => outcome.replace('_', " "),
    };
    Some(RunInfo {
        folder: folder.to_path_buf(),
        name: file_name(folder),
        command: text("/command"),
        changed: [names.summary(), names.config(), names.job()]
            .iter()
            .find_map(|path| seconds(path))
            .unwrap_or_default(),
        dataset: match (text("/dataset/path"), &record) {
            (empty, Some(record)) if empty.is_empty() => record.dataset.clone(),
            (path, _) => path.into(),
        },
        outcome,
        steps: summary.get("steps").and_then(Value::as_u64),
        train_seconds: number("train_seconds"),
        patterns_per_second: number("patterns_per_second"),
        side: summary.pointer("/dataset/N").and_then(Value::as_u64),
        device: text("/device/name"),
        final_train_loss: number("final_train_loss"),
        phase_correlation: number("phase_correlation"),
        amplitude_correlation: number("amplitude_correlation"),
        consistency_r: number("consistency_r"),
        settings: Config::load(names.config())
            .ok()
            .and_then(|c| c.differences(&Config::default()).ok())
            .unwrap_or_default(),
        note: std::fs::read_to_string(names.note()).unwrap_or_default(),
        model,
        resumable: record.is_some() && !in_use,
        in_use,
        has_result: names.reconstruction().exists(),
        history: read_history(&names.history()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::data::{NpyArray, NpzArchive, Status, write_npz};

    fn read(request: Request, answers: usize) -> Vec<Reply> {
        let reader = Reader::spawn(Box::new(|| ())).unwrap();
        reader.request(request);
        (0..answers).map(|_| reader.replies().recv_timeout(Duration::from_secs(60)).unwrap()).collect()
    }

    #[test]
    fn the_verdicts_are_of_the_file_as_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foreign.npz");
        let star = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        let mut star = NpzArchive::open(star).unwrap();
        let patterns = star.read_f32("diffraction").unwrap();
        let probe = star.read_c32("probeGuess").unwrap();
        let (x, y) = (star.read_f64("xcoords").unwrap(), star.read_f64("ycoords").unwrap());
        let arrays = [
            ("stack", NpyArray::F32(patterns.view())),
            ("probeGuess", NpyArray::C32(probe.view())),
            ("xcoords", NpyArray::F64(x.view())),
            ("ycoords", NpyArray::F64(y.view())),
        ];
        write_npz(&path, &arrays).unwrap();
        let mut config = Box::new(DataConfig::default());
        let request = |config: &DataConfig| Request::Dataset {
            path: path.clone(),
            config: Box::new(config.clone()),
            seed: 1,
            look: true,
        };
        let replies = read(request(&config), 3);
        assert!(matches!(&replies[1], Reply::Inspected(inspection) if inspection.status() == Status::Fail));
        assert!(matches!(&replies[2], Reply::Failed { .. }));
        config.mapping.diffraction = "stack".into();
        let replies = read(request(&config), 5);
        assert!(matches!(&replies[1], Reply::Inspected(inspection) if inspection.status() != Status::Fail));
        assert!(matches!(&replies[2], Reply::Opened(patterns) if patterns.dataset.len() == 516));
        assert!(matches!(&replies[3], Reply::Looking { look: Some(Look::Object), .. }));
        assert!(matches!(&replies[4], Reply::Preview { misfit, .. } if *misfit < 0.02));
    }

    fn star() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz")
    }

    /// Everything that is answered until the reader has nothing more to do.
    fn until_quiet(reader: &Reader, mut with: impl FnMut(&Reply)) -> Vec<Reply> {
        let mut replies = Vec::new();
        loop {
            let reply = reader.replies().recv_timeout(Duration::from_secs(60)).unwrap();
            with(&reply);
            let over = matches!(reply, Reply::Looking { look: None, .. });
            replies.push(reply);
            if over {
                return replies;
            }
        }
    }

    #[test]
    fn a_first_look_that_is_not_wanted_is_not_taken_and_one_that_is_cancelled_has_no_result() {
        let reader = Reader::spawn(Box::new(|| ())).unwrap();
        // Few patterns, so that a look has a result in its time on any machine.
        let config = DataConfig { n_subsample: Some(40), ..DataConfig::default() };
        let config = Box::new(config);
        let ask = |look| reader.request(Request::Dataset { path: star(), config: config.clone(), seed: 1, look });
        ask(false);
        reader.request(Request::Runs { parent: "/nowhere at all".into() });
        let replies: Vec<Reply> =
            (0..4).map(|_| reader.replies().recv_timeout(Duration::from_secs(60)).unwrap()).collect();
        assert!(matches!(&replies[2..], [Reply::Opened(_), Reply::Runs(_)]));
        assert!(
            reader.replies().recv_timeout(Duration::from_millis(300)).is_err(),
            "nothing is looked at later, either"
        );

        ask(true);
        let replies = until_quiet(&reader, |reply| {
            if matches!(reply, Reply::Looking { look: Some(_), .. }) {
                reader.cancel_look();
            }
        });
        let has_result =
            |replies: &[Reply]| replies.iter().any(|r| matches!(r, Reply::Preview { .. } | Reply::Orientations { .. }));
        assert!(!has_result(&replies));

        let Some(Reply::Opened(patterns)) = replies.into_iter().find(|reply| matches!(reply, Reply::Opened(_))) else {
            panic!("it was not opened")
        };
        reader.request(Request::Look { patterns, orientation: Orientation::Plain });
        let replies = until_quiet(&reader, |_| ());
        assert!(has_result(&replies), "a look can be had later");
    }

    #[test]
    fn a_mask_that_was_drawn_is_read_with_the_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let mask_file = folder.path().join("mask.npy");
        let mut good = Array2::<u16>::ones((64, 64));
        good.slice_mut(ndarray::s![10..12, 20..25]).fill(0);
        let bytes = data::npy_bytes(&NpyArray::U16(good.view().into_dyn())).unwrap();
        let reader = Reader::spawn(Box::new(|| ())).unwrap();
        reader.request(Request::Write { path: mask_file.clone(), bytes });
        let mut config = DataConfig::default();
        config.mapping.mask_file = mask_file.display().to_string();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        reader.request(Request::Dataset { path, config: Box::new(config), seed: 1, look: false });
        let mask = loop {
            match reader.replies().recv_timeout(Duration::from_secs(120)).unwrap() {
                Reply::Opened(patterns) => break patterns.dataset.mask.clone().unwrap(),
                Reply::Failed { failure, .. } => panic!("{}", failure.message),
                _ => {}
            }
        };
        let bad = mask.indexed_iter().filter(|(_, good)| !**good).count();
        assert_eq!((bad, mask[(10, 20)], mask[(12, 20)]), (10, false, true));
    }

    #[test]
    fn files_are_written_in_the_order_of_the_requests_and_what_fails_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let reader = Reader::spawn(Box::new(|| ())).unwrap();
        for text in ["first", "second"] {
            reader.request(Request::Write { path: path.clone(), bytes: text.into() });
        }
        let nowhere = folder.path().join("no such folder");
        reader.request(Request::Write { path: nowhere.join("b.txt"), bytes: Vec::new() });
        reader.request(Request::Trash { folder: nowhere.clone() });
        let replies: Vec<Reply> =
            (0..5).map(|_| reader.replies().recv_timeout(Duration::from_secs(60)).unwrap()).collect();
        assert_eq!(replies[..2], [Reply::Written { path: path.clone() }, Reply::Written { path: path.clone() }]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        assert!(matches!(&replies[2], Reply::Failed { path, .. } if *path == nowhere.join("b.txt")));
        assert_eq!(replies[3], Reply::RunsChanged);
        assert!(matches!(&replies[4], Reply::Failed { path, .. } if *path == nowhere));
    }
}
