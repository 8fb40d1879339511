//! A sweep in steps that can lie far apart: read the organization ([`Sweep::begin`]) and what bounds its accounts ([`Sweep::bound`]), read each account
//! ([`Sweep::collect`]), read what the vaults that keep copies hold ([`Sweep::vaults`], [`Sweep::gather`]), put together where copies go
//! ([`Sweep::ready`]), judge each account ([`Judging`]).
//!
//! What a step finds lies among the parts until the last step has read it, so that the steps may be functions of their own, an account may fail and be
//! read again alone, and nobody holds more than a few accounts in memory: what arrived in a vault lies in buckets of the accounts that it came from,
//! and is judged bucket by bucket. The terminal takes the same steps one after the other.

mod arrivals;
mod judge;
mod parts;
mod ready;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures_util::future::ready;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use guardian_aws::answers::Answers;
use guardian_aws::readers::{Bounds, Readers, Reading, closed};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::{Scope, worth_another_look};
use guardian_core::evidence::{AccountInventory, Fact, Gap, OrganizationInventory};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use arrivals::{Arriving, Segments};
pub use judge::Judging;
use parts::get_json;
pub use parts::{FolderParts, PartError, Parts};
pub use ready::{Ready, Routes};
pub use write::{Forms, ReportError, changes, judge_to, open, write_forms};

/// What is to be swept.
#[derive(Clone, Debug)]
pub struct Order {
    /// The moment of the sweep.
    pub now: Timestamp,
    /// The Regions.
    pub regions: Vec<Region>,
    /// These accounts only, and those that keep the copies; none: every active account of the organization.
    pub accounts: Vec<AccountId>,
    /// What holds for all of it.
    pub scope: Scope,
}

/// A sweep over answers, with its parts in one place.
#[derive(Debug)]
pub struct Sweep<A, P> {
    readers: Readers<A>,
    parts: P,
    order: Order,
    /// Keys that were asked for vault by vault: each once.
    asked: Mutex<BTreeSet<Arn>>,
    /// What bounds the accounts, once somebody knows: of a large organization it takes a megabyte to be read again.
    bounds: OnceCell<Arc<Bounds>>,
}

/// The organization was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// When the sweep began: one that is taken up again keeps its moment.
    pub now: Timestamp,
    /// The organization.
    pub organization: OrganizationInventory,
    /// The accounts to read, by id.
    pub accounts: Vec<AccountId>,
    /// What was ordered: parts of another order are not taken for parts of this one.
    regions: Vec<Region>,
    named: Vec<AccountId>,
    backup_accounts: Vec<AccountId>,
}

/// An account was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// The account.
    pub account_id: AccountId,
    /// Whether anything of it could be read.
    pub read: bool,
    /// Whether something of it could not be, and may be there another time.
    #[serde(default)]
    partial: bool,
    /// The Regions of it that were looked at.
    regions: BTreeSet<Region>,
    /// The vaults of other accounts that its plans copy to.
    destinations: BTreeSet<Arn>,
    /// Its vaults whose recovery points are still to be read.
    vaults: BTreeSet<Arn>,
    /// What arrived in its other vaults.
    arrived: BTreeMap<Arn, Segments>,
}

/// Why a sweep cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The accounts could not be listed, and none were named.
    #[error("the accounts of the organization could not be listed: {0}")]
    NoAccounts(String),
    /// The place of its parts holds those of another sweep.
    #[error("a sweep of other accounts, Regions or backup accounts was begun there")]
    Another,
    /// A part could not be kept.
    #[error(transparent)]
    Part(#[from] PartError),
}

/// Parts that are fetched at the same time: in a bucket each takes some hundredths of a second, and there are thousands.
const PARTS_AT_ONCE: usize = 32;

const BEGUN: &str = "organization.json";
const BOUNDS: &str = "bounds.json";

fn of_account(account: &AccountId) -> String {
    format!("accounts/{account}.json")
}

fn collected(account: &AccountId) -> String {
    format!("collected/{account}.json")
}

impl<A: Answers, P: Parts> Sweep<A, P> {
    /// A sweep.
    pub fn new(readers: Readers<A>, parts: P, order: Order) -> Self {
        Self { readers, parts, order, asked: Mutex::default(), bounds: OnceCell::new() }
    }

