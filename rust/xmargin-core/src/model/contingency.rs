//! Additive buffers beside the scenario loss: what they are charged on, and at which rates.
//!
//! Every contingency is a *rate* (one for maintenance, one for initial margin) times an *amount*
//! that a group of positions has of it in USD:
//!
//! | name | amount | source |
//! |---|---|---|
//! | `wrapped_depeg` | value of tokens that only stand for their asset | house rule |
//! | `venue_risk` | what is owned at venues, by each kind's fraction | house rule |
//! | `mobility` | net surplus on a chain that is slow to leave, by its fraction | house rule |
//! | `liquidity` | `σ √(x / V) x`: the cost of trading the net position of an asset | square-root impact: Almgren et al., *Direct Estimation of Equity Market Impact*, 2005; Tóth et al., *Phys. Rev. X* 1, 021006, 2011 |
//! | `concentration` | `σ (x - φ V)⁺`: a day's volatility on what exceeds a share of a day's volume | house rule |
//!
//! `x` is the size of the net position, `V` a day's volume in USD, `σ` a day's volatility. Beyond
//! `n` days of volume the impact goes on at the slope it has there, `3/2 σ √n`: else the last unit
//! of a large holding could cost more than it is worth.

use std::collections::BTreeMap;

use super::document::Section;
use crate::Error;

/// How many contingencies there are.
pub const COUNT: usize = 5;
/// Their names, in the order in which they use up what a cut-off chain could still cost.
pub const NAMES: [&str; COUNT] = [
    "wrapped_depeg",
    "venue_risk",
    "mobility",
    "liquidity",
    "concentration",
];
/// Place of each in [`Amounts`].
pub const WRAPPED_DEPEG: usize = 0;
/// What is owned at venues.
pub const VENUE_RISK: usize = 1;
/// What is owned on chains that are slow to leave.
pub const MOBILITY: usize = 2;
/// Cost of trading.
pub const LIQUIDITY: usize = 3;
/// What is large in its market.
pub const CONCENTRATION: usize = 4;

/// A number for each contingency, in the order of [`NAMES`].
pub type Amounts = [f64; COUNT];

const VOLUME_MIN_USD: f64 = 1.0;
const VOLUME_MAX_USD: f64 = 1e15;
const RATE_MAX: f64 = 10.0;
const DAYS_MAX: f64 = 100.0;
/// From so many halvings of the largest size on, a depth curve has a tangent at each.
const CURVE_HALVINGS: i32 = 24;

/// The market of one asset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Depth {
    /// `V`: what is traded in a day, in USD.
    pub daily_volume_usd: f64,
    /// `σ`: standard deviation of a day's return.
    pub daily_volatility: f64,
}

/// The markets of all assets.
#[derive(Debug, Clone, PartialEq)]
pub struct Depths {
    /// `n`: up to so many days of volume impact follows the square root.
    pub days_max: f64,
    /// `φ`: days of volume beyond which a position is concentrated.
    pub days_concentrated: f64,
    /// Listed assets.
    pub assets: BTreeMap<String, Depth>,
    /// What holds of an asset that is not listed.
    pub default_asset: Depth,
}

impl Depths {
    /// The market of an asset.
    #[must_use]
    pub fn of(&self, asset: &str) -> Depth {
        *self.assets.get(asset).unwrap_or(&self.default_asset)
    }

    /// Cost of trading a net position of size `size` USD at rate 1.
    #[must_use]
    pub fn impact(&self, depth: Depth, size: f64) -> f64 {
        let square_root_up_to = self.days_max * depth.daily_volume_usd;
        let within = size.min(square_root_up_to);
        depth.daily_volatility * (within / depth.daily_volume_usd).sqrt() * within
            + self.impact_slope_max(depth) * (size - within)
    }

    /// The most that one more USD of a position costs at rate 1.
    #[must_use]
    pub fn impact_slope_max(&self, depth: Depth) -> f64 {
        1.5 * depth.daily_volatility * self.days_max.sqrt()
    }

    /// Price multiple by USD sold, as knots of straight lines: one less the marginal cost, which is
    /// `1.5 σ √(x/V)`. The lines are tangents, so that what is sold is never thought to fetch more.
    #[must_use]
    pub fn curve(&self, depth: Depth) -> Vec<(f64, f64)> {
        let size_max = self.days_max * depth.daily_volume_usd;
        // Where the tangents touch, as parts of the largest square root.
        let touches: Vec<f64> = (0..=CURVE_HALVINGS)
            .rev()
            .map(|halvings| 0.5_f64.powi(halvings).sqrt())
            .collect();
        let fall = self.impact_slope_max(depth);
        let mut knots = vec![(0.0, 1.0), (0.0, 1.0 - fall * touches[0] / 2.0)];
        knots.extend(touches.windows(2).map(|pair| {
            let (one, next) = (pair[0], pair[1]);
            (size_max * one * next, 1.0 - fall * f64::midpoint(one, next))
        }));
        knots.push((size_max, 1.0 - fall));
        knots
    }

