//! AWS Backup has trusted access to the organization.

use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-002",
        name: "backup-trusted-access-enabled",
        title: "AWS Backup has trusted access to the organization",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:ListAWSServiceAccessForOrganization"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/services-that-can-integrate-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/manage-cross-account.html",
        ],
        page: include_str!("backup-trusted-access-enabled.md"),
    },
    judge: Judge::Organization(judge),
};

const SERVICE: &str = "backup.amazonaws.com";

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    view.judged(|subject| match view.organization.trusted_services.known() {
        None => Outcome::unseen(subject, "the services with trusted access", &view.organization.trusted_services),
        Some(services) if services.iter().any(|service| service == SERVICE) => {
            Outcome::pass(subject, format!("`{SERVICE}` has trusted access"))
        }
        Some(_) => Outcome::fail(
            subject,
            format!("`{SERVICE}` has no trusted access, so backup policies and cross-account monitoring do not work"),
            format!("in the management account: `aws organizations enable-aws-service-access --service-principal {SERVICE}`"),
        ),
    })
}
