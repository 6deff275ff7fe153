//! The batch kernel: Black-76 on several options at once, without a branch and without a table.
//!
//! With x = |ln(K/F)| and the total standard deviation s, an option is its intrinsic value and the
//! out-of-the-money option of the same strike, which for call and put alike is
//!
//! ```text
//! d₁ = s/2 − x/s     z = s/2 + x/s
//! time value = min(F, K) · h     h = Φ(d₁) − eˣ Φ(−z)
//! ```
//! Two identities make one exponential and one last division do. First, φ(d₁) = eˣ φ(z), so that with
//! Mills' ratio R(y) = Φ(−y)/φ(y)
//!
//! ```text
//! h = [d₁ ≥ 0] − φ(d₁) (± R(|d₁|) + R(z))     + where d₁ ≥ 0
//! ```
//! Second, φ(0)·R is approximated by a rational function P/Q, and ±P₁/Q₁ + P₂/Q₂ is one fraction. An
//! error of ln(K/F) or of 1/s moves d₁ and z together, where h is flat to first order because the
//! true vega terms of both legs are equal.
//!
//! **Errors** of the parts, fitted in 60-digit arithmetic: P/Q 1.9e-14 absolute on [0, 60], all its
//! coefficients positive, so nothing cancels; 2^f 1.4e-14 relative; ln 1.2e-15 absolute. With the
//! roundings, h is within 2e-13, which tests hold against 50-digit values for every instruction set.
//! Beyond 60 (where φ(d₁) is nothing, whatever the strike) P/Q stays bounded.

use std::f64::consts::{LN_2, LOG2_E};

use super::lanes::Lanes;
use crate::pricing::OptionKind;

/// Stdevs are raised to this: below it nothing changes, and its inverse does not overflow.
pub(super) const STDEV_MIN: f64 = 1e-130;
/// Strikes are raised to this for their logarithm alone; a strike of zero then weighs nothing.
pub(super) const LOG_STRIKE_MIN: f64 = 1e-200;
/// Arguments of Mills' ratio are lowered to this: P and Q must not overflow.
const MILLS_MAX: f64 = 1e9;

/// P and Q of φ(0)·R(y) ≈ P(y)/Q(y) for y ≥ 0, lowest power first.
const MILLS_P: [f64; 8] = [
    0.499_999_999_999_981_9,
    0.654_220_081_296_648_2,
    0.420_723_675_394_334_36,
    0.167_142_544_455_737_06,
    0.043_848_162_979_150_02,
    0.007_587_174_049_636_436,
    0.000_807_132_638_910_199_5,
    4.146_889_075_133_785e-5,
];
const MILLS_Q: [f64; 9] = [
    1.0,
    2.106_324_723_390_3,
    2.022_051_327_769_899_5,
    1.160_447_781_573_535_2,
    0.437_775_363_856_379_83,
    0.111_934_196_165_572_99,
    0.019_122_172_829_239_534,
    0.002_023_181_484_015_749_6,
    0.000_103_947_094_132_088_2,
];
/// 2^f for |f| ≤ ½.
const EXP2: [f64; 10] = [
    1.000_000_000_000_012_7,
    0.693_147_180_559_870_9,
    0.240_226_506_956_496_6,
    0.055_504_108_668_687_26,
    0.009_618_129_192_065_762,
    0.001_333_355_761_736_419,
    0.000_154_034_349_490_243_54,
    1.525_298_496_783_47e-5,
    1.325_940_541_840_124_4e-6,
    1.015_031_359_986_526_3e-7,
];
/// ln((1 + t)/(1 − t)) / t in t², for |t| ≤ ⅓.
const LOG: [f64; 9] = [
    2.000_000_000_000_003_6,
    0.666_666_666_661_692_7,
    0.400_000_001_183_399_73,
    0.285_714_177_522_949_14,
    0.222_227_162_242_852_63,
    0.181_692_094_817_276_1,
    0.155_720_342_003_191_63,
    0.117_376_155_919_188_49,
    0.187_746_094_553_592_04,
];

/// Work for the kernel: options by row, loaded a vector at a time.
pub(super) trait Job {
    /// How many options there are.
    fn count(&self) -> usize;
    /// The values of the options from `row` on: a `FULL` vector of them, or as many as are left.
    fn values<V: Lanes, const FULL: bool>(&self, row: usize) -> V;
}

/// Prices all rows of `job`.
#[inline(always)]
pub(super) fn run<V: Lanes, J: Job>(job: &J, values: &mut [f64]) {
    let count = job.count();
    let mut row = 0;
    while row + V::COUNT <= count {
        job.values::<V, true>(row).store::<true>(&mut values[row..]);
        row += V::COUNT;
    }
    if row < count {
        job.values::<V, false>(row)
            .store::<false>(&mut values[row..]);
    }
}

