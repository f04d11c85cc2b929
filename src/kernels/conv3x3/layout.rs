//! Division of a batch of images into groups, and position of each pixel of a group in the padded planes (see `tile`).

use super::ConvShape;
use super::tile::{Kernels, Padding, Unit};
use crate::buffer::{LINE, Scratch};

/// Floats in the padded planes of a group: about the size of the L2 cache of a current processor (256 to 384 thousand
/// were equally fast, 160 thousand slower). Tests use small groups, so that small images are divided into strips as
/// well.
const GROUP_FLOATS: usize = if cfg!(test) { 20 * 1024 } else { 320 * 1024 };
/// The number of rows of a strip is a multiple of this, so that a strip is an integer number of vectors.
const STRIP_ROWS: usize = 16;

/// Consecutive images, or a strip of rows of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Group {
    pub image: usize,
    pub images: usize,
    pub first_row: usize,
    pub rows: usize,
}

/// Geometry of all groups of the same size.
#[derive(Debug)]
pub(super) struct Geometry {
    pub images: usize,
    pub rows: usize,
    /// Row stride of a padded plane, and its length.
    pub row: usize,
    pub plane: usize,
    pub units: Vec<Unit>,
    pub unit_len: usize,
    pub halves: bool,
    /// Windows of the weight gradient (see [`WeightGradient`](super::tile::WeightGradient)).
    pub windows: Vec<usize>,
    pub windows_are_halves: bool,
    /// Number of vectors that cover all pixels, from the first pixel of a padded plane.
    pub vectors: usize,
}

impl Geometry {
    fn new(lanes: usize, images: usize, rows: usize, w: usize) -> Self {
        let row = w + 1;
        let halves = w < lanes;
        let unit = if halves { lanes / 2 } else { lanes };
        let unit_len = unit.min(w);
        let in_row = w.div_ceil(unit);
        let mut units = Vec::with_capacity(images * rows * in_row);
        for image in 0..images {
            for y in 0..rows {
                for i in 0..in_row {
                    // The last unit of a row overlaps the previous one instead of exceeding the row.
                    let x = (i * unit).min(w - unit_len);
                    units.push(Unit { window: (image * (rows + 1) + y) * row + x, image, pixel: y * w + x });
                }
            }
        }
        // Pixels from the first to the last, including the zero rows and columns between them.
        let span = (images * (rows + 1) - 1) * row;
        let vectors = span.div_ceil(lanes);
        let exact = w.is_multiple_of(unit);
        let windows = if exact {
            let mut windows: Vec<_> = units.iter().map(|u| u.window).collect();
            if halves && windows.len() % 2 == 1 {
                windows.push(span); // half a vector of zeros: the row below the last image
            }
            windows
        } else {
            (0..vectors).map(|v| v * lanes).collect()
        };
        // One row above, one below, and the window of the last vector.
        let lines = ((images * (rows + 1) + 1) * row + lanes + 2).div_ceil(LINE);
        // An odd number of cache lines, so that the planes do not map to the same cache sets.
        let plane = (lines | 1) * LINE;
        Self {
            images,
            rows,
            row,
            plane,
            units,
            unit_len,
            halves,
            windows,
            windows_are_halves: halves && exact,
            vectors,
        }
    }
}

/// Division of a shape into groups.
pub(super) struct Layout {
    pub shape: ConvShape,
    pub groups: Vec<Group>,
    geometries: Vec<Geometry>,
}

impl Layout {
    /// * `channels`: planes of a group that should be in the cache together.
    pub fn new(kernels: &Kernels, shape: &ConvShape, channels: usize) -> Self {
        let &ConvShape { n, h, w, .. } = shape;
        let per_row = channels.max(1) * (w + 1);
        let mut groups = Vec::new();
        if n * h * w == 0 {
            return Self { shape: *shape, groups, geometries: Vec::new() };
        }
        if per_row * (h + 1) <= GROUP_FLOATS {
            // At least four groups, for as many threads.
            let images = (GROUP_FLOATS / (per_row * (h + 1))).min(n.div_ceil(4)).max(1);
            for image in (0..n).step_by(images) {
                groups.push(Group { image, images: images.min(n - image), first_row: 0, rows: h });
            }
        } else {
            let strip = (GROUP_FLOATS / per_row / STRIP_ROWS).max(1) * STRIP_ROWS;
            for image in 0..n {
                for first_row in (0..h).step_by(strip) {
                    groups.push(Group { image, images: 1, first_row, rows: strip.min(h - first_row) });
                }
            }
        }
        let mut geometries: Vec<Geometry> = Vec::new();
        for group in &groups {
            if !geometries.iter().any(|g| (g.images, g.rows) == (group.images, group.rows)) {
                geometries.push(Geometry::new(kernels.lanes, group.images, group.rows, w));
            }
        }
        Self { shape: *shape, groups, geometries }
    }

    pub fn geometry(&self, group: &Group) -> &Geometry {
        let found = self.geometries.iter().find(|g| (g.images, g.rows) == (group.images, group.rows));
        found.unwrap_or(&self.geometries[0]) // `new` created one for each group size
    }

    /// Pads the planes of `group` in `src` (n, channels, h, w) into `dst`.
    pub fn pad(
        &self,
        kernels: &Kernels,
        group: &Group,
        channels: usize,
        src: &[f32],
        mask: Option<&[f32]>,
        dst: &mut Scratch,
    ) {
        let geometry = self.geometry(group);
        let &ConvShape { h, w, .. } = &self.shape;
        let padding =
            Padding { images: group.images, first: group.first_row, rows: group.rows, h, w, plane: geometry.plane };
        let dst = &mut dst.floats(channels * geometry.plane)[..channels * geometry.plane];
        let group_floats = group.image * channels * h * w..(group.image + group.images) * channels * h * w;
        let src = &src[group_floats.clone()];
        let mask = mask.map(|mask| &mask[group_floats]);
        for (channel, dst) in dst.chunks_exact_mut(geometry.plane).enumerate() {
            let from = channel * h * w;
            let mask = mask.map(|mask| mask[from..].as_ptr());
            // SAFETY: `src` and `mask` hold `images` images, `channels * h * w` apart, so that plane `channel` of each
            // is inside; `dst` is one plane. `Kernels` exist only for available levels.
            unsafe { (kernels.pad)(&padding, dst.as_mut_ptr(), src[from..].as_ptr(), mask, channels * h * w) };
        }
    }
}
