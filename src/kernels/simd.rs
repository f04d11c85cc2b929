//! Vectors of `f32` at three instruction levels, selected at run time.
//!
//! Hazard: an AVX-512 instruction on a processor without it terminates the program, which must run on every x86-64 and
//! ARM machine. Remedy: a [`Level`] can only be obtained from this file, which queries the processor first; the code of
//! a level is compiled in separate functions (`#[target_feature]`), which are called only through a [`Level`].

use std::sync::OnceLock;

/// Environment variable that lowers the level (`avx512`, `avx2`, `portable`), for tests and timings.
pub const LEVEL_VARIABLE: &str = "PTYCHOSCOPE_SIMD";

/// Instruction level of the kernels. Only levels supported by this machine can be obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Level {
    /// All levels of this machine, fastest first; the last is always the portable one.
    pub fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            if is_x86_feature_detected!("avx512f") {
                levels.push(Self(Kind::Avx512));
            }
            levels.push(Self(Kind::Avx2));
        }
        levels.push(Self(Kind::Portable));
        levels
    }

    /// Level in use: the fastest of this machine, or the one named by [`LEVEL_VARIABLE`] if the machine supports it.
    pub fn current() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let wanted = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
            let levels = Self::available();
            let named = levels.iter().find(|level| level.name() == wanted);
            named.or(levels.first()).copied().unwrap_or(Self(Kind::Portable))
        })
    }

    /// Name as used in [`LEVEL_VARIABLE`].
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            Kind::Portable => "portable",
        }
    }

    pub(super) fn kind(self) -> Kind {
        self.0
    }

    /// Level for images of `width` pixels: rows shorter than 16 pixels do not fill 16 lanes.
    pub(super) fn for_width(self, width: usize) -> Self {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 if width < 16 => Self(Kind::Avx2), // available() grants AVX-512 only together with AVX2
            _ => self,
        }
    }
}

