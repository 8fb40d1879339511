//! The deeds of one actor as one incident: a timeline, and a severity that rises with the pattern.
//!
//! Pure: whoever keeps incidents reads a [`View`], asks here, and writes the answer on the condition that nobody wrote in between.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Deed, DeedKind};
use crate::arn::AccountId;
use crate::diagnosis::{Cause, Certainty, Severity};
use crate::event::field::clip_marked;
use crate::incident::{Due, Incident, IncidentId, Moment, Object, Standing, View};

/// Deeds that are kept with the incident itself; every one has an item of its own besides.
pub const MOST_KEPT: usize = 20;
/// Accounts that are counted one by one.
const MOST_ACCOUNTS: usize = 64;
/// Longest text kept of a deed, in bytes: an item of the table holds 400 KB.
const LONGEST: usize = 1024;
/// After so much quiet the next deed begins a pattern of its own.
const QUIET: SignedDuration = SignedDuration::from_hours(24);
/// So many recovery points deleted by hand are no mistake, and so many an emergency,
const MANY: usize = 5;
const VERY_MANY: usize = 20;
/// within this time: whoever deletes one each night cleans up.
const WINDOW: SignedDuration = SignedDuration::from_hours(20);
/// Times that are kept of each kind, the newest.
const MOST_TIMES: usize = 100;

/// What somebody did, as far as people need it at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// Who. Untrusted text.
    pub actor: String,
    /// When the pattern began.
    pub first_at: Timestamp,
    /// The newest deed.
    pub last_at: Timestamp,
    /// How many of each kind since the pattern began, refused ones not counted.
    pub counts: BTreeMap<DeedKind, u64>,
    /// When the newest of each kind were done, refused ones not counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<DeedKind, Vec<Timestamp>>,
    /// Kinds of which one was grave by itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grave: BTreeSet<DeedKind>,
    /// The worst single deed since it began.
    pub worst: Severity,
    /// The accounts it was done in.
    pub accounts: BTreeSet<AccountId>,
    /// When what protects recovery points was first taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unprotected_at: Option<Timestamp>,
    /// When a recovery point or a vault was last deleted, or given a shorter life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The newest, oldest first.
    pub newest: Vec<Deed>,
    /// Event ids of those of the newest that stood in a message.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<String>,
    /// Kinds that stood in a message since the pattern began.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds_told: BTreeSet<DeedKind>,
    /// How bad the whole was when it was last told, since the pattern began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_as: Option<(Severity, Pattern)>,
}

/// Why the whole is worse than its worst part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Nothing but its parts.
    Single,
    /// Many recovery points, vaults, plans, keys, jobs or grants.
    Many,
    /// First the protection, then the points.
    UnprotectedThenDeleted,
    /// Points and the keys of others.
    PointsAndKeys,
    /// In more than one account.
    Accounts,
    /// Several sides of the protection at once.
    ManySides,
}

impl Pattern {
    /// In words; `None`: nothing to say.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Single => None,
            Self::Many => Some("many recovery points, vaults, plans, keys, jobs or grants were taken away one after the other"),
            Self::UnprotectedThenDeleted => Some("first their protection was taken away, then backups were deleted"),
            Self::PointsAndKeys => Some("backups were deleted and keys of backups made unusable"),
            Self::Accounts => Some("backups were deleted in more than one account"),
            Self::ManySides => Some("several sides of the protection were taken away at once"),
        }
    }
}

impl Burst {
    fn begin(actor: &str, at: Timestamp) -> Self {
        Self {
            actor: clip_marked(actor, LONGEST),
            first_at: at,
            last_at: at,
            counts: BTreeMap::new(),
            times: BTreeMap::new(),
            grave: BTreeSet::new(),
            worst: Severity::Info,
            accounts: BTreeSet::new(),
            unprotected_at: None,
            deleted_at: None,
            newest: Vec::new(),
            told: BTreeSet::new(),
            kinds_told: BTreeSet::new(),
            told_as: None,
        }
    }

