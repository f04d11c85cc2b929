//! Probes: a shape, its aberrations, and incoherent modes (A§9.3).
//!
//! Defocus and aberrations act on the spectrum of the probe, the pupil, and preserve its energy.

use super::filter::gaussian;
use super::zernike::zernike;
use crate::config::{ProbeKind, SimulationConfig};
use crate::data::NpzArchive;
use crate::error::{Error, Problem, Result};
use crate::fourier::{Fft2, swap_halves};
use ndarray::{Array2, Array3, Axis, Ix3};
use num_complex::{Complex32, Complex64};
use std::f64::consts::PI;
use std::path::Path;

/// Width of the default probe in the reference.
const DEFAULT_PROBE_SCALE: f64 = 0.7;
/// Addition to the default probe in the reference.
const DEFAULT_PROBE_FLOOR: f64 = 1e-9;
/// Standard deviation of the blur of the edge of a disk, pixels.
const EDGE: f64 = 1.0;

/// The (modes, N, N) probe as configured, in arbitrary units; `file` is that of [`ProbeKind::File`].
///
/// # Errors
/// The file is missing, cannot be read or holds no usable probe.
pub(super) fn build(config: &SimulationConfig, file: Option<&Path>) -> Result<Array3<Complex32>> {
    let side = config.pattern_size;
    let base = match config.probe {
        ProbeKind::Default => default_probe(side).mapv(Complex64::from),
        ProbeKind::Gaussian => gaussian_probe(side, diameter(config)),
        ProbeKind::Disk => disk(side, diameter(config)),
        ProbeKind::ZonePlate => zone_plate(side, config.pupil_radius, config.central_stop),
        ProbeKind::File => {
            let path = file.ok_or_else(|| {
                Error::BadInput(
                    Problem::new("The probe is to be read from a file, but none is given")
                        .hint("Add --probe-file or --input-file, or choose another --probe"),
                )
            })?;
            let modes = read(path)?;
            if modes.len_of(Axis(0)) > 1 {
                let aberrated = modes
                    .axis_iter(Axis(0))
                    .map(|mode| narrow(&aberrate(&mode.mapv(|v| Complex64::new(v.re.into(), v.im.into())), config)));
                return stacked(&aberrated.collect::<Vec<_>>());
            }
            modes.index_axis(Axis(0), 0).mapv(|v| Complex64::new(v.re.into(), v.im.into()))
        }
    };
    let modes = modes(&aberrate(&base, config), config.probe_modes, config.mode_power);
    stacked(&modes.iter().map(narrow).collect::<Vec<_>>())
}

fn diameter(config: &SimulationConfig) -> f64 {
    config.probe_diameter.unwrap_or(config.pattern_size as f64 / 3.0)
}

#[allow(clippy::cast_possible_truncation)]
fn narrow(mode: &Array2<Complex64>) -> Array2<Complex32> {
    mode.mapv(|v| Complex32::new(v.re as f32, v.im as f32))
}

fn stacked(modes: &[Array2<Complex32>]) -> Result<Array3<Complex32>> {
    let views: Vec<_> = modes.iter().map(|mode| mode.view()).collect();
    ndarray::stack(Axis(0), &views).map_err(|error| Error::failed(format!("The probe modes do not fit ({error})")))
}

/// Probe of the reference: a real disk of radius 0.17 N with an edge of one pixel, centered between the central pixels.
fn default_probe(side: usize) -> Array2<f64> {
    let sigma = side as f64 / (DEFAULT_PROBE_SCALE * PI * PI);
    let center = (side as f64 - 1.0) / 2.0;
    let window: Vec<f64> = (0..side).map(|i| (-0.5 * ((i as f64 - center) / sigma).powi(2)).exp()).collect();
    let peak = window.iter().copied().fold(0.0, f64::max);
    let at = |i: usize| window.get(i).copied().unwrap_or(0.0) / peak;
    let disk = Array2::from_shape_fn((side, side), |(y, x)| if at(y) * at(x) > 0.5 { 1.0 } else { 0.0 });
    gaussian(&disk, 1.0) + DEFAULT_PROBE_FLOOR
}

fn radius_squared(side: usize, (y, x): (usize, usize)) -> f64 {
    let center = (side / 2) as f64;
    (y as f64 - center).powi(2) + (x as f64 - center).powi(2)
}

