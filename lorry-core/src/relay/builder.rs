//! Relay: branches and settings, validated, not running yet.

use super::control::{Control, Settings};
use super::policy::OnError;
use super::pump::pump;
use super::report::Report;
use super::retry::Retry;
use super::running::{Running, Task};
use super::source::{Guarantee, Settlement};
use super::state::StateStore;
use crate::flow::{AnyNode, Branch, Graph, Holds, Wiring, regions, sorted};
use crate::{Error, Result};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Branches that run together, and how. A plain value: nothing is open until [`spawn`](Relay::spawn) or [`run`](Relay::run); what it
/// would do can be looked at before ([`check`](Relay::check), [`describe`](Relay::describe)).
///
/// ```
/// # use lorry_core::relay::{Batch, Chunk, Context, Event, Identity, LaneId, Limits, Receipt, Settled, Sink, SinkInfo, Source, SourceInfo};
/// # use lorry_core::{Message, Relay, Result, Stream};
/// # struct Ten(u64);
/// # #[lorry_core::async_trait]
/// # impl Source for Ten {
/// #     fn info(&self, _: &Identity) -> SourceInfo { SourceInfo::new("tensrc", "ten") }
/// #     async fn open(&mut self, _: Context) -> Result<()> { Ok(()) }
/// #     async fn next(&mut self, limit: usize) -> Result<Event<Message>> {
/// #         let (from, to) = (self.0, (self.0 + limit as u64).min(10));
/// #         self.0 = to;
/// #         if from == to { return Ok(Event::End) }
/// #         Ok(Event::Chunk(Chunk::sequential(LaneId(0), from, (from..to).map(|n| Message::new(n.to_string())).collect())))
/// #     }
/// #     async fn settle(&mut self, _: Vec<Settled>) -> Result<()> { Ok(()) }
/// # }
/// # struct Forget;
/// # #[lorry_core::async_trait]
/// # impl Sink for Forget {
/// #     fn info(&self, _: &Identity) -> SinkInfo { SinkInfo::new("forgetsink", "") }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     async fn open(&mut self, _: Context) -> Result<()> { Ok(()) }
/// #     async fn send(&mut self, _: Batch) -> Result<Receipt> { Ok(Box::pin(async { Ok(()) })) }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let stream = Stream::from_source(Ten(0)).filter(|message| message.bytes() != b"7");
/// let report = Relay::new([stream.to(Forget)]).run().await?;
/// assert_eq!((report.received, report.delivered, report.filtered), (10, 9, 1));
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
#[must_use = "a relay does nothing until it is spawned or run"]
pub struct Relay {
    ends: Vec<Arc<dyn AnyNode>>,
    settings: Settings,
}

impl Relay {
    /// A relay of these branches. Branches that share a stream share its source.
    pub fn new(branches: impl IntoIterator<Item = Branch>) -> Self {
        let ends = branches.into_iter().map(|branch| branch.node.as_any_node()).collect();
        Self { ends, settings: Settings::default() }
    }

