//! Comes back to incidents: looks again for evidence that was late, upgrades the verdict, reminds, and sends the digest of what could not be told
//! one by one.
//!
//! A look puts the next one into the queue before it marks itself as done, so that a crash never ends the chain; a look that comes twice finds
//! its mark and ends.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use diagnose_job::config::Scope;
use diagnose_job::gather::gather;
use diagnose_job::later::{Look, Work};
use diagnose_job::messenger::{DIGEST_AFTER, Due, LOOKS, Messenger, within};
use diagnose_job::{ItemError, Outcome, Ports, after, alert, exposure};
use guardian_aws::environment::{ConfigError, Environment};
use guardian_aws::lambda::{InvocationError, each};
use guardian_core::diagnosis::diagnose;
use guardian_core::event::Job;
use guardian_core::evidence::Evidence;
use guardian_core::incident::pace::Sender;
use guardian_core::incident::{self, Incident, Lane, Moment, Standing, resource_of};
use guardian_core::ports::{
    AlertSink, BackupReader, DenialStore, Happened, IncidentKeeper, Incidents, KeyReader, OrganizationReader, Outbox, Pace, PlanReader,
    PortError, Recoveries, ReportStore, RoleReader, TrailReader,
};
use guardian_core::report::{self, Alert, Kind, Listed, Report};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

/// Name of the function in metrics.
const FUNCTION: &str = "follow-up";
/// What an item needs besides the evidence window.
const OVERHEAD: Duration = Duration::from_secs(18);
/// A claim on a message outlives the invocation by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// What writing a report may take: the list is worth less than the message.
const REPORT_PATIENCE: Duration = Duration::from_secs(8);

/// `GUARDIAN_REPORT_BUCKET`, from the environment of the process.
pub fn report_bucket() -> Result<String, ConfigError> {
    Environment(|name: &str| std::env::var(name).ok()).bucket("GUARDIAN_REPORT_BUCKET")
}

/// The function.
pub struct Handler<R, D, W, S, L, B> {
    readers: R,
    denials: D,
    messenger: Messenger<W, S, L>,
    reports: B,
    scope: Scope,
    repeat_after: SignedDuration,
}

/// Something that is due about an incident.
struct News<'a> {
    incident: &'a Incident,
    due: incident::Due,
    /// The message, where a diagnosis made one.
    alert: Option<Alert>,
    standing: Option<&'a Standing>,
    /// Where all its jobs are listed.
    report_uri: Option<&'a str>,
    /// The newest good copy by now, where it was looked for without a diagnosis.
    last_good: Option<Timestamp>,
}

