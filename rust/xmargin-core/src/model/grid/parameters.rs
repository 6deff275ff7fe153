//! The parameter file of the scenario mechanism: parsed, range-checked, unknown keys refused.
//!
//! All decimals are JSON strings. A part that is absent is a rule that does not apply.
//!
//! | key | range | meaning |
//! |---|---|---|
//! | `name`, `version` | not empty | what every answer names |
//! | `model` | `scenario` | optional; tells the file from one of another mechanism |
//! | `assets`, `default_asset`, `scenarios` | | see [`scenario_rules`](crate::model::scenario_rules) |
//! | `vol_rules.<R>` | | see [`VolRule`]; keys as its fields, `kind` says which |
//! | `loss_factors.maintenance`, `.initial` | [0, 10] | multiply the worst loss |
//! | `numeraire` | `quote`, `base` | what is required, in: the currency of prices, or the asset itself |
//! | `loss_decimals` | [0, 12], whole | the worst loss is rounded to these, half away from zero |
//! | `surface` | | see [`Bounds`] |
//! | `static_discount.long`, `.short` | | on an expiry's shocked value: [`StaticDiscount`] |
//! | `basis` | | see [`Basis`] |
//! | `confidence.threshold`, `.rate` | [0, 1], [0, 20] | initial margin for prices a feed doubts |
//! | `depeg.threshold`, `.factor` | [0, 100], [0, 10] | added to the initial loss factor |
//! | `perp.maintenance`, `.initial` | [0, 5], ascending | of the spot notional of perps |
//! | `short_option.maintenance`, `.initial` | [0, 5], ascending | of the spot notional of options net short at a strike |
//! | `wrapped_depeg.maintenance`, `.initial` | [0, 1], ascending | of what only stands for its asset |
//! | `roll.move_min`, `.move_per_year` | [0, 10] | of each expiry's net delta: the larger, by its term |
//! | `gain_offset.share`, `.max` | [0, 1], [0, 1e15] | the part of one asset's gain that meets another's loss |

use crate::Error;
use crate::market::scenario::ScenarioGrid;
use crate::market::smile::Bounds;
use crate::market::vol_rule::{Skew, TermPower, VolRule};
use crate::model::document::Section;
use crate::model::scenario_rules::ScenarioRules;

/// What a requirement is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numeraire {
    /// The currency of the prices.
    Quote,
    /// The asset itself: every value is divided by its own underlying's price in the same state.
    Base,
}

/// A rate of maintenance margin and one of initial margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Of maintenance margin.
    pub maintenance: f64,
    /// Of initial margin.
    pub initial: f64,
}

impl Rates {
    /// What an absent part of the file means.
    pub const NONE: Self = Self {
        maintenance: 0.0,
        initial: 0.0,
    };
}

/// A discount on an expiry's shocked value: `base × exp(∓ T (rate × rate_multiple + rate_addition))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StaticDiscount {
    /// Factor at a term of zero.
    pub base: f64,
    /// What the expiry's rate is multiplied by.
    pub rate_multiple: f64,
    /// What is added to it.
    pub rate_addition: f64,
}

/// The basis contingency: what an expiry loses when its forward alone moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Basis {
    /// The move up.
    pub up: f64,
    /// The move down, negative.
    pub down: f64,
    /// Multiplies the loss at a term of zero.
    pub factor: f64,
    /// Change of the factor per year of term.
    pub factor_per_year: f64,
}

/// A threshold and what is due beyond it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Nothing is due at or above it.
    pub threshold: f64,
    /// Multiplies what is missing.
    pub rate: f64,
}

/// What rolling an expiry's net delta may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roll {
    /// Least relative move.
    pub move_min: f64,
    /// Relative move per year of term.
    pub move_per_year: f64,
}

/// How far one asset's gain meets another's loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GainOffset {
    /// The share that does.
    pub share: f64,
    /// In the currency of prices, at most this.
    pub max: f64,
}

/// The parameters of the mechanism.
#[derive(Debug, Clone, PartialEq)]
pub struct GridParameters {
    /// Name of the parameter set.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The assets and the rules that move them.
    pub rules: ScenarioRules,
    /// The vol rules that scenarios name by number.
    pub vol_rules: Vec<VolRule>,
    /// Multiply the worst loss.
    pub loss_factors: Rates,
    /// What is required, in.
    pub numeraire: Numeraire,
    /// A power of ten: the worst loss is rounded to a whole number of its reciprocals.
    pub loss_units: Option<f64>,
    /// Bounds of the surface's slices.
    pub surface: Option<Bounds>,
    /// Discount on an expiry's shocked value above zero.
    pub discount_long: Option<StaticDiscount>,
    /// Mark-up on an expiry's shocked value below zero.
    pub discount_short: Option<StaticDiscount>,
    /// The basis contingency.
    pub basis: Option<Basis>,
    /// Prices that a feed doubts.
    pub confidence: Option<Threshold>,
    /// Cash below its peg.
    pub depeg: Option<Threshold>,
    /// Of the spot notional of perps.
    pub perp: Rates,
    /// Of the spot notional of options net short at a strike.
    pub short_option: Rates,
    /// Of what only stands for its asset.
    pub wrapped_depeg: Rates,
    /// What rolling may cost.
    pub roll: Option<Roll>,
    /// How far one asset's gain meets another's loss; all of it without.
    pub gain_offset: Option<GainOffset>,
}

