//! The venues' liquidation rules.

use pyo3::prelude::*;
use xmargin_core::liquidation::venue;

use crate::error::to_python;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(propose_liquidation, module)?)?;
    module.add_function(wrap_pyfunction!(absorb_loss, module)?)
}

#[pyfunction]
fn propose_liquidation(py: Python<'_>, document: &str) -> PyResult<String> {
    py.detach(|| venue::propose_liquidation(document))
        .map_err(to_python)
}

#[pyfunction]
fn absorb_loss(py: Python<'_>, document: &str) -> PyResult<String> {
    py.detach(|| venue::absorb_loss(document))
        .map_err(to_python)
}
