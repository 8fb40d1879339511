//! The stacks and their parameters: what the answers are to each template.

use super::answers::{ACKNOWLEDGEMENT, Answers, BackupPolicy, LockMode};
use crate::arn::Region;

/// Parameters by name, in the order of the template.
pub type Parameters = Vec<(&'static str, String)>;

/// What is made of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// One stack after the other.
    Stack,
    /// A StackSet.
    StackSet,
}

/// A stack, or a StackSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its name; that of its file of parameters, too.
    pub name: String,
    /// Which of the two.
    pub made: Made,
    /// The template, by its path in the repository.
    pub template: &'static str,
    /// What it is given.
    pub parameters: Parameters,
    /// Whether its roles have names: CloudFormation asks to be told so.
    pub names_roles: bool,
}

pub(super) const BACKUP_ACCOUNT: &str = "deploy/backup-account.yaml";
pub(super) const SOURCE_BACKUP: &str = "deploy/source-backup.yaml";
pub(super) const MANAGEMENT_ACCOUNT: &str = "deploy/management-account.yaml";
pub(super) const AGENT_GLOBAL: &str = "deploy/agent-global.yaml";
pub(super) const AGENT_REGIONAL: &str = "deploy/agent-regional.yaml";
pub(super) const GUARDIAN: &str = "template.yaml";

/// The name of the reader role where nothing else is said.
pub(super) const READER_ROLE: &str = "backup-guardian-reader";

fn yes(given: bool) -> String {
    if given { "yes" } else { "no" }.to_owned()
}

