//! The exceptions that are raised on an element's way, as they are raised: what becomes of the element as a whole may be decided later.

use super::elem::Elem;
use lorry_core::{Result, Stream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The event that is at work.
    event: AtomicUsize,
    /// Each with the event that the element belongs to.
    all: Mutex<Vec<(usize, String)>>,
}

impl Raised {
    /// The next event begins.
    pub(crate) fn begin(&self, event: usize) {
        self.0.event.store(event, Ordering::Release);
    }

    pub(crate) fn event(&self) -> usize {
        self.0.event.load(Ordering::Acquire)
    }

    pub(crate) fn note<T>(&self, event: usize, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.0.all.lock().unwrap().push((event, error.message().to_owned())))
    }

    /// What an event raised first.
    pub(crate) fn by(&self, event: usize) -> Option<String> {
        let all = self.0.all.lock().unwrap();
        all.iter().find(|(other, _)| *other == event).map(|(_, exception)| exception.clone())
    }

    pub(crate) fn has(&self, exception: &str) -> bool {
        self.0.all.lock().unwrap().iter().any(|(_, other)| other == exception)
    }

    /// A map that can fail, and notes it.
    pub(crate) fn map<O: Send + 'static>(
        &self,
        stream: Stream<Elem>,
        f: impl Fn(Elem) -> Result<O> + Send + 'static,
    ) -> Stream<O> {
        let raised = self.clone();
        stream.try_map(move |elem| {
            let event = elem.event;
            raised.note(event, f(elem))
        })
    }
}
