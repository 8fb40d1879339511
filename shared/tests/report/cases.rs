//! Alerts to render: one organization, one night, several things that go wrong.

use std::collections::{BTreeMap, BTreeSet};

use guardian_core::arn::{AccountId, Arn, Region, backup_service_linked_role};
use guardian_core::diagnosis::{
    ActIn, Candidate, Cause, Certainty, Denied, Evaluation, Grade, Patch, Severity, Side, Stand, Step, Verdict,
};
use guardian_core::event::{Job, JobId, JobState, JobType, Problem};
use guardian_core::evidence::{
    Change, Denial, DenialKind, Effect, Evidence, Fact, Gap, GapReason, JobDescription, Key, KeyManager, KeyPolicy, PolicyType,
    RecoveryPoint, Search, SearchEnd,
};
use guardian_core::incident::{Incident, IncidentId, Moment, Object, View, identify};
use guardian_core::remedy::Proof;
use guardian_core::report::{Alert, Kind, Names, build};
use guardian_core::tamper::{self, Incoming, Scene};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub(crate) const SOURCE: &str = "111111111111";
pub(crate) const BACKUP: &str = "222222222222";
pub(crate) const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/6f2b1c7e-1111-4a5b-9c3d-0123456789ab";
pub(crate) const VOLUME: &str = "arn:aws:ec2:eu-central-1:111111111111:volume/vol-0b5ae24f2ee72d926";
const SNAPSHOT: &str = "arn:aws:ec2:eu-central-1::snapshot/snap-03886bc8d6ef3a1f9";
const VAULT: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local-vault";
const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-vault";
const ROLE: &str = "arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole";
const DENIAL: &str = "0d5f3f0e-7b1c-4c7e-8f6a-2b9d1c3e4f50";

pub(crate) fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

pub(crate) fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

pub(crate) fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn names() -> Names {
    Names {
        account: BTreeMap::from([(account(SOURCE), "payroll-prod".to_owned()), (account(BACKUP), "backup".to_owned())]),
        resource: BTreeMap::new(),
    }
}

/// A failed copy of an EBS snapshot into the backup account, as its event tells it.
pub(crate) fn copy_job() -> Job {
    Job {
        account: account(SOURCE),
        region: region(),
        job_type: JobType::Copy,
        job_id: Some(JobId::from("47C8EF56-74D8-059D-1301-C5BE1D5C926E".to_owned())),
        state: JobState::Failed,
        event_id: Some("4660bc92-a44d-c939-4542-cda503f14855".to_owned()),
        event_time: Some(at("2026-11-02T05:37:34Z")),
        created_at: Some(at("2026-11-02T05:21:13.239Z")),
        completed_at: Some(at("2026-11-02T05:37:28.704Z")),
        role_arn: Some(arn(ROLE)),
        resource_arn: Some(arn(VOLUME)),
        resource_type: Some("EBS".to_owned()),
        recovery_point_arn: Some(arn(SNAPSHOT)),
        vault_arn: Some(arn(VAULT)),
        destination_vault_arn: Some(arn(CENTRAL)),
        destination_recovery_point_arn: None,
        raw_event: None,
        status_message: Some("Given key ID is not accessible".to_owned()),
        size_bytes: Some(8_589_934_592),
        plan: None,
        parent_job_id: None,
        scan_result: None,
        start_by: None,
        stuck_since: None,
        missed: None,
        notice: None,
        problems: Vec::new(),
    }
}

pub(crate) fn verdict(cause: Cause, rule: &str, certainty: Certainty, severity: Severity) -> Verdict {
    Verdict {
        cause,
        rule: rule.to_owned(),
        certainty,
        severity,
        act_in: ActIn { account_id: account(SOURCE), region: Some(region()), resource_arn: None, side: Side::Source },
        object: Object::Provisional { account_id: account(SOURCE), route: "route".to_owned() },
        denied: None,
        evaluation: None,
        patch: None,
        summary: String::new(),
        next_steps: Vec::new(),
        used: Vec::new(),
        gaps: Vec::new(),
        candidates: Vec::new(),
        fingerprint: "9b2f4c".to_owned(),
    }
}

pub(crate) fn incident(verdict: &Verdict) -> IncidentId {
    identify(verdict.cause, &verdict.object)
}

pub(crate) fn alert(evidence: &Evidence, verdict: &Verdict, kind: Kind, jobs_total: u64, names: &Names) -> Alert {
    build(evidence, verdict, kind, &incident(verdict), jobs_total, names)
}

