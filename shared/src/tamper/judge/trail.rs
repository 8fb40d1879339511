//! Trails: what is not recorded is neither told nor diagnosed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::deed::command;
use super::super::write::member;
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write};

/// The services whose calls are told and diagnosed.
const NEEDED: [&str; 6] = ["backup", "kms", "iam", "organizations", "ec2", "cloudtrail"];

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    let name = write.text("name").or_else(|| write.text("trailName")).unwrap_or_else(|| "that the record does not name".to_owned());
    let at = [name.as_str(), write.region.as_str()];
    // What never recorded the calls that are needed takes none of them away.
    let was_of_use = scene.before.is_none_or(|before| Recorded::of(&before.value).is_something());
    match write.event_name.as_str() {
        "StopLogging" | "DeleteTrail" if !was_of_use => Err(Silence::NotOfBackups),
        "StopLogging" => {
            let start = command("aws cloudtrail start-logging --name {} --region {}", &at);
            told(write, Severity::High, format!("stopped the trail {name}"), "Record them again.", start)
        }
        "DeleteTrail" => told(
            write,
            Severity::High,
            format!("deleted the trail {name}"),
            "Make the trail again, with management events of all Regions.",
            None,
        ),
        "UpdateTrail" => updated(write, scene, &name),
        "PutEventSelectors" => {
            let now = Recorded::of(&write.request);
            let Some((severity, lost)) = now.lost() else { return Err(Silence::Harmless) };
            // A trail that never had them lost none.
            if scene.before.is_some_and(|before| now.covers(&Recorded::of(&before.value))) {
                return Err(Silence::Unchanged);
            }
            let show = command("aws cloudtrail get-event-selectors --trail-name {} --region {}", &at);
            let undo = "Have it record all management events again; this shows what it records now.";
            told(write, severity, format!("left {lost} out of the trail {name}"), undo, show)
        }
        _ => Err(Silence::Harmless),
    }
}

/// The organization's access of CloudTrail: its trail is one of every account.
pub(super) fn without_access(write: &Write) -> Judged {
    let enable = "aws organizations enable-aws-service-access --service-principal cloudtrail.amazonaws.com".to_owned();
    told(
        write,
        Severity::High,
        "took CloudTrail its access to the organization".to_owned(),
        "Give it back in the management account, then look whether the trail of the organization records.",
        Some(enable),
    )
}

fn told(write: &Write, severity: Severity, what: String, undo: &str, command: Option<String>) -> Judged {
    Deed::of(write, DeedKind::TrailStopped, severity, what)
        .endangers("Calls that are not recorded reach nobody: neither who deletes backups is told, nor why a copy fails.")
        .undo(undo, command)
        .judged()
}

/// The switches of a trail: how grave it is when one goes off, in words, and what puts it on again. IAM and Organizations are among global services.
const SWITCHES: [(&str, Severity, &str, &str, &str); 3] = [
    ("isMultiRegionTrail", Severity::Medium, "left the trail {} with one Region", "one Region", " --is-multi-region-trail"),
    (
        "isOrganizationTrail",
        Severity::High,
        "left the trail {} with one account of the organization",
        "one account of the organization",
        " --is-organization-trail",
    ),
    (
        "includeGlobalServiceEvents",
        Severity::High,
        "left the calls of global services out of the trail {}",
        "no calls of global services",
        " --include-global-service-events",
    ),
];

fn updated(write: &Write, scene: &Scene<'_>, name: &str) -> Judged {
    let was = |name: &str| scene.before.and_then(|before| member(&before.value, name)).and_then(lower);
    // Whoever writes a trail whole names its bucket and what is off, too; whoever names a switch alone turns it.
    let is_whole = write.part("s3BucketName").is_some() && SWITCHES.iter().all(|(name, ..)| write.part(name).is_some());
    let (mut done, mut unknown, mut flags) = (Vec::new(), Vec::new(), String::new());
    let mut worst = Severity::Medium;
    for (switch, severity, what, left, flag) in SWITCHES.iter().filter(|(switch, ..)| write.text(switch).as_deref() == Some("false")) {
        match was(switch).as_deref() {
            Some("false") => {}
            None if is_whole => unknown.push(*left),
            _ => {
                done.push(what.replace("{}", name));
                worst = worst.max(*severity);
                flags.push_str(flag);
            }
        }
    }
    if !unknown.is_empty() {
        done.push(format!("wrote the trail {name} with {}; what it had before is not known", unknown.join(" and ")));
    }
    let older = scene.before.and_then(|before| member(&before.value, "s3BucketName")).and_then(Value::as_str);
    let mut pattern = format!("aws cloudtrail update-trail --name {{}} --region {{}}{flags}");
    let mut values = vec![name, write.region.as_str()];
    let bucket = write.text("s3BucketName").filter(|bucket| older != Some(bucket));
    if let Some(bucket) = &bucket {
        match older {
            Some(older) => {
                worst = Severity::High;
                pattern.push_str(" --s3-bucket-name {}");
                values.push(older);
                done.push(format!("had the trail {name} write into the bucket {bucket} and no more into {older}"));
            }
            None => done.push(format!("named {bucket} as the bucket of the trail {name}; which one it was before is not known")),
        }
    }
    if done.is_empty() {
        return Err(if scene.before.is_some() { Silence::Unchanged } else { Silence::Harmless });
    }
    // To put on what never was might make a trail of one account one of the organization.
    let known = unknown.is_empty() && (bucket.is_none() || older.is_some());
    let (text, undo) = if known {
        ("Give the trail back what it had.", command(&pattern, &values))
    } else {
        let show = command("aws cloudtrail get-trail --name {} --region {}", &[name, write.region.as_str()]);
        (
            "Look whether the trail still records what it did, into a bucket of yours, and give it back what it lost; this shows the trail as it is now.",
            show,
        )
    };
    told(write, worst, done.join("; "), text, undo)
}

