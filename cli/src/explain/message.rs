//! `guardian explain message`.

use std::path::PathBuf;

use clap::Args;
use guardian_core::diagnosis::explain::{self, Answer};
use serde_json::Value;

use crate::input::{self, Line};
use crate::output::{Exit, Format, Output, complain};

/// Tell what status messages can mean: JSON Lines in, JSON Lines out.
///
/// Each line of the input is answered by one line, in order and at once.
/// A message alone rarely proves a cause: the answer is a set of at most four,
/// and what would tell them apart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian explain message messages.jsonl
  echo '{\"message\": \"Rate exceeded\"}' | guardian explain message
  guardian explain message messages.jsonl --format text

A question:
  {\"id\": 1, \"job\": \"copy\", \"state\": \"FAILED\", \"resource_type\": \"EBS\",
   \"message\": \"...\", \"facts\": {\"crosses_accounts\": true}}
on one line; everything is optional. `job` is backup, copy, restore or scan.
`facts`, as far as they are known:
  crosses_accounts          true or false
  crosses_regions           true or false
  fully_managed             true for EFS, S3, ...: the key of the vault counts
  key_manager               of the recovery point: AWS or CUSTOMER
  key_state                 Enabled, Disabled, PendingDeletion, ...
  destination_key_manager   of the destination vault: AWS or CUSTOMER
  scan_result               of a malware scan: NO_THREATS_FOUND, ...

An answer:
  {\"id\", \"candidates\": [{\"cause\", \"likelihood\"}], \"decidable\", \"needs\",
   \"fingerprint\"}
The likelihoods sum to 1. `needs` names the facts and the calls of AWS that
would settle it. `fingerprint` is the same for the same text with other ids.
Facts with unknown names come back in `ignored`.
A line that cannot be read is answered with {\"id\", \"line\", \"error\"}, and the
next one is read.

Exit codes: 0 every line was read and answered, 2 one could not be read.")]
pub(crate) struct Message {
    /// File with one question on each line; `-` or nothing reads standard input.
    #[arg(default_value = "-", hide_default_value = true)]
    file: PathBuf,
}

/// Longest question. A status message has at most some thousand characters.
const LONGEST_LINE: usize = 1 << 20;

impl Message {
    pub(super) fn run(&self, output: &Output) -> anyhow::Result<Exit> {
        let json = output.json(Format::Json);
        let mut lines = input::lines(&self.file, "questions, one JSON object per line,")?;
        let (mut number, mut bad) = (0, 0_u64);
        loop {
            let line = input::next_line(lines.as_mut(), LONGEST_LINE);
            let Some(line) = line.map_err(|error| anyhow::anyhow!("{} {}", input::name(&self.file), input::why(&error)))? else { break };
            number += 1;
            let answer = match &line {
                // Some tools start a file with a byte order mark.
                Line::Text(text) => match text.strip_prefix('\u{feff}').filter(|_| number == 1).unwrap_or(text).trim() {
                    "" => continue,
                    text => explain::line(number, text),
                },
                Line::TooLong => Answer::Unreadable { id: None, line: number, error: format!("longer than {} MiB", LONGEST_LINE >> 20) },
            };
            bad += u64::from(matches!(answer, Answer::Unreadable { .. }));
            if json {
                output.print(&serde_json::to_string(&answer)?)?
            } else {
                output.print(&text(number, &answer))?
            }
            if output.closed() {
                break;
            }
        }
        if bad == 0 {
            return Ok(Exit::Fine);
        }
        complain(&format!("guardian: {bad} of {number} lines could not be read: --help shows what a line holds"));
        Ok(Exit::Usage)
    }
}

/// An answer for people, on one line.
fn text(number: u64, answer: &Answer) -> String {
    let name = |id: &Option<Value>| match id {
        Some(Value::String(id)) => id.escape_debug().to_string(),
        Some(id) => id.to_string(),
        None => format!("line {number}"),
    };
    match answer {
        Answer::Read { id, candidates, decidable, needs, ignored, .. } => {
            let causes = candidates.iter().map(|candidate| format!("{} {:.0} %", candidate.cause, candidate.likelihood * 100.0));
            let causes = causes.collect::<Vec<_>>().join(", ");
            let open = if *decidable { String::new() } else { format!("; not decided, needs {}", needs.join(", ")) };
            let ignored = if ignored.is_empty() { String::new() } else { format!("; ignored: {}", ignored.join(", ").escape_debug()) };
            format!("{}: {causes}{open}{ignored}", name(id))
        }
        Answer::Unreadable { id, line, error } => {
            let line = if id.is_some() { format!(" (line {line})") } else { String::new() };
            format!("{}{line}: {}", name(id), error.escape_debug())
        }
    }
}
