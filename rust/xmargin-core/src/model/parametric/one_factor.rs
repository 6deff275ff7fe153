//! The tail of `Q = A·Z + ½·G·Z²` with one normal `Z`, in closed form.
//!
//! `Q = q` has two roots that sum to `−2m`, `m = A/G`. For `G > 0` the losses beyond `q` lie between
//! them, for `G < 0` outside them; for `G = 0` there is one root. All is said by the root `z` that
//! tends to the normal quantile as `G → 0`, so that nothing cancels where `G` is small.

use super::Losses;
use crate::num::special::{normal_below, normal_density};

/// Beyond so many standard deviations a normal has no mass that a double could hold.
const Z_MAX: f64 = 40.0;
const BISECTION_COUNT: usize = 80;

/// `E[1; Z ≤ z]`, `E[Z; Z ≤ z]` and `E[Z²; Z ≤ z]`.
fn moments_below(z: f64) -> [f64; 3] {
    let (mass, density) = (normal_below(z), normal_density(z));
    let edge = if density == 0.0 { 0.0 } else { z * density };
    [mass, -density, mass - edge]
}

/// The same over the losses that the root `z` bounds.
fn moments_of_losses(z: f64, linear: f64, curvature: f64) -> [f64; 3] {
    let below = moments_below(z);
    if curvature == 0.0 {
        return below;
    }
    let other = -2.0 * (linear / curvature) - z;
    if curvature > 0.0 {
        let lower = moments_below(other);
        [
            below[0] - lower[0],
            below[1] - lower[1],
            below[2] - lower[2],
        ]
    } else {
        let [mass, mean, square] = moments_below(-other); // mirrored: Z ≥ other
        [below[0] + mass, below[1] - mean, below[2] + square]
    }
}

/// Value at risk and expected shortfall beyond probability `tail`; `linear` is not negative.
#[must_use]
pub fn losses(linear: f64, curvature: f64, tail: f64) -> Losses {
    let middle = if curvature == 0.0 {
        0.0
    } else {
        -linear / curvature
    };
    // The loss grows as z falls from the vertex; beyond it the other root would take over.
    let (mut low, mut high) = match curvature {
        g if g > 0.0 => (middle.max(-Z_MAX), Z_MAX),
        g if g < 0.0 => (-Z_MAX, middle.min(Z_MAX)),
        _ => (-Z_MAX, Z_MAX),
    };
    for _ in 0..BISECTION_COUNT {
        let z = 0.5 * (low + high);
        if moments_of_losses(z, linear, curvature)[0] < tail {
            low = z;
        } else {
            high = z;
        }
    }
    let z = 0.5 * (low + high);
    let [_, first, second] = moments_of_losses(z, linear, curvature);
    let var = -(linear + 0.5 * curvature * z) * z;
    let es = -(linear * first + 0.5 * curvature * second) / tail;
    Losses {
        mean: 0.5 * curvature,
        deviation: linear.hypot(curvature * core::f64::consts::FRAC_1_SQRT_2),
        var,
        es: es.max(var), // a mean of what is not below it; rounding may say otherwise
    }
}
