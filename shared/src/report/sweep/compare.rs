//! What changed since the last run: both sweeps are walked side by side, by account.
//!
//! Absence is not health: a failure that cannot be seen any more is out of sight, not mended, and one whose thing is gone is gone.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::io::BufRead;

use jiff::Timestamp;

use super::words::lacks;
use super::{ReadError, Reader, Worst};
use crate::arn::{AccountId, Arn};
use crate::compliance::{AccountResult, CheckOutcome, Status, Subject};
use crate::coverage::{Protection, ResourceCoverage};
use crate::diagnosis::Severity;

/// Changes that are kept one by one.
const MOST: usize = 100;

/// What became of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// It fails and did not.
    Failed,
    /// It failed, and cannot be seen any more.
    OutOfSight,
    /// It failed, and somebody took responsibility since.
    Excepted,
    /// It failed, and the thing is not there any more.
    Gone,
    /// It failed, and was seen well.
    Mended,
}

impl Turn {
    /// In the order in which they are told.
    pub const ALL: [Self; 5] = [Self::Failed, Self::OutOfSight, Self::Excepted, Self::Gone, Self::Mended];
}

/// An outcome that turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// What became of it.
    pub turn: Turn,
    /// As it is now; of what is gone or out of sight, as it was.
    pub found: CheckOutcome,
}

/// A resource whose protection changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectionChange {
    /// Before; absent where it was not there.
    pub from: Option<Protection>,
    /// Now; absent where it is not there.
    pub to: Option<Protection>,
    /// As it is now; of what is gone, as it was.
    pub row: ResourceCoverage,
}

impl ProtectionChange {
    /// Whether it got worse: from well to ill, or new and ill.
    pub fn worse(&self) -> bool {
        self.to.is_some_and(lacks) && !self.from.is_some_and(lacks)
    }
}

type TurnedRank = (Turn, Reverse<Severity>, String, Subject);
type ProtectionRank = (bool, Option<Protection>, Arn);

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// When the last run was.
    pub since: Timestamp,
    /// Outcomes that turned.
    pub turned: Worst<TurnedRank, Turned>,
    /// How many, by turn.
    pub turns: BTreeMap<Turn, u64>,
    /// Resources whose protection changed, those that got worse first.
    pub protection: Worst<ProtectionRank, ProtectionChange>,
    /// Accounts that were not there.
    pub accounts_new: u64,
    /// Accounts that are not there any more.
    pub accounts_gone: u64,
}

impl Changes {
    fn since(since: Timestamp) -> Self {
        Self { since, turned: Worst::of(MOST), turns: BTreeMap::new(), protection: Worst::of(MOST), accounts_new: 0, accounts_gone: 0 }
    }

    /// Whether nothing did.
    pub fn is_empty(&self) -> bool {
        self.turned.is_empty() && self.protection.is_empty() && self.accounts_new + self.accounts_gone == 0
    }

    /// How many outcomes turned so.
    pub fn count(&self, turn: Turn) -> u64 {
        self.turns.get(&turn).copied().unwrap_or_default()
    }

    /// Outcomes of one place. `seen`: whether everything of it was read, so that what is missing is not there.
    fn outcomes(&mut self, before: &[CheckOutcome], now: &[CheckOutcome], seen: bool) {
        let (old, new) = (by_subject(before), by_subject(now));
        let failed = |found: Option<&&CheckOutcome>| found.is_some_and(|found| found.outcome.status == Status::Fail);
        for (key, found) in &new {
            let was = failed(old.get(key));
            let turn = match found.outcome.status {
                Status::Fail if !was => Turn::Failed,
                Status::Unknown if was => Turn::OutOfSight,
                Status::Excepted if was => Turn::Excepted,
                Status::Pass | Status::NotApplicable if was => Turn::Mended,
                _ => continue,
            };
            self.turn(turn, found);
        }
        for (key, found) in old {
            if found.outcome.status == Status::Fail && !new.contains_key(&key) {
                self.turn(if seen { Turn::Gone } else { Turn::OutOfSight }, found);
            }
        }
    }

    fn turn(&mut self, turn: Turn, found: &CheckOutcome) {
        *self.turns.entry(turn).or_default() += 1;
        let rank = (turn, Reverse(found.severity), found.code.clone(), found.outcome.subject.clone());
        self.turned.push(rank, || Turned { turn, found: found.clone() });
    }

    fn coverage(&mut self, before: &[ResourceCoverage], now: &[ResourceCoverage], seen: bool) {
        let old = before.iter().map(|row| (&row.resource_arn, row)).collect::<BTreeMap<_, _>>();
        let new = now.iter().map(|row| (&row.resource_arn, row)).collect::<BTreeMap<_, _>>();
        for (arn, row) in &new {
            let from = old.get(arn).map(|row| row.protection);
            if from != Some(row.protection) {
                self.protection(ProtectionChange { from, to: Some(row.protection), row: (*row).clone() });
            }
        }
        for (arn, row) in old {
            if !new.contains_key(arn) {
                let to = (!seen).then_some(Protection::Unknown);
                if to != Some(row.protection) {
                    self.protection(ProtectionChange { from: Some(row.protection), to, row: row.clone() });
                }
            }
        }
    }

    fn protection(&mut self, change: ProtectionChange) {
        let rank = (!change.worse(), change.to, change.row.resource_arn.clone());
        self.protection.push(rank, || change);
    }

    fn account(&mut self, before: Option<&AccountResult>, now: Option<&AccountResult>) {
        let (old, new) = (before.map_or(&[][..], |account| &account.outcomes), now.map_or(&[][..], |account| &account.outcomes));
        // An account that left the organization is out of sight, whatever became of it.
        let seen = now.is_some_and(|account| account.not_evaluated.is_empty());
        self.outcomes(old, new, seen);
        self.coverage(before.map_or(&[], |account| &account.coverage), now.map_or(&[], |account| &account.coverage), seen);
        self.accounts_new += u64::from(before.is_none());
        self.accounts_gone += u64::from(now.is_none());
    }
}

/// Outcomes by check and subject; of several the worst, so that what is mended in part is not mended.
fn by_subject(outcomes: &[CheckOutcome]) -> BTreeMap<(String, Subject), &CheckOutcome> {
    let mut found = BTreeMap::<_, &CheckOutcome>::new();
    for one in outcomes {
        let worst = found.entry((one.code.clone(), one.outcome.subject.clone())).or_insert(one);
        if one.outcome.status < worst.outcome.status {
            *worst = one;
        }
    }
    found
}

/// Compares two sweeps that were written down. Both are read to their end, so that what was changed or cut is an error and no difference.
pub fn compare<A: BufRead, B: BufRead>(before: &mut Reader<A>, now: &mut Reader<B>) -> Result<Changes, ReadError> {
    let mut changes = Changes::since(before.head.at);
    let seen = now.organization.gaps.is_empty();
    changes.outcomes(&before.organization.outcomes, &now.organization.outcomes, seen);
    let (mut old, mut new) = (before.next_account()?, now.next_account()?);
    loop {
        let order = match (id(old.as_ref()), id(new.as_ref())) {
            (None, None) => return Ok(changes),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.cmp(new),
        };
        changes.account(old.as_ref().filter(|_| order.is_le()), new.as_ref().filter(|_| order.is_ge()));
        if order.is_le() {
            old = before.next_account()?;
        }
        if order.is_ge() {
            new = now.next_account()?;
        }
    }
}

fn id(account: Option<&AccountResult>) -> Option<&AccountId> {
    account.map(|account| &account.account_id)
}
