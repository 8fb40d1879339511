//! KMS grants: they only allow, and need no policy beside them.
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>)

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::context::{Context, Lookup};
use super::principal::Principal;
use super::tri::Tri;

/// What the condition keys of an encryption context begin with.
const PAIR: &str = "kms:encryptioncontext:";

/// A grant on the key of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// Who was granted: ARN of an account root, user, role or session, or a service principal.
    pub grantee: String,
    /// `Decrypt`, `CreateGrant`, …, without the prefix `kms:`.
    pub operations: Vec<String>,
    /// `EncryptionContextEquals`: the request's context must be exactly this.
    pub context_equals: Option<BTreeMap<String, String>>,
    /// `EncryptionContextSubset`: the request's context must contain this.
    pub context_subset: Option<BTreeMap<String, String>>,
}

impl Grant {
    /// Whether the grant lets the caller do the action.
    pub(crate) fn allows(&self, principal: &Principal, action: &str, context: &Context) -> Tri {
        let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
        if !principal.is_grantee(&self.grantee) || !self.operations.iter().any(|granted| granted.eq_ignore_ascii_case(operation)) {
            return Tri::No;
        }
        // Operations without an encryption context do not look at the constraint.
        if matches!(operation.to_ascii_lowercase().as_str(), "describekey" | "retiregrant") {
            return Tri::Yes;
        }
        let contains = |wanted: &BTreeMap<String, String>| {
            wanted.iter().fold(Tri::Yes, |so_far, (key, value)| {
                so_far.and(match context.get(&format!("kms:EncryptionContext:{key}")) {
                    Lookup::One(found) => (found == value).into(),
                    Lookup::Unknown => Tri::Maybe,
                    Lookup::Absent | Lookup::Many(_) => Tri::No,
                })
            })
        };
        let subset = self.context_subset.as_ref().map_or(Tri::Yes, contains);
        let equals = self.context_equals.as_ref().map_or(Tri::Yes, |wanted| {
            let (pairs, more) = context.under(PAIR);
            let stranger = pairs.into_iter().any(|pair| !wanted.keys().any(|key| key.to_lowercase() == pair));
            let complete = match context.get("kms:EncryptionContextKeys") {
                _ if stranger => Tri::No,
                Lookup::Many(keys) => (keys.len() == wanted.len()).into(),
                Lookup::One(_) => (wanted.len() == 1).into(),
                // Without the list of keys the pairs themselves are all there is.
                Lookup::Absent if !more => Tri::Yes,
                Lookup::Absent | Lookup::Unknown => Tri::Maybe,
            };
            contains(wanted).and(complete)
        });
        subset.and(equals)
    }
}
