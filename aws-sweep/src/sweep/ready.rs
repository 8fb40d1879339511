//! Where copies go, once everything was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures_util::TryStreamExt as _;
use guardian_aws::answers::Answers;
use guardian_aws::readers::{Bounds, Readers, closed};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::{OrganizationResult, OrganizationView, SWEEP_SCHEMA, SweepHead, judge_organization};
use guardian_core::evidence::{
    AccountInventory, Bound, Destination, Fact, Gap, GapReason, OrganizationInventory, RegionInventory, RegionSettings, Vault,
    VaultInventory,
};
use guardian_core::ports::KeyReader as _;
use guardian_core::prediction::{Held, KeptRoutes, ObjectId, decided_by_grants, keep};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::arrivals::{Gathered, Segments};
use super::{Begun, PartError, Parts, Sweep};

/// Everything was read: accounts can be judged.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The organization.
    pub organization: OrganizationInventory,
    /// What bounds its accounts.
    pub(super) bounds: Arc<Bounds>,
    /// The accounts, by id.
    pub accounts: Vec<AccountId>,
    /// The vaults that copies of other accounts go to.
    pub destinations: BTreeMap<Arn, Destination>,
    /// What of each of them was read.
    pub(super) listed: BTreeMap<Arn, Listed>,
    /// Who keeps the copies of the accounts while they are judged, where somebody does.
    keeper: Option<Keeper>,
}

/// Who keeps copies, and the objects of several accounts that were handed over already.
#[derive(Clone, Debug)]
struct Keeper {
    routes: mpsc::Sender<Routes>,
    handed: Arc<Mutex<BTreeSet<ObjectId>>>,
}

/// The copies of an account, as they were seen when it was judged.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The account.
    pub account_id: AccountId,
    /// When it was read.
    pub at: Timestamp,
    /// Its copies and what decides them.
    pub kept: KeptRoutes,
}

impl Ready {
    /// Hands the copies of every account that is judged from now on to whoever takes them; where nobody takes them any longer they are dropped.
    pub fn keep_for(&mut self, keeper: mpsc::Sender<Routes>) {
        self.keeper = Some(Keeper { routes: keeper, handed: Arc::default() });
    }

    /// Of an account that let nobody in nothing was seen, so what is kept of it stays.
    pub(super) async fn keep<A: Answers>(&self, inventory: &AccountInventory, readers: &Readers<A>) {
        let Some(keeper) = self.keeper.as_ref().filter(|_| closed(inventory).is_none()) else { return };
        let bounds = |account: &AccountId| {
            let of = |kind| self.bounds.of(&self.organization, account, kind);
            (of(Bound::Scp), of(Bound::Rcp))
        };
        let mut kept = keep(inventory, &self.destinations, &self.organization, bounds);
        if let Ok(mut handed) = keeper.handed.lock() {
            let others = kept.objects.keys().filter(|id| id.account().as_ref() != Some(&inventory.account_id));
            kept.kept_already = others.filter(|id| !handed.insert((*id).clone())).cloned().collect();
        }
        // What a grant lets somebody do is read only where nothing else does: keys of volumes have thousands.
        for key in decided_by_grants(&kept) {
            let id = ObjectId::Key(key.clone());
            if let Some(Held::Key { grants, .. }) = kept.objects.get_mut(&id).filter(|_| !kept.kept_already.contains(&id)) {
                *grants = readers.grants(&key).await;
            }
        }
        // Who waits here is as slow as the table is.
        if keeper.routes.send(Routes { account_id: inventory.account_id.clone(), at: inventory.at, kept }).await.is_err() {
            tracing::warn!(account = %inventory.account_id, "the routes of an account are not kept anew: whoever keeps them has ended");
        }
    }
}

/// Whether the recovery points of a vault could be listed, and where they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    /// The vault itself.
    pub(super) vault: Arc<Fact<Vault>>,
    pub(super) read: Fact<()>,
    pub(super) segments: Segments,
}

