//! marginfi v2: weighted assets and liabilities of an account, to the last unit.
//!
//! Source: mrgnlabs/marginfi-v2, `state/marginfi_account.rs` (`calc_value`,
//! `calc_weighted_asset_value_standalone`, `calc_weighted_liab_value_standalone`,
//! `get_health_components`), `state/bank.rs` (`maybe_get_asset_weight_init_discount`) and
//! `state/emode.rs` (`reconcile_emode_configs`), as of IDL 0.1.8. All numbers are I80F48: integers in
//! units of 2⁻⁴⁸, each product and quotient rounded down; values are in dollars. Where the program
//! would refuse the account or overflow, the result is an [`Error`].
//!
//! ```text
//! value         (shares × share value) × weight × price ÷ 10^decimals
//! asset weight  the bank's, or the least that all debts' banks give its emode tag if that is more;
//!               initial: × limit ÷ all assets' value, where the bank is over its limit
//! ```
//!
//! Assets count at price - confidence, liabilities at price + confidence; initial margin takes the
//! time-weighted price, maintenance the price now. An account is liquidated when its maintenance
//! assets do not exceed its liabilities.

use super::Sum;
use crate::Error;
use crate::num::U256;
use crate::num::signed::{add, sub};

/// One in I80F48.
pub const ONE: i128 = 1 << FRACTION_BITS;
const FRACTION_BITS: usize = 48;
/// Balances of less than one token unit are nothing.
const EMPTY_BELOW: i128 = ONE;
/// 10²³ is the largest power of ten in I80F48.
const DECIMALS_MAX: u32 = 23;

/// The requirement that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To borrow, to withdraw.
    Initial,
    /// Not to be liquidated.
    Maintenance,
}

/// Initial and maintenance weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// At which risk may be taken.
    pub initial: i128,
    /// At which the account is liquidated.
    pub maintenance: i128,
}

impl Weights {
    fn of(&self, kind: Kind) -> i128 {
        match kind {
            Kind::Initial => self.initial,
            Kind::Maintenance => self.maintenance,
        }
    }
}

/// A price with the confidence that the program takes off or puts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Dollars of a whole token.
    pub price: i128,
    /// The same.
    pub confidence: i128,
}

/// A bank, as far as margin depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    /// Token units of one asset share.
    pub asset_share_value: i128,
    /// Token units of one liability share.
    pub liability_share_value: i128,
    /// Of the token.
    pub decimals: u32,
    /// Of assets.
    pub asset_weights: Weights,
    /// Of liabilities.
    pub liability_weights: Weights,
    /// Its assets secure nothing.
    pub is_isolated: bool,
    /// Its assets secure nothing new.
    pub is_reduce_only: bool,
    /// What kind of collateral it is, for emode; 0: none.
    pub emode_tag: u16,
    /// What its debtors' collateral of each tag weighs.
    pub emode: Vec<(u16, Weights)>,
    /// All asset shares.
    pub total_asset_shares: i128,
    /// All assets' value (whole dollars) from which on the initial weight falls; 0: never.
    pub initial_limit: i128,
    /// Time-weighted price; `None`: the program would find it stale.
    pub weighted_price: Option<Price>,
    /// Price now; `None`: the program would find it stale.
    pub price: Option<Price>,
}

/// An account's shares in one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The bank's place among those given.
    pub bank: usize,
    /// Asset shares.
    pub asset_shares: i128,
    /// Liability shares.
    pub liability_shares: i128,
}

/// Weighted assets (`collateral`) and liabilities (`requirement`) in I80F48 dollars.
///
/// # Errors
/// [`Error::Refused`] where the program would not compute it, [`Error::Overflow`] where it would
/// overflow, [`Error::Input`] where a bank is missing.
pub fn margin(balances: &[Balance], banks: &[Bank], kind: Kind) -> Result<Sum, Error> {
    let mut held = Vec::with_capacity(balances.len());
    for (row, balance) in balances.iter().enumerate() {
        let bank = banks.get(balance.bank).ok_or_else(|| {
            Error::row("balances", "bank", row, "names a bank that was not given")
        })?;
        held.push((balance, bank));
    }
    let emode = emode_of(
        held.iter()
            .filter(|(balance, _)| balance.liability_shares >= EMPTY_BELOW)
            .map(|(_, bank)| *bank),
    );
    let mut sum = Sum::default();
    for (balance, bank) in held {
        let is_debt = balance.liability_shares >= EMPTY_BELOW;
        let is_asset = balance.asset_shares >= EMPTY_BELOW;
        if is_debt && is_asset {
            return Err(Error::refused("a balance is asset and liability at once"));
        }
        if is_debt {
            sum.add_requirement(liability_value(balance.liability_shares, bank, kind)?)?;
        } else if is_asset {
            sum.add_collateral(asset_value(balance.asset_shares, bank, kind, &emode)?)?;
        }
    }
    Ok(sum)
}