/// Defines `fn $name(level, ...)`, which calls `$body(...)` compiled separately for each level.
/// `$body` must be `#[inline(always)]` and take plain arguments; the compiler vectorizes it.
macro_rules! compiled_for_each_level {
    ($(#[$doc:meta])* fn $name:ident = $body:ident($($arg:ident: $ty:ty),* $(,)?)) => {
        $(#[$doc])*
        fn $name(level: $crate::simd::Level, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512($($arg: $ty),*) {
                $body($($arg),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) {
                $body($($arg),*);
            }
            match level.kind() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a `Level` exists only on machines with its instructions.
                $crate::simd::Kind::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::simd::Kind::Avx2 => unsafe { avx2($($arg),*) },
                $crate::simd::Kind::Portable => $body($($arg),*),
            }
        }
    };
}
pub(super) use compiled_for_each_level;

/// A vector of [`Lanes::L`] `f32`.
///
/// # Safety
/// The instructions of the implementor must be available, and pointers must be valid for `L` (halves: `L / 2` each,
/// `sum4`: `4 L`) consecutive `f32`; no alignment is required.
pub(super) trait Lanes: Copy {
    type V: Copy;
    const L: usize;
    unsafe fn zero() -> Self::V;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    unsafe fn load_halves(lo: *const f32, hi: *const f32) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    unsafe fn store_halves(lo: *mut f32, hi: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `max(v, 0)`; NaN is preserved, so that divergence is noticed.
    unsafe fn relu(v: Self::V) -> Self::V;
    unsafe fn sum(v: Self::V) -> f32;
    /// Sums of the four vectors stored at `p`.
    unsafe fn sum4(p: *const f32) -> [f32; 4];
}

/// Square blocks of numbers that are transposed in registers.
///
/// # Safety
/// The instructions of the implementor must be available; `from` and `mask` must be valid for SIDE rows of SIDE
/// consecutive `f32` each, `from_step` apart, and `to` for SIDE rows `to_step` apart; no alignment is required.
pub(super) trait Square {
    const SIDE: usize;
    /// Copies a block with rows and columns exchanged.
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize);
    /// As `transpose`, with zeros where the mask is not positive; values with a NaN mask are kept.
    unsafe fn transpose_masked(from: *const f32, mask: *const f32, from_step: usize, to: *mut f32, to_step: usize);
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::{Lanes, Square};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Avx512;

    impl Lanes for Avx512 {
        type V = __m512;
        const L: usize = 16;
        #[inline(always)]
        unsafe fn zero() -> __m512 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm512_setzero_ps() }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m512 {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn load_halves(lo: *const f32, hi: *const f32) -> __m512 {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe {
                let lo = _mm512_castpd256_pd512(_mm256_loadu_pd(lo.cast()));
                _mm512_castpd_ps(_mm512_insertf64x4::<1>(lo, _mm256_loadu_pd(hi.cast())))
            }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m512) {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe { _mm512_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn store_halves(lo: *mut f32, hi: *mut f32, v: __m512) {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe {
                let v = _mm512_castps_pd(v);
                _mm256_storeu_pd(lo.cast(), _mm512_castpd512_pd256(v));
                _mm256_storeu_pd(hi.cast(), _mm512_extractf64x4_pd::<1>(v));
            }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn relu(v: __m512) -> __m512 {
            // SAFETY: instructions available, by the contract of the trait.
            // If an operand is NaN, the result is the second operand.
            unsafe { _mm512_max_ps(_mm512_setzero_ps(), v) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m512) -> f32 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm512_reduce_add_ps(v) }
        }
        #[inline(always)]
        unsafe fn sum4(p: *const f32) -> [f32; 4] {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe {
                let fold = |a, b| _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xEE>(a, b));
                let ab = fold(Self::load(p), Self::load(p.add(16)));
                let cd = fold(Self::load(p.add(32)), Self::load(p.add(48)));
                // Four blocks of four lanes, one block per vector.
                let v = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xDD>(ab, cd));
                let v = _mm512_add_ps(v, _mm512_permute_ps::<0b1011_0001>(v));
                let v = _mm512_add_ps(v, _mm512_permute_ps::<0b0100_1110>(v));
                let mut out = [0.0; 4];
                _mm_storeu_ps(out.as_mut_ptr(), _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, v)));
                out
            }
        }
    }

    /// Stores eight rows of eight as columns.
    ///
    /// # Safety
    /// AVX2 must be available, and `to` valid for 8 rows `to_step` apart of 8 floats each.
    #[inline(always)]
    pub unsafe fn transpose8(row: impl Fn(usize) -> __m256, to: *mut f32, to_step: usize) {
        // SAFETY: AVX2 is available and the rows at `to` are valid, by the contract of this function.
        unsafe {
            let v: [__m256; 8] = std::array::from_fn(row);
            let pairs: [__m256; 8] = std::array::from_fn(|i| {
                let (a, b) = (v[i / 2 * 2], v[i / 2 * 2 + 1]);
                if i % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
            });
            // Columns 0, 4 | 1, 5 | 2, 6 | 3, 7 of four rows.
            let fours: [__m256; 8] = std::array::from_fn(|i| {
                let (a, b) = (pairs[i / 4 * 4 + i % 4 / 2], pairs[i / 4 * 4 + i % 4 / 2 + 2]);
                if i % 2 == 0 { _mm256_shuffle_ps::<0x44>(a, b) } else { _mm256_shuffle_ps::<0xEE>(a, b) }
            });
            for i in 0..4 {
                _mm256_storeu_ps(to.add(i * to_step), _mm256_permute2f128_ps::<0x20>(fours[i], fours[i + 4]));
                _mm256_storeu_ps(to.add((i + 4) * to_step), _mm256_permute2f128_ps::<0x31>(fours[i], fours[i + 4]));
            }
        }
    }

    #[derive(Clone, Copy)]
    pub struct Avx2;

    impl Lanes for Avx2 {
        type V = __m256;
        const L: usize = 8;
        #[inline(always)]
        unsafe fn zero() -> __m256 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm256_setzero_ps() }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m256 {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn load_halves(lo: *const f32, hi: *const f32) -> __m256 {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe { _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(_mm_loadu_ps(lo)), _mm_loadu_ps(hi)) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m256) {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe { _mm256_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn store_halves(lo: *mut f32, hi: *mut f32, v: __m256) {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe {
                _mm_storeu_ps(lo, _mm256_castps256_ps128(v));
                _mm_storeu_ps(hi, _mm256_extractf128_ps::<1>(v));
            }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn relu(v: __m256) -> __m256 {
            // SAFETY: instructions available, by the contract of the trait.
            unsafe { _mm256_max_ps(_mm256_setzero_ps(), v) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m256) -> f32 {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe {
                let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
                _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
            }
        }
        #[inline(always)]
        unsafe fn sum4(p: *const f32) -> [f32; 4] {
            // SAFETY: instructions available and pointers valid, by the contract of the trait.
            unsafe {
                let ab = _mm256_hadd_ps(Self::load(p), Self::load(p.add(8)));
                let cd = _mm256_hadd_ps(Self::load(p.add(16)), Self::load(p.add(24)));
                let v = _mm256_hadd_ps(ab, cd);
                let mut out = [0.0; 4];
                let sums = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                _mm_storeu_ps(out.as_mut_ptr(), sums);
                out
            }
        }
    }

    impl Square for Avx2 {
        const SIDE: usize = 8;
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
            // SAFETY: by the contract of the trait.
            unsafe { transpose8(|row| _mm256_loadu_ps(from.add(row * from_step)), to, to_step) }
        }
        #[inline(always)]
        unsafe fn transpose_masked(from: *const f32, mask: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
            // SAFETY: by the contract of the trait.
            unsafe {
                let row = |row: usize| {
                    let (v, mask) =
                        (_mm256_loadu_ps(from.add(row * from_step)), _mm256_loadu_ps(mask.add(row * from_step)));
                    _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(mask, _mm256_setzero_ps()), v)
                };
                transpose8(row, to, to_step);
            }
        }
    }
}

/// Plain Rust, vectorized by the compiler with the baseline instructions of the target (SSE2, NEON).
#[derive(Clone, Copy)]
pub(super) struct Portable;

const PORTABLE: usize = 4;

impl Lanes for Portable {
    type V = [f32; PORTABLE];
    const L: usize = PORTABLE;
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; PORTABLE]
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; PORTABLE]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        // SAFETY: the pointers are valid by the contract of the trait.
        unsafe { p.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_halves(lo: *const f32, hi: *const f32) -> Self::V {
        // SAFETY: the pointers are valid by the contract of the trait.
        unsafe {
            let (lo, hi) = (lo.cast::<[f32; 2]>().read_unaligned(), hi.cast::<[f32; 2]>().read_unaligned());
            [lo[0], lo[1], hi[0], hi[1]]
        }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: Self::V) {
        // SAFETY: the pointers are valid by the contract of the trait.
        unsafe { p.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_halves(lo: *mut f32, hi: *mut f32, v: Self::V) {
        // SAFETY: the pointers are valid by the contract of the trait.
        unsafe {
            lo.cast::<[f32; 2]>().write_unaligned([v[0], v[1]]);
            hi.cast::<[f32; 2]>().write_unaligned([v[2], v[3]]);
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // `mul_add` is one instruction on ARM, but a slow library call on baseline x86-64.
        if cfg!(target_arch = "aarch64") {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    unsafe fn relu(v: Self::V) -> Self::V {
        v.map(|x| if x < 0.0 { 0.0 } else { x })
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        (v[0] + v[2]) + (v[1] + v[3])
    }
    #[inline(always)]
    unsafe fn sum4(p: *const f32) -> [f32; 4] {
        // SAFETY: the pointers are valid by the contract of the trait.
        unsafe { std::array::from_fn(|i| Self::sum(Self::load(p.add(i * PORTABLE)))) }
    }
}

impl Square for Portable {
    const SIDE: usize = 4;
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        for i in 0..Self::SIDE * Self::SIDE {
            let (row, column) = (i % Self::SIDE, i / Self::SIDE);
            // SAFETY: inside the blocks that are valid by the contract of the trait.
            unsafe { *to.add(column * to_step + row) = *from.add(row * from_step + column) };
        }
    }
    #[inline(always)]
    unsafe fn transpose_masked(from: *const f32, mask: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        for i in 0..Self::SIDE * Self::SIDE {
            let (row, column) = (i % Self::SIDE, i / Self::SIDE);
            let at = row * from_step + column;
            // SAFETY: inside the blocks that are valid by the contract of the trait.
            unsafe { *to.add(column * to_step + row) = if *mask.add(at) <= 0.0 { 0.0 } else { *from.add(at) } };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_listed_fastest_first_and_end_with_the_portable_one() {
        let levels = Level::available();
        assert_eq!(levels.last().map(|l| l.name()), Some("portable"));
        let names: Vec<_> = levels.iter().map(|l| l.name()).collect();
        let order = ["avx512", "avx2", "portable"];
        let kept: Vec<_> = order.into_iter().filter(|n| names.contains(n)).collect();
        assert_eq!(names, kept);
        assert!(levels.contains(&Level::current()));
    }

    /// Checks every operation of a vector type on small integers, for which all are exact.
    ///
    /// # Safety
    /// The instructions of `T` must be available.
    unsafe fn check<T: Lanes>() {
        let values: Vec<f32> = (0..4 * T::L).map(|i| i as f32 - 5.0).collect();
        // SAFETY: the instructions are available by the contract of this function; all pointers stay inside their
        // vectors.
        unsafe {
            let mut out = vec![0.0; T::L];
            let get = |v: T::V, out: &mut Vec<f32>| {
                T::store(out.as_mut_ptr(), v);
                out.clone()
            };
            let (p, half) = (values.as_ptr(), T::L / 2);
            let v = T::load(p);
            assert_eq!(get(v, &mut out), values[..T::L]);
            let halves = T::load_halves(p.add(1), p.add(7));
            let expected = [&values[1..1 + half], &values[7..7 + half]].concat();
            assert_eq!(get(halves, &mut out), expected);
            let (mut lo, mut hi) = (vec![0.0; half], vec![0.0; half]);
            T::store_halves(lo.as_mut_ptr(), hi.as_mut_ptr(), halves);
            assert_eq!([lo, hi].concat(), expected);
            let fma = get(T::add(T::fma(v, T::splat(3.0), T::splat(1.0)), T::zero()), &mut out);
            assert_eq!(fma, values[..T::L].iter().map(|x| 3.0 * x + 1.0).collect::<Vec<_>>());
            assert_eq!(get(T::relu(v), &mut out), values[..T::L].iter().map(|x| x.max(0.0)).collect::<Vec<_>>());
            assert!(get(T::relu(T::splat(f32::NAN)), &mut out).iter().all(|x| x.is_nan()));
            let twice = get(T::sub(T::mul(v, T::splat(3.0)), v), &mut out);
            assert_eq!(twice, values[..T::L].iter().map(|x| 2.0 * x).collect::<Vec<_>>());
            let sums: Vec<f32> = values.chunks(T::L).map(|c| c.iter().sum()).collect();
            assert_eq!(T::sum(v), sums[0]);
            assert_eq!(T::sum4(p).to_vec(), sums);
        }
    }

    /// Transposes a block of longer rows, with and without a mask.
    ///
    /// # Safety
    /// The instructions of `S` must be available.
    unsafe fn check_square<S: Square>() {
        let (side, from_step, to_step) = (S::SIDE, S::SIDE + 3, S::SIDE + 1);
        let values: Vec<f32> = (0..side * from_step).map(|i| i as f32 + 1.0).collect();
        let mask: Vec<f32> = (0..side * from_step).map(|i| [1.0, 0.0, -1.0, f32::NAN][i % 4]).collect();
        let (mut plain, mut masked) = (vec![0.0; side * to_step], vec![0.0; side * to_step]);
        // SAFETY: the instructions are available by the contract of this function; all vectors hold `side` rows of at
        // least `side` numbers.
        unsafe {
            S::transpose(values.as_ptr(), from_step, plain.as_mut_ptr(), to_step);
            S::transpose_masked(values.as_ptr(), mask.as_ptr(), from_step, masked.as_mut_ptr(), to_step);
        }
        for (row, column) in (0..side).flat_map(|row| (0..side).map(move |column| (row, column))) {
            let at = row * from_step + column;
            assert_eq!(plain[column * to_step + row], values[at]);
            assert_eq!(masked[column * to_step + row], if mask[at] <= 0.0 { 0.0 } else { values[at] });
        }
    }

    #[test]
    fn every_vector_type_agrees_with_plain_numbers() {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn avx512() {
            // SAFETY: this function enables the instructions.
            unsafe { check::<x86::Avx512>() }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2() {
            // SAFETY: this function enables the instructions.
            unsafe {
                check::<x86::Avx2>();
                check_square::<x86::Avx2>();
            }
        }
        for level in Level::available() {
            match level.kind() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a `Level` exists only on machines with its instructions.
                Kind::Avx512 => unsafe { avx512() },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Kind::Avx2 => unsafe { avx2() },
                // SAFETY: no special instructions are needed.
                Kind::Portable => unsafe {
                    check::<Portable>();
                    check_square::<Portable>();
                },
            }
        }
    }
}
