//! Objects: textures for amplitude and phase, each scaled to its range (A§9.2).

mod dead_leaves;
mod field;
mod lines;
mod picture;
mod siemens;

use super::random::{Purpose, generator};
use crate::config::{ObjectKind, PhaseTexture, SimulationConfig};
use crate::data::NpzArchive;
use crate::error::{Error, Problem, Result};
use ndarray::{Array2, Ix2, Zip};
use num_complex::Complex32;
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Generates a (side, side) object as configured; `image` is the PNG file of [`ObjectKind::Image`].
///
/// # Errors
/// The image is missing or cannot be read.
pub(super) fn draw(
    config: &SimulationConfig,
    side: usize,
    seed: u64,
    image: Option<&Path>,
) -> Result<Array2<Complex32>> {
    let first = texture(config.object, side, &mut generator(seed, Purpose::Object, 0), image, false)?;
    let second = match config.phase_texture {
        PhaseTexture::Same => scaled_to_unit(&first),
        PhaseTexture::Independent => {
            scaled_to_unit(&texture(config.object, side, &mut generator(seed, Purpose::Phase, 0), image, true)?)
        }
        PhaseTexture::Tanh => tanh_phase(&first),
    };
    let amplitude = |t: f64| config.amplitude_min + (config.amplitude_max - config.amplitude_min) * t;
    let phase = |t: f64| config.phase_min + (config.phase_max - config.phase_min) * t;
    #[allow(clippy::cast_possible_truncation)]
    let pixel = |a: &f64, p: &f64| {
        let (sin, cos) = phase(*p).sin_cos();
        Complex32::new((amplitude(*a) * cos) as f32, (amplitude(*a) * sin) as f32)
    };
    Ok(Zip::from(&scaled_to_unit(&first)).and(&second).map_collect(pixel))
}

/// A (side, side) texture of any scale; `rotated` selects a second one where nothing is drawn at random.
fn texture(
    kind: ObjectKind,
    side: usize,
    rng: &mut ChaCha8Rng,
    image: Option<&Path>,
    rotated: bool,
) -> Result<Array2<f64>> {
    Ok(match kind {
        ObjectKind::Lines => lines::lines(side, rng),
        ObjectKind::Diagonals => lines::diagonals(side, rng),
        ObjectKind::Points => field::points(side, rng),
        ObjectKind::Grf => field::gaussian_random_field(side, rng),
        ObjectKind::DeadLeaves => dead_leaves::dead_leaves(side, rng),
        ObjectKind::Siemens => siemens::siemens(side, rotated),
        ObjectKind::Image => {
            let path = image.ok_or_else(|| {
                Error::BadInput(
                    Problem::new("The object is to be an image, but no image is given").hint("Give --object-image"),
                )
            })?;
            picture::picture(path, side, rotated)?
        }
        ObjectKind::File => return Err(Error::failed("An object from a file is read, not generated")),
    })
}

/// Texture scaled to a minimum of 0 and a maximum of 1; 0 if it is constant.
fn scaled_to_unit(texture: &Array2<f64>) -> Array2<f64> {
    let low = texture.iter().copied().fold(f64::INFINITY, f64::min);
    let high = texture.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    texture.mapv(|v| (v - low) / span)
}

/// (1 + tanh((Y − max Y / 2) / (3 mean Y))) / 2: phase of the reference, mapped from −π … π to 0 … 1.
fn tanh_phase(texture: &Array2<f64>) -> Array2<f64> {
    let high = texture.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = texture.sum() / texture.len() as f64;
    texture.mapv(|v| 0.5 + 0.5 * ((v - high / 2.0) / (3.0 * mean)).tanh())
}

