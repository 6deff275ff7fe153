//! The box of an account: how far each coordinate may go before a status could change.

use super::market::Market;
use super::slopes::{Interval, Slopes};
use super::thresholds::Slack;

/// What covers the error of option prices, as a share of the row's bound (`docs/health-index.md`).
const PRICING_ERROR: f64 = 4e-12;
/// 2⁻⁵².
const ULP: f64 = f64::EPSILON;
/// What is left of a slack after the rounding of shares and quotients.
const SLACK_KEPT: f64 = 1.0 - 1e-9;
/// A box whose sides are all this share of the coordinate away is not worth tightening.
const WIDE: f64 = 0.05;

/// Where a box ends along one coordinate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    pub coordinate: u32,
    pub low: f64,
    pub high: f64,
}

/// Sums by coordinate, of one account at a time.
#[derive(Default)]
pub(super) struct Certifier {
    sums: Vec<Sum>,
    touched: Vec<u32>,
    global: Draft,
    tight: Draft,
}

#[derive(Clone, Copy)]
struct Sum {
    /// Contains the slope of every excess in this coordinate.
    slope: Interval,
    /// What covers errors that grow with the coordinate.
    widening: f64,
    /// Where the slopes hold.
    region: Interval,
    is_touched: bool,
}

/// A box in the making, and how soon it is expected to be left.
#[derive(Default)]
struct Draft {
    sides: Vec<Side>,
    exit_rate: f64,
    is_wide: bool,
}

/// What an account holds.
#[derive(Clone, Copy)]
pub(super) struct Holdings<'a> {
    pub cash_usd: f64,
    pub rows: &'a [u32],
    pub quantities: &'a [f64],
}

const UNTOUCHED: Sum = Sum {
    slope: Interval::ZERO,
    widening: 0.0,
    region: Interval::ALL,
    is_touched: false,
};

impl Certifier {
    pub fn new(coordinates: usize) -> Self {
        Self {
            sums: vec![UNTOUCHED; coordinates],
            touched: Vec::new(),
            global: Draft::default(),
            tight: Draft::default(),
        }
    }

    /// The box of an account around where the market is. Tight slopes of its options hold there.
    pub fn certify(
        &mut self,
        market: &Market,
        slopes: &Slopes,
        holdings: Holdings<'_>,
        slack: Slack,
    ) -> &[Side] {
        #[expect(clippy::cast_precision_loss, reason = "at most ROWS_MAX")]
        let entries = holdings.rows.len() as f64;
        let omega = (entries + 8.0) * ULP + PRICING_ERROR;
        let slack = slack.less(2.0 * omega * size(market, slopes, holdings), SLACK_KEPT);
        self.sum(market, slopes, holdings, omega, false);
        self.global
            .draw(market, &mut self.sums, &mut self.touched, slack);
        let has_options = holdings
            .rows
            .last()
            .is_some_and(|&row| row as usize >= market.factors());
        if self.global.is_wide || !has_options {
            return &self.global.sides;
        }
        self.sum(market, slopes, holdings, omega, true);
        self.tight
            .draw(market, &mut self.sums, &mut self.touched, slack);
        if self.tight.exit_rate < self.global.exit_rate {
            &self.tight.sides
        } else {
            &self.global.sides
        }
    }

    /// Adds up the slopes of all rows by coordinate.
    fn sum(
        &mut self,
        market: &Market,
        slopes: &Slopes,
        holdings: Holdings<'_>,
        omega: f64,
        is_tight: bool,
    ) {
        for (&row, &quantity) in holdings.rows.iter().zip(holdings.quantities) {
            let of_row = &slopes.rows[row as usize];
            let price = market.coordinates[of_row.factor as usize];
            let widening = 2.0 * omega * quantity.abs();
            let Some((number, state)) = market.option(row) else {
                let sum = self.at(of_row.factor as usize);
                sum.add(of_row.price.times(quantity), widening * of_row.by_price);
                continue;
            };
            let scale = of_row.scale.times(price);
            let scale_widening = widening * scale.size();
            let (by_price, by_scale, region) = if is_tight {
                let (tight, region) = slopes.tight(number, state.chain);
                (tight.price, tight.scale, (region.price, region.scale))
            } else {
                (of_row.price, scale, (Interval::ALL, Interval::ALL))
            };
            let sum = self.at(of_row.factor as usize);
            sum.add(by_price.times(quantity), widening * of_row.by_price);
            sum.region = sum.region.meet(region.0);
            let sum = self.at(market.scale_of(state.chain));
            sum.add(by_scale.times(quantity), scale_widening);
            sum.region = sum.region.meet(region.1);
        }
    }

