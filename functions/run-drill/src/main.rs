//! Wiring.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use guardian_aws::{Cloud, DrillTable, Drills, OperationsTopic, Queue, WorkTable, lambda};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use run_drill::{Config, Handler, Ports};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Config::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let cloud = Cloud::from_env(config.reader).await;
    let base = cloud.base().clone();
    let ports = Ports {
        incidents: WorkTable::new(&base, config.table.clone()),
        drills: DrillTable::new(&base, config.table),
        starter: Drills::new(base.clone(), config.starter),
        own: Queue::new(&base, config.own_queue_url),
        operations: OperationsTopic::new(&base, config.operations_topic_arn),
        readers: cloud,
        now: Box::new(jiff::Timestamp::now),
        metrics: Box::new(lambda::emit),
    };
    let handler = Arc::new(Handler::new(ports, config.allowed));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline));
            handler.handle(event.payload, deadline).await.map_err(Error::from)
        }
    }))
    .await
}
