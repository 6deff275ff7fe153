//! When an account is liquidated, and how much of it.

use crate::Error;

const STEPS_MAX: usize = 8;

/// Close steps: below each health, that part of every position is closed.
///
/// Health is Σ weight × collateral ÷ (debt + Σ factor × owed). Healths descend and parts ascend: who
/// is worse off is closed no less, which is what makes the cascade monotone.
#[derive(Debug, Clone, PartialEq)]
pub struct CloseRule {
    health_below: Vec<f64>,
    /// Part closed after so many steps; the first is 0.
    part: Vec<f64>,
}

impl CloseRule {
    /// Checks the steps.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the step that is out of range or out of order.
    pub fn new(health_below: &[f64], part: &[f64]) -> Result<Self, Error> {
        let refuse = |problem| Err(Error::parameter("close_steps", problem));
        if health_below.len() != part.len() || !(1..=STEPS_MAX).contains(&part.len()) {
            let (healths, parts) = (health_below.len(), part.len());
            return refuse(format!(
                "{healths} healths and {parts} parts; give 1 to {STEPS_MAX} of each"
            ));
        }
        let mut last = (f64::INFINITY, 0.0);
        for (step, (&health, &part)) in health_below.iter().zip(part).enumerate() {
            let in_range = health > 0.0 && health <= 1.0 && part > 0.0 && part <= 1.0;
            if !in_range || health >= last.0 || part <= last.1 {
                return refuse(format!(
                    "step {step}: health {health} and part {part} must be in (0, 1], \
                     the health below and the part above those before"
                ));
            }
            last = (health, part);
        }
        Ok(Self {
            health_below: health_below.to_vec(),
            part: [&[0.0], part].concat(),
        })
    }

    /// The health below which all steps are taken.
    pub(super) fn deepest_health(&self) -> f64 {
        self.health_below[self.health_below.len() - 1]
    }

    /// The part closed after so many steps.
    pub(super) fn part(&self, step: u8) -> f64 {
        self.part[usize::from(step)]
    }

    /// The health below which the first step is taken.
    pub(super) fn first_health(&self) -> f64 {
        self.health_below[0]
    }

    /// How many steps an account takes whose health is below h where, of `sides(h)`, the first is
    /// below the second: weighted collateral, and h times weighted debt.
    pub(super) fn step(&self, sides: impl Fn(f64) -> [f64; 2]) -> u8 {
        let is_below = |health: &&f64| {
            let [collateral, debt] = sides(**health);
            collateral < debt
        };
        let steps = self.health_below.iter().take_while(is_below).count();
        u8::try_from(steps).unwrap_or(u8::MAX)
    }

    /// The factor by which health must rise for fewer than these steps; infinite if there are none.
    pub(super) fn rise_to_fewer(&self, step: u8, sides: impl Fn(f64) -> [f64; 2]) -> f64 {
        step.checked_sub(1).map_or(f64::INFINITY, |last| {
            let [collateral, debt] = sides(self.health_below[usize::from(last)]);
            debt / collateral
        })
    }

    /// The factor by which health must fall for more than these steps; infinite if there are no more.
    pub(super) fn fall_to_more(&self, step: u8, sides: impl Fn(f64) -> [f64; 2]) -> f64 {
        let next = self.health_below.get(usize::from(step));
        next.map_or(f64::INFINITY, |&health| {
            let [collateral, debt] = sides(health);
            collateral / debt
        })
    }
}
