//! Routes of every kind, and the policies of an organization that follows AWS' documents.
#![allow(dead_code, reason = "each test uses its part")]

use Vaults::*;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::copy::{BACKUP_ROLE, Family, Route, RoutePolicies, VaultKind};
use guardian_core::policy::Document;
use serde_json::{Value, json};

pub(crate) const SOURCE: &str = "111111111111";
pub(crate) const BACKUP: &str = "222222222222";
pub(crate) const ORGANIZATION: &str = "o-exampleorgid";

pub(crate) fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

/// Resource types of AWS Backup, a recovery point of each, and the family whose rules hold.
pub(crate) const TYPES: &[(&str, &str, Family)] = &[
    ("EBS", "arn:aws:ec2:eu-central-1::snapshot/snap-1", Family::Ebs),
    ("EC2", "arn:aws:ec2:eu-central-1::image/ami-1", Family::Ebs),
    ("Storage Gateway", "arn:aws:ec2:eu-central-1::snapshot/snap-2", Family::Ebs),
    ("RDS", "arn:aws:rds:eu-central-1:111111111111:snapshot:awsbackup:job-1", Family::Rds),
    ("Aurora", "arn:aws:rds:eu-central-1:111111111111:cluster-snapshot:awsbackup:job-1", Family::Rds),
    ("DocumentDB", "arn:aws:rds:eu-central-1:111111111111:cluster-snapshot:awsbackup:job-2", Family::Rds),
    ("Neptune", "arn:aws:rds:eu-central-1:111111111111:cluster-snapshot:awsbackup:job-3", Family::Rds),
    ("FSx", "arn:aws:fsx:eu-central-1:111111111111:backup/backup-1", Family::Fsx),
    ("EFS", "arn:aws:backup:eu-central-1:111111111111:recovery-point:1", Family::Managed),
    ("S3", "arn:aws:backup:eu-central-1:111111111111:recovery-point:2", Family::Managed),
    ("DynamoDB", "arn:aws:backup:eu-central-1:111111111111:recovery-point:3", Family::Managed),
    ("Timestream", "arn:aws:backup:eu-central-1:111111111111:recovery-point:4", Family::Managed),
    ("VirtualMachine", "arn:aws:backup:eu-central-1:111111111111:recovery-point:5", Family::Managed),
    ("SAP HANA on Amazon EC2", "arn:aws:backup:eu-central-1:111111111111:recovery-point:6", Family::Managed),
    ("Aurora DSQL", "arn:aws:backup:eu-central-1:111111111111:recovery-point:7", Family::Managed),
    ("EKS", "arn:aws:backup:eu-central-1:111111111111:recovery-point:8", Family::Managed),
    ("CloudFormation", "arn:aws:backup:eu-central-1:111111111111:recovery-point:9", Family::Managed),
];

/// The kinds of the two vaults, and whether the air-gapped one is under a customer managed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vaults {
    Standard,
    IntoAirGapped,
    IntoAirGappedOwned,
    OutOfAirGapped,
    OutOfAirGappedOwned,
    BetweenAirGapped,
}

pub(crate) const VAULTS: &[Vaults] = &[Standard, IntoAirGapped, IntoAirGappedOwned, OutOfAirGapped, OutOfAirGappedOwned, BetweenAirGapped];

pub(crate) fn route(kind: &str, across: bool, other_region: bool, vaults: Vaults) -> Route {
    let (_, point, family) = TYPES.iter().find(|(name, ..)| *name == kind).unwrap();
    let account = if across { BACKUP } else { SOURCE };
    let region = if other_region { "eu-west-1" } else { "eu-central-1" };
    let from_air_gapped = matches!(vaults, OutOfAirGapped | OutOfAirGappedOwned | BetweenAirGapped);
    let into_air_gapped = matches!(vaults, IntoAirGapped | IntoAirGappedOwned | BetweenAirGapped);
    let kind_of = |air_gapped| if air_gapped { VaultKind::AirGapped } else { VaultKind::Standard };
    // Everything in an air-gapped vault is a recovery point of AWS Backup, whatever it was before.
    let point = if from_air_gapped { "arn:aws:backup:eu-central-1:111111111111:recovery-point:0" } else { point };
    Route {
        source_account: AccountId::parse(SOURCE).unwrap(),
        source_region: Region::parse("eu-central-1").unwrap(),
        source_vault_arn: arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:local"),
        destination_vault_arn: arn(&format!("arn:aws:backup:{region}:{account}:backup-vault:central")),
        destination_account: AccountId::parse(account).unwrap(),
        destination_region: Region::parse(region).unwrap(),
        resource_type: kind.to_owned(),
        fully_managed: *family == Family::Managed || from_air_gapped,
        recovery_point_arn: arn(point),
        source_key_arn: (vaults != OutOfAirGappedOwned)
            .then(|| arn("arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000001")),
        source_key_aws_managed: false,
        source_vault_kind: kind_of(from_air_gapped),
        source_vault_key_arn: Some(arn("arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000003")),
        destination_key_arn: (vaults != IntoAirGappedOwned)
            .then(|| arn(&format!("arn:aws:kms:{region}:{account}:key/00000000-0000-0000-0000-000000000002"))),
        destination_key_aws_managed: false,
        destination_vault_kind: kind_of(into_air_gapped),
        job_role_arn: arn("arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole"),
        organization_id: Some(ORGANIZATION.to_owned()),
    }
}

pub(crate) fn document(statements: &[Value]) -> Document {
    Document::read(&json!({"Version": "2012-10-17", "Statement": statements}))
}

pub(crate) fn allow(principals: &[&str], actions: &[&str]) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": principals}, "Action": actions, "Resource": "*"})
}

/// The policies of an organization that follows the documents.
pub(crate) fn documented(route: &Route) -> RoutePolicies {
    let root = |account: &AccountId| format!("arn:aws:iam::{account}:root");
    let others = [root(&route.source_account), root(&route.destination_account)];
    let key = |owner: &AccountId| {
        let others = others.iter().map(String::as_str).collect::<Vec<_>>();
        let mut grants = allow(&others, &["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]);
        grants["Condition"] = json!({"Bool": {"kms:GrantIsForAWSResource": "true"}});
        document(&[
            allow(&[&root(owner)], &["kms:*"]),
            allow(&others, &["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]),
            grants,
        ])
    };
    let vault = json!({"Effect": "Allow", "Principal": "*", "Action": "backup:CopyIntoBackupVault", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": [ORGANIZATION]}}});
    RoutePolicies {
        job_role: Some(vec![Document::read(&BACKUP_ROLE.document())]),
        job_role_boundary: Some(None),
        source_scps: Some(Vec::new()),
        source_vault: Some(None),
        destination_vault: Some(Some(document(&[vault]))),
        source_key: Some(key(&route.source_account)),
        source_key_grants: Some(Vec::new()),
        destination_key: Some(key(&route.destination_account)),
        destination_key_grants: Some(Vec::new()),
        source_key_rcps: Some(Vec::new()),
        destination_key_rcps: Some(Vec::new()),
    }
}
