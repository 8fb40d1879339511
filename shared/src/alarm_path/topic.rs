//! Does a topic take what the guardian says, and does anybody hear it?
//!
//! Permissions boundaries are heard; SCPs are not: what they refuse shows as a failed send.

use super::facts::{SmsAccount, Subscription, TopicFacts, TopicSettings, UsedFor};
use super::{Check, TroubleKind, Words, clipped};
use crate::arn::Arn;
use crate::evidence::{Fact, GapReason, KeyManager, Role};
use crate::policy::{Answer, Context, Decision, Document, Policies, Principal, Request, evaluate};

/// The service principal of alarms.
const ALARMS: &str = "cloudwatch.amazonaws.com";
/// What SNS does with the key of a topic for whoever publishes
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html>).
const KEY_ACTIONS: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];
/// What AWS lets an account spend at first (<https://docs.aws.amazon.com/sns/latest/dg/sns-sms-quotas.html>).
const FIRST_SPEND_LIMIT: f64 = 1.0;

/// A topic, its key and its subscribers.
pub fn topic(facts: &TopicFacts) -> Check {
    let mut look = Look { check: Check::of(facts.arn.as_str()), facts, name: format!("the {} topic", facts.used_for.as_str()) };
    match &facts.settings {
        Fact::Known { value, .. } => look.settings(value),
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => {
            look.missing();
            return look.check;
        }
        Fact::Gap(gap) => look.check.unchecked(&look.name, gap),
        Fact::NotAsked => look.check.complete = false,
    }
    match &facts.subscriptions {
        Fact::Known { value, .. } => look.subscribers(value),
        Fact::Gap(gap) => look.check.unchecked(&format!("who subscribed to {}", look.name), gap),
        Fact::NotAsked => look.check.complete = false,
    }
    look.check
}

struct Look<'a> {
    check: Check,
    facts: &'a TopicFacts,
    name: String,
}

