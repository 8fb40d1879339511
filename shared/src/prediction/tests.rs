//! Two accounts that copy into one vault, and what changes do to their next copies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::arn::{AccountId, Arn, Region};
use crate::copy::{BACKUP_ROLE, Leg, LegKey, Verdict, forecast};
use crate::diagnosis::{Cause, Certainty, Severity};
use crate::evidence::{
    AccountInventory, Destination, Fact, Gap, GapReason, GlobalSettings, Key, KeyGrants, KeyManager, KeyPolicy, NamedPolicy, Organization,
    OrganizationInventory, PolicyLevels, Role, RuleTimes, Vault, VaultPolicy,
};
use crate::report::alert::{Changed, Outlook};
use crate::report::{Alert, Telling, foretell, render, schema};

mod grants;

const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";
const CENTRAL_KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/9";
const COPIER: &str = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";
const SOURCES: [&str; 2] = ["111111111111", "333333333333"];

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn account(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn known<T>(value: T) -> Fact<T> {
    Fact::Known { value, source: "test".to_owned(), at: Timestamp::UNIX_EPOCH }
}

fn role_of(source: &str) -> Arn {
    arn(&format!("arn:aws:iam::{source}:role/backup"))
}

fn vault_of(source: &str) -> Arn {
    arn(&format!("arn:aws:backup:eu-central-1:{source}:backup-vault:local"))
}

fn key_of(source: &str) -> Arn {
    arn(&format!("arn:aws:kms:eu-central-1:{source}:key/1"))
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn own(source: &str) -> Value {
    json!({"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{source}:root")}, "Action": "kms:*", "Resource": "*"})
}

fn uses() -> Value {
    let actions = ["kms:DescribeKey", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"];
    json!({"Sid": "Use", "Effect": "Allow", "Principal": {"AWS": COPIER}, "Action": actions, "Resource": "*"})
}

fn grants() -> Value {
    json!({"Sid": "Grant", "Effect": "Allow", "Principal": {"AWS": COPIER}, "Action": "kms:CreateGrant", "Resource": "*"})
}

fn key(of: &Arn, statements: Vec<Value>) -> Held {
    let key = Key { arn: of.clone(), manager: Some(KeyManager::Customer), state: Some("Enabled".to_owned()), deletion_at: None };
    Held::Key {
        key: known(key),
        policy: known(KeyPolicy { key_arn: of.clone(), document: document(statements) }),
        grants: known(KeyGrants { key_arn: of.clone(), grants: Vec::new() }),
    }
}

fn vault(of: &Arn, key: &Arn, policy: Option<Value>) -> Held {
    let vault = Vault {
        arn: of.clone(),
        vault_type: Some("BACKUP_VAULT".to_owned()),
        state: None,
        encryption_key_arn: Some(key.clone()),
        locked: Some(false),
        min_retention_days: None,
        max_retention_days: None,
        lock_date: None,
        points: Some(7),
    };
    Held::Vault { vault: known(vault), policy: known(VaultPolicy { vault_arn: of.clone(), document: policy }) }
}

fn admits() -> Value {
    json!({"Sid": "In", "Effect": "Allow", "Principal": "*", "Action": "backup:CopyIntoBackupVault", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}})
}

fn everything() -> NamedPolicy {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    NamedPolicy {
        name: "FullAWSAccess".to_owned(),
        arn: Some(arn("arn:aws:organizations::aws:policy/service_control_policy/p-F")),
        document: document(vec![statement]),
    }
}

fn bounds(of: &str) -> Held {
    let levels = vec![vec![everything()], vec![everything()]];
    let rcp = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
    let rcp = NamedPolicy { name: "RCPFullAWSAccess".to_owned(), arn: None, document: document(vec![rcp]) };
    Held::Account {
        scps: known(PolicyLevels { account_id: account(of), levels }),
        rcps: known(PolicyLevels { account_id: account(of), levels: vec![vec![rcp]] }),
    }
}

