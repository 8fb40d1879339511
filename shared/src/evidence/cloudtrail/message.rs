//! What a text of refusal says: who, which action, which object, which type of policy.
//!
//! The general form is `User: <ARN> is not authorized to perform: <service>:<Action> on resource: <ARN> <reason>`
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>). It ends after the resource in older texts; KMS
//! writes a vague text without an ARN for callers of other accounts; articles vary, so the nouns decide. Everything before the reason can
//! hold text that a caller chose, so a reason is only looked for after it.

use crate::arn::Arn;
use crate::evidence::{Effect, PolicyType};

/// Texts of this length may have been cut by CloudTrail (at 1 KB); a name at their very end is not trusted to be whole.
const MAYBE_CUT: usize = 1000;

const PERFORM: &str = "is not authorized to perform: ";
/// AWS Backup's own way of writing the same, of the role of a selection.
const CALL: &str = "is not authorized to call ";
const EXPLICIT: &str = "with an explicit deny in ";
const IMPLICIT: &str = "because no ";

/// What a text says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal<'m> {
    pub(super) principal: Option<&'m str>,
    pub(super) action: Option<&'m str>,
    pub(super) resource: Option<Arn>,
    pub(super) effect: Option<Effect>,
    pub(super) policy_type: Option<PolicyType>,
    pub(super) policy_arn: Option<String>,
}

/// Reads a text. What it does not say stays `None`.
pub(super) fn read(message: &str) -> Refusal<'_> {
    let Some((before, after)) = split_once_ignoring_case(message, PERFORM).or_else(|| split_once_ignoring_case(message, CALL)) else {
        return Refusal { resource: first_arn(message), ..Refusal::default() };
    };
    let (action, rest) = token(after);
    let principal = before.rsplit_once("User: ").or_else(|| before.rsplit_once("IAM Role "));
    let principal = principal.map(|(_, name)| name.trim()).filter(|name| !name.is_empty());
    let (resource, reason) = match split_once_ignoring_case(rest, "on resource: ") {
        Some((gap, named)) if gap.trim().is_empty() => {
            let (resource, reason) = token(named);
            (arn(resource, message, reason), reason)
        }
        _ => (None, rest),
    };
    let (effect, policy_type, policy_arn) = reason_of(reason, message);
    Refusal { principal, action: Some(action).filter(|action| is_action(action)), resource, effect, policy_type, policy_arn }
}

fn reason_of(reason: &str, message: &str) -> (Option<Effect>, Option<PolicyType>, Option<String>) {
    if let Some((_, policy)) = split_once_ignoring_case(reason, EXPLICIT) {
        let policy = ["a ", "an ", "the "].into_iter().find_map(|article| policy.strip_prefix(article)).unwrap_or(policy);
        let (policy_type, rest) = policy_type(policy);
        let policy_arn = rest
            .strip_prefix(':')
            .map(|rest| token(rest.trim_start()))
            .and_then(|(name, after)| arn(name, message, after))
            .map(String::from);
        return (Some(Effect::ExplicitDeny), policy_type, policy_arn);
    }
    match split_once_ignoring_case(reason, IMPLICIT) {
        Some((_, policy)) => (Some(Effect::ImplicitDeny), policy_type(policy).0, None),
        // The vague text of KMS ("because the resource does not exist in this Region, no resource-based policies allow access, or …") leaves
        // open which of three things it was, so it names neither an effect nor a policy.
        None => (None, None, None),
    }
}

