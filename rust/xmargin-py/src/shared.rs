//! State that threads of Python share.

use std::sync::{PoisonError, RwLock};

use pyo3::prelude::*;

/// Locked inside, so that threads of Python wait for each other: `PyO3`'s own guard would raise.
/// The lock is only waited for without the interpreter's.
///
/// No panic leaves the value half changed: a refused call changes nothing.
pub struct Shared<T>(RwLock<T>);

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(value.into())
    }
}

impl<T: Send + Sync> Shared<T> {
    /// What `ask` finds, beside others who read.
    pub fn read<R: Send>(&self, py: Python<'_>, ask: impl FnOnce(&T) -> R + Send) -> R {
        py.detach(|| ask(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What `change` comes to, alone.
    pub fn write<R: Send>(&self, py: Python<'_>, change: impl FnOnce(&mut T) -> R + Send) -> R {
        py.detach(|| change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner)))
    }
}
