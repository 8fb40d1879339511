//! Writes down what a source answers, in the layout that a [`Folder`](super::Folder) reads.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use guardian_aws::answers::{Answer, Answers, Question};
use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::{Gap, GapReason};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::folder::MANIFEST;

/// Schema id of the manifest.
const SCHEMA: &str = "backup-guardian/evidence/v1";

/// Asks `S` and writes each answer down.
#[derive(Debug)]
pub(crate) struct Recorder<S> {
    source: S,
    dir: PathBuf,
    collected: Mutex<Collected>,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collected {
    /// Answers, and among them those that are errors.
    pub(crate) asked: usize,
    /// What could not be read.
    pub(crate) gaps: Vec<Gap>,
    by_action: BTreeMap<String, (usize, usize)>,
    principals: BTreeMap<String, usize>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// The first answer that could not be written.
    broken: Option<String>,
}

impl<S: Answers> Recorder<S> {
    /// Into a folder, which is made where it is missing. What is there already is only written over if that is wanted: evidence of two moments in
    /// one folder would contradict itself.
    pub(crate) fn into_folder(source: S, dir: &Path, force: bool) -> anyhow::Result<Self> {
        if dir.is_file() {
            anyhow::bail!("`{}` is a file, not a folder: name one that is empty or not there yet", dir.display());
        }
        std::fs::create_dir_all(dir).with_context(|| format!("the folder `{}` cannot be made", dir.display()))?;
        let mut there = std::fs::read_dir(dir).with_context(|| format!("the folder `{}` cannot be read", dir.display()))?;
        if there.next().is_some() && !force {
            anyhow::bail!("the folder `{}` is not empty: name an empty one, or write over it with `--force`", dir.display());
        }
        Ok(Self { source, dir: dir.to_owned(), collected: Mutex::default() })
    }

    /// Writes the manifest, last: a folder without one was not finished. It names what was looked at, so that whoever reads the folder knows what is
    /// missing.
    pub(crate) fn finish(&self, accounts: &[AccountId], regions: &[Region]) -> anyhow::Result<Collected> {
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(broken) = &collected.broken {
            anyhow::bail!("{broken}");
        }
        collected.gaps.sort();
        collected.gaps.dedup();
        let actions =
            collected.by_action.iter().map(|(action, (asked, failed))| (action.clone(), json!({"asked": asked, "errors": failed})));
        let manifest = json!({
            "schema": SCHEMA,
            "tool": concat!("guardian ", env!("CARGO_PKG_VERSION")),
            "organization_account": self.source.organization_account(),
            "accounts": accounts,
            "regions": regions,
            "from": collected.first,
            "until": collected.last,
            "answers": collected.asked,
            "actions": actions.collect::<Map<_, _>>(),
            "principals": collected.principals,
            "gaps": collected.gaps,
        });
        let file = self.dir.join(MANIFEST);
        write(&file, &manifest).with_context(|| format!("`{}` cannot be written", file.display()))?;
        Ok(collected)
    }

    fn record(&self, question: &Question, answer: &Answer) {
        let region = question.region.as_ref().map_or("global", |region| region.as_str());
        let request = sorted(&question.request);
        let hash = Sha256::digest(request.to_string().as_bytes());
        let name = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
        let folder = self.dir.join(question.account.as_str()).join(region).join(question.service).join(question.operation);
        let outcome = match &answer.outcome {
            Ok(response) => ("response", response.clone()),
            Err(failure) => ("error", json!({"action": failure.action, "code": failure.code, "reason": failure.reason})),
        };
        let said = [outcome, ("request", request), ("at", json!(answer.at)), ("principal", json!(answer.principal))];
        let recorded = Value::Object(said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let file = folder.join(format!("{name}.json"));
        let written = std::fs::create_dir_all(&folder).and_then(|()| write(&file, &recorded));
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = written {
            collected.broken.get_or_insert(format!("`{}` cannot be written: {error}", file.display()));
        }
        collected.asked += 1;
        let counts = collected.by_action.entry(question.action()).or_default();
        counts.0 += 1;
        counts.1 += usize::from(answer.outcome.is_err());
        if let Some(principal) = &answer.principal {
            *collected.principals.entry(principal.clone()).or_default() += 1;
        }
        collected.first = Some(collected.first.map_or(answer.at, |first| first.min(answer.at)));
        collected.last = collected.last.max(Some(answer.at));
        // That something does not exist is an answer: a vault without a policy says so.
        if let Err(failure) = &answer.outcome
            && failure.reason != GapReason::NotFound
        {
            collected.gaps.push(question.gap(failure));
        }
    }
}

/// The value with the keys of its objects sorted.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect::<BTreeMap<_, _>>();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        value => value.clone(),
    }
}

/// All or nothing: whoever reads the folder meanwhile finds the old file or the new one.
fn write(file: &Path, value: &Value) -> std::io::Result<()> {
    let draft = file.with_extension("json.part");
    let mut out = std::fs::File::create(&draft)?;
    out.write_all(serde_json::to_string_pretty(&sorted(value))?.as_bytes())?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    std::fs::rename(&draft, file)
}

impl<S: Answers> Answers for Recorder<S> {
    async fn ask(&self, question: &Question) -> Answer {
        let answer = self.source.ask(question).await;
        self.record(question, &answer);
        answer
    }

    fn organization_account(&self) -> Option<AccountId> {
        self.source.organization_account()
    }
}
