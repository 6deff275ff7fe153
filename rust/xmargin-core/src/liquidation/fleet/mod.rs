//! Fleet order: whom to liquidate first when accounts compete for the same market depth.
//!
//! Liquidating account i avoids wᵢ = bad debt expected − cost, and uses uᵢₐ of the depth Dₐ of asset
//! a. Depth has one price an asset, πₐ: the dual prices of `max Σ wᵢxᵢ` under `Σ uᵢₐxᵢ ≤ Dₐ`,
//! 0 ≤ x ≤ 1 ([`prices`]). The order is by key = wᵢ ÷ Σₐ πₐuᵢₐ, bad debt avoided per priced unit of
//! depth: an account of key above one pays for the depth it uses. The plan takes accounts in that
//! order while depth lasts; the same prices prove what no plan can exceed ([`bound`]). Proofs are in
//! `docs/liquidation.md`, "Fleet order".

mod bound;
mod depth;
mod input;
mod prices;
mod program;

use rayon::prelude::*;

use crate::Error;
use crate::book::columnar::Workers;

pub use input::Fleet;

use bound::upper_bound;
use depth::Depth;
use program::Program;

/// How a plan is made of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanRules {
    /// Whether an account may be liquidated in part, where depth does not last for the whole.
    pub parts: bool,
    /// Most liquidations in one block, at least 1.
    pub block_accounts_max: usize,
}

/// One account's place, with the numbers that gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    /// Row of the account.
    pub account: u32,
    /// Bad debt avoided ÷ priced depth; infinite where the depth used costs nothing.
    pub key: f64,
    /// Bad debt expected − cost.
    pub bad_debt_avoided: f64,
    /// Σ price × depth used.
    pub priced_depth: f64,
    /// The part of the account that the plan liquidates, in [0, 1].
    pub share: f64,
    /// Number of the block it is done in, from zero; none when it is not done.
    pub batch: Option<u32>,
}

/// All accounts, first to last, and the certificate of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetOrder {
    /// What a unit of each asset's depth is worth, in money.
    pub depth_prices: Vec<f64>,
    /// By key, then bad debt avoided, both descending, then id ascending: a total order.
    pub ranks: Vec<Rank>,
    /// Bad debt that the plan avoids.
    pub avoided: f64,
    /// No plan avoids more.
    pub bound: f64,
}

impl FleetOrder {
    /// The part of the bound that the plan avoids; one when there is nothing to avoid.
    #[must_use]
    pub fn certified_share(&self) -> f64 {
        if self.bound > 0.0 {
            self.avoided / self.bound
        } else {
            1.0
        }
    }
}

/// Orders a fleet and plans it.
///
/// # Errors
/// [`Error::Input`] naming table, column and row of what is out of range, ragged or there twice;
/// [`Error::Parameter`] for blocks of no accounts.
pub fn order_fleet(
    fleet: &Fleet<'_>,
    rules: PlanRules,
    workers: &Workers,
) -> Result<FleetOrder, Error> {
    let by_id = input::check(fleet)?;
    if rules.block_accounts_max == 0 {
        return Err(Error::parameter(
            "block_accounts_max",
            "0 is not at least 1",
        ));
    }
    let depth_prices = depth_prices(fleet, &by_id, rules.parts, workers);
    let mut ranks = ranked(fleet, &depth_prices, workers);
    let avoided = plan(fleet, rules, &mut ranks);
    let bound = upper_bound(fleet, &by_id, &depth_prices, rules.parts);
    Ok(FleetOrder {
        depth_prices,
        ranks,
        avoided,
        bound,
    })
}

fn depth_prices(fleet: &Fleet<'_>, by_id: &[u32], parts: bool, workers: &Workers) -> Vec<f64> {
    let program = Program::new(fleet, by_id, parts);
    let mut found = if program.accounts() == 0 {
        vec![0.0; fleet.depth.len()]
    } else {
        prices::depth_prices(&program, workers)
    };
    for (price, &depth) in found.iter_mut().zip(fleet.depth) {
        *price = if depth > 0.0 {
            *price * program.benefit_total / depth
        } else {
            0.0
        };
    }
    price_what_is_not_there(fleet, &mut found);
    found
}

/// Where there is no depth, its price is the least that nobody would pay.
fn price_what_is_not_there(fleet: &Fleet<'_>, prices: &mut [f64]) {
    if fleet.depth.iter().all(|&depth| depth > 0.0) {
        return;
    }
    for account in 0..fleet.id.len() {
        let benefit = fleet.benefit(account).max(0.0);
        for (asset, amount) in fleet.uses(account).filter(|&(_, amount)| amount > 0.0) {
            if fleet.depth[asset] == 0.0 {
                prices[asset] = prices[asset].max(benefit / amount);
            }
        }
    }
}

fn ranked(fleet: &Fleet<'_>, prices: &[f64], workers: &Workers) -> Vec<Rank> {
    let rank = |account: usize| {
        let bad_debt_avoided = fleet.benefit(account);
        // Not `sum`, whose nothing is −0.
        let priced_depth = fleet
            .uses(account)
            .fold(0.0, |sum, (asset, used)| sum + prices[asset] * used);
        Rank {
            account: u32::try_from(account).unwrap_or(u32::MAX),
            key: key(bad_debt_avoided, priced_depth),
            bad_debt_avoided,
            priced_depth,
            share: 0.0,
            batch: None,
        }
    };
    let order = |one: &Rank, other: &Rank| {
        let by_number = other.key.total_cmp(&one.key);
        let by_number =
            by_number.then_with(|| other.bad_debt_avoided.total_cmp(&one.bad_debt_avoided));
        by_number
            .then_with(|| fleet.id[one.account as usize].cmp(&fleet.id[other.account as usize]))
    };
    let accounts = 0..fleet.id.len();
    match workers.pool_for(accounts.len()) {
        None => {
            let mut ranks: Vec<Rank> = accounts.map(rank).collect();
            ranks.sort_unstable_by(order);
            ranks
        }
        Some(pool) => pool.install(|| {
            let mut ranks: Vec<Rank> = accounts.into_par_iter().map(rank).collect();
            ranks.par_sort_unstable_by(order);
            ranks
        }),
    }
}

/// Bad debt avoided per priced unit of depth. Free depth: first what avoids any, last what adds some.
fn key(bad_debt_avoided: f64, priced_depth: f64) -> f64 {
    if bad_debt_avoided == 0.0 {
        0.0
    } else {
        bad_debt_avoided / priced_depth
    }
}

/// Takes accounts in order while depth lasts; says how much bad debt that avoids.
fn plan(fleet: &Fleet<'_>, rules: PlanRules, ranks: &mut [Rank]) -> f64 {
    let mut depth = Depth::new(fleet.depth);
    let (mut avoided, mut planned) = (0.0, 0);
    for rank in ranks.iter_mut().filter(|rank| rank.bad_debt_avoided > 0.0) {
        rank.share = depth.take(fleet, rank.account as usize, rules.parts);
        if rank.share > 0.0 {
            avoided += rank.share * rank.bad_debt_avoided;
            rank.batch = u32::try_from(planned / rules.block_accounts_max).ok();
            planned += 1;
        }
    }
    avoided
}
