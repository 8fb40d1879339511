//! Incidents as items.
//!
//! | `pk` | `sk` | holds |
//! |---|---|---|
//! | `incident#<id>` | `head` | the incident: `life` (JSON), `revision`; `opened_at`, `announced_at`, `announcing_until` (ms) and `jobs_total` as the first release wrote them |
//! | | `lane#<lane>` | its jobs in one lane: `state` (JSON) |
//! | | `member#<lane>#<resource>` | a resource in that lane: `state` (JSON) |
//! | | `job#<account>#<region>#<type>#<job id>` | a job: `state`, `at` (ms), `opening` |
//! | | `deed#<time>#<event id>` | a deed of tampering: `body` (JSON), `at` (ms), `opening` |
//! | | `alert` | the last message: `body` (JSON) |
//! | `alias#<id>` | `alias` | `incident`: what other names it goes by |
//! | `lanes#<route>` | `<incident>#<lane>` | `lane` (JSON): what a completed job looks up |
//! | `open` | `<incident>` | it is open |
//! | `digest` | `<incident>` | it waits for the next digest |
//! | `good#<route>` | `<resource>` | `at` (ms): newest good copy |
//! | `pace` | `alerts` | `log` (JSON), `revision`: messages of the last minute |
//!
//! Every item has `v`. `ttl` (s) is housekeeping and never read.

use aws_sdk_dynamodb::types::AttributeValue;
use guardian_core::incident::{Incident, IncidentId, Told};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::item::{Item, SCHEMA_VERSION, millis, number, read_number, read_str, read_time, string};

/// Members of an incident are kept for as long as somebody may ask about it.
const KEPT_SECONDS: i64 = 400 * 24 * 3600;

pub(super) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    Item::from([("pk".to_owned(), string(pk)), ("sk".to_owned(), string(sk))])
}

pub(super) fn of_incident(id: &IncidentId) -> String {
    format!("incident#{id}")
}

pub(super) fn head_key(id: &IncidentId) -> Item {
    key(of_incident(id), "head")
}

/// An item with its version.
pub(super) fn item(key: Item, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
    let mut item = key;
    item.insert("v".to_owned(), number(SCHEMA_VERSION));
    item.extend(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)));
    item
}

pub(super) fn expiring(mut item: Item, now: jiff::Timestamp) -> Item {
    item.insert("ttl".to_owned(), number(now.as_second().saturating_add(KEPT_SECONDS)));
    item
}

pub(super) fn json<T: Serialize>(value: &T) -> AttributeValue {
    // Our own types have no maps with keys that JSON cannot name.
    string(serde_json::to_string(value).unwrap_or_default())
}

pub(super) fn read_json<T: DeserializeOwned>(item: &Item, name: &str) -> Option<T> {
    serde_json::from_str(read_str(item, name)?).ok()
}

/// What a head held when it was read: the condition of the next write. The first release counts and announces without touching `revision`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    revision: Option<i64>,
    jobs_total: Option<i64>,
    announced_at: Option<i64>,
    announcing_until: Option<i64>,
}

impl Seen {
    const NAMES: [&'static str; 4] = ["revision", "jobs_total", "announced_at", "announcing_until"];

    fn of(item: &Item) -> Self {
        let [revision, jobs_total, announced_at, announcing_until] = Self::NAMES.map(|name| read_number(item, name));
        Self { revision, jobs_total, announced_at, announcing_until }
    }

    /// The condition, and its values.
    pub(super) fn condition(&self) -> (String, Vec<(String, AttributeValue)>) {
        let values = [self.revision, self.jobs_total, self.announced_at, self.announcing_until];
        let mut parts = Vec::new();
        let mut bound = Vec::new();
        for (name, value) in Self::NAMES.into_iter().zip(values) {
            match value {
                Some(value) => {
                    parts.push(format!("{name} = :seen_{name}"));
                    bound.push((format!(":seen_{name}"), number(value)));
                }
                None => parts.push(format!("attribute_not_exists({name})")),
            }
        }
        (parts.join(" AND "), bound)
    }

    pub(super) fn next_revision(&self) -> i64 {
        self.revision.unwrap_or(0).saturating_add(1)
    }
}

/// The head of an incident, of this release or the first.
pub(super) fn read_head(id: &IncidentId, item: &Item) -> (Option<Incident>, Seen) {
    let seen = Seen::of(item);
    let jobs_total = seen.jobs_total.and_then(|total| u64::try_from(total).ok());
    let announced_at = read_time(item, "announced_at");
    let telling_until = read_time(item, "announcing_until");
    let Some(opened_at) = read_time(item, "opened_at").or(announced_at).or(telling_until) else { return (None, seen) };
    let mut incident =
        read_json::<Incident>(item, "life").unwrap_or_else(|| Incident { opened_at, ..Incident::unseen(id.clone(), opened_at) });
    // One that is over has no `announced_at`: the first release told it since, so that it is open again.
    if let (Some(over), Some(at)) = (incident.resolved_at, announced_at)
        && at >= over
    {
        let opening = incident.opening.saturating_add(1);
        incident = Incident { opening, closed: incident.closed, ..Incident::unseen(id.clone(), at) };
    }
    // What the first release wrote last counts.
    incident.jobs_total = jobs_total.unwrap_or(incident.jobs_total).max(1);
    incident.telling_until = telling_until;
    incident.told = announced_at.map(|at| Told { at, standing: incident.told.and_then(|told| told.standing) });
    (Some(incident), seen)
}

/// The head as both releases read it.
pub(super) fn write_head(incident: &Incident, revision: i64) -> Item {
    let mut head = item(
        head_key(&incident.id),
        [
            ("life", json(incident)),
            ("revision", number(revision)),
            ("opened_at", millis(incident.opened_at)),
            ("jobs_total", number(incident.jobs_total)),
        ],
    );
    // The first release takes an incident without it for one that nobody was told of, which an incident is that is over or opened again: it
    // does not know that incidents end, and would join the next failure in silence.
    let told = incident.told.as_ref().filter(|_| incident.is_open());
    head.extend(told.map(|told| ("announced_at".to_owned(), millis(told.at))));
    head.extend(incident.telling_until.map(|until| ("announcing_until".to_owned(), millis(until))));
    head
}
