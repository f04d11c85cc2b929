//! Innermost loops of the Winograd convolution, for one group of images.
//!
//! An output tile of 2×2 pixels depends on a window of 4×4 pixels. In the basis of Winograd's F(2×2, 3×3) (Lavin and
//! Gray 2016, "Fast Algorithms for Convolutional Neural Networks") the convolution of a tile takes 16 multiplications,
//! one for each coordinate ("frequency"), instead of 36, and that of all channels and tiles is 16 matrix products. The
//! transforms consist of additions; in one dimension they are
//! * input, `B^T d`: (d0 - d2, d1 + d2, d2 - d1, d1 - d3),
//! * output, `A^T m`: (m0 + m1 + m2, m1 - m2 - m3),
//! * output gradient, `A y`: (y0, y0 + y1, y0 - y1, -y1),
//! * weight, `G g`: (g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2), and its gradient `G^T`.
//!
//! Groups are stored with the channels innermost, so that vectors run over channels and all tiles are processed alike.
#![allow(clippy::needless_range_loop, reason = "indices keep the unrolled loops uniform")]

use crate::simd::{Kind, Lanes, Level, Portable, Square};

/// Output channels computed together.
pub(super) const PANEL: usize = 32;
/// Number of coordinates of a tile.
pub(super) const FREQUENCIES: usize = 16;
/// The number of rows of a product is a multiple of this.
pub(super) const ROWS: usize = 8;

/// The tiles of a group: whole images, or a strip of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tiles {
    /// Number of images.
    pub images: usize,
    /// Rows of tiles in each image.
    pub rows: usize,
    /// Tiles in a row.
    pub columns: usize,
}

impl Tiles {
    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.images * self.rows * self.columns
    }
    /// Pixels of the padded group: each image has a frame of one pixel.
    pub fn padded_pixels(&self) -> usize {
        self.images * (2 * self.rows + 2) * self.padded_row()
    }
    fn padded_row(&self) -> usize {
        2 * self.columns + 2
    }
    /// Visits all tiles in order: index of the tile, and first pixel of its 4×4 window in the padded group.
    #[inline(always)]
    fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        let mut tile = 0;
        for image in 0..self.images {
            for row in 0..self.rows {
                let line = (image * (2 * self.rows + 2) + 2 * row) * self.padded_row();
                for column in 0..self.columns {
                    visit(tile, line + 2 * column);
                    tile += 1;
                }
            }
        }
    }
}

/// Planes of a group in (n, c, h, w) order.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    /// Rows of an image, and first row of the group in each image.
    pub h: usize,
    pub first_row: usize,
    /// Floats from one image to the next.
    pub image_step: usize,
}

/// Values in the Winograd basis, (frequency, tile, channel).
#[derive(Clone, Copy)]
pub(super) struct Spectrum {
    pub data: *mut f32,
    /// Floats from one frequency to the next, and from one tile to the next.
    pub plane: usize,
    pub row: usize,
}

/// Weights of one panel of output channels, in (channels_out, channels_in, 3, 3) order.
#[derive(Clone, Copy)]
pub(super) struct Taps<P> {
    pub data: P,
    /// Floats from one output channel to the next, and from one input channel to the next.
    pub out_step: usize,
    pub in_step: usize,
    pub channels_in: usize,
}

/// `c = a b`, or `c += a b`: `rows` × `steps` by `steps` × PANEL.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub a: *const f32,
    pub a_row: usize,
    pub a_step: usize,
    /// A multiple of [`ROWS`].
    pub rows: usize,
    pub steps: usize,
    /// (steps, PANEL)
    pub b: *const f32,
    /// (rows, PANEL)
    pub c: *mut f32,
    pub add: bool,
}

/// The kernels of one level. All functions are unsafe: the level must be available and the pointers valid.
pub(super) struct Kernels {
    /// Copies the planes of `channels` (a multiple of PANEL) channels at `src` into a padded group (pixel, channel),
    /// with zeros where the mask is not positive.
    pub pad: unsafe fn(&Tiles, &Planes, channels: usize, src: *const f32, mask: Option<*const f32>, dst: *mut f32),
    /// Transforms the windows of a padded group with `channels` channels.
    pub input: unsafe fn(&Tiles, channels: usize, src: *const f32, dst: Spectrum),
    /// Transforms the tiles of one panel of an output gradient whose padded group has `channels` channels, and adds the
    /// sums of the gradient to `bias`.
    pub gradient: unsafe fn(&Tiles, channels: usize, src: *const f32, dst: Spectrum, bias: *mut f32),
    /// Transforms one panel back into the planes of its channels at `dst`; `pixels` is scratch for (pixel, PANEL).
    pub output: unsafe fn(&Tiles, &Planes, Spectrum, bias: *const f32, relu: bool, pixels: *mut f32, dst: *mut f32),
    pub product: unsafe fn(&Product),
    /// Transforms the weights of a panel, optionally flipped, to (frequency, channel_in, PANEL).
    pub weights: unsafe fn(&Taps<*const f32>, flipped: bool, dst: *mut f32),
    /// Adds `runs` gradients (frequency, channel_in, PANEL), `run_step` floats apart, in order, and transforms the sum
    /// back.
    pub weights_gradient: unsafe fn(src: *const f32, runs: usize, run_step: usize, dst: &Taps<*mut f32>),
}

