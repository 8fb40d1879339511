//! Deeds and silences, case by case; the deeds of one actor as one incident; and a month in which nobody does anything wrong.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail loudly")]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use guardian_core::arn::AccountId;
use guardian_core::diagnosis::Severity;
use guardian_core::incident::{self, Acknowledgement, Closing, Due, Incident, IncidentId, Moment, View};
use guardian_core::report::{self, Kind};
use guardian_core::tamper::{self, Before, Deed, DeedKind, Incoming, Scene, Write};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const BACKUP: &str = "222222222222";
const ORGANIZATION: &str = "o-exampleorgid";
/// Those of the lab.
const MEMBERS: [&str; 4] = ["111111111111", "111111111112", "111111111113", BACKUP];

/// The event of a case, in the shape that CloudTrail documents.
fn event(case: &Value, name: &str, request: &Value, at: &str, id: &str) -> Vec<u8> {
    let text = |member: &str, otherwise: &str| case[member].as_str().unwrap_or(otherwise).to_owned();
    let (account, region, service) = (text("account", "111111111111"), text("region", "eu-central-1"), text("service", "backup"));
    let role = text("role", "Admin");
    let linked = if role.starts_with("AWSServiceRole") { "aws-service-role/backup.amazonaws.com/" } else { "" };
    let path = text("path", linked);
    let mut identity = json!({
        "type": "AssumedRole",
        "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/anna"),
        "accountId": account,
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{account}:role/{path}{role}"), "accountId": account, "userName": role}},
    });
    if let Some(service) = case["invoked_by"].as_str() {
        identity["invokedBy"] = json!(service);
    }
    let mut detail = json!({
        "eventVersion": "1.11", "userIdentity": identity, "eventTime": at, "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name, "awsRegion": region, "sourceIPAddress": "192.0.2.17", "requestParameters": request,
        "responseElements": null, "eventID": id, "readOnly": false, "eventType": "AwsApiCall", "recipientAccountId": account,
    });
    if let Some(code) = case["error"].as_str() {
        detail["errorCode"] = json!(code);
    }
    let response = if name == case["event_name"] { &case["response"] } else { &case["before"]["response"] };
    detail["responseElements"] = response.clone();
    json!({
        "version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail", "source": format!("aws.{service}"), "account": account,
        "time": at, "region": region, "resources": [], "detail": detail,
    })
    .to_string()
    .into_bytes()
}

fn write(bytes: &[u8]) -> Write {
    match tamper::read(bytes) {
        Incoming::Write(write) => *write,
        other => panic!("{other:?}"),
    }
}

fn judge(write: &Write, before: Option<&Before>) -> tamper::Judged {
    judge_in(write, before, false)
}

/// Where a copy is known to hang on the object.
fn judge_of_a_route(write: &Write, before: Option<&Before>) -> tamper::Judged {
    judge_in(write, before, true)
}

fn judge_in(write: &Write, before: Option<&Before>, of_a_route: bool) -> tamper::Judged {
    let backup_accounts = BTreeSet::from([AccountId::parse(BACKUP).unwrap()]);
    let (organization_id, members) = (Some(ORGANIZATION), &MEMBERS.map(|id| AccountId::parse(id).unwrap()).into());
    tamper::judge(write, &Scene { backup_accounts: &backup_accounts, organization_id, members, before, of_a_route })
}

fn cases() -> Vec<Value> {
    CASES.clone()
}

static CASES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    include_str!("../../tests/facts/tamper-cases.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
});

/// What a case is judged as: `high vault-deleted`, `silent unchanged`.
fn said(judged: &tamper::Judged) -> String {
    match judged {
        Ok(deed) => format!("{} {}", deed.severity.as_str(), deed.kind.as_str()),
        Err(silence) => format!("silent {}", silence.as_str()),
    }
}

/// The older write of a case, which succeeded whatever becomes of the newer one.
fn older(case: &Value) -> Option<Write> {
    let before = case.get("before")?;
    let clean =
        json!({"service": case["service"], "account": case["account"], "region": case["region"], "event_name": "", "before": before});
    let at = before["at"].as_str().unwrap_or("2026-11-01T05:00:00Z");
    Some(write(&event(&clean, before["event_name"].as_str().unwrap(), &before["request"], at, "older")))
}

fn judged(case: &Value) -> (Write, tamper::Judged) {
    let before = older(case).map(|older| (tamper::log_names(&older), tamper::state(&older).unwrap()));
    let now = write(&event(case, case["event_name"].as_str().unwrap(), &case["request"], "2026-11-02T05:00:00Z", "newer"));
    let before = before.map(|(names, state)| {
        assert_eq!(names.first(), tamper::log_names(&now).first(), "{}: both are kept under one name", case["id"]);
        assert_eq!(Some(state.aspect), tamper::aspect(&now), "{}: both are of one side", case["id"]);
        Before { value: state.value }
    });
    let judged = judge(&now, before.as_ref());
    (now, judged)
}

