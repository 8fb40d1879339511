//! What a sweep saw of an object before a write: the first write on whatever is older than the log of changes has a before, too.

use serde_json::{Value, json};

use super::state::{Before, aspect};
use super::write::Write;
use crate::evidence::{Fact, NamedPolicy, PolicyLevels};
use crate::prediction::Held;

/// What was there before the write, from an object as it was kept; `None` where it does not tell, and where it was read after the write.
pub fn kept(write: &Write, held: &Held) -> Option<Before> {
    let aspect = aspect(write)?;
    let value = match (aspect.as_ref(), held) {
        ("key-policy", Held::Key { policy, .. }) => older(policy, write)?.document.clone(),
        ("vault-policy", Held::Vault { policy, .. }) => older(policy, write)?.document.clone().unwrap_or_default(),
        ("vault-lock", Held::Vault { vault, .. }) => {
            let vault = older(vault, write)?;
            match vault.locked? {
                true => json!({"minRetentionDays": vault.min_retention_days, "maxRetentionDays": vault.max_retention_days}),
                false => Value::Null,
            }
        }
        ("trust", Held::Role { role }) => older(role, write)?.trust.clone()?,
        ("managed-policy", Held::Role { role }) => {
            let arn = write.text("policyArn")?;
            document(&older(role, write)?.policies, |policy| policy.arn.as_ref().is_some_and(|of| of.as_str() == arn))?
        }
        ("policy", Held::Account { scps, rcps }) => {
            let id = write.text("policyId")?;
            let find = |levels: &Fact<PolicyLevels>| {
                let of = |policy: &NamedPolicy| policy.arn.as_ref().is_some_and(|arn| arn.resource_name() == id);
                older(levels, write)?.levels.iter().find_map(|level| document(level, of))
            };
            find(scps).or_else(|| find(rcps))?
        }
        (aspect, Held::Role { role }) => {
            let name = aspect.strip_prefix("inline/")?;
            // Where there was none, nothing is lost by a new one.
            document(&older(role, write)?.policies, |policy| policy.arn.is_none() && policy.name == name).unwrap_or_default()
        }
        _ => return None,
    };
    Some(Before { value })
}

/// Read before the write: what was read after it may say what it wrote.
fn older<'f, T>(fact: &'f Fact<T>, write: &Write) -> Option<&'f T> {
    match fact {
        Fact::Known { value, at, .. } if *at < write.at => Some(value),
        _ => None,
    }
}

fn document(policies: &[NamedPolicy], is_it: impl Fn(&NamedPolicy) -> bool) -> Option<Value> {
    policies.iter().find(|policy| is_it(policy)).map(|policy| policy.document.clone())
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::tamper::{Incoming, read};

    const AT: &str = "2026-11-02T05:00:00Z";

    fn write(service: &str, name: &str, request: &Value) -> Write {
        let identity = json!({"type": "IAMUser", "arn": "arn:aws:iam::222222222222:user/anna", "accountId": "222222222222"});
        let detail = json!({
            "eventVersion": "1.11", "userIdentity": identity, "eventTime": AT, "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name, "awsRegion": "eu-central-1", "requestParameters": request, "eventID": "e", "recipientAccountId": "222222222222",
        });
        let event = json!({
            "version": "0", "id": "e", "detail-type": "AWS API Call via CloudTrail", "source": format!("aws.{service}"),
            "account": "222222222222", "time": AT, "region": "eu-central-1", "resources": [], "detail": detail,
        });
        match read(event.to_string().as_bytes()) {
            Incoming::Write(write) => *write,
            other => panic!("{other:?}"),
        }
    }

    fn known<T: serde::de::DeserializeOwned>(value: Value, minutes_before: i64) -> Fact<T> {
        let at = AT.parse::<Timestamp>().unwrap() - SignedDuration::from_mins(minutes_before);
        Fact::Known { value: serde_json::from_value(value).unwrap(), source: "x".to_owned(), at }
    }

    fn before(write: &Write, held: &Held) -> Option<Value> {
        kept(write, held).map(|before| before.value)
    }

    #[test]
    fn each_side_of_an_object_is_told_as_it_was_seen_before_the_write_and_not_after_it() {
        let vault = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";
        let document = json!({"Statement": []});
        let held = |minutes: i64, document: &Value| Held::Vault {
            vault: known(json!({"arn": vault, "locked": true, "min_retention_days": 7, "max_retention_days": 400}), minutes),
            policy: known(json!({"vault_arn": vault, "document": document}), minutes),
        };
        let put = write("backup", "PutBackupVaultAccessPolicy", &json!({"backupVaultName": "central", "policy": "{}"}));
        assert_eq!(before(&put, &held(1, &document)), Some(document.clone()));
        assert_eq!(before(&put, &held(1, &Value::Null)), Some(Value::Null), "it had none");
        assert_eq!(before(&put, &held(0, &document)), None, "seen in the same second");
        assert_eq!(before(&put, &held(-5, &document)), None, "seen after it");
        let lock = write("backup", "PutBackupVaultLockConfiguration", &json!({"backupVaultName": "central", "minRetentionDays": 1}));
        assert_eq!(before(&lock, &held(1, &document)), Some(json!({"minRetentionDays": 7, "maxRetentionDays": 400})));
        let role = json!({
            "arn": "arn:aws:iam::222222222222:role/jobs", "trust": {"Statement": ["t"]},
            "policies": [
                {"name": "own", "document": {"Statement": ["o"]}},
                {"name": "more", "arn": "arn:aws:iam::222222222222:policy/more", "document": {"Statement": ["m"]}},
            ],
        });
        let role = Held::Role { role: known(role, 1) };
        let inline = |name: &str| write("iam", "PutRolePolicy", &json!({"roleName": "jobs", "policyName": name, "policyDocument": "{}"}));
        assert_eq!(before(&inline("own"), &role), Some(json!({"Statement": ["o"]})));
        assert_eq!(before(&inline("more"), &role), Some(Value::Null), "a policy that is attached is no inline one");
        let trust = write("iam", "UpdateAssumeRolePolicy", &json!({"roleName": "jobs", "policyDocument": "{}"}));
        assert_eq!(before(&trust, &role), Some(json!({"Statement": ["t"]})));
        let version = json!({"policyArn": "arn:aws:iam::222222222222:policy/more", "policyDocument": "{}", "setAsDefault": true});
        assert_eq!(before(&write("iam", "CreatePolicyVersion", &version), &role), Some(json!({"Statement": ["m"]})));
        let scp = "arn:aws:organizations::333333333333:policy/o-exampleorgid/service_control_policy/p-1";
        let levels = json!({"account_id": "111111111111", "levels": [[], [{"name": "x", "arn": scp, "document": {"Statement": ["s"]}}]]});
        let account = Held::Account { scps: known(levels, 1), rcps: Fact::NotAsked };
        let update = |id: &str| write("organizations", "UpdatePolicy", &json!({"policyId": id, "content": "{}"}));
        assert_eq!(before(&update("p-1"), &account), Some(json!({"Statement": ["s"]})));
        assert_eq!(before(&update("p-2"), &account), None);
        assert_eq!(before(&put, &account), None, "another object");
    }
}
