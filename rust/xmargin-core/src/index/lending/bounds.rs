//! What an Aave v3 account's status is over whole ranges of prices, in the venue's integers
//! (`docs/health-index.md`, *Lending*).

use super::{Position, VenueStatus};
use crate::num::U256;
use crate::num::fixed::WAD;
use crate::venue::aave_v3::{EMode, ReservePosition, account_data, is_liquidatable};

const BPS: U256 = U256::from_limbs([10_000, 0, 0, 0]);
const HALF_BPS: U256 = U256::from_limbs([5_000, 0, 0, 0]);

/// Prices from one up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub low: U256,
    pub high: U256,
}

/// What the contract says at these prices.
pub(super) fn status(
    positions: &[Position],
    emode: Option<&EMode>,
    price: impl Fn(u32) -> U256,
) -> (VenueStatus, Option<U256>) {
    let at = |position: &Position| {
        let mut reserve = position.reserve;
        reserve.risk.price_base = price(position.price);
        reserve
    };
    match account_data(positions.iter().map(at), emode) {
        Err(_) => (VenueStatus::Reverts, None),
        Ok(data) => match data.health_factor_wad {
            Some(health) if is_liquidatable(health) => (VenueStatus::Liquidatable, Some(health)),
            health => (VenueStatus::Safe, health),
        },
    }
}

/// The status at every state of the ranges, if that can be said.
pub(super) fn sure(
    positions: &[Position],
    emode: Option<&EMode>,
    range: impl Fn(u32) -> Range,
) -> Option<VenueStatus> {
    let mut totals = Totals::default();
    for position in positions {
        totals.include(&position.reserve, emode, range(position.price))?;
    }
    totals.sure()
}

/// Least and largest sums over the ranges.
#[derive(Default)]
struct Totals {
    collateral: [U256; 2],
    /// Σ value × threshold.
    weighted: [U256; 2],
    /// Σ value × (threshold − 1) at the least, without what has no threshold.
    reduced: U256,
    /// Largest value of what has a threshold of nothing.
    unweighted: U256,
    /// Largest Σ value × the larger ratio: what must not overflow.
    ceiling: U256,
    debt: [U256; 2],
    thresholds: Option<[U256; 2]>,
}

impl Totals {
    /// Nothing when the contract would revert somewhere in the range.
    fn include(
        &mut self,
        reserve: &ReservePosition,
        emode: Option<&EMode>,
        range: Range,
    ) -> Option<()> {
        let unit = U256::from(10).wrapping_pow(U256::from(reserve.risk.decimals));
        let values = |amount: U256| {
            let value = |price: U256| Some(amount.checked_mul(price)? / unit);
            Some([value(range.low)?, value(range.high)?])
        };
        if reserve.as_collateral && reserve.risk.liquidation_threshold_bps != 0 {
            let (ltv, threshold) = ratios(reserve, emode);
            self.include_collateral(values(reserve.supply?)?, ltv, threshold)?;
        }
        if reserve.borrowing {
            add_to(&mut self.debt, values(reserve.debt?)?)?;
        }
        Some(())
    }

    fn include_collateral(&mut self, value: [U256; 2], ltv: U256, threshold: U256) -> Option<()> {
        let [least, largest] = value;
        add_to(&mut self.collateral, value)?;
        let weighted = [
            least.checked_mul(threshold)?,
            largest.checked_mul(threshold)?,
        ];
        add_to(&mut self.weighted, weighted)?;
        if threshold.is_zero() {
            self.unweighted = self.unweighted.checked_add(largest)?;
        } else {
            self.reduced = self.reduced.checked_add(weighted[0] - least)?;
        }
        let ceiling = largest.checked_mul(ltv.max(threshold))?;
        self.ceiling = self.ceiling.checked_add(ceiling)?;
        let [low, high] = self.thresholds.unwrap_or([threshold; 2]);
        self.thresholds = Some([low.min(threshold), high.max(threshold)]);
        Some(())
    }

    fn sure(&self) -> Option<VenueStatus> {
        self.ceiling.checked_add(HALF_BPS)?;
        let [least, largest] = self.guarded()?;
        let [debt_least, debt_largest] = self.debt;
        // The largest of all is computed so that a revert anywhere below it would show here.
        is_safe(largest, debt_largest)?;
        if is_safe(least, debt_largest)? {
            return Some(VenueStatus::Safe);
        }
        if is_safe(largest, debt_least)? {
            return None;
        }
        Some(VenueStatus::Liquidatable)
    }

    /// Least and largest collateral × average threshold, rounded as the contract does.
    fn guarded(&self) -> Option<[U256; 2]> {
        let [low, high] = self.thresholds.unwrap_or_default();
        let quotient = |a: U256, b: U256| a.checked_div(b);
        let average_least = quotient(self.weighted[0], self.collateral[1]).unwrap_or(low);
        let average_most = quotient(self.weighted[1], self.collateral[0]).unwrap_or(high);
        let least = self.collateral[0].checked_mul(average_least.max(low))?;
        let least = least.max(self.reduced.saturating_sub(self.unweighted));
        let most = self.collateral[1].checked_mul(average_most.min(high))?;
        let most = most.min(self.weighted[1]);
        Some([
            least.checked_add(HALF_BPS)? / BPS,
            most.checked_add(HALF_BPS)? / BPS,
        ])
    }
}

/// Whether ⌊(guarded × 10¹⁸ + ⌊debt ÷ 2⌋) ÷ debt⌋ ≥ 10¹⁸: it rises with what is guarded and falls
/// with the debt.
fn is_safe(guarded: U256, debt: U256) -> Option<bool> {
    let health = guarded.checked_mul(WAD)?.checked_add(debt >> 1_u32)?;
    Some(health >= debt.checked_mul(WAD)?)
}

/// Loan to value and liquidation threshold that count.
fn ratios(reserve: &ReservePosition, emode: Option<&EMode>) -> (U256, U256) {
    let (ltv, threshold) = match emode {
        Some(emode) if emode.category == reserve.risk.emode => {
            (emode.ltv_bps, emode.liquidation_threshold_bps)
        }
        _ => (reserve.risk.ltv_bps, reserve.risk.liquidation_threshold_bps),
    };
    (U256::from(ltv), U256::from(threshold))
}

fn add_to(sums: &mut [U256; 2], values: [U256; 2]) -> Option<()> {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.checked_add(value)?;
    }
    Some(())
}
