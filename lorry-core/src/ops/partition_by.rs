//! `partition_by`: the same work in several tasks, in order for each key.

use crate::flow::{
    AnyNode, Count, Crossing, Downstream, Ending, Holds, Info, Item, Meter, Node, Status, Turn, Wiring, already_used,
};
use crate::registry::Role;
use crate::relay::{Outlet, Queue, Staging};
use crate::sync::lock;
use crate::{Result, Stream};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Most items before a lane, and before what follows the lanes.
const QUEUE: usize = 256;

impl<T: Send + 'static> Stream<T> {
    /// Spreads the items over `lanes` copies (at least 1; 0 counts as 1) of a part of the graph, each in a task of its own, so that work
    /// which only computes uses several processors. Items with the same key take the same lane and **keep their order**; items with
    /// different keys may overtake one another. Token rule: passed on. Holds nothing itself; what the operators within hold counts for
    /// each lane.
    ///
    /// `build` makes the copies. It may branch off to sinks, but not join a stream of outside. When one lane is full, all are held back.
    /// A relay with lanes does not notice that it can move no more; so operators that hold items want a time limit there.
    ///
    /// ```
    /// # use lorry_core::{Message, Stream};
    /// # fn expensive(message: Message) -> Message { message }
    /// let (_input, messages) = Stream::<Message>::input();
    /// let _done = messages.partition_by(4, |message| message.address.clone(), |lane| lane.map(expensive));
    /// ```
    pub fn partition_by<K: Hash, O: Send + 'static>(
        self,
        lanes: usize,
        key: impl FnMut(&T) -> K + Send + 'static,
        mut build: impl FnMut(Self) -> Stream<O>,
    ) -> Stream<O> {
        let outlets = Outlets::default();
        let (branch, up) = (self.node.branch(), self.node);
        let spread = Arc::new(SpreadNode {
            info: Info::new(Role::Operator, "partition_by", Holds::Nothing),
            upstream: [up.clone()],
            up: Mutex::new(Some((up, branch, key))),
            outlets: outlets.clone(),
            spent: AtomicBool::new(false),
        });
        let lane = |number: usize| {
            let outlets = outlets.clone();
            let mut info = Info::new(Role::Operator, "lane", Holds::Nothing);
            info.crossing = Crossing::Into;
            let meter = info.meter.clone();
            let attach = move |down, _: &Arc<str>, wiring: &mut Wiring| {
                let queue = wiring.control.queue(QUEUE);
                count(&meter, &queue);
                wiring.add_inner_root(queue.clone(), down);
                // Several tasks: that one of them has nothing to do says nothing about the others.
                wiring.control.add_load(Box::new(|| 1));
                lock(&outlets).push((number, Outlet::new(queue, &wiring.control)));
            };
            Stream::from_node(Node::new(info, vec![spread.clone() as Arc<dyn AnyNode>], Box::new(attach)))
        };
        let ends: Vec<_> = (0..lanes.max(1)).map(|number| build(lane(number)).node).collect();
        let ends: Vec<_> = ends.into_iter().map(|node| (node.branch(), node)).collect();
        let upstream = ends.iter().map(|(_, node)| node.clone() as Arc<dyn AnyNode>).collect();
        let mut info = Info::new(Role::Operator, "merge", Holds::Nothing);
        info.crossing = Crossing::OutOf;
        // Nothing; but the order of its items says nothing about their source's.
        info.remembers = true;
        let meter = info.meter.clone();
        let attach = move |down, _: &Arc<str>, wiring: &mut Wiring| {
            let queue = wiring.control.queue(QUEUE);
            count(&meter, &queue);
            wiring.add_inner_root(queue.clone(), down);
            let open = Arc::new(Mutex::new((ends.len(), Ending::Stop)));
            for (branch, node) in ends {
                let staging = Staging::new(queue.clone(), &wiring.control);
                node.add(branch, Box::new(Merge { staging, open: open.clone(), left: false }));
            }
        };
        Stream::from_node(Node::new(info, upstream, Box::new(attach)))
    }
}

/// What comes into a queue is taken, what has left it is given.
fn count<T: Send + 'static>(meter: &Meter, queue: &Arc<Queue<T>>) {
    let queue = queue.clone();
    meter.read_from(move || {
        let (taken, given) = queue.counts();
        Count { taken, given, dropped: 0 }
    });
}

/// The queues of the lanes, by number, as they are wired.
type Outlets<T> = Arc<Mutex<Vec<(usize, Outlet<T>)>>>;
/// What a spread becomes part of when it is wired: the node above, the place there, the key.
type Above<T, F> = (Arc<Node<T>>, usize, F);

/// The node that items leave by one of several ways.
struct SpreadNode<T: 'static, F> {
    info: Info,
    upstream: [Arc<dyn AnyNode>; 1],
    up: Mutex<Option<Above<T, F>>>,
    outlets: Outlets<T>,
    spent: AtomicBool,
}

impl<T, K, F> AnyNode for SpreadNode<T, F>
where
    T: Send + 'static,
    K: Hash,
    F: FnMut(&T) -> K + Send + 'static,
{
    fn info(&self) -> &Info {
        &self.info
    }

    fn upstream(&self) -> &[Arc<dyn AnyNode>] {
        &self.upstream
    }

    fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    fn wire(&self, name: &Arc<str>, _: &mut Wiring) -> Result<()> {
        let Some((up, branch, key)) = lock(&self.up).take() else { return Err(already_used(name)) };
        self.spent.store(true, Ordering::Release);
        let mut outlets = std::mem::take(&mut *lock(&self.outlets));
        outlets.sort_by_key(|(number, _)| *number);
        let lanes = outlets.into_iter().map(|(_, outlet)| outlet).collect();
        up.add(branch, Box::new(Spread { key, lanes, count: 0, meter: self.info.meter.clone() }));
        Ok(())
    }
}

