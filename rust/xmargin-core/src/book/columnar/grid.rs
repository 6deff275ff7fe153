//! From prices to a scenario matrix: factors first, then options by Black-76, each priced once a
//! scenario.

use super::SCENARIOS_MAX;
use super::accounts::{fault, moderate, same_length};
use super::matrix::ScenarioMatrix;
use crate::Error;
use crate::pricing::OptionKind;
use crate::pricing::batch::{Chain, InstructionSet, STDEV_FACTOR_RANGE, Stdevs};

/// What happens to the factors and to vols.
pub struct GridScenarios {
    /// Relative moves, by factor, then by scenario; above −1.
    pub moves: Vec<f64>,
    /// Factor on all vols, by scenario.
    pub vol_factor: Vec<f64>,
}

/// What the options of one factor and expiry share.
#[derive(Debug, Clone, Copy)]
pub struct ChainTerms {
    /// Number of the factor.
    pub factor: u32,
    /// Forward ÷ the factor's price.
    pub forward_ratio: f64,
    /// Discount factor to expiry.
    pub discount: f64,
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct OptionRow {
    /// Number of its chain.
    pub chain: u32,
    /// Call or put.
    pub kind: OptionKind,
    /// USD.
    pub strike: f64,
    /// Vol × √(expiry in years).
    pub stdev: f64,
}

/// Factors and chains of options under scenarios: row r is factor r; option o stands in row
/// factors + o.
pub struct OptionGrid {
    factors: usize,
    scenarios: GridScenarios,
    chains: Vec<PricedChain>,
    options: usize,
    set: InstructionSet,
}

struct PricedChain {
    terms: ChainTerms,
    chain: Chain,
    stdevs: Stdevs,
    /// The options' numbers, in the chain's order.
    option: Vec<usize>,
}

impl OptionGrid {
    /// A checked grid over `factors` factors.
    ///
    /// # Errors
    /// [`Error::Input`] naming table, column and row: a chain or factor that is not there, a move of
    /// −1 or less, or what [`Chain::new`] and [`Stdevs::new`] refuse.
    pub fn new(
        factors: usize,
        scenarios: GridScenarios,
        terms: &[ChainTerms],
        options: &[OptionRow],
        set: InstructionSet,
    ) -> Result<Self, Error> {
        check_scenarios(factors, &scenarios)?;
        if let Some(row) = terms
            .iter()
            .position(|terms| terms.factor as usize >= factors)
        {
            let problem = format!("{} is not one of the {factors} factors", terms[row].factor);
            return Err(Error::row("chains", "factor", row, problem));
        }
        let mut of_chain = vec![Vec::new(); terms.len()];
        for (row, option) in options.iter().enumerate() {
            let Some(members) = of_chain.get_mut(option.chain as usize) else {
                let problem = format!("{} is not one of the {} chains", option.chain, terms.len());
                return Err(Error::row("options", "chain", row, problem));
            };
            members.push(row);
        }
        let chains = terms
            .iter()
            .zip(of_chain)
            .map(|(&terms, option)| PricedChain::new(terms, option, options));
        Ok(Self {
            factors,
            scenarios,
            chains: chains.collect::<Result<_, _>>()?,
            options: options.len(),
            set,
        })
    }

    /// How many rows its matrices have.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.factors + self.options
    }

    /// The matrix at these prices of the factors (USD).
    ///
    /// # Errors
    /// [`Error::Input`] naming the row of `factors` or `chains` at fault: a price that is not
    /// positive, a forward or discount that Black-76 refuses.
    pub fn reprice(&self, price: &[f64]) -> Result<ScenarioMatrix, Error> {
        same_length("factors", "price", price.len(), self.factors)?;
        moderate("factors", "price", price)?;
        if let Some(row) = price.iter().position(|&price| price <= 0.0) {
            return Err(Error::row(
                "factors",
                "price",
                row,
                format!("{} is not positive", price[row]),
            ));
        }
        let width = self.scenarios.vol_factor.len();
        let mut mark = vec![0.0; self.rows()];
        let mut pnl = vec![0.0; self.rows() * width];
        mark[..self.factors].copy_from_slice(price);
        let factor_rows = pnl
            .chunks_exact_mut(width)
            .zip(self.scenarios.moves.chunks_exact(width));
        for ((row, moves), &price) in factor_rows.zip(price) {
            row.iter_mut()
                .zip(moves)
                .for_each(|(pnl, &moved)| *pnl = price * moved);
        }
        let options = (&mut mark[self.factors..], &mut pnl[self.factors * width..]);
        for (number, chain) in self.chains.iter().enumerate() {
            self.price_chain(
                chain,
                price[chain.terms.factor as usize],
                options.0,
                options.1,
            )
            .map_err(|error| of_chain(error, number))?;
        }
        ScenarioMatrix::new(width, &mark, &pnl)
    }