/// Gaussian with an amplitude of 1/2 at half the diameter.
fn gaussian_probe(side: usize, diameter: f64) -> Array2<Complex64> {
    let half = diameter / 2.0;
    Array2::from_shape_fn((side, side), |at| {
        Complex64::from((-std::f64::consts::LN_2 * radius_squared(side, at) / (half * half)).exp())
    })
}

fn disk(side: usize, diameter: f64) -> Array2<Complex64> {
    let inside = |at| if radius_squared(side, at).sqrt() <= diameter / 2.0 { 1.0 } else { 0.0 };
    gaussian(&Array2::from_shape_fn((side, side), inside), EDGE).mapv(Complex64::from)
}

/// Focus of a pupil of this radius (fraction of N) with a central stop (fraction of the radius of the pupil).
fn zone_plate(side: usize, radius: f64, stop: f64) -> Array2<Complex64> {
    let outer = radius * side as f64;
    let pupil = Array2::from_shape_fn((side, side), |at| {
        let r = radius_squared(side, at).sqrt();
        // Edges one frequency wide, by area.
        let below = |edge: f64| (edge - r + 0.5).clamp(0.0, 1.0);
        Complex64::from(below(outer) - if stop > 0.0 { below(stop * outer) } else { 0.0 })
    });
    transformed(&pupil, Fft2::inverse_in_place)
}

/// Orthonormal Fourier transform, or its inverse, of an image with its origin at `[N/2, N/2]`.
fn transformed(image: &Array2<Complex64>, transform: fn(&Fft2<f64>, &mut [Complex64])) -> Array2<Complex64> {
    let side = image.nrows();
    let mut values = swap_halves(&image.iter().copied().collect::<Vec<_>>(), side);
    transform(&Fft2::new(side, side), &mut values);
    let scale = 1.0 / side as f64;
    let values: Vec<Complex64> = swap_halves(&values, side).into_iter().map(|value| value * scale).collect();
    Array2::from_shape_fn((side, side), |(y, x)| values.get(y * side + x).copied().unwrap_or_default())
}

/// Probe with defocus and Zernike aberrations of its pupil; unchanged if there are none.
fn aberrate(probe: &Array2<Complex64>, config: &SimulationConfig) -> Array2<Complex64> {
    let side = probe.nrows();
    // The shadow of the edge of the pupil is at defocus · (its frequency, pupil_radius / pixel).
    let defocus = config.defocus.unwrap_or(match config.probe {
        ProbeKind::ZonePlate => side as f64 / 6.0 / config.pupil_radius,
        _ => 0.0,
    });
    let terms: Vec<(u32, f64)> = [
        (5, config.astigmatism_45),
        (6, config.astigmatism_0),
        (7, config.coma_y),
        (8, config.coma_x),
        (11, config.spherical),
    ]
    .into_iter()
    .filter(|(_, coefficient)| *coefficient != 0.0)
    .collect();
    if defocus == 0.0 && terms.is_empty() {
        return probe.clone();
    }
    let (center, radius) = ((side / 2) as f64, config.pupil_radius * side as f64);
    let mut pupil = transformed(probe, Fft2::forward_in_place);
    for ((y, x), value) in pupil.indexed_iter_mut() {
        let (fy, fx) = (y as f64 - center, x as f64 - center);
        let frequency_squared = (fy * fy + fx * fx) / (side * side) as f64;
        // Beyond the pupil, the polynomials are constant.
        let (rho, theta) = ((fy.hypot(fx) / radius).min(1.0), fy.atan2(fx));
        let aberration: f64 = terms.iter().map(|&(j, coefficient)| coefficient * zernike(j, rho, theta)).sum();
        *value *= Complex64::from_polar(1.0, aberration - PI * defocus * frequency_squared);
    }
    transformed(&pupil, Fft2::inverse_in_place)
}

