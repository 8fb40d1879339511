//! Who asks, and whom a `Principal` element means.

use super::document::Principals;
use super::tri::Tri;
use crate::arn::{Arn, linked_service};

/// The caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    text: String,
    kind: Kind,
    partition: String,
    /// Empty for service principals.
    account: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Root,
    User,
    /// The role's name without path.
    Role(String),
    Session(String),
    Service,
}

/// The text names no principal this evaluator knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no user, role, role session or service principal")]
pub struct NotAPrincipal(pub String);

/// How a statement of a resource policy means the caller. The class decides what else must allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    /// Everybody, the user, the service.
    pub(crate) direct: bool,
    /// The session by its own ARN.
    pub(crate) session: bool,
    pub(crate) role: bool,
    pub(crate) account: bool,
}

impl Meant {
    const NOBODY: Self = Self { direct: false, session: false, role: false, account: false };
    pub(crate) const EVERYBODY: Self = Self { direct: true, session: false, role: true, account: true };

    /// The class that decides what else must allow, as printed in reasons.
    pub(crate) fn name(self) -> Option<&'static str> {
        [(self.direct, "everybody, user or service"), (self.session, "session"), (self.role, "role"), (self.account, "account")]
            .into_iter()
            .find_map(|(is, name)| is.then_some(name))
    }

    pub(crate) fn any(self) -> bool {
        self.direct || self.session || self.role || self.account
    }
}

impl Principal {
    /// Reads a principal: an ARN of IAM or STS, or a service principal such as `events.amazonaws.com`.
    pub fn parse(text: &str) -> Result<Self, NotAPrincipal> {
        let unknown = || NotAPrincipal(text.chars().take(256).collect());
        if let Ok(arn) = Arn::parse(text) {
            let account = arn.account().ok_or_else(unknown)?.as_str().to_owned();
            let kind = match (arn.service(), arn.resource()) {
                ("iam", "root") => Kind::Root,
                ("iam", resource) if resource.starts_with("user/") => Kind::User,
                ("iam", resource) if resource.starts_with("role/") => Kind::Role(arn.role_name().ok_or_else(unknown)?.to_owned()),
                ("sts", resource) if resource.starts_with("assumed-role/") => {
                    Kind::Session(arn.role_name().ok_or_else(unknown)?.to_owned())
                }
                _ => return Err(unknown()),
            };
            return Ok(Self { partition: arn.partition().to_owned(), account, kind, text: text.to_owned() });
        }
        let service = text.contains('.') && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if service {
            Ok(Self { text: text.to_owned(), kind: Kind::Service, partition: String::new(), account: String::new() })
        } else {
            Err(unknown())
        }
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    pub(crate) fn is_service(&self) -> bool {
        self.kind == Kind::Service
    }

    pub(crate) fn is_root(&self) -> bool {
        self.kind == Kind::Root
    }

    pub(crate) fn is_session(&self) -> bool {
        matches!(self.kind, Kind::Session(_))
    }

    fn role_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Role(name) | Kind::Session(name) => Some(name),
            Kind::Root | Kind::User | Kind::Service => None,
        }
    }

    /// Whether the caller is a service-linked role: its path says so, and a session ARN has no path, so the role's ARN must be given.
    pub(crate) fn service_linked(&self, role_arn: Option<&str>) -> Tri {
        let reserved = |arn: &str| linked_service(arn).is_some();
        match &self.kind {
            Kind::Role(_) => reserved(&self.text).into(),
            Kind::Session(name) => match role_arn {
                Some(arn) => reserved(arn).into(),
                // IAM gives every service-linked role this prefix; whether others may have it is undocumented.
                None if name.starts_with("AWSServiceRoleFor") => Tri::Maybe,
                None => Tri::No,
            },
            Kind::Root | Kind::User | Kind::Service => Tri::No,
        }
    }

    /// How the values of a `Principal` element mean the caller.
    pub(crate) fn meant_by(&self, principals: &Principals) -> Meant {
        let mut meant = Meant { direct: principals.everybody, ..Meant::NOBODY };
        if self.is_service() {
            meant.direct |= principals.service.iter().any(|service| service == &self.text);
            return meant;
        }
        for value in &principals.aws {
            if value == &self.account || self.is_root_arn(value) {
                meant.account = true;
            } else if self.is_role_arn(value) {
                meant.role = true;
            } else if value == &self.text {
                meant.session |= self.is_session();
                meant.direct |= !self.is_session();
            }
        }
        meant
    }

    /// Which links of the chain account → role → session a `NotPrincipal` element names: (named, length of the chain).
    pub(crate) fn chain_in(&self, principals: &Principals) -> (usize, usize) {
        if principals.everybody {
            return (1, 1);
        }
        if self.is_service() {
            return (usize::from(principals.service.iter().any(|service| service == &self.text)), 1);
        }
        let names = |test: &dyn Fn(&str) -> bool| usize::from(principals.aws.iter().any(|value| test(value)));
        let account = names(&|value| value == self.account || self.is_root_arn(value));
        match &self.kind {
            Kind::Root | Kind::Service => (account, 1),
            Kind::User => (account + names(&|value| value == self.text), 2),
            Kind::Role(_) => (account + names(&|value| self.is_role_arn(value)), 2),
            Kind::Session(_) => (account + names(&|value| self.is_role_arn(value)) + names(&|value| value == self.text), 3),
        }
    }

    fn is_root_arn(&self, value: &str) -> bool {
        let mut parts = value.splitn(6, ':');
        parts.next() == Some("arn")
            && parts.next() == Some(self.partition.as_str())
            && parts.next() == Some("iam")
            && parts.next() == Some("")
            && parts.next() == Some(self.account.as_str())
            && parts.next() == Some("root")
    }

    /// A role ARN means the role and its sessions; the session has no path, so the last segment of the role's decides.
    fn is_role_arn(&self, value: &str) -> bool {
        let Some(name) = self.role_name() else { return false };
        let mut parts = value.splitn(6, ':');
        parts.next() == Some("arn")
            && parts.next() == Some(self.partition.as_str())
            && parts.next() == Some("iam")
            && parts.next() == Some("")
            && parts.next() == Some(self.account.as_str())
            && parts.next().and_then(|resource| resource.strip_prefix("role/")).and_then(|path| path.rsplit('/').next()) == Some(name)
    }

    /// Whether a grant's grantee is the caller: the account, the role (for its sessions too), the session, the user or the service.
    pub(crate) fn is_grantee(&self, grantee: &str) -> bool {
        grantee == self.text || grantee == self.account || self.is_root_arn(grantee) || self.is_role_arn(grantee)
    }
}
