//! The unified margin of a portfolio: one formula over scenarios.
//!
//! A group of positions (all reachable chains together, or one chain that is cut off) nets to an
//! [`Exposure`] with collateral value `C`, value by base `c_b` and wrapped value `W`. In scenario
//! `s`, which moves each base's asset by `r`, its *stressed value* under loss factor `f` and
//! wrapped-depeg rate `k` is
//!
//! ```text
//! V_s = C + f × Σ_b c_b × r_{b,s} - k × W
//! ```
//!
//! With the reachable group 0 and the cut-off groups g, which count only where they cost:
//!
//! ```text
//! excess      = min_s ( V_{0,s} + Σ_g min(0, V_{g,s}) )
//! requirement = C_0 + Σ_g min(0, C_g) - excess
//! ```
//!
//! Source: `docs/margin-model.md`, which says why, and which properties follow.

use super::exposure::Exposure;
use super::parameters::{Factors, Parameters};
use crate::Error;
use crate::book::positions::{Counting, Positions};
use crate::book::tables::{Bases, Book, Table, Tokens};
use crate::market::scenario::ScenarioGrid;
use crate::num::float::token_units;

/// What one kind of margin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Requirement {
    /// The requirement in USD, at least zero.
    pub margin: f64,
    /// The part of it that is the wrapped-depeg contingency.
    pub wrapped_depeg: f64,
    /// The scenario that binds.
    pub scenario: usize,
}

/// The numbers of a portfolio, in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// Assets minus debts at the mark, before haircuts.
    pub equity: f64,
    /// Value after haircuts, debts subtracted.
    pub collateral_value: f64,
    /// Below it the portfolio is liquidatable.
    pub maintenance: Requirement,
    /// Below it the portfolio is called.
    pub initial: Requirement,
    /// Everything owed, at the mark and before netting.
    pub gross_debt: f64,
}

impl Margin {
    /// Collateral value minus maintenance margin; negative is a shortfall.
    #[must_use]
    pub fn maintenance_excess(&self) -> f64 {
        self.collateral_value - self.maintenance.margin
    }

    /// Collateral value minus initial margin; negative is a shortfall.
    #[must_use]
    pub fn initial_excess(&self) -> f64 {
        self.collateral_value - self.initial.margin
    }

    /// Collateral value ÷ maintenance margin; absent when nothing is required.
    #[must_use]
    pub fn health_factor(&self) -> Option<f64> {
        (self.maintenance.margin > 0.0).then(|| self.collateral_value / self.maintenance.margin)
    }
}

/// The unified truth of one portfolio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PortfolioMargin {
    /// The numbers; absent when none may be served.
    pub margin: Option<Margin>,
    /// Whether anything is owed.
    pub owes: bool,
    /// Whether something rests on a price on hold, or is owned without a price.
    pub held: bool,
    /// Whether part of the portfolio could not be counted or read.
    pub partial: bool,
}

impl PortfolioMargin {
    /// The scenario that binds for maintenance margin; absent when nothing is owed.
    #[must_use]
    pub fn worst_scenario(&self) -> Option<u32> {
        let margin = self.margin.filter(|_| self.owes)?;
        u32::try_from(margin.maintenance.scenario).ok()
    }
}

/// What each position does for its portfolio, by position row, in USD.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// Signed quantity in token units; absent without believed decimals.
    pub quantity: Vec<Option<f64>>,
    /// Signed value at the mark; absent without a price.
    pub value: Vec<Option<f64>>,
    /// Part in the collateral value.
    pub collateral_value: Vec<f64>,
    /// Part in the maintenance margin less contingencies.
    pub maintenance: Vec<f64>,
    /// Part in the initial margin less contingencies.
    pub initial: Vec<f64>,
}

/// One group of a portfolio's positions with its profit and loss in every scenario.
#[derive(Debug, Default)]
struct Group {
    /// The chain of a cut-off group; the reachable group has none.
    cut_off_chain: Option<u32>,
    exposure: Exposure,
    pnl: Vec<f64>,
}

impl Group {
    fn is_cut_off(&self) -> bool {
        self.cut_off_chain.is_some()
    }

