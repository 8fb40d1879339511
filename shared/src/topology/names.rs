//! What the templates take: the same as their `AllowedPattern`, which a test compares at the edges.

use jiff::Timestamp;

use crate::arn::{AccountId, Arn, Region};
use crate::coverage::Schedule;

fn all(text: &str, fits: impl Fn(char) -> bool) -> bool {
    text.chars().all(fits)
}

fn sized(text: &str, from: usize, to: usize) -> bool {
    (from..=to).contains(&text.len())
}

/// The Regions that AWS had when this version was made; another one may be new, or mistyped.
#[rustfmt::skip]
pub(super) const REGIONS: [&str; 46] = [
    "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
    "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1",
    "cn-north-1", "cn-northwest-1", "eu-central-1", "eu-central-2", "eu-isoe-west-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1",
    "eu-west-2", "eu-west-3", "eusc-de-east-1", "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1",
    "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "us-isof-east-1",
    "us-isof-south-1", "us-west-1", "us-west-2",
];

/// What `\w` is to CloudFormation.
fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Twelve digits: the templates take no thirteen.
pub(super) fn account(text: &str) -> Option<AccountId> {
    sized(text, 12, 12).then(|| AccountId::parse(text).ok()).flatten()
}

/// `eu-central-1`; one digit at the end, as in every Region there is.
pub(super) fn region(text: &str) -> Option<Region> {
    let parts = text.split('-').collect::<Vec<_>>();
    let [first, middle @ .., last] = parts.as_slice() else { return None };
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let fits = first.len() == 2
        && letters(first)
        && !middle.is_empty()
        && middle.iter().all(letters)
        && last.len() == 1
        && last.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| Region::parse(text).ok()).flatten()
}

pub(super) fn organization(text: &str) -> Option<String> {
    text.strip_prefix("o-").filter(|id| sized(id, 10, 32) && all(id, lower)).map(|_| text.to_owned())
}

pub(super) fn root(text: &str) -> Option<String> {
    text.strip_prefix("r-").filter(|id| sized(id, 4, 32) && all(id, lower)).map(|_| text.to_owned())
}

pub(super) fn unit(text: &str) -> Option<String> {
    let (root, own) = text.strip_prefix("ou-")?.split_once('-')?;
    (sized(root, 4, 32) && all(root, lower) && sized(own, 8, 32) && all(own, lower)).then(|| text.to_owned())
}

/// What a StackSet with service-managed permissions goes to.
pub(super) fn unit_or_root(text: &str) -> Option<String> {
    root(text).or_else(|| unit(text))
}

/// What a policy of the organization is attached to.
pub(super) fn target(text: &str) -> Option<String> {
    unit_or_root(text).or_else(|| account(text).map(|id| id.as_str().to_owned()))
}

/// Whether a root or a unit can be of the organization with this root: the id of a unit has that of its root in the middle
/// (<https://docs.aws.amazon.com/organizations/latest/APIReference/API_OrganizationalUnit.html>). An account may be.
pub(super) fn is_below(root_id: &str, target: &str) -> bool {
    match target.strip_prefix("ou-").and_then(|rest| rest.split_once('-')) {
        Some((root, _)) => root_id.strip_prefix("r-") == Some(root),
        None => !target.starts_with("r-") || target == root_id,
    }
}

/// `o-exampleorgid/r-ab12/ou-ab12-11111111/*`, as `aws:PrincipalOrgPaths` has it.
pub(super) fn organization_path(text: &str) -> Option<String> {
    let mut parts = text.split('/');
    organization(parts.next()?)?;
    root(parts.next()?)?;
    let rest = parts.collect::<Vec<_>>();
    let (last, units) = rest.split_last()?;
    let ends = matches!(*last, "" | "*");
    (ends && units.iter().all(|one| unit(one).is_some())).then(|| text.to_owned())
}

pub(super) fn vault(text: &str) -> Option<String> {
    (sized(text, 2, 50) && all(text, |c| word(c) || c == '-')).then(|| text.to_owned())
}

