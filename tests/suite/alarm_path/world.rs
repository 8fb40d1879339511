//! The alarm path in memory: topics, keys, rules and queues as template.yaml and deploy/ make them, and whoever is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use check_alarm_path::{Handler, ItemError, Outcome, Path, Ports};
use guardian_core::alarm_path::facts::{Rule, SmsAccount, Subscription, Target, TopicSettings};
use guardian_core::alarm_path::{FORWARDED, Kept};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::event::JobType;
use guardian_core::evidence::{Fact, Gap, GapReason, Key, KeyGrants, KeyManager, KeyPolicy, NamedPolicy, Role};
use guardian_core::ports::{
    AlertSink, Heart, JobLists, JobPage, KeyReader, Operations, Outbox, PortError, Pulse, QueueReader, RoleReader, RuleReader, Slice,
    TopicReader, TroubleMemory, Whose,
};
use guardian_core::report::Message;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(super) const START: &[u8] = br#"{"source": "aws.events", "detail-type": "Scheduled Event"}"#;
pub(super) const ALERTS: &str = "arn:aws:sns:eu-central-1:444444444444:alerts";
pub(super) const CHAT: &str = "arn:aws:sns:eu-central-1:444444444444:chat";
pub(super) const OPERATIONS: &str = "arn:aws:sns:eu-central-1:444444444444:operations";
pub(super) const KEY: &str = "arn:aws:kms:eu-central-1:444444444444:key/k";
pub(super) const ALERTING: &str = "arn:aws:iam::444444444444:role/backup-guardian-function-diagnose-job";
pub(super) const OPERATING: &str = "arn:aws:iam::444444444444:role/backup-guardian-function-check-alarm-path";
pub(super) const PROBLEMS: &str = "arn:aws:events:eu-central-1:444444444444:rule/backup-guardian/backup-guardian-problem-events";
pub(super) const DENIALS: &str = "arn:aws:events:eu-central-1:444444444444:rule/backup-guardian/backup-guardian-denial-events";
pub(super) const SCHEDULE: &str = "arn:aws:events:eu-central-1:444444444444:rule/backup-guardian-reconcile";
pub(super) const QUEUE: &str = "arn:aws:sqs:eu-central-1:444444444444:work";
pub(super) const UNDELIVERED: &str = "arn:aws:sqs:eu-central-1:444444444444:undelivered";
pub(super) const DEAD: &str = "arn:aws:sqs:eu-central-1:444444444444:dead-letters";
pub(super) const BUS: &str = "arn:aws:events:eu-central-1:444444444444:event-bus/backup-guardian";
pub(super) const MEMBER: &str = "111111111111";
/// What one look at an account takes.
pub(super) const CALL: Duration = Duration::from_secs(5);

pub(super) fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

pub(super) fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

pub(super) fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

pub(super) fn start() -> Timestamp {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) settings: BTreeMap<String, TopicSettings>,
    pub(super) subscriptions: BTreeMap<String, Vec<Subscription>>,
    pub(super) sms: SmsAccount,
    pub(super) key: Key,
    pub(super) key_policy: Value,
    pub(super) roles: BTreeMap<String, Value>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) queues: BTreeMap<String, u64>,
    /// Policies of queues that are not as the template has them.
    pub(super) doors: BTreeMap<String, Option<Value>>,
    pub(super) beat: Timestamp,
    /// Our own heartbeats.
    pub(super) beats: Vec<(&'static str, Timestamp)>,
    pub(super) accounts: Vec<AccountId>,
    /// Calls that fail, as `action of object`.
    pub(super) refused: BTreeMap<String, GapReason>,
    pub(super) slow: bool,
    pub(super) kept: BTreeMap<String, Kept>,
    pub(super) memory_is_down: bool,
    pub(super) operations_refuse: bool,
    pub(super) alerts_refuse: bool,
    pub(super) queue_is_down: bool,
    pub(super) own: Vec<String>,
    pub(super) told: Vec<(String, String)>,
    pub(super) alerted: Vec<Message>,
    pub(super) metrics: Vec<Value>,
}

#[derive(Clone)]
pub(super) struct World(Arc<Mutex<State>>);

pub(super) fn down(operation: &'static str) -> PortError {
    PortError { operation, code: "down".to_owned(), retryable: true }
}

