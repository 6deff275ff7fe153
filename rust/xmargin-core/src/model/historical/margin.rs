//! The margin of holdings over historical scenarios, with what each holding contributes.

use core::ops::Range;
use std::collections::BTreeMap;

use super::parameters::{HistoricalParameters, Stress};
use super::scenarios::Scenarios;
use super::tail::{Tail, worst_window};
use crate::Error;

/// No amount of USD may exceed this, so that no sum or product overflows.
pub(super) const USD_MAX: f64 = 1e100;

/// P&L of something that was revalued in full under every scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Revalued {
    /// Its name, which no factor has.
    pub name: String,
    /// P&L in USD in each filtered scenario.
    pub filtered: Vec<f64>,
    /// P&L in USD in each raw scenario.
    pub raw: Vec<f64>,
}

/// What is held: linear exposures to factors, and what was revalued in full.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Holdings {
    /// The factor of each exposure.
    pub factor: Vec<String>,
    /// Its delta: USD gained when the factor's price doubles.
    pub delta_usd: Vec<f64>,
    /// What is not linear.
    pub revalued: Vec<Revalued>,
}

/// A scenario of a tail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TailDay {
    /// The day it was.
    pub day: i32,
    /// Its weight in the expected shortfall.
    pub weight: f64,
    /// What the holdings gain in it, USD.
    pub pnl: f64,
}

/// `VaR` and `ES` over one set of scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Value at risk, USD; a loss is positive.
    pub var: f64,
    /// Expected shortfall, USD.
    pub es: f64,
    /// The scenarios of the tail, worst first.
    pub tail: Vec<TailDay>,
    /// Euler contributions to ES, one a holding: its own mean loss over the tail.
    pub contributions: Vec<f64>,
    /// The first and the last day of the scenarios.
    pub days: (i32, i32),
}

/// What the margin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The blend of filtered and stressed ES.
    Blend,
    /// The floor.
    Floor,
    /// Nothing: the tail is a gain.
    Nothing,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Margin {
    /// Factors in name order, then what was revalued, in name order.
    pub holdings: Vec<String>,
    /// ES over filtered scenarios.
    pub filtered: Component,
    /// ES over the stressed period.
    pub stressed: Component,
    /// ES over all days as they were.
    pub whole: Component,
    /// `(1−w)·ES + w·ES_stressed`, USD.
    pub blend: f64,
    /// `φ·ES_whole`, USD.
    pub floor: f64,
    /// The larger of the two, never negative.
    pub requirement: f64,
    /// Which it is.
    pub binding: Binding,
    /// What each holding contributes; sums to the requirement.
    pub contributions: Vec<f64>,
}

/// P&L by holding and in all.
struct Pnl {
    holdings: Vec<String>,
    filtered: Vec<Vec<f64>>,
    raw: Vec<Vec<f64>>,
}

/// The margin of `holdings`. Their order never matters, to the bit.
///
/// # Errors
/// [`Error::Input`] naming table, column and row of what is wrong: an unknown factor, a name said
/// twice, an amount that is no number or beyond 1e100, a P&L vector of the wrong length, a stressed
/// window with too few days.
pub fn margin(
    scenarios: &Scenarios,
    holdings: &Holdings,
    parameters: &HistoricalParameters,
) -> Result<Margin, Error> {
    let pnl = Pnl::of(scenarios, holdings)?;
    let confidence = parameters.confidence;
    let filtered_days = &scenarios.days[scenarios.seed_days..];
    let total = total(&pnl.filtered, filtered_days.len());
    let tail = Tail::of(&total, confidence)?;
    let filtered = component(&tail, &total, &pnl.filtered, filtered_days, 0..total.len());

    let total = self::total(&pnl.raw, scenarios.days.len());
    let everything = 0..total.len();
    let tail = Tail::of(&total, confidence)?;
    let whole = component(&tail, &total, &pnl.raw, &scenarios.days, everything.clone());
    let (rows, tail) = match parameters.stress {
        // A window that carries no weight need not be looked for.
        _ if parameters.stress_weight == 0.0 => (everything, Tail::of(&total, confidence)?),
        Stress::Worst { days } => {
            let (first, tail) = worst_window(&total, days, confidence)?;
            (first..first + days, tail)
        }
        Stress::Window {
            first_day,
            last_day,
        } => {
            let first = scenarios.days.partition_point(|&day| day < first_day);
            let rows = first..scenarios.days.partition_point(|&day| day <= last_day);
            let mut tail = Tail::of(&total[rows.clone()], confidence)?;
            tail.rows.iter_mut().for_each(|tail| tail.row += rows.start);
            (rows, tail)
        }
    };
    let stressed = component(&tail, &total, &pnl.raw, &scenarios.days, rows);
    Ok(compose(pnl.holdings, filtered, stressed, whole, parameters))
}

