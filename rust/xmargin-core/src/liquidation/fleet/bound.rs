//! The proof: what no plan can exceed, from any prices of depth.
//!
//! For prices π ≥ 0 and any plan x, Σ wᵢxᵢ ≤ Σ πₐDₐ + Σᵢ xᵢ (wᵢ − Σₐ πₐuᵢₐ), since depth is not
//! exceeded; and no account adds more than its share allowed × max(0, its surplus).

use super::input::Fleet;
use super::program::share_allowed;

/// The bound, rounded up: it holds in exact arithmetic for the prices as they are.
pub fn upper_bound(fleet: &Fleet<'_>, by_id: &[u32], prices: &[f64], parts: bool) -> f64 {
    let depth: f64 = prices.iter().zip(fleet.depth).map(|(p, d)| p * d).sum();
    let (mut whole, mut terms) = (depth, prices.len());
    for account in by_id.iter().map(|&account| account as usize) {
        let benefit = fleet.benefit(account);
        if benefit <= 0.0 {
            continue;
        }
        let (mut depth_value, mut rows) = (0.0, 4.0);
        for (asset, amount) in fleet.uses(account) {
            depth_value += prices[asset] * amount;
            rows += 1.0;
        }
        let rounding = f64::EPSILON * rows * (fleet.bad_debt_expected[account] + depth_value);
        let surplus = benefit - depth_value + rounding;
        if surplus > 0.0 {
            whole += share_allowed(fleet, account, parts) * surplus * (1.0 + 4.0 * f64::EPSILON);
            terms += 1;
        }
    }
    whole * (1.0 + f64::EPSILON * float(terms + 4))
}

#[expect(clippy::cast_precision_loss, reason = "a count, far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}
