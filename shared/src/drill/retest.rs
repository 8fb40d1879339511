//! A drill of one route: its newest recovery point is copied as its plan would, or a copy is copied back.
//!
//! Unlike a backfill it is asked for although the copy landed: the copy itself is what is to be seen working.

use jiff::Timestamp;

use super::backfill::Wish;
use super::order::{Origin, Planned, Planning, Way, planning, rules};
use super::{Retention, Why};
use crate::arn::Arn;
use crate::event::{Job, PlanRef};
use crate::evidence::{BackupPlan, CopyAction, Fact, Gap, GapReason, RecoveryPoint, Vault};

/// A recovery point as the list of a vault has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The recovery point.
    pub point: RecoveryPoint,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// The role that made it: that of the selection, which copies, too.
    pub role: Option<Arn>,
    /// The plan and rule that made it.
    pub plan: Option<PlanRef>,
    /// Bytes, where AWS says them.
    pub size_bytes: Option<u64>,
    /// It is a part of a composite recovery point.
    pub is_part: bool,
}

/// The newest recovery point that can be copied; where none can, the newest of all, which says why.
pub fn newest(held: &[Held], now: Timestamp) -> Option<&Held> {
    let copyable = |held: &&Held| {
        let point = &held.point;
        let whole = point.status.as_deref() == Some("COMPLETED") && point.storage_class.as_deref() != Some("COLD");
        whole && !held.is_part && point.delete_at.is_none_or(|at| at > now) && !crate::copy::is_continuous(&point.arn)
    };
    let by_age = |held: &&Held| (held.created_at, held.point.arn.clone());
    held.iter().filter(copyable).max_by_key(by_age).or_else(|| held.iter().max_by_key(by_age))
}

/// Where the plan of a recovery point sends copies.
pub fn destinations(plan: Option<&BackupPlan>, held: &Held) -> Vec<Arn> {
    let (Some(plan), Some(made_by)) = (plan, held.plan.as_ref()) else { return Vec::new() };
    let mut vaults = Vec::new();
    for action in rules(plan, made_by).into_iter().flat_map(|rule| &rule.copy_actions) {
        if !vaults.contains(&action.destination_vault_arn) {
            vaults.push(action.destination_vault_arn.clone());
        }
    }
    vaults
}

/// What a drill asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Vault that holds the recovery point.
    pub source_vault: Arn,
    /// Vault that is to hold the copy.
    pub destination_vault: Arn,
    /// Role of the job; of the recovery point where none is named.
    pub role: Option<Arn>,
    /// The vault that is to hold the copy, as it was read.
    pub destination: Fact<Vault>,
    /// The plan that made the recovery point; absent where it has none, or none of it counts.
    pub plan: Option<BackupPlan>,
    /// Copy jobs of that recovery point into that vault.
    pub copies: Vec<Job>,
}

/// The order of a drill, or why there is none.
pub fn plan(ask: &Ask, held: &Held, wish: &Wish) -> Result<Planned, Why> {
    if held.is_part {
        return Err(Why::PartOfComposite);
    }
    let (account, region) = (ask.source_vault.account(), ask.source_vault.region());
    let role = ask.role.as_ref().or(held.role.as_ref());
    let (Some(account), Some(region)) = (account, region) else { return Err(Why::Gone) };
    let Some(role) = role else {
        let action = "backup:ListRecoveryPointsByBackupVault".to_owned();
        let gap = Gap { action, account_id: account, region: Some(region), reason: GapReason::Unreadable, detail: None };
        return Err(Why::NotSeen(Box::new(gap)));
    };
    let way = Way {
        account,
        region,
        source_vault: ask.source_vault.clone(),
        point: held.point.arn.clone(),
        destination_vault: ask.destination_vault.clone(),
        role: role.clone(),
        resource: held.point.resource_arn.clone(),
        resource_type: held.point.resource_type.clone(),
    };
    way.exists(&ask.destination)?;
    way.order(&held.point, held.size_bytes, &ask.destination, &ask.copies, || retention(ask, held, wish), wish)
}

/// The lifecycle of the plan; that asked for where no plan says when the copy ends.
fn retention(ask: &Ask, held: &Held, wish: &Wish) -> Result<(Retention, Origin), Why> {
    let (action, why): (Option<&CopyAction>, Why) = match &ask.plan {
        Some(plan) => match planning(plan, held.plan.as_ref(), &ask.destination_vault) {
            Planning::Action(action) => (Some(action), Why::NoLifecycle),
            Planning::NoAction => (None, Why::NoLifecycle),
            Planning::Unclear => (None, Why::NoRule),
        },
        None => (None, Why::NoLifecycle),
    };
    let planned = action.and_then(|action| Retention::of(action.delete_after_days?, action.move_to_cold_storage_after_days));
    let wished = || wish.retention_days.and_then(|days| Retention::of(days, None)).map(|kept| (kept, Origin::Wish));
    planned.map(|kept| (kept, Origin::Plan)).or_else(wished).ok_or(why)
}
