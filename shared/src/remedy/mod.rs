//! The smallest change that makes a route work, and the proof that it does.
//!
//! A patch is a list of statements for one policy: added to that of a key or vault, or as a policy of the job role. It is shown only with its
//! [`Proof`]: everything that it is for is allowed after and something of it was denied before; dropping any statement, action, principal or
//! resource breaks it again; and on a grid of other principals, actions, objects and contexts nothing becomes allowed that was not. A statement
//! that denies is named and left to a person.
//!
//! A copy that is mended in one place may fail in the next: [`plan`] gives all the patches of a route at once.

mod call;
mod case;
mod draft;
mod grid;
mod limit;
mod no_patch;
mod owner;
mod plan;
mod proof;
mod render;
mod statement;

use serde_json::{Value, json};

use crate::arn::{AccountId, Arn};
use crate::copy::{Object, Obstacle, Route, RoutePolicies, obstacles, requirements, requirements_on};
use crate::policy::Document;
use call::{Call, Change, Lacks};
pub use case::{CaseChange, CasePatch, PatchReply};
use draft::Draft;
use grid::Grid;
pub use limit::document_sha256;
pub use no_patch::NoPatch;
pub use owner::{Owner, owner};
pub use plan::{Plan, Step, Stored, plan, plan_seen};
pub use proof::Proof;
pub(crate) use render::quoted;
pub use render::{cli, cli_with_file, cloudformation, terraform};
use statement::{Form, Purpose};

/// A change of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// What is opened; for a patch of the job role the first of several.
    pub object: Object,
    /// The call that makes the change.
    pub operation: Operation,
    /// ARN of what is changed: key, vault or role.
    pub target_arn: Arn,
    /// The account that must do it.
    pub account_id: AccountId,
    /// The statements to add.
    pub statements: Vec<Value>,
    /// The whole document with them; for a role a policy of its own.
    pub document: Value,
    /// Name of the new policy of a role.
    pub policy_name: Option<String>,
    /// SHA-256 of the document that is replaced: if it has changed since, the patch must be made again. Absent where there was none.
    pub replaces_sha256: Option<String>,
    /// Roles that the statements name: AWS refuses a policy that names a role that does not exist. A service-linked role is made by
    /// `iam:CreateServiceLinkedRole`; [`Admit::Accounts`] does without.
    pub named_roles: Vec<String>,
    /// The proof.
    pub proof: Proof,
}

impl Patch {
    /// The policies of a route once the patch is applied: what would be judged the day after.
    pub fn applied_to(&self, route: &Route, policies: &RoutePolicies) -> RoutePolicies {
        let mut policies = policies.clone();
        let document = Document::read(&self.document);
        let is = |arn: Option<&Arn>| arn == Some(&self.target_arn);
        if is(Some(&route.job_role_arn)) {
            policies.job_role.get_or_insert_default().push(document.clone());
        }
        if is(route.source_key_arn.as_ref()) {
            policies.source_key = Some(document.clone());
        }
        if is(route.destination_key_arn.as_ref()) {
            policies.destination_key = Some(document.clone());
        }
        if is(Some(&route.destination_vault_arn)) {
            policies.destination_vault = Some(Some(document));
        }
        policies
    }
}

/// The call that makes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `kms:PutKeyPolicy`.
    PutKeyPolicy,
    /// `backup:PutBackupVaultAccessPolicy`.
    PutVaultPolicy,
    /// `iam:PutRolePolicy`.
    PutRolePolicy,
}

impl Operation {
    /// The action that somebody needs for it.
    pub fn action(self) -> &'static str {
        match self {
            Self::PutKeyPolicy => "kms:PutKeyPolicy",
            Self::PutVaultPolicy => "backup:PutBackupVaultAccessPolicy",
            Self::PutRolePolicy => "iam:PutRolePolicy",
        }
    }
}

/// Whom statements for a key name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admit {
    /// The roles, while they are few; else the organization, where it is known.
    #[default]
    Fitting,
    /// The roles.
    Roles,
    /// The accounts of the roles, held to the roles by a condition: works where a role does not exist yet.
    Accounts,
    /// The organization, held to roles of these names by a condition.
    Organization,
}