    /// What exceeds a share of a day's volume, by a day's volatility.
    #[must_use]
    pub fn concentration(&self, depth: Depth, size: f64) -> f64 {
        let free = self.days_concentrated * depth.daily_volume_usd;
        depth.daily_volatility * (size - free).max(0.0)
    }
}

/// What contingencies are charged on, beside the positions themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContingencyRules {
    /// Markets of the assets; without them nothing is charged for size.
    pub depths: Option<Depths>,
    /// Fraction of what is owned at venues of a kind; one that is not listed is charged as the
    /// riskiest that is.
    pub venue_kinds: BTreeMap<String, f64>,
    /// Fraction of a chain's net surplus, by CAIP-2 id or namespace; 0 where neither is listed.
    pub chains: BTreeMap<String, f64>,
}

fn largest(fractions: &BTreeMap<String, f64>) -> f64 {
    fractions.values().copied().fold(0.0, f64::max)
}

/// Rates of all contingencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// For maintenance margin.
    pub maintenance: Amounts,
    /// For initial margin, none below maintenance.
    pub initial: Amounts,
}

impl ContingencyRules {
    /// Takes the keys of all contingencies out of `file`; those of size, venue and chain may be
    /// absent and then charge nothing.
    pub(super) fn read(file: &mut Section) -> Result<(Self, Rates), Error> {
        let mut rates = Rates {
            maintenance: [0.0; COUNT],
            initial: [0.0; COUNT],
        };
        let mut wrapped = file.section("wrapped_depeg")?;
        rates.read(&mut wrapped, WRAPPED_DEPEG, 1.0)?;
        wrapped.finish()?;
        let rules = Self {
            venue_kinds: read_fractions(file, "venue_risk", "kinds", VENUE_RISK, &mut rates)?,
            chains: read_fractions(file, "mobility", "chains", MOBILITY, &mut rates)?,
            depths: read_depths(file, &mut rates)?,
        };
        Ok((rules, rates))
    }

    /// The fraction of a venue kind.
    #[must_use]
    pub fn venue_fraction(&self, kind: &str) -> f64 {
        let listed = self.venue_kinds.get(kind).copied();
        listed.unwrap_or_else(|| largest(&self.venue_kinds))
    }

    /// The fraction of a chain, by its own id before its namespace.
    #[must_use]
    pub fn chain_fraction(&self, id: &str) -> f64 {
        let namespace = id.split(':').next().unwrap_or_default();
        let found = self.chains.get(id).or_else(|| self.chains.get(namespace));
        found.copied().unwrap_or_default()
    }

    /// The most that all contingencies take from one more USD of an asset.
    pub(super) fn slope_max(&self, asset: Option<&str>, rates: &Amounts) -> f64 {
        let of_size = self.depths.as_ref().map_or(0.0, |depths| {
            let depth = asset.map_or(depths.default_asset, |asset| depths.of(asset));
            rates[LIQUIDITY] * depths.impact_slope_max(depth)
                + rates[CONCENTRATION] * depth.daily_volatility
        });
        rates[WRAPPED_DEPEG]
            + rates[VENUE_RISK] * largest(&self.venue_kinds)
            + rates[MOBILITY] * largest(&self.chains)
            + of_size
    }
}

impl Rates {
    fn read(&mut self, section: &mut Section, at: usize, high: f64) -> Result<(), Error> {
        self.maintenance[at] = section.decimal("maintenance", 0.0..=high)?;
        self.initial[at] = section.decimal("initial", self.maintenance[at]..=high)?;
        Ok(())
    }
}

fn read_fractions(
    file: &mut Section,
    name: &str,
    list: &str,
    at: usize,
    rates: &mut Rates,
) -> Result<BTreeMap<String, f64>, Error> {
    let Some(mut section) = file.optional(name)? else {
        return Ok(BTreeMap::new());
    };
    rates.read(&mut section, at, RATE_MAX)?;
    let mut listed = section.section(list)?;
    section.finish()?;
    let names = listed.names().into_iter();
    names
        .map(|name| Ok((name.clone(), listed.decimal(&name, 0.0..=1.0)?)))
        .collect()
}

