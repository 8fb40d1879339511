//! Words of a sweep that several readers share.

use super::Turn;
use crate::arn::{AccountId, Arn};
use crate::compliance::{CheckOutcome, Status, Subject, checks};
use crate::coverage::{Protection, ResourceCoverage};
use crate::evidence::Gap;
use crate::report::words;

pub(super) use crate::report::words::{capital, cut, minute, named_account, reason};

/// From the worst to the best, as tables show them.
pub(super) const PROTECTIONS: [Protection; 8] = [
    Protection::Unprotected,
    Protection::OptInBlocked,
    Protection::SelectedNeverBackedUp,
    Protection::NeverCopied,
    Protection::Stale,
    Protection::Unknown,
    Protection::Excepted,
    Protection::Protected,
];

/// The word of the machine form.
pub(super) fn protection_id(protection: Protection) -> &'static str {
    match protection {
        Protection::Unprotected => "unprotected",
        Protection::OptInBlocked => "opt-in-blocked",
        Protection::SelectedNeverBackedUp => "selected-never-backed-up",
        Protection::NeverCopied => "never-copied",
        Protection::Stale => "stale",
        Protection::Excepted => "excepted",
        Protection::Unknown => "unknown",
        Protection::Protected => "protected",
    }
}

/// The same for people.
pub(super) fn protection(protection: Protection) -> &'static str {
    match protection {
        Protection::Unprotected => "unprotected",
        Protection::OptInBlocked => "type switched off",
        Protection::SelectedNeverBackedUp => "never backed up",
        Protection::NeverCopied => "never copied",
        Protection::Stale => "stale",
        Protection::Excepted => "excepted",
        Protection::Unknown => "unknown",
        Protection::Protected => "protected",
    }
}

/// What a state of protection means, in one sentence.
pub(super) fn meaning(protection: Protection) -> &'static str {
    match protection {
        Protection::Unprotected => "No selection of a backup plan selects it.",
        Protection::OptInBlocked => "A selection would select it, but AWS Backup is switched off for its type in this Region.",
        Protection::SelectedNeverBackedUp => "A rule selects it, and there is no recovery point of it.",
        Protection::NeverCopied => "It is backed up, a rule asks for copies, and none ever landed.",
        Protection::Stale => "Its newest backup or its newest landed copy is older than the schedule of its rule allows.",
        Protection::Excepted => "Somebody took responsibility for its lacking protection, until a date.",
        Protection::Unknown => "What decides was not seen. It counts as not protected.",
        Protection::Protected => "Backed up by its schedule, and where a rule asks for copies, they landed.",
    }
}

/// Whether somebody has to do something about it.
pub(super) fn lacks(protection: Protection) -> bool {
    !matches!(protection, Protection::Protected | Protection::Excepted)
}

/// The word of the machine form.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Fail => "fail",
        Status::Unknown => "unknown",
        Status::Excepted => "excepted",
        Status::Pass => "pass",
        Status::NotApplicable => "not-applicable",
    }
}

/// The title of a check; of one that this version does not have, `Vault lock enabled` for `vault-lock-enabled`.
pub(super) fn check(name: &str) -> String {
    checks::find(name).map_or_else(|| capital(&name.replace('-', " ")), |check| check.meta.title.to_owned())
}

/// What became of an outcome since the last run.
pub(super) fn turn(turn: Turn) -> &'static str {
    match turn {
        Turn::Failed => "new failure",
        Turn::OutOfSight => "failed before and cannot be seen now",
        Turn::Excepted => "failed before and is excepted now",
        Turn::Gone => "failed before and is not there any more",
        Turn::Mended => "mended",
    }
}

/// What an outcome is about: the thing, and what part of it.
pub(super) fn object(subject: &Subject) -> String {
    object_for(subject, None)
}

/// The same, with the name of the account whose copies it concerns.
pub(super) fn object_for(subject: &Subject, concerned: Option<&str>) -> String {
    let thing = match (&subject.resource_arn, &subject.region) {
        (Some(arn), _) => arn.as_str().to_owned(),
        (None, Some(region)) => format!("account {} in {region}", subject.account_id),
        (None, None) => format!("account {}", subject.account_id),
    };
    match &subject.part {
        Some(part) => match AccountId::parse(part) {
            Ok(id) => format!("{thing}, for {}", named_account(&id, concerned)),
            Err(_) => format!("{thing}, {part}"),
        },
        None => thing,
    }
}

/// The short name of a thing: `vol-1`, `central`; account and Region are told beside it.
pub(super) fn short(subject: &Subject) -> String {
    let thing = match (&subject.resource_arn, &subject.region) {
        (Some(arn), _) => named(arn),
        (None, Some(region)) => region.as_str().to_owned(),
        (None, None) => "the account".to_owned(),
    };
    match &subject.part {
        Some(part) => format!("{thing}, {}", cut(part, 80)),
        None => thing,
    }
}

/// What kind of thing an ARN names, and which: `key 1234`, `backup-vault central`.
pub(super) fn named(arn: &Arn) -> String {
    let name = cut(arn.resource_name(), 80);
    match arn.resource().split_once([':', '/']) {
        Some((kind, _)) => format!("{} {name}", cut(kind, 40)),
        None => format!("{} {name}", cut(arn.service(), 40)),
    }
}

/// What a person calls a resource.
pub(super) fn resource(row: &ResourceCoverage) -> String {
    let name = row.resource_name.as_deref().unwrap_or_else(|| words::resource_id(row.resource_arn.as_str()));
    format!("{} ({})", cut(name, 60), cut(&row.resource_type, 32))
}

/// `kms:GetKeyPolicy in account 1, eu-central-1: access was denied (AccessDenied)`.
pub(super) fn gap(gap: &Gap) -> String {
    let region = gap.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
    let detail = gap.detail.as_ref().map(|detail| format!(" ({})", cut(detail, 160))).unwrap_or_default();
    format!("{} in account {}{region}: {}{detail}", cut(&gap.action, 100), gap.account_id, reason(gap.reason))
}

/// A sentence with its end.
pub(super) fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// What was seen, as a title: the outcome of a check is told with its name where it says nothing itself.
pub(super) fn seen(found: &CheckOutcome) -> String {
    if found.outcome.seen.is_empty() { check(&found.check) } else { sentence(&found.outcome.seen) }
}

/// `1,234`.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 account`, `1,234 accounts`.
pub(super) fn counted(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", number(n)) }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists_read_well() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
        let parts = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([list(&parts[..1]), list(&parts[..2]), list(&parts)], ["a", "a and b", "a, b and c"]);
    }

    #[test]
    fn an_account_that_a_finding_concerns_is_told_as_one() {
        let subject = |part: &str| Subject {
            account_id: AccountId::parse("222222222222").unwrap(),
            region: None,
            resource_arn: None,
            part: Some(part.to_owned()),
        };
        assert_eq!(object_for(&subject("111111111111"), Some("payroll")), "account 222222222222, for account payroll (111111111111)");
        assert_eq!(object(&subject("EBS")), "account 222222222222, EBS");
    }

    #[test]
    fn the_words_of_people_follow_those_of_the_machine_form() {
        for protection in PROTECTIONS {
            assert_eq!(serde_json::to_value(protection).unwrap(), protection_id(protection));
        }
        for one in [Status::Fail, Status::Unknown, Status::Excepted, Status::Pass, Status::NotApplicable] {
            assert_eq!(serde_json::to_value(one).unwrap(), status(one));
        }
    }
}
