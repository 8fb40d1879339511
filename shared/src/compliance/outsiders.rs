//! Whom of outside of the organization a policy names itself: principals, accounts and organizations.
//!
//! One invented stranger finds what is open to everybody. What is open to somebody is found by asking for him.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::exempt::filled;
use super::probe::{Caller, Says, strings};
use super::say::listed;
use super::{AccountView, Outcome, Subject};
use crate::arn::{AccountId, Arn};
use crate::policy::Named;

/// Somebody that a policy names and that is no member of the organization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outsider {
    /// What the policy calls him. Untrusted text.
    shown: String,
    account: String,
    arn: String,
    organization: String,
    path: String,
    /// Whether it is known that he is no member.
    certain: bool,
}

impl Outsider {
    fn caller(&self) -> Caller<'_> {
        Caller { account: &self.account, arn: self.arn.clone(), organization_id: Some(&self.organization), path: Some(&self.path) }
    }
}

/// Outsiders that a policy lets in, by the names that it has for them. Untrusted text.
#[derive(Debug, Default)]
pub(super) struct LetIn {
    pub(super) named: BTreeSet<String>,
    /// Those of whom it is not known whether they are members.
    untold: BTreeSet<String>,
    open: BTreeSet<String>,
}

impl LetIn {
    /// Asks for each of them.
    pub(super) fn ask(&mut self, outsiders: &[Outsider], may: impl Fn(&Caller<'_>) -> Says) -> bool {
        let mut any = false;
        for outsider in outsiders {
            match may(&outsider.caller()) {
                Says::Yes if outsider.certain => {
                    any = true;
                    self.named.insert(outsider.shown.clone());
                }
                Says::Yes => drop(self.untold.insert(outsider.shown.clone())),
                Says::Depends(on) => self.open.extend(on),
                Says::No => {}
            }
        }
        any
    }

    /// Those that are no members, as the beginning of a sentence.
    pub(super) fn who(&self) -> String {
        format!("from outside of the organization {}", listed(&self.named.iter().collect::<Vec<_>>()))
    }

    /// What is said where nobody is let in of whom it is certain that he is no member; `None`: nobody is at all.
    pub(super) fn unknown(self, view: &AccountView<'_>, subject: Subject, may: &str) -> Option<Outcome> {
        if !self.untold.is_empty() {
            let named = self.untold.into_iter().collect::<Vec<_>>();
            let gaps = [view.organization.organization.gap(), view.organization.members.gap()].into_iter().flatten().cloned().collect();
            let seen = format!("not seen: whether the organization holds {}, whom the policy lets in", listed(&named));
            return Some(Outcome::unknown(subject, seen, gaps));
        }
        let open = self.open.into_iter().collect::<Vec<_>>();
        (!open.is_empty()).then(|| Outcome::unknown(subject, format!("whether {may} depends on {}", listed(&open)), Vec::new()))
    }
}

/// An organization, and a path in it.
struct Home {
    shown: String,
    id: String,
    path: String,
}

/// The Allows of a document.
fn allows(document: &Value) -> impl Iterator<Item = &Value> {
    let statements = match document.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        one => one.into_iter().collect::<Vec<_>>(),
    };
    statements.into_iter().filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Allow"))
}

/// Every outsider that the Allows of a document name.
pub(super) fn outsiders(view: &AccountView<'_>, document: &Value, partition: &str) -> Vec<Outsider> {
    let all = allows(document).flat_map(|statement| of_statement(view, statement, partition)).collect::<BTreeSet<_>>();
    all.into_iter().collect()
}

/// Every account that the Allows of a document name as a whole, with what they call it.
pub(super) fn accounts_named(document: &Value) -> BTreeMap<AccountId, String> {
    let mut found = BTreeMap::new();
    for statement in allows(document) {
        let tied = tied(statement).into_iter().filter(|(key, _)| key == "aws:principalaccount" || key == "kms:calleraccount");
        found.extend(tied.filter_map(|(_, value)| Some((account(value)?, value.to_owned()))));
        for principal in Named::read(&json!({ "Statement": statement })).aws {
            let whole = AccountId::parse(principal.strip_suffix(":root").and_then(|arn| arn.rsplit(':').next()).unwrap_or(&principal));
            found.extend(whole.map(|account| (account, principal)));
        }
    }
    found
}

