//! Value at risk and expected shortfall of equally likely scenarios, by conventions with names.
//!
//! Losses are positive. Of `n` scenarios at level `α`, with losses `L₍₁₎ ≥ L₍₂₎ ≥ …` and
//! `k = ⌊n(1−α)⌋` of them wholly beyond the level:
//!
//! - **Value at risk** is `L₍ₖ₊₁₎`, the inverse of the empirical distribution function (Hyndman & Fan 1996,
//!   type 1): the least loss that at least a share `α` of the scenarios does not exceed.
//! - **Expected shortfall** is `[L₍₁₎ + … + L₍ₖ₎ + (n(1−α) − k)·L₍ₖ₊₁₎] / (n(1−α))`, the mean of exactly the share
//!   `1 − α` (Acerbi & Tasche 2002, "On the coherence of expected shortfall"). The scenario on the
//!   edge enters with the fraction that lies beyond; without it ES would not be subadditive.

use core::cmp::Ordering;

use crate::Error;
use crate::model::confidence::Confidence;

/// A scenario of the tail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TailRow {
    /// Its row.
    pub row: usize,
    /// Its weight in the mean; the weights sum to one.
    pub weight: f64,
}

/// What the tail of a set of scenarios says.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// Value at risk, a loss.
    pub var: f64,
    /// Expected shortfall, a loss; never below the value at risk.
    pub es: f64,
    /// The scenarios that make the expected shortfall, worst first.
    pub rows: Vec<TailRow>,
}

/// Worst first; equal ones in row order, so that the tail is always the same rows.
fn worse(left: (f64, usize), right: (f64, usize)) -> Ordering {
    left.0.total_cmp(&right.0).then(left.1.cmp(&right.1))
}

impl Tail {
    /// The tail of the P&Ls of equally likely scenarios.
    ///
    /// # Errors
    /// [`Error::Input`] when there are fewer than `1 / (1 − α)` of them.
    pub fn of(pnl: &[f64], confidence: Confidence) -> Result<Self, Error> {
        check_count(pnl.len(), confidence)?;
        let (whole, _) = confidence.beyond(pnl.len());
        let mut rows: Vec<(f64, usize)> = pnl.iter().copied().zip(0..).collect();
        rows.select_nth_unstable_by(whole, |&left, &right| worse(left, right));
        rows.truncate(whole + 1);
        rows.sort_unstable_by(|&left, &right| worse(left, right));
        Ok(Self::of_worst(&rows, pnl.len(), confidence))
    }

    /// From the `k + 1` worst of `count` scenarios, worst first.
    fn of_worst(worst: &[(f64, usize)], count: usize, confidence: Confidence) -> Self {
        let (whole, rest) = confidence.beyond(count);
        #[expect(
            clippy::cast_precision_loss,
            reason = "no 2^53 scenarios fit in memory"
        )]
        let share = whole as f64 + rest;
        let var = -worst[whole].0;
        let mut rows: Vec<TailRow> = worst[..whole]
            .iter()
            .map(|&(_, row)| TailRow {
                row,
                weight: 1.0 / share,
            })
            .collect();
        if rest > 0.0 {
            rows.push(TailRow {
                row: worst[whole].1,
                weight: rest / share,
            });
        }
        // As a sum of excesses over VaR, none of them negative, ES cannot round below it.
        let excess: f64 = worst[..whole].iter().map(|&(pnl, _)| -pnl - var).sum();
        Self {
            var,
            es: var + excess / share,
            rows,
        }
    }
}

fn check_count(count: usize, confidence: Confidence) -> Result<(), Error> {
    let least = confidence.count_min();
    if count >= least {
        return Ok(());
    }
    Err(Error::Input {
        table: "returns",
        column: "day",
        row: None,
        problem: format!(
            "{count} scenarios are too few for confidence {}; there must be {least}",
            confidence.level()
        ),
    })
}

