//! Plain text for e-mail: read by a person at night first, and by a ticket system that looks for the block at the end.
//!
//! INVARIANT: a line that starts at the left margin is the title, a heading, or part of the machine block; untrusted text is always indented.

use super::alert::Alert;
use super::layout::{self, wrap};
use super::message;
use super::outline;

/// First line of the machine block.
pub(super) const BEGIN: &str = "-----BEGIN BACKUP GUARDIAN ALERT-----";
/// Last line of the machine block.
pub(super) const END: &str = "-----END BACKUP GUARDIAN ALERT-----";

/// The e-mail of an alert whose texts are inert.
pub(super) fn email(alert: &Alert) -> String {
    let mut lines = title(alert, layout::COLUMNS);
    for section in outline::sections(alert) {
        lines.push(String::new());
        lines.push(section.heading.to_owned());
        lines.extend(layout::lines(&section.lines, layout::COLUMNS));
    }
    lines.push(String::new());
    lines.push(BEGIN.to_owned());
    lines.push(machine_block(alert));
    lines.push(END.to_owned());
    lines.join("\n") + "\n"
}

/// Severity and title; a long title goes on indented.
pub(super) fn title(alert: &Alert, columns: usize) -> Vec<String> {
    wrap(&format!("{}  ", alert.severity.as_str().to_uppercase()), "    ", &super::words::cut(&alert.title, 300), columns)
}

/// The attributes of the message and the ids of the alert, as a JSON object with one member per line.
fn machine_block(alert: &Alert) -> String {
    let job = alert.jobs.first();
    let mut members = vec![("schema", alert.schema.clone())];
    members.extend(message::attributes(alert));
    let ids = [
        ("rule", alert.rule.clone()),
        ("job_type", job.map(|job| job.job_type.clone())),
        ("job_id", job.and_then(|job| job.job_id.clone())),
        ("resource_arn", job.and_then(|job| job.resource_arn.clone())),
        ("act_in_account", Some(alert.act_in.account_id.as_str().to_owned())),
        ("act_in_resource", alert.act_in.resource_arn.clone()),
    ];
    members.extend(ids.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let mut object = members
        .into_iter()
        .map(|(name, value)| format!("  {}: {}", serde_json::Value::from(name), serde_json::Value::from(value)))
        .collect::<Vec<_>>();
    object.push(format!("  \"jobs_total\": {}", alert.jobs_total));
    format!("{{\n{}\n}}", object.join(",\n"))
}
