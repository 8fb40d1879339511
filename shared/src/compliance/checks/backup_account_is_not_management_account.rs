//! Copies are not kept in the management account.

use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-007",
        name: "backup-account-is-not-management-account",
        title: "Copies are not kept in the management account",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:DescribeOrganization"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_best-practices_mgmt-acct.html",
        ],
        page: include_str!("backup-account-is-not-management-account.md"),
    },
    judge: Judge::Organization(judge),
};

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    view.judged(|subject| {
        if view.scope.backup_accounts.is_empty() {
            return Outcome::not_applicable(subject, "no account is named that keeps copies");
        }
        match view.organization.organization.known() {
            None => Outcome::unseen(subject, "which account is the management account", &view.organization.organization),
            Some(organization) if view.scope.backup_accounts.contains(&organization.management_account) => Outcome::fail(
                subject,
                format!("management account {} keeps the copies, and no service control policy binds it", organization.management_account),
                "move the copies into an account of their own: a vault there, its ARN in the copy actions of the backup policies, and the old \
                 copies until they expire",
            ),
            Some(organization) => Outcome::pass(subject, format!("management account {} keeps no copies", organization.management_account)),
        }
    })
}
