//! Wad (1e18), ray (1e27) and basis-point arithmetic, rounding half up.
//!
//! Source: Aave v3 core 1.19.3, `WadRayMath.sol` and `PercentageMath.sol`. Their guards
//! (`a > (max - half) / b` reverts) say the same as "the intermediate must fit 256 bits".

use super::U256;
use crate::Error;

/// One in wad, 10^18.
pub const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// One in ray, 10^27.
pub const RAY: U256 = U256::from_limbs([0x9fd0_803c_e800_0000, 0x033b_2e3c, 0, 0]);

/// One in basis points, 10^4.
pub const BASIS_POINTS: U256 = U256::from_limbs([10_000, 0, 0, 0]);

fn overflow(operation: &'static str) -> Error {
    Error::Overflow { operation }
}

/// `a + b`.
///
/// # Errors
/// [`Error::Overflow`] when the sum does not fit 256 bits.
pub fn add(a: U256, b: U256) -> Result<U256, Error> {
    a.checked_add(b).ok_or(overflow("addition"))
}

/// `a × b`.
///
/// # Errors
/// [`Error::Overflow`] when the product does not fit 256 bits.
pub fn mul(a: U256, b: U256) -> Result<U256, Error> {
    a.checked_mul(b).ok_or(overflow("multiplication"))
}

/// ⌊(a × b + unit ÷ 2) ÷ unit⌋: a product of two fixed-point numbers, rounded half up.
fn mul_half_up(a: U256, b: U256, unit: U256) -> Option<U256> {
    Some(a.checked_mul(b)?.checked_add(unit >> 1)? / unit)
}

/// ⌊(a × unit + ⌊b ÷ 2⌋) ÷ b⌋: a quotient of two fixed-point numbers, rounded half up.
fn div_half_up(a: U256, b: U256, unit: U256) -> Option<U256> {
    a.checked_mul(unit)?.checked_add(b >> 1)?.checked_div(b)
}

/// `a × b` of two rays, rounded half up to a ray (`WadRayMath.rayMul`).
///
/// ```
/// use xmargin_core::num::{U256, fixed::{RAY, ray_mul}};
/// assert_eq!(ray_mul(RAY / U256::from(2), U256::ONE), Ok(U256::ONE)); // half a unit rounds up
/// ```
///
/// # Errors
/// [`Error::Overflow`] when the unrounded product does not fit 256 bits.
pub fn ray_mul(a: U256, b: U256) -> Result<U256, Error> {
    mul_half_up(a, b, RAY).ok_or(overflow("ray_mul"))
}

/// `a ÷ b` of two rays, rounded half up to a ray (`WadRayMath.rayDiv`).
///
/// # Errors
/// [`Error::Overflow`] when `b` is zero or the scaled dividend does not fit 256 bits.
pub fn ray_div(a: U256, b: U256) -> Result<U256, Error> {
    div_half_up(a, b, RAY).ok_or(overflow("ray_div"))
}

/// `a × b` of two wads, rounded half up to a wad (`WadRayMath.wadMul`).
///
/// # Errors
/// [`Error::Overflow`] when the unrounded product does not fit 256 bits.
pub fn wad_mul(a: U256, b: U256) -> Result<U256, Error> {
    mul_half_up(a, b, WAD).ok_or(overflow("wad_mul"))
}

/// `a ÷ b` of two wads, rounded half up to a wad (`WadRayMath.wadDiv`).
///
/// # Errors
/// [`Error::Overflow`] when `b` is zero or the scaled dividend does not fit 256 bits.
pub fn wad_div(a: U256, b: U256) -> Result<U256, Error> {
    div_half_up(a, b, WAD).ok_or(overflow("wad_div"))
}

/// `percentage_bps` basis points of `value`, rounded half up (`PercentageMath.percentMul`).
///
/// # Errors
/// [`Error::Overflow`] when the unrounded product does not fit 256 bits.
pub fn percent_mul(value: U256, percentage_bps: U256) -> Result<U256, Error> {
    mul_half_up(value, percentage_bps, BASIS_POINTS).ok_or(overflow("percent_mul"))
}

/// `value` of which `percentage_bps` are the whole, rounded half up (`PercentageMath.percentDiv`).
///
/// # Errors
/// [`Error::Overflow`] when the percentage is zero or the scaled dividend does not fit 256 bits.
pub fn percent_div(value: U256, percentage_bps: U256) -> Result<U256, Error> {
    div_half_up(value, percentage_bps, BASIS_POINTS).ok_or(overflow("percent_div"))
}

/// `a - b`.
///
/// # Errors
/// [`Error::Overflow`] when `b` is the larger.
pub fn sub(a: U256, b: U256) -> Result<U256, Error> {
    a.checked_sub(b).ok_or(overflow("subtraction"))
}

/// ⌊a × b ÷ c⌋.
///
/// # Errors
/// [`Error::Overflow`] when `c` is zero or the product does not fit 256 bits.
pub fn mul_div_floor(a: U256, b: U256, c: U256) -> Result<U256, Error> {
    mul(a, b)?.checked_div(c).ok_or(overflow("division"))
}

