//! `guardian policy`: questions to the policy engine.

mod eval;
mod lines;
mod patch;

use clap::{Args, Subcommand};

use crate::output::{Exit, Output};

/// Ask what IAM would answer, offline.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian policy eval cases.jsonl --format text
  guardian policy patch cases.jsonl --format text

`guardian policy eval --help` says what a case is.")]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Would AWS allow it? JSON Lines in, JSON Lines out.
    Eval(eval::Eval),
    /// What is the smallest statement that allows it? JSON Lines in, JSON Lines out.
    Patch(patch::Patch),
}

impl Policy {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Exit> {
        match &self.what {
            What::Eval(eval) => eval.run(output),
            What::Patch(patch) => patch.run(output),
        }
    }
}
