//! How a scenario moves implied vols: rules as data.
//!
//! A rule turns an option's marked vol into its shocked one, given the option's log-moneyness
//! `k = ln(K / F)` and its time to expiry `T`:
//!
//! | rule | shocked vol |
//! |---|---|
//! | term power | `max(floor, vol × max(0, 1 + range × (30 d / max(T, expiry floor))^power))` |
//! | skew | `vol × max(0, 1 + m)`; `m = min(cap, x cap / k*)` for `x ≥ 0`, else `max(-cap, x cap / k*)`; `x = k` or `\|k\|` |
//! | fixed | `max(floor, vol × multiplier)` |
//! | flat | `max(floor, vol + addition)` |
//!
//! The power is the short one up to 30 days, the long one beyond. A skew's cap and width depend on
//! the term: `cap = cap_base + cap_slope √T` and `k* = max(k_min, width √T (vol_base + vol_slope
//! √T))`, an estimate of where the surface flattens out.

/// Days of the term at which a term-power rule moves vols by exactly its range.
const PIVOT_DAYS: f64 = 30.0;
/// Days of a year, here and wherever a time is given in years.
pub const DAYS_PER_YEAR: f64 = 365.0;

/// A vol rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VolRule {
    /// A relative move that is larger for short terms.
    TermPower(TermPower),
    /// The wings move against the centre.
    Skew(Skew),
    /// A relative move, the same for all terms.
    Fixed {
        /// What vols are multiplied by.
        multiplier: f64,
        /// Shocked vols are at least this.
        vol_min: f64,
    },
    /// An absolute move, the same for all terms.
    Flat {
        /// What is added to vols; 0.1 is ten vol points.
        addition: f64,
        /// Shocked vols are at least this.
        vol_min: f64,
    },
}

/// A relative move by a power of the term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermPower {
    /// Relative move at 30 days; negative for a fall.
    pub range: f64,
    /// Power up to 30 days.
    pub short_power: f64,
    /// Power beyond.
    pub long_power: f64,
    /// Shorter terms count as this long.
    pub expiry_days_min: f64,
    /// Shocked vols are at least this.
    pub vol_min: f64,
}

/// A move of the wings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skew {
    /// Whether both wings rise together (`|k|`) or the low one falls as the high one rises (`k`).
    pub both_wings: bool,
    /// Largest relative move at a term of zero.
    pub cap_base: f64,
    /// Change of the largest move per √year.
    pub cap_slope: f64,
    /// Width of the surface in standard deviations.
    pub width: f64,
    /// Vol that the width is measured with, at a term of zero.
    pub vol_base: f64,
    /// Change of that vol per √year.
    pub vol_slope: f64,
    /// The cap is never reached nearer to the money than this.
    pub log_moneyness_min: f64,
}

impl VolRule {
    /// The shocked vol of an option, per √year.
    #[must_use]
    pub fn shocked(&self, vol: f64, log_moneyness: f64, expiry_years: f64) -> f64 {
        match self {
            Self::TermPower(rule) => (vol * rule.multiplier(expiry_years)).max(rule.vol_min),
            Self::Skew(rule) => vol * rule.multiplier(log_moneyness, expiry_years),
            Self::Fixed {
                multiplier,
                vol_min,
            } => (vol * multiplier).max(*vol_min),
            Self::Flat { addition, vol_min } => (vol + addition).max(*vol_min),
        }
    }
}

impl TermPower {
    fn multiplier(&self, expiry_years: f64) -> f64 {
        let days = expiry_years * DAYS_PER_YEAR;
        let counted = days.max(self.expiry_days_min);
        // An expired option without a floor: no vol moves it, whatever the limit of the power is.
        if counted <= 0.0 {
            return 1.0;
        }
        let power = if days <= PIVOT_DAYS {
            self.short_power
        } else {
            self.long_power
        };
        (1.0 + self.range * libm::pow(PIVOT_DAYS / counted, power)).max(0.0)
    }
}

impl Skew {
    fn multiplier(&self, log_moneyness: f64, expiry_years: f64) -> f64 {
        let root = expiry_years.sqrt();
        let cap = self.cap_base + self.cap_slope * root;
        let width = self.width * root * (self.vol_base + self.vol_slope * root);
        let flat_from = width.max(self.log_moneyness_min);
        let k = if self.both_wings {
            log_moneyness.abs()
        } else {
            log_moneyness
        };
        // Written so that a surface without width is no 0 / 0: at the money it has no slope.
        let slope = if k * cap == 0.0 {
            0.0
        } else {
            k * cap / flat_from
        };
        let relative = if k >= 0.0 {
            slope.min(cap)
        } else {
            slope.max(-cap)
        };
        (1.0 + relative).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: TermPower = TermPower {
        range: 0.5,
        short_power: 0.3,
        long_power: 0.13,
        expiry_days_min: 1.0,
        vol_min: 0.45,
    };

    fn skew(both_wings: bool) -> VolRule {
        VolRule::Skew(Skew {
            both_wings,
            cap_base: 0.15,
            cap_slope: -0.05,
            width: 4.0,
            vol_base: 0.6,
            vol_slope: -0.1,
            log_moneyness_min: 0.01,
        })
    }

    #[test]
    fn a_term_of_thirty_days_moves_by_the_range_itself() {
        let shocked = VolRule::TermPower(UP).shocked(0.8, 0.0, 30.0 / DAYS_PER_YEAR);
        assert!((shocked - 1.2).abs() < 1e-15);
    }

    #[test]
    fn shorter_terms_move_more_until_the_expiry_floor() {
        let at = |days: f64| VolRule::TermPower(UP).shocked(0.8, 0.0, days / DAYS_PER_YEAR);
        assert!(at(2.0) > at(10.0) && at(10.0) > at(100.0));
        assert_eq!(at(1.0).to_bits(), at(0.25).to_bits());
    }

    #[test]
    fn a_shocked_vol_is_floored() {
        assert!((VolRule::TermPower(UP).shocked(0.01, 0.0, 1.0) - 0.45).abs() < 1e-15);
    }

    #[test]
    fn a_deep_fall_of_vol_stops_at_zero() {
        let down = VolRule::TermPower(TermPower {
            range: -3.0,
            vol_min: 0.0,
            ..UP
        });
        assert_eq!(down.shocked(0.8, 0.0, 0.01).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_signed_skew_lifts_one_wing_and_lowers_the_other_by_as_much() {
        let rule = skew(false);
        let (high, low) = (rule.shocked(1.0, 9.0, 0.25), rule.shocked(1.0, -9.0, 0.25));
        assert!((high - 1.125).abs() < 1e-12 && (low - 0.875).abs() < 1e-12);
    }

    #[test]
    fn an_absolute_skew_lifts_both_wings() {
        let rule = skew(true);
        let (high, low) = (rule.shocked(1.0, 0.3, 0.25), rule.shocked(1.0, -0.3, 0.25));
        assert_eq!(high.to_bits(), low.to_bits());
        assert!(high > 1.0);
    }

    #[test]
    fn a_surface_without_width_moves_by_the_cap_off_the_money_and_not_at_it() {
        let VolRule::Skew(mut rule) = skew(false) else {
            unreachable!()
        };
        rule.log_moneyness_min = 0.0;
        let rule = VolRule::Skew(rule);
        assert!((rule.shocked(1.0, 0.0, 0.0) - 1.0).abs() < 1e-15);
        assert!((rule.shocked(1.0, 0.1, 0.0) - 1.15).abs() < 1e-15);
    }
}
