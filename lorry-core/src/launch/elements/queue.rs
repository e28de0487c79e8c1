//! `queue`: room between what is quick above and slow below.

use super::at_least_one;
use crate::Result;
use crate::flow::{Holds, Item, Operator, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What a full queue does with what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Leaky {
    /// It takes nothing more: what is above waits.
    #[default]
    No,
    /// It drops what comes.
    Upstream,
    /// It drops the oldest that it holds.
    Downstream,
}

/// Takes up to so many items more than the way down has room for, and gives them out in order. Token rule: passed on; what a leaky queue
/// drops counts as filtered. Holds up to its size, until there is room below.
#[derive(Debug)]
pub struct Queue<T> {
    most: usize,
    leaky: Leaky,
    items: VecDeque<Item<T>>,
}

impl<T> Queue<T> {
    /// Up to `most` items (at least 1; 0 counts as 1).
    pub fn new(most: usize, leaky: Leaky) -> Self {
        Self { most: most.max(1), leaky, items: VecDeque::new() }
    }

    fn let_go(&mut self, out: &mut Output<'_, T>) {
        while out.room() > 0
            && let Some(item) = self.items.pop_front()
        {
            out.push(item);
        }
    }
}

impl<T: Send> Operator<T> for Queue<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        self.items.push_back(item);
        self.let_go(out);
        while self.leaky != Leaky::No && self.items.len() > self.most {
            let dropped = if self.leaky == Leaky::Upstream { self.items.pop_back() } else { self.items.pop_front() };
            if let Some(dropped) = dropped {
                dropped.token.filtered();
            }
        }
    }

    fn tick(&mut self, out: &mut Output<'_, T>) {
        self.let_go(out);
    }

    fn finish(&mut self, out: &mut Output<'_, T>) {
        self.items.drain(..).for_each(|item| out.push(item));
    }

    fn room(&self, _: usize, downstream: usize) -> usize {
        match self.leaky {
            Leaky::No => self.most.saturating_sub(self.items.len()).saturating_add(downstream),
            Leaky::Upstream | Leaky::Downstream => usize::MAX,
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.items.len())
    }

    fn holds(&self) -> Holds {
        Holds::ForATime(self.most)
    }

    fn remembers(&self) -> bool {
        // Whether there is room depends on what came before.
        self.leaky != Leaky::No
    }
}

/// Options of `queue`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct QueueOptions {
    /// How many messages it holds while what follows is busy.
    max_size_buffers: usize,
    /// What happens when it is full: `no`, what is before it waits; `upstream`, what comes is dropped; `downstream`, the oldest it holds
    /// is dropped. What is dropped counts as filtered.
    leaky: Leaky,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { max_size_buffers: 200, leaky: Leaky::No }
    }
}

impl QueueOptions {
    pub(super) fn make<T>(self) -> Result<Queue<T>> {
        Ok(Queue::new(at_least_one("queue", "max-size-buffers", self.max_size_buffers)?, self.leaky))
    }
}
