//! Edges of boxes along one coordinate, found when the coordinate passes them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The first pile begins this share of the value beyond it: about a basis point.
const NEAR_SHARE: f64 = 1.0 / 8_192.0;
/// No more doublings than this lead from the value to the farthest edge.
const DOUBLINGS_MAX: i32 = 80;
/// So many edges the heap holds before those farther off are put on piles.
const NEAR_MAX: usize = 512;
/// So many edges a pile takes before void ones are first looked for.
const SWEEP_MIN: usize = 64;

/// Where a box of an account ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub at: f64,
    pub account: u32,
    /// Of the account when the box was made.
    pub generation: u32,
}

impl Edge {
    /// Whether the box is still its account's.
    pub fn is_live(&self, generations: &[u32]) -> bool {
        generations[self.account as usize] == self.generation
    }
}

/// Edges above a rising value: a heap of near ones, piles at doubling distances beyond.
///
/// For edges below a falling value, give both negated.
#[derive(Default)]
pub(super) struct Ladder {
    value: f64,
    /// Edges before the nearest pile.
    near: BinaryHeap<Near>,
    near_max: usize,
    /// The farthest first; a pile reaches to where the one before it begins.
    piles: Vec<Pile>,
}

#[derive(Default)]
struct Pile {
    from: f64,
    edges: Vec<Edge>,
    /// How many were left when void ones were last dropped.
    swept: usize,
}

struct Near(Edge);

impl Ladder {
    /// A ladder without edges at a value.
    pub fn at(value: f64) -> Self {
        Self {
            value,
            near_max: NEAR_MAX,
            ..Self::default()
        }
    }

    /// Adds an edge at or above the value.
    pub fn push(&mut self, edge: Edge, generations: &[u32]) {
        let pile = self.piles.partition_point(|pile| pile.from > edge.at);
        if let Some(pile) = self.piles.get_mut(pile) {
            pile.push(edge, generations);
            return;
        }
        self.near.push(Near(edge));
        if self.near.len() > self.near_max {
            let edges = std::mem::take(&mut self.near)
                .into_iter()
                .map(|near| near.0);
            let live = edges.filter(|edge| edge.is_live(generations)).collect();
            self.spread(live);
            self.near_max = NEAR_MAX.max(2 * self.near.len());
        }
    }

    /// Moves the value, and hands `passed` each edge that it is beyond.
    pub fn move_to(&mut self, value: f64, generations: &[u32], mut passed: impl FnMut(Edge)) {
        self.value = value;
        while let Some(pile) = self.piles.pop_if(|pile| pile.from <= value) {
            let mut ahead = Vec::new();
            for edge in pile.edges {
                if edge.at < value {
                    passed(edge);
                } else if edge.is_live(generations) {
                    ahead.push(edge);
                }
            }
            self.spread(ahead);
        }
        while let Some(near) = self.near.peek_mut() {
            if near.0.at >= value {
                break;
            }
            passed(std::collections::binary_heap::PeekMut::pop(near).0);
        }
    }

    /// Puts edges, all before the nearest pile, on the heap and on new piles.
    fn spread(&mut self, edges: Vec<Edge>) {
        let Some(farthest) = edges.iter().map(|edge| edge.at).reduce(f64::max) else {
            return;
        };
        let span = farthest - self.value;
        let mut distance = (self.value.abs() * NEAR_SHARE).max(span * 0.5_f64.powi(DOUBLINGS_MAX));
        let mut piles = Vec::new();
        while distance > 0.0 && distance <= span && self.value + distance <= farthest {
            piles.push(Pile {
                from: self.value + distance,
                ..Pile::default()
            });
            distance *= 2.0;
        }
        self.piles.extend(piles.into_iter().rev());
        for edge in edges {
            let pile = self.piles.partition_point(|pile| pile.from > edge.at);
            match self.piles.get_mut(pile) {
                Some(pile) => {
                    pile.edges.push(edge);
                    pile.swept += 1;
                }
                None => self.near.push(Near(edge)),
            }
        }
    }
}

impl Pile {
    fn push(&mut self, edge: Edge, generations: &[u32]) {
        if self.edges.len() > 2 * self.swept + SWEEP_MIN {
            self.edges.retain(|edge| edge.is_live(generations));
            self.swept = self.edges.len();
        }
        self.edges.push(edge);
    }
}

/// The nearest is the greatest: what the heap gives first.
impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        let nearer = other.0.at.total_cmp(&self.0.at);
        nearer.then(other.0.account.cmp(&self.0.account))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Near {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        /// Against the plain list: what a walk passes, and nothing else, whatever comes between.
        #[test]
        fn a_walk_passes_the_edges_that_a_list_says(
            start in prop_oneof![Just(0.0), -1e3..1e3_f64, Just(1e-9)],
            steps in vec((-1.0..1.0_f64, vec(0.0..4.0_f64, 0..40), 0..30_i32), 1..40),
        ) {
            let mut ladder = Ladder::at(start);
            let mut value = start;
            let mut list: Vec<Edge> = Vec::new();
            let mut generations = Vec::new();
            for (step, edges, exponent) in steps {
                for distance in edges {
                    // Many edges within a hair, and many far off.
                    for scale in [1.0, 1e-4, 1e4] {
                        let edge = Edge {
                            at: value + distance * scale,
                            account: u32::try_from(generations.len()).expect("few"),
                            generation: 0,
                        };
                        generations.push(u32::from(edge.account.is_multiple_of(7)));
                        ladder.push(edge, &generations);
                        list.push(edge);
                    }
                }
                value += step * 0.5_f64.powi(exponent) * 100.0;
                let mut found = Vec::new();
                ladder.move_to(value, &generations, |edge| {
                    if edge.is_live(&generations) {
                        found.push(edge.account);
                    }
                });
                found.sort_unstable();
                let passed: Vec<u32> = list
                    .extract_if(.., |edge| edge.at < value)
                    .filter(|edge| edge.is_live(&generations))
                    .map(|edge| edge.account)
                    .collect();
                prop_assert_eq!(found, passed);
            }
        }
    }
}
