//! `mqttlistensrc`: takes messages from the devices themselves, and acknowledges what the relay has delivered.

use super::acceptor::Acceptor;
use super::hub::{Delivery, Hub, Order};
use super::options::MqttListenOptions;
use super::sessions::Sessions;
use crate::error;
use lorry_core::relay::{Chunk, Context, Event, Guarantee, Identity, LaneId, Settled, Settlement, Source, SourceInfo};
use lorry_core::{Error, ErrorKind, Message, Result, async_trait};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What MQTT clients keep unacknowledged unless they are told otherwise; many small ones wait after each message.
const WINDOW_OF_CLIENTS: usize = 20;

/// Messages that devices publish straight to this process. See [the element's page](super) for options and guarantees.
///
/// ```no_run
/// use lorry_core::relay::{Context, Event, Source};
/// use lorry_mqtt::{MqttListenOptions, MqttListenSource};
///
/// # async fn example() -> lorry_core::Result<()> {
/// let mut source = MqttListenSource::new(MqttListenOptions::new("0.0.0.0").topic("sensors/#").login("device", "s3cret"));
/// source.open(Context::detached("mqttlistensrc0")).await?;
/// if let Event::Chunk(chunk) = source.next(256).await? {
///     println!("{} messages, the first from {}", chunk.values.len(), chunk.values[0].address);
/// }
/// source.close().await
/// # }
/// ```
#[derive(Debug)]
pub struct MqttListenSource {
    options: MqttListenOptions,
    running: Option<Running>,
    /// Lanes are numbered once in the life of this value.
    last_lane: u64,
}

#[derive(Debug)]
struct Running {
    hub: Arc<Hub>,
    address: SocketAddr,
    acceptor: JoinHandle<()>,
    /// Bounded by what the connections read: each no more than its window, and all together no more than the hub's budget.
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    /// What did not fit into the last chunk.
    rest: Option<(LaneId, u64, std::vec::IntoIter<Message>)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

impl MqttListenSource {
    /// A listener with these options, which are checked when it is opened.
    pub fn new(options: MqttListenOptions) -> Self {
        Self { options, running: None, last_lane: 0 }
    }

    /// The address it listens on while it is open; with port 0 the port that was free.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.running.as_ref().map(|running| running.address)
    }

    async fn bind(&self) -> Result<TcpListener> {
        let (host, port) = (self.options.host.as_str(), self.options.port_number());
        TcpListener::bind((host, port)).await.map_err(|error| {
            use std::io::ErrorKind as Io;
            let wrong = Error::config(ErrorKind::Io, "listen", &error).with("address", format!("{host}:{port}"));
            let wrong = match error.kind() {
                Io::AddrInUse => wrong.hint("another program listens there; choose another port"),
                Io::AddrNotAvailable => wrong.hint("this machine has no such address; 0.0.0.0 is all it has"),
                Io::PermissionDenied => wrong.hint("ports below 1024 need privileges"),
                _ => wrong,
            };
            wrong.caused_by(error)
        })
    }
}

#[async_trait]
impl Source for MqttListenSource {
    fn info(&self, _: &Identity) -> SourceInfo {
        let window = usize::from(self.options.listener.receive_maximum).min(WINDOW_OF_CLIENTS);
        SourceInfo::new("mqttlistensrc", self.options.address())
            .settlement(Settlement::InOrder)
            .guarantee(Guarantee::UntilExit)
            .max_unacked(window)
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        if let Some(mut earlier) = self.running.take() {
            self.last_lane = earlier.hub.last_lane();
            earlier.acceptor.abort();
            // The port is free only when its task has ended.
            let _ = (&mut earlier.acceptor).await;
        }
        self.options.check()?;
        context.status.connecting();
        let tls = self
            .options
            .tls
            .as_ref()
            .map(lorry_core::tls::TlsOptions::server)
            .transpose()?
            .map(tokio_rustls::TlsAcceptor::from);
        let sessions = Sessions::load(context.state.clone(), format!("mqtt-sessions-{}", context.element))?;
        let (sender, deliveries) = mpsc::unbounded_channel();
        let hub = Arc::new(Hub::new(&self.options, &context.element, self.last_lane, sender, sessions)?);
        let listener = self.bind().await?;
        let address = listener.local_addr().map_err(Error::from)?;
        let max_clients = self.options.listener.max_clients;
        let acceptor = tokio::spawn(Acceptor { listener, tls, hub: hub.clone(), max_clients }.run());
        context.status.up();
        tracing::info!(element = %context.element, %address, "devices may connect");
        self.running = Some(Running { hub, address, acceptor, deliveries, rest: None });
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        let Some(running) = &mut self.running else { return Err(Error::usage("the source is not open")) };
        let event = running.next(limit).await;
        self.last_lane = running.hub.last_lane();
        event
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        let Some(running) = &self.running else { return Ok(()) };
        for settled in settled {
            match settled {
                Settled::UpTo(lane, position) => running.hub.tell(lane, Order::Settled(position.0)),
                Settled::Items(lane, verdicts) => {
                    for verdict in verdicts {
                        if let Some(refused) = verdict.refused {
                            running.hub.tell(lane, Order::Refused(verdict.position.0, error::refusal(&refused)));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            self.last_lane = running.hub.last_lane();
            running.hub.close().write().await;
            // It ends by itself, within bounds; dropping `running` would cut the acknowledgements off.
            let _ = (&mut running.acceptor).await;
        }
        Ok(())
    }

    fn is_counted(&self, message: &Message) -> bool {
        message.properties().qos != Some(0)
    }
}

impl Running {
    /// Cancel-safe: a message leaves the queue and this future at once.
    async fn next(&mut self, limit: usize) -> Result<Event> {
        let (lane, first, mut messages) = match self.rest.take() {
            Some(rest) => rest,
            None => match self.deliveries.recv().await {
                Some(Delivery::Messages(lane, first, messages)) => (lane, first, messages.into_iter()),
                Some(Delivery::Lost(lane)) => return Ok(Event::LaneLost(lane)),
                None => return Ok(Event::End),
            },
        };
        let values: Vec<_> = messages.by_ref().take(limit).collect();
        if messages.len() > 0 {
            self.rest = Some((lane, first + values.len() as u64, messages));
        }
        Ok(Event::Chunk(Chunk::sequential(lane, first, values)))
    }
}