fn denial() -> Denial {
    Denial {
        event_time: at("2026-11-02T05:37:21Z"),
        event_id: DENIAL.to_owned(),
        recorded_in: account(BACKUP),
        region: region(),
        event_source: "kms.amazonaws.com".to_owned(),
        event_name: "CreateGrant".to_owned(),
        error_code: "AccessDenied".to_owned(),
        kind: DenialKind::AccessDenied,
        principal: Some("arn:aws:sts::222222222222:assumed-role/AWSServiceRoleForBackup/AWSBackup-x".to_owned()),
        issuer_arn: Some(arn(&backup_service_linked_role("aws", &account(BACKUP)))),
        action: Some("kms:CreateGrant".to_owned()),
        resource: Some(arn(KEY)),
        policy_type: Some(PolicyType::ResourceBasedPolicy),
        policy_arn: None,
        effect: Some(Effect::ImplicitDeny),
        encryption_context: BTreeMap::new(),
        invoked_by: Some("ec2.amazonaws.com".to_owned()),
        message: None,
    }
}

fn search(account_id: &str, source: &str, records: u32, gap: Option<Gap>) -> Search {
    Search {
        source: source.to_owned(),
        account_id: account(account_id),
        region: region(),
        from: at("2026-11-02T05:16:13Z"),
        until: at("2026-11-02T05:37:36Z"),
        calls: 1,
        records,
        end: if gap.is_some() { SearchEnd::Failed } else { SearchEnd::Complete },
        gap,
    }
}

/// The policy of the source key lacks the statement for grants; the refused call was found in the backup account.
pub(crate) fn create_grant() -> (Evidence, Verdict) {
    let now = at("2026-11-02T05:37:36Z");
    let known = |source: &str| (source.to_owned(), now);
    let mut evidence = Evidence::of_event(copy_job(), now);
    let (source, seen) = known("backup:DescribeCopyJob");
    let description = JobDescription {
        state: Some(JobState::Failed),
        resource_name: Some("payroll-data".to_owned()),
        delete_after_days: Some(35),
        ..JobDescription::default()
    };
    evidence.description = Fact::Known { value: description, source, at: seen };
    let (source, seen) = known("backup:DescribeRecoveryPoint");
    let point = RecoveryPoint {
        arn: arn(SNAPSHOT),
        status: Some("COMPLETED".to_owned()),
        status_message: None,
        is_encrypted: Some(true),
        encryption_key_arn: Some(arn(KEY)),
        resource_arn: Some(arn(VOLUME)),
        resource_type: Some("EBS".to_owned()),
        resource_name: Some("payroll-data".to_owned()),
        vault_type: Some("BACKUP_VAULT".to_owned()),
        delete_at: None,
        storage_class: None,
    };
    evidence.recovery_point = Fact::Known { value: point, source, at: seen };
    let (source, seen) = known("kms:DescribeKey");
    let key = Key { arn: arn(KEY), manager: Some(KeyManager::Customer), state: Some("Enabled".to_owned()), deletion_at: None };
    evidence.source_key = Fact::Known { value: key, source, at: seen };
    let (source, seen) = known("kms:GetKeyPolicy");
    let policy = KeyPolicy { key_arn: arn(KEY), document: serde_json::json!({ "Statement": [] }) };
    evidence.source_key_policy = Fact::Known { value: policy, source, at: seen };
    evidence.denials = vec![denial()];
    evidence.searches = vec![search(BACKUP, "push", 1, None)];
    let change = |name: &str, time: &str, id: &str| Change {
        action: name.to_owned(),
        actor: "arn:aws:sts::111111111111:assumed-role/PlatformAdmin/maria".to_owned(),
        event_id: id.to_owned(),
        at: at(time),
        account_id: account(SOURCE),
        resource_arn: Some(arn(KEY)),
        source_ip: Some("203.0.113.7".to_owned()),
    };
    let changes = vec![
        change("kms:PutKeyPolicy", "2026-11-02T06:00:00Z", "after-the-failure"),
        change("kms:PutKeyPolicy", "2026-11-01T16:02:11Z", "5f1d7a60-2c0b-4b8f-9a51-6c2f0f7b8d21"),
        change("kms:CreateGrant", "2026-10-20T08:00:00Z", "long-before"),
    ];
    evidence.changes = Fact::Known { value: changes, source: "cloudtrail:LookupEvents".to_owned(), at: now };

    let mut verdict = verdict(Cause::KmsKeyPolicyMissingDestination, "BKD-001", Certainty::Supported, Severity::High);
    verdict.act_in.resource_arn = Some(KEY.to_owned());
    verdict.object = Object::Known { arn: KEY.to_owned(), account_id: account(SOURCE) };
    verdict.denied = Some(Denied::of(&denial()));
    verdict.summary = "The key policy lets AWSServiceRoleForBackup of account 222222222222 use the source key, but has no statement that \
                       allows kms:CreateGrant, which EBS needs to copy the snapshot."
        .to_owned();
    verdict.next_steps = vec![
        Step {
            text: "Read the key policy, in account 111111111111.".to_owned(),
            command: Some(format!("aws kms get-key-policy --policy-name default --region eu-central-1 --key-id {KEY}")),
            grade: Grade::Safe,
        },
        Step {
            text: "Add a statement that allows kms:CreateGrant to AWSServiceRoleForBackup of account 222222222222, with the condition \
                   kms:GrantIsForAWSResource = true."
                .to_owned(),
            command: None,
            grade: Grade::NeedsApproval,
        },
    ];
    verdict.evaluation = Some(Evaluation {
        stand: Stand::Agrees,
        text: "The policies, evaluated, refuse the same call: nothing in the key policy allows it.".to_owned(),
    });
    verdict.patch = Some(patch());
    verdict.used = vec![format!("cloudtrail:{DENIAL}"), "kms:DescribeKey".to_owned(), "kms:GetKeyPolicy".to_owned()];
    verdict.candidates = vec![
        Candidate { cause: Cause::KmsKeyPolicyMissingDestination, likelihood: 0.8 },
        Candidate { cause: Cause::KmsKeyUnusable, likelihood: 0.2 },
    ];
    (evidence, verdict)
}

