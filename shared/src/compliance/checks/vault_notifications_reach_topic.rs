//! The topics that vaults announce to take it.

use serde_json::Value;

use crate::arn::{Arn, Region};
use crate::compliance::probe::Says;
use crate::compliance::say::{Place, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject};
use crate::copy::BACKUP_SERVICE;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason, KeyManager, TopicInventory};
use crate::policy::{Context, Decision, Document, Policies, Principal, Request, evaluate};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-088",
        name: "vault-notifications-reach-topic",
        title: "The topics that vaults announce to take it",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["backup:GetBackupVaultNotifications", "sns:GetTopicAttributes", "kms:DescribeKey", "kms:GetKeyPolicy"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-notifications.html",
            "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html",
        ],
        page: include_str!("vault-notifications-reach-topic.md"),
    },
    judge: Judge::Account(judge),
};

/// What a publisher asks of the key of a topic.
const KEY: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.vaults(|place, region, vault| {
        let subject = place.of(&vault.vault.arn);
        let topic = match vault.notifications.known() {
            None => return Outcome::unseen(subject, "the notifications of the vault", &vault.notifications),
            Some(None) => return Outcome::not_applicable(subject, "the vault announces nothing"),
            Some(Some(notifications)) => &notifications.topic_arn,
        };
        match region.topics.get(topic) {
            Some(inventory) => of(subject, place, topic, inventory).from([topic.as_str()]),
            None => Outcome::unknown(subject, format!("not seen: the topic {}, which was not asked for", quoted(topic.as_str())), Vec::new()),
        }
    })
}

fn of(subject: Subject, place: Place<'_>, topic: &Arn, inventory: &TopicInventory) -> Outcome {
    let name = quoted(topic.as_str());
    let settings = match &inventory.settings {
        Fact::Known { value, .. } => value,
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => {
            let remedy = format!(
                "{} make the topic {name} again, or let the vault announce to another one (`backup:PutBackupVaultNotifications`)",
                place.words()
            );
            return Outcome::fail(subject, format!("the vault announces to the topic {name}, which does not exist"), remedy);
        }
        fact => return Outcome::unseen(subject, "the policy of the topic", fact),
    };
    let policy = settings.policy.as_ref();
    match asks(place, topic, "sns:Publish", policy, true) {
        Says::Yes => {}
        Says::No => {
            let seen = format!("the policy of the topic {name} does not let AWS Backup publish, so nobody hears what the vault announces");
            let account = place.account;
            let statement = format!(
                r#"{{"Effect":"Allow","Principal":{{"Service":"{BACKUP_SERVICE}"}},"Action":"sns:Publish","Resource":"{topic}","Condition":{{"StringEquals":{{"aws:SourceAccount":"{account}"}}}}}}"#
            );
            let remedy = format!("{} add to the policy of the topic by `sns:SetTopicAttributes`: {}", place.words(), quoted(&statement));
            return Outcome::fail(subject, seen, remedy);
        }
        Says::Depends(on) => {
            return Outcome::unknown(subject, format!("whether AWS Backup may publish to the topic depends on {}", listed(&on)), Vec::new());
        }
    }
    if settings.key.is_none() {
        return Outcome::pass(subject, format!("AWS Backup may publish to the topic {name}"));
    }
    of_key(subject, place, &name, inventory)
}

