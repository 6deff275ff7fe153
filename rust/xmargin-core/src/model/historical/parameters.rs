//! The parameter file of historical simulation: parsed, range-checked, unknown keys refused.
//!
//! | key | range | meaning |
//! |---|---|---|
//! | `name`, `version` | not empty | what every report names |
//! | `model` | `historical` | what the file is for |
//! | `confidence` | [0.5, 0.9999] | level of VaR and ES |
//! | `filter.kind` | `ewma`, `garch` | how volatility is forecast |
//! | `filter.decay` | [0.5, 0.9999], `ewma` only | λ |
//! | `filter.seed_days` | [1, 10000] | first days, which make no filtered scenario |
//! | `filter.volatility_min` | [0.000001, 1] | floor of every daily volatility forecast |
//! | `filter.scale_max` | [1, 100] | bound of tomorrow's over that day's volatility, both ways |
//! | `stress.weight` | [0, 1] | w, the share of the stressed ES |
//! | `stress.days` | [1, 10000] | length of the worst window, or |
//! | `stress.first_day`, `stress.last_day` | days since 1970-01-01 | the window itself |
//! | `floor` | [0, 2] | φ, the share of the whole sample's ES that is always asked |

use crate::Error;
use crate::model::confidence::Confidence;
use crate::model::document::Section;

const DAY_COUNT_MAX: f64 = 10_000.0;
const DAY_MAX: f64 = 100_000.0;

/// How volatility is forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// Exponentially weighted moving average, mean zero.
    Ewma {
        /// λ, the weight of the last forecast.
        decay: f64,
        /// How many days the first forecast is made of.
        seed_days: usize,
    },
    /// GARCH(1,1), fitted to each factor's returns.
    Garch {
        /// How many first days make no scenario, as with EWMA.
        seed_days: usize,
    },
}

impl Filter {
    /// How many first days make no filtered scenario.
    #[must_use]
    pub fn seed_days(&self) -> usize {
        match *self {
            Self::Ewma { seed_days, .. } | Self::Garch { seed_days } => seed_days,
        }
    }
}

/// Which days are the stressed period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stress {
    /// The window of so many days in which these holdings' ES is largest.
    Worst {
        /// Its length.
        days: usize,
    },
    /// The days from one to another, both included.
    Window {
        /// The first day, counted from 1970-01-01.
        first_day: i32,
        /// The last day.
        last_day: i32,
    },
}

/// The parameters of historical simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoricalParameters {
    /// Name of the parameter set.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Level of value at risk and expected shortfall.
    pub confidence: Confidence,
    /// How volatility is forecast.
    pub filter: Filter,
    /// Floor of every daily volatility forecast.
    pub volatility_min: f64,
    /// Bound of the ratio that a return is scaled by, and of its inverse.
    pub scale_max: f64,
    /// w, the share of the stressed ES.
    pub stress_weight: f64,
    /// The stressed period.
    pub stress: Stress,
    /// φ, the share of the whole sample's ES that is always asked.
    pub floor: f64,
}

impl HistoricalParameters {
    /// Reads and checks a parameter file.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the key, the value found and the range or form it should have.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let mut file = Section::parse(json)?;
        let (name, version) = (file.text("name")?, file.text("version")?);
        let model = file.text("model")?;
        if model != "historical" {
            let problem = format!("{model:?} must be \"historical\"");
            return Err(Error::parameter("model", problem));
        }
        let parameters = Self::read(&mut file, name, version)?;
        file.finish()?;
        Ok(parameters)
    }

    /// Takes the keys from `confidence` on out of `file`, which may be a section of another file.
    pub(in crate::model) fn read(
        file: &mut Section,
        name: String,
        version: String,
    ) -> Result<Self, Error> {
        let level = file.decimal("confidence", 0.5..=0.9999)?;
        let confidence = Confidence::new(&file.key("confidence"), level)?;
        let mut section = file.section("filter")?;
        let filter = read_filter(&mut section)?;
        let volatility_min = section.decimal("volatility_min", 1e-6..=1.0)?;
        let scale_max = section.decimal("scale_max", 1.0..=100.0)?;
        section.finish()?;
        let mut section = file.section("stress")?;
        let stress_weight = section.decimal("weight", 0.0..=1.0)?;
        let stress = read_stress(&mut section, confidence)?;
        section.finish()?;
        let floor = file.decimal("floor", 0.0..=2.0)?;
        Ok(Self {
            name,
            version,
            confidence,
            filter,
            volatility_min,
            scale_max,
            stress_weight,
            stress,
            floor,
        })
    }
}

fn read_filter(section: &mut Section) -> Result<Filter, Error> {
    let seed_days = count(section, "seed_days")?;
    match section.text("kind")?.as_str() {
        "ewma" => Ok(Filter::Ewma {
            decay: section.decimal("decay", 0.5..=0.9999)?,
            seed_days,
        }),
        "garch" => Ok(Filter::Garch { seed_days }),
        other => {
            let problem = format!("{other:?} must be \"ewma\" or \"garch\"");
            Err(Error::parameter(section.key("kind"), problem))
        }
    }
}

fn read_stress(section: &mut Section, confidence: Confidence) -> Result<Stress, Error> {
    if section.names().iter().any(|name| name == "days") {
        let days = count(section, "days")?;
        if days < confidence.count_min() {
            let problem = format!(
                "{days} are too few for confidence {}; it must be at least {}",
                confidence.level(),
                confidence.count_min()
            );
            return Err(Error::parameter(section.key("days"), problem));
        }
        return Ok(Stress::Worst { days });
    }
    #[expect(clippy::cast_possible_truncation, reason = "within ±DAY_MAX and whole")]
    let mut day = |name| whole(section, name, -DAY_MAX, DAY_MAX).map(|day| day as i32);
    let (first_day, last_day) = (day("first_day")?, day("last_day")?);
    if first_day > last_day {
        let problem = format!("{last_day} is before first_day {first_day}");
        return Err(Error::parameter(section.key("last_day"), problem));
    }
    Ok(Stress::Window {
        first_day,
        last_day,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and DAY_COUNT_MAX and whole"
)]
pub(in crate::model) fn count(section: &mut Section, name: &str) -> Result<usize, Error> {
    whole(section, name, 1.0, DAY_COUNT_MAX).map(|value| value as usize)
}

fn whole(section: &mut Section, name: &str, low: f64, high: f64) -> Result<f64, Error> {
    let value = section.decimal(name, low..=high)?;
    if value.fract() == 0.0 {
        return Ok(value);
    }
    Err(Error::parameter(
        section.key(name),
        format!("{value} is no whole number"),
    ))
}