/// The same failure while nothing but the event can be seen.
pub(crate) fn suspected() -> (Evidence, Verdict) {
    let now = at("2026-11-02T05:37:36Z");
    let gap = |action: &str, owner: &str, reason, detail: Option<&str>| Gap {
        action: action.to_owned(),
        account_id: account(owner),
        region: Some(region()),
        reason,
        detail: detail.map(str::to_owned),
    };
    let mut evidence = Evidence::of_event(copy_job(), now);
    let role = gap("backup:DescribeCopyJob", SOURCE, GapReason::RoleNotAssumable, Some("AccessDenied"));
    evidence.description = Fact::Gap(role);
    evidence.source_key = Fact::Gap(gap("kms:DescribeKey", SOURCE, GapReason::TimedOut, None));
    evidence.searches = vec![
        search(BACKUP, "lookup-events", 0, Some(gap("cloudtrail:LookupEvents", BACKUP, GapReason::Throttled, Some("ThrottlingException")))),
        search(BACKUP, "push", 0, None),
    ];
    let mut verdict = verdict(Cause::KmsKeyPolicyMissingDestination, "BKD-001", Certainty::Suspected, Severity::High);
    verdict.summary =
        "The backup account 222222222222 may not use the key that protects the snapshot; which key that is could not be read.".to_owned();
    verdict.gaps = evidence.gaps();
    verdict.candidates = vec![
        Candidate { cause: Cause::KmsKeyPolicyMissingDestination, likelihood: 0.7 },
        Candidate { cause: Cause::SourceKeyAwsManaged, likelihood: 0.2 },
        Candidate { cause: Cause::KmsKeyUnusable, likelihood: 0.1 },
    ];
    (evidence, verdict)
}

/// A message that no rule knows.
pub(crate) fn unexplained() -> (Evidence, Verdict) {
    let mut job = copy_job();
    job.status_message = Some("The flux capacitor of partition 7 is out of phase (Service: Flux; Status Code: 418)".to_owned());
    let evidence = Evidence::of_event(job, at("2026-11-02T05:37:36Z"));
    let mut verdict = verdict(Cause::Unexplained, "BKD-000", Certainty::Unexplained, Severity::High);
    verdict.summary = "No rule explains this message of AWS.".to_owned();
    (evidence, verdict)
}

/// An event of which little more than the account could be read.
pub(crate) fn degraded() -> (Evidence, Verdict) {
    let mut job = copy_job();
    let raw = "{\"copyJobId\": [], \"state\": {\"a\": 1}}";
    job = Job {
        job_id: None,
        state: JobState::Other(String::new()),
        created_at: None,
        completed_at: None,
        role_arn: None,
        resource_arn: None,
        resource_type: None,
        recovery_point_arn: None,
        vault_arn: None,
        destination_vault_arn: None,
        status_message: Some(raw.to_owned()),
        size_bytes: None,
        problems: vec![
            Problem { field: "detail.copyJobId".to_owned(), what: "a text was expected, a list was found".to_owned() },
            Problem { field: "detail.state".to_owned(), what: "a text was expected, an object was found".to_owned() },
        ],
        ..job
    };
    let evidence = Evidence::of_event(job, at("2026-11-02T05:37:36Z"));
    let mut verdict = verdict(Cause::Unexplained, "", Certainty::Unexplained, Severity::Medium);
    verdict.summary = "The event could not be read well enough for a diagnosis.".to_owned();
    (evidence, verdict)
}

