//! Contingencies: what is due whatever the scenario, position by position.
//!
//! With `q` the quantity, `S` the spot of the asset, `V` the value of something owned or owed, `c` a
//! confidence below its threshold, and rates of the parameter file:
//!
//! | charge | per position |
//! |---|---|
//! | haircut | `max(0, V) × haircut` |
//! | wrapped depeg | `\|V\| × rate`, of what only stands for its asset |
//! | perp | `\|q\| S × rate` |
//! | short option | of each strike of an expiry `max(0, −Σ q) S × rate`, shared by its shorts |
//! | confidence | `(1 − c) × rate × \|V\|`, or `× \|q\| S` of a derivative; initial margin only |
//! | roll | of each expiry, `\|Σ delta\| × move`, shared by delta; perps are a term of zero |
//!
//! A derivative's confidence is the least of its asset's, its own, its expiry's, and that of any perp
//! of the same asset held with it.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::parameters::Rates;
use super::pnl::Ground;
use crate::market::instrument::{Contract, Position};

/// The charges of one kind of margin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Charges {
    /// Value not counted.
    pub haircut: f64,
    /// For what only stands for its asset.
    pub wrapped_depeg: f64,
    /// For perps.
    pub perp: f64,
    /// For options net short at a strike.
    pub short_option: f64,
    /// For prices that a feed doubts.
    pub confidence: f64,
    /// For rolling net delta, before the loss factor that multiplies it.
    pub roll: f64,
}

impl Charges {
    /// All that is added to the loss; the roll charge counts with the loss.
    #[must_use]
    pub fn contingencies(&self) -> f64 {
        self.haircut + self.wrapped_depeg + self.perp + self.short_option + self.confidence
    }
}

impl AddAssign for Charges {
    fn add_assign(&mut self, other: Self) {
        self.haircut += other.haircut;
        self.wrapped_depeg += other.wrapped_depeg;
        self.perp += other.perp;
        self.short_option += other.short_option;
        self.confidence += other.confidence;
        self.roll += other.roll;
    }
}

/// The charges of one position.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct BothCharges {
    pub maintenance: Charges,
    pub initial: Charges,
}

impl BothCharges {
    fn rated(&mut self, amount: f64, rates: Rates, of: fn(&mut Charges) -> &mut f64) {
        *of(&mut self.maintenance) = amount * rates.maintenance;
        *of(&mut self.initial) = amount * rates.initial;
    }
}

/// The options that stand at one strike of one expiry: strikes by the bits of their value.
type Strikes = BTreeMap<(u32, u64), Strike>;

#[derive(Default)]
struct Strike {
    net: f64,
    short: f64,
}

/// A term whose deltas are rolled as one: an asset's perps, or an expiry.
type Terms = BTreeMap<(Option<u32>, u32), f64>;

/// What a portfolio's positions say of each other's charges.
struct Together<'a> {
    ground: Ground<'a>,
    perp_confidence: Vec<f64>,
    strikes: Strikes,
    terms: Terms,
}

/// The charges of each of `positions`.
pub(super) fn charges(ground: Ground<'_>, positions: &[Position]) -> Vec<BothCharges> {
    let together = Together::new(ground, positions);
    positions
        .iter()
        .map(|position| together.of(position))
        .collect()
}

impl<'a> Together<'a> {
    fn new(ground: Ground<'a>, positions: &[Position]) -> Self {
        let mut together = Self {
            ground,
            perp_confidence: vec![1.0; ground.market.assets.len()],
            strikes: Strikes::new(),
            terms: Terms::new(),
        };
        for position in positions {
            together.note(position);
        }
        together
    }

    fn note(&mut self, position: &Position) {
        let instrument = &self.ground.market.instruments[position.instrument as usize];
        let quantity = position.quantity;
        match instrument.contract {
            Contract::Perp { asset } if quantity != 0.0 => {
                let least = &mut self.perp_confidence[asset as usize];
                *least = least.min(instrument.confidence);
            }
            Contract::Option { expiry, strike, .. } => {
                let at = self.strikes.entry(strike_of(expiry, strike)).or_default();
                at.net += quantity;
                at.short += (-quantity).max(0.0);
            }
            _ => {}
        }
        if let Some(term) = term_of(instrument.contract) {
            let delta = self.ground.prices.deltas[position.instrument as usize];
            *self.terms.entry(term).or_default() += quantity * delta;
        }
    }

