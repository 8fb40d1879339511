//! `guardian topology`: set the topology up, see whether it holds, draw it.

mod graph;
mod machine;
mod plan;
mod seen;
mod verify;

use clap::{Args, Subcommand};

use crate::output::{Exit, Output};

/// Set the accounts, vaults and keys of copies up, verify that they hold, and draw them.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  guardian topology plan --example > answers.json
  guardian topology plan answers.json --out setup
  guardian topology verify --region eu-central-1
  guardian topology graph --region eu-central-1 --svg topology.svg

The help of each says what it needs."
)]
pub(crate) struct Topology {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::PlanArguments),
    Verify(verify::VerifyArguments),
    Graph(graph::GraphArguments),
}

impl Topology {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        match self.command {
            Command::Plan(plan) => plan.run(output).await,
            Command::Verify(verify) => Box::pin(verify.run(output)).await,
            Command::Graph(graph) => Box::pin(graph.run(output)).await,
        }
    }
}
