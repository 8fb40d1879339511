use jiff::{SignedDuration, Timestamp};

use crate::arn::{AccountId, Arn, Region};
use crate::copy::Obstacle;
use crate::drill::Origin;
use crate::drill::backfill::{Backfill, Missed, Wish, plan};
use crate::drill::record::{Drill, Ended, Purpose, Record, State, Step, id_of_message, next, started};
use crate::drill::retest::{self, Ask, Held, destinations, newest};
use crate::drill::{AllowedVaults, CopyOrder, Order, Why};
use crate::event::{Job, JobId, JobState, JobType, PlanRef};
use crate::evidence::{BackupPlan, CopyAction, Fact, Gap, GapReason, JobDescription, Lifecycle, PlanRule, RecoveryPoint, RuleTimes, Vault};
use crate::incident::IncidentId;

const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-backups";
const LOCAL: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local-backups";
const ROLE: &str = "arn:aws:iam::111111111111:role/backup-jobs";

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-10T12:00:00Z")
}

fn id(number: u32) -> JobId {
    JobId::from(format!("job-{number:04}"))
}

fn known<T>(value: T) -> Fact<T> {
    Fact::Known { value, source: "test".to_owned(), at: now() }
}

fn gap(reason: GapReason) -> Gap {
    Gap { action: "backup:X".to_owned(), account_id: account(), region: None, reason, detail: None }
}

fn account() -> AccountId {
    AccountId::parse("111111111111").unwrap()
}

fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

fn point(number: u32) -> Arn {
    arn(&format!("arn:aws:ec2:eu-central-1::snapshot/snap-{number:04}"))
}

fn volume(number: u32) -> Arn {
    arn(&format!("arn:aws:ec2:eu-central-1:111111111111:volume/vol-{number}"))
}

/// A copy job as lists have it.
fn copy(job: u32, of: u32, state: JobState, created_at: &str) -> Job {
    let mut listed = Job::new(account(), region(), JobType::Copy);
    listed.job_id = Some(id(job));
    listed.state = state;
    listed.created_at = Some(at(created_at));
    listed.role_arn = Some(arn(ROLE));
    listed.resource_arn = Some(volume(of));
    listed.recovery_point_arn = Some(point(of));
    listed.destination_vault_arn = Some(arn(CENTRAL));
    listed.size_bytes = Some(1 << 30);
    listed.plan = Some(PlanRef { plan_id: Some("p".to_owned()), plan_arn: None, rule_id: Some("r".to_owned()), rule_name: None });
    listed
}

/// A copy that failed on 3 November, of a recovery point that is still there.
fn missed(number: u32) -> Missed {
    let described = JobDescription {
        state: Some(JobState::Failed),
        role_arn: Some(arn(ROLE)),
        resource_arn: Some(volume(number)),
        resource_type: Some("EBS".to_owned()),
        recovery_point_arn: Some(point(number)),
        vault_arn: Some(arn(LOCAL)),
        destination_vault_arn: Some(arn(CENTRAL)),
        delete_after_days: Some(14),
        ..JobDescription::default()
    };
    let stored = RecoveryPoint {
        arn: point(number),
        status: Some("COMPLETED".to_owned()),
        status_message: None,
        is_encrypted: Some(true),
        encryption_key_arn: None,
        resource_arn: None,
        resource_type: Some("EBS".to_owned()),
        resource_name: None,
        vault_type: None,
        delete_at: Some(now() + SignedDuration::from_hours(24 * i64::from(number))),
        storage_class: Some("WARM".to_owned()),
    };
    let vault = Vault {
        arn: arn(CENTRAL),
        vault_type: None,
        state: None,
        encryption_key_arn: None,
        locked: Some(false),
        min_retention_days: None,
        max_retention_days: None,
        lock_date: None,
        points: None,
    };
    Missed {
        account: account(),
        region: region(),
        job_type: JobType::Copy,
        job_id: id(number),
        described: known(described),
        point: known(stored),
        copies: Ok(vec![copy(number, number, JobState::Failed, "2026-11-03T05:30:00Z")]),
        landed: Fact::NotAsked,
        plan: known(Some(the_plan(Some(35)))),
        destination: known(vault),
    }
}

