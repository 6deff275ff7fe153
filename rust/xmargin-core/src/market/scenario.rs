//! Scenarios: named joint moves of assets, expanded from rules.
//!
//! A rule is a product of *moves*; each move takes one class of assets, together or one asset after
//! the other, through a list of multiples of each asset's own shock size. What else may move later
//! (volatility, basis, time) becomes another kind of move of the same product.

use std::collections::BTreeMap;

use crate::Error;

/// Rules may expand to no more scenarios than this.
const SCENARIO_COUNT_MAX: usize = 10_000;

/// A multiple of an asset's shock size, with the text that names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Multiple {
    /// As written in the parameter file, such as `-2/3`.
    pub text: String,
    /// Its value.
    pub value: f64,
}

/// Which assets of a class a move takes at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The whole class moves as one; the scenario is named by the class.
    Together,
    /// Each asset moves while the others of its class stay; named by the asset and a label.
    Each {
        /// What the move of a single asset is called, such as `alone` or `depeg`.
        label: String,
    },
}

/// A move of one class of assets.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// The class.
    pub class: String,
    /// Whether it moves as one.
    pub reach: Reach,
    /// How far, in multiples of each asset's shock size.
    pub multiples: Vec<Multiple>,
}

/// Moves that happen at the same time, in all combinations; the last varies fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The moves.
    pub moves: Vec<Move>,
}

/// An asset's class and the size of its shock, as a fraction of its price.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetShock {
    /// The class whose rules move it.
    pub class: String,
    /// The relative move at multiple 1.
    pub shock: f64,
}

/// The relative move of every asset in every scenario. Scenario 0 is unshocked.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioGrid {
    names: Vec<String>,
    assets: Vec<String>,
    /// Row-major, one row an asset.
    moves: Vec<f64>,
}

/// One scenario in the making: its name and the assets that move, by row.
#[derive(Clone, Default)]
struct Draft {
    name: String,
    moved: Vec<(usize, f64)>,
}

impl ScenarioGrid {
    /// Expands `rules` over `assets` in file order, assets in name order. A move of a class that no
    /// asset belongs to makes no scenario.
    ///
    /// # Errors
    /// [`Error::Parameter`] when two scenarios would have one name, or there are too many.
    pub fn expand(rules: &[Rule], assets: &BTreeMap<String, AssetShock>) -> Result<Self, Error> {
        let mut drafts = vec![Draft {
            name: "unshocked".to_owned(),
            moved: Vec::new(),
        }];
        for rule in rules {
            drafts.extend(expand_rule(rule, assets));
        }
        let names: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
        check_names(&names)?;
        let mut moves = vec![0.0; assets.len() * drafts.len()];
        for (scenario, draft) in drafts.iter().enumerate() {
            for &(asset, relative) in &draft.moved {
                moves[asset * drafts.len() + scenario] += relative;
            }
        }
        Ok(Self {
            names,
            assets: assets.keys().cloned().collect(),
            moves,
        })
    }

    /// Scenario names, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The row of an asset, if it is one of the grid's.
    #[must_use]
    pub fn asset_row(&self, asset: &str) -> Option<usize> {
        self.assets
            .binary_search_by(|known| known.as_str().cmp(asset))
            .ok()
    }

    /// The relative move of the asset of `row` in each scenario.
    #[must_use]
    pub fn moves(&self, row: usize) -> &[f64] {
        let width = self.names.len();
        &self.moves[row * width..(row + 1) * width]
    }
}

fn expand_rule(rule: &Rule, assets: &BTreeMap<String, AssetShock>) -> Vec<Draft> {
    let mut drafts = vec![Draft::default()];
    for one_move in &rule.moves {
        let steps = expand_move(one_move, assets);
        drafts = drafts
            .iter()
            .flat_map(|draft| steps.iter().map(|step| draft.joined(step)))
            .collect();
    }
    drafts
}

fn expand_move(one_move: &Move, assets: &BTreeMap<String, AssetShock>) -> Vec<Draft> {
    let members: Vec<(usize, &String, f64)> = assets
        .iter()
        .enumerate()
        .filter(|(_, (_, asset))| asset.class == one_move.class)
        .map(|(row, (name, asset))| (row, name, asset.shock))
        .collect();
    let draft = |name: &str, multiple: &Multiple, moved: &[(usize, &String, f64)]| Draft {
        name: format!("{name} {}", multiple.text),
        moved: moved
            .iter()
            .map(|&(row, _, shock)| (row, shock * multiple.value))
            .collect(),
    };
    match &one_move.reach {
        Reach::Together if members.is_empty() => Vec::new(),
        Reach::Together => one_move
            .multiples
            .iter()
            .map(|m| draft(&one_move.class, m, &members))
            .collect(),
        Reach::Each { label } => members
            .iter()
            .flat_map(|member| {
                let name = format!("{} {label}", member.1);
                let alone = std::slice::from_ref(member);
                one_move
                    .multiples
                    .iter()
                    .map(move |m| draft(&name, m, alone))
            })
            .collect(),
    }
}

impl Draft {
    fn joined(&self, other: &Self) -> Self {
        let name = if self.name.is_empty() {
            other.name.clone()
        } else {
            format!("{} and {}", self.name, other.name)
        };
        Self {
            name,
            moved: [self.moved.as_slice(), &other.moved].concat(),
        }
    }
}

fn check_names(names: &[String]) -> Result<(), Error> {
    if names.len() > SCENARIO_COUNT_MAX {
        let problem = format!(
            "{} scenarios; at most {SCENARIO_COUNT_MAX} are allowed",
            names.len()
        );
        return Err(Error::parameter("scenarios", problem));
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::parameter(
            "scenarios",
            format!("{:?} arises twice; give each move its own label", pair[0]),
        )),
    }
}
