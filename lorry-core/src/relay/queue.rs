//! The one hand-over between tasks.

use crate::flow::Ending;
use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

/// A mutex around a vector that is swapped, not copied. It coalesces by itself: what comes while the reader is busy arrives as one.
/// Its limit counts what the reader has taken and not finished, so queue and flight are under one bound. It wakes only who waits,
/// and registers a waker under the same lock under which it looked.
pub(crate) struct Queue<T>(Mutex<State<T>>);

/// The memory of the items in a queue, in bytes.
struct Weights {
    bytes: usize,
    limit: usize,
    /// What came together: how many are left of it, and their bytes. Items are finished in about the order in which they came; within one
    /// such part all count the same.
    parts: VecDeque<(usize, usize)>,
}

impl Weights {
    fn add(&mut self, items: usize, bytes: usize) {
        if bytes > 0 && items > 0 {
            self.bytes += bytes;
            self.parts.push_back((items, bytes));
        }
    }

    fn remove(&mut self, mut items: usize) {
        while let Some((left, bytes)) = self.parts.front_mut().filter(|_| items > 0) {
            let n = items.min(*left);
            let share = if n == *left { *bytes } else { *bytes / *left * n };
            self.bytes -= share;
            (*left, *bytes, items) = (*left - n, *bytes - share, items - n);
            if *left == 0 {
                self.parts.pop_front();
            }
        }
    }
}

struct State<T> {
    items: Vec<T>,
    limit: usize,
    weights: Weights,
    /// Numbers of the last item pushed, and of the last finished.
    pushed: u64,
    finished: u64,
    ending: Option<Ending>,
    reader_gone: bool,
    reader: Option<Waker>,
    /// A reader that wants nothing but to know when nothing more will come.
    close_waker: Option<Waker>,
    writers: Vec<Waker>,
}

impl<T> Queue<T> {
    /// For so many items.
    pub(crate) fn new(limit: usize) -> Self {
        Self::weighed(limit, usize::MAX)
    }

    /// For so many items, and for so many bytes as well: there is no room beyond either.
    pub(crate) fn weighed(limit: usize, bytes: usize) -> Self {
        Self(Mutex::new(State {
            items: Vec::new(),
            limit,
            weights: Weights { bytes: 0, limit: bytes, parts: VecDeque::new() },
            pushed: 0,
            finished: 0,
            ending: None,
            reader_gone: false,
            reader: None,
            close_waker: None,
            writers: Vec::new(),
        }))
    }

    /// [`push_weighed`](Queue::push_weighed) where bytes do not matter.
    pub(crate) fn push_all(&self, items: &mut Vec<T>) -> Option<u64> {
        self.push_weighed(items, 0)
    }

    /// Appends all items, leaving `items` empty, whether or not there is room; `bytes` is their memory together. Returns the number of
    /// the last one. When nothing more is taken, or was to come, the items are dropped.
    pub(crate) fn push_weighed(&self, items: &mut Vec<T>, bytes: usize) -> Option<u64> {
        let mut refused = Vec::new();
        let (ticket, waker) = {
            let mut state = lock(&self.0);
            let is_closed = state.reader_gone || state.ending.is_some();
            if !is_closed {
                state.pushed += items.len() as u64;
                state.weights.add(items.len(), bytes);
            }
            if is_closed {
                std::mem::swap(items, &mut refused);
            } else if state.items.is_empty() {
                std::mem::swap(&mut state.items, items);
            } else {
                state.items.append(items);
            }
            ((!is_closed).then_some(state.pushed), state.reader.take())
        };
        wake(waker);
        // Outside the lock: dropping items resolves tokens, which may wake others.
        drop(refused);
        ticket
    }

    /// How many items the reader has before it, taken ones included.
    pub(crate) fn held(&self) -> usize {
        lock(&self.0).held()
    }

