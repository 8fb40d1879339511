//! Sends a signed request and reads the whole answer, by a connector of the SDK: TLS, pooled connections and time-outs are those of every client.
//!
//! The connector is asked directly. The orchestrator of the SDK puts its parts together anew for every call, and of these calls a sweep makes fourteen in
//! an account of the reference: they are signed before they come here, and asked again by whoever has patience.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime::client::auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::identity::no_auth::NoAuthIdentityResolver;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::retries::strategy::NeverRetryStrategy;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::http::{HttpClient as _, HttpConnector as _, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::session::timeouts;

/// Room that is made for an answer on its word.
const LARGEST: usize = 4 << 20;

/// Requests on their way to a host at the same time. Each has a connection, which stays, and takes 36 kB; where an answer takes 80 ms this is enough for
/// 800 calls a second.
const AT_ONCE: usize = 64;

/// Sends; cheap to clone, one per host.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    connector: Option<SharedHttpConnector>,
    at_once: Arc<Semaphore>,
    /// How long an answer may take, all of it.
    patience: Option<Duration>,
}

/// Connections by host.
#[derive(Debug, Default)]
pub(crate) struct Senders(Mutex<BTreeMap<String, Sender>>);

/// Takes the body of an answer that went well as it comes.
pub(super) type Pieces<'a> = dyn FnMut(&[u8]) + Send + 'a;

/// What came back.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    /// `x-amzn-ErrorType`.
    pub(super) error: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why nothing did.
#[derive(Debug)]
pub(super) enum Lost {
    Late,
    Unreachable,
    Broken,
}

impl Senders {
    pub(super) fn of(&self, config: &SdkConfig, host: &str) -> Sender {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match senders.get(host) {
            Some(sender) => sender.clone(),
            None => senders.entry(host.to_owned()).or_insert_with(|| Sender::new(config, &timeouts())).clone(),
        }
    }
}

impl Sender {
    fn new(config: &SdkConfig, timeouts: &TimeoutConfig) -> Self {
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.connect_timeout());
        settings.set_read_timeout(timeouts.read_timeout());
        let client = config.http_client().zip(components());
        let connector = client.map(|(client, components)| client.http_connector(&settings.build(), &components));
        Self { connector, at_once: Arc::new(Semaphore::new(AT_ONCE)), patience: timeouts.operation_attempt_timeout() }
    }

    /// Sends a request. With `pieces` the body of an answer that went well goes there, and not into what comes back.
    pub(super) async fn send(&self, request: HttpRequest, pieces: Option<&mut Pieces<'_>>) -> Result<Received, Lost> {
        // Before the clock starts: whoever waits for others is not late. Nobody closes it.
        let _turn = self.at_once.acquire().await;
        let exchange = self.exchange(request, pieces);
        match self.patience {
            Some(patience) => tokio::time::timeout(patience, exchange).await.map_err(|_| Lost::Late)?,
            None => exchange.await,
        }
    }

    async fn exchange(&self, request: HttpRequest, pieces: Option<&mut Pieces<'_>>) -> Result<Received, Lost> {
        let connector = self.connector.as_ref().ok_or(Lost::Unreachable)?;
        let lost = |error: ConnectorError| if error.is_timeout() { Lost::Late } else { Lost::Unreachable };
        let mut response = connector.call(request).await.map_err(lost)?;
        let mut stream = ByteStream::new(std::mem::replace(response.body_mut(), SdkBody::taken()));
        let mut pieces = pieces.filter(|_| response.status().is_success());
        let mut body = Vec::new();
        if pieces.is_none() {
            let told = response.headers().get("content-length").and_then(|length| length.parse::<usize>().ok());
            body.reserve_exact(told.unwrap_or_default().min(LARGEST));
        }
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|_| Lost::Broken)?;
            match &mut pieces {
                Some(pieces) => pieces(&piece),
                None => body.extend_from_slice(&piece),
            }
        }
        let error = response.headers().get("x-amzn-errortype").map(str::to_owned);
        Ok(Received { status: response.status().as_u16(), error, body })
    }
}

/// Of these a connector takes the clock. The others must be there, and nobody asks them anything.
fn components() -> Option<RuntimeComponents> {
    RuntimeComponentsBuilder::new("signed")
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![NO_AUTH_SCHEME_ID])))
        .with_auth_scheme(NoAuthScheme::default())
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(NO_AUTH_SCHEME_ID, NoAuthIdentityResolver::new())
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri("http://localhost")))
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .with_sleep_impl(Some(TokioSleep::new()))
        .with_time_source(Some(SystemTimeSource::new()))
        .build()
        .ok()
}

/// Asks a host for nothing, so many times at once, without a signature: what stays are the connections. They are kept by time-outs.
pub(crate) async fn look_in(config: &SdkConfig, host: &str, timeouts: TimeoutConfig, count: usize) {
    let sender = Sender::new(config, &timeouts);
    let nothing = || {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(format!("{host}/")).is_ok().then_some(request)
    };
    // Whether it is there is told by those who need it.
    join_all((0..count).filter_map(|_| nothing()).map(|request| sender.send(request, None))).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, http_client_fn};
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::http::StatusCode;

    use super::*;

    /// Answers each request a moment after it came, and counts how many were there together.
    #[derive(Clone, Debug, Default)]
    struct Crowd {
        now: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    impl HttpConnector for Crowd {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            let Self { now, most } = self.clone();
            HttpConnectorFuture::new(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from("{}")))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_asked_by_so_many_at_once_and_who_waits_for_them_is_not_late() {
        let crowd = Crowd::default();
        let client: SharedHttpClient = http_client_fn({
            let crowd = crowd.clone();
            move |_, _| SharedHttpConnector::new(crowd.clone())
        });
        let config = SdkConfig::builder().http_client(client).build();
        let senders = Senders::default();
        let request = || {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_uri("http://localhost/").unwrap();
            request
        };
        // The last ones wait for twice as long as an answer may take.
        let count = AT_ONCE * 10;
        let answers = join_all((0..count).map(|_| {
            let sender = senders.of(&config, "http://localhost");
            let request = request();
            async move { sender.send(request, None).await }
        }));
        assert!(answers.await.iter().all(|answer| answer.as_ref().is_ok_and(|received| received.status == 200)));
        assert_eq!(crowd.most.load(Ordering::SeqCst), AT_ONCE);
    }
}
