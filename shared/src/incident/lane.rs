//! What must work again before an incident is over.
//!
//! A lane is a route with the key and the role that one job used: (account, Region, job type, vaults, resource type, key, role). A later job
//! proves the fix for the lane it runs in, and for nothing else.

use serde::{Deserialize, Serialize};

use super::digest;
use crate::arn::{AccountId, Arn, Region};
use crate::event::{Job, JobType, Notice};
use crate::evidence::Evidence;

/// How the lane of a rule begins what stands for it, and that of a plan under a role; no kind of notice begins so.
const RULE: &str = "rule ";
const ROLE_OF: &str = "role of ";

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lane {
    /// Account of the job, from the envelope of its event.
    pub account: AccountId,
    /// Region of the job.
    pub region: Region,
    /// Kind of job.
    pub job_type: JobType,
    /// Vault of the job: of a copy its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// Where a copy goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_vault: Option<String>,
    /// Type of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Key of the recovery point, as read through the reader role; absent where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Role of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What stands for everything else where there is no job: the rule whose run made none, or what AWS told beside its jobs, and of which plan.
    /// Only a lane of the same proves anything for it: a job that completes says nothing of another selection, or of the objects that it left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
}

impl Lane {
    /// The lane of a job, as far as the evidence tells.
    pub fn of(evidence: &Evidence) -> Self {
        let text = |arn: Option<&Arn>| arn.map(|arn| arn.as_str().to_owned());
        let job = &evidence.job;
        if job.missed.is_some()
            && let Some(lane) = Self::of_rule(job)
        {
            return lane;
        }
        if let Some(notice) = &job.notice {
            return Self::of_notice(evidence, notice);
        }
        Self {
            account: job.account.clone(),
            region: job.region.clone(),
            job_type: job.job_type,
            vault: text(job.vault_arn.as_ref().or_else(|| evidence.description.known()?.vault_arn.as_ref())),
            destination_vault: text(evidence.destination_vault_arn()),
            resource_type: evidence.resource_type().map(str::to_owned),
            key: text(evidence.source_key_arn()),
            role: text(evidence.role_arn()),
            told: None,
        }
    }

    /// The lane of what AWS told beside its jobs.
    ///
    /// Where the role of a selection could not be assumed it is the lane of that plan and role, which a later backup job of the same plan under
    /// the same role proves. No job carries the name of its selection, so no other error of a selection can be proved: another selection of
    /// the plan may be what ran.
    fn of_notice(evidence: &Evidence, notice: &Notice) -> Self {
        let job = &evidence.job;
        let named = job.resource_arn.as_ref().map(Arn::as_str);
        let plan = named.filter(|_| notice.kind.is_of_plan());
        let role = job.role_arn.as_ref().map(|arn| arn.as_str().to_owned());
        if let (Some(plan), true) = (plan, notice.refused_role()) {
            return Self { role, ..Self::of_plan(job, plan) };
        }
        // Where the message names no resource, two jobs are of one lane only if the same was read of both.
        let described = evidence.description.known().and_then(|job| job.resource_arn.as_ref()).filter(|_| notice.kind.is_of_job());
        let named = named.or(described.map(Arn::as_str));
        let name = named.or(notice.plan_name.as_deref()).or(notice.policy_id.as_deref()).unwrap_or_default();
        let told = [notice.kind.as_str(), name, &notice.subject()].join(" ");
        Self { told: Some(told.trim_end().to_owned()), ..Self::bare(job) }
    }

    /// The lane of a plan that a job, which was created by it, proves; `None` for a job that no plan created.
    pub fn of_its_plan(job: &Job) -> Option<Self> {
        let plan = job.plan.as_ref()?.plan_arn.as_ref()?;
        let own = plan.account().as_ref() == Some(&job.account) && plan.region().as_ref() == Some(&job.region);
        let role = job.role_arn.as_ref().map(|arn| arn.as_str().to_owned())?;
        let proves = own && job.job_type == JobType::Backup;
        proves.then(|| Self { role: Some(role), ..Self::of_plan(job, plan.as_str()) })
    }

    fn of_plan(job: &Job, plan: &str) -> Self {
        Self { told: Some(format!("{ROLE_OF}{plan}")), ..Self::bare(job) }
    }

    fn bare(job: &Job) -> Self {
        Self {
            account: job.account.clone(),
            region: job.region.clone(),
            job_type: job.job_type,
            vault: None,
            destination_vault: None,
            resource_type: None,
            key: None,
            role: None,
            told: None,
        }
    }

    /// The lane of the rule that made a job, or should have: proved by any later job of the rule, whatever it keeps.
    pub fn of_rule(job: &Job) -> Option<Self> {
        let plan = job.plan.as_ref().filter(|_| job.job_type == JobType::Backup)?;
        let told = format!("{RULE}{}/{}", plan.plan_id.as_deref()?, plan.rule_id.as_deref()?);
        Some(Self { told: Some(told), ..Self::bare(job) })
    }