pub(super) fn statement(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

pub(super) fn topic_policy(topic: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444444444444:root"}, "Action": "sns:Publish", "Resource": topic},
        {"Sid": "Alarms", "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic,
         "Condition": {"StringEquals": {"aws:SourceAccount": "444444444444"},
                       "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:eu-central-1:444444444444:alarm:*"}}},
        {"Sid": "DenyPlainHttp", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic,
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]})
}

/// A rule as it should be, by its name.
pub(super) fn rule(name: &str, target: &str, role: Option<String>, dead_letters: &str) -> Rule {
    let wanted = FORWARDED.iter().find(|wanted| wanted.name == name);
    Rule {
        state: if wanted.is_some_and(|wanted| wanted.sees_reads) { "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" } else { "ENABLED" }
            .to_owned(),
        pattern: wanted.map(|wanted| json!({"source": wanted.sources, "detail-type": wanted.detail_types})),
        targets: vec![Target { id: "t".to_owned(), arn: target.to_owned(), role_arn: role, dead_letters: Some(dead_letters.to_owned()) }],
    }
}

pub(super) fn forwarder(account: &str, name: &str) -> (String, Rule) {
    // The events of global services are in one Region of the partition.
    let global = FORWARDED.iter().any(|wanted| wanted.name == name && wanted.global);
    let region = if global { "us-east-1" } else { "eu-central-1" };
    let dead_letters = format!("arn:aws:sqs:{region}:{account}:backup-guardian-undelivered-events");
    let role = format!("arn:aws:iam::{account}:role/backup-guardian-forwarder");
    (format!("arn:aws:events:{region}:{account}:rule/{name}"), rule(name, BUS, Some(role), &dead_letters))
}

/// Everything is as template.yaml and deploy/ make it.
pub(super) fn world() -> World {
    let listener = |protocol: &str| Subscription { protocol: protocol.to_owned(), endpoint: "on-call".to_owned(), confirmed: true };
    let mut state = State {
        now: start(),
        settings: BTreeMap::new(),
        subscriptions: BTreeMap::new(),
        sms: SmsAccount { in_sandbox: Some(false), monthly_spend_limit: Some(50.0) },
        key: Key { arn: arn(KEY), manager: Some(KeyManager::Customer), state: Some("Enabled".to_owned()), deletion_at: None },
        key_policy: json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444444444444:root"}, "Action": "kms:*", "Resource": "*"}]}),
        roles: BTreeMap::new(),
        rules: BTreeMap::new(),
        queues: [UNDELIVERED, DEAD].map(|queue| (queue.to_owned(), 0)).into(),
        doors: BTreeMap::new(),
        beat: start() - SignedDuration::from_mins(30),
        beats: Vec::new(),
        accounts: vec![account(MEMBER)],
        refused: BTreeMap::new(),
        slow: false,
        kept: BTreeMap::new(),
        memory_is_down: false,
        operations_refuse: false,
        alerts_refuse: false,
        queue_is_down: false,
        own: Vec::new(),
        told: Vec::new(),
        alerted: Vec::new(),
        metrics: Vec::new(),
    };
    for topic in [ALERTS, CHAT, OPERATIONS] {
        let key = (topic != OPERATIONS).then(|| KEY.to_owned());
        state.settings.insert(topic.to_owned(), TopicSettings { policy: Some(topic_policy(topic)), key });
        state.subscriptions.insert(topic.to_owned(), vec![listener("email")]);
    }
    let alerting = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": [ALERTS, CHAT]},
        {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": KEY,
         "Condition": {"StringEquals": {"kms:ViaService": ["sqs.eu-central-1.amazonaws.com", "sns.eu-central-1.amazonaws.com"]}}}]});
    state.roles.insert(ALERTING.to_owned(), alerting);
    state.roles.insert(OPERATING.to_owned(), statement("sns:Publish"));
    for name in [PROBLEMS, DENIALS, SCHEDULE] {
        state.rules.insert(name.to_owned(), rule(arn(name).resource_name(), QUEUE, None, UNDELIVERED));
    }
    let world = World(Arc::new(Mutex::new(state)));
    world.deploy_agents(MEMBER);
    world.deploy_agents("444444444444");
    world
}

impl World {
    pub(super) fn set<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(super) fn deploy_agents(&self, account: &str) {
        self.set(|state| state.rules.extend(FORWARDED.iter().map(|wanted| forwarder(account, wanted.name))));
    }

    pub(super) fn refuse(&self, call: &str, reason: GapReason) {
        self.set(|state| state.refused.insert(call.to_owned(), reason));
    }

