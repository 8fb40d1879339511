//! Events as they arrive: lenient in, strict out.
//!
//! AWS documents no schema for `aws.backup` events and its own samples contradict each other, so every field is read by its own rule and an
//! unreadable field is a [`Problem`](job::Problem), never a lost event. Identity (account, Region) is taken from the envelope only.
//!
//! Decides what an event is and what it says; must not know what is done about it.
//!
//! INVARIANT: no input panics, and an event of a failed job never ends as "nothing to do": it is a job that is a problem, a [`Degraded`]
//! event that is alerted with its raw text, or a [`Quarantine`] that is counted and kept.
//! Sources: <https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html>,
//! <https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-backup.html>.

mod backup_job;
pub mod change;
mod copy_job;
mod degraded;
mod envelope;
pub(crate) mod field;
mod index;
pub mod job;
mod job_fields;
pub mod missed;
mod not_started;
mod notice;
mod notification;
mod parse;
mod plan;
mod reconciled;
mod recovery_point;
mod region_setting;
mod repair;
mod restore_job;
mod scan_job;
mod vault;

pub use change::{Change, ChangeKind};
pub use degraded::{Degraded, Quarantine, QuarantineReason};
pub use job::{Job, JobId, JobKey, JobState, JobType, PlanRef, Problem};
pub use missed::MissedRun;
pub use notice::{Notice, NoticeKind};
pub use notification::{VAULT_NOTIFICATIONS, parse_notification};
pub use parse::{Parsed, TRAIL_DETAIL_TYPE, detail, parse};
pub use reconciled::{RECONCILED_SOURCE, reconciled};
