//! Answers to begin with, and what was seen put into answers that do not say it.

use serde_json::{Map, Value, json};

use super::answers::ANSWERS_SCHEMA;
use super::form::Problem;
use super::seen::Seen;

/// Answers that can be used as they are, but for their ids and names.
pub fn example() -> Value {
    json!({
        "schema": ANSWERS_SCHEMA,
        "organization": {"id": "o-exampleorgid", "root_id": "r-ab12", "management_account": "333333333333"},
        "regions": ["eu-central-1", "eu-west-1"],
        "sources": {"targets": ["ou-ab12-11111111"]},
        "backup": {
            "account": "222222222222",
            "region": "eu-central-1",
            "break_glass_principal": "arn:aws:iam::222222222222:user/two-people-and-a-safe",
            "lock": {"mode": "governance", "min_days": 7},
        },
        "policies": [{
            "name": "backups",
            "tag": {"key": "backup", "values": ["daily"]},
            "daily": {"schedule": "cron(0 5 ? * * *)", "keep_days": 35, "keep_copies_days": 35},
            "monthly": {"schedule": "cron(0 7 1 * ? *)", "keep_days": 35, "keep_copies_days": 400},
        }],
        "guardian": {"account": "444444444444", "region": "eu-central-1", "alert_email": "on-call@example.com", "operations_email": "platform@example.com"},
        "delegated_administrator": "444444444444",
    })
}

/// What was seen, as answers. Only what does not depend on a decision.
fn known(seen: &Seen) -> Vec<([&'static str; 2], Value)> {
    let mut known = Vec::new();
    let mut add = |at, value: Option<Value>| known.extend(value.map(|value| (at, value)));
    add(["organization", "id"], seen.organization_id.clone().map(Value::from));
    add(["organization", "management_account"], seen.management_account.as_ref().map(|id| id.as_str().into()));
    add(["organization", "root_id"], seen.root_id().map(Value::from));
    let regions = seen.regions.iter().map(|region| region.as_str()).collect::<Vec<_>>();
    add(["regions", ""], (!regions.is_empty()).then(|| json!(regions)));
    add(["backup", "account"], seen.backup_account().map(|id| id.as_str().into()));
    known
}

/// Puts what was seen where nothing stands; where `over`, in the place of what stands there. What stands there and is something else is told.
pub fn fill(answers: &mut Value, seen: &Seen, over: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(members) = answers.as_object_mut() else { return problems };
    for ([outer, inner], value) in known(seen) {
        let (holder, name) = if inner.is_empty() {
            (Some(&mut *members), outer)
        } else {
            let object = members.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            (object.as_object_mut(), inner)
        };
        let Some(holder) = holder else { continue };
        match holder.get(name).filter(|given| !given.is_null()) {
            Some(given) if !over => {
                // Backups may be made in further Regions from now on, and by further accounts be kept.
                let decided = matches!(outer, "regions" | "backup");
                if *given != value && !decided {
                    problems.push(Problem {
                        field: format!("{outer}.{name}"),
                        wrong: format!("is {given}, and {value} was seen"),
                        remedy: "these are the answers or the evidence of another organization".to_owned(),
                    });
                }
            }
            _ => {
                holder.insert(name.to_owned(), value);
            }
        }
    }
    problems
}
