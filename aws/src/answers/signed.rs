//! Requests that are written and signed here; connections, TLS and time-outs are those of the SDK. Also what is asked of services in which there is little
//! to ask: EC2 (of whose SDK crate a build takes 8 GiB of memory), the Resource Groups Tagging API, Account Management and, in the accounts that are read,
//! SNS.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::{Gap, GapReason};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::images::allowed_images;
use super::pages::pages;
use super::sender::{Lost, Pieces};
use super::topics::topic_attributes;
use super::{Failure, Question, Turn, refused};
use crate::classify::reason_of_code;
use crate::session::{Cloud, NO_ORGANIZATION_ROLE};

/// The Regions that need no opting in, by the list of AWS
/// (<https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>); all of China and GovCloud need none either.
const ALWAYS_ENABLED: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Whether a Region is there for every account, so that nobody needs to ask.
pub(crate) fn always_enabled(region: &Region) -> bool {
    region.partition() != "aws" || ALWAYS_ENABLED.contains(&region.as_str())
}

/// A service as its requests name it.
pub(crate) struct Service {
    /// In host names and in signatures.
    host: &'static str,
    /// In the names of settings (`AWS_ENDPOINT_URL_<ID>`).
    id: &'static str,
    /// Whether one Region answers for the whole partition.
    global: bool,
}

pub(super) const BACKUP: Service = Service::named("backup", "Backup");
const EC2: Service = Service::named("ec2", "EC2");
const TAGGING: Service = Service::named("tagging", "Resource Groups Tagging API");
const ACCOUNT: Service = Service::global("account", "Account");
const SNS: Service = Service::named("sns", "SNS");
const SECURITY_HUB: Service = Service::named("securityhub", "SecurityHub");

pub(super) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
const JSON: (&str, &str) = ("content-type", "application/json");
pub(super) const JSON_1_1: (&str, &str) = ("content-type", "application/x-amz-json-1.1");

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    match (question.service, question.operation) {
        ("ec2", operation @ ("GetEbsEncryptionByDefault" | "GetEbsDefaultKmsKeyId")) => {
            let body = format!("Action={operation}&Version=2016-11-15");
            ebs(operation, &post(cloud, question, &EC2, "/", &[FORM], body).await?)
        }
        ("ec2", "GetAllowedImagesSettings") => {
            let body = "Action=GetAllowedImagesSettings&Version=2016-11-15".to_owned();
            allowed_images(&post(cloud, question, &EC2, "/", &[FORM], body).await?)
        }
        ("tag", "GetResources") => {
            let headers = [JSON_1_1, ("x-amz-target", "ResourceGroupsTaggingAPI_20170126.GetResources")];
            pages!(turn, "ResourceTagMappingList", "PaginationToken", |next| {
                let body = json!({"ResourcesPerPage": 100, "PaginationToken": next.unwrap_or_default()});
                json_of(&post(cloud, question, &TAGGING, "/", &headers, body.to_string()).await?)
            })
        }
        ("sns", "GetTopicAttributes") => {
            let topic = question.parameter("TopicArn").unwrap_or_default();
            let body = format!("Action=GetTopicAttributes&Version=2010-03-31&TopicArn={}", encoded(&topic));
            topic_attributes(&post(cloud, question, &SNS, "/", &[FORM], body).await?)
        }
        ("account", "ListRegions") => pages!(turn, "Regions", "NextToken", |next| {
            let mut body = json!({"MaxResults": 50});
            if let (Some(next), Some(members)) = (next, body.as_object_mut()) {
                members.insert("NextToken".to_owned(), next.into());
            }
            json_of(&post(cloud, question, &ACCOUNT, "/listRegions", &[JSON], body.to_string()).await?)
        }),
        _ => Err(refused(question)),
    }
}

/// The two answers of EC2, which are XML of one value. A document that lacks it is no answer.
fn ebs(operation: &str, body: &[u8]) -> Result<Value, Failure> {
    let text = String::from_utf8_lossy(body);
    let element = |name: &str| {
        let rest = text.split_once(&format!("<{name}>"))?.1;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| value.trim().to_owned())
    };
    let whole = text.trim_end().ends_with(&format!("</{operation}Response>"));
    let answer = match operation {
        "GetEbsEncryptionByDefault" => element("ebsEncryptionByDefault").map(|value| json!({"EbsEncryptionByDefault": value == "true"})),
        _ => element("kmsKeyId").map(|value| json!({"KmsKeyId": value})),
    };
    answer.filter(|_| whole).ok_or_else(|| Failure::new(GapReason::Unreadable, "the answer is not what EC2 documents"))
}

