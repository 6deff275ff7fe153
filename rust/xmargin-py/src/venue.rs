//! The venues' margins.

use pyo3::prelude::*;

use crate::error::to_python;

/// Adds the function to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(venue_margin, module)?)
}

#[pyfunction]
fn venue_margin(py: Python<'_>, document: &str) -> PyResult<String> {
    py.detach(|| xmargin_core::venue::venue_margin(document))
        .map_err(to_python)
}
