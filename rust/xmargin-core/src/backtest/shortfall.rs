//! How far: the tests of expected shortfall of Acerbi & Székely (2014), "Backtesting expected
//! shortfall".
//!
//! With P&L `Xₜ`, exceptions `Iₜ` and their number `N`:
//!
//! - `Z₁ = Σ Xₜ Iₜ / ESₜ / N + 1` (conditional on the exceptions; none without them)
//! - `Z₂ = Σ Xₜ Iₜ / (T (1−α) ESₜ) + 1` (frequency and size at once)
//!
//! Both are zero on average when the forecasts are right and negative when losses are worse.

use super::{Outcomes, as_float};
use crate::model::confidence::Confidence;
use crate::num::special::{normal_below, normal_density, normal_quantile};

/// The paper's threshold for Z₂ at 5 % significance, found to hold over many tails for 97.5 %
/// expected shortfall and 250 days.
const Z2_THRESHOLD: f64 = -0.70;
const SIMULATION_COUNT: u32 = 10_000;
const SEED: u64 = 0x7861_7267_696e_3031;
/// Where more exceptions than this are expected, drawing each would take minutes and tell nothing
/// that the limit does not.
const DRAWN_EXCEPTIONS_MAX: f64 = 250.0;

/// The tests of expected shortfall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shortfall {
    /// Z₁; none without exceptions.
    pub z1: Option<f64>,
    /// Z₂.
    pub z2: f64,
    /// Whether Z₂ is below the published −0.70.
    pub z2_below_threshold: bool,
    /// The p-value of Z₂, one-sided, when P&L are independent normals of the forecast expected
    /// shortfall: from 10,000 simulated series, the same on every run, or, where more than 250
    /// exceptions are expected, from the limit that these tend to. Fatter tails scatter more, so that
    /// a small value here is no proof against them.
    pub z2_p_normal: f64,
}

impl Shortfall {
    pub(super) fn of(outcomes: &Outcomes, hits: &[bool], confidence: Confidence) -> Self {
        let ratios = (0..hits.len())
            .filter(|&row| hits[row])
            .map(|row| outcomes.pnl[row] / outcomes.es[row]);
        let exceptions = ratios.clone().count();
        let sum: f64 = ratios.sum();
        let expected = as_float(hits.len()) * confidence.tail();
        let z2 = sum / expected + 1.0;
        Self {
            z1: (exceptions > 0).then(|| sum / as_float(exceptions) + 1.0),
            z2,
            z2_below_threshold: z2 < Z2_THRESHOLD,
            z2_p_normal: p_normal(z2, hits.len(), confidence.tail()),
        }
    }
}

fn p_normal(z2: f64, days: usize, tail: f64) -> f64 {
    if as_float(days) * tail <= DRAWN_EXCEPTIONS_MAX {
        p_drawn(z2, days, tail)
    } else {
        p_limit(z2, days, tail)
    }
}

/// The normal limit of the sum of so many days, with its skewness (Feller, *An Introduction to
/// Probability Theory II*, 2nd ed., XVI.4): a day adds `W = X I / (p ES)` to Z₂, of mean −1 and, with
/// `q` the quantile of `p`, `E W² = (p − q φ(q)) / φ(q)²`, `E W³ = −(q² + 2) / φ(q)²`.
fn p_limit(z2: f64, days: usize, tail: f64) -> f64 {
    let quantile = normal_quantile(tail);
    let density = normal_density(quantile);
    let second = (tail - quantile * density) / (density * density);
    let third = -(quantile * quantile + 2.0) / (density * density);
    let variance = second - 1.0;
    let skewness = (third + 3.0 * second - 2.0) / variance.powf(1.5);
    let x = z2 * (as_float(days) / variance).sqrt();
    let bend = skewness / as_float(days).sqrt() / 6.0 * (x * x - 1.0) * normal_density(x);
    // No less than what the simulation could tell.
    (normal_below(x) - bend).clamp(1.0 / f64::from(SIMULATION_COUNT + 1), 1.0)
}

/// Only exceptions matter to Z₂: their gaps are drawn, and each one's size from the normal's tail.
fn p_drawn(z2: f64, days: usize, tail: f64) -> f64 {
    let es = normal_density(normal_quantile(tail)) / tail;
    let log_miss = libm::log1p(-tail);
    let mut random = Uniform(SEED);
    let mut as_low = 1_u32; // the series observed is one of them
    for _ in 0..SIMULATION_COUNT {
        let (mut day, mut sum) = (0.0, 0.0);
        loop {
            day += (libm::log(random.draw()) / log_miss).floor() + 1.0;
            if day > as_float(days) {
                break;
            }
            sum += normal_quantile(tail * random.draw()) / es;
        }
        as_low += u32::from(sum / (as_float(days) * tail) + 1.0 <= z2);
    }
    f64::from(as_low) / f64::from(SIMULATION_COUNT + 1)
}

/// `SplitMix64` (Steele, Lea & Flood 2014), as numbers strictly between zero and one.
struct Uniform(u64);

impl Uniform {
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        #[expect(clippy::cast_precision_loss, reason = "52 bits are kept")]
        let step = (bits >> 12) as f64 + 0.5;
        step * f64::EPSILON
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's table of critical values, normal column: Z₂ at 97.5 %, 250 days, 5 %: −0.70.
    #[test]
    fn the_published_threshold_has_the_published_significance() {
        let p = p_normal(Z2_THRESHOLD, 250, 0.025);
        assert!((p - 0.05).abs() < 0.01, "{p}");
    }
    /// They agree well before one takes over from the other.
    #[test]
    fn the_limit_is_what_drawing_tends_to() {
        for (days, tail) in [(200, 0.5), (10_000, 0.01)] {
            for z2 in [-0.2, 0.0, 0.1] {
                let (drawn, limit) = (p_drawn(z2, days, tail), p_limit(z2, days, tail));
                assert!(
                    (drawn - limit).abs() < 0.015,
                    "{days} {tail} {z2}: {drawn} {limit}"
                );
            }
        }
    }

    /// Drawing the exceptions of a million days at 50 % would take an hour.
    #[test]
    fn more_days_take_no_longer() {
        assert!((p_normal(0.0, 1_000_000, 0.5) - 0.5).abs() < 0.01);
        assert!(p_normal(-1.0, 1_000_000, 0.01) < 1e-3);
    }
}
