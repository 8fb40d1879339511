//! What the events of all four kinds of job have in common, and how it is read.

use serde_json::Value;

use super::envelope::Envelope;
use super::field::{Fields, clip_marked, kind};
use super::job::{Job, JobId, JobState, PlanRef};

/// Longest job id, in bytes; AWS' own are UUIDs.
const LONGEST_ID: usize = 128;
/// How much of a status message is kept, in bytes.
const LONGEST_MESSAGE: usize = 16 * 1024;

impl Job {
    /// The fields that all job events share.
    pub(super) fn read_common(&mut self, envelope: &Envelope, detail: &mut Fields<'_>) {
        self.event_id.clone_from(&envelope.event_id);
        self.event_time = envelope.time;
        self.created_at = detail.timestamp("creationDate");
        self.completed_at = detail.timestamp("completionDate");
        self.role_arn = detail.arn("iamRoleArn");
        self.resource_type = detail.text("resourceType");
        self.status_message = status_message(detail, "statusMessage");
        self.size_bytes = detail.size("backupSizeInBytes");
        self.parent_job_id = job_id(detail, "parentJobId");
        self.plan = plan(detail);
    }

    /// The job id, from the field of this kind of job.
    pub(super) fn read_id(&mut self, detail: &mut Fields<'_>, name: &str) {
        let known = detail.problems.len();
        self.job_id = job_id(detail, name);
        if self.job_id.is_none() && detail.problems.len() == known {
            detail.problem(name, "missing");
        }
    }

    /// The state, from `state` or `status`. Where an event has both and they differ, the one that is a problem counts.
    pub(super) fn read_state(&mut self, detail: &mut Fields<'_>, usual: &str) {
        let known = detail.problems.len();
        let unusual = if usual == "state" { "status" } else { "state" };
        let mut states = [usual, unusual].into_iter().filter_map(|name| detail.text(name).map(JobState::from)).collect::<Vec<_>>();
        states.dedup();
        if states.len() > 1 {
            detail.problem(usual, format!("differs from `{unusual}`"));
        }
        let chosen = states.iter().find(|state| Self { state: (*state).clone(), ..self.clone() }.is_problem()).or(states.first());
        match chosen {
            Some(state) => self.state = state.clone(),
            None if detail.problems.len() == known => detail.problem(usual, "missing"),
            None => {}
        }
    }
}

/// A job id, if the field can be one: it becomes part of keys, so it must be short, visible and without blanks.
pub(super) fn job_id(detail: &mut Fields<'_>, name: &str) -> Option<JobId> {
    let text = detail.text(name)?;
    if text.len() <= LONGEST_ID && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(JobId::from(text));
    }
    detail.problem(name, "not a job id");
    None
}

/// The plan that started a job. The rule id is `backupPlanRuleId` in most events and `backupRuleId` in those of scans.
fn plan(detail: &mut Fields<'_>) -> Option<PlanRef> {
    let created_by = detail.get("createdBy")?;
    if !created_by.is_object() {
        detail.problem("createdBy", format!("{}, not an object", kind(created_by)));
        return None;
    }
    let mut fields = Fields::of("detail.createdBy", Some(created_by));
    let plan = PlanRef {
        plan_id: fields.text("backupPlanId"),
        plan_arn: fields.arn("backupPlanArn"),
        rule_id: fields.text("backupPlanRuleId").or_else(|| fields.text("backupRuleId")),
        rule_name: None,
    };
    detail.problems.append(&mut fields.problems);
    Some(plan).filter(|plan| plan != &PlanRef::default())
}

/// A message of AWS: without the literal quotation marks that backup events put around it, bounded, absent where it is empty. What is no text
/// is kept as its JSON, because whatever AWS wrote there is what a person must read.
pub(super) fn status_message(detail: &mut Fields<'_>, name: &str) -> Option<String> {
    let text = match detail.get(name)? {
        Value::String(text) => text.clone(),
        other => {
            detail.problem(name, format!("{}, not a text", kind(other)));
            other.to_string()
        }
    };
    let text = unquoted(text.trim());
    let text = text.trim();
    if text.len() > LONGEST_MESSAGE {
        detail.problem(name, format!("longer than {LONGEST_MESSAGE} bytes, cut"));
    }
    Some(clip_marked(text, LONGEST_MESSAGE)).filter(|text| !text.is_empty())
}

/// A text without the quotation marks around it, its escapes undone.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.to_owned() };
    match serde_json::from_str::<String>(text) {
        Ok(undone) => undone,
        // A text such as `"a" is not "b"` is not a quoted text.
        Err(_) if inner.contains('"') => text.to_owned(),
        Err(_) => inner.to_owned(),
    }
}
