//! A job neither begins nor ends.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, facts, steps};
use crate::event::{JobState, JobType};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-039",
        name: "job-stuck",
        title: "A job neither begins nor ends",
        causes: &[Cause::JobStuck],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:ListBackupJobs", "backup:ListCopyJobs", "backup:ListRestoreJobs"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html"],
        page: include_str!("job-stuck.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    // Only a list of jobs shows it: no event tells that nothing happens.
    let Some(since) = evidence.job.stuck_since else {
        return match evidence.job.state {
            JobState::Created | JobState::Pending | JobState::Running => {
                Answer::CannotTell { needs: vec!["how long the job waits".to_owned()] }
            }
            _ => Answer::RuledOut { why: "the job has ended".to_owned() },
        };
    };
    let told = |certainty, used: &[&str], now: Option<&JobState>| {
        told::explains(evidence, Cause::JobStuck, certainty, used, tell(evidence, since, now))
    };
    match evidence.description.known().and_then(|description| description.state.as_ref()) {
        Some(state) if *state == evidence.job.state => told(Certainty::Proven, &["list of jobs", "state"], None),
        Some(state) => told(Certainty::Supported, &["list of jobs", "state"], Some(state)),
        None => told(Certainty::Supported, &["list of jobs"], None),
    }
}

/// `now`: the state, where the job went on between the list and the diagnosis.
fn tell(evidence: &Evidence, since: jiff::Timestamp, now: Option<&JobState>) -> Told {
    let severity = match evidence.job.job_type {
        _ if now.is_some() => Severity::Info,
        JobType::Backup | JobType::Copy => Severity::High,
        JobType::Restore | JobType::Scan => Severity::Medium,
    };
    let job = told::job(evidence);
    Told {
        severity: Some(severity),
        act_in: facts::in_source(evidence),
        object: None,
        summary: match now {
            None => format!("There is no progress since {since} in {job}; it has not failed, so AWS announces nothing."),
            Some(state) => format!("There was no progress since {since} in {job}, but by now its state is {}.", state.as_str()),
        },
        next_steps: told::list_jobs(evidence)
            .into_iter()
            .chain([
                steps::judge("See whether other jobs of the account, Region and destination wait too: then a limit of concurrent jobs is reached."),
                steps::judge("Open a case with AWS Support and name the job id: after two hours AWS goes on by hand."),
            ])
            .collect(),
    }
}