    /// Reads the organization, or takes up a sweep that was begun.
    pub async fn begin(&self) -> Result<Begun, SweepError> {
        let Order { regions, accounts: named, scope, .. } = &self.order;
        if let Some(begun) = get_json::<_, Begun>(&self.parts, BEGUN).await? {
            let same = begun.regions == *regions && begun.named == *named && begun.backup_accounts == scope.backup_accounts;
            return if same { Ok(begun) } else { Err(SweepError::Another) };
        }
        let Some(region) = self.order.regions.first() else { return Err(SweepError::NoAccounts("no Region was named".to_owned())) };
        let organization = self.readers.organization_inventory(region, self.order.now).await;
        let mut accounts = self.order.accounts.clone();
        if accounts.is_empty() {
            let members = match &organization.members {
                Fact::Known { value, .. } => value,
                Fact::Gap(gap) => return Err(SweepError::NoAccounts(in_words(gap))),
                Fact::NotAsked => return Err(SweepError::NoAccounts("nobody said in which account to ask for them".to_owned())),
            };
            let active =
                members.iter().filter(|member| !matches!(member.status.as_deref(), Some("SUSPENDED" | "PENDING_CLOSURE" | "CLOSED")));
            accounts = active.map(|member| member.account_id.clone()).collect();
        }
        // Whoever names some accounts means the accounts that are backed up. What became of the vaults of the copies concerns them all.
        accounts.extend(scope.backup_accounts.iter().cloned());
        accounts.sort();
        accounts.dedup();
        let begun = Begun {
            now: self.order.now,
            organization,
            accounts,
            regions: regions.clone(),
            named: named.clone(),
            backup_accounts: scope.backup_accounts.clone(),
        };
        self.parts.put_json(BEGUN, &begun).await?;
        Ok(begun)
    }

    /// Reads what bounds the accounts, unless it was read before. Nothing needs it before accounts are judged, and it takes its time: the policies of
    /// an organization are told slowly.
    pub async fn bound(&self, begun: &Begun) -> Result<Arc<Bounds>, PartError> {
        let read = || async {
            if let Some(bounds) = get_json(&self.parts, BOUNDS).await? {
                return Ok(Arc::new(bounds));
            }
            let bounds = self.readers.organization_bounds(&begun.organization).await;
            self.parts.put_json(BOUNDS, &bounds).await?;
            Ok(Arc::new(bounds))
        };
        self.bounds.get_or_try_init(read).await.cloned()
    }

    /// Reads an account, unless it was read before. Of an account that keeps copies the recovery points are left to [`gather`](Self::gather).
    pub async fn collect(&self, begun: &Begun, account: &AccountId) -> Result<Collected, PartError> {
        // Who could not be reached, or not to the end, is asked again: that is what a sweep is taken up for.
        if let Some(collected) = self.collected(account).await?
            && collected.read
            && !collected.partial
        {
            return Ok(collected);
        }
        let keeps = self.order.scope.backup_accounts.contains(account);
        let reading = Reading { regions: self.order.regions.clone(), trusts: keeps, points: !keeps, now: begun.now };
        let read = Box::pin(self.readers.account_inventory(account, &reading)).await;
        let inventory = &read.inventory;
        let mut done = Collected {
            account_id: account.clone(),
            read: closed(inventory).is_none(),
            partial: worth_another_look(inventory),
            regions: inventory.regions.keys().cloned().collect(),
            destinations: destinations(inventory),
            vaults: if keeps { unread(inventory) } else { BTreeSet::new() },
            arrived: BTreeMap::new(),
        };
        for (vault, points) in read.arrived {
            let mut arriving = Arriving::new(&self.parts, begun, &vault);
            arriving.put(points).await?;
            done.arrived.insert(vault.clone(), arriving.segments());
        }
        self.parts.put_json(&of_account(account), inventory).await?;
        // Last: it says that the rest is there.
        self.parts.put_json(&collected(account), &done).await?;
        Ok(done)
    }

    async fn collected(&self, account: &AccountId) -> Result<Option<Collected>, PartError> {
        get_json(&self.parts, &collected(account)).await
    }

    /// What was read of every account, by id; of one that nobody read there is nothing.
    fn all_collected<'a>(&'a self, begun: &'a Begun) -> impl Stream<Item = Result<Collected, PartError>> + Unpin {
        let parts = stream::iter(&begun.accounts).map(|account| self.collected(account)).buffered(PARTS_AT_ONCE);
        Box::pin(parts.try_filter_map(|collected| ready(Ok(collected))))
    }

    async fn inventory(&self, account: &AccountId) -> Result<Option<AccountInventory>, PartError> {
        get_json(&self.parts, &of_account(account)).await
    }
}

fn in_words(gap: &Gap) -> String {
    let code = guardian_core::report::inert_text(gap.detail.as_deref().unwrap_or_default());
    format!("`{}` in {} answered {code}", gap.action, gap.account_id)
}

/// The vaults of other accounts that the plans of an account copy to.
fn destinations(inventory: &AccountInventory) -> BTreeSet<Arn> {
    let plans = inventory.regions.values().filter_map(|region| region.plans.known()).flatten();
    let rules = plans.filter_map(|plan| plan.plan.known()).flat_map(|plan| &plan.rules);
    let arns = rules.flat_map(|rule| &rule.copy_actions).map(|action| &action.destination_vault_arn);
    arns.filter(|arn| arn.account().as_ref() != Some(&inventory.account_id)).cloned().collect()
}

/// The vaults whose recovery points nobody asked for.
fn unread(inventory: &AccountInventory) -> BTreeSet<Arn> {
    let vaults = inventory.regions.values().filter_map(|region| region.vaults.known()).flatten();
    vaults.filter(|vault| matches!(vault.points, Fact::NotAsked)).map(|vault| vault.vault.arn.clone()).collect()
}
