//! Whom a policy names. What it lets them do is decided by [`evaluate`](super::evaluate).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::arn::{AccountId, Arn};

/// The principals that the Allow statements of a resource policy name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// `*`: everybody, as far as the conditions let them.
    pub everybody: bool,
    /// ARNs, account ids and unique ids. Untrusted text.
    pub aws: BTreeSet<String>,
    /// ARNs and names of identity providers. Untrusted text.
    pub federated: BTreeSet<String>,
    /// Names of services of AWS, such as `lambda.amazonaws.com`. Untrusted text.
    pub services: BTreeSet<String>,
    /// A statement speaks of everybody but some, or could not be read.
    pub open: bool,
}

impl Named {
    /// Reads them from a document.
    pub fn read(document: &Value) -> Self {
        let mut named = Self::default();
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => {
                named.open = true;
                Vec::new()
            }
        };
        for statement in statements {
            match statement.get("Effect").and_then(Value::as_str) {
                Some("Deny") => continue,
                Some("Allow") => {}
                _ => named.open = true,
            }
            match statement.get("Principal") {
                Some(Value::String(text)) if text == "*" => named.everybody = true,
                Some(Value::Object(kinds)) => {
                    for (kind, value) in kinds {
                        named.add(kind, value);
                    }
                }
                _ => named.open = true,
            }
        }
        named
    }

    fn add(&mut self, kind: &str, value: &Value) {
        let values = match value {
            Value::String(text) => vec![text.as_str()],
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => {
                self.open = true;
                return;
            }
        };
        match kind {
            "AWS" => {
                self.everybody |= values.contains(&"*");
                self.aws.extend(values.into_iter().filter(|value| *value != "*").map(str::to_owned));
            }
            "Federated" => self.federated.extend(values.into_iter().map(str::to_owned)),
            "Service" => self.services.extend(values.into_iter().map(str::to_owned)),
            "CanonicalUser" => {}
            _ => self.open = true,
        }
    }
}

/// The patterns of ARNs of principals that the Denys of a policy leave alone. Untrusted text.
pub fn left_alone(document: &Value) -> BTreeSet<String> {
    let statements = match document.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        one => one.into_iter().collect::<Vec<_>>(),
    };
    let mut patterns = BTreeSet::new();
    for statement in statements.into_iter().filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Deny")) {
        let conditions = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
        for (_, keys) in conditions.filter(|(operator, _)| operator.to_ascii_lowercase().contains("not")) {
            let keys = keys.as_object().into_iter().flatten();
            for (_, values) in keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:PrincipalArn")) {
                match values {
                    Value::String(text) => drop(patterns.insert(text.clone())),
                    values => patterns.extend(values.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)),
                }
            }
        }
    }
    patterns
}

/// The roles of an account that the Denys of a policy leave alone by name. Roles of AWS services and of IAM Identity Center, which nobody makes by
/// hand, are not among them.
pub fn roles_left_alone(document: &Value, account: &AccountId, partition: &str) -> BTreeSet<Arn> {
    let named = left_alone(document);
    let ours = named.iter().filter_map(|pattern| {
        let mut parts = pattern.splitn(6, ':').skip(4);
        let (owner, name) = (parts.next()?, parts.next()?);
        let made = name.starts_with("role/") && !name.starts_with("role/aws-service-role/") && !name.starts_with("role/aws-reserved/");
        (made && !name.contains(['*', '?']) && (owner == account.as_str() || owner == "*"))
            .then(|| Arn::parse(&format!("arn:{partition}:iam::{account}:{name}")).ok())?
    });
    ours.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn principals_are_found_wherever_a_statement_may_name_them() {
        let one = Named::read(
            &json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": ["111111111111", "*"], "Service": "x.amazonaws.com"}}}),
        );
        assert_eq!((one.everybody, one.open, one.aws.len(), one.services.len()), (true, false, 1, 1));
        let denied = Named::read(&json!({"Statement": [{"Effect": "Deny", "Principal": "*"}]}));
        assert_eq!(denied, Named::default());
        let federated =
            Named::read(&json!({"Statement": [{"Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"}}]}));
        assert_eq!(federated.federated.len(), 1);
        for open in [json!({}), json!({"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "1"}}]}), json!({"Statement": [{}]})] {
            assert!(Named::read(&open).open, "{open}");
        }
    }

    #[test]
    fn only_roles_of_the_account_that_a_deny_names_are_left_alone() {
        let account = AccountId::parse("222222222222").unwrap();
        let deny = |condition: Value| json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": condition}});
        let roles = |document: &Value| {
            let roles = roles_left_alone(document, &account, "aws").into_iter();
            roles.map(|role| role.resource().to_owned()).collect::<Vec<_>>()
        };
        let named = json!([
            "arn:aws:iam::222222222222:role/glass",
            "arn:aws:iam::*:role/of/all",
            "arn:aws:iam::111111111111:role/theirs",
            "arn:aws:iam::222222222222:role/any-*",
            "arn:aws:iam::222222222222:user/alice",
            "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup",
            "role/no-arn",
        ]);
        assert_eq!(roles(&deny(json!({"ArnNotLike": {"AWS:principalarn": named}}))), ["role/glass", "role/of/all"]);
        // Whom a Deny binds is not left alone by it, and what an Allow says of somebody leaves nobody alone.
        assert!(roles(&deny(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/glass"}}))).is_empty());
        let allow = json!({"Statement": [{"Effect": "Allow", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/glass"}}}]});
        assert!(roles(&allow).is_empty() && roles(&json!({})).is_empty());
    }
}
