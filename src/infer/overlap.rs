//! How much every pair of neighbouring patches agrees: the graph on which phases are synchronised.

use crate::data::Canvas;
use ndarray::{ArrayView2, ArrayView3};
use num_complex::Complex32;
use num_complex::Complex64;
use rayon::prelude::*;
use rstar::RTree;
use rstar::primitives::GeomWithData;

/// Neighbours considered for each patch; enough for a rigid graph in dense scans, cheap in all.
const NEIGHBOURS: usize = 40;

/// One edge: `agreement = Σ w_a w_b O_a conj(O_b) / W` over the pixels both patches cover, `W` the total weight there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub a: usize,
    pub b: usize,
    pub agreement: Complex64,
}

/// Edges between patches that overlap, in a fixed order; positions are rounded to whole pixels.
///
/// * `patches`: (k, N, N). * `weight`: (N, N).
pub(super) fn edges(patches: ArrayView3<Complex32>, positions: &[[f64; 2]], weight: ArrayView2<f32>) -> Vec<Edge> {
    let n = patches.dim().1;
    let canvas = Canvas::around(positions, n);
    let corner = |p: &[f64; 2]| {
        let (y, x, fy, fx) = canvas.corner(*p, n);
        [(y + usize::from(fy >= 0.5)) as isize, (x + usize::from(fx >= 0.5)) as isize]
    };
    let corners: Vec<[isize; 2]> = positions.iter().map(corner).collect();

    // Total weight, by which every pixel's say is divided.
    let mut total = vec![0f32; (canvas.height + 1) * (canvas.width + 1)];
    let stride = canvas.width + 1;
    for c in &corners {
        for ((row, col), w) in weight.indexed_iter() {
            total[(c[0] as usize + row) * stride + c[1] as usize + col] += w;
        }
    }

    let tree = RTree::bulk_load(
        corners.iter().enumerate().map(|(i, c)| GeomWithData::new([c[1] as f64, c[0] as f64], i)).collect(),
    );
    let pairs: Vec<(usize, usize)> = {
        let mut pairs: Vec<(usize, usize)> = (0..corners.len())
            .into_par_iter()
            .flat_map_iter(|a| {
                let here = [corners[a][1] as f64, corners[a][0] as f64];
                let near: Vec<usize> = tree
                    .nearest_neighbor_iter(here)
                    .take(NEIGHBOURS + 1)
                    .filter(|p| p.data != a && (0..2).all(|i| (p.geom()[i] - here[i]).abs() < n as f64))
                    .map(|p| p.data)
                    .collect();
                near.into_iter().map(move |b| (a.min(b), a.max(b)))
            })
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    };
    pairs
        .into_par_iter()
        .map(|(a, b)| {
            let shift = [corners[b][0] - corners[a][0], corners[b][1] - corners[a][1]];
            let range = |d: isize| (d.max(0) as usize)..((n as isize + d.min(0)) as usize);
            let (pa, pb) = (patches.index_axis(ndarray::Axis(0), a), patches.index_axis(ndarray::Axis(0), b));
            let mut sum = Complex64::default();
            for row in range(shift[0]) {
                let row_b = (row as isize - shift[0]) as usize;
                let line = (corners[a][0] as usize + row) * stride + corners[a][1] as usize;
                let mut of_row = Complex32::default();
                for col in range(shift[1]) {
                    let col_b = (col as isize - shift[1]) as usize;
                    let w = weight[[row, col]] * weight[[row_b, col_b]];
                    let share = total[line + col];
                    if w > 0.0 && share > 0.0 {
                        of_row += pa[[row, col]] * pb[[row_b, col_b]].conj() * (w / share);
                    }
                }
                sum += Complex64::new(f64::from(of_row.re), f64::from(of_row.im));
            }
            Edge { a, b, agreement: sum }
        })
        .collect()
}
