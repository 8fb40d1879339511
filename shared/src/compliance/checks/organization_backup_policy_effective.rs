//! A backup policy of the organization is in force for every account with workloads.

use crate::compliance::say::{count, listed, quoted};
use crate::compliance::walk::Concern;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-008",
        name: "organization-backup-policy-effective",
        title: "A backup policy of the organization is in force for every account with workloads",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["organizations:DescribeEffectivePolicy", "organizations:ListAccounts"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_effective.html",
        ],
        page: include_str!("organization-backup-policy-effective.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_source_account(|| {
        let subject = view.place().here();
        let concern = concern(view);
        vec![concern.then(subject, |subject| match view.account.wanted_plans.known() {
            None => Outcome::unseen(subject, "the effective backup policy", &view.account.wanted_plans),
            Some(plans) if plans.is_empty() => Outcome::fail(
                subject,
                format!("no backup policy is in force for account {}", view.account.account_id),
                format!(
                    "attach a backup policy to account {0} or to a unit above it, in the management account or that of the delegated \
                     administrator: {1}",
                    view.account.account_id,
                    quoted(&format!("aws organizations attach-policy --policy-id POLICY_ID --target-id {}", view.account.account_id))
                ),
            ),
            Some(plans) => {
                let mut names = plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>();
                names.sort_unstable();
                Outcome::pass(subject, format!("in force with {}: {}", count(plans.len(), "plan"), listed(&names)))
            }
        })]
    })
}

/// Backup policies are for active members with workloads: neither for the management account nor for one that is being closed.
fn concern(view: &AccountView<'_>) -> Concern {
    match view.is_management_account() {
        Some(true) => return Concern::No("it is the management account".to_owned()),
        None => return Concern::Open(view.organization.organization.gap().cloned().into_iter().collect()),
        Some(false) => {}
    }
    if view.organization.members.known().is_none() {
        return Concern::Open(view.organization.members.gap().cloned().into_iter().collect());
    }
    let status = view.organization.member(&view.account.account_id).and_then(|member| member.status.as_deref());
    match status {
        Some("ACTIVE") if view.coverage.is_empty() => {
            let unread = view.account.regions.values().filter(|region| region.resources.known().is_none()).collect::<Vec<_>>();
            if unread.is_empty() {
                Concern::No("it has nothing that AWS Backup could protect".to_owned())
            } else {
                Concern::Open(unread.into_iter().filter_map(|region| region.resources.gap().cloned()).collect())
            }
        }
        Some("ACTIVE") => Concern::Yes,
        Some(status) => Concern::No(format!("the account is {}", quoted(status))),
        None => Concern::Open(Vec::new()),
    }
}
