//! The look at the alarm path: every trouble by name, every failed read as not checked, and nobody told twice.

mod world;

use check_alarm_path::{ItemError, Outcome};
use guardian_core::alarm_path::FORWARDED;
use guardian_core::alarm_path::facts::{Subscription, Target};
use guardian_core::evidence::GapReason;
use jiff::SignedDuration;
use serde_json::{Value, json};

use world::{
    ALERTING, ALERTS, CHAT, DEAD, DENIALS, KEY, MEMBER, OPERATIONS, PROBLEMS, QUEUE, SCHEDULE, START, State, UNDELIVERED, World, account,
    forwarder, start, statement, world,
};

fn pending() -> Subscription {
    Subscription { protocol: "email".to_owned(), endpoint: "new@example.com".to_owned(), confirmed: false }
}

fn by_sms(state: &mut State) {
    let sms = Subscription { protocol: "sms".to_owned(), endpoint: "+491".to_owned(), confirmed: true };
    state.subscriptions.get_mut(ALERTS).unwrap().push(sms);
}

/// The queue lets every rule in but one.
fn closed(state: &mut State, queue: &str) {
    let rules = json!({"ArnEquals": {"aws:SourceArn": [DENIALS, SCHEDULE]}});
    let statement = json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*", "Condition": rules});
    state.doors.insert(queue.to_owned(), Some(json!({"Statement": [statement]})));
}

fn target_of<'a>(state: &'a mut State, rule: &str) -> &'a mut Target {
    &mut state.rules.get_mut(rule).unwrap().targets[0]
}

