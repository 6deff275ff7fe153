//! Depth as it is used up, in twice the precision of `f64`: what fits exactly, fits.

use super::input::Fleet;

/// A smaller part of an account is left over by rounding, and not worth a liquidation.
const SHARE_MIN: f64 = 1e-6;

/// What is left of each asset's depth.
pub struct Depth {
    left: Vec<[f64; 2]>,
}

impl Depth {
    pub fn new(depth: &[f64]) -> Self {
        Self {
            left: depth.iter().map(|&depth| [depth, 0.0]).collect(),
        }
    }

    /// Takes the largest share of an account that is left, and says how much it was.
    pub fn take(&mut self, fleet: &Fleet<'_>, account: usize, parts: bool) -> f64 {
        let share = self.share(fleet, account);
        if share < SHARE_MIN || (share < 1.0 && !parts) {
            return 0.0;
        }
        for (asset, amount) in fleet.uses(account) {
            let used = product(share, amount);
            self.left[asset] = minus(minus(self.left[asset], used[0]), used[1]);
        }
        share
    }

    fn share(&self, fleet: &Fleet<'_>, account: usize) -> f64 {
        let mut share: f64 = 1.0;
        for (asset, amount) in fleet.uses(account) {
            let left = self.left[asset];
            if minus(left, amount)[0] < 0.0 {
                // Lowered by more than the quotient and the products with it are rounded.
                share = share.min(left[0] / amount * (1.0 - 4.0 * f64::EPSILON));
            }
        }
        share.max(0.0)
    }
}

/// x − y of a number in two parts, normalised.
fn minus([high, low]: [f64; 2], y: f64) -> [f64; 2] {
    let difference = high - y;
    let virtual_y = high - difference;
    let error = (high - (difference + virtual_y)) + (virtual_y - y);
    let low = low + error;
    let sum = difference + low;
    [sum, low - (sum - difference)]
}

/// x·y in two parts, exactly.
fn product(x: f64, y: f64) -> [f64; 2] {
    let rounded = x * y;
    [rounded, x.mul_add(y, -rounded)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_exactly_fits_and_a_hair_more_does_not() {
        let fleet = |amount: &'static [f64]| Fleet {
            id: &[1],
            bad_debt_expected: &[1.0],
            cost: &[0.0],
            uses_end: &[1],
            asset: &[0],
            amount,
            depth: &[0.3],
        };
        let mut depth = Depth::new(&[0.3]);
        assert_eq!(
            depth.take(&fleet(&[0.3]), 0, false).to_bits(),
            1.0_f64.to_bits()
        );
        assert!(depth.left[0].iter().all(|&left| left == 0.0));
        let mut depth = Depth::new(&[0.3]);
        assert_eq!(
            depth
                .take(&fleet(&[0.300_000_000_000_000_1]), 0, false)
                .to_bits(),
            0
        );
        assert!(depth.take(&fleet(&[0.300_000_000_000_000_1]), 0, true) < 1.0);
        assert!(depth.left[0][0] >= 0.0);
    }
}