fn compose(
    holdings: Vec<String>,
    filtered: Component,
    stressed: Component,
    whole: Component,
    parameters: &HistoricalParameters,
) -> Margin {
    let (weight, share) = (parameters.stress_weight, parameters.floor);
    let blend = (1.0 - weight) * filtered.es + weight * stressed.es;
    let floor = share * whole.es;
    let binding = match blend.max(floor) {
        loss if loss <= 0.0 => Binding::Nothing,
        _ if blend >= floor => Binding::Blend,
        _ => Binding::Floor,
    };
    let part = |row: usize| match binding {
        Binding::Nothing => 0.0,
        Binding::Floor => share * whole.contributions[row],
        Binding::Blend => {
            (1.0 - weight) * filtered.contributions[row] + weight * stressed.contributions[row]
        }
    };
    Margin {
        contributions: (0..holdings.len()).map(part).collect(),
        requirement: blend.max(floor).max(0.0),
        holdings,
        filtered,
        stressed,
        whole,
        blend,
        floor,
        binding,
    }
}

fn total(columns: &[Vec<f64>], count: usize) -> Vec<f64> {
    let mut total = vec![0.0; count];
    for column in columns {
        for (sum, value) in total.iter_mut().zip(column) {
            *sum += value;
        }
    }
    total
}

fn component(
    tail: &Tail,
    total: &[f64],
    columns: &[Vec<f64>],
    days: &[i32],
    rows: Range<usize>,
) -> Component {
    let mean_loss = |column: &Vec<f64>| {
        -tail
            .rows
            .iter()
            .map(|t| t.weight * column[t.row])
            .sum::<f64>()
    };
    Component {
        contributions: columns.iter().map(mean_loss).collect(),
        tail: tail
            .rows
            .iter()
            .map(|t| TailDay {
                day: days[t.row],
                weight: t.weight,
                pnl: total[t.row],
            })
            .collect(),
        var: tail.var,
        es: tail.es,
        days: (days[rows.start], days[rows.end - 1]),
    }
}

impl Pnl {
    fn of(scenarios: &Scenarios, holdings: &Holdings) -> Result<Self, Error> {
        let mut pnl = Self {
            holdings: Vec::new(),
            filtered: Vec::new(),
            raw: Vec::new(),
        };
        for (row, delta) in exposures(&scenarios.factors, holdings)? {
            let scaled = |column: &Vec<f64>| column.iter().map(|move_| delta * move_).collect();
            pnl.holdings.push(scenarios.factors[row].clone());
            pnl.filtered.push(scaled(&scenarios.filtered[row]));
            pnl.raw.push(scaled(&scenarios.raw[row]));
        }
        let mut revalued: Vec<(usize, &Revalued)> = holdings.revalued.iter().enumerate().collect();
        revalued.sort_by(|left, right| left.1.name.cmp(&right.1.name));
        for (row, one) in revalued {
            if pnl.holdings.contains(&one.name) {
                let problem = format!("{:?} is said twice; give each a name of its own", one.name);
                return Err(Error::row("revalued", "name", row, problem));
            }
            let count = scenarios.days.len();
            check_vector(
                "filtered",
                row,
                one,
                &one.filtered,
                count - scenarios.seed_days,
            )?;
            check_vector("raw", row, one, &one.raw, count)?;
            pnl.holdings.push(one.name.clone());
            pnl.filtered.push(one.filtered.clone());
            pnl.raw.push(one.raw.clone());
        }
        Ok(pnl)
    }
}

/// The exposures by row of their factor, in factor order.
pub(super) fn exposures(
    factors: &[String],
    holdings: &Holdings,
) -> Result<BTreeMap<usize, f64>, Error> {
    let fault = |column, row, problem| Err(Error::row("holdings", column, row, problem));
    if holdings.factor.len() != holdings.delta_usd.len() {
        let (count, length) = (holdings.factor.len(), holdings.delta_usd.len());
        let problem = format!("has {length} rows where factor has {count}");
        return fault("delta_usd", count.min(length), problem);
    }
    let mut of_factor = BTreeMap::new();
    for (row, (name, &delta)) in holdings.factor.iter().zip(&holdings.delta_usd).enumerate() {
        let Ok(factor) = factors.binary_search(name) else {
            return fault(
                "factor",
                row,
                format!("{name:?} has no returns; give them or leave it out"),
            );
        };
        if delta.is_nan() || delta.abs() > USD_MAX {
            return fault(
                "delta_usd",
                row,
                format!("{delta} of {name}; it must be within ±1e100"),
            );
        }
        if of_factor.insert(factor, delta).is_some() {
            return fault(
                "factor",
                row,
                format!("{name:?} is said twice; net it first"),
            );
        }
    }
    Ok(of_factor)
}

fn check_vector(
    column: &'static str,
    row: usize,
    one: &Revalued,
    values: &[f64],
    count: usize,
) -> Result<(), Error> {
    let name = &one.name;
    if values.len() != count {
        let problem = format!(
            "{name:?} has {} values where {count} scenarios are",
            values.len()
        );
        return Err(Error::row("revalued", column, row, problem));
    }
    match values
        .iter()
        .position(|value| value.is_nan() || value.abs() > USD_MAX)
    {
        None => Ok(()),
        Some(at) => {
            let problem = format!(
                "{name:?} scenario {at}: {}; it must be within ±1e100",
                values[at]
            );
            Err(Error::row("revalued", column, row, problem))
        }
    }
}
