//! Answers as AWS gave them: the real clients over canned answers.

use guardian_core::evidence::GapReason;
use serde_json::{Value, json};

use super::reads::behind_sts;
use crate::answers::{Answers, Question};
use crate::canned::{Canned, account, error, ok, region};

fn question(service: &'static str, operation: &'static str, request: Value) -> Question {
    let global = matches!(service, "iam" | "organizations");
    let region = (!global).then(|| region("eu-central-1"));
    Question { account: account("111111111111"), region, service, operation, request }
}

async fn ask(canned: &Canned, question: &Question) -> crate::answers::Answer {
    canned.cloud().ask(question).await
}

#[tokio::test]
async fn an_answer_keeps_members_that_nobody_knows_yet() {
    let vault = json!({"BackupVaultName": "local", "CreationDate": 1.5, "Novelty": {"Deep": [1]}});
    let canned = behind_sts({
        let vault = vault.clone();
        move |_| Some(ok(&vault))
    });
    let question = question("backup", "DescribeBackupVault", json!({"BackupVaultName": "local"}));
    let answer = ask(&canned, &question).await;
    assert_eq!(answer.outcome, Ok(vault));
    assert_eq!(answer.principal.as_deref(), Some("arn:aws:iam::111111111111:role/backup-guardian-reader"));
    assert!(canned.calls()[1].uri.ends_with("/backup-vaults/local"), "{:?}", canned.calls());
}

#[tokio::test]
async fn the_pages_of_a_list_are_one_answer() {
    let canned = behind_sts(|call| {
        Some(ok(if call.uri.contains("nextToken=more") {
            json!({"RecoveryPoints": [{"n": 2}]})
        } else {
            json!({"RecoveryPoints": [{"n": 1}], "NextToken": "more"})
        }))
    });
    let question = question("backup", "ListRecoveryPointsByBackupVault", json!({"BackupVaultName": "local"}));
    assert_eq!(ask(&canned, &question).await.outcome, Ok(json!({"RecoveryPoints": [{"n": 1}, {"n": 2}]})));
}

#[tokio::test]
async fn a_plan_of_the_organization_is_asked_for_by_its_whole_id() {
    let canned = behind_sts(|_| Some(ok(json!({"BackupPlan": {"BackupPlanName": "n", "Rules": []}}))));
    let question = question("backup", "GetBackupPlan", json!({"BackupPlanId": "orgs/1"}));
    assert!(ask(&canned, &question).await.outcome.is_ok());
    assert!(canned.calls()[1].uri.contains("/backup/plans/orgs%2F1"), "{:?}", canned.calls()[1].uri);
}

#[tokio::test]
async fn what_the_organization_wants_and_allows_is_asked_for_by_member_and_by_place() {
    let canned = behind_sts(|_| Some(ok(json!({"EffectivePolicy": {"PolicyContent": "{}"}, "GlobalSettings": {}}))));
    let effective =
        question("organizations", "DescribeEffectivePolicy", json!({"PolicyType": "BACKUP_POLICY", "TargetId": "111111111111"}));
    let answer = ask(&canned, &effective).await;
    assert!(answer.outcome.is_ok());
    assert_eq!(answer.principal.as_deref(), Some(crate::canned::ORGANIZATION_ROLE));
    let call = canned.calls().pop().unwrap();
    assert!(call.operation.ends_with(".DescribeEffectivePolicy"), "{}", call.operation);
    assert_eq!(call.body, effective.request);
    let settings = ask(&canned, &question("backup", "DescribeGlobalSettings", json!({}))).await;
    assert!(settings.outcome.is_ok());
    assert!(canned.calls().pop().unwrap().uri.ends_with("/global-settings"));
}

#[tokio::test]
async fn errors_keep_the_code_of_aws_and_a_role_that_cannot_be_assumed_names_its_call() {
    for (code, reason) in [("AccessDeniedException", GapReason::AccessDenied), ("ResourceNotFoundException", GapReason::NotFound)] {
        let canned = behind_sts(move |_| Some(error(code)));
        let question = question("kms", "DescribeKey", json!({"KeyId": "1"}));
        let failure = ask(&canned, &question).await.outcome.unwrap_err();
        assert_eq!((failure.reason, failure.code.as_str(), failure.action), (reason, code, None));
    }
    let canned = Canned::new(|_, _| {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        Some((403, vec![], body.to_owned()))
    });
    let question = question("kms", "DescribeKey", json!({"KeyId": "1"}));
    let failure = ask(&canned, &question).await.outcome.unwrap_err();
    let gap = question.gap(&failure);
    assert_eq!((gap.action.as_str(), gap.reason, gap.region), ("sts:AssumeRole", GapReason::RoleNotAssumable, None));
}

#[tokio::test]
async fn what_is_not_a_read_of_the_list_is_not_sent() {
    for (service, operation) in [("backup", "DeleteBackupVault"), ("kms", "Decrypt"), ("iam", "DeleteRole"), ("s3", "GetObject")] {
        let canned = behind_sts(|_| Some(ok(json!({}))));
        let failure = ask(&canned, &question(service, operation, json!({}))).await.outcome.unwrap_err();
        assert_eq!(failure.reason, GapReason::NotConfigured);
        assert!(canned.calls().iter().all(|call| call.operation == "AssumeRole"), "{:?}", canned.calls());
    }
}

#[tokio::test]
async fn a_topic_is_asked_for_by_its_name_and_its_refusal_has_the_code_of_aws() {
    let topic = "arn:aws:sns:eu-central-1:111111111111:a & b";
    let canned = behind_sts(|_| {
        Some(ok(
            "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>KmsMasterKeyId</key><value>k</value></entry>\
                 </Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>",
        ))
    });
    let asked = question("sns", "GetTopicAttributes", json!({"TopicArn": topic}));
    assert_eq!(ask(&canned, &asked).await.outcome, Ok(json!({"Attributes": {"KmsMasterKeyId": "k"}})));
    let call = canned.calls().pop().unwrap();
    assert!(call.uri.starts_with("https://sns.eu-central-1.amazonaws.com/"), "{}", call.uri);
    assert!(
        call.body.as_str().unwrap().ends_with("&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A111111111111%3Aa%20%26%20b"),
        "{:?}",
        call.body
    );
    for (code, reason) in [("AuthorizationError", GapReason::AccessDenied), ("NotFound", GapReason::NotFound)] {
        let canned = behind_sts(move |_| {
            Some((403, vec![], format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>")))
        });
        assert_eq!(ask(&canned, &asked).await.outcome.unwrap_err().reason, reason, "{code}");
    }
}

#[tokio::test]
async fn the_aliases_of_one_key_are_asked_for_page_by_page() {
    let canned = behind_sts(|call| {
        Some(ok(if call.body["Marker"] == json!("more") {
            json!({"Aliases": [{"AliasName": "alias/b"}], "Truncated": false})
        } else {
            json!({"Aliases": [{"AliasName": "alias/a"}], "Truncated": true, "NextMarker": "more"})
        }))
    });
    let answer = ask(&canned, &question("kms", "ListAliases", json!({"KeyId": "k"}))).await.outcome;
    assert_eq!(answer, Ok(json!({"Aliases": [{"AliasName": "alias/a"}, {"AliasName": "alias/b"}]})));
    assert!(canned.calls()[1..].iter().all(|call| call.body["KeyId"] == json!("k")), "of this key only");
}
