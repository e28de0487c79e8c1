//! The task of a sink: cuts batches, keeps receipts in order, retries.

use super::context::Context;
use super::control::{Control, Phase};
use super::pending::{Dropped, Pending};
use super::queue::Queue;
use super::resend::Resend;
use super::retry::{Backoff, Next};
use super::sink::{Batch, Failure, Failures, Limits, Receipt, Sink};
use crate::ack::Token;
use crate::flow::{BatchingOverride, Item};
use crate::{Class, Error, Result};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesOrdered, StreamExt};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How batches for this sink are cut: by its own limits, and what the graph says instead.
pub(super) fn limits<T: Send + 'static>(
    batching: BatchingOverride,
    sink: &dyn Sink<T>,
    keeps_positions: bool,
) -> Limits {
    let own = sink.limits();
    Limits {
        items: batching.items.unwrap_or(own.items).max(1),
        bytes: batching.bytes.unwrap_or(own.bytes),
        linger: batching.linger.unwrap_or(own.linger),
        receipts: if keeps_positions { 1 } else { own.receipts.max(1) },
    }
}

/// Receipts that are out, in the order of their batches.
pub(super) type InFlight<T> = FuturesOrdered<BoxFuture<'static, Landed<T>>>;

/// A batch under way, and what came of it.
pub(super) struct Landed<T> {
    batch: Batch<T>,
    tokens: Vec<Token>,
    outcome: Result<(), Failures>,
    /// It was sent before.
    again: bool,
}

/// What became of items that were not delivered.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Refused for good, or given again by their source.
    pub(super) dropped: AtomicU64,
    /// Not to be sent, since a message before them ends the relay.
    pub(super) left: AtomicU64,
}

/// Everything that a sink's task has.
pub(super) struct Driver<T> {
    pub(super) sink: Box<dyn Sink<T>>,
    pub(super) batching: BatchingOverride,
    pub(super) keeps_positions: bool,
    pub(super) queue: Arc<Queue<Item<T>>>,
    pub(super) context: Context,
    pub(super) backoff: Backoff,
    pub(super) control: Arc<Control>,
    pub(super) pending: Pending<T>,
    pub(super) in_flight: InFlight<T>,
    pub(super) resend: Resend<T>,
    pub(super) account: Arc<Account>,
    /// An error that ends the relay has been reported.
    pub(super) fatal: bool,
}

impl<T> Drop for Driver<T> {
    /// When the task is aborted: nothing is to wait in a queue that nobody reads.
    fn drop(&mut self) {
        self.queue.close_reader();
    }
}

