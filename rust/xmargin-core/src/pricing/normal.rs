//! The standard normal distribution.

use std::f64::consts::FRAC_1_SQRT_2;

/// 1 / √(2π).
pub const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// Density φ(z), within 2 ulp × (1 + z²).
#[must_use]
pub fn density(z: f64) -> f64 {
    FRAC_1_SQRT_2PI * libm::exp(-0.5 * z * z)
}

/// Distribution Φ(z) = ½ erfc(−z/√2), of full relative accuracy in the lower tail up to the
/// rounding of z: within 2 ulp × (1 + z²).
#[must_use]
pub fn distribution(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}