/// Backups of both accounts, every night at five.
fn estate() -> KeptRoutes {
    let mut kept = KeptRoutes::default();
    for source in SOURCES {
        let leg = Leg {
            account_id: account(source),
            region: Region::parse("eu-central-1").unwrap(),
            source_vault_arn: vault_of(source),
            destination_vault_arn: arn(CENTRAL),
            resource_type: "EBS".to_owned(),
            fully_managed: false,
            key: LegKey::Key(key_of(source)),
            job_role_arn: role_of(source),
            perhaps_selected: None,
            recovery_point_arn: Some(arn("arn:aws:ec2:eu-central-1::snapshot/snap-1")),
            retention_days: (Some(30), Some(30)),
        };
        let times = RuleTimes { rule_id: Some("r".to_owned()), schedule: Some("cron(0 5 * * ? *)".to_owned()), ..RuleTimes::default() };
        kept.legs.push(KeptLeg { leg, times: vec![times] });
        kept.objects.insert(ObjectId::Key(key_of(source)), key(&key_of(source), vec![own(source), uses(), grants()]));
        kept.objects.insert(ObjectId::Vault(vault_of(source)), vault(&vault_of(source), &key_of(source), None));
        let policies = vec![NamedPolicy { name: "job".to_owned(), arn: None, document: BACKUP_ROLE.document() }];
        let trust = json!({"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"});
        let role = Role { arn: role_of(source), trust: Some(document(vec![trust])), policies, boundary: None };
        kept.objects.insert(ObjectId::Role(role_of(source)), Held::Role { role: known(role) });
        kept.objects.insert(ObjectId::Account(account(source)), bounds(source));
    }
    kept.objects.insert(ObjectId::Account(account("222222222222")), bounds("222222222222"));
    let central_key = arn(CENTRAL_KEY);
    kept.objects.insert(ObjectId::Key(central_key.clone()), key(&central_key, vec![own("222222222222"), uses(), grants()]));
    kept.objects.insert(ObjectId::Vault(arn(CENTRAL)), vault(&arn(CENTRAL), &central_key, Some(document(vec![admits()]))));
    let management_account = account("444444444444");
    kept.objects.insert(
        ObjectId::Organization,
        Held::Organization {
            organization: known(Organization { id: "o-exampleorgid".to_owned(), management_account: management_account.clone() }),
            global_settings: known(GlobalSettings { management_account, cross_account_backup: true }),
        },
    );
    kept
}

/// What it does that some objects become others.
fn turned(kept: &KeptRoutes, fresh: Objects) -> (Shifts, Objects) {
    let after = overlay(&kept.objects, fresh);
    (shifts(&kept.legs, &kept.objects, &after, None), after)
}

fn edit(json: Value) -> Edit {
    let mut json = json;
    json["id"] = "e".into();
    serde_json::from_value(json).unwrap()
}

fn refused<T>() -> Fact<T> {
    let account_id = account("111111111111");
    Fact::Gap(Gap { action: "kms:GetKeyPolicy".to_owned(), account_id, region: None, reason: GapReason::AccessDenied, detail: None })
}

#[test]
fn every_copy_of_the_estate_works() {
    let kept = estate();
    for leg in &kept.legs {
        let told = forecast(&leg.leg, &leg.facts(&kept.objects), None).unwrap().unwrap();
        assert_eq!((told.verdict, told.open, told.gaps.len()), (Verdict::Works, vec![], 0), "{:?}", told.denied);
    }
}

