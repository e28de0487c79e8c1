//! Telling a fight over a client id from a bad network or a server that is restarted, where the protocol does not say.

use std::time::Duration;
use tokio::time::Instant;

const WITHIN: Duration = Duration::from_secs(10);
const FIGHT: usize = 3;
/// A connection that lasted longer was no part of a fight: whoever is thrown out comes back sooner.
const SOON: Duration = Duration::from_secs(5);

/// When the server hung up on us without a word soon after a login. MQTT 3.1.1 has no word for "taken over by another client", and
/// mosquitto 2.0 mostly omits that of version 5: the server just closes. One that is itself in trouble cannot be reached right after,
/// does not let us in, or resets its connections; any of these clears the record.
#[derive(Debug, Default)]
pub(super) struct Drops(Vec<Instant>);

/// What the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// Nothing.
    None,
    /// Somebody may have taken our place. Trying again at once tells: a server that has gone refuses.
    Some,
    /// Somebody does so again and again.
    Fight,
}

impl Drops {
    /// Notes that a connection was closed by the server without a word, so long after the login.
    pub(super) fn closed(&mut self, lasted: Duration) -> Suspicion {
        if lasted > SOON {
            self.clear();
            return Suspicion::None;
        }
        let now = Instant::now();
        self.0.retain(|drop| now - *drop < WITHIN);
        self.0.push(now);
        if self.0.len() < FIGHT { Suspicion::Some } else { Suspicion::Fight }
    }

    /// Something happened that another client does not do.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn three_quick_drops_are_a_fight() {
        let mut drops = Drops::default();
        assert_eq!(drops.closed(SECOND), Suspicion::Some);
        tokio::time::advance(4 * SECOND).await;
        assert_eq!(drops.closed(4 * SECOND), Suspicion::Some);
        tokio::time::advance(4 * SECOND).await;
        assert_eq!(drops.closed(4 * SECOND), Suspicion::Fight);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_drops_and_long_connections_are_none() {
        let mut drops = Drops::default();
        for _ in 0..9 {
            assert_eq!(drops.closed(SECOND), Suspicion::Some);
            tokio::time::advance(6 * SECOND).await;
        }
        for _ in 0..9 {
            assert_eq!(drops.closed(6 * SECOND), Suspicion::None);
            assert_eq!(drops.closed(SECOND), Suspicion::Some);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_be_reached_in_between_is_restarted() {
        let mut drops = Drops::default();
        for _ in 0..9 {
            assert_eq!(drops.closed(SECOND), Suspicion::Some);
            assert_eq!(drops.closed(SECOND), Suspicion::Some);
            drops.clear();
        }
    }
}
