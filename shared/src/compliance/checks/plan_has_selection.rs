//! Every plan selects something.

use crate::compliance::say::{count, quoted};
use crate::compliance::walk::plan_subject;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-048",
        name: "plan-has-selection",
        title: "Every plan selects something",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListBackupSelections", "backup:GetBackupSelection"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html"],
        page: include_str!("plan-has-selection.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        let Some(plans) = region.plans.known() else { return vec![Outcome::unseen(place.here(), "the plans", &region.plans)] };
        if plans.is_empty() {
            return vec![Outcome::not_applicable(place.here(), "there is no plan")];
        }
        let outcomes = plans.iter().map(|plan| {
            let subject = plan_subject(place, &plan.id);
            match plan.selections.known() {
                None => Outcome::unseen(subject, "the selections of the plan", &plan.selections),
                Some(selections) if !selections.is_empty() => {
                    Outcome::pass(subject, format!("it has {}", count(selections.len(), "selection")))
                }
                Some(_) => {
                    let name = plan.plan.known().map_or(plan.id.as_str(), |plan| plan.name.as_str());
                    let remedy = format!(
                        "{} give the plan {} a selection ({}), or delete it; where a backup policy made it, correct that",
                        place.words(),
                        quoted(name),
                        quoted(&command(
                            "aws backup create-backup-selection --backup-selection file://selection.json",
                            &[("backup-plan-id", &plan.id)]
                        ))
                    );
                    Outcome::fail(subject, format!("the plan {} has no selection, so it backs up nothing", quoted(name)), remedy)
                }
            }
        });
        outcomes.collect()
    })
}
