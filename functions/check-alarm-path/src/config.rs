//! Configuration from the environment, checked before the first event.

use std::time::Duration;

use guardian_aws::ReaderRole;
use guardian_aws::environment::{ConfigError, Environment, is_table};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::coverage::Schedule;
use jiff::Timestamp;

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// `GUARDIAN_TABLE`.
    pub table: String,
    /// `GUARDIAN_CHECK_QUEUE_URL`: the function's own queue.
    pub own_queue_url: String,
    /// `GUARDIAN_READER_ROLE_NAME`, `GUARDIAN_EXTERNAL_ID` and `GUARDIAN_ORGANIZATION_ROLE_ARN`.
    pub reader: ReaderRole,
    /// What is looked at.
    pub path: Path,
}

/// The alarm path, as it is deployed.
#[derive(Clone, Debug)]
pub struct Path {
    /// Our own account.
    pub account: AccountId,
    /// Our own Region.
    pub region: Region,
    /// `GUARDIAN_ALERT_TOPIC_ARN`.
    pub alerts: Arn,
    /// `GUARDIAN_CHAT_TOPIC_ARN`, where there is one.
    pub chat: Option<Arn>,
    /// `GUARDIAN_OPERATIONS_TOPIC_ARN`.
    pub operations: Arn,
    /// `GUARDIAN_ALERTING_ROLE_ARN`: the role that publishes alerts.
    pub alerting_role: Arn,
    /// `GUARDIAN_OPERATING_ROLE_ARN`: our own, which publishes to the operations topic.
    pub operating_role: Arn,
    /// `GUARDIAN_HUB_RULES`: the rules of our account, each with the queue that it fills, or the state machine that it begins.
    pub hub_rules: Vec<(Arn, Arn)>,
    /// `GUARDIAN_UNDELIVERED_QUEUE_ARN`: where those rules leave what they cannot deliver.
    pub undelivered: Arn,
    /// `GUARDIAN_DEAD_LETTER_QUEUE_ARNS`: the queues that should be empty, `undelivered` among them.
    pub dead_letters: Vec<Arn>,
    /// `GUARDIAN_HUB_BUS_ARN`: where the accounts forward to.
    pub hub_bus: Arn,
    /// `GUARDIAN_FORWARDER_ROLE_NAME`: with which role.
    pub forwarder_role: String,
    /// The functions that run by themselves, each with the age that its heartbeat may have.
    pub heartbeats: Vec<(String, Duration)>,
    /// `GUARDIAN_REGIONS`.
    pub regions: Vec<Region>,
    /// `GUARDIAN_BACKUP_ACCOUNT_IDS` and our own account: what is looked at where the organization cannot be listed.
    pub known_accounts: Vec<AccountId>,
}

/// A look may be late by so much: the runs of a rate are not exact, and a look takes its time.
const GRACE: Duration = Duration::from_secs(3600);
/// So many runs may be missed before that is told.
const MISSED_RUNS: u32 = 2;
/// A sweep may take as long as its state machine lets it.
const SWEEP_GRACE: Duration = Duration::from_secs(4 * 3600);

