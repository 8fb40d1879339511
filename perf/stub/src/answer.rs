//! What AWS answers, by the wire protocols of its services.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::backup::backup;
use crate::documents;
use crate::estate::{Fate, HOME, MANAGEMENT, ORGANIZATION, ROOT, Shape};
use crate::points::Pages;

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
    pub closes: bool,
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
    pub content_type: Cow<'static, str>,
    /// `x-amzn-ErrorType`.
    pub error: Option<String>,
    /// Others.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

pub(crate) const JSON: &str = "application/json";
const XML: &str = "text/xml";

impl Reply {
    /// An answer of a JSON protocol.
    pub fn json(value: &Value) -> Self {
        Self { status: 200, content_type: JSON.into(), error: None, headers: Vec::new(), body: value.to_string().into_bytes() }
    }

    /// An error of a JSON protocol.
    pub fn error(status: u16, code: &str) -> Self {
        let body = json!({"__type": code, "message": "stub"}).to_string().into_bytes();
        Self { status, content_type: JSON.into(), error: Some(code.to_owned()), headers: Vec::new(), body }
    }

    fn xml(operation: &str, inside: &str) -> Self {
        let body = format!("<{operation}Response><{operation}Result>{inside}</{operation}Result></{operation}Response>");
        Self { status: 200, content_type: XML.into(), error: None, headers: Vec::new(), body: body.into_bytes() }
    }

    fn xml_error(status: u16, code: &str) -> Self {
        let body = format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>stub</Message></Error></ErrorResponse>");
        Self { status, content_type: XML.into(), error: None, headers: Vec::new(), body: body.into_bytes() }
    }
}

impl Request {
    /// A parameter of the query string, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| decode(value))
    }

    pub(crate) fn form(&self, name: &str) -> Option<String> {
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

pub(crate) fn decode(text: &str) -> String {
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
        ["copy-jobs", _] => "DescribeCopyJob",
        ["backup-vaults", _, "recovery-points", _] => "DescribeRecoveryPoint",
        ["tags", ..] => "ListTags",
        _ => "Unknown",
    }
}

