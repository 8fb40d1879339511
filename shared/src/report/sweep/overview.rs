//! What one must know of a whole sweep before telling anything: gathered by a first pass over it, of bounded size.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::words::lacks;
use super::{Inert, Routes, SweepWriter, Worst};
use crate::arn::{AccountId, Arn, Region};
use crate::compliance::{AccountResult, CheckOutcome, NotEvaluated, OrganizationResult, Status, Subject, SweepHead, Totals};
use crate::coverage::{Protection, ResourceCoverage};
use crate::diagnosis::Severity;
use crate::evidence::{Gap, GapReason};

/// Findings that are kept one by one.
const MOST_FINDINGS: usize = 200;
/// Resources that lack protection and are kept one by one.
const MOST_RESOURCES: usize = 200;
/// Accounts of the matrix.
const MOST_ACCOUNTS: usize = 1000;
/// Of those, the ones that are told in detail.
const MOST_DETAILED: usize = 200;
/// Accounts and Regions that were not evaluated and are kept one by one.
const MOST_NOT_EVALUATED: usize = 1000;
/// Routes that are kept one by one.
const MOST_ROUTES: usize = 200;
/// Gaps that are kept of one account.
const MOST_GAPS: usize = 8;

/// A failure, with the name of its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the check says.
    pub found: CheckOutcome,
    /// The name of the account that must act, where it is known; [`Overview::acting`] knows more of them once the sweep is over.
    pub account_name: Option<String>,
    /// The name of the account whose copies it concerns, where that is another one.
    pub concerned_name: Option<String>,
}

/// How much of an account was evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Nothing of it.
    None,
    /// Not all of it.
    Part,
    /// All of it.
    Whole,
}

/// An account in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLine {
    /// The account.
    pub account_id: AccountId,
    /// Its name.
    pub name: Option<String>,
    /// Its resources by how well they are protected.
    pub resources: BTreeMap<Protection, u64>,
    /// Its failures by severity.
    pub failures: BTreeMap<Severity, u64>,
    /// Checks that could not tell.
    pub unknown: u64,
    /// How much of it was evaluated.
    pub evaluated: Extent,
}

/// Something of which nothing, or not everything, could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unevaluated {
    /// The account.
    pub account_id: AccountId,
    /// Its name.
    pub name: Option<String>,
    /// The Region; absent: all of the account.
    pub region: Option<Region>,
    /// The first reads that failed.
    pub gaps: Vec<Gap>,
    /// How many failed.
    pub gaps_total: u64,
}

/// A check in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLine {
    /// Its name.
    pub check: String,
    /// Severity of its failure.
    pub severity: Severity,
    /// Its outcomes by status.
    pub outcomes: BTreeMap<Status, u64>,
}

/// Severity, account, code, subject, and what was seen: a check may say several things of one subject.
type FindingRank = (Reverse<Severity>, AccountId, String, Subject, String);
type AccountRank = (Reverse<(Option<Severity>, bool, u64)>, AccountId);

/// The whole sweep, bounded.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The head, once it came.
    pub head: Option<SweepHead>,
    /// The sums, once they came.
    pub totals: Totals,
    /// Failures, the worst first; those of the organization too.
    pub findings: Worst<FindingRank, Finding>,
    /// Resources that lack protection, the worst first.
    pub resources: Worst<(Protection, Arn), ResourceCoverage>,
    /// Accounts, the worst first.
    pub accounts: Worst<AccountRank, AccountLine>,
    /// What was not evaluated, by account.
    pub not_evaluated: Worst<(AccountId, Option<Region>), Unevaluated>,
    /// What could not be read of the organization.
    pub organization_gaps: Vec<Gap>,
    /// What could not be read, by action and reason: in how many accounts.
    pub missing: BTreeMap<(String, GapReason), u64>,
    /// By code.
    pub checks: BTreeMap<String, CheckLine>,
    /// The ways that copies go.
    pub routes: Routes,
    /// Names of the accounts that keep copies, as far as they came by.
    pub backup_names: BTreeMap<AccountId, String>,
}

impl Overview {
    /// Before the first pass, behind the filter.
    pub fn gather() -> Inert<Self> {
        Inert(Self {
            head: None,
            totals: Totals::default(),
            findings: Worst::of(MOST_FINDINGS),
            resources: Worst::of(MOST_RESOURCES),
            accounts: Worst::of(MOST_ACCOUNTS),
            not_evaluated: Worst::of(MOST_NOT_EVALUATED),
            organization_gaps: Vec::new(),
            missing: BTreeMap::new(),
            checks: BTreeMap::new(),
            routes: Routes::of(MOST_ROUTES),
            backup_names: BTreeMap::new(),
        })
    }