    fn answer<T>(&self, action: &str, object: &Arn, value: impl FnOnce(&State) -> Option<T>) -> Fact<T> {
        self.set(|state| {
            let all = [format!("{action} of {object}"), format!("{action} of {}", object.account().unwrap())];
            let reason = all.iter().find_map(|call| state.refused.get(call)).copied();
            let value = value(state);
            match (reason, value) {
                (None, Some(value)) => Fact::Known { value, source: action.to_owned(), at: state.now },
                (reason, _) => Fact::Gap(Gap {
                    action: action.to_owned(),
                    account_id: object.account().unwrap(),
                    region: object.region(),
                    reason: reason.unwrap_or(GapReason::NotFound),
                    detail: None,
                }),
            }
        })
    }

    pub(super) async fn run(&self, body: &[u8], seconds: u64) -> Result<Outcome, ItemError> {
        let (clock, metrics) = (self.clone(), self.clone());
        let ports = Ports {
            topics: self.clone(),
            hub_rules: self.clone(),
            rules: self.clone(),
            readers: self.clone(),
            pulse: self.clone(),
            memory: self.clone(),
            own: self.clone(),
            operations: self.clone(),
            alerts: self.clone(),
            now: Box::new(move || clock.set(|state| state.now)),
            metrics: Box::new(move |line| metrics.set(|state| state.metrics.push(serde_json::from_str(line).unwrap()))),
        };
        let path = Path {
            account: account("444444444444"),
            region: region(),
            alerts: arn(ALERTS),
            chat: Some(arn(CHAT)),
            operations: arn(OPERATIONS),
            alerting_role: arn(ALERTING),
            operating_role: arn(OPERATING),
            hub_rules: [PROBLEMS, DENIALS, SCHEDULE].map(|rule| (arn(rule), arn(QUEUE))).into(),
            undelivered: arn(UNDELIVERED),
            dead_letters: vec![arn(UNDELIVERED), arn(DEAD)],
            hub_bus: arn(BUS),
            forwarder_role: "backup-guardian-forwarder".to_owned(),
            heartbeats: vec![("reconcile-jobs".to_owned(), Duration::from_secs(4 * 3600))],
            regions: vec![region()],
            known_accounts: vec![account("444444444444")],
        };
        Arc::new(Handler::new(ports, path)).message(body, Instant::now() + Duration::from_secs(seconds)).await
    }

    /// A run of the schedule to its end; what was told meanwhile.
    pub(super) async fn look(&self) -> Vec<String> {
        self.run(START, 300).await.unwrap();
        let mut invocations = 0;
        while let Some(body) = self.set(|state| state.own.pop()) {
            self.run(body.as_bytes(), 300).await.unwrap();
            invocations += 1;
            assert!(invocations < 200, "it goes in circles");
        }
        self.set(|state| {
            state.now += SignedDuration::from_hours(1);
            state.beat += SignedDuration::from_hours(1);
            std::mem::take(&mut state.told).into_iter().map(|(subject, body)| format!("{subject}\n{body}")).collect()
        })
    }

    pub(super) fn beats(&self) -> usize {
        self.set(|state| state.metrics.iter().filter(|line| line["heartbeat"] == 1).count())
    }
}

impl TopicReader for World {
    async fn settings(&self, topic: &Arn) -> Fact<TopicSettings> {
        self.answer("sns:GetTopicAttributes", topic, |state| state.settings.get(topic.as_str()).cloned())
    }

    async fn subscriptions(&self, topic: &Arn) -> Fact<Vec<Subscription>> {
        self.answer("sns:ListSubscriptionsByTopic", topic, |state| state.subscriptions.get(topic.as_str()).cloned())
    }

    async fn sms(&self, topic: &Arn) -> Fact<SmsAccount> {
        self.answer("sns:GetSMSAttributes", topic, |state| Some(state.sms.clone()))
    }
}

impl QueueReader for World {
    async fn messages(&self, queue: &Arn) -> Fact<u64> {
        self.answer("sqs:GetQueueAttributes", queue, |state| state.queues.get(queue.as_str()).copied())
    }

    async fn policy(&self, queue: &Arn) -> Fact<Option<Value>> {
        let open = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}]});
        self.answer("sqs:GetQueueAttributes", queue, |state| Some(state.doors.get(queue.as_str()).cloned().unwrap_or(Some(open))))
    }
}

