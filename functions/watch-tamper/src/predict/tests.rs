//! Writes on the objects of a healthy account, as a sweep left it, with a cloud that answers whatever it holds.

use std::collections::BTreeMap;
use std::sync::Mutex;

use guardian_core::arn::Region;
use guardian_core::copy::Leg;
use guardian_core::evidence::{AccountInventory, Destination, KeyGrants, OrganizationInventory};
use guardian_core::incident::IncidentId;
use guardian_core::prediction::{Edit, KeptRoutes, Place, apply, keep};
use guardian_core::report::Kind;
use serde_json::json;

use super::*;

/// The table in memory.
#[derive(Default)]
struct Memory {
    legs: Mutex<BTreeMap<AccountId, Vec<KeptLeg>>>,
    objects: Mutex<Objects>,
    claims: Mutex<BTreeMap<ObjectId, Timestamp>>,
    standing: Mutex<BTreeSet<String>>,
}

impl RouteMemory for Memory {
    async fn at(&self, place: &Place) -> Result<(BTreeSet<ObjectId>, BTreeSet<AccountId>), PortError> {
        let objects = self.objects.lock().unwrap();
        let of =
            |(id, held): &(&ObjectId, &Held)| id.place() == *place || held.policies().iter().any(|arn| Place::of_policy(arn) == *place);
        let found = objects.iter().filter(of).map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        let legs = self.legs.lock().unwrap();
        let decided = |leg: &KeptLeg| leg.objects(&objects).iter().any(|id| *id != ObjectId::Organization && id.place() == *place);
        let accounts = legs.iter().filter(|(_, legs)| legs.iter().any(decided)).map(|(account, _)| account.clone()).collect();
        Ok((found, accounts))
    }

    async fn accounts(&self) -> Result<BTreeSet<AccountId>, PortError> {
        Ok(self.legs.lock().unwrap().keys().cloned().collect())
    }

    async fn legs(&self, account: &AccountId) -> Result<Vec<KeptLeg>, PortError> {
        Ok(self.legs.lock().unwrap().get(account).cloned().unwrap_or_default())
    }

    async fn objects(&self, ids: &BTreeSet<ObjectId>) -> Result<Objects, PortError> {
        let objects = self.objects.lock().unwrap();
        Ok(ids.iter().filter_map(|id| Some((id.clone(), objects.get(id)?.clone()))).collect())
    }

    async fn claim_telling(&self, id: &ObjectId, now: Timestamp, lease_until: Timestamp) -> Result<bool, PortError> {
        let mut claims = self.claims.lock().unwrap();
        let free = claims.get(id).is_none_or(|until| *until < now);
        if free {
            claims.insert(id.clone(), lease_until);
        }
        Ok(free)
    }

    async fn give_back(&self, id: &ObjectId) -> Result<(), PortError> {
        self.claims.lock().unwrap().remove(id);
        Ok(())
    }

    async fn foretold(&self, alert: &Alert, _: Timestamp) -> Result<(), PortError> {
        self.standing.lock().unwrap().insert(alert.incident_id.to_string());
        Ok(())
    }

    async fn over(&self, prediction: &IncidentId) -> Result<(), PortError> {
        self.standing.lock().unwrap().remove(prediction.as_str());
        Ok(())
    }

    async fn learn(&self, id: &ObjectId, held: &Held, _: Timestamp, _: Timestamp) -> Result<(), PortError> {
        self.objects.lock().unwrap().insert(id.clone(), held.clone());
        self.give_back(id).await
    }

    async fn keep(&self, account: &AccountId, kept: &KeptRoutes, _: Timestamp, _: Timestamp) -> Result<(), PortError> {
        self.legs.lock().unwrap().insert(account.clone(), kept.legs.clone());
        self.objects.lock().unwrap().extend(kept.objects.clone());
        Ok(())
    }
}

/// The cloud as it is.
#[derive(Default)]
struct World {
    objects: Mutex<Objects>,
    reads: Mutex<Vec<String>>,
    refuses: Mutex<BTreeSet<ObjectId>>,
}

impl RouteReader for World {
    async fn held(&self, id: &ObjectId, member: &AccountId, _: &Region) -> Held {
        self.reads.lock().unwrap().push(id.name());
        // Others go on meanwhile.
        tokio::task::yield_now().await;
        let held = self.objects.lock().unwrap()[id].clone();
        if !self.refuses.lock().unwrap().contains(id) {
            return held;
        }
        let gap = Gap {
            action: "kms:GetKeyPolicy".to_owned(),
            account_id: member.clone(),
            region: None,
            reason: GapReason::AccessDenied,
            detail: None,
        };
        match held {
            Held::Key { .. } => Held::Key { key: Fact::Gap(gap.clone()), policy: Fact::Gap(gap.clone()), grants: Fact::Gap(gap) },
            Held::Role { .. } => Held::Role { role: Fact::Gap(gap) },
            other => other,
        }
    }