/// `count` orthogonal modes: the probe times polynomials of increasing order in x and y (as Hermite-Gauss modes), each with
/// `power` times the energy of the previous one.
fn modes(probe: &Array2<Complex64>, count: usize, power: f64) -> Vec<Array2<Complex64>> {
    let side = probe.nrows() as f64;
    let inner = |a: &Array2<Complex64>, b: &Array2<Complex64>| -> Complex64 {
        a.iter().zip(b).map(|(a, b)| a.conj() * b).sum()
    };
    let total = inner(probe, probe).re;
    let mut found: Vec<Array2<Complex64>> = Vec::new();
    // Orders (0, 0), (1, 0), (0, 1), (2, 0), (1, 1), …
    let orders = (0..).flat_map(|n: i32| (0..=n).map(move |k| (n - k, k)));
    for (along_x, along_y) in orders.take(count) {
        let mut mode = Array2::from_shape_fn(probe.dim(), |(y, x)| {
            let scaled = |at: usize| (at as f64 - side / 2.0) / (side / 4.0);
            probe.get((y, x)).copied().unwrap_or_default() * (scaled(x).powi(along_x) * scaled(y).powi(along_y))
        });
        // Orthogonalize twice, to remove rounding errors.
        for other in found.iter().chain(&found) {
            let share = inner(other, &mode) / inner(other, other).re;
            mode.zip_mut_with(other, |value, other| *value -= other * share);
        }
        let wanted = total * power.powi(i32::try_from(found.len()).unwrap_or(i32::MAX));
        let factor = (wanted / inner(&mode, &mode).re).sqrt();
        found.push(mode.mapv(|value| value * factor));
    }
    found
}

