//! Finding the messages that a database refuses, by inserting smaller and smaller ranges.

use lorry_core::relay::Failure;
use lorry_core::{Class, Error, ErrorKind};
use std::ops::Range;

/// The ranges of a batch still to be inserted, each in a transaction of its own, and the messages found guilty.
///
/// Ranges come in order. One that is refused for its data is halved, or parted at the message that the database named; so all
/// good messages land, and the guilty ones are left alone with their errors. Under [`stop`](Bisection::new) nothing behind the first
/// guilty message is tried. Each message is in one range at a time: the rows of one message land together or not at all.
#[derive(Debug)]
pub(crate) struct Bisection {
    /// What to do next stands last.
    todo: Vec<Todo>,
    failures: Vec<Failure>,
    stop: bool,
}

#[derive(Debug)]
enum Todo {
    Try(Range<usize>),
    Guilty(usize, Error),
}

impl Bisection {
    /// Over these messages; `stop` when only what precedes the first guilty one may land.
    pub(crate) fn new(messages: Range<usize>, stop: bool) -> Self {
        let todo = if messages.is_empty() { Vec::new() } else { vec![Todo::Try(messages)] };
        Self { todo, failures: Vec::new(), stop }
    }

    /// The next range to insert. Call [`refused`](Self::refused) or [`failed`](Self::failed) if it does not land.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        loop {
            match self.todo.pop()? {
                Todo::Try(range) => return Some(range),
                Todo::Guilty(message, error) => self.guilty(message, error),
            }
        }
    }

    /// The database refused this range for its data; `at` is the message at fault, where it is known.
    pub(crate) fn refused(&mut self, range: Range<usize>, at: Option<usize>, error: Error) {
        match at.filter(|at| range.contains(at)) {
            Some(at) => {
                self.try_later(at + 1..range.end);
                self.todo.push(Todo::Guilty(at, error));
                self.try_later(range.start..at);
            }
            None if range.len() <= 1 => self.guilty(range.start, error),
            None => {
                let middle = range.start + range.len() / 2;
                self.try_later(middle..range.end);
                self.try_later(range.start..middle);
            }
        }
    }

    /// This range failed for another reason than its data: neither it nor anything behind it is tried.
    pub(crate) fn failed(&mut self, range: Range<usize>, error: &Error) {
        self.failures.extend(range.map(|index| Failure { index, error: error.clone() }));
        // Nobody knows whether the range landed; the ranges behind it certainly did not.
        let rest = if error.class() == Class::Ambiguous { not_tried() } else { error.clone() };
        self.give_up(&rest);
    }

    /// What did not land.
    pub(crate) fn into_failures(self) -> Vec<Failure> {
        self.failures
    }

    fn try_later(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.todo.push(Todo::Try(range));
        }
    }

    fn guilty(&mut self, message: usize, error: Error) {
        self.failures.push(Failure { index: message, error });
        if self.stop {
            self.give_up(&not_tried());
        }
    }

    fn give_up(&mut self, error: &Error) {
        for todo in self.todo.drain(..) {
            let range = match todo {
                Todo::Try(range) => range,
                Todo::Guilty(message, _) => message..message + 1,
            };
            self.failures.extend(range.map(|index| Failure { index, error: error.clone() }));
        }
    }
}

/// For messages behind a guilty one under `stop`.
pub(crate) fn not_tried() -> Error {
    Error::transient(ErrorKind::Other, "insert rows", "not tried, since a message before it was refused")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn refusal() -> Error {
        Error::data(ErrorKind::Constraint, "insert rows", "no")
    }

    /// A table that refuses some messages; `hints` says whether it names them.
    fn run(n: usize, guilty: &BTreeSet<usize>, stop: bool, hints: bool) -> (Vec<usize>, BTreeMap<usize, Class>, usize) {
        let (mut landed, mut transactions) = (Vec::new(), 0);
        let mut bisection = Bisection::new(0..n, stop);
        while let Some(range) = bisection.next() {
            transactions += 1;
            assert!(!range.is_empty());
            match range.clone().find(|message| guilty.contains(message)) {
                None => landed.extend(range),
                Some(at) => bisection.refused(range, hints.then_some(at), refusal()),
            }
        }
        let failures = bisection.into_failures();
        let count = failures.len();
        let by_index: BTreeMap<_, _> =
            failures.into_iter().map(|failure| (failure.index, failure.error.class())).collect();
        assert_eq!(by_index.len(), count, "a message was named twice");
        (landed, by_index, transactions)
    }

    proptest! {
        #[test]
        fn the_guilty_alone_are_left(n in 0usize..200, picks in prop::collection::btree_set(0usize..200, 0..20), hints: bool) {
            let guilty: BTreeSet<_> = picks.into_iter().filter(|pick| *pick < n).collect();
            let (landed, failed, transactions) = run(n, &guilty, false, hints);
            let good: Vec<_> = (0..n).filter(|message| !guilty.contains(message)).collect();
            prop_assert_eq!(landed, good);
            prop_assert_eq!(failed.keys().copied().collect::<BTreeSet<_>>(), guilty.clone());
            prop_assert!(failed.values().all(|class| *class == Class::Data));
            let depth = usize::BITS as usize - n.leading_zeros() as usize;
            prop_assert!(transactions <= 1 + guilty.len() * 2 * (depth + 1));
            if hints {
                prop_assert!(transactions <= 1 + 2 * guilty.len());
            }
        }

        #[test]
        fn under_stop_nothing_lands_behind_the_first(n in 0usize..200, picks in prop::collection::btree_set(0usize..200, 0..20), hints: bool) {
            let guilty: BTreeSet<_> = picks.into_iter().filter(|pick| *pick < n).collect();
            let (landed, failed, _) = run(n, &guilty, true, hints);
            let first = guilty.first().copied().unwrap_or(n);
            prop_assert_eq!(landed, (0..first).collect::<Vec<_>>());
            prop_assert_eq!(failed.keys().copied().collect::<Vec<_>>(), (first..n).collect::<Vec<_>>());
            for (index, class) in failed {
                prop_assert_eq!(class, if index == first { Class::Data } else { Class::Transient });
            }
        }
    }

    #[test]
    fn a_lost_connection_ends_the_search() {
        let mut bisection = Bisection::new(0..8, false);
        let range = bisection.next().unwrap();
        bisection.refused(range, None, refusal());
        assert_eq!(bisection.next().unwrap(), 0..4);
        let range = bisection.next().unwrap();
        bisection.failed(range, &Error::ambiguous("commit", "connection lost"));
        assert_eq!(bisection.next(), None);
        let failures = bisection.into_failures();
        assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [4, 5, 6, 7]);
        assert!(failures.iter().all(|failure| failure.error.class() == Class::Ambiguous));
    }
}
