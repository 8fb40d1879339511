//! Evidence for one job, inside the evidence window.
//!
//! Everything is asked at once where it can be, and each question is bounded by the end of the window: what is not there by then is a gap with
//! reason `timed-out`, never a later alert. CloudTrail is asked last and only where our own store of denials has no answer, because its two
//! calls per second are shared by everybody in the account.

mod history;
mod searches;

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::diagnosis::assess;
use guardian_core::event::Job;
use guardian_core::evidence::{Bound, Evidence, Fact, Gap, GapReason};
use guardian_core::ports::{BackupReader, DenialQuery, DenialStore, KeyReader, OrganizationReader, RoleReader, TrailReader};
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use self::history::{changes, from_store, look_up};
use crate::config::Scope;

/// Part of the window that the recovery point may take before everything else is asked.
const POINT_SHARE: f64 = 0.08;
/// Adapters answer a little before the end of the window, so that what they have is not lost.
const MARGIN: Duration = Duration::from_millis(20);

/// What gathering brought.
pub enum Gathered<T> {
    /// The evidence, as far as the window allowed.
    Whole(Box<Evidence>),
    /// The first facts were enough for whoever asked.
    Familiar(T),
}

/// Gathers the evidence of a job. Never fails, and never takes longer than the window.
pub async fn gather<R, D>(readers: &R, store: &D, job: Job, now: Timestamp, scope: &Scope) -> Evidence
where
    R: BackupReader + KeyReader + RoleReader + OrganizationReader + TrailReader,
    D: DenialStore,
{
    match gather_unless(readers, store, job, now, scope, async |_| None::<Infallible>).await {
        Gathered::Whole(evidence) => *evidence,
        Gathered::Familiar(never) => match never {},
    }
}

/// The same, unless the job is familiar: never longer than the window and what `familiar` takes. That is shown what the event tells and the
/// recovery point with its key, and may end it: nobody searches for what is known.
pub async fn gather_unless<R, D, T>(
    readers: &R,
    store: &D,
    job: Job,
    now: Timestamp,
    scope: &Scope,
    familiar: impl AsyncFnOnce(&Evidence) -> Option<T>,
) -> Gathered<T>
where
    R: BackupReader + KeyReader + RoleReader + OrganizationReader + TrailReader,
    D: DenialStore,
{
    let end = Instant::now() + scope.window;
    let event_only = {
        let mut evidence = Evidence::of_event(job, now);
        evidence.organization_id.clone_from(&scope.organization_id);
        evidence
    };
    let (tell, told) = oneshot::channel();
    // CloudTrail wants to know roles, accounts and the key; it waits for them a while, not for ever.
    let patience = Instant::now() + scope.window.mul_f64(0.4);
    let chain = async {
        let mut known = event_only.clone();
        // The key is what tells one job of a route from another; a reader that is slow to name it must not hold up the rest.
        let soon = Instant::now() + scope.window.mul_f64(POINT_SHARE);
        let in_time = timeout_at(soon, recovery_point(readers, &event_only, end)).await;
        let mut familiar = Some(familiar);
        if let Ok(point) = in_time {
            known.recovery_point = point;
            if let Some(familiar) = familiar.take()
                && let Some(found) = familiar(&known).await
            {
                return Err(found);
            }
        }
        let known = describe(readers, store, known, end).await;
        if let Some(familiar) = familiar
            && let Some(found) = familiar(&known).await
        {
            return Err(found);
        }
        // Nobody may be listening any more; then CloudTrail is being searched by what the event told.
        let _ = tell.send(known.clone());
        Ok(decide((readers, store), known, scope, end).await)
    };
    let trail = async {
        let known = match timeout_at(patience, told).await {
            Ok(Ok(known)) => known,
            Ok(Err(_)) | Err(_) => event_only.clone(),
        };
        Ok(look_up(readers, &known, scope, end).await)
    };
    let (mut evidence, found) = match tokio::try_join!(chain, trail) {
        Ok(both) => both,
        Err(found) => return Gathered::Familiar(found),
    };
    evidence.denials.extend(found.denials);
    evidence.searches.extend(found.searches);
    evidence.denials.sort();
    evidence.denials.dedup();
    // What only a denial of CloudTrail could tell: that the job role was refused.
    let access = access(readers, &evidence, end).await;
    access.into(&mut evidence);
    Gathered::Whole(Box::new(evidence))
}

