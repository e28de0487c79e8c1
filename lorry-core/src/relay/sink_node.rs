//! The node of a sink: what the graph knows of it, and how it is wired.

use super::drive_sink::{Account, Driver, limits};
use super::outlet::Outlet;
use super::pending::Pending;
use super::resend::Resend;
use super::retry::Backoff;
use super::sink::{Sink, SinkInfo};
use crate::Result;
use crate::flow::{AnyNode, BatchingOverride, Count, Holds, Info, Node, SinkEnd, Wiring};
use crate::registry::Role;
use crate::sync::lock;
use futures_util::stream::FuturesOrdered;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The end of a branch.
pub(crate) struct SinkNode<T> {
    info: Info,
    upstream: [Arc<dyn AnyNode>; 1],
    up: Arc<Node<T>>,
    branch: usize,
    sink: Mutex<Option<Box<dyn Sink<T>>>>,
    batching: Mutex<BatchingOverride>,
    spent: AtomicBool,
}

impl<T: Send + Sync + 'static> SinkNode<T> {
    pub(crate) fn new(up: Arc<Node<T>>, branch: usize, sink: Box<dyn Sink<T>>) -> Arc<Self> {
        let SinkInfo { kind, keeps_positions, .. } = sink.info(&Default::default());
        let limits = limits(BatchingOverride::default(), &*sink, keeps_positions);
        let room = limits.items.saturating_mul(limits.receipts + 1);
        Arc::new(Self {
            info: Info::new(Role::Sink, kind, Holds::ForATime(room)),
            upstream: [up.clone()],
            up,
            branch,
            sink: Mutex::new(Some(sink)),
            batching: Mutex::default(),
            spent: AtomicBool::new(false),
        })
    }
}

impl<T: Send + Sync + 'static> AnyNode for SinkNode<T> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn upstream(&self) -> &[Arc<dyn AnyNode>] {
        &self.upstream
    }

    fn sink_info(&self, identity: &super::Identity) -> Option<SinkInfo> {
        lock(&self.sink).as_ref().map(|sink| sink.info(identity))
    }

    fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    fn wire(&self, name: &Arc<str>, wiring: &mut Wiring) -> Result<()> {
        let Some(sink) = lock(&self.sink).take() else { return Err(crate::flow::already_used(name)) };
        self.spent.store(true, Ordering::Release);
        let control = wiring.control.clone();
        let batching = *lock(&self.batching);
        let keeps_positions = sink.info(&control.settings.identity).keeps_positions;
        let limits = limits(batching, &*sink, keeps_positions);
        let most = batching.queue.unwrap_or_else(|| limits.items.saturating_mul(limits.receipts + 1));
        let queue = control.queue(most);
        let load = queue.clone();
        control.add_load(Box::new(move || load.held()));
        let counted = queue.clone();
        let account = Arc::<Account>::default();
        let seen = account.clone();
        self.info.meter.read_from(move || {
            let (taken, gone) = counted.counts();
            let (dropped, left) = (seen.dropped.load(Ordering::Acquire), seen.left.load(Ordering::Acquire));
            Count { taken, given: gone.saturating_sub(dropped + left), dropped }
        });
        self.up.add(self.branch, Box::new(Outlet::new(queue.clone(), &control)));
        match keeps_positions {
            true => control.records.announce(),
            false => control.records.none(control.graph.sources_of(name)),
        }
        let context = control.context(name);
        let pending = Pending::new(is_direct(&*self.up), keeps_positions, control.unwanted.clone());
        let backoff = Backoff::new(context.retry);
        let (in_flight, resend) = (FuturesOrdered::new(), Resend::default());
        let driver = Driver {
            sink,
            batching,
            keeps_positions,
            queue,
            context,
            backoff,
            control,
            pending,
            in_flight,
            resend,
            account,
            fatal: false,
        };
        wiring.sinks.push(Box::pin(driver.run()));
        Ok(())
    }
}

impl<T: Send + Sync + 'static> SinkEnd for SinkNode<T> {
    fn set_batching(&self, change: &mut dyn FnMut(&mut BatchingOverride)) {
        change(&mut lock(&self.batching));
    }

    fn as_any_node(self: Arc<Self>) -> Arc<dyn AnyNode> {
        self
    }
}

/// Whether every operator from the source down to here treats each item by itself.
fn is_direct(node: &dyn AnyNode) -> bool {
    let mut at = node;
    loop {
        match at.upstream() {
            [] => return true,
            [above] if !at.info().remembers => at = &**above,
            _ => return false,
        }
    }
}
