//! The market that accounts are judged in: prices, vols and time as coordinates, rows priced when needed.

use crate::Error;
use crate::book::columnar::{
    ChainTerms, GridScenarios, MAGNITUDE_MAX, OptionGrid, OptionRow, ScenarioMatrix,
};
use crate::pricing::batch::InstructionSet;

const YEAR_MS: f64 = 365.0 * 86_400_000.0;
/// What Black-76 takes as a forward.
const FORWARD_MIN: f64 = 1e-100;
/// The largest factor on stdevs that the kernel takes.
const SCALE_MAX: f64 = 1e6;

/// A factor as listed.
#[derive(Debug, Clone, Copy)]
pub struct FactorTerms {
    /// USD.
    pub price_usd: f64,
    /// Whether the price may be negative: a funding index, say. No chain is of such a factor.
    pub is_signed: bool,
    /// Relative size of a usual move, against those of other factors and chains. Decides only how
    /// often accounts are evaluated.
    pub typical_move: f64,
}

/// A chain of options as listed.
#[derive(Debug, Clone, Copy)]
pub struct ExpiryTerms {
    /// Factor, forward ratio and discount.
    pub chain: ChainTerms,
    /// When it expires.
    pub expiry_ms: i64,
    /// Factor on the vols of its options.
    pub vol_level: f64,
    /// As of a factor, of the stdevs.
    pub typical_move: f64,
}

/// All that is listed.
pub struct MarketTerms {
    /// Rows from 0.
    pub factors: Vec<FactorTerms>,
    /// What happens in each scenario.
    pub scenarios: GridScenarios,
    /// Chains of the options.
    pub chains: Vec<ExpiryTerms>,
    /// Rows behind the factors; `stdev` is the vol per √year here.
    pub options: Vec<OptionRow>,
    /// Time of the listing.
    pub now_ms: i64,
}

/// What a tick says: the coordinates named move, the others stay.
#[derive(Debug, Clone, Copy)]
pub struct Moves<'a> {
    /// Numbers of factors, each at most once.
    pub factor: &'a [u32],
    /// Their prices in USD.
    pub price_usd: &'a [f64],
    /// Numbers of chains, each at most once.
    pub chain: &'a [u32],
    /// Factors on their listed vols.
    pub vol_level: &'a [f64],
    /// Not before the tick before.
    pub now_ms: i64,
}

/// Listed terms and where all stands now.
pub(super) struct Market {
    pub terms: MarketTerms,
    pub grid: OptionGrid,
    pub now_ms: i64,
    /// Prices of the factors, then the stdev scales of the chains.
    pub coordinates: Vec<f64>,
    vol_level: Vec<f64>,
    limits: Vec<Limits>,
    /// Up to date where [`freshen`](Self::freshen) was asked, and for all factors.
    pub matrix: ScenarioMatrix,
    of_chain: Vec<ChainState>,
    of_option: Vec<OptionState>,
    pnl: Vec<f64>,
    told: Vec<bool>,
}

/// Prices of a factor at which every row of its can be priced.
#[derive(Clone, Copy)]
struct Limits {
    min: f64,
    max: f64,
}

#[derive(Default, Clone)]
struct ChainState {
    /// Grows whenever prices of its options change.
    version: u64,
    /// Places of options to be priced.
    wanted: Vec<u32>,
}

#[derive(Clone, Copy)]
pub(super) struct OptionState {
    pub chain: u32,
    pub place: u32,
    priced: u64,
}

