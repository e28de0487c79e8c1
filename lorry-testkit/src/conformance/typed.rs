//! A typed sink as one of messages.

use lorry_core::relay::{Batch, Context, Identity, Limits, Positions, Receipt, Sink, SinkInfo};
use lorry_core::{Message, Result, async_trait};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Has a sink of some type `T` take part in the suite: each message is turned into a `T` on its way in. Batches, indices and all the
/// rest are the sink's own.
///
/// ```
/// use lorry_core::Message;
/// use lorry_core::relay::Sink;
/// use lorry_testkit::MemorySink;
/// use lorry_testkit::conformance::Typed;
///
/// let numbers = MemorySink::<u64>::new();
/// let sink = Typed::new(numbers, |message: &Message| message.text().and_then(|text| text.parse().ok()).unwrap_or(0));
/// assert_eq!(sink.info(&Default::default()).kind, "memorysink");
/// ```
pub struct Typed<S, T> {
    sink: S,
    decode: Arc<dyn Fn(&Message) -> T + Send + Sync>,
    value: PhantomData<fn(T)>,
}

impl<S: Sink<T>, T: Send + 'static> Typed<S, T> {
    /// This sink, fed by this function. The function must take what the harness makes: a panic in it fails the test.
    pub fn new(sink: S, decode: impl Fn(&Message) -> T + Send + Sync + 'static) -> Self {
        Self { sink, decode: Arc::new(decode), value: PhantomData }
    }
}

#[async_trait]
impl<S: Sink<T>, T: Send + 'static> Sink for Typed<S, T> {
    fn info(&self, identity: &Identity) -> SinkInfo {
        self.sink.info(identity)
    }

    fn limits(&self) -> Limits {
        self.sink.limits()
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.sink.open(context).await
    }

    async fn positions(&mut self) -> Result<Positions> {
        self.sink.positions().await
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        let values = batch.iter().map(|message| (self.decode)(message)).collect();
        self.sink.send(Batch::new(values).with_marks(batch.marks().to_vec())).await
    }

    async fn close(&mut self) -> Result<()> {
        self.sink.close().await
    }
}

impl<S: fmt::Debug, T> fmt::Debug for Typed<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("sink", &self.sink).finish_non_exhaustive()
    }
}
