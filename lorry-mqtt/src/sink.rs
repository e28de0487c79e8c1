//! `mqttsink`: publishes, and answers once the server has confirmed.

use crate::client::{Client, Command, Endpoint};
use crate::mapping;
use crate::options::{MqttOptions, MqttSinkOptions, Protocol, Retain};
use crate::packet::{Publish, Text};
use crate::session::Setup;
use lorry_core::relay::{Batch, Context, Failure, Failures, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Error, ErrorKind, Message, Result, Template, async_trait};
use std::time::Duration;
use tokio::sync::oneshot;

/// Messages to an MQTT server. See [the element's page](crate) for options and guarantees.
///
/// ```no_run
/// use lorry_core::Message;
/// use lorry_core::relay::{Batch, Context, Sink};
/// use lorry_mqtt::{MqttOptions, MqttSink};
///
/// # async fn example() -> lorry_core::Result<()> {
/// let mut sink = MqttSink::new(MqttOptions::new("localhost").topic("alerts"));
/// sink.open(Context::detached("mqttsink0")).await?;
/// let receipt = sink.send(Batch::new(vec![Message::new("too hot")])).await?;
/// receipt.await.expect("confirmed by the server");
/// sink.close().await
/// # }
/// ```
#[derive(Debug)]
pub struct MqttSink {
    options: MqttOptions,
    own: MqttSinkOptions,
    topic: Option<Topic>,
    client: Option<Client>,
    id: Option<String>,
}

/// Where a message goes that is not published under its own address.
#[derive(Debug)]
enum Topic {
    Fixed(Text),
    Template(Template),
}

impl MqttSink {
    /// A sink with these options, which are checked when it is opened.
    pub fn new(options: MqttOptions) -> Self {
        Self { options, own: MqttSinkOptions::default(), topic: None, client: None, id: None }
    }

    /// With other options of a sink.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut MqttSinkOptions)) -> Self {
        change(&mut self.own);
        self
    }

    fn setup(&mut self, context: &Context) -> Result<Setup> {
        self.own.check(&self.options)?;
        let options = &self.options;
        let template = options.topics.first().map(|topic| Template::parse(topic)).transpose()?;
        self.topic = template.map(|template| match template.constant() {
            Some(topic) => Topic::Fixed(Text::from(topic)),
            None => Topic::Template(template),
        });
        let id = self.id.get_or_insert_with(|| options.id(&context.identity, &context.element)).clone();
        // What is not confirmed is kept here and published again, so that a session at the server has nothing to add to QoS 1.
        let clean = options.client.clean_session.unwrap_or(true);
        let expiry = match (options.client.session_expiry, clean) {
            (Some(expiry), _) => u32::try_from(expiry.0.as_secs()).unwrap_or(u32::MAX),
            (None, true) => 0,
            (None, false) => u32::MAX,
        };
        let qos = options.qos_value();
        Ok(Setup {
            fresh: clean,
            forget: clean,
            expiry,
            send_maximum: self.own.max_in_flight.min(u16::MAX - 1),
            publish_qos: Some(qos),
            ..Setup::new(options, &id)
        })
    }

    /// The message as a publish.
    fn publish(&self, message: &Message) -> Result<Publish> {
        let topic = match (&self.topic, self.own.keep_address) {
            (_, true) if !message.address.is_empty() => Text::from(message.address.as_str()),
            (Some(Topic::Fixed(topic)), _) => topic.clone(),
            (Some(Topic::Template(template)), _) => Text::from(&*template.render(message)?),
            (None, _) => {
                return Err(Error::data(ErrorKind::Malformed, "publish", "the message has no address of its own")
                    .hint("give the sink a topic for such messages"));
            }
        };
        let retain = match self.own.retain {
            Retain::No => false,
            Retain::Yes => true,
            Retain::Keep => message.properties().retain,
        };
        Ok(mapping::publish(message, topic, self.options.qos_value(), retain))
    }
}

#[async_trait]
impl Sink for MqttSink {
    fn info(&self, _: &Identity) -> SinkInfo {
        let topic = self.options.topics.first().map_or("", String::as_str);
        let info = SinkInfo::new("mqttsink", format!("{}/{topic}", self.options.server()));
        let info = info.loses(["the key", "event time", "message id and priority"]);
        match self.options.client.version {
            Protocol::V5 => info.loses(["headers that are binary, lists or tables"]),
            Protocol::V4 => info.loses(["headers", "content type, correlation id, reply address and expiry"]),
        }
    }

    fn limits(&self) -> Limits {
        Limits { items: 500, bytes: 4 << 20, linger: Duration::ZERO, receipts: 16 }
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.client = None;
        let setup = self.setup(&context)?;
        let endpoint = Endpoint::new(&self.options)?;
        let (mut client, _) = Client::spawn(endpoint, setup, usize::MAX, context.retry, context.status);
        client.ready().await?;
        self.client = Some(client);
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        let Some(client) = &self.client else { return Err(Error::usage("the sink is not open")) };
        let (mut publishes, mut failures) = (Vec::with_capacity(batch.len()), Vec::new());
        for (index, message) in batch.iter().enumerate() {
            match self.publish(message) {
                Ok(publish) => publishes.push((index, publish)),
                Err(error) => failures.push(Failure { index, error }),
            }
        }
        let len = batch.len();
        if publishes.is_empty() {
            let result = if failures.is_empty() { Ok(()) } else { Err(Failures::some(failures)) };
            return Ok(Box::pin(async { result }));
        }
        let (reply, answer) = oneshot::channel();
        client.tell(Command::Publish { len, publishes, failures, reply })?;
        Ok(Box::pin(async move {
            let gone = || Failures::all(len, &Error::transient(ErrorKind::Closed, "publish", "the sink was closed"));
            answer.await.unwrap_or_else(|_| Err(gone()))
        }))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(client) = self.client.take() {
            client.close().await;
        }
        Ok(())
    }
}
