//! What a copy needs: which principal does which action on which key or vault, in which request context; likewise a restore.
//!
//! The tables are data, each entry with its source. They know nothing of policies; [`policy`](crate::policy) says whether they grant it.
//! Three things are kept apart: what AWS documents that a copy needs ([`requirements`]), what AWS may call besides ([`possible`]), and what no
//! policy can mend ([`obstacles`]).

mod context;
mod discover;
mod family;
mod forecast;
mod judge;
mod managed;
mod obstacle;
mod predict;
mod requirement;
mod restore;
mod route;
mod seen;
mod table;
mod trust;
mod wanted;
mod why;

pub use discover::{Discovered, Leg, LegKey, NotYetKnown, WhyNotKnown, discover};
pub use family::Family;
pub use forecast::{Blocker, Forecast, LegFacts, Verdict, forecast};
pub use judge::{Judged, RoutePolicies, judge, judge_all};
pub use managed::{
    BACKUP_FULL_ACCESS, BACKUP_ROLE, BACKUP_SERVICE_LINKED_ROLE, MANAGED_POLICIES, ManagedPolicy, RESTORE_ROLE, S3_BACKUP_ROLE,
    managed_policy,
};
pub use obstacle::{Obstacle, obstacles};
pub use predict::{Outlook, Prediction, predict};
pub use requirement::{Actor, Need, Object, Requirement, SeenCall, possible, requirements, requirements_on, requirements_seen};
pub use restore::Restore;
pub use route::{Route, VaultKind};
pub use seen::SeenPolicies;
pub use trust::{BACKUP_SERVICE, backup_may_assume};
pub use wanted::not_yet_plans;

use crate::arn::Arn;

/// Recovery points of continuous backups: they are not copied themselves, but a snapshot that is made for it
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/point-in-time-recovery-copying.html>), and not on demand
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartCopyJob.html>).
pub(crate) fn is_continuous(point: &Arn) -> bool {
    point.resource().contains(":continuous:") || point.resource().starts_with("continuous:")
}
