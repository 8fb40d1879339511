//! May AWS Backup assume a role?

use serde_json::Value;

use crate::arn::{AccountId, Arn};
use crate::policy::{Answer, Context, Document, NotAPrincipal, Policies, Principal, Request, evaluate};

/// The service that runs the jobs.
pub const BACKUP_SERVICE: &str = "backup.amazonaws.com";

/// Whether the trust policy of a role of an account lets AWS Backup assume it for that account.
pub fn backup_may_assume(account: &AccountId, role: &Arn, trust: &Value) -> Result<Answer, NotAPrincipal> {
    let account = account.as_str();
    let mut context = Context::open();
    context.set("aws:SourceAccount", account);
    context.set("aws:PrincipalIsAWSService", "true");
    context.set("aws:PrincipalServiceName", BACKUP_SERVICE);
    context.set("aws:ResourceAccount", account);
    let request = Request {
        principal: Principal::parse(BACKUP_SERVICE)?,
        action: "sts:AssumeRole".to_owned(),
        resource: role.as_str().to_owned(),
        resource_account: account.to_owned(),
        context,
    };
    Ok(evaluate(&request, &Policies { resource: Some(Document::read(trust)), ..Policies::default() }))
}
