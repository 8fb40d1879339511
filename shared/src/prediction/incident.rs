//! What a prediction is called and how bad it is.

use jiff::{SignedDuration, Timestamp};

use super::Shift;
use crate::copy::{Actor, Blocker, Forecast, Object};
use crate::diagnosis::{Cause, Severity};
use crate::policy::{Decision, Layer, Outcome};

/// A run within this time is tonight's.
pub const SOON: SignedDuration = SignedDuration::from_hours(24);
/// So many kinds of copies are not one workload's.
const MANY: usize = 5;

/// How bad: by how soon the first of the copies runs, and how many there are.
pub fn severity(routes: usize, next_run: Option<Timestamp>, now: Timestamp) -> Severity {
    // When nothing tells the next run it may be the next minute.
    let soon = next_run.is_none_or(|run| run.duration_since(now) <= SOON);
    match (soon, routes >= MANY) {
        (true, true) => Severity::Critical,
        (true, false) | (false, true) => Severity::High,
        (false, false) => Severity::Medium,
    }
}

/// What a copy will fail for, by the labels of diagnoses.
pub fn cause_of(forecast: &Forecast) -> Cause {
    if let Some(blocker) = forecast.blockers.first() {
        return match blocker {
            Blocker::Obstacle(crate::copy::Obstacle::SourceKeyAwsManaged) => Cause::SourceKeyAwsManaged,
            Blocker::Obstacle(crate::copy::Obstacle::DestinationKeyAwsManaged) => Cause::DestinationVaultKeyAwsManaged,
            Blocker::Obstacle(_) => Cause::UnsupportedResourceOrOperation,
            Blocker::Missing(arn) if arn.service() == "kms" => Cause::KmsKeyUnusable,
            Blocker::Missing(arn) if arn.service() == "iam" => Cause::BackupRoleNotAssumable,
            Blocker::Missing(_) => Cause::NotFound,
            Blocker::RoleNotAssumable(_) => Cause::BackupRoleNotAssumable,
            Blocker::KeyState(..) => Cause::KmsKeyUnusable,
            Blocker::CrossAccountBackupOff(_) => Cause::CrossAccountFeatureDisabled,
            Blocker::OutsideOrganization(_) => Cause::OrganizationMismatch,
            Blocker::KeptTooShort { .. } | Blocker::KeptTooLong { .. } => Cause::VaultLockRetention,
        };
    }
    let Some(denied) = forecast.denied.first() else { return Cause::Unexplained };
    let by_statement = denied.decision == Decision::ExplicitlyDenied
        && denied.answer.reasons.iter().any(|reason| reason.denies && reason.outcome == Outcome::Matched);
    if by_statement {
        return Cause::ExplicitDenyPolicy;
    }
    let need = &denied.requirement;
    let own = |layer: &str| layer == Layer::Identity.as_str() || layer == Layer::Boundary.as_str();
    match need.object {
        Object::SourceKey | Object::DestinationKey if need.actor == Actor::JobRole => Cause::KmsRolePermissionMissing,
        Object::SourceKey | Object::DestinationKey => Cause::KmsKeyPolicyMissingDestination,
        Object::DestinationVault if !denied.answer.missing.iter().any(|layer| own(layer)) => Cause::DestinationVaultPolicy,
        Object::DestinationVault | Object::RecoveryPoint => Cause::BackupRoleMissingPermission,
    }
}

/// The first run after a moment of some copies.
pub fn first_run(shifts: &[Shift], now: Timestamp) -> Option<Timestamp> {
    shifts.iter().filter_map(|shift| shift.leg.next_run(now)).min()
}
