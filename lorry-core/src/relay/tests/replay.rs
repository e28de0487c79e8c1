//! A source that loses its lanes, and a sink with a position ledger.

use crate::relay::*;
use crate::{Error, ErrorKind, Result};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Gives the numbers from 0; in each new lane again from the first that is not settled.
pub(super) struct Replay {
    info: SourceInfo,
    end: u64,
    at: At,
    says_repeats: bool,
    falls_silent: bool,
    opening: bool,
    is_other: bool,
    key: Option<LaneKey>,
    pub(super) line: Line,
}

#[derive(Default)]
struct At {
    lane: u64,
    next: u64,
    /// All before it is settled.
    settled: u64,
    repeats: Option<LaneId>,
}

/// The connection of a [`Replay`], to break it.
#[derive(Clone, Default)]
pub(super) struct Line {
    cut: Arc<Mutex<bool>>,
    /// What `next` fails with, and whether another lane is opened then.
    fails: Arc<Mutex<Option<(Error, bool)>>>,
    moved: Arc<Notify>,
    pub(super) started_at: Arc<Mutex<Option<u64>>>,
    pub(super) settled: Arc<Mutex<u64>>,
}

impl Line {
    pub(super) fn cut(&self) {
        *self.cut.lock().unwrap() = true;
        self.moved.notify_one();
    }

    /// The source fails and is opened again: the same lane, or one of another key.
    pub(super) fn fail(&self, to_another: bool) {
        let error = Error::transient(ErrorKind::Io, "", "failed");
        *self.fails.lock().unwrap() = Some((error, to_another));
        self.moved.notify_one();
    }
}

impl Replay {
    pub(super) fn to(end: u64, guarantee: Guarantee) -> Self {
        let info = SourceInfo::new("replaysrc", "replay").guarantee(guarantee);
        let (at, line) = (At::default(), Line::default());
        Self {
            info,
            end,
            at,
            says_repeats: false,
            falls_silent: false,
            opening: false,
            is_other: false,
            key: None,
            line,
        }
    }

    /// Says that a lost lane comes again.
    pub(super) fn says_repeats(mut self) -> Self {
        self.says_repeats = true;
        self
    }

    /// Gives nothing after its connection was lost.
    pub(super) fn falls_silent(mut self) -> Self {
        self.falls_silent = true;
        self
    }
}

#[async_trait]
impl Source<u64> for Replay {
    fn info(&self, _: &Identity) -> SourceInfo {
        self.info.clone()
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        if self.info.guarantee == Guarantee::Replayable {
            let lane = if self.is_other { "other" } else { "" };
            let key = LaneKey::new(&context.element, "replay", lane);
            let start = context.start.get(&key);
            *self.line.started_at.lock().unwrap() = start.map(|at| at.0);
            self.at.settled = start.map_or(0, |at| at.0 + 1);
            self.at.next = self.at.settled;
            self.key = Some(key);
            self.opening = true;
        }
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event<u64>> {
        loop {
            if let Some((error, to_another)) = self.line.fails.lock().unwrap().take() {
                self.at.lane += 1;
                self.is_other = to_another;
                return Err(error);
            }
            if std::mem::take(&mut *self.line.cut.lock().unwrap()) {
                let lost = LaneId(self.at.lane);
                self.at.lane += 1;
                if self.info.guarantee > Guarantee::BestEffort {
                    self.at.next = self.at.settled;
                }
                self.at.repeats = self.says_repeats.then_some(lost);
                self.opening = self.key.is_some();
                return Ok(Event::LaneLost(lost));
            }
            if let Some(lost) = self.at.repeats.take() {
                return Ok(Event::LaneRepeats(lost));
            }
            let lane = LaneId(self.at.lane);
            if let Some(key) = self.key.clone().filter(|_| std::mem::take(&mut self.opening)) {
                return Ok(Event::LaneOpened(lane, key));
            }
            if self.at.settled == self.end {
                return Ok(Event::End);
            }
            if self.falls_silent && self.at.lane > 0 {
                std::future::pending::<()>().await;
            }
            let from = self.at.next;
            self.at.next = self.end.min(from + limit as u64);
            if from < self.at.next {
                return Ok(Event::Chunk(Chunk::sequential(lane, from, (from..self.at.next).collect())));
            }
            self.line.moved.notified().await;
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        for settled in settled {
            if let Settled::UpTo(lane, position) = settled
                && lane.0 == self.at.lane
            {
                self.at.settled = position.0 + 1;
                *self.line.settled.lock().unwrap() = self.at.settled;
            }
        }
        self.line.moved.notify_one();
        Ok(())
    }
}

/// How a [`Ledger`] answers a batch.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Nothing landed.
    Away,
    /// It landed, which nobody learns.
    Unknown,
    /// This value is refused; the others land.
    Refuses(u64),
    /// This value is refused, and the relay ends there: nothing landed.
    EndsAt(u64),
}

/// Rows and positions, written together.
pub(super) struct Ledger {
    pub(super) limits: Limits,
    pub(super) delay: Duration,
    pub(super) books: Books,
}

#[derive(Clone, Default)]
pub(super) struct Books(Arc<Mutex<Written>>);

#[derive(Default)]
pub(super) struct Written {
    pub(super) rows: Vec<u64>,
    pub(super) positions: BTreeMap<LaneKey, Position>,
    /// The marks of each batch that came, without their keys.
    pub(super) marks: Vec<Vec<u64>>,
    pub(super) answers: Vec<Answer>,
}

impl Books {
    pub(super) fn see(&self) -> std::sync::MutexGuard<'_, Written> {
        self.0.lock().unwrap()
    }

