//! Do service control policies keep an administrator of an account that keeps copies from doing this?

use super::say::{every, listed, quoted};
use super::{AccountView, Outcome, probe};

/// Of an account that keeps copies: whether each action is denied to its administrator. `so` says what follows where one is not, `held` what it
/// means that all are.
pub(super) fn denied_by_scps(view: &AccountView<'_>, actions: &[(&str, &str)], so: &str, held: &str) -> Vec<Outcome> {
    view.in_backup_account(|| {
        let subject = view.place().here();
        let account = &view.account.account_id;
        let Some(levels) = view.account.scps.known() else {
            return vec![Outcome::unseen(subject, "the service control policies", &view.account.scps)];
        };
        let Some(management) = view.is_management_account() else {
            return vec![Outcome::unseen(subject, "which account is the management account", &view.organization.organization)];
        };
        let (left, open) = probe::left_by_scps(view, levels, actions);
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
                format!("no service control policy denies an administrator of account {account} {}, so {so}", listed(&left)),
                format!(
                    "attach to account {account}, or to its unit, a service control policy that denies {} to everybody but the role that \
                     needs it",
                    every(&left)
                ),
            )
        } else if let Some((action, on)) = open.first() {
            Outcome::unknown(subject, format!("whether {} is denied depends on {}", quoted(action), listed(on)), Vec::new())
        } else {
            Outcome::pass(subject, held)
        };
        vec![outcome.from(policies)]
    })
}
