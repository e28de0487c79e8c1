//! The elements that a graph is made of: `tee`, `queue`, `identity`, `capsfilter`.

mod capsfilter;
mod queue;

pub use capsfilter::CapsFilter;
pub use queue::{Leaky, Queue};

use crate::flow::{Item, Operator, Output};
use crate::registry::{Args, ElementSpec, Registry};
use crate::{Error, Message, Result};
use capsfilter::CapsOptions;
use queue::QueueOptions;

/// Passes everything on. Token rule: passed on. Holds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl<T> Operator<T> for Identity {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        out.push(item);
    }

    fn remembers(&self) -> bool {
        false
    }
}

/// Adds them to a registry.
pub(crate) fn register(registry: &mut Registry) {
    registry.add(ElementSpec::tee("tee").about("gives each message to every branch: tee name=t ! … t. ! …"));
    registry
        .add(ElementSpec::operator("identity", |_| Ok(Box::new(Identity))).about("passes every message on, unchanged"));
    let queue = |args: &mut Args| Ok(Box::new(args.take::<QueueOptions>()?.make()?) as Box<dyn Operator<Message>>);
    registry.add(
        ElementSpec::operator("queue", queue)
            .about("lets what is before it run ahead; may drop messages rather than wait")
            .options::<QueueOptions>(),
    );
    let caps = |args: &mut Args| Ok(Box::new(args.take::<CapsOptions>()?.make()?) as Box<dyn Operator<Message>>);
    registry.add(
        ElementSpec::operator("capsfilter", caps)
            .about("lets through messages of a content type: what stands between two links")
            .options::<CapsOptions>(),
    );
}

/// The value of an option that must be at least one.
pub(crate) fn at_least_one(element: &str, option: &str, value: usize) -> Result<usize> {
    match value {
        0 => Err(Error::usage(format!("option {option:?} of {element} must be at least 1"))),
        value => Ok(value),
    }
}
