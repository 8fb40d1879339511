//! What is new, what is known, what is over: from what was kept and what was seen to what is told and kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Check, Notice, Trouble, TroubleKind};
use crate::arn::Arn;

/// A trouble as it is remembered between looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// [`Trouble::id`].
    pub id: String,
    /// The part of the path.
    pub subject: String,
    /// What was wrong.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// When people were told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
}

impl Kept {
    /// Whether nothing is known to be wrong, and something could not be looked at.
    pub fn is_unchecked(&self) -> bool {
        self.id.strip_prefix(&self.subject).is_some_and(|rest| rest.starts_with(&format!("#{}#", TroubleKind::NotChecked.as_str())))
    }
}

/// What a look leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to tell, where there is something.
    pub notice: Option<Notice>,
    /// What to keep, once it was told; only what differs from what is kept.
    pub keep: Vec<Kept>,
    /// What to keep where it could not be told: the same, but nobody was told.
    pub keep_untold: Vec<Kept>,
    /// What is over.
    pub forget: Vec<String>,
}

/// `kept` is all that is remembered, `checks` what was looked at now, `parts` every part there is (where it is known: what is not among them
/// any more is over).
pub fn settle(kept: &[Kept], checks: &[Check], parts: Option<&BTreeSet<String>>, now: Timestamp, remind_after: SignedDuration) -> Step {
    let found = checks.iter().flat_map(|check| &check.troubles).map(|trouble| (trouble.id(), trouble)).collect::<BTreeMap<_, _>>();
    let seen_whole = checks.iter().filter(|check| check.complete).map(|check| check.subject.as_str()).collect::<BTreeSet<_>>();
    let before = kept.iter().map(|kept| (kept.id.as_str(), kept)).collect::<BTreeMap<_, _>>();
    let gone = |kept: &&Kept| {
        !found.contains_key(&kept.id)
            && (seen_whole.contains(kept.subject.as_str()) || parts.is_some_and(|parts| !parts.contains(&kept.subject)))
    };
    let over = kept.iter().filter(gone).cloned().collect::<Vec<_>>();
    let elsewhere = kept.iter().filter(|kept| !found.contains_key(&kept.id) && !gone(kept)).cloned().collect::<Vec<_>>();
    let current = found
        .iter()
        .map(|(id, trouble)| {
            let before = before.get(id.as_str());
            let record = Kept {
                id: id.clone(),
                subject: trouble.subject.clone(),
                what: trouble.what.clone(),
                since: before.map_or(now, |kept| kept.since),
                told_at: before.and_then(|kept| kept.told_at),
            };
            (*trouble, record)
        })
        .collect::<Vec<_>>();
    let is_due = |record: &Kept| record.told_at.is_none_or(|told| now.duration_since(told) >= remind_after);
    let notice = if current.iter().any(|(_, record)| is_due(record)) {
        let of = |due: bool| current.iter().filter(move |(_, record)| is_due(record) == due);
        let due = of(true).map(|(trouble, record)| ((*trouble).clone(), record.clone())).collect::<Vec<(Trouble, Kept)>>();
        let known = of(false).map(|(_, record)| record.clone()).chain(elsewhere).collect();
        Some(Notice::Troubles { due, known })
    } else if current.is_empty() && elsewhere.is_empty() && over.iter().any(|kept| kept.told_at.is_some()) {
        Some(Notice::Well { over: over.clone() })
    } else {
        None
    };
    let changed = |record: &Kept| before.get(record.id.as_str()).is_none_or(|kept| *kept != record);
    let told =
        current.iter().map(|(_, record)| if is_due(record) { Kept { told_at: Some(now), ..record.clone() } } else { record.clone() });
    Step {
        keep: told.filter(changed).collect(),
        keep_untold: current.iter().map(|(_, record)| record.clone()).filter(changed).collect(),
        forget: over.into_iter().map(|kept| kept.id).collect(),
        notice,
    }
}

/// Whether what is sent to a topic may not be heard. A subscriber too few is not deafness: others listen.
pub fn unheard(topic: &Arn, checks: &[Check], kept: &[Kept]) -> bool {
    let now = checks.iter().filter(|check| check.subject == topic.as_str()).collect::<Vec<_>>();
    let ids = now.iter().flat_map(|check| &check.troubles).map(Trouble::id).collect::<Vec<_>>();
    let before = kept.iter().filter(|kept| now.is_empty() && kept.subject == topic.as_str()).map(|kept| kept.id.clone());
    let of_single_subscribers = [TroubleKind::SubscriptionPending, TroubleKind::SmsSandbox, TroubleKind::SmsSpendLimit];
    let single = |id: &str| of_single_subscribers.iter().any(|kind| id.starts_with(&format!("{topic}#{}#", kind.as_str())));
    ids.into_iter().chain(before).any(|id| !single(&id))
}
