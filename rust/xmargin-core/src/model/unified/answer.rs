//! What the unified model answers.

use super::super::contingency::Amounts;
use super::super::parameters::Factors;

/// What a portfolio is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stress {
    /// A scenario of the grid, by its number.
    Scenario(usize),
    /// The tail of the factors' history.
    Tail,
}

impl Default for Stress {
    fn default() -> Self {
        Self::Scenario(0)
    }
}

impl Stress {
    /// What multiplies its loss.
    pub(super) fn factor(self, factors: &Factors) -> f64 {
        match self {
            Self::Scenario(_) => factors.loss,
            Self::Tail => factors.shortfall,
        }
    }
}

/// What one kind of margin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Requirement {
    /// The requirement in USD, at least zero.
    pub margin: f64,
    /// The part of it that the stress takes.
    pub scenario_loss: f64,
    /// What the worst scenario of the grid takes.
    pub grid_loss: f64,
    /// What the tail of the history takes; absent where there is none.
    pub historical_es: Option<f64>,
    /// The parts of it that are contingencies, in the order of
    /// [`NAMES`](crate::model::contingency::NAMES); with the scenario loss they sum to it.
    pub contingencies: Amounts,
    /// What binds.
    pub stress: Stress,
    /// The worst day of the tail, counted from 1970-01-01, of the group that loses most in it.
    pub tail_day: Option<i32>,
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
    /// What the ends of price ranges take from the collateral value, against the mark; it is in the
    /// collateral value already.
    pub oracle_confidence: f64,
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
    /// The scenario of the grid that binds for maintenance margin; absent when nothing is owed, or
    /// the tail binds.
    #[must_use]
    pub fn worst_scenario(&self) -> Option<u32> {
        let margin = self.margin.filter(|_| self.owes)?;
        match margin.maintenance.stress {
            Stress::Scenario(scenario) => u32::try_from(scenario).ok(),
            Stress::Tail => None,
        }
    }

    /// Whether the tail of the history binds for maintenance margin.
    #[must_use]
    pub fn is_bound_by_tail(&self) -> bool {
        self.margin
            .is_some_and(|margin| margin.maintenance.stress == Stress::Tail)
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
    /// Part in the maintenance margin, contingencies included.
    pub maintenance: Vec<f64>,
    /// Part in the initial margin, contingencies included.
    pub initial: Vec<f64>,
}
