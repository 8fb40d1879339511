//! Which sweep is the newest, and which one a sweep is compared with.

use guardian_aws_sweep::SweepId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Schema of [`Latest`].
const SCHEMA: &str = "backup-guardian/latest-sweep/v1";

/// The newest sweep that was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latest {
    schema: String,
    /// The sweep.
    pub(crate) sweep: SweepId,
    /// When it looked.
    at: Timestamp,
    /// The keys of its reports.
    reports: Vec<String>,
    /// The one that it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<SweepId>,
}

impl Latest {
    pub(crate) fn new(sweep: SweepId, at: Timestamp, reports: Vec<String>, previous: Option<SweepId>) -> Self {
        Self { schema: SCHEMA.to_owned(), sweep, at, reports, previous }
    }

    /// The sweep before this one. One that is reported again is compared with the same as before.
    pub(crate) fn before(&self, sweep: &SweepId) -> Option<SweepId> {
        [Some(&self.sweep), self.previous.as_ref()].into_iter().flatten().find(|other| *other < sweep).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(day: u8) -> SweepId {
        SweepId::try_from(format!("202701{day:02}T050000Z-0a1b2c3d")).unwrap()
    }

    #[test]
    fn a_sweep_is_compared_with_the_one_before_it_however_often_it_is_reported() {
        let latest = Latest::new(id(3), Timestamp::UNIX_EPOCH, Vec::new(), Some(id(2)));
        assert_eq!(latest.before(&id(4)), Some(id(3)));
        assert_eq!(latest.before(&id(3)), Some(id(2)), "reported again");
        assert_eq!(latest.before(&id(2)), None, "nothing older is known");
        assert_eq!(Latest::new(id(3), Timestamp::UNIX_EPOCH, Vec::new(), None).before(&id(3)), None);
    }
}
