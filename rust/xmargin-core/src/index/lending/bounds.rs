//! What an Aave v3 account's status is over whole ranges of levels, in the venue's integers
//! (`docs/health-index.md`, *Lending*).

use super::position::Level;
use super::{Account, Health, VenueStatus};
use crate::num::U256;
use crate::num::fixed::WAD;
use crate::venue::aave_v3::{EMode, Release, ReservePosition, account_data, is_liquidatable};

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
pub(super) fn health(account: &Account, level: impl Fn(u32) -> Level) -> Health {
    let release = account.release;
    let positions = account.positions.iter();
    let reserves = positions.map(|position| position.at(release, &level));
    let data = account_data(release, reserves, account.emode.as_ref());
    let (status, health_factor_wad) = match data {
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
pub(super) fn sure(account: &Account, range: impl Fn(u32) -> Option<Range>) -> Option<VenueStatus> {
    let release = account.release;
    let mut totals = Totals::default();
    for position in &account.positions {
        // Balances and values rise with every level.
        let least = position.at(release, |number| range(number).map(|range| range.low));
        let largest = position.at(release, |number| range(number).map(|range| range.high));
        totals.include(release, &[least, largest], account.emode.as_ref())?;
    }
    totals.ceiling.checked_add(HALF_BPS)?;
    match release {
        Release::V3_0 => by_rounded_average(&totals),
        Release::V3_6 => by_weighted_sum(&totals),
    }
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
        release: Release,
        ends: &[ReservePosition; 2],
        emode: Option<&EMode>,
    ) -> Option<()> {
        let [least, largest] = ends;
        let risk = &least.risk;
        if least.as_collateral && risk.is_collateral(release) {
            let value = |end: &ReservePosition| end.risk.supply_value_base(end.supply?, None).ok();
            let values = [value(least)?, value(largest)?];
            let ltv = risk.ltv_bps(release, emode);
            self.include_collateral(values, ltv, risk.threshold_bps(emode))?;
        }
        if least.borrowing {
            let value =
                |end: &ReservePosition| end.risk.debt_value_base(release, end.debt?, None).ok();
            add_to(&mut self.debt, [value(least)?, value(largest)?])?;
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

/// In 3.0 what is guarded is collateral × the average threshold, both rounded.
fn by_rounded_average(totals: &Totals) -> Option<VenueStatus> {
    between(totals.guarded()?, totals.debt, WAD)
}

/// In 3.6 the weighted sum itself, in basis points: ⌊⌊… ÷ debt⌋ ÷ 10⁴⌋ ≥ 10¹⁸ is ⌊… ÷ debt⌋ ≥ 10²².
fn by_weighted_sum(totals: &Totals) -> Option<VenueStatus> {
    between(totals.weighted, totals.debt, WAD * BPS)
}

/// The status at the least and largest guarded value and debt, if it is one.
fn between(guarded: [U256; 2], debt: [U256; 2], one: U256) -> Option<VenueStatus> {
    let ([least, largest], [debt_least, debt_largest]) = (guarded, debt);
    // The largest of all is computed so that a revert anywhere below it would show here.
    is_safe(largest, debt_largest, one)?;
    if is_safe(least, debt_largest, one)? {
        return Some(VenueStatus::Safe);
    }
    if is_safe(largest, debt_least, one)? {
        return None;
    }
    Some(VenueStatus::Liquidatable)
}

/// Whether ⌊(guarded × 10¹⁸ + ⌊debt ÷ 2⌋) ÷ debt⌋ ≥ `one`: it rises with what is guarded and falls
/// with the debt.
fn is_safe(guarded: U256, debt: U256, one: U256) -> Option<bool> {
    let health = guarded.checked_mul(WAD)?.checked_add(debt >> 1_u32)?;
    Some(health >= debt.checked_mul(one)?)
}

fn add_to(sums: &mut [U256; 2], values: [U256; 2]) -> Option<()> {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.checked_add(value)?;
    }
    Some(())
}
