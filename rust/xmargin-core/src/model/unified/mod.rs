//! The unified margin of a portfolio: one formula over scenarios.
//!
//! A group of positions (all reachable chains together, or one chain that is cut off) nets to an
//! [`Exposure`] with collateral value `C` and value by base `c_b`. In scenario `s`, which moves each
//! base's asset by `r`, its *stressed value* under loss factor `f` is
//!
//! ```text
//! V_s = C + f × Σ_b c_b × r_{b,s} - Σ_k rate_k × amount_k
//! ```
//! with the contingencies of [`contingency`](super::contingency), of which one is wrapped depeg.
//!
//! With the reachable group 0 and the cut-off groups g, which count only where they cost:
//!
//! ```text
//! excess      = min_s ( V_{0,s} + Σ_g min(0, V_{g,s}) )
//! requirement = C_0 + Σ_g min(0, C_g) - excess
//! ```
//!
//! One stress more is the tail of the factors' own history ([`FactorHistory`]): in it each group loses
//! `g` times its own expected shortfall, and the worse of grid and tail binds.
//!
//! Source: `docs/margin-model.md`, which says why, and which properties follow.

mod amounts;
mod answer;
mod group;
mod history;
mod workspace;

use self::amounts::AmountRules;
pub use self::answer::{Contributions, Margin, PortfolioMargin, Requirement, Stress};
use self::group::{Group, Part};
use self::history::AssetHistory;
pub use self::history::FactorHistory;
use self::workspace::Workspace;
use super::contingency::{Amounts, COUNT};
use super::exposure::{Exposure, hurting_price};
use super::parameters::{Factors, Parameters};
use crate::Error;
use crate::book::positions::{Counting, Positions};
use crate::book::tables::{Bases, Book, Table, Tokens};
use crate::market::scenario::ScenarioGrid;
use crate::num::float::token_units;

/// The model over one snapshot's prices and tokens.
pub struct UnifiedModel<'a> {
    bases: &'a Bases,
    tokens: &'a Tokens,
    maintenance: Factors,
    initial: Factors,
    amounts: AmountRules<'a>,
    grid: ScenarioGrid,
    grid_row_of_base: Vec<usize>,
    history: Option<AssetHistory<'a>>,
}

impl<'a> UnifiedModel<'a> {
    /// Expands the scenarios over the assets of `book`'s bases; without `history` the grid stands
    /// alone.
    ///
    /// # Errors
    /// As [`Parameters::scenarios`]; [`Error::Input`] when the history was made with others.
    pub fn new(
        parameters: &'a Parameters,
        book: &'a Book,
        history: Option<&'a FactorHistory>,
    ) -> Result<Self, Error> {
        history.map_or(Ok(()), |history| history.check(parameters))?;
        let assets = &book.bases.asset;
        let grid = parameters.scenarios(assets.iter().map(String::as_str))?;
        let grid_row_of_base = assets
            .iter()
            .map(|asset| grid.asset_row(asset).unwrap_or_default())
            .collect();
        Ok(Self {
            bases: &book.bases,
            tokens: &book.tokens,
            maintenance: parameters.maintenance,
            initial: parameters.initial,
            amounts: AmountRules::new(&parameters.contingencies, book, &grid),
            history: history.map(|history| AssetHistory::new(history, &grid)),
            grid,
            grid_row_of_base,
        })
    }

    /// The scenarios, in order.
    #[must_use]
    pub fn grid(&self) -> &ScenarioGrid {
        &self.grid
    }

    /// Margins every portfolio. `book` must be valid; `unknowable` marks portfolios of which a
    /// venue's arithmetic left no number to serve.
    ///
    /// # Errors
    /// None that the history did not have from the start.
    pub fn margins(
        &self,
        book: &Book,
        positions: &Positions,
        unknowable: &[bool],
    ) -> Result<(Vec<PortfolioMargin>, Contributions), Error> {
        let mut contributions = self.values_only(positions);
        let mut workspace = Workspace::default();
        let on_cut_off_chain = portfolios_on_cut_off_chains(book);
        let margins = (0..book.portfolios.rows())
            .map(|portfolio| {
                let rows = positions.by_portfolio.rows(portfolio);
                let mut flags = self.row_flags(rows, positions);
                flags.refused |= unknowable[portfolio];
                flags.partial |= on_cut_off_chain[portfolio];
                workspace.split(rows, positions, book);
                self.margin(&mut workspace, positions, flags, &mut contributions)
            })
            .collect::<Result<_, Error>>()?;
        Ok((margins, contributions))
    }

