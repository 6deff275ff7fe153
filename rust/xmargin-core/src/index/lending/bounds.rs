//! What an Aave v3 account's status is over whole ranges of levels, in the venue's integers
//! (`docs/health-index.md`, *Lending*).

use super::position::{Level, Position};
use super::{Health, VenueStatus};
use crate::num::U256;
use crate::num::fixed::WAD;
use crate::venue::aave_v3::{EMode, ReservePosition, account_data, is_liquidatable};

const BPS: U256 = U256::from_limbs([10_000, 0, 0, 0]);
const HALF_BPS: U256 = U256::from_limbs([5_000, 0, 0, 0]);

/// Levels from one up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub low: U256,
    pub high: U256,
}

impl Range {
    pub fn point(level: U256) -> Self {
        Self {
            low: level,
            high: level,
        }
    }

    /// With those ends of an earlier range that lie in this one and leave the level half of its room.
    pub fn keeping(self, earlier: Self, level: U256) -> Self {
        let low = level - ((level - self.low) >> 1_u32);
        let high: U256 = level + ((self.high - level) >> 1_u32);
        let keeps_low = (self.low..=low).contains(&earlier.low);
        let keeps_high = (high..=self.high).contains(&earlier.high);
        Self {
            low: if keeps_low { earlier.low } else { self.low },
            high: if keeps_high { earlier.high } else { self.high },
        }
    }
}

/// What the contract says at these levels.
pub(super) fn health(
    positions: &[Position],
    emode: Option<&EMode>,
    level: impl Fn(u32) -> Level,
) -> Health {
    let reserves = positions.iter().map(|position| position.at(&level));
    let (status, health_factor_wad) = match account_data(reserves, emode) {
        Err(_) => (VenueStatus::Reverts, None),
        Ok(data) => match data.health_factor_wad {
            Some(health) if is_liquidatable(health) => (VenueStatus::Liquidatable, Some(health)),
            health => (VenueStatus::Safe, health),
        },
    };
    Health {
        status,
        health_factor_wad,
    }
}

/// The status at every state of the ranges, if that can be said. `None` is a level that there is not.
pub(super) fn sure(
    positions: &[Position],
    emode: Option<&EMode>,
    range: impl Fn(u32) -> Option<Range>,
) -> Option<VenueStatus> {
    let mut totals = Totals::default();
    for position in positions {
        // Balances and values rise with every level.
        let least = position.at(|number| range(number).map(|range| range.low));
        let largest = position.at(|number| range(number).map(|range| range.high));
        totals.include(&[least, largest], emode)?;
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
    fn include(&mut self, ends: &[ReservePosition; 2], emode: Option<&EMode>) -> Option<()> {
        let [least, largest] = ends;
        let value = |end: &ReservePosition, amount: U256| end.risk.value_base(amount, None).ok();
        if least.as_collateral && least.risk.liquidation_threshold_bps != 0 {
            let values = [
                value(least, least.supply?)?,
                value(largest, largest.supply?)?,
            ];
            let (ltv, threshold) = ratios(least, emode);
            self.include_collateral(values, ltv, threshold)?;
        }
        if least.borrowing {
            let values = [value(least, least.debt?)?, value(largest, largest.debt?)?];
            add_to(&mut self.debt, values)?;
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
