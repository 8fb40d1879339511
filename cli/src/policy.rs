//! `guardian policy`: questions to the policy engine.

mod eval;

use clap::{Args, Subcommand};

use crate::output::{Exit, Output};

/// Ask what IAM would answer, offline.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Would AWS allow it? JSON Lines in, JSON Lines out.
    Eval(eval::Eval),
}

impl Policy {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Exit> {
        match &self.what {
            What::Eval(eval) => eval.run(output),
        }
    }
}
