//! Do the rules still let through what the guardian lives on, and send it where it is worked on?

use serde_json::{Value, json};

use super::facts::{Rule, RuleFacts, Target};
use super::topic::why;
use super::{Check, TroubleKind, Words, clipped};
use crate::arn::{AccountId, Arn, Region};
use crate::event::{JobType, TRAIL_DETAIL_TYPE};
use crate::evidence::{Fact, Gap, GapReason};
use crate::policy::{Answer, Context, Decision, Document, Policies, Principal, Request, evaluate};

/// The state in which a rule sees read-only calls, too
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html>).
const SEES_READS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";
/// The queue of each account and Region for what could not be forwarded.
const UNDELIVERED: &str = "backup-guardian-undelivered-events";

/// A rule that has to be on the hub bus and on the default bus of every account and Region, under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedRule {
    /// Its name.
    pub name: &'static str,
    /// Whose events it must let through.
    pub sources: &'static [&'static str],
    /// The detail-types that it must let through: those that AWS sends and the parser of events knows.
    pub detail_types: &'static [&'static str],
    /// Details, as JSON, of events that it must let through.
    pub details: &'static [&'static str],
    /// Whether it must see read-only calls.
    pub sees_reads: bool,
    /// Whether it is in the global Region of the partition alone.
    pub global: bool,
    /// What follows when it does not work.
    pub consequence: &'static str,
}

