//! Perpetual v2: what an account is worth and what is asked of it, to the last unit.
//!
//! Source: perpetual-protocol/perp-curie-contract 2.8.4, `Vault.sol` (`_getFreeCollateralByRatio`,
//! `_getNonSettlementTokenValue`), `AccountBalance.sol` (`getPnlAndPendingFee`, `getTotalDebtValue`,
//! `getMarginRequirementForLiquidation`, `_getMarkPrice`), `OrderBook.sol` (`_getTotalTokenAmountInPool`).
//! Values have 18 decimals, ratios are millionths; products are rounded toward zero.
//!
//! ```text
//! mark            median of the pool's price over 15 s, over the market interval, and index + premium
//! position        taker's size + base in orders - base that the orders were given
//! collateral      settlement balance + realised + fees - funding + Σ other collateral × ratio
//! account value   collateral + Σ position × mark + quote - quote that the orders were given
//! maintenance     Σ |position × mark| × maintenance ratio; liquidated where the account value, cut to whole
//!                 units of the settlement token, is below
//! initial         (base owed × mark + net quote owed) × initial ratio, against the lesser of
//!                 collateral and account value
//! ```

mod document;

pub(super) use document::of_document;

use super::Sum;
use super::uniswap_v3::{amount0, amount1, mul_div, sqrt_ratio_at};
use crate::Error;
use crate::num::signed::{add, mul_div_truncated, sub};
use crate::num::{U256, fixed};

const WAD: i128 = 1_000_000_000_000_000_000;
const MILLION: i128 = 1_000_000;
const DECIMALS: u32 = 18;
/// `AccountBalance._DUST`: a smaller position is none.
const DUST: u128 = 10;

/// Liquidity of an account between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Of the pool.
    pub liquidity: u128,
    /// Where it begins.
    pub lower_tick: i32,
    /// Where it ends.
    pub upper_tick: i32,
    /// What it was given of base.
    pub base_debt: i128,
    /// What it was given of quote.
    pub quote_debt: i128,
}

/// A market and an account's part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    /// The pool's √price × 2⁹⁶ now.
    pub sqrt_price: U256,
    /// The same on average: over 15 seconds, over the market interval, over the premium interval.
    pub sqrt_averages: [U256; 3],
    /// The index price now, and on average over the premium interval.
    pub index: [i128; 2],
    /// `takerPositionSize`.
    pub size: i128,
    /// `takerOpenNotional`.
    pub open_notional: i128,
    /// The account's orders.
    pub orders: Vec<Order>,
}

/// Collateral other than the settlement token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collateral {
    /// Token units.
    pub amount: U256,
    /// Of the token.
    pub decimals: u32,
    /// In settlement tokens.
    pub price: U256,
    /// Of the price.
    pub price_decimals: u32,
    /// What part of it counts, in millionths.
    pub ratio: u32,
}

/// An account with all that its margin rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Settlement token units deposited.
    pub balance: i128,
    /// Of the settlement token.
    pub decimals: u32,
    /// Profits realised and not yet settled.
    pub owed_realized_pnl: i128,
    /// Fees its orders have earned.
    pub pending_fee: i128,
    /// Funding it has to pay.
    pub pending_funding: i128,
    /// Those it is in.
    pub markets: Vec<Market>,
    /// Those it has.
    pub collaterals: Vec<Collateral>,
    /// Initial and maintenance, in millionths.
    pub ratios: [u32; 2],
}

/// What a market comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketValue {
    /// `getMarkPrice`.
    pub mark: i128,
    /// `getTotalPositionSize`.
    pub position: i128,
    /// `getTotalPositionValue`.
    pub value: i128,
    /// Quote received or (negative) paid, that in orders included.
    pub quote: i128,
    base_owed: i128,
    taker_quote: i128,
}

/// What an account comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// By market, in their order.
    pub markets: Vec<MarketValue>,
    /// Settlement tokens with what is realised, earned and owed in funding.
    pub settlement: i128,
    /// All collateral.
    pub collateral: i128,
    /// Collateral with profits and losses that are not realised.
    pub account_value: i128,
    /// `getTotalDebtValue`.
    pub debt: i128,
    /// Free collateral's two sides: what counts and what is asked.
    pub initial: Sum,
    /// `ClearingHouse.getAccountValue` and what it must not be below.
    pub maintenance: Sum,
}

