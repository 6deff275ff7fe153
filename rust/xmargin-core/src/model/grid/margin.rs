//! A portfolio's margin by the scenario mechanism, with what each position contributes.
//!
//! With `f` a loss factor (the initial one raised where cash is below its peg), `L` the worst loss
//! and `R` the roll charge:
//!
//! ```text
//! L           = −min(0, min_s P&L_s, basis P&L)
//! requirement = f (L + R) + contingencies + what is reserved elsewhere
//! equity      = cash + Σ value owned outright + Σ unsettled
//! ```
//!
//! Of equally bad scenarios the first binds; the basis contingency only where it is worse than all.
//! Where the file asks for it, `L` is rounded. At the binding scenario all is linear in the positions, so that contributions sum to the
//! requirement, less what is reserved elsewhere.

use super::charges::{BothCharges, Charges, charges};
use super::parameters::{GridParameters, Numeraire};
use super::pnl::{Ground, Pnl};
use super::prices::Prices;
use crate::Error;
use crate::market::instrument::{Contract, Market, Portfolio, Position, check_holdings};
use crate::market::scenario::{ExpiryPnl, ScenarioGrid};

/// What binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worst {
    /// A scenario, by its number; 0, the unshocked one, where nothing is lost.
    Scenario(usize),
    /// The basis contingency.
    Basis,
}

/// One kind of margin, component by component.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Requirement {
    /// What multiplies the worst loss.
    pub loss_factor: f64,
    /// The worst loss, times the factor.
    pub loss: f64,
    /// The roll charge, times the factor.
    pub roll: f64,
    /// The contingencies.
    pub charges: Charges,
    /// What a venue holds for other things.
    pub reserved: f64,
    /// All of it: the requirement, at least zero.
    pub margin: f64,
}

/// A portfolio's margin.
#[derive(Debug, Clone, PartialEq)]
pub struct GridMargin {
    /// What it is worth as marked.
    pub equity: f64,
    /// Profit and loss in every scenario.
    pub scenario_pnl: Vec<f64>,
    /// Profit and loss of the basis contingency, at most zero.
    pub basis_pnl: f64,
    /// What binds; of both kinds, since one factor multiplies all losses.
    pub worst: Worst,
    /// Below it the portfolio is liquidatable.
    pub maintenance: Requirement,
    /// Below it nothing that adds risk is taken on.
    pub initial: Requirement,
}

impl GridMargin {
    /// Equity minus maintenance margin; negative is a shortfall.
    #[must_use]
    pub fn maintenance_excess(&self) -> f64 {
        self.equity - self.maintenance.margin
    }

    /// Equity minus initial margin; negative is a shortfall.
    #[must_use]
    pub fn initial_excess(&self) -> f64 {
        self.equity - self.initial.margin
    }

    /// Equity ÷ maintenance margin; absent when nothing is required.
    #[must_use]
    pub fn health_factor(&self) -> Option<f64> {
        (self.maintenance.margin > 0.0).then(|| self.equity / self.maintenance.margin)
    }
}

/// What one position contributes to the requirements; negative where it hedges.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Contribution {
    /// To maintenance margin.
    pub maintenance: f64,
    /// To initial margin.
    pub initial: f64,
}

/// The mechanism over one market: scenarios expanded, instruments valued.
#[derive(Debug, Clone)]
pub struct GridModel<'a> {
    parameters: &'a GridParameters,
    market: &'a Market,
    grid: ScenarioGrid,
    prices: Prices,
}

impl<'a> GridModel<'a> {
    /// Checks the market and values every instrument once per scenario.
    ///
    /// # Errors
    /// [`Error::Input`] for a market that cannot be, [`Error::Parameter`] for parameters that do
    /// not fit it.
    pub fn new(parameters: &'a GridParameters, market: &'a Market) -> Result<Self, Error> {
        market.check()?;
        if parameters.numeraire == Numeraire::Base && market.assets.len() > 1 {
            let problem = format!(
                "is \"base\", and the market has {} assets; margin each of them by itself",
                market.assets.len()
            );
            return Err(Error::parameter("numeraire", problem));
        }
        let names = market.assets.iter().map(|asset| asset.name.as_str());
        let grid = parameters.scenarios(names)?;
        let prices = Prices::new(parameters, market, &grid)?;
        Ok(Self {
            parameters,
            market,
            grid,
            prices,
        })
    }

