//! Computation of the patterns of a scene in parallel, and writing of the file.
//!
//! While a block of patterns is computed, a separate thread compresses and writes the previous one, so that only a few blocks
//! are in memory, whatever the number of patterns. Each pattern has its own random generator: the order of the computation
//! does not change the result.

use super::forward::{Forward, Workspace, photon_factor};
use super::metadata::metadata;
use super::noise::Exposure;
use super::scene::{Scene, Sources};
use crate::config::Config;
use crate::data::{NpyArray, NpzWriter, extract_patch};
use crate::error::{Error, Problem, Result};
use ndarray::{Array1, Array2, Array3, Axis, arr0};
use num_complex::Complex32;
use rayon::prelude::*;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

/// Bytes of patterns computed between two progress reports.
const BLOCK_BYTES: usize = 8 << 20;
/// Maximum number of blocks waiting to be written.
const BLOCKS_WAITING: usize = 2;

/// Receives the number of finished patterns and the total; returns false to stop the simulation.
type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// Statistics of a simulated file.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Number of patterns.
    pub patterns: usize,
    /// Mean counts per pattern.
    pub photons_per_pattern: f64,
    /// Lowest counts of a pattern.
    pub photons_min: f64,
    /// Highest counts of a pattern.
    pub photons_max: f64,
    /// Ratio of the stored probe, in square roots of photons, to that of the scene.
    pub probe_factor: f64,
    /// Σ (√counts − √expected)² / Σ counts over the live pixels: R of the true object.
    pub noise_floor: f64,
}

/// Computes the patterns of a scene and writes them, with probe, object and metadata, as the NPZ file of A§1.1.
///
/// If `progress` returns false, nothing is written.
///
/// # Errors
/// The object is dark at every position, the file cannot be written, or `progress` stopped the simulation.
pub fn record(
    scene: &Scene,
    config: &Config,
    sources: &Sources,
    output: &Path,
    progress: Progress<'_>,
) -> Result<Recording> {
    let count = scene.true_positions.len();
    if !progress(0, count) {
        return Err(stopped());
    }
    let writer = NpzWriter::create(output)?;
    let factor = probe_factor(scene, config.simulation.n_photons, progress)?;
    #[allow(clippy::cast_possible_truncation)]
    let probe = scene.probe.mapv(|value| value * factor as f32);
    let (mut writer, exposures) = write_patterns(writer, scene, &probe, config.execution.seeds.noise, progress)?;
    let photons = || exposures.iter().map(|exposure| exposure.photons);
    let total: f64 = photons().sum();
    let misfit: f64 = exposures.iter().map(|exposure| exposure.misfit).sum();
    let recording = Recording {
        patterns: count,
        photons_per_pattern: total / count as f64,
        photons_min: photons().fold(f64::INFINITY, f64::min),
        photons_max: photons().fold(0.0, f64::max),
        probe_factor: factor,
        noise_floor: if total > 0.0 { misfit / total } else { 1.0 },
    };
    write_scene(&mut writer, scene, &probe)?;
    if config.simulation.patches {
        write_patches(&mut writer, scene)?;
    }
    writer.array("_metadata", &NpyArray::Text(&metadata(scene, config, sources, &recording)?))?;
    writer.finish()?;
    Ok(recording)
}

/// Factor from the probe of the scene to square roots of photons.
fn probe_factor(scene: &Scene, photons_per_pattern: f64, progress: Progress<'_>) -> Result<f64> {
    let count = scene.true_positions.len();
    let forward = Forward::new(scene.object.view(), &scene.probe, scene.propagation);
    let mut energies: Vec<f64> = Vec::with_capacity(count);
    for positions in scene.true_positions.chunks(64 * block_length(scene)) {
        energies.par_extend(
            positions.par_iter().map_init(Workspace::default, |work, &position| forward.exit_energy(position, work)),
        );
        if !progress(0, count) {
            return Err(stopped());
        }
    }
    let factor = photon_factor(&energies, photons_per_pattern);
    if !factor.is_finite() || factor <= 0.0 {
        return Err(Problem::new("The object transmits no intensity: the mean energy of the exit wave is 0")
            .expected("an object that is not dark at every scan position")
            .hint("Choose --amplitude-max above 0, or another object or probe")
            .into());
    }
    Ok(factor)
}

/// Number of patterns in a block.
fn block_length(scene: &Scene) -> usize {
    (BLOCK_BYTES / (4 * scene.patch_size() * scene.patch_size())).max(1)
}

