//! What a sink did not take for the moment, and is to be sent again.

use super::sink::Batch;
use crate::ack::Token;
use std::collections::VecDeque;
use tokio::time::Instant;

/// Batches that failed, in order. As long as there is one nothing newer goes out: not while it waits, nor while it is under way again.
pub(super) struct Resend<T> {
    batches: VecDeque<(Batch<T>, Vec<Token>)>,
    /// No attempt before this moment.
    at: Option<Instant>,
    is_under_way: bool,
    /// Nobody knows whether the last batch has landed: the sink's record is to be read first.
    pub(super) ask_record: bool,
}

impl<T> Default for Resend<T> {
    fn default() -> Self {
        Self { batches: VecDeque::new(), at: None, is_under_way: false, ask_record: false }
    }
}

impl<T> Resend<T> {
    /// Whether nothing waits to be sent again.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether something newer has to wait.
    pub(super) fn holds_back(&self) -> bool {
        !self.batches.is_empty() || self.at.is_some() || self.is_under_way
    }

    /// The moment before which nothing is sent again.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Whether that moment has come; then it is forgotten.
    pub(super) fn is_due(&mut self) -> bool {
        if self.at.is_some_and(|at| at > Instant::now()) {
            return false;
        }
        self.at = None;
        true
    }

    /// Not before this moment. The delay counts from the last failure; that of a second receipt does not shorten it.
    pub(super) fn not_before(&mut self, at: Instant) {
        self.at = Some(self.at.map_or(at, |before| before.max(at)));
    }

    /// The next one to send.
    pub(super) fn next(&mut self) -> Option<(Batch<T>, Vec<Token>)> {
        self.batches.pop_front()
    }

    /// A batch goes out.
    pub(super) fn sent(&mut self, again: bool) {
        self.is_under_way |= again;
    }

    /// A receipt has resolved.
    pub(super) fn landed(&mut self, again: bool) {
        self.is_under_way &= !again;
    }

    /// This failed. What was sent again stays before what was sent after it.
    pub(super) fn add(&mut self, batch: Batch<T>, tokens: Vec<Token>, again: bool) {
        match again {
            true => self.batches.push_front((batch, tokens)),
            false => self.batches.push_back((batch, tokens)),
        }
    }

    /// Drops what waits.
    pub(super) fn clear(&mut self) {
        self.batches.clear();
    }
}
