//! A plan in whole lots, from one in fractions.
//!
//! Rounding up closes more, but costs more, and gives up the gains of legs that hedge: it may break
//! a limit. So: round up where that holds; else mend, lot by lot, what nearest rounding broke; then
//! give back every lot that no limit needs, dearest first. Closing all is the last resort.

use super::input::Book;
use super::program::Program;

/// Lot moves tried in a row before mending gives up, a leg.
const MOVES_PER_LEG: usize = 16;

/// Fractions of whole lots that meet all limits; none when none was found.
pub fn in_whole_lots(book: &Book, program: &Program, fractions: &[f64]) -> Option<Vec<f64>> {
    let rounded = |round: fn(f64) -> f64| -> Vec<f64> {
        let legs = book.lots.iter().zip(fractions);
        legs.map(|(&lots, &f)| to_lots(f, lots, round)).collect()
    };
    let start = [rounded(f64::ceil), vec![1.0; book.legs()]];
    let mut found: Vec<Vec<f64>> = start
        .into_iter()
        .filter(|fractions| program.is_met_by(fractions))
        .collect();
    found.extend(mended(book, program, rounded(f64::round)));
    for plan in &mut found {
        give_back(book, program, plan);
    }
    found
        .into_iter()
        .min_by(|one, other| book.cost(one).total_cmp(&book.cost(other)))
}

fn to_lots(fraction: f64, lots: u64, round: fn(f64) -> f64) -> f64 {
    if lots == 0 {
        return fraction;
    }
    let lots = count(lots);
    (round(fraction * lots) / lots).min(1.0)
}

/// Exact: the input allows at most 2⁵³ lots.
#[expect(clippy::cast_precision_loss, reason = "at most 2^53 by the input check")]
fn count(lots: u64) -> f64 {
    lots as f64
}

/// One lot more (or less) of a leg; none at the end of the leg.
fn with_lot(book: &Book, fractions: &[f64], leg: usize, more: f64) -> Option<Vec<f64>> {
    let lots = count(book.lots[leg]);
    if lots == 0.0 {
        return None;
    }
    let wanted = (fractions[leg] * lots).round() + more;
    (0.0..=lots).contains(&wanted).then(|| {
        let mut moved = fractions.to_vec();
        moved[leg] = wanted / lots;
        moved
    })
}

/// Takes the lot move that lowers the shortfall most, until all limits are met.
fn mended(book: &Book, program: &Program, mut fractions: Vec<f64>) -> Option<Vec<f64>> {
    let mut shortfall = program.shortfall(&fractions);
    for _ in 0..MOVES_PER_LEG * book.legs() {
        if shortfall < 0.0 {
            return Some(fractions);
        }
        let moves = (0..book.legs()).flat_map(|leg| [(leg, 1.0), (leg, -1.0)]);
        let (least, moved) = moves
            .filter_map(|(leg, more)| with_lot(book, &fractions, leg, more))
            .map(|moved| (program.shortfall(&moved), moved))
            .min_by(|one, other| one.0.total_cmp(&other.0))?;
        if least >= shortfall {
            return None;
        }
        (shortfall, fractions) = (least, moved);
    }
    None
}

fn give_back(book: &Book, program: &Program, fractions: &mut Vec<f64>) {
    let lot_cost = |leg: usize| {
        let lots = count(book.lots[leg]).max(1.0);
        (book.spread[leg] + book.impact[leg]) / lots
    };
    let mut dearest_first: Vec<usize> = (0..book.legs()).collect();
    dearest_first.sort_by(|&one, &other| lot_cost(other).total_cmp(&lot_cost(one)));
    for leg in dearest_first {
        for _ in 0..MOVES_PER_LEG {
            match with_lot(book, fractions, leg, -1.0) {
                Some(fewer) if program.is_met_by(&fewer) => *fractions = fewer,
                _ => break,
            }
        }
    }
}
