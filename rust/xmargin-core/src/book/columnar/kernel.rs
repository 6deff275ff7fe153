//! One account times the matrix, on whatever vectors the machine has.

use super::matrix::ScenarioMatrix;

/// Scenarios of one tile: 27 to 32 of them are one pass.
pub(super) const LANES: usize = 32;

/// The P&L of one row in the scenarios of one tile; aligned to cache lines.
#[repr(align(64))]
pub(super) struct Row<T>(pub [T; LANES]);

/// Running sums of one tile, in the machine's vectors.
///
/// Each lane adds its products in the order of the calls: what a lane holds does not depend on how
/// many lanes a vector has. Whether a product is rounded before it is added is the machine's.
pub(super) trait Tile<T>: Copy {
    fn zero() -> Self;
    /// Adds `quantity` of a row.
    fn add(self, quantity: f64, row: &Row<T>) -> Self;
    /// The least lane; no lane is a NaN.
    fn least(self) -> T;
    /// The first lane equal to `least`, which is one of them.
    fn first(self, least: T) -> usize;
}

/// What one account comes to.
#[derive(Clone, Copy)]
pub(super) struct Worst<T> {
    pub pnl: T,
    pub scenario: usize,
}

/// The worst scenario of an account's entries; `matrix` is by tile, then by row, of which there are
/// `rows`.
#[inline(always)]
pub(super) fn worst<T, V>(
    matrix: &[Row<T>],
    rows: usize,
    (row, quantity): (&[u32], &[f64]),
) -> Worst<T>
where
    T: PartialOrd + Copy,
    V: Tile<T>,
{
    let mut worst: Option<Worst<T>> = None;
    for (number, tile) in matrix.chunks_exact(rows).enumerate() {
        let mut sums = V::zero();
        for (&row, &quantity) in row.iter().zip(quantity) {
            sums = sums.add(quantity, &tile[row as usize]);
        }
        let least = sums.least();
        if worst.is_none_or(|worst| least < worst.pnl) {
            worst = Some(Worst {
                pnl: least,
                scenario: number * LANES + sums.first(least),
            });
        }
    }
    worst.unwrap_or_else(|| Worst {
        pnl: V::zero().least(),
        scenario: 0,
    })
}

/// The value of an account at the marks: cash, then the rows in their order.
#[inline(always)]
pub(super) fn value(matrix: &ScenarioMatrix, cash: f64, (row, quantity): (&[u32], &[f64])) -> f64 {
    let mut value = cash;
    for (&row, &quantity) in row.iter().zip(quantity) {
        value += quantity * matrix.of_row[row as usize].mark;
    }
    value
}

macro_rules! baseline {
    ($T:ty, $narrow:expr) => {
        /// The baseline: the compiler makes of it what every machine has. No fused multiply-add,
        /// which is a library call where the machine has none.
        impl Tile<$T> for [$T; LANES] {
            #[inline(always)]
            fn zero() -> Self {
                [0.0; LANES]
            }

            #[inline(always)]
            fn add(mut self, quantity: f64, row: &Row<$T>) -> Self {
                let quantity: $T = $narrow(quantity);
                for (sum, pnl) in self.iter_mut().zip(&row.0) {
                    *sum += quantity * pnl;
                }
                self
            }

            #[inline(always)]
            fn least(self) -> $T {
                self.iter().fold(
                    <$T>::INFINITY,
                    |least, &lane| if lane < least { lane } else { least },
                )
            }

            #[inline(always)]
            fn first(self, least: $T) -> usize {
                self.iter()
                    .position(|&lane| lane <= least)
                    .unwrap_or_default()
            }
        }
    };
}

baseline!(f64, |quantity| quantity);
baseline!(f32, narrow);

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the rounding that `screen` bounds"
)]
pub(super) fn narrow(quantity: f64) -> f32 {
    quantity as f32
}