fn of_key(subject: Subject, place: Place<'_>, topic: &str, inventory: &TopicInventory) -> Outcome {
    let key = match &inventory.key {
        Fact::Known { value, .. } => value,
        Fact::Gap(gap) if gap.reason == GapReason::NotFound => {
            let remedy = format!("{} put the topic {topic} under a key that is there (`sns:SetTopicAttributes`)", place.words());
            return Outcome::fail(subject, "the key of the topic does not exist, so nobody hears what the vault announces", remedy);
        }
        fact => return Outcome::unseen(subject, "the key of the topic", fact),
    };
    let name = quoted(key.arn.as_str());
    if key.manager == Some(KeyManager::Aws) {
        let seen = "the topic is under the key that AWS manages, which lets no service in, so nobody hears what the vault announces";
        let remedy = format!("{} put the topic {topic} under a customer managed key, or under none (`sns:SetTopicAttributes`)", place.words());
        return Outcome::fail(subject, seen, remedy);
    }
    if let Some(state) = key.state.as_deref().filter(|state| *state != "Enabled") {
        let call = if state == "PendingDeletion" { "`kms:CancelKeyDeletion`, then `kms:EnableKey`" } else { "`kms:EnableKey`" };
        let seen = format!("the key of the topic, {name}, is {}, so nobody hears what the vault announces", quoted(state));
        return Outcome::fail(subject, seen, format!("{} enable the key {name}: {call}", place.words()));
    }
    let Some(policy) = inventory.key_policy.known() else {
        return Outcome::unseen(subject, "the policy of the key of the topic", &inventory.key_policy);
    };
    let (mut refused, mut open) = (Vec::new(), Vec::new());
    for action in KEY {
        // AWS does not say whether AWS Backup tells KMS for whom it asks.
        let said = [true, false].map(|told| asks(place, &key.arn, action, Some(&policy.document), told));
        match said {
            [Says::Yes, Says::Yes] => {}
            [Says::No, Says::No] => refused.push(*action),
            [Says::Depends(on), _] | [_, Says::Depends(on)] => open.extend(on),
            _ => open.push("whether AWS Backup tells KMS for whom it asks".to_owned()),
        }
    }
    if !refused.is_empty() {
        let seen = format!(
            "the policy of the key of the topic, {name}, does not let AWS Backup do {}, so nobody hears what the vault announces",
            listed(&refused)
        );
        let statement = format!(
            r#"{{"Effect":"Allow","Principal":{{"Service":"{BACKUP_SERVICE}"}},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*","Condition":{{"StringEqualsIfExists":{{"aws:SourceAccount":"{}"}}}}}}"#,
            place.account
        );
        let remedy = format!("{} add to the policy of the key {name} by `kms:PutKeyPolicy`: {}", place.words(), quoted(&statement));
        return Outcome::fail(subject, seen, remedy);
    }
    open.sort();
    open.dedup();
    if open.is_empty() {
        Outcome::pass(subject, format!("AWS Backup may publish to the topic {topic} and use its key {}", name))
    } else {
        Outcome::unknown(subject, format!("whether AWS Backup may use the key of the topic depends on {}", listed(&open)), Vec::new())
    }
}

/// Whether the policy of a thing lets AWS Backup do something for the account; `told` says whether it tells for which account it asks.
fn asks(place: Place<'_>, on: &Arn, action: &str, policy: Option<&Value>, told: bool) -> Says {
    let account = place.account.as_str();
    let owner = on.account().unwrap_or_else(|| place.account.clone());
    let Ok(principal) = Principal::parse(BACKUP_SERVICE) else { return Says::Depends(vec![BACKUP_SERVICE.to_owned()]) };
    let mut context = Context::open();
    context.set("aws:PrincipalIsAWSService", "true");
    context.set("aws:PrincipalServiceName", BACKUP_SERVICE);
    context.set("aws:SecureTransport", "true");
    if let Some(region) = place.region.map(Region::as_str) {
        context.set("aws:RequestedRegion", region);
    }
    if told {
        context.set("aws:SourceAccount", account);
    } else {
        context.set_absent("aws:SourceAccount");
    }
    let request = Request {
        principal,
        action: action.to_owned(),
        resource: on.as_str().to_owned(),
        resource_account: owner.as_str().to_owned(),
        context,
    };
    let answer = evaluate(&request, &Policies { resource: policy.map(Document::read), ..Policies::default() });
    match answer.decision {
        Decision::Allowed => Says::Yes,
        Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => Says::No,
        Decision::Uncertain if !answer.refused_by.is_empty() => Says::No,
        Decision::Uncertain => Says::Depends(answer.depends_on),
    }
}
