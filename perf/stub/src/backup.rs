//! What AWS Backup answers.

use serde_json::json;

use crate::answer::{Call, JSON, Reply, Request, decode, listed, page};
use crate::documents;
use crate::estate::{BACKUP, CENTRAL_VAULT, Shape, VaultShape};
use crate::points::Pages;

pub(crate) fn backup(shape: &Shape, pages: &Pages, request: &Request, call: &Call) -> Reply {
    let (account, region) = (call.account.as_str(), call.region.as_str());
    let vaults = shape.vaults_of(account, region);
    let parts = request.path.trim_matches('/').split('/').map(decode).collect::<Vec<_>>();
    let part = |number: usize| parts.get(number).map_or("", String::as_str);
    let next = || request.parameter("nextToken");
    match call.operation.as_str() {
        "ListBackupVaults" => {
            let vault = |vault: &VaultShape| {
                json!({
                    "BackupVaultName": vault.name,
                    "BackupVaultArn": format!("arn:aws:backup:{region}:{account}:backup-vault:{}", vault.name),
                    "VaultType": "BACKUP_VAULT",
                    "CreationDate": 1_700_000_000,
                    "EncryptionKeyArn": format!("arn:aws:kms:{region}:{account}:key/{}", vault.key),
                    "NumberOfRecoveryPoints": vault.points,
                    "Locked": false,
                })
            };
            let (page, next) = page(&vaults, next(), 1000);
            listed("BackupVaultList", page.iter().map(vault).collect(), "NextToken", next)
        }
        "ListRecoveryPointsByBackupVault" => match vaults.iter().find(|vault| vault.name == part(1)) {
            Some(vault) => {
                let body = pages.page(shape, account, region, vault, next().as_deref());
                Reply { status: 200, content_type: JSON.into(), error: None, headers: Vec::new(), body }
            }
            None => Reply::error(400, "ResourceNotFoundException"),
        },
        "GetBackupVaultAccessPolicy" if shape.central.is_some() => {
            let arn = format!("arn:aws:backup:{region}:{account}:backup-vault:{}", part(1));
            Reply::json(&json!({"BackupVaultName": part(1), "BackupVaultArn": arn, "Policy": documents::vault(account)}))
        }
        "GetBackupVaultAccessPolicy" | "GetBackupVaultNotifications" => Reply::error(400, "ResourceNotFoundException"),
        "ListBackupPlans" => {
            let ids =
                (0..shape.plans_of(account, region)).map(|number| json!({"BackupPlanId": format!("plan-{number}")})).collect::<Vec<_>>();
            let (page, next) = page(&ids, next(), 1000);
            listed("BackupPlansList", page, "NextToken", next)
        }
        "GetBackupPlan" => {
            let copy = json!({"DestinationBackupVaultArn": format!("arn:aws:backup:{region}:{BACKUP}:backup-vault:{CENTRAL_VAULT}"),
                              "Lifecycle": {"DeleteAfterDays": 35}});
            Reply::json(
                &json!({"BackupPlanId": part(2), "CreationDate": 1_700_000_000, "BackupPlan": {"BackupPlanName": part(2), "Rules": [{
                    "RuleName": "daily", "RuleId": "daily", "TargetBackupVaultName": "vault-0", "ScheduleExpression": "cron(0 5 ? * * *)",
                    "StartWindowMinutes": 60, "Lifecycle": {"DeleteAfterDays": 35},
                    "CopyActions": shape.central.map(|_| copy).into_iter().collect::<Vec<_>>(),
                }]}}),
            )
        }
        "ListBackupSelections" => {
            let plan = part(2).trim_start_matches("plan-").parse().unwrap_or(0);
            let ids = (0..shape.selections_of(account, region, plan)).map(|number| json!({"SelectionId": format!("selection-{number}")}));
            listed("BackupSelectionsList", ids.collect(), "NextToken", None)
        }
        "GetBackupSelection" => Reply::json(&json!({"SelectionId": part(4), "CreationDate": 1_700_000_000, "BackupSelection": {
            "SelectionName": part(4), "IamRoleArn": format!("arn:aws:iam::{account}:role/BackupRole"),
            "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "daily"}]
        }})),
        "DescribeRegionSettings" => {
            Reply::json(&json!({"ResourceTypeOptInPreference": {"EBS": true}, "ResourceTypeManagementPreference": {}}))
        }
        "DescribeGlobalSettings" => Reply::json(&json!({"GlobalSettings": {"isCrossAccountBackupEnabled": "true"}})),
        "ListRestoreTestingPlans" => Reply::json(&json!({"RestoreTestingPlans": []})),
        // Nobody asks who sweeps well: it is here to measure what asking would cost.
        "ListTags" => Reply::json(&json!({"Tags": {"backup": "daily"}})),
        "ListRestoreJobs" => Reply::json(&json!({"RestoreJobs": []})),
        "ListBackupJobs" => Reply::json(&json!({"BackupJobs": []})),
        "ListCopyJobs" => Reply::json(&json!({"CopyJobs": []})),
        _ => Reply::error(400, "UnknownOperationException"),
    }
}
