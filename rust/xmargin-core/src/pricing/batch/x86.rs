//! Four and eight lanes on x86-64: AVX2 with FMA, and AVX-512.
#![expect(
    unsafe_code,
    reason = "vector intrinsics; sound because a vector only comes to be behind a detected feature"
)]

use std::arch::x86_64::{
    __m256d, __m256i, __m512d, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_MANT_NORM_1_2,
    _MM_MANT_SIGN_ZERO, _mm_cvtsi32_si128, _mm_cvtsi64_si128, _mm256_add_epi64, _mm256_add_pd,
    _mm256_and_pd, _mm256_andnot_pd, _mm256_castpd_si256, _mm256_castsi256_pd,
    _mm256_cvtepu8_epi64, _mm256_div_pd, _mm256_fmadd_pd, _mm256_loadu_pd, _mm256_max_pd,
    _mm256_min_pd, _mm256_mul_pd, _mm256_or_pd, _mm256_set1_pd, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_storeu_pd, _mm256_sub_pd, _mm256_xor_pd, _mm512_abs_pd,
    _mm512_add_pd, _mm512_and_pd, _mm512_castsi512_pd, _mm512_cvtepu8_epi64, _mm512_div_pd,
    _mm512_fmadd_pd, _mm512_getexp_pd, _mm512_getmant_pd, _mm512_loadu_pd, _mm512_max_pd,
    _mm512_min_pd, _mm512_mul_pd, _mm512_roundscale_pd, _mm512_scalef_pd, _mm512_set1_pd,
    _mm512_slli_epi64, _mm512_storeu_pd, _mm512_sub_pd, _mm512_xor_pd,
};
use std::ops::{Add, Div, Mul, Sub};

use super::kernel::{Job, run};
use super::lanes::{EXPONENT_MIN, Lanes, MANTISSA_MASK, ROUNDER, TWO_POW_52, first, write};
use crate::pricing::OptionKind;

/// Four lanes; computed with only inside [`run_avx2`].
#[derive(Clone, Copy)]
struct Avx2(__m256d);

/// Eight lanes; computed with only inside [`run_avx512`].
#[derive(Clone, Copy)]
struct Avx512(__m512d);

/// Whether [`run_avx2`] may be called.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Whether [`run_avx512`] may be called.
pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")
}

/// Prices `job` with AVX2 and FMA. The caller has seen [`has_avx2`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn run_avx2<J: Job>(job: &J, values: &mut [f64]) {
    run::<Avx2, J>(job, values);
}

/// Prices `job` with AVX-512. The caller has seen [`has_avx512`].
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn run_avx512<J: Job>(job: &J, values: &mut [f64]) {
    run::<Avx512, J>(job, values);
}

/// An intrinsic on vectors of this file.
macro_rules! intrinsic {
    ($name:ident($($argument:expr),*)) => {
        // SAFETY: a vector of this file exists only inside `run_avx2` and `run_avx512`, whose callers
        // have detected the features that the intrinsic needs.
        unsafe { $name($($argument),*) }
    };
}

macro_rules! operators {
    ($Vector:ident, $add:ident, $sub:ident, $mul:ident, $div:ident) => {
        operators!(@one $Vector, Add, add, $add);
        operators!(@one $Vector, Sub, sub, $sub);
        operators!(@one $Vector, Mul, mul, $mul);
        operators!(@one $Vector, Div, div, $div);
    };
    (@one $Vector:ident, $Trait:ident, $method:ident, $intrinsic:ident) => {
        impl $Trait for $Vector {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(intrinsic!($intrinsic(self.0, other.0)))
            }
        }
    };
}

operators!(
    Avx2,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd
);
operators!(
    Avx512,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd
);

impl Avx2 {
    #[inline(always)]
    fn bits(self) -> __m256i {
        intrinsic!(_mm256_castpd_si256(self.0))
    }

    #[inline(always)]
    fn from_bits(bits: __m256i) -> Self {
        Self(intrinsic!(_mm256_castsi256_pd(bits)))
    }
}

