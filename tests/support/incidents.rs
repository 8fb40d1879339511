//! Incidents in memory: the decisions of the core over maps, each change at once.

use std::collections::{BTreeMap, BTreeSet};

use guardian_core::event::JobKey;
use guardian_core::incident::pace::{Log, Permit, Sender};
use guardian_core::incident::{
    self, Acknowledgement, Closing, Due, Failure, Incident, IncidentId, Lane, Moment, Refusal, Standing, Success, View,
};
use guardian_core::ports::{Happened, IncidentKeeper, Incidents, Pace, PortError, Recoveries};
use guardian_core::report::Alert;
use jiff::{SignedDuration, Timestamp};

use crate::World;

/// What is kept.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the fields are what they hold")]
pub struct Kept {
    pub heads: BTreeMap<IncidentId, Incident>,
    pub lanes: BTreeMap<(IncidentId, Lane), incident::LaneState>,
    pub members: BTreeMap<(IncidentId, Lane, String), incident::Member>,
    pub jobs: BTreeMap<(IncidentId, String), u32>,
    pub names: BTreeMap<IncidentId, (IncidentId, Timestamp)>,
    pub alerts: BTreeMap<IncidentId, Alert>,
    pub good: BTreeMap<(String, String), Timestamp>,
    pub pace: Log,
}

impl Kept {
    fn behind(&self, name: &IncidentId) -> Option<Incident> {
        let id = self.names.get(name).map_or(name, |(id, _)| id);
        self.heads.get(id).cloned()
    }

    fn view(&self, id: &IncidentId, lane: Option<(&Lane, &str)>, job: Option<&str>) -> View {
        View {
            incident: self.heads.get(id).cloned(),
            lane: lane.and_then(|(lane, _)| self.lanes.get(&(id.clone(), lane.clone())).cloned()),
            member: lane.and_then(|(lane, resource)| self.members.get(&(id.clone(), lane.clone(), resource.to_owned())).cloned()),
            job_counted: job.and_then(|job| self.jobs.get(&(id.clone(), job.to_owned())).copied()),
        }
    }

    fn keep(&mut self, view: &View, lane: Option<(&Lane, &str)>, job: Option<&str>) {
        let Some(incident) = &view.incident else { return };
        let id = incident.id.clone();
        self.heads.insert(id.clone(), incident.clone());
        if let (Some(state), Some((lane, _))) = (&view.lane, lane) {
            self.lanes.insert((id.clone(), lane.clone()), state.clone());
        }
        if let (Some(state), Some((lane, resource))) = (&view.member, lane) {
            self.members.insert((id.clone(), lane.clone(), resource.to_owned()), state.clone());
        }
        if let (Some(opening), Some(job)) = (view.job_counted, job) {
            self.jobs.insert((id, job.to_owned()), opening);
        }
    }

    fn head(&mut self, id: &IncidentId, decide: impl FnOnce(Incident) -> (Incident, Due)) -> Option<Happened> {
        let (incident, due) = decide(self.heads.get(id).cloned()?);
        self.heads.insert(id.clone(), incident.clone());
        Some(Happened { incident, due })
    }
}

impl World {
    async fn kept<T>(&self, operation: &'static str, change: impl FnOnce(&mut Kept) -> T) -> Result<T, PortError> {
        let effect = async {
            self.table().await?;
            Ok(change(&mut self.lock().kept_incidents))
        };
        self.change(operation, effect).await
    }

    async fn asked<T>(&self, operation: &'static str, question: impl FnOnce(&Kept) -> T) -> Result<T, PortError> {
        self.ask(operation).await?;
        self.table().await?;
        Ok(question(&self.lock().kept_incidents))
    }

    /// The jobs that were counted, each with the incident that it is of.
    pub fn counted(&self) -> Vec<(String, IncidentId)> {
        self.get(|state| state.kept_incidents.jobs.keys().map(|(id, job)| (job.clone(), id.clone())).collect())
    }

