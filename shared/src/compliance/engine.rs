//! Runs every check over an inventory and brings what they say into one order.

use super::checks::ALL;
use super::say::{Place, quoted};
use super::{
    AccountResult, AccountView, Check, CheckOutcome, Judge, NotEvaluated, OrganizationResult, OrganizationView, Outcome, Scope, Status,
    Totals, gaps,
};
use jiff::Timestamp;

/// Judges the organization.
pub fn judge_organization(view: &OrganizationView<'_>) -> OrganizationResult {
    let mut outcomes = Vec::new();
    for check in ALL {
        if let Judge::Organization(judge) = check.judge {
            outcomes.extend(judge(view).into_iter().map(|outcome| told(check, outcome, view.scope, view.now)));
        }
    }
    sort(&mut outcomes);
    OrganizationResult { outcomes, gaps: gaps::of_organization(view.organization) }
}

/// Judges an account.
pub fn judge_account(view: &AccountView<'_>) -> AccountResult {
    let account = view.account;
    let member = view.organization.member(&account.account_id);
    let (mut outcomes, not_evaluated) = match gaps::unreadable(account) {
        // Nothing can be said of it, whatever the organization tells; and one line says why.
        Some(gaps) => {
            let subject = Place { account: &account.account_id, region: None }.here();
            let outcome = Outcome::unknown(subject, "not seen: the account, whose reader role could not be assumed", gaps.clone());
            let unknown = account_checks().map(|(check, _)| told(check, outcome.clone(), view.scope, view.now)).collect::<Vec<_>>();
            (unknown, vec![NotEvaluated { account_id: account.account_id.clone(), region: None, gaps }])
        }
        None => {
            let said = account_checks().flat_map(|(check, judge)| judge(view).into_iter().map(move |outcome| (check, outcome)));
            (said.map(|(check, outcome)| told(check, outcome, view.scope, view.now)).collect::<Vec<_>>(), gaps::of_account(account))
        }
    };
    sort(&mut outcomes);
    AccountResult {
        account_id: account.account_id.clone(),
        name: member.and_then(|member| member.name.clone().map(String::from)),
        coverage: view.coverage.to_vec(),
        outcomes,
        not_evaluated,
    }
}

type JudgeAccount = fn(&AccountView<'_>) -> Vec<Outcome>;

fn account_checks() -> impl Iterator<Item = (&'static Check, JudgeAccount)> {
    ALL.iter().filter_map(|check| match check.judge {
        Judge::Account(judge) => Some((check, judge)),
        Judge::Organization(_) => None,
    })
}

/// With the check that it came from; and a failure that somebody took responsibility for is told as such.
fn told(check: &Check, mut outcome: Outcome, scope: &Scope, now: Timestamp) -> CheckOutcome {
    let meta = &check.meta;
    if outcome.status == Status::Fail {
        let subject = &outcome.subject;
        let names = [meta.code, meta.name];
        let exception = scope.baseline.exception(&names, &subject.account_id, subject.region.as_ref(), subject.resource_arn.as_ref(), now);
        if let Some(exception) = exception {
            outcome.status = Status::Excepted;
            let (owner, reason) = (quoted(&exception.owner), quoted(&exception.reason));
            outcome.seen = format!("{}; excepted by {owner} until {}: {reason}", outcome.seen, exception.until);
        }
    }
    CheckOutcome { code: meta.code.to_owned(), check: meta.name.to_owned(), severity: meta.severity, outcome }
}

/// By code and subject. What is the same in both is told apart by its text, so that the order of an inventory changes nothing.
fn sort(outcomes: &mut [CheckOutcome]) {
    outcomes.sort_by(|a, b| {
        let (one, other) = (&a.outcome, &b.outcome);
        let by_name = a.code.cmp(&b.code).then_with(|| one.subject.cmp(&other.subject));
        by_name.then_with(|| one.status.cmp(&other.status)).then_with(|| one.seen.cmp(&other.seen))
    });
}

impl Totals {
    /// Adds the organization.
    pub fn add_organization(&mut self, result: &OrganizationResult) {
        self.add_outcomes(&result.outcomes);
    }

    /// Adds an account.
    pub fn add(&mut self, result: &AccountResult) {
        let add = |sum: &mut u64| *sum = sum.saturating_add(1);
        add(&mut self.accounts);
        if !result.not_evaluated.is_empty() {
            add(&mut self.accounts_not_evaluated);
        }
        for resource in &result.coverage {
            add(self.resources.entry(resource.protection).or_default());
        }
        self.add_outcomes(&result.outcomes);
    }

    fn add_outcomes(&mut self, outcomes: &[CheckOutcome]) {
        let add = |sum: &mut u64| *sum = sum.saturating_add(1);
        for outcome in outcomes {
            add(self.outcomes.entry(outcome.outcome.status).or_default());
            if outcome.outcome.status == Status::Fail {
                add(self.failures.entry(outcome.severity).or_default());
            }
        }
    }
}
