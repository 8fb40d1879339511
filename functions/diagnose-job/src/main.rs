//! Wiring.

use std::sync::Arc;
use std::time::SystemTime;

use diagnose_job::{Config, Handler, Ports};
use guardian_aws::{ClaimTable, Cloud, DenialTable, IncidentTable, Topics, WorkTable, lambda};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Config::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let account = config.account();
    let cloud = Cloud::from_env(config.reader).await.sharing_turns(config.table.clone());
    let base = cloud.base().clone();
    let ports = Ports {
        denials: DenialTable::new(&base, config.denials_table).of_account(account),
        work: WorkTable {
            claims: ClaimTable::new(&base, config.table.clone()),
            incidents: IncidentTable::new(&base, config.table, config.repeat_after),
        },
        alerts: Topics::new(&base, config.alert_topic_arn, config.chat_topic_arn),
        readers: cloud,
        now: Box::new(jiff::Timestamp::now),
        metrics: Box::new(lambda::emit),
    };
    let handler = Arc::new(Handler::new(ports, config.scope, config.repeat_after));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(event.context.deadline));
            handler.handle(event.payload, deadline).await.map_err(Error::from)
        }
    }))
    .await
}
