//! What of the answers does not fit what was seen, and what somebody should know before the first step.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{Answers, LockMode};
use super::form::Problem;
use super::names;
use super::seen::Seen;
use super::there::listed;
use crate::arn::Region;
use crate::coverage::ResourceType;
use crate::policy::wildcard_matches;

/// What cannot be, by what was seen.
pub(super) fn against(answers: &Answers, seen: &Seen) -> Vec<Problem> {
    let mut problems = Vec::new();
    let backup = &answers.backup.account;
    let within = |target: &String| seen.lies_in(backup, std::slice::from_ref(target)) == Some(true);
    for (at, policy) in answers.policies.iter().enumerate() {
        if let Some(target) = policy.targets.iter().find(|target| within(target)).filter(|_| answers.protect.sources) {
            let (wrong, mend) = if target == backup.as_str() {
                (format!("has `{target}`, which is `backup.account`"), "leave it out")
            } else {
                (format!("has `{target}`, in which the backup account {backup} lies"), "move that account, name other units")
            };
            problems.push(Problem {
                field: format!("policies[{at}].targets"),
                wrong,
                remedy: format!("`protect.sources` would bind its break-glass role, too: {mend}, or write `false`"),
            });
        }
    }
    problems.extend(both_in_one_account(answers, seen));
    problems.extend(not_admitted(answers, seen));
    problems
}

/// What the StackSet of the sources and the stack of the copies both make under one name, where the targets have the backup account among them.
fn both_in_one_account(answers: &Answers, seen: &Seen) -> Vec<Problem> {
    let (sources, backup) = (&answers.sources, &answers.backup);
    let within = sources.targets.contains(&answers.organization.root_id) || seen.lies_in(&backup.account, &sources.targets) == Some(true);
    let together = answers.central_regions().iter().any(|region| answers.regions.contains(region));
    let (role, back) = (&sources.role, &backup.copy_back_role);
    let [vault, alias] = [(sources.make_vault, &sources.vault), (sources.make_volume_key, &sources.volume_key_alias)];
    let collides = |(made, name): (bool, &String), other: &String| made && together && name == other;
    let pairs = [
        (sources.make_role && role.eq_ignore_ascii_case(back), "sources.role", role, "backup.copy_back_role"),
        (collides(vault, &backup.vault), "sources.vault", vault.1, "backup.vault"),
        (backup.air_gapped_vault.as_ref().is_some_and(|other| collides(vault, other)), "sources.vault", vault.1, "backup.air_gapped_vault"),
        // The alias of a key is the name of its vault.
        (collides(alias, &backup.vault), "sources.volume_key_alias", alias.1, "backup.vault"),
    ];
    let found = pairs.into_iter().filter(|(collide, ..)| within && *collide);
    let problem = |(_, field, name, other): (bool, &str, &String, &str)| Problem {
        field: field.to_owned(),
        wrong: format!("is `{name}`, and so is `{other}`"),
        remedy: format!(
            "`sources.targets` have the backup account {} among them, where the second stack of the two would fail; give one another name",
            backup.account
        ),
    };
    found.map(problem).collect()
}

/// Accounts whose copies the central vault would refuse.
fn not_admitted(answers: &Answers, seen: &Seen) -> Option<Problem> {
    let admit = &answers.backup.admit;
    let kept_out = |path: &String| !admit.is_empty() && !admit.iter().any(|pattern| wildcard_matches(pattern, path));
    let planned = |account| answers.policies.iter().any(|policy| seen.lies_in(account, &policy.targets) == Some(true));
    let out = seen.paths.iter().filter(|(account, path)| kept_out(path) && planned(account)).map(|(account, _)| account);
    let out = out.collect::<Vec<_>>();
    (!out.is_empty()).then(|| Problem {
        field: "backup.admit".to_owned(),
        wrong: format!("does not admit {}, which `policies` back up", listed(&out)),
        remedy: "every copy of theirs would be refused; name the path of their unit, with `*` for the units below it, or leave `admit` out"
            .to_owned(),
    })
}

