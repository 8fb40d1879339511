//! AWS Backup, read in the account that owns the object.

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::drill::retest::Held;
use guardian_core::event::{Job, JobId, JobState, JobType, PlanRef};
use guardian_core::evidence::{Fact, Gap, GapReason, JobDescription, RecoveryPoint, Vault, VaultPolicy};
use guardian_core::ports::{BackupReader, PointLists};

use crate::classify::reason_of;
use crate::convert::{arn, gap, known, text, timestamp};
use crate::session::{Clients, Cloud};

/// Account, Region and name of a vault.
fn place(vault: &Arn) -> Option<(AccountId, Region, String)> {
    Some((vault.account()?, vault.region()?, vault.resource_name().to_owned()))
}

/// Sends a request and turns its failure into a gap of the caller.
macro_rules! ask {
    ($action:expr, $account:expr, $region:expr, $request:expr) => {
        match $request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let (reason, detail) = reason_of(&error);
                return Fact::Gap(gap($action, $account, $region, reason, detail));
            }
        }
    };
}

fn state(text: Option<&str>) -> Option<JobState> {
    text.map(|text| JobState::from(text.to_owned()))
}

async fn backup_job(clients: &Clients, job: &Job, id: &str) -> Fact<JobDescription> {
    const ACTION: &str = "backup:DescribeBackupJob";
    let answer = ask!(ACTION, &job.account, &job.region, clients.backup.describe_backup_job().backup_job_id(id));
    known(
        JobDescription {
            state: state(answer.state().map(|state| state.as_str())),
            status_message: text(answer.status_message()),
            message_category: text(answer.message_category()),
            role_arn: arn(answer.iam_role_arn()),
            resource_arn: arn(answer.resource_arn()),
            resource_type: text(answer.resource_type()),
            resource_name: text(answer.resource_name()),
            recovery_point_arn: arn(answer.recovery_point_arn()),
            vault_arn: arn(answer.backup_vault_arn()),
            created_at: timestamp(answer.creation_date()),
            completed_at: timestamp(answer.completion_date()),
            parent_job_id: answer.parent_job_id().map(|id| JobId::from(id.to_owned())),
            is_parent: Some(answer.is_parent()),
            number_of_child_jobs: answer.number_of_child_jobs(),
            delete_after_days: answer.recovery_point_lifecycle().and_then(|lifecycle| lifecycle.delete_after_days()),
            ..JobDescription::default()
        },
        ACTION,
    )
}

async fn copy_job(clients: &Clients, job: &Job, id: &str) -> Fact<JobDescription> {
    const ACTION: &str = "backup:DescribeCopyJob";
    let answer = ask!(ACTION, &job.account, &job.region, clients.backup.describe_copy_job().copy_job_id(id));
    let Some(copy) = answer.copy_job() else {
        return Fact::Gap(gap(ACTION, &job.account, &job.region, GapReason::Unreadable, "answer without a job".to_owned()));
    };
    known(
        JobDescription {
            state: state(copy.state().map(|state| state.as_str())),
            status_message: text(copy.status_message()),
            message_category: text(copy.message_category()),
            role_arn: arn(copy.iam_role_arn()),
            resource_arn: arn(copy.resource_arn()),
            resource_type: text(copy.resource_type()),
            resource_name: text(copy.resource_name()),
            recovery_point_arn: arn(copy.source_recovery_point_arn()),
            vault_arn: arn(copy.source_backup_vault_arn()),
            destination_vault_arn: arn(copy.destination_backup_vault_arn()),
            destination_recovery_point_arn: arn(copy.destination_recovery_point_arn()),
            destination_vault_type: text(copy.destination_vault_type()),
            created_at: timestamp(copy.creation_date()),
            completed_at: timestamp(copy.completion_date()),
            parent_job_id: copy.parent_job_id().map(|id| JobId::from(id.to_owned())),
            is_parent: Some(copy.is_parent()),
            number_of_child_jobs: copy.number_of_child_jobs(),
            delete_after_days: copy.destination_recovery_point_lifecycle().and_then(|lifecycle| lifecycle.delete_after_days()),
            created_resource_arn: None,
        },
        ACTION,
    )
}

