//! A cloud in memory. Every part can be well, denied, down or hanging; what was sent, kept and asked can be read back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::event::{Job, JobKey};
use guardian_core::evidence::{
    BackupPlan, Bound, Change, Denial, Fact, Gap, GapReason, JobDescription, Key, KeyGrants, KeyPolicy, Organization, PolicyLevels,
    RecoveryPoint, Role, Search, SearchEnd, Vault, VaultPolicy,
};
use guardian_core::ports::{
    AlertSink, BackupReader, DenialQuery, DenialStore, KeyReader, OrganizationReader, Outbox, PlanReader, PortError, ReportStore,
    RoleReader, TrailReader,
};
use guardian_core::report::{Message, Report};
use jiff::{SignedDuration, Timestamp};

use crate::fate::{Fate, Life, Trouble};

/// How a part of the cloud behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Answers.
    #[default]
    Well,
    /// Refuses.
    Denied,
    /// Fails.
    Down,
    /// Never answers.
    Hanging,
}

/// A cloud in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct World {
    state: Arc<Mutex<State>>,
    pub(crate) fate: Arc<Mutex<Fate>>,
    /// Whose eyes these are; `None`: the test's.
    pub(crate) life: Option<Life>,
}

/// Everything that can be set and read back.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the fields are what they hold")]
pub struct State {
    pub clock: Timestamp,
    /// Since when the clock follows tokio's, which tests pause.
    pub running_since: Option<tokio::time::Instant>,
    pub readers: Mode,
    pub trail: Mode,
    pub table: Mode,
    pub topic: Mode,
    pub store: Mode,
    pub queue: Mode,
    pub reports: Mode,
    /// How long each answer of a reader takes.
    pub answers_after: std::time::Duration,
    pub jobs: BTreeMap<String, JobDescription>,
    pub points: BTreeMap<String, RecoveryPoint>,
    pub vaults: BTreeMap<String, Vault>,
    pub vault_policies: BTreeMap<String, serde_json::Value>,
    pub keys: BTreeMap<String, Key>,
    pub key_policies: BTreeMap<String, serde_json::Value>,
    pub grants: BTreeMap<String, KeyGrants>,
    pub roles: BTreeMap<String, Role>,
    pub plans: Vec<BackupPlan>,
    pub organization: Option<Organization>,
    pub bounds: BTreeMap<(AccountId, Bound), PolicyLevels>,
    pub recorded: Vec<Denial>,
    pub changed: Vec<Change>,
    pub kept: BTreeSet<Denial>,
    pub sent: Vec<Message>,
    pub sent_at: Vec<Timestamp>,
    pub lookups: Vec<DenialQuery>,
    /// Report objects by their names.
    pub written: BTreeMap<String, serde_json::Value>,
    pub metrics: Vec<String>,
    /// Work that was put off, and by how much.
    pub put_off: Vec<(String, std::time::Duration)>,
    /// The same, by the time when it comes.
    pub to_come: Vec<(Timestamp, String)>,
    /// What the people who run the guardian were told.
    pub operations: Vec<String>,
    pub(crate) gaps_told: BTreeSet<String>,
    pub(crate) claims: BTreeMap<JobKey, (bool, Timestamp)>,
    pub(crate) kept_incidents: crate::incidents::Kept,
}

