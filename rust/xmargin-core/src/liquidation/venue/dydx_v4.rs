//! dYdX v4 liquidations: bankruptcy price, fillable price, what the insurance fund gets or gives.
//!
//! Source: dydxprotocol/v4-chain, `protocol/x/clob/keeper/liquidations.go` (`GetFillablePrice`,
//! `GetBankruptcyPriceInQuoteQuantums`, `GetLiquidationInsuranceFundDelta`), `x/perpetuals/lib` and
//! `lib/quantums.go`. Of a position of size PS, with notional N and maintenance requirement M, in an
//! account of collateral TNC and requirement TMMR, closed by δ:
//!
//! ```text
//! bankruptcy  -ΔN - ⌊TNC × |ΔM| ÷ TMMR⌋                        quote for δ; never leaves less
//! fillable    (N - ABR × SMMR × M) ÷ PS                        a rational price
//! ABR         BA × (1 - TNC ÷ TMMR), within [0, 1]
//! ```
//! Notional rounds towards zero; requirements round up, the initial before the maintenance.
//!
//! No liquidation lowers TNC ÷ TMMR: the account gets at least the bankruptcy price, at which
//! TNC' ≥ TNC × TMMR' ÷ TMMR. Block limits and the chain's random choice of position are not here.

use super::{Legs, Proposal, Verdict};
use crate::Error;
use crate::num::U256;
use crate::num::fixed;
use crate::num::signed::{
    add, floor_mul_div, health_wad, is_lower_ratio, mul, mul_div_ceil, mul_div_truncated, sub,
};

const MILLION: i128 = 1_000_000;

/// A perpetual position with its market's price and margins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Base quantums; negative: short.
    pub quantums: i128,
    /// Oracle price.
    pub price: i128,
    /// Quote quantums are `quantums × price × 10^exponent`.
    pub exponent: i32,
    /// Initial margin in millionths of the notional.
    pub initial_margin_ppm: i128,
    /// Maintenance margin in millionths of the initial one.
    pub maintenance_fraction_ppm: i128,
}

/// A subaccount with the chain's liquidation parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Quote quantums; negative: owed.
    pub quote: i128,
    /// Its positions.
    pub positions: Vec<Position>,
    /// BA, in millionths.
    pub bankruptcy_adjustment_ppm: i128,
    /// SMMR, in millionths.
    pub spread_to_maintenance_ppm: i128,
    /// The most the insurance fund takes of what is traded.
    pub fee_max_ppm: i128,
}

/// Net collateral and maintenance requirement in quote quantums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Risk {
    collateral: i128,
    requirement: i128,
}

impl Position {
    fn with(&self, quantums: i128) -> Self {
        Self { quantums, ..*self }
    }

    fn notional(&self) -> Result<i128, Error> {
        let value = mul(self.quantums, self.price)?;
        let power = 10_i128
            .checked_pow(self.exponent.unsigned_abs())
            .ok_or(Error::Overflow {
                operation: "power of ten",
            })?;
        if self.exponent < 0 {
            Ok(value / power)
        } else {
            mul(value, power)
        }
    }

    fn requirement(&self) -> Result<i128, Error> {
        let notional = self.notional()?.saturating_abs();
        let initial = mul_div_ceil(notional, self.initial_margin_ppm, MILLION)?;
        mul_div_ceil(initial, self.maintenance_fraction_ppm, MILLION)
    }
}

impl Account {
    fn risk(&self) -> Result<Risk, Error> {
        let mut risk = Risk {
            collateral: self.quote,
            requirement: 0,
        };
        for position in &self.positions {
            risk.collateral = add(risk.collateral, position.notional()?)?;
            risk.requirement = add(risk.requirement, position.requirement()?)?;
        }
        Ok(risk)
    }

    fn position(&self, at: usize) -> Result<&Position, Error> {
        self.positions.get(at).ok_or(Error::Overflow {
            operation: "number of the position",
        })
    }

    /// The quote for closing `delta` of a position below which the account would be bankrupt:
    /// positive to be received, negative to be paid; rounded up.
    ///
    /// # Errors
    /// [`Error::Overflow`] when nothing is required or a product does not fit.
    pub fn bankruptcy_quote(&self, at: usize, delta: i128) -> Result<i128, Error> {
        let (risk, position) = (self.risk()?, self.position(at)?);
        let rest = position.with(add(position.quantums, delta)?);
        let notional_change = sub(rest.notional()?, position.notional()?)?;
        let freed = sub(position.requirement()?, rest.requirement()?)?;
        let share = floor_mul_div(risk.collateral, freed, risk.requirement)?;
        sub(sub(0, notional_change)?, share)
    }

