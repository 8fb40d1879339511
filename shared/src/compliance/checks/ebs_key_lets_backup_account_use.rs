//! The default key of EBS lets the backup account use it.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed, ways};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-036",
        name: "ebs-key-lets-backup-account-use",
        title: "The default key of EBS lets the backup account use it",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "ec2:GetEbsDefaultKmsKeyId", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
        ],
        page: include_str!("ebs-key-lets-backup-account-use.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let Some(ebs) = region.ebs.known() else {
            return vec![Outcome::unseen(place.here().part(pair.destination.as_str()), "the default encryption of EBS", &region.ebs)];
        };
        let name = ebs.key.as_deref().unwrap_or_default();
        let Some(key) = keyed::resolved(place, region, name) else {
            let subject = place.here().part(pair.destination.as_str());
            return vec![if keyed::is_alias_of_aws(name) {
                Outcome::not_applicable(subject, "AWS manages the default key of EBS: its policy cannot be changed")
            } else {
                Outcome::unknown(subject, "not seen: which key the default of EBS is", Vec::new())
            }];
        };
        let subject = place.of(&key).part(pair.destination.as_str());
        vec![keyed::lets_copier(
            view,
            (region, pair),
            subject,
            ("EBS", false),
            &key,
            (
                "the policy of the key of new EBS volumes",
                "copies of EBS snapshots fail with \"Given key ID is not accessible\"",
                ways::uses,
            ),
        )]
    })
}
