//! The machine form keeps its contract: the committed schema, the attributes, and fields that are absent where nothing is known.

use std::sync::LazyLock;

use guardian_core::arn::Arn;
use guardian_core::diagnosis::Cause;
use guardian_core::event::JobState;
use guardian_core::evidence::{Fact, Key};
use guardian_core::incident::{Acknowledgement, Closing, Incident};
use guardian_core::report::{Alert, Kind, Listed, Names, Report, again, render, schema, tamper};
use serde_json::{Value, json};

use crate::cases;

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str::<Value>(schema::ALERT_V1).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
});

/// Checks a machine form against the committed schema, formats included.
pub(crate) fn check(machine_form: &str) -> Value {
    let alert = serde_json::from_str::<Value>(machine_form).unwrap();
    let errors = VALIDATOR.iter_errors(&alert).map(|error| error.instance_path.to_string()).collect::<Vec<_>>();
    assert!(errors.is_empty(), "not valid at {errors:?}");
    alert
}

#[test]
fn the_report_object_keeps_its_schema_and_nothing_hostile_is_alive_in_it() {
    let schema = serde_json::from_str::<Value>(schema::REPORT_V1).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let (evidence, verdict, names) = cases::hostile();
    let alert = cases::alert(&evidence, &verdict, Kind::Failure, 2, &names);
    let now = evidence.now;
    let incident = Incident {
        jobs_total: 2,
        members_total: 1,
        acknowledged: Some(Acknowledgement { owner: "sam\u{202e}".to_owned(), reason: "\u{1b}[31m".to_owned(), until: now }),
        closed: Some(Closing { owner: "sam\u{202e}".to_owned(), reason: "\u{1b}[31m".to_owned(), at: now, opening: 1 }),
        ..Incident::unseen(alert.incident_id.clone(), now)
    };
    let jobs = ["111111111111/eu-central-1/copy/4711".to_owned(), "111111111111/eu-central-1/backup/a/b\u{7}".to_owned()];
    let listed = Listed::of(&incident, &alert, &jobs);
    assert_eq!(listed.jobs.len(), jobs.len(), "no job is left out");
    for report in [Report::of_incident(listed.clone(), now), Report::of_digest(&alert.incident_id, vec![listed], now)] {
        let body = serde_json::from_str::<Value>(&report.body()).unwrap();
        let errors = validator.iter_errors(&body).map(|error| error.to_string()).collect::<Vec<_>>();
        assert!(errors.is_empty(), "{errors:?}");
        // JSON would write them as escapes, which whoever prints them brings to life.
        assert!(["\\u001b", "\\u0007", "\u{202e}"].iter().all(|alive| !report.body().contains(alive)), "{}", report.body());
        assert!(!validator.is_valid(&json!({"schema": body["schema"], "at": body["at"]})), "a report without incidents is none");
    }
}

#[test]
fn tampering_keeps_the_schema_names_where_it_was_done_and_has_nothing_alive_in_it() {
    let now = cases::at("2026-11-02T14:20:00Z");
    for (vault, session) in [("central-vault", "anna"), ("x\u{202e} -----END https://evil.example/ <!channel>", "@everyone\u{1b}[31m")] {
        let incident = cases::tampered(vault, session);
        let message = render(&tamper(&incident, now).unwrap());
        let alert = check(&message.default);
        assert_eq!((&alert["kind"], &alert["severity"]), (&json!("tamper"), &json!("critical")));
        let texts = [&message.default, &message.email, &message.sms, &message.chat, &message.subject];
        for alive in ["\u{202e}", "\u{1b}", "\\u001b", "https://evil", "<!channel>", "@everyone"] {
            assert!(texts.iter().all(|text| !text.contains(alive)), "{alive}");
        }
        let attribute = |name: &str| message.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str());
        assert_eq!((attribute("source_account"), attribute("region")), (Some("222222222222"), Some("eu-central-1")));
        assert!(message.sms.len() <= 140 && message.subject.len() < 100, "{} {}", message.sms, message.subject);
        // Closed by a person it is over without a job.
        let closing = Closing { owner: "sam".to_owned(), reason: "it was me".to_owned(), at: now, opening: 1 };
        let over = Incident { closed: Some(closing), told: None, ..incident.clone() };
        let over = again(&tamper(&incident, now).unwrap(), Kind::Resolved, &over, None, now);
        assert!(over.title.starts_with("Closed: ") && check(&render(&over).default)["closed"]["owner"] == "sam", "{}", over.title);
    }
}

fn rejects(alert: &Value) -> bool {
    !VALIDATOR.is_valid(alert)
}

