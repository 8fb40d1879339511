//! What of a topology is there already: from inventories or from the report of a sweep. What was not seen is not known, never missing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::Timestamp;

use crate::arn::{AccountId, Arn, Region};
use crate::compliance::{AccountResult, CheckOutcome, OrganizationResult, Status, SweepHead, Totals};
use crate::evidence::{AccountInventory, Fact, GapReason, KeyManager, Member, OrganizationInventory, RegionInventory, WantedPlan};
use crate::report::sweep::{Inert, SweepWriter};

/// What was seen of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what it is called; absent: not seen")]
pub struct Seen {
    /// When the last of it was read.
    pub as_of: Option<Timestamp>,
    pub organization_id: Option<String>,
    pub management_account: Option<AccountId>,
    pub regions: BTreeSet<Region>,
    pub backup_accounts: BTreeSet<AccountId>,
    pub all_features: Option<bool>,
    /// Whether AWS Backup, and whether StackSets, have trusted access.
    pub backup_trusted: Option<bool>,
    pub stack_sets_trusted: Option<bool>,
    pub backup_policies: Option<bool>,
    pub service_control_policies: Option<bool>,
    pub cross_account: Option<bool>,
    /// Delegated administrators of AWS Backup.
    pub delegated: Option<BTreeSet<AccountId>>,
    /// Resource types of the management account that are switched on and off.
    pub switched: BTreeMap<Region, BTreeMap<String, bool>>,
    /// Units from the root to an account, such as `o-1/r-1/ou-1/`.
    pub paths: BTreeMap<AccountId, String>,
    /// Whether `paths` has every account of the organization that is not closed.
    pub all_paths: bool,
    pub accounts: BTreeMap<AccountId, SeenAccount>,
}

/// What was seen of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what it is called; absent: not seen")]
pub struct SeenAccount {
    /// Whether it was read by the reader role.
    pub read: bool,
    pub service_linked_role: Option<bool>,
    /// Names of roles, each behind its path as far as it has one: `service-role/AWSBackupDefaultServiceRole`.
    pub roles: BTreeMap<String, bool>,
    /// Whether `roles` are all there are.
    pub all_roles: bool,
    /// The plans that the organization wants it to have, by their names.
    pub wanted_plans: BTreeMap<String, WantedPlan>,
    pub regions: BTreeMap<Region, SeenRegion>,
}

/// What was seen of an account in a Region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenRegion {
    /// Names of vaults.
    pub vaults: BTreeSet<String>,
    /// Whether `vaults` are all there are.
    pub all_vaults: bool,
    /// Whether new volumes are under a customer managed key.
    pub volume_key: Option<bool>,
}

const BACKUP: &str = "backup.amazonaws.com";
const STACK_SETS: &str = "member.org.stacksets.cloudformation.amazonaws.com";

impl Seen {
    /// From what a folder of evidence tells of the organization.
    pub fn add_organization(&mut self, organization: &OrganizationInventory) {
        if let Some(found) = organization.organization.known() {
            self.organization_id = Some(found.id.clone());
            self.management_account = Some(found.management_account.clone());
        }
        self.all_features = organization.feature_set.known().map(|set| set == "ALL");
        let trusts = |service: &str| organization.trusted_services.known().map(|all| all.iter().any(|one| one == service));
        (self.backup_trusted, self.stack_sets_trusted) = (trusts(BACKUP), trusts(STACK_SETS));
        let enabled = |kind: &str| organization.policy_types.known().map(|all| all.iter().any(|one| one == kind));
        (self.backup_policies, self.service_control_policies) = (enabled("BACKUP_POLICY"), enabled("SERVICE_CONTROL_POLICY"));
        self.cross_account = organization.global_settings.known().map(|settings| settings.cross_account_backup);
        self.delegated = organization.delegated_administrators.known().map(|all| all.iter().cloned().collect());
        for (region, settings) in &organization.opt_in {
            if let Some(settings) = settings.known() {
                self.switched.insert(region.clone(), settings.opted_in.clone());
            }
        }
        let Some(members) = organization.members.known() else { return };
        // StackSets leave out what is closed.
        let open = |member: &&Member| !matches!(member.status.as_deref(), Some("SUSPENDED" | "PENDING_CLOSURE" | "CLOSED"));
        self.all_paths = true;
        for member in members.iter().filter(open) {
            match &member.path {
                Some(path) => {
                    self.paths.insert(member.account_id.clone(), path.as_ref().to_owned());
                }
                None => self.all_paths = false,
            }
        }
    }

