//! Intervals that contain the slopes of a row's value and stressed values: for any move, or, tighter,
//! inside a region (`docs/health-index.md`, *Slopes*).

use super::market::{Market, MarketTerms, largest};
use crate::book::columnar::{OptionRow, SCALE_MIN};
use crate::pricing::OptionKind;
use crate::pricing::normal::{FRAC_1_SQRT_2PI, density, distribution};

/// How far a region reaches on either side of where it is made.
const REGION_PRICE_SHARE: f64 = 0.02;
const REGION_SCALE_SHARE: f64 = 0.1;
/// 1/√(2π), rounded up.
const DENSITY_MAX: f64 = FRAC_1_SQRT_2PI * (1.0 + 1e-9);
/// What covers the rounding of a distribution function.
const DISTRIBUTION_ERROR: f64 = 1e-14;
/// What covers the rounding of d₁, times its terms.
const MONEYNESS_ERROR: f64 = 1e-12;

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub const ZERO: Self = Self {
        low: 0.0,
        high: 0.0,
    };
    pub const ALL: Self = Self {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };

    fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    fn around(value: f64, share: f64) -> Self {
        Self::new(value * (1.0 - share), value * (1.0 + share))
    }

    pub fn times(self, factor: f64) -> Self {
        let (a, b) = (self.low * factor, self.high * factor);
        Self::new(a.min(b), a.max(b))
    }

    pub fn plus(self, other: Self) -> Self {
        Self::new(self.low + other.low, self.high + other.high)
    }

    pub fn hull(self, other: Self) -> Self {
        Self::new(self.low.min(other.low), self.high.max(other.high))
    }

    pub fn meet(self, other: Self) -> Self {
        Self::new(self.low.max(other.low), self.high.min(other.high))
    }

    fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    pub fn size(self) -> f64 {
        self.high.max(-self.low)
    }
}

/// What a row changes by, a unit of its coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSlopes {
    pub factor: u32,
    /// USD a unit of the factor's price.
    pub price: Interval,
    /// USD a unit of the chain's scale, for each USD of the factor's price.
    pub scale: Interval,
    /// N, this and `by_price` × |price|, bounds |mark| + f |P&L| in every scenario, at any scale.
    pub constant: f64,
    /// See `constant`.
    pub by_price: f64,
}

/// Slopes of all rows, and what regions there are of those of options.
pub(super) struct Slopes {
    pub rows: Vec<RowSlopes>,
    loss_factors: Vec<f64>,
    regions: Vec<Region>,
    tight: Vec<Tight>,
}

/// Where the tight slopes of a chain hold.
#[derive(Clone, Copy)]
pub(super) struct Region {
    pub price: Interval,
    pub scale: Interval,
    version: u64,
}

/// Slopes of an option in its chain's region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tight {
    pub price: Interval,
    /// USD a unit of scale.
    pub scale: Interval,
    version: u64,
}

impl Slopes {
    pub fn new(terms: &MarketTerms, loss_factors: &[f64]) -> Self {
        // Of 0: the value itself, which is the excess where no scenario loses.
        let loss_factors: Vec<f64> = std::iter::once(0.0)
            .chain(loss_factors.iter().copied())
            .collect();
        let width = terms.scenarios.vol_factor.len();
        let moves = terms.scenarios.moves.chunks_exact(width);
        let mut rows: Vec<RowSlopes> = (0..)
            .zip(moves.clone())
            .map(|(factor, moves)| of_factor(factor, moves, &loss_factors))
            .collect();
        let moves: Vec<&[f64]> = moves.collect();
        rows.extend(
            terms
                .options
                .iter()
                .map(|option| of_option(terms, option, &moves, &loss_factors)),
        );
        let region = Region {
            price: Interval::ZERO,
            scale: Interval::ZERO,
            version: 0,
        };
        let tight = Tight {
            price: Interval::ZERO,
            scale: Interval::ZERO,
            version: 0,
        };
        Self {
            rows,
            loss_factors,
            regions: vec![region; terms.chains.len()],
            tight: vec![tight; terms.options.len()],
        }
    }

