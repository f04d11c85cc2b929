//! Innermost loops of the direct 3×3 convolution, for one group of images and one block of channels.
//!
//! A group is copied into zero-padded planes, one per channel: adjacent rows share one zero column (row stride `w + 1`)
//! and adjacent images one zero row, so that the 3×3 window of a pixel has nine constant offsets from its upper left
//! corner. The work is divided into units: runs of pixels in a row with the length of a vector, or half a vector if
//! rows are shorter.
#![allow(clippy::needless_range_loop, reason = "indices keep the unrolled loops uniform")]

use crate::simd::{Kind, Lanes, Level, Portable};

/// A run of pixels in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    /// Offset of the upper left corner of the first pixel's window in a padded plane.
    pub window: usize,
    /// Image in the group.
    pub image: usize,
    /// Offset of the first pixel in an output plane.
    pub pixel: usize,
}

/// One block of output channels of a convolution over a group of images.
pub(super) struct ConvBlock<'a> {
    /// First padded plane; the others follow at `plane`.
    pub x: *const f32,
    pub plane: usize,
    pub row: usize,
    pub channels_in: usize,
    /// (channels_in, 9, r) weights of the block.
    pub weight: *const f32,
    /// (r) initial values of the sums.
    pub bias: *const f32,
    pub relu: bool,
    pub units: &'a [Unit],
    /// Pixels per unit (less than a vector or half vector only if rows are even shorter).
    pub unit_len: usize,
    /// True if units are half vectors.
    pub halves: bool,
    /// Output plane of the block's first channel in the group's first image.
    pub out: *mut f32,
    pub out_plane: usize,
    pub out_image: usize,
}

/// The weight gradient of one block of output channels over a group of images.
pub(super) struct WeightGradient<'a> {
    /// First padded plane of the input; the others follow at `plane`.
    pub x: *const f32,
    /// Padded plane of the output gradient of the block's first channel; the others follow at `plane`.
    pub dy: *const f32,
    pub plane: usize,
    pub row: usize,
    pub channels_in: usize,
    /// Window offsets of the vectors, or of pairs of half vectors. Together they contain each pixel exactly once; all
    /// other positions they contain have a zero gradient.
    pub windows: &'a [usize],
    pub halves: bool,
    /// Scratch for `channels_in * 9 * r` vectors.
    pub sums: *mut f32,
    /// (channels_in, 3, r, 3) result.
    pub out: *mut f32,
    /// True to add to the result instead of replacing it.
    pub add: bool,
}

/// Layout of a plane in its padded copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Padding {
    /// Images in the group.
    pub images: usize,
    /// First row taken from each image (0 unless the group is a strip of one image).
    pub first: usize,
    /// Rows taken from each image.
    pub rows: usize,
    pub h: usize,
    pub w: usize,
    /// Length of the padded plane.
    pub plane: usize,
}

