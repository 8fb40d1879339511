//! Nobody from outside may assume a role of the backup account, or one that carries backups.

use crate::arn::{AccountId, Arn};
use crate::compliance::probe::{Caller, Says};
use crate::compliance::say::{count, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders, probe};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason, RoleTrust};
use crate::policy::{Document, Named, Policies, wildcard_matches};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-014",
        name: "backup-account-credentials-separate",
        title: "Nobody from outside may assume a role of the backup account, or one that carries backups",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["iam:ListRoles", "iam:GetRole", "backup:ListBackupSelections"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access.html",
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
        ],
        page: include_str!("backup-account-credentials-separate.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    if !view.keeps_copies() {
        return holders::each(view, |subject, arn, fact| {
            let role = match fact {
                Fact::Known { value, .. } => value,
                Fact::Gap(gap) if gap.reason == GapReason::NotFound => return Outcome::not_applicable(subject, "the role does not exist"),
                fact => return Outcome::unseen(subject, "the trust policy of the role", fact),
            };
            let Some(trust) = &role.trust else { return Outcome::unknown(subject, "not seen: the trust policy of the role", Vec::new()) };
            let trust = RoleTrust { role_arn: arn.clone(), document: trust.clone() };
            of_role(view, &trust).unwrap_or_else(|| Outcome::pass(subject, "its trust policy lets no outside principal in"))
        });
    }
    view.in_backup_account(|| {
        let Some(trusts) = view.account.trusts.known() else {
            return vec![Outcome::unseen(view.place().here(), "who may assume the roles of the account", &view.account.trusts)];
        };
        let mut outcomes = trusts.iter().filter_map(|trust| of_role(view, trust)).collect::<Vec<_>>();
        if outcomes.is_empty() {
            outcomes
                .push(Outcome::pass(view.place().here(), format!("none of {} lets an outside principal in", count(trusts.len(), "role"))));
        }
        outcomes
    })
}

/// Who of outside gets into a role; `None`: nobody, or only who may on purpose.
fn of_role(view: &AccountView<'_>, trust: &RoleTrust) -> Option<Outcome> {
    let role = &trust.role_arn;
    let name = role.role_name().unwrap_or_default();
    if view.scope.baseline.outside_roles.iter().any(|pattern| wildcard_matches(pattern, name)) {
        return None;
    }
    let subject = view.place().of(role);
    let named = Named::read(&trust.document);
    let document = Document::read(&trust.document);
    let account = &view.account.account_id;
    let mut inside = Vec::new();
    let mut perhaps = Vec::new();
    let mut ask = |shown: String, caller: &Caller<'_>| {
        let policies = Policies { identity: vec![probe::everything()], resource: Some(document.clone()), ..Policies::default() };
        match caller.may("sts:AssumeRole", (role.as_str(), account.as_str()), caller.context(None), &policies) {
            Says::Yes => inside.push(shown),
            Says::Depends(_) => perhaps.push(shown),
            Says::No => {}
        }
    };
    for principal in &named.aws {
        if let Some((outside, arn)) = outsider(view, principal, role.partition()) {
            let caller = Caller { arn, account: outside.as_str(), organization_id: None, path: None };
            ask(principal.clone(), &caller);
        }
    }
    if named.everybody || named.open {
        ask("everybody".to_owned(), &Caller::stranger(view, role.partition()));
        if let Some(member) = Caller::member(view, role.partition()) {
            ask("everybody of the organization".to_owned(), &member);
        }
    }
    let who = [inside.clone(), perhaps.clone()].concat();
    if who.is_empty() {
        return None;
    }
    let under = if inside.is_empty() { " under conditions" } else { "" };
    let whose = if view.keeps_copies() { "of the backup account" } else { "that carries backups" };
    let seen = format!("{} may assume the role {} {whose}{under}", listed(&who), quoted(name));
    let remedy = format!(
        "in account {account} take the outside principals out of the trust policy of the role {}: {}; or name the role in `outside_roles` of \
         the baseline",
        quoted(name),
        quoted(&command("aws iam update-assume-role-policy --policy-document file://trust.json", &[("role-name", name)]))
    );
    Some(Outcome::fail(subject, seen, remedy).from(who))
}

/// The account of a principal that is none of ours (of an account that is backed up: not that account), and the principal as an ARN. The service-linked roles of AWS are nobody's credentials; unique ids
/// are principals that were deleted.
fn outsider(view: &AccountView<'_>, principal: &str, partition: &str) -> Option<(AccountId, String)> {
    let ours = |account: &AccountId| if view.keeps_copies() { view.is_backup_account(account) } else { *account == view.account.account_id };
    if let Ok(account) = AccountId::parse(principal) {
        return (!ours(&account)).then(|| (account.clone(), format!("arn:{partition}:iam::{account}:root")));
    }
    let arn = Arn::parse(principal).ok()?;
    let account = arn.account().filter(|account| !ours(account))?;
    (!arn.resource().starts_with("role/aws-service-role/")).then(|| (account, principal.to_owned()))
}
