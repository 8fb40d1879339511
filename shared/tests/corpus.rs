//! Messages of AWS, read: the true cause is named, decided where it can be decided, and the wrapping of a message does not matter.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and reads the sources it judges")]

use std::collections::BTreeSet;

use guardian_core::diagnosis::Cause;
use guardian_core::diagnosis::explain::{self, Answer};
use guardian_core::diagnosis::text::{self, Hints, Reading};
use guardian_core::event::{JobState, JobType};
use proptest::prelude::*;
use serde::Deserialize;

const CORPUS: &str = include_str!("../../tests/facts/failure-messages.jsonl");
const DECIDABLE: &str = include_str!("../../tests/facts/decidable.txt");

#[derive(Clone, Debug, Deserialize)]
struct Record {
    id: String,
    job: JobType,
    state: String,
    resource_type: Option<String>,
    message: String,
    cause: Cause,
    label_basis: String,
}

impl Record {
    fn hints(&self) -> Hints {
        Hints {
            job_type: Some(self.job),
            state: Some(JobState::from(self.state.clone())),
            resource_type: self.resource_type.clone(),
            ..Hints::default()
        }
    }

    fn read(&self) -> Reading {
        text::read(Some(&self.message), &self.hints())
    }
}

fn corpus() -> Vec<Record> {
    CORPUS.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn decidable() -> BTreeSet<&'static str> {
    DECIDABLE.lines().filter(|line| line.starts_with("fm-")).collect()
}

fn show(record: &Record, reading: &Reading) -> String {
    let candidates = reading.candidates.iter().map(|c| format!("{} {:.2}", c.cause, c.likelihood)).collect::<Vec<_>>().join(", ");
    format!("{} {:?} should be {}: {candidates}", record.id, record.message, record.cause)
}