    async fn members(&self) -> Result<Vec<AccountId>, Gap> {
        Ok(Vec::new())
    }

    async fn leg_facts(&self, leg: &Leg) -> LegFacts {
        self.reads.lock().unwrap().push("leg".to_owned());
        KeptLeg { leg: leg.clone(), times: Vec::new() }.facts(&self.objects.lock().unwrap())
    }
}

/// The topic.
#[derive(Default)]
struct Topic {
    alerts: Mutex<Vec<Alert>>,
    down: Mutex<bool>,
}

impl Teller for Topic {
    async fn tell(&self, alert: &Alert) -> Result<(), ForeseeError> {
        if *self.down.lock().unwrap() {
            return Err(ForeseeError::NotSent("down".to_owned()));
        }
        self.alerts.lock().unwrap().push(alert.clone());
        Ok(())
    }
}

struct Setting {
    foresight: Foresight<Memory, World>,
    topic: Topic,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Setting {
    /// As the sweep of the night left it.
    fn new() -> Self {
        let source = serde_json::from_str::<Value>(include_str!("../../../../tests/facts/inventories/source-account.json")).unwrap();
        let inventory = serde_json::from_value::<AccountInventory>(source["account"].clone()).unwrap();
        let destinations = serde_json::from_value::<BTreeMap<Arn, Destination>>(source["destinations"].clone()).unwrap();
        let organization = serde_json::from_value::<OrganizationInventory>(source["organization"].clone()).unwrap();
        let kept = keep(&inventory, &destinations, &organization, |_| (inventory.scps.clone(), inventory.rcps.clone()));
        let mut world = kept.objects.clone();
        for (id, held) in &mut world {
            if let (ObjectId::Key(arn), Held::Key { grants, .. }) = (id, held) {
                let value = KeyGrants { key_arn: arn.clone(), grants: Vec::new() };
                *grants = Fact::Known { value, source: "kms:ListGrants".to_owned(), at: inventory.at };
            }
        }
        let memory = Memory::default();
        memory.legs.lock().unwrap().insert(inventory.account_id.clone(), kept.legs);
        *memory.objects.lock().unwrap() = kept.objects;
        let reader = World { objects: Mutex::new(world), ..World::default() };
        Self { foresight: Foresight { memory, reader, organization_id: None }, topic: Topic::default() }
    }

    fn source_key(&self) -> Arn {
        let legs = self.foresight.memory.legs.lock().unwrap();
        let leg = &legs.values().next().unwrap()[0];
        let objects = self.foresight.memory.objects.lock().unwrap();
        leg.facts(&objects).source_key.known().unwrap().arn.clone()
    }

    fn document(&self, key: &Arn) -> Value {
        match &self.foresight.reader.objects.lock().unwrap()[&ObjectId::Key(key.clone())] {
            Held::Key { policy, .. } => policy.known().unwrap().document.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Changes the cloud.
    fn change(&self, edit: Value) {
        let mut edit = edit;
        edit["id"] = "e".into();
        let edit = serde_json::from_value::<Edit>(edit).unwrap();
        let mut world = self.foresight.reader.objects.lock().unwrap();
        let changed = apply(&edit, &world).unwrap();
        world.extend(changed);
    }

    async fn write(&self, service: &str, event_name: &str, object: &Arn, request: Value) -> Result<Foreseen, ForeseeError> {
        let account = object.account().unwrap();
        let changed = Changed {
            actor: "arn:aws:sts::111111111111:assumed-role/Admin/kim".to_owned(),
            action: format!("{service}:{event_name}"),
            event_id: "5b1c".to_owned(),
            at: at("2026-11-28T11:59:00Z"),
            source_ip: None,
        };
        let objects = [object.clone()];
        let write = Occurrence { account: &account, service, event_name, objects: &objects, request: &request, changed };
        self.foresight.foresee(&write, &self.topic, || at("2026-11-28T12:00:00Z")).await
    }

    async fn key_write(&self) -> Result<Foreseen, ForeseeError> {
        self.write("kms", "PutKeyPolicy", &self.source_key(), json!({})).await
    }

    fn narrow(&self) -> Value {
        let key = self.source_key();
        let whole = self.document(&key);
        let owner = format!("arn:aws:iam::{}:root", key.account().unwrap());
        let own = json!({"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": owner}, "Action": "kms:*", "Resource": "*"});
        self.change(json!({"object": key, "policy": {"Version": "2012-10-17", "Statement": [own]}}));
        whole
    }

    fn told(&self) -> Vec<(Outlook, Certainty, usize)> {
        let alerts = self.topic.alerts.lock().unwrap();
        assert!(alerts.iter().all(|alert| alert.kind == Kind::Prediction));
        let told = alerts.iter().map(|alert| (alert.foretold.as_ref().unwrap().outlook, alert.certainty, alert.gaps.len()));
        told.collect()
    }

    fn reads(&self) -> usize {
        self.foresight.reader.reads.lock().unwrap().len()
    }
}

#[tokio::test]
async fn what_breaks_the_next_copy_is_told_once_and_what_mends_it_too() {
    let setting = Setting::new();
    let whole = setting.narrow();
    assert_eq!(setting.key_write().await, Ok(Foreseen::Told));
    assert_eq!(setting.told(), [(Outlook::WillFail, Certainty::Supported, 0)]);
    let standing = || setting.foresight.memory.standing.lock().unwrap().len();
    assert_eq!(standing(), 1);
    // The same event again, and a later write that changes nothing more.
    assert_eq!(setting.key_write().await, Ok(Foreseen::Same));
    setting.change(json!({"object": setting.source_key(), "policy": whole}));
    assert_eq!(setting.key_write().await, Ok(Foreseen::Told));
    assert_eq!(setting.told().last(), Some(&(Outlook::WillWork, Certainty::Supported, 0)));
    assert_eq!(setting.key_write().await, Ok(Foreseen::Same));
    assert_eq!((setting.told().len(), standing()), (2, 0));
    let alerts = setting.topic.alerts.lock().unwrap();
    assert_eq!(alerts[0].incident_id, alerts[1].incident_id, "both are about the same object");
    assert!(!alerts[0].foretold.as_ref().unwrap().gone_statements.is_empty() && alerts[0].patch.is_some());
}

#[tokio::test]
async fn an_object_that_decides_no_copy_is_read_by_nobody() {
    let setting = Setting::new();
    let other = Arn::parse("arn:aws:kms:eu-central-1:111111111111:key/another").unwrap();
    assert_eq!(setting.write("kms", "PutKeyPolicy", &other, json!({})).await, Ok(Foreseen::NoRoute));
    let key = setting.source_key();
    assert_eq!(setting.write("kms", "CreateAlias", &key, json!({})).await, Ok(Foreseen::Elsewhere));
    assert_eq!(setting.write("iam", "PutRolePolicy", &key, json!({"roleName": "nobody"})).await, Ok(Foreseen::NoRoute));
    assert_eq!((setting.reads(), setting.told().len()), (0, 0));
}

#[tokio::test]
async fn a_harmless_change_is_remembered_in_silence() {
    let setting = Setting::new();
    let key = setting.source_key();
    let mut policy = setting.document(&key);
    let more = json!({"Sid": "More", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::555555555555:root"}, "Action": "kms:Decrypt", "Resource": "*"});
    policy["Statement"].as_array_mut().unwrap().push(more);
    setting.change(json!({"object": key, "policy": policy}));
    assert_eq!(setting.key_write().await, Ok(Foreseen::NoTurn));
    assert_eq!(setting.reads(), 1, "nothing but the object itself");
    assert_eq!(setting.key_write().await, Ok(Foreseen::Same));
    assert!(setting.told().is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_suspected_by_the_event_and_not_remembered() {
    let setting = Setting::new();
    let key = setting.source_key();
    setting.narrow();
    let written = json!({"policy": setting.document(&key).to_string()});
    setting.foresight.reader.refuses.lock().unwrap().insert(ObjectId::Key(key.clone()));
    assert_eq!(setting.key_write().await, Ok(Foreseen::CannotTell), "the event says nothing of the policy");
    assert!(setting.told().is_empty());
    assert_eq!(
        setting.write("kms", "PutKeyPolicy", &key, written).await,
        Ok(Foreseen::CannotTell),
        "grants may do what the policy does not"
    );
    assert!(setting.told().is_empty());
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}]});
    let denied = json!({"policy": deny.to_string()});
    assert_eq!(setting.write("kms", "PutKeyPolicy", &key, denied.clone()).await, Ok(Foreseen::Told));
    assert_eq!(setting.told(), [(Outlook::WillFail, Certainty::Suspected, 3)]);
    setting.foresight.reader.refuses.lock().unwrap().clear();
    assert_eq!(setting.key_write().await, Ok(Foreseen::Told), "as soon as it can be read it is sure");
    assert_eq!(setting.told().last(), Some(&(Outlook::WillFail, Certainty::Supported, 0)));
}

#[tokio::test]
async fn writes_that_come_together_do_not_hide_each_other() {
    for first in ["key", "vault"] {
        let setting = Setting::new();
        let vault = setting.foresight.memory.legs.lock().unwrap().values().next().unwrap()[0].leg.destination_vault_arn.clone();
        setting.change(json!({"object": vault, "policy": null}));
        setting.narrow();
        // Both are done before anybody hears of either, and the records come in any order.
        for (number, object) in [first, if first == "key" { "vault" } else { "key" }].into_iter().enumerate() {
            let foreseen = match object {
                "key" => setting.key_write().await,
                _ => setting.write("backup", "DeleteBackupVaultAccessPolicy", &vault, json!({})).await,
            };
            assert_eq!(foreseen, Ok(if number == 0 { Foreseen::Told } else { Foreseen::NoTurn }), "{object} after {first}");
        }
        assert_eq!(setting.told(), [(Outlook::WillFail, Certainty::Supported, 0)]);
    }
}

#[tokio::test]
async fn two_writes_on_one_object_at_the_same_time_are_told_once() {
    let setting = Setting::new();
    setting.narrow();
    let (one, other) = tokio::join!(setting.key_write(), setting.key_write());
    assert_eq!(BTreeSet::from([one.unwrap(), other.unwrap()]), BTreeSet::from([Foreseen::Told, Foreseen::Same]));
    assert_eq!(setting.told(), [(Outlook::WillFail, Certainty::Supported, 0)]);
    assert!(setting.foresight.memory.claims.lock().unwrap().is_empty(), "nobody tells any more");
}

#[tokio::test]
async fn a_message_that_was_not_sent_is_sent_by_whoever_comes_next() {
    let setting = Setting::new();
    setting.narrow();
    *setting.topic.down.lock().unwrap() = true;
    assert_eq!(setting.key_write().await, Err(ForeseeError::NotSent("down".to_owned())));
    *setting.topic.down.lock().unwrap() = false;
    let object = ObjectId::Key(setting.source_key());
    assert!(setting.foresight.memory.claim_telling(&object, at("2026-11-28T11:59:59Z"), at("2026-11-28T12:01:00Z")).await.unwrap());
    assert!(matches!(setting.key_write().await, Err(ForeseeError::BeingTold(_))));
    setting.foresight.memory.give_back(&object).await.unwrap();
    assert_eq!(setting.key_write().await, Ok(Foreseen::Told));
    assert_eq!(setting.told().len(), 1);
}

#[tokio::test]
async fn a_role_is_found_without_its_path_and_an_account_by_a_policy_attached_to_it() {
    let setting = Setting::new();
    let leg = setting.foresight.memory.legs.lock().unwrap().values().next().unwrap()[0].leg.clone();
    let name = leg.job_role_arn.role_name().unwrap().to_owned();
    setting.change(json!({"object": leg.job_role_arn, "trust": {"Version": "2012-10-17", "Statement": []}}));
    let told = setting.write("iam", "UpdateAssumeRolePolicy", &leg.job_role_arn, json!({"roleName": name})).await;
    assert_eq!(told, Ok(Foreseen::Told));

    let setting = Setting::new();
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "backup:*", "Resource": "*"}]});
    setting.change(json!({"object": leg.account_id, "scp": deny}));
    let policy = Arn::parse("arn:aws:organizations::444444444444:policy/o-1/service_control_policy/p-1").unwrap();
    for target in [leg.account_id.as_str(), "ou-1"] {
        let told = setting.write("organizations", "AttachPolicy", &policy, json!({"policyId": "p-1", "targetId": target})).await;
        let expected = if target == "ou-1" { Foreseen::Same } else { Foreseen::Told };
        assert_eq!(told, Ok(expected), "{target}");
    }
}

