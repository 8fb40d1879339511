//! A drill of the way back: whether a recovery point can be restored as a test beside the original, with which settings, and what of it the guardian
//! may delete again.
//!
//! AWS Backup takes no tags for what it restores (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html>), and a tag that is
//! put on later proves nothing: whoever may set it may set it on anything. What proves that something is ours is a name that only we choose, before
//! it is there. So only what has such a name is deleted; for the rest a person gets the command.
//!
//! INVARIANT: a restore never has the name of the original, and nothing is deleted but what has the name that this drill chose.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::order::usable;
use super::record::{Drill, Purpose, Record, id};
use super::retest::Held;
use super::{AllowedVaults, Order, Why};
use crate::arn::{AccountId, Arn, Region};
use crate::evidence::{Gap, GapReason};

/// Names of what a drill makes begin so; the role for drills may delete tables of such names and nothing else (`deploy/agent-global.yaml`).
pub const MARK: &str = "backup-guardian-drill-";
/// Largest recovery point that is restored where nobody says more: 50 GiB.
pub const MOST_BYTES: u64 = 50 << 30;
/// Minutes after which a restore is told as too slow where nobody says more: 4 hours.
pub const MOST_MINUTES: u32 = 240;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A volume of EBS. AWS chooses its id.
    Volume,
    /// A table of DynamoDB. We choose its name.
    Table,
}

/// A restore that is to be started. What it makes is named by the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOrder {
    /// Account that owns the recovery point, and gets what is restored.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
    /// Vault that holds the recovery point.
    pub vault: Arn,
    /// The recovery point.
    pub point: Arn,
    /// Role of the job.
    pub role: Arn,
    /// What is made.
    pub kind: Kind,
    /// How it is made, but for its name.
    pub metadata: BTreeMap<String, String>,
    /// Minutes after which it is too slow.
    pub most_minutes: u32,
}

/// What a restore drill asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Vault that holds the recovery point.
    pub vault: Arn,
    /// Role of the job; that of the recovery point where none is named.
    pub role: Option<Arn>,
    /// Availability Zone of a volume; that of the original where none is named.
    pub zone: Option<String>,
    /// Key of what is made; that of the original where none is named.
    pub key: Option<Arn>,
    /// Largest recovery point, in bytes.
    pub most_bytes: u64,
    /// Minutes after which a restore is too slow.
    pub most_minutes: u32,
    /// From which vaults may be restored.
    pub allowed: AllowedVaults,
    /// Now.
    pub now: Timestamp,
}

/// A restore that would be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What would be started.
    pub order: RestoreOrder,
    /// What was backed up.
    pub resource: Option<Arn>,
    /// Type of the resource. Untrusted.
    pub resource_type: Option<String>,
    /// When the recovery point was made.
    pub made_at: Option<Timestamp>,
    /// Its bytes.
    pub size_bytes: u64,
}

impl Planned {
    /// What a person asks for at a terminal.
    pub fn drill(&self) -> Drill {
        let order = Order::Restore(self.order.clone());
        Drill { id: id(&Purpose::Restore, &order), purpose: Purpose::Restore, order, resource: self.resource.clone() }
    }
}

/// Why a type is not restored as a test by us.
fn reason(resource_type: &str) -> &'static str {
    match resource_type {
        "EC2" => "an instance runs as soon as it is restored: it would do a second time what the original does",
        "RDS" | "Aurora" | "DocumentDB" | "Neptune" | "Redshift" | "Redshift Serverless" | "Aurora DSQL" => {
            "a database answers in a network as soon as it is restored, and its recovery point does not say in which one nobody reaches it"
        }
        "EFS" => "a file system gets its id from AWS, so that nothing proves later that it may be deleted",
        "S3" => "a restored bucket cannot be deleted in one call",
        "FSx" => "its recovery point does not say all that a restore asks for, and AWS Backup cannot infer it either",
        _ => "a restore asks for a host, a stack or a network that its recovery point does not name",
    }
}

/// The kind of what a restore makes, or why the type is left alone.
pub fn kind(resource_type: Option<&str>) -> Result<Kind, Why> {
    match resource_type {
        Some("EBS") => Ok(Kind::Volume),
        Some("DynamoDB") => Ok(Kind::Table),
        other => {
            let resource_type = other.unwrap_or("unknown").to_owned();
            let reason = reason(&resource_type);
            Err(Why::NotRestored { resource_type, reason })
        }
    }
}

/// Whether the recovery point may be restored, before anything is asked of AWS that only the role for drills may ask.
pub fn admit(ask: &Ask, held: &Held) -> Result<Kind, Why> {
    let point = &held.point;
    let kind = kind(point.resource_type.as_deref())?;
    usable(point, ask.now).map_err(|why| match why {
        Why::Cold => Why::NotRestored {
            resource_type: point.resource_type.clone().unwrap_or_default(),
            reason: "it lies in cold storage, from where a restore takes hours more and is billed",
        },
        why => why,
    })?;
    if !ask.allowed.admits(&ask.vault) {
        return Err(Why::OutsideAllowList(ask.vault.clone()));
    }
    match held.size_bytes {
        Some(bytes) if bytes <= ask.most_bytes => Ok(kind),
        bytes => Err(Why::TooLarge { bytes, most: ask.most_bytes }),
    }
}

