//! Notifications that a vault sends to a topic, as SNS delivers them to a queue: for what no event of EventBridge tells.
//!
//! Whose it is says the ARN of the topic, and nothing else: SNS writes it around the message, and AWS Backup accepts only a topic of the vault's
//! own account (<https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-notifications.html>). That holds under three conditions, which
//! the templates keep: only SNS may send to the queue, for topics of this name in accounts of the organization; a subscription of the queue
//! that its own account did not make is never confirmed; and those it makes have raw delivery off. A body that is no envelope of SNS is
//! therefore never read as an event here, whatever it holds. Message and attributes are the account's own words about itself.
//!
//! AWS documents no sample of these notifications, only of those about jobs, where `EventType` is `BACKUP_JOB` and `State` is `COMPLETED`. So
//! the name of the event is looked for in one attribute and in both together.

use super::degraded::{Degraded, QuarantineReason};
use super::field::{Fields, kind};
use super::job::{Job, JobId, JobState, JobType, Problem};
use super::job_fields;
use super::notice::{Notice, NoticeKind};
use super::parse::{Parsed, quarantine};
use super::repair;
use crate::arn::{AccountId, Arn, Region};

/// Name of the topics in the accounts, and of the queue that hears them.
pub const VAULT_NOTIFICATIONS: &str = "backup-guardian-vault-notifications";
/// What stands for the detail-type where an alert needs one.
const DETAIL_TYPE: &str = "AWS Backup vault notification";
/// Longest id, in bytes; AWS' own are UUIDs.
const LONGEST_ID: usize = 128;

/// What a notification is about.
enum About {
    Notice(NoticeKind, JobType),
    /// EventBridge tells it as well.
    Twin,
    Unknown,
}

/// Reads one message of the queue of notifications. Never fails: what cannot be read has its own answer.
pub fn parse_notification(bytes: &[u8]) -> Parsed {
    let (envelope, repaired) = match repair::read(bytes) {
        Ok(read) => read,
        Err(error) => {
            return quarantine(QuarantineReason::NotJson, format!("not JSON at line {} column {}", error.line(), error.column()), bytes);
        }
    };
    if !envelope.is_object() {
        return quarantine(QuarantineReason::NotAnEvent, format!("{}, not an object", kind(&envelope)), bytes);
    }
    let mut fields = Fields::of("", Some(&envelope));
    if repaired {
        fields.problem("notification", "broken characters, repaired");
    }
    let sort = fields.name("Type");
    // This queue's own account needs no confirmation, and nobody else's subscription is wanted. Nothing is lost with such a request: it is kept
    // out, and the log names the topic.
    if let Some(request @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation")) = sort.as_deref() {
        let topic = fields.arn("TopicArn");
        let named = topic.as_ref().map_or("a topic that it does not name", |topic| topic.as_str());
        let (account, region) = (topic.as_ref().and_then(Arn::account), topic.as_ref().and_then(Arn::region));
        return Parsed::Other { account, region, detail_type: format!("SNS {request} of {named}") };
    }
    if sort.as_deref() != Some("Notification") {
        return quarantine(QuarantineReason::NotAnEvent, "`Type`: not a notification of SNS".to_owned(), bytes);
    }
    let Some((account, region)) = fields.arn("TopicArn").as_ref().and_then(whose) else {
        return quarantine(
            QuarantineReason::NoAccount,
            "`TopicArn`: not the topic of an account for vault notifications".to_owned(),
            bytes,
        );
    };
    read(account, region, fields, bytes)
}

/// The account and Region of a topic with our name.
fn whose(topic: &Arn) -> Option<(AccountId, Region)> {
    let ours = topic.service() == "sns" && topic.resource() == VAULT_NOTIFICATIONS;
    Some((topic.account().filter(|_| ours)?, topic.region()?))
}

fn read(account: AccountId, region: Region, mut fields: Fields<'_>, bytes: &[u8]) -> Parsed {
    let attributes = fields.get("MessageAttributes");
    let mut attribute = |name: &str| {
        let path = format!("MessageAttributes.{name}");
        let mut attribute = Fields::of(&path, Fields::of("", attributes).get(name));
        let value = attribute.text("Value");
        fields.problems.append(&mut attribute.problems);
        value
    };
    let [event, state, told_account, id, start] = ["EventType", "State", "AccountId", "Id", "StartTime"].map(&mut attribute);
    let message = job_fields::status_message(&mut fields, "Message");
    let (message_id, at) = (fields.text("MessageId"), fields.timestamp("Timestamp"));
    let event = event.unwrap_or_default();
    let (kind, job_type) = match about(&event, state.as_deref().unwrap_or_default()) {
        About::Notice(kind, job_type) => (kind, job_type),
        About::Twin => return Parsed::Other { account: Some(account), region: Some(region), detail_type: event },
        About::Unknown => {
            fields.problem("MessageAttributes.EventType", "none that is known");
            return Parsed::Degraded(Box::new(Degraded {
                account,
                region: Some(region),
                detail_type: DETAIL_TYPE.to_owned(),
                job_type: None,
                event_id: message_id,
                event_time: at,
                // Of a message that nobody knows it is not known either that AWS wrote it: it is shown, and no rule reads it.
                status_message: None,
                problems: fields.problems,
                raw: Degraded::keep_raw(bytes),
            }));
        }
    };
    if told_account.as_deref().is_some_and(|told| told != account.as_str()) {
        fields.problem("MessageAttributes.AccountId", "another account than that of the topic");
    }
    if message.is_none() {
        fields.problem("Message", "missing");
    }
    let mut job = Job::new(account, region, job_type);
    let mut notice = Notice::new(kind);
    notice.id.clone_from(&message_id);
    notice.recorded_at = at;
    (job.event_id, job.event_time) = (message_id, at);
    job.resource_arn = message.as_deref().and_then(|text| resource(text, &job.account));
    job.status_message = message;
    if kind == NoticeKind::ContinuousBackupInterrupted {
        job.state = JobState::Interrupted;
    } else {
        job.state = JobState::ObjectsLeftOut;
        job.resource_type = Some(if starts(&event, "EKS") { "EKS" } else { "S3" }.to_owned());
        // AWS may send one message for each object of a job: they are one.
        job.job_id = id.filter(|id| id.len() <= LONGEST_ID && id.bytes().all(|b| b.is_ascii_graphic())).map(JobId::from);
        job.created_at = start.and_then(|start| Fields::of("", Some(&serde_json::json!({"at": start}))).timestamp("at"));
    }
    job.notice = Some(Box::new(notice));
    job.problems = std::mem::take::<Vec<Problem>>(&mut fields.problems);
    Parsed::Job(Box::new(job))
}