type Change = (&'static str, fn(&mut State), &'static [&'static str]);

/// What breaks, and words that the message has for it.
const TROUBLES: &[Change] = &[
    ("topic-missing", |s| drop(s.settings.remove(ALERTS)), &[ALERTS, "does not exist", "nobody hears of failed jobs"]),
    ("topic-missing", |s| drop(s.settings.remove(CHAT)), &[CHAT]),
    ("topic-refuses-guardian", |s| s.roles.insert(ALERTING.to_owned(), statement("s3:*")).map(drop).unwrap(), &["alert topic refuses"]),
    (
        "topic-refuses-guardian",
        |s| {
            let deny = json!({"Statement": [{"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}]});
            s.settings.get_mut(CHAT).unwrap().policy = Some(deny);
        },
        &["chat topic refuses", "denied by"],
    ),
    (
        "topic-refuses-alarms",
        |s| {
            let own = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444444444444:root"}, "Action": "sns:*", "Resource": "*"}]});
            s.settings.get_mut(OPERATIONS).unwrap().policy = Some(own);
        },
        &["CloudWatch", "operations topic", "nobody hears when the guardian itself fails"],
    ),
    ("key-unusable", |s| s.key.state = Some("Disabled".to_owned()), &["is Disabled", "aws kms enable-key"]),
    (
        "key-unusable",
        |s| (s.key.state, s.key.deletion_at) = (Some("PendingDeletion".to_owned()), Some("2026-11-09T00:00:00Z".parse().unwrap())),
        &["PendingDeletion, deleted at 2026-11-09", "cancel-key-deletion"],
    ),
    ("key-refuses", |s| s.key_policy = json!({"Statement": []}), &["refuses kms:GenerateDataKey for the guardian", "kms:Decrypt"]),
    (
        "key-refuses",
        |s| s.settings.get_mut(OPERATIONS).unwrap().key = Some(KEY.to_owned()),
        &["the key of the operations topic refuses kms:GenerateDataKey for CloudWatch alarms"],
    ),
    (
        "nobody-subscribed",
        |s| s.subscriptions.get_mut(ALERTS).unwrap().clear(),
        &["nobody has a confirmed subscription to the alert topic"],
    ),
    (
        "subscription-pending",
        |s| s.subscriptions.get_mut(ALERTS).unwrap().push(pending()),
        &["new@example.com", "waits for its confirmation"],
    ),
    (
        "sms-sandbox",
        |s| {
            by_sms(s);
            s.sms.in_sandbox = Some(true);
        },
        &["SMS sandbox"],
    ),
    (
        "sms-spend-limit",
        |s| {
            by_sms(s);
            s.sms.monthly_spend_limit = None;
        },
        &["1.00 USD a month"],
    ),
    ("rule-missing", |s| drop(s.rules.remove(PROBLEMS)), &["backup-guardian-problem-events of account 444444444444", "does not exist"]),
    (
        "rule-disabled",
        |s| s.rules.get_mut(PROBLEMS).unwrap().state = "DISABLED".to_owned(),
        &[
            "is DISABLED",
            "aws events enable-rule --name backup-guardian-problem-events --event-bus-name backup-guardian --region eu-central-1",
        ],
    ),
    ("rule-disabled", |s| s.rules.get_mut(SCHEDULE).unwrap().state = "DISABLED".to_owned(), &["backup-guardian-reconcile"]),
    ("rule-blind", |s| s.rules.get_mut(DENIALS).unwrap().state = "ENABLED".to_owned(), &["read-only calls", "aws events put-rule"]),
    (
        "rule-blind",
        |s| {
            s.rules.get_mut(PROBLEMS).unwrap().pattern =
                Some(json!({"source": ["aws.backup"], "detail-type": ["Backup Job State Change", "Copy Job State Change"]}))
        },
        &["does not let through the detail-type Restore Job State Change, Scan Job State Change"],
    ),
    ("rule-blind", |s| s.rules.get_mut(DENIALS).unwrap().pattern = None, &["the source aws.kms"]),
    (
        "target-missing",
        |s| target_of(s, PROBLEMS).arn = DEAD.to_owned(),
        &["does not send to", "--targets \"Id=backup-guardian,Arn=arn:aws:sqs:eu-central-1:444444444444:work,"],
    ),
    ("no-dead-letters", |s| target_of(s, PROBLEMS).dead_letters = None, &["no dead-letter queue undelivered", "Id=t,"]),
    ("queue-refuses", |s| closed(s, QUEUE), &["the queue work refuses what the rule backup-guardian-problem-events", "nothing in"]),
    ("queue-refuses", |s| closed(s, UNDELIVERED), &["the queue undelivered refuses", "is lost without a trace"]),
    ("queue-missing", |s| s.queues.retain(|queue, _| queue != DEAD), &["the queue dead-letters does not exist"]),
    (
        "messages-stuck",
        |s| *s.queues.get_mut(UNDELIVERED).unwrap() = 1,
        &["1 message lies in undelivered", "aws sqs receive-message", "ERROR_MESSAGE"],
    ),
    ("messages-stuck", |s| *s.queues.get_mut(DEAD).unwrap() = 3, &["3 messages lie in dead-letters", "start-message-move-task"]),
    (
        "heartbeat-late",
        |s| s.beat = start() - SignedDuration::from_hours(5),
        &["reconcile-jobs has not ended its work since 2026-11-02T07:00:00Z"],
    ),
    (
        "rule-missing",
        |s| drop(s.rules.remove(&forwarder(MEMBER, FORWARDED[0].name).0)),
        &["of account 111111111111 in eu-central-1 does not exist", "agent-regional.yaml"],
    ),
    (
        "rule-disabled",
        |s| s.rules.get_mut(&forwarder(MEMBER, FORWARDED[2].name).0).unwrap().state = "DISABLED".to_owned(),
        &["completed-events of account 111111111111"],
    ),
    (
        "target-missing",
        |s| {
            target_of(s, &forwarder(MEMBER, FORWARDED[0].name).0).arn =
                "arn:aws:events:eu-central-1:999999999999:event-bus/other".to_owned()
        },
        &["999999999999"],
    ),
    (
        "target-astray",
        |s| target_of(s, &forwarder(MEMBER, FORWARDED[0].name).0).role_arn = None,
        &["with no role", "RoleArn=arn:aws:iam::111111111111:role/backup-guardian-forwarder"],
    ),
];

#[tokio::test(start_paused = true)]
async fn what_is_well_is_silent_and_shows_that_it_was_looked_at() {
    let world = world();
    assert_eq!(world.look().await, Vec::<String>::new());
    assert_eq!(world.beats(), 1);
    assert!(world.set(|state| state.kept.is_empty() && state.alerted.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn each_trouble_is_told_by_name_once_and_its_end_once() {
    for (kind, break_it, words) in TROUBLES {
        let world = world();
        world.set(break_it);
        let told = world.look().await;
        assert_eq!(told.len(), 1, "{kind}");
        for word in words.iter().chain([kind]) {
            assert!(told[0].contains(word), "`{word}` is missing: {}", told[0]);
        }
        assert!(told[0].contains("so: ") && told[0].contains("do: ") && !told[0].contains("not-checked"), "{}", told[0]);
        let counted = world.set(|state| state.metrics.iter().any(|line| line["findings"] == 1 && line["reason"] == *kind));
        assert!(counted && world.beats() == 1, "{kind}");
        // The same an hour later is no news.
        if *kind != "heartbeat-late" {
            assert_eq!(world.look().await, Vec::<String>::new(), "{kind}");
        }
        let (healthy, before) = (self::world(), world.set(|state| state.now));
        world.set(|state| {
            healthy.set(|well| {
                std::mem::swap(&mut state.settings, &mut well.settings);
                std::mem::swap(&mut state.subscriptions, &mut well.subscriptions);
                std::mem::swap(&mut state.key, &mut well.key);
                std::mem::swap(&mut state.key_policy, &mut well.key_policy);
                std::mem::swap(&mut state.roles, &mut well.roles);
                std::mem::swap(&mut state.rules, &mut well.rules);
                std::mem::swap(&mut state.queues, &mut well.queues);
                std::mem::swap(&mut state.doors, &mut well.doors);
            });
            state.beat = before;
        });
        let told = world.look().await;
        assert!(told.len() == 1 && told[0].contains("well again"), "{kind}: {told:?}");
        assert_eq!(world.look().await, Vec::<String>::new(), "{kind}");
        assert!(world.set(|state| state.kept.is_empty()), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_is_told_as_not_checked_and_never_taken_for_health() {
    let member = forwarder(MEMBER, FORWARDED[1].name).0;
    let calls = [
        ("sns:GetTopicAttributes", ALERTS),
        ("sns:ListSubscriptionsByTopic", ALERTS),
        ("sns:GetTopicAttributes", OPERATIONS),
        ("sns:GetSMSAttributes", ALERTS),
        ("kms:DescribeKey", KEY),
        ("kms:GetKeyPolicy", KEY),
        ("iam:GetRole", ALERTING),
        ("events:DescribeRule", PROBLEMS),
        ("events:DescribeRule", member.as_str()),
        ("sqs:GetQueueAttributes", DEAD),
        ("sqs:GetQueueAttributes", QUEUE),
        ("dynamodb:UpdateItem", "444444444444"),
        ("organizations:ListAccounts", "333333333333"),
        ("sts:AssumeRole", MEMBER),
    ];
    for (action, object) in calls {
        for reason in [GapReason::AccessDenied, GapReason::RoleNotAssumable, GapReason::Throttled, GapReason::TimedOut] {
            let world = world();
            world.set(by_sms);
            world.refuse(&format!("{action} of {object}"), reason);
            let told = world.look().await;
            assert_eq!(told.len(), 1, "{action} {reason:?}: {told:?}");
            for word in ["not-checked", action, reason.as_str()] {
                assert!(told[0].contains(word), "{action} {reason:?}: {}", told[0]);
            }
            assert_eq!(world.look().await, Vec::<String>::new(), "{action} {reason:?}");
            world.set(|state| state.refused.clear());
            assert!(world.look().await.concat().contains("well again"), "{action} {reason:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_broken_stays_broken_while_it_cannot_be_seen() {
    let world = world();
    world.set(|state| *state.queues.get_mut(DEAD).unwrap() = 1);
    assert_eq!(world.look().await.len(), 1);
    world.set(|state| *state.queues.get_mut(DEAD).unwrap() = 0);
    world.refuse(&format!("sqs:GetQueueAttributes of {DEAD}"), GapReason::AccessDenied);
    let told = world.look().await;
    assert!(told.len() == 1 && told[0].contains("not-checked") && told[0].contains("Told before"), "{told:?}");
    world.set(|state| state.refused.clear());
    assert!(world.look().await.concat().contains("well again"));
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_told_again_after_a_day_and_something_new_at_once() {
    let world = world();
    world.set(|state| *state.queues.get_mut(DEAD).unwrap() = 1);
    let mut told = Vec::new();
    for hour in 0..49 {
        told.extend(world.look().await.into_iter().map(|_| hour));
    }
    assert_eq!(told, [0, 24, 48]);
    world.set(|state| *state.queues.get_mut(UNDELIVERED).unwrap() = 1);
    let told = world.look().await;
    assert!(told.len() == 1 && told[0].contains("1 message lies in undelivered") && told[0].contains("Told before"), "{told:?}");
    // One of two is mended: that is no news, and the other is still there.
    world.set(|state| *state.queues.get_mut(UNDELIVERED).unwrap() = 0);
    assert_eq!(world.look().await, Vec::<String>::new());
    world.set(|state| *state.queues.get_mut(DEAD).unwrap() = 0);
    assert!(world.look().await.concat().contains("well again"));
}

#[tokio::test(start_paused = true)]
async fn where_the_operations_topic_may_not_be_heard_the_alert_topic_is_used() {
    let deaf: [fn(&World); 4] = [
        |world| world.set(|state| state.subscriptions.get_mut(OPERATIONS).unwrap().clear()),
        |world| world.set(|state| drop(state.settings.remove(OPERATIONS))),
        |world| world.refuse(&format!("sns:GetTopicAttributes of {OPERATIONS}"), GapReason::AccessDenied),
        |world| {
            world.set(|state| {
                state.operations_refuse = true;
                *state.queues.get_mut(DEAD).unwrap() = 1;
            });
        },
    ];
    for (n, break_it) in deaf.iter().enumerate() {
        let world = world();
        break_it(&world);
        world.look().await;
        let alerted = world.set(|state| std::mem::take(&mut state.alerted));
        assert_eq!(alerted.len(), 1, "{n}");
        let alert = serde_json::from_str::<Value>(&alerted[0].default).unwrap();
        assert_eq!((alert["kind"].as_str(), alert["severity"].as_str()), (Some("self-check"), Some("high")), "{n}");
        assert!(alerted[0].email.contains("operations") || alerted[0].email.contains("dead-letters"), "{}", alerted[0].email);
        assert!(alerted[0].subject.contains("alarm path"), "{}", alerted[0].subject);
        assert_eq!(world.beats(), 1, "somebody could be told");
        world.look().await;
        assert!(world.set(|state| state.alerted.is_empty()), "told twice");
    }
    // One subscriber too few is not deafness.
    let world = world();
    world.set(|state| state.subscriptions.get_mut(OPERATIONS).unwrap().push(pending()));
    assert_eq!(world.look().await.len(), 1);
    assert!(world.set(|state| state.alerted.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_told_the_heartbeat_stops_and_it_is_told_later() {
    let world = world();
    world.set(|state| {
        (state.operations_refuse, state.alerts_refuse) = (true, true);
        *state.queues.get_mut(DEAD).unwrap() = 1;
    });
    for _ in 0..3 {
        assert_eq!(world.look().await, Vec::<String>::new());
    }
    assert_eq!((world.beats(), world.set(|state| state.beats.len())), (0, 0));
    world.set(|state| (state.operations_refuse, state.alerts_refuse) = (false, false));
    let told = world.look().await;
    assert!(told.len() == 1 && told[0].contains("since 2026-11-02T12:00:00Z"), "the first time it was seen: {told:?}");
    assert_eq!(
        (world.beats(), world.set(|state| state.beats.iter().map(|(function, _)| *function).collect::<Vec<_>>())),
        (1, vec!["check-alarm-path"])
    );
    // The end is told, too, however long that takes.
    world.set(|state| {
        (state.operations_refuse, state.alerts_refuse) = (true, true);
        *state.queues.get_mut(DEAD).unwrap() = 0;
    });
    world.look().await;
    world.set(|state| state.operations_refuse = false);
    assert!(world.look().await.concat().contains("well again"));
}

#[tokio::test(start_paused = true)]
async fn without_its_memory_it_tells_at_every_look() {
    let world = world();
    world.set(|state| {
        state.memory_is_down = true;
        *state.queues.get_mut(DEAD).unwrap() = 1;
    });
    assert_eq!((world.look().await.len(), world.look().await.len()), (1, 1));
    world.set(|state| *state.queues.get_mut(DEAD).unwrap() = 0);
    assert_eq!(world.look().await, Vec::<String>::new(), "what was told before is not known: nothing is called well again");
}

#[tokio::test(start_paused = true)]
async fn what_one_invocation_has_no_time_for_is_looked_at_by_the_next() {
    let world = world();
    let members = (0..40).map(|n| format!("5{n:011}")).collect::<Vec<_>>();
    for member in &members {
        world.deploy_agents(member);
        world.set(|state| drop(state.rules.remove(&forwarder(member, FORWARDED[0].name).0)));
    }
    world.set(|state| {
        state.slow = true;
        state.accounts = members.iter().map(|member| account(member)).collect();
    });
    let Outcome::Looked { left, .. } = world.run(START, 125).await.unwrap();
    assert!(left > 0, "one invocation shows nothing");
    assert_eq!(world.beats(), 0, "it has not ended");
    let mut rest = Vec::new();
    while let Some(body) = world.set(|state| state.own.pop()) {
        rest.push(world.run(body.as_bytes(), 125).await.unwrap());
    }
    assert!(rest.len() > 1 && world.beats() == 1, "{rest:?}");
    let told = world.set(|state| state.told.iter().map(|(_, body)| body.clone()).collect::<String>());
    for member in &members {
        assert_eq!(
            told.matches(&format!("the rule backup-guardian-problem-events of account {member} in eu-central-1 does not exist\n  kind"))
                .count(),
            1,
            "{member}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_left_the_organization_is_forgotten_and_one_that_is_unreachable_stops_nobody() {
    let world = world();
    world.set(|state| state.accounts.push(account("555555555555")));
    world.refuse("sts:AssumeRole of 555555555555", GapReason::RoleNotAssumable);
    world.set(|state| state.rules.get_mut(&forwarder(MEMBER, FORWARDED[0].name).0).unwrap().state = "DISABLED".to_owned());
    let told = world.look().await;
    assert!(told.len() == 1 && told[0].contains("555555555555") && told[0].contains(MEMBER), "{told:?}");
    assert_eq!(told[0].matches("555555555555").count(), 3, "told once for all of its rules: {}", told[0]);
    world.deploy_agents(MEMBER);
    world.set(|state| drop(state.accounts.pop()));
    assert!(world.look().await.concat().contains("well again"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_left_to_another_message_brings_this_one_again() {
    let world = world();
    world.refuse(&format!("sqs:GetQueueAttributes of {DEAD}"), GapReason::Throttled);
    world.set(|state| state.queue_is_down = true);
    assert!(matches!(world.run(START, 300).await, Err(ItemError::NotSent(_))));
    assert_eq!(world.run(br#"{"source": "aws.backup"}"#, 300).await, Err(ItemError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_strangers_text_stays_inert() {
    let world = world();
    world.set(|state| {
        let endpoint = format!("x\u{1b}[2J\nFINDINGS http://evil.example {}", "y".repeat(500));
        let hostile = Subscription { protocol: "https".to_owned(), endpoint, confirmed: false };
        state.subscriptions.get_mut(ALERTS).unwrap().push(hostile);
        target_of(state, PROBLEMS).id = "x\"; rm -rf /".to_owned();
        target_of(state, PROBLEMS).dead_letters = None;
    });
    let told = world.look().await.concat();
    assert!(
        !told.contains('\u{1b}') && !told.contains("http://") && !told.contains("rm -rf") && !told.contains(&"y".repeat(200)),
        "{told}"
    );
    assert!(told.lines().all(|line| !line.starts_with("FINDINGS")), "{told}");
}
