//! Every rule of a plan has a next run.

use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject};
use crate::coverage::Schedule;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{BackupPlan, PlanRule};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-049",
        name: "plan-schedule-valid",
        title: "Every rule of a plan has a next run",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html",
            "https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html",
        ],
        page: include_str!("plan-schedule-valid.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.plans(|subject, _, _, _, plan| {
        let mut outcomes = plan.rules.iter().map(|rule| of(view, subject.clone().part(rule.name.clone()), plan, rule)).collect::<Vec<_>>();
        if outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(subject, "it has no rule"));
        }
        outcomes
    })
}

fn of(view: &AccountView<'_>, subject: Subject, plan: &BackupPlan, rule: &PlanRule) -> Outcome {
    let Some(expression) = rule.times.schedule.as_deref() else {
        return Outcome::not_applicable(subject, "the rule has no schedule of its own");
    };
    match Schedule::parse(expression, rule.times.zone.as_deref()) {
        // AWS took the expression: that we cannot read it says nothing of the plan.
        Err(error) => Outcome::unknown(subject, format!("not understood: {error}"), Vec::new()),
        Ok(schedule) if schedule.pace().is_some() => Outcome::pass(subject, format!("it runs at a steady pace: {}", quoted(expression))),
        Ok(schedule) => match schedule.next_after(view.now) {
            Some(next) => Outcome::pass(subject, format!("it runs next on {}", schedule.on_the_wall(next))),
            None => {
                let remedy = format!(
                    "change the schedule of rule {} in plan {} (or in the backup policy that made it)",
                    quoted(&rule.name),
                    quoted(&plan.name)
                );
                Outcome::fail(subject, format!("{} never comes again: the rule makes no more backups", quoted(expression)), remedy)
            }
        },
    }
}
