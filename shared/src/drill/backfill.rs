//! What the jobs of an incident left uncopied: what can still be copied, and why the rest cannot.
//!
//! Everything is a statement about what was read. What could not be read is told as such and not copied: a copy that landed already would be made
//! twice, and a recovery point of which nothing is known may be one that must not be copied.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::order::{Origin, Planned, Planning, Way, planning};
use super::{AllowedVaults, Retention, Why};
use crate::arn::{AccountId, Arn, Region};
use crate::event::{Job, JobId, JobState, JobType, PlanRef};
use crate::evidence::{BackupPlan, Fact, Gap, GapReason, JobDescription, RecoveryPoint, Vault};

/// Copies that one account may have on their way into one Region; those of one resource. AWS names 30 of a resource across accounts, too, beside one
/// backup or copy job of a resource at a time: the lower counts, for a copy too many fails
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html>).
const MOST_OF_AN_ACCOUNT: usize = 100;
const MOST_OF_A_RESOURCE: usize = 1;

/// A job of the incident, and all that was read about what it left uncopied.
#[derive(Clone, Debug, PartialEq)]
pub struct Missed {
    /// Account of the job.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
    /// Its kind.
    pub job_type: JobType,
    /// Its id.
    pub job_id: JobId,
    /// The job as its owner describes it.
    pub described: Fact<JobDescription>,
    /// The recovery point that it did not copy.
    pub point: Fact<RecoveryPoint>,
    /// Every copy job of that recovery point into that vault which AWS still lists.
    pub copies: Result<Vec<Job>, Gap>,
    /// The copy that the newest completed one of these made, looked for in the destination.
    pub landed: Fact<RecoveryPoint>,
    /// The plan that asked for the copy; known and absent where it is gone.
    pub plan: Fact<Option<BackupPlan>>,
    /// The vault that was to hold the copy.
    pub destination: Fact<Vault>,
}

/// How a backfill is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Now.
    pub now: Timestamp,
    /// Where copies may go.
    pub allowed: AllowedVaults,
    /// How long copies are kept of which no plan says it.
    pub retention_days: Option<i64>,
}

/// Something that is not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The job that left it uncopied.
    pub job: (AccountId, Region, JobType, JobId),
    /// The recovery point, where it is known.
    pub point: Option<Arn>,
    /// Where it was to be copied.
    pub destination_vault: Option<Arn>,
    /// What it keeps.
    pub resource: Option<Arn>,
    /// Why not.
    pub why: Why,
}

/// What a backfill would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backfill {
    /// To be copied, in this order.
    pub copies: Vec<Planned>,
    /// What is not, and why.
    pub left: Vec<Left>,
}

impl Backfill {
    /// Whether something could not be seen.
    pub fn has_gaps(&self) -> bool {
        self.left.iter().any(|left| matches!(left.why, Why::NotSeen(_)))
    }
}

/// The newest copy of those listed that AWS calls complete: the one to look for in the destination.
pub fn newest_landed(copies: &[Job]) -> Option<&Job> {
    let made = copies.iter().filter(|job| job.state == JobState::Completed && job.destination_recovery_point_arn.is_some());
    made.max_by_key(|job| (job.created_at, job.job_id.clone()))
}

/// Whether a job may still come to its end well. Of a copy: AWS keeps one that met an error of its own in CREATED while it tries again.
pub fn is_under_way(job: &Job) -> bool {
    matches!(job.state, JobState::Created | JobState::Pending | JobState::Running | JobState::Completing)
}

