//! What is computed in f32 against the same in f64, with stated bounds; and measurements at the edge of what there is:
//! hardly any photons or far too many, empty and saturated patterns, one pattern, a hundred thousand, the largest network.
//! Each gives a finite object, or is refused in words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common;

use burn::tensor::{Device, Tensor, TensorData};
use common::{program, tiny_flags};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};
use num_complex::{Complex32, Complex64};
use ptychoscope::config::DirectConfig;
use ptychoscope::data::{Dataset, NpyArray, Reconstruction, write_npz};
use ptychoscope::direct::{Start, solve};
use ptychoscope::fourier::Propagation;
use ptychoscope::physics::{self, ComplexTensor, Diffraction, Merge, Translation};
use ptychoscope::{data, infer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

const N: usize = 64;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn wide(z: Complex32) -> Complex64 {
    Complex64::new(z.re.into(), z.im.into())
}

/// (modes, N, N) with a curved Gaussian, as a probe has it.
fn probe(modes: usize, n: usize) -> Array3<Complex32> {
    Array3::from_shape_fn((modes, n, n), |(m, y, x)| {
        let (u, v) = ((x as f32 - n as f32 / 2.0) / n as f32, (y as f32 - n as f32 / 2.0) / n as f32);
        let r = u * u + v * v;
        Complex32::from_polar((-r * 18.0).exp() / (m + 1) as f32 * (1.0 + m as f32 * u * 4.0), 9.0 * r + 0.5 * v)
    })
}

/// (k, N, N) patches of amplitude about 1 and any phase.
fn patches(k: usize, n: usize, seed: u64) -> Array3<Complex32> {
    let mut rng = rng(seed);
    Array3::from_shape_simple_fn((k, n, n), || {
        Complex32::from_polar(rng.random_range(0.4..1.1), rng.random_range(-3.1..3.1))
    })
}

/// Shifted orthonormal transform in f64.
fn transform(field: &Array2<Complex64>) -> Array2<Complex64> {
    let n = field.nrows();
    let plan = rustfft::FftPlanner::<f64>::new().plan_fft_forward(n);
    let mut rows: Vec<Vec<Complex64>> = field.outer_iter().map(|row| row.to_vec()).collect();
    rows.iter_mut().for_each(|row| plan.process(row));
    let mut columns: Vec<Vec<Complex64>> = (0..n).map(|x| rows.iter().map(|row| row[x]).collect()).collect();
    columns.iter_mut().for_each(|column| plan.process(column));
    Array2::from_shape_fn((n, n), |(y, x)| columns[(x + n - n / 2) % n][(y + n - n / 2) % n] / n as f64)
}

fn intensity(patch: ArrayView2<Complex32>, probe: &Array3<Complex32>) -> Array2<f64> {
    let mut sum = Array2::zeros(patch.dim());
    for mode in probe.outer_iter() {
        let field = Array2::from_shape_fn(patch.dim(), |at| wide(patch[at]) * wide(mode[at]));
        sum += &transform(&field).mapv(|z| z.norm_sqr());
    }
    sum
}

/// Largest difference, relative to the largest expected value.
fn worst(found: impl IntoIterator<Item = f64>, expected: impl IntoIterator<Item = f64>) -> f64 {
    let (mut worst, mut scale) = (0.0f64, f64::MIN_POSITIVE);
    for (found, expected) in found.into_iter().zip(expected) {
        assert!(found.is_finite() && expected.is_finite());
        worst = worst.max((found - expected).abs());
        scale = scale.max(expected.abs());
    }
    worst / scale
}

fn holds(what: &str, error: f64, bound: f64) {
    println!("{what}: {error:.1e} (bound {bound:.0e})");
    assert!(error <= bound, "{what}: {error:e} above {bound:e}");
}

#[test]
fn diffraction_keeps_f64_to_two_millionths() {
    for (n, modes) in [(64, 1), (64, 3), (128, 2), (256, 1)] {
        let (probe, patches) = (probe(modes, n), patches(2, n, 5));
        let device = Device::flex();
        let found = Diffraction::new(probe.view(), Propagation::FarField, &device)
            .intensity(ComplexTensor::from_array(patches.view(), &device));
        let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
        let expected = patches.outer_iter().flat_map(|patch| intensity(patch, &probe).into_iter().collect::<Vec<_>>());
        holds(&format!("diffraction, N = {n}, {modes} modes"), worst(found.iter().map(|&v| v.into()), expected), 2e-6);
    }
}

#[test]
fn losses_keep_f64_whatever_the_photons() {
    let device = Device::flex();
    let mut rng = rng(3);
    // In units of the network a pattern has a mean of 1/4; a bright middle has thousands, the rim next to nothing.
    for (name, low, high) in
        [("usual", 1e-3f64, 10.0f64), ("bright", 1.0, 1e5), ("dark", 1e-12, 1e-5), ("any", 1e-12, 1e5)]
    {
        let draw = |rng: &mut ChaCha8Rng| (low.ln() + rng.random::<f64>() * (high / low).ln()).exp() as f32;
        let predicted: Vec<f32> = (0..4096).map(|_| draw(&mut rng)).collect();
        // Within a fifth of the prediction, as late in a training, where the terms cancel.
        let measured: Vec<f32> = predicted.iter().map(|v| (v * rng.random_range(0.8f32..1.2)).sqrt()).collect();
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), &device);
        let floor = 1e-6;
        let pairs = || predicted.iter().zip(&measured).map(|(&p, &m)| (f64::from(p), f64::from(m)));
        let mean = |term: &dyn Fn(f64, f64) -> f64| pairs().map(|(p, m)| term(p, m)).sum::<f64>() / 4096.0;
        let deviance = mean(&|p, m| {
            let (rate, k) = (p + floor, m * m);
            rate - k + if k > 0.0 { k * (k / rate).ln() } else { 0.0 }
        });
        // Rounding belongs to the size of the terms, not to their difference.
        let size = mean(&|p, m| p + m * m * (1.0 + (m * m).max(1e-12).ln().abs()));
        let found: f32 = physics::poisson_deviance(tensor(&predicted), tensor(&measured), None).into_scalar();
        holds(&format!("Poisson deviance, {name}"), (f64::from(found) - deviance).abs() / size, 1e-6);
        let absolute = mean(&|p, m| ((p + floor).sqrt() - m).abs());
        let found: f32 = physics::amplitude_mae(tensor(&predicted), tensor(&measured), None).into_scalar();
        let size = mean(&|p, _| p.sqrt());
        holds(&format!("amplitude, {name}"), (f64::from(found) - absolute).abs() / size, 1e-6);
    }
}

