//! Whether the prices of listed options leave a free lunch: decided from the prices alone.
//!
//! All options of an expiry are brought to calls by put-call parity, C = P + D (F − K). Of a strike
//! that is quoted more than once each leg takes the quote that is better for it: bought at the
//! lowest, sold at the highest. With strikes K₁ < K₂ < K₃:
//!
//! | kind | free of it | amount where not |
//! |---|---|---|
//! | parity | one price a strike | highest − lowest |
//! | bound | D max(F − K, 0) ≤ C ≤ D F | what is beyond |
//! | slope | 0 ≤ C₁ − C₂ ≤ D (K₂ − K₁) | what is beyond |
//! | butterfly | C₂ ≤ λ C₁ + (1 − λ) C₃, λ = (K₃ − K₂)/(K₃ − K₁) | what is beyond |
//! | calendar | C₁/(D₁F₁) ≤ the later expiry's, at equal K/F | what is beyond |
//!
//! A strike of 0, worth D F, is there even where it is not listed. The first four decide one expiry:
//! without a find there is, up to the tolerance, a distribution of the price at expiry that gives all of
//! its prices (P. Carr and D. Madan, "A note on sufficient conditions for no arbitrage", 2005).
//!
//! Two expiries seldom list the same K/F, and between two strikes a price is not known, only bounded:
//! by convexity it is at most the chord's. *Calendar* finds what is above that, so that what it finds
//! is arbitrage wherever the two forwards move in proportion (L. Cousot, "Conditions on option prices
//! for absence of arbitrage and exact calibration", 2007), and what it passes is not proved. Slices
//! are: [`check_calendar`](super::no_arbitrage::check_calendar).
//!
//! **Tolerance.** A price errs by at most D (1e-12 F + 1e-15 K) ([`black76`](crate::pricing::black76)),
//! parity, λ and the differences by less than sixteen roundings (2⁻⁵³) of at most D (F + K). A find is
//! what exceeds the sum of these errors over its legs, each times its weight.

use crate::pricing::OptionKind;

/// Error of a call price by D F: of pricing, and of sixteen roundings.
const ERROR_BY_FORWARD: f64 = 1.002e-12;
/// Error of a call price by D K.
const ERROR_BY_STRIKE: f64 = 2.8e-15;

/// What a free lunch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArbitrageKind {
    /// Two prices of one strike.
    Parity,
    /// A price that no distribution of the forward gives.
    Bound,
    /// A call spread for less than nothing, or for more than it can pay.
    Slope,
    /// A butterfly for less than nothing.
    Butterfly,
    /// A call above later ones that are worth at least as much.
    Calendar,
}

impl ArbitrageKind {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parity => "parity",
            Self::Bound => "bound",
            Self::Slope => "slope",
            Self::Butterfly => "butterfly",
            Self::Calendar => "calendar",
        }
    }
}

/// One free lunch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Find {
    /// What it is made of.
    pub kind: ArbitrageKind,
    /// Where: the higher strike of a spread, the middle one of a butterfly, the near one of a calendar.
    pub strike: f64,
    /// What it brings at once, in the currency of prices, per unit of the option at `strike`.
    pub amount: f64,
}

/// The prices of a strike, as calls.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Call {
    strike: f64,
    low: f64,
    high: f64,
}

/// The options of one expiry in one state of the market.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain {
    forward: f64,
    discount: f64,
    calls: Vec<Call>,
}

impl Chain {
    /// Takes the place of what was there. `options` are (kind, strike, value), strikes ascending.
    pub fn refill(
        &mut self,
        forward: f64,
        discount: f64,
        options: impl Iterator<Item = (OptionKind, f64, f64)>,
    ) {
        (self.forward, self.discount) = (forward, discount);
        self.calls.clear();
        for (kind, strike, value) in options {
            let call = match kind {
                OptionKind::Call => value,
                OptionKind::Put => value + discount * (forward - strike),
            };
            match self.calls.last_mut().filter(|last| last.strike >= strike) {
                Some(last) => {
                    last.low = last.low.min(call);
                    last.high = last.high.max(call);
                }
                None => self.calls.push(Call {
                    strike,
                    low: call,
                    high: call,
                }),
            }
        }
    }

