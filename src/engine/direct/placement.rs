//! Positions that are wrong by many pixels: patterns are placed one after another on the object of those placed before.
//!
//! Refinement of all positions at once gets stuck: single patterns stay in a local minimum, and parts of a drifting scan agree
//! within themselves and contradict each other. Here the set of placed patterns grows from a small group that agrees well.
//! Every other pattern that overlaps their object is compared with it at all places within reach of the predicted one, and
//! joins the set if one place fits clearly better than all others. Each round refines the object and the positions of the
//! set. The idea of a search over places is that of Maiden et al., Ultramicroscopy 120 (2012) 64.

use super::affine::mean;
use super::solver::{Solver, Start, arranged_amplitude, solve_epochs, valid_counts};
use crate::config::DirectConfig;
use crate::data::{Dataset, Reconstruction, nearest_neighbors};
use crate::error::Result;
use crate::metrics::median;
use crate::physics::probe_intensity;
use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;

/// Epochs with all patterns before and after, with the first group, and in each later round.
const EPOCHS_OF_ALL: usize = 40;
const EPOCHS_OF_FIRST: usize = 30;
const EPOCHS_OF_ROUND: usize = 6;
/// Longest move of a pattern in a round, in pixels.
const MOVE_IN_ROUND: f64 = 6.0;
/// Patterns of the first group, and most places where one is tried.
const FIRST_GROUP: usize = 24;
const FIRST_PLACES: usize = 500;
/// Radius of the search around the predicted place, and distance of its first grid, in pixels.
const RADIUS: i64 = 16;
const GRID: i64 = 2;
/// Places that are farther apart than this are different, in pixels.
const DISTINCT: i64 = 4;
/// Misfits whose ratio is below this are equal for a pattern.
const EQUAL: f64 = 1.15;
/// A place fits if the misfit is below this multiple of that of most placed patterns.
const FITS: f64 = 3.0;
/// Share of the probe's power on the known object that a comparison needs: first, and at least.
const OVERLAP: [f32; 2] = [0.6, 0.4];
const OVERLAP_STEP: f32 = 0.1;
/// Placed patterns, nearest in time, whose median displacement predicts that of a pattern.
const PREDICTING: usize = 7;
/// The object is known where the illumination exceeds this share of its upper quartile.
const KNOWN: f32 = 0.1;
/// The new positions are taken if the misfit falls to this share.
const CLEARLY_BETTER: f64 = 0.9;

/// Positions found by [`place_patterns`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedScan {
    /// (x, y) of each pattern, pixels.
    pub positions: Vec<[f64; 2]>,
    /// Patterns that fit several places alike, and therefore follow their neighbors in time.
    pub uncertain: Vec<usize>,
    /// Misfit relative to ΣI of short reconstructions with local refinement only, and from the found positions.
    pub misfits: [f64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// One place fits best.
    Placed,
    /// At the place that its neighbors in time suggest.
    Predicted,
}

struct Growth<'a> {
    dataset: &'a Dataset,
    config: DirectConfig,
    positions: Vec<[f64; 2]>,
    states: Vec<State>,
}

/// What the placed patterns tell: their solver, and where their object is known.
struct Known<'s, 'a> {
    solver: &'s Solver<'a>,
    /// Object, with its mean phase where it is unknown.
    object: Array2<Complex32>,
    is_known: Array2<bool>,
    /// (N, N) power of the probe, with sum 1.
    probe_power: Array2<f32>,
}

/// Best place of one pattern.
struct Place {
    position: [f64; 2],
    /// Relative to the counts of the pattern: there, and at the best place elsewhere.
    misfit: f64,
    elsewhere: f64,
}

