//! Another job of the resource was running.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;
use crate::event::JobState;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-025",
        name: "concurrent-job",
        title: "Another job of the resource was running",
        causes: &[Cause::ConcurrentJob],
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["backup:ListBackupJobs"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html", "https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html"],
        page: include_str!("concurrent-job.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::ConcurrentJob, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: harmless(evidence).then_some(Severity::Info),
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("Another job of the same resource was running, so AWS Backup did not run {}.", told::job(evidence)),
        next_steps: told::list_jobs(evidence)
            .into_iter()
            .chain([steps::change("Space the rules out or lengthen the start window, so that one job per resource runs at a time.", None)])
            .collect(),
    }
}

/// An expired job that says itself that another one was at work: the resource is being protected.
fn harmless(evidence: &Evidence) -> bool {
    evidence.job.state == JobState::Expired && facts::voice(evidence, &[Cause::ConcurrentJob]) == facts::Voice::First && facts::reading(evidence).decidable
}
