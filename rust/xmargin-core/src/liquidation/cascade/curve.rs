//! Depth curves: what a sale does to a price.

use crate::Error;

const AMOUNT_MAX: f64 = 1e30;
const MULTIPLE_MAX: f64 = 1e6;

/// One curve an market: price multiple by net amount sold (negative: bought), straight between knots.
///
/// Before the first knot and after the last the multiple is that of the knot. Two knots of one
/// amount are a jump, the first of them being the value there: `(0, 1), (0, 0)` is no depth at all.
#[derive(Debug, Clone, Copy)]
pub struct DepthCurves<'a> {
    /// Where the market's knots end.
    pub knots_end: &'a [u64],
    /// Net amount sold, in units of the market; not descending within an market.
    pub amount: &'a [f64],
    /// Price after the sale ÷ price before, not ascending; exactly 1 at amount 0.
    pub multiple: &'a [f64],
}

impl DepthCurves<'_> {
    /// The multiple after a net sale. Its rounding keeps it from ever rising with the amount.
    pub(super) fn multiple_after(&self, market: usize, sold: f64) -> f64 {
        let rows = self.rows(market);
        let (amounts, multiples) = (&self.amount[rows.clone()], &self.multiple[rows]);
        let next = amounts.partition_point(|&amount| amount < sold);
        if next == 0 {
            return multiples[0];
        }
        let before = multiples[next - 1];
        if next == amounts.len() {
            return before;
        }
        let (from, after) = (amounts[next - 1], multiples[next]);
        let way = (sold - from) / (amounts[next] - from);
        (before + (after - before) * way).clamp(after, before)
    }

    /// Refuses curves of other markets, and curves that are not monotone.
    pub(super) fn check(&self, markets: usize) -> Result<(), Error> {
        let whole = |column, problem| Error::Input {
            table: "knots",
            column,
            row: None,
            problem,
        };
        if self.knots_end.len() != markets {
            let problem = format!("{} curves for {markets} markets", self.knots_end.len());
            return Err(whole("knots_end", problem));
        }
        if self.multiple.len() != self.amount.len() {
            let problem = format!(
                "has {} rows, not {}",
                self.multiple.len(),
                self.amount.len()
            );
            return Err(whole("multiple", problem));
        }
        let mut begin = 0;
        for (market, &end) in self.knots_end.iter().enumerate() {
            let is_last = market + 1 == markets;
            let rows = self.amount.len() as u64;
            if end <= begin || end > rows || (is_last && end != rows) {
                let problem = format!("{end} leaves market {market} without knots, or others over");
                return Err(Error::row("knots", "knots_end", market, problem));
            }
            begin = end;
            self.check_curve(market)?;
        }
        Ok(())
    }

    fn check_curve(&self, market: usize) -> Result<(), Error> {
        let rows = self.rows(market);
        let mut last = (f64::NEG_INFINITY, f64::INFINITY);
        for row in rows.clone() {
            let (amount, multiple) = (self.amount[row], self.multiple[row]);
            if amount.is_nan() || amount.abs() > AMOUNT_MAX || amount < last.0 {
                let problem = format!("{amount} is not in [-1e30, 1e30], or descends");
                return Err(Error::row("knots", "amount", row, problem));
            }
            if !(0.0..=MULTIPLE_MAX).contains(&multiple) || multiple > last.1 {
                let problem = format!("{multiple} is not in [0, 1e6], or ascends");
                return Err(Error::row("knots", "multiple", row, problem));
            }
            last = (amount, multiple);
        }
        let at_rest = self.multiple_after(market, 0.0);
        if at_rest.to_bits() == 1.0_f64.to_bits() {
            return Ok(());
        }
        let problem =
            format!("is {at_rest} where nothing is sold; give a knot of amount 0, multiple 1");
        Err(Error::row("knots", "multiple", rows.start, problem))
    }

    fn rows(&self, market: usize) -> std::ops::Range<usize> {
        let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
        let begin = market.checked_sub(1).map_or(0, |one| self.knots_end[one]);
        place(begin)..place(self.knots_end[market])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CURVE: DepthCurves<'_> = DepthCurves {
        knots_end: &[4, 6],
        amount: &[-10.0, 0.0, 10.0, 30.0, 0.0, 0.0],
        multiple: &[1.5, 1.0, 0.9, 0.1, 1.0, 0.0],
    };

    #[test]
    fn knots_are_met_and_held_beyond_the_ends() {
        let found = [-99.0, -10.0, 0.0, 5.0, 10.0, 20.0, 30.0, 99.0]
            .map(|sold| CURVE.multiple_after(0, sold));
        let wanted = [1.5, 1.5, 1.0, 0.95, 0.9, 0.5, 0.1, 0.1];
        assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-15));
        assert!(CURVE.check(2).is_ok());
    }

    #[test]
    fn no_depth_is_a_jump_to_zero() {
        let found = [-1.0, 0.0, 1e-30].map(|sold| CURVE.multiple_after(1, sold).to_bits());
        assert_eq!(found, [1.0, 1.0, 0.0].map(f64::to_bits));
    }

    proptest! {
        #[test]
        fn selling_more_never_raises_the_price(one in -20.0..40.0, other in -20.0..40.0) {
            let (less, more) = (f64::min(one, other), f64::max(one, other));
            prop_assert!(CURVE.multiple_after(0, more) <= CURVE.multiple_after(0, less));
        }
    }
}