impl<A: Answers, P: Parts> Sweep<A, P> {
    /// Looks at the vaults that copies go to: as they were read with their account, else by themselves.
    pub async fn ready(&self, begun: Begun) -> Result<Ready, PartError> {
        let mut by_owner = BTreeMap::<AccountId, BTreeSet<Arn>>::new();
        let mut arrived = BTreeMap::<Arn, Segments>::new();
        let mut all = self.all_collected(&begun);
        while let Some(collected) = all.try_next().await? {
            arrived.extend(collected.arrived);
            for arn in collected.destinations {
                if let Some(owner) = arn.account() {
                    by_owner.entry(owner).or_default().insert(arn);
                }
            }
        }
        drop(all);
        let bounds = self.bound(&begun).await?;
        let Begun { organization, accounts, .. } = begun;
        let mut ready = Ready { organization, bounds, accounts, destinations: BTreeMap::new(), listed: BTreeMap::new(), keeper: None };
        for (owner, arns) in by_owner {
            let inventory = self.inventory(&owner).await?;
            for arn in arns {
                let gathered = self.gathered(&arn).await?;
                let segments = arrived.remove(&arn).unwrap_or_default();
                let (destination, mut listed) = destination(inventory.as_ref(), gathered, segments, &arn);
                listed.vault = destination.vault.clone().into();
                ready.destinations.insert(arn.clone(), destination);
                ready.listed.insert(arn, listed);
            }
        }
        ready.organization.opt_in = self.opt_in(&ready.organization).await?;
        Ok(ready)
    }

    /// What the management account switched on: as it was read with the account, else by itself.
    async fn opt_in(&self, organization: &OrganizationInventory) -> Result<BTreeMap<Region, Fact<RegionSettings>>, PartError> {
        let Some(organization) = organization.organization.known() else { return Ok(BTreeMap::new()) };
        let management = &organization.management_account;
        let inventory = self.inventory(management).await?;
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
}

fn destination(inventory: Option<&AccountInventory>, gathered: Option<Gathered>, segments: Segments, arn: &Arn) -> (Destination, Listed) {
    let region = inventory.zip(arn.region()).and_then(|(inventory, region)| inventory.regions.get(&region));
    match (region, gathered) {
        (Some(region), gathered) => {
            let (destination, read) = as_read(region, arn);
            match gathered {
                Some(Gathered { points, segments, .. }) => {
                    (destination, Listed { read: points.map_known(|_| ()), segments, ..Listed::default() })
                }
                None => (destination, Listed { read: asked(read, arn), segments, ..Listed::default() }),
            }
        }
        (None, Some(Gathered { alone: Some(destination), points, segments, .. })) => {
            (destination, Listed { read: points.map_known(|_| ()), segments, ..Listed::default() })
        }
        (None, _) => {
            let gap = inventory.and_then(closed).cloned().or_else(|| not_read(arn));
            let gap = gap.map_or(Fact::NotAsked, Fact::Gap);
            (Destination { vault: gap, ..Destination::default() }, Listed::default())
        }
    }
}

/// What was to be read, and was not: whoever should have read it did not come to an end.
pub(super) fn asked<T>(read: Fact<T>, vault: &Arn) -> Fact<T> {
    match read {
        Fact::NotAsked => not_read(vault).map_or(Fact::NotAsked, Fact::Gap),
        read => read,
    }
}

fn not_read(vault: &Arn) -> Option<Gap> {
    Some(Gap {
        action: "backup:ListRecoveryPointsByBackupVault".to_owned(),
        account_id: vault.account()?,
        region: vault.region(),
        reason: GapReason::Unavailable,
        detail: Some("the vault was not read".to_owned()),
    })
}

fn known_vault(vault: &VaultInventory, at: Timestamp) -> Fact<Vault> {
    Fact::Known { value: vault.vault.clone(), source: region_list(), at }
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
            action: region_list(),
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
