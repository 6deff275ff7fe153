//! What a group's contingencies are charged on.

use super::super::contingency::{
    Amounts, CONCENTRATION, COUNT, ContingencyRules, Depth, LIQUIDITY, MOBILITY, VENUE_RISK,
    WRAPPED_DEPEG,
};
use super::group::{AssetNet, ChainNet, Group};
use crate::book::positions::Positions;
use crate::book::tables::{Bases, Book, Tokens};
use crate::market::scenario::ScenarioGrid;
use crate::model::exposure::{Sum, TokenExposure};
use crate::num::float::token_units;

/// The rules over one snapshot: every fraction and every market by row.
pub(super) struct AmountRules<'a> {
    rules: &'a ContingencyRules,
    tokens: &'a Tokens,
    bases: &'a Bases,
    /// Venue fraction by account row.
    pub venue_fraction: Vec<f64>,
    /// Fraction by chain row.
    pub chain_fraction: Vec<f64>,
    /// Chain by account row.
    pub chain: &'a [u32],
    /// Market by asset row of the grid; empty where nothing is charged for size.
    depths: Vec<Depth>,
}

/// What is owned of one token at venues of one fraction.
struct AtVenues {
    fraction: f64,
    owned: Sum,
}

impl<'a> AmountRules<'a> {
    pub fn new(rules: &'a ContingencyRules, book: &'a Book, grid: &ScenarioGrid) -> Self {
        let fraction_of_kind = |kind: &String| rules.venue_fraction(kind);
        let fraction_of_chain = |id: &String| rules.chain_fraction(id);
        let depths = rules.depths.as_ref().map_or_else(Vec::new, |depths| {
            grid.assets().iter().map(|asset| depths.of(asset)).collect()
        });
        Self {
            rules,
            tokens: &book.tokens,
            bases: &book.bases,
            venue_fraction: book
                .accounts
                .venue_kind
                .iter()
                .map(fraction_of_kind)
                .collect(),
            chain_fraction: book.chains.id.iter().map(fraction_of_chain).collect(),
            chain: &book.accounts.chain,
            depths,
        }
    }

    /// Fills the group's amounts from its exposure; `rows` are its positions, sorted by token.
    pub fn fill(
        &self,
        group: &mut Group,
        rows: &[u32],
        positions: &Positions,
        asset_of_base: &[usize],
    ) {
        let mut amounts: Amounts = [0.0; COUNT];
        amounts[WRAPPED_DEPEG] = group.exposure.wrapped_value;
        self.fill_venues_and_chains(group, rows, positions, &mut amounts);
        self.fill_sizes(group, asset_of_base, &mut amounts);
        group.amounts = amounts;
    }

    fn fill_venues_and_chains(
        &self,
        group: &mut Group,
        rows: &[u32],
        positions: &Positions,
        amounts: &mut Amounts,
    ) {
        group.venue_fractions.clear();
        group.chains.clear();
        let by_token = rows.chunk_by(|&one, &next| {
            positions.token[one as usize] == positions.token[next as usize]
        });
        for (token, rows) in group.exposure.tokens.iter().zip(by_token) {
            let base = token.base as usize;
            if !self.bases.usable[base] {
                group.venue_fractions.push(0.0);
                continue;
            }
            let (units, marginal) = self.at_venues(token, rows, positions);
            group.venue_fractions.push(marginal);
            amounts[VENUE_RISK] += units * token.kept * self.bases.low[base];
            let chain_of = |&row: &u32| self.chain[positions.account[row as usize] as usize];
            // A token lives on one chain.
            let chain = rows.iter().map(chain_of).min().unwrap_or_default();
            let value = token.units_kept() * self.bases.low[base];
            match group.chains.iter_mut().find(|net| net.chain == chain) {
                Some(net) => net.value += value,
                None => group.chains.push(ChainNet { chain, value }),
            }
        }
        amounts[MOBILITY] = group
            .chains
            .iter()
            .map(|net| self.chain_fraction[net.chain as usize] * net.value.max(0.0))
            .sum();
    }

    /// `Σ_v fraction_v × y_v` in token units, and the fraction of the last unit counted.
    ///
    /// Debts of the token are set against what is owned of it where it is at most risk; `y_v` is
    /// what they leave. (The charge is then convex and of degree one: joining never raises it.)
    fn at_venues(&self, token: &TokenExposure, rows: &[u32], positions: &Positions) -> (f64, f64) {
        if token.units <= 0.0 || self.rules.venue_kinds.is_empty() {
            return (0.0, 0.0);
        }
        if let [row] = *rows {
            let account = positions.account[row as usize] as usize;
            let fraction = self.venue_fraction[account];
            return (fraction * token.units, fraction);
        }
        let (mut venues, mut debts): (Vec<AtVenues>, Sum) = (Vec::new(), Sum::ZERO);
        for &row in rows {
            let row = row as usize;
            let amount = Sum::from(positions.amount[row]);
            if positions.debt[row] {
                debts += amount;
                continue;
            }
            let fraction = self.venue_fraction[positions.account[row] as usize];
            match venues
                .iter_mut()
                .find(|known| known.fraction.total_cmp(&fraction).is_eq())
            {
                Some(known) => known.owned += amount,
                None => venues.push(AtVenues {
                    fraction,
                    owned: amount,
                }),
            }
        }
        venues.sort_unstable_by(|one, other| other.fraction.total_cmp(&one.fraction));
        let decimals = self.tokens.decimals[token.token as usize].unwrap_or_default();
        let (mut units, mut marginal) = (0.0, None);
        for venue in venues {
            let offset = debts.min(venue.owned);
            debts -= offset;
            let left = venue.owned - offset;
            if !left.is_zero() {
                marginal = marginal.or(Some(venue.fraction));
                units += venue.fraction * token_units(left, decimals);
            }
        }
        (units, marginal.unwrap_or_default())
    }

    fn fill_sizes(&self, group: &mut Group, asset_of_base: &[usize], amounts: &mut Amounts) {
        group.assets.clear();
        let Some(depths) = &self.rules.depths else {
            return;
        };
        for base in &group.exposure.bases {
            let asset = asset_of_base[base.base as usize];
            match group.assets.iter_mut().find(|net| net.asset == asset) {
                Some(net) => net.value += base.value,
                None => group.assets.push(AssetNet {
                    asset,
                    value: base.value,
                    liquidity_per_usd: 0.0,
                    concentration_per_usd: 0.0,
                }),
            }
        }
        // What cannot be reached cannot be traded in pieces: it is charged at the largest slope.
        let cut_off = group.is_cut_off();
        for net in &mut group.assets {
            let (depth, size) = (self.depths[net.asset], net.value.abs());
            let (impact, concentration) = if cut_off {
                (
                    depths.impact_slope_max(depth) * size,
                    depth.daily_volatility * size,
                )
            } else {
                (
                    depths.impact(depth, size),
                    depths.concentration(depth, size),
                )
            };
            amounts[LIQUIDITY] += impact;
            amounts[CONCENTRATION] += concentration;
            if size > 0.0 {
                net.liquidity_per_usd = impact / net.value;
                net.concentration_per_usd = concentration / net.value;
            }
        }
    }
}
