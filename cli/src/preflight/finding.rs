//! What there is to tell about every route.

use anyhow::Context as _;
use guardian_core::copy::{Forecast, NotYetKnown, Verdict, forecast};
use guardian_core::evidence::Gap;

use super::survey::Survey;

/// Everything there is to tell.
#[derive(Debug)]
pub(super) struct Findings {
    /// One for each route.
    pub(super) routes: Vec<Forecast>,
    /// Copy actions whose kind of backups is not known.
    pub(super) unknown: Vec<NotYetKnown>,
    /// What kept routes from being found.
    pub(super) gaps: Vec<Gap>,
}

/// Judges every route of a survey.
pub(super) fn findings(survey: Survey, organization_id: Option<&str>) -> anyhow::Result<Findings> {
    let mut routes = Vec::new();
    for (leg, facts) in &survey.legs {
        if let Some(judged) = forecast(leg, facts, organization_id) {
            routes.push(judged.with_context(|| format!("the role `{}` cannot be judged", leg.job_role_arn))?);
        }
    }
    Ok(Findings { routes, unknown: survey.unknown, gaps: survey.gaps })
}

impl Findings {
    /// The routes with a verdict.
    pub(super) fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Forecast> {
        self.routes.iter().filter(move |route| route.verdict == verdict)
    }

    /// Whether every route was found and judged.
    pub(super) fn complete(&self) -> bool {
        self.gaps.is_empty() && self.unknown.is_empty() && self.with(Verdict::Depends).next().is_none()
    }
}

/// Why the kind of backups of a copy action is not known.
pub(super) const NOT_KNOWN: &str = "there is no recovery point yet: the resource types and keys are not known";
