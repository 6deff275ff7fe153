//! AVX2 with FMA, and AVX-512: how the machine spells what [`Tile`] asks for.
//!
//! The tiles are private; they come to life only inside the entry points below, which are compiled
//! for the features they need and called only where the machine has them.

#![expect(unsafe_code, reason = "vector intrinsics")]

use std::arch::x86_64::{
    __m256, __m256d, __m512, __m512d, _CMP_EQ_OQ, _mm256_cmp_pd, _mm256_cmp_ps, _mm256_fmadd_pd,
    _mm256_fmadd_ps, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_min_pd, _mm256_min_ps,
    _mm256_movemask_pd, _mm256_movemask_ps, _mm256_set1_pd, _mm256_set1_ps, _mm256_storeu_pd,
    _mm256_storeu_ps, _mm512_cmp_pd_mask, _mm512_cmp_ps_mask, _mm512_fmadd_pd, _mm512_fmadd_ps,
    _mm512_loadu_pd, _mm512_loadu_ps, _mm512_min_pd, _mm512_min_ps, _mm512_reduce_min_pd,
    _mm512_reduce_min_ps, _mm512_set1_pd, _mm512_set1_ps,
};

use super::evaluate::{AccountMargin, Block, Job};
use super::kernel::{LANES, Row, Tile, narrow};
use super::screen::Found;

#[inline(always)]
fn identity(quantity: f64) -> f64 {
    quantity
}

/// An intrinsic on the tiles of this file.
macro_rules! intrinsic {
    ($name:ident $(::<$constant:ident>)? ($($argument:expr),*)) => {
        // SAFETY: a tile of this file exists only inside the entry points, whose callers have detected
        // the features that the intrinsic needs. Pointers are of arrays as long as what is read.
        unsafe { $name$(::<$constant>)?($($argument),*) }
    };
}

macro_rules! tile {
    ($Tile:ident: $COUNT:literal of $Vector:ident, $lanes:literal x $T:ty, $narrow:ident,
     $splat:ident, $load:ident, $fused:ident, $min:ident,
     |$vector:ident| $reduce:expr, |$sum:ident, $wanted:ident| $equal:expr) => {
        #[derive(Clone, Copy)]
        struct $Tile([$Vector; $COUNT]);

        impl Tile<$T> for $Tile {
            #[inline(always)]
            fn zero() -> Self {
                Self([intrinsic!($splat(0.0)); $COUNT])
            }

            #[inline(always)]
            fn add(mut self, quantity: f64, row: &Row<$T>) -> Self {
                let quantity = intrinsic!($splat($narrow(quantity)));
                let (vectors, _) = row.0.as_chunks::<$lanes>();
                for (sum, pnl) in self.0.iter_mut().zip(vectors) {
                    *sum = intrinsic!($fused(quantity, $load(pnl.as_ptr()), *sum));
                }
                self
            }

            #[inline(always)]
            fn least(self) -> $T {
                let [first, rest @ ..] = self.0;
                let mut $vector = first;
                for sum in rest {
                    $vector = intrinsic!($min($vector, sum));
                }
                $reduce
            }

            #[inline(always)]
            fn first(self, least: $T) -> usize {
                let $wanted = intrinsic!($splat(least));
                let mut lanes = 0_u32;
                for (place, $sum) in self.0.into_iter().enumerate() {
                    let equal: u32 = $equal;
                    lanes |= equal << (place * $lanes);
                }
                lanes.trailing_zeros() as usize % LANES
            }
        }
    };
}

/// The least of a vector of four or eight, by way of memory.
macro_rules! least_stored {
    ($store:ident($vector:ident), $T:ty, $lanes:literal) => {{
        let mut lanes: [$T; $lanes] = [0.0; $lanes];
        intrinsic!($store(lanes.as_mut_ptr(), $vector));
        lanes.into_iter().fold(
            <$T>::INFINITY,
            |least, lane| if lane < least { lane } else { least },
        )
    }};
}

tile!(Avx512F64: 4 of __m512d, 8 x f64, identity, _mm512_set1_pd, _mm512_loadu_pd, _mm512_fmadd_pd,
    _mm512_min_pd, |vector| intrinsic!(_mm512_reduce_min_pd(vector)),
    |sum, wanted| u32::from(intrinsic!(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(sum, wanted))));
tile!(Avx512F32: 2 of __m512, 16 x f32, narrow, _mm512_set1_ps, _mm512_loadu_ps, _mm512_fmadd_ps,
    _mm512_min_ps, |vector| intrinsic!(_mm512_reduce_min_ps(vector)),
    |sum, wanted| u32::from(intrinsic!(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(sum, wanted))));
tile!(Avx2F64: 8 of __m256d, 4 x f64, identity, _mm256_set1_pd, _mm256_loadu_pd, _mm256_fmadd_pd,
    _mm256_min_pd, |vector| least_stored!(_mm256_storeu_pd(vector), f64, 4),
    |sum, wanted| intrinsic!(_mm256_movemask_pd(_mm256_cmp_pd::<_CMP_EQ_OQ>(sum, wanted))).cast_unsigned());
tile!(Avx2F32: 4 of __m256, 8 x f32, narrow, _mm256_set1_ps, _mm256_loadu_ps, _mm256_fmadd_ps,
    _mm256_min_ps, |vector| least_stored!(_mm256_storeu_ps(vector), f32, 8),
    |sum, wanted| intrinsic!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(sum, wanted))).cast_unsigned());

macro_rules! entry_points {
    ($features:literal, $block:ident, $account:ident, $screen:ident, $Double:ident, $Single:ident) => {
        #[target_feature(enable = $features)]
        pub(super) fn $block(job: &Job<'_>, block: &mut Block<'_>) {
            job.block::<$Double>(block);
        }

        #[target_feature(enable = $features)]
        pub(super) fn $account(job: &Job<'_>, account: usize) -> AccountMargin {
            job.one::<$Double>(account)
        }

        #[target_feature(enable = $features)]
        pub(super) fn $screen(job: &Job<'_>, from: usize, to: usize) -> Found {
            job.screened::<$Single, $Double>(from, to)
        }
    };
}

entry_points!(
    "avx2,fma",
    block_avx2,
    account_avx2,
    screen_avx2,
    Avx2F64,
    Avx2F32
);
entry_points!(
    "avx512f,avx512dq",
    block_avx512,
    account_avx512,
    screen_avx512,
    Avx512F64,
    Avx512F32
);
