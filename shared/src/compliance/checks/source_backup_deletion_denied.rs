//! Service control policies deny source accounts to delete their backups.

use crate::compliance::guard::{self, Words};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-078",
        name: "source-backup-deletion-denied",
        title: "Service control policies deny source accounts to delete their backups",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy", "backup:ListBackupVaults"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/security-considerations.html",
        ],
        page: include_str!("source-backup-deletion-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What must be denied, to a recovery point of a vault and to the vault.
const POINTS: &[&str] = &["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle", "backup:DisassociateRecoveryPoint"];
const VAULT: &[&str] = &[
    "backup:DeleteBackupVault",
    "backup:PutBackupVaultAccessPolicy",
    "backup:DeleteBackupVaultAccessPolicy",
    "backup:PutBackupVaultLockConfiguration",
    "backup:DeleteBackupVaultLockConfiguration",
];
/// What takes the account with its backups out from under all policies, and what lets AWS delete them in the end.
const LEAVING: &[&str] = &["organizations:LeaveOrganization", "account:CloseAccount"];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let words = Words {
        so: "whoever takes it over can delete its backups, and only the copies are left",
        on: "",
        held: "service control policies deny an administrator of the account to delete recovery points, to change vaults and to leave",
        elsewhere: "run no workloads in the management account",
    };
    guard::denied_in_source(view, view.used(), "no vault of the account is used", words, |bound, (_, inventory), left| {
        let vault = &inventory.vault.arn;
        let region = vault.region().map(|region| region.as_str().to_owned());
        let point = format!(
            "arn:{}:backup:{}:{}:recovery-point:00000000-0000-4000-8000-000000000000",
            vault.partition(),
            region.as_deref().unwrap_or_default(),
            view.account.account_id
        );
        let asked = POINTS.iter().map(|action| (*action, point.as_str())).chain(VAULT.iter().map(|action| (*action, vault.as_str())));
        let leaving = LEAVING.iter().map(|action| (*action, "*"));
        for (action, resource) in asked.chain(leaving) {
            left.add(action, bound.may(action, resource, region.as_deref(), |_| {}));
        }
    })
}
