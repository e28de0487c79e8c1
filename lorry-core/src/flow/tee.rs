//! Fan-out.

use super::downstream::{Downstream, Ending, Status, Turn};
use super::item::Item;
use std::time::Instant;

/// Every branch gets every item, in the order in which the branches were made; the last one gets the original.
pub(crate) struct Tee<T>(Vec<Box<dyn Downstream<T>>>);

impl<T: Clone + Send + 'static> Tee<T> {
    pub(crate) fn boxed(branches: Vec<Box<dyn Downstream<T>>>) -> Box<dyn Downstream<T>> {
        Box::new(Self(branches))
    }
}

impl<T: Clone + Send> Downstream<T> for Tee<T> {
    fn push(&mut self, item: Item<T>, now: Instant) {
        if let Some((last, others)) = self.0.split_last_mut() {
            for branch in others {
                branch.push(item.clone(), now);
            }
            last.push(item, now);
        }
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        let all = self.0.iter_mut().map(|branch| branch.turn(turn)).reduce(Status::and);
        all.unwrap_or(Status { room: usize::MAX, deadline: None })
    }

    fn finish(&mut self, ending: Ending, now: Instant) {
        self.0.iter_mut().for_each(|branch| branch.finish(ending, now));
    }
}