impl Market {
    pub fn new(terms: MarketTerms, set: InstructionSet) -> Result<Self, Error> {
        let vol_factor_max = check_terms(&terms)?;
        let scenarios = GridScenarios {
            moves: terms.scenarios.moves.clone(),
            vol_factor: terms.scenarios.vol_factor.clone(),
        };
        let chains: Vec<ChainTerms> = terms.chains.iter().map(|expiry| expiry.chain).collect();
        let factors = terms.factors.len();
        let grid = OptionGrid::new(factors, scenarios, &chains, &terms.options, set)?;
        let limits = limits(&terms);
        let mut prices: Vec<f64> = terms
            .factors
            .iter()
            .map(|factor| factor.price_usd)
            .collect();
        for (row, (&price, limits)) in prices.iter().zip(&limits).enumerate() {
            limits.check(row, price)?;
        }
        let scale = |expiry: &ExpiryTerms| scale_of(expiry, expiry.vol_level, terms.now_ms);
        let scales: Vec<f64> = terms.chains.iter().map(scale).collect();
        for (row, scale) in scales.iter().enumerate() {
            check_scale(row, *scale, vol_factor_max)?;
        }
        let matrix = grid.reprice_scaled(&prices, &scales)?;
        let mut places = vec![0; terms.chains.len()];
        let of_option = terms.options.iter().map(|option| {
            let place = &mut places[option.chain as usize];
            *place += 1;
            OptionState {
                chain: option.chain,
                place: *place - 1,
                priced: 0,
            }
        });
        prices.extend(scales);
        Ok(Self {
            of_option: of_option.collect(),
            of_chain: vec![ChainState::default(); terms.chains.len()],
            vol_level: terms.chains.iter().map(|expiry| expiry.vol_level).collect(),
            pnl: vec![0.0; terms.scenarios.vol_factor.len()],
            told: vec![false; prices.len()],
            now_ms: terms.now_ms,
            coordinates: prices,
            terms,
            grid,
            limits,
            matrix,
        })
    }

    pub fn factors(&self) -> usize {
        self.terms.factors.len()
    }

    /// The coordinate of a chain.
    pub fn scale_of(&self, chain: u32) -> usize {
        self.factors() + chain as usize
    }

    /// Whether a coordinate can ever pass below, and above, these values.
    pub fn can_pass(&self, coordinate: usize, low: f64, high: f64) -> (bool, bool) {
        let limits = self.limits.get(coordinate).copied().unwrap_or(Limits {
            min: 0.0,
            max: SCALE_MAX,
        });
        (low > limits.min, high < limits.max)
    }

    /// The state of the option in a row, if it is one.
    pub fn option(&self, row: u32) -> Option<(usize, OptionState)> {
        let number = (row as usize).checked_sub(self.factors())?;
        Some((number, self.of_option[number]))
    }

    /// The matrix of all rows, from the coordinates alone.
    pub fn priced_anew(&self) -> Result<ScenarioMatrix, Error> {
        let (prices, scales) = self.coordinates.split_at(self.factors());
        self.grid.reprice_scaled(prices, scales)
    }

    /// Refuses moves that cannot be made; nothing has changed then.
    pub fn check(&mut self, moves: &Moves<'_>) -> Result<(), Error> {
        if moves.now_ms < self.now_ms {
            let problem = format!(
                "{} is before the last tick's {}; ticks come in order",
                moves.now_ms, self.now_ms
            );
            return Err(fault("tick", "now_ms", None, problem));
        }
        same_length("prices", "price_usd", moves.price_usd, moves.factor)?;
        same_length("vols", "vol_level", moves.vol_level, moves.chain)?;
        self.check_told(moves.factor, 0, self.factors(), ("prices", "factor"))?;
        self.check_told(
            moves.chain,
            self.factors(),
            self.terms.chains.len(),
            ("vols", "chain"),
        )?;
        for (row, (&factor, &price)) in moves.factor.iter().zip(moves.price_usd).enumerate() {
            self.limits[factor as usize].check(row, price)?;
        }
        let vol_factor_max = largest(&self.terms.scenarios.vol_factor);
        for (row, (&chain, &level)) in moves.chain.iter().zip(moves.vol_level).enumerate() {
            check_level(row, level)?;
            let expiry = &self.terms.chains[chain as usize];
            check_scale(row, scale_of(expiry, level, moves.now_ms), vol_factor_max)?;
        }
        Ok(())
    }

    /// Numbers must be known, and told once.
    fn check_told(
        &mut self,
        numbers: &[u32],
        first: usize,
        count: usize,
        (table, column): (&'static str, &'static str),
    ) -> Result<(), Error> {
        let mut wrong = None;
        let mut seen = 0;
        for (row, &number) in numbers.iter().enumerate() {
            if number as usize >= count {
                wrong = Some((row, format!("{number} is not one of the {count} listed")));
                break;
            }
            if std::mem::replace(&mut self.told[first + number as usize], true) {
                wrong = Some((row, format!("{number} is told twice in one tick")));
                break;
            }
            seen = row + 1;
        }
        for &number in &numbers[..seen] {
            self.told[first + number as usize] = false;
        }
        match wrong {
            None => Ok(()),
            Some((row, problem)) => Err(Error::row(table, column, row, problem)),
        }
    }

