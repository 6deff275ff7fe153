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
//! | `venue_risk`, `mobility` | | optional; without them nothing is charged |
//! | `….maintenance`, `.initial` | [0, 10], ascending | multiply the fractions |
//! | `venue_risk.kinds.<K>` | [0, 1] | fraction of what is owned at venues of a kind |
//! | `mobility.chains.<C>` | [0, 1] | fraction of the net surplus on a chain, by CAIP-2 id or namespace |
//!
//! Over all of them stands: what the deepest fall of any asset and all contingencies take from one
//! more USD of it, for initial margin, is at most 1. Else more collateral could lower an excess.

use super::contingency::{Amounts, ContingencyRules};
use super::document::Section;
use super::scenario_rules::ScenarioRules;
use crate::Error;
use crate::market::scenario::{AssetShock, Damping, ExpiryPnl, Rule, ScenarioGrid};

/// What turns a loss into a requirement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// `f`: multiplies the worst scenario's loss.
    pub loss: f64,
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
        let rules = ScenarioRules::read(&mut file, &[])?;
        file.finish()?;
        let parameters = Self {
            name,
            version,
            rules,
            maintenance: Factors {
                loss: loss_maintenance,
                contingencies: rates.maintenance,
            },
            initial: Factors {
                loss: loss_initial,
                contingencies: rates.initial,
            },
            contingencies,
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

/// A value for maintenance and one, at least as large, for initial margin.
fn read_pair(file: &mut Section, name: &str, low: f64, high: f64) -> Result<(f64, f64), Error> {
    let mut section = file.section(name)?;
    let maintenance = section.decimal("maintenance", low..=high)?;
    let initial = section.decimal("initial", maintenance..=high)?;
    section.finish()?;
    Ok((maintenance, initial))
}
