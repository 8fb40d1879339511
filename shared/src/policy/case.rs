//! Authorization cases as JSON: one object per line, as `guardian policy eval` reads and answers them.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Answer, Context, Decision, Document, Grant, Policies, Principal, Request, evaluate};

/// A case that cannot be judged because it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("the line is not a JSON object: {0}")]
    NotJson(String),
    /// A member is missing or of the wrong type.
    #[error("`{0}` is missing or not {1}")]
    Member(&'static str, &'static str),
    /// The principal.
    #[error(transparent)]
    Principal(#[from] super::NotAPrincipal),
    /// The line was not kept, because it is longer than any case.
    #[error("the line is longer than {0} bytes")]
    TooLong(usize),
}

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The request.
    pub request: Request,
    /// The policies.
    pub policies: Policies,
}

impl Case {
    /// Reads a case from its JSON text.
    pub fn parse(line: &str) -> Result<Self, Unreadable> {
        Self::read(&object(line)?)
    }

    fn read(case: &Map<String, Value>) -> Result<Self, Unreadable> {
        let request = case.get("request").and_then(Value::as_object).ok_or(Unreadable::Member("request", "an object"))?;
        let text = |name: &'static str| request.get(name).and_then(Value::as_str).ok_or(Unreadable::Member(name, "a string"));
        let (principal, action, resource) = (text("principal")?, text("action")?, text("resource")?);
        let resource_account = text("resource_account")?;
        let context = context(request.get("context"), case.get("unknown_context"))?;
        let policies = policies(case)?;
        Ok(Self {
            request: Request {
                // Last: whose principal is not modelled is still a case, if the rest is one.
                principal: Principal::parse(principal)?,
                action: action.to_owned(),
                resource: resource.to_owned(),
                resource_account: resource_account.to_owned(),
                context,
            },
            policies,
        })
    }

    /// Judges the case.
    pub fn evaluate(&self) -> Answer {
        evaluate(&self.request, &self.policies)
    }
}

fn object(line: &str) -> Result<Map<String, Value>, Unreadable> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Unreadable::NotJson("it is JSON of another kind".to_owned())),
        Err(error) => Err(Unreadable::NotJson(error.to_string())),
    }
}

/// The answer to one line. As JSON `{id, decision, why}`, or `{id?, line, error}` where the line holds no case.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Which line, from 1.
    pub line: usize,
    /// The id of the case as it was given. Untrusted.
    pub id: Option<Value>,
    /// The answer.
    pub answer: Result<Answer, Unreadable>,
}

impl Reply {
    /// Answers a line.
    ///
    /// A principal of a kind that is not modelled (a federated user, say) makes a case all the same; its answer is uncertain.
    pub fn to(line: usize, text: &str) -> Self {
        let mut case = match object(text) {
            Ok(case) => case,
            Err(unreadable) => return Self { line, id: None, answer: Err(unreadable) },
        };
        let answer = match Case::read(&case) {
            Ok(case) => Ok(case.evaluate()),
            Err(Unreadable::Principal(problem)) => Ok(Answer {
                decision: Decision::Uncertain,
                reasons: Vec::new(),
                exemptions: Vec::new(),
                missing: Vec::new(),
                refused_by: Vec::new(),
                depends_on: vec!["principal".to_owned()],
                problems: vec![problem.to_string()],
            }),
            Err(unreadable) => Err(unreadable),
        };
        Self { line, id: case.get_mut("id").map(Value::take), answer }
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reply = serializer.serialize_map(None)?;
        match &self.answer {
            Ok(answer) => {
                reply.serialize_entry("id", &self.id)?;
                reply.serialize_entry("decision", answer.decision.as_str())?;
                reply.serialize_entry("why", &answer.why())?;
            }
            Err(unreadable) => {
                if let Some(id) = &self.id {
                    reply.serialize_entry("id", id)?;
                }
                reply.serialize_entry("line", &self.line)?;
                reply.serialize_entry("error", &unreadable.to_string())?;
            }
        }
        reply.end()
    }
}

