//! The decision: which layers apply, what they say, and what follows.
//!
//! Every answer carries its reasons. A point that AWS leaves undocumented, a key whose value is unknown or a statement that cannot be read
//! ends in [`Decision::Uncertain`] where it matters, never in a guess.

use super::arn::resource_matches;
use super::context::{Context, Lookup};
use super::document::{Document, Part, Statement, Verb};
use super::grant::Grant;
use super::principal::{Meant, Principal};
use super::tri::Tri;
use super::wildcard::{Pattern, Reading, matches_action, pattern};

/// A request: who does what to which object, in which context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who.
    pub principal: Principal,
    /// `kms:CreateGrant`, …
    pub action: String,
    /// ARN of the object, or `*`.
    pub resource: String,
    /// The account that owns the object.
    pub resource_account: String,
    /// The complete request context.
    pub context: Context,
}

/// Everything that may decide a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// Attached, inline and group policies of the caller.
    pub identity: Vec<Document>,
    /// Permissions boundary of the caller.
    pub boundary: Option<Document>,
    /// Session policy of the caller's session.
    pub session: Option<Document>,
    /// SCPs of the caller's account, one list per level, organization root first. Empty: none apply.
    pub scps: Vec<Vec<Document>>,
    /// RCPs of the object's account, likewise.
    pub rcps: Vec<Vec<Document>>,
    /// Key policy, vault access policy, trust policy.
    pub resource: Option<Document>,
    /// Grants on the key.
    pub grants: Vec<Grant>,
    /// There are grants that are not fully described.
    pub grants_incomplete: bool,
    /// The organization's management account.
    pub management_account: Option<String>,
    /// The key is an AWS managed key.
    pub aws_managed_key: bool,
}

/// What AWS would answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the field's own terms")]
pub enum Decision {
    Allowed,
    ImplicitlyDenied,
    ExplicitlyDenied,
    /// It depends on what is not known or not documented.
    Uncertain,
}

impl Decision {
    /// `Allowed`, `ImplicitlyDenied`, `ExplicitlyDenied`, `Uncertain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "Allowed",
            Self::ImplicitlyDenied => "ImplicitlyDenied",
            Self::ExplicitlyDenied => "ExplicitlyDenied",
            Self::Uncertain => "Uncertain",
        }
    }
}

/// A layer of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the field's own terms")]
pub enum Layer {
    Scp,
    Rcp,
    Identity,
    Boundary,
    Session,
    Resource,
}

impl Layer {
    /// As printed in reasons.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scp => "scp",
            Self::Rcp => "rcp",
            Self::Identity => "identity",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Resource => "resource",
        }
    }
}

/// A statement and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The layer.
    pub layer: Layer,
    /// Which document of the layer (SCPs and RCPs: counted through all levels), from 0.
    pub document: usize,
    /// Which statement, from 0.
    pub statement: usize,
    /// Its Sid. Untrusted text.
    pub sid: Option<String>,
    /// Whether it denies.
    pub denies: bool,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It matched.
    Matched,
    /// It may match: the named parts could not be settled.
    Depends(Vec<String>),
    /// It did not match, for this part.
    Missed(&'static str),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// Every statement of the layers that applied.
    pub reasons: Vec<Reason>,
    /// Layers that were exempt, and why.
    pub exemptions: Vec<&'static str>,
    /// Which layer failed to allow: `identity`, `scp level 2`, …
    pub missing: Vec<String>,
    /// Condition keys and open points that the answer depends on.
    pub depends_on: Vec<String>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// Services whose resources RCPs reach
/// (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html>). AWS Backup and IAM are not among them.
const RCP_SERVICES: &[&str] = &["aoss", "cognito-identity", "cognito-idp", "ecr", "kms", "logs", "s3", "secretsmanager", "sqs", "sts"];

/// KMS operations that work on a key of another account; every other fails whatever the policies say
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html>).
const KMS_ACROSS_ACCOUNTS: &[&str] = &[
    "creategrant",
    "decrypt",
    "derivesharedsecret",
    "describekey",
    "encrypt",
    "generatedatakey",
    "generatedatakeypair",
    "generatedatakeypairwithoutplaintext",
    "generatedatakeywithoutplaintext",
    "generatemac",
    "getkeyrotationstatus",
    "getpublickey",
    "listgrants",
    "reencryptfrom",
    "reencryptto",
    "retiregrant",
    "revokegrant",
    "sign",
    "verify",
    "verifymac",
];

