//! Pages of recovery points, as bytes: a reference estate has more than a gigabyte of them, and writing them must cost less than reading.
//!
//! The vaults of all accounts look alike, so that a page is written once with a slot for the account, and only the slot is filled for each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::estate::{BACKUP, CENTRAL_VAULT, Central, Fate, Shape, VaultShape};

/// Where the account goes. As long as an account id.
const SLOT: &str = "@@@@@@@@@@@@";
const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;

/// A page with slots.
#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    slots: Vec<usize>,
}

impl Template {
    fn of(page: String) -> Self {
        let slots = page.match_indices(SLOT).map(|(at, _)| at).collect();
        Self { bytes: page.into_bytes(), slots }
    }

    fn filled(&self, account: &str) -> Vec<u8> {
        let mut page = self.bytes.clone();
        for slot in &self.slots {
            if let Some(slot) = page.get_mut(*slot..slot + SLOT.len())
                && slot.len() == account.len()
            {
                slot.copy_from_slice(account.as_bytes());
            }
        }
        page
    }
}

/// What decides how a page of a source account looks, but for the account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    region: String,
    vault: VaultShape,
    start: usize,
    fate: Fate,
}

/// The pages that were written.
#[derive(Debug, Default)]
pub struct Pages(Mutex<BTreeMap<Look, Arc<Template>>>);

/// One recovery point.
struct Point<'a> {
    /// The account of the resource, which is not always that of the vault.
    account: &'a str,
    region: &'a str,
    /// Of a copy: the vault it came from.
    from: Option<&'a str>,
    vault: (&'a str, &'a str),
    key: &'a str,
    snapshot: (&'a str, usize),
    volume: (&'a str, usize),
    created: u64,
}

impl Pages {
    /// A page of the recovery points of a vault.
    pub fn page(&self, shape: &Shape, account: &str, region: &str, vault: &VaultShape, from: Option<&str>) -> Vec<u8> {
        let start = from.and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
        if let (BACKUP, Some(central)) = (account, shape.central) {
            return copies(shape, central, region, vault, start).into_bytes();
        }
        let look = Look { region: region.to_owned(), vault: vault.clone(), start, fate: shape.fate_of(account) };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&look).cloned();
        let template = known.unwrap_or_else(|| {
            let template = Arc::new(Template::of(backups(shape, &look)));
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(look, Arc::clone(&template));
            template
        });
        template.filled(account)
    }
}

/// One after the other, with the token of the next page.
fn pages(shape: &Shape, start: usize, all: usize, mut write: impl FnMut(&mut String, usize)) -> String {
    let end = start.saturating_add(shape.page.max(1)).min(all);
    let mut body = String::with_capacity(end.saturating_sub(start) * 1_200 + 64);
    body.push_str("{\"RecoveryPoints\":[");
    for number in start..end {
        if number > start {
            body.push(',');
        }
        write(&mut body, number);
    }
    body.push(']');
    if end < all {
        let _ = write!(body, ",\"NextToken\":\"{end}\"");
    }
    body.push('}');
    body
}

fn backups(shape: &Shape, look: &Look) -> String {
    let VaultShape { name, points, key } = &look.vault;
    pages(shape, look.start, *points, |body, number| {
        let resource = number % shape.resources.max(1);
        let created = match shape.central {
            Some(central) => {
                let age = (number / shape.resources.max(1)) as u64;
                central.made(age, look.fate == Fate::Stale && (name.as_str(), resource) == ("vault-0", 0))
            }
            None => 1_700_000_000 + number as u64 * DAY / 2,
        };
        let point = Point {
            account: SLOT,
            region: &look.region,
            from: None,
            vault: (SLOT, name),
            key,
            snapshot: (name, number),
            volume: (name, resource),
            created,
        };
        point.write(body);
    })
}