fn context(values: Option<&Value>, unknown: Option<&Value>) -> Result<Context, Unreadable> {
    let mut context = Context::default();
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match values {
        None | Some(Value::Null) => {}
        Some(Value::Object(values)) => {
            for (key, value) in values {
                let unreadable = Unreadable::Member("context", "a map of strings and lists of strings");
                match value {
                    // No value: the key is not in the request.
                    Value::Null => {}
                    Value::Array(items) => {
                        context.set_many(key, items.iter().map(scalar).collect::<Option<Vec<_>>>().ok_or(unreadable)?);
                    }
                    _ => context.set(key, scalar(value).ok_or(unreadable)?),
                }
            }
        }
        Some(_) => return Err(Unreadable::Member("context", "an object")),
    }
    if let Some(keys) = unknown.filter(|keys| !keys.is_null()) {
        let unreadable = Unreadable::Member("unknown_context", "a list of strings");
        for key in keys.as_array().ok_or(unreadable.clone())? {
            context.set_unknown(key.as_str().ok_or(unreadable.clone())?);
        }
    }
    Ok(context)
}

fn policies(case: &Map<String, Value>) -> Result<Policies, Unreadable> {
    let list = |name: &'static str| match case.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.iter().map(Document::read).collect()),
        Some(_) => Err(Unreadable::Member(name, "a list of documents")),
    };
    let levels = |name: &'static str| match case.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(levels)) => levels
            .iter()
            .map(|level| level.as_array().map(|items| items.iter().map(Document::read).collect::<Vec<_>>()))
            .collect::<Option<Vec<_>>>()
            .ok_or(Unreadable::Member(name, "a list of levels")),
        Some(_) => Err(Unreadable::Member(name, "a list of levels")),
    };
    let one = |name: &str| case.get(name).filter(|value| !value.is_null()).map(Document::read);
    let (grants, grants_incomplete) = grants(case.get("grants"))?;
    Ok(Policies {
        identity: list("identity_policies")?,
        boundary: one("permission_boundary"),
        session: one("session_policy"),
        scps: levels("scps")?,
        rcps: levels("rcps")?,
        resource: one("resource_policy"),
        grants,
        grants_incomplete,
        management_account: match case.get("management_account") {
            None | Some(Value::Null) => None,
            Some(account) => Some(account.as_str().ok_or(Unreadable::Member("management_account", "a string"))?.to_owned()),
        },
        aws_managed_key: match case.get("aws_managed_key") {
            None | Some(Value::Null) => false,
            Some(managed) => managed.as_bool().ok_or(Unreadable::Member("aws_managed_key", "true or false"))?,
        },
    })
}

/// Grants as `ListGrants` gives them. One without its key and id is a sketch of a grant: what it allows is not known.
fn grants(value: Option<&Value>) -> Result<(Vec<Grant>, bool), Unreadable> {
    let unreadable = || Unreadable::Member("grants", "a list of grants");
    let items = match value {
        None | Some(Value::Null) => return Ok((Vec::new(), false)),
        Some(value) => value.as_array().ok_or_else(unreadable)?,
    };
    let (mut grants, mut incomplete) = (Vec::new(), false);
    for item in items {
        let item = item.as_object().ok_or_else(unreadable)?;
        let map = |value: Option<&Value>| {
            value.and_then(Value::as_object).map(|map| {
                map.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect::<BTreeMap<_, _>>()
            })
        };
        let constraints = item.get("Constraints").and_then(Value::as_object);
        let operations = item.get("Operations").and_then(Value::as_array).ok_or_else(unreadable)?;
        let grant = Grant {
            grantee: item
                .get("GranteePrincipal")
                .or_else(|| item.get("GranteeServicePrincipal"))
                .and_then(Value::as_str)
                .ok_or_else(unreadable)?
                .to_owned(),
            operations: operations.iter().filter_map(|operation| operation.as_str().map(str::to_owned)).collect(),
            context_equals: map(constraints.and_then(|constraints| constraints.get("EncryptionContextEquals"))),
            context_subset: map(constraints.and_then(|constraints| constraints.get("EncryptionContextSubset"))),
        };
        if item.contains_key("GrantId") && item.contains_key("KeyId") {
            grants.push(grant);
        } else {
            incomplete = true;
        }
    }
    Ok((grants, incomplete))
}
