//! The service-linked role of AWS Backup was deleted, and the selections that used it with it: their plans back nothing up any more.

use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, facts, notice, steps};
use crate::event::{JobState, NoticeKind};
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-042",
        name: "selection-deleted",
        title: "A selection was deleted with its service-linked role",
        causes: &[Cause::SelectionDeleted],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/using-service-linked-roles.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/logging-using-cloudtrail.html",
        ],
        page: include_str!("selection-deleted.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    let notice = match notice::of(evidence, &[NoticeKind::SelectionDeleted], &JobState::NotStarted, "the service event of AWS Backup") {
        Ok(notice) => notice,
        Err(answer) => return answer,
    };
    let account = &evidence.job.account;
    let mut act_in = facts::in_source(evidence);
    act_in.resource_arn = evidence.job.resource_arn.as_ref().map(|arn| arn.as_str().to_owned());
    let mut next_steps = notice::list_selections(evidence).into_iter().collect::<Vec<_>>();
    next_steps.push(steps::change(
        format!("In account {account}, create the service-linked role again."),
        Some("aws iam create-service-linked-role --aws-service-name backup.amazonaws.com".to_owned()),
    ));
    next_steps.push(steps::change("Create the selection again, with the resources and the role that it had.", None));
    next_steps.extend(notice::read_record(evidence, notice));
    next_steps.push(notice::ends_by_hand());
    Answer::Explains(Box::new(Finding {
        cause: Cause::SelectionDeleted,
        // The record is of the deletion itself: nothing else can have caused it.
        certainty: Certainty::Proven,
        severity: None,
        act_in,
        object: notice::object(evidence, notice),
        denied: None,
        summary: format!(
            "AWS Backup deleted {} of {} in account {account}, {}, because the service-linked role that it used was deleted: what was selected \
             there is backed up no more.{}",
            notice::selections(notice),
            notice::plan(evidence, notice),
            evidence.job.region,
            notice::said(evidence),
        ),
        next_steps,
        used: notice::used(notice, "cloudtrail"),
    }))
}