/// Whether a KMS operation takes no key: then there is no key policy, and identity policies decide alone
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>).
fn without_key(operation: &str, resource: &str) -> bool {
    const ACCOUNT_WIDE: &[&str] = &["createkey", "generaterandom", "listaliases", "listkeys", "listretirablegrants"];
    let operation = operation.to_ascii_lowercase();
    resource == "*" && (ACCOUNT_WIDE.contains(&operation.as_str()) || operation.contains("customkeystore"))
        || resource.contains(":alias/") && operation.ends_with("alias")
}

/// Evaluates a request.
pub fn evaluate(request: &Request, policies: &Policies) -> Answer {
    Evaluation { request, policies, reasons: Vec::new(), exemptions: Vec::new(), missing: Vec::new(), depends: Vec::new() }.run()
}

struct Evaluation<'a> {
    request: &'a Request,
    policies: &'a Policies,
    reasons: Vec<Reason>,
    exemptions: Vec<&'static str>,
    missing: Vec<String>,
    depends: Vec<String>,
}

/// What the documents of a layer say.
#[derive(Clone, Copy)]
struct Said {
    deny: Tri,
    allow: Tri,
    direct: Tri,
    session: Tri,
    role: Tri,
    account: Tri,
}

impl Said {
    const NOTHING: Self = Self::all(Tri::No);

    const fn all(tri: Tri) -> Self {
        Self { deny: tri, allow: tri, direct: tri, session: tri, role: tri, account: tri }
    }

    /// An Allow of a resource policy for this caller, of whatever class.
    fn names_caller(self) -> Tri {
        self.direct.or(self.session).or(self.role).or(self.account)
    }

