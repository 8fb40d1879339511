//! Why there is no patch, and what to do instead.

use super::call::layer_in_words;
use super::proof::Proof;
use crate::copy::Obstacle;
use crate::policy::{Layer, NotAPrincipal};

/// Why there is no patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPatch {
    /// Everything is allowed already.
    NothingDenied,
    /// It depends on what was not seen: the names of the open points.
    Uncertain(Vec<String>),
    /// A statement denies: a person must narrow it, never a program.
    ExplicitDeny {
        /// The layer of the statement.
        layer: Layer,
        /// Which document of the layer, from 1.
        document: usize,
        /// Which statement, from 1.
        statement: usize,
        /// Its Sid. Untrusted text.
        sid: Option<String>,
        /// Whom it denies.
        principal: String,
        /// What it denies.
        actions: Vec<String>,
    },
    /// The policy in question is not what is missing: `identity policies`, `SCP level 1 of 2`, …
    Elsewhere(Vec<String>),
    /// The object's policy was not seen or cannot be read.
    PolicyUnseen,
    /// The key is an AWS managed key: its policy is fixed.
    AwsManagedKey,
    /// The operation works within the object's own account only, whatever the policies say.
    NotAcrossAccounts(String),
    /// AWS does not make such copies.
    Obstacle(Obstacle),
    /// The document would be larger than AWS accepts: its size and the limit in bytes.
    TooLarge {
        /// Size of the patched document.
        size: usize,
        /// What AWS accepts.
        limit: usize,
    },
    /// The statements did not do what they must: a defect of the guardian, or a policy it does not understand. Nothing is shown.
    NotProven(Proof),
    /// The service-linked role or the job role has no readable ARN.
    NotAPrincipal(NotAPrincipal),
}

impl NoPatch {
    /// Why, in a sentence.
    pub fn reason(&self) -> String {
        match self {
            Self::NothingDenied => "everything is allowed already".to_owned(),
            Self::Uncertain(open) if open.is_empty() => "whether it is denied is not known".to_owned(),
            Self::Uncertain(open) => format!("whether it is denied depends on {}", list(open)),
            Self::ExplicitDeny { layer, document, statement, sid, principal, actions } => {
                let sid = sid.as_ref().map(|sid| format!(" ({})", inert(sid))).unwrap_or_default();
                let document = format!("{}[{document}]#{statement}", layer.as_str());
                let who = inert(principal);
                format!("{document}{sid} of the {} denies {} to {who}", layer_in_words(*layer), list(actions))
            }
            Self::Elsewhere(layers) => format!("what does not allow it: {}", list(layers)),
            Self::PolicyUnseen => "the policy was not seen or cannot be read".to_owned(),
            Self::AwsManagedKey => "the policy of an AWS managed key cannot be changed".to_owned(),
            Self::NotAcrossAccounts(action) => format!("{} works within the account of the object only", inert(action)),
            Self::Obstacle(obstacle) => obstacle.reason().to_owned(),
            Self::TooLarge { size, limit } => format!("the document would have {size} bytes, and AWS accepts {limit}"),
            Self::NotProven(_) => "no statement could be proven to be right".to_owned(),
            Self::NotAPrincipal(problem) => format!("{} is no principal that can be judged", inert(&problem.0)),
        }
    }

    /// What to do instead, where there is something to do.
    pub fn instead(&self) -> Option<String> {
        Some(match self {
            Self::NothingDenied => return None,
            Self::Uncertain(_) => "settle that first: let the reader role see what is missing, or make the call and look for its denial".to_owned(),
            Self::PolicyUnseen => "let the reader role see the policy and ask again".to_owned(),
            // These are the role's own: there is nobody else to keep denied.
            Self::ExplicitDeny { layer: Layer::Identity | Layer::Boundary | Layer::Session, .. } => {
                "a person must decide: take the action, or this object, out of that statement".to_owned()
            }
            Self::ExplicitDeny { principal, .. } => {
                let (operator, key) = if principal.starts_with("arn:") {
                    ("ArnNotLike", "aws:PrincipalArn")
                } else {
                    ("StringNotEquals", "aws:PrincipalServiceName")
                };
                let value = serde_json::Value::from(ascii(principal));
                format!(
                    "a person must decide: exempt the caller in that statement with the condition \"{operator}\": {{\"{key}\": {value}}}, or take the \
                     action out of it"
                )
            }
            Self::Elsewhere(layers) if layers.iter().any(|layer| layer.starts_with("SCP")) => {
                "whoever manages the organization must allow the action in the service control policies of every level".to_owned()
            }
            Self::Elsewhere(layers) if layers.iter().any(|layer| layer == "permissions boundary") => {
                "the owner of the permissions boundary must allow the action there".to_owned()
            }
            Self::Elsewhere(layers) if layers.iter().any(|layer| layer == "session policy") => {
                "whoever starts the session must allow the action in its session policy".to_owned()
            }
            Self::Elsewhere(_) => "allow the action in the policies of the role, or let a role that has it do the work".to_owned(),
            Self::AwsManagedKey | Self::Obstacle(Obstacle::SourceKeyAwsManaged) => {
                "encrypt the resource under a customer managed key and back it up again; or copy the recovery point inside its account into a vault \
                 under a customer managed key first, and that copy on"
                    .to_owned()
            }
            Self::NotAcrossAccounts(_) => "let a role of the object's own account do it".to_owned(),
            Self::Obstacle(obstacle) => match obstacle {
                Obstacle::SourceKeyAwsManaged | Obstacle::DestinationKeyAwsManaged => {
                    "copy into a vault under a customer managed key; the key of a vault cannot be changed, so make a new one"
                }
                Obstacle::DefaultVault => "copy into a vault that was made for it",
                Obstacle::NeverCopied => {
                    "DynamoDB: switch on the advanced features, which hold for new backups; others: use the copies of the service itself"
                }
                Obstacle::NotAcrossAccounts => "copy within the account, or back up the resources of the stack one by one",
                Obstacle::NotIntoAirGapped => "copy into a standard vault with a vault lock",
            }
            .to_owned(),
            Self::TooLarge { .. } => "admit the organization instead of single accounts, or take statements out that nobody needs".to_owned(),
            Self::NotProven(_) | Self::NotAPrincipal(_) => return None,
        })
    }
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| inert(item)).collect::<Vec<_>>().join(", ")
}

/// Untrusted text between backticks: nothing in it can end the quotation or a line.
fn inert(text: &str) -> String {
    format!("`{}`", text.chars().take(300).flat_map(char::escape_default).collect::<String>().replace('`', "'"))
}

fn ascii(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).collect()
}
