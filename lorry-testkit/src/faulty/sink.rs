//! A sink that fails.

use super::faults::{Fault, Faults};
use futures_util::FutureExt;
use lorry_core::relay::{Batch, Context, Failure, Failures, Identity, Limits, Positions, Receipt, Sink, SinkInfo};
use lorry_core::{Message, Result};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

/// A sink whose batches fail now and then; see [`Fault`] for what has happened to them by then.
pub struct FaultySink<S, T = Message> {
    sink: S,
    faults: Arc<Mutex<Faults>>,
    stops: bool,
    values: PhantomData<fn() -> T>,
}

impl<S: Sink<T>, T: Send + Sync + 'static> FaultySink<S, T> {
    /// This sink with these faults.
    pub fn new(sink: S, faults: Faults) -> Self {
        Self { sink, faults: Arc::new(Mutex::new(faults)), stops: true, values: PhantomData }
    }

    /// The faults, to see afterwards what was injected.
    pub fn faults(&self) -> Arc<Mutex<Faults>> {
        self.faults.clone()
    }

    /// Sends all but these indices; the receipt names them as failed by this fault.
    async fn send_without(&mut self, batch: Batch<T>, failed: std::ops::Range<usize>, fault: Fault) -> Result<Receipt> {
        let kept: Vec<usize> = (0..batch.len()).filter(|index| !failed.contains(index)).collect();
        let receipt: Receipt = match kept.is_empty() {
            true => std::future::ready(Ok(())).boxed(),
            false => {
                let rest = batch.select(kept.iter().copied());
                let marks = if fault == Fault::Data { batch.marks() } else { &[] };
                self.sink.send(rest.with_marks(marks.to_vec())).await?
            }
        };
        Ok(Box::pin(async move {
            let inside = receipt.await.err().map(Failures::into_vec).unwrap_or_default();
            let inside = inside.into_iter().map(|failure| Failure { index: kept[failure.index], ..failure });
            let own = failed.map(|index| Failure { index, error: fault.error() });
            Err(Failures::some(inside.chain(own).collect()))
        }))
    }
}

#[lorry_core::async_trait]
impl<S: Sink<T>, T: Send + Sync + 'static> Sink<T> for FaultySink<S, T> {
    fn info(&self, identity: &Identity) -> SinkInfo {
        self.sink.info(identity)
    }

    fn limits(&self) -> Limits {
        self.sink.limits()
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.stops = context.stop_on_refusal;
        self.sink.open(context).await
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        let (fault, delay) = {
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            (faults.draw(), faults.draw_delay())
        };
        let len = batch.len();
        // A sink with a position ledger lands a batch or does not.
        let whole = self.sink.info(&Identity::default()).keeps_positions;
        let receipt = match fault {
            Some(Fault::Partial) if whole => {
                std::future::ready(Err(Failures::all(len, &Fault::Partial.error()))).boxed()
            }
            Some(Fault::Data) if whole && self.stops => {
                let guilty = Failure { index: len / 2, error: Fault::Data.error() };
                let others = Failures::all(len, &Fault::Transient.error()).into_vec();
                std::future::ready(Err(Failures::some([guilty].into_iter().chain(others).collect()))).boxed()
            }
            None => self.sink.send(batch).await?,
            Some(fault @ (Fault::Transient | Fault::Config)) => {
                std::future::ready(Err(Failures::all(len, &fault.error()))).boxed()
            }
            Some(fault @ Fault::Ambiguous) => {
                let receipt = self.sink.send(batch).await?;
                receipt.map(move |_| Err(Failures::all(len, &fault.error()))).boxed()
            }
            Some(fault @ Fault::Partial) => self.send_without(batch, len / 2..len, fault).await?,
            Some(fault @ Fault::Data) => self.send_without(batch, len / 2..len / 2 + 1, fault).await?,
        };
        if delay.is_zero() {
            return Ok(receipt);
        }
        Ok(Box::pin(async move {
            tokio::time::sleep(delay).await;
            receipt.await
        }))
    }

    async fn positions(&mut self) -> Result<Positions> {
        self.sink.positions().await
    }

    async fn close(&mut self) -> Result<()> {
        self.sink.close().await
    }

    fn weigh(&self, value: &T) -> usize {
        self.sink.weigh(value)
    }
}

impl<S: fmt::Debug, T> fmt::Debug for FaultySink<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultySink").field(&self.sink).finish()
    }
}
