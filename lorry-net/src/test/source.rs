//! The test source.

use super::options::TestOptions;
use super::payload;
use bytes::Bytes;
use lorry_core::relay::{Chunk, Context, Event, Guarantee, Identity, LaneId, LaneKey, Settled, Source, SourceInfo};
use lorry_core::{Error, Message, Result, async_trait};
use std::time::Duration;
use tokio::time::Instant;

const LANE: LaneId = LaneId(0);
const KIND: &str = "testsrc";

/// Numbered JSON messages, the same for the same seed. Resumes behind the position it is given.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use lorry_core::relay::{Context, Event, Source};
/// use lorry_net::test::{TestOptions, TestSource};
///
/// let mut source = TestSource::new(TestOptions { count: Some(3), ..TestOptions::default() })?;
/// source.open(Context::detached("testsrc0")).await?;
/// assert!(matches!(source.next(256).await?, Event::LaneOpened(..)));
/// let Event::Chunk(chunk) = source.next(256).await? else { panic!() };
/// assert!(chunk.values[2].text().unwrap().starts_with(r#"{"id":2,"#));
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct TestSource {
    options: TestOptions,
    next: u64,
    /// When message `from` is due; the others follow at the rate.
    start: Instant,
    from: u64,
    opening: Option<LaneKey>,
}

impl TestSource {
    /// A source with these options.
    ///
    /// # Errors
    /// A rate that is no positive number.
    pub fn new(options: TestOptions) -> Result<Self> {
        match options.rate {
            Some(rate) if !(rate.is_finite() && rate > 0.0) => {
                Err(Error::usage(format!("option \"rate\" of test: {rate} is no positive number"))
                    .hint("leave it out for as fast as possible"))
            }
            _ => Ok(Self { options, next: 0, start: Instant::now(), from: 0, opening: None }),
        }
    }

    /// Up to which number messages are due by now.
    fn due(&self) -> u64 {
        let end = self.options.count.unwrap_or(u64::MAX);
        match self.options.rate {
            None => end,
            Some(rate) => {
                let passed = (self.start.elapsed().as_secs_f64() * rate) as u64;
                self.from.saturating_add(passed).saturating_add(1).min(end)
            }
        }
    }

    /// When the next one is due.
    fn next_due(&self) -> Instant {
        let rate = self.options.rate.unwrap_or(f64::INFINITY);
        let after = Duration::try_from_secs_f64((self.next - self.from) as f64 / rate).unwrap_or(Duration::MAX);
        // A nanosecond more, so that rounding never wakes it too early.
        let far = Duration::from_secs(86_400 * 365);
        self.start + after.saturating_add(Duration::from_nanos(1)).min(far)
    }
}

#[async_trait]
impl Source for TestSource {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new(KIND, "test").guarantee(Guarantee::Replayable)
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        let key = LaneKey::new(&context.element, "test", "");
        self.next = context.start.get(&key).map_or(0, |last| last.0.saturating_add(1));
        self.from = self.next;
        self.start = Instant::now();
        self.opening = Some(key);
        context.status.up();
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        // Nothing below waits when there is no rate: let others have their turn.
        tokio::task::coop::consume_budget().await;
        if let Some(key) = self.opening.take() {
            return Ok(Event::LaneOpened(LANE, key));
        }
        if self.options.count.is_some_and(|count| self.next >= count) {
            return Ok(Event::End);
        }
        while self.due() <= self.next {
            tokio::time::sleep_until(self.next_due()).await;
        }
        let to = self.due().min(self.next.saturating_add(limit as u64));
        let from = std::mem::replace(&mut self.next, to);
        Ok(Event::Chunk(Chunk::sequential(LANE, from, messages(from, to, &self.options))))
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }
}

/// All payloads of a chunk share one allocation.
fn messages(from: u64, to: u64, options: &TestOptions) -> Vec<Message> {
    let size = options.size.map_or(0, lorry_core::registry::Size::bytes);
    let count = (to - from) as usize;
    let (mut text, mut ends) = (Vec::with_capacity(count * size.clamp(48, 64 << 10)), Vec::with_capacity(count));
    for id in from..to {
        payload::write(id, options.seed, size, &mut text);
        ends.push(text.len());
    }
    let (text, mut start) = (Bytes::from(text), 0);
    ends.into_iter().map(|end| Message::new(text.slice(std::mem::replace(&mut start, end)..end))).collect()
}
