//! The steps, in the one order in which each finds what it needs: settings of the organization, the backup account, the sources, the guardian, and the
//! backup policies last, for these begin to make backups.

use serde_json::Value;

use super::answers::Answers;
use super::plan::{Action, Omitted, Step};
use super::seen::Seen;
use super::stacks::{self, Made, Stack};
use super::there::{agents_there, policy_there, service_control_policies};
use crate::arn::{AccountId, Region};

const MANAGEMENT: &str = "management account";
const BACKUP: &str = "backup account";
const GUARDIAN: &str = "guardian account";
const BACKUP_SERVICE: &str = "backup.amazonaws.com";

pub(super) struct Steps<'a> {
    folder: &'a str,
    steps: Vec<Step>,
    stacks: Vec<Stack>,
    /// What of the steps concerns people who know nothing of them.
    notes: Vec<String>,
    /// Whether the StackSet of the sources may be changed to its parameters: not where they leave out what it may have made before.
    sources_may_change: bool,
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// What the StackSet of the source accounts makes.
fn source_parts(answers: &Answers) -> String {
    let sources = &answers.sources;
    let key = if sources.volumes_use_the_key { "a new key, with which every new EBS volume is encrypted" } else { "a key for EBS volumes" };
    let parts = [
        sources.make_vault.then(|| format!("vault `{}`", sources.vault)),
        sources.make_role.then(|| format!("role `{}`", sources.role)),
        sources.make_volume_key.then(|| key.to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A command of the AWS CLI that says nothing of a Region.
fn global(text: &str) -> Action {
    Action { command: words(&format!("aws {text}")), ..Action::default() }
}

fn regional(region: &Region, text: &str) -> Action {
    let mut action = global(text);
    action.command.extend(["--region".to_owned(), region.to_string()]);
    action
}

/// What changes a StackSet to what the command would have made it.
fn renewal(create: &[String]) -> Vec<String> {
    create.iter().map(|word| if word == "create-stack-set" { "update-stack-set" } else { word }.to_owned()).collect()
}

impl<'a> Steps<'a> {
    pub(super) fn new(folder: &'a str, sources_may_change: bool) -> Self {
        Self { folder, steps: Vec::new(), stacks: Vec::new(), notes: Vec::new(), sources_may_change }
    }

    pub(super) fn done(self) -> (Vec<Step>, Vec<Stack>, Vec<String>) {
        (self.steps, self.stacks, self.notes)
    }

    pub(super) fn all(&mut self, answers: &Answers, seen: &Seen, omitted: &mut Vec<Omitted>) {
        self.organization(answers, seen, omitted);
        self.backup_account(answers, seen, omitted);
        self.sources(answers);
        self.guardian(answers, seen, omitted);
        self.policies(answers, seen, omitted);
    }

    fn step(
        &mut self,
        account: &AccountId,
        whose: &'static str,
        region: Option<&Region>,
        what: impl Into<String>,
        why: impl Into<String>,
        actions: Vec<Action>,
    ) {
        let number = self.steps.len() + 1;
        let (account, region) = (account.clone(), region.cloned());
        self.steps.push(Step { number, account, whose, region, what: what.into(), why: why.into(), actions });
    }

    /// The file of the parameters of a stack, as an argument.
    fn file(&mut self, stack: &Stack) -> String {
        if !self.stacks.contains(stack) {
            self.stacks.push(stack.clone());
        }
        format!("file://{}/parameters/{}.json", self.folder, stack.name)
    }

    /// Makes a stack, or brings it to what the files say.
    fn deploy(&mut self, stack: &Stack, region: &Region) -> Action {
        let file = self.file(stack);
        let mut action = global(&format!("cloudformation deploy --template-file {} --stack-name {}", stack.template, stack.name));
        action.command.extend(["--parameter-overrides".to_owned(), file]);
        if stack.names_roles {
            action.command.extend(words("--capabilities CAPABILITY_NAMED_IAM"));
        }
        action.command.extend(words(&format!("--no-fail-on-empty-changeset --region {region}")));
        action
    }

    /// Two steps: the StackSet, then its stacks.
    fn stack_set(&mut self, answers: &Answers, stack: &Stack, targets: &[String], regions: &[Region], what: &str, why: &str) {
        let (account, hub) = (&answers.organization.management_account, &answers.guardian.region);
        let file = self.file(stack);
        let mut create = global(&format!("cloudformation create-stack-set --stack-set-name {}", stack.name));
        create.command.extend(["--template-body".to_owned(), format!("file://{}", stack.template), "--parameters".to_owned(), file]);
        create.command.extend(words("--permission-model SERVICE_MANAGED --auto-deployment"));
        // What an account that leaves takes with it: its vault and its keys, but nobody to read or forward for others.
        let retain = stack.template == stacks::SOURCE_BACKUP;
        create.command.push(format!("Enabled=true,RetainStacksOnAccountRemoval={retain}"));
        if stack.names_roles {
            create.command.extend(words("--capabilities CAPABILITY_NAMED_IAM"));
        }
        create.command.extend(words(&format!("--region {hub}")));
        create.already = Some("NameAlreadyExistsException");
        create.renew = (self.sources_may_change || !retain).then(|| renewal(&create.command));
        self.step(account, MANAGEMENT, Some(hub), format!("Make the StackSet of {what}"), why, vec![create]);
        let mut stacks = global(&format!("cloudformation create-stack-instances --stack-set-name {}", stack.name));
        stacks.command.extend(["--deployment-targets".to_owned(), format!("OrganizationalUnitIds={}", targets.join(","))]);
        stacks.command.push("--regions".to_owned());
        stacks.command.extend(regions.iter().map(ToString::to_string));
        stacks.command.extend(words("--operation-preferences"));
        stacks.command.push("RegionConcurrencyType=PARALLEL,FailureTolerancePercentage=20,MaxConcurrentPercentage=20".to_owned());
        stacks.command.extend(words(&format!("--region {hub}")));
        stacks.stack_set = Some(stack.name.clone());
        let why = "what comes after needs these stacks, so wait for their end; accounts that join later get theirs by themselves";
        self.step(account, MANAGEMENT, Some(hub), format!("Make its stacks: {what}"), why, vec![stacks]);
    }

    fn organization(&mut self, answers: &Answers, seen: &Seen, omitted: &mut Vec<Omitted>) {
        let (account, hub) = (answers.organization.management_account.clone(), answers.guardian.region.clone());
        let mut setting = |there: Option<bool>, what: &str, why: &str, is: &str, region: Option<&Region>, action: Action| {
            if there == Some(true) {
                omitted.push(Omitted { what: what.to_owned(), because: is.to_owned() });
            } else {
                self.step(&account, MANAGEMENT, region, what, why, vec![action]);
            }
        };
        if seen.all_features == Some(false) {
            setting(
                None,
                "Switch all features of the organization on",
                "policies need them; accounts that were invited must agree first, and there is no way back",
                "",
                None,
                global("organizations enable-all-features"),
            );
        }
        setting(
            seen.backup_trusted,
            "Let AWS Backup see the organization",
            "backup policies and copies across accounts need it; CloudFormation has no type for it",
            "it has trusted access",
            None,
            global(&format!("organizations enable-aws-service-access --service-principal {BACKUP_SERVICE}")),
        );
        setting(
            seen.stack_sets_trusted,
            "Let StackSets deploy to the organization",
            "the stacks of the accounts come from here",
            "StackSets have trusted access",
            Some(&hub),
            regional(&hub, "cloudformation activate-organizations-access"),
        );
        for (kind, there, title) in [
            ("BACKUP_POLICY", seen.backup_policies, "backup policies"),
            ("SERVICE_CONTROL_POLICY", seen.service_control_policies, "service control policies"),
        ] {
            let root = &answers.organization.root_id;
            let mut action = global(&format!("organizations enable-policy-type --root-id {root} --policy-type {kind}"));
            action.already = Some("PolicyTypeAlreadyEnabledException");
            setting(
                there,
                &format!("Switch {title} on"),
                "deploy/management-account.yaml makes such policies; CloudFormation has no type for the switch",
                "the policy type is on at the root",
                None,
                action,
            );
        }
        let delegates = answers.delegated_administrator.as_ref();
        // Whether the list of administrators is kept in step is not told by what was read.
        let there = seen.cross_account.filter(|_| delegates.is_none());
        let also = if delegates.is_some() { ",isDelegatedAdministratorEnabled=true" } else { "" };
        setting(
            there,
            "Allow copies into other accounts",
            "without it every copy fails; CloudFormation has no type for it",
            "isCrossAccountBackupEnabled is true",
            Some(&hub),
            regional(&hub, &format!("backup update-global-settings --global-settings isCrossAccountBackupEnabled=true{also}")),
        );
        if let Some(id) = delegates {
            let there = seen.delegated.as_ref().map(|all| all.contains(id));
            let mut action =
                global(&format!("organizations register-delegated-administrator --account-id {id} --service-principal {BACKUP_SERVICE}"));
            action.already = Some("AccountAlreadyRegisteredException");
            setting(
                there,
                &format!("Make account {id} the delegated administrator of AWS Backup"),
                "so that one account outside of the management account can be given the watch over all jobs and the backup policies; what that needs besides stands at the top",
                "it is one",
                None,
                action,
            );
        }
        self.resource_types(answers, seen, omitted);
    }

    /// The switches of the management account decide for the plans of backup policies in every account.
    fn resource_types(&mut self, answers: &Answers, seen: &Seen, omitted: &mut Vec<Omitted>) {
        if answers.resource_types.is_empty() {
            return;
        }
        for region in &answers.regions {
            let on = |kind: &str| seen.switched.get(region).and_then(|all| all.get(kind)) == Some(&true);
            let off = answers.resource_types.iter().filter(|kind| !on(kind)).map(|kind| (kind.clone(), true.into()));
            let off = off.collect::<serde_json::Map<_, _>>();
            let what = format!("Switch AWS Backup on in {region} for {}", answers.resource_types.join(", "));
            if off.is_empty() {
                omitted.push(Omitted { what, because: "it is on for each of them".to_owned() });
                continue;
            }
            let mut action = global("backup update-region-settings --resource-type-opt-in-preference");
            // The short form of the AWS CLI takes no blank, which some types have.
            action.command.extend([Value::Object(off).to_string(), "--region".to_owned(), region.to_string()]);
            let why = "what is off here is not backed up by any backup policy, in no account; CloudFormation has no type for it";
            self.step(&answers.organization.management_account, MANAGEMENT, Some(region), what, why, vec![action]);
        }
    }

    fn backup_account(&mut self, answers: &Answers, seen: &Seen, omitted: &mut Vec<Omitted>) {
        let account = &answers.backup.account;
        let role = "Make the service-linked role of AWS Backup";
        if seen.accounts.get(account).and_then(|seen| seen.service_linked_role) == Some(true) {
            omitted.push(Omitted { what: role.to_owned(), because: format!("account {account} has AWSServiceRoleForBackup") });
        } else {
            let mut action = global(&format!("iam create-service-linked-role --aws-service-name {BACKUP_SERVICE}"));
            action.already = Some("has been taken in this account");
            let why = "copies are made by it, and a template that made it would fail where it is";
            self.step(account, BACKUP, None, role, why, vec![action]);
        }
        let stack = stacks::backup_account(answers);
        for region in &answers.central_regions() {
            let what = format!("Make the central vault `{}` in {region}, its key and its lock", answers.backup.vault);
            if seen.vault(account, region, &answers.backup.vault) == Some(true) {
                let because = format!("account {account} has a vault of this name there; who made it keeps it");
                omitted.push(Omitted { what, because });
                continue;
            }
            let why = "copies need the vault, and the key must be there before the first of them";
            let action = self.deploy(&stack, region);
            self.step(account, BACKUP, Some(region), what, why, vec![action]);
        }
    }

    fn sources(&mut self, answers: &Answers) {
        let made = &answers.sources;
        if !(made.make_vault || made.make_role || made.make_volume_key) {
            return;
        }
        let stack = stacks::source_backup(answers, Made::StackSet);
        let why = "backup policies name the vault and the role, so both must be in every account before the first run";
        let what = source_parts(answers);
        self.stack_set(answers, &stack, &made.targets, &answers.regions, &format!("what each source account needs ({what})"), why);
        if made.volumes_use_the_key {
            self.notes.push(format!(
                "Step {} changes the accounts of others: in every Region of every source account new EBS volumes are encrypted from then on, with a new key that is their default. Whoever may not use that key makes no volume any more. Write `false` for `sources.volumes_use_the_key` if that is not meant.",
                self.steps.len()
            ));
        }
        if answers.backs_up_management() {
            let account = &answers.organization.management_account;
            let stack = stacks::source_backup(answers, Made::Stack);
            for region in &answers.regions {
                let action = self.deploy(&stack, region);
                let what = format!("Make the same in the management account, {region}");
                self.step(account, MANAGEMENT, Some(region), what, "StackSets never reach it, and the backup policies do", vec![action]);
            }
        }
    }

    fn guardian(&mut self, answers: &Answers, seen: &Seen, omitted: &mut Vec<Omitted>) {
        let (management, hub) = (&answers.organization.management_account, &answers.guardian.region);
        let root = std::slice::from_ref(&answers.organization.root_id);
        let action = self.deploy(&stacks::agent_global(answers, Made::Stack), hub);
        let why = "StackSets never reach it; there the reader role reads the organization and its policies, too";
        self.step(management, MANAGEMENT, Some(hub), "Make the roles of the guardian in the management account", why, vec![action]);
        let agents = "the roles of the guardian in every account";
        if agents_there(answers, seen) {
            let because = format!("every account of the organization has the role `{}`, or was read by it", stacks::READER_ROLE);
            omitted.push(Omitted { what: format!("Make the StackSet of {agents}"), because });
        } else {
            let stack = stacks::agent_global(answers, Made::StackSet);
            let why = "the guardian reads and EventBridge forwards with them; IAM is global, so one Region will do";
            self.stack_set(answers, &stack, root, std::slice::from_ref(hub), agents, why);
        }
        self.file(&stacks::guardian(answers));
        let mut make = Action { command: words("make deploy"), ..Action::default() };
        make.command.push(format!("CONFIG_FILE={}/samconfig.toml", self.folder));
        let why = "it builds the functions and deploys template.yaml: the bus, to which the accounts forward next";
        self.step(&answers.guardian.account, GUARDIAN, Some(hub), "Deploy the guardian", why, vec![make]);
        let regional = stacks::agent_regional(answers, Made::StackSet);
        let regions = stacks::forwarding(answers);
        let why = "each account forwards the events of its Regions to the hub";
        self.stack_set(answers, &regional, root, &regions, "the forwarding rules of every account", why);
        let here = stacks::agent_regional(answers, Made::Stack);
        for region in &regions {
            let action = self.deploy(&here, region);
            let what = format!("Make the forwarding rules of the management account in {region}");
            self.step(management, MANAGEMENT, Some(region), what, "StackSets never reach it", vec![action]);
        }
    }

    fn policies(&mut self, answers: &Answers, seen: &Seen, omitted: &mut Vec<Omitted>) {
        let (management, hub) = (&answers.organization.management_account, &answers.guardian.region);
        for (at, policy) in answers.policies.iter().enumerate() {
            for stack in stacks::backup_policy(answers, at, policy) {
                let name = stack.parameters.iter().find(|(name, _)| *name == "PolicyName").map_or("", |(_, value)| value);
                if policy_there(answers, seen, policy, &stack, name, omitted, &mut self.notes) {
                    continue;
                }
                let mut what = format!("Make the backup policy `{name}`");
                let scps = service_control_policies(&stack, policy).join(" and to ");
                if !scps.is_empty() {
                    what.push_str(&format!(", and attach service control policies to {scps}"));
                    self.notes.push(format!(
                        "Step {} also attaches service control policies to {scps}: administrators there delete no backups any more, change neither vault, key nor role of the backups, and the backup account deletes no snapshot at all. Write `false` in `protect` for what is not meant.",
                        self.steps.len() + 1
                    ));
                }
                let action = self.deploy(&stack, hub);
                let why = "last, for from here on backups are made and copied: everything that they need is there now";
                self.step(management, MANAGEMENT, Some(hub), what, why, vec![action]);
            }
        }
    }
}
