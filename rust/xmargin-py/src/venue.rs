//! The venues' margins and pools.

use pyo3::prelude::*;

use crate::error::to_python;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(venue_margin, module)?)?;
    module.add_function(wrap_pyfunction!(pool_swaps, module)?)
}

#[pyfunction]
fn venue_margin(py: Python<'_>, document: &str) -> PyResult<String> {
    py.detach(|| xmargin_core::venue::venue_margin(document))
        .map_err(to_python)
}

#[pyfunction]
fn pool_swaps(py: Python<'_>, document: &str) -> PyResult<String> {
    py.detach(|| xmargin_core::venue::uniswap_v3::pool_swaps(document))
        .map_err(to_python)
}