    /// The accounts that are told in detail.
    pub(super) fn detailed(&self) -> BTreeSet<&AccountId> {
        self.accounts.iter().take(MOST_DETAILED).map(|line| &line.account_id).collect()
    }

    /// Checks that could not tell.
    pub fn unknown_outcomes(&self) -> u64 {
        self.totals.outcomes.get(&Status::Unknown).copied().unwrap_or_default()
    }

    /// The name of the account that must act on a finding.
    pub(super) fn acting<'a>(&'a self, finding: &'a Finding) -> Option<&'a str> {
        let keeper = || self.backup_names.get(&finding.found.outcome.subject.account_id);
        finding.account_name.as_ref().or_else(keeper).map(String::as_str)
    }

    fn outcomes(&mut self, outcomes: &[CheckOutcome], account: Option<&AccountResult>) {
        for found in outcomes {
            let line = self.checks.entry(found.code.clone()).or_insert_with(|| CheckLine {
                check: found.check.clone(),
                severity: found.severity,
                outcomes: BTreeMap::new(),
            });
            *line.outcomes.entry(found.outcome.status).or_default() += 1;
            if found.outcome.status == Status::Fail {
                let subject = found.outcome.subject.clone();
                let rank = (Reverse(found.severity), subject.account_id.clone(), found.code.clone(), subject, found.outcome.seen.clone());
                self.findings.push(rank, || {
                    let subject = &found.outcome.subject;
                    let concerned = account.filter(|account| subject.account_id != account.account_id);
                    Finding {
                        found: found.clone(),
                        account_name: account.and_then(|account| account.name_of(subject)).cloned(),
                        concerned_name: concerned.and_then(|account| account.name.clone()),
                    }
                });
            }
        }
    }

    fn unevaluated(&mut self, account: &AccountResult) {
        let mut counted = BTreeSet::new();
        for NotEvaluated { account_id, region, gaps } in &account.not_evaluated {
            self.not_evaluated.push((account_id.clone(), region.clone()), || Unevaluated {
                account_id: account_id.clone(),
                name: account.name.clone(),
                region: region.clone(),
                gaps: gaps.iter().take(MOST_GAPS).cloned().collect(),
                gaps_total: gaps.len() as u64,
            });
            for gap in gaps {
                if counted.insert((&gap.action, gap.reason)) {
                    *self.missing.entry((gap.action.clone(), gap.reason)).or_default() += 1;
                }
            }
        }
    }
}

impl AccountLine {
    /// An account in one line.
    pub fn of(account: &AccountResult) -> Self {
        let mut line = Self {
            account_id: account.account_id.clone(),
            name: account.name.clone(),
            resources: BTreeMap::new(),
            failures: BTreeMap::new(),
            unknown: 0,
            evaluated: match account.not_evaluated.as_slice() {
                [] => Extent::Whole,
                parts if parts.iter().any(|part| part.region.is_none()) && account.coverage.is_empty() => Extent::None,
                _ => Extent::Part,
            },
        };
        for row in &account.coverage {
            *line.resources.entry(row.protection).or_default() += 1;
        }
        for found in &account.outcomes {
            match found.outcome.status {
                Status::Fail => *line.failures.entry(found.severity).or_default() += 1,
                Status::Unknown => line.unknown += 1,
                Status::Excepted | Status::Pass | Status::NotApplicable => {}
            }
        }
        line
    }

    /// Resources that lack protection.
    pub fn lacking(&self) -> u64 {
        self.resources.iter().filter(|(protection, _)| lacks(**protection)).map(|(_, n)| n).sum()
    }
}

impl SweepWriter for Overview {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        self.head = Some(head.clone());
        Ok(())
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        self.outcomes(&organization.outcomes, None);
        self.organization_gaps = organization.gaps.clone();
        self.routes.begin(organization);
        Ok(())
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        self.outcomes(&account.outcomes, Some(account));
        self.unevaluated(account);
        for row in account.coverage.iter().filter(|row| lacks(row.protection)) {
            self.resources.push((row.protection, row.resource_arn.clone()), || row.clone());
        }
        let line = AccountLine::of(account);
        let worst = line.failures.keys().max().copied();
        let rank = (Reverse((worst, line.evaluated != Extent::Whole, line.lacking())), account.account_id.clone());
        self.accounts.push(rank, || line);
        self.routes.add(account);
        if let (Some(head), Some(name)) = (&self.head, &account.name)
            && head.backup_accounts.contains(&account.account_id)
        {
            self.backup_names.insert(account.account_id.clone(), name.clone());
        }
        Ok(())
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.totals = totals.clone();
        Ok(())
    }
}