/// Positions for patterns that are wrong by up to some tens of pixels; `None` if they explain the patterns no better than
/// local refinement does, or if `keep_going` returned false.
///
/// # Errors
/// As [`super::solve`].
pub fn place_patterns(
    dataset: &Dataset,
    config: &DirectConfig,
    keep_going: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<PlacedScan>> {
    let config = DirectConfig {
        refine_positions: true,
        refine_intensity: false,
        refine_probe: false,
        probe_modes: None,
        ..config.clone()
    };
    let of_all = DirectConfig { epochs: EPOCHS_OF_ALL, ..config.clone() };
    let mut solver = Solver::new(dataset, &of_all, &Start::Flat, None)?;
    let (before, stopped) = solve_epochs(&mut solver, &mut |share, _| keep_going(0.1 * share), &mut |_, _| Ok(()))?;
    if stopped {
        return Ok(None);
    }
    solver.refresh_illumination()?;
    let first = first_group(&solver);
    let mut growth = Growth {
        dataset,
        config,
        positions: solver.positions.clone(),
        states: (0..dataset.len()).map(|i| if first.contains(&i) { State::Placed } else { State::Waiting }).collect(),
    };
    drop(solver);
    if !growth.grow(&mut |share| keep_going(0.1 + 0.8 * share))? {
        return Ok(None);
    }
    let mut moved = dataset.clone();
    moved.positions = without_common_shift(&growth.positions, &dataset.positions);
    let mut solver = Solver::new(&moved, &of_all, &Start::Flat, None)?;
    let (after, stopped) =
        solve_epochs(&mut solver, &mut |share, _| keep_going(0.9 + 0.1 * share), &mut |_, _| Ok(()))?;
    let last = |misfits: &[f64]| misfits.last().copied().unwrap_or(f64::INFINITY);
    let misfits = [last(&before), last(&after)];
    if stopped || misfits[1] > CLEARLY_BETTER * misfits[0] {
        return Ok(None);
    }
    let uncertain = (0..dataset.len()).filter(|&i| growth.states[i] == State::Predicted).collect();
    Ok(Some(PlacedScan { positions: solver.positions.clone(), uncertain, misfits }))
}

/// Positions moved together so that their mean is that of the initial ones: the patterns do not determine a common shift.
fn without_common_shift(positions: &[[f64; 2]], initial: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let (found, initial) = (mean(positions), mean(initial));
    positions.iter().map(|p| [0, 1].map(|axis| p[axis] - found[axis] + initial[axis])).collect()
}

/// The group of neighbors whose object explains most of their patterns.
fn first_group(solver: &Solver<'_>) -> Vec<usize> {
    let all: Vec<usize> = (0..solver.positions.len()).collect();
    let flat = Array2::from_elem(solver.object.dim(), Complex32::new(1.0, 0.0));
    let (found, flat) = (solver.relative_misfits(&solver.object), solver.relative_misfits(&flat));
    let group_around = |at: usize| {
        let mut group = nearest_neighbors(&solver.positions, at, FIRST_GROUP - 1);
        group.insert(0, at);
        group
    };
    let unexplained = |group: &[usize]| {
        let sum = |misfits: &[f64]| group.iter().map(|&i| misfits[i]).sum::<f64>();
        sum(&found) / sum(&flat).max(f64::MIN_POSITIVE)
    };
    let groups = all.par_iter().step_by(all.len().div_ceil(FIRST_PLACES)).map(|&at| {
        let group = group_around(at);
        (unexplained(&group), group)
    });
    groups.min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1))).map_or_else(Vec::new, |(_, group)| group)
}

