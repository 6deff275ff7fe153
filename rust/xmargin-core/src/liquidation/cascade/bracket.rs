//! The iteration: a box of prices that holds every fixed point, tightened from both sides at once.
//!
//! At the box [low, high] an account is *surely* due if it is at the best prices in the box, and
//! *possibly* if it is at the worst. The least and the most that is then sold make the next box.

use rayon::prelude::*;

use super::book::LendingBook;
use super::curve::DepthCurves;
use super::rule::CloseRule;
use crate::book::columnar::Workers;

/// How far computed healths and liquidation prices may be apart by rounding, and far more.
const ROUNDING: f64 = 1e-9;
/// An account is looked at again a little before its steps can change.
const WAKE_MARGIN: f64 = 1e-6;
/// Growth is counted from one again before it leaves `f32`.
const GROWTH_MAX: f64 = 1e30;
/// Chunks of places, whose sums are integers: neither their order nor the threads change a bit.
const CHUNK: usize = 8_192;

/// What is asked of a book.
pub struct Question<'a> {
    pub book: &'a LendingBook,
    pub prices: &'a [f64],
    pub curves: DepthCurves<'a>,
    pub rule: &'a CloseRule,
    pub workers: &'a Workers,
}

/// Steps taken at the worst prices of a box and at its best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steps {
    pub possible: u8,
    pub sure: u8,
}

/// Every fixed point is between these prices.
pub struct Box {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

/// An account whose steps at the two ends of the box are not the same yet.
#[derive(Clone, Copy)]
struct Open {
    place: u32,
    /// Growth of the box up to which its steps are known to stay.
    wake: f32,
    steps: Steps,
}

/// The tightening box.
pub struct Bracket<'a> {
    question: Question<'a>,
    pub prices: Box,
    /// By place, of those that are settled; of the others once told by [`Self::finish`].
    pub steps: Vec<Steps>,
    /// Net sales in units of summation, if all that is possible is done and if only what is sure.
    pub most_sold: Vec<i64>,
    pub least_sold: Vec<i64>,
    /// By place: those that only sell, then those that also buy.
    open_sellers: Vec<Open>,
    open_buyers: Vec<Open>,
    /// How many of the open ones have become known since they were last gone through.
    settled: usize,
    /// By which factor low prices have risen ÷ high prices have fallen, at most, since the start.
    growth: f64,
    /// How often an account was evaluated.
    pub evaluated: u64,
}

/// What a chunk of accounts changes: sales by kind.
struct Pass {
    most_sold: Vec<i64>,
    least_sold: Vec<i64>,
    has_changed: bool,
    settled: usize,
    evaluated: u64,
}

impl<'a> Bracket<'a> {
    /// The box of everything closed and of nothing sold, and who is due in it.
    pub fn new(question: Question<'a>) -> Self {
        let mut bracket = Self {
            prices: Box {
                low: Vec::new(),
                high: Vec::new(),
            },
            steps: vec![Steps::default(); question.book.len()],
            most_sold: question.book.held.clone(),
            least_sold: question.book.owed.iter().map(|owed| -owed).collect(),
            open_sellers: Vec::new(),
            open_buyers: Vec::new(),
            settled: 0,
            growth: 1.0,
            evaluated: 0,
            question,
        };
        bracket.start_low();
        // From here on, sales are of those accounts that have been looked at; all others are safe.
        bracket.most_sold.fill(0);
        bracket.least_sold.fill(0);
        bracket.look_at_all();
        bracket
    }

    /// Raises the low prices by what is known of whole buckets of sellers, without looking at any.
    fn start_low(&mut self) {
        let mut buckets = 0;
        loop {
            self.prices = self.box_of_sales();
            let safe = self.safe_ratio();
            let found = self.question.book.buckets_below(safe);
            if found <= buckets {
                return;
            }
            buckets = found;
            self.most_sold = self.question.book.held_from(buckets - 1).to_vec();
        }
    }

    fn look_at_all(&mut self) {
        let book = self.question.book;
        let sellers = book.due_at.len();
        let open = |place: usize| Open {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            wake: 0.0,
            steps: Steps::default(),
        };
        let mut open_sellers: Vec<Open> = (self.safe_sellers()..sellers).map(open).collect();
        let mut open_buyers: Vec<Open> = (sellers..book.len()).map(open).collect();
        self.look_at(&mut open_sellers);
        self.look_at(&mut open_buyers);
        self.open_sellers = open_sellers;
        self.open_buyers = open_buyers;
        self.forget_settled();
    }

