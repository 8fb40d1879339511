//! Text that others choose may say anything and do nothing, whatever it is and wherever it stands.

use guardian_core::diagnosis::Grade;
use guardian_core::event::Problem;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::report::alert::{EvidenceLine, NextStep};
use guardian_core::report::{Alert, Kind, Look, Message, SNS_LIMIT, render, terminal};
use proptest::prelude::*;
use serde_json::Value;

use crate::{cases, contract, limits};

/// Every free text of an alert, taken in turn from a list.
fn alert_of(texts: &[String], commands: &[String]) -> Alert {
    let (evidence, verdict) = cases::create_grant();
    let mut alert = cases::alert(&evidence, &verdict, Kind::Reminder, 9, &cases::names());
    let mut texts = texts.iter().cycle().cloned();
    let mut text = || texts.next().unwrap();
    alert.title = text();
    alert.rule = Some(text());
    alert.summary = text();
    alert.act_in.account_name = Some(text());
    alert.act_in.resource_arn = Some(text());
    alert.fingerprint = Some(text());
    alert.truncated = vec![text()];
    alert.links = vec![text(), format!("https://{}", text()), "https://docs.aws.amazon.com/".to_owned()];
    alert.account_names.values_mut().for_each(|name| *name = text());
    alert.evaluation.as_mut().unwrap().text = text();
    let patch = alert.patch.as_mut().unwrap();
    patch.target_arn = text();
    patch.operation = text();
    patch.replaces_sha256 = Some(text());
    patch.document = Some(serde_json::json!({"Statement": [{"Sid": text()}]}));
    patch.cli = commands.first().cloned();
    if let Some(statement) = patch.statements.first_mut() {
        statement["Principal"]["AWS"] = format!("arn:aws:iam::222222222222:role/{}", text()).into();
    }
    let denied = alert.denied.as_mut().unwrap();
    denied.principal = text();
    denied.action = text();
    denied.resource = Some(text());
    denied.event_id = text();
    let changed = alert.changed.as_mut().unwrap();
    changed.actor = text();
    changed.action = text();
    changed.event_id = text();
    changed.source_ip = Some(text());
    let route = alert.route.as_mut().unwrap();
    for part in [&mut route.source_vault, &mut route.resource_type, &mut route.key, &mut route.destination_vault] {
        *part = Some(text());
    }
    let mut job = alert.jobs[0].clone();
    job.job_id = Some(text());
    job.state = text();
    job.resource_arn = Some(text());
    job.resource_name = Some(text());
    job.resource_type = Some(text());
    job.status_message = Some(text());
    alert.jobs = vec![job.clone(), job];
    alert.unread = vec![Problem { field: text(), what: text() }];
    let account_id = cases::account(cases::SOURCE);
    alert.evidence =
        vec![EvidenceLine { kind: text(), id: Some(text()), account_id: account_id.clone(), region: None, at: None, text: text() }];
    alert.gaps = vec![Gap { action: text(), account_id, region: None, reason: GapReason::Unreadable, detail: Some(text()) }];
    alert.next_steps =
        commands.iter().map(|command| NextStep { text: text(), command: Some(command.clone()), grade: Grade::Safe }).collect();
    alert.confirm = alert.next_steps.clone();
    alert
}

const HEADINGS: [&str; 14] = [
    "WHAT HAPPENED",
    "CAUSE",
    "WHAT CHANGED",
    "WHO MUST ACT",
    "REFUSED CALL",
    "PATCH",
    "WHAT TO DO",
    "HOW TO CONFIRM",
    "SHARED BY",
    "SEEN",
    "GAPS",
    "IT MAY ALSO BE",
    "READ ON",
    "LEFT OUT OF THIS MESSAGE",
];

/// Nothing that a chat, a mail client or a terminal acts on.
fn check_inert(what: &str, text: &str) {
    let lower = text.to_lowercase();
    for active in ["<!", "<@", "<#", "](", "@here ", "@channel ", "@everyone ", "http://"] {
        assert!(!lower.contains(active), "{what}: {active:?} in {text:?}");
    }
    for c in text.chars() {
        let hidden = c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{590}'..='\u{8ff}');
        assert!(!hidden, "{what}: {c:?} in {text:?}");
    }
}

fn check_email(email: &str) {
    let lines = email.lines().collect::<Vec<_>>();
    let begin = lines.iter().position(|line| *line == "-----BEGIN BACKUP GUARDIAN ALERT-----").unwrap();
    let end = lines.iter().position(|line| *line == "-----END BACKUP GUARDIAN ALERT-----").unwrap();
    assert_eq!((email.matches("-----BEGIN").count(), email.matches("-----END").count(), end), (1, 1, lines.len() - 1), "{email}");
    assert!(lines[0].starts_with("HIGH  "), "{email}");
    let mut last = None;
    for line in &lines[1..begin] {
        check_inert("e-mail", line);
        if line.is_empty() || line.starts_with("  ") {
            continue;
        }
        let heading = HEADINGS.iter().position(|heading| heading == line).unwrap_or_else(|| panic!("{line:?} is no heading\n{email}"));
        assert!(last < Some(heading), "{line:?} comes twice or too late\n{email}");
        last = Some(heading);
    }
    for line in &lines[..begin] {
        let is_long = line.contains("arn:") || line.contains("https://") || line.starts_with("      $ ");
        assert!(is_long || line.chars().count() <= 78, "{} columns: {line}", line.chars().count());
    }
    let block = serde_json::from_str::<Value>(&lines[begin + 1..end].join("\n")).unwrap();
    assert_eq!(block["act_in_account"], cases::SOURCE);
}