impl Config {
    /// Reads the configuration from the environment of the process.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the configuration through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const OPERATIONS: &str = "GUARDIAN_OPERATIONS_TOPIC_ARN";
        const ALERTS: &str = "GUARDIAN_ALERT_TOPIC_ARN";
        const CHAT: &str = "GUARDIAN_CHAT_TOPIC_ARN";
        let env = Environment(get);
        let operations = arn(OPERATIONS, env.topic(OPERATIONS, env.required(OPERATIONS)?)?, "the ARN of an SNS topic", |_| true)?;
        let alerts = arn(ALERTS, env.topic(ALERTS, env.required(ALERTS)?)?, "the ARN of an SNS topic", |_| true)?;
        let chat = match env.optional(CHAT) {
            Some(value) => Some(arn(CHAT, env.topic(CHAT, value)?, "the ARN of an SNS topic", |_| true)?),
            None => None,
        };
        let role = |name| arn(name, env.required(name)?, "the ARN of a role", |arn| arn.role_name().is_some());
        let place = |name, value, what| arn(name, value, what, |arn| arn.account().is_some() && arn.region().is_some());
        let (Some(account), Some(region)) = (operations.account(), operations.region()) else {
            return Err(ConfigError::Missing(OPERATIONS));
        };
        let id = |value: &str| AccountId::parse(value).ok();
        let mut known_accounts = env.list("GUARDIAN_BACKUP_ACCOUNT_IDS", "a list of account ids of 12 digits", id)?;
        known_accounts.push(account.clone());
        known_accounts.sort();
        known_accounts.dedup();
        let regions = env.list("GUARDIAN_REGIONS", "a list of Region codes", |part| Region::parse(part).ok())?;
        if regions.is_empty() {
            return Err(ConfigError::Missing("GUARDIAN_REGIONS"));
        }
        let pair = |part: &str| {
            let (rule, queue) = part.split_once('=')?;
            Some((Arn::parse(rule).ok()?, Arn::parse(queue).ok()?))
        };
        let hub_rules = env.list("GUARDIAN_HUB_RULES", "a list of `ARN of a rule=ARN of its queue`", pair)?;
        let queue = |part: &str| Arn::parse(part).ok().filter(|arn| arn.service() == "sqs");
        let dead_letters = env.list("GUARDIAN_DEAD_LETTER_QUEUE_ARNS", "a list of ARNs of queues", queue)?;
        for (name, is_empty) in [("GUARDIAN_HUB_RULES", hub_rules.is_empty()), ("GUARDIAN_DEAD_LETTER_QUEUE_ARNS", dead_letters.is_empty())]
        {
            if is_empty {
                return Err(ConfigError::Missing(name));
            }
        }
        let is_name =
            |value: &str| (1..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b));
        const FORWARDER: &str = "GUARDIAN_FORWARDER_ROLE_NAME";
        const UNDELIVERED: &str = "GUARDIAN_UNDELIVERED_QUEUE_ARN";
        const BUS: &str = "GUARDIAN_HUB_BUS_ARN";
        Ok(Self {
            table: env.checked("GUARDIAN_TABLE", env.required("GUARDIAN_TABLE")?, "the name of a table", is_table)?,
            own_queue_url: env.queue("GUARDIAN_CHECK_QUEUE_URL")?,
            reader: env.reader_role()?,
            path: Path {
                alerting_role: role("GUARDIAN_ALERTING_ROLE_ARN")?,
                operating_role: role("GUARDIAN_OPERATING_ROLE_ARN")?,
                undelivered: place(UNDELIVERED, env.required(UNDELIVERED)?, "the ARN of a queue")?,
                hub_bus: place(BUS, env.required(BUS)?, "the ARN of an event bus")?,
                forwarder_role: env.checked(FORWARDER, env.required(FORWARDER)?, "the name of a role, without path", is_name)?,
                heartbeats: vec![("reconcile-jobs".to_owned(), limit(&env)?), ("report-sweep".to_owned(), sweep_limit(&env)?)],
                account,
                region,
                alerts,
                chat,
                operations,
                hub_rules,
                dead_letters,
                regions,
                known_accounts,
            },
        })
    }
}

fn arn(name: &'static str, value: String, expected: &'static str, good: impl Fn(&Arn) -> bool) -> Result<Arn, ConfigError> {
    match Arn::parse(&value) {
        Ok(arn) if good(&arn) => Ok(arn),
        _ => Err(ConfigError::Wrong { name, value, expected }),
    }
}

/// How old the heartbeat of the reconciliation may be: it follows from its schedule.
fn limit<G: Fn(&str) -> Option<String>>(env: &Environment<G>) -> Result<Duration, ConfigError> {
    const NAME: &str = "GUARDIAN_RECONCILE_EVERY";
    let value = env.required(NAME)?;
    let pace = Schedule::parse(&value, None).ok().and_then(|schedule| schedule.pace()).and_then(|pace| Duration::try_from(pace).ok());
    match pace {
        Some(pace) => Ok(pace * (MISSED_RUNS + 1) + GRACE),
        None => Err(ConfigError::Wrong { name: NAME, value, expected: "a rate such as `rate(1 hour)`" }),
    }
}

