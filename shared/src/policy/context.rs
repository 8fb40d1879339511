//! The request context: condition keys and their values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use compact_str::CompactString;

/// The context of a request. Nothing is derived: a key that is not here is absent, unless it is said to be unknown or the context is open.
///
/// A copy is cheap: each question takes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(Arc<Known>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    values: BTreeMap<CompactString, Values>,
    unknown: BTreeSet<CompactString>,
    absent: BTreeSet<CompactString>,
    /// Beginnings of keys: of those every one that is there is set.
    whole: BTreeSet<CompactString>,
    /// A key that is nowhere here is unknown, not absent.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// What the context says of a key.
pub(crate) enum Lookup<'a> {
    One(&'a str),
    Many(&'a [String]),
    Absent,
    Unknown,
}

/// Key names have no letter case. Most of those of AWS are short enough to need no memory of their own.
fn lower(key: &str) -> CompactString {
    CompactString::from_str_to_lowercase(key)
}

impl Context {
    /// A context of which only a part is known: a key that is neither set nor said to be absent is unknown.
    pub fn open() -> Self {
        Self(Arc::new(Known { open: true, ..Known::default() }))
    }

    fn known(&mut self) -> &mut Known {
        Arc::make_mut(&mut self.0)
    }

    /// Says that a key is not in the request.
    pub fn set_absent(&mut self, key: &str) {
        self.known().absent.insert(lower(key));
    }

    /// Says that of the keys that begin so only those that are set are in the request.
    pub fn set_whole(&mut self, prefix: &str) {
        self.known().whole.insert(lower(prefix));
    }

    /// Sets a single-valued key. Key names have no letter case.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.known().values.insert(lower(key), Values::One(value.into()));
    }

    /// Sets a multivalued key.
    pub fn set_many(&mut self, key: &str, values: Vec<String>) {
        self.known().values.insert(lower(key), Values::Many(values));
    }

    /// Says that neither presence nor value of a key is known.
    pub fn set_unknown(&mut self, key: &str) {
        self.known().unknown.insert(lower(key));
    }

    /// Whether a key is known to have just this value.
    pub(crate) fn is(&self, key: &str, value: &str) -> bool {
        matches!(self.get(key), Lookup::One(found) if found == value)
    }

    pub(crate) fn get(&self, key: &str) -> Lookup<'_> {
        let lowered;
        let key = if key.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
            lowered = lower(key);
            lowered.as_str()
        } else {
            key
        };
        if self.0.unknown.contains(key) {
            return Lookup::Unknown;
        }
        match self.0.values.get(key) {
            Some(Values::One(value)) => Lookup::One(value),
            Some(Values::Many(values)) => Lookup::Many(values),
            None if self.0.open && !self.0.absent.contains(key) && !self.is_whole(key) => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }

    fn is_whole(&self, key: &str) -> bool {
        self.0.whole.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    /// The keys that begin with a prefix (in lower case), and whether there may be more of them.
    pub(crate) fn under<'a>(&'a self, prefix: &'a str) -> (impl Iterator<Item = &'a str>, bool) {
        let begins = move |key: &&CompactString| key.starts_with(prefix);
        let known = self.0.values.keys().filter(begins).filter(|key| !self.0.unknown.contains(*key));
        let more = self.0.open && !self.is_whole(prefix) || self.0.unknown.iter().any(|key| key.starts_with(prefix));
        (known.filter_map(move |key| key.get(prefix.len()..)), more)
    }
}