    fn and_then(self, other: Self) -> Self {
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

impl Evaluation<'_> {
    fn run(mut self) -> Answer {
        let (request, policies) = (self.request, self.policies);
        let principal = &request.principal;
        let service = principal.is_service();
        let same_account = !service && principal.account() == request.resource_account;
        let (prefix, operation) = request.action.split_once(':').unwrap_or((&request.action, ""));
        let kms = prefix.eq_ignore_ascii_case("kms");
        let key = kms && !without_key(operation, &request.resource);
        let needs_resource_policy = key || prefix.eq_ignore_ascii_case("sts") && request.resource.contains(":role/");

        let service_linked = match request.context.get("aws:PrincipalArn") {
            Lookup::One(arn) => principal.service_linked(Some(arn)),
            // Forgetting whose session it is must not settle the question.
            Lookup::Unknown if principal.is_session() => Tri::Maybe,
            Lookup::Unknown | Lookup::Many(_) | Lookup::Absent => principal.service_linked(None),
        };
        let (scp_deny, scp_allow) = self.scps(service, service_linked);
        let rcp_deny = self.rcps(prefix, service_linked);

        let mut identity = if service { Said::NOTHING } else { self.layer(Layer::Identity, policies.identity.iter()) };
        if principal.is_root() {
            // The root user has no policies and needs none in its own account.
            identity.allow = Tri::Yes;
        }
        let boundary = policies.boundary.as_ref().filter(|_| !service).map(|document| self.layer(Layer::Boundary, [document]));
        let session = policies.session.as_ref().filter(|_| !service).map(|document| self.layer(Layer::Session, [document]));
        let passes_role = request.action.eq_ignore_ascii_case("iam:PassRole");
        if passes_role && policies.resource.is_some() {
            self.exemptions.push("the trust policy takes no part in iam:PassRole");
        }
        let resource = self.layer(Layer::Resource, policies.resource.iter().filter(|_| !passes_role));

        let boundary_allow = boundary.map_or(Tri::Yes, |said| said.allow);
        let session_allow = session.map_or(Tri::Yes, |said| said.allow);
        let limits = boundary_allow.and(session_allow);
        let iam = identity.allow.and(limits);

        // Whether a session policy limits what a resource policy grants to the session's own ARN is contradictory in the documents.
        let to_session = if resource.session != Tri::No && session_allow != Tri::Yes {
            self.depends.push("session policy against a grant to the session".to_owned());
            Tri::Maybe
        } else {
            resource.session
        };
        let direct = resource.direct.or(to_session);
        let mut allow = if service {
            direct
        } else if same_account && needs_resource_policy {
            direct.or(resource.role.and(limits)).or(resource.account.and(iam))
        } else if same_account {
            direct.or(resource.role.and(limits)).or(iam)
        } else {
            resource.names_caller().and(iam)
        };
        if kms {
            allow = allow.or(self.granted(iam));
            let crosses = !same_account && !service;
            if crosses && !KMS_ACROSS_ACCOUNTS.iter().any(|known| operation.eq_ignore_ascii_case(known)) {
                self.missing.push("operation not available across accounts".to_owned());
                allow = Tri::No;
            }
        }

        let deny = [scp_deny, rcp_deny, identity.deny, resource.deny]
            .into_iter()
            .chain([boundary, session].into_iter().flatten().map(|said| said.deny))
            .fold(Tri::No, Tri::or);
        let allowed = allow.and(scp_allow);
        let decision = match (deny, allowed) {
            (Tri::Yes, _) => Decision::ExplicitlyDenied,
            (Tri::No, Tri::Yes) => Decision::Allowed,
            (Tri::No, Tri::No) => Decision::ImplicitlyDenied,
            (Tri::Maybe, _) | (Tri::No, Tri::Maybe) => Decision::Uncertain,
        };
        if allow != Tri::Yes {
            for (missing, name) in [
                (resource.names_caller(), "resource policy"),
                (if service { Tri::Yes } else { identity.allow }, "identity policies"),
                (boundary_allow, "permissions boundary"),
                (session_allow, "session policy"),
            ] {
                if missing != Tri::Yes {
                    self.missing.push(name.to_owned());
                }
            }
        }
        self.answer(decision)
    }

    fn answer(mut self, decision: Decision) -> Answer {
        if decision == Decision::Uncertain {
            for reason in &self.reasons {
                if let Outcome::Depends(on) = &reason.outcome {
                    self.depends.extend(on.iter().cloned());
                }
            }
            self.depends.sort();
            self.depends.dedup();
        } else {
            self.depends.clear();
        }
        if decision == Decision::Allowed {
            self.missing.clear();
        }
        let problems = self.documents().flat_map(|document| document.problems.iter().cloned()).collect();
        Answer { decision, reasons: self.reasons, exemptions: self.exemptions, missing: self.missing, depends_on: self.depends, problems }
    }

    fn documents(&self) -> impl Iterator<Item = &Document> {
        let policies = self.policies;
        policies
            .scps
            .iter()
            .chain(&policies.rcps)
            .flatten()
            .chain(&policies.identity)
            .chain(&policies.boundary)
            .chain(&policies.session)
            .chain(&policies.resource)
    }

    /// SCPs: (a deny, an allow at every level).
    fn scps(&mut self, service: bool, service_linked: Tri) -> (Tri, Tri) {
        let policies = self.policies;
        if policies.scps.is_empty() {
            return (Tri::No, Tri::Yes);
        }
        let exempt = if service {
            Some("SCPs do not reach service principals")
        } else if service_linked == Tri::Yes {
            Some("SCPs do not reach service-linked roles")
        } else if policies.management_account.as_deref() == Some(self.request.principal.account()) {
            Some("SCPs do not reach principals of the management account")
        } else {
            None
        };
        if let Some(exempt) = exempt {
            self.exemptions.push(exempt);
            return (Tri::No, Tri::Yes);
        }
        let (mut deny, mut allow, mut first) = (Tri::No, Tri::Yes, 0);
        for (index, level) in policies.scps.iter().enumerate() {
            let said = self.layer_from(Layer::Scp, level.iter(), first);
            first += level.len();
            deny = deny.or(said.deny);
            allow = allow.and(said.allow);
            if said.allow != Tri::Yes {
                self.missing.push(format!("SCP level {} of {}", index + 1, policies.scps.len()));
            }
        }
        if service_linked == Tri::Maybe && (deny != Tri::No || allow != Tri::Yes) {
            self.depends.push("aws:PrincipalArn".to_owned());
            return (deny.and(Tri::Maybe), allow.or(Tri::Maybe));
        }
        (deny, allow)
    }

    /// RCPs: a deny. `RCPFullAWSAccess` cannot be detached, so only denies count.
    fn rcps(&mut self, prefix: &str, service_linked: Tri) -> Tri {
        let (request, policies) = (self.request, self.policies);
        if policies.rcps.is_empty() {
            return Tri::No;
        }
        let exempt = if policies.management_account.as_deref() == Some(request.resource_account.as_str()) {
            Some("RCPs do not reach resources of the management account")
        } else if service_linked == Tri::Yes {
            Some("RCPs do not reach service-linked roles")
        } else if !RCP_SERVICES.iter().any(|service| prefix.eq_ignore_ascii_case(service)) {
            Some("RCPs do not reach this service")
        } else if policies.aws_managed_key {
            Some("RCPs do not reach AWS managed keys")
        } else if request.action.eq_ignore_ascii_case("kms:RetireGrant") {
            Some("RCPs do not reach kms:RetireGrant")
        } else {
            None
        };
        if let Some(exempt) = exempt {
            self.exemptions.push(exempt);
            return Tri::No;
        }
        let deny = self.layer(Layer::Rcp, policies.rcps.iter().flatten()).deny;
        if service_linked == Tri::Maybe && deny != Tri::No {
            self.depends.push("aws:PrincipalArn".to_owned());
            return Tri::Maybe;
        }
        deny
    }

    fn granted(&mut self, iam: Tri) -> Tri {
        let (request, policies) = (self.request, self.policies);
        let mut granted = Tri::No;
        for grant in &policies.grants {
            let allows = grant.allows(&request.principal, &request.action, &request.context);
            // Whether a grant to a whole account needs an identity policy beside it, as a key policy does, is undocumented.
            let to_account = grant.grantee == request.principal.account() || grant.grantee.ends_with(":root");
            if to_account && allows != Tri::No && iam != Tri::Yes {
                self.depends.push("a grant to a whole account".to_owned());
            }
            granted = granted.or(if to_account { allows.and(iam.or(Tri::Maybe)) } else { allows });
        }
        if policies.grants_incomplete && granted == Tri::No {
            self.depends.push("grants that are not fully described".to_owned());
            granted = Tri::Maybe;
        }
        granted
    }

    fn layer<'d>(&mut self, layer: Layer, documents: impl IntoIterator<Item = &'d Document>) -> Said {
        self.layer_from(layer, documents, 0)
    }