/// What selectors have a trail record of the calls that change something. Selectors add to each other.
struct Recorded {
    /// Services whose calls are recorded whole.
    whole: BTreeSet<&'static str>,
    /// Some of the calls are recorded, by a selection that is not understood.
    in_part: bool,
}

impl Recorded {
    fn of(request: &Value) -> Self {
        let each = |name: &str| member(request, name).and_then(Value::as_array).cloned().unwrap_or_default();
        let basic = each("eventSelectors").iter().map(of_basic).collect::<Vec<_>>();
        let mut all = Self { whole: BTreeSet::new(), in_part: false };
        for one in basic.into_iter().chain(each("advancedEventSelectors").iter().map(of_advanced)) {
            all.whole.extend(one.whole);
            all.in_part |= one.in_part;
        }
        all
    }

    fn nothing() -> Self {
        Self { whole: BTreeSet::new(), in_part: false }
    }

    /// All but these sources, such as `kms.amazonaws.com`.
    fn without(sources: &BTreeSet<String>) -> Self {
        let is_in = |service: &&str| !sources.contains(&format!("{service}.amazonaws.com"));
        Self { whole: NEEDED.into_iter().filter(is_in).collect(), in_part: false }
    }

    fn is_something(&self) -> bool {
        self.in_part || !self.whole.is_empty()
    }

    /// Of what is not understood nobody can say that it is no less.
    fn covers(&self, other: &Self) -> bool {
        self.whole.is_superset(&other.whole) && !self.in_part && !other.in_part
    }

    /// What of the calls that are needed is not recorded, in words.
    fn lost(&self) -> Option<(Severity, String)> {
        let missing = NEEDED.into_iter().filter(|service| !self.whole.contains(service)).collect::<Vec<_>>();
        match missing.as_slice() {
            [] => None,
            _ if self.in_part => {
                Some((Severity::Medium, "some calls that change something (what its selectors leave is not understood)".to_owned()))
            }
            ["kms"] => Some((Severity::Medium, "calls of AWS KMS".to_owned())),
            some if some.len() < NEEDED.len() => Some((Severity::High, format!("calls of {}", some.join(", ")))),
            _ => Some((Severity::High, "all management calls that change something".to_owned())),
        }
    }
}

fn lower(value: &Value) -> Option<String> {
    value.as_str().map(str::to_lowercase).or_else(|| value.as_bool().map(|value| value.to_string()))
}

fn set(value: Option<&Value>) -> BTreeSet<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(lower).collect()
}

/// All events and all services where a member is missing, as the API says.
fn of_basic(selector: &Value) -> Recorded {
    let is = |name: &str, value: &str| member(selector, name).and_then(lower).as_deref() == Some(value);
    if is("includeManagementEvents", "false") || is("readWriteType", "readonly") {
        return Recorded::nothing();
    }
    Recorded::without(&set(member(selector, "excludeManagementEventSources")))
}

/// All fields of a selector must fit.
fn of_advanced(selector: &Value) -> Recorded {
    let mut management = false;
    let mut understood = true;
    let mut excluded = BTreeSet::new();
    for field in member(selector, "fieldSelectors").and_then(Value::as_array).into_iter().flatten() {
        let name = member(field, "field").and_then(lower).unwrap_or_default();
        let conditions = field.as_object().into_iter().flatten().filter(|(key, value)| {
            let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            !key.eq_ignore_ascii_case("field") && !is_empty
        });
        for (condition, values) in conditions {
            let values = set(Some(values));
            match (name.as_str(), condition.to_lowercase().as_str()) {
                ("eventcategory", "equals") => management = values.contains("management"),
                ("eventsource", "notequals") => excluded.extend(values),
                ("readonly", "equals") if !values.contains("false") => return Recorded::nothing(),
                ("readonly", "notequals") if values.contains("false") => return Recorded::nothing(),
                ("readonly", "equals" | "notequals") => {}
                _ => understood = false,
            }
        }
    }
    match (management, understood) {
        (false, _) => Recorded::nothing(),
        (true, false) => Recorded { in_part: true, ..Recorded::nothing() },
        (true, true) => Recorded::without(&excluded),
    }
}
