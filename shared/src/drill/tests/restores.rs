use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::arn::Arn;
use crate::drill::record::{Ended, Record, Step, next, started};
use crate::drill::restore::{Ask, Kind, MOST_BYTES, MOST_MINUTES, Removal, metadata, plan, removal};
use crate::drill::retest::Held;
use crate::drill::{AllowedVaults, Order, Why};
use crate::event::{Job, JobId, JobState, JobType};
use crate::evidence::RecoveryPoint;

const VAULT: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local-backups";
const ROLE: &str = "arn:aws:iam::111111111111:role/backup-jobs";
const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/k-1";

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn now() -> Timestamp {
    "2026-11-10T12:00:00Z".parse().unwrap()
}

fn ask() -> Ask {
    Ask {
        vault: arn(VAULT),
        role: None,
        zone: None,
        key: None,
        most_bytes: MOST_BYTES,
        most_minutes: MOST_MINUTES,
        allowed: AllowedVaults::of([VAULT.to_owned()]).unwrap(),
        now: now(),
    }
}

fn held(resource_type: &str, point: &str, resource: &str) -> Held {
    let point = serde_json::json!({"arn": point, "status": "COMPLETED", "resource_arn": resource, "resource_type": resource_type});
    Held {
        point: serde_json::from_value::<RecoveryPoint>(point).unwrap(),
        created_at: Some(now() - SignedDuration::from_hours(7)),
        role: Some(arn(ROLE)),
        plan: None,
        size_bytes: Some(8 << 30),
        is_part: false,
    }
}

fn volume() -> Held {
    let mut held = held("EBS", "arn:aws:ec2:eu-central-1::snapshot/snap-1", "arn:aws:ec2:eu-central-1:111111111111:volume/vol-1");
    held.point.is_encrypted = Some(true);
    held.point.encryption_key_arn = Some(arn(KEY));
    held
}