/// Each item into the lane of its key.
struct Spread<T: 'static, F> {
    key: F,
    lanes: Vec<Outlet<T>>,
    count: u64,
    meter: Arc<Meter>,
}

impl<T: 'static, F> Spread<T, F> {
    fn publish(&self) {
        self.meter.publish(self.count, self.count);
        self.meter.publish_rest(0, 0);
    }
}

impl<T: Send + 'static, K: Hash, F: FnMut(&T) -> K + Send> Downstream<T> for Spread<T, F> {
    fn push(&mut self, item: Item<T>, now: Instant) {
        self.count += 1;
        // Not random: the same key takes the same lane in every run.
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((self.key)(&item.value));
        let lane = (hash % self.lanes.len() as u64) as usize;
        self.lanes[lane].push(item, now);
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        self.publish();
        let all = self.lanes.iter_mut().map(|lane| lane.turn(turn)).reduce(Status::and);
        all.unwrap_or(Status { room: 0, deadline: None })
    }

    fn finish(&mut self, ending: Ending, now: Instant) {
        self.publish();
        self.lanes.iter_mut().for_each(|lane| lane.finish(ending, now));
    }
}

/// The end of a lane. The last to end closes the queue that all of them lead to.
struct Merge<T: 'static> {
    staging: Staging<T>,
    open: Arc<Mutex<(usize, Ending)>>,
    left: bool,
}

impl<T: 'static> Merge<T> {
    fn leave(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        let last = {
            let mut open = lock(&self.open);
            open.0 -= 1;
            open.1 = open.1.max(ending);
            (open.0 == 0).then_some(open.1)
        };
        if let Some(ending) = last {
            self.staging.queue.close(ending);
        }
    }
}

impl<T: Send + 'static> Downstream<T> for Merge<T> {
    fn push(&mut self, item: Item<T>, _: Instant) {
        self.staging.push(item);
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        self.staging.turn(turn)
    }

    fn finish(&mut self, ending: Ending, _: Instant) {
        self.staging.hand_over();
        self.leave(ending);
    }
}

impl<T: 'static> Drop for Merge<T> {
    fn drop(&mut self) {
        self.leave(Ending::Stop);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{ErrorKind, Relay, Stream};
    use std::collections::BTreeMap;
    use std::time::Duration;

    async fn through(lanes: usize) -> Vec<(u64, u64)> {
        let (input, numbers) = Stream::<(u64, u64)>::input();
        let (branch, seen) =
            numbers.partition_by(lanes, |pair| pair.0, |lane| lane.map(|(key, n)| (key, n * 2))).collect_vec();
        let running = Relay::new([branch]).spawn();
        for n in 0..2_000 {
            input.send((n % 7, n)).await.unwrap();
        }
        drop(input);
        let report = running.wait().await;
        assert_eq!((report.received, report.delivered), (2_000, 2_000));
        seen.values()
    }

    fn in_order_by_key(seen: &[(u64, u64)]) {
        let mut last = BTreeMap::new();
        for (key, n) in seen {
            assert!(last.insert(key, n).is_none_or(|before| before < n), "{key}: {n} came after a later one");
        }
        assert_eq!(seen.len(), 2_000);
    }

    #[tokio::test(start_paused = true)]
    async fn order_is_kept_within_a_key() {
        for lanes in [0, 1, 4, 16] {
            in_order_by_key(&through(lanes).await);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn on_several_threads_too() {
        in_order_by_key(&through(4).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_lanes_hold_goes_out_at_the_end_and_by_the_clock() {
        let (input, numbers) = Stream::<u64>::input();
        let batch = || crate::ops::Batch::new(100).timeout(Duration::from_secs(5));
        let (branch, seen) = numbers.partition_by(2, |n| n % 2, |lane| lane.via_kind("batch", batch())).collect_vec();
        let running = Relay::new([branch]).spawn();
        let began = tokio::time::Instant::now();
        input.emit(1).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        for n in 2..10 {
            input.send(n).await.unwrap();
        }
        drop(input);
        assert_eq!(running.wait().await.delivered, 9);
        assert_eq!(seen.values().concat().len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_join_with_a_stream_of_outside_is_refused() {
        let (_input, numbers) = Stream::<u64>::input();
        let (a, b) = numbers.tee();
        let mut outside = Some(b);
        let joined = a.partition_by(
            2,
            |n| *n,
            |lane| match outside.take() {
                Some(outside) => lane.union(outside),
                None => lane,
            },
        );
        let error = Relay::new([joined.sink(|_| ())]).check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("union0 joins a stream within partition_by"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_within_lanes_and_sinks_within_lanes() {
        let (input, numbers) = Stream::<u64>::input();
        let mut ends = Vec::new();
        let nested = numbers.partition_by(
            2,
            |n| n % 2,
            |lane| {
                let (side, on) = lane.partition_by(2, |n| n % 3, |inner| inner.map(|n| n + 1)).tee();
                ends.push(side.sink(|_| ()));
                on.map_async(3, |n| async move { Ok(n) })
            },
        );
        let (branch, seen) = nested.collect_vec();
        ends.push(branch);
        let running = Relay::new(ends).spawn();
        for n in 0..100 {
            input.send(n).await.unwrap();
        }
        drop(input);
        assert_eq!(running.wait().await.delivered, 100);
        let mut values = seen.values();
        values.sort_unstable();
        assert_eq!(values, (1..=100).collect::<Vec<_>>());
    }
}
