//! Makes the results of a sweep inert before a renderer sees them.

use std::io;

use super::SweepWriter;
use crate::arn::Arn;
use crate::compliance::{AccountResult, CheckOutcome, NotEvaluated, OrganizationResult, Outcome, Subject, SweepHead, Totals};
use crate::coverage::{ExceptedBy, Landing, Newest, ResourceCoverage, SelectingRule};
use crate::evidence::Gap;
use crate::report::inert::{is_harmless, text};

/// A writer behind a filter: nothing reaches it that is alive. Public writers exist only so.
#[derive(Clone, Debug, Default)]
pub struct Inert<S>(pub(super) S);

impl<S> Inert<S> {
    /// Puts a writer behind the filter.
    pub(crate) fn before(writer: S) -> Self {
        Self(writer)
    }

    /// What was behind it.
    pub fn into_inner(self) -> S {
        self.0
    }

    /// Both behind one filter: what was made inert once is so for both.
    pub fn beside<T>(self, other: Inert<T>) -> Inert<(S, T)> {
        Inert((self.0, other.0))
    }
}

impl<S: SweepWriter, T: SweepWriter> SweepWriter for (S, T) {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        self.0.head(head)?;
        self.1.head(head)
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        self.0.organization(organization)?;
        self.1.organization(organization)
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        self.0.account(account)?;
        self.1.account(account)
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.0.end(totals)?;
        self.1.end(totals)
    }
}

impl<S: SweepWriter> SweepWriter for Inert<S> {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        self.0.head(&SweepHead {
            schema: crate::compliance::SWEEP_SCHEMA.to_owned(),
            version: text(&head.version),
            organization_id: option(head.organization_id.as_ref()),
            ..head.clone()
        })
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        self.0.organization(&organization_of(organization))
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        self.0.account(&account_of(account))
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.0.end(totals)
    }
}

/// The organization with every text inert.
pub(super) fn organization_of(raw: &OrganizationResult) -> OrganizationResult {
    let OrganizationResult { outcomes, gaps } = raw;
    OrganizationResult { outcomes: outcomes.iter().map(outcome).collect(), gaps: gaps.iter().map(gap).collect() }
}

/// An account with every text inert. Members are listed one by one, so that a new one cannot be forgotten.
pub(super) fn account_of(raw: &AccountResult) -> AccountResult {
    let AccountResult { account_id, name, coverage, outcomes, not_evaluated } = raw;
    AccountResult {
        account_id: account_id.clone(),
        name: option(name.as_ref()),
        coverage: coverage.iter().map(resource).collect(),
        outcomes: outcomes.iter().map(outcome).collect(),
        not_evaluated: not_evaluated
            .iter()
            .map(|NotEvaluated { account_id, region, gaps }| NotEvaluated {
                account_id: account_id.clone(),
                region: region.clone(),
                gaps: gaps.iter().map(gap).collect(),
            })
            .collect(),
    }
}

fn resource(raw: &ResourceCoverage) -> ResourceCoverage {
    let ResourceCoverage {
        account_id,
        region,
        resource_arn,
        resource_type,
        resource_name,
        protection,
        why,
        rules,
        newest_backup,
        copies,
        exception,
        gaps,
    } = raw;
    ResourceCoverage {
        account_id: account_id.clone(),
        region: region.clone(),
        resource_arn: arn(resource_arn),
        resource_type: text(resource_type),
        resource_name: option(resource_name.as_ref()),
        protection: *protection,
        why: text(why),
        rules: rules.iter().map(rule).collect(),
        newest_backup: newest_backup.as_ref().map(newest),
        copies: copies.iter().map(landing).collect(),
        exception: exception.as_ref().map(|ExceptedBy { owner, reason, until }| ExceptedBy {
            owner: text(owner),
            reason: text(reason),
            until: *until,
        }),
        gaps: gaps.iter().map(gap).collect(),
    }
}

fn rule(raw: &SelectingRule) -> SelectingRule {
    let SelectingRule { plan_id, plan_name, selection_name, rule_name, certain, because, longest_pause_hours } = raw;
    SelectingRule {
        plan_id: text(plan_id),
        plan_name: text(plan_name),
        selection_name: text(selection_name),
        rule_name: text(rule_name),
        certain: *certain,
        because: text(because),
        longest_pause_hours: *longest_pause_hours,
    }
}

fn newest(raw: &Newest) -> Newest {
    let Newest { vault_arn, recovery_point_arn, created_at, key_arn, delete_at } = raw;
    Newest {
        vault_arn: arn(vault_arn),
        recovery_point_arn: arn(recovery_point_arn),
        created_at: *created_at,
        key_arn: key_arn.as_ref().map(arn),
        delete_at: *delete_at,
    }
}

fn landing(raw: &Landing) -> Landing {
    let Landing { vault_arn, newest: found, read, uncopied, first_uncopied_expires_at, under_vault_key } = raw;
    Landing {
        vault_arn: arn(vault_arn),
        newest: found.as_ref().map(newest),
        read: *read,
        uncopied: *uncopied,
        first_uncopied_expires_at: *first_uncopied_expires_at,
        under_vault_key: *under_vault_key,
    }
}

fn outcome(raw: &CheckOutcome) -> CheckOutcome {
    let CheckOutcome { code, check, severity, outcome } = raw;
    let Outcome { subject, status, seen, remedy, evidence, gaps } = outcome;
    let Subject { account_id, region, resource_arn, part } = subject;
    CheckOutcome {
        code: text(code),
        check: text(check),
        severity: *severity,
        outcome: Outcome {
            subject: Subject {
                account_id: account_id.clone(),
                region: region.clone(),
                resource_arn: resource_arn.as_ref().map(arn),
                part: option(part.as_ref()),
            },
            status: *status,
            seen: text(seen),
            remedy: option(remedy.as_ref()),
            evidence: evidence.iter().map(|id| text(id)).collect(),
            gaps: gaps.iter().map(gap).collect(),
        },
    }
}

fn gap(raw: &Gap) -> Gap {
    Gap { action: text(&raw.action), detail: option(raw.detail.as_ref()), ..raw.clone() }
}

fn option(raw: Option<&String>) -> Option<String> {
    raw.map(|raw| text(raw)).filter(|text| !text.is_empty())
}

/// INVARIANT: an ARN made inert is an ARN: no field of it becomes empty and no colon goes (tested), so the second arm is never taken.
fn arn(raw: &Arn) -> Arn {
    if is_harmless(raw.as_str()) { raw.clone() } else { Arn::parse(&text(raw.as_str())).unwrap_or_else(|_| raw.clone()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_arn_made_inert_is_an_arn_and_inert(fields in prop::collection::vec("(\\PC|-{5}|@here| |://){1,4}", 5)) {
            let [partition, service, region, account, resource] = fields.as_slice() else { unreachable!() };
            if let Ok(raw) = Arn::parse(&format!("arn:{partition}:{service}:{region}:{account}:{resource}")) {
                let inert = arn(&raw);
                prop_assert_eq!(text(inert.as_str()), inert.as_str());
            }
        }
    }
}
