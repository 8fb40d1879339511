//! Does anything lie in a queue that should be empty?

use super::{Check, TroubleKind, Words};
use crate::arn::Arn;
use crate::evidence::{Fact, GapReason};

/// Whether a dead-letter queue is there and empty. `of_rules`: what lies in it is what rules could not deliver, and no queue can take it back.
pub fn dead_letters(queue: &Arn, messages: &Fact<u64>, of_rules: bool) -> Check {
    let name = queue.resource_name();
    let mut check = Check::of(queue.as_str());
    match messages {
        Fact::Known { value: 0, .. } => {}
        Fact::Known { value, .. } => {
            let plural = if *value == 1 { "message lies" } else { "messages lie" };
            let (remedy, command) = if of_rules {
                let url = format!("aws sqs get-queue-url --queue-name {name} --query QueueUrl --output text");
                let read = "aws sqs receive-message --max-number-of-messages 10 --message-attribute-names All";
                (
                    "read them (ERROR_MESSAGE says why), mend the cause, and put their bodies into the queue of their function",
                    format!("{read} --queue-url \"$({url})\""),
                )
            } else {
                (
                    "read them and the log of the function, mend the cause, and move them back",
                    format!("aws sqs start-message-move-task --source-arn {queue}"),
                )
            };
            let words = Words {
                what: format!("{value} {plural} in {name}"),
                consequence: "what they report was not acted on, and is lost when their time is over (14 days)".to_owned(),
                remedy: remedy.to_owned(),
                command: Some(command),
            };
            check.add(TroubleKind::MessagesStuck, "", words);
        }
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => {
            let words = Words {
                what: format!("the queue {name} does not exist"),
                consequence: "what cannot be delivered or worked on is lost without a trace".to_owned(),
                remedy:
                    "make it again: CloudFormation does not put back what was deleted by hand, so give the resource another logical id \
                         and deploy"
                        .to_owned(),
                command: None,
            };
            check.add(TroubleKind::QueueMissing, "", words);
        }
        Fact::Gap(gap) => check.unchecked(&format!("the queue {name}"), gap),
        Fact::NotAsked => check.complete = false,
    }
    check
}
