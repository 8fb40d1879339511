//! Service control policies deny accounts to change the settings of AWS Backup.

use crate::compliance::guard::{self, Words};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-086",
        name: "backup-settings-change-denied",
        title: "Service control policies deny accounts to change the settings of AWS Backup",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy", "backup:ListBackupVaults", "iam:ListRoles"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateRegionSettings.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateGlobalSettings.html",
        ],
        page: include_str!("backup-settings-change-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// AWS defines no resource for either.
const REGION: (&str, &str) = ("backup:UpdateRegionSettings", "*");
/// Of the organization: an account that keeps the copies may be its delegated administrator.
const GLOBAL: (&str, &str) = ("backup:UpdateGlobalSettings", "*");

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let words = Words {
        so: "whoever takes it over ends backups and copies by a switch, and neither plan nor vault is touched",
        on: "",
        held: "service control policies deny an administrator of the account to change the settings of AWS Backup",
        elsewhere: "run no workloads in the management account",
    };
    let actions: &[_] = if view.keeps_copies() { &[REGION, GLOBAL] } else { &[REGION] };
    guard::denied_where_backups_are(view, actions, words)
}
