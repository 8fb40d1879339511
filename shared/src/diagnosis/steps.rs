//! Next steps: what to do, with the command of the AWS CLI that does it.

use super::{Grade, Step};
use crate::arn::Arn;
use crate::evidence::{Denial, Evidence};

/// One word of a POSIX shell command line, quoted where it must be. Control characters are dropped: no value of AWS has any.
pub fn quote(value: &str) -> String {
    let clean = value.chars().filter(|c| !c.is_control()).collect::<String>();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !clean.is_empty() && clean.chars().all(plain) { clean } else { format!("'{}'", clean.replace('\'', r"'\''")) }
}

/// A command: the fixed words as they are, the values quoted.
pub fn command(fixed: &str, options: &[(&str, &str)]) -> String {
    let mut line = fixed.to_owned();
    for (option, value) in options {
        line.push_str(&format!(" --{option} {}", quote(value)));
    }
    line
}

/// Something to read.
pub fn look(text: impl Into<String>, command: Option<String>) -> Step {
    Step { text: text.into(), command, grade: Grade::Safe }
}

/// Something to change, with consent.
pub fn change(text: impl Into<String>, command: Option<String>) -> Step {
    Step { text: text.into(), command, grade: Grade::NeedsApproval }
}

/// Something to judge.
pub fn judge(text: impl Into<String>) -> Step {
    Step { text: text.into(), command: None, grade: Grade::HumanOnly }
}

fn region(arn: &Arn) -> String {
    arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default()
}

/// Reads the policy of a key; works only in the account that owns the key.
pub fn read_key_policy(key: &Arn) -> Step {
    let owner = key.account().map(|account| format!(" in account {account}")).unwrap_or_default();
    look(
        format!("Read the policy of the key{owner} (AWS answers this call to the account of the key only)."),
        Some(command("aws kms get-key-policy --policy-name default --output text", &[("key-id", key.as_str()), ("region", &region(key))])),
    )
}

/// Reads state and manager of a key.
pub fn describe_key(key: &Arn) -> Step {
    look(
        "Look at the state and the manager of the key.",
        Some(command("aws kms describe-key", &[("key-id", key.as_str()), ("region", &region(key))])),
    )
}

/// Reads the grants of a key for a principal.
pub fn list_grants(key: &Arn, grantee: &str) -> Step {
    look(
        "List the grants of the key for that role.",
        Some(command("aws kms list-grants", &[("key-id", key.as_str()), ("grantee-principal", grantee), ("region", &region(key))])),
    )
}

/// Reads the access policy of a vault.
pub fn read_vault_policy(vault: &Arn) -> Step {
    let owner = vault.account().map(|account| format!(" in account {account}")).unwrap_or_default();
    look(
        format!("Read the access policy of the vault{owner}."),
        Some(command(
            "aws backup get-backup-vault-access-policy",
            &[("backup-vault-name", vault.resource_name()), ("region", &region(vault))],
        )),
    )
}

/// Looks for the refused calls of a role in the trail of an account.
pub fn look_up_denials(evidence: &Evidence, account: &str, session: &str) -> Step {
    let (from, until) = super::matching::window(evidence);
    look(
        format!("In account {account}, look for calls of that role with an error around the time of the job."),
        Some(command(
            "aws cloudtrail lookup-events",
            &[
                ("lookup-attributes", &format!("AttributeKey=Username,AttributeValue={session}")),
                ("start-time", &from.to_string()),
                ("end-time", &until.to_string()),
                ("region", evidence.job.region.as_str()),
            ],
        )),
    )
}

/// Decodes the refusal of EC2, in the account that was refused; only where the message carries one.
pub fn decode(denial: &Denial) -> Option<Step> {
    let (_, blob) = denial.message.as_deref()?.split_once("Encoded authorization failure message:")?;
    let blob = blob.trim().split(char::is_whitespace).next().filter(|blob| blob.len() > 20)?;
    Some(look(
        format!(
            "In account {}, decode the refusal of EC2: it names the action, the resource and whether a Deny decided. CloudTrail keeps at most 1 KiB of the \
             message; where the end is missing take the message of the job instead.",
            denial.recorded_in
        ),
        Some(command(
            "aws sts decode-authorization-message --query DecodedMessage --output text",
            &[("encoded-message", blob), ("region", denial.region.as_str())],
        )),
    ))
}

/// Starts the copy again once the cause is mended, with the retention of the failed one.
pub fn copy_again(evidence: &Evidence) -> Option<Step> {
    let vault = evidence.job.vault_arn.as_ref().or_else(|| evidence.description.known()?.vault_arn.as_ref())?;
    let (point, destination, role) = (evidence.recovery_point_arn()?, evidence.destination_vault_arn()?, evidence.role_arn()?);
    let lifecycle = evidence.description.known().and_then(|job| job.delete_after_days).map(|days| format!("DeleteAfterDays={days}"));
    let mut options = vec![
        ("recovery-point-arn", point.as_str()),
        ("source-backup-vault-name", vault.resource_name()),
        ("destination-backup-vault-arn", destination.as_str()),
        ("iam-role-arn", role.as_str()),
        ("region", evidence.job.region.as_str()),
    ];
    options.extend(lifecycle.as_deref().map(|lifecycle| ("lifecycle", lifecycle)));
    // What AWS keeps for ever is paid for ever, and in a locked vault nobody can delete it.
    let warning = if lifecycle.is_none() { " Add --lifecycle as in the plan: without it the copy is kept for ever." } else { "" };
    Some(change(
        format!(
            "After the fix, copy the recovery point again, in account {}: the next scheduled copy does not take up the missed one.{warning} \
             The fix holds when the new copy job is COMPLETED.",
            evidence.job.account
        ),
        Some(command("aws backup start-copy-job", &options)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_word_of_a_shell_whatever_they_hold() {
        for (value, quoted) in [
            ("arn:aws:kms:eu-central-1:1:key/a", "arn:aws:kms:eu-central-1:1:key/a"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", r"'it'\''s'"),
            ("a\nb", "ab"),
            ("*", "'*'"),
            ("~root", "'~root'"),
        ] {
            assert_eq!(quote(value), quoted);
        }
    }
}
