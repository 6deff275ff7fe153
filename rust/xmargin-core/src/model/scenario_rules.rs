//! The part of a parameter file that says which scenarios there are.
//!
//! | key | range | meaning |
//! |---|---|---|
//! | `assets.<A>.class` | not empty | whose moves take the asset along |
//! | `assets.<A>.shock` | [0, 1] | relative move at multiple 1 |
//! | `default_asset` | as an asset | every asset that is not listed |
//! | `scenarios[]` | 1 to 100 | the rules, in order |
//! | `scenarios[].moves[]` | 0 to 3 | moves that happen together, in all combinations |
//! | `….class` | one of the classes | what moves |
//! | `….reach` | `together`, `each` | as one, or one asset after the other |
//! | `….label` | with `each` only | what the move of a single asset is called |
//! | `….multiples` | [-10, 10] | in shock sizes; `-2/3` is a number |
//! | `scenarios[].vols` | vol rules, or `same` | optional; each of them with each move |
//! | `scenarios[].damping` | [0, 10] | optional; the share of profit and loss that counts |
//! | `scenarios[].extended` | in place of `damping` | moves beyond the range one insures against |
//! | `….range`, `.factor`, `.relief` | (0, 10], [0, 10], [0, 1e15] | see [`Damping::BeyondRange`] |
//! | `scenarios[].expiry_pnl` | `sum`, `loss` | optional; see [`ExpiryPnl`] |
//!
//! A rule without moves must name vol rules.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Section, decimal};
use crate::Error;
use crate::market::scenario::{
    AssetShock, Damping, ExpiryPnl, Move, Multiple, Reach, Rule, ScenarioGrid, VolMove,
};

const RULE_COUNT_MAX: usize = 100;
const MOVE_COUNT_MAX: usize = 3;
const MULTIPLE_COUNT_MAX: usize = 100;
const VOL_COUNT_MAX: usize = 20;
/// A vol rule's name that stands for none.
const VOL_SAME: &str = "same";
const SHARE_MAX: f64 = 10.0;

/// Assets by class, and the rules that move them.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioRules {
    /// Listed assets.
    pub assets: BTreeMap<String, AssetShock>,
    /// What holds of an asset that is not listed.
    pub default_asset: AssetShock,
    /// The rules, in file order.
    pub rules: Vec<Rule>,
}

impl ScenarioRules {
    /// Takes the keys above out of `file`; `vol_rules` are the names of those that may be named.
    pub(super) fn read(file: &mut Section, vol_rules: &[String]) -> Result<Self, Error> {
        let rules = Self {
            assets: read_assets(file)?,
            default_asset: read_asset(file.section("default_asset")?)?,
            rules: file
                .sections("scenarios", 1..=RULE_COUNT_MAX)?
                .into_iter()
                .map(|rule| read_rule(rule, vol_rules))
                .collect::<Result<_, Error>>()?,
        };
        rules.check_classes()?;
        Ok(rules)
    }

    /// The scenarios over `assets` (any order, repeats allowed).
    ///
    /// # Errors
    /// As [`ScenarioGrid::expand`].
    pub fn over<'a>(
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

    /// Every asset with its key in the file.
    pub(super) fn all_assets(&self) -> impl Iterator<Item = (String, &AssetShock)> {
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

fn read_rule(mut section: Section, vol_rules: &[String]) -> Result<Rule, Error> {
    let vols = read_vols(&mut section, vol_rules)?;
    let moves_min = usize::from(vols.iter().all(Option::is_none));
    let moves = read_moves(&mut section, moves_min)?;
    let rule = Rule {
        moves,
        vols,
        damping: read_damping(&mut section)?,
        expiry_pnl: read_expiry_pnl(&mut section)?,
    };
    section.finish()?;
    Ok(rule)
}

fn read_vols(section: &mut Section, vol_rules: &[String]) -> Result<Vec<Option<VolMove>>, Error> {
    if !section.has("vols") {
        return Ok(vec![None]);
    }
    let key = section.key("vols");
    let find = |name: String| {
        if name == VOL_SAME {
            return Ok(None);
        }
        match vol_rules.iter().position(|known| *known == name) {
            Some(rule) => Ok(Some(VolMove { name, rule })),
            None => Err(Error::parameter(
                &key,
                format!("{name:?} is no vol rule of this file, nor {VOL_SAME:?}"),
            )),
        }
    };
    let names = section.texts("vols", 1..=VOL_COUNT_MAX)?;
    names.into_iter().map(find).collect()
}

fn read_moves(section: &mut Section, count_min: usize) -> Result<Vec<Move>, Error> {
    let mut moves: Vec<Move> = Vec::new();
    for step in section.sections("moves", count_min..=MOVE_COUNT_MAX)? {
        let key = step.key("class");
        let one_move = read_move(step)?;
        if moves.iter().any(|earlier| earlier.class == one_move.class) {
            let problem = format!("{:?} moves twice in one rule", one_move.class);
            return Err(Error::parameter(key, problem));
        }
        moves.push(one_move);
    }
    Ok(moves)
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

fn read_damping(section: &mut Section) -> Result<Damping, Error> {
    if section.has("damping") {
        return Ok(Damping::Share(section.decimal("damping", 0.0..=SHARE_MAX)?));
    }
    let Some(mut extended) = section.optional("extended")? else {
        return Ok(Damping::Share(1.0));
    };
    let damping = Damping::BeyondRange {
        range: extended.decimal("range", 1e-6..=10.0)?,
        factor: extended.decimal("factor", 0.0..=SHARE_MAX)?,
        relief: extended.decimal("relief", 0.0..=1e15)?,
    };
    extended.finish()?;
    Ok(damping)
}

fn read_expiry_pnl(section: &mut Section) -> Result<ExpiryPnl, Error> {
    if !section.has("expiry_pnl") {
        return Ok(ExpiryPnl::Sum);
    }
    match section.text("expiry_pnl")?.as_str() {
        "sum" => Ok(ExpiryPnl::Sum),
        "loss" => Ok(ExpiryPnl::Loss),
        other => Err(Error::parameter(
            section.key("expiry_pnl"),
            format!("{other:?} must be \"sum\" or \"loss\""),
        )),
    }
}
