//! Ptychoscope: physics-informed neural ptychography, from diffraction patterns to stitched amplitude and phase.
//!
//! # Map of the house
//! Data flows one way: file → [`data::Dataset`] (checked host arrays) → [`data::group`] → [`train::train`] on a device →
//! [`checkpoint`] → [`infer::reconstruct`] → [`data::Reconstruction`] → [`imaging`] → pictures and files.
//!
//! | room | job |
//! |---|---|
//! | [`error`] | [`error::Error`] and [`error::Problem`]: what a person is shown |
//! | [`config`] | one struct per stage; fields with help, range and group; presets; TOML, YAML, JSON; those of PtychoPINN |
//! | [`system`] | which programs run; files that are whole or not there, and their names; threads that let others come first; main memory |
//! | [`data`] | dataset files, their contract, grouping, normalisation, the stitched object as a file |
//! | [`kernels`] | convolution, pooling, upsampling and attention on CPU and GPU; the only room with `unsafe` |
//! | [`simulate`] | datasets made by calculation: object, probe, scan, noise |
//! | [`physics`] | illumination, propagation, translation, merging, losses on tensors |
//! | [`model`] | the networks and their weights |
//! | [`train`] | the training loop |
//! | [`infer`] | prediction, phase synchronisation, stitching, at once or part by part |
//! | [`direct`] | the object without a network, by a gradient solver on the same physics, on the CPU or a GPU |
//! | [`fourier`] | discrete Fourier transforms on the host |
//! | [`metrics`] | how good an object is, against its data and against a reference |
//! | [`imaging`] | pictures of an object |
//! | [`report`] | judging reconstructions: tables, CSV, HTML pages |
//! | [`checkpoint`] | bundles, run folders, logs of a training, atomic writing |
//! | [`worker`] | the one thread that owns the device; commands in, events out |
//! | [`session`] | pure reducers: events in, what is shown out; actions in, effects out |
//! | [`ui`] | the window: panels read the session's state and push actions |
//! | [`mod@bench`] | how fast the program is on this machine |
//! | [`cli`] | arguments, progress, report, exit codes |
//!
//! # Import rule
//! `error`, `config`, `fourier` and `system` may be read by every room. `data`, `metrics`, `imaging` and `kernels` read
//! nothing else; `physics` reads `kernels`; `simulate` reads `data`, `direct` that and `physics`; `model` reads `kernels` and
//! `physics`; `train` reads `data`, `direct` and `model` and what they read; `infer` reads `train` (for its scaling and control
//! types); `checkpoint` reads `data`, `model`, `train`; `worker` reads all of these; `session` reads the worker's messages, and
//! the summaries of `data` and `checkpoint` through them; `report` reads `checkpoint`, `data`, `metrics`, `imaging`; `ui`
//! reads those, `data`, `metrics` and `imaging`; `cli` and `bench` read all. Burn appears only in `kernels`, `physics`, `model`,
//! `train`, `direct`, `infer`, `worker` and `bench`; egui only in `ui`; clap and indicatif only in `cli`.
//! `tests/house.rs` holds this.
//!
//! # Conventions
//! Arrays are row-major; `x` is the column, `y` the row; positions are pixels of the object plane and name the patch's
//! CENTRE (array index N/2). Diffraction is amplitude (square root of counts) with the zero frequency at `[N/2, N/2]`.
//! The Fourier transform has the kernel exp(-2πi…) and is orthonormal. The stitched object carries its origin.
//!
//! # Glossary
//! *Pattern*: one diffraction image. *Patch*: the N × N piece of the object behind it. *Group*: gridsize² neighbouring
//! patterns that the network sees together. *Gauge*: what diffraction leaves open, here the global phase of a patch.
//! *Coverage*: summed weight of the patches at a pixel. "A§n" cites a section of the algorithmic reference that the
//! project was built from.

pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod data;
pub mod direct;
pub mod error;
pub mod fourier;
pub mod imaging;
pub mod infer;
pub mod kernels;
pub mod metrics;
pub mod model;
pub mod physics;
pub mod report;
pub mod session;
pub mod simulate;
pub mod system;
pub mod train;
pub mod ui;
pub mod worker;
