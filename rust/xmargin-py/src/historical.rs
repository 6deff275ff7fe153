//! Historical simulation: parameters, scenarios, margin, forecasts.

use arrow_array::{Float64Array, Int32Array, RecordBatch};
use arrow_schema::ArrowError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_arrow::PyRecordBatch;
use xmargin_core::Error;
use xmargin_core::model::historical::parameters::HistoricalParameters;
use xmargin_core::model::historical::{
    self, Binding, Component, Forecast, Holdings, ReturnRows, Returns, Revalued, Scenarios,
};

use crate::error::{count, table_error, to_python};
use crate::output::Columns;
use crate::table::InputTable;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(check_historical_parameters, module)?)?;
    module.add_function(wrap_pyfunction!(historical_scenarios, module)?)?;
    module.add_function(wrap_pyfunction!(historical_margin, module)?)?;
    module.add_function(wrap_pyfunction!(historical_forecasts, module)?)?;
    module.add_function(wrap_pyfunction!(fit_garch, module)?)
}

#[pyfunction]
fn check_historical_parameters(parameters: &str) -> PyResult<()> {
    HistoricalParameters::parse(parameters)
        .map(drop)
        .map_err(to_python)
}

#[pyfunction]
#[pyo3(signature = (*, parameters, returns))]
fn historical_scenarios<'py>(
    py: Python<'py>,
    parameters: &str,
    returns: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let returns = InputTable::import("returns", returns)?;
    let scenarios = py
        .detach(|| {
            let parameters = HistoricalParameters::parse(parameters)?;
            Scenarios::of(&read_returns(&returns)?, &parameters)
        })
        .map_err(to_python)?;
    let answer = PyDict::new(py);
    let days = &scenarios.days;
    let tables = [
        (
            "filtered",
            &days[scenarios.seed_days..],
            &scenarios.filtered,
        ),
        ("raw", &days[..], &scenarios.raw),
    ];
    for (name, days, moves) in tables {
        let batch = moves_table(&scenarios.factors, days, moves)
            .map_err(|fault| table_error(name, fault))?;
        answer.set_item(name, PyRecordBatch::new(batch))?;
    }
    let volatility = PyDict::new(py);
    for (factor, value) in scenarios.factors.iter().zip(&scenarios.volatility) {
        volatility.set_item(factor, value)?;
    }
    answer.set_item("volatility", volatility)?;
    Ok(answer)
}

fn moves_table(
    factors: &[String],
    days: &[i32],
    moves: &[Vec<f64>],
) -> Result<RecordBatch, ArrowError> {
    let mut columns = Columns::default().full("day", Int32Array::from(days.to_vec()));
    for (factor, column) in factors.iter().zip(moves) {
        columns = columns.full(
            &format!("move:{factor}"),
            Float64Array::from(column.clone()),
        );
    }
    columns.finish()
}

#[pyfunction]
#[pyo3(signature = (*, parameters, returns, holdings, revalued=None))]
fn historical_margin<'py>(
    py: Python<'py>,
    parameters: &str,
    returns: &Bound<'py, PyAny>,
    holdings: &Bound<'py, PyAny>,
    revalued: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let returns = InputTable::import("returns", returns)?;
    let holdings = InputTable::import("holdings", holdings)?;
    let revalued = revalued
        .map(|table| InputTable::import("revalued", table))
        .transpose()?;
    let margin = py
        .detach(|| {
            let parameters = HistoricalParameters::parse(parameters)?;
            let scenarios = Scenarios::of(&read_returns(&returns)?, &parameters)?;
            let holdings = read_holdings(&holdings, revalued.as_ref())?;
            historical::margin(&scenarios, &holdings, &parameters)
        })
        .map_err(to_python)?;
    let answer = PyDict::new(py);
    let components = [
        ("filtered", &margin.filtered),
        ("stressed", &margin.stressed),
        ("whole", &margin.whole),
    ];
    for (name, part) in components {
        answer.set_item(name, component(py, &margin.holdings, part)?)?;
    }
    answer.set_item("blend", margin.blend)?;
    answer.set_item("floor", margin.floor)?;
    answer.set_item("requirement", margin.requirement)?;
    let binding = match margin.binding {
        Binding::Blend => "blend",
        Binding::Floor => "floor",
        Binding::Nothing => "nothing",
    };
    answer.set_item("binding", binding)?;
    answer.set_item(
        "contributions",
        by_name(py, &margin.holdings, &margin.contributions)?,
    )?;
    Ok(answer)
}

