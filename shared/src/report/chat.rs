//! Custom notification of Amazon Q Developer in chat applications
//! (<https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>), within its limits.
//!
//! The service reads Markdown, so every value that others chose stands in a code span or has the active characters replaced by look-alikes.

use serde_json::{Map, Value, json};

use super::alert::{Alert, NextStep};
use super::words::{self, cut};
use super::{Kind, email, message};

const LONGEST_TITLE: usize = 250;
const LONGEST_DESCRIPTION: usize = 8_000;
const LONGEST_STEP: usize = 350;
const LONGEST_KEYWORD: usize = 75;
/// Steps and gaps that a chat shows; the e-mail has all of them.
const MOST: usize = 8;

/// The notification of an alert whose texts are inert.
pub(super) fn chat(alert: &Alert) -> String {
    let title = email::title(alert, super::layout::COLUMNS).iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let resources = [
        alert.jobs.first().and_then(|job| job.resource_arn.as_ref()),
        alert.act_in.resource_arn.as_ref(),
        alert.route.as_ref().and_then(|route| route.destination_vault.as_ref()),
    ];
    let mut related = resources.into_iter().flatten().filter(|arn| arn.len() <= 2048).map(|arn| plain(arn)).collect::<Vec<_>>();
    related.sort();
    related.dedup();
    let mut context =
        message::attributes(alert).into_iter().map(|(name, value)| (name.to_owned(), plain(&value).into())).collect::<Map<_, _>>();
    if let Some(id) = alert.jobs.first().and_then(|job| job.job_id.as_ref()) {
        context.insert("job_id".to_owned(), plain(&cut(id, 128)).into());
    }
    json!({
        "version": "1.0",
        "source": "custom",
        "id": format!("{}-{}", alert.incident_id, alert.kind.as_str()),
        "content": {
            "textType": "client-markdown",
            "title": cut(&plain(&title), LONGEST_TITLE),
            "description": description(alert),
            "nextSteps": alert.next_steps.iter().chain(&alert.confirm).take(MOST).map(step).collect::<Vec<_>>(),
            "keywords": ([alert.severity.as_str(), alert.cause.label(), alert.certainty.as_str(), alert.kind.as_str()]
                .map(|keyword| cut(keyword, LONGEST_KEYWORD))),
        },
        "metadata": {
            "threadId": alert.incident_id.as_str(),
            "summary": cut(&plain(&alert.summary), LONGEST_TITLE),
            "eventType": alert.kind.as_str(),
            "relatedResources": related,
            "additionalContext": Value::Object(context),
        },
    })
    .to_string()
}

/// The essence, one line per question; whole lines are left out where the limit is reached.
fn description(alert: &Alert) -> String {
    if alert.kind == Kind::Storm {
        return storm(alert);
    }
    if matches!(alert.kind, Kind::SelfCheck | Kind::Sweep) {
        let found = alert.evidence.iter().map(|line| plain(&cut(&line.text, 600)));
        return lines_within(std::iter::once(plain(&alert.summary)).chain(found).collect());
    }
    let mut lines = words::closed(alert).map(|closed| plain(&closed)).into_iter().collect::<Vec<_>>();
    if let Some(actor) = &alert.actor {
        lines.push(plain(&cut(&alert.summary, 1500)));
        lines.push(format!("*By*: {}", code(&cut(actor, 300))));
        lines.extend(alert.changes.iter().rev().take(MOST).map(|done| {
            let account = plain(&words::account(alert, &done.account_id));
            format!("*{}*: {} ({account}, {})", words::second(done.at), plain(&cut(&done.text, 600)), done.region)
        }));
        return lines_within(lines);
    }
    lines.push(format!("*Cause* ({}): {}", words::certainty(alert), cut(&plain(&alert.summary), 1500)));
    if let Some(since) = alert.impact.as_ref().and_then(|impact| impact.unprotected_since) {
        lines.push(format!("*Unprotected since*: {} at the latest", words::minute(since)));
    }
    if let Some(changed) = &alert.changed {
        let action = code(&cut(&changed.action, 100));
        lines.push(format!("*Changed*: {action} by {} at {}", code(&cut(&changed.actor, 300)), words::second(changed.at)));
    }
    let region = alert.act_in.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
    let object = alert.act_in.resource_arn.as_ref().map(|arn| format!(", {}", code(arn))).unwrap_or_default();
    lines.push(format!("*Who must act*: {}{region}{object}", plain(&words::acting_account(alert))));
    if let Some(denied) = &alert.denied {
        let on = denied.resource.as_ref().map(|arn| format!(" on {}", code(&cut(arn, 600)))).unwrap_or_default();
        lines.push(format!(
            "*Refused call*: {}{on} for {}, recorded in {}, {}",
            code(&cut(&denied.action, 100)),
            code(&cut(&denied.principal, 600)),
            plain(&words::account(alert, &denied.recorded_in)),
            denied.region
        ));
    }
    if alert.jobs_total > 1 {
        lines.push(format!("*Shared by*: {}", words::count(alert.jobs_total, "job")));
    }
    if let Some(message) = alert.jobs.first().and_then(|job| words::said(alert, job)) {
        lines.push(format!("*AWS says*: {}", code(&cut(message, 600))));
    }
    lines.extend(alert.gaps.iter().take(MOST).map(|gap| plain(&words::gap(alert, gap))));
    lines_within(lines)
}

/// A digest: one line per incident.
fn storm(alert: &Alert) -> String {
    let mut lines = vec![plain(&alert.summary)];
    for line in &alert.incidents {
        let jobs = words::count(line.jobs_total, "job");
        lines.push(format!("{}: {} ({jobs}, `{}`)", line.severity.as_str(), plain(&cut(&line.title, 200)), line.incident_id));
    }
    lines.extend(alert.report_uri.as_ref().map(|uri| format!("*All job ids*: {}", code(uri))));
    lines_within(lines)
}

fn lines_within(lines: Vec<String>) -> String {
    let mut text = String::new();
    for line in lines {
        if text.chars().count() + line.chars().count() + 1 > LONGEST_DESCRIPTION {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

/// A step with its command where it fits as it is; a command is never cut or changed.
fn step(step: &NextStep) -> String {
    let text = plain(&step.text);
    let command = step
        .command
        .as_ref()
        .filter(|command| !command.contains(['`', '<', '>', '&']))
        .map(|command| format!(" `{command}`"))
        .filter(|command| text.chars().count() + command.chars().count() <= LONGEST_STEP);
    match (command, &step.command) {
        (Some(command), _) => format!("{text}{command}"),
        (None, Some(_)) => format!("{} (command: see the e-mail)", cut(&text, LONGEST_STEP - 29)),
        (None, None) => cut(&text, LONGEST_STEP),
    }
}

/// Prose: characters that Markdown or Slack act on become look-alikes.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '`' => '\'',
            '<' => '\u{2039}',
            '>' => '\u{203a}',
            '[' => '(',
            ']' => ')',
            '*' => '\u{2217}',
            '~' => '\u{223c}',
            '|' => '\u{2223}',
            '&' => '+',
            other => other,
        })
        .collect()
}

/// A value in a code span.
fn code(text: &str) -> String {
    let inner = text.chars().map(|c| match c {
        '`' => '\'',
        '<' => '\u{2039}',
        '>' => '\u{203a}',
        '&' => '+',
        other => other,
    });
    format!("`{}`", inner.collect::<String>())
}