    /// Names the relay, which makes it durable: its sessions, groups and positions outlive the process and are found again by this
    /// name.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.identity.name = Some(name.into());
        self
    }

    /// Tells apart processes that share the work of one name.
    pub fn instance(mut self, instance: impl Into<Arc<str>>) -> Self {
        self.settings.identity.instance = Some(instance.into());
        self
    }

    /// What happens to messages that can never be delivered. Default: [`OnError::Stop`].
    pub fn on_error(mut self, policy: OnError) -> Self {
        self.settings.on_error = policy;
        self
    }

    /// Stops when so many messages were delivered; never more than that many are undecided or delivered, so exactly so many. What the
    /// program puts in by an [`Input`](crate::flow::Input) is counted too, but never held back, so that there may be more of it.
    pub fn count(mut self, messages: u64) -> Self {
        self.settings.count = Some(messages);
        self
    }

    /// Stops when nothing has arrived for so long and nothing is on its way. It is a failure if a source was never ready all the time.
    pub fn idle_exit(mut self, idle: Duration) -> Self {
        self.settings.idle_exit = Some(idle);
        self
    }

    /// How long a stop waits for sinks. Default: 30 s.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.settings.drain_timeout = limit;
        self
    }

    /// The schedule for everything that is tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Where state is kept that must outlive the process. Default: in memory.
    pub fn state(mut self, state: Arc<dyn StateStore>) -> Self {
        self.settings.state = state;
        self
    }

    /// How much each source may have undecided in the relay: messages, and bytes by [`Source::weigh`](super::Source::weigh). This
    /// bounds the relay's memory, whatever its sinks do. Before each sink there wait at most as many bytes, too: operators may make much
    /// of little. Default: 32,768 messages and 64 MiB.
    pub fn bound(mut self, messages: usize, bytes: usize) -> Self {
        self.settings.bound = crate::ack::Bound { items: messages.max(1), bytes: bytes.max(1) };
        self
    }

    /// Refuses to start unless every source promises at least this, and its peer grants what that takes. [`Guarantee::Replayable`] asks
    /// for *effectively once*: every sink must then [keep positions](super::SinkInfo::keeps_positions) too, and no operator may
    /// [remember](crate::flow::Operator::remembers) what it has seen.
    pub fn require(mut self, guarantee: Guarantee) -> Self {
        self.settings.require = Some(guarantee);
        self
    }

    /// The graph as it is built.
    pub fn describe(&self) -> Graph {
        Graph::of(&sorted(&self.ends), &self.settings.identity)
    }

    /// Validates without opening anything; [`spawn`](Relay::spawn) does the same.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage): no branches, a stream that is part of another relay, an operator that would hold more than
    /// the source's peer leaves unacknowledged, a guarantee that is required and not given.
    pub fn check(&self) -> Result<()> {
        let nodes = sorted(&self.ends);
        if self.ends.is_empty() {
            return Err(Error::usage("a relay needs at least one sink"));
        }
        let graph = self.describe();
        for (node, shown) in nodes.iter().zip(graph.nodes()) {
            if node.is_spent() {
                return Err(crate::flow::already_used(&shown.name));
            }
        }
        if self.settings.require == Some(Guarantee::Replayable) {
            let keeps = |node: &Arc<dyn AnyNode>| {
                node.sink_info(&self.settings.identity).is_none_or(|info| info.keeps_positions)
            };
            if let Some(place) = nodes.iter().position(|node| !keeps(node)) {
                let name = &graph.nodes()[place].name;
                return Err(Error::usage(format!(
                    "effectively once is required, but {name} keeps no record of positions"
                ))
                .hint("require at-least-once"));
            }
            if let Some(place) = nodes.iter().position(|node| node.info().remembers) {
                let name = &graph.nodes()[place].name;
                return Err(Error::usage(format!(
                    "effectively once is required, but {name} remembers what it has seen, and a restart would forget it"
                ))
                .hint("require at-least-once"));
            }
        }
        let names: Vec<_> = graph.nodes().iter().map(|node| node.name.clone()).collect();
        regions(&nodes, &names)?;
        for (place, node) in nodes.iter().enumerate() {
            let Some(info) = node.source_info(&self.settings.identity) else { continue };
            let name = &graph.nodes()[place].name;
            if let Some(wanted) = self.settings.require.filter(|wanted| info.guarantee < *wanted) {
                return Err(Error::usage(format!("{name} promises only {}, but {wanted} is required", info.guarantee))
                    .hint("give the relay a name (--name) to make it durable"));
            }
            if let (Settlement::InOrder, Some(max)) = (info.settlement, info.max_unacked) {
                self.check_holds(&graph, &nodes, place, max)?;
            }
        }
        Ok(())
    }

    /// No operator below this source, nor several one after another, may wait for more than the source can give.
    fn check_holds(&self, graph: &Graph, nodes: &[Arc<dyn AnyNode>], source: usize, max: usize) -> Result<()> {
        // Of each node below: how many messages an item that it gives out may stand for, and how many wait on the way to there.
        let mut below: Vec<Option<(usize, usize)>> = vec![None; nodes.len()];
        below[source] = Some((1, 0));
        let source = &graph.nodes()[source].name;
        for place in 0..nodes.len() {
            let (shown, info) = (&graph.nodes()[place], nodes[place].info());
            // Over several ways the most of each; what waits on one may be clones of what waits on another.
            let above = shown.inputs.iter().filter_map(|&input| below[input]);
            let Some((each, before)) = above.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))) else { continue };
            let own = match info.holds {
                Holds::Items(n) => n.saturating_mul(each),
                Holds::UntilReplaced => {
                    return Err(refused(&shown.name, "holds a message until another replaces it", source, max));
                }
                Holds::Nothing | Holds::ForATime(_) => 0,
            };
            let all = before.saturating_add(own);
            // As many as the window would have it wait for one that cannot come.
            if own > 0 && all >= max {
                let what = match before {
                    0 => format!("holds up to {own} messages"),
                    _ => format!("and what is before it hold up to {all} messages"),
                };
                return Err(refused(&shown.name, &what, source, max));
            }
            below[place] = Some((each.saturating_mul(info.gathers), all));
        }
        Ok(())
    }

    /// Starts it on the current tokio runtime. What [`check`](Relay::check) would refuse ends it at once; the reason is in the report.
    ///
    /// # Panics
    /// Outside a tokio runtime, or in one without time (`enable_time`).
    pub fn spawn(self) -> Running {
        let checked = self.check();
        let nodes = sorted(&self.ends);
        let graph = self.describe();
        let names: Vec<_> = graph.nodes().iter().map(|node| node.name.clone()).collect();
        let control = Control::new(self.settings, graph);
        if nodes.iter().any(|node| node.info().has_handle) {
            // What the program may yet ask for can always move something.
            control.add_load(Box::new(|| 1));
        }
        let mut wiring = Wiring::new(control.clone());
        // From the sinks up: each node finds its way down ready.
        let wired = checked.and_then(|()| regions(&nodes, &names)).and_then(|regions| {
            nodes.iter().zip(&names).zip(regions).rev().try_for_each(|((node, name), region)| {
                wiring.region = region;
                node.wire(name, &mut wiring)
            })
        });
        match wired {
            Err(error) => Running::refused(control, error),
            Ok(()) => {
                let Wiring { mut roots, mut sources, mut sinks, .. } = wiring;
                // Wired from below; sources keep their order.
                roots.values_mut().for_each(|roots| roots.reverse());
                sources.reverse();
                sinks.reverse();
                let main = Box::pin(pump(roots.remove(&0).unwrap_or_default(), control.clone()));
                sinks.extend(roots.into_values().map(|roots| Box::pin(pump(roots, control.clone())) as Task));
                Running::start(control, main, sources, sinks)
            }
        }
    }

    /// Runs to the end of all sources (or until `count` or `idle_exit`). Dropping the future aborts.
    ///
    /// # Errors
    /// What ended it: see [`Report::error`].
    pub async fn run(self) -> Result<Report> {
        self.spawn().wait().await.into_result()
    }
}

fn refused(operator: &str, holds: &str, source: &str, max: usize) -> Error {
    Error::usage(format!(
        "{operator} {holds}, but {source} must acknowledge in order and gets no more than {max} before"
    ))
    .hint("make it hold less, or give it a time limit")
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay\n{}", self.describe())
    }
}
