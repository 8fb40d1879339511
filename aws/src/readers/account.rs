//! The inventory of one account: every list once, every object that decides something once, and nothing per recovery point.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};
use guardian_core::arn::{AccountId, Arn, Region, backup_service_linked_role};
use guardian_core::evidence::{
    AccountInventory, EbsDefaults, Fact, Gap, GapReason, KeyInventory, KeyManager, ManagementEvents, PlanInventory, RegionInventory,
    RegionSettings, Resource, ResourcePoints, RestoreTesting, Trail, Vault, VaultInventory, VaultNotifications,
};
use guardian_core::ports::{BackupReader as _, KeyReader as _, RoleReader as _};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::jobs::{Lately, newest_restores};
use super::points::{Fold, Holdings};
use super::read::{self, arn, text};
use super::roles::{carriers, roles};
use super::topology::{ids, plan, selection};
use super::{Readers, in_place, items, unreadable};
use crate::answers::{Answer, Answers, Question, always_enabled};

/// Calls of one account and Region that are on their way at the same time.
pub(super) const AT_ONCE: usize = 8;

/// What is read of an account.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The Regions.
    pub regions: Vec<Region>,
    /// Whether everybody who can come in is looked at: in the accounts that keep the copies.
    pub trusts: bool,
    /// Whether the recovery points are read; else they are left to be read vault by vault.
    pub points: bool,
    /// The moment of the sweep.
    pub now: Timestamp,
}

/// What was read of an account.
#[derive(Clone, Debug)]
pub struct AccountRead {
    /// The account.
    pub inventory: AccountInventory,
    /// What arrived from other accounts, by the vault it is in.
    pub arrived: BTreeMap<Arn, Vec<ResourcePoints>>,
}

/// What the vaults of a Region tell beside their inventory.
#[derive(Debug, Default)]
struct Beside {
    arrived: BTreeMap<Arn, Vec<ResourcePoints>>,
    /// The keys of the newest recovery points.
    keys: BTreeSet<Arn>,
}

impl<A: Answers> Readers<A> {
    /// One account as far as it can be read. What cannot is a gap in its place, and stops nothing else. What bounds it is told by
    /// [`Bounds`](super::Bounds).
    pub async fn account_inventory(&self, account: &AccountId, reading: &Reading) -> AccountRead {
        let mut arrived = BTreeMap::new();
        let inventory = self.inventory(account, reading, &mut arrived).await;
        AccountRead { inventory, arrived }
    }

    async fn inventory(
        &self,
        account: &AccountId,
        reading: &Reading,
        arrived: &mut BTreeMap<Arn, Vec<ResourcePoints>>,
    ) -> AccountInventory {
        let mut inventory = AccountInventory {
            account_id: account.clone(),
            at: reading.now,
            wanted_plans: Fact::NotAsked,
            scps: Fact::NotAsked,
            rcps: Fact::NotAsked,
            service_linked_role: Fact::NotAsked,
            roles: BTreeMap::new(),
            carriers: BTreeMap::new(),
            exempt: BTreeMap::new(),
            trusts: Fact::NotAsked,
            regions: BTreeMap::new(),
        };
        let Some(first) = reading.regions.first() else { return inventory };
        if let Ok(role) = Arn::parse(&backup_service_linked_role(first.partition(), account)) {
            inventory.service_linked_role = self.role(&role, first).await;
        }
        // Where nobody lets us in, every other question has the same answer.
        if closed(&inventory).is_some() {
            return inventory;
        }
        inventory.wanted_plans = self.wanted(account, reading.now).await;
        let enabled = self.enabled(account, &reading.regions).await;
        let mut trails = BTreeMap::new();
        for region in &reading.regions {
            let enabled = enabled.get(region).cloned().unwrap_or_default();
            let read = if enabled.known() == Some(&false) {
                RegionInventory { enabled, ..RegionInventory::default() }
            } else {
                let (read, mut beside) = Box::pin(self.region_inventory(account, region, reading, &mut trails)).await;
                arrived.append(&mut beside);
                RegionInventory { enabled, ..read }
            };
            inventory.regions.insert(region.clone(), read);
        }
        for role in roles(&inventory, first) {
            let fact = self.role(&role, first).await;
            inventory.roles.insert(role, fact);
        }
        if reading.trusts {
            inventory.trusts = self.trusts(account).await;
            for role in carriers(&inventory) {
                let fact = self.role(&role, first).await;
                inventory.carriers.insert(role, fact);
            }
            for role in self.exempt(account, &mut inventory).await {
                let fact = self.role(&role, first).await;
                inventory.exempt.insert(role, fact);
            }
        }
        inventory
    }

