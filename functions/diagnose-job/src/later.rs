//! What is put off: the messages of the follow-up queue.

use std::time::Duration;

use guardian_core::event::Job;
use guardian_core::incident::IncidentId;
use serde::{Deserialize, Serialize};

/// Longest text of AWS that is taken along: a message of SQS holds 256 KiB.
const LONGEST_TEXT: usize = 16 * 1024;

/// Longest delay of a message of SQS.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// Work for later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "work")]
pub enum Work {
    /// Look at an incident again: for evidence that was late, and whether a reminder is due.
    Look(Look),
    /// Tell what could not be told one by one.
    Digest,
}

/// A look at an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The incident.
    pub incident: IncidentId,
    /// Which opening of it; absent where the table was down when it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<u32>,
    /// Which look this is, from 0.
    pub number: u32,
    /// Seconds that are left when the message comes: a queue delays it by at most 15 minutes.
    #[serde(default)]
    pub left: u64,
    /// The job that is diagnosed again; absent where no evidence is expected any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<Job>>,
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

impl Look {
    /// The first look at an incident.
    pub fn first(incident: IncidentId, opening: Option<u32>, job: &Job) -> Self {
        let mut job = job.clone();
        for text in [&mut job.status_message, &mut job.raw_event].into_iter().flatten() {
            if text.len() > LONGEST_TEXT {
                *text = text.chars().take(LONGEST_TEXT / 4).collect();
            }
        }
        Self { incident, opening, number: 0, left: 0, job: Some(Box::new(job)) }
    }

    /// The same look after `by`, and how long the queue delays it on the way.
    pub fn after(self, by: Duration) -> (Self, Duration) {
        let hop = by.min(LONGEST_DELAY);
        (Self { left: by.saturating_sub(hop).as_secs(), ..self }, hop)
    }
}
