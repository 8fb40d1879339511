use guardian_core::evidence::{GapReason, TagOperator};
use guardian_core::ports::{PlanLists, PlanReader};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::canned::{Call, Canned, Reply, account, error, ok, region, session};

/// AWS Backup of one account: a plan of the organization with two selections, and a list of plans that has two pages.
fn answer(call: &Call) -> Reply {
    let body = match call.operation.split('?').next().unwrap_or_default() {
        "AssumeRole" => return session(call),
        "GET /backup/plans" if call.uri.contains("nextToken=") => json!({"BackupPlansList": [{"BackupPlanId": "a"}]}),
        "GET /backup/plans" => json!({"NextToken": "more", "BackupPlansList": [{"BackupPlanId": "orgs/1"}, {"BackupPlanName": "no id"}]}),
        "GET /backup/plans/orgs%2F1/versions" => json!({"BackupPlanVersionsList": [
            {"VersionId": "2", "CreationDate": 1793596873.5}, {"VersionId": "1", "CreationDate": 1700000000}]}),
        "GET /backup/plans/orgs%2F1/selections" => json!({"BackupSelectionsList": [{"SelectionId": "s"}, {"SelectionId": "gone"}]}),
        "GET /backup/plans/orgs%2F1/selections/s" => json!({"SelectionId": "s", "CreationDate": 1700000000, "BackupSelection": {
            "SelectionName": "tagged", "IamRoleArn": "arn:aws:iam::111111111111:role/r", "Resources": ["*"], "NotResources": ["arn:aws:s3:::*"],
            "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "daily"}],
            "Conditions": {"StringNotLike": [{"ConditionKey": "aws:ResourceTag/stage", "ConditionValue": "test*"}]}}}),
        "GET /backup/plans/orgs%2F1" => plan(&json!({"RuleName": "night", "TargetBackupVaultName": "local", "RuleId": "r",
            "ScheduleExpression": "cron(0 5 ? * * *)", "ScheduleExpressionTimezone": "Europe/Berlin", "StartWindowMinutes": 60,
            "CopyActions": [{"DestinationBackupVaultArn": "arn:aws:backup:eu-central-1:222222222222:backup-vault:central",
                "Lifecycle": {"DeleteAfterDays": 35}}]})),
        "GET /backup/plans/odd" => plan(&json!({"RuleName": "n", "TargetBackupVaultName": "v", "EnableContinuousBackup": true})),
        "GET /backup/plans/empty" => json!({"BackupPlanId": "empty"}),
        "GET /backup/plans/shut" => return error("AccessDeniedException"),
        _ => return error("ResourceNotFoundException"),
    };
    ok(&body)
}

fn plan(rule: &Value) -> Value {
    json!({"CreationDate": 1700000000, "BackupPlan": {"BackupPlanName": "nightly", "Rules": [rule]}})
}

fn canned() -> Canned {
    Canned::new(|_, call| Some(answer(call)))
}

#[tokio::test]
async fn the_plans_of_an_account_are_listed_to_the_end() {
    let canned = canned();
    let ids = canned.cloud().plan_ids(&account("111111111111"), &region("eu-central-1")).await;
    assert_eq!(ids, Ok(vec!["a".to_owned(), "orgs/1".to_owned()]));
    assert!(canned.calls().iter().skip(1).all(|call| call.access_key == "ASIA111111111111" && call.uri.contains("maxResults=1000")));
}

#[tokio::test]
async fn a_plan_of_the_organization_is_read_with_what_its_rules_run_by() {
    let canned = canned();
    let (account, region) = (account("111111111111"), region("eu-central-1"));
    let plan = canned.cloud().plan(&account, &region, "orgs/1").await.unwrap().unwrap();
    assert_eq!((plan.id.as_str(), plan.name.as_str()), ("orgs/1", "nightly"));
    assert_eq!(plan.created_at, Some(Timestamp::from_second(1_700_000_000).unwrap()));
    let times = &plan.rules[0].times;
    assert_eq!((times.rule_id.as_deref(), times.zone.as_deref(), times.start_window_minutes), (Some("r"), Some("Europe/Berlin"), Some(60)));
    assert_eq!((times.schedule.as_deref(), times.continuous), (Some("cron(0 5 ? * * *)"), false));
    assert_eq!(plan.rules[0].copy_actions[0].delete_after_days, Some(35));
    assert!(canned.cloud().plan(&account, &region, "odd").await.unwrap().unwrap().rules[0].times.continuous);
    let changed_at = canned.cloud().plan_changed_at(&account, &region, "orgs/1").await;
    assert_eq!(changed_at, Ok(Some(Timestamp::from_millisecond(1_793_596_873_500).unwrap())), "the newest version counts");
}

#[tokio::test]
async fn selections_are_read_one_by_one_and_one_that_is_gone_is_left_out() {
    let selections = canned().cloud().selections(&account("111111111111"), &region("eu-central-1"), "orgs/1").await.unwrap().unwrap();
    assert_eq!(selections.len(), 1);
    let selection = &selections[0];
    assert_eq!(
        (selection.resources.as_slice(), selection.not_resources.as_slice()),
        (["*".to_owned()].as_slice(), ["arn:aws:s3:::*".to_owned()].as_slice())
    );
    assert_eq!((selection.tags[0].operator, selection.tags[0].value.as_str()), (TagOperator::Equals, "daily"));
    assert_eq!((selection.conditions[0].operator, selection.conditions[0].key.as_str()), (TagOperator::NotLike, "aws:ResourceTag/stage"));
    assert_eq!(selection.created_at, Some(Timestamp::from_second(1_700_000_000).unwrap()));
}

#[tokio::test]
async fn a_plan_that_is_gone_is_none_and_one_that_cannot_be_read_is_a_gap() {
    let (cloud, account, region) = (canned().cloud(), account("111111111111"), region("eu-central-1"));
    assert_eq!(cloud.plan(&account, &region, "gone").await, Ok(None));
    assert_eq!(cloud.plan_changed_at(&account, &region, "gone").await, Ok(None));
    assert_eq!(cloud.selections(&account, &region, "gone").await, Ok(None));
    for (id, reason) in [("shut", GapReason::AccessDenied), ("empty", GapReason::Unreadable)] {
        let gap = cloud.plan(&account, &region, id).await.unwrap_err();
        assert_eq!((gap.action.as_str(), gap.reason, gap.region.as_ref()), ("backup:GetBackupPlan", reason, Some(&region)), "{id}");
    }
}
