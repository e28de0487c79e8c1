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
    /// The worst that was said of it before it ended.
    announced: Mutex<Option<(Outcome, Error)>>,
}

impl Group {
    pub(super) fn new(tokens: Vec<Token>) -> Arc<Self> {
        Arc::new(Self { tokens, worst: AtomicU8::new(0), announced: Mutex::default() })
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
        }
        self.worst.fetch_max(outcome as u8, Ordering::AcqRel);
    }

    /// To the lanes of all inputs at once, so that nothing behind any of them goes on under `stop`. What was said once, of another clone,
    /// is not said again.
    pub(super) fn announce(&self, outcome: Outcome, error: &Error) {
        let mut announced = lock(&self.announced);
        if announced.as_ref().is_none_or(|(before, _)| *before < outcome) {
            *announced = Some((outcome, error.clone()));
            self.tokens.iter().for_each(|token| token.announce(outcome, error));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let worst = Outcome::from_bits(u32::from(*self.worst.get_mut()));
        let (announced, error) = lock(&self.announced).take().unzip();
        for token in self.tokens.drain(..) {
            match &error {
                Some(error) if announced == Some(worst) => token.resolve_announced(worst, error.clone()),
                // A clone was dropped undecided, which is worse than what was said: nobody has said why.
                _ => token.resolve(worst, None),
            }
        }
    }
}
