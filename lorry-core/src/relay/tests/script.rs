//! A source and a sink that do what a test tells them, and keep a record.

use crate::relay::*;
use crate::{Class, Error, ErrorKind, Result};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

pub(super) fn error(class: Class) -> Error {
    Error::new(ErrorKind::Other, class, "test", format!("{class:?}"))
}

/// Gives the numbers from 0, in chunks of what is asked for.
pub(super) struct Numbers {
    next: u64,
    end: u64,
    /// Whether it waits at its end in place of ending.
    waits: bool,
    /// How long after its last number it says that it has ended.
    ends_after: Duration,
    /// Most undecided numbers, as a broker's window has it.
    window: Option<u64>,
    counted: bool,
    settled: Option<u64>,
    info: SourceInfo,
    pub(super) log: Arc<Mutex<SourceLog>>,
    moved: Arc<Notify>,
    /// Errors that `next` gives before these numbers, and errors of `open`.
    pub(super) trips: VecDeque<(u64, Error)>,
    pub(super) refuses_to_open: VecDeque<Error>,
    /// The number that it finds undeliverable.
    unfit: Option<u64>,
    lane: u64,
}

#[derive(Debug, Default)]
pub(super) struct SourceLog {
    pub(super) opened: usize,
    pub(super) settled: Vec<Settled>,
    pub(super) closed: bool,
}

impl SourceLog {
    pub(super) fn up_to(&self) -> Option<u64> {
        self.settled.iter().rev().find_map(|settled| match settled {
            Settled::UpTo(_, position) => Some(position.0),
            Settled::Items(..) => None,
        })
    }
}

impl Numbers {
    pub(super) fn to(end: u64) -> Self {
        Self {
            next: 0,
            end,
            waits: false,
            ends_after: Duration::ZERO,
            window: None,
            counted: true,
            settled: None,
            info: SourceInfo::new("numbersrc", "numbers"),
            log: Arc::default(),
            moved: Arc::default(),
            trips: VecDeque::new(),
            refuses_to_open: VecDeque::new(),
            unfit: None,
            lane: 0,
        }
    }

    pub(super) fn then_waits(mut self) -> Self {
        self.waits = true;
        self
    }

    pub(super) fn ending_after(mut self, delay: Duration) -> Self {
        self.ends_after = delay;
        self
    }

    pub(super) fn promising(mut self, guarantee: Guarantee) -> Self {
        self.info = self.info.guarantee(guarantee);
        self
    }

    pub(super) fn unfit(mut self, number: u64) -> Self {
        self.unfit = Some(number);
        self
    }

    pub(super) fn window(mut self, window: u64) -> Self {
        self.window = Some(window);
        self.info = self.info.max_unacked(window as usize);
        self
    }

    /// A peer that lets so many stay unacknowledged, but counts none of these.
    pub(super) fn uncounted(mut self, window: usize) -> Self {
        self.counted = false;
        self.info = self.info.max_unacked(window);
        self
    }
}

#[async_trait]
impl Source<u64> for Numbers {
    fn info(&self, _: &Identity) -> SourceInfo {
        self.info.clone()
    }

    fn is_counted(&self, _: &u64) -> bool {
        self.counted
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        self.log.lock().unwrap().opened += 1;
        self.lane += 1;
        match self.refuses_to_open.pop_front() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn next(&mut self, limit: usize) -> Result<Event<u64>> {
        if self.trips.front().is_some_and(|(at, _)| *at <= self.next) {
            return Err(self.trips.pop_front().unwrap().1);
        }
        let from = self.next;
        let mut to = self.end.min(from + limit as u64);
        if let Some(window) = self.window {
            to = to.min(self.settled.map_or(0, |settled| settled + 1) + window);
        }
        if from == self.end && !self.waits {
            if !self.ends_after.is_zero() {
                tokio::time::sleep(self.ends_after).await;
            }
            return Ok(Event::End);
        }
        if let Some((trip, _)) = self.trips.front() {
            to = to.min(*trip);
        }
        if from >= to {
            self.moved.notified().await;
            return std::future::pending().await;
        }
        self.next = to;
        let mut chunk = Chunk::sequential(LaneId(self.lane), from, (from..to).collect());
        if let Some(unfit) = self.unfit.filter(|unfit| (from..to).contains(unfit)) {
            chunk.refuse((unfit - from) as usize, error(Class::Data));
        }
        Ok(Event::Chunk(chunk))
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        for settled in &settled {
            if let Settled::UpTo(_, position) = settled {
                self.settled = Some(position.0);
            }
        }
        self.log.lock().unwrap().settled.extend(settled);
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.log.lock().unwrap().closed = true;
        Ok(())
    }
}

type Answer = Box<dyn FnMut(&[u64]) -> Result<(), Failures> + Send>;

/// Keeps what it gets, and answers as it is told.
pub(super) struct Keep<T> {
    pub(super) log: Arc<Mutex<SinkLog<T>>>,
    pub(super) limits: Limits,
    pub(super) delay: Duration,
    pub(super) opens: VecDeque<Error>,
    /// Its peer takes the connection and never says a word.
    pub(super) is_silent: bool,
    answer: Option<Answer>,
}

#[derive(Debug)]
pub(super) struct SinkLog<T> {
    /// Every batch that was sent, with the moment it came.
    pub(super) batches: Vec<(tokio::time::Instant, Vec<T>)>,
    pub(super) opened: bool,
    pub(super) closed: bool,
}

impl<T: Clone> SinkLog<T> {
    pub(super) fn values(&self) -> Vec<T> {
        self.batches.iter().flat_map(|(_, batch)| batch.iter().cloned()).collect()
    }
}

impl<T> Keep<T> {
    pub(super) fn new() -> Self {
        let log = SinkLog { batches: Vec::new(), opened: false, closed: false };
        Self {
            log: Arc::new(Mutex::new(log)),
            limits: Limits::default(),
            delay: Duration::ZERO,
            opens: VecDeque::new(),
            is_silent: false,
            answer: None,
        }
    }

    pub(super) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Its receipts take so long.
    pub(super) fn taking(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl Keep<u64> {
    pub(super) fn answering(mut self, answer: impl FnMut(&[u64]) -> Result<(), Failures> + Send + 'static) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }
}

#[async_trait]
impl<T: Clone + Send + Sync + 'static> Sink<T> for Keep<T> {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("keepsink", "keep")
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        match self.opens.pop_front() {
            _ if self.is_silent => std::future::pending().await,
            Some(error) => Err(error),
            None => {
                self.log.lock().unwrap().opened = true;
                Ok(())
            }
        }
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        let values: Vec<T> = batch.iter().cloned().collect();
        let answer = match &mut self.answer {
            None => Ok(()),
            // Only `Keep<u64>` can have an answer.
            Some(answer) => {
                let any: &dyn std::any::Any = &values;
                answer(any.downcast_ref::<Vec<u64>>().unwrap())
            }
        };
        self.log.lock().unwrap().batches.push((tokio::time::Instant::now(), values));
        let delay = self.delay;
        Ok(Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            answer
        }))
    }

    async fn close(&mut self) -> Result<()> {
        self.log.lock().unwrap().closed = true;
        Ok(())
    }
}
