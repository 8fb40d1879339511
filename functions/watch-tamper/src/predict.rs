//! What a write does to the copies that have not run yet: find them, read the object anew, judge, tell, remember.
//!
//! Whether a write concerns any copy is decided before any role is assumed: most writes of an organization do not. What the write says of the new
//! state is not believed, for it may be old or out of order; only where the object cannot be read does it serve, and then it is a suspicion. Before
//! anybody is told that a copy will fail, everything that decides it is read afresh: what was kept may be a day old.

use std::collections::BTreeSet;
use std::future::Future;

use futures_util::future::try_join_all;
use guardian_core::arn::{AccountId, Arn};
use guardian_core::copy::LegFacts;
use guardian_core::diagnosis::Certainty;
use guardian_core::evidence::{Fact, Gap, GapReason, KeyPolicy, VaultPolicy};
use guardian_core::ports::{PortError, RouteMemory, RouteReader};
use guardian_core::prediction::{
    Held, KeptLeg, ObjectId, Objects, Shift, Shifts, Touch, as_it_was, blame, filled, overlay, shifts, touched,
};
use guardian_core::report::alert::{Changed, Outlook};
use guardian_core::report::{Alert, Telling, foretell};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Kinds of copies that are read afresh before people are told: what they share (the object, the vault, the organization) is read with the first.
const CONFIRMED: usize = 10;
/// Accounts whose bounds are read anew after a change above them. Each takes some calls, and the organization answers slowly.
const MOST_ACCOUNTS: usize = 50;
/// Accounts whose copies are judged after one write: what they hang on is held in memory.
const MOST_JUDGED: usize = 300;
/// Accounts whose copies are asked for at the same time.
const AT_ONCE: usize = 16;
/// Who tells is done by then, or dead.
const LEASE: SignedDuration = SignedDuration::from_secs(120);

/// A write, as far as it matters here. Account and Region are those of the envelope.
#[derive(Clone, Debug)]
pub struct Occurrence<'a> {
    /// The account whose trail has it.
    pub account: &'a AccountId,
    /// `kms`, `backup`, `iam`, `organizations`.
    pub service: &'a str,
    /// `PutKeyPolicy`, …
    pub event_name: &'a str,
    /// What was written to, as far as the record names it.
    pub objects: &'a [Arn],
    /// `requestParameters`. Untrusted.
    pub request: &'a Value,
    /// Who, what, when, as alerts tell it.
    pub changed: Changed,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Foreseen {
    /// It is no write on anything that decides copies.
    Elsewhere,
    /// No copy that is known hangs on it.
    NoRoute,
    /// The object says what it said before.
    Same,
    /// It says something else, and every copy goes on as before.
    NoTurn,
    /// It could not be read, or nobody can tell any longer.
    CannotTell,
    /// People were told.
    Told,
}

impl Foreseen {
    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::NoRoute => "no-route",
            Self::Same => "same",
            Self::NoTurn => "no-turn",
            Self::CannotTell => "cannot-tell",
            Self::Told => "told",
        }
    }
}

/// Why the write must come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeseeError {
    /// The table could not be asked.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Somebody else tells of the same object.
    #[error("another instance tells what happened to `{0}`")]
    BeingTold(String),
    /// It may not go out now.
    #[error("the message must wait for its turn")]
    Waiting,
    /// It could not be sent.
    #[error("the alert was not sent: {0}")]
    NotSent(String),
}

/// Sends an alert in its turn.
pub trait Teller: Sync {
    /// Sends it; success means that it was accepted.
    fn tell(&self, alert: &Alert) -> impl Future<Output = Result<(), ForeseeError>> + Send;
}

/// Foresees what writes do.
#[derive(Clone, Debug)]
pub struct Foresight<M, R> {
    /// The copies that are known.
    pub memory: M,
    /// Reads objects anew.
    pub reader: R,
    /// The organization, where the guardian was told.
    pub organization_id: Option<String>,
}

/// The copies that an object decides, with what is kept of everything that decides them.
struct Scene {
    legs: Vec<KeptLeg>,
    objects: Objects,
}

