//! The key of a source vault can be used for copies that come back.

use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, ways};
use crate::copy::Object;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::KeyManager;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-076",
        name: "source-vault-key-takes-copies-back",
        title: "The key of a source vault can be used for copies that come back",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "kms:DescribeKey", "backup:ListBackupVaults", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceLinkedRolePolicyForBackup.html",
        ],
        page: include_str!("source-vault-key-takes-copies-back.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let subject = || place.of(&pair.source).part(pair.destination.as_str());
        let Some(vaults) = region.vaults.known() else { return vec![Outcome::unseen(subject(), "the vaults", &region.vaults)] };
        let Some(vault) = vaults.iter().map(|inventory| &inventory.vault).find(|vault| vault.arn == pair.source) else {
            return vec![Outcome::not_applicable(subject(), "the vault does not exist")];
        };
        let Some(key) = &vault.encryption_key_arn else {
            return vec![Outcome::unknown(subject(), "not seen: the key of the vault", Vec::new())];
        };
        let subject = place.there(key).part(pair.destination.as_str());
        let Some(inventory) = region.keys.get(key) else {
            return vec![Outcome::unknown(
                subject,
                format!("not seen: the key {}, which was not asked for", quoted(key.as_str())),
                Vec::new(),
            )];
        };
        match inventory.key.known().map(|key| key.manager) {
            None => return vec![Outcome::unseen(subject, "who manages the key", &inventory.key)],
            Some(Some(KeyManager::Aws)) => {
                return vec![Outcome::not_applicable(subject, "AWS manages the key, which lets its account in")];
            }
            Some(_) => {}
        }
        let Some(policy) = inventory.policy.known() else {
            return vec![Outcome::unseen(subject, "the policy of the key of the vault", &inventory.policy)];
        };
        // From what kind of vault copies come decides who calls the key.
        let central = view.destinations.get(&pair.destination).map(|destination| &destination.vault);
        if central.and_then(crate::evidence::Fact::known).is_none() {
            return vec![Outcome::unseen(subject, "the vault that copies come from", central.unwrap_or(&crate::evidence::Fact::NotAsked))];
        }
        let question = ways::Question {
            object: Object::DestinationKey,
            which: ways::everything_needed,
            what: "the policy of the key of the vault",
            so: "no copy comes home",
            current: Some(Some(&policy.document)),
        };
        ways::worst(ways::kinds(region, pair).into_iter().map(|(kind, managed)| {
            match ways::way(view, region, pair, (&kind, managed), Some(key)).and_then(|way| way.back(region)) {
                None => Outcome::unknown(subject.clone(), "not seen: the account of the vault", Vec::new()),
                Some(way) => way.judged(subject.clone(), &question),
            }
        }))
    })
}
