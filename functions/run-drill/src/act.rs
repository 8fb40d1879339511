//! Starts the jobs of drills, each once, whatever happens in between.
//!
//! The order is written, then started, then the job is written. Whoever comes after a crash finds what was begun: in the record, or in the list of
//! jobs.

use guardian_core::arn::Arn;
use guardian_core::drill::record::{Drill, State, Step, next, started};
use guardian_core::event::{Job, JobId};
use guardian_core::evidence::Gap;
use guardian_core::ports::{DrillStarter, DrillStore, PortError};
use jiff::Timestamp;

/// How often somebody else may be faster.
const ATTEMPTS: u32 = 8;

/// Whether asking again may help. AWS has one code for what it never takes and one for what it does not take now, and both look like an outage
/// to whoever reads.
pub fn may_pass(gap: &Gap) -> bool {
    const NEVER: [&str; 3] = ["Invalid", "MissingParameter", "Validation"];
    let refused = gap.detail.as_deref().is_some_and(|said| NEVER.iter().any(|word| said.starts_with(word)));
    gap.reason.may_pass() && !refused
}

/// How one start ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on its way; this run started it, or one before.
    Started(JobId),
    /// Its copy is where it belongs.
    Landed(JobId),
    /// It was started and ended without a copy.
    Failed(JobId),
    /// AWS did not take it, or did not answer.
    Refused(Gap),
    /// What the same drill made before is there still.
    LeftOver(Arn),
    /// It was not started, because it could not be written down before.
    NotKept(PortError),
}

/// Starts one job. `jobs` are those of its recovery point that AWS lists; of a copy those into its vault.
pub async fn start<S: DrillStore, C: DrillStarter>(store: &S, starter: &C, drill: &Drill, jobs: &[Job]) -> Outcome {
    for _ in 0..ATTEMPTS {
        let now = Timestamp::now();
        let kept = match store.drill(&drill.id).await {
            Ok(kept) => kept,
            Err(error) => return Outcome::NotKept(error),
        };
        match next(drill, kept.as_ref(), jobs, now) {
            Step::Write(record) => {
                match (store.put_drill(&record, now).await, record.state) {
                    (Err(error), _) => return Outcome::NotKept(error),
                    // A run before started it, and was stopped before it could write that down.
                    (Ok(true), State::Started { job_id, .. }) => return Outcome::Started(job_id),
                    (Ok(_), _) => {}
                }
            }
            Step::UnderWay(job_id) => return Outcome::Started(job_id),
            Step::LeftOver(made) => return Outcome::LeftOver(made),
            Step::Busy => break,
            Step::Start(record) => {
                let job_id = match starter.start(&record).await {
                    Ok(job_id) => job_id,
                    Err(gap) => {
                        // What was refused for good is not on the wire: no job that somebody starts later is taken for its own.
                        if !may_pass(&gap) {
                            let said = gap.detail.clone().unwrap_or_else(|| gap.reason.as_str().to_owned());
                            if let Err(error) = store.put_drill(&record.refused(said), now).await {
                                tracing::warn!(%error, id = record.id, "a refusal could not be noted; the next run asks again");
                            }
                        }
                        return Outcome::Refused(gap);
                    }
                };
                // Somebody else may have noted it meanwhile; and the next run finds it in the list, should this write fail.
                if let Err(error) = store.put_drill(&started(&record, job_id.clone(), now), now).await {
                    tracing::warn!(%error, job_id = job_id.as_str(), "a job was started and could not be noted; the next run finds it in the list of jobs");
                }
                return Outcome::Started(job_id);
            }
        }
    }
    Outcome::NotKept(PortError { operation: "dynamodb:PutItem", code: "conflict".to_owned(), retryable: true })
}