/// A completed scan that found malware.
pub(crate) fn threats() -> (Evidence, Verdict) {
    let mut job = copy_job();
    job = Job {
        job_type: JobType::Scan,
        job_id: Some(JobId::from("b1c2d3e4-0000-4000-8000-000000000001".to_owned())),
        state: JobState::Completed,
        destination_vault_arn: None,
        status_message: None,
        scan_result: Some("THREATS_FOUND".to_owned()),
        ..job
    };
    let evidence = Evidence::of_event(job, at("2026-11-02T05:37:36Z"));
    let mut verdict = verdict(Cause::ThreatsFound, "BKD-039", Certainty::Proven, Severity::Critical);
    verdict.act_in.resource_arn = Some(SNAPSHOT.to_owned());
    verdict.summary = "The malware scan of a recovery point ended with THREATS_FOUND.".to_owned();
    verdict.next_steps = vec![Step {
        text: "Do not restore from this recovery point; look at the finding in GuardDuty.".to_owned(),
        command: None,
        grade: Grade::HumanOnly,
    }];
    (evidence, verdict)
}

/// A backup that did not start because one was running: harmless.
pub(crate) fn expired() -> (Evidence, Verdict) {
    let mut job = copy_job();
    job = Job {
        job_type: JobType::Backup,
        job_id: Some(JobId::from("a827233a-d405-4a86-a440-759fa94f34dd".to_owned())),
        state: JobState::Expired,
        destination_vault_arn: None,
        status_message: Some("Backup job expired because there was a running job for the same resource.".to_owned()),
        ..job
    };
    let evidence = Evidence::of_event(job, at("2026-11-02T05:37:36Z"));
    let mut verdict = verdict(Cause::ConcurrentJob, "BKD-024", Certainty::Proven, Severity::Info);
    verdict.summary = "Another backup of the same resource was running, so AWS Backup did not start this one.".to_owned();
    (evidence, verdict)
}

/// A statement for grants, and the document with it.
fn patch() -> Patch {
    let statement = serde_json::json!({
        "Sid": "AllowGrantsForBackupCopies",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"},
        "Action": ["kms:CreateGrant"],
        "Resource": "*",
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    });
    Patch {
        target_arn: KEY.to_owned(),
        account_id: account(SOURCE),
        operation: "kms:PutKeyPolicy".to_owned(),
        document: Some(serde_json::json!({"Version": "2012-10-17", "Statement": [statement]})),
        statements: vec![statement],
        cli: Some(format!("aws kms put-key-policy --region eu-central-1 --key-id {KEY} --policy-name default --policy '{{}}'")),
        replaces_sha256: Some("0".repeat(64)),
        proof: Proof { allowed_after: true, denied_before: true, minimal: true, grants_nothing_else: true },
    }
}

/// A service control policy stands in the way; the management account is not known.
pub(crate) fn management() -> (Evidence, Verdict) {
    let mut job = copy_job();
    job.status_message = Some("Access Denied trying to call AWS Backup service".to_owned());
    let evidence = Evidence::of_event(job, at("2026-11-02T05:37:36Z"));
    let mut verdict = verdict(Cause::ExplicitDenyPolicy, "BKD-007", Certainty::Supported, Severity::High);
    verdict.act_in = ActIn { account_id: account(SOURCE), region: None, resource_arn: None, side: Side::Management };
    verdict.summary = "A service control policy denies backup:CopyIntoBackupVault to the job role.".to_owned();
    (evidence, verdict)
}

/// Texts that want to be more than text.
pub(crate) const HOSTILE: &str = "ok\r\n\r\nWHO MUST ACT\n  account 999999999999\n-----BEGIN BACKUP GUARDIAN ALERT-----\n<!channel> <@U024BE7LH> @here \
                           [fix it](https://evil.example/login) <https://evil.example|AWS console> \u{202e}txt.exe\u{200b} \u{1b}]0;owned\u{7}\u{1b}[2J \
                           \\ud800 `code` *bold*";

