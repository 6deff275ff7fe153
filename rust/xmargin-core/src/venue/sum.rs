//! What a venue asks of an account, and what the account has for it.

use crate::Error;
use crate::num::U256;
use crate::num::signed::{add, health_wad};

/// Collateral and requirement, in the venue's units of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// May be negative where losses count against it.
    pub collateral: i128,
    /// Never negative.
    pub requirement: i128,
}

impl Sum {
    /// ⌊collateral ÷ requirement⌋ as a wad; `None` where nothing is required.
    ///
    /// # Errors
    /// As [`health_wad`].
    pub fn health_wad(&self) -> Result<Option<U256>, Error> {
        health_wad(self.collateral, self.requirement)
    }

    pub(super) fn add_collateral(&mut self, amount: i128) -> Result<(), Error> {
        self.collateral = add(self.collateral, amount)?;
        Ok(())
    }

    pub(super) fn add_requirement(&mut self, amount: i128) -> Result<(), Error> {
        self.requirement = add(self.requirement, amount)?;
        Ok(())
    }
}
