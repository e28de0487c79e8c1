//! A map that knows the order in which its entries came.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// By key, and by age. Everything takes logarithmic time.
#[derive(Clone, Debug)]
pub(super) struct Ordered<K, V> {
    places: HashMap<K, u64>,
    entries: BTreeMap<u64, (K, V)>,
    next: u64,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { places: HashMap::new(), entries: BTreeMap::new(), next: 0 }
    }
}

impl<K: Hash + Eq + Clone, V> Ordered<K, V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(self.places.get(key)?).map(|(_, value)| value)
    }

    /// Puts an entry at the end; gives what stood under its key.
    pub(super) fn push(&mut self, key: K, value: V) -> Option<V> {
        let place = self.next;
        self.next += 1;
        let before = self.places.insert(key.clone(), place);
        self.entries.insert(place, (key, value));
        self.entries.remove(&before?).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        self.entries.remove(&place).map(|(_, value)| value)
    }

    /// The oldest entry.
    pub(super) fn first(&self) -> Option<&V> {
        self.entries.values().next().map(|(_, value)| value)
    }

    pub(super) fn pop_first(&mut self) -> Option<V> {
        let (_, (key, value)) = self.entries.pop_first()?;
        self.places.remove(&key);
        Some(value)
    }

    /// All entries, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.values().map(|(key, value)| (key, value))
    }

    /// Takes all values out, the oldest first.
    pub(super) fn take(&mut self) -> Vec<V> {
        self.places.clear();
        std::mem::take(&mut self.entries).into_values().map(|(_, value)| value).collect()
    }
}