#[test]
fn a_copy_is_decided_by_its_own_objects_and_no_others() {
    let kept = estate();
    let count = |object: ObjectId| kept.decided_by(&object).count();
    assert_eq!(count(ObjectId::Key(key_of(SOURCES[0]))), 1);
    assert_eq!(count(ObjectId::Key(arn(CENTRAL_KEY))), 2, "the vault tells its key");
    assert_eq!(count(ObjectId::Vault(arn(CENTRAL))), 2);
    assert_eq!(count(ObjectId::Account(account("222222222222"))), 2);
    assert_eq!(count(ObjectId::Key(arn("arn:aws:kms:eu-central-1:111111111111:key/other"))), 0);
    assert_eq!(count(ObjectId::Role(arn("arn:aws:iam::111111111111:role/other"))), 0);
}

/// Changes of one object, how many copies they break, and why those will fail.
fn breaking() -> Vec<(Value, usize, Cause)> {
    let first = SOURCES[0];
    let deny = json!({"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:CreateGrant", "Resource": "*"});
    let no_copies = document(vec![json!({"Effect": "Deny", "Action": "backup:CopyIntoBackupVault", "Resource": "*"})]);
    let of_key = |statements| json!({"object": key_of(first), "policy": document(statements)});
    vec![
        (of_key(vec![own(first), uses()]), 1, Cause::KmsKeyPolicyMissingDestination),
        (of_key(vec![own(first), uses(), grants(), deny]), 1, Cause::ExplicitDenyPolicy),
        (json!({"object": key_of(first), "state": "PendingDeletion"}), 1, Cause::KmsKeyUnusable),
        (json!({"object": CENTRAL_KEY, "state": "Disabled"}), 2, Cause::KmsKeyUnusable),
        (json!({"object": CENTRAL, "policy": null}), 2, Cause::DestinationVaultPolicy),
        (json!({"object": role_of(first), "policies": {"job": null}}), 1, Cause::BackupRoleMissingPermission),
        (json!({"object": role_of(first), "trust": document(vec![])}), 1, Cause::BackupRoleNotAssumable),
        (json!({"object": role_of(first), "boundary": document(vec![])}), 1, Cause::BackupRoleMissingPermission),
        (json!({"object": first, "scp": no_copies}), 1, Cause::ExplicitDenyPolicy),
    ]
}

#[test]
fn a_change_breaks_what_worked_and_its_undoing_mends_it() {
    for (change, broken, cause) in breaking() {
        let kept = estate();
        let fresh = apply(&edit(change.clone()), &kept.objects).unwrap();
        let (told, after) = turned(&kept, fresh);
        assert_eq!((told.broken.len(), told.mended.len(), told.open.len()), (broken, 0, 0), "{change}");
        assert!(told.broken.iter().all(|shift| cause_of(&shift.after) == cause), "{change}: {:?}", cause_of(&told.broken[0].after));
        let undone = shifts(&kept.legs, &after, &kept.objects, None);
        assert_eq!((undone.broken.len(), undone.mended.len(), undone.open.len()), (0, broken, 0), "{change}");
    }
}

#[test]
fn what_changes_nothing_for_any_copy_is_nothing() {
    let first = SOURCES[0];
    let more = json!({"Sid": "More", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::555555555555:root"}, "Action": "kms:Decrypt", "Resource": "*"});
    let renamed =
        json!({"Sid": "Renamed", "Effect": "Allow", "Principal": {"AWS": COPIER}, "Action": ["kms:CreateGrant"], "Resource": "*"});
    for change in [
        json!({"object": key_of(first), "policy": document(vec![own(first), uses(), grants(), more])}),
        json!({"object": key_of(first), "policy": document(vec![renamed, own(first), uses()])}),
        json!({"object": role_of(first), "policies": {"more": document(vec![json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})])}}),
        json!({"object": "222222222222", "scp": document(vec![json!({"Effect": "Deny", "Action": "*", "Resource": "*"})])}),
    ] {
        let kept = estate();
        let (told, _) = turned(&kept, apply(&edit(change.clone()), &kept.objects).unwrap());
        assert!(told.is_empty(), "{change}");
    }
    let kept = estate();
    for held in kept.objects.values() {
        let mut later = held.clone();
        if let Held::Vault { vault: Fact::Known { value, at, .. }, .. } = &mut later {
            (value.points, *at) = (Some(8), Timestamp::MAX);
        }
        assert!(held.says_the_same_as(&later), "{held:?}");
    }
}

