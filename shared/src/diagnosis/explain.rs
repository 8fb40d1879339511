//! `guardian explain message`: JSON Lines in, JSON Lines out.
//!
//! Each line is answered by one line, in order. A line that cannot be read gets an error in its place and the next line is read.

use serde::Serialize;
use serde_json::{Map, Value};

use super::text::{self, Hints};
use super::{Candidate, Cause};
use crate::event::field::kind;
use crate::event::{JobState, JobType};
use crate::evidence::KeyManager;

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
        /// Facts that were given and mean nothing here: a misspelt name would else be lost in silence.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        ignored: Vec<String>,
    },
    /// The line could not be read.
    Unreadable {
        /// The id of the question, where the line has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// Number of the line, the first being 1.
        line: u64,
        /// What is wrong with it.
        error: String,
    },
}

/// Answers one line; `number` is its number in the input, the first being 1.
pub fn line(number: u64, line: &str) -> Answer {
    let unreadable = |id, error| Answer::Unreadable { id, line: number, error };
    let question = match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(question)) => question,
        Ok(other) => return unreadable(None, format!("{}, not an object", kind(&other))),
        Err(error) => {
            // The parser counts lines from 1 in what it was given, which is one line of many.
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            return unreadable(None, format!("not JSON at column {}: {what}", error.column()));
        }
    };
    let id = question.get("id").filter(|id| !id.is_null()).cloned();
    match ask(&question) {
        Ok((message, hints, ignored)) => {
            let reading = text::read(message, &hints);
            Answer::Read {
                id,
                candidates: reading.candidates,
                decidable: reading.decidable,
                needs: reading.needs,
                fingerprint: reading.fingerprint,
                ignored,
            }
        }
        Err(error) => unreadable(id, error),
    }
}

type Members = Map<String, Value>;

/// The facts of the job that a question can tell; each is optional.
const FACTS: [&str; 7] =
    ["crosses_accounts", "crosses_regions", "fully_managed", "key_manager", "key_state", "destination_key_manager", "scan_result"];

/// The message, what is known besides, and the names of facts that mean nothing here.
fn ask(question: &Members) -> Result<(Option<&str>, Hints, Vec<String>), String> {
    let none = Members::new();
    let facts = match question.get("facts") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(facts)) => facts,
        Some(other) => return Err(format!("`facts` is {}: an object is expected", kind(other))),
    };
    let [accounts, regions, managed, manager, state, destination_manager, scan] = FACTS;
    let hints = Hints {
        job_type: text_of(question, "", "job")?.map(job_type).transpose()?,
        state: text_of(question, "", "state")?.map(|state| JobState::from(state.to_owned())),
        resource_type: text_of(question, "", "resource_type")?.map(str::to_owned),
        crosses_accounts: flag_of(facts, accounts)?,
        crosses_regions: flag_of(facts, regions)?,
        fully_managed: flag_of(facts, managed)?,
        key_manager: text_of(facts, "facts.", manager)?.map(|name| key_manager(manager, name)).transpose()?,
        key_state: text_of(facts, "facts.", state)?.map(str::to_owned),
        destination_key_manager: text_of(facts, "facts.", destination_manager)?
            .map(|name| key_manager(destination_manager, name))
            .transpose()?,
        scan_result: text_of(facts, "facts.", scan)?.map(str::to_owned),
    };
    let ignored = facts.keys().filter(|name| !FACTS.contains(&name.as_str())).map(|name| format!("facts.{name}")).collect();
    Ok((text_of(question, "", "message")?, hints, ignored))
}

/// A text; an empty one says nothing.
fn text_of<'a>(members: &'a Members, path: &str, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
        Some(other) => Err(format!("`{path}{name}` is {}: a text is expected", kind(other))),
    }
}

fn flag_of(facts: &Members, name: &str) -> Result<Option<bool>, String> {
    match facts.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(format!("`facts.{name}` is {}: true or false is expected", kind(other))),
    }
}

fn job_type(name: &str) -> Result<JobType, String> {
    match name.trim().to_ascii_lowercase().as_str() {
        "backup" => Ok(JobType::Backup),
        "copy" => Ok(JobType::Copy),
        "restore" => Ok(JobType::Restore),
        "scan" => Ok(JobType::Scan),
        _ => Err(format!("`job` is `{}`: `backup`, `copy`, `restore` or `scan` is expected", shown(name))),
    }
}

fn key_manager(fact: &str, name: &str) -> Result<KeyManager, String> {
    match name.trim().to_ascii_uppercase().as_str() {
        "AWS" => Ok(KeyManager::Aws),
        "CUSTOMER" => Ok(KeyManager::Customer),
        _ => Err(format!("`facts.{fact}` is `{}`: `AWS` or `CUSTOMER` is expected", shown(name))),
    }
}

/// A value of the input as an error shows it: inert, and no longer than helps.
fn shown(value: &str) -> String {
    value.chars().take(60).flat_map(char::escape_debug).collect()
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
