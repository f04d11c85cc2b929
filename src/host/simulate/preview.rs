//! Preview of a simulation: the scene and one of its patterns.

use super::forward::{Forward, Workspace, photon_factor};
use super::scan;
use super::scene::{Scene, Sources};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics::{linear_overlap, probe_diameter};
use ndarray::Array2;
use rayon::prelude::*;

/// Maximum number of patterns in a preview.
const MAX_PATTERNS: usize = 2000;
/// Maximum side of an object generated for a preview, pixels.
const MAX_OBJECT_SIDE: usize = 2048;

/// The scene of a simulation and one of its patterns.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Object, probe and positions.
    pub scene: Scene,
    /// (N, N) counts of the pattern nearest to the center of the scan.
    pub counts: Array2<f32>,
    /// Index of that pattern.
    pub pattern: usize,
    /// Total counts of that pattern.
    pub photons: f64,
    /// Diameter of the probe in pixels, see [`probe_diameter`].
    pub probe_diameter: f64,
    /// Linear overlap at the median distance between nearest neighbors; `None` for a single position.
    pub overlap: Option<f64>,
    /// True if the simulation has more patterns, or a larger object, than the preview.
    pub is_partial: bool,
}

/// Builds the scene of [`super::simulate`], with fewer patterns or a smaller object if it would take long.
///
/// # Errors
/// As [`super::simulate`], except for writing.
pub fn preview(config: &Config, sources: &Sources) -> Result<Preview> {
    let mut smaller = config.clone();
    let simulation = &mut smaller.simulation;
    let mut is_partial = simulation.n_images.is_some_and(|count| count > MAX_PATTERNS);
    simulation.n_images = simulation.n_images.map(|count| count.min(MAX_PATTERNS));
    if simulation.object_size.is_some_and(|side| side > MAX_OBJECT_SIDE) {
        simulation.object_size = Some(MAX_OBJECT_SIDE);
        is_partial = true;
    }
    let scene = Scene::build(&smaller, sources)?;
    let forward = Forward::new(scene.object.view(), &scene.probe, scene.propagation);
    let energies: Vec<f64> = scene
        .true_positions
        .par_iter()
        .map_init(Workspace::default, |work, &position| forward.exit_energy(position, work))
        .collect();
    let factor = photon_factor(&energies, smaller.simulation.n_photons);
    if !factor.is_finite() || factor <= 0.0 {
        return Err(Error::bad_input("The object transmits no intensity: the mean energy of the exit wave is 0"));
    }
    let count = scene.true_positions.len() as f64;
    let center = [0, 1].map(|k| scene.true_positions.iter().map(|position| position[k]).sum::<f64>() / count);
    let distance = |position: &[f64; 2]| (position[0] - center[0]).hypot(position[1] - center[1]);
    let nearest = scene.true_positions.iter().enumerate().min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
    let Some((pattern, &position)) = nearest else { return Err(Error::bad_input("The scan has no positions")) };
    let mut work = Workspace::default();
    forward.intensity(position, &mut work);
    #[allow(clippy::cast_possible_truncation)]
    let scale = (factor * factor) as f32;
    work.intensity.iter_mut().for_each(|value| *value *= scale);
    let side = scene.patch_size();
    let mut amplitude = vec![0.0_f32; side * side];
    let seed = smaller.execution.seeds.noise;
    let exposure = scene.detector.expose(seed, pattern as u64, &work.intensity, &mut amplitude);
    let counts = Array2::from_shape_fn((side, side), |(y, x)| {
        let amplitude = amplitude.get(y * side + x).copied().unwrap_or_default();
        amplitude * amplitude
    });
    let probe_diameter = probe_diameter(scene.probe.view());
    let step = scan::median_neighbor_distance(&scene.true_positions, 1);
    let overlap = step.filter(|_| probe_diameter > 0.0).map(|step| linear_overlap(step, probe_diameter));
    Ok(Preview { counts, pattern, photons: exposure.photons, probe_diameter, overlap, is_partial, scene })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataConfig, ScanKind};
    use crate::data::Dataset;

    #[test]
    fn the_preview_shows_the_scene_and_a_pattern_of_the_simulation() {
        let mut config = Config::default();
        config.simulation.n_images = Some(30);
        config.simulation.scan = ScanKind::Spiral;
        config.simulation.n_photons = 5e4;
        let found = preview(&config, &Sources::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("simulated.npz");
        let (scene, _) = super::super::simulate(&config, &Sources::default(), &path, &mut |_, _| true).unwrap();
        assert_eq!((&found.scene.object, &found.scene.positions), (&scene.object, &scene.positions));
        let dataset = Dataset::load(&path, &DataConfig::default(), 1).unwrap();
        let stored = dataset.diffraction.index_axis(ndarray::Axis(0), found.pattern);
        let worst = found.counts.iter().zip(&stored).map(|(a, b)| (a - b * b).abs()).fold(0.0, f32::max);
        // Rounding in the photons per pattern may change a single count.
        assert!(worst <= 1.5, "{worst}");
        let sum: f64 = stored.iter().map(|a| f64::from(a * a)).sum();
        assert!((found.photons - sum).abs() < 20.0, "{} {sum}", found.photons);
        assert!(!found.is_partial && found.overlap.unwrap() > 0.5);
    }

    #[test]
    fn the_preview_of_a_large_simulation_is_partial() {
        let mut config = Config::default();
        config.simulation.n_images = Some(1_000_000);
        let found = preview(&config, &Sources::default()).unwrap();
        assert!(found.is_partial && found.scene.positions.len() == MAX_PATTERNS);
    }
}
