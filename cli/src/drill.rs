//! Copies and restores on demand: what is asked for, and how it is told. The function `run-drill` has what they share.

pub(crate) mod backfill;
mod copy;
mod list;
mod restore;
mod tell;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use guardian_aws::{DRILL_ROLE, ReaderRole};
use guardian_core::drill::AllowedVaults;

use crate::lab::Lab;
use crate::output::{Exit, Output};

const VAULTS: &str = "GUARDIAN_DRILL_VAULTS";
const ROLE: &str = "GUARDIAN_DRILL_ROLE_NAME";

/// See a copy work, out or back, or a restore, before it is needed.
///
/// It starts a real job. A copy has a lifecycle; a table that a restore made is deleted again, and a volume is told until somebody deletes it. An
/// incident of the same route ends by the job as by any other, and a job that fails is an alert like any other.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian drill copy VAULT_ARN RESOURCE_ARN
  guardian drill copy-back VAULT_ARN RESOURCE_ARN --to VAULT_ARN \\
      --role arn:aws:iam::222222222222:role/backup-copy-back --retention-days 7
  guardian drill restore VAULT_ARN RESOURCE_ARN --yes --wait
  guardian drill list

Jobs are started through the role backup-guardian-drill, which is only in
accounts where drills were switched on (EnableDrills of
deploy/agent-global.yaml, for restores EnableRestoreDrills, too), and only
into and from vaults of the list.

Exit codes: 0 the job is on its way, 1 it cannot be made, and why, 2 wrong
usage or nobody said yes, 3 something could not be seen or started.")]
pub(crate) struct Drill {
    /// The guardian's table.
    #[arg(long, global = true, value_name = "NAME")]
    table: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Copy(copy::Out),
    CopyBack(copy::Back),
    Restore(restore::Restore),
    List(list::List),
}

impl Drill {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        match self.command {
            Command::Copy(out) => copy::run(out.into(), self.table.as_ref(), output).await,
            Command::CopyBack(back) => copy::run(back.into(), self.table.as_ref(), output).await,
            Command::Restore(restore) => restore::run(restore, self.table.as_ref(), output).await,
            Command::List(list) => list::run(list, self.table.as_ref(), output).await,
        }
    }
}

/// The vaults of drills, and the role through which jobs are started.
#[derive(Debug, Args)]
pub(crate) struct Permit {
    /// ARN of a vault into which copies may be started, and from which may be restored, with `*` where it stands for several (repeatable).
    /// Default: GUARDIAN_DRILL_VAULTS, with commas.
    #[arg(long = "allow-vault", value_name = "ARN")]
    vaults: Vec<String>,
    /// Name of the role that starts drills in the accounts. Default: GUARDIAN_DRILL_ROLE_NAME, or backup-guardian-drill.
    #[arg(long, value_name = "NAME")]
    drill_role: Option<String>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Permit {
    /// The list of vaults. Nobody copies anywhere by default.
    pub(crate) fn allowed(&self) -> anyhow::Result<AllowedVaults> {
        let mut named = self.vaults.clone();
        if named.is_empty() {
            let lab = || Lab::from_env()?.info().ok()?.text("/outputs/DrillVaultArns").ok().map(str::to_owned);
            let listed = variable(VAULTS).or_else(lab).unwrap_or_default();
            named.extend(listed.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
        }
        if named.is_empty() {
            bail!(
                "into which vaults copies may be started is not known: give `--allow-vault` or {VAULTS} the output DrillVaultArns of the guardian's stack"
            );
        }
        match AllowedVaults::of(named) {
            Ok(allowed) => Ok(allowed),
            Err(wrong) => bail!("`{}` is not the ARN of a vault", wrong.escape_debug()),
        }
    }

    /// The role that starts copies, beside that which reads.
    pub(crate) fn role(&self, reader: &ReaderRole) -> anyhow::Result<ReaderRole> {
        let name = self.drill_role.clone().or_else(|| variable(ROLE)).unwrap_or_else(|| DRILL_ROLE.to_owned());
        let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
        good.then_some(()).with_context(|| format!("`{}` is not the name of a role", name.escape_debug()))?;
        Ok(ReaderRole { name, external_id: reader.external_id.clone(), organization_role_arn: None })
    }
}
