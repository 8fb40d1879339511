//! What AWS Backup itself announces of vaults, plans, recovery points and settings. It names nobody: it counts where no recorded call tells the same.

use jiff::SignedDuration;

use super::super::deed::{Deed, DeedKind, Judged, Silence, Undo};
use crate::diagnosis::Severity;
use crate::event::{Change, ChangeKind};

/// A lifecycle that ends this soon may be what deletes a point: AWS Backup deletes some time around the date.
const END_OF_LIFE: SignedDuration = SignedDuration::from_hours(36);

/// Judges an announcement. `told`: a call on the same object is in the log of changes.
pub fn announced(change: &Change, told: bool) -> Judged {
    let object = change.object_arn.as_ref().map_or_else(|| "without a name".to_owned(), |arn| arn.as_str().to_owned());
    let of_organization = change.object_arn.as_ref().is_some_and(|arn| arn.resource_name().starts_with("orgs/"));
    let at = change.changed_at.or(change.event_time);
    let (kind, severity, what, endangers) = match (change.kind, change.state.as_str()) {
        (ChangeKind::Vault, "DELETED") => (
            DeedKind::VaultDeleted,
            Severity::High,
            format!("deleted the vault {object}"),
            "Every backup and copy into this vault fails from now on.",
        ),
        (ChangeKind::Plan, "DELETED") if of_organization => return Err(Silence::OrganizationItself),
        (ChangeKind::Plan, "DELETED") => (
            DeedKind::PlanDeleted,
            Severity::Medium,
            format!("deleted the backup plan {object}"),
            "Nothing of this plan is backed up or copied any more.",
        ),
        (ChangeKind::RegionSetting, _) if change.opt_in.values().any(|on| !on) => (
            DeedKind::OptedOut,
            Severity::High,
            format!("switched AWS Backup off for {} in {}", off(change), change.region),
            "Plans select nothing of these types in this Region any more, without any failed job.",
        ),
        // It goes as soon as its copy is made, however long it might have stayed.
        (ChangeKind::RecoveryPoint, "DELETING" | "DELETED") if change.delete_after_event.as_deref() == Some("DELETE_AFTER_COPY") => {
            return Err(Silence::AwsBackupItself);
        }
        (ChangeKind::RecoveryPoint, "DELETING" | "DELETED") => {
            // Not known when its life ends: it may be its end.
            let (Some(ends), Some(at)) = (change.delete_at, at) else { return Err(Silence::NoBefore) };
            if ends.duration_since(at) <= END_OF_LIFE {
                return Err(Silence::AwsBackupItself);
            }
            (
                DeedKind::PointDeleted,
                Severity::Medium,
                format!("deleted the recovery point {object}, which was to be kept until {ends:.0}"),
                "This recovery point is gone for good; what it held can be restored only from another one.",
            )
        }
        _ => return Err(Silence::Harmless),
    };
    if told {
        return Err(Silence::ToldByACall);
    }
    // Without a time of its own it is as old as nothing else.
    let (Some(at), Some(event_id)) = (at, change.event_id.clone()) else { return Err(Silence::NoBefore) };
    Ok(Box::new(Deed {
        kind,
        severity,
        account: change.account.clone(),
        region: change.region.clone(),
        object: change.object_arn.clone(),
        action: "announced by AWS Backup".to_owned(),
        event_id,
        at,
        actor: None,
        source_ip: None,
        refused: None,
        what,
        before: None,
        after: None,
        before_document: None,
        endangers: endangers.to_owned(),
        undo: Undo {
            text: "Look in CloudTrail of the account who did it: no record of the call has come, so management events may not be recorded there."
                .to_owned(),
            command: None,
            document_kept: false,
        },
    }))
}

fn off(change: &Change) -> String {
    change.opt_in.iter().filter(|(_, on)| !**on).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}
