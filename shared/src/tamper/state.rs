//! What a write left its object in: kept, so that the next write has a before.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Write;
use super::write::member;

/// What of a trail is compared.
const TRAIL: [&str; 4] = ["s3BucketName", "isMultiRegionTrail", "isOrganizationTrail", "includeGlobalServiceEvents"];

/// A state of an object, as its write gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Which side of the object: a vault has a policy, a lock and notifications. The name of an inline policy is in it, untrusted.
    pub aspect: Cow<'static, str>,
    /// The document or settings; `null` where there are none any more. Untrusted.
    pub value: Value,
}

/// The state of an object before a write: what an older write left it in.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    /// The document or settings; `null` where there were none. Untrusted.
    pub value: Value,
}

/// The side of its object that a write is compared with, also where it leaves none of it, or leaves it as it was.
pub fn aspect(write: &Write) -> Option<Cow<'static, str>> {
    match (write.service.as_str(), write.event_name.as_str()) {
        _ if write.was_refused() => None,
        ("backup", "DeleteBackupSelection") => Some("selection".into()),
        ("organizations", "AttachPolicy" | "DetachPolicy" | "DeletePolicy") => Some("policy".into()),
        // Whether what ends ever recorded what is needed.
        ("cloudtrail", "StopLogging" | "DeleteTrail") => Some("event-selectors".into()),
        _ => state(write).map(|state| state.aspect),
    }
}

/// The state that a write leaves its object in; `None` where it leaves none that is compared, and where it was refused.
pub fn state(write: &Write) -> Option<State> {
    if write.was_refused() {
        return None;
    }
    let state = |aspect: &'static str, value| Some(State { aspect: aspect.into(), value });
    let part = |name: &str| write.part(name).cloned().unwrap_or_default();
    match (write.service.as_str(), write.event_name.as_str()) {
        ("kms", "PutKeyPolicy" | "CreateKey") => state("key-policy", write.document("policy")?),
        ("backup", "PutBackupVaultAccessPolicy") => state("vault-policy", write.document("policy")?),
        ("backup", "DeleteBackupVaultAccessPolicy") => state("vault-policy", Value::Null),
        // What a record left out is no state.
        ("backup", "PutBackupVaultLockConfiguration") if write.part("backupVaultName").is_some() => state(
            "vault-lock",
            json!({
                "minRetentionDays": part("minRetentionDays"),
                "maxRetentionDays": part("maxRetentionDays"),
                "changeableForDays": part("changeableForDays"),
            }),
        ),
        ("backup", "DeleteBackupVaultLockConfiguration") => state("vault-lock", Value::Null),
        ("backup", "PutBackupVaultNotifications") => {
            state("notifications", json!({"backupVaultEvents": write.part("backupVaultEvents")?, "snsTopicArn": part("snsTopicArn")}))
        }
        ("backup", "DeleteBackupVaultNotifications") => state("notifications", Value::Null),
        ("backup", "CreateBackupPlan" | "UpdateBackupPlan") => state("plan", write.part("backupPlan")?.clone()),
        ("backup", "UpdateRecoveryPointLifecycle") => state("lifecycle", write.part("lifecycle")?.clone()),
        // One map may be written without the other, which stays as it is.
        ("backup", "UpdateRegionSettings") => {
            let maps = ["resourceTypeOptInPreference", "resourceTypeManagementPreference"];
            let [opt_in, management] = maps.map(|name| write.part(name));
            let aspect = if opt_in.is_some() { "opt-in" } else { "management" };
            opt_in.or(management)?;
            state(aspect, json!({"resourceTypeOptInPreference": opt_in, "resourceTypeManagementPreference": management}))
        }
        ("backup", "CreateBackupSelection") => state(
            "selection",
            json!({
                "selectionId": member(&write.response, "selectionId"),
                "backupSelection": write.part("backupSelection"),
                "at": write.at.to_string(),
            }),
        ),
        ("backup", "UpdateGlobalSettings") => state("global-settings", write.part("globalSettings")?.clone()),
        ("ec2", "ModifyEbsDefaultKmsKeyId") => state("ebs-default-key", write.text("kmsKeyId")?.into()),
        ("ec2", "ResetEbsDefaultKmsKeyId") => state("ebs-default-key", Value::Null),
        ("iam", "UpdateAssumeRolePolicy") => state("trust", write.document("policyDocument")?),
        ("iam", "CreateRole") => state("trust", write.document("assumeRolePolicyDocument")?),
        ("cloudtrail", "PutEventSelectors") if write.part("trailName").is_some() => state(
            "event-selectors",
            json!({"eventSelectors": part("eventSelectors"), "advancedEventSelectors": part("advancedEventSelectors")}),
        ),
        // The answer has the whole trail, whatever of it was asked for.
        ("cloudtrail", "UpdateTrail") => {
            let part = |name: &str| member(&write.response, name).or_else(|| write.part(name));
            state("trail", TRAIL.iter().filter_map(|name| Some(((*name).to_owned(), part(name)?.clone()))).collect())
        }
        // A role has many of them.
        ("iam", "PutRolePolicy") => inline(write, write.document("policyDocument")?),
        ("iam", "DeleteRolePolicy") => inline(write, Value::Null),
        ("iam", "CreatePolicyVersion") if write.text("setAsDefault").as_deref() == Some("true") => {
            state("managed-policy", write.document("policyDocument")?)
        }
        // Which document counts from now on is not in the call.
        ("iam", "SetDefaultPolicyVersion") => state("managed-policy", Value::Null),
        ("organizations", "CreatePolicy" | "UpdatePolicy") => state("policy", write.document("content")?),
        _ => None,
    }
}

fn inline(write: &Write, value: Value) -> Option<State> {
    Some(State { aspect: format!("inline/{}", write.text("policyName")?).into(), value })
}
