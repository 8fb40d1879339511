//! Reads of AWS Backup: a path for each, by <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Operations_AWS_Backup.html>.

use guardian_core::evidence::GapReason;
use serde_json::Value;

use super::pages::pages;
use super::sender::Pieces;
use super::signed::{BACKUP, encoded, get, get_in_pieces, json_of};
use super::{Failure, Question, Turn, refused, region};
use crate::session::Cloud;

/// Members of a page.
const MOST: u32 = 1000;

/// A list: what grows, and the filters that may be asked for, by their names in a question and in a request.
struct Paged {
    list: &'static str,
    filters: &'static [(&'static str, &'static str)],
}

const JOBS: &[(&str, &str)] = &[("ByState", "state"), ("ByCompleteAfter", "completeAfter")];
const RESTORES: &[(&str, &str)] = &[("ByStatus", "status")];

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    region(question)?;
    let path = path(question)?;
    let Some(paged) = paged(question.operation) else { return json_of(&get(cloud, question, &BACKUP, &path).await?) };
    pages!(turn, paged.list, "NextToken", |next| {
        let page = format!("{path}?{}", query(question, paged.filters, next.as_deref()));
        json_of(&get(cloud, question, &BACKUP, &page).await?)
    })
}

fn path(question: &Question) -> Result<String, Failure> {
    let part = |name: &str| part(question, name);
    Ok(match question.operation {
        "DescribeBackupJob" => format!("/backup-jobs/{}", part("BackupJobId")?),
        "DescribeCopyJob" => format!("/copy-jobs/{}", part("CopyJobId")?),
        "DescribeRestoreJob" => format!("/restore-jobs/{}", part("RestoreJobId")?),
        "DescribeScanJob" => format!("/scan/jobs/{}", part("ScanJobId")?),
        "DescribeGlobalSettings" => "/global-settings".to_owned(),
        "DescribeRegionSettings" => "/account-settings".to_owned(),
        "DescribeBackupVault" => format!("/backup-vaults/{}", part("BackupVaultName")?),
        "GetBackupVaultAccessPolicy" => format!("/backup-vaults/{}/access-policy", part("BackupVaultName")?),
        "GetBackupVaultNotifications" => format!("/backup-vaults/{}/notification-configuration", part("BackupVaultName")?),
        "DescribeRecoveryPoint" => {
            format!("/backup-vaults/{}/recovery-points/{}", part("BackupVaultName")?, part("RecoveryPointArn")?)
        }
        "ListRecoveryPointsByBackupVault" => format!("/backup-vaults/{}/recovery-points/", part("BackupVaultName")?),
        "ListBackupPlans" => "/backup/plans/".to_owned(),
        "GetBackupPlan" => format!("/backup/plans/{}/", part("BackupPlanId")?),
        "ListBackupSelections" => format!("/backup/plans/{}/selections/", part("BackupPlanId")?),
        "GetBackupSelection" => format!("/backup/plans/{}/selections/{}", part("BackupPlanId")?, part("SelectionId")?),
        "ListBackupVaults" => "/backup-vaults/".to_owned(),
        "ListRestoreTestingPlans" => "/restore-testing/plans".to_owned(),
        "ListRestoreJobs" => "/restore-jobs/".to_owned(),
        "ListBackupJobs" => "/backup-jobs/".to_owned(),
        "ListCopyJobs" => "/copy-jobs/".to_owned(),
        _ => return Err(refused(question)),
    })
}

fn paged(operation: &str) -> Option<Paged> {
    let (list, filters): (_, &[_]) = match operation {
        "ListRecoveryPointsByBackupVault" => ("RecoveryPoints", &[]),
        "ListBackupPlans" => ("BackupPlansList", &[]),
        "ListBackupSelections" => ("BackupSelectionsList", &[]),
        "ListBackupVaults" => ("BackupVaultList", &[]),
        "ListRestoreTestingPlans" => ("RestoreTestingPlans", &[]),
        "ListRestoreJobs" => ("RestoreJobs", RESTORES),
        "ListBackupJobs" => ("BackupJobs", JOBS),
        "ListCopyJobs" => ("CopyJobs", JOBS),
        _ => return None,
    };
    Some(Paged { list, filters })
}

