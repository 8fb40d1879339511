//! Service control policies deny the backup account to leave the organization or to be closed.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, guard};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-018",
        name: "backup-account-leaving-denied",
        title: "Service control policies deny the backup account to leave the organization or to be closed",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy", "iam:ListRoles"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_leave.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_close.html",
        ],
        page: include_str!("backup-account-leaving-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What must be denied, and to what.
const ACTIONS: &[(&str, &str)] = &[("organizations:LeaveOrganization", "*"), ("account:CloseAccount", "*")];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    guard::denied_by_scps(
        view,
        ACTIONS,
        "one call takes it out from under all other policies",
        "service control policies deny an administrator of the account to leave the organization and to close the account",
    )
}
