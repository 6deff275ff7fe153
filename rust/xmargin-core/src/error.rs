//! The errors of the core: one small enum, mapped one to one to Python's `xmargin.errors`.

/// What can go wrong in the core.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A risk parameter is missing, unknown, malformed or out of its range (`ParameterError`).
    #[error("parameters: {key}: {problem}")]
    Parameter {
        /// Path of the key, such as `assets.ETH.shock`.
        key: String,
        /// The value found and the range or form it should have.
        problem: String,
    },

    /// A table contradicts itself or another one (`EngineError`).
    #[error("{table}.{column}{}: {problem}", row.map(|row| format!(" row {row}")).unwrap_or_default())]
    Input {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
        /// Row number, counted from zero; absent when the column as a whole is meant.
        row: Option<usize>,
        /// The value found and what it should be.
        problem: String,
    },

    /// An integer left its range where the venue's own contract would revert (`EngineError`).
    ///
    /// [`evaluate`](crate::evaluate) confines it to the account that did it.
    #[error("{operation} overflows 256 bits or divides by zero, as the contract would revert")]
    Overflow {
        /// The operation that failed.
        operation: &'static str,
    },

    /// The venue's own program would not compute the account at all (`EngineError`).
    #[error("the venue refuses the account: {reason}")]
    Refused {
        /// What it would not accept.
        reason: &'static str,
    },
}

impl Error {
    /// An [`Error::Refused`].
    pub(crate) fn refused(reason: &'static str) -> Self {
        Self::Refused { reason }
    }

    /// An [`Error::Input`] of one row.
    pub(crate) fn row(
        table: &'static str,
        column: &'static str,
        row: usize,
        problem: impl Into<String>,
    ) -> Self {
        Self::Input {
            table,
            column,
            row: Some(row),
            problem: problem.into(),
        }
    }

    /// The same error of one row, where it names none.
    #[must_use]
    pub fn in_row(self, row: usize) -> Self {
        match self {
            Self::Input {
                table,
                column,
                row: None,
                problem,
            } => Self::Input {
                table,
                column,
                row: Some(row),
                problem,
            },
            other => other,
        }
    }

    /// An [`Error::Parameter`].
    pub(crate) fn parameter(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Parameter {
            key: key.into(),
            problem: problem.into(),
        }
    }
}