impl Lanes for Avx2 {
    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(intrinsic!(_mm256_set1_pd(value)))
    }

    #[inline(always)]
    fn load<const FULL: bool>(values: &[f64]) -> Self {
        let values: [f64; 4] = first::<_, _, FULL>(values, 1.0);
        // The array holds the four values that are read.
        Self(intrinsic!(_mm256_loadu_pd(values.as_ptr())))
    }

    #[inline(always)]
    fn load_signs<const FULL: bool>(kinds: &[OptionKind]) -> Self {
        let bytes = first::<_, 4, FULL>(kinds, OptionKind::Call).map(|kind| kind as u8);
        let bytes = intrinsic!(_mm_cvtsi32_si128(i32::from_le_bytes(bytes)));
        let wide = intrinsic!(_mm256_cvtepu8_epi64(bytes));
        // SAFETY: as in `intrinsic`.
        Self::from_bits(unsafe { _mm256_slli_epi64::<63>(wide) })
    }

    #[inline(always)]
    fn store<const FULL: bool>(self, values: &mut [f64]) {
        let mut array = [0.0; 4];
        // The array has room for the four values that are written.
        intrinsic!(_mm256_storeu_pd(array.as_mut_ptr(), self.0));
        write::<_, FULL>(array, values);
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(intrinsic!(_mm256_fmadd_pd(self.0, factor.0, addend.0)))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(intrinsic!(_mm256_min_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(intrinsic!(_mm256_max_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(intrinsic!(_mm256_andnot_pd(Self::splat(-0.0).0, self.0)))
    }

    #[inline(always)]
    fn sign(self) -> Self {
        Self(intrinsic!(_mm256_and_pd(Self::splat(-0.0).0, self.0)))
    }

    #[inline(always)]
    fn flip_sign(self, sign: Self) -> Self {
        Self(intrinsic!(_mm256_xor_pd(self.0, sign.0)))
    }

    #[inline(always)]
    fn exponent(self) -> Self {
        // SAFETY: as in `intrinsic`.
        let shifted = Self::from_bits(unsafe { _mm256_srli_epi64::<52>(self.bits()) });
        Self(intrinsic!(_mm256_or_pd(
            shifted.0,
            Self::splat(TWO_POW_52).0
        )))
    }

    #[inline(always)]
    fn mantissa(self) -> Self {
        let mask = Self::splat(f64::from_bits(MANTISSA_MASK));
        let digits = intrinsic!(_mm256_and_pd(self.0, mask.0));
        Self(intrinsic!(_mm256_or_pd(digits, Self::splat(1.0).0)))
    }

    #[inline(always)]
    fn round(self) -> Self {
        self + Self::splat(ROUNDER) - Self::splat(ROUNDER)
    }

    #[inline(always)]
    fn times_power_of_two(self, whole: Self) -> Self {
        let exponent = whole.max(Self::splat(EXPONENT_MIN)) + Self::splat(ROUNDER);
        // SAFETY: as in `intrinsic`.
        let shifted = unsafe { _mm256_slli_epi64::<52>(exponent.bits()) };
        Self::from_bits(intrinsic!(_mm256_add_epi64(self.bits(), shifted)))
    }
}

impl Lanes for Avx512 {
    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(intrinsic!(_mm512_set1_pd(value)))
    }

    #[inline(always)]
    fn load<const FULL: bool>(values: &[f64]) -> Self {
        let values: [f64; 8] = first::<_, _, FULL>(values, 1.0);
        // The array holds the eight values that are read.
        Self(intrinsic!(_mm512_loadu_pd(values.as_ptr())))
    }

    #[inline(always)]
    fn load_signs<const FULL: bool>(kinds: &[OptionKind]) -> Self {
        let bytes = first::<_, 8, FULL>(kinds, OptionKind::Call).map(|kind| kind as u8);
        let bytes = intrinsic!(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)));
        let wide = intrinsic!(_mm512_cvtepu8_epi64(bytes));
        // SAFETY: as in `intrinsic`.
        let signs = unsafe { _mm512_slli_epi64::<63>(wide) };
        Self(intrinsic!(_mm512_castsi512_pd(signs)))
    }

    #[inline(always)]
    fn store<const FULL: bool>(self, values: &mut [f64]) {
        let mut array = [0.0; 8];
        // The array has room for the eight values that are written.
        intrinsic!(_mm512_storeu_pd(array.as_mut_ptr(), self.0));
        write::<_, FULL>(array, values);
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(intrinsic!(_mm512_fmadd_pd(self.0, factor.0, addend.0)))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_min_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(intrinsic!(_mm512_max_pd(self.0, other.0)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(intrinsic!(_mm512_abs_pd(self.0)))
    }

    #[inline(always)]
    fn sign(self) -> Self {
        Self(intrinsic!(_mm512_and_pd(self.0, Self::splat(-0.0).0)))
    }

    #[inline(always)]
    fn flip_sign(self, sign: Self) -> Self {
        Self(intrinsic!(_mm512_xor_pd(self.0, sign.0)))
    }

    #[inline(always)]
    fn exponent(self) -> Self {
        Self(intrinsic!(_mm512_getexp_pd(self.0)))
    }

    #[inline(always)]
    fn mantissa(self) -> Self {
        // SAFETY: as in `intrinsic`.
        Self(unsafe { _mm512_getmant_pd::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        // SAFETY: as in `intrinsic`.
        Self(unsafe { _mm512_roundscale_pd::<NEAREST>(self.0) })
    }

    #[inline(always)]
    fn times_power_of_two(self, whole: Self) -> Self {
        Self(intrinsic!(_mm512_scalef_pd(self.0, whole.0)))
    }
}
