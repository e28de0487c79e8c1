//! The task of a sink: cuts batches, keeps receipts in order, retries.

use super::context::Context;
use super::control::{Control, Phase};
use super::outlet::Outlet;
use super::pending::Pending;
use super::queue::Queue;
use super::retry::{Backoff, Next};
use super::sink::{Batch, Failures, Limits, Receipt, Sink, SinkInfo};
use crate::ack::Token;
use crate::flow::{AnyNode, BatchingOverride, Count, Holds, Info, Item, Node, SinkEnd, Wiring};
use crate::registry::Role;
use crate::sync::lock;
use crate::{Class, Error, Result};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesOrdered, StreamExt};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

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
        let limits = over(BatchingOverride::default(), sink.limits(), keeps_positions);
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
        let limits = over(batching, sink.limits(), keeps_positions);
        let most = batching.queue.unwrap_or_else(|| limits.items.saturating_mul(limits.receipts + 1));
        let queue = Arc::new(Queue::new(most));
        let load = queue.clone();
        control.add_load(Box::new(move || load.held()));
        let counted = queue.clone();
        let refused = Arc::<AtomicU64>::default();
        let refusals = refused.clone();
        self.info.meter.read_from(move || {
            let (taken, gone) = counted.counts();
            let dropped = refusals.load(Ordering::Acquire);
            Count { taken, given: gone.saturating_sub(dropped), dropped }
        });
        self.up.add(self.branch, Box::new(Outlet::new(queue.clone())));
        match keeps_positions {
            true => control.expect_positions(),
            false => control.keeps_no_positions(name),
        }
        let context = control.context(name);
        let backoff = Backoff::new(context.retry);
        let driver = Driver {
            sink,
            batching,
            keeps_positions,
            queue,
            backoff,
            context,
            pending: Pending::new(is_direct(&*self.up), keeps_positions, control.unwanted.clone()),
            control,
            flying: FuturesOrdered::new(),
            again: VecDeque::new(),
            again_at: None,
            is_sending_again: false,
            ask_again: false,
            refused,
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

fn over(batching: BatchingOverride, own: Limits, keeps_positions: bool) -> Limits {
    Limits {
        items: batching.items.unwrap_or(own.items).max(1),
        bytes: batching.bytes.unwrap_or(own.bytes),
        linger: batching.linger.unwrap_or(own.linger),
        receipts: if keeps_positions { 1 } else { own.receipts.max(1) },
    }
}

/// A batch under way, and what came of it.
struct Landed<T> {
    batch: Batch<T>,
    tokens: Vec<Token>,
    outcome: Result<(), Failures>,
    /// It was sent before.
    again: bool,
}

struct Driver<T> {
    sink: Box<dyn Sink<T>>,
    batching: BatchingOverride,
    keeps_positions: bool,
    queue: Arc<Queue<Item<T>>>,
    context: Context,
    backoff: Backoff,
    control: Arc<Control>,
    pending: Pending<T>,
    flying: FuturesOrdered<BoxFuture<'static, Landed<T>>>,
    /// What failed and is sent again, in order, before anything newer.
    again: VecDeque<(Batch<T>, Vec<Token>)>,
    again_at: Option<Instant>,
    /// One that failed is under way again: nothing newer goes out before it has landed.
    is_sending_again: bool,
    /// The sink's record is to be read again: nobody knows whether the last batch has landed.
    ask_again: bool,
    /// Messages that the sink has refused for good, for the accounts.
    refused: Arc<AtomicU64>,
    /// An error that ends the relay has been reported.
    fatal: bool,
}

impl<T> Drop for Driver<T> {
    /// When the task is aborted: nothing is to wait in a queue that nobody reads.
    fn drop(&mut self) {
        self.queue.close_reader();
    }
}

/// What the driver waits for.
enum Wake<T> {
    Landed(Landed<T>),
    Items,
    Ended,
    Time,
    Failed,
}

impl<T: Send + Sync + 'static> Driver<T> {
    async fn run(mut self) -> Result<()> {
        let outcome = self.work().await;
        if let Err(error) = &outcome {
            // Before its messages are dropped: this is why, and not that nobody decided about them.
            self.control.fail(error.clone());
        }
        // Nothing is delivered any more: what waits is dropped undecided.
        self.queue.close_reader();
        self.pending.clear();
        self.again.clear();
        self.control.progressed();
        self.context.status.ended();
        outcome
    }

    async fn work(&mut self) -> Result<()> {
        let control = self.control.clone();
        let mut failed = std::pin::pin!(control.failed());
        let queue = self.queue.clone();
        let needless = async {
            control.stopped().await;
            poll_fn(|cx| queue.poll_barren(cx)).await;
        };
        tokio::select! {
            opened = self.open() => opened?,
            () = &mut failed => return Ok(()),
            // A stop, and nothing to deliver: whether the sink is there is of no interest any more.
            () = needless => return Ok(()),
        }
        let mut ended = false;
        loop {
            if self.control.phase() == Phase::Failed || self.fatal {
                // What is on its way may yet land; nothing new is sent.
                while let Some(landed) = self.flying.next().await {
                    self.land(landed);
                }
                // What waits is dropped for a reason, and not forgotten.
                control.hold_the_rest();
                break;
            }
            self.send_again().await;
            while self.may_send() && self.batch_is_due(ended) {
                self.send_next().await;
            }
            if ended && self.pending.is_empty() && self.again.is_empty() && self.flying.is_empty() {
                break;
            }
            let limits = self.limits();
            let wants_more = !ended && self.pending.len() < limits.items;
            let timer = self.again_at.filter(|_| self.flying.is_empty()).or_else(|| self.linger_ends(&limits));
            let wake = tokio::select! {
                biased;
                Some(landed) = self.flying.next(), if !self.flying.is_empty() => Wake::Landed(landed),
                more = self.pending.take(&self.queue), if wants_more => if more { Wake::Items } else { Wake::Ended },
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => Wake::Time,
                () = &mut failed => Wake::Failed,
            };
            match wake {
                Wake::Landed(landed) => self.land(landed),
                Wake::Ended => ended = true,
                Wake::Items | Wake::Time | Wake::Failed => {}
            }
        }
        if let Err(error) = self.sink.close().await {
            tracing::warn!(element = %self.context.element, "{error}");
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<()> {
        while let Err(error) = self.sink.open(self.context.clone()).await {
            let delay = self.delay_after(&error)?;
            sleep(delay).await;
        }
        if self.keeps_positions {
            let positions = loop {
                match self.sink.positions().await {
                    Ok(positions) => break positions,
                    Err(error) => {
                        let delay = self.delay_after(&error)?;
                        sleep(delay).await;
                    }
                }
            };
            self.pending.on_record(positions.iter());
            self.control.positions_read(&self.context.element, positions);
        }
        self.context.status.ready();
        Ok(())
    }

    /// How long to wait before another attempt.
    ///
    /// # Errors
    /// The error itself, when another attempt is of no use.
    fn delay_after(&mut self, error: &Error) -> Result<Duration> {
        match self.backoff.failed(error) {
            Next::Wait(delay) => {
                self.context.status.failed(error, delay);
                Ok(delay)
            }
            Next::GiveUp => Err(error.clone()),
        }
    }

    fn limits(&self) -> Limits {
        over(self.batching, self.sink.limits(), self.keeps_positions)
    }

    fn may_send(&self) -> bool {
        let holds_back = !self.again.is_empty() || self.again_at.is_some() || self.is_sending_again;
        !holds_back && !self.fatal && self.flying.len() < self.limits().receipts
    }

    fn linger_ends(&self, limits: &Limits) -> Option<Instant> {
        if self.flying.is_empty() || !self.may_send() || limits.linger.is_zero() {
            return None;
        }
        self.pending.since.map(|since| since + limits.linger)
    }

    /// An idle sink gets what there is at once; a busy one when the batch is full, or has waited long enough.
    fn batch_is_due(&mut self, ended: bool) -> bool {
        let limits = self.limits();
        if self.pending.len() < limits.items && !ended {
            self.pending.top_up(&self.queue);
        }
        if self.pending.is_empty() {
            return false;
        }
        ended
            || self.flying.is_empty()
            || limits.linger.is_zero()
            || self.pending.len() >= limits.items
            || self.pending.since.is_some_and(|since| since + limits.linger <= Instant::now())
    }

    /// Cuts a batch and sends it.
    async fn send_next(&mut self) {
        let limits = self.limits();
        let sink = &self.sink;
        let cut = self.pending.cut(&limits, |value| sink.weigh(value));
        if cut.passed > 0 {
            self.queue.done(cut.passed);
            self.control.progressed();
        }
        if cut.tokens.is_empty() {
            return;
        }
        let mut batch = Batch::new(cut.values);
        if !cut.marks.is_empty() {
            batch = batch.with_marks(cut.marks);
        }
        self.send(batch, cut.tokens, false).await;
    }

    /// Sends what failed, one batch at a time, once the delay is over and everything else has landed.
    async fn send_again(&mut self) {
        if !self.flying.is_empty() || self.again_at.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.again_at = None;
        if self.ask_again {
            match self.sink.positions().await {
                Ok(positions) => self.pending.on_record(positions.iter()),
                Err(error) => {
                    self.waits_after(&error);
                    return;
                }
            }
            self.ask_again = false;
        }
        while let Some((batch, tokens)) = self.again.pop_front() {
            let (batch, tokens) = self.without_what_is_over(batch, tokens);
            if !tokens.is_empty() {
                self.control.retried(tokens.len());
                return self.send(batch, tokens, true).await;
            }
        }
    }

    /// What is still to be sent of a batch: not what has landed by the sink's record, nor what its source gives again, nor what is behind
    /// a message that ends the relay.
    fn without_what_is_over(&mut self, batch: Batch<T>, tokens: Vec<Token>) -> (Batch<T>, Vec<Token>) {
        let len = tokens.len();
        let (mut indices, mut kept) = (Vec::with_capacity(len), Vec::with_capacity(len));
        let mut cut_short = false;
        for (index, token) in tokens.into_iter().enumerate() {
            if self.pending.has(&token) {
                token.delivered();
            } else if self.pending.is_barred(&token) {
                cut_short = true;
            } else if self.keeps_positions || !self.pending.is_unwanted(&token) {
                indices.push(index);
                kept.push(token);
            }
        }
        if kept.len() == len {
            return (batch, kept);
        }
        self.queue.done(len - kept.len());
        self.control.progressed();
        let rest = match cut_short && self.keeps_positions {
            true => batch.select(indices).with_marks(self.pending.marks(&kept)),
            false => self.rest(&batch, indices),
        };
        (rest, kept)
    }

    /// A part of a batch, sent again. What is not in it is decided, so the part completes what the marks say.
    fn rest(&self, batch: &Batch<T>, indices: Vec<usize>) -> Batch<T> {
        let rest = batch.select(indices);
        if batch.marks().is_empty() { rest } else { rest.with_marks(batch.marks().to_vec()) }
    }

    async fn send(&mut self, batch: Batch<T>, tokens: Vec<Token>, again: bool) {
        self.is_sending_again |= again;
        match self.sink.send(batch.clone()).await {
            Ok(receipt) => self.flying.push_back(flight(receipt, batch, tokens, again)),
            Err(error) => {
                let outcome = Err(Failures::all(batch.len(), &error));
                // In its place among those under way: receipts are looked at in order.
                let landed = Landed { batch, tokens, outcome, again };
                self.flying.push_back(std::future::ready(landed).boxed());
            }
        }
    }

    /// A receipt has resolved: resolves tokens, keeps what is to be sent again.
    fn land(&mut self, landed: Landed<T>) {
        let Landed { batch, tokens, outcome, again } = landed;
        self.is_sending_again &= !again;
        let len = tokens.len();
        let failures = match outcome {
            Ok(()) => {
                tokens.into_iter().for_each(Token::delivered);
                self.pending.on_record(batch.marks().iter().map(|(key, position)| (key, *position)));
                self.went_well(len);
                return;
            }
            Err(failures) => failures.of_batch(len),
        };
        let mut failures = failures.into_iter().peekable();
        let mut first: Option<Error> = None;
        let (mut refused, mut ends) = (false, false);
        let (mut indices, mut kept) = (Vec::new(), Vec::new());
        for (index, token) in tokens.into_iter().enumerate() {
            match failures.next_if(|failure| failure.index == index) {
                None => token.delivered(),
                Some(failure) if failure.error.class() == Class::Data => {
                    refused = true;
                    self.refused.fetch_add(1, Ordering::AcqRel);
                    // Under `stop` the relay ends here. Its source will say so; nothing behind it is sent meanwhile.
                    ends |= self.context.stop_on_refusal && token.is_of_a_lane();
                    token.reject(failure.error);
                }
                Some(failure) => {
                    self.ask_again |= self.keeps_positions && failure.error.class() == Class::Ambiguous;
                    first.get_or_insert(failure.error);
                    indices.push(index);
                    kept.push(token);
                }
            }
        }
        let Some(error) = first else {
            if !ends {
                self.pending.on_record(batch.marks().iter().map(|(key, position)| (key, *position)));
            }
            return self.went_well(len);
        };
        self.queue.done(len - kept.len());
        self.control.progressed();
        let rest = if indices.len() == batch.len() { batch } else { self.rest(&batch, indices) };
        if again {
            self.again.push_front((rest, kept));
        } else {
            self.again.push_back((rest, kept));
        }
        // What was left out because of a message that is now decided is tried at once: nothing is wrong with it or with the peer.
        if refused || self.waits_after(&error) {
            return;
        }
        let given_up = if again { self.again.pop_front() } else { self.again.pop_back() };
        for token in given_up.into_iter().flat_map(|(_, tokens)| tokens) {
            token.fail(error.clone());
        }
    }

    /// Nothing is sent for a while after this error; false: never again.
    fn waits_after(&mut self, error: &Error) -> bool {
        match self.delay_after(error) {
            Ok(delay) => {
                // The delay counts from the last failure, and a second receipt's failure does not shorten it.
                let at = Instant::now() + delay;
                self.again_at = Some(self.again_at.map_or(at, |before| before.max(at)));
                true
            }
            Err(error) => {
                self.fatal = true;
                self.control.fail(error);
                false
            }
        }
    }

    fn went_well(&mut self, items: usize) {
        self.backoff.succeeded();
        if self.context.status.is_down() {
            self.context.status.up();
        }
        self.queue.done(items);
        self.control.progressed();
    }
}

fn flight<T: Send + Sync + 'static>(
    receipt: Receipt,
    batch: Batch<T>,
    tokens: Vec<Token>,
    again: bool,
) -> BoxFuture<'static, Landed<T>> {
    receipt.map(move |outcome| Landed { batch, tokens, outcome, again }).boxed()
}
