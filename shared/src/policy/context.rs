//! The request context: condition keys and their values.

use std::sync::Arc;

use compact_str::CompactString;

/// The context of a request. Nothing is derived: a key that is not here is absent, unless it is said to be unknown or the context is open.
///
/// A copy is cheap: each question takes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(Arc<Known>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// By name. A context has twenty keys or so and is made for every question: one list is quicker than a tree for each kind.
    keys: Vec<(CompactString, Said)>,
    /// Beginnings of keys: of those every one that is there is set.
    whole: Vec<CompactString>,
    /// A key that is nowhere here is unknown, not absent.
    open: bool,
}

/// What was said of a key. A value outweighs that it is absent, and that it is not known outweighs both.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Absent,
    One(CompactString),
    Many(Vec<String>),
    Unknown,
}

impl Said {
    fn weight(&self) -> u8 {
        match self {
            Self::Absent => 0,
            Self::One(_) | Self::Many(_) => 1,
            Self::Unknown => 2,
        }
    }
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
    if !key.is_ascii() {
        return CompactString::from_str_to_lowercase(key);
    }
    let mut lowered = CompactString::from(key);
    lowered.make_ascii_lowercase();
    lowered
}

impl Known {
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.keys.binary_search_by(|(other, _)| other.as_str().cmp(key))
    }

    fn say(&mut self, key: &str, said: Said) {
        let key = lower(key);
        match self.place(&key) {
            Ok(place) => {
                if let Some((_, before)) = self.keys.get_mut(place).filter(|(_, before)| before.weight() <= said.weight()) {
                    *before = said;
                }
            }
            Err(place) => self.keys.insert(place, (key, said)),
        }
    }
}

impl Context {
    /// A context of which only a part is known: a key that is neither set nor said to be absent is unknown.
    pub fn open() -> Self {
        Self(Arc::new(Known { open: true, keys: Vec::with_capacity(24), ..Known::default() }))
    }

    fn known(&mut self) -> &mut Known {
        Arc::make_mut(&mut self.0)
    }

    /// Says that a key is not in the request.
    pub fn set_absent(&mut self, key: &str) {
        self.known().say(key, Said::Absent);
    }

    /// Says that of the keys that begin so only those that are set are in the request.
    pub fn set_whole(&mut self, prefix: &str) {
        self.known().whole.push(lower(prefix));
    }

    /// Sets a single-valued key. Key names have no letter case.
    pub fn set(&mut self, key: &str, value: impl Into<CompactString>) {
        self.known().say(key, Said::One(value.into()));
    }

    /// Sets a multivalued key.
    pub fn set_many(&mut self, key: &str, values: Vec<String>) {
        self.known().say(key, Said::Many(values));
    }

    /// Says that neither presence nor value of a key is known.
    pub fn set_unknown(&mut self, key: &str) {
        self.known().say(key, Said::Unknown);
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
        let said = self.0.place(key).ok().and_then(|place| self.0.keys.get(place));
        match said {
            Some((_, Said::Unknown)) => Lookup::Unknown,
            Some((_, Said::One(value))) => Lookup::One(value),
            Some((_, Said::Many(values))) => Lookup::Many(values),
            Some((_, Said::Absent)) => Lookup::Absent,
            None if self.0.open && !self.is_whole(key) => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }

    fn is_whole(&self, key: &str) -> bool {
        self.0.whole.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    /// The keys that begin with a prefix (in lower case), and whether there may be more of them.
    pub(crate) fn under<'a>(&'a self, prefix: &'a str) -> (impl Iterator<Item = &'a str>, bool) {
        let of_these = move |(key, _): &&(CompactString, Said)| key.starts_with(prefix);
        let more = self.0.open && !self.is_whole(prefix) || self.0.keys.iter().filter(of_these).any(|(_, said)| *said == Said::Unknown);
        let known = self.0.keys.iter().filter(of_these).filter(|(_, said)| matches!(said, Said::One(_) | Said::Many(_)));
        (known.filter_map(move |(key, _)| key.get(prefix.len()..)), more)
    }
}
