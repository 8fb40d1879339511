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
    placed(&form.replace("RESOURCE", row.resource_arn.as_str()), &row.region, account)
}

fn placed(form: &str, region: &Region, account: &AccountId) -> String {
    form.replace("PARTITION", region.partition()).replace("REGION", region.as_str()).replace("ACCOUNT", account.as_str())
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
    let scps = match scps(view) {
        Ok(scps) => scps,
        Err(unseen) => return unseen(subject),
    };
    let Refused { calls: refused, s3, others } = refused(view, role, calls.values(), &scps);
    let name = quoted(role.arn.role_name().unwrap_or_default());
    let kinds = calls.values().map(|(_, _, _, kind)| kind.as_str()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let evidence = role.policies.iter().map(|policy| policy.name.clone());
    let outcome = if !refused.left.is_empty() {
        let remedy = attach(&view.account.account_id, &role.arn, &refused.left, (s3, others), question);
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

/// What a role may not do of some calls, and whether those are for buckets, for others, or both.
#[derive(Default)]
struct Refused {
    calls: Left<'static>,
    s3: bool,
    others: bool,
}

fn refused<'c>(view: &AccountView<'_>, role: &Role, calls: impl Iterator<Item = &'c Asked>, scps: &[Vec<Document>]) -> Refused {
    let account = &view.account.account_id;
    let policies = Policies { scps: scps.to_vec(), ..holders::policies(role) };
    let caller = Caller {
        arn: role.arn.as_str().to_owned(),
        organization_id: view.organization_id(),
        ..Caller::administrator(account, role.arn.partition())
    };
    let mut refused = Refused::default();
    for (action, resource, region, kind) in calls {
        match caller.may(action, (resource, account.as_str()), tagged(caller.context(Some(region.as_str()))), &policies) {
            Says::No => {
                *(if kind.eq_ignore_ascii_case("s3") { &mut refused.s3 } else { &mut refused.others }) = true;
                refused.calls.add(action, Says::Yes);
            }
            says @ Says::Depends(_) => refused.calls.add(action, says),
            Says::Yes => {}
        }
    }
    refused
}

/// What is said of a subject where something was not seen.
type Unseen = Box<dyn FnOnce(Subject) -> Outcome>;

/// The service control policies that bound what roles may do, or what is said where they were not seen.
fn scps(view: &AccountView<'_>) -> Result<Vec<Vec<Document>>, Unseen> {
    let management = view.is_management_account();
    match (management, view.account.scps.known()) {
        (Some(true), _) => Ok(Vec::new()),
        (Some(false), Some(levels)) => Ok(holders::documents(levels)),
        (None, _) | (Some(false), None) => {
            let (organization, scps) = (view.organization.organization.clone(), view.account.scps.clone());
            Err(Box::new(move |subject| match management {
                None => Outcome::unseen(subject, "which account is the management account", &organization),
                Some(_) => Outcome::unseen(subject, "the service control policies", &scps),
            }))
        }
    }
}

fn attach(account: &AccountId, role: &Arn, lacks: &[&str], (s3, others): (bool, bool), question: &Question) -> String {
    let (of_s3, of_others) = question.managed;
    let needed = [(others, of_others), (s3, of_s3)].into_iter().filter(|(needed, _)| *needed);
    let managed = needed.map(|(_, path)| quoted(&format!("arn:{}:iam::aws:policy/{path}", role.partition()))).collect::<Vec<_>>();
    format!(
        "in account {account} attach {} to the role {}, or allow {} in a policy of its own; where the role has that, look at its boundary \
         and at the service control policies",
        managed.join(" and "),
        quoted(role.role_name().unwrap_or_default()),
        listed(lacks)
    )
}

/// Asks whether any one role that AWS Backup may assume in an account that keeps copies may restore all types of them there.
pub(super) fn of_copies(view: &AccountView<'_>, question: &Question) -> Outcome {
    let subject = view.place().here();
    if view.account.trusts.known().is_none() {
        return Outcome::unseen(subject, "which roles AWS Backup may assume", &view.account.trusts);
    }
    let scps = match scps(view) {
        Ok(scps) => scps,
        Err(unseen) => return unseen(subject),
    };
    let (calls, unread) = calls_of_copies(view, question);
    if calls.is_empty() {
        return match unread {
            Some(gaps) => Outcome::unknown(subject, "not seen: which types of copies there are", gaps),
            None => Outcome::not_applicable(subject, format!("there is no copy of a type that is known here to {}", question.verb)),
        };
    }
    let kinds = calls.iter().map(|(_, _, _, kind)| kind.as_str()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let (carriers, mut unseen) = holders::carriers(view);
    let mut open = unseen.iter().map(|(arn, _)| (*arn).clone()).collect::<BTreeSet<_>>();
    let mut lacking = Vec::new();
    for (role, certain) in carriers {
        let refused = refused(view, role, calls.iter(), &scps);
        if !refused.calls.left.is_empty() {
            lacking.push((role, refused));
        } else if refused.calls.open.is_empty() && certain {
            let name = role.arn.resource_name().to_owned();
            return match unread {
                Some(gaps) => {
                    Outcome::unknown(subject, format!("not seen: all types of copies that {} would {}", quoted(&name), question.verb), gaps)
                }
                None => Outcome::pass(subject, format!("the role {} may {} {}", quoted(&name), question.verb, listed(&kinds))).from([name]),
            };
        } else {
            open.insert(role.arn.clone());
        }
    }
    if !open.is_empty() {
        let roles = open.iter().map(Arn::as_str).collect::<Vec<_>>();
        let gaps = unseen.drain(..).filter_map(|(_, gap)| gap.cloned()).collect();
        return Outcome::unknown(subject, format!("not seen: whether {} may {} copies", listed(&roles), question.verb), gaps);
    }
    // The one that lacks least is the one to mend.
    let Some((role, refused)) = lacking.iter().min_by_key(|(role, refused)| (refused.calls.left.len(), &role.arn)) else {
        return Outcome::not_applicable(subject, "AWS Backup may assume no role of the account");
    };
    let lacks = &refused.calls.left;
    let seen = format!(
        "no role of the account that AWS Backup may assume may {} all types of its copies: {} may not do {}",
        question.verb,
        quoted(role.arn.role_name().unwrap_or_default()),
        listed(lacks)
    );
    let remedy = attach(&view.account.account_id, &role.arn, lacks, (refused.s3, refused.others), question);
    Outcome::fail(subject, seen, remedy).from(lacking.iter().map(|(role, _)| role.arn.as_str()))
}

/// The calls for every type of copy that the vaults hold, and why not every type is known; `None`: each is.
fn calls_of_copies(view: &AccountView<'_>, question: &Question) -> (BTreeSet<Asked>, Option<Vec<Gap>>) {
    let mut used = view.used();
    let mut calls = BTreeSet::new();
    for (_, inventory) in std::mem::take(&mut used.things) {
        if inventory.points.known().is_none() {
            used.miss(inventory.points.gap());
        }
        let arrived = inventory.points.known().into_iter().flatten().filter(|points| points.copied_from.is_some());
        let types = arrived.map(|points| &points.resource_type).chain(&inventory.copies.resource_types);
        let (Some(region), account) = (inventory.vault.arn.region(), &view.account.account_id) else { continue };
        for kind in types {
            let named = question.calls.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
            for (action, form) in named.into_iter().flat_map(|(_, calls)| *calls) {
                calls.insert((*action, placed(form, &region, account), region.clone(), kind.clone()));
            }
        }
    }
    (calls, used.open.then_some(used.gaps))
}

/// AWS Backup tags what it makes.
fn tagged(mut context: Context) -> Context {
    context.set("aws:ResourceTag/aws:backup:source-resource", "present");
    context
}
