//! What people read of the deeds of an actor.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::alert::{ActIn, Alert, Done, Moment, NextStep, SCHEMA};
use super::{Kind, inert, words};
use crate::diagnosis::{Cause, Certainty, Grade, Severity};
use crate::incident::Incident;
use crate::tamper::{BEFORE_FILE, Burst, Deed};

/// Steps that one message lists.
const MOST_STEPS: usize = 8;

/// The message about an incident of tampering. `None`: it is no such incident.
pub fn tamper(incident: &Incident, now: Timestamp) -> Option<Alert> {
    let burst = incident.burst.as_deref()?;
    let worst = burst.newest.iter().max_by_key(|deed| (deed.severity, deed.refused.is_none(), deed.at, &deed.event_id))?;
    let (severity, pattern) = burst.severity();
    let severity = incident.standing.as_ref().map_or(severity, |held| held.severity.max(severity));
    let alert = Alert {
        schema: SCHEMA.to_owned(),
        kind: Kind::Tamper,
        incident_id: incident.id.clone(),
        at: Some(now),
        opened_at: incident.told.as_ref().map(|_| incident.opened_at),
        severity,
        title: title(incident.jobs_total, burst, worst),
        cause: Cause::Unexplained,
        rule: None,
        certainty: Certainty::Proven,
        summary: summary(incident, burst, worst, pattern.as_str()),
        act_in: ActIn {
            account_id: worst.account.clone(),
            account_name: None,
            region: Some(worst.region.clone()),
            resource_arn: worst.object.as_ref().map(|arn| arn.as_str().to_owned()),
            side: None,
        },
        denied: None,
        evaluation: None,
        patch: None,
        changed: None,
        jobs: Vec::new(),
        jobs_total: incident.jobs_total.max(1),
        account_names: BTreeMap::new(),
        incidents: Vec::new(),
        report_uri: incident.report_uri.clone(),
        proved_by: None,
        closed: None,
        actor: Some(actor(burst).to_owned()),
        changes: burst.news().map(|deed| done(deed, burst)).collect(),
        timeline: Some(burst.newest.iter().map(moment).collect()),
        route: None,
        impact: None,
        evidence: Vec::new(),
        gaps: Vec::new(),
        unread: Vec::new(),
        candidates: Vec::new(),
        next_steps: steps(incident, burst),
        confirm: confirm(worst),
        links: Vec::new(),
        fingerprint: None,
        truncated: Vec::new(),
        foretold: None,
    };
    Some(inert::alert(&alert))
}

fn title(total: u64, burst: &Burst, worst: &Deed) -> String {
    let who = words::cut(name_of(actor(burst)), 60);
    let what = words::cut(&worst.what, 120);
    let more = if total > 1 { format!(", and {} more", total - 1) } else { String::new() };
    let refused = if worst.refused.is_some() { "Attempt on backups" } else { "Backups endangered" };
    format!("{refused}: {who} {what}{more}, account {}", worst.account)
}

/// Who did it: the session where it was one, else what all of them have in common.
fn actor(burst: &Burst) -> &str {
    let mut sessions = burst.newest.iter().filter_map(|deed| deed.actor.as_deref());
    let first = sessions.next().unwrap_or(&burst.actor);
    if sessions.all(|other| other == first) { first } else { &burst.actor }
}

/// The end of an ARN is what people know: the user, or the role and the session.
fn name_of(actor: &str) -> &str {
    [":assumed-role/", ":user/", ":role/"].into_iter().find_map(|kind| actor.split_once(kind)).map_or(actor, |(_, name)| name)
}