    /// How many were pushed so far, and how many of them the reader is done with.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = lock(&self.0);
        (state.pushed, state.finished)
    }

    /// How many more fit.
    pub(crate) fn room(&self) -> usize {
        lock(&self.0).room()
    }

    /// How many more fit; the task is woken when that changes from none.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> usize {
        let mut state = lock(&self.0);
        let room = state.room();
        if room == 0 {
            state.register(cx);
        }
        room
    }

    /// Whether the item of this number was finished by the reader (true), or will never be (false).
    pub(crate) fn poll_finished(&self, cx: &mut Context<'_>, ticket: u64) -> Poll<bool> {
        let mut state = lock(&self.0);
        if state.finished >= ticket {
            return Poll::Ready(true);
        }
        if state.reader_gone {
            return Poll::Ready(false);
        }
        state.register(cx);
        Poll::Pending
    }

    /// Takes everything there is. `Ready(None)`: something was taken. `Ready(Some)`: nothing more will come.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, into: &mut Vec<T>) -> Poll<Option<Ending>> {
        let mut state = lock(&self.0);
        if !state.items.is_empty() {
            state.take(into);
            return Poll::Ready(None);
        }
        if let Some(ending) = state.ending {
            return Poll::Ready(Some(ending));
        }
        match &mut state.reader {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes what there is, without waiting.
    pub(crate) fn try_take(&self, into: &mut Vec<T>) {
        lock(&self.0).take(into);
    }

    /// The task is woken when nothing more will be pushed; not by what is. For a reader that has no room.
    pub(crate) fn watch_end(&self, cx: &Context<'_>) {
        let mut state = lock(&self.0);
        if state.ending.is_none() && !state.close_waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.close_waker = Some(cx.waker().clone());
        }
    }

    /// Wakes the reader although nothing has come.
    pub(crate) fn nudge(&self) {
        let (reader, close_waker) = {
            let mut state = lock(&self.0);
            (state.reader.take(), state.close_waker.take())
        };
        wake(reader);
        wake(close_waker);
    }

    /// Ready when nothing more will be pushed and the reader, which does not read yet, would find nothing.
    pub(crate) fn poll_closed_and_empty(&self, cx: &Context<'_>) -> Poll<()> {
        self.watch_end(cx);
        let state = lock(&self.0);
        if state.ending.is_some() && state.held() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The reader is done with so many of the items it took.
    pub(crate) fn done(&self, items: usize) {
        let writers = {
            let mut state = lock(&self.0);
            state.finished += items as u64;
            state.weights.remove(items);
            std::mem::take(&mut state.writers)
        };
        writers.into_iter().for_each(Waker::wake);
    }

    /// Nothing more will be pushed.
    pub(crate) fn close(&self, ending: Ending) {
        let (reader, close_waker) = {
            let mut state = lock(&self.0);
            state.ending.get_or_insert(ending);
            (state.reader.take(), state.close_waker.take())
        };
        wake(reader);
        wake(close_waker);
    }

    /// Nothing more will be taken; what is there is dropped.
    pub(crate) fn close_reader(&self) {
        let (items, writers) = {
            let mut state = lock(&self.0);
            state.reader_gone = true;
            (std::mem::take(&mut state.items), std::mem::take(&mut state.writers))
        };
        writers.into_iter().for_each(Waker::wake);
        drop(items);
    }
}

impl<T> State<T> {
    fn held(&self) -> usize {
        (self.pushed - self.finished) as usize
    }

    fn room(&self) -> usize {
        match self.reader_gone {
            true => usize::MAX,
            false if self.weights.bytes >= self.weights.limit => 0,
            false => self.limit.saturating_sub(self.held()),
        }
    }

    fn take(&mut self, into: &mut Vec<T>) {
        if into.is_empty() {
            std::mem::swap(into, &mut self.items);
        } else {
            into.append(&mut self.items);
        }
    }

    fn register(&mut self, cx: &Context<'_>) {
        if !self.writers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.writers.push(cx.waker().clone());
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
