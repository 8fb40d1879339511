//! What the access policy of the destination vault shows at a glance about the account that wants to copy into it.
//!
//! A copy from another account needs an Allow of `backup:CopyIntoBackupVault` here
//! (<https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html>).

use super::statement::{Statement, Statements, holds};
use crate::evidence::Evidence;

/// What catches the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The vault has no access policy, so no other account may copy into it.
    Missing,
    /// A Deny statement without conditions speaks to the account; with its name.
    Denies(Option<String>),
    /// No statement admits the account.
    NoStatement,
    /// The only statements that could admit it name other organizations.
    OtherOrganization(Vec<String>),
    /// A statement admits it.
    Admits,
    /// A condition decides that cannot be judged from here.
    Open,
}

const ACTION: &str = "backup:CopyIntoBackupVault";

/// What the policy of the destination vault shows, where it was read.
pub fn look(evidence: &Evidence) -> Option<Sight> {
    let policy = evidence.destination_vault_policy.known()?;
    let Some(document) = &policy.document else { return Some(Sight::Missing) };
    let account = evidence.source_account();
    let mut principals = vec![format!("arn:{}:iam::{account}:root", policy.vault_arn.partition()), account.as_str().to_owned()];
    principals.extend(evidence.role_arn().map(|role| role.as_str().to_owned()));
    let statements = Statements::read(document);
    let hits = |statement: &&Statement<'_>| statement.covers(ACTION) && statement.speaks_to(&principals);
    let mut may_deny = statements.unreadable;
    for deny in statements.denies().filter(hits) {
        if deny.conditions().is_empty() {
            return Some(Sight::Denies(deny.sid().map(str::to_owned)));
        }
        may_deny |= judge(deny, evidence) != Condition::Fails;
    }
    // A statement for a single role may be the one: the role is not always known.
    let mut may_admit = evidence.role_arn().is_none();
    let mut other = Vec::new();
    let mut admits = false;
    for allow in statements.allows().filter(hits) {
        match judge(allow, evidence) {
            Condition::Holds => admits = true,
            Condition::Fails => other.extend(organizations(allow)),
            Condition::Open => may_admit = true,
        }
    }
    other.sort();
    other.dedup();
    Some(match (may_deny, admits, may_admit) {
        (true, _, _) | (false, false, true) => Sight::Open,
        (false, true, _) => Sight::Admits,
        (false, false, false) if other.is_empty() => Sight::NoStatement,
        (false, false, false) => Sight::OtherOrganization(other),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Holds,
    Fails,
    Open,
}

/// Whether the conditions of a statement hold for the job role, as far as the account and the organization tell.
fn judge(statement: &Statement<'_>, evidence: &Evidence) -> Condition {
    let mut result = Condition::Holds;
    for (operator, key, values) in statement.conditions() {
        let one = match key.as_str() {
            "aws:principalorgid" => evidence.organization_id.as_deref().and_then(|id| holds(&operator, &values, id)),
            "aws:principalaccount" => holds(&operator, &values, evidence.source_account().as_str()),
            // A path begins with the id of its organization; what follows is not known here.
            "aws:principalorgpaths" => evidence.organization_id.as_deref().and_then(|id| {
                let inside = values.iter().any(|path| path.split('/').next() == Some(id) || path.starts_with('*'));
                (!inside && !operator.contains("not")).then_some(false)
            }),
            _ => None,
        };
        match one {
            Some(false) => return Condition::Fails,
            Some(true) => {}
            None => result = Condition::Open,
        }
    }
    result
}

/// The organizations that the conditions of a statement name.
fn organizations(statement: &Statement<'_>) -> Vec<String> {
    let of_path = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    statement
        .conditions()
        .into_iter()
        .filter(|(_, key, _)| key == "aws:principalorgid" || key == "aws:principalorgpaths")
        .flat_map(|(_, _, values)| values.into_iter().map(of_path).collect::<Vec<_>>())
        .collect()
}
