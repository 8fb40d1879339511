//! Backup policies are switched on at the root of the organization.

use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-005",
        name: "backup-policy-type-enabled",
        title: "Backup policies are switched on at the root of the organization",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:ListRoots"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/enable-policy-type.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup.html",
        ],
        page: include_str!("backup-policy-type-enabled.md"),
    },
    judge: Judge::Organization(judge),
};

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    view.judged(|subject| match view.organization.policy_types.known() {
        None => Outcome::unseen(subject, "the policy types of the root", &view.organization.policy_types),
        Some(types) if types.iter().any(|name| name == "BACKUP_POLICY") => Outcome::pass(subject, "the policy type `BACKUP_POLICY` is on"),
        Some(_) => Outcome::fail(
            subject,
            "the policy type `BACKUP_POLICY` is off, so no backup policy is in force anywhere",
            "in the management account: `aws organizations enable-policy-type --policy-type BACKUP_POLICY --root-id ROOT_ID`, with the id that \
             `aws organizations list-roots` tells; policies must be attached again afterwards if the type had been switched off",
        ),
    })
}