impl GridParameters {
    /// Reads and checks a parameter file.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the key, the value found and the range or form it should have.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let mut file = Section::parse(json)?;
        check_model(&mut file)?;
        let (names, vol_rules) = read_vol_rules(&mut file)?;
        let (discount_long, discount_short) = read_static_discount(&mut file)?;
        let parameters = Self {
            name: file.text("name")?,
            version: file.text("version")?,
            rules: ScenarioRules::read(&mut file, &names)?,
            vol_rules,
            loss_factors: read_loss_factors(&mut file)?,
            numeraire: read_numeraire(&mut file)?,
            loss_units: read_loss_units(&mut file)?,
            surface: read_part(&mut file, "surface", read_bounds)?,
            discount_long,
            discount_short,
            basis: read_part(&mut file, "basis", read_basis)?,
            confidence: read_part(&mut file, "confidence", |part| {
                read_threshold(part, 1.0, "rate", 20.0)
            })?,
            depeg: read_part(&mut file, "depeg", |part| {
                read_threshold(part, 100.0, "factor", 10.0)
            })?,
            perp: read_rates(&mut file, "perp", 5.0)?,
            short_option: read_rates(&mut file, "short_option", 5.0)?,
            wrapped_depeg: read_rates(&mut file, "wrapped_depeg", 1.0)?,
            roll: read_part(&mut file, "roll", |part| {
                Ok(Roll {
                    move_min: part.decimal("move_min", 0.0..=10.0)?,
                    move_per_year: part.decimal("move_per_year", 0.0..=10.0)?,
                })
            })?,
            gain_offset: read_part(&mut file, "gain_offset", |part| {
                Ok(GainOffset {
                    share: part.decimal("share", 0.0..=1.0)?,
                    max: part.decimal("max", 0.0..=1e15)?,
                })
            })?,
        };
        file.finish()?;
        parameters.check_falls()?;
        Ok(parameters)
    }

    /// A price must stay above zero: nothing can be valued, or converted, at none.
    fn check_falls(&self) -> Result<(), Error> {
        for (key, asset) in self.rules.all_assets() {
            let moves = self.rules.rules.iter().flat_map(|rule| &rule.moves);
            for multiple in moves
                .filter(|one_move| one_move.class == asset.class)
                .flat_map(|one_move| &one_move.multiples)
            {
                if asset.shock * multiple.value <= -1.0 {
                    let problem = format!(
                        "{} x its multiple {} takes the price to zero; it must fall by less than 1",
                        asset.shock, multiple.text
                    );
                    return Err(Error::parameter(format!("{key}.shock"), problem));
                }
            }
        }
        Ok(())
    }

    /// The scenarios over `assets` (any order, repeats allowed).
    ///
    /// # Errors
    /// As [`ScenarioGrid::expand`].
    pub fn scenarios<'a>(
        &self,
        assets: impl IntoIterator<Item = &'a str>,
    ) -> Result<ScenarioGrid, Error> {
        self.rules.over(assets)
    }
}

/// A file of another mechanism is told so, before its keys are found strange.
fn check_model(file: &mut Section) -> Result<(), Error> {
    if !file.has("model") {
        return Ok(());
    }
    match file.text("model")?.as_str() {
        "scenario" => Ok(()),
        other => Err(Error::parameter(
            "model",
            format!("{other:?} must be \"scenario\" here"),
        )),
    }
}

/// A part that may be absent, with nothing in it left unread.
fn read_part<T>(
    file: &mut Section,
    name: &str,
    read: impl FnOnce(&mut Section) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let Some(mut part) = file.optional(name)? else {
        return Ok(None);
    };
    let value = read(&mut part)?;
    part.finish()?;
    Ok(Some(value))
}

fn read_vol_rules(file: &mut Section) -> Result<(Vec<String>, Vec<VolRule>), Error> {
    let Some(mut section) = file.optional("vol_rules")? else {
        return Ok((Vec::new(), Vec::new()));
    };
    let names = section.names();
    let mut rules = Vec::with_capacity(names.len());
    for name in &names {
        let mut rule = section.section(name)?;
        rules.push(read_vol_rule(&mut rule)?);
        rule.finish()?;
    }
    Ok((names, rules))
}

