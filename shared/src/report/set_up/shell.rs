//! The script: every step behind a look at whose credentials they are, so that none is done in the wrong account.

use super::{profiles, typed};
use crate::remedy::quoted;
use crate::report::inert_text;
use crate::topology::{Action, Answers, Plan, Step};

const HEAD: &str = include_str!("head.sh");

pub(super) fn script(plan: &Plan, answers: &Answers, folder: &str) -> String {
    let folder = quoted(folder);
    let profiles = profiles(plan);
    let mut script = format!(
        "#!/bin/sh\n# Sets organization {} up, step by step; {folder}/plan.md says why. In the folder of Backup Guardian's repository:\n#   sh {folder}/commands.sh [FIRST_STEP]\n\nset -eu\n",
        answers.organization.id
    );
    for (account, (variable, whose)) in &profiles {
        script
            .push_str(&format!(": \"${{{variable}:?is not set: name the profile of the AWS CLI for account {account}, the {whose}}}\"\n"));
    }
    script.push_str(&format!("region={}\nlast={}\n{HEAD}", answers.guardian.region, plan.steps.len()));
    for step in &plan.steps {
        let variable = profiles.get(step.account.as_str()).map_or("GUARDIAN_PROFILE", |(variable, _)| variable);
        one(&mut script, step, variable);
    }
    script.push_str("\necho 'All steps are done. Whether everything holds: guardian topology verify'\n");
    script
}

fn one(script: &mut String, step: &Step, variable: &str) {
    let region = step.region.as_ref().map_or_else(|| "any Region".to_owned(), ToString::to_string);
    let what = quoted(&format!("account {}, {region}: {}", step.account, inert_text(&step.what)));
    script.push_str(&format!(
        "\n# Why: {}.\nif step {} \"${variable}\" {} {what}; then\n",
        inert_text(&step.why),
        step.number,
        step.account
    ));
    for action in &step.actions {
        script.push_str(&format!("  {}\n", line(action)));
    }
    script.push_str("fi\n");
}

fn line(action: &Action) -> String {
    let typed = typed(action);
    match (&action.stack_set, action.already) {
        (Some(name), _) => format!("stack_instances {name} {typed}"),
        (None, Some(text)) => format!("fine_if_it_says {} {typed}", quoted(text)),
        (None, None) => typed,
    }
}
