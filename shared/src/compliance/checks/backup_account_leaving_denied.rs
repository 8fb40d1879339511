//! Service control policies deny the backup account to leave the organization or to be closed.

use crate::compliance::say::{every, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, probe};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-018",
        name: "backup-account-leaving-denied",
        title: "Service control policies deny the backup account to leave the organization or to be closed",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_leave.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_close.html",
        ],
        page: include_str!("backup-account-leaving-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What must be denied, and to what.
const ACTIONS: &[(&str, &str)] = &[("organizations:LeaveOrganization", "*"), ("account:CloseAccount", "*")];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        let subject = view.place().here();
        let account = &view.account.account_id;
        let Some(levels) = view.account.scps.known() else {
            return vec![Outcome::unseen(subject, "the service control policies", &view.account.scps)];
        };
        let Some(management) = view.is_management_account() else {
            return vec![Outcome::unseen(subject, "which account is the management account", &view.organization.organization)];
        };
        let (left, open) = probe::left_by_scps(view, levels, ACTIONS);
        let policies = levels.levels.iter().flatten().map(|policy| policy.name.clone());
        let outcome = if management {
            Outcome::fail(
                subject,
                format!("account {account} is the management account, which no service control policy binds"),
                "keep the copies in an account of their own",
            )
        } else if !left.is_empty() {
            Outcome::fail(
                subject,
                format!("no service control policy denies an administrator of account {account} {}, so one call takes it out from under all other policies", listed(&left)),
                format!(
                    "attach to account {account}, or to its unit, a service control policy that denies {} to everybody but the role that needs it",
                    every(&left)
                ),
            )
        } else if let Some((action, on)) = open.first() {
            Outcome::unknown(subject, format!("whether {} is denied depends on {}", quoted(action), listed(on)), Vec::new())
        } else {
            Outcome::pass(subject, "service control policies deny an administrator of the account to leave the organization and to close the account")
        };
        vec![outcome.from(policies)]
    })
}
