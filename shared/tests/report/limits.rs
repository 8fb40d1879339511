//! Nothing is ever too long for its sink, and what was left out is said.

use guardian_core::diagnosis::{Candidate, Cause, Grade};
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::report::alert::{EvidenceLine, NextStep};
use guardian_core::report::{Alert, Kind, SNS_LIMIT, render};
use serde_json::Value;

use crate::{cases, contract};

fn failure() -> Alert {
    let (evidence, verdict) = cases::create_grant();
    cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names())
}

#[test]
fn a_message_that_fits_is_not_cut() {
    let mut alert = failure();
    alert.jobs[0].status_message = Some("x".repeat(150_000));
    let message = render(&alert);
    let sent = contract::check(&message.default);
    assert!(sent.get("truncated").is_none());
    assert_eq!(sent["jobs"][0]["status_message"].as_str().unwrap().len(), 150_000);
    assert!(message.email.len() < 20_000, "an e-mail quotes, it does not carry the whole");
}

#[test]
fn a_status_message_of_300_kb_is_cut_and_the_alert_says_so() {
    // Escaping is what makes it worse: a backslash is one byte in memory, two in JSON, and four in the JSON of SNS around it.
    for filler in ["x", "\"", "\\", "\u{e4}", "\u{1}", "\n", "<!channel>", "{\"a\": 1} "] {
        let (mut evidence, verdict) = cases::create_grant();
        evidence.job.status_message = Some(filler.repeat(300 * 1024 / filler.len()));
        evidence.description = guardian_core::evidence::Fact::NotAsked;
        let message = render(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names()));
        assert!(message.size() <= SNS_LIMIT, "{filler:?}: {}", message.size());
        let sent = contract::check(&message.default);
        if filler != "\n" {
            assert_eq!(sent["truncated"].as_array().unwrap().len(), 1, "{filler:?}: only the message is cut");
            assert!(sent["truncated"][0].as_str().unwrap().starts_with("status messages: 1 cut to "), "{filler:?}");
            assert!(sent["jobs"][0]["status_message"].as_str().unwrap().ends_with(" bytes in all]"), "{filler:?}");
            assert!(message.email.contains("LEFT OUT OF THIS MESSAGE"));
        }
        assert_eq!(sent["denied"]["action"], "kms:CreateGrant");
        assert_eq!(sent["evidence"].as_array().unwrap().len(), 4);
    }
}

/// An alert in which every list is long and every text is long.
fn monster() -> Alert {
    let long = "\"\\\u{e4} -".repeat(2_000);
    let mut alert = failure();
    let mut job = alert.jobs[0].clone();
    job.status_message = Some(long.clone());
    job.resource_name = Some(long.clone());
    job.resource_arn = Some(long.clone());
    alert.jobs = vec![job; 40];
    alert.jobs_total = 5000;
    alert.title = long.clone();
    alert.summary = long.clone();
    alert.rule = Some(long.clone());
    alert.fingerprint = Some(long.clone());
    alert.act_in.resource_arn = Some(long.clone());
    alert.act_in.account_name = Some(long.clone());
    alert.account_names = (0..100).map(|n| (cases::account(&format!("{:012}", 100_000_000_000_u64 + n)), long.clone())).collect();
    alert.denied.as_mut().unwrap().principal = long.clone();
    alert.changed.as_mut().unwrap().actor = long.clone();
    alert.route.as_mut().unwrap().destination_vault = Some(long.clone());
    let line = EvidenceLine {
        kind: long.clone(),
        id: Some(long.clone()),
        account_id: cases::account(cases::SOURCE),
        region: None,
        at: None,
        text: long.clone(),
    };
    alert.evidence = vec![line; 60];
    let gap = Gap {
        action: long.clone(),
        account_id: cases::account(cases::SOURCE),
        region: None,
        reason: GapReason::Throttled,
        detail: Some(long.clone()),
    };
    alert.gaps = vec![gap; 60];
    alert.candidates = vec![Candidate { cause: Cause::QuotaOrLimit, likelihood: 0.1 }; 60];
    let step = NextStep { text: long.clone(), command: Some(format!("echo '{}'", "x".repeat(4000))), grade: Grade::Safe };
    alert.next_steps = vec![step; 60];
    alert.confirm = alert.next_steps.clone();
    alert.links = vec![format!("https://docs.aws.amazon.com/{}", "x".repeat(2000)); 60];
    alert
}