pub(super) fn json_of(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::new(GapReason::Unreadable, "the answer is not JSON"))
}

/// A part of a path or of a query, of which nothing is left to interpret.
pub(super) fn encoded(text: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, PLAIN).to_string()
}

pub(super) async fn get(cloud: &Cloud, question: &Question, service: &Service, path: &str) -> Result<Vec<u8>, Failure> {
    send(cloud, question, service, Asked::at("GET", path), None).await
}

/// The same of an answer that is handed on as it comes. One that comes in part is handed on in part.
pub(super) async fn get_in_pieces(
    cloud: &Cloud,
    question: &Question,
    service: &Service,
    path: &str,
    pieces: &mut Pieces<'_>,
) -> Result<(), Failure> {
    send(cloud, question, service, Asked::at("GET", path), Some(pieces)).await.map(drop)
}

pub(super) async fn post(
    cloud: &Cloud,
    question: &Question,
    service: &Service,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<Vec<u8>, Failure> {
    send(cloud, question, service, Asked { headers, body, ..Asked::at("POST", path) }, None).await
}

/// What a request says.
struct Asked<'a> {
    method: &'static str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: String,
}

impl<'a> Asked<'a> {
    fn at(method: &'static str, path: &'a str) -> Self {
        Self { method, path, headers: &[], body: String::new() }
    }
}

async fn send(
    cloud: &Cloud,
    question: &Question,
    service: &Service,
    asked: Asked<'_>,
    pieces: Option<&mut Pieces<'_>>,
) -> Result<Vec<u8>, Failure> {
    let ours = || cloud.base().region().and_then(|region| Region::parse(region.as_ref()).ok());
    let region = question.region.clone().or_else(ours);
    let region = region.ok_or_else(|| Failure::new(GapReason::NotConfigured, "AWS_REGION is not set"))?;
    let credentials = match question.service {
        "organizations" => match cloud.organization_credentials().await {
            Some(credentials) => credentials?,
            None => return Err(Failure::new(GapReason::NotConfigured, NO_ORGANIZATION_ROLE)),
        },
        _ => cloud.reader_credentials(&question.account, Some(&region)).await?,
    };
    exchange(cloud, credentials, service, &region, asked, pieces).await
}

/// Findings go into Security Hub of our own account: the one call that changes something, and nothing of the accounts that are read.
pub(crate) async fn import_findings(cloud: &Cloud, region: &Region, body: String) -> Result<Value, Failure> {
    let provider = cloud.base().credentials_provider().ok_or_else(unsigned)?;
    let credentials = provider.provide_credentials().await.map_err(|_| unsigned())?;
    let asked = Asked { headers: &[JSON], body, ..Asked::at("POST", "/findings/import") };
    json_of(&exchange(cloud, credentials, &SECURITY_HUB, region, asked, None).await?)
}

/// Whether a volume is still there. Asked with a role that may ask, which is not the reader's.
pub(crate) async fn volume_is_there(cloud: &Cloud, account: &AccountId, region: &Region, id: &str) -> Result<bool, Failure> {
    let credentials = cloud.reader_credentials(account, Some(region)).await?;
    let body = format!("Action=DescribeVolumes&Version=2016-11-15&VolumeId.1={}", encoded(id));
    match exchange(cloud, credentials, &EC2, region, Asked { headers: &[FORM], body, ..Asked::at("POST", "/") }, None).await {
        Ok(answer) if String::from_utf8_lossy(&answer).contains(&format!("<volumeId>{id}</volumeId>")) => Ok(true),
        Ok(_) => Err(Failure::new(GapReason::Unreadable, "the answer is not what EC2 documents")),
        Err(failure) if failure.code == "InvalidVolume.NotFound" => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn unsigned() -> Failure {
    Failure::new(GapReason::Unavailable, "the request cannot be signed")
}

/// One signed request.
async fn exchange(
    cloud: &Cloud,
    credentials: Credentials,
    service: &Service,
    place: &Region,
    Asked { method, path, headers, body }: Asked<'_>,
    pieces: Option<&mut Pieces<'_>>,
) -> Result<Vec<u8>, Failure> {
    let region = if service.global { home(service, place.partition()) } else { place.as_str() };
    let endpoint = endpoint(cloud.base(), service, region, place.partition());
    let url = format!("{}{path}", endpoint.trim_end_matches('/'));
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service.host)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| unsigned())?;
    let signable = SignableRequest::new(method, url.as_str(), headers.iter().copied(), SignableBody::Bytes(body.as_bytes()));
    let signed = sign(signable.map_err(|_| unsigned())?, &params.into()).map_err(|_| unsigned())?;
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method(method).map_err(|_| unsigned())?;
    request.set_uri(url).map_err(|_| unsigned())?;
    for (name, value) in headers.iter().copied().chain(signed.output().headers()) {
        request.headers_mut().insert(name.to_owned(), value.to_owned());
    }
    let sender = cloud.senders().of(cloud.base(), endpoint.trim_end_matches('/'));
    let received = sender.send(request, pieces).await.map_err(|lost| match lost {
        Lost::Late => Failure::new(GapReason::TimedOut, "timeout"),
        Lost::Broken => Failure::new(GapReason::Unreadable, "unreadable response"),
        Lost::Unreachable => Failure::new(GapReason::Unavailable, "unreachable"),
    })?;
    match received.status {
        200..=299 => Ok(received.body),
        status => {
            let code = received.error.or_else(|| error_code(&received.body)).unwrap_or_else(|| format!("HTTP {status}"));
            // A header may tell more behind a colon, and a body the namespace before a number sign.
            let code = code.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default();
            Err(refusal(code.chars().take(128).collect(), &received.body))
        }
    }
}