/// By the time at which they were made, so that every page has copies of many accounts.
fn copies(shape: &Shape, central: Central, region: &str, vault: &VaultShape, start: usize) -> String {
    let places = (shape.accounts * shape.vaults).max(1);
    pages(shape, start, vault.points, |body, number| {
        let (age, place) = (number / places, number % places);
        let account = Shape::account(place / shape.vaults.max(1));
        let from = format!("vault-{}", place % shape.vaults.max(1));
        let (resource, age) = (age % shape.resources.max(1), age / shape.resources.max(1));
        let first = (from.as_str(), resource) == ("vault-0", 0);
        let fate = shape.fate_of(&account);
        let volume = if first && fate == Fate::NeverCopied { "gone" } else { from.as_str() };
        let point = Point {
            account: &account,
            region,
            from: Some(&from),
            vault: (BACKUP, CENTRAL_VAULT),
            key: CENTRAL_VAULT,
            snapshot: ("copy", number),
            volume: (volume, resource),
            created: central.made(age as u64, first && fate == Fate::Stale) + HOUR,
        };
        point.write(body);
    })
}

impl Central {
    /// When the nightly plan made the recovery point of so many nights ago.
    fn made(self, nights: u64, stale: bool) -> u64 {
        let late = if stale { 30 } else { 0 };
        self.now.saturating_sub(6 * HOUR + (nights + late) * DAY)
    }
}

impl Point<'_> {
    /// About a kilobyte, as AWS sends it.
    fn write(&self, body: &mut String) {
        let Self { account, region, created, .. } = self;
        let ((owner, vault), (source, number), (volume, resource)) = (self.vault, self.snapshot, self.volume);
        let _ = write!(
            body,
            "{{\"RecoveryPointArn\":\"arn:aws:ec2:{region}::snapshot/snap-{account}{source}{number:06}\",\"BackupVaultName\":\"{vault}\",\
             \"BackupVaultArn\":\"arn:aws:backup:{region}:{owner}:backup-vault:{vault}\","
        );
        if let Some(from) = self.from {
            let _ = write!(body, "\"SourceBackupVaultArn\":\"arn:aws:backup:{region}:{account}:backup-vault:{from}\",");
        }
        let _ = write!(
            body,
            "\"ResourceArn\":\"arn:aws:ec2:{region}:{account}:volume/vol-{volume}-{resource:06}\",\"ResourceType\":\"EBS\",\
             \"ResourceName\":\"volume {resource}\",\
             \"CreatedBy\":{{\"BackupPlanId\":\"plan-0\",\"BackupPlanArn\":\"arn:aws:backup:{region}:{account}:backup-plan:plan-0\",\
             \"BackupPlanVersion\":\"NmIwZjYxYzMtNzY4Yi00ZGQzLWJlNjAtMDA4NDg5ZjY2NzRh\",\"BackupRuleId\":\"daily\",\"BackupPlanName\":\"nightly\",\
             \"BackupRuleName\":\"daily\",\"BackupRuleCron\":\"cron(0 5 ? * * *)\",\"BackupRuleTimezone\":\"Etc/UTC\"}},\
             \"IamRoleArn\":\"arn:aws:iam::{account}:role/BackupRole\",\"Status\":\"COMPLETED\",\"CreationDate\":{created}.123,\
             \"InitiationDate\":{created}.001,\"CompletionDate\":{created}.987,\"BackupSizeInBytes\":{},\"CalculatedLifecycle\":{{\"DeleteAt\":{}.987}},\
             \"Lifecycle\":{{\"DeleteAfterDays\":35,\"OptInToArchiveForSupportedResources\":false}},\
             \"EncryptionKeyArn\":\"arn:aws:kms:{region}:{owner}:key/{}\",\"IsEncrypted\":true,\"VaultType\":\"BACKUP_VAULT\",\"IsParent\":false,\
             \"EncryptionKeyType\":\"CUSTOMER_MANAGED_KMS_KEY\",\"IndexStatus\":\"DISABLED\"}}",
            number * 4096,
            created + 35 * DAY,
            self.key,
        );
    }
}
