//! What jobs of late tell of a place, and what may stop the next ones there: restores that were made as tests, messages of completed jobs, and the
//! images that the account may use.

use std::collections::BTreeMap;

use guardian_core::arn::{AccountId, Region};
use guardian_core::diagnosis::text::class_of;
use guardian_core::evidence::{AllowedImages, Fact, ImageCriterion, JobMessage, JobMessages, RestoreTesting};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::read::{text, time_of};
use super::{Readers, in_place, items};
use crate::answers::{Answers, Question};

/// What is read of a place beside its settings and what it holds.
pub(super) struct Lately {
    pub(super) allowed_images: Fact<AllowedImages>,
    pub(super) backup_messages: Fact<JobMessages>,
    pub(super) copy_messages: Fact<JobMessages>,
}

impl<A: Answers> Readers<A> {
    pub(super) async fn lately(&self, account: &AccountId, region: &Region, now: Timestamp) -> Lately {
        let (allowed_images, backup_messages, copy_messages) = tokio::join!(
            self.allowed_images(account, region),
            self.messages(account, region, now, ("ListBackupJobs", "BackupJobs", "BackupJobId")),
            self.messages(account, region, now, ("ListCopyJobs", "CopyJobs", "CopyJobId")),
        );
        Lately { allowed_images, backup_messages, copy_messages }
    }

    async fn allowed_images(&self, account: &AccountId, region: &Region) -> Fact<AllowedImages> {
        let question = Question { service: "ec2", ..in_place(account, region, "GetAllowedImagesSettings", json!({})) };
        self.ask(&question, allowed_images).await
    }

