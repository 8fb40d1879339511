//! A page of the recovery points of a vault, read as its text comes.
//!
//! A page of a thousand is more than a megabyte, and a vault that keeps the copies of an organization has thousands of them. Of the text only that is kept
//! which is not read yet: the beginning of a point whose end is still to come.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use super::points::Fold;
use super::read;

/// Text that may wait for its end. A point has a kilobyte; whatever is read again with each piece must not be long.
const MOST_LEFT: usize = 1 << 20;

/// A page on its way: its text goes in piece by piece, and [`Fold::close`] takes it when it was whole.
#[derive(Debug)]
pub struct PointsPage {
    /// What was read of it.
    pub(super) fold: Fold,
    /// Where the next one begins, once that was told.
    next: Option<Option<String>>,
    /// Whether its list was there. What says nothing of points does not say that there are none.
    listed: bool,
    /// The text that is not read yet.
    left: Vec<u8>,
    place: Place,
}

/// What may come next in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// The object.
    Start,
    /// Its first member, or its end.
    Opened,
    /// A member.
    Member,
    /// The end of the object, or another member.
    AfterMember,
    /// The first point, or the end of the list.
    Points,
    /// A point.
    Point,
    /// The end of the list, or another point.
    AfterPoint,
    /// Nothing.
    End,
    /// It is no page: what comes is not looked at.
    Broken,
}

/// Why a step was not made.
enum Stop {
    /// There is not enough text.
    Short,
    /// It is no page.
    Broken,
}

impl PointsPage {
    pub(super) fn new(fold: Fold) -> Self {
        Self { fold, next: None, listed: false, left: Vec::new(), place: Place::Start }
    }

    /// Reads as much as there is.
    pub fn add(&mut self, piece: &[u8]) {
        if self.place == Place::Broken {
            return;
        }
        let mut bytes = std::mem::take(&mut self.left);
        bytes.extend_from_slice(piece);
        // Checked at once, and not text by text; a piece may end in the middle of a character.
        let legible = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return self.place = Place::Broken,
            Err(error) => bytes.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default(),
        };
        let mut rest = legible;
        loop {
            match self.step(behind_blanks(rest)) {
                Ok((place, after)) => (self.place, rest) = (place, after),
                Err(Stop::Short) => break,
                Err(Stop::Broken) => return self.place = Place::Broken,
            }
        }
        let read = legible.len() - rest.len();
        bytes.drain(..read);
        self.left = bytes;
        if self.left.len() > MOST_LEFT {
            self.place = Place::Broken;
        }
    }

    /// Where the next one begins; `None` where this one was no page, or came in part.
    pub(super) fn done(self) -> Option<(Fold, Option<String>)> {
        let whole = self.place == Place::End && self.listed && self.left.iter().all(|byte| BLANKS.contains(&char::from(*byte)));
        whole.then(|| (self.fold, self.next.flatten()))
    }

    /// Reads one thing, and tells what may come after it.
    fn step<'t>(&mut self, text: &'t str) -> Result<(Place, &'t str), Stop> {
        let (first, after) = text.split_at_checked(1).ok_or(if text.is_empty() { Stop::Short } else { Stop::Broken })?;
        Ok(match (self.place, first) {
            (Place::Start, "{") => (Place::Opened, after),
            (Place::Opened | Place::AfterMember, "}") => (Place::End, after),
            (Place::AfterMember, ",") => (Place::Member, after),
            (Place::Opened | Place::Member, _) => return self.member(text),
            (Place::Points | Place::AfterPoint, "]") => (Place::AfterMember, after),
            (Place::AfterPoint, ",") => (Place::Point, after),
            (Place::Points | Place::Point, _) => {
                let (row, after) = value::<Row<'_>>(text)?;
                self.fold.add(&row).ok_or(Stop::Broken)?;
                (Place::AfterPoint, after)
            }
            _ => return Err(Stop::Broken),
        })
    }

    fn member<'t>(&mut self, text: &'t str) -> Result<(Place, &'t str), Stop> {
        let (name, after) = value::<Cow<'_, str>>(text)?;
        let after = behind_blanks(after);
        let value_of = behind_blanks(after.strip_prefix(':').ok_or(if after.is_empty() { Stop::Short } else { Stop::Broken })?);
        let after = match name.as_ref() {
            // What comes twice contradicts itself.
            "RecoveryPoints" if self.listed => return Err(Stop::Broken),
            "NextToken" if self.next.is_some() => return Err(Stop::Broken),
            "RecoveryPoints" => {
                let points = value_of.strip_prefix('[').ok_or(if value_of.is_empty() { Stop::Short } else { Stop::Broken })?;
                self.listed = true;
                return Ok((Place::Points, points));
            }
            "NextToken" => {
                let (next, after) = value::<Option<String>>(value_of)?;
                self.next = Some(next.filter(|next| !next.is_empty()));
                after
            }
            _ => value::<IgnoredAny>(value_of)?.1,
        };
        Ok((Place::AfterMember, after))
    }
}

