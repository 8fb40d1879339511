//! Reads single fields leniently: what AWS writes in several ways is read in all of them, what cannot be read becomes a problem.
//!
//! Knows JSON, dates and limits; knows nothing of events.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::job::Problem;
use crate::arn::Arn;

/// Longest text kept of a name, type, state or other short field, in bytes.
const SHORT: usize = 256;
/// Longest ARN that is read as one, in bytes; AWS' own limit for ARNs of IAM and KMS is 2,048.
const LONGEST_ARN: usize = 2048;

/// The fields of one JSON object, and what was wrong with them.
pub(crate) struct Fields<'v> {
    path: String,
    map: Option<&'v Map<String, Value>>,
    /// What could not be read so far.
    pub(crate) problems: Vec<Problem>,
}

impl<'v> Fields<'v> {
    /// The fields of an object; of anything else, none.
    pub(crate) fn of(path: &str, value: Option<&'v Value>) -> Self {
        Self { path: path.to_owned(), map: value.and_then(Value::as_object), problems: Vec::new() }
    }

    /// Notes a problem of a field.
    pub(crate) fn problem(&mut self, field: &str, what: impl Into<String>) {
        let field = if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) };
        self.problems.push(Problem { field, what: what.into() });
    }

    /// The value of a field. `null`, `{}` (AWS' way of writing "no ARN yet") and a missing field are one.
    pub(crate) fn get(&self, name: &str) -> Option<&'v Value> {
        let map = self.map?;
        let value = map.get(name).or_else(|| map.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value))?;
        match value {
            Value::Null => None,
            Value::Object(empty) if empty.is_empty() => None,
            _ => Some(value),
        }
    }

    /// A short text. Numbers and booleans are taken as their text, with a problem.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let text = match self.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            other @ (Value::Number(_) | Value::Bool(_)) => {
                self.problem(name, format!("{}, not a text", kind(other)));
                other.to_string()
            }
            other => {
                self.problem(name, format!("{}, not a text", kind(other)));
                return None;
            }
        };
        if text.len() > SHORT {
            self.problem(name, format!("longer than {SHORT} bytes, cut"));
        }
        Some(clip(&text, SHORT).to_owned()).filter(|text| !text.is_empty())
    }

    /// A text that nothing else may stand in for, because what the event is depends on it.
    pub(crate) fn name(&mut self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(_) => self.text(name),
            other => {
                self.problem(name, format!("{}, not a text", kind(other)));
                None
            }
        }
    }

    /// An ARN. An empty text is none.
    pub(crate) fn arn(&mut self, name: &str) -> Option<Arn> {
        let value = self.get(name)?;
        let (arn, problem) = arn_of(value);
        if let Some(problem) = problem {
            self.problem(name, problem);
        }
        arn
    }

    /// A moment, in any way AWS writes one.
    pub(crate) fn timestamp(&mut self, name: &str) -> Option<Timestamp> {
        let value = self.get(name)?;
        if value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return None;
        }
        let moment = timestamp_of(value);
        if moment.is_none() {
            self.problem(name, "not a date");
        }
        moment
    }

    /// A size in bytes: a text in backup and restore events, a number in copy events.
    pub(crate) fn size(&mut self, name: &str) -> Option<u64> {
        let size = match self.get(name)? {
            Value::String(text) if text.trim().is_empty() => return None,
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        if size.is_none() {
            self.problem(name, "not a size in bytes");
        }
        size
    }

    /// A truth value: a boolean, or the text of one.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        let flag = flag_of(value);
        if flag.is_none() {
            self.problem(name, "neither true nor false");
        }
        flag
    }
}

/// Whether two field names differ only in letter case and separators (`calculatedLifeCycle`, `CalculatedLifecycle`).
fn same_name(left: &str, right: &str) -> bool {
    let letters =
        |name: &'_ str| name.bytes().filter(|b| !matches!(b, b'_' | b'-' | b' ')).map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    left.len().abs_diff(right.len()) <= 4 && letters(left) == letters(right)
}

/// What a value is, in words, without the value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A truth value: a boolean, or the text of one.
pub(crate) fn flag_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An ARN, or why there is none; neither for an empty text.
pub(crate) fn arn_of(value: &Value) -> (Option<Arn>, Option<String>) {
    let Some(text) = value.as_str() else {
        return (None, Some(format!("{}, not an ARN", kind(value))));
    };
    if text.trim().is_empty() {
        return (None, None);
    }
    if text.len() > LONGEST_ARN {
        return (None, Some(format!("longer than {LONGEST_ARN} bytes, not an ARN")));
    }
    match Arn::parse(text) {
        Ok(arn) => (Some(arn), None),
        Err(_) => (None, Some("not an ARN".to_owned())),
    }
}