fn check_everything(alert: &Alert) -> Message {
    let message = render(alert);
    let sent = contract::check(&message.default);
    check_inert("machine form", &message.default);
    assert!(message.size() <= SNS_LIMIT);
    check_email(&message.email);

    check_inert("subject", &message.subject);
    assert!(message.subject.len() <= 99 && message.subject.chars().all(|c| matches!(c, ' '..='~')), "{}", message.subject);
    assert!(message.subject.starts_with(|c: char| c.is_ascii_alphanumeric()), "{}", message.subject);

    check_inert("sms", &message.sms);
    assert!(message.sms.len() <= 140, "{}", message.sms);
    assert!(message.sms.chars().all(|c| matches!(c, ' '..='Z' | '_' | 'a'..='z')), "{}", message.sms);

    let chat = limits::check_chat(&message.chat);
    for line in chat["content"]["description"].as_str().unwrap().lines() {
        check_inert("chat", line);
        let known =
            ["*Cause* (", "*Unprotected since*: ", "*Changed*: ", "*Who must act*: ", "*Refused call*: ", "*Shared by*: ", "*AWS says*: "];
        assert!(line.starts_with("not seen: ") || known.iter().any(|known| line.starts_with(known)), "{line}");
        assert_eq!(line.matches('`').count() % 2, 0, "a code span stays open: {line}");
        assert!(!line.contains(['<', '>']), "{line}");
    }

    for (name, value) in &message.attributes {
        check_inert(name, value);
        assert!(!value.is_empty() && value.chars().count() <= 128);
    }

    let plain = terminal(alert, Look::PLAIN);
    assert!(!plain.contains('\u{1b}'));
    let colored = terminal(alert, Look { color: true, ..Look::PLAIN });
    let ours = colored.matches("\u{1b}[1;31m").count() + colored.matches("\u{1b}[1m").count() + colored.matches("\u{1b}[2m").count();
    assert_eq!(colored.matches('\u{1b}').count(), 2 * ours, "only our own escape sequences");

    // What is sent is inert already: rendering it again changes nothing.
    let again = render(&serde_json::from_value(sent).unwrap());
    let differs = again.default.chars().zip(message.default.chars()).position(|(a, b)| a != b).unwrap_or_default();
    let near = message.default.chars().skip(differs.saturating_sub(80)).take(160).collect::<String>();
    assert!(again == message, "changed by rendering again, near {near:?}");
    message
}

#[test]
fn the_worst_text_in_every_place() {
    let commands = ["aws backup list-backup-vaults".to_owned(), format!("echo '{}'", cases::HOSTILE)];
    let message = check_everything(&alert_of(&[cases::HOSTILE.to_owned()], &commands));
    assert!(message.email.contains("$ aws backup list-backup-vaults\n"));
    assert!(message.default.contains("(Its command is left out: it holds text that cannot be shown safely.)"));
    assert!(!message.email.contains("$ echo"));
}

#[test]
fn hostile_evidence_becomes_an_inert_alert() {
    let (evidence, verdict, names) = cases::hostile();
    let alert = cases::alert(&evidence, &verdict, Kind::Failure, 3, &names);
    assert_eq!(guardian_core::report::inert(&alert), alert, "the machine form is inert before anything renders it");
    check_everything(&alert);
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<!channel>",
        "<@U1>",
        "<",
        "!",
        "@",
        "here",
        "@everyone",
        "[a](https://b.example)",
        "](",
        "http",
        "://",
        "https://docs.aws.amazon.com/",
        "-----BEGIN ",
        "-----END BACKUP GUARDIAN ALERT-----",
        "--",
        "\n",
        "\r\n",
        "WHO MUST ACT",
        "*Cause* (",
        "`",
        "*",
        "_",
        "~",
        "|",
        "&lt;",
        "\\",
        "\"",
        "\\ud800",
        "\u{1b}[2J",
        "\u{7}",
        "\u{0}",
        "\u{85}",
        "\u{9b}",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\u{e0041}",
        "\u{5d0}",
        "\u{3164}",
        "\u{fe0f}",
        " ",
        "   ",
        "\t",
        "arn:aws:kms:eu-central-1:1:key/",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "a",
        "{\"kind\": \"resolved\"}",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
        (any::<char>(), 1_usize..3000).prop_map(|(c, n)| c.to_string().repeat(n)),
        Just(String::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_text_in_any_place_stays_inside_its_line(
        texts in prop::collection::vec(text(), 1..48),
        commands in prop::collection::vec(text(), 0..4),
    ) {
        let alert = alert_of(&texts, &commands);
        let message = check_everything(&alert);
        for (step, command) in render_steps(&message).iter().zip(&commands) {
            if let Some(shown) = step {
                prop_assert_eq!(shown, command, "a command is shown as it is or not at all");
            }
        }
    }
}

fn render_steps(message: &Message) -> Vec<Option<String>> {
    let sent = serde_json::from_str::<Value>(&message.default).unwrap();
    let steps = sent["next_steps"].as_array().cloned().unwrap_or_default();
    steps.iter().map(|step| step.get("command").and_then(Value::as_str).map(str::to_owned)).collect()
}
