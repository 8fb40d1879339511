//! Facts of one part of the path: asked, and judged by the core.

use std::collections::BTreeSet;

use guardian_core::alarm_path::facts::{Heartbeat, RuleFacts, TopicFacts, UsedFor};
use guardian_core::alarm_path::{self, Check, FORWARDED};
use guardian_core::arn::{AccountId, Arn};
use guardian_core::evidence::{Fact, Gap};
use guardian_core::ports::{KeyReader, Pulse, QueueReader, RoleReader, RuleReader, TopicReader};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Path;

/// A part of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A topic with its key and subscribers.
    Topic(Arn),
    /// A rule of our own account.
    Rule(Arn),
    /// A queue that should be empty.
    Queue(Arn),
    /// A function that runs by itself.
    Function(String),
    /// The forwarding of an account.
    Account(AccountId),
}

/// A part that is still to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which.
    pub part: Part,
    /// How often it failed so far.
    #[serde(default)]
    pub attempt: u32,
}

impl Shard {
    pub(crate) fn of(part: Part) -> Self {
        Self { part, attempt: 0 }
    }
}

/// The parts of our own account, those without which nothing can be told first.
pub(crate) fn hub(path: &Path) -> Vec<Shard> {
    let topics = [Some(&path.operations), Some(&path.alerts), path.chat.as_ref()].into_iter().flatten().cloned().map(Part::Topic);
    let rules = path.hub_rules.iter().map(|(rule, _)| Part::Rule(rule.clone()));
    let queues = path.dead_letters.iter().cloned().map(Part::Queue);
    let functions = path.heartbeats.iter().map(|(function, _)| Part::Function(function.clone()));
    topics.chain(rules).chain(queues).chain(functions).map(Shard::of).collect()
}

/// What a look at one part brought.
pub(crate) struct Seen {
    pub(crate) checks: Vec<Check>,
    /// Something could not be read that may be readable a little later.
    pub(crate) may_pass: bool,
}

/// Who is asked.
pub(crate) struct Readers<'a, T, H, R, K, P> {
    pub(crate) topics: &'a T,
    pub(crate) hub_rules: &'a H,
    pub(crate) rules: &'a R,
    pub(crate) readers: &'a K,
    pub(crate) pulse: &'a P,
}