#[test]
fn every_case_is_told_or_has_its_reason_for_silence() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = said(&judged(&case).1);
        if found != case["expect"].as_str().unwrap() {
            wrong.push(format!("{}: {found}, not {}", case["id"], case["expect"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_kind_of_deed_has_a_case() {
    let told = cases()
        .iter()
        .filter_map(|case| case["expect"].as_str()?.split_once(' ').map(|(_, kind)| kind.to_owned()))
        .collect::<BTreeSet<_>>();
    let missing = DeedKind::ALL.iter().filter(|kind| !told.contains(kind.as_str())).collect::<Vec<_>>();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_deed_names_its_actor_and_the_account_of_the_envelope_and_says_what_to_do() {
    for case in cases() {
        let (write, Ok(deed)) = judged(&case) else { continue };
        let id = &case["id"];
        assert_eq!(deed.account.as_str(), case["account"].as_str().unwrap_or("111111111111"), "{id}");
        assert!(deed.actor.as_deref().unwrap().ends_with("/Admin/anna"), "{id}");
        assert_eq!((deed.source_ip.as_deref(), deed.at), (Some("192.0.2.17"), write.at), "{id}");
        assert!(!deed.what.is_empty() && !deed.endangers.is_empty() && !deed.undo.text.is_empty(), "{id}");
        if let Some(command) = &deed.undo.command {
            assert!(command.starts_with("aws ") && !command.contains("{}"), "{id}: {command}");
        }
    }
}

#[test]
fn nothing_in_the_detail_moves_a_deed_to_another_account() {
    let case = &cases()[0];
    let bytes = event(case, "DeleteRecoveryPoint", &case["request"], "2026-11-02T05:00:00Z", "e");
    let mut told: Value = serde_json::from_slice(&bytes).unwrap();
    told["account"] = json!("111111111113");
    told["region"] = json!("eu-west-1");
    let deed = judge(&write(told.to_string().as_bytes()), None).unwrap();
    assert_eq!((deed.account.as_str(), deed.region.as_str()), ("111111111113", "eu-west-1"));
}

#[test]
fn a_value_that_would_need_quoting_is_in_no_command() {
    let mut case = cases().into_iter().find(|case| case["id"] == "vault-policy-lost-its-deny").unwrap();
    for request in ["/request", "/before/request"] {
        case.pointer_mut(request).unwrap()["backupVaultName"] = json!("x; rm -rf / #");
    }
    let deed = judged(&case).1.unwrap();
    assert!(deed.what.contains("x; rm -rf") && deed.undo.command.is_none());
}

/// The command of a case that undoes it.
fn undo(id: &str) -> Option<String> {
    judged(CASES.iter().find(|case| case["id"] == id).unwrap()).1.unwrap().undo.command
}

#[test]
fn what_undoes_a_deed_gives_back_all_of_the_older_and_nothing_that_was_not_there() {
    let lifecycle = undo("lifecycle-from-a-year-to-a-month").unwrap();
    assert!(lifecycle.contains("--lifecycle MoveToColdStorageAfterDays=30,DeleteAfterDays=365 "), "{lifecycle}");
    assert!(undo("lifecycle-of-a-month-without-a-before").unwrap().starts_with("aws backup describe-recovery-point "));
    let trail = undo("trail-into-another-bucket").unwrap();
    assert!(trail.ends_with(" --s3-bucket-name records"), "{trail}");
    let trail = undo("trail-of-one-account").unwrap();
    assert!(trail.ends_with(" --is-organization-trail --include-global-service-events"), "{trail}");
    let lock = undo("lock-with-a-clock").unwrap();
    let at = "--backup-vault-name central-vault --region eu-central-1";
    let (remove, put) = ("aws backup delete-backup-vault-lock-configuration", "aws backup put-backup-vault-lock-configuration");
    assert_eq!(lock, format!("{remove} {at} && {put} {at} --min-retention-days 7 --max-retention-days 400"));
    assert_eq!(undo("lock-that-is-final-in-days"), Some(format!("{remove} --backup-vault-name central-vault --region eu-central-1")));
    let off = undo("settings-written-whole-and-one-off").unwrap();
    assert!(off.ends_with(" --resource-type-opt-in-preference EBS=true"), "{off}");
    assert!(undo("settings-written-whole").unwrap().starts_with("aws backup describe-region-settings "));
    assert!(undo("management-off").unwrap().ends_with(" --resource-type-management-preference DynamoDB=true"));
    assert_eq!(undo("settings-of-the-organization-written-whole"), Some("aws backup describe-global-settings".to_owned()));
    let both = undo("copies-and-approvals-off").unwrap();
    assert!(both.ends_with(" --global-settings isCrossAccountBackupEnabled=true,isMpaEnabled=true"), "{both}");
    assert!(undo("trail-into-a-bucket").unwrap().starts_with("aws cloudtrail get-trail "));
}

#[test]
fn what_undoes_a_deed_undoes_it_and_what_only_shows_says_so() {
    const KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const SOURCE_KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let of = |id: &str| {
        let case = cases().into_iter().find(|case| case["id"] == id).unwrap();
        judged(&case).1.unwrap_or_else(|silence| panic!("{id}: {silence:?}")).undo
    };
    let commands = [
        // AWS leaves the key disabled when its deletion is cancelled.
        (
            "key-of-copies-scheduled",
            Some(format!(
                "aws kms cancel-key-deletion --key-id {KEY} --region eu-central-1 && aws kms enable-key --key-id {KEY} --region eu-central-1"
            )),
        ),
        ("key-of-copies-disabled", Some(format!("aws kms enable-key --key-id {KEY} --region eu-central-1"))),
        ("backup-role-deleted", None),
        ("service-linked-role-deleted", Some("aws iam create-service-linked-role --aws-service-name backup.amazonaws.com".to_owned())),
        (
            "backup-role-lost-its-policy",
            Some(
                "aws iam attach-role-policy --role-name AWSBackupDefaultServiceRole --policy-arn \
                 arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
                    .to_owned(),
            ),
        ),
        (
            "backup-role-denied-everything",
            Some("aws iam detach-role-policy --role-name backup-jobs --policy-arn arn:aws:iam::aws:policy/AWSDenyAll".to_owned()),
        ),
        (
            "backup-role-policy-replaced",
            Some("aws iam put-role-policy --role-name backup-jobs --policy-name jobs --policy-document file://before.json".to_owned()),
        ),
        (
            "backup-policy-of-a-role-of-another-version",
            Some("aws iam list-policy-versions --policy-arn arn:aws:iam::111111111111:policy/backup-rules".to_owned()),
        ),
        (
            "ebs-default-key-reset-from-a-known-one",
            Some(format!("aws ec2 modify-ebs-default-kms-key-id --kms-key-id {SOURCE_KEY} --region eu-central-1")),
        ),
        ("ebs-encryption-off", Some("aws ec2 enable-ebs-encryption-by-default --region eu-central-1".to_owned())),
    ];
    for (id, command) in commands {
        assert_eq!(of(id).command, command, "{id}");
    }
    // A command that reads mends nothing.
    for case in cases() {
        let Ok(deed) = judged(&case).1 else { continue };
        let reads = deed.undo.command.as_deref().and_then(|command| command.split(' ').nth(2));
        if matches!(
            write(&event(&case, case["event_name"].as_str().unwrap(), &case["request"], "2026-11-02T05:00:00Z", "e")).service.as_str(),
            "kms" | "iam" | "ec2"
        ) && reads.is_some_and(|verb| verb.starts_with("get-") || verb.starts_with("list-"))
        {
            assert!(deed.undo.text.contains("this "), "{}: {}", case["id"], deed.undo.text);
        }
    }
}

#[test]
fn the_older_document_of_a_policy_is_kept_whole_and_a_command_puts_it_back() {
    const PUT: [(&str, &str); 7] = [
        ("PutKeyPolicy", "aws kms put-key-policy "),
        ("PutBackupVaultAccessPolicy", "aws backup put-backup-vault-access-policy "),
        ("DeleteBackupVaultAccessPolicy", "aws backup put-backup-vault-access-policy "),
        ("UpdateAssumeRolePolicy", "aws iam update-assume-role-policy "),
        ("PutRolePolicy", "aws iam put-role-policy "),
        ("DeleteRolePolicy", "aws iam put-role-policy "),
        ("UpdatePolicy", "aws organizations update-policy "),
    ];
    let mut kept = BTreeSet::new();
    for case in CASES.iter() {
        let Ok(deed) = judged(case).1 else { continue };
        let (id, verb) = (&case["id"], case["event_name"].as_str().unwrap());
        let command = deed.undo.command.as_deref().unwrap_or_default();
        let older = older(case).map(|older| tamper::state(&older).unwrap().value).filter(Value::is_object);
        let puts = PUT.into_iter().find(|(name, _)| *name == verb).map(|(_, puts)| puts);
        if let Some(((puts, older), None)) = puts.zip(older).zip(Some(deed.refused.as_ref())) {
            assert_eq!(deed.before_document, Some(older), "{id}");
            assert!(deed.undo.document_kept && command.starts_with(puts) && command.contains("file://before.json"), "{id}: {command}");
            kept.insert(verb);
        } else {
            assert!(deed.before_document.is_none() && !deed.undo.document_kept && !command.contains("before.json"), "{id}: {command}");
        }
    }
    let missing = PUT.into_iter().filter(|(verb, _)| !kept.contains(verb)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_inline_policy_of_a_role_is_compared_with_itself() {
    let aspect = |policy: &str| {
        let request = json!({"roleName": "backup-jobs", "policyName": policy, "policyDocument": "{\"Statement\": []}"});
        tamper::state(&write(&event(&json!({"service": "iam"}), "PutRolePolicy", &request, "2026-11-02T05:00:00Z", "e"))).unwrap().aspect
    };
    assert_eq!((aspect("jobs").as_ref(), aspect("more").as_ref()), ("inline/jobs", "inline/more"));
}

// -- announcements -----------------------------------------------------------------------------------------------------

fn announced(detail_type: &str, resource: &str, detail: &Value, told: bool) -> String {
    let event = json!({
        "id": "a", "detail-type": detail_type, "source": "aws.backup", "account": "111111111111", "time": "2026-11-02T06:00:00Z",
        "region": "eu-central-1", "resources": [resource], "detail": detail,
    });
    match tamper::read(event.to_string().as_bytes()) {
        Incoming::Announced(change) => said(&tamper::announced(&change, told)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_only_aws_backup_tells_counts_where_no_call_tells_it() {
    let vault = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local";
    let deleted = json!({"backupVaultName": "local", "state": "DELETED"});
    assert_eq!(announced("Backup Vault State Change", vault, &deleted, false), "high vault-deleted");
    assert_eq!(announced("Backup Vault State Change", vault, &deleted, true), "silent told-by-a-call");
    let plan = |id: &str| format!("arn:aws:backup:eu-central-1:111111111111:backup-plan:{id}");
    let deleted = json!({"backupPlanId": "x", "state": "DELETED", "deletionDate": "2026-11-02T06:00:00Z"});
    assert_eq!(announced("Backup Plan State Change", &plan("x"), &deleted, false), "medium plan-deleted");
    assert_eq!(announced("Backup Plan State Change", &plan("orgs/x"), &deleted, false), "silent organization-itself");
    let point = "arn:aws:backup:eu-central-1:111111111111:recovery-point:1";
    let deleting = |ends: &str| json!({"status": "DELETING", "calculatedLifeCycle": {"deleteAt": ends}});
    assert_eq!(announced("Recovery Point State Change", point, &deleting("2026-12-24T06:00:00Z"), false), "medium recovery-point-deleted");
    assert_eq!(announced("Recovery Point State Change", point, &deleting("2026-11-02T01:00:00Z"), false), "silent aws-backup-itself");
    assert_eq!(announced("Recovery Point State Change", point, &json!({"status": "DELETING"}), false), "silent no-before");
    let after = |event: &str| {
        let lifecycle = json!({"deleteAfterDays": 35, "deleteAfterEvent": event});
        json!({"status": "DELETING", "lifecycle": lifecycle, "calculatedLifeCycle": {"deleteAt": "2026-12-24T06:00:00Z"}})
    };
    assert_eq!(announced("Recovery Point State Change", point, &after("DELETE_AFTER_COPY"), false), "silent aws-backup-itself");
    assert_eq!(announced("Recovery Point State Change", point, &after("SOME_OTHER_EVENT"), false), "medium recovery-point-deleted");
    let off = json!({"state": "MODIFIED", "ResourceTypeOptInPreference": {"EBS": false}});
    assert_eq!(announced("Region Setting State Change", vault, &off, false), "high opted-out");
    assert_eq!(
        announced("Region Setting State Change", vault, &json!({"state": "MODIFIED", "ResourceTypeOptInPreference": {"EBS": true}}), false),
        "silent harmless"
    );
    assert_eq!(announced("Backup Vault State Change", vault, &json!({"state": "MODIFIED", "isLocked": "true"}), false), "silent harmless");
}

// -- bursts ------------------------------------------------------------------------------------------------------------

fn at(minute: i64) -> Timestamp {
    "2026-11-02T05:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

fn moment(minute: i64) -> Moment {
    Moment { now: at(minute), lease_until: at(minute) + SignedDuration::from_secs(35), repeat_after: SignedDuration::from_hours(4) }
}

const ACTOR: &str = "arn:aws:iam::111111111111:role/Admin";

fn deed(kind: DeedKind, minute: i64, n: u32) -> Deed {
    let case = match kind {
        DeedKind::PointDeleted => "point-deleted-in-a-source-account",
        DeedKind::VaultLockRemoved => "lock-removed-in-the-backup-account",
        DeedKind::KeyDeletionScheduled => "key-scheduled",
        DeedKind::JobStopped => "job-stopped",
        _ => "trail-stopped",
    };
    let case = CASES.iter().find(|found| found["id"] == case).unwrap();
    let deed = judged(case).1.unwrap();
    Deed {
        at: at(minute),
        event_id: format!("event-{n}"),
        account: AccountId::parse("111111111111").unwrap(),
        severity: Severity::Medium.min(deed.severity),
        ..*deed
    }
}

/// An incident as it is kept: the deeds that were counted, and what people were told.
#[derive(Default)]
struct Kept {
    incident: Option<Incident>,
    counted: BTreeMap<String, u32>,
    told: Vec<(Kind, Severity, usize)>,
}

impl Kept {
    fn id() -> IncidentId {
        IncidentId::of_actor(ACTOR)
    }

    fn happen(&mut self, deed: &Deed, minute: i64) {
        let view = View { incident: self.incident.take(), job_counted: self.counted.get(&deed.event_id).copied(), ..View::default() };
        let (view, due) = tamper::done(view, deed, ACTOR, &Self::id(), &moment(minute));
        self.counted.extend(view.job_counted.map(|opening| (deed.event_id.clone(), opening)));
        self.incident = view.incident;
        self.tell(due, minute);
    }

    fn wait(&mut self, minute: i64) {
        let (incident, due) = incident::waited(self.incident.take().unwrap(), &moment(minute));
        self.incident = Some(incident);
        self.tell(due, minute);
    }

    fn tell(&mut self, due: Due, minute: i64) {
        let Due::Tell(kind) = due else { return };
        let incident = self.incident.take().unwrap();
        let alert = report::tamper(&incident, at(minute)).unwrap();
        self.told.push((kind, alert.severity, alert.changes.len()));
        let standing = incident.standing.clone();
        let mut incident = incident::told(incident, kind, standing.as_ref(), at(minute));
        if let Some(burst) = &mut incident.burst {
            burst.told_of(alert.event_ids(), alert.severity);
        }
        self.incident = Some(incident);
    }

    fn severities(&self) -> Vec<Severity> {
        self.told.iter().map(|(_, severity, _)| *severity).collect()
    }
}

#[test]
fn the_first_deed_is_told_at_once_and_more_of_them_when_they_are_worse() {
    let mut kept = Kept::default();
    for n in 0..30 {
        kept.happen(&deed(DeedKind::PointDeleted, 1, n), 1);
    }
    assert_eq!(kept.severities(), [Severity::Medium, Severity::High, Severity::Critical], "one, five, twenty");
    let incident = kept.incident.as_ref().unwrap();
    assert_eq!((incident.jobs_total, incident.burst.as_ref().unwrap().newest.len()), (30, tamper::MOST_KEPT));
    assert_eq!(kept.told[1].2, 4, "the message has what was done since the last");
}

#[test]
fn a_deed_that_arrives_late_is_news_and_one_that_was_told_is_none() {
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::KeyDeletionScheduled, 30, 9), 30);
    // An hour late, in the same second as another, and before what was told.
    kept.happen(&deed(DeedKind::JobStopped, 1, 5), 61);
    kept.happen(&deed(DeedKind::JobStopped, 1, 4), 61);
    let burst = kept.incident.as_ref().unwrap().burst.as_ref().unwrap();
    assert_eq!(burst.news().map(|deed| deed.kind).collect::<Vec<_>>(), [DeedKind::JobStopped; 2]);
    kept.wait(60 * 5);
    assert_eq!(kept.told.last().map(|(.., news)| *news), Some(2));
    let burst = kept.incident.as_ref().unwrap().burst.as_ref().unwrap();
    assert_eq!(
        burst.news().map(|deed| deed.kind).collect::<Vec<_>>(),
        [DeedKind::KeyDeletionScheduled],
        "a message about nothing new names the newest"
    );
}

#[test]
fn many_small_deeds_and_refused_ones_hide_no_large_one() {
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::VaultLockRemoved, 1, 0), 1);
    kept.happen(&Deed { severity: Severity::High, ..deed(DeedKind::KeyDeletionScheduled, 2, 1) }, 2);
    for n in 2..40 {
        let refused = Deed { severity: Severity::Low, refused: Some("AccessDenied".to_owned()), ..deed(DeedKind::PointDeleted, 10, n) };
        kept.happen(&refused, 10);
    }
    let alert = report::tamper(kept.incident.as_ref().unwrap(), at(11)).unwrap();
    let listed = alert.timeline.as_ref().unwrap().iter().map(|moment| moment.event_id.as_str()).collect::<BTreeSet<_>>();
    assert!(listed.contains("event-0") && listed.contains("event-1") && listed.len() == tamper::MOST_KEPT, "{listed:?}");
    assert!(alert.title.starts_with("Backups endangered"), "{}", alert.title);
    assert!(alert.summary.contains("20 deeds not listed here: `guardian incidents show bg-"), "{}", alert.summary);
}

#[test]
fn what_is_grave_and_of_another_kind_is_told_at_once_whatever_was_told_before_and_whoever_took_it_on() {
    let critical = |kind, minute, n| Deed { severity: Severity::Critical, ..deed(kind, minute, n) };
    let mut kept = Kept::default();
    kept.happen(&critical(DeedKind::VaultLockRemoved, 1, 0), 1);
    let acknowledgement = Acknowledgement { owner: "sam".to_owned(), reason: "looks at it".to_owned(), until: at(60 * 24 * 30) };
    kept.incident = kept.incident.take().map(|incident| incident::acknowledged(incident, acknowledgement));
    kept.happen(&critical(DeedKind::VaultLockRemoved, 2, 1), 2);
    assert_eq!(kept.told.len(), 1, "more of the same waits");
    kept.happen(&critical(DeedKind::KeyDeletionScheduled, 3, 2), 3);
    assert_eq!(kept.told.len(), 2, "keys are another matter");
    kept.happen(&critical(DeedKind::KeyDeletionScheduled, 4, 3), 4);
    assert_eq!(kept.told.len(), 2);
    // A week later it begins anew.
    let week = 60 * 24 * 7;
    kept.happen(&critical(DeedKind::KeyDeletionScheduled, week, 4), week);
    assert_eq!(kept.told.len(), 3);
    for n in 0..25 {
        kept.happen(&deed(DeedKind::PointDeleted, 2 * week, 10 + n), 2 * week);
    }
    assert_eq!(kept.told.len(), 5, "five points, and twenty: {:?}", kept.told);
}

#[test]
fn one_point_a_night_is_no_burst_and_five_of_one_night_are() {
    let mut kept = Kept::default();
    for night in 0..22 {
        kept.happen(&deed(DeedKind::PointDeleted, i64::from(night) * 60 * 24, night), i64::from(night) * 60 * 24);
    }
    assert_eq!(kept.told.iter().map(|(_, severity, _)| *severity).max(), Some(Severity::Medium), "{:?}", kept.told);
    let mut kept = Kept::default();
    for n in 0..5 {
        kept.happen(&deed(DeedKind::PointDeleted, i64::from(n) * 60, n), i64::from(n) * 60);
    }
    assert_eq!(kept.severities(), [Severity::Medium, Severity::High]);
}

#[test]
fn three_small_sides_are_a_working_day_and_two_grave_ones_among_them_are_not() {
    let sides = [DeedKind::PlanWeakened, DeedKind::PlanDeleted, DeedKind::EbsDefaultChanged];
    for (grave, worst) in [(0, Severity::Medium), (1, Severity::High), (2, Severity::Critical)] {
        let mut kept = Kept::default();
        for (n, kind) in (0u32..).zip(sides) {
            let severity = if n < grave { Severity::High } else { Severity::Medium };
            kept.happen(&Deed { kind, severity, ..deed(DeedKind::TrailStopped, 1, n) }, 1);
        }
        assert_eq!(kept.incident.unwrap().burst.unwrap().severity().0, worst, "{grave} grave ones");
    }
}

#[test]
fn many_stopped_jobs_or_revoked_grants_get_louder() {
    for kind in [DeedKind::JobStopped, DeedKind::GrantRevoked] {
        let mut kept = Kept::default();
        for n in 0..30 {
            kept.happen(&Deed { kind, severity: Severity::Low, ..deed(DeedKind::JobStopped, 1, n) }, 1);
        }
        assert_eq!(kept.severities(), [Severity::Low, Severity::High], "{kind:?}");
    }
}

#[test]
fn many_plans_are_many() {
    let mut kept = Kept::default();
    for n in 0..6 {
        kept.happen(&Deed { kind: DeedKind::PlanDeleted, ..deed(DeedKind::JobStopped, 1, n) }, 1);
    }
    assert_eq!(kept.told.last().map(|(_, severity, _)| *severity), Some(Severity::High));
}

#[test]
fn a_record_with_broken_characters_is_judged_by_all_of_it() {
    let case = CASES.iter().find(|case| case["id"] == "point-deleted-in-the-backup-account").unwrap();
    let whole = event(case, case["event_name"].as_str().unwrap(), &case["request"], "2026-11-02T05:00:00Z", "e-1");
    let text = String::from_utf8(whole.clone()).unwrap();
    let broken = text.replace("\"readOnly\":false", "\"readOnly\":false,\"userAgent\":\"x\\ud800\"");
    assert_ne!(broken, text);
    for bytes in [broken.clone().into_bytes(), [b"\xef\xbb\xbf".as_slice(), &whole].concat()] {
        assert_eq!(write(&bytes).request, write(&whole).request);
        assert_eq!(judge(&write(&bytes), None), judge(&write(&whole), None));
    }
}

#[test]
fn nobody_is_taken_for_another_whom_nothing_names() {
    let case = CASES.iter().find(|case| case["id"] == "point-deleted-in-the-backup-account").unwrap();
    let by = |identity: Value, account: &str| {
        let bytes = event(case, "DeleteRecoveryPoint", &case["request"], "2026-11-02T05:00:00Z", "e-1");
        let mut event = serde_json::from_slice::<Value>(&bytes).unwrap();
        event["detail"]["userIdentity"] = identity;
        event["account"] = json!(account);
        write(event.to_string().as_bytes()).actor.id
    };
    let user = |id: &str, account: &str| json!({"type": "IdentityCenterUser", "accountId": account, "principalId": id});
    assert_ne!(by(user("anna", BACKUP), BACKUP), by(user("ben", BACKUP), BACKUP));
    let nameless = |account: &str| json!({"type": "IdentityCenterUser", "accountId": account});
    assert_ne!(by(nameless(BACKUP), BACKUP), by(nameless("111111111111"), "111111111111"));
}

#[test]
fn a_lock_that_goes_before_the_points_is_an_emergency_whatever_arrives_first() {
    for order in [[0, 1], [1, 0]] {
        let deeds = [deed(DeedKind::VaultLockRemoved, 1, 0), deed(DeedKind::PointDeleted, 5, 1)];
        let mut kept = Kept::default();
        order.iter().for_each(|n| kept.happen(&deeds[*n], 6));
        assert_eq!(kept.severities().last(), Some(&Severity::Critical));
    }
    // The other way round it is none.
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::PointDeleted, 1, 0), 6);
    kept.happen(&deed(DeedKind::VaultLockRemoved, 5, 1), 6);
    assert_eq!(kept.severities(), [Severity::Medium]);
}

#[test]
fn points_and_keys_or_points_of_several_accounts_are_an_emergency() {
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::PointDeleted, 1, 0), 1);
    kept.happen(&deed(DeedKind::KeyDeletionScheduled, 2, 1), 2);
    assert_eq!(kept.severities(), [Severity::Medium, Severity::Critical]);
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::PointDeleted, 1, 0), 1);
    kept.happen(&Deed { account: AccountId::parse(BACKUP).unwrap(), ..deed(DeedKind::PointDeleted, 2, 1) }, 2);
    assert_eq!(kept.severities(), [Severity::Medium, Severity::Critical]);
}

#[test]
fn whoever_took_it_on_is_not_reminded_but_hears_of_what_is_worse() {
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::PointDeleted, 1, 0), 1);
    let until = at(60 * 24);
    let acknowledgement = Acknowledgement { owner: "sam".to_owned(), reason: "migration".to_owned(), until };
    kept.incident = kept.incident.take().map(|incident| incident::acknowledged(incident, acknowledgement));
    kept.wait(60 * 5);
    kept.happen(&deed(DeedKind::PointDeleted, 60 * 6, 1), 60 * 6);
    assert_eq!(kept.told.len(), 1, "repeats are silent");
    kept.happen(&deed(DeedKind::KeyDeletionScheduled, 60 * 7, 2), 60 * 7);
    assert_eq!(kept.severities(), [Severity::Medium, Severity::Critical]);
    kept.wait(60 * 25);
    assert_eq!(kept.told.len(), 3, "nothing is muted for good");
}

