//! Incidents in a table: what is kept, what both releases read, and that nobody is overwritten.

use guardian_core::diagnosis::{Cause, Certainty, Severity};
use guardian_core::event::{JobId, JobKey, JobState, JobType};
use guardian_core::incident::pace::{Permit, Sender};
use guardian_core::incident::{
    Acknowledgement, Closing, Due, Failure, IncidentId, Lane, Moment, Object, Refusal, Standing, Success, identify,
};
use guardian_core::ports::{IncidentKeeper, Incidents, Pace, Recoveries};
use guardian_core::report::{Alert, Kind};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::table::{Items, table};
use crate::WorkTable;
use crate::canned::{account, region};

const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn now() -> Timestamp {
    "2026-11-02T05:37:40Z".parse().unwrap()
}

fn moment(now: Timestamp) -> Moment {
    Moment { now, lease_until: now + SignedDuration::from_secs(65), repeat_after: SignedDuration::from_hours(4) }
}

pub(super) fn lane(key: Option<&str>) -> Lane {
    Lane {
        account: account("111111111111"),
        region: region("eu-central-1"),
        job_type: JobType::Copy,
        vault: Some("arn:aws:backup:eu-central-1:111111111111:backup-vault:local".to_owned()),
        destination_vault: Some("arn:aws:backup:eu-central-1:222222222222:backup-vault:central".to_owned()),
        resource_type: Some("EBS".to_owned()),
        key: key.map(str::to_owned),
        role: Some("arn:aws:iam::111111111111:role/backup".to_owned()),
        told: None,
    }
}

pub(super) fn standing(certainty: Certainty) -> Standing {
    let object = Object::Known { arn: KEY.to_owned(), account_id: account("111111111111") };
    Standing { cause: Cause::KmsKeyPolicyMissingDestination, object, certainty, severity: Severity::High }
}

pub(super) fn failure(n: u32) -> Failure {
    let standing = standing(Certainty::Supported);
    Failure {
        job: JobKey {
            account: account("111111111111"),
            region: region("eu-central-1"),
            job_type: JobType::Copy,
            job_id: JobId::from(format!("job-{n}")),
            state: JobState::Failed,
        },
        created_at: now() - SignedDuration::from_mins(20),
        lane: lane(Some(KEY)),
        resource: format!("arn:aws:ec2:eu-central-1:111111111111:volume/vol-{n}"),
        identity: identify(standing.cause, &standing.object),
        provisional: IncidentId::from_kept("bg-provisional"),
        standing,
        expires_at: None,
        diagnosed: true,
    }
}

pub(super) fn success(n: u32, lane: Lane) -> Success {
    let job = json!({"account_id": "111111111111", "region": "eu-central-1", "job_type": "copy", "state": "COMPLETED"});
    let job = serde_json::from_value(job).unwrap();
    Success {
        job,
        created_at: now() + SignedDuration::from_hours(1),
        lane,
        resource: format!("arn:aws:ec2:eu-central-1:111111111111:volume/vol-{n}"),
    }
}

pub(super) fn alert(id: &IncidentId, kind: Kind) -> Alert {
    let alert = json!({
        "schema": "backup-guardian/alert/v1", "kind": kind.as_str(), "incident_id": id, "severity": "high", "title": "Copy failed",
        "cause": "kms-key-policy-missing-destination", "certainty": "supported", "summary": "s", "act_in": {"account_id": "111111111111"},
        "jobs": [], "jobs_total": 1, "evidence": [], "gaps": [], "next_steps": [], "links": [],
    });
    serde_json::from_value(alert).unwrap()
}

fn work(items: &Items) -> WorkTable {
    WorkTable::new(&table(items).config(), "guardian")
}

