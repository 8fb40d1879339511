//! The stub as a process: prints its address and answers until it is ended.

#![expect(clippy::print_stdout, reason = "the address is the output of this command")]

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use guardian_perf_stub::estate::{Central, Shape};
use guardian_perf_stub::{Settings, Stub};
use serde_json::json;

/// A stub of the calls of a sweep, on loopback.
///
/// It prints its address. Then each line on standard input asks for the calls so far and the processor time that the stub took for them, one object
/// of JSON a line; the end of standard input ends it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Accounts of the organization.
    #[arg(long, default_value_t = 1000)]
    accounts: usize,
    /// Regions.
    #[arg(long, value_delimiter = ',', default_values_t = Shape::reference().regions)]
    regions: Vec<String>,
    /// Vaults of each account and Region.
    #[arg(long, default_value_t = 3)]
    vaults: usize,
    /// Recovery points of each vault. With `--central`, of which so many as `--copies` says are copies in the backup account.
    #[arg(long, default_value_t = 200)]
    points: usize,
    /// Resources of each vault.
    #[arg(long, default_value_t = 20)]
    resources: usize,
    /// Most recovery points of a page.
    #[arg(long, default_value_t = 1000)]
    page: usize,
    /// A backup account keeps copies of all others.
    #[arg(long)]
    central: bool,
    /// Copies of each vault, of which the backup account keeps all. Default: one of every resource.
    #[arg(long, requires = "central")]
    copies: Option<usize>,
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

impl Arguments {
    fn shape(&self) -> Shape {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let copies = self.copies.unwrap_or(self.resources);
        let central = self.central.then_some(Central { now, copies });
        Shape {
            accounts: self.accounts,
            regions: self.regions.clone(),
            vaults: self.vaults,
            points: self.points.saturating_sub(central.map_or(0, |central| central.copies)),
            resources: self.resources.max(1),
            page: self.page,
            // One allows everything, and one keeps what the first gives away.
            policies: if self.central { 2 } else { 1 },
            central,
            ..Shape::reference()
        }
    }
}

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Processor time of this process, in milliseconds; `None` where the system does not tell.
fn processor_time() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the command may hold anything; what counts comes behind it, in hundredths of a second.
    let (_, numbers) = told.rsplit_once(')')?;
    let hundredths = numbers.split_whitespace().skip(11).take(2).map(|part| part.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(hundredths * 10)
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let settings =
        Settings { latency: Duration::from_millis(arguments.latency), limited: arguments.limited, ..Settings::of(arguments.shape()) };
    let (stub, address) = Stub::start(settings, arguments.port)?;
    println!("{address}");
    std::io::stdout().flush()?;
    for line in std::io::stdin().lines() {
        line?;
        let log = stub.log();
        let told = json!({
            "total": log.total(), "throttled": log.throttled, "failed": log.failed, "processor_ms": processor_time(),
            "by_operation": log.by_operation(),
        });
        println!("{told}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
