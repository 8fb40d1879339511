//! Which checks of a sweep are about the topology, and not about what was backed up with it.

use std::io;

use crate::compliance::checks::find;
use crate::compliance::{AccountResult, CheckOutcome, OrganizationResult, SweepHead, Totals};
use crate::report::sweep::SweepWriter;

/// Checks that judge resources, backups and copies. In a topology of today there are none yet, and a broken one may have all of them.
const OF_BACKUPS: [&str; 13] = [
    "recovery-points-encrypted",
    "recovery-points-retained",
    "no-expired-recovery-points",
    "no-partial-recovery-points",
    "restore-test-recent",
    "resources-protected",
    "copies-landed",
    "copies-fresh",
    "copies-under-expected-key",
    "copies-retained",
    "restore-time-within-target",
    "copies-in-another-region",
    "completed-jobs-made-their-copies",
];

/// Whether a check, by its name, is about the topology. A new one is until somebody says otherwise.
pub fn of_topology(check: &str) -> bool {
    find(check).is_some_and(|check| !OF_BACKUPS.contains(&check.meta.name))
}

/// Passes on what a sweep says of the topology, and nothing of what was backed up with it.
#[derive(Clone, Debug, Default)]
pub struct OfTopology<W> {
    to: W,
    totals: Totals,
}

impl<W> OfTopology<W> {
    /// Before a writer.
    pub fn before(to: W) -> Self {
        Self { to, totals: Totals::default() }
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.to
    }
}

fn kept(outcomes: &[CheckOutcome]) -> Vec<CheckOutcome> {
    outcomes.iter().filter(|found| of_topology(&found.check)).cloned().collect()
}

impl<W: SweepWriter> SweepWriter for OfTopology<W> {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        self.to.head(head)
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        let organization = OrganizationResult { outcomes: kept(&organization.outcomes), gaps: organization.gaps.clone() };
        self.totals.add_organization(&organization);
        self.to.organization(&organization)
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        let account = AccountResult {
            account_id: account.account_id.clone(),
            name: account.name.clone(),
            coverage: Vec::new(),
            outcomes: kept(&account.outcomes),
            not_evaluated: account.not_evaluated.clone(),
        };
        self.totals.add(&account);
        self.to.account(&account)
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.to.end(&self.totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compliance::checks::ALL;

    #[test]
    fn every_check_is_of_the_one_kind_or_of_the_other() {
        assert!(OF_BACKUPS.iter().all(|name| find(name).is_some()));
        assert_eq!(ALL.iter().filter(|check| !of_topology(check.meta.name)).count(), OF_BACKUPS.len());
        assert!(!of_topology("no-check-of-this-name"));
    }
}
