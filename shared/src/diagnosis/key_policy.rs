//! What the policy of the source key shows at a glance about the receiving account.
//!
//! The service-linked role reaches the key through EC2, RDS or FSx, which need a grant: a statement for use and one for grants
//! (<https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html>,
//! <https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html>).

use serde_json::Value;

use super::statement::{Statement, Statements, holds};
use crate::evidence::Evidence;

/// What catches the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// A Deny statement speaks to the receiving account about the action; with its name.
    Denies(Option<String>),
    /// Statements name unique ids of deleted roles or users; AWS puts them where a principal was deleted.
    DeletedPrincipal(Vec<String>),
    /// The statements for the receiving account hold for calls through other services only.
    ViaService(Vec<String>),
    /// No statement speaks to the receiving account.
    NoStatement,
    /// The receiving account may use the key but not create grants.
    NoGrant,
    /// The receiving account may create grants but not use the key.
    NoUse,
    /// Statements for everything exist: something else decides.
    Complete,
    /// Part of the document could not be read.
    Unreadable,
}

/// What the policy of the source key shows, where it was read and the copy has a receiving account.
pub fn look(evidence: &Evidence) -> Option<Sight> {
    let policy = evidence.source_key_policy.known()?;
    let role = super::facts::receiver_role(evidence)?;
    let vault = evidence.destination_vault_arn()?;
    let account = vault.account()?;
    let principals = [role, format!("arn:{}:iam::{account}:root", vault.partition()), account.as_str().to_owned()];
    Some(sight(&policy.document, &principals, &services(evidence)))
}

/// The services through which the call may come, as `kms:ViaService` names them. Empty where that is not documented.
fn services(evidence: &Evidence) -> Vec<String> {
    let kind = evidence.resource_type().unwrap_or_default().to_ascii_lowercase();
    let services: &[&str] = match kind.as_str() {
        "ebs" | "ec2" => &["ec2"],
        "rds" | "aurora" | "neptune" | "documentdb" => &["rds"],
        "fsx" => &["fsx"],
        _ => &[],
    };
    let regions = [Some(evidence.job.region.clone()), evidence.destination_region()];
    let regions = regions.into_iter().flatten().collect::<Vec<_>>();
    services.iter().flat_map(|service| regions.iter().map(move |region| format!("{service}.{region}.amazonaws.com"))).collect()
}

const GRANT: &str = "kms:CreateGrant";
const USE: [&str; 2] = ["kms:DescribeKey", "kms:ReEncryptFrom"];

fn sight(document: &Value, principals: &[String], services: &[String]) -> Sight {
    let statements = Statements::read(document);
    let kms = |statement: &&Statement<'_>| statement.covers(GRANT) || USE.iter().any(|action| statement.covers(action));
    let hits = |statement: &&Statement<'_>| kms(statement) && statement.speaks_to(principals);
    // A Deny with conditions may be aimed at somebody else: only one without is plain to see.
    if let Some(deny) = statements.denies().filter(hits).find(|statement| statement.conditions().is_empty()) {
        return Sight::Denies(deny.sid().map(str::to_owned));
    }
    let ours = statements.allows().filter(hits).collect::<Vec<_>>();
    let (open, closed) = ours.iter().partition::<Vec<&&Statement<'_>>, _>(|statement| admits(statement, services));
    let may_grant = open.iter().any(|statement| statement.covers(GRANT));
    let may_use = USE.iter().all(|action| open.iter().any(|statement| statement.covers(action)));
    if may_grant && may_use {
        return Sight::Complete;
    }
    let mut named = closed.iter().flat_map(|statement| via(statement)).map(str::to_owned).collect::<Vec<_>>();
    if !named.is_empty() {
        named.sort();
        named.dedup();
        return Sight::ViaService(named);
    }
    let mut deleted =
        statements.iter().filter(kms).flat_map(Statement::names).filter(|name| is_unique_id(name)).map(str::to_owned).collect::<Vec<_>>();
    if !deleted.is_empty() {
        deleted.sort();
        deleted.dedup();
        return Sight::DeletedPrincipal(deleted);
    }
    match (may_use, may_grant) {
        _ if statements.unreadable => Sight::Unreadable,
        (true, _) => Sight::NoGrant,
        (false, true) => Sight::NoUse,
        (false, false) if ours.is_empty() => Sight::NoStatement,
        (false, false) => Sight::NoUse,
    }
}

