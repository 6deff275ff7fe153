//! Splitting a portfolio's positions into groups that net.

use super::group::Group;
use super::history::HistoryBuffers;
use crate::book::positions::{Counting, Positions};
use crate::book::tables::Book;

/// Buffers that live from one portfolio to the next, so that none is allocated per row.
#[derive(Default)]
pub(super) struct Workspace {
    groups: Vec<Group>,
    rows: Vec<Vec<u32>>,
    used: usize,
    history: HistoryBuffers,
}

impl Workspace {
    /// Splits the positions that net into groups: the reachable one first, then each cut-off chain
    /// in row order.
    pub fn split(&mut self, rows: &[u32], positions: &Positions, book: &Book) {
        self.used = 0;
        self.open(None);
        let netted = |row: usize| {
            positions.counting[row] != Counting::LookedThrough
                && positions.measurable[row]
                && book.tokens.base[positions.token[row] as usize].is_some()
        };
        for &row in rows.iter().filter(|&&row| netted(row as usize)) {
            let chain = book.accounts.chain[positions.account[row as usize] as usize];
            let cut_off_chain = book.chains.cut_off[chain as usize].then_some(chain);
            let at = self.group_of(cut_off_chain);
            self.rows[at].push(row);
        }
    }

    fn group_of(&mut self, cut_off_chain: Option<u32>) -> usize {
        let search = self.groups[..self.used]
            .binary_search_by_key(&cut_off_chain, |group| group.cut_off_chain);
        search.unwrap_or_else(|at| {
            let last = self.open(cut_off_chain);
            self.groups[at..=last].rotate_right(1);
            self.rows[at..=last].rotate_right(1);
            at
        })
    }

    fn open(&mut self, cut_off_chain: Option<u32>) -> usize {
        if self.used == self.groups.len() {
            self.groups.push(Group::default());
            self.rows.push(Vec::new());
        }
        self.groups[self.used].cut_off_chain = cut_off_chain;
        self.rows[self.used].clear();
        self.used += 1;
        self.used - 1
    }

    pub fn groups(&self) -> &[Group] {
        &self.groups[..self.used]
    }

    pub fn groups_with_history_buffers(&mut self) -> (&mut [Group], &mut HistoryBuffers) {
        (&mut self.groups[..self.used], &mut self.history)
    }

    pub fn groups_with_rows(&mut self) -> impl Iterator<Item = (&mut Group, &mut Vec<u32>)> {
        self.groups[..self.used].iter_mut().zip(&mut self.rows)
    }
}
