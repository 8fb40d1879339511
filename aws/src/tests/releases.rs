//! Two releases at one table, as while a new one is rolled out or taken back.
//!
//! `First` is the first release: its item forms, conditions and answers, kept here as it wrote and read them (a head that counts and is
//! announced by conditional updates, one item per job; no lanes, names, digests or ends). It fails where an attribute that it reads has
//! another type than it wrote. What is proven: jobs that either release handles, in any order and at once, some of them again and again, are
//! all members of their incident and counted once; each incident is told once per opening whoever sees the failure, and its end once; a
//! failure after the end is told by either release; a message that waits for a digest is not told twice. What is not: claims, whose items
//! have the same code in both releases, stand for themselves here; and an incident that the first release opened again counts its jobs on, and
//! is listed as open only after the next message of this release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guardian_core::diagnosis::Certainty;
use guardian_core::event::JobKey;
use guardian_core::incident::{Due, Failure, IncidentId, Moment, Object, Standing, identify};
use guardian_core::ports::{IncidentKeeper, Incidents, Recoveries};
use guardian_core::report::Kind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::incidents::{alert, failure, lane, standing, success};
use super::table::{Items, table};
use crate::WorkTable;
use crate::canned::account;

const INCIDENTS: u32 = 8;
const JOBS: u32 = 6;

/// What the first release does about a job that joined.
#[derive(Debug, PartialEq, Eq)]
enum Joined {
    Tell,
    Silent,
    Held,
}

/// The first release.
#[derive(Clone)]
struct First(Items);

fn millis(at: Timestamp) -> Value {
    json!({"N": at.as_millisecond().to_string()})
}

fn read(head: &Value, name: &str) -> Option<i64> {
    head.get(name).map(|value| value["N"].as_str().unwrap_or_else(|| panic!("{name}: {value}")).parse().unwrap())
}

impl First {
    fn key(id: &IncidentId) -> (String, String) {
        (format!("incident#{id}"), "head".to_owned())
    }

    fn join(&self, id: &IncidentId, job: &JobKey, moment: &Moment) -> Joined {
        let mut items = self.0.lock().unwrap();
        let (pk, sk) = Self::key(id);
        let member = format!("job#{}#{}#{}#{}", job.account, job.region, job.job_type.as_str(), job.job_id.as_str());
        let mut head = items.get(&(pk.clone(), sk.clone())).cloned().unwrap_or_else(|| json!({"pk": {"S": pk}, "sk": {"S": sk}}));
        if !items.contains_key(&(pk.clone(), member.clone())) {
            let item = json!({
                "pk": {"S": pk}, "sk": {"S": member}, "v": {"N": "1"}, "state": {"S": job.state.as_str()}, "at": millis(moment.now),
            });
            items.insert((pk.clone(), member), item);
            if read(&head, "opened_at").is_none() {
                head["opened_at"] = millis(moment.now);
            }
            head["v"] = json!({"N": "1"});
            head["jobs_total"] = json!({"N": (read(&head, "jobs_total").unwrap_or(0) + 1).to_string()});
        }
        let due = (moment.now - moment.repeat_after).as_millisecond();
        let announced = read(&head, "announced_at");
        let free = read(&head, "announcing_until").is_none_or(|until| until <= moment.now.as_millisecond());
        let joined = match (announced.is_none_or(|at| at <= due), free) {
            (true, true) => {
                head["announcing_until"] = millis(moment.lease_until);
                Joined::Tell
            }
            (true, false) => Joined::Held,
            (false, _) => Joined::Silent,
        };
        items.insert((pk, sk), head);
        joined
    }

    fn announced(&self, id: &IncidentId, now: Timestamp) {
        let mut items = self.0.lock().unwrap();
        let head = items.get_mut(&Self::key(id)).unwrap();
        head["announced_at"] = millis(now);
        head.as_object_mut().unwrap().remove("announcing_until");
    }
}

/// What was told: incident, kind, by how many.
type Told = Arc<Mutex<Vec<(IncidentId, String)>>>;

#[derive(Clone)]
struct Rollout {
    items: Items,
    began: Instant,
    told: Told,
    done: Arc<Mutex<BTreeSet<JobKey>>>,
}

/// A failure of one of many incidents: each has a key of its own.
fn of(incident: u32, job: u32) -> Failure {
    let arn = format!("arn:aws:kms:eu-central-1:111111111111:key/{incident}");
    let object = Object::Known { arn: arn.clone(), account_id: account("111111111111") };
    let standing = Standing { object, ..standing(Certainty::Supported) };
    let mut lane = lane(Some(&arn));
    lane.vault = Some(format!("arn:aws:backup:eu-central-1:111111111111:backup-vault:local-{incident}"));
    let provisional = IncidentId::from_kept(format!("bg-provisional-{incident}"));
    Failure { identity: identify(standing.cause, &standing.object), provisional, standing, lane, ..failure(incident * 1000 + job) }
}

