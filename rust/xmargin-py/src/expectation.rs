//! Bad debt to be expected.

use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use pyo3::prelude::*;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::expectation::{self, Exposed, PriceMoves};
use xmargin_core::model::parameters::Parameters;
use xmargin_core::pricing::batch::InstructionSet;

use crate::error::{count, to_python};
use crate::table::InputTable;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(expected_bad_debt, module)?)?;
    module.add_function(wrap_pyfunction!(daily_deviations, module)?)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts a list only by value"
)]
#[pyfunction]
#[pyo3(signature = (*, accounts, exposures, daily_deviation, correlation, horizon_s, threads))]
fn expected_bad_debt(
    py: Python<'_>,
    accounts: &Bound<'_, PyAny>,
    exposures: &Bound<'_, PyAny>,
    daily_deviation: Vec<f64>,
    correlation: f64,
    horizon_s: f64,
    threads: &Bound<'_, PyAny>,
) -> PyResult<Vec<f64>> {
    let accounts = InputTable::import("accounts", accounts)?;
    let exposures = InputTable::import("exposures", exposures)?;
    let threads = count("expectation.threads", threads)?;
    py.detach(|| {
        let columns = Exposed {
            equity: &accounts.slice::<Float64Type>("equity")?,
            exposures_end: &accounts.slice::<UInt64Type>("exposures_end")?,
            asset: &exposures.slice::<UInt32Type>("asset")?,
            value: &exposures.slice::<Float64Type>("value")?,
        };
        let moves = PriceMoves {
            daily_deviation: &daily_deviation,
            correlation,
            horizon_s,
        };
        let workers = Workers::new(threads, InstructionSet::best())?;
        expectation::expected_bad_debt(&columns, &moves, &workers)
    })
    .map_err(to_python)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts a list only by value"
)]
#[pyfunction]
fn daily_deviations(parameters: &str, assets: Vec<String>) -> PyResult<Vec<f64>> {
    let parameters = Parameters::parse(parameters).map_err(to_python)?;
    let of = |asset: &String| parameters.daily_deviation(asset);
    assets
        .iter()
        .map(of)
        .collect::<Result<_, _>>()
        .map_err(to_python)
}