/// Answers a call.
pub fn answer(shape: &Shape, pages: &Pages, request: &Request, call: &Call) -> Reply {
    match call.service.as_str() {
        "sts" => assume(request),
        "organizations" => organizations(shape, request, &call.operation),
        "backup" => backup(shape, pages, request, call),
        "kms" => keys(shape, request, call),
        "iam" => iam(shape, request, call),
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
pub(crate) fn page<T: Clone>(all: &[T], from: Option<String>, most: usize) -> (Vec<T>, Option<String>) {
    let start = from.and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let end = start.saturating_add(most).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    (all.get(start..end).map(<[T]>::to_vec).unwrap_or_default(), next)
}

pub(crate) fn listed(name: &str, items: Vec<Value>, token: &str, next: Option<String>) -> Reply {
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
            let content = if shape.central.is_some() && !id.starts_with("p-0-") { documents::bound() } else { documents::everything() };
            Reply::json(
                &json!({"Policy": {"PolicySummary": {"Id": id, "Name": id, "Arn": format!("arn:aws:organizations::{MANAGEMENT}:policy/{ORGANIZATION}/{id}")}, "Content": content}}),
            )
        }
        "ListTargetsForPolicy" => {
            let policy = request.member("PolicyId").unwrap_or_default();
            // What allows everything is attached to whatever there is, or nothing would be allowed there.
            let everywhere = shape.central.is_some() && policy.starts_with("p-0-");
            let accounts = if everywhere { shape.accounts() } else { Vec::new() };
            let targets = std::iter::once(ROOT.to_owned()).chain(accounts).collect::<Vec<_>>();
            let (targets, next) = page(&targets, next(), 20);
            let kind = |target: &str| if target == ROOT { "ROOT" } else { "ACCOUNT" };
            let targets = targets.iter().map(|target| json!({"TargetId": target, "Type": kind(target)})).collect();
            listed("Targets", targets, "NextToken", next)
        }
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

fn keys(shape: &Shape, request: &Request, call: &Call) -> Reply {
    let key = request.member("KeyId").unwrap_or_default();
    match call.operation.as_str() {
        "DescribeKey" => Reply::json(
            &json!({"KeyMetadata": {"AWSAccountId": call.account, "KeyId": key, "Arn": key, "KeyManager": "CUSTOMER", "KeyState": "Enabled", "Enabled": true}}),
        ),
        "GetKeyPolicy" => {
            let policy = if shape.central.is_some() { documents::key(&call.account) } else { documents::plain_key(&call.account) };
            Reply::json(&json!({"PolicyName": "default", "Policy": policy}))
        }
        "GetKeyRotationStatus" => Reply::json(&json!({"KeyRotationEnabled": true, "KeyId": key})),
        _ => Reply::error(400, "UnknownOperationException"),
    }
}

/// Of the estate with a backup account, the role of backups has one policy of its own; the service-linked role never has.
fn iam(shape: &Shape, request: &Request, call: &Call) -> Reply {
    let (name, account, operation) = (request.form("RoleName").unwrap_or_default(), &call.account, call.operation.as_str());
    let linked = name.starts_with("AWSServiceRole");
    let real = shape.central.is_some();
    match operation {
        "GetRole" => {
            let trust = if real { encode(&documents::trust("backup.amazonaws.com")) } else { "%7B%7D".to_owned() };
            let inside = format!(
                "<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROASTUB</RoleId><Arn>arn:aws:iam::{account}:role/{name}</Arn>\
                 <CreateDate>2024-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument></Role>"
            );
            Reply::xml(operation, &inside)
        }
        "ListRolePolicies" => {
            let names = if real && !linked { "<member>backups</member>" } else { "" };
            Reply::xml(operation, &format!("<IsTruncated>false</IsTruncated><PolicyNames>{names}</PolicyNames>"))
        }
        "GetRolePolicy" => {
            let document = encode(&documents::role(account));
            let inside = format!("<RoleName>{name}</RoleName><PolicyName>backups</PolicyName><PolicyDocument>{document}</PolicyDocument>");
            Reply::xml(operation, &inside)
        }
        "ListAttachedRolePolicies" => Reply::xml(operation, "<IsTruncated>false</IsTruncated><AttachedPolicies></AttachedPolicies>"),
        "ListRoles" => Reply::xml(operation, "<IsTruncated>false</IsTruncated><Roles></Roles>"),
        _ => Reply::xml_error(400, "InvalidAction"),
    }
}

/// As IAM sends documents.
fn encode(document: &str) -> String {
    let mut out = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
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
    Reply { status: 200, content_type: XML.into(), error: None, headers: Vec::new(), body }
}

fn tagged(shape: &Shape, request: &Request, call: &Call) -> Reply {
    let (account, region) = (&call.account, &call.region);
    let all = (0..shape.tagged_of(account, region)).collect::<Vec<_>>();
    let (numbers, next) = page(&all, request.member("PaginationToken").filter(|token| !token.is_empty()), 100);
    let fate = shape.fate_of(account);
    let mut body = String::from("{\"ResourceTagMappingList\":[");
    for (at, number) in numbers.iter().enumerate() {
        let (vault, resource) = match shape.central {
            Some(_) if *number == shape.vaults * shape.resources => ("new".to_owned(), 0),
            Some(_) => (format!("vault-{}", number / shape.resources), number % shape.resources),
            None => ("vault-0".to_owned(), *number),
        };
        let value = if fate == Fate::Unprotected && *number == 0 { "none" } else { "daily" };
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{{\"ResourceARN\":\"arn:aws:ec2:{region}:{account}:volume/vol-{vault}-{resource:06}\",\
             \"Tags\":[{{\"Key\":\"backup\",\"Value\":\"{value}\"}}]}}"
        );
    }
    body.push(']');
    if let Some(next) = next {
        let _ = write!(body, ",\"PaginationToken\":\"{next}\"");
    }
    body.push('}');
    Reply { status: 200, content_type: JSON.into(), error: None, headers: Vec::new(), body: body.into_bytes() }
}
