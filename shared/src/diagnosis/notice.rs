//! What the rules about notices share: findings that rest on what AWS told beside the events of its jobs.
//!
//! AWS states such a thing itself, so no text has to be interpreted to know *that* it is so; *why* may still need a refused call and the policies.

use super::facts;
use super::{Answer, Cause, Step, steps};
use crate::arn::Arn;
use crate::event::{JobState, Notice, NoticeKind};
use crate::evidence::Evidence;
use crate::incident::Object;

/// The causes that only a notice can have.
pub const CAUSES: &[Cause] = &[
    Cause::SelectionNotProcessed,
    Cause::SelectionDeleted,
    Cause::OrganizationPolicyInvalid,
    Cause::ContinuousBackupInterrupted,
    Cause::ObjectsLeftOut,
];

/// The notice, if it is of one of these kinds; else what the rule answers. `state`: that of a job that became known so.
pub fn of<'a>(evidence: &'a Evidence, kinds: &[NoticeKind], state: &JobState, needs: &str) -> Result<&'a Notice, Answer> {
    match evidence.job.notice.as_deref() {
        Some(notice) if kinds.contains(&notice.kind) => Ok(notice),
        None if evidence.job.state == *state => Err(Answer::CannotTell { needs: vec![needs.to_owned()] }),
        Some(_) | None => Err(Answer::RuledOut { why: "AWS told nothing of the kind".to_owned() }),
    }
}

/// The incident's object. A plan is known where the record of AWS Backup names one of this account and Region; of its selections each that cannot
/// be processed for a reason of its own is one. For anything else a name stands in, inside the account of the envelope, which is the only one that its words can touch. The resource of a job, which was read, stands in with
/// what was told of it: what is skipped by design, or failed to be restored, must not hide that a backup of the same lacks something.
pub fn object(evidence: &Evidence, notice: &Notice) -> Object {
    let job = &evidence.job;
    let named = job.resource_arn.as_ref();
    if let Some(plan) = named.filter(|_| notice.kind.is_of_plan()) {
        let subject = notice.subject();
        if notice.kind != NoticeKind::SelectionNotProcessed || subject.is_empty() {
            return facts::known_object(evidence, plan);
        }
        let route = [job.region.as_str(), notice.kind.as_str(), plan.as_str(), subject.as_str()];
        return Object::Provisional { account_id: job.account.clone(), route: route.join("|") };
    }
    let described = evidence.description.known().and_then(|job| job.resource_arn.as_ref()).filter(|_| notice.kind.is_of_job());
    if let Some(resource) = described {
        let route = [job.region.as_str(), notice.kind.as_str(), job.job_type.as_str(), resource.as_str()];
        return Object::Provisional { account_id: job.account.clone(), route: route.join("|") };
    }
    let names =
        [named.map(Arn::as_str), notice.policy_id.as_deref(), notice.plan_name.as_deref(), notice.selections.first().map(String::as_str)];
    let name = names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default();
    let fingerprint = facts::reading(evidence).fingerprint;
    let route = [job.region.as_str(), notice.kind.as_str(), job.job_type.as_str(), name, fingerprint.as_str()];
    Object::Provisional { account_id: job.account.clone(), route: route.join("|") }
}

/// The plan as people call it: `the plan daily (arn:…)`.
pub fn plan(evidence: &Evidence, notice: &Notice) -> String {
    let arn = evidence.job.resource_arn.as_ref().map(Arn::as_str);
    let id = evidence.job.plan.as_ref().and_then(|plan| plan.plan_id.as_deref());
    match (notice.plan_name.as_deref().map(|name| facts::cut(name, 64)), arn.or(id)) {
        (Some(name), Some(id)) => format!("the backup plan `{name}` ({id})"),
        (Some(name), None) => format!("the backup plan `{name}`"),
        (None, Some(id)) => format!("the backup plan {id}"),
        (None, None) => "a backup plan that AWS does not name".to_owned(),
    }
}

/// The selections as people call them: `the selection a`, `the selections a, b`.
pub fn selections(notice: &Notice) -> String {
    let names = notice.selections.iter().map(|name| format!("`{}`", facts::cut(name, 64))).collect::<Vec<_>>();
    match names.as_slice() {
        [] => "a selection that AWS does not name".to_owned(),
        [one] => format!("the selection {one}"),
        several => format!("the selections {}", several.join(", ")),
    }
}

/// Whether the plan is one that a backup policy of the organization makes: nobody can change it in the account.
pub fn is_of_organization(evidence: &Evidence) -> bool {
    let plan = evidence.job.plan.as_ref();
    let by_arn = evidence.job.resource_arn.as_ref().is_some_and(|arn| arn.resource().starts_with("backup-plan:orgs/"));
    by_arn || plan.and_then(|plan| plan.plan_id.as_deref()).is_some_and(|id| id.starts_with("orgs/"))
}

/// Reads the selections of the plan.
pub fn list_selections(evidence: &Evidence) -> Option<Step> {
    let arn = evidence.job.resource_arn.as_ref().and_then(|arn| arn.resource().split_once(':')).map(|(_, id)| id);
    let id = arn.or_else(|| evidence.job.plan.as_ref()?.plan_id.as_deref())?;
    let command = steps::command("aws backup list-backup-selections", &[("backup-plan-id", id), ("region", evidence.job.region.as_str())]);
    Some(steps::look(format!("In account {}, list the selections of the plan.", evidence.job.account), Some(command)))
}

/// Reads the record of CloudTrail.
pub fn read_record(evidence: &Evidence, notice: &Notice) -> Option<Step> {
    let id = notice.id.as_deref()?;
    let attribute = format!("AttributeKey=EventId,AttributeValue={id}");
    let options = [("lookup-attributes", attribute.as_str()), ("region", evidence.job.region.as_str())];
    let command = steps::command("aws cloudtrail lookup-events", &options);
    Some(steps::look(format!("Read the record of AWS Backup in CloudTrail of account {}.", evidence.job.account), Some(command)))
}

/// How the incident ends where no job can show that it is over.
pub fn ends_by_hand() -> Step {
    steps::judge(
        "No job can show that this is over, so reminders go on. Take the incident on until it is mended (guardian incidents ack), and when you have seen that it is, close it (guardian incidents close).",
    )
}

/// What AWS says, where it says anything.
pub fn said(evidence: &Evidence) -> String {
    evidence.status_message().map(|text| format!(" AWS says: {}", facts::cut(text, 600))).unwrap_or_default()
}

/// The evidence line of the record.
pub fn used(notice: &Notice, what: &str) -> Vec<String> {
    vec![notice.id.as_ref().map_or_else(|| what.to_owned(), |id| format!("{what} {id}"))]
}
