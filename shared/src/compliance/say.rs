//! What checks say, in the same words for the same thing.

use jiff::{SignedDuration, Timestamp};

use super::{Outcome, Status, Subject};
use crate::arn::{AccountId, Arn, Region};
use crate::evidence::{Fact, Gap};

/// Where something is: an account, or a Region of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) account: &'a AccountId,
    pub(super) region: Option<&'a Region>,
}

impl Place<'_> {
    /// The place itself.
    pub(super) fn here(&self) -> Subject {
        Subject { account_id: self.account.clone(), region: self.region.cloned(), resource_arn: None, part: None }
    }

    /// A thing in it.
    pub(super) fn of(&self, arn: &Arn) -> Subject {
        Subject { resource_arn: Some(arn.clone()), ..self.here() }
    }

    /// A thing of perhaps another account, which must act then.
    pub(super) fn there(&self, arn: &Arn) -> Subject {
        let account_id = arn.account().unwrap_or_else(|| self.account.clone());
        Subject { account_id, region: arn.region(), resource_arn: Some(arn.clone()), part: None }
    }

    /// `in account 111111111111, eu-central-1`.
    pub(super) fn words(&self) -> String {
        match self.region {
            Some(region) => format!("in account {}, {region}", self.account),
            None => format!("in account {}", self.account),
        }
    }
}

impl Subject {
    pub(super) fn part(self, part: impl Into<String>) -> Self {
        Self { part: Some(part.into()), ..self }
    }
}

impl Outcome {
    fn of(subject: Subject, status: Status, seen: String) -> Self {
        Self { subject, status, seen, remedy: None, evidence: Vec::new(), gaps: Vec::new() }
    }

    /// Seen and well.
    pub(super) fn pass(subject: Subject, seen: impl Into<String>) -> Self {
        Self::of(subject, Status::Pass, seen.into())
    }

    /// Seen and ill.
    pub(super) fn fail(subject: Subject, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..Self::of(subject, Status::Fail, seen.into()) }
    }

    /// Does not concern it.
    pub(super) fn not_applicable(subject: Subject, why: impl Into<String>) -> Self {
        Self::of(subject, Status::NotApplicable, why.into())
    }

    /// Not seen; `what` says what decides.
    pub(super) fn unknown(subject: Subject, what: impl Into<String>, gaps: Vec<Gap>) -> Self {
        let mut gaps = gaps;
        gaps.sort();
        gaps.dedup();
        Self { gaps, ..Self::of(subject, Status::Unknown, what.into()) }
    }

    /// A fact was not seen.
    pub(super) fn unseen<T>(subject: Subject, what: &str, fact: &Fact<T>) -> Self {
        Self::unknown(subject, format!("not seen: {what}"), fact.gap().cloned().into_iter().collect())
    }

    /// What it was concluded from.
    pub(super) fn from(mut self, evidence: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }
}

/// A text of others, marked off. It cannot end its own mark.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// The first of many, and how many more there are.
pub(super) fn listed<S: AsRef<str>>(items: &[S]) -> String {
    const SHOWN: usize = 5;
    let shown = items.iter().take(SHOWN).map(|item| quoted(item.as_ref())).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// All of them.
pub(super) fn every<S: AsRef<str>>(items: &[S]) -> String {
    items.iter().map(|item| quoted(item.as_ref())).collect::<Vec<_>>().join(", ")
}

/// `1 rule`, `2 rules`.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Days, or no end.
pub(super) fn days(days: Option<i64>) -> String {
    days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"))
}

/// Whole days between two times.
pub(super) fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_hours().div_euclid(24)
}

/// In whole hours.
pub(super) fn hours(duration: SignedDuration) -> i64 {
    // What lasts longer than a whole number of hours does not keep a limit of that many.
    let whole = duration.as_hours();
    if SignedDuration::from_hours(whole) < duration { whole.saturating_add(1) } else { whole }
}
