//! What an alert says, in the order a tired person needs it: what is unprotected, why, what changed, who must act, what to do, how to check, how
//! many share it, and what was not seen. Sinks lay the sections out; none changes their order. A section without content does not exist.

use super::Kind;
use super::alert::{Alert, AlertJob, EvidenceLine, Impact, IncidentLine, NextStep};
use super::words::{self, cut, minute, second};
use crate::diagnosis::{Cause, Certainty};
use crate::incident::Exposure;

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
    /// One of several, in an order that matters.
    Item(String),
    /// One of several.
    Bullet(String),
    /// A command, never wrapped, never changed.
    Command(String),
    /// A line of a document, likewise.
    Code(String),
}

/// The sections of an alert whose texts are inert.
pub(super) fn sections(alert: &Alert) -> Vec<Section> {
    let left_out = ("LEFT OUT OF THIS MESSAGE", alert.truncated.iter().map(|cut| Line::Bullet(cut.clone())).collect());
    if alert.kind == Kind::Storm {
        return filled([
            ("WHAT HAPPENED", storm(alert)),
            ("INCIDENTS", incidents(alert)),
            ("WHAT TO DO", steps(&alert.next_steps, false)),
            ("READ ON", links(alert)),
            left_out,
        ]);
    }
    if alert.kind == Kind::Sweep {
        return filled([
            ("WHAT THE SWEEP SAW", sweep(alert)),
            ("THE WORST", seen(alert)),
            ("WHAT TO DO", steps(&alert.next_steps, false)),
            ("NOT EVALUATED", gaps(alert)),
            left_out,
        ]);
    }
    if alert.actor.is_some() {
        return filled([
            ("WHAT HAPPENED", tampered(alert)),
            ("WHAT WAS DONE", done(alert)),
            ("TIMELINE", timeline(alert)),
            ("WHAT TO DO", steps(&alert.next_steps, true)),
            ("HOW TO CONFIRM", steps(&alert.confirm, false)),
            left_out,
        ]);
    }
    if alert.kind == Kind::SelfCheck {
        return filled([
            ("WHAT HAPPENED", vec![Line::Text(alert.summary.clone())]),
            ("SEEN", seen(alert)),
            ("WHO MUST ACT", who(alert)),
            ("WHAT TO DO", steps(&alert.next_steps, true)),
            left_out,
        ]);
    }
    if alert.kind == Kind::Prediction {
        return filled([
            ("WHAT WILL HAPPEN", cause(alert)),
            ("WHAT CHANGED", changed(alert)),
            ("WHO MUST ACT", who(alert)),
            ("PATCH", patch(alert)),
            ("WHAT TO DO", steps(&alert.next_steps, true)),
            ("ROUTES", routes(alert)),
            ("SEEN", seen(alert)),
            ("GAPS", gaps(alert)),
            ("READ ON", links(alert)),
            left_out,
        ]);
    }
    filled([
        ("WHAT HAPPENED", what(alert)),
        ("CAUSE", cause(alert)),
        ("WHAT CHANGED", changed(alert)),
        ("WHO MUST ACT", who(alert)),
        ("REFUSED CALL", refused(alert)),
        ("PATCH", patch(alert)),
        ("WHAT TO DO", steps(&alert.next_steps, true)),
        ("HOW TO CONFIRM", steps(&alert.confirm, false)),
        ("SHARED BY", shared(alert)),
        ("SEEN", seen(alert)),
        ("GAPS", gaps(alert)),
        ("IT MAY ALSO BE", candidates(alert)),
        ("READ ON", links(alert)),
        left_out,
    ])
}

