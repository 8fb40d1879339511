//! Lists of jobs: of the organization, where the management account or a delegated administrator may see them, or of one account through its
//! reader role.
//!
//! That `*` stands for every account is documented for backup jobs only (API page of `ListBackupJobs`); whoever asks must look at whose jobs came.

use aws_sdk_backup::types::{BackupJobState, CopyJobState, RestoreJobStatus, ScanState};
use aws_smithy_types::DateTime;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::event::{Job, JobId, JobState, JobType, PlanRef};
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::ports::{CopyLists, JobLists, JobPage, RestoreLists, Slice, Whose};

use crate::classify::reason_of;
use crate::convert::{arn, date_time, gap, text, timestamp};
use crate::session::Cloud;

/// Most jobs of a page.
const PAGE: i32 = 1000;
/// Every account of the organization.
const EVERY: &str = "*";

/// The bounds of a slice, by the parameters of the API.
#[derive(Default)]
struct Bounds {
    created_after: Option<DateTime>,
    ended_after: Option<DateTime>,
    failed: bool,
}

impl Bounds {
    fn of(slice: Slice) -> Self {
        match slice {
            Slice::CreatedSince(since) => Self { created_after: Some(date_time(since)), ..Self::default() },
            Slice::EndedSince(since) => Self { ended_after: Some(date_time(since)), ..Self::default() },
            Slice::FailedOf(since) => Self { created_after: Some(date_time(since)), failed: true, ..Self::default() },
        }
    }
}

/// The owner of a job: named by the list of an organization, known where one account was asked.
fn owner(asked: &Whose, named: Option<&str>) -> Option<AccountId> {
    match asked {
        Whose::Account(account) => Some(account.clone()),
        Whose::Organization => named.and_then(|named| AccountId::parse(named).ok()),
    }
}

fn plan(created_by: Option<&aws_sdk_backup::types::RecoveryPointCreator>) -> Option<PlanRef> {
    let creator = created_by?;
    let plan = PlanRef {
        plan_id: text(creator.backup_plan_id()),
        plan_arn: arn(creator.backup_plan_arn()),
        rule_id: text(creator.backup_rule_id()),
        rule_name: text(creator.backup_rule_name()),
    };
    Some(plan).filter(|plan| plan != &PlanRef::default())
}

fn begun(account: AccountId, region: &Region, job_type: JobType, id: Option<&str>, state: Option<&str>) -> Job {
    let mut job = Job::new(account, region.clone(), job_type);
    job.job_id = text(id).map(JobId::from);
    job.state = state.map_or(JobState::Other(String::new()), |state| JobState::from(state.to_owned()));
    job
}

fn size(bytes: Option<i64>) -> Option<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok())
}

fn backup_job(asked: &Whose, region: &Region, listed: &aws_sdk_backup::types::BackupJob) -> Option<Job> {
    let state = listed.state().map(|state| state.as_str());
    let mut job = begun(owner(asked, listed.account_id())?, region, JobType::Backup, listed.backup_job_id(), state);
    job.created_at = timestamp(listed.creation_date());
    job.completed_at = timestamp(listed.completion_date());
    job.role_arn = arn(listed.iam_role_arn());
    job.resource_arn = arn(listed.resource_arn());
    job.resource_type = text(listed.resource_type());
    job.recovery_point_arn = arn(listed.recovery_point_arn());
    job.vault_arn = arn(listed.backup_vault_arn());
    job.status_message = text(listed.status_message());
    job.size_bytes = size(listed.backup_size_in_bytes());
    job.plan = plan(listed.created_by());
    job.parent_job_id = text(listed.parent_job_id()).map(JobId::from);
    job.start_by = timestamp(listed.start_by());
    Some(job)
}