impl Growth<'_> {
    /// Places all patterns; false if `keep_going` returned false.
    fn grow(&mut self, keep_going: &mut dyn FnMut(f64) -> bool) -> Result<bool> {
        let mut overlap = OVERLAP[0];
        let mut object: Option<Reconstruction> = None;
        loop {
            let rows: Vec<usize> = (0..self.states.len()).filter(|&i| self.states[i] != State::Waiting).collect();
            let mut placed = self.dataset.subset(&rows);
            placed.positions = rows.iter().map(|&i| self.positions[i]).collect();
            let epochs = if object.is_none() { EPOCHS_OF_FIRST } else { EPOCHS_OF_ROUND };
            let config = DirectConfig { epochs, max_shift: MOVE_IN_ROUND, ..self.config.clone() };
            let start = object.as_ref().map_or(Start::Flat, Start::From);
            let reach = RADIUS as f64 + (self.dataset.patch_size() / 2) as f64;
            let mut solver = Solver::with_reach(&placed, &config, &start, None, reach)?;
            let share = rows.len() as f64 / self.states.len() as f64;
            let (_, stopped) = solve_epochs(&mut solver, &mut |_, _| keep_going(share), &mut |_, _| Ok(()))?;
            if stopped {
                return Ok(false);
            }
            rows.iter().zip(&solver.positions).for_each(|(&i, position)| self.positions[i] = *position);
            if rows.len() == self.states.len() {
                return Ok(true);
            }
            solver.refresh_illumination()?;
            let mut misfits = solver.relative_misfits(&solver.object);
            misfits.sort_by(f64::total_cmp);
            let limit = FITS * misfits[misfits.len() * 9 / 10];
            let known = Known::new(&solver);
            let places = self.places(&known, overlap);
            object = Some(solver.reconstruction());
            overlap = self.accept(&places, limit, overlap);
        }
    }

    /// Place of each waiting pattern that overlaps the known object.
    fn places(&self, known: &Known<'_, '_>, overlap: f32) -> Vec<(usize, Place)> {
        let waiting = (0..self.states.len()).into_par_iter().filter(|&i| self.states[i] == State::Waiting);
        let found = waiting.map(|i| Some((i, known.place(self.dataset, i, self.predicted(i), overlap)?)));
        found.collect::<Vec<Option<_>>>().into_iter().flatten().collect()
    }

    /// Adds the patterns with a clear place. If there are none, a smaller overlap is asked for; where even that finds
    /// none, the others join at their predicted places. Returns the overlap for the next round.
    fn accept(&mut self, places: &[(usize, Place)], limit: f64, overlap: f32) -> f32 {
        let mut any = false;
        for (i, place) in places {
            if place.misfit < limit && place.elsewhere > EQUAL * place.misfit {
                self.positions[*i] = place.position;
                self.states[*i] = State::Placed;
                any = true;
            }
        }
        if any {
            return (overlap + OVERLAP_STEP).min(OVERLAP[0]);
        }
        if overlap > OVERLAP[1] {
            return overlap - OVERLAP_STEP;
        }
        let mut others: Vec<usize> = places.iter().map(|(i, _)| *i).collect();
        if others.is_empty() {
            others = (0..self.states.len()).filter(|&i| self.states[i] == State::Waiting).collect();
        }
        let predicted: Vec<[f64; 2]> = others.iter().map(|&i| self.predicted(i)).collect();
        for (&i, position) in others.iter().zip(predicted) {
            self.positions[i] = position;
            self.states[i] = State::Predicted;
        }
        overlap
    }

    /// Position of a pattern if it is displaced like the placed ones before and after it.
    fn predicted(&self, index: usize) -> [f64; 2] {
        let count = self.states.len();
        let by_distance = (1..count).flat_map(|d| [index.checked_sub(d), Some(index + d).filter(|&i| i < count)]);
        let nearest: Vec<usize> =
            by_distance.flatten().filter(|&i| self.states[i] == State::Placed).take(PREDICTING).collect();
        [0, 1].map(|axis| {
            let initial = |i: usize| self.dataset.positions[i][axis];
            let displacements: Vec<f64> = nearest.iter().map(|&i| self.positions[i][axis] - initial(i)).collect();
            initial(index) + median(&displacements).unwrap_or(0.0)
        })
    }
}

impl<'s, 'a> Known<'s, 'a> {
    fn new(solver: &'s Solver<'a>) -> Self {
        let mut lit: Vec<f32> = solver.illumination.iter().copied().filter(|value| *value > 0.0).collect();
        lit.sort_by(f32::total_cmp);
        let threshold = KNOWN * lit.get(lit.len() * 3 / 4).copied().unwrap_or(0.0);
        let is_known = solver.illumination.mapv(|value| value > threshold);
        let sum: Complex32 =
            solver.object.iter().zip(&is_known).filter(|(_, known)| **known).map(|(value, _)| value).sum();
        let filling = sum / sum.norm().max(f32::MIN_POSITIVE);
        let mut object = solver.object.clone();
        object.zip_mut_with(&is_known, |value, known| {
            if !known {
                *value = filling;
            }
        });
        let mut probe_power = probe_intensity(solver.extrapolated_probe.view());
        probe_power /= probe_power.sum().max(f32::MIN_POSITIVE);
        Self { solver, object, is_known, probe_power }
    }

