//! From a source's task through the pump to a sink's task, tokens and settlement included.

use async_trait::async_trait;
use bytes::Bytes;
use lorry::relay::{
    Batch, Chunk, Context, Event, Identity, LaneId, Limits, Receipt, Settled, Sink, SinkInfo, Source, SourceInfo,
};
use lorry::{Message, Relay, Result, Stream};
use std::time::{Duration, Instant};

/// Messages of 100 bytes, in chunks of a fixed size.
struct Made {
    payload: Bytes,
    next: u64,
    end: u64,
    chunk: u64,
}

#[async_trait]
impl Source for Made {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("madesrc", "made")
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        let (from, to) = (self.next, self.end.min(self.next + self.chunk.min(limit as u64)));
        self.next = to;
        if from == to {
            return Ok(Event::End);
        }
        let message = |_| Message { payload: Some(self.payload.clone()), ..Message::default() };
        Ok(Event::Chunk(Chunk::sequential(LaneId(0), from, (from..to).map(message).collect())))
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }
}

struct Forget;

#[async_trait]
impl Sink for Forget {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("forgetsink", "")
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, _: Batch) -> Result<Receipt> {
        Ok(Box::pin(async { Ok(()) }))
    }
}

fn relay(chunk: u64, n: u64, operators: bool) -> Duration {
    crate::tools::runtime().block_on(async {
        let source = Made { payload: Bytes::from(vec![b'x'; 100]), next: 0, end: n, chunk };
        let mut stream = Stream::from_source(source);
        if operators {
            stream = stream.map(|message| message).filter(|message| !message.bytes().is_empty());
        }
        let began = Instant::now();
        let report = Relay::new([stream.to(Forget)]).run().await.unwrap();
        assert_eq!(report.delivered, n);
        began.elapsed()
    })
}

/// The machine's own: the same vectors through two channels and three tasks, without tokens.
fn bare(chunk: usize, n: usize) -> Duration {
    crate::tools::runtime().block_on(async {
        let (to_pump, mut from_source) = tokio::sync::mpsc::channel::<Vec<Message>>(8);
        let (to_sink, mut from_pump) = tokio::sync::mpsc::channel::<Vec<Message>>(8);
        let payload = Bytes::from(vec![b'x'; 100]);
        let began = Instant::now();
        tokio::spawn(async move {
            for _ in 0..n / chunk {
                let message = |_| Message { payload: Some(payload.clone()), ..Message::default() };
                let _ = to_pump.send((0..chunk).map(message).collect()).await;
            }
        });
        tokio::spawn(async move {
            while let Some(chunk) = from_source.recv().await {
                let _ = to_sink.send(chunk).await;
            }
        });
        while from_pump.recv().await.is_some() {}
        began.elapsed()
    })
}

pub(crate) fn run() {
    let n = crate::tools::scaled(2_000_000);
    println!("hand-over source → pump → sink, 100-byte messages, ns a message (goal: ≤ 100 at chunks of 16 and more)");
    for chunk in [1, 16, 64, 256] {
        let n = if chunk == 1 { n / 4 } else { n };
        let ns = |took: Duration| took.as_nanos() as f64 / n as f64;
        let own = ns(crate::tools::best(5, |_| relay(chunk, n as u64, false)));
        let two = ns(crate::tools::best(5, |_| relay(chunk, n as u64, true)));
        let limit = ns(crate::tools::best(5, |_| bare(chunk as usize, n)));
        let verdict = if chunk == 1 || own <= 100.0 { "" } else { "   MISSED" };
        println!(
            "  chunk {chunk:>3}: {own:>4.0}   with map and filter {two:>4.0}   bare channels, no tokens {limit:>4.0}{verdict}"
        );
    }
}