    /// Makes sure that an option's tight slopes hold around where the market is.
    pub fn tighten(&mut self, market: &Market, row: u32) {
        let Some((number, state)) = market.option(row) else {
            return;
        };
        let chain = state.chain as usize;
        let terms = &market.terms.chains[chain].chain;
        let price = market.coordinates[terms.factor as usize];
        let scale = market.coordinates[market.scale_of(state.chain)];
        let region = &mut self.regions[chain];
        let is_inside = region
            .price
            .contains(price * (1.0 - 0.5 * REGION_PRICE_SHARE))
            && region
                .price
                .contains(price * (1.0 + 0.5 * REGION_PRICE_SHARE))
            && region
                .scale
                .contains(scale * (1.0 - 0.5 * REGION_SCALE_SHARE))
            && region
                .scale
                .contains(scale * (1.0 + 0.5 * REGION_SCALE_SHARE));
        if !is_inside {
            *region = Region {
                price: Interval::around(price, REGION_PRICE_SHARE),
                scale: Interval::around(scale, REGION_SCALE_SHARE),
                version: region.version + 1,
            };
        }
        if self.tight[number].version != region.version {
            self.tight[number] = enclosed(&market.terms, number, region, &self.loss_factors);
        }
    }

    /// Tight slopes of an option and where they hold.
    pub fn tight(&self, number: usize, chain: u32) -> (Tight, Region) {
        (self.tight[number], self.regions[chain as usize])
    }
}

/// (1 − f) × the mark's slope + f × the scenario's.
fn mixed(loss_factor: f64, mark: Interval, scenario: Interval) -> Interval {
    mark.times(1.0 - loss_factor)
        .plus(scenario.times(loss_factor))
}

fn of_factor(factor: u32, moves: &[f64], loss_factors: &[f64]) -> RowSlopes {
    let range = moves.iter().fold(Interval::ZERO, |hull, &one| {
        hull.hull(Interval::new(one, one))
    });
    let price = loss_factors
        .iter()
        .map(|&f| range.times(f).plus(Interval::new(1.0, 1.0)))
        .reduce(Interval::hull)
        .unwrap_or(Interval::ALL);
    RowSlopes {
        factor,
        price,
        scale: Interval::ZERO,
        constant: 0.0,
        by_price: 1.0 + largest(loss_factors) * range.size(),
    }
}

/// |delta| ≤ 1 and vega ≤ 0.39895 F √T: at any later state.
fn of_option(
    terms: &MarketTerms,
    option: &OptionRow,
    moves: &[&[f64]],
    loss_factors: &[f64],
) -> RowSlopes {
    let chain = &terms.chains[option.chain as usize].chain;
    let moves = moves[chain.factor as usize];
    let most = 1.0 + largest(moves).max(0.0);
    let unit = chain.forward_ratio * chain.discount;
    let vega = DENSITY_MAX * unit * option.stdev.max(f64::MIN_POSITIVE);
    let stretched = moves.iter().zip(&terms.scenarios.vol_factor);
    let stretch = stretched.fold(0.0, |most: f64, (moved, vol)| most.max((1.0 + moved) * vol));
    let of = |mark: Interval, scenario: Interval| {
        loss_factors
            .iter()
            .map(|&f| mixed(f, mark, scenario))
            .reduce(Interval::hull)
            .unwrap_or(Interval::ALL)
    };
    let delta = |most: f64| Interval::new(0.0, unit * most).times(option.kind.sign());
    let twice = 1.0 + 2.0 * largest(loss_factors);
    RowSlopes {
        factor: chain.factor,
        price: of(delta(1.0), delta(most)),
        scale: of(Interval::new(0.0, vega), Interval::new(0.0, vega * stretch)),
        constant: twice * chain.discount * option.strike,
        by_price: twice * unit * most,
    }
}