/// A moment: ISO 8601 with or without fraction and zone (none means UTC), `Jul 15, 2020 9:39:07 PM`, seconds since 1970 (as the JSON API
/// writes them), or `{"seconds": …, "nanos": …}` (CloudTrail service events).
pub(crate) fn timestamp_of(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => timestamp_of_text(text.trim()),
        Value::Number(number) => timestamp_of_seconds(number.as_f64()?),
        Value::Object(map) => {
            let seconds = map.get("seconds")?.as_i64()?;
            let nanos = map.get("nanos").and_then(Value::as_i64).unwrap_or_default();
            Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

fn timestamp_of_text(text: &str) -> Option<Timestamp> {
    if text.len() > 64 {
        return None;
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // Newer Java runtimes put a narrow no-break space before AM and PM.
    let spaced = text.replace(['\u{202f}', '\u{a0}'], " ");
    let civil = spaced
        .parse::<DateTime>()
        .or_else(|_| DateTime::strptime("%b %d, %Y %I:%M:%S %p", &spaced))
        .or_else(|_| DateTime::strptime("%b %d, %Y, %I:%M:%S %p", &spaced));
    match civil {
        Ok(civil) => civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()),
        Err(_) => text.parse::<f64>().ok().and_then(timestamp_of_seconds),
    }
}

fn timestamp_of_seconds(seconds: f64) -> Option<Timestamp> {
    // Beyond the year 5138 in seconds, so it can only be milliseconds.
    let millis = if seconds.abs() >= 1e11 { seconds } else { seconds * 1e3 };
    if !millis.is_finite() {
        return None;
    }
    Timestamp::from_millisecond(millis.round() as i64).ok()
}

/// The beginning of a text, at most `limit` bytes, whole characters.
pub(crate) fn clip(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// As [`clip`], with a mark that says what was cut.
pub(crate) fn clip_marked(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let kept = clip(text, limit);
    format!("{kept} [cut: {} of {} bytes]", kept.len(), text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_of_writing_a_date_is_read() {
        for (written, meant) in [
            (json!("2026-11-02T05:21:26Z"), "2026-11-02T05:21:26Z"),
            (json!("2026-11-02T05:21:26.239Z"), "2026-11-02T05:21:26.239Z"),
            (json!("2026-11-02T06:21:26+01:00"), "2026-11-02T05:21:26Z"),
            (json!("2026-11-02T05:21:26"), "2026-11-02T05:21:26Z"),
            (json!("Jul 15, 2020 9:39:07 PM"), "2020-07-15T21:39:07Z"),
            (json!("Jul 15, 2020, 9:39:07\u{202f}PM"), "2020-07-15T21:39:07Z"),
            (json!("Jan 10, 2019 12:45:24 AM"), "2019-01-10T00:45:24Z"),
            (json!(1516925490.087), "2018-01-26T00:11:30.087Z"),
            (json!("1516925490.087"), "2018-01-26T00:11:30.087Z"),
            (json!(1516925490087_u64), "2018-01-26T00:11:30.087Z"),
            (json!({"seconds": 1793596858, "nanos": 906000000}), "2026-11-02T05:20:58.906Z"),
        ] {
            assert_eq!(timestamp_of(&written), Some(meant.parse().unwrap()), "{written}");
        }
        for bad in [json!(""), json!("yesterday"), json!(true), json!(1e300), json!({}), json!([1])] {
            assert_eq!(timestamp_of(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cut_text_says_so_and_keeps_whole_characters() {
        assert_eq!(clip_marked("äöü", 6), "äöü");
        assert_eq!(clip_marked("äöü", 5), "äö [cut: 4 of 6 bytes]");
    }

    #[test]
    fn names_are_read_whatever_their_letter_case() {
        let value = json!({"ResourceARN": "arn:aws:s3:::b", "bytes": "12", "isLocked": "TRUE"});
        let mut fields = Fields::of("detail", Some(&value));
        assert_eq!(fields.arn("resourceArn").unwrap().as_str(), "arn:aws:s3:::b");
        assert_eq!((fields.size("bytes"), fields.flag("isLocked")), (Some(12), Some(true)));
        assert!(fields.problems.is_empty());
    }
}