    fn margin(
        &self,
        workspace: &mut Workspace,
        positions: &Positions,
        flags: RowFlags,
        contributions: &mut Contributions,
    ) -> Result<PortfolioMargin, Error> {
        for (group, rows) in workspace.groups_with_rows() {
            group
                .exposure
                .fill(rows, positions, self.tokens, self.bases);
            self.fill_pnl(group);
            self.amounts
                .fill(group, rows, positions, &self.grid_row_of_base);
        }
        let groups = workspace.groups();
        let any = |is: fn(&Exposure) -> bool| groups.iter().any(|group| is(&group.exposure));
        let owns_unpriced = any(|exposure| exposure.owns_unpriced);
        let owes = any(|exposure| exposure.owes) || flags.refused;
        let refused = flags.refused || any(|exposure| exposure.owes_unpriced);
        if owes && !refused {
            self.fill_tails(workspace)?;
        }
        let groups = workspace.groups();
        let margin = (!refused).then(|| self.numbers(groups, owes));
        if let Some(margin) = &margin {
            for (group, rows) in workspace.groups_with_rows() {
                self.contribute(group, rows, positions, margin, owes, contributions);
            }
        }
        Ok(PortfolioMargin {
            margin,
            owes,
            held: owns_unpriced || any_held(workspace.groups()),
            partial: flags.partial || owns_unpriced,
        })
    }

    fn fill_tails(&self, workspace: &mut Workspace) -> Result<(), Error> {
        let Some(history) = &self.history else {
            return Ok(());
        };
        let (groups, buffers) = workspace.groups_with_history_buffers();
        groups
            .iter_mut()
            .try_for_each(|group| history.fill(group, &self.grid_row_of_base, buffers))
    }

    fn numbers(&self, groups: &[Group], owes: bool) -> Margin {
        let requirement = |factors: &Factors| {
            if owes {
                self.requirement(groups, factors)
            } else {
                Requirement::default()
            }
        };
        Margin {
            equity: groups.iter().map(Group::equity).sum(),
            collateral_value: groups.iter().map(Group::collateral_value).sum(),
            maintenance: requirement(&self.maintenance),
            initial: requirement(&self.initial),
            gross_debt: groups.iter().map(|group| group.exposure.gross_debt).sum(),
            oracle_confidence: groups.iter().map(Group::oracle_confidence).sum(),
        }
    }

    /// The stress that takes most, the grid before the tail and the lowest scenario on a tie, and
    /// what it takes.
    fn requirement(&self, groups: &[Group], factors: &Factors) -> Requirement {
        let charge = |stress| -> f64 { groups.iter().map(|g| g.charge(stress, factors)).sum() };
        let loss = |stress| -> f64 {
            groups
                .iter()
                .map(|g| g.scenario_loss(stress, factors))
                .sum()
        };
        let (mut stress, mut margin) = (Stress::default(), charge(Stress::default()));
        let scenarios = (1..self.grid.names().len()).map(Stress::Scenario);
        for other in scenarios {
            let taken = charge(other);
            if taken > margin {
                (stress, margin) = (other, taken);
            }
        }
        let grid_loss = loss(stress);
        if self.history.is_some() && charge(Stress::Tail) > margin {
            (stress, margin) = (Stress::Tail, charge(Stress::Tail));
        }
        let mut worst = Requirement {
            margin,
            stress,
            scenario_loss: loss(stress),
            grid_loss,
            historical_es: self.history.is_some().then(|| loss(Stress::Tail)),
            contingencies: [0.0; COUNT],
            tail_day: self.history.is_some().then(|| tail_day(groups)).flatten(),
        };
        for group in groups {
            let charged = group.contingencies(stress, factors);
            for (total, charged) in worst.contingencies.iter_mut().zip(charged) {
                *total += charged;
            }
        }
        worst
    }

    /// Profit and loss `Σ_b c_b × r_{b,s}`: a sparse row times the scenario matrix.
    fn fill_pnl(&self, group: &mut Group) {
        group.pnl.clear();
        group.pnl.resize(self.grid.names().len(), 0.0);
        for base in &group.exposure.bases {
            let moves = self.grid.moves(self.grid_row_of_base[base.base as usize]);
            for (pnl, relative) in group.pnl.iter_mut().zip(moves) {
                *pnl += base.value * relative;
            }
        }
    }

    fn contribute(
        &self,
        group: &Group,
        rows: &[u32],
        positions: &Positions,
        margin: &Margin,
        owes: bool,
        contributions: &mut Contributions,
    ) {
        let both = [
            (&self.maintenance, margin.maintenance.stress),
            (&self.initial, margin.initial.stress),
        ];
        let scales = both.map(|(factors, stress)| contingency_scales(group, stress, factors));
        for &row in rows {
            let row = row as usize;
            let Some(part) = self.part(group, row, positions) else {
                continue;
            };
            // Adding zero makes a negative zero positive.
            if group.counts_collateral() {
                contributions.collateral_value[row] = part.value + 0.0;
            }
            if owes {
                let amounts = group.parts(&part);
                let [maintenance, initial] = [0, 1].map(|kind| {
                    let (factors, stress) = both[kind];
                    let relative = match stress {
                        Stress::Scenario(scenario) => self.grid.moves(part.asset)[scenario],
                        Stress::Tail => group.tail.moves[part.asset],
                    };
                    let loss = group.loss_part(part.value, relative, stress, factors);
                    let charged = amounts.iter().zip(&scales[kind]);
                    loss + charged.map(|(part, scale)| part * scale).sum::<f64>() + 0.0
                });
                contributions.maintenance[row] = maintenance;
                contributions.initial[row] = initial;
            }
        }
    }