/// Delta and vega of an option over a region, for the mark and every scenario.
fn enclosed(terms: &MarketTerms, number: usize, region: &Region, loss_factors: &[f64]) -> Tight {
    let option = &terms.options[number];
    let factor = terms.chains[option.chain as usize].chain.factor as usize;
    let width = terms.scenarios.vol_factor.len();
    let moves = &terms.scenarios.moves[factor * width..(factor + 1) * width];
    let mark = Greeks::enclosed(terms, option, region, 0.0, 1.0);
    let mut tight = Tight {
        price: mark.delta,
        scale: mark.vega,
        version: region.version,
    };
    for (&moved, &vol_factor) in moves.iter().zip(&terms.scenarios.vol_factor) {
        let scenario = Greeks::enclosed(terms, option, region, moved, vol_factor);
        for &f in loss_factors {
            tight.price = tight.price.hull(mixed(f, mark.delta, scenario.delta));
            tight.scale = tight.scale.hull(mixed(f, mark.vega, scenario.vega));
        }
    }
    tight
}

/// Slopes of an option's value in the factor's price and in the chain's scale.
struct Greeks {
    delta: Interval,
    vega: Interval,
}

impl Greeks {
    fn enclosed(
        terms: &MarketTerms,
        option: &OptionRow,
        region: &Region,
        moved: f64,
        vol_factor: f64,
    ) -> Self {
        let chain = &terms.chains[option.chain as usize].chain;
        let ratio = chain.forward_ratio * (1.0 + moved);
        let forward = region.price.times(ratio);
        let scale = |z: f64| option.stdev * (z * vol_factor).max(SCALE_MIN);
        let stdev = Interval::new(scale(region.scale.low), scale(region.scale.high));
        let d1 = moneyness(forward, option.strike, stdev);
        let call = Interval::new(
            (distribution(d1.low) - DISTRIBUTION_ERROR).max(0.0),
            (distribution(d1.high) + DISTRIBUTION_ERROR).min(1.0),
        );
        let delta = match option.kind {
            OptionKind::Call => call,
            OptionKind::Put => Interval::new(call.low - 1.0, call.high - 1.0),
        };
        let near = d1.low.max(-d1.high).max(0.0);
        let far = d1.size();
        let phi = Interval::new(
            density(far) * (1.0 - 1e-9),
            (density(near) * (1.0 + 1e-9)).min(DENSITY_MAX),
        );
        let unit = chain.discount * option.stdev * vol_factor;
        // No slope at all where the stdev is held at its least.
        let least = if region.scale.low * vol_factor <= SCALE_MIN {
            0.0
        } else {
            unit * forward.low * phi.low
        };
        Self {
            delta: delta.times(chain.discount * ratio),
            vega: Interval::new(least, unit * forward.high * phi.high),
        }
    }
}

/// Bounds of d₁ = ln(F/K)/s + s/2: each term is monotone in F and in s.
fn moneyness(forward: Interval, strike: f64, stdev: Interval) -> Interval {
    if strike <= 0.0 || stdev.low <= f64::MIN_POSITIVE {
        return Interval::ALL;
    }
    let (low, high) = (
        libm::log(forward.low / strike),
        libm::log(forward.high / strike),
    );
    // The quotient under each logarithm is rounded.
    let (low, high) = (low - MONEYNESS_ERROR, high + MONEYNESS_ERROR);
    let by_least = Interval::new(low / stdev.low, high / stdev.low);
    let by_most = Interval::new(low / stdev.high, high / stdev.high);
    let spread = MONEYNESS_ERROR * (1.0 + by_least.size() + stdev.high);
    Interval::new(
        by_least.low.min(by_most.low) + 0.5 * stdev.low - spread,
        by_least.high.max(by_most.high) + 0.5 * stdev.high + spread,
    )
}

#[cfg(test)]
mod tests {
    use super::super::market::{ExpiryTerms, FactorTerms};
    use super::*;
    use crate::Error;
    use crate::book::columnar::{ChainTerms, GridScenarios};
    use crate::pricing::batch::InstructionSet;
    use proptest::prelude::*;

    const YEAR_MS: i64 = 31_536_000_000;