/// A (k, N, N) stack laid at `places` on a canvas in f64, weighted, bilinear: Σ w z / Σ w.
fn blended(
    patches: &Array3<Complex32>,
    weight: ArrayView2<f32>,
    corners: &[(usize, usize, f64, f64)],
    shape: (usize, usize),
) -> Array2<Complex64> {
    let mut sum = Array2::<Complex64>::zeros(shape);
    let mut total = Array2::<f64>::zeros(shape);
    for (patch, &(top, left, fy, fx)) in patches.outer_iter().zip(corners) {
        for ((row, column), &z) in patch.indexed_iter() {
            for (dy, wy) in [(0, 1.0 - fy), (1, fy)] {
                for (dx, wx) in [(0, 1.0 - fx), (1, fx)] {
                    let w = f64::from(weight[[row, column]]) * wy * wx;
                    if w > 0.0 {
                        sum[[top + row + dy, left + column + dx]] += wide(z) * w;
                        total[[top + row + dy, left + column + dx]] += w;
                    }
                }
            }
        }
    }
    ndarray::Zip::from(&mut sum)
        .and(&total)
        .for_each(|z, &w| *z = if w > 1e-6 { *z / w } else { Complex64::default() });
    sum
}

fn both(values: impl IntoIterator<Item = Complex64>) -> Vec<f64> {
    values.into_iter().flat_map(|z| [z.re, z.im]).collect()
}