/// Token units of each balance, a debt's negative: assets as they can be withdrawn, rounded down,
/// and debts as they must be repaid, rounded up.
///
/// # Errors
/// As [`margin`].
pub fn amounts(balances: &[Balance], banks: &[Bank]) -> Result<Vec<i128>, Error> {
    let of = |(row, balance): (usize, &Balance)| {
        let bank = banks.get(balance.bank).ok_or_else(|| {
            Error::row("balances", "bank", row, "names a bank that was not given")
        })?;
        let assets = product(balance.asset_shares, bank.asset_share_value)? >> FRACTION_BITS;
        let owed = product(balance.liability_shares, bank.liability_share_value)?;
        let debt = add(owed, ONE - 1)? >> FRACTION_BITS;
        sub(assets, debt)
    };
    balances.iter().enumerate().map(of).collect()
}

/// What all the banks of an account's debts grant together: tags that each of them names, at the
/// least of their weights (`reconcile_emode_configs`).
fn emode_of<'a>(debts: impl Iterator<Item = &'a Bank>) -> Vec<(u16, Weights)> {
    let granted = |bank: &Bank| -> Vec<(u16, Weights)> {
        bank.emode
            .iter()
            .filter(|(tag, _)| *tag != 0)
            .copied()
            .collect()
    };
    let mut common: Option<Vec<(u16, Weights)>> = None;
    for bank in debts {
        common = Some(match common {
            None => granted(bank),
            Some(before) => before
                .into_iter()
                .filter_map(|(tag, weights)| {
                    let (_, other) = bank.emode.iter().find(|(other, _)| *other == tag)?;
                    let least = Weights {
                        initial: weights.initial.min(other.initial),
                        maintenance: weights.maintenance.min(other.maintenance),
                    };
                    Some((tag, least))
                })
                .collect(),
        });
    }
    common.unwrap_or_default()
}

fn asset_value(
    shares: i128,
    bank: &Bank,
    kind: Kind,
    emode: &[(u16, Weights)],
) -> Result<i128, Error> {
    if bank.is_isolated || bank.is_reduce_only && kind == Kind::Initial {
        return Ok(0);
    }
    let price = match (kind, bank.weighted_price, bank.price) {
        (Kind::Initial, None, _) => return Ok(0),
        (Kind::Initial, Some(price), _) | (Kind::Maintenance, _, Some(price)) => price,
        (Kind::Maintenance, _, None) => return Err(stale()),
    };
    let price = positive(sub(price.price, price.confidence)?)?;
    let own = bank.asset_weights.of(kind);
    let granted = emode.iter().find(|(tag, _)| *tag == bank.emode_tag);
    let mut weight = granted.map_or(own, |(_, weights)| weights.of(kind).max(own));
    if kind == Kind::Initial
        && let Some(discount) = initial_discount(bank, price)?
    {
        weight = product(weight, discount)?;
    }
    let amount = product(shares, bank.asset_share_value)?;
    value(product(amount, weight)?, price, bank.decimals)
}

fn liability_value(shares: i128, bank: &Bank, kind: Kind) -> Result<i128, Error> {
    let price = match kind {
        Kind::Initial => bank.weighted_price,
        Kind::Maintenance => bank.price,
    };
    let price = price.ok_or_else(stale)?;
    let price = positive(add(price.price, price.confidence)?)?;
    let amount = product(shares, bank.liability_share_value)?;
    let weighted = product(amount, bank.liability_weights.of(kind))?;
    value(weighted, price, bank.decimals)
}

/// `maybe_get_asset_weight_init_discount`.
fn initial_discount(bank: &Bank, price: i128) -> Result<Option<i128>, Error> {
    if bank.initial_limit == 0 {
        return Ok(None);
    }
    let limit = bank.initial_limit.checked_mul(ONE).ok_or(overflow())?;
    let amount = product(bank.total_asset_shares, bank.asset_share_value)?;
    let all = value(amount, price, bank.decimals)?;
    if all > limit {
        quotient(limit, all).map(Some)
    } else {
        Ok(None)
    }
}

fn value(amount: i128, price: i128, decimals: u32) -> Result<i128, Error> {
    if decimals > DECIMALS_MAX {
        return Err(Error::refused("a token has more than 23 decimals"));
    }
    let unit = 10_i128.pow(decimals) << FRACTION_BITS;
    quotient(product(amount, price)?, unit)
}

fn stale() -> Error {
    Error::refused("a price is stale")
}

fn overflow() -> Error {
    Error::Overflow {
        operation: "I80F48 arithmetic",
    }
}

fn positive(price: i128) -> Result<i128, Error> {
    if price > 0 {
        Ok(price)
    } else {
        Err(Error::refused("a price is not positive"))
    }
}

/// Nothing that enters a product or quotient is negative in the program.
fn natural(number: i128) -> Result<U256, Error> {
    let magnitude = u128::try_from(number);
    magnitude
        .map(U256::from)
        .map_err(|_| Error::refused("a share, a weight or an amount is negative"))
}

