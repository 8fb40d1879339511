//! Configuration from the environment, checked before the first event: a bad value stops the start with a message that names it.

use std::collections::BTreeSet;
use std::time::Duration;

use guardian_aws::ReaderRole;
use guardian_aws::environment::{ConfigError, Environment, is_table};
use guardian_core::arn::{AccountId, Arn, Region};

/// The configuration of a function that diagnoses.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function needs that tells people something.
    pub telling: Telling,
    /// `GUARDIAN_DENIALS_TABLE`.
    pub denials_table: String,
    /// The tunables of a diagnosis.
    pub scope: Scope,
}

/// The configuration of a function that tells people something.
#[derive(Clone, Debug)]
pub struct Telling {
    /// `GUARDIAN_TABLE`.
    pub table: String,
    /// `GUARDIAN_ALERT_TOPIC_ARN`.
    pub alert_topic_arn: String,
    /// `GUARDIAN_CHAT_TOPIC_ARN`, optional.
    pub chat_topic_arn: Option<String>,
    /// `GUARDIAN_FOLLOW_UP_QUEUE_URL`.
    pub follow_up_queue_url: String,
    /// `GUARDIAN_READER_ROLE_NAME`, `GUARDIAN_EXTERNAL_ID` and `GUARDIAN_ORGANIZATION_ROLE_ARN`.
    pub reader: ReaderRole,
    /// `GUARDIAN_REPEAT_AFTER_MINUTES`: an open incident is told again after this time. Default 4 hours.
    pub repeat_after: Duration,
}

/// What bounds the search for evidence.
#[derive(Clone, Debug)]
pub struct Scope {
    /// `GUARDIAN_EVIDENCE_WINDOW_MS`: how long the first alert waits for evidence. Default 1000.
    pub window: Duration,
    /// `GUARDIAN_LOOKUP_BUDGET`: calls of `LookupEvents` in one diagnosis. Default 20.
    pub lookups: u32,
    /// `GUARDIAN_BACKUP_ACCOUNT_IDS`: accounts in which every copy uses the same session name.
    pub backup_accounts: BTreeSet<AccountId>,
    /// `GUARDIAN_ORGANIZATION_ID`, optional.
    pub organization_id: Option<String>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { window: Duration::from_millis(1000), lookups: 20, backup_accounts: BTreeSet::new(), organization_id: None }
    }
}

impl Config {
    /// Reads the configuration from the environment of the process.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the configuration through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let env = Environment(get);
        env.list("GUARDIAN_REGIONS", "a list of Region codes", |part| Region::parse(part).ok())?;
        let denials_table = env.required("GUARDIAN_DENIALS_TABLE")?;
        Ok(Self {
            denials_table: env.checked("GUARDIAN_DENIALS_TABLE", denials_table, "the name of a table", is_table)?,
            scope: scope(&env)?,
            telling: telling(&env)?,
        })
    }
}

impl Telling {
    /// The account we run in: its alert topic says so.
    pub fn account(&self) -> Option<AccountId> {
        Arn::parse(&self.alert_topic_arn).ok().and_then(|topic| topic.account())
    }

    /// Reads the configuration from the environment of the process.
    pub fn from_env() -> Result<Self, ConfigError> {
        telling(&Environment(|name: &str| std::env::var(name).ok()))
    }
}

fn telling<G: Fn(&str) -> Option<String>>(env: &Environment<G>) -> Result<Telling, ConfigError> {
    const QUEUE: &str = "GUARDIAN_FOLLOW_UP_QUEUE_URL";
    const REPEAT: &str = "GUARDIAN_REPEAT_AFTER_MINUTES";
    let chat_topic_arn = env.optional("GUARDIAN_CHAT_TOPIC_ARN").map(|value| env.topic("GUARDIAN_CHAT_TOPIC_ARN", value)).transpose()?;
    Ok(Telling {
        table: env.checked("GUARDIAN_TABLE", env.required("GUARDIAN_TABLE")?, "the name of a table", is_table)?,
        alert_topic_arn: env.topic("GUARDIAN_ALERT_TOPIC_ARN", env.required("GUARDIAN_ALERT_TOPIC_ARN")?)?,
        chat_topic_arn,
        follow_up_queue_url: env.queue(QUEUE)?,
        reader: env.reader_role()?,
        repeat_after: Duration::from_secs(60 * env.number(REPEAT, 240, 1..=43_200, "a number of minutes up to 30 days")?),
    })
}