#[test]
fn the_worst_alert_still_fits_and_says_everything_that_it_lost_in_the_fixed_order() {
    let message = render(&monster());
    assert!(message.size() <= SNS_LIMIT, "{}", message.size());
    let sent = contract::check(&message.default);
    insta::assert_snapshot!("monster-truncated", serde_json::to_string_pretty(&sent["truncated"]).unwrap());
    assert_eq!(sent["jobs_total"], 5000, "numbers are never cut");
    assert_eq!(sent["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn the_newest_20_jobs_are_kept_and_the_rest_is_counted() {
    let mut alert = failure();
    alert.jobs =
        (0..30).map(|n| guardian_core::report::alert::AlertJob { job_id: Some(format!("job-{n}")), ..alert.jobs[0].clone() }).collect();
    alert.jobs_total = 30;
    let sent = contract::check(&render(&alert).default);
    assert_eq!(sent["jobs"].as_array().unwrap().len(), 20);
    assert_eq!(sent["jobs"][0]["job_id"], "job-0");
    assert_eq!(sent["truncated"], serde_json::json!(["jobs beyond the newest 20: 10 left out"]));
}

#[test]
fn a_command_is_never_cut() {
    let command = format!("aws kms put-key-policy --policy '{}'", "x".repeat(3000));
    for size in [10, 60_000] {
        let mut alert = failure();
        alert.next_steps[0].command = Some(command.clone());
        alert.next_steps[0].text = "\"".repeat(size);
        alert.summary = "\"".repeat(size);
        let message = render(&alert);
        assert!(message.size() <= SNS_LIMIT);
        let sent = contract::check(&message.default);
        let step = &sent["next_steps"][0];
        match step.get("command").and_then(Value::as_str) {
            Some(kept) => assert_eq!(kept, command),
            None => assert!(step["text"].as_str().unwrap().contains("Its command is left out")),
        }
        assert_eq!(step.get("command").is_some(), size == 10);
    }
}

/// Limits of the custom notification: <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>.
pub(crate) fn check_chat(chat: &str) -> Value {
    let chat = serde_json::from_str::<Value>(chat).unwrap();
    let content = &chat["content"];
    let length = |value: &Value| value.as_str().unwrap().chars().count();
    assert_eq!((&chat["version"], &chat["source"]), (&Value::from("1.0"), &Value::from("custom")));
    assert!((1..=250).contains(&length(&content["title"])));
    assert!((1..=8000).contains(&length(&content["description"])));
    assert!(content["nextSteps"].as_array().unwrap().iter().all(|step| length(step) <= 350));
    assert!(content["keywords"].as_array().unwrap().iter().all(|keyword| length(keyword) <= 75));
    assert!(chat["metadata"]["additionalContext"].as_object().unwrap().values().all(Value::is_string));
    chat
}

#[test]
fn chat_subject_and_sms_hold_their_limits_for_the_worst_alert() {
    for alert in [failure(), monster()] {
        let message = render(&alert);
        check_chat(&message.chat);
        assert!(message.chat.len() < SNS_LIMIT);
        assert!(message.subject.len() <= 99 && message.sms.len() <= 140);
        assert!(message.subject.contains(cases::SOURCE) && message.sms.contains(cases::SOURCE), "the account survives every cut");
        assert!(message.sms.contains("kms-key-policy-missing-destination"));
    }
}

#[test]
fn every_cause_state_and_severity_leaves_room_for_cause_and_account_in_an_sms() {
    use guardian_core::diagnosis::Severity;
    for cause in Cause::ALL {
        for severity in [Severity::Info, Severity::Critical] {
            for kind in [Kind::Failure, Kind::Upgrade, Kind::Reminder] {
                for state in ["FAILED", "COMPLETED_WITH_ISSUES", "", "A_STATE_THAT_NOBODY_EVER_SAW_BEFORE_IN_AWS_BACKUP"] {
                    let mut alert = failure();
                    alert.cause = *cause;
                    alert.severity = severity;
                    alert.kind = kind;
                    alert.jobs[0].state = state.to_owned();
                    let sms = render(&alert).sms;
                    assert!(sms.len() <= 140 && sms.contains(cause.label()) && sms.contains(cases::SOURCE), "{sms}");
                }
            }
        }
    }
}