impl Account {
    /// Values and requirements.
    ///
    /// # Errors
    /// [`Error::Overflow`] where a number leaves its bits, [`Error::Refused`] where the contract would
    /// revert.
    pub fn standing(&self) -> Result<Standing, Error> {
        let markets: Vec<MarketValue> = self
            .markets
            .iter()
            .map(Market::value)
            .collect::<Result<_, _>>()?;
        let running = sub(self.pending_fee, self.pending_funding)?;
        let settlement = add(
            scaled(self.balance, self.decimals)?,
            add(running, self.owed_realized_pnl)?,
        )?;
        let others = total(self.collaterals.iter().map(Collateral::value))?;
        let collateral = add(others, settlement)?;
        let values = total(markets.iter().map(|one| Ok(one.value)))?;
        let quotes = total(markets.iter().map(|one| Ok(one.quote)))?;
        let account_value = add(collateral, add(values, quotes)?)?;
        let exposure = total(markets.iter().map(|one| Ok(one.value.abs())))?;
        let debt = debt_of(&markets)?;
        let [initial, maintenance] = self.ratios.map(i128::from);
        Ok(Standing {
            settlement,
            collateral,
            account_value,
            debt,
            initial: Sum {
                collateral: collateral.min(account_value),
                requirement: mul_div_truncated(debt, initial, MILLION)?,
            },
            maintenance: Sum {
                collateral: whole(account_value, self.decimals)?,
                requirement: mul_div_truncated(exposure, maintenance, MILLION)?,
            },
            markets,
        })
    }
}

/// `getTotalDebtValue`: base owed at mark, and quote owed over all markets together.
fn debt_of(markets: &[MarketValue]) -> Result<i128, Error> {
    let bases = total(
        markets
            .iter()
            .map(|one| value_at(one.base_owed.min(0), one.mark)),
    )?;
    let quotes = total(markets.iter().map(|one| Ok(one.taker_quote)))?;
    sub(0, add(bases, quotes.min(0))?)
}

impl Market {
    fn value(&self) -> Result<MarketValue, Error> {
        let mark = self.mark()?;
        let base_debt = total(self.orders.iter().map(|order| Ok(order.base_debt)))?;
        let quote_debt = total(self.orders.iter().map(|order| Ok(order.quote_debt)))?;
        let in_orders = total(self.orders.iter().map(|one| one.base(self.sqrt_price)))?;
        let quote_in_orders = total(self.orders.iter().map(|one| one.quote(self.sqrt_price)))?;
        let position = add(sub(in_orders, base_debt)?, self.size)?;
        let is_dust = position.unsigned_abs() < DUST;
        let position = if is_dust { 0 } else { position };
        Ok(MarketValue {
            mark,
            position,
            value: value_at(position, mark)?,
            quote: add(self.open_notional, sub(quote_in_orders, quote_debt)?)?,
            base_owed: sub(self.size, base_debt)?,
            taker_quote: sub(self.open_notional, quote_debt)?,
        })
    }

    /// `_getMarkPrice`.
    fn mark(&self) -> Result<i128, Error> {
        let [now, market, premium] = self.sqrt_averages;
        let [index, index_average] = self.index;
        let with_premium = add(index, sub(price(premium)?, index_average)?)?;
        if with_premium < 0 {
            return Err(Error::refused("the index with its premium is below zero"));
        }
        let mut three = [price(now)?, price(market)?, with_premium];
        three.sort_unstable();
        Ok(three[1])
    }
}

impl Order {
    /// Base in the order at a price.
    fn base(&self, sqrt_price: U256) -> Result<i128, Error> {
        let (lower, upper) = self.ends()?;
        if sqrt_price >= upper {
            return Ok(0);
        }
        narrow(amount0(
            sqrt_price.max(lower),
            upper,
            self.liquidity,
            false,
        )?)
    }

    /// Quote in the order at a price.
    fn quote(&self, sqrt_price: U256) -> Result<i128, Error> {
        let (lower, upper) = self.ends()?;
        if sqrt_price <= lower {
            return Ok(0);
        }
        narrow(amount1(
            lower,
            sqrt_price.min(upper),
            self.liquidity,
            false,
        )?)
    }

    fn ends(&self) -> Result<(U256, U256), Error> {
        Ok((
            sqrt_ratio_at(self.lower_tick)?,
            sqrt_ratio_at(self.upper_tick)?,
        ))
    }
}

impl Collateral {
    /// `_getCollateralValue` × the collateral's ratio.
    fn value(&self) -> Result<i128, Error> {
        let unit = power(self.price_decimals)?;
        let value = if self.decimals > DECIMALS {
            mul_div(self.amount, self.price, unit, false)? / power(self.decimals - DECIMALS)?
        } else {
            let amount = self.amount.checked_mul(power(DECIMALS - self.decimals)?);
            mul_div(amount.ok_or(overflow())?, self.price, unit, false)?
        };
        mul_div_truncated(narrow(value)?, self.ratio.into(), MILLION)
    }
}

