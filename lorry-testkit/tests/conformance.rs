//! The conformance suite itself: good elements pass it, and each kind of bad one is caught.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::registry::{Args, ElementSpec, Login, Registry};
use lorry_core::relay::{
    Batch, Context, Event, Failure, Failures, Guarantee, Identity, LaneId, Limits, Position, Receipt, Settled,
    Settlement, Sink, SinkInfo, Source, SourceInfo, Status,
};
use lorry_core::{Error, ErrorKind, Message, Result};
use lorry_testkit::conformance::{self, Case, Harness, SinkHarness, SourceHarness};
use lorry_testkit::{MemorySink, MemorySource, Origin, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What is wrong with the element under test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flaw {
    #[default]
    None,
    LosesWhatIsCancelled,
    SettlesOnClose,
    ForgetsSettlements,
    ShowsPassword,
    IgnoresUnknownOptions,
    ExceedsTheLimit,
    ConfirmsWhatItDrops,
    NamesTheWrongMessage,
    StopsAtRefusal,
    ForgetsPositions,
    Reorders,
}

#[derive(Clone, Default)]
struct Peers {
    origins: Arc<Mutex<HashMap<String, Origin>>>,
    stores: Arc<Mutex<HashMap<String, Store>>>,
}

impl Peers {
    fn origin(&self, address: &str) -> Origin {
        self.origins.lock().unwrap().entry(name(address)).or_default().clone()
    }

    fn store(&self, address: &str) -> Store {
        self.stores.lock().unwrap().entry(name(address)).or_default().clone()
    }
}

/// `memory://user:password@host/name?options` → `name`.
fn name(address: &str) -> String {
    address.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

struct Memory {
    peers: Peers,
    flaw: Flaw,
    guarantee: Guarantee,
    settlement: Settlement,
    exempt: Option<Case>,
    made: usize,
}

impl Memory {
    fn new(flaw: Flaw) -> Self {
        let (guarantee, settlement) = (Guarantee::SurvivesRestart, Settlement::InOrder);
        Self { peers: Peers::default(), flaw, guarantee, settlement, exempt: None, made: 0 }
    }
}

fn options(args: &mut Args, flaw: Flaw) -> Result<(String, String)> {
    let login = args.login()?;
    if flaw == Flaw::IgnoresUnknownOptions {
        args.options().take_prefixed("");
    }
    let path = args.uri().path().trim_start_matches('/').to_owned();
    let shown = match flaw {
        Flaw::ShowsPassword => format!("{path} {}", login.password.expose().unwrap_or_default()),
        _ => path.clone(),
    };
    Ok((path, shown))
}

#[lorry_core::async_trait]
impl Harness for Memory {
    fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        let (peers, flaw, guarantee, settlement) = (self.peers.clone(), self.flaw, self.guarantee, self.settlement);
        let make = move |args: &mut Args| {
            let (path, shown) = options(args, flaw)?;
            let source = peers.origin(&path).source().guarantee(guarantee).settlement(settlement);
            Ok(Box::new(FlawedSource { source, flaw, shown, taken: None, position: None }) as Box<dyn Source>)
        };
        registry.add(ElementSpec::source("memorysrc", make).schemes(&["memory"]).options::<Login>());
        let peers = self.peers.clone();
        let make = move |args: &mut Args| {
            let (path, shown) = options(args, flaw)?;
            let sink = peers.store(&path).sink().with_limits(Limits { items: 50, receipts: 1, ..Limits::default() });
            let refuses = |message: &Message| {
                (message.bytes() == b"bad").then(|| Error::data(ErrorKind::Constraint, "store", "this one is bad"))
            };
            let sink = if flaw == Flaw::ForgetsPositions { sink } else { sink.keeps_positions() };
            Ok(Box::new(FlawedSink { sink: sink.refuse_if(refuses), flaw, shown, sent: 0 }) as Box<dyn Sink>)
        };
        registry.add(ElementSpec::sink("memorysink", make).schemes(&["memory"]).options::<Login>());
        registry
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        (self.exempt == Some(case)).then_some("the test says so")
    }

    async fn fresh(&mut self) -> String {
        self.made += 1;
        format!("memory://host/case{}", self.made)
    }

    fn samples(&self) -> Vec<Message> {
        vec![
            Message::new("plain").at("a/b"),
            Message::new("").keyed("key"),
            Message::new(vec![0, 159, 146, 150]).header("a", "1").header("b", 2).header("a", "3"),
        ]
    }

    async fn break_peer(&mut self) {
        self.peers.origins.lock().unwrap().values().for_each(Origin::lose_lane);
        self.peers.stores.lock().unwrap().values().for_each(Store::hold);
    }

    async fn restore_peer(&mut self) {
        self.peers.stores.lock().unwrap().values().for_each(Store::release);
    }

    fn with_password(&self, address: &str, password: &str) -> String {
        address.replacen("//", &format!("//user:{password}@"), 1)
    }

    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        vec![("memori://host/x".into(), "did you mean"), ("memory".into(), "memory")]
    }
}