async fn restore_job(clients: &Clients, job: &Job, id: &str) -> Fact<JobDescription> {
    const ACTION: &str = "backup:DescribeRestoreJob";
    let answer = ask!(ACTION, &job.account, &job.region, clients.backup.describe_restore_job().restore_job_id(id));
    known(
        JobDescription {
            state: state(answer.status().map(|state| state.as_str())),
            status_message: text(answer.status_message()),
            role_arn: arn(answer.iam_role_arn()),
            resource_arn: arn(answer.source_resource_arn()),
            resource_type: text(answer.resource_type()),
            recovery_point_arn: arn(answer.recovery_point_arn()),
            vault_arn: arn(answer.backup_vault_arn()),
            created_at: timestamp(answer.creation_date()),
            completed_at: timestamp(answer.completion_date()),
            parent_job_id: answer.parent_job_id().map(|id| JobId::from(id.to_owned())),
            is_parent: Some(answer.is_parent()),
            created_resource_arn: arn(answer.created_resource_arn()),
            ..JobDescription::default()
        },
        ACTION,
    )
}

async fn scan_job(clients: &Clients, job: &Job, id: &str) -> Fact<JobDescription> {
    const ACTION: &str = "backup:DescribeScanJob";
    let answer = ask!(ACTION, &job.account, &job.region, clients.backup.describe_scan_job().scan_job_id(id));
    known(
        JobDescription {
            state: state(Some(answer.state().as_str())),
            status_message: text(answer.status_message()),
            role_arn: arn(Some(answer.iam_role_arn())),
            resource_arn: arn(Some(answer.resource_arn())),
            resource_type: text(Some(answer.resource_type().as_str())),
            resource_name: text(Some(answer.resource_name())),
            recovery_point_arn: arn(Some(answer.recovery_point_arn())),
            vault_arn: arn(Some(answer.backup_vault_arn())),
            created_at: timestamp(Some(answer.creation_date())),
            completed_at: timestamp(answer.completion_date()),
            ..JobDescription::default()
        },
        ACTION,
    )
}

impl BackupReader for Cloud {
    async fn prepare(&self, account: &AccountId, region: &Region) {
        // A refusal is remembered for a while, so nobody is asked twice.
        let _ = self.clients(account, region).await;
    }