    /// What the jobs of a list that completed of late said.
    async fn messages(
        &self,
        account: &AccountId,
        region: &Region,
        now: Timestamp,
        (operation, list, id): (&'static str, &str, &str),
    ) -> Fact<JobMessages> {
        let since = now.checked_sub(SignedDuration::from_hours(JobMessages::HOURS)).unwrap_or(now);
        let request = json!({"ByState": "COMPLETED", "ByCompleteAfter": since.to_string()});
        self.ask(&in_place(account, region, operation, request), |answer| Some(messages(answer, since, list, id))).await
    }
}

fn allowed_images(answer: &Value) -> Option<AllowedImages> {
    let criterion = |one: &Value| {
        let members = one.as_object()?;
        let said = |value: &Value| !matches!(value, Value::Null) && value.as_array().is_none_or(|items| !items.is_empty());
        let further = members.iter().filter(|(name, value)| *name != "ImageProviders" && said(value));
        Some(ImageCriterion {
            providers: items(one, "ImageProviders").map(|provider| provider.as_str().map(str::to_owned)).collect::<Option<_>>()?,
            further: further.map(|(name, _)| name.clone()).collect(),
        })
    };
    Some(AllowedImages {
        state: text(answer, "State")?,
        criteria: items(answer, "ImageCriteria").map(criterion).collect::<Option<_>>()?,
        managed_by: text(answer, "ManagedBy"),
    })
}

/// Messages class by class, so that ten thousand jobs that say the same are one, and the one that says something else is not lost among them.
fn messages(answer: &Value, since: Timestamp, list: &str, id: &str) -> JobMessages {
    type Said = Vec<(Option<Timestamp>, String, String)>;
    let mut by_class = BTreeMap::<(String, Option<String>, Option<String>), Said>::new();
    let mut jobs = 0;
    // A recorded list may reach further back.
    let lately = |job: &&Value| time_of(job, "CompletionDate").is_none_or(|at| at >= since);
    for job in items(answer, list).filter(lately) {
        jobs += 1;
        let category = text(job, "MessageCategory").filter(|category| !category.eq_ignore_ascii_case("SUCCESS"));
        let message = text(job, "StatusMessage").unwrap_or_default();
        if message.trim().is_empty() && category.is_none() {
            continue;
        }
        let class = (class_of(&message), category, text(job, "ResourceType"));
        let said = (time_of(job, "CompletionDate"), text(job, id).unwrap_or_default().to_lowercase(), message);
        by_class.entry(class).or_default().push(said);
    }
    let messages = by_class.into_iter().map(|((class, category, resource_type), mut said)| {
        // Newest first, whatever the order of the list.
        said.sort_by(|a, b| b.cmp(a));
        JobMessage {
            class,
            text: said.first().map(|(_, _, message)| message.clone()).unwrap_or_default(),
            category,
            resource_type,
            jobs: u64::try_from(said.len()).unwrap_or(u64::MAX),
            newest: said.into_iter().take(JobMessage::KEPT).map(|(_, id, _)| id).collect(),
        }
    });
    JobMessages { jobs, messages: messages.collect() }
}

/// The newest restore of each type that a restore testing plan made, and how long it took.
pub(super) fn newest_restores(answer: &Value) -> RestoreTesting {
    let mut newest = RestoreTesting::default();
    for job in items(answer, "RestoreJobs") {
        let tested = job.pointer("/CreatedBy/RestoreTestingPlanArn").is_some();
        let (created, completed) = (time_of(job, "CreationDate"), time_of(job, "CompletionDate"));
        let (true, Some(kind), Some(ended)) = (tested, text(job, "ResourceType"), completed.or(created)) else { continue };
        let took = created.zip(completed).map(|(created, completed)| completed.duration_since(created).as_secs().max(0));
        let took = took.map(|seconds| seconds.div_euclid(60).saturating_add(i64::from(seconds.rem_euclid(60) > 0)));
        // Of two that ended at the same time the longer one counts, whatever their order in the list.
        let rank = (ended, took);
        let known = newest.restored.get(&kind).map(|at| (*at, newest.minutes.get(&kind).copied()));
        if known.is_some_and(|known| known >= rank) {
            continue;
        }
        newest.minutes.remove(&kind);
        newest.minutes.extend(took.map(|took| (kind.clone(), took)));
        newest.restored.insert(kind, ended);
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_jobs_that_say_the_same_one_text_and_the_newest_ids_are_kept() {
        let job = |number: u32, message: &str, category: &str| {
            json!({"CopyJobId": format!("A-{number:04}"), "CompletionDate": 1_700_000_000 + number, "StatusMessage": message,
                   "MessageCategory": category, "ResourceType": "EBS"})
        };
        let mut jobs = (0..30).map(|number| job(number, "The tag of vol-1 could not be copied", "MISCELLANEOUS")).collect::<Vec<_>>();
        jobs.extend([job(40, "", "SUCCESS"), job(41, "Given key ID is not accessible", "AccessDenied"), json!({"CopyJobId": "b"})]);
        let read = |jobs: &[Value]| messages(&json!({"CopyJobs": jobs}), Timestamp::UNIX_EPOCH, "CopyJobs", "CopyJobId");
        let told = read(&jobs);
        assert_eq!((told.jobs, told.messages.len()), (33, 2));
        let same = told.messages.iter().find(|message| message.jobs == 30).unwrap();
        assert_eq!((same.newest.len(), same.newest[0].as_str(), same.resource_type.as_deref()), (20, "a-0029", Some("EBS")));
        jobs.reverse();
        assert_eq!(read(&jobs), told, "the order of the list says nothing");
        let since = Timestamp::new(1_700_000_040, 0).unwrap();
        let of_late = messages(&json!({"CopyJobs": jobs}), since, "CopyJobs", "CopyJobId");
        assert_eq!((of_late.jobs, of_late.messages.len()), (3, 1), "a job without a date may be of late");
    }

    #[test]
    fn of_the_newest_restore_the_time_is_told_in_whole_minutes() {
        let job = |kind: &str, created: i64, completed: Option<i64>, tested: bool| {
            json!({"ResourceType": kind, "CreationDate": created, "CompletionDate": completed,
                   "CreatedBy": {"RestoreTestingPlanArn": tested.then_some("arn:aws:backup:eu-central-1:111111111111:restore-testing-plan:a")}})
        };
        let all = [
            job("EBS", 1000, Some(1000 + 3601), true),
            job("EBS", 2000, Some(2000 + 60), true),
            job("RDS", 5000, None, true),
            job("S3", 5000, Some(6000), true),
        ];
        let mut none = job("EFS", 1, Some(2), true);
        none["CreatedBy"] = json!({});
        let read = |jobs: &[Value]| newest_restores(&json!({"RestoreJobs": jobs}));
        let mut jobs = all.to_vec();
        jobs.push(none);
        let told = read(&jobs);
        let minutes = told.minutes.iter().map(|(kind, minutes)| (kind.as_str(), *minutes)).collect::<Vec<_>>();
        assert_eq!(minutes, [("EBS", 61), ("S3", 17)]);
        assert_eq!(told.restored.keys().map(String::as_str).collect::<Vec<_>>(), ["EBS", "RDS", "S3"]);
        jobs.reverse();
        assert_eq!(read(&jobs), told);
    }

    #[test]
    fn what_an_image_must_meet_beside_its_provider_is_told() {
        let answer = json!({"State": "enabled", "ManagedBy": "account", "ImageCriteria": [
            {"ImageProviders": ["amazon", "222222222222"], "ImageNames": []}, {"CreationDateCondition": {"MaximumDaysSinceCreated": 30}}]});
        let told = allowed_images(&answer).unwrap();
        assert_eq!(
            told.criteria[0],
            ImageCriterion { providers: vec!["amazon".to_owned(), "222222222222".to_owned()], further: Vec::new() }
        );
        assert_eq!(told.criteria[1].further, ["CreationDateCondition"]);
        assert_eq!(allowed_images(&json!({"ImageCriteria": []})), None, "an answer without a state is none");
    }
}