fn read_vol_rule(rule: &mut Section) -> Result<VolRule, Error> {
    match rule.text("kind")?.as_str() {
        "term_power" => Ok(VolRule::TermPower(TermPower {
            range: rule.decimal("range", -10.0..=10.0)?,
            short_power: rule.decimal("short_power", 0.0..=10.0)?,
            long_power: rule.decimal("long_power", 0.0..=10.0)?,
            expiry_days_min: rule.decimal("expiry_days_min", 0.0..=400.0)?,
            vol_min: rule.decimal("vol_min", 0.0..=20.0)?,
        })),
        "skew" => Ok(VolRule::Skew(read_skew(rule)?)),
        "fixed" => Ok(VolRule::Fixed {
            multiplier: rule.decimal("multiplier", 0.0..=10.0)?,
            vol_min: rule.decimal("vol_min", 0.0..=20.0)?,
        }),
        "flat" => Ok(VolRule::Flat {
            addition: rule.decimal("addition", -10.0..=10.0)?,
            vol_min: rule.decimal("vol_min", 0.0..=20.0)?,
        }),
        other => Err(Error::parameter(
            rule.key("kind"),
            format!("{other:?} must be \"term_power\", \"skew\", \"fixed\" or \"flat\""),
        )),
    }
}

fn read_skew(rule: &mut Section) -> Result<Skew, Error> {
    let both_wings = match rule.text("wings")?.as_str() {
        "both" => true,
        "signed" => false,
        other => {
            let problem = format!("{other:?} must be \"both\" or \"signed\"");
            return Err(Error::parameter(rule.key("wings"), problem));
        }
    };
    Ok(Skew {
        both_wings,
        cap_base: rule.decimal("cap_base", 0.0..=10.0)?,
        cap_slope: rule.decimal("cap_slope", -10.0..=10.0)?,
        width: rule.decimal("width", 0.0..=10.0)?,
        vol_base: rule.decimal("vol_base", 0.0..=10.0)?,
        vol_slope: rule.decimal("vol_slope", -20.0..=20.0)?,
        log_moneyness_min: rule.decimal("log_moneyness_min", 0.0..=10.0)?,
    })
}

fn read_loss_factors(file: &mut Section) -> Result<Rates, Error> {
    let mut section = file.section("loss_factors")?;
    let rates = Rates {
        maintenance: section.decimal("maintenance", 0.0..=10.0)?,
        initial: section.decimal("initial", 0.0..=10.0)?,
    };
    section.finish()?;
    Ok(rates)
}

fn read_numeraire(file: &mut Section) -> Result<Numeraire, Error> {
    if !file.has("numeraire") {
        return Ok(Numeraire::Quote);
    }
    match file.text("numeraire")?.as_str() {
        "quote" => Ok(Numeraire::Quote),
        "base" => Ok(Numeraire::Base),
        other => Err(Error::parameter(
            "numeraire",
            format!("{other:?} must be \"quote\" or \"base\""),
        )),
    }
}

fn read_loss_units(file: &mut Section) -> Result<Option<f64>, Error> {
    if !file.has("loss_decimals") {
        return Ok(None);
    }
    let decimals = file.decimal("loss_decimals", 0.0..=12.0)?;
    if decimals.fract() != 0.0 {
        let problem = format!("{decimals} must be a whole number");
        return Err(Error::parameter("loss_decimals", problem));
    }
    Ok(Some(libm::pow(10.0, decimals)))
}

fn read_bounds(part: &mut Section) -> Result<Bounds, Error> {
    Ok(Bounds {
        log_moneyness_stdevs: part.decimal("log_moneyness_stdevs", 0.0..=100.0)?,
        total_variance_max: part.decimal("total_variance_max", 0.0..=1e6)?,
    })
}

fn read_static_discount(
    file: &mut Section,
) -> Result<(Option<StaticDiscount>, Option<StaticDiscount>), Error> {
    let side = |part: &mut Section, name: &str| {
        read_part(part, name, |side| {
            Ok(StaticDiscount {
                base: side.decimal("base", 0.0..=4.0)?,
                rate_multiple: side.decimal("rate_multiple", 0.0..=10.0)?,
                rate_addition: side.decimal("rate_addition", 0.0..=10.0)?,
            })
        })
    };
    let sides = read_part(file, "static_discount", |part| {
        Ok((side(part, "long")?, side(part, "short")?))
    })?;
    Ok(sides.unwrap_or((None, None)))
}

fn read_basis(part: &mut Section) -> Result<Basis, Error> {
    Ok(Basis {
        up: part.decimal("up", 0.0..=2.0)?,
        down: part.decimal("down", -0.9999..=0.0)?,
        factor: part.decimal("factor", 0.0..=20.0)?,
        factor_per_year: part.decimal("factor_per_year", 0.0..=20.0)?,
    })
}

fn read_threshold(
    part: &mut Section,
    threshold_max: f64,
    rate: &str,
    rate_max: f64,
) -> Result<Threshold, Error> {
    Ok(Threshold {
        threshold: part.decimal("threshold", 0.0..=threshold_max)?,
        rate: part.decimal(rate, 0.0..=rate_max)?,
    })
}

/// Rates of maintenance margin and, at least as large, of initial margin; none without the part.
fn read_rates(file: &mut Section, name: &str, high: f64) -> Result<Rates, Error> {
    let rates = read_part(file, name, |part| {
        let maintenance = part.decimal("maintenance", 0.0..=high)?;
        Ok(Rates {
            maintenance,
            initial: part.decimal("initial", maintenance..=high)?,
        })
    })?;
    Ok(rates.unwrap_or(Rates::NONE))
}
