//! AWS managed policies that decide copies, pinned: name, version, date, and the part that matters here.
//!
//! Only the statements on AWS KMS and AWS Backup are kept; the rest never decides whether a key or a vault may be used.
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>

use serde_json::{Value, json};

/// A pinned AWS managed policy.
#[derive(Clone, Copy, Debug)]
pub struct ManagedPolicy {
    /// Its name.
    pub name: &'static str,
    /// Default version when it was pinned.
    pub version: &'static str,
    /// Date of that version.
    pub date: &'static str,
    document: fn() -> Value,
}

impl ManagedPolicy {
    /// The part of the document that matters for keys and vaults.
    pub fn document(&self) -> Value {
        (self.document)()
    }
}

/// The fixed policy of AWSServiceRoleForBackup. It lacks Decrypt, Encrypt and ReEncryptTo: the copy works through the grant that the
/// storage service receives, which is why a key policy without `kms:CreateGrant` breaks it.
pub const BACKUP_SERVICE_LINKED_ROLE: ManagedPolicy = ManagedPolicy {
    name: "AWSBackupServiceLinkedRolePolicyForBackup",
    version: "v31",
    date: "2026-02-12",
    document: || {
        let through = json!(["ec2.*.amazonaws.com", "rds.*.amazonaws.com", "fsx.*.amazonaws.com"]);
        json!({
            "Version": "2012-10-17",
            "Statement": [
                {"Sid": "DescribeKey", "Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"},
                {
                    "Sid": "UseKey",
                    "Effect": "Allow",
                    "Action": ["kms:ListGrants", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"],
                    "Resource": "*",
                    "Condition": {"StringLike": {"kms:ViaService": through}}
                },
                {
                    "Sid": "CreateGrant",
                    "Effect": "Allow",
                    "Action": "kms:CreateGrant",
                    "Resource": "*",
                    "Condition": {"StringLike": {"kms:ViaService": through}, "Bool": {"kms:GrantIsForAWSResource": "true"}}
                }
            ]
        })
    },
};
