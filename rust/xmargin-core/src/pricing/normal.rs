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

/// ∫ from z of Φ(−t) dt = φ(z) − zΦ(−z): what Z falls short of −z by, on average.
///
/// Within 16 ulp × (4 + z²): above zero it is φ(z)(1 − zR(z)) by Mills' ratio R, whose own
/// integral leaves nothing to cancel.
#[must_use]
pub fn expected_excess(z: f64) -> f64 {
    if z <= 0.0 {
        return density(z) - z * distribution(-z);
    }
    match density(z) {
        0.0 => 0.0,
        density => density * MillsDerivatives::at(z).0[1],
    }
}

/// Where [`MillsDerivatives`] changes from upward to downward recurrence.
const DOWNWARD_FROM: f64 = 3.0;
/// Order at which the downward recurrence begins; its error there is near exp(−2y√60) ≤ 1e-20.
const DOWNWARD_START: u8 = 60;
/// Up to where it is used: beyond, R is 1/y − 1/y³ and no time value is seen.
const DOWNWARD_TO: f64 = 1e4;
/// How many derivatives are kept.
pub(super) const MILLS_ORDERS: usize = 18;

/// Mills' ratio R(y) = Φ(−y)/φ(y) for y ≥ 0, and its derivatives without their signs: entry n is
/// (−1)ⁿ R⁽ⁿ⁾(y) = ∫₀^∞ tⁿ exp(−t²/2 − ty) dt > 0.
pub(super) struct MillsDerivatives(pub [f64; MILLS_ORDERS]);

impl MillsDerivatives {
    /// Entries obey `D₁ = 1 − y D₀` and `D_{n+1} = n D_{n−1} − y D_n` (by parts). Upwards
    /// that cancels where y is large; downwards all terms are positive, so the sequence is started
    /// high with an arbitrary value and scaled by D₁ + y D₀ = 1 (Miller's algorithm).
    pub fn at(y: f64) -> Self {
        if y < DOWNWARD_FROM {
            Self::upward(y)
        } else {
            Self::downward(y)
        }
    }

    fn upward(y: f64) -> Self {
        let mut entries = [0.0; MILLS_ORDERS];
        entries[0] = mills(y);
        entries[1] = 1.0 - y * entries[0];
        let mut order = 1.0;
        for n in 2..MILLS_ORDERS {
            entries[n] = (order * entries[n - 2] - y * entries[n - 1]).max(0.0);
            order += 1.0;
        }
        Self(entries)
    }

    fn downward(y: f64) -> Self {
        let y = y.min(DOWNWARD_TO);
        let (entries, scale) = descend(y);
        Self(entries.map(|entry| entry * scale))
    }
}

/// The unscaled entries and their scale. From a start of one they come to lie between 1/60! and
/// (y + 1)^60, which an `f64` holds for all that [`mills`] asks.
fn descend(y: f64) -> ([f64; MILLS_ORDERS], f64) {
    let mut entries = [0.0; MILLS_ORDERS];
    let (mut above, mut here) = (0.0, 1.0);
    for n in (1..=DOWNWARD_START).rev() {
        let below = (above + y * here) / f64::from(n);
        if let Some(entry) = entries.get_mut(usize::from(n) - 1) {
            *entry = below;
        }
        (above, here) = (here, below);
    }
    (entries, 1.0 / (above + y * here))
}

/// Mills' ratio R(y) for y ≥ −3, of nearly full relative accuracy.
pub(super) fn mills(y: f64) -> f64 {
    if y < DOWNWARD_FROM {
        return distribution(-y) / density(y);
    }
    if y > DOWNWARD_TO {
        return (1.0 - 1.0 / (y * y)) / y;
    }
    let (entries, scale) = descend(y);
    entries[0] * scale
}
