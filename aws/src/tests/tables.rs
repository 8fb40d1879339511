use std::time::Duration;

use guardian_core::arn::Arn;
use guardian_core::event::{Job, JobId, JobState, JobType};
use guardian_core::evidence::cloudtrail::Record;
use guardian_core::evidence::{GapReason, SearchEnd};
use guardian_core::ports::{Claim, Claims, DenialQuery, DenialStore};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::canned::{Canned, Reply, account, error, ok, region};
use crate::{ClaimTable, DenialTable};

fn now() -> Timestamp {
    "2026-11-02T05:37:40Z".parse().unwrap()
}

fn lease() -> Timestamp {
    "2026-11-02T05:38:45Z".parse().unwrap()
}

fn job() -> Job {
    let mut job = Job::new(account("111111111111"), region("eu-central-1"), JobType::Copy);
    job.job_id = Some(JobId::from("47C8EF56".to_owned()));
    job.state = JobState::Failed;
    job
}

fn refused(item: Value) -> Reply {
    let body = json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no", "Item": item});
    (400, vec![], body.to_string())
}

#[tokio::test]
async fn a_claim_is_one_conditional_write_with_a_lease_a_version_and_an_expiry() {
    let canned = Canned::new(|_, _| Some(ok("{}")));
    let claims = ClaimTable::new(&canned.config(), "guardian");
    assert_eq!(claims.claim(&job().key(), now(), lease()).await, Ok(Claim::Mine));
    let call = canned.calls().pop().unwrap();
    assert_eq!(call.operation, "DynamoDB_20120810.PutItem");
    assert_eq!(call.body["Item"]["pk"]["S"], "claim#111111111111#eu-central-1#copy#47c8ef56#FAILED");
    assert_eq!(call.body["Item"]["sk"]["S"], "claim");
    assert_eq!(call.body["Item"]["v"]["N"], "1");
    assert_eq!(call.body["Item"]["lease_until"]["N"], lease().as_millisecond().to_string());
    assert!(call.body["Item"]["ttl"]["N"].as_str().unwrap().parse::<i64>().unwrap() > now().as_second() + 14 * 24 * 3600);
    assert!(call.body["ConditionExpression"].as_str().unwrap().contains("attribute_not_exists(pk)"));
}

#[tokio::test]
async fn a_refused_claim_says_whether_it_is_done_or_held() {
    for (item, claim) in [
        (json!({"state": {"S": "done"}, "at": {"N": "1"}}), Claim::Done),
        (json!({"state": {"S": "held"}, "lease_until": {"N": "9999999999999"}, "at": {"N": "1"}}), Claim::Held),
        // The answer to our first attempt was lost; the SDK tried again and met our own item.
        (
            json!({"state": {"S": "held"}, "lease_until": {"N": lease().as_millisecond().to_string()}, "at": {"N": now().as_millisecond().to_string()}}),
            Claim::Mine,
        ),
    ] {
        let canned = Canned::new(move |_, _| Some(refused(item.clone())));
        assert_eq!(ClaimTable::new(&canned.config(), "guardian").claim(&job().key(), now(), lease()).await, Ok(claim));
    }
    // An endpoint that does not return the item is asked for it, strongly consistent.
    let canned =
        Canned::new(|number, _| Some(if number == 0 { refused(Value::Null) } else { ok(json!({"Item": {"state": {"S": "done"}}})) }));
    assert_eq!(ClaimTable::new(&canned.config(), "guardian").claim(&job().key(), now(), lease()).await, Ok(Claim::Done));
    assert_eq!(canned.calls()[1].body["ConsistentRead"], true);
}