    fn add(&mut self, deed: &Deed) {
        if deed.at.duration_since(self.last_at) > QUIET {
            let (newest, told) = (std::mem::take(&mut self.newest), std::mem::take(&mut self.told));
            *self = Self { newest, told, ..Self::begin(&self.actor, deed.at) };
        }
        self.first_at = self.first_at.min(deed.at);
        self.last_at = self.last_at.max(deed.at);
        self.worst = self.worst.max(deed.severity);
        if self.accounts.len() < MOST_ACCOUNTS {
            self.accounts.insert(deed.account.clone());
        }
        if deed.refused.is_none() {
            let count = self.counts.entry(deed.kind).or_default();
            *count = count.saturating_add(1);
            let times = self.times.entry(deed.kind).or_default();
            times.push(deed.at);
            times.sort_unstable();
            times.drain(..times.len().saturating_sub(MOST_TIMES));
            if deed.severity >= Severity::High {
                self.grave.insert(deed.kind);
            }
            match deed.kind {
                DeedKind::VaultLockRemoved
                | DeedKind::VaultLockLoosened
                | DeedKind::VaultPolicyWeakened
                | DeedKind::ApprovalRemoved
                | DeedKind::LegalHoldCancelled
                | DeedKind::KeyUnprotected => {
                    self.unprotected_at = [self.unprotected_at, Some(deed.at)].into_iter().flatten().min();
                }
                DeedKind::PointDeleted | DeedKind::VaultDeleted | DeedKind::RetentionShortened | DeedKind::KeyDeletionScheduled => {
                    self.deleted_at = self.deleted_at.max(Some(deed.at));
                }
                _ => {}
            }
        }
        // The document stands with the deed alone: so many of them do not fit into one item.
        let mut kept = Deed { before_document: None, ..deed.clone() };
        for text in [Some(&mut kept.what), kept.before.as_mut(), kept.after.as_mut(), kept.actor.as_mut()].into_iter().flatten() {
            *text = clip_marked(text, LONGEST);
        }
        self.newest.push(kept);
        // By time, because events overtake each other; the id makes the order the same for all.
        self.newest.sort_by(|a, b| (a.at, &a.event_id).cmp(&(b.at, &b.event_id)));
        // Many small deeds hide no large one, and attempts that were refused hide nothing that was done.
        while self.newest.len() > MOST_KEPT {
            let weight = |deed: &Deed| (deed.severity, deed.refused.is_none(), !self.told.contains(&deed.event_id), deed.at);
            let Some(least) = (0..self.newest.len()).min_by_key(|place| self.newest.get(*place).map(weight)) else { return };
            let gone = self.newest.remove(least);
            self.told.remove(&gone.event_id);
        }
    }

    /// A message of this severity with these deeds was sent. By name and not by number: events of one second have no order, and some arrive late,
    /// others while the message is on its way.
    pub fn told_of<'e>(&mut self, event_ids: impl IntoIterator<Item = &'e str>, severity: Severity) {
        let named = event_ids.into_iter().collect::<BTreeSet<_>>();
        for deed in self.newest.iter().filter(|deed| named.contains(deed.event_id.as_str())) {
            self.told.insert(deed.event_id.clone());
            self.kinds_told.insert(deed.kind);
        }
        let (now, pattern) = self.severity();
        self.told_as = Some((now.min(severity), pattern));
    }

    /// Whether it got worse since it was told: as a whole, by another pattern, or by a grave deed of a kind that nobody heard of. A pattern that begins
    /// anew is news, if it is grave.
    pub fn is_worse_than_told(&self) -> bool {
        let (severity, pattern) = self.severity();
        let risen = self.told_as.is_none_or(|(told, as_what)| severity > told || pattern != as_what);
        let is_news = |deed: &Deed| {
            deed.severity >= Severity::High
                && deed.refused.is_none()
                && !self.told.contains(&deed.event_id)
                && !self.kinds_told.contains(&deed.kind)
        };
        severity >= Severity::High && (risen || self.newest.iter().any(is_news))
    }

    /// The deeds that stood in no message, oldest first; the newest of all where every one did.
    pub fn news(&self) -> impl Iterator<Item = &Deed> {
        let is_new = |deed: &&Deed| !self.told.contains(&deed.event_id);
        let nothing_new = !self.newest.iter().any(|deed| is_new(&deed));
        self.newest.iter().filter(is_new).chain(self.newest.last().filter(|_| nothing_new))
    }

    /// Whether something was deleted after its protection went, by the times of the deeds and not of their arrival. Records carry whole seconds:
    /// within one second the protection went first, or there was nothing to take away.
    fn is_deleted_unprotected(&self) -> bool {
        matches!((self.unprotected_at, self.deleted_at), (Some(unprotected), Some(deleted)) if unprotected <= deleted)
    }

    fn count(&self, kinds: &[DeedKind]) -> u64 {
        kinds.iter().filter_map(|kind| self.counts.get(kind)).sum()
    }

    /// The most of these kinds that were done within the window.
    fn most_at_once(&self, kinds: &[DeedKind]) -> usize {
        let mut times = kinds.iter().filter_map(|kind| self.times.get(kind)).flatten().copied().collect::<Vec<_>>();
        times.sort_unstable();
        let within = |(before, last): (usize, &Timestamp)| {
            let first = times.partition_point(|at| last.duration_since(*at) > WINDOW);
            before.saturating_add(1).saturating_sub(first)
        };
        times.iter().enumerate().map(within).max().unwrap_or_default()
    }

    /// How bad the whole is, and why.
    pub fn severity(&self) -> (Severity, Pattern) {
        const GONE: [DeedKind; 4] =
            [DeedKind::PointDeleted, DeedKind::PointDisassociated, DeedKind::RetentionShortened, DeedKind::VaultDeleted];
        const KEYS: [DeedKind; 2] = [DeedKind::KeyDeletionScheduled, DeedKind::KeyDisabled];
        let (gone, keys) = (self.count(&GONE), self.count(&KEYS));
        let lost: [&[DeedKind]; 3] = [&GONE, &KEYS, &[DeedKind::PlanDeleted]];
        let many = lost.map(|kinds| self.most_at_once(kinds)).into_iter().max().unwrap_or_default();
        // A single one of these is small, and each harms one job or one user of a key.
        let small =
            [DeedKind::JobStopped, DeedKind::GrantRevoked].map(|kind| self.most_at_once(&[kind])).into_iter().max().unwrap_or_default();
        let sides = self.counts.keys().filter(|kind| !matches!(kind, DeedKind::JobStopped | DeedKind::MonitoringRemoved)).count();
        let rules = [
            (self.is_deleted_unprotected(), Severity::Critical, Pattern::UnprotectedThenDeleted),
            (gone > 0 && keys > 0, Severity::Critical, Pattern::PointsAndKeys),
            (gone > 1 && self.accounts.len() > 1, Severity::Critical, Pattern::Accounts),
            (many >= VERY_MANY, Severity::Critical, Pattern::Many),
            // Three small changes are a working day.
            (sides >= 3 && self.grave.len() >= 2, Severity::Critical, Pattern::ManySides),
            (many >= MANY || small >= VERY_MANY, Severity::High, Pattern::Many),
        ];
        let found = rules.into_iter().find(|(holds, ..)| *holds);
        match found {
            Some((_, severity, pattern)) => (severity.max(self.worst), pattern),
            None => (self.worst, Pattern::Single),
        }
    }
}

