//! Configuration of the functions of a sweep from the environment, checked before the first event.

use guardian_aws::environment::{ConfigError, Environment};
use guardian_aws::readers::Readers;
use guardian_aws::{Cloud, ReaderRole};
use guardian_aws_sweep::sweep::{Order, Sweep};
use guardian_aws_sweep::{ReportBucket, S3Parts, SweepId};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::{Baseline, Scope};
use jiff::Timestamp;

/// What every function of a sweep needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// `GUARDIAN_REPORT_BUCKET`.
    pub bucket: String,
    /// `GUARDIAN_READER_ROLE_NAME`, `GUARDIAN_EXTERNAL_ID` and `GUARDIAN_ORGANIZATION_ROLE_ARN`.
    pub reader: ReaderRole,
    /// `GUARDIAN_REGIONS`.
    pub regions: Vec<Region>,
    /// `GUARDIAN_BACKUP_ACCOUNT_IDS`.
    pub backup_accounts: Vec<AccountId>,
}

/// Calls per second, as a multiple of the published limits of each account: an account is read by one function at a time.
const PACE: f64 = 1.0;

impl Config {
    /// Reads the configuration from the environment of the process.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the configuration through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let env = Environment(get);
        let regions = env.list("GUARDIAN_REGIONS", "a list of Region codes", |part| Region::parse(part).ok())?;
        if regions.is_empty() {
            return Err(ConfigError::Missing("GUARDIAN_REGIONS"));
        }
        let account = |part: &str| AccountId::parse(part).ok();
        Ok(Self {
            bucket: env.bucket("GUARDIAN_REPORT_BUCKET")?,
            reader: env.reader_role()?,
            regions,
            backup_accounts: env.list("GUARDIAN_BACKUP_ACCOUNT_IDS", "a list of account ids of 12 digits", account)?,
        })
    }

    /// What is swept, as of `now` where the sweep is not begun yet. Where the organization cannot be listed these are the accounts that are
    /// known: those with the copies, and our own.
    pub fn order(&self, ours: &AccountId, baseline: Baseline, now: Timestamp) -> Order {
        let mut accounts = Vec::new();
        if self.reader.organization_role_arn.is_none() {
            accounts.extend(self.backup_accounts.iter().chain([ours]).cloned());
            accounts.sort();
            accounts.dedup();
        }
        let scope = Scope { backup_accounts: self.backup_accounts.clone(), baseline };
        Order { now, regions: self.regions.clone(), accounts, scope }
    }
}

/// Opens sweeps: each invocation may be of another one.
#[derive(Clone)]
pub struct Sweeps {
    config: Config,
    cloud: Cloud,
}

impl Sweeps {
    /// Over our own account and its reader roles.
    pub async fn from_env(config: Config) -> Self {
        let base = guardian_aws::session::our_account().await;
        let cloud = Cloud::patient(base, config.reader.clone(), PACE);
        Self { config, cloud }
    }

    /// Access to AWS.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The bucket of parts and reports, if it is ours.
    pub fn bucket(&self, ours: &AccountId) -> ReportBucket {
        ReportBucket::patient(self.cloud.base(), self.config.bucket.clone(), Some(ours.clone()))
    }

    /// The parts of a sweep.
    pub fn parts(&self, ours: &AccountId, sweep: &SweepId) -> S3Parts {
        S3Parts::new(self.bucket(ours), sweep.clone())
    }

    /// A sweep.
    pub fn sweep(&self, ours: &AccountId, sweep: &SweepId, baseline: Baseline, now: Timestamp) -> Sweep<Cloud, S3Parts> {
        Sweep::new(Readers::over(self.cloud.clone()), self.parts(ours, sweep), self.config.order(ours, baseline, now))
    }
}

/// The account in the ARN of a function is the one it runs in.
pub fn our_account(function_arn: &str) -> Result<AccountId, NoAccount> {
    Arn::parse(function_arn).ok().and_then(|arn| arn.account()).ok_or(NoAccount)
}

/// The ARN of the function names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the invoked function has no ARN with an account")]
pub struct NoAccount;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut env = std::collections::BTreeMap::from([
            ("GUARDIAN_REPORT_BUCKET", "reports"),
            ("GUARDIAN_REGIONS", "eu-central-1,eu-west-1"),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "222222222222"),
        ]);
        env.extend(changes.iter().copied());
        Config::read(|name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn the_organization_says_which_accounts_there_are_and_without_it_the_known_ones_are_swept() {
        let ours = AccountId::parse("444444444444").unwrap();
        let order = |config: Config| config.order(&ours, Baseline::default(), Timestamp::UNIX_EPOCH);
        let known = order(read(&[]).unwrap());
        assert_eq!(known.accounts.iter().map(AccountId::as_str).collect::<Vec<_>>(), ["222222222222", "444444444444"]);
        let role = ("GUARDIAN_ORGANIZATION_ROLE_ARN", "arn:aws:iam::333333333333:role/backup-guardian-reader");
        assert!(order(read(&[role]).unwrap()).accounts.is_empty());
    }

    #[test]
    fn the_account_is_that_of_the_function() {
        let arn = "arn:aws:lambda:eu-central-1:444444444444:function:backup-guardian-plan-sweep";
        assert_eq!(our_account(arn).unwrap().as_str(), "444444444444");
        assert_eq!(our_account("plan-sweep"), Err(NoAccount));
    }

    #[test]
    fn a_bad_value_stops_the_start_and_names_the_variable() {
        for (name, value) in [
            ("GUARDIAN_REPORT_BUCKET", ""),
            ("GUARDIAN_REPORT_BUCKET", "Reports"),
            ("GUARDIAN_REGIONS", ""),
            ("GUARDIAN_REGIONS", "Frankfurt"),
            ("GUARDIAN_BACKUP_ACCOUNT_IDS", "22"),
            ("GUARDIAN_ORGANIZATION_ROLE_ARN", "organization-reader"),
        ] {
            let error = read(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