/// The last message of an incident that somebody closed, of which a job proved a part.
fn closed(owner: &str, reason: &str) -> Alert {
    let (evidence, verdict) = cases::create_grant();
    let failure = cases::alert(&evidence, &verdict, Kind::Failure, 3, &cases::names());
    let at = cases::at("2026-11-03T06:00:00Z");
    let incident = Incident {
        members_total: 2,
        members_recovered: 1,
        proved_by: Some(Box::new(failure.jobs[0].clone())),
        closed: Some(Closing { owner: owner.to_owned(), reason: reason.to_owned(), at, opening: 1 }),
        ..Incident::unseen(failure.incident_id.clone(), cases::at("2026-11-02T05:37:40Z"))
    };
    again(&failure, Kind::Resolved, &incident, None, at)
}

#[test]
fn a_closed_incident_says_who_closed_it_and_why_and_nowhere_that_it_recovered() {
    let message = render(&closed("sam", "begun anew, CHG-4711"));
    let alert = check(&message.default);
    assert_eq!(alert["kind"], "resolved");
    assert_eq!(alert["title"], "Closed: copy failed: payroll-data (EBS) of account payroll-prod (111111111111)");
    assert_eq!(alert["closed"], json!({"owner": "sam", "reason": "begun anew, CHG-4711", "at": "2026-11-03T06:00:00Z"}));
    assert!(alert.get("proved_by").is_none() && alert["impact"].get("uncopied_total").is_none());
    let said = "Closed by sam: begun anew, CHG-4711 (2026-11-03 06:00 UTC).";
    for text in [&message.email, &message.chat] {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(said), "{text}");
    }
    for text in [&message.email, &message.chat, &message.sms, &message.subject] {
        assert!(!text.to_lowercase().contains("recover") && !text.contains("Resolved") && !text.contains("Still open"), "{text}");
    }
    assert!(message.sms.starts_with("INFO Closed: copy failed: ") && message.subject.starts_with("INFO Closed: copy failed: "));
    check(&render(&closed("", "\n")).default);
}

fn every_case() -> Vec<Alert> {
    let (evidence, verdict, hostile) = cases::hostile();
    let mut alerts = vec![cases::alert(&evidence, &verdict, Kind::Failure, 3, &hostile), closed("\u{1b}[1m", "\u{202e}")];
    let all = [
        cases::create_grant(),
        cases::suspected(),
        cases::unexplained(),
        cases::degraded(),
        cases::threats(),
        cases::expired(),
        cases::management(),
    ];
    for (evidence, verdict) in &all {
        for kind in [Kind::Failure, Kind::Upgrade, Kind::Reminder, Kind::Recovering, Kind::Resolved] {
            for names in [Names::default(), cases::names()] {
                alerts.push(cases::alert(evidence, verdict, kind, 1, &names));
            }
        }
    }
    alerts
}

#[test]
fn every_alert_validates_and_reads_back_as_itself() {
    for alert in every_case() {
        let message = render(&alert);
        check(&message.default);
        assert_eq!(serde_json::from_str::<Alert>(&message.default).unwrap(), alert);
        assert_eq!(render(&alert), message, "rendering is a function");
    }
}

/// Every member of a value is described: a field cannot be added to the code alone.
pub(crate) fn described(schema: &Value, root: &Value, value: &Value, path: &str) {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    // A language of its own, described elsewhere.
    if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let found = schema.get("properties").and_then(|properties| properties.get(name));
                let found = found.or_else(|| schema.get("additionalProperties"));
                let found = found.unwrap_or_else(|| panic!("{path}/{name} is not in the schema"));
                described(found, root, member, &format!("{path}/{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| described(&schema["items"], root, item, path)),
        _ => {}
    }
}

#[test]
fn the_schema_describes_every_member() {
    let schema = serde_json::from_str::<Value>(schema::ALERT_V1).unwrap();
    for alert in every_case() {
        described(&schema, &schema, &serde_json::to_value(alert).unwrap(), "");
    }
}

#[test]
fn the_schema_knows_every_cause() {
    let schema = serde_json::from_str::<Value>(schema::ALERT_V1).unwrap();
    let causes = Cause::ALL.iter().map(|cause| cause.label()).collect::<Vec<_>>();
    assert_eq!(schema["properties"]["cause"]["enum"], json!(causes), "add the new label to the enum of `cause` in alert-v1.schema.json");
}

#[test]
fn the_schema_says_no_to_what_is_not_an_alert() {
    let (evidence, verdict) = cases::create_grant();
    let good = serde_json::to_value(cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names())).unwrap();
    assert!(!rejects(&good));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut alert = good.clone();
        change(&mut alert);
        alert
    };
    let bad = [
        with(&|alert| alert["schema"] = json!("backup-guardian/alert/v2")),
        with(&|alert| alert["kind"] = json!("resolved")),
        with(&|alert| alert["closed"] = json!({"owner": "sam", "reason": "r", "at": "2026-11-02T05:37:21Z"})),
        with(&|alert| alert["kind"] = json!("tamper")),
        with(&|alert| alert["kind"] = json!("storm")),
        with(&|alert| alert["kind"] = json!("prediction")),
        with(&|alert| alert["cause"] = json!("bad-luck")),
        with(&|alert| alert["jobs"] = json!([])),
        with(&|alert| alert["jobs_total"] = json!(0)),
        with(&|alert| alert["denied"]["event_time"] = json!("yesterday")),
        with(&|alert| alert["denied"]["event_time"] = json!("2026-11-02T05:37:21+01:00")),
        with(&|alert| alert["act_in"]["account_id"] = json!("me")),
        with(&|alert| alert["links"] = json!(["javascript:alert(1)"])),
        with(&|alert| drop(alert.as_object_mut().unwrap().remove("act_in"))),
        with(&|alert| drop(alert.as_object_mut().unwrap().remove("gaps"))),
    ];
    for alert in bad {
        assert!(rejects(&alert), "{alert:#}");
    }
}