/// What is known of one vector of options once ln(K/F) and 1/s are there.
pub(super) struct Standardised<V> {
    /// |ln(K/F)| / s.
    pub moneyness: V,
    /// s/2.
    pub half_stdev: V,
    pub forward: V,
    pub strike: V,
    /// As [`Lanes::load_signs`] gives it.
    pub sign: V,
    pub discount: V,
}

impl<V: Lanes> Standardised<V> {
    /// The discounted value: intrinsic and time value.
    #[inline(always)]
    pub fn value(self) -> V {
        let intrinsic = (self.forward - self.strike)
            .flip_sign(self.sign)
            .max(V::splat(0.0));
        let h = time_value_fraction(self.moneyness, self.half_stdev);
        let time_value_and_intrinsic = self.forward.min(self.strike).mul_add(h, intrinsic);
        self.discount * time_value_and_intrinsic
    }
}

/// h, the time value as a fraction of min(F, K).
#[inline(always)]
fn time_value_fraction<V: Lanes>(moneyness: V, half_stdev: V) -> V {
    let d1 = half_stdev - moneyness;
    let z = (half_stdev + moneyness).min(V::splat(MILLS_MAX));
    let y = d1.abs().min(V::splat(MILLS_MAX));
    let sign = d1.sign();
    let (p1, q1) = (polynomial(y, &MILLS_P), polynomial(y, &MILLS_Q));
    let (p2, q2) = (polynomial(z, &MILLS_P), polynomial(z, &MILLS_Q));
    let mills = p1.flip_sign(sign).mul_add(q2, p2 * q1) / (q1 * q2);
    let half = V::splat(0.5);
    let is_positive = half + half.flip_sign(sign);
    (is_positive - exp2(d1 * d1 * V::splat(-0.5 * LOG2_E)) * mills).max(V::splat(0.0))
}

/// 2^power for a power ≤ 0; nothing far below.
#[inline(always)]
fn exp2<V: Lanes>(power: V) -> V {
    // Below 2^-2000 all is nothing, and rounding needs a number of moderate size.
    let power = power.max(V::splat(-2000.0));
    let whole = power.round();
    polynomial(power - whole, &EXP2).times_power_of_two(whole)
}

/// |ln(K/F)| / s from K, F and s, with one division for both quotients.
///
/// `K = m_K 2^e_K` and `F = m_F 2^e_F` give `ln(K/F) = (e_K − e_F) ln 2 + ln((1 + t)/(1 − t))`, where
/// `t = (m_K − m_F)/(m_K + m_F)` is at most a third; `1/((m_K + m_F) s)` gives both t and 1/s.
#[inline(always)]
pub(super) fn log_moneyness_by_stdev<V: Lanes>(strike: V, forward: V, stdev: V) -> V {
    let exponent = strike.exponent() - forward.exponent();
    let (strike, forward) = (strike.mantissa(), forward.mantissa());
    let (difference, sum) = (strike - forward, strike + forward);
    let inverse = V::splat(1.0) / (sum * stdev);
    let t_by_stdev = difference * inverse;
    let t = t_by_stdev * stdev;
    let whole_part = exponent * V::splat(LN_2) * (sum * inverse);
    t_by_stdev
        .mul_add(polynomial(t * t, &LOG), whole_part)
        .abs()
}

/// Horner's rule.
#[inline(always)]
fn polynomial<V: Lanes, const N: usize>(at: V, coefficients: &[f64; N]) -> V {
    let mut sum = V::splat(coefficients[N - 1]);
    for &coefficient in coefficients[..N - 1].iter().rev() {
        sum = sum.mul_add(at, V::splat(coefficient));
    }
    sum
}

/// The options of a batch, column by column; all columns are of one length.
pub(super) struct Columns<'a> {
    pub kind: &'a [OptionKind],
    pub forward: &'a [f64],
    pub strike: &'a [f64],
    pub stdev: &'a [f64],
    pub discount: &'a [f64],
}

impl Job for Columns<'_> {
    fn count(&self) -> usize {
        self.kind.len()
    }

    #[inline(always)]
    fn values<V: Lanes, const FULL: bool>(&self, row: usize) -> V {
        let forward = V::load::<FULL>(&self.forward[row..]);
        let strike = V::load::<FULL>(&self.strike[row..]);
        let stdev = V::load::<FULL>(&self.stdev[row..]).max(V::splat(STDEV_MIN));
        let log_strike = strike.max(V::splat(LOG_STRIKE_MIN));
        Standardised {
            moneyness: log_moneyness_by_stdev(log_strike, forward, stdev),
            half_stdev: stdev * V::splat(0.5),
            forward,
            strike,
            sign: V::load_signs::<FULL>(&self.kind[row..]),
            discount: V::load::<FULL>(&self.discount[row..]),
        }
        .value()
    }
}