fn query(question: &Question, filters: &[(&str, &str)], next: Option<&str>) -> String {
    // The newer one of the lists writes its parameters in capitals.
    let (most, token) = match question.operation {
        "ListRestoreTestingPlans" => ("MaxResults", "NextToken"),
        _ => ("maxResults", "nextToken"),
    };
    let mut query = format!("{most}={MOST}");
    let filters = filters.iter().filter_map(|(ours, theirs)| Some((*theirs, question.parameter(ours)?)));
    for (name, value) in filters.chain(next.map(|next| (token, next.to_owned()))) {
        query.push_str(&format!("&{name}={}", encoded(&value)));
    }
    query
}

/// A parameter as a part of the path. Without it, or where it leads elsewhere, the path would be that of another operation.
fn part(question: &Question, name: &str) -> Result<String, Failure> {
    match question.parameter(name).as_deref() {
        None | Some("" | "." | "..") => {
            Err(Failure::new(GapReason::Unreadable, format!("`{}` was asked without a `{name}`", question.action())))
        }
        Some(value) => Ok(encoded(value)),
    }
}

/// A page of the recovery points of a vault, handed on as its text comes.
pub(super) async fn recovery_points(
    cloud: &Cloud,
    question: &Question,
    from: Option<&str>,
    pieces: &mut Pieces<'_>,
) -> Result<(), Failure> {
    let page = format!("{}?{}", path(question)?, query(question, &[], from));
    get_in_pieces(cloud, question, &BACKUP, &page, pieces).await
}

#[cfg(test)]
mod tests {
    use guardian_core::arn::{AccountId, Region};
    use serde_json::json;

    use super::*;

    fn question(operation: &'static str, request: Value) -> Question {
        let (account, region) = (AccountId::parse("111111111111").unwrap(), Region::parse("eu-central-1").ok());
        Question { account, region, service: "backup", operation, request }
    }

    #[test]
    fn a_part_of_a_path_leads_nowhere_else() {
        for name in ["", ".", ".."] {
            assert!(path(&question("DescribeBackupVault", json!({"BackupVaultName": name}))).is_err(), "{name}");
        }
        assert!(path(&question("DescribeBackupVault", json!({}))).is_err());
        let strange = question("GetBackupVaultAccessPolicy", json!({"BackupVaultName": "a/../b?c=d#é"}));
        assert_eq!(path(&strange).unwrap(), "/backup-vaults/a%2F..%2Fb%3Fc%3Dd%23%C3%A9/access-policy");
        let point = question("DescribeRecoveryPoint", json!({"BackupVaultName": "v", "RecoveryPointArn": "arn:aws:ec2:eu::snapshot/s"}));
        assert_eq!(path(&point).unwrap(), "/backup-vaults/v/recovery-points/arn%3Aaws%3Aec2%3Aeu%3A%3Asnapshot%2Fs");
        assert!(path(&question("DeleteBackupVault", json!({"BackupVaultName": "v"}))).is_err());
    }

    #[test]
    fn a_list_is_asked_for_by_its_filters_and_pages() {
        let of = |operation, request, next| query(&question(operation, request), paged(operation).unwrap().filters, next);
        assert_eq!(of("ListBackupVaults", json!({"ByState": "x"}), Some("a/b=")), "maxResults=1000&nextToken=a%2Fb%3D");
        assert_eq!(of("ListRestoreTestingPlans", json!({}), Some("a")), "MaxResults=1000&NextToken=a");
        let jobs = json!({"ByState": "COMPLETED", "ByCompleteAfter": "2026-01-01T00:00:00Z"});
        assert_eq!(of("ListCopyJobs", jobs, None), "maxResults=1000&state=COMPLETED&completeAfter=2026-01-01T00%3A00%3A00Z");
        assert_eq!(of("ListRestoreJobs", json!({"ByStatus": "COMPLETED"}), None), "maxResults=1000&status=COMPLETED");
    }
}
