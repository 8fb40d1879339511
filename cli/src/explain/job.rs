//! `guardian explain job`.

use clap::{Args, ValueEnum};
use guardian_core::arn::{AccountId, Region};
use guardian_core::event::{Job, JobId, JobState, JobType};
use guardian_core::evidence::{Fact, Gap, GapReason, JobDescription};
use guardian_core::ports::BackupReader as _;

use super::event::nothing;
use super::{Evidence, Source, explain_job, live_help, no_entry};
use crate::output::{Exit, Output, complain};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Backup,
    Copy,
    Restore,
    Scan,
}

impl From<Kind> for JobType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Backup => Self::Backup,
            Kind::Copy => Self::Copy,
            Kind::Restore => Self::Restore,
            Kind::Scan => Self::Scan,
        }
    }
}

/// Diagnose a job by its id.
///
/// Prints the alert that the job would raise: cause, certainty, who must act,
/// what to do, and what could not be seen.
#[derive(Debug, Args)]
#[command(after_help = live_help!("Examples:
  guardian explain job 111111111111 eu-central-1 JOB_ID
  guardian explain job --type backup 111111111111 eu-central-1 JOB_ID
  guardian explain job 111111111111 eu-central-1 JOB_ID --evidence ./evidence"))]
pub(crate) struct JobById {
    /// Kind of job.
    #[arg(long = "type", value_enum, default_value = "copy", value_name = "KIND")]
    kind: Kind,
    /// Account that owns the job: for a copy the source account.
    #[arg(value_parser = account)]
    account: AccountId,
    /// Region of the job.
    #[arg(value_parser = region)]
    region: Region,
    /// Id of the job, as the console and the events show it.
    #[arg(value_parser = job_id)]
    job_id: JobId,
    #[command(flatten)]
    source: Source,
}

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).map_err(|error| error.to_string())
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| error.to_string())
}

fn job_id(text: &str) -> Result<JobId, String> {
    // Anything else would only come back as "not found".
    let good = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if good { Ok(JobId::from(text.to_owned())) } else { Err("the id of a job has letters, digits and dashes".to_owned()) }
}

impl JobById {
    pub(super) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let mut job = Job::new(self.account, self.region, self.kind.into());
        job.job_id = Some(self.job_id);
        let source = self.source.open(&job.region).await?;
        let described = match &source {
            Evidence::Recorded(readers, _) => readers.job(&job).await,
            Evidence::Live(cloud, _) => cloud.job(&job).await,
        };
        match described {
            Fact::Known { value, .. } => take(&mut job, value),
            Fact::Gap(gap) => {
                complain(&format!("guardian: {}", unread(&job, &gap)));
                return Ok(Exit::CouldNotTell);
            }
            Fact::NotAsked => return Ok(Exit::CouldNotTell),
        }
        if !job.is_problem() {
            return nothing(output, &format!("the job is {}", job.state.as_str().escape_debug()));
        }
        explain_job(job, &source, output).await
    }
}

/// The job as its description tells it.
fn take(job: &mut Job, described: JobDescription) {
    job.state = described.state.unwrap_or(JobState::Other(String::new()));
    job.created_at = described.created_at;
    job.completed_at = described.completed_at;
    job.role_arn = described.role_arn;
    job.resource_arn = described.resource_arn;
    job.resource_type = described.resource_type;
    job.recovery_point_arn = described.recovery_point_arn;
    job.vault_arn = described.vault_arn;
    job.destination_vault_arn = described.destination_vault_arn;
    job.destination_recovery_point_arn = described.destination_recovery_point_arn;
    job.status_message = described.status_message;
    job.parent_job_id = described.parent_job_id;
}

/// Why the job could not be read, and what helps.
fn unread(job: &Job, gap: &Gap) -> String {
    let detail = gap.detail.as_deref().unwrap_or("no detail");
    match gap.reason {
        _ if gap.action == "sts:AssumeRole" => no_entry(gap),
        GapReason::NotFound => format!(
            "account {} has no {} job `{}` in {}: check the id, --type and the account (a copy belongs to the source account); AWS forgets \
             jobs about 30 days after they ended",
            job.account,
            job.job_type.as_str(),
            job.job_id.as_ref().map(JobId::as_str).unwrap_or_default(),
            job.region,
        ),
        _ => format!("the job could not be read: {} in account {}: {}", gap.action, gap.account_id, detail.escape_debug()),
    }
}
