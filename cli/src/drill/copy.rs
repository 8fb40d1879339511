//! `guardian drill copy` and `copy-back`: one copy on demand, seen before it is started.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use clap::Args;
use diagnose_job::config::for_reading;
use guardian_aws::{DrillTable, Drills};
use guardian_core::arn::Arn;
use guardian_core::drill::backfill::Wish;
use guardian_core::drill::record::Purpose;
use guardian_core::drill::{Planned, Why};
use guardian_core::report::inert_text;
use jiff::Timestamp;
use serde_json::json;

use super::Permit;
use super::backfill::MOST_DAYS;
use super::tell::{copy_json, copy_text};
use crate::cloud;
use crate::incidents::table_named;
use crate::output::{Exit, Format, Output, complain};
use run_drill::act::{Outcome, start};
use run_drill::find::{self, Found};

/// Copy the newest recovery point of a resource as its plan would.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian drill copy VAULT_ARN RESOURCE_ARN
  guardian drill copy VAULT_ARN RESOURCE_ARN --to VAULT_ARN --yes

Role, vault and lifecycle are those of the plan that made the recovery point.")]
pub(crate) struct Out {
    #[command(flatten)]
    common: Common,
    /// ARN of the vault that is to hold the copy. Default: that of the plan, where it names one.
    #[arg(long, value_name = "VAULT_ARN", value_parser = vault)]
    to: Option<Arn>,
    /// How long the copy is kept where the plan does not say it.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    retention_days: Option<i64>,
}

/// Copy the newest copy of a resource back from the backup account.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian drill copy-back VAULT_ARN RESOURCE_ARN --to VAULT_ARN \\
      --role arn:aws:iam::222222222222:role/backup-copy-back --retention-days 7

No plan copies back, so role, vault and days are named here.")]
pub(crate) struct Back {
    #[command(flatten)]
    common: Common,
    /// ARN of the vault that is to hold it.
    #[arg(long, value_name = "VAULT_ARN", value_parser = vault)]
    to: Arn,
    /// Role of the backup account that copies back, such as the one of deploy/backup-account.yaml.
    #[arg(long, value_name = "ROLE_ARN", value_parser = role)]
    role: Arn,
    /// How long it is kept there.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    retention_days: i64,
}

#[derive(Debug, Args)]
struct Common {
    /// ARN of the vault that holds the recovery point.
    #[arg(value_name = "VAULT_ARN", value_parser = vault)]
    from: Arn,
    /// What was backed up.
    #[arg(value_name = "RESOURCE_ARN", value_parser = resource)]
    resource: Arn,
    /// Start the copy without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    permit: Permit,
}

/// Either of them.
pub(crate) struct Wanted {
    find: find::Wanted,
    retention_days: Option<i64>,
    yes: bool,
    permit: Permit,
}

impl From<Out> for Wanted {
    fn from(Out { common, to, retention_days }: Out) -> Self {
        let find = find::Wanted { purpose: Purpose::Copy, from: common.from, resource: common.resource, to, role: None };
        Self { find, retention_days, yes: common.yes, permit: common.permit }
    }
}

impl From<Back> for Wanted {
    fn from(Back { common, to, role, retention_days }: Back) -> Self {
        let (from, resource) = (common.from, common.resource);
        let find = find::Wanted { purpose: Purpose::CopyBack, from, resource, to: Some(to), role: Some(role) };
        Self { find, retention_days: Some(retention_days), yes: common.yes, permit: common.permit }
    }
}

pub(super) fn resource(text: &str) -> Result<Arn, String> {
    Arn::parse(text).map_err(|error| error.to_string())
}

pub(super) fn vault(text: &str) -> Result<Arn, String> {
    let arn = resource(text)?;
    let is_vault = arn.service() == "backup" && arn.resource().starts_with("backup-vault:");
    if is_vault && arn.account().is_some() && arn.region().is_some() { Ok(arn) } else { Err("the ARN of a vault is expected".to_owned()) }
}

pub(super) fn role(text: &str) -> Result<Arn, String> {
    let arn = resource(text)?;
    if arn.role_name().is_some() && arn.account().is_some() { Ok(arn) } else { Err("the ARN of a role is expected".to_owned()) }
}

pub(crate) async fn run(wanted: Wanted, table: Option<&String>, output: &Output) -> anyhow::Result<Exit> {
    let permit = &wanted.permit;
    let wish = Wish { now: Timestamp::now(), allowed: permit.allowed()?, retention_days: wanted.retention_days };
    let table = table_named(table)?;
    let (reader, _) = for_reading().context("the environment cannot be used")?;
    let drill_role = permit.role(&reader)?;
    let cloud = cloud::open(reader, None).await?;
    let planned = match find::copy(&cloud, &wanted.find, &wish).await {
        Found::Ready(planned) => planned,
        Found::Cannot { point, why } => return cannot(output, point.as_ref(), &why),
        Found::Unclear(text) => bail!(text),
    };
    if !wanted.yes && !agreed(&format!("Would be copied:\n{}", copy_text(&planned, None)))? {
        complain("guardian: nothing was started: nobody said yes (--yes says it beforehand)");
        return Ok(Exit::Usage);
    }
    let drills = Drills::new(cloud.base().clone(), drill_role);
    let drill = planned.drill(&wanted.find.purpose);
    let outcome = start(&DrillTable::new(cloud.base(), table), &drills, &drill, &planned.copies).await;
    if output.json(Format::Text) {
        output.print(&serde_json::to_string_pretty(&copy_json(&planned, Some(&outcome)))?)?;
    } else {
        output.print(&told(&planned, &outcome))?;
    }
    Ok(if matches!(outcome, Outcome::Started(_)) { Exit::Fine } else { Exit::CouldNotTell })
}

fn told(planned: &Planned, outcome: &Outcome) -> String {
    let copied = copy_text(planned, Some(outcome));
    match outcome {
        Outcome::Started(job) => format!(
            "On its way:\n{copied}\nHow it ends:\n  guardian explain job --type copy {} {} {}\n",
            planned.order.account,
            planned.order.region,
            job.as_str()
        ),
        _ => format!("Not started:\n{copied}"),
    }
}

pub(super) fn cannot(output: &Output, point: Option<&Arn>, why: &Why) -> anyhow::Result<Exit> {
    if output.json(Format::Text) {
        let mut told = json!({"outcome": "not-started", "why": why.code(), "text": why.text()});
        if let Some(told) = told.as_object_mut() {
            told.extend(point.map(|arn| ("recovery_point_arn".to_owned(), json!(arn))));
        }
        output.print(&serde_json::to_string_pretty(&told)?)?;
    } else {
        let name = point.map_or(String::new(), |point| format!("  {}\n    ", inert_text(point.as_str())));
        output.print(&format!("Nothing was started:\n{name}{}", inert_text(&why.text())))?;
    }
    Ok(if matches!(why, Why::NotSeen(_)) { Exit::CouldNotTell } else { Exit::Finding })
}

/// Shows what would be started, and asks the person at the terminal; where there is none, nobody agreed.
pub(super) fn agreed(planned: &str) -> anyhow::Result<bool> {
    complain(planned);
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut err = std::io::stderr().lock();
    write!(err, "Start it? [y/N] ").and_then(|()| err.flush()).context("nobody can be asked")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("the answer could not be read")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
