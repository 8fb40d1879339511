//! A recording as a process: prints where it is, and answers one function until its orders end.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use guardian_perf_stub::replay::{Identity, Replay};

/// Answers a function as it was answered once, on loopback.
///
/// It prints where the Lambda Runtime API is and where each service of AWS is, on one line. Then each line on standard input hands out so many events and prints the
/// calls that were made since the last, one array of JSON a line; the end of standard input ends it.
#[derive(Debug, Parser)]
struct Arguments {
    /// What was recorded.
    recording: PathBuf,
    /// AWS speaks TLS, with this certificate.
    #[arg(long, requires = "key", value_name = "DER")]
    certificate: Option<PathBuf>,
    /// Key of the certificate.
    #[arg(long, requires = "certificate", value_name = "DER")]
    key: Option<PathBuf>,
    /// What AWS takes for each answer.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    delay: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { recording, certificate, key, delay } = Arguments::parse();
    let identity = match certificate.zip(key) {
        Some((certificate, key)) => Some(Identity { certificate: std::fs::read(certificate)?, key: std::fs::read(key)? }),
        None => None,
    };
    let recording = serde_json::from_slice(&std::fs::read(recording)?)?;
    Replay::of(&recording, Duration::from_millis(delay))?.serve(identity, std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(())
}