/// More callers than this are admitted by their organization.
const FEW: usize = 5;

/// The smallest patch of the policy of one object of a route. `current` is its stored document; `None`: it has none.
pub fn patch(route: &Route, policies: &RoutePolicies, object: Object, current: Option<&Value>) -> Result<Patch, NoPatch> {
    patch_shared(&[(route, policies)], object, current, Admit::Fitting)
}

/// The smallest patch of the policy of one object that several routes share. Routes with another object are left out.
pub fn patch_shared(routes: &[(&Route, &RoutePolicies)], object: Object, current: Option<&Value>, admit: Admit) -> Result<Patch, NoPatch> {
    if let Some(obstacle) = routes.iter().find_map(|(route, _)| in_the_way(route, object)) {
        return Err(NoPatch::Obstacle(obstacle));
    }
    let mut calls: Vec<Call> = Vec::new();
    for (route, policies) in routes {
        for requirement in &requirements_on(route, object) {
            let call = Call::of(route, requirement, policies).map_err(NoPatch::NotAPrincipal)?;
            if calls.first().is_none_or(|first| first.resource == call.resource) {
                calls.push(call);
            }
        }
    }
    let (lacking, blocked) = lacking(&calls);
    let mut blocked = blocked.into_iter().map(|(_, no_patch)| no_patch).collect::<Vec<_>>();
    if lacking.iter().any(|(_, lacks)| lacks.identity) {
        blocked.push(NoPatch::Elsewhere(vec!["identity policies".to_owned()]));
    }
    if let Some(worst) = worst(blocked) {
        return Err(worst);
    }
    let chosen = lacking.into_iter().map(|(index, _)| index).collect::<Vec<_>>();
    if chosen.is_empty() {
        return Err(NoPatch::NothingDenied);
    }
    let stored = stored(current)?;
    let organization = organization(routes);
    for call in &mut calls {
        call.policies.resource = Some(Document::read(&stored));
    }
    let Some(draft) = drafted(object, &calls, &chosen, &stored, organization, admit) else {
        return Err(NoPatch::Uncertain(vec!["the id of the organization".to_owned()]));
    };
    proven(&calls, &[], &draft, organization, object, current.is_some())
}

/// The smallest patch of the job role: a policy of its own.
pub fn patch_role(route: &Route, policies: &RoutePolicies) -> Result<Patch, NoPatch> {
    if let Some(obstacle) = obstacles(route).into_iter().find(|obstacle| obstacle.is_certain()) {
        return Err(NoPatch::Obstacle(obstacle));
    }
    let needs = requirements(route);
    let calls = needs.iter().map(|need| Call::of(route, need, policies)).collect::<Result<Vec<_>, _>>();
    let mut calls = calls.map_err(NoPatch::NotAPrincipal)?;
    calls.retain(|call| !call.fixed_identity);
    let (lacking, blocked) = lacking(&calls);
    let mut blocked = blocked.into_iter().map(|(_, no_patch)| no_patch).collect::<Vec<_>>();
    if lacking.iter().any(|(_, lacks)| lacks.resource) {
        blocked.push(NoPatch::Elsewhere(vec!["resource policy".to_owned()]));
    }
    if let Some(worst) = worst(blocked) {
        return Err(worst);
    }
    let chosen = lacking.into_iter().map(|(index, _)| index).collect::<Vec<_>>();
    let object = chosen.first().and_then(|first| calls.get(*first)).and_then(|call| object_of(&needs, call));
    let (Some(draft), Some(object)) = (Draft::for_caller(&calls, chosen, Purpose::Copies), object) else {
        return Err(NoPatch::NothingDenied);
    };
    proven(&calls, &[], &draft, route.organization_id.as_deref(), object, false)
}

fn object_of(needs: &[crate::copy::Requirement], call: &Call) -> Option<Object> {
    let same = |need: &&crate::copy::Requirement| need.action == call.action && need.resource.as_str() == call.resource;
    needs.iter().find(same).map(|need| need.object)
}

/// What no policy of this object, or no policy at all, can mend.
fn in_the_way(route: &Route, object: Object) -> Option<Obstacle> {
    obstacles(route).into_iter().find(|obstacle| match obstacle {
        Obstacle::DestinationKeyAwsManaged => object == Object::DestinationKey,
        other => other.is_certain(),
    })
}

