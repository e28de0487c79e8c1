//! What goes through a graph: a value, and what travels along with it.

use super::value::Py;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of nothing that happens while an event is waited for.
pub(crate) const NO_EVENT: usize = 0;

#[derive(Clone, Debug)]
pub(crate) struct Elem {
    pub(crate) value: Py,
    pub(crate) meta: Vec<Value>,
    pub(crate) refs: Vec<Held>,
    /// The event, from 1, that set it in motion. What an operator gives out of itself, later, belongs to none.
    pub(crate) event: usize,
}

impl Elem {
    pub(crate) fn new(value: Py) -> Self {
        Self { value, meta: Vec::new(), refs: Vec::new(), event: NO_EVENT }
    }

    /// Another value in place of this one.
    pub(crate) fn with(self, value: Py) -> Self {
        Self { value, ..self }
    }

    pub(crate) fn at(self, event: usize) -> Self {
        Self { event, ..self }
    }

    /// What came of several: their values as a tuple, their metadata one after the other. The last of them set it in motion.
    pub(crate) fn tuple(many: Vec<Self>) -> Self {
        let event = many.iter().map(|elem| elem.event).max().unwrap_or(NO_EVENT);
        let mut all = Self::new(Py::None).at(event);
        let mut values = Vec::with_capacity(many.len());
        for elem in many {
            values.push(elem.value);
            all.meta.extend(elem.meta);
            all.refs.extend(elem.refs);
        }
        all.with(Py::Tuple(values))
    }

    pub(crate) fn list(many: Vec<Self>) -> Self {
        let all = Self::tuple(many);
        match all.value.clone() {
            Py::Tuple(values) => all.with(Py::List(values)),
            _ => all,
        }
    }

    /// As a sink keeps it: who looks at what came out holds no reference.
    pub(crate) fn seen(self) -> Self {
        Self { refs: Vec::new(), ..self }
    }
}

/// A reference to an element that was put in. It counts for as long as it is there: as many are counted as operators hold a copy.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicUsize>);

impl Held {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count.clone())
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
