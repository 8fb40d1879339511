//! Reads the status message of a job.
//!
//! Decides which causes a text is compatible with, and how likely each is. It never claims more than that: many texts of AWS are printed for
//! several causes, so the answer is a set, and a message alone never makes a verdict better than "suspected".
//!
//! A message is brought to a normal form ([`normal`]), small signals (a word, a short phrase, an error code, the job type, …) each multiply the
//! odds of some causes ([`signal`]), and the facts of the job shift the rest ([`Hints`]). Signals come in tiers, because the specific goes before
//! the general: a general signal is heard only where no specific one spoke. No signal holds a whole message: messages that nobody has
//! seen yet must find their cause too.

mod codes;
mod facts;
mod fingerprint;
mod needs;
pub mod normal;
pub mod signal;
mod signals;

use std::collections::BTreeMap;

use super::{Candidate, Cause};
use crate::event::{JobState, JobType};
use crate::evidence::{Evidence, KeyManager};
use normal::Normal;
use signal::Tier;

/// What is known of the job besides its text. Everything is optional; nothing is assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The kind of job.
    pub job_type: Option<JobType>,
    /// The state of the job.
    pub state: Option<JobState>,
    /// `EBS`, `RDS`, …; compared without case.
    pub resource_type: Option<String>,
    /// Whether the copy leaves the account.
    pub crosses_accounts: Option<bool>,
    /// Whether the copy leaves the Region.
    pub crosses_regions: Option<bool>,
    /// Whether AWS Backup manages the recovery point fully.
    pub fully_managed: Option<bool>,
    /// Who manages the key of the recovery point.
    pub key_manager: Option<KeyManager>,
    /// State of that key, such as `Enabled`.
    pub key_state: Option<String>,
    /// Who manages the key of the destination vault.
    pub destination_key_manager: Option<KeyManager>,
    /// Result of a malware scan.
    pub scan_result: Option<String>,
}

impl Hints {
    /// What the evidence knows.
    pub fn of(evidence: &Evidence) -> Self {
        let source_key = evidence.source_key.known();
        Self {
            job_type: Some(evidence.job.job_type),
            state: Some(evidence.job.state.clone()),
            resource_type: evidence.resource_type().map(str::to_owned),
            crosses_accounts: evidence.crosses_accounts(),
            crosses_regions: evidence.crosses_regions(),
            fully_managed: evidence.fully_managed(),
            key_manager: source_key.and_then(|key| key.manager),
            key_state: source_key.and_then(|key| key.state.clone()),
            destination_key_manager: evidence.destination_key.known().and_then(|key| key.manager),
            scan_result: evidence.job.scan_result.clone(),
        }
    }
}

/// What a message can mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// At most four causes, best first; the likelihoods sum to 1. Never empty: a text that says nothing is `unexplained`.
    pub candidates: Vec<Candidate>,
    /// Class of the text: the same for the same message with other ids, names, numbers, case and wrappers. `none` where there is no text.
    pub fingerprint: String,
    /// Whether the text with these hints leaves one cause.
    pub decidable: bool,
    /// What would settle it: job facts (`crosses_accounts`) and calls (`kms:DescribeKey`), sorted; empty where decidable.
    pub needs: Vec<String>,
    /// Whether the text itself spoke; `false` where only the state, type and kind of the job did.
    pub recognised: bool,
}

impl Reading {
    /// Likelihood of a cause; 0 where it is no candidate.
    pub fn likelihood(&self, cause: Cause) -> f64 {
        self.candidates.iter().find(|candidate| candidate.cause == cause).map_or(0.0, |candidate| candidate.likelihood)
    }

    /// The likeliest cause.
    pub fn best(&self) -> Cause {
        self.candidates.first().map_or(Cause::Unexplained, |candidate| candidate.cause)
    }
}

/// At most this many causes.
const CANDIDATES: usize = 4;
/// A cause that is this many doublings less likely than the best is not worth a line.
const WORTH_NAMING: i32 = 7;
/// Above this share of the odds a text counts as decided.
const DECIDED: f64 = 0.7;

/// Reads a message.
pub fn read(message: Option<&str>, hints: &Hints) -> Reading {
    let normal = Normal::of(message.unwrap_or_default());
    let fingerprint = fingerprint::of(&normal);
    let silent = normal.words.is_empty() && normal.codes.is_empty();
    let (tier, mut points) = [Tier::Specific, Tier::General]
        .into_iter()
        .filter(|_| !silent)
        .map(|tier| (tier, signals::weigh(tier, &normal, hints)))
        .find(|(_, points)| !points.is_empty())
        .unwrap_or_else(|| (Tier::Context, signals::weigh(Tier::Context, &normal, hints)));
    let recognised = tier != Tier::Context;
    let spoken = points.clone();
    facts::shift(&mut points, hints);
    let contradicted = recognised && points.values().all(|points| *points <= 0);
    if contradicted {
        // The facts exclude everything the text can mean: one of them is not what it seems, so nothing is decided.
        points = spoken;
    }
    let told = recognised || facts::suffice(hints);
    let candidates = candidates(&points, told);
    let decided = candidates
        .first()
        .is_some_and(|best| best.likelihood >= DECIDED && !matches!(best.cause, Cause::Unexplained | Cause::AccessDeniedUnspecified));
    let decidable = told && decided && !contradicted;
    let needs = if decidable { Vec::new() } else { needs::of(&candidates, hints) };
    Reading { candidates, fingerprint, decidable, needs, recognised }
}

/// The class of a text that is not read: its fingerprint alone.
pub fn class_of(text: &str) -> String {
    fingerprint::of(&Normal::of(text))
}

/// Points to likelihoods: each point doubles the odds.
fn candidates(points: &BTreeMap<Cause, i32>, told: bool) -> Vec<Candidate> {
    let mut ranked = points.iter().filter(|(_, points)| **points > 0).map(|(cause, points)| (*cause, *points)).collect::<Vec<_>>();
    if !told {
        // Neither text nor facts spoke: say so first, and guess only after it.
        let best = ranked.iter().map(|(_, points)| *points).max().unwrap_or(0);
        ranked.push((Cause::Unexplained, best + 1));
    }
    ranked.sort_by_key(|(cause, points)| (-points, *cause));
    let best = ranked.first().map_or(0, |(_, points)| *points);
    ranked.retain(|(_, points)| best - points < WORTH_NAMING);
    ranked.truncate(CANDIDATES);
    let odds = |points: i32| f64::from(2_u8).powi(points - best);
    let total = ranked.iter().map(|(_, points)| odds(*points)).sum::<f64>();
    ranked.into_iter().map(|(cause, points)| Candidate { cause, likelihood: odds(points) / total }).collect()
}
