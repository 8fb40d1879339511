//! Configuration from the environment, checked before the first event.

use std::time::Duration;

use guardian_aws::ReaderRole;
use guardian_core::arn::{AccountId, Arn, Region};

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("`{0}` is not set")]
    Missing(&'static str),
    /// Set to something that cannot be used.
    #[error("`{name}` is `{value}`: {expected} is expected")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

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

struct Reader<G>(G);

impl<G: Fn(&str) -> Option<String>> Reader<G> {
    fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn required<T>(&self, name: &'static str, expected: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        let value = self.optional(name).ok_or(ConfigError::Missing(name))?;
        read(&value).ok_or(ConfigError::Wrong { name, value, expected })
    }

    fn list<T>(&self, name: &'static str, expected: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, ConfigError> {
        let value = self.optional(name).unwrap_or_default();
        let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
        let found = parts.map(&read).collect::<Option<Vec<_>>>();
        found.ok_or(ConfigError::Wrong { name, value, expected })
    }

    fn minutes(&self, name: &'static str, default: u64, most: u64) -> Result<Duration, ConfigError> {
        let Some(value) = self.optional(name) else { return Ok(Duration::from_secs(60 * default)) };
        match value.parse::<u64>() {
            Ok(number) if (1..=most).contains(&number) => Ok(Duration::from_secs(60 * number)),
            _ => Err(ConfigError::Wrong { name, value, expected: "a number of minutes up to 30 days" }),
        }
    }
}

fn url(text: &str) -> Option<String> {
    text.contains("://").then(|| text.to_owned())
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
        let env = Reader(get);
        let topic = |value: &str| Arn::parse(value).ok().filter(|arn| arn.service() == "sns" && arn.account().is_some());
        let operations = env.required("GUARDIAN_OPERATIONS_TOPIC_ARN", "the ARN of an SNS topic", topic)?;
        let account = |value: &str| AccountId::parse(value).ok();
        let mut known_accounts = env.list("GUARDIAN_BACKUP_ACCOUNT_IDS", "a list of account ids of 12 digits", account)?;
        known_accounts.extend(operations.account());
        known_accounts.sort();
        known_accounts.dedup();
        let regions = env.list("GUARDIAN_REGIONS", "a list of Region codes", |part| Region::parse(part).ok())?;
        if regions.is_empty() {
            return Err(ConfigError::Missing("GUARDIAN_REGIONS"));
        }
        Ok(Self {
            table: env.required("GUARDIAN_TABLE", "the name of a table", |value| Some(value.to_owned()))?,
            problem_queue_url: env.required("GUARDIAN_PROBLEM_QUEUE_URL", "the address of a queue", url)?,
            own_queue_url: env.required("GUARDIAN_RECONCILE_QUEUE_URL", "the address of a queue", url)?,
            operations_topic_arn: operations.as_str().to_owned(),
            reader: reader_role(&env)?,
            scope: Scope {
                regions,
                known_accounts,
                look_back: hours(&env)?,
                stuck_after: env.minutes("GUARDIAN_STUCK_AFTER_MINUTES", 120, 60 * MOST_HOURS)?,
                running_after: env.minutes("GUARDIAN_RUNNING_AFTER_MINUTES", 1440, 60 * MOST_HOURS)?,
            },
        })
    }
}

fn hours<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<Duration, ConfigError> {
    const NAME: &str = "GUARDIAN_LOOK_BACK_HOURS";
    let Some(value) = env.optional(NAME) else { return Ok(Duration::from_secs(26 * 3600)) };
    match value.parse::<u64>() {
        Ok(number) if (1..=MOST_HOURS).contains(&number) => Ok(Duration::from_secs(3600 * number)),
        _ => Err(ConfigError::Wrong { name: NAME, value, expected: "a number of hours up to 720" }),
    }
}

fn reader_role<G: Fn(&str) -> Option<String>>(env: &Reader<G>) -> Result<ReaderRole, ConfigError> {
    const ORGANIZATION: &str = "GUARDIAN_ORGANIZATION_ROLE_ARN";
    let role = |value: &str| Arn::parse(value).ok().filter(|arn| arn.role_name().is_some() && arn.account().is_some());
    let organization_role_arn = match env.optional(ORGANIZATION) {
        None => None,
        Some(_) => Some(env.required(ORGANIZATION, "the ARN of a role", role)?),
    };
    let name = env.optional("GUARDIAN_READER_ROLE_NAME").unwrap_or_else(|| "backup-guardian-reader".to_owned());
    if name.contains('/') {
        return Err(ConfigError::Wrong { name: "GUARDIAN_READER_ROLE_NAME", value: name, expected: "the name of a role, without path" });
    }
    Ok(ReaderRole { name, external_id: env.optional("GUARDIAN_EXTERNAL_ID"), organization_role_arn })
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
