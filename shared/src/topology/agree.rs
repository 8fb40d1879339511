//! What the parts of the answers must be to each other.

use super::answers::{Answers, OrganizationIds};
use super::form::Problems;
use super::names;

/// Units tell by their ids of which root they are.
fn below_the_root(answers: &Answers, problems: &Problems) {
    let OrganizationIds { id, root_id, .. } = &answers.organization;
    let policies = answers.policies.iter().enumerate().map(|(at, policy)| (format!("policies[{at}].targets"), &policy.targets));
    for (field, targets) in std::iter::once(("sources.targets".to_owned(), &answers.sources.targets)).chain(policies) {
        // A policy that names none has those of the sources, which are told there.
        let of_sources = field != "sources.targets" && *targets == answers.sources.targets;
        for (at, target) in targets.iter().enumerate().filter(|(_, target)| !of_sources && !names::is_below(root_id, target)) {
            let remedy =
                format!("its middle part names another root than `organization.root_id`, which is `{root_id}`; one of the two is mistyped");
            problems.add(format!("{field}[{at}]"), format!("is `{target}`"), remedy);
        }
    }
    for (at, path) in answers.backup.admit.iter().enumerate() {
        let mut parts = path.split('/');
        let ours =
            parts.next() == Some(id.as_str()) && parts.filter(|part| !matches!(*part, "" | "*")).all(|part| names::is_below(root_id, part));
        if !ours {
            let remedy = format!("it is no path of the organization `{id}` with the root `{root_id}`, so it would admit nobody");
            problems.add(format!("backup.admit[{at}]"), format!("is `{path}`"), remedy);
        }
    }
}

/// The vault that AWS Backup makes by itself, under a key that no other account may use.
const VAULT_OF_AWS: &str = "Default";
/// How the names of roles begin that are made by others: by the agents and the stack of the guardian, and by StackSets. Service control policies leave the
/// latter alone, and some of the former.
const TAKEN: [(&str, &str); 2] = [
    ("backup-guardian-", "so begin the roles of the guardian itself"),
    ("stacksets-exec-", "so begin the roles with which StackSets deploy, and the service control policies leave these alone"),
];

/// IAM does not tell names apart by upper and lower case.
fn same_role(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn taken(name: &str) -> Option<&'static str> {
    let begins = |with: &str| name.get(..with.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(with));
    TAKEN.into_iter().find(|(with, _)| begins(with)).map(|(_, why)| why)
}

/// Every role has a name of its own.
fn roles(answers: &Answers, problems: &Problems) {
    let backup = &answers.backup;
    let named = [
        ("sources.role", answers.sources.role.as_str()),
        ("backup.break_glass_role", backup.break_glass_role.as_str()),
        ("backup.copy_back_role", backup.copy_back_role.as_str()),
    ];
    for (field, name) in named {
        if let Some(why) = taken(name) {
            problems.add(field, format!("is `{name}`"), format!("{why}; give it another name"));
        }
    }
    let glass = &backup.break_glass_role;
    for (field, other, does) in
        [("backup.copy_back_role", &backup.copy_back_role, "copies back"), ("sources.role", &answers.sources.role, "makes the backups")]
    {
        if same_role(glass, other) {
            problems.add(
                "backup.break_glass_role",
                format!("is `{glass}`, and so is `{field}`"),
                format!("who may open the vault must not be what AWS Backup {does} with; give one of the two another name"),
            );
        }
    }
}

/// Every vault and every alias has a name that nobody else gives.
fn vaults(answers: &Answers, problems: &Problems) {
    let (sources, backup) = (&answers.sources, &answers.backup);
    let made = [
        ("sources.vault", sources.make_vault.then_some(&sources.vault)),
        ("backup.vault", Some(&backup.vault)),
        ("backup.air_gapped_vault", backup.air_gapped_vault.as_ref()),
    ];
    for (field, _) in made.into_iter().filter(|(_, name)| name.is_some_and(|name| name == VAULT_OF_AWS)) {
        let also = if field == "sources.vault" { ", or write `false` for `sources.make_vault` and keep that one" } else { "" };
        problems.add(
            field,
            format!("is `{VAULT_OF_AWS}`"),
            format!(
                "AWS Backup makes a vault of this name by itself, under a key that no other account may use; give it another name{also}"
            ),
        );
    }
    if sources.make_vault && sources.make_volume_key && sources.volume_key_alias == sources.vault {
        problems.add(
            "sources.volume_key_alias",
            format!("is `{}`, and so is `sources.vault`", sources.vault),
            "the key of the vault has its name as its alias, and no second key can have it; give one of the two another name",
        );
    }
}

/// What holds between the parts.
pub(super) fn agree(answers: &Answers, problems: &Problems) {
    let management = &answers.organization.management_account;
    for (field, account, why) in [
        ("backup.account", &answers.backup.account, "no service control policy protects copies there"),
        ("guardian.account", &answers.guardian.account, "what watches the organization does not live where it is owned"),
    ] {
        if account == management {
            problems.add(field, format!("is `{account}`"), format!("that is the management account, and {why}; name another account"));
        }
    }
    if answers.delegated_administrator.as_ref() == Some(management) {
        let wrong = format!("is `{management}`");
        problems.add("delegated_administrator", wrong, "that is the management account itself; name another account or leave it out");
    }
    if answers.sources.volumes_use_the_key && !answers.sources.make_volume_key {
        let remedy = "without `make_volume_key` there is no key that they could use; write `false`";
        problems.add("sources.volumes_use_the_key", "is `true`", remedy);
    }
    below_the_root(answers, problems);
    roles(answers, problems);
    vaults(answers, problems);
    let root = &answers.organization.root_id;
    let reached = answers.sources.targets.contains(root);
    for (at, _) in answers.policies.iter().enumerate().filter(|(_, policy)| !reached && policy.targets.contains(root)) {
        problems.add(
            format!("policies[{at}].targets"),
            format!("has the root `{root}`"),
            "accounts outside of `sources.targets` would have plans without a vault and a role; name the root there, too, or units here",
        );
    }
    let mut partitions = answers.regions.iter().chain([&answers.guardian.region]).chain(&answers.backup.region);
    let principal = answers.backup.break_glass_principal.partition();
    if let Some(other) = partitions.find(|region| region.partition() != principal) {
        problems.add(
            "regions",
            format!("and `backup.break_glass_principal` are not of one partition (`{other}` is of `{}`)", other.partition()),
            "an organization lives in one partition; name its Regions and its ARNs",
        );
    }
}