fn component<'py>(
    py: Python<'py>,
    holdings: &[String],
    part: &Component,
) -> PyResult<Bound<'py, PyDict>> {
    let answer = PyDict::new(py);
    answer.set_item("var", part.var)?;
    answer.set_item("es", part.es)?;
    answer.set_item("first_day", part.days.0)?;
    answer.set_item("last_day", part.days.1)?;
    let tail: Vec<_> = part
        .tail
        .iter()
        .map(|day| (day.day, day.weight, day.pnl))
        .collect();
    answer.set_item("tail", tail)?;
    answer.set_item("contributions", by_name(py, holdings, &part.contributions)?)?;
    Ok(answer)
}

fn by_name<'py>(py: Python<'py>, names: &[String], values: &[f64]) -> PyResult<Bound<'py, PyDict>> {
    let answer = PyDict::new(py);
    for (name, value) in names.iter().zip(values) {
        answer.set_item(name, value)?;
    }
    Ok(answer)
}

#[pyfunction]
#[pyo3(signature = (*, parameters, returns, holdings, lookback_days))]
fn historical_forecasts(
    py: Python<'_>,
    parameters: &str,
    returns: &Bound<'_, PyAny>,
    holdings: &Bound<'_, PyAny>,
    lookback_days: &Bound<'_, PyAny>,
) -> PyResult<PyRecordBatch> {
    let lookback_days = count("lookback_days", lookback_days)?;
    let returns = InputTable::import("returns", returns)?;
    let holdings = InputTable::import("holdings", holdings)?;
    let forecasts = py
        .detach(|| {
            let parameters = HistoricalParameters::parse(parameters)?;
            let returns = read_returns(&returns)?;
            let holdings = read_holdings(&holdings, None)?;
            historical::forecasts(&returns, &holdings, &parameters, lookback_days)
        })
        .map_err(to_python)?;
    let column =
        |read: fn(&Forecast) -> f64| Float64Array::from_iter_values(forecasts.iter().map(read));
    Columns::default()
        .full(
            "day",
            Int32Array::from_iter_values(forecasts.iter().map(|one| one.day)),
        )
        .full("pnl", column(|one| one.pnl))
        .full("var", column(|one| one.var))
        .full("es", column(|one| one.es))
        .full("requirement", column(|one| one.requirement))
        .finish()
        .map(PyRecordBatch::new)
        .map_err(|fault| table_error("forecasts", fault))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts a list only by value"
)]
#[pyfunction]
fn fit_garch<'py>(
    py: Python<'py>,
    factor: &str,
    log_returns: Vec<f64>,
) -> PyResult<Bound<'py, PyDict>> {
    let model = py
        .detach(|| historical::fit_garch(factor, &log_returns))
        .map_err(to_python)?;
    let answer = PyDict::new(py);
    answer.set_item("mean", model.mean)?;
    answer.set_item("constant", model.constant)?;
    answer.set_item("arch", model.arch)?;
    answer.set_item("garch", model.garch)?;
    answer.set_item("log_likelihood", model.log_likelihood)?;
    Ok(answer)
}

pub fn read_returns(table: &InputTable) -> Result<Returns, Error> {
    Returns::new(&ReturnRows {
        factor: table.column("factor")?,
        day: table.column("day")?,
        log_return: table.column("log_return")?,
    })
}

fn read_holdings(table: &InputTable, revalued: Option<&InputTable>) -> Result<Holdings, Error> {
    Ok(Holdings {
        factor: table.column("factor")?,
        delta_usd: table.column("delta_usd")?,
        revalued: revalued.map(read_revalued).transpose()?.unwrap_or_default(),
    })
}

/// Rows of one name may stand anywhere; their order is the scenarios'.
fn read_revalued(table: &InputTable) -> Result<Vec<Revalued>, Error> {
    let names: Vec<String> = table.column("name")?;
    let filtered: Vec<bool> = table.column("filtered")?;
    let pnl: Vec<f64> = table.column("pnl")?;
    let mut vectors = std::collections::BTreeMap::<String, Revalued>::new();
    for ((name, filtered), pnl) in names.into_iter().zip(filtered).zip(pnl) {
        let one = vectors.entry(name).or_insert_with_key(|name| Revalued {
            name: name.clone(),
            ..Revalued::default()
        });
        if filtered {
            one.filtered.push(pnl);
        } else {
            one.raw.push(pnl);
        }
    }
    Ok(vectors.into_values().collect())
}