/// Whether the `kms:ViaService` conditions of a statement let one of the services through.
fn admits(statement: &Statement<'_>, services: &[String]) -> bool {
    let conditions = statement.conditions();
    let mut via = conditions.iter().filter(|(_, key, _)| key == "kms:viaservice").peekable();
    if via.peek().is_none() || services.is_empty() {
        return true;
    }
    let via = via.collect::<Vec<_>>();
    services.iter().any(|service| via.iter().all(|(operator, _, values)| holds(operator, values, service) != Some(false)))
}

fn via<'a>(statement: &Statement<'a>) -> Vec<&'a str> {
    statement.conditions().into_iter().filter(|(_, key, _)| key == "kms:viaservice").flat_map(|(_, _, values)| values).collect()
}

/// `AROA…` of a role, `AIDA…` of a user: what AWS stores instead of the ARN once the principal is deleted
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
fn is_unique_id(name: &str) -> bool {
    (name.starts_with("AROA") || name.starts_with("AIDA"))
        && name.len() >= 16
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn see(statements: Value) -> Sight {
        let principals = [
            "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup".to_owned(),
            "arn:aws:iam::222222222222:root".to_owned(),
            "222222222222".to_owned(),
        ];
        sight(&json!({ "Statement": statements }), &principals, &["ec2.eu-central-1.amazonaws.com".to_owned()])
    }

    fn allow(principal: &str, actions: &[&str]) -> Value {
        json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"})
    }

    const ROOT: &str = "arn:aws:iam::222222222222:root";
    const USE_ACTIONS: &[&str] = &["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"];

    #[test]
    fn the_policy_says_which_statement_is_missing() {
        let (usage, grant) = (allow(ROOT, USE_ACTIONS), allow(ROOT, &["kms:CreateGrant"]));
        assert_eq!(see(json!([usage, grant])), Sight::Complete);
        assert_eq!(see(json!([usage])), Sight::NoGrant);
        assert_eq!(see(json!([grant])), Sight::NoUse);
        assert_eq!(see(json!([allow("arn:aws:iam::111111111111:root", &["kms:*"])])), Sight::NoStatement);
        assert_eq!(see(allow("222222222222", &["kms:*"])), Sight::Complete);
        assert_eq!(see(json!("nothing")), Sight::Unreadable);
        let deny = json!({"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:CreateGrant", "Resource": "*"});
        assert_eq!(see(json!([usage, grant, deny])), Sight::Denies(Some("No".to_owned())));
    }

    #[test]
    fn a_deleted_role_and_a_wrong_service_are_named() {
        assert_eq!(
            see(json!([allow("AROAEXAMPLEEXAMPLE123", &["kms:*"])])),
            Sight::DeletedPrincipal(vec!["AROAEXAMPLEEXAMPLE123".to_owned()])
        );
        let mut wrong = allow(ROOT, &["kms:*"]);
        wrong["Condition"] = json!({"StringEquals": {"kms:ViaService": "backup.eu-central-1.amazonaws.com"}});
        assert_eq!(see(json!([wrong])), Sight::ViaService(vec!["backup.eu-central-1.amazonaws.com".to_owned()]));
        wrong["Condition"] = json!({"StringLike": {"kms:ViaService": ["ec2.*.amazonaws.com"]}});
        assert_eq!(see(json!([wrong])), Sight::Complete);
    }
}
