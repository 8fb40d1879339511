//! What the domain asks of the outside, in its own words. One trait per role; the whole list fits on a screen.
//!
//! Reads answer with a [`Fact`]: a failed read is a gap, never an error. Only writes can fail, and they say whether a retry may help.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::alarm_path::Kept;
use crate::alarm_path::facts::{Rule, SmsAccount, Subscription, TopicSettings};
use crate::arn::{AccountId, Arn, Region};
use crate::copy::{Leg, LegFacts};
use crate::drill::record::Record;
use crate::drill::restore::Removal;
use crate::drill::retest;
use crate::event::{Job, JobId, JobKey, JobType};
use crate::evidence::{
    BackupPlan, Bound, Change, Denial, Fact, Gap, JobDescription, Key, KeyGrants, KeyPolicy, Organization, PolicyLevels, RecoveryPoint,
    Role, Search, Selection, Vault, VaultPolicy,
};
use crate::incident::pace::{Permit, Sender};
use crate::incident::{Acknowledgement, Closing, Due, Failure, Incident, IncidentId, Lane, Moment, Refusal, Standing, Success};
use crate::prediction::{Held, KeptLeg, KeptRoutes, ObjectId, Objects, Place};
use crate::report::{Alert, Message, Report};
use crate::tamper::{Before, Deed, Write};

/// Reads AWS Backup in the account that owns the object.
pub trait BackupReader: Send + Sync {
    /// Does beforehand what reads in an account wait for, such as assuming a role: while something else is waited for it costs no time. What fails
    /// here fails again, and is told, when something is read.
    fn prepare(&self, _account: &AccountId, _region: &Region) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// The job as its owner describes it.
    fn job(&self, job: &Job) -> impl Future<Output = Fact<JobDescription>> + Send;
    /// A recovery point in a vault.
    fn recovery_point(&self, vault: &Arn, point: &Arn) -> impl Future<Output = Fact<RecoveryPoint>> + Send;
    /// A vault.
    fn vault(&self, vault: &Arn) -> impl Future<Output = Fact<Vault>> + Send;
    /// The access policy of a vault.
    fn vault_policy(&self, vault: &Arn) -> impl Future<Output = Fact<VaultPolicy>> + Send;
}

/// Reads keys in the account that owns them.
pub trait KeyReader: Send + Sync {
    /// State and manager of a key.
    fn key(&self, key: &Arn) -> impl Future<Output = Fact<Key>> + Send;
    /// Policy of a key.
    fn key_policy(&self, key: &Arn) -> impl Future<Output = Fact<KeyPolicy>> + Send;
    /// Grants on a key.
    fn grants(&self, key: &Arn) -> impl Future<Output = Fact<KeyGrants>> + Send;
}

/// Reads roles in the account that owns them.
pub trait RoleReader: Send + Sync {
    /// A role with all its policies. `region` is where the question comes from; IAM itself is global.
    fn role(&self, role: &Arn, region: &Region) -> impl Future<Output = Fact<Role>> + Send;
}

/// Reads the organization, where the guardian was told how.
pub trait OrganizationReader: Send + Sync {
    /// The organization. `account` is the member that the question is about.
    fn organization(&self, account: &AccountId) -> impl Future<Output = Fact<Organization>> + Send;
    /// The policies that bound a member, root first.
    fn bounds(&self, account: &AccountId, kind: Bound) -> impl Future<Output = Fact<PolicyLevels>> + Send;
}

/// Which denials to look for: one account and Region, one window, the principal that may have been refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenialQuery {
    /// The caller's account: its trail has the record.
    pub account_id: AccountId,
    /// The Region.
    pub region: Region,
    /// Name of the role behind the session.
    pub role_name: String,
    /// Start of the window.
    pub from: Timestamp,
    /// End of the window.
    pub until: Timestamp,
    /// Event names to look for where the session name is too common to select by (busy backup account), most telling first.
    pub event_names: Vec<&'static str>,
    /// The key or object of the job, where it is known: a denial that names it ends the search.
    pub object: Option<Arn>,
    /// How long the caller can wait. A search that runs out of time answers with what it has.
    pub patience: Duration,
}

/// Finds denials in CloudTrail's event history.
pub trait TrailReader: Send + Sync {
    /// The denials of a principal in a window, with an account of the search; at most `budget` calls.
    fn denials(&self, query: &DenialQuery, budget: u32) -> impl Future<Output = (Vec<Denial>, Search)> + Send;
    /// Writes on an object in a window, newest first; at most `budget` calls and no longer than `patience`.
    fn changes(
        &self,
        object: &Arn,
        from: Timestamp,
        until: Timestamp,
        budget: u32,
        patience: Duration,
    ) -> impl Future<Output = Fact<Vec<Change>>> + Send;
}