/// What a sink has said to a batch.
struct Answer {
    /// What is to be sent again: indices in the batch.
    rest: Vec<(usize, Token)>,
    /// Some of it can never be delivered.
    refused: bool,
    /// And that ends the relay.
    ends: bool,
    /// Why the rest failed; the first reason.
    error: Option<Error>,
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
    pub(super) async fn run(mut self) -> Result<()> {
        let outcome = self.work().await;
        if let Err(error) = &outcome {
            // Before its messages are dropped: this is why, and not that nobody decided about them.
            self.control.fail(error.clone());
        }
        // Nothing is delivered any more: what waits is dropped undecided.
        self.queue.close_reader();
        self.pending.clear();
        self.resend.clear();
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
            poll_fn(|cx| queue.poll_closed_and_empty(cx)).await;
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
                while let Some(landed) = self.in_flight.next().await {
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
            if ended && self.pending.is_empty() && self.resend.is_empty() && self.in_flight.is_empty() {
                break;
            }
            let limits = self.limits();
            let wants_more = !ended && self.pending.len() < limits.items;
            let timer = self.resend.at().filter(|_| self.in_flight.is_empty()).or_else(|| self.linger_ends(&limits));
            let wake = tokio::select! {
                biased;
                Some(landed) = self.in_flight.next(), if !self.in_flight.is_empty() => Wake::Landed(landed),
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
            let sources = self.control.graph.sources_of(&self.context.element);
            self.control.records.read(sources, positions);
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
        limits(self.batching, &*self.sink, self.keeps_positions)
    }

    fn may_send(&self) -> bool {
        !self.resend.holds_back() && !self.fatal && self.in_flight.len() < self.limits().receipts
    }

    fn linger_ends(&self, limits: &Limits) -> Option<Instant> {
        if self.in_flight.is_empty() || !self.may_send() || limits.linger.is_zero() {
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
            || self.in_flight.is_empty()
            || limits.linger.is_zero()
            || self.pending.len() >= limits.items
            || self.pending.since.is_some_and(|since| since + limits.linger <= Instant::now())
    }

    /// Cuts a batch and sends it.
    async fn send_next(&mut self) {
        let limits = self.limits();
        let sink = &self.sink;
        let cut = self.pending.cut(&limits, |value| sink.weigh(value));
        self.passed(cut.on_record, cut.dropped);
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
        if !self.in_flight.is_empty() || !self.resend.is_due() {
            return;
        }
        if self.resend.ask_record {
            match self.sink.positions().await {
                Ok(positions) => self.pending.on_record(positions.iter()),
                Err(error) => {
                    self.waits_after(&error);
                    return;
                }
            }
            self.resend.ask_record = false;
        }
        while let Some((batch, tokens)) = self.resend.next() {
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
        let (mut on_record, mut dropped) = (0, Dropped::default());
        for (index, token) in tokens.into_iter().enumerate() {
            if self.pending.has(&token) {
                token.delivered();
                on_record += 1;
                continue;
            }
            // Of what is given again a batch that has positions stays complete.
            let is_over = match self.keeps_positions {
                true => self.pending.is_barred(&token, &mut dropped),
                false => self.pending.is_unwanted(&token, &mut dropped),
            };
            if is_over {
                token.leave();
                continue;
            }
            indices.push(index);
            kept.push(token);
        }
        if kept.len() == len {
            return (batch, kept);
        }
        self.passed(on_record, dropped);
        let rest = match dropped.len() > 0 && self.keeps_positions {
            true => batch.select(indices).with_marks(self.pending.marks(&kept)),
            false => self.rest(&batch, indices),
        };
        (rest, kept)
    }

    /// These are not before the sink any more, without having been sent.
    fn passed(&mut self, on_record: usize, dropped: Dropped) {
        if on_record + dropped.len() > 0 {
            self.account.dropped.fetch_add(dropped.superseded as u64, Ordering::AcqRel);
            self.account.left.fetch_add(dropped.barred as u64, Ordering::AcqRel);
            self.queue.done(on_record + dropped.len());
            self.control.progressed();
        }
    }

    /// A part of a batch, sent again. What is not in it is decided, so the part completes what the marks say.
    fn rest(&self, batch: &Batch<T>, indices: Vec<usize>) -> Batch<T> {
        let rest = batch.select(indices);
        if batch.marks().is_empty() { rest } else { rest.with_marks(batch.marks().to_vec()) }
    }

    async fn send(&mut self, batch: Batch<T>, tokens: Vec<Token>, again: bool) {
        self.resend.sent(again);
        match self.sink.send(batch.clone()).await {
            Ok(receipt) => self.in_flight.push_back(flight(receipt, batch, tokens, again)),
            Err(error) => {
                let outcome = Err(Failures::all(batch.len(), &error));
                // In its place among those under way: receipts are looked at in order.
                let landed = Landed { batch, tokens, outcome, again };
                self.in_flight.push_back(std::future::ready(landed).boxed());
            }
        }
    }

    /// A receipt has resolved: resolves tokens, keeps what is to be sent again.
    fn land(&mut self, landed: Landed<T>) {
        let Landed { batch, tokens, outcome, again } = landed;
        self.resend.landed(again);
        let len = tokens.len();
        let failures = outcome.err().map(|failures| failures.of_batch(len)).unwrap_or_default();
        let Answer { rest, refused, ends, error } = self.resolve(tokens, failures);
        let Some(error) = error else {
            if !ends {
                self.pending.on_record(batch.marks().iter().map(|(key, position)| (key, *position)));
            }
            return self.went_well(len);
        };
        let (indices, tokens): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
        self.queue.done(len - tokens.len());
        self.control.progressed();
        // What was left out because of a message that is now decided is tried at once: nothing is wrong with it or with the peer.
        if !refused && !self.waits_after(&error) {
            return tokens.into_iter().for_each(|token| token.fail(error.clone()));
        }
        let batch = match (ends && self.keeps_positions, indices.len() == batch.len()) {
            // The message that ends the relay is not to be on record.
            (true, _) => batch.select(indices).with_marks(self.pending.marks(&tokens)),
            (false, true) => batch,
            (false, false) => self.rest(&batch, indices),
        };
        self.resend.add(batch, tokens, again);
    }

    /// Resolves the tokens of what is decided, by the failures of its batch.
    fn resolve(&mut self, tokens: Vec<Token>, failures: Vec<Failure>) -> Answer {
        let mut answer = Answer { rest: Vec::new(), refused: false, ends: false, error: None };
        if failures.is_empty() {
            tokens.into_iter().for_each(Token::delivered);
            return answer;
        }
        let mut failures = failures.into_iter().peekable();
        for (index, token) in tokens.into_iter().enumerate() {
            match failures.next_if(|failure| failure.index == index) {
                None => token.delivered(),
                Some(failure) if failure.error.class() == Class::Data => {
                    answer.refused = true;
                    self.account.dropped.fetch_add(1, Ordering::AcqRel);
                    // Under `stop` the relay ends here. Its source will say so; nothing behind it is sent meanwhile.
                    answer.ends |= self.context.stop_on_refusal && token.is_of_a_lane();
                    token.reject(failure.error);
                }
                Some(failure) => {
                    self.resend.ask_record |= self.keeps_positions && failure.error.class() == Class::Ambiguous;
                    answer.error.get_or_insert(failure.error);
                    answer.rest.push((index, token));
                }
            }
        }
        answer
    }

    /// Nothing is sent for a while after this error; false: never again.
    fn waits_after(&mut self, error: &Error) -> bool {
        match self.delay_after(error) {
            Ok(delay) => {
                self.resend.not_before(Instant::now() + delay);
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
