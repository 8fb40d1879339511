//! Reads of AWS Backup.

use aws_sdk_backup::types::{BackupJobState, CopyJobState, RestoreJobStatus};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde_json::Value;

use super::capture::{raw, raw_pages};
use super::{Failure, Question, Turn, refused, region};
use crate::convert::date_time;
use crate::session::Cloud;

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    let backup = cloud.clients(&question.account, region(question)?).await?.backup;
    let parameter = |name: &str| question.parameter(name);
    let vault = || parameter("BackupVaultName");
    let plan = || parameter("BackupPlanId");
    match question.operation {
        "DescribeBackupJob" => raw!(backup.describe_backup_job().set_backup_job_id(parameter("BackupJobId"))),
        "DescribeCopyJob" => raw!(backup.describe_copy_job().set_copy_job_id(parameter("CopyJobId"))),
        "DescribeRestoreJob" => raw!(backup.describe_restore_job().set_restore_job_id(parameter("RestoreJobId"))),
        "DescribeScanJob" => raw!(backup.describe_scan_job().set_scan_job_id(parameter("ScanJobId"))),
        "DescribeGlobalSettings" => raw!(backup.describe_global_settings()),
        "DescribeBackupVault" => raw!(backup.describe_backup_vault().set_backup_vault_name(vault())),
        "GetBackupVaultAccessPolicy" => raw!(backup.get_backup_vault_access_policy().set_backup_vault_name(vault())),
        "DescribeRecoveryPoint" => {
            let request = backup.describe_recovery_point().set_backup_vault_name(vault());
            raw!(request.set_recovery_point_arn(parameter("RecoveryPointArn")))
        }
        "ListRecoveryPointsByBackupVault" => raw_pages!(turn, "RecoveryPoints", "NextToken", |next| {
            backup.list_recovery_points_by_backup_vault().set_backup_vault_name(vault()).max_results(1000).set_next_token(next)
        }),
        "ListBackupPlans" => {
            raw_pages!(turn, "BackupPlansList", "NextToken", |next| backup.list_backup_plans().max_results(1000).set_next_token(next))
        }
        "GetBackupPlan" => raw!(backup.get_backup_plan().set_backup_plan_id(plan())),
        "ListBackupSelections" => raw_pages!(turn, "BackupSelectionsList", "NextToken", |next| {
            backup.list_backup_selections().set_backup_plan_id(plan()).max_results(1000).set_next_token(next)
        }),
        "GetBackupSelection" => {
            raw!(backup.get_backup_selection().set_backup_plan_id(plan()).set_selection_id(parameter("SelectionId")))
        }
        "ListBackupVaults" => {
            raw_pages!(turn, "BackupVaultList", "NextToken", |next| backup.list_backup_vaults().max_results(1000).set_next_token(next))
        }
        "GetBackupVaultNotifications" => raw!(backup.get_backup_vault_notifications().set_backup_vault_name(vault())),
        "DescribeRegionSettings" => raw!(backup.describe_region_settings()),
        "ListRestoreTestingPlans" => raw_pages!(turn, "RestoreTestingPlans", "NextToken", |next| {
            backup.list_restore_testing_plans().max_results(1000).set_next_token(next)
        }),
        "ListRestoreJobs" => raw_pages!(turn, "RestoreJobs", "NextToken", |next| {
            let completed = parameter("ByStatus").as_deref().map(RestoreJobStatus::from);
            backup.list_restore_jobs().set_by_status(completed).max_results(1000).set_next_token(next)
        }),
        "ListBackupJobs" => raw_pages!(turn, "BackupJobs", "NextToken", |next| {
            let state = parameter("ByState").as_deref().map(BackupJobState::from);
            let request = backup.list_backup_jobs().set_by_state(state).set_by_complete_after(time(question, "ByCompleteAfter"));
            request.max_results(1000).set_next_token(next)
        }),
        "ListCopyJobs" => raw_pages!(turn, "CopyJobs", "NextToken", |next| {
            let state = parameter("ByState").as_deref().map(CopyJobState::from);
            let request = backup.list_copy_jobs().set_by_state(state).set_by_complete_after(time(question, "ByCompleteAfter"));
            request.max_results(1000).set_next_token(next)
        }),
        _ => Err(refused(question)),
    }
}

/// A parameter that is a time.
fn time(question: &Question, name: &str) -> Option<DateTime> {
    let at = question.parameter(name)?.parse::<Timestamp>().ok()?;
    Some(date_time(at))
}