    /// One option, one scenario: the intervals have no slack of another.
    fn terms(option: OptionRow, moved: f64, vol_factor: f64, discount: f64) -> MarketTerms {
        MarketTerms {
            factors: vec![FactorTerms {
                price_usd: 100.0,
                is_signed: false,
                typical_move: 1.0,
            }],
            scenarios: GridScenarios {
                moves: vec![moved],
                vol_factor: vec![vol_factor],
            },
            chains: vec![ExpiryTerms {
                chain: ChainTerms {
                    factor: 0,
                    forward_ratio: 1.02,
                    discount,
                },
                expiry_ms: YEAR_MS,
                vol_level: 1.0,
                typical_move: 1.0,
            }],
            options: vec![option],
            now_ms: 0,
        }
    }

    /// Mark + f × P&L of the option.
    fn stressed(market: &Market, price: f64, scale: f64, loss_factor: f64) -> Result<f64, Error> {
        let matrix = market.grid.reprice_scaled(&[price], &[scale])?;
        let pnl = matrix.pnl(1, 0).unwrap_or(f64::NAN);
        Ok(matrix.mark(1).unwrap_or(f64::NAN) + loss_factor * pnl)
    }

    prop_compose! {
        fn any_option()(
            is_call in any::<bool>(), strike in 60.0..160.0_f64, vol in 0.02..1.5_f64,
        ) -> OptionRow {
            let kind = if is_call { OptionKind::Call } else { OptionKind::Put };
            OptionRow { chain: 0, kind, strike, stdev: vol }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// First the scale at the old price, then the price at the new scale, as the proof goes.
        #[test]
        fn no_option_changes_by_more_than_its_slopes_say(
            option in any_option(),
            (moved, vol_factor) in prop_oneof![Just((0.0, 1.0)), (-0.5..0.5_f64, 0.5..2.0_f64)],
            discount in 0.8..1.1_f64,
            loss_factor in prop_oneof![Just(0.0), Just(1.0), 0.0..2.0_f64],
            (price_share, scale_share) in (-1.0..1.0_f64, -1.0..1.0_f64),
            is_far in any::<bool>(),
        ) {
            let terms = terms(option, moved, vol_factor, discount);
            let market = Market::new(terms, InstructionSet::BASELINE)?;
            let mut slopes = Slopes::new(&market.terms, &[loss_factor]);
            slopes.tighten(&market, 1);
            let (tight, _) = slopes.tight(0, 0);
            let row = slopes.rows[1];
            let (price_reach, scale_reach) =
                if is_far { (0.9, 0.9) } else { (REGION_PRICE_SHARE, REGION_SCALE_SHARE) };
            let price = 100.0 * (1.0 + price_share * price_reach);
            let scale = 1.0 + scale_share * scale_reach;
            let at = |price, scale| stressed(&market, price, scale, loss_factor);
            let by_scale = at(100.0, scale)? - at(100.0, 1.0)?;
            let by_price = at(price, scale)? - at(100.0, scale)?;
            let mut bounds = vec![(row.price, row.scale.times(100.0))];
            if !is_far {
                bounds.push((tight.price, tight.scale));
            }
            for (of_price, of_scale) in bounds {
                for (change, slope, step) in [(by_scale, of_scale, scale - 1.0), (by_price, of_price, price - 100.0)] {
                    let allowed = slope.times(step);
                    let error = 1e-9;
                    prop_assert!(allowed.low - error <= change && change <= allowed.high + error,
                        "{change} is not in {allowed:?}");
                }
            }
        }
    }

    #[test]
    fn a_tight_slope_is_no_wider_than_the_region_makes_it() -> Result<(), Error> {
        let option = OptionRow {
            chain: 0,
            kind: OptionKind::Call,
            strike: 130.0,
            stdev: 0.3,
        };
        let market = Market::new(terms(option, 0.0, 1.0, 1.0), InstructionSet::BASELINE)?;
        let mut slopes = Slopes::new(&market.terms, &[1.0]);
        slopes.tighten(&market, 1);
        let (tight, _) = slopes.tight(0, 0);
        assert!(slopes.rows[1].price.size() > 1.0);
        assert!(tight.price.low > 0.1 && tight.price.high < 0.4, "{tight:?}");
        Ok(())
    }
}
