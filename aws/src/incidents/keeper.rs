//! What happens to incidents later, and what people ask about them.

use guardian_core::incident::{self, Acknowledgement, Closing, Incident, IncidentId, LaneState, Moment, Refusal, Standing, View};
use guardian_core::ports::{Happened, IncidentKeeper, PortError};
use guardian_core::report::Alert;
use jiff::Timestamp;

use super::items::{key, of_incident, read_json};
use super::{ATTEMPTS, Place, WRITE, WorkTable, happened};
use crate::item::read_str;

const READ_LANES: &str = "dynamodb:Query";

/// A change of the incident alone.
fn head<T>(view: View, decide: impl FnOnce(Incident) -> (Incident, T)) -> Option<(View, T)> {
    let (incident, answer) = decide(view.incident?);
    Some((View { incident: Some(incident), ..View::default() }, answer))
}

fn at(id: &IncidentId) -> Place<'_> {
    Place { id, lane: None, job: None, deed: None }
}

impl IncidentKeeper for WorkTable {
    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, PortError> {
        let [found] = self.behind([id]).await?;
        Ok(found)
    }

    async fn last_alert(&self, id: &IncidentId) -> Result<Option<Alert>, PortError> {
        let items = self.read(vec![key(of_incident(id), "alert")]).await?;
        Ok(items.first().and_then(|item| read_json(item, "body")))
    }

    async fn jobs(&self, id: &IncidentId) -> Result<Vec<String>, PortError> {
        let items = self.partition(of_incident(id), Some("job#")).await?;
        let name = |sk: &str| sk.strip_prefix("job#").map(|rest| rest.replace('#', "/"));
        Ok(items.iter().filter_map(|item| name(read_str(item, "sk")?)).collect())
    }

    async fn open(&self) -> Result<Vec<IncidentId>, PortError> {
        Ok(self
            .partition("open".to_owned(), None)
            .await?
            .iter()
            .filter_map(|item| read_str(item, "sk").map(IncidentId::from_kept))
            .collect())
    }

    async fn deferred(&self) -> Result<Vec<IncidentId>, PortError> {
        Ok(self
            .partition("digest".to_owned(), None)
            .await?
            .iter()
            .filter_map(|item| read_str(item, "sk").map(IncidentId::from_kept))
            .collect())
    }

    async fn take(&self, id: &IncidentId, moment: &Moment) -> Result<Option<Incident>, PortError> {
        let decide = |view| head(view, |incident| incident::taken(incident, moment));
        let taken = self.change(at(id), moment.now, decide).await?;
        Ok(taken.filter(|(_, ours)| *ours).and_then(|(view, _)| view.incident))
    }

    async fn look(
        &self,
        id: &IncidentId,
        standing: &Standing,
        searched_until: Timestamp,
        moment: &Moment,
    ) -> Result<Option<Happened>, PortError> {
        let decide = |view| head(view, |incident| incident::looked(incident, standing, searched_until, moment));
        let answer = self.change(at(id), moment.now, decide).await?.and_then(happened);
        let identity = incident::identify(standing.cause, &standing.object);
        let learnt = answer.as_ref().is_some_and(|answer| answer.incident.standing.as_ref() == Some(standing) && identity != *id);
        // Jobs of other lanes find it by what it turned out to be, unless that is open as an incident of its own.
        if learnt && self.incident(&identity).await?.is_none_or(|other| !other.is_open()) {
            self.name(&[&identity], id, moment.now).await?;
        }
        Ok(answer)
    }

    async fn wait(&self, id: &IncidentId, moment: &Moment) -> Result<Option<Happened>, PortError> {
        let decide = |view| head(view, |incident| incident::waited(incident, moment));
        Ok(self.change(at(id), moment.now, decide).await?.and_then(happened))
    }

    async fn followed_up(&self, id: &IncidentId, opening: u32, number: u32, report_uri: Option<&str>) -> Result<bool, PortError> {
        let decide = |view| head(view, |incident| incident::followed_up(incident, opening, number, report_uri));
        Ok(self.change(at(id), Timestamp::UNIX_EPOCH, decide).await?.is_some_and(|(_, first)| first))
    }

    async fn acknowledge(&self, id: &IncidentId, acknowledgement: &Acknowledgement) -> Result<Option<Incident>, PortError> {
        let decide = |view| head(view, |incident| (incident::acknowledged(incident, acknowledgement.clone()), ()));
        Ok(self.change(at(id), Timestamp::UNIX_EPOCH, decide).await?.and_then(|(view, ())| view.incident))
    }

    async fn close(&self, id: &IncidentId, closing: &Closing) -> Result<Option<Result<Incident, Refusal>>, PortError> {
        for _ in 0..ATTEMPTS {
            let Some(before) = self.incident(id).await? else { return Ok(None) };
            let lanes = self.lane_states(&before.id).await?;
            let decide = |view: View| {
                // What failed since the lanes were read may have one that a job can prove.
                let now = view.incident.filter(|now| (now.opening, now.jobs_total) == (before.opening, before.jobs_total))?;
                let (incident, answer) = match incident::closed(now.clone(), &lanes, closing.clone()) {
                    Ok(incident) => (incident, Ok(())),
                    Err(refusal) => (now, Err(refusal)),
                };
                Some((View { incident: Some(incident), ..View::default() }, answer))
            };
            if let Some((view, answer)) = self.change(at(&before.id), closing.at, decide).await? {
                return Ok(view.incident.map(|incident| answer.map(|()| incident)));
            }
        }
        Err(PortError { operation: WRITE, code: "TransactionConflict".to_owned(), retryable: true })
    }
}

impl WorkTable {
    /// The lanes of an incident. One that cannot be read is no lane that nothing proves.
    async fn lane_states(&self, id: &IncidentId) -> Result<Vec<LaneState>, PortError> {
        let items = self.partition(of_incident(id), Some("lane#")).await?;
        let read = |item| {
            read_json(item, "state").ok_or_else(|| PortError { operation: READ_LANES, code: "unreadable".to_owned(), retryable: false })
        };
        items.iter().map(read).collect()
    }
}
