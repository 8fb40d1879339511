//! The default key of EBS is a customer managed key.

use crate::arn::Region;
use crate::compliance::say::{Place, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{KeyManager, RegionInventory};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-043",
        name: "ebs-default-key-is-cmk",
        title: "The default key of EBS is a customer managed key",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["ec2:GetEbsDefaultKmsKeyId", "kms:DescribeKey"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
        ],
        page: include_str!("ebs-default-key-is-cmk.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_source_account(|| view.in_regions(|place, region| vec![of(view, place, region)]))
}

fn of(view: &AccountView<'_>, place: Place<'_>, region: &RegionInventory) -> Outcome {
    let subject = place.here();
    if view.scope.backup_accounts.is_empty() {
        return Outcome::not_applicable(subject, "no account is named that keeps copies");
    }
    let Some(ebs) = region.ebs.known() else { return Outcome::unseen(subject, "the default encryption of EBS", &region.ebs) };
    let Some(name) = ebs.key.as_deref() else { return Outcome::unknown(subject, "not seen: the default key of EBS", Vec::new()) };
    let manager = if keyed::is_alias_of_aws(name) {
        Some(KeyManager::Aws)
    } else if keyed::is_alias(name) {
        Some(KeyManager::Customer)
    } else {
        match keyed::resolved(place, region, name) {
            None => return Outcome::unknown(subject, format!("not seen: the key {}, which was not asked for", quoted(name)), Vec::new()),
            Some(arn) => {
                let Some(inventory) = region.keys.get(&arn) else {
                    return Outcome::unknown(subject, format!("not seen: the key {}, which was not asked for", quoted(name)), Vec::new());
                };
                match inventory.key.known() {
                    None => return Outcome::unseen(subject, "who manages the default key of EBS", &inventory.key),
                    Some(key) => key.manager,
                }
            }
        }
    };
    match manager {
        Some(KeyManager::Customer) => Outcome::pass(subject, format!("it is the customer managed key {}", quoted(name))).from([name]),
        Some(KeyManager::Aws) => {
            let region = place.region.map(Region::as_str).unwrap_or_default();
            let options = [("region", region), ("kms-key-id", "KEY_ARN")];
            let remedy = format!("in account {}: {}", place.account, quoted(&command("aws ec2 modify-ebs-default-kms-key-id", &options)));
            Outcome::fail(
                subject,
                format!("it is the AWS managed key {}: no backup of a new volume can ever leave the account", quoted(name)),
                remedy,
            )
            .from([name])
        }
        None => Outcome::unknown(subject, "not seen: who manages the default key of EBS", Vec::new()),
    }
}
