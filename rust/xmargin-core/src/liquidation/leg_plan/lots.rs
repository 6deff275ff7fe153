//! A plan in whole lots, from one in fractions.
//!
//! Rounding up closes more, but costs more, and gives up the gains of legs that hedge: it may break
//! a limit. So: round up where that holds; else mend, lot by lot, what nearest rounding broke; then
//! give back every lot that no limit needs, dearest first. Closing all is the last resort.

use super::input::Book;
use super::program::Program;

/// Lot moves tried before mending gives up, and lots given back, a leg.
const MOVES_PER_LEG: usize = 16;

/// Fractions of whole lots that meet all limits; none when none was found.
pub fn in_whole_lots(book: &Book, program: &Program, fractions: &[f64]) -> Option<Vec<f64>> {
    let rounded = |round: fn(f64) -> f64| {
        let legs = book.lots.iter().zip(fractions);
        let fractions = legs.map(|(&lots, &f)| to_lots(f, lots, round)).collect();
        Draft::new(book, program, fractions)
    };
    let nearest = rounded(f64::round).mended();
    let upward = Some(rounded(f64::ceil)).filter(Draft::is_met);
    let all = || Some(Draft::new(book, program, vec![1.0; book.legs()])).filter(Draft::is_met);
    let found = [nearest, upward].into_iter().flatten();
    found
        .map(Draft::without_needless_lots)
        .filter(|fractions| program.is_met_by(fractions))
        .min_by(|one, other| book.cost(one).total_cmp(&book.cost(other)))
        .or_else(|| all().map(|draft| draft.fractions))
}

fn to_lots(fraction: f64, lots: u64, round: fn(f64) -> f64) -> f64 {
    if lots == 0 {
        return fraction;
    }
    (round(fraction * count(lots)) / count(lots)).min(1.0)
}

/// Exact: the input allows at most 2⁵³ lots.
#[expect(
    clippy::cast_precision_loss,
    reason = "at most 2^53 by the input check"
)]
fn count(lots: u64) -> f64 {
    lots as f64
}

/// Fractions and the room they leave, kept up to date move by move.
struct Draft<'a> {
    book: &'a Book,
    program: &'a Program,
    fractions: Vec<f64>,
    room: Vec<f64>,
}

impl<'a> Draft<'a> {
    fn new(book: &'a Book, program: &'a Program, fractions: Vec<f64>) -> Self {
        let mut room = vec![0.0; book.scenarios()];
        program.room(&fractions, &mut room);
        Self {
            book,
            program,
            fractions,
            room,
        }
    }

    fn is_met(&self) -> bool {
        self.room_least() > 0.0
    }

    fn room_least(&self) -> f64 {
        self.room.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The leg's fraction with so many lots more; none at the end of the leg.
    fn with_lots(&self, leg: usize, more: f64) -> Option<f64> {
        let lots = count(self.book.lots[leg]);
        let wanted = (self.fractions[leg] * lots).round() + more;
        (lots > 0.0 && (0.0..=lots).contains(&wanted)).then(|| wanted / lots)
    }

    /// What the room of each scenario becomes when one leg's fraction does.
    fn room_after(&self, leg: usize, fraction: f64) -> impl Iterator<Item = f64> {
        let change = fraction - self.fractions[leg];
        let [a, b] = [self.program.spread[leg], self.program.impact[leg]];
        let cost = |f: f64| self.program.limit_weight[leg] * (a + b * f.sqrt()) * f;
        let dearer = cost(fraction) - cost(self.fractions[leg]);
        let scenarios = self.room.iter().enumerate();
        scenarios.map(move |(row, room)| room + change * self.program.row(row)[leg] - dearer)
    }

    fn room_least_after(&self, leg: usize, fraction: f64) -> f64 {
        self.room_after(leg, fraction).fold(f64::INFINITY, f64::min)
    }

    fn move_leg(&mut self, leg: usize, fraction: f64) {
        self.room = self.room_after(leg, fraction).collect();
        self.fractions[leg] = fraction;
    }

    /// Takes the lot move that widens the narrowest room most, until all limits are met.
    fn mended(mut self) -> Option<Self> {
        let legs = self.book.legs();
        for _ in 0..=MOVES_PER_LEG * legs {
            let least = self.room_least();
            if least > 0.0 {
                return Some(self);
            }
            let moves = (0..legs).flat_map(|leg| [(leg, 1.0), (leg, -1.0)]);
            let (leg, fraction, widest) = moves
                .filter_map(|(leg, more)| Some((leg, self.with_lots(leg, more)?)))
                .map(|(leg, fraction)| (leg, fraction, self.room_least_after(leg, fraction)))
                .max_by(|one, other| one.2.total_cmp(&other.2))?;
            if widest <= least {
                return None;
            }
            self.move_leg(leg, fraction);
        }
        None
    }

    fn without_needless_lots(mut self) -> Vec<f64> {
        let lot_cost = |leg: usize| {
            let lots = count(self.book.lots[leg]).max(1.0);
            (self.book.spread[leg] + self.book.impact[leg]) / lots
        };
        let mut dearest_first: Vec<usize> = (0..self.book.legs()).collect();
        dearest_first.sort_by(|&one, &other| lot_cost(other).total_cmp(&lot_cost(one)));
        for leg in dearest_first {
            for _ in 0..MOVES_PER_LEG {
                match self.with_lots(leg, -1.0) {
                    Some(fewer) if self.room_least_after(leg, fewer) > 0.0 => {
                        self.move_leg(leg, fewer);
                    }
                    _ => break,
                }
            }
        }
        self.fractions
    }
}
