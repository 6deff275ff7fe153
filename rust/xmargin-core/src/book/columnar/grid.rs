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
        moderate("factors", "price", price)?;
        if let Some(row) = price.iter().position(|&price| price <= 0.0) {
            return Err(Error::row(
                "factors",
                "price",
                row,
                format!("{} is not positive", price[row]),
            ));
        }
        self.reprice_with(price, |_, vol_factor| vol_factor)
    }

    /// The same at any prices that the chains take, with stdevs times `scale` of their chain: vols and
    /// time that have moved since the listing. A stdev never falls below a millionth of the listed.
    ///
    /// # Errors
    /// As [`reprice`](Self::reprice); prices of factors without chains may be zero or negative.
    pub fn reprice_scaled(&self, price: &[f64], scale: &[f64]) -> Result<ScenarioMatrix, Error> {
        moderate("factors", "price", price)?;
        same_length("chains", "scale", scale.len(), self.chains.len())?;
        self.reprice_with(price, |chain, vol_factor| scaled(scale[chain], vol_factor))
    }

    fn reprice_with(
        &self,
        price: &[f64],
        stdev_factor: impl Fn(usize, f64) -> f64,
    ) -> Result<ScenarioMatrix, Error> {
        same_length("factors", "price", price.len(), self.factors)?;
        let width = self.scenarios.vol_factor.len();
        let mut mark = vec![0.0; self.rows()];
        let mut pnl = vec![0.0; self.rows() * width];
        for (factor, &price) in price.iter().enumerate() {
            mark[factor] = price;
            self.write_factor(
                factor,
                price,
                &mut pnl[factor * width..(factor + 1) * width],
            );
        }
        for (number, chain) in self.chains.iter().enumerate() {
            let price = price[chain.terms.factor as usize];
            self.price_chain(
                chain,
                price,
                |vol_factor| stdev_factor(number, vol_factor),
                |option, value, row| {
                    let option = self.factors + option;
                    mark[option] = value;
                    pnl[option * width..(option + 1) * width].copy_from_slice(row);
                },
            )
            .map_err(|error| of_chain(error, number))?;
        }
        ScenarioMatrix::new(width, &mark, &pnl)
    }

    /// Writes the P&L of a factor by scenario.
    pub(crate) fn write_factor(&self, factor: usize, price: f64, pnl: &mut [f64]) {
        let width = pnl.len();
        let moves = &self.scenarios.moves[factor * width..(factor + 1) * width];
        pnl.iter_mut()
            .zip(moves)
            .for_each(|(pnl, &moved)| *pnl = price * moved);
    }

    /// Hands `write` number, mark and P&L of some options of a chain, by their places in it: what
    /// [`reprice_scaled`](Self::reprice_scaled) gives, to the bit.
    pub(crate) fn price_some(
        &self,
        chain: usize,
        places: &[u32],
        price: f64,
        scale: f64,
        write: impl FnMut(usize, f64, &[f64]),
    ) -> Result<(), Error> {
        self.price_chain(
            &self.chains[chain].select(places),
            price,
            |vol_factor| scaled(scale, vol_factor),
            write,
        )
        .map_err(|error| of_chain(error, chain))
    }

    /// Prices the options of a chain; what is written is by option, its mark and its P&L.
    fn price_chain(
        &self,
        chain: &PricedChain,
        price: f64,
        stdev_factor: impl Fn(f64) -> f64,
        mut write: impl FnMut(usize, f64, &[f64]),
    ) -> Result<(), Error> {
        let width = self.scenarios.vol_factor.len();
        let from = chain.terms.factor as usize * width;
        let moves = &self.scenarios.moves[from..from + width];
        let forward = price * chain.terms.forward_ratio;
        let count = chain.option.len();
        let mut values = vec![0.0; count * (width + 1)];
        let (now, shocked) = values.split_at_mut(count);
        chain.values_into(self.set, forward, stdev_factor(1.0), now)?;
        let in_scenario = shocked.chunks_exact_mut(count.max(1));
        for ((values, &moved), &vol_factor) in
            in_scenario.zip(moves).zip(&self.scenarios.vol_factor)
        {
            let stdev_factor = stdev_factor(vol_factor);
            chain.values_into(self.set, forward * (1.0 + moved), stdev_factor, values)?;
        }
        let mut pnl = vec![0.0; width];
        for (place, &option) in chain.option.iter().enumerate() {
            pnl.iter_mut()
                .zip(shocked[place..].iter().step_by(count))
                .for_each(|(pnl, value)| *pnl = value - now[place]);
            write(option, now[place], &pnl);
        }
        Ok(())
    }
}

/// The least factor on a listed stdev: below it an option is worth what exercise brings.
pub(crate) const SCALE_MIN: f64 = 1e-6;

/// The factor on a chain's listed stdevs in a scenario.
fn scaled(scale: f64, vol_factor: f64) -> f64 {
    (scale * vol_factor).max(SCALE_MIN)
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

    fn select(&self, places: &[u32]) -> Self {
        Self {
            terms: self.terms,
            chain: self.chain.select(places),
            stdevs: self.stdevs.select(places),
            option: places
                .iter()
                .map(|&place| self.option[place as usize])
                .collect(),
        }
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
