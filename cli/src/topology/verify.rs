//! `guardian topology verify`: will the next copies work, and does every part of the topology hold? One verdict.

use anyhow::bail;
use clap::Args;
use guardian_core::report::sweep::{MOST_ROWS, Overview, terminal_findings};
use guardian_core::topology::OfTopology;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::machine;
use crate::evidence::Folder;
use crate::output::{Exit, Format, Output};
use crate::preflight::{self, Findings};
use crate::sweep::{self, Sweeping};

/// Tell whether the topology holds: every route as `guardian preflight` judges it, every part as the checks of `guardian sweep` do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian topology verify --region eu-central-1 --backup-account 222222222222
  guardian topology verify --account 111111111111 --region eu-central-1
  guardian topology verify --evidence evidence
  guardian topology verify --evidence evidence --format json

Left out are the checks of what was backed up: recovery points, landed copies,
restores. A topology of today has none, and still holds; `guardian sweep`
judges them, and takes the same arguments.

What you take responsibility for is an exception of the baseline, as for
`guardian sweep`.

--format json prints one object:
  {verdict: holds | broken | not-known, routes: what `guardian preflight
   --format json` prints, checks: {failed, unknown, passed, findings: [{code,
   check, severity, account_id, region, resource_arn, part, seen, remedy}]},
   findings_not_listed, not_evaluated: [{account_id, region, gaps}]}
What is not known is absent. Members are only ever added.

Live, it needs what `guardian explain job --help` says. The account that keeps
the copies is read whatever --account says.

Exit codes: 0 everything was seen and holds, 1 something does not, 2 wrong
usage, 3 nothing is known to be broken, but not everything could be seen, no
account that keeps copies is known, or there is no backup yet whose copy could
be judged. What is for information (info) breaks nothing.")]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    sweeping: Sweeping,
}

/// In a word.
fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Fine => "holds",
        Exit::Finding => "broken",
        Exit::CouldNotTell | Exit::Usage => "not-known",
    }
}

/// The worse of two: what is known to be broken counts before what is not known.
fn both(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::Finding, _) | (_, Exit::Finding) => Exit::Finding,
        (Exit::Fine, Exit::Fine) => Exit::Fine,
        _ => Exit::CouldNotTell,
    }
}

impl VerifyArguments {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let evidence = self.sweeping.evidence.as_deref();
        if evidence.is_some_and(std::path::Path::is_file) {
            bail!(
                "`--evidence` is a file: routes are judged by a folder that `guardian collect` made; `guardian topology graph` draws a report"
            );
        }
        let as_of = evidence.map(Folder::open).transpose()?.map(|folder| folder.whole()).transpose()?;
        let Some(routes) = Box::pin(preflight::judged(evidence, &self.sweeping.places)).await? else { return Ok(Exit::CouldNotTell) };
        let Some(swept) = Box::pin(self.sweeping.judge(None)).await? else { return Ok(Exit::CouldNotTell) };
        let mut checks = OfTopology::before(Overview::gather());
        machine::read(&swept.machine, &mut checks)?;
        let checks = checks.into_inner().into_inner();
        let (of_routes, of_checks) = (preflight::exit(&routes), sweep::exit(&checks));
        let exit = both(of_routes, of_checks);
        if output.json(Format::Text) {
            output.print(&format!("{:#}", machine_form(exit, as_of, &routes, &checks)))?;
        } else {
            if let Some(at) = as_of {
                output.print(&format!("As of {}, when the evidence was collected.", at.strftime("%Y-%m-%d %H:%M UTC")))?;
            }
            output.print(&text(exit, of_routes, &routes, of_checks, &checks, output))?;
        }
        Ok(exit)
    }
}

fn text(exit: Exit, of_routes: Exit, routes: &Findings, of_checks: Exit, checks: &Overview, output: &Output) -> String {
    let says = |exit: Exit| match exit {
        Exit::Fine => "hold",
        Exit::Finding => "do not hold",
        Exit::CouldNotTell | Exit::Usage => "could not all be judged",
    };
    let first = match exit {
        Exit::Fine if count(checks, guardian_core::compliance::Status::Fail) > 0 => {
            "The topology holds: every route works, and what checks found is for information.".to_owned()
        }
        Exit::Fine => "The topology holds: every route works, and every check passes.".to_owned(),
        Exit::Finding => format!("The topology does not hold: routes {}, checks {}.", says(of_routes), says(of_checks)),
        Exit::CouldNotTell | Exit::Usage => {
            format!("Nothing is known to be broken, but not everything was seen: routes {}, checks {}.", says(of_routes), says(of_checks))
        }
    };
    let failed = count(checks, guardian_core::compliance::Status::Fail);
    let (passed, unknown) = (count(checks, guardian_core::compliance::Status::Pass), checks.unknown_outcomes());
    let unsure = checks
        .checks
        .iter()
        .filter(|(_, line)| line.outcomes.get(&guardian_core::compliance::Status::Unknown).is_some_and(|count| *count > 0));
    let unsure = unsure.map(|(code, line)| format!("{code} {}", line.check)).collect::<Vec<_>>().join(", ");
    let unsure = if unsure.is_empty() { unsure } else { format!(" ({unsure}: `guardian sweep --json FILE` says why)") };
    let told = format!("{passed} checks pass, {failed} fail, {unknown} could not be answered{unsure}.");
    let routes = preflight::text(routes);
    let findings = terminal_findings(checks, output.look(), MOST_ROWS);
    format!("{first}\n\nROUTES\n{}\n\nCHECKS\n{told}\n{findings}", routes.trim_end())
}

fn count(checks: &Overview, status: guardian_core::compliance::Status) -> u64 {
    checks.totals.outcomes.get(&status).copied().unwrap_or_default()
}

fn machine_form(exit: Exit, as_of: Option<Timestamp>, routes: &Findings, checks: &Overview) -> Value {
    use guardian_core::compliance::Status;
    let findings = checks.findings.iter().map(|finding| {
        let (found, subject) = (&finding.found, &finding.found.outcome.subject);
        known(json!({
            "code": found.code,
            "check": found.check,
            "severity": found.severity,
            "account_id": subject.account_id,
            "region": subject.region,
            "resource_arn": subject.resource_arn,
            "part": subject.part,
            "seen": found.outcome.seen,
            "remedy": found.outcome.remedy,
        }))
    });
    let findings = findings.collect::<Vec<_>>();
    let more = checks.findings.total().saturating_sub(findings.len() as u64);
    let unread =
        checks.not_evaluated.iter().map(|part| known(json!({"account_id": part.account_id, "region": part.region, "gaps": part.gaps})));
    known(json!({
        "verdict": word(exit),
        "as_of": as_of,
        "routes": preflight::json(routes),
        "checks": {
            "failed": count(checks, Status::Fail),
            "unknown": count(checks, Status::Unknown),
            "passed": count(checks, Status::Pass),
            "findings": findings,
        },
        "findings_not_listed": more,
        "not_evaluated": unread.collect::<Vec<_>>(),
        "organization_gaps": checks.organization_gaps,
    }))
}

/// What is not known is absent.
fn known(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}
