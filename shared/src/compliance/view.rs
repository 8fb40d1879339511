//! What a check can look at.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Baseline;
use crate::arn::{AccountId, Arn};
use crate::coverage::{ArrivalsByVault, ResourceCoverage};
use crate::evidence::{AccountInventory, Destination, OrganizationInventory};

/// What holds for the whole sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// The accounts that keep the copies (`GUARDIAN_BACKUP_ACCOUNT_IDS`).
    pub backup_accounts: Vec<AccountId>,
    /// What was agreed on.
    pub baseline: Baseline,
}

/// The organization.
#[derive(Clone, Copy, Debug)]
pub struct OrganizationView<'a> {
    /// The moment of the sweep.
    pub now: Timestamp,
    /// What holds for all of it.
    pub scope: &'a Scope,
    /// The organization.
    pub organization: &'a OrganizationInventory,
    /// The vaults that copies go to.
    pub destinations: &'a BTreeMap<Arn, Destination>,
}

/// One account.
#[derive(Clone, Copy, Debug)]
pub struct AccountView<'a> {
    /// The moment of the sweep.
    pub now: Timestamp,
    /// What holds for all of it.
    pub scope: &'a Scope,
    /// The organization.
    pub organization: &'a OrganizationInventory,
    /// The vaults that copies go to.
    pub destinations: &'a BTreeMap<Arn, Destination>,
    /// The account.
    pub account: &'a AccountInventory,
    /// What arrived of it in those vaults.
    pub arrivals: &'a ArrivalsByVault,
    /// Its resources, judged.
    pub coverage: &'a [ResourceCoverage],
}
