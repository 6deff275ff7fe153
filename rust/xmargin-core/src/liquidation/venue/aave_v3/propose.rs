//! Which liquidation to propose of an Aave v3 account.

use super::account::{Account, Standing};
use super::call::{Call, Liquidation, Refused, Sides, liquidation_call, repaid_without_dust};
use crate::Error;
use crate::liquidation::toxicity::{Effect, effect};
use crate::liquidation::venue::{Legs, Proposal, Verdict};
use crate::num::U256;
use crate::num::fixed::{BASIS_POINTS, sub};
use crate::venue::aave_v3::is_liquidatable;

/// The liquidation after which health is highest, each pair as far as the venue lets it go.
///
/// Pairs that lower health come last, and if there is no other the answer is [`Verdict::Toxic`].
/// One that takes all collateral and writes off the rest ends the account, so it is not toxic: what
/// is lost is in the deficits. Among equals the pair of lower numbers is taken, collateral first.
///
/// # Errors
/// [`Error::Overflow`] where the account's own data would revert.
pub fn propose(account: &Account) -> Result<Proposal, Error> {
    let standing = account.standing()?;
    if !standing.health_factor_wad.is_some_and(is_liquidatable) {
        let verdict = Verdict::NotDue;
        return Ok(Proposal::without_legs(verdict, standing.health_factor_wad));
    }
    let mut best: Option<Candidate> = None;
    let mut refused = Refused::NotCollateral;
    for collateral in 0..account.reserves.len() {
        for debt in 0..account.reserves.len() {
            match candidate(account, &standing, collateral, debt) {
                Ok(found) if best.as_ref().is_none_or(|best| found.beats(best)) => {
                    best = Some(found);
                }
                Ok(_) | Err(Refused::NotCollateral | Refused::NotBorrowed) => {}
                Err(why) => refused = why,
            }
        }
    }
    Ok(match best {
        Some(best) => best.into_proposal(&standing),
        None => Proposal::without_legs(verdict_of(&refused), standing.health_factor_wad),
    })
}

/// The proposal of one given call: what it does, and whether it should be done.
///
/// # Errors
/// As [`propose`].
pub fn propose_call(account: &Account, call: &Call) -> Result<Proposal, Error> {
    let standing = account.standing()?;
    match judged(account, &standing, call) {
        Ok(candidate) => Ok(candidate.into_proposal(&standing)),
        Err(refused) => Ok(Proposal::without_legs(
            verdict_of(&refused),
            standing.health_factor_wad,
        )),
    }
}

fn verdict_of(refused: &Refused) -> Verdict {
    match refused {
        Refused::Healthy => Verdict::NotDue,
        Refused::NotCollateral => Verdict::Refused("the reserve is no collateral of the account"),
        Refused::NotBorrowed => Verdict::Refused("the account owes nothing in the reserve"),
        Refused::LeavesDust => {
            Verdict::Refused("debt or collateral worth less than 1000 USD would be left")
        }
        Refused::Halted => Verdict::Refused(
            "the pool has paused or deactivated the reserve, or grants it a grace period",
        ),
        Refused::Nothing => Verdict::Refused("the amounts round to nothing"),
        Refused::Reverts(_) => Verdict::Refused("the contract's arithmetic reverts"),
    }
}

struct Candidate {
    call: Call,
    liquidation: Liquidation,
    effect: Effect,
    health_after_wad: Option<U256>,
}

impl Candidate {
    fn beats(&self, other: &Self) -> bool {
        // No debt left is the best health there is.
        let rank = |one: &Self| {
            (
                one.effect == Effect::Heals,
                one.health_after_wad.is_none(),
                one.health_after_wad,
            )
        };
        rank(self) > rank(other)
    }

    fn into_proposal(self, standing: &Standing) -> Proposal {
        let verdict = match self.effect {
            Effect::Heals => Verdict::Proposed,
            Effect::Toxic => Verdict::Toxic,
        };
        Proposal {
            verdict,
            health_before_wad: standing.health_factor_wad,
            health_after_wad: self.health_after_wad,
            legs: Some(Legs {
                closes: self.call.debt,
                takes: Some(self.call.collateral),
                cover: self.call.debt_to_cover,
                repaid: self.liquidation.repaid,
                seized: self.liquidation.seized,
                fee: self.liquidation.protocol_fee,
                deficits: self.liquidation.deficits,
            }),
        }
    }
}

fn candidate(
    account: &Account,
    standing: &Standing,
    collateral: usize,
    debt: usize,
) -> Result<Candidate, Refused> {
    let mut call = Call {
        collateral,
        debt,
        debt_to_cover: U256::MAX,
    };
    match judged(account, standing, &call) {
        Err(Refused::LeavesDust) => {
            let sides = Sides::new(account, &call)?;
            let owed = account.reserves[debt].debt(account.release)?;
            call.debt_to_cover = repaid_without_dust(&sides, owed)?;
            judged(account, standing, &call)
        }
        answer => answer,
    }
}

fn judged(account: &Account, standing: &Standing, call: &Call) -> Result<Candidate, Refused> {
    let liquidation = liquidation_call(account, call)?;
    let seized = &account.reserves[call.collateral];
    let health_after_wad = liquidation.after.standing()?.health_factor_wad;
    let by_ratio = effect(
        standing.weighted_collateral,
        standing.debt_base,
        account.threshold_bps(seized),
        sub(account.bonus_bps(seized), BASIS_POINTS)?,
    )?;
    // Rounding, too, can lower the health of small accounts.
    let effect = match (standing.health_factor_wad, health_after_wad) {
        (_, None) => Effect::Heals,
        (Some(before), Some(after)) if after < before => Effect::Toxic,
        _ => by_ratio,
    };
    Ok(Candidate {
        call: *call,
        liquidation,
        effect,
        health_after_wad,
    })
}
