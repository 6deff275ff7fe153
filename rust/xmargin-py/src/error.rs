//! The core's errors as the exception classes of `xmargin.errors`.

use pyo3::prelude::*;
use pyo3::{PyErr, import_exception};
use xmargin_core::Error;

import_exception!(xmargin.errors, EngineError);
import_exception!(xmargin.errors, ParameterError);

/// The Python exception of a core error, with its message.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err takes"
)]
pub fn to_python(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Parameter { .. } => ParameterError::new_err(message),
        Error::Input { .. } | Error::Overflow { .. } | Error::Refused { .. } => {
            EngineError::new_err(message)
        }
    }
}

/// An input that is no table, or not one of those wanted.
pub fn table_error(table: &str, problem: impl std::fmt::Display) -> PyErr {
    EngineError::new_err(format!("{table}: {problem}"))
}

/// A count that Python hands over; `PyO3`'s own refusal of one below zero or beyond 64 bits would be
/// no error of ours, and would not say whose.
pub fn count(field: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    value.extract().map_err(|_| {
        table_error(
            field,
            format!("{value} is no count; give a whole number from 0 on"),
        )
    })
}
