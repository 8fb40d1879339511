//! One copy or restore on its way: started once, looked at again until it ended, then told.
//!
//! A message names its drill: whenever it comes again, and whatever newer recovery point there is by then, it finds what it began.

use guardian_core::drill::Why;
use guardian_core::drill::backfill::Wish;
use guardian_core::drill::record::{Drill, Purpose, Record, State, id_of_message};
use guardian_core::drill::{Order, restore};
use guardian_core::event::Job;
use guardian_core::evidence::Gap;
use guardian_core::ports::{
    BackupReader, CopyLists, DrillStarter, DrillStore, IncidentKeeper, Operations, Outbox, PlanReader, PointLists, Remover, RestoreLists,
    RestoreSettings,
};
use guardian_core::report::inert_text;
use jiff::SignedDuration;

use crate::act::{self, may_pass};
use crate::find::{self, Found, Wanted, jobs};
use crate::handler::{Handler, ItemError, MOST_ROUNDS, Outcome};
use crate::look::{Standing, ended, help, in_the_way, look, worry};
use crate::work::{Copy, Look, Restore, Work};

/// Left-overs of other drills that a message names.
const MOST_WORRIES: usize = 20;

/// What AWS said when it refused a drill.
fn refusal(record: &Record) -> &str {
    match &record.state {
        State::Refused { said, .. } => said,
        _ => "",
    }
}

fn said(gap: &Gap) -> String {
    let detail = gap.detail.as_deref().unwrap_or_else(|| gap.reason.as_str());
    format!("{} of account {} was refused: {detail}", gap.action, gap.account_id)
}