/// Reads the (H, W) object of an NPZ file.
///
/// # Errors
/// The file cannot be read or has no usable object.
pub(super) fn read(path: &Path) -> Result<Array2<Complex32>> {
    let mut archive = NpzArchive::open(path)?;
    let key = ["objectGuess", "object"].into_iter().find(|key| archive.member(key).is_some()).ok_or_else(|| {
        Error::from(
            Problem::new(format!("The file has no object; it contains {}", archive.keys_text()))
                .expected("objectGuess, a complex array of shape (H, W)")
                .at(path),
        )
    })?;
    let array = archive.read_c32(key)?;
    let shape: Vec<usize> = array.shape().iter().copied().filter(|&length| length != 1).collect();
    let text = format!("{:?}", array.shape());
    let plane = array.into_shape_with_order(shape).ok().and_then(|a| a.into_dimensionality::<Ix2>().ok());
    let unusable = |what: String| Problem::new(what).expected("a finite complex object of shape (H, W)").at(path);
    let object = plane.ok_or_else(|| unusable(format!("The object {key:?} has shape {text}")))?;
    if object.iter().any(|value| !value.is_finite()) {
        return Err(unusable(format!("The object {key:?} contains values that are not finite")).into());
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: [ObjectKind; 6] = [
        ObjectKind::Lines,
        ObjectKind::Grf,
        ObjectKind::Points,
        ObjectKind::Diagonals,
        ObjectKind::DeadLeaves,
        ObjectKind::Siemens,
    ];

    #[test]
    fn every_object_fills_its_ranges_and_is_determined_by_the_seed() {
        for object in GENERATED {
            for phase_texture in [PhaseTexture::Same, PhaseTexture::Independent, PhaseTexture::Tanh] {
                let config = SimulationConfig {
                    object,
                    phase_texture,
                    amplitude_min: 0.25,
                    amplitude_max: 2.0,
                    phase_min: -0.5,
                    phase_max: 1.5,
                    ..SimulationConfig::default()
                };
                let drawn = draw(&config, 121, 7, None).unwrap();
                assert_eq!(drawn, draw(&config, 121, 7, None).unwrap(), "{object:?}");
                let other = draw(&config, 121, 8, None).unwrap();
                assert_eq!(drawn == other, object == ObjectKind::Siemens, "{object:?}");
                let range = |values: Vec<f32>| {
                    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
                    (low, values.iter().copied().fold(f32::NEG_INFINITY, f32::max))
                };
                let (low, high) = range(drawn.iter().map(|v| v.norm()).collect());
                assert!((low - 0.25).abs() < 1e-5 && (high - 2.0).abs() < 1e-5, "{object:?}: {low} {high}");
                let (low, high) = range(drawn.iter().map(|v| v.arg()).collect());
                assert!(low >= -0.5 - 1e-5 && high <= 1.5 + 1e-5, "{object:?}: {low} {high}");
                if phase_texture != PhaseTexture::Tanh {
                    assert!((low + 0.5).abs() < 1e-4 && (high - 1.5).abs() < 1e-4, "{object:?}: {low} {high}");
                }
            }
        }
    }

    #[test]
    fn the_phase_of_the_reference_is_pi_tanh() {
        let texture = ndarray::array![[0.0, 1.0], [2.0, 5.0]];
        let phase = tanh_phase(&texture).mapv(|t| std::f64::consts::PI * (2.0 * t - 1.0));
        let want = texture.mapv(|y| std::f64::consts::PI * ((y - 2.5) / 6.0_f64).tanh());
        assert!((phase - want).iter().all(|d| d.abs() < 1e-12));
    }

    #[test]
    fn textures_are_not_symmetric_under_transposition() {
        // So that swapped axes cannot go unnoticed.
        for object in GENERATED {
            let drawn = draw(&SimulationConfig { object, ..SimulationConfig::default() }, 96, 3, None).unwrap();
            let difference: f32 = (&drawn - &drawn.t()).iter().map(|v| v.norm()).sum::<f32>() / 96.0 / 96.0;
            assert!(difference > 0.02, "{object:?}: {difference}");
        }
    }
}
