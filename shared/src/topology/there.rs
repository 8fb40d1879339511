//! What of the source accounts and of the policies is there already. One account that has something says nothing of the others: left out is only what
//! every account has, and that these are all accounts must have been seen, too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::answers::{Answers, BackupPolicy};
use super::plan::Omitted;
use super::seen::Seen;
use super::stacks::{READER_ROLE, Stack};
use crate::arn::{AccountId, Region};
use crate::evidence::WantedPlan;

/// Accounts that are named in a sentence.
const NAMED: usize = 5;

/// Some accounts, in a sentence.
pub(super) fn listed(accounts: impl IntoIterator<Item = impl ToString>) -> String {
    let accounts = accounts.into_iter().map(|one| one.to_string()).collect::<Vec<_>>();
    let named = accounts.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match accounts.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The accounts in some targets that were listed or seen; where their paths are not known, all that are nothing else.
fn among<'a>(answers: &'a Answers, seen: &'a Seen, targets: &'a [String]) -> BTreeSet<&'a AccountId> {
    let others = [&answers.organization.management_account, &answers.backup.account, &answers.guardian.account];
    let all = seen.paths.keys().chain(seen.accounts.keys());
    all.filter(|account| seen.lies_in(account, targets).unwrap_or_else(|| !others.contains(account))).collect()
}

/// What the StackSet of the source accounts makes.
#[derive(Clone, Copy)]
enum Part {
    Vault,
    Role,
    VolumeKey,
}

/// Who has a part; and of who has it not, or was not seen, in which Regions.
#[derive(Default)]
struct There<'a> {
    has: BTreeSet<&'a AccountId>,
    lacks: BTreeMap<&'a AccountId, Vec<&'a Region>>,
    unseen: BTreeMap<&'a AccountId, Vec<&'a Region>>,
}

impl Part {
    fn name(self, answers: &Answers) -> String {
        match self {
            Self::Vault => format!("the vault `{}`", answers.sources.vault),
            Self::Role => format!("the role `{}`", answers.sources.role),
            Self::VolumeKey => "a customer managed key for new volumes".to_owned(),
        }
    }

    /// The answer that asks for it, and the one that names it.
    fn fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Vault => ("make_vault", "vault"),
            Self::Role => ("make_role", "role"),
            Self::VolumeKey => ("make_volume_key", "volume_key_alias"),
        }
    }

    fn wanted(self, answers: &mut Answers) -> &mut bool {
        match self {
            Self::Vault => &mut answers.sources.make_vault,
            Self::Role => &mut answers.sources.make_role,
            Self::VolumeKey => &mut answers.sources.make_volume_key,
        }
    }

    fn seen(self, answers: &Answers, seen: &Seen, account: &AccountId, region: &Region) -> Option<bool> {
        match self {
            Self::Vault => seen.vault(account, region, &answers.sources.vault),
            Self::Role => seen.role(account, &answers.sources.role),
            Self::VolumeKey => seen.accounts.get(account)?.regions.get(region)?.volume_key,
        }
    }

    fn there<'a>(self, answers: &'a Answers, seen: &'a Seen) -> There<'a> {
        let mut there = There::default();
        // No StackSet reaches the management account; what it is given is given beside it.
        let beside = answers.backs_up_management();
        let accounts = among(answers, seen, &answers.sources.targets);
        for account in accounts.into_iter().filter(|one| beside || **one != answers.organization.management_account) {
            for region in &answers.regions {
                match self.seen(answers, seen, account, region) {
                    Some(true) => {
                        there.has.insert(account);
                    }
                    Some(false) => there.lacks.entry(account).or_default().push(region),
                    None => there.unseen.entry(account).or_default().push(region),
                }
            }
        }
        there
    }
}

/// Accounts with those of their Regions that are meant, where these are not all.
fn with_regions(all: &BTreeMap<&AccountId, Vec<&Region>>, answers: &Answers) -> String {
    listed(all.iter().map(|(account, regions)| {
        if regions.len() == answers.regions.len() {
            return account.to_string();
        }
        let regions = regions.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(" and ");
        format!("{account} in {regions}")
    }))
}

