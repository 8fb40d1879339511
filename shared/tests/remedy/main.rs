//! The smallest patch of a broken route, and its proof.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

mod cases;
mod forms;
mod plans;
mod properties;
mod rendering;
#[path = "../support/routes.rs"]
mod routes;

use guardian_core::copy::{Object, Route, RoutePolicies, judge};
use guardian_core::policy::{Decision, Document, Grant, Layer};
use guardian_core::remedy::{NoPatch, Operation, patch, patch_role};
use routes::Vaults::Standard;
use routes::document as read;
use serde_json::{Value, json};

const SLR: &str = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";
const JOB_ROLE: &str = "arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole";

/// EBS, from the source account into the backup account.
fn route() -> Route {
    routes::route("EBS", true, false, Standard)
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

fn with_vault(source_key: &Value, destination_vault: Option<&Value>) -> RoutePolicies {
    policies(source_key, destination_vault)
}

/// A route whose every policy is right, but for the policy of the source key.
fn policies(source_key: &Value, destination_vault: Option<&Value>) -> RoutePolicies {
    let role = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",
        "Action": ["backup:CopyFromBackupVault", "backup:CopyIntoBackupVault", "ec2:ModifySnapshotAttribute"]}]});
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
    let no_patch = NoPatch::ExplicitDeny {
        layer: Layer::Resource,
        document: 1,
        statement: 4,
        sid: Some("NoGrants".to_owned()),
        principal: SLR.to_owned(),
        actions: vec!["kms:CreateGrant".to_owned()],
    };
    assert_eq!(
        no_patch.reason(),
        format!("resource[1]#4 (`NoGrants`) of the policy of the key or vault denies `kms:CreateGrant` to `{SLR}`")
    );
    assert!(no_patch.instead().unwrap().contains(&format!("\"ArnNotLike\": {{\"aws:PrincipalArn\": \"{SLR}\"}}")));
    assert_eq!(found, Err(no_patch));
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

#[test]
fn a_statement_for_a_deleted_role_is_left_and_a_right_one_added() {
    let mut deleted = uses();
    deleted["Principal"] = json!({"AWS": "AROAEXAMPLEEXAMPLE123"});
    let key = document(&[owner("111111111111"), deleted, grants()]);
    let found = patch(&route(), &policies(&key, Some(&vault())), Object::SourceKey, Some(&key)).unwrap();
    assert_eq!(found.statements.len(), 1);
    assert_eq!(found.named_roles, [SLR]);
    assert!(found.proof.holds());
}

