//! `mqttsrc`: subscribes, and acknowledges what the relay has delivered.

use crate::client::{Client, Command, Delivery, Endpoint, Inbox};
use crate::options::{MqttOptions, MqttSourceOptions, Protocol};
use crate::packet::{Filter, Qos, RetainHandling, Text};
use crate::session::Setup;
use lorry_core::relay::{Chunk, Context, Event, Guarantee, Identity, Settled, Settlement, Source, SourceInfo};
use lorry_core::{Error, Message, Result, async_trait};
use std::time::Duration;

/// How long the session of an unnamed relay outlives a lost connection.
const UNNAMED_EXPIRY: Duration = Duration::from_secs(300);
/// mosquitto's window for 3.1.1, which it does not announce.
const WINDOW_OF_V4: usize = 20;

/// Messages from an MQTT server. See [the element's page](crate) for options and guarantees.
///
/// ```no_run
/// use lorry_core::relay::{Context, Event, Source};
/// use lorry_mqtt::{MqttOptions, MqttSource};
///
/// # async fn example() -> lorry_core::Result<()> {
/// let mut source = MqttSource::new(MqttOptions::new("localhost").topic("sensors/#"));
/// source.open(Context::detached("mqttsrc0")).await?;
/// if let Event::Chunk(chunk) = source.next(256).await? {
///     println!("{} messages, the first from {}", chunk.values.len(), chunk.values[0].address);
/// }
/// source.close().await
/// # }
/// ```
#[derive(Debug)]
pub struct MqttSource {
    options: MqttOptions,
    own: MqttSourceOptions,
    running: Option<Running>,
    /// The id of an unnamed client, the same for as long as this value lives.
    id: Option<String>,
}

#[derive(Debug)]
struct Running {
    client: Client,
    inbox: Inbox,
    /// What was received and did not fit into the last chunk.
    rest: Option<Chunk>,
}

impl MqttSource {
    /// A source with these options, which are checked when it is opened.
    pub fn new(options: MqttOptions) -> Self {
        Self { options, own: MqttSourceOptions::default(), running: None, id: None }
    }

    /// With other options of a source.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut MqttSourceOptions)) -> Self {
        change(&mut self.own);
        self
    }

    fn setup(&mut self, context: &Context) -> Result<Setup> {
        let Self { options, own, id, .. } = self;
        own.check(options)?;
        let identity = &context.identity;
        let durable = options.is_durable(identity);
        if own.share.is_some() && identity.is_durable() && identity.instance.is_none() {
            return Err(Error::usage("share= with --name needs --instance, which tells apart those who share")
                .hint("write --instance 1"));
        }
        if options.client.clean_session == Some(false) && options.client.client_id.is_none() && !identity.is_durable() {
            return Err(Error::usage(
                "clean-session=false needs client-id= or --name: else nobody could come back to the session",
            ));
        }
        let id = id.get_or_insert_with(|| options.id(identity, &context.element));
        let expiry = match (options.client.session_expiry, durable) {
            (Some(expiry), _) => u32::try_from(expiry.0.as_secs()).unwrap_or(u32::MAX),
            (None, true) => u32::MAX,
            (None, false) if options.client.clean_session == Some(true) => 0,
            (None, false) => UNNAMED_EXPIRY.as_secs() as u32,
        };
        let filter = |path: &String| Filter {
            path: match &own.share {
                Some(group) => Text::from(format!("$share/{group}/{path}")),
                None => Text::from(path.as_str()),
            },
            qos: options.qos_value(),
            no_local: false,
            retain_as_published: true,
            // Shared subscriptions get no retained messages, and the option has no meaning for them.
            retain_handling: if own.share.is_some() { RetainHandling::Always } else { RetainHandling::IfNew },
        };
        Ok(Setup {
            fresh: !durable,
            forget: !durable,
            expiry,
            receive_maximum: own.receive_maximum,
            send_maximum: 1,
            filters: options.topics.iter().map(filter).collect(),
            strict: context.require > Some(Guarantee::BestEffort),
            publish_qos: None,
            ..Setup::new(options, id)
        })
    }
}

#[async_trait]
impl Source for MqttSource {
    fn info(&self, identity: &Identity) -> SourceInfo {
        let options = &self.options;
        let identity_text = format!("{}/{}", options.server(), options.topics.join(","));
        let info = SourceInfo::new("mqttsrc", identity_text).settlement(Settlement::InOrder);
        if options.qos_value() == Qos::AtMostOnce {
            return info;
        }
        let info = info.max_unacked(match options.client.version {
            Protocol::V5 => self.own.receive_maximum.into(),
            Protocol::V4 => WINDOW_OF_V4.min(self.own.receive_maximum.into()),
        });
        let ends_with_connection = options.client.version == Protocol::V4
            || options.client.session_expiry.is_some_and(|expiry| expiry.0.is_zero())
            || (options.client.clean_session == Some(true) && options.client.session_expiry.is_none());
        info.guarantee(match (options.is_durable(identity), ends_with_connection) {
            (true, _) => Guarantee::SurvivesRestart,
            (false, false) => Guarantee::UntilExit,
            (false, true) => Guarantee::BestEffort,
        })
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.running = None;
        let setup = self.setup(&context)?;
        let max_size = self.own.max_message_size.bytes();
        let endpoint = Endpoint::new(&self.options)?;
        let (mut client, inbox) = Client::spawn(endpoint, setup, max_size, context.retry, context.status);
        client.ready().await?;
        self.running = Some(Running { client, inbox, rest: None });
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        let Some(running) = &mut self.running else { return Err(Error::usage("the source is not open")) };
        running.next(limit).await
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        match &self.running {
            Some(running) => running.client.tell(Command::Settled(settled)),
            None => Ok(()),
        }
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            running.client.close().await;
        }
        Ok(())
    }

    fn is_counted(&self, message: &Message) -> bool {
        message.properties().qos != Some(0)
    }
}

impl Running {
    async fn next(&mut self, limit: usize) -> Result<Event> {
        let mut chunk = match self.rest.take() {
            Some(chunk) => chunk,
            None => match self.inbox.next().await {
                Some(Delivery::Messages(chunk)) => {
                    if self.inbox.took(&chunk) {
                        // Nobody hears it when the task has ended; the chunk is out of the queue and must not be lost with the error.
                        let _ = self.client.tell(Command::Taken);
                    }
                    chunk
                }
                // Never `LaneRepeats`: a server that was killed may have restored an older session than the one it says it has kept.
                Some(Delivery::Lost(lane)) => return Ok(Event::LaneLost(lane)),
                None => return Err(self.client.verdict()),
            },
        };
        if chunk.values.len() > limit {
            self.rest = Some(chunk.split_off(limit));
        }
        Ok(Event::Chunk(chunk))
    }
}
