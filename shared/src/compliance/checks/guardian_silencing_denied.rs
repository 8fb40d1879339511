//! Service control policies deny accounts to silence the guardian.

use crate::compliance::guard::{self, Words};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-085",
        name: "guardian-silencing-denied",
        title: "Service control policies deny accounts to silence the guardian",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy", "backup:ListBackupVaults", "iam:ListRoles"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-manage-iam-access.html",
        ],
        page: include_str!("guardian-silencing-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// One of the rules of `deploy/agent-regional.yaml`.
const RULE: &str = "arn:PARTITION:events:REGION:ACCOUNT:rule/backup-guardian-problem-events";
/// The roles of `deploy/agent-global.yaml`.
const FORWARDER: &str = "arn:PARTITION:iam::ACCOUNT:role/backup-guardian-forwarder";
const READER: &str = "arn:PARTITION:iam::ACCOUNT:role/backup-guardian-reader";
const VAULT: &str = "arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:vault";

/// What must be denied, and to what: each of these ends events, or what the guardian reads, without a word.
const ACTIONS: &[(&str, &str)] = &[
    ("events:DeleteRule", RULE),
    ("events:DisableRule", RULE),
    ("events:PutRule", RULE),
    ("events:PutTargets", RULE),
    ("events:RemoveTargets", RULE),
    // A policy that denies everything is as good as none.
    ("iam:AttachRolePolicy", FORWARDER),
    ("iam:DetachRolePolicy", FORWARDER),
    ("iam:DeleteRole", FORWARDER),
    ("iam:DeleteRolePolicy", FORWARDER),
    ("iam:PutRolePolicy", FORWARDER),
    ("iam:PutRolePermissionsBoundary", FORWARDER),
    ("iam:UpdateAssumeRolePolicy", FORWARDER),
    ("iam:AttachRolePolicy", READER),
    ("iam:DetachRolePolicy", READER),
    ("iam:DeleteRole", READER),
    ("iam:DeleteRolePolicy", READER),
    ("iam:PutRolePolicy", READER),
    ("iam:PutRolePermissionsBoundary", READER),
    ("iam:UpdateAssumeRolePolicy", READER),
    ("backup:DeleteBackupVaultNotifications", VAULT),
];
/// Likewise where the copies are: another topic is as silent as none. In an account that is backed up people choose it themselves.
const TOPIC: (&str, &str) = ("backup:PutBackupVaultNotifications", VAULT);

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let words = Words {
        so: "whoever takes it over ends its backups unheard",
        on: " on the rules `backup-guardian-*-events`, the roles `backup-guardian-forwarder` and `backup-guardian-reader` and the vaults",
        held: "service control policies deny an administrator of the account to end the events and the reads of the guardian",
        elsewhere: "run no workloads in the management account",
    };
    let topic = view.keeps_copies().then_some(TOPIC);
    let actions = ACTIONS.iter().copied().chain(topic).collect::<Vec<_>>();
    guard::denied_where_backups_are(view, &actions, words)
}
