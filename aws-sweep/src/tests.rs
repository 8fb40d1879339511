use guardian_core::alarm_path::facts::{Rule, Target};
use guardian_core::evidence::GapReason;
use guardian_core::ports::RuleReader;
use serde_json::json;

use crate::Rules;
use crate::canned::{Call, Canned, Reply, account, arn, error, ok, region, session};

const HUB: &str = "arn:aws:events:eu-central-1:444444444444:rule/backup-guardian/backup-guardian-problem-events";
const MEMBER: &str = "arn:aws:events:eu-west-1:111111111111:rule/backup-guardian-problem-events";
const BUS: &str = "arn:aws:events:eu-central-1:444444444444:event-bus/backup-guardian";

fn target(id: &str) -> Target {
    Target { id: id.to_owned(), arn: BUS.to_owned(), role_arn: Some("r".to_owned()), dead_letters: Some("q".to_owned()) }
}

/// A rule with two pages of targets.
fn answer(call: &Call) -> Reply {
    let listed = |id: &str| json!({"Id": id, "Arn": BUS, "RoleArn": "r", "DeadLetterConfig": {"Arn": "q"}});
    match call.operation.as_str() {
        "AssumeRole" => session(call),
        "AWSEvents.DescribeRule" => ok(json!({"Name": "n", "State": "ENABLED", "EventPattern": "{\"source\": [\"aws.backup\"]}"})),
        _ if call.body["NextToken"] == "t" => ok(json!({"Targets": [listed("b")]})),
        _ => ok(json!({"Targets": [listed("a")], "NextToken": "t"})),
    }
}

fn rules() -> Canned {
    Canned::new(|_, call| Some(answer(call)))
}

fn wanted() -> Rule {
    Rule { state: "ENABLED".to_owned(), pattern: Some(json!({"source": ["aws.backup"]})), targets: vec![target("a"), target("b")] }
}

#[tokio::test]
async fn a_rule_of_our_account_is_asked_for_on_its_bus_with_our_own_role() {
    let canned = rules();
    let seen = Rules::of_our_account(&canned.config()).rule(&arn(HUB)).await;
    assert_eq!(seen.known(), Some(&wanted()));
    assert_eq!(canned.operations(), ["AWSEvents.DescribeRule", "AWSEvents.ListTargetsByRule", "AWSEvents.ListTargetsByRule"]);
    for call in canned.calls() {
        assert_eq!(call.body["EventBusName"], "backup-guardian");
        assert!(call.uri.contains("eu-central-1"));
    }
    assert_eq!(canned.calls()[0].body["Name"], "backup-guardian-problem-events");
}

#[tokio::test]
async fn a_rule_of_another_account_is_asked_for_through_its_reader_role_in_its_region() {
    let canned = rules();
    let rules = Rules::of_accounts(canned.cloud());
    assert_eq!(rules.rule(&arn(MEMBER)).await.known(), Some(&wanted()));
    assert_eq!(rules.rule(&arn(MEMBER)).await.known(), Some(&wanted()));
    assert_eq!(canned.operations().iter().filter(|operation| *operation == "AssumeRole").count(), 1);
    for call in canned.calls().iter().filter(|call| call.operation != "AssumeRole") {
        assert_eq!(call.access_key, "ASIA111111111111");
        assert!(call.uri.contains("eu-west-1"));
        assert!(call.body["EventBusName"].is_null(), "the default bus");
    }
}

#[tokio::test]
async fn what_is_refused_is_a_gap_that_says_what_and_where() {
    for (operation, code, action, reason) in [
        ("AssumeRole", "AccessDenied", "sts:AssumeRole", GapReason::RoleNotAssumable),
        ("AWSEvents.DescribeRule", "AccessDeniedException", "events:DescribeRule", GapReason::AccessDenied),
        ("AWSEvents.DescribeRule", "ResourceNotFoundException", "events:DescribeRule", GapReason::NotFound),
        ("AWSEvents.ListTargetsByRule", "AccessDeniedException", "events:ListTargetsByRule", GapReason::AccessDenied),
    ] {
        let canned = Canned::new(move |_, call| {
            if call.operation != operation {
                return Some(answer(call));
            }
            let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
            Some(if operation == "AssumeRole" { (403, Vec::new(), refusal.to_owned()) } else { error(code) })
        });
        let gap = Rules::of_accounts(canned.cloud()).rule(&arn(MEMBER)).await.gap().cloned().unwrap();
        assert_eq!((gap.action.as_str(), gap.reason, gap.account_id), (action, reason, account("111111111111")));
        assert!(operation == "AssumeRole" || gap.region == Some(region("eu-west-1")));
    }
    let broken = Canned::new(|_, _| Some(ok(json!({"State": "ENABLED", "EventPattern": "{"}))));
    let gap = Rules::of_our_account(&broken.config()).rule(&arn(HUB)).await.gap().cloned().unwrap();
    assert_eq!(gap.reason, GapReason::Unreadable);
    let stateless = Canned::new(|_, _| Some(ok(json!({"Name": "n"}))));
    let gap = Rules::of_our_account(&stateless.config()).rule(&arn(HUB)).await.gap().cloned().unwrap();
    assert_eq!(gap.reason, GapReason::Unreadable);
}