impl<M: RouteMemory, R: RouteReader> Foresight<M, R> {
    /// What a write does; the most telling of what came of its objects.
    pub async fn foresee<T: Teller>(
        &self,
        write: &Occurrence<'_>,
        teller: &T,
        now: impl Fn() -> Timestamp,
    ) -> Result<Foreseen, ForeseeError> {
        let touches = touched(write.account, write.service, write.event_name, write.objects, write.request);
        if touches.is_empty() {
            return Ok(Foreseen::Elsewhere);
        }
        let mut foreseen = Foreseen::NoRoute;
        let (decided, left_out) = self.decided(&touches).await?;
        for (object, accounts) in decided {
            foreseen = foreseen.max(self.object(&object, &accounts, left_out, write, teller, now()).await?);
        }
        // That nothing turned in some accounts says nothing of the others.
        Ok(if left_out > 0 { foreseen.max(Foreseen::CannotTell) } else { foreseen })
    }

    /// Whether a copy is known to hang on something that is written to.
    pub async fn decides_a_copy(&self, write: &Occurrence<'_>) -> Result<bool, PortError> {
        for touch in touched(write.account, write.service, write.event_name, write.objects, write.request) {
            if let Touch::Place(place) = touch
                && !self.memory.at(&place).await?.1.is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The objects that are touched, each with the accounts whose copies it decides, and how many accounts are left out.
    async fn decided(&self, touches: &[Touch]) -> Result<(Vec<(ObjectId, BTreeSet<AccountId>)>, usize), PortError> {
        let (mut decided, mut left_out) = (Vec::new(), 0);
        for touch in touches {
            let Touch::Place(place) = touch else {
                let accounts = self.memory.accounts().await?;
                left_out += accounts.len().saturating_sub(MOST_ACCOUNTS);
                for account in accounts.into_iter().take(MOST_ACCOUNTS).map(ObjectId::Account) {
                    let (_, accounts) = self.memory.at(&account.place()).await?;
                    decided.push((account, accounts));
                }
                continue;
            };
            let (objects, accounts) = self.memory.at(place).await?;
            left_out += objects.len().saturating_sub(MOST_ACCOUNTS);
            for object in objects.into_iter().take(MOST_ACCOUNTS) {
                let accounts = match &object {
                    ObjectId::Organization => self.memory.accounts().await?,
                    own if own.place() == *place => accounts.clone(),
                    // The place of a policy that objects are made of.
                    other => self.memory.at(&other.place()).await?.1,
                };
                decided.push((object, accounts));
            }
        }
        decided.retain(|(_, accounts)| !accounts.is_empty());
        decided.dedup_by(|one, other| one.0 == other.0);
        if left_out > 0 {
            tracing::warn!(left_out, judged = MOST_ACCOUNTS, "a change above more accounts than are judged at once");
        }
        Ok((decided, left_out))
    }

    /// The copies of some accounts that an object decides.
    async fn scene(&self, object: &ObjectId, accounts: &BTreeSet<AccountId>) -> Result<Scene, PortError> {
        let mut legs = Vec::new();
        let judged = accounts.iter().take(MOST_JUDGED).collect::<Vec<_>>();
        for some in judged.chunks(AT_ONCE) {
            let mut asked = Vec::new();
            for account in some {
                asked.push(self.memory.legs(account));
            }
            legs.extend(try_join_all(asked).await?.into_iter().flatten());
        }
        let nothing = Objects::new();
        let named = legs.iter().flat_map(|leg| leg.objects(&nothing)).collect::<BTreeSet<_>>();
        let mut objects = self.memory.objects(&named).await?;
        // The vaults tell the keys.
        let keys = legs.iter().flat_map(|leg| leg.objects(&objects)).filter(|id| !named.contains(id)).collect::<BTreeSet<_>>();
        objects.extend(self.memory.objects(&keys).await?);
        legs.retain(|leg| leg.objects(&objects).contains(object));
        Ok(Scene { legs, objects })
    }

    async fn object<T: Teller>(
        &self,
        object: &ObjectId,
        accounts: &BTreeSet<AccountId>,
        left_out: usize,
        write: &Occurrence<'_>,
        teller: &T,
        now: Timestamp,
    ) -> Result<Foreseen, ForeseeError> {
        let Scene { legs, objects } = self.scene(object, accounts).await?;
        let (Some(first), Some(kept)) = (legs.first(), objects.get(object)) else { return Ok(Foreseen::NoRoute) };
        let fresh = self.reader.held(object, &first.leg.account_id, &first.leg.region).await;
        let unread = fresh.is_unread();
        let gaps = gaps_of(&fresh);
        let seen = if unread { as_written(kept, write) } else { Some(fresh.clone()) };
        let Some(seen) = seen else {
            tracing::warn!(object = object.name(), ?gaps, "an object that decides copies was changed and could not be read");
            return Ok(Foreseen::CannotTell);
        };
        if seen.says_the_same_as(kept) {
            return Ok(Foreseen::Same);
        }
        let organization = self.organization_id.as_deref();
        let was = as_it_was(kept, &seen, write.event_name, write.request);
        let mut before = objects.clone();
        before.insert(object.clone(), was);
        let mut after = overlay(&objects, Objects::from([(object.clone(), seen)]));
        let mut told = shifts(&legs, &before, &after, organization);
        if turned(&told).next().is_some() {
            let read;
            (before, after, read) = self.read_again(object, before, &told, after).await;
            told = shifts(&legs, &before, &after, organization);
            // Of a copy that nobody could judge before, or cannot judge now, only what was read now tells whether it is this write that turns it.
            let whole = |shift: &Shift| shift.leg.objects(&after).is_subset(&read);
            for list in [&mut told.suspected, &mut told.unblocked] {
                let (surer, others) = std::mem::take(list).into_iter().partition::<Vec<_>, _>(whole);
                *list = surer;
                told.open.extend(others);
            }
        }
        let unjudged = accounts.len().saturating_sub(MOST_JUDGED) + left_out;
        if unjudged > 0 {
            tracing::warn!(object = object.name(), unjudged, "a change that concerns more accounts than are judged at once");
        }
        let of_object = if unread { Certainty::Suspected } else { Certainty::Supported };
        let telling = About { object, write, unjudged, gaps, now };
        let alerts = [
            (Outlook::WillFail, of_object, &told.broken),
            (Outlook::WillFail, Certainty::Suspected, &told.suspected),
            (Outlook::WillWork, of_object, &told.mended),
            (Outlook::WillWork, Certainty::Suspected, &told.unblocked),
        ];
        let alerts = alerts
            .into_iter()
            .filter_map(|(outlook, certainty, shifts)| telling.alert((outlook, certainty), shifts, &told, (&before, &after)));
        let alerts = alerts.collect::<Vec<_>>();
        let foreseen = match (alerts.is_empty(), told.open.is_empty()) {
            (false, _) => Foreseen::Told,
            (true, true) => Foreseen::NoTurn,
            (true, false) => Foreseen::CannotTell,
        };
        if !alerts.is_empty() {
            let lease_until = now.checked_add(LEASE).unwrap_or(now);
            if !self.memory.claim_telling(object, now, lease_until).await? {
                return Err(ForeseeError::BeingTold(object.name()));
            }
            if let Some(known) = self.learnt_meanwhile(object, kept).await? {
                self.memory.give_back(object).await?;
                let same = after.get(object).is_some_and(|seen| seen.says_the_same_as(&known));
                return if same { Ok(Foreseen::Same) } else { Err(ForeseeError::BeingTold(object.name())) };
            }
            for alert in &alerts {
                if let Err(error) = teller.tell(alert).await {
                    self.memory.give_back(object).await?;
                    return Err(error);
                }
            }
            self.remember(&alerts, &told, now).await;
        }
        if unread {
            // What nobody read is not remembered: the sweep, or the next write, reads it.
            self.memory.give_back(object).await?;
        } else {
            self.memory.learn(object, &fresh, now, now).await?;
        }
        Ok(foreseen)
    }

    /// What somebody else learnt of an object, and told, between our look and our claim: two writes on one object may come at the same time.
    async fn learnt_meanwhile(&self, object: &ObjectId, kept: &Held) -> Result<Option<Held>, PortError> {
        let known = self.memory.objects(&BTreeSet::from([object.clone()])).await?.remove(object);
        Ok(known.filter(|known| !known.says_the_same_as(kept)))
    }

    /// For those who ask what stands. Without it they are told all the same.
    async fn remember(&self, alerts: &[Alert], told: &Shifts, now: Timestamp) {
        let Some(last) = alerts.last() else { return };
        let kept = match alerts.iter().find(|alert| alert.foretold.as_ref().is_some_and(|foretold| foretold.outlook == Outlook::WillFail)) {
            Some(alert) => self.memory.foretold(alert, now).await,
            None if told.failing == 0 => self.memory.over(&last.incident_id).await,
            None => Ok(()),
        };
        if let Err(error) = kept {
            tracing::error!(operation = error.operation, code = %error.code, "what was foretold is not in the list of what stands");
        }
    }

    /// Everything that decides the first of the copies that turned, read afresh: what was not known before, all of it as it is now, and which objects
    /// that are. What is known to have been otherwise before stays so: several writes may come at once, and each would hide the others.
    async fn read_again(
        &self,
        object: &ObjectId,
        before: Objects,
        told: &Shifts,
        after: Objects,
    ) -> (Objects, Objects, BTreeSet<ObjectId>) {
        let mut now = after;
        let seen = now.get(object).cloned();
        let was = before.get(object).cloned();
        let (mut read, mut left) = (BTreeSet::from([object.clone()]), CONFIRMED);
        for shift in turned(told) {
            if left == 0 || shift.leg.objects(&now).is_subset(&read) {
                continue;
            }
            left -= 1;
            let facts: LegFacts = self.reader.leg_facts(&shift.leg.leg).await;
            let fresh = shift.leg.held(facts);
            read.extend(fresh.keys().cloned());
            now = overlay(&now, fresh);
        }
        // The object itself stays as it was judged: another write may have come between.
        now.extend(seen.map(|seen| (object.clone(), seen)));
        let mut before = filled(before, &now);
        before.extend(was.map(|was| (object.clone(), was)));
        (before, now, read)
    }
}

/// What all alerts of one write on one object have in common.
struct About<'a> {
    object: &'a ObjectId,
    write: &'a Occurrence<'a>,
    unjudged: usize,
    gaps: Vec<Gap>,
    now: Timestamp,
}

impl About<'_> {
    fn alert(
        &self,
        (outlook, certainty): (Outlook, Certainty),
        shifts: &[Shift],
        told: &Shifts,
        (before, after): (&Objects, &Objects),
    ) -> Option<Alert> {
        let first = shifts.first()?;
        let blame = match outlook {
            Outlook::WillFail => blame(&first.leg, self.object, before, after),
            // What mended it is what the other way round would break it.
            Outlook::WillWork => blame(&first.leg, self.object, after, before),
        };
        let management = match after.get(&ObjectId::Organization) {
            Some(Held::Organization { organization, .. }) => organization.known().map(|organization| &organization.management_account),
            _ => None,
        };
        foretell(&Telling {
            outlook,
            shifts,
            facts: &first.leg.facts(after),
            open: told.open.len(),
            unjudged: self.unjudged,
            object: self.object,
            management,
            changed: &self.write.changed,
            blame: &blame,
            certainty,
            gaps: self.gaps.clone(),
            now: self.now,
        })
    }
}