/// What decides over the job role.
#[derive(Default)]
struct Access {
    role: Fact<guardian_core::evidence::Role>,
    organization: Fact<guardian_core::evidence::Organization>,
    scps: Fact<guardian_core::evidence::PolicyLevels>,
    rcps: Fact<guardian_core::evidence::PolicyLevels>,
}

impl Access {
    /// Keeps what was asked. A question that was not asked leaves the earlier answer.
    fn into(self, evidence: &mut Evidence) {
        fn keep<T>(fact: Fact<T>, place: &mut Fact<T>) {
            if !matches!(fact, Fact::NotAsked) {
                *place = fact;
            }
        }
        keep(self.role, &mut evidence.role);
        keep(self.organization, &mut evidence.organization);
        keep(self.scps, &mut evidence.scps);
        keep(self.rcps, &mut evidence.rcps);
    }
}

/// What was not read before: the organization where it may be the reason, and where the job role may be what was refused also its policies and
/// those that bound it.
async fn access<R: RoleReader + OrganizationReader>(readers: &R, evidence: &Evidence, end: Instant) -> Access {
    let (account, region) = (&evidence.job.account, &evidence.job.region);
    let wants_organization = matches!(evidence.organization, Fact::NotAsked) && assess::concerns_organization(evidence);
    let wants_role = matches!(evidence.role, Fact::NotAsked) && assess::suspects_job_role(evidence);
    let of_organization = async {
        if !wants_organization {
            return Fact::NotAsked;
        }
        let question = readers.organization(account);
        ask(end, "organizations:DescribeOrganization", Some(account.clone()), None, question).await
    };
    let of_role = async {
        let role = assess::role_to_read(evidence).filter(|_| wants_role);
        let Some(role) = &role else { return (Fact::NotAsked, Fact::NotAsked, Fact::NotAsked) };
        let list = "organizations:ListPoliciesForTarget";
        tokio::join!(
            ask(end, "iam:GetRole", role.account(), None, readers.role(role, region)),
            ask(end, list, Some(account.clone()), None, readers.bounds(account, Bound::Scp)),
            ask(end, list, Some(account.clone()), None, readers.bounds(account, Bound::Rcp)),
        )
    };
    let (organization, (role, scps, rcps)) = tokio::join!(of_organization, of_role);
    Access { role, organization, scps, rcps }
}

/// Asks for one fact until the end of the window.
///
/// The question is boxed before it is kept: a call of the SDK is tens of kilobytes, and all of them side by side outgrow the stack of a thread.
fn ask<T>(
    end: Instant,
    action: &str,
    account: Option<AccountId>,
    region: Option<Region>,
    question: impl Future<Output = Fact<T>>,
) -> impl Future<Output = Fact<T>> {
    let question = timeout_at(end, Box::pin(question));
    async move {
        match question.await {
            Ok(fact) => fact,
            Err(_) => match account {
                Some(account_id) => {
                    Fact::Gap(Gap { action: action.to_owned(), account_id, region, reason: GapReason::TimedOut, detail: None })
                }
                None => Fact::NotAsked,
            },
        }
    }
}

async fn ask_of<T>(end: Instant, action: &str, object: Option<&Arn>, question: impl AsyncFnOnce(&Arn) -> Fact<T>) -> Fact<T> {
    match object {
        Some(object) => ask(end, action, object.account(), object.region(), question(object)).await,
        None => Fact::NotAsked,
    }
}

/// Answers a question again only where it was not asked before.
async fn still<T>(fact: Fact<T>, question: impl Future<Output = Fact<T>>) -> Fact<T> {
    if matches!(fact, Fact::NotAsked) { question.await } else { fact }
}

