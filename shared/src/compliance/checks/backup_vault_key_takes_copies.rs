//! The key of the vault that copies go to can be used for them.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed, ways};
use crate::copy::Object;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Fact;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-039",
        name: "backup-vault-key-takes-copies",
        title: "The key of the vault that copies go to can be used for them",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "backup:DescribeBackupVault", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceLinkedRolePolicyForBackup.html",
        ],
        page: include_str!("backup-vault-key-takes-copies.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let subject = place.there(&pair.destination).part(place.account.as_str());
        match keyed::of_destination(view, pair) {
            Ok(_) => {}
            Err(outcome) => return vec![outcome(subject)],
        }
        let Some(way) = ways::way(view, region, pair, ("EBS", false), None) else {
            return vec![Outcome::unknown(subject, "not seen: the account of the vault", Vec::new())];
        };
        let policy = view.destinations.get(&pair.destination).map(|destination| &destination.key_policy);
        let Some(policy) = policy.filter(|policy| policy.known().is_some()) else {
            return vec![Outcome::unseen(subject, "the policy of the key of that vault", policy.unwrap_or(&Fact::NotAsked))];
        };
        vec![way.judged(
            subject,
            &ways::Question {
                object: Object::DestinationKey,
                which: ways::everything_needed,
                what: "the policy of the key of the vault that copies go to",
                so: "no copy can be written",
                current: policy.known().map(|policy| Some(&policy.document)),
            },
        )]
    })
}
