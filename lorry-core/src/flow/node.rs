//! The graph as data: nodes that point at their upstream. It exists before anything runs.

use super::downstream::Downstream;
use super::operator::{Holds, Operator};
use super::regions::Crossing;
use super::wiring::Wiring;
use crate::Result;
use crate::registry::Role;
use crate::relay::{Identity, SinkInfo, SourceInfo};
use crate::sync::lock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Counters of one node. One writer, which publishes now and then; no locked instruction per item.
pub(crate) struct Meter {
    taken: AtomicU64,
    given: AtomicU64,
    /// `u64::MAX` as long as nobody knows.
    dropped: AtomicU64,
    held: AtomicU64,
    /// For the ends of the graph, which count for themselves.
    live: OnceLock<Live>,
}

/// What an end of the graph has done with its items; it holds the rest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) taken: u64,
    pub(crate) given: u64,
    /// Refused.
    pub(crate) dropped: u64,
}

type Live = Box<dyn Fn() -> Count + Send + Sync>;

impl Default for Meter {
    fn default() -> Self {
        Self {
            taken: AtomicU64::new(0),
            given: AtomicU64::new(0),
            dropped: AtomicU64::new(u64::MAX),
            held: AtomicU64::new(u64::MAX),
            live: OnceLock::new(),
        }
    }
}

impl Meter {
    pub(crate) fn publish(&self, taken: u64, given: u64) {
        self.taken.store(taken, Ordering::Relaxed);
        self.given.store(given, Ordering::Relaxed);
    }

    pub(crate) fn publish_rest(&self, dropped: u64, held: u64) {
        self.dropped.store(dropped, Ordering::Relaxed);
        self.held.store(held, Ordering::Relaxed);
    }

    pub(crate) fn read_from(&self, live: impl Fn() -> Count + Send + Sync + 'static) {
        let _ = self.live.set(Box::new(live));
    }

    pub(crate) fn read(&self) -> (u64, u64) {
        match self.live.get() {
            Some(live) => {
                let Count { taken, given, .. } = live();
                (taken, given)
            }
            None => (self.taken.load(Ordering::Relaxed), self.given.load(Ordering::Relaxed)),
        }
    }

    /// Dropped and held, where that is known.
    pub(crate) fn read_rest(&self) -> Option<(u64, u64)> {
        if let Some(live) = self.live.get() {
            let Count { taken, given, dropped } = live();
            return Some((dropped, taken.saturating_sub(given + dropped)));
        }
        let rest = (self.dropped.load(Ordering::Relaxed), self.held.load(Ordering::Relaxed));
        (rest.0 != u64::MAX).then_some(rest)
    }
}

/// What the picture shows of a node.
pub(crate) struct Info {
    pub(crate) role: Role,
    pub(crate) kind: &'static str,
    /// What the user called it.
    pub(crate) name: Mutex<Option<Arc<str>>>,
    pub(crate) holds: Holds,
    /// See [`Operator::gathers`](super::Operator::gathers).
    pub(crate) gathers: usize,
    /// See [`Operator::has_handle`](super::Operator::has_handle).
    pub(crate) has_handle: bool,
    /// How it is set, as it may be shown.
    pub(crate) settings: Mutex<Vec<(String, String)>>,
    /// See [`Operator::remembers`](super::Operator::remembers).
    pub(crate) remembers: bool,
    pub(crate) crossing: Crossing,
    pub(crate) meter: Arc<Meter>,
}

impl Info {
    pub(crate) fn new(role: Role, kind: &'static str, holds: Holds) -> Self {
        Self {
            role,
            kind,
            name: Mutex::default(),
            holds,
            gathers: 1,
            has_handle: false,
            settings: Mutex::default(),
            remembers: role == Role::Operator,
            crossing: Crossing::None,
            meter: Arc::default(),
        }
    }

    pub(crate) fn of_operator<I, O>(kind: &'static str, op: &impl Operator<I, O>) -> Self {
        Self {
            remembers: op.remembers(),
            gathers: op.gathers().max(1),
            has_handle: op.has_handle(),
            ..Self::new(Role::Operator, kind, op.holds())
        }
    }
}

