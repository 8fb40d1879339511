//! What somebody decided about the backups of an organization: a small JSON file.

use serde_json::Value;

use super::agree::agree;
use super::form::{Form, Problem, Problems};
use super::names;
use crate::arn::{AccountId, Arn, Region, backup_vault};

/// Schema of the file.
pub const ANSWERS_SCHEMA: &str = "backup-guardian/topology-answers/v1";
/// What must be said before anything is locked for good.
pub const ACKNOWLEDGEMENT: &str = "nobody can undo this lock";

const LONGEST_DAYS: u32 = 36_500;
/// A logically air-gapped vault takes no shorter retention.
const AIR_GAPPED_DAYS: u32 = 7;

/// The decisions, whole and checked against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file, which `guardian topology plan --help` explains")]
pub struct Answers {
    pub organization: OrganizationIds,
    /// Regions in which backups are made; the first is where roles are made.
    pub regions: Vec<Region>,
    pub sources: Sources,
    pub backup: BackupAccount,
    pub policies: Vec<BackupPolicy>,
    pub protect: Protect,
    /// Resource types that AWS Backup shall be switched on for.
    pub resource_types: Vec<String>,
    pub guardian: Guardian,
    pub delegated_administrator: Option<AccountId>,
}

/// Ids of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file")]
pub struct OrganizationIds {
    pub id: String,
    pub root_id: String,
    pub management_account: AccountId,
}

/// The accounts that are backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file")]
pub struct Sources {
    /// Organizational units, or the root.
    pub targets: Vec<String>,
    pub vault: String,
    pub role: String,
    pub volume_key_alias: String,
    pub make_vault: bool,
    pub make_role: bool,
    pub make_volume_key: bool,
    pub volumes_use_the_key: bool,
}

/// The account that keeps the copies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file")]
pub struct BackupAccount {
    pub account: AccountId,
    /// The Region into which all copies go; without it copies stay in the Region of their backup.
    pub region: Option<Region>,
    pub vault: String,
    /// Whose accounts may copy into it; none: the whole organization.
    pub admit: Vec<String>,
    pub lock: Lock,
    pub break_glass_principal: Arn,
    pub break_glass_role: String,
    pub copy_back_role: String,
    pub air_gapped_vault: Option<String>,
    pub notification_email: Option<String>,
}

/// How a vault lock can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// By who has the permission.
    Governance,
    /// By nobody, once the days of grace are over.
    Compliance,
}

/// The lock of the central vault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file")]
pub struct Lock {
    pub mode: LockMode,
    pub min_days: u32,
    pub max_days: u32,
    pub grace_days: u32,
}

/// One backup policy: what carries the tag is backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file")]
pub struct BackupPolicy {
    pub name: String,
    pub targets: Vec<String>,
    pub tag_key: String,
    pub tag_values: Vec<String>,
    pub daily: Kept,
    pub weekly: Option<Kept>,
    pub monthly: Option<Kept>,
    pub start_within_minutes: u32,
    pub complete_within_minutes: u32,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it is due (UTC).
    pub schedule: String,
    /// Days for which the backup is kept.
    pub keep_days: u32,
    /// Days for which its copy is kept.
    pub keep_copies_days: u32,
}

/// Service control policies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file")]
pub struct Protect {
    pub sources: bool,
    pub backup_account: bool,
}

/// Where the guardian lives, and whom it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the file")]
pub struct Guardian {
    pub account: AccountId,
    pub region: Region,
    pub alert_email: Option<String>,
    pub operations_email: Option<String>,
}

const ACCOUNT: &str = "an account id of 12 digits";
const REGION: &str = "a Region such as `eu-central-1`";
const VAULT: &str = "2 to 50 letters, digits, `-` or `_`";
const ROLE: &str = "the name of a role, without its path: 1 to 64 letters, digits or `_+=,.@-`";
const UNIT: &str = "an organizational unit such as `ou-ab12-11111111`, or the root such as `r-ab12` for every account";
const TARGET: &str = "an organizational unit, an account, or the root for every account";
const EMAIL: &str = "an e-mail address";
const PATH_ROLE: &str = "the name of a role, 1 to 64 letters, digits or `_+=,.@-`; of one that is there with its path, such as `service-role/AWSBackupDefaultServiceRole`";
const GLASS: &str = "the ARN of a user of the backup account who may break the glass with a second factor, which no session of a role has, such as `arn:aws:iam::222222222222:user/two-people-and-a-safe`";
const CRON: &str = "a cron expression (UTC) such as `cron(0 5 ? * * *)`, with `?` for the day of the month or for the day of the week";

