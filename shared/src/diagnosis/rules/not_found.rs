//! Something the job names does not exist.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::{Evidence, GapReason};

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-030",
        name: "not-found",
        title: "Something the job names does not exist",
        causes: &[Cause::NotFound],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeBackupVault", "backup:DescribeRecoveryPoint"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html"],
        page: include_str!("not-found.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    let gone = evidence.gaps().into_iter().find(|gap| gap.reason == GapReason::NotFound);
    if let Some(gap) = gone
        && facts::voice(evidence, &[Cause::NotFound]).agrees()
    {
        return told::explains(evidence, Cause::NotFound, Certainty::Supported, &["message", &gap.action], tell(evidence));
    }
    told::by_text(evidence, Cause::NotFound, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("A resource, vault or recovery point that {} names does not exist in that account and Region.", told::job(evidence)),
        next_steps: vec![
            steps::look(
                format!("In account {}, list the vaults of that Region: organization policies do not check that a vault exists.", evidence.job.account),
                Some(steps::command("aws backup list-backup-vaults", &[("region", evidence.job.region.as_str())])),
            ),
            steps::change("Correct the vault or the selection of the plan, or make the missing object.", None),
        ],
    }
}
