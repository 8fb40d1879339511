//! What people and machines read. The only place that lays out prose; every untrusted text is made inert on its way.

pub mod alert;

pub use alert::{Alert, Kind};

/// A message ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Printable ASCII, at most 99 characters.
    pub subject: String,
    /// The machine form: body for every subscriber that asks for nothing else.
    pub default: String,
    /// Plain text for e-mail.
    pub email: String,
    /// One short text.
    pub sms: String,
    /// Custom notification of Amazon Q Developer in chat applications, for the chat topic.
    pub chat: String,
    /// Message attributes of SNS, for filter policies. All are strings.
    pub attributes: Vec<(&'static str, String)>,
}