/// The rules that forward, as deploy/agent-regional.yaml has them (a test compares).
pub const FORWARDED: &[WantedRule] = &[
    WantedRule {
        name: "backup-guardian-problem-events",
        sources: &["aws.backup"],
        detail_types: &[
            JobType::Backup.detail_type(),
            JobType::Copy.detail_type(),
            JobType::Restore.detail_type(),
            JobType::Scan.detail_type(),
        ],
        details: &[r#"{"state":"FAILED"}"#, r#"{"status":"FAILED"}"#],
        sees_reads: false,
        global: false,
        consequence: "failed jobs are heard of only when the lists are searched",
    },
    WantedRule {
        name: "backup-guardian-denial-events",
        sources: &["aws.kms", "aws.backup", "aws.ec2", "aws.rds", "aws.sts"],
        detail_types: &[TRAIL_DETAIL_TYPE],
        details: &[r#"{"eventName":"CreateGrant","errorCode":"AccessDenied","userIdentity":{"invokedBy":"backup.amazonaws.com"}}"#],
        sees_reads: true,
        global: false,
        consequence: "refused calls are not at hand: verdicts are less certain until CloudTrail was searched",
    },
    WantedRule {
        name: "backup-guardian-completed-events",
        sources: &["aws.backup"],
        detail_types: &[JobType::Backup.detail_type(), JobType::Copy.detail_type()],
        details: &[r#"{"state":"COMPLETED"}"#],
        sees_reads: false,
        global: false,
        consequence: "incidents are not seen to end, and the newest good copy is not known",
    },
    WantedRule {
        name: "backup-guardian-not-started-events",
        sources: &["aws.backup"],
        detail_types: &["AWS Service Event via CloudTrail", TRAIL_DETAIL_TYPE],
        details: &[
            r#"{"eventSource":"backup.amazonaws.com","eventName":"ProcessBackupPlanSelection","errorCode":"AccessDenied"}"#,
            r#"{"eventSource":"backup.amazonaws.com","eventName":"InvalidOrganizationBackupPlan"}"#,
        ],
        sees_reads: false,
        global: false,
        consequence: "selections and policies of which AWS Backup makes no job are not heard of",
    },
    WantedRule {
        name: "backup-guardian-change-events",
        sources: &["aws.backup"],
        detail_types: &[
            "Backup Vault State Change",
            "Recovery Point State Change",
            "Backup Plan State Change",
            "Region Setting State Change",
        ],
        details: &[r#"{"state":"DELETED"}"#, r#"{"status":"DELETING"}"#],
        sees_reads: false,
        global: false,
        consequence: "where no trail records calls, deleted vaults and recovery points are not heard of",
    },
    WantedRule {
        name: "backup-guardian-write-events",
        sources: &["aws.backup", "aws.kms", "aws.ec2", "aws.cloudtrail"],
        detail_types: &[TRAIL_DETAIL_TYPE],
        details: &[
            r#"{"eventName":"DeleteRecoveryPoint"}"#,
            r#"{"eventName":"PutKeyPolicy"}"#,
            r#"{"eventName":"DeleteBackupVaultLockConfiguration"}"#,
            r#"{"eventName":"CreateGrant","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111111111111:assumed-role/Admin/anna"}}"#,
            r#"{"eventName":"RevokeGrant","userIdentity":{"arn":"arn:aws:sts::111111111111:assumed-role/Admin/anna"}}"#,
        ],
        sees_reads: false,
        global: false,
        consequence: "who deletes backups, or narrows keys and vaults, is not heard of",
    },
    WantedRule {
        name: "backup-guardian-global-write-events",
        sources: &["aws.iam", "aws.organizations"],
        detail_types: &[TRAIL_DETAIL_TYPE],
        details: &[r#"{"eventName":"DetachRolePolicy"}"#, r#"{"eventName":"UpdatePolicy"}"#],
        sees_reads: false,
        global: true,
        consequence: "who changes roles of backups or policies of the organization is not heard of",
    },
];

/// What a rule of ours should be like; `None` for a schedule.
pub fn wanted(rule: &Arn) -> Option<&'static WantedRule> {
    FORWARDED.iter().find(|wanted| wanted.name == rule.resource_name())
}

/// A rule of the guardian's account: one of the hub bus, or a schedule.
pub fn hub_rule(facts: &RuleFacts) -> Check {
    let mut check = Check::of(facts.arn.as_str());
    match &facts.seen {
        Fact::Gap(gap) if gap.reason != GapReason::NotFound => {
            check.unchecked(&format!("the rule {}", facts.arn.resource_name()), gap);
            check
        }
        _ => judge(facts, check),
    }
}

/// The forwarding rules of an account. A gap that is met in every Region is told once.
pub fn account(account: &AccountId, rules: &[RuleFacts]) -> Vec<Check> {
    let mut itself = Check::of(format!("account {account}"));
    let mut checks = Vec::new();
    let mut gaps = Vec::<(&Gap, Vec<&Region>)>::new();
    for facts in rules {
        match facts.seen.gap().filter(|gap| gap.reason != GapReason::NotFound) {
            Some(gap) => {
                let regions = match gaps.iter_mut().find(|(known, _)| (&known.action, known.reason) == (&gap.action, gap.reason)) {
                    Some((_, regions)) => regions,
                    None => {
                        gaps.push((gap, Vec::new()));
                        continue;
                    }
                };
                regions.extend(&gap.region);
            }
            None => checks.push(judge(facts, Check::of(facts.arn.as_str()))),
        }
    }
    for (gap, more) in gaps {
        let what = format!("the forwarding of account {account}");
        let others = more.iter().filter(|region| Some(**region) != gap.region.as_ref()).collect::<std::collections::BTreeSet<_>>();
        let detail = match others.len() {
            0 => gap.detail.clone(),
            n => Some(format!("{}, and so in {n} more Regions", gap.detail.as_deref().unwrap_or("no detail"))),
        };
        itself.unchecked(&what, &Gap { detail, ..gap.clone() });
    }
    checks.push(itself);
    checks
}

fn judge(facts: &RuleFacts, check: Check) -> Check {
    let mut look = Look { check, facts, wanted: wanted(&facts.arn) };
    match &facts.seen {
        Fact::Known { value, .. } => {
            look.state(value);
            look.pattern(value);
            look.targets(value);
            look.doors();
        }
        Fact::Gap(_) => look.missing(),
        Fact::NotAsked => look.check.complete = false,
    }
    look.check
}

struct Look<'a> {
    check: Check,
    facts: &'a RuleFacts,
    wanted: Option<&'static WantedRule>,
}

impl Look<'_> {
    fn named(&self) -> String {
        let arn = &self.facts.arn;
        match (arn.account(), arn.region()) {
            (Some(account), Some(region)) => format!("the rule {} of account {account} in {region}", arn.resource_name()),
            _ => format!("the rule {arn}"),
        }
    }

    /// Name, bus and Region, as the commands take them.
    fn options(&self, name: &str) -> String {
        let arn = &self.facts.arn;
        let bus = match arn.resource().split('/').collect::<Vec<_>>().as_slice() {
            ["rule", bus, _] => format!(" --event-bus-name {bus}"),
            _ => String::new(),
        };
        let region = arn.region().map(|region| format!(" --region {region}")).unwrap_or_default();
        format!("{name} {}{bus}{region}", arn.resource_name())
    }

    fn add(&mut self, kind: TroubleKind, about: &str, what: String, remedy: &str, command: Option<String>) {
        let consequence = self.wanted.map_or("the function behind it does not begin its work", |wanted| wanted.consequence).to_owned();
        self.check.add(kind, about, Words { what, consequence, remedy: remedy.to_owned(), command });
    }

    fn missing(&mut self) {
        let what = format!("{} does not exist", self.named());
        let remedy = if self.facts.role.is_some() {
            "deploy deploy/agent-regional.yaml there, in the management account as a plain stack, because StackSets never reach it (an account that is to have no guardian belongs out of the organization's list); where it is \
             deployed, delete that stack instance first: CloudFormation does not put back what was deleted by hand"
        } else {
            "make it again: CloudFormation does not put back what was deleted by hand, so change the name of the resource and deploy"
        };
        self.add(TroubleKind::RuleMissing, "", what, remedy, None);
    }

    fn state(&mut self, rule: &Rule) {
        let sees_reads = self.wanted.is_some_and(|wanted| wanted.sees_reads);
        // `put-rule` keeps the targets; `enable-rule` would leave the rule without read-only calls.
        let enable = if sees_reads {
            let (describe, put) = (self.options("--name"), self.options("--name"));
            format!(
                "aws events put-rule {put} --state {SEES_READS} --event-pattern \"$(aws events describe-rule {describe} --query EventPattern --output text)\""
            )
        } else {
            format!("aws events enable-rule {}", self.options("--name"))
        };
        let state = rule.state.as_str();
        if !state.starts_with("ENABLED") {
            let what = format!("{} is {}", self.named(), clipped(state, 60));
            self.add(TroubleKind::RuleDisabled, "", what, "enable it", Some(enable));
        } else if sees_reads && state != SEES_READS {
            let what = format!(
                "{} does not see read-only calls (Decrypt, DescribeKey, ReEncrypt): its state is {}",
                self.named(),
                clipped(state, 60)
            );
            self.add(TroubleKind::RuleBlind, "state", what, "give it the state that sees them", Some(enable));
        }
    }

    fn pattern(&mut self, rule: &Rule) {
        let Some(wanted) = self.wanted else { return };
        for (field, names) in [("source", wanted.sources), ("detail-type", wanted.detail_types)] {
            let lacking = names.iter().filter(|name| !lets_through(rule.pattern.as_ref(), field, name)).copied().collect::<Vec<_>>();
            if !lacking.is_empty() {
                let what = format!("the pattern of {} does not let through the {field} {}", self.named(), lacking.join(", "));
                let remedy = "put back the pattern that the template has";
                let command = Some(format!("aws events describe-rule {}", self.options("--name")));
                self.add(TroubleKind::RuleBlind, field, what, remedy, command);
            }
        }
        if let Some(detail) = wanted.details.iter().find(|detail| self.drops(rule.pattern.as_ref(), detail)) {
            let what = format!("the pattern of {} does not let through an event of the detail {detail}", self.named());
            let command = Some(format!("aws events describe-rule {}", self.options("--name")));
            self.add(TroubleKind::RuleBlind, "detail", what, "put back the pattern that the template has", command);
        }
    }

    /// Whether the queues let the rule in: what one refuses goes where undelivered events go, and what that refuses is lost.
    fn doors(&mut self) {
        for (queue, policy) in &self.facts.doors {
            let name = queue.resource_name();
            let policy = match policy {
                Fact::Known { value, .. } => value.as_ref(),
                // That it is missing or was not read is told of the queue itself, once.
                Fact::Gap(_) if *queue == self.facts.dead_letters => {
                    self.check.complete = false;
                    continue;
                }
                Fact::Gap(gap) if gap.reason == GapReason::NotFound => {
                    let remedy = "make it again: CloudFormation does not put back what was deleted by hand, so give the resource another \
                                  logical id and deploy";
                    self.add(
                        TroubleKind::QueueMissing,
                        name,
                        format!("{} sends to the queue {name}, which does not exist", self.named()),
                        remedy,
                        None,
                    );
                    continue;
                }
                Fact::Gap(gap) => {
                    self.check.unchecked(&format!("whether the queue {name} lets its rules in"), gap);
                    continue;
                }
                Fact::NotAsked => {
                    self.check.complete = false;
                    continue;
                }
            };
            let question = format!("whether the queue {name} lets {} in", self.named());
            match self.sends_to(queue, policy) {
                Some(answer) if answer.decision == Decision::Allowed => {}
                Some(answer) if answer.decision != Decision::Uncertain => {
                    let what = format!("the queue {name} refuses what {} sends: {}", self.named(), why(&answer));
                    let url = format!("aws sqs get-queue-url --queue-name {name} --query QueueUrl --output text");
                    let command = format!("aws sqs get-queue-attributes --attribute-names Policy --queue-url \"$({url})\"");
                    let remedy = "put back its policy as template.yaml has it";
                    if *queue == self.facts.dead_letters {
                        let consequence = "what this rule cannot deliver is lost without a trace".to_owned();
                        let words = Words { what, consequence, remedy: remedy.to_owned(), command: Some(command) };
                        self.check.add(TroubleKind::QueueRefuses, name, words);
                    } else {
                        self.add(TroubleKind::QueueRefuses, name, what, remedy, Some(command));
                    }
                }
                answer => {
                    let depends_on = answer.map_or_else(|| vec!["the ARN of the rule".to_owned()], |answer| answer.depends_on);
                    self.check.unsettled(&question, &format!("{} {name}", TroubleKind::QueueRefuses.as_str()), &depends_on);
                }
            }
        }
    }

    fn sends_to(&self, queue: &Arn, policy: Option<&Value>) -> Option<Answer> {
        let rule = &self.facts.arn;
        let mut context = Context::open();
        context.set("aws:SecureTransport", "true");
        context.set("aws:SourceAccount", rule.account()?.as_str());
        context.set("aws:SourceArn", rule.as_str());
        let request = Request {
            principal: Principal::parse("events.amazonaws.com").ok()?,
            action: "sqs:SendMessage".to_owned(),
            resource: queue.as_str().to_owned(),
            resource_account: queue.account()?.as_str().to_owned(),
            context,
        };
        let none = json!({"Version": "2012-10-17", "Statement": []});
        let resource = Some(Document::read(policy.unwrap_or(&none)));
        Some(evaluate(&request, &Policies { resource, ..Policies::default() }))
    }

    /// Whether a pattern drops an event of this detail for sure, by anything but its source and its type. A rule of an account sees that
    /// account and Region only; one of the hub bus has to let every account through.
    fn drops(&self, pattern: Option<&Value>, detail: &str) -> bool {
        let (Some(Value::Object(pattern)), Ok(detail)) = (pattern, serde_json::from_str::<Value>(detail)) else { return false };
        let mut event = json!({"detail": detail});
        if let (Some(_), Value::Object(event)) = (&self.facts.role, &mut event) {
            let place = [
                ("account", self.facts.arn.account().map(|it| it.to_string())),
                ("region", self.facts.arn.region().map(|it| it.to_string())),
            ];
            event.extend(place.into_iter().filter_map(|(name, it)| Some((name.to_owned(), Value::String(it?)))));
        }
        let mut others = pattern.iter().filter(|(field, _)| !matches!(field.as_str(), "source" | "detail-type"));
        !others.all(|(field, values)| may_match(field, values, Some(&event)))
    }

    fn targets(&mut self, rule: &Rule) {
        let wanted = self.facts.target.as_str();
        let Some(target) = rule.targets.iter().find(|target| target.arn == wanted) else {
            let elsewhere = rule.targets.iter().map(|target| clipped(&target.arn, 120)).collect::<Vec<_>>();
            let elsewhere = if elsewhere.is_empty() { "to nothing".to_owned() } else { format!("to {} only", elsewhere.join(", ")) };
            let what = format!("{} does not send to {wanted}, but {elsewhere}", self.named());
            let command = Some(self.put_target("backup-guardian"));
            self.add(TroubleKind::TargetMissing, "", what, "give it its target", command);
            return;
        };
        if let Some(role) = &self.facts.role
            && target.role_arn.as_ref() != Some(role)
        {
            let with = target.role_arn.as_deref().map_or_else(|| "no role".to_owned(), |role| clipped(role, 150));
            let what = format!("{} sends to the hub bus with {with}, which admits {role} only", self.named());
            let command = self.put_same(target);
            self.add(TroubleKind::TargetAstray, "role", what, "give the target its role", command);
        }
        if target.dead_letters.as_deref() != Some(self.facts.dead_letters.as_str()) {
            let what =
                format!("{} has no dead-letter queue {} for what it cannot deliver", self.named(), self.facts.dead_letters.resource_name());
            let command = self.put_same(target);
            self.add(TroubleKind::NoDeadLetters, "", what, "give the target its dead-letter queue", command);
        }
    }

    /// A target of the same id is replaced. An id that others chose goes into no command unless it is plain.
    fn put_same(&self, target: &Target) -> Option<String> {
        let plain = !target.id.is_empty() && target.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        plain.then(|| self.put_target(&target.id))
    }

    fn put_target(&self, id: &str) -> String {
        let role = self.facts.role.as_ref().map(|role| format!(",RoleArn={role}")).unwrap_or_default();
        let (target, dead_letters) = (&self.facts.target, &self.facts.dead_letters);
        let options = self.options("--rule");
        format!("aws events put-targets {options} --targets \"Id={id},Arn={target}{role},DeadLetterConfig={{Arn={dead_letters}}}\"")
    }
}

/// Whether a pattern has a name among the values of a field. What is no plain text (a prefix, a wildcard) may match: it is not called blind.
fn lets_through(pattern: Option<&Value>, field: &str, name: &str) -> bool {
    let Some(pattern) = pattern else { return false };
    match pattern.get(field) {
        // No such field: every value passes.
        None => pattern.is_object(),
        Some(values) => values.as_array().is_some_and(|values| values.iter().any(|value| value.as_str().is_none_or(|value| value == name))),
    }
}

/// Whether a field of a pattern may match an event. What is not known of the language of patterns may.
fn may_match(field: &str, pattern: &Value, event: Option<&Value>) -> bool {
    match pattern {
        Value::Array(others) if field == "$or" => {
            others.iter().any(|other| other.as_object().is_none_or(|all| all.iter().all(|(field, of)| may_match(field, of, event))))
        }
        Value::Array(values) => {
            let value = event.and_then(|event| event.get(field));
            values.iter().any(|one| value_may_match(one, value))
        }
        Value::Object(fields) => {
            let inner = event.and_then(|event| event.get(field));
            fields.iter().all(|(field, of)| may_match(field, of, inner))
        }
        _ => true,
    }
}

fn value_may_match(wanted: &Value, value: Option<&Value>) -> bool {
    let Value::Object(test) = wanted else { return value == Some(wanted) };
    if let Some(Value::Bool(exists)) = test.get("exists") {
        return value.is_some() == *exists;
    }
    let Some(value) = value else { return false };
    match (test.get("anything-but"), test.get("prefix"), value) {
        (Some(Value::Array(but)), _, _) => !but.contains(value),
        (Some(but @ Value::String(_)), _, _) => but != value,
        (_, Some(Value::String(prefix)), Value::String(value)) => value.starts_with(prefix.as_str()),
        _ => true,
    }
}

impl RuleFacts {
    /// A forwarding rule of an account, as deploy/agent-regional.yaml makes it.
    pub fn forwarding(account: &AccountId, region: &Region, wanted: &WantedRule, hub_bus: &Arn, role_name: &str) -> Option<Self> {
        let partition = region.partition();
        let arn = |service: &str, resource: String| Arn::parse(&format!("arn:{partition}:{service}:{region}:{account}:{resource}")).ok();
        Some(Self {
            arn: arn("events", format!("rule/{}", wanted.name))?,
            target: hub_bus.clone(),
            role: Some(format!("arn:{partition}:iam::{account}:role/{role_name}")),
            dead_letters: arn("sqs", UNDELIVERED.to_owned())?,
            seen: Fact::NotAsked,
            doors: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn blind(name: &str, pattern: Value) -> bool {
        let wanted = FORWARDED.iter().find(|wanted| wanted.name == name).unwrap();
        let (account, region) = (AccountId::parse("111111111111").unwrap(), Region::parse("eu-central-1").unwrap());
        let bus = Arn::parse("arn:aws:events:eu-central-1:444444444444:event-bus/hub").unwrap();
        let facts = RuleFacts::forwarding(&account, &region, wanted, &bus, "forwarder").unwrap();
        let value = Rule { state: SEES_READS.to_owned(), pattern: Some(pattern), targets: Vec::new() };
        let check = hub_rule(&RuleFacts { seen: Fact::Known { value, source: String::new(), at: Timestamp::UNIX_EPOCH }, ..facts });
        check.troubles.iter().any(|trouble| trouble.kind == TroubleKind::RuleBlind)
    }

    #[test]
    fn a_pattern_that_drops_by_its_detail_is_blind_and_those_of_the_templates_are_not() {
        let types = ["Backup Job State Change", "Copy Job State Change", "Restore Job State Change", "Scan Job State Change"];
        let problems = |more: Value| {
            let mut pattern = json!({"source": ["aws.backup"], "detail-type": types});
            pattern.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            blind("backup-guardian-problem-events", pattern)
        };
        let but = json!([{"anything-but": ["CREATED", "COMPLETED"]}]);
        assert!(!problems(
            json!({"detail": {"$or": [{"state": but}, {"status": but}, {"state": [{"exists": false}], "status": [{"exists": false}]}]}})
        ));
        assert!(!problems(json!({})) && !problems(json!({"account": ["111111111111"], "region": ["eu-central-1"]})));
        for more in [
            json!({"detail": {"state": ["NEVER"]}}),
            json!({"detail": {"state": [{"anything-but": "FAILED"}]}}),
            json!({"detail": {"$or": [{"state": [{"prefix": "X"}]}, {"status": but}]}}),
            json!({"account": ["222222222222"]}),
            json!({"resources": ["arn:aws:backup:eu-central-1:111111111111:backup-vault:one"]}),
        ] {
            assert!(problems(more.clone()), "{more}");
        }
        let denials = |error: &str| {
            let identity = json!({"$or": [{"arn": [{"wildcard": "*:AWSBackup-*"}]}, {"invokedBy": ["backup.amazonaws.com"]}]});
            let sources = ["aws.kms", "aws.backup", "aws.ec2", "aws.rds", "aws.sts"];
            let detail = json!({"errorCode": [error], "userIdentity": identity});
            blind("backup-guardian-denial-events", json!({"source": sources, "detail-type": [TRAIL_DETAIL_TYPE], "detail": detail}))
        };
        assert!(!denials("AccessDenied") && denials("None"));
        let not_started = |name: &str| {
            let details = json!({"eventSource": ["backup.amazonaws.com"], "$or": [
                {"eventName": ["ProcessBackupPlanSelection"], "errorCode": [{"exists": true}]}, {"eventName": [name]}]});
            let kinds = ["AWS Service Event via CloudTrail", TRAIL_DETAIL_TYPE];
            blind("backup-guardian-not-started-events", json!({"source": ["aws.backup"], "detail-type": kinds, "detail": details}))
        };
        assert!(!not_started("InvalidOrganizationBackupPlan") && not_started("Another"));
    }
}