    /// Hands every free lunch to `found`, by strike and kind; those of calendar against `later`, an
    /// expiry whose forward moves in proportion to this one's.
    pub fn search(&self, later: Option<&Self>, mut found: impl FnMut(Find)) {
        let later = later.filter(|later| !later.calls.is_empty());
        let mut later_row = 0;
        let mut before = self.underlying();
        for (row, &call) in self.calls.iter().enumerate() {
            let strike = call.strike;
            let mut tell = |kind, (amount, error): (f64, f64)| {
                // An amount that is no number is told, not passed.
                if amount > error || amount.is_nan() {
                    found(Find {
                        kind,
                        strike,
                        amount,
                    });
                }
            };
            tell(ArbitrageKind::Parity, self.parity(call));
            tell(ArbitrageKind::Bound, self.bound(call));
            if row > 0 {
                tell(ArbitrageKind::Slope, self.slope(before, call));
            }
            if let Some(&after) = self.calls.get(row + 1).filter(|_| strike > before.strike) {
                tell(
                    ArbitrageKind::Butterfly,
                    self.butterfly(before, call, after),
                );
            }
            if let Some(later) = later {
                tell(
                    ArbitrageKind::Calendar,
                    self.calendar(call, later, &mut later_row),
                );
            }
            before = call;
        }
    }

    /// What the underlying is worth, as the call of strike 0 that it is.
    fn underlying(&self) -> Call {
        let worth = self.discount * self.forward;
        Call {
            strike: 0.0,
            low: worth,
            high: worth,
        }
    }

    /// What a call price of `strike` may err by.
    fn error(&self, strike: f64) -> f64 {
        self.discount * (ERROR_BY_FORWARD * self.forward + ERROR_BY_STRIKE * strike)
    }

    fn parity(&self, call: Call) -> (f64, f64) {
        (call.high - call.low, 2.0 * self.error(call.strike))
    }

    fn bound(&self, call: Call) -> (f64, f64) {
        let least = self.discount * (self.forward - call.strike).max(0.0);
        let beyond = (least - call.low).max(call.high - self.discount * self.forward);
        (beyond, self.error(call.strike))
    }

    fn slope(&self, low: Call, high: Call) -> (f64, f64) {
        let pays_at_most = self.discount * (high.strike - low.strike);
        let beyond = (high.high - low.low).max(low.high - high.low - pays_at_most);
        (beyond, self.error(low.strike) + self.error(high.strike))
    }

    fn butterfly(&self, low: Call, middle: Call, high: Call) -> (f64, f64) {
        let (wings, error) = self.chord(low, high, middle.strike);
        (middle.high - wings, error + self.error(middle.strike))
    }

    /// What buying both wings at `strike` of between costs, and may err by.
    fn chord(&self, low: Call, high: Call, strike: f64) -> (f64, f64) {
        let share = (high.strike - strike) / (high.strike - low.strike);
        let mix = |of_low: f64, of_high: f64| share * of_low + (1.0 - share) * of_high;
        (
            mix(low.low, high.low),
            mix(self.error(low.strike), self.error(high.strike)),
        )
    }

