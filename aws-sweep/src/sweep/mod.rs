//! A sweep in steps that can lie far apart: read the organization, read each account, look at where copies go, judge each account.
//!
//! What a step finds lies among the parts until the last step has read it, so that the steps may be functions of their own, an account may fail and be
//! read again alone, and nobody holds more than one account in memory. The terminal takes the same steps one after the other.

mod parts;

use std::collections::{BTreeMap, BTreeSet};

use guardian_aws::answers::Answers;
use guardian_aws::readers::{Bounds, Readers, Reading};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::{
    AccountResult, AccountView, OrganizationResult, OrganizationView, SWEEP_SCHEMA, Scope, SweepHead, judge_account, judge_organization,
};
use guardian_core::coverage::{Arrivals, ArrivalsByVault, cover};
use guardian_core::evidence::{
    AccountInventory, Destination, Fact, Gap, GapReason, OrganizationInventory, RegionInventory, RegionSettings, ResourcePoints, Vault,
    VaultInventory,
};
use guardian_core::ports::{BackupReader as _, KeyReader as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use parts::{FolderParts, PartError, Parts};
use parts::{get_json, put_json};

/// What is to be swept.
#[derive(Clone, Debug)]
pub struct Order {
    /// The moment of the sweep.
    pub now: Timestamp,
    /// The Regions.
    pub regions: Vec<Region>,
    /// These accounts only; none: every active account of the organization.
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
}

/// The organization was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// When the sweep began: one that is taken up again keeps its moment.
    pub now: Timestamp,
    /// The organization.
    pub organization: OrganizationInventory,
    /// What bounds its accounts.
    bounds: Bounds,
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
    /// The vaults of other accounts that its plans copy to.
    pub destinations: BTreeSet<Arn>,
    /// Whether anything of it could be read.
    pub read: bool,
}

/// Everything was read: accounts can be judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// The organization.
    pub organization: OrganizationInventory,
    /// The vaults that copies of other accounts go to.
    pub destinations: BTreeMap<Arn, Destination>,
    /// Of each of them, whether its recovery points could be listed.
    listed: BTreeMap<Arn, Fact<()>>,
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

const BEGUN: &str = "organization.json";

fn of_account(account: &AccountId) -> String {
    format!("accounts/{account}.json")
}

fn collected(account: &AccountId) -> String {
    format!("collected/{account}.json")
}

/// What arrived of one account in the vaults of another.
fn arrived(source: &AccountId, owner: &AccountId) -> String {
    format!("arrivals/{source}/{owner}.json")
}

impl<A: Answers, P: Parts> Sweep<A, P> {
    /// A sweep.
    pub fn new(readers: Readers<A>, parts: P, order: Order) -> Self {
        Self { readers, parts, order }
    }

    /// Reads the organization, or takes up a sweep that was begun.
    pub async fn begin(&self) -> Result<Begun, SweepError> {
        let Order { regions, accounts: named, scope, .. } = &self.order;
        if let Some(begun) = get_json::<_, Begun>(&self.parts, BEGUN).await? {
            let same = begun.regions == *regions && begun.named == *named && begun.backup_accounts == scope.backup_accounts;
            return if same { Ok(begun) } else { Err(SweepError::Another) };
        }
        let Some(region) = self.order.regions.first() else { return Err(SweepError::NoAccounts("no Region was named".to_owned())) };
        let (organization, bounds) = self.readers.organization_inventory(region, self.order.now).await;
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
        accounts.sort();
        accounts.dedup();
        let begun = Begun {
            now: self.order.now,
            organization,
            bounds,
            accounts,
            regions: regions.clone(),
            named: named.clone(),
            backup_accounts: scope.backup_accounts.clone(),
        };
        put_json(&self.parts, BEGUN, &begun).await?;
        Ok(begun)
    }

    /// Reads an account, unless it was read before.
    pub async fn collect(&self, begun: &Begun, account: &AccountId) -> Result<Collected, PartError> {
        // Who could not be reached is asked again: that is what a sweep is taken up for.
        if let Some(collected) = get_json::<_, Collected>(&self.parts, &collected(account)).await?
            && collected.read
        {
            return Ok(collected);
        }
        let reading =
            Reading { regions: self.order.regions.clone(), trusts: self.order.scope.backup_accounts.contains(account), now: begun.now };
        let inventory = Box::pin(self.readers.account_inventory(account, &reading, &begun.bounds)).await;
        for (source, vaults) in arrivals(&inventory) {
            put_json(&self.parts, &arrived(&source, account), &vaults).await?;
        }
        let done = Collected {
            account_id: account.clone(),
            destinations: destinations(&inventory),
            read: guardian_aws::readers::closed(&inventory).is_none(),
        };
        put_json(&self.parts, &of_account(account), &inventory).await?;
        // Last: it says that the rest is there.
        put_json(&self.parts, &collected(account), &done).await?;
        Ok(done)
    }

