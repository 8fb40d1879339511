use guardian_core::drill::record::{Purpose, Record, Step, next, started};
use guardian_core::drill::{CopyOrder, Retention};
use guardian_core::event::JobId;
use guardian_core::evidence::GapReason;
use guardian_core::ports::{CopyStarter, DrillStore};
use jiff::Timestamp;
use serde_json::json;

use crate::canned::{Canned, account, arn, ok, region, session};
use crate::session::ReaderRole;
use crate::{DrillTable, Drills};

fn now() -> Timestamp {
    "2026-11-10T12:00:00Z".parse().unwrap()
}

fn order() -> CopyOrder {
    CopyOrder {
        account: account("111111111111"),
        region: region("eu-central-1"),
        source_vault: arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:local"),
        point: arn("arn:aws:ec2:eu-central-1::snapshot/snap-1"),
        destination_vault: arn("arn:aws:backup:eu-central-1:222222222222:backup-vault:central"),
        role: arn("arn:aws:iam::111111111111:role/backup-jobs"),
        retention: Retention::of(120, Some(30)).unwrap(),
    }
}

fn record() -> Record {
    match next(&Purpose::Copy, &order(), None, &[], now()) {
        Step::Write(record) => record,
        other => panic!("{other:?}"),
    }
}

fn drills(canned: &Canned) -> Drills {
    let role = ReaderRole { name: "starter".to_owned(), external_id: Some("ours".to_owned()), organization_role_arn: None };
    Drills::new(canned.config(), role)
}

#[tokio::test]
async fn a_copy_is_started_by_the_role_for_drills_with_its_end_and_its_token() {
    let canned =
        Canned::new(|_, call| Some(if call.operation == "AssumeRole" { session(call) } else { ok(json!({"CopyJobId": "47C8EF56"})) }));
    assert_eq!(drills(&canned).start(&order(), "once").await, Ok(JobId::from("47c8ef56".to_owned())));
    let calls = canned.calls();
    let assumed = calls[0].body.as_str().unwrap();
    assert!(assumed.contains("role%2Fstarter") && assumed.contains("ExternalId=ours"), "{assumed}");
    assert_eq!(calls[1].operation, "PUT /copy-jobs");
    assert_eq!(calls[1].access_key, "ASIA111111111111");
    assert_eq!(
        calls[1].body,
        json!({
            "RecoveryPointArn": "arn:aws:ec2:eu-central-1::snapshot/snap-1",
            "SourceBackupVaultName": "local",
            "DestinationBackupVaultArn": "arn:aws:backup:eu-central-1:222222222222:backup-vault:central",
            "IamRoleArn": "arn:aws:iam::111111111111:role/backup-jobs",
            "IdempotencyToken": "once",
            "Lifecycle": {"DeleteAfterDays": 120, "MoveToColdStorageAfterDays": 30},
        })
    );
}

#[tokio::test]
async fn what_aws_says_of_a_copy_that_it_refuses_is_told_and_an_answer_without_a_job_is_no_start() {
    let refusal = |code: &'static str| {
        Canned::new(move |_, call| {
            let body = json!({"Code": code, "message": "it cannot be copied"}).to_string();
            Some(if call.operation == "AssumeRole" { session(call) } else { (400, vec![("x-amzn-errortype", code)], body) })
        })
    };
    for (code, reason) in [("AccessDeniedException", GapReason::AccessDenied), ("InvalidRequestException", GapReason::Unavailable)] {
        let gap = drills(&refusal(code)).start(&order(), "once").await.unwrap_err();
        assert_eq!((gap.action.as_str(), gap.reason), ("backup:StartCopyJob", reason));
        let detail = gap.detail.unwrap();
        assert!(detail.starts_with(code) && detail.ends_with("it cannot be copied"), "{detail}");
    }
    let silent = Canned::new(|_, call| Some(if call.operation == "AssumeRole" { session(call) } else { ok("{}") }));
    assert_eq!(drills(&silent).start(&order(), "once").await.unwrap_err().reason, GapReason::Unreadable);
}

#[tokio::test]
async fn a_drill_is_written_only_over_what_was_read() {
    let canned = Canned::new(|_, _| Some(ok("{}")));
    let table = DrillTable::new(&canned.config(), "guardian");
    let asked = record();
    assert_eq!(table.put_drill(&asked, now()).await, Ok(true));
    assert_eq!(table.put_drill(&started(&asked, JobId::from("j".to_owned()), now()), now()).await, Ok(true));
    let calls = canned.calls();
    assert_eq!(calls[0].body["ConditionExpression"], "attribute_not_exists(pk)");
    assert_eq!(calls[1].body["ConditionExpression"], "revision = :before");
    assert_eq!(calls[1].body["ExpressionAttributeValues"], json!({":before": {"N": "1"}}));
    assert_eq!(calls[1].body["Item"]["revision"], json!({"N": "2"}));
    let overtaken = Canned::new(|_, _| {
        let body = json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no"});
        Some((400, vec![], body.to_string()))
    });
    assert_eq!(DrillTable::new(&overtaken.config(), "guardian").put_drill(&asked, now()).await, Ok(false));
}

#[tokio::test]
async fn a_drill_that_cannot_be_read_is_no_drill_that_was_never_begun() {
    let kept = serde_json::to_string(&record()).unwrap();
    for (text, found) in [(kept, Some(Some(record()))), ("{}".to_owned(), None)] {
        let canned = Canned::new(move |_, _| Some(ok(json!({"Items": [{"record": {"S": text}}]}))));
        let read = DrillTable::new(&canned.config(), "guardian").drill(&record().id).await;
        assert_eq!(read.ok(), found);
        assert_eq!(canned.calls()[0].body["ConsistentRead"], true);
    }
}
