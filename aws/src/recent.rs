//! What was used lately: a map that forgets what was not used for the longest time.

use std::collections::BTreeMap;

/// At most so many values.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    most: usize,
    uses: u64,
    kept: BTreeMap<K, (u64, V)>,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    /// At most `most` values, and at least one.
    pub(crate) fn of(most: usize) -> Self {
        Self { most: most.max(1), uses: 0, kept: BTreeMap::new() }
    }

    /// A value, which is used by that.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        self.uses += 1;
        let (used, value) = self.kept.get_mut(key)?;
        *used = self.uses;
        Some(value)
    }

    /// Keeps a value, and forgets another where there is no room.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.uses += 1;
        if self.kept.len() >= self.most && !self.kept.contains_key(&key) {
            let oldest = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.kept.remove(&oldest);
            }
        }
        self.kept.insert(key, (self.uses, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_is_forgotten() {
        let mut recent = Recent::of(2);
        recent.insert("one", 1);
        recent.insert("two", 2);
        assert_eq!(recent.get(&"one"), Some(&mut 1));
        recent.insert("three", 3);
        assert_eq!(recent.get(&"two"), None);
        assert_eq!(recent.kept.len(), 2);
        assert_eq!((recent.get(&"one").copied(), recent.get(&"three").copied()), (Some(1), Some(3)));
    }

    #[test]
    fn a_value_is_replaced_without_another_being_forgotten() {
        let mut recent = Recent::of(2);
        for (key, value) in [("one", 1), ("two", 2), ("two", 22)] {
            recent.insert(key, value);
        }
        assert_eq!((recent.get(&"one").copied(), recent.get(&"two").copied()), (Some(1), Some(22)));
    }
}
