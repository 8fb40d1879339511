//! `guardian topology plan`: answers in, a folder with parameters and commands out.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use guardian_core::report::{inert_text, set_up};
use guardian_core::topology::{Answers, Plan, Problem, Seen, example, fill, plan};
use serde_json::{Value, json};

use super::seen;
use crate::input;
use crate::output::{Exit, Format, Output};

/// Write what sets the topology up: parameters of every template, and the commands in their order.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian topology plan --example > answers.json
  guardian topology plan answers.json --out setup
  guardian topology plan answers.json
  guardian topology plan answers.json --evidence evidence --out setup
  guardian topology plan --example --evidence evidence
  guardian topology plan answers.json --format json

Nothing is changed in any account: the folder is for people to read and run.
  setup/plan.md          every step: account, Region, command, and why
  setup/commands.sh      the same as a script; stops in the wrong account
  setup/parameters/*     for each stack, as the AWS CLI takes them
  setup/samconfig.toml   the same of template.yaml, for `make deploy`
  setup/plan.json        the machine form, which --format json prints
Without --out the page is printed and nothing is written.

The answers are JSON, backup-guardian/topology-answers/v1. `--example` prints
some. What must be said has a *; the rest has the default that is told here:
  organization:  id*, root_id*, management_account*
  regions*:      where backups are made; roles are made in the first, which
                 must stay the first when others come
  sources:       targets*: units, or the root for every account
                 vault \"local-backups\", role \"backup-jobs\", make_vault, make_role
                 make_volume_key, volumes_use_the_key: all true; for what is
                 there already false; volume_key_alias \"volumes\"
                 role with its path where make_role is false
  backup:        account*; break_glass_principal*: the user who alone may open
                 the vault, with a second factor
                 region: all copies go there; without it each Region has a vault
                 vault \"central-backups\", admit: paths, default the organization
                 break_glass_role, copy_back_role, air_gapped_vault,
                 notification_email
  backup.lock:   mode \"governance\", or \"compliance\" with
                 acknowledgement \"nobody can undo this lock\"; grace_days 14
                 min_days, max_days: by default all copies of the policies fit,
                 and in what cannot be undone nothing longer
  policies*:     for each: name \"backups\", targets as of the sources,
                 tag {key \"backup\", values [\"daily\"]}
                 daily, weekly, monthly {schedule, keep_days, keep_copies_days};
                 the latter two only where they are named
                 start_within_minutes 60, complete_within_minutes 720
  protect:       sources (not with the root as target), backup_account: true
  resource_types: what AWS Backup is switched on for, such as [\"EBS\", \"RDS\"]
  guardian:      account*; region, default the first; alert_email,
                 operations_email
  delegated_administrator: an account; default none

With --evidence (a folder of `guardian collect`, or the report of `guardian
sweep --json`) what is there already is left out and told, and answers that it
knows may be missing. What was not seen is planned: of what every source account
needs only that is left out which all of them were seen to have, which a report
does not tell.

Exit codes: 0 the plan is made, 2 wrong usage or answers that cannot be used;
each field that is wrong is named with what to write.")]
pub(crate) struct PlanArguments {
    /// The answers, or `-` for standard input. They may be left out where --evidence tells all of them.
    #[arg(value_name = "FILE", conflicts_with = "example")]
    answers: Option<PathBuf>,
    /// Print answers to begin with; with --evidence filled in as far as it knows.
    #[arg(long)]
    example: bool,
    /// What is there: a folder that `guardian collect` made, or the machine form of a sweep.
    #[arg(long, value_name = "DIR|FILE")]
    evidence: Option<PathBuf>,
    /// Folder to write the plan into; it is made where it is missing.
    #[arg(long, value_name = "DIR", conflicts_with = "example")]
    out: Option<PathBuf>,
    /// Write into a folder that is not empty: the files of a plan there are replaced, others stay.
    #[arg(long, requires = "out")]
    force: bool,
}

impl PlanArguments {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        if self.example {
            let mut answers = example();
            if let Some(evidence) = &self.evidence {
                fill(&mut answers, &seen::read(evidence).await?, true);
            }
            output.print(&format!("{answers:#}"))?;
            return Ok(Exit::Fine);
        }
        if self.answers.is_none() && self.evidence.is_none() {
            bail!("no answers: name a file of them; `guardian topology plan --example > answers.json` writes one to begin with");
        }
        // Before anything is read for minutes.
        let out = self.out.as_deref().map(|out| Out::prepare(out, self.force)).transpose()?;
        let given = self.answers.as_deref().map(read).transpose()?;
        let seen = match &self.evidence {
            Some(evidence) => seen::read(evidence).await?,
            None => Seen::default(),
        };
        // A slash at its end would be there twice in every path.
        let folder =
            self.out.as_deref().map_or_else(|| "setup".to_owned(), |out| out.components().collect::<PathBuf>().display().to_string());
        let (answers, plan) = made(given, &seen, &folder, self.answers.as_deref())?;
        let files = set_up::files(&plan, &answers, &folder);
        if let Some(out) = out {
            out.write(&files)?;
        }
        if output.json(Format::Text) {
            output.print(&format!("{:#}", set_up::machine_form(&plan)))?;
        } else if self.out.is_some() {
            output.print(&summary(&plan, &folder))?;
        } else if let Some((_, page)) = files.iter().find(|(name, _)| name == "plan.md") {
            output.print(page)?;
        }
        Ok(Exit::Fine)
    }
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let bytes = input::read(file)?;
    serde_json::from_slice::<Value>(&bytes)
        .with_context(|| format!("{} is not JSON; `guardian topology plan --example` prints answers", input::name(file)))
}

/// The plan, or everything that is wrong with the answers.
fn made(given: Option<Value>, seen: &Seen, folder: &str, file: Option<&Path>) -> anyhow::Result<(Answers, Plan)> {
    // Without a file the schema is ours.
    let mut value = given.unwrap_or_else(|| json!({"schema": guardian_core::topology::ANSWERS_SCHEMA}));
    let mut problems = fill(&mut value, seen, false);
    let done = Answers::read(&value).and_then(|answers| plan(&answers, seen, folder).map(|plan| (answers, plan)));
    match done {
        Ok(done) if problems.is_empty() => return Ok(done),
        Ok(_) => {}
        Err(more) => problems.extend(more),
    }
    let what = file.map_or_else(
        || "the evidence does not tell everything".to_owned(),
        |file| format!("the answers {} cannot be used", input::name(file)),
    );
    let list = problems.iter().map(|problem: &Problem| format!("\n  {}", inert_text(&problem.to_string()))).collect::<String>();
    let help = if file.is_some() { "" } else { "\nprint answers to fill in with `guardian topology plan --example --evidence …`" };
    bail!("{what}:{list}{help}")
}

fn summary(plan: &Plan, folder: &str) -> String {
    let folder = inert_text(folder);
    let mut lines = vec![format!("{} steps are in `{folder}`: read {folder}/plan.md, then run {folder}/commands.sh.", plan.steps.len())];
    let steps = plan.steps.iter().map(|step| {
        let region = step.region.as_ref().map_or_else(|| "any Region".to_owned(), ToString::to_string);
        format!("  {:>2}. {} {region}: {}", step.number, step.account, step.what)
    });
    lines.extend(steps);
    let mut part = |title: &str, all: Vec<String>| {
        if !all.is_empty() {
            lines.push(format!("\n{title}"));
            lines.extend(all.iter().map(|line| format!("  - {}", inert_text(line))));
        }
    };
    part("THERE ALREADY, SO LEFT OUT", plan.omitted.iter().map(|one| format!("{}: {}", one.what, one.because)).collect());
    part("BEFORE YOU BEGIN", plan.notes.clone());
    lines.join("\n")
}

/// The folder of the plan: all of it or nothing.
struct Out {
    folder: PathBuf,
    /// Whether it may have other files.
    force: bool,
}

/// Beside the files, until all of them are whole.
const UNFINISHED: &str = ".unfinished";

impl Out {
    /// Finds out what is wrong with the folder while nothing is written.
    fn prepare(folder: &Path, force: bool) -> anyhow::Result<Self> {
        // The name stands in the script, and make reads it, too.
        let plain = |c: char| c.is_alphanumeric() || " ._/+@-".contains(c);
        if !folder.to_str().is_some_and(|name| name.chars().all(plain)) {
            bail!("the folder {} cannot be named in a script: name one of letters, digits, blanks and `._/+@-`", input::name(folder));
        }
        match std::fs::read_dir(folder) {
            Ok(mut entries) => {
                if !force && entries.next().is_some() {
                    bail!("the folder {} is not empty: name another one, or write into it with `--force`", input::name(folder));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => bail!("the folder {} {}", input::name(folder), input::why(&error)),
        }
        let out = Self { folder: folder.to_owned(), force };
        if out.unfinished().exists() {
            bail!(out.taken());
        }
        Ok(out)
    }

    fn unfinished(&self) -> PathBuf {
        self.folder.join(UNFINISHED)
    }

    /// Two that write at once would leave the files of one beside those of the other.
    fn taken(&self) -> String {
        format!(
            "the folder {} has an unfinished plan: another `guardian topology plan` is writing into it, or one was ended before it was whole. Wait \
             for the one; after the other remove {}, and nothing but that",
            input::name(&self.folder),
            input::name(&self.unfinished())
        )
    }

    /// Makes the folder for what is unfinished, which only one can.
    fn claim(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        match std::fs::create_dir(self.unfinished()) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(self.taken()),
            made => Ok(made?),
        }
    }

    /// Writes every file under another name first, so that a full disk leaves no half of a plan.
    fn write(&self, files: &[(String, String)]) -> anyhow::Result<()> {
        let context = || format!("the plan cannot be written into {}; nothing was changed there", input::name(&self.folder));
        let fresh = !self.folder.exists();
        self.claim().with_context(context)?;
        let written = self.whole(files);
        if written.is_err() {
            let _ = std::fs::remove_dir_all(self.unfinished());
            if fresh {
                // Only what is empty goes.
                let _ = std::fs::remove_dir(&self.folder);
            }
        }
        written.with_context(context)
    }

    fn whole(&self, files: &[(String, String)]) -> anyhow::Result<()> {
        let unfinished = self.unfinished();
        // Somebody else may have been done meanwhile.
        if !self.force && std::fs::read_dir(&self.folder)?.count() > 1 {
            bail!("another plan was written there meanwhile: name another folder, or write into it with `--force`");
        }
        for (name, text) in files {
            let file = unfinished.join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(&unfinished))?;
            std::fs::write(file, text)?;
        }
        std::fs::create_dir_all(self.folder.join("parameters"))?;
        // Before the first file takes its place.
        if files.iter().any(|(name, _)| self.folder.join(name).is_dir()) {
            return Err(std::io::Error::from(ErrorKind::IsADirectory).into());
        }
        for (name, _) in files {
            std::fs::rename(unfinished.join(name), self.folder.join(name))?;
        }
        Ok(std::fs::remove_dir_all(unfinished)?)
    }
}