/// Targets in which nobody lies, and targets of policies whose accounts get no vault and no role.
fn targets(answers: &Answers, seen: &Seen, notes: &mut Vec<String>) {
    let policies = answers.policies.iter().enumerate().map(|(at, policy)| (format!("policies[{at}].targets"), &policy.targets));
    let all = std::iter::once(("sources.targets".to_owned(), &answers.sources.targets)).chain(policies);
    for (field, targets) in all {
        let of_sources = field == "sources.targets";
        if !of_sources && *targets == answers.sources.targets {
            continue;
        }
        for (at, target) in targets.iter().enumerate() {
            let target = std::slice::from_ref(target);
            let mut inside = seen.paths.keys().filter(|account| seen.lies_in(account, target) == Some(true)).peekable();
            if seen.all_paths && inside.peek().is_none() {
                notes.push(format!(
                    "`{field}[{at}]`, `{}`: no account of the organization lies in it. If it is mistyped its step fails; if it is empty so far, all is well.",
                    target.concat()
                ));
                continue;
            }
            let below = seen.all_paths && inside.all(|account| seen.lies_in(account, &answers.sources.targets) == Some(true));
            let named = answers.sources.targets.iter().any(|one| target.contains(one) || *one == answers.organization.root_id);
            if !of_sources && !named && !below {
                notes.push(format!(
                    "`{field}[{at}]`, `{}`, is not among `sources.targets`: accounts of it that lie in none of these get plans without the vault `{}` and the role `{}`, and every backup there fails. Name it there, too, or make both in them.",
                    target.concat(),
                    answers.sources.vault,
                    answers.sources.role
                ));
            }
        }
    }
}

/// What is spelt as AWS allows, and is nothing that this version knows.
fn spelling(answers: &Answers, notes: &mut Vec<String>) {
    let regions = answers.regions.iter().chain(&answers.backup.region).chain([&answers.guardian.region]);
    let mut unknown = regions.map(Region::as_str).filter(|region| !names::REGIONS.contains(region)).collect::<Vec<_>>();
    unknown.sort_unstable();
    unknown.dedup();
    notes
        .extend(unknown.into_iter().map(|region| format!("`{region}` is no Region that this version knows: see that it is not mistyped.")));
    let unknown =
        answers.resource_types.iter().filter(|kind| ResourceType::named(kind).all(|known| known.names().all(|name| name != kind.as_str())));
    notes.extend(unknown.map(|kind| {
        format!("`{kind}` in `resource_types` is no type that this version knows: see that it is written as `aws backup get-supported-resource-types` has it.")
    }));
}

/// Service control policies that one target can have beside others: AWS Organizations takes a handful, that which allows everything among them.
const MOST_ATTACHED: usize = 3;

/// Targets to which many policies are attached: those of one list of targets share one, those of others bring their own.
fn attached(answers: &Answers, notes: &mut Vec<String>) {
    if !answers.protect.sources {
        return;
    }
    let lists = answers.policies.iter().map(|policy| &policy.targets).collect::<BTreeSet<_>>();
    let mut counted = BTreeMap::<&String, usize>::new();
    for target in lists.into_iter().flat_map(|list| list.iter().collect::<BTreeSet<_>>()) {
        *counted.entry(target).or_default() += 1;
    }
    notes.extend(counted.into_iter().filter(|(_, count)| *count > MOST_ATTACHED).map(|(target, count)| {
        format!(
            "{count} service control policies would be attached to `{target}`, one for each list of targets that has it, and AWS Organizations takes a handful for one target: the last steps may fail with their backup policies. Give policies the same `targets`, or name units below."
        )
    }));
}