    /// Makes checked moves; `changed` gets the number of each coordinate that does.
    pub fn apply(&mut self, moves: &Moves<'_>, changed: &mut Vec<usize>) {
        for (&factor, &price) in moves.factor.iter().zip(moves.price_usd) {
            let factor = factor as usize;
            if self.coordinates[factor].to_bits() == price.to_bits() {
                continue;
            }
            self.coordinates[factor] = price;
            self.grid.write_factor(factor, price, &mut self.pnl);
            self.matrix.set_row(factor, price, &self.pnl);
            changed.push(factor);
        }
        for (&chain, &level) in moves.chain.iter().zip(moves.vol_level) {
            self.vol_level[chain as usize] = level;
        }
        let prices_moved = changed.len();
        let factors = self.factors();
        for (chain, expiry) in self.terms.chains.iter().enumerate() {
            let scale = scale_of(expiry, self.vol_level[chain], moves.now_ms);
            if self.coordinates[factors + chain].to_bits() != scale.to_bits() {
                self.coordinates[factors + chain] = scale;
                changed.push(factors + chain);
            }
        }
        self.now_ms = moves.now_ms;
        self.outdate(changed, prices_moved);
    }

    fn outdate(&mut self, changed: &[usize], prices_moved: usize) {
        let factors = self.factors();
        for &scale in &changed[prices_moved..] {
            self.of_chain[scale - factors].version += 1;
        }
        if prices_moved == 0 {
            return;
        }
        changed[..prices_moved]
            .iter()
            .for_each(|&factor| self.told[factor] = true);
        for (expiry, state) in self.terms.chains.iter().zip(&mut self.of_chain) {
            state.version += u64::from(self.told[expiry.chain.factor as usize]);
        }
        changed[..prices_moved]
            .iter()
            .for_each(|&factor| self.told[factor] = false);
    }

    /// Notes that the option in a row, if it is one, will be needed.
    pub fn want(&mut self, row: u32) {
        let Some(number) = (row as usize).checked_sub(self.factors()) else {
            return;
        };
        let option = &mut self.of_option[number];
        let chain = &mut self.of_chain[option.chain as usize];
        if option.priced < chain.version {
            option.priced = chain.version;
            chain.wanted.push(option.place);
        }
    }

    /// Prices what is wanted and out of date.
    ///
    /// # Errors
    /// None in practice: [`check`](Self::check) admits only what the kernel prices.
    pub fn freshen(&mut self) -> Result<(), Error> {
        let factors = self.factors();
        for (number, state) in self.of_chain.iter_mut().enumerate() {
            if state.wanted.is_empty() {
                continue;
            }
            let price = self.coordinates[self.terms.chains[number].chain.factor as usize];
            let scale = self.coordinates[factors + number];
            let write = |option: usize, mark: f64, pnl: &[f64]| {
                self.matrix.set_row(factors + option, mark, pnl);
            };
            self.grid
                .price_some(number, &state.wanted, price, scale, write)?;
            state.wanted.clear();
        }
        Ok(())
    }
}

impl Limits {
    fn check(self, row: usize, price: f64) -> Result<(), Error> {
        if self.min <= price && price <= self.max {
            return Ok(());
        }
        let problem = format!("{price} is not within {:e} and {:e}", self.min, self.max);
        Err(Error::row("prices", "price_usd", row, problem))
    }
}

/// Level × √(years left), nothing once expired.
fn scale_of(expiry: &ExpiryTerms, level: f64, now_ms: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact below 285,000 years, monotone beyond"
    )]
    let left_ms = expiry.expiry_ms.saturating_sub(now_ms).max(0) as f64;
    level * (left_ms / YEAR_MS).sqrt()
}