/// Calls by their index, each with what is found about it.
type Found<T> = Vec<(usize, T)>;

/// Which calls lack something that statements can give, and which are blocked by something else.
fn lacking(calls: &[Call]) -> (Found<Lacks>, Found<NoPatch>) {
    let (mut lacking, mut blocked) = (Vec::new(), Vec::new());
    for (index, call) in calls.iter().enumerate() {
        match call.lacks(&call.answers(&[])) {
            Ok(lacks) if lacks == Lacks::default() => {}
            Ok(lacks) => lacking.push((index, lacks)),
            Err(no_patch) => blocked.push((index, no_patch)),
        }
    }
    (lacking, blocked)
}

/// The reason that counts most, with the like of it joined.
fn worst(reasons: Vec<NoPatch>) -> Option<NoPatch> {
    let rank = |reason: &NoPatch| match reason {
        NoPatch::ExplicitDeny { .. } => 0,
        NoPatch::Uncertain(_) => 1,
        NoPatch::Elsewhere(_) => 3,
        _ => 2,
    };
    let mut reasons = joined(reasons);
    reasons.sort_by_key(rank);
    reasons.into_iter().next()
}

/// Reasons of one kind made one: a statement with all that it denies, all open points, all layers.
fn joined(reasons: Vec<NoPatch>) -> Vec<NoPatch> {
    fn add(to: &mut Vec<String>, more: Vec<String>) {
        for item in more {
            if !to.contains(&item) {
                to.push(item);
            }
        }
    }
    let mut all: Vec<NoPatch> = Vec::new();
    for reason in reasons {
        let same = all.iter_mut().find(|known| match (&**known, &reason) {
            (
                NoPatch::ExplicitDeny { layer, document, statement, principal, .. },
                NoPatch::ExplicitDeny { layer: l, document: d, statement: s, principal: p, .. },
            ) => (layer, document, statement, principal) == (l, d, s, p),
            (NoPatch::Uncertain(_), NoPatch::Uncertain(_)) | (NoPatch::Elsewhere(_), NoPatch::Elsewhere(_)) => true,
            (known, reason) => known == reason,
        });
        match (same, reason) {
            (Some(NoPatch::ExplicitDeny { actions, .. }), NoPatch::ExplicitDeny { actions: more, .. })
            | (Some(NoPatch::Uncertain(actions)), NoPatch::Uncertain(more))
            | (Some(NoPatch::Elsewhere(actions)), NoPatch::Elsewhere(more)) => add(actions, more),
            (Some(_), _) => {}
            (None, reason) => all.push(reason),
        }
    }
    all
}

/// The stored document, if it can be read in full: a document that is not understood is not replaced.
fn stored(current: Option<&Value>) -> Result<Value, NoPatch> {
    match current {
        Some(document) if Document::read(document).problems.is_empty() => Ok(document.clone()),
        Some(_) => Err(NoPatch::PolicyUnseen),
        None => Ok(statement::empty()),
    }
}

/// The organization of all routes, where it is known and the same.
fn organization<'a>(routes: &[(&'a Route, &RoutePolicies)]) -> Option<&'a str> {
    let mut ids = routes.iter().map(|(route, _)| route.organization_id.as_deref());
    let first = ids.next()??;
    ids.all(|id| id == Some(first)).then_some(first)
}

/// The draft in the best form that AWS accepts the size of; if there is none, the best one. `None`: the organization is asked for and not known.
fn drafted(object: Object, calls: &[Call], chosen: &[usize], stored: &Value, organization: Option<&str>, admit: Admit) -> Option<Draft> {
    let limit = if object.is_key() { Operation::PutKeyPolicy } else { Operation::PutVaultPolicy }.size_limit();
    let forms = forms(object, calls, chosen, stored, organization, admit);
    let mut drafts = forms.into_iter().filter_map(|form| Draft::for_object(calls, chosen.to_vec(), stored, form, Purpose::Copies));
    let best = drafts.next()?;
    let fits = |draft: &Draft| limit.is_none_or(|limit| limit::size(&draft.document) <= limit);
    if fits(&best) { Some(best) } else { Some(drafts.find(fits).unwrap_or(best)) }
}