    /// `row` is the later strike to look from; it only moves up, as strikes do.
    fn calendar(&self, call: Call, later: &Self, row: &mut usize) -> (f64, f64) {
        let scale = self.discount * self.forward / (later.discount * later.forward);
        let strike = call.strike * (later.forward / self.forward);
        while later.calls.get(*row).is_some_and(|at| at.strike < strike) {
            *row += 1;
        }
        let below = row.checked_sub(1).map(|row| later.calls[row]);
        let (most, error) = match (below, later.calls.get(*row)) {
            // Beyond the last listed strike calls are worth no more than there.
            (Some(last), None) => (last.low, later.error(last.strike)),
            (_, Some(at)) if at.strike <= strike => (at.low, later.error(at.strike)),
            (below, Some(&above)) => {
                later.chord(below.unwrap_or(later.underlying()), above, strike)
            }
            (None, None) => return (0.0, 0.0),
        };
        (
            call.high - scale * most,
            self.error(call.strike) + scale * error,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OptionKind::{Call as C, Put as P};

    fn finds(forward: f64, discount: f64, options: &[(OptionKind, f64, f64)]) -> Vec<Find> {
        let mut chain = Chain::default();
        chain.refill(forward, discount, options.iter().copied());
        let mut found = Vec::new();
        chain.search(None, |find| found.push(find));
        found
    }

    fn kinds(found: &[Find]) -> Vec<(ArbitrageKind, f64)> {
        found.iter().map(|find| (find.kind, find.strike)).collect()
    }

    #[test]
    fn a_convex_chain_of_calls_and_puts_is_free() {
        let chain = [
            (C, 0.0, 90.0),
            (C, 80.0, 25.0),
            (P, 100.0, 15.0),
            (C, 120.0, 8.0),
        ];
        assert_eq!(finds(100.0, 0.9, &chain), []);
    }

    #[test]
    fn a_put_off_parity_by_one_is_worth_one() {
        let chain = [(C, 80.0, 25.0), (P, 80.0, 8.0)];
        let found = finds(100.0, 0.9, &chain);
        assert_eq!(kinds(&found), [(ArbitrageKind::Parity, 80.0)]);
        assert!((found[0].amount - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_call_below_its_intrinsic_value_or_above_the_underlying_is_out_of_bounds() {
        for (price, amount) in [(17.0, 1.0), (91.0, 1.0)] {
            let found = finds(100.0, 0.9, &[(C, 80.0, price)]);
            assert_eq!(kinds(&found), [(ArbitrageKind::Bound, 80.0)]);
            assert!((found[0].amount - amount).abs() < 1e-12);
        }
    }

    #[test]
    fn a_spread_that_costs_less_than_nothing_or_more_than_it_pays_is_found() {
        let rising = finds(100.0, 1.0, &[(C, 100.0, 10.0), (C, 110.0, 11.0)]);
        assert!(kinds(&rising).contains(&(ArbitrageKind::Slope, 110.0)));
        let steep = finds(100.0, 1.0, &[(C, 100.0, 20.0), (C, 105.0, 14.0)]);
        assert!(kinds(&steep).contains(&(ArbitrageKind::Slope, 105.0)));
    }

    #[test]
    fn a_butterfly_is_found_at_its_middle_strike_with_wings_by_their_distance() {
        let found = finds(
            100.0,
            1.0,
            &[(C, 90.0, 20.0), (C, 100.0, 18.0), (C, 120.0, 8.0)],
        );
        assert_eq!(kinds(&found), [(ArbitrageKind::Butterfly, 100.0)]);
        assert!((found[0].amount - 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_underlying_itself_is_the_wing_of_the_lowest_strike() {
        // 100 at 0 and 10 at 100: the chord at 50 is 55.
        let found = finds(100.0, 1.0, &[(C, 50.0, 60.0), (C, 100.0, 10.0)]);
        assert_eq!(kinds(&found), [(ArbitrageKind::Butterfly, 50.0)]);
        assert!((found[0].amount - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_near_call_above_the_chord_of_later_ones_is_found_and_one_below_is_not() {
        let (mut near, mut later) = (Chain::default(), Chain::default());
        later.refill(200.0, 0.5, [(C, 160.0, 30.0), (C, 240.0, 10.0)].into_iter());
        // At the same moneyness the later strike is 200, the chord there 20, of a worth of 100.
        for (price, expected) in [(19.9, None), (20.5, Some(0.5))] {
            near.refill(100.0, 1.0, std::iter::once((C, 100.0, price)));
            let mut found = Vec::new();
            near.search(Some(&later), |find| found.push(find));
            let amounts: Vec<f64> = found.iter().map(|find| find.amount).collect();
            assert_eq!(kinds(&found).len(), usize::from(expected.is_some()));
            if let Some(expected) = expected {
                assert_eq!(found[0].kind, ArbitrageKind::Calendar);
                assert!((amounts[0] - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn beyond_the_last_later_strike_its_price_is_the_bound() {
        let (mut near, mut later) = (Chain::default(), Chain::default());
        later.refill(100.0, 1.0, std::iter::once((C, 120.0, 5.0)));
        near.refill(100.0, 1.0, std::iter::once((C, 150.0, 6.0)));
        let mut found = Vec::new();
        near.search(Some(&later), |find| found.push(find));
        assert_eq!(kinds(&found), [(ArbitrageKind::Calendar, 150.0)]);
    }

    #[test]
    fn a_price_that_is_no_number_is_told() {
        assert!(!finds(100.0, 1.0, &[(C, 100.0, f64::NAN)]).is_empty());
    }
}
