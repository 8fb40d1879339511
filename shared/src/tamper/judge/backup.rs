//! Recovery points, plans, settings and what watches over them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::deed::command;
use super::super::write::member;
use super::documents::sorted;
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, by_account, is_aws_backup, is_linked_role, plans, vaults};

/// What is kept for fewer days than this endangers something even where nobody knows what it was before: a monthly backup is older.
pub(super) const SHORT: f64 = 35.0;
/// A stack takes the older selection away when all else is done.
const REPLACED_WITHIN: SignedDuration = SignedDuration::from_hours(1);
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
        "DeleteBackupPlan" | "DeleteBackupSelection" => plan_deleted(write, scene),
        "CancelLegalHold" => hold_cancelled(write),
        "UpdateBackupPlan" => plan_changed(write, scene),
        "UpdateRegionSettings" => region_settings(write, scene),
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
    if write.event_name == "DisassociateRecoveryPointFromParent" {
        let what = format!("took the recovery point {} out of the one that it is a part of", named(write, "recoveryPointArn"));
        return Deed::of(write, DeedKind::PointDisassociated, Severity::Medium, what)
            .endangers("A restore of the whole lacks this part, and the part no longer goes or stays with the whole.")
            .undo("Nothing joins them again: start a backup of the whole, and keep this part until that one is there.", None)
            .judged();
    }
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

fn plan_deleted(write: &Write, scene: &Scene<'_>) -> Judged {
    let id = named(write, "backupPlanId");
    if write.event_name == "DeleteBackupPlan" {
        return Deed::of(write, DeedKind::PlanDeleted, Severity::Medium, format!("deleted the backup plan {id}"))
            .endangers("Nothing of this plan is backed up or copied any more.")
            .undo("Make it again, from its source or from the last report of a sweep; run what it missed by hand.", None)
            .judged();
    }
    let selection = named(write, "selectionId");
    let show = command("aws backup list-backup-selections --backup-plan-id {} --region {}", &[&id, write.region.as_str()]);
    // A stack that changes a selection makes the new one first.
    let newer = scene.before.and_then(|before| replacement(&before.value, &selection, write.at));
    let (severity, what, endangers) = match newer {
        Some(newer) => (
            Severity::Low,
            format!("replaced the selection {selection} of the backup plan {id} by {newer}"),
            "What the older one selected and the newer one does not is not backed up any more.",
        ),
        None => (
            Severity::Medium,
            format!("deleted the selection {selection} of the backup plan {id}"),
            "What it selected, and no other selection does, is not backed up any more.",
        ),
    };
    Deed::of(write, DeedKind::PlanDeleted, severity, what)
        .endangers(endangers)
        .undo(
            "Make what is missing again, from its source or from the last report of a sweep; this shows the selections of the plan.",
            show,
        )
        .judged()
}

/// The name of a selection that was made for the same plan just before, and selects something.
fn replacement(newer: &Value, deleted: &str, at: Timestamp) -> Option<String> {
    let made = member(newer, "at")?.as_str()?.parse::<Timestamp>().ok()?;
    let is_just_before = made <= at && at.duration_since(made) <= REPLACED_WITHIN;
    let is_another = member(newer, "selectionId").and_then(Value::as_str).is_some_and(|id| id != deleted);
    let selection = member(newer, "backupSelection")?;
    let has = |name: &str| member(selection, name).is_some_and(|value| !matches!(sorted(value).as_str(), "[]" | "{}" | ""));
    let selects = ["resources", "listOfTags", "conditions"].iter().any(|name| has(name));
    (is_just_before && is_another && selects)
        .then(|| member(selection, "selectionName").and_then(Value::as_str).unwrap_or("one without a name").to_owned())
}