    fn of(&self, position: &Position) -> BothCharges {
        let parameters = self.ground.parameters;
        let row = position.instrument as usize;
        let instrument = &self.ground.market.instruments[row];
        let mut charges = BothCharges::default();
        match instrument.contract {
            Contract::Spot {
                haircut_maintenance,
                haircut_initial,
                wrapped,
                ..
            } => {
                let value = position.quantity * self.ground.prices.marks[row];
                let haircuts = Rates {
                    maintenance: haircut_maintenance,
                    initial: haircut_initial,
                };
                charges.rated(value.max(0.0), haircuts, |c| &mut c.haircut);
                if wrapped {
                    charges.rated(value.abs(), parameters.wrapped_depeg, |c| {
                        &mut c.wrapped_depeg
                    });
                }
                charges.initial.confidence = self.doubt(instrument.confidence, value.abs());
            }
            Contract::Perp { asset } => {
                let notional = self.notional(position.quantity, asset as usize);
                charges.rated(notional, parameters.perp, |c| &mut c.perp);
                let confidence = self.derivative_confidence(asset as usize, instrument.confidence);
                charges.initial.confidence = self.doubt(confidence, notional);
            }
            Contract::Future { expiry } | Contract::Option { expiry, .. } => {
                let expiry = &self.ground.market.expiries[expiry as usize];
                let asset = expiry.asset as usize;
                let own = instrument.confidence.min(expiry.confidence);
                let confidence = self.derivative_confidence(asset, own);
                let notional = self.notional(position.quantity, asset);
                charges.initial.confidence = self.doubt(confidence, notional);
                let naked = self.notional(self.naked(position, instrument.contract), asset);
                charges.rated(naked, parameters.short_option, |c| &mut c.short_option);
            }
        }
        let roll = self.roll(position, instrument.contract);
        charges.maintenance.roll = roll;
        charges.initial.roll = roll;
        charges
    }

    /// Spot notional of a quantity.
    fn notional(&self, quantity: f64, asset: usize) -> f64 {
        let spot = self.ground.market.assets[asset].spot;
        quantity.abs() * self.ground.in_numeraire(spot, asset)
    }

    fn derivative_confidence(&self, asset: usize, own: f64) -> f64 {
        let spot = self.ground.market.assets[asset].confidence;
        own.min(spot).min(self.perp_confidence[asset])
    }

    fn doubt(&self, confidence: f64, amount: f64) -> f64 {
        match self.ground.parameters.confidence {
            Some(rule) if confidence < rule.threshold => (1.0 - confidence) * rule.rate * amount,
            _ => 0.0,
        }
    }

    /// A short position's part of what is net short at its strike.
    fn naked(&self, position: &Position, contract: Contract) -> f64 {
        let Contract::Option { expiry, strike, .. } = contract else {
            return 0.0;
        };
        let at = &self.strikes[&strike_of(expiry, strike)];
        let short = (-position.quantity).max(0.0);
        if at.net < 0.0 && short > 0.0 {
            -at.net * (short / at.short)
        } else {
            0.0
        }
    }

    /// A position's part of its term's `|Σ delta| × move`: negative where it hedges.
    fn roll(&self, position: &Position, contract: Contract) -> f64 {
        let (Some(term), Some(rule)) = (term_of(contract), self.ground.parameters.roll) else {
            return 0.0;
        };
        let net = self.terms[&term];
        if net == 0.0 {
            return 0.0;
        }
        let relative = match term.0 {
            None => rule.move_min,
            Some(expiry) => self.ground.prices.expiries[expiry as usize].roll_move,
        };
        let delta = self.ground.prices.deltas[position.instrument as usize];
        net.signum() * position.quantity * delta * relative
    }
}

/// A strike by its bits; both zeros are one strike.
fn strike_of(expiry: u32, strike: f64) -> (u32, u64) {
    (expiry, (strike + 0.0).to_bits())
}

/// The expiry, or for a perp the asset, whose deltas are rolled together.
fn term_of(contract: Contract) -> Option<(Option<u32>, u32)> {
    match contract {
        Contract::Spot { .. } => None,
        Contract::Perp { asset } => Some((None, asset)),
        Contract::Future { expiry } | Contract::Option { expiry, .. } => Some((Some(expiry), 0)),
    }
}
