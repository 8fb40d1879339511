//! AWS failed, or something passing did.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-037",
        name: "service-internal-or-transient",
        title: "AWS failed, or something passing did",
        causes: &[Cause::ServiceInternalOrTransient],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["cloudtrail:LookupEvents"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html"],
        page: include_str!("service-internal-or-transient.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::ServiceInternalOrTransient, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("AWS reports an internal or passing error for {}.", told::job(evidence)),
        next_steps: vec![
            steps::judge("Look for refused calls of the job's roles in CloudTrail of both accounts first: a fatal error can be anything."),
            steps::change("Start the job again.", None),
            steps::judge("If it fails the same way, open a support case with the job id."),
        ],
    }
}
