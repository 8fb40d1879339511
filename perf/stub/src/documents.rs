//! Policies of a real estate, as it is set up for copies into one backup account.

use serde_json::{Value, json};

use crate::estate::{BACKUP, ORGANIZATION};

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn root(account: &str) -> Value {
    json!({"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{account}:root")}, "Action": "kms:*", "Resource": "*"})
}

/// The policy of a key: its own account alone.
pub(crate) fn plain_key(account: &str) -> String {
    document(&[root(account)])
}

/// The policy of a key that copies need: of a source account it lets the backup account use it, of the backup account all of the organization.
pub(crate) fn key(account: &str) -> String {
    let (principal, condition) = if account == BACKUP {
        (json!({"AWS": "*"}), json!({"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}}))
    } else {
        (json!({"AWS": [format!("arn:aws:iam::{BACKUP}:root"), format!("arn:aws:iam::{account}:role/BackupRole")]}), json!({}))
    };
    let mut granting = condition.clone();
    if let Some(members) = granting.as_object_mut() {
        members.insert("Bool".to_owned(), json!({"kms:GrantIsForAWSResource": "true"}));
    }
    document(&[
        root(account),
        json!({"Sid": "UseForCopies", "Effect": "Allow", "Principal": principal, "Resource": "*", "Condition": condition,
               "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]}),
        json!({"Sid": "GrantForCopies", "Effect": "Allow", "Principal": principal, "Resource": "*", "Condition": granting,
               "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]}),
    ])
}

/// The policy of a vault: nobody deletes, the vault of the backup account takes copies of the organization, and the others take them back.
pub(crate) fn vault(account: &str) -> String {
    let deny = json!({"Sid": "NobodyDeletes", "Effect": "Deny", "Principal": "*", "Resource": "*",
                      "Action": ["backup:DeleteRecoveryPoint", "backup:DeleteBackupVault", "backup:UpdateRecoveryPointLifecycle",
                                 "backup:DeleteBackupVaultAccessPolicy", "backup:PutBackupVaultAccessPolicy"],
                      "Condition": {"ArnNotLike": {"aws:PrincipalArn": format!("arn:aws:iam::{account}:role/break-glass")}}});
    let (sid, principal, condition) = if account == BACKUP {
        ("TakeCopies", json!("*"), json!({"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}}))
    } else {
        ("TakeBack", json!({"AWS": format!("arn:aws:iam::{BACKUP}:root")}), json!({}))
    };
    let take = json!({"Sid": sid, "Effect": "Allow", "Principal": principal, "Resource": "*", "Action": "backup:CopyIntoBackupVault",
                      "Condition": condition});
    document(&[deny, take])
}

/// A service control policy, or a resource control policy, beside the one that allows everything.
pub(crate) fn bound() -> String {
    document(&[json!({"Sid": "KeepBackups", "Effect": "Deny", "Principal": "*", "Resource": "*",
                      "Action": ["backup:DeleteRecoveryPoint", "backup:DeleteBackupVault", "backup:DeleteBackupVaultLockConfiguration",
                                 "backup:UpdateRegionSettings", "kms:ScheduleKeyDeletion", "kms:DisableKey"],
                      "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/break-glass"}}})])
}

/// What allows everything, as AWS attaches it.
pub(crate) fn everything() -> String {
    document(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"})])
}

/// Who may be the role of backups.
pub(crate) fn trust(service: &str) -> String {
    document(&[json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})])
}

/// What the role of backups may do.
pub(crate) fn role(account: &str) -> String {
    document(&[
        json!({"Effect": "Allow", "Resource": "*",
               "Action": ["backup:DescribeBackupVault", "backup:CopyIntoBackupVault", "backup:CopyFromBackupVault", "tag:GetResources",
                          "ec2:CreateSnapshot", "ec2:CopySnapshot", "ec2:DescribeSnapshots", "ec2:DescribeVolumes", "ec2:CreateTags",
                          "ec2:ModifySnapshotAttribute", "ec2:DescribeTags"]}),
        json!({"Effect": "Allow", "Resource": "*", "Action": ["kms:DescribeKey", "kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"]}),
        json!({"Effect": "Allow", "Resource": format!("arn:aws:kms:*:{account}:key/*"), "Action": "kms:CreateGrant",
               "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}),
    ])
}
