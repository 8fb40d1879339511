//! A job that was found in a list, written as the event that nobody sent.
//!
//! The envelope has a source of its own, so that nobody takes it for an event of AWS; account and Region are those of the API that listed the job,
//! never a text of the job. Rules of the hub bus let only `aws.backup` through: no account can send this from outside.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::job::{Job, JobType};
use super::missed;

/// Source of the events that the reconciliation writes.
pub const RECONCILED_SOURCE: &str = "backup-guardian.reconcile";
/// Field of the detail: since when a job has made no progress. Read from this source only.
pub(super) const STUCK_SINCE: &str = "stuckSince";

/// The event of a job as a list shows it; [`parse`](super::parse) reads the same job from it.
pub fn reconciled(job: &Job, at: Timestamp) -> Value {
    let mut detail = Map::new();
    let mut put = |name: &str, value: Option<Value>| detail.extend(value.map(|value| (name.to_owned(), value)));
    let text = |value: Option<&str>| value.map(|value| json!(value));
    let arn = |value: &Option<crate::arn::Arn>| value.as_ref().map(|arn| json!(arn));
    let names = Names::of(job.job_type);
    put(names.id, job.job_id.as_ref().map(|id| json!(id)));
    put(names.state, Some(json!(job.state)));
    put(names.vault, arn(&job.vault_arn));
    put(names.resource, arn(&job.resource_arn));
    put("destinationBackupVaultArn", arn(&job.destination_vault_arn));
    put("destinationRecoveryPointArn", arn(&job.destination_recovery_point_arn));
    put("creationDate", job.created_at.map(|at| json!(at)));
    put("startBy", job.start_by.map(|at| json!(at)));
    put("completionDate", job.completed_at.map(|at| json!(at)));
    put("iamRoleArn", arn(&job.role_arn));
    put("resourceType", text(job.resource_type.as_deref()));
    put("statusMessage", text(job.status_message.as_deref()));
    put("backupSizeInBytes", job.size_bytes.map(|size| json!(size)));
    put("parentJobId", job.parent_job_id.as_ref().map(|id| json!(id)));
    put("scanResult", job.scan_result.as_ref().map(|result| json!({"scanResultStatus": result})));
    put(STUCK_SINCE, job.stuck_since.map(|since| json!(since)));
    put(missed::MISSED_RUN, job.missed.as_ref().map(missed::write));
    put(
        "createdBy",
        job.plan
            .as_ref()
            .map(|plan| json!({"backupPlanId": plan.plan_id, "backupPlanArn": plan.plan_arn, "backupPlanRuleId": plan.rule_id})),
    );
    json!({
        "version": "0",
        "id": format!("reconcile/{}", job.key()),
        "detail-type": names.detail_type,
        "source": RECONCILED_SOURCE,
        "account": job.account,
        "region": job.region,
        "time": at,
        "resources": job.recovery_point_arn.iter().collect::<Vec<_>>(),
        "detail": detail,
    })
}

/// What the events of a kind of job call their fields.
struct Names {
    detail_type: &'static str,
    id: &'static str,
    state: &'static str,
    vault: &'static str,
    resource: &'static str,
}

impl Names {
    fn of(job_type: JobType) -> Self {
        let (id, state, vault, resource) = match job_type {
            JobType::Backup => ("backupJobId", "state", "backupVaultArn", "resourceArn"),
            JobType::Copy => ("copyJobId", "state", "sourceBackupVaultArn", "resourceArn"),
            JobType::Restore => ("restoreJobId", "status", "backupVaultArn", "sourceResourceArn"),
            JobType::Scan => ("scanJobId", "state", "backupVaultArn", "resourceArn"),
        };
        Self { detail_type: job_type.detail_type(), id, state, vault, resource }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn::{AccountId, Arn, Region};
    use crate::event::{JobId, JobState, Parsed, PlanRef, parse};

    fn arn(resource: &str) -> Option<Arn> {
        Arn::parse(&format!("arn:aws:backup:eu-central-1:111111111111:{resource}")).ok()
    }

    fn full(job_type: JobType) -> Job {
        let mut job = Job::new(AccountId::parse("111111111111").unwrap(), Region::parse("eu-central-1").unwrap(), job_type);
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        job.job_id = Some(JobId::from("47C8EF56-74D8".to_owned()));
        job.state = JobState::Failed;
        (job.created_at, job.completed_at) = (time("2026-11-02T05:21:13.239Z"), time("2026-11-02T05:37:28.704Z"));
        job.event_time = time("2026-11-02T06:00:00Z");
        job.role_arn = Arn::parse("arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole").ok();
        job.resource_arn = arn("resource");
        job.resource_type = Some("EBS".to_owned());
        job.recovery_point_arn = arn("recovery-point:1");
        job.vault_arn = arn("backup-vault:local");
        job.status_message = Some("Given key ID is not accessible".to_owned());
        job.size_bytes = Some(8_589_934_592);
        job.parent_job_id = Some(JobId::from("parent".to_owned()));
        job.plan = Some(PlanRef {
            plan_id: Some("orgs/1".to_owned()),
            plan_arn: arn("backup-plan:orgs/1"),
            rule_id: Some("r".to_owned()),
            rule_name: None,
        });
        match job_type {
            JobType::Copy => {
                job.destination_vault_arn = Arn::parse("arn:aws:backup:eu-central-1:222222222222:backup-vault:central").ok();
                job.destination_recovery_point_arn = arn("recovery-point:2");
            }
            JobType::Scan => job.scan_result = Some("THREATS_FOUND".to_owned()),
            JobType::Backup => job.start_by = time("2026-11-02T13:00:00Z"),
            JobType::Restore => {}
        }
        job
    }

    #[test]
    fn the_job_of_a_list_is_read_again_as_it_was() {
        for job_type in [JobType::Backup, JobType::Copy, JobType::Restore, JobType::Scan] {
            let mut bare = Job::new(full(job_type).account, full(job_type).region, job_type);
            (bare.job_id, bare.state) = (full(job_type).job_id, JobState::Expired);
            bare.event_time = full(job_type).event_time;
            let mut stuck = full(job_type);
            (stuck.state, stuck.stuck_since) = (JobState::Created, stuck.created_at);
            for mut job in [full(job_type), bare, stuck] {
                let event = reconciled(&job, job.event_time.unwrap());
                job.event_id = Some(format!("reconcile/{}", job.key()));
                let Parsed::Job(read) = parse(event.to_string().as_bytes()) else { panic!("{event}") };
                assert_eq!(*read, job);
                assert!(read.is_problem());
            }
        }
    }

    #[test]
    fn only_the_reconciliation_can_say_that_a_job_is_stuck() {
        let mut job = full(JobType::Copy);
        (job.state, job.stuck_since) = (JobState::Created, job.created_at);
        for source in ["aws.backup", "com.example"] {
            let mut event = reconciled(&job, job.event_time.unwrap());
            event["source"] = json!(source);
            match parse(event.to_string().as_bytes()) {
                Parsed::Job(read) => assert!(read.stuck_since.is_none() && !read.is_problem(), "{source}"),
                other => assert!(matches!(other, Parsed::Other { .. }), "{source}: {other:?}"),
            }
        }
    }
}
