//! A portfolio's profit and loss in every scenario.
//!
//! Options are summed by expiry. With `M` an expiry's value as marked and `M'` as shocked, `D` the
//! static discount of the sign of `M'`, `d` the share that counts, and `N` the price divided by:
//!
//! ```text
//! P&L_e = (M + d (D M' − M)) / N' − M / N,     or −|P&L_e| where expiries count as losses
//! P&L_a = Σ linear + Σ_e P&L_e                 per asset; what moves with none is left out
//! P&L   = Σ_a offset(relieve(P&L_a))
//! ```
//!
//! `relieve` brings a P&L nearer to zero by the scenario's relief, `offset` lets only a share of a
//! gain, up to a largest amount, meet another asset's loss. The basis P&L is `Σ_e f_e min(0, up_e −
//! M_e, down_e − M_e)`, the forward of each expiry moving alone, without discounts.

use super::parameters::{GridParameters, Numeraire};
use super::prices::Prices;
use crate::market::instrument::{Contract, Market, Position};
use crate::market::scenario::{ExpiryPnl, ScenarioGrid};

/// One expiry that a portfolio has options of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeldExpiry {
    /// Row of the expiry.
    pub expiry: usize,
    /// Value as marked.
    pub mark: f64,
    /// Value with the forward up, and down, alone.
    pub basis: [f64; 2],
    /// Value as shocked, per scenario.
    pub shocked: Vec<f64>,
}

impl HeldExpiry {
    /// What the forward's own move costs, at most zero, and whether it is the move down.
    pub fn basis_loss(&self) -> (f64, Option<usize>) {
        let mut worst = (0.0, None);
        for (side, value) in self.basis.iter().enumerate() {
            if value - self.mark < worst.0 {
                worst = (value - self.mark, Some(side));
            }
        }
        worst
    }
}

/// A portfolio's profit and loss.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pnl {
    /// Per scenario.
    pub scenarios: Vec<f64>,
    /// Of the basis contingency, at most zero.
    pub basis: f64,
    /// Per asset and scenario, before relief and offset.
    pub by_asset: Vec<Vec<f64>>,
    /// The expiries with options, in row order.
    pub expiries: Vec<HeldExpiry>,
}

/// The mechanism over one market.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    pub parameters: &'a GridParameters,
    pub market: &'a Market,
    pub grid: &'a ScenarioGrid,
    pub prices: &'a Prices,
}

