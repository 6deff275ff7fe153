//! One account times the matrix, on whatever vectors the machine has.

#![expect(
    unsafe_code,
    reason = "rows are checked as accounts are loaded: again at each use costs a fifth of the step"
)]

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

/// The rows of a matrix by tile: the first, and those beyond [`LANES`] scenarios.
pub(super) struct Tiles<T> {
    pub first: Vec<Row<T>>,
    pub further: Vec<Vec<Row<T>>>,
}

/// [`Tiles`], borrowed.
#[derive(Clone, Copy)]
pub(super) struct TilesRef<'a, T> {
    first: &'a [Row<T>],
    further: &'a [Vec<Row<T>>],
}

impl<T> Tiles<T> {
    pub fn borrowed(&self) -> TilesRef<'_, T> {
        TilesRef {
            first: &self.first,
            further: &self.further,
        }
    }
}

impl<T> TilesRef<'_, T> {
    /// Whether all scenarios are in the first.
    pub fn is_one(&self) -> bool {
        self.further.is_empty()
    }
}

/// What a column has for a row.
///
/// # Safety
/// The column has the row.
#[inline(always)]
pub(super) unsafe fn of_row<T>(column: &[T], row: u32) -> &T {
    debug_assert!((row as usize) < column.len());
    // SAFETY: the caller's.
    unsafe { column.get_unchecked(row as usize) }
}

/// The worst scenario of an account's entries; `visit` sees each entry's row and quantity once.
/// `ONE_TILE` says that there are no further tiles.
///
/// # Safety
/// The tiles have every row of the entries.
#[inline(always)]
pub(super) unsafe fn worst<T, V, const ONE_TILE: bool>(
    tiles: TilesRef<'_, T>,
    (row, quantity): (&[u32], &[f64]),
    mut visit: impl FnMut(u32, f64),
) -> Worst<T>
where
    T: PartialOrd + Copy,
    V: Tile<T>,
{
    let mut sums = V::zero();
    for (&row, &quantity) in row.iter().zip(quantity) {
        // SAFETY: the caller's.
        sums = sums.add(quantity, unsafe { of_row(tiles.first, row) });
        visit(row, quantity);
    }
    let pnl = sums.least();
    let mut worst = Worst {
        pnl,
        scenario: sums.first(pnl),
    };
    if ONE_TILE {
        return worst;
    }
    for (number, tile) in tiles.further.iter().enumerate() {
        let mut sums = V::zero();
        for (&row, &quantity) in row.iter().zip(quantity) {
            sums = sums.add(quantity, &tile[row as usize]);
        }
        let pnl = sums.least();
        if pnl < worst.pnl {
            let scenario = (number + 1) * LANES + sums.first(pnl);
            worst = Worst { pnl, scenario };
        }
    }
    worst
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