/// The type of policy a text begins with. A text that was cut inside the noun is read as the only noun it can become.
fn policy_type(text: &str) -> (Option<PolicyType>, &str) {
    const NOUNS: [(&str, PolicyType); 8] = [
        ("service control policy", PolicyType::ServiceControlPolicy),
        ("resource control policy", PolicyType::ResourceControlPolicy),
        ("permissions boundary", PolicyType::PermissionsBoundary),
        ("session policy", PolicyType::SessionPolicy),
        ("resource-based policy", PolicyType::ResourceBasedPolicy),
        ("identity-based policy", PolicyType::IdentityBasedPolicy),
        ("vpc endpoint policy", PolicyType::VpcEndpointPolicy),
        ("role trust policy", PolicyType::RoleTrustPolicy),
    ];
    let lower = text.to_ascii_lowercase();
    for (noun, policy_type) in NOUNS {
        if lower.starts_with(noun) {
            return (Some(policy_type), text.get(noun.len()..).unwrap_or_default());
        }
    }
    let mut possible = NOUNS.iter().filter(|(noun, _)| lower.len() >= 2 && noun.starts_with(lower.as_str()));
    match (possible.next(), possible.next()) {
        (Some((_, only)), None) => (Some(*only), ""),
        _ => (None, ""),
    }
}

/// The next word, without quotation marks around it and punctuation after it, and what follows.
fn token(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    for quote in ['"', '\'', '`'] {
        if let Some((quoted, rest)) = text.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return (quoted, rest);
        }
    }
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (word.trim_matches(['"', '\'', '`', '[', ']', '(', ')']).trim_end_matches(['.', ',', ';']), rest)
}

/// An ARN, unless it stands at the end of a text that may have been cut inside it.
fn arn(text: &str, message: &str, after: &str) -> Option<Arn> {
    if after.is_empty() && message.len() >= MAYBE_CUT {
        return None;
    }
    Arn::parse(text).ok()
}

/// The first ARN of a text that has no general form, such as `<key ARN> is disabled.`
fn first_arn(message: &str) -> Option<Arn> {
    let start = message.find("arn:")?;
    let (word, rest) = token(message.get(start..)?);
    // In brackets, as RDS writes it, the word may carry more than the ARN.
    let word = word.split([']', ')', '\'', '"', ',']).next().unwrap_or(word);
    arn(word, message, rest)
}

/// Whether a word is an IAM action such as `kms:CreateGrant`.
fn is_action(word: &str) -> bool {
    word.split_once(':').is_some_and(|(service, action)| {
        let plain = |text: &str| !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        plain(service) && plain(action)
    })
}