/// Decides about every recovery point that the jobs left uncopied. Several jobs of one recovery point and one destination are one.
pub fn plan(missed: &[Missed], wish: &Wish) -> Backfill {
    let mut seen = BTreeSet::new();
    let mut backfill = Backfill::default();
    let mut ordered = missed.iter().collect::<Vec<_>>();
    ordered.sort_by(|a, b| (&a.account, &a.region, &a.job_id).cmp(&(&b.account, &b.region, &b.job_id)));
    for missed in ordered {
        let described = missed.described.known();
        let point = described.and_then(|job| job.recovery_point_arn.clone());
        let destination = described.and_then(|job| job.destination_vault_arn.clone());
        if let (Some(point), Some(destination)) = (&point, &destination)
            && !seen.insert((point.clone(), destination.clone()))
        {
            continue;
        }
        match decide(missed, wish) {
            Ok(planned) => backfill.copies.push(planned),
            Err(why) => backfill.left.push(Left {
                job: (missed.account.clone(), missed.region.clone(), missed.job_type, missed.job_id.clone()),
                resource: described.and_then(|job| job.resource_arn.clone()),
                point,
                destination_vault: destination,
                why,
            }),
        }
    }
    // What was tried less often, then what expires first; what is kept for ever, last. One that fails again and again keeps no other waiting.
    backfill
        .copies
        .sort_by_key(|planned| (planned.copies.len(), planned.expires_at.is_none(), planned.expires_at, planned.order.point.clone()));
    put_off(&mut backfill, missed);
    backfill
}

fn decide(missed: &Missed, wish: &Wish) -> Result<Planned, Why> {
    if missed.job_type != JobType::Copy {
        return Err(Why::NoCopy);
    }
    let described = known(&missed.described, missed, "backup:DescribeCopyJob")?;
    let unreadable = || Why::NotSeen(Box::new(gap_of(missed, "backup:DescribeCopyJob", GapReason::Unreadable)));
    let part = |arn: &Option<Arn>| arn.clone().ok_or_else(unreadable);
    if described.parent_job_id.is_some() {
        return Err(Why::PartOfComposite);
    }
    let way = Way {
        account: missed.account.clone(),
        region: missed.region.clone(),
        source_vault: part(&described.vault_arn)?,
        point: part(&described.recovery_point_arn)?,
        destination_vault: part(&described.destination_vault_arn)?,
        role: part(&described.role_arn)?,
        resource: described.resource_arn.clone(),
        resource_type: described.resource_type.clone(),
    };
    way.exists(&missed.destination)?;
    let stored = match &missed.point {
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => return Err(Why::Gone),
        point => known(point, missed, "backup:DescribeRecoveryPoint")?,
    };
    let copies = missed.copies.as_ref().map_err(|gap| Why::NotSeen(Box::new(gap.clone())))?;
    if let Some(job) = copies.iter().find(|job| is_under_way(job)) {
        return Err(Why::UnderWay(id_of(job, &missed.job_id)));
    }
    landed(missed, copies)?;
    let listed = copies.iter().find(|job| job.job_id.as_ref() == Some(&missed.job_id));
    let size = listed.and_then(|job| job.size_bytes);
    let retention = || retention(missed, described, &way.destination_vault, wish);
    way.order(stored, size, &missed.destination, copies, retention, wish)
}

fn id_of(job: &Job, otherwise: &JobId) -> JobId {
    job.job_id.clone().unwrap_or_else(|| otherwise.clone())
}

/// A fact, or that it is not known.
fn known<'a, T>(fact: &'a Fact<T>, missed: &Missed, action: &str) -> Result<&'a T, Why> {
    match fact {
        Fact::Known { value, .. } => Ok(value),
        Fact::Gap(gap) => Err(Why::NotSeen(Box::new(gap.clone()))),
        Fact::NotAsked => Err(Why::NotSeen(Box::new(gap_of(missed, action, GapReason::BudgetSpent)))),
    }
}

fn gap_of(missed: &Missed, action: &str, reason: GapReason) -> Gap {
    Gap { action: action.to_owned(), account_id: missed.account.clone(), region: Some(missed.region.clone()), reason, detail: None }
}

/// Whether its copy is where it belongs. That a job completed is not enough: the copy may be gone since.
fn landed(missed: &Missed, copies: &[Job]) -> Result<(), Why> {
    let Some(job) = newest_landed(copies) else { return Ok(()) };
    match &missed.landed {
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => Ok(()),
        landed => {
            let copy = known(landed, missed, "backup:DescribeRecoveryPoint")?;
            let whole = matches!(copy.status.as_deref(), Some("COMPLETED" | "AVAILABLE"));
            if whole { Err(Why::Landed(id_of(job, &missed.job_id))) } else { Ok(()) }
        }
    }
}

