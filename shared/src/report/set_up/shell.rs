//! The script: every step behind a look at whose credentials they are, so that none is done in the wrong account.

use super::{profiles, verify};
use crate::remedy::quoted;
use crate::report::inert_text;
use crate::topology::{Action, Answers, Plan, Step};

const HEAD: &str = include_str!("head.sh");

pub(super) fn script(plan: &Plan, answers: &Answers, folder: &str) -> String {
    let profiles = profiles(plan);
    let mut script = format!(
        "#!/bin/sh\n# Sets organization {} up, step by step; plan.md beside it says why. In the folder of Backup Guardian's repository:\n#   sh {}/commands.sh [FIRST_STEP]\n\nset -eu\n",
        answers.organization.id,
        quoted(folder)
    );
    for (account, (variable, whose)) in &profiles {
        script
            .push_str(&format!(": \"${{{variable}:?is not set: name the profile of the AWS CLI for account {account}, the {whose}}}\"\n"));
    }
    // Beside the script, from wherever it is called: the plan may have been made in another folder than it is run in.
    let files = plan.stacks.iter().map(|stack| match stack.template {
        "template.yaml" => "samconfig.toml".to_owned(),
        _ => format!("parameters/{}.json", stack.name),
    });
    let files = files.collect::<Vec<_>>().join(" ");
    script.push_str(&format!(
        "plan=$(dirname \"$0\")\nfiles='{files}'\nregion={}\nlast={}\n{HEAD}",
        answers.guardian.region,
        plan.steps.len()
    ));
    script.push_str("\n# Every profile before the first step.\n");
    for (account, (variable, _)) in &profiles {
        script.push_str(&format!("is_of \"${variable}\" {account}\n"));
    }
    for step in &plan.steps {
        let variable = profiles.get(step.account.as_str()).map_or("GUARDIAN_PROFILE", |(variable, _)| variable);
        one(&mut script, step, variable, folder);
    }
    let verify = quoted(&format!("All steps are done. Whether everything holds: {}", verify(answers)));
    script.push_str(&format!(
        "\n[ -z \"$left\" ] || {{\n  printf '\\nEvery step ended, but what was there before was left as it is:%s\\n' \"$left\" >&2\n  trap - EXIT\n  exit 1\n}}\nprintf '\\n%s\\n' {verify}\n"
    ));
    script
}

fn one(script: &mut String, step: &Step, variable: &str, folder: &str) {
    let region = step.region.as_ref().map_or_else(|| "any Region".to_owned(), ToString::to_string);
    let what = quoted(&format!("account {}, {region}: {}", step.account, inert_text(&step.what)));
    script.push_str(&format!(
        "\n# Why: {}.\nif step {} \"${variable}\" {} {what}; then\n",
        inert_text(&step.why),
        step.number,
        step.account
    ));
    for action in &step.actions {
        script.push_str(&format!("  {}\n", line(action, folder)));
    }
    script.push_str("fi\n");
}

fn line(action: &Action, folder: &str) -> String {
    let typed = beside(&action.command, folder);
    let renew = action.renew.as_ref().map_or_else(
        || "''".to_owned(),
        // Inside a text that the shell fills in, the quotation marks around a file are part of what is printed.
        |renew| {
            format!(
                "\"It may not be what the files say; this makes it so: AWS_PROFILE=$AWS_PROFILE {}\"",
                beside(renew, folder).replace('"', "\\\"")
            )
        },
    );
    match (&action.stack_set, action.already) {
        (Some(name), _) => format!("stack_instances {name} {typed}"),
        (None, Some(text)) => format!("fine_if_it_says {} {renew} {typed}", quoted(text)),
        (None, None) => typed,
    }
}

/// A command as it is typed, with the files of the plan where the script lies.
fn beside(command: &[String], folder: &str) -> String {
    let word = |word: &String| {
        let ours = ["file://", "CONFIG_FILE="].into_iter().find_map(|before| {
            let rest = word.strip_prefix(before)?.strip_prefix(folder)?;
            // What follows is a name of ours: letters, digits, `-`, `.` and `/`.
            rest.starts_with('/').then(|| format!("\"{before}$plan{rest}\""))
        });
        ours.unwrap_or_else(|| quoted(word))
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}
