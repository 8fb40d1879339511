//! A write on something that backups rest on: who did what to which object, as CloudTrail recorded it.
//!
//! Decides what a record says; must not know whether it endangers anything. Account and Region are those of the envelope: nothing in the record
//! can move a write to another account.

use jiff::Timestamp;
use serde_json::Value;

use crate::arn::{AccountId, Arn, Region, backup_plan, backup_vault};
use crate::event::field::clip;
use crate::event::{self, Change, Parsed, QuarantineReason};
use crate::evidence;
use crate::evidence::cloudtrail::{Identity, IdentityKind, Record};
use crate::incident::name_of;

/// Longest text of a parameter that is shown to people, in bytes.
const LONGEST: usize = 256;
/// Longest name of an object in the log as it is; a key of the table holds 2,048 bytes.
const LONGEST_NAME: usize = 1024;
/// Most objects of one write.
const MOST_OBJECTS: usize = 8;

/// What some bytes from the queue of writes are.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A write, succeeded or refused.
    Write(Box<Write>),
    /// What AWS Backup announces of a vault, plan, recovery point or setting. It names no actor.
    Announced(Box<Change>),
    /// Something else: counted and dropped.
    Other,
    /// No event: counted and kept aside. From a bounded set.
    Quarantine(&'static str),
}

/// A write as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The account whose trail has it, from the envelope.
    pub account: AccountId,
    /// The Region, from the envelope. That of a global service is the global Region of the partition.
    pub region: Region,
    /// `kms`, `backup`, `iam`, `organizations`, `ec2`, `cloudtrail`.
    pub service: String,
    /// `PutKeyPolicy`, …
    pub event_name: String,
    /// `eventID`: the same write twice is one.
    pub event_id: String,
    /// When; CloudTrail's resolution is a second.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Address or AWS service the call came from. Untrusted text.
    pub source_ip: Option<String>,
    /// Why it was refused; absent where it succeeded.
    pub error_code: Option<String>,
    /// What was asked for: `requestParameters` as recorded. Untrusted.
    pub request: Value,
    /// What was answered: `responseElements` as recorded. Untrusted.
    pub response: Value,
    /// What was written to, as far as the record names it; an ARN of a role has no path here. Untrusted texts of the shape of ARNs.
    pub objects: Vec<Arn>,
}

/// Who wrote. Untrusted texts: a session chooses its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The ARN of the caller, else the best there is.
    pub name: String,
    /// What all its sessions have in common: the role behind a session, else the caller itself.
    pub id: String,
    /// The account of the caller.
    pub account: Option<AccountId>,
    /// The service that made the call for it.
    pub invoked_by: Option<String>,
    /// Whether AWS itself is the caller, not for anybody.
    pub is_service: bool,
}

impl Actor {
    fn of(identity: &Identity) -> Self {
        let name = identity.name().unwrap_or("unknown").to_owned();
        // A user of IAM Identity Center has no ARN. Two whom nothing tells apart are still not one across accounts.
        let account = identity.account_id.as_ref().map_or("an unknown account", AccountId::as_str);
        let nameless = || if identity.arn.is_some() { name.clone() } else { format!("{name} of {account}") };
        let id = identity.issuer_arn.as_ref().map_or_else(nameless, |issuer| issuer.as_str().to_owned());
        Self {
            id,
            name,
            account: identity.account_id.clone(),
            invoked_by: identity.invoked_by.clone(),
            is_service: identity.kind == IdentityKind::AwsService,
        }
    }
}

/// Reads one message of the queue of writes. Never fails: what cannot be read has its own answer.
pub fn read(bytes: &[u8]) -> Incoming {
    match event::parse(bytes) {
        Parsed::Trail(record) => {
            // A record without what was written says nothing of it, and must never be taken for one that changes nothing.
            event::detail(bytes).map_or(Incoming::Quarantine(QuarantineReason::UnreadableRecord.as_str()), |detail| {
                Incoming::Write(Box::new(Write::of(*record, &detail)))
            })
        }
        Parsed::Change(change) => Incoming::Announced(change),
        Parsed::Job(_) | Parsed::Other { .. } | Parsed::Degraded(_) => Incoming::Other,
        Parsed::Quarantine(quarantine) => Incoming::Quarantine(quarantine.reason.as_str()),
    }
}

impl Write {
    /// The write of a record whose account and Region are already those of the envelope.
    pub fn of(record: Record, detail: &Value) -> Self {
        let part = |name: &str| detail.get(name).cloned().unwrap_or_default();
        let mut write = Self {
            account: record.recorded_in,
            region: record.region,
            service: record.event_source.split('.').next().unwrap_or_default().to_owned(),
            event_name: record.event_name,
            event_id: record.event_id,
            at: record.event_time,
            actor: Actor::of(&record.identity),
            source_ip: record.source_ip,
            error_code: record.error_code,
            request: part("requestParameters"),
            response: part("responseElements"),
            objects: Vec::new(),
        };
        write.objects = write.named(&record.resources);
        write
    }

    /// As IAM names it: `kms:PutKeyPolicy`.
    pub fn action(&self) -> String {
        format!("{}:{}", self.service, self.event_name)
    }

    /// Whether it was refused or failed.
    pub fn was_refused(&self) -> bool {
        self.error_code.is_some()
    }

    /// The object of the write.
    pub fn object(&self) -> Option<&Arn> {
        self.objects.first()
    }

    /// A text, number or truth value of the request, wherever in it: EC2 wraps its parameters once more.
    pub fn text(&self, name: &str) -> Option<String> {
        text_in(&self.request, name)
    }

    /// A part of the request.
    pub fn part(&self, name: &str) -> Option<&Value> {
        member(&self.request, name)
    }

