//! Every event fixture is read as its index says; no damage to a single field loses a failure; nothing panics.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be read must stop the test")]
#![expect(clippy::disallowed_methods, reason = "tests read fixtures; the core itself reads nothing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use guardian_core::diagnosis::{Cause, diagnose};
use guardian_core::event::{Job, NoticeKind, Parsed, parse, parse_notification};
use guardian_core::evidence::cloudtrail::{IdentityKind, Record};
use guardian_core::evidence::{Denial, DenialKind, Effect, Evidence, PolicyType};
use proptest::prelude::*;
use serde_json::{Value, json};

const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const NOTIFICATION: &str = "vault-notification/any.json";
const COPY_KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/9876dcba-12ab-34cd-56ef-1234567890ab";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/events")
}

fn bytes_of(file: &str) -> Vec<u8> {
    fs::read(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn value_of(file: &str) -> Value {
    serde_json::from_slice(&bytes_of(file)).unwrap()
}

/// `(file, expect)` of the index.
fn index() -> Vec<(String, String)> {
    let index: Vec<Value> = serde_json::from_slice(&bytes_of("index.json")).unwrap();
    index.iter().map(|entry| (entry["file"].as_str().unwrap().to_owned(), entry["expect"].as_str().unwrap().to_owned())).collect()
}

/// Reads what a queue holds as the function does that works on it.
fn read(file: &str, bytes: &[u8]) -> Parsed {
    if file.starts_with("vault-notification/") { parse_notification(bytes) } else { parse(bytes) }
}

/// Who says whose it is: the envelope of the event, or the topic of the notification.
fn account_of(file: &str, event: &Value) -> Option<String> {
    if file.starts_with("vault-notification/") {
        return event["TopicArn"].as_str().or(event["TOPICARN"].as_str()).and_then(|arn| arn.split(':').nth(4)).map(str::to_owned);
    }
    event["account"].as_str().or(event["ACCOUNT"].as_str()).map(str::to_owned)
}

/// What a fixture was read as, in the words of the index.
fn class_of(parsed: &Parsed) -> &'static str {
    match parsed {
        Parsed::Job(job) if job.is_problem() => "problem",
        Parsed::Job(_) => "job",
        Parsed::Trail(record) if !record.denial().is_empty() => "denial",
        Parsed::Trail(record) if record.change().is_some() => "write",
        Parsed::Trail(_) => "trail",
        Parsed::Change(_) => "change",
        Parsed::Other { .. } => "other",
        Parsed::Degraded(_) => "degraded",
        Parsed::Quarantine(_) => "quarantine",
    }
}

fn job_of(bytes: &[u8]) -> Job {
    match parse(bytes) {
        Parsed::Job(job) => *job,
        other => panic!("no job: {other:?}"),
    }
}

fn record_of(name: &str) -> Record {
    match parse(&bytes_of(&format!("cloudtrail/{name}.json"))) {
        Parsed::Trail(record) => *record,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_fixture_is_read_as_the_index_says() {
    for (file, expect) in index() {
        let parsed = read(&file, &bytes_of(&file));
        assert_eq!(class_of(&parsed), expect, "{file}: {parsed:?}");
    }
}

#[test]
fn the_index_lists_every_file_with_its_provenance() {
    let mut files = BTreeSet::new();
    for folder in fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            files.insert(file.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
    assert_eq!(index().into_iter().map(|(file, _)| file).collect::<BTreeSet<_>>(), files);
    for entry in serde_json::from_slice::<Vec<Value>>(&bytes_of("index.json")).unwrap() {
        assert!(["documented", "field", "composed"].contains(&entry["provenance"].as_str().unwrap()), "{entry}");
        assert!(entry["url"].as_str().unwrap().starts_with("https://"), "{entry}");
    }
}

#[test]
fn undamaged_events_are_read_without_a_problem() {
    for (file, expect) in index().into_iter().filter(|(file, _)| !file.contains("/odd-")) {
        match read(&file, &bytes_of(&file)) {
            Parsed::Job(job) => assert_eq!(job.problems, [], "{file} ({expect})"),
            Parsed::Change(change) => assert_eq!(change.problems, [], "{file} ({expect})"),
            _ => {}
        }
    }
}

#[test]
fn a_failed_copy_says_everything_its_event_says() {
    let job = job_of(&bytes_of("copy-job/failed.json"));
    let text = |value: Option<String>| value.unwrap_or_default();
    let arn = |arn: &Option<guardian_core::arn::Arn>| text(arn.as_ref().map(ToString::to_string));
    assert_eq!(job.key().to_string(), "111111111111/eu-central-1/copy/47c8ef56-74d8-059d-1301-c5be1d5c926e/FAILED");
    assert_eq!(arn(&job.recovery_point_arn), "arn:aws:ec2:eu-central-1::snapshot/snap-03886bc8d6ef3a1f9");
    assert_eq!(arn(&job.vault_arn), "arn:aws:backup:eu-central-1:111111111111:backup-vault:local-vault");
    assert_eq!(arn(&job.destination_vault_arn), "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-vault");
    assert_eq!(job.destination_recovery_point_arn, None);
    assert_eq!(job.status_message.as_deref(), Some("Given key ID is not accessible"));
    assert_eq!(job.size_bytes, Some(8_589_934_592));
    assert_eq!(job.created_at, "2026-11-02T05:21:13.239Z".parse().ok());
    let plan = job.plan.unwrap();
    assert_eq!(plan.plan_id.as_deref(), Some("orgs/544033d1-b19c-3f2a-9c20-40bcfa82ca68"));
    assert_eq!(plan.rule_id.as_deref(), Some("78e356d3-1a11-4f61-8585-af5d6b69bb18"));
}

#[test]
fn the_oddities_of_aws_are_evened_out() {
    // Quoted twice; size as a text; the recovery point only in `resources`.
    let job = job_of(&bytes_of("backup-job/completed-with-issues.json"));
    assert_eq!(job.status_message.as_deref(), Some("Windows VSS Backup Job Error encountered, trying for regular backup"));
    assert_eq!(job.size_bytes, Some(8_589_934_592));
    assert!(job.recovery_point_arn.unwrap().as_str().ends_with("image/ami-0123456789abcdef0"));
    assert_eq!(job_of(&bytes_of("backup-job/pending.json")).status_message, None);
    // Other ways of writing sizes and dates.
    let usual = job_of(&bytes_of("copy-job/failed.json"));
    let odd = job_of(&bytes_of("copy-job/odd-size-as-text-and-dates-as-numbers.json"));
    assert_eq!((odd.size_bytes, odd.created_at, odd.problems), (usual.size_bytes, usual.created_at, Vec::new()));
    assert_eq!(odd.completed_at, "2026-11-02T05:37:28Z".parse().ok());
    // `state` for `status`, and the field before the list where they differ.
    assert_eq!(job_of(&bytes_of("restore-job/created.json")).state.as_str(), "CREATED");
    assert!(job_of(&bytes_of("restore-job/odd-points-differ.json")).recovery_point_arn.unwrap().as_str().contains("copyjob-1a2bcd34"));
    // `backupRuleId`, and the result of a scan.
    let scan = job_of(&bytes_of("scan-job/completed-threats-found.json"));
    assert_eq!(scan.plan.unwrap().rule_id.as_deref(), Some("256ad167-f523-4cb9-93f3-f0c933efd97f"));
    assert_eq!(scan.scan_result.as_deref(), Some("THREATS_FOUND"));
    // A message that only looks quoted keeps its marks.
    let mut event = value_of("copy-job/failed.json");
    event["detail"]["statusMessage"] = json!("\"a\" is not \"b\"");
    assert_eq!(job_of(event.to_string().as_bytes()).status_message.as_deref(), Some("\"a\" is not \"b\""));
}

#[test]
fn changes_say_what_changed() {
    let change = |file: &str| match parse(&bytes_of(file)) {
        Parsed::Change(change) => *change,
        other => panic!("{file}: {other:?}"),
    };
    let vault = change("backup-vault/modified.json");
    assert_eq!((vault.state.as_str(), vault.locked, vault.name.as_deref()), ("MODIFIED", Some(true), Some("central-vault")));
    let plan = change("backup-plan/deleted.json");
    assert_eq!((plan.state.as_str(), plan.changed_at), ("DELETED", "2026-11-02T06:01:19.168Z".parse().ok()));
    assert_eq!(
        change("region-setting/modified.json").opt_in.into_iter().collect::<Vec<_>>(),
        [("Aurora".to_owned(), true), ("EBS".to_owned(), false)]
    );
    let point = change("recovery-point/completed.json");
    assert_eq!((point.encrypted, point.delete_at), (Some(true), "2027-02-10T05:38:31.152Z".parse().ok()));
    let index = change("recovery-point-index/failed.json");
    assert_eq!((index.state.as_str(), index.status_message.as_deref()), ("FAILED", Some("Access denied")));
}

#[test]
fn a_huge_message_is_kept_up_to_a_bound_and_says_so() {
    let mut event = value_of("backup-job/failed.json");
    event["detail"]["statusMessage"] = Value::String("Backup job failed. ".repeat(16_000));
    let job = job_of(event.to_string().as_bytes());
    let message = job.status_message.clone().unwrap();
    assert!(message.len() < 17_000 && message.ends_with(" [cut: 16384 of 303999 bytes]"), "{}", message.len());
    assert!(job.is_problem() && job.problems.iter().any(|problem| problem.field == "detail.statusMessage"));
}

#[test]
fn a_degraded_event_goes_the_way_of_every_alert() {
    let Parsed::Degraded(degraded) = parse(&bytes_of("copy-job/odd-no-region.json")) else { panic!("not degraded") };
    let job = degraded.as_job();
    assert!(job.is_problem());
    assert_eq!((job.account.as_str(), job.region.as_str(), job.job_type.as_str()), ("111111111111", "unknown-region", "copy"));
    assert_eq!(job.status_message.as_deref(), Some("Given key ID is not accessible"));
    assert!(job.raw_event.as_deref().unwrap().contains("copyJobId"));
    assert!(job.problems.iter().any(|problem| problem.field == "region"));
    // The same delivery has the same key; another one has its own.
    assert_eq!(job.key(), degraded.as_job().key());
    let mut other = (*degraded).clone();
    other.event_id = Some("another".to_owned());
    assert_ne!(job.key(), other.as_job().key());
}

#[test]
fn the_text_of_an_event_that_cannot_be_read_is_no_text_of_aws() {
    for detail in [Value::Null, json!([]), json!({"state": null}), json!("FAILED: Given key ID is not accessible")] {
        let mut event = value_of("copy-job/failed.json");
        event["detail"] = detail;
        let Parsed::Degraded(degraded) = parse(event.to_string().as_bytes()) else { panic!("not degraded: {event}") };
        let verdict = diagnose(&Evidence::of_event(degraded.as_job(), "2026-11-02T05:40:00Z".parse().unwrap()));
        assert_eq!(verdict.cause, Cause::Unexplained, "{event}");
        assert!(verdict.summary.contains("could not be read"), "{}", verdict.summary);
        let mut other = (*degraded).clone();
        other.raw.push_str("and something else");
        let second = diagnose(&Evidence::of_event(other.as_job(), "2026-11-02T05:40:00Z".parse().unwrap()));
        assert_ne!(verdict.fingerprint, second.fingerprint, "another event is another incident");
    }
}

#[test]
fn jobs_without_an_id_are_told_apart_by_what_they_are_about() {
    let event = value_of("copy-job/odd-failed-without-id.json");
    let key = |event: &Value| job_of(event.to_string().as_bytes()).key();
    assert!(key(&event).job_id.as_str().starts_with("derived-"));
    let mut again = event.clone();
    again["id"] = json!("another-delivery");
    again["time"] = json!("2026-11-02T05:59:59Z");
    assert_eq!(key(&event), key(&again), "another delivery of the same job");
    for (pointer, value) in [
        ("/detail/creationDate", json!("2026-11-02T05:21:13.240Z")),
        ("/resources/0", json!("arn:aws:ec2:eu-central-1::snapshot/snap-1")),
        ("/detail/destinationBackupVaultArn", json!("arn:aws:backup:eu-central-1:222222222222:backup-vault:b")),
        ("/account", json!("111111111112")),
    ] {
        let mut other = event.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_ne!(key(&event), key(&other), "{pointer}");
    }
}

/// Every place of a document, as JSON pointers.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    if !at.is_empty() {
        out.push(at.to_owned());
    }
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out))
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(n, value)| places(value, &format!("{at}/{n}"), out)),
        _ => {}
    }
}

