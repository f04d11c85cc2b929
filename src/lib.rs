//! Ptychoscope: physics-informed neural ptychography, from diffraction patterns to stitched amplitude and phase.
//!
//! # Map
//! Data flows one way: file → [`data::Dataset`] (checked host arrays) → [`data::group`] → [`train::train`] on a device →
//! [`checkpoint`] → [`infer::reconstruct`] → [`data::Reconstruction`] → [`imaging`] → pictures and files.
//!
//! Six crates, each a folder: `src/base` (error, config, fourier, system), `src/formats`, `src/host` (data, metrics, imaging,
//! simulate), `src/kernels`, `src/engine` (physics … worker) and this one. Crate boundaries keep Burn out of `base`,
//! `formats` and `host`, and the window out of the engine. Every room may read `error`, `config`, `fourier` and `system`, and
//! beside them only what the table says; `tests/all/house.rs` reads this table and holds it.
//!
//! | room | reads | job |
//! |---|---|---|
//! | [`error`] |  | [`error::Error`] and [`error::Problem`]: messages for people |
//! | [`config`] |  | one struct per stage; fields with help, range and group; presets; TOML, YAML, JSON; import from PtychoPINN |
//! | [`fourier`] |  | discrete Fourier transforms of host arrays |
//! | [`system`] |  | running programs, whole files, thread priority, main memory, messages of libraries |
//! | [`formats`] |  | NPY, NPZ, HDF5, pickle, TIFF: bounded readers and writers without ptychography |
//! | [`data`] | `formats`, `metrics` | datasets: reading and checking, sampling, normalization, the stitched object as a file |
//! | [`metrics`] |  | quality of an object, against its data and against a reference; probe diameter and overlap |
//! | [`imaging`] |  | pictures of an object |
//! | [`simulate`] | `data`, `metrics` | simulated datasets: object, probe, scan, noise |
//! | [`kernels`] |  | convolution, pooling, resampling and attention on CPU and GPU; the only place with `unsafe` |
//! | [`physics`] | `kernels` | illumination, propagation, translation, merging and losses on tensors |
//! | [`control`] |  | pause and stop requests to a running job |
//! | [`model`] | `data`, `kernels`, `physics` | the networks and their weights |
//! | [`direct`] | `data`, `metrics`, `physics` | direct solver: the object without a network, by gradient descent on the same physics |
//! | [`train`] | `control`, `data`, `direct`, `kernels`, `model`, `physics` | the training loop |
//! | [`infer`] | `control`, `data`, `kernels`, `model`, `physics` | prediction, phase synchronization, stitching |
//! | [`checkpoint`] | `formats`, `model`, `train` | bundles, run folders, logs of a training |
//! | [`report`] | `checkpoint`, `data`, `imaging`, `metrics` | comparison of reconstructions: tables, CSV, HTML pages |
//! | [`worker`] | `checkpoint`, `control`, `data`, `direct`, `imaging`, `infer`, `metrics`, `model`, `simulate`, `train` | the thread that owns the device; commands in, events out |
//! | [`library`] | `checkpoint`, `data`, `direct`, `imaging`, `metrics`, `simulate`, `train`, `worker` | file service of the window: datasets, previews, results, runs, presets on a thread |
//! | [`session`] | `library`, `worker` | state of the window as pure reducers: events in, view out; actions in, effects out |
//! | [`ui`] | `checkpoint`, `data`, `imaging`, `library`, `metrics`, `session`, `worker` | the window: panels read the state and push actions |
//! | [`mod@bench`] | `data`, `infer`, `kernels`, `model`, `simulate`, `train`, `worker` | speed of the program on this machine |
//! | [`cli`] | `bench`, `checkpoint`, `data`, `imaging`, `library`, `metrics`, `report`, `session`, `simulate`, `ui`, `worker` | arguments, progress, exit codes |
//!
//! Burn appears only in `kernels`, `physics`, `model`, `train`, `direct`, `infer`, `worker` and `bench`; egui only in `ui`;
//! clap and indicatif only in `cli`.
//!
//! # Conventions
//! Arrays are row-major; `x` is the column, `y` the row; positions are pixels of the object plane and name the patch's
//! center (array index N/2). Diffraction is amplitude (square root of counts) with the zero frequency at `[N/2, N/2]`.
//! The Fourier transform has the kernel exp(-2πi…) and is orthonormal. The stitched object carries its origin.
//!
//! # Glossary
//! *Pattern*: one diffraction image. *Patch*: the N × N piece of the object behind it. *Group*: gridsize² neighboring
//! patterns that the network sees together. *Gauge*: what diffraction leaves open, here the global phase of a patch.
//! *Coverage*: summed weight of the patches at a pixel. "A§n" cites section n of [`algorithm`], which documents the
//! computations and the conventions of PtychoPINN that they follow. *Reference* or *original*: PtychoPINN.
//!
//! # Examples
//! Reads part of a dataset, reconstructs it with the direct solver, and saves the object and a picture of its phase:
//! ```
//! use ptychoscope::config::{DataConfig, DirectConfig};
//! use ptychoscope::data::Dataset;
//! use ptychoscope::direct::{self, Start};
//! use ptychoscope::imaging;
//! use std::path::Path;
//!
//! // 60 random patterns; the last argument is the seed of their choice.
//! let data = DataConfig { n_subsample: Some(60), ..DataConfig::default() };
//! let dataset = Dataset::load(Path::new("fixtures/siemens_star_n64.npz"), &data, 1)?;
//! let config = DirectConfig { epochs: 5, ..DirectConfig::default() };
//! let solution = direct::solve(&dataset, &config, &Start::Flat, &mut |_fraction, _misfit| true)?;
//! assert!(solution.misfits[4] < solution.misfits[0]);
//!
//! let folder = tempfile::tempdir()?;
//! let object = solution.reconstruction;
//! object.save(&folder.path().join("object.npz"))?;
//! let covered = imaging::covered_mask(object.coverage.view(), imaging::COVERED_FRACTION);
//! std::fs::write(folder.path().join("phase.png"), imaging::phase_png(object.object.view(), covered.view())?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Trains a network for two epochs and reconstructs the object with it:
//! ```no_run
//! use ptychoscope::config::{Accelerator, Config};
//! use ptychoscope::data::Dataset;
//! use ptychoscope::train::{self, Control, Silent};
//! use ptychoscope::{infer, worker::device};
//! use std::path::Path;
//!
//! let mut config = Config::default();
//! config.training.epochs = Some(2);
//! config.training.time_budget_s = None;
//! let dataset = Dataset::load(Path::new("fixtures/siemens_star_n64.npz"), &config.data, 1)?;
//! // Settings left to the program, such as the last stage of the decoder, are chosen for the dataset.
//! let (config, _notes) = train::adapt(&config, &dataset);
//! let device = device::select(Accelerator::Cpu)?.device;
//! let trained = train::train(&dataset, None, &config, &device, &mut Silent)?;
//! let object = infer::reconstruct(&dataset, &trained.weights, &trained.scaling, &config, &device, &mut |_| Control::Run)?;
//! object.save(Path::new("object.npz"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Evaluates an object against the reference stored with the dataset:
//! ```
//! use ptychoscope::config::{DataConfig, DirectConfig};
//! use ptychoscope::data::Dataset;
//! use ptychoscope::direct::{self, Start};
//! use ptychoscope::metrics::{self, Placement, Region};
//! use std::path::Path;
//!
//! let dataset = Dataset::load(Path::new("fixtures/siemens_star_n64.npz"), &DataConfig::default(), 1)?;
//! let truth = dataset.object.as_ref().ok_or("no object in the file")?;
//! let config = DirectConfig { epochs: 10, ..DirectConfig::default() };
//! let object = direct::solve(&dataset, &config, &Start::Flat, &mut |_, _| true)?.reconstruction;
//!
//! let region = Region::of_scan(&dataset.positions, truth.dim())?;
//! let aligned =
//!     metrics::align(object.object.view(), object.origin_xy, truth.view(), region, Placement::Registered)?;
//! let evaluation = metrics::evaluate(&aligned)?;
//! println!("SSIM of the phase: {:.3}", evaluation.matched.phase.ssim_data_range);
//! assert!(evaluation.complex_nrmse < 0.5, "{}", evaluation.complex_nrmse);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod algorithm {
    #![doc = include_str!("algorithm.md")]
}
pub mod bench;
pub mod cli;
pub mod session;
pub mod ui;

pub use ptychoscope_base::{config, error, fourier, system};
pub use ptychoscope_engine::{checkpoint, control, direct, infer, library, model, physics, report, train, worker};
pub use ptychoscope_formats as formats;
pub use ptychoscope_host::{data, imaging, metrics, simulate};
pub use ptychoscope_kernels as kernels;
