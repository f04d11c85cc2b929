//! Forward model: patch, exit wave, intensity on the detector (A§5.5, A§9.1).

use crate::data::extract_patch;
use crate::fourier::{Propagation, Propagator, Scratch};
use ndarray::{Array3, ArrayView2, Axis};
use num_complex::Complex32;

/// Object, probe and a detector.
pub(super) struct Forward<'a> {
    object: ArrayView2<'a, Complex32>,
    probe: &'a Array3<Complex32>,
    side: usize,
    propagator: Propagator,
}

/// Working memory of one thread, reused for every pattern.
#[derive(Default)]
pub(super) struct Workspace {
    patch: Vec<Complex32>,
    wave: Vec<Complex32>,
    field: Vec<Complex32>,
    scratch: Scratch<f32>,
    /// Row-major (N, N) intensity; in a far field, zero frequency at `[N/2, N/2]`.
    pub(super) intensity: Vec<f32>,
}

impl<'a> Forward<'a> {
    /// `object` (H, W), `probe` (modes, N, N).
    pub(super) fn new(
        object: ArrayView2<'a, Complex32>,
        probe: &'a Array3<Complex32>,
        propagation: Propagation,
    ) -> Self {
        let side = probe.len_of(Axis(1));
        Self { object, probe, side, propagator: Propagator::new(side, propagation) }
    }

    /// Energy of the exit wave at this position (x, y), Σ over modes and pixels of |patch · mode|²: the photons of the
    /// pattern, by Parseval.
    pub(super) fn exit_energy(&self, position: [f64; 2], work: &mut Workspace) -> f64 {
        extract_patch(self.object, position, self.side, &mut work.patch);
        let energy = |mode: ArrayView2<'_, Complex32>| -> f64 {
            mode.iter().zip(&work.patch).map(|(p, o)| f64::from((p * o).norm_sqr())).sum()
        };
        self.probe.axis_iter(Axis(0)).map(energy).sum()
    }

    /// Fills [`Workspace::intensity`] with Σ over modes of the intensity of patch · mode on the detector, at this position (x, y).
    pub(super) fn intensity(&self, position: [f64; 2], work: &mut Workspace) {
        let pixels = self.side * self.side;
        extract_patch(self.object, position, self.side, &mut work.patch);
        work.wave.resize(pixels, Complex32::ZERO);
        work.field.resize(pixels, Complex32::ZERO);
        work.intensity.clear();
        work.intensity.resize(pixels, 0.0);
        #[allow(clippy::cast_precision_loss)]
        let factor = 1.0 / pixels as f32;
        for mode in self.probe.axis_iter(Axis(0)) {
            for ((wave, object), probe) in work.wave.iter_mut().zip(&work.patch).zip(mode) {
                *wave = object * probe;
            }
            self.propagator.forward(&mut work.wave, &mut work.field, &mut work.scratch);
            for (at, sum) in work.intensity.iter_mut().enumerate() {
                let index = self.propagator.index_of(at / self.side, at % self.side);
                *sum += work.field.get(index).map_or(0.0, |value| value.norm_sqr() * factor);
            }
        }
    }
}