#[test]
fn a_state_that_is_another_does_not_say_the_same() {
    for (change, ..) in breaking() {
        let kept = estate();
        for (id, held) in apply(&edit(change.clone()), &kept.objects).unwrap() {
            assert!(!held.says_the_same_as(&kept.objects[&id]), "{change}");
        }
    }
}

#[test]
fn what_could_not_be_read_breaks_nothing_and_mends_nothing() {
    let kept = estate();
    let id = ObjectId::Key(key_of(SOURCES[0]));
    let unread = Held::Key { key: Fact::NotAsked, policy: refused(), grants: Fact::NotAsked };
    assert!(unread.is_unread() && !kept.objects[&id].is_unread());
    let (told, after) = turned(&kept, Objects::from([(id.clone(), unread)]));
    assert_eq!((told.broken.len(), told.mended.len(), told.open.len()), (0, 0, 1));
    // And from there nobody can tell either.
    let broken = apply(&edit(json!({"object": key_of(SOURCES[0]), "policy": document(vec![])})), &kept.objects).unwrap();
    let worse = overlay(&after, broken);
    let open = KeptRoutes { legs: kept.legs.clone(), objects: after, ..KeptRoutes::default() };
    let told = shifts(&open.legs, &open.objects, &worse, None);
    assert_eq!(
        (told.broken.len(), told.mended.len(), told.open.len(), told.suspected.len()),
        (0, 0, 0, 1),
        "whether it worked before is not known"
    );
}

#[test]
fn a_copy_whose_reason_to_fail_went_is_unblocked_where_nobody_can_tell_the_rest() {
    let kept = estate();
    let id = ObjectId::Key(key_of(SOURCES[0]));
    let narrowed = apply(&edit(json!({"object": key_of(SOURCES[0]), "policy": document(vec![])})), &kept.objects).unwrap();
    let broken = overlay(&kept.objects, narrowed);
    let mut open = kept.objects.clone();
    let Some(Held::Key { policy, .. }) = open.get_mut(&id) else { panic!() };
    *policy = Fact::NotAsked;
    let told = shifts(&kept.legs, &broken, &open, None);
    assert_eq!((told.mended.len(), told.unblocked.len(), told.open.len()), (0, 1, 0));
    // Under a key of AWS they nearly always fail, whatever becomes of another key.
    let of_aws = |objects: &Objects| {
        let mut objects = objects.clone();
        let Some(Held::Key { key: Fact::Known { value, .. }, .. }) = objects.get_mut(&ObjectId::Key(arn(CENTRAL_KEY))) else { panic!() };
        value.manager = Some(KeyManager::Aws);
        objects
    };
    let (well, broken) = (of_aws(&kept.objects), of_aws(&broken));
    let (there, back) = (shifts(&kept.legs, &well, &broken, None), shifts(&kept.legs, &broken, &well, None));
    assert_eq!((there.broken.len(), there.suspected.len(), there.unknown.len()), (0, 0, kept.legs.len()));
    assert_eq!((back.mended.len(), back.unblocked.len(), back.open.len()), (0, 0, 1));
}

#[test]
fn grants_that_no_sweep_reads_keep_nothing_open_once_the_key_is_read_anew() {
    let mut kept = estate();
    let id = ObjectId::Key(key_of(SOURCES[0]));
    let whole = kept.objects[&id].clone();
    let Some(Held::Key { grants, .. }) = kept.objects.get_mut(&id) else { panic!() };
    *grants = Fact::NotAsked;
    let narrowed = edit(json!({"object": key_of(SOURCES[0]), "policy": document(vec![own(SOURCES[0]), uses()])}));
    let (unread, _) = turned(&kept, apply(&narrowed, &kept.objects).unwrap());
    assert_eq!((unread.broken.len(), unread.open.len()), (0, 1), "a grant may do what the policy does no longer");
    let (read, _) = turned(&kept, apply(&narrowed, &Objects::from([(id, whole)])).unwrap());
    assert_eq!((read.broken.len(), read.open.len()), (1, 0));
}

