//! `guardian incidents`: what is open, what is known of it, and who takes it on.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use diagnose_job::config::for_reading;
use guardian_aws::{DrillTable, RouteTable, WorkTable};
use guardian_core::diagnosis::Severity;
use guardian_core::incident::{Acknowledgement, Closing, Incident, IncidentId, Refusal};
use guardian_core::ports::{IncidentKeeper as _, PortError, Tampers as _};
use guardian_core::report::{self, Alert, inert_text};
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::cloud;
use crate::drill::backfill;
use crate::lab::Lab;
use crate::output::{Exit, Format, Output, complain};

/// Longest acknowledgement: whoever needs longer says so again.
const LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Longest name or reason: it is read in messages.
const MOST_CHARACTERS: usize = 1000;
/// Jobs that `show` prints as text; `--format json` has all.
const MOST_JOBS: usize = 50;

/// Look at the incidents of the guardian, and take them on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian incidents list
  guardian incidents show bg-0123456789abcdef0123456
  guardian incidents ack bg-0123456789abcdef0123456 --owner sam \\
      --reason 'key policy is changed in CHG-4711' --until 8h
  guardian incidents close bg-0123456789abcdef0123456 --owner sam \\
      --reason 'the next continuous backup has begun, CHG-4711'
  guardian incidents backfill bg-0123456789abcdef0123456

Run it with credentials of the guardian account: it goes through the role
backup-guardian-operator. The table is the output GuardianTableName of the
stack, given by --table or GUARDIAN_TABLE; a lab names its own.

A prediction stands in the list until its object is mended, for two days at
most: then the report of a sweep has it.

Exit codes: 0 nothing is open or it is done, 1 something is open or foretold,
2 wrong usage or no such incident, 3 the table could not be read.")]
pub(crate) struct Incidents {
    /// The guardian's table.
    #[arg(long, global = true, value_name = "NAME")]
    table: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is open, the worst first, and which copies were foretold to fail.
    List,
    /// The last message about an incident, and its jobs; of a prediction its message.
    Show {
        /// The id, as every message about it carries it.
        #[arg(value_name = "INCIDENT_ID")]
        id: String,
    },
    /// Take an incident on: no reminders until the end date.
    ///
    /// Improved verdicts and the end of the incident are told all the same.
    #[command(after_help = "Examples:
  guardian incidents ack INCIDENT_ID --owner sam --reason CHG-4711 --until 8h

Nothing is muted for good: after the end date reminders come again.")]
    Ack {
        /// The id, as every message about it carries it.
        #[arg(value_name = "INCIDENT_ID")]
        id: String,
        /// Who takes it on.
        #[arg(long)]
        owner: String,
        /// What is being done, or why it can wait.
        #[arg(long)]
        reason: String,
        /// Until when: a time such as 2026-11-30T08:00:00Z, or from now on, such as 8h or 3d. At most 90 days.
        #[arg(long, value_name = "TIME|SPAN")]
        until: String,
    },
    /// Say that an incident is over that no job can prove.
    ///
    /// Such are selections that made no job, and what only vaults tell. The last message says who closed it and why, within 15 minutes. What
    /// a later job can prove ends by that job alone: take it on with `ack` until then.
    #[command(after_help = "Examples:
  guardian incidents close INCIDENT_ID --owner sam \\
      --reason 'role of the selection made again, CHG-4711'

Nothing is muted for good: the next failure opens the incident again.")]
    Close {
        /// The id, as every message about it carries it.
        #[arg(value_name = "INCIDENT_ID")]
        id: String,
        /// Who says so.
        #[arg(long)]
        owner: String,
        /// What shows that it is over.
        #[arg(long)]
        reason: String,
    },
    /// Print the policy that somebody replaced or deleted, as it was before.
    ///
    /// Of writes that endanger backups, where an older write or a sweep told the guardian what was there: policies of keys and vaults, trust and
    /// inline policies of roles, and policies of the organization. The message of the incident has the command with its ids, and the one that
    /// puts the document back. Nothing is changed by this.
    #[command(after_help = "Examples:
  guardian incidents before INCIDENT_ID EVENT_ID > before.json
  aws kms put-key-policy --policy-name default --key-id KEY_ARN \\
      --policy file://before.json

Exit codes: 0 it is printed, 2 it is not known or there is no such incident,
3 the table could not be read.")]
    Before {
        /// The id, as every message about it carries it.
        #[arg(value_name = "INCIDENT_ID")]
        id: String,
        /// The event id of the write in CloudTrail: in the message, and in `show --format json`.
        #[arg(value_name = "EVENT_ID")]
        event: String,
    },
    Backfill(Box<backfill::Arguments>),
}

