//! Configuration from the environment, checked before the first event.

use std::time::Duration;

use guardian_aws::ReaderRole;
use guardian_aws::environment::{ConfigError, Environment, is_table};
use guardian_core::arn::{AccountId, Arn, Region};

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// `GUARDIAN_TABLE`.
    pub table: String,
    /// `GUARDIAN_PROBLEM_QUEUE_URL`: the queue of the diagnosis.
    pub problem_queue_url: String,
    /// `GUARDIAN_RECONCILE_QUEUE_URL`: the function's own queue.
    pub own_queue_url: String,
    /// `GUARDIAN_OPERATIONS_TOPIC_ARN`.
    pub operations_topic_arn: String,
    /// `GUARDIAN_READER_ROLE_NAME`, `GUARDIAN_EXTERNAL_ID` and `GUARDIAN_ORGANIZATION_ROLE_ARN`.
    pub reader: ReaderRole,
    /// What is looked at.
    pub scope: Scope,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// `GUARDIAN_REGIONS`.
    pub regions: Vec<Region>,
    /// `GUARDIAN_BACKUP_ACCOUNT_IDS` and our own account: what is looked at where the organization cannot be listed.
    pub known_accounts: Vec<AccountId>,
    /// `GUARDIAN_LOOK_BACK_HOURS`: jobs that were created or ended within this time. Default 26: a day, and some.
    pub look_back: Duration,
    /// `GUARDIAN_STUCK_AFTER_MINUTES`: a job that has not begun after this time is stuck. Default 120: so long AWS tries by itself.
    pub stuck_after: Duration,
    /// `GUARDIAN_RUNNING_AFTER_MINUTES`: a job that runs longer is stuck. Default 1440.
    pub running_after: Duration,
}

/// Lists of jobs reach back about 30 days (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html>).
const MOST_HOURS: u64 = 30 * 24;

impl Config {
    /// Reads the configuration from the environment of the process.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the configuration through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const TOPIC: &str = "GUARDIAN_OPERATIONS_TOPIC_ARN";
        let env = Environment(get);
        let operations_topic_arn = env.topic(TOPIC, env.required(TOPIC)?)?;
        let account = |value: &str| AccountId::parse(value).ok();
        let mut known_accounts = env.list("GUARDIAN_BACKUP_ACCOUNT_IDS", "a list of account ids of 12 digits", account)?;
        known_accounts.extend(Arn::parse(&operations_topic_arn).ok().and_then(|topic| topic.account()));
        known_accounts.sort();
        known_accounts.dedup();
        let regions = env.list("GUARDIAN_REGIONS", "a list of Region codes", |part| Region::parse(part).ok())?;
        if regions.is_empty() {
            return Err(ConfigError::Missing("GUARDIAN_REGIONS"));
        }
        let hours = env.number("GUARDIAN_LOOK_BACK_HOURS", 26, 1..=MOST_HOURS, "a number of hours up to 720")?;
        let minutes = |name, default| env.number(name, default, 1..=60 * MOST_HOURS, "a number of minutes up to 30 days");
        let (stuck, running) = (minutes("GUARDIAN_STUCK_AFTER_MINUTES", 120)?, minutes("GUARDIAN_RUNNING_AFTER_MINUTES", 1440)?);
        Ok(Self {
            table: env.checked("GUARDIAN_TABLE", env.required("GUARDIAN_TABLE")?, "the name of a table", is_table)?,
            problem_queue_url: env.queue("GUARDIAN_PROBLEM_QUEUE_URL")?,
            own_queue_url: env.queue("GUARDIAN_RECONCILE_QUEUE_URL")?,
            operations_topic_arn,
            reader: env.reader_role()?,
            scope: Scope {
                regions,
                known_accounts,
                look_back: Duration::from_secs(3600 * hours),
                stuck_after: Duration::from_secs(60 * stuck),
                running_after: Duration::from_secs(60 * running),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut env = std::collections::BTreeMap::from([
            ("GUARDIAN_TABLE", "guardian"),
            ("GUARDIAN_PROBLEM_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/444444444444/problems"),
            ("GUARDIAN_RECONCILE_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/444444444444/reconcile"),
            ("GUARDIAN_OPERATIONS_TOPIC_ARN", "arn:aws:sns:eu-central-1:444444444444:operations"),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "222222222222"),
            ("GUARDIAN_REGIONS", "eu-central-1, eu-west-1"),
        ]);
        env.extend(changes.iter().copied());
        Config::read(|name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn the_defaults_hold_and_our_own_account_is_looked_at() {
        let config = read(&[]).unwrap();
        assert_eq!(config.scope.look_back, Duration::from_secs(26 * 3600));
        assert_eq!(config.scope.stuck_after, Duration::from_secs(2 * 3600));
        assert_eq!(config.scope.known_accounts.len(), 2);
        assert_eq!(config.scope.regions.len(), 2);
        assert_eq!(config.reader.name, "backup-guardian-reader");
    }

    #[test]
    fn a_bad_value_stops_the_start_and_names_the_variable() {
        for (name, value) in [
            ("GUARDIAN_TABLE", ""),
            ("GUARDIAN_PROBLEM_QUEUE_URL", "problems"),
            ("GUARDIAN_RECONCILE_QUEUE_URL", ""),
            ("GUARDIAN_OPERATIONS_TOPIC_ARN", "operations"),
            ("GUARDIAN_REGIONS", ""),
            ("GUARDIAN_REGIONS", "Frankfurt"),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "22"),
            ("GUARDIAN_ORGANIZATION_ROLE_ARN", "organization-reader"),
            ("GUARDIAN_READER_ROLE_NAME", "path/role"),
            ("GUARDIAN_LOOK_BACK_HOURS", "0"),
            ("GUARDIAN_STUCK_AFTER_MINUTES", "soon"),
        ] {
            let error = read(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
