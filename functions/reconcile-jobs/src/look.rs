//! What a listed job is to us: pure, and asked for every job of every page.

use std::time::Duration;

use guardian_core::event::{Job, JobState, JobType};
use guardian_core::ports::Slice;
use jiff::{SignedDuration, Timestamp};

use crate::config::Scope;

/// The longest that a job without a date of its end may have taken: the completion window of a plan is a week unless somebody chose another.
const LONGEST_JOB: Duration = Duration::from_secs(8 * 24 * 3600);

/// So long before.
pub(crate) fn before(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}

/// The slices in which together every job lies that ended or got stuck within the look back.
pub(crate) fn slices(scope: &Scope, now: Timestamp) -> [Slice; 3] {
    let since = before(now, scope.look_back);
    [Slice::CreatedSince(since), Slice::EndedSince(since), Slice::FailedOf(before(now, LONGEST_JOB))]
}

/// The job as it is to be handed over; `None` where nobody need hear of it.
pub(crate) fn problem(mut job: Job, scope: &Scope, now: Timestamp) -> Option<Job> {
    let since = before(now, scope.look_back);
    if job.completed_at.is_some_and(|ended| ended < since) {
        return None;
    }
    if !job.is_problem() {
        job.stuck_since = stuck_since(&job, scope, now);
    }
    job.is_problem().then_some(job)
}

/// Since when a job should have gone on. A backup may wait until its start window is over, which AWS then ends itself.
fn stuck_since(job: &Job, scope: &Scope, now: Timestamp) -> Option<Timestamp> {
    let (from, patience) = match (&job.state, job.job_type) {
        (JobState::Created | JobState::Pending, JobType::Backup) => (job.start_by?, scope.stuck_after),
        (JobState::Created | JobState::Pending, _) => (job.created_at?, scope.stuck_after),
        (JobState::Running, JobType::Backup | JobType::Copy) => (job.created_at?, scope.running_after),
        _ => return None,
    };
    (from <= before(now, patience)).then_some(from)
}

#[cfg(test)]
mod tests {
    use guardian_core::arn::{AccountId, Region};

    use super::*;

    fn scope() -> Scope {
        Scope {
            regions: Vec::new(),
            known_accounts: Vec::new(),
            look_back: Duration::from_secs(26 * 3600),
            stuck_after: Duration::from_secs(2 * 3600),
            running_after: Duration::from_secs(24 * 3600),
        }
    }

    fn job(job_type: JobType, state: JobState, created_hours_ago: i64) -> Job {
        let mut job = Job::new(AccountId::parse("111111111111").unwrap(), Region::parse("eu-central-1").unwrap(), job_type);
        job.state = state;
        job.created_at = Some(now() - SignedDuration::from_hours(created_hours_ago));
        job
    }

    fn now() -> Timestamp {
        "2026-11-02T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_job_is_handed_over_when_it_is_a_problem_and_not_of_old() {
        let ended = |hours: i64| {
            let mut job = job(JobType::Copy, JobState::Failed, 100);
            job.completed_at = Some(now() - SignedDuration::from_hours(hours));
            problem(job, &scope(), now()).is_some()
        };
        assert!(ended(1) && ended(26) && !ended(27));
        assert!(problem(job(JobType::Copy, JobState::Failed, 100), &scope(), now()).is_some(), "without a date of its end");
        assert!(problem(job(JobType::Copy, JobState::Completed, 1), &scope(), now()).is_none());
    }

    #[test]
    fn a_job_that_does_not_go_on_is_stuck() {
        let stuck = |job: Job| problem(job, &scope(), now()).is_some_and(|job| job.stuck_since.is_some());
        assert!(stuck(job(JobType::Copy, JobState::Created, 2)) && !stuck(job(JobType::Copy, JobState::Created, 1)));
        assert!(stuck(job(JobType::Restore, JobState::Pending, 3)));
        assert!(stuck(job(JobType::Copy, JobState::Running, 24)) && !stuck(job(JobType::Copy, JobState::Running, 23)));
        let mut backup = job(JobType::Backup, JobState::Created, 9);
        assert!(!stuck(backup.clone()), "whether its window is over is not known");
        backup.start_by = Some(now() - SignedDuration::from_hours(1));
        assert!(!stuck(backup.clone()));
        backup.start_by = Some(now() - SignedDuration::from_hours(2));
        assert!(stuck(backup));
        assert!(!stuck(job(JobType::Restore, JobState::Running, 99)), "how long a restore may take nobody said");
    }
}