/// Computes the patterns for a probe in square roots of photons, and writes them.
fn write_patterns(
    mut writer: NpzWriter,
    scene: &Scene,
    probe: &Array3<Complex32>,
    seed: u64,
    progress: Progress<'_>,
) -> Result<(NpzWriter, Vec<Exposure>)> {
    let (count, side) = (scene.true_positions.len(), scene.patch_size());
    let (pixels, block) = (side * side, block_length(scene));
    let forward = Forward::new(scene.object.view(), probe, scene.propagation);
    writer.start_f32("diffraction", &[count, side, side])?;
    let mut exposures: Vec<Exposure> = Vec::with_capacity(count);
    let written = std::thread::scope(|scope| -> Result<Option<NpzWriter>> {
        let (sender, receiver) = sync_channel::<Vec<f32>>(BLOCKS_WAITING);
        let writing = std::thread::Builder::new()
            .name("ptycho-npz".to_owned())
            .spawn_scoped(scope, move || write_blocks(writer, &receiver))
            .map_err(|error| Error::failed(format!("The writing thread could not be started ({error})")))?;
        let mut is_stopped = false;
        for (number, positions) in scene.true_positions.chunks(block).enumerate() {
            let mut patterns = vec![0.0_f32; positions.len() * pixels];
            let first = number * block;
            exposures.par_extend(patterns.par_chunks_mut(pixels).zip(positions).enumerate().map_init(
                Workspace::default,
                |work, (at, (pattern, &position))| {
                    forward.intensity(position, work);
                    scene.detector.expose(seed, (first + at) as u64, &work.intensity, pattern)
                },
            ));
            // A closed channel means that writing failed; the thread returns the error.
            if sender.send(patterns).is_err() {
                break;
            }
            if !progress(exposures.len(), count) {
                is_stopped = true;
                break;
            }
        }
        drop(sender);
        let writer = writing.join().map_err(|_| Error::failed("The writing thread failed"))??;
        Ok((!is_stopped).then_some(writer))
    })?;
    Ok((written.ok_or_else(stopped)?, exposures))
}

fn write_blocks(mut writer: NpzWriter, blocks: &Receiver<Vec<f32>>) -> Result<NpzWriter> {
    while let Ok(patterns) = blocks.recv() {
        writer.elements_f32(&patterns)?;
    }
    Ok(writer)
}

/// Writes positions, probe, object and mask.
fn write_scene(writer: &mut NpzWriter, scene: &Scene, probe: &Array3<Complex32>) -> Result<()> {
    let axis = |positions: &[[f64; 2]], k: usize| positions.iter().map(|p| p[k]).collect::<Array1<f64>>().into_dyn();
    let (xs, ys) = (axis(&scene.positions, 0), axis(&scene.positions, 1));
    for (key, values) in [("xcoords", &xs), ("ycoords", &ys), ("xcoords_start", &xs), ("ycoords_start", &ys)] {
        writer.array(key, &NpyArray::F64(values.view()))?;
    }
    if scene.positions != scene.true_positions {
        for (key, k) in [("xcoords_true", 0), ("ycoords_true", 1)] {
            writer.array(key, &NpyArray::F64(axis(&scene.true_positions, k).view()))?;
        }
    }
    let single = probe.index_axis(Axis(0), 0);
    let stored = if probe.len_of(Axis(0)) == 1 { single.into_dyn() } else { probe.view().into_dyn() };
    writer.array("probeGuess", &NpyArray::C32(stored))?;
    writer.array("objectGuess", &NpyArray::C32(scene.object.view().into_dyn()))?;
    if let Some(number) = scene.propagation.fresnel_number() {
        writer.array("fresnel_number", &NpyArray::F64(arr0(number).view().into_dyn()))?;
    }
    let scan_index = Array1::<i64>::zeros(scene.true_positions.len());
    writer.array("scan_index", &NpyArray::I64(scan_index.view().into_dyn()))?;
    let (side, live) = (scene.patch_size(), scene.detector.live());
    if live.iter().any(|&live| !live) {
        let mask = Array2::from_shape_fn((side, side), |(y, x)| u16::from(live.get(y * side + x) == Some(&true)));
        writer.array("detector_mask", &NpyArray::U16(mask.view().into_dyn()))?;
    }
    Ok(())
}

