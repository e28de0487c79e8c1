//! `by`: a table of results.

use super::Aggregate;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

/// How many groups there may be, unless told otherwise.
pub(super) const MOST: usize = 10_000;

/// See [`Aggregate::by`]. Takes up to 10,000 groups, or [`max_groups`](By::max_groups); an item that would begin one more is rejected.
/// Over the last items the window is the limit.
pub struct By<K, F, A> {
    max_groups: usize,
    key: F,
    fresh: A,
    /// With the number of items in the group.
    groups: HashMap<K, (u64, A)>,
}

impl<K, F, A> By<K, F, A> {
    pub(in crate::ops) fn new(key: F, fresh: A) -> Self {
        Self { max_groups: MOST, key, fresh, groups: HashMap::new() }
    }

    /// How many groups there may be at a time (at least 1).
    #[must_use]
    pub fn max_groups(mut self, groups: usize) -> Self {
        self.max_groups = groups.max(1);
        self
    }
}

impl<K: Hash + Eq, F, A> By<K, F, A> {
    /// The aggregate of one group, where there is one.
    pub(in crate::ops) fn group(&self, key: &K) -> Option<&A> {
        self.groups.get(key).map(|(_, group)| group)
    }
}

pub(super) fn too_many(groups: usize) -> Error {
    let text = format!("more than {groups} groups: choose a key of fewer values, or raise max_groups");
    Error::data(ErrorKind::TooLarge, "aggregate", text)
}

impl<I, K, F, A> Aggregate<I> for By<K, F, A>
where
    K: Hash + Eq + Clone + Send,
    F: Fn(&I) -> K + Clone + Send,
    A: Aggregate<I>,
{
    type Output = HashMap<K, A::Output>;
    const LIMITED: bool = true;

    fn admit(&self, item: &I) -> Result<()> {
        if self.groups.len() < self.max_groups && !A::LIMITED {
            return Ok(());
        }
        match self.groups.get(&(self.key)(item)) {
            Some((_, group)) => group.admit(item),
            None if self.groups.len() < self.max_groups => self.fresh.admit(item),
            None => Err(too_many(self.max_groups)),
        }
    }

    fn sliding(&mut self) {
        self.max_groups = usize::MAX;
        self.fresh.sliding();
    }

    fn on_new(&mut self, item: &I) {
        let (count, group) = self.groups.entry((self.key)(item)).or_insert_with(|| (0, self.fresh.clone()));
        *count += 1;
        group.on_new(item);
    }

    fn on_old(&mut self, item: &I) -> bool {
        let key = (self.key)(item);
        match self.groups.get_mut(&key) {
            Some((count, group)) if *count > 1 => {
                *count -= 1;
                group.on_old(item)
            }
            _ => {
                self.groups.remove(&key);
                true
            }
        }
    }

    fn result(&self) -> Self::Output {
        self.groups.iter().map(|(key, (_, group))| (key.clone(), group.result())).collect()
    }
}

impl<K: Clone, F: Clone, A: Clone> Clone for By<K, F, A> {
    fn clone(&self) -> Self {
        let Self { max_groups, key, fresh, groups } = self;
        Self { max_groups: *max_groups, key: key.clone(), fresh: fresh.clone(), groups: groups.clone() }
    }
}

impl<K, F, A> fmt::Debug for By<K, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("By").field("groups", &self.groups.len()).field("max_groups", &self.max_groups).finish()
    }
}
