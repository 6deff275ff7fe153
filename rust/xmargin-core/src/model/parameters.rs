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
//!
//! Over all of them stands: the deepest fall of any asset times the initial loss factor plus the
//! initial wrapped-depeg rate is at most 1. Else more collateral could lower an excess.

use super::document::Section;
use super::scenario_rules::ScenarioRules;
use crate::Error;
use crate::market::scenario::{Damping, ExpiryPnl, Rule, ScenarioGrid};

/// What turns a loss into a requirement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// `f`: multiplies the worst scenario's loss.
    pub loss: f64,
    /// `k`: fraction of the value of tokens that only stand for their asset.
    pub wrapped_depeg: f64,
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
        let (depeg_maintenance, depeg_initial) = read_pair(&mut file, "wrapped_depeg", 0.0, 1.0)?;
        let rules = ScenarioRules::read(&mut file, &[])?;
        file.finish()?;
        let parameters = Self {
            name,
            version,
            rules,
            maintenance: Factors {
                loss: loss_maintenance,
                wrapped_depeg: depeg_maintenance,
            },
            initial: Factors {
                loss: loss_initial,
                wrapped_depeg: depeg_initial,
            },
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
            let deepest = self
                .rules
                .rules
                .iter()
                .flat_map(|rule| &rule.moves)
                .filter(|one_move| one_move.class == asset.class)
                .flat_map(|one_move| &one_move.multiples)
                .fold(0.0_f64, |deepest, multiple| {
                    deepest.min(asset.shock * multiple.value)
                });
            let charge = self.initial.wrapped_depeg - self.initial.loss * deepest;
            if charge > 1.0 {
                let problem = format!(
                    "its deepest fall {deepest} x loss_factors.initial {} + wrapped_depeg.initial {} \
                     charges {charge}; it must be in [0, 1]",
                    self.initial.loss, self.initial.wrapped_depeg,
                );
                return Err(Error::parameter(format!("{key}.shock"), problem));
            }
        }
        Ok(())
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
