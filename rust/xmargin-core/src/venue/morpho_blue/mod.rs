//! Morpho Blue: a market's interest and whether a borrower is healthy, to the last unit.
//!
//! Source: morpho-org/morpho-blue 1.0.0, `Morpho.sol` (`_accrueInterest`, `_isHealthy`),
//! `MathLib.sol`, `SharesMathLib.sol`, and `MorphoBalancesLib.expectedMarketBalances`, which says the
//! same before the interest is added.
//!
//! ```text
//! interest   ⌊borrowed × (r·t + (r·t)²/2 + (r·t)³/6)⌋, each term rounded down; r: rate a second
//! assets     shares × (all assets + 1) ÷ (all shares + 10⁶); supply down, debt up
//! healthy    ⌊⌊collateral × price ÷ 10³⁶⌋ × LLTV⌋ ≥ debt
//! ```
//!
//! A market stands for itself: nothing in one secures a debt in another, and what is supplied to lend
//! secures nothing. `price` is the market's own oracle's. Products must fit 256 bits, as in the contract;
//! there, and where a total leaves 128 bits, the result is an [`Error`].

mod document;

pub(super) use document::of_document;

use super::Sum;
use crate::Error;
use crate::num::U256;
use crate::num::fixed::{WAD, add, mul, mul_div_ceil, mul_div_floor, sub};

/// `SharesMathLib.VIRTUAL_SHARES`.
const VIRTUAL_SHARES: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);
/// `SharesMathLib.VIRTUAL_ASSETS`.
const VIRTUAL_ASSETS: U256 = U256::ONE;
/// `ORACLE_PRICE_SCALE`, 10³⁶.
const PRICE_SCALE: U256 = U256::from_limbs([0xb34b_9f10_0000_0000, 0x00c0_97ce_7bc9_0715, 0, 0]);

/// A market as the contract stores it, with what its oracle and rate model say at a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// All loan token units supplied, interest added as of `updated_at_s`.
    pub supply_assets: U256,
    /// All shares of them.
    pub supply_shares: U256,
    /// All loan token units borrowed, interest added as of `updated_at_s`.
    pub borrow_assets: U256,
    /// All shares of them.
    pub borrow_shares: U256,
    /// When interest was last added.
    pub updated_at_s: U256,
    /// Of the interest, a wad.
    pub fee_wad: U256,
    /// Interest of one second, a wad (`IIrm.borrowRateView`); zero where the market has no model.
    pub borrow_rate_wad: U256,
    /// Liquidation loan-to-value, a wad.
    pub lltv_wad: U256,
    /// Loan token units of one collateral unit, times 10³⁶.
    pub price: U256,
}

/// One owner's part in a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Of what is lent.
    pub supply_shares: U256,
    /// Of what is owed.
    pub borrow_shares: U256,
    /// Collateral token units.
    pub collateral: U256,
}

/// What a position is worth in its market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Loan token units that the supply stands for.
    pub supplied: U256,
    /// Loan token units owed.
    pub borrowed: U256,
    /// Loan token units that the collateral is worth.
    pub collateral_value: U256,
    /// Loan token units that the collateral can secure.
    pub borrowable: U256,
}

impl Standing {
    /// `_isHealthy`: at equality it cannot be liquidated.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.borrowed.is_zero() || self.borrowable >= self.borrowed
    }

    /// What the collateral can secure against what is owed, in loan token units.
    ///
    /// # Errors
    /// [`Error::Overflow`] where a number leaves 127 bits.
    pub fn margin(&self) -> Result<Sum, Error> {
        Ok(Sum {
            collateral: narrow(self.borrowable)?,
            requirement: narrow(self.borrowed)?,
        })
    }
}

fn narrow(number: U256) -> Result<i128, Error> {
    i128::try_from(number).map_err(|_| Error::Overflow {
        operation: "a loan in 127 bits",
    })
}

impl Market {
    /// The market with interest added as of a block's time (`_accrueInterest`).
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert: the block is older than the market, or a
    /// total leaves its bits.
    pub fn at(&self, block_time_s: U256) -> Result<Self, Error> {
        let elapsed_s = sub(block_time_s, self.updated_at_s)?;
        let interest = mul_div_floor(
            self.borrow_assets,
            compounded(self.borrow_rate_wad, elapsed_s)?,
            WAD,
        )?;
        let supply_assets = total(self.supply_assets, interest)?;
        let fee = mul_div_floor(interest, self.fee_wad, WAD)?;
        let fee_shares = mul_div_floor(
            fee,
            add(self.supply_shares, VIRTUAL_SHARES)?,
            add(sub(supply_assets, fee)?, VIRTUAL_ASSETS)?,
        )?;
        Ok(Self {
            supply_assets,
            supply_shares: total(self.supply_shares, fee_shares)?,
            borrow_assets: total(self.borrow_assets, interest)?,
            updated_at_s: block_time_s,
            ..*self
        })
    }

