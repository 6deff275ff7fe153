//! The parameter file of the unified model: parsed, range-checked, unknown keys refused.
//!
//! All decimals are JSON strings, so that what is approved, hashed and shown is what is used.
//!
//! | key | range | meaning |
//! |---|---|---|
//! | `name`, `version` | not empty | what every view names |
//! | `assets.<A>.class` | not empty | whose moves take the asset along |
//! | `assets.<A>.shock` | [0, 1] | relative move at multiple 1 |
//! | `default_asset` | as an asset | every asset that is not listed |
//! | `scenarios[].moves[]` | 1 to 3 | moves that happen together, in all combinations |
//! | `….class` | one of the classes | what moves |
//! | `….reach` | `together`, `each` | as one, or one asset after the other |
//! | `….label` | with `each` only | what the move of a single asset is called |
//! | `….multiples` | [-10, 10] | in shock sizes; `-2/3` is a number |
//! | `loss_factors.maintenance`, `.initial` | [1, 5], ascending | multiply the worst scenario's loss |
//! | `wrapped_depeg.maintenance`, `.initial` | [0, 1], ascending | fraction of the value of wrapped tokens |
//!
//! Over all of them stands: the deepest fall of any asset times the initial loss factor plus the
//! initial wrapped-depeg rate is at most 1. Else more collateral could lower an excess.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Section, decimal};
use crate::Error;
use crate::market::scenario::{AssetShock, Move, Multiple, Reach, Rule, ScenarioGrid};

const RULE_COUNT_MAX: usize = 100;
const MOVE_COUNT_MAX: usize = 3;
const MULTIPLE_COUNT_MAX: usize = 100;

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
    /// Listed assets.
    pub assets: BTreeMap<String, AssetShock>,
    /// What holds of an asset that is not listed.
    pub default_asset: AssetShock,
    /// The scenario rules.
    pub rules: Vec<Rule>,
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
        let assets = read_assets(&mut file)?;
        let default_asset = read_asset(file.section("default_asset")?)?;
        let (loss_maintenance, loss_initial) = read_pair(&mut file, "loss_factors", 1.0, 5.0)?;
        let (depeg_maintenance, depeg_initial) = read_pair(&mut file, "wrapped_depeg", 0.0, 1.0)?;
        let rules = read_rules(&mut file)?;
        file.finish()?;
        let parameters = Self {
            name,
            version,
            assets,
            default_asset,
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
        parameters.check_classes()?;
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
        let shocks = assets
            .into_iter()
            .map(|name| {
                let shock = self.assets.get(name).unwrap_or(&self.default_asset);
                (name.to_owned(), shock.clone())
            })
            .collect();
        ScenarioGrid::expand(&self.rules, &shocks)
    }

    fn all_assets(&self) -> impl Iterator<Item = (String, &AssetShock)> {
        let listed = self
            .assets
            .iter()
            .map(|(name, asset)| (format!("assets.{name}"), asset));
        listed.chain([("default_asset".to_owned(), &self.default_asset)])
    }

    /// Every move must name a class that some asset has: else it is a slip of the pen.
    fn check_classes(&self) -> Result<(), Error> {
        let classes: BTreeSet<&str> = self
            .all_assets()
            .map(|(_, asset)| asset.class.as_str())
            .collect();
        for (at, rule) in self.rules.iter().enumerate() {
            for (step, one_move) in rule.moves.iter().enumerate() {
                if !classes.contains(one_move.class.as_str()) {
                    let key = format!("scenarios[{at}].moves[{step}].class");
                    let problem = format!("{:?} is the class of no asset", one_move.class);
                    return Err(Error::parameter(key, problem));
                }
            }
        }
        Ok(())
    }

    /// No fall may cost more than what falls is worth, contingencies included.
    fn check_depth(&self) -> Result<(), Error> {
        for (key, asset) in self.all_assets() {
            let deepest = self
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

fn read_assets(file: &mut Section) -> Result<BTreeMap<String, AssetShock>, Error> {
    let mut section = file.section("assets")?;
    section
        .names()
        .into_iter()
        .map(|name| {
            let asset = read_asset(section.section(&name)?)?;
            Ok((name, asset))
        })
        .collect()
}

fn read_asset(mut section: Section) -> Result<AssetShock, Error> {
    let class = section.text("class")?;
    let shock = section.decimal("shock", 0.0..=1.0)?;
    section.finish()?;
    Ok(AssetShock { class, shock })
}

/// A value for maintenance and one, at least as large, for initial margin.
fn read_pair(file: &mut Section, name: &str, low: f64, high: f64) -> Result<(f64, f64), Error> {
    let mut section = file.section(name)?;
    let maintenance = section.decimal("maintenance", low..=high)?;
    let initial = section.decimal("initial", maintenance..=high)?;
    section.finish()?;
    Ok((maintenance, initial))
}

fn read_rules(file: &mut Section) -> Result<Vec<Rule>, Error> {
    let rules = file.sections("scenarios", 0..=RULE_COUNT_MAX)?;
    rules.into_iter().map(read_rule).collect()
}

fn read_rule(mut section: Section) -> Result<Rule, Error> {
    let mut moves: Vec<Move> = Vec::new();
    for step in section.sections("moves", 1..=MOVE_COUNT_MAX)? {
        let key = step.key("class");
        let one_move = read_move(step)?;
        if moves.iter().any(|earlier| earlier.class == one_move.class) {
            let problem = format!("{:?} moves twice in one rule", one_move.class);
            return Err(Error::parameter(key, problem));
        }
        moves.push(one_move);
    }
    section.finish()?;
    Ok(Rule { moves })
}

fn read_move(mut section: Section) -> Result<Move, Error> {
    let class = section.text("class")?;
    let reach = match section.text("reach")?.as_str() {
        "together" => Reach::Together,
        "each" => Reach::Each {
            label: section.text("label")?,
        },
        other => {
            let problem = format!("{other:?} must be \"together\" or \"each\"");
            return Err(Error::parameter(section.key("reach"), problem));
        }
    };
    let key = section.key("multiples");
    let multiples = section
        .texts("multiples", 1..=MULTIPLE_COUNT_MAX)?
        .into_iter()
        .map(|text| {
            Ok(Multiple {
                value: decimal(&key, &text, -10.0..=10.0)?,
                text,
            })
        })
        .collect::<Result<_, Error>>()?;
    section.finish()?;
    Ok(Move {
        class,
        reach,
        multiples,
    })
}
