//! Whom the Denys of a policy leave alone by the ARN of the principal, and on which way an administrator becomes one of those.

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
    let patterns = left_alone(document);
    let fitting = patterns.into_iter().filter_map(|pattern| {
        let name = pattern.splitn(6, ':').nth(5)?;
        let ours = name.starts_with("role/") || name.starts_with("user/");
        let arn = format!("arn:{partition}:iam::{account}:{}", name.replace('*', "anybody").replace('?', "x"));
        let wild = name.contains(['*', '?']);
        (ours && !of_aws(name) && wildcard_matches(&pattern, &arn)).then(|| Exception { arn, wild, pattern: pattern.clone() })
    });
    fitting.collect()
}
