//! Recovery points, plans, settings and what watches over them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::deed::command;
use super::super::write::member;
use super::documents::sorted;
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, by_account, is_aws_backup, is_linked_role, plans, vaults};

/// What is kept for fewer days than this endangers something even where nobody knows what it was before: a monthly backup is older.
pub(super) const SHORT: f64 = 35.0;
/// Differences that one message lists.
const MOST: usize = 6;

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    // The end of a lifecycle, a point that goes after its copy (`DELETE_AFTER_COPY`), the inside of an air-gapped vault, the organization's
    // policy as it arrives as a plan.
    if is_aws_backup(&write.actor) || is_linked_role(&write.actor) {
        let of_plan = matches!(write.event_name.as_str(), "CreateBackupPlan" | "UpdateBackupPlan" | "DeleteBackupPlan");
        return Err(if of_plan { Silence::OrganizationItself } else { Silence::AwsBackupItself });
    }
    match write.event_name.as_str() {
        "DeleteRecoveryPoint" => point_deleted(write, scene),
        "DisassociateRecoveryPoint" | "DisassociateRecoveryPointFromParent" => point_disassociated(write),
        "UpdateRecoveryPointLifecycle" => lifecycle(write, scene),
        "DeleteBackupPlan" | "DeleteBackupSelection" => plan_deleted(write),
        "UpdateBackupPlan" => plan_changed(write, scene),
        "UpdateRegionSettings" => opt_in(write, scene),
        "UpdateGlobalSettings" => global_settings(write, scene),
        "StopBackupJob" => {
            Deed::of(write, DeedKind::JobStopped, Severity::Low, format!("stopped the backup job {}", named(write, "backupJobId")))
                .endangers("The resource has no backup of this run.")
                .undo("Start the backup again: a plan does not take up a run that was stopped.", None)
                .judged()
        }
        "DeleteFramework"
        | "DeleteReportPlan"
        | "DeleteRestoreTestingPlan"
        | "DeleteRestoreTestingSelection"
        | "DeleteBackupVaultNotifications"
        | "PutBackupVaultNotifications" => watching(write, scene),
        _ => vaults::judge(write, scene),
    }
}

/// A text of the request for people, or that it is not named.
pub(super) fn named(write: &Write, name: &str) -> String {
    write.text(name).unwrap_or_else(|| "that the record does not name".to_owned())
}

fn point_deleted(write: &Write, scene: &Scene<'_>) -> Judged {
    let severity = by_account(write, scene, Severity::High, Severity::Medium);
    let what = format!("deleted the recovery point {} of the vault {}", named(write, "recoveryPointArn"), named(write, "backupVaultName"));
    Deed::of(write, DeedKind::PointDeleted, severity, what)
        .endangers("This recovery point is gone for good; what it held can be restored only from another one.")
        .undo(
            "Nothing brings it back. Look whether a copy of it is left, and who else may delete: a vault lock or a Deny in the vault's policy stops it.",
            write.text("backupVaultName").and_then(|vault| {
                command("aws backup list-recovery-points-by-backup-vault --backup-vault-name {} --region {}", &[&vault, write.region.as_str()])
            }),
        )
        .judged()
}

fn point_disassociated(write: &Write) -> Judged {
    let what = format!("took the recovery point {} from its resource", named(write, "recoveryPointArn"));
    Deed::of(write, DeedKind::PointDisassociated, Severity::Medium, what)
        .endangers("AWS Backup no longer keeps it: a continuous backup ends, and its retention is the service's own.")
        .undo("Begin a continuous backup again with the next run of its plan; what was lost in between stays lost.", None)
        .judged()
}

/// Days until a point is deleted; `None`: never.
fn days(lifecycle: &Value) -> Option<f64> {
    let value = member(lifecycle, "deleteAfterDays")?;
    let days = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    // -1 is how the API writes "always".
    (days >= 0.0).then_some(days)
}

pub(super) fn in_days(days: Option<f64>) -> String {
    days.map_or_else(|| "kept for ever".to_owned(), |days| format!("deleted after {days} days"))
}

