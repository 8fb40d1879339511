//! Configuration from the environment, checked before the first event.

use diagnose_job::config::{Config as Diagnosing, Telling};
use guardian_aws::environment::ConfigError;

use crate::handler::Watched;

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function needs that tells people something.
    pub telling: Telling,
    /// `GUARDIAN_DENIALS_TABLE`: where changes are kept, too.
    pub changes_table: String,
    /// `GUARDIAN_BACKUP_ACCOUNT_IDS` and `GUARDIAN_ORGANIZATION_ID`.
    pub watched: Watched,
}

impl Config {
    /// Reads the configuration from the environment of the process. It is a part of what a diagnosis needs, and checked in the same way.
    pub fn from_env() -> Result<Self, ConfigError> {
        let Diagnosing { telling, denials_table, scope } = Diagnosing::from_env()?;
        let watched = Watched { backup_accounts: scope.backup_accounts, organization_id: scope.organization_id };
        Ok(Self { telling, changes_table: denials_table, watched })
    }
}