/// Writes the object behind each pattern as `Y`, (n, N, N) complex.
fn write_patches(writer: &mut NpzWriter, scene: &Scene) -> Result<()> {
    let side = scene.patch_size();
    let (mut patch, mut all) = (Vec::new(), Vec::with_capacity(scene.true_positions.len() * side * side));
    for &position in &scene.true_positions {
        extract_patch(scene.object.view(), position, side, &mut patch);
        all.extend_from_slice(&patch);
    }
    let patches = Array3::from_shape_vec((scene.true_positions.len(), side, side), all)
        .map_err(|error| Error::failed(format!("The patches do not fit their shape ({error})")))?;
    writer.array("Y", &NpyArray::C32(patches.view().into_dyn()))
}

fn stopped() -> Error {
    Error::failed("The simulation was stopped; nothing was written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataConfig, ObjectKind, ProbeKind, ScanKind, Seeds};
    use crate::data::{Dataset, NpzArchive, Status, inspect};
    use crate::simulate::simulate;
    use std::path::PathBuf;

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::default();
        config.simulation.n_images = Some(40);
        change(&mut config);
        config
    }

    fn simulated(folder: &Path, name: &str, config: &Config) -> (PathBuf, Scene, Recording) {
        let path = folder.join(name);
        let (scene, recorded) = simulate(config, &Sources::default(), &path, &mut |_, _| true).unwrap();
        (path, scene, recorded)
    }

    fn load(path: &Path) -> Dataset {
        Dataset::load(path, &DataConfig::default(), 1).unwrap()
    }

    #[test]
    fn simulated_data_pass_inspection_without_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let objects = [
            ObjectKind::Lines,
            ObjectKind::Grf,
            ObjectKind::Points,
            ObjectKind::Diagonals,
            ObjectKind::DeadLeaves,
            ObjectKind::Siemens,
        ];
        let mut configs: Vec<Config> =
            objects.into_iter().map(|object| config(|c| c.simulation.object = object)).collect();
        for probe in [ProbeKind::Gaussian, ProbeKind::Disk, ProbeKind::ZonePlate] {
            configs.push(config(|c| c.simulation.probe = probe));
        }
        for scan in [ScanKind::Raster, ScanKind::JitteredRaster, ScanKind::Spiral] {
            configs.push(config(|c| c.simulation.scan = scan));
        }
        configs.push(config(|c| c.simulation.n_images = Some(10)));
        configs.push(config(|c| c.simulation.n_photons = 1e4));
        configs.push(config(|c| c.simulation.n_photons = 1e9));
        configs.push(config(|c| c.simulation.pattern_size = 128));
        configs.push(config(|c| {
            c.simulation.probe_modes = 3;
            c.simulation.read_noise = 1.0;
            c.simulation.dead_pixels = 0.01;
            c.simulation.position_error = 0.5;
        }));
        for (number, config) in configs.iter().enumerate() {
            let (path, scene, recorded) = simulated(folder.path(), &format!("{number}.npz"), config);
            let inspection = inspect(&path).unwrap();
            // With position errors, the file contains two sets of positions, which is reported.
            let expected = |check: &str| check == "position set" && config.simulation.position_error > 0.0;
            let bad: Vec<_> =
                inspection.verdicts.iter().filter(|v| v.status != Status::Pass && !expected(&v.check)).collect();
            assert!(bad.is_empty(), "{number}: {bad:#?}");
            let dataset = load(&path);
            assert_eq!(dataset.len(), config.simulation.n_images.unwrap());
            assert_eq!(dataset.object.as_ref(), Some(&scene.object));
            assert_eq!(dataset.positions, scene.positions);
            assert_eq!(dataset.nphotons, Some(recorded.photons_per_pattern));
        }
    }

    #[test]
    fn equal_seeds_give_identical_files_with_any_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(|c| {
            c.simulation.object = ObjectKind::DeadLeaves;
            c.simulation.position_error = 0.3;
            c.simulation.read_noise = 0.5;
        });
        let with = |threads: usize, name: &str, config: &Config| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let path = pool.install(|| simulated(folder.path(), name, config).0);
            std::fs::read(path).unwrap()
        };
        let one = with(1, "one.npz", &config);
        assert!(one == with(3, "three.npz", &config));
        let mut other = config.clone();
        other.execution.seeds = Seeds::all(43);
        assert!(one != with(1, "other.npz", &other));
    }

    /// Expected photons of each pixel of each pattern, from the stored probe and object in double precision.
    fn expected(dataset: &Dataset) -> Vec<f64> {
        use crate::data::extract_patch;
        use num_complex::Complex64;
        let side = dataset.patch_size();
        let object = dataset.object.as_ref().unwrap();
        let fft = crate::fourier::Fft2::<f64>::new(side, side);
        let mut all = Vec::new();
        let mut patch = Vec::new();
        for &position in &dataset.positions {
            extract_patch(object.view(), position, side, &mut patch);
            let mut sum = vec![0.0; side * side];
            for mode in dataset.probe.axis_iter(Axis(0)) {
                let mut wave: Vec<Complex64> = patch
                    .iter()
                    .zip(mode)
                    .map(|(o, p)| Complex64::new(o.re.into(), o.im.into()) * Complex64::new(p.re.into(), p.im.into()))
                    .collect();
                fft.forward_in_place(&mut wave);
                let centered = crate::fourier::swap_halves(&wave, side);
                sum.iter_mut().zip(centered).for_each(|(s, v)| *s += v.norm_sqr() / (side * side) as f64);
            }
            all.extend(sum);
        }
        all
    }

    #[test]
    fn the_noise_passes_a_chi_square_test_and_r_is_at_the_poisson_floor() {
        let folder = tempfile::tempdir().unwrap();
        for (number, photons) in [1e4, 1e6, 1e9].into_iter().enumerate() {
            let config = config(|c| {
                c.simulation.n_photons = photons;
                c.simulation.probe_modes = 2;
            });
            let (path, _, recorded) = simulated(folder.path(), &format!("{number}.npz"), &config);
            let dataset = load(&path);
            let expected = expected(&dataset);
            // Actual dose: the mean of 40 Poisson numbers.
            let mean = expected.iter().sum::<f64>() / 40.0;
            assert!((mean / photons - 1.0).abs() < 1e-5, "{mean}");
            let sigma = (recorded.photons_per_pattern - photons) / (photons / 40.0).sqrt();
            assert!(sigma.abs() < 4.0, "{sigma}");
            let counts: Vec<f64> = dataset.diffraction.iter().map(|&a| f64::from(a) * f64::from(a)).collect();
            let (mut chi_square, mut variance, mut freedom) = (0.0, 0.0, 0.0);
            for (&n, &lambda) in counts.iter().zip(&expected).filter(|(_, lambda)| **lambda >= 0.5) {
                chi_square += (n - lambda).powi(2) / lambda;
                // Var (n - λ)²/λ = 2 + 1/λ for Poisson numbers.
                variance += 2.0 + 1.0 / lambda;
                freedom += 1.0;
            }
            let sigma = (chi_square - freedom) / f64::sqrt(variance);
            println!("{photons:e} photons: chi-square {chi_square:.0} for {freedom:.0} pixels, {sigma:+.2} sigma");
            assert!(sigma.abs() < 4.0, "{sigma}");

            // E (√n − √λ)² by summing over n; 1/4 for large λ.
            let floor = |lambda: f64| -> f64 {
                if lambda > 50.0 {
                    return 0.25 + 7.0 / 64.0 / lambda;
                }
                let mut probability = (-lambda).exp();
                (0..200)
                    .map(|n| {
                        let n = f64::from(n);
                        let term = probability * (n.sqrt() - lambda.sqrt()).powi(2);
                        probability *= lambda / (n + 1.0);
                        term
                    })
                    .sum()
            };
            let want = expected.iter().map(|&lambda| floor(lambda)).sum::<f64>() / expected.iter().sum::<f64>();
            let object = dataset.object.as_ref().unwrap();
            let r = crate::metrics::consistency_r(object.view(), [0.0; 2], &dataset.measured()).unwrap();
            println!("{photons:e} photons: R {r:.4e}, floor {want:.4e}, recorded {:.4e}", recorded.noise_floor);
            assert!((r / want - 1.0).abs() < 0.02 && (recorded.noise_floor / r - 1.0).abs() < 0.01, "{r} {want}");
        }
    }

    #[test]
    fn without_noise_the_patterns_are_exact_and_r_is_zero() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(|c| {
            c.simulation.poisson_noise = false;
            c.simulation.scan = ScanKind::Spiral;
        });
        let (path, _, recorded) = simulated(folder.path(), "a.npz", &config);
        assert!((recorded.photons_per_pattern / 1e6 - 1.0).abs() < 1e-5 && recorded.noise_floor < 1e-10);
        let dataset = load(&path);
        let worst = dataset
            .diffraction
            .iter()
            .zip(expected(&dataset))
            .map(|(&a, lambda)| (f64::from(a) - lambda.sqrt()).abs())
            .fold(0.0, f64::max);
        assert!(worst < 1e-3, "{worst}");
    }

    #[test]
    fn the_metadata_contain_the_requested_and_the_counted_photons() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(|c| {
            c.simulation.beamstop_diameter = 5.0;
            c.simulation.position_error = 0.2;
            c.model.gridsize = 2;
        });
        let (path, scene, recorded) = simulated(folder.path(), "a.npz", &config);
        let mut archive = NpzArchive::open(&path).unwrap();
        let metadata = archive.read_json("_metadata").unwrap();
        let physics = &metadata["physics_parameters"];
        assert_eq!(physics["nphotons_requested"], 1e6);
        assert_eq!(physics["nphotons"].as_f64().unwrap(), recorded.photons_per_pattern);
        assert!(recorded.photons_per_pattern < 0.9e6, "the beamstop blocks the direct beam");
        assert_eq!((physics["gridsize"].as_u64(), physics["N"].as_u64()), (Some(2), Some(64)));
        assert_eq!(metadata["additional_parameters"]["seed"], 42);
        assert_eq!(metadata["additional_parameters"]["simulation"]["object"], "lines");
        let x = archive.read_f64("xcoords_true").unwrap();
        assert!(x.iter().zip(&scene.true_positions).all(|(x, p)| *x == p[0]));
        assert_ne!(scene.positions, scene.true_positions);
        let mask = archive.read_f64("detector_mask").unwrap();
        assert_eq!((mask[[32, 32]], mask[[0, 0]]), (0.0, 1.0));
    }

    #[test]
    fn stopping_leaves_no_file_and_progress_counts_every_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let config = config(|c| c.simulation.n_images = Some(1200));
        let mut calls = 0;
        let error = simulate(&config, &Sources::default(), &path, &mut |done, total| {
            calls += 1;
            assert_eq!(total, 1200);
            done == 0
        })
        .unwrap_err();
        assert!(error.to_string().contains("stopped") && calls >= 3, "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut last = 0;
        simulate(&config, &Sources::default(), &path, &mut |done, _| {
            assert!(done >= last);
            last = done;
            true
        })
        .unwrap();
        assert_eq!(last, 1200);
        let missing = folder.path().join("no/a.npz");
        assert!(simulate(&config, &Sources::default(), &missing, &mut |_, _| true).is_err());
    }

    #[test]
    fn object_and_probe_of_a_file_are_used_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let (first, scene, _) =
            simulated(folder.path(), "first.npz", &config(|c| c.simulation.probe = ProbeKind::Disk));
        let second = folder.path().join("second.npz");
        let again = config(|c| {
            c.simulation.object = ObjectKind::File;
            c.simulation.probe = ProbeKind::File;
            c.simulation.scan = ScanKind::File;
            c.simulation.n_images = Some(7);
        });
        let sources = Sources { input: Some(first.clone()), positions: Some(first.clone()), ..Sources::default() };
        let (copy, _) = simulate(&again, &sources, &second, &mut |_, _| true).unwrap();
        assert_eq!(copy.object, scene.object);
        assert_eq!(copy.positions, scene.positions[..7]);
        let ratio = copy.probe[[0, 32, 32]] / scene.probe[[0, 32, 32]];
        let worst = copy.probe.iter().zip(&scene.probe).map(|(a, b)| (a - b * ratio).norm()).fold(0.0, f32::max);
        assert!(worst < 1e-4 * copy.probe[[0, 32, 32]].norm(), "{worst}");
        for (change, named) in [
            (Sources::default(), "--input-file"),
            (Sources { positions: None, ..sources.clone() }, "--positions-file"),
            (Sources { object_image: Some(first.clone()), ..sources.clone() }, "--object-image"),
        ] {
            let error = simulate(&again, &change, &second, &mut |_, _| true).unwrap_err();
            assert!(error.to_string().contains(named) && error.exit_code() == 2, "{error}");
        }
        let many = config(|c| {
            c.simulation.scan = ScanKind::File;
            c.simulation.n_images = Some(41);
        });
        let sources = Sources { positions: Some(first), ..Sources::default() };
        let error = simulate(&many, &sources, &second, &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains("40 positions"), "{error}");
    }
}
