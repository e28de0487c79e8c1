//! Batches on their way: which publishes of each are answered.

use crate::session::Outcome;
use lorry_core::Error;
use lorry_core::relay::{Failure, Failures};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// One publish of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    batch: u64,
    index: u32,
}

/// Where a batch's outcome is waited for.
pub(crate) type Reply = oneshot::Sender<Result<(), Failures>>;

/// Batches by number, oldest first.
#[derive(Debug, Default)]
pub(super) struct Batches {
    open: VecDeque<Option<Open>>,
    first: u64,
}

#[derive(Debug)]
struct Open {
    /// Publishes without an answer yet, by index.
    waiting: Vec<bool>,
    left: usize,
    failures: Vec<Failure>,
    reply: Reply,
}

impl Batches {
    /// A batch of `len` messages, of which those at these indices are being published; the others have failed already.
    pub(super) fn open(
        &mut self,
        len: usize,
        indices: impl Iterator<Item = usize>,
        failures: Vec<Failure>,
        reply: Reply,
    ) -> u64 {
        let mut waiting = vec![false; len];
        let mut left = 0;
        for index in indices {
            waiting[index] = true;
            left += 1;
        }
        let number = self.first + self.open.len() as u64;
        self.open.push_back(Some(Open { waiting, left, failures, reply }));
        number
    }

    pub(super) fn token(batch: u64, index: usize) -> Token {
        Token { batch, index: index as u32 }
    }

    pub(super) fn answered(&mut self, (token, result): Outcome<Token>) {
        let Some(at) = token.batch.checked_sub(self.first).and_then(|at| usize::try_from(at).ok()) else { return };
        let Some(slot) = self.open.get_mut(at) else { return };
        let Some(open) = slot else { return };
        let index = token.index as usize;
        if !std::mem::replace(&mut open.waiting[index], false) {
            return;
        }
        open.left -= 1;
        open.failures.extend(result.err().map(|error| Failure { index, error }));
        if open.left == 0
            && let Some(open) = slot.take()
        {
            open.finish();
        }
        while let Some(None) = self.open.front() {
            self.open.pop_front();
            self.first += 1;
        }
    }

    /// Nothing will be answered any more.
    pub(super) fn fail_all(&mut self, error: &Error) {
        for mut open in self.open.drain(..).flatten() {
            let lost = open.waiting.iter().enumerate().filter(|(_, waiting)| **waiting);
            open.failures.extend(lost.map(|(index, _)| Failure { index, error: error.clone() }));
            open.finish();
        }
    }
}

impl Open {
    fn finish(self) {
        let result = if self.failures.is_empty() { Ok(()) } else { Err(Failures::some(self.failures)) };
        // Nobody waits any more when the relay was aborted.
        let _ = self.reply.send(result);
    }
}
