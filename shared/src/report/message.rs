//! A message ready to send, and its size as SNS counts it.

use super::alert::Route;
use super::{Alert, chat, email, sms, subject};

/// Size limit of a message of SNS, body and attributes together, in bytes
/// (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
pub const SNS_LIMIT: usize = 262_144;

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

impl Message {
    /// Lays out an alert whose texts are inert.
    pub(super) fn of(alert: &Alert) -> Self {
        Self {
            subject: subject::subject(alert),
            // A struct of strings, numbers and lists always has a JSON form; should that ever change, the subscriber still gets the essence.
            default: serde_json::to_string(alert).unwrap_or_else(|_| {
                serde_json::json!({ "schema": alert.schema, "kind": alert.kind.as_str(), "title": alert.title, "summary": alert.summary })
                    .to_string()
            }),
            email: email::email(alert),
            sms: sms::sms(alert),
            chat: chat::chat(alert),
            attributes: attributes(alert),
        }
    }

    /// The body for `MessageStructure=json`: one text per protocol.
    pub fn sns_body(&self) -> String {
        serde_json::json!({ "default": self.default, "email": self.email, "sms": self.sms }).to_string()
    }

    /// Bytes that SNS counts: the body of all protocols and the names, types and values of the attributes.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum::<usize>();
        self.sns_body().len() + attributes
    }
}

/// Longest value of an attribute; names of AWS are far shorter.
const LONGEST_ATTRIBUTE: usize = 128;

/// Attributes for filter policies. Unknown is absent.
pub(super) fn attributes(alert: &Alert) -> Vec<(&'static str, String)> {
    let job = alert.jobs.first();
    // A prediction has no job; where it is about one route, it is that of its next.
    let only = alert.route.as_ref().filter(|_| alert.foretold.as_ref().is_some_and(|foretold| foretold.routes_total == 1));
    let of_route = |part: fn(&Route) -> &Option<String>| only.and_then(|route| part(route).clone());
    let of_deed = alert.actor.as_ref().map(|_| &alert.act_in);
    let destination = alert.route.as_ref().and_then(|route| route.destination_vault.as_deref()).and_then(|arn| arn.split(':').nth(4));
    [
        ("kind", Some(alert.kind.as_str().to_owned())),
        ("severity", Some(alert.severity.as_str().to_owned())),
        ("cause", Some(alert.cause.label().to_owned())),
        ("certainty", Some(alert.certainty.as_str().to_owned())),
        (
            "source_account",
            job.map(|job| job.account_id.as_str().to_owned())
                .or_else(|| of_deed.map(|acting| acting.account_id.to_string()))
                .or_else(|| of_route(|route| &route.source_account)),
        ),
        ("destination_account", destination.map(str::to_owned)),
        (
            "region",
            job.map(|job| job.region.as_str().to_owned())
                .or_else(|| of_deed?.region.as_ref().map(ToString::to_string))
                .or_else(|| of_route(|route| &route.source_region)),
        ),
        ("resource_type", job.and_then(|job| job.resource_type.clone()).or_else(|| of_route(|route| &route.resource_type))),
        ("incident_id", Some(alert.incident_id.as_str().to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value.chars().take(LONGEST_ATTRIBUTE).collect::<String>())))
    .filter(|(_, value)| !value.is_empty())
    .collect()
}
