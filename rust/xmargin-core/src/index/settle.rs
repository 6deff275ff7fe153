//! Evaluates accounts that have left their boxes, and gives them new ones.

use rayon::prelude::*;

use super::certificate::{Certifier, Holdings, Side};
use super::ladder::Edge;
use super::thresholds::{slack, status};
use super::{Crossing, HealthIndex, Ticked};
use crate::Error;
use crate::book::columnar::{AccountMargin, OneByOne};

/// Accounts that are settled at a time: what they come to is held in memory until then.
const WAVE: usize = 65_536;
/// Accounts that a thread takes at a time.
const BLOCK: usize = 2_048;

/// What accounts came to, in the order asked.
#[derive(Default)]
struct Settled {
    judged: Vec<Judged>,
    sides: Vec<Side>,
}

struct Judged {
    account: u32,
    status: u8,
    margin: AccountMargin,
    /// How many of the sides are its own.
    sides: usize,
}

impl HealthIndex {
    /// Evaluates accounts, by row, whose boxes are void.
    pub(super) fn settle(&mut self, accounts: &[u32]) -> Result<Ticked, Error> {
        let mut crossings = Vec::new();
        for wave in accounts.chunks(WAVE) {
            self.prepare(wave)?;
            for settled in self.judge_all(wave)? {
                self.install(&settled, &mut crossings);
            }
        }
        Ok(Ticked {
            crossings,
            reevaluated: accounts.len(),
        })
    }

    /// Prices what the accounts hold, and has slopes for it.
    fn prepare(&mut self, accounts: &[u32]) -> Result<(), Error> {
        if self.market.terms.options.is_empty() {
            return Ok(());
        }
        for &account in accounts {
            let (_, rows, _) = self.book.holdings(account as usize);
            let options = rows.partition_point(|&row| (row as usize) < self.market.factors());
            for &row in &rows[options..] {
                self.market.want(row);
                self.slopes.tighten(&self.market, row);
            }
        }
        self.market.freshen()
    }

    fn judge_all(&mut self, accounts: &[u32]) -> Result<Vec<Settled>, Error> {
        match self.workers.pool_for(accounts.len()) {
            None => {
                let mut certifier = std::mem::take(&mut self.certifier);
                let settled = self.judge(accounts, &mut certifier);
                self.certifier = certifier;
                Ok(vec![settled?])
            }
            Some(pool) => {
                let coordinates = self.market.coordinates.len();
                let judge = |certifier: &mut Certifier, block| self.judge(block, certifier);
                pool.install(|| {
                    let blocks = accounts.par_chunks(BLOCK);
                    blocks
                        .map_init(|| Certifier::new(coordinates), judge)
                        .collect()
                })
            }
        }
    }

    fn judge(&self, accounts: &[u32], certifier: &mut Certifier) -> Result<Settled, Error> {
        let evaluator = OneByOne::of(&self.book, &self.market.matrix, 0.0, &self.workers)?;
        let mut settled = Settled::default();
        for &account in accounts {
            let margin = evaluator.account(account as usize);
            let (cash_usd, rows, quantities) = self.book.holdings(account as usize);
            let holdings = Holdings {
                cash_usd,
                rows,
                quantities,
            };
            let slack = slack(&self.thresholds, &margin);
            let sides = certifier.certify(&self.market, &self.slopes, holdings, slack);
            settled.sides.extend_from_slice(sides);
            settled.judged.push(Judged {
                account,
                status: status(&self.thresholds, margin.excess, margin.worst_pnl),
                margin,
                sides: sides.len(),
            });
        }
        Ok(settled)
    }

    fn install(&mut self, settled: &Settled, crossings: &mut Vec<Crossing>) {
        let mut sides = settled.sides.as_slice();
        for judged in &settled.judged {
            let (own, others) = sides.split_at(judged.sides);
            sides = others;
            for side in own {
                self.put(judged.account, side);
            }
            let row = judged.account as usize;
            let before = std::mem::replace(&mut self.of_account.status[row], judged.status);
            if before != judged.status {
                crossings.push(Crossing {
                    account: judged.account,
                    id: self.book.ids()[row],
                    before,
                    after: judged.status,
                    margin: judged.margin,
                });
            }
        }
    }

    fn put(&mut self, account: u32, side: &Side) {
        let coordinate = side.coordinate as usize;
        let edge = |at| Edge {
            at,
            account,
            generation: self.of_account.generation[account as usize],
        };
        let (below, above) = self.market.can_pass(coordinate, side.low, side.high);
        let [upper, lower] = &mut self.ladders[coordinate];
        if above {
            upper.push(edge(side.high), &self.of_account.generation);
        }
        if below {
            lower.push(edge(-side.low), &self.of_account.generation);
        }
    }
}
