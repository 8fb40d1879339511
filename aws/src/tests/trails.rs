use std::time::Duration;

use guardian_core::evidence::{GapReason, SearchEnd};
use guardian_core::ports::{DenialQuery, TrailReader};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::canned::{Call, Canned, Reply, account, arn, error, ok, region, session};

const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A refused call of the backup account's service-linked role.
fn record(id: &str, name: &str, time: &str, key: Option<&str>) -> Value {
    let on = key.map_or_else(|| "on this resource".to_owned(), |key| format!("on resource: {key}"));
    let session = "arn:aws:sts::222222222222:assumed-role/AWSServiceRoleForBackup/AWSBackup-AWSServiceRoleForBackup";
    json!({
        "userIdentity": {"type": "AssumedRole", "arn": session, "accountId": "222222222222", "sessionContext": {"sessionIssuer": {
            "type": "Role", "accountId": "222222222222", "userName": "AWSServiceRoleForBackup",
            "arn": "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"}}},
        "eventTime": time, "eventSource": "kms.amazonaws.com", "eventName": name, "awsRegion": "eu-central-1",
        "errorCode": "AccessDenied",
        "errorMessage": format!("User: {session} is not authorized to perform: kms:{name} {on} because no resource-based policy allows the kms:{name} action"),
        "requestParameters": null, "eventID": id, "recipientAccountId": "222222222222",
    })
}

fn page(records: &[Value], next: Option<&str>) -> Reply {
    let events = records.iter().map(|record| json!({"EventId": record["eventID"], "CloudTrailEvent": record.to_string()}));
    ok(json!({"Events": events.collect::<Vec<_>>(), "NextToken": next}))
}

fn trail(answer: impl Fn(usize, &Call) -> Option<Reply> + Send + Sync + 'static) -> Canned {
    // STS is asked first, so the first lookup is number 0.
    Canned::new(move |number, call| if call.operation == "AssumeRole" { Some(session(call)) } else { answer(number - 1, call) })
}

fn query(object: bool) -> DenialQuery {
    DenialQuery {
        account_id: account("222222222222"),
        region: region("eu-central-1"),
        role_name: "AWSServiceRoleForBackup".to_owned(),
        from: "2026-11-02T05:16:00Z".parse().unwrap(),
        until: "2026-11-02T05:42:00Z".parse().unwrap(),
        event_names: vec!["CreateGrant", "ReEncrypt", "Decrypt"],
        object: object.then(|| arn(KEY)),
        patience: Duration::from_secs(60),
    }
}

