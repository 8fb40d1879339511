//! What an alert says, in the order a tired person needs it: what is unprotected, why, what changed, who must act, what to do, how to check, how
//! many share it, and what was not seen. Sinks lay the sections out; none changes their order. A section without content does not exist.

use super::Kind;
use super::alert::{Alert, AlertJob, NextStep};
use super::words::{self, cut, minute, second};
use crate::diagnosis::{Certainty, Severity};

/// Longest quotation of a text of AWS.
const QUOTE: usize = 600;
/// Lines of one kind that a person will read; the machine form has the rest.
const MOST: usize = 12;

/// A part of the message under one heading.
pub(super) struct Section {
    /// A fixed heading in capitals.
    pub(super) heading: &'static str,
    /// Its lines.
    pub(super) lines: Vec<Line>,
}

/// A line before it is laid out.
pub(super) enum Line {
    /// Prose.
    Text(String),
    /// A named value.
    Field(&'static str, String),
    /// One of several.
    Item(String),
    /// A command, never wrapped, never changed.
    Command(String),
}

/// The sections of an alert whose texts are inert.
pub(super) fn sections(alert: &Alert) -> Vec<Section> {
    [
        ("WHAT HAPPENED", what(alert)),
        ("CAUSE", cause(alert)),
        ("WHAT CHANGED", changed(alert)),
        ("WHO MUST ACT", who(alert)),
        ("REFUSED CALL", refused(alert)),
        ("WHAT TO DO", steps(&alert.next_steps, true)),
        ("HOW TO CONFIRM", steps(&alert.confirm, false)),
        ("SHARED BY", shared(alert)),
        ("SEEN", seen(alert)),
        ("NOT SEEN", not_seen(alert)),
        ("IT MAY ALSO BE", candidates(alert)),
        ("READ ON", links(alert)),
        ("LEFT OUT OF THIS MESSAGE", alert.truncated.iter().map(|cut| Line::Item(cut.clone())).collect()),
    ]
    .into_iter()
    .filter(|(_, lines)| !lines.is_empty())
    .map(|(heading, lines)| Section { heading, lines })
    .collect()
}

fn what(alert: &Alert) -> Vec<Line> {
    let mut lines = Vec::new();
    let Some(job) = alert.jobs.first() else { return lines };
    if let Some(impact) = &alert.impact {
        let missing = if job.job_type == "copy" { "Not copied" } else { "Not backed up" };
        if let Some(since) = impact.unprotected_since {
            let good = match impact.last_good_copy_at {
                Some(at) => format!("The last good one is of {}.", minute(at)),
                None => "When the last good one was made is not known here.".to_owned(),
            };
            lines.push(Line::Text(format!("{missing} since {} at the latest, when this job was created. {good}", minute(since))));
        }
    }
    if let Some(opened_at) = alert.opened_at {
        lines.push(Line::Text(format!("This incident is open since {}.", minute(opened_at))));
    }
    if let Some(arn) = &job.resource_arn {
        lines.push(Line::Field("resource", arn.clone()));
    }
    lines.push(Line::Field("job", job_text(alert, job)));
    if let Some(destination) = alert.route.as_ref().and_then(|route| route.destination_vault.as_ref()) {
        lines.push(Line::Field("to vault", destination.clone()));
    }
    if let Some(message) = &job.status_message {
        lines.push(Line::Field("AWS says", format!("\"{}\"", cut(message, QUOTE))));
    }
    if let Some(proof) = &alert.proved_by {
        lines.push(Line::Field("proved by", job_text(alert, proof)));
    }
    for problem in alert.unread.iter().take(MOST) {
        lines.push(Line::Field("unreadable", format!("{}: {}", cut(&problem.field, 100), cut(&problem.what, 200))));
    }
    more(&mut lines, alert.unread.len(), "field");
    lines
}

fn job_text(alert: &Alert, job: &AlertJob) -> String {
    let id = job.job_id.as_ref().map(|id| format!(" {}", cut(id, 100))).unwrap_or_default();
    let state = if job.state.is_empty() { "state unknown".to_owned() } else { cut(&job.state, 40) };
    let at = job.at.map(|at| format!(" at {}", second(at))).unwrap_or_default();
    format!("{}{id}, {state}{at}, {}, {}", cut(&job.job_type, 20), words::account(alert, &job.account_id), job.region)
}

fn cause(alert: &Alert) -> Vec<Line> {
    let rule = alert.rule.as_ref().map(|rule| format!(", rule {}", cut(rule, 40))).unwrap_or_default();
    let mut lines =
        vec![Line::Text(cut(&alert.summary, 1500)), Line::Text(format!("({}{rule}; {})", alert.cause, words::certainty(alert)))];
    if let Some(fingerprint) = alert.fingerprint.as_ref().filter(|_| alert.certainty == Certainty::Unexplained) {
        lines.push(Line::Field("class of text", cut(fingerprint, 100)));
    }
    lines
}

fn changed(alert: &Alert) -> Vec<Line> {
    let Some(changed) = &alert.changed else { return Vec::new() };
    let from = changed.source_ip.as_ref().map(|ip| format!(" from {}", cut(ip, 100))).unwrap_or_default();
    vec![
        Line::Text(format!("Last change before the failure: {} at {}{from}.", cut(&changed.action, 100), second(changed.at))),
        Line::Field("by", cut(&changed.actor, 300)),
        Line::Field("event", cut(&changed.event_id, 100)),
    ]
}

fn who(alert: &Alert) -> Vec<Line> {
    let account = words::acting_account(alert);
    // Nothing to change, nobody to call: a harmless outcome without steps.
    if alert.severity == Severity::Info && alert.next_steps.is_empty() {
        return vec![Line::Text(format!("Nobody: this is for information ({account})."))];
    }
    let region = alert.act_in.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
    let mut first = account.chars();
    let account = first.next().map(|c| format!("{}{}", c.to_ascii_uppercase(), first.as_str())).unwrap_or_default();
    let object = alert.act_in.resource_arn.as_ref().map(|arn| format!(", {arn}")).unwrap_or_default();
    vec![Line::Text(format!("{account}{region}{object}"))]
}

fn refused(alert: &Alert) -> Vec<Line> {
    let Some(denied) = &alert.denied else { return Vec::new() };
    let mut lines = vec![Line::Field("principal", cut(&denied.principal, 600)), Line::Field("action", cut(&denied.action, 100))];
    if let Some(resource) = &denied.resource {
        lines.push(Line::Field("on", resource.clone()));
    }
    if let Some(refusal) = words::refusal(denied.policy_type, denied.effect) {
        lines.push(Line::Field("because of", refusal));
    }
    lines.push(Line::Field("recorded in", format!("{}, {}", words::account(alert, &denied.recorded_in), denied.region)));
    lines.push(Line::Field("event", format!("{} at {}", cut(&denied.event_id, 100), second(denied.event_time))));
    lines
}

fn steps(steps: &[NextStep], graded: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for step in steps.iter().take(MOST) {
        let grade = if graded { format!(" [{}]", words::grade(step.grade)) } else { String::new() };
        lines.push(Line::Item(format!("{}{grade}", cut(&step.text, 800))));
        if let Some(command) = &step.command {
            lines.push(Line::Command(command.clone()));
        }
    }
    more(&mut lines, steps.len(), "step");
    lines
}

fn shared(alert: &Alert) -> Vec<Line> {
    if alert.jobs_total <= 1 {
        return Vec::new();
    }
    let shown = alert.jobs.len().min(MOST);
    let mut lines =
        vec![Line::Text(format!("{} in this incident so far; the newest {shown} of them:", words::count(alert.jobs_total, "job")))];
    for job in alert.jobs.iter().take(MOST) {
        lines.push(Line::Item(format!("{}: {}", words::resource(job, 48), job_text(alert, job))));
    }
    lines
}

fn seen(alert: &Alert) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in alert.evidence.iter().take(MOST) {
        let id = line.id.as_ref().map(|id| format!("{}: ", cut(id, 100))).unwrap_or_default();
        let region = line.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
        let at = line.at.map(|at| format!(", {}", second(at))).unwrap_or_default();
        lines.push(Line::Item(format!("{id}{} ({}{region}{at})", cut(&line.text, 500), words::account(alert, &line.account_id))));
    }
    more(&mut lines, alert.evidence.len(), "line");
    lines
}

