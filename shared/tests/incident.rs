//! The life of an incident against a model that knows nothing of counters: it keeps every resource with its failures and proofs, and looks
//! through all of them whenever it is asked.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::{BTreeMap, BTreeSet};

use guardian_core::arn::{AccountId, Region};
use guardian_core::diagnosis::{Cause, Certainty, Severity};
use guardian_core::event::{JobId, JobKey, JobState, JobType};
use guardian_core::incident::{
    self, Acknowledgement, Closing, Due, Failure, Incident, IncidentId, Lane, LaneState, Member, Moment, Object, Refusal, Standing,
    Success, View, identify,
};
use guardian_core::report::Kind;
use guardian_core::report::alert::AlertJob;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const REPEAT: i64 = 240;
/// The lane of what AWS told beside its jobs: none of them proves it.
const BESIDE: u8 = 3;

/// Something that happens; times are minutes.
#[derive(Clone, Debug)]
enum Step {
    /// A job failed that was created so long ago.
    Fails { job: u8, lane: u8, resource: u8, age: i64, certainty: Certainty },
    /// A job completed. Without its key nobody knows which lane it proves.
    Completes { lane: u8, resource: u8, age: i64, key_known: bool },
    /// Somebody looked again.
    Looks { certainty: Certainty },
    /// A follow-up came.
    Waits,
    /// Somebody took it on for so long.
    Acknowledged { minutes: i64 },
    /// Somebody says that it is over.
    Closed,
    /// Time passes.
    Passes { minutes: i64 },
    /// The next message is not accepted.
    TopicFails,
}

fn certainty() -> impl Strategy<Value = Certainty> {
    prop_oneof![Just(Certainty::Suspected), Just(Certainty::Supported), Just(Certainty::Proven)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0u8..12, 0u8..=BESIDE, 0u8..4, 0i64..30, certainty())
            .prop_map(|(job, lane, resource, age, certainty)| Step::Fails { job, lane, resource, age, certainty }),
        4 => (0u8..3, 0u8..4, 0i64..30, any::<bool>())
            .prop_map(|(lane, resource, age, key_known)| Step::Completes { lane, resource, age, key_known }),
        1 => certainty().prop_map(|certainty| Step::Looks { certainty }),
        2 => Just(Step::Waits),
        1 => (1i64..600).prop_map(|minutes| Step::Acknowledged { minutes }),
        1 => Just(Step::Closed),
        4 => (1i64..200).prop_map(|minutes| Step::Passes { minutes }),
        1 => Just(Step::TopicFails),
    ]
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
}

fn lane(n: u8, key_known: bool) -> Lane {
    let told = (n == BESIDE).then(|| "continuous-backup-interrupted arn".to_owned());
    Lane {
        told,
        account: AccountId::parse("111111111111").unwrap(),
        region: Region::parse("eu-central-1").unwrap(),
        job_type: JobType::Copy,
        vault: Some("local".to_owned()),
        destination_vault: Some("central".to_owned()),
        resource_type: Some("EBS".to_owned()),
        key: key_known.then(|| format!("key-{n}")),
        role: Some("role".to_owned()),
    }
}

fn standing(certainty: Certainty) -> Standing {
    let object = Object::Known { arn: "key".to_owned(), account_id: AccountId::parse("111111111111").unwrap() };
    Standing { cause: Cause::KmsKeyPolicyMissingDestination, object, certainty, severity: Severity::High }
}

fn job(n: u8) -> AlertJob {
    let job = serde_json::json!({"account_id": "111111111111", "region": "eu-central-1", "job_type": "copy", "state": "COMPLETED", "job_id": n.to_string()});
    serde_json::from_value(job).unwrap()
}

/// The machine over maps, as the table keeps it.
#[derive(Default)]
struct Machine {
    incident: Option<Incident>,
    lanes: BTreeMap<u8, LaneState>,
    members: BTreeMap<(u8, u8), Member>,
    jobs: BTreeMap<u8, u32>,
}

impl Machine {
    fn id() -> IncidentId {
        let standing = standing(Certainty::Proven);
        identify(standing.cause, &standing.object)
    }

    fn fails(&mut self, (number, lane_number, resource): (u8, u8, u8), created: i64, certainty: Certainty, moment: &Moment) -> Due {
        let failure = Failure {
            job: JobKey {
                account: AccountId::parse("111111111111").unwrap(),
                region: Region::parse("eu-central-1").unwrap(),
                job_type: JobType::Copy,
                job_id: JobId::from(number.to_string()),
                state: JobState::Failed,
            },
            created_at: at(created),
            lane: lane(lane_number, true),
            resource: resource.to_string(),
            standing: standing(certainty),
            identity: Self::id(),
            provisional: Self::id(),
            expires_at: None,
            diagnosed: true,
        };
        let view = View {
            incident: self.incident.take(),
            lane: self.lanes.get(&lane_number).cloned(),
            member: self.members.get(&(lane_number, resource)).cloned(),
            job_counted: self.jobs.get(&number).copied(),
        };
        let (view, due) = incident::failed(view, &failure, &Self::id(), moment);
        self.incident = view.incident;
        self.lanes.extend(view.lane.map(|state| (lane_number, state)));
        self.members.extend(view.member.map(|state| ((lane_number, resource), state)));
        self.jobs.extend(view.job_counted.map(|opening| (number, opening)));
        due
    }