fn remove(document: &mut Value, place: &str) -> Option<Value> {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(map) => map.shift_remove(name),
        Value::Array(list) => Some(list.remove(name.parse().unwrap())),
        _ => None,
    }
}

/// Every damage to one field of a document: deleted, null, of another type, renamed, nested.
fn damages(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut pointers = Vec::new();
    places(document, "", &mut pointers);
    for place in pointers {
        let original = document.pointer(&place).unwrap().clone();
        let name = place.rsplit('/').next().unwrap().to_owned();
        let mut deleted = document.clone();
        remove(&mut deleted, &place);
        let is_member = document.pointer(place.rsplit_once('/').unwrap().0).unwrap().is_object();
        if is_member {
            for renamed in [format!("{name}2"), format!("x-{name}"), name.to_uppercase(), String::new()] {
                let mut document = deleted.clone();
                let parent = document.pointer_mut(place.rsplit_once('/').unwrap().0).unwrap();
                parent[renamed.as_str()] = original.clone();
                all.push((format!("{place} renamed `{renamed}`"), document));
            }
        }
        all.push((format!("{place} deleted"), deleted));
        for replaced in [
            Value::Null,
            json!(0),
            json!(-1.5),
            json!(true),
            json!([]),
            json!({}),
            json!({ name.clone(): original.clone() }),
            json!({ "value": original.clone() }),
            json!([original.clone()]),
            json!([[original.clone()]]),
        ] {
            let mut document = document.clone();
            let what = format!("{place} = {}", replaced.to_string().chars().take(60).collect::<String>());
            *document.pointer_mut(&place).unwrap() = replaced;
            all.push((what, document));
        }
        if !original.is_string() {
            let mut document = document.clone();
            *document.pointer_mut(&place).unwrap() = json!("text");
            all.push((format!("{place} = text"), document));
        }
    }
    all
}

