//! The way of whoever sits at the terminal to the accounts.

use anyhow::Context as _;
use guardian_aws::{Cloud, ReaderRole};
use guardian_core::arn::Region;

use crate::lab::Lab;
use crate::output::complain;

/// Access to AWS with the credentials of the environment, or to the lab that `AWS_ENDPOINT_URL` names without any. Sessions are asked for in
/// the given Region, or else in that of the environment.
pub(crate) async fn open(reader: ReaderRole, region: Option<&Region>) -> anyhow::Result<Cloud> {
    // Somebody with a session of his own wants that one, in a lab too.
    let chosen = std::env::var_os("AWS_SESSION_TOKEN").is_some_and(|token| !token.is_empty());
    let info = match Lab::from_env().filter(|_| !chosen).map(|lab| lab.info()) {
        Some(Ok(info)) => info,
        other => {
            // Another local AWS may answer there; if nothing does, missing credentials would be blamed.
            if let Some(Err(error)) = other {
                complain(&format!("guardian: {error:#}"));
            }
            return Ok(Cloud::for_person(region, reader).await);
        }
    };
    let home = Region::parse(info.text("/region")?)?;
    Cloud::for_person_in_lab(&info.administrator()?, region.unwrap_or(&home), reader).await.context("the lab lets nobody in")
}
