//! Telling a fight over a client id from a bad network, where the protocol does not say.

use crate::packet::Version;
use std::time::Duration;
use tokio::time::Instant;

const WITHIN: Duration = Duration::from_secs(10);
const FIGHT: usize = 3;

/// When the server hung up on us after a login, with nothing but success in between. MQTT 3.1.1 has no word for "taken over by another
/// client": the server just closes. A server that is itself in trouble cannot be reached in between, which clears the record.
#[derive(Debug, Default)]
pub(super) struct Drops(Vec<Instant>);

impl Drops {
    /// Notes the end of a connection. Whether it was one too many.
    pub(super) fn note(&mut self, version: Version, by_peer: bool) -> bool {
        if version != Version::V4 || !by_peer {
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
        assert!(!drops.note(Version::V4, true));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(!drops.note(Version::V4, true));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(drops.note(Version::V4, true));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_drops_refused_connections_and_version_5_are_none() {
        let mut drops = Drops::default();
        for _ in 0..9 {
            assert!(!drops.note(Version::V4, true));
            tokio::time::advance(Duration::from_secs(6)).await;
        }
        drops.clear();
        for _ in 0..9 {
            assert!(!drops.note(Version::V5, true));
        }
        assert!(!drops.note(Version::V4, true));
        assert!(!drops.note(Version::V4, true));
        drops.clear();
        assert!(!drops.note(Version::V4, true));
    }
}
