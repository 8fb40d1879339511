//! The worst of many, in bounded memory.

use std::collections::BTreeMap;

/// Keeps the first few by rank and counts all. The smallest rank is the worst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worst<K, T> {
    most: usize,
    kept: BTreeMap<K, T>,
    total: u64,
}

impl<K: Ord, T> Worst<K, T> {
    /// Keeps at most so many.
    pub fn of(most: usize) -> Self {
        Self { most, kept: BTreeMap::new(), total: 0 }
    }

    /// Counts one, and keeps it if it is among the worst. What has the rank of a kept one takes its place.
    pub fn push(&mut self, rank: K, item: impl FnOnce() -> T) {
        self.total = self.total.saturating_add(1);
        let full = self.kept.len() >= self.most;
        if full && self.kept.last_key_value().is_none_or(|(last, _)| rank > *last) {
            return;
        }
        self.kept.insert(rank, item());
        if self.kept.len() > self.most {
            self.kept.pop_last();
        }
    }

    /// The kept ones, worst first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.kept.values()
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many are not kept.
    pub fn hidden(&self) -> u64 {
        self.total.saturating_sub(self.kept.len() as u64)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_worst_are_kept_whatever_the_order(ranks in prop::collection::btree_set(0_u32..500, 0..60), most in 0_usize..20) {
            let mut shuffled = ranks.iter().copied().collect::<Vec<_>>();
            shuffled.sort_by_key(|rank| rank.wrapping_mul(2_654_435_761));
            let mut worst = Worst::of(most);
            for rank in shuffled {
                worst.push(rank, || rank);
            }
            prop_assert_eq!(worst.total() as usize, ranks.len());
            prop_assert_eq!(worst.iter().copied().collect::<Vec<_>>(), ranks.into_iter().take(most).collect::<Vec<_>>());
        }
    }
}
