//! Accounts are judged one after the other, by id; what arrived of them is taken from its bucket.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::future::try_join_all;
use guardian_aws::answers::Answers;
use guardian_core::arn::{AccountId, Arn};
use guardian_core::compliance::{AccountResult, AccountView, judge_account};
use guardian_core::coverage::{ArrivalsByVault, cover};
use guardian_core::evidence::{AccountInventory, Fact, Gap, GapReason};
use jiff::Timestamp;

use super::arrivals::buckets;
use super::ready::asked;
use super::{PartError, Parts, Ready, Sweep, destinations};

/// Accounts that are fetched at the same time.
const AT_ONCE: usize = 8;

/// The judgement of all accounts, by id.
#[derive(Debug)]
pub struct Judging<'a, A, P> {
    sweep: &'a Sweep<A, P>,
    ready: &'a Ready,
    /// What is left, in pieces of one bucket each.
    left: VecDeque<(usize, &'a [AccountId])>,
    bucket: Option<usize>,
    arrived: BTreeMap<AccountId, ArrivalsByVault>,
    judged: VecDeque<AccountResult>,
}

impl<A: Answers, P: Parts> Sweep<A, P> {
    /// Begins to judge the accounts.
    pub fn judging<'a>(&'a self, ready: &'a Ready) -> Judging<'a, A, P> {
        let pieces = |(bucket, accounts): (usize, &'a [AccountId])| accounts.chunks(AT_ONCE).map(move |few| (bucket, few));
        let left = buckets(&ready.accounts).flat_map(pieces).collect();
        Judging { sweep: self, ready, left, bucket: None, arrived: BTreeMap::new(), judged: VecDeque::new() }
    }

    /// An account with everything that was read of it. One that nobody read is not evaluated.
    pub(super) async fn whole(&self, ready: &Ready, account: &AccountId) -> Result<AccountInventory, PartError> {
        let inventory = self.inventory(account).await?;
        let mut inventory = inventory.unwrap_or_else(|| not_read(account, ready.organization.at));
        if !self.order.scope.backup_accounts.contains(account) {
            return Ok(inventory);
        }
        for region in inventory.regions.values_mut() {
            let Fact::Known { value: vaults, .. } = &mut region.vaults else { continue };
            for vault in vaults.iter_mut().filter(|vault| matches!(vault.points, Fact::NotAsked)) {
                match self.gathered(&vault.vault.arn).await? {
                    Some(gathered) => {
                        (vault.points, vault.copies) = (gathered.points, gathered.copies);
                        region.keys.extend(gathered.keys);
                    }
                    None => vault.points = asked(Fact::NotAsked, &vault.vault.arn),
                }
            }
        }
        Ok(inventory)
    }

    fn judge(&self, ready: &Ready, inventory: &AccountInventory, arrived: Option<ArrivalsByVault>) -> AccountResult {
        let arrivals = arrivals(ready, &destinations(inventory), arrived.unwrap_or_default());
        let Ready { organization, destinations, .. } = ready;
        let (now, scope) = (organization.at, &self.order.scope);
        let coverage = cover(inventory, &arrivals, organization, scope, now);
        judge_account(&AccountView { now, scope, organization, destinations, account: inventory, arrivals: &arrivals, coverage: &coverage })
    }
}

impl<A: Answers, P: Parts> Judging<'_, A, P> {
    /// The next account; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<AccountResult>, PartError> {
        if let Some(judged) = self.judged.pop_front() {
            return Ok(Some(judged));
        }
        let Some((bucket, accounts)) = self.left.pop_front() else { return Ok(None) };
        if self.bucket != Some(bucket) {
            self.arrived = BTreeMap::new();
            self.arrived = self.sweep.bucket(self.ready, bucket).await?;
            self.bucket = Some(bucket);
        }
        let read = try_join_all(accounts.iter().map(|account| self.sweep.whole(self.ready, account))).await?;
        for inventory in read {
            let arrived = self.arrived.remove(&inventory.account_id);
            self.judged.push_back(self.sweep.judge(self.ready, &inventory, arrived));
        }
        Ok(self.judged.pop_front())
    }
}

/// What arrived of an account in the vaults that it names. A vault that was read and has nothing of it is there, and empty.
fn arrivals(ready: &Ready, named: &BTreeSet<Arn>, mut arrived: ArrivalsByVault) -> ArrivalsByVault {
    arrived.retain(|vault, _| named.contains(vault));
    for vault in named {
        arrived.entry(vault.clone()).or_insert_with(|| ready.nothing_in(vault));
    }
    arrived
}

fn not_read(account: &AccountId, at: Timestamp) -> AccountInventory {
    AccountInventory {
        account_id: account.clone(),
        at,
        wanted_plans: Fact::NotAsked,
        scps: Fact::NotAsked,
        rcps: Fact::NotAsked,
        service_linked_role: Fact::Gap(Gap {
            action: "sts:AssumeRole".to_owned(),
            account_id: account.clone(),
            region: None,
            reason: GapReason::Unavailable,
            detail: Some("the account was not read".to_owned()),
        }),
        roles: BTreeMap::new(),
        trusts: Fact::NotAsked,
        regions: BTreeMap::new(),
    }
}
