//! The keys of recovery points let the backup account copy them.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed, ways};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-038",
        name: "recovery-point-keys-let-backup-account-copy",
        title: "The keys of recovery points let the backup account copy them",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "backup:ListRecoveryPointsByBackupVault", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html",
        ],
        page: include_str!("recovery-point-keys-let-backup-account-copy.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let subject = || place.of(&pair.source).part(pair.destination.as_str());
        let Some(vault) = ways::source_vault(region, pair) else {
            return vec![match region.vaults.known() {
                None => Outcome::unseen(subject(), "the vaults", &region.vaults),
                Some(_) => Outcome::not_applicable(subject(), "the vault does not exist"),
            }];
        };
        let Some(points) = vault.points.known() else { return vec![Outcome::unseen(subject(), "the recovery points", &vault.points)] };
        // The newest backup tells under which key the next one will be.
        let made = points.iter().filter(|points| points.copied_from.is_none());
        let newest = made.filter_map(|points| Some((points.resource_type.as_str(), points.newest.first()?)));
        let mut kinds =
            newest.filter_map(|(kind, point)| Some((point.key_arn.clone()?, kind, point.arn.service() == "backup"))).collect::<Vec<_>>();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            return vec![Outcome::not_applicable(subject(), "it holds no encrypted backup yet")];
        }
        let outcomes = kinds.iter().map(|(key, kind, managed)| {
            let subject = place.of(key).part(format!("{kind} -> {}", pair.destination));
            let what = "the policy of the key of the newest backups";
            keyed::lets_copier(view, (region, pair), subject, (*kind, *managed), key, (what, "their copies fail", ways::everything_needed))
        });
        outcomes.collect()
    })
}
