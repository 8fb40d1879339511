//! The ports of the core over the AWS SDK. The only crate on the hot path that names `aws_sdk_*`.
//!
//! Reads never fail here: whatever goes wrong becomes a [`Gap`](guardian_core::evidence::Gap) that names the IAM action, the account, the
//! Region and the reason. Writes fail with a [`PortError`](guardian_core::ports::PortError) that says whether a retry may help. Errors are
//! classed by their code *string*: AWS models neither `AccessDeniedException` nor `ThrottlingException` for most services.

pub mod answers;
mod backup;
mod batch;
mod changes;
mod claims;
pub mod classify;
mod connections;
mod convert;
mod denials;
mod drills;
pub mod environment;
mod findings;
mod gaps;
mod heartbeats;
mod incidents;
mod item;
mod jobs;
mod keys;
pub mod lambda;
mod listeners;
mod opening;
mod operations;
mod operator;
mod organization;
mod outbox;
pub mod pace;
mod patience;
mod plans;
pub mod readers;
mod recent;
pub mod replay;
mod roles;
mod routes;
pub mod session;
mod sink;
mod trail;
mod troubles;
mod turns;
pub mod work;

pub use changes::ChangeTable;
pub use claims::ClaimTable;
pub use denials::DenialTable;
pub use drills::{DRILL_ROLE, DrillTable, Drills};
pub use gaps::{GapTable, ReconcileTable};
pub use heartbeats::HeartbeatTable;
pub use incidents::WorkTable;
pub use listeners::Listeners;
pub use operations::OperationsTopic;
pub use operator::OPERATOR_ROLE;
pub use outbox::Queue;
pub use routes::RouteTable;
pub use session::{Cloud, ReaderRole};
pub use sink::Topics;
pub use troubles::TroubleTable;

#[cfg(test)]
mod canned;
#[cfg(test)]
mod tests;
