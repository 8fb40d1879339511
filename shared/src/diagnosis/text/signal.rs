//! What a signal is, and when it is heard.

use super::Hints;
use super::normal::Normal;
use crate::diagnosis::Cause;
use crate::event::JobType;

/// How much a signal may claim. A later tier is heard only where the earlier ones were silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Words that belong to few causes.
    Specific,
    /// Words that many causes share (denied, invalid, not found).
    General,
    /// Job type, state and resource type alone.
    Context,
}

/// A condition on the message or the job. Phrases are words in sequence; a word with a trailing `*` matches every word that starts so.
#[derive(Clone, Copy, Debug)]
pub enum Clue {
    /// Every one of these phrases is in the text.
    All(&'static [&'static str]),
    /// One of these phrases is in the text.
    Any(&'static [&'static str]),
    /// None of these phrases is in the text.
    No(&'static [&'static str]),
    /// An IAM action in the text starts so (`kms:`).
    Action(&'static [&'static str]),
    /// The job is of one of these types. A job of unknown type matches.
    Job(&'static [JobType]),
    /// The job is in one of these states.
    State(&'static [&'static str]),
    /// The resource is of one of these types (lower case, blanks removed).
    Type(&'static [&'static str]),
    /// A heading of the console says so.
    Heading(&'static str),
}

/// A signal: when all its clues hold, each point doubles the odds of a cause.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Its tier.
    pub tier: Tier,
    /// All must hold.
    pub clues: &'static [Clue],
    /// Causes and points.
    pub gives: &'static [(Cause, i32)],
}

impl Signal {
    /// Whether the signal is heard.
    pub fn heard(&self, normal: &Normal, hints: &Hints) -> bool {
        self.clues.iter().all(|clue| clue.holds(normal, hints))
    }
}

impl Clue {
    fn holds(&self, normal: &Normal, hints: &Hints) -> bool {
        let has = |phrase: &&str| has(&normal.words, phrase);
        match self {
            Self::All(phrases) => phrases.iter().all(has),
            Self::Any(phrases) => phrases.iter().any(has),
            Self::No(phrases) => !phrases.iter().any(has),
            Self::Action(starts) => {
                normal.words.iter().any(|word| word.contains(':') && starts.iter().any(|start| word.starts_with(start)))
            }
            Self::Job(types) => hints.job_type.is_none_or(|job_type| types.contains(&job_type)),
            Self::State(states) => hints.state.as_ref().is_some_and(|state| states.contains(&state.as_str())),
            Self::Type(types) => hints.resource_type.as_ref().is_some_and(|name| {
                let name = name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>();
                types.contains(&name.as_str())
            }),
            Self::Heading(phrase) => self::has(&normal.heading, phrase),
        }
    }
}

/// Whether the words hold the phrase.
fn has(words: &[String], phrase: &str) -> bool {
    let phrase = phrase.split(' ').collect::<Vec<_>>();
    words.windows(phrase.len()).any(|window| {
        window.iter().zip(&phrase).all(|(word, wanted)| match wanted.strip_suffix('*') {
            Some(start) => word.starts_with(start),
            None => word == wanted,
        })
    })
}
