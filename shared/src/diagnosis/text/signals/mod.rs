//! The signals, by subject.
//!
//! Words only, no messages: how AWS words a class of trouble, whichever service says it. Texts that AWS prints for several causes give several.

mod access;
mod context;
mod copies;
mod keys;
mod requests;
mod resources;
mod timing;
mod workloads;

use std::collections::BTreeMap;

use super::normal::Normal;
use super::signal::{Signal, Tier};
use super::{Hints, codes};
use crate::diagnosis::Cause;

const TABLES: &[&[Signal]] = &[
    keys::SIGNALS,
    access::SIGNALS,
    copies::SIGNALS,
    timing::SIGNALS,
    resources::SIGNALS,
    requests::SIGNALS,
    workloads::SIGNALS,
    context::SIGNALS,
];

/// The points of every cause that the signals of a tier speak for.
pub(super) fn weigh(tier: Tier, normal: &Normal, hints: &Hints) -> BTreeMap<Cause, i32> {
    let mut points = BTreeMap::new();
    let heard = TABLES.iter().copied().flatten().filter(|signal| signal.tier == tier && signal.heard(normal, hints));
    let coded = normal.codes.iter().filter_map(|code| codes::meaning(code)).filter(|(of, _)| *of == tier);
    for (cause, gives) in heard.flat_map(|signal| signal.gives).chain(coded.flat_map(|(_, gives)| gives)) {
        let value = points.entry(*cause).or_insert(0);
        // General signals overlap (a refusal is said twice in one sentence), so the strongest counts; specific ones confirm each other.
        *value = if tier == Tier::Specific { *value + gives } else { (*value).max(*gives) };
    }
    points
}