fn joined<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Leaves out what nobody said, so that the default of the template holds.
fn said(all: Vec<(&'static str, Option<String>)>) -> Parameters {
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Where roles are made of which each account has one.
fn first(regions: &[Region]) -> String {
    regions.first().map_or_else(String::new, |region| region.as_str().to_owned())
}

pub(super) fn backup_account(answers: &Answers) -> Stack {
    let backup = &answers.backup;
    let compliance = backup.lock.mode == LockMode::Compliance;
    let parameters = said(vec![
        ("OrganizationId", Some(answers.organization.id.clone())),
        ("OrganizationPaths", (!backup.admit.is_empty()).then(|| joined(&backup.admit))),
        ("VaultName", Some(backup.vault.clone())),
        ("MinRetentionDays", Some(backup.lock.min_days.to_string())),
        ("MaxRetentionDays", Some(backup.lock.max_days.to_string())),
        ("LockMode", Some(if compliance { "compliance" } else { "governance" }.to_owned())),
        ("LockGraceDays", compliance.then(|| backup.lock.grace_days.to_string())),
        // An air-gapped vault is always locked for compliance.
        ("LockAcknowledgement", (compliance || backup.air_gapped_vault.is_some()).then(|| ACKNOWLEDGEMENT.to_owned())),
        ("AirGappedVaultName", backup.air_gapped_vault.clone()),
        ("NotificationEmail", backup.notification_email.clone()),
        ("RolesRegion", Some(first(&answers.central_regions()))),
        ("CopyBackRoleName", Some(backup.copy_back_role.clone())),
        ("BreakGlassRoleName", Some(backup.break_glass_role.clone())),
        ("BreakGlassPrincipalArn", Some(backup.break_glass_principal.as_str().to_owned())),
    ]);
    Stack { name: "backup-account".to_owned(), made: Made::Stack, template: BACKUP_ACCOUNT, parameters, names_roles: true }
}

/// The name of what is made in the management account, beside the StackSet that never reaches it.
fn named(name: &str, made: Made) -> String {
    match made {
        Made::Stack => format!("{name}-management"),
        Made::StackSet => name.to_owned(),
    }
}

pub(super) fn source_backup(answers: &Answers, made: Made) -> Stack {
    let Answers { sources, .. } = answers;
    let parameters = said(vec![
        ("BackupAccountId", Some(answers.backup.account.to_string())),
        ("MakeVault", Some(yes(sources.make_vault))),
        ("MakeVolumeKey", Some(yes(sources.make_volume_key))),
        ("VolumesUseTheKey", Some(yes(sources.volumes_use_the_key))),
        ("MakeRole", Some(yes(sources.make_role))),
        ("VaultName", Some(sources.vault.clone())),
        ("VolumeKeyAlias", Some(sources.volume_key_alias.clone())),
        ("RoleName", Some(sources.role.clone())),
        ("RolesRegion", Some(first(&answers.regions))),
    ]);
    Stack { name: named("source-backup", made), made, template: SOURCE_BACKUP, parameters, names_roles: true }
}

/// The stacks of one backup policy: one, or where copies stay in their Region one for each of these.
pub(super) fn backup_policy(answers: &Answers, at: usize, policy: &BackupPolicy) -> Vec<Stack> {
    let alone = std::slice::from_ref;
    let regions: Vec<&[Region]> = match answers.backup.region {
        Some(_) => vec![&answers.regions],
        None => answers.regions.iter().map(alone).collect(),
    };
    let apart = regions.len() > 1;
    // One service control policy for the same targets: no more than a handful may be attached to one.
    let protected = answers.policies.iter().take(at).any(|earlier| earlier.targets == policy.targets);
    let stacks = regions.into_iter().enumerate().filter_map(|(number, regions)| {
        let region = regions.first()?;
        let name = if apart { format!("{}-{region}", policy.name) } else { policy.name.clone() };
        let [daily, weekly, monthly] = [Some(&policy.daily), policy.weekly.as_ref(), policy.monthly.as_ref()];
        let schedule = |rule: Option<&super::Kept>| rule.map(|rule| rule.schedule.clone());
        let kept = |rule: Option<&super::Kept>| rule.map(|rule| rule.keep_days.to_string());
        let copies = |rule: Option<&super::Kept>| rule.map(|rule| rule.keep_copies_days.to_string());
        let protects_sources = answers.protect.sources && !protected && number == 0;
        let protects_copies = answers.protect.backup_account && at == 0 && number == 0;
        let parameters = said(vec![
            ("PolicyName", Some(name.clone())),
            ("TargetIds", Some(joined(&policy.targets))),
            ("BackupRegions", Some(joined(regions))),
            ("TagKey", Some(policy.tag_key.clone())),
            ("TagValues", Some(joined(&policy.tag_values))),
            ("RoleName", Some(answers.sources.role.clone())),
            ("VaultName", Some(answers.sources.vault.clone())),
            ("CentralVaultArn", Some(answers.central_vault(region)?.as_str().to_owned())),
            ("DailySchedule", schedule(daily)),
            ("DailyRetentionDays", kept(daily)),
            ("DailyCopyRetentionDays", copies(daily)),
            ("WeeklySchedule", schedule(weekly)),
            ("WeeklyRetentionDays", kept(weekly)),
            ("WeeklyCopyRetentionDays", copies(weekly)),
            ("MonthlySchedule", schedule(monthly)),
            ("MonthlyRetentionDays", kept(monthly)),
            ("MonthlyCopyRetentionDays", copies(monthly)),
            ("StartWithinMinutes", Some(policy.start_within_minutes.to_string())),
            ("CompleteWithinMinutes", Some(policy.complete_within_minutes.to_string())),
            ("ProtectSources", Some(yes(protects_sources))),
            ("ProtectBackupAccountId", protects_copies.then(|| answers.backup.account.to_string())),
            ("BreakGlassRoleName", Some(answers.backup.break_glass_role.clone())),
            ("BreakGlassPrincipalArn", protects_copies.then(|| answers.backup.break_glass_principal.as_str().to_owned())),
            ("CopyBackRoleName", Some(answers.backup.copy_back_role.clone())),
        ]);
        Some(Stack {
            name: format!("backup-policy-{name}"),
            made: Made::Stack,
            template: MANAGEMENT_ACCOUNT,
            parameters,
            names_roles: false,
        })
    });
    stacks.collect()
}

fn hub(answers: &Answers) -> Vec<(&'static str, Option<String>)> {
    vec![("GuardianAccountId", Some(answers.guardian.account.to_string())), ("HubRegion", Some(answers.guardian.region.to_string()))]
}

/// The agent of each account; that of the management account reads the organization, too.
pub(super) fn agent_global(answers: &Answers, made: Made) -> Stack {
    let mut parameters = said(hub(answers));
    parameters.push(("ReadOrganization", yes(made == Made::Stack)));
    Stack { name: named("backup-guardian-agent-global", made), made, template: AGENT_GLOBAL, parameters, names_roles: true }
}

pub(super) fn agent_regional(answers: &Answers, made: Made) -> Stack {
    let parameters = said(hub(answers));
    Stack { name: named("backup-guardian-agent-regional", made), made, template: AGENT_REGIONAL, parameters, names_roles: false }
}

/// The Regions that the guardian looks at: of the backups and of the copies.
pub fn watched(answers: &Answers) -> Vec<Region> {
    let mut regions = answers.regions.clone();
    regions.extend(answers.central_regions().into_iter().filter(|region| !answers.regions.contains(region)));
    regions
}

/// The Regions from which events are forwarded: those, and the global one, where the events of IAM and Organizations are.
pub(super) fn forwarding(answers: &Answers) -> Vec<Region> {
    let mut regions = watched(answers);
    let global = answers.guardian.region.global();
    if !regions.contains(&global) {
        regions.push(global);
    }
    regions
}

pub(super) fn guardian(answers: &Answers) -> Stack {
    let organization = &answers.organization;
    let partition = answers.guardian.region.partition();
    let reader = format!("arn:{partition}:iam::{}:role/{READER_ROLE}", organization.management_account);
    let parameters = said(vec![
        ("OrganizationId", Some(organization.id.clone())),
        ("BackupAccountIds", Some(answers.backup.account.to_string())),
        ("Regions", Some(joined(&watched(answers)))),
        ("OrganizationRoleArn", Some(reader)),
        ("AlertEmail", answers.guardian.alert_email.clone()),
        ("OperationsEmail", answers.guardian.operations_email.clone()),
    ]);
    Stack { name: "backup-guardian".to_owned(), made: Made::Stack, template: GUARDIAN, parameters, names_roles: true }
}
