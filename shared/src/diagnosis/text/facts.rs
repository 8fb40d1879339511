//! What the facts of a job say about causes that its text left open. Facts only move what the text named, except where a fact suffices alone.

use std::collections::BTreeMap;

use super::Hints;
use crate::diagnosis::Cause;
use crate::evidence::KeyManager;

/// More than any text weighs: a state that was seen beats a sentence.
const SEEN: i32 = 12;

/// Shifts the points of the candidates by the hints.
pub(super) fn shift(points: &mut BTreeMap<Cause, i32>, hints: &Hints) {
    let mut add = |cause: Cause, by: i32| {
        if let Some(value) = points.get_mut(&cause) {
            *value += by;
        }
    };
    match hints.crosses_accounts {
        Some(true) => {
            add(Cause::KmsKeyPolicyMissingDestination, 3);
            add(Cause::KmsRolePermissionMissing, -3);
        }
        Some(false) => {
            for cause in [
                Cause::KmsKeyPolicyMissingDestination,
                Cause::SourceKeyAwsManaged,
                Cause::OrganizationMismatch,
                Cause::CrossAccountFeatureDisabled,
                Cause::UnsupportedCrossAccountCrossRegion,
            ] {
                add(cause, -SEEN);
            }
        }
        None => {}
    }
    if hints.crosses_regions == Some(false) {
        add(Cause::UnsupportedCrossAccountCrossRegion, -SEEN);
    }
    match hints.key_manager {
        Some(KeyManager::Aws) => {
            add(Cause::SourceKeyAwsManaged, SEEN);
            add(Cause::KmsKeyPolicyMissingDestination, -SEEN);
        }
        Some(KeyManager::Customer) => add(Cause::SourceKeyAwsManaged, -SEEN),
        None => {}
    }
    if let Some(manager) = hints.destination_key_manager {
        add(Cause::DestinationVaultKeyAwsManaged, if manager == KeyManager::Aws { SEEN } else { -SEEN });
    }
    if let Some(state) = hints.key_state.as_deref() {
        add(Cause::KmsKeyUnusable, if state.eq_ignore_ascii_case("enabled") { -SEEN } else { SEEN });
    }
    if suffice(hints) {
        points.insert(Cause::ThreatsFound, 2 * SEEN);
    }
}

/// Whether the facts name a cause by themselves, whatever the text says or does not say.
pub(super) fn suffice(hints: &Hints) -> bool {
    hints.scan_result.as_deref().is_some_and(|result| result.eq_ignore_ascii_case("THREATS_FOUND"))
}
