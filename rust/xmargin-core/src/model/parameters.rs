//! The parameter file of the unified model: parsed, range-checked, unknown keys refused.
//!
//! All decimals are JSON strings, so that what is approved, hashed and shown is what is used.
//!
//! | key | range | meaning |
//! |---|---|---|
//! | `name`, `version` | not empty | what every view names |
//! | `assets`, `default_asset`, `scenarios` | | see [`scenario_rules`](super::scenario_rules); no `vols` |
//! | `loss_factors.maintenance`, `.initial` | [1, 5], ascending | multiply the worst scenario's loss |
//! | `wrapped_depeg.maintenance`, `.initial` | [0, 1], ascending | fraction of the value of wrapped tokens |
//! | `liquidity` | | optional; without it nothing is charged for size |
//! | `….maintenance`, `.initial` | [0, 10], ascending | Y, multiplies the square-root impact |
//! | `….days_max` | [0.001, 100] | n, up to so many days of volume the square root holds |
//! | `….concentration.maintenance`, `.initial` | [0, 10], ascending | days of volatility charged on the excess |
//! | `….concentration.days` | [0, 100] | φ, days of volume that are not concentrated |
//! | `….assets.<A>`, `.default_asset` | | every asset's market: |
//! | `….daily_volume_usd` | [1, 1e15] | V |
//! | `….daily_volatility` | [0, 1] | σ, a standard deviation |
//! | `historical_es` | | optional; without it the scenario loss is the grid's |
//! | `….maintenance`, `.initial` | [1, 10], ascending | g, multiplies the expected shortfall |
//! | `….confidence`, `.filter`, `.stress`, `.floor` | | as in [`historical`](super::historical::parameters) |
//! | `….returns_age_days_max` | [1, 10000] | older factor returns are flagged |
//! | `….gap_days_max` | [1, 10000] | returns over more days than this are flagged |
//! | `venue_risk`, `mobility` | | optional; without them nothing is charged |
//! | `….maintenance`, `.initial` | [0, 10], ascending | multiply the fractions |
//! | `venue_risk.kinds.<K>` | [0, 1] | fraction of what is owned at venues of a kind |
//! | `mobility.chains.<C>` | [0, 1] | fraction of the net surplus on a chain, by CAIP-2 id or namespace |
//!
//! Over all of them stands: what the deepest fall of any asset and all contingencies take from one
//! more USD of it, for initial margin, is at most 1. Else more collateral could lower an excess.

use super::contingency::{Amounts, ContingencyRules};
use super::document::Section;
use super::historical::parameters::{HistoricalParameters, count};
use super::scenario_rules::ScenarioRules;
use crate::Error;
use crate::market::scenario::{AssetShock, Damping, ExpiryPnl, Rule, ScenarioGrid};

/// What turns a loss into a requirement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// `f`: multiplies the worst scenario's loss.
    pub loss: f64,
    /// `g`: multiplies the historical expected shortfall; 0 where the file asks for none.
    pub shortfall: f64,
    /// Rate of each contingency.
    pub contingencies: Amounts,
}

/// The parameters of the unified model.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Name of the parameter set.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The assets and the rules that move them.
    pub rules: ScenarioRules,
    /// Factors of the maintenance margin.
    pub maintenance: Factors,
    /// Factors of the initial margin.
    pub initial: Factors,
    /// What the contingencies are charged on.
    pub contingencies: ContingencyRules,
    /// How the historical expected shortfall is found; absent where the grid stands alone.
    pub historical: Option<HistoricalRules>,
}

/// How the expected shortfall beside the grid is found.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoricalRules {
    /// Filter, confidence, stress and floor.
    pub simulation: HistoricalParameters,
    /// Returns whose last day is longer ago are flagged.
    pub returns_age_days_max: usize,
    /// Returns over more days than this are flagged.
    pub gap_days_max: usize,
}