/// The kernels of one level. All functions are unsafe: the level must be available and the pointers valid.
pub(super) struct Kernels {
    /// Floats in a vector.
    pub lanes: usize,
    /// Largest block of channels: 8, 4, 2 or 1; smaller powers of two are supported as well.
    pub block: usize,
    pub conv: unsafe fn(r: usize, &ConvBlock),
    pub weight_gradient: unsafe fn(r: usize, &WeightGradient),
    /// Pads one plane of each image, `stride` apart, with zeros where `mask <= 0`.
    pub pad: unsafe fn(&Padding, dst: *mut f32, src: *const f32, mask: Option<*const f32>, stride: usize),
    /// Sum of `n` vectors.
    pub sum: unsafe fn(p: *const f32, n: usize) -> f32,
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

/// Units are vectors, ...
const FULL: u8 = 0;
/// ... half vectors, ...
const HALVES: u8 = 1;
/// ... or half vectors of which only the first lanes count.
const PARTIAL: u8 = 2;

/// Computes R channels × S vectors of pixels, whose sums stay in registers during the loop over all input channels.
#[inline(always)]
unsafe fn conv_tile<T: Lanes, const R: usize, const S: usize, const MODE: u8>(
    a: &ConvBlock,
    lo: [Unit; S],
    hi: [Unit; S],
) {
    // SAFETY: by the contract of the kernels, the planes contain the window of each unit, and the output contains each
    // unit for each of the R channels.
    unsafe {
        let mut sums = [[T::zero(); S]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            *sums = [T::splat(*a.bias.add(r)); S];
        }
        // A single loop over the 3 rows of all channels: nested loops would be unrolled until registers run out.
        let mut weight = a.weight;
        let mut line = a.x;
        let mut ky = 0;
        for _ in 0..3 * a.channels_in {
            for kx in 0..3 {
                let tap = line.add(kx);
                let mut x = [T::zero(); S];
                for s in 0..S {
                    x[s] = if MODE == FULL {
                        T::load(tap.add(lo[s].window))
                    } else {
                        T::load_halves(tap.add(lo[s].window), tap.add(hi[s].window))
                    };
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let w = T::splat(*weight.add(r));
                    for s in 0..S {
                        sums[s] = T::fma(x[s], w, sums[s]);
                    }
                }
                weight = weight.add(R);
            }
            let last = ky == 2;
            ky = if last { 0 } else { ky + 1 };
            line = line.add(if last { a.plane - 2 * a.row } else { a.row });
        }
        if a.relu {
            for sums in &mut sums {
                for sum in sums {
                    *sum = T::relu(*sum);
                }
            }
        }
        // Only loops as small as these are certain to be unrolled; an index unknown at compile time would force the
        // sums into memory.
        if MODE == FULL {
            for s in 0..S {
                let out = a.out.add(lo[s].image * a.out_image + lo[s].pixel);
                for (r, sums) in sums.iter().enumerate() {
                    T::store(out.add(r * a.out_plane), sums[s]);
                }
            }
            return;
        }
        let mut stored = [[[0.0f32; 16]; S]; R];
        for (stored, sums) in stored.iter_mut().zip(&sums) {
            for s in 0..S {
                T::store(stored[s].as_mut_ptr(), sums[s]);
            }
        }
        for s in 0..S {
            let to_lo = a.out.add(lo[s].image * a.out_image + lo[s].pixel);
            let to_hi = a.out.add(hi[s].image * a.out_image + hi[s].pixel);
            for (r, stored) in stored.iter().enumerate() {
                let (from, to_lo, to_hi) = (stored[s].as_ptr(), to_lo.add(r * a.out_plane), to_hi.add(r * a.out_plane));
                if MODE == HALVES {
                    T::store_halves(to_lo, to_hi, T::load(from));
                } else {
                    std::ptr::copy_nonoverlapping(from, to_lo, a.unit_len);
                    std::ptr::copy_nonoverlapping(from.add(T::L / 2), to_hi, a.unit_len);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn conv_block<T: Lanes, const R: usize, const S: usize>(a: &ConvBlock) {
    // SAFETY: by the contract of the kernels.
    unsafe {
        match (a.halves, a.unit_len == T::L / 2) {
            (false, _) => conv_tiles::<T, R, S, FULL>(a),
            (true, true) => conv_tiles::<T, R, S, HALVES>(a),
            (true, false) => conv_tiles::<T, R, S, PARTIAL>(a),
        }
    }
}

#[inline(always)]
unsafe fn conv_tiles<T: Lanes, const R: usize, const S: usize, const MODE: u8>(a: &ConvBlock) {
    let per_vector = if MODE == FULL { 1 } else { 2 };
    let vectors = a.units.len().div_ceil(per_vector);
    // Past the end, the last unit is repeated: the same values are stored twice.
    let unit = |i: usize| a.units[i.min(a.units.len() - 1)];
    let mut v = 0;
    // SAFETY: by the contract of the kernels.
    unsafe {
        while v < vectors {
            if R == 8 && v + S > vectors {
                // Eight channels saturate the arithmetic units even with one vector.
                let (lo, hi) = (unit(v * per_vector), unit(v * per_vector + 1));
                conv_tile::<T, R, 1, MODE>(a, [lo], [hi]);
                v += 1;
            } else {
                let lo = std::array::from_fn(|s| unit((v + s) * per_vector));
                let hi = std::array::from_fn(|s| unit((v + s) * per_vector + 1));
                conv_tile::<T, R, S, MODE>(a, lo, hi);
                v += S;
            }
        }
    }
}

/// Vectors of pixels per run: their gradients (8 channels × 2.5 kB) stay in the L1 cache for all input channels.
const RUN: usize = 40;

#[inline(always)]
unsafe fn weight_gradient<T: Lanes, const R: usize, const HALVES: bool>(a: &WeightGradient) {
    let per_vector = if HALVES { 2 } else { 1 };
    let vectors = a.windows.len() / per_vector;
    let runs = vectors.div_ceil(RUN);
    // SAFETY: by the contract of the kernels, the planes contain each window, and `sums` and `out` have the documented
    // sizes.
    unsafe {
        for run in 0..runs {
            let windows = &a.windows[per_vector * (run * vectors / runs)..per_vector * ((run + 1) * vectors / runs)];
            let mut at = a.sums;
            for channel in 0..a.channels_in {
                for ky in 0..3 {
                    let x = a.x.add(channel * a.plane + ky * a.row);
                    let mut sums = [[T::zero(); 3]; R];
                    if run > 0 {
                        for r in 0..R {
                            for kx in 0..3 {
                                sums[r][kx] = T::load(at.add((r * 3 + kx) * T::L));
                            }
                        }
                    }
                    for window in windows.chunks_exact(per_vector) {
                        let load = |p: *const f32| {
                            if HALVES {
                                T::load_halves(p.add(window[0]), p.add(window[per_vector - 1]))
                            } else {
                                T::load(p.add(window[0]))
                            }
                        };
                        let x = [load(x), load(x.add(1)), load(x.add(2))];
                        for r in 0..R {
                            let d = load(a.dy.add(r * a.plane + a.row + 1));
                            for kx in 0..3 {
                                sums[r][kx] = T::fma(d, x[kx], sums[r][kx]);
                            }
                        }
                    }
                    for r in 0..R {
                        for kx in 0..3 {
                            T::store(at.add((r * 3 + kx) * T::L), sums[r][kx]);
                        }
                    }
                    at = at.add(R * 3 * T::L);
                }
            }
        }
        let n = a.channels_in * 9 * R;
        let put = |i: usize, sum: f32| {
            let out = a.out.add(i);
            *out = if a.add { *out + sum } else { sum };
        };
        for i in (0..n - n % 4).step_by(4) {
            for (j, sum) in T::sum4(a.sums.add(i * T::L)).into_iter().enumerate() {
                put(i + j, sum);
            }
        }
        for i in n - n % 4..n {
            put(i, T::sum(T::load(a.sums.add(i * T::L))));
        }
    }
}

#[inline(always)]
unsafe fn pad(p: &Padding, dst: *mut f32, src: *const f32, mask: Option<*const f32>, stride: usize) {
    let row = p.w + 1;
    // SAFETY: by the contract of the kernels, there are `images` planes of h × w at `src` (and at the mask) and `plane`
    // floats at `dst`, which contain the `images * (rows + 1) + 1` rows written here.
    unsafe {
        for image in 0..p.images {
            // Row j contains image row first + j - 1; the zero row above an image is the one below the previous image.
            for j in usize::from(image > 0)..p.rows + 2 {
                let to = dst.add((image * (p.rows + 1) + j) * row);
                *to = 0.0;
                let to = std::slice::from_raw_parts_mut(to.add(1), p.w);
                let y = p.first + j;
                if y == 0 || y > p.h {
                    to.fill(0.0);
                    continue;
                }
                let at = image * stride + (y - 1) * p.w;
                let from = std::slice::from_raw_parts(src.add(at), p.w);
                match mask {
                    None => to.copy_from_slice(from),
                    Some(mask) => {
                        let mask = std::slice::from_raw_parts(mask.add(at), p.w);
                        for ((to, from), mask) in to.iter_mut().zip(from).zip(mask) {
                            *to = if *mask <= 0.0 { 0.0 } else { *from };
                        }
                    }
                }
            }
        }
        let end = (p.images * (p.rows + 1) + 1) * row;
        std::slice::from_raw_parts_mut(dst.add(end), p.plane - end).fill(0.0);
    }
}

#[inline(always)]
unsafe fn sum<T: Lanes>(p: *const f32, n: usize) -> f32 {
    // SAFETY: by the contract of the kernels, there are n vectors at `p`.
    unsafe {
        let mut sums = [T::zero(); 4];
        for i in 0..n / 4 {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = T::add(*sum, T::load(p.add((4 * i + k) * T::L)));
            }
        }
        for i in n - n % 4..n {
            sums[0] = T::add(sums[0], T::load(p.add(i * T::L)));
        }
        T::sum(T::add(T::add(sums[0], sums[2]), T::add(sums[1], sums[3])))
    }
}

/// Defines the kernels of a level: `blocks` lists (channels, vectors) of the tiles, chosen for the registers of the
/// level.
macro_rules! kernels_of {
    ($level:ident, $lanes:ty, $(features $features:literal,)? largest $block:literal, blocks $(($r:literal, $s:literal))+) => {
        mod $level {
            use super::*;
            pub static KERNELS: Kernels =
                Kernels { lanes: <$lanes>::L, block: $block, conv, weight_gradient, pad, sum };

            $(#[target_feature(enable = $features)])?
            unsafe fn conv(r: usize, a: &ConvBlock) {
                // SAFETY: by the contract of `Kernels`.
                unsafe {
                    match r {
                        $($r => super::conv_block::<$lanes, $r, $s>(a),)+
                        _ => unreachable!("blocks are cut with `block`"),
                    }
                }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn weight_gradient(r: usize, a: &WeightGradient) {
                // SAFETY: by the contract of `Kernels`.
                unsafe {
                    match (r, a.halves) {
                        $(($r, false) => super::weight_gradient::<$lanes, $r, false>(a),
                        ($r, true) => super::weight_gradient::<$lanes, $r, true>(a),)+
                        _ => unreachable!("blocks are cut with `block`"),
                    }
                }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pad(p: &Padding, dst: *mut f32, src: *const f32, mask: Option<*const f32>, stride: usize) {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::pad(p, dst, src, mask, stride) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sum(p: *const f32, n: usize) -> f32 {
                // SAFETY: by the contract of `Kernels`.
                unsafe { super::sum::<$lanes>(p, n) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels_of!(avx512, crate::simd::x86::Avx512, features "avx512f,avx2,fma", largest 8,
    blocks (8, 3) (4, 4) (2, 6) (1, 6));
#[cfg(target_arch = "x86_64")]
kernels_of!(avx2, crate::simd::x86::Avx2, features "avx2,fma", largest 4, blocks (4, 2) (2, 4) (1, 6));
kernels_of!(portable, Portable, largest 4, blocks (4, 2) (2, 4) (1, 6));
