//! Explanations that rest on what AWS says about a job: its message and its state.
//!
//! A message alone makes a cause suspected and no more; rules that know a fact besides raise that themselves.

use super::engine::describe_job;
use super::facts::{self, Voice};
use super::{ActIn, Answer, Cause, Certainty, Finding, Severity, Step, steps};
use crate::event::JobState;
use crate::evidence::Evidence;
use crate::incident::Object;

/// What a rule says about the job once its cause is named.
pub struct Told {
    /// Other than the rule's own severity.
    pub severity: Option<Severity>,
    /// Who must act.
    pub act_in: ActIn,
    /// The object that must change, where it was read.
    pub object: Option<Object>,
    /// The cause in one sentence, without what AWS says.
    pub summary: String,
    /// What to do. Reading the job itself goes before it.
    pub next_steps: Vec<Step>,
}

/// Explains the job where its message can mean the cause.
pub fn by_text(evidence: &Evidence, cause: Cause, tell: impl FnOnce() -> Told) -> Answer {
    match facts::voice(evidence, &[cause]) {
        Voice::First | Voice::Among => explains(evidence, cause, Certainty::Suspected, &["message"], tell()),
        Voice::Against => Answer::RuledOut { why: format!("the message means `{}`", facts::reading(evidence).best()) },
        Voice::Others | Voice::Silent => Answer::CannotTell { needs: facts::reading(evidence).needs },
    }
}

/// An explanation with the facts it rests on.
pub fn explains(evidence: &Evidence, cause: Cause, certainty: Certainty, used: &[&str], told: Told) -> Answer {
    let mut next_steps = describe_job(evidence).into_iter().collect::<Vec<_>>();
    next_steps.extend(told.next_steps);
    Answer::Explains(Box::new(Finding {
        cause,
        certainty,
        severity: told.severity,
        act_in: told.act_in,
        object: told.object.unwrap_or_else(|| facts::provisional_object(evidence)),
        denied: None,
        summary: format!("{}{}", told.summary, said(evidence)),
        next_steps,
        used: used.iter().map(|fact| (*fact).to_owned()).collect(),
    }))
}

/// The job as people call it: `the copy job of vol-1 (EBS) in account 111111111111`.
pub fn job(evidence: &Evidence) -> String {
    let job = &evidence.job;
    let resource = job.resource_arn.as_ref().map(|arn| format!(" of `{}`", arn.resource_name())).unwrap_or_default();
    let resource_type = evidence.resource_type().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("the {} job{resource}{resource_type} in account {}", job.job_type.as_str(), job.account)
}

/// Whether the job counts as a success in AWS' own figures.
pub fn completed(evidence: &Evidence) -> bool {
    matches!(evidence.job.state, JobState::Completed | JobState::CompletedWithIssues)
}

/// Whether the message says that the resource has no copy although the job completed.
pub fn copy_missing(evidence: &Evidence) -> bool {
    completed(evidence) && evidence.status_message().is_some_and(says_not_copied)
}

/// The same of the message of a job that completed, or of its category.
pub fn says_not_copied(text: &str) -> bool {
    text.to_lowercase().contains("gapped")
}

/// Severity of a job that completed: `High` where a copy is missing all the same, else what the rule says of it.
pub fn severity(evidence: &Evidence, of_completed: Severity) -> Option<Severity> {
    match (completed(evidence), copy_missing(evidence)) {
        (true, true) => Some(Severity::High),
        (true, false) => Some(of_completed),
        (false, _) => None,
    }
}

/// Command that reads a resource's backup or copy jobs around the time of this one.
pub fn list_jobs(evidence: &Evidence) -> Option<Step> {
    let arn = evidence.job.resource_arn.as_ref()?;
    let command =
        steps::command("aws backup list-backup-jobs", &[("by-resource-arn", arn.as_str()), ("region", evidence.job.region.as_str())]);
    Some(steps::look(format!("List the jobs of the resource in account {}.", evidence.job.account), Some(command)))
}

fn said(evidence: &Evidence) -> String {
    match evidence.status_message().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!(" AWS says: {}", facts::cut(text, 300)),
        // AWS says nothing of what is not there.
        None if evidence.job.missed.is_some() => String::new(),
        None => format!(" AWS gives the state {} and no message.", evidence.job.state.as_str()),
    }
}
