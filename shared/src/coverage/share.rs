//! How much is protected, in one figure.

use super::landed::{Protection, ResourceCoverage};

/// Protected resources of all. INVARIANT: what is not known is in the denominator, so that the figure never grows because something was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Resources that are protected.
    pub protected: u64,
    /// All resources, those excepted and those not known included; and one for each part of the organization that was not evaluated.
    pub of: u64,
}

/// The share of the resources of one account.
pub fn covered_share(coverage: &[ResourceCoverage]) -> Share {
    let mut share = Share::default();
    share.add(coverage);
    share
}

impl Share {
    /// Counts more resources.
    pub fn add(&mut self, coverage: &[ResourceCoverage]) {
        let protected = coverage.iter().filter(|resource| resource.protection == Protection::Protected).count();
        self.protected = self.protected.saturating_add(u64::try_from(protected).unwrap_or(u64::MAX));
        self.of = self.of.saturating_add(u64::try_from(coverage.len()).unwrap_or(u64::MAX));
    }

    /// Counts accounts and Regions that were not evaluated: nobody knows how many resources are there, but at least one for each is missing.
    pub fn not_evaluated(&mut self, parts: u64) {
        self.of = self.of.saturating_add(parts);
    }

    /// Tenths of a percent, rounded down, so that only all is 1000; `None` where there is nothing.
    pub fn per_mille(&self) -> Option<u64> {
        let scaled = u128::from(self.protected).saturating_mul(1000).checked_div(u128::from(self.of))?;
        u64::try_from(scaled).ok()
    }
}
