//! Jobs that completed made their copies.

use crate::compliance::say::{Place, count, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::text::{Hints, read};
use crate::diagnosis::told::says_not_copied;
use crate::diagnosis::{Cause, Grade, Severity};
use crate::event::{JobState, JobType};
use crate::evidence::{Fact, JobMessage, JobMessages};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-073",
        name: "completed-jobs-made-their-copies",
        title: "Jobs that completed made their copies",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:ListBackupJobs", "backup:ListCopyJobs"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/lag-vault-primary-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-dashboards.html",
        ],
        page: include_str!("completed-jobs-made-their-copies.md"),
    },
    judge: Judge::Account(judge),
};

/// What a message of a completed job means.
enum Means {
    /// There is no copy.
    NotCopied(&'static str),
    /// What was to be copied was.
    Harmless,
    /// Nobody knows.
    Open,
}

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        let mut outcomes = of(place, JobType::Backup, &region.backup_messages);
        outcomes.extend(of(place, JobType::Copy, &region.copy_messages));
        outcomes
    })
}

fn of(place: Place<'_>, kind: JobType, fact: &Fact<JobMessages>) -> Vec<Outcome> {
    let name = kind.as_str();
    let subject = place.here().part(format!("{name} jobs"));
    let hours = JobMessages::HOURS;
    let Some(said) = fact.known() else {
        return vec![Outcome::unseen(subject, &format!("what the {name} jobs of the last {hours} hours said"), fact)];
    };
    if said.jobs == 0 {
        return vec![Outcome::not_applicable(subject, format!("no {name} job completed in the last {hours} hours"))];
    }
    let outcomes = said.messages.iter().filter_map(|message| one(place, kind, message)).collect::<Vec<_>>();
    if outcomes.is_empty() {
        let jobs = count(usize::try_from(said.jobs).unwrap_or(usize::MAX), &format!("{name} job"));
        return vec![Outcome::pass(subject, format!("of {jobs} that completed in the last {hours} hours none says that it did not copy"))];
    }
    outcomes
}

fn one(place: Place<'_>, kind: JobType, message: &JobMessage) -> Option<Outcome> {
    let name = kind.as_str();
    let part = match &message.resource_type {
        Some(resource_type) => format!("{name} jobs of {resource_type}: {}", message.class),
        None => format!("{name} jobs: {}", message.class),
    };
    let subject = place.here().part(part);
    let jobs = count(usize::try_from(message.jobs).unwrap_or(usize::MAX), &format!("{name} job"));
    let said = format!("{jobs} completed and said {} ({})", quoted(&message.text), listed(&message.newest));
    let outcome = match means(kind, message) {
        Means::Harmless => return None,
        Means::NotCopied(why) => Outcome::fail(
            subject,
            format!("{said}: {why}"),
            format!(
                "{}: read the messages of these jobs, mend what they name, and copy what has no copy by hand; `guardian explain message` \
                 says what a message can mean",
                place.words()
            ),
        ),
        Means::Open => Outcome::unknown(subject, format!("{said}: whether everything was copied, nobody knows"), Vec::new()),
    };
    Some(outcome.from(message.newest.iter().cloned()))
}

fn means(kind: JobType, message: &JobMessage) -> Means {
    if says_not_copied(&message.text) || message.category.as_deref().is_some_and(says_not_copied) {
        return Means::NotCopied("there is no copy in the air-gapped vault");
    }
    let hints =
        Hints { job_type: Some(kind), state: Some(JobState::Completed), resource_type: message.resource_type.clone(), ..Hints::default() };
    let reading = read(Some(&message.text), &hints);
    match reading.best() {
        _ if !reading.recognised => Means::Open,
        // The data is there; tags, consistency or speed are not.
        Cause::TagOrMetadataPartial | Cause::VssPrerequisite | Cause::VmwareInfrastructure => Means::Harmless,
        // What makes a copy job fail is no less true of one that counts as completed.
        _ if kind == JobType::Copy && reading.decidable => Means::NotCopied("a copy that fails says so"),
        _ => Means::Open,
    }
}
