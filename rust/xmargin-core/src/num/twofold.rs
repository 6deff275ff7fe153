//! Sums and products of `f64` in twice its precision.

/// A number as the sum of two `f64`, the second below the rounding of the first.
#[derive(Debug, Clone, Copy)]
pub struct Twofold {
    high: f64,
    low: f64,
}

impl Twofold {
    /// Nothing.
    pub const ZERO: Self = Self {
        high: 0.0,
        low: 0.0,
    };

    /// With x·y added: the sum of n products is within 2⁻⁵³ of itself and n²·2⁻¹⁰⁴ of its parts
    /// (Ogita, Rump and Oishi, *Accurate sum and dot product*, 2005, algorithm 5.3).
    #[must_use]
    pub fn plus_product(self, x: f64, y: f64) -> Self {
        let [product, product_error] = product(x, y);
        let high = self.high + product;
        let virtual_product = high - self.high;
        let sum_error = (self.high - (high - virtual_product)) + (product - virtual_product);
        Self {
            high,
            low: self.low + (sum_error + product_error),
        }
    }

    /// The nearest `f64`, or one next to it.
    #[must_use]
    pub fn rounded(self) -> f64 {
        self.high + self.low
    }
}

/// x·y as the sum of two `f64`, exactly (Dekker 1971, splitting after Veltkamp).
///
/// Not by `mul_add`, which is slow where the machine has no FMA.
#[must_use]
pub fn product(x: f64, y: f64) -> [f64; 2] {
    let split = |value: f64| {
        let scaled = 134_217_729.0 * value;
        let high = scaled - (scaled - value);
        [high, value - high]
    };
    let rounded = x * y;
    let ([xh, xl], [yh, yl]) = (split(x), split(y));
    let error = xl * yl - (((rounded - xh * yh) - xl * yh) - xh * yl);
    [rounded, error]
}
