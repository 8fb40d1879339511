use std::collections::BTreeMap;

use guardian_core::drill::record::{Drill, Purpose, Record, Step, id, next, started};
use guardian_core::drill::restore::{Kind, Removal};
use guardian_core::drill::{CopyOrder, Order, RestoreOrder, Retention};
use guardian_core::event::JobId;
use guardian_core::evidence::GapReason;
use guardian_core::ports::{DrillStarter, DrillStore, Remains, Remover, RestoreSettings};
use jiff::Timestamp;
use serde_json::json;

use crate::canned::{Canned, account, arn, ok, region, session};
use crate::session::ReaderRole;
use crate::{DrillTable, Drills};

fn now() -> Timestamp {
    "2026-11-10T12:00:00Z".parse().unwrap()
}

fn copy() -> Order {
    Order::Copy(CopyOrder {
        account: account("111111111111"),
        region: region("eu-central-1"),
        source_vault: arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:local"),
        point: arn("arn:aws:ec2:eu-central-1::snapshot/snap-1"),
        destination_vault: arn("arn:aws:backup:eu-central-1:222222222222:backup-vault:central"),
        role: arn("arn:aws:iam::111111111111:role/backup-jobs"),
        retention: Retention::of(120, Some(30)).unwrap(),
    })
}

fn restore() -> Order {
    Order::Restore(RestoreOrder {
        account: account("111111111111"),
        region: region("eu-central-1"),
        vault: arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:local"),
        point: arn("arn:aws:dynamodb:eu-central-1:111111111111:table/orders/backup/1"),
        role: arn("arn:aws:iam::111111111111:role/backup-jobs"),
        kind: Kind::Table,
        metadata: BTreeMap::from([("encryptionType".to_owned(), "Default".to_owned())]),
        most_minutes: 60,
    })
}

fn of(purpose: Purpose, order: Order) -> Record {
    match next(&Drill { id: id(&purpose, &order), purpose, order, resource: None }, None, &[], now()) {
        Step::Write(record) => record,
        other => panic!("{other:?}"),
    }
}

fn record() -> Record {
    of(Purpose::Copy, copy())
}

fn drills(canned: &Canned) -> Drills {
    let role = ReaderRole { name: "starter".to_owned(), external_id: Some("ours".to_owned()), organization_role_arn: None };
    Drills::new(canned.config(), role)
}

#[tokio::test]
async fn a_copy_is_started_by_the_role_for_drills_with_its_end_and_its_token() {
    let canned =
        Canned::new(|_, call| Some(if call.operation == "AssumeRole" { session(call) } else { ok(json!({"CopyJobId": "47C8EF56"})) }));
    assert_eq!(drills(&canned).start(&record()).await, Ok(JobId::from("47c8ef56".to_owned())));
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
            "IdempotencyToken": record().token(),
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
        let gap = drills(&refusal(code)).start(&record()).await.unwrap_err();
        assert_eq!((gap.action.as_str(), gap.reason), ("backup:StartCopyJob", reason));
        let detail = gap.detail.unwrap();
        assert!(detail.starts_with(code) && detail.ends_with("it cannot be copied"), "{detail}");
    }
    let silent = Canned::new(|_, call| Some(if call.operation == "AssumeRole" { session(call) } else { ok("{}") }));
    assert_eq!(drills(&silent).start(&record()).await.unwrap_err().reason, GapReason::Unreadable);
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

#[tokio::test]
async fn a_restore_is_started_under_the_name_that_the_record_gives_it() {
    let canned =
        Canned::new(|_, call| Some(if call.operation == "AssumeRole" { session(call) } else { ok(json!({"RestoreJobId": "9F6E"})) }));
    let record = of(Purpose::Restore, restore());
    assert_eq!(drills(&canned).start(&record).await, Ok(JobId::from("9f6e".to_owned())));
    let call = &canned.calls()[1];
    assert_eq!(call.operation, "PUT /restore-jobs");
    assert_eq!(
        call.body,
        json!({
            "RecoveryPointArn": "arn:aws:dynamodb:eu-central-1:111111111111:table/orders/backup/1",
            "IamRoleArn": "arn:aws:iam::111111111111:role/backup-jobs",
            "IdempotencyToken": record.token(),
            "Metadata": {"encryptionType": "Default", "targetTableName": format!("backup-guardian-drill-{}-1", record.id)},
        })
    );
    let settings = Canned::new(|_, call| {
        Some(if call.operation == "AssumeRole" { session(call) } else { ok(json!({"RestoreMetadata": {"volumeType": "gp3"}})) })
    });
    let (there, in_region, order) = (account("111111111111"), region("eu-central-1"), restore());
    let read = drills(&settings).restore_settings(&there, &in_region, order.source_vault(), order.point()).await;
    assert_eq!(read, Ok(BTreeMap::from([("volumeType".to_owned(), "gp3".to_owned())])));
}

#[tokio::test]
async fn what_was_made_is_gone_only_when_aws_says_so() {
    let table = Removal::Ours(arn("arn:aws:dynamodb:eu-central-1:111111111111:table/backup-guardian-drill-dr-1-1"));
    let made = arn("arn:aws:ec2:eu-central-1:111111111111:volume/vol-1");
    let volume = Removal::Person { made: made.clone(), command: Some("aws ec2 delete-volume".to_owned()) };
    let xml = |code: &str| (400, vec![], format!("<Response><Errors><Error><Code>{code}</Code></Error></Errors></Response>"));
    let dynamodb =
        |code: &str| (400, vec![], json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "m"}).to_string());
    let there = "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId></item></volumeSet></DescribeVolumesResponse>";
    for (removal, answer, found) in [
        (&table, ok("{}"), Ok(Remains::OnItsWay)),
        (&table, dynamodb("ResourceInUseException"), Ok(Remains::OnItsWay)),
        (&table, dynamodb("ResourceNotFoundException"), Ok(Remains::Gone)),
        (&table, dynamodb("AccessDeniedException"), Err(("dynamodb:DeleteTable", GapReason::AccessDenied))),
        (&volume, (200, vec![], there.to_owned()), Ok(Remains::There)),
        (&volume, xml("InvalidVolume.NotFound"), Ok(Remains::Gone)),
        (&volume, xml("UnauthorizedOperation"), Err(("ec2:DescribeVolumes", GapReason::AccessDenied))),
        (&volume, (200, vec![], "<DescribeVolumesResponse>".to_owned()), Err(("ec2:DescribeVolumes", GapReason::Unreadable))),
    ] {
        let canned = Canned::new(move |_, call| Some(if call.operation == "AssumeRole" { session(call) } else { answer.clone() }));
        let seen = drills(&canned).remove(&account("111111111111"), &region("eu-central-1"), removal).await;
        assert_eq!(seen.map_err(|gap| (gap.action, gap.reason)), found.map_err(|(action, reason): (&str, _)| (action.to_owned(), reason)));
    }
    let nothing = Canned::new(|_, _| None);
    let strange = Removal::Person { made, command: None };
    assert_eq!(drills(&nothing).remove(&account("111111111111"), &region("eu-central-1"), &strange).await, Ok(Remains::There));
    assert_eq!(nothing.calls().len(), 0, "what is not known is left alone");
}
