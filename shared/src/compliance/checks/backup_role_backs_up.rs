//! The roles that selections name may back up what those select.

use crate::compliance::deeds::{self, Question};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-083",
        name: "backup-role-backs-up",
        title: "The roles that selections name may back up what those select",
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "tag:GetResources",
            "backup:GetBackupSelection",
            "organizations:ListPoliciesForTarget",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/s3-backups.html",
        ],
        page: include_str!("backup-role-backs-up.md"),
    },
    judge: Judge::Account(judge),
};

const QUESTION: Question = Question {
    calls: deeds::BACKUPS,
    of: |row| !row.rules.is_empty(),
    verb: "back up",
    so: "backups with it fail",
    managed: ("AWSBackupServiceRolePolicyForS3Backup", "service-role/AWSBackupServiceRolePolicyForBackup"),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_source_account(|| deeds::each(view, &QUESTION))
}
