use std::time::Duration;

use guardian_core::arn::Arn;
use guardian_core::diagnosis::Cause;
use guardian_core::event::{Job, JobId, JobState, JobType};
use guardian_core::evidence::cloudtrail::Record;
use guardian_core::evidence::{GapReason, SearchEnd};
use guardian_core::incident::{IncidentId, Object, identify};
use guardian_core::ports::{Claim, Claims, DenialQuery, DenialStore, Incidents, Joined};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::canned::{Canned, Reply, account, error, ok, region};
use crate::{ClaimTable, DenialTable, IncidentTable};

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

fn incident() -> IncidentId {
    identify(Cause::NotFound, &Object::Provisional { account_id: account("111111111111"), route: "r".to_owned() })
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

fn incidents(canned: &Canned) -> IncidentTable {
    IncidentTable::new(&canned.config(), "guardian", Duration::from_secs(4 * 3600))
}

#[tokio::test]
async fn the_first_job_of_an_incident_is_added_counted_and_announced() {
    let canned = Canned::new(|number, _| {
        Some(if number == 0 { ok("{}") } else { ok(json!({"Attributes": {"jobs_total": {"N": "1"}, "opened_at": {"N": "1"}}})) })
    });
    assert_eq!(incidents(&canned).join(&incident(), &job(), now(), lease()).await, Ok(Joined::First));
    let calls = canned.calls();
    assert_eq!(canned.operations(), ["DynamoDB_20120810.TransactWriteItems", "DynamoDB_20120810.UpdateItem"]);
    let items = &calls[0].body["TransactItems"];
    assert_eq!(items[0]["Put"]["Item"]["sk"]["S"], "job#111111111111#eu-central-1#copy#47c8ef56");
    assert_eq!(items[0]["Put"]["Item"]["v"]["N"], "1");
    assert_eq!(items[0]["Put"]["ConditionExpression"], "attribute_not_exists(pk)");
    assert_eq!(items[1]["Update"]["Key"]["sk"]["S"], "head");
}

#[tokio::test]
async fn a_known_member_is_not_counted_again_and_the_head_decides_what_is_said() {
    let cancelled = || {
        let body = json!({"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "no",
            "CancellationReasons": [{"Code": "ConditionalCheckFailed"}, {"Code": "None"}]});
        (400, vec![], body.to_string())
    };
    let head = |announced: Option<i64>| {
        let mut item = json!({"jobs_total": {"N": "7"}, "opened_at": {"N": "1793600000000"}, "announcing_until": {"N": "9999999999999"}});
        if let Some(announced) = announced {
            item["announced_at"] = json!({"N": announced.to_string()});
        }
        item
    };
    let lately = now().as_millisecond() - 60_000;
    for (announced, joined) in [(Some(lately), Joined::Silent { jobs_total: 7 }), (None, Joined::Held)] {
        let canned = Canned::new(move |number, _| {
            Some(match number {
                0 => cancelled(),
                1 => refused(Value::Null),
                _ => ok(json!({"Item": head(announced)})),
            })
        });
        assert_eq!(incidents(&canned).join(&incident(), &job(), now(), lease()).await, Ok(joined));
    }
    let canned = Canned::new(move |number, _| {
        Some(if number == 0 { cancelled() } else { ok(json!({"Attributes": head(Some(1_793_000_000_000))})) })
    });
    let opened_at = Timestamp::from_millisecond(1_793_600_000_000).unwrap();
    assert_eq!(incidents(&canned).join(&incident(), &job(), now(), lease()).await, Ok(Joined::Remind { jobs_total: 7, opened_at }));
}

#[tokio::test(start_paused = true)]
async fn jobs_that_meet_on_the_head_try_again() {
    let conflict = || {
        let body = json!({"__type": "TransactionCanceledException", "Message": "no",
            "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]});
        (400, vec![], body.to_string())
    };
    let canned = Canned::new(move |number, _| {
        Some(match number {
            0 | 1 => conflict(),
            2 => ok("{}"),
            _ => ok(json!({"Attributes": {"jobs_total": {"N": "2"}}})),
        })
    });
    assert_eq!(incidents(&canned).join(&incident(), &job(), now(), lease()).await, Ok(Joined::First));
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
