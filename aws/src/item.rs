//! Items of DynamoDB: every one carries the version of its schema, and times are numbers that compare.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

/// Version of the item schemas below; stored as `v`.
pub(crate) const SCHEMA_VERSION: u32 = 1;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time as milliseconds since 1970.
pub(crate) fn millis(time: Timestamp) -> AttributeValue {
    number(time.as_millisecond())
}

pub(crate) fn read_str<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

pub(crate) fn read_number(item: &Item, name: &str) -> Option<i64> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok())
}

pub(crate) fn read_time(item: &Item, name: &str) -> Option<Timestamp> {
    read_number(item, name).and_then(|millis| Timestamp::from_millisecond(millis).ok())
}