fn hold_cancelled(write: &Write) -> Judged {
    let id = named(write, "legalHoldId");
    let show = command("aws backup get-legal-hold --legal-hold-id {} --region {}", &[&id, write.region.as_str()]);
    Deed::of(write, DeedKind::LegalHoldCancelled, Severity::High, format!("cancelled the legal hold {id}"))
        .endangers("Recovery points that it kept beyond their time are deleted now, and the others can be deleted again.")
        .undo("Make a hold of the same recovery points at once; this shows which ones, as long as AWS Backup keeps the record.", show)
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
        None => {
            let mut alone = plans::of_plan_alone(plan, write.at, scene.of_a_route);
            if alone.is_empty() {
                return Err(Silence::NoBefore);
            }
            let what = format!("wrote the backup plan {id}, and what it was before is not known: {}", plans::list(&mut alone, MOST));
            return told(Severity::Medium, what, endangers);
        }
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

/// What a map of switches turns off, and what of it is known to have been on.
#[derive(Default)]
struct SwitchedOff {
    were_on: Vec<String>,
    unknown: Vec<String>,
    /// Nothing is on beside it: whoever writes the whole map once names what is on, too.
    alone: bool,
}

impl SwitchedOff {
    fn of(before: Option<&Value>, now: Option<&Value>) -> Self {
        let is = |value: &Value, on: bool| value.as_bool() == Some(on) || value.as_str() == Some(if on { "true" } else { "false" });
        let mut found = Self { alone: true, ..Self::default() };
        for (name, value) in now.and_then(Value::as_object).into_iter().flatten() {
            if !is(value, false) {
                found.alone = false;
                continue;
            }
            match before.and_then(|before| before.get(name)) {
                Some(before) if is(before, true) => found.were_on.push(name.clone()),
                Some(before) if is(before, false) => {}
                _ => found.unknown.push(name.clone()),
            }
        }
        found.were_on.sort();
        found.unknown.sort();
        found
    }

    fn is_nothing(&self) -> bool {
        self.were_on.is_empty() && self.unknown.is_empty()
    }

    /// In words: what is known apart from what is not.
    fn text(&self, known: &str, unknown: &str) -> Vec<String> {
        let text = |names: &[String], words: &str| (!names.is_empty()).then(|| words.replace("{}", &names.join(", ")));
        [text(&self.were_on, known), text(&self.unknown, unknown)].into_iter().flatten().collect()
    }

    /// What was on, as a command switches it on again.
    fn on_again(&self) -> String {
        self.were_on.iter().map(|name| format!("{name}=true")).collect::<Vec<_>>().join(",")
    }
}

/// Why nobody hears of settings that switch nothing off.
fn nothing_off(now: &[Option<&Value>]) -> Judged {
    let is_off = |value: &Value| value.as_bool() == Some(false) || value.as_str() == Some("false");
    let any = now.iter().flatten().filter_map(|map| map.as_object()).flatten().any(|(_, value)| is_off(value));
    Err(if any { Silence::Unchanged } else { Silence::Mends })
}

fn region_settings(write: &Write, scene: &Scene<'_>) -> Judged {
    const MAPS: [&str; 2] = ["resourceTypeOptInPreference", "resourceTypeManagementPreference"];
    let now = MAPS.map(|name| write.part(name));
    let [opt_in, management] =
        MAPS.map(|name| SwitchedOff::of(scene.before.and_then(|before| member(&before.value, name)), write.part(name)));
    if opt_in.is_nothing() && management.is_nothing() {
        return nothing_off(&now);
    }
    let mut what = opt_in.text("switched AWS Backup off for {}", "set AWS Backup off for {}, of which it is not known whether it was on");
    what.extend(management.text(
        "took the full management by AWS Backup from {}",
        "set the full management by AWS Backup off for {}, of which it is not known whether it was on",
    ));
    let is_known = !opt_in.were_on.is_empty() || !management.were_on.is_empty();
    let is_opted_out = !opt_in.unknown.is_empty() && opt_in.alone && management.alone;
    let severity = if is_known || is_opted_out { Severity::High } else { Severity::Medium };
    let endangers = if opt_in.is_nothing() {
        "Copies of these types into another account are refused, and their backups are kept by the service and not by AWS Backup."
    } else {
        "Plans select nothing of these types in this Region any more, without any failed job."
    };
    let mut pattern = "aws backup update-region-settings --region {}".to_owned();
    let (types, managed) = (opt_in.on_again(), management.on_again());
    let mut values = vec![write.region.as_str()];
    for (option, value) in [(" --resource-type-opt-in-preference {}", &types), (" --resource-type-management-preference {}", &managed)] {
        if !value.is_empty() {
            pattern.push_str(option);
            values.push(value);
        }
    }
    let (how, undo) = if is_known {
        ("Switch on again what was on.", command(&pattern, &values))
    } else {
        let show = command("aws backup describe-region-settings --region {}", &[write.region.as_str()]);
        ("Switch on again what your plans select; this shows the settings as they are now.", show)
    };
    Deed::of(write, DeedKind::OptedOut, severity, format!("{} in {}", what.join("; "), write.region))
        .endangers(endangers)
        .undo(how, undo)
        .judged()
}

fn global_settings(write: &Write, scene: &Scene<'_>) -> Judged {
    let now = write.part("globalSettings");
    let off = SwitchedOff::of(scene.before.map(|before| &before.value), now);
    if off.is_nothing() {
        return nothing_off(&[now]);
    }
    // Where copies are watched it was on: nobody need have seen it.
    let copies = off.were_on.iter().chain(&off.unknown).any(|name| name.eq_ignore_ascii_case("isCrossAccountBackupEnabled"));
    let severity = if copies { Severity::Critical } else { Severity::Medium };
    let what = off.text(
        "switched off for the whole organization: {}",
        "set off for the whole organization, where it is not known whether it was on: {}",
    );
    let endangers =
        if copies { "Every copy into another account fails from now on." } else { "What it controlled is open, or works no more." };
    let mut again = off.on_again();
    if copies && again.is_empty() {
        again = "isCrossAccountBackupEnabled=true".to_owned();
    }
    let (how, undo) = if again.is_empty() {
        let show = Some("aws backup describe-global-settings".to_owned());
        ("Switch on again what you use, in the management account; this shows the settings as they are now.", show)
    } else {
        let pattern = "aws backup update-global-settings --global-settings {}";
        ("Switch on again what was on, in the management account.", command(pattern, &[&again]))
    };
    Deed::of(write, DeedKind::GlobalSettingOff, severity, what.join("; ")).endangers(endangers).undo(how, undo).judged()
}

fn watching(write: &Write, scene: &Scene<'_>) -> Judged {
    let (what, endangers) = match write.event_name.as_str() {
        "PutBackupVaultNotifications" => {
            let Some(before) = scene.before.map(|before| &before.value) else { return Err(Silence::NoBefore) };
            let names = |value: Option<&Value>| value.and_then(Value::as_array).into_iter().flatten().map(sorted).collect::<BTreeSet<_>>();
            let now = names(write.part("backupVaultEvents"));
            let lost = names(member(before, "backupVaultEvents")).difference(&now).cloned().collect::<Vec<_>>();
            let vault = named(write, "backupVaultName");
            let mut what = Vec::new();
            if !lost.is_empty() {
                what.push(format!("took from the notifications of the vault {vault}: {}", lost.join(", ")));
            }
            let (older, topic) = (member(before, "snsTopicArn").and_then(Value::as_str), named(write, "snsTopicArn"));
            if let Some(older) = older.filter(|older| *older != topic) {
                what.push(format!("sent the notifications of the vault {vault} to the topic {topic} and no more to {older}"));
            }
            if what.is_empty() {
                return Err(Silence::OnlyWidens);
            }
            (what.join("; "), "Whoever listened is not told of these any more.")
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
