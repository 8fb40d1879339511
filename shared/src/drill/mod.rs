//! What proves a fix and makes good what was missed: copies on demand, of what plans should have copied.
//!
//! A copy that failed is not tried again by AWS, and its recovery point expires uncopied. What would be copied, and of everything else why not, is
//! decided here from what was read ([`backfill`]); a drill is kept as a [`Record`](record::Record), so that nothing is started twice. What is not
//! known here: how anything is read, started or kept.
//!
//! INVARIANT: nothing is copied without an end. A copy without a lifecycle is kept for ever, and in a vault under a compliance lock nobody can
//! delete it (<https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html>); so a [`Retention`] cannot be made without days.

pub mod backfill;
mod order;
pub mod record;
pub mod restore;
pub mod retest;
mod why;

pub use order::{Origin, Planned};
pub use restore::RestoreOrder;
pub use why::Why;

use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn, Region};
use crate::event::JobType;
use crate::policy::wildcard_matches;

/// How long a copy is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Days until it is deleted. At least 1.
    delete_after_days: i64,
    /// Days until it goes to cold storage, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    move_to_cold_storage_after_days: Option<i64>,
}

impl Retention {
    /// So many days; `None` where that is no time at all.
    pub fn of(delete_after_days: i64, move_to_cold_storage_after_days: Option<i64>) -> Option<Self> {
        (delete_after_days > 0).then_some(Self { delete_after_days, move_to_cold_storage_after_days })
    }

    /// Days until it is deleted.
    pub fn days(self) -> i64 {
        self.delete_after_days
    }

    /// Days until it goes to cold storage.
    pub fn cold_after_days(self) -> Option<i64> {
        self.move_to_cold_storage_after_days
    }
}

/// A copy that is to be started, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyOrder {
    /// Account that owns the recovery point, and starts the copy.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
    /// Vault that holds the recovery point.
    pub source_vault: Arn,
    /// The recovery point.
    pub point: Arn,
    /// Vault that is to hold the copy.
    pub destination_vault: Arn,
    /// Role of the job.
    pub role: Arn,
    /// How long the copy is kept.
    pub retention: Retention,
}

/// What a drill starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Order {
    /// A copy.
    Copy(CopyOrder),
    /// A restore.
    Restore(RestoreOrder),
}

impl Order {
    /// Account that owns the recovery point, and starts the job.
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Copy(copy) => &copy.account,
            Self::Restore(restore) => &restore.account,
        }
    }

    /// Its Region.
    pub fn region(&self) -> &Region {
        match self {
            Self::Copy(copy) => &copy.region,
            Self::Restore(restore) => &restore.region,
        }
    }

    /// Vault that holds the recovery point.
    pub fn source_vault(&self) -> &Arn {
        match self {
            Self::Copy(copy) => &copy.source_vault,
            Self::Restore(restore) => &restore.vault,
        }
    }

    /// The recovery point.
    pub fn point(&self) -> &Arn {
        match self {
            Self::Copy(copy) => &copy.point,
            Self::Restore(restore) => &restore.point,
        }
    }

    /// Role of the job.
    pub fn role(&self) -> &Arn {
        match self {
            Self::Copy(copy) => &copy.role,
            Self::Restore(restore) => &restore.role,
        }
    }

    /// Vault that is to hold the copy; a restore has none.
    pub fn destination_vault(&self) -> Option<&Arn> {
        match self {
            Self::Copy(copy) => Some(&copy.destination_vault),
            Self::Restore(_) => None,
        }
    }

    /// Kind of its job.
    pub fn job_type(&self) -> JobType {
        match self {
            Self::Copy(_) => JobType::Copy,
            Self::Restore(_) => JobType::Restore,
        }
    }
}

/// The vaults of drills, into which copies may be started and from which may be restored: an explicit list, empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedVaults(Vec<String>);

impl AllowedVaults {
    /// ARNs of vaults, with `*` and `?` where one stands for several; the first that is none.
    pub fn of(patterns: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut allowed = Vec::new();
        for pattern in patterns {
            let is_vault = Arn::parse(&pattern).is_ok_and(|arn| arn.service() == "backup" && arn.resource().starts_with("backup-vault:"));
            if !is_vault {
                return Err(pattern);
            }
            allowed.push(pattern);
        }
        Ok(Self(allowed))
    }

    /// Whether a vault is on the list.
    pub fn admits(&self, vault: &Arn) -> bool {
        self.0.iter().any(|pattern| wildcard_matches(pattern, vault.as_str()))
    }
}

#[cfg(test)]
mod tests {
    mod missed;
    mod restores;

    use super::*;

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    #[test]
    fn only_vaults_on_the_list_are_admitted_and_nothing_by_default() {
        let vault = arn("arn:aws:backup:eu-central-1:222222222222:backup-vault:central-backups");
        let list = |pattern: &str| AllowedVaults::of([pattern.to_owned()]).unwrap();
        assert!(!AllowedVaults::default().admits(&vault));
        assert!(list(vault.as_str()).admits(&vault));
        assert!(list("arn:aws:backup:*:222222222222:backup-vault:central-*").admits(&vault));
        assert!(!list("arn:aws:backup:*:222222222222:backup-vault:central").admits(&vault), "a name is not the beginning of one");
        assert!(!list("arn:aws:backup:*:333333333333:backup-vault:*").admits(&vault));
        for wrong in ["*", "central-backups", "arn:aws:s3:::bucket", "arn:aws:backup:eu-central-1:222222222222:recovery-point:*"] {
            assert_eq!(AllowedVaults::of([wrong.to_owned()]), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn there_is_no_retention_without_an_end() {
        assert_eq!(Retention::of(0, None), None);
        assert_eq!(Retention::of(-1, Some(30)), None);
        assert_eq!(Retention::of(35, None).map(Retention::days), Some(35));
    }
}