    /// The incidents as they are kept.
    pub fn incidents(&self) -> Vec<Incident> {
        self.get(|state| state.kept_incidents.heads.values().cloned().collect())
    }
}

impl Incidents for World {
    async fn known(&self, provisional: &IncidentId, now: Timestamp) -> Result<Option<Incident>, PortError> {
        self.asked("known", |kept| {
            let (id, until) = kept.names.get(provisional)?;
            kept.heads.get(id).filter(|incident| *until > now && incident.is_open() && incident.told.is_some()).cloned()
        })
        .await
    }

    async fn join(&self, failure: &Failure, moment: &Moment) -> Result<Happened, PortError> {
        self.kept("join", |kept| {
            let (identity, provisional) = (kept.behind(&failure.identity), kept.behind(&failure.provisional));
            let id = incident::choose(identity.as_ref(), provisional.as_ref(), failure).unwrap_or_else(|| failure.identity.clone());
            let lane = Some((&failure.lane, failure.resource.as_str()));
            // As the table does: a job is one whatever state it is told in.
            let JobKey { account, region, job_type, job_id, .. } = &failure.job;
            let job = format!("{account}/{region}/{}/{}", job_type.as_str(), job_id.as_str());
            let (view, due) = incident::failed(kept.view(&id, lane, Some(&job)), failure, &id, moment);
            kept.keep(&view, lane, Some(&job));
            if failure.diagnosed {
                let until = moment.now + SignedDuration::from_mins(30);
                kept.names.insert(failure.provisional.clone(), (id.clone(), until));
                kept.names.insert(failure.identity.clone(), (id, until));
            }
            Happened { incident: view.incident.unwrap(), due }
        })
        .await
    }

    async fn told(&self, id: &IncidentId, alert: &Alert, standing: Option<&Standing>, now: Timestamp) -> Result<(), PortError> {
        self.kept("told", |kept| {
            let before = kept.heads.get(id).cloned().unwrap_or_else(|| Incident::unseen(id.clone(), now));
            kept.heads.insert(id.clone(), incident::told(before, alert.kind, standing, now));
            kept.alerts.insert(id.clone(), alert.clone());
        })
        .await
    }

    async fn not_told(&self, id: &IncidentId, lease_until: Timestamp) -> Result<(), PortError> {
        self.kept("not_told", |kept| kept.head(id, |incident| (incident::not_told(incident, lease_until), Due::Nothing))).await.map(|_| ())
    }

    async fn defer(&self, id: &IncidentId, alert: &Alert, lease_until: Timestamp) -> Result<(), PortError> {
        self.kept("defer", |kept| {
            kept.alerts.insert(id.clone(), alert.clone());
            kept.head(id, |incident| (incident::deferred(incident, lease_until), Due::Nothing));
        })
        .await
    }
}

impl Recoveries for World {
    async fn lanes(&self, route: &Lane) -> Result<Vec<(IncidentId, Lane)>, PortError> {
        let of_route = |(_, lane): &&(IncidentId, Lane)| lane.route_id() == route.route_id();
        self.asked("lanes", |kept| kept.lanes.keys().filter(of_route).cloned().collect()).await
    }

    async fn complete(&self, id: &IncidentId, lane: &Lane, success: &Success, moment: &Moment) -> Result<Option<Happened>, PortError> {
        self.kept("complete", |kept| {
            let at = Some((lane, success.resource.as_str()));
            let (view, due) = incident::completed(kept.view(id, at, None), success, moment);
            kept.keep(&view, at, None);
            view.incident.map(|incident| Happened { incident, due })
        })
        .await
    }

    async fn keep_good(&self, success: &Success, at: Timestamp) -> Result<(), PortError> {
        let key = (success.lane.route_id(), success.resource.clone());
        self.kept("keep_good", |kept| {
            let newest = kept.good.get(&key).copied().max(Some(at));
            kept.good.extend(newest.map(|newest| (key, newest)));
        })
        .await
    }

