use std::time::Duration;

use guardian_core::alarm_path::Kept;
use guardian_core::evidence::{Fact, GapReason};
use guardian_core::ports::{Heart, Pulse, QueueReader, TopicReader, TroubleMemory};
use jiff::Timestamp;
use serde_json::json;

use crate::canned::{Canned, Reply, account, arn, error, ok, region};
use crate::work::leave;
use crate::{HeartbeatTable, Listeners, Queue, TroubleTable};

const TOPIC: &str = "arn:aws:sns:eu-central-1:444444444444:alerts";
const QUEUE: &str = "arn:aws:sqs:eu-central-1:444444444444:dead-letters";

fn now() -> Timestamp {
    "2026-11-02T05:37:40Z".parse().unwrap()
}

/// An answer of the query protocol.
fn answer(operation: &str, inner: &str) -> Reply {
    ok(format!(
        "<{operation}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><{operation}Result>{inner}</{operation}Result></{operation}Response>"
    ))
}

fn refused(code: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    );
    (403, vec![], body)
}

fn entry(name: &str, value: &str) -> String {
    format!("<entry><key>{name}</key><value>{value}</value></entry>")
}

#[tokio::test]
async fn a_topic_is_read_with_its_policy_and_its_key() {
    let canned = Canned::new(|_, _| {
        let policy = entry("Policy", "{&quot;Statement&quot;: []}");
        Some(answer("GetTopicAttributes", &format!("<Attributes>{policy}{}</Attributes>", entry("KmsMasterKeyId", "alias/aws/sns"))))
    });
    let Fact::Known { value, .. } = Listeners::new(&canned.config()).settings(&arn(TOPIC)).await else { panic!("it was read") };
    assert_eq!(value.policy, Some(json!({"Statement": []})));
    assert_eq!(value.key_arn(&arn(TOPIC)), Some(arn("arn:aws:kms:eu-central-1:444444444444:alias/aws/sns")));
    assert!(canned.calls()[0].body.as_str().unwrap().contains("alerts"));
}

