//! Windows VSS did not work.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-033",
        name: "vss-prerequisite",
        title: "Windows VSS did not work",
        causes: &[Cause::VssPrerequisite],
        severity: Severity::Low,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/windows-backups.html"],
        page: include_str!("vss-prerequisite.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::VssPrerequisite, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: Some(Severity::Low).filter(|_| told::completed(evidence)),
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("Windows VSS did not work on the instance of {}: the backup is crash-consistent, not application-consistent.", told::job(evidence)),
        next_steps: vec![
            steps::look(
                format!("In account {}, see whether the instance reports to Systems Manager.", evidence.job.account),
                Some(steps::command("aws ssm describe-instance-information", &[("region", evidence.job.region.as_str())])),
            ),
            steps::change("Mend it on the instance: SSM agent, instance profile, the AwsVssComponents package, a supported size and Windows version.", None),
        ],
    }
}