impl RuleReader for World {
    async fn rule(&self, rule: &Arn) -> Fact<Rule> {
        if self.set(|state| state.slow) {
            tokio::time::sleep(CALL).await;
        }
        let assumed = self.answer("sts:AssumeRole", rule, |_| Some(()));
        if let Fact::Gap(gap) = assumed {
            return Fact::Gap(gap);
        }
        self.answer("events:DescribeRule", rule, |state| state.rules.get(rule.as_str()).cloned())
    }
}

impl KeyReader for World {
    async fn key(&self, key: &Arn) -> Fact<Key> {
        self.answer("kms:DescribeKey", key, |state| Some(state.key.clone()))
    }

    async fn key_policy(&self, key: &Arn) -> Fact<KeyPolicy> {
        self.answer("kms:GetKeyPolicy", key, |state| Some(KeyPolicy { key_arn: key.clone(), document: state.key_policy.clone() }))
    }

    async fn grants(&self, _: &Arn) -> Fact<KeyGrants> {
        panic!("nobody asks for grants")
    }
}

impl RoleReader for World {
    async fn role(&self, role: &Arn, _: &Region) -> Fact<Role> {
        self.answer("iam:GetRole", role, |state| {
            let document = state.roles.get(role.as_str())?.clone();
            let policies = vec![NamedPolicy { name: "p".to_owned(), arn: None, document }];
            Some(Role { arn: role.clone(), trust: None, policies, boundary: None })
        })
    }
}

impl JobLists for World {
    fn organization_account(&self) -> Option<AccountId> {
        Some(account("333333333333"))
    }

    async fn accounts(&self) -> Result<Vec<AccountId>, Gap> {
        let organization = arn("arn:aws:organizations::333333333333:organization/o-1");
        match self.answer("organizations:ListAccounts", &organization, |state| Some(state.accounts.clone())) {
            Fact::Known { value, .. } => Ok(value),
            Fact::Gap(gap) => Err(gap),
            Fact::NotAsked => panic!("it was asked"),
        }
    }

    async fn jobs(&self, _: &Whose, _: &Region, _: JobType, _: Slice, _: Option<String>) -> Result<Option<JobPage>, Gap> {
        panic!("nobody asks for jobs")
    }
}

impl Pulse for World {
    async fn last_beat(&self, _: &str, _: Timestamp) -> Fact<Timestamp> {
        self.answer("dynamodb:UpdateItem", &arn("arn:aws:dynamodb:eu-central-1:444444444444:table/guardian"), |state| Some(state.beat))
    }
}

impl Heart for World {
    async fn beat(&self, function: &'static str, now: Timestamp) -> Result<(), PortError> {
        self.set(|state| {
            if state.memory_is_down {
                return Err(down("dynamodb:UpdateItem"));
            }
            state.beats.push((function, now));
            Ok(())
        })
    }
}

impl TroubleMemory for World {
    async fn kept(&self) -> Result<Vec<Kept>, PortError> {
        self.set(|state| if state.memory_is_down { Err(down("dynamodb:Query")) } else { Ok(state.kept.values().cloned().collect()) })
    }

    async fn keep(&self, kept: &[Kept], _: Timestamp) -> Result<(), PortError> {
        self.set(|state| {
            if state.memory_is_down {
                return Err(down("dynamodb:BatchWriteItem"));
            }
            state.kept.extend(kept.iter().map(|kept| (kept.id.clone(), kept.clone())));
            Ok(())
        })
    }

    async fn forget(&self, ids: &[String]) -> Result<(), PortError> {
        self.set(|state| state.kept.retain(|id, _| !ids.contains(id)));
        Ok(())
    }
}

impl Outbox for World {
    async fn put(&self, bodies: &[String], _: Duration) -> Result<(), PortError> {
        self.set(|state| {
            if state.queue_is_down && !bodies.is_empty() {
                return Err(down("sqs:SendMessage"));
            }
            state.own.extend_from_slice(bodies);
            Ok(())
        })
    }
}

impl Operations for World {
    async fn tell(&self, subject: &str, body: &str) -> Result<(), PortError> {
        self.set(|state| {
            if state.operations_refuse {
                return Err(down("sns:Publish"));
            }
            state.told.push((subject.to_owned(), body.to_owned()));
            Ok(())
        })
    }
}

impl AlertSink for World {
    async fn send(&self, message: &Message) -> Result<(), PortError> {
        self.set(|state| {
            if state.alerts_refuse {
                return Err(down("sns:Publish"));
            }
            state.alerted.push(message.clone());
            Ok(())
        })
    }
}