fn the_plan(days: Option<i64>) -> BackupPlan {
    let action = CopyAction { destination_vault_arn: arn(CENTRAL), delete_after_days: days, move_to_cold_storage_after_days: None };
    BackupPlan {
        account_id: account(),
        region: region(),
        id: "p".to_owned(),
        name: "plan".to_owned(),
        created_at: None,
        rules: vec![PlanRule {
            name: "daily".to_owned(),
            target_vault: "local-backups".to_owned(),
            copy_actions: vec![action],
            times: RuleTimes { rule_id: Some("r".to_owned()), ..RuleTimes::default() },
            lifecycle: Lifecycle::default(),
        }],
    }
}

fn wish() -> Wish {
    Wish { now: now(), allowed: AllowedVaults::of([CENTRAL.to_owned()]).unwrap(), retention_days: None }
}

fn one(missed: Missed) -> Backfill {
    plan(&[missed], &wish())
}

fn why(change: impl FnOnce(&mut Missed)) -> Why {
    let mut changed = missed(1);
    change(&mut changed);
    let backfill = one(changed);
    assert!(backfill.copies.is_empty(), "{backfill:?}");
    backfill.left.into_iter().next().unwrap().why
}

fn value<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Known { value, .. } => value,
        _ => panic!("it is known"),
    }
}

#[test]
fn what_a_job_missed_is_copied_with_role_vault_and_lifecycle_of_its_plan() {
    let backfill = one(missed(1));
    assert!(backfill.left.is_empty(), "{:?}", backfill.left);
    let planned = &backfill.copies[0];
    let order = &planned.order;
    assert_eq!((order.source_vault.as_str(), order.destination_vault.as_str(), order.role.as_str()), (LOCAL, CENTRAL, ROLE));
    assert_eq!((order.point.clone(), order.retention.days(), planned.origin), (point(1), 35, Origin::Plan));
    assert_eq!(planned.size_bytes, Some(1 << 30));
}

#[test]
fn without_a_plan_the_failed_job_says_how_long_and_without_both_whoever_asks() {
    let mut gone = missed(1);
    gone.plan = known(None);
    assert_eq!(one(gone.clone()).copies[0].order.retention.days(), 14);
    assert_eq!(one(gone.clone()).copies[0].origin, Origin::Job);
    value(&mut gone.described).delete_after_days = None;
    assert_eq!(one(gone.clone()).left[0].why, Why::NoLifecycle);
    let asked = plan(&[gone], &Wish { retention_days: Some(7), ..wish() });
    assert_eq!((asked.copies[0].order.retention.days(), asked.copies[0].origin), (7, Origin::Wish));
}

#[test]
fn a_rule_that_got_another_id_is_known_by_its_name_and_one_that_is_gone_is_asked_for() {
    let with = |rename: &[&str], days: &[i64], wish: &Wish| {
        let mut missed = missed(1);
        missed.copies.as_mut().unwrap()[0].plan.as_mut().unwrap().rule_name = Some("daily".to_owned());
        let mut written = the_plan(None);
        let rule = written.rules.remove(0);
        for (name, days) in rename.iter().zip(days) {
            let mut rule = PlanRule { name: (*name).to_owned(), ..rule.clone() };
            rule.times.rule_id = Some(format!("new-{days}"));
            rule.copy_actions[0].delete_after_days = Some(*days);
            written.rules.push(rule);
        }
        missed.plan = known(Some(written));
        plan(&[missed], wish)
    };
    let found = with(&["weekly", "daily"], &[7, 120], &wish());
    assert_eq!((found.copies[0].order.retention.days(), found.copies[0].origin), (120, Origin::Plan));
    let twice = with(&["daily", "daily"], &[120, 7], &wish());
    assert_eq!(twice.left[0].why, Why::NoRule, "of two rules of one name nobody knows which it was");
    assert_eq!(with(&["daily", "daily"], &[120, 120], &wish()).copies[0].order.retention.days(), 120, "both say the same");
    let gone = with(&["weekly"], &[7], &wish());
    assert_eq!(gone.left[0].why, Why::NoRule, "the lifecycle of the failed job may be the mistake that was corrected");
    let asked = with(&["weekly"], &[7], &Wish { retention_days: Some(90), ..wish() });
    assert_eq!((asked.copies[0].order.retention.days(), asked.copies[0].origin), (90, Origin::Wish));
}

