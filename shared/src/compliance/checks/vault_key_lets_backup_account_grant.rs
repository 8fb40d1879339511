//! The key of a source vault lets the backup account hand it on to AWS services.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed, ways};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-035",
        name: "vault-key-lets-backup-account-grant",
        title: "The key of a source vault lets the backup account hand it on to AWS services",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "backup:GetBackupPlan", "backup:ListBackupVaults"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://repost.aws/knowledge-center/backup-cross-account-copy-error",
        ],
        page: include_str!("vault-key-lets-backup-account-grant.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let Some(vault) = ways::source_vault(region, pair) else {
            let subject = place.of(&pair.source).part(pair.destination.as_str());
            return vec![match region.vaults.known() {
                None => Outcome::unseen(subject, "the vaults", &region.vaults),
                Some(_) => Outcome::not_applicable(subject, "the vault does not exist"),
            }];
        };
        let Some(key) = vault.vault.encryption_key_arn.clone() else {
            return vec![Outcome::unknown(
                place.of(&pair.source).part(pair.destination.as_str()),
                "not seen: the key of the vault",
                Vec::new(),
            )];
        };
        let subject = place.of(&key).part(pair.destination.as_str());
        vec![keyed::lets_copier(
            view,
            (region, pair),
            subject,
            ("EFS", true),
            &key,
            ("the policy of the key of the vault", "copies of types that AWS Backup manages fully fail", ways::grants),
        )]
    })
}
