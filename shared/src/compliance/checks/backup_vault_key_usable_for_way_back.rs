//! The key of the copies can be used on the way back.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed, ways};
use crate::copy::Object;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Fact;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-040",
        name: "backup-vault-key-usable-for-way-back",
        title: "The key of the copies can be used on the way back",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "backup:DescribeBackupVault", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://github.com/ministryofjustice/opg-lpa/pull/3557",
        ],
        page: include_str!("backup-vault-key-usable-for-way-back.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let key = match keyed::of_destination(view, pair) {
            Ok(key) => key,
            Err(outcome) => return vec![outcome(place.there(&pair.destination).part(place.account.as_str()))],
        };
        let policy = view.destinations.get(&pair.destination).map(|destination| &destination.key_policy);
        let Some(policy) = policy.filter(|policy| policy.known().is_some()) else {
            return vec![Outcome::unseen(
                place.there(&pair.destination).part(place.account.as_str()),
                "the policy of the key of that vault",
                policy.unwrap_or(&Fact::NotAsked),
            )];
        };
        // The account that must act is that of the key.
        let subject = place.there(&key).part(pair.source.as_str());
        let judged = ways::kinds(region, pair).into_iter().map(|(kind, managed)| {
            let way = ways::way(
                view,
                region,
                pair,
                (&kind, managed),
                ways::source_vault(region, pair).and_then(|vault| vault.vault.encryption_key_arn.as_ref()),
            );
            match way.and_then(|way| way.back(region)) {
                None => Outcome::unknown(subject.clone(), "not seen: the account of the vault", Vec::new()),
                Some(way) => way.judged(
                    subject.clone(),
                    &ways::Question {
                        object: Object::SourceKey,
                        which: ways::everything_needed,
                        what: "the policy of the key of the copies",
                        so: "no copy comes home",
                        current: policy.known().map(|policy| Some(&policy.document)),
                    },
                ),
            }
        });
        ways::worst(judged)
    })
}