#[test]
fn the_statement_that_did_it_is_named_alone() {
    let kept = estate();
    let first = SOURCES[0];
    let id = ObjectId::Key(key_of(first));
    let deny = json!({"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:CreateGrant", "Resource": "*"});
    let harmless = json!({"Sid": "Fine", "Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
    let blamed = |statements: Vec<Value>| {
        let fresh = apply(&edit(json!({"object": key_of(first), "policy": document(statements)})), &kept.objects).unwrap();
        let (told, after) = turned(&kept, fresh);
        blame(&told.broken[0].leg, &id, &kept.objects, &after)
    };
    assert_eq!(blamed(vec![own(first), uses(), grants(), harmless.clone(), deny.clone()]), Blame { added: vec![deny], gone: vec![] });
    assert_eq!(blamed(vec![own(first), uses(), harmless]), Blame { added: vec![], gone: vec![grants()] });
    assert_eq!(blamed(vec![own(first)]), Blame { added: vec![], gone: vec![uses(), grants()] }, "no single one");
}

#[test]
fn what_is_kept_reads_back_as_itself() {
    let kept = estate();
    for leg in &kept.legs {
        let facts = leg.facts(&kept.objects);
        let read = overlay(&kept.objects, leg.held(facts.clone()));
        assert_eq!(leg.facts(&read), facts);
        assert_eq!(read, kept.objects, "what was read afresh takes its places");
        let text = serde_json::to_string(leg).unwrap();
        assert_eq!(serde_json::from_str::<KeptLeg>(&text).unwrap(), *leg);
    }
    for (id, held) in &kept.objects {
        assert_eq!(ObjectId::named(&id.name()).as_ref(), Some(id));
        assert_eq!(serde_json::from_str::<Held>(&serde_json::to_string(held).unwrap()).unwrap(), *held);
    }
    let ids = kept.legs.iter().map(KeptLeg::id).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(ids.len(), kept.legs.len());
    let mut later = kept.legs[0].clone();
    (later.leg.recovery_point_arn, later.times) = (None, Vec::new());
    assert_eq!(later.id(), kept.legs[0].id(), "the newest recovery point does not make it another");
}

#[test]
fn a_change_that_cannot_be_judged_is_refused_with_its_reason() {
    let kept = estate();
    for (change, why) in [
        (json!({"object": "arn:aws:kms:eu-central-1:111111111111:key/none", "policy": {}}), "decides no copy"),
        (json!({"object": "arn:aws:iam::111111111111:policy/none", "policy": {}}), "decides no copy"),
        (json!({"object": "nothing", "policy": {}}), "decides no copy"),
        (json!({"object": key_of(SOURCES[0]), "trust": {}}), "nothing to change"),
        (json!({"object": SOURCES[0]}), "nothing to change"),
        // A reassurance that comes of a slip is the worst answer of all.
        (json!({"object": key_of(SOURCES[0]), "state": "disabled"}), "no key is ever `disabled`: the states are Creating, Enabled"),
        (json!({"object": key_of(SOURCES[0]), "policy": {}, "scp": {}}), "has no `scp`"),
        (json!({"object": key_of(SOURCES[0]), "policy": null}), "nothing to change"),
        (json!({"object": role_of(SOURCES[0]), "policies": {"NoSuchPolicyTypo": null}}), "has no policy `NoSuchPolicyTypo`"),
        (json!({"object": role_of(SOURCES[0]), "policies": {"more": {}}, "policy": {}}), "has no `policy`"),
    ] {
        let error = apply(&edit(change.clone()), &kept.objects).unwrap_err().to_string();
        assert!(error.contains(why), "{change}: {error}");
    }
}

#[test]
fn a_policy_of_the_organization_is_changed_wherever_it_is_attached() {
    let mut kept = estate();
    let guard = arn("arn:aws:organizations::444444444444:policy/o-exampleorgid/service_control_policy/p-guard");
    for source in SOURCES {
        let Some(Held::Account { scps: Fact::Known { value, .. }, .. }) = kept.objects.get_mut(&ObjectId::Account(account(source))) else {
            panic!()
        };
        let harmless = document(vec![json!({"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"})]);
        value.levels[0].push(NamedPolicy { name: "guard".to_owned(), arn: Some(guard.clone()), document: harmless });
    }
    let bound = kept.objects.iter().filter(|(_, held)| held.policies() == [guard.clone()]).count();
    assert_eq!(bound, 2, "policies of AWS itself are nobody's to change");
    let denies = document(vec![json!({"Effect": "Deny", "Action": "backup:Copy*", "Resource": "*"})]);
    let (told, _) = turned(&kept, apply(&edit(json!({"object": guard, "policy": denies})), &kept.objects).unwrap());
    assert_eq!(told.broken.len(), 2);
}

#[test]
fn how_bad_it_is_follows_from_how_soon_and_how_many() {
    let now = at("2026-11-28T12:00:00Z");
    let (tonight, later) = (Some(at("2026-11-29T05:00:00Z")), Some(at("2026-12-20T05:00:00Z")));
    assert_eq!(severity(1, tonight, now), Severity::High);
    assert_eq!(severity(5, tonight, now), Severity::Critical);
    assert_eq!(severity(1, later, now), Severity::Medium);
    assert_eq!(severity(5, later, now), Severity::High);
    assert_eq!(severity(1, None, now), Severity::High, "what nothing tells may be soon");
}

fn told(change: &Value, outlook: Outlook) -> Alert {
    let kept = estate();
    let edit = edit(change.clone());
    let fresh = apply(&edit, &kept.objects).unwrap();
    let object = fresh.keys().next().unwrap().clone();
    let (mut told, after) = turned(&kept, fresh);
    if outlook == Outlook::WillWork {
        told = shifts(&kept.legs, &after, &kept.objects, None);
    }
    let shifts = if outlook == Outlook::WillFail { &told.broken } else { &told.mended };
    let changed = Changed {
        actor: "arn:aws:sts::111111111111:assumed-role/Admin/\u{202e}kim <!channel>".to_owned(),
        action: "kms:PutKeyPolicy".to_owned(),
        event_id: "5b1c".to_owned(),
        at: at("2026-11-28T11:59:00Z"),
        source_ip: Some("198.51.100.7".to_owned()),
    };
    let blame = blame(&shifts[0].leg, &object, &kept.objects, &after);
    let telling = Telling {
        outlook,
        shifts,
        facts: &shifts[0].leg.facts(&after),
        open: 0,
        unjudged: 0,
        object: &object,
        management: Some(&account("444444444444")),
        changed: &changed,
        blame: &blame,
        certainty: Certainty::Supported,
        gaps: Vec::new(),
        now: at("2026-11-28T12:00:00Z"),
    };
    foretell(&telling).unwrap()
}

#[test]
fn an_alert_says_who_did_what_which_statement_it_was_when_the_next_run_is_and_what_mends_it() {
    let change = breaking().remove(0).0;
    let alert = told(&change, Outlook::WillFail);
    let message = render(&alert);
    let machine = serde_json::from_str::<Value>(&message.default).unwrap();
    assert_eq!(machine["kind"], "prediction");
    assert_eq!((&machine["severity"], &machine["outlook"]), (&json!("high"), &json!("will-fail")));
    assert_eq!((&machine["next_run"], &machine["routes_total"]), (&json!("2026-11-29T05:00:00Z"), &json!(1)));
    assert_eq!(machine["gone_statements"], json!([grants()]));
    assert_eq!(machine["cause"], "kms-key-policy-missing-destination");
    assert_eq!(machine["act_in"]["resource_arn"], json!(key_of(SOURCES[0])));
    assert_eq!(machine["act_in"]["account_id"], SOURCES[0]);
    assert_eq!(machine["changed"]["event_id"], "5b1c");
    assert_eq!(machine["patch"]["proof"]["allowed_after"], true);
    assert!(machine["patch"]["statements"].to_string().contains("kms:CreateGrant"), "{}", machine["patch"]);
    for told in ["WHAT CHANGED", "2026-11-29 05:00 UTC", "kms:CreateGrant", "198.51.100.7", "\"Sid\":\"Grant\""] {
        assert!(message.email.contains(told), "{told}: {}", message.email);
    }
    assert!(message.sms.starts_with("HIGH Will fail: next copy of EBS from local of account 111111111111"), "{}", message.sms);
    assert!(message.subject.starts_with("HIGH Will fail: "), "{}", message.subject);
    for text in [&message.default, &message.email, &message.chat, &message.sms] {
        assert!(!text.contains('\u{202e}') && !text.contains("<!"), "{text}");
    }
}

#[test]
fn a_change_that_mends_is_told_without_the_end_of_an_incident() {
    let alert = told(&breaking().remove(0).0, Outlook::WillWork);
    assert_eq!((alert.severity, alert.patch.is_none()), (Severity::Info, true));
    assert!(alert.title.starts_with("Will work again: "), "{}", alert.title);
    assert!(alert.summary.contains("stays open until a job proves it"), "{}", alert.summary);
}

#[test]
fn every_prediction_keeps_the_schema_and_reads_back_as_itself() {
    let schema = serde_json::from_str::<Value>(schema::ALERT_V1).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for (change, ..) in breaking() {
        for outlook in [Outlook::WillFail, Outlook::WillWork] {
            let alert = told(&change, outlook);
            let message = render(&alert);
            let machine = serde_json::from_str::<Value>(&message.default).unwrap();
            let errors = validator.iter_errors(&machine).map(|error| error.to_string()).collect::<Vec<_>>();
            assert!(errors.is_empty(), "{change}: {errors:?}");
            assert_eq!(serde_json::from_str::<Alert>(&message.default).unwrap(), alert);
        }
    }
}

#[test]
fn a_sweep_keeps_the_copies_of_an_account_and_all_of_them_work() {
    let source = serde_json::from_str::<Value>(include_str!("../../../tests/facts/inventories/source-account.json")).unwrap();
    let part = |name: &str| source[name].clone();
    let mut inventory = serde_json::from_value::<AccountInventory>(part("account")).unwrap();
    let destinations = serde_json::from_value::<BTreeMap<Arn, Destination>>(part("destinations")).unwrap();
    let organization = serde_json::from_value::<OrganizationInventory>(part("organization")).unwrap();
    let kept = keep(&inventory, &destinations, &organization, |_| (inventory.scps.clone(), inventory.rcps.clone()));
    assert!(kept.complete);
    assert!(!kept.legs.is_empty());
    for leg in &kept.legs {
        let told = forecast(&leg.leg, &leg.facts(&kept.objects), None).unwrap().unwrap();
        assert_eq!(told.verdict, Verdict::Works, "{:?} {:?} {:?} {:?}", leg.leg, told.denied, told.blockers, told.open);
        assert!(leg.next_run(inventory.at).is_some(), "{:?}", leg.times);
    }
    for region in inventory.regions.values_mut() {
        region.plans = refused();
    }
    let blind = keep(&inventory, &destinations, &organization, |_| (Fact::NotAsked, Fact::NotAsked));
    assert!(blind.legs.is_empty() && !blind.complete, "that its plans were not read ends no copy");
}