#[lorry_core::async_trait]
impl SourceHarness for Memory {
    async fn feed(&mut self, address: &str, messages: &[Message]) {
        self.peers.origin(address).extend(messages.iter().cloned());
    }

    async fn ready(&mut self, _: &str, _: &Status) {}
}

#[lorry_core::async_trait]
impl SinkHarness for Memory {
    async fn read(&mut self, address: &str, count: usize) -> Vec<Message> {
        let store = self.peers.store(address);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(300), store.wait_for(count)).await;
        store.values()
    }

    fn undeliverable(&self) -> Message {
        Message::new("bad")
    }
}

struct FlawedSource {
    source: MemorySource,
    flaw: Flaw,
    shown: String,
    taken: Option<LaneId>,
    position: Option<Position>,
}

#[lorry_core::async_trait]
impl Source for FlawedSource {
    fn info(&self, identity: &Identity) -> SourceInfo {
        let mut info = self.source.info(identity);
        info.identity.clone_from(&self.shown);
        info
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.source.open(context).await
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        let limit = if self.flaw == Flaw::ExceedsTheLimit { limit + 1 } else { limit };
        let mut event = self.source.next(limit).await?;
        if self.flaw == Flaw::LosesWhatIsCancelled {
            tokio::task::yield_now().await;
        }
        if let Event::Chunk(chunk) = &mut event {
            self.taken = Some(chunk.lane);
            self.position = Some(chunk.at.position(chunk.values.len() - 1));
            if self.flaw == Flaw::Reorders {
                chunk.values.reverse();
            }
        }
        Ok(event)
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        if self.flaw == Flaw::ForgetsSettlements {
            return Ok(());
        }
        for settled in &settled {
            if let Settled::UpTo(_, up_to) = settled {
                self.position = self.position.filter(|position| position > up_to);
            }
        }
        self.source.settle(settled).await
    }

    async fn close(&mut self) -> Result<()> {
        if let (Flaw::SettlesOnClose, Some(lane), Some(position)) = (self.flaw, self.taken, self.position) {
            self.source.settle(vec![Settled::UpTo(lane, position)]).await?;
        }
        self.source.close().await
    }
}

struct FlawedSink {
    sink: MemorySink,
    flaw: Flaw,
    shown: String,
    sent: usize,
}

#[lorry_core::async_trait]
impl Sink for FlawedSink {
    fn info(&self, identity: &Identity) -> SinkInfo {
        let mut info = self.sink.info(identity);
        info.identity.clone_from(&self.shown);
        info.keeps_positions = true;
        info
    }

    fn limits(&self) -> Limits {
        Sink::limits(&self.sink)
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.sink.open(context).await
    }

    async fn positions(&mut self) -> Result<lorry_core::relay::Positions> {
        self.sink.positions().await
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        self.sent += 1;
        match self.flaw {
            Flaw::ConfirmsWhatItDrops if self.sent.is_multiple_of(3) => Ok(Box::pin(async { Ok(()) })),
            Flaw::Reorders => {
                let mut values: Vec<Message> = batch.iter().cloned().collect();
                values.reverse();
                self.sink.send(Batch::new(values)).await
            }
            Flaw::NamesTheWrongMessage => {
                let receipt = self.sink.send(batch).await?;
                Ok(Box::pin(async move {
                    receipt.await.map_err(|failures| {
                        let failures = failures.into_vec().into_iter();
                        Failures::some(
                            failures.map(|failure| Failure { index: failure.index + 1, ..failure }).collect(),
                        )
                    })
                }))
            }
            Flaw::StopsAtRefusal => {
                let len = batch.len();
                let bad = batch.iter().position(|message| message.bytes() == b"bad");
                let Some(bad) = bad else { return self.sink.send(batch).await };
                let receipt = self.sink.send(batch.select(0..=bad)).await?;
                Ok(Box::pin(async move {
                    let mut failures = receipt.await.err().map(Failures::into_vec).unwrap_or_default();
                    let late = Error::transient(ErrorKind::Other, "store", "rolled back");
                    failures.extend((bad + 1..len).map(|index| Failure { index, error: late.clone() }));
                    Err(Failures::some(failures))
                }))
            }
            _ => self.sink.send(batch).await,
        }
    }