#[test]
fn a_plan_that_keeps_copies_for_ever_is_refused_even_where_the_job_had_an_end() {
    assert_eq!(why(|missed| missed.plan = known(Some(the_plan(None)))), Why::NoLifecycle);
    let mut forever = missed(1);
    forever.plan = known(Some(the_plan(None)));
    let asked = plan(&[forever, missed(2)], &Wish { retention_days: Some(7), ..wish() });
    let days = asked.copies.iter().map(|planned| planned.order.retention.days()).collect::<Vec<_>>();
    assert_eq!(days, [7, 35], "what the plan says is never replaced");
}

#[test]
fn what_cannot_be_copied_is_left_with_its_reason() {
    let stored = |change: fn(&mut RecoveryPoint)| move |missed: &mut Missed| change(value(&mut missed.point));
    let described = |change: fn(&mut JobDescription)| move |missed: &mut Missed| change(value(&mut missed.described));
    assert_eq!(why(|missed| missed.job_type = JobType::Backup), Why::NoCopy);
    assert_eq!(why(|missed| missed.point = Fact::Gap(gap(GapReason::NotFound))), Why::Gone);
    assert_eq!(why(stored(|point| point.delete_at = Some(now()))), Why::Expired(now()));
    assert_eq!(why(stored(|point| point.status = Some("PARTIAL".to_owned()))), Why::NotComplete("PARTIAL".to_owned()));
    assert_eq!(why(stored(|point| point.status = Some("AVAILABLE".to_owned()))), Why::Continuous);
    assert_eq!(why(stored(|point| point.storage_class = Some("COLD".to_owned()))), Why::Cold);
    assert_eq!(why(described(|job| job.parent_job_id = Some(id(9)))), Why::PartOfComposite);
    let continuous = "arn:aws:backup:eu-central-1:111111111111:recovery-point:continuous:bucket-1";
    assert_eq!(why(|missed| value(&mut missed.described).recovery_point_arn = Some(arn(continuous))), Why::Continuous);
    assert_eq!(why(described(|job| job.resource_type = Some("Redshift".to_owned()))), Why::Cannot(Obstacle::NeverCopied));
    let default = "arn:aws:backup:eu-central-1:222222222222:backup-vault:Default";
    assert_eq!(why(|missed| value(&mut missed.described).destination_vault_arn = Some(arn(default))), Why::Cannot(Obstacle::DefaultVault));
    assert!(matches!(plan(&[missed(1)], &Wish { allowed: AllowedVaults::default(), ..wish() }).left[0].why, Why::OutsideAllowList(_)));
}

#[test]
fn the_lock_of_the_destination_is_kept() {
    let locked = |min, max| {
        let mut missed = missed(1);
        let vault = value(&mut missed.destination);
        (vault.locked, vault.min_retention_days, vault.max_retention_days) = (Some(true), min, max);
        one(missed)
    };
    assert_eq!(locked(Some(35), Some(35)).copies.len(), 1);
    assert!(matches!(locked(Some(36), None).left[0].why, Why::OutsideLock { days: 35, .. }));
    assert!(matches!(locked(None, Some(34)).left[0].why, Why::OutsideLock { days: 35, .. }));
}