fn summary(incident: &Incident, burst: &Burst, worst: &Deed, pattern: Option<&str>) -> String {
    let total = incident.jobs_total;
    let mut text = format!("The worst: {}. {}", words::capital(&worst.what), worst.endangers);
    if let Some(pattern) = pattern {
        text = format!("{}. {text}", words::capital(pattern));
    }
    if total > 1 {
        text.push_str(&format!(" {} by this actor so far.", words::count(total, "deed")));
    }
    let unlisted = total.saturating_sub(u64::try_from(burst.newest.len()).unwrap_or(u64::MAX));
    if unlisted > 0 {
        text.push_str(&format!(" {} not listed here: `guardian incidents show {}` has all.", words::count(unlisted, "deed"), incident.id));
    }
    text
}

fn done(deed: &Deed, burst: &Burst) -> Done {
    Done {
        actor: deed.actor.clone().unwrap_or_else(|| burst.actor.clone()),
        action: deed.action.clone(),
        event_id: deed.event_id.clone(),
        at: deed.at,
        source_ip: deed.source_ip.clone(),
        kind: deed.kind.as_str().to_owned(),
        severity: deed.severity,
        account_id: deed.account.clone(),
        region: deed.region.clone(),
        resource_arn: deed.object.as_ref().map(|arn| arn.as_str().to_owned()),
        text: deed.what.clone(),
        before: deed.before.clone(),
        after: deed.after.clone(),
        endangers: deed.endangers.clone(),
        refused: deed.refused.clone(),
    }
}

fn moment(deed: &Deed) -> Moment {
    Moment {
        at: deed.at,
        severity: deed.severity,
        account_id: deed.account.clone(),
        region: deed.region.clone(),
        event_id: deed.event_id.clone(),
        text: deed.what.clone(),
    }
}

/// First who it is, then what undoes the worst, then how to go on.
fn steps(incident: &Incident, burst: &Burst) -> Vec<NextStep> {
    let mut steps = vec![NextStep {
        text: "Ask whoever this is whether it was meant. Where nobody knows, take these credentials away first: what follows may be worse."
            .to_owned(),
        command: None,
        grade: Grade::HumanOnly,
    }];
    let mut deeds = burst.newest.iter().filter(|deed| !deed.undo.text.is_empty()).collect::<Vec<_>>();
    deeds.sort_by(|a, b| (b.severity, b.at, &b.event_id).cmp(&(a.severity, a.at, &a.event_id)));
    for deed in deeds {
        let step = NextStep {
            text: format!("In account {}, for {}: {}", deed.account, object_of(deed), deed.undo.text),
            command: deed.undo.command.clone(),
            grade: Grade::NeedsApproval,
        };
        let document = deed.undo.document_kept.then(|| NextStep {
            text: format!("In the guardian account: write what {} said before to a file.", object_of(deed)),
            command: Some(format!("guardian incidents before {} {} > {BEFORE_FILE}", incident.id, deed.event_id)),
            grade: Grade::Safe,
        });
        let more = document.into_iter().chain([step]).collect::<Vec<_>>();
        if steps.len().saturating_add(more.len()) <= MOST_STEPS && !more.iter().any(|step| steps.contains(step)) {
            steps.extend(more);
        }
    }
    steps.push(NextStep {
        text: "Where it was meant, or is undone: say so, with your name and the reason. A later deed of the same actor is told anew."
            .to_owned(),
        command: Some(format!("guardian incidents close {} --owner NAME --reason REASON", incident.id)),
        grade: Grade::Safe,
    });
    steps
}

fn object_of(deed: &Deed) -> String {
    deed.object.as_ref().map_or_else(|| deed.kind.as_str().to_owned(), |arn| arn.as_str().to_owned())
}

/// The record of the worst deed.
fn confirm(worst: &Deed) -> Vec<NextStep> {
    let plain = !worst.event_id.is_empty() && worst.event_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if worst.actor.is_none() || !plain || worst.severity == Severity::Info {
        return Vec::new();
    }
    vec![NextStep {
        text: format!("Read the record of the call, in account {}.", worst.account),
        command: Some(format!(
            "aws cloudtrail lookup-events --region {} --lookup-attributes AttributeKey=EventId,AttributeValue={}",
            worst.region, worst.event_id
        )),
        grade: Grade::Safe,
    }]
}
