//! Will the next copy on a route work?

use super::judge::{Judged, RoutePolicies, judge, judge_all};
use super::{Obstacle, Route, obstacles, possible};
use crate::policy::{Decision, NotAPrincipal};

/// In a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    /// Everything that a copy needs, or may need, is allowed.
    Works,
    /// Something that it needs is denied, or nothing can make it work.
    Fails,
    /// It depends on what was not seen or is not documented.
    Uncertain,
}

/// The answer and its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// In a word.
    pub outlook: Outlook,
    /// What no policy can mend.
    pub obstacles: Vec<Obstacle>,
    /// Needed and denied.
    pub denied: Vec<Judged>,
    /// Needed and uncertain; or not documented to be needed, and not allowed.
    pub open: Vec<Judged>,
}

/// Looks at everything a copy on the route needs or may need.
pub fn predict(route: &Route, policies: &RoutePolicies) -> Result<Prediction, NotAPrincipal> {
    let obstacles = obstacles(route);
    let needed = judge(route, policies)?.into_iter().filter(|judged| judged.decision != Decision::Allowed);
    let (denied, mut open) = needed.partition::<Vec<_>, _>(|judged| judged.refused);
    open.extend(judge_all(possible(route), policies)?.into_iter().filter(|judged| judged.decision != Decision::Allowed));
    let outlook = if !denied.is_empty() || obstacles.iter().any(|obstacle| obstacle.is_certain()) {
        Outlook::Fails
    } else if open.is_empty() && obstacles.is_empty() {
        Outlook::Works
    } else {
        Outlook::Uncertain
    };
    Ok(Prediction { outlook, obstacles, denied, open })
}
