//! A rule of a plan was due, and AWS lists no job of it.

use jiff::{SignedDuration, Timestamp};

use crate::arn::Arn;
use crate::coverage::Schedule;
use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, Step, facts, steps};
use crate::event::{JobState, MissedRun};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-040",
        name: "run-missed",
        title: "A rule of a plan was due and made no job",
        causes: &[Cause::RunMissed],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "backup:ListBackupPlans",
            "backup:GetBackupPlan",
            "backup:ListBackupPlanVersions",
            "backup:ListBackupSelections",
            "backup:GetBackupSelection",
            "backup:ListBackupJobs",
        ],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html"],
        page: include_str!("run-missed.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    // Only a reconciliation shows it: no event tells that nothing happens.
    let (Some(missed), Some(due)) = (&evidence.job.missed, evidence.job.created_at) else {
        return match evidence.job.state {
            JobState::Missed => Answer::CannotTell { needs: vec!["which run of which rule".to_owned()] },
            _ => Answer::RuledOut { why: "there is a job".to_owned() },
        };
    };
    // The lists of plans, selections and jobs were read to their end, or nobody would say so: a state that suffices alone.
    told::explains(evidence, Cause::RunMissed, Certainty::Proven, &["list of plans", "list of jobs"], tell(evidence, missed, due))
}

fn tell(evidence: &Evidence, missed: &MissedRun, due: Timestamp) -> Told {
    let job = &evidence.job;
    let plan = job.plan.as_ref();
    // Read in that account; the envelope says which.
    let arn = plan.and_then(|plan| plan.plan_arn.as_ref()).filter(|arn| arn.account().as_ref() == Some(&job.account));
    let until = job.start_by.map(|until| format!(" that was created until {}", facts::minute(until))).unwrap_or_default();
    let (plan_name, rule_name) = (facts::cut(&missed.plan_name, 80), facts::cut(&missed.rule_name, 80));
    Told {
        severity: None,
        act_in: arn.map_or_else(|| facts::in_source(evidence), |arn| facts::on_object(evidence, arn)),
        object: arn.map(|arn| facts::known_object(evidence, arn)),
        summary: format!(
            "The rule `{rule_name}` of the plan `{plan_name}` in account {}, {}, {}. Its start window is over, and AWS lists no job of it{until}.",
            job.account,
            job.region,
            when(missed, due)
        ),
        next_steps: next_steps(evidence, due, arn),
    }
}

fn when(missed: &MissedRun, due: Timestamp) -> String {
    let at = facts::minute(due);
    match Schedule::parse(&missed.schedule, missed.zone.as_deref()) {
        Ok(schedule) if schedule.pace().is_some() => format!("runs at `{}` and was due", missed.schedule),
        Ok(schedule) if missed.zone.as_deref().is_some_and(|zone| !matches!(zone, "UTC" | "Etc/UTC")) => format!("was due at {}, that is {at}", schedule.on_the_wall(due)),
        Ok(_) | Err(_) => format!("was due at {at}"),
    }
}

/// Trails and lists are searched a little wider than the window.
const AROUND: SignedDuration = SignedDuration::from_hours(1);

fn next_steps(evidence: &Evidence, due: Timestamp, plan: Option<&Arn>) -> Vec<Step> {
    let job = &evidence.job;
    let region = job.region.as_str();
    let from = due.checked_sub(AROUND).unwrap_or(due).to_string();
    let until = job.start_by.and_then(|until| until.checked_add(AROUND).ok()).unwrap_or(evidence.now).to_string();
    let plan_id = job.plan.as_ref().and_then(|plan| plan.plan_id.as_deref());
    let mut next = vec![steps::look(
        format!(
            "In account {}, look for what AWS Backup wrote into CloudTrail when it chose the resources of the plan: an error there, such as a role \
             that it may not use, is the reason.",
            job.account
        ),
        Some(steps::command(
            "aws cloudtrail lookup-events",
            &[
                ("lookup-attributes", "AttributeKey=EventName,AttributeValue=ProcessBackupPlanSelection"),
                ("start-time", &from),
                ("end-time", &until),
                ("region", region),
            ],
        )),
    )];
    if let Some(id) = plan_id {
        next.push(steps::look(
            "See whether the selections of the plan still select something, and whether their role is still there.",
            Some(steps::command("aws backup list-backup-selections", &[("backup-plan-id", id), ("region", region)])),
        ));
    }
    next.push(steps::look(
        "See whether the resource types are still switched on in this Region.",
        Some(steps::command("aws backup describe-region-settings", &[("region", region)])),
    ));
    if plan.is_some_and(|plan| plan.resource().contains("orgs/")) {
        next.push(steps::judge(
            "The plan is made by a backup policy of the organization: see whether the policy is still attached, and in CloudTrail whether it is valid \
             (InvalidOrganizationBackupPlan). The resource types that count are those of the management account.",
        ));
    }
    next.push(steps::judge("The incident ends when a job that the same rule creates later is COMPLETED."));
    next.push(steps::judge("Back up by hand what cannot wait: the next run of the rule does not take up the missed one."));
    next
}