    async fn wanted(&self, account: &AccountId, now: Timestamp) -> Fact<Vec<guardian_core::evidence::WantedPlan>> {
        if self.answers().organization_account().is_none() {
            return Fact::NotAsked;
        }
        let source = "organizations:DescribeEffectivePolicy".to_owned();
        match self.wanted_plans(account).await {
            Ok(value) => Fact::Known { value, source, at: now },
            Err(gap) => Fact::Gap(gap),
        }
    }

    /// Which of the Regions are switched on; asked only where one of them need not be.
    async fn enabled(&self, account: &AccountId, regions: &[Region]) -> BTreeMap<Region, Fact<bool>> {
        if regions.iter().all(always_enabled) {
            return BTreeMap::new();
        }
        let question =
            Question { account: account.clone(), region: None, service: "account", operation: "ListRegions", request: json!({}) };
        let listed = self
            .ask(&question, |answer| {
                let status = |one: &Value| Some((text(one, "RegionName")?, text(one, "RegionOptStatus")?));
                items(answer, "Regions").map(status).collect::<Option<BTreeMap<_, _>>>()
            })
            .await;
        let optional = regions.iter().filter(|region| !always_enabled(region));
        optional
            .map(|region| {
                let status = |listed: BTreeMap<String, String>| {
                    // While it is being switched off or on, it may answer.
                    listed.get(region.as_str()).is_some_and(|status| status != "DISABLED")
                };
                (region.clone(), listed.clone().map_known(status))
            })
            .collect()
    }

    async fn region_inventory(
        &self,
        account: &AccountId,
        region: &Region,
        reading: &Reading,
        trails: &mut BTreeMap<Arn, Trail>,
    ) -> (RegionInventory, BTreeMap<Arn, Vec<ResourcePoints>>) {
        let (settings, ebs, (vaults, beside), plans, resources, restore_testing, lately) = tokio::join!(
            self.region_settings(account, region),
            self.ebs(account, region),
            self.vaults(account, region, reading.points),
            self.plans(account, region),
            self.resources(account, region),
            self.restore_testing(account, region),
            self.lately(account, region, reading.now),
        );
        let trails = self.trails(account, region, trails).await;
        let keys = self.keys_of(account, region, &vaults, &ebs, beside.keys).await;
        let topics = self.topics(account, region, &vaults).await;
        let Lately { allowed_images, backup_messages, copy_messages } = lately;
        let read = RegionInventory {
            enabled: Fact::NotAsked,
            settings,
            ebs,
            vaults,
            plans,
            resources,
            keys,
            topics,
            trails,
            restore_testing,
            allowed_images,
            backup_messages,
            copy_messages,
        };
        (read, beside.arrived)
    }

    /// Which resource types AWS Backup protects in an account and Region.
    pub async fn region_settings(&self, account: &AccountId, region: &Region) -> Fact<RegionSettings> {
        self.ask(&in_place(account, region, "DescribeRegionSettings", json!({})), region_settings).await
    }

    async fn ebs(&self, account: &AccountId, region: &Region) -> Fact<EbsDefaults> {
        let question = |operation| Question { service: "ec2", ..in_place(account, region, operation, json!({})) };
        let encrypted = question("GetEbsEncryptionByDefault");
        let encrypted = self.ask(&encrypted, |answer| answer.get("EbsEncryptionByDefault").and_then(Value::as_bool)).await;
        match encrypted {
            Fact::Known { value: true, .. } => {
                let key = self.ask(&question("GetEbsDefaultKmsKeyId"), |answer| text(answer, "KmsKeyId")).await;
                key.map_known(|key| EbsDefaults { encrypted: true, key: Some(key_arn(account, region, &key)) })
            }
            off => off.map_known(|encrypted| EbsDefaults { encrypted, key: None }),
        }
    }

