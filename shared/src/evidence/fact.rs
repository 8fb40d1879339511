//! How a fact is read from JSON.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Fact, Gap};

/// The member that says which of the three it is.
const TAG: &str = "fact";

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Known,
    Gap,
    NotAsked,
}

#[derive(serde::Deserialize)]
struct Known<T> {
    value: T,
    source: String,
    at: Timestamp,
}

/// The name of a member, borrowed where it can be.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Facts are most of what a sweep keeps, and they lie in each other. Where the tag comes first, as it is written, they are read as they come; serde's
/// own way keeps the whole object aside until it has seen the tag, once for each level.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FactVisitor(PhantomData))
    }
}

struct FactVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FactVisitor<T> {
    type Value = Fact<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with the member `{TAG}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fact<T>, A::Error> {
        let mut others = Map::new();
        while let Some(Name(name)) = map.next_key()? {
            if name != TAG {
                others.insert(name.into_owned(), map.next_value()?);
            } else if others.is_empty() {
                return of_kind(map.next_value()?, MapAccessDeserializer::new(map));
            } else {
                let kind = map.next_value()?;
                while let Some((name, value)) = map.next_entry()? {
                    others.insert(name, value);
                }
                return of_kind(kind, Value::Object(others)).map_err(A::Error::custom);
            }
        }
        Err(A::Error::missing_field(TAG))
    }
}

fn of_kind<'de, T: Deserialize<'de>, D: Deserializer<'de>>(kind: Kind, members: D) -> Result<Fact<T>, D::Error> {
    match kind {
        Kind::Known => Known::deserialize(members).map(|Known { value, source, at }| Fact::Known { value, source, at }),
        Kind::Gap => Gap::deserialize(members).map(Fact::Gap),
        Kind::NotAsked => IgnoredAny::deserialize(members).map(|_| Fact::NotAsked),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Fact<Vec<Fact<u8>>>, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn members_may_come_in_any_order() {
        let known = Fact::Known { value: vec![Fact::NotAsked], source: "kms:DescribeKey".to_owned(), at: Timestamp::UNIX_EPOCH };
        let members = [
            r#""fact":"known""#,
            r#""value":[{"fact":"not-asked"}]"#,
            r#""source":"kms:DescribeKey""#,
            r#""at":"1970-01-01T00:00:00Z""#,
            r#""new":{"of":"a later version"}"#,
        ];
        for first in 0..members.len() {
            let mut turned = members;
            turned.rotate_left(first);
            let text = format!("{{{}}}", turned.join(","));
            assert_eq!(read(&text).as_ref(), Ok(&known), "{text}");
            assert_eq!(serde_json::from_value::<Fact<_>>(serde_json::from_str(&text).unwrap()).unwrap(), known, "{text}");
            assert_eq!(serde_json::from_reader::<_, Fact<_>>(text.as_bytes()).unwrap(), known, "{text}");
        }
        let gap = json!({"fact": "gap", "action": "kms:DescribeKey", "account_id": "111111111111", "reason": "throttled"});
        assert!(matches!(read(&gap.to_string()), Ok(Fact::Gap(gap)) if gap.reason == super::super::GapReason::Throttled));
    }

    #[test]
    fn what_is_no_fact_is_refused_and_says_why() {
        for (text, why) in [
            ("{}", "missing field `fact`"),
            (r#"{"value":[]}"#, "missing field `fact`"),
            ("[]", "an object with the member `fact`"),
            (r#"{"fact":"perhaps"}"#, "unknown variant `perhaps`"),
            (r#"{"fact":"known","source":"s","at":"1970-01-01T00:00:00Z"}"#, "missing field `value`"),
            (r#"{"source":"s","at":"1970-01-01T00:00:00Z","fact":"known"}"#, "missing field `value`"),
            (r#"{"fact":"known","value":[],"source":"s","at":"yesterday"}"#, "invalid digit"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