/// The order of a restore drill, or why there is none. `metadata` is what AWS Backup says of the recovery point (`GetRecoveryPointRestoreMetadata`).
pub fn plan(ask: &Ask, held: &Held, metadata: BTreeMap<String, String>) -> Result<Planned, Why> {
    let kind = admit(ask, held)?;
    let (Some(account), Some(region)) = (ask.vault.account(), ask.vault.region()) else { return Err(Why::Gone) };
    let Some(role) = ask.role.as_ref().or(held.role.as_ref()) else {
        let action = "backup:ListRecoveryPointsByBackupVault".to_owned();
        let gap = Gap { action, account_id: account, region: Some(region), reason: GapReason::Unreadable, detail: None };
        return Err(Why::NotSeen(Box::new(gap)));
    };
    // A copy carries the role that copied it, which is one of the account that it came from.
    if role.account().as_ref() != Some(&account) {
        return Err(Why::ForeignRole(role.clone()));
    }
    let metadata = match kind {
        Kind::Volume => of_volume(ask, held, metadata, &region)?,
        Kind::Table => of_table(ask, metadata),
    };
    let order = RestoreOrder {
        account,
        region,
        vault: ask.vault.clone(),
        point: held.point.arn.clone(),
        role: role.clone(),
        kind,
        metadata,
        most_minutes: ask.most_minutes,
    };
    Ok(Planned {
        order,
        resource: held.point.resource_arn.clone(),
        resource_type: held.point.resource_type.clone(),
        made_at: held.created_at,
        size_bytes: held.size_bytes.unwrap_or_default(),
    })
}

/// Keys of metadata are compared without case
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing-inferred-metadata.html>).
fn put(metadata: &mut BTreeMap<String, String>, key: &str, value: Option<String>) {
    metadata.retain(|known, _| !known.eq_ignore_ascii_case(key));
    metadata.extend(value.map(|value| (key.to_owned(), value)));
}

fn get<'m>(metadata: &'m BTreeMap<String, String>, key: &str) -> Option<&'m str> {
    metadata.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}

/// A volume is attached to nothing. It lies under the key of the recovery point, which is what would be missing in an emergency.
fn of_volume(ask: &Ask, held: &Held, mut metadata: BTreeMap<String, String>, region: &Region) -> Result<BTreeMap<String, String>, Why> {
    let original = || get(&metadata, "availabilityZone").filter(|zone| zone.starts_with(region.as_str())).map(str::to_owned);
    let zone = ask.zone.clone().or_else(original).ok_or(Why::NoZone)?;
    put(&mut metadata, "availabilityZone", Some(zone));
    let key = ask.key.as_ref().or(held.point.encryption_key_arn.as_ref());
    if ask.key.is_some() || held.point.is_encrypted == Some(true) {
        put(&mut metadata, "encrypted", Some("true".to_owned()));
    }
    put(&mut metadata, "kmsKeyId", key.map(ToString::to_string));
    Ok(metadata)
}

/// A table has no access policy and no replica after a restore; its name is given by the record.
fn of_table(ask: &Ask, mut metadata: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let Some(key) = &ask.key {
        put(&mut metadata, "encryptionType", Some("KMS".to_owned()));
        put(&mut metadata, "kmsMasterKeyArn", Some(key.to_string()));
    } else if get(&metadata, "encryptionType").is_none() {
        put(&mut metadata, "encryptionType", Some("Default".to_owned()));
    }
    put(&mut metadata, TABLE_NAME, None);
    metadata
}

const TABLE_NAME: &str = "targetTableName";

/// The name of what this attempt makes, where it has one.
fn name(record: &Record, order: &RestoreOrder) -> Option<String> {
    (order.kind == Kind::Table).then(|| format!("{MARK}{}-{}", record.id, record.attempt))
}

/// How this attempt restores, complete.
pub fn metadata(record: &Record, order: &RestoreOrder) -> BTreeMap<String, String> {
    let mut metadata = order.metadata.clone();
    if let Some(name) = name(record, order) {
        put(&mut metadata, TABLE_NAME, Some(name));
    }
    metadata
}

/// How something that a drill made goes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// We may delete it: AWS made it under the name that we chose.
    Ours(Arn),
    /// A person deletes it, with this command where there is one.
    Person {
        /// What.
        made: Arn,
        /// The command, to be run in its account.
        command: Option<String>,
    },
}

/// How what a drill left over goes; `None` where it left nothing.
pub fn removal(record: &Record) -> Option<Removal> {
    let made = record.left_over()?.clone();
    let Order::Restore(order) = &record.order else { return None };
    let here = made.account().as_ref() == Some(&order.account) && made.region().as_ref() == Some(&order.region);
    Some(match (order.kind, name(record, order)) {
        (Kind::Table, Some(name)) if here && made.service() == "dynamodb" && made.resource() == format!("table/{name}") => {
            Removal::Ours(made)
        }
        // A job that was found in a list may be that of somebody who restored it in an emergency: its volume is no left-over.
        (Kind::Volume, _) if record.found => Removal::Person { made, command: None },
        (Kind::Volume, _) if here && made.service() == "ec2" && made.resource().starts_with("volume/vol-") => {
            let command = format!("aws ec2 delete-volume --region {} --volume-id {}", order.region.as_str(), made.resource_name());
            Removal::Person { made, command: Some(command) }
        }
        // It is not what was asked for, so nothing is said of how to delete it.
        _ => Removal::Person { made, command: None },
    })
}
