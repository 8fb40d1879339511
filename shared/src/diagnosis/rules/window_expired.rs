//! The window ended before the job did.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;
use crate::event::JobState;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-026",
        name: "window-expired",
        title: "The window ended before the job did",
        causes: &[Cause::WindowExpired],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeBackupJob", "backup:ListBackupJobs"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html", "https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html"],
        page: include_str!("window-expired.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    // The state alone says that a window ran out, whatever the reason was; no message is needed for it.
    if evidence.job.state == JobState::Expired && !facts::reading(evidence).recognised {
        return told::explains(evidence, Cause::WindowExpired, Certainty::Suspected, &["state"], tell(evidence));
    }
    told::by_text(evidence, Cause::WindowExpired, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The window of the rule ended before {} did.", told::job(evidence)),
        next_steps: told::list_jobs(evidence)
            .into_iter()
            .chain([steps::change("Lengthen the start or completion window of the rule, or give the resource a rule of its own.", None)])
            .collect(),
    }
}
