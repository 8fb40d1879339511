//! What AWS answers, by the wire protocols of its services.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::estate::{HOME, MANAGEMENT, ORGANIZATION, ROOT, Shape};

/// A request, as far as it matters here.
#[derive(Debug)]
#[expect(missing_docs, reason = "named after what they are")]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub target: String,
    pub authorization: String,
    pub body: Vec<u8>,
}

/// Which call it is, by whom and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named after what they are")]
pub struct Call {
    pub account: String,
    pub region: String,
    pub service: String,
    pub operation: String,
}

/// An answer.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named after what they are")]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    /// `x-amzn-ErrorType`.
    pub error: Option<String>,
    pub body: Vec<u8>,
}

const JSON: &str = "application/json";
const XML: &str = "text/xml";

impl Reply {
    /// An answer of a JSON protocol.
    pub fn json(value: &Value) -> Self {
        Self { status: 200, content_type: JSON, error: None, body: value.to_string().into_bytes() }
    }

    /// An error of a JSON protocol.
    pub fn error(status: u16, code: &str) -> Self {
        let body = json!({"__type": code, "message": "stub"}).to_string().into_bytes();
        Self { status, content_type: JSON, error: Some(code.to_owned()), body }
    }

    fn xml(operation: &str, inside: &str) -> Self {
        let body = format!("<{operation}Response><{operation}Result>{inside}</{operation}Result></{operation}Response>");
        Self { status: 200, content_type: XML, error: None, body: body.into_bytes() }
    }

    fn xml_error(status: u16, code: &str) -> Self {
        let body = format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>stub</Message></Error></ErrorResponse>");
        Self { status, content_type: XML, error: None, body: body.into_bytes() }
    }
}

impl Request {
    /// A parameter of the query string, decoded.
    fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| decode(value))
    }

    fn form(&self, name: &str) -> Option<String> {
        let body = String::from_utf8_lossy(&self.body);
        body.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| decode(value))
    }

    fn member(&self, name: &str) -> Option<String> {
        serde_json::from_slice::<Value>(&self.body).ok()?.get(name)?.as_str().map(str::to_owned)
    }

    /// Which call this is; the account is in the access key that [`answer`] handed out.
    pub fn call(&self) -> Call {
        let scope = self.authorization.split("Credential=").nth(1).unwrap_or_default();
        let mut scope = scope.split(',').next().unwrap_or_default().split('/');
        let key = scope.next().unwrap_or_default();
        let account = key.strip_prefix("ASIASTUB").map_or(HOME, |account| account).to_owned();
        let region = scope.nth(1).unwrap_or_default().to_owned();
        let signed_for = scope.next().unwrap_or_default().to_owned();
        let operation = if let Some((_, operation)) = self.target.rsplit_once('.') {
            operation.to_owned()
        } else if signed_for == "backup" {
            backup_operation(&self.path).to_owned()
        } else if signed_for == "account" {
            "ListRegions".to_owned()
        } else {
            self.form("Action").unwrap_or_default()
        };
        let service = if signed_for == "tagging" { "tag".to_owned() } else { signed_for };
        Call { account, region, service, operation }
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn backup_operation(path: &str) -> &'static str {
    let parts = path.trim_matches('/').split('/').collect::<Vec<_>>();
    match parts.as_slice() {
        ["backup-vaults"] => "ListBackupVaults",
        ["backup-vaults", _] => "DescribeBackupVault",
        ["backup-vaults", _, "recovery-points"] => "ListRecoveryPointsByBackupVault",
        ["backup-vaults", _, "access-policy"] => "GetBackupVaultAccessPolicy",
        ["backup-vaults", _, "notification-configuration"] => "GetBackupVaultNotifications",
        ["backup", "plans"] => "ListBackupPlans",
        ["backup", "plans", _] => "GetBackupPlan",
        ["backup", "plans", _, "selections"] => "ListBackupSelections",
        ["backup", "plans", _, "selections", _] => "GetBackupSelection",
        ["account-settings"] => "DescribeRegionSettings",
        ["global-settings"] => "DescribeGlobalSettings",
        ["restore-testing", "plans"] => "ListRestoreTestingPlans",
        ["restore-jobs"] => "ListRestoreJobs",
        ["backup-jobs"] => "ListBackupJobs",
        ["copy-jobs"] => "ListCopyJobs",
        _ => "Unknown",
    }
}