/// The window of `length` rows in a row whose expected shortfall is largest, the earliest of equal
/// ones: its first row, and its tail in rows of the whole.
///
/// The window's P&Ls are kept sorted as it slides: one leaves, one comes.
///
/// # Errors
/// [`Error::Input`] when there are fewer rows than `length`, or `length` is too short a window for
/// the confidence.
pub fn worst_window(
    pnl: &[f64],
    length: usize,
    confidence: Confidence,
) -> Result<(usize, Tail), Error> {
    check_count(length, confidence)?;
    if pnl.len() < length {
        let problem = format!("{} days hold no window of {length}", pnl.len());
        return Err(Error::Input {
            table: "returns",
            column: "day",
            row: None,
            problem,
        });
    }
    let place = |sorted: &[(f64, usize)], item| {
        sorted.partition_point(|&other| worse(other, item) == Ordering::Less)
    };
    let (whole, _) = confidence.beyond(length);
    let mut sorted: Vec<(f64, usize)> = pnl[..length].iter().copied().zip(0..).collect();
    sorted.sort_unstable_by(|&left, &right| worse(left, right));
    let mut worst = (0, Tail::of_worst(&sorted[..=whole], length, confidence));
    for first in 1..=pnl.len() - length {
        let (leaves, comes) = (first - 1, first + length - 1);
        let from = place(&sorted, (pnl[leaves], leaves));
        let to = place(&sorted, (pnl[comes], comes));
        // Between the two places everything moves by one; the rest stays where it is.
        if from < to {
            sorted.copy_within(from + 1..to, from);
            sorted[to - 1] = (pnl[comes], comes);
        } else {
            sorted.copy_within(to..from, to + 1);
            sorted[to] = (pnl[comes], comes);
        }
        if from.min(to) <= whole {
            let tail = Tail::of_worst(&sorted[..=whole], length, confidence);
            if tail.es > worst.1.es {
                worst = (first, tail);
            }
        }
    }
    Ok(worst)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the bit is what is meant")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn level(level: f64) -> Confidence {
        Confidence::new("confidence", level).expect("a level in range")
    }

    #[test]
    fn the_scenario_on_the_edge_enters_with_its_fraction() -> Result<(), Error> {
        // 10 scenarios at 75 %: 2.5 lie beyond.
        let pnl = [5.0, -8.0, 1.0, -4.0, 0.0, -2.0, 3.0, 2.0, 4.0, 6.0];
        let tail = Tail::of(&pnl, level(0.75))?;
        assert_eq!(tail.var, 2.0);
        assert_eq!(tail.es, (8.0 + 4.0 + 0.5 * 2.0) / 2.5);
        let rows: Vec<(usize, f64)> = tail.rows.iter().map(|t| (t.row, t.weight)).collect();
        assert_eq!(rows, [(1, 0.4), (3, 0.4), (5, 0.2)]);
        Ok(())
    }

    proptest! {
        #[test]
        fn es_is_never_below_var(pnl in prop::collection::vec(-1e12_f64..1e12, 20..200)) {
            let tail = Tail::of(&pnl, level(0.95))?;
            prop_assert!(tail.es >= tail.var);
        }

        #[test]
        fn a_sliding_window_finds_what_looking_at_each_finds(
            pnl in prop::collection::vec(-10_i8..10, 20..80), length in 10_usize..20,
        ) {
            let pnl: Vec<f64> = pnl.into_iter().map(f64::from).collect();
            let (first, found) = worst_window(&pnl, length, level(0.9))?;
            let mut expected = (0, Tail::of(&pnl[..length], level(0.9))?);
            for start in 1..=pnl.len() - length {
                let tail = Tail::of(&pnl[start..start + length], level(0.9))?;
                if tail.es > expected.1.es {
                    expected = (start, tail);
                }
            }
            prop_assert_eq!(first, expected.0);
            prop_assert_eq!(found.es, expected.1.es);
            prop_assert_eq!(found.var, expected.1.var);
        }
    }
}
