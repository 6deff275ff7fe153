//! Scenarios: named joint moves of assets, expanded from rules.
//!
//! A rule is a product of *moves*; each move takes one class of assets, together or one asset after
//! the other, through a list of multiples of each asset's own shock size. A list of *vol rules* is
//! one more factor of the product. What a whole rule shares is how its profit and loss counts: the
//! damping of moves beyond the range one insures against, and how expiries add up.

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

/// A vol rule that a scenario applies, by its place in the parameter file's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolMove {
    /// Its name there, such as `up`.
    pub name: String,
    /// Its number there.
    pub rule: usize,
}

/// What part of a scenario's profit and loss counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Damping {
    /// This share of it, wherever the spot goes.
    Share(f64),
    /// An extended table. With `x` the largest spot move over `range` (at least 1), the share is
    /// `factor / x`, and each asset's profit or loss is brought nearer to zero by
    /// `(x - 1) × relief`, in the currency of the prices. What is settled in the asset itself is
    /// converted at the end of the range, not beyond it.
    BeyondRange {
        /// The largest spot move, as a fraction, that counts in full.
        range: f64,
        /// Share at the range.
        factor: f64,
        /// Currency units per range beyond the first.
        relief: f64,
    },
}

/// How the profit and loss of the options of one expiry enters a scenario's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryPnl {
    /// As it is.
    Sum,
    /// As a loss of its size: the vol of each expiry may move either way.
    Loss,
}

/// How a scenario counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traits {
    /// The vol rule applied; vols stay without one.
    pub vol_rule: Option<usize>,
    /// What part of the profit and loss counts.
    pub damping: Damping,
    /// How expiries add up.
    pub expiry_pnl: ExpiryPnl,
}

impl Traits {
    /// Of a scenario that moves spot prices and nothing else.
    pub const PLAIN: Self = Self {
        vol_rule: None,
        damping: Damping::Share(1.0),
        expiry_pnl: ExpiryPnl::Sum,
    };
}

/// Moves that happen at the same time, in all combinations; the last varies fastest, and vols
/// faster still.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The spot moves; with none, only vols move.
    pub moves: Vec<Move>,
    /// The vol rules, one after the other; `None` leaves vols where they are.
    pub vols: Vec<Option<VolMove>>,
    /// What part of the profit and loss counts.
    pub damping: Damping,
    /// How expiries add up.
    pub expiry_pnl: ExpiryPnl,
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
    traits: Vec<Traits>,
}

/// One scenario in the making: its name, the assets that move, by row, and how it counts.
#[derive(Clone)]
struct Draft {
    name: String,
    moved: Vec<(usize, f64)>,
    traits: Traits,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            name: String::new(),
            moved: Vec::new(),
            traits: Traits::PLAIN,
        }
    }
}

impl ScenarioGrid {
    /// Expands `rules` over `assets` in file order, assets in name order. A move of a class that no
    /// asset belongs to makes no scenario.
    ///
    /// # Errors
    /// [`Error::Parameter`] when two scenarios would have one name, or there are too many.
    pub fn expand(rules: &[Rule], assets: &BTreeMap<String, AssetShock>) -> Result<Self, Error> {
        check_count(rules, assets)?;
        let mut drafts = vec![Draft {
            name: "unshocked".to_owned(),
            ..Draft::default()
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
            traits: drafts.iter().map(|draft| draft.traits).collect(),
        })
    }

    /// Scenario names, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Asset names, by row.
    #[must_use]
    pub fn assets(&self) -> &[String] {
        &self.assets
    }

    /// How each scenario counts, in order.
    #[must_use]
    pub fn traits(&self) -> &[Traits] {
        &self.traits
    }

    /// The largest relative move of any asset in `scenario`, as a size.
    #[must_use]
    pub fn largest_move(&self, scenario: usize) -> f64 {
        self.moves
            .iter()
            .skip(scenario)
            .step_by(self.names.len())
            .fold(0.0, |largest, relative| relative.abs().max(largest))
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
    let with_vols = |draft: &Draft| {
        let counted = |vol: &Option<VolMove>| draft.with_vol(vol.as_ref(), rule);
        rule.vols.iter().map(counted).collect::<Vec<_>>()
    };
    drafts.iter().flat_map(with_vols).collect()
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
        ..Draft::default()
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
            traits: Traits::PLAIN,
        }
    }

    fn with_vol(&self, vol: Option<&VolMove>, rule: &Rule) -> Self {
        let name = match vol {
            None => self.name.clone(),
            Some(vol) => format!("{} vol {}", self.name, vol.name),
        };
        Self {
            name: name.trim_start().to_owned(),
            moved: self.moved.clone(),
            traits: Traits {
                vol_rule: vol.map(|vol| vol.rule),
                damping: rule.damping,
                expiry_pnl: rule.expiry_pnl,
            },
        }
    }
}

/// Counts before anything is expanded: a file of a few lines can ask for more than memory holds.
fn check_count(rules: &[Rule], assets: &BTreeMap<String, AssetShock>) -> Result<(), Error> {
    let of_move = |one_move: &Move| {
        let members = assets
            .values()
            .filter(|asset| asset.class == one_move.class);
        let sources = match one_move.reach {
            Reach::Together => members.count().min(1),
            Reach::Each { .. } => members.count(),
        };
        sources.saturating_mul(one_move.multiples.len())
    };
    let of_rule = |rule: &Rule| {
        let moves = rule.moves.iter().map(of_move);
        moves.fold(rule.vols.len(), usize::saturating_mul)
    };
    let count = rules.iter().map(of_rule).fold(1, usize::saturating_add);
    if count <= SCENARIO_COUNT_MAX {
        return Ok(());
    }
    let problem = format!("{count} scenarios; at most {SCENARIO_COUNT_MAX} are allowed");
    Err(Error::parameter("scenarios", problem))
}

fn check_names(names: &[String]) -> Result<(), Error> {
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
