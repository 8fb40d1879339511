//! Wiring.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use check_alarm_path::{Config, Handler, Ports};
use guardian_aws::{Cloud, HeartbeatTable, Listeners, OperationsTopic, Queue, Topics, TroubleTable, lambda};
use guardian_aws_sweep::Rules;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Config::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let cloud = Cloud::from_env(config.reader).await;
    let base = cloud.base().clone();
    let path = config.path;
    let ports = Ports {
        topics: Listeners::new(&base),
        hub_rules: Rules::of_our_account(&base),
        rules: Rules::of_accounts(cloud.clone()),
        pulse: HeartbeatTable::new(&base, config.table.clone()).at(path.account.clone(), path.region.clone()),
        memory: TroubleTable::new(&base, config.table),
        own: Queue::new(&base, config.own_queue_url),
        operations: OperationsTopic::new(&base, path.operations.as_str()),
        alerts: Topics::new(&base, path.alerts.as_str(), path.chat.as_ref().map(ToString::to_string)),
        readers: cloud,
        now: Box::new(jiff::Timestamp::now),
        metrics: Box::new(lambda::emit),
    };
    let handler = Arc::new(Handler::new(ports, path));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline));
            handler.handle(event.payload, deadline).await.map_err(Error::from)
        }
    }))
    .await
}
