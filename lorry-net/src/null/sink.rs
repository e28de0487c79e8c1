//! The sink that forgets.

use lorry_core::relay::{Batch, Context, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Result, async_trait};
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what it gets and forgets it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use lorry_core::Message;
/// use lorry_core::relay::{Batch, Sink};
///
/// let mut sink = lorry_net::null::NullSink::default();
/// let counter = sink.counter();
/// sink.send(Batch::new(vec![Message::new("a"), Message::new("b")])).await?.await.unwrap();
/// assert_eq!(counter.load(std::sync::atomic::Ordering::Relaxed), 2);
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct NullSink {
    count: Arc<AtomicU64>,
}

impl NullSink {
    /// How many messages came so far; keeps counting after the sink was handed to a relay.
    pub fn counter(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }
}

#[async_trait]
impl<T: Send + Sync + 'static> Sink<T> for NullSink {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("nullsink", "null")
    }

    fn limits(&self) -> Limits {
        Limits { items: 4_096, receipts: 4, ..Limits::default() }
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        context.status.up();
        Ok(())
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        self.count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(Box::pin(ready(Ok(()))))
    }

    async fn close(&mut self) -> Result<()> {
        tracing::debug!(messages = self.count.load(Ordering::Relaxed), "forgotten");
        Ok(())
    }
}
