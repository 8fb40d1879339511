//! What the roles of jobs do to resources of each type, and whether their policies let them.
//!
//! A backup begins with one or two calls on the resource, and a restore with one that makes a new resource. Those are asked about; what a job looks up
//! on its way is not. Which calls they are is told by the managed policies of AWS Backup
//! (<https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html>).

use std::collections::{BTreeMap, BTreeSet};

use super::probe::{Caller, Left, Says};
use super::say::{listed, quoted};
use super::{AccountView, Outcome, Subject, holders};
use crate::arn::{AccountId, Arn, Region};
use crate::coverage::ResourceCoverage;
use crate::evidence::{Fact, Gap, GapReason, Role};
use crate::policy::{Context, Document, Policies};

/// A call, and the form of the ARN that it is done to. `RESOURCE` is the resource that is backed up.
type Call = (&'static str, &'static str);

/// Calls of backups by the type of resource, in lower case.
pub(super) const BACKUPS: &[(&str, &[Call])] = &[
    ("ebs", &[("ec2:CreateSnapshot", "RESOURCE")]),
    ("ec2", &[("ec2:CreateImage", "RESOURCE")]),
    ("rds", &[("rds:CreateDBSnapshot", "RESOURCE")]),
    ("aurora", &[("rds:CreateDBClusterSnapshot", "RESOURCE")]),
    ("documentdb", &[("rds:CreateDBClusterSnapshot", "RESOURCE")]),
    ("neptune", &[("rds:CreateDBClusterSnapshot", "RESOURCE")]),
    ("efs", &[("elasticfilesystem:Backup", "RESOURCE")]),
    ("fsx", &[("fsx:CreateBackup", "RESOURCE")]),
    // The inventory of the bucket tells what is to be backed up. Restores need none of these.
    ("s3", &[("s3:GetInventoryConfiguration", "RESOURCE"), ("s3:PutInventoryConfiguration", "RESOURCE")]),
    ("timestream", &[("timestream:StartAwsBackupJob", "RESOURCE")]),
    ("virtualmachine", &[("backup-gateway:Backup", "RESOURCE")]),
];

/// Calls of restores, likewise.
pub(super) const RESTORES: &[(&str, &[Call])] = &[
    ("ebs", &[("ec2:CreateVolume", "arn:PARTITION:ec2:REGION:ACCOUNT:volume/vol-00000000000000000")]),
    ("ec2", &[("ec2:RunInstances", "arn:PARTITION:ec2:REGION:ACCOUNT:instance/i-00000000000000000")]),
    ("rds", &[("rds:RestoreDBInstanceFromDBSnapshot", "arn:PARTITION:rds:REGION:ACCOUNT:db:restored")]),
    ("aurora", &[("rds:RestoreDBClusterFromSnapshot", "arn:PARTITION:rds:REGION:ACCOUNT:cluster:restored")]),
    ("documentdb", &[("rds:RestoreDBClusterFromSnapshot", "arn:PARTITION:rds:REGION:ACCOUNT:cluster:restored")]),
    ("neptune", &[("rds:RestoreDBClusterFromSnapshot", "arn:PARTITION:rds:REGION:ACCOUNT:cluster:restored")]),
    ("dynamodb", &[("dynamodb:RestoreTableFromAwsBackup", "arn:PARTITION:dynamodb:REGION:ACCOUNT:table/restored")]),
    ("efs", &[("elasticfilesystem:Restore", "arn:PARTITION:elasticfilesystem:REGION:ACCOUNT:file-system/fs-00000000")]),
    ("fsx", &[("fsx:CreateFileSystemFromBackup", "arn:PARTITION:fsx:REGION:ACCOUNT:backup/backup-00000000000000000")]),
    ("s3", &[("s3:PutObject", "arn:PARTITION:s3:::bucket/object")]),
    ("timestream", &[("timestream:StartAwsRestoreJob", "arn:PARTITION:timestream:REGION:ACCOUNT:database/restored")]),
    ("virtualmachine", &[("backup-gateway:Restore", "arn:PARTITION:backup-gateway:REGION:ACCOUNT:hypervisor/hype-00000000")]),
];

/// What a check asks about a role.
pub(super) struct Question {
    pub(super) calls: &'static [(&'static str, &'static [Call])],
    /// Which resources are concerned.
    pub(super) of: fn(&ResourceCoverage) -> bool,
    /// `back up`.
    pub(super) verb: &'static str,
    pub(super) so: &'static str,
    /// Managed policies that hold the permissions: of S3 and of every other type.
    pub(super) managed: (&'static str, &'static str),
}

/// Asks about every role that a selection names, for the types of the resources that it selects.
pub(super) fn each(view: &AccountView<'_>, question: &Question) -> Vec<Outcome> {
    let asked = asked(view, question);
    holders::each(view, |subject, arn, fact| {
        let role = match fact {
            Fact::Known { value, .. } => value,
            Fact::Gap(gap) if gap.reason == GapReason::NotFound => return Outcome::not_applicable(subject, "the role does not exist"),
            fact => return Outcome::unseen(subject, "the policies of the role", fact),
        };
        let calls = asked.calls.get(arn);
        if let (None, Some(gaps)) = (calls, &asked.open) {
            return Outcome::unknown(subject, "not seen: which resources it is for", gaps.clone());
        }
        let Some(calls) = calls else {
            return Outcome::not_applicable(
                subject,
                format!("no resource of a type that is known here is there to {} with it", question.verb),
            );
        };
        of(view, subject, role, calls, asked.open.as_ref(), question)
    })
}