    /// One pass from both sides; false when nothing changed: the box is as small as it gets.
    pub fn tighten(&mut self) -> bool {
        let tighter = self.box_of_sales();
        self.grow(&tighter);
        self.prices = tighter;
        let (lowest, highest) = self.windows();
        let mut sellers = std::mem::take(&mut self.open_sellers);
        let mut changed = if lowest >= highest {
            self.look_at(&mut sellers)
        } else {
            let below = self.look_at(&mut sellers[..lowest]);
            self.look_at(&mut sellers[highest..]) || below
        };
        self.open_sellers = sellers;
        let mut buyers = std::mem::take(&mut self.open_buyers);
        changed |= self.look_at(&mut buyers);
        self.open_buyers = buyers;
        if 2 * self.settled > self.open_sellers.len() + self.open_buyers.len() {
            self.forget_settled();
        }
        changed
    }

    fn box_of_sales(&self) -> Box {
        let after = |sold: &[i64]| -> Vec<f64> {
            let prices = self.question.prices.iter().enumerate();
            prices
                .map(|(market, price)| {
                    let sold = self.in_quantity(market, sold[market]);
                    price * self.question.curves.multiple_after(market, sold)
                })
                .collect()
        };
        Box {
            low: after(&self.most_sold),
            high: after(&self.least_sold),
        }
    }

    /// Units of summation as units of what the market trades.
    #[expect(clippy::cast_precision_loss, reason = "rounding is monotone")]
    pub fn in_quantity(&self, market: usize, units: i64) -> f64 {
        units as f64 / self.question.book.market_units[market]
    }

    /// Takes note of how much the box tightens. No health moved by more than this factor.
    fn grow(&mut self, tighter: &Box) {
        let (_, rise) = self.ratios(&tighter.low, &self.prices.low);
        let (fall, _) = self.ratios(&tighter.high, &self.prices.high);
        self.growth *= f64::max(rise, 1.0) / f64::min(fall, 1.0) * (1.0 + ROUNDING);
        if self.growth.is_nan() || self.growth > GROWTH_MAX {
            self.growth = 1.0;
            for open in self.open_sellers.iter_mut().chain(&mut self.open_buyers) {
                open.wake = 0.0;
            }
        }
    }

    /// Which open sellers prices can concern: below the first place, and from the second.
    ///
    /// One due at the multiple m of all anchor prices is due for sure where no price is above m of
    /// its anchor, and safe where none is below.
    fn windows(&self) -> (usize, usize) {
        let anchor = &self.question.book.anchor_price;
        let (_, low_most) = self.ratios(&self.prices.low, anchor);
        let (high_least, _) = self.ratios(&self.prices.high, anchor);
        let deepest = low_most / self.question.rule.deepest_health() * (1.0 + ROUNDING);
        let safe = high_least * (1.0 - ROUNDING);
        let due_at = |open: &Open| self.question.book.due_at[open.place as usize];
        let open = &self.open_sellers;
        (
            open.partition_point(|open| due_at(open) <= deepest),
            open.partition_point(|open| due_at(open) < safe),
        )
    }

    /// How many sellers are not due at any prices of the box.
    fn safe_sellers(&self) -> usize {
        let safe = self.safe_ratio();
        let book = self.question.book;
        book.due_at.partition_point(|&due_at| due_at < safe)
    }

    /// Those due at a lower multiple of the anchor prices are safe.
    fn safe_ratio(&self) -> f64 {
        let (least, _) = self.ratios(&self.prices.low, &self.question.book.anchor_price);
        least * (1.0 - ROUNDING)
    }

    /// Least and greatest ratio of prices to others, of the markets in which anyone has a position.
    fn ratios(&self, prices: &[f64], others: &[f64]) -> (f64, f64) {
        let book = self.question.book;
        let used = (0..prices.len()).filter(|&a| book.held[a] > 0 || book.owed[a] > 0);
        used.map(|market| ratio(prices[market], others[market]))
            .fold((f64::INFINITY, 0.0), |(least, most), ratio| {
                (f64::min(least, ratio), f64::max(most, ratio))
            })
    }

    /// Evaluates the open ones that the box concerns, and sums what changes of their sales.
    fn look_at(&mut self, open: &mut [Open]) -> bool {
        let weights = Weights::new(self.question.book, &self.prices_of_kinds());
        let chunk = |open: &mut [Open]| self.pass(open, &weights);
        let passes: Vec<Pass> = match self.question.workers.pool_for(open.len()) {
            None => open.chunks_mut(CHUNK).map(chunk).collect(),
            Some(pool) => pool.install(|| open.par_chunks_mut(CHUNK).map(chunk).collect()),
        };
        let mut changed = false;
        for pass in passes {
            add(
                &mut self.most_sold,
                &pass.most_sold,
                &self.question.book.market,
            );
            add(
                &mut self.least_sold,
                &pass.least_sold,
                &self.question.book.market,
            );
            self.evaluated += pass.evaluated;
            self.settled += pass.settled;
            changed |= pass.has_changed;
        }
        changed
    }

