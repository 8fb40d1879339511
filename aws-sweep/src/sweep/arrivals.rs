//! What arrived in the vaults that keep copies: read vault by vault, kept in buckets of the accounts that it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use futures_util::TryStreamExt as _;
use guardian_aws::answers::Answers;
use guardian_aws::readers::{Fold, Holdings};
use guardian_core::arn::{AccountId, Arn};
use guardian_core::coverage::{Arrivals, ArrivalsByVault};
use guardian_core::evidence::{Copies, Destination, Fact, KeyInventory, RegionInventory, ResourcePoints, Vault, VaultInventory};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Begun, PartError, Parts, Ready, Sweep, get_json};

/// Accounts of one bucket. They are judged together, so this many are held at a time.
const BUCKET: usize = 64;

/// How many pieces lie in each bucket.
pub(super) type Segments = BTreeMap<usize, usize>;

/// A vault was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Gathered {
    /// The vault, where nobody else reads its account.
    pub(super) alone: Option<Destination>,
    /// What of its own account it holds.
    pub(super) points: Fact<Vec<ResourcePoints>>,
    /// What of others, in sum.
    pub(super) copies: Copies,
    /// Keys of its recovery points that nobody had asked for.
    pub(super) keys: BTreeMap<Arn, KeyInventory>,
    /// What of others, one by one.
    pub(super) segments: Segments,
}

/// A name of its own for a vault. Plans of member accounts name vaults, so that the name of a part must not be made of theirs.
fn of_vault(arn: &Arn) -> String {
    Sha256::digest(arn.as_str()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn gathered(arn: &Arn) -> String {
    format!("vaults/{}.json", of_vault(arn))
}

fn segment(bucket: usize, vault: &Arn, number: usize) -> String {
    format!("arrivals/{bucket}/{}/{number}.json", of_vault(vault))
}

/// The bucket of an account; `None` for one that is not swept.
pub(super) fn bucket(accounts: &[AccountId], account: &AccountId) -> Option<usize> {
    accounts.binary_search(account).ok().map(|place| place / BUCKET)
}

/// The accounts by bucket.
pub(super) fn buckets(accounts: &[AccountId]) -> std::slice::Chunks<'_, AccountId> {
    accounts.chunks(BUCKET)
}

/// Puts what arrived in a vault into the buckets.
pub(super) struct Arriving<'a, P> {
    parts: &'a P,
    accounts: &'a [AccountId],
    vault: &'a Arn,
    segments: Segments,
}

impl<'a, P: Parts> Arriving<'a, P> {
    pub(super) fn new(parts: &'a P, begun: &'a Begun, vault: &'a Arn) -> Self {
        Self { parts, accounts: &begun.accounts, vault, segments: Segments::new() }
    }

    pub(super) async fn put(&mut self, points: Vec<ResourcePoints>) -> Result<(), PartError> {
        let mut by_bucket = BTreeMap::<usize, Vec<&ResourcePoints>>::new();
        for points in &points {
            let source = points.copied_from.as_ref().and_then(Arn::account);
            if let Some(bucket) = source.and_then(|source| bucket(self.accounts, &source)) {
                by_bucket.entry(bucket).or_default().push(points);
            }
        }
        for (bucket, points) in by_bucket {
            let number = self.segments.entry(bucket).or_default();
            self.parts.put_json(&segment(bucket, self.vault, *number), &points).await?;
            *number += 1;
        }
        Ok(())
    }

    pub(super) fn segments(self) -> Segments {
        self.segments
    }
}

impl<A: Answers, P: Parts> Sweep<A, P> {
    /// The vaults that are still to be read when every account was: those that keep copies, and those of accounts that are not swept.
    pub async fn vaults(&self, begun: &Begun) -> Result<Vec<Arn>, PartError> {
        let mut vaults = BTreeSet::new();
        let mut named = BTreeMap::<AccountId, BTreeSet<Arn>>::new();
        let mut all = self.all_collected(begun);
        while let Some(collected) = all.try_next().await? {
            vaults.extend(collected.vaults);
            for arn in collected.destinations {
                if let Some(owner) = arn.account() {
                    named.entry(owner).or_default().insert(arn);
                }
            }
        }
        for (owner, arns) in named {
            match self.collected(&owner).await? {
                // Of an account that lets nobody in, no vault is asked for either.
                Some(owner) if !owner.read => {}
                Some(owner) => {
                    vaults.extend(arns.into_iter().filter(|arn| arn.region().is_none_or(|region| !owner.regions.contains(&region))))
                }
                None => vaults.extend(arns),
            }
        }
        Ok(vaults.into_iter().collect())
    }

