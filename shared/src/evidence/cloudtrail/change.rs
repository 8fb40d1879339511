//! From a record to the write it is: what may have broken a route, and who did it.

use super::Record;
use super::key::key_arn;
use crate::arn::Arn;
use crate::evidence::Change;

/// Writes that can break or mend a copy, by source. Grants that services create and retire for their own work are none.
const WRITES: [(&str, &[&str]); 4] = [
    (
        "kms.amazonaws.com",
        &[
            "CancelKeyDeletion",
            "CreateAlias",
            "DeleteAlias",
            "DeleteImportedKeyMaterial",
            "DisableKey",
            "EnableKey",
            "PutKeyPolicy",
            "ReplicateKey",
            "RetireGrant",
            "RevokeGrant",
            "ScheduleKeyDeletion",
            "UpdateAlias",
            "UpdatePrimaryRegion",
        ],
    ),
    (
        "backup.amazonaws.com",
        &[
            "CreateBackupVault",
            "DeleteBackupPlan",
            "DeleteBackupSelection",
            "DeleteBackupVault",
            "DeleteBackupVaultAccessPolicy",
            "DeleteBackupVaultLockConfiguration",
            "DeleteRecoveryPoint",
            "DisassociateRecoveryPoint",
            "PutBackupVaultAccessPolicy",
            "PutBackupVaultLockConfiguration",
            "UpdateBackupPlan",
            "UpdateGlobalSettings",
            "UpdateRecoveryPointLifecycle",
            "UpdateRegionSettings",
        ],
    ),
    (
        "iam.amazonaws.com",
        &[
            "AttachRolePolicy",
            "CreatePolicyVersion",
            "DeletePolicyVersion",
            "DeleteRole",
            "DeleteRolePermissionsBoundary",
            "DeleteRolePolicy",
            "DeleteServiceLinkedRole",
            "DetachRolePolicy",
            "PutRolePermissionsBoundary",
            "PutRolePolicy",
            "SetDefaultPolicyVersion",
            "UpdateAssumeRolePolicy",
        ],
    ),
    (
        "organizations.amazonaws.com",
        &[
            "AttachPolicy",
            "CreatePolicy",
            "DeletePolicy",
            "DetachPolicy",
            "DisableAWSServiceAccess",
            "DisablePolicyType",
            "EnablePolicyType",
            "LeaveOrganization",
            "MoveAccount",
            "RemoveAccountFromOrganization",
            "UpdatePolicy",
        ],
    ),
];

/// The write, if the record is one that succeeded.
pub(super) fn of(record: &Record) -> Option<Change> {
    if record.error_code.is_some() || record.read_only == Some(true) {
        return None;
    }
    let (source, names) = WRITES.iter().find(|(source, _)| *source == record.event_source)?;
    if !names.contains(&record.event_name.as_str()) {
        return None;
    }
    let by_a_service = record.identity.invoked_by.is_some();
    if record.event_name == "RetireGrant" && by_a_service {
        return None;
    }
    let resource_arn = match *source {
        "kms.amazonaws.com" => record
            .parameter(&["keyId", "keyID", "targetKeyId"])
            .and_then(|text| key_arn(record, text))
            .or_else(|| record.resources.iter().find(|arn| arn.is_kms_key()).cloned()),
        "backup.amazonaws.com" => backup_object(record),
        // A role is named without its path, so its ARN is not known from here.
        _ => record
            .parameter(&["policyArn", "policyId"])
            .and_then(|text| Arn::parse(text).ok())
            .or_else(|| record.resources.first().cloned()),
    };
    Some(Change {
        action: format!("{}:{}", source.trim_end_matches(".amazonaws.com"), record.event_name),
        actor: record.identity.name().unwrap_or("unknown").to_owned(),
        event_id: record.event_id.clone(),
        at: record.event_time,
        account_id: record.recorded_in.clone(),
        resource_arn,
        source_ip: record.source_ip.clone(),
    })
}

/// The recovery point, vault or plan of a call to AWS Backup.
fn backup_object(record: &Record) -> Option<Arn> {
    if let Some(named) = record.parameter(&["recoveryPointArn", "backupVaultArn"]).and_then(|text| Arn::parse(text).ok()) {
        return Some(named);
    }
    let made = |kind: &str, name: &str| {
        Arn::parse(&format!("arn:{}:backup:{}:{}:{kind}:{name}", record.partition(), record.region, record.recorded_in)).ok()
    };
    record
        .parameter(&["backupVaultName"])
        .and_then(|name| made("backup-vault", name))
        .or_else(|| record.parameter(&["backupPlanId"]).and_then(|id| made("backup-plan", id)))
        .or_else(|| record.resources.first().cloned())
}
