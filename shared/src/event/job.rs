//! A backup, copy, restore or scan job as an event tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::missed::MissedRun;
use super::notice::{Notice, NoticeKind};
use crate::arn::{AccountId, Arn, Region};

/// Which kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum JobType {
    Backup,
    Copy,
    Restore,
    Scan,
}

impl JobType {
    /// `backup`, `copy`, `restore`, `scan`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Copy => "copy",
            Self::Restore => "restore",
            Self::Scan => "scan",
        }
    }

    /// The detail-type of its events, as AWS sends them
    /// (<https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-backup.html>).
    pub const fn detail_type(self) -> &'static str {
        match self {
            Self::Backup => "Backup Job State Change",
            Self::Copy => "Copy Job State Change",
            Self::Restore => "Restore Job State Change",
            Self::Scan => "Scan Job State Change",
        }
    }
}

/// A job id, in lower case: AWS prints the same id in either case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct JobId(String);

impl From<String> for JobId {
    fn from(text: String) -> Self {
        Self(text.trim().to_lowercase())
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl JobId {
    /// The id in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The state of a job. Unknown states are kept as AWS wrote them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[expect(missing_docs, reason = "AWS' own names")]
pub enum JobState {
    Created,
    Pending,
    Running,
    Completing,
    Completed,
    CompletedWithIssues,
    Partial,
    Failing,
    Failed,
    Aborting,
    Aborted,
    Expired,
    Canceled,
    /// Ours, not AWS': a run of a plan rule that was due, and of which there is no job.
    Missed,
    /// Ours: AWS made no job where one was wanted, and told so. See [`Notice`].
    NotStarted,
    /// Ours: a continuous backup stopped, and no job of it.
    Interrupted,
    /// Ours: a job left a part of its resource out.
    ObjectsLeftOut,
    /// Anything AWS may add, in upper case.
    Other(String),
}

impl From<String> for JobState {
    fn from(text: String) -> Self {
        let text = text.trim().to_uppercase();
        match text.as_str() {
            "CREATED" => Self::Created,
            "PENDING" => Self::Pending,
            "RUNNING" => Self::Running,
            "COMPLETING" => Self::Completing,
            "COMPLETED" => Self::Completed,
            "COMPLETED_WITH_ISSUES" => Self::CompletedWithIssues,
            "PARTIAL" => Self::Partial,
            "FAILING" => Self::Failing,
            "FAILED" => Self::Failed,
            "ABORTING" => Self::Aborting,
            "ABORTED" => Self::Aborted,
            "EXPIRED" => Self::Expired,
            "CANCELED" | "CANCELLED" => Self::Canceled,
            "MISSED" => Self::Missed,
            "NOT_STARTED" => Self::NotStarted,
            "INTERRUPTED" => Self::Interrupted,
            "OBJECTS_LEFT_OUT" => Self::ObjectsLeftOut,
            _ => Self::Other(text),
        }
    }
}

impl From<JobState> for String {
    fn from(state: JobState) -> Self {
        state.as_str().to_owned()
    }
}

impl JobState {
    /// AWS' name of the state.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "CREATED",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completing => "COMPLETING",
            Self::Completed => "COMPLETED",
            Self::CompletedWithIssues => "COMPLETED_WITH_ISSUES",
            Self::Partial => "PARTIAL",
            Self::Failing => "FAILING",
            Self::Failed => "FAILED",
            Self::Aborting => "ABORTING",
            Self::Aborted => "ABORTED",
            Self::Expired => "EXPIRED",
            Self::Canceled => "CANCELED",
            Self::Missed => "MISSED",
            Self::NotStarted => "NOT_STARTED",
            Self::Interrupted => "INTERRUPTED",
            Self::ObjectsLeftOut => "OBJECTS_LEFT_OUT",
            Self::Other(text) => text,
        }
    }
}

/// The plan that started a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanRef {
    /// Plan id; `orgs/…` for a plan made by an organization backup policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    /// Plan ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_arn: Option<Arn>,
    /// Rule id within the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// Name of the rule, where a list says it: whoever writes a plan again may get new ids for the same rules. Untrusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_name: Option<String>,
}

/// A field that was missing or could not be read; the event is used all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Path of the field, such as `detail.state`.
    pub field: String,
    /// What was wrong with it, without its value.
    pub what: String,
}

