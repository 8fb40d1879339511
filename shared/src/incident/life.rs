//! The life of an incident: what a failure, a success, a look for late evidence or the passing of time does to it, and which message is due.
//!
//! Pure: whoever keeps incidents reads a [`View`], asks here, and writes the answer on the condition that nobody wrote in between.

use jiff::{SignedDuration, Timestamp};

use super::{
    Acknowledgement, Closing, Due, Exposure, Failure, Incident, IncidentId, Lane, LaneState, Member, Moment, Object, Refusal, Standing,
    Success, Told, View,
};
use crate::diagnosis::{Certainty, Verdict};
use crate::evidence::Evidence;
use crate::report::Kind;

impl Standing {
    /// Whether a person who was told `self` should hear of `other`: only what is surer is news.
    fn is_improved_by(&self, other: &Self) -> bool {
        other.certainty > self.certainty
    }
}

impl Incident {
    fn open(failure: &Failure, id: IncidentId, opening: u32, now: Timestamp) -> Self {
        Self { opening, jobs_total: 0, standing: Some(failure.standing.clone()), ..Self::unseen(id, now) }
    }

    fn is_acknowledged(&self, now: Timestamp) -> bool {
        self.acknowledged.as_ref().is_some_and(|acknowledged| acknowledged.until > now)
    }

    /// Takes over a better standing. The best is kept: a look that saw less changes nothing.
    fn learn(&mut self, standing: &Standing) {
        let better = self.standing.as_ref().is_none_or(|held| held.is_improved_by(standing));
        let worst = self.standing.as_ref().map_or(standing.severity, |held| held.severity.max(standing.severity));
        if better {
            self.standing = Some(standing.clone());
        }
        // The worst of its jobs says how bad it is.
        if let Some(held) = &mut self.standing {
            held.severity = worst;
        }
    }

    /// The message that is due by what is held, what was said and the time.
    fn due(&self, moment: &Moment) -> Option<Kind> {
        let Some(told) = &self.told else { return Some(if self.burst.is_some() { Kind::Tamper } else { Kind::Failure }) };
        if self.is_ended() {
            return Some(Kind::Resolved);
        }
        if self.burst.is_some() {
            return self.due_of_deeds(told, moment);
        }
        let news = match (&told.standing, &self.standing) {
            (Some(said), Some(held)) => said.is_improved_by(held),
            (None, _) | (_, None) => false,
        };
        if news {
            return Some(Kind::Upgrade);
        }
        let over = moment.now.duration_since(told.at) >= moment.repeat_after;
        (over && !self.is_acknowledged(moment.now)).then_some(Kind::Reminder)
    }

    /// Deeds are told again when they are worse than what was told, whoever took the incident on, and at the repeat interval otherwise.
    fn due_of_deeds(&self, told: &Told, moment: &Moment) -> Option<Kind> {
        let risen = match (&told.standing, &self.standing) {
            (Some(said), Some(held)) => held.severity > said.severity,
            (None, _) | (_, None) => false,
        };
        let worse = risen || self.burst.as_ref().is_some_and(|burst| burst.is_worse_than_told());
        let over = moment.now.duration_since(told.at) >= moment.repeat_after;
        (worse || (over && !self.is_acknowledged(moment.now))).then_some(Kind::Tamper)
    }

    /// Claims the message, unless somebody else has it or it waits for a digest.
    pub(crate) fn claim_due(&mut self, moment: &Moment) -> Due {
        let due = self.due(moment);
        self.claim(due, moment)
    }

    fn claim(&mut self, due: Option<Kind>, moment: &Moment) -> Due {
        let Some(kind) = due else { return Due::Nothing };
        if self.deferred && self.told.is_none() && matches!(kind, Kind::Failure | Kind::Tamper) {
            return Due::Deferred;
        }
        if self.telling_until.is_some_and(|until| until > moment.now) {
            return Due::Held;
        }
        self.telling_until = Some(moment.lease_until);
        Due::Tell(kind)
    }
}

/// Which incident a failure belongs to: `identity` is the open one of its cause and object, `provisional` the open one of its route and text.
pub fn choose(identity: Option<&Incident>, provisional: Option<&Incident>, failure: &Failure) -> Option<IncidentId> {
    if let Some(incident) = identity.filter(|incident| incident.is_open()) {
        return Some(incident.id.clone());
    }
    let incident = provisional.filter(|incident| incident.is_open())?;
    let held = incident.standing.as_ref()?;
    // The same route and text for another object that both are sure of: the first cause was mended, and the next one shows.
    let other = match (&held.object, &failure.standing.object) {
        (Object::Known { arn: one, .. }, Object::Known { arn: two, .. }) => one != two || held.cause != failure.standing.cause,
        (Object::Provisional { .. }, _) | (_, Object::Provisional { .. }) => false,
    };
    let sure = held.certainty >= Certainty::Supported && failure.standing.certainty >= Certainty::Supported;
    (!(other && sure)).then(|| incident.id.clone())
}

