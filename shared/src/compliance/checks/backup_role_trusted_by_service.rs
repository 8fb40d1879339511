//! AWS Backup may assume the roles that selections name.

use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason};
use crate::policy::{Context, Decision, Document, Policies, Principal, Request, evaluate};

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

const SERVICE: &str = "backup.amazonaws.com";

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    holders::each(view, |subject, arn, fact| {
        let role = match fact {
            Fact::Known { value, .. } => value,
            Fact::Gap(gap) if gap.reason == GapReason::NotFound => return Outcome::not_applicable(subject, "the role does not exist"),
            fact => return Outcome::unseen(subject, "the trust policy of the role", fact),
        };
        let Some(trust) = &role.trust else { return Outcome::unknown(subject, "not seen: the trust policy of the role", Vec::new()) };
        let account = view.account.account_id.as_str();
        let mut context = Context::open();
        context.set("aws:SourceAccount", account);
        context.set("aws:PrincipalIsAWSService", "true");
        context.set("aws:PrincipalServiceName", SERVICE);
        context.set("aws:ResourceAccount", account);
        let Ok(principal) = Principal::parse(SERVICE) else { return Outcome::unknown(subject, "not seen: the service", Vec::new()) };
        let request = Request {
            principal,
            action: "sts:AssumeRole".to_owned(),
            resource: arn.as_str().to_owned(),
            resource_account: account.to_owned(),
            context,
        };
        let answer = evaluate(&request, &Policies { resource: Some(Document::read(trust)), ..Policies::default() });
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