    /// Looks at the vaults that copies go to: as they were read with their account, else by themselves.
    pub async fn ready(&self, begun: Begun, collected: &[Collected]) -> Result<Ready, PartError> {
        let mut by_owner = BTreeMap::<AccountId, BTreeSet<Arn>>::new();
        for arn in collected.iter().flat_map(|one| &one.destinations) {
            if let Some(owner) = arn.account() {
                by_owner.entry(owner).or_default().insert(arn.clone());
            }
        }
        let mut ready = Ready { organization: begun.organization, destinations: BTreeMap::new(), listed: BTreeMap::new() };
        for (owner, arns) in by_owner {
            let inventory = get_json::<_, AccountInventory>(&self.parts, &of_account(&owner)).await?;
            let mut elsewhere = BTreeMap::<AccountId, ArrivalsByVault>::new();
            for arn in arns {
                let region = inventory.as_ref().zip(arn.region()).and_then(|(inventory, region)| inventory.regions.get(&region));
                let (destination, listed) = match region {
                    Some(region) => as_read(region, &arn),
                    None => {
                        let (destination, points) = self.alone(&arn, begun.now).await;
                        for points in points.known().into_iter().flatten() {
                            add(&mut elsewhere, &arn, &destination.vault, points);
                        }
                        (destination, points.map_known(|_| ()))
                    }
                };
                ready.destinations.insert(arn.clone(), destination);
                ready.listed.insert(arn, listed);
            }
            for (source, vaults) in elsewhere {
                let name = arrived(&source, &owner);
                let mut all = get_json::<_, ArrivalsByVault>(&self.parts, &name).await?.unwrap_or_default();
                all.extend(vaults);
                put_json(&self.parts, &name, &all).await?;
            }
        }
        ready.organization.opt_in = self.opt_in(&ready.organization).await?;
        Ok(ready)
    }

    /// What the management account switched on: as it was read with the account, else by itself.
    async fn opt_in(&self, organization: &OrganizationInventory) -> Result<BTreeMap<Region, Fact<RegionSettings>>, PartError> {
        let Some(organization) = organization.organization.known() else { return Ok(BTreeMap::new()) };
        let management = &organization.management_account;
        let inventory = get_json::<_, AccountInventory>(&self.parts, &of_account(management)).await?;
        let mut settings = BTreeMap::new();
        for region in &self.order.regions {
            let read = inventory.as_ref().and_then(|inventory| inventory.regions.get(region)).map(|region| region.settings.clone());
            let read = match read {
                Some(read) => read,
                None => self.readers.region_settings(management, region).await,
            };
            settings.insert(region.clone(), read);
        }
        Ok(settings)
    }

    async fn alone(&self, arn: &Arn, now: Timestamp) -> (Destination, Fact<Vec<ResourcePoints>>) {
        let (vault, policy) = tokio::join!(self.readers.vault(arn), self.readers.vault_policy(arn));
        let key = vault.known().and_then(|vault| vault.encryption_key_arn.clone());
        let (key, key_policy) = match &key {
            Some(key) => tokio::join!(self.readers.key(key), self.readers.key_policy(key)),
            None => (Fact::NotAsked, Fact::NotAsked),
        };
        let points = match &vault {
            Fact::Known { value, .. } => self.readers.points(value, now).await,
            Fact::Gap(gap) => Fact::Gap(gap.clone()),
            Fact::NotAsked => Fact::NotAsked,
        };
        (Destination { vault, policy, key, key_policy }, points)
    }

    /// What is known before the first account is judged.
    pub fn head(&self, ready: &Ready) -> SweepHead {
        SweepHead {
            schema: SWEEP_SCHEMA.to_owned(),
            at: ready.organization.at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            organization_id: ready.organization.organization.known().map(|organization| organization.id.clone()),
            regions: self.order.regions.clone(),
            backup_accounts: self.order.scope.backup_accounts.clone(),
        }
    }

    /// Judges the organization.
    pub fn judge_organization(&self, ready: &Ready) -> OrganizationResult {
        let Ready { organization, destinations, .. } = ready;
        judge_organization(&OrganizationView { now: organization.at, scope: &self.order.scope, organization, destinations })
    }

