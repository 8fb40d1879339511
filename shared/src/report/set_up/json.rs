//! The machine form. Its members are only ever added to.

use serde_json::{Value, json};

use crate::report::inert_text;
use crate::topology::{Plan, Step};

/// Schema of the machine form.
pub const PLAN_SCHEMA: &str = "backup-guardian/topology-plan/v1";

/// The plan for machines: steps, stacks with their parameters, what is left out, notes.
pub fn machine_form(plan: &Plan) -> Value {
    let stacks = plan.stacks.iter().map(|stack| {
        let parameters = stack.parameters.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
        json!({
            "name": stack.name,
            "template": stack.template,
            "file": format!("parameters/{}.json", stack.name),
            "parameters": parameters.collect::<serde_json::Map<_, _>>(),
        })
    });
    let omitted = plan.omitted.iter().map(|one| json!({"what": inert_text(&one.what), "because": inert_text(&one.because)}));
    json!({
        "schema": PLAN_SCHEMA,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "stacks": stacks.collect::<Vec<_>>(),
        "omitted": omitted.collect::<Vec<_>>(),
        "notes": plan.notes.iter().map(|note| inert_text(note)).collect::<Vec<_>>(),
    })
}

fn step(step: &Step) -> Value {
    let commands = step.actions.iter().map(|action| {
        let mut command = json!({"command": action.command});
        if let Some(members) = command.as_object_mut() {
            members.extend(action.already.map(|text| ("fine_if_it_says".to_owned(), text.into())));
            members.extend(action.renew.clone().map(|words| ("then_renew_by".to_owned(), words.into())));
            members.extend(action.stack_set.clone().map(|name| ("then_wait_for_stack_set".to_owned(), name.into())));
        }
        command
    });
    let mut value = json!({
        "number": step.number,
        "account_id": step.account,
        "account": step.whose,
        "what": inert_text(&step.what),
        "why": inert_text(&step.why),
        "commands": commands.collect::<Vec<_>>(),
    });
    if let (Some(members), Some(region)) = (value.as_object_mut(), &step.region) {
        members.insert("region".to_owned(), region.as_str().into());
    }
    value
}