#[test]
fn stitching_keeps_f64() {
    let mut rng = rng(8);
    let patches = patches(40, N, 1);
    let positions: Vec<[f64; 2]> = (0..40).map(|_| [0, 1].map(|_| rng.random_range(0.0..60.0))).collect();
    let weight = physics::probe_intensity(probe(1, N).view());
    let found = infer::stitch(patches.view(), &positions, weight.view()).unwrap();
    let canvas = data::Canvas::around(&positions, N);
    let corners: Vec<_> = positions
        .iter()
        .map(|p| {
            let at = [p[0] - (N / 2) as f64 - canvas.origin[0], p[1] - (N / 2) as f64 - canvas.origin[1]];
            (at[1].floor() as usize, at[0].floor() as usize, at[1].fract(), at[0].fract())
        })
        .collect();
    let expected = blended(&patches, weight.view(), &corners, found.object.dim());
    // Where hardly any light fell the quotient is one of roundings.
    let lit = |at: (usize, usize)| found.coverage[at] > 1e-3;
    let chosen = |z: Complex64, at| if lit(at) { z } else { Complex64::default() };
    let found_values = both(found.object.indexed_iter().map(|(at, &z)| chosen(wide(z), at)));
    holds("stitching", worst(found_values, both(expected.indexed_iter().map(|(at, &z)| chosen(z, at)))), 5e-6);
}

#[test]
fn moving_and_merging_keep_f64() {
    let device = Device::flex();
    let (patches, weight) = (patches(4, N, 2), physics::central_window(N));
    let relative = [[1.25f32, -3.5], [-2.75, 0.125], [3.9, 2.3], [-0.4, -1.1]];
    let shifts = Tensor::<2>::from_floats(relative, &device);
    let side = physics::canvas_side(N, 3.9);
    // Content moves by minus the relative position.
    let corners: Vec<_> = relative
        .iter()
        .map(|r| {
            let at = [0, 1].map(|axis| ((side - N) / 2) as f64 - f64::from(r[axis]));
            (at[1].floor() as usize, at[0].floor() as usize, at[1] - at[1].floor(), at[0] - at[0].floor())
        })
        .collect();
    let ones = Array2::from_elem((N, N), 1.0f32);
    for (k, corner) in corners.iter().enumerate() {
        let one = patches.slice(s![k..=k, .., ..]).to_owned();
        let moved = Translation::new(shifts.clone().narrow(0, k, 1).neg(), N, side)
            .apply_complex(ComplexTensor::from_array(one.view(), &device))
            .into_array()
            .unwrap();
        let share = blended(&one, ones.view(), &[*corner], (side, side));
        // What is moved is a sum; its mean, away from the rim where weights end.
        let inner = s![8..side - 8, 8..side - 8];
        let found = both(moved.index_axis(Axis(0), 0).slice(inner).iter().map(|&z| wide(z)));
        holds("translation", worst(found, both(share.slice(inner).iter().copied())), 2e-6);
    }
    let merge = Merge::new(weight.view(), 0.0, &device);
    let merged = merge.merge(ComplexTensor::from_array(patches.view(), &device), shifts, 4, side).into_array().unwrap();
    // Weight and content are moved before they are multiplied, as the original does; within the window both are smooth in
    // none of our values, so the reference does the same.
    let mut sum = Array2::<Complex64>::zeros((side, side));
    let mut total = Array2::<f64>::zeros((side, side));
    for (patch, &corner) in patches.outer_iter().zip(&corners) {
        let place = |value: &dyn Fn((usize, usize)) -> Complex64| {
            let mut out = Array2::<Complex64>::zeros((side, side));
            let (top, left, fy, fx) = corner;
            for row in 0..N {
                for column in 0..N {
                    for (dy, wy) in [(0, 1.0 - fy), (1, fy)] {
                        for (dx, wx) in [(0, 1.0 - fx), (1, fx)] {
                            out[[top + row + dy, left + column + dx]] += value((row, column)) * wy * wx;
                        }
                    }
                }
            }
            out
        };
        let weights = place(&|at| Complex64::new(weight[at].into(), 0.0)).mapv(|z| z.re);
        sum += &(place(&|at| wide(patch[at])) * weights.mapv(|w| Complex64::new(w, 0.0)));
        total += &weights;
    }
    let expected =
        Array2::from_shape_fn(
            (side, side),
            |at| if total[at] > 1e-6 { sum[at] / total[at] } else { Complex64::default() },
        );
    let rim = |at: (usize, usize)| total[at] > 0.0 && total[at] < 1e-3;
    let found = both(
        merged
            .index_axis(Axis(0), 0)
            .indexed_iter()
            .map(|(at, &z)| if rim(at) { Complex64::default() } else { wide(z) }),
    );
    let expected = both(expected.indexed_iter().map(|(at, &z)| if rim(at) { Complex64::default() } else { z }));
    holds("merging", worst(found, expected), 1e-5);
}

