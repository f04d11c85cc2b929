//! Agreement of every pair of neighboring patches: the graph for phase synchronization.

use crate::data::Canvas;
use crate::kernels;
use ndarray::{ArrayView2, ArrayView3};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;
use rstar::RTree;
use rstar::primitives::GeomWithData;

/// Neighbors considered for each patch: enough for a rigid graph in dense scans, and cheap.
const NEIGHBORS: usize = 40;

/// Edge of the graph: `agreement = Σ w_a w_b O_a conj(O_b) / W` over the pixels covered by both patches, where `W` is
/// the total weight of a pixel.
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

    // Total weight of each pixel, by which its contribution is divided.
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
                    .take(NEIGHBORS + 1)
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
    let patches = patches.as_standard_layout();
    let weight = weight.as_standard_layout();
    // Both are in standard layout here.
    let (pixels, weight) = (patches.as_slice().unwrap_or_default(), weight.as_slice().unwrap_or_default());
    let patch = |k: usize| &pixels[k * n * n..][..n * n];
    pairs
        .par_chunk_by(|one, next| one.0 == next.0)
        .flat_map_iter(|pairs| {
            let a = pairs[0].0;
            // Patch a times its weight, divided by the total weight of each pixel.
            let (mut re, mut im) = (vec![0f32; n * n], vec![0f32; n * n]);
            for row in 0..n {
                let line = (corners[a][0] as usize + row) * stride + corners[a][1] as usize;
                for (col, total) in total[line..][..n].iter().enumerate() {
                    let at = row * n + col;
                    let share = if *total > 0.0 { weight[at] / total } else { 0.0 };
                    (re[at], im[at]) = (patch(a)[at].re * share, patch(a)[at].im * share);
                }
            }
            let edges: Vec<Edge> = pairs
                .iter()
                .map(|&(a, b)| {
                    let shift = [corners[b][0] - corners[a][0], corners[b][1] - corners[a][1]];
                    Edge { a, b, agreement: kernels::overlap_product([&re, &im], patch(b), weight, n, shift) }
                })
                .collect();
            edges
        })
        .collect()
}
