//! The operators as elements of launch text: options to operators on messages.
//!
//! What makes several messages one gives out a message with a [JSON array](super::gather()).

mod aggregate;
mod distinct;
mod event_windows;
#[cfg(feature = "jq")]
mod expr;
mod joins;
mod json;
mod key;
mod moment;
mod path;
#[cfg(feature = "jq")]
mod scan;
mod select;
mod time;
mod windows;

#[cfg(test)]
mod tests;

use crate::flow::{Downstream, Ending, Holds, Item, Operator, Output, Status, Turn};
use crate::message::Message;
use crate::ops::gather;
use crate::registry::{Args, ElementSpec, Registry, Span};
use crate::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::task::Waker;
use std::time::{Duration, Instant};

pub(super) fn register(registry: &mut Registry) {
    #[cfg(feature = "jq")]
    {
        expr::register(registry);
        scan::register(registry);
    }
    aggregate::register(registry);
    distinct::register(registry);
    event_windows::register(registry);
    joins::register(registry);
    json::register(registry);
    select::register(registry);
    time::register(registry);
    windows::register(registry);
}

type Made = Result<Box<dyn Operator<Message>>>;

/// An element of these options.
fn element<T: DeserializeOwned + JsonSchema>(
    name: &'static str,
    about: &'static str,
    make: impl Fn(T) -> Made + Send + Sync + 'static,
) -> ElementSpec {
    ElementSpec::operator(name, move |args: &mut Args| make(args.take::<T>()?)).about(about).options::<T>()
}

/// The value of an option that must be given.
fn needed<T>(value: Option<T>, element: &str, option: &str, example: &str) -> Result<T> {
    value.ok_or_else(|| Error::usage(format!("{element} needs {option}=, such as {option}={example}")))
}

/// The value of an option that must be at least one.
fn at_least_one(value: usize, element: &str, option: &str) -> Result<usize> {
    match value {
        0 => Err(Error::usage(format!("option {option:?} of {element} must be at least 1"))),
        value => Ok(value),
    }
}

/// The value of an option that must be more than no time.
fn some_time(value: Span, element: &str, option: &str) -> Result<Duration> {
    match value.0 {
        Duration::ZERO => Err(Error::usage(format!("option {option:?} of {element} must be more than 0"))),
        value => Ok(value),
    }
}

/// A message that an operator cannot make anything of.
fn malformed(operation: &'static str, what: impl std::fmt::Display, message: &Message) -> Error {
    Error::data(ErrorKind::Malformed, operation, what).at_address(&message.address)
}

/// An operator on something else than messages, between what reads that from a message and what writes its results as messages. A message
/// that cannot be read is rejected.
struct Adapted<I, O, Op, R, W> {
    op: Op,
    read: R,
    write: W,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O, Op, R, W> Adapted<I, O, Op, R, W>
where
    Op: Operator<I, O>,
    R: FnMut(Message) -> Result<I> + Send,
    W: FnMut(Item<O>, &mut Output<'_, Message>) + Send,
{
    fn new(op: Op, read: R, write: W) -> Self {
        Self { op, read, write, types: PhantomData }
    }

    fn with(&mut self, out: &mut Output<'_, Message>, run: impl FnOnce(&mut Op, &mut Output<'_, O>)) {
        let (now, room) = (out.now(), out.room());
        run(&mut self.op, &mut Output::new(&mut Writing { write: &mut self.write, out }, now, room));
    }
}

impl<I, O, Op, R, W> Operator<Message> for Adapted<I, O, Op, R, W>
where
    Op: Operator<I, O>,
    R: FnMut(Message) -> Result<I> + Send,
    W: FnMut(Item<O>, &mut Output<'_, Message>) + Send,
{
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        match (self.read)(item.value) {
            Ok(value) => self.with(out, |op, out| op.push(Item { value, token: item.token }, out)),
            Err(error) => item.token.reject(error),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.op.deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, Message>) {
        self.with(out, Op::tick);
    }

    fn finish(&mut self, out: &mut Output<'_, Message>) {
        self.with(out, Op::finish);
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        self.op.room(port, downstream)
    }

    fn remembers(&self) -> bool {
        self.op.remembers()
    }

    fn held(&self) -> Option<usize> {
        self.op.held()
    }

    fn dropped(&self) -> Option<u64> {
        self.op.dropped()
    }

    fn gathers(&self) -> usize {
        self.op.gathers()
    }

    fn holds(&self) -> Holds {
        self.op.holds()
    }
}

/// Writes results as messages.
struct Writing<'a, 'b, W> {
    write: &'a mut W,
    out: &'a mut Output<'b, Message>,
}

impl<O, W: FnMut(Item<O>, &mut Output<'_, Message>) + Send> Downstream<O> for Writing<'_, '_, W> {
    fn push(&mut self, item: Item<O>, _: Instant) {
        (self.write)(item, self.out);
    }

    fn turn(&mut self, _: &mut Turn<'_, '_>) -> Status {
        Status { room: usize::MAX, deadline: None }
    }

    fn finish(&mut self, _: Ending, _: Instant) {}
}

/// An operator whose vectors go out as messages.
struct Gathered<Op>(Op);

/// Hands on what an operator gives out, as messages.
struct Gathering<'a, 'b>(&'a mut Output<'b, Message>);

impl Downstream<Vec<Message>> for Gathering<'_, '_> {
    fn push(&mut self, item: Item<Vec<Message>>, _: Instant) {
        self.0.emit(gather(item.value), item.token);
    }

    fn turn(&mut self, _: &mut Turn<'_, '_>) -> Status {
        Status { room: usize::MAX, deadline: None }
    }

    fn finish(&mut self, _: Ending, _: Instant) {}
}

fn gathering<T>(out: &mut Output<'_, Message>, run: impl FnOnce(&mut Output<'_, Vec<Message>>) -> T) -> T {
    let (now, room) = (out.now(), out.room());
    run(&mut Output::new(&mut Gathering(out), now, room))
}

/// Without `has_handle`: nobody has a handle of what a text has made.
impl<I, Op: Operator<I, Vec<Message>>> Operator<I, Message> for Gathered<Op> {
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, Message>) {
        gathering(out, |out| self.0.push(item, out));
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, Message>) {
        gathering(out, |out| self.0.tick(out));
    }

    fn finish(&mut self, out: &mut Output<'_, Message>) {
        gathering(out, |out| self.0.finish(out));
    }

    fn counted_out(&mut self, out: &mut Output<'_, Message>) {
        gathering(out, |out| self.0.counted_out(out));
    }

    fn ended(&mut self, port: usize, out: &mut Output<'_, Message>) {
        gathering(out, |out| self.0.ended(port, out));
    }

    fn watch(&mut self, waker: &Waker) {
        self.0.watch(waker);
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        self.0.room(port, downstream)
    }

    fn remembers(&self) -> bool {
        self.0.remembers()
    }

    fn held(&self) -> Option<usize> {
        self.0.held()
    }

    fn dropped(&self) -> Option<u64> {
        self.0.dropped()
    }

    fn gathers(&self) -> usize {
        self.0.gathers()
    }

    fn holds(&self) -> Holds {
        self.0.holds()
    }
}
