//! Configuration from the environment, checked before the first message.

use guardian_aws::environment::{ConfigError, Environment, is_table};
use guardian_aws::{DRILL_ROLE, ReaderRole};
use guardian_core::arn::Arn;
use guardian_core::drill::AllowedVaults;

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// `GUARDIAN_TABLE`.
    pub table: String,
    /// `GUARDIAN_DRILL_QUEUE_URL`: the function's own queue.
    pub own_queue_url: String,
    /// `GUARDIAN_OPERATIONS_TOPIC_ARN`.
    pub operations_topic_arn: String,
    /// `GUARDIAN_READER_ROLE_NAME` and `GUARDIAN_EXTERNAL_ID`.
    pub reader: ReaderRole,
    /// `GUARDIAN_DRILL_ROLE_NAME`, with the same external id.
    pub starter: ReaderRole,
    /// `GUARDIAN_DRILL_VAULTS`: where copies may go.
    pub allowed: AllowedVaults,
}

impl Config {
    /// Reads the configuration from the environment of the process.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the configuration through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const TOPIC: &str = "GUARDIAN_OPERATIONS_TOPIC_ARN";
        const VAULTS: &str = "GUARDIAN_DRILL_VAULTS";
        const ROLE: &str = "GUARDIAN_DRILL_ROLE_NAME";
        const A_VAULT: &str = "a list of ARNs of vaults";
        let env = Environment(get);
        let reader = env.reader_role()?;
        let role = env.optional(ROLE).unwrap_or_else(|| DRILL_ROLE.to_owned());
        let is_role = |value: &str| Arn::parse(&format!("arn:aws:iam::000000000000:role/{value}")).is_ok() && !value.contains('/');
        let role = env.checked(ROLE, role, "the name of a role, without path", is_role)?;
        let vaults = env.list(VAULTS, A_VAULT, |part| Some(part.to_owned()))?;
        if vaults.is_empty() {
            return Err(ConfigError::Missing(VAULTS));
        }
        let wrong = |value| ConfigError::Wrong { name: VAULTS, value, expected: A_VAULT };
        Ok(Self {
            table: env.checked("GUARDIAN_TABLE", env.required("GUARDIAN_TABLE")?, "the name of a table", is_table)?,
            own_queue_url: env.queue("GUARDIAN_DRILL_QUEUE_URL")?,
            operations_topic_arn: env.topic(TOPIC, env.required(TOPIC)?)?,
            starter: ReaderRole { name: role, organization_role_arn: None, ..reader.clone() },
            reader,
            allowed: AllowedVaults::of(vaults).map_err(wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut env = std::collections::BTreeMap::from([
            ("GUARDIAN_TABLE", "guardian"),
            ("GUARDIAN_DRILL_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/444444444444/drills"),
            ("GUARDIAN_OPERATIONS_TOPIC_ARN", "arn:aws:sns:eu-central-1:444444444444:operations"),
            (
                "GUARDIAN_DRILL_VAULTS",
                "arn:aws:backup:*:222222222222:backup-vault:central, arn:aws:backup:*:111111111111:backup-vault:local",
            ),
            ("GUARDIAN_EXTERNAL_ID", "ours"),
        ]);
        env.extend(changes.iter().copied());
        Config::read(|name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn who_starts_copies_gives_the_same_external_id_as_who_reads() {
        let config = read(&[]).unwrap();
        assert_eq!((config.starter.name.as_str(), config.reader.name.as_str()), ("backup-guardian-drill", "backup-guardian-reader"));
        assert_eq!(config.starter.external_id.as_deref(), Some("ours"));
    }

    #[test]
    fn a_bad_value_stops_the_start_and_names_the_variable() {
        for (name, value) in [
            ("GUARDIAN_TABLE", ""),
            ("GUARDIAN_DRILL_QUEUE_URL", "drills"),
            ("GUARDIAN_OPERATIONS_TOPIC_ARN", "operations"),
            ("GUARDIAN_DRILL_VAULTS", ""),
            ("GUARDIAN_DRILL_VAULTS", "central"),
            ("GUARDIAN_DRILL_ROLE_NAME", "path/role"),
        ] {
            let error = read(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