#[test]
fn what_was_done_meanwhile_is_told_at_the_repeat_interval() {
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::JobStopped, 1, 0), 1);
    kept.happen(&deed(DeedKind::JobStopped, 30, 1), 30);
    assert_eq!(kept.told.len(), 1);
    kept.wait(1 + 4 * 60);
    assert_eq!(kept.told[1], (Kind::Tamper, Severity::Low, 1));
}

#[test]
fn a_closed_incident_ends_and_the_next_deed_opens_it_again() {
    let mut kept = Kept::default();
    kept.happen(&deed(DeedKind::PointDeleted, 1, 0), 1);
    let closing = Closing { owner: "sam".to_owned(), reason: "it was me".to_owned(), at: at(9), opening: 0 };
    kept.incident = Some(incident::closed(kept.incident.take().unwrap(), &[], closing).unwrap());
    kept.wait(10);
    assert_eq!(kept.told[1].0, Kind::Resolved);
    kept.happen(&deed(DeedKind::PointDeleted, 1, 0), 11);
    assert_eq!(kept.told.len(), 2, "it came twice, and who closed it knew of it");
    kept.happen(&deed(DeedKind::PointDeleted, 12, 1), 12);
    assert_eq!((kept.told.len(), kept.incident.unwrap().opening), (3, 2));
}