/// Answers a call.
pub fn answer(shape: &Shape, request: &Request, call: &Call) -> Reply {
    match call.service.as_str() {
        "sts" => assume(request),
        "organizations" => organizations(shape, request, &call.operation),
        "backup" => backup(shape, request, call),
        "kms" => keys(request, call),
        "iam" => iam(request, &call.operation),
        "ec2" => ec2(shape, call),
        "tag" => tagged(shape, request, call),
        "cloudtrail" => Reply::json(&json!({"trailList": []})),
        "account" => Reply::json(
            &json!({"Regions": shape.regions.iter().map(|name| json!({"RegionName": name, "RegionOptStatus": "ENABLED"})).collect::<Vec<_>>()}),
        ),
        _ => Reply::error(400, "UnknownOperationException"),
    }
}

fn assume(request: &Request) -> Reply {
    let role = request.form("RoleArn").unwrap_or_default();
    let account = role.split(':').nth(4).unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    Reply::xml(
        "AssumeRole",
        &format!(
            "<Credentials><AccessKeyId>ASIASTUB{account}</AccessKeyId><SecretAccessKey>stub</SecretAccessKey><SessionToken>stub</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/{name}/stub</Arn>\
             <AssumedRoleId>AROASTUB:stub</AssumedRoleId></AssumedRoleUser>"
        ),
    )
}

/// A page of so many items: the items, and the token of the next page.
fn page<T: Clone>(all: &[T], from: Option<String>, most: usize) -> (Vec<T>, Option<String>) {
    let start = from.and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let end = start.saturating_add(most).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    (all.get(start..end).map(<[T]>::to_vec).unwrap_or_default(), next)
}

fn listed(name: &str, items: Vec<Value>, token: &str, next: Option<String>) -> Reply {
    let mut members = serde_json::Map::new();
    members.insert(name.to_owned(), Value::Array(items));
    if let Some(next) = next {
        members.insert(token.to_owned(), Value::String(next));
    }
    Reply::json(&Value::Object(members))
}

fn organizations(shape: &Shape, request: &Request, operation: &str) -> Reply {
    let next = || request.member("NextToken");
    match operation {
        "DescribeOrganization" => {
            Reply::json(&json!({"Organization": {"Id": ORGANIZATION, "MasterAccountId": MANAGEMENT, "FeatureSet": "ALL"}}))
        }
        "ListAccounts" => {
            let all = shape.accounts();
            // AWS gives 20 a page, whatever is asked for.
            let (accounts, next) = page(&all, next(), 20);
            let account = |id: &String| json!({"Id": id, "Name": format!("account {id}"), "Status": "ACTIVE", "Paths": [format!("{ORGANIZATION}/{ROOT}/{id}/")]});
            listed("Accounts", accounts.iter().map(account).collect(), "NextToken", next)
        }
        "ListRoots" => {
            let kind = |kind: &str| json!({"Type": kind, "Status": "ENABLED"});
            let kinds = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY", "BACKUP_POLICY"].map(kind);
            Reply::json(&json!({"Roots": [{"Id": ROOT, "PolicyTypes": kinds}]}))
        }
        "ListPolicies" => {
            let kind = request.member("Filter").unwrap_or_default();
            let ids = (0..shape.policies).map(|number| format!("p-{number}-{kind}")).collect::<Vec<_>>();
            let (ids, next) = page(&ids, next(), 20);
            listed("Policies", ids.iter().map(|id| json!({"Id": id, "Name": id})).collect(), "NextToken", next)
        }
        "DescribePolicy" => {
            let id = request.member("PolicyId").unwrap_or_default();
            let content = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]}"#;
            Reply::json(
                &json!({"Policy": {"PolicySummary": {"Id": id, "Name": id, "Arn": format!("arn:aws:organizations::{MANAGEMENT}:policy/{ORGANIZATION}/{id}")}, "Content": content}}),
            )
        }
        "ListTargetsForPolicy" => Reply::json(&json!({"Targets": [{"TargetId": ROOT, "Type": "ROOT"}]})),
        "ListAWSServiceAccessForOrganization" => {
            Reply::json(&json!({"EnabledServicePrincipals": [{"ServicePrincipal": "backup.amazonaws.com"}]}))
        }
        "ListDelegatedAdministrators" => Reply::json(&json!({"DelegatedAdministrators": []})),
        "DescribeEffectivePolicy" => {
            Reply::json(&json!({"EffectivePolicy": {"PolicyContent": "{\"plans\":{}}", "PolicyType": "BACKUP_POLICY"}}))
        }
        _ => Reply::error(400, "UnknownOperationException"),
    }
}