/// The lifecycle of the plan; that of the failed job where the plan is gone or sends nothing there any more; that asked for where neither says when the
/// copy ends.
fn retention(missed: &Missed, described: &JobDescription, destination: &Arn, wish: &Wish) -> Result<(Retention, Origin), Why> {
    // What could not be read is not copied: a copy that is kept too long can, under a lock, never be taken back.
    if let Fact::Gap(gap) = &missed.plan {
        return Err(Why::NotSeen(Box::new(gap.clone())));
    }
    let wished = || wish.retention_days.and_then(|days| Retention::of(days, None)).map(|kept| (kept, Origin::Wish));
    let of_job = || described.delete_after_days.and_then(|days| Retention::of(days, None)).map(|kept| (kept, Origin::Job));
    let (found, why) = match missed.plan.known().and_then(Option::as_ref) {
        Some(plan) => match planning(plan, made_by(missed), destination) {
            Planning::Action(action) => {
                let kept = action.delete_after_days.and_then(|days| Retention::of(days, action.move_to_cold_storage_after_days));
                (kept.map(|kept| (kept, Origin::Plan)), Why::NoLifecycle)
            }
            Planning::NoAction => (of_job(), Why::NoLifecycle),
            // What the job was asked for may be the very mistake that the plan was written again for.
            Planning::Unclear => (None, Why::NoRule),
        },
        None => (of_job(), Why::NoLifecycle),
    };
    found.or_else(wished).ok_or(why)
}

/// The plan and rule that asked for this copy, as the list of copies names them.
fn made_by(missed: &Missed) -> Option<&PlanRef> {
    missed.copies.as_ref().ok()?.iter().find(|job| job.job_id.as_ref() == Some(&missed.job_id))?.plan.as_ref()
}

/// Leaves to a later run what AWS would refuse because too much is on its way.
fn put_off(backfill: &mut Backfill, missed: &[Missed]) {
    let mut busy = BTreeMap::<(AccountId, Option<Region>), usize>::new();
    let mut busy_resources = BTreeMap::<Option<Arn>, usize>::new();
    let mut known = BTreeSet::new();
    let listed = missed.iter().flat_map(|missed| missed.copies.iter().flatten());
    for job in listed.filter(|job| is_under_way(job)) {
        if known.insert(job.job_id.clone()) {
            let to = job.destination_vault_arn.as_ref().and_then(Arn::region);
            *busy.entry((job.account.clone(), to)).or_default() += 1;
            *busy_resources.entry(job.resource_arn.clone()).or_default() += 1;
        }
    }
    let mut copies = Vec::new();
    for planned in std::mem::take(&mut backfill.copies) {
        let to = planned.order.destination_vault.region();
        let of_account = busy.entry((planned.order.account.clone(), to)).or_default();
        let of_resource = busy_resources.entry(planned.resource.clone()).or_default();
        if *of_account < MOST_OF_AN_ACCOUNT && *of_resource < MOST_OF_A_RESOURCE {
            *of_account += 1;
            *of_resource += 1;
            copies.push(planned);
        } else {
            backfill.left.push(Left {
                job: job_of(missed, &planned),
                point: Some(planned.order.point.clone()),
                destination_vault: Some(planned.order.destination_vault.clone()),
                resource: planned.resource.clone(),
                why: Why::Later,
            });
        }
    }
    backfill.copies = copies;
}

/// The first of the jobs that left it uncopied.
fn job_of(missed: &[Missed], planned: &Planned) -> (AccountId, Region, JobType, JobId) {
    let order = &planned.order;
    let its = |missed: &&Missed| {
        let described = missed.described.known();
        described.and_then(|job| job.recovery_point_arn.as_ref()) == Some(&order.point)
            && described.and_then(|job| job.destination_vault_arn.as_ref()) == Some(&order.destination_vault)
    };
    let job_id = missed.iter().filter(its).map(|missed| missed.job_id.clone()).min().unwrap_or_else(|| JobId::from(String::new()));
    (order.account.clone(), order.region.clone(), JobType::Copy, job_id)
}