    /// Quote quantums a base quantum, as numerator and denominator: the price at which the chain
    /// offers a position.
    ///
    /// # Errors
    /// As [`Account::bankruptcy_quote`].
    pub fn fillable_price(&self, at: usize) -> Result<(U256, U256), Error> {
        let (risk, position) = (self.risk()?, self.position(at)?);
        let magnitude = |value: i128| U256::from(value.unsigned_abs());
        let missing = magnitude(sub(risk.requirement, risk.collateral)?.max(0));
        let whole = fixed::mul(magnitude(risk.requirement), magnitude(MILLION))?;
        let rating = fixed::mul(missing, magnitude(self.bankruptcy_adjustment_ppm))?.min(whole);
        let spread_max = fixed::mul(
            magnitude(position.requirement()?),
            magnitude(self.spread_to_maintenance_ppm),
        )?;
        let spread = fixed::mul(rating, spread_max)?;
        let unit = fixed::mul(whole, magnitude(MILLION))?;
        let notional = fixed::mul(magnitude(position.notional()?), unit)?;
        let quote = if position.quantums > 0 {
            fixed::sub(notional, spread)?
        } else {
            fixed::add(notional, spread)?
        };
        Ok((quote, fixed::mul(unit, magnitude(position.quantums))?))
    }
}

/// What closing `size` quantums of position `at` does, or the whole of the position that requires
/// most, which is the first of several.
///
/// The price is the fillable one; what the insurance fund takes is `fee`, what it gives is the
/// deficit.
///
/// # Errors
/// [`Error::Overflow`] where an amount does not fit.
pub fn propose(account: &Account, chosen: Option<(usize, i128)>) -> Result<Proposal, Error> {
    let before = account.risk()?;
    let health = health_wad(before.collateral, before.requirement)?;
    if before.requirement <= 0 || before.collateral >= before.requirement {
        return Ok(Proposal::without_legs(Verdict::NotDue, health));
    }
    let (at, size) = match chosen {
        Some(chosen) => chosen,
        None => largest(account)?,
    };
    let held = account.positions.get(at).copied();
    let Some(position) = held.filter(|held| size > 0 && size <= held.quantums.saturating_abs())
    else {
        let verdict = Verdict::Refused("the position is smaller than the size to close");
        return Ok(Proposal::without_legs(verdict, health));
    };
    let delta = mul(-position.quantums.signum(), size)?;
    let (traded, fund) = settlement(account, at, delta)?;
    let mut after = account.clone();
    after.positions[at].quantums = add(position.quantums, delta)?;
    after.quote = sub(add(account.quote, traded)?, fund)?;
    let rest = after.risk()?;
    let is_toxic = is_lower_ratio(
        (before.collateral, before.requirement),
        (rest.collateral, rest.requirement),
    );
    let amount = |value: i128| U256::from(value.unsigned_abs());
    Ok(Proposal {
        verdict: Verdict::proposed_unless(is_toxic),
        health_before_wad: health,
        health_after_wad: health_wad(rest.collateral, rest.requirement)?,
        legs: Some(Legs {
            closes: at,
            takes: None,
            cover: amount(size),
            repaid: amount(size),
            seized: amount(traded),
            fee: amount(fund.max(0)),
            deficits: Vec::from_iter((fund < 0).then(|| (at, amount(fund)))),
        }),
    })
}

fn largest(account: &Account) -> Result<(usize, i128), Error> {
    let mut found = (0, 0, -1);
    for (at, position) in account.positions.iter().enumerate() {
        let requirement = position.requirement()?;
        if requirement > found.2 {
            found = (at, position.quantums.saturating_abs(), requirement);
        }
    }
    Ok((found.0, found.1))
}

/// Quote received (negative: paid) at the fillable price, rounded against the account, and what the
/// insurance fund takes of it (negative: gives).
fn settlement(account: &Account, at: usize, delta: i128) -> Result<(i128, i128), Error> {
    let (quote, quantums) = account.fillable_price(at)?;
    let size = U256::from(delta.unsigned_abs());
    let signed = |value: U256| {
        i128::try_from(value).map_err(|_| Error::Overflow {
            operation: "quote quantums",
        })
    };
    let traded = if delta < 0 {
        signed(fixed::mul_div_floor(size, quote, quantums)?)?
    } else {
        -signed(fixed::mul_div_ceil(size, quote, quantums)?)?
    };
    let above_bankruptcy = sub(traded, account.bankruptcy_quote(at, delta)?)?;
    let fee_max = mul_div_truncated(traded.saturating_abs(), account.fee_max_ppm, MILLION)?;
    Ok((traded, above_bankruptcy.min(fee_max)))
}

#[cfg(test)]
mod tests {
    //! The literal numbers of upstream's `TestGetBankruptcyPriceInQuoteQuantums` and
    //! `TestGetFillablePrice`.

    use super::*;

    const DOLLAR: i128 = 1_000_000;

