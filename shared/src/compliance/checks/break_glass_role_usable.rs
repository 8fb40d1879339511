//! The role that alone may change a vault of copies or its key can be taken, and may.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::arn::{AccountId, Arn, Region};
use crate::compliance::guard::Found;
use crate::compliance::bound::Bound;
use crate::compliance::probe::{Caller, Says};
use crate::compliance::say::{every, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders, probe};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, Gap, GapReason, KeyManager, PolicyLevels, Role};
use crate::policy::{Context, Document, Named, Policies, roles_left_alone};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-087",
        name: "break-glass-role-usable",
        title: "The role that alone may change a vault of copies or its key can be taken, and may",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &[
            "backup:GetBackupVaultAccessPolicy",
            "kms:GetKeyPolicy",
            "kms:ListAliases",
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "organizations:ListPoliciesForTarget",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html",
        ],
        page: include_str!("break-glass-role-usable.md"),
    },
    judge: Judge::Account(judge),
};

/// What changes a policy, or what service control policies keep: one of each is enough.
const VAULT_POLICY: &[&str] = &["backup:PutBackupVaultAccessPolicy", "backup:DeleteBackupVaultAccessPolicy"];
const KEY_POLICY: &[&str] = &["kms:PutKeyPolicy"];
const LOCK: &[&str] = &["backup:DeleteBackupVaultLockConfiguration", "backup:PutBackupVaultLockConfiguration"];
const NOTIFICATIONS: &[&str] = &["backup:PutBackupVaultNotifications", "backup:DeleteBackupVaultNotifications"];
const SETTINGS: &[&str] = &["backup:UpdateRegionSettings"];

/// What an answer depends on where a role was not read.
const UNREAD: &str = "the role";

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| vec![of(view)])
}

/// Something that the account has left to roles by name.
struct Deed<'a> {
    actions: &'static [&'static str],
    /// A vault or a key; `*` where AWS defines no resource.
    on: String,
    region: &'a Region,
    /// The policy of that thing.
    policy: Option<&'a Value>,
    /// The aliases of a key; a role may know it by one.
    aliases: Option<&'a Fact<Vec<String>>>,
    roles: BTreeSet<Arn>,
}

fn of(view: &AccountView<'_>) -> Outcome {
    let subject = view.place().here();
    let Some(management) = view.is_management_account() else {
        return Outcome::unseen(subject, "which account is the management account", &view.organization.organization);
    };
    let levels = match view.account.scps.known() {
        _ if management => None,
        Some(levels) => Some(levels),
        None => return Outcome::unseen(subject, "the service control policies", &view.account.scps),
    };
    let Found { things: deeds, open, mut gaps } = deeds(view, levels);
    if deeds.is_empty() {
        return if open {
            Outcome::unknown(subject, "not seen: which changes are left to one role", gaps)
        } else {
            Outcome::not_applicable(subject, "no policy of a vault of copies or of its key leaves its change to a role by name")
        };
    }
    let named = deeds.iter().flat_map(|deed| deed.roles.iter().cloned()).collect::<BTreeSet<_>>();
    let states = named.iter().map(|arn| (arn.clone(), state(view, arn))).collect::<BTreeMap<_, _>>();
    let (mut lacks, mut depends) = (Vec::new(), BTreeSet::new());
    for deed in &deeds {
        let says = deed.roles.iter().map(|role| may(view, deed, states.get(role), levels)).collect::<Vec<_>>();
        if says.contains(&Says::Yes) {
            continue;
        }
        let on = says.into_iter().filter_map(|says| if let Says::Depends(on) = says { Some(on) } else { None });
        let on = on.flatten().collect::<Vec<_>>();
        if on.is_empty() {
            lacks.push(deed);
        } else {
            gaps.extend(deed.aliases.and_then(Fact::gap).cloned());
            depends.extend(on);
        }
    }
    let evidence = named.iter().map(|arn| arn.as_str().to_owned()).collect::<Vec<_>>();
    if !lacks.is_empty() {
        return fail(view, &lacks, &states).from(evidence);
    }
    if let Some(outcome) = bare(view, &states) {
        return outcome.from(evidence);
    }
    if !depends.is_empty() {
        gaps.extend(states.values().filter_map(|state| if let State::Unseen(gap) = state { gap.clone() } else { None }));
        let on = depends.into_iter().collect::<Vec<_>>();
        if on == [UNREAD] {
            return Outcome::unknown(subject, format!("not seen: {}, to which policies leave changes alone", names(&named)), gaps);
        }
        return Outcome::unknown(subject, format!("whether what is left to {} can be done depends on {}", names(&named), listed(&on)), gaps);
    }
    if open {
        return Outcome::unknown(subject, "not seen: everything that is left to one role", gaps);
    }
    Outcome::pass(subject, format!("somebody may take {} and do what policies leave to it alone: {}", names(&named), listed(&done(&deeds))))
        .from(evidence)
}

