//! `guardian explain message`: JSON Lines in, JSON Lines out.
//!
//! Each line is answered by one line, in order. A line that cannot be read gets an error in its place and the next line is read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::{self, Hints};
use super::{Candidate, Cause};
use crate::event::{JobState, JobType};
use crate::evidence::KeyManager;

/// One question.
#[derive(Clone, Debug, Deserialize)]
struct Question {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    job: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    resource_type: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    facts: Option<Facts>,
}

/// Facts of the job that its message does not tell.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Facts {
    crosses_accounts: Option<bool>,
    crosses_regions: Option<bool>,
    fully_managed: Option<bool>,
    key_manager: Option<String>,
    key_state: Option<String>,
    destination_key_manager: Option<String>,
    scan_result: Option<String>,
}

/// What a line is answered with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The message was read.
    Read {
        /// The id of the question, as it was given.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// At most four causes, best first; the likelihoods sum to 1.
        candidates: Vec<Candidate>,
        /// Whether the message and the facts leave one cause.
        decidable: bool,
        /// What would settle it.
        needs: Vec<String>,
        /// Class of the text.
        fingerprint: String,
    },
    /// The line could not be read.
    Unreadable {
        /// The id of the question, where the line has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// What is wrong with it.
        error: String,
    },
}

/// Answers one line.
pub fn line(line: &str) -> Answer {
    let value = match serde_json::from_str::<Value>(line) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) => return Answer::Unreadable { id: None, error: "not a JSON object".to_owned() },
        Err(error) => return Answer::Unreadable { id: None, error: format!("not JSON: {error}") },
    };
    let id = value.get("id").filter(|id| !id.is_null()).cloned();
    match serde_json::from_value::<Question>(value).map_err(|error| error.to_string()).and_then(|question| {
        let hints = hints(&question)?;
        Ok((question, hints))
    }) {
        Ok((question, hints)) => {
            let reading = text::read(question.message.as_deref(), &hints);
            Answer::Read {
                id: question.id.filter(|id| !id.is_null()),
                candidates: reading.candidates,
                decidable: reading.decidable,
                needs: reading.needs,
                fingerprint: reading.fingerprint,
            }
        }
        Err(error) => Answer::Unreadable { id, error },
    }
}

fn hints(question: &Question) -> Result<Hints, String> {
    let facts = question.facts.clone().unwrap_or_default();
    Ok(Hints {
        job_type: question.job.as_deref().map(job_type).transpose()?,
        state: question.state.clone().filter(|state| !state.is_empty()).map(JobState::from),
        resource_type: question.resource_type.clone().filter(|name| !name.is_empty()),
        crosses_accounts: facts.crosses_accounts,
        crosses_regions: facts.crosses_regions,
        fully_managed: facts.fully_managed,
        key_manager: facts.key_manager.as_deref().map(key_manager).transpose()?,
        key_state: facts.key_state,
        destination_key_manager: facts.destination_key_manager.as_deref().map(key_manager).transpose()?,
        scan_result: facts.scan_result,
    })
}

fn job_type(name: &str) -> Result<JobType, String> {
    match name.trim().to_ascii_lowercase().as_str() {
        "backup" => Ok(JobType::Backup),
        "copy" => Ok(JobType::Copy),
        "restore" => Ok(JobType::Restore),
        "scan" => Ok(JobType::Scan),
        _ => Err(format!("`job` is `{}`: `backup`, `copy`, `restore` or `scan` is expected", name.escape_default())),
    }
}

fn key_manager(name: &str) -> Result<KeyManager, String> {
    match name.trim().to_ascii_uppercase().as_str() {
        "AWS" => Ok(KeyManager::Aws),
        "CUSTOMER" => Ok(KeyManager::Customer),
        _ => Err(format!("a key manager is `{}`: `AWS` or `CUSTOMER` is expected", name.escape_default())),
    }
}

impl Answer {
    /// The likeliest cause; `None` where the line could not be read.
    pub fn best(&self) -> Option<Cause> {
        match self {
            Self::Read { candidates, .. } => candidates.first().map(|candidate| candidate.cause),
            Self::Unreadable { .. } => None,
        }
    }
}
