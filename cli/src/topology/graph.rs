//! `guardian topology graph`: which account copies into which vault, and where that is broken.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use guardian_core::report::sweep::{Overview, RouteState, topology_json, topology_svg, topology_text};

use super::machine;
use crate::input;
use crate::output::{Exit, Format, Output};
use crate::sweep::Sweeping;

/// Draw which source account copies into which vault, with the broken ways marked.
#[derive(Debug, Args)]
#[command(
    mut_arg("evidence", |arg| arg
        .value_name("DIR|FILE")
        .help("Folder that `guardian collect` made, or the machine form of a sweep (`guardian sweep --json`). Without it AWS is asked")),
    after_help = "Examples:
  guardian topology graph --region eu-central-1
  guardian topology graph --evidence report.json
  guardian topology graph --evidence evidence --svg topology.svg
  guardian topology graph --evidence report.json --svg - > topology.svg
  guardian topology graph --evidence report.json --format json

A way is drawn for each source account and vault that its rules copy into:
  ----------->  well: copies land, and nothing that was seen will stop the next
  ----[X]---->  broken: copies that should be there are not
  ----[-]---->  to be stopped: a policy or a setting will stop the next copy
  - - [?] - ->  not seen
The ten accounts that need attention most are drawn one by one, the others
counted. The SVG is one file that loads nothing; it is the picture of the page
of `guardian sweep --html`.

--format json prints one object:
  {at, routes: [{source_account, source_name, vault, resources, state: broken |
    to-be-stopped | not-seen | well, why, stopped_by: [code]}],
   routes_not_listed, not_evaluated: [{account_id, account_name, region, gaps}],
   summary: {broken, to-be-stopped, not-seen, well, to_other_vaults}}

Live, it needs what `guardian explain job --help` says.

Exit codes: 0 every way is well, 1 some are not, 2 wrong usage, 3 none is known
to be broken, but not all could be seen, or there is none."
)]
pub(crate) struct GraphArguments {
    #[command(flatten)]
    sweeping: Sweeping,
    /// Write the drawing as SVG into this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl GraphArguments {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let to_stdout = self.svg.as_deref() == Some(Path::new("-"));
        if let Some(file) = self.svg.as_deref().filter(|_| !to_stdout) {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !folder.is_dir() {
                bail!("the drawing {} cannot be written: there is no folder {}", input::name(file), input::name(folder));
            }
        }
        let Some(overview) = Box::pin(self.overview()).await? else { return Ok(Exit::CouldNotTell) };
        if to_stdout {
            output.print(&topology_svg(&overview))?;
            return Ok(exit(&overview));
        }
        if let Some(file) = &self.svg {
            std::fs::write(file, topology_svg(&overview))
                .with_context(|| format!("the drawing {} cannot be written", input::name(file)))?;
        }
        if output.json(Format::Text) {
            output.print(&format!("{:#}", topology_json(&overview)))?;
        } else {
            output.print(&topology_text(&overview, output.look()))?;
        }
        Ok(exit(&overview))
    }

    async fn overview(&self) -> anyhow::Result<Option<Overview>> {
        match self.sweeping.evidence.as_deref().filter(|evidence| evidence.is_file()) {
            Some(report) => {
                let mut overview = Overview::gather();
                machine::read(report, &mut overview)?;
                Ok(Some(overview.into_inner()))
            }
            None => Ok(self.sweeping.judge(None).await?.map(|swept| swept.overview)),
        }
    }
}

fn exit(overview: &Overview) -> Exit {
    let count = |state| overview.routes.count(state);
    if count(RouteState::Broken) + count(RouteState::Stopped) > 0 {
        Exit::Finding
    } else if count(RouteState::Unknown) > 0 || !overview.not_evaluated.is_empty() || count(RouteState::Well) == 0 {
        Exit::CouldNotTell
    } else {
        Exit::Fine
    }
}
