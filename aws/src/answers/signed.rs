//! Reads of services whose SDK crates are not worth their weight for one or two calls: EC2 (of which a build takes 8 GiB of memory), the Resource
//! Groups Tagging API, Account Management and, in the accounts that are read, SNS; and the one read whose answers are so many that they are folded where
//! they lie: recovery points. The requests are written and signed here; connections, TLS and timeouts are those of the SDK.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use futures_util::future::join_all;
use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::GapReason;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::capture::pages;
use super::images::allowed_images;
use super::topics::topic_attributes;
use super::{Failure, Question, Turn, refused};
use crate::classify::reason_of_code;
use crate::session::{Cloud, timeouts};

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

/// A signed request on its way.
#[derive(Debug)]
struct Sent {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// What came back.
#[derive(Debug)]
struct Received {
    status: u16,
    error: Option<String>,
    body: Vec<u8>,
}

/// Sends; cheap to clone, one per host.
type Sender = Operation<Sent, Received, std::convert::Infallible>;

/// Connections by host.
#[derive(Debug, Default)]
pub(crate) struct Senders(Mutex<BTreeMap<String, Sender>>);

/// A service as its requests name it.
pub(crate) struct Service {
    /// In host names.
    host: &'static str,
    /// In signatures.
    signing: &'static str,
    /// In the names of settings (`AWS_ENDPOINT_URL_<ID>`).
    id: &'static str,
    /// Whether one Region answers for the whole partition.
    global: bool,
}

const EC2: Service = Service { host: "ec2", signing: "ec2", id: "EC2", global: false };
const TAGGING: Service = Service { host: "tagging", signing: "tagging", id: "Resource Groups Tagging API", global: false };
const ACCOUNT: Service = Service { host: "account", signing: "account", id: "Account", global: true };

const SNS: Service = Service { host: "sns", signing: "sns", id: "SNS", global: false };

const BACKUP: Service = Service { host: "backup", signing: "backup", id: "Backup", global: false };

const SECURITY_HUB: Service = Service { host: "securityhub", signing: "securityhub", id: "SecurityHub", global: false };

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
const JSON: (&str, &str) = ("content-type", "application/json");
const JSON_1_1: (&str, &str) = ("content-type", "application/x-amz-json-1.1");

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

fn json_of(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::new(GapReason::Unreadable, "the answer is not JSON"))
}

/// The body of a page of the recovery points of a vault.
pub(super) async fn recovery_points(cloud: &Cloud, question: &Question, from: Option<&str>) -> Result<Vec<u8>, Failure> {
    let name = question.parameter("BackupVaultName").unwrap_or_default();
    let mut path = format!("/backup-vaults/{}/recovery-points/?maxResults=1000", encoded(&name));
    if let Some(from) = from {
        path.push_str("&nextToken=");
        path.push_str(&encoded(from));
    }
    send(cloud, question, &BACKUP, ("GET", &path), &[], String::new()).await
}

/// A part of a path or of a query, of which nothing is left to interpret.
fn encoded(text: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, PLAIN).to_string()
}

