//! Answers of the AWS APIs, by their member names, as the core's types.

use guardian_core::arn::Arn;
use guardian_core::event::{JobId, JobState, JobType};
use guardian_core::evidence::cloudtrail::Record;
use guardian_core::evidence::{JobDescription, Key, KeyManager, RecoveryPoint, Vault};
use jiff::Timestamp;
use serde_json::Value;

pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn arn(value: &Value, name: &str) -> Option<Arn> {
    value.get(name).and_then(Value::as_str).and_then(|text| Arn::parse(text).ok())
}

/// A time as AWS writes it: seconds since 1970, or RFC 3339.
pub fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => seconds(number.as_f64()?),
        _ => None,
    }
}

/// Seconds since 1970, to the millisecond.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds of any date fit an `i64`")]
pub(super) fn seconds(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

pub(super) fn time_of(value: &Value, name: &str) -> Option<Timestamp> {
    value.get(name).and_then(time)
}

/// The code of a recorded error: `{code}` or `{Code}`, or a bare text.
pub fn error_code(error: &Value) -> String {
    let code = error.as_str().or_else(|| ["code", "Code", "__type"].iter().find_map(|name| error.get(name)).and_then(Value::as_str));
    code.unwrap_or("UnknownError").to_owned()
}

/// A policy document, as JSON or as the text of JSON.
pub(super) fn document(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Object(_) => Some(value.clone()),
        _ => None,
    }
}

/// The operation that describes a job, and the member that names it.
pub(super) fn describe_operation(job_type: JobType) -> (&'static str, &'static str) {
    match job_type {
        JobType::Backup => ("DescribeBackupJob", "BackupJobId"),
        JobType::Copy => ("DescribeCopyJob", "CopyJobId"),
        JobType::Restore => ("DescribeRestoreJob", "RestoreJobId"),
        JobType::Scan => ("DescribeScanJob", "ScanJobId"),
    }
}

pub(super) fn job(job_type: JobType, response: &Value) -> JobDescription {
    let job = response.get("CopyJob").filter(|_| job_type == JobType::Copy).unwrap_or(response);
    let copy = job_type == JobType::Copy;
    let lifecycle = job.get("DestinationRecoveryPointLifecycle").or_else(|| job.get("RecoveryPointLifecycle"));
    JobDescription {
        state: text(job, "State").or_else(|| text(job, "Status")).map(JobState::from),
        status_message: text(job, "StatusMessage"),
        message_category: text(job, "MessageCategory"),
        role_arn: arn(job, "IamRoleArn"),
        resource_arn: arn(job, "ResourceArn").or_else(|| arn(job, "SourceResourceArn")),
        resource_type: text(job, "ResourceType"),
        resource_name: text(job, "ResourceName"),
        recovery_point_arn: arn(job, if copy { "SourceRecoveryPointArn" } else { "RecoveryPointArn" }),
        vault_arn: arn(job, if copy { "SourceBackupVaultArn" } else { "BackupVaultArn" }),
        destination_vault_arn: arn(job, "DestinationBackupVaultArn"),
        destination_recovery_point_arn: arn(job, "DestinationRecoveryPointArn"),
        destination_vault_type: text(job, "DestinationVaultType"),
        created_at: time_of(job, "CreationDate"),
        completed_at: time_of(job, "CompletionDate"),
        parent_job_id: text(job, "ParentJobId").map(JobId::from),
        is_parent: job.get("IsParent").and_then(Value::as_bool),
        number_of_child_jobs: job.get("NumberOfChildJobs").and_then(Value::as_i64),
        delete_after_days: lifecycle.and_then(|lifecycle| lifecycle.get("DeleteAfterDays")).and_then(Value::as_i64),
        created_resource_arn: arn(job, "CreatedResourceArn"),
    }
}

pub(super) fn recovery_point(point: &Arn, response: &Value) -> RecoveryPoint {
    RecoveryPoint {
        arn: arn(response, "RecoveryPointArn").unwrap_or_else(|| point.clone()),
        status: text(response, "Status"),
        status_message: text(response, "StatusMessage"),
        is_encrypted: response.get("IsEncrypted").and_then(Value::as_bool),
        encryption_key_arn: arn(response, "EncryptionKeyArn"),
        resource_arn: arn(response, "ResourceArn"),
        resource_type: text(response, "ResourceType"),
        resource_name: text(response, "ResourceName"),
        vault_type: text(response, "VaultType"),
        delete_at: response.get("CalculatedLifecycle").and_then(|lifecycle| time_of(lifecycle, "DeleteAt")),
        storage_class: text(response, "StorageClass"),
    }
}

pub(super) fn vault(vault: &Arn, response: &Value) -> Vault {
    Vault {
        arn: arn(response, "BackupVaultArn").unwrap_or_else(|| vault.clone()),
        vault_type: text(response, "VaultType"),
        state: text(response, "VaultState"),
        encryption_key_arn: arn(response, "EncryptionKeyArn"),
        locked: response.get("Locked").and_then(Value::as_bool),
        min_retention_days: response.get("MinRetentionDays").and_then(Value::as_i64),
        max_retention_days: response.get("MaxRetentionDays").and_then(Value::as_i64),
        lock_date: time_of(response, "LockDate"),
        points: response.get("NumberOfRecoveryPoints").and_then(Value::as_i64),
    }
}

pub(super) fn key(key: &Arn, response: &Value) -> Option<Key> {
    let metadata = response.get("KeyMetadata")?;
    Some(Key {
        arn: arn(metadata, "Arn").unwrap_or_else(|| key.clone()),
        manager: match metadata.get("KeyManager").and_then(Value::as_str) {
            Some("AWS") => Some(KeyManager::Aws),
            Some("CUSTOMER") => Some(KeyManager::Customer),
            _ => None,
        },
        state: text(metadata, "KeyState"),
        deletion_at: time_of(metadata, "DeletionDate"),
    })
}

/// The CloudTrail records of an answer of `LookupEvents`.
pub fn records(response: &Value) -> impl Iterator<Item = Record> {
    let events = response.get("Events").and_then(Value::as_array);
    events.into_iter().flatten().filter_map(|event| {
        let record = event.get("CloudTrailEvent")?;
        let record = document(record)?;
        Record::parse(&record).ok()
    })
}