/// Why a service refused. Of its message only what it says of the policy of the object is kept.
fn refusal(code: String, body: &[u8]) -> Failure {
    let reason = reason_of_code(&code);
    let message = error_message(body).filter(|_| reason == GapReason::AccessDenied);
    Failure::new(reason, message.map_or_else(|| code.clone(), |message| Gap::detail_of_refusal(&code, &message)))
}

/// The Region whose endpoint of a global service answers for a partition.
fn home(service: &Service, partition: &str) -> &'static str {
    match (partition, service.host) {
        ("aws-cn", "iam") => "cn-north-1",
        ("aws-cn", _) => "cn-northwest-1",
        ("aws-us-gov", _) => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// Where a service is: as the environment or the profile says, for all services or for this one, else at its public address.
pub(crate) fn endpoint(config: &SdkConfig, service: &Service, region: &str, partition: &str) -> String {
    let key = ServiceConfigKey::builder().service_id(service.id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = key.ok().and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned)).unwrap_or_else(|| {
        let dual_stack = config.use_dual_stack() == Some(true);
        let suffix = match (partition, dual_stack) {
            ("aws-cn", true) => "api.amazonwebservices.com.cn",
            ("aws-cn", false) => "amazonaws.com.cn",
            (_, true) => "api.aws",
            (_, false) => "amazonaws.com",
        };
        let fips = if config.use_fips() == Some(true) { "-fips" } else { "" };
        match (service.host, partition) {
            // The only one whose address names no Region (<https://docs.aws.amazon.com/general/latest/gr/iam-service.html>).
            ("iam", "aws" | "aws-cn") if dual_stack => format!("https://iam{fips}.global.{suffix}"),
            ("iam", "aws") => format!("https://iam{fips}.{suffix}"),
            ("iam", "aws-us-gov") => format!("https://iam.us-gov.{suffix}"),
            // There it is FIPS under its one address.
            ("organizations", "aws-us-gov") => format!("https://organizations.{region}.{suffix}"),
            (host, _) => format!("https://{host}{fips}.{region}.{suffix}"),
        }
    })
}

/// The code of an error in the body: JSON has `__type` or `code`, the Query protocol `<Code>`.
fn error_code(body: &[u8]) -> Option<String> {
    told(body, &["__type", "code", "Code"], "Code")
}

fn error_message(body: &[u8]) -> Option<String> {
    told(body, &["message", "Message"], "Message")
}

/// What the body of an error says under one of these names, or in this element.
fn told(body: &[u8], names: &[&str], element: &str) -> Option<String> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return names.iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned));
    }
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once(&format!("<{element}>"))?;
    rest.split_once(&format!("</{element}>")).map(|(inside, _)| inside.to_owned())
}

impl Service {
    /// One that answers in each Region for itself.
    pub(crate) const fn named(host: &'static str, id: &'static str) -> Self {
        Self { host, id, global: false }
    }

