//! The status line: rate, totals, the state of each end.

use crate::terminal::Terminal;
use lorry::relay::{Monitor, Snapshot};
use std::convert::Infallible;
use std::fmt::Write;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(500);

/// Keeps the status line up to date for as long as it is polled; without anybody who watches it does nothing.
pub(crate) async fn show(terminal: &Terminal, monitor: &Monitor) -> Infallible {
    if !terminal.is_watched() {
        return std::future::pending().await;
    }
    let start = Instant::now();
    let mut rate = Rate::new(start);
    let mut ticks = tokio::time::interval_at((start + EVERY).into(), EVERY);
    loop {
        ticks.tick().await;
        let snapshot = monitor.snapshot();
        let per_second = rate.update(Instant::now(), snapshot.counts.received);
        terminal.draw(&line(&snapshot, per_second));
    }
}

/// `1,204/s  12,040 in  12,000 out  3 filtered  mqttsrc0 up  sqlsink0 up`
fn line(snapshot: &Snapshot, per_second: f64) -> String {
    let counts = &snapshot.counts;
    let (rate, received, delivered) = (per_second.round() as u64, counts.received, counts.delivered);
    let mut text = format!("{}/s  {} in  {} out", thousands(rate), thousands(received), thousands(delivered));
    for (count, what) in [
        (counts.filtered, "filtered"),
        (counts.dropped, "dropped"),
        (counts.failed, "failed"),
        (counts.retried, "retried"),
        (counts.reconnects, "reconnects"),
    ] {
        if count > 0 {
            let _ = write!(text, "  {} {what}", thousands(count));
        }
    }
    // They are listed from the sinks up.
    for (element, state) in snapshot.elements.iter().rev() {
        let _ = write!(text, "  {element} {state}");
    }
    // A peer's error text may hold anything.
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Messages per second over the last few seconds.
#[derive(Debug)]
pub(crate) struct Rate {
    at: Instant,
    count: u64,
    smooth: Option<f64>,
}

impl Rate {
    /// From now on.
    pub(crate) fn new(now: Instant) -> Self {
        Self { at: now, count: 0, smooth: None }
    }

    /// The rate now that so many have been counted in all.
    pub(crate) fn update(&mut self, now: Instant, count: u64) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        if seconds <= 0.0 {
            return self.smooth.unwrap_or(0.0);
        }
        let current = count.saturating_sub(self.count) as f64 / seconds;
        // A time constant of 2 s: steady enough to read, quick enough to believe.
        let weight = 1.0 - (-seconds / 2.0).exp();
        let smooth = self.smooth.map_or(current, |smooth| smooth + weight * (current - smooth));
        (self.at, self.count, self.smooth) = (now, count, Some(smooth));
        smooth
    }
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let shown: Vec<_> = [0, 7, 999, 1_000, 123_456, 1_234_567].into_iter().map(thousands).collect();
        assert_eq!(shown, ["0", "7", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn the_rate_settles_on_what_flows() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        assert_eq!(rate.update(start, 0), 0.0);
        let mut last = 0.0;
        for tick in 1..=40 {
            last = rate.update(start + EVERY * tick, u64::from(tick) * 500);
        }
        assert!((last - 1_000.0).abs() < 1.0, "{last}");
        for tick in 41..=80 {
            last = rate.update(start + EVERY * tick, 20_000);
        }
        assert!(last < 1.0, "{last}");
    }
}