/// An action, what it is done to, where, and the type of the resource.
type Asked = (&'static str, String, Region, String);

#[derive(Default)]
struct Calls {
    calls: BTreeMap<Arn, BTreeMap<(&'static str, String), Asked>>,
    /// Why it is not known of every resource which role it is for; `None`: it is.
    open: Option<Vec<Gap>>,
}

/// The calls that each role makes, one of each action and type.
fn asked(view: &AccountView<'_>, question: &Question) -> Calls {
    let mut found = Calls::default();
    for row in view.coverage.iter().filter(|row| (question.of)(row)) {
        let kind = row.resource_type.to_ascii_lowercase();
        let Some((_, calls)) = question.calls.iter().find(|(name, _)| *name == kind) else { continue };
        for role in roles(view, row, &mut found.open) {
            let of_role = found.calls.entry(role).or_default();
            for (action, form) in *calls {
                of_role.entry((*action, kind.clone())).or_insert_with(|| {
                    let resource = filled(form, row, &view.account.account_id);
                    (*action, resource, row.region.clone(), row.resource_type.clone())
                });
            }
        }
    }
    if let Some(region) =
        view.account.regions.values().find(|region| region.enabled.known() != Some(&false) && region.resources.known().is_none())
    {
        found.open.get_or_insert_default().extend(region.resources.gap().cloned());
    }
    found
}

fn filled(form: &str, row: &ResourceCoverage, account: &AccountId) -> String {
    let region = &row.region;
    let form = form.replace("RESOURCE", row.resource_arn.as_str()).replace("PARTITION", region.partition());
    form.replace("REGION", region.as_str()).replace("ACCOUNT", account.as_str())
}

/// The roles of the selections that certainly select a resource.
fn roles(view: &AccountView<'_>, row: &ResourceCoverage, open: &mut Option<Vec<Gap>>) -> BTreeSet<Arn> {
    let mut roles = BTreeSet::new();
    let mut miss = |gap: Option<&Gap>| open.get_or_insert_default().extend(gap.cloned());
    let Some(region) = view.account.regions.get(&row.region) else { return roles };
    for rule in row.rules.iter().filter(|rule| rule.certain) {
        let Some(plans) = region.plans.known() else {
            miss(region.plans.gap());
            continue;
        };
        let Some(plan) = plans.iter().find(|plan| plan.id == rule.plan_id) else { continue };
        let Some(selections) = plan.selections.known() else {
            miss(plan.selections.gap());
            continue;
        };
        for selection in selections {
            match selection.known() {
                Some(selection) if selection.name == rule.selection_name => drop(roles.insert(selection.role_arn.clone())),
                Some(_) => {}
                None => miss(selection.gap()),
            }
        }
    }
    roles
}

fn of(
    view: &AccountView<'_>,
    subject: Subject,
    role: &Role,
    calls: &BTreeMap<(&'static str, String), Asked>,
    unread: Option<&Vec<Gap>>,
    question: &Question,
) -> Outcome {
    let account = &view.account.account_id;
    let Some(management) = view.is_management_account() else {
        return Outcome::unseen(subject, "which account is the management account", &view.organization.organization);
    };
    let scps = match view.account.scps.known() {
        _ if management => Vec::new(),
        Some(levels) => holders::documents(levels),
        None => return Outcome::unseen(subject, "the service control policies", &view.account.scps),
    };
    let policies = Policies {
        identity: role.policies.iter().map(|policy| Document::read(&policy.document)).collect(),
        boundary: role.boundary.as_ref().map(|boundary| Document::read(&boundary.document)),
        scps,
        ..Policies::default()
    };
    let caller = Caller {
        arn: role.arn.as_str().to_owned(),
        organization_id: view.organization_id(),
        ..Caller::administrator(account, role.arn.partition())
    };
    let mut refused = Left::default();
    let (mut s3, mut others) = (false, false);
    for (action, resource, region, kind) in calls.values() {
        match caller.may(action, (resource, account.as_str()), tagged(caller.context(Some(region.as_str()))), &policies) {
            Says::No => {
                *(if kind.eq_ignore_ascii_case("s3") { &mut s3 } else { &mut others }) = true;
                refused.add(action, Says::Yes);
            }
            says @ Says::Depends(_) => refused.add(action, says),
            Says::Yes => {}
        }
    }
    let name = quoted(role.arn.role_name().unwrap_or_default());
    let kinds = calls.values().map(|(_, _, _, kind)| kind.as_str()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let evidence = role.policies.iter().map(|policy| policy.name.clone());
    let outcome = if !refused.left.is_empty() {
        let (of_s3, of_others) = question.managed;
        let attach = [(others, of_others), (s3, of_s3)].into_iter().filter(|(needed, _)| *needed);
        let attach = attach.map(|(_, path)| quoted(&format!("arn:{}:iam::aws:policy/{path}", role.arn.partition()))).collect::<Vec<_>>();
        let remedy = format!(
            "in account {account} attach {} to the role {name}, or allow {} in a policy of its own; where the role has that, look at its boundary \
             and at the service control policies",
            attach.join(" and "),
            listed(&refused.left)
        );
        Outcome::fail(subject, format!("the role {name} may not do {}, so {}", listed(&refused.left), question.so), remedy)
    } else if let Some((action, on)) = refused.open.first() {
        Outcome::unknown(subject, format!("whether the role {name} may do {} depends on {}", quoted(action), listed(on)), Vec::new())
    } else if let Some(gaps) = unread {
        Outcome::unknown(subject, "not seen: all resources that it is for", gaps.clone())
    } else {
        Outcome::pass(subject, format!("the role {name} may {} {}", question.verb, listed(&kinds)))
    };
    outcome.from(evidence)
}

/// AWS Backup tags what it makes.
fn tagged(mut context: Context) -> Context {
    context.set("aws:ResourceTag/aws:backup:source-resource", "present");
    context
}
