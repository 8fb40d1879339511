//! Is anybody listening, and does every part of the alarm path still live?
//!
//! Facts in, troubles out. Each part of the path (a topic, a rule, a queue, a function, an account) is one [`Check`]: what is wrong with it, and
//! whether all of it was seen. What could not be read is a trouble of its own, never health; and a trouble is over only when its part was seen
//! whole and without it.

pub mod facts;
mod heartbeat;
mod message;
mod queue;
mod rule;
mod settle;
mod topic;

use serde::{Deserialize, Serialize};

use crate::evidence::{Gap, GapReason};
use crate::report::inert_text;
pub use heartbeat::heartbeat;
pub use message::{Notice, self_check};
pub use queue::dead_letters;
pub use rule::{FORWARDED, WantedRule, account, hub_rule, wanted};
pub use settle::{Kept, Step, settle, unheard};
pub use topic::topic;

/// What is wrong. A bounded set: it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum TroubleKind {
    TopicMissing,
    TopicRefusesGuardian,
    TopicRefusesAlarms,
    KeyUnusable,
    KeyRefuses,
    NobodySubscribed,
    SubscriptionPending,
    SmsSandbox,
    SmsSpendLimit,
    RuleMissing,
    RuleDisabled,
    RuleBlind,
    TargetMissing,
    TargetAstray,
    NoDeadLetters,
    QueueRefuses,
    QueueMissing,
    MessagesStuck,
    HeartbeatLate,
    NotChecked,
}

impl TroubleKind {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopicMissing => "topic-missing",
            Self::TopicRefusesGuardian => "topic-refuses-guardian",
            Self::TopicRefusesAlarms => "topic-refuses-alarms",
            Self::KeyUnusable => "key-unusable",
            Self::KeyRefuses => "key-refuses",
            Self::NobodySubscribed => "nobody-subscribed",
            Self::SubscriptionPending => "subscription-pending",
            Self::SmsSandbox => "sms-sandbox",
            Self::SmsSpendLimit => "sms-spend-limit",
            Self::RuleMissing => "rule-missing",
            Self::RuleDisabled => "rule-disabled",
            Self::RuleBlind => "rule-blind",
            Self::TargetMissing => "target-missing",
            Self::TargetAstray => "target-astray",
            Self::NoDeadLetters => "no-dead-letters",
            Self::QueueRefuses => "queue-refuses",
            Self::QueueMissing => "queue-missing",
            Self::MessagesStuck => "messages-stuck",
            Self::HeartbeatLate => "heartbeat-late",
            Self::NotChecked => "not-checked",
        }
    }
}

/// Something that is wrong with a part of the path. All its texts are inert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The part of the path: an ARN, or a name of ours.
    pub subject: String,
    /// What is wrong.
    pub kind: TroubleKind,
    /// Which of several of this kind. The same trouble has the same words at every look.
    pub about: String,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What follows from it.
    pub consequence: String,
    /// What to do.
    pub remedy: String,
    /// The command that does it, where there is one.
    pub command: Option<String>,
}

impl Trouble {
    /// The same for the same trouble at every look; fits into a sort key.
    pub fn id(&self) -> String {
        let text = format!("{}#{}#{}", self.subject, self.kind.as_str(), self.about);
        text.chars().take(250).collect()
    }
}

/// One part of the path, looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The part.
    pub subject: String,
    /// What is wrong with it.
    pub troubles: Vec<Trouble>,
    /// Whether all of it was seen.
    pub complete: bool,
}

/// What to say of a trouble beside what it is.
struct Words {
    what: String,
    consequence: String,
    remedy: String,
    command: Option<String>,
}

/// A part that could not be looked at.
pub fn not_looked_at(subject: &str, what: &str, gap: &Gap) -> Check {
    let mut check = Check::of(subject);
    check.unchecked(what, gap);
    check
}

impl Check {
    /// A part that was seen whole, and is well.
    pub fn fine(subject: &str) -> Self {
        Self::of(subject)
    }

    fn of(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), troubles: Vec::new(), complete: true }
    }

    fn add(&mut self, kind: TroubleKind, about: &str, words: Words) {
        let Words { what, consequence, remedy, command } = words;
        let (about, subject) = (clipped(about, 80), self.subject.clone());
        self.troubles.push(Trouble { subject, kind, about, what, consequence, remedy, command });
    }

    /// What could not be read.
    fn unchecked(&mut self, what: &str, gap: &Gap) {
        self.complete = false;
        let place = gap.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        let detail = gap.detail.as_deref().map(|detail| format!(" ({})", clipped(detail, 200))).unwrap_or_default();
        let action = clipped(&gap.action, 80);
        let words = Words {
            what: format!("{what} could not be checked: {action} of account {}{place}: {}{detail}", gap.account_id, gap.reason.as_str()),
            consequence: "whether this part works is not known".to_owned(),
            remedy: remedy_of(gap),
            command: None,
        };
        self.add(TroubleKind::NotChecked, &action, words);
    }

    /// What was read, but does not settle the question.
    fn unsettled(&mut self, what: &str, about: &str, depends_on: &[String]) {
        self.complete = false;
        let on = clipped(&depends_on.join(", "), 300);
        let words = Words {
            what: format!("{what} cannot be told from its policy; it depends on: {on}"),
            consequence: "whether this part works is not known".to_owned(),
            remedy: "write the policy as template.yaml has it, or send a test message".to_owned(),
            command: None,
        };
        self.add(TroubleKind::NotChecked, about, words);
    }
}

fn remedy_of(gap: &Gap) -> String {
    match gap.reason {
        GapReason::RoleNotAssumable => {
            format!("deploy deploy/agent-global.yaml in account {}, with the names that template.yaml has", gap.account_id)
        }
        GapReason::AccessDenied => {
            format!("deploy the newest template in account {}: the role that asks may not do this", gap.account_id)
        }
        GapReason::NotConfigured => "set what is missing, as README.md says".to_owned(),
        _ => "the next look asks again; if it stays so, read the log of check-alarm-path".to_owned(),
    }
}

/// Somebody else's text: inert, and short.
fn clipped(text: &str, most: usize) -> String {
    let inert = inert_text(text);
    if inert.chars().count() <= most {
        return inert;
    }
    let kept = inert.chars().take(most.saturating_sub(3)).collect::<String>();
    format!("{kept}...")
}