/// A job failed.
pub fn failed(view: View, failure: &Failure, id: &IncidentId, moment: &Moment) -> (View, Due) {
    if view.incident.as_ref().is_some_and(|incident| is_being_ended(incident, view.job_counted, moment)) {
        return (view, Due::Held);
    }
    let View { incident, lane, member, job_counted } = view;
    let proved_later = |lane: &LaneState| lane.proved.is_some_and(|proved| proved >= failure.created_at);
    let mut incident = match incident {
        Some(incident) if incident.is_open() && incident.closing().is_none() => incident,
        // It comes twice, and who closed the incident knew of it.
        Some(over) if over.closing().is_some() && job_counted == Some(over.opening) => over,
        // Its event is late: the lane was proved after this job was made, so nothing is open because of it.
        Some(over) if lane.as_ref().is_some_and(|lane| lane.opening == over.opening && proved_later(lane)) => over,
        // The first release, which knows of no ends, may be telling it this moment.
        Some(over) => {
            let telling_until = over.telling_until;
            let opening = over.opening.saturating_add(1);
            Incident { telling_until, closed: over.closed, ..Incident::open(failure, over.id, opening, moment.now) }
        }
        None => Incident::open(failure, id.clone(), 1, moment.now),
    };
    let opening = incident.opening;
    let mut lane = lane.filter(|lane| lane.opening == opening);
    let mut member = member.filter(|member| member.opening == opening);
    if job_counted != Some(opening) {
        incident.jobs_total = incident.jobs_total.saturating_add(1);
        incident.first_expires_at = [incident.first_expires_at, failure.expires_at].into_iter().flatten().min();
        if !lane.as_ref().is_some_and(proved_later) {
            (lane, member) = fail_member(&mut incident, lane, member, failure);
        }
    }
    let due = if incident.is_open() {
        incident.learn(&failure.standing);
        // That it recovered is told by those who wait for it.
        let due = incident.due(moment).filter(|kind| *kind != Kind::Resolved);
        incident.claim(due, moment)
    } else {
        Due::Nothing
    };
    (View { incident: Some(incident), lane, member, job_counted: Some(opening) }, due)
}

/// Whether the end of the incident is on its way to people, so that a failure that it does not know of must come again: it opens the incident
/// anew then. Joined now it would be silent in an incident that ends the next moment.
fn is_being_ended(incident: &Incident, job_counted: Option<u32>, moment: &Moment) -> bool {
    let telling = incident.telling_until.is_some_and(|until| until > moment.now);
    incident.is_open() && incident.is_ended() && incident.told.is_some() && telling && job_counted != Some(incident.opening)
}

fn fail_member(
    incident: &mut Incident,
    lane: Option<LaneState>,
    member: Option<Member>,
    failure: &Failure,
) -> (Option<LaneState>, Option<Member>) {
    let mut lane = lane.unwrap_or_else(|| LaneState {
        opening: incident.opening,
        lane: failure.lane.clone(),
        round: 1,
        members: 0,
        recovered: 0,
        newest_failure: failure.created_at,
        proved: None,
    });
    if lane.proved.is_some() {
        // It worked, and fails again: the lane starts anew.
        incident.members_total = incident.members_total.saturating_sub(lane.members);
        incident.members_recovered = incident.members_recovered.saturating_sub(lane.recovered);
        lane = LaneState { round: lane.round.saturating_add(1), members: 0, recovered: 0, proved: None, ..lane };
    }
    let proved_later = |member: &Member| member.proved.is_some_and(|proved| proved >= failure.created_at);
    if !member.as_ref().is_some_and(|member| member.round == lane.round && proved_later(member)) {
        lane.newest_failure = lane.newest_failure.max(failure.created_at);
    }
    let member = match member.filter(|member| member.round == lane.round) {
        Some(member) if proved_later(&member) => member,
        Some(member) => {
            if member.proved.is_some() {
                lane.recovered = lane.recovered.saturating_sub(1);
                incident.members_recovered = incident.members_recovered.saturating_sub(1);
            }
            Member { newest_failure: member.newest_failure.max(failure.created_at), proved: None, ..member }
        }
        None => {
            lane.members = lane.members.saturating_add(1);
            incident.members_total = incident.members_total.saturating_add(1);
            let (opening, round, resource) = (incident.opening, lane.round, failure.resource.clone());
            Member { opening, round, resource, newest_failure: failure.created_at, proved: None }
        }
    };
    (Some(lane), Some(member))
}

