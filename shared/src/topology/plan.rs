//! The plan: every step in its order, and what is left out because it is there.

use super::answers::Answers;
use super::form::Problem;
use super::notes;
use super::seen::Seen;
use super::stacks::Stack;
use super::steps;
use super::there;
use crate::arn::{AccountId, Region};

/// Everything that sets an organization up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps, from 1.
    pub steps: Vec<Step>,
    /// The stacks, each with its file of parameters.
    pub stacks: Vec<Stack>,
    /// What is there and therefore not made.
    pub omitted: Vec<Omitted>,
    /// What somebody should know or decide before the first step, in sentences.
    pub notes: Vec<String>,
}

/// One step, in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Counted from 1.
    pub number: usize,
    /// Whose credentials.
    pub account: AccountId,
    /// What that account is: `management account`, …
    pub whose: &'static str,
    /// Where; none: the service is global.
    pub region: Option<Region>,
    /// What it does, in one sentence without its end.
    pub what: String,
    /// Why, and why here, in one sentence without its end.
    pub why: String,
    /// The commands.
    pub actions: Vec<Action>,
}

/// One command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Part of the error by which AWS says that it was done before.
    pub already: Option<&'static str>,
    /// What was done before may not be what the files say: the command that makes it so.
    pub renew: Option<Vec<String>>,
    /// The StackSet whose operation it begins; the next step needs that to have ended.
    pub stack_set: Option<String>,
}

/// Something that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omitted {
    /// What would have been made or switched on.
    pub what: String,
    /// What was seen.
    pub because: String,
}

/// The files that a plan has beside its parameters are in `folder`, by which the commands name them.
pub fn plan(answers: &Answers, seen: &Seen, folder: &str) -> Result<Plan, Vec<Problem>> {
    let problems = notes::against(answers, seen);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut answers = answers.clone();
    let mut omitted = Vec::new();
    let mut notes = Vec::new();
    there::sources_there(&mut answers, seen, &mut omitted, &mut notes);
    let sources_may_change = omitted.is_empty();
    there::vaults_there(&mut answers, seen, &mut notes);
    let mut made = steps::Steps::new(folder, sources_may_change);
    made.all(&answers, seen, &mut omitted);
    let (steps, stacks, told) = made.done();
    // What others will notice comes first.
    notes.splice(0..0, told);
    notes.extend(notes::to_know(&answers, seen));
    Ok(Plan { steps, stacks, omitted, notes })
}