/// Factor of the probe for a mean of `photons` per pattern over these exit-wave energies (A§9.1).
pub(super) fn photon_factor(exit_energies: &[f64], photons: f64) -> f64 {
    let mean = exit_energies.iter().sum::<f64>() / exit_energies.len() as f64;
    (photons / mean).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::NpzArchive;
    use ndarray::{Array2, Array4, ArrayD, Ix2, Ix3, Ix4, s};
    use ptychoscope_base::testing::golden;

    fn worst(got: impl IntoIterator<Item = f64>, want: impl IntoIterator<Item = f64>) -> f64 {
        let want: Vec<f64> = want.into_iter().collect();
        let scale = want.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        got.into_iter().zip(&want).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max)
    }

    fn shaped<D: ndarray::Dimension, T>(array: ArrayD<T>) -> ndarray::Array<T, D> {
        array.into_dimensionality::<D>().unwrap()
    }

    #[test]
    fn the_simulator_agrees_with_the_reference() {
        let mut golden = NpzArchive::open(golden("forward.npz")).unwrap();
        let patches: Array4<Complex32> = shaped::<Ix4, _>(golden.read_c32("obj").unwrap());
        let probe: Array2<Complex32> = shaped::<Ix2, _>(golden.read_c32("probe").unwrap());
        let probe = probe.insert_axis(Axis(0));
        // An N × N object whose patch at (N/2, N/2) is the object itself.
        let center = [32.0, 32.0];
        let mut work = Workspace::default();
        let energies: Vec<f64> = (0..2)
            .map(|j| {
                Forward::new(patches.slice(s![j, 0, .., ..]), &probe, Propagation::FarField)
                    .exit_energy(center, &mut work)
            })
            .collect();
        let factor = photon_factor(&energies, 1e5);
        let scaled = probe.mapv(|p| p * factor as f32);
        let want = golden.read_c32("sim_scaled_probe").unwrap();
        let off = worst(scaled.iter().map(|v| v.norm().into()), want.iter().map(|v| v.norm().into()));
        println!("scaled probe: worst difference {off:e} of the maximum");
        assert!(off < 1e-6, "{off}");

        let intensity = shaped::<Ix3, _>(golden.read_f32("sim_intensity_nph1e5").unwrap());
        let tf_amp = golden.read_f32("tf_amp").unwrap();
        let amp = shaped::<Ix4, _>(golden.read_f32("amp").unwrap());
        for j in 0..2 {
            for c in 0..2 {
                let bare = Forward::new(patches.slice(s![j, c, .., ..]), &probe, Propagation::FarField);
                bare.intensity(center, &mut work);
                let got: Vec<f64> = work.intensity.iter().map(|&v| f64::from(v).sqrt()).collect();
                let off = worst(got.clone(), amp.slice(s![j, c, .., ..]).iter().map(|&v| v.into()));
                assert!(off < 1e-5, "amplitude {j} {c}: {off}");
                if c == 0 {
                    let off = worst(got, tf_amp.slice(s![j, .., .., 0]).iter().map(|&v| v.into()));
                    assert!(off < 1e-5, "tf amplitude {j}: {off}");
                }
            }
            Forward::new(patches.slice(s![j, 0, .., ..]), &scaled, Propagation::FarField).intensity(center, &mut work);
            let want = intensity.slice(s![j, .., ..]);
            let mut largest = 0.0_f64;
            for (&got, &want) in work.intensity.iter().zip(want) {
                // Each pixel; below 1e-2 photons, single precision is exhausted.
                largest = largest.max(f64::from((got - want).abs()) / f64::from(want).max(1e-2));
            }
            println!("intensity {j}: worst relative difference {largest:e}");
            assert!(largest < 1e-4, "{largest}");
        }
    }

    #[test]
    fn patches_agree_with_the_reference() {
        let mut golden = NpzArchive::open(golden("patches.npz")).unwrap();
        let object = shaped::<Ix2, _>(golden.read_c32("obj").unwrap());
        let global = golden.read_f64("obj_global_offsets").unwrap();
        let local = golden.read_f64("obj_local_offsets").unwrap();
        let want = shaped::<Ix4, _>(golden.read_c32("obj_patches").unwrap());
        let (groups, side, _, channels) = want.dim();
        let global = global.into_shape_with_order((groups, 2)).unwrap();
        let local = local.into_shape_with_order((groups, 2, channels)).unwrap();
        let mut patch = Vec::new();
        let mut largest = 0.0_f64;
        for g in 0..groups {
            for c in 0..channels {
                let at = [global[[g, 0]] + local[[g, 0, c]], global[[g, 1]] + local[[g, 1, c]]];
                extract_patch(object.view(), at, side, &mut patch);
                for (got, want) in patch.iter().zip(want.slice(s![g, .., .., c])) {
                    largest = largest.max((got - want).norm().into());
                }
            }
        }
        println!("patches: largest difference {largest:e}");
        assert!(largest < 1e-4, "{largest}");
    }

    #[test]
    fn the_energy_of_exit_wave_and_pattern_agree_for_several_modes() {
        let object = Array2::from_shape_fn((60, 50), |(y, x)| Complex32::from_polar(1.0, (0.1 * (y * x) as f32).sin()));
        let probe = Array3::from_shape_fn((2, 32, 32), |(m, y, x)| {
            Complex32::new((-((y as f32 - 16.0).powi(2) + (x as f32 - 15.0).powi(2)) / 40.0).exp(), m as f32 * 0.1)
        });
        let forward = Forward::new(object.view(), &probe, Propagation::FarField);
        let mut work = Workspace::default();
        for position in [[25.3, 30.7], [5.0, 58.25]] {
            let energy = forward.exit_energy(position, &mut work);
            forward.intensity(position, &mut work);
            let sum: f64 = work.intensity.iter().map(|&v| f64::from(v)).sum();
            assert!((energy / sum - 1.0).abs() < 1e-5, "{energy} {sum}");
        }
    }
}
