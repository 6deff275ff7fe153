//! Factor returns filtered once, for every evaluation until they change.

use pyo3::prelude::*;
use xmargin_core::model::parameters::Parameters;
use xmargin_core::model::unified;

use crate::error::to_python;
use crate::historical::read_returns;
use crate::table::InputTable;

/// Scenarios of one set of factor returns under one parameter file.
#[pyclass(frozen, module = "xmargin._core")]
pub struct FactorHistory {
    pub inner: unified::FactorHistory,
}

#[pymethods]
impl FactorHistory {
    #[getter]
    fn assets(&self) -> Vec<String> {
        self.inner.assets().to_vec()
    }

    #[getter]
    fn confidence(&self) -> f64 {
        self.inner.rules().simulation.confidence.level()
    }

    #[getter]
    fn returns_age_days_max(&self) -> usize {
        self.inner.rules().returns_age_days_max
    }

    #[getter]
    fn gap_days_max(&self) -> usize {
        self.inner.rules().gap_days_max
    }

    #[getter]
    fn longest_gap_days(&self) -> i32 {
        self.inner.longest_gap_days()
    }
}

/// Adds the class and its maker to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FactorHistory>()?;
    module.add_function(wrap_pyfunction!(factor_history, module)?)
}

#[pyfunction]
#[pyo3(signature = (*, parameters, returns))]
fn factor_history(
    py: Python<'_>,
    parameters: &str,
    returns: &Bound<'_, PyAny>,
) -> PyResult<Option<FactorHistory>> {
    let returns = InputTable::import("returns", returns)?;
    let history = py
        .detach(|| {
            let parameters = Parameters::parse(parameters)?;
            unified::FactorHistory::new(parameters, &read_returns(&returns)?)
        })
        .map_err(to_python)?;
    Ok(history.map(|inner| FactorHistory { inner }))
}