/// The attributes that were asked for, in order.
fn asked(canned: &Canned) -> Vec<String> {
    let calls = canned.calls().into_iter().filter(|call| call.operation.ends_with("LookupEvents"));
    calls.map(|call| call.body["LookupAttributes"][0]["AttributeValue"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_exact_hit_ends_the_search_and_the_window_and_role_are_filtered_here() {
    let canned = trail(|_, _| {
        Some(page(
            &[
                record("e-1", "CreateGrant", "2026-11-02T05:21:31Z", Some(KEY)),
                record("e-1", "CreateGrant", "2026-11-02T05:21:31Z", Some(KEY)),
                record("e-2", "CreateGrant", "2026-11-02T04:00:00Z", Some(KEY)),
            ],
            None,
        ))
    });
    let (denials, search) = canned.cloud().denials(&query(true), 20).await;
    assert_eq!(denials.len(), 1, "{denials:#?}");
    assert_eq!((denials[0].event_id.as_str(), denials[0].resource.clone()), ("e-1", Some(arn(KEY))));
    assert_eq!((search.calls, search.records, search.end, search.gap), (1, 3, SearchEnd::Complete, None));
    let call = canned.calls().pop().unwrap();
    assert_eq!(call.body["LookupAttributes"].as_array().unwrap().len(), 1, "CloudTrail takes exactly one attribute");
    assert_eq!(call.body["MaxResults"], 50);
    assert_eq!(call.body["StartTime"].as_f64().unwrap() as i64, query(true).from.as_second());
    assert_eq!(call.access_key, "ASIA222222222222");
}

#[tokio::test(start_paused = true)]
async fn pages_are_followed_and_vague_denials_do_not_end_the_search() {
    let canned = trail(|number, _| {
        Some(match number {
            0 => page(&[record("e-1", "CreateGrant", "2026-11-02T05:21:31Z", None)], Some("next")),
            1 => page(&[record("e-2", "CreateGrant", "2026-11-02T05:20:31Z", None)], None),
            2 => page(&[record("e-3", "ReEncrypt", "2026-11-02T05:20:30Z", Some(KEY))], None),
            _ => page(&[], None),
        })
    });
    let (denials, search) = canned.cloud().denials(&query(true), 20).await;
    assert_eq!(asked(&canned)[..3], ["CreateGrant", "CreateGrant", "ReEncrypt"]);
    assert_eq!(canned.calls()[2].body["NextToken"], "next");
    assert!(denials.len() >= 3, "{denials:#?}");
    assert_eq!(search.end, SearchEnd::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_search_by_session_name_falls_back_to_event_names_only_where_it_sees_nothing() {
    let by_session = DenialQuery { event_names: Vec::new(), ..query(true) };
    let silent = trail(|_, _| Some(page(&[], None)));
    silent.cloud().denials(&by_session, 20).await;
    assert_eq!(asked(&silent)[..2], ["AWSBackup-AWSServiceRoleForBackup", "CreateGrant"]);
    let speaking = trail(|_, _| Some(page(&[record("e-1", "DescribeKey", "2026-11-02T05:21:31Z", None)], None)));
    speaking.cloud().denials(&by_session, 20).await;
    assert_eq!(asked(&speaking), ["AWSBackup-AWSServiceRoleForBackup"]);
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_even_for_endless_pages_and_the_pace_for_all() {
    let canned = trail(|number, _| Some(page(&[], Some(&format!("page-{number}")))));
    let started = Instant::now();
    let (_, search) = canned.cloud().denials(&query(true), 20).await;
    assert_eq!(asked(&canned).len(), 20);
    assert_eq!((search.calls, search.gap.unwrap().reason), (20, GapReason::BudgetSpent));
    assert!(started.elapsed() >= Duration::from_secs(9), "20 calls at 2 per second: {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_same_page_token_twice_is_no_reason_to_turn_in_circles() {
    let canned = trail(|_, _| Some(page(&[], Some("again"))));
    let (_, search) = canned.cloud().denials(&query(true), 20).await;
    assert_eq!((asked(&canned).len(), search.gap.unwrap().reason), (2, GapReason::Unreadable));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_a_hanging_search_and_keeps_what_was_found() {
    let canned =
        trail(|number, _| (number == 0).then(|| page(&[record("e-1", "CreateGrant", "2026-11-02T05:21:31Z", None)], Some("next"))));
    let started = Instant::now();
    let impatient = DenialQuery { patience: Duration::from_millis(480), ..query(true) };
    let (denials, search) = canned.cloud().denials(&impatient, 20).await;
    assert_eq!(denials.len(), 1);
    assert_eq!((search.end, search.gap.unwrap().reason), (SearchEnd::Partial, GapReason::TimedOut));
    assert!(started.elapsed() <= Duration::from_millis(480), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn throttling_is_retried_within_the_budget_and_a_refusal_is_not() {
    let throttled = trail(|number, _| {
        Some(if number == 0 {
            error("ThrottlingException")
        } else {
            page(&[record("e-1", "CreateGrant", "2026-11-02T05:21:31Z", Some(KEY))], None)
        })
    });
    let (denials, search) = throttled.cloud().denials(&query(true), 20).await;
    assert_eq!((denials.len(), search.calls), (1, 2));
    let denied = trail(|_, _| Some(error("AccessDeniedException")));
    let (_, search) = denied.cloud().denials(&query(true), 20).await;
    let gap = search.gap.unwrap();
    assert_eq!((search.calls, search.end), (1, SearchEnd::Failed));
    assert_eq!((gap.action.as_str(), gap.reason), ("cloudtrail:LookupEvents", GapReason::AccessDenied));
}

#[tokio::test(start_paused = true)]
async fn records_that_cannot_be_read_are_said() {
    let canned = trail(|_, _| Some(ok(json!({"Events": [{"EventId": "e", "CloudTrailEvent": "{"}]}))));
    let (denials, search) = canned.cloud().denials(&query(true), 20).await;
    assert!(denials.is_empty());
    assert_eq!((search.end, search.gap.unwrap().reason), (SearchEnd::Partial, GapReason::Unreadable));
}
