//! `guardian incidents backfill`: what the jobs of an incident missed is copied after all.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use guardian_aws::{Cloud, DrillTable, Drills, ReaderRole, WorkTable};
use guardian_core::arn::Arn;
use guardian_core::drill::backfill::{Backfill, Left, Wish, plan};
use guardian_core::drill::record::Purpose;
use guardian_core::drill::{Planned, Why};
use guardian_core::incident::{Incident, IncidentId};
use guardian_core::ports::IncidentKeeper as _;
use guardian_core::report::inert_text;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Permit;
use super::tell::{bytes, copy_json, copy_text};
use crate::output::{Exit, Format, Output};
use run_drill::act::{Outcome, start};
use run_drill::gather::{gather, job_of};

/// Longest retention: as AWS has it.
pub(crate) const MOST_DAYS: i64 = 36_500;
/// How long it is waited before it is looked again, at first and at last. A copy takes minutes or hours.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// Copy what the jobs of an incident left uncopied.
///
/// AWS does not copy it again: the next run of the plan copies the next recovery point. Without --yes it only says what would be copied, and of
/// the rest why not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian incidents backfill INCIDENT_ID
  guardian incidents backfill INCIDENT_ID --yes --wait
  guardian incidents backfill INCIDENT_ID --yes --retention-days 35

Each copy has the role and the vault of the job that failed and the lifecycle
of its plan. Where the plan gives none the copy would be kept for ever, so it
is refused unless --retention-days says how long.

Copies are started through the role backup-guardian-drill, which is only in
accounts where drills were switched on (EnableDrills of
deploy/agent-global.yaml), and only into vaults of the list. AWS takes one
copy of a resource at a time: the rest waits for another run, or for --wait.
Asked twice, or again after a crash, it starts no copy twice.

Exit codes: 0 everything has landed or is on its way, 1 something is not
copied, 2 wrong usage or no such incident, 3 something could not be seen or
started.")]
pub(crate) struct Arguments {
    /// The id, as every message about it carries it.
    #[arg(value_name = "INCIDENT_ID")]
    pub(crate) id: String,
    /// Start the copies.
    #[arg(long)]
    yes: bool,
    /// With --yes: stay until everything has landed or cannot, and start meanwhile what had to wait for other copies.
    #[arg(long, requires = "yes")]
    wait: bool,
    /// How many days copies are kept of which no plan says it.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    retention_days: Option<i64>,
    #[command(flatten)]
    permit: Permit,
}

/// What became of a backfill.
struct Done<'a> {
    incident: &'a IncidentId,
    acted: bool,
    /// What is to be copied, and where it was started, how that went.
    copies: Vec<(Planned, Option<Outcome>)>,
    left: Vec<Left>,
}

pub(crate) async fn run(
    arguments: &Arguments,
    incident: &Incident,
    work: &WorkTable,
    table: DrillTable,
    cloud: &Cloud,
    reader: &ReaderRole,
    output: &Output,
) -> anyhow::Result<Exit> {
    let allowed = arguments.permit.allowed()?;
    let drills = Drills::new(cloud.base().clone(), arguments.permit.role(reader)?);
    let mut jobs = Vec::new();
    for kept in work.jobs(&incident.id).await? {
        match job_of(&kept) {
            Some(job) => jobs.push(job),
            None => bail!("the incident has a job of which the name cannot be read: `{}`", kept.escape_debug()),
        }
    }
    let purpose = Purpose::Backfill { incident: incident.id.clone() };
    let mut done = Done { incident: &incident.id, acted: arguments.yes, copies: Vec::new(), left: Vec::new() };
    let mut pause = SHORTEST;
    loop {
        let wish = Wish { now: Timestamp::now(), allowed: allowed.clone(), retention_days: arguments.retention_days };
        let mut started = false;
        for planned in done.take(plan(&gather(cloud, jobs.clone()).await, &wish)) {
            let outcome = if arguments.yes { Some(start(&table, &drills, &planned.drill(&purpose), &planned.copies).await) } else { None };
            started |= matches!(outcome, Some(Outcome::Started(_)));
            done.copies.push((planned, outcome));
        }
        let moves = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Started(_)));
        let under_way = done.copies.iter().any(|(_, outcome)| moves(outcome)) || done.left.iter().any(|left| left.why.is_under_way());
        if !arguments.wait || !(started || under_way) {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST);
    }
    if output.json(Format::Text) {
        output.print(&serde_json::to_string_pretty(&done.json())?)?;
    } else {
        output.print(&done.text())?;
    }
    Ok(done.exit())
}

