//! Names of things in AWS: accounts, Regions, partitions, ARNs.
//!
//! Parsing is lenient where AWS itself is inconsistent (empty account fields, the 13-digit account numbers of AWS' own sample events) and
//! keeps the original text, so that what is printed is what AWS said.

use std::fmt;
use std::marker::PhantomData;

use compact_str::CompactString;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An AWS account number. Twelve digits; thirteen are accepted because AWS' own sample events carry them
/// (<https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-backup.html>).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(CompactString);

/// The text is not an account number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an AWS account id: 12 digits are expected")]
pub struct NotAnAccountId(pub String);

impl AccountId {
    /// Reads an account number.
    pub fn parse(text: &str) -> Result<Self, NotAnAccountId> {
        let text = text.trim();
        if matches!(text.len(), 12 | 13) && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(NotAnAccountId(text.chars().take(64).collect()))
        }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for AccountId {
    type Error = NotAnAccountId;
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl TryFrom<String> for AccountId {
    type Error = NotAnAccountId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An AWS Region code such as `eu-central-1`. Unknown Regions are kept; the shape is checked, because the text becomes part of host names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(CompactString);

/// The text cannot be a Region code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Region code such as `eu-central-1`")]
pub struct NotARegion(pub String);

impl Region {
    /// Reads a Region code: lower-case letters, digits and hyphens, at least one hyphen, at most 32 characters.
    pub fn parse(text: &str) -> Result<Self, NotARegion> {
        let text = text.trim();
        let shape = (4..=32).contains(&text.len())
            && text.contains('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.starts_with(|c: char| c.is_ascii_lowercase());
        if shape { Ok(Self(text.into())) } else { Err(NotARegion(text.chars().take(64).collect())) }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition this Region belongs to, by its prefix.
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("cn-") {
            "aws-cn"
        } else if self.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }

    /// The Region of this partition in which the events of IAM and Organizations are
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html>).
    pub fn global(&self) -> Self {
        Self(match self.partition() {
            "aws-cn" => "cn-north-1".into(),
            "aws-us-gov" => "us-gov-west-1".into(),
            _ => "us-east-1".into(),
        })
    }
}

impl TryFrom<&str> for Region {
    type Error = NotARegion;
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Region {
    type Error = NotARegion;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0.into()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An ARN: the text as AWS gave it, and access to its parts.
///
/// INVARIANT: the text starts with `arn:` and has at least six colon-separated fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn(String);

/// The text is not an ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ARN")]
pub struct NotAnArn(pub String);

impl Arn {
    /// Reads an ARN. Only the shape is checked: any service, any resource.
    pub fn parse(text: &str) -> Result<Self, NotAnArn> {
        let text = text.trim();
        if is_arn(text) { Ok(Self(text.to_owned())) } else { Err(NotAnArn(text.chars().take(128).collect())) }
    }

    /// Whether [`parse`](Self::parse) would read it.
    pub fn is_one(text: &str) -> bool {
        is_arn(text.trim())
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn field(&self, n: usize) -> &str {
        // By hand: a sweep asks by the million, and a searcher for one character costs more than the few bytes in front of it.
        let (mut start, mut place) = (0, 0);
        for (at, byte) in self.0.bytes().enumerate() {
            if place == 5 {
                break;
            }
            if byte == b':' {
                if place == n {
                    return self.0.get(start..at).unwrap_or_default();
                }
                (start, place) = (at + 1, place + 1);
            }
        }
        if place == n { self.0.get(start..).unwrap_or_default() } else { "" }
    }

    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub fn partition(&self) -> &str {
        self.field(1)
    }

    /// `kms`, `backup`, `ec2`, …
    pub fn service(&self) -> &str {
        self.field(2)
    }

    /// The Region, absent for global services and where AWS leaves it empty.
    pub fn region(&self) -> Option<Region> {
        Region::parse(self.field(3)).ok()
    }

    /// The account, absent where AWS leaves it empty (EBS snapshots and AMIs).
    pub fn account(&self) -> Option<AccountId> {
        AccountId::parse(self.field(4)).ok()
    }

    /// Everything after the fifth colon.
    pub fn resource(&self) -> &str {
        self.field(5)
    }

    /// The last part of the resource: `vol-1` of `volume/vol-1`, `central` of `backup-vault:central`.
    pub fn resource_name(&self) -> &str {
        let resource = self.resource();
        match self.service() {
            // Vault names may contain slashes (`aws/efs/automatic-backup-vault`).
            "backup" => resource.split_once(':').map_or(resource, |(_, name)| name),
            _ => resource.rsplit(['/', ':']).next().unwrap_or(resource),
        }
    }

    /// A KMS key (`key/…`), not an alias.
    pub fn is_kms_key(&self) -> bool {
        self.service() == "kms" && self.resource().starts_with("key/")
    }

    /// The role of an assumed-role session (`arn:aws:sts::1:assumed-role/Name/session` → `Name`), or of a role ARN (the name without path).
    pub fn role_name(&self) -> Option<&str> {
        let resource = self.resource();
        if let Some(rest) = resource.strip_prefix("assumed-role/") {
            return rest.split('/').next().filter(|name| !name.is_empty());
        }
        resource.strip_prefix("role/").and_then(|rest| rest.rsplit('/').next()).filter(|name| !name.is_empty())
    }
}

/// Six fields, of which only Region and account may be empty, and nothing that a terminal obeys.
fn is_arn(text: &str) -> bool {
    // By hand, as the fields above.
    let (mut place, mut last) = (0, None);
    for (at, byte) in text.bytes().enumerate() {
        if place == 5 {
            break;
        }
        if byte == b':' {
            let empty = last.map_or(at == 0, |last| last + 1 == at);
            if empty && matches!(place, 1 | 2) {
                return false;
            }
            (last, place) = (Some(at), place + 1);
        }
    }
    let shape = text.starts_with("arn:") && place == 5 && last.is_some_and(|last| last + 1 < text.len());
    // Nearly all are of these characters. Looked at to the end, which is faster than to stop at the first other one.
    let plain = || text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    shape && (plain() || !text.chars().any(char::is_control))
}

impl TryFrom<&str> for Arn {
    type Error = NotAnArn;
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Arn {
    type Error = NotAnArn;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        // As it is, where nothing is to be trimmed: what was written down is read again by the million.
        if text.trim().len() == text.len() && is_arn(&text) { Ok(Self(text)) } else { Self::parse(&text) }
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.0
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Written as their text and read by their parsers, without a copy on the way: a sweep writes and reads them by the million.
macro_rules! as_text {
    ($($of:ident)+) => { $(
        impl Serialize for $of {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $of {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_string(Text(PhantomData))
            }
        }
    )+ };
}

as_text!(AccountId Region Arn);

struct Text<T>(PhantomData<T>);

impl<'de, T: for<'a> TryFrom<&'a str, Error: fmt::Display> + TryFrom<String, Error: fmt::Display>> Visitor<'de> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::try_from(text).map_err(E::custom)
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<T, E> {
        T::try_from(text).map_err(E::custom)
    }
}

/// ARN of a vault, by its name; `None` where the name makes none.
pub fn backup_vault(account: &AccountId, region: &Region, name: &str) -> Option<Arn> {
    Arn::parse(&format!("arn:{}:backup:{region}:{account}:backup-vault:{name}", region.partition())).ok()
}

/// ARN of a backup plan, by its id; `None` where the id makes none.
pub fn backup_plan(account: &AccountId, region: &Region, id: &str) -> Option<Arn> {
    Arn::parse(&format!("arn:{}:backup:{region}:{account}:backup-plan:{id}", region.partition())).ok()
}

/// ARN of the service-linked role with which AWS Backup performs a copy in the destination account
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html>).
pub fn backup_service_linked_role(partition: &str, account: &AccountId) -> String {
    format!("arn:{partition}:iam::{account}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup")
}

/// The service whose service-linked role this ARN of a role names; `None` for whatever else. Only the beginning of the path says it: AWS reserves
/// `/aws-service-role/`, and every other path may hold any characters, these words and colons among them.
pub fn linked_service(role_arn: &str) -> Option<&str> {
    let mut parts = role_arn.splitn(6, ':');
    let is_iam = parts.next()? == "arn" && parts.nth(1)? == "iam";
    let path = parts.nth(2)?.strip_prefix("role/aws-service-role/")?;
    path.split('/').next().filter(|service| is_iam && !service.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_gives_its_parts_and_tolerates_empty_ones() {
        let snapshot = Arn::parse("arn:aws:ec2:eu-central-1::snapshot/snap-1").unwrap();
        assert_eq!((snapshot.account(), snapshot.resource_name()), (None, "snap-1"));
        let vault = Arn::parse("arn:aws:backup:eu-central-1:111111111111:backup-vault:aws/efs/x").unwrap();
        assert_eq!(vault.resource_name(), "aws/efs/x");
        assert_eq!(vault.account().unwrap().as_str(), "111111111111");
        assert_eq!(Arn::parse("arn:aws:iam::1:role/service-role/R").unwrap().role_name(), Some("R"));
        assert_eq!(Arn::parse("arn:aws:sts::1:assumed-role/R/AWSBackup-R").unwrap().role_name(), Some("R"));
        for bad in ["", "arn", "arn:aws:kms", "x:aws:kms:r:a:key/1", "arn:aws:kms:r:a:", "arn:aws:kms:r:a:key/\n1"] {
            assert!(Arn::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn fields_are_what_lies_between_the_first_five_colons(text in "(arn:)?[a:/ \u{7f}é]{0,24}") {
            let fields = text.splitn(6, ':').collect::<Vec<_>>();
            let given = |n: usize| !fields[n].is_empty();
            let shape = fields.len() == 6 && fields[0] == "arn" && given(1) && given(2) && given(5);
            proptest::prop_assert_eq!(is_arn(&text), shape && !text.chars().any(char::is_control));
            let arn = Arn(text.clone());
            for n in 0..8 {
                proptest::prop_assert_eq!(arn.field(n), fields.get(n).copied().unwrap_or_default());
            }
        }
    }

    #[test]
    fn account_ids_and_regions_are_checked_because_they_reach_hosts_and_roles() {
        assert!(AccountId::parse("1112233445566").is_ok());
        for bad in ["", "11111111111", "11111111111a", "arn:aws:iam::1"] {
            assert!(AccountId::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "eu", "eu-central-1.evil.example", "EU-CENTRAL-1", "-eu-west-1", "eu_central_1"] {
            assert!(Region::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Region::parse("us-gov-west-1").unwrap().partition(), "aws-us-gov");
    }
}