impl Incidents {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let table = table_named(self.table.as_ref())?;
        let (reader, _) = for_reading().context("the environment cannot be used")?;
        let cloud = cloud::open(reader.clone(), None).await?;
        let work = WorkTable::new(cloud.base(), table.clone());
        let foretold = RouteTable::new(cloud.base(), table.clone());
        let done = match self.command {
            Command::List => list(&work, &foretold, output).await,
            Command::Show { id } => show(&work, &foretold, &id, output).await,
            Command::Ack { id, owner, reason, until } => {
                let acknowledgement = acknowledgement(owner, reason, &until, Timestamp::now())?;
                acknowledge(&work, &id, &acknowledgement, output).await
            }
            Command::Close { id, owner, reason } => {
                said(&owner, &reason)?;
                // The opening is that of the incident as it is kept.
                let closing = Closing { owner, reason, at: Timestamp::now(), opening: 0 };
                close(&work, &id, &closing, output).await
            }
            Command::Before { id, event } => before(&work, &id, &event, output).await,
            Command::Backfill(arguments) => {
                let incident = find(&work, &arguments.id).await?;
                let drills = DrillTable::new(cloud.base(), table.clone());
                backfill::run(&arguments, &incident, &work, drills, &cloud, &reader, output).await
            }
        };
        match done {
            Err(error) if error.is::<PortError>() => {
                complain(&format!("guardian: the table `{}` could not be used: {error}", table.escape_debug()));
                Ok(Exit::CouldNotTell)
            }
            done => done,
        }
    }
}

/// The guardian's table: as given, or that of the environment or of a lab.
pub(crate) fn table_named(given: Option<&String>) -> anyhow::Result<String> {
    let given = given.cloned().or_else(|| std::env::var("GUARDIAN_TABLE").ok()).filter(|name| !name.trim().is_empty());
    if let Some(table) = given {
        return Ok(table);
    }
    if let Some(Ok(info)) = Lab::from_env().map(|lab| lab.info()) {
        return Ok(info.text("/outputs/GuardianTableName")?.to_owned());
    }
    bail!("which table is not known: give `--table` or GUARDIAN_TABLE the output GuardianTableName of the guardian's stack")
}