/// A dataset in memory: patches of one object at whole-pixel places.
fn dataset(count: usize, photons: f64, seed: u64) -> Dataset {
    let mut rng = rng(seed);
    let probe = probe(1, N);
    let object = Array2::from_shape_fn((120, 120), |(y, x)| {
        let (u, v) = (x as f32 / 120.0, y as f32 / 120.0);
        Complex32::from_polar(0.8 + 0.2 * (9.0 * u + 4.0 * v * v).sin(), 0.8 * (7.0 * v - 3.0 * u).cos())
    });
    let positions: Vec<[f64; 2]> =
        (0..count).map(|_| [0, 1].map(|_| f64::from(rng.random_range(0..50u32)) + (N / 2) as f64)).collect();
    let mut diffraction = Array3::zeros((count, N, N));
    for (mut pattern, position) in diffraction.outer_iter_mut().zip(&positions) {
        let (top, left) = (position[1] as usize - N / 2, position[0] as usize - N / 2);
        let values = intensity(object.slice(s![top..top + N, left..left + N]), &probe);
        let scale = photons / values.sum();
        pattern.assign(&values.mapv(|v| (v * scale).sqrt() as f32));
    }
    Dataset { object: Some(object), ..Dataset::from_arrays(diffraction, positions, probe) }
}

#[test]
fn a_step_of_the_direct_solver_keeps_f64() {
    let dataset = dataset(20, 1e6, 4);
    let config = DirectConfig { epochs: 1, ..DirectConfig::default() };
    let canvas = data::Canvas::around(&dataset.positions, N);
    // An object that sends light everywhere: where there is none its phase is a matter of rounding, in f64 as well.
    let begin = patches(1, canvas.height.max(canvas.width), 6).slice_move(s![0, ..canvas.height, ..canvas.width]);
    let given = Reconstruction {
        coverage: Array2::from_elem(begin.dim(), 1.0),
        object: begin.clone(),
        origin_xy: canvas.origin,
        pixel_size_m: None,
    };
    let found = solve(&dataset, &config, &Start::From(&given), &mut |_, _| true).unwrap();
    // Gradient Σ P* F⁻¹[(1 − a/|F|) F], over Σ |P|² and its floor.
    let normalization = data::normalization_factor(dataset.diffraction.view()).unwrap();
    let energy: f64 = dataset.probe.iter().map(|z| wide(*z).norm_sqr()).sum();
    let factor = (N as f64 / 2.0) / energy.sqrt();
    let light = dataset.probe.index_axis(Axis(0), 0).mapv(|z| wide(z) * factor);
    let object = begin.mapv(|z| wide(z) * (normalization / factor));
    let mut gradient = Array2::<Complex64>::zeros((canvas.height, canvas.width));
    let mut lit = Array2::<f64>::zeros((canvas.height, canvas.width));
    let mut misfit = 0.0;
    let at = |k: usize| (k + N / 2) % N;
    for (pattern, &position) in dataset.diffraction.outer_iter().zip(&dataset.positions) {
        let (top, left, ..) = canvas.corner(position, N);
        let field = transform(&(&light * &object.slice(s![top..top + N, left..left + N])));
        let missing = Array2::from_shape_fn((N, N), |i| {
            let (modulus, a) = (field[i].norm(), f64::from(pattern[i]) * normalization);
            misfit += (modulus - a).powi(2);
            field[i] * (1.0 - a / modulus)
        });
        // The inverse of the shifted transform: conjugate, transform, conjugate, and undo the shifts.
        let back = transform(&Array2::from_shape_fn((N, N), |(y, x)| missing[[at(y), at(x)]].conj()));
        for y in 0..N {
            for x in 0..N {
                gradient[[top + y, left + x]] += light[[y, x]].conj() * back[[at(y), at(x)]].conj();
                lit[[top + y, left + x]] += light[[y, x]].norm_sqr();
            }
        }
    }
    let floor = config.regularization * lit.iter().copied().fold(0.0, f64::max);
    let scale = factor / normalization;
    // What no pattern has seen is left empty.
    let seen = |i: (usize, usize)| f64::from(u8::from(found.reconstruction.coverage[i] > 0.0));
    let expected =
        Array2::from_shape_fn(gradient.dim(), |i| (object[i] - gradient[i] / (lit[i] + floor)) * scale * seen(i));
    assert_eq!(found.reconstruction.object.dim(), expected.dim());
    let values = both(found.reconstruction.object.iter().map(|&z| wide(z)));
    holds("step of the direct solver", worst(values, both(expected.iter().copied())), 1e-5);
    let counts = dataset.len() as f64 * (N as f64 / 2.0).powi(2);
    holds("its misfit", (found.misfits[0] / (misfit / counts) - 1.0).abs(), 1e-5);
}

