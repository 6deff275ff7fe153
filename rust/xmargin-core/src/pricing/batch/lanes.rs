//! What the kernel asks of a vector of `f64`, and the vector of one.

use std::ops::{Add, Div, Mul, Sub};

use crate::pricing::OptionKind;

/// Several `f64` that are computed with at once.
///
/// One source for every instruction set: the kernel is generic over this trait, and an
/// implementation says only how its machine spells each operation.
pub(super) trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// How many values one vector holds.
    const COUNT: usize;

    fn splat(value: f64) -> Self;
    /// The first [`COUNT`](Self::COUNT) values; fewer, unless `FULL`, are filled up with ones.
    fn load<const FULL: bool>(values: &[f64]) -> Self;
    /// −0.0 for a put, +0.0 for a call: what [`flip_sign`](Self::flip_sign) takes. Filled up
    /// with calls.
    fn load_signs<const FULL: bool>(kinds: &[OptionKind]) -> Self;
    /// Writes the [`COUNT`](Self::COUNT) values or, unless `FULL`, as many as there is room for.
    fn store<const FULL: bool>(self, values: &mut [f64]);
    /// `self` × `factor` + `addend`; whether it is rounded once or twice is the machine's.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    fn min(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// −0.0 where negative, else +0.0.
    fn sign(self) -> Self;
    /// Negated where `sign` is negative (it is ±0.0).
    fn flip_sign(self, sign: Self) -> Self;
    /// The binary exponent plus a constant of the machine's choice: only differences have a meaning.
    fn exponent(self) -> Self;
    /// The mantissa, in [1, 2).
    fn mantissa(self) -> Self;
    /// The nearest whole number, for |self| < 2^51.
    fn round(self) -> Self;
    /// `self` × 2^`whole`, for a positive normal `self` and a whole number ≤ 0; below 2^-1000 only
    /// the order of magnitude need be right.
    fn times_power_of_two(self, whole: Self) -> Self;
}

/// The first `N` values. Where that is not a `FULL` vector the rest is `filling`: the last,
/// incomplete vector of a column is computed as every other, so that a row's bits do not depend on
/// where it stands.
#[inline(always)]
pub(super) fn first<T: Copy, const N: usize, const FULL: bool>(values: &[T], filling: T) -> [T; N] {
    let mut first = [filling; N];
    if FULL {
        first.copy_from_slice(&values[..N]);
    } else {
        first[..values.len()].copy_from_slice(values);
    }
    first
}

/// Writes `values`: a `FULL` vector of them, or as many as there is room for.
#[inline(always)]
pub(super) fn write<const N: usize, const FULL: bool>(values: [f64; N], target: &mut [f64]) {
    if FULL {
        target[..N].copy_from_slice(&values);
    } else {
        let room = target.len();
        target.copy_from_slice(&values[..room]);
    }
}

/// 2^52: added to a smaller whole number it shows that number in its low bits.
pub(super) const TWO_POW_52: f64 = 4_503_599_627_370_496.0;
/// 1.5 × 2^52: adding and subtracting it rounds to the nearest whole number, of either sign.
pub(super) const ROUNDER: f64 = 1.5 * TWO_POW_52;
pub(super) const MANTISSA_BITS: u32 = 52;
pub(super) const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;
/// The least exponent kept by [`Lanes::times_power_of_two`] where a machine has no scaling of its
/// own: results stay normal numbers.
pub(super) const EXPONENT_MIN: f64 = -1000.0;

/// The baseline: any machine. Never asks for a fused multiply-add, which is a library call where the
/// machine has none.
impl Lanes for f64 {
    const COUNT: usize = 1;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn load<const FULL: bool>(values: &[f64]) -> Self {
        values[0]
    }

    #[inline(always)]
    fn load_signs<const FULL: bool>(kinds: &[OptionKind]) -> Self {
        f64::from_bits((kinds[0] as u64) << 63)
    }

    #[inline(always)]
    fn store<const FULL: bool>(self, values: &mut [f64]) {
        values[0] = self;
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self * factor + addend
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }

    #[inline(always)]
    fn sign(self) -> Self {
        f64::from_bits(self.to_bits() & (1 << 63))
    }

    #[inline(always)]
    fn flip_sign(self, sign: Self) -> Self {
        f64::from_bits(self.to_bits() ^ sign.to_bits())
    }

    #[inline(always)]
    fn exponent(self) -> Self {
        f64::from_bits((self.to_bits() >> MANTISSA_BITS) | TWO_POW_52.to_bits())
    }

    #[inline(always)]
    fn mantissa(self) -> Self {
        f64::from_bits((self.to_bits() & MANTISSA_MASK) | 1_f64.to_bits())
    }

    #[inline(always)]
    fn round(self) -> Self {
        self + ROUNDER - ROUNDER
    }

    #[inline(always)]
    fn times_power_of_two(self, whole: Self) -> Self {
        let exponent = Lanes::max(whole, EXPONENT_MIN) + ROUNDER;
        f64::from_bits(
            self.to_bits()
                .wrapping_add(exponent.to_bits() << MANTISSA_BITS),
        )
    }
}
