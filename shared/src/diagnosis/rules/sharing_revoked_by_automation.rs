//! An automation took back the sharing AWS Backup had set up.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-022",
        name: "sharing-revoked-by-automation",
        title: "An automation took back the sharing AWS Backup had set up",
        causes: &[Cause::SharingRevokedByAutomation],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["cloudtrail:LookupEvents"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html", "https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html"],
        page: include_str!("sharing-revoked-by-automation.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    let revoked = evidence.changes.known().into_iter().flatten().find(|change| {
        ["ec2:ModifyImageAttribute", "ec2:ModifySnapshotAttribute", "rds:ModifyDBSnapshotAttribute"].contains(&change.action.as_str())
            && change.source_ip.as_deref() != Some("backup.amazonaws.com")
    });
    if let Some(change) = revoked
        && facts::voice(evidence, &[Cause::SharingRevokedByAutomation]).agrees()
    {
        let fact = format!("cloudtrail:{}", change.event_id);
        return told::explains(evidence, Cause::SharingRevokedByAutomation, Certainty::Supported, &["message", &fact], tell(evidence));
    }
    told::by_text(evidence, Cause::SharingRevokedByAutomation, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("Something took back the sharing of the image or snapshot that {} needs while it runs.", told::job(evidence)),
        next_steps: vec![
            steps::look(
                format!("In account {}, see who changed the sharing while the job ran.", evidence.job.account),
                Some(steps::command(
                    "aws cloudtrail lookup-events",
                    &[
                        ("lookup-attributes", "AttributeKey=EventName,AttributeValue=ModifySnapshotAttribute"),
                        ("region", evidence.job.region.as_str()),
                    ],
                )),
            ),
            steps::change("Exempt calls with `invokedBy` = `backup.amazonaws.com` from the automation that takes sharing back.", None),
        ],
    }
}