/// The first action of each deed.
fn done(deeds: &[Deed<'_>]) -> Vec<&'static str> {
    let all = deeds.iter().filter_map(|deed| deed.actions.first().copied()).collect::<BTreeSet<_>>();
    all.into_iter().collect()
}

fn names(roles: &BTreeSet<Arn>) -> String {
    every(&roles.iter().filter_map(|arn| arn.role_name()).collect::<Vec<_>>())
}

/// What the policies of the vaults and of their keys leave to roles by name, and what service control policies leave to the same roles.
fn deeds<'a>(view: &AccountView<'a>, levels: Option<&PolicyLevels>) -> Found<Deed<'a>> {
    let mut used = view.used();
    let mut found = Found { things: Vec::new(), open: used.open, gaps: std::mem::take(&mut used.gaps) };
    let bound = levels.map(|levels| Bound::new(view, levels));
    for (inventory, vault) in used.things {
        let arn = &vault.vault.arn;
        let Some((region, _)) = arn.region().and_then(|region| view.account.regions.get_key_value(&region)) else { continue };
        let before = found.things.len();
        match vault.policy.known() {
            None => found.miss(vault.policy.gap()),
            Some(policy) => found.things.extend(left(view, VAULT_POLICY, arn, region, policy.document.as_ref(), None)),
        }
        let key = vault.vault.encryption_key_arn.as_ref().and_then(|key| Some((key, inventory.keys.get(key)?)));
        if let Some((key, inventory)) = key.filter(|(_, key)| key.key.known().is_none_or(|key| key.manager != Some(KeyManager::Aws))) {
            match inventory.policy.known() {
                None => found.miss(inventory.policy.gap()),
                Some(policy) => found.things.extend(left(view, KEY_POLICY, key, region, Some(&policy.document), Some(&inventory.aliases))),
            }
        }
        let roles = found.things.iter().skip(before).flat_map(|deed| deed.roles.iter().cloned()).collect::<BTreeSet<_>>();
        let Some(bound) = bound.as_ref().filter(|_| !roles.is_empty()) else { continue };
        for (actions, on) in [(LOCK, arn.as_str()), (NOTIFICATIONS, arn.as_str()), (SETTINGS, "*")] {
            let left = roles.iter().filter(|role| actions.iter().any(|action| bound.leaves_to(role.as_str(), action, on, region.as_str())));
            let roles = left.cloned().collect::<BTreeSet<_>>();
            if !roles.is_empty() {
                let policy = vault.policy.known().and_then(|policy| policy.document.as_ref()).filter(|_| on != "*");
                found.things.push(Deed { actions, on: on.to_owned(), region, policy, aliases: None, roles });
            }
        }
    }
    found
}

