//! The page: what is there, what somebody should know, and every step with the place it belongs to and its reason.

use super::{profiles, typed, verify};
use crate::remedy::quoted;
use crate::report::inert_text;
use crate::topology::{Action, Answers, Plan, Step};

pub(super) fn page(plan: &Plan, answers: &Answers, folder: &str) -> String {
    let folder = quoted(folder);
    let mut page = format!(
        "# Set-up of organization {}\n\n{} steps, in this order, in the folder of Backup Guardian's repository. `sh {folder}/commands.sh` does them one by one and stops at the first error; \
         with a number it begins at that step. Each needs the credentials of its account:\n\n```sh\n",
        answers.organization.id,
        plan.steps.len(),
    );
    for (account, (variable, whose)) in profiles(plan) {
        page.push_str(&format!("export {variable}=…    # profile of the AWS CLI for account {account}, the {whose}\n"));
    }
    page.push_str(&format!("```\n\nAfter the last step this says whether all of it holds:\n\n```sh\n{}\n```\n", verify(answers)));
    list(&mut page, "Before you begin", plan.notes.iter().cloned());
    let there = plan.omitted.iter().map(|one| format!("{}: not needed, {}.", one.what, one.because));
    list(&mut page, "There already", there);
    page.push_str("\n## Steps\n");
    let profiles = profiles(plan);
    for one in &plan.steps {
        let variable = profiles.get(one.account.as_str()).map_or("GUARDIAN_PROFILE", |(variable, _)| variable);
        step(&mut page, one, variable);
    }
    page
}

fn list(page: &mut String, title: &str, all: impl Iterator<Item = String>) {
    let lines = all.map(|line| format!("- {}\n", inert_text(&line))).collect::<String>();
    if !lines.is_empty() {
        page.push_str(&format!("\n## {title}\n\n{lines}"));
    }
}

fn step(page: &mut String, step: &Step, variable: &str) {
    let region = step.region.as_ref().map_or_else(|| "any Region".to_owned(), ToString::to_string);
    page.push_str(&format!(
        "\n### {}. {}\n\nAccount {} ({}), {region}. Why: {}.\n\n```sh\nexport AWS_PROFILE=\"${variable}\"\n",
        step.number,
        inert_text(&step.what),
        step.account,
        step.whose,
        inert_text(&step.why)
    ));
    step.actions.iter().for_each(|action| page.push_str(&command(action)));
    page.push_str("```\n");
    for action in &step.actions {
        if let Some(already) = action.already {
            page.push_str(&format!("\nIf AWS says `{already}`, it was done before.\n"));
        }
        if let Some(renew) = &action.renew {
            let renew = broken(&typed(renew));
            page.push_str(&format!("It may not be what the files say then; this makes it so:\n\n```sh\n{renew}\n```\n"));
        }
    }
}

/// Broken before each option, so that a reader sees them.
fn broken(typed: &str) -> String {
    let mut lines = vec![String::new()];
    for word in typed.split(" --").enumerate().map(|(at, part)| if at == 0 { part.to_owned() } else { format!("--{part}") }) {
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = word,
            Some(line) if line.len() + word.len() < 110 => *line = format!("{line} {word}"),
            _ => lines.push(word),
        }
    }
    lines.join(" \\\n  ")
}

fn command(action: &Action) -> String {
    let mut text = broken(&typed(&action.command));
    text.push('\n');
    if let Some(name) = &action.stack_set {
        let region = action.command.last().map_or("", String::as_str);
        // The CLI has no waiter for it.
        text.push_str(&format!(
            "aws cloudformation list-stack-set-operations --stack-set-name {name} --max-results 1 --region {region}    # again, until its Status is SUCCEEDED\n\
             aws cloudformation list-stack-instances --stack-set-name {name} --region {region} \\\n  \
             --query \"Summaries[?StackInstanceStatus.DetailedStatus!='SUCCEEDED'].[Account,Region,StatusReason]\"    # none: up to a fifth may fail in an operation that SUCCEEDED\n"
        ));
    }
    text
}