fn backup(shape: &Shape, request: &Request, call: &Call) -> Reply {
    let (account, region) = (call.account.as_str(), call.region.as_str());
    let vaults = shape.vaults_of(account, region);
    let parts = request.path.trim_matches('/').split('/').map(decode).collect::<Vec<_>>();
    let part = |number: usize| parts.get(number).map_or("", String::as_str);
    let next = || request.parameter("nextToken");
    match call.operation.as_str() {
        "ListBackupVaults" => {
            let vault = |vault: &crate::estate::VaultShape| {
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
            Some(vault) => points(shape, account, region, vault, next()),
            None => Reply::error(400, "ResourceNotFoundException"),
        },
        "GetBackupVaultAccessPolicy" | "GetBackupVaultNotifications" => Reply::error(400, "ResourceNotFoundException"),
        "ListBackupPlans" => {
            let ids =
                (0..shape.plans_of(account, region)).map(|number| json!({"BackupPlanId": format!("plan-{number}")})).collect::<Vec<_>>();
            let (page, next) = page(&ids, next(), 1000);
            listed("BackupPlansList", page, "NextToken", next)
        }
        "GetBackupPlan" => Reply::json(
            &json!({"BackupPlanId": part(2), "CreationDate": 1_700_000_000, "BackupPlan": {"BackupPlanName": part(2), "Rules": [{
                "RuleName": "daily", "RuleId": "daily", "TargetBackupVaultName": "vault-0", "ScheduleExpression": "cron(0 5 ? * * *)", "StartWindowMinutes": 60,
                "Lifecycle": {"DeleteAfterDays": 35}
            }]}}),
        ),
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
        "ListRestoreJobs" => Reply::json(&json!({"RestoreJobs": []})),
        "ListBackupJobs" => Reply::json(&json!({"BackupJobs": []})),
        "ListCopyJobs" => Reply::json(&json!({"CopyJobs": []})),
        _ => Reply::error(400, "UnknownOperationException"),
    }
}

/// About a kilobyte per point, as AWS sends it.
fn points(shape: &Shape, account: &str, region: &str, vault: &crate::estate::VaultShape, from: Option<String>) -> Reply {
    let start = from.and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let end = start.saturating_add(shape.page.max(1)).min(vault.points);
    let mut body = String::with_capacity((end - start) * 1100 + 64);
    body.push_str("{\"RecoveryPoints\":[");
    for number in start..end {
        if number > start {
            body.push(',');
        }
        let resource = number % shape.resources.max(1);
        let created = 1_700_000_000 + number * 43_200;
        let name = &vault.name;
        let _ = write!(
            body,
            "{{\"RecoveryPointArn\":\"arn:aws:ec2:{region}::snapshot/snap-{account}{number:06}\",\"BackupVaultName\":\"{name}\",\
             \"BackupVaultArn\":\"arn:aws:backup:{region}:{account}:backup-vault:{name}\",\
             \"ResourceArn\":\"arn:aws:ec2:{region}:{account}:volume/vol-{name}-{resource:06}\",\"ResourceType\":\"EBS\",\"ResourceName\":\"volume {resource}\",\
             \"CreatedBy\":{{\"BackupPlanId\":\"plan-0\",\"BackupPlanArn\":\"arn:aws:backup:{region}:{account}:backup-plan:plan-0\",\
             \"BackupPlanVersion\":\"NmIwZjYxYzMtNzY4Yi00ZGQzLWJlNjAtMDA4NDg5ZjY2NzRh\",\"BackupRuleId\":\"daily\",\"BackupPlanName\":\"nightly\",\
             \"BackupRuleName\":\"daily\",\"BackupRuleCron\":\"cron(0 5 ? * * *)\",\"BackupRuleTimezone\":\"Etc/UTC\"}},\
             \"IamRoleArn\":\"arn:aws:iam::{account}:role/BackupRole\",\"Status\":\"COMPLETED\",\"CreationDate\":{created}.123,\
             \"InitiationDate\":{created}.001,\"CompletionDate\":{created}.987,\"BackupSizeInBytes\":{},\"CalculatedLifecycle\":{{\"DeleteAt\":{}.0}},\
             \"Lifecycle\":{{\"DeleteAfterDays\":35,\"OptInToArchiveForSupportedResources\":false}},\
             \"EncryptionKeyArn\":\"arn:aws:kms:{region}:{account}:key/{}\",\"IsEncrypted\":true,\"VaultType\":\"BACKUP_VAULT\",\"IsParent\":false,\
             \"EncryptionKeyType\":\"CUSTOMER_MANAGED_KMS_KEY\",\"IndexStatus\":\"DISABLED\"}}",
            number * 4096,
            created + 35 * 86_400,
            vault.key,
        );
    }
    body.push(']');
    if end < vault.points {
        let _ = write!(body, ",\"NextToken\":\"{end}\"");
    }
    body.push('}');
    Reply { status: 200, content_type: JSON, error: None, body: body.into_bytes() }
}

fn keys(request: &Request, call: &Call) -> Reply {
    let key = request.member("KeyId").unwrap_or_default();
    match call.operation.as_str() {
        "DescribeKey" => Reply::json(
            &json!({"KeyMetadata": {"AWSAccountId": call.account, "KeyId": key, "Arn": key, "KeyManager": "CUSTOMER", "KeyState": "Enabled", "Enabled": true}}),
        ),
        "GetKeyPolicy" => Reply::json(&json!({"PolicyName": "default", "Policy": json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{}:root", call.account)}, "Action": "kms:*", "Resource": "*"}]}).to_string()})),
        "GetKeyRotationStatus" => Reply::json(&json!({"KeyRotationEnabled": true, "KeyId": key})),
        _ => Reply::error(400, "UnknownOperationException"),
    }
}

fn iam(request: &Request, operation: &str) -> Reply {
    let name = request.form("RoleName").unwrap_or_default();
    match operation {
        "GetRole" => Reply::xml(
            operation,
            &format!(
                "<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROASTUB</RoleId><Arn>arn:aws:iam::100000000000:role/{name}</Arn>\
             <CreateDate>2024-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></Role>"
            ),
        ),
        "ListRolePolicies" => Reply::xml(operation, "<IsTruncated>false</IsTruncated><PolicyNames></PolicyNames>"),
        "ListAttachedRolePolicies" => Reply::xml(operation, "<IsTruncated>false</IsTruncated><AttachedPolicies></AttachedPolicies>"),
        "ListRoles" => Reply::xml(operation, "<IsTruncated>false</IsTruncated><Roles></Roles>"),
        _ => Reply::xml_error(400, "InvalidAction"),
    }
}

fn ec2(shape: &Shape, call: &Call) -> Reply {
    let (operation, inside) = match call.operation.as_str() {
        "GetEbsEncryptionByDefault" => {
            (&call.operation, format!("<ebsEncryptionByDefault>{}</ebsEncryptionByDefault>", shape.ebs_of(&call.account, &call.region)))
        }
        "GetEbsDefaultKmsKeyId" => (&call.operation, format!("<kmsKeyId>arn:aws:kms:{}:{}:key/ebs</kmsKeyId>", call.region, call.account)),
        "GetAllowedImagesSettings" => {
            (&call.operation, "<imageCriterionSet/><state>disabled</state><managedBy>account</managedBy>".to_owned())
        }
        _ => return Reply::xml_error(400, "InvalidAction"),
    };
    let body = format!("<{operation}Response>{inside}</{operation}Response>").into_bytes();
    Reply { status: 200, content_type: XML, error: None, body }
}

fn tagged(shape: &Shape, request: &Request, call: &Call) -> Reply {
    let all = (0..shape.tagged_of(&call.account, &call.region)).collect::<Vec<_>>();
    let (numbers, next) = page(&all, request.member("PaginationToken").filter(|token| !token.is_empty()), 100);
    let resource = |number: &usize| {
        json!({"ResourceARN": format!("arn:aws:ec2:{}:{}:volume/vol-vault-0-{number:06}", call.region, call.account),
               "Tags": [{"Key": "backup", "Value": "daily"}]})
    };
    listed("ResourceTagMappingList", numbers.iter().map(resource).collect(), "PaginationToken", next)
}