/// The reader role and the tunables alone, which is all that a diagnosis from the terminal needs.
pub fn for_reading() -> Result<(ReaderRole, Scope), ConfigError> {
    let env = Environment(|name: &str| std::env::var(name).ok());
    Ok((env.reader_role()?, scope(&env)?))
}

fn scope<G: Fn(&str) -> Option<String>>(env: &Environment<G>) -> Result<Scope, ConfigError> {
    let organization_id = env
        .optional("GUARDIAN_ORGANIZATION_ID")
        .map(|value| {
            env.checked("GUARDIAN_ORGANIZATION_ID", value, "an id such as `o-exampleorgid`", |value| {
                value.strip_prefix("o-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
            })
        })
        .transpose()?;
    Ok(Scope {
        window: Duration::from_millis(env.number(
            "GUARDIAN_EVIDENCE_WINDOW_MS",
            1000,
            50..=30_000,
            "a number of milliseconds between 50 and 30000",
        )?),
        lookups: u32::try_from(env.number("GUARDIAN_LOOKUP_BUDGET", 20, 0..=20, "a number of calls up to 20")?).unwrap_or(20),
        backup_accounts: env
            .list("GUARDIAN_BACKUP_ACCOUNT_IDS", "a list of account ids of 12 digits", |part| AccountId::parse(part).ok())?
            .into_iter()
            .collect(),
        organization_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut env = std::collections::BTreeMap::from([
            ("GUARDIAN_TABLE", "guardian"),
            ("GUARDIAN_DENIALS_TABLE", "denials"),
            ("GUARDIAN_ALERT_TOPIC_ARN", "arn:aws:sns:eu-central-1:444444444444:alerts"),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "222222222222, 222222222223"),
            ("GUARDIAN_FOLLOW_UP_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/444444444444/follow-up"),
        ]);
        env.extend(changes.iter().copied());
        Config::read(|name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn the_defaults_of_the_contract_hold_and_empty_means_absent() {
        let config = read(&[("GUARDIAN_CHAT_TOPIC_ARN", ""), ("GUARDIAN_EXTERNAL_ID", " ")]).unwrap();
        assert_eq!(config.telling.reader.name, "backup-guardian-reader");
        assert_eq!(config.scope.window, Duration::from_millis(1000));
        assert_eq!(config.scope.lookups, 20);
        assert_eq!(config.scope.backup_accounts.len(), 2);
        assert_eq!(config.telling.repeat_after, Duration::from_secs(4 * 3600));
        assert!(config.telling.chat_topic_arn.is_none() && config.telling.reader.external_id.is_none());
    }

    #[test]
    fn a_bad_value_stops_the_start_and_names_the_variable() {
        for (name, value) in [
            ("GUARDIAN_TABLE", ""),
            ("GUARDIAN_TABLE", "a/b"),
            ("GUARDIAN_ALERT_TOPIC_ARN", "alerts"),
            ("GUARDIAN_ALERT_TOPIC_ARN", "arn:aws:sqs:eu-central-1:444444444444:alerts"),
            ("GUARDIAN_CHAT_TOPIC_ARN", "chat"),
            ("GUARDIAN_FOLLOW_UP_QUEUE_URL", ""),
            ("GUARDIAN_FOLLOW_UP_QUEUE_URL", "follow-up"),
            ("GUARDIAN_READER_ROLE_NAME", "path/role"),
            ("GUARDIAN_ORGANIZATION_ROLE_ARN", "organization-reader"),
            ("GUARDIAN_ORGANIZATION_ROLE_ARN", "arn:aws:iam::333333333333:user/somebody"),
            ("GUARDIAN_EVIDENCE_WINDOW_MS", "soon"),
            ("GUARDIAN_EVIDENCE_WINDOW_MS", "0"),
            ("GUARDIAN_LOOKUP_BUDGET", "21"),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "222222222222,22"),
            ("GUARDIAN_REGIONS", "Frankfurt"),
            ("GUARDIAN_ORGANIZATION_ID", "organization"),
            ("GUARDIAN_REPEAT_AFTER_MINUTES", "0"),
        ] {
            let error = read(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
