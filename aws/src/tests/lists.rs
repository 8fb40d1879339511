use std::time::Duration;

use guardian_core::event::{Job, JobId, JobState, JobType};
use guardian_core::evidence::GapReason;
use guardian_core::ports::{ClaimLookup, GapMemory, JobLists, Outbox, Slice, Whose};
use jiff::Timestamp;
use serde_json::json;

use crate::canned::{Canned, account, error, ok, region, session};
use crate::{ClaimTable, GapTable, Queue};

fn now() -> Timestamp {
    "2026-11-02T06:00:00Z".parse().unwrap()
}

fn job(id: &str) -> Job {
    let mut job = Job::new(account("111111111111"), region("eu-central-1"), JobType::Copy);
    (job.job_id, job.state) = (Some(JobId::from(id.to_owned())), JobState::Failed);
    job
}

#[tokio::test]
async fn the_list_of_the_organization_names_every_account_and_each_job_keeps_its_owner() {
    let page = json!({"NextToken": "more", "CopyJobs": [
        {"AccountId": "111111111112", "CopyJobId": "47C8EF56", "State": "FAILED", "StatusMessage": "no", "CreationDate": 1793596873.5},
        {"CopyJobId": "without an owner", "State": "FAILED"},
    ]});
    let canned = Canned::new(move |_, call| Some(if call.operation == "AssumeRole" { session(call) } else { ok(&page) }));
    let slice = Slice::CreatedSince(now());
    let place = region("eu-central-1");
    let page = canned.cloud().jobs(&Whose::Organization, &place, JobType::Copy, slice, Some("start".to_owned())).await;
    let page = page.unwrap().unwrap();
    assert_eq!(page.next.as_deref(), Some("more"));
    assert_eq!(page.jobs.len(), 1, "whose job it is must be known");
    assert_eq!((page.jobs[0].account.as_str(), page.jobs[0].region.as_str()), ("111111111112", "eu-central-1"));
    assert_eq!(page.jobs[0].job_id.as_ref().unwrap().as_str(), "47c8ef56");
    let call = canned.calls().pop().unwrap();
    for part in ["/copy-jobs", "accountId=%2A", "nextToken=start", "maxResults=1000", "createdAfter=2026-11-02T06"] {
        assert!(call.uri.contains(part), "{part}: {}", call.uri);
    }
    assert!(!call.uri.contains("state="), "any state");
}

#[tokio::test]
async fn a_list_that_is_refused_is_a_gap_of_the_account_that_was_asked() {
    let canned = Canned::new(|_, call| Some(if call.operation == "AssumeRole" { session(call) } else { error("AccessDeniedException") }));
    let whose = Whose::Account(account("111111111111"));
    let answer = canned.cloud().jobs(&whose, &region("eu-west-1"), JobType::Backup, Slice::FailedOf(now()), None).await;
    let gap = answer.unwrap_err();
    assert_eq!((gap.action.as_str(), gap.account_id.as_str()), ("backup:ListBackupJobs", "111111111111"));
    assert_eq!(gap.reason, GapReason::AccessDenied);
    assert!(canned.calls().pop().unwrap().uri.contains("state=FAILED"));
}

#[tokio::test]
async fn a_page_that_names_itself_as_the_next_one_is_a_gap() {
    let page = json!({"NextToken": "again", "CopyJobs": []});
    let canned = Canned::new(move |_, call| Some(if call.operation == "AssumeRole" { session(call) } else { ok(&page) }));
    let whose = Whose::Account(account("111111111111"));
    let list = async |token: Option<&str>| {
        canned.cloud().jobs(&whose, &region("eu-west-1"), JobType::Copy, Slice::CreatedSince(now()), token.map(str::to_owned)).await
    };
    assert_eq!(list(None).await.unwrap().unwrap().next.as_deref(), Some("again"));
    assert_eq!(list(Some("again")).await.unwrap_err().reason, GapReason::Unreadable);
}

#[tokio::test]
async fn what_is_done_or_held_is_claimed_and_a_lease_that_is_over_is_not() {
    let pk = |id: &str| format!("claim#111111111111#eu-central-1#copy#{id}#FAILED");
    let item = |id: &str, state: &str, lease: &str| json!({"pk": {"S": pk(id)}, "sk": {"S": "claim"}, "state": {"S": state}, "lease_until": {"N": lease}});
    let items = json!([item("done", "done", "1"), item("held", "held", "9999999999999"), item("dead", "held", "1")]);
    let canned = Canned::new(move |_, _| Some(ok(json!({"Responses": {"guardian": items}, "UnprocessedKeys": {}}))));
    let keys = ["done", "held", "dead", "new"].map(|id| job(id).key());
    let claimed = ClaimTable::new(&canned.config(), "guardian").claimed(&keys, now()).await.unwrap();
    let ids = claimed.iter().map(|key| key.job_id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids, ["done", "held"]);
    assert_eq!(canned.operations(), ["DynamoDB_20120810.BatchGetItem"]);
}

#[tokio::test]
async fn a_hundred_and_one_claims_are_two_requests_and_a_repeated_key_is_asked_once() {
    let canned = Canned::new(|_, _| Some(ok(json!({"Responses": {}, "UnprocessedKeys": {}}))));
    let mut keys = (0..101).map(|n| job(&n.to_string()).key()).collect::<Vec<_>>();
    keys.push(job("0").key());
    assert_eq!(ClaimTable::new(&canned.config(), "guardian").claimed(&keys, now()).await, Ok(vec![]));
    let asked =
        canned.calls().iter().map(|call| call.body["RequestItems"]["guardian"]["Keys"].as_array().unwrap().len()).collect::<Vec<_>>();
    assert_eq!(asked, [100, 1]);
}

#[tokio::test]
async fn a_gap_is_new_until_it_was_met_and_again_when_it_was_away() {
    for (before, is_new) in [
        (json!({}), true),
        (json!({"at": {"N": (now().as_millisecond() - 3_600_000).to_string()}}), false),
        (json!({"at": {"N": "1"}}), true),
    ] {
        let canned = Canned::new(move |_, _| Some(ok(json!({"Attributes": before}))));
        let gap = guardian_core::evidence::Gap {
            action: "backup:ListCopyJobs".to_owned(),
            account_id: account("111111111111"),
            region: Some(region("eu-central-1")),
            reason: GapReason::AccessDenied,
            detail: None,
        };
        let table = GapTable::new(&canned.config(), "guardian");
        assert_eq!(table.is_new(&gap, now(), Duration::from_secs(3 * 3600)).await, Ok(is_new));
    }
}

#[tokio::test]
async fn a_message_that_the_queue_refuses_is_an_error_though_the_call_succeeds() {
    let canned =
        Canned::new(|_, _| Some(ok(json!({"Successful": [], "Failed": [{"Id": "0", "SenderFault": false, "Code": "InternalError"}]}))));
    let queue = Queue::new(&canned.config(), "https://sqs.eu-central-1.amazonaws.com/444444444444/q");
    let failure = queue.put(&["{}".to_owned()], Duration::ZERO).await.unwrap_err();
    assert!(failure.retryable && failure.code == "InternalError");
    let canned = Canned::new(|_, _| Some(ok(json!({"Successful": [], "Failed": []}))));
    let queue = Queue::new(&canned.config(), "https://sqs.eu-central-1.amazonaws.com/444444444444/q");
    let bodies = (0..21).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(queue.put(&bodies, Duration::from_secs(60)).await, Ok(()));
    assert_eq!(canned.calls().len(), 3);
}
