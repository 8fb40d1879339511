//! `guardian drill restore`: one restore as a test, beside the original, measured and removed again.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use diagnose_job::config::for_reading;
use guardian_aws::{Cloud, DrillTable, Drills};
use guardian_core::arn::Arn;
use guardian_core::drill::record::Record;
use guardian_core::drill::restore::{Ask, MOST_BYTES, MOST_MINUTES, Planned, metadata};
use guardian_core::drill::{Order, Why};
use guardian_core::ports::DrillStore as _;
use guardian_core::report::inert_text;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Permit;
use super::copy::{agreed, cannot, resource, role, vault};
use super::list::{drill_json, drill_text, exit};
use super::tell::{bytes, reason};
use crate::cloud;
use crate::incidents::table_named;
use crate::output::{Exit, Format, Output, complain};
use run_drill::act::{Outcome, start};
use run_drill::find::{self, Found, jobs};
use run_drill::look::{Standing, in_the_way, look};

/// How long it is waited before it is looked again, at first and at last. A restore takes minutes or hours.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Restore the newest recovery point of a resource beside the original, and remove what that made.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian drill restore VAULT_ARN RESOURCE_ARN
  guardian drill restore VAULT_ARN RESOURCE_ARN --yes --wait
  guardian drill restore CENTRAL_VAULT_ARN RESOURCE_ARN --yes --wait \\
      --role arn:aws:iam::222222222222:role/backup-restores

It restores volumes of EBS, attached to nothing, and tables of DynamoDB, under
a name of their own. Other types are refused with the reason: a restore
testing plan of AWS Backup tests them (docs/restore.md). What is told as the
recovery time is that of the restore job, from its creation to its end.

A table is deleted again. AWS chooses the id of a volume and takes no tags for
it, so nothing proves that a volume is ours: its command is told, and `guardian
drill list` names it until it is gone.

Exit codes: 0 it is on its way, or ended well and nothing is left over, 1 it
cannot be restored, failed or left something over, 2 wrong usage or nobody
said yes, 3 something could not be seen or started.")]
pub(crate) struct Restore {
    /// ARN of the vault that holds the recovery point.
    #[arg(value_name = "VAULT_ARN", value_parser = vault)]
    from: Arn,
    /// What was backed up.
    #[arg(value_name = "RESOURCE_ARN", value_parser = resource)]
    resource: Arn,
    /// Role that restores. Default: that of the recovery point.
    #[arg(long, value_name = "ROLE_ARN", value_parser = role)]
    role: Option<Arn>,
    /// Availability Zone of a volume. Default: that of the original.
    #[arg(long, value_name = "ZONE")]
    availability_zone: Option<String>,
    /// Key of what is made. Default: that of the recovery point.
    #[arg(long, value_name = "KEY_ARN", value_parser = key)]
    key: Option<Arn>,
    /// Largest recovery point that is restored, in GiB.
    #[arg(long, value_name = "GIB", default_value_t = MOST_BYTES >> 30, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    most_gib: u64,
    /// Minutes after which a restore is too slow.
    #[arg(long, value_name = "MINUTES", default_value_t = MOST_MINUTES, value_parser = clap::value_parser!(u32).range(1..))]
    most_minutes: u32,
    /// Start the restore without asking.
    #[arg(long)]
    yes: bool,
    /// Stay until it ended and what it made is gone, or the minutes are over.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    permit: Permit,
}

fn key(text: &str) -> Result<Arn, String> {
    let arn = resource(text)?;
    if arn.is_kms_key() { Ok(arn) } else { Err("the ARN of a key is expected".to_owned()) }
}