/// Where every row of a factor stays within [`MAGNITUDE_MAX`] and Black-76's range.
fn limits(terms: &MarketTerms) -> Vec<Limits> {
    let width = terms.scenarios.vol_factor.len();
    let of_factor = |(factor, moves): (&FactorTerms, &[f64])| {
        let most = moves.iter().fold(1.0_f64, |most, one| most.max(one.abs()));
        let max = MAGNITUDE_MAX / most;
        Limits {
            min: if factor.is_signed { -max } else { 0.0 },
            max,
        }
    };
    let factors = terms.factors.iter();
    let mut limits: Vec<Limits> = factors
        .zip(terms.scenarios.moves.chunks_exact(width))
        .map(of_factor)
        .collect();
    for expiry in &terms.chains {
        let chain = &expiry.chain;
        let factor = chain.factor as usize;
        let moves = &terms.scenarios.moves[factor * width..(factor + 1) * width];
        let least = moves.iter().copied().fold(0.0, f64::min);
        let ratio = chain.forward_ratio;
        let most = (1.0 + largest(moves).max(0.0)) * ratio * chain.discount.max(1.0);
        let limits = &mut limits[factor];
        limits.min = limits
            .min
            .max(2.0 * FORWARD_MIN / (ratio * (1.0 + least)).min(1.0));
        limits.max = limits.max.min(0.5 * MAGNITUDE_MAX / most);
    }
    limits
}

/// The largest vol factor, of terms that can be priced at some state.
fn check_terms(terms: &MarketTerms) -> Result<f64, Error> {
    let scenarios = &terms.scenarios;
    let cells = terms
        .factors
        .len()
        .saturating_mul(scenarios.vol_factor.len());
    if scenarios.vol_factor.is_empty() || scenarios.moves.len() != cells || cells == 0 {
        let problem = format!(
            "has {} rows; it must have {cells}, over 0",
            scenarios.moves.len()
        );
        return Err(fault("scenarios", "move", None, problem));
    }
    positive("scenarios", "vol_factor", &scenarios.vol_factor, 1e6)?;
    for (row, factor) in terms.factors.iter().enumerate() {
        in_range("factors", "typical_move", row, factor.typical_move, 1e6)?;
    }
    for (row, expiry) in terms.chains.iter().enumerate() {
        in_range("chains", "typical_move", row, expiry.typical_move, 1e6)?;
        in_range(
            "chains",
            "forward_ratio",
            row,
            expiry.chain.forward_ratio,
            1e6,
        )?;
        in_range("chains", "discount", row, expiry.chain.discount, 1e3)?;
        check_level(row, expiry.vol_level)?;
        let factor = expiry.chain.factor as usize;
        if terms
            .factors
            .get(factor)
            .is_none_or(|factor| factor.is_signed)
        {
            let problem = format!("{factor} is not a factor of positive price");
            return Err(Error::row("chains", "factor", row, problem));
        }
    }
    for (row, option) in terms.options.iter().enumerate() {
        if !(0.0..=1e12).contains(&option.strike) {
            let problem = format!("{} is not within 0 and 1e12", option.strike);
            return Err(Error::row("options", "strike", row, problem));
        }
    }
    Ok(largest(&scenarios.vol_factor))
}

fn check_level(row: usize, level: f64) -> Result<(), Error> {
    if (0.0..=1e6).contains(&level) {
        return Ok(());
    }
    let problem = format!("{level} is not within 0 and 1e6");
    Err(Error::row("vols", "vol_level", row, problem))
}

fn check_scale(row: usize, scale: f64, vol_factor_max: f64) -> Result<(), Error> {
    if scale * vol_factor_max.max(1.0) <= SCALE_MAX {
        return Ok(());
    }
    let problem = format!("makes stdevs of {scale:e} times the vols; at most 1e6 can be priced");
    Err(Error::row("vols", "vol_level", row, problem))
}

fn positive(
    table: &'static str,
    column: &'static str,
    values: &[f64],
    max: f64,
) -> Result<(), Error> {
    let mut rows = values.iter().enumerate();
    rows.try_for_each(|(row, &value)| in_range(table, column, row, value, max))
}

fn in_range(
    table: &'static str,
    column: &'static str,
    row: usize,
    value: f64,
    max: f64,
) -> Result<(), Error> {
    if (1e-6..=max).contains(&value) {
        return Ok(());
    }
    let problem = format!("{value} is not within 1e-6 and {max:e}");
    Err(Error::row(table, column, row, problem))
}

pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn same_length<A, B>(
    table: &'static str,
    column: &'static str,
    found: &[A],
    wanted: &[B],
) -> Result<(), Error> {
    if found.len() == wanted.len() {
        return Ok(());
    }
    let problem = format!("has {} rows; it must have {}", found.len(), wanted.len());
    Err(fault(table, column, None, problem))
}

pub(super) fn fault(
    table: &'static str,
    column: &'static str,
    row: Option<usize>,
    problem: String,
) -> Error {
    Error::Input {
        table,
        column,
        row,
        problem,
    }
}