    /// The position of a row as its group sees it; none where its token has no price.
    fn part(&self, group: &Group, row: usize, positions: &Positions) -> Option<Part> {
        let token = positions.token[row];
        let base = self.tokens.base[token as usize]? as usize;
        let token_at = group.exposure.token_at(token)?;
        if !self.bases.usable[base] {
            return None;
        }
        let exposure = &group.exposure.tokens[token_at];
        let units = self.signed_units(row, positions);
        let account = positions.account[row] as usize;
        let chain = self.amounts.chain[account];
        Some(Part {
            token_at,
            asset: self.grid_row_of_base[base],
            chain,
            venue_fraction: self.amounts.venue_fraction[account],
            chain_fraction: self.amounts.chain_fraction[chain as usize],
            units_kept: units * exposure.kept,
            value: units * group.exposure.unit_value(token_at),
            low: self.bases.low[base],
            token_price: hurting_price(exposure.units_kept(), base, self.bases),
            wrapped: self.tokens.wrapped[token as usize],
        })
    }

    /// Quantity in token units, negative when owed. The position must be measurable.
    fn signed_units(&self, row: usize, positions: &Positions) -> f64 {
        let decimals = self.tokens.decimals[positions.token[row] as usize].unwrap_or_default();
        let units = token_units(positions.amount[row], decimals);
        if positions.debt[row] { -units } else { units }
    }

    fn values_only(&self, positions: &Positions) -> Contributions {
        let count = positions.token.len();
        let quantity =
            |row: usize| positions.measurable[row].then(|| self.signed_units(row, positions) + 0.0);
        Contributions {
            quantity: (0..count).map(quantity).collect(),
            value: (0..count)
                .map(|row| self.marked_value(row, positions))
                .collect(),
            collateral_value: vec![0.0; count],
            maintenance: vec![0.0; count],
            initial: vec![0.0; count],
        }
    }

    fn marked_value(&self, row: usize, positions: &Positions) -> Option<f64> {
        let base = self.tokens.base[positions.token[row] as usize]? as usize;
        let known = positions.measurable[row] && self.bases.usable[base];
        known.then(|| self.signed_units(row, positions) * self.bases.mark[base] + 0.0)
    }

    /// What the positions that cannot be netted say of the whole.
    fn row_flags(&self, rows: &[u32], positions: &Positions) -> RowFlags {
        let mut flags = RowFlags::default();
        for &row in rows {
            let row = row as usize;
            let lost =
                positions.counting[row] == Counting::Excluded && !positions.amount[row].is_zero();
            let measurable = positions.measurable[row];
            let priced = self.tokens.base[positions.token[row] as usize].is_some();
            flags.refused |= lost && positions.debt[row] && !(measurable && priced);
            flags.partial |= lost && !measurable;
        }
        flags
    }
}

/// Flags that single positions raise for their portfolio.
#[derive(Debug, Clone, Copy, Default)]
struct RowFlags {
    refused: bool,
    partial: bool,
}

/// The worst day of the group that loses most in its tail, the first of equal ones.
fn tail_day(groups: &[Group]) -> Option<i32> {
    let mut worst = groups.first()?;
    for group in groups {
        if group.tail.pnl < worst.tail.pnl {
            worst = group;
        }
    }
    worst.tail.worst_day
}

/// What one USD of each contingency's amount is charged under a stress.
fn contingency_scales(group: &Group, stress: Stress, factors: &Factors) -> Amounts {
    let mut scales = group.contingencies(stress, factors);
    for (scale, amount) in scales.iter_mut().zip(group.amounts) {
        *scale = if amount > 0.0 { *scale / amount } else { 0.0 };
    }
    scales
}

fn any_held(groups: &[Group]) -> bool {
    groups.iter().any(|group| group.exposure.held)
}

fn portfolios_on_cut_off_chains(book: &Book) -> Vec<bool> {
    let mut on_cut_off_chain = vec![false; book.portfolios.rows()];
    for (&portfolio, &chain) in book.accounts.portfolio.iter().zip(&book.accounts.chain) {
        on_cut_off_chain[portfolio as usize] |= book.chains.cut_off[chain as usize];
    }
    on_cut_off_chain
}