impl Rollout {
    fn now(&self) -> Timestamp {
        "2026-11-02T05:37:40Z".parse::<Timestamp>().unwrap() + SignedDuration::try_from(self.began.elapsed()).unwrap()
    }

    fn moment(&self) -> Moment {
        let now = self.now();
        Moment { now, lease_until: now + SignedDuration::from_secs(65), repeat_after: SignedDuration::from_hours(4) }
    }

    fn say(&self, id: &IncidentId, kind: &str) {
        self.told.lock().unwrap().push((id.clone(), kind.to_owned()));
    }

    /// One delivery, by one of the two releases, until it is done.
    async fn deliver(self, failure: Failure, first: bool, mut pause: u64) {
        let work = WorkTable::new(&table(&self.items).config(), "guardian");
        let old = First(Arc::clone(&self.items));
        let id = failure.identity.clone();
        loop {
            pause = (pause * 7919 + 13) % 1_000;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if self.done.lock().unwrap().contains(&failure.job) {
                return;
            }
            let moment = self.moment();
            let held = if first {
                let joined = old.join(&id, &failure.job, &moment);
                if joined == Joined::Tell {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    self.say(&id, "failure");
                    old.announced(&id, self.now());
                }
                joined == Joined::Held
            } else {
                let happened = work.join(&failure, &moment).await.unwrap();
                assert_eq!(happened.incident.id, id);
                match happened.due {
                    Due::Tell(kind) if pause < 300 && kind == Kind::Failure => {
                        // Too much goes out: it waits for the digest.
                        work.defer(&id, &alert(&id, kind), moment.lease_until).await.unwrap();
                        false
                    }
                    Due::Tell(kind) => {
                        tokio::time::sleep(Duration::from_millis(pause)).await;
                        self.say(&id, kind.as_str());
                        work.told(&id, &alert(&id, kind), Some(&failure.standing), self.now()).await.unwrap();
                        false
                    }
                    Due::Held => true,
                    Due::Nothing | Due::Deferred => false,
                }
            };
            if !held {
                self.done.lock().unwrap().insert(failure.job.clone());
                return;
            }
        }
    }

    /// Tells what waits, as `follow-up` does.
    async fn digest(&self) {
        let work = WorkTable::new(&table(&self.items).config(), "guardian");
        let moment = self.moment();
        for id in work.deferred().await.unwrap() {
            if let Some(incident) = work.take(&id, &moment).await.unwrap() {
                self.say(&id, "failure");
                work.told(&id, &alert(&id, Kind::Failure), incident.standing.as_ref(), moment.now).await.unwrap();
            }
        }
        assert_eq!(work.deferred().await.unwrap(), [], "what was told still waits");
    }

    /// Every job of a round up to three times, by whoever is there.
    async fn round(&self, first_job: u32, seed: u64) {
        let mut tasks = Vec::new();
        for n in 0..INCIDENTS * JOBS * 3 {
            let (incident, job) = (n % INCIDENTS, n / INCIDENTS % JOBS);
            let drawn = (u64::from(n) + 1).wrapping_mul(seed.wrapping_mul(2_654_435_761).wrapping_add(97)) >> 7;
            let mut failure = of(incident, first_job + job);
            failure.created_at += SignedDuration::from_mins(i64::from(first_job));
            tasks.push(tokio::spawn(self.clone().deliver(failure, drawn % 2 == 0, drawn % 997)));
        }
        for task in tasks {
            task.await.unwrap();
        }
        self.digest().await;
    }

    fn count(&self) -> BTreeMap<(IncidentId, String), usize> {
        let mut counts = BTreeMap::new();
        for said in std::mem::take(&mut *self.told.lock().unwrap()) {
            *counts.entry(said).or_insert(0) += 1;
        }
        counts
    }
}