    /// Whether the group's collateral value enters the portfolio's: a cut-off one's only as debt.
    fn counts_collateral(&self) -> bool {
        !self.is_cut_off() || self.exposure.collateral_value < 0.0
    }

    fn collateral_value(&self) -> f64 {
        if self.counts_collateral() {
            self.exposure.collateral_value
        } else {
            0.0
        }
    }

    fn equity(&self) -> f64 {
        if self.is_cut_off() {
            self.exposure.equity.min(0.0)
        } else {
            self.exposure.equity
        }
    }

    /// Collateral value after the scenario's loss, before contingencies.
    fn value_after(&self, scenario: usize, factors: Factors) -> f64 {
        self.exposure.collateral_value + factors.loss * self.pnl[scenario]
    }

    /// What the scenario and the contingencies take from the collateral value.
    fn charge(&self, scenario: usize, factors: Factors) -> f64 {
        let contingency = factors.wrapped_depeg * self.exposure.wrapped_value;
        if self.is_cut_off() {
            let stressed = self.value_after(scenario, factors) - contingency;
            self.collateral_value() - stressed.min(0.0)
        } else {
            contingency - factors.loss * self.pnl[scenario]
        }
    }

    /// The part of [`Self::charge`] that is the wrapped-depeg contingency.
    fn contingency(&self, scenario: usize, factors: Factors) -> f64 {
        let contingency = factors.wrapped_depeg * self.exposure.wrapped_value;
        if self.is_cut_off() {
            let after = self.value_after(scenario, factors);
            after.min(0.0) - (after - contingency).min(0.0)
        } else {
            contingency
        }
    }

    /// The part of a position with collateral value `value` and relative move `relative` in
    /// [`Self::charge`] less contingencies; sums to it exactly because both are linear.
    fn contribution(&self, value: f64, relative: f64, scenario: usize, factors: Factors) -> f64 {
        let loss = -factors.loss * value * relative;
        if !self.is_cut_off() {
            return loss;
        }
        let before = if self.counts_collateral() { value } else { 0.0 };
        let after = if self.value_after(scenario, factors) < 0.0 {
            value - loss
        } else {
            0.0
        };
        before - after
    }
}

/// The model over one snapshot's prices and tokens.
pub struct UnifiedModel<'a> {
    bases: &'a Bases,
    tokens: &'a Tokens,
    maintenance: Factors,
    initial: Factors,
    grid: ScenarioGrid,
    grid_row_of_base: Vec<usize>,
}