    fn completes(&mut self, lane_number: u8, resource: u8, created: i64, key_known: bool, moment: &Moment) -> Due {
        // A completed job is looked up by its route: without the key all lanes of it are asked.
        let lanes = self.lanes.keys().copied().filter(|number| *number != BESIDE).collect::<Vec<_>>();
        let mut due = Due::Nothing;
        for number in lanes {
            let success = Success {
                job: job(lane_number),
                created_at: at(created),
                lane: lane(lane_number, key_known),
                resource: resource.to_string(),
            };
            let view = View {
                incident: self.incident.take(),
                lane: self.lanes.get(&number).cloned(),
                member: self.members.get(&(number, resource)).cloned(),
                job_counted: None,
            };
            let (view, now_due) = incident::completed(view, &success, moment);
            self.incident = view.incident;
            self.lanes.extend(view.lane.map(|state| (number, state)));
            self.members.extend(view.member.map(|state| ((number, resource), state)));
            if let Due::Tell(_) = now_due {
                self.told(&now_due, true, moment);
                due = now_due;
            }
        }
        due
    }

    fn closed(&mut self, moment: &Moment) -> Result<(), Refusal> {
        let Some(incident) = self.incident.clone() else { return Err(Refusal::Over) };
        let closing = Closing { owner: "sam".to_owned(), reason: "seen".to_owned(), at: moment.now, opening: 0 };
        let lanes = self.lanes.values().cloned().collect::<Vec<_>>();
        self.incident = Some(incident::closed(incident, &lanes, closing)?);
        Ok(())
    }

    fn told(&mut self, due: &Due, accepted: bool, moment: &Moment) {
        let Due::Tell(kind) = due else { return };
        let incident = self.incident.take().unwrap();
        let standing = incident.standing.clone();
        self.incident = Some(if accepted {
            incident::told(incident, *kind, standing.as_ref(), moment.now)
        } else {
            incident::not_told(incident, moment.lease_until)
        });
    }
}

/// A resource in a lane: its newest failure, and the job that proved it since.
#[derive(Clone, Copy, Debug)]
struct Place {
    failed: i64,
    proved: Option<i64>,
}

/// The same story told by looking at everything.
#[derive(Default)]
struct Model {
    open: bool,
    places: BTreeMap<(u8, u8), Place>,
    lane_proofs: BTreeMap<u8, i64>,
    jobs: BTreeSet<u8>,
    known: Option<Certainty>,
    told: Option<(i64, Option<Certainty>)>,
    partly_told: bool,
    acknowledged_until: i64,
    said_to_be_over: bool,
}

impl Model {
    fn all_recovered(&self) -> bool {
        !self.places.is_empty() && self.places.values().all(|place| place.proved.is_some())
    }

    /// Without a proof, because somebody says so.
    fn is_closed(&self) -> bool {
        self.said_to_be_over && !self.all_recovered()
    }

    fn is_ended(&self) -> bool {
        self.said_to_be_over || self.all_recovered()
    }

