//! The index against a full revaluation.

use super::HealthIndex;
use super::thresholds::status;
use crate::Error;
use crate::book::columnar::{Results, evaluate_into};

/// An account whose status is not what the index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Its id.
    pub id: u64,
    /// What the index holds.
    pub held: u8,
    /// What a full revaluation finds.
    pub found: u8,
}

impl HealthIndex {
    /// Prices every row from the coordinates alone, evaluates every account into `results` (at a loss
    /// factor of 0), and lists those whose status is not what the index holds: none, as the proof says.
    ///
    /// # Errors
    /// None in practice: the market was checked when it was told.
    pub fn audit(&self, results: &mut Results) -> Result<Vec<Difference>, Error> {
        if self.book.ids().is_empty() {
            return Ok(Vec::new());
        }
        let matrix = self.market.priced_anew()?;
        evaluate_into(&self.book, &matrix, 0.0, &self.workers, results)?;
        let values = results.excess.iter().zip(&results.worst_pnl);
        let found = values.map(|(&value, &worst)| status(&self.thresholds, value, worst));
        let held = self.of_account.status.iter().copied().zip(found);
        let differing = held
            .enumerate()
            .filter(|&(row, (held, found))| held != found && !self.of_account.is_removed[row]);
        Ok(differing
            .map(|(row, (held, found))| Difference {
                id: self.book.ids()[row],
                held,
                found,
            })
            .collect())
    }
}
