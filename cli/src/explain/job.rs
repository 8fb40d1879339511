//! `guardian explain job`.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use guardian_core::arn::{AccountId, Region};
use guardian_core::event::{Job, JobId, JobState, JobType};
use guardian_core::evidence::Fact;
use guardian_core::ports::BackupReader as _;

use super::{Evidence, Source, explain_job};
use crate::output::{Exit, Format, Output, complain};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Backup,
    Copy,
    Restore,
    Scan,
}

/// Diagnose a job by its id.
#[derive(Debug, Args)]
pub(crate) struct JobById {
    /// Kind of job.
    #[arg(long = "type", value_enum, default_value = "copy")]
    kind: Kind,
    /// Account that owns the job: for a copy the source account.
    account: String,
    /// Region of the job.
    region: String,
    /// Id of the job.
    job_id: String,
    #[command(flatten)]
    source: Source,
}

impl JobById {
    pub(super) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let account = AccountId::parse(&self.account).context("ACCOUNT")?;
        let region = Region::parse(&self.region).context("REGION")?;
        let job_type = match self.kind {
            Kind::Backup => JobType::Backup,
            Kind::Copy => JobType::Copy,
            Kind::Restore => JobType::Restore,
            Kind::Scan => JobType::Scan,
        };
        let mut job = Job::new(account, region, job_type);
        job.job_id = Some(JobId::from(self.job_id));
        let source = self.source.open().await?;
        let described = match &source {
            Evidence::Recorded(readers, _) => readers.job(&job).await,
            Evidence::Live(cloud, _) => cloud.job(&job).await,
        };
        match described {
            Fact::Known { value, .. } => {
                job.state = value.state.clone().unwrap_or(JobState::Other(String::new()));
                job.created_at = value.created_at;
                job.completed_at = value.completed_at;
                job.role_arn = value.role_arn;
                job.resource_arn = value.resource_arn;
                job.resource_type = value.resource_type;
                job.recovery_point_arn = value.recovery_point_arn;
                job.vault_arn = value.vault_arn;
                job.destination_vault_arn = value.destination_vault_arn;
                job.destination_recovery_point_arn = value.destination_recovery_point_arn;
                job.status_message = value.status_message;
                job.parent_job_id = value.parent_job_id;
            }
            Fact::Gap(gap) => {
                let reason = serde_json::to_value(gap.reason)?;
                complain(&format!(
                    "guardian: the job could not be read: `{}` in account {} answered {} ({})",
                    gap.action,
                    gap.account_id,
                    reason.as_str().unwrap_or_default(),
                    gap.detail.as_deref().unwrap_or("no detail").escape_debug(),
                ));
                return Ok(Exit::CouldNotTell);
            }
            Fact::NotAsked => return Ok(Exit::CouldNotTell),
        }
        if !job.is_problem() {
            let state = job.state.as_str().escape_debug().to_string();
            if output.json(Format::Text) {
                output.print(&serde_json::json!({"finding": null, "state": state}).to_string())?;
            } else {
                output.print(&format!("Nothing to explain: the job is {state}."))?;
            }
            return Ok(Exit::Fine);
        }
        explain_job(job, &source, output).await
    }
}