    async fn vaults(&self, account: &AccountId, region: &Region, points: bool) -> (Fact<Vec<VaultInventory>>, Beside) {
        let question = in_place(account, region, "ListBackupVaults", json!({}));
        let listed = self.read(&question, |answer| items(answer, "BackupVaultList").map(listed_vault).collect::<Option<Vec<_>>>()).await;
        let (listed, at) = match listed {
            Ok(listed) => listed,
            Err(gap) => return (Fact::Gap(gap), Beside::default()),
        };
        let vaults = stream::iter(listed).map(|vault| self.vault_inventory(vault, at, points)).buffered(AT_ONCE);
        let mut beside = Beside::default();
        let mut vaults = vaults
            .map(|(vault, holdings)| {
                beside.keys.extend(holdings.keys);
                if !holdings.arrived.is_empty() {
                    beside.arrived.insert(vault.vault.arn.clone(), holdings.arrived);
                }
                vault
            })
            .collect::<Vec<_>>()
            .await;
        vaults.sort_by(|a, b| a.vault.arn.cmp(&b.vault.arn));
        (Fact::Known { value: vaults, source: question.action(), at }, beside)
    }

    async fn vault_inventory(&self, vault: Vault, at: Timestamp, points: bool) -> (VaultInventory, Holdings) {
        let held = async { if points || vault.points == Some(0) { self.holdings(&vault, at).await } else { Fact::NotAsked } };
        let (policy, notifications, held) = tokio::join!(self.vault_policy(&vault.arn), self.notifications(&vault.arn), held);
        let mut holdings = Holdings::default();
        let points = held.map_known(|mut held| {
            let own = std::mem::take(&mut held.own);
            holdings = held;
            own
        });
        let copies = std::mem::take(&mut holdings.copies);
        (VaultInventory { vault, policy, notifications, points, copies }, holdings)
    }

    /// What a vault holds, all of it at once; a vault that says it is empty is not asked.
    async fn holdings(&self, vault: &Vault, at: Timestamp) -> Fact<Holdings> {
        if vault.points == Some(0) {
            return Fact::Known { value: Holdings::default(), source: "backup:ListBackupVaults".to_owned(), at };
        }
        let (Some(account), Some(mut pages)) = (vault.arn.account(), self.points(vault)) else { return Fact::NotAsked };
        let mut fold = Fold::of(account);
        loop {
            match pages.fold(&mut fold).await {
                Ok(None) => {}
                Ok(Some(at)) => return Fact::Known { value: fold.done(), source: pages.action(), at },
                Err(gap) => return Fact::Gap(gap),
            }
        }
    }

    async fn notifications(&self, vault: &Arn) -> Fact<Option<VaultNotifications>> {
        let (Some(account), Some(region)) = (vault.account(), vault.region()) else { return Fact::NotAsked };
        let question = in_place(&account, &region, "GetBackupVaultNotifications", json!({"BackupVaultName": vault.resource_name()}));
        let Answer { outcome, at, .. } = self.answers().ask(&question).await;
        let known = |value| Fact::Known { value, source: question.action(), at };
        match outcome {
            Ok(answer) => match arn(&answer, "SNSTopicArn") {
                Some(topic_arn) => known(Some(VaultNotifications { topic_arn, events: strings(&answer, "BackupVaultEvents") })),
                None => Fact::Gap(question.gap(&unreadable())),
            },
            // A vault without notifications answers so.
            Err(failure) if failure.reason == GapReason::NotFound => known(None),
            Err(failure) => Fact::Gap(question.gap(&failure)),
        }
    }

    async fn plans(&self, account: &AccountId, region: &Region) -> Fact<Vec<PlanInventory>> {
        let list = in_place(account, region, "ListBackupPlans", json!({}));
        let (ids, at) = match self.read(&list, |answer| ids(answer, "BackupPlansList", "BackupPlanId")).await {
            Ok(ids) => ids,
            Err(gap) => return Fact::Gap(gap),
        };
        let plans = stream::iter(ids).map(|id| self.plan_inventory(account, region, id)).buffered(AT_ONCE);
        Fact::Known { value: plans.collect().await, source: list.action(), at }
    }

    async fn plan_inventory(&self, account: &AccountId, region: &Region, id: String) -> PlanInventory {
        let get = in_place(account, region, "GetBackupPlan", json!({"BackupPlanId": id}));
        let list = in_place(account, region, "ListBackupSelections", json!({"BackupPlanId": id}));
        let (plan, listed) = tokio::join!(
            self.ask(&get, |answer| plan(account, region, &id, answer)),
            self.read(&list, |answer| ids(answer, "BackupSelectionsList", "SelectionId")),
        );
        let selections = match listed {
            Ok((ids, at)) => {
                let mut selections = Vec::new();
                for selection_id in ids {
                    let get = in_place(account, region, "GetBackupSelection", json!({"BackupPlanId": id, "SelectionId": selection_id}));
                    selections.push(self.ask(&get, selection).await);
                }
                Fact::Known { value: selections, source: list.action(), at }
            }
            Err(gap) => Fact::Gap(gap),
        };
        PlanInventory { plan, id, selections }
    }

