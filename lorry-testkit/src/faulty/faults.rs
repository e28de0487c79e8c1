//! Which call fails, and how.

use lorry_core::{Error, ErrorKind};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// One injected failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// It fails in passing: nothing has happened.
    Transient,
    /// It happens, but the answer is lost. (A source: the settlements that it was told last are lost.)
    Ambiguous,
    /// It happens in part, then fails in passing: a sink delivers the first half of the batch.
    Partial,
    /// One message, in the middle of the batch or chunk, can never be delivered.
    Data,
    /// A person is needed.
    Config,
}

/// Which of the calls of a [`FaultySource`](super::FaultySource) or [`FaultySink`](super::FaultySink) fail.
///
/// ```
/// use lorry_testkit::{Fault, Faults};
///
/// // The second call fails, then nothing.
/// Faults::script([None, Some(Fault::Transient)]);
/// // One call in ten loses its answer, one in five fails; the same calls in every run with this seed.
/// Faults::seeded(7).with(Fault::Ambiguous, 0.1).with(Fault::Transient, 0.2);
/// ```
#[derive(Debug)]
pub struct Faults {
    script: VecDeque<Option<Fault>>,
    random: fastrand::Rng,
    chances: Vec<(Fault, f64)>,
    delay: Duration,
    injected: HashMap<Fault, usize>,
}

impl Faults {
    /// These, one for each call; none after that.
    pub fn script(faults: impl IntoIterator<Item = Option<Fault>>) -> Self {
        let mut own = Self::seeded(0);
        own.script.extend(faults);
        own
    }

    /// By chance: see [`with`](Self::with).
    pub fn seeded(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { script: VecDeque::new(), random, chances: Vec::new(), delay: Duration::ZERO, injected: HashMap::new() }
    }

    /// This fault with this probability, from 0 to 1, at each call.
    #[must_use]
    pub fn with(mut self, fault: Fault, probability: f64) -> Self {
        self.chances.push((fault, probability));
        self
    }

    /// Each call takes up to so long, on tokio's clock.
    #[must_use]
    pub fn delay(mut self, most: Duration) -> Self {
        self.delay = most;
        self
    }

    /// How often this fault was injected.
    pub fn injected(&self, fault: Fault) -> usize {
        self.injected.get(&fault).copied().unwrap_or_default()
    }

    /// What becomes of the next call.
    pub(crate) fn draw(&mut self) -> Option<Fault> {
        let drawn = self.script.pop_front().unwrap_or_else(|| {
            let mut at = self.random.f64();
            self.chances.iter().find_map(|(fault, probability)| {
                at -= probability;
                (at < 0.0).then_some(*fault)
            })
        });
        if let Some(fault) = drawn {
            *self.injected.entry(fault).or_default() += 1;
        }
        drawn
    }

    pub(crate) fn draw_delay(&mut self) -> Duration {
        self.delay.mul_f64(self.random.f64())
    }
}

impl Fault {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Transient | Self::Partial => Error::transient(ErrorKind::Connection, "", "injected: connection lost"),
            Self::Ambiguous => Error::ambiguous("", "injected: the answer was lost"),
            Self::Data => Error::data(ErrorKind::Constraint, "", "injected: this message can never be delivered"),
            Self::Config => Error::config(ErrorKind::Refused, "", "injected: a person is needed"),
        }
    }
}