async fn list(work: &WorkTable, foretold: &RouteTable, output: &Output) -> anyhow::Result<Exit> {
    let foretold = foretold.standing(Timestamp::now()).await?;
    let mut open = Vec::new();
    for id in work.open().await? {
        if let Some(incident) = work.incident(&id).await?.filter(Incident::is_open) {
            let alert = work.last_alert(&id).await?;
            open.push((incident, alert));
        }
    }
    open.sort_by(|(a, told_of_a), (b, told_of_b)| {
        let worst_first = severity(b, told_of_b.as_ref()).cmp(&severity(a, told_of_a.as_ref()));
        worst_first.then(a.opened_at.cmp(&b.opened_at)).then(a.id.cmp(&b.id))
    });
    if output.json(Format::Text) {
        let incidents = open.iter().map(|(incident, alert)| entry(incident, alert.as_ref())).collect::<Vec<_>>();
        output.print(&serde_json::to_string_pretty(&json!({"incidents": incidents, "foretold": foretold}))?)?;
    } else if open.is_empty() && foretold.is_empty() {
        output.print("No incident is open.")?;
    } else {
        let incidents = open.iter().map(|(incident, alert)| lines(incident, alert.as_ref()));
        output.print(&incidents.chain(foretold.iter().map(lines_foretold)).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(if open.is_empty() && foretold.is_empty() { Exit::Fine } else { Exit::Finding })
}

/// Copies that are going to fail, in two lines. They failed nowhere yet: there is nobody to take them on, and only a change of the object ends it.
fn lines_foretold(alert: &Alert) -> String {
    let next = alert.foretold.as_ref().and_then(|foretold| foretold.next_run).map(|at| format!(", next run {}", minute(at)));
    let told = alert.at.map(|at| format!("foretold at {}", minute(at)));
    let about = format!("{}{}", told.unwrap_or_else(|| "foretold".to_owned()), next.unwrap_or_default());
    let severity = alert.severity.as_str().to_uppercase();
    format!(
        "{severity:<8} {}  {}\n         {about}; `guardian preflight` says whether it still holds\n",
        alert.incident_id,
        inert_text(&alert.title)
    )
}

/// How bad it is: what is held of its jobs, and what the last message said of their age.
fn severity(incident: &Incident, alert: Option<&Alert>) -> Option<Severity> {
    incident.standing.as_ref().map(|standing| standing.severity).max(alert.map(|alert| alert.severity))
}

/// An incident as JSON. Absent is what is not known.
fn entry(incident: &Incident, alert: Option<&Alert>) -> Value {
    let mut entry = json!({
        "incident_id": incident.id,
        "opened_at": incident.opened_at,
        "jobs_total": incident.jobs_total,
        "resources_open": incident.members_total.saturating_sub(incident.members_recovered),
        "resources_total": incident.members_total,
        "told": incident.told.is_some(),
    });
    let mut more = |name: &str, value: Option<Value>| {
        if let (Some(value), Some(entry)) = (value, entry.as_object_mut()) {
            entry.insert(name.to_owned(), value);
        }
    };
    let standing = incident.standing.as_ref();
    if let Some(burst) = &incident.burst {
        more("actor", Some(json!(burst.actor)));
        more("deeds_total", Some(json!(incident.jobs_total)));
    }
    more("cause", standing.map(|standing| json!(standing.cause)));
    more("certainty", standing.map(|standing| json!(standing.certainty)));
    more("severity", severity(incident, alert).map(|severity| json!(severity)));
    more("title", alert.map(|alert| json!(alert.title)));
    more("act_in", alert.map(|alert| json!(alert.act_in)));
    more("first_expires_at", incident.first_expires_at.map(|at| json!(at)));
    more("report_uri", incident.report_uri.as_ref().map(|uri| json!(uri)));
    more("searched_until", incident.searched_until.map(|at| json!(at)));
    more("acknowledged", incident.acknowledged.as_ref().map(|acknowledged| json!(acknowledged)));
    more("closed", incident.closed.as_ref().map(|closed| json!(closed)));
    more("resolved_at", incident.resolved_at.map(|at| json!(at)));
    entry
}

fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// An incident in two or three lines.
fn lines(incident: &Incident, alert: Option<&Alert>) -> String {
    let severity = severity(incident, alert).map_or("", Severity::as_str).to_uppercase();
    let title = alert.map_or("(its message was not kept)", |alert| alert.title.as_str());
    let cause = incident
        .standing
        .as_ref()
        .map_or_else(|| "cause not kept".to_owned(), |standing| format!("{} ({})", standing.cause, standing.certainty.as_str()));
    let open = incident.members_total.saturating_sub(incident.members_recovered);
    let mut text = format!("{:<8} {}  {}\n", severity, incident.id, inert_text(title));
    let since = minute(incident.opened_at);
    text.push_str(&match &incident.burst {
        Some(burst) => format!("         by {}, open since {since}, {}\n", inert_text(&burst.actor), count(incident.jobs_total, "deed")),
        None => format!(
            "         {cause}, open since {since}, {}, {open} of {} still open\n",
            count(incident.jobs_total, "failure"),
            count(incident.members_total, "resource"),
        ),
    });
    if let Some(acknowledged) = &incident.acknowledged {
        text.push_str(&format!(
            "         taken on by {} until {}: {}\n",
            inert_text(&acknowledged.owner),
            minute(acknowledged.until),
            inert_text(&acknowledged.reason)
        ));
    }
    if let Some(closed) = &incident.closed {
        let before = if incident.closing().is_some() { "closed" } else { "opened again since it was closed" };
        text.push_str(&format!(
            "         {before} by {} at {}: {}\n",
            inert_text(&closed.owner),
            minute(closed.at),
            inert_text(&closed.reason)
        ));
    }
    text
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

async fn show(work: &WorkTable, foretold: &RouteTable, id: &str, output: &Output) -> anyhow::Result<Exit> {
    if let Some(alert) = foretold.standing(Timestamp::now()).await?.into_iter().find(|alert| alert.incident_id.as_str() == id) {
        output.print(&match output.json(Format::Text) {
            true => serde_json::to_string_pretty(&json!({"incident_id": alert.incident_id, "foretold": true, "alert": alert}))?,
            false => format!("{}\n{}", lines_foretold(&alert), report::terminal(&alert, output.look())),
        })?;
        return Ok(Exit::Finding);
    }
    let incident = find(work, id).await?;
    let alert = work.last_alert(&incident.id).await?;
    let jobs = work.jobs(&incident.id).await?;
    let deeds = if incident.burst.is_some() { work.deeds(&incident.id).await? } else { Vec::new() };
    let exit = if incident.is_open() { Exit::Finding } else { Exit::Fine };
    if output.json(Format::Text) {
        let mut entry = entry(&incident, alert.as_ref());
        if let Some(entry) = entry.as_object_mut() {
            if incident.burst.is_some() {
                entry.insert("deeds".to_owned(), json!(deeds));
            } else {
                entry.insert("jobs".to_owned(), json!(jobs));
            }
            entry.extend(alert.map(|alert| ("alert".to_owned(), json!(alert))));
        }
        output.print(&serde_json::to_string_pretty(&entry)?)?;
        return Ok(exit);
    }
    let mut text = lines(&incident, alert.as_ref());
    if let Some(at) = incident.resolved_at {
        text.push_str(&format!("         over since {}\n", minute(at)));
    }
    if let Some(alert) = &alert {
        text.push_str(&format!("\nThe last message:\n\n{}\n", report::terminal(alert, output.look())));
    }
    let listed = if incident.burst.is_some() {
        text.push_str("\nDeeds, the oldest first:\n");
        deeds
            .iter()
            .map(|deed| format!("{} {} {} in account {}, {}", deed.at, deed.severity.as_str(), deed.what, deed.account, deed.region))
            .collect()
    } else {
        text.push_str("\nJobs, as account/Region/type/id:\n");
        jobs
    };
    for line in listed.iter().take(MOST_JOBS) {
        text.push_str(&format!("  {}\n", inert_text(line)));
    }
    if let Some(more) = listed.len().checked_sub(MOST_JOBS).filter(|more| *more > 0) {
        text.push_str(&format!("  and {more} more: --format json has all\n"));
    }
    if let Some(uri) = &incident.report_uri {
        text.push_str(&format!("\nAll of them, as of the last look: {uri}\n"));
    }
    output.print(&text)?;
    Ok(exit)
}

/// The document alone, whatever the format: it is for a file.
async fn before(work: &WorkTable, id: &str, event: &str, output: &Output) -> anyhow::Result<Exit> {
    let id = find(work, id).await?.id;
    let deeds = work.deeds(&id).await?;
    let Some(deed) = deeds.into_iter().find(|deed| deed.event_id == event) else {
        bail!(
            "no deed of incident `{id}` has the event id `{}`: `guardian incidents show {id} --format json` has all",
            event.escape_debug()
        );
    };
    let Some(document) = deed.before_document else {
        bail!("what was there before the event `{event}` is not kept: {}", inert_text(&deed.undo.text));
    };
    output.print(&serde_json::to_string_pretty(&document)?)?;
    Ok(Exit::Fine)
}

async fn find(work: &WorkTable, id: &str) -> anyhow::Result<Incident> {
    let found = work.incident(&IncidentId::from_kept(id)).await?;
    found.with_context(|| format!("there is no incident `{}`: `guardian incidents list` names those that are open", id.escape_debug()))
}

/// Who says something, and why, such that others can read it.
fn said(owner: &str, reason: &str) -> anyhow::Result<()> {
    for (name, value) in [("--owner", owner), ("--reason", reason)] {
        if value.trim().is_empty() {
            bail!("{name} is empty: whoever reads it later must know");
        }
        if value.chars().count() > MOST_CHARACTERS {
            bail!("{name} is longer than {MOST_CHARACTERS} characters: name the ticket that has the rest");
        }
    }
    Ok(())
}

fn acknowledgement(owner: String, reason: String, until: &str, now: Timestamp) -> anyhow::Result<Acknowledgement> {
    said(&owner, &reason)?;
    let at = match (until.parse::<Timestamp>(), until.parse::<Span>()) {
        (Ok(at), _) => at,
        (_, Ok(span)) => now.to_zoned(TimeZone::UTC).checked_add(span).context("--until is too far away")?.timestamp(),
        _ => bail!("--until is `{}`: a time such as 2026-11-30T08:00:00Z or a span such as 8h or 3d is expected", until.escape_debug()),
    };
    if at <= now {
        bail!("--until is over already: {}", minute(at));
    }
    if at.duration_since(now) > LONGEST {
        bail!("--until is more than 90 days away: nothing is muted for good, say it again then");
    }
    Ok(Acknowledgement { owner, reason, until: at })
}

async fn acknowledge(work: &WorkTable, id: &str, acknowledgement: &Acknowledgement, output: &Output) -> anyhow::Result<Exit> {
    let before = find(work, id).await?;
    if !before.is_open() {
        bail!("incident `{}` is over: there is nothing to take on", before.id);
    }
    let Some(incident) = work.acknowledge(&before.id, acknowledgement).await? else { bail!("there is no incident `{}`", before.id) };
    if output.json(Format::Text) {
        output.print(&serde_json::to_string_pretty(&entry(&incident, None))?)?;
    } else {
        let until = minute(acknowledgement.until);
        output.print(&format!("No reminder of {} until {until}. Improved verdicts and its end are told all the same.", incident.id))?;
    }
    Ok(Exit::Fine)
}

async fn close(work: &WorkTable, id: &str, closing: &Closing, output: &Output) -> anyhow::Result<Exit> {
    let id = find(work, id).await?.id;
    let closed = match work.close(&id, closing).await? {
        Some(Ok(incident)) => incident,
        Some(Err(Refusal::Over)) => bail!("incident `{id}` is over: there is nothing to close"),
        Some(Err(Refusal::Untold)) => bail!("nobody was told of incident `{id}` yet: close it when its first message has come"),
        Some(Err(Refusal::Provable(lane))) => bail!(
            "incident `{id}` ends by a {} job that completes in account {}, {}, and by nothing else: \
             take it on until then with `guardian incidents ack {id}`",
            lane.job_type.as_str(),
            lane.account,
            lane.region
        ),
        None => bail!("there is no incident `{id}`"),
    };
    if output.json(Format::Text) {
        output.print(&serde_json::to_string_pretty(&entry(&closed, None))?)?;
    } else {
        output.print(&format!("{id} is closed. Its last message follows within 15 minutes; a new failure opens it again."))?;
    }
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_ends_and_says_who_and_why() {
        let now = "2026-11-02T05:37:40Z".parse::<Timestamp>().unwrap();
        let until = |text: &str| acknowledgement("sam".to_owned(), "r".to_owned(), text, now).map(|found| found.until.to_string());
        assert_eq!(until("8h").unwrap(), "2026-11-02T13:37:40Z");
        assert_eq!(until("3d").unwrap(), "2026-11-05T05:37:40Z");
        assert_eq!(until("2026-11-30T08:00:00Z").unwrap(), "2026-11-30T08:00:00Z");
        for wrong in ["", "soon", "2020-01-01T00:00:00Z", "-3h", "400d", "for ever"] {
            assert!(until(wrong).unwrap_err().to_string().starts_with("--until"), "{wrong}");
        }
        assert!(acknowledgement(" ".to_owned(), "r".to_owned(), "8h", now).is_err());
        assert!(acknowledgement("sam".to_owned(), String::new(), "8h", now).is_err());
        assert!(acknowledgement("sam".to_owned(), "r".repeat(MOST_CHARACTERS), "8h", now).is_ok());
        let error = said("sam", &"\u{e4}".repeat(MOST_CHARACTERS + 1)).unwrap_err().to_string();
        assert!(error.starts_with("--reason is longer"), "{error}");
    }
}