    fn pass(&self, open: &mut [Open], weights: &Weights) -> Pass {
        let kinds = self.question.book.market.len();
        let mut pass = Pass {
            most_sold: vec![0; kinds],
            least_sold: vec![0; kinds],
            has_changed: false,
            settled: 0,
            evaluated: 0,
        };
        for open in open {
            if self.growth < f64::from(open.wake) {
                continue;
            }
            pass.evaluated += 1;
            let place = open.place as usize;
            let (now, wake) = self.evaluate(place, weights);
            open.wake = wake;
            if now != open.steps {
                self.add_sales(place, open.steps, now, &mut pass);
                open.steps = now;
                pass.has_changed = true;
                pass.settled += usize::from(now.possible == now.sure);
            }
        }
        pass
    }

    /// Steps of an account at both ends of the box, and the growth that may change them.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the margin is above the rounding of f32"
    )]
    fn evaluate(&self, place: usize, weights: &Weights) -> (Steps, f32) {
        let book = self.question.book;
        let (steps, stays) = if place < book.hedged_from {
            let [low, high] = self.healths(place, weights);
            let sides = |[collateral, debt]: [f64; 2]| move |health| [collateral, health * debt];
            self.steps_of(sides(low), sides(high))
        } else {
            let Box { low, high } = &self.prices;
            self.steps_of(
                |health| self.net_sides(place, health, low, high),
                |health| self.net_sides(place, health, high, low),
            )
        };
        (steps, (self.growth * stays * (1.0 - WAKE_MARGIN)) as f32)
    }

    /// Weighted collateral and debt at the worst prices of the box, and at its best.
    #[inline]
    fn healths(&self, place: usize, weights: &Weights) -> [[f64; 2]; 2] {
        let book = self.question.book;
        let debt = book.debt[place];
        let (mut low, mut high) = ([0.0, debt], [0.0, debt]);
        if place < book.due_at.len() {
            for (kind, quantity) in book.positions(place) {
                let [weighted_low, weighted_high] = weights.collateral[kind];
                low[0] += quantity * weighted_low;
                high[0] += quantity * weighted_high;
            }
        } else {
            for (kind, quantity) in book.positions(place) {
                weights.add(kind, quantity, &mut low, &mut high);
            }
        }
        [low, high]
    }

    /// What speaks for and against a health above this one, where an account holds what it owes.
    ///
    /// Health is below h where Σ price × Σ (weight × held − h × factor × owed) < h × debt: linear in
    /// each price, which helps where its net weight is positive and else hurts.
    #[inline(never)]
    fn net_sides(&self, place: usize, health: f64, helping: &[f64], hurting: &[f64]) -> [f64; 2] {
        let book = self.question.book;
        let weigh = |kind: usize, quantity: f64| {
            if quantity >= 0.0 {
                quantity * book.collateral_weight[kind]
            } else {
                quantity * (health * book.debt_factor[kind])
            }
        };
        let mut sides = [0.0, health * book.debt[place]];
        for (kind, weight) in book.net(place, weigh) {
            let market = book.market[kind] as usize;
            if weight >= 0.0 {
                sides[0] += weight * helping[market];
            } else {
                sides[1] -= weight * hurting[market];
            }
        }
        sides
    }

    /// Steps at the worst and at the best, and the growth of the box that may change them.
    #[inline]
    fn steps_of(
        &self,
        worst: impl Fn(f64) -> [f64; 2],
        best: impl Fn(f64) -> [f64; 2],
    ) -> (Steps, f64) {
        let rule = self.question.rule;
        let steps = Steps {
            possible: rule.step(&worst),
            sure: rule.step(&best),
        };
        let stays = f64::min(
            rule.rise_to_fewer(steps.possible, worst),
            rule.fall_to_more(steps.sure, best),
        );
        (steps, stays)
    }

    fn add_sales(&self, place: usize, before: Steps, now: Steps, pass: &mut Pass) {
        let book = self.question.book;
        if place < book.hedged_from {
            for (kind, quantity) in book.positions(place) {
                self.add_sale(kind, quantity, before, now, pass);
            }
        } else {
            self.add_net_sales(place, before, now, pass);
        }
    }

    /// Apart, so that the loop above stays one.
    #[cold]
    fn add_net_sales(&self, place: usize, before: Steps, now: Steps, pass: &mut Pass) {
        for (kind, quantity) in self.question.book.net(place, |_, quantity| quantity) {
            self.add_sale(kind, quantity, before, now, pass);
        }
    }

    #[expect(
        clippy::inline_always,
        reason = "what the steps decide is then decided once an account"
    )]
    #[inline(always)]
    fn add_sale(&self, kind: usize, quantity: f64, before: Steps, now: Steps, pass: &mut Pass) {
        let Question { book, rule, .. } = &self.question;
        let units = |step: u8| match rule.part(step) {
            0.0 => 0,
            part => book.in_units(kind, quantity, part),
        };
        let change = |from: u8, to: u8| {
            if from == to {
                0
            } else {
                units(to) - units(from)
            }
        };
        let possible = change(before.possible, now.possible);
        let sure = change(before.sure, now.sure);
        // What is owed is bought: the more of it, the less is sold.
        let (most, least) = if quantity >= 0.0 {
            (possible, sure)
        } else {
            (sure, possible)
        };
        pass.most_sold[kind] += most;
        pass.least_sold[kind] += least;
    }

    /// Drops those that are known for good.
    fn forget_settled(&mut self) {
        let steps = &mut self.steps;
        let mut is_open = |open: &Open| {
            let is_open = open.steps.possible != open.steps.sure;
            if !is_open {
                steps[open.place as usize] = open.steps;
            }
            is_open
        };
        self.open_sellers.retain(&mut is_open);
        self.open_buyers.retain(&mut is_open);
        self.settled = 0;
    }

    /// Tells the steps of those that are open to the end.
    pub fn finish(&mut self) {
        for open in self.open_sellers.iter().chain(&self.open_buyers) {
            self.steps[open.place as usize] = open.steps;
        }
    }

    /// Σ max(0, debt − collateral) at the best prices of the box and at its worst.
    pub fn bad_debt(&self) -> [f64; 2] {
        let book = self.question.book;
        let solvent = self.safe_sellers();
        let prices = self.prices_of_kinds();
        let first = (solvent..book.len()).step_by(CHUNK);
        let chunk = |first: usize| self.bad_debt_of(first..book.len().min(first + CHUNK), &prices);
        let parts: Vec<[f64; 2]> = match self.question.workers.pool_for(book.len() - solvent) {
            None => first.map(chunk).collect(),
            Some(pool) => pool.install(|| {
                first
                    .collect::<Vec<_>>()
                    .into_par_iter()
                    .map(chunk)
                    .collect()
            }),
        };
        let sum = |least: [f64; 2], part: [f64; 2]| [least[0] + part[0], least[1] + part[1]];
        parts.into_iter().fold([0.0; 2], sum)
    }

    /// Low and high prices by kind.
    fn prices_of_kinds(&self) -> Vec<[f64; 2]> {
        let Box { low, high } = &self.prices;
        let markets = self.question.book.market.iter();
        markets
            .map(|&market| [low[market as usize], high[market as usize]])
            .collect()
    }

    fn bad_debt_of(&self, places: std::ops::Range<usize>, prices: &[[f64; 2]]) -> [f64; 2] {
        let mut sum = [0.0; 2];
        let insolvent_are_due = self.question.rule.first_health() >= 1.0;
        for place in places {
            // Collateral at full weight is worth no less than what covers the debt.
            if insolvent_are_due && self.steps[place].possible == 0 {
                continue;
            }
            let mut short = [self.question.book.debt[place]; 2];
            self.question.book.for_each_sale(place, |kind, quantity| {
                let [low, high] = prices[kind];
                let (best, worst) = if quantity >= 0.0 {
                    (high, low)
                } else {
                    (low, high)
                };
                short[0] -= quantity * best;
                short[1] -= quantity * worst;
            });
            sum[0] += short[0].max(0.0);
            sum[1] += short[1].max(0.0);
        }
        sum
    }
}

