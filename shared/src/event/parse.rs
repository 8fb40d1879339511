//! From bytes to what the event is.

use serde_json::Value;

use super::change::{Change, ChangeKind};
use super::degraded::{Degraded, Quarantine, QuarantineReason};
use super::envelope::Envelope;
use super::field::{Fields, kind};
use super::job::{Job, JobState, JobType, Problem};
use super::notice::NoticeKind;
use super::{
    backup_job, copy_job, index, job_fields, missed, not_started, plan, reconciled, recovery_point, region_setting, repair, restore_job,
    scan_job, vault,
};
use crate::arn::{AccountId, Region};
use crate::evidence::cloudtrail::Record;

/// What some bytes turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// A job changed its state.
    Job(Box<Job>),
    /// A call or service event recorded by CloudTrail.
    Trail(Box<Record>),
    /// A vault, plan, Region setting, recovery point or index changed.
    Change(Box<Change>),
    /// An event of a type or source that is not known: kept and counted.
    Other {
        /// The account, if the envelope has one.
        account: Option<AccountId>,
        /// The Region, if the envelope has one.
        region: Option<Region>,
        /// The detail-type as it was written. Untrusted text.
        detail_type: String,
    },
    /// An event of AWS Backup about which not even a job can be said: alerted with its raw text.
    Degraded(Box<Degraded>),
    /// No event: counted and kept aside.
    Quarantine(Quarantine),
}

/// The detail-type of calls that CloudTrail recorded.
pub const TRAIL_DETAIL_TYPE: &str = "AWS API Call via CloudTrail";

/// What the detail-type says an event is.
enum DetailType {
    Job(JobType),
    Change(ChangeKind),
    Trail,
    Unknown,
}

impl DetailType {
    fn of(text: &str) -> Self {
        let job = [JobType::Backup, JobType::Copy, JobType::Restore, JobType::Scan];
        if let Some(job) = job.into_iter().find(|job| text.eq_ignore_ascii_case(job.detail_type())) {
            return Self::Job(job);
        }
        match text.to_ascii_lowercase().as_str() {
            "backup vault state change" => Self::Change(ChangeKind::Vault),
            "backup plan state change" => Self::Change(ChangeKind::Plan),
            // The singular is what AWS sends; its pages have both.
            "region setting state change" | "region settings state change" => Self::Change(ChangeKind::RegionSetting),
            "recovery point state change" => Self::Change(ChangeKind::RecoveryPoint),
            "recovery point index state change" => Self::Change(ChangeKind::RecoveryPointIndex),
            _ if text.eq_ignore_ascii_case(TRAIL_DETAIL_TYPE) => Self::Trail,
            "aws service event via cloudtrail" | "aws console action via cloudtrail" => Self::Trail,
            _ => Self::Unknown,
        }
    }
}

/// Reads one EventBridge event from its JSON text. Never fails: what cannot be read has its own answer.
pub fn parse(bytes: &[u8]) -> Parsed {
    let (event, repaired) = match repair::read(bytes) {
        Ok(read) => read,
        Err(error) => {
            return quarantine(QuarantineReason::NotJson, format!("not JSON at line {} column {}", error.line(), error.column()), bytes);
        }
    };
    if !event.is_object() {
        return quarantine(QuarantineReason::NotAnEvent, format!("{}, not an object", kind(&event)), bytes);
    }
    let mut envelope = Envelope::read(&event);
    if repaired {
        envelope.problems.push(Problem { field: "event".to_owned(), what: "broken characters, repaired".to_owned() });
    }
    classify(&event, envelope, bytes)
}

/// The whole detail of an event that [`parse`] has read, repaired as it was for that.
pub fn detail(bytes: &[u8]) -> Option<Value> {
    detail_of(&repair::read(bytes).ok()?.0).0
}

