//! AWS Backup may assume the roles that selections name.

use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders};
use crate::copy::{BACKUP_SERVICE as SERVICE, backup_may_assume};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason};
use crate::policy::Decision;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-045",
        name: "backup-role-trusted-by-service",
        title: "AWS Backup may assume the roles that selections name",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["iam:GetRole"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html"],
        page: include_str!("backup-role-trusted-by-service.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    holders::each(view, |subject, arn, fact| {
        let role = match fact {
            Fact::Known { value, .. } => value,
            Fact::Gap(gap) if gap.reason == GapReason::NotFound => return Outcome::not_applicable(subject, "the role does not exist"),
            fact => return Outcome::unseen(subject, "the trust policy of the role", fact),
        };
        let Some(trust) = &role.trust else { return Outcome::unknown(subject, "not seen: the trust policy of the role", Vec::new()) };
        let account = &view.account.account_id;
        let Ok(answer) = backup_may_assume(account, arn, trust) else {
            return Outcome::unknown(subject, "not seen: the service", Vec::new());
        };
        match answer.decision {
            Decision::Allowed => Outcome::pass(subject, format!("its trust policy lets `{SERVICE}` in")),
            Decision::Uncertain if answer.refused_by.is_empty() => Outcome::unknown(
                subject,
                format!("whether `{SERVICE}` may assume it depends on {}", listed(&answer.depends_on)),
                Vec::new(),
            ),
            Decision::Uncertain | Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => {
                let name = arn.role_name().unwrap_or_default();
                let statement = format!(r#"{{"Effect":"Allow","Principal":{{"Service":"{SERVICE}"}},"Action":"sts:AssumeRole"}}"#);
                let remedy = format!(
                    "in account {account} add to the trust policy of the role {} by `iam:UpdateAssumeRolePolicy`: {}",
                    quoted(name),
                    quoted(&statement)
                );
                Outcome::fail(
                    subject,
                    format!("its trust policy does not let `{SERVICE}` assume it: every job of its selections fails"),
                    remedy,
                )
            }
        }
    })
}