/// A job completed in the route of a lane of the incident. Proof is a job created after the failure: for the lane, of the same key, role and
/// type; else for its own resource alone.
pub fn completed(view: View, success: &Success, moment: &Moment) -> (View, Due) {
    let View { incident: Some(mut incident), lane: Some(mut lane), mut member, job_counted } = view else {
        return (view, Due::Nothing);
    };
    if !incident.is_open() || lane.opening != incident.opening {
        return (View { incident: Some(incident), lane: Some(lane), member, job_counted }, Due::Nothing);
    }
    let before = incident.members_recovered;
    if lane.lane.is_proved_by(&success.lane) && success.created_at > lane.newest_failure {
        let open = lane.members.saturating_sub(lane.recovered);
        incident.members_recovered = incident.members_recovered.saturating_add(open);
        lane.recovered = lane.members;
        lane.proved = lane.proved.max(Some(success.created_at));
    } else if lane.proved.is_none()
        && let Some(member) = member.as_mut().filter(|member| {
            let of_now = member.opening == incident.opening && member.round == lane.round && member.proved.is_none();
            of_now && member.resource == success.resource && success.created_at > member.newest_failure
        })
    {
        lane.recovered = lane.recovered.saturating_add(1);
        incident.members_recovered = incident.members_recovered.saturating_add(1);
        member.proved = Some(success.created_at);
    }
    if incident.members_recovered > before {
        incident.proved_by = Some(Box::new(success.job.clone()));
    }
    // Whoever saw the first success may have died before it was told: the next one tells it.
    let partly = incident.members_recovered > 0 && !incident.recovering_told && !incident.is_acknowledged(moment.now);
    let due = match (&incident.told, incident.is_ended()) {
        // The failure comes first, by those who saw it.
        (None, _) => None,
        // Until it was told, whoever sees a success tells it.
        (Some(_), true) => Some(Kind::Resolved),
        (Some(_), false) => partly.then_some(Kind::Recovering),
    };
    let due = incident.claim(due, moment);
    (View { incident: Some(incident), lane: Some(lane), member, job_counted }, due)
}

/// Somebody looked again for evidence that was late, until `searched_until`.
pub fn looked(mut incident: Incident, standing: &Standing, searched_until: Timestamp, moment: &Moment) -> (Incident, Due) {
    if !incident.is_open() {
        return (incident, Due::Nothing);
    }
    incident.searched_until = incident.searched_until.max(Some(searched_until));
    incident.learn(standing);
    let due = incident.due(moment).filter(|kind| *kind == Kind::Upgrade);
    let due = incident.claim(due, moment);
    (incident, due)
}

/// Time passed.
pub fn waited(mut incident: Incident, moment: &Moment) -> (Incident, Due) {
    if !incident.is_open() || incident.told.is_none() {
        return (incident, Due::Nothing);
    }
    let due = incident.due(moment);
    let due = incident.claim(due, moment);
    (incident, due)
}

/// When the next reminder is due, if nothing happens.
pub fn remind_at(incident: &Incident, repeat_after: SignedDuration) -> Option<Timestamp> {
    let told = incident.told.as_ref().filter(|_| incident.is_open())?;
    let due = told.at.checked_add(repeat_after).unwrap_or(Timestamp::MAX);
    Some(incident.acknowledged.as_ref().map_or(due, |acknowledged| due.max(acknowledged.until)))
}

/// A message was accepted.
pub fn told(mut incident: Incident, kind: Kind, standing: Option<&Standing>, now: Timestamp) -> Incident {
    let standing = standing.cloned().or_else(|| incident.told.as_ref().and_then(|told| told.standing.clone()));
    incident.told = Some(Told { at: now, standing });
    incident.telling_until = None;
    incident.deferred = false;
    match kind {
        Kind::Resolved => incident.resolved_at = Some(now),
        Kind::Recovering => incident.recovering_told = true,
        _ => {}
    }
    incident
}