/// What every source account has is not made again; what only some have must be decided by somebody.
pub(super) fn sources_there(answers: &mut Answers, seen: &Seen, omitted: &mut Vec<Omitted>, notes: &mut Vec<String>) {
    for part in [Part::Vault, Part::Role, Part::VolumeKey] {
        let what = part.name(answers);
        let asked = answers.clone();
        let there = part.there(&asked, seen);
        if !*part.wanted(answers) || there.has.is_empty() {
            continue;
        }
        let has = listed(&there.has);
        if there.lacks.is_empty() && there.unseen.is_empty() && seen.all_paths {
            let because = format!("every account of the targets has it: {has}");
            omitted.push(Omitted { what: format!("Make {what} in the source accounts"), because });
            notes.push(format!(
                "Who made {what} was not seen. If it was the StackSet `source-backup` of an earlier plan, never change that StackSet to the parameters of this one: what they leave out it would take away again. The step that makes its stacks gives further Regions what the others have."
            ));
            *part.wanted(answers) = false;
            answers.sources.volumes_use_the_key &= answers.sources.make_volume_key;
            continue;
        }
        let mut note = format!("Accounts {has} have {what}");
        if !there.lacks.is_empty() {
            note.push_str(&format!(", and {} have not", with_regions(&there.lacks, &asked)));
        }
        if !there.unseen.is_empty() {
            note.push_str(&format!("; of {} that was not seen", with_regions(&there.unseen, &asked)));
        }
        if !seen.all_paths {
            note.push_str("; whether further accounts lie in the targets was not seen");
        }
        let (make, name) = part.fields();
        note.push_str(&match part {
            Part::Vault | Part::Role => format!(
                ". It is planned, and where it is there the stack cannot make it again and fails: write `false` for `sources.{make}` if every account of the targets has it and no StackSet `source-backup` made it, else give `sources.{name}` another name or leave those accounts out."
            ),
            Part::VolumeKey => ". The StackSet makes one in each account and sets it as the default; volumes that exist keep theirs. Write `false` for `sources.volumes_use_the_key` if the default of those accounts shall stay.".to_owned(),
        });
        notes.push(note);
    }
}

/// A central vault that is there keeps whoever made it, so the stack is not made, nor what else it has. Then nobody is kept from the account but a
/// role that nobody made.
pub(super) fn vaults_there(answers: &mut Answers, seen: &Seen, notes: &mut Vec<String>) {
    let backup = &answers.backup;
    let there = answers.central_regions().into_iter().filter(|region| seen.vault(&backup.account, region, &backup.vault) == Some(true));
    let there = there.collect::<Vec<_>>();
    // The roles are made with the first.
    if there.is_empty() || there.first() != answers.central_regions().first() {
        return;
    }
    let mut note = format!(
        "The central vault `{}` is there, in {}, so its stack is left out, and with it the policy that admits copies, the key for the way back and the lock. `guardian topology verify` tells what of these it lacks; with another name for `backup.vault` all of it is made.",
        backup.vault,
        listed(&there)
    );
    let roles = [&backup.break_glass_role, &backup.copy_back_role];
    let missing = roles.into_iter().filter(|role| seen.role(&backup.account, role) != Some(true)).collect::<Vec<_>>();
    if !missing.is_empty() && answers.protect.backup_account {
        let named = missing.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(" and ");
        note.push_str(&format!(
            " NOT attached: the service control policy for the backup account {} (`protect.backup_account`). It leaves vault, keys and lock to `{}` alone, and {named} were not seen there: nobody could make them afterwards.",
            backup.account, backup.break_glass_role
        ));
        answers.protect.backup_account = false;
    }
    notes.push(note);
}

/// Whether the agents of the guardian are in every account, which only a list of the accounts tells.
pub(super) fn agents_there(answers: &Answers, seen: &Seen) -> bool {
    let mut members = seen.paths.keys().filter(|account| **account != answers.organization.management_account).peekable();
    let is_there = |account| seen.role(account, READER_ROLE) == Some(true) || seen.accounts.get(account).is_some_and(|one| one.read);
    seen.all_paths && members.peek().is_some() && members.all(is_there)
}

/// What a stack of a backup policy makes beside it, as far as it does.
pub(super) fn service_control_policies(stack: &Stack, policy: &BackupPolicy) -> Vec<String> {
    let given = |name: &str| stack.parameters.iter().find(|(each, _)| *each == name).map(|(_, value)| value.as_str());
    let sources = (given("ProtectSources") == Some("yes")).then(|| policy.targets.join(", "));
    let copies = given("ProtectBackupAccountId").map(|account| format!("the backup account {account}"));
    sources.into_iter().chain(copies).collect()
}