impl Parameters {
    /// Reads and checks a parameter file.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the key, the value found and the range or form it should have.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let mut file = Section::parse(json)?;
        let name = file.text("name")?;
        let version = file.text("version")?;
        let (loss_maintenance, loss_initial) = read_pair(&mut file, "loss_factors", 1.0, 5.0)?;
        let (contingencies, rates) = ContingencyRules::read(&mut file)?;
        let historical = file.optional("historical_es")?;
        let historical = historical
            .map(|section| read_historical(section, &name, &version))
            .transpose()?;
        let (shortfall_maintenance, shortfall_initial) = historical
            .as_ref()
            .map_or((0.0, 0.0), |(factors, _)| *factors);
        let rules = ScenarioRules::read(&mut file, &[])?;
        file.finish()?;
        let parameters = Self {
            name,
            version,
            rules,
            maintenance: Factors {
                loss: loss_maintenance,
                shortfall: shortfall_maintenance,
                contingencies: rates.maintenance,
            },
            initial: Factors {
                loss: loss_initial,
                shortfall: shortfall_initial,
                contingencies: rates.initial,
            },
            contingencies,
            historical: historical.map(|(_, rules)| rules),
        };
        parameters.check_plain()?;
        parameters.check_depth()?;
        Ok(parameters)
    }

    /// The scenarios over `assets` (any order, repeats allowed).
    ///
    /// # Errors
    /// As [`ScenarioGrid::expand`].
    pub fn scenarios<'a>(
        &self,
        assets: impl IntoIterator<Item = &'a str>,
    ) -> Result<ScenarioGrid, Error> {
        self.rules.over(assets)
    }

    /// Standard deviation of a day's return of `asset`, which `liquidity` knows; of one that is not
    /// listed, the default's.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is no `liquidity`.
    pub fn daily_deviation(&self, asset: &str) -> Result<f64, Error> {
        let depths = self.contingencies.depths.as_ref();
        depths
            .map(|depths| depths.of(asset).daily_volatility)
            .ok_or_else(|| {
                Error::parameter(
                    "liquidity",
                    "is missing; it says how much prices move in a day",
                )
            })
    }

    /// The deepest move of `asset` that historical shortfall may count with: beyond it one more USD
    /// of the asset would be charged more than it is worth, whatever the returns say.
    #[must_use]
    pub fn historical_fall_max(&self, asset: &str) -> f64 {
        let floor = self.historical.as_ref().map_or(1.0, |h| h.simulation.floor);
        let slope = self
            .contingencies
            .slope_max(Some(asset), &self.initial.contingencies);
        (slope - 1.0) / (self.initial.shortfall.max(1.0) * floor.max(1.0))
    }

    /// This model counts spot moves in full: what it would pass over is refused.
    fn check_plain(&self) -> Result<(), Error> {
        let plain =
            |rule: &Rule| rule.damping == Damping::Share(1.0) && rule.expiry_pnl == ExpiryPnl::Sum;
        match self.rules.rules.iter().position(|rule| !plain(rule)) {
            None => Ok(()),
            Some(at) => Err(Error::parameter(
                format!("scenarios[{at}]"),
                "is damped or counts expiries as losses; this model does neither",
            )),
        }
    }

    /// No fall may cost more than what falls is worth, contingencies included.
    fn check_depth(&self) -> Result<(), Error> {
        for (key, asset) in self.rules.all_assets() {
            self.check_asset_depth(&format!("{key}.shock"), asset, key.strip_prefix("assets."))?;
        }
        let depths = self.contingencies.depths.iter();
        for name in depths.flat_map(|depths| depths.assets.keys()) {
            if !self.rules.assets.contains_key(name) {
                let key = format!("liquidity.assets.{name}");
                self.check_asset_depth(&key, &self.rules.default_asset, Some(name))?;
            }
        }
        Ok(())
    }

    /// `name` is the asset's in the list of markets.
    fn check_asset_depth(
        &self,
        key: &str,
        asset: &AssetShock,
        name: Option<&str>,
    ) -> Result<(), Error> {
        let moves = self.rules.rules.iter().flat_map(|rule| &rule.moves);
        let deepest = moves
            .filter(|one_move| one_move.class == asset.class)
            .flat_map(|one_move| &one_move.multiples)
            .fold(0.0_f64, |deepest, multiple| {
                deepest.min(asset.shock * multiple.value)
            });
        let rates = &self.initial.contingencies;
        let contingencies = self.contingencies.slope_max(name, rates);
        let charge = contingencies - self.initial.loss * deepest;
        if charge <= 1.0 {
            return Ok(());
        }
        let problem = format!(
            "its deepest fall {deepest} x loss_factors.initial {} + up to {contingencies} for \
             contingencies charges {charge}; it must be in [0, 1]",
            self.initial.loss,
        );
        Err(Error::parameter(key, problem))
    }
}

fn read_historical(
    mut section: Section,
    name: &str,
    version: &str,
) -> Result<((f64, f64), HistoricalRules), Error> {
    let maintenance = section.decimal("maintenance", 1.0..=10.0)?;
    let initial = section.decimal("initial", maintenance..=10.0)?;
    let rules = HistoricalRules {
        returns_age_days_max: count(&mut section, "returns_age_days_max")?,
        gap_days_max: count(&mut section, "gap_days_max")?,
        simulation: HistoricalParameters::read(&mut section, name.to_owned(), version.to_owned())?,
    };
    section.finish()?;
    Ok(((maintenance, initial), rules))
}

/// A value for maintenance and one, at least as large, for initial margin.
fn read_pair(file: &mut Section, name: &str, low: f64, high: f64) -> Result<(f64, f64), Error> {
    let mut section = file.section(name)?;
    let maintenance = section.decimal("maintenance", low..=high)?;
    let initial = section.decimal("initial", maintenance..=high)?;
    section.finish()?;
    Ok((maintenance, initial))
}