#[test]
fn the_true_cause_is_among_at_most_four_candidates_of_every_record_whose_cause_is_stated() {
    let missed = corpus()
        .iter()
        .filter(|record| record.label_basis == "stated")
        .map(|record| (record.clone(), record.read()))
        .filter(|(record, reading)| reading.candidates.len() > 4 || reading.likelihood(record.cause) == 0.0)
        .map(|(record, reading)| show(&record, &reading))
        .collect::<Vec<_>>();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn decidable_records_have_their_cause_first_and_say_that_they_are_decided() {
    let names = decidable();
    let records = corpus().into_iter().filter(|record| names.contains(record.id.as_str())).collect::<Vec<_>>();
    assert_eq!(records.len(), names.len(), "a name in decidable.txt is no record");
    let missed = records
        .iter()
        .map(|record| (record, record.read()))
        .filter(|(record, reading)| reading.best() != record.cause || !reading.decidable || !reading.needs.is_empty())
        .map(|(record, reading)| show(record, &reading))
        .collect::<Vec<_>>();
    let share = 1.0 - missed.len() as f64 / records.len() as f64;
    assert!(share >= 1.0, "{share:.3}: {missed:#?}");
}

#[test]
fn undecidable_records_are_not_called_decided_and_say_what_is_needed() {
    let names = decidable();
    let boasts = corpus()
        .iter()
        .filter(|record| !names.contains(record.id.as_str()))
        .map(|record| (record.clone(), record.read()))
        .filter(|(_, reading)| reading.decidable || reading.needs.is_empty())
        .map(|(record, reading)| show(&record, &reading))
        .collect::<Vec<_>>();
    assert!(boasts.is_empty(), "{boasts:#?}");
}

#[test]
fn inferred_labels_are_met_too() {
    let missed = corpus()
        .iter()
        .map(|record| (record.clone(), record.read()))
        .filter(|(record, reading)| reading.likelihood(record.cause) == 0.0)
        .map(|(record, reading)| show(&record, &reading))
        .collect::<Vec<_>>();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn no_literal_of_the_diagnosis_holds_more_than_three_fifths_of_a_message() {
    let mut files = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/diagnosis"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let literals = files.iter().flat_map(|path| literals(&std::fs::read_to_string(path).unwrap())).collect::<BTreeSet<_>>();
    assert!(literals.len() > 300, "the scan found {} literals only", literals.len());
    let mut heavy = Vec::new();
    for record in corpus() {
        let message = record.message.strip_prefix("REGEX#").unwrap_or(&record.message).to_lowercase();
        for literal in literals.iter().filter(|literal| message.contains(literal.trim_end_matches('*'))) {
            let share = literal.trim_end_matches('*').chars().count() as f64 / message.chars().count() as f64;
            if share > 0.6 {
                heavy.push(format!("{literal:?} is {share:.2} of {} {message:?}", record.id));
            }
        }
    }
    assert!(heavy.is_empty(), "{heavy:#?}");
}

/// The string literals of a source file, in lower case. Comments count too: the scan may only err on the strict side.
fn literals(source: &str) -> Vec<String> {
    source.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_lowercase).filter(|text| text.trim().len() > 2).collect()
}

/// The same message as another account, another tool or another screen would show it.
type Wrapper = (&'static str, fn(&str) -> String);

fn wrappers() -> Vec<Wrapper> {
    vec![
        ("as it is", str::to_owned),
        ("quoted", |m| format!("\"{m}\"")),
        ("quoted twice", |m| format!("\"\\\"{m}\\\"\"")),
        ("console heading", |m| format!("Access denied: {m}")),
        ("console heading above", |m| format!("Access denied\n{m}")),
        ("translated heading", |m| format!("アクセスが拒否されました: {m}")),
        ("relayed image error", |m| format!("AMI snapshot copy failed with error: {m}")),
        ("internal code", |m| format!("ERROR_2603: {m}")),
        ("glued verdict", |m| format!("{} Backup job failed.", m.trim_end_matches('.'))),
        ("encoded blob", |m| format!("{m} Encoded authorization failure message: {}", "aZ3x_-9".repeat(300))),
        ("notification", |m| {
            format!(
                "An AWS Backup job failed. Resource ARN : arn:aws:ec2:eu-west-1:444455556666:volume/vol-0a1. BackupJob ID : 0A1B2C3D-1111-2222-3333-444455556666 Status Message : {m}"
            )
        }),
        ("tail without a code", |m| {
            format!("{m} (Service: AmazonEC2; Status Code: 400; Request ID: 1b2c3d4e-0000-1111-2222-333344445555; Proxy: null)")
        }),
        ("blanks", |m| format!("  {}\t ", m.replace(' ', "  "))),
    ]
}

/// Other accounts, Regions, ids and keys.
fn renamed(message: &str, digits: u64) -> String {
    let account = format!("{:012}", digits % 1_000_000_000_000);
    ["111111111111", "123456789012", "XXXXXXXXXXXX", "<ACCOUNT_ID>", "accountnumber"]
        .into_iter()
        .fold(message.to_owned(), |text, old| text.replace(old, &account))
        .replace("eu-central-1", "ap-southeast-2")
        .replace("us-west-2", "sa-east-1")
        .replace("us-east-1", "ca-central-1")
        .replace("snap-xxx", &format!("snap-{digits:017x}"))
        .replace("ami-xxx", &format!("ami-{digits:017x}"))
        .replace("vpc-0xxxxxxxxxxx", &format!("vpc-{digits:08x}"))
        .replace("{bucket_name}", "nightly-invoices")
        .replace("159f9as4-697q-f354-a448-example", &format!("{digits:08x}-1234-4abc-8def-0123456789ab"))
        .replace("keynumber", &format!("{digits:08x}-1234-4abc-8def-0123456789ab"))
        .replace("50,000", "1,000")
}

fn recased(message: &str, how: u8) -> String {
    match how {
        0 => message.to_owned(),
        1 => message.to_uppercase(),
        2 => message.to_lowercase(),
        _ => message.chars().enumerate().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect(),
    }
}

fn without_prefix_of_fragments(record: &Record) -> String {
    record.message.strip_prefix("REGEX#").unwrap_or(&record.message).to_owned()
}

#[test]
fn every_wrapper_around_every_record_leaves_the_reading_and_the_fingerprint() {
    let mut changed = Vec::new();
    for record in corpus() {
        let message = without_prefix_of_fragments(&record);
        let plain = text::read(Some(&message), &record.hints());
        for (name, wrap) in wrappers() {
            let wrapped = text::read(Some(&wrap(&message)), &record.hints());
            if wrapped != plain {
                changed.push(format!("{name}: {} -> {}", show(&record, &plain), show(&record, &wrapped)));
            }
        }
    }
    assert!(changed.is_empty(), "{changed:#?}");
}

proptest! {
    #[test]
    fn a_reading_survives_other_ids_case_periods_and_wrappers(
        record in prop::sample::select(corpus()),
        digits in 1_u64..999_999_999_999,
        case in 0_u8..4,
        period in 0_u8..3,
        wrapper in 0_usize..13,
    ) {
        let message = without_prefix_of_fragments(&record);
        let plain = text::read(Some(&message), &record.hints());
        let mut other = recased(&renamed(&message, digits), case);
        match period {
            1 => other = other.trim_end_matches('.').to_owned(),
            2 => other.push('.'),
            _ => {}
        }
        let (_, wrap) = wrappers()[wrapper];
        let reading = text::read(Some(&wrap(&other)), &record.hints());
        prop_assert_eq!(reading, plain, "{:?}", wrap(&other));
    }

    #[test]
    fn any_text_is_read_within_bounds(message in ".{0,300}", repeat in 1_usize..60) {
        for text in [message.clone(), message.repeat(repeat), format!("kms key {message}: not found ({message}")] {
            let reading = text::read(Some(&text), &Hints::default());
            prop_assert!((1..=4).contains(&reading.candidates.len()));
            let sum = reading.candidates.iter().map(|candidate| candidate.likelihood).sum::<f64>();
            prop_assert!((sum - 1.0).abs() <= 1e-9, "{}", sum);
            prop_assert!(reading.candidates.is_sorted_by(|a, b| a.likelihood >= b.likelihood));
            prop_assert!(reading.fingerprint.len() <= 23);
        }
    }
}

#[test]
fn the_likelihoods_of_every_record_sum_to_one() {
    for record in corpus() {
        let sum = record.read().candidates.iter().map(|candidate| candidate.likelihood).sum::<f64>();
        assert!((sum - 1.0).abs() <= 1e-9, "{}: {sum}", record.id);
    }
}

#[test]
fn different_messages_have_different_fingerprints() {
    let by_text = corpus()
        .iter()
        .map(|r| without_prefix_of_fragments(r).to_lowercase())
        .map(|m| m.trim_end_matches('.').to_owned())
        .collect::<BTreeSet<_>>();
    let prints = by_text.iter().map(|message| text::read(Some(message), &Hints::default()).fingerprint).collect::<BTreeSet<_>>();
    // The corpus has the same sentence with several masks of the same name.
    assert!(prints.len() + 12 >= by_text.len(), "{} of {}", prints.len(), by_text.len());
    assert_eq!(text::read(None, &Hints::default()).fingerprint, "none");
}

/// Wordings that are in no corpus: how the services word such things, in sentences made up for this test.
const UNSEEN: &[(&str, &str, &str, &str, &str)] = &[
    ("copy", "FAILED", "EC2", "Given key ID does not exist", "kms-key-unusable"),
    (
        "copy",
        "FAILED",
        "EC2",
        "AMI snapshot copy failed with error: Given key ID is not accessible. You must have DescribeKey permissions on the default key",
        "kms-key-policy-missing-destination",
    ),
    (
        "backup",
        "COMPLETED",
        "EBS",
        "Backup job completed successfully to the target backup vault. Copy to the logically air-gapped vault is not possible, the resource is encrypted with an AWS managed key.",
        "source-key-aws-managed",
    ),
    (
        "copy",
        "FAILED",
        "RDS",
        "Cannot share a snapshot that is encrypted with the default key of RDS. Snapshots encrypted with the default aws/rds key can not be shared.",
        "source-key-aws-managed",
    ),
    (
        "restore",
        "FAILED",
        "EFS",
        "User: arn:aws:sts::111122223333:assumed-role/R/AWSBackup-R is not authorized to perform: elasticfilesystem:Restore on the specified resource",
        "backup-role-missing-permission",
    ),
    ("backup", "FAILED", "EC2", "The backup role is missing permissions to call DescribeInstances", "backup-role-missing-permission"),
    (
        "backup",
        "FAILED",
        "DynamoDB",
        "User: arn:aws:sts::111122223333:assumed-role/R/AWSBackup-R is not authorized to perform: dynamodb:StartAwsBackupJob with an explicit deny in a service control policy: arn:aws:organizations::111122223333:policy/o-1/service_control_policy/p-1",
        "explicit-deny-policy",
    ),
    ("copy", "FAILED", "FSx", "because no service control policy allows the fsx:CopyBackup action", "explicit-deny-policy"),
    ("copy", "FAILED", "EBS", "The AWS Backup service-linked role is missing in the destination account", "backup-role-not-assumable"),
    (
        "backup",
        "FAILED",
        "EFS",
        "The trust relationship of role arn:aws:iam::111122223333:role/Nightly does not admit the service",
        "backup-role-not-assumable",
    ),
    ("restore", "FAILED", "EC2", "Role lacks iam:PassRole for the instance profile", "passrole-missing"),
    (
        "copy",
        "FAILED",
        "Neptune",
        "Copy job from eu-west-1 to us-east-2 cannot be initiated for Neptune resources. Feature is not supported for provided resource type.",
        "unsupported-cross-account-cross-region",
    ),
    (
        "copy",
        "FAILED",
        "DocumentDB",
        "Cross-account and cross-Region copy in a single copy action is not supported.",
        "unsupported-cross-account-cross-region",
    ),
    (
        "copy",
        "FAILED",
        "RDS",
        "The snapshot requires a target option group with the following options: TDE",
        "unsupported-resource-or-operation",
    ),
    ("backup", "FAILED", "FSx", "The service is not opted in for this Region", "unsupported-resource-or-operation"),
    ("backup", "FAILED", "DynamoDB", "Advanced features for DynamoDB backups are not enabled", "unsupported-resource-or-operation"),
    (
        "backup",
        "FAILED",
        "RDS",
        "Backup job could not start because it is either inside or too close to the weekly maintenance window configured in RDS instance.",
        "maintenance-window-conflict",
    ),
    ("backup", "FAILED", "FSx", "Backup could not start during the maintenance window of the file system", "maintenance-window-conflict"),
    ("backup", "FAILED", "RDS", "Cannot create more than 100 manual snapshots", "quota-or-limit"),
    (
        "backup",
        "FAILED",
        "EBS",
        "You have exceeded the limit of snapshots for your account (Service: Ec2, Error Code: SnapshotLimitExceeded)",
        "quota-or-limit",
    ),
    (
        "backup",
        "FAILED",
        "DocumentDB",
        "SnapshotQuotaExceeded: The request would take you over the number of snapshots for the account.",
        "quota-or-limit",
    ),
    ("backup", "COMPLETED", "EC2", "Network interface metadata of the instance could not be backed up", "tag-or-metadata-partial"),
    (
        "backup",
        "FAILED",
        "EFS",
        "The tag policy does not allow the specified value for the following tag key: 'Cost'.",
        "tag-or-metadata-partial",
    ),
    ("backup", "FAILED", "EFS", "File system fs-0a1b2c does not exist.", "not-found"),
    ("copy", "FAILED", "EC2", "Source AMI not found in Region", "not-found"),
    ("backup", "FAILED", "EBS", "The volume 'vol-0a1' does not exist.", "not-found"),
    ("copy", "FAILED", "Neptune", "DBClusterSnapshotNotFoundFault: snapshot is gone", "not-found"),
    ("backup", "FAILED", "DocumentDB", "Cluster docdb-1 is not in available state", "resource-invalid-state"),
    (
        "backup",
        "FAILED",
        "FSx",
        "Cannot take a backup while the file system is in the MISCONFIGURED lifecycle state",
        "resource-invalid-state",
    ),
    ("backup", "COMPLETED", "EC2", "Windows VSS Backup attempt failed because VSS writers reported an error", "vss-prerequisite"),
    ("backup", "FAILED", "VirtualMachine", "Failed to process backup data. Aborted backup job.", "vmware-infrastructure"),
    ("backup", "FAILED", "VirtualMachine", "Unable to connect to the hypervisor with the given credentials", "vmware-infrastructure"),
    ("restore", "FAILED", "RDS", "RDS DBInstanceAlreadyExists: DB instance already exists", "invalid-parameter"),
    ("restore", "FAILED", "EC2", "The security group 'sg-0a1' and subnet belong to different networks", "invalid-parameter"),
    ("restore", "FAILED", "EFS", "Missing required metadata: newFileSystem", "invalid-parameter"),
    ("backup", "FAILED", "Timestream", "Backup job failed because of an internal error. Please retry.", "service-internal-or-transient"),
    ("copy", "FAILED", "S3", "Rate exceeded (Service: Backup, Status Code: 429)", "service-internal-or-transient"),
    (
        "copy",
        "FAILED",
        "S3",
        "Copy job failed because the lifecycle of 20 days is shorter than the minimum retention of the vault",
        "vault-lock-retention",
    ),
    ("backup", "EXPIRED", "EBS", "Backup job failed because another job for the resource was already in progress", "concurrent-job"),
    ("scan", "COMPLETED", "EBS", "The malware scan found threats in the recovery point", "threats-found"),
];

#[test]
fn wordings_that_nobody_collected_find_their_cause_first() {
    let missed = UNSEEN
        .iter()
        .map(|(job, state, resource_type, message, cause)| Record {
            id: "unseen".to_owned(),
            job: serde_json::from_value(serde_json::json!(job)).unwrap(),
            state: (*state).to_owned(),
            resource_type: Some((*resource_type).to_owned()),
            message: (*message).to_owned(),
            cause: Cause::from_label(cause).unwrap(),
            label_basis: "stated".to_owned(),
        })
        .map(|record| (record.read(), record))
        .filter(|(reading, record)| reading.best() != record.cause)
        .map(|(reading, record)| show(&record, &reading))
        .collect::<Vec<_>>();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn explain_answers_every_line_and_goes_on_after_a_bad_one() {
    for line in CORPUS.lines() {
        let record = serde_json::from_str::<Record>(line).unwrap();
        let Answer::Read { id, candidates, .. } = explain::line(1, line) else { panic!("{line}") };
        assert_eq!(id.unwrap(), record.id.as_str());
        assert_eq!(candidates, record.read().candidates);
    }
    for (text, id, what) in [
        ("", None, "not JSON at column"),
        ("{\"id\": 6, \"message\"", None, "not JSON at column 19"),
        ("[1]", None, "a list, not an object"),
        ("{\"id\": 7, \"message\": {}}", Some(7), "`message` is an object: a text is expected"),
        ("{\"id\": 8, \"job\": \"sync\"}", Some(8), "`job` is `sync`: `backup`, `copy`, `restore` or `scan` is expected"),
        ("{\"id\": 9, \"facts\": {\"key_manager\": \"me\\u001b\"}}", Some(9), "`facts.key_manager` is `me\\u{1b}`: `AWS` or `CUSTOMER`"),
        ("{\"id\": 10, \"facts\": {\"crosses_accounts\": \"yes\"}}", Some(10), "`facts.crosses_accounts` is a text: true or false"),
        ("{\"id\": 11, \"facts\": [true]}", Some(11), "`facts` is a list: an object is expected"),
    ] {
        let Answer::Unreadable { id: answered, line, error } = explain::line(42, text) else { panic!("{text}") };
        assert_eq!((answered, line), (id.map(serde_json::Value::from), 42), "{text}");
        assert!(error.contains(what) && !error.contains('\n'), "{error}");
    }
    assert_eq!(explain::line(1, "{\"id\": \"a\"}").best(), Some(Cause::Unexplained));
}

#[test]
fn facts_of_the_job_settle_what_the_text_leaves_open() {
    let ask = |facts: &str| {
        explain::line(
            1,
            &format!(
                "{{\"job\": \"copy\", \"state\": \"FAILED\", \"resource_type\": \"EBS\", \"message\": \"Given key ID is not accessible\", \"facts\": {facts}}}"
            ),
        )
    };
    for (facts, cause, decided) in [
        ("{}", Cause::KmsKeyPolicyMissingDestination, false),
        (
            "{\"crosses_accounts\": true, \"key_manager\": \"CUSTOMER\", \"key_state\": \"Enabled\"}",
            Cause::KmsKeyPolicyMissingDestination,
            true,
        ),
        ("{\"crosses_accounts\": true, \"key_manager\": \"AWS\"}", Cause::SourceKeyAwsManaged, true),
        ("{\"crosses_accounts\": true, \"key_state\": \"PendingDeletion\"}", Cause::KmsKeyUnusable, true),
        ("{\"crosses_accounts\": false, \"key_state\": \"Enabled\"}", Cause::KmsRolePermissionMissing, true),
    ] {
        let answer = ask(facts);
        assert_eq!(answer.best(), Some(cause), "{facts}");
        let Answer::Read { decidable, ignored, .. } = answer else { panic!("{facts}") };
        assert_eq!(decidable, decided, "{facts}");
        assert!(ignored.is_empty(), "{facts}");
    }
    let scan = |result: &str| explain::line(1, &format!("{{\"job\": \"scan\", \"facts\": {{\"scan_result\": \"{result}\"}}}}")).best();
    assert_eq!(scan("THREATS_FOUND"), Some(Cause::ThreatsFound), "a result that suffices needs no text");
    assert_eq!(scan("NO_THREATS_FOUND"), Some(Cause::Unexplained));
    let Answer::Read { ignored, .. } = ask("{\"cross_accounts\": true, \"key_state\": null}") else { panic!("unreadable") };
    assert_eq!(ignored, ["facts.cross_accounts"], "a misspelt fact is not lost in silence");
}