/// How old the heartbeat of the sweep may be: one run may fail, and the next may be slow.
fn sweep_limit<G: Fn(&str) -> Option<String>>(env: &Environment<G>) -> Result<Duration, ConfigError> {
    const NAME: &str = "GUARDIAN_SWEEP_SCHEDULE";
    let value = env.required(NAME)?;
    let gap = Schedule::parse(&value, None).ok().and_then(|schedule| schedule.largest_gap(Timestamp::UNIX_EPOCH));
    match gap.and_then(|gap| Duration::try_from(gap).ok()) {
        Some(gap) => Ok(gap * 2 + SWEEP_GRACE),
        None => Err(ConfigError::Wrong { name: NAME, value, expected: "a schedule such as `cron(0 5 * * ? *)`" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut env = std::collections::BTreeMap::from([
            ("GUARDIAN_TABLE", "guardian"),
            ("GUARDIAN_CHECK_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/444444444444/check"),
            ("GUARDIAN_ALERT_TOPIC_ARN", "arn:aws:sns:eu-central-1:444444444444:alerts"),
            ("GUARDIAN_OPERATIONS_TOPIC_ARN", "arn:aws:sns:eu-central-1:444444444444:operations"),
            ("GUARDIAN_ALERTING_ROLE_ARN", "arn:aws:iam::444444444444:role/diagnose-job"),
            ("GUARDIAN_OPERATING_ROLE_ARN", "arn:aws:iam::444444444444:role/check-alarm-path"),
            (
                "GUARDIAN_HUB_RULES",
                "arn:aws:events:eu-central-1:444444444444:rule/bus/r=arn:aws:sqs:eu-central-1:444444444444:q, \
                 arn:aws:events:eu-central-1:444444444444:rule/s=arn:aws:sqs:eu-central-1:444444444444:p",
            ),
            ("GUARDIAN_UNDELIVERED_QUEUE_ARN", "arn:aws:sqs:eu-central-1:444444444444:undelivered"),
            ("GUARDIAN_DEAD_LETTER_QUEUE_ARNS", "arn:aws:sqs:eu-central-1:444444444444:dead"),
            ("GUARDIAN_HUB_BUS_ARN", "arn:aws:events:eu-central-1:444444444444:event-bus/backup-guardian"),
            ("GUARDIAN_FORWARDER_ROLE_NAME", "backup-guardian-forwarder"),
            ("GUARDIAN_RECONCILE_EVERY", "rate(2 hours)"),
            ("GUARDIAN_SWEEP_SCHEDULE", "cron(0 5 * * ? *)"),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "222222222222"),
            ("GUARDIAN_REGIONS", "eu-central-1,eu-west-1"),
        ]);
        env.extend(changes.iter().copied());
        Config::read(|name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn a_heartbeat_may_be_as_old_as_three_runs_and_our_own_account_is_looked_at() {
        let path = read(&[]).unwrap().path;
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(path.heartbeats, [("reconcile-jobs".to_owned(), hours(7)), ("report-sweep".to_owned(), hours(52))]);
        let often = read(&[("GUARDIAN_SWEEP_SCHEDULE", "rate(12 hours)")]).unwrap().path;
        assert_eq!(often.heartbeats[1].1, hours(28));
        assert_eq!(path.known_accounts.len(), 2);
        assert_eq!(path.hub_rules.len(), 2);
        assert_eq!(path.chat, None);
    }

    #[test]
    fn a_bad_value_stops_the_start_and_names_the_variable() {
        for (name, value) in [
            ("GUARDIAN_TABLE", ""),
            ("GUARDIAN_CHECK_QUEUE_URL", "check"),
            ("GUARDIAN_ALERT_TOPIC_ARN", "alerts"),
            ("GUARDIAN_CHAT_TOPIC_ARN", "chat"),
            ("GUARDIAN_OPERATIONS_TOPIC_ARN", ""),
            ("GUARDIAN_ALERTING_ROLE_ARN", "arn:aws:iam::444444444444:user/a"),
            ("GUARDIAN_OPERATING_ROLE_ARN", ""),
            ("GUARDIAN_HUB_RULES", ""),
            ("GUARDIAN_HUB_RULES", "arn:aws:events:eu-central-1:444444444444:rule/r"),
            ("GUARDIAN_DEAD_LETTER_QUEUE_ARNS", "dead"),
            ("GUARDIAN_DEAD_LETTER_QUEUE_ARNS", ""),
            ("GUARDIAN_UNDELIVERED_QUEUE_ARN", "undelivered"),
            ("GUARDIAN_HUB_BUS_ARN", "backup-guardian"),
            ("GUARDIAN_FORWARDER_ROLE_NAME", "path/role"),
            ("GUARDIAN_RECONCILE_EVERY", "cron(0 5 * * ? *)"),
            ("GUARDIAN_SWEEP_SCHEDULE", ""),
            ("GUARDIAN_SWEEP_SCHEDULE", "daily"),
            ("GUARDIAN_REGIONS", ""),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "22"),
        ] {
            let error = read(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
