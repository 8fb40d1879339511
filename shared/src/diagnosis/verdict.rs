//! What a diagnosis says.

use serde::{Deserialize, Serialize};

use super::{Cause, Evaluation};
use crate::arn::{AccountId, Arn, Region};
use crate::evidence::{Denial, Effect, Gap, PolicyType};
use crate::incident::Object;
use crate::remedy::Proof;

/// How sure a verdict is. Ordered: a later one is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Raw text and a fingerprint.
    Unexplained,
    /// Job facts and text.
    Suspected,
    /// A denial matched to this job, or an evaluation that reproduces the failure.
    Supported,
    /// Both, or a state that suffices alone, such as a disabled key.
    Proven,
}

impl Certainty {
    /// `proven`, `supported`, `suspected`, `unexplained`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::Suspected => "suspected",
            Self::Supported => "supported",
            Self::Proven => "proven",
        }
    }
}

/// How bad it is. Ordered: a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// `critical`, `high`, `medium`, `low`, `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Who must act, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActIn {
    /// The account that must act.
    pub account_id: AccountId,
    /// Absent for global objects (roles, organization policies).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The object that must change, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<String>,
    /// The role this account plays.
    pub side: Side,
}

/// The part an account plays for the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Owns the job, the resource and the source vault.
    Source,
    /// Owns the destination vault.
    Destination,
    /// Owns the organization. Its id is often unknown to a member: then `account_id` is the source account and the text says so.
    Management,
}

/// The refused call behind a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// Who was refused: the role ARN where it is known, else the session ARN.
    pub principal: String,
    /// The IAM action.
    pub action: String,
    /// The object; absent where the record names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The type of policy that decided, where AWS said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_type: Option<PolicyType>,
    /// Explicit or implicit, where AWS said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// CloudTrail event id.
    pub event_id: String,
    /// When.
    pub event_time: jiff::Timestamp,
    /// The account whose trail has the record.
    pub recorded_in: AccountId,
    /// The Region of the record.
    pub region: Region,
}

impl Denied {
    /// The refused call that a denial records. The role behind the session is the better name: it is what a policy must allow.
    pub fn of(denial: &Denial) -> Self {
        Self {
            principal: denial
                .issuer_arn
                .as_ref()
                .map(|arn| arn.as_str().to_owned())
                .or_else(|| denial.principal.clone())
                .unwrap_or_else(|| "unknown".to_owned()),
            action: denial.action.clone().unwrap_or_else(|| {
                let service = denial.event_source.split('.').next().unwrap_or_default();
                format!("{service}:{}", denial.event_name)
            }),
            resource: denial.resource.as_ref().map(|arn: &Arn| arn.as_str().to_owned()),
            policy_type: denial.policy_type,
            effect: denial.effect,
            event_id: denial.event_id.clone(),
            event_time: denial.event_time,
            recorded_in: denial.recorded_in.clone(),
            region: denial.region.clone(),
        }
    }
}

/// A change that mends the cause, proven by evaluating the policies with and without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// What is changed: a key, a vault or a role.
    pub target_arn: String,
    /// The account that must do it.
    pub account_id: AccountId,
    /// The call that does it, such as `kms:PutKeyPolicy`.
    pub operation: String,
    /// The statements to add.
    pub statements: Vec<serde_json::Value>,
    /// The whole document with them; absent where the stored one holds text that cannot be shown safely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<serde_json::Value>,
    /// One command of the AWS CLI that applies it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cli: Option<String>,
    /// SHA-256 of the document that is replaced: if that changed meanwhile, the patch must be made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces_sha256: Option<String>,
    /// What was shown of it.
    pub proof: Proof,
}

/// How far a step may be trusted to a tired person or a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Reads, or writes that cannot widen access or lose data.
    Safe,
    /// Changes a policy or a setting: someone must agree.
    NeedsApproval,
    /// Needs judgement.
    HumanOnly,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do, in one sentence.
    pub text: String,
    /// A command that does it, ready to paste; every value in it is quoted for a POSIX shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// How far it may be trusted.
    pub grade: Grade,
}

/// A cause and how likely it is, before the facts are weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The cause.
    pub cause: Cause,
    /// In (0, 1]; a set of candidates sums to 1.
    pub likelihood: f64,
}

/// The outcome of a diagnosis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The cause.
    pub cause: Cause,
    /// Code of the rule, such as `BKD-001`.
    pub rule: String,
    /// How sure.
    pub certainty: Certainty,
    /// How bad.
    pub severity: Severity,
    /// Who must act.
    pub act_in: ActIn,
    /// What must change: the identity of the incident.
    pub object: Object,
    /// The refused call, where one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denied>,
    /// What the policies say to the same call, where they could be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// The smallest change that mends it, where one was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
    /// The cause in one sentence, with the accounts, principal and key of this job. May quote untrusted text.
    pub summary: String,
    /// What to do, in order.
    pub next_steps: Vec<Step>,
    /// The facts the verdict rests on, such as `kms:DescribeKey` or `cloudtrail:<event id>`.
    pub used: Vec<String>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// What else it may be, best first.
    pub candidates: Vec<Candidate>,
    /// Class of the text: the same for the same message with other ids, names and numbers.
    pub fingerprint: String,
}