/// What no step does.
pub(super) fn to_know(answers: &Answers, seen: &Seen) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(at) = seen.as_of {
        notes.push(format!("What is there already is as of {}. What was changed since is not known.", at.strftime("%Y-%m-%d %H:%M UTC")));
    }
    targets(answers, seen, &mut notes);
    attached(answers, &mut notes);
    spelling(answers, &mut notes);
    notes.extend([
        "On the machine: version 2 of the AWS CLI, and for `make deploy` a Rust toolchain (rustup), a C compiler, Python 3.11 or later with venv, and make.".to_owned(),
        format!(
            "The guardian reserves 25 concurrent executions of Lambda in account {}, beside the 100 that AWS keeps unreserved. Where the account has a lower quota, as new ones have, ask for more, or take the line `ReserveConcurrency=no` of samconfig.toml in for the time being.",
            answers.guardian.account
        ),
        "AWS sends e-mails to confirm, one for the alerts, one for the alarms about the guardian itself, and one for the notifications of the central vault where `backup.notification_email` is given. Until they are confirmed nobody hears anything.".to_owned(),
        "A CloudTrail trail with management events, those of AWS KMS included, must see every account and Region with backups or copies: the refused calls that explain a failed copy are recorded there.".to_owned(),
        format!(
            "Somebody must be able to break the glass: {} takes the role `{}` with a second factor. Without it nobody can change the central vault once its stack is there. It must exist before that stack is made: IAM refuses to trust whom it does not know. Give it its password and its second factor before the last step: the service control policies let nobody do that afterwards.",
            answers.backup.break_glass_principal, answers.backup.break_glass_role
        ),
        format!(
            "If AWS Organizations created account {}, the management account may take the role `OrganizationAccountAccessRole` there, and whoever takes the management account over has the copies, too: `guardian topology verify` tells it (BKC-014, high). Take the role away once the break-glass role works, or name it in `outside_roles` of the baseline.",
            answers.backup.account
        ),
    ]);
    if !answers.protect.backup_account {
        notes.push(format!(
            "No service control policy protects {}, nor the role `{}` that it takes (`protect.backup_account` is `false`): whoever takes account {} over makes himself one of them and opens the vault. `guardian topology verify` tells it (BKC-017, high).",
            answers.backup.break_glass_principal, answers.backup.break_glass_role, answers.backup.account
        ));
    }
    if let Some(vault) = &answers.backup.air_gapped_vault {
        notes.push(format!(
            "The air-gapped vault `{vault}` is made and locked for good (retention of {} to {} days), and no policy of this plan copies into it: what shall lie there needs a plan of its own.",
            answers.backup.lock.min_days, answers.backup.lock.max_days
        ));
    }
    if answers.guardian.account == answers.backup.account {
        notes.push(
            "The guardian lives in the backup account: the service control policy there keeps its key as it is, too, so a change of that key, or the end of its stack, needs the break-glass role. An account of its own for the guardian spares that.".to_owned(),
        );
    }
    if answers.backup.lock.mode == LockMode::Compliance {
        notes.push(format!(
            "The lock of the central vault is in compliance mode: {} days after its stack was made nobody can take it away any more. See copies arrive before that, and the accounts' bills. Whoever may copy into the vault can then store copies for up to {} days (`backup.lock.max_days`) that nobody can delete.",
            answers.backup.lock.grace_days, answers.backup.lock.max_days
        ));
    }
    if answers.sources.targets.contains(&answers.organization.root_id) {
        notes.push(
            "Everything goes to the whole organization, the backup account and the guardian's included: a workload in one of them would be backed up from there.".to_owned(),
        );
        if answers.sources.make_vault {
            notes.push(format!(
                "In the backup account that makes the vault `{}` beside the central one. It has no lock: what lies in it can be deleted by whoever may in that account.",
                answers.sources.vault
            ));
        }
    }
    if answers.delegated_administrator.as_ref() == Some(&answers.backup.account) {
        notes.push(format!(
            "Account {} keeps the copies and is the delegated administrator of AWS Backup, too: who takes it over has the copies and may be given the backup policies. Another account for the second office keeps the two apart.",
            answers.backup.account
        ));
    }
    if answers.protect.sources
        && answers.policies.iter().any(|policy| policy.targets.iter().any(|one| one == answers.organization.management_account.as_str()))
    {
        notes.push("No service control policy binds the management account, not even where it is named: its administrators may delete its backups.".to_owned());
    }
    if let Some(id) = &answers.delegated_administrator {
        notes.push(format!(
            "From account {id} jobs of other accounts are seen only once cross-account monitoring is on (console of AWS Backup in the management account, Settings), and backup policies are changed only once the management account delegated them: `aws organizations put-resource-policy --content file://delegation.json`, with the backup policy actions of Organizations for that account. No step does either; the plan needs neither."
        ));
    }
    if answers.resource_types.is_empty() {
        notes.push(
            "Resource types are left as they are (`resource_types` switches them on): what is off in the management account is not backed up by any backup policy.".to_owned(),
        );
    }
    notes.push(
        "Tables of DynamoDB are copied into other accounts only where its advanced features are on in their account and Region: in the source accounts by `TablesUseAdvancedFeatures=yes` of the StackSet `source-backup`, elsewhere by `aws backup update-region-settings --resource-type-management-preference DynamoDB=true`, once in each.".to_owned(),
    );
    if seen.nothing() {
        notes.push(
            "Nothing was seen: what is there already makes its step fail, and AWS says so. With `--evidence` of `guardian collect` it is left out; that reads by the role `backup-guardian-reader`, so the steps that make that role come first, then `guardian collect`, then this again."
                .to_owned(),
        );
    }
    notes
}
