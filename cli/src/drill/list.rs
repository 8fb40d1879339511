//! `guardian drill list`: what was started, how it stands, and what of it is left over.

use anyhow::Context as _;
use clap::Args;
use diagnose_job::config::for_reading;
use guardian_aws::{DrillTable, Drills};
use guardian_core::drill::record::{Record, State};
use guardian_core::drill::restore::Removal;
use guardian_core::event::JobState;
use guardian_core::ports::DrillStore as _;
use guardian_core::report::inert_text;
use serde_json::{Value, json};

use super::Permit;
use crate::cloud;
use crate::incidents::table_named;
use crate::output::{Exit, Format, Output};
use run_drill::look::{Standing, ended, help, look};

/// What drills were started, how their jobs stand, and what of restores is left over.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian drill list
  guardian drill list dr-0123456789abcdef0123456789abcdef
  guardian drill list --remove

Jobs of which no end was noted are looked at. With --remove tables that a drill
made are deleted; a volume is deleted by a person, with the command shown.

Exit codes: 0 fine, 1 a restore failed or something is left over, 2 wrong
usage or no such drill, 3 something could not be seen.")]
pub(crate) struct List {
    /// Only this drill.
    #[arg(value_name = "DRILL_ID")]
    id: Option<String>,
    /// Delete what restores made, where it is ours.
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    permit: Permit,
}

pub(crate) async fn run(list: List, table: Option<&String>, output: &Output) -> anyhow::Result<Exit> {
    let table = table_named(table)?;
    let (reader, _) = for_reading().context("the environment cannot be used")?;
    let drill_role = list.permit.role(&reader)?;
    let cloud = cloud::open(reader, None).await?;
    let store = DrillTable::new(cloud.base(), table);
    let drills = Drills::new(cloud.base().clone(), drill_role);
    let kept = match &list.id {
        Some(id) => vec![store.drill(id).await?.with_context(|| format!("there is no drill `{}`", id.escape_debug()))?],
        None => store.drills().await?,
    };
    let mut seen = Vec::new();
    for record in kept {
        seen.push(look(&cloud, &store, &drills, record, list.remove).await?);
    }
    // The newest first, as far as the records say.
    seen.sort_by_key(|(record, _)| (std::cmp::Reverse(last_step(record)), record.id.clone()));
    if output.json(Format::Text) {
        let drills = seen.iter().map(|(record, standing)| drill_json(record, Some(standing))).collect::<Vec<_>>();
        output.print(&serde_json::to_string_pretty(&json!({"drills": drills}))?)?;
    } else if seen.is_empty() {
        output.print("No drill was started.\n")?;
    } else {
        output.print(&seen.iter().map(|(record, standing)| drill_text(record, Some(standing))).collect::<String>())?;
    }
    let exits = seen.iter().map(|(record, standing)| exit(record, standing)).collect::<Vec<_>>();
    let any = |wanted: Exit| exits.contains(&wanted);
    Ok(if any(Exit::CouldNotTell) {
        Exit::CouldNotTell
    } else if any(Exit::Finding) {
        Exit::Finding
    } else {
        Exit::Fine
    })
}

fn last_step(record: &Record) -> jiff::Timestamp {
    match &record.state {
        State::Asked { at } | State::Refused { at, .. } | State::Started { at, .. } => *at,
        State::Ended(ended) => ended.at,
    }
}

/// A copy that failed is an alert of its own; a restore that failed, and what is left over, is a finding here.
pub(super) fn exit(record: &Record, standing: &Standing) -> Exit {
    match (standing, &record.state) {
        (Standing::Unseen(_) | Standing::LeftOver { gap: Some(_), .. }, _) => Exit::CouldNotTell,
        (Standing::LeftOver { .. }, _) => Exit::Finding,
        (_, State::Ended(ended)) if ended.state != JobState::Completed && record.order.destination_vault().is_none() => Exit::Finding,
        _ => Exit::Fine,
    }
}

/// What AWS said when it refused a drill. Untrusted.
fn refused(record: &Record) -> Option<&str> {
    match &record.state {
        State::Refused { said, .. } => Some(said),
        _ => None,
    }
}

/// A word for machines.
fn state(record: &Record, standing: Option<&Standing>) -> &'static str {
    match (standing, &record.state) {
        (Some(Standing::UnderWay { .. }), _) => "under-way",
        (Some(Standing::Going), _) => "being-removed",
        (Some(Standing::LeftOver { .. }), _) => "left-over",
        (Some(Standing::Unseen(_)), _) => "not-seen",
        (_, State::Asked { .. }) => "asked",
        (_, State::Refused { .. }) => "refused",
        (_, State::Started { .. }) => "started",
        (_, State::Ended(_)) => "ended",
    }
}

pub(super) fn drill_json(record: &Record, standing: Option<&Standing>) -> Value {
    let order = &record.order;
    let mut drill = json!({
        "drill_id": record.id,
        "purpose": record.purpose.as_str(),
        "state": state(record, standing),
        "account_id": order.account(),
        "region": order.region(),
        "source_vault_arn": order.source_vault(),
        "recovery_point_arn": order.point(),
        "role_arn": order.role(),
        "job_type": order.job_type().as_str(),
    });
    let mut more = |name: &str, value: Option<Value>| {
        if let (Some(value), Some(drill)) = (value, drill.as_object_mut()) {
            drill.insert(name.to_owned(), value);
        }
    };
    more("resource_arn", record.resource.as_ref().map(|arn| json!(arn)));
    more("destination_vault_arn", order.destination_vault().map(|arn| json!(arn)));
    more("job_id", record.job_id().map(|job| json!(job)));
    if let State::Ended(ended) = &record.state {
        more("job_state", Some(json!(ended.state.as_str())));
        more("took_seconds", ended.took_seconds.map(Value::from));
        more("status_message", ended.status_message.clone().map(Value::from));
        more("made_arn", ended.made.as_ref().map(|arn| json!(arn)));
        more("gone_at", ended.gone_at.map(|at| json!(at)));
    }
    if let Some(Standing::LeftOver { removal, gap }) = standing {
        more("text", Some(help(record, removal, gap.as_ref()).into()));
        if let Removal::Person { command: Some(command), .. } = removal {
            more("remove_with", Some(command.clone().into()));
        }
    }
    more("reason", refused(record).map(Value::from));
    if let Some(Standing::Unseen(gap)) = standing {
        more("text", Some(format!("{} of account {} failed ({})", gap.action, gap.account_id, gap.reason.as_str()).into()));
    }
    drill
}

pub(super) fn drill_text(record: &Record, standing: Option<&Standing>) -> String {
    let order = &record.order;
    let job = || record.job_id().map(|job| format!("{} job {}", order.job_type().as_str(), job.as_str()));
    let but = match standing {
        Some(Standing::LeftOver { removal, gap }) => Some(help(record, removal, gap.as_ref())),
        Some(Standing::Unseen(gap)) => Some(format!("{} of account {} failed ({})", gap.action, gap.account_id, gap.reason.as_str())),
        _ => refused(record).map(|said| format!("AWS refused it: {said}")),
    };
    let lines = [
        ("of", record.resource.as_ref().map(ToString::to_string)),
        ("point", Some(order.point().to_string())),
        ("into", order.destination_vault().map(ToString::to_string)),
        ("job", ended(record).or_else(job)),
        ("but", but),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("    {:<9}{}\n", format!("{name}:"), inert_text(&value?))));
    format!("{}  {}  {}\n{}", inert_text(&record.id), record.purpose.as_str(), state(record, standing), lines.collect::<String>())
}