fn lifecycle(write: &Write, scene: &Scene<'_>) -> Judged {
    let after = days(write.part("lifecycle").unwrap_or(&Value::Null));
    let Some(now) = after else { return Err(Silence::OnlyWidens) };
    let before = scene.before.map(|before| days(&before.value));
    match before {
        Some(Some(was)) if was == now => return Err(Silence::Unchanged),
        Some(Some(was)) if was < now => return Err(Silence::OnlyWidens),
        Some(_) | None => {}
    }
    let (vault, point) = (named(write, "backupVaultName"), named(write, "recoveryPointArn"));
    let show = || {
        let pattern = "aws backup describe-recovery-point --backup-vault-name {} --recovery-point-arn {} --region {}";
        command(pattern, &[&vault, &point, write.region.as_str()])
    };
    // The lifecycle that a plan gave it is in no record of a write, and nobody changes those of single points as a routine.
    if before.is_none() && now >= SHORT {
        let what = format!("set the life of the recovery point {point}: it is {}; what it was before is not known", in_days(after));
        return Deed::of(write, DeedKind::RetentionShortened, Severity::Medium, what)
            .changed(Some("not known".to_owned()), Some(in_days(after)))
            .endangers("If it was to be kept for longer, AWS Backup deletes it earlier, and it looks like the end of any lifecycle.")
            .undo("Compare it with the lifecycle in its plan, and give it back what it lost; this shows what it has now.", show())
            .judged();
    }
    let severity = by_account(write, scene, Severity::High, Severity::Medium);
    let what = format!("gave the recovery point {point} a shorter life: it is {}", in_days(after));
    let (how, undo) = match scene.before.and_then(|before| older_lifecycle(&before.value)) {
        Some(older) => {
            let pattern =
                "aws backup update-recovery-point-lifecycle --backup-vault-name {} --recovery-point-arn {} --lifecycle {} --region {}";
            ("Give it its old lifecycle back before that time.", command(pattern, &[&vault, &point, &older, write.region.as_str()]))
        }
        None => ("Give it its old lifecycle back before that time; this shows what it has now.", show()),
    };
    Deed::of(write, DeedKind::RetentionShortened, severity, what)
        .changed(Some(before.map_or_else(|| "not known".to_owned(), in_days)), Some(in_days(after)))
        .endangers("AWS Backup deletes it at that time, and it looks like the end of any lifecycle.")
        .undo(how, undo)
        .judged()
}

