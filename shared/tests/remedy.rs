//! The smallest patch of a broken route, and its proof.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::copy::{Object, Route, RoutePolicies, VaultKind, judge};
use guardian_core::policy::{Decision, Document, Layer};
use guardian_core::remedy::{NoPatch, patch};
use serde_json::{Value, json};

const SLR: &str = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";

fn route() -> Route {
    let arn = |text: &str| Arn::parse(text).unwrap();
    Route {
        source_account: AccountId::parse("111111111111").unwrap(),
        source_region: Region::parse("eu-central-1").unwrap(),
        source_vault_arn: arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:local"),
        destination_vault_arn: arn("arn:aws:backup:eu-central-1:222222222222:backup-vault:central"),
        destination_account: AccountId::parse("222222222222").unwrap(),
        destination_region: Region::parse("eu-central-1").unwrap(),
        resource_type: "EBS".to_owned(),
        fully_managed: false,
        recovery_point_arn: arn("arn:aws:ec2:eu-central-1::snapshot/snap-1"),
        source_key_arn: Some(arn("arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab")),
        source_key_aws_managed: false,
        source_vault_kind: VaultKind::Standard,
        source_vault_key_arn: None,
        destination_key_arn: Some(arn("arn:aws:kms:eu-central-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ac")),
        destination_key_aws_managed: false,
        destination_vault_kind: VaultKind::Standard,
        job_role_arn: arn("arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole"),
        organization_id: Some("o-exampleorgid".to_owned()),
    }
}

fn owner(account: &str) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{account}:root")}, "Action": "kms:*", "Resource": "*"})
}

fn uses() -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": SLR}, "Resource": "*",
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]})
}

fn grants() -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": SLR}, "Resource": "*", "Action": ["kms:CreateGrant", "kms:ListGrants"],
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}})
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn vault() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "backup:CopyIntoBackupVault",
        "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-exampleorgid"]}}}]})
}

/// A route whose every policy is right, but for the policy of the source key.
fn policies(source_key: &Value, destination_vault: Option<&Value>) -> RoutePolicies {
    let role = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",
        "Action": ["backup:CopyFromBackupVault", "backup:CopyIntoBackupVault"]}]});
    RoutePolicies {
        job_role: Some(vec![Document::read(&role)]),
        job_role_boundary: Some(None),
        source_scps: Some(Vec::new()),
        source_vault: Some(None),
        destination_vault: Some(destination_vault.map(Document::read)),
        source_key: Some(Document::read(source_key)),
        source_key_grants: Some(Vec::new()),
        destination_key: Some(Document::read(&document(&[owner("222222222222")]))),
        destination_key_grants: Some(Vec::new()),
        source_key_rcps: Some(Vec::new()),
        destination_key_rcps: Some(Vec::new()),
    }
}

#[test]
fn a_right_route_works_and_needs_no_patch() {
    let key = document(&[owner("111111111111"), uses(), grants()]);
    let policies = policies(&key, Some(&vault()));
    for judged in judge(&route(), &policies).unwrap() {
        assert_eq!(judged.decision, Decision::Allowed, "{:?} {}", judged.requirement.object, judged.requirement.action);
    }
    assert_eq!(patch(&route(), &policies, Object::SourceKey, Some(&key)), Err(NoPatch::NothingDenied));
}

#[test]
fn a_missing_grant_statement_is_added_and_nothing_else() {
    let key = document(&[owner("111111111111"), uses()]);
    let found = patch(&route(), &policies(&key, Some(&vault())), Object::SourceKey, Some(&key)).unwrap();
    assert_eq!(found.account_id.as_str(), "111111111111");
    assert_eq!(
        found.statements,
        [json!({"Sid": "AllowGrantsForBackupCopies", "Effect": "Allow", "Principal": {"AWS": SLR}, "Action": ["kms:CreateGrant"],
            "Resource": "*", "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}})]
    );
    assert!(found.proof.holds());
    assert_eq!(found.document["Statement"].as_array().unwrap().len(), 3);
    let patched = policies(&found.document, Some(&vault()));
    assert!(judge(&route(), &patched).unwrap().iter().all(|judged| judged.decision == Decision::Allowed));
}

#[test]
fn a_key_that_knows_only_its_own_account_gets_both_statements() {
    let key = document(&[owner("111111111111")]);
    let found = patch(&route(), &policies(&key, Some(&vault())), Object::SourceKey, Some(&key)).unwrap();
    assert_eq!(found.statements.len(), 2);
    assert!(found.proof.holds());
    let text = serde_json::to_string(&found.statements).unwrap();
    assert!(!text.contains("kms:*") && !text.contains("\"Principal\":\"*\""), "{text}");
}

#[test]
fn a_policy_for_the_wrong_service_is_patched_beside_it() {
    let mut wrong = uses();
    wrong["Condition"] = json!({"StringEquals": {"kms:ViaService": "backup.eu-central-1.amazonaws.com"}});
    let key = document(&[owner("111111111111"), wrong, grants()]);
    let found = patch(&route(), &policies(&key, Some(&vault())), Object::SourceKey, Some(&key)).unwrap();
    assert_eq!(found.statements[0]["Action"], json!(["kms:DescribeKey", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"]));
}

#[test]
fn an_explicit_deny_is_named_and_not_patched_over() {
    let mut deny = grants();
    deny["Effect"] = json!("Deny");
    deny["Sid"] = json!("NoGrants");
    let key = document(&[owner("111111111111"), uses(), grants(), deny]);
    let found = patch(&route(), &policies(&key, Some(&vault())), Object::SourceKey, Some(&key));
    assert_eq!(found, Err(NoPatch::ExplicitDeny { layer: Layer::Resource, document: 1, statement: 4, sid: Some("NoGrants".to_owned()) }));
}

#[test]
fn a_vault_without_policy_is_opened_to_the_source_account_only() {
    let key = document(&[owner("111111111111"), uses(), grants()]);
    let found = patch(&route(), &policies(&key, None), Object::DestinationVault, None).unwrap();
    assert_eq!(found.account_id.as_str(), "222222222222");
    assert_eq!(found.statements[0]["Principal"], json!({"AWS": "arn:aws:iam::111111111111:root"}));
    assert_eq!(found.statements[0]["Action"], json!(["backup:CopyIntoBackupVault"]));
}

#[test]
fn what_was_not_seen_gives_no_patch() {
    let key = document(&[owner("111111111111"), uses()]);
    let mut policies = policies(&key, Some(&vault()));
    policies.source_key_grants = None;
    let found = patch(&route(), &policies, Object::SourceKey, Some(&key));
    assert_eq!(found, Err(NoPatch::Uncertain(vec!["grants that are not fully described".to_owned()])));
    policies.source_key = None;
    assert!(matches!(patch(&route(), &policies, Object::SourceKey, Some(&key)), Err(NoPatch::Uncertain(_))));
}