const GRANTEE: &str = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";
const OPERATIONS: [&str; 5] = ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom"];

/// The policy of the key lets its own account in and nobody of the backup account: the copy hangs on a grant, if there is one.
fn hanging(granted: bool) -> (Setting, Arn, Value) {
    let setting = Setting::new();
    let key = setting.source_key();
    let whole = setting.document(&key);
    let own = whole["Statement"].as_array().unwrap().iter().filter(|one| !one.to_string().contains("222222222222")).collect::<Vec<_>>();
    setting.change(json!({"object": key, "policy": {"Version": "2012-10-17", "Statement": own}}));
    setting.grant(&key, granted);
    (setting, key, whole)
}

impl Setting {
    fn grant(&self, key: &Arn, granted: bool) {
        let all = if granted { json!([{"grantee": GRANTEE, "operations": OPERATIONS}]) } else { json!([]) };
        self.change(json!({"object": key, "grants": all}));
    }

    /// The key as a sweep keeps it, with the grants or without.
    fn sweep(&self, key: &Arn, with_grants: bool) {
        let mut held = self.foresight.reader.objects.lock().unwrap()[&ObjectId::Key(key.clone())].clone();
        if let Held::Key { grants, .. } = &mut held
            && !with_grants
        {
            *grants = Fact::NotAsked;
        }
        self.foresight.memory.objects.lock().unwrap().insert(ObjectId::Key(key.clone()), held);
    }

