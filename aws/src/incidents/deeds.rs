//! The deeds of an actor as one incident.

use guardian_core::incident::{IncidentId, Moment};
use guardian_core::ports::{Happened, PortError, Tampers};
use guardian_core::tamper::{self, Deed};

use super::items::{key, of_incident, read_json};
use super::{Place, WRITE, WorkTable, happened};
use crate::item::Item;

pub(super) fn deed_key(id: &IncidentId, deed: &Deed) -> Item {
    key(of_incident(id), format!("deed#{:.3}#{}", deed.at, deed.event_id))
}

impl Tampers for WorkTable {
    async fn done(&self, deed: &Deed, actor: &str, moment: &Moment) -> Result<Happened, PortError> {
        let id = IncidentId::of_actor(actor);
        let place = Place { id: &id, lane: None, job: None, deed: Some(deed) };
        let answer = self.change(place, moment.now, |view| Some(tamper::done(view, deed, actor, &id, moment))).await?;
        answer.and_then(happened).ok_or_else(|| PortError { operation: WRITE, code: "incomplete answer".to_owned(), retryable: false })
    }

    async fn deeds(&self, id: &IncidentId) -> Result<Vec<Deed>, PortError> {
        let items = self.partition(of_incident(id), Some("deed#")).await?;
        Ok(items.iter().filter_map(|item| read_json(item, "body")).collect())
    }
}
