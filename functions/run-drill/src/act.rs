//! Starts copies, each once, whatever happens in between.
//!
//! The order is written, then started, then the job is written. Whoever comes after a crash finds what was begun: in the record, or in the list of
//! copy jobs.

use guardian_core::drill::Planned;
use guardian_core::drill::record::{Purpose, State, Step, id, next, started};
use guardian_core::event::JobId;
use guardian_core::evidence::Gap;
use guardian_core::ports::{CopyStarter, DrillStore, PortError};
use jiff::Timestamp;

/// How often somebody else may be faster.
const ATTEMPTS: u32 = 8;

/// How one copy ended.
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
    /// It was not started, because it could not be written down before.
    NotKept(PortError),
}

/// Starts one copy.
pub async fn start<S: DrillStore, C: CopyStarter>(store: &S, starter: &C, purpose: &Purpose, planned: &Planned) -> Outcome {
    let id = id(purpose, &planned.order);
    for _ in 0..ATTEMPTS {
        let now = Timestamp::now();
        let kept = match store.drill(&id).await {
            Ok(kept) => kept,
            Err(error) => return Outcome::NotKept(error),
        };
        match next(purpose, &planned.order, kept.as_ref(), &planned.copies, now) {
            Step::Write(record) => {
                match (store.put_drill(&record, now).await, record.state) {
                    (Err(error), _) => return Outcome::NotKept(error),
                    // A run before started it, and was stopped before it could write that down.
                    (Ok(true), State::Started { job_id, .. }) => return Outcome::Started(job_id),
                    (Ok(_), _) => {}
                }
            }
            Step::UnderWay(job_id) => return Outcome::Started(job_id),
            Step::Start(record) => {
                let job_id = match starter.start(&record.order, &record.token()).await {
                    Ok(job_id) => job_id,
                    Err(gap) => return Outcome::Refused(gap),
                };
                // Somebody else may have noted it meanwhile; and the next run finds it in the list, should this write fail.
                if let Err(error) = store.put_drill(&started(&record, job_id.clone(), now), now).await {
                    tracing::warn!(%error, job_id = job_id.as_str(), "a copy was started and could not be noted; the next run finds it in the list of jobs");
                }
                return Outcome::Started(job_id);
            }
        }
    }
    Outcome::NotKept(PortError { operation: "dynamodb:PutItem", code: "conflict".to_owned(), retryable: true })
}
