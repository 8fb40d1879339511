//! How the work on one message ends.

use std::fmt;

use guardian_core::ports::PortError;

/// A message that is done and may leave the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new incident was announced.
    Announced,
    /// A known incident was announced again after the repeat interval.
    Reminded,
    /// A surer verdict was announced.
    Upgraded,
    /// The end of an incident was announced.
    Resolved,
    /// Too many messages are on their way: the next digest tells it.
    Deferred,
    /// The job joined an incident that was announced already.
    Joined,
    /// This delivery was handled before.
    AlreadyDone,
    /// A job without a problem.
    NoProblem,
    /// An event that is not about a job.
    Ignored,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Announced => "announced",
            Self::Reminded => "reminded",
            Self::Upgraded => "upgraded",
            Self::Resolved => "resolved",
            Self::Deferred => "deferred",
            Self::Joined => "joined",
            Self::AlreadyDone => "already-done",
            Self::NoProblem => "no-problem",
            Self::Ignored => "ignored",
        })
    }
}

/// A message that must come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The message is not an event: it ends in the dead-letter queue.
    #[error("not an event: `{reason}`")]
    Quarantined {
        /// From a bounded set.
        reason: String,
    },
    /// Somebody else is at this very delivery.
    #[error("the delivery is claimed by another invocation")]
    Claimed,
    /// Somebody else is announcing the incident.
    #[error("incident `{0}` is being announced by another invocation")]
    BeingAnnounced(String),
    /// The table is down and this instance has sent its share of alerts without it.
    #[error("the table is down and the limit for alerts without it is reached")]
    Limited,
    /// The topic, the table or the queue did not accept something that must not be lost.
    #[error("not accepted: {0}")]
    NotSent(#[from] PortError),
    /// The invocation ends too soon to finish this.
    #[error("no time left in this invocation")]
    OutOfTime,
}
