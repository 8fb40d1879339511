//! The report object: incidents with every job id, `backup-guardian/report/v1`. A message lists the newest jobs only; this is the rest.
//!
//! It is written whole, again and again under the same name, so that whoever follows the address of an old message reads what is known by now.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alert::{ActIn, Alert};
use super::inert;
use crate::diagnosis::{Cause, Certainty, Severity};
use crate::incident::{Acknowledgement, Closing, Incident, IncidentId};

/// Schema id of the report object.
pub const REPORT_SCHEMA: &str = "backup-guardian/report/v1";

/// Incidents with all their jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_SCHEMA`].
    pub schema: String,
    /// When it was written.
    pub at: Timestamp,
    /// What it lists: one incident, or those of a digest.
    pub incidents: Vec<Listed>,
    #[serde(skip)]
    key: String,
}

/// An incident with all its jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Listed {
    pub incident_id: IncidentId,
    /// Counts up when an incident that was resolved opens again.
    pub opening: u32,
    pub severity: Severity,
    pub title: String,
    pub cause: Cause,
    pub certainty: Certainty,
    pub act_in: ActIn,
    pub opened_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// Who closed this opening, or one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closing>,
    /// Resources in their routes that failed.
    pub resources_total: u64,
    pub resources_recovered: u64,
    /// Jobs of this opening.
    pub jobs_total: u64,
    /// Every job of every opening.
    pub jobs: Vec<ListedJob>,
}

/// A job of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ListedJob {
    pub account_id: String,
    pub region: String,
    pub job_type: String,
    pub job_id: String,
}

impl ListedJob {
    /// A job as incidents keep it, `<account>/<region>/<type>/<job id>`.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '/').map(inert::text);
        Some(Self { account_id: parts.next()?, region: parts.next()?, job_type: parts.next()?, job_id: parts.next()? })
    }
}

impl Listed {
    /// An incident, its last message and all its jobs.
    pub fn of(incident: &Incident, alert: &Alert, jobs: &[String]) -> Self {
        let alert = inert::alert(alert);
        let acknowledged = incident.acknowledged.as_ref().map(|acknowledged| Acknowledgement {
            owner: inert::text(&acknowledged.owner),
            reason: inert::text(&acknowledged.reason),
            until: acknowledged.until,
        });
        let closed = incident.closed.as_ref().map(|closing| Closing {
            owner: inert::text(&closing.owner),
            reason: inert::text(&closing.reason),
            ..closing.clone()
        });
        Self {
            incident_id: incident.id.clone(),
            opening: incident.opening,
            severity: alert.severity,
            title: alert.title,
            cause: alert.cause,
            certainty: alert.certainty,
            act_in: alert.act_in,
            opened_at: incident.opened_at,
            resolved_at: incident.resolved_at,
            acknowledged,
            closed,
            resources_total: incident.members_total,
            resources_recovered: incident.members_recovered,
            jobs_total: incident.jobs_total,
            jobs: jobs.iter().filter_map(|job| ListedJob::read(job)).collect(),
        }
    }
}

impl Report {
    /// The report of one incident.
    pub fn of_incident(listed: Listed, at: Timestamp) -> Self {
        let key = format!("incidents/{}/{}.json", listed.incident_id, listed.opening);
        Self { schema: REPORT_SCHEMA.to_owned(), at, incidents: vec![listed], key }
    }

    /// The report of a digest.
    pub fn of_digest(digest: &IncidentId, incidents: Vec<Listed>, at: Timestamp) -> Self {
        Self { schema: REPORT_SCHEMA.to_owned(), at, incidents, key: format!("digests/{digest}.json") }
    }

    /// The name of the object.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its content.
    pub fn body(&self) -> String {
        // Our own types have no maps with keys that JSON cannot name.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