fn read_depths(file: &mut Section, rates: &mut Rates) -> Result<Option<Depths>, Error> {
    let Some(mut section) = file.optional("liquidity")? else {
        return Ok(None);
    };
    rates.read(&mut section, LIQUIDITY, RATE_MAX)?;
    let days_max = section.decimal("days_max", 1e-3..=DAYS_MAX)?;
    let mut concentration = section.section("concentration")?;
    rates.read(&mut concentration, CONCENTRATION, RATE_MAX)?;
    let days_concentrated = concentration.decimal("days", 0.0..=DAYS_MAX)?;
    concentration.finish()?;
    let mut listed = section.section("assets")?;
    let names = listed.names().into_iter();
    let assets = names
        .map(|name| {
            let depth = read_depth(listed.section(&name)?)?;
            Ok((name, depth))
        })
        .collect::<Result<_, Error>>()?;
    let default_asset = read_depth(section.section("default_asset")?)?;
    section.finish()?;
    Ok(Some(Depths {
        days_max,
        days_concentrated,
        assets,
        default_asset,
    }))
}

fn read_depth(mut section: Section) -> Result<Depth, Error> {
    let depth = Depth {
        daily_volume_usd: section.decimal("daily_volume_usd", VOLUME_MIN_USD..=VOLUME_MAX_USD)?,
        daily_volatility: section.decimal("daily_volatility", 0.0..=1.0)?,
    };
    section.finish()?;
    Ok(depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn depths() -> Depths {
        Depths {
            days_max: 2.0,
            days_concentrated: 0.25,
            assets: BTreeMap::new(),
            default_asset: Depth {
                daily_volume_usd: 1e6,
                daily_volatility: 0.05,
            },
        }
    }

    #[test]
    fn impact_follows_the_square_root_and_then_its_slope() {
        let (depths, depth) = (depths(), depths().default_asset);
        let close = |found: f64, expected: f64| (found - expected).abs() <= 1e-9 * expected;
        assert!(close(depths.impact(depth, 1e4), 0.05 * 0.1 * 1e4));
        let slope = 1.5 * 0.05 * 2.0_f64.sqrt();
        let at_two_days = 0.05 * 2.0_f64.sqrt() * 2e6;
        assert!(close(depths.impact(depth, 3e6), at_two_days + slope * 1e6));
        assert!(close(depths.concentration(depth, 1e6), 0.05 * 0.75e6));
    }

    /// What a curve loses on the first `size` USD: the area above it.
    fn lost(curve: &[(f64, f64)], size: f64) -> f64 {
        let segments = curve.windows(2).map(|ends| {
            let ((from, high), (to, low)) = (ends[0], ends[1]);
            let within = (size - from).clamp(0.0, to - from);
            let slope = if to > from {
                (high - low) / (to - from)
            } else {
                0.0
            };
            within * (1.0 - high) + slope * within * within / 2.0
        });
        let (end, least) = curve[curve.len() - 1];
        segments.sum::<f64>() + (size - end).max(0.0) * (1.0 - least)
    }

    #[test]
    fn a_curve_begins_at_the_price_and_falls() {
        let curve = depths().curve(depths().default_asset);
        assert_eq!(curve[0], (0.0, 1.0));
        assert!(
            curve
                .windows(2)
                .all(|ends| ends[0].0 <= ends[1].0 && ends[0].1 >= ends[1].1)
        );
        assert!(
            curve
                .iter()
                .all(|&(_, multiple)| (0.0..=1.0).contains(&multiple))
        );
    }

    proptest! {
        #[test]
        fn a_curve_never_loses_less_than_the_impact_and_hardly_more(size in 1.0_f64..1e8) {
            let (depths, depth) = (depths(), depths().default_asset);
            let (impact, lost) = (depths.impact(depth, size), lost(&depths.curve(depth), size));
            prop_assert!(lost >= impact * (1.0 - 1e-9));
            // Beyond the first tangent, which touches at a 2^24th of the largest size.
            prop_assert!(size < 10.0 || lost <= impact * 1.03);
        }

        #[test]
        fn one_more_dollar_never_costs_more_than_the_slope(size in 0.0_f64..1e8, more in 1.0_f64..1e7) {
            let (depths, depth) = (depths(), depths().default_asset);
            let cost = depths.impact(depth, size + more) - depths.impact(depth, size);
            prop_assert!(cost >= 0.0);
            prop_assert!(cost <= depths.impact_slope_max(depth) * more * (1.0 + 1e-6));
        }

        #[test]
        fn a_position_against_another_never_costs_more(long in 0.0_f64..1e8, short in 0.0_f64..1e8) {
            let (depths, depth) = (depths(), depths().default_asset);
            let net = (long - short).abs();
            prop_assert!(depths.impact(depth, net) <= depths.impact(depth, long).max(depths.impact(depth, short)));
        }

        #[test]
        fn twice_the_position_costs_at_least_twice(size in 0.0_f64..1e8) {
            let (depths, depth) = (depths(), depths().default_asset);
            prop_assert!(depths.impact(depth, 2.0 * size) >= 2.0 * depths.impact(depth, size) * (1.0 - 1e-12));
            prop_assert!(depths.concentration(depth, 2.0 * size) >= 2.0 * depths.concentration(depth, size));
        }
    }
}
