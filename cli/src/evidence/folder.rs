//! A folder of recorded answers as a source of evidence.
//!
//! `<account>/<region|global>/<service>/<Operation>/<name>.json` holds `{request, response | error, at, principal}` with the member names of the
//! AWS APIs. What the folder does not hold is a gap, as if the service had been down: the folder cannot tell whether the object exists. A file
//! that cannot be read is such a gap too, and is named on standard error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use guardian_aws::answers::{Answer, Answers, Failure, Question};
use guardian_aws::classify::reason_of_code;
use guardian_aws::readers::read;
use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::GapReason;
use jiff::Timestamp;
use serde_json::Value;

use crate::input;
use crate::output::complain;

/// Stands for the Region in the paths of services that have none.
const GLOBAL: &str = "global";
/// The folder's description of itself, beside the accounts.
pub(super) const MANIFEST: &str = "manifest.json";

/// Recorded answers.
#[derive(Debug)]
pub(crate) struct Folder {
    answers: Vec<Recorded>,
    organization_account: Option<AccountId>,
    /// The accounts and Regions that were asked, where the manifest tells.
    asked: Option<(Vec<AccountId>, Vec<Region>)>,
}

/// Which accounts and Regions a folder is about.
pub(crate) enum Looked {
    /// What `guardian collect` was asked for, whether or not it lies there.
    Asked(BTreeSet<(AccountId, Region)>),
    /// Where any answer comes from: nobody tells what else there should be.
    Found(BTreeSet<(AccountId, Region)>),
}

impl Looked {
    /// The accounts and Regions.
    pub(crate) fn places(&self) -> &BTreeSet<(AccountId, Region)> {
        match self {
            Self::Asked(places) | Self::Found(places) => places,
        }
    }
}

/// One recorded answer.
#[derive(Debug)]
pub(super) struct Recorded {
    account: String,
    region: String,
    service: String,
    operation: String,
    request: Value,
    pub(super) outcome: Result<Value, Failure>,
    pub(super) at: Option<Timestamp>,
    principal: Option<String>,
}

impl Folder {
    /// Reads every answer below a folder, in the order of their paths.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        walk(dir, 0, &mut files).map_err(|error| anyhow!("the evidence folder {} {}", input::name(dir), input::why(&error)))?;
        files.sort();
        let answers = files.iter().filter_map(|file| recorded(dir, file)).collect::<Vec<_>>();
        if answers.is_empty() {
            complain(&format!(
                "guardian: the evidence folder {} has no recorded answers: expected are `<account>/<region|global>/<service>/<Operation>/<name>.json`",
                input::name(dir)
            ));
        }
        let manifest = manifest(dir)?;
        let organization_account = match &manifest {
            Some(manifest) => manifest.get("organization_account").and_then(Value::as_str).and_then(|id| AccountId::parse(id).ok()),
            // Whoever collected asked in one account of the organization; its members are spoken of in the requests.
            None => {
                answers.iter().find(|answer| answer.service == "organizations").and_then(|answer| AccountId::parse(&answer.account).ok())
            }
        };
        let asked = manifest
            .as_ref()
            .and_then(|manifest| Some((listed(manifest, "accounts", AccountId::parse)?, listed(manifest, "regions", Region::parse)?)));
        Ok(Self { answers, organization_account, asked })
    }

    /// When the newest answer was recorded.
    pub(crate) fn recorded_at(&self) -> Option<Timestamp> {
        self.answers.iter().filter_map(|answer| answer.at).max()
    }

    /// The same of a folder that was written to its end.
    pub(crate) fn whole(&self) -> anyhow::Result<Timestamp> {
        let told = self.asked.as_ref().and_then(|_| self.recorded_at());
        told.context("the evidence has no manifest.json that names its accounts and Regions: `guardian collect` writes it last, so it did not come to its end; collect again")
    }

    /// What was looked at.
    pub(crate) fn places(&self) -> Looked {
        if let Some((accounts, regions)) = &self.asked {
            return Looked::Asked(
                accounts.iter().flat_map(|account| regions.iter().map(|region| (account.clone(), region.clone()))).collect(),
            );
        }
        let place = |answer: &Recorded| Some((AccountId::parse(&answer.account).ok()?, Region::parse(&answer.region).ok()?));
        Looked::Found(self.answers.iter().filter(|answer| answer.region != GLOBAL).filter_map(place).collect())
    }

    /// Every answer to an operation in a place.
    pub(super) fn all<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a Recorded> {
        self.answers.iter().filter(move |answer| {
            answer.account == question.account.as_str()
                && (answer.region == GLOBAL || question.region.as_ref().is_some_and(|region| answer.region == region.as_str()))
                && answer.service == question.service
                && answer.operation == question.operation
        })
    }
}

