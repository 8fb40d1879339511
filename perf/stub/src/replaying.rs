//! A recording as a process: prints its address, and answers one function until its orders end.

use std::path::PathBuf;

use clap::Parser;
use guardian_perf_stub::replay::Replay;

/// Answers a function as it was answered once, on loopback.
///
/// It prints its address, under which AWS and the Lambda Runtime API answer. Then each line on standard input hands out so many events and prints the
/// calls that were made since the last, one array of JSON a line; the end of standard input ends it.
#[derive(Debug, Parser)]
struct Arguments {
    /// What was recorded.
    recording: PathBuf,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recording = serde_json::from_slice(&std::fs::read(Arguments::parse().recording)?)?;
    Replay::of(&recording)?.serve(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(())
}
