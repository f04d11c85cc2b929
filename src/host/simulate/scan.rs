//! Scan positions (A§9.1): patch centers (x, y) in object pixels.

use super::random::{Purpose, generator, normal, uniform};
use crate::config::{ScanKind, SimulationConfig};
use crate::data::positions_in_file;
use crate::error::{Error, Problem, Result};
use crate::metrics::median;
use std::path::Path;

/// Rectangle that contains the scan positions, object pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ScanArea {
    /// Minimum (x, y).
    pub(super) low: [f64; 2],
    /// Maximum (x, y).
    pub(super) high: [f64; 2],
}

impl ScanArea {
    fn size(&self) -> [f64; 2] {
        [self.high[0] - self.low[0], self.high[1] - self.low[1]]
    }

    fn center(&self) -> [f64; 2] {
        [(self.high[0] + self.low[0]) / 2.0, (self.high[1] + self.low[1]) / 2.0]
    }

    /// True if a position is inside, within rounding.
    pub(super) fn contains(&self, position: [f64; 2]) -> bool {
        (0..2).all(|k| position[k] >= self.low[k] - 1e-9 && position[k] <= self.high[k] + 1e-9)
    }

    fn clamped(&self, position: [f64; 2]) -> [f64; 2] {
        [position[0].clamp(self.low[0], self.high[0]), position[1].clamp(self.low[1], self.high[1])]
    }
}

/// Golden angle between successive points of the spiral, radians.
const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
/// Median nearest-neighbor distance on the spiral r = sqrt(k).
const SPIRAL_SPACING: f64 = 1.63;

/// Columns and rows of a raster of `count` points in an area of this aspect ratio.
fn raster_shape(count: usize, aspect: f64) -> (usize, usize) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let columns = ((count as f64 * aspect).sqrt().ceil() as usize).clamp(1, count.max(1));
    (columns, count.div_ceil(columns))
}

/// Side of the square area for `count` points with this median nearest-neighbor distance.
pub(super) fn needed_side(config: &SimulationConfig, count: usize, spacing: f64) -> f64 {
    let points = count as f64;
    match config.scan {
        // Median nearest-neighbor distance of random points: sqrt(ln 2 / (π density)).
        ScanKind::Random | ScanKind::File => spacing * (points * std::f64::consts::PI / std::f64::consts::LN_2).sqrt(),
        ScanKind::Raster => spacing * (raster_shape(count, 1.0).0 - 1) as f64,
        ScanKind::JitteredRaster => spacing * ((raster_shape(count, 1.0).0 - 1) as f64 + 2.0 * config.scan_jitter),
        ScanKind::Spiral => 2.0 * spacing / SPIRAL_SPACING * points.sqrt(),
    }
}

/// `count` positions in an area; `spacing` is the median nearest-neighbor distance, `None` fills the area.
///
/// # Errors
/// The positions do not fit into the area with this spacing.
pub(super) fn positions(
    config: &SimulationConfig,
    area: &ScanArea,
    count: usize,
    spacing: Option<f64>,
    seed: u64,
) -> Result<Vec<[f64; 2]>> {
    let mut rng = generator(seed, Purpose::Scan, 0);
    match config.scan {
        ScanKind::Random | ScanKind::File => {
            let area = match spacing {
                None => *area,
                Some(spacing) => central(area, needed_side(config, count, spacing), count)?,
            };
            // All x first, as in the reference.
            let size = area.size();
            let mut axis =
                |k: usize| -> Vec<f64> { (0..count).map(|_| area.low[k] + size[k] * uniform(&mut rng)).collect() };
            let (xs, ys) = (axis(0), axis(1));
            Ok(xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect())
        }
        ScanKind::Raster => raster(area, count, spacing, 0.0),
        ScanKind::JitteredRaster => {
            let points = raster(area, count, spacing, config.scan_jitter)?;
            let step = spacing.map_or_else(|| raster_step(area, count, config.scan_jitter), |spacing| [spacing; 2]);
            let mut jitter = |k: usize| step[k] * config.scan_jitter * (2.0 * uniform(&mut rng) - 1.0);
            Ok(points.into_iter().map(|p| area.clamped([p[0] + jitter(0), p[1] + jitter(1)])).collect())
        }
        ScanKind::Spiral => spiral(area, count, spacing),
    }
}

/// Square of this side at the center of an area.
fn central(area: &ScanArea, side: f64, count: usize) -> Result<ScanArea> {
    let (size, center) = (area.size(), area.center());
    if side > size[0].min(size[1]) + 1e-6 {
        return Err(does_not_fit(count, [side; 2], size));
    }
    let half = side / 2.0;
    Ok(ScanArea { low: [center[0] - half, center[1] - half], high: [center[0] + half, center[1] + half] })
}

