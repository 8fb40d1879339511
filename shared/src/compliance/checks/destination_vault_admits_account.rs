//! The vaults that an account copies into admit it.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, ways};
use crate::copy::Object;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Fact;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-022",
        name: "destination-vault-admits-account",
        title: "The vaults that an account copies into admit it",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["backup:GetBackupVaultAccessPolicy", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html"],
        page: include_str!("destination-vault-admits-account.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let subject = place.there(&pair.destination).part(place.account.as_str());
        let Some(way) = ways::way(view, region, pair, ("EBS", false), None) else {
            return vec![Outcome::unknown(subject, "not seen: the account of the vault", Vec::new())];
        };
        let policy = view.destinations.get(&pair.destination).map(|destination| &destination.policy);
        let Some(policy) = policy.filter(|policy| policy.known().is_some()) else {
            return vec![Outcome::unseen(subject, "the policy of the vault", policy.unwrap_or(&Fact::NotAsked))];
        };
        vec![way.judged(
            subject,
            &ways::Question {
                object: Object::DestinationVault,
                which: ways::everything_needed,
                what: "the policy of the vault that copies go to",
                so: "every copy fails",
                current: policy.known().map(|policy| policy.document.as_ref()),
            },
        )]
    })
}