impl World {
    /// A healthy cloud without objects, at a time shortly after the recorded events.
    pub fn new() -> Self {
        let world = Self::default();
        world.set(|state| {
            state.clock = "2026-11-02T05:37:40Z".parse().unwrap();
        });
        world
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    /// Reads something.
    pub fn get<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    /// The machine forms of the messages that were sent.
    pub fn alerts(&self) -> Vec<serde_json::Value> {
        self.get(|state| state.sent.iter().map(|message| serde_json::from_str(&message.default).unwrap()).collect())
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.get(|state| {
            let passed = state.running_since.map_or(std::time::Duration::ZERO, |since| since.elapsed());
            state.clock + SignedDuration::try_from(passed).unwrap()
        })
    }

    /// The clock, as a port.
    pub fn clock(&self) -> Box<dyn Fn() -> Timestamp + Send + Sync> {
        let world = self.clone();
        Box::new(move || world.now())
    }

    /// The metrics, as a port.
    pub fn metrics(&self) -> Box<dyn Fn(&str) + Send + Sync> {
        let world = self.clone();
        Box::new(move |line| world.set(|state| state.metrics.push(line.to_owned())))
    }

    /// Claims a delivery for somebody else.
    pub fn claim_for_another(&self, key: JobKey, lease_until: Timestamp) {
        self.set(|state| {
            state.claims.insert(key, (false, lease_until));
        });
    }

    async fn read<T>(&self, action: &str, object: &Arn, value: impl FnOnce(&State) -> Option<T>) -> Fact<T> {
        let account = object.account().unwrap();
        let gap = |reason| {
            Fact::Gap(Gap { action: action.to_owned(), account_id: account.clone(), region: object.region(), reason, detail: None })
        };
        match self.meet(action, Some(&account), false).await {
            None | Some(Trouble::KilledBefore | Trouble::KilledAfter) => {}
            Some(Trouble::Denied) => return gap(GapReason::AccessDenied),
            Some(Trouble::Down) => return gap(GapReason::Unavailable),
            Some(Trouble::Lost) => return gap(GapReason::Unreadable),
            Some(Trouble::Hanging) => return std::future::pending().await,
        }
        tokio::time::sleep(self.get(|state| state.answers_after)).await;
        match self.get(|state| state.readers) {
            Mode::Hanging => std::future::pending().await,
            Mode::Denied => Fact::Gap(Gap {
                action: "sts:AssumeRole".to_owned(),
                account_id: account.clone(),
                region: None,
                reason: GapReason::RoleNotAssumable,
                detail: Some("AccessDenied".to_owned()),
            }),
            Mode::Down => gap(GapReason::Unavailable),
            Mode::Well => match self.get(value) {
                Some(value) => Fact::Known { value, source: action.to_owned(), at: self.get(|state| state.clock) },
                None => gap(GapReason::NotFound),
            },
        }
    }

    async fn write(&self, operation: &'static str, mode: Mode) -> Result<(), PortError> {
        match mode {
            Mode::Well => Ok(()),
            Mode::Hanging => std::future::pending().await,
            Mode::Denied => Err(PortError { operation, code: "AccessDeniedException".to_owned(), retryable: false }),
            Mode::Down => Err(PortError { operation, code: "InternalServerError".to_owned(), retryable: true }),
        }
    }

    /// How a search goes.
    async fn mode(&self, action: &str, account: Option<&AccountId>, usual: impl FnOnce(&State) -> Mode) -> Mode {
        match self.meet(action, account, false).await {
            None | Some(Trouble::KilledBefore | Trouble::KilledAfter) => self.get(usual),
            Some(Trouble::Denied) => Mode::Denied,
            Some(Trouble::Down | Trouble::Lost) => Mode::Down,
            Some(Trouble::Hanging) => Mode::Hanging,
        }
    }

    pub(crate) async fn table(&self) -> Result<(), PortError> {
        let mode = self.get(|state| state.table);
        self.write("dynamodb:UpdateItem", mode).await
    }
}

fn search(query: &DenialQuery, source: &str, action: &str, mode: Mode) -> Search {
    let reason = match mode {
        Mode::Well | Mode::Hanging => None,
        Mode::Denied => Some(GapReason::AccessDenied),
        Mode::Down => Some(GapReason::Unavailable),
    };
    Search {
        source: source.to_owned(),
        account_id: query.account_id.clone(),
        region: query.region.clone(),
        from: query.from,
        until: query.until,
        calls: 1,
        records: 0,
        end: if reason.is_some() { SearchEnd::Failed } else { SearchEnd::Complete },
        gap: reason.map(|reason| Gap {
            action: action.to_owned(),
            account_id: query.account_id.clone(),
            region: Some(query.region.clone()),
            reason,
            detail: None,
        }),
    }
}

fn answers(denial: &Denial, query: &DenialQuery) -> bool {
    denial.recorded_in == query.account_id
        && denial.region == query.region
        && denial.issuer_arn.as_ref().and_then(Arn::role_name) == Some(query.role_name.as_str())
        && query.from <= denial.event_time
        && denial.event_time <= query.until
}

impl BackupReader for World {
    async fn job(&self, job: &Job) -> Fact<JobDescription> {
        let Some(id) = job.job_id.clone() else { return Fact::NotAsked };
        let owner = Arn::parse(&format!("arn:aws:backup:{}:{}:job:x", job.region, job.account)).unwrap();
        self.read("backup:DescribeCopyJob", &owner, |state| state.jobs.get(id.as_str()).cloned()).await
    }