impl Done<'_> {
    /// Takes over what was seen now: how the copies stand that were started before, and what is left. Answers with what is to be started.
    fn take(&mut self, seen: Backfill) -> Vec<Planned> {
        let mut fresh = Vec::new();
        for planned in seen.copies {
            let known = self.copies.iter_mut().find(|(before, _)| same(before, &planned.order.point, &planned.order.destination_vault));
            match known {
                None => fresh.push(planned),
                // It is to be copied still, so its job ended without a copy; or it is not listed yet.
                Some((_, outcome)) => {
                    if let Some(Outcome::Started(job)) = outcome
                        && planned.copies.iter().any(|listed| listed.job_id.as_ref() == Some(job))
                    {
                        *outcome = Some(Outcome::Failed(job.clone()));
                    }
                }
            }
        }
        self.left.clear();
        for left in seen.left {
            let ends = left.point.as_ref().zip(left.destination_vault.as_ref());
            let known = ends.and_then(|(point, vault)| self.copies.iter_mut().find(|(before, _)| same(before, point, vault)));
            match (known, &left.why) {
                (Some((_, outcome)), Why::Landed(job)) => *outcome = Some(Outcome::Landed(job.clone())),
                (Some(_), Why::UnderWay(_)) => {}
                _ => self.left.push(left),
            }
        }
        fresh
    }

    fn exit(&self) -> Exit {
        let not_started =
            |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Refused(_) | Outcome::LeftOver(_) | Outcome::NotKept(_)));
        let missing = |outcome: &Option<Outcome>| matches!(outcome, None | Some(Outcome::Failed(_)));
        let any = |is: &dyn Fn(&Option<Outcome>) -> bool| self.copies.iter().any(|(_, outcome)| is(outcome));
        if any(&not_started) || self.left.iter().any(|left| matches!(left.why, Why::NotSeen(_))) {
            Exit::CouldNotTell
        } else if any(&missing) || self.left.iter().any(|left| !left.why.is_well()) {
            Exit::Finding
        } else {
            Exit::Fine
        }
    }

    fn json(&self) -> Value {
        let copies = self.copies.iter().map(|(planned, outcome)| copy_json(planned, outcome.as_ref()));
        json!({
            "incident_id": self.incident,
            "started": self.acted,
            "copies": copies.collect::<Vec<_>>(),
            "left": self.left.iter().map(left_json).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let (copies, left) = (&self.copies, &self.left);
        let mut text = match (self.acted, copies.len()) {
            (_, 0) => format!("Of incident {} nothing is to be copied.\n", self.incident),
            (true, count) => format!("Copied of incident {}: {}\n", self.incident, points(count)),
            (false, count) => format!("Of incident {} would be copied: {}\n", self.incident, points(count)),
        };
        for (planned, outcome) in copies {
            text.push_str(&copy_text(planned, outcome.as_ref()));
        }
        if !left.is_empty() {
            text.push_str(&format!("\nLeft as they are: {}\n", points(left.len())));
            left.iter().for_each(|left| text.push_str(&left_text(left)));
        }
        let size = copies.iter().map(|(planned, _)| planned.size_bytes).sum::<Option<u64>>();
        if let Some(size) = size.filter(|size| *size > 0) {
            text.push_str(&format!("\nTogether {} at most; AWS bills what of it the vault does not hold yet.\n", bytes(size)));
        }
        text.push_str(match (self.acted, copies.is_empty()) {
            (_, true) => "",
            (true, false) => "\nThe incident ends when such a job completes. Ask again to see what has landed.\n",
            (false, false) => "\nNothing was started. With --yes it is.\n",
        });
        text
    }
}

fn same(planned: &Planned, point: &Arn, vault: &Arn) -> bool {
    planned.order.point == *point && planned.order.destination_vault == *vault
}

fn points(count: usize) -> String {
    if count == 1 { "1 recovery point".to_owned() } else { format!("{count} recovery points") }
}

fn left_json(left: &Left) -> Value {
    let (account, region, job_type, job_id) = &left.job;
    let mut entry = json!({
        "account_id": account,
        "region": region,
        "job_type": job_type.as_str(),
        "job_id": job_id,
        "why": left.why.code(),
        "text": left.why.text(),
    });
    if let Some(entry) = entry.as_object_mut() {
        entry.extend(left.point.as_ref().map(|arn| ("recovery_point_arn".to_owned(), json!(arn))));
        entry.extend(left.destination_vault.as_ref().map(|arn| ("destination_vault_arn".to_owned(), json!(arn))));
        entry.extend(left.resource.as_ref().map(|arn| ("resource_arn".to_owned(), json!(arn))));
    }
    entry
}

fn left_text(left: &Left) -> String {
    let (account, region, job_type, job_id) = &left.job;
    let job = format!("{} job {} of account {account}, {region}", job_type.as_str(), job_id.as_str());
    let name = left.point.as_ref().map_or(job.clone(), |point| format!("{point} ({job})"));
    format!("\n  {}\n    {}\n", inert_text(&name), inert_text(&left.why.text()))
}