    async fn resources(&self, account: &AccountId, region: &Region) -> Fact<Vec<Resource>> {
        let question = Question { service: "tag", ..in_place(account, region, "GetResources", json!({})) };
        let resources =
            self.ask(&question, |answer| items(answer, "ResourceTagMappingList").map(resource).collect::<Option<Vec<_>>>()).await;
        resources.map_known(|mut resources| {
            resources.sort_by(|a, b| a.arn.cmp(&b.arn));
            resources
        })
    }

    async fn restore_testing(&self, account: &AccountId, region: &Region) -> Fact<RestoreTesting> {
        let plans = in_place(account, region, "ListRestoreTestingPlans", json!({}));
        let jobs = in_place(account, region, "ListRestoreJobs", json!({"ByStatus": "COMPLETED"}));
        let named = |answer: &Value| items(answer, "RestoreTestingPlans").map(|one| text(one, "RestoreTestingPlanName")).collect();
        let (plans, restored) = tokio::join!(self.ask(&plans, named), self.ask(&jobs, |answer| Some(newest_restores(answer))));
        match (plans, restored) {
            (Fact::Known { value: plans, source, at }, Fact::Known { value: restored, .. }) => {
                Fact::Known { value: RestoreTesting { plans, ..restored }, source, at }
            }
            (Fact::Gap(gap), _) | (_, Fact::Gap(gap)) => Fact::Gap(gap),
            _ => Fact::NotAsked,
        }
    }

    /// The trails that see a Region. A trail of all Regions is looked at once.
    async fn trails(&self, account: &AccountId, region: &Region, known: &mut BTreeMap<Arn, Trail>) -> Fact<Vec<Trail>> {
        let question = |operation, request| Question { service: "cloudtrail", ..in_place(account, region, operation, request) };
        let list = question("DescribeTrails", json!({}));
        let listed =
            self.read(&list, |answer| items(answer, "trailList").map(|trail| arn(trail, "TrailARN")).collect::<Option<Vec<_>>>()).await;
        let (arns, at) = match listed {
            Ok(arns) => arns,
            Err(gap) => return Fact::Gap(gap),
        };
        let mut trails = Vec::new();
        for arn in arns {
            if !known.contains_key(&arn) {
                let status = question("GetTrailStatus", json!({"Name": arn.as_str()}));
                let selectors = question("GetEventSelectors", json!({"TrailName": arn.as_str()}));
                let (logging, management_events) = tokio::join!(
                    self.ask(&status, |answer| answer.get("IsLogging").and_then(Value::as_bool)),
                    self.ask(&selectors, |answer| Some(management_events(answer))),
                );
                known.insert(arn.clone(), Trail { arn: arn.clone(), logging, management_events });
            }
            trails.extend(known.get(&arn).cloned());
        }
        trails.sort_by(|a, b| a.arn.cmp(&b.arn));
        Fact::Known { value: trails, source: list.action(), at }
    }

    /// The keys of this account and Region that protect something: each once.
    async fn keys_of(
        &self,
        account: &AccountId,
        region: &Region,
        vaults: &Fact<Vec<VaultInventory>>,
        ebs: &Fact<EbsDefaults>,
        mut arns: BTreeSet<Arn>,
    ) -> BTreeMap<Arn, KeyInventory> {
        arns.extend(vaults.known().into_iter().flatten().filter_map(|vault| vault.vault.encryption_key_arn.clone()));
        let default = ebs.known().and_then(|ebs| ebs.key.as_deref());
        arns.extend(default.and_then(|key| Arn::parse(key).ok()));
        self.keys(account, region, arns).await
    }

    /// Those of the keys that belong to this account and Region.
    pub async fn keys(&self, account: &AccountId, region: &Region, arns: BTreeSet<Arn>) -> BTreeMap<Arn, KeyInventory> {
        let ours = |arn: &Arn| arn.service() == "kms" && arn.account().as_ref() == Some(account) && arn.region().as_ref() == Some(region);
        let keys = stream::iter(arns.into_iter().filter(ours)).map(async |arn| {
            let key = self.key_inventory(&arn).await;
            (arn, key)
        });
        keys.buffered(AT_ONCE).collect().await
    }

