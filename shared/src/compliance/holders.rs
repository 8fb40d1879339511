//! The roles that carry backups, and whether an account has any backups to carry.

use super::walk::Concern;
use super::{AccountView, Outcome, Subject};
use crate::arn::Arn;
use crate::copy::backup_may_assume;
use crate::evidence::{Fact, Gap, GapReason, PolicyLevels, Role};
use crate::policy::{Decision, Document, Policies};

/// Asks about every role that a selection or the organization's policy names.
pub(super) fn each(view: &AccountView<'_>, mut judge: impl FnMut(Subject, &Arn, &Fact<Role>) -> Outcome) -> Vec<Outcome> {
    let subject = view.place().here();
    let mut outcomes = view.account.roles.iter().map(|(arn, fact)| judge(view.place().of(arn), arn, fact)).collect::<Vec<_>>();
    if let Some(gaps) = unread(view) {
        outcomes.push(Outcome::unknown(subject, "not seen: all selections, which name the roles", gaps));
    } else if outcomes.is_empty() {
        outcomes.push(Outcome::not_applicable(subject, "no selection names a role"));
    }
    outcomes
}

/// Why not every role is known that carries backups; `None`: each is.
pub(super) fn unread(view: &AccountView<'_>) -> Option<Vec<Gap>> {
    let mut gaps = Vec::new();
    let mut open = false;
    let mut miss = |gap: Option<&Gap>| {
        open = true;
        gaps.extend(gap.cloned());
    };
    // Which roles there are is told by selections.
    for region in view.account.regions.values().filter(|region| region.enabled.known() != Some(&false)) {
        let Some(plans) = region.plans.known() else {
            miss(region.plans.gap());
            continue;
        };
        for plan in plans {
            match plan.selections.known() {
                None => miss(plan.selections.gap()),
                Some(selections) => {
                    selections.iter().filter(|selection| selection.known().is_none()).for_each(|selection| miss(selection.gap()));
                }
            }
        }
    }
    open.then_some(gaps)
}

/// The service control policies that bound an account, level by level.
pub(super) fn documents(levels: &PolicyLevels) -> Vec<Vec<Document>> {
    levels.levels.iter().map(|level| level.iter().map(|policy| Document::read(&policy.document)).collect()).collect()
}

/// What bounds a role by itself: its policies and its boundary.
pub(super) fn policies(role: &Role) -> Policies {
    Policies {
        identity: role.policies.iter().map(|policy| Document::read(&policy.document)).collect(),
        boundary: role.boundary.as_ref().map(|boundary| Document::read(&boundary.document)),
        ..Policies::default()
    }
}

/// A role that could not be read, and why.
type Unread<'a> = (&'a Arn, Option<&'a Gap>);

/// The roles of an account that keeps copies that AWS Backup may assume, each with whether that is certain; and those that were not seen.
pub(super) fn carriers<'a>(view: &AccountView<'a>) -> (Vec<(&'a Role, bool)>, Vec<Unread<'a>>) {
    let (mut carriers, mut unread) = (Vec::new(), Vec::new());
    for (arn, fact) in view.account.carriers.iter().chain(&view.account.roles) {
        match fact {
            Fact::Known { value, .. } => match let_in(view, value) {
                Some(Decision::ImplicitlyDenied | Decision::ExplicitlyDenied) => {}
                said => carriers.push((value, said == Some(Decision::Allowed))),
            },
            Fact::Gap(gap) if gap.reason == GapReason::NotFound => {}
            fact => unread.push((arn, fact.gap())),
        }
    }
    (carriers, unread)
}

/// Whether AWS Backup may assume a role; `None`: its trust policy was not seen.
fn let_in(view: &AccountView<'_>, role: &Role) -> Option<Decision> {
    let trust = role.trust.as_ref()?;
    let answer = backup_may_assume(&view.account.account_id, &role.arn, trust).ok()?;
    let refused = answer.decision == Decision::Uncertain && !answer.refused_by.is_empty();
    Some(if refused { Decision::ImplicitlyDenied } else { answer.decision })
}

/// Whether the account backs up or keeps copies.
pub(super) fn concern(view: &AccountView<'_>) -> Concern {
    if view.keeps_copies() {
        return Concern::Yes;
    }
    let mut gaps = Vec::new();
    let mut open = false;
    let mut miss = |gap: Option<&Gap>| {
        open = true;
        gaps.extend(gap.cloned());
    };
    match view.account.wanted_plans.known() {
        None => miss(view.account.wanted_plans.gap()),
        Some(plans) if plans.is_empty() => {}
        Some(_) => return Concern::Yes,
    }
    for region in view.account.regions.values().filter(|region| region.enabled.known() != Some(&false)) {
        match (region.vaults.known(), region.plans.known()) {
            (_, Some(plans)) if !plans.is_empty() => return Concern::Yes,
            (Some(vaults), _) if vaults.iter().any(|vault| vault.vault.points.is_some_and(|points| points > 0)) => return Concern::Yes,
            (Some(vaults), Some(_)) => {
                if vaults.iter().any(|vault| vault.vault.points.is_none()) {
                    miss(None);
                }
            }
            (vaults, plans) => {
                if vaults.is_none() {
                    miss(region.vaults.gap());
                }
                if plans.is_none() {
                    miss(region.plans.gap());
                }
            }
        }
    }
    if open { Concern::Open(gaps) } else { Concern::No("the account has no plans and no backups".to_owned()) }
}
