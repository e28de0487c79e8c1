//! Telling a fight over a client id from a bad network, where the protocol does not say.

use std::time::Duration;
use tokio::time::Instant;

const WITHIN: Duration = Duration::from_secs(10);
const FIGHT: usize = 3;

/// When the server hung up on us after a login, with nothing but success in between. MQTT 3.1.1 has no word for "taken over by another
/// client", and mosquitto 2.0 does not always use that of version 5: the server just closes. One that is itself in trouble cannot be
/// reached in between, which clears the record.
#[derive(Debug, Default)]
pub(super) struct Drops(Vec<Instant>);

impl Drops {
    /// Notes the end of a connection. Whether it was one too many.
    pub(super) fn note(&mut self, by_peer: bool) -> bool {
        if !by_peer {
            self.clear();
            return false;
        }
        let now = Instant::now();
        self.0.retain(|drop| now - *drop < WITHIN);
        self.0.push(now);
        self.0.len() >= FIGHT
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_quick_drops_are_a_fight() {
        let mut drops = Drops::default();
        assert!(!drops.note(true));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(!drops.note(true));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(drops.note(true));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_drops_refused_connections_and_our_own_endings_are_none() {
        let mut drops = Drops::default();
        for _ in 0..9 {
            assert!(!drops.note(true));
            tokio::time::advance(Duration::from_secs(6)).await;
        }
        for _ in 0..9 {
            assert!(!drops.note(false));
        }
        assert!(!drops.note(true));
        assert!(!drops.note(true));
        drops.clear();
        assert!(!drops.note(true));
    }
}
