//! Rows of one table that belong to the accounts of another: checked, and found.

use std::ops::Range;

use crate::Error;

/// How messages name the two tables.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// The column of `accounts` that says where an account's rows end.
    pub end: &'static str,
    /// The table of the rows.
    pub table: &'static str,
    /// Its column of numbers, which ascend within an account.
    pub number: &'static str,
    /// What the numbers count, in the plural.
    pub counted: &'static str,
}

/// The rows of an account.
pub fn rows_of(ends: &[u64], account: usize) -> Range<usize> {
    let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
    let begin = account.checked_sub(1).map_or(0, |one| ends[one]);
    place(begin)..place(ends[account])
}

/// Refuses ends that do not part the rows, and numbers that do not ascend or are not below `count`.
pub fn check(names: Names, ends: &[u64], numbers: &[u32], count: usize) -> Result<(), Error> {
    let rows = numbers.len() as u64;
    let mut begin = 0;
    for (account, &end) in ends.iter().enumerate() {
        let is_last = account + 1 == ends.len();
        if end < begin || end > rows || (is_last && end != rows) {
            let problem = format!("{end} is not within {begin} and {rows}, where the last ends");
            return Err(Error::row("accounts", names.end, account, problem));
        }
        begin = end;
    }
    if ends.is_empty() && rows > 0 {
        let problem = format!("is empty, but there are {rows} {}", names.table);
        return Err(whole("accounts", names.end, problem));
    }
    (0..ends.len()).try_for_each(|account| check_numbers(names, ends, numbers, account, count))
}

fn check_numbers(
    names: Names,
    ends: &[u64],
    numbers: &[u32],
    account: usize,
    count: usize,
) -> Result<(), Error> {
    let mut last = None;
    for row in rows_of(ends, account) {
        let number = numbers[row];
        if number as usize >= count {
            let problem = format!("{number} is not one of {count} {}", names.counted);
            return Err(Error::row(names.table, names.number, row, problem));
        }
        if last.is_some_and(|last| last >= number) {
            let problem = format!("{number} does not ascend within account {account}");
            return Err(Error::row(names.table, names.number, row, problem));
        }
        last = Some(number);
    }
    Ok(())
}

/// Refuses columns that are not as long as their table.
pub fn check_lengths(columns: &[(&'static str, &'static str, usize, usize)]) -> Result<(), Error> {
    for &(table, column, found, wanted) in columns {
        if found != wanted {
            let problem = format!("has {found} rows; it must have {wanted}");
            return Err(whole(table, column, problem));
        }
    }
    Ok(())
}

/// An error of a column as a whole.
pub fn whole(table: &'static str, column: &'static str, problem: String) -> Error {
    Error::Input {
        table,
        column,
        row: None,
        problem,
    }
}
