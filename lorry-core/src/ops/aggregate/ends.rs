//! `First`, `Last`.

use super::Aggregate;
use std::collections::VecDeque;

/// The first value; none of nothing. Over a window of the last items it remembers a value for each.
#[derive(Clone, Debug)]
pub struct First<T> {
    first: Option<T>,
    next: Option<VecDeque<T>>,
}

impl<T> First<T> {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self { first: None, next: None }
    }
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone + Send> Aggregate<T> for First<T> {
    type Output = Option<T>;

    fn sliding(&mut self) {
        self.next = Some(VecDeque::new());
    }

    fn on_new(&mut self, item: &T) {
        match &mut self.next {
            _ if self.first.is_none() => self.first = Some(item.clone()),
            Some(next) => next.push_back(item.clone()),
            None => {}
        }
    }

    fn on_old(&mut self, _: &T) -> bool {
        self.first = self.next.as_mut().and_then(VecDeque::pop_front);
        self.next.is_some()
    }

    fn result(&self) -> Option<T> {
        self.first.clone()
    }
}

/// The last value; none of nothing.
#[derive(Clone, Debug)]
pub struct Last<T> {
    last: Option<T>,
    count: u64,
}

impl<T> Last<T> {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self { last: None, count: 0 }
    }
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone + Send> Aggregate<T> for Last<T> {
    type Output = Option<T>;

    fn on_new(&mut self, item: &T) {
        self.last = Some(item.clone());
        self.count += 1;
    }

    fn on_old(&mut self, _: &T) -> bool {
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            self.last = None;
        }
        true
    }

    fn result(&self) -> Option<T> {
        self.last.clone()
    }
}