/// What the policy of a thing denies to an administrator of the account and leaves to a role that it names.
fn left<'a>(
    view: &AccountView<'_>,
    actions: &'static [&'static str],
    thing: &Arn,
    region: &'a Region,
    policy: Option<&'a Value>,
    aliases: Option<&'a Fact<Vec<String>>>,
) -> Option<Deed<'a>> {
    let document = policy?;
    let account = &view.account.account_id;
    let list = actions.iter().map(|action| (*action, thing.as_str())).collect::<Vec<_>>();
    let administrator = probe::left_by_policy(view, thing.partition(), policy, &list);
    if !administrator.left.is_empty() {
        return None;
    }
    let policies = Policies { identity: vec![probe::everything()], resource: Some(Document::read(document)), ..Policies::default() };
    let mut roles = roles_left_alone(document, account, thing.partition());
    roles.retain(|role| {
        let caller = caller(view, role.as_str(), account);
        let may = |action: &&str| caller.may(action, (thing.as_str(), account.as_str()), caller.context(None), &policies) == Says::Yes;
        actions.iter().any(may)
    });
    (!roles.is_empty()).then(|| Deed { actions, on: thing.as_str().to_owned(), region, policy, aliases, roles })
}

fn caller<'a>(view: &AccountView<'a>, arn: &str, account: &'a AccountId) -> Caller<'a> {
    Caller { arn: arn.to_owned(), organization_id: view.organization_id(), ..Caller::administrator(account, "") }
}

/// A role as far as it was seen.
enum State<'a> {
    Gone,
    Unseen(Option<Gap>),
    /// Nobody may take it; these could, if the sessions of roles had a second factor. Untrusted text.
    Closed(BTreeSet<String>),
    /// Whether somebody may depends on these.
    Ajar(&'a Role, Vec<String>),
    /// Somebody may, and these without a second factor, though they could have one. Untrusted text.
    Open(&'a Role, BTreeSet<String>),
}

fn state<'a>(view: &AccountView<'a>, arn: &Arn) -> State<'a> {
    let account = view.account;
    let fact = account.exempt.get(arn).or_else(|| account.roles.get(arn)).or_else(|| account.carriers.get(arn));
    let role = match fact {
        Some(Fact::Known { value, .. }) => value,
        Some(Fact::Gap(gap)) if gap.reason == GapReason::NotFound => return State::Gone,
        fact => return State::Unseen(fact.and_then(Fact::gap).cloned()),
    };
    lets_in(view, role)
}

/// Whether the trust policy of a role lets somebody of the organization in, who may do everything by his own policies and has a second factor where he can
/// have one.
fn lets_in<'a>(view: &AccountView<'a>, role: &'a Role) -> State<'a> {
    let Some(trust) = &role.trust else { return State::Ajar(role, vec!["its trust policy".to_owned()]) };
    let own = &view.account.account_id;
    let named = Named::read(trust);
    let policies = Policies { identity: vec![probe::everything()], resource: Some(Document::read(trust)), ..Policies::default() };
    let (mut open, mut bare, mut unmet) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut enters = false;
    if named.open || !named.federated.is_empty() {
        open.push("who comes by what its trust policy names".to_owned());
    }
    let everybody = named.everybody.then(|| format!("arn:{}:iam::{own}:root", role.arn.partition()));
    for principal in named.aws.iter().cloned().chain(everybody) {
        // Of whoever was deleted an id is left, which is no ARN.
        let account = Arn::parse(&principal).ok().and_then(|arn| arn.account()).or_else(|| AccountId::parse(&principal).ok());
        let Some(account) = account else { continue };
        if account != *own {
            match view.organization.members.known() {
                None => {
                    open.push("the accounts of the organization".to_owned());
                    continue;
                }
                Some(_) if view.organization.member(&account).is_none() => continue,
                Some(_) => {}
            }
        }
        let whole = principal.ends_with(":root") || principal == account.as_str();
        let one = |kind: &str| format!("arn:{}:iam::{account}:{kind}/administrator", role.arn.partition());
        let arns = if whole { vec![one("user"), one("role")] } else { vec![principal.clone()] };
        for arn in arns {
            let caller = caller(view, &arn, &account);
            let says = |factor: Option<&str>| {
                let mut context = caller.context(None);
                set_factor(&mut context, factor);
                caller.may("sts:AssumeRole", (role.arn.as_str(), own.as_str()), context, &policies)
            };
            let user = is_user(&arn);
            match says(user.then_some("true")) {
                Says::Yes => enters = true,
                Says::Depends(on) => open.extend(on),
                Says::No if !user && says(Some("true")) != Says::No => drop(unmet.insert(principal.clone())),
                Says::No => {}
            }
            // With a key and no second factor the condition key is not there; with a password and none it is false.
            if user && (says(None) == Says::Yes || says(Some("false")) == Says::Yes) {
                bare.insert(principal.clone());
            }
        }
    }
    match (enters, open.is_empty()) {
        (true, _) => State::Open(role, bare),
        (false, true) => State::Closed(unmet),
        (false, false) => State::Ajar(role, open),
    }
}

