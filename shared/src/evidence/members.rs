//! The accounts of an organization.

use std::ops::Deref;
use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::arn::AccountId;

/// An account of the organization (`organizations:ListAccounts`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account.
    pub account_id: AccountId,
    /// Untrusted text.
    #[serde(default)]
    pub name: Option<CompactString>,
    /// `ACTIVE`, `SUSPENDED`, `PENDING_CLOSURE`, …: an open set.
    #[serde(default)]
    pub status: Option<CompactString>,
    /// Organizational units from the root to it, such as `o-1/r-1/ou-1/`, where the list tells them. Shared by the accounts of a unit: of a large
    /// organization there are ten thousand.
    #[serde(default, with = "shared_text")]
    pub path: Option<Arc<str>>,
}

/// The accounts of an organization.
///
/// INVARIANT: by id, each once, in whatever order they were told or written down: each of ten thousand accounts that are judged looks for others among
/// them. Where one is told twice and otherwise, its place in the organization is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Member>")]
pub struct Members(Vec<Member>);

impl From<Vec<Member>> for Members {
    fn from(mut members: Vec<Member>) -> Self {
        members.sort_by(|a, b| (&a.account_id, &a.name, &a.status, &a.path).cmp(&(&b.account_id, &b.name, &b.status, &b.path)));
        members.dedup_by(|again, member| {
            let same = again.account_id == member.account_id;
            if same && again.path != member.path {
                member.path = None;
            }
            same
        });
        members.shrink_to_fit();
        Self(members)
    }
}

impl Deref for Members {
    type Target = [Member];

    fn deref(&self) -> &[Member] {
        &self.0
    }
}

impl Members {
    /// An account of them.
    pub fn of(&self, account: &AccountId) -> Option<&Member> {
        self.0.get(self.0.binary_search_by(|member| member.account_id.cmp(account)).ok()?)
    }
}

mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<str>>, D::Error> {
        Option::<String>::deserialize(from).map(|text| text.map(Arc::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_by_id_and_one_that_is_told_twice_and_otherwise_is_nowhere() {
        let member = |id: &str, path: Option<&str>| Member {
            account_id: AccountId::parse(id).unwrap(),
            name: None,
            status: Some("ACTIVE".into()),
            path: path.map(Into::into),
        };
        let (one, other) = (member("222222222222", Some("o-1/r-1/")), member("111111111111", Some("o-1/r-1/ou-1/")));
        let told = [one.clone(), other.clone(), one.clone(), member("111111111111", Some("o-1/r-1/ou-2/")), other.clone()];
        let members = Members::from(told.to_vec());
        assert_eq!(members, Members::from(told.iter().rev().cloned().collect::<Vec<_>>()));
        assert_eq!(members.to_vec(), [member("111111111111", None), one.clone()]);
        assert_eq!(members.of(&one.account_id), Some(&one));
    }
}
