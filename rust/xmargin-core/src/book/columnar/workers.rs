//! The threads, started once, and the vectors they compute with.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Error;
use crate::pricing::batch::InstructionSet;

/// Below this many accounts one thread is done before a second is awake.
const PARALLEL_ACCOUNTS_MIN: usize = 20_000;
/// The most threads asked for.
const THREADS_MAX: usize = 1_024;

/// Threads that wait for books. Results do not depend on how many they are.
pub struct Workers {
    pool: Option<ThreadPool>,
    pub(super) set: InstructionSet,
}

impl Workers {
    /// Starts `threads` threads (none for 1: the caller's own is used).
    ///
    /// # Errors
    /// [`Error::Parameter`] when there are none or over 1,024, or the system refuses to start them.
    pub fn new(threads: usize, set: InstructionSet) -> Result<Self, Error> {
        if threads == 0 || threads > THREADS_MAX {
            return Err(Error::parameter(
                "threads",
                format!("{threads} is not in [1, {THREADS_MAX}]"),
            ));
        }
        let start = || ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = (threads > 1).then(start).transpose();
        let pool = pool
            .map_err(|fault| Error::parameter("threads", format!("cannot be started: {fault}")))?;
        Ok(Self { pool, set })
    }

    /// The pool, where `accounts` are worth it.
    pub(crate) fn pool_for(&self, accounts: usize) -> Option<&ThreadPool> {
        self.pool
            .as_ref()
            .filter(|_| accounts >= PARALLEL_ACCOUNTS_MIN)
    }
}
