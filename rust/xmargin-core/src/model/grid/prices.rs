//! Each instrument valued once per scenario.
//!
//! A *linear* instrument (spot, perp, future) of price `p` under a relative move `r` of its asset
//! has, per unit and in the currency of prices, the P&L `p × r`. An option has the value of
//! Black-76 at the moved forward and the shocked vol. What is counted in the asset itself is
//! divided by its own underlying's price (`p`, or the forward) in the same state: an inverse
//! contract of one unit gains `r / (1 + r)` of the asset.
//!
//! A damped scenario counts the share `d` of the P&L and converts at a move no larger than its
//! range, `c`: a value `V` that becomes `V'` enters as `(V + d (V' − V)) / N_c − V / N`, with `N` the
//! price divided by, 1 in the currency of prices.

use super::parameters::{GridParameters, Numeraire, StaticDiscount};
use crate::Error;
use crate::market::instrument::{Contract, Expiry, Instrument, Market};
use crate::market::scenario::{Damping, ScenarioGrid, Traits};
use crate::pricing::{OptionKind, OptionTerms, black76};

/// How far a scenario's P&L counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counting {
    /// Share of it.
    pub share: f64,
    /// What brings each asset's P&L nearer to zero, in the currency of prices.
    pub relief: f64,
    /// Largest move at which values are converted.
    pub conversion_move_max: f64,
}

impl Counting {
    fn of(traits: Traits, largest_move: f64) -> Self {
        match traits.damping {
            Damping::Share(share) => Self {
                share,
                relief: 0.0,
                conversion_move_max: f64::INFINITY,
            },
            Damping::BeyondRange {
                range,
                factor,
                relief,
            } => {
                let ranges = (largest_move / range).max(1.0);
                Self {
                    share: factor / ranges,
                    relief: (ranges - 1.0) * relief,
                    conversion_move_max: range,
                }
            }
        }
    }

    fn conversion_move(&self, relative: f64) -> f64 {
        relative.clamp(-self.conversion_move_max, self.conversion_move_max)
    }
}

/// What is the same for all options of one expiry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExpiryPrices {
    /// Factor on a shocked value above zero.
    pub discount_long: f64,
    /// Factor on a shocked value below zero.
    pub discount_short: f64,
    /// What unshocked values are divided by.
    pub unit: f64,
    /// What shocked values are divided by, per scenario.
    pub shocked_unit: Vec<f64>,
    /// Multiplies what the expiry loses when its forward moves alone.
    pub basis_factor: f64,
    /// Relative move that rolling its net delta may cost.
    pub roll_move: f64,
}

/// The matrix of instruments by scenarios, with what else is the same for all portfolios.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prices {
    width: usize,
    /// Row-major. Of a linear instrument its P&L per unit as it counts; of an option its value.
    matrix: Vec<f64>,
    /// Value per unit as marked: in equity, as far as it is owned outright.
    pub marks: Vec<f64>,
    /// Value of options with the forward up, and down, alone.
    pub basis: Vec<[f64; 2]>,
    /// Delta per unit, as worth of the underlying.
    pub deltas: Vec<f64>,
    pub expiries: Vec<ExpiryPrices>,
    pub counting: Vec<Counting>,
}

impl Prices {
    /// Values every instrument of `market`, which must be valid.
    pub fn new(
        parameters: &GridParameters,
        market: &Market,
        grid: &ScenarioGrid,
    ) -> Result<Self, Error> {
        let width = grid.names().len();
        let counting: Vec<Counting> = (0..width)
            .map(|scenario| Counting::of(grid.traits()[scenario], grid.largest_move(scenario)))
            .collect();
        let market_state = Pricer {
            parameters,
            market,
            grid,
            counting: &counting,
            moves_of_asset: market
                .assets
                .iter()
                .map(|asset| {
                    grid.asset_row(&asset.name)
                        .map_or(&[][..], |row| grid.moves(row))
                })
                .collect(),
        };
        let mut prices = Self {
            width,
            matrix: Vec::with_capacity(width * market.instruments.len()),
            marks: Vec::new(),
            basis: Vec::new(),
            deltas: Vec::new(),
            expiries: market
                .expiries
                .iter()
                .map(|expiry| market_state.expiry(expiry))
                .collect(),
            counting: Vec::new(),
        };
        for (row, instrument) in market.instruments.iter().enumerate() {
            match instrument.contract {
                Contract::Option { .. } => prices.push_option(&market_state, row, instrument)?,
                _ => prices.push_linear(&market_state, instrument),
            }
        }
        prices.counting = counting;
        Ok(prices)
    }

