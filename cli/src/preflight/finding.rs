//! What there is to tell about every route.

use anyhow::Context as _;
use guardian_core::copy::{Forecast, NotYetKnown, Verdict, forecast};
use guardian_core::evidence::Gap;
use guardian_core::remedy::{NoPatch, Patch, Plan, Stored, plan};

use super::survey::Survey;

/// A route, and what would mend it.
#[derive(Debug)]
pub(super) struct Finding {
    /// Will its next copy work?
    pub(super) forecast: Forecast,
    /// What to change, where something was seen to be denied.
    plan: Option<Plan>,
}

impl Finding {
    /// The patches, each proven with all others applied.
    pub(super) fn patches(&self) -> impl Iterator<Item = &Patch> {
        self.plan.iter().flat_map(Plan::patches)
    }

    /// What no patch mends, and why.
    pub(super) fn without_patch(&self) -> impl Iterator<Item = &NoPatch> {
        self.plan.iter().flat_map(|plan| &plan.steps).filter_map(|step| step.outcome.as_ref().err())
    }
}

/// Everything there is to tell.
#[derive(Debug)]
pub(crate) struct Findings {
    /// One for each route.
    pub(super) routes: Vec<Finding>,
    /// Plans that were read.
    pub(super) plans: usize,
    /// Those of them that copy something.
    pub(super) copying_plans: usize,
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
            let forecast = judged.with_context(|| format!("the role `{}` cannot be judged", leg.job_role_arn))?;
            let plan = (!forecast.denied.is_empty()).then(|| plan(&forecast.route, &forecast.policies, &Stored::of_facts(facts)));
            routes.push(Finding { forecast, plan });
        }
    }
    let Survey { plans, copying_plans, unknown, gaps, .. } = survey;
    Ok(Findings { routes, plans, copying_plans, unknown, gaps })
}

impl Findings {
    /// The routes with a verdict.
    pub(super) fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Finding> {
        self.routes.iter().filter(move |finding| finding.forecast.verdict == verdict)
    }

    /// Whether every route was found and judged. That there is none is only an answer where plans were read and none of them copies anything.
    pub(super) fn complete(&self) -> bool {
        let none_needed = self.plans > 0 && self.copying_plans == 0;
        let found = !self.routes.is_empty() || none_needed;
        found && self.gaps.is_empty() && self.unknown.is_empty() && self.with(Verdict::Depends).next().is_none()
    }

    /// Why there is no route, in a sentence.
    pub(super) fn no_route(&self) -> String {
        let plans = |count: usize| if count == 1 { "1 backup plan was read".to_owned() } else { format!("{count} backup plans were read") };
        let why = match (self.plans, self.copying_plans) {
            (0, _) => "no backup plan was read in these accounts and Regions".to_owned(),
            (read, 0) => format!("{}, and none copies anything", plans(read)),
            (read, _) => format!("{}, but no backup is known that they copy", plans(read)),
        };
        format!("No route was found: {why}.")
    }
}