pub(crate) async fn run(wanted: Restore, table: Option<&String>, output: &Output) -> anyhow::Result<Exit> {
    let ask = Ask {
        vault: wanted.from,
        role: wanted.role,
        zone: wanted.availability_zone,
        key: wanted.key,
        most_bytes: wanted.most_gib << 30,
        most_minutes: wanted.most_minutes,
        allowed: wanted.permit.allowed()?,
        now: Timestamp::now(),
    };
    let table = table_named(table)?;
    let (reader, _) = for_reading().context("the environment cannot be used")?;
    let drill_role = wanted.permit.role(&reader)?;
    let cloud = cloud::open(reader, None).await?;
    let drills = Drills::new(cloud.base().clone(), drill_role);
    let planned = match find::restore(&cloud, &drills, &ask, &wanted.resource).await {
        Found::Ready(planned) => planned,
        Found::Cannot { point, why } => return cannot(output, point.as_ref(), &why),
        Found::Unclear(text) => bail!(text),
    };
    let drill = planned.drill();
    let listed = match jobs(&cloud, &drill.order).await {
        Ok(listed) => listed,
        Err(gap) => return cannot(output, Some(&planned.order.point), &Why::NotSeen(Box::new(gap))),
    };
    if !wanted.yes && !agreed(&format!("Would be restored:\n{}", text(&planned)))? {
        complain("guardian: nothing was started: nobody said yes (--yes says it beforehand)");
        return Ok(Exit::Usage);
    }
    let store = DrillTable::new(cloud.base(), table);
    let left = in_the_way(&cloud, &store, &drills, &drill, false).await?;
    if !left.is_empty() {
        if output.json(Format::Text) {
            output.print(&serde_json::to_string_pretty(&not_started(&planned, Some(left.join("; "))))?)?;
        } else {
            let why = left.iter().map(|left| format!("    but:     {}\n", inert_text(left)));
            output.print(&format!("Not started:\n{}{}", text(&planned), why.collect::<String>()))?;
        }
        return Ok(Exit::CouldNotTell);
    }
    let outcome = start(&store, &drills, &drill, &listed).await;
    let kept = match &outcome {
        Outcome::Started(_) => store.drill(&drill.id).await?,
        _ => None,
    };
    let Some(record) = kept else {
        if output.json(Format::Text) {
            output.print(&serde_json::to_string_pretty(&not_started(&planned, reason(&outcome)))?)?;
        } else {
            let why = reason(&outcome).map_or(String::new(), |why| format!("    but:     {}\n", inert_text(&why)));
            output.print(&format!("Not started:\n{}{why}", text(&planned)))?;
        }
        return Ok(Exit::CouldNotTell);
    };
    let (record, standing) = if wanted.wait { wait(&cloud, &store, &drills, record).await? } else { (record, None) };
    if output.json(Format::Text) {
        output.print(&serde_json::to_string_pretty(&drill_json(&record, standing.as_ref()))?)?;
    } else {
        let seen = drill_text(&record, standing.as_ref());
        let next = match standing {
            Some(_) => String::new(),
            None => "\nHow it ends, and what it made goes:\n  guardian drill list --remove\n".to_owned(),
        };
        output.print(&format!("{}{seen}{next}", settings(&record)))?;
    }
    Ok(standing.as_ref().map_or(Exit::Fine, |standing| exit(&record, standing)))
}

async fn wait(cloud: &Cloud, store: &DrillTable, drills: &Drills, mut record: Record) -> anyhow::Result<(Record, Option<Standing>)> {
    let Order::Restore(order) = &record.order else { return Ok((record, None)) };
    let until = tokio::time::Instant::now() + Duration::from_secs(u64::from(order.most_minutes) * 60);
    let mut pause = SHORTEST;
    loop {
        let (seen, standing) = look(cloud, store, drills, record, true).await?;
        record = seen;
        let goes_on = match &standing {
            Standing::UnderWay { .. } | Standing::Going => true,
            Standing::Unseen(gap) => gap.reason.may_pass(),
            _ => false,
        };
        if !goes_on || tokio::time::Instant::now() >= until {
            return Ok((record, Some(standing)));
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST);
    }
}

fn lines(lines: Vec<(&str, Option<String>)>) -> String {
    let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("    {:<9}{}\n", format!("{name}:"), inert_text(&value?))));
    lines.collect()
}

fn text(planned: &Planned) -> String {
    let order = &planned.order;
    let made = planned.made_at.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let with = order.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    format!(
        "\n  {}\n{}",
        inert_text(order.point.as_str()),
        lines(vec![
            ("of", planned.resource.as_ref().map(ToString::to_string)),
            ("made", made),
            ("size", Some(bytes(planned.size_bytes))),
            ("role", Some(order.role.to_string())),
            ("with", Some(with.join(", "))),
        ])
    )
}

fn settings(record: &Record) -> String {
    let Order::Restore(order) = &record.order else { return String::new() };
    let with = metadata(record, order).iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    format!("Restored with {}\n", inert_text(&with.join(", ")))
}

fn not_started(planned: &Planned, reason: Option<String>) -> Value {
    json!({
        "outcome": "not-started",
        "recovery_point_arn": planned.order.point,
        "reason": reason,
    })
}
