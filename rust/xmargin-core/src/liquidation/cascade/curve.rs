//! Depth curves: what a sale does to a price, and what it costs by that.

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

    /// What selling costs against the price before, in money: price × (sold − ∫₀^sold multiple).
    /// What is bought (sold < 0) costs what it is dearer.
    ///
    /// Exact for the straight pieces but for rounding: within 16 ulp of price × sold × the largest
    /// multiple met.
    #[must_use]
    pub fn cost(&self, market: usize, price: f64, sold: f64) -> f64 {
        let rows = self.rows(market);
        let inside = self.amount[rows].iter().copied();
        let inside = inside.filter(|&amount| (amount > sold.min(0.0)) & (amount < sold.max(0.0)));
        // Pieces between 0, the knots inside and what is sold; a jump is where one begins anew.
        let mut ends: Vec<f64> = inside.collect();
        ends.dedup();
        ends.extend([0.0, sold]);
        ends.sort_by(f64::total_cmp);
        let lost = ends.windows(2).fold(0.0, |lost, piece| {
            let (from, to) = (piece[0], piece[1]);
            let multiples = self.multiple_beyond(market, from) + self.multiple_after(market, to);
            lost + (to - from) * (1.0 - 0.5 * multiples).abs()
        });
        price * lost
    }

    /// Refuses prices and sales that no cost is of.
    ///
    /// # Errors
    /// [`Error::Input`] naming which.
    pub fn check_sales(price: f64, sold: &[f64]) -> Result<(), Error> {
        if !(0.0..=AMOUNT_MAX).contains(&price) {
            let problem = format!("{price} is not in [0, 1e30]");
            return Err(Error::row("sales", "price", 0, problem));
        }
        let is_amount = |sold: &f64| sold.abs() <= AMOUNT_MAX;
        match sold.iter().position(|sold| !is_amount(sold)) {
            None => Ok(()),
            Some(row) => {
                let problem = format!("{} is not in [-1e30, 1e30]", sold[row]);
                Err(Error::row("sales", "sold", row, problem))
            }
        }
    }

    /// The most that can be sold before the multiple falls below 1 − `impact_max`; where it never
    /// does, up to the last knot: nothing is known of bids beyond.
    #[must_use]
    pub fn sellable(&self, market: usize, impact_max: f64) -> f64 {
        let floor = 1.0 - impact_max;
        let rows = self.rows(market);
        let (amounts, multiples) = (&self.amount[rows.clone()], &self.multiple[rows]);
        let next = multiples.partition_point(|&multiple| multiple >= floor);
        let Some(before) = next.checked_sub(1) else {
            return 0.0;
        };
        if next == multiples.len() {
            return amounts[before].max(0.0);
        }
        let way = (multiples[before] - floor) / (multiples[before] - multiples[next]);
        let most = amounts[before] + (amounts[next] - amounts[before]) * way;
        most.clamp(amounts[before], amounts[next]).max(0.0)
    }

    /// The multiple just after an amount: beyond the jump, where there is one.
    fn multiple_beyond(&self, market: usize, amount: f64) -> f64 {
        let rows = self.rows(market);
        let amounts = &self.amount[rows.clone()];
        let passed = amounts.partition_point(|&one| one <= amount);
        match passed.checked_sub(1) {
            // The last knot at or before the amount, and it is no less: at it.
            Some(last) if amounts[last] >= amount => self.multiple[rows.start + last],
            _ => self.multiple_after(market, amount),
        }
    }

    /// Refuses curves of other markets, and curves that are not monotone.
    ///
    /// # Errors
    /// [`Error::Input`] naming the knot.
    pub fn check(&self, markets: usize) -> Result<(), Error> {
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

    #[test]
    fn a_sale_costs_the_area_above_the_curve() {
        let found = [-20.0, -10.0, 0.0, 5.0, 10.0, 30.0, 40.0].map(|sold| CURVE.cost(0, 2.0, sold));
        let wanted = [15.0, 5.0, 0.0, 0.25, 1.0, 21.0, 39.0];
        let mut pairs = found.iter().zip(wanted);
        assert!(pairs.all(|(f, w)| (f - w).abs() < 1e-13), "{found:?}");
        assert_eq!(
            [0.0, 3.0].map(|sold| CURVE.cost(1, 2.0, sold).to_bits()),
            [0.0, 6.0].map(f64::to_bits)
        );
    }

    #[test]
    fn so_much_is_sold_before_the_price_is_too_low() {
        let found = [0.0, 0.05, 0.1, 0.5, 0.9, 1.0].map(|impact| CURVE.sellable(0, impact));
        let wanted = [0.0, 5.0, 10.0, 20.0, 30.0, 30.0];
        let mut pairs = found.iter().zip(wanted);
        assert!(pairs.all(|(f, w)| (f - w).abs() < 1e-13), "{found:?}");
        assert_eq!(
            [0.0, 0.9].map(|impact| CURVE.sellable(1, impact).to_bits()),
            [0; 2]
        );
    }

    proptest! {
        #[test]
        fn a_part_costs_at_most_its_part_of_the_whole(part in 0.0..1.0, sold in -40.0..60.0) {
            // Convex, and nothing for nothing.
            let (whole, first) = (CURVE.cost(0, 1.0, sold), CURVE.cost(0, 1.0, part * sold));
            prop_assert!(first <= whole * part + 1e-12, "{first} {whole}");
        }

        #[test]
        fn selling_more_never_raises_the_price(one in -20.0..40.0, other in -20.0..40.0) {
            let (less, more) = (f64::min(one, other), f64::max(one, other));
            prop_assert!(CURVE.multiple_after(0, more) <= CURVE.multiple_after(0, less));
        }
    }
}