    fn layer_from<'d>(&mut self, layer: Layer, documents: impl IntoIterator<Item = &'d Document>, first: usize) -> Said {
        let mut said = Said::NOTHING;
        for (index, document) in documents.into_iter().enumerate() {
            if document.unreadable {
                self.depends.push(format!("unreadable {} document {}", layer.as_str(), first + index + 1));
                said = said.and_then(Said::all(Tri::Maybe));
            }
            for (number, statement) in document.statements.iter().enumerate() {
                let (one, outcome) = self.statement(layer, document, statement);
                said = said.and_then(one);
                self.reasons.push(Reason {
                    layer,
                    document: first + index,
                    statement: number,
                    sid: statement.sid.clone(),
                    denies: statement.verb == Verb::Deny,
                    outcome,
                });
            }
        }
        said
    }

    fn statement(&self, layer: Layer, document: &Document, statement: &Statement) -> (Said, Outcome) {
        let mut depends = Vec::new();
        let missed = |part| (Said::NOTHING, Outcome::Missed(part));

        let action = match &statement.action {
            Part::Is(actions) => actions.iter().any(|action| matches_action(action, &self.request.action)).into(),
            Part::Not(actions) => (!actions.iter().any(|action| matches_action(action, &self.request.action))).into(),
            Part::Absent | Part::Unreadable => Tri::Maybe,
        };
        if action == Tri::No {
            return missed("action");
        }
        if action == Tri::Maybe {
            depends.push("unreadable Action".to_owned());
        }

        let (meant, principal) = self.principal(layer, statement, &mut depends);
        if principal == Tri::No {
            return missed("principal");
        }

        let resource = self.resource(layer, document, statement, &mut depends);
        if resource == Tri::No {
            return missed("resource");
        }

        let mut condition = Tri::Yes;
        for one in &statement.conditions {
            let holds = one.holds(&self.request.context, document.variables, &mut depends);
            if holds == Tri::No {
                return missed("condition");
            }
            condition = condition.and(holds);
        }
        if statement.condition_unreadable {
            depends.push("unreadable Condition".to_owned());
            condition = condition.and(Tri::Maybe);
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
            Verb::Unreadable => {
                depends.push("unreadable Effect".to_owned());
                Said::all(matched.and(Tri::Maybe))
            }
        };
        let outcome = if depends.is_empty() { Outcome::Matched } else { Outcome::Depends(depends) };
        (said, outcome)
    }

    fn principal(&self, layer: Layer, statement: &Statement, depends: &mut Vec<String>) -> (Meant, Tri) {
        let everyone = Meant { direct: true, session: false, role: true, account: true };
        if layer != Layer::Resource {
            return (everyone, Tri::Yes);
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
                    return (everyone, Tri::Maybe);
                }
                // With a permissions boundary such a statement always denies
                // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>).
                if self.policies.boundary.is_some() && !caller.is_service() {
                    return (everyone, Tri::Yes);
                }
                let (named, chain) = caller.chain_in(principals);
                if named == 0 {
                    (everyone, Tri::Yes)
                } else if named == chain {
                    (everyone, Tri::No)
                } else {
                    depends.push("NotPrincipal that names only a part of the chain".to_owned());
                    (everyone, Tri::Maybe)
                }
            }
            // A statement of a resource policy that names nobody means nobody.
            Part::Absent => (everyone, Tri::No),
            Part::Unreadable => {
                depends.push("unreadable Principal".to_owned());
                (everyone, Tri::Maybe)
            }
        }
    }

    fn resource(&self, layer: Layer, document: &Document, statement: &Statement, depends: &mut Vec<String>) -> Tri {
        let (patterns, negated) = match &statement.resource {
            Part::Is(patterns) => (patterns, false),
            Part::Not(patterns) => (patterns, true),
            // Trust policies have no Resource.
            Part::Absent if layer == Layer::Resource => return Tri::Yes,
            Part::Absent | Part::Unreadable => {
                depends.push("unreadable Resource".to_owned());
                return Tri::Maybe;
            }
        };
        let reading = Reading { wildcards: true, variables: document.variables, fold: false };
        let mut any = Tri::No;
        for text in patterns {
            let one = match pattern(text, reading, &self.request.context) {
                Pattern::Tokens(tokens) => resource_matches(&tokens, &self.request.resource),
                Pattern::NoValue => Tri::No,
                Pattern::Unknown(key) => {
                    depends.push(key);
                    Tri::Maybe
                }
            };
            if one == Tri::Maybe && depends.is_empty() {
                depends.push("a star at the end of an ARN field".to_owned());
            }
            any = any.or(one);
        }
        if any == Tri::Yes {
            depends.retain(|key| key != "a star at the end of an ARN field");
        }
        if negated { !any } else { any }
    }
}
