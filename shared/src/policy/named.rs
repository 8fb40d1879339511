//! Whom a policy names. What it lets them do is decided by [`evaluate`](super::evaluate).

use std::collections::BTreeSet;

use serde_json::Value;

/// The principals that the Allow statements of a resource policy name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// `*`: everybody, as far as the conditions let them.
    pub everybody: bool,
    /// ARNs, account ids and unique ids. Untrusted text.
    pub aws: BTreeSet<String>,
    /// ARNs and names of identity providers. Untrusted text.
    pub federated: BTreeSet<String>,
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
            "Service" | "CanonicalUser" => {}
            _ => self.open = true,
        }
    }
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
        assert_eq!((one.everybody, one.open, one.aws.len()), (true, false, 1));
        let denied = Named::read(&json!({"Statement": [{"Effect": "Deny", "Principal": "*"}]}));
        assert_eq!(denied, Named::default());
        let federated =
            Named::read(&json!({"Statement": [{"Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"}}]}));
        assert_eq!(federated.federated.len(), 1);
        for open in [json!({}), json!({"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "1"}}]}), json!({"Statement": [{}]})] {
            assert!(Named::read(&open).open, "{open}");
        }
    }
}
