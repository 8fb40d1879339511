//! Authorization cases as JSON: one object per line, as `guardian policy eval` reads and answers them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Answer, Context, Decision, Document, Grant, Outcome, Policies, Principal, Request, evaluate};

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
}

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// The request.
    pub request: Request,
    /// The policies.
    pub policies: Policies,
}

impl Case {
    /// Reads a case from its JSON text.
    pub fn parse(line: &str) -> Result<Self, Unreadable> {
        let value = serde_json::from_str::<Value>(line).map_err(|error| Unreadable::NotJson(error.to_string()))?;
        let case = value.as_object().ok_or_else(|| Unreadable::NotJson("it is something else".to_owned()))?;
        let request = case.get("request").and_then(Value::as_object).ok_or(Unreadable::Member("request", "an object"))?;
        let text = |name: &'static str| request.get(name).and_then(Value::as_str).ok_or(Unreadable::Member(name, "a string"));
        Ok(Self {
            id: case.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            request: Request {
                principal: Principal::parse(text("principal")?)?,
                action: text("action")?.to_owned(),
                resource: text("resource")?.to_owned(),
                resource_account: text("resource_account")?.to_owned(),
                context: context(request.get("context"), case.get("unknown_context"))?,
            },
            policies: policies(case)?,
        })
    }

    /// Judges the case.
    pub fn evaluate(&self) -> Answer {
        evaluate(&self.request, &self.policies)
    }
}

/// Answers one line: `Ok` with `{id, decision, why}`, or `Err` with `{id?, error}` where the line holds no case.
///
/// A principal of a kind that is not modelled (a federated user, say) is a case all the same; its answer is uncertain.
pub fn answer_line(line: &str) -> Result<Value, Value> {
    let unreadable = match Case::parse(line) {
        Ok(case) => return Ok(answer(&case.id, &case.evaluate())),
        Err(unreadable) => unreadable,
    };
    let id = serde_json::from_str::<Value>(line).ok().and_then(|value| Some(value.get("id")?.as_str()?.to_owned()));
    match (unreadable, id) {
        (Unreadable::Principal(problem), id) => {
            let depends_on = vec!["principal".to_owned()];
            let problems = vec![problem.to_string()];
            let (reasons, exemptions, missing) = (Vec::new(), Vec::new(), Vec::new());
            let uncertain = Answer { decision: Decision::Uncertain, reasons, exemptions, missing, depends_on, problems };
            Ok(answer(&id.unwrap_or_default(), &uncertain))
        }
        (problem, Some(id)) => Err(json!({"id": id, "error": problem.to_string()})),
        (problem, None) => Err(json!({"error": problem.to_string()})),
    }
}

/// The answer as `{id, decision, why}`.
pub fn answer(id: &str, answer: &Answer) -> Value {
    let name = |reason: &super::Reason| {
        let sid = reason.sid.as_ref().map(|sid| format!(":{sid}")).unwrap_or_default();
        format!("{}[{}]#{}{sid}", reason.layer.as_str(), reason.document + 1, reason.statement + 1)
    };
    let statements = answer
        .reasons
        .iter()
        .map(|reason| {
            let mut entry = Map::new();
            entry.insert("statement".to_owned(), name(reason).into());
            entry.insert("effect".to_owned(), if reason.denies { "Deny" } else { "Allow" }.into());
            match &reason.outcome {
                Outcome::Matched => entry.insert("outcome".to_owned(), "matched".into()),
                Outcome::Depends(on) => {
                    entry.insert("depends_on".to_owned(), json!(on));
                    entry.insert("outcome".to_owned(), "depends".into())
                }
                Outcome::Missed(part) => {
                    entry.insert("part".to_owned(), (*part).into());
                    entry.insert("outcome".to_owned(), "did not match".into())
                }
            };
            Value::Object(entry)
        })
        .collect::<Vec<_>>();
    json!({
        "id": id,
        "decision": answer.decision.as_str(),
        "why": {
            "statements": statements,
            "missing": answer.missing,
            "exemptions": answer.exemptions,
            "depends_on": answer.depends_on,
            "problems": answer.problems,
        },
    })
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
    if let Some(keys) = unknown {
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
        management_account: case.get("management_account").and_then(Value::as_str).map(str::to_owned),
        aws_managed_key: case.get("aws_managed_key").and_then(Value::as_bool).unwrap_or(false),
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
