//! `map_async`: a map that waits for something: a look-up, a request.

use crate::ack::Token;
use crate::flow::{AnyNode, Ending, Holds, Info, Item, Meter, Node, Wiring};
use crate::registry::Role;
use crate::relay::{Control, Outlet, Queue};
use crate::{Result, Stream};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesOrdered, StreamExt};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

impl<T: Send + 'static> Stream<T> {
    /// Applies an asynchronous function to each item: up to `concurrency` calls (at least 1; 0 counts as 1) run at once, and results go
    /// out in the order of the items. Token rule: passed on; an item for which the function fails is rejected. Holds up to twice
    /// `concurrency`, as long as the calls take.
    ///
    /// The calls run in a task of their own, so the rest of the graph goes on meanwhile. When they do not keep up, the stream is held
    /// back. For work that only computes, see [`partition_by`](Stream::partition_by).
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// # use std::time::Duration;
    /// let (_input, ids) = Stream::<u32>::input();
    /// let _names = ids.map_async(10, |id| async move {
    ///     tokio::time::sleep(Duration::from_millis(20)).await; // ask somebody
    ///     Ok(format!("number {id}"))
    /// });
    /// ```
    pub fn map_async<O, Fut>(self, concurrency: usize, f: impl FnMut(T) -> Fut + Send + 'static) -> Stream<O>
    where
        O: Send + 'static,
        Fut: Future<Output = Result<O>> + Send + 'static,
    {
        let most = concurrency.max(1);
        let mut info = Info::new(Role::Operator, "map_async", Holds::ForATime(most.saturating_mul(2)));
        // What it calls may.
        info.remembers = true;
        let meter = info.meter.clone();
        let (branch, up) = (self.node.branch(), self.node);
        let upstream: Vec<Arc<dyn AnyNode>> = vec![up.clone()];
        let attach = move |down, _: &Arc<str>, wiring: &mut Wiring| {
            let (calls, results) = (wiring.control.queue(most), Arc::new(Queue::new(most)));
            wiring.add_inner_root(results.clone(), down);
            up.add(branch, Box::new(Outlet::new(calls.clone(), &wiring.control)));
            let running = Arc::<AtomicUsize>::default();
            let (waiting, out, at_work) = (calls.clone(), results.clone(), running.clone());
            // While results have somewhere to go, whatever waits will move.
            wiring.control.add_load(Box::new(move || match out.room() {
                0 => at_work.load(Ordering::Acquire),
                _ => waiting.held(),
            }));
            let callers = Callers {
                f,
                most,
                calls,
                results,
                running,
                meter,
                pending: VecDeque::new(),
                flying: FuturesOrdered::new(),
                given: 0,
                dropped: 0,
            };
            let task = callers.run(wiring.control.clone());
            wiring.sinks.push(task.boxed());
        };
        Stream::from_node(Node::new(info, upstream, Box::new(attach)))
    }
}

/// The task: takes items, calls, hands results back to the pump.
struct Callers<T, O, F> {
    f: F,
    most: usize,
    calls: Arc<Queue<Item<T>>>,
    results: Arc<Queue<Item<O>>>,
    running: Arc<AtomicUsize>,
    meter: Arc<Meter>,
    pending: VecDeque<Item<T>>,
    flying: FuturesOrdered<BoxFuture<'static, (Result<O>, Token)>>,
    given: u64,
    dropped: u64,
}

impl<T, O, F, Fut> Callers<T, O, F>
where
    T: Send + 'static,
    O: Send + 'static,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    async fn run(mut self, control: Arc<Control>) -> Result<()> {
        let mut failed = std::pin::pin!(control.failed());
        let mut ending = None;
        loop {
            self.call();
            if ending.is_some() && self.pending.is_empty() && self.flying.is_empty() {
                break;
            }
            let (calls, results) = (self.calls.clone(), self.results.clone());
            let (idle, wants_more) = (self.flying.is_empty(), ending.is_none() && self.pending.is_empty());
            tokio::select! {
                biased;
                () = &mut failed => break,
                Some((result, token)) = self.flying.next(), if !idle => self.land(result, token),
                end = take(&calls, &mut self.pending), if wants_more => ending = end,
                () = room(&results), if idle && !self.pending.is_empty() => {}
            }
        }
        self.results.close(ending.unwrap_or(Ending::Stop));
        Ok(())
    }

    /// Begins as many calls as may run, and whose results there is room for.
    fn call(&mut self) {
        while self.flying.len() < self.most.min(self.results.room())
            && let Some(Item { value, token }) = self.pending.pop_front()
        {
            self.flying.push_back((self.f)(value).map(move |result| (result, token)).boxed());
        }
        self.running.store(self.flying.len(), Ordering::Release);
        let (taken, _) = self.calls.counts();
        self.meter.publish(taken, self.given);
        self.meter.publish_rest(self.dropped, taken - self.given - self.dropped);
    }

    fn land(&mut self, result: Result<O>, token: Token) {
        match result {
            Ok(value) => {
                self.given += 1;
                self.results.push_all(&mut vec![Item { value, token }]);
            }
            Err(error) => {
                self.dropped += 1;
                token.reject(error);
            }
        }
        self.calls.done(1);
    }
}

