//! What programs rely on without a word: values can be sent to other threads, contracts can stand behind a box.

use lorry_core::flow::{Graph, Input, Operator};
use lorry_core::registry::Registry;
use lorry_core::relay::{
    Batch, Chunk, Context, Event, Failures, Monitor, Report, Running, Sink, Source, StateStore, Stopper,
};
use lorry_core::{Branch, Error, Message, Relay, Stream, Token};

fn sent<T: Send + 'static>() {}
fn shared<T: Send + Sync + 'static>() {}

#[test]
fn values_cross_threads() {
    shared::<Message>();
    shared::<Error>();
    shared::<Token>();
    shared::<Batch>();
    shared::<Failures>();
    shared::<Context>();
    shared::<Report>();
    shared::<Graph>();
    shared::<Registry>();
    shared::<Monitor>();
    shared::<Stopper>();
    shared::<Input<u32>>();
    // Of values that cannot be shared, too.
    shared::<Input<std::cell::Cell<u32>>>();
    sent::<Stream<std::cell::Cell<u32>>>();
    sent::<Branch>();
    sent::<Relay>();
    sent::<Running>();
    sent::<Chunk>();
    sent::<Event>();
}

#[test]
fn contracts_are_object_safe() {
    sent::<Box<dyn Source>>();
    sent::<Box<dyn Source<u32>>>();
    sent::<Box<dyn Sink>>();
    sent::<Box<dyn Operator<u32, String>>>();
    shared::<std::sync::Arc<dyn StateStore>>();
}