/// What JSON takes for nothing.
const BLANKS: [char; 4] = [' ', '\n', '\r', '\t'];

fn behind_blanks(text: &str) -> &str {
    text.trim_start_matches(BLANKS)
}

/// A value, and the text behind it. Of a number one cannot tell that it has ended where nothing comes behind it.
fn value<'t, T: Deserialize<'t>>(text: &'t str) -> Result<(T, &'t str), Stop> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => match text.get(values.byte_offset()..) {
            None | Some("") => Err(Stop::Short),
            Some(after) => Ok((value, after)),
        },
        None => Err(Stop::Short),
        // A number that is cut behind its point or its `e` is told as a wrong one.
        Some(Err(error)) if error.is_eof() || is_at_end(&error, text) => Err(Stop::Short),
        Some(Err(_)) => Err(Stop::Broken),
    }
}

fn is_at_end(error: &serde_json::Error, text: &str) -> bool {
    let last = text.rsplit('\n').next().unwrap_or_default();
    error.column() >= last.len() && error.line() > text.bytes().filter(|byte| *byte == b'\n').count()
}

/// A recovery point as AWS lists it, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    pub(super) recovery_point_arn: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) resource_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) resource_type: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) resource_name: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) source_backup_vault_arn: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) is_encrypted: Option<bool>,
    #[serde(default, deserialize_with = "time")]
    pub(super) creation_date: Option<Timestamp>,
    #[serde(borrow, default)]
    pub(super) created_by: Option<Creator<'a>>,
    #[serde(default)]
    pub(super) calculated_lifecycle: Option<Lifecycle>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) encryption_key_arn: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Creator<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) backup_plan_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) backup_rule_id: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Lifecycle {
    #[serde(default, deserialize_with = "time")]
    pub(super) delete_at: Option<Timestamp>,
}

/// A text where it lies: serde copies one that may be missing, even where it borrows.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = Option<Cow<'de, str>>;
        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a text")
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Borrowed(text)))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Owned(text.to_owned())))
        }
        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
            from.deserialize_str(self)
        }
        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    from.deserialize_option(Text)
}