impl<'a> UnifiedModel<'a> {
    /// Expands the scenarios over the assets of `book`'s bases.
    ///
    /// # Errors
    /// As [`Parameters::scenarios`].
    pub fn new(parameters: &Parameters, book: &'a Book) -> Result<Self, Error> {
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
    #[must_use]
    pub fn margins(
        &self,
        book: &Book,
        positions: &Positions,
        unknowable: &[bool],
    ) -> (Vec<PortfolioMargin>, Contributions) {
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
            .collect();
        (margins, contributions)
    }

    fn margin(
        &self,
        workspace: &mut Workspace,
        positions: &Positions,
        flags: RowFlags,
        contributions: &mut Contributions,
    ) -> PortfolioMargin {
        for (group, rows) in workspace.groups_with_rows() {
            group
                .exposure
                .fill(rows, positions, self.tokens, self.bases);
            self.fill_pnl(group);
        }
        let groups = workspace.groups();
        let any = |is: fn(&Exposure) -> bool| groups.iter().any(|group| is(&group.exposure));
        let owns_unpriced = any(|exposure| exposure.owns_unpriced);
        let owes = any(|exposure| exposure.owes) || flags.refused;
        let refused = flags.refused || any(|exposure| exposure.owes_unpriced);
        let margin = (!refused).then(|| self.numbers(groups, owes));
        if let Some(margin) = &margin {
            for (group, rows) in workspace.groups_with_rows() {
                self.contribute(group, rows, positions, margin, owes, contributions);
            }
        }
        PortfolioMargin {
            margin,
            owes,
            held: owns_unpriced || any_held(workspace.groups()),
            partial: flags.partial || owns_unpriced,
        }
    }

    fn numbers(&self, groups: &[Group], owes: bool) -> Margin {
        let requirement = |factors| {
            if owes {
                self.requirement(groups, factors)
            } else {
                Requirement::default()
            }
        };
        Margin {
            equity: groups.iter().map(Group::equity).sum(),
            collateral_value: groups.iter().map(Group::collateral_value).sum(),
            maintenance: requirement(self.maintenance),
            initial: requirement(self.initial),
            gross_debt: groups.iter().map(|group| group.exposure.gross_debt).sum(),
        }
    }

    /// The scenario that takes most, the lowest index on a tie, and what it takes.
    fn requirement(&self, groups: &[Group], factors: Factors) -> Requirement {
        let charge = |scenario| {
            groups
                .iter()
                .map(|group| group.charge(scenario, factors))
                .sum()
        };
        let mut worst = Requirement {
            margin: charge(0),
            ..Requirement::default()
        };
        for scenario in 1..self.grid.names().len() {
            let margin = charge(scenario);
            if margin > worst.margin {
                worst = Requirement {
                    margin,
                    scenario,
                    wrapped_depeg: 0.0,
                };
            }
        }
        let contingency = |group: &Group| group.contingency(worst.scenario, factors);
        Requirement {
            wrapped_depeg: groups.iter().map(contingency).sum(),
            ..worst
        }
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
        for &row in rows {
            let row = row as usize;
            let token = positions.token[row];
            let Some(base) = self.tokens.base[token as usize] else {
                continue;
            };
            let moves = self.grid.moves(self.grid_row_of_base[base as usize]);
            let value = self.signed_units(row, positions) * group.exposure.unit_value(token);
            // Adding zero makes a negative zero positive.
            if group.counts_collateral() {
                contributions.collateral_value[row] = value + 0.0;
            }
            if owes {
                let part = |scenario: usize, factors| {
                    group.contribution(value, moves[scenario], scenario, factors) + 0.0
                };
                contributions.maintenance[row] =
                    part(margin.maintenance.scenario, self.maintenance);
                contributions.initial[row] = part(margin.initial.scenario, self.initial);
            }
        }
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

/// Buffers that live from one portfolio to the next, so that none is allocated per row.
#[derive(Default)]
struct Workspace {
    groups: Vec<Group>,
    rows: Vec<Vec<u32>>,
    used: usize,
}

impl Workspace {
    /// Splits the positions that net into groups: the reachable one first, then each cut-off chain
    /// in row order.
    fn split(&mut self, rows: &[u32], positions: &Positions, book: &Book) {
        self.used = 0;
        self.open(None);
        let netted = |row: usize| {
            positions.counting[row] != Counting::LookedThrough
                && positions.measurable[row]
                && book.tokens.base[positions.token[row] as usize].is_some()
        };
        for &row in rows.iter().filter(|&&row| netted(row as usize)) {
            let chain = book.accounts.chain[positions.account[row as usize] as usize];
            let cut_off_chain = book.chains.cut_off[chain as usize].then_some(chain);
            let at = self.group_of(cut_off_chain);
            self.rows[at].push(row);
        }
    }

    fn group_of(&mut self, cut_off_chain: Option<u32>) -> usize {
        let search = self.groups[..self.used]
            .binary_search_by_key(&cut_off_chain, |group| group.cut_off_chain);
        search.unwrap_or_else(|at| {
            let last = self.open(cut_off_chain);
            self.groups[at..=last].rotate_right(1);
            self.rows[at..=last].rotate_right(1);
            at
        })
    }

    fn open(&mut self, cut_off_chain: Option<u32>) -> usize {
        if self.used == self.groups.len() {
            self.groups.push(Group::default());
            self.rows.push(Vec::new());
        }
        self.groups[self.used].cut_off_chain = cut_off_chain;
        self.rows[self.used].clear();
        self.used += 1;
        self.used - 1
    }

    fn groups(&self) -> &[Group] {
        &self.groups[..self.used]
    }

    fn groups_with_rows(&mut self) -> impl Iterator<Item = (&mut Group, &mut Vec<u32>)> {
        self.groups[..self.used].iter_mut().zip(&mut self.rows)
    }
}