    /// One that answers in one Region for a whole partition.
    pub(super) const fn global(host: &'static str, id: &'static str) -> Self {
        Self { global: true, ..Self::named(host, id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_ec2_are_one_value_or_no_answer() {
        let on = "<GetEbsEncryptionByDefaultResponse xmlns=\"x\"><ebsEncryptionByDefault>true</ebsEncryptionByDefault></GetEbsEncryptionByDefaultResponse>";
        assert_eq!(ebs("GetEbsEncryptionByDefault", on.as_bytes()).unwrap(), json!({"EbsEncryptionByDefault": true}));
        let key = "<GetEbsDefaultKmsKeyIdResponse><kmsKeyId>alias/aws/ebs</kmsKeyId></GetEbsDefaultKmsKeyIdResponse>\n";
        assert_eq!(ebs("GetEbsDefaultKmsKeyId", key.as_bytes()).unwrap(), json!({"KmsKeyId": "alias/aws/ebs"}));
        for cut in [5, 60, on.len() - 3] {
            assert_eq!(ebs("GetEbsEncryptionByDefault", &on.as_bytes()[..cut]).unwrap_err().reason, GapReason::Unreadable, "{cut}");
        }
    }

    #[test]
    fn error_codes_are_found_in_both_protocols() {
        assert_eq!(
            error_code(br#"{"__type":"com.amazonaws#ThrottledException","message":"m"}"#).unwrap(),
            "com.amazonaws#ThrottledException"
        );
        let xml = "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>";
        assert_eq!(error_code(xml.as_bytes()).unwrap(), "UnauthorizedOperation");
        assert_eq!(error_code(b"<html>"), None);
        let key = "arn:aws:kms:eu-central-1:111111111111:key/1";
        let message = format!(
            "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: kms:GetKeyPolicy on resource: {key} because no resource-based policy allows the kms:GetKeyPolicy action"
        );
        let body = json!({"__type": "AccessDeniedException", "Message": message}).to_string();
        let failure = refusal("AccessDeniedException".to_owned(), body.as_bytes());
        assert_eq!((failure.reason, failure.code), (GapReason::AccessDenied, Gap::detail_of_refusal("AccessDeniedException", &message)));
    }

    #[test]
    fn a_service_is_where_its_partition_has_it() {
        let at = |service: &Service, region: &str, fips: bool| {
            let asked = Region::parse(region).unwrap();
            let config = SdkConfig::builder().use_fips(fips).build();
            let region = if service.global { home(service, asked.partition()) } else { asked.as_str() };
            (region.to_owned(), endpoint(&config, service, region, asked.partition()))
        };
        let (iam, organizations) = (Service::global("iam", "IAM"), Service::global("organizations", "Organizations"));
        for (service, asked, fips, region, host) in [
            (&BACKUP, "eu-central-1", false, "eu-central-1", "backup.eu-central-1.amazonaws.com"),
            (&BACKUP, "us-gov-east-1", true, "us-gov-east-1", "backup-fips.us-gov-east-1.amazonaws.com"),
            (&BACKUP, "cn-north-1", false, "cn-north-1", "backup.cn-north-1.amazonaws.com.cn"),
            (&iam, "eu-central-1", false, "us-east-1", "iam.amazonaws.com"),
            (&iam, "eu-central-1", true, "us-east-1", "iam-fips.amazonaws.com"),
            (&iam, "us-gov-east-1", false, "us-gov-west-1", "iam.us-gov.amazonaws.com"),
            (&iam, "cn-northwest-1", false, "cn-north-1", "iam.cn-north-1.amazonaws.com.cn"),
            (&organizations, "eu-central-1", false, "us-east-1", "organizations.us-east-1.amazonaws.com"),
            (&organizations, "us-gov-east-1", true, "us-gov-west-1", "organizations.us-gov-west-1.amazonaws.com"),
            (&organizations, "cn-north-1", false, "cn-northwest-1", "organizations.cn-northwest-1.amazonaws.com.cn"),
        ] {
            assert_eq!(at(service, asked, fips), (region.to_owned(), format!("https://{host}")));
        }
        let dual_stack = SdkConfig::builder().use_dual_stack(true).build();
        for (service, region, partition, host) in [
            (&BACKUP, "eu-central-1", "aws", "backup.eu-central-1.api.aws"),
            (&iam, "us-east-1", "aws", "iam.global.api.aws"),
            (&iam, "us-gov-west-1", "aws-us-gov", "iam.us-gov.api.aws"),
            (&iam, "cn-north-1", "aws-cn", "iam.global.api.amazonwebservices.com.cn"),
        ] {
            assert_eq!(endpoint(&dual_stack, service, region, partition), format!("https://{host}"));
        }
        let own = SdkConfig::builder().endpoint_url("http://127.0.0.1:1").build();
        assert_eq!(endpoint(&own, &iam, "us-east-1", "aws"), "http://127.0.0.1:1");
    }

    #[test]
    fn only_opt_in_regions_are_asked_for() {
        let there = |name: &str| always_enabled(&Region::parse(name).unwrap());
        assert!(there("eu-central-1") && there("us-gov-west-1") && there("cn-north-1"));
        assert!(!there("ap-east-1") && !there("eu-central-2"));
    }
}
