//! Whom the Denys of a policy leave alone by the ARN of the principal, and on which way an administrator becomes one of those.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::arn::{AccountId, Arn};
use crate::policy::{left_alone, wildcard_matches};

/// How an administrator becomes whom a policy leaves alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all.
    None,
    /// He makes such a role or user, or changes the one that is there.
    Itself,
    /// He takes this role or user over, which the trust policy lets in. Untrusted text.
    Through(String),
    /// He hands this role to a function, or changes the function that has it. Untrusted text.
    Passed(String),
    /// He hands this role to a service that its trust policy lets in. Untrusted text.
    Served(String),
    /// The trust policy of this role lets him in as he is. Untrusted text.
    Ajar(String),
    /// It depends on this. Untrusted text.
    Depends(String),
}

/// The role of the function that sets the features for tables (`deploy/source-backup.yaml`), and the function. Lambda is let in by its trust policy, which
/// in an account that is backed up is not read.
pub(super) const TABLES_ROLE: &str = "role/backup-guardian-tables-";
pub(super) const TABLES_FUNCTION: &str = "backup-guardian-tables";

/// What gets somebody into a user that is there.
pub(super) const TAKES_USER: &[&str] = &["iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile"];

/// Wildcards of one pattern that are tried.
const MOST_WILDCARDS: usize = 16;

/// A name that a Deny leaves alone, and one that fits it.
pub(super) struct Exception {
    pub(super) pattern: String,
    pub(super) arn: String,
    /// Whether names fit it that nobody has yet.
    pub(super) wild: bool,
}

/// Roles of AWS services and of IAM Identity Center are made and changed by those only.
fn of_aws(name: &str) -> bool {
    name.starts_with("role/aws-service-role/") || name.starts_with("role/aws-reserved/")
}

/// Whether a principal of a trust policy is a role or user that people of the account make.
pub(super) fn is_made(principal: &str, account: &AccountId) -> bool {
    Arn::parse(principal).is_ok_and(|arn| {
        let name = arn.resource();
        arn.account().as_ref() == Some(account) && (name.starts_with("role/") || name.starts_with("user/")) && !of_aws(name)
    })
}

/// The roles and users that the Denys of a document leave alone by their ARN.
pub(super) fn exceptions(document: &Value, account: &AccountId, partition: &str) -> Vec<Exception> {
    let mut found = Vec::new();
    for pattern in left_alone(document) {
        for arn in fitting(&pattern, account, partition) {
            let name = arn.splitn(6, ':').nth(5).unwrap_or_default();
            let wild = !pattern.ends_with(&format!(":{name}"));
            if !of_aws(name) {
                found.push(Exception { arn, wild, pattern: pattern.clone() });
            }
        }
    }
    found
}

/// ARNs of roles and users of the account that fit a pattern. One with wildcards fits many: here is one for each kind and each way to fill it.
pub(super) fn fitting(pattern: &str, account: &AccountId, partition: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for kind in ["role/", "user/"] {
        let prefix = format!("arn:{partition}:iam::{account}:{kind}");
        let mut add = |name: &str| {
            let arn = format!("{prefix}{name}");
            let plain = !name.is_empty() && !name.starts_with('/') && !name.contains(':');
            if plain && wildcard_matches(pattern, &arn) {
                found.insert(arn);
            }
        };
        let is_ours = pattern.splitn(6, ':').nth(5).and_then(|name| name.strip_prefix(kind));
        match is_ours {
            Some(name) => add(&filled(name)),
            // Whatever comes after a wildcard may be the end of a name, or the whole of it, or begin before it.
            None => {
                add(&filled(pattern.get(prefix.len()..).unwrap_or_default()));
                for (at, _) in pattern.match_indices(['*', '?']).take(MOST_WILDCARDS) {
                    let rest = filled(pattern.get(at.saturating_add(1)..).unwrap_or_default());
                    add(&format!("anybody{rest}"));
                    add(&rest);
                    let cuts = rest.match_indices(kind).map(|(cut, _)| cut.saturating_add(kind.len()));
                    cuts.for_each(|cut| add(rest.get(cut..).unwrap_or_default()));
                    let ends = (0..kind.len()).filter_map(|begin| rest.strip_prefix(kind.get(begin..)?));
                    ends.for_each(&mut add);
                }
            }
        }
    }
    found
}

/// A text that a pattern stands for.
pub(super) fn filled(pattern: &str) -> String {
    pattern.replace('*', "anybody").replace('?', "x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_every_form_are_filled_into_roles_and_users_of_the_account() {
        let account = AccountId::parse("222222222222").unwrap();
        let names = |pattern: &str| {
            let found = fitting(pattern, &account, "aws").into_iter();
            found.map(|arn| arn.splitn(6, ':').nth(5).unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("arn:aws:iam::222222222222:role/glass"), ["role/glass"]);
        assert_eq!(names("arn:aws:iam::*:user/evil-*"), ["user/evil-anybody"]);
        assert_eq!(names("*glass"), ["role/anybodyglass", "role/glass", "user/anybodyglass", "user/glass"]);
        assert_eq!(names("arn:*:role/glass"), ["role/glass"]);
        assert_eq!(
            names("arn:aws:iam::222222222222:*ole/glass"),
            ["role/anybodyole/glass", "role/glass", "role/ole/glass", "user/anybodyole/glass", "user/ole/glass"]
        );
        assert_eq!(names("arn:aws:iam::22222222222?:?ole/glass"), ["role/glass"]);
        for none in
            ["arn:aws:iam::111111111111:role/*", "arn:aws:sts::222222222222:assumed-role/*", "arn:aws:iam::222222222222:group/*", ""]
        {
            assert!(names(none).is_empty(), "{none}");
        }
    }
}
