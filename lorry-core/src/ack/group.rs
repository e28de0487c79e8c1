//! Tokens behind one output.

use super::lane::Lane;
use super::token::{Outcome, Token};
use crate::Error;
use crate::sync::lock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

/// The inputs of one output. Clones of the output share it; when the last of them is gone, all inputs get the worst outcome.
pub(super) struct Group {
    tokens: Vec<Token>,
    worst: AtomicU8,
    error: Mutex<Option<Error>>,
}

impl Group {
    pub(super) fn new(tokens: Vec<Token>) -> Arc<Self> {
        Arc::new(Self { tokens, worst: AtomicU8::new(0), error: Mutex::default() })
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn is_of_a_lane(&self) -> bool {
        self.tokens.iter().any(Token::is_of_a_lane)
    }

    pub(super) fn is_superseded(&self) -> bool {
        self.tokens.iter().all(Token::is_superseded)
    }

    pub(super) fn is_barred(&self) -> bool {
        self.tokens.iter().any(Token::is_barred)
    }

    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.tokens.iter().flat_map(Token::lanes).collect()
    }

    pub(super) fn resolve(self: Arc<Self>, outcome: Outcome, error: Option<Error>) {
        if let Some(error) = error {
            self.announce(outcome, &error);
            lock(&self.error).get_or_insert(error);
        }
        self.worst.fetch_max(outcome as u8, Ordering::AcqRel);
    }

    pub(super) fn announce(&self, outcome: Outcome, error: &Error) {
        // One line about one output; every input hears of it when the group ends.
        if let Some(first) = self.tokens.first() {
            first.announce(outcome, error);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let worst = Outcome::from_bits(u32::from(*self.worst.get_mut()));
        let error = lock(&self.error).take();
        for token in self.tokens.drain(..) {
            token.resolve(worst, error.clone());
        }
    }
}