    async fn recovery_point(&self, vault: &Arn, point: &Arn) -> Fact<RecoveryPoint> {
        // A vault has the points of its own account only; here those are under keys of that account.
        let own = |found: &&RecoveryPoint| found.encryption_key_arn.as_ref().is_none_or(|key| key.account() == vault.account());
        self.read("backup:DescribeRecoveryPoint", vault, |state| state.points.get(point.as_str()).filter(own).cloned()).await
    }

    async fn vault(&self, vault: &Arn) -> Fact<Vault> {
        self.read("backup:DescribeBackupVault", vault, |state| state.vaults.get(vault.as_str()).cloned()).await
    }

    async fn vault_policy(&self, vault: &Arn) -> Fact<VaultPolicy> {
        let policy =
            |state: &State| Some(VaultPolicy { vault_arn: vault.clone(), document: state.vault_policies.get(vault.as_str()).cloned() });
        self.read("backup:GetBackupVaultAccessPolicy", vault, policy).await
    }
}

impl KeyReader for World {
    async fn key(&self, key: &Arn) -> Fact<Key> {
        self.read("kms:DescribeKey", key, |state| state.keys.get(key.as_str()).cloned()).await
    }

    async fn key_policy(&self, key: &Arn) -> Fact<KeyPolicy> {
        let policy = |state: &State| {
            state.key_policies.get(key.as_str()).map(|document| KeyPolicy { key_arn: key.clone(), document: document.clone() })
        };
        self.read("kms:GetKeyPolicy", key, policy).await
    }

    async fn grants(&self, key: &Arn) -> Fact<KeyGrants> {
        let none = KeyGrants { key_arn: key.clone(), grants: Vec::new() };
        self.read("kms:ListGrants", key, |state| Some(state.grants.get(key.as_str()).cloned().unwrap_or(none))).await
    }
}

impl RoleReader for World {
    async fn role(&self, role: &Arn, _region: &Region) -> Fact<Role> {
        self.read("iam:GetRole", role, |state| state.roles.get(role.as_str()).cloned()).await
    }
}

impl OrganizationReader for World {
    async fn organization(&self, account: &AccountId) -> Fact<Organization> {
        let asked = Arn::parse(&format!("arn:aws:iam::{account}:root")).unwrap();
        self.read("organizations:DescribeOrganization", &asked, |state| state.organization.clone()).await
    }

    async fn bounds(&self, account: &AccountId, kind: Bound) -> Fact<PolicyLevels> {
        let asked = Arn::parse(&format!("arn:aws:iam::{account}:root")).unwrap();
        self.read("organizations:ListPoliciesForTarget", &asked, |state| state.bounds.get(&(account.clone(), kind)).cloned()).await
    }
}

impl TrailReader for World {
    async fn denials(&self, query: &DenialQuery, _budget: u32) -> (Vec<Denial>, Search) {
        self.set(|state| state.lookups.push(query.clone()));
        let mode = self.mode("cloudtrail:LookupEvents", Some(&query.account_id), |state| state.trail).await;
        if mode == Mode::Hanging {
            return std::future::pending().await;
        }
        let found = self.get(|state| state.recorded.iter().filter(|denial| answers(denial, query)).cloned().collect());
        let search = search(query, "lookup-events", "cloudtrail:LookupEvents", mode);
        (if mode == Mode::Well { found } else { Vec::new() }, search)
    }