#[test]
fn a_condition_that_holds_in_one_region_of_two_is_made_whole() {
    let route = routes::route("EBS", true, true, Standard);
    let mut narrow = uses();
    narrow["Condition"] = json!({"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}});
    let key = document(&[owner("111111111111"), narrow, grants()]);
    let found = patch(&route, &policies(&key, Some(&vault())), Object::SourceKey, Some(&key)).unwrap();
    assert_eq!(found.statements[0]["Action"], json!(["kms:DescribeKey", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"]));
    assert!(found.proof.holds());
}

#[test]
fn what_a_grant_allows_needs_no_statement() {
    let key = document(&[owner("111111111111"), uses()]);
    let mut policies = policies(&key, Some(&vault()));
    let granted = |operation: &str| Grant { grantee: SLR.to_owned(), operations: vec![operation.to_owned()], ..Grant::default() };
    policies.source_key_grants = Some(vec![granted("CreateGrant")]);
    assert_eq!(patch(&route(), &policies, Object::SourceKey, Some(&key)), Err(NoPatch::NothingDenied));
    policies.source_key_grants = Some(vec![granted("RetireGrant")]);
    assert!(patch(&route(), &policies, Object::SourceKey, Some(&key)).is_ok());
    // A grant to somebody else is none.
    let stranger = Grant { grantee: SLR.replace("222222222222", "333333333333"), ..granted("CreateGrant") };
    policies.source_key_grants = Some(vec![stranger]);
    assert!(patch(&route(), &policies, Object::SourceKey, Some(&key)).is_ok());
}

#[test]
fn a_vault_that_is_opened_to_an_organization_is_opened_to_ours() {
    let key = document(&[owner("111111111111"), uses(), grants()]);
    let mut mistyped = vault();
    mistyped["Statement"][0]["Condition"]["StringEquals"]["aws:PrincipalOrgID"] = json!(["o-exampelorgid"]);
    let policies = policies(&key, Some(&mistyped));
    let found = patch(&route(), &policies, Object::DestinationVault, Some(&mistyped)).unwrap();
    assert_eq!(
        found.statements,
        [json!({"Sid": "AllowCopiesFromOrganization", "Effect": "Allow", "Principal": {"AWS": "*"},
            "Action": ["backup:CopyIntoBackupVault"], "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}})]
    );
    assert_eq!((found.operation, found.account_id.as_str()), (Operation::PutVaultPolicy, "222222222222"));
    // Without the id of the organization, and where only single accounts are let in, the account is the smallest.
    let unknown = Route { organization_id: None, ..route() };
    let single = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::333333333333:root"},
        "Action": "backup:CopyIntoBackupVault", "Resource": "*"}]});
    for (route, current) in [(&unknown, &single), (&route(), &single)] {
        let policies = with_vault(&key, Some(current));
        let found = patch(route, &policies, Object::DestinationVault, Some(current)).unwrap();
        assert_eq!(found.statements[0]["Principal"], json!({"AWS": "arn:aws:iam::111111111111:root"}));
    }
}

#[test]
fn a_job_role_gets_a_policy_of_its_own_for_all_recovery_points_of_the_type() {
    let key = document(&[owner("111111111111"), uses(), grants()]);
    let mut policies = policies(&key, Some(&vault()));
    policies.job_role = Some(Vec::new());
    let found = patch_role(&route(), &policies).unwrap();
    assert_eq!(
        found.statements,
        [
            json!({"Sid": "AllowBackupCopies", "Effect": "Allow", "Action": ["backup:CopyFromBackupVault", "ec2:ModifySnapshotAttribute"],
                "Resource": "arn:aws:ec2:eu-central-1::snapshot/*"}),
            json!({"Sid": "AllowBackupCopies2", "Effect": "Allow", "Action": ["backup:CopyIntoBackupVault"],
                "Resource": "arn:aws:backup:eu-central-1:222222222222:backup-vault:central"}),
        ]
    );
    assert_eq!(
        (found.operation, found.target_arn.as_str(), found.account_id.as_str()),
        (Operation::PutRolePolicy, JOB_ROLE, "111111111111")
    );
    assert!(found.proof.holds() && found.policy_name.is_some() && found.replaces_sha256.is_none());
    // With the vault closed as well it does not help alone, and that is said.
    policies.destination_vault = Some(None);
    assert_eq!(patch_role(&route(), &policies), Err(NoPatch::Elsewhere(vec!["resource policy".to_owned()])));
}

#[test]
fn within_one_account_the_key_names_the_role_or_the_role_gets_a_policy() {
    let route = routes::route("RDS", false, false, Standard);
    let documented = routes::documented(&route);
    // The keys trust their account, so the role's own policies are what lacks. The vault admits the whole organization, this account too.
    let policies = RoutePolicies { job_role: Some(Vec::new()), ..documented.clone() };
    let found = patch_role(&route, &policies).unwrap();
    let actions = found.statements.iter().map(|statement| statement["Action"].to_string()).collect::<Vec<_>>();
    assert_eq!(actions, [r#"["backup:CopyFromBackupVault","rds:CopyDBSnapshot"]"#, r#"["kms:DescribeKey"]"#, r#"["kms:CreateGrant"]"#]);
    assert_eq!(found.statements[1]["Resource"].as_array().unwrap().len(), 2, "both keys in one statement");
    assert_eq!(found.statements[2]["Condition"], json!({"Bool": {"kms:GrantIsForAWSResource": "true"}}));
    // The key trusts nobody: its own policy names the role, and no other policy is needed.
    let closed = document(&[]);
    let policies = RoutePolicies { source_key: Some(read(&[])), ..documented };
    let found = patch(&route, &policies, Object::SourceKey, Some(&closed)).unwrap();
    assert_eq!(found.statements[0]["Principal"], json!({"AWS": JOB_ROLE}));
    assert_eq!(found.statements.len(), 2);
}

#[test]
fn what_no_patch_can_mend_says_what_to_do_instead() {
    let key = document(&[owner("111111111111")]);
    let policies = policies(&key, Some(&vault()));
    let managed = Route { source_key_aws_managed: true, ..route() };
    let found = patch(&managed, &policies, Object::SourceKey, Some(&key)).unwrap_err();
    assert!(found.reason().contains("AWS managed key"), "{}", found.reason());
    assert!(found.instead().unwrap().contains("customer managed key"));
    let redshift = Route { resource_type: "Redshift".to_owned(), ..route() };
    let found = patch(&redshift, &policies, Object::DestinationVault, None).unwrap_err();
    assert!(found.reason().contains("cannot be copied"), "{}", found.reason());
}
