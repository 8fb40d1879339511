//! The type cannot cross account and Region in one copy.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-020",
        name: "unsupported-cross-account-cross-region",
        title: "The type cannot cross account and Region in one copy",
        causes: &[Cause::UnsupportedCrossAccountCrossRegion],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeCopyJob"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html", "https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html"],
        page: include_str!("unsupported-cross-account-cross-region.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    if evidence.crosses_accounts() == Some(false) || evidence.crosses_regions() == Some(false) {
        return Answer::RuledOut { why: "the copy crosses one border only".to_owned() };
    }
    told::by_text(evidence, Cause::UnsupportedCrossAccountCrossRegion, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("AWS Backup cannot take {} to another account and another Region in one copy action.", told::job(evidence)),
        next_steps: vec![
            steps::look("Look the resource type and both Regions up in the feature table of AWS Backup: single-action copies were added to some types.", None),
            steps::change("Split the copy: to the backup account in the same Region first, from there to the other Region.", None),
        ],
    }
}
