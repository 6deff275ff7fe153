//! The Python face of [`xmargin_core`]: Arrow tables in, record batches out, errors mapped one to
//! one. Nothing is computed here; the interface is documented in `python/xmargin/_core.pyi`.

mod backtest;
mod book;
mod cascade;
mod depth;
mod error;
mod expectation;
mod fleet;
mod grid;
mod health_index;
mod historical;
mod history;
mod input;
mod lending_order;
mod liquidation;
mod output;
mod parametric;
mod plan;
mod pricing;
mod shared;
mod summary;
mod table;
mod venue;

use arrow_array::RecordBatch;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_arrow::PyRecordBatch;
use xmargin_core::model::grid::{GridModel, GridParameters};
use xmargin_core::model::parameters::Parameters;
use xmargin_core::model::unified;

use crate::error::{table_error, to_python};
use crate::grid::GridInputs;
use crate::history::FactorHistory;
use crate::input::Inputs;
use crate::table::InputTable;

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts a list only by value"
)]
#[pyfunction]
fn scenario_names(parameters: &str, assets: Vec<String>) -> PyResult<Vec<String>> {
    let grid = Parameters::parse(parameters)
        .and_then(|parameters| parameters.scenarios(assets.iter().map(String::as_str)));
    Ok(grid.map_err(to_python)?.names().to_vec())
}

#[pyfunction]
fn check_parameters(parameters: &str) -> PyResult<()> {
    Parameters::parse(parameters).map(drop).map_err(to_python)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one named argument a table, as the stub documents"
)]
#[pyfunction]
#[pyo3(signature = (*, parameters, chains, bases, tokens, portfolios, accounts, balances, aave_pools, aave_reserves, aave_emodes, aave_accounts, aave_positions, history=None))]
fn evaluate<'py>(
    py: Python<'py>,
    parameters: &str,
    chains: &Bound<'py, PyAny>,
    bases: &Bound<'py, PyAny>,
    tokens: &Bound<'py, PyAny>,
    portfolios: &Bound<'py, PyAny>,
    accounts: &Bound<'py, PyAny>,
    balances: &Bound<'py, PyAny>,
    aave_pools: &Bound<'py, PyAny>,
    aave_reserves: &Bound<'py, PyAny>,
    aave_emodes: &Bound<'py, PyAny>,
    aave_accounts: &Bound<'py, PyAny>,
    aave_positions: &Bound<'py, PyAny>,
    history: Option<&Bound<'py, FactorHistory>>,
) -> PyResult<Bound<'py, PyDict>> {
    let history = history.map(|history| &history.get().inner);
    let inputs = Inputs {
        chains: InputTable::import("chains", chains)?,
        bases: InputTable::import("bases", bases)?,
        tokens: InputTable::import("tokens", tokens)?,
        portfolios: InputTable::import("portfolios", portfolios)?,
        accounts: InputTable::import("accounts", accounts)?,
        balances: InputTable::import("balances", balances)?,
        aave_pools: InputTable::import("aave_pools", aave_pools)?,
        aave_reserves: InputTable::import("aave_reserves", aave_reserves)?,
        aave_emodes: InputTable::import("aave_emodes", aave_emodes)?,
        aave_accounts: InputTable::import("aave_accounts", aave_accounts)?,
        aave_positions: InputTable::import("aave_positions", aave_positions)?,
    };
    let batches = py.detach(|| evaluate_tables(parameters, &inputs, history))?;
    let results = PyDict::new(py);
    for (name, batch) in batches {
        results.set_item(name, PyRecordBatch::new(batch))?;
    }
    Ok(results)
}

fn evaluate_tables(
    parameters: &str,
    inputs: &Inputs,
    history: Option<&unified::FactorHistory>,
) -> PyResult<[(&'static str, RecordBatch); 4]> {
    let parameters = Parameters::parse(parameters).map_err(to_python)?;
    let book = inputs.read().map_err(to_python)?;
    let evaluation = xmargin_core::evaluate(&parameters, &book, history).map_err(to_python)?;
    output::record_batches(&book, &evaluation).map_err(|fault| table_error("results", fault))
}

#[expect(
    clippy::too_many_arguments,
    reason = "one named argument a table, as the stub documents"
)]
#[pyfunction]
#[pyo3(signature = (*, parameters, cash_price, assets, expiries, instruments, portfolios, positions))]
fn grid_margins<'py>(
    py: Python<'py>,
    parameters: &str,
    cash_price: f64,
    assets: &Bound<'py, PyAny>,
    expiries: &Bound<'py, PyAny>,
    instruments: &Bound<'py, PyAny>,
    portfolios: &Bound<'py, PyAny>,
    positions: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let inputs = GridInputs {
        assets: InputTable::import("assets", assets)?,
        expiries: InputTable::import("expiries", expiries)?,
        instruments: InputTable::import("instruments", instruments)?,
        portfolios: InputTable::import("portfolios", portfolios)?,
        positions: InputTable::import("positions", positions)?,
    };
    let batches = py.detach(|| grid_tables(parameters, cash_price, &inputs))?;
    let results = PyDict::new(py);
    for (name, batch) in batches {
        results.set_item(name, PyRecordBatch::new(batch))?;
    }
    Ok(results)
}

fn grid_tables(
    parameters: &str,
    cash_price: f64,
    inputs: &GridInputs,
) -> PyResult<[(&'static str, RecordBatch); 6]> {
    let parameters = GridParameters::parse(parameters).map_err(to_python)?;
    let market = inputs.market(cash_price).map_err(to_python)?;
    let (portfolios, positions) = inputs.holdings().map_err(to_python)?;
    let model = GridModel::new(&parameters, &market).map_err(to_python)?;
    let margins = model.margins(&portfolios, &positions);
    let (margins, contributions) = margins.map_err(to_python)?;
    grid::record_batches(&model, &margins, &positions, &contributions)
        .map_err(|fault| table_error("results", fault))
}

#[pyfunction]
fn check_grid_parameters(parameters: &str) -> PyResult<()> {
    GridParameters::parse(parameters)
        .map(drop)
        .map_err(to_python)
}

/// The module `xmargin._core`.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(scenario_names, module)?)?;
    module.add_function(wrap_pyfunction!(check_parameters, module)?)?;
    module.add_function(wrap_pyfunction!(evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(grid_margins, module)?)?;
    module.add_function(wrap_pyfunction!(check_grid_parameters, module)?)?;
    module.add_function(wrap_pyfunction!(pricing::option_values, module)?)?;
    module.add_function(wrap_pyfunction!(pricing::option_greeks, module)?)?;
    module.add_function(wrap_pyfunction!(pricing::implied_vols, module)?)?;
    module.add_function(wrap_pyfunction!(pricing::fit_svi, module)?)?;
    book::register(module)?;
    health_index::register(module)?;
    lending_order::register(module)?;
    historical::register(module)?;
    history::register(module)?;
    parametric::register(module)?;
    liquidation::register(module)?;
    plan::register(module)?;
    summary::register(module)?;
    expectation::register(module)?;
    fleet::register(module)?;
    cascade::register(module)?;
    depth::register(module)?;
    venue::register(module)?;
    backtest::register(module)
}