/// What identifies the cause: the store of denials, the job, its recovery point and vaults.
async fn describe<R, D>(readers: &R, store: &D, mut evidence: Evidence, end: Instant) -> Evidence
where
    R: BackupReader,
    D: DenialStore,
{
    let job = evidence.job.clone();
    let describe_job = match job.job_type {
        guardian_core::event::JobType::Backup => "backup:DescribeBackupJob",
        guardian_core::event::JobType::Copy => "backup:DescribeCopyJob",
        guardian_core::event::JobType::Restore => "backup:DescribeRestoreJob",
        guardian_core::event::JobType::Scan => "backup:DescribeScanJob",
    };
    // First what the event alone lets us ask.
    let first = searches::of(&evidence, &Scope::default(), end);
    let facts = evidence.clone();
    let description = async {
        // Of a missed run there is nothing to describe.
        match job.missed {
            Some(_) => Fact::NotAsked,
            None => ask(end, describe_job, Some(job.account.clone()), Some(job.region.clone()), readers.job(&job)).await,
        }
    };
    let (description, pushed, point, vault, destination, policy) = tokio::join!(
        description,
        from_store(store, &first, end),
        still(evidence.recovery_point.clone(), recovery_point(readers, &facts, end)),
        source_vault(readers, &facts, end),
        destination_vault(readers, &facts, end),
        destination_policy(readers, &facts, end),
    );
    evidence.description = description;
    (evidence.denials, evidence.searches) = pushed;
    // Then what only the description of the job could tell.
    let more = searches::of(&evidence, &Scope::default(), end)
        .into_iter()
        .filter(|query| !first.iter().any(|asked| same_place(asked, query)))
        .collect::<Vec<_>>();
    let facts = evidence.clone();
    let (pushed, point, vault, destination, policy) = tokio::join!(
        from_store(store, &more, end),
        still(point, recovery_point(readers, &facts, end)),
        still(vault, source_vault(readers, &facts, end)),
        still(destination, destination_vault(readers, &facts, end)),
        still(policy, destination_policy(readers, &facts, end)),
    );
    evidence.denials.extend(pushed.0);
    evidence.searches.extend(pushed.1);
    evidence.recovery_point = point;
    evidence.vault = vault;
    evidence.destination_vault = destination;
    evidence.destination_vault_policy = policy;
    evidence
}

/// What decides: keys, policies, grants, roles, and what changed at the key. That needs the key, so it waits for it as long as there is time: the
/// search for denials may have to begin earlier, without it.
async fn decide<R, D>((readers, store): (&R, &D), mut evidence: Evidence, scope: &Scope, end: Instant) -> Evidence
where
    R: BackupReader + KeyReader + RoleReader + OrganizationReader + TrailReader,
    D: DenialStore,
{
    let source_key = protecting_key(&evidence);
    let destination_key = evidence.destination_vault.known().and_then(|vault| vault.encryption_key_arn.clone());
    let source_policy_of = source_key.as_ref().filter(|key| key.is_kms_key());
    let destination_policy_of = destination_key.as_ref().filter(|key| key.is_kms_key());
    let keys = async {
        let (key, mut policy, grants) = tokio::join!(
            ask_of(end, "kms:DescribeKey", source_key.as_ref(), async |key| readers.key(key).await),
            ask_of(end, "kms:GetKeyPolicy", source_policy_of, async |key| readers.key_policy(key).await),
            ask_of(end, "kms:ListGrants", source_policy_of, async |key| readers.grants(key).await),
        );
        if matches!(policy, Fact::NotAsked)
            && let Some(key) = key.known().map(|key| key.arn.clone()).filter(Arn::is_kms_key)
        {
            // The recovery point named an alias: the policy belongs to the key behind it.
            policy = ask_of(end, "kms:GetKeyPolicy", Some(&key), async |key| readers.key_policy(key).await).await;
        }
        (key, policy, grants)
    };
    let ((key, policy, grants), destination_key, destination_policy, destination_grants, vault_policy, access, (changes, unread)) = tokio::join!(
        keys,
        ask_of(end, "kms:DescribeKey", destination_key.as_ref(), async |key| readers.key(key).await),
        ask_of(end, "kms:GetKeyPolicy", destination_policy_of, async |key| readers.key_policy(key).await),
        ask_of(end, "kms:ListGrants", destination_policy_of, async |key| readers.grants(key).await),
        source_policy(readers, &evidence, end),
        access(readers, &evidence, end),
        changes((readers, store), &evidence, source_key.as_ref(), scope, end),
    );
    evidence.source_key = key;
    evidence.source_key_policy = policy;
    evidence.source_key_grants = grants;
    evidence.destination_key = destination_key;
    evidence.destination_key_policy = destination_policy;
    evidence.destination_key_grants = destination_grants;
    evidence.vault_policy = vault_policy;
    evidence.changes = changes;
    evidence.searches.extend(unread);
    access.into(&mut evidence);
    evidence
}

