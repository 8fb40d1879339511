//! The bucket does not meet the conditions of AWS Backup.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, Step, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-032",
        name: "s3-prerequisite",
        title: "The bucket does not meet the conditions of AWS Backup",
        causes: &[Cause::S3Prerequisite],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/s3-backups.html"],
        page: include_str!("s3-prerequisite.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::S3Prerequisite, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The bucket does not meet what AWS Backup asks of buckets, so {} has nothing to show.", told::job(evidence)),
        next_steps: bucket(evidence).into_iter().chain([steps::change(
            "Turn versioning on, or take the bucket out of the selection; archived objects are skipped and need another means.",
            None,
        )]).collect(),
    }
}

fn bucket(evidence: &Evidence) -> Option<Step> {
    let arn = evidence.job.resource_arn.as_ref().filter(|arn| arn.service() == "s3")?;
    Some(steps::look(
        format!("In account {}, read whether the bucket has versioning.", evidence.job.account),
        Some(steps::command("aws s3api get-bucket-versioning", &[("bucket", arn.resource())])),
    ))
}