impl<R, I, D, C, Q, T> Handler<R, I, D, C, Q, T>
where
    R: BackupReader + CopyLists + PlanReader + PointLists + RestoreLists + 'static,
    I: IncidentKeeper + 'static,
    D: DrillStore + 'static,
    C: DrillStarter + Remover + RestoreSettings + 'static,
    Q: Outbox + 'static,
    T: Operations + 'static,
{
    pub(crate) async fn copy(&self, purpose: Purpose, asked: Copy, message: Option<&str>) -> Result<Outcome, ItemError> {
        if let Some(outcome) = self.begun(&purpose, message).await? {
            return Ok(outcome);
        }
        let wish = Wish { now: (self.ports.now)(), allowed: self.allowed.clone(), retention_days: asked.retention_days };
        let wanted =
            Wanted { purpose, from: asked.vault_arn, resource: asked.resource_arn, to: asked.destination_vault_arn, role: asked.role_arn };
        let found = match find::copy(&self.ports.readers, &wanted, &wish).await {
            Found::Ready(planned) => Ok((planned.drill(&wanted.purpose), planned.copies)),
            Found::Cannot { point, why } => Err(Found::Cannot { point, why }),
            Found::Unclear(text) => Err(Found::Unclear(text)),
        };
        self.begin(&wanted.purpose, wanted.resource.as_str(), found, message).await
    }

    pub(crate) async fn restore(&self, asked: Restore, message: Option<&str>) -> Result<Outcome, ItemError> {
        if let Some(outcome) = self.begun(&Purpose::Restore, message).await? {
            return Ok(outcome);
        }
        let ask = restore::Ask {
            vault: asked.vault_arn,
            role: asked.role_arn,
            zone: asked.availability_zone,
            key: asked.kms_key_arn,
            most_bytes: asked.most_bytes,
            most_minutes: asked.most_minutes,
            allowed: self.allowed.clone(),
            now: (self.ports.now)(),
        };
        let found = match find::restore(&self.ports.readers, &self.ports.starter, &ask, &asked.resource_arn).await {
            Found::Ready(planned) => {
                let drill = planned.drill();
                let listed = jobs(&self.ports.readers, &drill.order).await;
                listed.map(|listed| (drill, listed)).map_err(|gap| Found::Cannot { point: None, why: Why::NotSeen(Box::new(gap)) })
            }
            Found::Cannot { point, why } => Err(Found::Cannot { point, why }),
            Found::Unclear(text) => Err(Found::Unclear(text)),
        };
        self.begin(&Purpose::Restore, asked.resource_arn.as_str(), found, message).await
    }

    /// What an earlier delivery of the same message began goes on.
    async fn begun(&self, purpose: &Purpose, message: Option<&str>) -> Result<Option<Outcome>, ItemError> {
        let Some(message) = message else { return Ok(None) };
        let Some(record) = self.ports.drills.drill(&id_of_message(purpose, message)).await? else { return Ok(None) };
        self.go_on(record).await.map(Some)
    }

    /// Starts what was written down and perhaps not started, and looks at the rest.
    async fn go_on(&self, record: Record) -> Result<Outcome, ItemError> {
        if record.job_id().is_some() {
            return self.look_at(Look { drill_id: record.id, round: 0, told_slow: false }).await;
        }
        match jobs(&self.ports.readers, &record.order).await {
            Ok(listed) => self.start_one(&record.drill(), &listed).await,
            Err(gap) if may_pass(&gap) => Err(ItemError::Unanswered(Box::new(gap))),
            Err(gap) => self.refused(record.purpose.as_str(), record.order.point().as_str(), &said(&gap)).await,
        }
    }

    /// Starts what was found, under the name of the message.
    async fn begin(
        &self,
        purpose: &Purpose,
        resource: &str,
        found: Result<(Drill, Vec<Job>), Found<()>>,
        message: Option<&str>,
    ) -> Result<Outcome, ItemError> {
        let (mut drill, listed) = match found {
            Ok(found) => found,
            Err(Found::Cannot { why: Why::NotSeen(gap), .. }) if may_pass(&gap) => return Err(ItemError::Unanswered(gap)),
            Err(Found::Cannot { why, point }) => {
                let name = point.as_ref().map_or(resource, |point| point.as_str());
                return self.refused(purpose.as_str(), name, &why.text()).await;
            }
            Err(Found::Unclear(text)) => return self.refused(purpose.as_str(), resource, &text).await,
            Err(Found::Ready(_)) => return Ok(Outcome::Ended),
        };
        if let Some(message) = message {
            drill.id = id_of_message(purpose, message);
        }
        if drill.purpose == Purpose::Restore {
            let found = in_the_way(&self.ports.readers, &self.ports.drills, &self.ports.starter, &drill, true).await?;
            if !found.is_empty() {
                self.count("refused", "left-over");
                return self.refused_for(purpose.as_str(), resource, found).await;
            }
        }
        self.start_one(&drill, &listed).await
    }

    async fn start_one(&self, drill: &Drill, listed: &[Job]) -> Result<Outcome, ItemError> {
        let point = drill.order.point().as_str();
        match act::start(&self.ports.drills, &self.ports.starter, drill, listed).await {
            act::Outcome::Refused(gap) if may_pass(&gap) => Err(ItemError::Unanswered(Box::new(gap))),
            act::Outcome::Refused(gap) => {
                self.count("refused", gap.reason.as_str());
                self.refused(drill.purpose.as_str(), point, &said(&gap)).await
            }
            act::Outcome::LeftOver(made) => {
                let text = format!("{made} of the drill before is there still: `guardian drill list --remove` deletes it or says how");
                self.refused(drill.purpose.as_str(), point, &text).await
            }
            act::Outcome::NotKept(error) => Err(error.into()),
            _ => {
                self.count("started", drill.purpose.as_str());
                self.later(&Work::Look(Look { drill_id: drill.id.clone(), round: 1, told_slow: false })).await?;
                Ok(Outcome::GoesOn { started: 1 })
            }
        }
    }

    /// One look at a drill that was started.
    pub(crate) async fn look_at(&self, asked: Look) -> Result<Outcome, ItemError> {
        let Some(record) = self.ports.drills.drill(&asked.drill_id).await? else {
            return self.refused("look", &asked.drill_id, "there is no such drill").await;
        };
        let (readers, drills, remover) = (&self.ports.readers, &self.ports.drills, &self.ports.starter);
        let (record, standing) = look(readers, drills, remover, record, true).await?;
        let told_slow = match &standing {
            // Somebody else took it back to its start; after two days that is told as the end.
            Standing::Asked if asked.round < MOST_ROUNDS => return Box::pin(self.go_on(record)).await,
            Standing::UnderWay { since } => asked.told_slow || self.told_slow(&record, *since).await?,
            _ => asked.told_slow,
        };
        let again = match &standing {
            Standing::UnderWay { .. } | Standing::Going => true,
            Standing::Unseen(gap) | Standing::LeftOver { gap: Some(gap), .. } => may_pass(gap),
            _ => false,
        };
        if again && asked.round < MOST_ROUNDS {
            self.later(&Work::Look(Look { drill_id: asked.drill_id, round: asked.round.saturating_add(1), told_slow })).await?;
            return Ok(Outcome::GoesOn { started: 0 });
        }
        self.tell_end(&record, &standing).await
    }

    /// Tells once that a restore takes longer than it may. AWS Backup has no call that stops one.
    async fn told_slow(&self, record: &Record, since: Option<jiff::Timestamp>) -> Result<bool, ItemError> {
        let (Order::Restore(order), Some(since)) = (&record.order, since) else { return Ok(false) };
        let most = SignedDuration::from_mins(i64::from(order.most_minutes));
        if (self.ports.now)().duration_since(since) <= most {
            return Ok(false);
        }
        let job = record.job_id().map_or("", |job| job.as_str());
        let line = format!(
            "- restore job {job} takes longer than {} minutes. AWS Backup cannot stop it; what it makes is removed when it ends.",
            order.most_minutes
        );
        self.tell_drill(record, "takes longer than it may", vec![line]).await?;
        Ok(true)
    }

    async fn tell_end(&self, record: &Record, standing: &Standing) -> Result<Outcome, ItemError> {
        let order = &record.order;
        let job = record.job_id().map_or("", |job| job.as_str());
        let kind = order.job_type().as_str();
        let mut lines = vec![match standing {
            Standing::Unseen(gap) => {
                let detail = gap.detail.as_deref().unwrap_or_else(|| gap.reason.as_str());
                format!("- how {kind} job {job} ended could not be seen: {} of account {} failed ({detail})", gap.action, gap.account_id)
            }
            Standing::UnderWay { .. } => format!("- {kind} job {job} did not end within two days"),
            Standing::Asked => format!("- no {kind} job of it was started within two days: ask for the drill again"),
            Standing::Refused => format!("- AWS refused it: {}", refusal(record)),
            _ => format!("- {}", ended(record).unwrap_or_default()),
        }];
        match (standing, order) {
            (Standing::LeftOver { removal, gap }, _) => lines.push(format!("- {}", help(record, removal, gap.as_ref()))),
            (Standing::Going, _) => {
                lines.push(format!("- what it made is being deleted for two days: see `guardian drill list {}`", record.id))
            }
            (Standing::Done, Order::Restore(_)) => lines.push("- nothing of it is left over".to_owned()),
            _ => {}
        }
        lines.push(format!("- more: guardian explain job --type {kind} {} {} {job}", order.account(), order.region()));
        self.tell_drill(record, "has ended", lines).await?;
        Ok(Outcome::Ended)
    }

    async fn tell_drill(&self, record: &Record, what: &str, mut lines: Vec<String>) -> Result<(), ItemError> {
        let resource = record.resource.as_ref().map_or_else(|| record.order.point().as_str(), |arn| arn.as_str());
        let now = (self.ports.now)();
        let others = self.ports.drills.drills().await?;
        let mut worries = Vec::new();
        let others = others.into_iter().filter(|other| other.id != record.id && worry(other, now).is_some()).collect::<Vec<_>>();
        let more = others.len().saturating_sub(MOST_WORRIES);
        for other in others.into_iter().take(MOST_WORRIES) {
            let (other, standing) = look(&self.ports.readers, &self.ports.drills, &self.ports.starter, other, true).await?;
            // What was never started is nothing to worry about.
            worries.extend(worry(&other, now).filter(|_| standing != Standing::Asked));
        }
        if !worries.is_empty() {
            lines.extend([String::new(), "Of drills before:".to_owned()]);
            lines.extend(worries.into_iter().map(|worry| format!("- {worry}")));
            lines.extend((more > 0).then(|| format!("- and {more} more: `guardian drill list` has all of them")));
        }
        self.tell_lines(&format!("The {} drill {} of {resource} {what}.", record.purpose.as_str(), record.id), &lines).await
    }

    async fn refused(&self, kind: &str, of: &str, why: &str) -> Result<Outcome, ItemError> {
        self.refused_for(kind, of, vec![why.to_owned()]).await
    }

    async fn refused_for(&self, kind: &str, of: &str, mut why: Vec<String>) -> Result<Outcome, ItemError> {
        let more = why.len().saturating_sub(MOST_WORRIES);
        why.truncate(MOST_WORRIES);
        let mut lines = why.into_iter().map(|why| format!("- {why}")).collect::<Vec<_>>();
        lines.extend((more > 0).then(|| format!("- and {more} more: `guardian drill list` has all of them")));
        self.tell_lines(&format!("The {kind} drill of {of} was not started."), &lines).await?;
        Ok(Outcome::Ended)
    }

    /// Names and texts of AWS are made inert.
    async fn tell_lines(&self, head: &str, lines: &[String]) -> Result<(), ItemError> {
        let mut text = format!("{}\n\n", inert_text(head));
        for line in lines {
            text.push_str(&inert_text(line));
            text.push('\n');
        }
        self.ports.operations.tell("Backup Guardian: a drill", &text).await?;
        Ok(())
    }
}