    fn at(&mut self, coordinate: usize) -> &mut Sum {
        let sum = &mut self.sums[coordinate];
        if !sum.is_touched {
            sum.is_touched = true;
            #[expect(clippy::cast_possible_truncation, reason = "rows fit u32")]
            self.touched.push(coordinate as u32);
        }
        sum
    }
}

/// |c| + Σ|q|N: what errors are a share of.
fn size(market: &Market, slopes: &Slopes, holdings: Holdings<'_>) -> f64 {
    let rows = holdings.rows.iter().zip(holdings.quantities);
    rows.fold(holdings.cash_usd.abs(), |size, (&row, &quantity)| {
        let row = &slopes.rows[row as usize];
        let price = market.coordinates[row.factor as usize].abs();
        size + quantity.abs() * (row.constant + row.by_price * price)
    })
}

impl Sum {
    fn add(&mut self, slope: Interval, widening: f64) {
        self.slope = self.slope.plus(slope);
        self.widening += widening;
    }

    /// At most what an excess falls by a unit up, and rises; down, the other way round.
    fn rates(&self) -> (f64, f64) {
        let falls = (-self.slope.low).max(0.0) + self.widening;
        let rises = self.slope.high.max(0.0) + self.widening;
        (falls, rises)
    }
}

impl Draft {
    /// Shares out the slack; the sums are as before any account afterwards.
    fn draw(&mut self, market: &Market, sums: &mut [Sum], touched: &mut Vec<u32>, slack: Slack) {
        let weight = |coordinate: u32| {
            let (falls, rises) = sums[coordinate as usize].rates();
            let usual = usual_move(market, coordinate);
            let risk = falls.max(rises) * usual;
            libm::cbrt(risk * risk)
        };
        let total: f64 = touched.iter().map(|&coordinate| weight(coordinate)).sum();
        self.sides.clear();
        self.exit_rate = 0.0;
        self.is_wide = true;
        for &coordinate in touched.iter() {
            let share = weight(coordinate) / total;
            self.add(market, coordinate, &sums[coordinate as usize], share, slack);
        }
        for coordinate in touched.drain(..) {
            sums[coordinate as usize] = UNTOUCHED;
        }
    }

    fn add(&mut self, market: &Market, coordinate: u32, sum: &Sum, share: f64, slack: Slack) {
        let at = market.coordinates[coordinate as usize];
        let (falls, rises) = sum.rates();
        // A share of nothing is one of a coordinate that moves no excess, or of nothing at all.
        let reach = |to_fall: f64, to_rise: f64| {
            let reach = share * (slack.fall / to_fall).min(slack.rise / to_rise);
            if reach > 0.0 { reach } else { 0.0 }
        };
        let (up, down) = (reach(falls, rises), reach(rises, falls));
        let side = Side {
            coordinate,
            low: (at - down).next_up().max(sum.region.low).min(at),
            high: (at + up).next_down().min(sum.region.high).max(at),
        };
        let usual = usual_move(market, coordinate);
        for distance in [side.high - at, at - side.low] {
            let pace = usual / distance;
            self.exit_rate += pace * pace;
            self.is_wide &= distance >= WIDE * at.abs();
        }
        self.sides.push(side);
    }
}

/// σ: how far a coordinate usually moves, against the others.
fn usual_move(market: &Market, coordinate: u32) -> f64 {
    let number = coordinate as usize;
    let typical = match number.checked_sub(market.factors()) {
        None => market.terms.factors[number].typical_move,
        Some(chain) => market.terms.chains[chain].typical_move,
    };
    let at = market.coordinates[number].abs();
    // An index that stands at zero moves all the same.
    typical * if at > 0.0 { at } else { 1.0 }
}