fn classify(event: &Value, envelope: Envelope, bytes: &[u8]) -> Parsed {
    let detail_type = envelope.detail_type.as_deref().map(DetailType::of);
    // What our own reconciliation found in a list is read like what AWS announces.
    let from_backup =
        envelope.source.as_deref().map(|source| source.eq_ignore_ascii_case("aws.backup") || source == reconciled::RECONCILED_SOURCE);
    let from_aws = envelope.source.as_deref().is_some_and(|source| source.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws.")));
    match (from_backup, detail_type) {
        (_, Some(DetailType::Trail)) if from_aws => trail(event, envelope, bytes),
        (Some(false), Some(_)) | (Some(true), Some(DetailType::Unknown)) => other(envelope),
        // A source that is missing is damage, not another sender: only another sender is not ours to alert.
        (Some(true) | None, Some(DetailType::Job(job_type))) => job(event, envelope, Some(job_type), bytes),
        (Some(true) | None, Some(DetailType::Change(kind))) => change(event, envelope, kind, bytes),
        (Some(true), None) => {
            let job_type = job_type_by_fields(event);
            job(event, envelope, job_type, bytes)
        }
        (Some(false) | None, None) | (None, Some(DetailType::Unknown)) | (_, Some(DetailType::Trail)) => {
            quarantine(QuarantineReason::NotAnEvent, problems_in_words(&envelope.problems), bytes)
        }
    }
}

fn other(envelope: Envelope) -> Parsed {
    Parsed::Other { account: envelope.account, region: envelope.region, detail_type: envelope.detail_type.unwrap_or_default() }
}

pub(super) fn quarantine(reason: QuarantineReason, what: String, bytes: &[u8]) -> Parsed {
    Parsed::Quarantine(Quarantine { reason, what, raw: Degraded::keep_raw(bytes) })
}

pub(super) fn problems_in_words(problems: &[Problem]) -> String {
    let words = problems.iter().map(|problem| format!("`{}`: {}", problem.field, problem.what)).collect::<Vec<_>>().join(", ");
    if words.is_empty() { "no envelope of an event".to_owned() } else { words }
}

/// The kind of job by the id field, for events without a readable detail-type.
fn job_type_by_fields(event: &Value) -> Option<JobType> {
    let detail = Fields::of("detail", event.get("detail"));
    [
        ("copyJobId", JobType::Copy),
        ("destinationBackupVaultArn", JobType::Copy),
        ("restoreJobId", JobType::Restore),
        ("scanJobId", JobType::Scan),
        ("backupJobId", JobType::Backup),
    ]
    .into_iter()
    .find_map(|(field, job_type)| detail.get(field).map(|_| job_type))
}

/// The detail of an event; one that was written as the text of its JSON is read as well.
fn detail_of(event: &Value) -> (Option<Value>, Option<&'static str>) {
    match Fields::of("", Some(event)).get("detail") {
        Some(detail @ Value::Object(_)) => (Some(detail.clone()), None),
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(detail @ Value::Object(_)) => (Some(detail), Some("the text of an object, not an object")),
            Ok(_) | Err(_) => (None, Some("a text, not an object")),
        },
        Some(other) => (None, Some(kind(other))),
        None => (None, Some("missing")),
    }
}

fn job(event: &Value, mut envelope: Envelope, job_type: Option<JobType>, bytes: &[u8]) -> Parsed {
    let Some(account) = envelope.account.clone() else {
        return quarantine(QuarantineReason::NoAccount, problems_in_words(&envelope.problems), bytes);
    };
    let (detail, problem) = detail_of(event);
    if let Some(problem) = problem {
        envelope.problems.push(Problem { field: "detail".to_owned(), what: problem.to_owned() });
    }
    let (Some(region), Some(job_type)) = (envelope.region.clone(), job_type) else {
        let said = job_fields::status_message(&mut Fields::of("detail", detail.as_ref()), "statusMessage");
        return degraded(account, envelope, job_type, said, bytes);
    };
    let mut fields = Fields::of("detail", detail.as_ref());
    let mut job = Job::new(account.clone(), region, job_type);
    job.read_common(&envelope, &mut fields);
    match job_type {
        JobType::Backup => backup_job::read(&mut job, &envelope, &mut fields),
        JobType::Copy => copy_job::read(&mut job, &envelope, &mut fields),
        JobType::Restore => restore_job::read(&mut job, &envelope, &mut fields),
        JobType::Scan => scan_job::read(&mut job, &envelope, &mut fields),
    }
    if envelope.source.as_deref() == Some(reconciled::RECONCILED_SOURCE) {
        job.stuck_since = fields.timestamp(reconciled::STUCK_SINCE);
        job.missed = missed::read(&mut fields);
    }
    if job.job_id.is_none() && job.state == JobState::Other(String::new()) && job.status_message.is_none() {
        envelope.problems.append(&mut fields.problems);
        return degraded(account, envelope, Some(job_type), None, bytes);
    }
    job.problems = envelope.problems;
    job.problems.append(&mut fields.problems);
    Parsed::Job(Box::new(job))
}