/// Whether a principal is a user. What AssumeRole gives out says nothing of a second factor, so that no session of a role has one
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html>).
fn is_user(arn: &str) -> bool {
    Arn::parse(arn).is_ok_and(|arn| arn.resource().starts_with("user/"))
}

fn set_factor(context: &mut Context, factor: Option<&str>) {
    match factor {
        Some(factor) => context.set("aws:MultiFactorAuthPresent", factor),
        None => context.set_absent("aws:MultiFactorAuthPresent"),
    }
    match factor {
        Some("true") => context.set("aws:MultiFactorAuthAge", "0"),
        _ => context.set_absent("aws:MultiFactorAuthAge"),
    }
}

/// Whether a role does one of the actions of a deed.
fn may(view: &AccountView<'_>, deed: &Deed<'_>, state: Option<&State<'_>>, levels: Option<&PolicyLevels>) -> Says {
    let (role, gate) = match state {
        Some(State::Open(role, _)) => (*role, None),
        Some(State::Ajar(role, on)) => (*role, Some(on)),
        Some(State::Gone | State::Closed(_)) => return Says::No,
        Some(State::Unseen(_)) | None => return Says::Depends(vec![UNREAD.to_owned()]),
    };
    let account = &view.account.account_id;
    // What service control policies deny to everybody the management account must give free first; those that leave the role alone are to let it through.
    let names = |levels: &&PolicyLevels| {
        let documents = levels.levels.iter().flatten().map(|policy| &policy.document);
        documents.into_iter().any(|document| roles_left_alone(document, account, role.arn.partition()).contains(&role.arn))
    };
    let scps = levels.filter(names).map(holders::documents).unwrap_or_default();
    let policies = Policies { scps, resource: deed.policy.map(Document::read), ..holders::policies(role) };
    let caller = caller(view, role.arn.as_str(), account);
    let mut open = Vec::new();
    for action in deed.actions {
        match caller.may(action, (&deed.on, account.as_str()), context(&caller, deed), &policies) {
            Says::Yes => return gate.map_or(Says::Yes, |on| Says::Depends(on.clone())),
            Says::Depends(on) => open.extend(on),
            Says::No => {}
        }
    }
    if open.is_empty() { Says::No } else { Says::Depends(open) }
}

fn context(caller: &Caller<'_>, deed: &Deed<'_>) -> Context {
    let mut context = caller.context(Some(deed.region.as_str()));
    // Who took the role acts in a session of it.
    set_factor(&mut context, None);
    if let Some(aliases) = deed.aliases {
        context.set_absent("kms:ViaService");
        if let Some(aliases) = aliases.known() {
            context.set_many("kms:ResourceAliases", aliases.clone());
        }
    }
    context
}