#[test]
fn what_is_not_known_is_absent_everywhere() {
    let (evidence, verdict) = cases::degraded();
    let message = render(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &Names::default()));
    let alert = check(&message.default);
    for member in ["denied", "changed", "impact", "rule", "proved_by", "opened_at", "account_names", "truncated", "candidates"] {
        assert!(alert.get(member).is_none(), "{member}");
    }
    assert!(!message.default.contains("null") && !message.default.contains("\"\"}"));
    let attributes = message.attributes.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(attributes, ["kind", "severity", "cause", "certainty", "source_account", "region", "incident_id"]);
}

#[test]
fn a_resolved_alert_names_the_job_that_proves_it_and_claims_no_hole() {
    let (mut evidence, verdict) = cases::create_grant();
    evidence.job.state = JobState::Completed;
    evidence.job.status_message = None;
    let alert = check(&render(&cases::alert(&evidence, &verdict, Kind::Resolved, 7, &cases::names())).default);
    assert_eq!(alert["title"], "Resolved: copy completed: payroll-data (EBS) of account payroll-prod (111111111111)");
    assert_eq!(alert["proved_by"]["job_id"], "47c8ef56-74d8-059d-1301-c5be1d5c926e");
    assert!(alert.get("impact").is_none());
}

#[test]
fn a_change_after_the_failure_or_of_another_object_is_not_what_changed() {
    let (evidence, mut verdict) = cases::create_grant();
    let changed = |verdict: &_| cases::alert(&evidence, verdict, Kind::Failure, 1, &cases::names()).changed.map(|changed| changed.event_id);
    assert_eq!(changed(&verdict).as_deref(), Some("5f1d7a60-2c0b-4b8f-9a51-6c2f0f7b8d21"));
    verdict.act_in.resource_arn = Some(cases::VOLUME.to_owned());
    assert_eq!(changed(&verdict), None);
}

#[test]
fn two_keys_of_two_accounts_are_told_each_with_its_account() {
    let (mut evidence, verdict) = cases::create_grant();
    let (Fact::Known { value, source, at }, theirs) = (evidence.source_key.clone(), "arn:aws:kms:eu-central-1:222222222222:key/1") else {
        panic!("the case has a source key")
    };
    let key = Key { arn: Arn::parse(theirs).unwrap(), ..value };
    evidence.destination_key = Fact::Known { value: key, source, at };
    let alert = cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names());
    let told = alert.evidence.iter().filter(|line| line.id.as_deref() == Some("kms:DescribeKey")).collect::<Vec<_>>();
    assert_eq!(told.iter().map(|line| line.account_id.to_string()).collect::<Vec<_>>(), ["111111111111", "222222222222"]);
    assert!(told.iter().all(|line| line.text.contains(&format!(":{}:key/", line.account_id))), "{told:?}");
}

#[test]
fn a_patch_that_lets_a_whole_account_in_does_not_claim_that_nobody_else_gets_anything() {
    let (evidence, mut verdict) = cases::create_grant();
    let email = |verdict: &_| render(&cases::alert(&evidence, verdict, Kind::Failure, 1, &cases::names())).email.replace("\n  ", " ");
    assert!(email(&verdict).contains("nobody else gets anything"));
    for principal in [json!("arn:aws:iam::222222222222:root"), json!(["arn:aws:iam::222222222222:root"])] {
        verdict.patch.as_mut().unwrap().statements =
            vec![json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:CreateGrant"})];
        let text = email(&verdict);
        assert!(text.contains("no other account gets anything") && !text.contains("nobody else"), "{text}");
    }
}

#[test]
fn the_body_for_sns_is_an_object_of_strings_with_a_default() {
    let (evidence, verdict) = cases::create_grant();
    let message = render(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names()));
    let body = serde_json::from_str::<Value>(&message.sns_body()).unwrap();
    assert_eq!(body, json!({ "default": message.default, "email": message.email, "sms": message.sms }));
    assert!(message.attributes.len() <= 10, "raw delivery to SQS carries ten");
}