pub(super) fn role(text: &str) -> Option<String> {
    (sized(text, 1, 64) && all(text, |c| word(c) || "+=,.@-".contains(c))).then(|| text.to_owned())
}

/// A role that is there, which may have a path.
pub(super) fn role_with_path(text: &str) -> Option<String> {
    let (path, name) = text.rsplit_once('/').map_or(("", text), |(path, name)| (path, name));
    let part = |part: &str| !part.is_empty() && all(part, |c| word(c) || "+=,.@-".contains(c));
    let fits = path.len() <= 128 && (path.is_empty() || path.split('/').all(part));
    (fits && !text.starts_with('/') && role(name).is_some()).then(|| text.to_owned())
}

pub(super) fn key_alias(text: &str) -> Option<String> {
    // `alias/aws/` is for keys that AWS manages.
    let fits = sized(text, 1, 200) && all(text, |c| word(c) || "/-".contains(c)) && !text.starts_with("aws/");
    fits.then(|| text.to_owned())
}

/// Part of the name of a stack, which has neither an underscore nor more than 128 characters; a Region may be put behind it.
pub(super) fn policy(text: &str) -> Option<String> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && sized(text, 1, 30) && all(text, |c| c.is_ascii_alphanumeric() || c == '-')).then(|| text.to_owned())
}

/// A tag goes as it is into the text of a backup policy, and its values into a list with commas.
pub(super) fn tag(text: &str) -> Option<String> {
    let fits = sized(text, 1, 128) && all(text, |c| word(c) || " .:/=+@-".contains(c)) && text.trim() == text;
    fits.then(|| text.to_owned())
}

pub(super) fn resource_type(text: &str) -> Option<String> {
    (sized(text, 1, 50) && all(text, |c| word(c) || " .-".contains(c)) && text.trim() == text).then(|| text.to_owned())
}

/// The backup policy has it between quotation marks. AWS takes no expression that names days of the month and days of the week: one of the two is `?`.
pub(super) fn cron(text: &str) -> Option<String> {
    let inside = text.strip_prefix("cron(")?.strip_suffix(')')?;
    let fits = all(inside, |c| c.is_ascii_alphanumeric() || " ,*/?#-".contains(c));
    let fields = inside.split_ascii_whitespace().collect::<Vec<_>>();
    let one_left_open = (fields.get(2) == Some(&"?")) != (fields.get(4) == Some(&"?"));
    // One that names the 31st of February never runs.
    let runs = |schedule: Schedule| schedule.next_after(Timestamp::UNIX_EPOCH).is_some();
    (fits && one_left_open && Schedule::parse(text, None).is_ok_and(runs)).then(|| text.to_owned())
}

/// It goes as it is into a text between quotation marks, which the SAM CLI reads once more.
pub(super) fn email(text: &str) -> Option<String> {
    // ASCII alone: a letter that looks like another one, or that turns the line around, would send alerts elsewhere than people read.
    let whole = text.len() <= 254 && all(text, |c| c.is_ascii_graphic() && !"\"\\".contains(c));
    let (name, host) = text.split_once('@')?;
    let dotted = host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && !rest.is_empty());
    (whole && !name.is_empty() && !host.contains('@') && dotted).then(|| text.to_owned())
}

/// A user: a session of a role never has the second factor that the break-glass role asks for
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html>).
pub(super) fn user(text: &str) -> Option<Arn> {
    let arn = Arn::parse(text).ok().filter(|arn| arn.as_str() == text)?;
    let name = arn.resource().strip_prefix("user/")?;
    let fits = arn.service() == "iam"
        && arn.region().is_none()
        && arn.account().is_some_and(|id| account(id.as_str()).is_some())
        && arn.partition().strip_prefix("aws").is_some_and(|rest| all(rest, |c| c.is_ascii_lowercase() || c == '-'))
        && !name.is_empty()
        && all(name, |c| word(c) || "+=,.@/-".contains(c));
    fits.then_some(arn)
}
