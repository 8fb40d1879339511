//! What of the answers does not fit what was seen, and what somebody should know before the first step.

use std::collections::BTreeSet;

use super::answers::{Answers, LockMode};
use super::form::Problem;
use super::plan::Omitted;
use super::seen::Seen;
use crate::arn::{AccountId, Region};

/// Accounts that are named in a sentence.
const NAMED: usize = 5;

/// What cannot be, by what was seen.
pub(super) fn against(answers: &Answers, seen: &Seen) -> Vec<Problem> {
    let mut problems = Vec::new();
    let backup = &answers.backup.account;
    let Some(path) = seen.paths.get(backup) else { return problems };
    let within = |target: &String| path.split('/').any(|unit| unit == target);
    for (at, policy) in answers.policies.iter().enumerate() {
        if let Some(target) = policy.targets.iter().find(|target| within(target)).filter(|_| answers.protect.sources) {
            problems.push(Problem {
                field: format!("policies[{at}].targets"),
                wrong: format!("has `{target}`, in which the backup account {backup} lies"),
                remedy: "`protect.sources` would bind its break-glass role, too: move that account, name other units, or write `false`"
                    .to_owned(),
            });
        }
    }
    problems
}

/// The source accounts that were seen: all in the targets; where paths are not known, all that are nothing else.
fn sources<'a>(answers: &'a Answers, seen: &'a Seen) -> impl Iterator<Item = &'a AccountId> {
    let others = [&answers.organization.management_account, &answers.backup.account, &answers.guardian.account];
    seen.accounts.keys().filter(move |account| match seen.paths.get(*account) {
        Some(path) => path.split('/').any(|unit| answers.sources.targets.iter().any(|target| target == unit)),
        None => !others.contains(account),
    })
}

fn listed(accounts: &BTreeSet<&AccountId>) -> String {
    let named = accounts.iter().take(NAMED).map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    match accounts.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What the StackSet of the source accounts makes.
#[derive(Clone, Copy)]
enum Part {
    Vault,
    Role,
    VolumeKey,
}

impl Part {
    fn name(self, answers: &Answers) -> String {
        match self {
            Self::Vault => format!("the vault `{}`", answers.sources.vault),
            Self::Role => format!("the role `{}`", answers.sources.role),
            Self::VolumeKey => "a customer managed key for new volumes".to_owned(),
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

    /// In which of the source accounts that were seen it is in some Region, and in which it is not in every one, or was not seen.
    fn there<'a>(self, answers: &'a Answers, seen: &'a Seen) -> (BTreeSet<&'a AccountId>, BTreeSet<&'a AccountId>) {
        let (mut some, mut others) = (BTreeSet::new(), BTreeSet::new());
        for account in sources(answers, seen) {
            let found = answers.regions.iter().map(|region| self.seen(answers, seen, account, region)).collect::<Vec<_>>();
            if found.contains(&Some(true)) {
                some.insert(account);
            }
            if found.iter().any(|one| *one != Some(true)) {
                others.insert(account);
            }
        }
        (some, others)
    }
}

/// What every source account has is not made again; what only some have must be decided by somebody.
pub(super) fn sources_there(answers: &mut Answers, seen: &Seen, omitted: &mut Vec<Omitted>, notes: &mut Vec<String>) {
    for part in [Part::Vault, Part::Role, Part::VolumeKey] {
        let what = part.name(answers);
        let asked = answers.clone();
        let (some, others) = part.there(&asked, seen);
        if !*part.wanted(answers) || some.is_empty() {
            continue;
        }
        if others.is_empty() {
            let because = format!("every source account that was seen has it: {}", listed(&some));
            omitted.push(Omitted { what: format!("Make {what} in the source accounts"), because });
            *part.wanted(answers) = false;
            answers.sources.volumes_use_the_key &= answers.sources.make_volume_key;
            continue;
        }
        let accounts = listed(&some);
        notes.push(match part {
            Part::Vault | Part::Role => format!(
                "Accounts {accounts} have {what}, and others have not. There the stack cannot make it again and fails: give `sources.{}` another name, or leave those accounts out.",
                if matches!(part, Part::Vault) { "vault" } else { "role" }
            ),
            Part::VolumeKey => format!(
                "Accounts {accounts} have {what}, and others have none. The StackSet makes one in each and sets it as the default; volumes that exist keep theirs. Write `false` for `sources.volumes_use_the_key` if the default of those accounts shall stay."
            ),
        });
    }
}

/// What no step does.
pub(super) fn to_know(answers: &Answers, seen: &Seen) -> Vec<String> {
    let mut notes = vec![
        "A CloudTrail trail with management events, those of AWS KMS included, must see every account and Region with backups or copies: the refused calls that explain a failed copy are recorded there.".to_owned(),
        format!(
            "Somebody must be able to break the glass: {} takes the role `{}` with a second factor. Without it nobody can change the central vault once its stack is there.",
            answers.backup.break_glass_principal, answers.backup.break_glass_role
        ),
    ];
    if answers.backup.lock.mode == LockMode::Compliance {
        notes.push(format!(
            "The lock of the central vault is in compliance mode: {} days after its stack was made nobody can take it away any more. See copies arrive before that, and the accounts' bills.",
            answers.backup.lock.grace_days
        ));
    }
    if answers.sources.targets.contains(&answers.organization.root_id) {
        notes.push(
            "Everything goes to the whole organization, the backup account and the guardian's included: a workload in one of them would be backed up from there.".to_owned(),
        );
    }
    if answers.resource_types.is_empty() {
        notes.push(
            "Resource types are left as they are (`resource_types` switches them on): what is off in the management account is not backed up by any backup policy.".to_owned(),
        );
    }
    notes.push(
        "Tables of DynamoDB are copied into other accounts only where its advanced features are on in their account and Region: `aws backup update-region-settings --resource-type-management-preference DynamoDB=true`, once in each.".to_owned(),
    );
    if *seen == Seen::default() {
        notes.push(
            "Nothing was looked at: what is there already makes its step fail, and AWS says so. With `--evidence` it is left out."
                .to_owned(),
        );
    }
    notes
}