impl<R, D, W, S, L, B> Handler<R, D, W, S, L, B>
where
    R: BackupReader + KeyReader + RoleReader + OrganizationReader + PlanReader + TrailReader + 'static,
    D: DenialStore + 'static,
    W: Incidents + IncidentKeeper + Pace + Recoveries + 'static,
    S: AlertSink + 'static,
    L: Outbox + 'static,
    B: ReportStore + 'static,
{
    /// A handler over these ports.
    pub fn new(ports: Ports<R, D, W, S, L>, reports: B, scope: Scope, repeat_after: Duration) -> Self {
        let Ports { readers, denials, work, alerts, later, now, metrics } = ports;
        let messenger = Messenger::new(FUNCTION, (work, alerts, later), now, metrics, repeat_after);
        let repeat_after = SignedDuration::try_from(repeat_after).unwrap_or(SignedDuration::MAX);
        Self { readers, denials, messenger, reports, scope, repeat_after }
    }

    /// One invocation: a batch of the follow-up queue.
    pub async fn handle(self: Arc<Self>, payload: Value, deadline: Instant) -> Result<Value, InvocationError> {
        let needed = self.scope.window + OVERHEAD;
        each(payload, deadline, needed, |body| {
            let handler = Arc::clone(&self);
            async move { handler.work(&body, deadline).await }
        })
        .await
    }

    /// One piece of work.
    pub async fn work(&self, body: &[u8], deadline: Instant) -> Result<Outcome, ItemError> {
        match serde_json::from_slice::<Work>(body) {
            Ok(Work::Look(look)) => self.look(look, deadline).await,
            Ok(Work::Digest) => self.digest(deadline).await,
            Err(error) => {
                tracing::error!(%error, "message quarantined");
                self.messenger.count("quarantined", "not-work");
                Err(ItemError::Quarantined { reason: "not-work".to_owned() })
            }
        }
    }

    fn moment(&self, deadline: Instant) -> Moment {
        let now = (self.messenger.now)();
        let lease_until = after(now, deadline.saturating_duration_since(Instant::now()) + LEASE_MARGIN);
        Moment { now, lease_until, repeat_after: self.repeat_after }
    }

    async fn look(&self, look: Look, deadline: Instant) -> Result<Outcome, ItemError> {
        if look.left > 0 && !self.is_closed(&look, deadline).await {
            let left = Duration::from_secs(look.left);
            let (look, hop) = look.after(left);
            self.put_off(Work::Look(look), hop, deadline).await?;
            return Ok(Outcome::Ignored);
        }
        let work = &self.messenger.work;
        let Some(incident) = self.messenger.table(deadline, "incident", work.incident(&look.incident)).await? else {
            return Ok(Outcome::Ignored);
        };
        let done = incident.follow_up > look.number || look.opening.is_some_and(|opening| opening != incident.opening);
        if done {
            return Ok(Outcome::AlreadyDone);
        }
        let report_uri = self.list(&incident, deadline).await;
        let report_uri = report_uri.as_deref();
        if !incident.is_open() {
            return Ok(Outcome::AlreadyDone);
        }
        let moment = self.moment(deadline);
        let outcome = match (&look.job, LOOKS.get(usize::try_from(look.number).unwrap_or(usize::MAX))) {
            (Some(job), Some(_)) if incident.closing().is_none() => self.again(&incident, job, report_uri, &moment, deadline).await?,
            _ => self.wait(&incident, look.job.as_deref(), report_uri, &moment, deadline).await?,
        };
        self.next(look, &incident, report_uri, deadline).await?;
        Ok(outcome)
    }

    /// Whether somebody closed the incident meanwhile: then its end is told on the way, not when the look is due. Where that cannot be read the
    /// look itself will know.
    async fn is_closed(&self, look: &Look, deadline: Instant) -> bool {
        let found = self.messenger.table(deadline, "incident", self.messenger.work.incident(&look.incident)).await;
        let of_this = |incident: &Incident| look.opening.is_none_or(|opening| opening == incident.opening);
        found.ok().flatten().is_some_and(|incident| incident.is_open() && incident.closing().is_some() && of_this(&incident))
    }

    /// Diagnoses the job again: what was late may be there by now.
    async fn again(
        &self,
        incident: &Incident,
        job: &Job,
        report_uri: Option<&str>,
        moment: &Moment,
        deadline: Instant,
    ) -> Result<Outcome, ItemError> {
        let end = Instant::now() + self.scope.window;
        let (evidence, exposure) = tokio::join!(
            Box::pin(gather(&self.readers, &self.denials, job.clone(), moment.now, &self.scope)),
            exposure(&self.readers, &self.messenger.work, job, moment.now, end),
        );
        let verdict = diagnose(&evidence);
        let standing = Standing::of(&verdict, &exposure, moment.now);
        let work = &self.messenger.work;
        let looked = self.messenger.table(deadline, "look", work.look(&incident.id, &standing, moment.now, moment)).await?;
        let Some(Happened { incident, due }) = looked else { return Ok(Outcome::Ignored) };
        let alert = match due {
            incident::Due::Tell(kind) => Some(alert(&evidence, &verdict, kind, &incident, &exposure)),
            _ => None,
        };
        self.tell(News { incident: &incident, due, alert, standing: Some(&standing), report_uri, last_good: None }, moment, deadline).await
    }

    /// Time passed: a reminder may be due, or an end that nobody told.
    async fn wait(
        &self,
        incident: &Incident,
        job: Option<&Job>,
        report_uri: Option<&str>,
        moment: &Moment,
        deadline: Instant,
    ) -> Result<Outcome, ItemError> {
        let work = &self.messenger.work;
        let waited = self.messenger.table(deadline, "wait", work.wait(&incident.id, moment)).await?;
        let Some(Happened { incident, due }) = waited else { return Ok(Outcome::Ignored) };
        let last_good = match job {
            Some(job) if matches!(due, incident::Due::Tell(_)) => self.last_good(job, moment.now, deadline).await,
            _ => None,
        };
        self.tell(News { incident: &incident, due, alert: None, standing: None, report_uri, last_good }, moment, deadline).await
    }

    /// The newest good copy: others of the incident may keep it open while this one is copied again. Not known is as it was told last.
    async fn last_good(&self, job: &Job, now: Timestamp, deadline: Instant) -> Option<Timestamp> {
        let evidence = Evidence::of_event(job.clone(), now);
        let (lane, resource) = (Lane::of(&evidence), resource_of(&evidence));
        self.messenger.table(deadline, "last-good", self.messenger.work.last_good(&lane, &resource)).await.ok().flatten()
    }

    async fn tell(&self, news: News<'_>, moment: &Moment, deadline: Instant) -> Result<Outcome, ItemError> {
        let News { incident, due, alert, standing, report_uri, last_good } = news;
        let incident::Due::Tell(kind) = due else {
            return if due == incident::Due::Held { Err(ItemError::BeingAnnounced(incident.id.to_string())) } else { Ok(Outcome::Ignored) };
        };
        let work = &self.messenger.work;
        // Of an actor the incident itself says what is new, and how bad it is by now.
        let standing = standing.or_else(|| incident.burst.as_ref().and(incident.standing.as_ref()));
        let of_deeds = || report::tamper(incident, moment.now).filter(|_| kind == Kind::Tamper);
        let alert = match alert.or_else(of_deeds) {
            Some(alert) => Some(alert),
            None => {
                let last = self.messenger.table(deadline, "last-alert", work.last_alert(&incident.id)).await?;
                last.map(|last| report::again(&last, kind, incident, last_good, moment.now))
            }
        };
        match alert {
            Some(mut alert) => {
                alert.report_uri = report_uri.map(str::to_owned).or(alert.report_uri);
                let due = Due { incident, alert: &alert, standing, lease_until: moment.lease_until, look: None };
                self.messenger.tell(due, deadline).await
            }
            None => {
                self.messenger.record(deadline, "not-told", work.not_told(&incident.id, moment.lease_until)).await;
                Ok(Outcome::Ignored)
            }
        }
    }

    /// Arranges the next look, then marks this one as done.
    async fn next(&self, look: Look, incident: &Incident, report_uri: Option<&str>, deadline: Instant) -> Result<(), ItemError> {
        let number = look.number;
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let by = match (LOOKS.get(place), LOOKS.get(place.saturating_add(1)), &look.job) {
            (Some(this), Some(next), Some(_)) => next.saturating_sub(*this),
            _ => {
                let now = (self.messenger.now)();
                let fresh = self.messenger.table(deadline, "incident", self.messenger.work.incident(&incident.id)).await?;
                let Some(at) = fresh.and_then(|fresh| incident::remind_at(&fresh, self.repeat_after)) else { return Ok(()) };
                // Never at once: what is due and could not be told waits a little.
                at.duration_since(now).max(SignedDuration::from_secs(60)).unsigned_abs()
            }
        };
        let (next, hop) = Look { number: number.saturating_add(1), ..look }.after(by);
        let (id, opening) = (next.incident.clone(), incident.opening);
        self.put_off(Work::Look(next), hop, deadline).await?;
        self.messenger.table(deadline, "followed-up", self.messenger.work.followed_up(&id, opening, number, report_uri)).await?;
        Ok(())
    }

    /// Tells what waits in one message.
    async fn digest(&self, deadline: Instant) -> Result<Outcome, ItemError> {
        let work = &self.messenger.work;
        let deferred = self.messenger.table(deadline, "deferred", work.deferred()).await?;
        let more = deferred.len() > report::MOST_IN_DIGEST;
        if deferred.is_empty() {
            return Ok(Outcome::AlreadyDone);
        }
        if !self.messenger.turn(&Sender::Digest, deadline).await? {
            self.put_off(Work::Digest, DIGEST_AFTER, deadline).await?;
            return Ok(Outcome::Deferred);
        }
        // Before anything is marked: whoever finds nothing left ends.
        if more {
            self.put_off(Work::Digest, DIGEST_AFTER, deadline).await?;
        }
        // Another digest may be on its way at the same time: each tells what it claims.
        let moment = self.moment(deadline);
        let mut waiting = Vec::new();
        for id in deferred.into_iter().take(report::MOST_IN_DIGEST) {
            let alert = self.messenger.table(deadline, "last-alert", work.last_alert(&id)).await?;
            if alert.is_some() {
                waiting.extend(self.messenger.table(deadline, "take", work.take(&id, &moment)).await?.zip(alert));
            }
        }
        let now = moment.now;
        let Some(mut digest) = report::digest(&waiting, now) else { return Ok(Outcome::AlreadyDone) };
        digest.report_uri = self.write(self.report_of_digest(&digest, &waiting, now), deadline).await;
        if let Err(error) = self.messenger.send(&digest, deadline).await {
            for (incident, _) in &waiting {
                self.messenger.record(deadline, "not-told", work.not_told(&incident.id, moment.lease_until)).await;
            }
            return Err(error);
        }
        for (incident, alert) in &waiting {
            let look = Look { incident: incident.id.clone(), opening: Some(incident.opening), number: 0, left: 0, job: None };
            let repeat_after = self.repeat_after.unsigned_abs();
            let (look, hop) = look.after(repeat_after);
            self.put_off(Work::Look(look), hop, deadline).await?;
            self.messenger.table(deadline, "told", work.told(&incident.id, alert, incident.standing.as_ref(), now)).await?;
        }
        Ok(Outcome::Announced)
    }

    /// Lists all jobs of an incident where they are more than a message shows; where they are listed now.
    async fn list(&self, incident: &Incident, deadline: Instant) -> Option<String> {
        if incident.jobs_total <= 1 || incident.burst.is_some() {
            return None;
        }
        let report = async {
            let work = &self.messenger.work;
            let Some(alert) = work.last_alert(&incident.id).await? else { return Ok(None) };
            let listed = Listed::of(incident, &alert, &work.jobs(&incident.id).await?);
            Ok(Some(Report::of_incident(listed, (self.messenger.now)())))
        };
        self.write(report, deadline).await
    }

    async fn report_of_digest(&self, digest: &Alert, waiting: &[(Incident, Alert)], now: Timestamp) -> Result<Option<Report>, PortError> {
        let mut incidents = Vec::new();
        for (incident, alert) in waiting {
            incidents.push(Listed::of(incident, alert, &self.messenger.work.jobs(&incident.id).await?));
        }
        Ok(Some(Report::of_digest(&digest.incident_id, incidents, now)))
    }

    /// Writes a report. Where that fails the message goes out without it: the jobs are in the table, and the next look writes it again.
    async fn write(&self, report: impl Future<Output = Result<Option<Report>, PortError>>, deadline: Instant) -> Option<String> {
        let written = async {
            match report.await? {
                Some(report) => self.reports.put(&report).await.map(Some),
                None => Ok(None),
            }
        };
        within(deadline, REPORT_PATIENCE, "s3:PutObject", written).await.unwrap_or_else(|error| {
            tracing::error!(operation = error.operation, code = %error.code, "the report was not written; the next look writes it again");
            self.messenger.count("not-recorded", "report");
            None
        })
    }

    async fn put_off(&self, work: Work, by: Duration, deadline: Instant) -> Result<(), ItemError> {
        if self.messenger.arrange(&work, by, deadline).await {
            return Ok(());
        }
        Err(PortError { operation: "sqs:SendMessage", code: "not accepted".to_owned(), retryable: true }.into())
    }
}