#[tokio::test]
async fn releasing_what_somebody_else_holds_by_now_changes_nothing_and_is_no_error() {
    let canned = Canned::new(|_, _| Some(refused(Value::Null)));
    let claims = ClaimTable::new(&canned.config(), "guardian");
    assert_eq!(claims.release(&job().key(), lease()).await, Ok(()));
    assert!(canned.calls()[0].body["ConditionExpression"].as_str().unwrap().contains("lease_until = :ours"));
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_table_say_whether_a_retry_may_help() {
    for (code, retryable) in [
        ("ResourceNotFoundException", false),
        ("AccessDeniedException", false),
        ("ProvisionedThroughputExceededException", true),
        ("InternalServerError", true),
        ("ValidationException", false),
    ] {
        let canned = Canned::new(move |_, _| Some(error(code)));
        let failed = ClaimTable::new(&canned.config(), "guardian").claim(&job().key(), now(), lease()).await.unwrap_err();
        assert_eq!((failed.operation, failed.code.as_str(), failed.retryable), ("dynamodb:PutItem", code, retryable));
    }
    let hanging = Canned::new(|_, _| None);
    let failed = ClaimTable::new(&hanging.config(), "guardian").claim(&job().key(), now(), lease()).await.unwrap_err();
    assert_eq!((failed.code.as_str(), failed.retryable), ("timeout", true));
}

fn record() -> Record {
    let text = include_str!("../../../tests/events/cloudtrail/create-grant-denied.json");
    Record::parse(&serde_json::from_str::<Value>(text).unwrap()["detail"]).unwrap()
}

fn query() -> DenialQuery {
    DenialQuery {
        account_id: account("222222222222"),
        region: region("eu-central-1"),
        role_name: "AWSServiceRoleForBackup".to_owned(),
        from: "2026-11-02T05:16:00Z".parse().unwrap(),
        until: "2026-11-02T05:42:00Z".parse().unwrap(),
        event_names: Vec::new(),
        object: None::<Arn>,
        patience: Duration::from_secs(1),
    }
}

#[tokio::test]
async fn a_kept_denial_is_found_again_as_it_was() {
    let keeping = Canned::new(|_, _| Some(ok("{}")));
    let denials = record().denial();
    let twice = [denials.clone(), denials.clone()].concat();
    DenialTable::new(&keeping.config(), "denials").keep(&twice).await.unwrap();
    let call = keeping.calls().pop().unwrap();
    let puts = call.body["RequestItems"]["denials"].as_array().unwrap().clone();
    assert_eq!(puts.len(), 1, "one batch may not name an item twice");
    let item = puts[0]["PutRequest"]["Item"].clone();
    assert_eq!(item["pk"]["S"], "denial#222222222222#eu-central-1#AWSServiceRoleForBackup");
    assert!(item["sk"]["S"].as_str().unwrap().starts_with("2026-11-02T05:21:31.000Z#"), "{}", item["sk"]["S"]);
    // The same item a fortnight later: DynamoDB has not removed it yet, but it is over.
    let (live, mut over) = (item.clone(), item);
    let ttl = Timestamp::now().as_second();
    over["ttl"]["N"] = json!((ttl - 1).to_string());
    let mut live = live;
    live["ttl"]["N"] = json!((ttl + 3600).to_string());
    let finding = Canned::new(move |_, _| Some(ok(json!({"Items": [live, over], "Count": 2}))));
    let (found, search) = DenialTable::new(&finding.config(), "denials").find(&query()).await;
    assert_eq!(found, denials);
    assert_eq!((search.end, search.records), (SearchEnd::Complete, 2));
    let values = &finding.calls()[0].body["ExpressionAttributeValues"];
    let sk = "2026-11-02T05:21:31.000Z#";
    assert!(values[":from"]["S"].as_str().unwrap() < sk && sk < values[":until"]["S"].as_str().unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_leaves_over_is_written_again_and_a_failed_query_is_a_gap() {
    let canned =
        Canned::new(|number, call| Some(if number == 0 { ok(json!({"UnprocessedItems": call.body["RequestItems"]})) } else { ok("{}") }));
    DenialTable::new(&canned.config(), "denials").keep(&record().denial()).await.unwrap();
    assert_eq!(canned.calls().len(), 2);
    let stuck = Canned::new(|_, call| Some(ok(json!({"UnprocessedItems": call.body["RequestItems"]}))));
    let failed = DenialTable::new(&stuck.config(), "denials").keep(&record().denial()).await.unwrap_err();
    assert!(failed.retryable);
    let denied = Canned::new(|_, _| Some(error("AccessDeniedException")));
    let silent = Canned::new(|_, _| None);
    for (canned, reason) in [(denied, GapReason::AccessDenied), (silent, GapReason::TimedOut)] {
        let asked = tokio::time::Instant::now();
        let table = DenialTable::new(&canned.config(), "denials").of_account(Some(account("444444444444")));
        let (_, search) = table.find(&query()).await;
        assert!(asked.elapsed() <= query().patience, "{:?}", asked.elapsed());
        let gap = search.gap.unwrap();
        assert_eq!((search.end, gap.action.as_str(), gap.reason), (SearchEnd::Failed, "dynamodb:Query", reason));
        assert_eq!(gap.account_id, account("444444444444"), "the table is ours, whoever was refused");
    }
}