/// The sections that have something to say.
fn filled<const N: usize>(sections: [(&'static str, Vec<Line>); N]) -> Vec<Section> {
    sections.into_iter().filter(|(_, lines)| !lines.is_empty()).map(|(heading, lines)| Section { heading, lines }).collect()
}

fn storm(alert: &Alert) -> Vec<Line> {
    let mut lines = vec![Line::Text(alert.summary.clone())];
    lines.extend(alert.report_uri.as_ref().map(|uri| Line::Field("all job ids", uri.clone())));
    lines
}

fn tampered(alert: &Alert) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(words::closed(alert).map(Line::Text));
    lines.push(Line::Text(cut(&alert.summary, 1500)));
    lines.extend(alert.opened_at.map(|at| Line::Text(format!("This incident is open since {}.", minute(at)))));
    lines.extend(alert.actor.as_ref().map(|actor| Line::Field("by", cut(actor, 300))));
    lines
}

/// The deeds since the last message, the newest first.
fn done(alert: &Alert) -> Vec<Line> {
    let mut lines = Vec::new();
    for done in alert.changes.iter().rev().take(MOST) {
        let severity = done.severity.as_str().to_uppercase();
        lines.push(Line::Item(format!("{severity} {}", words::capital(&cut(&done.text, 900)))));
        let from = done.source_ip.as_ref().map(|ip| format!(" from {}", cut(ip, 100))).unwrap_or_default();
        let account = words::account(alert, &done.account_id);
        lines.push(Line::Bullet(format!("{} at {}{from}, {account}, {}", cut(&done.action, 100), second(done.at), done.region)));
        lines.push(Line::Bullet(format!("by {}, event {}", cut(&done.actor, 300), cut(&done.event_id, 100))));
        if let Some(before) = &done.before {
            let after = done.after.as_deref().map(|after| format!("; now: {}", cut(after, 300))).unwrap_or_default();
            lines.push(Line::Bullet(format!("before: {}{after}", cut(before, 300))));
        }
        lines.push(Line::Bullet(cut(&done.endangers, 500)));
    }
    more(&mut lines, alert.changes.len(), "change");
    lines
}

fn timeline(alert: &Alert) -> Vec<Line> {
    let all = alert.timeline.as_deref().unwrap_or_default();
    if all.len() < 2 {
        return Vec::new();
    }
    let line = |moment: &super::alert::Moment| {
        let account = words::account(alert, &moment.account_id);
        Line::Bullet(format!("{} {} ({account}, {})", second(moment.at), cut(&moment.text, 300), moment.region))
    };
    all.iter().map(line).collect()
}

fn sweep(alert: &Alert) -> Vec<Line> {
    let mut lines = vec![Line::Text(alert.summary.clone())];
    lines.extend(alert.report_uri.as_ref().map(|uri| Line::Field("report", uri.clone())));
    lines
}

/// One line per incident: what, where, why, and how many jobs.
fn incidents(alert: &Alert) -> Vec<Line> {
    let line = |line: &IncidentLine| {
        let severity = line.severity.as_str().to_uppercase();
        let jobs = words::count(line.jobs_total, "job");
        let account = words::account(alert, &line.act_in.account_id);
        Line::Bullet(format!(
            "{severity} {}; {} ({}), {jobs}, act in {account}, {}",
            line.title,
            line.cause,
            line.certainty.as_str(),
            line.incident_id
        ))
    };
    alert.incidents.iter().map(line).collect()
}

fn what(alert: &Alert) -> Vec<Line> {
    let mut lines = Vec::new();
    let Some(job) = alert.jobs.first() else { return lines };
    lines.extend(words::closed(alert).map(Line::Text));
    if let Some(impact) = &alert.impact {
        let done = if job.job_type == "copy" { "copied" } else { "backed up" };
        let missing = match job.state.as_str() {
            "PARTIAL" | "OBJECTS_LEFT_OUT" => format!("Only partly {done}"),
            "INTERRUPTED" => "Not continuously backed up".to_owned(),
            _ => format!("Not {done}"),
        };
        if let Some(since) = impact.unprotected_since {
            let good = match impact.last_good_copy_at {
                Some(at) => format!("The last good one is of {}.", minute(at)),
                None => "When the last good one was made is not known.".to_owned(),
            };
            let when = match job.state.as_str() {
                "MISSED" => "when this run was due",
                "NOT_STARTED" => "when AWS Backup recorded this",
                "INTERRUPTED" => "when AWS told of this",
                _ => "when this job was created",
            };
            lines.push(Line::Text(format!("{missing} since {} at the latest, {when}. {good}", minute(since))));
            lines.extend(objective(impact));
        }
    }
    if let Some(impact) = alert.impact.as_ref().filter(|_| alert.kind != Kind::Failure) {
        lines.extend(uncopied(impact));
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
    if let Some(message) = words::said(alert, job) {
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

/// What the plan promises, and whether that still holds.
fn objective(impact: &Impact) -> Option<Line> {
    let every = impact.recovery_point_objective?;
    let at = minute(Exposure::of(impact).breached_at()?);
    let every = words::duration(every);
    Some(Line::Text(match impact.breached? {
        true => format!("Its plan promises one every {every}: that is missed since {at}."),
        false => format!("Its plan promises one every {every}: that holds until {at}."),
    }))
}

/// How many resources still wait, and until when they can be copied after all.
fn uncopied(impact: &Impact) -> Option<Line> {
    let total = impact.uncopied_total.filter(|total| *total > 0)?;
    let until = impact.first_expires_at.map(|at| format!("; the first recovery point expires at {}", minute(at))).unwrap_or_default();
    Some(Line::Text(format!("Still open: {}{until}.", words::count(total, "resource"))))
}

fn job_text(alert: &Alert, job: &AlertJob) -> String {
    let id = job.job_id.as_ref().map(|id| format!(" {}", cut(id, 100))).unwrap_or_default();
    let state = if job.state.is_empty() { "state unknown".to_owned() } else { cut(&job.state, 40) };
    let at = job.at.map(|at| format!(" at {}", second(at))).unwrap_or_default();
    format!("{}{id}, {state}{at}, {}, {}", cut(&job.job_type, 20), words::account(alert, &job.account_id), job.region)
}

fn cause(alert: &Alert) -> Vec<Line> {
    let mut lines = vec![Line::Text(cut(&alert.summary, 1500))];
    lines.extend(alert.evaluation.as_ref().map(|evaluation| Line::Text(cut(&evaluation.text, 1000))));
    lines.push(Line::Field("certainty", words::certainty(alert)));
    if alert.cause != Cause::Unexplained {
        lines.push(Line::Field("cause", alert.cause.label().to_owned()));
    }
    if let Some(rule) = &alert.rule {
        lines.push(Line::Field("rule", cut(rule, 40)));
    }
    if let Some(fingerprint) = alert.fingerprint.as_ref().filter(|_| alert.certainty == Certainty::Unexplained) {
        lines.push(Line::Field("class of text", cut(fingerprint, 100)));
    }
    lines
}

fn changed(alert: &Alert) -> Vec<Line> {
    let Some(changed) = &alert.changed else { return Vec::new() };
    let from = changed.source_ip.as_ref().map(|ip| format!(" from {}", cut(ip, 100))).unwrap_or_default();
    let when = if alert.kind == Kind::Prediction { "The change" } else { "Last change before the failure" };
    vec![
        Line::Text(format!("{when}: {} at {}{from}.", cut(&changed.action, 100), second(changed.at))),
        Line::Field("by", cut(&changed.actor, 300)),
        Line::Field("event", cut(&changed.event_id, 100)),
    ]
}

fn routes(alert: &Alert) -> Vec<Line> {
    let Some(foretold) = &alert.foretold else { return Vec::new() };
    let mut lines = Vec::new();
    lines.extend(foretold.next_run.map(|run| Line::Field("next run", minute(run))));
    for route in foretold.routes.iter().take(MOST) {
        let part = |part: &Option<String>| part.as_deref().map_or_else(|| "not seen".to_owned(), |text| cut(text, 300));
        let (from, into, kind) = (part(&route.source_vault), part(&route.destination_vault), part(&route.resource_type));
        lines.push(Line::Bullet(format!("{kind}: {from} to {into}")));
    }
    more(&mut lines, usize::try_from(foretold.routes_total).unwrap_or(usize::MAX), "route");
    lines
}

fn who(alert: &Alert) -> Vec<Line> {
    let account = words::capital(&words::acting_account(alert));
    if words::is_for_information(alert) {
        return vec![Line::Text(format!("{account}."))];
    }
    let region = alert.act_in.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
    let object = match &alert.act_in.resource_arn {
        Some(arn) => format!(", {arn}"),
        None => "; which object must change is not known yet".to_owned(),
    };
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

/// Whether a statement lets a whole account in, whose own policies then say who of it may.
fn names_an_account(statement: &serde_json::Value) -> bool {
    let whole = |principal: &serde_json::Value| principal.as_str().is_some_and(|arn| arn.ends_with(":root"));
    match statement.pointer("/Principal/AWS") {
        Some(serde_json::Value::Array(principals)) => principals.iter().any(whole),
        Some(principal) => whole(principal),
        None => false,
    }
}

/// The statements to add, as they are, and what was shown of them.
fn patch(alert: &Alert) -> Vec<Line> {
    let Some(patch) = &alert.patch else { return Vec::new() };
    let mut lines = vec![Line::Text(format!(
        "Add to the policy of {} in {} ({}):",
        cut(&patch.target_arn, 300),
        words::account(alert, &patch.account_id),
        cut(&patch.operation, 60)
    ))];
    for statement in &patch.statements {
        lines.extend(format!("{statement:#}").lines().map(|line| Line::Code(line.to_owned())));
    }
    let others = if patch.statements.iter().any(names_an_account) {
        "no other account gets anything (in the account that it names, the IAM policies decide who may)"
    } else {
        "nobody else gets anything"
    };
    lines.push(Line::Text(format!(
        "Proven by evaluating the policies again: with it every call of this copy is allowed, without any part of it one is refused, and \
         {others}. It needs approval like any change of a policy."
    )));
    match &patch.cli {
        Some(cli) => {
            lines.push(Line::Text("This command puts the patched document in the place of the one that was read:".to_owned()));
            lines.push(Line::Command(cli.clone()));
        }
        None => lines
            .push(Line::Text("The patched document is too large or too odd for a command here: add the statements by hand.".to_owned())),
    }
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
    let mut lines = vec![Line::Text(format!("{} in this incident so far.", words::count(alert.jobs_total, "job")))];
    // The newest is told at the top.
    for job in alert.jobs.iter().skip(1).take(MOST) {
        lines.push(Line::Bullet(format!("{}: {}", words::resource(job, 48), job_text(alert, job))));
    }
    more(&mut lines, alert.jobs.len().saturating_sub(1), "job");
    lines
}

fn seen(alert: &Alert) -> Vec<Line> {
    let denied = alert.denied.as_ref().map(|denied| &denied.event_id);
    // The refused call has a section of its own.
    let told = |line: &&EvidenceLine| line.id.is_none() || line.id.as_ref() != denied;
    let all = alert.evidence.iter().filter(told).count();
    let mut lines = Vec::new();
    for line in alert.evidence.iter().filter(told).take(MOST) {
        let id = line.id.as_ref().map(|id| format!("{}: ", cut(id, 100))).unwrap_or_default();
        let region = line.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
        // A search tells its window itself.
        let at = line.at.filter(|_| line.kind != "search").map(|at| format!(", {}", second(at))).unwrap_or_default();
        lines.push(Line::Bullet(format!("{id}{} ({}{region}{at})", cut(&line.text, 500), words::account(alert, &line.account_id))));
    }
    more(&mut lines, all, "line");
    lines
}

fn gaps(alert: &Alert) -> Vec<Line> {
    let mut lines = alert.gaps.iter().take(MOST).map(|gap| Line::Bullet(words::gap(alert, gap))).collect();
    more(&mut lines, alert.gaps.len(), "gap");
    lines
}

fn candidates(alert: &Alert) -> Vec<Line> {
    if matches!(alert.certainty, Certainty::Proven) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for candidate in alert.candidates.iter().take(MOST) {
        lines.push(Line::Bullet(candidate.cause.label().to_owned()));
    }
    lines
}

fn links(alert: &Alert) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(rule) = alert.rule.as_ref().filter(|rule| rule.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        lines.push(Line::Command(format!("guardian explain {}", cut(rule, 40))));
    }
    lines.extend(alert.links.iter().take(MOST).map(|link| Line::Bullet(link.clone())));
    lines.push(Line::Field("incident", alert.incident_id.as_str().to_owned()));
    lines
}

/// Says how many more there are than shown.
fn more(lines: &mut Vec<Line>, all: usize, one: &str) {
    if let Some(hidden) = all.checked_sub(MOST).filter(|hidden| *hidden > 0) {
        lines.push(Line::Text(format!("... and {} more, in the machine form.", words::count(hidden as u64, one))));
    }
}