/// Reads the (modes, N, N) probe of an NPZ file.
fn read(path: &Path) -> Result<Array3<Complex32>> {
    let mut archive = NpzArchive::open(path)?;
    let key = ["probeGuess", "probe"].into_iter().find(|key| archive.member(key).is_some()).ok_or_else(|| {
        Error::from(
            Problem::new(format!("The file has no probe; it contains {}", archive.keys_text()))
                .expected("probeGuess, a complex array of shape (N, N) or (modes, N, N)")
                .at(path),
        )
    })?;
    let array = archive.read_c32(key)?;
    let text = format!("{:?}", array.shape());
    let mut shape = array.shape().to_vec();
    while shape.len() > 2 && shape.last() == Some(&1) {
        shape.pop();
    }
    while shape.len() > 3 && shape.first() == Some(&1) {
        shape.remove(0);
    }
    if shape.len() == 2 {
        shape.insert(0, 1);
    }
    let unusable = |what: String| {
        Error::from(
            Problem::new(what)
                .expected("a finite complex probe of shape (N, N) or (modes, N, N), N even and at least 16")
                .hint("Crop or pad the probe")
                .at(path),
        )
    };
    let probe = array
        .into_shape_with_order(shape)
        .ok()
        .and_then(|probe| probe.into_dimensionality::<Ix3>().ok())
        .filter(|probe| matches!(probe.dim(), (1.., n, m) if n == m && n >= 16 && n.is_multiple_of(2)))
        .ok_or_else(|| unusable(format!("The probe {key:?} has shape {text}")))?;
    let energy: f64 = probe.iter().map(|v| f64::from(v.norm_sqr())).sum();
    if !energy.is_finite() || energy <= 0.0 {
        return Err(unusable(format!("The probe {key:?} has energy {energy}")));
    }
    Ok(probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ptychoscope_base::testing::golden;

    fn config(probe: ProbeKind) -> SimulationConfig {
        SimulationConfig { probe, ..SimulationConfig::default() }
    }

    fn energy(probe: &Array3<Complex32>) -> f64 {
        probe.iter().map(|v| f64::from(v.norm_sqr())).sum()
    }

    #[test]
    fn the_default_probe_agrees_with_the_reference() {
        let mut golden = NpzArchive::open(golden("forward.npz")).unwrap();
        let want = golden.read_f64("default_probe").unwrap();
        let got = default_probe(64);
        let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f64::max);
        println!("default probe: worst relative difference {worst:e}");
        assert!(worst < 1e-6, "{worst}");
    }

    #[test]
    fn aberrations_preserve_the_energy_and_change_the_probe() {
        let narrow = SimulationConfig { probe_diameter: Some(6.0), ..config(ProbeKind::Gaussian) };
        let plain = build(&narrow, None).unwrap();
        for change in [
            |c: &mut SimulationConfig| c.defocus = Some(80.0),
            |c: &mut SimulationConfig| c.astigmatism_0 = 1.0,
            |c: &mut SimulationConfig| c.astigmatism_45 = 1.0,
            |c: &mut SimulationConfig| c.coma_x = 1.0,
            |c: &mut SimulationConfig| c.coma_y = 1.0,
            |c: &mut SimulationConfig| c.spherical = 1.0,
        ] {
            let mut config = narrow.clone();
            change(&mut config);
            let probe = build(&config, None).unwrap();
            assert!((energy(&probe) / energy(&plain) - 1.0).abs() < 1e-5);
            let moved: f64 = probe.iter().zip(&plain).map(|(a, b)| f64::from((a - b).norm_sqr())).sum();
            assert!(moved > 0.05 * energy(&plain), "{config:?}: {moved}");
        }
    }

    #[test]
    fn defocus_spreads_a_gaussian_by_the_law_of_gaussian_beams() {
        // |P| ∝ exp(-r²/w²): after λz/Δx² = d the radius is w sqrt(1 + (d / π w²)²).
        let (w, d) = (6.0_f64, 100.0_f64);
        let mut config = config(ProbeKind::Gaussian);
        config.probe_diameter = Some(2.0 * w * std::f64::consts::LN_2.sqrt());
        config.defocus = Some(d);
        let probe = build(&config, None).unwrap();
        let mean_square: f64 = probe
            .indexed_iter()
            .map(|((_, y, x), v)| f64::from(v.norm_sqr()) * radius_squared(64, (y, x)))
            .sum::<f64>()
            / energy(&probe);
        let want = w * w / 2.0 * (1.0 + (d / (PI * w * w)).powi(2));
        assert!((mean_square / want - 1.0).abs() < 1e-3, "{mean_square} {want}");
    }

    #[test]
    fn the_zone_plate_has_a_dark_center_in_its_pattern_and_in_its_defocused_probe() {
        // Wide enough that the shadow of the stop is not filled by diffraction.
        let config = SimulationConfig {
            pattern_size: 256,
            pupil_radius: 0.4,
            central_stop: 0.7,
            ..config(ProbeKind::ZonePlate)
        };
        let probe = build(&config, None).unwrap();
        let wide = probe.index_axis(Axis(0), 0).mapv(|v| Complex64::new(v.re.into(), v.im.into()));
        let ring = |image: &Array2<Complex64>, low: f64, high: f64| {
            let ring: Vec<f64> = image
                .indexed_iter()
                .filter(|(at, _)| (low..high).contains(&radius_squared(256, *at).sqrt()))
                .map(|(_, v)| v.norm_sqr())
                .collect();
            ring.iter().sum::<f64>() / ring.len() as f64
        };
        let pupil = transformed(&wide, Fft2::forward_in_place);
        let lit = ring(&pupil, 75.0, 100.0);
        assert!(ring(&pupil, 0.0, 70.0) < 1e-6 * lit && ring(&pupil, 105.0, 120.0) < 1e-6 * lit);
        // The shadow has the radius N/6, here 42.7, and that of the central stop 29.9.
        let lit = ring(&wide, 33.0, 40.0);
        assert!(ring(&wide, 4.0, 24.0) < 0.1 * lit, "{} {lit}", ring(&wide, 4.0, 24.0));
        assert!(ring(&wide, 50.0, 80.0) < 0.05 * lit, "{} {lit}", ring(&wide, 50.0, 80.0));
    }

    #[test]
    fn modes_are_orthogonal_and_their_power_decreases_as_configured() {
        let config = SimulationConfig { probe_modes: 5, mode_power: 0.4, ..config(ProbeKind::Disk) };
        let probe = build(&config, None).unwrap();
        assert_eq!(probe.dim(), (5, 64, 64));
        for i in 0..5 {
            for j in 0..=i {
                let product: Complex64 = probe
                    .index_axis(Axis(0), i)
                    .iter()
                    .zip(probe.index_axis(Axis(0), j))
                    .map(|(a, b)| Complex64::new((a.conj() * b).re.into(), (a.conj() * b).im.into()))
                    .sum();
                let first = energy(&probe) / (0..5).map(|k| 0.4_f64.powi(k)).sum::<f64>();
                let want = if i == j { 0.4_f64.powi(i as i32) } else { 0.0 };
                assert!((product / first - want).norm() < 1e-5, "{i} {j}: {}", product / first);
            }
        }
    }

    #[test]
    fn the_diameter_of_a_disk_probe_is_the_configured_one() {
        let config = SimulationConfig { probe_diameter: Some(30.0), ..config(ProbeKind::Disk) };
        let found = crate::metrics::probe_diameter(build(&config, None).unwrap().view());
        assert!((found - 30.0).abs() < 2.0, "{found}");
    }
}
