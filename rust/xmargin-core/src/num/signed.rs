//! Signed whole numbers of venues that know no fixed point; every division names its rounding.

use super::U256;
use super::fixed::{WAD, mul_div_floor};
use crate::Error;

fn overflow(operation: &'static str) -> Error {
    Error::Overflow { operation }
}

/// `a + b`.
///
/// # Errors
/// [`Error::Overflow`] when the sum does not fit.
pub fn add(a: i128, b: i128) -> Result<i128, Error> {
    a.checked_add(b).ok_or(overflow("addition"))
}

/// `a - b`.
///
/// # Errors
/// [`Error::Overflow`] when the difference does not fit.
pub fn sub(a: i128, b: i128) -> Result<i128, Error> {
    a.checked_sub(b).ok_or(overflow("subtraction"))
}

/// `a × b`.
///
/// # Errors
/// [`Error::Overflow`] when the product does not fit.
pub fn mul(a: i128, b: i128) -> Result<i128, Error> {
    a.checked_mul(b).ok_or(overflow("multiplication"))
}

/// |a × b| ÷ |c| rounded down, and whether anything was dropped; products of `i128` fit 256 bits.
fn magnitude(a: i128, b: i128, c: i128) -> Result<(i128, bool), Error> {
    let [a, b, c] = [a, b, c].map(|value| U256::from(value.unsigned_abs()));
    let product = a * b;
    let quotient = product.checked_div(c).ok_or(overflow("division"))?;
    let quotient = i128::try_from(quotient).map_err(|_| overflow("quotient"))?;
    Ok((quotient, product != c * U256::from(quotient.unsigned_abs())))
}

fn is_negative(a: i128, b: i128, c: i128) -> bool {
    (a < 0) ^ (b < 0) ^ (c < 0)
}

/// `a × b ÷ c`, rounded towards zero.
///
/// # Errors
/// [`Error::Overflow`] when the quotient does not fit or `c` is zero.
pub fn mul_div_truncated(a: i128, b: i128, c: i128) -> Result<i128, Error> {
    let (quotient, _) = magnitude(a, b, c)?;
    Ok(if is_negative(a, b, c) {
        -quotient
    } else {
        quotient
    })
}

/// ⌈a × b ÷ c⌉.
///
/// # Errors
/// As [`mul_div_truncated`].
pub fn mul_div_ceil(a: i128, b: i128, c: i128) -> Result<i128, Error> {
    let (_, dropped) = magnitude(a, b, c)?;
    let up = dropped && !is_negative(a, b, c);
    add(mul_div_truncated(a, b, c)?, i128::from(up))
}

/// ⌊a × b ÷ c⌋, rounded towards minus infinity.
///
/// # Errors
/// As [`mul_div_truncated`].
pub fn floor_mul_div(a: i128, b: i128, c: i128) -> Result<i128, Error> {
    let (_, dropped) = magnitude(a, b, c)?;
    let down = dropped && is_negative(a, b, c);
    sub(mul_div_truncated(a, b, c)?, i128::from(down))
}

/// ⌊max(equity, 0) ÷ requirement⌋ as a wad; `None` where nothing is required.
///
/// # Errors
/// [`Error::Overflow`] when the scaled equity does not fit 256 bits, which no `i128` does.
pub fn health_wad(equity: i128, requirement: i128) -> Result<Option<U256>, Error> {
    let required = U256::from(requirement.max(0).unsigned_abs());
    if required.is_zero() {
        return Ok(None);
    }
    let equity = U256::from(equity.max(0).unsigned_abs());
    mul_div_floor(equity, WAD, required).map(Some)
}

/// Whether equity ÷ requirement (both > 0) is lower after than before, without a division.
#[must_use]
pub fn is_lower_ratio(before: (i128, i128), after: (i128, i128)) -> bool {
    let product = |a: i128, b: i128| {
        let magnitude = U256::from(a.unsigned_abs()) * U256::from(b.max(0).unsigned_abs());
        (a < 0 && !magnitude.is_zero(), magnitude)
    };
    let (one, other) = (product(after.0, before.1), product(before.0, after.1));
    match (one.0, other.0) {
        (true, true) => one.1 > other.1,
        (false, false) => one.1 < other.1,
        (negative, _) => negative,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quotients_round_as_they_are_named(a: i64, b: i64, c: i64) {
            let [a, b, c] = [a, b, c].map(i128::from);
            prop_assert_eq!(mul_div_truncated(a, b, c).ok(), (a * b).checked_div(c));
            if c > 0 {
                let floor = (a * b).div_euclid(c);
                prop_assert_eq!(floor_mul_div(a, b, c), Ok(floor));
                prop_assert_eq!(mul_div_ceil(a, b, c), Ok(floor + i128::from(floor * c != a * b)));
            }
        }

        #[test]
        fn ratios_compare_as_their_products(
            a: i64, b in 1..i64::MAX, c: i64, d in 1..i64::MAX
        ) {
            let [a, b, c, d] = [a, b, c, d].map(i128::from);
            prop_assert_eq!(is_lower_ratio((a, b), (c, d)), c * b < a * d);
        }

        #[test]
        fn nothing_panics(a: i128, b: i128, c: i128, d: i128) {
            let _ = (mul_div_truncated(a, b, c), mul_div_ceil(a, b, c), floor_mul_div(a, b, c));
            let _ = (is_lower_ratio((a, b), (c, d)), health_wad(a, b));
        }
    }
}
