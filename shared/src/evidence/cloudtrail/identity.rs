//! Who called: `userIdentity`
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arn::{AccountId, Arn};
use crate::event::field::Fields;

/// The type of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum IdentityKind {
    /// A session of a role: the caller of nearly everything AWS Backup does.
    AssumedRole,
    /// A caller of another account, in the record of the account that owns the object: without session and issuer.
    AwsAccount,
    /// The service itself, such as AWS Backup that assumes the job role.
    AwsService,
    /// Any other type; empty in service events, which have none.
    Other(String),
    /// No identity at all.
    #[default]
    Unknown,
}

impl From<String> for IdentityKind {
    fn from(text: String) -> Self {
        match text.as_str() {
            "AssumedRole" => Self::AssumedRole,
            "AWSAccount" => Self::AwsAccount,
            "AWSService" => Self::AwsService,
            "" => Self::Unknown,
            _ => Self::Other(text),
        }
    }
}

impl From<IdentityKind> for String {
    fn from(kind: IdentityKind) -> Self {
        match kind {
            IdentityKind::AssumedRole => "AssumedRole".to_owned(),
            IdentityKind::AwsAccount => "AWSAccount".to_owned(),
            IdentityKind::AwsService => "AWSService".to_owned(),
            IdentityKind::Other(text) => text,
            IdentityKind::Unknown => String::new(),
        }
    }
}

/// A caller, as far as the record names it. Untrusted texts: a session chooses its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Its type.
    pub kind: IdentityKind,
    /// Its ARN: for a session without the path of its role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// `AROA…:session`; the only name of a caller of another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// The caller's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// The role behind a session, with its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_arn: Option<Arn>,
    /// The service that made the call. For calls of AWS Backup through EC2, RDS or FSx it may be either service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
}

impl Identity {
    pub(super) fn read(value: Option<&Value>) -> Self {
        let mut fields = Fields::of("userIdentity", value);
        let account = |fields: &mut Fields<'_>| fields.text("accountId").and_then(|text| AccountId::parse(&text).ok());
        let session = fields.get("sessionContext").and_then(|context| context.get("sessionIssuer"));
        let mut issuer = Fields::of("userIdentity.sessionContext.sessionIssuer", session);
        let issuer_arn = issuer.arn("arn").filter(|arn| arn.role_name().is_some());
        let account_id = account(&mut fields).or_else(|| account(&mut issuer));
        Self {
            kind: fields.text("type").unwrap_or_default().into(),
            arn: fields.arn("arn").map(Into::into),
            principal_id: fields.text("principalId"),
            account_id,
            issuer_arn,
            invoked_by: fields.text("invokedBy"),
        }
    }

    /// The best name of the caller: its ARN, else its principal id, else the service.
    pub fn name(&self) -> Option<&str> {
        self.arn.as_deref().or(self.principal_id.as_deref()).or(self.invoked_by.as_deref())
    }
}
