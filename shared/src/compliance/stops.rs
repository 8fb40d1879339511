//! Which copies a failure will stop, whether or not one was tried yet.

use super::{CheckOutcome, Status};
use crate::arn::{AccountId, Arn};

/// Where copies will not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// In this vault, from the account of the result.
    Into(Arn),
    /// In the vaults of this account, from any other.
    IntoAccount(AccountId),
    /// In any account but their own.
    Abroad,
}

/// Their outcomes name the vault that copies go to: as the thing they are about, or at the end of the part.
const INTO: &[&str] = &[
    "destination-vault-admits-account",
    "vault-retention-range-fits-copies",
    "vault-key-lets-backup-account-use",
    "vault-key-lets-backup-account-grant",
    "ebs-key-lets-backup-account-use",
    "ebs-key-lets-backup-account-grant",
    "recovery-point-keys-let-backup-account-copy",
    "backup-vault-key-takes-copies",
    "backup-role-permitted",
];

/// What of the copies a failure stops: all of them on their way, or those of some types of resources.
pub fn stops(found: &CheckOutcome) -> Option<Stopped> {
    let outcome = &found.outcome;
    if outcome.status != Status::Fail {
        return None;
    }
    match found.check.as_str() {
        "cross-account-backup-enabled" => Some(Stopped::Abroad),
        "backup-account-in-organization" => Some(Stopped::IntoAccount(outcome.subject.account_id.clone())),
        name if INTO.contains(&name) => {
            let named = outcome.subject.part.as_deref().and_then(|part| part.rsplit(" -> ").next());
            let named = named.and_then(|named| Arn::parse(named).ok());
            named.or_else(|| outcome.subject.resource_arn.clone()).filter(is_vault).map(Stopped::Into)
        }
        _ => None,
    }
}

fn is_vault(arn: &Arn) -> bool {
    arn.service() == "backup" && arn.resource().starts_with("backup-vault:")
}

/// The checks whose failures name a vault that copies will not arrive in.
pub fn naming_vaults() -> &'static [&'static str] {
    INTO
}
