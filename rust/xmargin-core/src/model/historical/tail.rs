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
        Ok(Self::of_worst(
            &worst_rows(pnl, whole + 1),
            pnl.len(),
            confidence,
        ))
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

/// The `count` worst P&Ls with their rows, worst first.
///
/// Few of the rows are ever kept: a sample says about where the last of them lies, and all that is
/// better is passed by a single comparison. The answer does not depend on the guess.
fn worst_rows(pnl: &[f64], count: usize) -> Vec<(f64, usize)> {
    let by_loss = |left: &(f64, usize), right: &(f64, usize)| worse(*left, *right);
    let up_to = |edge: f64| -> Vec<(f64, usize)> {
        let mut kept = Vec::with_capacity(4 * count);
        for (row, &value) in pnl.iter().enumerate() {
            if value <= edge {
                kept.push((value, row));
            }
        }
        kept
    };
    let mut kept = up_to(likely_edge(pnl, count));
    if kept.len() < count {
        kept = pnl.iter().copied().zip(0..).collect();
    }
    if kept.len() > count {
        kept.select_nth_unstable_by(count - 1, by_loss);
        kept.truncate(count);
    }
    kept.sort_unstable_by(by_loss);
    kept
}

/// A P&L that is probably not among the `count` worst, but not far from them.
fn likely_edge(pnl: &[f64], count: usize) -> f64 {
    const SAMPLE_COUNT: usize = 256;
    let step = pnl.len() / SAMPLE_COUNT;
    if step < 2 {
        return f64::INFINITY;
    }
    let mut sample: Vec<f64> = pnl.iter().copied().step_by(step).collect();
    // Half as many again as there should be, and a few for chance.
    let place = sample.len() * count * 3 / (pnl.len() * 2) + 4;
    if place >= sample.len() {
        return f64::INFINITY;
    }
    *sample.select_nth_unstable_by(place, f64::total_cmp).1
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
/// Only the worst rows of all can stand in the tail of the worst window. Those set aside (*events*)
/// decide as soon as a window holds a whole tail of them, and no window that does not can be worse:
/// for any level `v`, `ES ≤ v + Σ(L − v)⁺ / (n(1−α))` (Rockafellar & Uryasev 2000), here at the least of
/// the events. Else more are set aside.
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
    let count = confidence.beyond(pnl.len()).0 + 1;
    let edge = worst_rows(pnl, count.min(pnl.len()))
        .last()
        .map_or(0.0, |last| last.0);
    worst_window_beyond(pnl, edge, length, confidence)
}

/// [`worst_window`], where the `k + 1`-th worst P&L of all (`-VaR`) is known already.
///
/// # Errors
/// As [`worst_window`].
pub fn worst_window_beyond(
    pnl: &[f64],
    mut edge: f64,
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
    let mut more = 0;
    while more < pnl.len() {
        let rows = pnl.iter().copied().zip(0..);
        let events: Vec<(f64, usize)> = rows.filter(|&(value, _)| value <= edge).collect();
        if let Some(found) = worst_window_of(&events, -edge, length, confidence) {
            return Ok(found);
        }
        more = (2 * events.len().max(more) + 1).min(pnl.len());
        edge = worst_rows(pnl, more)[more - 1].0;
    }
    let every_row: Vec<(f64, usize)> = pnl.iter().copied().zip(0..).collect();
    match worst_window_of(&every_row, -edge, length, confidence) {
        Some(found) => Ok(found),
        // Only of what is no number: nothing is worse than it.
        None => Ok((0, Tail::of(&pnl[..length], confidence)?)),
    }
}

/// The worst window, where the events decide; always where every row is one. Events are all losses
/// of at least `level`, in row order.
fn worst_window_of(
    events: &[(f64, usize)],
    level: f64,
    length: usize,
    confidence: Confidence,
) -> Option<(usize, Tail)> {
    let (whole, rest) = confidence.beyond(length);
    #[expect(
        clippy::cast_precision_loss,
        reason = "no 2^53 scenarios fit in memory"
    )]
    let share = whole as f64 + rest;
    let (mut worst, mut undecided): (Option<(usize, Tail)>, f64) = (None, f64::NEG_INFINITY);
    let (mut from, mut beyond) = (0, 0.0);
    // A window can end at an event: to begin earlier only adds to the events it holds.
    for (at, &(value, row)) in events.iter().enumerate() {
        beyond += -value - level;
        let first = (row + 1).saturating_sub(length);
        while events[from].1 < first {
            beyond -= -events[from].0 - level;
            from += 1;
        }
        // The first window is told once, at its last event.
        let next = events.get(at + 1);
        if row + 1 < length && next.is_some_and(|&(_, next)| next < length) {
            continue;
        }
        let es_max = (level + beyond / share) + 1e-9 * (level.abs() + beyond.abs() / share);
        if at - from < whole {
            undecided = undecided.max(es_max);
        } else if worst.as_ref().is_none_or(|(_, known)| es_max >= known.es) {
            let mut rows = events[from..=at].to_vec();
            rows.select_nth_unstable_by(whole, |&left, &right| worse(left, right));
            rows.truncate(whole + 1);
            rows.sort_unstable_by(|&left, &right| worse(left, right));
            let tail = Tail::of_worst(&rows, length, confidence);
            if worst.as_ref().is_none_or(|(_, known)| tail.es > known.es) {
                worst = Some((first, tail));
            }
        }
    }
    worst.filter(|(_, tail)| undecided < tail.es)
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
            expected.1.rows.iter_mut().for_each(|tail| tail.row += expected.0);
            prop_assert_eq!((first, found), expected);
        }

        #[test]
        fn a_window_of_amounts_of_any_size_is_found(
            pnl in prop::collection::vec(prop_oneof![-1e12_f64..1e12, -1.0..1.0, Just(0.0)], 30..120),
            length in 10_usize..30,
        ) {
            let (first, found) = worst_window(&pnl, length, level(0.9))?;
            let scale = pnl.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
            for start in 0..=pnl.len() - length {
                let tail = Tail::of(&pnl[start..start + length], level(0.9))?;
                prop_assert!(tail.es <= found.es + 1e-14 * scale);
                if start == first {
                    prop_assert_eq!(tail.es, found.es);
                }
            }
        }

        #[test]
        fn the_worst_rows_are_those_that_sorting_puts_first(
            pnl in prop_oneof![
                prop::collection::vec(-20_i8..20, 1..200),
                prop::collection::vec(-100_i8..100, 500..1500),
            ],
            share in 1_usize..100,
        ) {
            let pnl: Vec<f64> = pnl.into_iter().map(f64::from).collect();
            let count = (pnl.len() * share).div_ceil(100);
            let mut sorted: Vec<(f64, usize)> = pnl.iter().copied().zip(0..).collect();
            sorted.sort_unstable_by(|&left, &right| worse(left, right));
            prop_assert_eq!(worst_rows(&pnl, count), &sorted[..count]);
        }
    }
}
