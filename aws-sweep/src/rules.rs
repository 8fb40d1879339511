//! Rules of EventBridge: of our own account with our own role, of the others through their reader role.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::Target as Listed;
use guardian_aws::{Cloud, classify};
use guardian_core::alarm_path::facts::{Rule, Target};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Fact, Gap, GapReason};
use guardian_core::ports::RuleReader;
use jiff::Timestamp;

const DESCRIBE: &str = "events:DescribeRule";
const TARGETS: &str = "events:ListTargetsByRule";
/// Clients that are kept; the rules of an account are asked for one after the other, so a few are enough.
const MOST_CLIENTS: usize = 64;

/// Reads rules.
pub struct Rules {
    access: Access,
    clients: Mutex<BTreeMap<(AccountId, Region), (SystemTime, Client)>>,
}

enum Access {
    Ours(Box<SdkConfig>),
    Reader(Cloud),
}

impl Rules {
    /// Of our own account, with our own role: the reader role does not know the hub bus.
    pub fn of_our_account(config: &SdkConfig) -> Self {
        Self { access: Access::Ours(Box::new(config.clone())), clients: Mutex::default() }
    }

    /// Of every account, through its reader role.
    pub fn of_accounts(cloud: Cloud) -> Self {
        Self { access: Access::Reader(cloud), clients: Mutex::default() }
    }

    async fn client(&self, account: &AccountId, region: &Region) -> Result<Client, Gap> {
        let (config, until) = match &self.access {
            Access::Ours(config) => {
                (config.to_builder().region(aws_config::Region::new(region.as_str().to_owned())).build(), SystemTime::UNIX_EPOCH)
            }
            Access::Reader(cloud) => cloud.config_in(account, region).await?,
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_CLIENTS {
            clients.clear();
        }
        let place = (account.clone(), region.clone());
        // A client is as good as the session it was made with.
        match clients.get(&place) {
            Some((made_until, client)) if *made_until == until => Ok(client.clone()),
            _ => {
                let client = Client::new(&config);
                clients.insert(place, (until, client.clone()));
                Ok(client)
            }
        }
    }

    async fn read(&self, rule: &Arn, account: &AccountId, region: &Region) -> Result<Rule, Gap> {
        let gap = |action: &str, (reason, detail): (GapReason, String)| Gap {
            action: action.to_owned(),
            account_id: account.clone(),
            region: Some(region.clone()),
            reason,
            detail: Some(detail),
        };
        let client = self.client(account, region).await?;
        // `rule/<name>` on the default bus, `rule/<bus>/<name>` on another.
        let (bus, name) = match rule.resource().split('/').collect::<Vec<_>>().as_slice() {
            ["rule", bus, name] => (Some((*bus).to_owned()), (*name).to_owned()),
            _ => (None, rule.resource_name().to_owned()),
        };
        let described = client.describe_rule().name(&name).set_event_bus_name(bus.clone()).send().await;
        let described = described.map_err(|error| gap(DESCRIBE, classify::reason_of(&error)))?;
        let pattern = match described.event_pattern().map(serde_json::from_str) {
            None => None,
            Some(Ok(pattern)) => Some(pattern),
            Some(Err(_)) => return Err(gap(DESCRIBE, (GapReason::Unreadable, "the pattern is not JSON".to_owned()))),
        };
        let state = described.state().map(|state| state.as_str().to_owned());
        let state = state.ok_or_else(|| gap(DESCRIBE, (GapReason::Unreadable, "answer without a state".to_owned())))?;
        let mut targets = Vec::new();
        let mut next = None;
        loop {
            let request = client.list_targets_by_rule().rule(&name).set_event_bus_name(bus.clone()).set_next_token(next);
            let page = request.send().await.map_err(|error| gap(TARGETS, classify::reason_of(&error)))?;
            targets.extend(page.targets().iter().map(target));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(Rule { state, pattern, targets });
            }
        }
    }
}

fn target(listed: &Listed) -> Target {
    Target {
        id: listed.id().to_owned(),
        arn: listed.arn().to_owned(),
        role_arn: listed.role_arn().map(str::to_owned),
        dead_letters: listed.dead_letter_config().and_then(|config| config.arn()).map(str::to_owned),
    }
}

impl RuleReader for Rules {
    async fn rule(&self, rule: &Arn) -> Fact<Rule> {
        let (Some(account), Some(region)) = (rule.account(), rule.region()) else { return Fact::NotAsked };
        match self.read(rule, &account, &region).await {
            Ok(value) => Fact::Known { value, source: DESCRIBE.to_owned(), at: Timestamp::now() },
            Err(gap) => Fact::Gap(gap),
        }
    }
}
