//! Shared test support: small synthetic datasets, raw archives, the shared folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::formats::npz::{NpyArray, NpzArchive, write_npz};
pub(super) use crate::formats::testing::write_raw_zip;
pub(super) use ptychoscope_base::testing::shared;

use ndarray::{Array2, Array3, ArrayD, Axis};
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// Golden groups: the archive, its positions (x, y), and the names of its cases.
pub(super) fn golden_groups() -> (NpzArchive, Vec<[f64; 2]>, Vec<String>) {
    let mut golden = NpzArchive::open(ptychoscope_base::testing::golden("grouping.npz")).unwrap();
    let axis = |values: ArrayD<f64>| values.into_iter().collect::<Vec<f64>>();
    let (xs, ys) = (axis(golden.read_f64("xcoords").unwrap()), axis(golden.read_f64("ycoords").unwrap()));
    let positions = xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect();
    let cases: Vec<String> = golden
        .members()
        .iter()
        .filter_map(|member| member.key.strip_suffix("/nn_indices").map(str::to_string))
        .collect();
    assert_eq!(cases.len(), 7);
    (golden, positions, cases)
}

/// Folder of the committed fixtures.
pub(super) fn fixtures() -> PathBuf {
    ptychoscope_base::testing::fixture("")
}

/// A synthetic dataset whose arrays a test may modify before writing them.
#[derive(Clone)]
pub(super) struct Synthetic {
    /// (n, h, w) whole-number counts, in the order of [`Self::positions`].
    pub counts: Array3<f64>,
    /// (x, y).
    pub positions: Vec<[f64; 2]>,
    /// (h, w).
    pub probe: Array2<Complex32>,
    /// (H, W).
    pub object: Array2<Complex32>,
}

impl Synthetic {
    /// Smooth asymmetric object of 110 × 120 pixels, Gaussian probe with curvature, `n` positions on an irregular grid, N = 64.
    pub fn new(n: usize) -> Self {
        const N: usize = 64;
        let object = Array2::from_shape_fn((110, 120), |(y, x)| {
            let (u, v) = (x as f32 / 120.0, y as f32 / 110.0);
            let amplitude = 0.75 + 0.2 * (9.0 * u + 4.0 * v * v).sin();
            Complex32::from_polar(amplitude, 0.8 * (7.0 * v - 3.0 * u).cos() + 0.5 * u)
        });
        let probe = Array2::from_shape_fn((N, N), |(y, x)| {
            let (dx, dy) = (x as f32 - 32.0, y as f32 - 32.0);
            let r2 = dx * dx + dy * dy;
            Complex32::from_polar(12.0 * (-r2 / 162.0).exp(), 0.012 * r2)
        });
        let side = (n as f64).sqrt().ceil() as usize;
        let positions: Vec<[f64; 2]> = (0..n)
            .map(|k| {
                let (column, row) = ((k % side) as f64, (k / side) as f64);
                let jitter = |phase: f64| (k as f64 * 2.4 + phase).sin();
                let step = 40.0 / side.max(2) as f64;
                [38.0 + step * column + jitter(0.0), 36.0 + step * row + jitter(1.0)]
            })
            .collect();
        let mut counts = Array3::zeros((n, N, N));
        for (mut pattern, [x, y]) in counts.axis_iter_mut(Axis(0)).zip(&positions) {
            let (x0, y0) = (x.round() as usize - N / 2, y.round() as usize - N / 2);
            let exit = Array2::from_shape_fn((N, N), |(k, l)| probe[[k, l]] * object[[y0 + k, x0 + l]]);
            let spectrum = dft_rows(&dft_rows(&exit).reversed_axes()).reversed_axes();
            pattern.assign(&spectrum.mapv(|v| f64::from(v.norm_sqr()).round()));
        }
        Self { counts, positions, probe, object }
    }

    /// Writes amplitudes (f32, (n, h, w)) and the other canonical arrays.
    pub fn write(&self, path: &Path) {
        self.write_with(path, "diffraction", NpyArray::F32(self.amplitude().view()));
    }

    /// (n, h, w) square root of the counts.
    pub fn amplitude(&self) -> ArrayD<f32> {
        self.counts.mapv(|v| v.sqrt() as f32).into_dyn()
    }

    /// Writes a diffraction array under a key, and the other canonical arrays.
    pub fn write_with(&self, path: &Path, key: &str, diffraction: NpyArray<'_>) {
        let (xs, ys) = self.coordinates();
        let arrays = [
            (key, diffraction.view()),
            ("xcoords", NpyArray::F64(xs.view())),
            ("ycoords", NpyArray::F64(ys.view())),
            ("probeGuess", NpyArray::C32(self.probe.view().into_dyn())),
            ("objectGuess", NpyArray::C32(self.object.view().into_dyn())),
        ];
        write_npz(path, &arrays).unwrap();
    }

    /// x and y coordinates, (n,) each.
    pub fn coordinates(&self) -> (ArrayD<f64>, ArrayD<f64>) {
        let axis = |k: usize| self.positions.iter().map(|p| p[k]).collect::<ndarray::Array1<f64>>().into_dyn();
        (axis(0), axis(1))
    }
}

/// Orthonormal centered DFT of each row: zero frequency at N/2.
fn dft_rows(input: &Array2<Complex32>) -> Array2<Complex32> {
    let (rows, n) = input.dim();
    let kernel = Array2::from_shape_fn((n, n), |(k, q)| {
        let turns = (k as f32) * (q as f32 - (n / 2) as f32) / n as f32;
        Complex32::from_polar(1.0 / (n as f32).sqrt(), -std::f32::consts::TAU * turns.fract())
    });
    Array2::from_shape_fn((rows, n), |(row, q)| (0..n).map(|k| input[[row, k]] * kernel[[k, q]]).sum())
}
