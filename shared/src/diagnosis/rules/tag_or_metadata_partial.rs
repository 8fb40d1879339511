//! The data is safe, tags or metadata are not.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-029",
        name: "tag-or-metadata-partial",
        title: "The data is safe, tags or metadata are not",
        causes: &[Cause::TagOrMetadataPartial],
        severity: Severity::Low,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html"],
        page: include_str!("tag-or-metadata-partial.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::TagOrMetadataPartial, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: Some(Severity::Low).filter(|_| told::completed(evidence)),
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("Tags or metadata were not carried over by {}.", told::job(evidence)),
        next_steps: vec![steps::change("Tag the recovery point by hand if a selection, a policy or a bill depends on its tags; check the organization's tag policies.", None)],
    }
}