    async fn key_inventory(&self, arn: &Arn) -> KeyInventory {
        let key = self.key(arn).await;
        // The policy of an AWS managed key cannot be changed, and its material is renewed every year.
        if key.known().is_some_and(|key| key.manager == Some(KeyManager::Aws)) {
            return KeyInventory { key, ..KeyInventory::default() };
        }
        let (Some(account), Some(region)) = (arn.account(), arn.region()) else { return KeyInventory { key, ..KeyInventory::default() } };
        let rotation = Question { service: "kms", ..in_place(&account, &region, "GetKeyRotationStatus", json!({"KeyId": arn.as_str()})) };
        let (policy, rotation) =
            tokio::join!(self.key_policy(arn), self.ask(&rotation, |answer| answer.get("KeyRotationEnabled").and_then(Value::as_bool)));
        KeyInventory { key, policy, rotation, ..KeyInventory::default() }
    }
}

fn strings(value: &Value, name: &str) -> Vec<String> {
    let mut all = items(value, name).filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    all.sort();
    all
}

fn listed_vault(vault: &Value) -> Option<Vault> {
    let arn = arn(vault, "BackupVaultArn")?;
    Some(read::vault(&arn, vault))
}

fn region_settings(answer: &Value) -> Option<RegionSettings> {
    let types = |map: &Value| Some(map.as_object()?.iter().filter_map(|(name, on)| Some((name.clone(), on.as_bool()?))).collect());
    let managed = answer.get("ResourceTypeManagementPreference").and_then(types).unwrap_or_default();
    Some(RegionSettings { opted_in: types(answer.get("ResourceTypeOptInPreference")?)?, managed })
}

fn resource(mapping: &Value) -> Option<Resource> {
    let tags = items(mapping, "Tags").map(|tag| Some((text(tag, "Key")?, tag.get("Value")?.as_str()?.to_owned())));
    Some(Resource { arn: arn(mapping, "ResourceARN")?, tags: tags.collect::<Option<_>>()? })
}

/// What of the management events a trail keeps: the sum of its selectors, of either form
/// (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html>).
fn management_events(answer: &Value) -> ManagementEvents {
    let mut kept = ManagementEvents { reads: false, writes: false, kms: false };
    let mut add = |reads: bool, writes: bool, kms: bool| {
        kept.reads |= reads;
        kept.writes |= writes;
        kept.kms |= kms;
    };
    for selector in items(answer, "EventSelectors").filter(|one| one.get("IncludeManagementEvents").and_then(Value::as_bool) != Some(false))
    {
        let kind = text(selector, "ReadWriteType");
        let excluded = strings(selector, "ExcludeManagementEventSources");
        add(kind.as_deref() != Some("WriteOnly"), kind.as_deref() != Some("ReadOnly"), !excluded.iter().any(|source| source == KMS_EVENTS));
    }
    for selector in items(answer, "AdvancedEventSelectors") {
        let field = |name: &str| items(selector, "FieldSelectors").find(|field| text(field, "Field").as_deref() == Some(name));
        let says =
            |field: Option<&Value>, how: &str, what: &str| field.is_some_and(|field| strings(field, how).iter().any(|one| one == what));
        if !says(field("eventCategory"), "Equals", "Management") {
            continue;
        }
        let (only, source) = (field("readOnly"), field("eventSource"));
        let other_source = source.is_some_and(|source| !strings(source, "Equals").is_empty() && !says(Some(source), "Equals", KMS_EVENTS));
        let without_kms = says(source, "NotEquals", KMS_EVENTS) || other_source;
        add(!says(only, "Equals", "false"), !says(only, "Equals", "true"), !without_kms);
    }
    kept
}

const KMS_EVENTS: &str = "kms.amazonaws.com";

/// The key as an ARN where EC2 names it by its id; an alias stays one.
fn key_arn(account: &AccountId, region: &Region, key: &str) -> String {
    if key.starts_with("arn:") || key.starts_with("alias/") {
        key.to_owned()
    } else {
        format!("arn:{}:kms:{region}:{account}:key/{key}", region.partition())
    }
}

/// The gap of a whole account: the reader role could not be assumed, so that nothing else was asked.
pub fn closed(inventory: &AccountInventory) -> Option<&Gap> {
    inventory.service_linked_role.gap().filter(|gap| gap.action == "sts:AssumeRole")
}