pub(super) fn kernels(level: Level) -> &'static Kernels {
    match level.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => &avx512::KERNELS,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => &avx2::KERNELS,
        Kind::Portable => &portable::KERNELS,
    }
}

#[inline(always)]
unsafe fn pad<S: Square>(
    tiles: &Tiles,
    planes: &Planes,
    channels: usize,
    src: *const f32,
    mask: Option<*const f32>,
    dst: *mut f32,
) {
    let (w, row) = (2 * tiles.columns, tiles.padded_row() * channels);
    let plane = planes.h * w;
    // SAFETY: by the contract of the kernels, the images of `planes` are at `src` (and at the mask) and a padded group
    // at `dst`.
    unsafe {
        let zero = |at: *mut f32, n: usize| std::slice::from_raw_parts_mut(at, n).fill(0.0);
        for image in 0..tiles.images {
            for j in 0..2 * tiles.rows + 2 {
                let to = dst.add((image * (2 * tiles.rows + 2) + j) * row);
                let y = planes.first_row + j;
                if y == 0 || y > planes.h {
                    zero(to, row);
                    continue;
                }
                zero(to, channels);
                zero(to.add(row - channels), channels);
                let line = image * planes.image_step + (y - 1) * w;
                for channel in (0..channels).step_by(S::SIDE) {
                    for x in (0..w).step_by(S::SIDE) {
                        let from = line + channel * plane + x;
                        let to = to.add((1 + x) * channels + channel);
                        match mask {
                            None => S::transpose(src.add(from), plane, to, channels),
                            Some(mask) => S::transpose_masked(src.add(from), mask.add(from), plane, to, channels),
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn input<T: Lanes>(tiles: &Tiles, channels: usize, src: *const f32, dst: Spectrum) {
    let line = tiles.padded_row() * channels;
    // SAFETY: by the contract of the kernels, there are a padded group and a spectrum of its tiles; `for_each` stays
    // inside both.
    let line_transform =
        |d: [T::V; 4]| unsafe { [T::sub(d[0], d[2]), T::add(d[1], d[2]), T::sub(d[2], d[1]), T::sub(d[1], d[3])] };
    tiles.for_each(|tile, pixel| {
        for channel in (0..channels).step_by(T::L) {
            // SAFETY: as above.
            unsafe {
                let window = src.add(pixel * channels + channel);
                let to = dst.data.add(tile * dst.row + channel);
                let mut lines = [[T::zero(); 4]; 4];
                for i in 0..4 {
                    lines[i] = line_transform(std::array::from_fn(|j| T::load(window.add(i * line + j * channels))));
                }
                for j in 0..4 {
                    let column = line_transform([lines[0][j], lines[1][j], lines[2][j], lines[3][j]]);
                    for i in 0..4 {
                        T::store(to.add((4 * i + j) * dst.plane), column[i]);
                    }
                }
            }
        }
    });
}

#[inline(always)]
unsafe fn gradient<T: Lanes>(tiles: &Tiles, channels: usize, src: *const f32, dst: Spectrum, bias: *mut f32) {
    let line = tiles.padded_row() * channels;
    // SAFETY: by the contract of the kernels, there are a padded group, a spectrum of its tiles and PANEL sums.
    let spread = |a, b| unsafe { [a, T::add(a, b), T::sub(a, b), T::sub(T::zero(), b)] };
    for channel in (0..PANEL).step_by(T::L) {
        // SAFETY: as above.
        let mut total = unsafe { T::load(bias.add(channel)) };
        tiles.for_each(|tile, pixel| {
            // SAFETY: as above; the tile starts one row and one column inside its window.
            unsafe {
                let first = src.add(pixel * channels + line + channels + channel);
                let to = dst.data.add(tile * dst.row + channel);
                let top = (T::load(first), T::load(first.add(channels)));
                let bottom = (T::load(first.add(line)), T::load(first.add(line + channels)));
                total = T::add(total, T::add(T::add(top.0, top.1), T::add(bottom.0, bottom.1)));
                let (left, right) = (spread(top.0, bottom.0), spread(top.1, bottom.1));
                for i in 0..4 {
                    let row = spread(left[i], right[i]);
                    for j in 0..4 {
                        T::store(to.add((4 * i + j) * dst.plane), row[j]);
                    }
                }
            }
        });
        // SAFETY: as above.
        unsafe { T::store(bias.add(channel), total) };
    }
}

#[inline(always)]
unsafe fn output<T: Lanes, S: Square>(
    tiles: &Tiles,
    planes: &Planes,
    src: Spectrum,
    bias: *const f32,
    relu: bool,
    pixels: *mut f32,
    dst: *mut f32,
) {
    let w = 2 * tiles.columns;
    // SAFETY: by the contract of the kernels, there are a spectrum of the tiles, PANEL biases, scratch for the pixels
    // of the group, and the images of `planes` at `dst`.
    unsafe {
        let join = |m: [T::V; 4]| [T::add(T::add(m[0], m[1]), m[2]), T::sub(T::sub(m[1], m[2]), m[3])];
        for line in 0..tiles.images * tiles.rows {
            for column in 0..tiles.columns {
                let from = src.data.add((line * tiles.columns + column) * src.row);
                let to = pixels.add((2 * line * w + 2 * column) * PANEL);
                for channel in (0..PANEL).step_by(T::L) {
                    let mut rows = [[T::zero(); 2]; 4];
                    for i in 0..4 {
                        rows[i] = join(std::array::from_fn(|j| T::load(from.add((4 * i + j) * src.plane + channel))));
                    }
                    let bias = T::load(bias.add(channel));
                    for j in 0..2 {
                        let column = join([rows[0][j], rows[1][j], rows[2][j], rows[3][j]]);
                        for i in 0..2 {
                            let sum = T::add(column[i], bias);
                            let sum = if relu { T::relu(sum) } else { sum };
                            T::store(to.add((i * w + j) * PANEL + channel), sum);
                        }
                    }
                }
            }
        }
        let plane = planes.h * w;
        let per_image = 2 * tiles.rows * w;
        for image in 0..tiles.images {
            let to = dst.add(image * planes.image_step + planes.first_row * w);
            for channel in (0..PANEL).step_by(S::SIDE) {
                for pixel in (0..per_image).step_by(S::SIDE) {
                    let from = pixels.add((image * per_image + pixel) * PANEL + channel);
                    S::transpose(from, PANEL, to.add(channel * plane + pixel), plane);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn product<T: Lanes, const R: usize, const S: usize>(p: &Product) {
    for first in (0..PANEL).step_by(S * T::L) {
        for row in (0..p.rows).step_by(R) {
            // SAFETY: by the contract of the kernels, the matrices have the documented sizes.
            unsafe {
                let mut sums = [[T::zero(); S]; R];
                let mut a = p.a.add(row * p.a_row);
                let mut b = p.b.add(first);
                for _ in 0..p.steps {
                    let mut columns = [T::zero(); S];
                    for s in 0..S {
                        columns[s] = T::load(b.add(s * T::L));
                    }
                    for r in 0..R {
                        let factor = T::splat(*a.add(r * p.a_row));
                        for s in 0..S {
                            sums[r][s] = T::fma(columns[s], factor, sums[r][s]);
                        }
                    }
                    a = a.add(p.a_step);
                    b = b.add(PANEL);
                }
                let c = p.c.add(row * PANEL + first);
                for r in 0..R {
                    for s in 0..S {
                        let at = c.add(r * PANEL + s * T::L);
                        T::store(at, if p.add { T::add(T::load(at), sums[r][s]) } else { sums[r][s] });
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn weights<T: Lanes, S: Square>(taps: &Taps<*const f32>, flipped: bool, dst: *mut f32) {
    let plane = taps.channels_in * PANEL;
    // SAFETY: by the contract of the kernels, there are PANEL × `channels_in` kernels of nine taps, and space for their
    // transforms.
    unsafe {
        let half = T::splat(0.5);
        let spread = |[a, b, c]: [T::V; 3]| {
            let (ends, middle) = (T::mul(half, T::add(a, c)), T::mul(half, b));
            [a, T::add(ends, middle), T::sub(ends, middle), c]
        };
        let mut rows = [[0.0f32; PANEL]; 9];
        let at = rows.as_mut_ptr().cast::<f32>();
        for channel in 0..taps.channels_in {
            let from = taps.data.add(channel * taps.in_step);
            for first in (0..PANEL).step_by(S::SIDE) {
                let from = from.add(first * taps.out_step);
                for tap in (0..8).step_by(S::SIDE) {
                    S::transpose(from.add(tap), taps.out_step, at.add(tap * PANEL + first), PANEL);
                }
                for i in 0..S::SIDE {
                    *at.add(8 * PANEL + first + i) = *from.add(i * taps.out_step + 8);
                }
            }
            for first in (0..PANEL).step_by(T::L) {
                let tap = |i: usize| T::load(at.add((if flipped { 8 - i } else { i }) * PANEL + first));
                let mut lines = [[T::zero(); 4]; 3];
                for y in 0..3 {
                    lines[y] = spread([tap(3 * y), tap(3 * y + 1), tap(3 * y + 2)]);
                }
                for j in 0..4 {
                    let column = spread([lines[0][j], lines[1][j], lines[2][j]]);
                    for i in 0..4 {
                        T::store(dst.add((4 * i + j) * plane + channel * PANEL + first), column[i]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn weights_gradient<T: Lanes, S: Square>(src: *const f32, runs: usize, run_step: usize, dst: &Taps<*mut f32>) {
    let plane = dst.channels_in * PANEL;
    // SAFETY: by the contract of the kernels, there are `runs` gradients in the Winograd basis and PANEL ×
    // `channels_in` kernels.
    unsafe {
        let half = T::splat(0.5);
        let gather = |[a, b, c, d]: [T::V; 4]| {
            let (sum, difference) = (T::mul(half, T::add(b, c)), T::mul(half, T::sub(b, c)));
            [T::add(a, sum), difference, T::add(d, sum)]
        };
        let mut rows = [[0.0f32; PANEL]; 9];
        let at = rows.as_mut_ptr().cast::<f32>();
        for channel in 0..dst.channels_in {
            for first in (0..PANEL).step_by(T::L) {
                let total = |frequency: usize| {
                    let from = src.add(frequency * plane + channel * PANEL + first);
                    let mut sum = T::load(from);
                    for run in 1..runs {
                        sum = T::add(sum, T::load(from.add(run * run_step)));
                    }
                    sum
                };
                let mut lines = [[T::zero(); 3]; 4];
                for i in 0..4 {
                    lines[i] = gather([total(4 * i), total(4 * i + 1), total(4 * i + 2), total(4 * i + 3)]);
                }
                for x in 0..3 {
                    let column = gather([lines[0][x], lines[1][x], lines[2][x], lines[3][x]]);
                    for y in 0..3 {
                        T::store(at.add((3 * y + x) * PANEL + first), column[y]);
                    }
                }
            }
            let to = dst.data.add(channel * dst.in_step);
            for first in (0..PANEL).step_by(S::SIDE) {
                let to = to.add(first * dst.out_step);
                for tap in (0..8).step_by(S::SIDE) {
                    S::transpose(at.add(tap * PANEL + first), PANEL, to.add(tap), dst.out_step);
                }
                for i in 0..S::SIDE {
                    *to.add(i * dst.out_step + 8) = *at.add(8 * PANEL + first + i);
                }
            }
        }
    }
}

/// Defines the kernels of a level: `product` gives the rows and vectors of a block of a product, chosen for the
/// registers of the level.
macro_rules! kernels_of {
    ($level:ident, $lanes:ty, $square:ty, $(features $features:literal,)? product ($r:literal, $s:literal)) => {
        mod $level {
            use super::*;
            pub static KERNELS: Kernels =
                Kernels { pad, input, gradient, output, product, weights, weights_gradient };

            $(#[target_feature(enable = $features)])?
            unsafe fn pad(t: &Tiles, p: &Planes, channels: usize, src: *const f32, mask: Option<*const f32>, dst: *mut f32) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::pad::<$square>(t, p, channels, src, mask, dst) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn input(t: &Tiles, channels: usize, src: *const f32, dst: Spectrum) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::input::<$lanes>(t, channels, src, dst) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gradient(t: &Tiles, channels: usize, src: *const f32, dst: Spectrum, bias: *mut f32) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::gradient::<$lanes>(t, channels, src, dst, bias) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn output(t: &Tiles, p: &Planes, src: Spectrum, bias: *const f32, relu: bool, pixels: *mut f32, dst: *mut f32) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::output::<$lanes, $square>(t, p, src, bias, relu, pixels, dst) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn product(p: &Product) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::product::<$lanes, $r, $s>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn weights(taps: &Taps<*const f32>, flipped: bool, dst: *mut f32) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::weights::<$lanes, $square>(taps, flipped, dst) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn weights_gradient(src: *const f32, runs: usize, run_step: usize, dst: &Taps<*mut f32>) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::weights_gradient::<$lanes, $square>(src, runs, run_step, dst) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels_of!(avx512, crate::simd::x86::Avx512, crate::simd::x86::Avx2,
    features "avx512f,avx2,fma", product (8, 2));
#[cfg(target_arch = "x86_64")]
kernels_of!(avx2, crate::simd::x86::Avx2, crate::simd::x86::Avx2,
    features "avx2,fma", product (4, 2));
kernels_of!(portable, Portable, Portable, product(4, 2));