/// A time in one of the two forms of AWS. One that cannot be read is none.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    struct Time;
    impl<'de> Visitor<'de> for Time {
        type Value = Option<Timestamp>;
        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("seconds since 1970, or RFC 3339")
        }
        fn visit_f64<E>(self, seconds: f64) -> Result<Self::Value, E> {
            Ok(read::seconds(seconds))
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds of any date fit 52 bits")]
        fn visit_i64<E>(self, seconds: i64) -> Result<Self::Value, E> {
            Ok(read::seconds(seconds as f64))
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds of any date fit 52 bits")]
        fn visit_u64<E>(self, seconds: u64) -> Result<Self::Value, E> {
            Ok(read::seconds(seconds as f64))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.parse().ok())
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    from.deserialize_any(Time)
}

#[cfg(test)]
mod tests {
    use guardian_core::arn::AccountId;
    use serde_json::{Value, json};

    use super::*;
    use crate::readers::Holdings;

    fn fold() -> Fold {
        Fold::of(AccountId::parse("111111111111").unwrap())
    }

    /// A page with all that may stand in one: text beyond ASCII, escapes, members that nobody asked for on both sides of the list.
    fn page(points: usize) -> Value {
        let point = |number: usize| {
            json!({
                "RecoveryPointArn": format!("arn:aws:ec2:eu-central-1::snapshot/snap-{number}"),
                "ResourceArn": format!("arn:aws:ec2:eu-central-1:111111111111:volume/vol-{}", number % 3),
                "ResourceType": "EBS",
                "ResourceName": format!("größe \"{number}\" \u{1F512} {{]"),
                "SourceBackupVaultArn": format!("arn:aws:backup:eu-central-1:22222222222{}:backup-vault:v", number % 2),
                "Status": "COMPLETED",
                "CreationDate": 1_767_225_600.5 + 60.0 * f64::from(u32::try_from(number).unwrap()),
                "CreatedBy": {"BackupPlanId": "p", "Others": [1, {"a": "}"}]},
            })
        };
        json!({"A": [1, {"b": null}], "NextToken": "n/é==", "RecoveryPoints": (0..points).map(point).collect::<Vec<_>>(), "Z": 12.5, "z": true})
    }

    fn read(pieces: &[&[u8]]) -> Option<(Holdings, Option<String>)> {
        let mut fold = fold();
        let mut page = fold.page();
        pieces.iter().for_each(|piece| page.add(piece));
        let next = fold.close(page)?;
        Some((fold.done(), next))
    }

    fn whole(page: &Value) -> (Holdings, Option<String>) {
        let mut fold = fold();
        fold.add_answer(&json!({"RecoveryPoints": page["RecoveryPoints"]})).unwrap();
        (fold.done(), page["NextToken"].as_str().map(str::to_owned))
    }

    #[test]
    fn a_page_is_the_same_in_whatever_pieces_it_comes() {
        for points in 0..4 {
            let page = page(points);
            for text in [serde_json::to_vec(&page).unwrap(), serde_json::to_vec_pretty(&page).unwrap()] {
                for size in (1..20).chain([100, text.len()]) {
                    assert_eq!(read(&text.chunks(size).collect::<Vec<_>>()), Some(whole(&page)), "{points} points in pieces of {size}");
                }
            }
        }
    }

    #[test]
    fn a_page_that_was_damaged_says_what_the_whole_document_says_or_nothing() {
        let text = serde_json::to_vec(&page(2)).unwrap();
        for place in 0..text.len() {
            for byte in *b"\"\\{}[]:, 0\0\xff" {
                let mut damaged = text.clone();
                damaged[place] = byte;
                let mut fold = fold();
                let read = read(&damaged.chunks(50).collect::<Vec<_>>()).map(|(held, _)| held);
                let said = serde_json::from_slice::<Value>(&damaged).ok();
                let said = said.and_then(|page| fold.add_answer(&json!({"RecoveryPoints": page["RecoveryPoints"]}))).map(|()| fold.done());
                assert!(read.is_none() || read == said, "{}", String::from_utf8_lossy(&damaged));
            }
        }
    }

    #[test]
    fn a_text_without_an_end_is_not_read_again_and_again() {
        let mut page = fold().page();
        page.add(b"{\"A\": \"");
        let piece = [b'a'; 8192];
        for _ in 0..=MOST_LEFT / piece.len() {
            page.add(&piece);
        }
        assert_eq!((page.place, page.left.len() <= MOST_LEFT + piece.len()), (Place::Broken, true));
        page.add(b"\", \"RecoveryPoints\": []}");
        assert!(page.done().is_none());
    }

    #[test]
    fn a_page_that_ends_early_is_none() {
        let text = serde_json::to_vec(&page(2)).unwrap();
        for end in 0..text.len() {
            assert_eq!(read(&[&text[..end]]), None, "{end}");
        }
        for broken in ["{}x", "{\"RecoveryPoints\": null}", "{\"RecoveryPoints\": [,]}", "{,}", "[]", "{\"a\" 1}", "{\"NextToken\": 1}"] {
            assert_eq!(read(&[broken.as_bytes()]), None, "{broken}");
        }
        for told in ["{}", "{\"__type\": \"ThrottlingException\"}", "{\"NextToken\": \"a\"}"] {
            assert_eq!(read(&[told.as_bytes()]), None, "{told} does not say that there are no points");
        }
        for twice in
            ["{\"RecoveryPoints\": [], \"RecoveryPoints\": []}", "{\"NextToken\": \"a\", \"RecoveryPoints\": [], \"NextToken\": null}"]
        {
            assert_eq!(read(&[twice.as_bytes()]), None, "{twice}");
        }
        assert_eq!(read(&[b"{\"RecoveryPoints\": []}\xe2\x82"]), None, "something more came");
        assert_eq!(read(&[b" {\"NextToken\":\"\",\"RecoveryPoints\":[]} \n"]), Some((Holdings::default(), None)));
    }
}