    async fn close(&mut self) -> Result<()> {
        self.sink.close().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_source_passes() {
    for settlement in [Settlement::InOrder, Settlement::Each] {
        for guarantee in [Guarantee::UntilExit, Guarantee::SurvivesRestart, Guarantee::Replayable] {
            let mut memory = Memory { guarantee, settlement, ..Memory::new(Flaw::None) };
            let summary = conformance::source(&mut memory).await;
            let expected = if guarantee == Guarantee::UntilExit { 8 } else { 10 };
            assert_eq!(summary.ran.len(), expected, "{guarantee:?}: {summary}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_sink_passes() {
    let summary = conformance::sink(&mut Memory::new(Flaw::None)).await;
    assert_eq!((summary.ran.len(), summary.left_out.len()), (11, 0), "{summary}");
}

#[tokio::test(start_paused = true)]
async fn an_exempt_case_is_left_out_and_named_with_its_reason() {
    let exempt = Some(Case::ComesBack);
    let summary = conformance::source(&mut Memory { exempt, ..Memory::new(Flaw::None) }).await;
    assert_eq!(summary.left_out, [(Case::ComesBack, "the test says so")]);
    assert!(!summary.ran.contains(&Case::ComesBack));
    assert!(summary.to_string().ends_with("; left out: it comes back after its peer was away, since the test says so"));
}

/// Knows how to make and to feed its source, and nothing else; nor does it say why.
struct Lazy(Memory);

#[lorry_core::async_trait]
impl Harness for Lazy {
    fn registry(&self) -> Registry {
        self.0.registry()
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        matches!(case, Case::BadAddresses | Case::Passwords).then_some("this is about another case")
    }

    async fn fresh(&mut self) -> String {
        self.0.fresh().await
    }

    fn samples(&self) -> Vec<Message> {
        self.0.samples()
    }
}

#[lorry_core::async_trait]
impl SourceHarness for Lazy {
    async fn feed(&mut self, address: &str, messages: &[Message]) {
        self.0.feed(address, messages).await;
    }

    async fn ready(&mut self, _: &str, _: &Status) {}
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "neither break the connector's peer nor does it exempt")]
async fn a_case_that_is_neither_possible_nor_exempt_fails() {
    conformance::source(&mut Lazy(Memory::new(Flaw::None))).await;
}

macro_rules! caught {
    ($($suite:ident: $name:ident $flaw:ident $message:literal;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            #[should_panic(expected = $message)]
            async fn $name() {
                conformance::$suite(&mut Memory::new(Flaw::$flaw)).await;
            }
        )*
    };
}

caught! {
    source: a_source_that_loses_what_is_cancelled_is_caught LosesWhatIsCancelled "messages came";
    source: a_source_that_settles_on_close_is_caught SettlesOnClose "nothing came for 20 s";
    source: a_source_that_forgets_settlements_is_caught ForgetsSettlements "must not come again";
    source: a_source_that_shows_a_password_is_caught ShowsPassword "a password is shown";
    source: a_source_that_ignores_unknown_options_is_caught IgnoresUnknownOptions "must be refused";
    source: a_source_that_exceeds_the_limit_is_caught ExceedsTheLimit "at a limit of";
    source: a_source_that_reorders_is_caught Reorders "a message has changed";
    sink: a_sink_that_confirms_what_it_drops_is_caught ConfirmsWhatItDrops "left == right";
    sink: a_sink_that_names_the_wrong_message_is_caught NamesTheWrongMessage "only message 5";
    sink: a_sink_that_stops_at_a_refusal_is_caught StopsAtRefusal "the other messages must land";
    sink: a_sink_that_forgets_positions_is_caught ForgetsPositions "left == right";
    sink: a_sink_that_reorders_is_caught Reorders "a message has changed";
    sink: a_sink_that_shows_a_password_is_caught ShowsPassword "a password is shown";
    sink: a_sink_that_ignores_unknown_options_is_caught IgnoresUnknownOptions "must be refused";
}
