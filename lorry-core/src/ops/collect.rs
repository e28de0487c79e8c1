//! `collect`: until the program asks for it.

use super::timed_window::MOST;
use crate::flow::{Holds, Item, Operator, Output};
use crate::sync::lock;
use crate::{Stream, Token};
use std::sync::{Arc, Mutex};
use std::task::Waker;

/// Collects items until its [`Flush`] is used. Token rule: joined. Holds up to `max_items`; when they are there, they are given out
/// without being asked for. At end of stream the rest is given out.
#[derive(Debug)]
pub struct Collect<T> {
    max_items: usize,
    values: Vec<T>,
    tokens: Vec<Token>,
    flush: Flush,
}

/// Asks a [`Collect`] for what it has.
#[derive(Clone, Debug, Default)]
pub struct Flush(Arc<Mutex<Wish>>);

#[derive(Debug, Default)]
struct Wish {
    wanted: bool,
    waker: Option<Waker>,
}

impl Flush {
    /// Everything collected so far is given out as one vector, soon; an empty one if there is nothing.
    pub fn flush(&self) {
        let waker = {
            let mut wish = lock(&self.0);
            wish.wanted = true;
            wish.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Collect<T> {
    /// The operator, and what it is asked with.
    pub fn new() -> (Self, Flush) {
        let flush = Flush::default();
        (Self { max_items: MOST, values: Vec::new(), tokens: Vec::new(), flush: flush.clone() }, flush)
    }

    /// How many items it holds at most (at least 1). Default: 65,536.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.max(1);
        self
    }

    fn give(&mut self, out: &mut Output<'_, Vec<T>>) {
        out.emit(std::mem::take(&mut self.values), Token::join(std::mem::take(&mut self.tokens)));
    }
}

impl<T: Send> Operator<T, Vec<T>> for Collect<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Vec<T>>) {
        self.values.push(item.value);
        self.tokens.push(item.token);
        if self.values.len() >= self.max_items {
            self.give(out);
        }
    }

    fn watch(&mut self, waker: &Waker) {
        match &mut lock(&self.flush.0).waker {
            Some(known) if known.will_wake(waker) => {}
            other => *other = Some(waker.clone()),
        }
    }

    fn has_handle(&self) -> bool {
        true
    }

    fn tick(&mut self, out: &mut Output<'_, Vec<T>>) {
        if std::mem::take(&mut lock(&self.flush.0).wanted) {
            self.give(out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Vec<T>>) {
        if !self.values.is_empty() {
            self.give(out);
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.values.len())
    }

    fn holds(&self) -> Holds {
        Holds::Items(self.max_items)
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Collects items until the program asks for them.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, readings) = Stream::<f64>::input();
    /// let (_reports, flush) = readings.collect();
    /// // …once the relay runs, whenever somebody wants to know:
    /// flush.flush();
    /// ```
    pub fn collect(self) -> (Stream<Vec<T>>, Flush) {
        let (op, flush) = Collect::new();
        (self.via_kind("collect", op), flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use std::time::Duration;

    #[test]
    fn gives_out_what_it_has_when_asked() {
        let (op, flush) = Collect::new();
        let mut bench = Bench::new(op.max_items(3));
        let all = [bench.track(1), bench.track(2)];
        assert!(bench.pass(Duration::ZERO).take().is_empty());
        flush.flush();
        assert_eq!(bench.pass(Duration::ZERO).take(), [[1, 2]]);
        assert_eq!(fates(&all), ["delivered"; 2]);
        flush.flush();
        assert_eq!(bench.pass(Duration::ZERO).take(), [vec![0; 0]]);
        assert_eq!(bench.push([1, 2, 3, 4]).finish().take(), [vec![1, 2, 3], vec![4]]);
    }
}
