//! The `guardian` command: wiring.

mod cloud;
mod collect;
mod drill;
mod evidence;
mod explain;
mod incidents;
mod input;
mod lab;
mod output;
mod policy;
mod preflight;
mod replay;
mod sweep;
mod topology;

use clap::{Parser, Subcommand};
use output::{Exit, Output};

/// Explains failed AWS Backup jobs: why, who must act, what to do.
///
/// Results go to standard output, everything else to standard error.
/// Exit codes: 0 fine, 1 a finding, 2 wrong usage or unreadable input,
/// 3 could not tell.
#[derive(Debug, Parser)]
#[command(
    name = "guardian",
    version,
    after_help = "Examples:
  guardian drill copy VAULT_ARN RESOURCE_ARN
  guardian explain event failed-copy.json
  guardian explain event failed-copy.json --evidence ./evidence --format json
  guardian explain job --type copy 111111111111 eu-central-1 JOB_ID
  guardian explain message messages.jsonl
  guardian explain BKD-001
  guardian explain --list
  guardian incidents list
  guardian incidents backfill INCIDENT_ID
  guardian policy eval cases.jsonl
  guardian policy patch cases.jsonl
  guardian preflight --account 111111111111 --region eu-central-1
  guardian collect --account 111111111111 --region eu-central-1 --out evidence
  guardian replay failed-copy.json --times 5
  guardian sweep --region eu-central-1 --html report.html
  guardian topology plan answers.json --out setup
  guardian topology verify --region eu-central-1

The help of each command says what it needs."
)]
struct Cli {
    /// Text for people, JSON for machines. Default: text; json where the input is JSON Lines.
    #[arg(long, global = true, value_enum, hide_possible_values = true, value_name = "text|json")]
    format: Option<output::Format>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write what decides the copies of some accounts into a folder of evidence.
    Collect(collect::Collect),
    Drill(Box<drill::Drill>),
    Explain(explain::Explain),
    Incidents(incidents::Incidents),
    /// Ask what IAM would answer, offline.
    Policy(policy::Policy),
    /// Tell of every route whether its next copy will work, and if not why.
    Preflight(preflight::Preflight),
    Replay(replay::Replay),
    Sweep(Box<sweep::SweepArguments>),
    Topology(Box<topology::Topology>),
}

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    // Clap's own exit code for wrong usage is 2, as promised above.
    let cli = Cli::parse();
    let output = Output::new(cli.format);
    let outcome = match cli.command {
        Command::Collect(collect) => collect.run(&output).await,
        Command::Drill(drill) => Box::pin(drill.run(&output)).await,
        Command::Explain(explain) => explain.run(&output).await,
        Command::Incidents(incidents) => incidents.run(&output).await,
        Command::Policy(policy) => policy.run(&output),
        Command::Preflight(preflight) => preflight.run(&output).await,
        Command::Replay(replay) => replay.run(&output).await,
        Command::Sweep(sweep) => Box::pin(sweep.run(&output)).await,
        Command::Topology(topology) => Box::pin(topology.run(&output)).await,
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::complain(&format!("guardian: {error:#}"));
            Exit::Usage.into()
        }
    }
}