    async fn grant_write(&self, event_name: &str, key: &Arn) -> Result<Foreseen, ForeseeError> {
        let request = match event_name {
            "CreateGrant" => json!({"keyId": key, "granteePrincipal": GRANTEE, "operations": OPERATIONS}),
            _ => json!({"keyId": key, "grantId": "f020"}),
        };
        self.write("kms", event_name, key, request).await
    }
}

#[tokio::test]
async fn the_first_repair_of_a_copy_that_was_broken_at_the_sweep_is_told() {
    for with_grants in [true, false] {
        let (setting, key, whole) = hanging(false);
        setting.sweep(&key, with_grants);
        setting.change(json!({"object": key, "policy": whole}));
        assert_eq!(setting.key_write().await, Ok(Foreseen::Told));
        assert_eq!(setting.told(), [(Outlook::WillWork, Certainty::Supported, 0)]);
    }
}

#[tokio::test]
async fn a_grant_on_which_a_copy_hangs_breaks_it_when_it_goes_and_mends_it_when_it_comes() {
    let (setting, key, _) = hanging(true);
    setting.sweep(&key, true);
    for event_name in ["RevokeGrant", "RetireGrant"] {
        setting.grant(&key, false);
        assert_eq!(setting.grant_write(event_name, &key).await, Ok(Foreseen::Told));
        assert_eq!(setting.told().last(), Some(&(Outlook::WillFail, Certainty::Supported, 0)));
        assert_eq!(setting.grant_write(event_name, &key).await, Ok(Foreseen::Same), "the record comes twice");
        setting.grant(&key, true);
        assert_eq!(setting.grant_write("CreateGrant", &key).await, Ok(Foreseen::Told));
        assert_eq!(setting.told().last(), Some(&(Outlook::WillWork, Certainty::Supported, 0)));
    }
    assert_eq!(setting.told().len(), 4);
}

