//! Reports in S3.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use guardian_aws::classify::port_error;
use guardian_core::arn::AccountId;
use guardian_core::ports::{PortError, ReportStore};
use guardian_core::report::Report;

const GET: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";
/// How often an object is read again whose body was cut: the SDK itself asks again only as long as no answer has begun.
const READS: u32 = 8;
/// Longest wait for one attempt at an object: a report of a large organization has hundreds of megabytes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A bucket of our own for reports.
#[derive(Clone, Debug)]
pub struct ReportBucket {
    client: aws_sdk_s3::Client,
    name: String,
    owner: Option<AccountId>,
}

/// What an object is, beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The media type.
    pub content_type: &'static str,
    /// Its tag, as `key=value`.
    pub tag: Option<&'static str>,
}

impl ReportBucket {
    /// Writes into the bucket of this name, if it belongs to `owner`: a bucket that somebody else took over in the meantime gets nothing.
    pub fn new(config: &aws_config::SdkConfig, name: impl Into<String>, owner: Option<AccountId>) -> Self {
        Self::from(aws_sdk_s3::config::Builder::from(config), config, name, owner)
    }

    /// The same for work that nobody waits for: large objects, and more attempts.
    pub fn patient(config: &aws_config::SdkConfig, name: impl Into<String>, owner: Option<AccountId>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .read_timeout(PATIENCE)
            .operation_attempt_timeout(PATIENCE)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(10)
            .with_initial_backoff(Duration::from_millis(100))
            .with_max_backoff(Duration::from_secs(5));
        Self::from(aws_sdk_s3::config::Builder::from(config).timeout_config(timeouts).retry_config(retries), config, name, owner)
    }

    fn from(
        builder: aws_sdk_s3::config::Builder,
        config: &aws_config::SdkConfig,
        name: impl Into<String>,
        owner: Option<AccountId>,
    ) -> Self {
        // Another endpoint than that of AWS has no name per bucket.
        let path_style = config.endpoint_url().is_some();
        Self { client: aws_sdk_s3::Client::from_conf(builder.force_path_style(path_style).build()), name: name.into(), owner }
    }

    /// The address of an object.
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// The name of the bucket.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts an object in the place of an older one of its name.
    pub async fn put_object(&self, key: &str, body: ByteStream, kind: Kind) -> Result<(), PortError> {
        let request =
            self.client.put_object().bucket(&self.name).key(key).content_type(kind.content_type).set_tagging(kind.tag.map(Into::into));
        let request = request.set_expected_bucket_owner(self.owner.as_ref().map(ToString::to_string));
        request.body(body).send().await.map(|_| ()).map_err(|error| port_error(PUT, &error))
    }

    /// Puts a file.
    pub async fn put_file(&self, key: &str, file: &Path, kind: Kind) -> Result<(), PortError> {
        let body = ByteStream::from_path(file).await.map_err(|error| local(PUT, error))?;
        self.put_object(key, body, kind).await
    }

    /// An object; `None` where there is none of this name.
    pub async fn get_object(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        let mut cut = None;
        for _ in 0..READS {
            let Some(body) = self.open(key).await? else { return Ok(None) };
            match body.collect().await {
                Ok(bytes) => return Ok(Some(bytes.to_vec())),
                Err(error) => cut = Some(error),
            }
        }
        Err(cut.map_or_else(|| local(GET, "no attempt"), |error| local(GET, error)))
    }

    /// The same into a file, piece by piece; `false` where there is none.
    pub async fn get_file(&self, key: &str, file: &Path) -> Result<bool, PortError> {
        let mut cut = None;
        for _ in 0..READS {
            let Some(mut body) = self.open(key).await? else { return Ok(false) };
            let mut out = std::io::BufWriter::new(std::fs::File::create(file).map_err(|error| local(GET, error))?);
            cut = loop {
                match body.next().await {
                    Some(Ok(bytes)) => out.write_all(&bytes).map_err(|error| local(GET, error))?,
                    Some(Err(error)) => break Some(error),
                    None => break None,
                }
            };
            if cut.is_none() {
                out.flush().map_err(|error| local(GET, error))?;
                return Ok(true);
            }
        }
        Err(cut.map_or_else(|| local(GET, "no attempt"), |error| local(GET, error)))
    }

    async fn open(&self, key: &str) -> Result<Option<ByteStream>, PortError> {
        let request = self.client.get_object().bucket(&self.name).key(key);
        match request.set_expected_bucket_owner(self.owner.as_ref().map(ToString::to_string)).send().await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(port_error(GET, &error)),
        }
    }
}

fn local(operation: &'static str, error: impl std::fmt::Display) -> PortError {
    PortError { operation, code: error.to_string().chars().take(128).collect(), retryable: true }
}

impl ReportStore for ReportBucket {
    async fn put(&self, report: &Report) -> Result<String, PortError> {
        let kind = Kind { content_type: "application/json", tag: None };
        self.put_object(report.key(), ByteStream::from(report.body().into_bytes()), kind).await?;
        Ok(self.uri(report.key()))
    }
}
