//! The ways that copies go, for the picture of the topology: from a source account to a vault, and whether copies arrive.
//!
//! Bounded: the worst source accounts are kept one by one, the others are counted by vault.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Worst;
use super::words::{counted, protection};
use crate::arn::{AccountId, Arn};
use crate::compliance::{AccountResult, OrganizationResult, Stopped, stops};
use crate::coverage::{Protection, ResourceCoverage};

/// Checks that are named with a route; the others are counted.
const MOST_CODES: usize = 3;
/// Vaults that are told apart; copies to others are counted as one.
const MOST_VAULTS: usize = 24;

/// Whether copies arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteState {
    /// Copies that should be there are not, or are old, or lie under another key.
    Broken,
    /// So far they are there, but a policy or a setting will stop the next one.
    Stopped,
    /// It was not seen whether they do.
    Unknown,
    /// All that should be there are.
    Well,
}

/// What of one account should be in one vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLine {
    /// The source account.
    pub account_id: AccountId,
    /// Its name.
    pub name: Option<String>,
    /// The vault that the rules name.
    pub vault_arn: Arn,
    /// Resources that should have copies there, excepted ones left out.
    pub resources: u64,
    /// Of those, without any copy there.
    pub never: u64,
    /// Whose newest backup or copy is too old.
    pub stale: u64,
    /// Of which it was not seen.
    pub unknown: u64,
    /// Recovery points that should have been copied and were not.
    pub uncopied: u64,
    /// Whose newest copy is not under the key of the vault.
    pub other_key: u64,
    /// Codes of the checks whose failures will stop copies, or some of them.
    pub stopped_by: BTreeSet<String>,
}

impl RouteLine {
    /// Whether copies arrive.
    pub fn state(&self) -> RouteState {
        if self.never + self.stale + self.uncopied + self.other_key > 0 {
            RouteState::Broken
        } else if !self.stopped_by.is_empty() {
            RouteState::Stopped
        } else if self.unknown > 0 {
            RouteState::Unknown
        } else {
            RouteState::Well
        }
    }

    /// `stopped by BKC-038, 2 never copied, 1 stale`; empty where all is well.
    pub fn label(&self) -> String {
        let parts = [
            (self.never, protection(Protection::NeverCopied).to_owned()),
            (self.stale, protection(Protection::Stale).to_owned()),
            (self.other_key, "under another key".to_owned()),
            (self.unknown, "not seen".to_owned()),
        ];
        let mut told = self.stopped().into_iter().collect::<Vec<_>>();
        told.extend(parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        if self.uncopied > 0 {
            told.push(format!("{} not copied", counted(self.uncopied, "recovery point")));
        }
        told.join(", ")
    }

    fn stopped(&self) -> Option<String> {
        let named = self.stopped_by.iter().take(MOST_CODES).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.stopped_by.len().saturating_sub(MOST_CODES) {
            _ if self.stopped_by.is_empty() => None,
            0 => Some(format!("stopped by {named}")),
            more => Some(format!("stopped by {named} and {more} more")),
        }
    }

    fn add(&mut self, row: &ResourceCoverage, at: usize) {
        let Some(landing) = row.copies.get(at) else { return };
        self.resources += 1;
        self.uncopied += landing.uncopied;
        self.other_key += u64::from(landing.under_vault_key == Some(false));
        if !landing.read {
            self.unknown += 1;
        } else if landing.newest.is_none() {
            self.never += 1;
        } else if row.protection == Protection::Stale {
            self.stale += 1;
        } else if row.protection == Protection::Unknown {
            self.unknown += 1;
        }
    }
}

/// All routes of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// The worst, one by one.
    pub worst: Worst<(RouteState, Reverse<u64>, AccountId, Arn), RouteLine>,
    /// By vault and state: how many.
    pub by_vault: BTreeMap<Arn, BTreeMap<RouteState, u64>>,
    /// Routes to vaults beyond [`MOST_VAULTS`].
    pub to_other_vaults: u64,
    /// What stops copies of every account: the code, and where.
    everywhere: Vec<(String, Stopped)>,
}

impl Routes {
    /// Keeps at most so many one by one.
    pub fn of(most: usize) -> Self {
        Self { worst: Worst::of(most), by_vault: BTreeMap::new(), to_other_vaults: 0, everywhere: Vec::new() }
    }

    /// What stops copies of every account. To be told before the accounts.
    pub fn begin(&mut self, organization: &OrganizationResult) {
        self.everywhere = organization.outcomes.iter().filter_map(|found| Some((found.code.clone(), stops(found)?))).collect();
    }

    /// Adds what an account copies.
    pub fn add(&mut self, account: &AccountResult) {
        let mut lines = BTreeMap::<Arn, RouteLine>::new();
        let line = |vault: &Arn| RouteLine {
            account_id: account.account_id.clone(),
            name: account.name.clone(),
            vault_arn: vault.clone(),
            resources: 0,
            never: 0,
            stale: 0,
            unknown: 0,
            uncopied: 0,
            other_key: 0,
            stopped_by: BTreeSet::new(),
        };
        for row in account.coverage.iter().filter(|row| row.protection != Protection::Excepted) {
            for (at, landing) in row.copies.iter().enumerate() {
                lines.entry(landing.vault_arn.clone()).or_insert_with(|| line(&landing.vault_arn)).add(row, at);
            }
        }
        for found in &account.outcomes {
            if let Some(Stopped::Into(vault)) = stops(found) {
                lines.entry(vault.clone()).or_insert_with(|| line(&vault)).stopped_by.insert(found.code.clone());
            }
        }
        for mut line in lines.into_values() {
            let owner = line.vault_arn.account().filter(|owner| *owner != account.account_id);
            let here = self.everywhere.iter().filter(|(_, stopped)| match stopped {
                Stopped::Into(vault) => *vault == line.vault_arn,
                Stopped::IntoAccount(keeper) => owner.as_ref() == Some(keeper),
                Stopped::Abroad => owner.is_some(),
            });
            line.stopped_by.extend(here.map(|(code, _)| code.clone()));
            let state = line.state();
            if self.by_vault.len() >= MOST_VAULTS && !self.by_vault.contains_key(&line.vault_arn) {
                self.to_other_vaults += 1;
                continue;
            }
            *self.by_vault.entry(line.vault_arn.clone()).or_default().entry(state).or_default() += 1;
            let ill = line.never + line.stale + line.other_key + line.unknown;
            self.worst.push((state, Reverse(ill), line.account_id.clone(), line.vault_arn.clone()), || line);
        }
    }

    /// How many routes are in a state.
    pub fn count(&self, state: RouteState) -> u64 {
        self.by_vault.values().filter_map(|states| states.get(&state)).sum()
    }
}
