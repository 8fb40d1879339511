//! The machine form of an alert, `backup-guardian/alert/v1`. Fields are only ever added; what is unknown is absent.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Region};
use crate::diagnosis::{Candidate, Cause, Certainty, Denied, Evaluation, Patch, Severity, Side};
use crate::event::Problem;
use crate::evidence::Gap;
use crate::incident::IncidentId;

/// Schema id of the machine form.
pub const SCHEMA: &str = "backup-guardian/alert/v1";

/// What kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Failure,
    Upgrade,
    Reminder,
    Recovering,
    Resolved,
    Tamper,
    Prediction,
    Storm,
    Sweep,
    SelfCheck,
}

impl Kind {
    /// `failure`, `upgrade`, `reminder`, ...
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Upgrade => "upgrade",
            Self::Reminder => "reminder",
            Self::Recovering => "recovering",
            Self::Resolved => "resolved",
            Self::Tamper => "tamper",
            Self::Prediction => "prediction",
            Self::Storm => "storm",
            Self::Sweep => "sweep",
            Self::SelfCheck => "self-check",
        }
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// [`SCHEMA`].
    pub schema: String,
    /// What kind.
    pub kind: Kind,
    /// The incident.
    pub incident_id: IncidentId,
    /// The moment of the diagnosis: what is not in the alert was not seen until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When the incident was opened, in a message that is not its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// How bad.
    pub severity: Severity,
    /// First line: what happened, to which resource, of which account.
    pub title: String,
    /// The cause.
    pub cause: Cause,
    /// Code of the rule; absent where none matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How sure.
    pub certainty: Certainty,
    /// The cause in one sentence.
    pub summary: String,
    /// Who must act.
    pub act_in: ActIn,
    /// The refused call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denied>,
    /// What the policies say to the same call, evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// The smallest change that mends it, with its proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
    /// What changed since it last worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    /// The newest 20 jobs of the incident.
    pub jobs: Vec<AlertJob>,
    /// All of them.
    pub jobs_total: u64,
    /// Human names of the accounts that the alert mentions, as far as they are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub account_names: BTreeMap<AccountId, String>,
    /// The incidents of a digest; only in `storm`. Each stays an incident of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<IncidentLine>,
    /// The report object: all jobs of the incident, or of the incidents of a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_uri: Option<String>,
    /// The job that proves the recovery; only in `resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved_by: Option<AlertJob>,
    /// Who ended it without a job that proves it; only in `resolved`, in the place of `proved_by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// Who did it; only of tampering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What was done since the last message, oldest first; only of tampering.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Done>,
    /// Everything that the actor did, oldest first, at most the newest 20; only of tampering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<Moment>>,
    /// The route, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// What is unprotected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
    /// What the verdict rests on.
    pub evidence: Vec<EvidenceLine>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// Fields of the event that were missing or could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Problem>,
    /// What else it may be, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// What to do, in order.
    pub next_steps: Vec<NextStep>,
    /// How to see for oneself, and how to prove the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirm: Vec<NextStep>,
    /// Where to read on.
    pub links: Vec<String>,
    /// Class of the text of AWS: the same for the same message with other ids, names and numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What was left out to stay within the limits of SNS, in the order it was cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub truncated: Vec<String>,
    /// What is foretold; only in `prediction`. Its members stand beside the others.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub foretold: Option<Foretold>,
}

/// Whether copies that have not run yet will fail or will work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Outlook {
    WillFail,
    WillWork,
}

/// What a change does to copies that have not run yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foretold {
    /// Whether they will fail or will work.
    pub outlook: Outlook,
    /// When the first of them is due, where a schedule tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run: Option<Timestamp>,
    /// The first of them.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// How many there are.
    pub routes_total: u64,
    /// Statements that deny what they need, and were not there before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added_statements: Vec<serde_json::Value>,
    /// Statements that allowed what they need, and are gone or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_statements: Vec<serde_json::Value>,
}

/// Who must act, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ActIn {
    pub account_id: AccountId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<String>,
    /// The part this account plays. With `management`, `account_id` is the source account where the id of the management account is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// What changed, who changed it, when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Changed {
    pub actor: String,
    pub action: String,
    pub event_id: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
}

/// A deed that endangers backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Done {
    pub actor: String,
    pub action: String,
    pub event_id: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// Label of the kind of deed.
    pub kind: String,
    pub severity: Severity,
    pub account_id: AccountId,
    pub region: Region,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<String>,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    pub endangers: String,
    /// It was tried and refused, with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Alert {
    /// The events whose deeds stand in it.
    pub fn event_ids(&self) -> impl Iterator<Item = &str> {
        let changes = self.changes.iter().map(|done| done.event_id.as_str());
        changes.chain(self.timeline.iter().flatten().map(|moment| moment.event_id.as_str()))
    }
}

/// A moment of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Moment {
    pub at: Timestamp,
    pub severity: Severity,
    pub account_id: AccountId,
    pub region: Region,
    pub event_id: String,
    pub text: String,
}

/// Who closed an incident, and what shows that it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Closed {
    pub owner: String,
    pub reason: String,
    pub at: Timestamp,
}

/// A job of the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AlertJob {
    pub account_id: AccountId,
    pub region: Region,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    pub job_type: String,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The route of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Route {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_vault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_vault: Option<String>,
}

/// What is unprotected, since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Impact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unprotected_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good_copy_at: Option<Timestamp>,
    /// The longest that the plan's rule lets pass between two good copies (ISO 8601).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_point_objective: Option<SignedDuration>,
    /// Whether the last good copy is older than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breached: Option<bool>,
    /// Resources whose newest copy or backup failed and was not made since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncopied_total: Option<u64>,
    /// When the first recovery point that was not copied expires: until then it can be copied after all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_expires_at: Option<Timestamp>,
}

/// An incident in a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct IncidentLine {
    pub incident_id: IncidentId,
    pub severity: Severity,
    pub title: String,
    pub cause: Cause,
    pub certainty: Certainty,
    pub act_in: ActIn,
    pub jobs_total: u64,
}

/// One line of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct EvidenceLine {
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub account_id: AccountId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    pub text: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NextStep {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    pub grade: crate::diagnosis::Grade,
}

impl NextStep {
    /// Takes the command away and says so: a command is shown whole or not at all.
    pub(super) fn leave_out_command(&mut self, why: &str) {
        self.command = None;
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(&format!("(Its command is left out: {why}.)"));
    }
}