    /// From what a folder of evidence tells of an account.
    pub fn add_account(&mut self, account: &AccountInventory) {
        let mut seen = SeenAccount {
            read: account_read(account),
            service_linked_role: exists(&account.service_linked_role),
            ..SeenAccount::default()
        };
        for (arn, role) in &account.roles {
            if let (Some(name), Some(there)) = (role_with_path(arn), exists(role)) {
                seen.roles.insert(name.to_owned(), there);
            }
        }
        if let Some(trusts) = account.trusts.known() {
            seen.all_roles = true;
            seen.roles.extend(trusts.iter().filter_map(|role| Some((role_with_path(&role.role_arn)?.to_owned(), true))));
        }
        seen.wanted_plans.extend(account.wanted_plans.known().into_iter().flatten().map(|plan| (plan.name.clone(), plan.clone())));
        seen.regions.extend(account.regions.iter().map(|(region, read)| (region.clone(), seen_region(read))));
        self.accounts.insert(account.account_id.clone(), seen);
    }

    /// Whether nobody told anything: neither the organization nor any account.
    pub fn nothing(&self) -> bool {
        let silent = |region: &SeenRegion| region.vaults.is_empty() && !region.all_vaults && region.volume_key.is_none();
        let told = |account: &SeenAccount| {
            account.read || account.service_linked_role.is_some() || !account.roles.is_empty() || !account.regions.values().all(silent)
        };
        self.paths.is_empty() && self.organization_id.is_none() && !self.accounts.values().any(told)
    }

    /// The root, by the paths of the accounts.
    pub fn root_id(&self) -> Option<&str> {
        self.paths.values().find_map(|path| path.split('/').nth(1)).filter(|id| id.starts_with("r-"))
    }

    /// The account that keeps the copies, where it is one.
    pub fn backup_account(&self) -> Option<&AccountId> {
        self.backup_accounts.first().filter(|_| self.backup_accounts.len() == 1)
    }

    /// Whether an account is one of some targets, or lies in one.
    pub fn lies_in(&self, account: &AccountId, targets: &[String]) -> Option<bool> {
        if targets.iter().any(|target| target == account.as_str()) {
            return Some(true);
        }
        let path = self.paths.get(account)?;
        Some(path.split('/').any(|unit| targets.iter().any(|target| target == unit)))
    }

    /// Whether an account has a vault in a Region.
    pub fn vault(&self, account: &AccountId, region: &Region, name: &str) -> Option<bool> {
        let seen = self.accounts.get(account)?.regions.get(region)?;
        if seen.vaults.contains(name) { Some(true) } else { seen.all_vaults.then_some(false) }
    }

    /// Whether an account has a role.
    pub fn role(&self, account: &AccountId, name: &str) -> Option<bool> {
        let seen = self.accounts.get(account)?;
        seen.roles.get(name).copied().or_else(|| seen.all_roles.then_some(false))
    }
}

/// A role is another one under another path, and a policy that names it without finds none.
fn role_with_path(arn: &Arn) -> Option<&str> {
    arn.role_name().and_then(|_| arn.resource().strip_prefix("role/"))
}

fn exists<T>(fact: &Fact<T>) -> Option<bool> {
    match fact {
        Fact::Known { .. } => Some(true),
        Fact::Gap(gap) => (gap.reason == GapReason::NotFound).then_some(false),
        Fact::NotAsked => None,
    }
}

