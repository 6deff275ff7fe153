//! What a group of positions nets to: token by token exactly, then base by base.
//!
//! Amounts of one token net as integers. What is net owned of a token is reduced by its haircut,
//! what is net owed is not. The tokens of a base add up and are valued at the end of the price
//! range that hurts:
//!
//! ```text
//! a_t = Q_t × (1 - h_t)  where Q_t > 0,  else Q_t
//! A_b = Σ_t a_t
//! c_b = A_b × low_b      where A_b > 0,  else A_b × high_b
//! C   = Σ_b c_b
//! W   = Σ_t |a_t × (low where a_t > 0, else high)|   over wrapped tokens
//! ```
//!
//! Tokens and bases are walked in row order, so the order of the positions never shows.
//! Source: `docs/margin-model.md`, netting and valuation.

use ruint::Uint;

use crate::book::positions::Positions;
use crate::book::tables::{Bases, Tokens};
use crate::num::U256;
use crate::num::float::token_units;

/// Wide enough for the sum of 2^64 amounts.
pub(crate) type Sum = Uint<320, 5>;

/// One token of a group, netted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenExposure {
    /// Row of the token.
    pub token: u32,
    /// Row of its base.
    pub base: u32,
    /// `Q_t`: net quantity in token units, negative when owed.
    pub units: f64,
    /// Quantity owed before netting, in token units.
    pub units_owed: f64,
    /// `1 - h_t` where the token is net owned, else 1.
    pub kept: f64,
}

impl TokenExposure {
    /// `a_t`: net quantity after the haircut.
    #[must_use]
    pub fn units_kept(&self) -> f64 {
        self.units * self.kept
    }
}

/// One base of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaseExposure {
    /// Row of the base.
    pub base: u32,
    /// `A_b`: net quantity after haircuts.
    pub units_kept: f64,
    /// The end of the price range that values it.
    pub price: f64,
    /// `c_b`: collateral value, negative for net debt.
    pub value: f64,
}

/// A group of one portfolio's positions, netted and valued. Reused: [`Self::fill`] starts anew.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent findings, each asked for alone"
)]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposure {
    /// Tokens, ascending by row.
    pub tokens: Vec<TokenExposure>,
    /// Bases, ascending by row.
    pub bases: Vec<BaseExposure>,
    /// Net quantities at the mark.
    pub equity: f64,
    /// `C`: value of all bases, debts subtracted.
    pub collateral_value: f64,
    /// `Σ_b A_b × mark_b - c_b`: what valuing at the ends of the ranges takes.
    pub oracle_confidence: f64,
    /// `W`: value of the tokens that only stand for their asset.
    pub wrapped_value: f64,
    /// Quantities owed before netting, at the mark.
    pub gross_debt: f64,
    /// Whether anything is owed before netting.
    pub owes: bool,
    /// Whether something is net owed that has no price.
    pub owes_unpriced: bool,
    /// Whether something rests on a price on hold.
    pub held: bool,
    /// Whether something is net owned that has no price.
    pub owns_unpriced: bool,
}

impl Exposure {
    /// Nets and values the positions of `rows`, which are left sorted by token. All of them must be
    /// measurable and their tokens have a base.
    pub fn fill(
        &mut self,
        rows: &mut [u32],
        positions: &Positions,
        tokens: &Tokens,
        bases: &Bases,
    ) {
        self.clear();
        let token_of = |row: u32| positions.token[row as usize];
        rows.sort_unstable_by_key(|&row| token_of(row));
        for of_token in rows.chunk_by(|&one, &next| token_of(one) == token_of(next)) {
            self.tokens.push(net_token(of_token, positions, tokens));
        }
        for at in 0..self.tokens.len() {
            let exposure = self.tokens[at];
            self.include(&exposure, tokens.wrapped[exposure.token as usize], bases);
        }
        self.value_bases(bases);
    }

    fn clear(&mut self) {
        let (mut tokens, mut bases) = (
            std::mem::take(&mut self.tokens),
            std::mem::take(&mut self.bases),
        );
        tokens.clear();
        bases.clear();
        *self = Self {
            tokens,
            bases,
            ..Self::default()
        };
    }

    fn include(&mut self, exposure: &TokenExposure, wrapped: bool, bases: &Bases) {
        let base = exposure.base as usize;
        self.owes |= exposure.units_owed > 0.0;
        if !bases.usable[base] {
            self.owes_unpriced |= exposure.units < 0.0;
            self.owns_unpriced |= exposure.units > 0.0;
            return;
        }
        self.held |= bases.held[base] && exposure.units.abs() > 0.0;
        self.gross_debt += exposure.units_owed * bases.mark[base];
        self.equity += exposure.units * bases.mark[base];
        let units_kept = exposure.units_kept();
        if wrapped {
            self.wrapped_value += (units_kept * hurting_price(units_kept, base, bases)).abs();
        }
        match self
            .bases
            .binary_search_by_key(&exposure.base, |known| known.base)
        {
            Ok(at) => self.bases[at].units_kept += units_kept,
            Err(at) => {
                let first = BaseExposure {
                    base: exposure.base,
                    units_kept,
                    price: 0.0,
                    value: 0.0,
                };
                self.bases.insert(at, first);
            }
        }
    }

    fn value_bases(&mut self, bases: &Bases) {
        for exposure in &mut self.bases {
            exposure.price = hurting_price(exposure.units_kept, exposure.base as usize, bases);
            exposure.value = exposure.units_kept * exposure.price;
            self.collateral_value += exposure.value;
            let mark = bases.mark[exposure.base as usize];
            self.oracle_confidence += exposure.units_kept * (mark - exposure.price);
        }
    }

    /// Place of a token in [`Self::tokens`].
    #[must_use]
    pub fn token_at(&self, token: u32) -> Option<usize> {
        self.tokens
            .binary_search_by_key(&token, |known| known.token)
            .ok()
    }

    /// Collateral value of one unit of the token at a place; 0 where it has no price.
    #[must_use]
    pub fn unit_value(&self, token_at: usize) -> f64 {
        let exposure = self.tokens[token_at];
        self.bases
            .binary_search_by_key(&exposure.base, |known| known.base)
            .map_or(0.0, |at| exposure.kept * self.bases[at].price)
    }
}

/// The low end of the price range for what is owned, the high end for what is owed.
pub(crate) fn hurting_price(units: f64, base: usize, bases: &Bases) -> f64 {
    if units > 0.0 {
        bases.low[base]
    } else {
        bases.high[base]
    }
}

fn net_token(rows: &[u32], positions: &Positions, tokens: &Tokens) -> TokenExposure {
    let (mut assets, mut debts) = (Sum::ZERO, Sum::ZERO);
    for &row in rows {
        let amount: U256 = positions.amount[row as usize];
        let side = if positions.debt[row as usize] {
            &mut debts
        } else {
            &mut assets
        };
        *side += Sum::from(amount);
    }
    let token = positions.token[rows[0] as usize];
    let decimals = tokens.decimals[token as usize].unwrap_or_default();
    let net_owned = assets > debts;
    let units = if net_owned {
        token_units(assets - debts, decimals)
    } else {
        -token_units(debts - assets, decimals)
    };
    TokenExposure {
        token,
        base: tokens.base[token as usize].unwrap_or_default(),
        units,
        units_owed: token_units(debts, decimals),
        kept: if net_owned {
            1.0 - tokens.haircut[token as usize]
        } else {
            1.0
        },
    }
}