fn does_not_fit(count: usize, needed: [f64; 2], size: [f64; 2]) -> Error {
    Problem::new(format!(
        "{count} positions at this overlap need {:.0} × {:.0} px, but the object has room for {:.0} × {:.0} px (x, y)",
        needed[0],
        needed[1],
        size[0].max(0.0),
        size[1].max(0.0)
    ))
    .hint(
        "Choose fewer patterns (--n-images), a larger --overlap or a larger object, or omit --overlap to fill the object",
    )
    .into()
}

/// Steps along x and y of a raster that, including its jitter, fills an area.
fn raster_step(area: &ScanArea, count: usize, jitter: f64) -> [f64; 2] {
    let size = area.size();
    let (columns, rows) = raster_shape(count, size[0] / size[1]);
    let step = |length: f64, points: usize| length / ((points - 1) as f64 + 2.0 * jitter).max(1e-9);
    // A single row or column is centered, and its step only scales the jitter.
    [step(size[0], columns).min(size[0]), step(size[1], rows).min(size[1])]
}

fn raster(area: &ScanArea, count: usize, spacing: Option<f64>, jitter: f64) -> Result<Vec<[f64; 2]>> {
    let (size, center) = (area.size(), area.center());
    let (step, columns, rows) = match spacing {
        None => {
            let (columns, rows) = raster_shape(count, size[0] / size[1]);
            (raster_step(area, count, jitter), columns, rows)
        }
        Some(spacing) => {
            // As square as possible, within the area.
            let fitting = |length: f64| {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let points = ((length / spacing - 2.0 * jitter + 1e-9).max(0.0).floor() as usize).saturating_add(1);
                points
            };
            let (max_columns, max_rows) = (fitting(size[0]), fitting(size[1]));
            let square = raster_shape(count, 1.0).0;
            let columns = square.max(count.div_ceil(max_rows)).min(max_columns);
            let rows = count.div_ceil(columns);
            if rows > max_rows {
                let side = spacing * ((square - 1) as f64 + 2.0 * jitter);
                return Err(does_not_fit(count, [side, side], size));
            }
            ([spacing; 2], columns, rows)
        }
    };
    let at = |k: usize, index: usize, points: usize| center[k] + step[k] * (index as f64 - (points - 1) as f64 / 2.0);
    let points = (0..count).map(|j| area.clamped([at(0, j % columns, columns), at(1, j / columns, rows)]));
    Ok(points.collect())
}

/// Points k of the spiral r = c sqrt(k) at multiples of the golden angle that are inside the area, from its center.
fn spiral(area: &ScanArea, count: usize, spacing: Option<f64>) -> Result<Vec<[f64; 2]>> {
    let (size, center) = (area.size(), area.center());
    let corner = size[0].hypot(size[1]) / 2.0;
    let inside = |c: f64| -> Vec<[f64; 2]> {
        let point = |k: u64| {
            let (r, angle) = (c * (k as f64).sqrt(), k as f64 * GOLDEN_ANGLE % std::f64::consts::TAU);
            (r, [center[0] + r * angle.cos(), center[1] + r * angle.sin()])
        };
        let points = (0..).map(point).take_while(|(r, _)| *r <= corner + 1e-9).map(|(_, position)| position);
        points.filter(|position| area.contains(*position)).take(count).collect()
    };
    if let Some(spacing) = spacing {
        let c = spacing / SPIRAL_SPACING;
        let points = inside(c);
        return if points.len() == count {
            Ok(points)
        } else {
            let side = 2.0 * c * (count as f64).sqrt();
            Err(does_not_fit(count, [side, side], size))
        };
    }
    let mut c = (size[0] * size[1] / (std::f64::consts::PI * count as f64)).sqrt();
    loop {
        let points = inside(c);
        if points.len() == count {
            return Ok(points);
        }
        c *= 0.99;
    }
}

/// Errors (x, y) of `count` recorded positions: normal with this standard deviation, truncated at four of them.
pub(super) fn errors(deviation: f64, count: usize, seed: u64) -> Vec<[f64; 2]> {
    let mut rng = generator(seed, Purpose::PositionError, 0);
    let mut one = || loop {
        let x = normal(&mut rng);
        if x.abs() <= 4.0 {
            break deviation * x;
        }
    };
    (0..count).map(|_| [one(), one()]).collect()
}

/// Reads positions in object pixels from a table, NPY, NPZ or HDF5 file.
///
/// # Errors
/// The file cannot be read, or contains no positions or some that are not finite.
pub(super) fn read(path: &Path) -> Result<Vec<[f64; 2]>> {
    let expected = "a table with x and y of each pattern, or an NPY, NPZ or HDF5 file, in object pixels";
    let positions = positions_in_file(path)?;
    if positions.is_empty() || !positions.iter().flatten().all(|v| v.is_finite()) {
        let what =
            if positions.is_empty() { "contains no positions" } else { "contains positions that are not finite" };
        return Err(Problem::new(format!("The file {what}")).expected(expected).at(path).into());
    }
    Ok(positions)
}