fn of_statement(view: &AccountView<'_>, statement: &Value, partition: &str) -> Vec<Outsider> {
    let stranger = Caller::stranger(view, partition);
    let (mut accounts, mut names, mut homes) = (BTreeSet::new(), Vec::new(), Vec::new());
    // Principals in whole, each with its account.
    let mut principals = Vec::new();
    for (key, value) in tied(statement) {
        match key.as_str() {
            "aws:principalaccount" | "kms:calleraccount" => accounts.extend(account(value).map(|account| (value.to_owned(), account))),
            "aws:principalorgid" => {
                homes.push(Home { shown: value.to_owned(), id: filled(value), path: format!("{}/r-anot/", filled(value)) })
            }
            "aws:principalorgpaths" => {
                let id = value.split('/').next().unwrap_or_default();
                homes.push(Home { shown: value.to_owned(), id: filled(id), path: filled(value) });
            }
            "aws:principalarn" => {
                let mut parts = value.splitn(6, ':').skip(4);
                let (owner, name) = (parts.next().unwrap_or_default(), filled(parts.next().unwrap_or_default()));
                match AccountId::parse(owner) {
                    Ok(account) => principals.push((value.to_owned(), format!("arn:{partition}:iam::{account}:{name}"), account)),
                    Err(_) => names.push((value.to_owned(), name)),
                }
            }
            _ => {}
        }
    }
    for principal in Named::read(&json!({ "Statement": statement })).aws {
        let arn = Arn::parse(&principal).ok();
        match arn.as_ref().and_then(Arn::account).or_else(|| AccountId::parse(&principal).ok()) {
            Some(account) if arn.as_ref().is_none_or(|arn| arn.resource() == "root") => drop(accounts.insert((principal, account))),
            Some(account) => principals.push((principal.clone(), principal, account)),
            // Of whoever was deleted an id is left, which is nobody.
            None => {}
        }
    }
    let own = view.organization_id();
    homes.retain(|home| own != Some(home.id.as_str()));
    let role = |account: &str, name: &str| format!("arn:{partition}:iam::{account}:{name}");
    // Conditions that name a role let no other in. One of several that are named is enough where another one is asked about.
    let tied_name = names.first().map_or("role/administrator", |(_, name)| name.as_str());
    principals.extend(accounts.into_iter().map(|(shown, account)| (shown, role(account.as_str(), tied_name), account)));
    let somewhere = ["o-anotherone".to_owned(), "o-anotherone/r-anot/".to_owned()];
    let first = homes.first().map(|home| [home.id.clone(), home.path.clone()]);
    let mut found = Vec::new();
    let mut add = |shown: &str, arn: String, account: &str, [organization, path]: [String; 2], certain: bool| {
        found.push(Outsider { shown: shown.to_owned(), account: account.to_owned(), arn, organization, path, certain });
    };
    for (shown, arn, account) in &principals {
        let Some(certain) = is_outside(view, account) else { continue };
        add(shown, arn.clone(), account.as_str(), somewhere.clone(), certain);
        if let Some(home) = &first {
            add(shown, arn.clone(), account.as_str(), home.clone(), certain && own.is_some());
        }
    }
    for home in &homes {
        add(&home.shown, role(stranger.account, tied_name), stranger.account, [home.id.clone(), home.path.clone()], own.is_some());
    }
    for (shown, name) in &names {
        add(shown, role(stranger.account, name), stranger.account, somewhere.clone(), true);
    }
    found
}

/// What the conditions of a statement ask for, with their keys in small letters.
fn tied(statement: &Value) -> Vec<(String, &str)> {
    let conditions = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    let mut found = Vec::new();
    for (_, keys) in conditions.filter(|(operator, _)| !operator.to_ascii_lowercase().contains("not")) {
        for (key, value) in keys.as_object().into_iter().flatten() {
            let mut texts = BTreeSet::new();
            strings(value, &mut texts);
            found.extend(texts.into_iter().map(|text| (key.to_ascii_lowercase(), text)));
        }
    }
    found
}

/// An account that a value of a condition, or a pattern of one, stands for.
fn account(value: &str) -> Option<AccountId> {
    let missing = 12_usize.saturating_sub(value.chars().filter(|c| *c != '*').count());
    AccountId::parse(&value.replacen('*', &"9".repeat(missing), 1).replace('*', "").replace('?', "9")).ok()
}

/// Whether an account is outside of the organization, and whether that is certain; `None`: it is a member.
fn is_outside(view: &AccountView<'_>, account: &AccountId) -> Option<bool> {
    let management = view.organization.organization.known().is_some_and(|organization| organization.management_account == *account);
    if management || *account == view.account.account_id || view.is_backup_account(account) || view.organization.member(account).is_some() {
        return None;
    }
    Some(view.organization.members.known().is_some())
}
