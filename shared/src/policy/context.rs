//! The request context: condition keys and their values.

use std::collections::{BTreeMap, BTreeSet};

/// The context of a request. Nothing is derived: a key that is not here is absent, unless it is said to be unknown or the context is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<String, Values>,
    unknown: BTreeSet<String>,
    absent: BTreeSet<String>,
    /// Beginnings of keys: of those every one that is there is set.
    whole: BTreeSet<String>,
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

impl Context {
    /// A context of which only a part is known: a key that is neither set nor said to be absent is unknown.
    pub fn open() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Says that a key is not in the request.
    pub fn set_absent(&mut self, key: &str) {
        self.absent.insert(key.to_lowercase());
    }

    /// Says that of the keys that begin so only those that are set are in the request.
    pub fn set_whole(&mut self, prefix: &str) {
        self.whole.insert(prefix.to_lowercase());
    }

    /// Sets a single-valued key. Key names have no letter case.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_lowercase(), Values::One(value.into()));
    }

    /// Sets a multivalued key.
    pub fn set_many(&mut self, key: &str, values: Vec<String>) {
        self.values.insert(key.to_lowercase(), Values::Many(values));
    }

    /// Says that neither presence nor value of a key is known.
    pub fn set_unknown(&mut self, key: &str) {
        self.unknown.insert(key.to_lowercase());
    }

    /// Whether a key is known to have just this value.
    pub(crate) fn is(&self, key: &str, value: &str) -> bool {
        matches!(self.get(key), Lookup::One(found) if found == value)
    }

    pub(crate) fn get(&self, key: &str) -> Lookup<'_> {
        let lower;
        let key = if key.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
            lower = key.to_lowercase();
            &lower
        } else {
            key
        };
        if self.unknown.contains(key) {
            return Lookup::Unknown;
        }
        match self.values.get(key) {
            Some(Values::One(value)) => Lookup::One(value),
            Some(Values::Many(values)) => Lookup::Many(values),
            None if self.open && !self.absent.contains(key) && !self.is_whole(key) => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }

    fn is_whole(&self, key: &str) -> bool {
        self.whole.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    /// The keys that begin with a prefix (in lower case), and whether there may be more of them.
    pub(crate) fn under<'a>(&'a self, prefix: &'a str) -> (impl Iterator<Item = &'a str>, bool) {
        let begins = move |key: &&String| key.starts_with(prefix);
        let known = self.values.keys().filter(begins).filter(|key| !self.unknown.contains(*key));
        let more = self.open && !self.is_whole(prefix) || self.unknown.iter().any(|key| key.starts_with(prefix));
        (known.filter_map(move |key| key.get(prefix.len()..)), more)
    }
}
