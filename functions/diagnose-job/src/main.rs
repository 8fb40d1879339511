//! Wiring.

use std::sync::Arc;
use std::time::SystemTime;

use diagnose_job::{Config, Handler, Ports};
use guardian_aws::{Cloud, DenialTable, Queue, Topics, WorkTable, lambda};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Config::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let Config { telling, denials_table, scope } = config;
    let account = telling.account();
    let cloud = Cloud::from_env(telling.reader).await.sharing_turns(telling.table.clone());
    let base = cloud.base().clone();
    cloud.open_for_diagnosis().await;
    let ports = Ports {
        denials: DenialTable::new(&base, denials_table).of_account(account),
        work: WorkTable::new(&base, telling.table),
        alerts: Topics::new(&base, telling.alert_topic_arn, telling.chat_topic_arn),
        later: Queue::new(&base, telling.follow_up_queue_url),
        readers: cloud,
        now: Box::new(jiff::Timestamp::now),
        metrics: Box::new(lambda::emit),
    };
    let handler = Arc::new(Handler::new(ports, scope, telling.repeat_after));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(event.context.deadline));
            handler.handle(event.payload, deadline).await.map_err(Error::from)
        }
    }))
    .await
}
