//! A simulated device: a thermometer that publishes what it measures.

use lorry::relay::{Chunk, Context, Event, Identity, LaneId, Settled, Source, SourceInfo};
use lorry::{Message, Result, Timestamp, async_trait};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// A source of readings at a steady rate, without end.
pub(super) struct Device {
    name: &'static str,
    mean: f64,
    rate: u32,
    ticks: Option<Interval>,
    number: u64,
}

/// Readings are made in bursts: a timer a message would cost more than the message.
const BURSTS: u32 = 20;

impl Device {
    /// A device that measures about `mean` degrees, `rate` times a second.
    pub(super) fn new(name: &'static str, mean: f64, rate: u32) -> Self {
        Self { name, mean, rate, ticks: None, number: 0 }
    }

    /// A slow wave with some noise, in eighths of a degree; the same in every run.
    fn celsius(&self, number: u64) -> f64 {
        let wave = (number as f64 / 500.0 + self.mean).sin() * 2.0;
        let noise = (number.wrapping_mul(2_654_435_761) >> 16) % 8;
        ((self.mean + wave) * 8.0).round() / 8.0 + noise as f64 / 8.0
    }

    fn reading(&self, number: u64) -> Message {
        let reading = serde_json::json!({
            "device": self.name,
            "number": number,
            "celsius": self.celsius(number),
            "at": now().to_string(),
        });
        Message::new(reading.to_string())
    }
}

#[async_trait]
impl Source for Device {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("device", self.name)
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        let mut ticks = interval(Duration::from_secs(1) / BURSTS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.ticks = Some(ticks);
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        if let Some(ticks) = &mut self.ticks {
            ticks.tick().await;
        }
        let first = self.number;
        self.number += u64::from(self.rate / BURSTS).min(limit as u64);
        let readings = (first..self.number).map(|number| self.reading(number)).collect();
        Ok(Event::Chunk(Chunk::sequential(LaneId(0), first, readings)))
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }
}

/// To the millisecond: nobody reads more of a thermometer.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
