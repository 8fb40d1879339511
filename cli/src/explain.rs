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
use guardian_aws::classify::NO_CREDENTIALS;
use guardian_core::arn::Region;
use guardian_core::diagnosis::{Certainty, diagnose};
use guardian_core::event::Job;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::incident::identify;
use guardian_core::report::{self, Kind, Names};
use jiff::Timestamp;

use crate::cloud;
use crate::evidence::{Folder, NoStore, Readers};
use crate::output::{Exit, Format, Output, complain};

/// Time for evidence at a terminal: nobody is paged by it, and CloudTrail is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// What every live explanation needs; the end of a help text.
macro_rules! live_help {
    ($examples:literal) => {
        concat!(
            $examples,
            "

Without --evidence AWS is asked, read-only, through the role
`backup-guardian-reader` of each account (GUARDIAN_READER_ROLE_NAME,
GUARDIAN_EXTERNAL_ID). Use credentials of the guardian account that may assume
its role `backup-guardian-operator`. Where the profile is one of IAM Identity
Center: eval \"$(aws configure export-credentials --format env)\"
Service and resource control policies, backup policies and the list of accounts
are read through the role of GUARDIAN_ORGANIZATION_ROLE_ARN, the reader role of
the management account (arn:aws:iam::333333333333:role/backup-guardian-reader).
Without it they were not seen, and what depends on them is not known.
With AWS_ENDPOINT_URL of a lab (`make lab`) no credentials are needed.

Exit codes: 0 nothing to explain, 1 explained, 2 wrong usage or unreadable
input, 3 could not tell."
        )
    };
}
pub(crate) use live_help;

/// Explain an event, a job, a status message, a rule, or a check.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "Examples:
  guardian explain event failed-copy.json --evidence ./evidence
  guardian explain job --type copy 111111111111 eu-central-1 JOB_ID
  guardian explain message messages.jsonl
  guardian explain BKD-001
  guardian explain kms-key-policy-missing-destination
  guardian explain --list

Each of `event`, `job` and `message` has a --help of its own.

Exit codes of a page and of the list: 0 shown, 2 no rule has that name."
)]
pub(crate) struct Explain {
    #[command(subcommand)]
    what: Option<What>,
    /// Code of a rule (`BKD-001`) or check (`BKC-001`), its name, or a cause: prints its page.
    code: Option<String>,
    /// List all rules and checks with their codes.
    #[arg(long, conflicts_with = "code")]
    list: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    Event(event::Event),
    Job(job::JobById),
    Message(message::Message),
}

/// Where evidence comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct Source {
    /// Folder of recorded answers of AWS, used instead of AWS.
    ///
    /// One file per answer, with the member names of the APIs of AWS:
    /// `<account>/<region|global>/<service>/<Operation>/<name>.json` holds
    /// {"request", "response" or "error", "at"}, as in
    /// `111111111111/eu-central-1/backup/DescribeCopyJob/1.json`.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

impl Explain {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        match (self.what, self.code) {
            (Some(What::Event(event)), _) => event.run(output).await,
            (Some(What::Job(job)), _) => job.run(output).await,
            (Some(What::Message(message)), _) => message.run(output),
            (None, Some(code)) => page::run(&code, output),
            (None, None) if self.list => page::list(output),
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
    /// Opens the source; live, sessions are asked for in the Region of the job.
    pub(crate) async fn open(&self, region: &Region) -> anyhow::Result<Evidence> {
        let (reader, mut scope) = for_reading().context("the environment cannot be used")?;
        if std::env::var_os("GUARDIAN_EVIDENCE_WINDOW_MS").is_none() {
            scope.window = PATIENCE;
        }
        if let Some(dir) = &self.evidence {
            return Ok(Evidence::Recorded(Readers::over(Folder::open(dir)?), scope));
        }
        let cloud = cloud::open(reader, Some(region)).await?;
        Ok(Evidence::Live(Box::new(cloud), scope))
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
async fn explain_job(job: Job, source: &Evidence, output: &Output) -> anyhow::Result<Exit> {
    let now = source.now(&job);
    let mut evidence = match source {
        Evidence::Recorded(readers, scope) => gather(readers, &NoStore, job, now, scope).await,
        Evidence::Live(cloud, scope) => gather(cloud.as_ref(), &NoStore, job, now, scope).await,
    };
    // There is no store here, so nothing may say that it was read.
    evidence.searches.retain(|search| search.source != NoStore::SOURCE);
    let verdict = diagnose(&evidence);
    let incident = identify(verdict.cause, &verdict.object);
    let alert = report::inert(&report::build(&evidence, &verdict, Kind::Failure, &incident, 1, &Names::default()));
    if let Some(gap) = alert.gaps.iter().find(|gap| gap.action == "sts:AssumeRole") {
        complain(&format!("guardian: {}; what follows rests on the rest", no_entry(gap)));
    }
    if output.json(Format::Text) {
        output.print(&serde_json::to_string_pretty(&alert)?)?;
    } else {
        output.print(&report::terminal(&alert, output.look()))?;
    }
    Ok(if verdict.certainty == Certainty::Unexplained { Exit::CouldNotTell } else { Exit::Finding })
}

/// Why an account could not be looked into, and what helps.
fn no_entry(gap: &Gap) -> String {
    let detail = gap.detail.as_deref().unwrap_or_default();
    let help = match gap.reason {
        _ if detail == NO_CREDENTIALS => {
            "no usable AWS credentials were found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give --evidence DIR".to_owned()
        }
        GapReason::RoleNotAssumable => format!(
            "AWS answered {}: use credentials of the guardian account that may assume its role `{}`, and see that the reader role is \
             deployed in that account",
            detail.escape_debug(),
            guardian_aws::OPERATOR_ROLE
        ),
        GapReason::Unavailable | GapReason::TimedOut => format!("no answer came ({})", detail.escape_debug()),
        _ => format!("AWS answered {}", detail.escape_debug()),
    };
    format!("account {} could not be looked into: {help}", gap.account_id)
}