impl Answers for Folder {
    async fn ask(&self, question: &Question) -> Answer {
        // The recording whose request names the same things. AWS prints ids of jobs in either case, so a name in another case counts where
        // there is no better one.
        let names = |recorded: &&Recorded, same: fn(&str, &str) -> bool| {
            let asked = question.request.as_object().into_iter().flatten();
            asked.into_iter().all(|(name, value)| {
                let given = recorded.request.get(name).and_then(Value::as_str);
                given.is_some_and(|given| value.as_str().is_some_and(|value| same(given, value)))
            })
        };
        let exact = self.all(question).find(|recorded| names(recorded, |a, b| a == b));
        let close = || self.all(question).find(|recorded| names(recorded, same));
        // A damaged recording may be the one that was looked for.
        let damaged = || self.all(question).find(|recorded| recorded.is_damaged());
        match exact.or_else(close).or_else(damaged) {
            Some(recorded) => Answer {
                outcome: recorded.outcome.clone(),
                at: recorded.at.unwrap_or(Timestamp::UNIX_EPOCH),
                principal: recorded.principal.clone(),
            },
            None => Answer {
                outcome: Err(Failure::new(GapReason::Unavailable, "not in the evidence folder")),
                at: Timestamp::UNIX_EPOCH,
                principal: None,
            },
        }
    }

    fn organization_account(&self) -> Option<AccountId> {
        self.organization_account.clone()
    }
}

impl Recorded {
    /// Nobody knows what was asked nor what was answered.
    fn is_damaged(&self) -> bool {
        self.outcome.as_ref().is_err_and(|failure| failure.reason == GapReason::Unreadable)
    }
}

/// Whether a request names an object: by the same text, or by the last part of its ARN, as people call AWS by hand. A list since a moment answers a
/// question since a later one, too: whoever asks leaves out what is older.
fn same(given: &str, value: &str) -> bool {
    if let (Ok(given), Ok(value)) = (given.parse::<Timestamp>(), value.parse::<Timestamp>()) {
        return given <= value;
    }
    given.eq_ignore_ascii_case(value)
        || (value.starts_with("arn:") && value.rsplit('/').next().is_some_and(|id| id.eq_ignore_ascii_case(given)))
}

fn walk(dir: &Path, depth: u32, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // The layout has four levels; links are not followed, so that no loop and no other folder is read.
        if kind.is_dir() && depth < 4 {
            walk(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() && depth == 4 && entry.path().extension().is_some_and(|ending| ending == "json") {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The manifest, where the folder was collected and not written by hand.
fn manifest(dir: &Path) -> anyhow::Result<Option<Value>> {
    let file = dir.join(MANIFEST);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", file.display()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", file.display())),
    }
}

/// A list of names in a manifest; `None` where it has none, or one that is no such name.
fn listed<T, E>(manifest: &Value, member: &str, parse: fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
    manifest.get(member)?.as_array()?.iter().map(|name| parse(name.as_str()?).ok()).collect()
}

/// A file of the folder; `None` where it does not lie where an answer does.
fn recorded(dir: &Path, file: &Path) -> Option<Recorded> {
    let parts = file.strip_prefix(dir).unwrap_or(file).components();
    let parts = parts.filter_map(|part| part.as_os_str().to_str().map(str::to_owned)).collect::<Vec<_>>();
    let [account, region, service, operation, _] = parts.as_slice() else { return None };
    let value = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).unwrap_or_default();
    let given = |name: &str| value.get(name).filter(|member| !member.is_null());
    let outcome = match (given("response"), given("error")) {
        (Some(response), None) => Ok(response.clone()),
        (_, Some(error)) => Err(failure(error)),
        (None, None) => {
            complain(&format!(
                "guardian: the recording {} cannot be read and is left out: expected is {{\"request\", \"response\" or \"error\", \"at\"}} of {service}:{operation}",
                input::name(file)
            ));
            Err(Failure::new(GapReason::Unreadable, "the recording cannot be read"))
        }
    };
    Some(Recorded {
        account: account.clone(),
        region: region.clone(),
        service: service.clone(),
        operation: operation.clone(),
        request: given("request").cloned().unwrap_or_default(),
        outcome,
        at: value.get("at").and_then(read::time),
        principal: value.get("principal").and_then(Value::as_str).map(str::to_owned),
    })
}

/// A recorded error. Ours say the reason; of others the code tells it.
fn failure(error: &Value) -> Failure {
    let code = read::error_code(error);
    let reason = error.get("reason").cloned().and_then(|reason| serde_json::from_value(reason).ok());
    Failure {
        action: error.get("action").and_then(Value::as_str).map(str::to_owned),
        reason: reason.unwrap_or_else(|| reason_of_code(&code)),
        code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_since_a_moment_answers_a_question_since_a_later_one() {
        let (earlier, later) = ("2026-11-25T00:00:00Z", "2026-11-25T00:00:07Z");
        assert!(same(earlier, later) && same(later, later));
        assert!(!same(later, earlier), "something of before may be missing");
        assert!(same("ABC", "abc") && !same("abd", "abc"));
    }
}