#[test]
fn no_damage_to_one_field_loses_a_failure() {
    let mut tried = 0;
    for (file, _) in index().into_iter().filter(|(_, expect)| ["problem", "degraded"].contains(&expect.as_str())) {
        let Ok(document) = serde_json::from_slice::<Value>(&bytes_of(&file)) else { continue };
        let state = document.pointer("/detail/state").or(document.pointer("/detail/status")).and_then(Value::as_str);
        for (damage, damaged) in damages(&document) {
            // Without its message a completed job is an honest success, and so is one of two states that contradict each other.
            if state == Some("COMPLETED") && damage.starts_with("/detail/statusMessage") || file.contains("state-and-status-differ") {
                continue;
            }
            // Without the one word that tells of an error the selection was processed.
            if file.contains("not-started/other-error") && damage.starts_with("/detail/errorCode") {
                continue;
            }
            tried += 1;
            let parsed = read(&file, damaged.to_string().as_bytes());
            assert!(["problem", "degraded", "quarantine"].contains(&class_of(&parsed)), "{file}: {damage}: {parsed:?}");
            match parsed {
                Parsed::Job(job) => {
                    assert_eq!(Some(job.account.as_str()), account_of(&file, &damaged).as_deref(), "{file}: {damage}");
                    assert_eq!(serde_json::from_value::<Job>(serde_json::to_value(&job).unwrap()).unwrap(), *job, "{file}: {damage}");
                }
                Parsed::Degraded(degraded) => assert!(degraded.as_job().is_problem() && !degraded.problems.is_empty(), "{file}: {damage}"),
                _ => {}
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
}

fn notice_of(file: &str) -> Job {
    match read(file, &bytes_of(file)) {
        Parsed::Job(job) => *job,
        other => panic!("{file}: {other:?}"),
    }
}

#[test]
fn a_service_event_says_which_selection_of_which_plan_made_no_job() {
    let plan = |job: &Job| job.resource_arn.as_ref().map(|arn| arn.resource_name().to_owned()).unwrap_or_default();
    let job = notice_of("not-started/role-not-assumable.json");
    let role = "arn:aws:iam::111111111111:role/service-role/OrgBackupRole";
    assert_eq!(
        (job.state.as_str(), job.job_id.as_ref(), plan(&job).as_str()),
        ("NOT_STARTED", None, "orgs/e4548665-3dfc-36a2-92ab-9a6477109903")
    );
    assert_eq!(job.role_arn.as_ref().map(|arn| arn.as_str()), Some(role));
    let notice = job.notice.clone().unwrap();
    assert!(notice.refused_role() && notice.selections == ["7be5d1b0-7b1e-3a55-8f4d-9a3c7f5d2e10"], "{notice:?}");

    let denial = notice_of("not-started/tags-denied-by-scp.json").notice.unwrap().denial.unwrap();
    assert_eq!((denial.action.as_deref(), denial.policy_type), (Some("tag:GetResources"), Some(PolicyType::ServiceControlPolicy)));
    let denial = notice_of("not-started/tags-not-allowed.json").notice.unwrap().denial.unwrap();
    assert_eq!((denial.action.as_deref(), denial.principal.as_deref()), (Some("tag:GetResources"), Some(role)));
    let other = notice_of("not-started/other-error.json");
    assert_eq!((other.notice.unwrap().denial, other.status_message.as_deref()), (None, Some("InternalFailure")));

    let deleted = notice_of("not-started/selection-deleted.json").notice.unwrap();
    assert_eq!((deleted.plan_name.as_deref(), deleted.selections[0].as_str()), (Some("daily"), "everything-tagged"));
    let invalid = notice_of("not-started/organization-policy-invalid.json").notice.unwrap();
    assert_eq!((invalid.kind, invalid.plan_name.as_deref()), (NoticeKind::OrganizationPolicyInvalid, Some("org-daily")));
    assert_eq!(invalid.selections, ["tagged-daily"]);
}

#[test]
fn a_plan_of_another_account_is_no_object_here() {
    let job = notice_of("not-started/odd-plan-of-another-account.json");
    assert_eq!((job.account.as_str(), job.resource_arn.as_ref()), ("111111111111", None));
    assert!(job.problems.iter().any(|problem| problem.field.ends_with("backupPlanArn")), "{:?}", job.problems);
    let verdict = diagnose(&Evidence::of_event(job, "2026-11-02T05:40:00Z".parse().unwrap()));
    assert!(
        matches!(&verdict.object, guardian_core::incident::Object::Provisional { account_id, .. } if account_id.as_str() == "111111111111")
    );
}

#[test]
fn one_notice_has_one_key_in_every_delivery_and_two_have_two() {
    for (file, id) in
        [("not-started/selection-deleted.json", "/detail/eventID"), ("vault-notification/continuous-backup-interrupted.json", "/MessageId")]
    {
        let event = value_of(file);
        let key = |event: &Value| match read(file, event.to_string().as_bytes()) {
            Parsed::Job(job) => job.key(),
            other => panic!("{file}: {other:?}"),
        };
        let mut again = event.clone();
        (again["id"], again["time"]) = (json!("another-delivery"), json!("2026-11-02T06:00:00Z"));
        assert_eq!(key(&event), key(&again), "{file}");
        let mut other = event.clone();
        *other.pointer_mut(id).unwrap() = json!("another");
        assert_ne!(key(&event), key(&other), "{file}");
    }
    // Messages about the objects of one job are one.
    let job = notice_of("vault-notification/s3-backup-object-failed.json");
    assert_eq!(job.key().to_string(), "111111111111/eu-central-1/backup/1b2345b2-f22c-4dab-5eb6-bbc7890ed123/OBJECTS_LEFT_OUT");
}

#[test]
fn what_the_queue_of_notifications_holds_is_never_read_as_an_event() {
    for (file, expect) in index().into_iter().filter(|(file, _)| !file.starts_with("vault-notification/")) {
        assert_eq!(class_of(&parse_notification(&bytes_of(&file))), "quarantine", "{file} ({expect})");
    }
    for (file, expect) in index().into_iter().filter(|(file, _)| file.starts_with("vault-notification/") && !file.contains("raw-event")) {
        assert_eq!(class_of(&parse(&bytes_of(&file))), "quarantine", "{file} ({expect})");
    }
}

#[test]
fn no_damage_to_one_field_of_a_record_panics_or_hides_it() {
    for (file, _) in index().into_iter().filter(|(_, expect)| expect == "denial") {
        for (damage, damaged) in damages(&value_of(&file)) {
            let parsed = parse(damaged.to_string().as_bytes());
            let error_is_gone = damage.starts_with("/detail/errorCode");
            let sender_is_gone = damage.starts_with("/detail-type") || damage.starts_with("/source");
            assert!(
                ["denial", "quarantine"].contains(&class_of(&parsed)) || error_is_gone || sender_is_gone,
                "{file}: {damage}: {parsed:?}"
            );
        }
    }
}

#[test]
fn letter_case_of_ids_never_changes_the_key() {
    for (file, expect) in index() {
        if expect != "problem" && expect != "job" || ["surrogate", "as-text", "vault-notification/"].iter().any(|part| file.contains(part))
        {
            continue;
        }
        let event = value_of(&file);
        let key = job_of(&bytes_of(&file)).key();
        for field in ["backupJobId", "copyJobId", "restoreJobId", "scanJobId", "state", "status"] {
            let Some(text) = event.pointer(&format!("/detail/{field}")).and_then(Value::as_str) else { continue };
            for written in [text.to_uppercase(), text.to_lowercase(), format!(" {text} ")] {
                let mut event = event.clone();
                event["detail"][field] = Value::String(written);
                assert_eq!(job_of(event.to_string().as_bytes()).key(), key, "{file}: {field}");
            }
        }
    }
}

#[test]
fn denials_name_who_was_refused_what_on_which_key() {
    use Effect::{ExplicitDeny, ImplicitDeny};
    use PolicyType::{IdentityBasedPolicy, PermissionsBoundary, ResourceBasedPolicy, RoleTrustPolicy, ServiceControlPolicy};
    let snapshot = "arn:aws:ec2:eu-central-1::snapshot/snap-03886bc8d6ef3a1f9";
    let vault = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-vault";
    let role = "arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole";
    type Expected<'e> = (&'e str, DenialKind, &'e str, Option<&'e str>, Option<Effect>, Option<PolicyType>);
    let implicit_resource = (Some(ImplicitDeny), Some(ResourceBasedPolicy));
    let scp = (Some(ExplicitDeny), Some(ServiceControlPolicy));
    let (denied, none) = (DenialKind::AccessDenied, (None, None));
    let with = |name, kind, action, resource, (effect, policy): (_, _)| -> Expected<'_> { (name, kind, action, resource, effect, policy) };
    let table = [
        with("create-grant-denied", denied, "kms:CreateGrant", Some(KEY), implicit_resource),
        with("create-grant-denied-with-parameters", denied, "kms:CreateGrant", Some(KEY), implicit_resource),
        with("create-grant-invoked-by-ec2", denied, "kms:CreateGrant", Some(KEY), implicit_resource),
        with("describe-key-vague", denied, "kms:DescribeKey", None, none),
        with("create-grant-vague-with-key-id", denied, "kms:CreateGrant", Some(KEY), none),
        with("re-encrypt-from-scp", denied, "kms:ReEncryptFrom", Some(KEY), scp),
        with("re-encrypt-from-scp-with-policy", denied, "kms:ReEncryptFrom", Some(KEY), scp),
        with("generate-data-key-disabled", DenialKind::KeyDisabled, "kms:GenerateDataKeyWithoutPlaintext", Some(KEY), none),
        with("create-grant-pending-deletion", DenialKind::KeyInvalidState, "kms:CreateGrant", Some(KEY), none),
        with("describe-key-not-found", DenialKind::NotFound, "kms:DescribeKey", Some(KEY), none),
        with("decrypt-incorrect-key", DenialKind::NotFound, "kms:Decrypt", Some(KEY), none),
        with("decrypt-grant-lost", DenialKind::GrantLost, "kms:Decrypt", None, none),
        with("decrypt-throttled", DenialKind::Other, "kms:Decrypt", None, none),
        with("decrypt-key-unavailable", DenialKind::Other, "kms:Decrypt", None, none),
        with("decrypt-bare-key-id", denied, "kms:Decrypt", Some(KEY), none),
        with("decrypt-alias", denied, "kms:Decrypt", None, none),
        with("decrypt-alias-arn", denied, "kms:Decrypt", None, none),
        with("decrypt-identity-policy", denied, "kms:Decrypt", Some(KEY), (Some(ImplicitDeny), Some(IdentityBasedPolicy))),
        with("decrypt-boundary", denied, "kms:Decrypt", Some(KEY), (Some(ImplicitDeny), Some(PermissionsBoundary))),
        with("decrypt-legacy", denied, "kms:Decrypt", Some(KEY), none),
        with("decrypt-cut-at-1-kilobyte", denied, "kms:Decrypt", Some(KEY), (Some(ExplicitDeny), Some(ResourceBasedPolicy))),
        with("modify-snapshot-attribute-encoded", denied, "ec2:ModifySnapshotAttribute", Some(snapshot), none),
        with("copy-snapshot-denied", denied, "ec2:CopySnapshot", Some("arn:aws:ec2:eu-central-1::snapshot/*"), scp),
        with("copy-db-snapshot-key-not-accessible", DenialKind::KeyNotAccessible, "rds:CopyDBSnapshot", Some(KEY), none),
        with("copy-into-backup-vault-denied", denied, "backup:CopyIntoBackupVault", Some(vault), implicit_resource),
        with("start-copy-job-denied", denied, "backup:StartCopyJob", Some(vault), none),
        with("assume-role-denied", denied, "sts:AssumeRole", Some(role), (Some(ImplicitDeny), Some(RoleTrustPolicy))),
        with("create-grant-disabled-in-key-account", DenialKind::KeyDisabled, "kms:CreateGrant", Some(KEY), none),
        with("odd-recipient-differs", denied, "kms:CreateGrant", Some(KEY), implicit_resource),
    ];
    for (name, kind, action, resource, effect, policy_type) in &table {
        let denials = record_of(name).denial();
        let [denial] = denials.as_slice() else { panic!("{name}: {denials:?}") };
        let found = (denial.kind, denial.action.as_deref().unwrap(), denial.resource.as_ref().map(|arn| arn.as_str()));
        assert_eq!((found, denial.effect, denial.policy_type), ((*kind, *action, *resource), *effect, *policy_type), "{name}");
    }
    let listed = index().into_iter().filter(|(_, expect)| expect == "denial").count();
    assert_eq!(listed, table.len() + 1, "every record of a denial has its row here; `re-encrypt-without-message` has its own test");
}

#[test]
fn the_encoded_message_of_ec2_is_given_whole_or_not_at_all() {
    let mut denial = record_of("modify-snapshot-attribute-encoded").denial().remove(0);
    assert_eq!(denial.encoded_message(), Some("4Fy7Jq0B9Kc2mXvRZ1Tq8wUeLp3sNd5hGa6"));
    denial.message = denial.message.map(|message| message + &"x".repeat(1024)).map(|message| message.chars().take(1024).collect());
    assert_eq!(denial.encoded_message(), None);
    assert_eq!(record_of("decrypt-legacy").denial()[0].encoded_message(), None);
}

#[test]
fn what_cannot_be_an_id_becomes_none() {
    for bad in ["two words", "line\nbreak", "ä", &"x".repeat(200)] {
        let mut event = value_of("copy-job/failed.json");
        event["detail"]["copyJobId"] = json!(bad);
        let job = job_of(event.to_string().as_bytes());
        assert!(job.job_id.is_none() && job.is_problem() && job.key().job_id.as_str().starts_with("derived-"), "{bad}");
        assert!(job.problems.iter().any(|problem| problem.field == "detail.copyJobId"), "{bad}");
    }
}

#[test]
fn one_re_encrypt_is_two_actions_on_two_keys() {
    let record = record_of("re-encrypt-without-message");
    assert_eq!(record.additional.get("keyMaterialId").map(String::as_str), Some("0123456789abcdef"));
    let found = record.denial();
    let told = |denial: &Denial| {
        let context = denial.encryption_context.get("aws:ebs:id").cloned().unwrap_or_default();
        (denial.action.clone().unwrap(), denial.resource.clone().unwrap().to_string(), context)
    };
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [
            ("kms:ReEncryptFrom".to_owned(), KEY.to_owned(), "snap-03886bc8d6ef3a1f9".to_owned()),
            ("kms:ReEncryptTo".to_owned(), COPY_KEY.to_owned(), "snap-0726fe70935586180".to_owned()),
        ]
    );
    // A message about one of the keys says which of the two it was.
    let mut event = value_of("cloudtrail/re-encrypt-without-message.json");
    event["detail"]["errorCode"] = json!("DisabledException");
    event["detail"]["errorMessage"] = json!(format!("{COPY_KEY} is disabled."));
    let denials = Record::parse(&event["detail"]).unwrap().denial();
    assert_eq!(denials.iter().map(|denial| denial.action.clone().unwrap()).collect::<Vec<_>>(), ["kms:ReEncryptTo"]);
}

#[test]
fn the_caller_is_named_as_well_as_its_record_allows() {
    let slr = record_of("create-grant-denied");
    assert_eq!(slr.identity.kind, IdentityKind::AssumedRole);
    let denial = &slr.denial()[0];
    assert_eq!(denial.issuer_arn.as_ref().unwrap().role_name(), Some("AWSServiceRoleForBackup"));
    assert_eq!(denial.recorded_in.as_str(), "222222222222");
    assert_eq!(denial.invoked_by.as_deref(), Some("backup.amazonaws.com"));

    let other_account = record_of("create-grant-disabled-in-key-account");
    assert_eq!(other_account.identity.kind, IdentityKind::AwsAccount);
    let denial = &other_account.denial()[0];
    assert_eq!(denial.principal.as_deref(), Some("AROAEXAMPLEEXAMPLE123:AWSBackup-AWSServiceRoleForBackup"));
    assert_eq!((denial.issuer_arn.as_ref(), denial.recorded_in.as_str()), (None, "111111111111"));

    let service = record_of("assume-role-denied");
    assert_eq!(service.identity.kind, IdentityKind::AwsService);
    assert_eq!(service.denial()[0].principal.as_deref(), Some("backup.amazonaws.com"));

    // The envelope, not the record, says whose trail it is.
    assert_eq!(record_of("odd-recipient-differs").recorded_in.as_str(), "222222222222");
    let scp = &record_of("re-encrypt-from-scp-with-policy").denial()[0];
    assert!(scp.policy_arn.as_deref().unwrap().ends_with("/p-examplepolicyid111"));
}

#[test]
fn writes_say_who_changed_what() {
    let change = record_of("put-key-policy").change().unwrap();
    assert_eq!((change.action.as_str(), change.actor.as_str()), ("kms:PutKeyPolicy", "arn:aws:sts::111111111111:assumed-role/Admin/anna"));
    assert_eq!((change.resource_arn.unwrap().as_str(), change.source_ip.as_deref()), (KEY, Some("192.0.2.17")));
    assert_eq!(record_of("revoke-grant").change().unwrap().resource_arn.unwrap().as_str(), KEY);
    let vault = record_of("put-vault-policy").change().unwrap();
    assert_eq!(vault.resource_arn.unwrap().as_str(), "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-vault");
    // Neither what failed nor the grants of everyday work are changes.
    for name in ["create-grant-denied", "create-grant-succeeded", "backup-job-completed"] {
        assert_eq!(record_of(name).change(), None, "{name}");
    }
}

#[test]
fn lookup_and_push_read_the_same_record() {
    for (file, _) in index().into_iter().filter(|(_, expect)| expect == "denial") {
        if file.contains("recipient-differs") {
            continue;
        }
        let event = value_of(&file);
        let text = event["detail"].to_string();
        let looked_up = Record::parse(&serde_json::from_str(&text).unwrap()).unwrap();
        let Parsed::Trail(pushed) = parse(event.to_string().as_bytes()) else { panic!("{file}") };
        assert_eq!(looked_up, *pushed, "{file}");
        let stored = serde_json::to_string(&looked_up.denial()).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Denial>>(&stored).unwrap(), looked_up.denial(), "{file}");
        assert_eq!(serde_json::from_str::<Record>(&serde_json::to_string(&looked_up).unwrap()).unwrap(), looked_up, "{file}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "(arn:aws:(kms|ec2|backup):[a-z0-9:/-]{0,40}|FAILED|[0-9]{12}|[A-Z][a-z]{2} 1, 2026 1:2:3 PM)".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-zA-Z-]{1,12}", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn files_of(expect: &'static [&'static str]) -> impl Strategy<Value = String> {
    let files = index().into_iter().filter(|(_, found)| expect.contains(&found.as_str())).map(|(file, _)| file).collect::<Vec<_>>();
    proptest::sample::select(files)
}

/// Everything that can be asked of an event, for its panics.
fn ask(file: &str, bytes: &[u8]) -> Parsed {
    let parsed = read(file, bytes);
    match &parsed {
        Parsed::Job(job) => drop((job.is_problem(), job.key().to_string())),
        Parsed::Degraded(degraded) => drop(degraded.as_job().key()),
        Parsed::Trail(record) => drop((record.denial(), record.change())),
        _ => {}
    }
    parsed
}

#[test]
fn deep_nesting_and_broken_encodings_are_survived() {
    for bytes in [
        format!("{{\"detail\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
        vec![0xff; 1000],
        b"{\"source\": \"aws.backup\", \"account\": \"111111111111\", \"detail\": {\"a\": \"\\ud800\"}}".to_vec(),
        bytes_of("copy-job/failed.json").into_iter().filter(|byte| *byte != b'}').collect(),
    ] {
        ask("", &bytes);
        ask(NOTIFICATION, &bytes);
    }
    let mut broken = bytes_of("copy-job/failed.json");
    let at = String::from_utf8_lossy(&broken).find("Given").unwrap();
    broken[at] = 0xff;
    let job = job_of(&broken);
    assert!(job.is_problem() && job.status_message.unwrap().ends_with("iven key ID is not accessible"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        ask("", &bytes);
        ask(NOTIFICATION, &bytes);
    }

    #[test]
    fn no_json_panics(value in any_json()) {
        ask("", value.to_string().as_bytes());
        ask(NOTIFICATION, value.to_string().as_bytes());
        let _ = Record::parse(&value).map(|record| (record.denial(), record.change()));
    }

    #[test]
    fn any_value_in_any_field_keeps_the_identity_of_the_envelope(
        file in files_of(&["problem", "job", "denial"]),
        place in any::<proptest::sample::Index>(),
        value in any_json(),
    ) {
        let Ok(mut event) = serde_json::from_slice::<Value>(&bytes_of(&file)) else { return Ok(()) };
        let mut pointers = Vec::new();
        places(&event, "", &mut pointers);
        let place = pointers[place.index(pointers.len())].clone();
        *event.pointer_mut(&place).unwrap() = value;
        if file.starts_with("vault-notification/") {
            let topic = event["TopicArn"].as_str().unwrap_or_default().split(':').map(|part| Value::from(part.trim())).collect::<Vec<_>>();
            (event["account"], event["region"]) = (topic.get(4).cloned().unwrap_or_default(), topic.get(3).cloned().unwrap_or_default());
        }
        let (account, region) = (event["account"].as_str().map(str::trim), event["region"].as_str().map(str::trim));
        match ask(&file, event.to_string().as_bytes()) {
            Parsed::Job(job) => {
                prop_assert!(account.is_none() || account == Some(job.account.as_str()));
                prop_assert_eq!(region, Some(job.region.as_str()));
                prop_assert_eq!(&serde_json::from_value::<Job>(serde_json::to_value(&job).unwrap()).unwrap(), &*job);
            }
            Parsed::Trail(record) => {
                prop_assert!(account.is_none() || account == Some(record.recorded_in.as_str()));
                for denial in record.denial() {
                    prop_assert_eq!(&denial.recorded_in, &record.recorded_in);
                    prop_assert!(denial.message.is_none_or(|message| message.len() <= 1024));
                }
            }
            Parsed::Degraded(degraded) => prop_assert!(account.is_none() || account == Some(degraded.account.as_str())),
            _ => {}
        }
    }

    #[test]
    fn what_a_job_keeps_is_bounded(file in files_of(&["problem"]), place in any::<proptest::sample::Index>(), text in "[a-zäß\"\\\\ ]{1,64}") {
        let Ok(mut event) = serde_json::from_slice::<Value>(&bytes_of(&file)) else { return Ok(()) };
        let mut pointers = Vec::new();
        places(&event, "", &mut pointers);
        *event.pointer_mut(&pointers[place.index(pointers.len())]).unwrap() = Value::String(text.repeat(2_000));
        let kept = match ask(&file, event.to_string().as_bytes()) {
            Parsed::Job(job) => serde_json::to_string(&job).unwrap().len(),
            Parsed::Degraded(degraded) => serde_json::to_string(&degraded).unwrap().len(),
            Parsed::Quarantine(quarantine) => serde_json::to_string(&quarantine).unwrap().len(),
            _ => 0,
        };
        prop_assert!(kept < 48 * 1024, "{kept}");
    }
}
