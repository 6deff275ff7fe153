//! One group of a portfolio's positions: what a scenario and the contingencies take from it.

use super::super::contingency::{
    Amounts, CONCENTRATION, COUNT, LIQUIDITY, MOBILITY, VENUE_RISK, WRAPPED_DEPEG,
};
use super::super::exposure::Exposure;
use super::super::parameters::Factors;
use super::Stress;
use super::history::GroupTail;

/// The net position of one asset of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct AssetNet {
    /// Row of the asset in the scenario grid.
    pub asset: usize,
    /// `x_a`: collateral value, negative for net debt.
    pub value: f64,
    /// Impact at rate 1, of one USD of the net position.
    pub liquidity_per_usd: f64,
    /// Concentration at rate 1, of one USD of the net position.
    pub concentration_per_usd: f64,
}

/// The net worth of what is on one chain of a group, at low prices.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChainNet {
    /// Row of the chain.
    pub chain: u32,
    /// `N_g`, in USD.
    pub value: f64,
}

/// A position as its group sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Place of its token in the group's exposure.
    pub token_at: usize,
    /// Row of its asset in the scenario grid.
    pub asset: usize,
    /// Row of its chain.
    pub chain: u32,
    /// Fraction of its venue's kind.
    pub venue_fraction: f64,
    /// The chain's fraction.
    pub chain_fraction: f64,
    /// Quantity after the haircut, negative when owed.
    pub units_kept: f64,
    /// `c_i`: its part in the collateral value.
    pub value: f64,
    /// Low end of its base's price range.
    pub low: f64,
    /// The end of the range that hurts its token.
    pub token_price: f64,
    /// Whether its token only stands for its asset.
    pub wrapped: bool,
}

/// One group of a portfolio's positions with its profit and loss in every scenario.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The chain of a cut-off group; the reachable group has none.
    pub cut_off_chain: Option<u32>,
    pub exposure: Exposure,
    pub pnl: Vec<f64>,
    /// The tail of its history; meaningless where there is none.
    pub tail: GroupTail,
    /// What contingencies are charged on.
    pub amounts: Amounts,
    /// `λ_t` by place of the token: the venue fraction at which its last unit is counted.
    pub venue_fractions: Vec<f64>,
    /// Net positions, in order of first base.
    pub assets: Vec<AssetNet>,
    /// Net worth by chain, in order of first token.
    pub chains: Vec<ChainNet>,
}

impl Group {
    pub fn is_cut_off(&self) -> bool {
        self.cut_off_chain.is_some()
    }

    /// Whether the group's collateral value enters the portfolio's: a cut-off one's only as debt.
    pub fn counts_collateral(&self) -> bool {
        !self.is_cut_off() || self.exposure.collateral_value < 0.0
    }

    pub fn collateral_value(&self) -> f64 {
        if self.counts_collateral() {
            self.exposure.collateral_value
        } else {
            0.0
        }
    }

    pub fn oracle_confidence(&self) -> f64 {
        if self.counts_collateral() {
            self.exposure.oracle_confidence
        } else {
            0.0
        }
    }

    pub fn equity(&self) -> f64 {
        if self.is_cut_off() {
            self.exposure.equity.min(0.0)
        } else {
            self.exposure.equity
        }
    }

    /// What the stress adds to the collateral value: a loss is negative.
    fn gain(&self, stress: Stress, factors: &Factors) -> f64 {
        match stress {
            Stress::Scenario(scenario) => factors.loss * self.pnl[scenario],
            Stress::Tail => factors.shortfall * self.tail.pnl,
        }
    }

    /// Collateral value after the stress's loss, before contingencies.
    fn value_after(&self, stress: Stress, factors: &Factors) -> f64 {
        self.exposure.collateral_value + self.gain(stress, factors)
    }

    fn contingency_total(&self, factors: &Factors) -> f64 {
        let rates = factors.contingencies.iter();
        rates
            .zip(&self.amounts)
            .map(|(rate, amount)| rate * amount)
            .sum()
    }

    /// What the stress and the contingencies take from the collateral value.
    pub fn charge(&self, stress: Stress, factors: &Factors) -> f64 {
        let contingency = self.contingency_total(factors);
        if self.is_cut_off() {
            let stressed = self.value_after(stress, factors) - contingency;
            self.collateral_value() - stressed.min(0.0)
        } else {
            contingency - self.gain(stress, factors)
        }
    }

    /// The part of [`Self::charge`] that the stress takes.
    pub fn scenario_loss(&self, stress: Stress, factors: &Factors) -> f64 {
        if self.is_cut_off() {
            self.collateral_value() - self.value_after(stress, factors).min(0.0)
        } else {
            -self.gain(stress, factors)
        }
    }

    /// The parts of [`Self::charge`] that are contingencies. Of a cut-off chain each takes, in
    /// order, what the chain could then still cost.
    pub fn contingencies(&self, stress: Stress, factors: &Factors) -> Amounts {
        let mut charged = [0.0; COUNT];
        let mut left = self.value_after(stress, factors);
        for (at, charged) in charged.iter_mut().enumerate() {
            let asked = factors.contingencies[at] * self.amounts[at];
            *charged = if self.is_cut_off() {
                left.min(0.0) - (left - asked).min(0.0)
            } else {
                asked
            };
            left -= asked;
        }
        charged
    }

    /// The part of a position with collateral value `value` and relative move `relative` in
    /// [`Self::scenario_loss`]; sums to it exactly because both are linear.
    pub fn loss_part(&self, value: f64, relative: f64, stress: Stress, factors: &Factors) -> f64 {
        let loss = -stress.factor(factors) * value * relative;
        if !self.is_cut_off() {
            return loss;
        }
        let before = if self.counts_collateral() { value } else { 0.0 };
        let after = if self.value_after(stress, factors) < 0.0 {
            value - loss
        } else {
            0.0
        };
        before - after
    }

    /// A position's parts in [`Self::amounts`]: the average of its marginal charge while the whole
    /// group grows from nothing (Aumann & Shapley 1974), which is Euler's where the amount is
    /// homogeneous.
    pub fn parts(&self, part: &Part) -> Amounts {
        let token = &self.exposure.tokens[part.token_at];
        let of_asset = self.assets.iter().find(|net| net.asset == part.asset);
        let per_usd =
            |read: fn(&AssetNet) -> f64| of_asset.map_or(0.0, |net| read(net) * part.value);
        let mut parts = [0.0; COUNT];
        if part.wrapped && token.units != 0.0 {
            parts[WRAPPED_DEPEG] = token.units.signum() * part.units_kept * part.token_price;
        }
        let marginal = self.venue_fractions[part.token_at];
        let fraction = if part.units_kept < 0.0 {
            marginal
        } else {
            marginal.min(part.venue_fraction)
        };
        parts[VENUE_RISK] = fraction * part.units_kept * part.low;
        if self
            .chains
            .iter()
            .any(|net| net.chain == part.chain && net.value > 0.0)
        {
            parts[MOBILITY] = part.chain_fraction * part.units_kept * part.low;
        }
        parts[LIQUIDITY] = per_usd(|net| net.liquidity_per_usd);
        parts[CONCENTRATION] = per_usd(|net| net.concentration_per_usd);
        parts
    }
}
