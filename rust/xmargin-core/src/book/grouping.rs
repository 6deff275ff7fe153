//! Rows by owner, in compressed sparse row form.

use std::ops::Range;

/// The rows of each owner, in row order: a stable counting sort of the owner column.
///
/// ```
/// use xmargin_core::book::grouping::Grouping;
/// let grouping = Grouping::by(&[1, 0, 1], 3);
/// assert_eq!(grouping.rows(1), &[0, 2]);
/// assert!(grouping.rows(2).is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Grouping {
    /// Groups the rows of `owners`, each below `owner_count`.
    ///
    /// # Panics
    /// When an owner is not below `owner_count`, or there are more than 2^32 - 1 rows.
    #[must_use]
    pub fn by(owners: &[u32], owner_count: usize) -> Self {
        let mut starts = vec![0_u32; owner_count + 1];
        for &owner in owners {
            starts[owner as usize + 1] += 1;
        }
        for owner in 0..owner_count {
            starts[owner + 1] += starts[owner];
        }
        let mut next = starts.clone();
        let mut rows = vec![0_u32; owners.len()];
        for (row, &owner) in (0_u32..).zip(owners) {
            let slot = &mut next[owner as usize];
            rows[*slot as usize] = row;
            *slot += 1;
        }
        Self { starts, rows }
    }

    /// Where the rows of `owner` lie in [`Self::all_rows`].
    #[must_use]
    pub fn range(&self, owner: usize) -> Range<usize> {
        self.starts[owner] as usize..self.starts[owner + 1] as usize
    }

    /// The rows of `owner`, ascending.
    #[must_use]
    pub fn rows(&self, owner: usize) -> &[u32] {
        &self.rows[self.range(owner)]
    }

    /// All rows, owner after owner.
    #[must_use]
    pub fn all_rows(&self) -> &[u32] {
        &self.rows
    }
}
