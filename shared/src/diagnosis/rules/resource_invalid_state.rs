//! The resource was in a state that allows no backup.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-031",
        name: "resource-invalid-state",
        title: "The resource was in a state that allows no backup",
        causes: &[Cause::ResourceInvalidState],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html"],
        page: include_str!("resource-invalid-state.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::ResourceInvalidState, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The resource was in a state that did not allow {}.", told::job(evidence)),
        next_steps: vec![
            steps::judge("Look at the state of the resource in the console of its service: it must be available."),
            steps::change("Start the job again when it is, or move the plan away from the changes or stop schedules of the resource.", None),
        ],
    }
}
