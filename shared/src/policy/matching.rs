//! One statement against one request: does it match, and if not, for which part?

use super::answer::{Layer, Missed, Outcome};
use super::arn::resource_matches;
use super::document::{Document, Part, Statement, Verb};
use super::evaluate::Request;
use super::principal::Meant;
use super::tri::Tri;
use super::wildcard::{Pattern, Reading, pattern};

/// What statements say, taken together.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) deny: Tri,
    pub(super) allow: Tri,
    /// Allowed as everybody, user or service.
    pub(super) direct: Tri,
    pub(super) session: Tri,
    pub(super) role: Tri,
    pub(super) account: Tri,
}

impl Said {
    pub(super) const NOTHING: Self = Self::all(Tri::No);

    pub(super) const fn all(tri: Tri) -> Self {
        Self { deny: tri, allow: tri, direct: tri, session: tri, role: tri, account: tri }
    }

    /// An Allow of a resource policy for this caller, of whatever class.
    pub(super) fn names_caller(self) -> Tri {
        self.direct.or(self.session).or(self.role).or(self.account)
    }

    pub(super) fn and_then(self, other: Self) -> Self {
        Self {
            deny: self.deny.or(other.deny),
            allow: self.allow.or(other.allow),
            direct: self.direct.or(other.direct),
            session: self.session.or(other.session),
            role: self.role.or(other.role),
            account: self.account.or(other.account),
        }
    }
}

/// What became of one statement.
pub(super) struct Judged {
    pub(super) said: Said,
    pub(super) names: Option<&'static str>,
    pub(super) outcome: Outcome,
}

impl Judged {
    fn missed(part: Missed) -> Self {
        Self { said: Said::NOTHING, names: None, outcome: Outcome::Missed(part) }
    }
}

/// A request, and what else statements of it depend on.
pub(super) struct Matcher<'a> {
    pub(super) request: &'a Request,
    /// The caller has a permissions boundary.
    pub(super) bounded: bool,
}

impl Matcher<'_> {
    pub(super) fn statement(&self, layer: Layer, document: &Document, statement: &Statement) -> Judged {
        let mut depends = statement.unreadable.clone();
        let action = statement.is_about(&self.request.action);
        if action == Tri::No {
            return Judged::missed(Missed::Action);
        }
        let (meant, principal) = self.principal(layer, statement, &mut depends);
        if principal == Tri::No {
            return Judged::missed(Missed::Principal);
        }
        let resource = self.resource(layer, document, statement, &mut depends);
        if resource == Tri::No {
            return Judged::missed(Missed::Resource);
        }
        let mut condition = Tri::from(statement.unreadable.is_empty()).or(Tri::Maybe);
        for one in &statement.conditions {
            let holds = one.holds(&self.request.context, document.variables, &mut depends);
            if holds == Tri::No {
                return Judged::missed(Missed::Condition { operator: one.written.clone(), key: one.key.clone() });
            }
            condition = condition.and(holds);
        }

        let matched = action.and(principal).and(resource).and(condition);
        let class = |is: bool| if is { matched } else { Tri::No };
        let said = match statement.verb {
            Verb::Deny => Said { deny: matched, ..Said::NOTHING },
            Verb::Allow => Said {
                allow: matched,
                direct: class(meant.direct),
                session: class(meant.session),
                role: class(meant.role),
                account: class(meant.account),
                ..Said::NOTHING
            },
            Verb::Unreadable => Said::all(matched.and(Tri::Maybe)),
        };
        let names = if layer == Layer::Resource { meant.name() } else { None };
        Judged { said, names, outcome: if depends.is_empty() { Outcome::Matched } else { Outcome::Depends(depends) } }
    }

    fn principal(&self, layer: Layer, statement: &Statement, depends: &mut Vec<String>) -> (Meant, Tri) {
        if layer != Layer::Resource {
            return (Meant::EVERYBODY, Tri::Yes);
        }
        let caller = &self.request.principal;
        match &statement.principal {
            Part::Is(principals) => {
                let meant = caller.meant_by(principals);
                (meant, meant.any().into())
            }
            Part::Not(principals) => {
                if statement.verb != Verb::Deny {
                    depends.push("NotPrincipal without Deny".to_owned());
                    return (Meant::EVERYBODY, Tri::Maybe);
                }
                // With a permissions boundary such a statement always denies
                // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>).
                if self.bounded && !caller.is_service() {
                    return (Meant::EVERYBODY, Tri::Yes);
                }
                let (named, chain) = caller.chain_in(principals);
                if named == 0 {
                    (Meant::EVERYBODY, Tri::Yes)
                } else if named == chain {
                    (Meant::EVERYBODY, Tri::No)
                } else {
                    depends.push("NotPrincipal that names only a part of the chain".to_owned());
                    (Meant::EVERYBODY, Tri::Maybe)
                }
            }
            // A statement of a resource policy that names nobody means nobody.
            Part::Absent => (Meant::EVERYBODY, Tri::No),
            Part::Unreadable => (Meant::EVERYBODY, Tri::Maybe),
        }
    }

    fn resource(&self, layer: Layer, document: &Document, statement: &Statement, depends: &mut Vec<String>) -> Tri {
        let (patterns, negated) = match &statement.resource {
            Part::Is(patterns) => (patterns, false),
            Part::Not(patterns) => (patterns, true),
            // Trust policies have no Resource.
            Part::Absent if layer == Layer::Resource => return Tri::Yes,
            Part::Absent => {
                depends.push("missing Resource".to_owned());
                return Tri::Maybe;
            }
            Part::Unreadable => return Tri::Maybe,
        };
        let reading = Reading { wildcards: true, variables: document.variables, fold: false };
        let (mut any, mut open) = (Tri::No, Vec::new());
        for text in patterns {
            let one = match pattern(text, reading, &self.request.context) {
                Pattern::Tokens(tokens) => {
                    let one = resource_matches(&tokens, &self.request.resource);
                    if one == Tri::Maybe {
                        open.push(format!("a star at the end of an ARN field in `{text}`"));
                    }
                    one
                }
                Pattern::NoValue => Tri::No,
                Pattern::Unknown(key) => {
                    open.push(key);
                    Tri::Maybe
                }
            };
            any = any.or(one);
        }
        if any == Tri::Maybe {
            depends.append(&mut open);
        }
        if negated { !any } else { any }
    }
}