fn copy_job(asked: &Whose, region: &Region, listed: &aws_sdk_backup::types::CopyJob) -> Option<Job> {
    let state = listed.state().map(|state| state.as_str());
    let mut job = begun(owner(asked, listed.account_id())?, region, JobType::Copy, listed.copy_job_id(), state);
    job.created_at = timestamp(listed.creation_date());
    job.completed_at = timestamp(listed.completion_date());
    job.role_arn = arn(listed.iam_role_arn());
    job.resource_arn = arn(listed.resource_arn());
    job.resource_type = text(listed.resource_type());
    job.recovery_point_arn = arn(listed.source_recovery_point_arn());
    job.vault_arn = arn(listed.source_backup_vault_arn());
    job.destination_vault_arn = arn(listed.destination_backup_vault_arn());
    job.destination_recovery_point_arn = arn(listed.destination_recovery_point_arn());
    job.status_message = text(listed.status_message());
    job.size_bytes = size(listed.backup_size_in_bytes());
    job.plan = plan(listed.created_by());
    job.parent_job_id = text(listed.parent_job_id()).map(JobId::from);
    Some(job)
}

fn restore_job(asked: &Whose, region: &Region, listed: &aws_sdk_backup::types::RestoreJobsListMember) -> Option<Job> {
    let state = listed.status().map(|state| state.as_str());
    let mut job = begun(owner(asked, listed.account_id())?, region, JobType::Restore, listed.restore_job_id(), state);
    job.created_at = timestamp(listed.creation_date());
    job.completed_at = timestamp(listed.completion_date());
    job.role_arn = arn(listed.iam_role_arn());
    job.resource_arn = arn(listed.source_resource_arn());
    job.resource_type = text(listed.resource_type());
    job.recovery_point_arn = arn(listed.recovery_point_arn());
    job.vault_arn = arn(listed.backup_vault_arn());
    job.status_message = text(listed.status_message());
    job.size_bytes = size(listed.backup_size_in_bytes());
    job.parent_job_id = text(listed.parent_job_id()).map(JobId::from);
    Some(job)
}

fn scan_job(asked: &Whose, region: &Region, listed: &aws_sdk_backup::types::ScanJob) -> Option<Job> {
    let state = listed.state().map(|state| state.as_str());
    let mut job = begun(owner(asked, Some(listed.account_id()))?, region, JobType::Scan, Some(listed.scan_job_id()), state);
    job.created_at = timestamp(Some(listed.creation_date()));
    job.completed_at = timestamp(listed.completion_date());
    job.role_arn = arn(Some(listed.iam_role_arn()));
    job.resource_arn = arn(Some(listed.resource_arn()));
    job.resource_type = text(Some(listed.resource_type().as_str()));
    job.recovery_point_arn = arn(Some(listed.recovery_point_arn()));
    job.vault_arn = arn(Some(listed.backup_vault_arn()));
    job.status_message = text(listed.status_message());
    job.scan_result = listed.scan_result().map(|result| result.scan_result_status().as_str().to_owned());
    Some(job)
}

/// Sends a list request; a failure is a gap of the account that was asked.
macro_rules! page {
    ($request:expr, $jobs:ident, $read:expr, $action:expr, $asked_in:expr, $region:expr) => {
        match $request.max_results(PAGE).send().await {
            Ok(answer) => Ok(Some(JobPage { jobs: answer.$jobs().iter().filter_map($read).collect(), next: text(answer.next_token()) })),
            Err(error) => {
                let (reason, detail) = reason_of(&error);
                Err(gap($action, $asked_in, $region, reason, detail))
            }
        }
    };
}

impl Cloud {
    /// A client of AWS Backup in the account that is to be asked, and that account; `None` where nobody named a role of the organization.
    async fn lists_of(&self, whose: &Whose, region: &Region) -> Result<Option<(aws_sdk_backup::Client, AccountId)>, Gap> {
        if let Whose::Account(account) = whose {
            return Ok(Some((self.clients(account, region).await?.backup, account.clone())));
        }
        let asked_in = self.organization_role().and_then(|role| role.account());
        let (Some(config), Some(asked_in)) = (self.organization_config().await, asked_in) else { return Ok(None) };
        let config = config?.to_builder().region(aws_config::Region::new(region.as_str().to_owned())).build();
        Ok(Some((aws_sdk_backup::Client::new(&config), asked_in)))
    }
}

impl JobLists for Cloud {
    fn organization_account(&self) -> Option<AccountId> {
        self.organization_role().and_then(|role| role.account())
    }

    async fn accounts(&self) -> Result<Vec<AccountId>, Gap> {
        match self.organization_role().and_then(|role| role.account()) {
            Some(asked_in) => self.active_accounts(&asked_in).await,
            None => Ok(Vec::new()),
        }
    }