/// How many incidents ended in between.
async fn rolled_out(seed: u64) -> usize {
    let rollout = Rollout { items: Items::default(), began: Instant::now(), told: Told::default(), done: Arc::default() };
    let work = WorkTable::new(&table(&rollout.items).config(), "guardian");
    let ids = (0..INCIDENTS).map(|n| of(n, 0).identity).collect::<Vec<_>>();
    let each = |kind: &str| ids.iter().map(|id| ((id.clone(), kind.to_owned()), 1)).collect::<BTreeMap<_, _>>();

    rollout.round(0, seed).await;
    assert_eq!(rollout.count(), each("failure"), "seed {seed}: lost or repeated");
    for id in &ids {
        assert_eq!(work.jobs(id).await.unwrap().len(), JOBS as usize);
        let incident = work.incident(id).await.unwrap().unwrap();
        assert_eq!((incident.jobs_total, incident.is_open()), (u64::from(JOBS), true), "seed {seed}");
    }

    // A look for late evidence, and one of the time: surer is told, nothing else is due.
    for (n, id) in (0..).zip(&ids) {
        let surer = Standing { certainty: Certainty::Proven, ..of(n, 0).standing };
        // Nothing is known of what the first release said, so that nothing is news to its readers.
        let looked = work.look(id, &surer, rollout.now(), &rollout.moment()).await.unwrap().unwrap();
        if let Due::Tell(kind) = looked.due {
            rollout.say(id, kind.as_str());
            work.told(id, &alert(id, kind), Some(&surer), rollout.now()).await.unwrap();
        }
        assert_eq!(work.wait(id, &rollout.moment()).await.unwrap().unwrap().due, Due::Nothing, "seed {seed}");
    }
    assert!(rollout.count().iter().all(|((_, kind), count)| kind == "upgrade" && *count == 1));

    // Proof. Failures that only the first release saw have no lane yet; the next run of the same resources gives them one.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut ended = BTreeSet::new();
    for (n, id) in (0..).zip(&ids) {
        for job in 0..JOBS {
            let failure = of(n, job);
            let mut proof = success(0, failure.lane.clone());
            proof.resource = failure.resource;
            for (found, lane) in work.lanes(&proof.lane).await.unwrap() {
                assert_eq!(found, *id);
                let happened = work.complete(id, &lane, &proof, &rollout.moment()).await.unwrap().unwrap();
                if happened.due == Due::Tell(Kind::Resolved) {
                    ended.insert(id.clone());
                    rollout.say(id, "resolved");
                    work.told(id, &alert(id, Kind::Resolved), None, rollout.now()).await.unwrap();
                }
            }
        }
    }
    let resolved = rollout.count();
    assert!(resolved.values().all(|count| *count == 1) && resolved.len() == ended.len(), "seed {seed}: {resolved:?}");

    // It breaks again, and either release may be the one that sees it: what is over is told again, what is open is not.
    rollout.round(200, seed + 1).await;
    let again = rollout.count();
    let wanted = ended.iter().map(|id| ((id.clone(), "failure".to_owned()), 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(again, wanted, "seed {seed}: lost or repeated after the end");
    for id in &ids {
        assert_eq!(work.jobs(id).await.unwrap().len(), 2 * JOBS as usize, "seed {seed}");
    }
    ended.len()
}

#[tokio::test(start_paused = true)]
async fn while_two_releases_share_the_table_nothing_is_lost_or_told_twice() {
    let seeds = if std::env::var_os("GUARDIAN_SOAK").is_some() { 100 } else { 4 };
    let mut ended = 0;
    for seed in 1..=seeds {
        ended += rolled_out(seed).await;
    }
    assert!(ended > 0, "none ended, so that this shows nothing of ends");
}

#[test]
fn what_this_release_writes_has_what_the_first_one_reads() {
    // The attributes that the first release reads or updates, and their types; it ignores all others.
    let typed = [("pk", "S"), ("sk", "S"), ("v", "N"), ("opened_at", "N"), ("jobs_total", "N")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let items = Items::default();
    runtime.block_on(async {
        let work = WorkTable::new(&table(&items).config(), "guardian");
        let now: Timestamp = "2026-11-02T05:37:40Z".parse().unwrap();
        let moment = Moment { now, lease_until: now + SignedDuration::from_secs(65), repeat_after: SignedDuration::from_hours(4) };
        let id = work.join(&of(0, 0), &moment).await.unwrap().incident.id;
        let head = || items.lock().unwrap()[&First::key(&id)].clone();
        for (name, kind) in typed {
            assert!(head()[name][kind].is_string(), "{name}: {}", head());
        }
        assert_eq!(read(&head(), "announcing_until"), Some(moment.lease_until.as_millisecond()));
        assert_eq!(read(&head(), "announced_at"), None);
        work.told(&id, &alert(&id, Kind::Failure), None, now).await.unwrap();
        assert_eq!((read(&head(), "announcing_until"), read(&head(), "announced_at")), (None, Some(now.as_millisecond())));
        work.told(&id, &alert(&id, Kind::Resolved), None, now).await.unwrap();
        assert_eq!(read(&head(), "announced_at"), None, "an incident that is over looks told, and the first release would be silent");
        let jobs = items
            .lock()
            .unwrap()
            .values()
            .filter(|item| item["sk"]["S"].as_str().unwrap().starts_with("job#"))
            .cloned()
            .collect::<Vec<_>>();
        assert!(jobs.len() == 1 && jobs[0]["state"]["S"] == "FAILED" && jobs[0]["at"]["N"].is_string(), "{jobs:?}");
    });
}
