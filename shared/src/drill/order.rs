//! Whether one recovery point can be copied on demand, and the order that does it.

use jiff::Timestamp;

use super::backfill::Wish;
use super::record::{Drill, Purpose, id};
use super::{CopyOrder, Order, Retention, Why};
use crate::arn::{AccountId, Arn, Region};
use crate::copy::{Obstacle, Route, VaultKind, is_continuous, obstacles};
use crate::event::{Job, PlanRef};
use crate::evidence::{BackupPlan, CopyAction, Fact, PlanRule, RecoveryPoint, Vault};

/// From where to where, under which role.
pub(super) struct Way {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) source_vault: Arn,
    pub(super) point: Arn,
    pub(super) destination_vault: Arn,
    pub(super) role: Arn,
    pub(super) resource: Option<Arn>,
    pub(super) resource_type: Option<String>,
}

/// Where the retention of a copy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The copy action of the plan, as it is now.
    Plan,
    /// The job that failed: its plan is gone, or sends nothing there any more.
    Job,
    /// Whoever asked.
    Wish,
}

impl Origin {
    /// A word for machines and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Job => "failed job",
            Self::Wish => "asked for",
        }
    }
}

/// A copy that would be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What would be started.
    pub order: CopyOrder,
    /// Where its retention comes from.
    pub origin: Origin,
    /// What it would keep.
    pub resource: Option<Arn>,
    /// Type of the resource. Untrusted.
    pub resource_type: Option<String>,
    /// Bytes, where AWS says them.
    pub size_bytes: Option<u64>,
    /// When the recovery point expires.
    pub expires_at: Option<Timestamp>,
    /// Copy jobs of it into that vault which AWS lists.
    pub copies: Vec<Job>,
}

impl Planned {
    /// What a person asks for at a terminal.
    pub fn drill(&self, purpose: &Purpose) -> Drill {
        let order = Order::Copy(self.order.clone());
        Drill { id: id(purpose, &order), purpose: purpose.clone(), order, resource: self.resource.clone() }
    }
}

impl Way {
    /// Whether AWS makes such copies at all: not of continuous backups on demand, and not against what no policy can mend.
    pub(super) fn exists(&self, destination: &Fact<Vault>) -> Result<(), Why> {
        if is_continuous(&self.point) {
            return Err(Why::Continuous);
        }
        match self.obstacle(destination) {
            Some(obstacle) => Err(Why::Cannot(obstacle)),
            None => Ok(()),
        }
    }

    fn obstacle(&self, destination: &Fact<Vault>) -> Option<Obstacle> {
        let route = Route {
            source_account: self.account.clone(),
            source_region: self.region.clone(),
            source_vault_arn: self.source_vault.clone(),
            destination_vault_arn: self.destination_vault.clone(),
            destination_account: self.destination_vault.account()?,
            destination_region: self.destination_vault.region()?,
            resource_type: self.resource_type.clone()?,
            fully_managed: self.point.service() == "backup",
            recovery_point_arn: self.point.clone(),
            source_key_arn: None,
            // A key of AWS is told by the job that fails at it: whose it is was not read here.
            source_key_aws_managed: false,
            source_vault_kind: VaultKind::Standard,
            source_vault_key_arn: None,
            destination_key_arn: None,
            destination_key_aws_managed: false,
            destination_vault_kind: VaultKind::named(destination.known().and_then(|vault| vault.vault_type.as_deref())),
            job_role_arn: self.role.clone(),
            organization_id: None,
        };
        obstacles(&route).into_iter().find(|obstacle| obstacle.is_certain())
    }

