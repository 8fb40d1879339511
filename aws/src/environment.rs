//! Configuration from the environment, checked before the first event: a bad value stops the start with a message that names it.

use guardian_core::arn::Arn;

use crate::ReaderRole;

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

/// Reads variables through a function, as `std::env::var` would answer.
pub struct Environment<G>(pub G);

impl<G: Fn(&str) -> Option<String>> Environment<G> {
    /// A variable; set to nothing it is absent.
    pub fn optional(&self, name: &'static str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A variable that must be there.
    pub fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    /// A value, where it is good.
    pub fn checked(
        &self,
        name: &'static str,
        value: String,
        expected: &'static str,
        good: impl Fn(&str) -> bool,
    ) -> Result<String, ConfigError> {
        if good(&value) { Ok(value) } else { Err(ConfigError::Wrong { name, value, expected }) }
    }

    /// The ARN of a topic.
    pub fn topic(&self, name: &'static str, value: String) -> Result<String, ConfigError> {
        self.checked(name, value, "the ARN of an SNS topic", |value| {
            Arn::parse(value).is_ok_and(|arn| arn.service() == "sns" && arn.region().is_some() && arn.account().is_some())
        })
    }

    /// A number within a range.
    pub fn number(
        &self,
        name: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
        expected: &'static str,
    ) -> Result<u64, ConfigError> {
        let Some(value) = self.optional(name) else { return Ok(default) };
        match value.parse::<u64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(ConfigError::Wrong { name, value, expected }),
        }
    }

    /// A list with commas.
    pub fn list<T>(&self, name: &'static str, expected: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, ConfigError> {
        let value = self.optional(name).unwrap_or_default();
        value
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| parse(part).ok_or_else(|| ConfigError::Wrong { name, value: part.to_owned(), expected }))
            .collect()
    }

    /// The URL of a queue.
    pub fn queue(&self, name: &'static str) -> Result<String, ConfigError> {
        let is_url = |value: &str| value.starts_with("https://") || value.starts_with("http://");
        self.checked(name, self.required(name)?, "the URL of an SQS queue", is_url)
    }

    /// The name of a bucket.
    pub fn bucket(&self, name: &'static str) -> Result<String, ConfigError> {
        self.checked(name, self.required(name)?, "the name of an S3 bucket", is_bucket)
    }

    /// The reader role, with what it needs.
    pub fn reader_role(&self) -> Result<ReaderRole, ConfigError> {
        let name = self.optional("GUARDIAN_READER_ROLE_NAME").unwrap_or_else(|| "backup-guardian-reader".to_owned());
        Ok(ReaderRole {
            name: self.checked("GUARDIAN_READER_ROLE_NAME", name, "the name of a role, without path", is_role_name)?,
            external_id: self.optional("GUARDIAN_EXTERNAL_ID"),
            organization_role_arn: self.organization_role()?,
        })
    }

    fn organization_role(&self) -> Result<Option<Arn>, ConfigError> {
        const NAME: &str = "GUARDIAN_ORGANIZATION_ROLE_ARN";
        let Some(value) = self.optional(NAME) else { return Ok(None) };
        match Arn::parse(&value) {
            Ok(arn) if arn.role_name().is_some() && arn.account().is_some() => Ok(Some(arn)),
            Ok(_) | Err(_) => Err(ConfigError::Wrong { name: NAME, value, expected: "the ARN of a role" }),
        }
    }
}

/// A name, or the ARN of a table.
pub fn is_table(value: &str) -> bool {
    // A name, or the ARN of a table (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html).
    (3..=255).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        || Arn::parse(value).is_ok_and(|arn| arn.service() == "dynamodb" && arn.resource().starts_with("table/"))
}

fn is_bucket(value: &str) -> bool {
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    (3..=63).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
}

fn is_role_name(value: &str) -> bool {
    (1..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b))
}