    /// The scenarios, in order.
    #[must_use]
    pub fn grid(&self) -> &ScenarioGrid {
        &self.grid
    }

    /// A position's profit and loss in every scenario, as if it stood alone, before relief and
    /// offset. The position must be valid.
    #[must_use]
    pub fn position_pnl(&self, position: Position) -> Vec<f64> {
        let pnl = self.ground().pnl(&[position]);
        let sum = |scenario| pnl.by_asset.iter().map(|row| row[scenario]).sum();
        (0..self.grid.names().len()).map(sum).collect()
    }

    /// The margin of every portfolio, and the contribution of every position, in row order.
    ///
    /// # Errors
    /// [`Error::Input`] for holdings that cannot be.
    pub fn margins(
        &self,
        portfolios: &[Portfolio],
        positions: &[Position],
    ) -> Result<(Vec<GridMargin>, Vec<Contribution>), Error> {
        check_holdings(self.market, portfolios, positions)?;
        // Sums run in instrument order, so that the order of the rows changes no bit.
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by_key(|&row| (positions[row].portfolio, positions[row].instrument));
        let mut contributions = vec![Contribution::default(); positions.len()];
        let mut margins = Vec::with_capacity(portfolios.len());
        let mut rest = order.as_slice();
        for (row, portfolio) in portfolios.iter().enumerate() {
            let count = rest.partition_point(|&at| positions[at].portfolio as usize <= row);
            let (rows, others) = rest.split_at(count);
            rest = others;
            let held: Vec<Position> = rows.iter().map(|&at| positions[at]).collect();
            let (margin, parts) = self.margin(portfolio, &held);
            for (&at, part) in rows.iter().zip(parts) {
                contributions[at] = part;
            }
            margins.push(margin);
        }
        Ok((margins, contributions))
    }

    pub(super) fn market(&self) -> &Market {
        self.market
    }

