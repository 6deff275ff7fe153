//! Where the prices that margins are made of leave a free lunch.
//!
//! Vols are shocked option by option, so that nothing keeps a chain free of arbitrage: a skew that
//! is capped, or vols that stay with their strikes while the forward moves, may break it. A margin
//! is not refused for that, since the rule is the venue's; it is told. Looked at is the matrix of
//! values itself, each expiry in each scenario, the unshocked one too. What is done to all options of
//! an expiry at once makes no arbitrage of its own and is left out: the static discount is one
//! factor, and a share d ≤ 1 of the profit and loss is a mean of the shocked chain and the marked one.

use super::margin::GridModel;
use super::prices::Prices;
use crate::market::chain_arbitrage::{Chain, Find};
use crate::market::instrument::{Contract, Market};
use crate::market::scenario::ScenarioGrid;
use crate::pricing::OptionKind;

/// A free lunch at the prices of one scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arbitrage {
    /// Row of the expiry.
    pub expiry: usize,
    /// Number of the scenario; 0 is the market as marked.
    pub scenario: usize,
    /// What it is, where and how much.
    pub find: Find,
}

impl GridModel<'_> {
    /// Every free lunch, by expiry, scenario, strike and kind.
    #[must_use]
    pub fn arbitrage(&self) -> Vec<Arbitrage> {
        search(self.market(), self.grid(), self.prices())
    }
}

/// The options of one expiry.
#[derive(Default)]
struct Listed {
    /// Kind, strike and row of the instrument, by strike.
    options: Vec<(OptionKind, f64, usize)>,
    /// The next expiry of the same asset, where the forwards of both move with the spot alone.
    later: Option<usize>,
}

fn search(market: &Market, grid: &ScenarioGrid, prices: &Prices) -> Vec<Arbitrage> {
    let listed = listed(market);
    let mut chains = vec![Chain::default(); listed.len()];
    let mut found = Vec::new();
    for scenario in 0..grid.names().len() {
        for ((chain, expiry), listed) in chains.iter_mut().zip(&market.expiries).zip(&listed) {
            let asset = &market.assets[expiry.asset as usize].name;
            let relative = grid
                .asset_row(asset)
                .map_or(0.0, |row| grid.moves(row)[scenario]);
            let value = |&(kind, strike, row): &(OptionKind, f64, usize)| {
                (kind, strike, prices.row(row)[scenario])
            };
            chain.refill(
                expiry.forward(relative),
                expiry.discount(),
                listed.options.iter().map(value),
            );
        }
        for (expiry, (chain, listed)) in chains.iter().zip(&listed).enumerate() {
            let later = listed.later.map(|row| &chains[row]);
            chain.search(later, |find| {
                found.push(Arbitrage {
                    expiry,
                    scenario,
                    find,
                });
            });
        }
    }
    found.sort_by_key(|one| one.expiry);
    found
}

fn listed(market: &Market) -> Vec<Listed> {
    let mut listed: Vec<Listed> = market.expiries.iter().map(|_| Listed::default()).collect();
    for (row, instrument) in market.instruments.iter().enumerate() {
        if let Contract::Option {
            expiry,
            kind,
            strike,
            ..
        } = instrument.contract
        {
            listed[expiry as usize].options.push((kind, strike, row));
        }
    }
    for one in &mut listed {
        one.options.sort_by(|a, b| a.1.total_cmp(&b.1));
    }
    link(market, &mut listed);
    listed
}

/// A forward that is fixed in part is that of an average: its options are not the later ones' kind.
fn link(market: &Market, listed: &mut [Listed]) {
    let term = |row: usize| (market.expiries[row].asset, market.expiries[row].years);
    let mut order: Vec<usize> = (0..listed.len())
        .filter(|&row| !listed[row].options.is_empty() && market.expiries[row].forward_fixed <= 0.0)
        .collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (term(a), term(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    for &row in &order {
        let after = order.partition_point(|&other| term(other) <= term(row));
        let next = order.get(after).copied();
        listed[row].later = next.filter(|&next| term(next).0 == term(row).0);
    }
}
