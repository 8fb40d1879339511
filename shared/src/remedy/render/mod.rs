//! A patch as something to paste: an AWS CLI command, a CloudFormation snippet, a Terraform snippet. All from JSON values, escaped for where they
//! go; ASCII only, so that nothing in them hides.

mod hcl;
mod shell;
mod yaml;

use serde_json::{Value, json};
pub(crate) use shell::quoted;

use super::{Operation, Patch};

/// One command that applies the patch. The document is in it as one quoted word.
pub fn cli(patch: &Patch) -> String {
    command(patch, &shell::quoted(&ascii(&patch.document.to_string())))
}

/// The same with the document in a file, to be read before it is sent.
pub fn cli_with_file(patch: &Patch) -> String {
    let file = match patch.operation {
        Operation::PutKeyPolicy => "key-policy.json",
        Operation::PutVaultPolicy => "vault-policy.json",
        Operation::PutRolePolicy => "role-policy.json",
    };
    // No line of the document can be the end mark: every line of such JSON begins with a bracket, a quotation mark or a space.
    let document = ascii(&format!("{:#}", patch.document));
    format!("cat > {file} <<'POLICY'\n{document}\nPOLICY\n{}", command(patch, &format!("file://{file}")))
}

fn command(patch: &Patch, document: &str) -> String {
    let arn = &patch.target_arn;
    let name = |text: &str| shell::quoted(&ascii(text));
    let region = arn.region().map(|region| format!(" --region {region}")).unwrap_or_default();
    match patch.operation {
        Operation::PutKeyPolicy => {
            format!("aws kms put-key-policy{region} --key-id {} --policy-name default --policy {document}", name(arn.as_str()))
        }
        Operation::PutVaultPolicy => {
            // With `=`, because the name of a vault may begin with a hyphen.
            format!(
                "aws backup put-backup-vault-access-policy{region} --backup-vault-name={} --policy {document}",
                name(arn.resource_name())
            )
        }
        Operation::PutRolePolicy => format!(
            "aws iam put-role-policy --role-name={} --policy-name {} --policy-document {document}",
            name(arn.role_name().unwrap_or_default()),
            name(patch.policy_name.as_deref().unwrap_or_default()),
        ),
    }
}

/// What belongs into the CloudFormation template that owns the object: a resource for a role's policy, else the statements to add.
pub fn cloudformation(patch: &Patch) -> String {
    let target = ascii(patch.target_arn.as_str());
    match patch.operation {
        Operation::PutKeyPolicy => {
            format!("# {target}: add to Properties.KeyPolicy.Statement of the AWS::KMS::Key\n{}", statements(patch))
        }
        Operation::PutVaultPolicy => {
            format!("# {target}: add to Properties.AccessPolicy.Statement of the AWS::Backup::BackupVault\n{}", statements(patch))
        }
        Operation::PutRolePolicy => {
            let resource = json!({"BackupCopiesPolicy": {
                "Type": "AWS::IAM::RolePolicy",
                "Properties": {
                    "RoleName": patch.target_arn.role_name().unwrap_or_default(),
                    "PolicyName": patch.policy_name.as_deref().unwrap_or_default(),
                    "PolicyDocument": patch.document,
                },
            }});
            format!("# {target}: add to Resources\n{}", yaml::block(&resource))
        }
    }
}

fn statements(patch: &Patch) -> String {
    yaml::block(&Value::Array(patch.statements.clone()))
}

/// What belongs into the Terraform configuration that owns the object: a resource for a role's policy, else the statements to add.
pub fn terraform(patch: &Patch) -> String {
    let target = ascii(patch.target_arn.as_str());
    let local = |of: &str| {
        let statements = hcl::expression(&Value::Array(patch.statements.clone()), 1);
        format!(
            "# {target}: add to the statements of its `policy` ({of}), for instance\n#   policy = jsonencode(merge(local.policy, {{ Statement = \
             concat(local.policy.Statement, local.backup_copies) }}))\nlocals {{\n  backup_copies = {statements}\n}}"
        )
    };
    match patch.operation {
        Operation::PutKeyPolicy => local("aws_kms_key or aws_kms_key_policy"),
        Operation::PutVaultPolicy => local("aws_backup_vault_policy"),
        Operation::PutRolePolicy => format!(
            "# {target}\nresource \"aws_iam_role_policy\" \"backup_copies\" {{\n  name   = {}\n  role   = {}\n  policy = jsonencode({})\n}}",
            hcl::string(patch.policy_name.as_deref().unwrap_or_default()),
            hcl::string(patch.target_arn.role_name().unwrap_or_default()),
            hcl::expression(&patch.document, 1),
        ),
    }
}

/// JSON, or plain text, in ASCII: what is not becomes `\uXXXX`, which JSON reads as the same text.
fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}
