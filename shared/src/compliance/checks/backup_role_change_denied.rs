//! Service control policies deny source accounts to take the roles of their backups away.

use crate::arn::Arn;
use crate::compliance::guard::{self, Found, Words};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-080",
        name: "backup-role-change-denied",
        title: "Service control policies deny source accounts to take the roles of their backups away",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy", "iam:GetRole", "backup:ListBackupSelections"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
        ],
        page: include_str!("backup-role-change-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What must be denied: each of these can end all backups of the role.
const ACTIONS: &[&str] = &[
    "iam:DeleteRole",
    "iam:DetachRolePolicy",
    "iam:DeleteRolePolicy",
    "iam:AttachRolePolicy",
    "iam:PutRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:UpdateAssumeRolePolicy",
];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let words = Words {
        so: "whoever takes it over can end its backups without touching a plan",
        on: " on these roles",
        held: "service control policies deny an administrator of the account to change the roles that carry its backups",
        elsewhere: "run no workloads in the management account",
    };
    guard::denied_in_source(view, roles(view), "no selection names a role of the account", words, |bound, role, left| {
        for action in ACTIONS {
            left.add(action, bound.may(action, role.as_str(), None, |_| {}));
        }
    })
}

fn roles(view: &AccountView<'_>) -> Found<Arn> {
    let unread = holders::unread(view);
    let mut found = Found { things: Vec::new(), open: unread.is_some(), gaps: unread.unwrap_or_default() };
    for (arn, role) in &view.account.roles {
        match role {
            Fact::Known { .. } => found.things.push(arn.clone()),
            Fact::Gap(gap) if gap.reason == GapReason::NotFound => {}
            other => found.miss(other.gap()),
        }
    }
    found
}