/// A job as its event tells it. Everything but the identity is optional, because every field is missing in some event of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The account that owns the job, from the envelope.
    pub account: AccountId,
    /// The Region of the job, from the envelope.
    pub region: Region,
    /// The kind of job, from the detail-type.
    pub job_type: JobType,
    /// Absent in a copy event of state CREATED and in damaged events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// `Other("")` where the event names none.
    pub state: JobState,
    /// `id` of the envelope. Not stable between deliveries: for the trail, not for identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// `time` of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Timestamp>,
    /// Creation of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Backups only: when its start window ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_by: Option<Timestamp>,
    /// Completion of the job; missing in AWS' own sample of a failed backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// The job role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<Arn>,
    /// The resource that is backed up, copied or (for a restore) was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<Arn>,
    /// `EBS`, `RDS`, `Storage Gateway`, …: an open set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// The recovery point read from (copy, restore, scan) or made (backup).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_point_arn: Option<Arn>,
    /// The vault of the backup, restore or scan, and the source vault of a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_arn: Option<Arn>,
    /// Copies only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_vault_arn: Option<Arn>,
    /// Copies only, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_recovery_point_arn: Option<Arn>,
    /// The text of AWS, without the literal quotation marks that backup events put around it. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// The event as it came, where it could not be read as one. For people: no rule may take it for a text of AWS. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_event: Option<String>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The plan, where one started the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanRef>,
    /// Parent of a child job of a composite recovery point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_job_id: Option<JobId>,
    /// Result of a malware scan, such as `THREATS_FOUND`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_result: Option<String>,
    /// Since when it has made no progress, where a reconciliation found that it should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_since: Option<Timestamp>,
    /// The run that made no job, where a reconciliation missed it; everything else but the identity and the plan is absent then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedRun>,
    /// What AWS told beside the events of its jobs, where that is how this one became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Box<Notice>>,
    /// What could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// What makes a delivery the same delivery: account, Region, job type, job id, state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of `Job`")]
pub struct JobKey {
    pub account: AccountId,
    pub region: Region,
    pub job_type: JobType,
    pub job_id: JobId,
    pub state: JobState,
}

impl std::fmt::Display for JobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{}/{}", self.account, self.region, self.job_type.as_str(), self.job_id.as_str(), self.state.as_str())
    }
}

impl Job {
    /// A job of which only the identity is known.
    pub fn new(account: AccountId, region: Region, job_type: JobType) -> Self {
        Self {
            account,
            region,
            job_type,
            job_id: None,
            state: JobState::Other(String::new()),
            event_id: None,
            event_time: None,
            created_at: None,
            start_by: None,
            completed_at: None,
            role_arn: None,
            resource_arn: None,
            resource_type: None,
            recovery_point_arn: None,
            vault_arn: None,
            destination_vault_arn: None,
            destination_recovery_point_arn: None,
            status_message: None,
            raw_event: None,
            size_bytes: None,
            plan: None,
            parent_job_id: None,
            scan_result: None,
            stuck_since: None,
            missed: None,
            notice: None,
            problems: Vec::new(),
        }
    }

    /// Whether a person must hear of it. A COMPLETED job with a message may mean *not copied*, and a state that AWS adds may mean anything:
    /// both are problems until a rule says otherwise. States on the way to an end are none, unless a job stays in them; a scan is well only
    /// where it says so.
    pub fn is_problem(&self) -> bool {
        if self.stuck_since.is_some() || self.missed.is_some() {
            return true;
        }
        match &self.state {
            JobState::Created | JobState::Pending | JobState::Running | JobState::Completing | JobState::Failing | JobState::Aborting => {
                false
            }
            JobState::Completed => {
                let scan_is_clean = self.job_type != JobType::Scan || self.scan_result.as_deref() == Some("NO_THREATS_FOUND");
                self.status_message.is_some() || !scan_is_clean
            }
            JobState::CompletedWithIssues
            | JobState::Partial
            | JobState::Failed
            | JobState::Aborted
            | JobState::Expired
            | JobState::Canceled
            | JobState::Missed
            | JobState::NotStarted
            | JobState::Interrupted
            | JobState::ObjectsLeftOut
            | JobState::Other(_) => true,
        }
    }

    /// What makes a delivery the same delivery. A job without an id gets one that is derived from what it is about and when it was created.
    /// Objects that a job skipped and objects that it failed with are told one after the other, and neither is the other.
    pub fn key(&self) -> JobKey {
        let skipped = self.notice.as_ref().is_some_and(|notice| notice.kind == NoticeKind::ObjectsSkipped);
        JobKey {
            account: self.account.clone(),
            region: self.region.clone(),
            job_type: self.job_type,
            job_id: self.job_id.clone().unwrap_or_else(|| self.derived_id()),
            state: if skipped { JobState::Other("OBJECTS_SKIPPED".to_owned()) } else { self.state.clone() },
        }
    }

    fn derived_id(&self) -> JobId {
        let mut hash = Sha256::new();
        // Length-prefixed, so that no field can flow into its neighbour.
        let mut field = |text: &str| {
            let text = text.to_lowercase();
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        for arn in [&self.vault_arn, &self.destination_vault_arn, &self.recovery_point_arn, &self.resource_arn] {
            field(arn.as_ref().map_or("", Arn::as_str));
        }
        let told = self.notice.as_ref().and_then(|notice| notice.id.as_deref());
        match self.created_at {
            // AWS gives what it tells an id of its own, the same in every delivery: two selections may fail in the same second.
            _ if told.is_some() => field(told.unwrap_or_default()),
            Some(at) => field(&at.to_string()),
            // Without its date, jobs of the same resource would be one: the delivery tells them apart. Better two messages than none.
            None => {
                field(&self.event_time.map_or_else(String::new, |at| at.to_string()));
                field(self.event_id.as_deref().unwrap_or_default());
                field(self.status_message.as_deref().unwrap_or_default());
                field(self.raw_event.as_deref().unwrap_or_default());
            }
        }
        let hex = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
        JobId(format!("derived-{hex}"))
    }
}
