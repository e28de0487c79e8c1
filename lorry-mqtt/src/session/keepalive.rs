//! When to ping, and when the peer counts as dead.

use std::time::Duration;
use tokio::time::Instant;

/// The keep-alive of one connection. Time is handed in.
///
/// A PINGREQ goes out when nothing was sent, or nothing was heard, for the keep-alive; the peer is dead when nothing at all was heard
/// for as long after it. While reading is *paused* the answer cannot be seen: pings go on, since the server counts them, and nobody
/// is declared dead.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    interval: Option<Duration>,
    sent: Instant,
    heard: Instant,
    pinged: Option<Instant>,
    paused: bool,
}

/// What the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl KeepAlive {
    pub(crate) fn new(seconds: u16, now: Instant) -> Self {
        let interval = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        Self { interval, sent: now, heard: now, pinged: None, paused: false }
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// Reading stops or goes on. The wait for an answer starts anew: it may have been in the socket all along.
    pub(crate) fn pause(&mut self, paused: bool, now: Instant) {
        if self.paused && !paused {
            self.heard = now;
            self.pinged = self.pinged.map(|_| now);
        }
        self.paused = paused;
    }

    /// When to call [`due`](Self::due) next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let interval = self.interval?;
        Some(match (self.paused, self.pinged) {
            (true, _) => self.sent + interval,
            (false, Some(pinged)) => (pinged + interval).min(self.sent + interval),
            (false, None) => self.sent.min(self.heard) + interval,
        })
    }

    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let Some(interval) = self.interval else { return Due::Nothing };
        if !self.paused && self.pinged.is_some_and(|pinged| now >= pinged + interval) {
            return Due::Dead;
        }
        let quiet = now >= self.sent + interval;
        let deaf = !self.paused && self.pinged.is_none() && now >= self.heard + interval;
        if !quiet && !deaf {
            return Due::Nothing;
        }
        self.sent = now;
        self.pinged.get_or_insert(now);
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_idle_connection_pings_and_then_dies() {
        let start = Instant::now();
        let mut alive = KeepAlive::new(10, start);
        assert_eq!(alive.due(start + seconds(9)), Due::Nothing);
        assert_eq!(alive.deadline(), Some(start + seconds(10)));
        assert_eq!(alive.due(start + seconds(10)), Due::Ping);
        alive.heard(start + seconds(11));
        assert_eq!(alive.due(start + seconds(20)), Due::Ping);
        assert_eq!(alive.due(start + seconds(29)), Due::Nothing);
        assert_eq!(alive.due(start + seconds(30)), Due::Dead);
    }

    #[test]
    fn a_busy_writer_still_notices_a_silent_peer() {
        let start = Instant::now();
        let mut alive = KeepAlive::new(10, start);
        (1..10).for_each(|n| alive.sent(start + seconds(n)));
        assert_eq!(alive.due(start + seconds(10)), Due::Ping);
        alive.sent(start + seconds(19));
        assert_eq!(alive.due(start + seconds(20)), Due::Dead);
    }

    #[test]
    fn while_reading_is_paused_it_pings_and_never_gives_up() {
        let start = Instant::now();
        let mut alive = KeepAlive::new(10, start);
        alive.pause(true, start);
        for n in 1..=10 {
            assert_eq!(alive.deadline(), Some(start + seconds(10 * n)));
            assert_eq!(alive.due(start + seconds(10 * n)), Due::Ping, "{n}");
        }
        alive.pause(false, start + seconds(105));
        assert_eq!(alive.due(start + seconds(106)), Due::Nothing);
        assert_eq!(alive.due(start + seconds(115)), Due::Dead);
    }

    #[test]
    fn zero_switches_it_off() {
        let start = Instant::now();
        let mut alive = KeepAlive::new(0, start);
        assert_eq!((alive.deadline(), alive.due(start + seconds(100_000))), (None, Due::Nothing));
    }
}
