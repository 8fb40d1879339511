//! Reports in S3.

use aws_sdk_s3::primitives::ByteStream;
use guardian_aws::classify::port_error;
use guardian_core::arn::AccountId;
use guardian_core::ports::{PortError, ReportStore};
use guardian_core::report::Report;

/// A bucket of our own for reports.
#[derive(Clone, Debug)]
pub struct ReportBucket {
    client: aws_sdk_s3::Client,
    name: String,
    owner: Option<AccountId>,
}

impl ReportBucket {
    /// Writes into the bucket of this name, if it belongs to `owner`: a bucket that somebody else took over in the meantime gets nothing.
    pub fn new(config: &aws_config::SdkConfig, name: impl Into<String>, owner: Option<AccountId>) -> Self {
        // Another endpoint than that of AWS has no name per bucket.
        let path_style = config.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
        Self { client: aws_sdk_s3::Client::from_conf(config), name: name.into(), owner }
    }
}

impl ReportStore for ReportBucket {
    async fn put(&self, report: &Report) -> Result<String, PortError> {
        const OPERATION: &str = "s3:PutObject";
        let request = self.client.put_object().bucket(&self.name).key(report.key()).content_type("application/json");
        let request = request.set_expected_bucket_owner(self.owner.as_ref().map(ToString::to_string));
        request.body(ByteStream::from(report.body().into_bytes())).send().await.map_err(|error| port_error(OPERATION, &error))?;
        Ok(format!("s3://{}/{}", self.name, report.key()))
    }
}
