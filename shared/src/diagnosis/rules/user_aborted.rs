//! Someone stopped the job.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;
use crate::event::JobState;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-036",
        name: "user-aborted",
        title: "Someone stopped the job",
        causes: &[Cause::UserAborted],
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["cloudtrail:LookupEvents"],
        remedy: Grade::Safe,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html"],
        page: include_str!("user-aborted.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    if matches!(evidence.job.state, JobState::Aborted | JobState::Aborting | JobState::Canceled) && !facts::reading(evidence).recognised {
        return told::explains(evidence, Cause::UserAborted, Certainty::Suspected, &["state"], tell(evidence));
    }
    told::by_text(evidence, Cause::UserAborted, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("Someone stopped {}.", told::job(evidence)),
        next_steps: vec![steps::look(
            format!("In account {}, find who stopped it: attackers stop backups too.", evidence.job.account),
            Some(steps::command(
                "aws cloudtrail lookup-events",
                &[("lookup-attributes", "AttributeKey=EventName,AttributeValue=StopBackupJob"), ("region", evidence.job.region.as_str())],
            )),
        )],
    }
}