async fn post(
    cloud: &Cloud,
    question: &Question,
    service: &Service,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<Vec<u8>, Failure> {
    send(cloud, question, service, ("POST", path), headers, body).await
}

async fn send(
    cloud: &Cloud,
    question: &Question,
    service: &Service,
    (method, path): (&'static str, &str),
    headers: &[(&str, &str)],
    body: String,
) -> Result<Vec<u8>, Failure> {
    let ours = || cloud.base().region().and_then(|region| Region::parse(region.as_ref()).ok());
    let asked = question.region.clone().or_else(ours);
    let asked = asked.ok_or_else(|| Failure::new(GapReason::NotConfigured, "AWS_REGION is not set"))?;
    let (config, _) = cloud.config_in(&question.account, &asked).await?;
    exchange(cloud, &config, service, &asked, (method, path), headers, body).await
}

/// Findings go into Security Hub of our own account: the one call that changes something, and nothing of the accounts that are read.
pub(crate) async fn import_findings(cloud: &Cloud, region: &Region, body: String) -> Result<Value, Failure> {
    json_of(&exchange(cloud, cloud.base(), &SECURITY_HUB, region, ("POST", "/findings/import"), &[JSON], body).await?)
}

/// Whether a volume is still there. Asked with a role that may ask, which is not the reader's.
pub(crate) async fn volume_is_there(cloud: &Cloud, account: &AccountId, region: &Region, id: &str) -> Result<bool, Failure> {
    let (config, _) = cloud.config_in(account, region).await?;
    let body = format!("Action=DescribeVolumes&Version=2016-11-15&VolumeId.1={}", encoded(id));
    match exchange(cloud, &config, &EC2, region, ("POST", "/"), &[FORM], body).await {
        Ok(answer) if String::from_utf8_lossy(&answer).contains(&format!("<volumeId>{id}</volumeId>")) => Ok(true),
        Ok(_) => Err(Failure::new(GapReason::Unreadable, "the answer is not what EC2 documents")),
        Err(failure) if failure.code == "InvalidVolume.NotFound" => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// One signed request with the credentials of a configuration.
async fn exchange(
    cloud: &Cloud,
    config: &SdkConfig,
    service: &Service,
    asked: &Region,
    (method, path): (&'static str, &str),
    headers: &[(&str, &str)],
    body: String,
) -> Result<Vec<u8>, Failure> {
    let unsigned = |_| Failure::new(GapReason::Unavailable, "the request cannot be signed");
    let region = if service.global { home(asked.partition()) } else { asked.as_str() };
    let endpoint = endpoint(config, service, region, asked.partition());
    let url = format!("{}{path}", endpoint.trim_end_matches('/'));
    let provider = config.credentials_provider().ok_or_else(|| unsigned(()))?;
    let identity = provider.provide_credentials().await.map_err(|_| unsigned(()))?.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service.signing)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| unsigned(()))?;
    let request = SignableRequest::new(method, url.as_str(), headers.iter().copied(), SignableBody::Bytes(body.as_bytes()));
    let signed = sign(request.map_err(|_| unsigned(()))?, &params.into()).map_err(|_| unsigned(()))?;
    let mut all = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
    all.extend(signed.output().headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let sender = cloud.senders().of(config, endpoint.trim_end_matches('/'));
    let received = sender.invoke(Sent { method, path: path.to_owned(), headers: all, body }).await;
    let received = received.map_err(|error| match error {
        SdkError::TimeoutError(_) => Failure::new(GapReason::TimedOut, "timeout"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Failure::new(GapReason::TimedOut, "timeout"),
        SdkError::ResponseError(_) => Failure::new(GapReason::Unreadable, "unreadable response"),
        _ => Failure::new(GapReason::Unavailable, "unreachable"),
    })?;
    match received.status {
        200..=299 => Ok(received.body),
        status => {
            let code = received.error.or_else(|| error_code(&received.body)).unwrap_or_else(|| format!("HTTP {status}"));
            let code = code.split(':').next().unwrap_or_default().chars().take(128).collect::<String>();
            Err(Failure::new(reason_of_code(&code), code))
        }
    }
}

/// The Region whose endpoint of a global service answers for a partition.
fn home(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-northwest-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// Where a service is: as the environment or the profile says, for all services or for this one, else at its public address.
pub(crate) fn endpoint(config: &SdkConfig, service: &Service, region: &str, partition: &str) -> String {
    let key = ServiceConfigKey::builder().service_id(service.id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = key.ok().and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned)).unwrap_or_else(|| {
        let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{}.{region}.{suffix}", service.host)
    })
}

/// The code of an error in the body: JSON has `__type` or `code`, the Query protocol `<Code>`.
fn error_code(body: &[u8]) -> Option<String> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return ["__type", "code", "Code"].iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned));
    }
    let text = String::from_utf8_lossy(body);
    text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code.to_owned())
}

impl Senders {
    fn of(&self, config: &SdkConfig, host: &str) -> Sender {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        senders.entry(host.to_owned()).or_insert_with(|| sender(config, host, timeouts())).clone()
    }
}

impl Service {
    /// One that nobody signs a request for here.
    pub(crate) const fn named(host: &'static str, id: &'static str) -> Self {
        Self { host, signing: host, id, global: false }
    }
}

/// Asks a host for nothing, so many times at once, without a signature: what stays are the connections. They are kept by time-outs.
pub(crate) async fn look_in(config: &SdkConfig, host: &str, timeouts: TimeoutConfig, count: usize) {
    let sender = sender(config, host, timeouts);
    let nothing = || Sent { method: "GET", path: "/".to_owned(), headers: Vec::new(), body: String::new() };
    // Whether it is there is told by those who need it.
    join_all((0..count).map(|_| sender.invoke(nothing()))).await;
}

fn sender(config: &SdkConfig, host: &str, timeouts: TimeoutConfig) -> Sender {
    let builder = Operation::builder()
        .service_name("signed")
        .operation_name("signed")
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(host)
        // Signed by hand above, and asked again by whoever has patience.
        .no_auth()
        .no_retry()
        .timeout_config(timeouts)
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .serializer(request)
        .deserializer(response);
    match config.http_client() {
        Some(client) => builder.http_client(client).build(),
        None => builder.build(),
    }
}

fn request(sent: Sent) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(sent.body));
    request.set_method(sent.method)?;
    request.set_uri(sent.path)?;
    for (name, value) in sent.headers {
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

fn response(response: &HttpResponse) -> Result<Received, OrchestratorError<std::convert::Infallible>> {
    Ok(Received {
        status: response.status().as_u16(),
        error: response.headers().get("x-amzn-errortype").map(str::to_owned),
        body: response.body().bytes().unwrap_or_default().to_vec(),
    })
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
    }

    #[test]
    fn only_opt_in_regions_are_asked_for() {
        let there = |name: &str| always_enabled(&Region::parse(name).unwrap());
        assert!(there("eu-central-1") && there("us-gov-west-1") && there("cn-north-1"));
        assert!(!there("ap-east-1") && !there("eu-central-2"));
    }
}
