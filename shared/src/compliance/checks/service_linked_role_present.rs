//! The service-linked role of AWS Backup exists.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-047",
        name: "service-linked-role-present",
        title: "The service-linked role of AWS Backup exists",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["iam:GetRole"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/using-service-linked-roles.html"],
        page: include_str!("service-linked-role-present.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let subject = view.place().here();
    let account = &view.account.account_id;
    vec![holders::concern(view).then(subject, |subject| match &view.account.service_linked_role {
        Fact::Known { .. } => Outcome::pass(subject, "the role `AWSServiceRoleForBackup` exists"),
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => Outcome::fail(
            subject,
            format!("account {account} has no role `AWSServiceRoleForBackup`: copies into it fail, and no key policy can name it"),
            format!("in account {account}: `aws iam create-service-linked-role --aws-service-name backup.amazonaws.com`"),
        ),
        fact => Outcome::unseen(subject, "the service-linked role", fact),
    })]
}
