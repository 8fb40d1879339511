//! The policies of a route, as far as they were seen.

use super::{Route, RoutePolicies};
use crate::arn::{AccountId, Arn};
use crate::evidence::{Fact, KeyGrants, KeyPolicy, Organization, PolicyLevels, Role, VaultPolicy};
use crate::policy::Document;

/// What was asked about the policies of a route. What was not seen stays unseen, which makes answers uncertain and never wrong.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is named after what it tells")]
pub struct SeenPolicies<'a> {
    pub organization: &'a Fact<Organization>,
    pub job_role: &'a Fact<Role>,
    pub source_scps: &'a Fact<PolicyLevels>,
    pub source_rcps: &'a Fact<PolicyLevels>,
    pub destination_rcps: &'a Fact<PolicyLevels>,
    pub source_vault: &'a Fact<VaultPolicy>,
    pub destination_vault: &'a Fact<VaultPolicy>,
    pub source_key: &'a Fact<KeyPolicy>,
    pub source_key_grants: &'a Fact<KeyGrants>,
    pub destination_key: &'a Fact<KeyPolicy>,
    pub destination_key_grants: &'a Fact<KeyGrants>,
}

impl SeenPolicies<'_> {
    /// The policies that decide the copies of a route.
    pub fn of(&self, route: &Route) -> RoutePolicies {
        let read = |value: &serde_json::Value| Document::read(value);
        let role = self.job_role.known().filter(|role| role.arn == route.job_role_arn);
        let vault = |fact: &Fact<VaultPolicy>| fact.known().map(|policy| policy.document.as_ref().map(read));
        let key = |fact: &Fact<KeyPolicy>| fact.known().map(|policy| read(&policy.document));
        let grants = |fact: &Fact<KeyGrants>| fact.known().map(|seen| seen.grants.clone());
        RoutePolicies {
            job_role: role.map(|role| role.policies.iter().map(|policy| read(&policy.document)).collect()),
            job_role_boundary: role.map(|role| role.boundary.as_ref().map(|boundary| read(&boundary.document))),
            source_scps: self.bounds(&route.source_account, self.source_scps),
            source_vault: vault(self.source_vault),
            destination_vault: vault(self.destination_vault),
            source_key: key(self.source_key),
            source_key_grants: grants(self.source_key_grants),
            destination_key: key(self.destination_key),
            destination_key_grants: grants(self.destination_key_grants),
            source_key_rcps: self.rcps(route, route.source_key_arn.as_ref()),
            destination_key_rcps: self.rcps(route, route.destination_key_arn.as_ref()),
        }
    }

    /// Neither SCPs nor RCPs bind the management account
    /// (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html>).
    fn bounds(&self, account: &AccountId, fact: &Fact<PolicyLevels>) -> Option<Vec<Vec<Document>>> {
        if self.organization.known().is_some_and(|organization| organization.management_account == *account) {
            return Some(Vec::new());
        }
        let levels = &fact.known()?.levels;
        Some(levels.iter().map(|level| level.iter().map(|policy| Document::read(&policy.document)).collect()).collect())
    }

    /// RCPs bind the objects of an account: those of the account that owns the key count.
    fn rcps(&self, route: &Route, key: Option<&Arn>) -> Option<Vec<Vec<Document>>> {
        let owner = key.and_then(Arn::account)?;
        if owner == route.source_account {
            self.bounds(&owner, self.source_rcps)
        } else if owner == route.destination_account {
            self.bounds(&owner, self.destination_rcps)
        } else {
            None
        }
    }
}