    fn closed(&mut self) -> Result<(), &'static str> {
        let provable = self.places.iter().any(|((lane, _), place)| *lane != BESIDE && place.proved.is_none());
        match (self.open && !self.all_recovered(), self.told, provable) {
            (false, _, _) => Err("over"),
            (true, None, _) => Err("untold"),
            (true, Some(_), true) => Err("provable"),
            (true, Some(_), false) => {
                self.said_to_be_over = true;
                Ok(())
            }
        }
    }

    fn recovered(&self) -> usize {
        self.places.values().filter(|place| place.proved.is_some()).count()
    }

    fn say(&mut self, kind: Option<Kind>, now: i64, accepted: bool) -> Option<Kind> {
        let kind = kind?;
        if accepted {
            self.told = Some((now, self.known));
            match kind {
                Kind::Resolved => self.open = false,
                Kind::Recovering => self.partly_told = true,
                _ => {}
            }
        }
        Some(kind)
    }

    /// A first message, news, or a reminder.
    fn due(&self, now: i64) -> Option<Kind> {
        let Some((at, said)) = self.told else { return Some(Kind::Failure) };
        if self.is_ended() {
            return Some(Kind::Resolved);
        }
        if self.known > said {
            return Some(Kind::Upgrade);
        }
        (now - at >= REPEAT && now >= self.acknowledged_until).then_some(Kind::Reminder)
    }

    fn fails(&mut self, (job, lane, resource): (u8, u8, u8), created: i64, certainty: Certainty, now: i64, accepted: bool) -> Option<Kind> {
        let proved_later = self.lane_proofs.get(&lane).is_some_and(|proof| *proof >= created);
        let known_when_closed = self.is_closed() && self.jobs.contains(&job);
        if (!self.open || self.is_closed()) && !known_when_closed && !proved_later {
            *self = Self { open: true, ..Self::default() };
        }
        if self.jobs.insert(job) && !proved_later {
            if self.lane_proofs.remove(&lane).is_some() {
                self.places.retain(|(of, _), _| *of != lane);
            }
            let place = self.places.entry((lane, resource)).or_insert(Place { failed: created, proved: None });
            if place.proved.is_none_or(|proof| proof < created) {
                *place = Place { failed: place.failed.max(created), proved: None };
            }
        }
        if !self.open {
            return None;
        }
        self.known = self.known.max(Some(certainty));
        let due = self.due(now).filter(|kind| *kind != Kind::Resolved);
        self.say(due, now, accepted)
    }

    fn completes(&mut self, lane: u8, resource: u8, created: i64, key_known: bool, now: i64) -> Option<Kind> {
        let mut lanes = self.places.keys().map(|(lane, _)| *lane).chain(self.lane_proofs.keys().copied()).collect::<BTreeSet<_>>();
        lanes.remove(&BESIDE);
        let mut said = None;
        for of in lanes {
            if !self.open {
                break;
            }
            let in_lane = || self.places.iter().filter(move |((each, _), _)| *each == of);
            let newest = in_lane().map(|(_, place)| place.failed).max();
            if key_known && of == lane && newest.is_some_and(|newest| newest < created) {
                for ((each, _), place) in &mut self.places {
                    if *each == of {
                        place.proved = place.proved.or(Some(created));
                    }
                }
                let proof = self.lane_proofs.entry(of).or_insert(created);
                *proof = (*proof).max(created);
            } else if !self.lane_proofs.contains_key(&of)
                && let Some(place) = self.places.get_mut(&(of, resource))
                && place.proved.is_none()
                && place.failed < created
            {
                place.proved = Some(created);
            }
            let partly = self.recovered() > 0 && !self.partly_told && now >= self.acknowledged_until;
            let due = match (self.told, self.is_ended()) {
                (None, _) => None,
                (Some(_), true) => Some(Kind::Resolved),
                (Some(_), false) => partly.then_some(Kind::Recovering),
            };
            said = self.say(due, now, true).or(said);
        }
        said
    }
}

fn kind(due: &Due) -> Option<Kind> {
    match due {
        Due::Tell(kind) => Some(*kind),
        Due::Nothing | Due::Held | Due::Deferred => None,
    }
}