impl Answers {
    /// Reads answers; what is wrong with them is told all at once.
    pub fn read(value: &Value) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        let answers = whole(&Form::root(value, &problems), &problems);
        let found = problems.into_vec();
        answers.filter(|_| found.is_empty()).ok_or(found)
    }

    /// The Regions that have a central vault; the roles of the backup account are made in the first.
    pub fn central_regions(&self) -> Vec<Region> {
        self.backup.region.as_ref().map_or_else(|| self.regions.clone(), |region| vec![region.clone()])
    }

    /// The vault into which the copies of a Region go.
    pub fn central_vault(&self, backed_up_in: &Region) -> Option<Arn> {
        backup_vault(&self.backup.account, self.backup.region.as_ref().unwrap_or(backed_up_in), &self.backup.vault)
    }

    /// Whether the management account is backed up, too: no StackSet reaches it.
    pub fn backs_up_management(&self) -> bool {
        let ids = [self.organization.root_id.as_str(), self.organization.management_account.as_str()];
        self.policies.iter().flat_map(|policy| &policy.targets).any(|target| ids.contains(&target.as_str()))
    }
}

fn whole(form: &Form<'_>, problems: &Problems) -> Option<Answers> {
    form.only(&[
        "schema",
        "organization",
        "regions",
        "sources",
        "backup",
        "policies",
        "protect",
        "resource_types",
        "guardian",
        "delegated_administrator",
    ]);
    form.text("schema", &format!("`{ANSWERS_SCHEMA}`"), |text| (text == ANSWERS_SCHEMA).then_some(()));
    let organization = organization(&form.object("organization"));
    let regions = form.texts("regions", REGION, true, names::region);
    let sources = sources(&form.object("sources"), problems);
    let policies = policies(form, &sources.targets, problems);
    let backup = backup(&form.object("backup"), &policies, problems);
    let guardian = guardian(&form.object("guardian"), &regions);
    let resource_types = form.texts("resource_types", "a type such as `EBS`", false, names::resource_type);
    let delegated_administrator = form.maybe("delegated_administrator", ACCOUNT, names::account);
    let (organization, backup, guardian) = (organization?, backup?, guardian?);
    let protect = protect(&form.object("protect"), &organization, &policies, problems);
    let answers = Answers { organization, regions, sources, backup, policies, protect, resource_types, guardian, delegated_administrator };
    agree(&answers, problems);
    Some(answers)
}

fn organization(form: &Form<'_>) -> Option<OrganizationIds> {
    form.only(&["id", "root_id", "management_account"]);
    let id = form.text("id", "the id of the organization, such as `o-exampleorgid`", names::organization);
    let root_id = form.text("root_id", "the id of its root, such as `r-ab12` (`aws organizations list-roots`)", names::root);
    let management_account = form.text("management_account", ACCOUNT, names::account);
    Some(OrganizationIds { id: id?, root_id: root_id?, management_account: management_account? })
}

fn sources(form: &Form<'_>, problems: &Problems) -> Sources {
    form.only(&["targets", "vault", "role", "volume_key_alias", "make_vault", "make_role", "make_volume_key", "volumes_use_the_key"]);
    let make_volume_key = form.flag("make_volume_key", true);
    let (make_role, role) = (form.flag("make_role", true), form.text_or("role", PATH_ROLE, "backup-jobs", names::role_with_path));
    if make_role && role.contains('/') {
        let remedy =
            "the stack makes roles without a path; write `false` for `sources.make_role` if every account has it, else a name without";
        problems.add(form.at("role"), format!("is `{role}`"), remedy);
    }
    Sources {
        targets: form.texts("targets", UNIT, true, names::unit_or_root),
        vault: form.text_or("vault", VAULT, "local-backups", names::vault),
        role,
        volume_key_alias: form.text_or(
            "volume_key_alias",
            "an alias without `alias/`: letters, digits, `/`, `_` or `-`",
            "volumes",
            names::key_alias,
        ),
        make_vault: form.flag("make_vault", true),
        make_role,
        make_volume_key,
        volumes_use_the_key: form.flag("volumes_use_the_key", make_volume_key),
    }
}

