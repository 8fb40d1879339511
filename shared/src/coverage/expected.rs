//! Which runs of a plan should have made jobs, as far as that can be known.
//!
//! A rule that selects nothing makes no job, and that is well: tags of resources are not read, so nobody can tell such a run from one that AWS
//! forgot. A run is judged only where its rule is known to make jobs: an older job of it is in the list, or a selection names a resource. What was
//! edited since the run was due is not judged either. INVARIANT: what was not seen only takes away runs, it never adds one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::missed::{Due, RuleSchedule, due, missed};
use super::schedule::{Schedule, ScheduleError};
use super::selection::{Selected, selects};
use crate::arn::{AccountId, Arn, Region};
use crate::event::missed::{Run, job};
use crate::event::{Job, MissedRun};
use crate::evidence::{BackupPlan, PlanRule, RuleTimes, Selection};

/// Schedule of a rule that names none (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html>).
const DEFAULT_SCHEDULE: &str = "cron(0 5 ? * * *)";

/// Jobs are listed for about 30 days (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html>): what is older is not missed.
const LISTED: SignedDuration = SignedDuration::from_hours(29 * 24);

/// Why nobody can say whether a rule missed a run. A bounded set: it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotJudged {
    /// Of a continuous backup AWS does not say when it makes jobs.
    Continuous,
    /// The schedule cannot be read, or the rule has no id.
    Schedule,
    /// A job of the run may be so old that it is listed no more: a long pace, or a long start window.
    Unlisted,
    /// No job of the rule was ever seen, and no selection names a resource: it may select nothing.
    NeverSeen,
}

impl NotJudged {
    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::Schedule => "schedule",
            Self::Unlisted => "unlisted",
            Self::NeverSeen => "never-seen",
        }
    }
}

/// A plan that should have run, and of which no job was seen yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPlan {
    /// Its id.
    pub id: String,
    /// Its name. Untrusted text.
    pub name: String,
    /// The ids of all its rules.
    pub rule_ids: Vec<String>,
    /// The rules with runs of which no job was seen yet.
    pub rules: Vec<OpenRule>,
    /// Whether its versions and selections were looked at.
    #[serde(default)]
    pub looked_at: bool,
}

/// A rule with runs of which no job was seen yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRule {
    /// Its id.
    pub id: String,
    /// The rule as alerts tell it.
    pub told: MissedRun,
    /// The runs.
    pub runs: Vec<Due>,
    /// The oldest job of it that was seen: it made jobs from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_job: Option<Timestamp>,
    /// A selection names a resource.
    #[serde(default)]
    pub names_a_resource: bool,
}

/// The runs of a plan whose start window ended after `after` and until `now`; and why rules are not judged at all.
pub fn expect(plan: &BackupPlan, after: Timestamp, now: Timestamp) -> (Option<OpenPlan>, Vec<NotJudged>) {
    let mut rules = Vec::new();
    let mut not_judged = Vec::new();
    for rule in &plan.rules {
        match open(plan, rule, after, now) {
            Ok(open) => rules.extend(Some(open).filter(|open| !open.runs.is_empty())),
            Err(why) => not_judged.push(why),
        }
    }
    let rule_ids = plan.rules.iter().filter_map(|rule| rule.times.rule_id.clone()).collect();
    let open = OpenPlan { id: plan.id.clone(), name: plan.name.clone(), rule_ids, rules, looked_at: false };
    (Some(open).filter(|open| !open.rules.is_empty()), not_judged)
}

fn expression_of(times: &RuleTimes) -> &str {
    times.schedule.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(DEFAULT_SCHEDULE)
}

/// When a rule runs.
pub(super) fn schedule_of(times: &RuleTimes) -> Result<Schedule, ScheduleError> {
    Schedule::parse(expression_of(times), times.zone.as_deref())
}

/// The first run of a rule after a moment. `None` where its schedule does not tell: a rate has no instants, a continuous backup none either.
pub fn next_run(times: &RuleTimes, after: Timestamp) -> Option<Timestamp> {
    schedule_of(times).ok().filter(|_| !times.continuous)?.next_after(after)
}

/// The start window that a rule names. Negative, or longer than anything: AWS would refuse it, so it is not what AWS goes by.
pub(super) fn start_window_of(times: &RuleTimes) -> Option<SignedDuration> {
    times.start_window_minutes.filter(|minutes| (1..=366 * 24 * 60).contains(minutes)).map(SignedDuration::from_mins)
}

fn open(plan: &BackupPlan, rule: &PlanRule, after: Timestamp, now: Timestamp) -> Result<OpenRule, NotJudged> {
    let times = &rule.times;
    if times.continuous {
        return Err(NotJudged::Continuous);
    }
    let id = times.rule_id.clone().ok_or(NotJudged::Schedule)?;
    let schedule = schedule_of(times).map_err(|_| NotJudged::Schedule)?;
    let runs = due(&RuleSchedule { schedule, start_window: start_window_of(times), since: plan.created_at }, after, now);
    if runs.iter().any(|run| now.duration_since(run.from) > LISTED) {
        return Err(NotJudged::Unlisted);
    }
    let told = MissedRun {
        plan_name: plan.name.clone(),
        rule_name: rule.name.clone(),
        schedule: expression_of(times).to_owned(),
        zone: times.zone.clone(),
    };
    Ok(OpenRule { id, told, runs, first_job: None, names_a_resource: false })
}