/// What stands for an actor in the identity of its incident; the account of an announcement where nobody is named.
pub fn actor_of(deed: &Deed, id: Option<&str>) -> String {
    id.map_or_else(|| format!("nobody named in account {}", deed.account), str::to_owned)
}

/// A deed was done. A deed that comes twice is one.
pub fn done(view: View, deed: &Deed, actor: &str, id: &IncidentId, moment: &Moment) -> (View, Due) {
    let View { incident, lane, member, job_counted } = view;
    let mut incident = match incident {
        Some(incident) if incident.is_open() && incident.closing().is_none() => incident,
        // It comes twice, and who closed the incident knew of it.
        Some(over) if job_counted == Some(over.opening) => {
            return (View { incident: Some(over), lane, member, job_counted }, Due::Nothing);
        }
        // Its end is on its way to people; the deed opens it anew then.
        Some(ending) if ending.is_open() && ending.telling_until.is_some_and(|until| until > moment.now) => {
            return (View { incident: Some(ending), lane, member, job_counted }, Due::Held);
        }
        Some(over) => {
            let opening = over.opening.saturating_add(1);
            Incident { opening, jobs_total: 0, closed: over.closed, ..Incident::unseen(over.id, moment.now) }
        }
        None => Incident { jobs_total: 0, ..Incident::unseen(id.clone(), moment.now) },
    };
    let opening = incident.opening;
    if job_counted != Some(opening) {
        incident.jobs_total = incident.jobs_total.saturating_add(1);
        let mut burst = incident.burst.take().unwrap_or_else(|| Box::new(Burst::begin(actor, deed.at)));
        burst.add(deed);
        let severity = burst.severity().0;
        let worst = incident.standing.as_ref().map_or(severity, |held| held.severity.max(severity));
        let object = Object::Provisional { account_id: deed.account.clone(), route: burst.actor.clone() };
        // Who told of it: CloudTrail, or AWS Backup itself.
        incident.standing = Some(Standing { cause: Cause::Unexplained, object, certainty: Certainty::Proven, severity: worst });
        incident.burst = Some(burst);
    }
    let due = incident.claim_due(moment);
    (View { incident: Some(incident), lane, member, job_counted: Some(opening) }, due)
}
