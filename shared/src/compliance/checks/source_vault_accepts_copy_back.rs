//! Vaults of source accounts let the backup account copy back.

use crate::arn::Arn;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, ways};
use crate::copy::Object;
use crate::diagnosis::{Grade, Severity};
use crate::policy::Named;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-030",
        name: "source-vault-accepts-copy-back",
        title: "Vaults of source accounts let the backup account copy back",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupVaultAccessPolicy", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html"],
        page: include_str!("source-vault-accepts-copy-back.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let subject = place.of(&pair.source).part(pair.destination.as_str());
        let Some(vaults) = region.vaults.known() else { return vec![Outcome::unseen(subject, "the vaults", &region.vaults)] };
        let Some(vault) = vaults.iter().find(|vault| vault.vault.arn == pair.source) else {
            return vec![Outcome::not_applicable(subject, "the vault does not exist")];
        };
        let Some(policy) = vault.policy.known() else { return vec![Outcome::unseen(subject, "the policy of the vault", &vault.policy)] };
        let Some(way) = ways::way(view, region, pair, ("EBS", false), None).and_then(|way| way.back(region)) else {
            return vec![Outcome::unknown(subject, "not seen: the account of the vault", Vec::new())];
        };
        let question = ways::Question {
            object: Object::DestinationVault,
            which: ways::everything_needed,
            what: "the policy of the vault",
            so: "no copy comes home",
            current: Some(policy.document.as_ref()),
        };
        // Which role will carry the copy home is not known: one that the policy names is as good as the default one.
        let named = policy.document.as_ref().map(Named::read).unwrap_or_default();
        let account = pair.destination.account();
        let roles =
            named.aws.iter().filter_map(|text| Arn::parse(text).ok()).filter(|arn| arn.account() == account && arn.role_name().is_some());
        let mut best = way.judged(subject.clone(), &question);
        for role in roles {
            let mut way = way.clone();
            way.route.job_role_arn = role;
            let outcome = way.judged(subject.clone(), &question);
            if outcome.status > best.status {
                best = outcome;
            }
        }
        vec![best]
    })
}
