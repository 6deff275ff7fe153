//! The leg plan.

use pyo3::prelude::*;
use xmargin_core::liquidation::leg_plan::{self, Book, Outcome, Plan, Shortfall};

use crate::error::to_python;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(plan_legs, module)?)
}

/// Kind, fractions, value, multipliers, bound.
type Answer = (&'static str, Vec<f64>, f64, Vec<f64>, f64);

#[pyfunction]
#[pyo3(signature = (*, equity, loss_share_max, spread, impact, lots, losses))]
fn plan_legs(
    py: Python<'_>,
    equity: f64,
    loss_share_max: f64,
    spread: Vec<f64>,
    impact: Vec<f64>,
    lots: Vec<u64>,
    losses: Vec<Vec<f64>>,
) -> PyResult<Answer> {
    let book = Book {
        equity,
        loss_share_max,
        spread,
        impact,
        lots,
        losses,
    };
    let outcome = py.detach(|| leg_plan::plan_legs(&book));
    Ok(match outcome.map_err(to_python)? {
        Outcome::Plan(plan) => of_plan("plan", plan),
        Outcome::OffLots(plan) => of_plan("off_lots", plan),
        Outcome::Infeasible(shortfall) => of_shortfall("infeasible", shortfall),
        Outcome::Undecided(shortfall) => of_shortfall("undecided", shortfall),
    })
}

fn of_plan(kind: &'static str, plan: Plan) -> Answer {
    (
        kind,
        plan.fractions,
        plan.cost,
        plan.multipliers,
        plan.bound,
    )
}

fn of_shortfall(kind: &'static str, shortfall: Shortfall) -> Answer {
    let Shortfall {
        multipliers,
        at_least,
        fractions,
        at_most,
    } = shortfall;
    (kind, fractions, at_most, multipliers, at_least)
}