/// Writes a dataset, its patterns as amplitude.
fn write(dataset: &Dataset, path: &Path) {
    let axis = |axis: usize| Array1::from_iter(dataset.positions.iter().map(|p| p[axis]));
    let (xs, ys) = (axis(0), axis(1));
    let arrays = [
        ("diffraction", NpyArray::F32(dataset.diffraction.view().into_dyn())),
        ("probeGuess", NpyArray::C32(dataset.probe.view().into_dyn())),
        ("xcoords", NpyArray::F64(xs.view().into_dyn())),
        ("ycoords", NpyArray::F64(ys.view().into_dyn())),
    ];
    write_npz(path, &arrays).unwrap();
}

/// Trains and reconstructs, by the network and directly. Gives back the largest amplitudes, or what was said.
fn tried(dataset: &Dataset, more: &[&str]) -> Result<Vec<f32>, String> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d.npz");
    write(dataset, &data);
    let mut largest = Vec::new();
    for method in ["network", "direct"] {
        let run = folder.path().join(method);
        let mut command = program();
        command.arg("run").arg(&data).args(["--epochs", "2", "--method", method]).args(tiny_flags()).args(more);
        let output = command.arg("--output-dir").arg(&run).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(2), "{said}");
            return Err(said);
        }
        let object = Reconstruction::load(&run.join("reconstruction.npz")).unwrap().object;
        assert!(object.iter().all(|z| z.re.is_finite() && z.im.is_finite()), "{method}");
        let most = object.iter().fold(0.0f32, |most, z| most.max(z.norm()));
        assert!(most > 0.0, "{method}: an empty object");
        largest.push(most);
    }
    Ok(largest)
}

#[test]
fn one_photon_or_a_million_million_give_the_object_in_its_units() {
    let reference = tried(&dataset(16, 1e6, 7), &[]).unwrap();
    for photons in [1.0, 1e3, 1e9, 1e12] {
        let found = tried(&dataset(16, photons, 7), &[]).unwrap();
        // The probe is the same, so the amplitude of the object goes with the root of the photons.
        for (found, reference) in found.iter().zip(&reference) {
            let ratio = f64::from(found / reference) / (photons / 1e6).sqrt();
            assert!((0.99..1.01).contains(&ratio), "{photons} photons: {ratio}");
        }
    }
    // Counts, as a detector of so few has them: hardly a pixel with any.
    let mut rng = rng(2);
    let mut few = dataset(16, 1.0, 7);
    few.diffraction.mapv_inplace(|a| if rng.random::<f32>() < a * a { 1.0 } else { 0.0 });
    let lit = few.diffraction.iter().filter(|a| **a > 0.0).count();
    println!("{lit} photons in 16 patterns: {:?}", tried(&few, &[]).unwrap());
}