fn split_once_ignoring_case<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    // ASCII lower case keeps every byte position.
    let at = text.to_ascii_lowercase().find(&separator.to_ascii_lowercase())?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn general(reason: &str) -> String {
        format!("User: arn:aws:sts::222222222222:assumed-role/R/s is not authorized to perform: kms:CreateGrant on resource: {KEY}{reason}")
    }

    #[test]
    fn every_documented_reason_names_its_policy() {
        use Effect::{ExplicitDeny, ImplicitDeny};
        for (reason, effect, policy_type) in [
            ("because no service control policy allows the kms:CreateGrant action", ImplicitDeny, PolicyType::ServiceControlPolicy),
            ("because no VPC endpoint policy allows the kms:CreateGrant action", ImplicitDeny, PolicyType::VpcEndpointPolicy),
            ("because no permissions boundary allows the kms:CreateGrant action", ImplicitDeny, PolicyType::PermissionsBoundary),
            ("because no session policy allows the kms:CreateGrant action", ImplicitDeny, PolicyType::SessionPolicy),
            ("because no resource-based policy allows the kms:CreateGrant action", ImplicitDeny, PolicyType::ResourceBasedPolicy),
            ("because no role trust policy allows the sts:AssumeRole action", ImplicitDeny, PolicyType::RoleTrustPolicy),
            ("because no identity-based policy allows the kms:CreateGrant action", ImplicitDeny, PolicyType::IdentityBasedPolicy),
            ("with an explicit deny in a service control policy", ExplicitDeny, PolicyType::ServiceControlPolicy),
            ("with an explicit deny in a resource control policy", ExplicitDeny, PolicyType::ResourceControlPolicy),
            ("with an explicit deny in a VPC endpoint policy", ExplicitDeny, PolicyType::VpcEndpointPolicy),
            ("with an explicit deny in a permissions boundary", ExplicitDeny, PolicyType::PermissionsBoundary),
            ("with an explicit deny in a session policy", ExplicitDeny, PolicyType::SessionPolicy),
            ("with an explicit deny in the resource-based policy", ExplicitDeny, PolicyType::ResourceBasedPolicy),
            ("with an explicit deny in the role trust policy", ExplicitDeny, PolicyType::RoleTrustPolicy),
            ("with an explicit deny in an identity-based policy.", ExplicitDeny, PolicyType::IdentityBasedPolicy),
        ] {
            let text = general(&format!(" {reason}"));
            let refusal = read(&text);
            assert_eq!((refusal.effect, refusal.policy_type), (Some(effect), Some(policy_type)), "{reason}");
            assert_eq!(refusal.resource.unwrap().as_str(), KEY);
            assert_eq!((refusal.action, refusal.policy_arn), (Some("kms:CreateGrant"), None));
            assert_eq!(refusal.principal, Some("arn:aws:sts::222222222222:assumed-role/R/s"));
        }
    }

    #[test]
    fn the_newer_form_names_the_policy_after_a_colon() {
        let policy = "arn:aws:organizations::333333333333:policy/o-exampleorgid/service_control_policy/p-examplepolicyid111";
        let text = general(&format!(" with an explicit deny in a service control policy: {policy}"));
        assert_eq!(read(&text).policy_arn.as_deref(), Some(policy));
    }

    #[test]
    fn the_older_and_the_quoted_form_are_read() {
        for text in [
            general(""),
            general(".").replace("on resource: arn", "on resource: \"arn").replace("ab.", "ab\"."),
            general("").to_lowercase().replace("creategrant", "CreateGrant").replace("user:", "User:"),
        ] {
            let refusal = read(&text);
            assert_eq!(refusal.resource.unwrap().as_str(), KEY, "{text}");
            assert_eq!((refusal.action, refusal.effect, refusal.policy_type), (Some("kms:CreateGrant"), None, None), "{text}");
        }
    }

    #[test]
    fn the_vague_text_of_kms_names_no_key_and_no_policy() {
        let text = "User: arn:aws:sts::222222222222:assumed-role/R/s is not authorized to perform: kms:CreateGrant on this resource \
                    because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy \
                    explicitly denies access";
        let refusal = read(text);
        assert_eq!((refusal.action, refusal.resource, refusal.effect, refusal.policy_type), (Some("kms:CreateGrant"), None, None, None));
    }

    #[test]
    fn a_text_cut_at_one_kilobyte_gives_no_half_names() {
        let long = |reason: &str| {
            let text = general(reason).replace("/R/s", &format!("/R/{}", "s".repeat(1000)));
            text.get(..1024).unwrap_or(&text).to_owned()
        };
        // The key is cut.
        let cut = long(" with an explicit deny in a service control policy");
        assert_eq!(read(&cut).resource, None);
        // The noun is cut.
        for (reason, policy_type) in [
            (" with an explicit deny in a service con", Some(PolicyType::ServiceControlPolicy)),
            (" with an explicit deny in a resource", None),
            (" with an explicit deny in ", None),
        ] {
            let refusal = general(reason);
            let refusal = read(&refusal);
            assert_eq!((refusal.effect, refusal.policy_type), (Some(Effect::ExplicitDeny), policy_type), "{reason}");
        }
        // The policy ARN is cut.
        let padding = "x".repeat(900);
        let text =
            general(&format!("{padding} with an explicit deny in a service control policy: arn:aws:organizations::333333333333:pol"));
        assert_eq!(read(&text).policy_arn, None);
    }

    #[test]
    fn a_caller_cannot_write_the_reason_into_its_own_name() {
        let text = "User: arn:aws:sts::1:assumed-role/with an explicit deny in a service control policy is not authorized to perform: \
                    kms:Decrypt on resource: arn:aws:kms:eu-central-1:111111111111:key/k because no identity-based policy allows it";
        let refusal = read(text);
        assert_eq!((refusal.effect, refusal.policy_type), (Some(Effect::ImplicitDeny), Some(PolicyType::IdentityBasedPolicy)));
    }
}
