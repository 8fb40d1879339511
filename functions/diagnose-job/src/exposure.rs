//! What is known of the newest good copy, read beside the evidence: the first alert waits for neither.

use guardian_core::coverage::objective;
use guardian_core::event::{Job, JobType};
use guardian_core::evidence::{Evidence, Gap, GapReason};
use guardian_core::incident::{Exposure, Lane, resource_of};
use guardian_core::ports::{PlanReader, Recoveries};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

/// When the resource of a job was last backed up or copied in its route, and what the rule of its plan promises. Without the one the other says
/// nothing, so the plan is read only where there is a good copy.
pub async fn exposure<R: PlanReader, W: Recoveries>(readers: &R, work: &W, job: &Job, now: Timestamp, end: Instant) -> Exposure {
    if !matches!(job.job_type, JobType::Backup | JobType::Copy) {
        return Exposure::default();
    }
    let evidence = Evidence::of_event(job.clone(), now);
    let good = timeout_at(end, Box::pin(work.last_good(&Lane::of(&evidence), &resource_of(&evidence)))).await;
    let Ok(Ok(Some(last_good))) = good else { return Exposure::default() };
    let mut exposure = Exposure { last_good: Some(last_good), ..Exposure::default() };
    let Some((plan, rule)) = job.plan.as_ref().and_then(|plan| Some((plan.plan_id.as_deref()?, plan.rule_id.as_deref()?))) else {
        return exposure;
    };
    match timeout_at(end, Box::pin(readers.plan(&job.account, &job.region, plan))).await {
        Ok(Ok(plan)) => exposure.objective = plan.and_then(|plan| objective(&plan, rule, now)),
        Ok(Err(gap)) => exposure.gap = Some(gap),
        Err(_) => {
            exposure.gap = Some(Gap {
                action: "backup:GetBackupPlan".to_owned(),
                account_id: job.account.clone(),
                region: Some(job.region.clone()),
                reason: GapReason::TimedOut,
                detail: None,
            });
        }
    }
    exposure
}
