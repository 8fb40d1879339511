//! The stub as a process: prints its address and answers until it is ended.

#![expect(clippy::print_stdout, reason = "the address is the output of this command")]

use std::io::Write as _;
use std::time::Duration;

use clap::Parser;
use guardian_perf_stub::estate::Shape;
use guardian_perf_stub::{Settings, Stub};

/// A stub of the calls of a sweep, on loopback.
#[derive(Debug, Parser)]
struct Arguments {
    /// Accounts of the organization.
    #[arg(long, default_value_t = 1000)]
    accounts: usize,
    /// Recovery points of each vault.
    #[arg(long, default_value_t = 200)]
    points: usize,
    /// Milliseconds that every answer takes.
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// Enforce the published limits.
    #[arg(long)]
    limited: bool,
    /// Port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let shape = Shape { accounts: arguments.accounts, points: arguments.points, ..Shape::reference() };
    let settings = Settings { latency: Duration::from_millis(arguments.latency), limited: arguments.limited, ..Settings::of(shape) };
    let (stub, address) = Stub::start(settings, arguments.port)?;
    println!("{address}");
    std::io::stdout().flush()?;
    // A line on standard input asks for the count of calls so far; its end ends the stub.
    for line in std::io::stdin().lines() {
        line?;
        let log = stub.log();
        println!("{} {}", log.total(), log.throttled);
        std::io::stdout().flush()?;
    }
    Ok(())
}
