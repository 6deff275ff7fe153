//! The two plans that rounding must not decide: closing nothing, closing all.

use super::input::Book;
use crate::num::twofold::product;

/// Σⱼ ℓₛⱼ ≤ κE in every scenario, decided without rounding.
pub fn nothing_needs_closing(book: &Book) -> bool {
    let allowed = product(-book.loss_share_max, book.equity);
    book.losses
        .iter()
        .all(|losses| sum_is_not_positive(losses.iter().copied().chain(allowed)))
}

/// 0 ≤ κ(E − C(1)), decided without rounding.
pub fn closing_all_is_affordable(book: &Book) -> bool {
    let costs = book.spread.iter().chain(&book.impact).copied();
    sum_is_not_positive(costs.chain([-book.equity]))
}

/// Whether the exact sum is ≤ 0: partial sums that do not overlap (Shewchuk 1997), the last
/// of which that is not zero has the sign of all.
fn sum_is_not_positive(terms: impl Iterator<Item = f64>) -> bool {
    let mut partials: Vec<f64> = Vec::new();
    for mut term in terms {
        let mut kept = 0;
        for slot in 0..partials.len() {
            let partial = partials[slot];
            let sum = term + partial;
            let virtual_partial = sum - term;
            let error = (term - (sum - virtual_partial)) + (partial - virtual_partial);
            if error != 0.0 {
                partials[kept] = error;
                kept += 1;
            }
            term = sum;
        }
        partials.truncate(kept);
        partials.push(term);
    }
    let largest = partials.iter().rev().find(|&&partial| partial != 0.0);
    largest.is_none_or(|&largest| largest < 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_cancels_is_decided_by_what_remains() {
        assert!(!sum_is_not_positive([1e30, 1e-30, -1e30].into_iter()));
        assert!(sum_is_not_positive([1e30, -1e-30, -1e30].into_iter()));
        assert!(sum_is_not_positive([0.1, 0.2, -0.1, -0.2].into_iter()));
    }

    #[test]
    fn a_product_keeps_what_rounding_drops() {
        let third = 1.0 / 3.0;
        let [rounded, error] = product(3.0, third);
        assert_eq!(rounded.to_bits(), 1.0_f64.to_bits());
        assert_eq!(error.to_bits(), (-f64::EPSILON / 4.0).to_bits());
    }
}
