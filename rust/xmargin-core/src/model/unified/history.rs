//! Historical expected shortfall beside the grid: factor returns, filtered once, over net exposures.
//!
//! An asset without returns is not passed over: its net position is charged at the deepest move that
//! the grid has against it, on top, so that nothing nets against what nobody knows.

use super::group::Group;
use crate::Error;
use crate::market::scenario::ScenarioGrid;
use crate::model::historical::{Returns, Scenarios, TailBuffers, tail_moves};
use crate::model::parameters::{HistoricalRules, Parameters};

/// Scenarios of one set of factor returns under one parameter file. Costly to make, and the same
/// for every snapshot until the returns change.
#[derive(Debug, Clone, PartialEq)]
pub struct FactorHistory {
    parameters: Parameters,
    rules: HistoricalRules,
    scenarios: Scenarios,
    longest_gap_days: i32,
}

impl FactorHistory {
    /// Filters the returns; none where `parameters` ask for no historical shortfall.
    ///
    /// # Errors
    /// [`Error::Input`] when the days are too few for the confidence after the seed, or for the
    /// stressed period.
    pub fn new(parameters: Parameters, returns: &Returns) -> Result<Option<Self>, Error> {
        let Some(rules) = parameters.historical.clone() else {
            return Ok(None);
        };
        let mut scenarios = Scenarios::of(returns, &rules.simulation)?;
        for factor in 0..scenarios.factors.len() {
            let least = parameters.historical_fall_max(&scenarios.factors[factor]);
            scenarios.bound_falls(factor, least);
        }
        // Whether the days suffice does not depend on what is held.
        tail_moves(
            &scenarios,
            &[],
            &rules.simulation,
            &mut TailBuffers::default(),
        )?;
        Ok(Some(Self {
            parameters,
            rules,
            scenarios,
            longest_gap_days: returns.longest_gap_days(),
        }))
    }

    /// The assets that have returns, in name order.
    #[must_use]
    pub fn assets(&self) -> &[String] {
        &self.scenarios.factors
    }

    /// How the shortfall is found.
    #[must_use]
    pub fn rules(&self) -> &HistoricalRules {
        &self.rules
    }

    /// The most days that one of the returns spans.
    #[must_use]
    pub fn longest_gap_days(&self) -> i32 {
        self.longest_gap_days
    }

    /// # Errors
    /// [`Error::Input`] when it was made with other parameters: bounds and factors go together.
    pub(super) fn check(&self, parameters: &Parameters) -> Result<(), Error> {
        if self.parameters == *parameters {
            return Ok(());
        }
        Err(Error::Input {
            table: "returns",
            column: "history",
            row: None,
            problem: format!(
                "was made with other parameters ({} {}); make it again with {} {}",
                self.parameters.name, self.parameters.version, parameters.name, parameters.version
            ),
        })
    }
}

/// A history over the assets of one snapshot.
pub(super) struct AssetHistory<'a> {
    history: &'a FactorHistory,
    /// Factor by asset row of the grid; none where there are no returns of it.
    factors: Vec<Option<usize>>,
    /// The grid's deepest fall and largest rise by asset row, for those.
    falls: Vec<f64>,
    rises: Vec<f64>,
}

/// What a portfolio's tails are found with.
#[derive(Default)]
pub(super) struct HistoryBuffers {
    net: Vec<f64>,
    exposures: Vec<(usize, f64)>,
    tail: TailBuffers,
}

/// The tail of a group as one scenario.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupTail {
    /// Mean relative move by asset row of the grid.
    pub moves: Vec<f64>,
    /// `Σ_b c_b × move`, in USD; never positive.
    pub pnl: f64,
    /// The worst day of the tail, counted from 1970-01-01.
    pub worst_day: Option<i32>,
}

impl<'a> AssetHistory<'a> {
    pub fn new(history: &'a FactorHistory, grid: &ScenarioGrid) -> Self {
        let (mut falls, mut rises) = (Vec::new(), Vec::new());
        for (row, asset) in grid.assets().iter().enumerate() {
            let least = history.parameters.historical_fall_max(asset);
            let moves = grid.moves(row).iter().copied();
            falls.push(moves.clone().fold(0.0, f64::min).max(least));
            rises.push(moves.fold(0.0, f64::max));
        }
        let factor_of = |asset: &String| history.assets().binary_search(asset).ok();
        Self {
            history,
            factors: grid.assets().iter().map(factor_of).collect(),
            falls,
            rises,
        }
    }

    /// Finds the group's tail over its own net exposures.
    ///
    /// # Errors
    /// None that [`FactorHistory::new`] did not find before.
    pub fn fill(
        &self,
        group: &mut Group,
        asset_of_base: &[usize],
        buffers: &mut HistoryBuffers,
    ) -> Result<(), Error> {
        buffers.net.clear();
        buffers.net.resize(self.factors.len(), 0.0);
        for base in &group.exposure.bases {
            buffers.net[asset_of_base[base.base as usize]] += base.value;
        }
        buffers.exposures.clear();
        for (factor, &net) in self.factors.iter().zip(&buffers.net) {
            buffers
                .exposures
                .extend(factor.filter(|_| net != 0.0).map(|factor| (factor, net)));
        }
        let tail = &mut group.tail;
        tail.moves.clear();
        tail.moves.resize(self.factors.len(), 0.0);
        tail.worst_day = None;
        if !buffers.exposures.is_empty() {
            let (scenarios, rules) = (&self.history.scenarios, &self.history.rules.simulation);
            let found = tail_moves(scenarios, &buffers.exposures, rules, &mut buffers.tail)?;
            let mut means = found.moves.into_iter();
            for (asset, factor) in self.factors.iter().enumerate() {
                if factor.is_some() && buffers.net[asset] != 0.0 {
                    tail.moves[asset] = means.next().unwrap_or_default();
                }
            }
            tail.worst_day = found.worst_day;
        }
        for (asset, &net) in buffers.net.iter().enumerate() {
            if self.factors[asset].is_none() {
                tail.moves[asset] = if net > 0.0 {
                    self.falls[asset]
                } else {
                    self.rises[asset]
                };
            }
        }
        let move_of = |base: u32| tail.moves[asset_of_base[base as usize]];
        let bases = group.exposure.bases.iter();
        tail.pnl = bases.map(|base| base.value * move_of(base.base)).sum();
        Ok(())
    }
}
