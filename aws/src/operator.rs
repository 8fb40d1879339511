//! The way of a person at a terminal to the reader roles.
//!
//! The reader roles trust the functions of the guardian and one role for people, [`OPERATOR_ROLE`] of the guardian account
//! (`deploy/agent-global.yaml`). Whoever has credentials of the guardian account goes through that role without configuring anything; whoever
//! is in a trusted role already stays there.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use guardian_core::arn::{Arn, Region};
use guardian_core::ports::PortError;

use crate::classify::port_error;
use crate::session::{Cloud, ReaderRole, our_account, our_account_in};

/// Name of the role for people.
pub const OPERATOR_ROLE: &str = "backup-guardian-operator";
/// What the names of all trusted roles start with; only these may be assumed from.
const TRUSTED: [&str; 2] = [OPERATOR_ROLE, "backup-guardian-function-"];

impl Cloud {
    /// Access for a person with the credentials of the environment. Sessions are asked for in `region`, or else in that of the environment.
    pub async fn for_person(region: Option<&Region>, reader: ReaderRole) -> Self {
        let config = match region {
            Some(region) => our_account_in(region).await,
            None => our_account().await,
        };
        Self::new(as_operator(config).await, reader)
    }

    /// Access for a person at a lab: from its administrator role on like anybody in the guardian account.
    pub async fn for_person_in_lab(administrator: &str, region: &Region, reader: ReaderRole) -> Result<Self, PortError> {
        Ok(Self::new(as_operator(in_lab(administrator, region).await?).await, reader))
    }
}

/// A session of a lab's administrator role. A lab takes any key, so none of the user's own goes out.
pub(crate) async fn in_lab(administrator: &str, region: &Region) -> Result<SdkConfig, PortError> {
    let keys = Credentials::new("guardian-cli", "guardian-cli", None, None, "guardian-cli");
    let config = our_account_in(region).await.to_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build();
    assume(&config, administrator).await
}

/// Through the operator role of the caller's account where that is open to the caller; else the credentials as they are, and the refusal
/// of the reader role tells the rest.
async fn as_operator(config: SdkConfig) -> SdkConfig {
    let Ok(caller) = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await else { return config };
    let Some(role) = caller.arn().and_then(operator_for) else { return config };
    assume(&config, &role).await.unwrap_or(config)
}

/// The operator role of a caller's account; `None` where the caller needs none.
fn operator_for(caller: &str) -> Option<String> {
    let caller = Arn::parse(caller).ok()?;
    // `assumed-role/<role>/<session>`, without the path of the role.
    let role = caller.resource().strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if TRUSTED.iter().any(|trusted| role.starts_with(trusted)) {
        return None;
    }
    Some(format!("arn:{}:iam::{}:role/{OPERATOR_ROLE}", caller.partition(), caller.account()?))
}

async fn assume(config: &SdkConfig, role_arn: &str) -> Result<SdkConfig, PortError> {
    let request = aws_sdk_sts::Client::new(config).assume_role().role_arn(role_arn).role_session_name("guardian-cli");
    let answer = request.send().await.map_err(|error| port_error("sts:AssumeRole", &error))?;
    let issued = answer.credentials().ok_or_else(|| PortError {
        operation: "sts:AssumeRole",
        code: "incomplete answer".to_owned(),
        retryable: false,
    })?;
    let credentials =
        Credentials::new(issued.access_key_id(), issued.secret_access_key(), Some(issued.session_token().to_owned()), None, "guardian-cli");
    Ok(config.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_of_the_guardian_account_go_through_its_operator_role_and_trusted_roles_stay() {
        for (caller, role) in [
            (
                "arn:aws:sts::444444444444:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/me@example.com",
                Some("arn:aws:iam::444444444444:role/backup-guardian-operator"),
            ),
            ("arn:aws:iam::444444444444:user/me", Some("arn:aws:iam::444444444444:role/backup-guardian-operator")),
            ("arn:aws-cn:iam::444444444444:root", Some("arn:aws-cn:iam::444444444444:role/backup-guardian-operator")),
            ("arn:aws:sts::444444444444:assumed-role/backup-guardian-operator/me", None),
            ("arn:aws:sts::444444444444:assumed-role/backup-guardian-function-diagnose-job/x", None),
            ("me", None),
        ] {
            assert_eq!(operator_for(caller).as_deref(), role, "{caller}");
        }
    }
}