    /// The row of an instrument.
    pub fn row(&self, instrument: usize) -> &[f64] {
        &self.matrix[instrument * self.width..(instrument + 1) * self.width]
    }

    fn push_linear(&mut self, pricer: &Pricer<'_>, instrument: &Instrument) {
        let price = instrument.price.unwrap_or_default();
        let unit = pricer.unit(price);
        match pricer.asset_of(instrument.contract) {
            None => self.matrix.extend(std::iter::repeat_n(0.0, self.width)),
            Some(asset) => {
                let moved = pricer.moves_of_asset[asset as usize].iter();
                let outright = matches!(instrument.contract, Contract::Spot { .. });
                self.matrix
                    .extend(moved.zip(pricer.counting).map(|(relative, counting)| {
                        let value = if outright { price } else { 0.0 };
                        let shocked = value + counting.share * price * relative;
                        let shocked_unit =
                            pricer.shocked_unit(price, counting.conversion_move(*relative));
                        shocked / shocked_unit - value / unit
                    }));
            }
        }
        let outright = matches!(instrument.contract, Contract::Spot { .. });
        self.marks.push(if outright { price / unit } else { 0.0 });
        self.basis.push([0.0; 2]);
        self.deltas.push(if outright { 0.0 } else { price / unit });
    }

    fn push_option(
        &mut self,
        pricer: &Pricer<'_>,
        row: usize,
        instrument: &Instrument,
    ) -> Result<(), Error> {
        let option = OptionAt::new(pricer, row, instrument)?;
        let expiry = option.expiry;
        let moves = pricer.moves_of_asset[expiry.asset as usize];
        for (relative, traits) in moves.iter().zip(pricer.grid.traits()) {
            let forward = expiry.forward(*relative);
            let vol = option.shocked_vol(pricer.parameters, *traits, forward);
            self.matrix.push(option.value(forward, vol));
        }
        let forward = expiry.forward(0.0);
        let unit = pricer.unit(forward);
        let mark = option.value(forward, option.vol);
        self.marks.push(mark);
        let basis = pricer.parameters.basis.map(|basis| {
            [basis.up, basis.down]
                .map(|relative| option.value(expiry.forward(relative), option.vol))
        });
        self.basis.push(basis.unwrap_or([mark; 2]));
        self.deltas
            .push(option.delta(pricer.parameters.numeraire, mark, unit));
        Ok(())
    }
}

/// What pricing an instrument needs.
struct Pricer<'a> {
    parameters: &'a GridParameters,
    market: &'a Market,
    grid: &'a ScenarioGrid,
    counting: &'a [Counting],
    moves_of_asset: Vec<&'a [f64]>,
}