fn same_place(a: &DenialQuery, b: &DenialQuery) -> bool {
    (&a.account_id, &a.region, &a.role_name) == (&b.account_id, &b.region, &b.role_name)
}

async fn recovery_point<R: BackupReader>(readers: &R, evidence: &Evidence, end: Instant) -> Fact<guardian_core::evidence::RecoveryPoint> {
    let Some(point) = evidence.recovery_point_arn().cloned() else { return Fact::NotAsked };
    ask_of(end, "backup:DescribeRecoveryPoint", vault_arn(evidence).as_ref(), async |vault| readers.recovery_point(vault, &point).await)
        .await
}

async fn source_vault<R: BackupReader>(readers: &R, evidence: &Evidence, end: Instant) -> Fact<guardian_core::evidence::Vault> {
    ask_of(end, "backup:DescribeBackupVault", vault_arn(evidence).as_ref(), async |vault| readers.vault(vault).await).await
}

async fn destination_vault<R: BackupReader>(readers: &R, evidence: &Evidence, end: Instant) -> Fact<guardian_core::evidence::Vault> {
    let vault = evidence.destination_vault_arn();
    ask_of(end, "backup:DescribeBackupVault", vault, async |vault| readers.vault(vault).await).await
}

async fn destination_policy<R: BackupReader>(readers: &R, evidence: &Evidence, end: Instant) -> Fact<guardian_core::evidence::VaultPolicy> {
    let vault = evidence.destination_vault_arn();
    ask_of(end, "backup:GetBackupVaultAccessPolicy", vault, async |vault| readers.vault_policy(vault).await).await
}

/// The policy of the source vault; only a copy asks for it.
async fn source_policy<R: BackupReader>(readers: &R, evidence: &Evidence, end: Instant) -> Fact<guardian_core::evidence::VaultPolicy> {
    let vault = vault_arn(evidence).filter(|_| evidence.destination_vault_arn().is_some());
    ask_of(end, "backup:GetBackupVaultAccessPolicy", vault.as_ref(), async |vault| readers.vault_policy(vault).await).await
}

/// The source vault, from the event or else the description.
///
/// A vault of another account, as one that is shared can be, counts only where AWS describes the job so: what is read there becomes the object of
/// an incident, and no event may choose whose.
fn vault_arn(evidence: &Evidence) -> Option<Arn> {
    let own = |arn: &&Arn| arn.account().as_ref() == Some(&evidence.job.account);
    let told = evidence.job.vault_arn.as_ref().filter(own);
    told.or_else(|| evidence.description.known().and_then(|job| job.vault_arn.as_ref())).cloned()
}

/// The key that protects the recovery point: what the point says, else for fully managed types the key of its vault.
fn protecting_key(evidence: &Evidence) -> Option<Arn> {
    evidence.source_key_arn().cloned().or_else(|| {
        let vault_key = evidence.vault.known().and_then(|vault| vault.encryption_key_arn.clone());
        vault_key.filter(|_| evidence.fully_managed() == Some(true))
    })
}

fn patience(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).saturating_sub(MARGIN)
}
