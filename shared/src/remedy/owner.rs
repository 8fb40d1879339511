//! Who owns an object, by its tags: a change by hand is undone by the next deployment of the tool that made it.

use std::collections::BTreeMap;

/// The tool that an object belongs to. All texts come from tags and are untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A CloudFormation stack: change its template.
    CloudFormation {
        /// Name of the stack.
        stack: String,
        /// Name of the resource in its template.
        logical_id: Option<String>,
        /// It is an instance of a stack set: change that, in the account that administers it.
        stack_set: bool,
    },
    /// Terraform or OpenTofu, by a tag of theirs; the value where it names a module, workspace or repository.
    Terraform(Option<String>),
    /// Another tool that names itself in a tag such as `managed-by`.
    Other(String),
}

/// The owner of an object, where its tags tell.
pub fn owner(tags: &BTreeMap<String, String>) -> Option<Owner> {
    // AWS writes these and nobody else can.
    if let Some(stack) = tags.get("aws:cloudformation:stack-name") {
        return Some(Owner::CloudFormation {
            stack: stack.clone(),
            logical_id: tags.get("aws:cloudformation:logical-id").cloned(),
            stack_set: stack.starts_with("StackSet-"),
        });
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-', ':', ' ', '.'], "");
    let terraform = |text: &str| ["terraform", "opentofu", "terragrunt"].iter().any(|tool| text.contains(tool));
    let mut other = None;
    let mut found = false;
    let mut place = None;
    for (key, value) in tags {
        let (name, says) = (plain(key), plain(value));
        let managed =
            matches!(name.as_str(), "managedby" | "provisionedby" | "provisioner" | "createdby" | "deployedby" | "iac" | "iactool");
        if managed && terraform(&says) {
            found = true;
        } else if terraform(&name) && !matches!(says.as_str(), "false" | "no" | "0") {
            found = true;
            // `terraform-module`, `tf-workspace`, …: the value says where.
            if !matches!(says.as_str(), "true" | "yes" | "1" | "") {
                place.get_or_insert_with(|| value.clone());
            }
        } else if managed && name != "createdby" && !value.is_empty() {
            other.get_or_insert_with(|| value.clone());
        }
    }
    if found { Some(Owner::Terraform(place)) } else { other.map(Owner::Other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_tell_the_tool_that_owns_an_object() {
        let stack =
            |stack: &str, stack_set| Some(Owner::CloudFormation { stack: stack.to_owned(), logical_id: Some("Key".to_owned()), stack_set });
        type Tags = &'static [(&'static str, &'static str)];
        let table: &[(Tags, Option<Owner>)] = &[
            (&[], None),
            (&[("Name", "terraform-state")], None),
            (&[("aws:cloudformation:stack-name", "vaults"), ("aws:cloudformation:logical-id", "Key")], stack("vaults", false)),
            (
                &[("aws:cloudformation:stack-name", "StackSet-vaults-1"), ("aws:cloudformation:logical-id", "Key"), ("Terraform", "true")],
                stack("StackSet-vaults-1", true),
            ),
            (&[("managed-by", "Terraform")], Some(Owner::Terraform(None))),
            (&[("ManagedBy", "OpenTofu 1.8")], Some(Owner::Terraform(None))),
            (&[("Terraform", "true"), ("terraform_module", "backup/keys")], Some(Owner::Terraform(Some("backup/keys".to_owned())))),
            (&[("terraform", "false")], None),
            (&[("created-by", "somebody")], None),
            (&[("managed_by", "Pulumi")], Some(Owner::Other("Pulumi".to_owned()))),
        ];
        for (tags, expected) in table {
            let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(owner(&tags), *expected, "{tags:?}");
        }
    }
}