#[tokio::test]
async fn jobs_of_one_cause_are_one_incident_that_is_told_once_and_proved_by_a_later_job() {
    let items = Items::default();
    let work = work(&items);
    let first = work.join(&failure(1), &moment(now())).await.unwrap();
    assert_eq!(first.due, Due::Tell(Kind::Failure));
    let id = first.incident.id.clone();
    assert_eq!(work.known(&failure(1).provisional, now()).await.unwrap(), None, "nobody was told yet");
    let at = now() + SignedDuration::from_secs(1);
    assert_eq!(work.join(&failure(2), &moment(at)).await.unwrap().due, Due::Held);
    work.told(&id, &alert(&id, Kind::Failure), Some(&standing(Certainty::Supported)), at).await.unwrap();
    assert_eq!(work.join(&failure(2), &moment(at)).await.unwrap().due, Due::Nothing);
    assert_eq!(work.join(&failure(2), &moment(at)).await.unwrap().incident.jobs_total, 2, "a job is counted once");
    assert_eq!(work.known(&failure(1).provisional, at).await.unwrap().unwrap().id, id);
    assert_eq!(
        work.known(&failure(1).provisional, at + SignedDuration::from_hours(1)).await.unwrap(),
        None,
        "the cause may be another by then"
    );
    assert_eq!(work.jobs(&id).await.unwrap(), ["111111111111/eu-central-1/copy/job-1", "111111111111/eu-central-1/copy/job-2"]);
    assert_eq!(work.last_alert(&id).await.unwrap().unwrap().title, "Copy failed");
    assert_eq!(work.open().await.unwrap(), std::slice::from_ref(&id));

    // Another key in the same pair of vaults proves nothing.
    let other = success(3, lane(Some("arn:aws:kms:eu-central-1:111111111111:key/other")));
    let listed = work.lanes(&other.lane).await.unwrap();
    assert_eq!(listed, [(id.clone(), lane(Some(KEY)))]);
    let later = moment(now() + SignedDuration::from_hours(2));
    assert_eq!(work.complete(&id, &listed[0].1, &other, &later).await.unwrap().unwrap().due, Due::Nothing);
    let proof = work.complete(&id, &listed[0].1, &success(9, lane(Some(KEY))), &later).await.unwrap().unwrap();
    assert_eq!((proof.due, proof.incident.members_recovered), (Due::Tell(Kind::Resolved), 2));
    work.told(&id, &alert(&id, Kind::Resolved), None, later.now).await.unwrap();
    assert!(work.open().await.unwrap().is_empty());

    // The same cause again is the same incident, opened again.
    let again = Failure { created_at: now() + SignedDuration::from_hours(3), ..failure(4) };
    let reopened = work.join(&again, &moment(now() + SignedDuration::from_hours(3))).await.unwrap();
    assert_eq!((reopened.due, &reopened.incident.id), (Due::Tell(Kind::Failure), &id));
    assert_eq!((reopened.incident.opening, reopened.incident.jobs_total), (2, 1));
    assert_eq!(work.lanes(&lane(None)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_what_no_job_can_prove_is_closed_and_who_closed_it_is_kept() {
    let items = Items::default();
    let work = work(&items);
    let closing = |owner: &str| Closing { owner: owner.to_owned(), reason: "seen".to_owned(), at: now(), opening: 0 };
    let told = Some("continuous-backup-interrupted bucket".to_owned());
    let id = work.join(&Failure { lane: Lane { told, ..lane(Some(KEY)) }, ..failure(1) }, &moment(now())).await.unwrap().incident.id;
    assert_eq!(work.close(&id, &closing("sam")).await.unwrap(), Some(Err(Refusal::Untold)));
    work.told(&id, &alert(&id, Kind::Failure), None, now()).await.unwrap();
    // A lane that cannot be read may be one that a job proves.
    let (at, whole) =
        items.lock().unwrap().iter().find(|((_, sk), _)| sk.starts_with("lane#")).map(|(at, item)| (at.clone(), item.clone())).unwrap();
    items.lock().unwrap().get_mut(&at).unwrap()["state"] = json!({"S": "{"});
    assert_eq!(work.close(&id, &closing("sam")).await.unwrap_err().code, "unreadable");
    items.lock().unwrap().insert(at, whole);
    let closed = work.close(&id, &closing("sam")).await.unwrap().unwrap().unwrap();
    assert_eq!(closed.closing().map(|closing| closing.owner.as_str()), Some("sam"));
    assert_eq!(work.close(&id, &closing("kim")).await.unwrap(), Some(Ok(closed.clone())), "who said so first stays");
    assert_eq!(work.incident(&id).await.unwrap(), Some(closed));

    // The next failure opens it again, and this one a job can prove.
    let again = work.join(&failure(2), &moment(now())).await.unwrap();
    assert_eq!((again.due, again.incident.opening, again.incident.closing()), (Due::Tell(Kind::Failure), 2, None));
    work.told(&id, &alert(&id, Kind::Failure), None, now()).await.unwrap();
    assert_eq!(work.close(&id, &closing("kim")).await.unwrap(), Some(Err(Refusal::Provable(Box::new(lane(Some(KEY)))))));
    assert_eq!(work.close(&IncidentId::from_kept("bg-none"), &closing("kim")).await.unwrap(), None);
}

#[tokio::test]
async fn an_incident_of_the_first_release_goes_on_and_the_first_release_reads_ours() {
    let items = Items::default();
    let work = work(&items);
    let id = failure(1).identity;
    let head = json!({
        "pk": {"S": format!("incident#{id}")}, "sk": {"S": "head"}, "v": {"N": "1"}, "opened_at": {"N": "1793600000000"},
        "announced_at": {"N": now().as_millisecond().to_string()}, "jobs_total": {"N": "7"},
    });
    let job = json!({
        "pk": {"S": format!("incident#{id}")}, "sk": {"S": "job#111111111111#eu-central-1#copy#job-1"}, "v": {"N": "1"}, "state": {"S": "FAILED"},
    });
    for item in [head, job] {
        let key = (item["pk"]["S"].as_str().unwrap().to_owned(), item["sk"]["S"].as_str().unwrap().to_owned());
        items.lock().unwrap().insert(key, item);
    }
    let at = moment(now() + SignedDuration::from_mins(1));
    let joined = work.join(&failure(1), &at).await.unwrap();
    assert_eq!((joined.due, joined.incident.jobs_total), (Due::Nothing, 7), "this job was counted, and people know");
    let joined = work.join(&failure(2), &at).await.unwrap();
    assert_eq!((joined.due, joined.incident.jobs_total), (Due::Nothing, 8));
    // The first release counts and announces by these members alone, and does not move the revision.
    let key = (format!("incident#{id}"), "head".to_owned());
    let later = now() + SignedDuration::from_hours(5);
    {
        let mut items = items.lock().unwrap();
        let head = items.get_mut(&key).unwrap();
        assert_eq!(head["jobs_total"]["N"], "8");
        assert_eq!(head["announced_at"]["N"], now().as_millisecond().to_string());
        head["jobs_total"] = json!({"N": "9"});
        head["announced_at"] = json!({"N": later.as_millisecond().to_string()});
    }
    let joined = work.join(&failure(3), &moment(later + SignedDuration::from_mins(1))).await.unwrap();
    assert_eq!((joined.due, joined.incident.jobs_total), (Due::Nothing, 10), "it was told by the other release a minute ago");
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_all_counted_and_one_of_them_tells() {
    let items = Items::default();
    let tasks = (0..8).map(|n| {
        let work = work(&items);
        tokio::spawn(async move { work.join(&failure(n), &moment(now())).await.unwrap().due })
    });
    let mut told = 0;
    for task in tasks.collect::<Vec<_>>() {
        told += usize::from(task.await.unwrap() == Due::Tell(Kind::Failure));
    }
    assert_eq!(told, 1);
    let incident = work(&items).incident(&failure(0).identity).await.unwrap().unwrap();
    assert_eq!((incident.jobs_total, incident.members_total), (8, 8));
}

#[tokio::test]
async fn a_surer_verdict_under_another_name_upgrades_the_same_incident() {
    let items = Items::default();
    let work = work(&items);
    let route = Object::Provisional { account_id: account("111111111111"), route: "r".to_owned() };
    let unsure = Standing { cause: Cause::NotFound, object: route, certainty: Certainty::Suspected, severity: Severity::High };
    let first = Failure { identity: identify(unsure.cause, &unsure.object), standing: unsure.clone(), ..failure(1) };
    let id = work.join(&first, &moment(now())).await.unwrap().incident.id;
    work.told(&id, &alert(&id, Kind::Failure), Some(&unsure), now()).await.unwrap();
    let joined = work.join(&failure(2), &moment(now())).await.unwrap();
    assert_eq!((joined.due, &joined.incident.id), (Due::Tell(Kind::Upgrade), &id));
    work.told(&id, &alert(&id, Kind::Upgrade), Some(&standing(Certainty::Supported)), now()).await.unwrap();
    // Jobs of another lane with that cause and object find it by its second name.
    let elsewhere = Failure { provisional: IncidentId::from_kept("bg-elsewhere"), ..failure(3) };
    let joined = work.join(&elsewhere, &moment(now())).await.unwrap();
    assert_eq!((joined.due, joined.incident.id, joined.incident.jobs_total), (Due::Nothing, id, 3));
}

#[tokio::test]
async fn what_is_deferred_waits_for_the_digest_and_what_is_acknowledged_is_not_reminded() {
    let items = Items::default();
    let work = work(&items);
    let at = moment(now());
    let id = work.join(&failure(1), &at).await.unwrap().incident.id;
    work.defer(&id, &alert(&id, Kind::Failure), at.lease_until).await.unwrap();
    assert_eq!(work.deferred().await.unwrap(), std::slice::from_ref(&id));
    assert_eq!(work.join(&failure(2), &at).await.unwrap().due, Due::Deferred);
    work.told(&id, &alert(&id, Kind::Failure), Some(&standing(Certainty::Supported)), now()).await.unwrap();
    assert!(work.deferred().await.unwrap().is_empty());

    let until = now() + SignedDuration::from_hours(24);
    let acknowledgement = Acknowledgement { owner: "sam".to_owned(), reason: "change 4711".to_owned(), until };
    assert!(work.acknowledge(&id, &acknowledgement).await.unwrap().is_some());
    assert!(work.acknowledge(&IncidentId::from_kept("bg-nothing"), &acknowledgement).await.unwrap().is_none());
    let later = |hours| moment(now() + SignedDuration::from_hours(hours));
    assert_eq!(work.wait(&id, &later(5)).await.unwrap().unwrap().due, Due::Nothing);
    assert_eq!(work.wait(&id, &later(25)).await.unwrap().unwrap().due, Due::Tell(Kind::Reminder));
    assert!(work.followed_up(&id, 1, 0, None).await.unwrap());
    assert!(!work.followed_up(&id, 1, 0, None).await.unwrap(), "a follow-up that comes twice is done once");
    assert!(!work.followed_up(&id, 2, 1, None).await.unwrap(), "of another opening");
}

#[tokio::test(start_paused = true)]
async fn all_instances_keep_one_pace() {
    let items = Items::default();
    let (one, two) = (work(&items), work(&items));
    let mut sent = 0;
    for n in 0..40 {
        let sender = Sender::Account(account(&format!("1111111111{n:02}")));
        let work = if n % 2 == 0 { &one } else { &two };
        sent += usize::from(work.permit(&sender, now()).await.unwrap() == Permit::Now);
    }
    assert!((1..=10).contains(&sent), "{sent}");
}

#[tokio::test]
async fn the_newest_good_copy_is_kept_whatever_comes_late() {
    let items = Items::default();
    let work = work(&items);
    let good = success(1, lane(None));
    let (newer, older) = (now(), now() - SignedDuration::from_hours(24));
    assert_eq!(work.last_good(&good.lane, &good.resource).await.unwrap(), None);
    for at in [newer, older] {
        work.keep_good(&good, at).await.unwrap();
    }
    assert_eq!(work.last_good(&good.lane, &good.resource).await.unwrap(), Some(newer));
}
