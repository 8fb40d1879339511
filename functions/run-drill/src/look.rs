//! Looks how far a drill came: whether its job ended, how long that took, and whether what it made is gone again.
//!
//! What is seen is written before anything is done about it, so that whoever comes after a crash finds it.

use guardian_core::drill::record::{Drill, Ended, Purpose, Record, State};
use guardian_core::drill::restore::{Removal, removal};
use guardian_core::drill::{Order, backfill};
use guardian_core::event::{Job, JobState, JobType};
use guardian_core::evidence::{Fact, Gap, GapReason};
use guardian_core::ports::{BackupReader, CopyLists, DrillStore, PortError, Remains, Remover, RestoreLists};
use jiff::{SignedDuration, Timestamp};

use crate::find::jobs;

/// Nobody comes back by himself to a drill so long after its last step.
const FORSAKEN_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// How far a drill came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was written and never started: AWS lists no job of it.
    Asked,
    /// AWS refused it.
    Refused,
    /// Its job is on its way.
    UnderWay {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Its job ended, and nothing of it is left over.
    Done,
    /// What it made is being deleted.
    Going,
    /// What it made is there.
    LeftOver {
        /// How it goes.
        removal: Removal,
        /// Why we could not delete it or see it.
        gap: Option<Gap>,
    },
    /// Its job could not be seen.
    Unseen(Gap),
}

/// Looks at a drill. What it made is deleted only where `removes` says so.
pub async fn look<R, S, C>(readers: &R, store: &S, remover: &C, kept: Record, removes: bool) -> Result<(Record, Standing), PortError>
where
    R: BackupReader + CopyLists + RestoreLists,
    S: DrillStore,
    C: Remover,
{
    let now = Timestamp::now();
    let mut record = kept;
    if matches!(record.state, State::Asked { .. } | State::Refused { .. }) {
        // Somebody may have started it and could not write it down.
        let listed = match jobs(readers, &record.order).await {
            Ok(listed) => listed,
            Err(gap) => return Ok((record, Standing::Unseen(gap))),
        };
        if let Some(found) = record.with_job_of(&listed, now) {
            record = keep(store, record, found, now).await?;
        }
    }
    let job_id = match &record.state {
        State::Asked { .. } => return Ok((record, Standing::Asked)),
        State::Refused { .. } => return Ok((record, Standing::Refused)),
        State::Started { job_id, .. } => Some(job_id.clone()),
        State::Ended(_) => None,
    };
    if let Some(job_id) = job_id {
        let order = &record.order;
        let mut job = Job::new(order.account().clone(), order.region().clone(), order.job_type());
        job.job_id = Some(job_id.clone());
        let described = match readers.job(&job).await {
            Fact::Known { value, .. } => value,
            Fact::Gap(gap) => return Ok((record, Standing::Unseen(gap))),
            Fact::NotAsked => return Ok((record, Standing::UnderWay { since: None })),
        };
        let Some(state) = described.state.clone() else {
            let action = if order.job_type() == JobType::Copy { "backup:DescribeCopyJob" } else { "backup:DescribeRestoreJob" }.to_owned();
            let (account_id, region) = (order.account().clone(), Some(order.region().clone()));
            let gap = Gap { action, account_id, region, reason: GapReason::Unreadable, detail: Some("a job without a state".to_owned()) };
            return Ok((record, Standing::Unseen(gap)));
        };
        job.state = state.clone();
        if backfill::is_under_way(&job) {
            return Ok((record, Standing::UnderWay { since: described.created_at }));
        }
        let took = described.created_at.zip(described.completed_at).map(|(from, to)| to.duration_since(from).as_secs());
        let ended = record.ended(Ended {
            job_id,
            at: now,
            state,
            took_seconds: took.filter(|seconds| *seconds >= 0),
            status_message: described.status_message,
            made: described.created_resource_arn.filter(|_| matches!(order, Order::Restore(_))),
            gone_at: None,
        });
        record = keep(store, record, ended, now).await?;
    }
    let Some(removal) = removal(&record) else { return Ok((record, Standing::Done)) };
    if matches!(removal, Removal::Ours(_)) && !removes {
        return Ok((record, Standing::LeftOver { removal, gap: None }));
    }
    match remover.remove(record.order.account(), record.order.region(), &removal).await {
        Ok(Remains::Gone) => {
            let gone = record.gone(now);
            Ok((keep(store, record, gone, now).await?, Standing::Done))
        }
        Ok(Remains::OnItsWay) => Ok((record, Standing::Going)),
        Ok(Remains::There) => Ok((record, Standing::LeftOver { removal, gap: None })),
        Err(gap) => Ok((record, Standing::LeftOver { removal, gap: Some(gap) })),
    }
}

