//! The margin of linear exposures as one scenario: the mean moves of the tail that binds.
//!
//! ES is the worst mean over tails, and a mean over days of `Σ_f x_f m_f,t` is `Σ_f x_f m̄_f` at the
//! mean moves: seen from its own tail, ES is the loss in one scenario. The mean moves are Euler's
//! contributions per USD of each exposure.

use super::margin::Binding;
use super::parameters::{HistoricalParameters, Stress};
use super::scenarios::Scenarios;
use super::tail::{Tail, TailRow, worst_window_beyond};
use crate::Error;

/// How many days are summed at once, in registers.
const LANES: usize = 8;

/// Buffers that live from one book to the next.
#[derive(Debug, Clone, Default)]
pub struct TailBuffers {
    filtered: Vec<f64>,
    raw: Vec<f64>,
}

/// The tail that makes a margin.
#[derive(Debug, Clone, PartialEq)]
pub struct TailMoves {
    /// Mean move of each exposure's factor, in the order of the exposures; all zero where nothing
    /// is asked for. `-Σ exposure × move` is the margin.
    pub moves: Vec<f64>,
    /// Which form binds.
    pub binding: Binding,
    /// The worst day of the tail; absent where nothing is asked for.
    pub worst_day: Option<i32>,
}

/// The tail of `exposures` (USD by row of their factor, ascending): the same margin as
/// [`margin`](super::margin()) of the same holdings, without their names.
///
/// # Errors
/// As [`margin`](super::margin()): too few days for the confidence or the stressed window.
pub fn tail_moves(
    scenarios: &Scenarios,
    exposures: &[(usize, f64)],
    parameters: &HistoricalParameters,
    buffers: &mut TailBuffers,
) -> Result<TailMoves, Error> {
    fill(&mut buffers.filtered, &scenarios.filtered, exposures);
    fill(&mut buffers.raw, &scenarios.raw, exposures);
    let (weight, floor) = (parameters.stress_weight, parameters.floor);
    let filtered = Tail::of(&buffers.filtered, parameters.confidence)?;
    let whole = Tail::of(&buffers.raw, parameters.confidence)?;
    let stressed = stressed(scenarios, &buffers.raw, &whole, parameters)?;
    let blend = (1.0 - weight) * filtered.es + weight * stressed.es;
    let mean = |tail: &Tail, columns: &[Vec<f64>], share: f64| -> Vec<f64> {
        let of = |&(factor, _): &(usize, f64)| share * mean_of(&tail.rows, &columns[factor]);
        exposures.iter().map(of).collect()
    };
    let day_of = |tail: &Tail, seed_days: usize| scenarios.days[seed_days + tail.rows[0].row];
    if blend.max(floor * whole.es) <= 0.0 {
        return Ok(TailMoves {
            moves: vec![0.0; exposures.len()],
            binding: Binding::Nothing,
            worst_day: None,
        });
    }
    if blend < floor * whole.es {
        return Ok(TailMoves {
            moves: mean(&whole, &scenarios.raw, floor),
            binding: Binding::Floor,
            worst_day: Some(day_of(&whole, 0)),
        });
    }
    let mut moves = mean(&filtered, &scenarios.filtered, 1.0 - weight);
    for (sum, part) in moves
        .iter_mut()
        .zip(mean(&stressed, &scenarios.raw, weight))
    {
        *sum += part;
    }
    Ok(TailMoves {
        moves,
        binding: Binding::Blend,
        worst_day: Some(day_of(&filtered, scenarios.seed_days)),
    })
}

