//! Configuration from the environment, checked before the first event.

use guardian_aws::environment::{ConfigError, Environment, is_table};
use guardian_core::arn::Arn;
use guardian_core::report::sweep::Product;

/// The configuration of the function, beside that of every function of a sweep.
#[derive(Clone, Debug)]
pub struct Config {
    /// `GUARDIAN_TABLE`: the pace of all messages, and our heartbeat.
    pub table: String,
    /// `GUARDIAN_ALERT_TOPIC_ARN`.
    pub alert_topic_arn: String,
    /// `GUARDIAN_CHAT_TOPIC_ARN`, optional.
    pub chat_topic_arn: Option<String>,
    /// `GUARDIAN_BASELINE`, optional: bucket and key.
    pub baseline: Option<(String, String)>,
    /// `GUARDIAN_SECURITY_HUB_PRODUCT_ARN`, optional.
    pub product: Option<Product>,
    /// `GUARDIAN_SWEEP_DIGEST`.
    pub told: Told,
}

/// Which sweeps people are told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Those that found a change, or could not see everything.
    #[default]
    Changes,
    /// All.
    Always,
}

impl Config {
    /// Reads the configuration from the environment of the process.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the configuration through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const ALERTS: &str = "GUARDIAN_ALERT_TOPIC_ARN";
        const CHAT: &str = "GUARDIAN_CHAT_TOPIC_ARN";
        const BASELINE: &str = "GUARDIAN_BASELINE";
        const PRODUCT: &str = "GUARDIAN_SECURITY_HUB_PRODUCT_ARN";
        const DIGEST: &str = "GUARDIAN_SWEEP_DIGEST";
        let env = Environment(get);
        let object = |value: String| match value.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok((bucket.to_owned(), key.to_owned())),
            _ => Err(ConfigError::Wrong { name: BASELINE, value, expected: "an address such as `s3://bucket/key`" }),
        };
        let product = |value: String| match Arn::parse(&value).ok().and_then(|arn| Product::try_from(arn).ok()) {
            Some(product) => Ok(product),
            None => Err(ConfigError::Wrong { name: PRODUCT, value, expected: "the ARN of a product of Security Hub" }),
        };
        let told = match env.optional(DIGEST) {
            None => Told::default(),
            Some(value) if value == "changes" => Told::Changes,
            Some(value) if value == "always" => Told::Always,
            Some(value) => return Err(ConfigError::Wrong { name: DIGEST, value, expected: "`changes` or `always`" }),
        };
        Ok(Self {
            table: env.checked("GUARDIAN_TABLE", env.required("GUARDIAN_TABLE")?, "the name of a table", is_table)?,
            alert_topic_arn: env.topic(ALERTS, env.required(ALERTS)?)?,
            chat_topic_arn: env.optional(CHAT).map(|value| env.topic(CHAT, value)).transpose()?,
            baseline: env.optional(BASELINE).map(object).transpose()?,
            product: env.optional(PRODUCT).map(product).transpose()?,
            told,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut env = std::collections::BTreeMap::from([
            ("GUARDIAN_TABLE", "guardian"),
            ("GUARDIAN_ALERT_TOPIC_ARN", "arn:aws:sns:eu-central-1:444444444444:alerts"),
        ]);
        env.extend(changes.iter().copied());
        Config::read(|name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn what_is_optional_may_be_absent() {
        let config = read(&[]).unwrap();
        assert_eq!((config.baseline, config.told), (None, Told::Changes));
        assert!(config.product.is_none());
        let config = read(&[
            ("GUARDIAN_BASELINE", "s3://reports/baselines/one.json"),
            ("GUARDIAN_SWEEP_DIGEST", "always"),
            ("GUARDIAN_SECURITY_HUB_PRODUCT_ARN", "arn:aws:securityhub:eu-central-1:444444444444:product/444444444444/default"),
        ])
        .unwrap();
        assert_eq!(config.baseline, Some(("reports".to_owned(), "baselines/one.json".to_owned())));
        assert!(config.told == Told::Always && config.product.is_some());
    }

    #[test]
    fn a_bad_value_stops_the_start_and_names_the_variable() {
        for (name, value) in [
            ("GUARDIAN_TABLE", ""),
            ("GUARDIAN_ALERT_TOPIC_ARN", "alerts"),
            ("GUARDIAN_CHAT_TOPIC_ARN", "chat"),
            ("GUARDIAN_BASELINE", "baseline.json"),
            ("GUARDIAN_BASELINE", "s3://reports"),
            ("GUARDIAN_SECURITY_HUB_PRODUCT_ARN", "arn:aws:securityhub:eu-central-1:444444444444:hub/default"),
            ("GUARDIAN_SWEEP_DIGEST", "never"),
        ] {
            let error = read(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