    /// Writes marks and P&L of a chain's options.
    fn price_chain(
        &self,
        chain: &PricedChain,
        price: f64,
        mark: &mut [f64],
        pnl: &mut [f64],
    ) -> Result<(), Error> {
        let width = self.scenarios.vol_factor.len();
        let from = chain.terms.factor as usize * width;
        let moves = &self.scenarios.moves[from..from + width];
        let forward = price * chain.terms.forward_ratio;
        let count = chain.option.len();
        let mut values = vec![0.0; count * (width + 1)];
        let (now, shocked) = values.split_at_mut(count);
        chain.values_into(self.set, forward, 1.0, now)?;
        let in_scenario = shocked.chunks_exact_mut(count.max(1));
        for ((values, &moved), &vol_factor) in
            in_scenario.zip(moves).zip(&self.scenarios.vol_factor)
        {
            chain.values_into(self.set, forward * (1.0 + moved), vol_factor, values)?;
        }
        for (place, &option) in chain.option.iter().enumerate() {
            mark[option] = now[place];
            let row = &mut pnl[option * width..(option + 1) * width];
            row.iter_mut()
                .zip(shocked[place..].iter().step_by(count))
                .for_each(|(pnl, value)| *pnl = value - now[place]);
        }
        Ok(())
    }
}

impl PricedChain {
    fn new(terms: ChainTerms, option: Vec<usize>, options: &[OptionRow]) -> Result<Self, Error> {
        let of = |read: fn(&OptionRow) -> f64| {
            option
                .iter()
                .map(|&row| read(&options[row]))
                .collect::<Vec<_>>()
        };
        // The core names rows of the chain; the caller knows rows of the table.
        let of_table = |error: Error| match error {
            Error::Input {
                column,
                row,
                problem,
                ..
            } => Error::Input {
                table: "options",
                column,
                row: row.map(|row| option[row]),
                problem,
            },
            other => other,
        };
        let kind = option.iter().map(|&row| options[row].kind).collect();
        let chain = Chain::new(kind, of(|option| option.strike)).map_err(of_table)?;
        let stdevs = Stdevs::new(&of(|option| option.stdev)).map_err(of_table)?;
        Ok(Self {
            terms,
            chain,
            stdevs,
            option,
        })
    }

    fn values_into(
        &self,
        set: InstructionSet,
        forward: f64,
        vol_factor: f64,
        values: &mut [f64],
    ) -> Result<(), Error> {
        self.chain.values_into(
            set,
            forward,
            self.terms.discount,
            &self.stdevs,
            vol_factor,
            values,
        )
    }
}

/// The core names no row of what it refuses; here it is a chain's.
fn of_chain(error: Error, number: usize) -> Error {
    match error {
        Error::Input {
            column, problem, ..
        } => Error::row("chains", column, number, problem),
        other => other,
    }
}

fn check_scenarios(factors: usize, scenarios: &GridScenarios) -> Result<(), Error> {
    let width = scenarios.vol_factor.len();
    if width == 0 || width > SCENARIOS_MAX {
        let problem = format!("has {width} rows; there are 1 to {SCENARIOS_MAX} scenarios");
        return Err(fault("scenarios", "vol_factor", None, problem));
    }
    let refused = |factor: &f64| !STDEV_FACTOR_RANGE.contains(factor);
    if let Some(row) = scenarios.vol_factor.iter().position(refused) {
        let factor = scenarios.vol_factor[row];
        let problem = format!("{factor:?} is out of range; it must be in [1e-6, 1e6]");
        return Err(Error::row("scenarios", "vol_factor", row, problem));
    }
    same_length(
        "scenarios",
        "move",
        scenarios.moves.len(),
        factors.saturating_mul(width),
    )?;
    moderate("scenarios", "move", &scenarios.moves)?;
    match scenarios.moves.iter().position(|&moved| moved <= -1.0) {
        None => Ok(()),
        Some(row) => {
            let problem = format!(
                "{} takes the price to nothing or below; it must be above −1",
                scenarios.moves[row]
            );
            Err(Error::row("scenarios", "move", row, problem))
        }
    }
}