proptest! {
    #[test]
    fn the_machine_says_what_a_model_says_that_looks_at_everything(
        steps in prop::collection::vec(step(), 1..60), nothing_is_of_a_job in any::<bool>(),
    ) {
        let mut machine = Machine::default();
        let mut model = Model::default();
        let (mut now, mut topic_fails) = (0i64, false);
        for step in steps {
            let moment = Moment { now: at(now), lease_until: at(now + 1), repeat_after: SignedDuration::from_mins(REPEAT) };
            let accepted = !topic_fails;
            let (machine_said, model_said) = match step {
                Step::Fails { job, lane, resource, age, certainty } => {
                    let lane = if nothing_is_of_a_job { BESIDE } else { lane };
                    let due = machine.fails((job, lane, resource), now - age, certainty, &moment);
                    machine.told(&due, accepted, &moment);
                    topic_fails &= kind(&due).is_none();
                    (kind(&due), model.fails((job, lane, resource), now - age, certainty, now, accepted))
                }
                Step::Completes { lane, resource, age, key_known } => {
                    let due = machine.completes(lane, resource, now - age, key_known, &moment);
                    (kind(&due), model.completes(lane, resource, now - age, key_known, now))
                }
                Step::Looks { certainty } => {
                    let Some(incident) = machine.incident.take() else { continue };
                    let (incident, due) = incident::looked(incident, &standing(certainty), at(now), &moment);
                    machine.incident = Some(incident);
                    machine.told(&due, true, &moment);
                    let said = if model.open {
                        model.known = model.known.max(Some(certainty));
                        let due = model.due(now).filter(|kind| *kind == Kind::Upgrade);
                        model.say(due, now, true)
                    } else {
                        None
                    };
                    (kind(&due), said)
                }
                Step::Waits => {
                    let Some(incident) = machine.incident.take() else { continue };
                    let (incident, due) = incident::waited(incident, &moment);
                    machine.incident = Some(incident);
                    machine.told(&due, true, &moment);
                    let due_of_model = model.due(now).filter(|_| model.open && model.told.is_some());
                    (kind(&due), model.say(due_of_model, now, true))
                }
                Step::Acknowledged { minutes } => {
                    let Some(incident) = machine.incident.take() else { continue };
                    let acknowledgement = Acknowledgement { owner: "sam".to_owned(), reason: "r".to_owned(), until: at(now + minutes) };
                    machine.incident = Some(incident::acknowledged(incident, acknowledgement));
                    if model.open {
                        model.acknowledged_until = now + minutes;
                    }
                    (None, None)
                }
                Step::Closed => {
                    let said = machine.closed(&moment).map_err(|refusal| match refusal {
                        Refusal::Over => "over",
                        Refusal::Untold => "untold",
                        Refusal::Provable(lane) => {
                            assert!(lane.can_be_proved());
                            "provable"
                        }
                    });
                    prop_assert_eq!(said, model.closed());
                    (None, None)
                }
                Step::Passes { minutes } => {
                    now += minutes;
                    (None, None)
                }
                Step::TopicFails => {
                    topic_fails = true;
                    (None, None)
                }
            };
            prop_assert_eq!(machine_said, model_said);
            if let Some(incident) = &machine.incident {
                prop_assert_eq!(incident.is_open(), model.open);
                prop_assert_eq!(incident.closing().is_some(), model.is_closed());
                prop_assert_eq!(incident.jobs_total, model.jobs.len() as u64);
                prop_assert_eq!(incident.members_total, model.places.len() as u64);
                prop_assert_eq!(incident.members_recovered, model.recovered() as u64);
            }
        }
    }
}

fn moment(minutes: i64) -> Moment {
    Moment { now: at(minutes), lease_until: at(minutes + 1), repeat_after: SignedDuration::from_mins(REPEAT) }
}

#[test]
fn a_failure_while_the_end_is_being_told_comes_again_and_opens_the_incident_anew() {
    for closed in [false, true] {
        let mut machine = Machine::default();
        let lane = if closed { BESIDE } else { 0 };
        let first = machine.fails((1, lane, 1), 0, Certainty::Proven, &moment(1));
        machine.told(&first, true, &moment(1));
        let now = moment(10);
        if closed {
            machine.closed(&now).unwrap();
            let (incident, due) = incident::waited(machine.incident.take().unwrap(), &now);
            assert_eq!(due, Due::Tell(Kind::Resolved));
            machine.incident = Some(incident);
        } else {
            let success = Success { job: job(2), created_at: at(5), lane: self::lane(lane, true), resource: "1".to_owned() };
            let view = View { incident: machine.incident.take(), lane: machine.lanes.get(&lane).cloned(), ..View::default() };
            let (view, due) = incident::completed(view, &success, &now);
            assert_eq!(due, Due::Tell(Kind::Resolved));
            machine.lanes.extend(view.lane.map(|state| (lane, state)));
            machine.incident = view.incident;
        }
        let before = machine.incident.clone();
        assert_eq!(machine.fails((3, lane, 1), 9, Certainty::Proven, &now), Due::Held);
        assert_eq!(machine.incident, before, "the job is not counted yet");
        machine.told(&Due::Tell(Kind::Resolved), true, &now);
        assert_eq!(machine.fails((3, lane, 1), 9, Certainty::Proven, &moment(12)), Due::Tell(Kind::Failure));
        let incident = machine.incident.unwrap();
        assert_eq!((incident.opening, incident.jobs_total, incident.closing()), (2, 1, None));
        assert_eq!(incident.closed.is_some(), closed, "who closed it once can be read");
    }
}

#[test]
fn what_older_releases_kept_is_read_and_they_read_what_is_kept_now() {
    let mut machine = Machine::default();
    let due = machine.fails((1, BESIDE, 1), 0, Certainty::Proven, &moment(1));
    machine.told(&due, true, &moment(1));
    machine.closed(&moment(2)).unwrap();
    let mut kept = serde_json::to_value(machine.incident.unwrap()).unwrap();
    assert_eq!((kept["closed"]["owner"].as_str(), kept["closed"]["opening"].as_u64()), (Some("sam"), Some(1)));
    // A member that a release does not know is no reason for it to read nothing.
    kept["of_a_later_release"] = serde_json::json!({"a": 1});
    let mut older = kept.clone();
    older.as_object_mut().unwrap().remove("closed");
    for (value, closed) in [(kept, true), (older, false)] {
        assert_eq!(serde_json::from_value::<Incident>(value).unwrap().closing().is_some(), closed);
    }
}
