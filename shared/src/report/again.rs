//! Messages about an incident that people know of: from the last message and what happened since.

use jiff::Timestamp;

use super::alert::{ActIn, Alert, Closed, IncidentLine, NextStep, SCHEMA};
use super::{Kind, headline, inert};
use crate::arn::AccountId;
use crate::diagnosis::{Cause, Certainty, Grade, Severity};
use crate::incident::{Exposure, Incident, IncidentId};

/// Incidents of one digest; what is left over is told by the next one.
pub const MOST_IN_DIGEST: usize = 100;
/// A longer ARN is left to the incident itself: a digest must fit into one message.
const LONGEST_ARN: usize = 256;

/// Adds what the incident as a whole says: how many share it, since when, and what can still be copied.
pub fn of_incident(alert: &mut Alert, incident: &Incident, exposure: &Exposure, now: Timestamp) {
    alert.jobs_total = incident.jobs_total.max(1);
    alert.report_uri = incident.report_uri.clone().or(alert.report_uri.take());
    alert.opened_at = (alert.kind != Kind::Failure).then_some(incident.opened_at);
    if let Some(impact) = &mut alert.impact {
        impact.last_good_copy_at = exposure.last_good;
        impact.recovery_point_objective = exposure.objective;
        impact.breached = exposure.is_breached(now);
        alert.severity = exposure.weigh(alert.severity, now);
        let uncopied = incident.members_total.saturating_sub(incident.members_recovered);
        impact.uncopied_total = (incident.members_total > 0).then_some(uncopied);
        impact.first_expires_at = incident.first_expires_at;
    }
    if let Some(gap) = &exposure.gap {
        alert.gaps.push(gap.clone());
    }
    alert.severity = incident.standing.as_ref().map_or(alert.severity, |held| held.severity.max(alert.severity));
}

/// The next message, of another kind. `last_good`: when the newest good copy of the resource was made, where somebody looked again.
pub fn again(last: &Alert, kind: Kind, incident: &Incident, last_good: Option<Timestamp>, now: Timestamp) -> Alert {
    let over = kind == Kind::Resolved;
    let closed = incident.closing().filter(|_| over).map(|closing| Closed {
        owner: closing.owner.clone(),
        reason: closing.reason.clone(),
        at: closing.at,
    });
    // A job that proved a part of it does not prove what somebody had to close.
    let proved_by = incident.proved_by.as_deref().filter(|_| over && closed.is_none()).cloned();
    let mut alert = Alert { kind, at: Some(now), proved_by, closed, ..last.clone() };
    if alert.actor.is_some() {
        alert.title = match (over, last.title.strip_prefix("Closed: ")) {
            (true, None) => format!("Closed: {}", last.title),
            _ => last.title.clone(),
        };
    }
    if let Some(job) = alert.jobs.first() {
        let name = alert.account_names.get(&job.account_id).cloned();
        alert.title = headline::title(kind, alert.closed.is_some(), alert.cause, job, name.as_deref());
    }
    let told = alert.impact.as_ref().map(Exposure::of).unwrap_or_default();
    let exposure = Exposure { last_good: told.last_good.max(last_good), ..told };
    of_incident(&mut alert, incident, &exposure, now);
    if over {
        // Nothing is to be mended any more; what was not copied meanwhile stays so until it is copied after all.
        (alert.severity, alert.patch, alert.evaluation) = (Severity::Info, None, None);
        (alert.next_steps, alert.confirm, alert.gaps, alert.candidates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // What proves the end is newer than the copy of which this is said.
        if let Some(impact) = &mut alert.impact {
            impact.breached = None;
            if alert.closed.is_some() {
                // Who closed it says that nothing waits, and no job says how many it were.
                impact.uncopied_total = None;
            }
        }
    }
    inert::alert(&alert)
}

/// One message for many incidents that opened faster than they could be told one by one, at most [`MOST_IN_DIGEST`].
pub fn digest(alerts: &[(Incident, Alert)], now: Timestamp) -> Option<Alert> {
    let mut incidents = alerts.iter().map(|(incident, alert)| line(incident, alert)).collect::<Vec<_>>();
    incidents.sort_by(|a, b| (b.severity, b.jobs_total, &a.incident_id).cmp(&(a.severity, a.jobs_total, &b.incident_id)));
    let worst = incidents.first()?.clone();
    let jobs_total = incidents.iter().map(|line| line.jobs_total).sum();
    let accounts = incidents.iter().map(|line| &line.act_in.account_id).collect::<std::collections::BTreeSet<&AccountId>>().len();
    let total = incidents.len();
    let plural = |n: usize, one: &str| if n == 1 { format!("{n} {one}") } else { format!("{n} {one}s") };
    let ids = alerts.iter().map(|(incident, _)| &incident.id).collect::<Vec<_>>();
    let alert = Alert {
        schema: SCHEMA.to_owned(),
        kind: Kind::Storm,
        incident_id: IncidentId::of_digest(&ids, now),
        at: Some(now),
        opened_at: None,
        severity: worst.severity,
        title: format!("Storm: {} more in {}", plural(total, "incident"), plural(accounts, "account")),
        cause: Cause::Unexplained,
        rule: None,
        certainty: Certainty::Unexplained,
        summary: format!(
            "{} opened faster than they could be told one by one, with {} failed jobs. Each stays an incident of its own, with its own reminders and its own end.",
            plural(total, "incident"),
            jobs_total
        ),
        act_in: ActIn { resource_arn: None, ..worst.act_in },
        denied: None,
        evaluation: None,
        patch: None,
        changed: None,
        incidents,
        report_uri: None,
        proved_by: None,
        closed: None,
        actor: None,
        changes: Vec::new(),
        timeline: None,
        jobs: Vec::new(),
        jobs_total,
        account_names: alerts.iter().flat_map(|(_, alert)| alert.account_names.clone()).collect(),
        route: None,
        impact: None,
        evidence: Vec::new(),
        gaps: Vec::new(),
        unread: Vec::new(),
        candidates: Vec::new(),
        next_steps: vec![NextStep {
            text: "Begin with the first; each has its whole diagnosis, patch and job ids in the guardian's table.".to_owned(),
            command: Some(format!("guardian incidents show {}", worst.incident_id)),
            grade: Grade::Safe,
        }],
        confirm: Vec::new(),
        links: Vec::new(),
        fingerprint: None,
        truncated: Vec::new(),
        foretold: None,
    };
    Some(inert::alert(&alert))
}

fn line(incident: &Incident, alert: &Alert) -> IncidentLine {
    IncidentLine {
        incident_id: incident.id.clone(),
        severity: alert.severity,
        title: alert.title.clone(),
        cause: alert.cause,
        certainty: alert.certainty,
        act_in: ActIn { resource_arn: alert.act_in.resource_arn.clone().filter(|arn| arn.len() <= LONGEST_ARN), ..alert.act_in.clone() },
        jobs_total: incident.jobs_total,
    }
}
