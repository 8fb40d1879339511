//! Every function killed before and after every call that changes something, in a storm of events that come up to five times, out of order
//! and many at once: nothing is lost, and a kill repeats at most one message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diagnose_job::messenger::Messenger;
use guardian_core::arn::{AccountId, Region};
use guardian_core::event::{Job, JobType};
use guardian_core::evidence::{BackupPlan, Gap, Selection};
use guardian_core::ports::{JobLists, JobPage, PlanLists, PlanReader, Slice, Whose};
use guardian_tests::World;
use guardian_tests::fate::{Call, Chance, Trouble};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::estate::{ROUTES, Route, job_of, other, tally};
use crate::queues::{Deployed, Queue, To};
use crate::setting::{ports, scope, world};

const EVENTS: usize = 2_000;
const REPEAT: Duration = Duration::from_secs(4 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
/// The storm and two reminders.
const LASTS: Duration = Duration::from_secs(9 * 3600);
const PAGE: usize = 200;

const fn deployed(function: &'static str, instances: usize, batch: usize, timeout: u64, visibility: u64, receives: u32) -> Deployed {
    let (timeout, visibility) = (Duration::from_secs(timeout), Duration::from_secs(visibility));
    Deployed { function, instances, batch, timeout, visibility, receives }
}

/// As in template.yaml.
const DIAGNOSE: Deployed = deployed("diagnose-job", 5, 5, 60, 360, 60);
const COLLECT: Deployed = deployed("collect-denials", 2, 10, 30, 180, 120);
const RECORD: Deployed = deployed("record-success", 2, 10, 30, 180, 120);
const FOLLOW_UP: Deployed = deployed("follow-up", 2, 1, 60, 360, 60);
const RECONCILE: Deployed = deployed("reconcile-jobs", 2, 1, 300, 1800, 12);

/// Every call that changes something, and whose it is.
const POINTS: [(&str, &str); 27] = [
    ("diagnose-job", "claim"),
    ("diagnose-job", "join"),
    ("diagnose-job", "permit"),
    ("diagnose-job", "defer"),
    ("diagnose-job", "send"),
    ("diagnose-job", "put"),
    ("diagnose-job", "told"),
    ("diagnose-job", "done"),
    ("diagnose-job", "release"),
    ("collect-denials", "keep"),
    ("record-success", "keep_good"),
    ("record-success", "complete"),
    ("record-success", "permit"),
    ("record-success", "send"),
    ("record-success", "told"),
    ("follow-up", "take"),
    ("follow-up", "report"),
    ("follow-up", "look"),
    ("follow-up", "wait"),
    ("follow-up", "permit"),
    ("follow-up", "send"),
    ("follow-up", "put"),
    ("follow-up", "told"),
    ("follow-up", "followed_up"),
    ("reconcile-jobs", "hand over"),
    ("reconcile-jobs", "go on"),
    ("reconcile-jobs", "beat"),
];

/// The lists of AWS Backup.
struct Lists(Arc<Vec<Job>>);

impl JobLists for Lists {
    fn organization_account(&self) -> Option<AccountId> {
        AccountId::parse("333333333333").ok()
    }

    async fn accounts(&self) -> Result<Vec<AccountId>, Gap> {
        Ok(Vec::new())
    }

    async fn jobs(&self, whose: &Whose, _: &Region, kind: JobType, slice: Slice, token: Option<String>) -> Result<Option<JobPage>, Gap> {
        // So slow that one invocation does not get to the end.
        tokio::time::sleep(Duration::from_secs(40)).await;
        if *whose != Whose::Organization || !matches!(slice, Slice::CreatedSince(_)) {
            return Ok(None);
        }
        let all = self.0.iter().filter(|job| job.job_type == kind).cloned().collect::<Vec<_>>();
        let from = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let next = (from + PAGE < all.len()).then(|| (from + PAGE).to_string());
        Ok(Some(JobPage { jobs: all.into_iter().skip(from).take(PAGE).collect(), next }))
    }
}

impl PlanReader for Lists {
    async fn plan(&self, _: &AccountId, _: &Region, _: &str) -> Result<Option<BackupPlan>, Gap> {
        Ok(None)
    }
}

/// Nobody has a plan.
impl PlanLists for Lists {
    async fn plan_ids(&self, _: &AccountId, _: &Region) -> Result<Vec<String>, Gap> {
        Ok(Vec::new())
    }

    async fn plan_changed_at(&self, _: &AccountId, _: &Region, _: &str) -> Result<Option<Timestamp>, Gap> {
        Ok(None)
    }

    async fn selections(&self, _: &AccountId, _: &Region, _: &str) -> Result<Option<Vec<Selection>>, Gap> {
        Ok(None)
    }
}

/// A job as incidents keep it, whatever state it is told in.
fn kept_as(event: &Value) -> String {
    let key = job_of(event).key();
    format!("{}/{}/{}/{}", key.account, key.region, key.job_type.as_str(), key.job_id.as_str())
}

/// How often each function was killed before or after each call.
type Counts = BTreeMap<(&'static str, String, Trouble), usize>;

/// Kills each function at most so often before and after each call; and how many of these kills came after a message.
#[derive(Clone, Default)]
struct Kills(Arc<Mutex<Counts>>, Arc<Mutex<usize>>);

impl Kills {
    fn plan(&self, seed: u64, quota: usize) -> impl FnMut(&Call<'_>) -> Option<Trouble> + Send + use<> {
        let mut chance = Chance::new(seed);
        let kills = self.clone();
        move |call| {
            if !call.changes {
                return None;
            }
            let trouble = chance.of(&[Trouble::KilledBefore, Trouble::KilledAfter]);
            let mut counts = kills.0.lock().unwrap();
            let count = counts.entry((call.function, call.operation.to_owned(), trouble)).or_default();
            // Where a call is rare, one of the first is the one.
            if *count >= quota || chance.below(if *count == 0 { 2 } else { 8 }) > 0 {
                return None;
            }
            *count += 1;
            // Only a message that went out, or goes out by this call, and is not recorded can come again.
            let goes_out = call.operation == "send" && trouble == Trouble::KilledAfter;
            *kills.1.lock().unwrap() += usize::from(call.has_sent || goes_out);
            Some(trouble)
        }
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }

    fn after_a_message(&self) -> usize {
        *self.1.lock().unwrap()
    }

    /// The calls at which nobody was killed.
    fn missed(&self) -> Vec<String> {
        let counts = self.0.lock().unwrap();
        let sides = [Trouble::KilledBefore, Trouble::KilledAfter];
        let all = POINTS.iter().flat_map(|(function, call)| sides.map(|side| (*function, (*call).to_owned(), side)));
        all.filter(|point| !counts.contains_key(point)).map(|point| format!("{point:?}")).collect()
    }
}

/// The guardian: every function behind its queue.
struct Guardian {
    world: World,
    problems: Queue,
    denials: Queue,
    completed: Queue,
    follow_ups: Queue,
    reconcile: Queue,
}

impl Guardian {
    fn start(world: &World, jobs: Vec<Job>, end: Instant) -> Self {
        let guardian = Self {
            world: world.clone(),
            problems: Queue::new(DIAGNOSE),
            denials: Queue::new(COLLECT),
            completed: Queue::new(RECORD),
            follow_ups: Queue::new(FOLLOW_UP),
            reconcile: Queue::new(RECONCILE),
        };
        guardian.problems.serve(world, end, |world| {
            let handler = Arc::new(diagnose_job::Handler::new(ports(&world), scope(), REPEAT));
            Box::new(move |payload, deadline| Box::pin(answer(Arc::clone(&handler).handle(payload, deadline))))
        });
        guardian.denials.serve(world, end, |world| {
            let handler = Arc::new(collect_denials::Handler { now: world.clock(), metrics: world.metrics(), store: world });
            Box::new(move |payload, deadline| Box::pin(answer(Arc::clone(&handler).handle(payload, deadline))))
        });
        guardian.completed.serve(world, end, |world| {
            let outside = (world.clone(), world.clone(), world.clone());
            let messenger = Messenger::new(record_success::FUNCTION, outside, world.clock(), world.metrics(), REPEAT);
            let repeat_after = SignedDuration::try_from(REPEAT).unwrap();
            let handler = Arc::new(record_success::Handler { readers: world, messenger, repeat_after });
            Box::new(move |payload, deadline| Box::pin(answer(Arc::clone(&handler).handle(payload, deadline))))
        });
        guardian.follow_ups.serve(world, end, |world| {
            let handler = Arc::new(follow_up::Handler::new(ports(&world), world.clone(), scope(), REPEAT));
            Box::new(move |payload, deadline| Box::pin(answer(Arc::clone(&handler).handle(payload, deadline))))
        });
        let (problems, own, jobs) = (guardian.problems.clone(), guardian.reconcile.clone(), Arc::new(jobs));
        guardian.reconcile.serve(world, end, move |world| {
            let to = |queue: &Queue, name| To { queue: queue.clone(), world: world.clone(), name };
            let ports = reconcile_jobs::Ports {
                lists: Lists(Arc::clone(&jobs)),
                problems: to(&problems, "hand over"),
                own: to(&own, "go on"),
                operations: world.clone(),
                now: world.clock(),
                metrics: world.metrics(),
                table: world.clone(),
            };
            let scope = reconcile_jobs::config::Scope {
                regions: vec![Region::parse("eu-central-1").unwrap()],
                known_accounts: Vec::new(),
                look_back: Duration::from_secs(26 * 3600),
                stuck_after: Duration::from_secs(2 * 3600),
                running_after: Duration::from_secs(24 * 3600),
            };
            let handler = Arc::new(reconcile_jobs::Handler::new(ports, scope));
            Box::new(move |payload, deadline| Box::pin(answer(Arc::clone(&handler).handle(payload, deadline))))
        });
        guardian
    }

    fn queues(&self) -> [&Queue; 5] {
        [&self.problems, &self.denials, &self.completed, &self.follow_ups, &self.reconcile]
    }

    /// Brings what was put off when it is due, up to five times, until the end.
    async fn bring_what_was_put_off(&self, end: Instant, mut chance: Chance) {
        while Instant::now() < end {
            let now = self.world.now();
            let mut due = Vec::new();
            self.world.set(|state| {
                let (come, to_come) = std::mem::take(&mut state.to_come).into_iter().partition(|(at, _)| *at <= now);
                (due, state.to_come) = (come, to_come);
            });
            for (_, body) in due {
                // What only waits on has nothing to mark: copies of it would be copied again at each of sixteen hops, as no queue does.
                let waits_on = serde_json::from_str::<Value>(&body).unwrap()["left"].as_u64().is_some_and(|left| left > 0);
                if waits_on && chance.below(50) > 0 {
                    self.follow_ups.put(body, Duration::ZERO);
                } else {
                    deliver(&self.follow_ups, &body, Duration::ZERO, Duration::from_secs(5), &mut chance);
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn answer<E>(work: impl Future<Output = Result<Value, E>>) -> Option<Value> {
    work.await.ok()
}

/// One to five copies of a message, each at its own time.
fn deliver(queue: &Queue, body: &str, from: Duration, within: Duration, chance: &mut Chance) {
    for _ in 0..=chance.below(5) {
        let later = Duration::from_millis(chance.below(u64::try_from(within.as_millis()).unwrap()));
        queue.put(body.to_owned(), from + later);
    }
}

/// What happens in the organization.
struct Story {
    problems: Vec<Value>,
    denials: Vec<Value>,
    completed: Vec<Value>,
    mended: Vec<usize>,
    routes: Vec<Route>,
}

fn story(world: &World, chance: &mut Chance) -> Story {
    let routes = (0..ROUTES).map(|number| Route::new(world, number)).collect::<Vec<_>>();
    let mut denials = routes.iter().filter(|route| route.is_known()).map(Route::denial).collect::<Vec<_>>();
    let mended = (0..ROUTES).filter(|number| number % 5 > 1).collect::<Vec<_>>();
    let mut completed = Vec::new();
    for (number, route) in routes.iter().enumerate() {
        match number % 5 {
            // Of a route whose key nobody can read, one resource of three works again.
            1 if !route.is_known() => completed.push(route.part(500_000 + number)),
            2.. => completed.extend(route.proofs(600_000 + number * 10)),
            _ => {}
        }
    }
    let left = EVENTS - denials.len() - completed.len();
    let mut problems = (0..left * 3 / 4).map(|n| routes[n % ROUTES].failure(n)).collect::<Vec<_>>();
    problems.extend((0..left - problems.len()).map(|n| other(n, 900_000 + n)));
    assert_eq!(problems.len() + denials.len() + completed.len(), EVENTS);
    for events in [&mut problems, &mut denials, &mut completed] {
        chance.shuffle(events);
    }
    Story { problems, denials, completed, mended, routes }
}

/// Whether AWS Backup lists the job of an event; what could not be read has none there.
fn is_listed(job: &Job) -> bool {
    job.job_id.is_some()
}

async fn storm(seed: u64, kills: Option<(&Kills, usize)>) -> (World, Guardian, Story) {
    let world = world();
    world.set(|state| state.running_since = Some(Instant::now()));
    match kills {
        Some((kills, quota)) => world.destine(seed, kills.plan(seed, quota)),
        None => world.destine(seed, |_| None),
    }
    let mut chance = Chance::new(seed);
    let story = story(&world, &mut chance);
    let jobs = story.problems.iter().map(job_of).filter(is_listed).collect();
    let end = Instant::now() + LASTS;
    let guardian = Guardian::start(&world, jobs, end);
    for event in &story.problems {
        // One of ten is lost on its way, where the lists have it.
        if chance.below(10) > 0 || !is_listed(&job_of(event)) {
            deliver(&guardian.problems, &event.to_string(), Duration::ZERO, 15 * MINUTE, &mut chance);
        }
    }
    for event in &story.denials {
        deliver(&guardian.denials, &event.to_string(), Duration::ZERO, 15 * MINUTE, &mut chance);
    }
    for event in &story.completed {
        deliver(&guardian.completed, &event.to_string(), 150 * MINUTE, 15 * MINUTE, &mut chance);
    }
    let schedule = json!({"source": "aws.events", "detail-type": "Scheduled Event"}).to_string();
    for hour in 0..3 {
        deliver(&guardian.reconcile, &schedule, 20 * MINUTE + hour * 60 * MINUTE, MINUTE, &mut chance);
    }
    guardian.bring_what_was_put_off(end, chance).await;
    (world, guardian, story)
}

/// The incidents that a message tells of, and what it says of them.
fn says(alert: &Value) -> (Vec<String>, String) {
    let id = |value: &Value| value["incident_id"].as_str().unwrap().to_owned();
    match alert["kind"].as_str().unwrap() {
        "storm" => (alert["incidents"].as_array().unwrap().iter().map(id).collect(), "failure".to_owned()),
        "upgrade" => (vec![id(alert)], format!("upgrade {} {}", alert["cause"], alert["certainty"])),
        kind => (vec![id(alert)], kind.to_owned()),
    }
}

/// Messages that say what was said. Every incident of the storm opens once; a reminder may come four hours after the last message.
fn repeated(world: &World) -> Vec<String> {
    let mut said = BTreeSet::new();
    let mut last = BTreeMap::<String, Timestamp>::new();
    let mut found = Vec::new();
    let at = world.get(|state| state.sent_at.clone());
    for (alert, at) in world.alerts().iter().zip(at) {
        let (ids, what) = says(alert);
        let mut again = false;
        for id in ids {
            let soon = last.get(&id).is_some_and(|last| at.duration_since(*last) < SignedDuration::try_from(REPEAT).unwrap());
            again |= if what == "reminder" { soon } else { !said.insert((id.clone(), what.clone())) };
            last.insert(id, at);
        }
        if again {
            found.push(format!("{} {what} {}", alert["kind"], alert["incident_id"]));
        }
    }
    found
}

/// Nothing is lost, and every incident is what it should be.
fn whole(world: &World, guardian: &Guardian, story: &Story) {
    for queue in guardian.queues() {
        let name = queue.deployed.function;
        assert_eq!(queue.dead(), [""; 0], "{name}: set aside");
        assert_eq!(queue.ended().2, 0, "{name}: ran out of time");
    }
    assert_eq!(guardian.problems.waiting() + guardian.denials.waiting() + guardian.completed.waiting(), 0);
    let mut told = BTreeMap::<String, BTreeSet<String>>::new();
    for alert in world.alerts() {
        let (ids, what) = says(&alert);
        ids.into_iter().for_each(|id| _ = told.entry(id).or_default().insert(what.clone()));
    }
    let incidents = world.incidents().into_iter().map(|incident| (incident.id.to_string(), incident)).collect::<BTreeMap<_, _>>();
    for (id, incident) in &incidents {
        assert!(told.get(id).is_some_and(|said| said.contains("failure")), "{id} was not told: {incident:?}");
        assert_eq!(incident.opening, 1, "{incident:?}");
        assert_eq!(incident.is_open(), !told[id].contains("resolved"), "{id}: {:?} {incident:?}", told[id]);
    }
    let mut counted = BTreeMap::<String, BTreeSet<String>>::new();
    for (job, id) in world.counted() {
        counted.entry(job).or_default().insert(id.to_string());
    }
    for event in &story.problems {
        let job = kept_as(event);
        assert!(counted.get(&job).is_some_and(|ids| ids.iter().all(|id| incidents.contains_key(id))), "{job} is lost");
    }
    assert_eq!(counted.len(), story.problems.len(), "a job that nobody had");
    let jobs = incidents.values().map(|incident| incident.jobs_total).sum::<u64>();
    assert_eq!(jobs as usize, world.counted().len(), "a job was counted twice");
    assert_eq!(world.get(|state| state.kept.len()), story.denials.len(), "a denial was lost");
    // Which routes work again.
    let open = |number: usize| {
        let job = kept_as(&story.routes[number].failure(number));
        counted[&job].iter().filter(|id| incidents[*id].is_open()).count()
    };
    for number in 0..ROUTES {
        assert_eq!(open(number) == 0, story.mended.contains(&number), "route {number}");
        let ids = &counted[&kept_as(&story.routes[number].failure(number))];
        let partly = ids.iter().any(|id| told[id].contains("recovering"));
        // Resource by resource; where the rest was faster than the message, its end is told alone.
        let one_by_one = number % 5 > 0 && !story.routes[number].is_known();
        assert!(one_by_one || !partly, "route {number}: {ids:?}");
        assert!(partly || !one_by_one || story.mended.contains(&number), "route {number}: {ids:?}");
    }
    // Nobody forgets what is open.
    let now = world.now();
    let at = world.get(|state| state.sent_at.clone());
    for (id, _) in incidents.iter().filter(|(_, incident)| incident.is_open()) {
        let last = world.alerts().iter().zip(&at).filter(|(alert, _)| says(alert).0.contains(id)).map(|(_, at)| *at).max().unwrap();
        assert!(now.duration_since(last) < SignedDuration::from_mins(300), "{id} is forgotten since {last}");
    }
}

#[expect(clippy::print_stdout, reason = "the figures of a soak")]
fn report(name: &str, world: &World, guardian: &Guardian, kills: &Kills, repeated: usize) {
    let kinds = tally(world.alerts().iter().map(|alert| alert["kind"].as_str().unwrap().to_owned()));
    let invocations = guardian.queues().map(|queue| (queue.deployed.function, queue.ended().0));
    let (kills, after) = (kills.count(), kills.after_a_message());
    println!(
        "{name}: {kills} kills, {after} of them after a message, {repeated} messages repeated; {kinds:?}, invocations {invocations:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_thousand_events_that_come_up_to_five_times_out_of_order_and_at_once_repeat_no_message() {
    let seeds = if std::env::var_os("GUARDIAN_SOAK").is_some() { 0..10 } else { 0..1 };
    for seed in seeds {
        let (world, guardian, story) = storm(seed, None).await;
        whole(&world, &guardian, &story);
        let repeated = repeated(&world);
        report(&format!("seed {seed}"), &world, &guardian, &Kills::default(), repeated.len());
        assert_eq!(repeated, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn killed_before_and_after_every_change_in_that_storm_nothing_is_lost_and_a_kill_repeats_at_most_one_message() {
    let (seeds, quota) = if std::env::var_os("GUARDIAN_SOAK").is_some() { (0..5, 25) } else { (0..1, 5) };
    for seed in seeds {
        let kills = Kills::default();
        let (world, guardian, story) = storm(seed, Some((&kills, quota))).await;
        assert_eq!(kills.missed(), [""; 0], "seed {seed}: never killed there");
        whole(&world, &guardian, &story);
        let repeated = repeated(&world);
        report(&format!("seed {seed}"), &world, &guardian, &kills, repeated.len());
        assert!(repeated.len() <= kills.after_a_message(), "{repeated:?}");
    }
}