/// Copies that turned, or of which more must be read to tell that.
fn turned(told: &Shifts) -> impl Iterator<Item = &Shift> {
    [&told.broken, &told.suspected, &told.mended, &told.unblocked, &told.open].into_iter().flatten()
}

/// What could not be read of an object.
fn gaps_of(held: &Held) -> Vec<Gap> {
    fn gap<T>(fact: &Fact<T>) -> Option<Gap> {
        fact.gap().filter(|gap| gap.reason != GapReason::NotFound).cloned()
    }
    let gaps = match held {
        Held::Key { key, policy, grants } => vec![gap(key), gap(policy), gap(grants)],
        Held::Vault { vault, policy } => vec![gap(vault), gap(policy)],
        Held::Role { role } => vec![gap(role)],
        Held::Account { scps, rcps } => vec![gap(scps), gap(rcps)],
        Held::Organization { organization, global_settings } => vec![gap(organization), gap(global_settings)],
    };
    gaps.into_iter().flatten().collect()
}

/// The object as the write would leave it, where the write says all of it: a whole policy.
fn as_written(kept: &Held, write: &Occurrence<'_>) -> Option<Held> {
    let source = format!("cloudtrail:{}", write.changed.event_id);
    let document = || match write.request.get("policy")? {
        Value::String(text) => serde_json::from_str::<Value>(text).ok().filter(Value::is_object),
        value => value.is_object().then(|| value.clone()),
    };
    let at = write.changed.at;
    match (write.event_name, kept) {
        ("PutKeyPolicy", Held::Key { key, policy: Fact::Known { value, .. }, grants }) => {
            let value = KeyPolicy { document: document()?, ..value.clone() };
            Some(Held::Key { key: key.clone(), policy: Fact::Known { value, source, at }, grants: grants.clone() })
        }
        ("PutBackupVaultAccessPolicy", Held::Vault { vault, policy: Fact::Known { value, .. } }) => {
            let value = VaultPolicy { document: Some(document()?), ..value.clone() };
            Some(Held::Vault { vault: vault.clone(), policy: Fact::Known { value, source, at } })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