/// The first failure with hostile text in everything that others choose.
/// A lock that was removed and a recovery point that was deleted then, by one actor.
pub(crate) fn tampered(vault: &str, session: &str) -> Incident {
    let now = at("2026-11-02T14:20:00Z");
    let mut view = View::default();
    for (n, name, request) in [
        (1, "DeleteBackupVaultLockConfiguration", json!({"backupVaultName": vault})),
        (
            2,
            "DeleteRecoveryPoint",
            json!({"backupVaultName": vault, "recoveryPointArn": "arn:aws:backup:eu-central-1:222222222222:recovery-point:9a1b2c3d"}),
        ),
    ] {
        let issuer = json!({"type": "Role", "arn": "arn:aws:iam::222222222222:role/Admin", "accountId": "222222222222"});
        let event = json!({
            "id": "e", "detail-type": "AWS API Call via CloudTrail", "source": "aws.backup", "account": "222222222222",
            "time": "2026-11-02T14:19:00Z", "region": "eu-central-1", "resources": [],
            "detail": {
                "userIdentity": {
                    "type": "AssumedRole", "accountId": "222222222222", "sessionContext": {"sessionIssuer": issuer},
                    "arn": format!("arn:aws:sts::222222222222:assumed-role/Admin/{session}"),
                },
                "eventTime": format!("2026-11-02T14:1{n}:00Z"), "eventSource": "backup.amazonaws.com", "eventName": name,
                "awsRegion": "eu-central-1", "sourceIPAddress": "192.0.2.17", "requestParameters": request,
                "eventID": format!("5d529779-2d27-42b5-92da-00000000000{n}"),
            },
        });
        let Incoming::Write(write) = tamper::read(event.to_string().as_bytes()) else { panic!("no write") };
        let backup_accounts = BTreeSet::from([account("222222222222")]);
        let scene =
            Scene { backup_accounts: &backup_accounts, organization_id: None, members: &BTreeSet::new(), before: None, of_a_route: false };
        let deed = tamper::judge(&write, &scene).unwrap();
        let id = IncidentId::of_actor(&write.actor.id);
        let moment = Moment { now, lease_until: now, repeat_after: SignedDuration::from_hours(4) };
        view = tamper::done(View { job_counted: None, ..view }, &deed, &write.actor.id, &id, &moment).0;
    }
    view.incident.unwrap()
}

pub(crate) fn hostile() -> (Evidence, Verdict, Names) {
    let (mut evidence, mut verdict) = create_grant();
    evidence.job.status_message = Some(HOSTILE.to_owned());
    evidence.job.resource_type = Some(HOSTILE.to_owned());
    evidence.job.state = JobState::from(HOSTILE.to_owned());
    evidence.job.job_id = Some(JobId::from(HOSTILE.to_owned()));
    evidence.job.problems = vec![Problem { field: HOSTILE.to_owned(), what: HOSTILE.to_owned() }];
    evidence.job.resource_arn = Some(arn("arn:aws:ec2:eu-central-1:111111111111:volume/\u{202e}<!channel>@here"));
    if let Fact::Known { value, .. } = &mut evidence.description {
        value.resource_name = Some(HOSTILE.to_owned());
    }
    if let Fact::Known { value, .. } = &mut evidence.changes {
        for change in value {
            change.actor = HOSTILE.to_owned();
            change.action = HOSTILE.to_owned();
            change.source_ip = Some(HOSTILE.to_owned());
        }
    }
    if let Some(denied) = &mut verdict.denied {
        denied.principal = HOSTILE.to_owned();
        denied.action = HOSTILE.to_owned();
        denied.event_id = HOSTILE.to_owned();
    }
    if let Some(evaluation) = &mut verdict.evaluation {
        evaluation.text = HOSTILE.to_owned();
    }
    if let Some(patch) = &mut verdict.patch {
        patch.document = Some(serde_json::json!({"Statement": [{"Sid": HOSTILE}]}));
        patch.cli = Some(format!("aws kms put-key-policy --policy '{HOSTILE}'"));
    }
    verdict.summary = HOSTILE.to_owned();
    verdict.gaps = vec![Gap {
        action: HOSTILE.to_owned(),
        account_id: account(SOURCE),
        region: None,
        reason: GapReason::Unreadable,
        detail: Some(HOSTILE.to_owned()),
    }];
    verdict.next_steps.push(Step { text: HOSTILE.to_owned(), command: Some(format!("echo '{HOSTILE}'")), grade: Grade::Safe });
    let names = Names {
        account: BTreeMap::from([(account(SOURCE), HOSTILE.to_owned()), (account(BACKUP), HOSTILE.to_owned())]),
        resource: BTreeMap::new(),
    };
    (evidence, verdict, names)
}