    /// Share of the probe's power on known pixels, with the patch at this corner; `None` outside of the canvas.
    fn overlap(&self, top: i64, left: i64) -> Option<f32> {
        let side = self.solver.side;
        let (top, left) = (usize::try_from(top).ok()?, usize::try_from(left).ok()?);
        let (height, width) = self.is_known.dim();
        let inside = top + side <= height && left + side <= width;
        let window = || self.is_known.slice(ndarray::s![top..top + side, left..left + side]);
        inside
            .then(|| window().iter().zip(&self.probe_power).filter(|(known, _)| **known).map(|(_, power)| power).sum())
    }

    /// Best place of a pattern within reach of `predicted`; of places that fit alike, the nearest to it. `None` if the
    /// probe overlaps the known object by less than `overlap` there.
    fn place(&self, dataset: &Dataset, index: usize, predicted: [f64; 2], overlap: f32) -> Option<Place> {
        let solver = self.solver;
        let (top, left, rest) = solver.patch_corner_of(predicted);
        // Left or above of the canvas the corner is clamped.
        rest.iter().all(|rest| (0.0..1.0).contains(rest)).then_some(())?;
        self.overlap(top as i64, left as i64).filter(|share| *share >= overlap)?;
        let probe = solver.model.shift_probe(&solver.probe_spectra, rest, 1.0);
        let amplitude = arranged_amplitude(&solver.model, dataset, index, solver.normalization);
        let counts = valid_counts(&amplitude).max(f64::MIN_POSITIVE);
        let misfit = |dy: i64, dx: i64| {
            let (top, left) = (top as i64 + dy, left as i64 + dx);
            self.overlap(top, left).filter(|share| *share >= overlap - OVERLAP_STEP)?;
            let patch = solver.window(&self.object, top as usize, left as usize);
            Some(solver.model.squared_residual(&patch, (probe.view(), rest), &amplitude) / counts)
        };
        let offsets = || (-RADIUS..=RADIUS).step_by(GRID as usize);
        let grid: Vec<(i64, i64, f64)> = offsets()
            .flat_map(|dy| offsets().map(move |dx| (dy, dx)))
            .filter(|(dy, dx)| dy * dy + dx * dx <= RADIUS * RADIUS)
            .filter_map(|(dy, dx)| Some((dy, dx, misfit(dy, dx)?)))
            .collect();
        let least = grid.iter().map(|(.., misfit)| *misfit).fold(f64::INFINITY, f64::min);
        let (y, x, _) =
            *grid.iter().filter(|place| place.2 <= EQUAL * least).min_by_key(|(dy, dx, _)| dy * dy + dx * dx)?;
        let around = (y - 1..=y + 1).flat_map(|dy| (x - 1..=x + 1).map(move |dx| (dy, dx)));
        let (dy, dx, misfit) =
            around.filter_map(|(dy, dx)| Some((dy, dx, misfit(dy, dx)?))).min_by(|a, b| a.2.total_cmp(&b.2))?;
        let is_distinct =
            |place: &&(i64, i64, f64)| (place.0 - dy).pow(2) + (place.1 - dx).pow(2) > DISTINCT * DISTINCT;
        let elsewhere = grid.iter().filter(is_distinct).map(|place| place.2).fold(f64::INFINITY, f64::min);
        Some(Place { position: [predicted[0] + dx as f64, predicted[1] + dy as f64], misfit, elsewhere })
    }
}

impl Solver<'_> {
    /// Misfit of each pattern with this object, relative to its counts.
    fn relative_misfits(&self, object: &Array2<Complex32>) -> Vec<f64> {
        let relative = |index: usize| {
            let (.., rest) = self.patch_corner(index);
            let probe = self.shifted_probe(index);
            let amplitude = &self.amplitudes[index];
            let misfit = self.model.squared_residual(&self.patch(object, index), (probe.view(), rest), amplitude);
            misfit / valid_counts(amplitude).max(f64::MIN_POSITIVE)
        };
        (0..self.positions.len()).into_par_iter().map(relative).collect()
    }
}
