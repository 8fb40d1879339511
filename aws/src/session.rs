//! Sessions in other accounts: one assumed role per account, shared by all Regions, and clients per (account, Region).
//!
//! The guardian's own account is read through the same reader role, so that one list of permissions holds everywhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Gap, GapReason};
use tokio::time::Instant;

use crate::answers::Senders;
use crate::classify;
use crate::connections::shared;
use crate::pace::Pace;
use crate::patience::Patience;
use crate::recent::Recent;
use crate::turns::{Turn, TurnTable};

/// What is told where the organization cannot be read, because nobody said through which role.
pub(crate) const NO_ORGANIZATION_ROLE: &str = "GUARDIAN_ORGANIZATION_ROLE_ARN is not set: name the reader role of the management account, arn:aws:iam::MANAGEMENT_ACCOUNT_ID:role/backup-guardian-reader";

/// A session is renewed this long before it ends.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// A refused session is not asked for again within this time: one diagnosis makes many reads in the same account.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);

/// Accounts and Regions whose clients are kept, and sessions: a sweep goes through thousands of accounts, 256 at a time at most, and is done with each
/// before long. Clients are large and made again in no time; a session costs a call.
const CLIENTS_KEPT: usize = 64;
const SESSIONS_KEPT: usize = 384;

/// The roles that read the other accounts.
#[derive(Clone, Debug)]
pub struct ReaderRole {
    /// Name of the role, the same in every account.
    pub name: String,
    /// External id, where the roles ask for one.
    pub external_id: Option<String>,
    /// Role of the management account or of a delegated administrator that reads the organization and its policies.
    pub organization_role_arn: Option<Arn>,
}

/// Access to AWS: our own account, and the others through the reader role.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
    turns: Option<Arc<TurnTable>>,
    patience: Option<Arc<Patience>>,
}

struct Inner {
    base: SdkConfig,
    sts: aws_sdk_sts::Client,
    reader: ReaderRole,
    /// By the ARN of the role.
    sessions: Mutex<Recent<String, Arc<tokio::sync::Mutex<Option<Session>>>>>,
    clients: Mutex<Recent<(AccountId, Region), (SystemTime, Clients)>>,
    pace: Pace,
    senders: Senders,
}

#[derive(Clone)]
enum Session {
    Open(Credentials),
    Refused { gap: Gap, at: Instant },
}

/// The clients of one account and Region. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) backup: aws_sdk_backup::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) trail: aws_sdk_cloudtrail::Client,
}

impl Cloud {
    /// The standard configuration: Region, credentials and endpoints from the environment, every timeout set.
    pub async fn from_env(reader: ReaderRole) -> Self {
        Self::new(our_account().await, reader)
    }

    /// Access through a given configuration.
    pub fn new(base: SdkConfig, reader: ReaderRole) -> Self {
        let base = shared(base);
        let sts = aws_sdk_sts::Client::new(&base);
        Self {
            inner: Arc::new(Inner {
                base,
                sts,
                reader,
                sessions: Mutex::new(Recent::of(SESSIONS_KEPT)),
                clients: Mutex::new(Recent::of(CLIENTS_KEPT)),
                pace: Pace::lookup_events(),
                senders: Senders::default(),
            }),
            turns: None,
            patience: None,
        }
    }

    /// Shares the turns at `LookupEvents` with every other instance that uses this table of our own account.
    #[must_use]
    pub fn sharing_turns(mut self, table: impl Into<String>) -> Self {
        self.turns = Some(Arc::new(TurnTable::new(&self.inner.base, table)));
        self
    }

    /// Access for work that nobody waits for: calls keep below `times` the published limits, and what may pass is asked again.
    #[must_use]
    pub fn patient(base: SdkConfig, reader: ReaderRole, times: f64) -> Self {
        let mut cloud = Self::new(base.into_builder().retry_config(RetryConfig::disabled()).build(), reader);
        cloud.patience = Some(Arc::new(Patience::at(times)));
        cloud
    }

    pub(crate) fn patience(&self) -> Option<&Patience> {
        self.patience.as_deref()
    }

    pub(crate) fn senders(&self) -> &Senders {
        &self.inner.senders
    }

    /// The configuration of our own account.
    pub fn base(&self) -> &SdkConfig {
        &self.inner.base
    }

    /// Waits for a turn at `LookupEvents` and takes it; `false` where the turn would come after `deadline`.
    pub(crate) async fn turn(&self, account: &AccountId, region: &Region, deadline: Instant) -> bool {
        // Our own pace first: it holds by itself while the table is down.
        self.inner.pace.turn(account, region, deadline).await
            && match &self.turns {
                Some(turns) => turns.take(account, region, deadline).await != Turn::TooLate,
                None => true,
            }
    }

    /// ARN of the reader role of an account.
    pub(crate) fn reader_arn(&self, account: &AccountId, region: Option<&Region>) -> String {
        let ours = || self.inner.base.region().and_then(|region| Region::parse(region.as_ref()).ok());
        let partition = region.cloned().or_else(ours).map_or("aws", |region| region.partition());
        format!("arn:{partition}:iam::{account}:role/{}", self.inner.reader.name)
    }

    /// The role with which the organization is read, where one was named.
    pub(crate) fn organization_role(&self) -> Option<&Arn> {
        self.inner.reader.organization_role_arn.as_ref()
    }

