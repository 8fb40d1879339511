//! Policies of keys that copies are under deny their end.

use crate::arn::Arn;
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, probe};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::KeyManager;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-081",
        name: "copy-key-policy-denies-deletion",
        title: "Policies of keys that copies are under deny their end",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "kms:DescribeKey", "backup:ListBackupVaults"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html",
        ],
        page: include_str!("copy-key-policy-denies-deletion.md"),
    },
    judge: Judge::Account(judge),
};

/// What ends a key, and what takes the Deny of that away.
const ACTIONS: &[&str] = &["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteImportedKeyMaterial", "kms:PutKeyPolicy"];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.used_vaults(|subject, place, region, inventory| {
            let Some(key) = &inventory.vault.encryption_key_arn else {
                return if crate::compliance::walk::air_gapped(&inventory.vault) {
                    Outcome::not_applicable(subject, "it is an air-gapped vault under a key that AWS owns")
                } else {
                    Outcome::unknown(subject, "not seen: the key of the vault", Vec::new())
                };
            };
            let Some(found) = region.keys.get(key) else {
                return Outcome::unknown(
                    subject,
                    format!("not seen: the key {}, which was not asked for", quoted(key.as_str())),
                    Vec::new(),
                );
            };
            match found.key.known().map(|key| key.manager) {
                None => return Outcome::unseen(subject, "who manages the key", &found.key),
                Some(Some(KeyManager::Aws)) => return Outcome::not_applicable(subject, "AWS manages the key, and nobody can end it"),
                Some(_) => {}
            }
            let Some(policy) = found.policy.known() else {
                return Outcome::unseen(subject, "the policy of the key of the vault", &found.policy);
            };
            let list = ACTIONS.iter().map(|action| (*action, key.as_str())).collect::<Vec<_>>();
            let probe::Left { left, open, .. } = probe::left_by_policy(view, key.partition(), Some(&policy.document), &list);
            let outcome = if !left.is_empty() {
                let seen = format!(
                    "the policy of its key leaves {} to an administrator of the account, so the copies are as safe as the service control \
                     policies alone",
                    listed(&left)
                );
                Outcome::fail(subject, seen, remedy(key, place.account.as_str(), &left))
            } else if let Some((action, on)) = open.first() {
                Outcome::unknown(subject, format!("whether {} is denied depends on {}", quoted(action), listed(on)), Vec::new())
            } else {
                Outcome::pass(subject, "the policy of its key denies an administrator of the account to delete or disable the key and to change the policy")
            };
            outcome.from([key.as_str()])
        })
    })
}

fn remedy(key: &Arn, account: &str, left: &[&str]) -> String {
    let actions = left.iter().map(|action| format!("\"{action}\"")).collect::<Vec<_>>().join(",");
    let role = format!("arn:{}:iam::{account}:role/BREAK_GLASS_ROLE", key.partition());
    let statement = format!(
        r#"{{"Effect":"Deny","Principal":{{"AWS":"*"}},"Action":[{actions}],"Resource":"*","Condition":{{"ArnNotEquals":{{"aws:PrincipalArn":"{role}"}}}}}}"#
    );
    let bypass = if left.contains(&"kms:PutKeyPolicy") {
        "; as you could not change it afterwards, KMS takes it with `--bypass-policy-lockout-safety-check` only: let the break-glass role do it, or see that it exists and is right"
    } else {
        ""
    };
    format!("in account {account} add to the policy of {} by `kms:PutKeyPolicy`: {}{bypass}", quoted(key.as_str()), quoted(&statement))
}