fn backup(form: &Form<'_>, policies: &[BackupPolicy], problems: &Problems) -> Option<BackupAccount> {
    form.only(&[
        "account",
        "region",
        "vault",
        "admit",
        "lock",
        "break_glass_principal",
        "break_glass_role",
        "copy_back_role",
        "air_gapped_vault",
        "notification_email",
    ]);
    let account = form.text("account", ACCOUNT, names::account);
    let principal = form.text("break_glass_principal", GLASS, names::user);
    if let (Some(account), Some(of)) = (&account, principal.as_ref().and_then(Arn::account))
        && *account != of
    {
        problems.add(
            form.at("break_glass_principal"),
            format!("belongs to account {of}, and `{}` is {account}", form.at("account")),
            "name a user of the backup account: who takes an account that is attacked must not get at its copies",
        );
    }
    let region = form.maybe("region", REGION, names::region);
    let vault = form.text_or("vault", VAULT, "central-backups", names::vault);
    let path = "a path such as `o-exampleorgid/r-ab12/ou-ab12-11111111/*`";
    let admit = form.texts("admit", path, false, names::organization_path);
    let air_gapped_vault = form.maybe("air_gapped_vault", VAULT, names::vault);
    if air_gapped_vault.as_ref() == Some(&vault) {
        problems.add(form.at("air_gapped_vault"), format!("is `{vault}`"), "the central vault has this name; give it another");
    }
    let lock = lock(&form.object("lock"), policies, air_gapped_vault.is_some(), problems);
    let break_glass_role = form.text_or("break_glass_role", ROLE, "backup-break-glass", names::role);
    let copy_back_role = form.text_or("copy_back_role", ROLE, "backup-copy-back", names::role);
    let notification_email = form.maybe("notification_email", EMAIL, names::email);
    Some(BackupAccount {
        account: account?,
        region,
        vault,
        admit,
        lock,
        break_glass_principal: principal?,
        break_glass_role,
        copy_back_role,
        air_gapped_vault,
        notification_email,
    })
}

/// Every rule with the field that says how long its copies are kept.
fn copies(policies: &[BackupPolicy]) -> impl Iterator<Item = (String, u32)> {
    policies.iter().enumerate().flat_map(|(at, policy)| {
        let rules = [("daily", Some(&policy.daily)), ("weekly", policy.weekly.as_ref()), ("monthly", policy.monthly.as_ref())];
        let kept = rules.into_iter().filter_map(|(name, rule)| Some((name, rule?.keep_copies_days)));
        kept.map(move |(name, days)| (format!("policies[{at}].{name}.keep_copies_days"), days)).collect::<Vec<_>>()
    })
}

fn lock(form: &Form<'_>, policies: &[BackupPolicy], air_gapped: bool, problems: &Problems) -> Lock {
    form.only(&["mode", "min_days", "max_days", "grace_days", "acknowledgement"]);
    let mode = form.maybe("mode", "`governance` or `compliance`", |text| match text {
        "governance" => Some(LockMode::Governance),
        "compliance" => Some(LockMode::Compliance),
        _ => None,
    });
    let mode = mode.unwrap_or(LockMode::Governance);
    form.maybe("acknowledgement", &format!("exactly `{ACKNOWLEDGEMENT}`"), |text| (text == ACKNOWLEDGEMENT).then_some(()));
    let for_good = if mode == LockMode::Compliance {
        Some("the lock mode `compliance`")
    } else {
        air_gapped.then_some("a logically air-gapped vault, which is always locked for compliance,")
    };
    if let (Some(what), false) = (for_good, form.has("acknowledgement")) {
        problems.add(
            form.at("acknowledgement"),
            "is missing",
            format!("{what} cannot be undone by anybody, AWS included; write `{ACKNOWLEDGEMENT}` there if that is meant"),
        );
    }
    let days = "days";
    let shortest = copies(policies).map(|(_, kept)| kept).min().unwrap_or(1);
    let longest = copies(policies).map(|(_, kept)| kept).max().unwrap_or(1);
    let min_days = form.number("min_days", days, 1, LONGEST_DAYS).unwrap_or(shortest);
    let max_days = form.number("max_days", days, 1, LONGEST_DAYS).unwrap_or_else(|| {
        // What nobody can undo takes no more than the policies keep.
        let longest = longest.max(min_days);
        if for_good.is_some() { longest } else { longest.max(3650) }
    });
    if max_days < min_days {
        problems.add(form.at("max_days"), format!("is `{max_days}`"), format!("it must be at least `min_days`, {min_days}"));
    }
    if air_gapped && min_days < AIR_GAPPED_DAYS {
        problems.add(
            form.at("min_days"),
            format!("is `{min_days}`"),
            format!("a logically air-gapped vault takes no copy that is kept for less than {AIR_GAPPED_DAYS} days"),
        );
    }
    for (field, kept) in copies(policies).filter(|(_, kept)| *kept < min_days || *kept > max_days) {
        problems.add(
            field,
            format!("is `{kept}`"),
            format!("the lock of the central vault takes copies of {min_days} to {max_days} days only; change this or `backup.lock`"),
        );
    }
    Lock { mode, min_days, max_days, grace_days: form.number("grace_days", days, 3, LONGEST_DAYS).unwrap_or(14) }
}