/// Low and high prices of a box by kind, weighted as collateral and as debt.
struct Weights {
    collateral: Vec<[f64; 2]>,
    debt: Vec<[f64; 2]>,
}

impl Weights {
    fn new(book: &LendingBook, prices: &[[f64; 2]]) -> Self {
        let weighted = |factors: &[f64]| -> Vec<[f64; 2]> {
            let kinds = factors.iter().zip(prices);
            kinds
                .map(|(factor, [low, high])| [factor * low, factor * high])
                .collect()
        };
        Self {
            collateral: weighted(&book.collateral_weight),
            debt: weighted(&book.debt_factor),
        }
    }

    /// Adds a position to the collateral and debt of the worst and of the best prices for it.
    fn add(&self, kind: usize, quantity: f64, low: &mut [f64; 2], high: &mut [f64; 2]) {
        if quantity >= 0.0 {
            low[0] += quantity * self.collateral[kind][0];
            high[0] += quantity * self.collateral[kind][1];
        } else {
            low[1] -= quantity * self.debt[kind][1];
            high[1] -= quantity * self.debt[kind][0];
        }
    }
}

/// Price ÷ other; nothing of nothing has not moved.
fn ratio(price: f64, other: f64) -> f64 {
    if price == 0.0 && other == 0.0 {
        1.0
    } else {
        price / other
    }
}

/// Sales by kind, added to those of their markets.
fn add(sums: &mut [i64], parts: &[i64], market: &[u32]) {
    for (&market, part) in market.iter().zip(parts) {
        sums[market as usize] += part;
    }
}
