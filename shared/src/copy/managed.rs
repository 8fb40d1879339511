//! AWS managed policies that decide copies, pinned: name, version, date, and the part that matters here.
//!
//! Only the statements on keys, vaults and the sharing and copying of snapshots are kept; the rest never decides whether a copy works. Versions as of August 2026:
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>.

use serde_json::{Value, json};

/// A pinned AWS managed policy.
#[derive(Clone, Copy, Debug)]
pub struct ManagedPolicy {
    /// Its name.
    pub name: &'static str,
    /// Default version when it was pinned.
    pub version: &'static str,
    /// Date of that version, as exactly as it is known.
    pub date: &'static str,
    document: fn() -> Value,
}

impl ManagedPolicy {
    /// The part of the document that matters for copies.
    pub fn document(&self) -> Value {
        (self.document)()
    }
}

/// Every pinned policy.
pub const MANAGED_POLICIES: &[&ManagedPolicy] =
    &[&BACKUP_SERVICE_LINKED_ROLE, &BACKUP_ROLE, &S3_BACKUP_ROLE, &RESTORE_ROLE, &BACKUP_FULL_ACCESS];

/// A pinned policy by its name or ARN.
pub fn managed_policy(name: &str) -> Option<&'static ManagedPolicy> {
    let name = match name.strip_prefix("arn:") {
        // A customer's policy of the same name has an account in its ARN.
        Some(arn) if arn.contains(":iam::aws:policy/") => name.rsplit('/').next()?,
        Some(_) => return None,
        None => name,
    };
    MANAGED_POLICIES.iter().copied().find(|policy| policy.name == name)
}

fn allow(sid: &str, actions: &[&str], condition: Option<Value>) -> Value {
    let mut statement = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*"});
    if let (Some(condition), Some(object)) = (condition, statement.as_object_mut()) {
        object.insert("Condition".to_owned(), condition);
    }
    statement
}