impl Look<'_> {
    fn lost(&self) -> String {
        match self.facts.used_for {
            UsedFor::Alerts => "nobody hears of failed jobs".to_owned(),
            UsedFor::Chat => "the chat hears of no failed job".to_owned(),
            UsedFor::Operations => "nobody hears when the guardian itself fails".to_owned(),
        }
    }

    fn missing(&mut self) {
        let words = Words {
            what: format!("{} {} does not exist", self.name, self.facts.arn),
            consequence: self.lost(),
            remedy:
                "make it again: CloudFormation does not put back what was deleted by hand, so give the resource another logical id and \
                     deploy; then subscribe and confirm"
                    .to_owned(),
            command: None,
        };
        self.check.add(TroubleKind::TopicMissing, "", words);
    }

    fn settings(&mut self, settings: &TopicSettings) {
        let policy = settings.policy.as_ref().map(Document::read);
        let publisher = self.publisher();
        if let Some(role) = &publisher {
            let answer = self.ask_as(role, "sns:Publish", self.facts.arn.as_str(), policy.clone(), |_| {});
            self.judge(
                TroubleKind::TopicRefusesGuardian,
                "the guardian",
                &answer,
                &format!("whether {} lets the guardian publish", self.name),
            );
        }
        if self.facts.used_for == UsedFor::Operations {
            let answer = self.ask_as_alarms("sns:Publish", self.facts.arn.as_str(), policy);
            self.judge(
                TroubleKind::TopicRefusesAlarms,
                "CloudWatch alarms",
                &answer,
                &format!("whether {} lets CloudWatch alarms publish", self.name),
            );
        }
        if settings.key.is_some() {
            self.key(publisher.as_ref());
        }
    }

    /// The role that publishes; without it nothing can be said of what it may.
    fn publisher(&mut self) -> Option<Role> {
        match &self.facts.publisher {
            Fact::Known { value, .. } => return Some(value.clone()),
            Fact::Gap(gap) => self.check.unchecked(&format!("whether the guardian may publish to {}", self.name), gap),
            Fact::NotAsked => self.check.complete = false,
        }
        None
    }

    fn ask_as(&self, role: &Role, action: &str, on: &str, resource: Option<Document>, add: impl FnOnce(&mut Context)) -> Option<Answer> {
        let account = role.arn.account()?;
        let mut context = Context::open();
        context.set("aws:PrincipalAccount", account.as_str());
        context.set("aws:PrincipalArn", role.arn.as_str());
        context.set("aws:SecureTransport", "true");
        context.set("aws:ViaAWSService", "false");
        for key in ["aws:SourceAccount", "aws:SourceArn"] {
            context.set_absent(key);
        }
        add(&mut context);
        let policies = Policies {
            identity: role.policies.iter().map(|policy| Document::read(&policy.document)).collect(),
            boundary: role.boundary.as_ref().map(|boundary| Document::read(&boundary.document)),
            resource,
            ..Policies::default()
        };
        self.evaluate(role.arn.as_str(), action, on, context, &policies)
    }

    fn ask_as_alarms(&self, action: &str, on: &str, resource: Option<Document>) -> Option<Answer> {
        let (account, region) = (self.facts.arn.account()?, self.facts.region()?);
        let mut context = Context::open();
        context.set("aws:SecureTransport", "true");
        context.set("aws:SourceAccount", account.as_str());
        context.set("aws:SourceArn", format!("arn:{}:cloudwatch:{region}:{account}:alarm:any", self.facts.arn.partition()));
        self.evaluate(ALARMS, action, on, context, &Policies { resource, ..Policies::default() })
    }

    fn evaluate(&self, principal: &str, action: &str, on: &str, context: Context, policies: &Policies) -> Option<Answer> {
        let request = Request {
            principal: Principal::parse(principal).ok()?,
            action: action.to_owned(),
            resource: on.to_owned(),
            resource_account: Arn::parse(on).ok()?.account()?.as_str().to_owned(),
            context,
        };
        Some(evaluate(&request, policies))
    }

    fn judge(&mut self, kind: TroubleKind, whom: &str, answer: &Option<Answer>, question: &str) {
        let Some(answer) = answer else {
            self.check.unsettled(question, kind.as_str(), &["the ARN of the topic or role".to_owned()]);
            return;
        };
        match answer.decision {
            Decision::Allowed => {}
            Decision::Uncertain => self.check.unsettled(question, kind.as_str(), &answer.depends_on),
            Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => {
                let words = Words {
                    what: format!("{} refuses what {whom} would send: {}", self.name, why(answer)),
                    consequence: self.lost(),
                    remedy: "put back its policy and that of the role as template.yaml has them".to_owned(),
                    command: Some(format!("aws sns get-topic-attributes --topic-arn {}", self.facts.arn)),
                };
                self.check.add(kind, "", words);
            }
        }
    }

    fn key(&mut self, publisher: Option<&Role>) {
        let name = format!("the key of {}", self.name);
        let aws_managed = match &self.facts.key {
            Fact::Known { value, .. } => {
                if let Some(state) = value.state.as_deref().filter(|state| *state != "Enabled") {
                    let until = value.deletion_at.map(|at| format!(", deleted at {at:.0}")).unwrap_or_default();
                    let pending = state == "PendingDeletion";
                    let cancel = if pending { "cancel-key-deletion" } else { "enable-key" };
                    let words = Words {
                        what: format!("{name}, {}, is {}{until}", value.arn, clipped(state, 40)),
                        consequence: self.lost(),
                        remedy: if pending { "cancel the deletion, then enable the key" } else { "enable the key" }.to_owned(),
                        command: Some(format!("aws kms {cancel} --key-id {}", value.arn)),
                    };
                    self.check.add(TroubleKind::KeyUnusable, "", words);
                }
                value.manager == Some(KeyManager::Aws)
            }
            Fact::Gap(gap) if gap.reason == GapReason::NotFound => {
                let words = Words {
                    what: format!("{name} does not exist"),
                    consequence: self.lost(),
                    remedy: "set another key on the topic".to_owned(),
                    command: None,
                };
                self.check.add(TroubleKind::KeyUnusable, "", words);
                return;
            }
            Fact::Gap(gap) => {
                self.check.unchecked(&name, gap);
                return;
            }
            Fact::NotAsked => {
                self.check.complete = false;
                return;
            }
        };
        match &self.facts.key_policy {
            Fact::Known { value, .. } => {
                let document = Document::read(&value.document);
                let on = value.key_arn.as_str().to_owned();
                self.key_policy(publisher, &document, &on, aws_managed, &name);
            }
            Fact::Gap(gap) => self.check.unchecked(&format!("the policy of {name}"), gap),
            Fact::NotAsked => self.check.complete = false,
        }
    }

    fn key_policy(&mut self, publisher: Option<&Role>, document: &Document, on: &str, aws_managed: bool, name: &str) {
        for action in KEY_ACTIONS {
            if let Some(role) = publisher {
                let answer = self.ask_as(role, action, on, Some(document.clone()), |context| self.through_sns(context, role));
                self.judge_key("the guardian", action, answer.as_ref(), name);
            }
            // The policy of a key that AWS manages names no service, and nobody can change it.
            if self.facts.used_for == UsedFor::Operations {
                let answer = if aws_managed { None } else { self.ask_as_alarms(action, on, Some(document.clone())) };
                self.judge_key("CloudWatch alarms", action, answer.as_ref(), name);
            }
        }
    }

    fn through_sns(&self, context: &mut Context, role: &Role) {
        let suffix = if self.facts.arn.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        if let Some(region) = self.facts.region() {
            context.set("kms:ViaService", format!("sns.{region}.{suffix}"));
        }
        if let Some(account) = role.arn.account() {
            context.set("kms:CallerAccount", account.as_str());
        }
        context.set("kms:EncryptionContext:aws:sns:topicArn", self.facts.arn.as_str());
    }

    fn judge_key(&mut self, whom: &str, action: &str, answer: Option<&Answer>, name: &str) {
        let about = format!("{whom} {action}");
        let refused = match answer {
            Some(answer) if answer.decision == Decision::Allowed => return,
            Some(answer) if answer.decision == Decision::Uncertain => {
                self.check.unsettled(&format!("whether {whom} may use {name} ({action})"), &about, &answer.depends_on);
                return;
            }
            Some(answer) => why(answer),
            None => "nobody can change the policy of a key that AWS manages, and it lets no service in".to_owned(),
        };
        let words = Words {
            what: format!("{name} refuses {action} for {whom}: {refused}"),
            consequence: self.lost(),
            remedy: "put back the policy of the key and that of the role as template.yaml has them".to_owned(),
            command: None,
        };
        self.check.add(TroubleKind::KeyRefuses, &about, words);
    }

    fn subscribers(&mut self, subscriptions: &[Subscription]) {
        let command = |arn: &Arn| format!("aws sns list-subscriptions-by-topic --topic-arn {arn}");
        if !subscriptions.iter().any(|subscription| subscription.confirmed) {
            let words = Words {
                what: format!("nobody has a confirmed subscription to {}", self.name),
                consequence: self.lost(),
                remedy: "subscribe, and confirm what AWS sends to the address".to_owned(),
                command: Some(command(&self.facts.arn)),
            };
            self.check.add(TroubleKind::NobodySubscribed, "", words);
        }
        for pending in subscriptions.iter().filter(|subscription| !subscription.confirmed) {
            let who = format!("{} {}", clipped(&pending.protocol, 20), clipped(&pending.endpoint, 100));
            let words = Words {
                what: format!("the subscription of {who} to {} waits for its confirmation", self.name),
                consequence: "this address gets nothing".to_owned(),
                remedy: "confirm it by the link that AWS sent, or subscribe again: the link is good for two days".to_owned(),
                command: Some(command(&self.facts.arn)),
            };
            self.check.add(TroubleKind::SubscriptionPending, &who, words);
        }
        if subscriptions.iter().any(|subscription| subscription.confirmed && subscription.protocol == "sms") {
            match &self.facts.sms {
                Fact::Known { value, .. } => self.sms(value),
                Fact::Gap(gap) => self.check.unchecked(&format!("whether SMS of {} are sent", self.name), gap),
                Fact::NotAsked => self.check.complete = false,
            }
        }
    }

    fn sms(&mut self, account: &SmsAccount) {
        if account.in_sandbox == Some(true) {
            let words = Words {
                what: format!("{} has SMS subscribers, and the account is in the SMS sandbox", self.name),
                consequence: "only numbers that were verified get messages".to_owned(),
                remedy: "verify the numbers, or ask AWS Support to move the account out of the sandbox".to_owned(),
                command: Some("aws sns list-sms-sandbox-phone-numbers".to_owned()),
            };
            self.check.add(TroubleKind::SmsSandbox, "", words);
        }
        let limit = account.monthly_spend_limit.unwrap_or(FIRST_SPEND_LIMIT);
        if limit <= FIRST_SPEND_LIMIT {
            let words = Words {
                what: format!("{} has SMS subscribers, and the account may spend {limit:.2} USD a month on SMS", self.name),
                consequence: "after a handful of messages the rest of the month stays silent".to_owned(),
                remedy: "raise the limit (a quota increase at AWS first)".to_owned(),
                command: Some("aws sns set-sms-attributes --attributes MonthlySpendLimit=50".to_owned()),
            };
            self.check.add(TroubleKind::SmsSpendLimit, "", words);
        }
    }
}

/// Why AWS would refuse, in a few words.
pub(super) fn why(answer: &Answer) -> String {
    if answer.decision == Decision::ExplicitlyDenied {
        let denies = answer.reasons.iter().filter(|reason| reason.denies && reason.outcome == crate::policy::Outcome::Matched);
        let denies = denies.map(|reason| clipped(&reason.to_string(), 80)).collect::<Vec<_>>();
        return format!("denied by {}", denies.join(", "));
    }
    format!("nothing in {} allows it", clipped(&answer.missing.join(", "), 200))
}