impl Pricer<'_> {
    fn asset_of(&self, contract: Contract) -> Option<u32> {
        match contract {
            Contract::Spot { asset, .. } => asset,
            Contract::Perp { asset } => Some(asset),
            Contract::Future { expiry } | Contract::Option { expiry, .. } => {
                Some(self.market.expiries[expiry as usize].asset)
            }
        }
    }

    /// What a value is divided by where its underlying is worth `price`.
    fn unit(&self, price: f64) -> f64 {
        match self.parameters.numeraire {
            Numeraire::Quote => 1.0,
            Numeraire::Base => price,
        }
    }

    fn shocked_unit(&self, price: f64, relative: f64) -> f64 {
        self.unit(price * (1.0 + relative))
    }

    fn expiry(&self, expiry: &Expiry) -> ExpiryPrices {
        let parameters = self.parameters;
        let moves = self.moves_of_asset[expiry.asset as usize];
        let at_move = |(relative, counting): (&f64, &Counting)| {
            self.unit(expiry.forward(counting.conversion_move(*relative)))
        };
        ExpiryPrices {
            discount_long: parameters
                .discount_long
                .map_or(1.0, |discount| discount.base * decay(discount, expiry)),
            discount_short: parameters
                .discount_short
                .map_or(1.0, |discount| mark_up(discount, expiry)),
            unit: self.unit(expiry.forward(0.0)),
            shocked_unit: moves.iter().zip(self.counting).map(at_move).collect(),
            basis_factor: parameters.basis.map_or(0.0, |basis| {
                basis.factor + basis.factor_per_year * expiry.years
            }),
            roll_move: parameters.roll.map_or(0.0, |roll| {
                roll.move_min.max(roll.move_per_year * expiry.years)
            }),
        }
    }
}

fn decay(discount: StaticDiscount, expiry: &Expiry) -> f64 {
    let rate = expiry.rate * discount.rate_multiple + discount.rate_addition;
    libm::exp(-expiry.years * rate)
}

/// What is owed is marked up, but never beyond its value at expiry.
fn mark_up(discount: StaticDiscount, expiry: &Expiry) -> f64 {
    (discount.base / decay(discount, expiry)).min(1.0 / expiry.discount())
}

/// An option with what its value depends on and no scenario moves.
struct OptionAt<'a> {
    kind: OptionKind,
    strike: f64,
    vol: f64,
    discount: f64,
    expiry: &'a Expiry,
}

impl<'a> OptionAt<'a> {
    fn new(pricer: &Pricer<'a>, row: usize, instrument: &Instrument) -> Result<Self, Error> {
        let Contract::Option {
            expiry,
            kind,
            strike,
            vol,
        } = instrument.contract
        else {
            return Err(Error::row("instruments", "kind", row, "is no option"));
        };
        let expiry_row = expiry as usize;
        let expiry = &pricer.market.expiries[expiry_row];
        let vol = match (vol, expiry.smile) {
            (Some(vol), _) => vol,
            (None, Some(smile)) => {
                let slice = smile.slice(expiry_row)?;
                smile.vol(&slice, strike, pricer.parameters.surface)
            }
            (None, None) => return Err(Error::row("instruments", "vol", row, "is missing")),
        };
        if !vol.is_finite() {
            let problem = format!("the smile gives {vol} at the strike {strike}");
            return Err(Error::row("instruments", "vol", row, problem));
        }
        Ok(Self {
            kind,
            strike,
            vol,
            discount: expiry.discount(),
            expiry,
        })
    }

    fn value(&self, forward: f64, vol: f64) -> f64 {
        let years = self.expiry.years;
        black76::value(self.kind, forward, self.strike, years, vol, self.discount)
    }

    fn shocked_vol(&self, parameters: &GridParameters, traits: Traits, forward: f64) -> f64 {
        traits.vol_rule.map_or(self.vol, |rule| {
            let log_moneyness = libm::log(self.strike / forward);
            parameters.vol_rules[rule].shocked(self.vol, log_moneyness, self.expiry.years)
        })
    }

    /// In the currency of prices what the underlying moves; in the asset, less what the option is
    /// worth in it, which its owner holds anyway.
    fn delta(&self, numeraire: Numeraire, mark: f64, unit: f64) -> f64 {
        let forward = self.expiry.forward(0.0);
        let delta = black76::greeks(&OptionTerms {
            kind: self.kind,
            forward,
            strike: self.strike,
            expiry_years: self.expiry.years,
            vol: self.vol,
            discount: self.discount,
        })
        .delta;
        match numeraire {
            Numeraire::Quote => delta * forward,
            Numeraire::Base => delta - mark / unit,
        }
    }
}