fn on(resource: &str, mut statement: Value) -> Value {
    if let Some(object) = statement.as_object_mut() {
        object.insert("Resource".to_owned(), resource.into());
    }
    statement
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn via(services: &[&str]) -> Value {
    let services = services.iter().map(|service| format!("{service}.*.amazonaws.com")).collect::<Vec<_>>();
    json!({"StringLike": {"kms:ViaService": services}})
}

fn for_aws_resource() -> Value {
    json!({"Bool": {"kms:GrantIsForAWSResource": "true"}})
}

/// The fixed policy of AWSServiceRoleForBackup. It lacks Decrypt, Encrypt and ReEncryptTo: the copy works through the grant that the
/// storage service receives, which is why a key policy without `kms:CreateGrant` breaks it.
pub const BACKUP_SERVICE_LINKED_ROLE: ManagedPolicy = ManagedPolicy {
    name: "AWSBackupServiceLinkedRolePolicyForBackup",
    version: "v31",
    date: "2026-02-12",
    document: || {
        let storage = ["ec2", "rds", "fsx"];
        let mut grant = via(&storage);
        if let Some(condition) = grant.as_object_mut() {
            condition.insert("Bool".to_owned(), json!({"kms:GrantIsForAWSResource": "true"}));
        }
        document(vec![
            allow("KMSDescribePermissions", &["kms:DescribeKey"], None),
            allow(
                "KMSGrantPermissions",
                &["kms:ListGrants", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"],
                Some(via(&storage)),
            ),
            allow("KMSCreateGrantPermissions", &["kms:CreateGrant"], Some(grant)),
        ])
    },
};

/// What the default job role has for backups and copies.
pub const BACKUP_ROLE: ManagedPolicy = ManagedPolicy {
    name: "AWSBackupServiceRolePolicyForBackup",
    version: "v30",
    date: "2026-02-23",
    document: || {
        let with_context = |service: &str, key: &str| {
            let mut condition = via(&[service]);
            if let Some(condition) = condition.as_object_mut() {
                condition.insert("ForAnyValue:StringEquals".to_owned(), json!({"kms:EncryptionContextKeys": [key]}));
            }
            Some(condition)
        };
        let tagged = json!({"Null": {"aws:ResourceTag/aws:backup:source-resource": "false"}});
        document(vec![
            on("arn:aws:backup:*:*:backup-vault:*", allow("Vaults", &["backup:DescribeBackupVault", "backup:CopyIntoBackupVault"], None)),
            allow("RecoveryPoints", &["backup:CopyFromBackupVault"], None),
            on("arn:aws:ec2:*::snapshot/*", allow("CopySnapshot", &["ec2:CopySnapshot"], None)),
            allow("CopyImage", &["ec2:CopyImage"], None),
            allow("CopyDatabaseSnapshots", &["rds:CopyDBSnapshot", "rds:CopyDBClusterSnapshot"], None),
            on("arn:aws:fsx:*:*:backup/*", allow("CopyBackup", &["fsx:CopyBackup"], None)),
            allow("Share", &["ec2:ModifySnapshotAttribute", "ec2:ModifyImageAttribute"], Some(tagged)),
            on("arn:aws:rds:*:*:snapshot:awsbackup:*", allow("ShareDatabaseSnapshot", &["rds:ModifyDBSnapshotAttribute"], None)),
            on(
                "arn:aws:rds:*:*:cluster-snapshot:awsbackup:*",
                allow("ShareClusterSnapshot", &["rds:ModifyDBClusterSnapshotAttribute"], None),
            ),
            allow("DescribeKey", &["kms:DescribeKey"], None),
            allow("CreateGrant", &["kms:CreateGrant"], Some(for_aws_resource())),
            allow("DynamoDb", &["kms:Decrypt", "kms:GenerateDataKey"], Some(via(&["dynamodb"]))),
            allow(
                "Ebs",
                &["kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptTo", "kms:ReEncryptFrom"],
                with_context("ec2", "aws:ebs:id"),
            ),
            allow("Dsql", &["kms:Decrypt"], with_context("dsql", "aws:dsql:ClusterId")),
        ])
    },
};

/// What a job role needs besides to back up S3; not part of the default role.
pub const S3_BACKUP_ROLE: ManagedPolicy = ManagedPolicy {
    name: "AWSBackupServiceRolePolicyForS3Backup",
    version: "v4",
    date: "2024",
    document: || document(vec![allow("S3", &["kms:Decrypt", "kms:DescribeKey"], Some(via(&["s3"])))]),
};

/// What the default job role has for restores.
pub const RESTORE_ROLE: ManagedPolicy = ManagedPolicy {
    name: "AWSBackupServiceRolePolicyForRestores",
    version: "v35",
    date: "2026-02-12",
    document: || {
        let actions = [
            "kms:Decrypt",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptTo",
            "kms:ReEncryptFrom",
        ];
        let services = ["dynamodb", "ec2", "elasticfilesystem", "rds", "redshift", "redshift-serverless", "dsql"];
        document(vec![
            allow("DescribeKey", &["kms:DescribeKey"], None),
            allow("UseKey", &actions, Some(via(&services))),
            allow("CreateGrant", &["kms:CreateGrant"], Some(for_aws_resource())),
        ])
    },
};

/// What an administrator of AWS Backup has of keys.
pub const BACKUP_FULL_ACCESS: ManagedPolicy = ManagedPolicy {
    name: "AWSBackupFullAccess",
    version: "v30",
    date: "2026-02-12",
    document: || {
        let mut grant = via(&["backup"]);
        if let Some(condition) = grant.as_object_mut() {
            condition.insert("Bool".to_owned(), json!({"kms:GrantIsForAWSResource": "true"}));
            condition.insert("ForAnyValue:StringEquals".to_owned(), json!({"kms:EncryptionContextKeys": "aws:backup:backup-vault"}));
        }
        document(vec![
            allow("Keys", &["kms:ListKeys", "kms:DescribeKey", "kms:GenerateDataKey", "kms:ListAliases"], None),
            allow("CreateGrant", &["kms:CreateGrant"], Some(grant)),
        ])
    },
};
