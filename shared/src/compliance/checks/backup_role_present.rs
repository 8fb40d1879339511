//! The roles that selections name exist.

use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-044",
        name: "backup-role-present",
        title: "The roles that selections name exist",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["iam:GetRole", "backup:ListBackupSelections", "backup:GetBackupSelection"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_best-practices.html",
        ],
        page: include_str!("backup-role-present.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    holders::each(view, |subject, arn, fact| match fact {
        Fact::Known { .. } => Outcome::pass(subject, "the role exists"),
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => {
            let name = arn.role_name().unwrap_or_default();
            let remedy = format!(
                "in account {} make the role {}, trusted by `backup.amazonaws.com`, with the managed policies of AWS Backup; best by a stack set, so \
                 that new accounts have it: {}",
                view.account.account_id,
                quoted(name),
                quoted(&command("aws iam create-role --assume-role-policy-document file://trust.json", &[("role-name", name)]))
            );
            Outcome::fail(
                subject,
                format!("selections name the role {}, which does not exist: every job of theirs fails", quoted(arn.as_str())),
                remedy,
            )
        }
        fact => Outcome::unseen(subject, "the role", fact),
    })
}