/// Median, over a sample of the positions, of the distance to the `rank`-th nearest neighbor (1: the nearest); `None` for
/// `rank` or fewer positions.
pub(super) fn median_neighbor_distance(positions: &[[f64; 2]], rank: usize) -> Option<f64> {
    if positions.len() <= rank || rank == 0 {
        return None;
    }
    let sample = positions.iter().step_by(positions.len().div_ceil(500));
    let distances: Vec<f64> = sample
        .map(|p| {
            let mut all: Vec<f64> = positions.iter().map(|q| (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2)).collect();
            let (_, found, _) = all.select_nth_unstable_by(rank.min(positions.len() - 1), f64::total_cmp);
            found.sqrt()
        })
        .collect();
    median(&distances)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: ScanArea = ScanArea { low: [32.0, 40.0], high: [232.0, 160.0] };
    const GENERATED: [ScanKind; 4] = [ScanKind::Random, ScanKind::Raster, ScanKind::JitteredRaster, ScanKind::Spiral];

    fn config(scan: ScanKind) -> SimulationConfig {
        SimulationConfig { scan, ..SimulationConfig::default() }
    }

    #[test]
    fn every_scan_has_the_requested_number_of_points_and_fills_the_area() {
        for scan in GENERATED {
            for count in [1, 2, 10, 37, 500] {
                let points = positions(&config(scan), &AREA, count, None, 3).unwrap();
                assert_eq!(points.len(), count, "{scan:?}");
                assert!(points.iter().all(|p| AREA.contains(*p)), "{scan:?} {count}");
                assert_eq!(points, positions(&config(scan), &AREA, count, None, 3).unwrap());
                if count == 500 {
                    let quarter = |k: usize| {
                        let center = AREA.center()[k];
                        points.iter().filter(|p| p[k] < center).count() as f64 / count as f64
                    };
                    assert!((quarter(0) - 0.5).abs() < 0.06 && (quarter(1) - 0.5).abs() < 0.06, "{scan:?}");
                    let span = |k: usize| {
                        let (low, high) =
                            points.iter().fold((f64::MAX, f64::MIN), |s, p| (s.0.min(p[k]), s.1.max(p[k])));
                        (high - low) / AREA.size()[k]
                    };
                    assert!(span(0) > 0.9 && span(1) > 0.9, "{scan:?} {} {}", span(0), span(1));
                }
            }
        }
    }

    #[test]
    fn the_requested_spacing_is_the_median_nearest_neighbor_distance() {
        for scan in GENERATED {
            let config = config(scan);
            for count in [10, 500, 2000] {
                let side = needed_side(&config, count, 5.0);
                let area = ScanArea { low: [32.0, 32.0], high: [32.0 + side, 32.0 + side] };
                let points = positions(&config, &area, count, Some(5.0), 4).unwrap();
                assert_eq!(points.len(), count);
                assert!(points.iter().all(|p| area.contains(*p)), "{scan:?}");
                let median = median_neighbor_distance(&points, 1).unwrap();
                println!("{scan:?} {count}: {median:.3}");
                // A few random points scatter, and jitter reduces the distances.
                let low = if scan == ScanKind::JitteredRaster { 0.6 } else { 0.9 };
                let (low, high) = if count == 10 { (0.5, 1.8) } else { (low, 1.1) };
                assert!((5.0 * low..=5.0 * high).contains(&median), "{scan:?} {count}: {median}");
            }
            let error = positions(&config, &AREA, 100_000, Some(5.0), 4).unwrap_err().to_string();
            assert!(error.contains("--overlap") && error.contains("200 × 120"), "{error}");
        }
    }

    #[test]
    fn position_errors_have_the_requested_deviation_and_are_truncated() {
        let found = errors(0.5, 20_000, 9);
        let square = found.iter().flatten().map(|e| e * e).sum::<f64>() / 40_000.0;
        assert!((square.sqrt() - 0.5).abs() < 0.01, "{square}");
        assert!(found.iter().flatten().all(|e| e.abs() <= 2.0));
        assert!(errors(0.0, 3, 9).iter().flatten().all(|&e| e == 0.0));
    }

    #[test]
    fn positions_are_read_from_text_with_and_without_a_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        std::fs::write(&path, "x,y\n1.5, 2\n# remark\n\n3, 4\n").unwrap();
        assert_eq!(read(&path).unwrap(), [[1.5, 2.0], [3.0, 4.0]]);
        std::fs::write(&path, "1 2\n3 four\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("Line 2") && error.contains("p.csv"), "{error}");
        std::fs::write(&path, "").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("no line of numbers"));
        std::fs::write(&path, "1 nan\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("not finite"));
    }
}
