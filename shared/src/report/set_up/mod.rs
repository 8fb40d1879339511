//! The plan that sets a topology up, one renderer per reader: a page, a script, parameter files, the machine form.
//!
//! What stands in a plan was checked letter by letter when its answers were read; what was seen is made inert here.

mod json;
mod markdown;
mod samconfig;
mod shell;

use std::collections::BTreeMap;

pub use json::{PLAN_SCHEMA, machine_form};
use serde_json::{Value, json};

use crate::remedy::quoted;
use crate::topology::{Answers, Made, Plan, Stack, watched};

/// Every file of a plan by its name in the folder, in the order in which they are written. `folder` is what the plan was made for.
pub fn files(plan: &Plan, answers: &Answers, folder: &str) -> Vec<(String, String)> {
    let mut files = plan.stacks.iter().map(|stack| (format!("parameters/{}.json", stack.name), parameters(stack))).collect::<Vec<_>>();
    files.extend(
        plan.stacks
            .iter()
            .filter(|stack| stack.template == "template.yaml")
            .map(|stack| ("samconfig.toml".to_owned(), samconfig::samconfig(stack, answers))),
    );
    files.push(("commands.sh".to_owned(), shell::script(plan, answers, folder)));
    files.push(("plan.md".to_owned(), markdown::page(plan, answers, folder)));
    files.push(("plan.json".to_owned(), text(&machine_form(plan))));
    files
}

/// As `aws cloudformation create-stack-set --parameters` and `deploy --parameter-overrides` take them from a file. Version 1 of the AWS CLI takes for
/// the second no form but this one.
fn parameters(stack: &Stack) -> String {
    let all = stack.parameters.iter().map(|(name, value)| match stack.made {
        Made::StackSet => json!({"ParameterKey": name, "ParameterValue": value}),
        Made::Stack => format!("{name}={value}").into(),
    });
    text(&Value::Array(all.collect()))
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A command as it is typed.
fn typed(command: &[String]) -> String {
    command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// What says whether everything holds, whole: with the role that reads the organization, the Regions and the account that keeps the copies.
fn verify(answers: &Answers) -> String {
    let (backup, hub) = (&answers.backup.account, &answers.guardian.region);
    let role = format!("arn:{}:iam::{}:role/backup-guardian-reader", hub.partition(), answers.organization.management_account);
    let regions = watched(answers).iter().map(|region| format!(" --region {region}")).collect::<String>();
    format!(
        "AWS_PROFILE=$GUARDIAN_PROFILE GUARDIAN_ORGANIZATION_ROLE_ARN={role} guardian topology verify{regions} --backup-account {backup}"
    )
}

/// The name of the variable that holds the profile of an account: that of the first step in it.
fn profiles(plan: &Plan) -> BTreeMap<&str, (&'static str, &'static str)> {
    let mut profiles = BTreeMap::new();
    for step in &plan.steps {
        let name = match step.whose {
            "management account" => "MANAGEMENT_PROFILE",
            "backup account" => "BACKUP_PROFILE",
            _ => "GUARDIAN_PROFILE",
        };
        profiles.entry(step.account.as_str()).or_insert((name, step.whose));
    }
    profiles
}
