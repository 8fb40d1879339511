//! The organization is in all-features mode.

use crate::compliance::say::quoted;
use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-001",
        name: "organization-all-features",
        title: "The organization is in all-features mode",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:DescribeOrganization"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_org_support-all-features.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("organization-all-features.md"),
    },
    judge: Judge::Organization(judge),
};

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    view.judged(|subject| match view.organization.feature_set.known().map(String::as_str) {
        None => Outcome::unseen(subject, "the feature set of the organization", &view.organization.feature_set),
        Some("ALL") => Outcome::pass(subject, "the organization has all features"),
        Some(other) => Outcome::fail(
            subject,
            format!("the organization has the feature set {}, so there are no backup policies and no service control policies", quoted(other)),
            "in the management account start the change with `aws organizations enable-all-features`; every invited account must accept it, \
             and it cannot be taken back",
        ),
    })
}
