//! Where the denials of a job may be: whose trail, which role, which window.
//!
//! A denied KMS call is in the caller's trail only. The caller of a copy is the service-linked role of the *destination* account for everything
//! it does to the keys, and the job role of the *source* account for sharing and for the call itself
//! (<https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html>). Roles follow the direction of the job: for a
//! copy back out of the backup account the sides are swapped by themselves.

use guardian_core::event::JobType;
use guardian_core::evidence::Evidence;
use guardian_core::ports::DenialQuery;
use jiff::SignedDuration;
use tokio::time::Instant;

use crate::config::Scope;

/// Clocks, and events of CloudTrail that carry whole seconds.
pub(super) const SLACK: SignedDuration = SignedDuration::from_mins(5);
/// How long a job may have run whose creation is unknown.
const UNKNOWN_LENGTH: SignedDuration = SignedDuration::from_hours(6);
/// The role with which AWS Backup performs a copy in the destination account.
const SERVICE_LINKED_ROLE: &str = "AWSServiceRoleForBackup";
/// The role AWS Backup makes by itself; assumed where neither the event nor the description names the job role.
const DEFAULT_ROLE: &str = "AWSBackupDefaultServiceRole";

/// Event names to search a busy account by, most telling first.
const KEY_EVENTS: [&str; 5] = ["CreateGrant", "ReEncrypt", "GenerateDataKeyWithoutPlaintext", "Decrypt", "DescribeKey"];
/// The copy call itself carries the denial of a key for types that RDS copies.
const RDS_EVENTS: [&str; 7] =
    ["CopyDBSnapshot", "CopyDBClusterSnapshot", "CreateGrant", "ReEncrypt", "GenerateDataKeyWithoutPlaintext", "Decrypt", "DescribeKey"];

/// The searches of a job, the likeliest account first.
pub(super) fn of(evidence: &Evidence, scope: &Scope, end: Instant) -> Vec<DenialQuery> {
    let job = &evidence.job;
    let told_by_aws = job.notice.as_ref().is_some_and(|notice| !notice.kind.is_of_job());
    if job.missed.is_some() || told_by_aws {
        // No job made any call; where a call was refused, the record that told of it is the denial.
        return Vec::new();
    }
    let described = evidence.description.known();
    let ended = job.completed_at.or_else(|| described.and_then(|job| job.completed_at)).or(job.event_time).unwrap_or(evidence.now);
    let began = job.created_at.or_else(|| described.and_then(|job| job.created_at)).unwrap_or(ended - UNKNOWN_LENGTH).min(ended);
    let query =
        |account: &guardian_core::arn::AccountId, region: &guardian_core::arn::Region, role: &str, by_event_name: bool| DenialQuery {
            account_id: account.clone(),
            region: region.clone(),
            role_name: role.to_owned(),
            from: began - SLACK,
            until: ended + SLACK,
            event_names: match (by_event_name, evidence.resource_type()) {
                (false, _) => Vec::new(),
                (true, Some("RDS" | "Aurora" | "DocumentDB" | "Neptune")) => RDS_EVENTS.to_vec(),
                (true, _) => KEY_EVENTS.to_vec(),
            },
            object: super::protecting_key(evidence),
            patience: super::patience(end),
        };
    let role = evidence.role_arn().and_then(|arn| arn.role_name()).unwrap_or(DEFAULT_ROLE);
    let (source, home) = (&job.account, &job.region);
    let mut queries = Vec::new();
    if job.job_type == JobType::Copy {
        let destination = evidence.destination_account().unwrap_or_else(|| source.clone());
        let away = evidence.destination_region().unwrap_or_else(|| home.clone());
        let crosses = destination != *source;
        // In a backup account every copy of everybody uses the same session name: there the event name selects, elsewhere the session.
        let busy = scope.backup_accounts.contains(&destination) || (crosses && !scope.backup_accounts.contains(source));
        if crosses {
            queries.push(query(&destination, &away, SERVICE_LINKED_ROLE, busy));
        }
        let source_is_busy = scope.backup_accounts.contains(source);
        queries.push(query(source, home, role, source_is_busy));
        if !crosses {
            queries.push(query(source, &away, SERVICE_LINKED_ROLE, busy));
        }
        if away != *home {
            queries.push(query(&destination, home, SERVICE_LINKED_ROLE, busy));
            queries.push(query(source, &away, role, source_is_busy));
        }
    } else {
        queries.push(query(source, home, role, scope.backup_accounts.contains(source)));
    }
    let mut seen = std::collections::BTreeSet::new();
    queries.retain(|query| seen.insert((query.account_id.clone(), query.region.clone(), query.role_name.clone())));
    queries
}
