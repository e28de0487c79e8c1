//! Lanes and positions: what a source's messages are counted by.

use std::collections::BTreeMap;
use std::fmt;

/// A lane of one source, numbered by the source; each number is used once in the source's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u64);

/// A message's place in its lane: a Kafka offset, the byte offset behind a line, a running number of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

/// The durable name of a lane, under which its position is kept: element, the source's canonical identity, partition. Never
/// credentials, never options.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey(String);

impl LaneKey {
    /// `part` tells the lanes of one source apart (a partition's number); empty when there is one.
    pub fn new(element: &str, identity: &str, part: &str) -> Self {
        Self(if part.is_empty() { format!("{element} {identity}") } else { format!("{element} {identity} {part}") })
    }

    /// The key as text, for a column.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last settled position of each lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<LaneKey, Position>);

impl Positions {
    /// Notes a lane's position; the lower one wins where the lane is known.
    pub fn merge_lowest(&mut self, key: LaneKey, position: Position) {
        self.0.entry(key).and_modify(|own| *own = position.min(*own)).or_insert(position);
    }

    /// What both know, by the lower position: from there neither misses anything.
    pub(crate) fn meet(&mut self, other: &Self) {
        self.0.retain(|key, position| {
            let known = other.get(key);
            known.inspect(|known| *position = (*position).min(*known)).is_some()
        });
    }

    /// Notes a lane's position; the higher one wins.
    pub(crate) fn advance(&mut self, key: LaneKey, position: Position) {
        self.0.entry(key).and_modify(|own| *own = position.max(*own)).or_insert(position);
    }

    /// The position of a lane.
    pub fn get(&self, key: &LaneKey) -> Option<Position> {
        self.0.get(key).copied()
    }

    /// All lanes.
    pub fn iter(&self) -> impl Iterator<Item = (&LaneKey, Position)> {
        self.0.iter().map(|(key, position)| (key, *position))
    }

    /// Whether no lane is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(LaneKey, Position)> for Positions {
    fn from_iter<I: IntoIterator<Item = (LaneKey, Position)>>(pairs: I) -> Self {
        let mut positions = Self::default();
        pairs.into_iter().for_each(|(key, position)| positions.merge_lowest(key, position));
        positions
    }
}
