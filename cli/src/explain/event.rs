//! `guardian explain event`.

use std::path::PathBuf;

use clap::Args;
use guardian_core::event::{self, Parsed, QuarantineReason};

use super::{Source, explain_job, live_help};
use crate::input;
use crate::output::{Exit, Format, Output};

/// Diagnose the job of an EventBridge event, or what a vault notification tells.
///
/// Prints the alert that the event would raise: cause, certainty, who must act,
/// what to do, and what could not be seen.
#[derive(Debug, Args)]
#[command(after_help = live_help!("Examples:
  guardian explain event failed-copy.json --evidence ./evidence
  guardian explain event failed-copy.json --format json
  cat failed-copy.json | guardian explain event -"))]
pub(crate) struct Event {
    /// File with one event as EventBridge delivers it, or with one vault notification as SNS delivers it to a queue; `-` reads standard input.
    file: PathBuf,
    #[command(flatten)]
    source: Source,
}

impl Event {
    pub(super) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let job = match parsed(&input::read(&self.file)?) {
            Parsed::Job(job) => *job,
            Parsed::Degraded(degraded) => degraded.as_job(),
            Parsed::Quarantine(quarantine) => {
                let expected = "expected is one event as EventBridge delivers it: {\"source\": \"aws.backup\", \"detail-type\": ..., \"account\": ..., \
                                \"region\": ..., \"detail\": {...}}";
                let what = match quarantine.reason {
                    QuarantineReason::NotJson => format!("is {}", quarantine.what),
                    _ => format!("is not an event ({})", quarantine.what),
                };
                anyhow::bail!("{} {what}; {expected}", input::name(&self.file))
            }
            Parsed::Trail(_) => return nothing(output, "this is an event of CloudTrail, not one of a job"),
            Parsed::Change(_) => return nothing(output, "this is an event about a change, not about a job"),
            Parsed::Other { .. } => return nothing(output, "this event is not about a job of AWS Backup"),
        };
        if !job.is_problem() {
            return nothing(output, &format!("the job is {}", job.state.as_str().escape_debug()));
        }
        let source = self.source.open(&job.region).await?;
        explain_job(job, &source, output).await
    }
}

/// An event, or else a notification of a vault: who reads a file of his own need not ask through which queue it came.
fn parsed(bytes: &[u8]) -> Parsed {
    match event::parse(bytes) {
        Parsed::Quarantine(quarantine) => match event::parse_notification(bytes) {
            Parsed::Quarantine(_) => Parsed::Quarantine(quarantine),
            read => read,
        },
        read => read,
    }
}

/// Says that there is no finding, and why.
pub(super) fn nothing(output: &Output, why: &str) -> anyhow::Result<Exit> {
    if output.json(Format::Text) {
        output.print(&serde_json::json!({"finding": null, "why": why}).to_string())?;
    } else {
        output.print(&format!("Nothing to explain: {why}."))?;
    }
    Ok(Exit::Fine)
}