    async fn jobs(
        &self,
        whose: &Whose,
        region: &Region,
        job_type: JobType,
        slice: Slice,
        token: Option<String>,
    ) -> Result<Option<JobPage>, Gap> {
        let action = match job_type {
            JobType::Backup => "backup:ListBackupJobs",
            JobType::Copy => "backup:ListCopyJobs",
            JobType::Restore => "backup:ListRestoreJobs",
            JobType::Scan => "backup:ListScanJobs",
        };
        // Scans cannot be listed by their creation.
        if job_type == JobType::Scan && matches!(slice, Slice::CreatedSince(_)) {
            return Ok(None);
        }
        let Some((client, asked_in)) = self.lists_of(whose, region).await? else { return Ok(None) };
        let account = matches!(whose, Whose::Organization).then(|| EVERY.to_owned());
        let Bounds { created_after, ended_after, failed } = Bounds::of(slice);
        let asked_for = token.clone();
        let page = match job_type {
            JobType::Backup => {
                let request = client.list_backup_jobs().set_by_account_id(account).set_next_token(token);
                let request = request.set_by_created_after(created_after).set_by_complete_after(ended_after);
                let request = request.set_by_state(failed.then_some(BackupJobState::Failed));
                page!(request, backup_jobs, |listed| backup_job(whose, region, listed), action, &asked_in, region)
            }
            JobType::Copy => {
                let request = client.list_copy_jobs().set_by_account_id(account).set_next_token(token);
                let request = request.set_by_created_after(created_after).set_by_complete_after(ended_after);
                let request = request.set_by_state(failed.then_some(CopyJobState::Failed));
                page!(request, copy_jobs, |listed| copy_job(whose, region, listed), action, &asked_in, region)
            }
            JobType::Restore => {
                let request = client.list_restore_jobs().set_by_account_id(account).set_next_token(token);
                let request = request.set_by_created_after(created_after).set_by_complete_after(ended_after);
                let request = request.set_by_status(failed.then_some(RestoreJobStatus::Failed));
                page!(request, restore_jobs, |listed| restore_job(whose, region, listed), action, &asked_in, region)
            }
            JobType::Scan => {
                let request = client.list_scan_jobs().set_by_account_id(account).set_next_token(token);
                let request = request.set_by_complete_after(ended_after).set_by_state(failed.then_some(ScanState::Failed));
                page!(request, scan_jobs, |listed| scan_job(whose, region, listed), action, &asked_in, region)
            }
        };
        match page {
            // It would be followed for ever.
            Ok(Some(page)) if page.next.is_some() && page.next == asked_for => {
                Err(gap(action, &asked_in, region, GapReason::Unreadable, "the same page token twice".to_owned()))
            }
            page => page,
        }
    }
}

impl CopyLists for Cloud {
    async fn copies(&self, account: &AccountId, region: &Region, point: &Arn, destination: &Arn) -> Result<Vec<Job>, Gap> {
        let whose = Whose::Account(account.clone());
        let client = self.clients(account, region).await?.backup;
        let request = client.list_copy_jobs().by_source_recovery_point_arn(point.as_str()).max_results(PAGE);
        let mut pages = request.by_destination_vault_arn(destination.as_str()).into_paginator().send();
        let mut copies = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                let (reason, detail) = reason_of(&error);
                gap("backup:ListCopyJobs", account, region, reason, detail)
            })?;
            copies.extend(page.copy_jobs().iter().filter_map(|listed| copy_job(&whose, region, listed)));
        }
        Ok(copies)
    }
}

impl RestoreLists for Cloud {
    async fn restores(&self, account: &AccountId, region: &Region, point: &Arn) -> Result<Vec<Job>, Gap> {
        let whose = Whose::Account(account.clone());
        let client = self.clients(account, region).await?.backup;
        // AWS cannot list them by recovery point, and restores are few.
        let mut pages = client.list_restore_jobs().max_results(PAGE).into_paginator().send();
        let mut restores = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                let (reason, detail) = reason_of(&error);
                gap("backup:ListRestoreJobs", account, region, reason, detail)
            })?;
            let listed = page.restore_jobs().iter().filter_map(|listed| restore_job(&whose, region, listed));
            restores.extend(listed.filter(|job| job.recovery_point_arn.as_ref() == Some(point)));
        }
        Ok(restores)
    }
}
