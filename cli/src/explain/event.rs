//! `guardian explain event`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use guardian_core::event::{self, Parsed};

use super::{Source, explain_job};
use crate::output::{Exit, Format, Output};

/// Diagnose the job of an EventBridge event.
#[derive(Debug, Args)]
pub(crate) struct Event {
    /// File with one event as EventBridge delivers it; `-` reads standard input.
    file: PathBuf,
    #[command(flatten)]
    source: Source,
}

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read(file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))
}

impl Event {
    pub(super) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let job = match event::parse(&read(&self.file)?) {
            Parsed::Job(job) => *job,
            Parsed::Degraded(degraded) => degraded.as_job(),
            Parsed::Quarantine(quarantine) => {
                anyhow::bail!("`{}` is not an event ({}): {}", self.file.display(), quarantine.reason.as_str(), quarantine.what)
            }
            Parsed::Trail(_) | Parsed::Change(_) | Parsed::Other { .. } => return nothing(output, "the event is not about a job"),
        };
        if !job.is_problem() {
            return nothing(output, "the job has no problem");
        }
        explain_job(job, &self.source.open().await?, output).await
    }
}

fn nothing(output: &Output, why: &str) -> anyhow::Result<Exit> {
    if output.json(Format::Text) {
        output.print(&serde_json::json!({"finding": null, "why": why}).to_string())?;
    } else {
        output.print(&format!("Nothing to explain: {why}."))?;
    }
    Ok(Exit::Fine)
}