impl OpenPlan {
    /// Since when jobs must be listed to find one of each run.
    pub fn from(&self) -> Option<Timestamp> {
        self.rules.iter().flat_map(|rule| &rule.runs).map(|run| run.from).min()
    }

    /// A job that is in a list. What it answers is no longer open.
    pub fn see(&mut self, listed: &Job) {
        let Some(made_by) = listed.plan.as_ref().filter(|made_by| made_by.plan_id.as_ref() == Some(&self.id)) else { return };
        let rule_id = made_by.rule_id.as_ref();
        // A rule of an older version: which of today's it was, is known only where there is one.
        let of_a_known_rule = rule_id.is_some_and(|id| self.rule_ids.contains(id));
        let only_rule = self.rule_ids.len() == 1;
        for rule in &mut self.rules {
            if of_a_known_rule && rule_id != Some(&rule.id) {
                continue;
            }
            match listed.created_at {
                None => rule.runs.clear(),
                Some(created) => {
                    rule.runs.retain(|run| !run.is_answered_by(created));
                    if of_a_known_rule || only_rule {
                        rule.first_job = Some(rule.first_job.map_or(created, |first| first.min(created)));
                    }
                }
            }
        }
        self.tidy();
    }

    /// The plan is as it is since then, and has these selections: what was due before was due to another plan. A plan without selections makes no
    /// jobs, and one whose selections are all new made none before.
    pub fn look_at(&mut self, region: &Region, as_it_is_since: Option<Timestamp>, selections: &[Selection]) {
        self.looked_at = true;
        // A selection of unknown age may be as old as the plan.
        let selecting_since = selections.iter().map(|selection| selection.created_at.unwrap_or(Timestamp::MIN)).min();
        for rule in &mut self.rules {
            rule.runs
                .retain(|run| selecting_since.is_some_and(|since| since < run.from) && as_it_is_since.is_none_or(|since| since < run.from));
            let old = |selection: &&Selection| rule.runs.iter().all(|run| selection.created_at.is_none_or(|since| since < run.from));
            rule.names_a_resource = selections.iter().filter(old).any(|selection| names_a_resource(selection, region));
        }
        self.tidy();
    }

    /// Whether it is known of every run that its rule makes jobs: no older job need be looked for.
    pub fn is_settled(&self) -> bool {
        self.rules.iter().all(|rule| rule.runs.iter().all(|run| rule.makes_jobs(run)))
    }

    /// All runs of which no job was seen, as jobs.
    pub fn open_runs(&self, account: &AccountId, region: &Region) -> Vec<Job> {
        self.rules.iter().flat_map(|rule| rule.jobs(account, region, &self.id, &rule.runs)).collect()
    }

    /// These runs are known already.
    pub fn forget(&mut self, account: &AccountId, region: &Region, known: impl Fn(&Job) -> bool) {
        for rule in &mut self.rules {
            let jobs = rule.jobs(account, region, &self.id, &rule.runs);
            let mut open = jobs.iter().map(|job| !known(job));
            rule.runs.retain(|_| open.next().unwrap_or(true));
        }
        self.tidy();
    }

    /// The runs that were missed, when every list was read to its end; and how many nobody can judge.
    pub fn missed(&self, account: &AccountId, region: &Region) -> (Vec<Job>, usize) {
        let mut jobs = Vec::new();
        let mut not_judged = 0;
        for rule in &self.rules {
            let (judged, others): (Vec<_>, Vec<_>) = rule.runs.iter().copied().partition(|run| rule.makes_jobs(run));
            jobs.extend(rule.jobs(account, region, &self.id, &judged));
            not_judged += others.len();
        }
        (jobs, not_judged)
    }

    fn tidy(&mut self) {
        self.rules.retain(|rule| !rule.runs.is_empty());
    }
}

impl OpenRule {
    fn makes_jobs(&self, run: &Due) -> bool {
        self.names_a_resource || self.first_job.is_some_and(|first| first < run.from)
    }

    fn jobs(&self, account: &AccountId, region: &Region, plan_id: &str, runs: &[Due]) -> Vec<Job> {
        let named = |run_at, window_ended_at| Run { account, region, plan_id, rule_id: &self.id, run_at, window_ended_at };
        missed(runs, &[]).into_iter().map(|run| job(named(run.run_at, run.window_ended_at), self.told.clone())).collect()
    }
}

/// Whether a selection names a resource of this Region by itself, whatever its tags are. ARNs of S3 have no Region: a bucket may be elsewhere.
fn names_a_resource(selection: &Selection, region: &Region) -> bool {
    let resource = |text: &String| Arn::parse(text).ok().filter(|arn| !text.contains(['*', '?']) && arn.region().as_ref() == Some(region));
    selection.resources.iter().filter_map(resource).any(|resource| selects(selection, &resource, None) == Selected::Yes)
}

#[cfg(test)]
mod tests;