fn stressed(
    scenarios: &Scenarios,
    raw: &[f64],
    whole: &Tail,
    parameters: &HistoricalParameters,
) -> Result<Tail, Error> {
    match parameters.stress {
        // A window that carries no weight need not be looked for.
        _ if parameters.stress_weight == 0.0 => Ok(whole.clone()),
        Stress::Worst { days } => {
            Ok(worst_window_beyond(raw, -whole.var, days, parameters.confidence)?.1)
        }
        Stress::Window {
            first_day,
            last_day,
        } => {
            let first = scenarios.days.partition_point(|&day| day < first_day);
            let end = scenarios.days.partition_point(|&day| day <= last_day);
            let mut tail = Tail::of(&raw[first..end], parameters.confidence)?;
            tail.rows.iter_mut().for_each(|tail| tail.row += first);
            Ok(tail)
        }
    }
}

/// P&L by day: a sparse row times the scenario matrix, a few days at a time over all factors.
fn fill(pnl: &mut Vec<f64>, columns: &[Vec<f64>], exposures: &[(usize, f64)]) {
    let count = columns.first().map_or(0, Vec::len);
    pnl.clear();
    pnl.resize(count, 0.0);
    for (block, sums) in pnl.chunks_mut(LANES).enumerate() {
        let days = block * LANES..block * LANES + sums.len();
        let mut lanes = [0.0; LANES];
        for &(factor, exposure) in exposures {
            for (lane, relative) in lanes.iter_mut().zip(&columns[factor][days.clone()]) {
                *lane += exposure * relative;
            }
        }
        sums.copy_from_slice(&lanes[..sums.len()]);
    }
}

fn mean_of(rows: &[TailRow], column: &[f64]) -> f64 {
    rows.iter().map(|tail| tail.weight * column[tail.row]).sum()
}

#[cfg(test)]
mod tests {
    use super::super::margin::{Holdings, margin};
    use super::super::returns::{ReturnRows, Returns};
    use super::*;
    use proptest::prelude::*;

    const PARAMETERS: &str = r#"{
        "name": "test", "version": "1", "model": "historical", "confidence": "0.9",
        "filter": {"kind": "ewma", "decay": "0.9", "seed_days": "5", "volatility_min": "0.001",
                   "scale_max": "5"},
        "stress": {"weight": "WEIGHT", "days": "15"}, "floor": "FLOOR"}"#;

    fn close(found: f64, expected: f64, scale: f64) -> bool {
        (found - expected).abs() <= 1e-12 * scale
    }

    proptest! {
        #[test]
        fn the_tail_as_one_scenario_is_the_margin_with_its_contributions(
            log_returns in prop::collection::vec((-0.2_f64..0.2, -0.2_f64..0.2), 30..60),
            deltas in (-1e6_f64..1e6, -1e6_f64..1e6),
            weight in prop_oneof![Just("0"), Just("0.3"), Just("1")],
            floor in prop_oneof![Just("0"), Just("0.9"), Just("2")],
        ) {
            let text = PARAMETERS.replace("WEIGHT", weight).replace("FLOOR", floor);
            let parameters = HistoricalParameters::parse(&text)?;
            let mut rows = ReturnRows::default();
            for (day, &(a, b)) in (0_i32..).zip(&log_returns) {
                rows.factor.extend(["A".to_owned(), "B".to_owned()]);
                rows.day.extend([day, day]);
                rows.log_return.extend([a, b]);
            }
            let scenarios = Scenarios::of(&Returns::new(&rows)?, &parameters)?;
            let holdings = Holdings {
                factor: vec!["A".to_owned(), "B".to_owned()],
                delta_usd: vec![deltas.0, deltas.1],
                revalued: Vec::new(),
            };
            let expected = margin(&scenarios, &holdings, &parameters)?;
            let exposures = [(0, deltas.0), (1, deltas.1)];
            let found = tail_moves(&scenarios, &exposures, &parameters, &mut TailBuffers::default())?;
            let scale = deltas.0.abs() + deltas.1.abs();
            for (at, (_, delta)) in exposures.iter().enumerate() {
                prop_assert!(close(-delta * found.moves[at], expected.contributions[at], scale));
            }
            prop_assert_eq!(found.binding, expected.binding);
        }
    }
}