/// Whether every account of its targets has the plan of a backup policy, which then is not made again. What else was seen of the name is told.
pub(super) fn policy_there(
    answers: &Answers,
    seen: &Seen,
    policy: &BackupPolicy,
    stack: &Stack,
    name: &str,
    omitted: &mut Vec<Omitted>,
    notes: &mut Vec<String>,
) -> bool {
    let holders =
        seen.accounts.iter().filter(|(_, account)| account.wanted_plans.contains_key(name)).map(|(id, _)| id).collect::<BTreeSet<_>>();
    if holders.is_empty() {
        return false;
    }
    let members = among(answers, seen, &policy.targets);
    if !seen.all_paths || members.is_empty() || !members.is_subset(&holders) {
        notes.push(format!(
            "Accounts {} have a plan `{name}` by a policy of the organization, and not every account of the targets was seen to have it. The backup policy is planned: AWS Organizations refuses a second policy of one name, and makes one plan of two with one name. Give `policies` another name, or detach the other policy first.",
            listed(&holders)
        ));
        return false;
    }
    let plans = members.iter().filter_map(|id| seen.accounts.get(id)?.wanted_plans.get(name));
    let others = plans.flat_map(|plan| others(stack, plan)).collect::<BTreeSet<_>>();
    if !others.is_empty() {
        notes.push(format!(
            "A policy of the organization gives every account of the targets a plan `{name}`, but with {}. The backup policy is planned as the answers say. If the stack `{}` made that policy, its step changes it; if somebody else did, AWS Organizations refuses a second one of that name: change theirs, or give `policies` another name.",
            others.into_iter().collect::<Vec<_>>().join(", with "),
            stack.name
        ));
        return false;
    }
    let because =
        format!("every account of its targets has such a plan by a policy of the organization: {}; who made it keeps it", listed(&members));
    omitted.push(Omitted { what: format!("Make the backup policy `{name}`"), because });
    let scps = service_control_policies(stack, policy);
    if !scps.is_empty() {
        notes.push(format!(
            "NOT made, because the stack `{}` is left out with the backup policy `{name}`: the service control policies for {} (`protect`). Nobody looked whether they are there; `guardian topology verify` does (`source-backup-deletion-denied`, `backup-account-deletion-denied`). Where they are missing attach `SourcePolicy` and `BackupAccountPolicy` of deploy/management-account.yaml, or give `policies` another name and detach the other policy first.",
            stack.name,
            scps.join(" and for ")
        ));
    }
    true
}

/// What a plan of the organization has otherwise than a stack would make it. A text that is not there, as in evidence of earlier versions, is no
/// difference.
fn others(stack: &Stack, plan: &WantedPlan) -> Vec<&'static str> {
    let given = |name: &str| stack.parameters.iter().find(|(each, _)| *each == name).map_or("", |(_, value)| value.as_str());
    let list = |name: &str| given(name).split(',').map(str::to_owned).collect::<BTreeSet<_>>();
    let mut others = Vec::new();
    if plan.regions.iter().cloned().collect::<BTreeSet<_>>() != list("BackupRegions") {
        others.push("other Regions");
    }
    if plan.content.is_null() {
        return others;
    }
    let texts = |value: &Value, at: &str| value.pointer(at).map(text).unwrap_or_default();
    let members = |at: &str| plan.content.pointer(at).and_then(Value::as_object).into_iter().flat_map(Map::values).collect::<Vec<_>>();
    let rules = members("/rules").into_iter().map(|rule| {
        let copies = rule.pointer("/copy_actions").and_then(Value::as_object).into_iter().flatten();
        let copies = copies.map(|(vault, copy)| format!("{vault} {}", texts(copy, "/lifecycle/delete_after_days")));
        let [schedule, vault, kept] = ["/schedule_expression", "/target_backup_vault_name", "/lifecycle/delete_after_days"];
        [texts(rule, schedule), texts(rule, vault), texts(rule, kept)].into_iter().chain(copies).collect::<Vec<_>>()
    });
    let wanted = ["Daily", "Weekly", "Monthly"].into_iter().filter(|rule| !given(&format!("{rule}Schedule")).is_empty()).map(|rule| {
        let [schedule, kept, copied] = ["Schedule", "RetentionDays", "CopyRetentionDays"].map(|name| given(&format!("{rule}{name}")));
        vec![schedule.to_owned(), given("VaultName").to_owned(), kept.to_owned(), format!("{} {copied}", given("CentralVaultArn"))]
    });
    if rules.collect::<BTreeSet<_>>() != wanted.collect() {
        others.push("other schedules, retention or vaults");
    }
    let selected = members("/selections/tags").into_iter().flat_map(|selection| {
        let values = selection.get("tag_value").and_then(Value::as_array).map(|all| all.iter().map(text).collect()).unwrap_or_default();
        let values: Vec<String> = values;
        let (key, role) = (texts(selection, "/tag_key"), texts(selection, "/iam_role_arn"));
        let role = role.split_once(":role/").map_or("", |(_, name)| name).to_owned();
        values.into_iter().map(move |value| [key.clone(), value, role.clone()])
    });
    let wanted = list("TagValues").into_iter().map(|value| [given("TagKey").to_owned(), value, given("RoleName").to_owned()]);
    if selected.collect::<BTreeSet<_>>() != wanted.collect() {
        others.push("another selection or role");
    }
    others
}

/// Numbers of a backup policy are texts, and of some answers numbers.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
