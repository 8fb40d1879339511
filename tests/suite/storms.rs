//! Many failures at once: nobody is flooded, nobody is silenced, nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use diagnose_job::Outcome;
use guardian_core::diagnosis::Cause;
use guardian_core::evidence::Vault;
use guardian_core::incident::{IncidentId, Object, identify};
use guardian_tests::world::account;
use guardian_tests::{Mode, World, event};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::estate::job_of;
use crate::setting::{Function, arn, function, ports, scope, world};

/// Instances of `diagnose-job`, as many as template.yaml reserves.
const INSTANCES: usize = 5;
const HOUR: Duration = Duration::from_secs(3600);

/// A failed copy of one of many accounts; `cause` chooses the route that is broken.
fn failure(account: usize, cause: usize, n: usize) -> Value {
    let mut event = event("copy-job/failed");
    let account = format!("5{account:011}");
    event["account"] = json!(account);
    // Nobody knows the recovery point, so the route is all there is.
    event["resources"] = json!([format!("arn:aws:ec2:eu-central-1::snapshot/snap-{account}{cause:05}")]);
    event["detail"]["copyJobId"] = json!(format!("47C8EF56-0000-0000-0000-{n:012}"));
    event["detail"]["sourceBackupVaultArn"] = json!(format!("arn:aws:backup:eu-central-1:{account}:backup-vault:local-{cause}"));
    event["detail"]["destinationBackupVaultArn"] = json!(format!("arn:aws:backup:eu-central-1:222222222222:backup-vault:central-{cause}"));
    event["detail"]["iamRoleArn"] = json!(format!("arn:aws:iam::{account}:role/service-role/AWSBackupDefaultServiceRole"));
    event
}

/// A vault of the backup account that many accounts copy into.
fn central(number: usize) -> String {
    format!("arn:aws:backup:eu-central-1:222222222222:backup-vault:shared-{number}")
}

/// A failed copy into a central vault; what it copies and under which key is of its account, and nobody knows it.
fn refused(account: usize, vault: usize, n: usize) -> Value {
    let mut event = failure(account, vault, n);
    event["detail"]["destinationBackupVaultArn"] = json!(central(vault));
    event["detail"]["statusMessage"] = json!("Access Denied trying to call AWS Backup service");
    event
}

/// Central vaults whose access policies lost the statement that lets other accounts in.
fn break_vaults(world: &World, vaults: usize) {
    let root = json!({"AWS": "arn:aws:iam::222222222222:root"});
    let own = json!({"Statement": [{"Effect": "Allow", "Principal": root, "Action": "backup:*", "Resource": "*"}]});
    world.set(|state| {
        for vault in 0..vaults {
            let like = state.vaults[crate::setting::CENTRAL].clone();
            state.vaults.insert(central(vault), Vault { arn: arn(&central(vault)), ..like });
            state.vault_policies.insert(central(vault), own.clone());
        }
    });
}

/// A world whose clock runs with tokio's.
pub(crate) fn running() -> World {
    let world = world();
    world.set(|state| state.running_since = Some(Instant::now()));
    world
}

type FollowUp = Arc<follow_up::Handler<World, World, World, World, World, World>>;

fn follow_up(world: &World) -> FollowUp {
    Arc::new(follow_up::Handler::new(ports(world), world.clone(), scope(), 4 * HOUR))
}

/// The queue before `diagnose-job`: what fails comes again after the visibility timeout.
async fn work(instance: Function, queue: Arc<tokio::sync::Mutex<Vec<(Instant, Value)>>>) {
    loop {
        let next = {
            let mut queue = queue.lock().await;
            let ready = queue.iter().position(|(at, _)| *at <= Instant::now());
            match ready {
                Some(place) => Some(queue.remove(place)),
                None if queue.is_empty() => return,
                None => None,
            }
        };
        let Some((_, event)) = next else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        // A table and a topic that answer at once would show nothing.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let outcome = instance.event(event.to_string().as_bytes(), Instant::now() + Duration::from_secs(60)).await;
        if outcome.is_err() {
            queue.lock().await.push((Instant::now() + Duration::from_secs(360), event));
        }
    }
}

/// Works on what was put off for the next so many seconds.
pub(crate) async fn come_back(world: &World, seconds: u64) {
    come_back_every(world, seconds, 1).await;
}

/// The same, looking for work every so many seconds.
async fn come_back_every(world: &World, seconds: u64, step: u64) {
    let follow_up = follow_up(world);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let now = world.now();
        let mut due = Vec::new();
        world.set(|state| {
            let (come, to_come) = std::mem::take(&mut state.to_come).into_iter().partition(|(at, _)| *at <= now);
            (due, state.to_come) = (come, to_come);
        });
        for (_, body) in due {
            if follow_up.work(body.as_bytes(), Instant::now() + Duration::from_secs(60)).await.is_err() {
                let again = world.now() + SignedDuration::from_mins(6);
                world.set(|state| state.to_come.push((again, body)));
            }
        }
        tokio::time::sleep(Duration::from_secs(step)).await;
    }
}