/// A message was not accepted: whoever comes next may send it. The claim of another stays.
pub fn not_told(mut incident: Incident, lease_until: Timestamp) -> Incident {
    // Whoever keeps incidents may keep milliseconds.
    if incident.telling_until.is_some_and(|until| until.as_millisecond() == lease_until.as_millisecond()) {
        incident.telling_until = None;
    }
    incident
}

/// Too many messages are on their way: the next digest tells it.
pub fn deferred(mut incident: Incident, lease_until: Timestamp) -> Incident {
    if incident.told.is_none() && incident.is_open() {
        incident.deferred = true;
    }
    not_told(incident, lease_until)
}

/// Claims the first message of an incident that waits for a digest; whether it is ours. Two digests at once share what waits.
pub fn taken(mut incident: Incident, moment: &Moment) -> (Incident, bool) {
    let waits = incident.deferred && incident.is_open() && incident.told.is_none();
    let ours = waits && incident.telling_until.is_none_or(|until| until <= moment.now);
    if ours {
        incident.telling_until = Some(moment.lease_until);
    }
    // Somebody who knows of no digests told it.
    incident.deferred &= incident.told.is_none();
    (incident, ours)
}

/// Follow-up number `number` of an opening is done; whether it is the first time. The next one has the number after it.
pub fn followed_up(mut incident: Incident, opening: u32, number: u32, report_uri: Option<&str>) -> (Incident, bool) {
    let first = incident.opening == opening && incident.follow_up <= number;
    if first {
        incident.report_uri = report_uri.map(str::to_owned).or(incident.report_uri);
        incident.follow_up = number.saturating_add(1);
    }
    (incident, first)
}

/// Somebody took the incident on.
pub fn acknowledged(mut incident: Incident, acknowledgement: Acknowledgement) -> Incident {
    if incident.is_open() {
        incident.acknowledged = Some(acknowledgement);
    }
    incident
}

/// Somebody says that the incident is over, which no job can prove; `lanes` are those that it has. The last message follows.
///
/// What a job can prove ends by that proof alone: who knows better takes it on until then.
pub fn closed(mut incident: Incident, lanes: &[LaneState], closing: Closing) -> Result<Incident, Refusal> {
    if !incident.is_open() || incident.is_recovered() {
        return Err(Refusal::Over);
    }
    if incident.told.is_none() {
        return Err(Refusal::Untold);
    }
    let waits = |lane: &&LaneState| lane.opening == incident.opening && lane.proved.is_none() && lane.recovered < lane.members;
    if let Some(state) = lanes.iter().filter(waits).find(|state| state.lane.can_be_proved()) {
        return Err(Refusal::Provable(Box::new(state.lane.clone())));
    }
    // Who said so first stays.
    if incident.closing().is_none() {
        incident.closed = Some(Closing { opening: incident.opening, ..closing });
    }
    Ok(incident)
}

/// What incidents need to know of a job that was diagnosed.
pub fn failure(evidence: &Evidence, verdict: &Verdict, exposure: &Exposure) -> Failure {
    of_job(evidence, Standing::of(verdict, exposure, evidence.now), super::identify(verdict.cause, &verdict.object), true)
}

/// The same for a job that has the lane and the text of those of an incident, which need not be diagnosed one by one. `None`: it is not known
/// what the incident stands for.
pub fn another(evidence: &Evidence, incident: &Incident) -> Option<Failure> {
    Some(of_job(evidence, incident.standing.clone()?, incident.id.clone(), false))
}

/// What a job should have kept.
pub fn resource_of(evidence: &Evidence) -> String {
    let job = &evidence.job;
    let resource = job.resource_arn.as_ref().or_else(|| evidence.description.known()?.resource_arn.as_ref());
    let arn = resource.or(evidence.recovery_point_arn()).map(|arn| arn.as_str().to_owned());
    // The runs that a rule missed are one member: its next job makes up for none of them, and ends it. So is what AWS told again and again.
    arn.or_else(|| Lane::of(evidence).told).unwrap_or_else(|| job.key().job_id.as_str().to_owned())
}

fn of_job(evidence: &Evidence, standing: Standing, identity: IncidentId, diagnosed: bool) -> Failure {
    let job = &evidence.job;
    Failure {
        job: job.key(),
        created_at: job.created_at.or(job.event_time).unwrap_or(evidence.now),
        resource: resource_of(evidence),
        lane: Lane::of(evidence),
        standing,
        identity,
        provisional: super::provisional(evidence),
        expires_at: evidence.recovery_point.known().and_then(|point| point.delete_at),
        diagnosed,
    }
}
