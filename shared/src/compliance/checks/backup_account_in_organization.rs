//! Every backup account is an active member of the organization.

use crate::arn::AccountId;
use crate::compliance::say::{Place, quoted};
use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-006",
        name: "backup-account-in-organization",
        title: "Every backup account is an active member of the organization",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["organizations:ListAccounts"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_close.html",
        ],
        page: include_str!("backup-account-in-organization.md"),
    },
    judge: Judge::Organization(judge),
};

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    if view.scope.backup_accounts.is_empty() {
        return view.judged(|subject| Outcome::not_applicable(subject, "no account is named that keeps copies"));
    }
    let mut accounts = view.scope.backup_accounts.iter().collect::<Vec<_>>();
    accounts.sort_unstable();
    accounts.dedup();
    accounts.into_iter().map(|account| one(view, account)).collect()
}

fn one(view: &OrganizationView<'_>, account: &AccountId) -> Outcome {
    let subject = Place { account, region: None }.here();
    if view.organization.members.known().is_none() {
        return Outcome::unseen(subject, "the accounts of the organization", &view.organization.members);
    }
    let Some(member) = view.organization.member(account) else {
        return Outcome::fail(
            subject,
            format!("account {account} keeps the copies, but it is not in the organization: no copy reaches it"),
            format!("invite account {account} into the organization, or name the right account in `GUARDIAN_BACKUP_ACCOUNT_IDS`"),
        );
    };
    match member.status.as_deref() {
        Some("ACTIVE") => Outcome::pass(subject, format!("account {account} is an active member")),
        Some(status) => Outcome::fail(
            subject,
            format!(
                "account {account} keeps the copies and is {}; 90 days after an account was closed its content is deleted, locked vaults included",
                quoted(status)
            ),
            format!("open a case with AWS Support to reopen account {account} before the 90 days are over"),
        ),
        None => Outcome::unknown(subject, "not seen: the status of the account", Vec::new()),
    }
}