async fn storm(world: &World, events: Vec<Value>) {
    let queue = Arc::new(tokio::sync::Mutex::new(events.into_iter().map(|event| (Instant::now(), event)).collect::<Vec<_>>()));
    let instances = (0..INSTANCES).map(|_| tokio::spawn(work(function(world), Arc::clone(&queue)))).collect::<Vec<_>>();
    let digests = come_back(world, 900);
    let all = async {
        for instance in instances {
            instance.await.unwrap();
        }
    };
    tokio::join!(all, digests);
}

fn most_within(sent: &[Timestamp], window: SignedDuration) -> usize {
    let mut sent = sent.to_vec();
    sent.sort();
    (0..sent.len()).map(|n| sent[n..].iter().take_while(|at| at.duration_since(sent[n]) < window).count()).max().unwrap_or(0)
}

fn bounded(world: &World) {
    let sent = world.get(|state| state.sent_at.clone());
    assert!(most_within(&sent, SignedDuration::from_secs(1)) <= 10, "too many in a second");
    assert!(most_within(&sent, SignedDuration::from_secs(60)) <= 60, "too many in a minute");
}

/// The incidents of which people were told, alone or in a digest.
fn told(world: &World) -> Vec<String> {
    let id = |value: &Value| value["incident_id"].as_str().unwrap().to_owned();
    let of = |alert: &Value| match alert["kind"].as_str().unwrap() {
        "storm" => alert["incidents"].as_array().unwrap().iter().map(id).collect(),
        "failure" => vec![id(alert)],
        _ => Vec::new(),
    };
    world.alerts().iter().flat_map(of).collect()
}

/// The jobs that messages and report objects list.
fn listed(world: &World) -> BTreeSet<String> {
    let written = world.get(|state| state.written.clone());
    let jobs = |incident: &Value| incident["jobs"].as_array().unwrap().clone();
    let incidents = |report: &Value| report["incidents"].as_array().unwrap().iter().flat_map(jobs).collect::<Vec<_>>();
    (written.values().flat_map(incidents))
        .chain(world.alerts().iter().flat_map(jobs))
        .map(|job| job["job_id"].as_str().unwrap().to_owned())
        .collect()
}

fn soak() -> bool {
    std::env::var_os("GUARDIAN_SOAK").is_some()
}

