//! `guardian drill copy` and `copy-back`: one copy on demand, seen before it is started.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use clap::Args;
use diagnose_job::config::for_reading;
use guardian_aws::{Cloud, DrillTable, Drills};
use guardian_core::arn::Arn;
use guardian_core::drill::backfill::Wish;
use guardian_core::drill::record::Purpose;
use guardian_core::drill::retest::{Ask, Held, destinations, newest, plan};
use guardian_core::drill::{Planned, Why};
use guardian_core::evidence::{BackupPlan, Fact, Gap};
use guardian_core::ports::{BackupReader as _, CopyLists as _, PlanReader as _, PointLists as _};
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
    common: Common,
    purpose: Purpose,
    to: Option<Arn>,
    role: Option<Arn>,
    retention_days: Option<i64>,
}

impl From<Out> for Wanted {
    fn from(out: Out) -> Self {
        Self { common: out.common, purpose: Purpose::Copy, to: out.to, role: None, retention_days: out.retention_days }
    }
}

impl From<Back> for Wanted {
    fn from(back: Back) -> Self {
        Self {
            common: back.common,
            purpose: Purpose::CopyBack,
            to: Some(back.to),
            role: Some(back.role),
            retention_days: Some(back.retention_days),
        }
    }
}

fn resource(text: &str) -> Result<Arn, String> {
    Arn::parse(text).map_err(|error| error.to_string())
}

fn vault(text: &str) -> Result<Arn, String> {
    let arn = resource(text)?;
    let is_vault = arn.service() == "backup" && arn.resource().starts_with("backup-vault:");
    if is_vault && arn.account().is_some() && arn.region().is_some() { Ok(arn) } else { Err("the ARN of a vault is expected".to_owned()) }
}

fn role(text: &str) -> Result<Arn, String> {
    let arn = resource(text)?;
    if arn.role_name().is_some() && arn.account().is_some() { Ok(arn) } else { Err("the ARN of a role is expected".to_owned()) }
}

/// What was found out before anything is started.
enum Found {
    Ready(Box<Planned>),
    Cannot { point: Option<Arn>, why: Why },
}

pub(crate) async fn run(wanted: Wanted, table: Option<&String>, output: &Output) -> anyhow::Result<Exit> {
    let permit = &wanted.common.permit;
    let wish = Wish { now: Timestamp::now(), allowed: permit.allowed()?, retention_days: wanted.retention_days };
    let table = table_named(table)?;
    let (reader, _) = for_reading().context("the environment cannot be used")?;
    let drill_role = permit.role(&reader)?;
    let cloud = cloud::open(reader, None).await?;
    let planned = match find(&cloud, &wanted, &wish).await {
        Ok(Found::Ready(planned)) => planned,
        Ok(Found::Cannot { point, why }) => return cannot(output, point.as_ref(), &why),
        Err(error) => return Err(error),
    };
    if !wanted.common.yes && !agreed(&planned)? {
        complain("guardian: nothing was started: nobody said yes (--yes says it beforehand)");
        return Ok(Exit::Usage);
    }
    let drills = Drills::new(cloud.base().clone(), drill_role);
    let outcome = start(&DrillTable::new(cloud.base(), table), &drills, &wanted.purpose, &planned).await;
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

fn cannot(output: &Output, point: Option<&Arn>, why: &Why) -> anyhow::Result<Exit> {
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

fn unseen(gap: Gap) -> Why {
    Why::NotSeen(Box::new(gap))
}

async fn find(cloud: &Cloud, wanted: &Wanted, wish: &Wish) -> anyhow::Result<Found> {
    let (from, resource) = (&wanted.common.from, &wanted.common.resource);
    let cannot = |point: Option<&Held>, why| Ok(Found::Cannot { point: point.map(|held| held.point.arn.clone()), why });
    let held = match cloud.points_of(from, resource).await {
        Ok(held) => held,
        Err(gap) => return cannot(None, unseen(gap)),
    };
    let Some(newest) = newest(&held, wish.now) else {
        bail!("the vault `{from}` holds no recovery point of `{resource}`: check both ARNs");
    };
    let mut newest = newest.clone();
    // The list does not say where it lies.
    match cloud.recovery_point(from, &newest.point.arn).await {
        Fact::Known { value, .. } => newest.point = value,
        Fact::Gap(gap) => return cannot(Some(&newest), unseen(gap)),
        Fact::NotAsked => {}
    }
    let plan_of = match (&wanted.purpose, plan_id(&newest)) {
        (Purpose::Copy, Some(id)) => match plan_named(cloud, from, &id).await {
            Ok(plan) => plan,
            Err(gap) => return cannot(Some(&newest), unseen(gap)),
        },
        _ => None,
    };
    let to = match &wanted.to {
        Some(to) => to.clone(),
        None => match destinations(plan_of.as_ref(), &newest).as_slice() {
            [only] => only.clone(),
            [] => bail!("no plan copies the newest recovery point of `{resource}`: say with --to where the copy goes"),
            several => {
                let names = several.iter().map(|vault| format!("`{vault}`")).collect::<Vec<_>>().join(", ");
                bail!("its plan copies to {names}: say with --to which is meant")
            }
        },
    };
    let (Some(account), Some(region)) = (from.account(), from.region()) else { bail!("`{from}` is not the ARN of a vault") };
    let copies = match cloud.copies(&account, &region, &newest.point.arn, &to).await {
        Ok(copies) => copies,
        Err(gap) => return cannot(Some(&newest), unseen(gap)),
    };
    let ask = Ask {
        source_vault: from.clone(),
        destination: cloud.vault(&to).await,
        destination_vault: to,
        role: wanted.role.clone(),
        plan: plan_of,
        copies,
    };
    match plan(&ask, &newest, wish) {
        Ok(planned) => Ok(Found::Ready(Box::new(planned))),
        Err(why) => cannot(Some(&newest), why),
    }
}

fn plan_id(held: &Held) -> Option<String> {
    held.plan.as_ref()?.plan_id.clone()
}

async fn plan_named(cloud: &Cloud, vault: &Arn, id: &str) -> Result<Option<BackupPlan>, Gap> {
    match (vault.account(), vault.region()) {
        (Some(account), Some(region)) => cloud.plan(&account, &region, id).await,
        _ => Ok(None),
    }
}

/// Shows what would be started, and asks the person at the terminal; where there is none, nobody agreed.
fn agreed(planned: &Planned) -> anyhow::Result<bool> {
    complain(&format!("Would be copied:\n{}", copy_text(planned, None)));
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut err = std::io::stderr().lock();
    write!(err, "Start it? [y/N] ").and_then(|()| err.flush()).context("nobody can be asked")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("the answer could not be read")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