#[tokio::test]
async fn what_sns_refuses_is_a_gap_that_says_where() {
    for (code, reason) in [("AuthorizationError", GapReason::AccessDenied), ("NotFound", GapReason::NotFound)] {
        let canned = Canned::new(move |_, _| Some(refused(code)));
        let listeners = Listeners::new(&canned.config());
        let gaps = [
            listeners.settings(&arn(TOPIC)).await.gap().cloned(),
            listeners.subscriptions(&arn(TOPIC)).await.gap().cloned(),
            listeners.sms(&arn(TOPIC)).await.gap().cloned(),
        ];
        let gaps = gaps.map(Option::unwrap);
        assert!(
            gaps.iter()
                .all(|gap| gap.reason == reason && gap.account_id == account("444444444444") && gap.region == Some(region("eu-central-1")))
        );
        assert_eq!(gaps.map(|gap| gap.action), ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:GetSMSAttributes"]);
    }
    let broken = Canned::new(|_, _| Some(answer("GetTopicAttributes", &format!("<Attributes>{}</Attributes>", entry("Policy", "{")))));
    let gap = Listeners::new(&broken.config()).settings(&arn(TOPIC)).await.gap().cloned().unwrap();
    assert_eq!(gap.reason, GapReason::Unreadable);
}

#[tokio::test]
async fn subscriptions_of_every_page_are_read_and_a_pending_one_has_no_arn() {
    let member = |arn: &str, protocol: &str| {
        format!("<member><SubscriptionArn>{arn}</SubscriptionArn><Protocol>{protocol}</Protocol><Endpoint>e</Endpoint></member>")
    };
    let canned = Canned::new(move |number, _| {
        let first = format!(
            "<Subscriptions>{}{}</Subscriptions><NextToken>t</NextToken>",
            member("arn:aws:sns:x:1:alerts:1", "email"),
            member("Deleted", "email")
        );
        let second = format!("<Subscriptions>{}</Subscriptions>", member("PendingConfirmation", "sms"));
        Some(answer("ListSubscriptionsByTopic", if number == 0 { &first } else { &second }))
    });
    let found = Listeners::new(&canned.config()).subscriptions(&arn(TOPIC)).await.known().cloned().unwrap();
    let found = found.iter().map(|one| (one.protocol.as_str(), one.confirmed)).collect::<Vec<_>>();
    assert_eq!(found, [("email", true), ("sms", false)]);
    assert!(canned.calls()[1].body.as_str().unwrap().contains("NextToken=t"));
}

#[tokio::test]
async fn the_limits_of_sms_are_read_and_one_that_nobody_set_is_absent() {
    for (attributes, limit) in [(entry("MonthlySpendLimit", "25"), Some(25.0)), (String::new(), None)] {
        let canned = Canned::new(move |_, call| {
            Some(match call.operation.as_str() {
                "GetSMSAttributes" => answer("GetSMSAttributes", &format!("<attributes>{attributes}</attributes>")),
                _ => answer("GetSMSSandboxAccountStatus", "<IsInSandbox>true</IsInSandbox>"),
            })
        });
        let sms = Listeners::new(&canned.config()).sms(&arn(TOPIC)).await.known().cloned().unwrap();
        assert_eq!((sms.in_sandbox, sms.monthly_spend_limit), (Some(true), limit));
    }
}

#[tokio::test]
async fn messages_that_somebody_reads_now_lie_there_all_the_same() {
    let canned = Canned::new(|_, _| {
        Some(ok(json!({"Attributes": {"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1"}})))
    });
    let messages = Listeners::new(&canned.config()).messages(&arn(QUEUE)).await;
    assert_eq!(messages.known(), Some(&3));
    assert_eq!(canned.calls()[0].body["QueueUrl"], "https://sqs.eu-central-1.amazonaws.com/444444444444/dead-letters");
    for (reply, reason) in [
        (error("com.amazonaws.sqs#QueueDoesNotExist"), GapReason::NotFound),
        (error("AccessDeniedException"), GapReason::AccessDenied),
        (ok(json!({"Attributes": {"ApproximateNumberOfMessages": "2"}})), GapReason::Unreadable),
    ] {
        let canned = Canned::new(move |_, _| Some(reply.clone()));
        let gap = Listeners::new(&canned.config()).messages(&arn(QUEUE)).await.gap().cloned().unwrap();
        assert_eq!((gap.action.as_str(), gap.reason), ("sqs:GetQueueAttributes", reason));
    }
}

#[tokio::test]
async fn a_heartbeat_is_one_item_with_a_version_and_whoever_asks_renews_its_expiry_only() {
    let at = now().as_millisecond() - 5000;
    let canned = Canned::new(move |_, _| Some(ok(json!({"Attributes": {"at": {"N": at.to_string()}}}))));
    let table = HeartbeatTable::new(&canned.config(), "guardian").at(account("444444444444"), region("eu-central-1"));
    table.beat("reconcile-jobs", now()).await.unwrap();
    assert_eq!(table.last_beat("reconcile-jobs", now()).await.known().map(|at| at.as_millisecond()), Some(at));
    let [beat, ask] = <[_; 2]>::try_from(canned.calls()).unwrap();
    for call in [&beat, &ask] {
        assert_eq!(call.operation, "DynamoDB_20120810.UpdateItem");
        assert_eq!(call.body["Key"], json!({"pk": {"S": "heartbeat#reconcile-jobs"}, "sk": {"S": "heartbeat"}}));
        assert_eq!(call.body["ExpressionAttributeValues"][":v"]["N"], "1");
        assert!(
            call.body["ExpressionAttributeValues"][":ttl"]["N"].as_str().unwrap().parse::<i64>().unwrap()
                > now().as_second() + 30 * 24 * 3600
        );
    }
    assert_eq!(beat.body["UpdateExpression"], "SET #at = :now, #v = :v, #ttl = :ttl");
    assert_eq!(ask.body["UpdateExpression"], "SET #at = if_not_exists(#at, :now), #v = :v, #ttl = :ttl");
    for (reply, reason) in [(error("AccessDeniedException"), GapReason::AccessDenied), (ok("{}"), GapReason::Unreadable)] {
        let canned = Canned::new(move |_, _| Some(reply.clone()));
        let table = HeartbeatTable::new(&canned.config(), "guardian").at(account("444444444444"), region("eu-central-1"));
        assert_eq!(table.last_beat("reconcile-jobs", now()).await.gap().map(|gap| gap.reason), Some(reason));
    }
}

fn kept(id: &str, told: bool) -> Kept {
    Kept { id: id.to_owned(), subject: "queue".to_owned(), what: "3 messages".to_owned(), since: now(), told_at: told.then(now) }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_read_as_it_was_over_every_page() {
    let writing =
        Canned::new(|number, call| Some(if number == 0 { ok(json!({"UnprocessedItems": call.body["RequestItems"]})) } else { ok("{}") }));
    let all = [kept("a", true), kept("b", false)];
    TroubleTable::new(&writing.config(), "guardian").keep(&all, now()).await.unwrap();
    assert_eq!(writing.calls().len(), 2, "what was left over is written again");
    let puts = writing.calls()[1].body["RequestItems"]["guardian"].as_array().unwrap().clone();
    let items = puts.iter().map(|put| put["PutRequest"]["Item"].clone()).collect::<Vec<_>>();
    assert_eq!((&items[0]["pk"]["S"], &items[0]["sk"]["S"], &items[0]["v"]["N"]), (&json!("alarm-path"), &json!("a"), &json!("1")));
    assert!(items[0]["ttl"]["N"].as_str().unwrap().parse::<i64>().unwrap() > now().as_second() + 30 * 24 * 3600);
    let reading = Canned::new(move |number, _| {
        let item = &items[number];
        let more = json!({"pk": {"S": "alarm-path"}, "sk": {"S": "a"}});
        Some(ok(if number == 0 { json!({"Items": [item], "LastEvaluatedKey": more}) } else { json!({"Items": [item]}) }))
    });
    assert_eq!(TroubleTable::new(&reading.config(), "guardian").kept().await.unwrap(), all);
    assert_eq!(reading.calls()[0].body["ConsistentRead"], true);
}

#[tokio::test]
async fn what_is_over_is_deleted_and_a_table_that_fails_is_an_error() {
    let canned = Canned::new(|_, _| Some(ok("{}")));
    let ids = (0..26).map(|n| n.to_string()).collect::<Vec<_>>();
    TroubleTable::new(&canned.config(), "guardian").forget(&ids).await.unwrap();
    assert_eq!(canned.calls().len(), 2, "25 at a time");
    let deleted = &canned.calls()[1].body["RequestItems"]["guardian"][0]["DeleteRequest"]["Key"];
    assert_eq!(deleted, &json!({"pk": {"S": "alarm-path"}, "sk": {"S": "25"}}));
    let canned = Canned::new(|_, _| Some(error("AccessDeniedException")));
    let table = TroubleTable::new(&canned.config(), "guardian");
    assert_eq!(table.kept().await.unwrap_err().operation, "dynamodb:Query");
    assert_eq!(table.keep(&[kept("a", true)], now()).await.unwrap_err().operation, "dynamodb:BatchWriteItem");
}

#[tokio::test]
async fn what_failed_and_may_pass_waits_and_the_rest_does_not() {
    let canned = Canned::new(|_, _| Some(ok(json!({"Successful": [], "Failed": []}))));
    let queue = Queue::new(&canned.config(), "https://sqs.eu-central-1.amazonaws.com/444444444444/q");
    leave(&queue, &["now".to_owned()], &["later".to_owned()]).await.unwrap();
    let sent = canned.calls().iter().map(|call| call.body["Entries"][0].clone()).collect::<Vec<_>>();
    let texts =
        sent.iter().map(|entry| (entry["MessageBody"].as_str().unwrap(), entry["DelaySeconds"].as_u64().unwrap())).collect::<Vec<_>>();
    assert_eq!(texts, [("{\"shards\":[\"now\"]}", 0), ("{\"shards\":[\"later\"]}", Duration::from_secs(60).as_secs())]);
}
