//! Delta-gamma-vega.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use xmargin_core::Error;
use xmargin_core::model::confidence::Confidence;
use xmargin_core::model::parametric::{Losses, Sensitivities, margin};

use crate::error::to_python;
use crate::table::InputTable;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(parametric_margin, module)?)
}

#[pyfunction]
#[pyo3(signature = (*, confidence, factors, curvatures, correlations))]
fn parametric_margin<'py>(
    py: Python<'py>,
    confidence: f64,
    factors: &Bound<'py, PyAny>,
    curvatures: &Bound<'py, PyAny>,
    correlations: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let factors = InputTable::import("factors", factors)?;
    let curvatures = InputTable::import("curvatures", curvatures)?;
    let correlations = InputTable::import("correlations", correlations)?;
    let found = py
        .detach(|| {
            let book = Sensitivities {
                name: factors.column("name")?,
                deviation: factors.column("deviation")?,
                sensitivity: factors.column("sensitivity")?,
                curvature: read_pairs(&curvatures, "curvature")?,
                correlation: read_pairs(&correlations, "correlation")?,
            };
            margin(&book, Confidence::new("confidence", confidence)?)
        })
        .map_err(to_python)?;
    let answer = PyDict::new(py);
    answer.set_item("diversified", losses(py, &found.diversified)?)?;
    answer.set_item("crash", losses(py, &found.crash)?)?;
    answer.set_item("crash_binds", found.crash_binds)?;
    answer.set_item("requirement", found.requirement)?;
    Ok(answer)
}

fn losses<'py>(py: Python<'py>, losses: &Losses) -> PyResult<Bound<'py, PyDict>> {
    let answer = PyDict::new(py);
    answer.set_item("mean", losses.mean)?;
    answer.set_item("deviation", losses.deviation)?;
    answer.set_item("var", losses.var)?;
    answer.set_item("es", losses.es)?;
    Ok(answer)
}

fn read_pairs(
    table: &InputTable,
    column: &'static str,
) -> Result<Vec<(String, String, f64)>, Error> {
    let left = table.column::<String>("factor_a")?;
    let right = table.column::<String>("factor_b")?;
    let values = table.column(column)?;
    Ok(left
        .into_iter()
        .zip(right)
        .zip(values)
        .map(|((a, b), value)| (a, b, value))
        .collect())
}