    /// The clients of an account and Region.
    pub(crate) async fn clients(&self, account: &AccountId, region: &Region) -> Result<Clients, Gap> {
        let key = (account.clone(), region.clone());
        {
            let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((until, clients)) = clients.get(&key)
                && SystemTime::now() < *until
            {
                return Ok(clients.clone());
            }
        }
        let (config, until) = self.config_in(account, region).await?;
        let trail = aws_sdk_cloudtrail::config::Builder::from(&config)
            // Every call counts against the budget and the pace, so the retries are our own.
            .retry_config(RetryConfig::disabled())
            .timeout_config(trail_timeouts())
            .build();
        let clients = Clients {
            backup: aws_sdk_backup::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            trail: aws_sdk_cloudtrail::Client::from_conf(trail),
        };
        self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (until, clients.clone()));
        Ok(clients)
    }

    /// The configuration of the reader role in an account and Region, for clients that the hot path does not link. With
    /// the time until which it is good.
    pub async fn config_in(&self, account: &AccountId, region: &Region) -> Result<(SdkConfig, SystemTime), Gap> {
        let credentials = self.reader_credentials(account, Some(region)).await?;
        let until = credentials.expiry().map_or_else(|| SystemTime::now() + RENEW_BEFORE, |end| end - RENEW_BEFORE);
        let builder = self.inner.base.to_builder().region(aws_config::Region::new(region.as_str().to_owned()));
        Ok((builder.credentials_provider(SharedCredentialsProvider::new(credentials)).build(), until))
    }

    /// The credentials of the reader role in an account.
    pub(crate) async fn reader_credentials(&self, account: &AccountId, region: Option<&Region>) -> Result<Credentials, Gap> {
        self.credentials(account, &self.reader_arn(account, region)).await
    }

    /// The configuration with which the organization is read; `None` where no role was named.
    pub(crate) async fn organization_config(&self) -> Option<Result<SdkConfig, Gap>> {
        let with = |credentials| self.inner.base.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        Some(self.organization_credentials().await?.map(with))
    }

    /// The credentials with which the organization is read; `None` where no role was named.
    pub(crate) async fn organization_credentials(&self) -> Option<Result<Credentials, Gap>> {
        let role = self.organization_role()?;
        Some(self.credentials(&role.account()?, role.as_str()).await)
    }

    /// Credentials of a role in an account; concurrent callers wait for one AssumeRole.
    async fn credentials(&self, account: &AccountId, role: &str) -> Result<Credentials, Gap> {
        let slot = {
            let mut sessions = self.inner.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let known = sessions.get(&role.to_owned()).cloned();
            known.unwrap_or_else(|| {
                let slot = Arc::default();
                sessions.insert(role.to_owned(), Arc::clone(&slot));
                slot
            })
        };
        let mut session = slot.lock().await;
        match session.as_ref() {
            Some(Session::Open(credentials)) if credentials.expiry().is_none_or(|end| SystemTime::now() + RENEW_BEFORE < end) => {
                return Ok(credentials.clone());
            }
            // Who is patient asks again, and must not be answered with what failed before.
            Some(Session::Refused { gap, at }) if at.elapsed() < REFUSAL_KEPT && !(self.patience.is_some() && gap.reason.may_pass()) => {
                return Err(gap.clone());
            }
            _ => {}
        }
        let answer = self.assume(account, role).await;
        *session = Some(match &answer {
            Ok(credentials) => Session::Open(credentials.clone()),
            Err(gap) => Session::Refused { gap: gap.clone(), at: Instant::now() },
        });
        answer
    }

    async fn assume(&self, account: &AccountId, role: &str) -> Result<Credentials, Gap> {
        let gap = |reason, detail: String| Gap {
            action: "sts:AssumeRole".to_owned(),
            account_id: account.clone(),
            region: None,
            reason,
            detail: Some(detail),
        };
        let answer = self
            .inner
            .sts
            .assume_role()
            .role_arn(role)
            .role_session_name("backup-guardian")
            .set_external_id(self.inner.reader.external_id.clone())
            .send()
            .await
            .map_err(|error| match classify::reason_of(&error) {
                (GapReason::AccessDenied | GapReason::NotFound, code) => gap(GapReason::RoleNotAssumable, format!("{code} for {role}")),
                (reason, code) => gap(reason, code),
            })?;
        let Some(issued) = answer.credentials() else {
            return Err(gap(GapReason::Unreadable, "answer without credentials".to_owned()));
        };
        let expiry = SystemTime::try_from(*issued.expiration()).ok();
        Ok(Credentials::new(
            issued.access_key_id(),
            issued.secret_access_key(),
            Some(issued.session_token().to_owned()),
            expiry,
            "backup-guardian-reader",
        ))
    }
}

/// The configuration of the account we run in: Region, credentials and endpoints from the environment, every timeout set.
pub async fn our_account() -> SdkConfig {
    load(None).await
}

/// The same in a given Region: nobody has to set one, and the metadata service is not asked for it.
pub(crate) async fn our_account_in(region: &Region) -> SdkConfig {
    load(Some(region)).await
}

async fn load(region: Option<&Region>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts()).retry_config(retries());
    if let Some(region) = region {
        loader = loader.region(aws_config::Region::new(region.as_str().to_owned()));
    }
    // On Lambda the credentials are always there; walking the default chain would only cost start-up time.
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        loader = loader.credentials_provider(aws_config::environment::EnvironmentVariableCredentialsProvider::new());
    }
    loader.load().await
}

/// Timeouts of every client. They are the backstop: the caller bounds each piece of work by the time it has left.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(4))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(10))
        .build()
}

/// Those of CloudTrail, which answers slowly.
pub(crate) fn trail_timeouts() -> TimeoutConfig {
    timeouts()
        .to_builder()
        .read_timeout(Duration::from_secs(15))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(20))
        .build()
}

/// Retries of every client but CloudTrail's.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100)).with_max_backoff(Duration::from_secs(1))
}