    /// The order, where nothing speaks against it.
    pub(super) fn order(
        &self,
        stored: &RecoveryPoint,
        size_bytes: Option<u64>,
        destination: &Fact<Vault>,
        copies: &[Job],
        retention: impl FnOnce() -> Result<(Retention, Origin), Why>,
        wish: &Wish,
    ) -> Result<Planned, Why> {
        usable(stored, wish.now)?;
        if !wish.allowed.admits(&self.destination_vault) {
            return Err(Why::OutsideAllowList(self.destination_vault.clone()));
        }
        let (retention, origin) = retention()?;
        fits_lock(retention, destination)?;
        Ok(Planned {
            order: CopyOrder {
                account: self.account.clone(),
                region: self.region.clone(),
                source_vault: self.source_vault.clone(),
                point: self.point.clone(),
                destination_vault: self.destination_vault.clone(),
                role: self.role.clone(),
                retention,
            },
            origin,
            resource: self.resource.clone(),
            resource_type: self.resource_type.clone(),
            size_bytes: size_bytes.filter(|bytes| *bytes > 0),
            expires_at: stored.delete_at,
            copies: copies.to_vec(),
        })
    }
}

/// The rules of a plan that made a recovery point: that of its id; where no rule has it any more, those of its name, because a plan that is written
/// again may give the same rules other ids.
pub(super) fn rules<'p>(plan: &'p BackupPlan, made_by: &PlanRef) -> Vec<&'p PlanRule> {
    let of_id = plan.rules.iter().find(|rule| made_by.rule_id.is_some() && rule.times.rule_id == made_by.rule_id);
    match of_id {
        Some(rule) => vec![rule],
        None => plan.rules.iter().filter(|rule| made_by.rule_name.as_ref() == Some(&rule.name)).collect(),
    }
}

/// What a plan says of a copy into one vault.
pub(super) enum Planning<'p> {
    /// This.
    Action(&'p CopyAction),
    /// Its rule sends nothing there any more.
    NoAction,
    /// Which rule it was cannot be told any more, or it says two things.
    Unclear,
}

/// What the rule of a plan that made a recovery point says of its copy into this vault.
pub(super) fn planning<'p>(plan: &'p BackupPlan, made_by: Option<&PlanRef>, destination: &Arn) -> Planning<'p> {
    let rules = made_by.map_or_else(Vec::new, |made_by| rules(plan, made_by));
    if rules.is_empty() {
        return Planning::Unclear;
    }
    let mut actions = rules.iter().flat_map(|rule| &rule.copy_actions).filter(|action| action.destination_vault_arn == *destination);
    let Some(first) = actions.next() else { return Planning::NoAction };
    if actions.all(|other| other == first) { Planning::Action(first) } else { Planning::Unclear }
}

/// Whether a recovery point can be copied as it is.
pub(super) fn usable(point: &RecoveryPoint, now: Timestamp) -> Result<(), Why> {
    if let Some(at) = point.delete_at.filter(|at| *at <= now) {
        return Err(Why::Expired(at));
    }
    match point.status.as_deref() {
        Some("COMPLETED") => {}
        // Continuous backups are available, or stopped.
        Some("AVAILABLE" | "STOPPED") => return Err(Why::Continuous),
        Some(other) => return Err(Why::NotComplete(other.to_owned())),
        None => return Err(Why::NotComplete("of an unknown status".to_owned())),
    }
    if point.storage_class.as_deref() == Some("COLD") { Err(Why::Cold) } else { Ok(()) }
}

/// A vault that could not be read may have a lock under which no mistake can be taken back.
fn fits_lock(retention: Retention, destination: &Fact<Vault>) -> Result<(), Why> {
    if let Fact::Gap(gap) = destination {
        return Err(Why::NotSeen(Box::new(gap.clone())));
    }
    let Some(vault) = destination.known().filter(|vault| vault.locked == Some(true)) else { return Ok(()) };
    let (days, min, max) = (retention.days(), vault.min_retention_days, vault.max_retention_days);
    let fits = min.is_none_or(|min| days >= min) && max.is_none_or(|max| days <= max);
    if fits { Ok(()) } else { Err(Why::OutsideLock { days, min, max }) }
}
