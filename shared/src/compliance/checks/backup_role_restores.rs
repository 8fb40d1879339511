//! The roles that carry backups may restore them.

use crate::compliance::deeds::{self, Question};
use crate::compliance::way_out::{self, Step};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-084",
        name: "backup-role-restores",
        title: "The roles that carry backups may restore them",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &[
            "iam:ListRoles",
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "backup:ListRecoveryPointsByBackupVault",
            "backup:GetBackupSelection",
            "organizations:ListPoliciesForTarget",
            "backup:GetBackupVaultAccessPolicy",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForRestores.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-a-backup.html",
        ],
        page: include_str!("backup-role-restores.md"),
    },
    judge: Judge::Account(judge),
};

const QUESTION: Question = Question {
    calls: deeds::RESTORES,
    of: |row| row.newest_backup.is_some(),
    verb: "restore",
    so: "it restores no such backup",
    managed: ("AWSBackupServiceRolePolicyForS3Restore", "service-role/AWSBackupServiceRolePolicyForRestores"),
};

/// What begins a restore.
const STEPS: &[Step] = &[Step { action: "backup:StartRestoreJob", by_role: false, so: "nobody can restore what is in it" }];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let mut outcomes = way_out::closed(view, STEPS);
    outcomes.extend(if view.keeps_copies() { vec![deeds::of_copies(view, &QUESTION)] } else { deeds::each(view, &QUESTION) });
    outcomes
}
