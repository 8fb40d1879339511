//! One pool of connections for all clients.
//!
//! Left to itself every SDK client makes a pool and a TLS stack of its own, with its own copy of the root certificates: in a sweep several for each
//! account and Region, that take most of its memory and keep no connection for the next account.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin as _;
use aws_smithy_types::config_bag::ConfigBag;

/// The HTTP client of the SDK, checked once.
#[derive(Debug)]
struct Shared {
    client: SharedHttpClient,
    checked: AtomicBool,
}

impl HttpClient for Shared {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.client.http_connector(settings, components)
    }

    fn validate_base_client_config(&self, components: &RuntimeComponentsBuilder, config: &ConfigBag) -> Result<(), BoxError> {
        // This loads the root certificates: while the process starts, and not again for each of thousands of clients.
        if self.checked.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.client.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.client.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

/// The configuration, with one HTTP client for all clients that are made of it. One that has its own keeps it.
pub(crate) fn shared(config: SdkConfig) -> SdkConfig {
    if config.http_client().is_some() {
        return config;
    }
    let mut builder = config.into_builder();
    builder.set_http_client(default_http_client().map(|client| SharedHttpClient::new(Shared { client, checked: AtomicBool::new(false) })));
    builder.build()
}

/// What every SDK client would take by default; `None` where the SDK was built without.
fn default_http_client() -> Option<SharedHttpClient> {
    let plugin = default_http_client_plugin_v2(BehaviorVersion::latest())?;
    plugin.runtime_components(&RuntimeComponentsBuilder::new("default")).http_client()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clients_of_a_configuration_have_one_http_client_and_a_given_one_stays() {
        let bare = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        assert!(bare.http_client().is_none());
        let shared_once = shared(bare);
        let Some(client) = shared_once.http_client() else { panic!("the SDK has an HTTP client") };
        let again = shared(shared_once.clone()).http_client();
        assert_eq!(again.map(|again| format!("{again:?}")), Some(format!("{client:?}")));
    }
}
