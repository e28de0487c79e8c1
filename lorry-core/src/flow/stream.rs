//! The builder: streams, and the branches that end them.

use super::input::Input;
use super::join::{Either, Join, Port};
use super::node::{AnyNode, Info, Node};
use super::operator::Operator;
use super::stage::Stage;
use super::tee::Tee;
use crate::relay::{Sink, SinkNode, Source, source_node};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A stream of values on its way from a source to sinks. Describes; nothing runs until a [`Relay`](crate::Relay) does.
///
/// A clone is a second branch: both get every item (with tokens for both), in the order in which the branches were continued.
///
/// ```
/// use lorry_core::Stream;
///
/// let (input, numbers) = Stream::<u32>::input();
/// let (small, all) = numbers.tee();
/// let small = small.filter(|n| *n < 10);
/// let text = all.map(|n| n.to_string());
/// # drop((input, small, text));
/// ```
#[must_use = "a stream does nothing until it ends in a sink of a relay"]
pub struct Stream<T> {
    pub(crate) node: Arc<Node<T>>,
}

impl<T: Clone + Send + 'static> Clone for Stream<T> {
    fn clone(&self) -> Self {
        self.node.can_fan_out(Tee::boxed);
        Self { node: self.node.clone() }
    }
}

impl<T: Send + 'static> Stream<T> {
    /// A stream of what a source gives.
    pub fn from_source(source: impl Source<T> + 'static) -> Self {
        Self { node: source_node(Box::new(source)) }
    }

    /// A stream of what the program itself puts in. Dropping the last clone of the [`Input`] ends it.
    pub fn input() -> (Input<T>, Self) {
        Input::new()
    }

    pub(crate) fn from_node(node: Arc<Node<T>>) -> Self {
        Self { node }
    }

    /// Continues through an operator. The methods named after operators do this with theirs.
    pub fn via<O: Send + 'static>(self, op: impl Operator<T, O> + 'static) -> Stream<O> {
        self.via_kind("operator", op)
    }

    /// [`via`](Stream::via) under the name that pictures and reports show: `filter`, `batch`.
    pub fn via_kind<O: Send + 'static>(self, kind: &'static str, op: impl Operator<T, O> + 'static) -> Stream<O> {
        let info = Info::of_operator(kind, &op);
        let meter = info.meter.clone();
        let branch = self.node.branch();
        let up = self.node;
        let upstream: Vec<Arc<dyn AnyNode>> = vec![up.clone()];
        Stream::from_node(Node::new(
            info,
            upstream,
            Box::new(move |down, _, _| up.add(branch, Box::new(Stage::new(op, down, meter)))),
        ))
    }

    /// Two streams of the same items.
    pub fn tee(self) -> (Self, Self)
    where
        T: Clone,
    {
        (self.clone(), self)
    }

    /// Joins with another stream: an operator over tagged input.
    pub fn join<B: Send + 'static, O: Send + 'static>(
        self,
        other: Stream<B>,
        kind: &'static str,
        op: impl Operator<Either<T, B>, O> + 'static,
    ) -> Stream<O> {
        let info = Info::of_operator(kind, &op);
        let meter = info.meter.clone();
        let (left, right) = (self.node, other.node);
        let (at_left, at_right) = (left.branch(), right.branch());
        let upstream: Vec<Arc<dyn AnyNode>> = vec![left.clone(), right.clone()];
        Stream::from_node(Node::new(
            info,
            upstream,
            Box::new(move |down, _, _| {
                let join = Join::new(Stage::new(op, down, meter), 2);
                left.add(at_left, Box::new(Port::new(join.clone(), 0, Either::Left)));
                right.add(at_right, Box::new(Port::new(join, 1, Either::Right)));
            }),
        ))
    }

    /// Joins any number of streams: an operator over items tagged with the number of their stream.
    pub fn join_all<O: Send + 'static>(
        streams: Vec<Self>,
        kind: &'static str,
        op: impl Operator<(usize, T), O> + 'static,
    ) -> Stream<O> {
        let info = Info::of_operator(kind, &op);
        let meter = info.meter.clone();
        let ups: Vec<_> = streams.into_iter().map(|stream| (stream.node.branch(), stream.node)).collect();
        let upstream = ups.iter().map(|(_, node)| node.clone() as Arc<dyn AnyNode>).collect();
        Stream::from_node(Node::new(
            info,
            upstream,
            Box::new(move |down, _, _| {
                let join = Join::new(Stage::new(op, down, meter), ups.len());
                for (port, (branch, up)) in ups.into_iter().enumerate() {
                    up.add(branch, Box::new(Port::new(join.clone(), port, move |value| (port, value))));
                }
            }),
        ))
    }

    /// Gives the node a name of the user's, for pictures, reports and durable state.
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        *crate::sync::lock(&self.node.info().name) = Some(name.into());
        self
    }

    /// Notes how the node is set: names and values for pictures. They must hold no password.
    pub fn with_settings(self, settings: Vec<(String, String)>) -> Self {
        *crate::sync::lock(&self.node.info().settings) = settings;
        self
    }

    /// Ends in a sink.
    pub fn to(self, sink: impl Sink<T> + 'static) -> Branch
    where
        T: Sync,
    {
        let branch = self.node.branch();
        Branch { node: SinkNode::new(self.node, branch, Box::new(sink)) }
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

/// A stream that ends in a sink; what a relay is made of.
#[must_use = "a branch does nothing until it is part of a relay"]
pub struct Branch {
    pub(crate) node: Arc<dyn SinkEnd>,
}

/// The end of a branch, whatever the type of its items.
pub(crate) trait SinkEnd: AnyNode {
    fn set_batching(&self, change: &mut dyn FnMut(&mut BatchingOverride));
    fn as_any_node(self: Arc<Self>) -> Arc<dyn AnyNode>;
}

/// What a branch says about batches, over what its sink says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchingOverride {
    pub(crate) items: Option<usize>,
    pub(crate) bytes: Option<usize>,
    pub(crate) linger: Option<Duration>,
    pub(crate) queue: Option<usize>,
}

impl Branch {
    /// Most items in one batch of this sink. At least 1.
    pub fn batch_size(self, items: usize) -> Self {
        self.node.set_batching(&mut |batching| batching.items = Some(items.max(1)));
        self
    }

    /// Most bytes in one batch of this sink.
    pub fn batch_bytes(self, bytes: usize) -> Self {
        self.node.set_batching(&mut |batching| batching.bytes = Some(bytes));
        self
    }

    /// How long a batch that is not full waits while the sink is busy.
    pub fn linger(self, linger: Duration) -> Self {
        self.node.set_batching(&mut |batching| batching.linger = Some(linger));
        self
    }

    /// How many items the sink may have before it, those on their way included, before the stream is held back. At least 1. Default: one
    /// batch more than it may have on its way.
    pub fn queue(self, items: usize) -> Self {
        self.node.set_batching(&mut |batching| batching.queue = Some(items.max(1)));
        self
    }

    /// Gives the sink a name of the user's.
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        *crate::sync::lock(&self.node.info().name) = Some(name.into());
        self
    }

    /// Notes how the sink is set: names and values for pictures. They must hold no password.
    pub fn with_settings(self, settings: Vec<(String, String)>) -> Self {
        *crate::sync::lock(&self.node.info().settings) = settings;
        self
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch").field("kind", &self.node.info().kind).finish_non_exhaustive()
    }
}