#[test]
fn what_landed_or_is_on_its_way_is_not_copied_again() {
    let with = |state: JobState, landed: Fact<RecoveryPoint>| {
        let mut missed = missed(1);
        let mut job = copy(7, 1, state, "2026-11-09T05:30:00Z");
        job.destination_recovery_point_arn = Some(point(77));
        missed.copies.as_mut().unwrap().push(job);
        missed.landed = landed;
        one(missed)
    };
    let there = missed(1).point;
    assert_eq!(with(JobState::Running, Fact::NotAsked).left[0].why, Why::UnderWay(id(7)));
    assert_eq!(with(JobState::Created, Fact::NotAsked).left[0].why, Why::UnderWay(id(7)), "AWS may still be trying");
    assert_eq!(with(JobState::Completed, there.clone()).left[0].why, Why::Landed(id(7)));
    assert_eq!(with(JobState::Failed, there).copies.len(), 1);
    assert_eq!(with(JobState::Completed, Fact::Gap(gap(GapReason::NotFound))).copies.len(), 1, "the copy is gone since");
    let unseen = with(JobState::Completed, Fact::Gap(gap(GapReason::AccessDenied)));
    assert!(unseen.copies.is_empty() && unseen.has_gaps(), "whether it is there is not known");
}

#[test]
fn what_could_not_be_read_is_told_and_never_copied() {
    for reason in [GapReason::AccessDenied, GapReason::Throttled, GapReason::RoleNotAssumable] {
        assert!(matches!(why(|missed| missed.described = Fact::Gap(gap(reason))), Why::NotSeen(_)));
        assert!(matches!(why(|missed| missed.point = Fact::Gap(gap(reason))), Why::NotSeen(_)));
        assert!(matches!(why(|missed| missed.copies = Err(gap(reason))), Why::NotSeen(_)));
    }
    assert!(matches!(why(|missed| value(&mut missed.described).role_arn = None), Why::NotSeen(_)));
}

#[test]
fn several_jobs_of_one_recovery_point_are_one_copy_and_what_expires_first_comes_first() {
    let mut again = missed(2);
    again.job_id = id(20);
    let mut order = vec![missed(3), again, missed(2), missed(1)];
    let of = |backfill: &Backfill| backfill.copies.iter().map(|planned| planned.order.point.clone()).collect::<Vec<_>>();
    let first = plan(&order, &wish());
    assert_eq!(of(&first), [point(1), point(2), point(3)]);
    order.reverse();
    assert_eq!(plan(&order, &wish()), first, "the order in which jobs are read changes nothing");
}

#[test]
fn no_more_is_started_than_aws_takes_at_a_time() {
    let mut many = (1..=120).map(missed).collect::<Vec<_>>();
    many[119].copies.as_mut().unwrap().push(copy(999, 120, JobState::Running, "2026-11-10T11:00:00Z"));
    let backfill = plan(&many, &wish());
    assert_eq!(backfill.copies.len(), 99, "100 of one account, and one is on its way");
    assert_eq!(backfill.left.iter().filter(|left| left.why == Why::Later).count(), 20);
    assert_eq!(backfill.copies[0].order.point, point(1), "what expires first is not put off");
}

#[test]
fn of_one_resource_one_copy_is_started_at_a_time() {
    let mut three = (1..=3).map(missed).collect::<Vec<_>>();
    for missed in &mut three {
        value(&mut missed.described).resource_arn = Some(volume(1));
    }
    let backfill = plan(&three, &wish());
    assert_eq!(backfill.copies.iter().map(|planned| planned.order.point.clone()).collect::<Vec<_>>(), [point(1)]);
    assert_eq!(backfill.left.iter().map(|left| left.why.clone()).collect::<Vec<_>>(), [Why::Later, Why::Later]);
    assert_eq!(backfill.left[0].job.3, id(2), "each with the job that left it");
    three[0].copies.as_mut().unwrap().push(copy(8, 1, JobState::Failed, "2026-11-10T10:00:00Z"));
    assert_eq!(plan(&three, &wish()).copies[0].order.point, point(2), "what failed again keeps no other waiting");
    three[2].copies.as_mut().unwrap().push(copy(9, 1, JobState::Running, "2026-11-10T11:00:00Z"));
    let busy = plan(&three, &wish());
    assert!(busy.copies.is_empty(), "one of it is on its way");
    assert_eq!(busy.left.len(), 3);
}

