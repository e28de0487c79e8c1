//! A source that fails.

use super::faults::{Fault, Faults};
use lorry_core::relay::{Context, Event, Identity, Settled, Source, SourceInfo};
use lorry_core::{Message, Result};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// A source whose `next` fails now and then.
///
/// Any failure but [`Fault::Data`] costs it the connection: the runtime opens it again, and so the source inside. Under
/// [`Fault::Ambiguous`] the settlement that it is told next is lost before. [`Fault::Data`] refuses a message of the chunk.
pub struct FaultySource<S, T = Message> {
    source: S,
    faults: Arc<Mutex<Faults>>,
    /// What has been decided about the coming `next`, so that cancelling it changes nothing.
    due: Option<(Option<Fault>, Instant)>,
    lose_settlement: bool,
    lost: bool,
    values: PhantomData<fn() -> T>,
}

impl<S: Source<T>, T: Send + 'static> FaultySource<S, T> {
    /// This source with these faults.
    pub fn new(source: S, faults: Faults) -> Self {
        let faults = Arc::new(Mutex::new(faults));
        Self { source, faults, due: None, lose_settlement: false, lost: false, values: PhantomData }
    }

    /// The faults, to see afterwards what was injected.
    pub fn faults(&self) -> Arc<Mutex<Faults>> {
        self.faults.clone()
    }
}

#[lorry_core::async_trait]
impl<S: Source<T>, T: Send + 'static> Source<T> for FaultySource<S, T> {
    fn info(&self, identity: &Identity) -> SourceInfo {
        self.source.info(identity)
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        (self.due, self.lose_settlement, self.lost) = (None, false, false);
        self.source.open(context).await
    }

    async fn next(&mut self, limit: usize) -> Result<Event<T>> {
        if self.lost {
            return Err(Fault::Transient.error());
        }
        let faults = &self.faults;
        let (fault, at) = *self.due.get_or_insert_with(|| {
            let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
            (faults.draw(), Instant::now() + faults.draw_delay())
        });
        tokio::time::sleep_until(at).await;
        match fault {
            None => {}
            // Fails with the settlement, or at the next call.
            Some(Fault::Ambiguous) => self.lose_settlement = true,
            Some(Fault::Data) => {
                let mut event = self.source.next(limit).await?;
                if let Event::Chunk(chunk) = &mut event {
                    let middle = chunk.values.len() / 2;
                    if chunk.refused.is_empty() {
                        chunk.refuse(middle, Fault::Data.error());
                    }
                    self.due = None;
                }
                return Ok(event);
            }
            Some(fault @ (Fault::Transient | Fault::Partial | Fault::Config)) => {
                (self.due, self.lost) = (None, true);
                return Err(fault.error());
            }
        }
        let event = self.source.next(limit).await?;
        self.due = None;
        Ok(event)
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        if self.lost || std::mem::take(&mut self.lose_settlement) {
            self.lost = true;
            return Err(Fault::Transient.error());
        }
        self.source.settle(settled).await
    }

    async fn close(&mut self) -> Result<()> {
        self.source.close().await
    }

    fn weigh(&self, value: &T) -> usize {
        self.source.weigh(value)
    }

    fn is_counted(&self, value: &T) -> bool {
        self.source.is_counted(value)
    }
}

impl<S: fmt::Debug, T> fmt::Debug for FaultySource<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultySource").field(&self.source).finish()
    }
}
