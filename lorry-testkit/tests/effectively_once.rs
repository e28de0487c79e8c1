//! Every value exactly once, whatever fails and whenever the process dies: a source that can be replayed, a sink that keeps positions.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::flow::{Item, Operator, Output};
use lorry_core::relay::{Guarantee, Limits, OnError};
use lorry_core::{Error, ErrorKind, Relay, Report, Retry, Stream};
use lorry_testkit::{Fault, Faults, FaultySink, FaultySource, MemorySink, MemorySource, Origin, Store};
use proptest::prelude::*;
use std::time::Duration;

/// So many copies of each value, by its number: some are filtered out, some become several.
struct Copies(u64);

impl Operator<u64> for Copies {
    fn push(&mut self, item: Item<u64>, out: &mut Output<'_, u64>) {
        for _ in 1..copies(item.value, self.0) {
            out.push(item.clone());
        }
        if copies(item.value, self.0) > 0 { out.push(item) } else { item.token.filtered() }
    }

    fn remembers(&self) -> bool {
        false
    }
}

fn copies(value: u64, most: u64) -> u64 {
    if most == 0 { 1 } else { value % (most + 1) }
}

/// How one process ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Abort,
    Stop,
}

#[derive(Clone, Debug)]
struct Plan {
    values: u64,
    chunk: usize,
    batch: usize,
    /// See [`Copies`].
    most: u64,
    branches: usize,
    /// The sinks refuse every value that this divides, and the policy is `drop`.
    refuses: Option<u64>,
    seed: u64,
    ends: Vec<(u64, End)>,
    /// The connection is lost that often, in milliseconds.
    losses: u64,
}

fn plan() -> impl Strategy<Value = Plan> {
    let end = (0_u64..400, prop_oneof![3 => Just(End::Abort), 1 => Just(End::Stop)]);
    (
        // All copies of a value, nine at most, fit into a batch.
        (20_u64..300, 1_usize..40, 9_usize..40, 0_u64..4, 1_usize..4),
        prop::option::of(5_u64..20),
        any::<u64>(),
        prop::collection::vec(end, 0..8),
        5_u64..200,
    )
        .prop_map(|((values, chunk, batch, most, branches), refuses, seed, ends, losses)| Plan {
            values,
            chunk,
            batch,
            most,
            branches,
            refuses,
            seed,
            ends,
            losses,
        })
}

impl Plan {
    /// What stands in the store of a branch in the end; each branch makes another number of copies.
    fn expected(&self, branch: usize) -> Vec<u64> {
        let times = |value| copies(value, self.most + branch as u64 * self.most) as usize;
        let kept = (0..self.values).filter(|value| self.refuses.is_none_or(|refused| !value.is_multiple_of(refused)));
        kept.flat_map(|value| std::iter::repeat_n(value, times(value))).collect()
    }

    /// One process.
    fn relay(&self, process: usize, origin: &Origin<u64>, stores: &[Store<u64>]) -> Relay {
        let seed = self.seed.wrapping_add(process as u64);
        let lost = Faults::seeded(seed).with(Fault::Transient, 0.02).with(Fault::Ambiguous, 0.02);
        let source = FaultySource::new(origin.source(), lost.delay(Duration::from_millis(2)));
        let stream = Stream::from_source(source);
        let branches = stores.iter().enumerate().map(|(branch, store)| {
            let refuses = self.refuses;
            let refuse = move |value: &u64| {
                let refused = refuses.is_some_and(|refused| value.is_multiple_of(refused));
                refused.then(|| Error::data(ErrorKind::Constraint, "", "refused"))
            };
            let sink: MemorySink<u64> = store.sink().keeps_positions().refuse_if(refuse);
            let sink = sink.with_limits(Limits { items: self.batch, ..Limits::default() });
            let faults = Faults::seeded(seed ^ branch as u64).with(Fault::Transient, 0.1).with(Fault::Ambiguous, 0.1);
            let sink = FaultySink::new(sink, faults.with(Fault::Partial, 0.05).delay(Duration::from_millis(9)));
            stream.clone().via(Copies(self.most + branch as u64 * self.most)).to(sink)
        });
        let branches: Vec<_> = branches.collect();
        drop(stream);
        let quick = Retry { min: Duration::from_millis(1), max: Duration::from_millis(5), ..Retry::default() };
        Relay::new(branches).require(Guarantee::Replayable).on_error(OnError::Drop).retry(quick)
    }

    async fn run(&self) -> Vec<Store<u64>> {
        let source = MemorySource::new(0..self.values).guarantee(Guarantee::Replayable).chunk(self.chunk);
        let origin = source.origin();
        let stores: Vec<Store<u64>> = (0..self.branches).map(|_| Store::new()).collect();
        for (process, (lives, end)) in self.ends.iter().enumerate() {
            let running = self.relay(process, &origin, &stores).spawn();
            tokio::time::sleep(Duration::from_millis(*lives)).await;
            origin.lose_lane();
            match end {
                End::Abort => drop(running),
                End::Stop => adds_up(&running.stop().await.unwrap()),
            }
            // What was aborted is gone once it has had its turn.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let running = self.relay(self.ends.len(), &origin, &stores).spawn();
        let mut last = std::pin::pin!(running.wait());
        let mut losses = 0;
        let report = loop {
            tokio::select! {
                report = &mut last => break report,
                () = tokio::time::sleep(Duration::from_millis(self.losses)), if losses < 30 => {
                    origin.lose_lane();
                    losses += 1;
                }
            }
        };
        assert!(report.error.is_none(), "{report:?}");
        adds_up(&report);
        stores
    }
}

fn adds_up(report: &Report) {
    let Report { received, delivered, filtered, dropped, dead_lettered, failed, held, .. } = report;
    assert_eq!(*received, delivered + filtered + dropped + dead_lettered + failed + held, "{report:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_value_is_there_exactly_once(plan in plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let stores = runtime.block_on(async {
            let limit = Duration::from_secs(600);
            tokio::time::timeout(limit, plan.run()).await.expect("it makes no progress")
        });
        for (branch, store) in stores.iter().enumerate() {
            prop_assert_eq!(store.values(), plan.expected(branch), "branch {}", branch);
        }
    }
}