#[tokio::test]
async fn where_nobody_knew_the_grants_a_copy_that_fails_without_one_is_suspected_to_be_broken() {
    let (setting, key, _) = hanging(false);
    setting.sweep(&key, false);
    assert_eq!(setting.grant_write("RevokeGrant", &key).await, Ok(Foreseen::Told));
    assert_eq!(setting.told(), [(Outlook::WillFail, Certainty::Suspected, 0)]);
    let alerts = setting.topic.alerts.lock().unwrap();
    let summary = &alerts[0].summary;
    assert!(summary.contains(" 1 route will fail: ") && summary.contains("Whether that is new is not known: "), "{summary}");
}

#[tokio::test]
async fn a_write_elsewhere_breaks_no_copy_that_failed_for_want_of_a_grant_all_along() {
    for granted in [false, true] {
        let (setting, key, _) = hanging(granted);
        setting.sweep(&key, false);
        let vault = setting.foresight.memory.legs.lock().unwrap().values().next().unwrap()[0].leg.destination_vault_arn.clone();
        setting.change(json!({"object": vault, "policy": null}));
        let foreseen = setting.write("backup", "DeleteBackupVaultAccessPolicy", &vault, json!({})).await;
        // The grants are read before anybody is told.
        let told = if granted { vec![(Outlook::WillFail, Certainty::Supported, 0)] } else { Vec::new() };
        assert_eq!((foreseen, setting.told()), (Ok(if granted { Foreseen::Told } else { Foreseen::NoTurn }), told));
    }
}
