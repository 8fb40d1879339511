//! Service events of AWS Backup, recorded by CloudTrail, that mean that no job will ever be made.
//!
//! `ProcessBackupPlanSelection` is documented by name only; its fields are those that users print. Of `InvalidOrganizationBackupPlan` and its
//! neighbours AWS documents that they hold plan, rules and selections. So every name that is used for a thing is tried, and none is demanded.
//! Sources: <https://docs.aws.amazon.com/aws-backup/latest/devguide/logging-using-cloudtrail.html>,
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html>,
//! <https://github.com/awslabs/landing-zone-accelerator-on-aws/issues/194>.

use serde_json::Value;

use super::field::Fields;
use super::job::{Job, JobState, PlanRef};
use super::notice::{Notice, NoticeKind};
use crate::arn::Arn;
use crate::evidence::cloudtrail::Record;
use crate::evidence::{Denial, DenialKind};

const SOURCE: &str = "backup.amazonaws.com";
/// A record that names more selections than a person reads names enough.
const MOST_SELECTIONS: usize = 8;

/// What a record tells, if it is one of these. A plan whose selection was processed without an error is none.
pub(super) fn kind(record: &Record, detail: &Value) -> Option<NoticeKind> {
    if record.event_source != SOURCE {
        return None;
    }
    let failed = || {
        let fields = Fields::of("detail", Some(detail));
        // An error that cannot be read is an error.
        fields.get("errorCode").is_some() || fields.get("errorMessage").is_some()
    };
    match record.event_name.as_str() {
        "ProcessBackupPlanSelection" if failed() => Some(NoticeKind::SelectionNotProcessed),
        "BackupSelectionDeletedDueToSLRDeletion" => Some(NoticeKind::SelectionDeleted),
        "InvalidOrganizationBackupPlan" => Some(NoticeKind::OrganizationPolicyInvalid),
        _ => None,
    }
}

/// Fills in what the record says. Account and Region of the job are those of the envelope already, and stay.
pub(super) fn read(job: &mut Job, kind: NoticeKind, record: &Record, detail: &Value) {
    let mut details = Fields::of("detail.serviceEventDetails", detail.get("serviceEventDetails"));
    if !detail.get("serviceEventDetails").is_some_and(Value::is_object) {
        details.problem("backupPlanArn", "missing, like the rest of `serviceEventDetails`");
    }
    let mut notice = Notice::new(kind);
    notice.id = Some(record.event_id.clone());
    notice.recorded_at = Some(record.event_time);
    notice.error_code.clone_from(&record.error_code);
    job.state = JobState::NotStarted;
    job.event_time = job.event_time.or(Some(record.event_time));
    job.created_at = Some(record.event_time);
    job.status_message = record.error_message.clone().or_else(|| record.error_code.clone());

    // `None` where the field is a structure: only the plan that the policy means has one.
    let effective = details.get("effectiveBackupPlan").or_else(|| details.get("backupPlan"));
    let mut wanted = Fields::of("detail.serviceEventDetails.effectiveBackupPlan", effective);
    let plan = PlanRef {
        plan_id: details.text("backupPlanId"),
        plan_arn: details.arn("backupPlanArn"),
        rule_id: first(&mut details, &["backupPlanRuleId", "backupRuleId"]),
        rule_name: None,
    };
    notice.plan_name = details.text("backupPlanName").or_else(|| first(&mut wanted, &["logicalName", "backupPlanName", "name"]));
    notice.policy_id = first(&mut details, &["effectivePolicyId", "policyId"]);
    notice.selections = selections(&mut details, &wanted);
    let role = details.arn("iamRoleArn");

    if kind == NoticeKind::SelectionNotProcessed {
        notice.denial = record.denial().into_iter().next().and_then(|denial| denial_of(denial, job)).map(Box::new);
    }
    let own_role = |arn: &Arn| arn.service() == "iam" && arn.role_name().is_some() && arn.account().as_ref() == Some(&job.account);
    let refused = notice.denial.as_ref().and_then(|denial| denial.resource.clone());
    job.role_arn = role.or(refused).filter(own_role);

    let own_plan =
        |arn: &Arn| arn.service() == "backup" && arn.account().as_ref() == Some(&job.account) && arn.region().as_ref() == Some(&job.region);
    if plan.plan_arn.as_ref().is_some_and(|arn| !own_plan(arn)) {
        details.problem("backupPlanArn", "not a plan of this account and Region");
    }
    job.resource_arn = plan.plan_arn.clone().filter(own_plan);
    job.resource_type = Some("backup plan".to_owned());
    job.plan = Some(plan).filter(|plan| plan != &PlanRef::default());
    job.notice = Some(Box::new(notice));
    job.problems.append(&mut details.problems);
    job.problems.append(&mut wanted.problems);
}

/// The refused call behind the error. A text that names a role and no action, and says that the role cannot be assumed, is a refused
/// `sts:AssumeRole` of AWS Backup itself; one that names neither action nor role tells no call.
fn denial_of(denial: Denial, job: &Job) -> Option<Denial> {
    let denial = Denial { recorded_in: job.account.clone(), region: job.region.clone(), ..denial };
    let about_itself = denial.action.as_deref().is_some_and(|action| action.eq_ignore_ascii_case("backup:ProcessBackupPlanSelection"));
    if !about_itself {
        return (denial.kind == DenialKind::AccessDenied).then_some(denial);
    }
    let assumed = denial.message.as_deref().is_some_and(|message| message.to_lowercase().contains("assume"));
    let role = denial.resource.as_ref().is_some_and(|arn| arn.service() == "iam" && arn.role_name().is_some());
    (assumed && role).then(|| Denial { action: Some("sts:AssumeRole".to_owned()), ..denial })
}

fn first(fields: &mut Fields<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| fields.text(name))
}

/// The selections, by name where there is one. Some records hold them as a list, some as the text of one, and some name just the one.
fn selections(details: &mut Fields<'_>, wanted: &Fields<'_>) -> Vec<String> {
    let one = first(details, &["backupSelectionName", "selectionName", "backupSelectionId", "selectionId"]);
    let mut named = one.into_iter().collect::<Vec<_>>();
    let listed = details.get("backupSelections").or_else(|| wanted.get("selections"));
    match listed {
        Some(Value::String(text)) => names_in(&serde_json::from_str(text).unwrap_or(Value::Null), &mut named),
        Some(listed) => names_in(listed, &mut named),
        None => {}
    }
    named.truncate(MOST_SELECTIONS);
    named
}

/// The names of selections in a list of them, or in an object of such lists.
fn names_in(value: &Value, named: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            let name = |one: &Value| first(&mut Fields::of("", Some(one)), &["selectionName", "name", "selectionId"]);
            named.extend(list.iter().take(MOST_SELECTIONS).filter_map(name));
        }
        Value::Object(kinds) => kinds.values().filter(|kind| kind.is_array()).for_each(|kind| names_in(kind, named)),
        _ => {}
    }
}