/// A lifecycle as the command takes it, where it has an end and nothing but days.
fn older_lifecycle(lifecycle: &Value) -> Option<String> {
    const NAMES: [&str; 2] = ["MoveToColdStorageAfterDays", "DeleteAfterDays"];
    let of = lifecycle.as_object()?;
    let has_others = of.iter().any(|(name, value)| !value.is_null() && !NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let [cold, end] = NAMES.map(|name| member(lifecycle, name).map(|days| days.as_u64().map(|days| format!("{name}={days}"))));
    let end = end??;
    match cold {
        _ if has_others => None,
        None => Some(end),
        Some(cold) => Some(format!("{},{end}", cold?)),
    }
}

fn plan_deleted(write: &Write) -> Judged {
    let id = named(write, "backupPlanId");
    let (what, endangers) = if write.event_name == "DeleteBackupPlan" {
        (format!("deleted the backup plan {id}"), "Nothing of this plan is backed up or copied any more.")
    } else {
        (
            format!("deleted the selection {} of the backup plan {id}", named(write, "selectionId")),
            "What it selected is not backed up any more.",
        )
    };
    Deed::of(write, DeedKind::PlanDeleted, Severity::Medium, what)
        .endangers(endangers)
        .undo("Make it again, from its source or from the last report of a sweep; run what it missed by hand.", None)
        .judged()
}

fn plan_changed(write: &Write, scene: &Scene<'_>) -> Judged {
    let Some(plan) = write.part("backupPlan") else { return Err(Silence::NoBefore) };
    let id = named(write, "backupPlanId");
    let versions = command("aws backup list-backup-plan-versions --backup-plan-id {} --region {}", &[&id, write.region.as_str()]);
    let told = |severity, what: String, endangers: &str| {
        Deed::of(write, DeedKind::PlanWeakened, severity, what)
            .endangers(endangers)
            .undo("Put the older version of the plan back; AWS Backup keeps them.", versions)
            .judged()
    };
    let endangers = "From the next run on this is not made or kept any more, and no job fails: nothing else tells of it.";
    let mut found = match scene.before {
        Some(before) if sorted(&before.value) == sorted(plan) => return Err(Silence::Unchanged),
        Some(before) => plans::of_plan(&before.value, plan, write.at),
        None if !plans::has_rules(plan) => {
            return told(Severity::High, format!("took from the backup plan {id}: every rule: it has none"), endangers);
        }
        None => return Err(Silence::NoBefore),
    };
    if found.is_empty() {
        return Err(Silence::OnlyWidens);
    }
    let severity = if found.iter().any(|difference| difference.is_grave) { Severity::High } else { Severity::Medium };
    let is_loss = found.iter().any(|difference| difference.is_loss);
    let list = plans::list(&mut found, MOST);
    if is_loss {
        return told(severity, format!("took from the backup plan {id}: {list}"), endangers);
    }
    told(
        severity,
        format!("changed the backup plan {id}: {list}"),
        "Backups or copies may be made elsewhere, end early or not be made; no job need fail.",
    )
}

fn opt_in(write: &Write, scene: &Scene<'_>) -> Judged {
    let off = |value: &Value| {
        let types = value.as_object().into_iter().flatten();
        types
            .filter(|(_, on)| on.as_bool() == Some(false) || on.as_str() == Some("false"))
            .map(|(name, _)| name.clone())
            .collect::<BTreeSet<_>>()
    };
    let now = off(write.part("resourceTypeOptInPreference").unwrap_or(&Value::Null));
    let before = scene.before.map(|before| off(&before.value)).unwrap_or_default();
    let lost = now.difference(&before).cloned().collect::<Vec<_>>();
    if lost.is_empty() {
        return Err(if now.is_empty() { Silence::Mends } else { Silence::Unchanged });
    }
    let types = lost.join(", ");
    Deed::of(write, DeedKind::OptedOut, Severity::High, format!("switched AWS Backup off for {types} in {}", write.region))
        .endangers("Plans select nothing of these types in this Region any more, without any failed job.")
        .undo(
            "Switch it on again.",
            lost.iter()
                .all(|name| name.bytes().all(|b| b.is_ascii_alphanumeric()))
                .then(|| lost.iter().map(|name| format!("{name}=true")).collect::<Vec<_>>().join(","))
                .and_then(|types| {
                    command(
                        "aws backup update-region-settings --resource-type-opt-in-preference {} --region {}",
                        &[&types, write.region.as_str()],
                    )
                }),
        )
        .judged()
}

fn global_settings(write: &Write, scene: &Scene<'_>) -> Judged {
    let off = |value: &Value| {
        let all = value.as_object().into_iter().flatten();
        all.filter(|(_, on)| on.as_bool() == Some(false) || on.as_str() == Some("false"))
            .map(|(name, _)| name.clone())
            .collect::<BTreeSet<_>>()
    };
    let now = off(write.part("globalSettings").unwrap_or(&Value::Null));
    let before = scene.before.map(|before| off(&before.value)).unwrap_or_default();
    let lost = now.difference(&before).cloned().collect::<Vec<_>>();
    if lost.is_empty() {
        return Err(if now.is_empty() { Silence::Mends } else { Silence::Unchanged });
    }
    let copies = lost.iter().any(|name| name.eq_ignore_ascii_case("isCrossAccountBackupEnabled"));
    let severity = if copies { Severity::Critical } else { Severity::Medium };
    let what = format!("switched off for the whole organization: {}", lost.join(", "));
    Deed::of(write, DeedKind::GlobalSettingOff, severity, what)
        .endangers(if copies {
            "Every copy into another account fails from now on."
        } else {
            "What it controlled is open, or works no more."
        })
        .undo(
            "Switch it on again, in the management account.",
            lost.first().and_then(|name| command("aws backup update-global-settings --global-settings {}=true", &[name])),
        )
        .judged()
}

fn watching(write: &Write, scene: &Scene<'_>) -> Judged {
    let (what, endangers) = match write.event_name.as_str() {
        "PutBackupVaultNotifications" => {
            let names = |value: &Value| value.as_array().into_iter().flatten().map(sorted).collect::<BTreeSet<_>>();
            let Some(before) = scene.before else { return Err(Silence::NoBefore) };
            let now = write.part("backupVaultEvents").map(names).unwrap_or_default();
            let lost = names(&before.value).difference(&now).cloned().collect::<Vec<_>>();
            if lost.is_empty() {
                return Err(Silence::OnlyWidens);
            }
            let what = format!("took from the notifications of the vault {}: {}", named(write, "backupVaultName"), lost.join(", "));
            (what, "Nobody is told of these any more.")
        }
        "DeleteBackupVaultNotifications" => (
            format!("removed the notifications of the vault {}", named(write, "backupVaultName")),
            "What only notifications tell, such as an interrupted continuous backup, is not heard of any more.",
        ),
        "DeleteFramework" => {
            (format!("deleted the audit framework {}", named(write, "frameworkName")), "Its controls are not evaluated any more.")
        }
        "DeleteReportPlan" => {
            (format!("deleted the report plan {}", named(write, "reportPlanName")), "Its reports are not written any more.")
        }
        _ => (
            format!("deleted the restore test {}", named(write, "restoreTestingPlanName")),
            "Nothing proves any more that these backups can be restored.",
        ),
    };
    Deed::of(write, DeedKind::MonitoringRemoved, Severity::Low, what)
        .endangers(endangers)
        .undo("Make it again from its source.", None)
        .judged()
}
