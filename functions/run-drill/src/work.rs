//! What a message asks for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest retention: as AWS has it.
const MOST_DAYS: i64 = 36_500;

/// A message of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "drill")]
pub(crate) enum Work {
    /// Copy what the jobs of an incident left uncopied.
    Backfill(Backfill),
}

/// A backfill on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backfill {
    /// The incident.
    pub(crate) incident_id: String,
    /// How many days copies are kept of which no plan says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention_days: Option<i64>,
    /// When it was taken up first; whoever asks leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun_at: Option<Timestamp>,
    /// How often it was looked at.
    #[serde(default)]
    pub(crate) round: u32,
}

impl Work {
    /// The work of a message; `None` where it is none.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let work = serde_json::from_slice::<Self>(body).ok()?;
        let Self::Backfill(backfill) = &work;
        let sensible =
            !backfill.incident_id.trim().is_empty() && backfill.retention_days.is_none_or(|days| (1..=MOST_DAYS).contains(&days));
        sensible.then_some(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_sends_is_read_and_nothing_else() {
        let asked = br#"{"drill":"backfill","incident_id":"bg-1","retention_days":35}"#;
        let Some(Work::Backfill(backfill)) = Work::read(asked) else { panic!("it is not read") };
        assert_eq!((backfill.incident_id.as_str(), backfill.retention_days, backfill.round), ("bg-1", Some(35), 0));
        let again = serde_json::to_vec(&Work::Backfill(Backfill { round: 3, begun_at: Some(Timestamp::UNIX_EPOCH), ..backfill })).unwrap();
        assert!(matches!(Work::read(&again), Some(Work::Backfill(Backfill { round: 3, .. }))));
        for wrong in [
            "",
            "{}",
            r#"{"drill":"restore","incident_id":"bg-1"}"#,
            r#"{"drill":"backfill"}"#,
            r#"{"drill":"backfill","incident_id":" "}"#,
            r#"{"drill":"backfill","incident_id":"bg-1","retention_days":0}"#,
        ] {
            assert_eq!(Work::read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
