//! Do service control policies keep an administrator of an account from doing this?

use std::collections::BTreeSet;

use super::bound::Bound;
use super::probe::Left;
use super::say::{every, listed, quoted};
use super::walk::Concern;
use super::{AccountView, Outcome, Subject, holders, probe};
use crate::evidence::{Gap, PolicyLevels};

/// What is said of an answer: what follows where an action is left, what it means that all are denied, and where the account should be if no policy
/// can bind it.
#[derive(Clone, Copy)]
pub(super) struct Words<'w> {
    pub(super) so: &'w str,
    /// What of the account the calls must be denied on: ` on …`; empty: on everything.
    pub(super) on: &'w str,
    pub(super) held: &'w str,
    pub(super) elsewhere: &'w str,
}

/// Of an account that keeps copies: whether each action is denied to its administrator. `so` says what follows where one is not, `held` what it
/// means that all are.
pub(super) fn denied_by_scps(view: &AccountView<'_>, actions: &[(&str, &str)], so: &str, held: &str) -> Vec<Outcome> {
    let words = Words { so, on: "", held, elsewhere: "keep the copies in an account of their own" };
    view.in_backup_account(|| {
        let left = |levels: &PolicyLevels| probe::left_by_scps(view, levels, actions);
        // Who gets into a role that the policies leave alone is told by its trust policy.
        let gaps = view.account.trusts.gap().cloned().into_iter().collect();
        vec![bound(view, view.place().here(), words, gaps, left)]
    })
}

/// Of every account that has backups or keeps copies: likewise.
pub(super) fn denied_where_backups_are(view: &AccountView<'_>, actions: &[(&str, &str)], words: Words<'_>) -> Vec<Outcome> {
    let gaps = view.account.trusts.gap().cloned().into_iter().collect();
    let left = |levels: &PolicyLevels| probe::left_by_scps(view, levels, actions);
    vec![holders::concern(view).then(view.place().here(), |subject| bound(view, subject, words, gaps, left))]
}

/// What of an account is to be protected: whether there is anything, and what of it could not be seen.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) things: Vec<T>,
    pub(super) open: bool,
    pub(super) gaps: Vec<Gap>,
}

impl<T> Found<T> {
    /// Something could not be seen.
    pub(super) fn miss(&mut self, gap: Option<&Gap>) {
        self.open = true;
        self.gaps.extend(gap.cloned());
    }
}

/// Of an account that is backed up: whether its administrator is denied what would undo its backups; `ask` puts the questions about each thing.
pub(super) fn denied_in_source<T>(
    view: &AccountView<'_>,
    found: Found<T>,
    none: &str,
    words: Words<'_>,
    ask: impl Fn(&Bound<'_>, &T, &mut Left<'static>),
) -> Vec<Outcome> {
    view.in_source_account(|| {
        let subject = view.place().here();
        if found.things.is_empty() {
            return vec![if found.open {
                Outcome::unknown(subject, "not seen: what is to be protected", found.gaps)
            } else {
                Outcome::not_applicable(subject, none)
            }];
        }
        let left = |levels: &PolicyLevels| {
            let bound = Bound::new(view, levels);
            let mut left = Left::default();
            found.things.iter().for_each(|thing| ask(&bound, thing, &mut left));
            left
        };
        let outcome = bound(view, subject, words, found.gaps.clone(), left);
        let whole = if found.open && outcome.status == super::Status::Pass { Concern::Open(found.gaps.clone()) } else { Concern::Yes };
        vec![whole.then(outcome.subject.clone(), |_| outcome)]
    })
}

fn bound<'l>(
    view: &AccountView<'_>,
    subject: Subject,
    words: Words<'_>,
    gaps: Vec<Gap>,
    left: impl FnOnce(&PolicyLevels) -> Left<'l>,
) -> Outcome {
    let account = &view.account.account_id;
    let Some(levels) = view.account.scps.known() else {
        return Outcome::unseen(subject, "the service control policies", &view.account.scps);
    };
    let Some(management) = view.is_management_account() else {
        return Outcome::unseen(subject, "which account is the management account", &view.organization.organization);
    };
    let policies = levels.levels.iter().flatten().map(|policy| policy.name.clone());
    let Left { left, indirectly, becoming, through, ajar, passed, served, open } = left(levels);
    let outcome = if management {
        let seen = format!("account {account} is the management account, which no service control policy binds");
        Outcome::fail(subject, seen, words.elsewhere)
    } else if !left.is_empty() {
        Outcome::fail(
            subject,
            format!("no service control policy denies an administrator of account {account} {}, so {}", listed(&left), words.so),
            format!(
                "attach to account {account}, or to its unit, a service control policy that denies {}{} to everybody but the role that needs it",
                every(&left),
                words.on
            ),
        )
    } else if !indirectly.is_empty() {
        let sorted = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>();
        let by = through.union(&ajar).map(String::as_str).collect::<Vec<_>>();
        let by = if by.is_empty() { String::new() } else { format!(" by {}", listed(&by)) };
        let by = if passed.is_empty() { by } else { format!("{by} by a function that has it") };
        let by = if served.is_empty() { by } else { format!("{by} by a service that takes it") };
        let mut named = String::new();
        if !served.is_empty() {
            named.push_str(&format!(
                "; and take the services out of the trust policy of {}, or deny `iam:PassRole` on it",
                every(&sorted(served))
            ));
        }
        if !passed.is_empty() {
            named.push_str(&format!(
                "; and deny `iam:PassRole` on {}, and `lambda:UpdateFunctionCode` and `lambda:UpdateFunctionConfiguration` on the function that has it",
                every(&sorted(passed))
            ));
        }
        if !ajar.is_empty() {
            named.push_str(&format!(
                "; and let the trust policy of {} name the one user or role that is meant, and not everybody of the account",
                every(&sorted(ajar))
            ));
        }
        let becoming = sorted(becoming);
        let changed = becoming.iter().cloned().chain(through).collect::<Vec<_>>();
        Outcome::fail(
            subject,
            format!(
                "service control policies leave {} alone, and an administrator of account {account} may make himself such a principal{by}: with that he may do {}, so {}",
                listed(&becoming),
                listed(&indirectly),
                words.so
            ),
            format!(
                "attach to account {account}, or to its unit, a service control policy that denies to make or change {} (`iam:CreateRole`, \
                 `iam:UpdateAssumeRolePolicy`, and for users `iam:CreateUser`, `iam:CreateAccessKey`, `iam:CreateLoginProfile`, \
                 `iam:UpdateLoginProfile`) to everybody but who needs it{named}",
                every(&changed)
            ),
        )
    } else if let Some((action, on)) = open.first() {
        Outcome::unknown(subject, format!("whether {} is denied depends on {}", quoted(action), listed(on)), gaps)
    } else {
        Outcome::pass(subject, words.held)
    };
    outcome.from(policies)
}