proptest! {
    #[test]
    fn order_and_repetition_of_deeds_change_neither_severity_nor_timeline(
        kinds in prop::collection::vec((0usize..4, 0i64..600), 1..18), seed in any::<u64>(), again in 0usize..18,
    ) {
        const KINDS: [DeedKind; 4] =
            [DeedKind::PointDeleted, DeedKind::VaultLockRemoved, DeedKind::KeyDeletionScheduled, DeedKind::TrailStopped];
        let deeds = kinds.iter().enumerate().map(|(n, (kind, minute))| deed(KINDS[*kind], *minute, u32::try_from(n).unwrap())).collect::<Vec<_>>();
        let run = |deeds: &[Deed]| {
            let mut kept = Kept::default();
            deeds.iter().for_each(|deed| kept.happen(deed, 600));
            let incident = kept.incident.unwrap();
            let burst = *incident.burst.unwrap();
            (burst.severity(), burst.newest, incident.jobs_total)
        };
        let mut shuffled = deeds.clone();
        let mut state = seed;
        for n in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(n, usize::try_from(state >> 33).unwrap() % (n + 1));
        }
        shuffled.push(deeds[again % deeds.len()].clone());
        prop_assert_eq!(run(&deeds), run(&shuffled));
    }

    #[test]
    fn no_event_makes_the_judgement_panic(text in ".{0,200}", name in 0usize..1000, value in any::<i64>()) {
        let mut case = cases().swap_remove(name % CASES.len());
        case["request"] = json!({"policy": text, "backupVaultName": text, "lifecycle": {"deleteAfterDays": value}, "backupPlan": {"rules": text}, "content": text});
        let _ = judged(&json!({"service": case["service"], "event_name": case["event_name"], "request": case["request"]}));
    }
}