    /// What a position is worth, without interest beyond what is added.
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert.
    pub fn standing(&self, position: &Position) -> Result<Standing, Error> {
        let quoted = mul_div_floor(position.collateral, self.price, PRICE_SCALE)?;
        Ok(Standing {
            supplied: mul_div_floor(
                position.supply_shares,
                add(self.supply_assets, VIRTUAL_ASSETS)?,
                add(self.supply_shares, VIRTUAL_SHARES)?,
            )?,
            borrowed: mul_div_ceil(
                position.borrow_shares,
                add(self.borrow_assets, VIRTUAL_ASSETS)?,
                add(self.borrow_shares, VIRTUAL_SHARES)?,
            )?,
            collateral_value: quoted,
            borrowable: mul_div_floor(quoted, self.lltv_wad, WAD)?,
        })
    }
}

/// `wTaylorCompounded`: the first three terms of e^(rate × time) - 1.
fn compounded(rate_wad: U256, elapsed_s: U256) -> Result<U256, Error> {
    let first = mul(rate_wad, elapsed_s)?;
    let second = mul_div_floor(first, first, WAD * U256::from(2))?;
    let third = mul_div_floor(second, first, WAD * U256::from(3))?;
    add(add(first, second)?, third)
}

/// A sum that the contract keeps in 128 bits.
fn total(before: U256, added: U256) -> Result<U256, Error> {
    let sum = add(before, added)?;
    if sum.bit_len() <= 128 {
        Ok(sum)
    } else {
        Err(Error::Overflow {
            operation: "a market total of 128 bits",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market() -> Market {
        Market {
            supply_assets: U256::from(1_000_000_u64),
            supply_shares: U256::from(1_000_000_000_000_u64),
            borrow_assets: U256::from(500_000),
            borrow_shares: U256::from(500_000_000_000_u64),
            updated_at_s: U256::from(100),
            fee_wad: WAD / U256::from(10),
            borrow_rate_wad: WAD / U256::from(1_000),
            lltv_wad: WAD / U256::from(2),
            price: PRICE_SCALE * U256::from(2),
        }
    }

    #[test]
    fn the_price_scale_is_ten_to_the_36() {
        assert_eq!(PRICE_SCALE, U256::from(10).pow(U256::from(36)));
    }

    #[test]
    fn interest_is_three_terms_of_the_exponential_and_the_fee_is_paid_in_shares()
    -> Result<(), Error> {
        let after = market().at(U256::from(200))?;
        // x = 0.1: 0.1 + 0.005 + 0.000166…, of 500,000.
        assert_eq!(after.borrow_assets, U256::from(552_583));
        assert_eq!(after.supply_assets, U256::from(1_052_583));
        // A tenth of the interest buys shares at the price without it.
        let expected =
            U256::from(5_258) * U256::from(1_000_001_000_000_u64) / U256::from(1_047_326);
        assert_eq!(after.supply_shares - market().supply_shares, expected);
        Ok(())
    }

    #[test]
    fn at_the_very_edge_a_position_is_healthy_and_one_unit_further_it_is_not() -> Result<(), Error>
    {
        let market = market();
        let position = |collateral: u64| Position {
            supply_shares: U256::ZERO,
            borrow_shares: U256::from(1_000_000_000_u64),
            collateral: U256::from(collateral),
        };
        // 1,000 units owed, rounded up; each unit of collateral secures 2 × 1/2 of one.
        assert_eq!(market.standing(&position(1))?.borrowed, U256::from(1_000));
        assert!(market.standing(&position(1_000))?.is_healthy());
        assert!(!market.standing(&position(999))?.is_healthy());
        Ok(())
    }

    #[test]
    fn a_block_before_the_market_and_totals_out_of_range_are_errors() {
        assert!(market().at(U256::from(99)).is_err());
        let full = Market {
            supply_assets: U256::from(u128::MAX),
            ..market()
        };
        assert!(full.at(U256::from(200)).is_err());
    }
}