    pub(super) fn prices(&self) -> &Prices {
        &self.prices
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            parameters: self.parameters,
            market: self.market,
            grid: &self.grid,
            prices: &self.prices,
        }
    }

    fn margin(
        &self,
        portfolio: &Portfolio,
        positions: &[Position],
    ) -> (GridMargin, Vec<Contribution>) {
        let ground = self.ground();
        let pnl = ground.pnl(positions);
        let charged = charges(ground, positions);
        let worst = worst_of(&pnl);
        let exact_loss = match worst {
            Worst::Scenario(scenario) => -pnl.scenarios[scenario],
            Worst::Basis => -pnl.basis,
        };
        let loss = self.rounded(exact_loss);
        let rounding = if exact_loss > 0.0 {
            loss / exact_loss
        } else {
            1.0
        };
        let factors = self.parameters.loss_factors;
        let initial_factor = factors.initial + self.depeg_addition();
        let total = |of: fn(&BothCharges) -> Charges| {
            let mut sum = Charges::default();
            for one in &charged {
                sum += of(one);
            }
            sum
        };
        let maintenance = requirement(factors.maintenance, loss, total(|c| c.maintenance), 0.0);
        let initial = requirement(
            initial_factor,
            loss,
            total(|c| c.initial),
            portfolio.reserved_initial,
        );
        let contributions = positions
            .iter()
            .zip(&charged)
            .map(|(position, charges)| {
                let own_loss = rounding * self.loss_part(&pnl, worst, position);
                let part = |factor: f64, charges: &Charges| {
                    factor * (own_loss + charges.roll) + charges.contingencies()
                };
                Contribution {
                    maintenance: part(factors.maintenance, &charges.maintenance),
                    initial: part(initial_factor, &charges.initial),
                }
            })
            .collect();
        let margin = GridMargin {
            equity: self.equity(portfolio, positions),
            scenario_pnl: pnl.scenarios,
            basis_pnl: pnl.basis,
            worst,
            maintenance,
            initial,
        };
        (margin, contributions)
    }

    fn rounded(&self, loss: f64) -> f64 {
        match self.parameters.loss_units {
            None => loss,
            Some(units) => (loss * units).round() / units,
        }
    }

    fn depeg_addition(&self) -> f64 {
        self.parameters.depeg.map_or(0.0, |rule| {
            (rule.threshold - self.market.cash_price).max(0.0) * rule.rate
        })
    }

    fn equity(&self, portfolio: &Portfolio, positions: &[Position]) -> f64 {
        positions.iter().fold(portfolio.cash, |sum, position| {
            let row = position.instrument as usize;
            let unit = match self.market.instruments[row].contract {
                Contract::Option { expiry, .. } => self.prices.expiries[expiry as usize].unit,
                _ => 1.0,
            };
            sum + position.quantity * self.prices.marks[row] / unit + position.unsettled
        })
    }

    /// A position's part of the worst loss.
    fn loss_part(&self, pnl: &Pnl, worst: Worst, position: &Position) -> f64 {
        match worst {
            Worst::Scenario(scenario) => self.scenario_part(pnl, scenario, position),
            Worst::Basis => self.basis_part(pnl, position),
        }
    }

    fn scenario_part(&self, pnl: &Pnl, scenario: usize, position: &Position) -> f64 {
        let ground = self.ground();
        let row = position.instrument as usize;
        let contract = self.market.instruments[row].contract;
        let Some(asset) = ground.asset_of(contract) else {
            return 0.0;
        };
        let own = match contract {
            Contract::Option { expiry, .. } => self.option_part(pnl, expiry, scenario, position),
            _ => position.quantity * self.prices.row(row)[scenario],
        };
        // Relief and offset take the same part from all that moves with an asset.
        let raw = pnl.by_asset[asset][scenario];
        if raw == 0.0 {
            return -own;
        }
        -own * (ground.counted(raw, asset, scenario) / raw)
    }

    fn option_part(&self, pnl: &Pnl, expiry: u32, scenario: usize, position: &Position) -> f64 {
        let ground = self.ground();
        let row = position.instrument as usize;
        let expiry = expiry as usize;
        let Some(held) = pnl.expiries.iter().find(|held| held.expiry == expiry) else {
            return 0.0;
        };
        let discount = ground.discount(held, scenario);
        let part = |mark, shocked| ground.option_pnl(expiry, mark, shocked, discount, scenario);
        let own = part(
            position.quantity * self.prices.marks[row],
            position.quantity * self.prices.row(row)[scenario],
        );
        let inverted = self.grid.traits()[scenario].expiry_pnl == ExpiryPnl::Loss
            && part(held.mark, held.shocked[scenario]) > 0.0;
        if inverted { -own } else { own }
    }

    fn basis_part(&self, pnl: &Pnl, position: &Position) -> f64 {
        let row = position.instrument as usize;
        let Contract::Option { expiry, .. } = self.market.instruments[row].contract else {
            return 0.0;
        };
        let held = pnl
            .expiries
            .iter()
            .find(|held| held.expiry == expiry as usize);
        let Some(side) = held.and_then(|held| held.basis_loss().1) else {
            return 0.0;
        };
        let prices = &self.prices.expiries[expiry as usize];
        let change = self.prices.basis[row][side] - self.prices.marks[row];
        -position.quantity * change * prices.basis_factor / prices.unit
    }
}

fn worst_of(pnl: &Pnl) -> Worst {
    let mut worst = 0;
    for (scenario, value) in pnl.scenarios.iter().enumerate() {
        if *value < pnl.scenarios[worst] {
            worst = scenario;
        }
    }
    if pnl.basis < pnl.scenarios[worst] {
        Worst::Basis
    } else {
        Worst::Scenario(worst)
    }
}

fn requirement(factor: f64, worst_loss: f64, charges: Charges, reserved: f64) -> Requirement {
    // Adding zero makes a negative zero positive.
    let loss = factor * worst_loss + 0.0;
    let roll = factor * charges.roll + 0.0;
    Requirement {
        loss_factor: factor,
        loss,
        roll,
        charges,
        reserved,
        margin: loss + roll + charges.contingencies() + reserved,
    }
}