/// √price × 2⁹⁶ as a price of 18 decimals, each step rounded down.
fn price(sqrt: U256) -> Result<i128, Error> {
    let one = U256::ONE << 96;
    narrow(mul_div(
        mul_div(sqrt, sqrt, one, false)?,
        fixed::WAD,
        one,
        false,
    )?)
}

/// Token units with 18 decimals.
fn scaled(amount: i128, decimals: u32) -> Result<i128, Error> {
    amount.checked_mul(unit_of(decimals)?).ok_or(overflow())
}

/// A value rounded down to what whole token units are worth.
fn whole(value: i128, decimals: u32) -> Result<i128, Error> {
    scaled(value.div_euclid(unit_of(decimals)?), decimals)
}

/// One token unit, with 18 decimals.
fn unit_of(decimals: u32) -> Result<i128, Error> {
    let up = DECIMALS
        .checked_sub(decimals)
        .ok_or_else(|| Error::refused("the settlement token has more than 18 decimals"))?;
    10_i128.checked_pow(up).ok_or(overflow())
}

fn value_at(amount: i128, mark: i128) -> Result<i128, Error> {
    mul_div_truncated(amount, mark, WAD)
}

fn total(amounts: impl Iterator<Item = Result<i128, Error>>) -> Result<i128, Error> {
    amounts
        .into_iter()
        .try_fold(0, |sum, amount| add(sum, amount?))
}

fn power(decimals: u32) -> Result<U256, Error> {
    U256::from(10)
        .checked_pow(U256::from(decimals))
        .ok_or(overflow())
}

fn narrow(number: U256) -> Result<i128, Error> {
    i128::try_from(number).map_err(|_| overflow())
}

fn overflow() -> Error {
    Error::Overflow {
        operation: "Perpetual's amounts in 127 bits",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i128 = WAD;

    fn market(size: i128, open_notional: i128) -> Market {
        let at_four = U256::ONE << 97;
        Market {
            sqrt_price: at_four,
            sqrt_averages: [at_four; 3],
            index: [4 * ONE, 4 * ONE],
            size,
            open_notional,
            orders: vec![],
        }
    }

    fn account(markets: Vec<Market>) -> Account {
        Account {
            balance: 100_000_000,
            decimals: 6,
            owed_realized_pnl: 0,
            pending_fee: 0,
            pending_funding: ONE,
            markets,
            collaterals: vec![],
            ratios: [100_000, 62_500],
        }
    }

    #[test]
    fn a_long_owes_quote_and_a_short_owes_base() -> Result<(), Error> {
        let long = account(vec![market(10 * ONE, -50 * ONE)]).standing()?;
        assert_eq!(
            long.account_value,
            89 * ONE,
            "100 - 1 of funding - 10 of loss"
        );
        assert_eq!(long.maintenance.requirement, ONE * 5 / 2, "40 × 6.25 %");
        assert_eq!(long.debt, 50 * ONE);
        assert_eq!(long.initial.collateral, 89 * ONE);
        let short = account(vec![market(-10 * ONE, 50 * ONE)]).standing()?;
        assert_eq!(short.account_value, 109 * ONE);
        assert_eq!(short.debt, 40 * ONE);
        assert_eq!(
            short.initial.collateral,
            99 * ONE,
            "a gain that is not realised is no margin"
        );
        Ok(())
    }

    #[test]
    fn the_mark_is_the_middle_one_of_three() -> Result<(), Error> {
        let with_premium = |index: i128| Market {
            index: [index, 4 * ONE],
            sqrt_averages: [U256::ONE << 97, U256::ONE << 96, U256::ONE << 97],
            ..market(ONE, 0)
        };
        assert_eq!(with_premium(9 * ONE).mark()?, 4 * ONE);
        assert_eq!(with_premium(2 * ONE).mark()?, 2 * ONE);
        assert_eq!(with_premium(0).mark()?, ONE);
        assert!(with_premium(-ONE).mark().is_err());
        Ok(())
    }

    #[test]
    fn what_is_owed_in_quote_nets_over_markets_and_what_is_owed_in_base_does_not()
    -> Result<(), Error> {
        let both = account(vec![
            market(10 * ONE, -50 * ONE),
            market(-10 * ONE, 40 * ONE),
        ]);
        assert_eq!(both.standing()?.debt, 50 * ONE, "10 of quote, 40 of base");
        let dust = account(vec![market(9, 0)]).standing()?;
        assert_eq!(dust.markets[0].position, 0);
        Ok(())
    }
}