    async fn job(&self, job: &Job) -> Fact<JobDescription> {
        let Some(id) = &job.job_id else { return Fact::NotAsked };
        let clients = match self.clients(&job.account, &job.region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        // AWS prints the same id in either case and does not say which one it looks up by: the API's own samples are upper case.
        let mut answer = Fact::NotAsked;
        for id in [id.as_str().to_uppercase(), id.as_str().to_owned()] {
            answer = match job.job_type {
                JobType::Backup => backup_job(&clients, job, &id).await,
                JobType::Copy => copy_job(&clients, job, &id).await,
                JobType::Restore => restore_job(&clients, job, &id).await,
                JobType::Scan => scan_job(&clients, job, &id).await,
            };
            if answer.gap().is_none_or(|gap| gap.reason != GapReason::NotFound) {
                break;
            }
        }
        answer
    }

    async fn recovery_point(&self, vault: &Arn, point: &Arn) -> Fact<RecoveryPoint> {
        const ACTION: &str = "backup:DescribeRecoveryPoint";
        let Some((account, region, name)) = place(vault) else { return Fact::NotAsked };
        let clients = match self.clients(&account, &region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        let answer = ask!(
            ACTION,
            &account,
            &region,
            clients.backup.describe_recovery_point().backup_vault_name(name).recovery_point_arn(point.as_str())
        );
        known(
            RecoveryPoint {
                arn: arn(answer.recovery_point_arn()).unwrap_or_else(|| point.clone()),
                status: text(answer.status().map(|status| status.as_str())),
                status_message: text(answer.status_message()),
                is_encrypted: Some(answer.is_encrypted()),
                encryption_key_arn: arn(answer.encryption_key_arn()),
                resource_arn: arn(answer.resource_arn()),
                resource_type: text(answer.resource_type()),
                resource_name: text(answer.resource_name()),
                vault_type: text(answer.vault_type().map(|kind| kind.as_str())),
                delete_at: answer.calculated_lifecycle().and_then(|lifecycle| timestamp(lifecycle.delete_at())),
                storage_class: text(answer.storage_class().map(|class| class.as_str())),
            },
            ACTION,
        )
    }

    async fn vault(&self, vault: &Arn) -> Fact<Vault> {
        const ACTION: &str = "backup:DescribeBackupVault";
        let Some((account, region, name)) = place(vault) else { return Fact::NotAsked };
        let clients = match self.clients(&account, &region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        let answer = ask!(ACTION, &account, &region, clients.backup.describe_backup_vault().backup_vault_name(name));
        known(
            Vault {
                arn: arn(answer.backup_vault_arn()).unwrap_or_else(|| vault.clone()),
                vault_type: text(answer.vault_type().map(|kind| kind.as_str())),
                state: text(answer.vault_state().map(|state| state.as_str())),
                encryption_key_arn: arn(answer.encryption_key_arn()),
                locked: answer.locked(),
                min_retention_days: answer.min_retention_days(),
                max_retention_days: answer.max_retention_days(),
                lock_date: timestamp(answer.lock_date()),
                points: Some(answer.number_of_recovery_points()),
            },
            ACTION,
        )
    }

    async fn vault_policy(&self, vault: &Arn) -> Fact<VaultPolicy> {
        const ACTION: &str = "backup:GetBackupVaultAccessPolicy";
        let Some((account, region, name)) = place(vault) else { return Fact::NotAsked };
        let clients = match self.clients(&account, &region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        match clients.backup.get_backup_vault_access_policy().backup_vault_name(name).send().await {
            Ok(answer) => match answer.policy().map(serde_json::from_str) {
                Some(Ok(document)) => known(VaultPolicy { vault_arn: vault.clone(), document: Some(document) }, ACTION),
                Some(Err(_)) => Fact::Gap(gap(ACTION, &account, &region, GapReason::Unreadable, "the policy is not JSON".to_owned())),
                None => known(VaultPolicy { vault_arn: vault.clone(), document: None }, ACTION),
            },
            Err(error) => match reason_of(&error) {
                // A vault without a policy answers so. Whether the vault itself exists, `DescribeBackupVault` tells.
                (GapReason::NotFound, _) => known(VaultPolicy { vault_arn: vault.clone(), document: None }, ACTION),
                (reason, detail) => Fact::Gap(gap(ACTION, &account, &region, reason, detail)),
            },
        }
    }
}

fn held(listed: &aws_sdk_backup::types::RecoveryPointByBackupVault) -> Option<Held> {
    let plan = listed.created_by().map(|by| PlanRef {
        plan_id: text(by.backup_plan_id()),
        plan_arn: arn(by.backup_plan_arn()),
        rule_id: text(by.backup_rule_id()),
        rule_name: text(by.backup_rule_name()),
    });
    Some(Held {
        point: RecoveryPoint {
            arn: arn(listed.recovery_point_arn())?,
            status: text(listed.status().map(|status| status.as_str())),
            status_message: text(listed.status_message()),
            is_encrypted: Some(listed.is_encrypted()),
            encryption_key_arn: arn(listed.encryption_key_arn()),
            resource_arn: arn(listed.resource_arn()),
            resource_type: text(listed.resource_type()),
            resource_name: text(listed.resource_name()),
            vault_type: text(listed.vault_type().map(|kind| kind.as_str())),
            delete_at: listed.calculated_lifecycle().and_then(|lifecycle| timestamp(lifecycle.delete_at())),
            // The list does not say it. From cold storage AWS refuses a copy by itself.
            storage_class: None,
        },
        created_at: timestamp(listed.creation_date()),
        role: arn(listed.iam_role_arn()),
        plan: plan.filter(|plan| plan != &PlanRef::default()),
        size_bytes: listed.backup_size_in_bytes().and_then(|bytes| u64::try_from(bytes).ok()),
        is_part: text(listed.parent_recovery_point_arn()).is_some(),
    })
}

impl PointLists for Cloud {
    async fn points_of(&self, vault: &Arn, resource: &Arn) -> Result<Vec<Held>, Gap> {
        const ACTION: &str = "backup:ListRecoveryPointsByBackupVault";
        let Some((account, region, name)) = place(vault) else { return Ok(Vec::new()) };
        let client = self.clients(&account, &region).await?.backup;
        let request = client.list_recovery_points_by_backup_vault().backup_vault_name(name).by_resource_arn(resource.as_str());
        let mut pages = request.max_results(1000).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                let (reason, detail) = reason_of(&error);
                gap(ACTION, &account, &region, reason, detail)
            })?;
            found.extend(page.recovery_points().iter().filter_map(held));
        }
        Ok(found)
    }
}