impl Ground<'_> {
    /// The asset that a contract moves with.
    pub fn asset_of(&self, contract: Contract) -> Option<usize> {
        match contract {
            Contract::Spot { asset, .. } => asset.map(|asset| asset as usize),
            Contract::Perp { asset } => Some(asset as usize),
            Contract::Future { expiry } | Contract::Option { expiry, .. } => {
                Some(self.market.expiries[expiry as usize].asset as usize)
            }
        }
    }

    /// What an amount in the currency of prices is in the numeraire, by an asset's spot.
    pub fn in_numeraire(&self, amount: f64, asset: usize) -> f64 {
        match self.parameters.numeraire {
            Numeraire::Quote => amount,
            Numeraire::Base => amount / self.market.assets[asset].spot,
        }
    }

    pub fn pnl(&self, positions: &[Position]) -> Pnl {
        let width = self.grid.names().len();
        let expiries = self.held_expiries(positions);
        let mut by_asset = vec![vec![0.0; width]; self.market.assets.len()];
        for position in positions {
            let instrument = position.instrument as usize;
            let contract = self.market.instruments[instrument].contract;
            let Some(asset) = self.asset_of(contract) else {
                continue;
            };
            if !matches!(contract, Contract::Option { .. }) {
                add_scaled(
                    &mut by_asset[asset],
                    self.prices.row(instrument),
                    position.quantity,
                );
            }
        }
        for held in &expiries {
            let asset = self.market.expiries[held.expiry].asset as usize;
            for (scenario, pnl) in by_asset[asset].iter_mut().enumerate() {
                *pnl += self.expiry_pnl(held, scenario);
            }
        }
        Pnl {
            scenarios: (0..width)
                .map(|s| self.scenario_pnl(&by_asset, s))
                .collect(),
            basis: expiries.iter().map(|held| self.basis_pnl(held)).sum(),
            by_asset,
            expiries,
        }
    }

    fn held_expiries(&self, positions: &[Position]) -> Vec<HeldExpiry> {
        let mut held: Vec<HeldExpiry> = Vec::new();
        for position in positions {
            let row = position.instrument as usize;
            let Contract::Option { expiry, .. } = self.market.instruments[row].contract else {
                continue;
            };
            let expiry = expiry as usize;
            let found = held.binary_search_by_key(&expiry, |one| one.expiry);
            let at = found.unwrap_or_else(|at| {
                let shocked = vec![0.0; self.grid.names().len()];
                let fresh = HeldExpiry {
                    expiry,
                    mark: 0.0,
                    basis: [0.0; 2],
                    shocked,
                };
                held.insert(at, fresh);
                at
            });
            let one = &mut held[at];
            one.mark += position.quantity * self.prices.marks[row];
            for (sum, value) in one.basis.iter_mut().zip(self.prices.basis[row]) {
                *sum += position.quantity * value;
            }
            add_scaled(&mut one.shocked, self.prices.row(row), position.quantity);
        }
        held
    }

    /// The static discount that a shocked value of an expiry gets, by its sign.
    pub fn discount(&self, held: &HeldExpiry, scenario: usize) -> f64 {
        let prices = &self.prices.expiries[held.expiry];
        if scenario == 0 {
            1.0 // what is as marked is not discounted
        } else if held.shocked[scenario] >= 0.0 {
            prices.discount_long
        } else {
            prices.discount_short
        }
    }

    fn expiry_pnl(&self, held: &HeldExpiry, scenario: usize) -> f64 {
        let discount = self.discount(held, scenario);
        let pnl = self.option_pnl(
            held.expiry,
            held.mark,
            held.shocked[scenario],
            discount,
            scenario,
        );
        match self.grid.traits()[scenario].expiry_pnl {
            ExpiryPnl::Sum => pnl,
            ExpiryPnl::Loss => -pnl.abs(),
        }
    }

    /// Linear in `mark` and `shocked`: the same of one position, and of an expiry's sum.
    pub fn option_pnl(
        &self,
        expiry: usize,
        mark: f64,
        shocked: f64,
        discount: f64,
        scenario: usize,
    ) -> f64 {
        let prices = &self.prices.expiries[expiry];
        let share = self.prices.counting[scenario].share;
        let counted = mark + share * (discount * shocked - mark);
        counted / prices.shocked_unit[scenario] - mark / prices.unit
    }

    fn scenario_pnl(&self, by_asset: &[Vec<f64>], scenario: usize) -> f64 {
        by_asset
            .iter()
            .enumerate()
            .map(|(asset, pnl)| self.counted(pnl[scenario], asset, scenario))
            .sum()
    }

    /// An asset's P&L after relief and offset.
    pub fn counted(&self, pnl: f64, asset: usize, scenario: usize) -> f64 {
        let relief = self.in_numeraire(self.prices.counting[scenario].relief, asset);
        let relieved = pnl.signum() * (pnl.abs() - relief).max(0.0);
        match self.parameters.gain_offset {
            Some(offset) if relieved > 0.0 => {
                (relieved * offset.share).min(self.in_numeraire(offset.max, asset))
            }
            _ => relieved,
        }
    }

    fn basis_pnl(&self, held: &HeldExpiry) -> f64 {
        let prices = &self.prices.expiries[held.expiry];
        held.basis_loss().0 * prices.basis_factor / prices.unit
    }
}

fn add_scaled(sums: &mut [f64], row: &[f64], factor: f64) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += factor * value;
    }
}