fn not_seen(alert: &Alert) -> Vec<Line> {
    let mut lines = alert.gaps.iter().take(MOST).map(|gap| Line::Item(words::gap(alert, gap))).collect();
    more(&mut lines, alert.gaps.len(), "gap");
    lines
}

fn candidates(alert: &Alert) -> Vec<Line> {
    if matches!(alert.certainty, Certainty::Proven) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for candidate in alert.candidates.iter().take(MOST) {
        lines.push(Line::Item(candidate.cause.label().to_owned()));
    }
    lines
}

fn links(alert: &Alert) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(rule) = alert.rule.as_ref().filter(|rule| rule.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        lines.push(Line::Command(format!("guardian explain {}", cut(rule, 40))));
    }
    lines.extend(alert.links.iter().take(MOST).map(|link| Line::Item(link.clone())));
    if alert.kind != Kind::Failure || !lines.is_empty() {
        lines.push(Line::Field("incident", alert.incident_id.as_str().to_owned()));
    }
    lines
}

/// Says how many more there are than shown.
fn more(lines: &mut Vec<Line>, all: usize, one: &str) {
    if let Some(hidden) = all.checked_sub(MOST).filter(|hidden| *hidden > 0) {
        lines.push(Line::Text(format!("... and {} more, in the machine form.", words::count(hidden as u64, one))));
    }
}
