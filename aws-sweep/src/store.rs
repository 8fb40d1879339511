//! The parts of a sweep in a bucket, under a prefix of its own.

use std::fmt;

use guardian_core::ports::PortError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::reports::{Kind, ReportBucket};
use crate::sweep::{PartError, Parts};

/// What parts are tagged with, so that the lifecycle of the bucket removes them long before the reports.
const PART_TAG: &str = "backup-guardian=part";
/// Where all sweeps lie.
const SWEEPS: &str = "sweeps";

/// Names a sweep: when it began, and which execution it is. In the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SweepId(String);

/// The text names no sweep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no id of a sweep such as `20270131T050000Z-0a1b2c3d`")]
pub struct NotASweep(String);

impl SweepId {
    /// That of an execution: the same whenever it is asked for.
    pub fn of(execution: &str, started: Timestamp) -> Self {
        let hash = Sha256::digest(execution).iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("{}-{hash}", started.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ")))
    }

    /// The key of an object of the sweep.
    pub fn key(&self, name: &str) -> String {
        format!("{SWEEPS}/{}/{name}", self.0)
    }

    /// The key of what names the newest sweep.
    pub fn latest() -> String {
        format!("{SWEEPS}/latest.json")
    }
}

impl fmt::Display for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SweepId> for String {
    fn from(id: SweepId) -> Self {
        id.0
    }
}

impl TryFrom<String> for SweepId {
    type Error = NotASweep;
    fn try_from(text: String) -> Result<Self, NotASweep> {
        // It becomes a part of keys: nothing else gets there.
        let good = text.split_once('-').is_some_and(|(time, hash)| {
            let digits = |from: usize, to: usize| time.get(from..to).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            let marks = time.get(8..9) == Some("T") && time.get(15..) == Some("Z");
            digits(0, 8) && digits(9, 15) && marks && hash.len() == 8 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        if good { Ok(Self(text)) } else { Err(NotASweep(text.chars().take(64).collect())) }
    }
}

/// The parts of one sweep in a bucket.
#[derive(Clone, Debug)]
pub struct S3Parts {
    bucket: ReportBucket,
    sweep: SweepId,
}

impl S3Parts {
    /// Those of this sweep.
    pub fn new(bucket: ReportBucket, sweep: SweepId) -> Self {
        Self { bucket, sweep }
    }
}

fn failed(name: &str, error: &PortError) -> PartError {
    PartError::Place { name: name.to_owned(), what: error.to_string() }
}

impl Parts for S3Parts {
    // A request costs a little, and each time there is one for every bucket.
    const MOST_HELD: usize = 20_000;
    const AT_ONCE: usize = 8;

    async fn put(&self, name: &str, body: Vec<u8>) -> Result<(), PartError> {
        let kind = Kind { content_type: "application/json", tag: Some(PART_TAG) };
        self.bucket.put_object(&self.sweep.key(name), body.into(), kind).await.map_err(|error| failed(name, &error))
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, PartError> {
        self.bucket.get_object(&self.sweep.key(name)).await.map_err(|error| failed(name, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_one_sweep_however_often_it_is_planned() {
        let at = "2027-01-31T05:00:00.123Z".parse::<Timestamp>().unwrap();
        let id = SweepId::of("execution-1", at);
        assert_eq!(id, SweepId::of("execution-1", at));
        assert!(id.to_string().starts_with("20270131T050000Z-") && id != SweepId::of("execution-2", at));
        assert!(id < SweepId::of("execution-1", "2027-01-31T05:00:01Z".parse().unwrap()));
        assert_eq!(SweepId::try_from(id.to_string()), Ok(id.clone()));
        assert_eq!(id.key("report.json"), format!("sweeps/{id}/report.json"));
    }

    #[test]
    fn what_is_no_id_never_becomes_a_key() {
        for text in [
            "",
            "latest",
            "20270131T050000Z",
            "20270131T050000Z-0a1b2c3",
            "20270131T050000Z-0A1B2C3D",
            "20270131T050000Z-../../ab",
            "2027x131T050000Z-0a1b2c3d",
            "20270131 050000Z-0a1b2c3d",
            "20270131T050000Z-0a1b2c3d/",
            "é0270131T05000Z-0a1b2c3d",
        ] {
            assert_eq!(SweepId::try_from(text.to_owned()), Err(NotASweep(text.to_owned())), "{text}");
        }
    }
}