fn policies(form: &Form<'_>, sources: &[String], problems: &Problems) -> Vec<BackupPolicy> {
    let forms = form.objects("policies");
    if !form.has("policies") || form.has_empty_list("policies") {
        let wrong = if form.has("policies") { "is empty" } else { "is missing" };
        problems.add("policies", wrong, "expected is a list of at least one backup policy; `{}` is one with every default");
    }
    let mut read = Vec::<BackupPolicy>::new();
    for form in &forms {
        let policy = policy(form, sources, problems);
        if read.iter().any(|other| other.name == policy.name) {
            problems.add(form.at("name"), format!("is `{}`", policy.name), "another policy has this name; give each its own");
        }
        read.push(policy);
    }
    read
}

fn policy(form: &Form<'_>, sources: &[String], problems: &Problems) -> BackupPolicy {
    form.only(&["name", "targets", "tag", "daily", "weekly", "monthly", "start_within_minutes", "complete_within_minutes"]);
    let targets = form.texts("targets", TARGET, false, names::target);
    let tag = form.object("tag");
    tag.only(&["key", "values"]);
    let text = "1 to 128 letters, digits, blanks inside or `_.:/=+@-`";
    let values = tag.texts("values", text, false, names::tag);
    let start = form.number("start_within_minutes", "minutes", 60, 43_200).unwrap_or(60);
    let complete = form.number("complete_within_minutes", "minutes", 120, 100_000).unwrap_or_else(|| 720.max(start + 60));
    if complete < start + 60 {
        let remedy = format!("AWS Backup asks for an hour more than `start_within_minutes`, {}", start + 60);
        problems.add(form.at("complete_within_minutes"), format!("is `{complete}`"), remedy);
    }
    let rule = |name: &str, schedule: &str, copies: u32| {
        let rule = form.object(name);
        rule.only(&["schedule", "keep_days", "keep_copies_days"]);
        Kept {
            schedule: rule.text_or("schedule", CRON, schedule, names::cron),
            keep_days: rule.number("keep_days", "days", 1, LONGEST_DAYS).unwrap_or(35),
            keep_copies_days: rule.number("keep_copies_days", "days", 1, LONGEST_DAYS).unwrap_or(copies),
        }
    };
    BackupPolicy {
        name: form.text_or("name", "1 to 30 letters, digits or `-`, a letter first", "backups", names::policy),
        targets: if targets.is_empty() { sources.to_vec() } else { targets },
        tag_key: tag.text_or("key", text, "backup", names::tag),
        tag_values: if values.is_empty() { vec!["daily".to_owned()] } else { values },
        daily: rule("daily", "cron(0 5 ? * * *)", 35),
        weekly: form.has("weekly").then(|| rule("weekly", "cron(0 6 ? * 1 *)", 98)),
        monthly: form.has("monthly").then(|| rule("monthly", "cron(0 7 1 * ? *)", 400)),
        start_within_minutes: start,
        complete_within_minutes: complete,
    }
}

fn protect(form: &Form<'_>, organization: &OrganizationIds, policies: &[BackupPolicy], problems: &Problems) -> Protect {
    form.only(&["sources", "backup_account"]);
    // In the backup account, too, and its own policy leaves only the break-glass role alone.
    let everywhere = policies.iter().any(|policy| policy.targets.contains(&organization.root_id));
    let sources = form.flag("sources", !everywhere);
    if sources && everywhere {
        problems.add(
            form.at("sources"),
            "is `true` for the whole organization",
            "that would bind the break-glass role of the backup account, too; name units without that account as targets, or write `false`",
        );
    }
    Protect { sources, backup_account: form.flag("backup_account", true) }
}

fn guardian(form: &Form<'_>, regions: &[Region]) -> Option<Guardian> {
    form.only(&["account", "region", "alert_email", "operations_email"]);
    let account = form.text("account", ACCOUNT, names::account);
    let region = form.maybe("region", REGION, names::region).or_else(|| regions.first().cloned());
    let alert_email = form.maybe("alert_email", EMAIL, names::email);
    let operations_email = form.maybe("operations_email", EMAIL, names::email);
    Some(Guardian { account: account?, region: region?, alert_email, operations_email })
}
