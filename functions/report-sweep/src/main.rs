//! Wiring.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use guardian_aws::{Cloud, HeartbeatTable, RouteTable, Topics, TroubleTable, WorkTable, lambda};
use guardian_aws_sweep::ReportBucket;
use guardian_core::arn::{AccountId, Region};
use guardian_core::compliance::Baseline;
use guardian_core::ports::PortError;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use plan_sweep::config::{Sweeps, our_account};
use report_sweep::{Config, Handler, Importer, Ports, ReportSweepError, Request};
use serde_json::Value;

/// Security Hub of our own account, in the Region of the product.
struct SecurityHub(Cloud, Region);

impl Importer for SecurityHub {
    async fn import(&self, batch: String) -> Result<u64, PortError> {
        self.0.import_findings(&self.1, batch).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let refused = |error: &guardian_aws::environment::ConfigError| tracing::error!(%error, "configuration refused");
    let config = Arc::new(Config::from_env().inspect_err(refused)?);
    let sweeps = Sweeps::from_env(plan_sweep::Config::from_env().inspect_err(refused)?).await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let (config, sweeps) = (Arc::clone(&config), sweeps.clone());
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline));
            let ours = our_account(&event.context.invoked_function_arn)?;
            let request = serde_json::from_value::<Request>(event.payload).map_err(ReportSweepError::from)?;
            let id = request.sweep;
            let base = sweeps.cloud().base().clone();
            let region = base.region().and_then(|region| Region::parse(region.as_ref()).ok());
            let heart = HeartbeatTable::new(&base, config.table.clone());
            let ports = Ports {
                pace: WorkTable::new(&base, config.table.clone()),
                heart: match &region {
                    Some(region) => heart.at(ours.clone(), region.clone()),
                    None => heart,
                },
                troubles: TroubleTable::new(&base, config.table.clone()),
                routes: RouteTable::new(&base, config.table.clone()),
                alerts: Topics::new(&base, config.alert_topic_arn.clone(), config.chat_topic_arn.clone()),
                findings: config.product.clone().map(|product| (SecurityHub(sweeps.cloud().clone(), product.region().clone()), product)),
                now: Box::new(jiff::Timestamp::now),
                metrics: Box::new(lambda::emit),
            };
            let handler = Handler::new(ports, config.told, ours.clone(), region);
            let baseline = baseline(&config, &sweeps, &ours).await?;
            let sweep = Arc::new(sweeps.sweep(&ours, &id, baseline, jiff::Timestamp::now()));
            let reported = handler.report(&sweep, &sweeps.parts(&ours, &id), &sweeps.bucket(&ours), &id, deadline).await;
            let answer = reported.inspect_err(|error| tracing::error!(sweep = %id, %error, "not reported"))?;
            tracing::info!(sweep = %id, report = answer.report, told = answer.told, "reported");
            Ok::<_, Error>(answer)
        }
    }))
    .await
}

/// What was agreed on. Without what was named nothing is judged: an exception that is not known would be told as a failure.
async fn baseline(config: &Config, sweeps: &Sweeps, ours: &AccountId) -> Result<Baseline, Error> {
    let Some((bucket, key)) = &config.baseline else { return Ok(Baseline::default()) };
    let bytes = ReportBucket::patient(sweeps.cloud().base(), bucket.clone(), Some(ours.clone())).get_object(key).await?;
    let bytes =
        bytes.ok_or_else(|| format!("the baseline `s3://{bucket}/{key}` does not exist: put it there, or leave GUARDIAN_BASELINE out"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the baseline `s3://{bucket}/{key}` is not text"))?;
    let read = Baseline::read(&text).map_err(|error| format!("the baseline `s3://{bucket}/{key}` cannot be used: {error}"));
    Ok(read.inspect_err(|error| tracing::error!(error, "no baseline"))?)
}