    /// Judges an account. One that nobody read is not evaluated.
    pub async fn judge(&self, ready: &Ready, account: &AccountId) -> Result<AccountResult, PartError> {
        let inventory = get_json(&self.parts, &of_account(account)).await?;
        let inventory = inventory.unwrap_or_else(|| not_read(account, ready.organization.at));
        let arrivals = self.arrivals_of(ready, &inventory).await?;
        let Ready { organization, destinations, .. } = ready;
        let (now, scope) = (organization.at, &self.order.scope);
        let coverage = cover(&inventory, &arrivals, organization, scope, now);
        let view = AccountView { now, scope, organization, destinations, account: &inventory, arrivals: &arrivals, coverage: &coverage };
        Ok(judge_account(&view))
    }

    /// What arrived of an account in the vaults of others. A vault that was read and has nothing of it is there, and empty.
    async fn arrivals_of(&self, ready: &Ready, inventory: &AccountInventory) -> Result<ArrivalsByVault, PartError> {
        let named = destinations(inventory);
        let mut all = ArrivalsByVault::new();
        for owner in named.iter().filter_map(Arn::account).collect::<BTreeSet<_>>() {
            all.extend(get_json::<_, ArrivalsByVault>(&self.parts, &arrived(&inventory.account_id, &owner)).await?.unwrap_or_default());
        }
        all.retain(|arn, _| named.contains(arn));
        for arn in named {
            let vault = ready.destinations.get(&arn).map(|destination| destination.vault.clone()).unwrap_or_default();
            let listed = ready.listed.get(&arn).cloned().unwrap_or_default();
            all.entry(arn).or_insert_with(|| Arrivals { vault, points: listed.map_known(|()| Vec::new()) });
        }
        Ok(all)
    }
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

/// What arrived from other accounts, by the account of the vault it came from.
fn arrivals(inventory: &AccountInventory) -> BTreeMap<AccountId, ArrivalsByVault> {
    let mut arrivals = BTreeMap::new();
    for vault in inventory.regions.values().filter_map(|region| region.vaults.known()).flatten() {
        let known = known_vault(vault, inventory.at);
        for points in vault.points.known().into_iter().flatten() {
            add(&mut arrivals, &vault.vault.arn, &known, points);
        }
    }
    arrivals.remove(&inventory.account_id);
    arrivals
}

fn add(arrivals: &mut BTreeMap<AccountId, ArrivalsByVault>, vault_arn: &Arn, vault: &Fact<Vault>, points: &ResourcePoints) {
    let Some(source) = points.copied_from.as_ref().and_then(Arn::account) else { return };
    let arrived = arrivals
        .entry(source)
        .or_default()
        .entry(vault_arn.clone())
        .or_insert_with(|| Arrivals { vault: vault.clone(), points: vault.clone().map_known(|_| Vec::new()) });
    if let Fact::Known { value, .. } = &mut arrived.points {
        value.push(points.clone());
    }
}

fn known_vault(vault: &VaultInventory, at: Timestamp) -> Fact<Vault> {
    Fact::Known { value: vault.vault.clone(), source: "backup:ListBackupVaults".to_owned(), at }
}

/// A vault as it was read with its Region.
fn as_read(region: &RegionInventory, arn: &Arn) -> (Destination, Fact<()>) {
    let (vaults, at) = match &region.vaults {
        Fact::Known { value, at, .. } => (value, *at),
        Fact::Gap(gap) => {
            let vault = Fact::Gap(gap.clone());
            return (Destination { vault, ..Destination::default() }, Fact::Gap(gap.clone()));
        }
        Fact::NotAsked => return Default::default(),
    };
    let Some(vault) = vaults.iter().find(|vault| vault.vault.arn == *arn) else {
        // A complete list that does not have it says that there is no such vault.
        let gap = Gap {
            action: "backup:ListBackupVaults".to_owned(),
            account_id: match arn.account() {
                Some(account) => account,
                None => return Default::default(),
            },
            region: arn.region(),
            reason: GapReason::NotFound,
            detail: None,
        };
        return (Destination { vault: Fact::Gap(gap), ..Destination::default() }, Fact::Known { value: (), source: region_list(), at });
    };
    let key = vault.vault.encryption_key_arn.as_ref().and_then(|key| region.keys.get(key)).cloned().unwrap_or_default();
    let destination = Destination { vault: known_vault(vault, at), policy: vault.policy.clone(), key: key.key, key_policy: key.policy };
    (destination, vault.points.clone().map_known(|_| ()))
}

fn region_list() -> String {
    "backup:ListBackupVaults".to_owned()
}
