//! `guardian explain message`.

use std::io::BufRead as _;

use anyhow::Context as _;
use guardian_core::diagnosis::explain::{self, Answer};

use crate::output::{Exit, Format, Output};

/// Answers standard input line by line; exit 2 where a line could not be read.
pub(super) fn run(output: &Output) -> anyhow::Result<Exit> {
    let json = output.json(Format::Json);
    let mut exit = Exit::Fine;
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line.context("standard input cannot be read")?;
        // Bytes that are no text still deserve an answer of their own.
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            continue;
        }
        let answer = explain::line(&line);
        if matches!(answer, Answer::Unreadable { .. }) {
            exit = Exit::Usage;
        }
        if json { output.print(&serde_json::to_string(&answer)?)? } else { output.print(&text(&answer))? }
    }
    Ok(exit)
}

fn text(answer: &Answer) -> String {
    let name = |id: &Option<serde_json::Value>| id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    match answer {
        Answer::Read { id, candidates, decidable, .. } => {
            let causes = candidates.iter().map(|candidate| format!("{} {:.2}", candidate.cause, candidate.likelihood));
            let causes = causes.collect::<Vec<_>>().join(", ");
            format!("{}: {causes}{}", name(id), if *decidable { "" } else { " (undecided)" })
        }
        Answer::Unreadable { id, error } => format!("{}: {}", name(id), error.escape_debug()),
    }
}
