//! A run of a plan rule that was due, and of which AWS lists no job, told as a job of state MISSED.
//!
//! There is nothing that AWS gave an id. Ours is derived from what was due, so that every look at the same miss speaks of the same job, and the
//! claims make one of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::field::Fields;
use super::job::{Job, JobId, JobState, JobType, PlanRef};
use crate::arn::{AccountId, Region, backup_plan};

/// Field of the detail that holds the run. Read from the source of the reconciliation only.
pub(super) const MISSED_RUN: &str = "missedRun";

/// The run. When it was due is the creation of the job that stands for it; when its start window ended, its `start_by`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedRun {
    /// Name of the plan. Untrusted text.
    pub plan_name: String,
    /// Name of the rule. Untrusted text.
    pub rule_name: String,
    /// `ScheduleExpression` of the rule. Untrusted text.
    pub schedule: String,
    /// `ScheduleExpressionTimezone`, where it has one. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// Which run of which rule.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The account that owns the plan.
    pub account: &'a AccountId,
    /// Its Region.
    pub region: &'a Region,
    /// The plan.
    pub plan_id: &'a str,
    /// The rule.
    pub rule_id: &'a str,
    /// When the run was due.
    pub run_at: Timestamp,
    /// Until when a job of it could begin.
    pub window_ended_at: Timestamp,
}

/// The job that stands for a run that made none.
pub fn job(run: Run<'_>, missed: MissedRun) -> Job {
    let Run { account, region, plan_id, rule_id, run_at, window_ended_at } = run;
    let mut job = Job::new(account.clone(), region.clone(), JobType::Backup);
    job.job_id = Some(id(plan_id, rule_id, run_at));
    job.state = JobState::Missed;
    job.created_at = Some(run_at);
    job.start_by = Some(window_ended_at);
    job.plan = Some(PlanRef {
        plan_id: Some(plan_id.to_owned()),
        plan_arn: backup_plan(account, region, plan_id),
        rule_id: Some(rule_id.to_owned()),
        rule_name: None,
    });
    job.missed = Some(missed);
    job
}

fn id(plan_id: &str, rule_id: &str, run_at: Timestamp) -> JobId {
    let mut hash = Sha256::new();
    for field in [plan_id, rule_id, &run_at.to_string()] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    let hex = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
    JobId::from(format!("missed-{hex}"))
}

pub(super) fn write(missed: &MissedRun) -> Value {
    let MissedRun { plan_name, rule_name, schedule, zone } = missed;
    json!({"planName": plan_name, "ruleName": rule_name, "schedule": schedule, "zone": zone})
}

pub(super) fn read(detail: &mut Fields<'_>) -> Option<MissedRun> {
    let mut fields = Fields::of("detail.missedRun", Some(detail.get(MISSED_RUN)?));
    let missed = MissedRun {
        plan_name: fields.text("planName").unwrap_or_default(),
        rule_name: fields.text("ruleName").unwrap_or_default(),
        schedule: fields.text("schedule").unwrap_or_default(),
        zone: fields.text("zone"),
    };
    detail.problems.append(&mut fields.problems);
    Some(missed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Parsed, parse, reconciled};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn missed(plan_id: &str, rule_id: &str, run_at: &str) -> Job {
        let (account, region) = (AccountId::parse("111111111111").unwrap(), Region::parse("eu-central-1").unwrap());
        let run_at = at(run_at);
        let run = Run {
            account: &account,
            region: &region,
            plan_id,
            rule_id,
            run_at,
            window_ended_at: run_at + jiff::SignedDuration::from_hours(1),
        };
        let name = |name: &str| name.to_owned();
        let missed = MissedRun {
            plan_name: name("nightly \u{202e}"),
            rule_name: name("night"),
            schedule: name("cron(0 5 ? * * *)"),
            zone: Some(name("Europe/Berlin")),
        };
        job(run, missed)
    }

    #[test]
    fn the_event_of_a_missed_run_is_read_again_as_it_was_and_by_no_other_source() {
        for zone in [Some("Europe/Berlin".to_owned()), None] {
            let mut job = missed("orgs/1", "r", "2026-11-02T04:00:00Z");
            if let Some(run) = job.missed.as_mut() {
                run.zone = zone;
            }
            let now = at("2026-11-02T06:00:00Z");
            let mut event = reconciled(&job, now);
            (job.event_id, job.event_time) = (Some(format!("reconcile/{}", job.key())), Some(now));
            let Parsed::Job(read) = parse(event.to_string().as_bytes()) else { panic!("{event}") };
            assert_eq!(*read, job);
            assert!(read.is_problem());
            event["source"] = json!("aws.backup");
            let Parsed::Job(read) = parse(event.to_string().as_bytes()) else { panic!("{event}") };
            assert!(read.missed.is_none(), "nobody else can say so");
        }
    }

    #[test]
    fn the_same_miss_is_the_same_job_at_every_look_and_every_other_is_another() {
        let first = missed("p", "r", "2026-11-02T04:00:00Z");
        assert_eq!(first.key(), missed("p", "r", "2026-11-02T04:00:00Z").key());
        for other in [("p", "r", "2026-11-03T04:00:00Z"), ("p", "s", "2026-11-02T04:00:00Z"), ("pr", "", "2026-11-02T04:00:00Z")] {
            assert_ne!(first.key(), missed(other.0, other.1, other.2).key());
        }
    }
}