fn narrow(number: U256) -> Result<i128, Error> {
    i128::try_from(number).map_err(|_| overflow())
}

/// ⌊a × b⌋ in units of 2⁻⁴⁸.
fn product(a: i128, b: i128) -> Result<i128, Error> {
    narrow((natural(a)? * natural(b)?) >> FRACTION_BITS)
}

/// ⌊a ÷ b⌋ in units of 2⁻⁴⁸.
fn quotient(a: i128, b: i128) -> Result<i128, Error> {
    let scaled = natural(a)? << FRACTION_BITS;
    narrow(scaled.checked_div(natural(b)?).ok_or(overflow())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOLLAR: Price = Price {
        price: ONE,
        confidence: ONE / 4,
    };

    fn bank() -> Bank {
        Bank {
            asset_share_value: ONE,
            liability_share_value: ONE,
            decimals: 0,
            asset_weights: Weights {
                initial: ONE / 2,
                maintenance: ONE / 4 * 3,
            },
            liability_weights: Weights {
                initial: ONE * 2,
                maintenance: ONE,
            },
            is_isolated: false,
            is_reduce_only: false,
            emode_tag: 7,
            emode: vec![],
            total_asset_shares: 0,
            initial_limit: 0,
            weighted_price: Some(DOLLAR),
            price: Some(DOLLAR),
        }
    }

    fn owned(bank: usize, units: i128) -> Balance {
        Balance {
            bank,
            asset_shares: units * ONE,
            liability_shares: 0,
        }
    }

    fn owed(bank: usize, units: i128) -> Balance {
        Balance {
            bank,
            asset_shares: 0,
            liability_shares: units * ONE,
        }
    }

    #[test]
    fn a_tag_helps_only_where_the_banks_of_all_debts_name_it() -> Result<(), Error> {
        let lent = |entries: &[(u16, i128)]| Bank {
            emode_tag: 0,
            emode: entries
                .iter()
                .map(|&(tag, sixteenths)| {
                    let weight = ONE / 16 * sixteenths;
                    (
                        tag,
                        Weights {
                            initial: weight,
                            maintenance: weight,
                        },
                    )
                })
                .collect(),
            ..bank()
        };
        let assets = |debts: &[Bank]| -> Result<i128, Error> {
            let banks: Vec<Bank> = [bank()].iter().chain(debts).cloned().collect();
            let debts = (1..banks.len()).map(|at| owed(at, 1));
            let balances: Vec<Balance> = [owned(0, 1_000)].into_iter().chain(debts).collect();
            Ok(margin(&balances, &banks, Kind::Maintenance)?.collateral * 1_000 / ONE)
        };
        let plain = assets(&[lent(&[])])?;
        assert_eq!(plain, 562_500, "1,000 units of which 12/16 count, at 0.75");
        assert_eq!(assets(&[lent(&[(7, 15)])])?, 703_125);
        assert_eq!(assets(&[lent(&[(7, 15)]), lent(&[(7, 14)])])?, 656_250);
        assert_eq!(assets(&[lent(&[(7, 15)]), lent(&[(8, 15)])])?, plain);
        assert_eq!(
            assets(&[lent(&[(7, 8)])])?,
            plain,
            "a lesser weight does not hurt"
        );
        Ok(())
    }

    #[test]
    fn a_bank_over_its_limit_secures_less_of_what_is_new() -> Result<(), Error> {
        let limited = Bank {
            total_asset_shares: 4_000 * ONE,
            initial_limit: 750,
            ..bank()
        };
        let sum = |kind| margin(&[owned(0, 1_000)], std::slice::from_ref(&limited), kind);
        assert_eq!(sum(Kind::Maintenance)?.collateral * 10 / ONE, 5_625);
        // All 4,000 units are worth 3,000, four times the limit.
        assert_eq!(sum(Kind::Initial)?.collateral * 100 / ONE, 9_375);
        Ok(())
    }

    #[test]
    fn a_stale_price_secures_nothing_new_and_stops_the_rest() -> Result<(), Error> {
        let banks = [Bank {
            weighted_price: None,
            price: None,
            ..bank()
        }];
        assert_eq!(
            margin(&[owned(0, 5)], &banks, Kind::Initial)?,
            Sum::default()
        );
        assert!(margin(&[owned(0, 5)], &banks, Kind::Maintenance).is_err());
        assert!(margin(&[owed(0, 5)], &banks, Kind::Initial).is_err());
        Ok(())
    }

    #[test]
    fn dust_is_nothing_and_isolated_assets_secure_nothing() -> Result<(), Error> {
        let isolated = Bank {
            is_isolated: true,
            ..bank()
        };
        let dust = Balance {
            bank: 0,
            asset_shares: 0,
            liability_shares: ONE - 1,
        };
        let sum = margin(&[dust, owned(0, 9)], &[isolated], Kind::Maintenance)?;
        assert_eq!(sum, Sum::default());
        Ok(())
    }
}