    fn btc(quantums: i128) -> Position {
        // 50,000 dollars a coin of 10^8 quantums: 500 quote quantums each.
        Position {
            quantums,
            price: 5_000_000_000,
            exponent: -7,
            initial_margin_ppm: 200_000,
            maintenance_fraction_ppm: 500_000,
        }
    }

    fn eth(quantums: i128) -> Position {
        Position {
            price: 3_000_000_000,
            exponent: -9,
            ..btc(quantums)
        }
    }

    fn account(dollars: i128, positions: &[Position]) -> Account {
        Account {
            quote: dollars * DOLLAR,
            positions: positions.to_vec(),
            bankruptcy_adjustment_ppm: 1_000_000,
            spread_to_maintenance_ppm: 100_000,
            fee_max_ppm: 5_000,
        }
    }

    #[test]
    fn bankruptcy_prices_are_those_of_upstream() -> Result<(), Error> {
        let tenth = 10_000_000;
        let cases = [
            (account(-4_501, &[btc(tenth)]), 0, -tenth, 4_501_000_000),
            (account(5_499, &[btc(-tenth)]), 0, tenth, -5_499_000_000),
            (account(-5_000, &[btc(tenth)]), 0, -tenth, 5_000_000_000),
            (account(-5_000, &[btc(tenth)]), 0, -tenth / 2, 2_500_000_000),
            (account(5_000, &[btc(-tenth)]), 0, tenth / 2, -2_500_000_000),
            (account(5_000, &[btc(-tenth)]), 0, tenth, -5_000_000_000),
            (account(-5_100, &[btc(tenth)]), 0, -tenth, 5_100_000_000),
            (account(4_900, &[btc(-tenth)]), 0, tenth, -4_900_000_000),
            (account(-13, &[btc(10 * tenth)]), 0, -21_347, 2_776),
            (account(13, &[btc(-10 * tenth)]), 0, 21_347, -2_775),
            (account(1, &[btc(10 * tenth)]), 0, -10 * tenth, -1_000_000),
        ];
        for (account, at, delta, quote) in cases {
            assert_eq!(account.bankruptcy_quote(at, delta)?, quote, "{account:?}");
        }
        Ok(())
    }

    #[test]
    fn bankruptcy_prices_of_several_positions_are_those_of_upstream() -> Result<(), Error> {
        let (btc_part, eth_part) = (400_000, 100_000_000);
        let longs = account(-490, &[btc(btc_part), eth(eth_part)]);
        assert_eq!(longs.bankruptcy_quote(1, -eth_part)?, 294_000_000);
        let shorts = account(510, &[btc(-btc_part), eth(-eth_part)]);
        assert_eq!(shorts.bankruptcy_quote(1, eth_part)?, -306_000_000);
        let mixed = account(110, &[btc(btc_part), eth(-eth_part)]);
        assert_eq!(mixed.bankruptcy_quote(1, eth_part)?, -306_000_000);
        Ok(())
    }

    #[test]
    fn fillable_prices_are_those_of_upstream() -> Result<(), Error> {
        let tenth = 10_000_000;
        let with = |adjustment, spread| Account {
            bankruptcy_adjustment_ppm: adjustment,
            spread_to_maintenance_ppm: spread,
            ..account(-4_501, &[btc(tenth)])
        };
        let short = |adjustment, spread| Account {
            bankruptcy_adjustment_ppm: adjustment,
            spread_to_maintenance_ppm: spread,
            ..account(5_499, &[btc(-tenth)])
        };
        let pair = [btc(400_000), eth(100_000_000)];
        let cases: [(Account, usize, u64, u64); 14] = [
            (with(1_000_000, 100_000), 0, 49_999, 100),
            (with(2_000_000, 100_000), 0, 49_998, 100),
            (with(1_000_000, 200_000), 0, 49_998, 100),
            (short(1_000_000, 100_000), 0, 50_001, 100),
            (short(2_000_000, 100_000), 0, 50_002, 100),
            (short(1_000_000, 200_000), 0, 50_002, 100),
            (account(-5_000, &[btc(tenth)]), 0, 495, 1),
            (account(5_000, &[btc(-tenth)]), 0, 505, 1),
            (account(-5_500, &[btc(tenth)]), 0, 495, 1),
            (account(4_500, &[btc(-tenth)]), 0, 505, 1),
            (account(-490, &pair), 1, 372, 125),
            (with(i128::from(u32::MAX), 100_000), 0, 495, 1),
            (with(1_000_000, 1), 0, 4_999_999_999, 10_000_000),
            (with(1_000_000, 1_000_000), 0, 49_990, 100),
        ];
        for (account, at, numerator, denominator) in cases {
            let (quote, quantums) = account.fillable_price(at)?;
            let (left, right) = (
                quote * U256::from(denominator),
                quantums * U256::from(numerator),
            );
            assert_eq!(left, right, "{account:?}");
        }
        Ok(())
    }
}
