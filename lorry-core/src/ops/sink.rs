//! `sink`: the program itself at the end of a branch.

use crate::relay::{Batch, Context, Failure, Failures, Identity, Limits, Receipt, Sink, SinkInfo};
use crate::{Branch, Result, Stream};
use async_trait::async_trait;
use std::fmt;

/// Calls a function with each value. Delivered is what the function has returned `Ok` for.
struct FnSink<F>(F);

#[async_trait]
impl<T, F> Sink<T> for FnSink<F>
where
    T: Send + Sync + 'static,
    F: FnMut(&T) -> Result<()> + Send + 'static,
{
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("sink", "")
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        let outcomes = batch.iter().map(|value| (self.0)(value)).enumerate();
        let failed: Vec<_> =
            outcomes.filter_map(|(index, outcome)| outcome.err().map(|error| Failure { index, error })).collect();
        let outcome = if failed.is_empty() { Ok(()) } else { Err(Failures::some(failed)) };
        Ok(Box::pin(std::future::ready(outcome)))
    }
}

/// Calls an asynchronous function with one value at a time.
struct AsyncSink<F>(F);

#[async_trait]
impl<T, F, Fut> Sink<T> for AsyncSink<F>
where
    T: Clone + Send + Sync + 'static,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("sink", "")
    }

    fn limits(&self) -> Limits {
        Limits { items: 1, ..Limits::default() }
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        let calls: Vec<_> = batch.iter().cloned().map(&mut self.0).collect();
        Ok(Box::pin(async move {
            let mut failed = Vec::new();
            for (index, call) in calls.into_iter().enumerate() {
                if let Err(error) = call.await {
                    failed.push(Failure { index, error });
                }
            }
            if failed.is_empty() { Ok(()) } else { Err(Failures::some(failed)) }
        }))
    }
}

impl<F> fmt::Debug for FnSink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FnSink")
    }
}

impl<T: Send + Sync + 'static> Stream<T> {
    /// Ends in a function of the program's: a value is delivered when it has returned.
    ///
    /// ```
    /// # use lorry_core::{Relay, Stream};
    /// let (_input, readings) = Stream::<f64>::input();
    /// let _relay = Relay::new([readings.sink(|celsius| println!("{celsius} °C"))]);
    /// ```
    ///
    /// The function is called in a task of the sink's, not in the caller's of `emit`; it should not block.
    pub fn sink(self, mut f: impl FnMut(&T) + Send + 'static) -> Branch {
        self.try_sink(move |value| {
            f(value);
            Ok(())
        })
    }

    /// Ends in a function that can fail. By the [class](crate::Class) of its error: a value that is refused follows the
    /// [error policy](crate::OnError), a transient failure is tried again, in order.
    pub fn try_sink(self, f: impl FnMut(&T) -> Result<()> + Send + 'static) -> Branch {
        self.to(FnSink(f))
    }

    /// Ends in an asynchronous function, called with one value at a time; otherwise as [`try_sink`](Stream::try_sink).
    ///
    /// ```
    /// # use lorry_core::{Relay, Stream};
    /// # use std::time::Duration;
    /// let (_input, readings) = Stream::<f64>::input();
    /// let slow = readings.async_sink(|celsius| async move {
    ///     tokio::time::sleep(Duration::from_secs(1)).await;
    ///     println!("{celsius} °C");
    ///     Ok(())
    /// });
    /// let _relay = Relay::new([slow.queue(10)]);
    /// ```
    pub fn async_sink<Fut>(self, f: impl FnMut(T) -> Fut + Send + 'static) -> Branch
    where
        T: Clone,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.to(AsyncSink(f))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{Error, ErrorKind, Relay, Stream};

    #[tokio::test(start_paused = true)]
    async fn what_the_function_says_decides() {
        let (input, numbers) = Stream::<u32>::input();
        let mut tries = 0;
        let relay = Relay::new([numbers.try_sink(move |n| match n {
            0 => Err(Error::data(ErrorKind::Other, "", "zero")),
            1 if tries < 2 => {
                tries += 1;
                Err(Error::transient(ErrorKind::Connection, "", "away"))
            }
            _ => Ok(()),
        })]);
        let running = relay.spawn();
        assert!(input.emit(0).await.unwrap_err().to_string().contains("zero"));
        input.emit(1).await.unwrap();
        drop(input);
        let report = running.wait().await;
        assert_eq!((report.delivered, report.failed, report.retried), (1, 1, 2));
    }
}
