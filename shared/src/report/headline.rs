//! The first line: what happened, to which resource, of which account.

use super::Kind;
use super::alert::AlertJob;
use super::words;
use crate::diagnosis::Cause;

/// `Copy failed: payroll-data (EBS) of account payroll (111111111111)`.
pub(super) fn title(kind: Kind, is_closed: bool, cause: Cause, job: &AlertJob, account_name: Option<&str>) -> String {
    format!(
        "{}: {} of {}",
        what(kind, is_closed, cause, job),
        words::resource(job, 48),
        words::named_account(&job.account_id, account_name)
    )
}

/// What happened, by the kind of message and the state of the job: `Copy failed`, `Still open: copy failed`.
pub(super) fn what(kind: Kind, is_closed: bool, cause: Cause, job: &AlertJob) -> String {
    let happened = happened(cause, job);
    let prefix = match kind {
        Kind::Failure => return happened,
        Kind::Upgrade => "New diagnosis",
        Kind::Reminder => "Still open",
        Kind::Recovering => "Recovering",
        // Somebody says so, and no job.
        Kind::Resolved if is_closed => "Closed",
        Kind::Resolved => "Resolved",
        Kind::Tamper => "Tampering",
        Kind::Prediction => "Will fail",
        Kind::Storm => "Storm",
        Kind::Sweep => "Sweep",
        Kind::SelfCheck => "Self-check",
    };
    let mut rest = happened.chars();
    let first = rest.next().map(|c| c.to_ascii_lowercase()).unwrap_or_default();
    format!("{prefix}: {first}{}", rest.as_str())
}

fn happened(cause: Cause, job: &AlertJob) -> String {
    let subject = match job.job_type.as_str() {
        "backup" => "Backup",
        "copy" => "Copy",
        "restore" => "Restore",
        "scan" => "Malware scan",
        _ => "Job",
    };
    let predicate = match job.state.as_str() {
        _ if cause == Cause::ThreatsFound => return "Malware found".to_owned(),
        "INTERRUPTED" => return "Continuous backup interrupted".to_owned(),
        "NOT_STARTED" => "not started",
        "OBJECTS_LEFT_OUT" => "left objects out",
        _ if cause == Cause::JobStuck => "makes no progress",
        "" => "event of AWS Backup could not be read",
        "FAILED" | "FAILING" => "failed",
        "EXPIRED" => "expired",
        "ABORTED" | "ABORTING" => "aborted",
        "CANCELED" => "canceled",
        "MISSED" => "did not run",
        "PARTIAL" => "only partly done",
        "COMPLETED_WITH_ISSUES" => "completed with issues",
        "COMPLETED" if job.status_message.is_none() => "completed",
        "COMPLETED" => "completed, but with a message",
        state => return format!("{subject} in state {}", words::cut(state, 32)),
    };
    format!("{subject} {predicate}")
}