// --- the record -------------------------------------------------------------------------------------------------------------------------

fn purpose() -> Purpose {
    Purpose::Backfill { incident: IncidentId::from_kept("bg-1") }
}

fn drill() -> Drill {
    one(missed(1)).copies.remove(0).drill(&purpose())
}

fn copied(order: &Order) -> &CopyOrder {
    match order {
        Order::Copy(order) => order,
        Order::Restore(order) => panic!("{order:?}"),
    }
}

fn failed() -> Vec<Job> {
    missed(1).copies.unwrap()
}

fn written(step: Step) -> Record {
    match step {
        Step::Write(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_drill_is_written_before_it_is_started_and_started_once() {
    let asked = written(next(&drill(), None, &failed(), now()));
    let Step::Start(start) = next(&drill(), Some(&asked), &failed(), now()) else { panic!("it is not started") };
    assert_eq!(start, asked);
    let running = started(&asked, id(7), now());
    assert!(running.revision > asked.revision);
    assert_eq!(next(&drill(), Some(&running), &failed(), now()), Step::UnderWay(id(7)), "not listed yet");
    let mut listed = failed();
    listed.push(copy(7, 1, JobState::Running, "2026-11-10T12:00:01Z"));
    assert_eq!(next(&drill(), Some(&running), &listed, now()), Step::UnderWay(id(7)));
}

#[test]
fn after_a_crash_the_job_that_was_started_is_found_and_else_the_same_token_is_used() {
    let asked = written(next(&drill(), None, &failed(), now()));
    let later = now() + SignedDuration::from_mins(10);
    let anew = written(next(&drill(), Some(&asked), &failed(), later));
    let Step::Start(again) = next(&drill(), Some(&anew), &failed(), later) else { panic!("it is started anew") };
    assert_eq!((again.token(), again.attempt), (asked.token(), 1));
    let mut listed = failed();
    listed.push(copy(7, 1, JobState::Failed, "2026-11-10T12:00:01Z"));
    let found = written(next(&drill(), Some(&asked), &listed, later));
    assert_eq!(found, Record { found: true, ..started(&asked, id(7), later) });
}

#[test]
fn a_job_that_somebody_started_at_another_time_is_not_its_own() {
    let asked = written(next(&drill(), None, &failed(), now()));
    let mut listed = failed();
    listed.push(copy(7, 1, JobState::Running, "2026-11-10T13:00:00Z"));
    let later = at("2026-11-10T13:00:30Z");
    assert_eq!(asked.with_job_of(&listed, later), None, "an hour later nobody starts it any more");
    // The message comes again: what is listed by now is not its own either, though it was made within the minutes of the second try.
    let anew = written(next(&drill(), Some(&asked), &listed, later));
    assert_eq!(next(&drill(), Some(&anew), &listed, later), Step::Start(anew.clone()));
    listed.push(copy(8, 1, JobState::Running, "2026-11-10T13:00:40Z"));
    assert_eq!(anew.with_job_of(&listed, later).unwrap().job_id(), Some(&id(8)));
}

#[test]
fn what_was_refused_is_kept_as_refused_and_asked_again_under_another_token() {
    let asked = written(next(&drill(), None, &failed(), now()));
    let refused = asked.refused("AccessDeniedException: no".to_owned());
    assert!(refused.revision > asked.revision && refused.job_id().is_none() && refused.left_over().is_none());
    let mut listed = failed();
    listed.push(copy(7, 1, JobState::Completed, "2026-11-10T13:00:00Z"));
    let again = written(next(&drill(), Some(&refused), &listed, at("2026-11-10T13:10:00Z")));
    assert_eq!((again.attempt, again.job_id()), (2, None));
    assert_ne!(again.token(), asked.token());
    assert!(again.earlier.contains(&id(7)));
    // A call before was taken, and the one that was tried again was refused.
    listed.push(copy(8, 1, JobState::Running, "2026-11-10T12:00:01Z"));
    assert_eq!(written(next(&drill(), Some(&refused), &listed, now())).job_id(), Some(&id(8)));
    let running = started(&asked, id(7), now());
    assert_eq!(running.refused("no".to_owned()), running, "it is on its way");
}

#[test]
fn a_copy_of_before_is_never_taken_for_the_one_that_was_started() {
    // It failed a minute before it was asked for: within what clocks may differ.
    let mut before = failed();
    before.push(copy(6, 1, JobState::Failed, "2026-11-10T11:59:00Z"));
    let asked = written(next(&drill(), None, &before, now()));
    assert!(matches!(next(&drill(), Some(&asked), &before, now()), Step::Start(_)));
}

#[test]
fn a_copy_that_failed_is_followed_by_another_call_and_never_twice() {
    let first = started(&written(next(&drill(), None, &failed(), now())), id(7), now());
    let mut listed = failed();
    listed.push(copy(7, 1, JobState::Failed, "2026-11-10T12:00:01Z"));
    let second = written(next(&drill(), Some(&first), &listed, now()));
    assert_eq!(second.attempt, 2);
    assert_ne!(second.token(), first.token());
    assert!(matches!(next(&drill(), Some(&second), &listed, now()), Step::Start(_)), "job 7 is of the first attempt");
    assert_eq!(next(&drill(), Some(&first), &failed(), now() + SignedDuration::from_hours(24)), Step::UnderWay(id(7)));
    assert!(matches!(next(&drill(), Some(&first), &failed(), now() + SignedDuration::from_hours(24 * 30)), Step::Write(_)));
}

#[test]
fn another_retention_is_another_call() {
    let asked = written(next(&drill(), None, &failed(), now()));
    let mut longer = drill();
    let order = CopyOrder { retention: crate::drill::Retention::of(70, None).unwrap(), ..copied(&longer.order).clone() };
    longer.order = Order::Copy(order);
    // The first may be on the wire: a second one would be a second copy.
    assert_eq!(next(&longer, Some(&asked), &failed(), now() + SignedDuration::from_mins(4)), Step::Busy);
    let changed = written(next(&longer, Some(&asked), &failed(), now() + SignedDuration::from_mins(6)));
    assert_eq!((changed.id.as_str(), copied(&changed.order).retention.days()), (asked.id.as_str(), 70));
    assert_ne!(changed.token(), asked.token());
}

// --- a drill ----------------------------------------------------------------------------------------------------------------------------

fn held(number: u32, created_at: &str) -> Held {
    Held {
        point: RecoveryPoint { arn: point(number), resource_arn: Some(volume(number)), ..stored() },
        created_at: Some(at(created_at)),
        role: Some(arn(ROLE)),
        plan: Some(PlanRef { plan_id: Some("p".to_owned()), plan_arn: None, rule_id: Some("r".to_owned()), rule_name: None }),
        size_bytes: Some(1 << 30),
        is_part: false,
    }
}

fn stored() -> RecoveryPoint {
    value(&mut missed(1).point).clone()
}

fn ask(plan: Option<BackupPlan>) -> Ask {
    Ask {
        source_vault: arn(LOCAL),
        destination_vault: arn(CENTRAL),
        role: None,
        destination: missed(1).destination,
        plan,
        copies: Vec::new(),
    }
}

#[test]
fn a_drill_copies_the_newest_point_that_can_be_as_its_plan_would() {
    let mut partial = held(3, "2026-11-09T05:00:00Z");
    partial.point.status = Some("PARTIAL".to_owned());
    let all = [held(1, "2026-11-07T05:00:00Z"), held(2, "2026-11-08T05:00:00Z"), partial.clone()];
    assert_eq!(newest(&all, now()).unwrap().point.arn, point(2));
    assert_eq!(newest(&[partial.clone()], now()), Some(&partial), "it says why nothing can be copied");
    assert_eq!(newest(&[], now()), None);
    assert_eq!(destinations(Some(&the_plan(Some(35))), &all[1]), [arn(CENTRAL)]);
    let planned = retest::plan(&ask(Some(the_plan(Some(35)))), &all[1], &wish()).unwrap();
    assert_eq!((planned.order.role.as_str(), planned.order.retention.days(), planned.origin), (ROLE, 35, Origin::Plan));
    assert_eq!((planned.order.account, planned.order.region), (account(), region()));
}

#[test]
fn a_drill_is_refused_without_an_end_outside_the_list_and_of_what_cannot_be_copied() {
    let point = held(2, "2026-11-08T05:00:00Z");
    assert_eq!(retest::plan(&ask(None), &point, &wish()), Err(Why::NoLifecycle));
    assert_eq!(retest::plan(&ask(Some(the_plan(None))), &point, &wish()), Err(Why::NoLifecycle));
    let days = retest::plan(&ask(None), &point, &Wish { retention_days: Some(3), ..wish() }).unwrap();
    assert_eq!((days.order.retention.days(), days.origin), (3, Origin::Wish));
    let nowhere = Wish { allowed: AllowedVaults::default(), ..wish() };
    assert_eq!(retest::plan(&ask(Some(the_plan(Some(35)))), &point, &nowhere), Err(Why::OutsideAllowList(arn(CENTRAL))));
    let part = Held { is_part: true, ..point.clone() };
    assert_eq!(retest::plan(&ask(None), &part, &wish()), Err(Why::PartOfComposite));
    let mut continuous = point.clone();
    continuous.point.status = Some("AVAILABLE".to_owned());
    assert_eq!(retest::plan(&ask(Some(the_plan(Some(35)))), &continuous, &wish()), Err(Why::Continuous));
    let nobody = Held { role: None, ..point };
    assert!(matches!(retest::plan(&ask(Some(the_plan(Some(35)))), &nobody, &wish()), Err(Why::NotSeen(_))));
}

#[test]
fn a_drill_may_be_repeated_when_the_last_one_ended() {
    let drill = one(missed(1)).copies.remove(0).drill(&Purpose::Copy);
    let first = started(&written(next(&drill, None, &[], now())), id(7), now());
    let listed = |state| vec![copy(7, 1, state, "2026-11-10T12:00:01Z")];
    assert_eq!(next(&drill, Some(&first), &listed(JobState::Running), now()), Step::UnderWay(id(7)));
    let second = written(next(&drill, Some(&first), &listed(JobState::Completed), now()));
    assert_eq!((second.attempt, second.id.as_str()), (2, first.id.as_str()));
    let noted = first.ended(Ended {
        job_id: id(7),
        at: now(),
        state: JobState::Completed,
        took_seconds: Some(90),
        status_message: None,
        made: None,
        gone_at: None,
    });
    assert_eq!(written(next(&drill, Some(&noted), &listed(JobState::Completed), now())).attempt, 2);
    assert_ne!(crate::drill::record::id(&Purpose::CopyBack, &drill.order), first.id);
    assert_ne!(id_of_message(&Purpose::Copy, "m-1"), id_of_message(&Purpose::Copy, "m-2"));
    assert_ne!(id_of_message(&Purpose::Copy, "m-1"), id_of_message(&Purpose::CopyBack, "m-1"));
}

#[test]
fn a_record_of_an_earlier_release_is_read() {
    let kept = r#"{"id":"dr-1","purpose":{"purpose":"copy-back"},"order":{"account":"111111111111","region":"eu-central-1",
        "source_vault":"arn:aws:backup:eu-central-1:111111111111:backup-vault:local-backups","point":"arn:aws:ec2:eu-central-1::snapshot/snap-1",
        "destination_vault":"arn:aws:backup:eu-central-1:222222222222:backup-vault:central-backups",
        "role":"arn:aws:iam::111111111111:role/backup-jobs","retention":{"delete_after_days":7}},
        "attempt":1,"state":{"state":"started","job_id":"j","at":"2026-11-10T12:00:00Z"},"revision":2}"#;
    let record = serde_json::from_str::<Record>(kept).unwrap();
    assert_eq!((copied(&record.order).retention.days(), record.job_id()), (7, Some(&JobId::from("j".to_owned()))));
    assert!(matches!(record.state, State::Started { .. }) && record.left_over().is_none());
}