fn degraded(account: AccountId, envelope: Envelope, job_type: Option<JobType>, status_message: Option<String>, bytes: &[u8]) -> Parsed {
    Parsed::Degraded(Box::new(Degraded {
        account,
        region: envelope.region,
        detail_type: envelope.detail_type.unwrap_or_default(),
        job_type,
        event_id: envelope.event_id,
        event_time: envelope.time,
        status_message,
        problems: envelope.problems,
        raw: Degraded::keep_raw(bytes),
    }))
}

fn change(event: &Value, mut envelope: Envelope, kind: ChangeKind, bytes: &[u8]) -> Parsed {
    let Some(account) = envelope.account.clone() else {
        return quarantine(QuarantineReason::NoAccount, problems_in_words(&envelope.problems), bytes);
    };
    let Some(region) = envelope.region.clone() else {
        return degraded(account, envelope, None, None, bytes);
    };
    let (detail, problem) = detail_of(event);
    if let Some(problem) = problem {
        envelope.problems.push(Problem { field: "detail".to_owned(), what: problem.to_owned() });
    }
    let mut fields = Fields::of("detail", detail.as_ref());
    let state_fields: &[&str] = match kind {
        ChangeKind::RecoveryPointIndex => &["indexStatus", "status", "state"],
        ChangeKind::RecoveryPoint => &["status", "state"],
        ChangeKind::Vault | ChangeKind::Plan | ChangeKind::RegionSetting => &["state", "status"],
    };
    let mut change = Change::begin(kind, (&account, &region), &envelope, &mut fields, state_fields);
    match kind {
        ChangeKind::Vault => vault::read(&mut change, &mut fields),
        ChangeKind::Plan => plan::read(&mut change, &mut fields),
        ChangeKind::RegionSetting => region_setting::read(&mut change, &mut fields),
        ChangeKind::RecoveryPoint => recovery_point::read(&mut change, &mut fields),
        ChangeKind::RecoveryPointIndex => index::read(&mut change, &mut fields),
    }
    change.problems = envelope.problems;
    change.problems.append(&mut fields.problems);
    Parsed::Change(Box::new(change))
}

fn trail(event: &Value, envelope: Envelope, bytes: &[u8]) -> Parsed {
    let Some(account) = envelope.account.clone() else {
        return quarantine(QuarantineReason::NoAccount, problems_in_words(&envelope.problems), bytes);
    };
    let (detail, problem) = detail_of(event);
    let Some(detail) = detail else {
        let what = format!("`detail`: {}", problem.unwrap_or("missing"));
        return quarantine(QuarantineReason::UnreadableRecord, what, bytes);
    };
    match Record::parse(&detail) {
        Ok(mut record) => {
            if let Some(kind) = not_started::kind(&record, &detail) {
                return not_started(kind, &record, &detail, envelope, bytes);
            }
            // The envelope says whose trail it is; the record inside could name anybody.
            record.recorded_in = account;
            if let Some(region) = envelope.region.clone() {
                record.region = region;
            }
            Parsed::Trail(Box::new(record))
        }
        Err(error) => quarantine(QuarantineReason::UnreadableRecord, error.to_string(), bytes),
    }
}

/// A service event by which AWS Backup says that it made no job. Whose it is the envelope says, as for every job.
fn not_started(kind: NoticeKind, record: &Record, detail: &Value, envelope: Envelope, bytes: &[u8]) -> Parsed {
    let Some(account) = envelope.account.clone() else {
        return quarantine(QuarantineReason::NoAccount, problems_in_words(&envelope.problems), bytes);
    };
    let Some(region) = envelope.region.clone() else {
        return degraded(account, envelope, Some(JobType::Backup), record.error_message.clone(), bytes);
    };
    let mut job = Job::new(account, region, JobType::Backup);
    job.event_id.clone_from(&envelope.event_id);
    job.event_time = envelope.time;
    job.problems = envelope.problems;
    not_started::read(&mut job, kind, record, detail);
    Parsed::Job(Box::new(job))
}
