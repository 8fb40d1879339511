//! The resource's own window was in the way.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-027",
        name: "maintenance-window-conflict",
        title: "The resource's own window was in the way",
        causes: &[Cause::MaintenanceWindowConflict],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html"],
        page: include_str!("maintenance-window-conflict.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::MaintenanceWindowConflict, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The backup or maintenance window of the resource itself was in the way of {}.", told::job(evidence)),
        next_steps: vec![steps::change(
            "Move the plan at least an hour (FSx: three hours) away from the resource's own backup and maintenance windows, or let AWS Backup manage continuous backups.",
            None,
        )],
    }
}
