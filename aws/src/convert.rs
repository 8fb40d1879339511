//! From the SDK's types to the core's: lenient, an unreadable value is an absent one.

use aws_smithy_types::DateTime;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Fact, Gap, GapReason};
use jiff::Timestamp;

pub(crate) fn timestamp(time: Option<&DateTime>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok())
}

pub(crate) fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_secs(time.as_second())
}

pub(crate) fn arn(text: Option<&str>) -> Option<Arn> {
    text.and_then(|text| Arn::parse(text).ok())
}

pub(crate) fn text(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(crate) fn known<T>(value: T, source: &str) -> Fact<T> {
    Fact::Known { value, source: source.to_owned(), at: Timestamp::now() }
}

pub(crate) fn gap(action: &str, account: &AccountId, region: &Region, reason: GapReason, detail: impl Into<Option<String>>) -> Gap {
    Gap { action: action.to_owned(), account_id: account.clone(), region: Some(region.clone()), reason, detail: detail.into() }
}