/// Keeps the denials that arrived as events.
pub trait DenialStore: Send + Sync {
    /// Keeps denials; the same denial twice is one.
    fn keep(&self, denials: &[Denial]) -> impl Future<Output = Result<(), PortError>> + Send;
    /// The kept denials of a query.
    fn find(&self, query: &DenialQuery) -> impl Future<Output = (Vec<Denial>, Search)> + Send;
    /// The kept writes on an object in a window, newest first. Nothing was kept before the guardian came: none is no proof that there was none.
    fn changes(&self, object: &Arn, from: Timestamp, until: Timestamp) -> impl Future<Output = Fact<Vec<Change>>> + Send;
}

/// Keeps the writes on what backups rest on, per object.
pub trait ChangeLog: Send + Sync {
    /// Keeps a write with the state that it leaves its object in; the same write twice is one.
    fn keep(&self, write: &Write) -> impl Future<Output = Result<(), PortError>> + Send;
    /// The state that the newest older write left the object in, on the side that this write is about. `None`: no such write was kept.
    fn before(&self, write: &Write) -> impl Future<Output = Result<Option<Before>, PortError>> + Send;
    /// Whether a write is kept under a name within this time.
    fn is_kept(&self, log_name: &str, from: Timestamp, until: Timestamp) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Keeps the copies that plans make, with what decides each, so that a write can be judged by what was before it.
pub trait RouteMemory: Send + Sync {
    /// The objects that a place leads to, and the accounts whose copies they decide. Most writes lead nowhere.
    fn at(&self, place: &Place) -> impl Future<Output = Result<(BTreeSet<ObjectId>, BTreeSet<AccountId>), PortError>> + Send;
    /// All accounts that have copies.
    fn accounts(&self) -> impl Future<Output = Result<BTreeSet<AccountId>, PortError>> + Send;
    /// The copies of an account.
    fn legs(&self, account: &AccountId) -> impl Future<Output = Result<Vec<KeptLeg>, PortError>> + Send;
    /// These objects as they were last seen; one that is not kept is not among them.
    fn objects(&self, ids: &BTreeSet<ObjectId>) -> impl Future<Output = Result<Objects, PortError>> + Send;
    /// Claims what is to be said about an object until the end of the lease.
    fn claim_telling(&self, id: &ObjectId, now: Timestamp, lease_until: Timestamp) -> impl Future<Output = Result<bool, PortError>> + Send;
    /// Gives the claim back: whoever comes next may tell.
    fn give_back(&self, id: &ObjectId) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Keeps the message that copies will fail by what an object says.
    fn foretold(&self, alert: &Alert, now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// No copy fails by it any more.
    fn over(&self, prediction: &IncidentId) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Keeps an object as it was read at a time, unless it was read later already, and gives the claim back.
    fn learn(&self, id: &ObjectId, held: &Held, at: Timestamp, now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Keeps the copies of an account as they were seen at a time. Those that are not among them are gone, if everything was seen.
    fn keep(
        &self,
        account: &AccountId,
        kept: &KeptRoutes,
        at: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Reads what decides copies afresh.
pub trait RouteReader: Send + Sync {
    /// An object. `member` and `region` say for whom the organization and its settings are asked.
    fn held(&self, id: &ObjectId, member: &AccountId, region: &Region) -> impl Future<Output = Held> + Send;
    /// The accounts of the organization that are active; none where nobody named a role that may list them.
    fn members(&self) -> impl Future<Output = Result<Vec<AccountId>, Gap>> + Send;
    /// Everything that decides a kind of copy.
    fn leg_facts(&self, leg: &Leg) -> impl Future<Output = LegFacts> + Send;
}

/// What a claim on a piece of work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Ours until the lease ends.
    Mine,
    /// Done before.
    Done,
    /// Someone else is at it: end in an error, so that the message comes again.
    Held,
}

/// Makes deliveries happen once: conditional writes with a lease that outlives the invocation.
pub trait Claims: Send + Sync {
    /// Claims a delivery.
    fn claim(&self, key: &JobKey, now: Timestamp, lease_until: Timestamp) -> impl Future<Output = Result<Claim, PortError>> + Send;
    /// Marks it done.
    fn done(&self, key: &JobKey, now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Gives back a claim whose work failed, so that the next delivery need not wait for the end of the lease. Another's claim stays.
    fn release(&self, key: &JobKey, lease_until: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// An incident after something happened to it, and what is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// The incident as it is kept now.
    pub incident: Incident,
    /// What is due. A message that is ours to send is claimed until the end of the lease.
    pub due: Due,
}

/// Keeps incidents and their members. Every change is one conditional write: who was overtaken looks again.
pub trait Incidents: Send + Sync {
    /// The open incident that a diagnosis found lately for jobs of this lane and text, if people were told of it.
    fn known(&self, provisional: &IncidentId, now: Timestamp) -> impl Future<Output = Result<Option<Incident>, PortError>> + Send;
    /// Adds a failed job to the incident that it belongs to.
    fn join(&self, failure: &Failure, moment: &Moment) -> impl Future<Output = Result<Happened, PortError>> + Send;
    /// The message was accepted. Its machine form is kept for those that follow.
    fn told(
        &self,
        id: &IncidentId,
        alert: &Alert,
        standing: Option<&Standing>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
    /// The message failed: whoever comes next may send it. Another's claim stays.
    fn not_told(&self, id: &IncidentId, lease_until: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// The message waits for the next digest, which says what its machine form says.
    fn defer(&self, id: &IncidentId, alert: &Alert, lease_until: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Keeps the deeds of actors as incidents.
pub trait Tampers: Send + Sync {
    /// A deed was done by an actor, whose name is that of all its sessions. The same deed twice is one.
    fn done(&self, deed: &Deed, actor: &str, moment: &Moment) -> impl Future<Output = Result<Happened, PortError>> + Send;
    /// Every deed of an incident, all openings, oldest first.
    fn deeds(&self, id: &IncidentId) -> impl Future<Output = Result<Vec<Deed>, PortError>> + Send;
}

/// What a completed job can end.
pub trait Recoveries: Send + Sync {
    /// The open incidents that have failed jobs in a route, with the lane of each.
    fn lanes(&self, route: &Lane) -> impl Future<Output = Result<Vec<(IncidentId, Lane)>, PortError>> + Send;
    /// Tells an incident that a job completed in the route of one of its lanes.
    fn complete(
        &self,
        id: &IncidentId,
        lane: &Lane,
        success: &Success,
        moment: &Moment,
    ) -> impl Future<Output = Result<Option<Happened>, PortError>> + Send;
    /// Keeps the newest good copy of a resource in a route.
    fn keep_good(&self, success: &Success, at: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// When the newest good copy of a resource in a route was made.
    fn last_good(&self, route: &Lane, resource: &str) -> impl Future<Output = Result<Option<Timestamp>, PortError>> + Send;
}

/// What happens to incidents later.
pub trait IncidentKeeper: Send + Sync {
    /// An incident.
    fn incident(&self, id: &IncidentId) -> impl Future<Output = Result<Option<Incident>, PortError>> + Send;
    /// The last message about it.
    fn last_alert(&self, id: &IncidentId) -> impl Future<Output = Result<Option<Alert>, PortError>> + Send;
    /// Its jobs, all openings, as `<account>/<region>/<type>/<job id>`.
    fn jobs(&self, id: &IncidentId) -> impl Future<Output = Result<Vec<String>, PortError>> + Send;
    /// All open incidents.
    fn open(&self) -> impl Future<Output = Result<Vec<IncidentId>, PortError>> + Send;
    /// Those that wait for the next digest.
    fn deferred(&self) -> impl Future<Output = Result<Vec<IncidentId>, PortError>> + Send;
    /// Claims the first message of one of those. `None`: it waits no more, or somebody else tells it.
    fn take(&self, id: &IncidentId, moment: &Moment) -> impl Future<Output = Result<Option<Incident>, PortError>> + Send;
    /// Somebody looked again for evidence.
    fn look(
        &self,
        id: &IncidentId,
        standing: &Standing,
        searched_until: Timestamp,
        moment: &Moment,
    ) -> impl Future<Output = Result<Option<Happened>, PortError>> + Send;
    /// Time passed.
    fn wait(&self, id: &IncidentId, moment: &Moment) -> impl Future<Output = Result<Option<Happened>, PortError>> + Send;
    /// Follow-up number `number` of an opening is done, and wrote the report that lists its jobs. `false`: it was done before.
    fn followed_up(
        &self,
        id: &IncidentId,
        opening: u32,
        number: u32,
        report_uri: Option<&str>,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
    /// Somebody takes it on. `None`: there is no such incident.
    fn acknowledge(
        &self,
        id: &IncidentId,
        acknowledgement: &Acknowledgement,
    ) -> impl Future<Output = Result<Option<Incident>, PortError>> + Send;
    /// Somebody closes it. `None`: there is no such incident; else it as it is kept, or why it cannot be closed.
    fn close(
        &self,
        id: &IncidentId,
        closing: &Closing,
    ) -> impl Future<Output = Result<Option<Result<Incident, Refusal>>, PortError>> + Send;
}

/// Keeps reports for people and machines to read.
pub trait ReportStore: Send + Sync {
    /// Writes a report in the place of an older one of its name; answers with its address.
    fn put(&self, report: &Report) -> impl Future<Output = Result<String, PortError>> + Send;
}

/// Keeps the pace of all messages together.
pub trait Pace: Send + Sync {
    /// Asks for one message.
    fn permit(&self, sender: &Sender, now: Timestamp) -> impl Future<Output = Result<Permit, PortError>> + Send;
}

/// Sends messages.
pub trait AlertSink: Send + Sync {
    /// Sends a message; success means that it was accepted.
    fn send(&self, message: &Message) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{operation}` failed with `{code}`")]
pub struct PortError {
    /// The call, such as `dynamodb:PutItem`.
    pub operation: &'static str,
    /// Error code of AWS, or a word of ours (`timeout`, `unreachable`).
    pub code: String,
    /// Whether a retry may help.
    pub retryable: bool,
}

/// Whose jobs a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of every account, asked in the management account or that of a delegated administrator.
    Organization,
    /// Of one account, asked in it.
    Account(AccountId),
}

/// Which jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Created since then, whatever their state.
    CreatedSince(Timestamp),
    /// Ended since then.
    EndedSince(Timestamp),
    /// Failed, created since then: a job may fail without a date of its end.
    FailedOf(Timestamp),
}

/// One page of a list of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs, each with the account that owns it.
    pub jobs: Vec<Job>,
    /// Where the list goes on.
    pub next: Option<String>,
}

/// Lists jobs.
pub trait JobLists: Send + Sync {
    /// The account in which the organization's lists are asked for; `None` where nobody named one.
    fn organization_account(&self) -> Option<AccountId>;
    /// The accounts of the organization that are active.
    fn accounts(&self) -> impl Future<Output = Result<Vec<AccountId>, Gap>> + Send;
    /// A page of a list; `None` where there is no such list to ask for.
    fn jobs(
        &self,
        whose: &Whose,
        region: &Region,
        job_type: JobType,
        slice: Slice,
        token: Option<String>,
    ) -> impl Future<Output = Result<Option<JobPage>, Gap>> + Send;
}

/// Reads a plan in the account that owns it.
pub trait PlanReader: Send + Sync {
    /// A plan as it is now. `None`: it is gone.
    fn plan(&self, account: &AccountId, region: &Region, id: &str) -> impl Future<Output = Result<Option<BackupPlan>, Gap>> + Send;
}

/// Lists plans in the account that owns them.
pub trait PlanLists: Send + Sync {
    /// The ids of all plans of an account and Region, those that the organization made included.
    fn plan_ids(&self, account: &AccountId, region: &Region) -> impl Future<Output = Result<Vec<String>, Gap>> + Send;
    /// When the newest version of a plan was made.
    fn plan_changed_at(
        &self,
        account: &AccountId,
        region: &Region,
        id: &str,
    ) -> impl Future<Output = Result<Option<Timestamp>, Gap>> + Send;
    /// All selections of a plan. `None`: it is gone.
    fn selections(
        &self,
        account: &AccountId,
        region: &Region,
        id: &str,
    ) -> impl Future<Output = Result<Option<Vec<Selection>>, Gap>> + Send;
}

/// Tells which deliveries were claimed already.
pub trait ClaimLookup: Send + Sync {
    /// Of these, the ones that are done, or at which somebody is now.
    fn claimed(&self, keys: &[JobKey], now: Timestamp) -> impl Future<Output = Result<Vec<JobKey>, PortError>> + Send;
}

/// Remembers what could not be read, so that it is told when it begins and not at every look.
pub trait GapMemory: Send + Sync {
    /// Notes a gap; `true` where it was not there within `fresh`.
    fn is_new(&self, gap: &Gap, now: Timestamp, fresh: Duration) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Puts messages into a queue.
pub trait Outbox: Send + Sync {
    /// Puts these texts into it, visible after `delay`; success means that every one was accepted.
    fn put(&self, bodies: &[String], delay: Duration) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Tells the people who run the guardian that it cannot do its work.
pub trait Operations: Send + Sync {
    /// Sends a message.
    fn tell(&self, subject: &str, body: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Notes that a function which runs by itself ended its work.
pub trait Heart: Send + Sync {
    /// It did so now.
    fn beat(&self, function: &'static str, now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Tells when such a function last ended its work.
pub trait Pulse: Send + Sync {
    /// When it did; where it never did, when this was asked first. So a function that never ran is late in the end, too.
    fn last_beat(&self, function: &str, now: Timestamp) -> impl Future<Output = Fact<Timestamp>> + Send;
}

/// Reads topics of our own account.
pub trait TopicReader: Send + Sync {
    /// Its settings.
    fn settings(&self, topic: &Arn) -> impl Future<Output = Fact<TopicSettings>> + Send;
    /// Its subscriptions.
    fn subscriptions(&self, topic: &Arn) -> impl Future<Output = Fact<Vec<Subscription>>> + Send;
    /// What its account may send as SMS.
    fn sms(&self, topic: &Arn) -> impl Future<Output = Fact<SmsAccount>> + Send;
}

/// Reads queues of our own account.
pub trait QueueReader: Send + Sync {
    /// How many messages lie in it, about.
    fn messages(&self, queue: &Arn) -> impl Future<Output = Fact<u64>> + Send;
    /// Its policy; `None` where it has none.
    fn policy(&self, queue: &Arn) -> impl Future<Output = Fact<Option<Value>>> + Send;
}

/// Reads rules of EventBridge.
pub trait RuleReader: Send + Sync {
    /// A rule with its targets.
    fn rule(&self, rule: &Arn) -> impl Future<Output = Fact<Rule>> + Send;
}

/// Remembers what is wrong with the alarm path, so that it is told when it begins, once a day while it lasts, and when it is over.
pub trait TroubleMemory: Send + Sync {
    /// All that is remembered.
    fn kept(&self) -> impl Future<Output = Result<Vec<Kept>, PortError>> + Send;
    /// Remembers these, each in the place of the one with its id.
    fn keep(&self, kept: &[Kept], now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Forgets those with these ids.
    fn forget(&self, ids: &[String]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Lists copies in the account that starts them.
pub trait CopyLists: Send + Sync {
    /// Every copy job of a recovery point into a vault that AWS still lists, whatever its state.
    fn copies(
        &self,
        account: &AccountId,
        region: &Region,
        point: &Arn,
        destination: &Arn,
    ) -> impl Future<Output = Result<Vec<Job>, Gap>> + Send;
}

/// Lists recovery points in the account that holds them.
pub trait PointLists: Send + Sync {
    /// Every recovery point of a resource in a vault.
    fn points_of(&self, vault: &Arn, resource: &Arn) -> impl Future<Output = Result<Vec<retest::Held>, Gap>> + Send;
}

/// Lists restores in the account that starts them.
pub trait RestoreLists: Send + Sync {
    /// Every restore job of a recovery point that AWS still lists, whatever its state.
    fn restores(&self, account: &AccountId, region: &Region, point: &Arn) -> impl Future<Output = Result<Vec<Job>, Gap>> + Send;
}

/// Starts the jobs of drills in the accounts where they were switched on. With [`Remover`] the only port that changes anything outside the
/// guardian's own account.
pub trait DrillStarter: Send + Sync {
    /// Starts the job of an attempt, under its token: the same again is the same job. A gap says why it may not have been started.
    fn start(&self, record: &Record) -> impl Future<Output = Result<JobId, Gap>> + Send;
}

/// Says how a recovery point would be restored as it was.
pub trait RestoreSettings: Send + Sync {
    /// The settings that AWS Backup keeps with a recovery point.
    fn restore_settings(
        &self,
        account: &AccountId,
        region: &Region,
        vault: &Arn,
        point: &Arn,
    ) -> impl Future<Output = Result<BTreeMap<String, String>, Gap>> + Send;
}

/// Whether something that a drill made is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// It is gone.
    Gone,
    /// It is being deleted.
    OnItsWay,
    /// It is there until a person deletes it.
    There,
}

/// Removes what drills made.
pub trait Remover: Send + Sync {
    /// Deletes it where it is ours, and else looks whether somebody did. Asked again, it says how far that came.
    fn remove(&self, account: &AccountId, region: &Region, removal: &Removal) -> impl Future<Output = Result<Remains, Gap>> + Send;
}

/// Keeps drills.
pub trait DrillStore: Send + Sync {
    /// A drill.
    fn drill(&self, id: &str) -> impl Future<Output = Result<Option<Record>, PortError>> + Send;
    /// All drills.
    fn drills(&self) -> impl Future<Output = Result<Vec<Record>, PortError>> + Send;
    /// Writes one, on the condition that the revision before it is what is kept. `false`: somebody else was faster.
    fn put_drill(&self, record: &Record, now: Timestamp) -> impl Future<Output = Result<bool, PortError>> + Send;
}
