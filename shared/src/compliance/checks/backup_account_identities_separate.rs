//! No identity provider of the other accounts reaches the backup account.

use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use crate::policy::{Named, wildcard_matches};
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-015",
        name: "backup-account-identities-separate",
        title: "No identity provider of the other accounts reaches the backup account",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["iam:ListRoles"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/singlesignon/latest/userguide/permissionsetsconcept.html",
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers.html",
        ],
        page: include_str!("backup-account-identities-separate.md"),
    },
    judge: Judge::Account(judge),
};

/// The roles that IAM Identity Center makes of permission sets: `AWSReservedSSO_<set>_<hash>`.
const PREFIX: &str = "AWSReservedSSO_";

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        let Some(trusts) = view.account.trusts.known() else {
            return vec![Outcome::unseen(view.place().here(), "who may assume the roles of the account", &view.account.trusts)];
        };
        let (mut sets, mut providers) = (BTreeSet::new(), BTreeSet::new());
        for trust in trusts {
            let name = trust.role_arn.role_name().unwrap_or_default();
            if view.scope.baseline.outside_roles.iter().any(|pattern| wildcard_matches(pattern, name)) {
                continue;
            }
            match permission_set(name) {
                Some(set) => drop(sets.insert(set)),
                None => providers.extend(Named::read(&trust.document).federated),
            }
        }
        let here = || view.place().here();
        let mut outcomes = sets.iter().map(|set| of_set(view, set)).collect::<Vec<_>>();
        outcomes.extend(providers.iter().map(|provider| {
            let what = format!("not seen: whether the identity provider {} lets the same people into other accounts", quoted(provider));
            Outcome::unknown(here().part(provider.as_str()), what, Vec::new())
        }));
        if outcomes.is_empty() {
            outcomes.push(Outcome::pass(here(), "no role of the account trusts an identity provider"));
        }
        outcomes
    })
}

fn permission_set(role: &str) -> Option<&str> {
    role.strip_prefix(PREFIX)?.rsplit_once('_').map(|(set, _)| set)
}

fn of_set(view: &AccountView<'_>, set: &str) -> Outcome {
    let subject = view.place().here().part(set);
    let seen = format!(
        "people of IAM Identity Center get into the backup account by the permission set {}; whoever administers it reaches both sides",
        quoted(set)
    );
    let remedy = format!(
        "take the assignment of {} to account {} away, or give it to a group that has no other account and name {} in `outside_roles` of the baseline",
        quoted(set),
        view.account.account_id,
        quoted(&format!("{PREFIX}{set}_*"))
    );
    Outcome::fail(subject, seen, remedy)
}
