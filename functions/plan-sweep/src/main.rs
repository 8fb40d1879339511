//! Wiring.

use guardian_aws::lambda;
use guardian_core::compliance::Baseline;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use plan_sweep::config::{Sweeps, our_account};
use plan_sweep::{Answer, Config, PlanError, Request, plan};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Config::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let sweeps = Sweeps::from_env(config).await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let sweeps = sweeps.clone();
        async move {
            let ours = our_account(&event.context.invoked_function_arn)?;
            let request = serde_json::from_value::<Request>(event.payload).map_err(PlanError::from)?;
            let id = request.sweep();
            let now = match &request {
                Request::Accounts { started, .. } => *started,
                Request::Vaults { .. } => jiff::Timestamp::now(),
            };
            let sweep = sweeps.sweep(&ours, &id, Baseline::default(), now);
            let planned = Box::pin(plan(&sweep, &sweeps.parts(&ours, &id), &request)).await;
            let (name, count) = planned.inspect_err(|error| tracing::error!(sweep = %id, %error, "not planned"))?;
            tracing::info!(sweep = %id, items = name, count, "planned");
            Ok::<_, Error>(Answer { items: id.key(name), bucket: sweeps.bucket(&ours).name().to_owned(), sweep: id, count })
        }
    }))
    .await
}