/// Lets it storm until every job is listed: each incident is told once, the first before anything else, and never too many messages at once.
#[expect(clippy::print_stdout, reason = "the figures of a soak")]
async fn weather(world: &World, events: Vec<Value>) {
    let jobs = events.len();
    let (began, started) = (std::time::Instant::now(), Instant::now());
    storm(world, events).await;
    bounded(world);
    let (incidents, told) = (world.incidents(), told(world));
    assert_eq!(incidents.iter().map(|incident| incident.jobs_total).sum::<u64>(), jobs as u64);
    assert_eq!(told.len(), told.iter().collect::<BTreeSet<_>>().len(), "told twice");
    assert_eq!(told.len(), incidents.len(), "an incident was not told");
    assert_eq!(world.alerts()[0]["kind"], "failure", "the first is told before anything else");
    let (passed, messages) = (started.elapsed().as_secs(), world.alerts().len());
    come_back_every(world, 5 * 3600, 60).await;
    bounded(world);
    assert_eq!(listed(world).len(), jobs, "every job id is in a message or a report");
    println!(
        "{jobs} failures, {} incidents: {messages} messages in {passed} s, {} in 5 hours more; simulated in {:?}",
        incidents.len(),
        world.alerts().len() - messages,
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_one_of_few_and_of_many_causes_is_told_within_bounds_and_nothing_is_lost() {
    // (accounts, causes in each, jobs); the soak has 10,000 failures of up to 1,000 accounts.
    let storms = if soak() { [(1, 1, 10_000), (10, 5, 10_000), (1_000, 1, 10_000)] } else { [(1, 1, 300), (10, 5, 400), (400, 1, 500)] };
    for (accounts, causes, jobs) in storms {
        let world = running();
        weather(&world, (0..jobs).map(|n| failure(n % accounts, n / accounts % causes, n)).collect()).await;
        assert_eq!(world.incidents().len(), accounts * causes, "each broken route is an incident of its own");
    }
}

#[tokio::test(start_paused = true)]
async fn what_central_vaults_refuse_to_a_thousand_accounts_is_one_incident_for_each_vault() {
    // (accounts, broken vaults, jobs); every account fails as often, and in several vaults where there are.
    let storms = if soak() { [(1_000, 1, 10_000), (1_000, 50, 10_000)] } else { [(100, 1, 400), (80, 20, 400)] };
    for (accounts, vaults, jobs) in storms {
        let world = running();
        break_vaults(&world, vaults);
        let vault = |n: usize| (n + n / accounts) % vaults;
        let events = (0..jobs).map(|n| refused(n % accounts, vault(n), n)).collect::<Vec<_>>();
        let mut expected = BTreeMap::<IncidentId, BTreeSet<String>>::new();
        for (n, event) in events.iter().enumerate() {
            let object = Object::Known { arn: central(vault(n)), account_id: account("222222222222") };
            let key = job_of(event).key();
            let job = format!("{}/{}/{}/{}", key.account, key.region, key.job_type.as_str(), key.job_id.as_str());
            expected.entry(identify(Cause::DestinationVaultPolicy, &object)).or_default().insert(job);
        }
        assert_eq!(expected.len(), vaults);
        weather(&world, events).await;
        let mut found = BTreeMap::<IncidentId, BTreeSet<String>>::new();
        for (job, incident) in world.counted() {
            found.entry(incident).or_default().insert(job);
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "one incident for each vault");
        assert!(found == expected, "a job is in the incident of another vault");
        for alert in world.alerts().iter().filter(|alert| alert["kind"] == "failure") {
            assert_eq!(alert["act_in"]["account_id"], "222222222222");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_noisy_account_silences_no_other() {
    let world = running();
    let mut events = (0..200).map(|n| failure(1, n, n)).collect::<Vec<_>>();
    let quiet = (2..=9).map(|account| failure(account, 0, 1000 + account)).collect::<Vec<_>>();
    events.splice(100..100, quiet);
    storm(&world, events).await;
    bounded(&world);
    let alerts = world.alerts();
    for account in 2..=9 {
        let id = format!("5{account:011}");
        assert!(alerts.iter().any(|alert| alert["kind"] == "failure" && alert["jobs"][0]["account_id"] == id.as_str()), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_down_for_hours_loses_nothing() {
    let world = running();
    world.set(|state| state.topic = Mode::Down);
    let events = (0..30).map(|n| failure(n, 0, n)).collect::<Vec<_>>();
    let repair = async {
        tokio::time::sleep(3 * HOUR).await;
        world.set(|state| state.topic = Mode::Well);
    };
    tokio::join!(storm(&world, events), repair);
    come_back(&world, 900).await;
    bounded(&world);
    assert_eq!(told(&world).into_iter().collect::<BTreeSet<_>>().len(), 30);
}

#[tokio::test(start_paused = true)]
async fn without_the_table_a_storm_is_bounded_across_instances() {
    let world = running();
    world.set(|state| state.table = Mode::Down);
    let events = (0..200).map(|n| failure(n, 0, n)).collect::<Vec<_>>();
    let repair = async {
        tokio::time::sleep(HOUR / 4).await;
        world.set(|state| state.table = Mode::Well);
    };
    tokio::join!(storm(&world, events), repair);
    come_back(&world, 900).await;
    bounded(&world);
    assert_eq!(told(&world).into_iter().collect::<BTreeSet<_>>().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn without_the_bucket_messages_go_out_and_the_report_is_written_when_it_is_back() {
    let world = running();
    let function = function(&world);
    for n in 0..3 {
        let event = failure(1, 0, n).to_string();
        assert!(function.event(event.as_bytes(), Instant::now() + Duration::from_secs(60)).await.is_ok());
    }
    for broken in [Mode::Down, Mode::Denied, Mode::Hanging] {
        world.set(|state| state.reports = broken);
        come_back(&world, 4 * 3600 + 1800).await;
        let last = world.alerts().pop().unwrap();
        assert_eq!((last["kind"].as_str(), last.get("report_uri")), (Some("reminder"), None), "{broken:?}");
    }
    world.set(|state| state.reports = Mode::Well);
    come_back(&world, 4 * 3600 + 1800).await;
    let alerts = world.alerts();
    assert_eq!(alerts.len(), 5);
    let uri = alerts[4]["report_uri"].as_str().unwrap();
    let report = world.get(|state| state.written[uri.strip_prefix("s3://reports/").unwrap()].clone());
    assert_eq!(report["incidents"][0]["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(report["incidents"][0]["incident_id"], alerts[0]["incident_id"]);
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_reminded_of_until_it_ends() {
    let world = running();
    assert_eq!(
        function(&world).event(failure(1, 0, 1).to_string().as_bytes(), Instant::now() + Duration::from_secs(60)).await,
        Ok(Outcome::Announced)
    );
    come_back(&world, 13 * 3600).await;
    let kinds = world.alerts().iter().map(|alert| alert["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(kinds, ["failure", "reminder", "reminder", "reminder"]);
    let chain = world.get(|state| state.to_come.len());
    assert_eq!(chain, 1, "one look is to come, and no more");
}
