//! Requirements: the rows of the table, filled in for one route.

use super::Route;
use super::context::Caller;
use super::table::{Actions, Row, TABLE, Through};
use crate::arn::{AccountId, Arn, Region};
use crate::policy::Context;

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The key that protects the recovery point.
    SourceKey,
    /// The key of the destination vault; for a restore the key of the new resource.
    DestinationKey,
    /// The recovery point, guarded by the policy of the source vault.
    RecoveryPoint,
    /// The destination vault.
    DestinationVault,
}

impl Object {
    /// Whether it is a key.
    pub fn is_key(self) -> bool {
        matches!(self, Self::SourceKey | Self::DestinationKey)
    }
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The job role: of a copy in the source account, of a restore in the account of the vault.
    JobRole,
    /// AWSServiceRoleForBackup, in the destination account.
    Copier,
}

/// How sure it is that AWS makes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// AWS documents it.
    Always,
    /// The documents leave it open.
    Perhaps,
}

/// One thing that must be allowed, in every one of its contexts.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Who.
    pub actor: Actor,
    /// ARN of the role.
    pub principal: String,
    /// `kms:CreateGrant`, …
    pub action: &'static str,
    /// To what.
    pub object: Object,
    /// Its ARN.
    pub resource: Arn,
    /// The account that owns it.
    pub resource_account: AccountId,
    /// The request contexts in which AWS makes the call. Where AWS does not document which of several it is, all of them are here.
    pub contexts: Vec<Context>,
    /// The services through which the calls come, one for each context; `None` where the role calls by itself.
    pub via: Vec<Option<String>>,
    /// How sure it is that the call is made.
    pub need: Need,
    /// With which permissions of its own the caller comes is not documented (AWS Backup on keys of fully managed types): that is its own affair.
    pub own_policies_assumed: bool,
    /// Where AWS says so.
    pub source: &'static str,
}

/// Everything that AWS documents a copy on this route to need, in the order in which AWS asks for it.
pub fn requirements(route: &Route) -> Vec<Requirement> {
    of_need(route, Need::Always, |_| true)
}

/// Those that are about one object.
pub fn requirements_on(route: &Route, object: Object) -> Vec<Requirement> {
    of_need(route, Need::Always, |row| row.object == object)
}

/// Calls that AWS may make besides: the documents leave it open.
pub fn possible(route: &Route) -> Vec<Requirement> {
    of_need(route, Need::Perhaps, |_| true)
}

fn of_need(route: &Route, need: Need, which: impl Fn(&Row) -> bool) -> Vec<Requirement> {
    let rows = TABLE.iter().filter(|row| row.need == need && which(row) && row.applies(route));
    rows.flat_map(|row| row.actions.of_type(&route.resource_type).iter().filter_map(|action| requirement(route, row, action))).collect()
}

/// A call that AWS was seen to make, in a record of CloudTrail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCall {
    /// ARN of the role.
    pub principal: String,
    /// `kms:ReEncryptFrom`, …
    pub action: String,
}

/// What a copy needs, with those of its possible calls that AWS was seen to make: for them the question is settled.
pub fn requirements_seen(route: &Route, seen: &[SeenCall]) -> Vec<Requirement> {
    let was_seen =
        |one: &Requirement| seen.iter().any(|call| call.principal == one.principal && call.action.eq_ignore_ascii_case(one.action));
    let mut needs = requirements(route);
    let settled = possible(route).into_iter().filter(was_seen).map(|one| Requirement { need: Need::Always, ..one });
    needs.extend(settled);
    needs
}

fn requirement(route: &Route, row: &Row, action: &'static str) -> Option<Requirement> {
    // An AWS managed key lets its own account in through its services, and its policy is fixed; an unencrypted point has no key. Whether such a
    // point may be copied at all is another question: see the obstacles.
    let (resource, owner) = match row.object {
        Object::SourceKey => customer_key(route.source_key_arn.as_ref(), route.source_key_aws_managed, &route.source_account)?,
        Object::DestinationKey => {
            customer_key(route.destination_key_arn.as_ref(), route.destination_key_aws_managed, &route.destination_account)?
        }
        Object::RecoveryPoint => (route.recovery_point_arn.clone(), route.source_account.clone()),
        Object::DestinationVault => (route.destination_vault_arn.clone(), route.destination_account.clone()),
    };
    let (principal, account) = match row.actor {
        Actor::JobRole => (route.job_role_arn.as_str().to_owned(), &route.source_account),
        Actor::Copier => (route.copier(), &route.destination_account),
    };
    let caller = Caller { role_arn: &principal, account, organization_id: route.organization_id.as_deref() };
    let key_region = resource.region().unwrap_or_else(|| route.source_region.clone());
    let regions = regions(route, row);
    let storage = super::Family::of_type(&route.resource_type).service();
    let through = |service: &str| {
        let calls = regions.iter().map(|region| caller.calls_key_through(service, region, action, &owner, &key_region));
        calls.map(|(via, context)| (Some(via), context)).collect::<Vec<_>>()
    };
    let itself = || vec![(None, caller.calls_key(action, &owner, &key_region))];
    let calls = match row.through {
        Through::Nothing => {
            let at_home = action.starts_with("backup:") || matches!(row.actions, Actions::Share);
            let region = if at_home { &route.source_region } else { &route.destination_region };
            let mut context = caller.calls(&owner, region);
            if action == "backup:CopyFromBackupVault" {
                context.set_many("backup:CopyTargets", vec![route.destination_vault_arn.as_str().to_owned()]);
            } else if row.object == Object::RecoveryPoint {
                // AWS Backup tags what it makes, and its managed policy asks for the tag; what the value is matters to nobody.
                context.set("aws:ResourceTag/aws:backup:source-resource", "present");
            }
            vec![(None, context)]
        }
        Through::Storage => through(storage),
        Through::Backup | Through::BackupUnpublished => through("backup"),
        Through::StorageOrBackup => [through(storage), through("backup")].concat(),
        Through::Itself => itself(),
        Through::BackupOrItself => [through("backup"), itself()].concat(),
    };
    let (via, contexts) = calls.into_iter().unzip();
    let own_policies_assumed = row.actor == Actor::Copier && row.through.by_backup() || matches!(row.through, Through::BackupUnpublished);
    Some(Requirement {
        actor: row.actor,
        principal,
        action,
        object: row.object,
        resource,
        resource_account: owner,
        contexts,
        via,
        need: row.need,
        own_policies_assumed,
        source: row.source,
    })
}

/// A key that has a policy of its own, and its owner.
pub(super) fn customer_key(key: Option<&Arn>, aws_managed: bool, otherwise: &AccountId) -> Option<(Arn, AccountId)> {
    let key = key.filter(|_| !aws_managed)?;
    Some((key.clone(), key.account().unwrap_or_else(|| otherwise.clone())))
}

/// The Regions from which the key may be called. Which Region's endpoint a cross-Region copy calls the source key through is not documented, nor
/// where AWS Backup itself runs a copy: both count.
fn regions(route: &Route, row: &Row) -> Vec<Region> {
    let mut regions = vec![route.destination_region.clone()];
    let open = row.object == Object::SourceKey || row.actor == Actor::JobRole && row.through.by_backup();
    if open && route.crosses_regions() {
        regions.push(route.source_region.clone());
    }
    regions
}