fn table() -> Held {
    let point = "arn:aws:dynamodb:eu-central-1:111111111111:table/orders/backup/0169";
    held("DynamoDB", point, "arn:aws:dynamodb:eu-central-1:111111111111:table/orders")
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn asked(held: &Held, given: &[(&str, &str)]) -> Record {
    match next(&plan(&ask(), held, map(given)).unwrap().drill(), None, &[], now()) {
        Step::Write(record) => record,
        other => panic!("{other:?}"),
    }
}

fn complete(record: &Record) -> BTreeMap<String, String> {
    let Order::Restore(order) = &record.order else { panic!("{record:?}") };
    metadata(record, order)
}

fn made(record: &Record, arn: &str) -> Record {
    let job_id = JobId::from("job-1".to_owned());
    started(record, job_id.clone(), now()).ended(Ended {
        job_id,
        at: now(),
        state: JobState::Completed,
        took_seconds: Some(600),
        status_message: None,
        made: Some(self::arn(arn)),
        gone_at: None,
    })
}

#[test]
fn a_volume_is_made_in_the_zone_of_the_original_under_the_key_of_the_recovery_point() {
    let given = [("AvailabilityZone", "eu-central-1b"), ("volumeType", "gp3"), ("encrypted", "false"), ("kmsKeyId", "of-another-account")];
    let record = asked(&volume(), &given);
    let whole = map(&[("availabilityZone", "eu-central-1b"), ("volumeType", "gp3"), ("encrypted", "true"), ("kmsKeyId", KEY)]);
    assert_eq!(complete(&record), whole);
    let elsewhere = plan(&ask(), &volume(), map(&[("availabilityZone", "eu-west-1a")]));
    assert_eq!(elsewhere, Err(Why::NoZone), "a copy in another Region");
    let named = plan(&Ask { zone: Some("eu-central-1c".to_owned()), ..ask() }, &volume(), map(&[])).unwrap();
    assert_eq!(named.order.metadata.get("availabilityZone").map(String::as_str), Some("eu-central-1c"));
}

#[test]
fn a_table_gets_a_name_of_its_own_at_every_attempt_and_never_that_of_the_original() {
    let first = asked(&table(), &[("targettablename", "orders"), ("encryptionType", "KMS"), ("kmsMasterKeyArn", KEY)]);
    let name = complete(&first).get("targetTableName").cloned().unwrap();
    assert!(name.starts_with("backup-guardian-drill-dr-") && name.len() <= 255);
    assert!(!complete(&first).contains_key("targettablename"), "two names would leave it to AWS which one counts");
    assert_eq!(complete(&first).get("encryptionType").map(String::as_str), Some("KMS"));
    assert_eq!(complete(&asked(&table(), &[])).get("encryptionType").map(String::as_str), Some("Default"));
    let second = Record { attempt: 2, ..first };
    assert_ne!(complete(&second).get("targetTableName"), Some(&name));
}

#[test]
fn what_cannot_be_restored_safely_is_refused_with_the_reason() {
    for other in ["EC2", "RDS", "Aurora", "S3", "EFS", "FSx", "VirtualMachine", "CloudFormation"] {
        let refused = plan(&ask(), &held(other, VAULT, VAULT), map(&[])).unwrap_err();
        assert!(refused.code() == "cannot-be-restored" && refused.text().contains(other), "{}", refused.text());
    }
    let large = Held { size_bytes: Some(MOST_BYTES + 1), ..table() };
    assert_eq!(plan(&ask(), &large, map(&[])), Err(Why::TooLarge { bytes: Some(MOST_BYTES + 1), most: MOST_BYTES }));
    let unknown = Held { size_bytes: None, ..table() };
    assert_eq!(plan(&ask(), &unknown, map(&[])), Err(Why::TooLarge { bytes: None, most: MOST_BYTES }));
    assert!(plan(&Ask { most_bytes: MOST_BYTES + 1, ..ask() }, &large, map(&[])).is_ok());
    let nowhere = Ask { allowed: AllowedVaults::default(), ..ask() };
    assert_eq!(plan(&nowhere, &table(), map(&[])), Err(Why::OutsideAllowList(arn(VAULT))));
    let copied = Held { role: Some(arn("arn:aws:iam::999999999999:role/jobs")), ..table() };
    assert!(matches!(plan(&ask(), &copied, map(&[])), Err(Why::ForeignRole(_))));
    let mut cold = table();
    cold.point.storage_class = Some("COLD".to_owned());
    assert!(plan(&ask(), &cold, map(&[])).unwrap_err().text().contains("cold storage"));
}

#[test]
fn only_a_table_of_the_name_that_the_drill_chose_is_ours_to_delete() {
    let record = asked(&table(), &[]);
    let name = complete(&record).get("targetTableName").cloned().unwrap();
    let ours = format!("arn:aws:dynamodb:eu-central-1:111111111111:table/{name}");
    assert_eq!(removal(&made(&record, &ours)), Some(Removal::Ours(arn(&ours))));
    for other in [
        "arn:aws:dynamodb:eu-central-1:111111111111:table/orders".to_owned(),
        format!("arn:aws:dynamodb:eu-central-1:111111111111:table/{name}0"),
        format!("arn:aws:dynamodb:eu-central-1:222222222222:table/{name}"),
        format!("arn:aws:dynamodb:eu-west-1:111111111111:table/{name}"),
    ] {
        assert_eq!(removal(&made(&record, &other)), Some(Removal::Person { made: arn(&other), command: None }), "{other}");
    }
    let volume =
        removal(&made(&asked(&volume(), &[("availabilityZone", "eu-central-1a")]), "arn:aws:ec2:eu-central-1:111111111111:volume/vol-9"));
    let Some(Removal::Person { command: Some(command), .. }) = volume else { panic!("{volume:?}") };
    assert_eq!(command, "aws ec2 delete-volume --region eu-central-1 --volume-id vol-9");
    let left = made(&record, &ours);
    let kept = serde_json::to_string(&left).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&kept).unwrap(), left, "it is kept with all that the removal goes by");
    assert_eq!(removal(&left.gone(now())), None);
    assert_eq!(removal(&record), None);
}

#[test]
fn nothing_more_is_restored_while_what_was_made_is_there_or_was_not_looked_at() {
    let drill = plan(&ask(), &table(), map(&[])).unwrap().drill();
    let record = asked(&table(), &[]);
    let left = made(&record, "arn:aws:dynamodb:eu-central-1:111111111111:table/x");
    assert!(matches!(next(&drill, Some(&left), &[], now()), Step::LeftOver(_)));
    assert!(matches!(next(&drill, Some(&left.gone(now())), &[], now()), Step::Write(_)));
    assert_eq!(left.gone(now()).left_over(), None);
    let running = started(&record, JobId::from("job-1".to_owned()), now());
    let mut job = Job::new(arn(VAULT).account().unwrap(), arn(VAULT).region().unwrap(), JobType::Restore);
    job.job_id = Some(JobId::from("job-1".to_owned()));
    job.state = JobState::Completed;
    assert!(matches!(next(&drill, Some(&running), &[job.clone()], now()), Step::UnderWay(_)), "another attempt would forget what it made");
    job.state = JobState::Failed;
    assert!(matches!(next(&drill, Some(&running), &[job], now()), Step::Write(_)));
    assert_eq!(Kind::Table, crate::drill::restore::kind(Some("DynamoDB")).unwrap());
}