/// In which forms the callers may be named, the best first.
fn forms(object: Object, calls: &[Call], chosen: &[usize], stored: &Value, organization: Option<&str>, admit: Admit) -> Vec<Form> {
    let mut callers = chosen.iter().filter_map(|index| calls.get(*index)).map(|call| &call.named).collect::<Vec<_>>();
    callers.sort();
    callers.dedup();
    let many = callers.len() > FEW;
    let organization = organization.map(str::to_owned);
    if object.is_key() {
        let whole = organization.map(Form::Organization);
        return match admit {
            Admit::Fitting if many => whole.into_iter().chain([Form::Callers]).collect(),
            // Where a list of roles is too long for the rest of the policy, the organization may still fit.
            Admit::Fitting => [Form::Callers].into_iter().chain(whole).collect(),
            Admit::Roles => vec![Form::Callers],
            Admit::Accounts => vec![Form::Accounts],
            Admit::Organization => whole.into_iter().collect(),
        };
    }
    let whole = organization.map(Form::WholeOrganization);
    match admit {
        Admit::Fitting if many || by_organization(stored) => whole.into_iter().chain([Form::WholeAccounts]).collect(),
        Admit::Fitting | Admit::Accounts => vec![Form::WholeAccounts],
        Admit::Roles => vec![Form::Callers],
        Admit::Organization => whole.into_iter().collect(),
    }
}

/// Whether a vault is opened to an organization already, be it the wrong one.
fn by_organization(stored: &Value) -> bool {
    statement::statements(stored).into_iter().any(|statement| {
        let conditions = statement.get("Condition").and_then(Value::as_object).into_iter().flat_map(|block| block.values());
        let mut keys = conditions.filter_map(Value::as_object).flat_map(|keys| keys.keys());
        statement.get("Effect") == Some(&json!("Allow")) && keys.any(|key| key.eq_ignore_ascii_case("aws:PrincipalOrgID"))
    })
}

/// The patch of a draft, if its proof holds and AWS accepts its size.
fn proven(
    calls: &[Call],
    others: &[Change<'_>],
    draft: &Draft,
    organization: Option<&str>,
    object: Object,
    replaces: bool,
) -> Result<Patch, NoPatch> {
    let its_calls = draft.calls.iter().filter_map(|index| calls.get(*index)).collect::<Vec<_>>();
    let Some(first) = its_calls.first() else { return Err(NoPatch::NothingDenied) };
    let (operation, target, account) = match &draft.target {
        call::Target::Object(arn) if object.is_key() => (Operation::PutKeyPolicy, arn, first.owner.as_str()),
        call::Target::Object(arn) => (Operation::PutVaultPolicy, arn, first.owner.as_str()),
        call::Target::Caller(arn) => (Operation::PutRolePolicy, arn, first.principal.account()),
    };
    let size = limit::size(&draft.document);
    if let Some(limit) = operation.size_limit().filter(|limit| size > *limit) {
        return Err(NoPatch::TooLarge { size, limit });
    }
    let proof = proof::prove(calls, others, draft, &Grid::around(&its_calls, organization));
    let (Ok(target_arn), Ok(account_id), true) = (Arn::parse(target), AccountId::parse(account), proof.holds()) else {
        return Err(NoPatch::NotProven(proof));
    };
    let mut named_roles = match &draft.form {
        Some(Form::Callers) => its_calls.iter().map(|call| call.named.clone()).collect(),
        _ => Vec::new(),
    };
    named_roles.sort();
    named_roles.dedup();
    Ok(Patch {
        object,
        operation,
        target_arn,
        account_id,
        statements: draft.statements.clone(),
        document: draft.document.clone(),
        policy_name: (operation == Operation::PutRolePolicy).then(|| policy_name(&draft.document)),
        replaces_sha256: replaces.then(|| document_sha256(&draft.stored)),
        named_roles,
        proof,
    })
}

/// A name that no other policy of the role has: putting a policy replaces the one of the same name.
fn policy_name(document: &Value) -> String {
    format!("BackupCopies-{}", document_sha256(document).chars().take(12).collect::<String>())
}
