//! `guardian preflight`: will the next copies work?

mod changes;
mod finding;
mod json;
mod places;
mod survey;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use diagnose_job::config::for_reading;
use guardian_core::copy::Verdict;

use crate::cloud;
use crate::evidence::{Folder, Once, Readers};
use crate::output::{Exit, Format, Output, complain};
pub(crate) use finding::Findings;
use finding::findings;
pub(crate) use json::json;
pub(crate) use places::{Chosen, Places, apart};
pub(crate) use survey::survey;
pub(crate) use text::{text, unread};

/// Look at every route that a backup plan copies along, and tell whether its next copy will work.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian preflight --account 111111111111 --region eu-central-1
  guardian preflight --evidence ./evidence
  guardian preflight --evidence ./evidence --format json
  guardian preflight --account 111111111111 --changes changes.jsonl

A route is: source account, Region and vault, resource type, key of the
backups, destination vault. The routes are the copy actions of the backup
plans, for the kinds of recovery points that are in their vaults and whose
resources their selections select. Each is judged by the policies of both
vaults and keys, grants, job role, SCPs and RCPs, by the state of vaults, keys
and role, and by whether the organization allows copies into other accounts:

  works      all that a copy needs, or may need, was seen and is there
  will-fail  something that it needs was seen and is not there
  depends    on what could not be read, or on what AWS does not document

Tags of resources are not read. Where a selection chooses by tags, a resource
that its plan has backed up before counts as selected; of others a copy that
would fail is `depends`, with the selection in perhaps_selected_by.

What backup policies of the organization want is in the accounts as plans. With
GUARDIAN_ORGANIZATION_ROLE_ARN the effective policy is read too, and what is not
a plan yet is told as not known.

--format json prints one object:
  {routes: [{source_account, source_region, source_vault, resource_type, key,
             destination_vault, job_role, perhaps_selected_by, verdict,
             denied: [{principal, action, resource, why}],
             obstacles: [text], patches: [patch],
             without_patch: [{reason, instead}], depends_on: [text], gaps: [gap]}],
   not_known: [{account, region, plan, source_vault, destination_vault, why}],
   gaps: [gap],
   summary: {plans, plans_that_copy, routes, works, will_fail, depends,
             not_known, gaps}}
  patch = {account_id, target_arn, operation, statements, document, cli, proof},
          for one policy, proven together with the other patches of the route
  gap = {action, account_id, region, reason, detail}
What is not known is absent. Members are only ever added.

--changes asks what changes would do, each alone; nothing is changed. A change,
on one line, names its object and what becomes of it; null takes away:
  {id, object, policy | null}             of a key, a vault, a managed policy or
                                          a policy of the organization, by ARN
  {id, object, state, grants}             of a key
  {id, object, policies: {name: policy | null}, boundary, trust}   of a role
  {id, object, scp, rcp}                  attached to an account, by its id
Each is answered by one line:
  {id, broken: [route], suspected: [route], mended: [route], open: [route],
   unknown: [route], unchanged}
  broken: it works and would fail; suspected: it would fail, and nobody can
  tell now; mended: it would fail and would then work; open: nobody could tell
  any longer; unknown: nobody can tell now, and nothing says that it would
  fail. route as above, with why and depends_on

Live, it needs what `guardian explain job --help` says.

Exit codes with --changes: 0 every line was answered, 2 one could not be judged.
Exit codes: 0 every copy will work, or plans were read and none copies
anything, 1 some will fail, 2 wrong usage, 3 not everything could be seen, or
there was nothing to judge: no plan, or no backup that the plans copy.")]
pub(crate) struct Preflight {
    /// Folder that `guardian collect` made. Without it AWS is asked.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// File with one change on each line, `-` for standard input: what would each of them do?
    #[arg(long, value_name = "FILE")]
    changes: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
}

impl Preflight {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        if let Some(file) = &self.changes {
            let Some((survey, organization_id)) = surveyed(self.evidence.as_deref(), &self.places).await? else {
                return Ok(Exit::CouldNotTell);
            };
            return changes::answer(file, survey, organization_id.as_deref(), output);
        }
        let Some(findings) = judged(self.evidence.as_deref(), &self.places).await? else { return Ok(Exit::CouldNotTell) };
        if output.json(Format::Text) {
            output.print(&serde_json::to_string_pretty(&json(&findings))?)?;
        } else {
            output.print(&text(&findings))?;
        }
        Ok(exit(&findings))
    }
}

/// Finds and judges every route, of a folder or live; `None` where the accounts could not be listed, which was told.
pub(crate) async fn judged(evidence: Option<&Path>, places: &Places) -> anyhow::Result<Option<Findings>> {
    let Some((survey, organization_id)) = surveyed(evidence, places).await? else { return Ok(None) };
    Ok(Some(findings(survey, organization_id.as_deref())?))
}

/// Reads every route, of a folder or live, and the id of the organization where it was told.
async fn surveyed(evidence: Option<&Path>, places: &Places) -> anyhow::Result<Option<(survey::Survey, Option<String>)>> {
    let (reader, scope) = for_reading().context("the environment cannot be used")?;
    let organization_id = scope.organization_id;
    let survey = match evidence {
        Some(dir) => {
            let folder = Folder::open(dir)?;
            let looked = folder.places();
            let readers = Readers::over(Once::over(folder));
            let places = places.among(looked, &readers).await;
            if places.is_empty() {
                anyhow::bail!("`{}` holds nothing of these accounts and Regions: was it made by `guardian collect`?", dir.display());
            }
            survey(Arc::new(readers), places).await?
        }
        None => {
            let readers = Readers::over(Once::over(cloud::open(reader, places.first_region()).await?));
            match places.choose(&readers).await? {
                Chosen::Places(places) => survey(Arc::new(readers), places).await?,
                Chosen::CouldNotTell(why) => {
                    complain(&format!("guardian: {why}"));
                    return Ok(None);
                }
            }
        }
    };
    Ok(Some((survey, organization_id)))
}

/// A copy that will fail is a finding; what was not seen is none.
pub(crate) fn exit(findings: &Findings) -> Exit {
    if findings.with(Verdict::WillFail).next().is_some() {
        Exit::Finding
    } else if findings.complete() {
        Exit::Fine
    } else {
        Exit::CouldNotTell
    }
}
