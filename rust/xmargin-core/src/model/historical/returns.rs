//! The factor returns that scenarios are made of.

use std::collections::BTreeMap;

use crate::Error;

/// A day in which a price grows or shrinks by more than e^10 is a slip of the data.
pub(super) const LOG_RETURN_MAX: f64 = 10.0;

/// The table `returns`: one row a factor and day, in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReturnRows {
    /// The factor's name.
    pub factor: Vec<String>,
    /// The day, counted from 1970-01-01.
    pub day: Vec<i32>,
    /// The logarithm of the price's growth over the day.
    pub log_return: Vec<f64>,
}

/// Log returns of several factors over the same days, factors in name and days in time order.
#[derive(Debug, Clone, PartialEq)]
pub struct Returns {
    /// The factors.
    pub factors: Vec<String>,
    /// The days.
    pub days: Vec<i32>,
    /// Per factor, its return on each day.
    pub columns: Vec<Vec<f64>>,
}

impl Returns {
    /// Sorts and checks the rows.
    ///
    /// # Errors
    /// [`Error::Input`] naming column and row: columns of different length, an empty name, a value
    /// that is no number or beyond e^±10, a factor's day said twice, or missing while another
    /// factor has it.
    pub fn new(rows: &ReturnRows) -> Result<Self, Error> {
        check_lengths(rows)?;
        let mut table: BTreeMap<&str, BTreeMap<i32, usize>> = BTreeMap::new();
        for (row, ((factor, &day), &value)) in rows
            .factor
            .iter()
            .zip(&rows.day)
            .zip(&rows.log_return)
            .enumerate()
        {
            if factor.trim().is_empty() {
                return Err(fault("factor", row, "is empty; name the factor".to_owned()));
            }
            if value.is_nan() || value.abs() > LOG_RETURN_MAX {
                let problem = format!("{value} of {factor}; it must be in [-10, 10]");
                return Err(fault("log_return", row, problem));
            }
            if table.entry(factor).or_default().insert(day, row).is_some() {
                let problem = format!("{day} of {factor} is said twice; say each day once");
                return Err(fault("day", row, problem));
            }
        }
        let days = common_days(&table)?;
        Ok(Self {
            factors: table.keys().map(|&name| name.to_owned()).collect(),
            days,
            columns: table
                .values()
                .map(|of_day| of_day.values().map(|&row| rows.log_return[row]).collect())
                .collect(),
        })
    }

    /// The most days from one return to the next; 0 where there are fewer than two.
    #[must_use]
    pub fn longest_gap_days(&self) -> i32 {
        let steps = self
            .days
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]));
        steps.max().unwrap_or_default()
    }

    /// The row number of a factor.
    #[must_use]
    pub fn factor(&self, name: &str) -> Option<usize> {
        self.factors
            .binary_search_by(|known| known.as_str().cmp(name))
            .ok()
    }
}

fn fault(column: &'static str, row: usize, problem: String) -> Error {
    Error::row("returns", column, row, problem)
}

fn check_lengths(rows: &ReturnRows) -> Result<(), Error> {
    let count = rows.factor.len();
    for (column, length) in [
        ("day", rows.day.len()),
        ("log_return", rows.log_return.len()),
    ] {
        if length != count {
            let problem = format!("has {length} rows where factor has {count}");
            return Err(Error::Input {
                table: "returns",
                column,
                row: None,
                problem,
            });
        }
    }
    Ok(())
}

/// The days of all factors, which must be the same.
fn common_days(table: &BTreeMap<&str, BTreeMap<i32, usize>>) -> Result<Vec<i32>, Error> {
    let mut factors = table.iter();
    let Some((first, wanted)) = factors.next() else {
        return Ok(Vec::new());
    };
    for (name, found) in factors {
        let lacking = |of: &BTreeMap<i32, usize>, other: &BTreeMap<i32, usize>| {
            of.iter()
                .find(|(day, _)| !other.contains_key(day))
                .map(|(&day, &row)| (day, row))
        };
        let gap = lacking(wanted, found)
            .map(|gap| (*name, *first, gap))
            .or_else(|| lacking(found, wanted).map(|gap| (*first, *name, gap)));
        if let Some((lacks, has, (day, row))) = gap {
            let problem =
                format!("{lacks} has no row of day {day}, which {has} has; give common days only");
            return Err(fault("day", row, problem));
        }
    }
    Ok(wanted.keys().copied().collect())
}