/// ⌈a × b ÷ c⌉.
///
/// # Errors
/// As [`mul_div_floor`].
pub fn mul_div_ceil(a: U256, b: U256, c: U256) -> Result<U256, Error> {
    let product = mul(a, b)?;
    let floor = product.checked_div(c).ok_or(overflow("division"))?;
    // c is not zero: the division has just succeeded.
    add(floor, U256::from(u8::from(product % c != U256::ZERO)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ruint::Uint;

    type U1024 = Uint<1024, 16>;

    /// Any 256-bit value, every magnitude as likely as the next.
    fn any_u256() -> impl Strategy<Value = U256> {
        (any::<[u64; 4]>(), 0_usize..=256).prop_map(|(limbs, shift)| {
            U256::from_limbs(limbs)
                .checked_shr(shift)
                .unwrap_or(U256::ZERO)
        })
    }

    /// Round half up by its definition: the integer nearest to `numerator ÷ denominator`, found by
    /// the remainder and in enough bits to overflow nowhere.
    fn nearest_half_up(numerator: U1024, denominator: U1024) -> U1024 {
        let (quotient, remainder) = numerator.div_rem(denominator);
        // The contracts halve an odd divisor down, so an exact half only arises for even ones.
        let half_down = denominator >> 1;
        if remainder >= denominator - half_down {
            quotient + U1024::ONE
        } else {
            quotient
        }
    }

    fn slow_mul(a: U256, b: U256, unit: U256) -> Option<U256> {
        let product = U1024::from(a) * U1024::from(b);
        let fits = product + (U1024::from(unit) >> 1) <= U1024::from(U256::MAX);
        fits.then(|| nearest_half_up(product, U1024::from(unit)).to())
    }

    fn slow_div(a: U256, b: U256, unit: U256) -> Option<U256> {
        let dividend = U1024::from(a) * U1024::from(unit);
        let fits = !b.is_zero() && dividend + (U1024::from(b) >> 1) <= U1024::from(U256::MAX);
        fits.then(|| nearest_half_up(dividend, U1024::from(b)).to())
    }

    proptest! {
        #[test]
        fn products_round_half_up_or_overflow(a in any_u256(), b in any_u256()) {
            prop_assert_eq!(ray_mul(a, b).ok(), slow_mul(a, b, RAY));
            prop_assert_eq!(wad_mul(a, b).ok(), slow_mul(a, b, WAD));
            prop_assert_eq!(percent_mul(a, b).ok(), slow_mul(a, b, BASIS_POINTS));
        }

        #[test]
        fn quotients_round_half_up_or_overflow(a in any_u256(), b in any_u256()) {
            prop_assert_eq!(ray_div(a, b).ok(), slow_div(a, b, RAY));
            prop_assert_eq!(wad_div(a, b).ok(), slow_div(a, b, WAD));
        }

        #[test]
        fn products_never_fall_when_a_factor_grows(a in any::<u128>(), b in any::<u64>()) {
            let (a, b) = (U256::from(a), U256::from(b));
            prop_assert!(ray_mul(a, b)? <= ray_mul(a + U256::ONE, b)?);
            prop_assert!(ray_mul(a, b)? <= ray_mul(a, b + U256::ONE)?);
        }
    }

    #[test]
    fn units_are_powers_of_ten() {
        assert_eq!(WAD, U256::from(10).pow(U256::from(18)));
        assert_eq!(RAY, U256::from(10).pow(U256::from(27)));
    }

    #[test]
    fn the_largest_product_passes_and_the_next_overflows() {
        let edge = (U256::MAX - (RAY >> 1)) / RAY;
        assert_eq!(ray_mul(edge, RAY), Ok(edge));
        assert!(matches!(
            ray_mul(edge + U256::ONE, RAY),
            Err(Error::Overflow { .. })
        ));
        assert_eq!(
            ray_mul(U256::MAX - (RAY >> 1), U256::ONE),
            Ok(U256::MAX / RAY)
        );
        assert!(ray_mul(U256::MAX, U256::ONE).is_err());
        assert_eq!(ray_mul(U256::MAX, U256::ZERO), Ok(U256::ZERO));
    }

    #[test]
    fn division_by_zero_is_an_error() {
        assert!(wad_div(U256::ONE, U256::ZERO).is_err());
        assert!(ray_div(U256::ZERO, U256::ZERO).is_err());
    }

    proptest! {
        #[test]
        fn directed_quotients_enclose_the_exact_one(
            a in any::<u128>(), b in any::<u128>(), c in any::<u128>()
        ) {
            let [a, b, c] = [a, b, c].map(U256::from);
            let (low, high) = (mul_div_floor(a, b, c), mul_div_ceil(a, b, c));
            prop_assert_eq!(low.is_err(), c.is_zero());
            if let (Ok(low), Ok(high)) = (low, high) {
                let exact = U1024::from(a) * U1024::from(b);
                prop_assert!(U1024::from(low) * U1024::from(c) <= exact);
                prop_assert!(U1024::from(high) * U1024::from(c) >= exact);
                prop_assert!(high - low <= U256::ONE);
                prop_assert_eq!(high == low, exact % U1024::from(c) == U1024::ZERO);
            }
        }

        #[test]
        fn shares_of_percentages_round_half_up(value in any_u256(), bps in any::<u64>()) {
            let bps = U256::from(bps);
            prop_assert_eq!(percent_div(value, bps).ok(), slow_div(value, bps, BASIS_POINTS));
        }
    }

    #[test]
    fn plain_sums_and_products_overflow_as_errors() {
        assert!(add(U256::MAX, U256::ONE).is_err());
        assert!(mul(U256::MAX, U256::from(2)).is_err());
        assert_eq!(add(U256::MAX, U256::ZERO), Ok(U256::MAX));
    }
}
