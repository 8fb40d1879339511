//! The real SDK clients over answers we give: what goes out on the wire is what AWS would get, what comes back is what AWS would say.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use guardian_core::arn::{AccountId, Arn, Region};
use serde_json::Value;

use crate::session::{Cloud, ReaderRole, retries, timeouts};

/// The role through which the organization is read.
pub(crate) const ORGANIZATION_ROLE: &str = "arn:aws:iam::333333333333:role/organization-reader";

/// A request as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `TrentService.DescribeKey`, or the `Action` of a query API, or method and path of a REST API.
    pub(crate) operation: String,
    pub(crate) uri: String,
    /// JSON bodies as JSON, others as text.
    pub(crate) body: Value,
    /// The access key of the signature.
    pub(crate) access_key: String,
}

/// Status, headers and body of an answer.
pub(crate) type Reply = (u16, Vec<(&'static str, &'static str)>, String);

pub(crate) fn ok(body: impl ToString) -> Reply {
    (200, Vec::new(), body.to_string())
}

/// An error of the JSON protocols.
pub(crate) fn error(code: &str) -> Reply {
    let body = serde_json::json!({"__type": code, "message": "no"});
    (400, Vec::new(), body.to_string())
}

type Answerer = Arc<dyn Fn(usize, &Call) -> Option<Reply> + Send + Sync>;

/// Answers by a function, and remembers what was asked.
#[derive(Clone)]
pub(crate) struct Canned {
    calls: Arc<Mutex<Vec<Call>>>,
    answer: Answerer,
}

impl std::fmt::Debug for Canned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canned")
    }
}

impl Canned {
    /// `answer` gets the number of the call and the call; `None` never answers.
    pub(crate) fn new(answer: impl Fn(usize, &Call) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self { calls: Arc::default(), answer: Arc::new(answer) }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn operations(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.operation).collect()
    }

    fn client(&self) -> SharedHttpClient {
        let canned = self.clone();
        http_client_fn(move |_, _| SharedHttpConnector::new(canned.clone()))
    }

    pub(crate) fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .http_client(self.client())
            .timeout_config(timeouts())
            .retry_config(retries())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
            .build()
    }

    pub(crate) fn cloud(&self) -> Cloud {
        Cloud::new(
            self.config(),
            ReaderRole {
                name: "backup-guardian-reader".to_owned(),
                external_id: Some("ticket".to_owned()),
                organization_role_arn: Some(arn(ORGANIZATION_ROLE)),
            },
        )
    }
}

/// The answer of STS; the session's access key names the account, so that the calls after it can be told apart.
pub(crate) fn session(call: &Call) -> Reply {
    let text = call.body.as_str().unwrap_or_default();
    let account = text.split("iam%3A%3A").nth(1).and_then(|rest| rest.get(..12)).unwrap_or("000000000000");
    ok(format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ))
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let bytes = request.body().bytes().unwrap_or_default().to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let action = text.split('&').find_map(|field| field.strip_prefix("Action=")).map(str::to_owned);
        let path = request.uri().split_once("amazonaws.com").map_or(request.uri(), |(_, path)| path);
        let authorization = request.headers().get("authorization").unwrap_or_default();
        let call = Call {
            operation: request
                .headers()
                .get("x-amz-target")
                .map(str::to_owned)
                .or(action)
                .unwrap_or_else(|| format!("{} {path}", request.method())),
            uri: request.uri().to_owned(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
            access_key: authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned(),
        };
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(call.clone());
            calls.len() - 1
        };
        match (self.answer)(number, &call) {
            Some((status, headers, body)) => {
                let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
                for (name, value) in headers {
                    response.headers_mut().insert(name, value);
                }
                HttpConnectorFuture::ready(Ok(response))
            }
            None => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

pub(crate) fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

pub(crate) fn region(code: &str) -> Region {
    Region::parse(code).unwrap()
}

pub(crate) fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}