/// What is said where somebody takes one of the roles with a key or a password and nothing else.
fn bare(view: &AccountView<'_>, states: &BTreeMap<Arn, State<'_>>) -> Option<Outcome> {
    let bare = states.iter().find_map(|(arn, state)| match state {
        State::Open(_, bare) if !bare.is_empty() => Some((arn, listed(&bare.iter().collect::<Vec<_>>()))),
        _ => None,
    });
    let (arn, who) = bare?;
    let name = quoted(arn.role_name().unwrap_or_default());
    let seen = format!("{who} may take {name}, to which policies leave changes alone, without a second factor");
    let remedy = format!(
        "in account {} put `\"Bool\": {{\"aws:MultiFactorAuthPresent\": \"true\"}}` as a condition on the trust policy of the role {name} \
         (`iam:UpdateAssumeRolePolicy`; where a service control policy denies that, the management account detaches it first)",
        view.account.account_id
    );
    Some(Outcome::fail(view.place().here(), seen, remedy))
}

fn fail(view: &AccountView<'_>, lacks: &[&Deed<'_>], states: &BTreeMap<Arn, State<'_>>) -> Outcome {
    let account = &view.account.account_id;
    let actions = {
        let all = lacks.iter().flat_map(|deed| deed.actions.iter().copied()).collect::<BTreeSet<_>>();
        all.into_iter().collect::<Vec<_>>()
    };
    let on = lacks.iter().map(|deed| deed.on.as_str()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let roles = lacks.iter().flat_map(|deed| deed.roles.iter().cloned()).collect::<BTreeSet<_>>();
    let by_alias = lacks.iter().any(|deed| deed.aliases.is_some());
    // The one that lacks least is the one to mend.
    let first = roles.iter().min_by_key(|arn| match states.get(*arn) {
        Some(State::Closed(_)) => 1,
        Some(State::Gone) => 2,
        _ => 0,
    });
    let name = quoted(first.and_then(|arn| arn.role_name()).unwrap_or_default());
    let (seen, remedy) = match first.and_then(|arn| states.get(arn)) {
        Some(State::Gone) => (
            "does not exist".to_owned(),
            format!(
                "in account {account} make the role {name} again, with a trust policy that names the one user who breaks the glass, under `aws:MultiFactorAuthPresent`, and allow \
                 it {} on {}; `deploy/backup-account.yaml` makes one",
                every(&actions),
                listed(&on)
            ),
        ),
        Some(State::Closed(unmet)) if !unmet.is_empty() => {
            let who = listed(&unmet.iter().collect::<Vec<_>>());
            (
                format!("demands a second factor of {who}, which the session of a role never has"),
                format!(
                    "in account {account} let the trust policy of the role {name} name a user instead of {who}: only users have a second factor \
                     (`iam:UpdateAssumeRolePolicy`; where a service control policy denies that, the management account detaches it first)"
                ),
            )
        }
        Some(State::Closed(_)) => (
            "lets nobody of the organization in by its trust policy".to_owned(),
            format!(
                "in account {account} let the trust policy of the role {name} name the one user who breaks the glass, under \
                 `aws:MultiFactorAuthPresent` (`iam:UpdateAssumeRolePolicy`; where a service control policy denies that, the management account detaches \
                 it first)"
            ),
        ),
        _ => (
            format!("may not do {}", every(&actions)),
            format!(
                "in account {account} allow {} on {} in a policy of the role {name} (`iam:PutRolePolicy`; where a service control policy denies that, \
                 the management account detaches it first){}",
                every(&actions),
                listed(&on),
                if by_alias { "; where the role knows the key by an alias, see that the key has it (`kms:CreateAlias`)" } else { "" }
            ),
        ),
    };
    let seen = format!("policies leave {} on {} to {} alone, and {name} {seen}, so nobody can", every(&actions), listed(&on), names(&roles));
    Outcome::fail(view.place().here(), seen, remedy)
}
