use guardian_core::ports::AlertSink;
use guardian_core::report::Message;

use crate::Topics;
use crate::canned::{Canned, ok};

const ALERTS: &str = "arn:aws:sns:eu-central-1:444444444444:alerts";
const CHAT: &str = "arn:aws:sns:eu-central-1:444444444444:chat";

fn message() -> Message {
    Message {
        subject: "high: copy failed".to_owned(),
        default: "{\"schema\":\"x\"}".to_owned(),
        email: "mail".to_owned(),
        sms: "short".to_owned(),
        chat: "{\"version\":\"1.0\"}".to_owned(),
        attributes: vec![("severity", "high".to_owned())],
    }
}

fn published() -> String {
    "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>".to_owned()
}

fn refused() -> (u16, Vec<(&'static str, &'static str)>, String) {
    let body = "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>";
    (403, vec![], body.to_owned())
}

#[tokio::test]
async fn one_message_carries_a_body_per_protocol_and_the_attributes() {
    let canned = Canned::new(|_, _| Some(ok(published())));
    Topics::new(&canned.config(), ALERTS, None).send(&message()).await.unwrap();
    let calls = canned.calls();
    assert_eq!(calls.len(), 1);
    let body = calls[0].body.as_str().unwrap();
    for part in ["MessageStructure=json", "%22email%22%3A%22mail%22", "%22sms%22%3A%22short%22", "MessageAttributes.entry.1.Name=severity"]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
}

#[tokio::test]
async fn a_chat_topic_that_refuses_does_not_make_the_alert_come_again() {
    let canned = Canned::new(|number, _| Some(if number == 0 { ok(published()) } else { refused() }));
    Topics::new(&canned.config(), ALERTS, Some(CHAT.to_owned())).send(&message()).await.unwrap();
    assert_eq!(canned.calls().len(), 2);
    let canned = Canned::new(|_, _| Some(refused()));
    let failed = Topics::new(&canned.config(), ALERTS, Some(CHAT.to_owned())).send(&message()).await.unwrap_err();
    assert_eq!((failed.operation, failed.code.as_str(), failed.retryable), ("sns:Publish", "AuthorizationError", false));
    assert_eq!(canned.calls().len(), 1, "the chat is told only what was alerted");
}