/// A node whose type of items is not of interest.
pub(crate) trait AnyNode: Send + Sync {
    fn info(&self) -> &Info;
    fn upstream(&self) -> &[Arc<dyn AnyNode>];
    /// What a source says of itself, until it is wired.
    fn source_info(&self, identity: &Identity) -> Option<SourceInfo> {
        let _ = identity;
        None
    }
    /// What a sink says of itself, until it is wired.
    fn sink_info(&self, identity: &Identity) -> Option<SinkInfo> {
        let _ = identity;
        None
    }
    /// Whether it is part of a relay already.
    fn is_spent(&self) -> bool;
    /// Hands what it becomes to its upstream. Called once all nodes below are wired. `name` is its unique name.
    fn wire(&self, name: &Arc<str>, wiring: &mut Wiring) -> Result<()>;
}

/// What a node becomes: given its way down and the wiring.
pub(crate) type Attach<T> = Box<dyn FnOnce(Box<dyn Downstream<T>>, &Arc<str>, &mut Wiring) + Send>;
type Numbered<T> = (usize, Box<dyn Downstream<T>>);
type Combine<T> = fn(Vec<Box<dyn Downstream<T>>>) -> Box<dyn Downstream<T>>;
type Describe = Box<dyn Fn(&Identity) -> Option<SourceInfo> + Send>;

/// A node that gives out items of type `T`.
pub(crate) struct Node<T> {
    info: Info,
    upstream: Vec<Arc<dyn AnyNode>>,
    /// The order of the calls that made the branches is the order of execution.
    branches: AtomicUsize,
    downs: Mutex<Vec<Numbered<T>>>,
    /// How several ways down become one; set by `clone`, where `T: Clone` is known.
    combine: OnceLock<Combine<T>>,
    attach: Mutex<Option<Attach<T>>>,
    spent: AtomicBool,
    describe: Option<Mutex<Describe>>,
}

impl<T: Send + 'static> Node<T> {
    pub(crate) fn new(info: Info, upstream: Vec<Arc<dyn AnyNode>>, attach: Attach<T>) -> Arc<Self> {
        Arc::new(Self::build(info, upstream, attach, None))
    }

    pub(crate) fn source(info: Info, attach: Attach<T>, describe: Describe) -> Arc<Self> {
        Arc::new(Self::build(info, Vec::new(), attach, Some(Mutex::new(describe))))
    }

    fn build(
        info: Info,
        upstream: Vec<Arc<dyn AnyNode>>,
        attach: Attach<T>,
        describe: Option<Mutex<Describe>>,
    ) -> Self {
        Self {
            info,
            upstream,
            branches: AtomicUsize::new(0),
            downs: Mutex::default(),
            combine: OnceLock::new(),
            attach: Mutex::new(Some(attach)),
            spent: AtomicBool::new(false),
            describe,
        }
    }

    pub(crate) fn can_fan_out(&self, combine: Combine<T>) {
        let _ = self.combine.set(combine);
    }

    /// The number of a new branch.
    pub(crate) fn branch(&self) -> usize {
        self.branches.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn add(&self, branch: usize, down: Box<dyn Downstream<T>>) {
        lock(&self.downs).push((branch, down));
    }
}

impl<T: Send + 'static> AnyNode for Node<T> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn upstream(&self) -> &[Arc<dyn AnyNode>] {
        &self.upstream
    }

    fn source_info(&self, identity: &Identity) -> Option<SourceInfo> {
        self.describe.as_ref().and_then(|describe| lock(describe)(identity))
    }

    fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    fn wire(&self, name: &Arc<str>, wiring: &mut Wiring) -> Result<()> {
        let Some(attach) = lock(&self.attach).take() else { return Err(already_used(name)) };
        self.spent.store(true, Ordering::Release);
        let mut downs = std::mem::take(&mut *lock(&self.downs));
        downs.sort_by_key(|(branch, _)| *branch);
        let mut downs: Vec<_> = downs.into_iter().map(|(_, down)| down).collect();
        let down = match (downs.len(), self.combine.get()) {
            (1, _) => downs.remove(0),
            (_, Some(combine)) => combine(downs),
            // A stream is consumed by what follows it; only a clone makes a second way down, and a clone sets `combine`.
            (_, None) => return Err(already_used(name)),
        };
        attach(down, name, wiring);
        Ok(())
    }
}

pub(crate) fn already_used(name: &str) -> crate::Error {
    crate::Error::usage(format!("{name} is already part of a relay")).hint("build the stream anew for each relay")
}