    pub(super) fn sink(&self, items: usize) -> Ledger {
        Ledger { limits: Limits { items, ..Limits::default() }, delay: Duration::ZERO, books: self.clone() }
    }

    pub(super) fn position(&self) -> Option<u64> {
        self.see().positions.values().next().map(|position| position.0)
    }
}

#[async_trait]
impl Sink<u64> for Ledger {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("ledgersink", "ledger").keeps_positions()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, batch: Batch<u64>) -> Result<Receipt> {
        let mut books = self.books.see();
        books.marks.push(batch.marks().iter().map(|(_, position)| position.0).collect());
        let answer = if books.answers.is_empty() { None } else { Some(books.answers.remove(0)) };
        let outcome = match answer {
            None => Ok(()),
            Some(Answer::Away) => Err(Failures::all(batch.len(), &Error::transient(ErrorKind::Connection, "", "away"))),
            Some(Answer::EndsAt(_)) => Ok(()),
            Some(Answer::Unknown) => Err(Failures::all(batch.len(), &Error::ambiguous("", "no answer"))),
            Some(Answer::Refuses(value)) => Err(Failures::some(
                batch
                    .iter()
                    .enumerate()
                    .filter(|(_, row)| **row == value)
                    .map(|(index, _)| Failure { index, error: Error::data(ErrorKind::Constraint, "", "no") })
                    .collect(),
            )),
        };
        let outcome = match answer {
            Some(Answer::EndsAt(value)) => Err(Failures::some(
                batch
                    .iter()
                    .enumerate()
                    .map(|(index, row)| match *row == value {
                        true => Failure { index, error: Error::data(ErrorKind::Constraint, "", "no") },
                        false => Failure { index, error: Error::transient(ErrorKind::Other, "", "not tried") },
                    })
                    .collect(),
            )),
            _ => outcome,
        };
        let refused: Vec<usize> = match (&answer, &outcome) {
            (Some(Answer::Away | Answer::EndsAt(_)), _) => (0..batch.len()).collect(),
            (Some(Answer::Refuses(_)), Err(failures)) => {
                failures.clone().into_vec().into_iter().map(|failure| failure.index).collect()
            }
            _ => Vec::new(),
        };
        let landed = batch.iter().enumerate().filter(|(index, _)| !refused.contains(index)).map(|(_, row)| *row);
        books.rows.extend(landed);
        if !matches!(answer, Some(Answer::Away | Answer::EndsAt(_))) {
            books.positions.extend(batch.marks().iter().cloned());
        }
        drop(books);
        let delay = self.delay;
        Ok(Box::pin(async move {
            tokio::time::sleep(delay).await;
            outcome
        }))
    }

    async fn positions(&mut self) -> Result<Positions> {
        Ok(self.books.see().positions.iter().map(|(key, position)| (key.clone(), *position)).collect())
    }
}