    async fn last_good(&self, route: &Lane, resource: &str) -> Result<Option<Timestamp>, PortError> {
        self.asked("last_good", |kept| kept.good.get(&(route.route_id(), resource.to_owned())).copied()).await
    }
}

impl IncidentKeeper for World {
    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, PortError> {
        self.asked("incident", |kept| kept.behind(id)).await
    }

    async fn last_alert(&self, id: &IncidentId) -> Result<Option<Alert>, PortError> {
        self.asked("last_alert", |kept| kept.alerts.get(id).cloned()).await
    }

    async fn jobs(&self, id: &IncidentId) -> Result<Vec<String>, PortError> {
        self.asked("jobs", |kept| kept.jobs.keys().filter(|(of, _)| of == id).map(|(_, job)| job.clone()).collect::<BTreeSet<_>>())
            .await
            .map(Vec::from_iter)
    }

    async fn open(&self) -> Result<Vec<IncidentId>, PortError> {
        self.asked("open", |kept| kept.heads.values().filter(|incident| incident.is_open()).map(|incident| incident.id.clone()).collect())
            .await
    }

    async fn deferred(&self) -> Result<Vec<IncidentId>, PortError> {
        self.asked("deferred", |kept| {
            kept.heads.values().filter(|incident| incident.deferred).map(|incident| incident.id.clone()).collect()
        })
        .await
    }

    async fn take(&self, id: &IncidentId, moment: &Moment) -> Result<Option<Incident>, PortError> {
        self.kept("take", |kept| {
            let (incident, ours) = incident::taken(kept.heads.get(id).cloned()?, moment);
            kept.heads.insert(id.clone(), incident.clone());
            ours.then_some(incident)
        })
        .await
    }

    async fn look(
        &self,
        id: &IncidentId,
        standing: &Standing,
        searched_until: Timestamp,
        moment: &Moment,
    ) -> Result<Option<Happened>, PortError> {
        self.kept("look", |kept| kept.head(id, |incident| incident::looked(incident, standing, searched_until, moment))).await
    }

    async fn wait(&self, id: &IncidentId, moment: &Moment) -> Result<Option<Happened>, PortError> {
        self.kept("wait", |kept| kept.head(id, |incident| incident::waited(incident, moment))).await
    }

    async fn followed_up(&self, id: &IncidentId, opening: u32, number: u32, report_uri: Option<&str>) -> Result<bool, PortError> {
        self.kept("followed_up", |kept| {
            let mut first = false;
            kept.head(id, |incident| {
                let (incident, is_first) = incident::followed_up(incident, opening, number, report_uri);
                first = is_first;
                (incident, Due::Nothing)
            });
            first
        })
        .await
    }

    async fn acknowledge(&self, id: &IncidentId, acknowledgement: &Acknowledgement) -> Result<Option<Incident>, PortError> {
        let change = |incident| (incident::acknowledged(incident, acknowledgement.clone()), Due::Nothing);
        self.kept("acknowledge", |kept| kept.head(id, change)).await.map(|happened| happened.map(|happened| happened.incident))
    }

    async fn close(&self, id: &IncidentId, closing: &Closing) -> Result<Option<Result<Incident, Refusal>>, PortError> {
        self.kept("close", |kept| {
            let incident = kept.heads.get(id).cloned()?;
            let lanes = kept.lanes.iter().filter(|((of, _), _)| of == id).map(|(_, state)| state.clone()).collect::<Vec<_>>();
            let closed = incident::closed(incident, &lanes, closing.clone());
            if let Ok(incident) = &closed {
                kept.heads.insert(id.clone(), incident.clone());
            }
            Some(closed)
        })
        .await
    }
}

impl Pace for World {
    async fn permit(&self, sender: &Sender, now: Timestamp) -> Result<Permit, PortError> {
        self.kept("permit", |kept| kept.pace.ask(sender, now)).await
    }
}