/// Whether the reader role answered anything. That it could not be assumed stands in the place of every answer.
fn account_read(account: &AccountInventory) -> bool {
    exists(&account.service_linked_role).is_some() || account.regions.values().any(|region| region.vaults.known().is_some())
}

fn seen_region(read: &RegionInventory) -> SeenRegion {
    let vaults = read.vaults.known();
    let volume_key = read.ebs.known().and_then(|ebs| match ebs.key.as_deref() {
        _ if !ebs.encrypted => Some(false),
        None => None,
        Some(key) if key.ends_with("alias/aws/ebs") => Some(false),
        // What EC2 names by its ARN may be the key that AWS manages.
        Some(key) => {
            let known = read.keys.iter().find(|(arn, _)| arn.as_str() == key)?.1.key.known()?;
            known.manager.map(|manager| manager == KeyManager::Customer)
        }
    });
    SeenRegion {
        vaults: vaults.into_iter().flatten().map(|vault| vault.vault.arn.resource_name().to_owned()).collect(),
        all_vaults: vaults.is_some(),
        volume_key,
    }
}

/// Gathers what the report of a sweep says was there.
#[derive(Clone, Debug, Default)]
pub struct Gather(pub Seen);

impl Gather {
    /// Before the head, behind the filter.
    pub fn inert() -> Inert<Self> {
        Inert::before(Self::default())
    }
}

impl SweepWriter for Gather {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        self.0.as_of = Some(head.at);
        self.0.organization_id.clone_from(&head.organization_id);
        self.0.regions = head.regions.iter().cloned().collect();
        self.0.backup_accounts = head.backup_accounts.iter().cloned().collect();
        Ok(())
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        let holds = |check: &str| {
            let found = organization.outcomes.iter().find(|found| found.check == check)?;
            decided(found.outcome.status)
        };
        self.0.all_features = holds("organization-all-features");
        self.0.backup_trusted = holds("backup-trusted-access-enabled");
        self.0.backup_policies = holds("backup-policy-type-enabled");
        self.0.cross_account = holds("cross-account-backup-enabled");
        if holds("delegated-administrator-registered") == Some(false) {
            self.0.delegated = Some(BTreeSet::new());
        }
        Ok(())
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        let seen = self.0.accounts.entry(account.account_id.clone()).or_default();
        for found in &account.outcomes {
            add(seen, found);
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}

/// Whether something holds; a failure that somebody took responsibility for is one.
fn decided(status: Status) -> Option<bool> {
    match status {
        Status::Pass => Some(true),
        Status::Fail | Status::Excepted => Some(false),
        Status::Unknown | Status::NotApplicable => None,
    }
}

fn add(seen: &mut SeenAccount, found: &CheckOutcome) {
    let (subject, holds) = (&found.outcome.subject, decided(found.outcome.status));
    match found.check.as_str() {
        "service-linked-role-present" => seen.service_linked_role = holds.or(seen.service_linked_role),
        "backup-role-present" => {
            if let (Some(name), Some(holds)) = (subject.resource_arn.as_ref().and_then(role_with_path), holds) {
                seen.roles.insert(name.to_owned(), holds);
            }
        }
        // A vault of which anything could be said is there.
        "source-vault-encrypted-with-cmk" | "backup-vault-encrypted-with-cmk" | "vault-lock-enabled" if holds.is_some() => {
            if let (Some(region), Some(vault)) = (&subject.region, &subject.resource_arn) {
                seen.regions.entry(region.clone()).or_default().vaults.insert(vault.resource_name().to_owned());
            }
        }
        "ebs-default-key-is-cmk" => {
            if let Some(region) = &subject.region {
                let region = seen.regions.entry(region.clone()).or_default();
                region.volume_key = holds.or(region.volume_key);
            }
        }
        _ => {}
    }
}