/// What restores of the same resource left over, or may be making: as long as there is any, another restore would only add to it. `removes` as in
/// [`look`].
pub async fn in_the_way<R, S, C>(readers: &R, store: &S, remover: &C, drill: &Drill, removes: bool) -> Result<Vec<String>, PortError>
where
    R: BackupReader + CopyLists + RestoreLists,
    S: DrillStore,
    C: Remover,
{
    // The same drill under the same name is judged by its own record.
    let of_it = |other: &Record| {
        other.purpose == Purpose::Restore
            && other.id != drill.id
            && other.resource == drill.resource
            && other.order.account() == drill.order.account()
            && other.order.region() == drill.order.region()
            && (matches!(other.state, State::Asked { .. } | State::Started { .. }) || other.left_over().is_some())
    };
    let mut found = Vec::new();
    for other in store.drills().await?.into_iter().filter(of_it) {
        let (other, standing) = look(readers, store, remover, other, removes).await?;
        let job = other.job_id().map_or("", |job| job.as_str());
        found.extend(match standing {
            Standing::LeftOver { removal, gap } => Some(format!("{} of drill {}", help(&other, &removal, gap.as_ref()), other.id)),
            Standing::UnderWay { .. } => Some(format!("restore job {job} of drill {} is on its way", other.id)),
            Standing::Unseen(gap) => Some(format!(
                "what drill {} left over is not known: {} of account {} failed ({})",
                other.id,
                gap.action,
                gap.account_id,
                gap.detail.as_deref().unwrap_or_else(|| gap.reason.as_str())
            )),
            Standing::Asked | Standing::Refused | Standing::Done | Standing::Going => None,
        });
    }
    Ok(found)
}

/// Writes what was seen. Where somebody else wrote meanwhile, that is what counts.
async fn keep<S: DrillStore>(store: &S, before: Record, next: Record, now: Timestamp) -> Result<Record, PortError> {
    if store.put_drill(&next, now).await? {
        return Ok(next);
    }
    Ok(store.drill(&before.id).await?.unwrap_or(before))
}

/// How the job of a drill ended, in words. It may carry text of AWS, so it is untrusted.
pub fn ended(record: &Record) -> Option<String> {
    let State::Ended(ended) = &record.state else { return None };
    let of = match record.purpose {
        Purpose::Restore => " (recovery time)",
        _ => "",
    };
    let took = ended.took_seconds.map_or(String::new(), |seconds| format!(" after {}{of}", took(seconds)));
    let said =
        ended.status_message.as_ref().filter(|_| ended.state != JobState::Completed).map_or(String::new(), |said| format!(": {said}"));
    let kind = record.order.job_type().as_str();
    Some(format!("{kind} job {} {}{took}{said}", ended.job_id.as_str(), ended.state.as_str()))
}

/// `42 s`, `12 min 3 s`, `3 h 12 min`.
fn took(seconds: i64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// What helps with something that is left over, in words.
pub fn help(record: &Record, removal: &Removal, gap: Option<&Gap>) -> String {
    let account = record.order.account();
    match (removal, gap) {
        (Removal::Ours(made), None) => format!("{made} is left over: `guardian drill list --remove` deletes it"),
        (Removal::Ours(made), Some(gap)) => format!(
            "{made} is left over: {} in account {account} was refused ({}); `guardian drill list --remove` tries again",
            gap.action,
            gap.detail.as_deref().unwrap_or_else(|| gap.reason.as_str())
        ),
        (Removal::Person { made, command }, gap) => {
            let look = if record.found {
                "its job was found in the list of jobs, and somebody else may have started it, so ask who needs it before you delete it"
            } else {
                "it is not what was asked for, so look at it before you delete it"
            };
            let how =
                command.as_ref().map_or_else(|| look.to_owned(), |command| format!("delete it in account {account} with `{command}`"));
            let seen = gap.map_or(String::new(), |gap| {
                let said = gap.detail.as_deref().unwrap_or_else(|| gap.reason.as_str());
                format!(" ({} failed, {said}: whether it is gone already is not known)", gap.action)
            });
            format!("{made} is left over: {how}{seen}")
        }
    }
}

/// What a restore that nobody works on may have left over, in words; `None` where there is nothing to worry about.
pub fn worry(record: &Record, now: Timestamp) -> Option<String> {
    if let Some(removal) = removal(record) {
        return Some(help(record, &removal, None));
    }
    let (at, what) = match &record.state {
        State::Asked { at } => (*at, "nobody could look whether a restore job was started for it".to_owned()),
        State::Started { job_id, at } => (*at, format!("nobody looked how restore job {} ended", job_id.as_str())),
        State::Refused { .. } | State::Ended(_) => return None,
    };
    let forsaken = record.purpose == Purpose::Restore && now.duration_since(at) > FORSAKEN_AFTER;
    forsaken.then(|| format!("{}: {what}; `guardian drill list --remove` looks and cleans up", record.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_time_is_read_by_people() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (723, "12 min 3 s"), (3_600, "1 h 0 min"), (90_060, "25 h 1 min")] {
            assert_eq!(took(seconds), text);
        }
    }
}