    /// A document of the request: a policy comes as its text.
    pub fn document(&self, name: &str) -> Option<Value> {
        match member(&self.request, name)? {
            Value::String(text) => serde_json::from_str(text).ok(),
            Value::Null => None,
            value => Some(value.clone()),
        }
    }

    /// The write as a diagnosis tells it.
    pub fn change(&self) -> evidence::Change {
        evidence::Change {
            action: self.action(),
            actor: self.actor.name.clone(),
            event_id: self.event_id.clone(),
            at: self.at,
            account_id: self.account.clone(),
            resource_arn: self.object().cloned(),
            source_ip: self.source_ip.clone(),
        }
    }

    fn named(&self, listed: &[Arn]) -> Vec<Arn> {
        let (partition, account, region) = (self.region.partition(), &self.account, &self.region);
        let arn = |text: String| Arn::parse(&text).ok();
        let mut found =
            match self.service.as_str() {
                "kms" => vec![self.key(listed)],
                "backup" => vec![
                    self.text("recoveryPointArn").and_then(arn),
                    self.text("backupVaultName").and_then(|name| backup_vault(account, region, &name)),
                    self.text("backupPlanId")
                        .or_else(|| text_in(&self.response, "backupPlanId"))
                        .and_then(|id| backup_plan(account, region, &id)),
                    self.text("backupJobId").and_then(|id| arn(format!("arn:{partition}:backup:{region}:{account}:backup-job:{id}"))),
                ],
                "iam" => vec![
                    // The path of the role is not in the request.
                    self.text("roleName").and_then(|name| arn(format!("arn:{partition}:iam::{account}:role/{name}"))),
                    self.text("policyArn").and_then(arn),
                ],
                "organizations" => vec![
                    text_in(&self.response, "arn").and_then(arn).filter(|arn| arn.resource().starts_with("policy/")),
                    self.text("policyId").and_then(|id| arn(format!("arn:{partition}:organizations::{account}:policy/{id}"))),
                ],
                "ec2" => vec![self.text("kmsKeyId").and_then(|key| self.key_arn(&key))],
                "cloudtrail" => vec![self.text("name").or_else(|| self.text("trailName")).and_then(|name| {
                    arn(name.clone()).or_else(|| arn(format!("arn:{partition}:cloudtrail:{region}:{account}:trail/{name}")))
                })],
                _ => Vec::new(),
            }
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        if found.is_empty() {
            found.extend(listed.iter().cloned());
        }
        found.truncate(MOST_OBJECTS);
        found
    }

    fn key(&self, listed: &[Arn]) -> Option<Arn> {
        let named = self.text("keyId").or_else(|| self.text("targetKeyId")).and_then(|key| self.key_arn(&key));
        let made = || text_in(&self.response, "arn").and_then(|text| Arn::parse(&text).ok()).filter(Arn::is_kms_key);
        named.or_else(made).or_else(|| listed.iter().find(|arn| arn.is_kms_key()).cloned())
    }

    /// A bare id is one of a key of the caller's account; an alias may lead elsewhere by now.
    fn key_arn(&self, text: &str) -> Option<Arn> {
        if text.starts_with("arn:") {
            return Arn::parse(text).ok().filter(Arn::is_kms_key);
        }
        let bare = (text.len() == 36 || text.starts_with("mrk-")) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let account = self.actor.account.as_ref().filter(|_| bare).unwrap_or(&self.account);
        bare.then(|| Arn::parse(&format!("arn:{}:kms:{}:{account}:key/{text}", self.region.partition(), self.region)).ok())?
    }
}

/// What stands for an object in the log of changes: the same for a role with and without its path, and for a policy of the organization by its
/// ARN and by its id.
pub fn log_name(object: &Arn) -> String {
    let name = match (object.service(), object.account(), object.resource().split('/').next()) {
        ("iam", Some(account), Some("role")) => format!("role/{account}/{}", object.resource_name()),
        ("organizations", _, Some("policy")) => format!("policy/{}", object.resource_name()),
        _ => object.as_str().to_owned(),
    };
    if name.len() > LONGEST_NAME { format!("long/{}", name_of(&name)) } else { name }
}

/// The names under which a write is kept: of its objects, else of the settings of its account and Region; first the one that it changes.
pub fn log_names(write: &Write) -> Vec<String> {
    let mut names = write.objects.iter().map(log_name).collect::<Vec<_>>();
    // A default that names a key does not change the key.
    if names.is_empty() || write.service == "ec2" {
        names.insert(0, format!("settings/{}/{}/{}", write.account, write.region, write.service));
    }
    names
}

/// The name under which a call is kept that does what AWS Backup announces.
pub fn announced_name(change: &Change) -> String {
    let settings = || format!("settings/{}/{}/backup", change.account, change.region);
    change.object_arn.as_ref().map_or_else(settings, log_name)
}

fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// A member by its name in any case, at the top or one level below.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let map = value.as_object()?;
    let here = map.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value);
    here.or_else(|| {
        map.values()
            .filter_map(Value::as_object)
            .find_map(|inner| inner.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value))
    })
    .filter(|value| !value.is_null())
}

fn text_in(value: &Value, name: &str) -> Option<String> {
    let text = match member(value, name)? {
        Value::String(text) => text.trim().to_owned(),
        other @ (Value::Number(_) | Value::Bool(_)) => other.to_string(),
        _ => return None,
    };
    // A name that is cut would be another one.
    let longest = if text.starts_with("arn:") { 2048 } else { LONGEST };
    (!text.is_empty() && text.len() <= longest && clip(&text, longest).len() == text.len()).then_some(text)
}
