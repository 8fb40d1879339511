//! A patch as something to paste.

use guardian_core::copy::{Object, RoutePolicies};
use guardian_core::remedy::{Patch, cli, cli_with_file, cloudformation, document_sha256, patch, patch_role, terraform};
use serde_json::{Value, json};

use super::{document, grants, owner, policies, route, uses, vault};

fn key_patch(sid: &str) -> (Value, Patch) {
    let mut named = owner("111111111111");
    named["Sid"] = json!(sid);
    let key = document(&[named, uses()]);
    let found = patch(&route(), &policies(&key, Some(&vault())), Object::SourceKey, Some(&key)).unwrap();
    (key, found)
}

/// The words that `aws` is called with when a real shell runs the script; a file is read in the place of its name.
fn run(script: &str) -> Vec<String> {
    let around = r#"
        directory=$(mktemp -d) && cd "$directory" || exit 1
        trap 'rm -rf "$directory"' EXIT
        aws() {
            for word in "$@"; do
                case $word in file://*) word=$(cat "${word#file://}") ;; esac
                printf '%s\0' "$word"
            done
        }
    "#;
    let output = std::process::Command::new("sh").arg("-c").arg(format!("{around}\n{script}")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn the_command_carries_the_document_through_a_real_shell() {
    // Text of a stranger in a stored policy: quotes, substitutions, an end mark, bidi control.
    let sid = "it's \"$(touch x)\" `id` ${HOME} \\ \nPOLICY\n \u{202e}";
    let (key, patch) = key_patch(sid);
    for script in [cli(&patch), cli_with_file(&patch)] {
        assert!(script.is_ascii(), "nothing hides in it");
        let words = run(&script);
        let (document, command) = words.split_last().unwrap();
        let expected = ["kms", "put-key-policy", "--region", "eu-central-1", "--key-id", patch.target_arn.as_str()];
        assert_eq!(command[..6], expected);
        assert_eq!(command[6..], ["--policy-name", "default", "--policy"]);
        assert_eq!(serde_json::from_str::<Value>(document).unwrap(), patch.document);
    }
    assert_eq!(cli(&patch).lines().count(), 1);
    assert_eq!(patch.replaces_sha256, Some(document_sha256(&key)));
    assert_ne!(patch.replaces_sha256, Some(document_sha256(&patch.document)));
}

#[test]
fn vaults_and_roles_have_commands_of_their_own() {
    let key = document(&[owner("111111111111"), uses(), grants()]);
    let opened = patch(&route(), &policies(&key, None), Object::DestinationVault, None).unwrap();
    let words = run(&cli(&opened));
    assert_eq!(
        words[..6],
        ["backup", "put-backup-vault-access-policy", "--region", "eu-central-1", "--backup-vault-name=central", "--policy"]
    );
    assert_eq!(serde_json::from_str::<Value>(&words[6]).unwrap(), opened.document);
    assert_eq!(opened.replaces_sha256, None);

    let no_policies = RoutePolicies { job_role: Some(Vec::new()), ..policies(&key, Some(&vault())) };
    let role = patch_role(&route(), &no_policies).unwrap();
    let words = run(&cli_with_file(&role));
    assert_eq!(words[..3], ["iam", "put-role-policy", "--role-name=AWSBackupDefaultServiceRole"]);
    assert_eq!(serde_json::from_str::<Value>(words.last().unwrap()).unwrap(), role.document);
}

#[test]
fn templates_hold_the_new_statements_and_nothing_of_the_stored_ones() {
    let (_, patch) = key_patch("Stored");
    assert_eq!(
        cloudformation(&patch),
        r#"# arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000001: add to Properties.KeyPolicy.Statement of the AWS::KMS::Key
- Sid: "AllowGrantsForBackupCopies"
  Effect: "Allow"
  Principal:
    AWS: "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
  Action:
    - "kms:CreateGrant"
  Resource: "*"
  Condition:
    "Bool":
      "kms:GrantIsForAWSResource": "true""#
    );
    assert_eq!(
        terraform(&patch),
        r#"# arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000001: add to the statements of its `policy` (aws_kms_key or aws_kms_key_policy), for instance
#   policy = jsonencode(merge(local.policy, { Statement = concat(local.policy.Statement, local.backup_copies) }))
locals {
  backup_copies = [
    {
      "Sid" = "AllowGrantsForBackupCopies"
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
      }
      "Action" = [
        "kms:CreateGrant",
      ]
      "Resource" = "*"
      "Condition" = {
        "Bool" = {
          "kms:GrantIsForAWSResource" = "true"
        }
      }
    },
  ]
}"#
    );
    let key = document(&[owner("111111111111"), uses(), grants()]);
    let no_policies = RoutePolicies { job_role: Some(Vec::new()), ..policies(&key, Some(&vault())) };
    let role = patch_role(&route(), &no_policies).unwrap();
    let name = role.policy_name.clone().unwrap();
    assert!(cloudformation(&role).contains("  Type: \"AWS::IAM::RolePolicy\"\n"), "{}", cloudformation(&role));
    assert!(cloudformation(&role).contains(&format!("    PolicyName: \"{name}\"\n")));
    assert!(terraform(&role).starts_with("# arn:aws:iam::111111111111:role/"));
    assert!(terraform(&role).contains(&format!("  name   = \"{name}\"\n")));
}