    /// Reads what a vault holds, unless it was read before.
    pub async fn gather(&self, begun: &Begun, arn: &Arn) -> Result<(), PartError> {
        if self.gathered(arn).await?.is_some_and(|gathered| gathered.points.gap().is_none()) {
            return Ok(());
        }
        let inventory = match arn.account() {
            Some(owner) => self.inventory(&owner).await?,
            None => None,
        };
        let region = inventory.as_ref().zip(arn.region()).and_then(|(inventory, region)| inventory.regions.get(&region));
        let (alone, vault) = match region {
            Some(region) => (None, of_region(region, arn)),
            None => {
                let alone = self.alone(arn).await;
                let vault = alone.vault.clone();
                (Some(alone), vault)
            }
        };
        let mut arriving = Arriving::new(&self.parts, begun, arn);
        let holdings = match vault {
            Fact::Known { value, .. } => self.holdings(&value, begun.now, &mut arriving).await?,
            Fact::Gap(gap) => Fact::Gap(gap),
            Fact::NotAsked => Fact::NotAsked,
        };
        let mut done =
            Gathered { alone, points: Fact::NotAsked, copies: Copies::default(), keys: BTreeMap::new(), segments: arriving.segments() };
        let mut keys = BTreeSet::new();
        done.points = holdings.map_known(|holdings| {
            done.copies = holdings.copies;
            keys = holdings.keys;
            holdings.own
        });
        if let (Some(region), Some(owner), Some(place)) = (region, arn.account(), arn.region()) {
            {
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                keys.retain(|key| !region.keys.contains_key(key) && asked.insert(key.clone()));
            }
            done.keys = self.readers.keys(&owner, &place, keys).await;
        }
        self.parts.put_json(&gathered(arn), &done).await
    }

    pub(super) async fn gathered(&self, arn: &Arn) -> Result<Option<Gathered>, PartError> {
        get_json(&self.parts, &gathered(arn)).await
    }

    /// A vault of an account that is not swept.
    async fn alone(&self, arn: &Arn) -> Destination {
        use guardian_core::ports::{BackupReader as _, KeyReader as _};
        let (vault, policy) = tokio::join!(self.readers.vault(arn), self.readers.vault_policy(arn));
        let key = vault.known().and_then(|vault| vault.encryption_key_arn.clone());
        let (key, key_policy) = match &key {
            Some(key) => tokio::join!(self.readers.key(key), self.readers.key_policy(key)),
            None => (Fact::NotAsked, Fact::NotAsked),
        };
        Destination { vault, policy, key, key_policy }
    }

    async fn holdings(&self, vault: &Vault, at: Timestamp, arriving: &mut Arriving<'_, P>) -> Result<Fact<Holdings>, PartError> {
        if vault.points == Some(0) {
            return Ok(Fact::Known { value: Holdings::default(), source: "backup:ListBackupVaults".to_owned(), at });
        }
        let (Some(owner), Some(mut pages)) = (vault.arn.account(), self.readers.points(vault)) else { return Ok(Fact::NotAsked) };
        let mut fold = Fold::of(owner);
        loop {
            match pages.fold(&mut fold).await {
                Ok(None) if fold.arrived() < P::MOST_HELD => {}
                Ok(None) => arriving.put(fold.take_arrived()).await?,
                Ok(Some(at)) => {
                    arriving.put(fold.take_arrived()).await?;
                    return Ok(Fact::Known { value: fold.done(), source: pages.action(), at });
                }
                Err(gap) => return Ok(Fact::Gap(gap)),
            }
        }
    }

    /// What arrived of the accounts of a bucket.
    pub(super) async fn bucket(&self, ready: &Ready, bucket: usize) -> Result<BTreeMap<AccountId, ArrivalsByVault>, PartError> {
        let mut folded = BTreeMap::<(AccountId, &Arn, Arn, Arn), ResourcePoints>::new();
        for (vault, listed) in &ready.listed {
            for number in 0..listed.segments.get(&bucket).copied().unwrap_or_default() {
                let all = get_json::<_, Vec<ResourcePoints>>(&self.parts, &segment(bucket, vault, number)).await?;
                for points in all.unwrap_or_default() {
                    let Some(from) = points.copied_from.clone() else { continue };
                    let Some(source) = from.account() else { continue };
                    match folded.entry((source, vault, points.resource_arn.clone(), from)) {
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            entry.insert(points);
                        }
                        std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().absorb(points),
                    }
                }
            }
        }
        let mut arrived = BTreeMap::<AccountId, ArrivalsByVault>::new();
        for ((source, vault, ..), points) in folded {
            let arrivals = arrived.entry(source).or_default().entry(vault.clone()).or_insert_with(|| ready.nothing_in(vault));
            if let Fact::Known { value, .. } = &mut arrivals.points {
                value.push(points);
            }
        }
        Ok(arrived)
    }
}

impl Ready {
    /// A vault in which nothing arrived, as far as it was read.
    pub(super) fn nothing_in(&self, vault: &Arn) -> Arrivals {
        let Some(listed) = self.listed.get(vault) else { return Arrivals::default() };
        Arrivals { vault: Arc::clone(&listed.vault), points: listed.read.clone().map_known(|()| Vec::new()) }
    }
}

/// A vault as it was listed with its Region.
fn of_region(region: &RegionInventory, arn: &Arn) -> Fact<Vault> {
    let find = |vaults: &Vec<VaultInventory>| vaults.iter().find(|vault| vault.vault.arn == *arn).map(|vault| vault.vault.clone());
    match &region.vaults {
        Fact::Known { value, source, at } => match find(value) {
            Some(value) => Fact::Known { value, source: source.clone(), at: *at },
            None => Fact::NotAsked,
        },
        Fact::Gap(gap) => Fact::Gap(gap.clone()),
        Fact::NotAsked => Fact::NotAsked,
    }
}
