//! `guardian explain`.

mod event;
mod job;
mod message;
mod page;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use diagnose_job::config::{Scope, for_reading};
use diagnose_job::gather::gather;
use guardian_aws::Cloud;
use guardian_core::diagnosis::{Certainty, diagnose};
use guardian_core::event::Job;
use guardian_core::incident::identify;
use guardian_core::report::{self, Kind, Names};
use jiff::Timestamp;

pub(crate) use event::read as read_input;

use crate::evidence::{Folder, NoStore, Readers};
use crate::output::{Exit, Format, Output};

/// Time for evidence at a terminal: nobody is paged by it, and CloudTrail is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// Explain an event, a job, a status message, or a rule.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "Examples:
  guardian explain event failed-copy.json --evidence ./evidence
  cat failed-copy.json | guardian explain event - --format json
  guardian explain job --type copy 111111111111 eu-central-1 47C8EF56-0000-0000-0000-000000000000
  echo '{\"id\": 1, \"job\": \"copy\", \"state\": \"FAILED\", \"message\": \"Access Denied trying to call AWS Backup service\"}' | guardian explain message
  guardian explain BKD-001
  guardian explain kms-key-policy-missing-destination

Live explanations assume the role `backup-guardian-reader` (or GUARDIAN_READER_ROLE_NAME) in the accounts of the job."
)]
pub(crate) struct Explain {
    #[command(subcommand)]
    what: Option<What>,
    /// Code of a rule (`BKD-001`), its name, or a cause label: prints its page.
    code: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Diagnose the job of an EventBridge event.
    Event(event::Event),
    /// Diagnose a job by its id.
    Job(job::JobById),
    /// Read status messages: JSON Lines on standard input, JSON Lines on standard output.
    #[command(after_help = "Each line: {\"id\", \"job\": backup|copy|restore|scan, \"state\", \"resource_type\", \"message\", \"facts\"?}
Each answer: {\"id\", \"candidates\": [{\"cause\", \"likelihood\"}], \"decidable\", \"needs\"}; a line that cannot be read is answered with {\"error\"}.")]
    Message,
}

/// Where evidence comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct Source {
    /// Folder of recorded answers: `<account>/<region|global>/<service>/<Operation>/<name>.json` with `{request, response | error, at}`.
    /// Without it AWS is asked.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

impl Explain {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        match (self.what, self.code) {
            (Some(What::Event(event)), _) => event.run(output).await,
            (Some(What::Job(job)), _) => job.run(output).await,
            (Some(What::Message), _) => message::run(output),
            (None, Some(code)) => page::run(&code, output),
            (None, None) => anyhow::bail!("nothing to explain: name a rule, or use `event`, `job` or `message`"),
        }
    }
}

/// Evidence from a folder or from AWS.
pub(crate) enum Evidence {
    Recorded(Readers<Folder>, Scope),
    Live(Box<Cloud>, Scope),
}

impl Source {
    pub(crate) async fn open(&self) -> anyhow::Result<Evidence> {
        let (reader, mut scope) = for_reading().context("the environment cannot be used")?;
        if std::env::var_os("GUARDIAN_EVIDENCE_WINDOW_MS").is_none() {
            scope.window = PATIENCE;
        }
        Ok(match &self.evidence {
            Some(dir) => Evidence::Recorded(Readers::over(Folder::open(dir)?), scope),
            None => Evidence::Live(Box::new(Cloud::from_env(reader).await), scope),
        })
    }
}

impl Evidence {
    /// The moment of the diagnosis: of the recording where there is one, so that the same folder gives the same bytes.
    fn now(&self, job: &Job) -> Timestamp {
        match self {
            Self::Recorded(readers, _) => readers.answers().recorded_at().or(job.event_time).unwrap_or(Timestamp::UNIX_EPOCH),
            Self::Live(..) => Timestamp::now(),
        }
    }
}

/// Diagnoses a job and prints the alert it would raise.
async fn explain_job(job: Job, evidence: &Evidence, output: &Output) -> anyhow::Result<Exit> {
    let now = evidence.now(&job);
    let evidence = match evidence {
        Evidence::Recorded(readers, scope) => gather(readers, &NoStore, job, now, scope).await,
        Evidence::Live(cloud, scope) => gather(cloud.as_ref(), &NoStore, job, now, scope).await,
    };
    let verdict = diagnose(&evidence);
    let incident = identify(verdict.cause, &verdict.object);
    let alert = report::inert(&report::build(&evidence, &verdict, Kind::Failure, &incident, 1, &Names::default()));
    if output.json(Format::Text) {
        output.print(&serde_json::to_string_pretty(&alert)?)?;
    } else {
        output.print(&report::terminal(&alert, output.color()))?;
    }
    Ok(if verdict.certainty == Certainty::Unexplained { Exit::CouldNotTell } else { Exit::Finding })
}
