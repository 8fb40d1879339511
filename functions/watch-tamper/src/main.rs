//! Wiring.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use diagnose_job::messenger::Messenger;
use guardian_aws::readers::Readers;
use guardian_aws::{ChangeTable, Cloud, Queue, RouteTable, Topics, WorkTable, lambda};
use jiff::SignedDuration;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use watch_tamper::predict::Foresight;
use watch_tamper::{Config, FUNCTION, Handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Config::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let telling = config.telling;
    let cloud = Cloud::from_env(telling.reader).await;
    let base = cloud.base().clone();
    let memory = RouteTable::new(&base, telling.table.clone());
    let foresight = Foresight { memory, reader: Readers::over(cloud), organization_id: config.watched.organization_id.clone() };
    let work = WorkTable::new(&base, telling.table);
    let alerts = Topics::new(&base, telling.alert_topic_arn, telling.chat_topic_arn);
    let later = Queue::new(&base, telling.follow_up_queue_url);
    let (now, metrics) = (Box::new(jiff::Timestamp::now), Box::new(lambda::emit));
    let messenger = Messenger::new(FUNCTION, (work, alerts, later), now, metrics, telling.repeat_after);
    let repeat_after = SignedDuration::try_from(telling.repeat_after)?;
    let log = ChangeTable::new(&base, config.changes_table);
    let handler = Arc::new(Handler { log, messenger, foresight, watched: config.watched, repeat_after });
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline));
            handler.handle(event.payload, deadline).await.map_err(Error::from)
        }
    }))
    .await
}
