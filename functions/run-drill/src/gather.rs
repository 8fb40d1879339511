//! Reads all that decides about what the jobs of an incident left uncopied.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::drill::backfill::{Missed, newest_landed};
use guardian_core::event::{Job, JobId, JobType};
use guardian_core::evidence::{BackupPlan, Fact, Vault};
use guardian_core::ports::{BackupReader, CopyLists, PlanReader};

/// Jobs that are looked at together. Each makes some calls, and AWS takes 15 of a kind in a second.
const TOGETHER: usize = 4;

type PlanKey = (AccountId, Region, String);

/// A job as incidents keep it: `<account>/<region>/<type>/<job id>`.
pub fn job_of(kept: &str) -> Option<Job> {
    let mut parts = kept.splitn(4, '/');
    let (account, region) = (AccountId::parse(parts.next()?).ok()?, Region::parse(parts.next()?).ok()?);
    let job_type = match parts.next()? {
        "backup" => JobType::Backup,
        "copy" => JobType::Copy,
        "restore" => JobType::Restore,
        "scan" => JobType::Scan,
        _ => return None,
    };
    let mut job = Job::new(account, region, job_type);
    job.job_id = Some(JobId::from(parts.next()?.to_owned()));
    Some(job)
}

/// What decides about each of these jobs.
pub async fn gather<R: BackupReader + CopyLists + PlanReader>(reader: &R, jobs: Vec<Job>) -> Vec<Missed> {
    let looked = stream::iter(jobs.into_iter().map(|job| look(reader, job))).buffered(TOGETHER);
    let mut missed = looked.filter_map(|missed| async { missed }).collect::<Vec<_>>().await;
    let mut vaults = BTreeMap::<Arn, Fact<Vault>>::new();
    let mut plans = BTreeMap::<PlanKey, Fact<Option<BackupPlan>>>::new();
    for missed in &mut missed {
        if let Some(vault) = missed.described.known().and_then(|job| job.destination_vault_arn.clone()) {
            if !vaults.contains_key(&vault) {
                vaults.insert(vault.clone(), reader.vault(&vault).await);
            }
            missed.destination = vaults.get(&vault).cloned().unwrap_or(Fact::NotAsked);
        }
        if let Some(key) = plan_of(missed) {
            if !plans.contains_key(&key) {
                let read = match reader.plan(&key.0, &key.1, &key.2).await {
                    Ok(value) => Fact::Known { value, source: "backup:GetBackupPlan".to_owned(), at: jiff::Timestamp::now() },
                    Err(gap) => Fact::Gap(gap),
                };
                plans.insert(key.clone(), read);
            }
            missed.plan = plans.get(&key).cloned().unwrap_or(Fact::NotAsked);
        }
    }
    missed
}

/// The plan that made a job, as the list of copies names it.
fn plan_of(missed: &Missed) -> Option<PlanKey> {
    let listed = missed.copies.as_ref().ok()?.iter().find(|job| job.job_id.as_ref() == Some(&missed.job_id))?;
    Some((missed.account.clone(), missed.region.clone(), listed.plan.as_ref()?.plan_id.clone()?))
}

async fn look<R: BackupReader + CopyLists>(reader: &R, job: Job) -> Option<Missed> {
    let mut missed = Missed {
        account: job.account.clone(),
        region: job.region.clone(),
        job_type: job.job_type,
        job_id: job.job_id.clone()?,
        described: Fact::NotAsked,
        point: Fact::NotAsked,
        copies: Ok(Vec::new()),
        landed: Fact::NotAsked,
        plan: Fact::NotAsked,
        destination: Fact::NotAsked,
    };
    // Other jobs copied nothing, so that there is nothing to look at.
    if job.job_type != JobType::Copy {
        return Some(missed);
    }
    missed.described = reader.job(&job).await;
    let Some(described) = missed.described.known() else { return Some(missed) };
    let (Some(point), Some(vault)) = (&described.recovery_point_arn, &described.vault_arn) else { return Some(missed) };
    missed.point = reader.recovery_point(vault, point).await;
    let Some(destination) = &described.destination_vault_arn else { return Some(missed) };
    missed.copies = reader.copies(&job.account, &job.region, point, destination).await;
    let landed = missed.copies.as_ref().ok().and_then(|copies| newest_landed(copies)?.destination_recovery_point_arn.clone());
    if let Some(copy) = landed {
        missed.landed = reader.recovery_point(destination, &copy).await;
    }
    Some(missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_as_incidents_keep_it() {
        let job = job_of("111111111111/eu-central-1/copy/9f6e-1").unwrap();
        assert_eq!((job.account.as_str(), job.region.as_str(), job.job_type), ("111111111111", "eu-central-1", JobType::Copy));
        assert_eq!(job.job_id, Some(JobId::from("9f6e-1".to_owned())));
        for wrong in ["", "111111111111/eu-central-1/copy", "1/eu-central-1/copy/x", "111111111111/eu-central-1/move/x"] {
            assert!(job_of(wrong).is_none(), "{wrong}");
        }
    }
}