    /// Whether a job that completes can prove anything for this lane: for it as a whole, or for one of its resources. None can where AWS told
    /// something beside its jobs that no job speaks of, and where nothing of the failed job is known that a later one could share.
    pub fn can_be_proved(&self) -> bool {
        match &self.told {
            Some(told) => told.starts_with(RULE) || told.starts_with(ROLE_OF),
            None => self.vault.is_some() || self.destination_vault.is_some() || self.resource_type.is_some(),
        }
    }

    /// The lanes beside its own of which a job that completed proves something, whatever it kept.
    pub fn of_its_origin(job: &Job) -> Vec<Self> {
        [Self::of_rule(job), Self::of_its_plan(job)].into_iter().flatten().collect()
    }

    /// Name of the lane, the same wherever it is computed.
    pub fn id(&self) -> String {
        let [key, role] = [&self.key, &self.role].map(|part| part.as_deref().unwrap_or_default());
        digest("backup-guardian/lane/v1", &[&self.route_id(), key, role])
    }

    /// Name of the route without key and role: what a job is looked up by before its key is read.
    pub fn route_id(&self) -> String {
        let [vault, destination, kind] =
            [&self.vault, &self.destination_vault, &self.resource_type].map(|part| part.as_deref().unwrap_or_default());
        let mut fields = vec![self.account.as_str(), self.region.as_str(), self.job_type.as_str(), vault, destination, kind];
        fields.extend(self.told.as_deref());
        digest("backup-guardian/route/v1", &fields)
    }

    /// Whether a job in `other` proves something for this lane: the same route under the same key, by the same role; or the same rule, or the
    /// same plan by the same role. A key that was not read proves nothing.
    pub fn is_proved_by(&self, other: &Self) -> bool {
        (self.told.is_some() || self.key.is_some() && self.role.is_some()) && self == other
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::diagnosis::diagnose;
    use crate::event::{MissedRun, missed};
    use crate::incident::failure;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn missed(rule_id: &str, run_at: &str) -> Evidence {
        let (account, region) = (AccountId::parse("111111111111").unwrap(), Region::parse("eu-central-1").unwrap());
        let (run_at, now) = (at(run_at), at("2026-11-04T12:00:00Z"));
        let run = missed::Run { account: &account, region: &region, plan_id: "p", rule_id, run_at, window_ended_at: now };
        let name = |name: &str| name.to_owned();
        let told = MissedRun { plan_name: name("plan"), rule_name: name("rule"), schedule: name("cron(0 5 ? * * *)"), zone: None };
        Evidence::of_event(missed::job(run, told), now)
    }

    /// A backup that the rule made.
    fn made(rule_id: &str) -> Job {
        let mut job = missed(rule_id, "2026-11-03T05:00:00Z").job;
        (job.missed, job.resource_type) = (None, Some("EBS".to_owned()));
        job.vault_arn = Arn::parse("arn:aws:backup:eu-central-1:111111111111:backup-vault:local").ok();
        job
    }

    #[test]
    fn a_run_that_a_rule_missed_is_made_good_by_any_later_job_of_that_rule() {
        let lane = Lane::of(&missed("r", "2026-11-02T05:00:00Z"));
        let proves = |job: &Job| Lane::of_rule(job).is_some_and(|by| by.route_id() == lane.route_id() && lane.is_proved_by(&by));
        assert!(proves(&made("r")));
        assert!(!proves(&made("other")));
        assert!(!proves(&Job { plan: None, ..made("r") }), "on demand");
        assert!(!proves(&Job { job_type: JobType::Copy, ..made("r") }), "of an older backup");
        let of_the_job = Lane::of(&Evidence::of_event(made("r"), at("2026-11-04T12:00:00Z")));
        assert!(of_the_job.told.is_none() && of_the_job.route_id() != lane.route_id());
        assert!(!of_the_job.is_proved_by(&of_the_job), "a key that was not read proves nothing");
    }

    #[test]
    fn the_runs_that_the_rules_of_a_plan_missed_are_one_incident_with_a_member_for_each_rule() {
        let failed = |rule_id, run_at| {
            let evidence = missed(rule_id, run_at);
            failure(&evidence, &diagnose(&evidence), &crate::incident::Exposure::default())
        };
        let (first, next, other) =
            (failed("r", "2026-11-02T05:00:00Z"), failed("r", "2026-11-03T05:00:00Z"), failed("s", "2026-11-02T05:00:00Z"));
        assert!(first.identity == next.identity && first.identity == other.identity);
        assert!(first.lane == next.lane && first.resource == next.resource && first.job != next.job);
        assert!(first.lane != other.lane && first.resource != other.resource);
        assert_eq!(next.created_at, at("2026-11-03T05:00:00Z"), "only what is made later proves it");
    }
}