    async fn changes(
        &self,
        object: &Arn,
        from: Timestamp,
        until: Timestamp,
        _budget: u32,
        _patience: std::time::Duration,
    ) -> Fact<Vec<Change>> {
        if self.get(|state| state.trail) == Mode::Hanging {
            return std::future::pending().await;
        }
        let changed = |state: &State| {
            let near = state.changed.iter().filter(|change| change.resource_arn.as_ref() == Some(object));
            Some(near.filter(|change| from <= change.at && change.at <= until).cloned().collect())
        };
        self.read("cloudtrail:LookupEvents", object, changed).await
    }
}

impl DenialStore for World {
    /// The log of changes is not the part of the store that these tests are about.
    async fn changes(&self, _object: &Arn, _from: Timestamp, _until: Timestamp) -> Fact<Vec<Change>> {
        Fact::NotAsked
    }

    async fn keep(&self, denials: &[Denial]) -> Result<(), PortError> {
        let effect = async {
            let mode = self.get(|state| state.store);
            self.write("dynamodb:BatchWriteItem", mode).await?;
            self.set(|state| state.kept.extend(denials.iter().cloned()));
            Ok(())
        };
        self.change("keep", effect).await
    }

    async fn find(&self, query: &DenialQuery) -> (Vec<Denial>, Search) {
        let mode = self.mode("dynamodb:Query", None, |state| state.store).await;
        if mode == Mode::Hanging {
            return std::future::pending().await;
        }
        let found = self.get(|state| state.kept.iter().filter(|denial| answers(denial, query)).cloned().collect());
        let search = search(query, "push", "dynamodb:Query", mode);
        (if mode == Mode::Well { found } else { Vec::new() }, search)
    }
}

impl Outbox for World {
    async fn put(&self, bodies: &[String], delay: std::time::Duration) -> Result<(), PortError> {
        let effect = async {
            let mode = self.get(|state| state.queue);
            self.write("sqs:SendMessage", mode).await?;
            let at = self.now() + SignedDuration::try_from(delay).unwrap();
            self.set(|state| {
                state.put_off.extend(bodies.iter().map(|body| (body.clone(), delay)));
                state.to_come.extend(bodies.iter().map(|body| (at, body.clone())));
            });
            Ok(())
        };
        self.change("put", effect).await
    }
}

impl PlanReader for World {
    async fn plan(&self, account: &AccountId, region: &Region, id: &str) -> Result<Option<BackupPlan>, Gap> {
        let gap = |reason| Gap {
            action: "backup:GetBackupPlan".to_owned(),
            account_id: account.clone(),
            region: Some(region.clone()),
            reason,
            detail: None,
        };
        match self.mode("backup:GetBackupPlan", Some(account), |state| state.readers).await {
            Mode::Well => Ok(self.get(|state| state.plans.iter().find(|plan| plan.account_id == *account && plan.id == id).cloned())),
            Mode::Denied => Err(gap(GapReason::AccessDenied)),
            Mode::Down => Err(gap(GapReason::Unavailable)),
            Mode::Hanging => std::future::pending().await,
        }
    }
}

impl ReportStore for World {
    async fn put(&self, report: &Report) -> Result<String, PortError> {
        let effect = async {
            let mode = self.get(|state| state.reports);
            self.write("s3:PutObject", mode).await?;
            let body = serde_json::from_str(&report.body()).unwrap();
            self.set(|state| {
                state.written.insert(report.key().to_owned(), body);
            });
            Ok(format!("s3://reports/{}", report.key()))
        };
        self.change("report", effect).await
    }
}

impl AlertSink for World {
    async fn send(&self, message: &Message) -> Result<(), PortError> {
        let effect = async {
            let mode = self.get(|state| state.topic);
            self.write("sns:Publish", mode).await?;
            let now = self.now();
            self.set(|state| {
                state.sent.push(message.clone());
                state.sent_at.push(now);
            });
            self.life.iter().for_each(Life::sent);
            Ok(())
        };
        self.change("send", effect).await
    }
}

/// An account id of the fixtures.
pub fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}
