//! Backtests.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use xmargin_core::Error;
use xmargin_core::backtest::{Backtest, Outcomes, TrafficLight, Zone, backtest as run};
use xmargin_core::model::confidence::Confidence;

use crate::error::to_python;
use crate::table::InputTable;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(backtest, module)?)
}

#[pyfunction]
#[pyo3(signature = (*, confidence, outcomes, with_es))]
fn backtest<'py>(
    py: Python<'py>,
    confidence: f64,
    outcomes: &Bound<'py, PyAny>,
    with_es: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let table = InputTable::import("outcomes", outcomes)?;
    let (days, found) = py
        .detach(|| {
            let outcomes = Outcomes {
                day: table.column("day")?,
                pnl: table.column("pnl")?,
                var: table.column("var")?,
                es: if with_es {
                    table.column("es")?
                } else {
                    Vec::new()
                },
            };
            let found = run(&outcomes, Confidence::new("confidence", confidence)?)?;
            Ok::<_, Error>((outcomes.day, found))
        })
        .map_err(to_python)?;
    answer(py, &days, &found)
}

fn answer<'py>(py: Python<'py>, days: &[i32], found: &Backtest) -> PyResult<Bound<'py, PyDict>> {
    let answer = PyDict::new(py);
    answer.set_item("observations", found.observations)?;
    answer.set_item("exceptions", found.exceptions)?;
    answer.set_item("coverage", found.coverage)?;
    answer.set_item("largest_exception", found.largest_exception)?;
    answer.set_item(
        "largest_exception_day",
        found.largest_row.map(|row| days[row]),
    )?;
    answer.set_item("average_exception", found.average_exception)?;
    let tests = &found.tests;
    answer.set_item("kupiec", (tests.kupiec, tests.kupiec_p))?;
    answer.set_item("independence", (tests.independence, tests.independence_p))?;
    answer.set_item("conditional", (tests.conditional, tests.conditional_p))?;
    answer.set_item("transitions", tests.transitions)?;
    let shortfall = found.shortfall.as_ref();
    answer.set_item("z1", shortfall.and_then(|tests| tests.z1))?;
    answer.set_item("z2", shortfall.map(|tests| tests.z2))?;
    answer.set_item(
        "z2_below_threshold",
        shortfall.map(|tests| tests.z2_below_threshold),
    )?;
    answer.set_item("z2_p_normal", shortfall.map(|tests| tests.z2_p_normal))?;
    answer.set_item("traffic_light", light(py, &found.traffic_light)?)?;
    let year = found
        .traffic_light_250
        .as_ref()
        .map(|year| light(py, year))
        .transpose()?;
    answer.set_item("traffic_light_250", year)?;
    Ok(answer)
}

fn light<'py>(py: Python<'py>, light: &TrafficLight) -> PyResult<Bound<'py, PyDict>> {
    let answer = PyDict::new(py);
    answer.set_item("observations", light.observations)?;
    answer.set_item("exceptions", light.exceptions)?;
    answer.set_item("cumulative", light.cumulative)?;
    let zone = match light.zone {
        Zone::Green => "green",
        Zone::Yellow => "yellow",
        Zone::Red => "red",
    };
    answer.set_item("zone", zone)?;
    Ok(answer)
}
