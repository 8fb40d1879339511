//! The resource, image or Region cannot do this.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-021",
        name: "unsupported-resource-or-operation",
        title: "The resource, image or Region cannot do this",
        causes: &[Cause::UnsupportedResourceOrOperation],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeRegionSettings"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html", "https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html"],
        page: include_str!("unsupported-resource-or-operation.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::UnsupportedResourceOrOperation, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: told::severity(evidence, Severity::Medium),
        act_in: facts::in_source(evidence),
        object: None,
        summary: if told::copy_missing(evidence) {
            format!("AWS calls {} completed, but the air-gapped vault does not take this type: the copy is missing.", told::job(evidence))
        } else {
            format!("AWS Backup cannot do what was asked for {}.", told::job(evidence))
        },
        next_steps: vec![
            steps::look(
                "Read which services are opted in for AWS Backup in that Region.",
                Some(steps::command("aws backup describe-region-settings", &[("region", evidence.job.region.as_str())])),
            ),
            steps::change("Opt in, take the resource out of the selection, or copy it with the means of its own service.", None),
        ],
    }
}
