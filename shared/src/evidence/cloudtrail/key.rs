//! Which object a call was about.
//!
//! For KMS: `requestParameters.keyId`, else `resources`, else the ARN in the message, else unknown; AWS shows all three, two or none of them
//! on denials. A bare key id lives in the caller's own account and Region
//! (<https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html>: keys of other accounts need an ARN), so it can be made an ARN;
//! an alias cannot, because it may point to another key by now.

use super::Record;
use crate::arn::Arn;

/// The side of a call that has two keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The only key.
    Only,
    /// `ReEncrypt`: the key that the data is under.
    Source,
    /// `ReEncrypt`: the key that the data shall be under.
    Destination,
}

/// The key of a KMS call.
pub(super) fn of_call(record: &Record, side: Side, message: Option<&Arn>) -> Option<Arn> {
    let (names, position): (&[&str], usize) = match side {
        Side::Only => (&["keyId", "keyID", "KeyId"], 0),
        Side::Source => (&["sourceKeyId"], 0),
        Side::Destination => (&["destinationKeyId"], 1),
    };
    let keys = record.resources.iter().filter(|arn| arn.is_kms_key()).collect::<Vec<_>>();
    // With one key in the list it is not said which of the two it is.
    let listed = if side == Side::Only || keys.len() > 1 { keys.get(position).copied().cloned() } else { None };
    let told = message.filter(|arn| arn.is_kms_key()).cloned();
    record.parameter(names).and_then(|text| key_arn(record, text)).or(listed).or(told)
}

/// A key ARN from a key id: an ARN of a key as it is, a bare id in the caller's account.
pub(super) fn key_arn(record: &Record, text: &str) -> Option<Arn> {
    if text.starts_with("arn:") {
        return Arn::parse(text).ok().filter(Arn::is_kms_key);
    }
    let bare = (text.len() == 36 || text.starts_with("mrk-")) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let account = record.identity.account_id.as_ref().filter(|_| bare)?;
    Arn::parse(&format!("arn:{}:kms:{}:{account}:key/{text}", record.partition(), record.region)).ok()
}

/// The object of a call to another service than KMS: what the message names, else what the parameters name.
pub(super) fn of_other_call(record: &Record, message: Option<&Arn>) -> Option<Arn> {
    if let Some(told) = message {
        return Some(told.clone());
    }
    if let Some(named) = ARN_PARAMETERS.iter().find_map(|name| record.parameter(&[name]).and_then(|text| Arn::parse(text).ok())) {
        return Some(named);
    }
    let source_region = record.parameter(&["sourceRegion"]).unwrap_or(record.region.as_str());
    let in_ec2 = |kind: &str, id: &str| Arn::parse(&format!("arn:{}:ec2:{source_region}::{kind}/{id}", record.partition())).ok();
    if record.event_source == "ec2.amazonaws.com" {
        let snapshot = record.parameter(&["sourceSnapshotId", "snapshotId"]).and_then(|id| in_ec2("snapshot", id));
        return snapshot.or_else(|| record.parameter(&["sourceImageId", "imageId"]).and_then(|id| in_ec2("image", id)));
    }
    if record.event_source == "backup.amazonaws.com" {
        let vault = record.parameter(&["backupVaultName"])?;
        let arn = format!("arn:{}:backup:{}:{}:backup-vault:{vault}", record.partition(), record.region, record.recorded_in);
        return Arn::parse(&arn).ok();
    }
    record.resources.first().cloned()
}

/// Parameters that name the object of a call by its ARN, most specific first.
const ARN_PARAMETERS: [&str; 8] = [
    "sourceDBSnapshotIdentifier",
    "sourceDBClusterSnapshotIdentifier",
    "dBSnapshotIdentifier",
    "dBClusterSnapshotIdentifier",
    "destinationBackupVaultArn",
    "backupVaultArn",
    "recoveryPointArn",
    "roleArn",
];