impl<T, O, F> Drop for Callers<T, O, F> {
    fn drop(&mut self) {
        // After a panic, or when the relay has failed: nobody waits for what will not come.
        self.calls.close_reader();
        self.results.close(Ending::Stop);
    }
}

async fn take<T>(queue: &Queue<Item<T>>, pending: &mut VecDeque<Item<T>>) -> Option<Ending> {
    let mut items = Vec::new();
    let ending = poll_fn(|cx| queue.poll_take(cx, &mut items)).await;
    pending.extend(items);
    ending
}

async fn room<T>(queue: &Queue<T>) {
    poll_fn(|cx| if queue.poll_room(cx) > 0 { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{Error, ErrorKind, Relay, Stream};
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn order_is_kept_and_time_is_shared() {
        let (input, numbers) = Stream::<u64>::input();
        let (branch, seen) = numbers
            .map_async(3, |n| async move {
                sleep(SECOND * (3 - n as u32 % 3)).await;
                Ok(n)
            })
            .collect_vec();
        let running = Relay::new([branch]).spawn();
        let began = Instant::now();
        for n in 0..9 {
            input.send(n).await.unwrap();
        }
        drop(input);
        let report = running.wait().await;
        assert_eq!((report.delivered, seen.values()), (9, (0..9).collect::<Vec<_>>()));
        assert!(began.elapsed() <= 9 * SECOND, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_rejects_its_item_alone() {
        let (input, numbers) = Stream::<u64>::input();
        let (branch, seen) = numbers
            .map_async(2, |n| async move { if n == 1 { Err(Error::data(ErrorKind::Other, "", "one")) } else { Ok(n) } })
            .collect_vec();
        let running = Relay::new([branch]).spawn();
        input.emit(0).await.unwrap();
        assert!(input.emit(1).await.unwrap_err().to_string().contains("one"));
        input.emit(2).await.unwrap();
        assert_eq!(seen.values(), [0, 2]);
        drop(input);
        assert_eq!(running.wait().await.failed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_function_holds_the_stream_back() {
        let (input, numbers) = Stream::<u64>::input();
        let running = Relay::new([numbers
            .map_async(2, |n| async move {
                sleep(1_000 * SECOND).await;
                Ok(n)
            })
            .sink(|_| ())])
        .spawn();
        for n in 0..2 {
            input.send(n).await.unwrap();
        }
        assert!(tokio::time::timeout(SECOND, input.send(2)).await.is_err(), "no more than it holds");
        drop((input, running));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_the_relay_and_says_so() {
        let (input, numbers) = Stream::<u64>::input();
        let branch = numbers.map_async(2, |n| async move { Ok(1 / (n - 1)) }).sink(|_| ());
        let running = Relay::new([branch]).spawn();
        assert!(input.emit(1).await.is_err());
        assert_eq!(running.wait().await.error.unwrap().kind(), ErrorKind::Panic);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_what_is_under_way() {
        let (input, numbers) = Stream::<u64>::input();
        let (branch, seen) = numbers
            .map_async(5, |n| async move {
                sleep(SECOND).await;
                Ok(n)
            })
            .collect_vec();
        let running = Relay::new([branch]).spawn();
        for n in 0..5 {
            input.send(n).await.unwrap();
        }
        drop(input);
        let report = running.stop().await.unwrap();
        assert_eq!((report.delivered, seen.len()), (5, 5));
    }
}