proptest! {
    #[test]
    fn no_path_that_people_may_choose_is_taken_for_that_of_a_service_linked_role(
        before in "[!-~]{0,12}", marked in any::<bool>(), after in "(/[!-~]{0,12})?", first in 0usize..4,
    ) {
        const MARKS: [&str; 4] =
            [":role/aws-service-role/backup.amazonaws.com/", "/aws-service-role/backup.amazonaws.com/", "role/aws-service-role/", "/../aws-service-role/"];
        let path = format!("{before}{}{after}/", if marked { MARKS[first] } else { "" });
        // AWS reserves it.
        prop_assume!(!path.starts_with("aws-service-role/"));
        for id in ["point-deleted-by-a-lifecycle", "grant-revoked-in-the-backup-account", "backup-role-deleted"] {
            let mut case = CASES.iter().find(|case| case["id"] == id).unwrap().clone();
            case["role"] = json!("r1");
            case["path"] = json!(path);
            let found = judged(&case).1;
            prop_assert!(found.is_ok(), "{id} by the path {path}: {}", said(&found));
        }
    }
}

// -- a quiet month -----------------------------------------------------------------------------------------------------

/// What happens in a month in which nobody does anything wrong, in accounts of three kinds; the same rows go through the function in
/// `tests/suite/test_tamper.py`.
static QUIET: LazyLock<Vec<Value>> =
    LazyLock::new(|| include_str!("../../tests/facts/quiet-month.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect());

/// The event of a row on a day, in an account.
fn quiet_event(row: &Value, account: &str, day: u64) -> Vec<u8> {
    let mut row = serde_json::from_str::<Value>(&row.to_string().replace("ACCOUNT", account).replace("DAY", &format!("{day:02}"))).unwrap();
    row["account"] = json!(account);
    let (at, id) = (format!("2026-10-{day:02}T05:00:00Z"), format!("{}-{account}-{day}", row["id"].as_str().unwrap()));
    if let Some(announced) = row["announced"].as_str() {
        let event = json!({
            "version": "0", "id": id, "detail-type": announced, "source": "aws.backup", "account": account, "time": at,
            "region": "eu-central-1", "resources": [row["resource"]], "detail": row["detail"],
        });
        return event.to_string().into_bytes();
    }
    let Some(name) = row["service_event"].as_str() else {
        return event(&row, row["event_name"].as_str().unwrap(), &row["request"], &at, &id);
    };
    let mut event = serde_json::from_slice::<Value>(&event(&row, name, &Value::Null, &at, &id)).unwrap();
    event["detail-type"] = json!("AWS Service Event via CloudTrail");
    event["detail"]["userIdentity"] = json!({"accountId": account, "invokedBy": "backup.amazonaws.com"});
    event["detail"]["eventType"] = json!("AwsServiceEvent");
    event.to_string().into_bytes()
}

#[test]
fn a_month_of_two_hundred_accounts_in_which_nobody_does_anything_wrong_is_silent() {
    let mut kept: BTreeMap<(String, Cow<'static, str>), Value> = BTreeMap::new();
    let (mut told, mut seen) = (Vec::new(), 0_usize);
    let accounts = (0..200).map(|n| match n {
        0 => ("backup", BACKUP.to_owned()),
        1 => ("management", "333333333333".to_owned()),
        n => ("source", format!("1111111{n:05}")),
    });
    let accounts = accounts.collect::<Vec<_>>();
    for day in 1..=30 {
        for (row, (_, account)) in QUIET
            .iter()
            .flat_map(|row| accounts.iter().map(move |account| (row, account)))
            .filter(|(row, account)| row["of"] == account.0 && row["days"].as_array().unwrap().contains(&json!(day)))
        {
            seen += 1;
            let write = match tamper::read(&quiet_event(row, account, day)) {
                Incoming::Write(write) => write,
                Incoming::Announced(change) => {
                    told.extend(tamper::announced(&change, false).ok());
                    continue;
                }
                Incoming::Other => continue,
                Incoming::Quarantine(reason) => panic!("{}: {reason}", row["id"]),
            };
            let before = tamper::aspect(&write).and_then(|aspect| kept.get(&(tamper::log_names(&write).remove(0), aspect)));
            let before = before.map(|value| Before { value: value.clone() });
            told.extend(judge(&write, before.as_ref()).ok());
            if row["of_a_route"] == true {
                told.extend(judge_of_a_route(&write, before.as_ref()).ok());
            }
            kept.extend(tamper::state(&write).map(|state| ((tamper::log_names(&write).remove(0), state.aspect), state.value)));
        }
    }
    let told = told.iter().map(|deed| format!("{} {}: {}", deed.at, deed.severity.as_str(), deed.what)).collect::<BTreeSet<_>>();
    assert!(told.is_empty(), "{told:#?}");
    assert_eq!(seen, 33_655, "as many as the rows say");
}