fn starts(event: &str, with: &str) -> bool {
    event.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

fn about(event: &str, state: &str) -> About {
    // Names of `BackupVaultEvent`; the end of a name may stand in `State`.
    let failed = if format!("{event} {state}").to_ascii_uppercase().contains("SKIPPED") {
        NoticeKind::ObjectsSkipped
    } else {
        NoticeKind::ObjectsFailed
    };
    let table = [
        ("CONTINUOUS_BACKUP", NoticeKind::ContinuousBackupInterrupted, JobType::Backup),
        ("S3_BACKUP_OBJECT", failed, JobType::Backup),
        ("EKS_BACKUP_OBJECT", failed, JobType::Backup),
        ("S3_RESTORE_OBJECT", failed, JobType::Restore),
        ("EKS_RESTORE_OBJECT", failed, JobType::Restore),
    ];
    if let Some((_, kind, job_type)) = table.into_iter().find(|(name, _, _)| starts(event, name)) {
        return About::Notice(kind, job_type);
    }
    let twins = ["BACKUP_JOB", "COPY_JOB", "RESTORE_JOB", "RECOVERY_POINT", "BACKUP_PLAN"];
    if twins.iter().any(|name| starts(event, name)) { About::Twin } else { About::Unknown }
}

/// The resource that the prose names behind `Resource ARN`, as the samples of AWS do, else the first that it names anywhere; of the topic's own
/// account, or of none as buckets are. Without it two resources could not be told apart, and the second would be taken for the first.
fn resource(message: &str, account: &AccountId) -> Option<Arn> {
    let named = message.to_ascii_lowercase().find("resource arn");
    let own = |arn: &Arn| arn.account().is_none_or(|owner| &owner == account);
    if let Some(at) = named {
        return arns(message.get(at..)?).next()?.filter(own);
    }
    // Vaults and recovery points, roles and keys are not what is backed up.
    let thing = |arn: &Arn| own(arn) && !matches!(arn.service(), "backup" | "iam" | "kms" | "sns");
    arns(message).flatten().find(thing)
}

/// Whatever begins like an ARN, in the order of the text; `None` for what is none.
fn arns(text: &str) -> impl Iterator<Item = Option<Arn>> {
    text.match_indices("arn:").filter_map(|(at, _)| text.get(at..)).map(|text| {
        let word = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'')).next()?;
        Arn::parse(word.trim_end_matches(['.', ':', ')'])).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_event_is_found_in_one_attribute_or_in_two() {
        for (event, state, expected) in [
            ("S3_BACKUP_OBJECT_FAILED", "", Some((NoticeKind::ObjectsFailed, JobType::Backup))),
            ("S3_BACKUP_OBJECT", "FAILED", Some((NoticeKind::ObjectsFailed, JobType::Backup))),
            ("S3_RESTORE_OBJECT", "FAILED", Some((NoticeKind::ObjectsFailed, JobType::Restore))),
            ("EKS_RESTORE_OBJECT_SKIPPED", "", Some((NoticeKind::ObjectsSkipped, JobType::Restore))),
            ("EKS_RESTORE_OBJECT", "SKIPPED", Some((NoticeKind::ObjectsSkipped, JobType::Restore))),
            ("EKS_BACKUP_OBJECT_FAILED", "", Some((NoticeKind::ObjectsFailed, JobType::Backup))),
            ("continuous_backup_interrupted", "", Some((NoticeKind::ContinuousBackupInterrupted, JobType::Backup))),
            ("BACKUP_JOB", "FAILED", None),
        ] {
            match (about(event, state), expected) {
                (About::Notice(kind, job_type), Some(expected)) => assert_eq!((kind, job_type), expected, "{event} {state}"),
                (About::Twin, None) => {}
                _ => panic!("{event} {state}"),
            }
        }
        assert!(matches!(about("SOMETHING_NEW", "FAILED"), About::Unknown) && matches!(about("", ""), About::Unknown));
    }

    #[test]
    fn a_resource_is_of_the_own_account_or_of_none() {
        let account = AccountId::parse("111111111111").unwrap();
        let found = |text: &str| resource(text, &account).map(String::from);
        assert_eq!(found("Failed. Resource ARN : arn:aws:s3:::payroll. Id: 1"), Some("arn:aws:s3:::payroll".to_owned()));
        assert_eq!(found("Resource ARN: arn:aws:eks:eu-central-1:222222222222:cluster/theirs"), None);
        assert_eq!(found("arn:aws:s3:::payroll is not behind the words"), Some("arn:aws:s3:::payroll".to_owned()));
        assert_eq!(found("arn:aws:backup:eu-central-1:111111111111:backup-vault:v, arn:aws:eks:eu-central-1:222222222222:cluster/c"), None);
    }
}