impl<T, H, R, K, P> Readers<'_, T, H, R, K, P>
where
    T: TopicReader + QueueReader,
    H: RuleReader,
    R: RuleReader,
    K: KeyReader + RoleReader,
    P: Pulse,
{
    /// Looks at a part. What is not part of the path any more gives nothing.
    pub(crate) async fn look(&self, part: &Part, path: &Path, now: Timestamp) -> Seen {
        match part {
            Part::Topic(topic) => self.topic(topic, path).await,
            Part::Rule(rule) => self.hub_rule(rule, path).await,
            Part::Queue(queue) => {
                let messages = self.topics.messages(queue).await;
                Seen {
                    may_pass: may_pass([messages.gap()]),
                    checks: vec![alarm_path::dead_letters(queue, &messages, *queue == path.undelivered)],
                }
            }
            Part::Function(function) => {
                let Some((_, limit)) = path.heartbeats.iter().find(|(name, _)| name == function) else { return Seen::NOTHING };
                let last = self.pulse.last_beat(function, now).await;
                let facts = Heartbeat { function: function.clone(), last, limit: *limit };
                Seen { may_pass: may_pass([facts.last.gap()]), checks: vec![alarm_path::heartbeat(&facts, now)] }
            }
            Part::Account(account) => self.account(account, path).await,
        }
    }

    async fn topic(&self, topic: &Arn, path: &Path) -> Seen {
        let (used_for, role) = if *topic == path.operations {
            (UsedFor::Operations, &path.operating_role)
        } else if Some(topic) == path.chat.as_ref() {
            (UsedFor::Chat, &path.alerting_role)
        } else {
            (UsedFor::Alerts, &path.alerting_role)
        };
        let (settings, subscriptions, publisher) =
            tokio::join!(self.topics.settings(topic), self.topics.subscriptions(topic), self.readers.role(role, &path.region));
        let key = settings.known().and_then(|settings| settings.key_arn(topic));
        let key = match &key {
            Some(key) => self.readers.key(key).await,
            None => Fact::NotAsked,
        };
        // By the ARN that was read: a policy is not to be had by an alias.
        let key_policy = match key.known() {
            Some(key) => self.readers.key_policy(&key.arn).await,
            None => Fact::NotAsked,
        };
        let by_sms = subscriptions.known().is_some_and(|all| all.iter().any(|one| one.confirmed && one.protocol == "sms"));
        let sms = if by_sms { self.topics.sms(topic).await } else { Fact::NotAsked };
        let facts = TopicFacts { arn: topic.clone(), used_for, settings, subscriptions, key, key_policy, publisher, sms };
        let gaps = [
            facts.settings.gap(),
            facts.subscriptions.gap(),
            facts.key.gap(),
            facts.key_policy.gap(),
            facts.publisher.gap(),
            facts.sms.gap(),
        ];
        Seen { may_pass: may_pass(gaps), checks: vec![alarm_path::topic(&facts)] }
    }

    async fn hub_rule(&self, rule: &Arn, path: &Path) -> Seen {
        let Some((_, queue)) = path.hub_rules.iter().find(|(arn, _)| arn == rule) else { return Seen::NOTHING };
        let target = async {
            match queue.service() {
                "sqs" => Some((queue.clone(), self.topics.policy(queue).await)),
                _ => None,
            }
        };
        let (seen, target, undelivered) = tokio::join!(self.hub_rules.rule(rule), target, self.topics.policy(&path.undelivered));
        let doors = target.into_iter().chain([(path.undelivered.clone(), undelivered)]).collect();
        let facts = RuleFacts { arn: rule.clone(), target: queue.clone(), role: None, dead_letters: path.undelivered.clone(), seen, doors };
        let gaps = facts.doors.iter().map(|(_, policy)| policy.gap()).chain([facts.seen.gap()]);
        Seen { may_pass: may_pass(gaps), checks: vec![alarm_path::hub_rule(&facts)] }
    }

    async fn account(&self, account: &AccountId, path: &Path) -> Seen {
        let mut rules = forwarding(account, path);
        for facts in &mut rules {
            facts.seen = self.rules.rule(&facts.arn).await;
            // Where the account itself is closed to us, the next rule is, too.
            if facts.seen.gap().is_some_and(|gap| gap.action == "sts:AssumeRole") {
                break;
            }
        }
        rules.retain(|facts| facts.seen != Fact::NotAsked);
        let may_pass = may_pass(rules.iter().map(|facts| facts.seen.gap()));
        Seen { may_pass, checks: alarm_path::account(account, &rules) }
    }
}

impl Seen {
    const NOTHING: Self = Self { checks: Vec::new(), may_pass: false };
}

fn may_pass<'a>(gaps: impl IntoIterator<Item = Option<&'a Gap>>) -> bool {
    gaps.into_iter().flatten().any(|gap| gap.reason.may_pass())
}

/// The forwarding rules that an account should have: in each Region, and in the global one of the partition those of global services.
fn forwarding(account: &AccountId, path: &Path) -> Vec<RuleFacts> {
    let global = path.region.global();
    let regional =
        path.regions.iter().flat_map(|region| FORWARDED.iter().filter(|wanted| !wanted.global).map(move |wanted| (region, wanted)));
    let of_global_services = FORWARDED.iter().filter(|wanted| wanted.global).map(|wanted| (&global, wanted));
    let rules = regional.chain(of_global_services);
    rules.filter_map(|(region, wanted)| RuleFacts::forwarding(account, region, wanted, &path.hub_bus, &path.forwarder_role)).collect()
}

/// Every subject there is, where all accounts are known: a trouble of any other is over, because the part is gone.
pub(crate) fn subjects(path: &Path, accounts: &BTreeSet<AccountId>) -> BTreeSet<String> {
    let hub = hub(path).into_iter().map(|shard| subject(&shard.part));
    let accounts = accounts.iter().flat_map(|account| {
        let rules = forwarding(account, path).into_iter().map(|facts| facts.arn.to_string());
        rules.chain([subject(&Part::Account(account.clone()))])
    });
    hub.chain(accounts).chain([ORGANIZATION.to_owned()]).collect()
}

/// The subject of what cannot be listed.
pub(crate) const ORGANIZATION: &str = "organization";

/// The name of a part among the subjects of the core.
pub(crate) fn subject(part: &Part) -> String {
    match part {
        Part::Topic(arn) | Part::Rule(arn) | Part::Queue(arn) => arn.to_string(),
        Part::Function(function) => format!("function {function}"),
        Part::Account(account) => format!("account {account}"),
    }
}
