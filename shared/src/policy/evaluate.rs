//! The decision: which layers apply, what they say, and what follows.
//!
//! Every answer carries its reasons. A point that AWS leaves undocumented, a key whose value is unknown or a statement that cannot be read
//! ends in [`Decision::Uncertain`] where it matters, never in a guess.

use super::answer::{Answer, Decision, Layer, Outcome, Reason};
use super::context::{Context, Lookup};
use super::document::{Document, Verb};
use super::grant::Grant;
use super::matching::{Matcher, Said};
use super::principal::Principal;
use super::service::{kms_crosses_accounts, kms_without_key, rcps_reach};
use super::tri::Tri;

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

impl Evaluation<'_> {
    fn run(mut self) -> Answer {
        let (request, policies) = (self.request, self.policies);
        let principal = &request.principal;
        let service = principal.is_service();
        let same_account = !service && principal.account() == request.resource_account;
        let (prefix, operation) = request.action.split_once(':').unwrap_or((&request.action, ""));
        let kms = prefix.eq_ignore_ascii_case("kms");
        let key = kms && !kms_without_key(operation, &request.resource);
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
        let to_session = if same_account && resource.session != Tri::No && session_allow != Tri::Yes {
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
            if crosses && !kms_crosses_accounts(operation) {
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
        let layers = [
            (resource.names_caller(), "resource policy"),
            (if service { Tri::Yes } else { identity.allow }, "identity policies"),
            (boundary_allow, "permissions boundary"),
            (session_allow, "session policy"),
        ];
        let mut refused_by = Vec::new();
        if decision == Decision::Uncertain && allowed == Tri::No {
            let scps = (scp_allow, "service control policies");
            let silent = layers.into_iter().chain([scps]).filter(|(says, _)| *says == Tri::No);
            refused_by.extend(silent.map(|(_, name)| name.to_owned()));
        }
        if allow != Tri::Yes {
            for (missing, name) in layers {
                if missing != Tri::Yes {
                    self.missing.push(name.to_owned());
                }
            }
        }
        Answer { refused_by, ..self.answer(decision) }
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
        let problems = self.problems();
        Answer {
            decision,
            reasons: self.reasons,
            exemptions: self.exemptions,
            missing: self.missing,
            refused_by: Vec::new(),
            depends_on: self.depends,
            problems,
        }
    }

    /// What could not be read, each with its document.
    fn problems(&self) -> Vec<String> {
        let policies = self.policies;
        let layers: [(Layer, &mut dyn Iterator<Item = &Document>); 6] = [
            (Layer::Scp, &mut policies.scps.iter().flatten()),
            (Layer::Rcp, &mut policies.rcps.iter().flatten()),
            (Layer::Identity, &mut policies.identity.iter()),
            (Layer::Boundary, &mut policies.boundary.iter()),
            (Layer::Session, &mut policies.session.iter()),
            (Layer::Resource, &mut policies.resource.iter()),
        ];
        let mut problems = Vec::new();
        for (layer, documents) in layers {
            for (index, document) in documents.enumerate() {
                let name = || format!("{}[{}]", layer.as_str(), index + 1);
                problems.extend(document.problems.iter().map(|problem| format!("{}: {problem}", name())));
            }
        }
        problems
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
        } else if !rcps_reach(prefix) {
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
        let matcher = Matcher { request: self.request, bounded: self.policies.boundary.is_some() };
        let mut said = Said::NOTHING;
        for (index, document) in documents.into_iter().enumerate() {
            if document.unreadable {
                self.depends.push(format!("unreadable {} document {}", layer.as_str(), first + index + 1));
                said = said.and_then(Said::all(Tri::Maybe));
            }
            for (number, statement) in document.statements.iter().enumerate() {
                let judged = matcher.statement(layer, document, statement);
                said = said.and_then(judged.said);
                self.reasons.push(Reason {
                    layer,
                    document: first + index,
                    statement: number,
                    sid: statement.sid.clone(),
                    denies: statement.verb == Verb::Deny,
                    names: judged.names,
                    outcome: judged.outcome,
                });
            }
        }
        said
    }
}
