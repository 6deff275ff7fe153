//! Marks and scenario P&L by row, laid out for the kernels.

use super::accounts::{fault, moderate, same_length};
use super::kernel::{LANES, Row, Tiles, narrow};
use super::{ROWS_MAX, SCENARIOS_MAX};
use crate::Error;

/// The mark of each row and its P&L in each scenario, USD a unit, in `f64` and in `f32`.
///
/// Scenarios stand in tiles of [`LANES`]; lanes without a scenario repeat the first of their tile,
/// so that they can tie with a worst scenario but never come before it.
pub struct ScenarioMatrix {
    scenarios: usize,
    pub(super) double: Tiles<f64>,
    pub(super) single: Tiles<f32>,
    pub(super) mark: Vec<f64>,
    /// The largest |P&L| of each row over the scenarios.
    pub(super) pnl_max: Vec<f64>,
}

impl ScenarioMatrix {
    /// A checked matrix; `pnl` is by row, then by scenario.
    ///
    /// # Errors
    /// [`Error::Input`] naming the row of `matrix` at fault: a number that is not finite or beyond
    /// [`MAGNITUDE_MAX`](super::MAGNITUDE_MAX), or a column of another length.
    pub fn new(scenarios: usize, mark: &[f64], pnl: &[f64]) -> Result<Self, Error> {
        let rows = mark.len();
        if scenarios == 0 || scenarios > SCENARIOS_MAX {
            let problem = format!("is of {scenarios} scenarios; there are 1 to {SCENARIOS_MAX}");
            return Err(fault("matrix", "pnl", None, problem));
        }
        if rows == 0 || rows > ROWS_MAX {
            return Err(fault(
                "matrix",
                "mark",
                None,
                format!("is of {rows} rows; there are 1 to {ROWS_MAX}"),
            ));
        }
        same_length("matrix", "pnl", pnl.len(), rows * scenarios)?;
        moderate("matrix", "mark", mark)?;
        // Row numbers in the message are of the matrix, not of the flat column.
        moderate("matrix", "pnl", pnl).map_err(|_| first_fault(scenarios, pnl))?;
        Ok(Self::laid_out(scenarios, mark, pnl))
    }

    fn laid_out(scenarios: usize, mark: &[f64], pnl: &[f64]) -> Self {
        let double = |from: usize| {
            let of_tile = from..scenarios.min(from + LANES);
            let rows = pnl.chunks_exact(scenarios).map(|row| {
                let mut lanes = Row([row[from]; LANES]);
                lanes.0[..of_tile.len()].copy_from_slice(&row[of_tile.clone()]);
                lanes
            });
            rows.collect::<Vec<_>>()
        };
        let double = Tiles {
            first: double(0),
            further: (LANES..scenarios).step_by(LANES).map(double).collect(),
        };
        let single = Tiles {
            first: narrowed(&double.first),
            further: double.further.iter().map(|tile| narrowed(tile)).collect(),
        };
        let largest = |row: &[f64]| row.iter().fold(0.0, |most: f64, pnl| most.max(pnl.abs()));
        Self {
            scenarios,
            double,
            single,
            mark: mark.to_vec(),
            pnl_max: pnl.chunks_exact(scenarios).map(largest).collect(),
        }
    }

    /// Writes a row anew: its mark, and its P&L by scenario, all within
    /// [`MAGNITUDE_MAX`](super::MAGNITUDE_MAX).
    pub(crate) fn set_row(&mut self, row: usize, mark: f64, pnl: &[f64]) {
        let mut pnl_max: f64 = 0.0;
        for (number, of_tile) in pnl.chunks(LANES).enumerate() {
            let mut lanes = Row([of_tile[0]; LANES]);
            lanes.0[..of_tile.len()].copy_from_slice(of_tile);
            pnl_max = of_tile
                .iter()
                .fold(pnl_max, |most, pnl| most.max(pnl.abs()));
            let (double, single) = match number.checked_sub(1) {
                None => (&mut self.double.first, &mut self.single.first),
                Some(further) => (
                    &mut self.double.further[further],
                    &mut self.single.further[further],
                ),
            };
            single[row] = Row(lanes.0.map(narrow));
            double[row] = lanes;
        }
        (self.mark[row], self.pnl_max[row]) = (mark, pnl_max);
    }

    /// How many scenarios there are.
    #[must_use]
    pub fn scenarios(&self) -> usize {
        self.scenarios
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.mark.len()
    }

    /// The mark of a row, if there is such a row.
    #[must_use]
    pub fn mark(&self, row: usize) -> Option<f64> {
        self.mark.get(row).copied()
    }

    /// The P&L of a row in a scenario, if there are such.
    #[must_use]
    pub fn pnl(&self, row: usize, scenario: usize) -> Option<f64> {
        let there = scenario < self.scenarios && row < self.rows();
        there.then(|| {
            let tile = match scenario / LANES {
                0 => &self.double.first,
                number => &self.double.further[number - 1],
            };
            tile[row].0[scenario % LANES]
        })
    }
}

fn narrowed(tile: &[Row<f64>]) -> Vec<Row<f32>> {
    tile.iter().map(|row| Row(row.0.map(narrow))).collect()
}

fn first_fault(scenarios: usize, pnl: &[f64]) -> Error {
    let at = pnl
        .iter()
        .position(|&pnl| !super::is_moderate(pnl))
        .unwrap_or_default();
    let problem = format!(
        "{:?} in scenario {} is not a number within ±1e15",
        pnl[at],
        at % scenarios
    );
    Error::row("matrix", "pnl", at / scenarios, problem)
}