#[test]
fn empty_and_saturated_patterns_leave_a_finite_object() {
    let mut empty = dataset(16, 1e6, 7);
    for k in [0, 5, 15] {
        empty.diffraction.slice_mut(s![k, .., ..]).fill(0.0);
    }
    tried(&empty, &[]).unwrap();
    let mut all = dataset(16, 1e6, 7);
    all.diffraction.fill(0.0);
    let said = tried(&all, &[]).unwrap_err();
    assert!(said.contains("All 16 patterns are zero everywhere"), "{said}");

    let mut saturated = dataset(16, 1e6, 7);
    let limit = saturated.diffraction.iter().copied().fold(0.0, f32::max) / 3.0;
    saturated.diffraction.mapv_inplace(|a| a.min(limit));
    let plain = tried(&saturated, &[]).unwrap();
    let marked = tried(&saturated, &["--saturation", &(limit * 0.999).to_string()]);
    println!("saturated: {plain:?}, marked: {marked:?}");
    assert!(marked.is_ok());
    // Every pixel at the limit: nothing to learn from, but no harm.
    let mut flat = dataset(16, 1e6, 7);
    flat.diffraction.fill(limit);
    println!("flat: {:?}", tried(&flat, &[]));
    let said = tried(&flat, &["--saturation", &(limit * 0.999).to_string()]).unwrap_err();
    println!("all saturated: {said}");
}

#[test]
fn a_single_pattern_is_enough_for_an_object() {
    let one = dataset(1, 1e6, 7);
    tried(&one, &[]).unwrap();
    let said = tried(&one, &["--gridsize", "2"]).unwrap_err();
    assert!(said.contains("pattern"), "{said}");
}

#[test]
fn the_largest_patterns_in_groups_of_nine_are_trained_on() {
    let n = 256;
    let probe = probe(1, n);
    let diffraction = Array3::from_shape_fn((9, n, n), |(k, y, x)| {
        let r = (x as f32 - 128.0).powi(2) + (y as f32 - 128.0).powi(2);
        30.0 * (-r / 800.0).exp() * (1.0 + 0.3 * ((k * 7 + y * 3 + x * 5) as f32).sin())
    });
    let large = Dataset {
        diffraction,
        positions: (0..9).map(|k| [140.0 + 6.0 * f64::from(k % 3), 140.0 + 6.0 * f64::from(k / 3)]).collect(),
        probe,
        object: None,
        ..dataset(1, 1.0, 1)
    };
    let found = tried(&large, &["--gridsize", "3", "--set", "data.neighbor_count=9", "--batch-size", "1"]).unwrap();
    println!("N = 256 in groups of nine: largest amplitudes {found:?}");
}

/// Some minutes, 6 GB of memory and 2 GB of disk. The scan is one that a beamline makes in a night.
#[test]
#[ignore = "100 000 patterns: minutes and gigabytes"]
fn a_hundred_thousand_patterns_are_inspected_and_reconstructed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("many.npz");
    let run = |words: &[&str]| {
        let began = std::time::Instant::now();
        let output = program().args(words).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        println!("{}: {:.0} s", words[0], began.elapsed().as_secs_f64());
    };
    let path = data.to_str().unwrap();
    let scan = ["--n-images", "100000", "--scan", "spiral", "--set", "simulation.object_size=3000"];
    run(&[&["simulate", "--output", path], &scan[..]].concat());
    run(&["inspect", path]);
    run(&["run", path, "--method", "direct", "--set", "direct.epochs=2", "--output-dir", "direct"]);
    let tiny = tiny_flags();
    let tiny: Vec<&str> = tiny.iter().map(String::as_str).collect();
    let train = ["train", path, "--epochs", "1", "--n-subsample", "64", "--output-dir", "model"];
    run(&[&train, &tiny[..], &["--set", "training.teacher_share=0"]].concat());
    run(&["infer", "model", path, "--output-dir", "inferred", "--accelerator", "cpu"]);
    for name in ["direct", "inferred"] {
        let object = Reconstruction::load(&folder.path().join(name).join("reconstruction.npz")).unwrap().object;
        assert!(object.len() > 4_000_000 && object.iter().all(|z| z.re.is_finite() && z.im.is_finite()), "{name}");
    }
}
